-- A database in memory: rows, an index, joins, sums and a text search. ROWS is replaced by a number.
create table person(id integer primary key, name text, city integer, born integer);
create table city(id integer primary key, name text);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 100) insert into city select i, 'city ' || (i * 7919 % 1000) from n;
begin;
with recursive n(i) as (select 1 union all select i + 1 from n where i < ROWS)
    insert into person select i, 'name ' || (i * 48271 % 65537), i * 7 % 100 + 1, 1900 + i * 31 % 120 from n;
commit;
create index person_name on person(name);
select count(*), sum(born), max(name) from person;
select city.name, count(*), avg(born) from person join city on city.id = person.city group by city.id order by 2 desc, 1 limit 10;
select count(*) from person a join person b on b.name = 'name ' || (a.id % 65537) where a.born > 1960;
select count(*) from person where name like '%99%';
update person set born = born + 1 where city between 10 and 30;
delete from person where id % 5 = 0;
select born, count(*) from person group by born having count(*) > 1 order by born desc limit 5;

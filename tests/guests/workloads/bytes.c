/* What programs do to bytes by way of the C library: copies, moves and searches of all lengths, aligned and not; and reading JSON. */
#include "workloads.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA = 1 << 20, SMALL = 20000, TEXT = 1 << 16 };

uint64_t copies(uint64_t rounds)
{
    static uint8_t from[ARENA + 64], to[ARENA + 64];
    uint64_t checksum = 0, random = 7;
    for (size_t i = 0; i < sizeof from; i++)
        from[i] = (uint8_t)(i * 31 >> 3);
    while (rounds--) {
        for (int i = 0; i < SMALL; i++) {
            uint64_t pick = next_random(&random);
            size_t length = pick % 8 ? pick >> 8 & 63 : pick >> 8 & 2047;
            memcpy(to + (pick >> 20 & 0xffff), from + (pick >> 36 & 0xffff), length);
        }
        memcpy(to + rounds % 8, from, ARENA);
        memmove(to + 32, to, ARENA);
        memset(from + (rounds & 0xfff), (int)rounds, 4096);
        checksum = mix(checksum, (uint64_t)memcmp(to + 32 + rounds % 8, from, 64) + to[random & 0xffff] + to[ARENA]);
    }
    return checksum;
}

uint64_t strings(uint64_t rounds)
{
    static char text[TEXT + 1];
    uint64_t checksum = 0, random = 11;
    for (size_t at = 0; at < TEXT;) {
        size_t length = next_random(&random) % 8 ? random >> 9 & 31 : random >> 9 & 511;
        for (; length-- && at < TEXT; at++)
            text[at] = (char)('a' + (at * 7 + length) % 23);
        text[at++] = 0;
    }
    while (rounds--) {
        for (size_t at = 0, length; at < TEXT; at += length + 1) {
            length = strlen(text + at);
            const char *found = memchr(text + at, 'q', length), *last = strrchr(text + at, 'd');
            checksum = mix(checksum, length + (found ? (uint64_t)(found - text) : 1) + (last ? (uint64_t)(last - text) : 2));
            checksum += (uint64_t)(strcmp(text + at, text + at / 2) < 0);
        }
    }
    return checksum;
}

/* A value of JSON: its kind is its first letter, its children are a list. */
struct value {
    struct value *next, *children;
    const char *key, *text;
    uint32_t key_length, text_length;
    int64_t number;
    char kind;
};

static const char *parse(const char *at, struct value *value);

static const char *skip(const char *at)
{
    while (*at == ' ' || *at == '\n' || *at == '\t' || *at == ',' || *at == ':')
        at++;
    return at;
}

static const char *parse_string(const char *at, const char **text, uint32_t *length)
{
    *text = ++at;
    while (*at != '"')
        at += *at == '\\' ? 2 : 1;
    *length = (uint32_t)(at - *text);
    return at + 1;
}

static const char *parse_children(const char *at, struct value *value, char end)
{
    struct value **last = &value->children;
    for (at = skip(at + 1); *at != end; at = skip(at)) {
        struct value *child = calloc(1, sizeof *child);
        if (!child)
            fail("calloc");
        if (end == '}')
            at = skip(parse_string(at, &child->key, &child->key_length));
        at = parse(at, child);
        *last = child;
        last = &child->next;
    }
    return at + 1;
}

static const char *parse(const char *at, struct value *value)
{
    at = skip(at);
    switch (value->kind = *at) {
    case '{':
        return parse_children(at, value, '}');
    case '[':
        return parse_children(at, value, ']');
    case '"':
        return parse_string(at, &value->text, &value->text_length);
    case 't':
    case 'n':
        return at + 4;
    case 'f':
        return at + 5;
    default: {
        char *end;
        value->number = strtoll(at, &end, 10);
        value->kind = '0';
        return end;
    }
    }
}

/* Takes a value apart again: its checksum. */
static uint64_t free_values(struct value *value, uint64_t checksum)
{
    while (value) {
        struct value *next = value->next;
        checksum = mix(checksum, (uint64_t)value->number + (uint8_t)value->kind + ((uint64_t)value->key_length << 32) + value->text_length);
        if (value->kind == '"')
            for (uint32_t i = 0; i < value->text_length; i++)
                checksum += (uint64_t)(value->text[i] == '\\');
        checksum = free_values(value->children, checksum);
        free(value);
        value = next;
    }
    return checksum;
}

/* A list of records, as a service answers with. */
static void write_records(char *text, int records)
{
    uint64_t random = 5;
    *text++ = '[';
    while (records--) {
        static const char *states[] = {"true", "false", "null"};
        uint64_t a = next_random(&random), b = next_random(&random);
        text += sprintf(text, "{\"id\": %llu, \"name\": \"user \\\"%llx\\\"\", \"active\": %s,\n\t",
                        (unsigned long long)(a >> 20), (unsigned long long)b, states[a % 3]);
        text += sprintf(text, "\"scores\": [%d, -%d, %d], ", (int)(a & 1023), (int)(b & 1023), (int)(a >> 50));
        text += sprintf(text, "\"place\": {\"x\": %d, \"y\": %d}}%s", (int)(b >> 44), (int)(b >> 30 & 4095), records ? ", " : "]");
    }
}

uint64_t json(uint64_t rounds)
{
    enum { RECORDS = 1000, LONGEST = 256 };
    static char text[RECORDS * LONGEST];
    uint64_t checksum = 0;
    write_records(text, RECORDS);
    while (rounds--) {
        struct value *root = calloc(1, sizeof *root);
        if (!root)
            fail("calloc");
        parse(text, root);
        checksum = free_values(root, checksum);
    }
    return checksum;
}

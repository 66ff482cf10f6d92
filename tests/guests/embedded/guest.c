/* The embedded guest: proves RAM from the inside. Its console protocol is described in ../README.md. */

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long u64;

/* The board: QEMU's riscv64 virt map. */
#define UART            0x10000000ul
#define UART_RBR        0
#define UART_IER        1
#define UART_FCR        2
#define UART_LCR        3
#define UART_LSR        5
#define LSR_READY       0x01
#define LSR_BREAK       0x10
#define UART_IRQ        10
#define PLIC            0x0c000000ul
#define GUEST           0x80200000ul    /* where the guest itself is, and, in its region, where the page pool begins: see link.ld */
#define POOL_START      0x80300000ul

#define SIE_STIE        (1ul << 5)
#define SIE_SEIE        (1ul << 9)

#define SBI_TIME        0x54494d45
#define SBI_SRST        0x53525354
#define SRST_SHUTDOWN   0
#define SRST_NO_REASON  0
#define SRST_FAILURE    1

#define PAGE            4096ul
#define PAGE_WORDS      (PAGE / sizeof(u64))
#define PAGE_MAGIC      0x656761506d567350ul    /* "PsVmPage" */
#define FIRST_PAGES     256
#define MAX_REGIONS     8

#define FDT_BEGIN_NODE  1
#define FDT_END_NODE    2
#define FDT_PROP        3
#define FDT_NOP         4

struct region { u64 base, size; u64 store_fault; };
struct area { u64 base, pages; };
struct tally { u64 pages, good, zero, bad, checksum; };

u64 probe_load(u64 *address);
u64 probe_store(u64 *address);
void spin(u64 iterations);

static struct region regions[MAX_REGIONS];
static u64 region_count;
static struct area areas[MAX_REGIONS + 1];      /* the device tree may cut one region in two */
static u64 area_count;
static u64 pool_pages, used_pages, generation;
static u64 timebase = 10000000, next_tick, ticks;
static volatile u32 *plic_enable, *plic_threshold, *plic_claim;
static char line[80];
static u64 line_length;
static int after_break;

/* Console */

static volatile u8 *const uart = (volatile u8 *)UART;

static void put(char c)
{
    while (!(uart[UART_LSR] & 0x20))
        ;
    uart[UART_RBR] = c;
}

static void put_number(u64 value, u64 base)
{
    char digits[20];
    int n = 0;

    do {
        digits[n++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    while (n)
        put(digits[--n]);
}

/* Knows %s, %u (decimal) and %x (hexadecimal with 0x), both of 64 bits. A newline becomes CR LF. */
static void print(const char *format, ...)
{
    __builtin_va_list args;

    __builtin_va_start(args, format);
    for (; *format; format++) {
        if (*format == '\n') {
            put('\r');
            put('\n');
        } else if (*format != '%') {
            put(*format);
        } else if (*++format == 's') {
            for (const char *s = __builtin_va_arg(args, const char *); *s; s++)
                put(*s);
        } else if (*format == 'u') {
            put_number(__builtin_va_arg(args, u64), 10);
        } else {
            put('0');
            put('x');
            put_number(__builtin_va_arg(args, u64), 16);
        }
    }
    __builtin_va_end(args);
}

/* Machine */

static void sbi_call(u64 extension, u64 function, u64 arg0, u64 arg1)
{
    register u64 a0 __asm__("a0") = arg0;
    register u64 a1 __asm__("a1") = arg1;
    register u64 a6 __asm__("a6") = function;
    register u64 a7 __asm__("a7") = extension;

    __asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a6), "r"(a7) : "memory");
}

static u64 now(void)
{
    u64 time;

    __asm__ volatile("rdtime %0" : "=r"(time));
    return time;
}

static void power_off(u64 reason)
{
    sbi_call(SBI_SRST, 0, SRST_SHUTDOWN, reason);
    print("error: the machine does not power off\n");
    for (;;)
        __asm__ volatile("wfi");
}

void unexpected_trap(u64 cause, u64 pc, u64 value)
{
    print("trap: cause=%u pc=%x value=%x\n", cause, pc, value);
    power_off(SRST_FAILURE);
}

static void set_next_tick(void)
{
    next_tick += timebase;
    if (next_tick <= now())         /* held up by a command, or suspended: no burst of late ticks */
        next_tick = now() + timebase;
    sbi_call(SBI_TIME, 0, next_tick, 0);
}

static void interrupts_init(u64 hart)
{
    u64 context = 2 * hart + 1;     /* each hart has a machine and a supervisor context */

    plic_enable = (volatile u32 *)(PLIC + 0x2000 + 0x80 * context);
    plic_threshold = (volatile u32 *)(PLIC + 0x200000 + 0x1000 * context);
    plic_claim = plic_threshold + 1;
    ((volatile u32 *)PLIC)[UART_IRQ] = 1;
    *plic_enable = 1u << UART_IRQ;
    *plic_threshold = 0;

    uart[UART_LCR] = 3;             /* 8 bits, no parity, 1 stop bit */
    uart[UART_FCR] = 1;             /* FIFOs on */
    uart[UART_IER] = 1;             /* interrupt on received data */

    next_tick = now();
    set_next_tick();
    __asm__ volatile("csrs sie, %0" : : "r"(SIE_STIE | SIE_SEIE));
}

/* Device tree (Devicetree Specification 0.4, chapter 5) */

static u64 big_endian(const u8 *bytes, u64 length)
{
    u64 value = 0;

    while (length--)
        value = value << 8 | *bytes++;
    return value;
}

static int equal(const char *a, const char *b)
{
    for (; *a && *a == *b; a++, b++)
        ;
    return *a == *b;
}

static int is_named(const char *node, const char *name)
{
    for (; *name && *node == *name; name++, node++)
        ;
    return !*name && (!*node || *node == '@');
}

static void add_regions(const u8 *reg, u64 length, u64 address_cells, u64 size_cells)
{
    u64 address_bytes = 4 * address_cells, size_bytes = 4 * size_cells;

    for (; length >= address_bytes + size_bytes && region_count < MAX_REGIONS; length -= address_bytes + size_bytes) {
        regions[region_count].base = big_endian(reg, address_bytes);
        regions[region_count++].size = big_endian(reg + address_bytes, size_bytes);
        reg += address_bytes + size_bytes;
    }
}

static void read_device_tree(const u8 *tree)
{
    const u8 *at = tree + big_endian(tree + 8, 4);
    const char *strings = (const char *)tree + big_endian(tree + 12, 4);
    const char *node = "";
    u64 depth = 0, address_cells = 2, size_cells = 1;

    for (;;) {
        u64 token = big_endian(at, 4);

        at += 4;
        if (token == FDT_BEGIN_NODE) {
            depth++;
            node = (const char *)at;
            while (*at++)
                ;
            at = (const u8 *)(((u64)at + 3) & ~3ul);
        } else if (token == FDT_END_NODE) {
            depth--;
        } else if (token == FDT_PROP) {
            u64 length = big_endian(at, 4);
            const char *name = strings + big_endian(at + 4, 4);
            const u8 *value = at + 8;

            if (depth == 1 && equal(name, "#address-cells"))
                address_cells = big_endian(value, 4);
            else if (depth == 1 && equal(name, "#size-cells"))
                size_cells = big_endian(value, 4);
            else if (depth == 2 && equal(name, "timebase-frequency"))
                timebase = big_endian(value, length);
            else if (depth == 2 && (is_named(node, "memory") || is_named(node, "rom")) && equal(name, "reg"))
                add_regions(value, length, address_cells, size_cells);
            at = value + ((length + 3) & ~3ul);
        } else if (token != FDT_NOP) {
            return;
        }
    }
}

/* The page pool: writable RAM but for the guest itself, what lies below it, and the device tree */

static void add_area(u64 from, u64 to)
{
    from = (from + PAGE - 1) & ~(PAGE - 1);
    to &= ~(PAGE - 1);
    if (from >= to)
        return;
    areas[area_count].base = from;
    areas[area_count++].pages = (to - from) / PAGE;
    pool_pages += (to - from) / PAGE;
}

static u64 last_word(const struct region *region)
{
    return region->base + region->size - sizeof(u64);
}

static void find_pool(u64 tree, u64 tree_end)
{
    for (u64 i = 0; i < region_count; i++) {
        struct region *r = &regions[i];
        u64 from = r->base, to = r->base + r->size;

        if (from <= GUEST && GUEST < to)
            from = POOL_START;
        else
            r->store_fault = probe_store((u64 *)last_word(r));
        print("ram: region=%u base=%x bytes=%u%s\n", i, r->base, r->size, r->store_fault ? " read-only" : "");
        if (r->store_fault)
            continue;
        if (tree_end <= from || tree >= to) {
            add_area(from, to);
        } else {
            if (tree > from)
                add_area(from, tree & ~(PAGE - 1));
            add_area(tree_end, to);
        }
    }
}

static u64 *pool_page(u64 index)
{
    u64 i = 0;

    while (index >= areas[i].pages)
        index -= areas[i++].pages;
    return (u64 *)(areas[i].base + index * PAGE);
}

/* A page holds a magic number, its generation, the number of pages in use when it was written, and words made from where they are. */

static u64 expected_word(const u64 *page, u64 index)
{
    u64 word = ((u64)(page + index) + page[1]) * 0x9e3779b97f4a7c15ul;

    return word ^ word >> 32;
}

static void write_page(u64 *page)
{
    page[0] = PAGE_MAGIC;
    page[1] = generation;
    page[2] = used_pages;
    for (u64 i = 3; i < PAGE_WORDS; i++)
        page[i] = expected_word(page, i);
}

static void check_page(const u64 *page, struct tally *tally)
{
    int good = page[0] == PAGE_MAGIC, zero = 1;

    for (u64 i = 0; i < PAGE_WORDS; i++) {
        zero &= page[i] == 0;
        good &= i < 3 || page[i] == expected_word(page, i);
        tally->checksum = (tally->checksum ^ page[i]) * 0x100000001b3ul;
    }
    tally->pages++;
    if (good)
        tally->good++;
    else if (zero)
        tally->zero++;
    else
        tally->bad++;
}

static void write_pages(u64 count)
{
    if (count > used_pages)
        used_pages = count;
    generation++;
    for (u64 i = 0; i < count; i++)
        write_page(pool_page(i));
}

static void check(void)
{
    struct tally t = { .checksum = 0xcbf29ce484222325ul };

    for (u64 i = 0; i < used_pages; i++)
        check_page(pool_page(i), &t);
    print("check: %s pages=%u good=%u zero=%u bad=%u checksum=%x\n",
          t.good == t.pages ? "ok" : "FAIL", t.pages, t.good, t.zero, t.bad, t.checksum);
}

static void begin_pattern(void)
{
    const u64 *first = pool_page(0);
    int found = first[0] == PAGE_MAGIC && first[2] >= 1 && first[2] <= pool_pages;

    if (found) {                    /* the RAM has been a guest's before: leave it as it is */
        generation = first[1];
        used_pages = first[2];
    } else {
        write_pages(pool_pages < FIRST_PAGES ? pool_pages : FIRST_PAGES);
    }
    print("pattern: %s pages=%u of=%u first=%x generation=%u\n",
          found ? "found" : "written", used_pages, pool_pages, (u64)first, generation);
    check();
}

/* Commands */

static void touch(u64 pages)
{
    if (pages > pool_pages)
        pages = pool_pages;
    write_pages(pages);
    print("touch: pages=%u generation=%u\n", pages, generation);
}

static void try_stores(void)
{
    for (u64 i = 0; i < region_count; i++) {
        u64 address = last_word(&regions[i]);
        u64 load_fault = probe_load((u64 *)address);
        u64 store_fault = probe_store((u64 *)address);

        if (load_fault)
            print("rom: load faulted cause=%u at %x\n", load_fault, address);
        else if (store_fault)
            print("rom: store faulted cause=%u at %x\n", store_fault, address);
        else
            print("rom: store succeeded at %x\n", address);
    }
}

static void spin_millions(u64 millions)
{
    u64 start = now();

    spin(millions * 1000000);
    print("spin: iterations=%u ms=%u\n", millions * 1000000, (now() - start) * 1000 / timebase);
}

static void off(void)
{
    print("off: powering off\n");
    power_off(SRST_NO_REASON);
}

/* Cuts the line in two at its first space; the second word as a number, or 0. */
static u64 cut_number(void)
{
    char *at = line;
    u64 number = 0;

    while (*at && *at != ' ')
        at++;
    if (!*at)
        return 0;
    for (*at++ = 0; *at >= '0' && *at <= '9' && number < 1000000000; at++)
        number = number * 10 + (u64)(*at - '0');
    return *at || number > 1000000000 ? 0 : number;
}

static void obey(void)
{
    u64 number = cut_number();

    if (equal(line, "check"))
        check();
    else if (equal(line, "rom"))
        try_stores();
    else if (equal(line, "help"))
        print("help: touch N | check | rom | spin N | off | help\n");
    else if (equal(line, "off"))
        off();
    else if (!equal(line, "touch") && !equal(line, "spin"))
        print("error: unknown command %s\n", line);
    else if (!number)
        print("error: %s needs a number from 1 to 1000000000\n", line);
    else if (*line == 't')
        touch(number);
    else
        spin_millions(number);
}

static void receive(char c)
{
    if (c == '\r' || c == '\n') {
        if (!line_length)
            return;
        print("\n");
        line[line_length] = 0;
        line_length = 0;
        obey();
    } else if (c == 0x7f || c == '\b') {
        if (line_length) {
            line_length--;
            print("\b \b");
        }
    } else if (line_length < sizeof(line) - 1) {
        line[line_length++] = c;
        put(c);
    }
}

static void tick(void)
{
    set_next_tick();
    if (!line_length)               /* not in the middle of a line that someone types */
        print("TICK %u\n", ++ticks);
}

static void receive_all(void)
{
    u32 irq = *plic_claim;

    for (u8 status; (status = uart[UART_LSR]) & LSR_READY;) {
        char c = uart[UART_RBR];

        if (status & LSR_BREAK) {
            after_break = 1;
        } else if (after_break) {   /* as Linux's SysRq keys; there is nothing to sync or to unmount */
            after_break = 0;
            if (c == 'o')
                off();
        } else {
            receive(c);
        }
    }
    if (irq)
        *plic_claim = irq;
}

void guest_main(u64 hart, const u8 *tree)
{
    print("PsVm embedded guest\n");
    read_device_tree(tree);
    find_pool((u64)tree, (u64)tree + big_endian(tree + 4, 4));
    if (!pool_pages) {
        print("error: no writable RAM above %x\n", POOL_START);
        power_off(SRST_FAILURE);
    }
    begin_pattern();
    interrupts_init(hart);
    print("GUEST-UP\n");

    for (;;) {
        u64 pending;

        __asm__ volatile("wfi\n csrr %0, sip" : "=r"(pending) : : "memory");
        if (pending & SIE_STIE)
            tick();
        if (pending & SIE_SEIE)
            receive_all();
    }
}

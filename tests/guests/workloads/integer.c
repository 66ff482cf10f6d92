/* What CoreMark is made of: a linked list that is searched, reversed and sorted, small matrices, a state machine and a CRC. */
#include "workloads.h"
#include <stddef.h>

enum { NODES = 200, SIDE = 20, TEXT = 500 };

struct node {
    struct node *next;
    int16_t key, index;
};

static uint16_t crc16(uint16_t crc, uint16_t value)
{
    for (int bit = 0; bit < 16; bit++, value >>= 1) {
        int carry = (crc ^ value) & 1;
        crc >>= 1;
        if (carry)
            crc ^= 0xa001;
    }
    return crc;
}

static struct node *reverse(struct node *list)
{
    struct node *reversed = NULL;
    while (list) {
        struct node *next = list->next;
        list->next = reversed;
        reversed = list;
        list = next;
    }
    return reversed;
}

/* Runs of 1, 2, 4 ... nodes are merged until one is left. */
static struct node *sort(struct node *list)
{
    for (size_t width = 1;; width *= 2) {
        struct node *rest = list, **tail = &list;
        size_t merges = 0;
        while (rest) {
            struct node *left = rest;
            size_t left_count = 0, right_count = width;
            for (; left_count < width && rest; left_count++)
                rest = rest->next;
            while (left_count || (right_count && rest)) {
                struct node **from = left_count && (!right_count || !rest || left->key <= rest->key) ? &left : &rest;
                if (from == &left)
                    left_count--;
                else
                    right_count--;
                *tail = *from;
                tail = &(*from)->next;
                *from = *tail;
            }
            merges++;
        }
        *tail = NULL;
        if (merges <= 1)
            return list;
    }
}

static uint16_t use_list(uint64_t *random, uint16_t crc)
{
    static struct node nodes[NODES];
    struct node *list = NULL;
    for (int16_t i = 0; i < NODES; i++) {
        nodes[i] = (struct node){list, (int16_t)(next_random(random) & 0x7fff), i};
        list = &nodes[i];
    }
    for (int16_t wanted = 0; wanted < NODES; wanted += 7) {
        const struct node *found = list;
        while (found->index != wanted)
            found = found->next;
        crc = crc16(crc, (uint16_t)found->key);
        list = reverse(list);
    }
    for (list = sort(list); list; list = list->next)
        crc = crc16(crc, (uint16_t)list->index);
    return crc;
}

static uint16_t use_matrix(uint64_t *random, uint16_t crc)
{
    static int16_t a[SIDE][SIDE], b[SIDE][SIDE];
    for (int i = 0; i < SIDE * SIDE; i++) {
        a[i / SIDE][i % SIDE] = (int16_t)next_random(random);
        b[i / SIDE][i % SIDE] = (int16_t)next_random(random);
    }
    for (int i = 0; i < SIDE; i++) {
        for (int j = 0; j < SIDE; j++) {
            uint32_t sum = 0;
            for (int k = 0; k < SIDE; k++)
                sum += (uint32_t)(a[i][k] * b[k][j]);
            crc = crc16(crc, (uint16_t)(sum >> 8));
        }
    }
    return crc;
}

/* Reads numbers such as -12, 3.5 and 6e+7 separated by commas, and counts how each ends. */
static uint16_t use_states(uint64_t *random, uint16_t crc)
{
    enum state { START, SIGN, WHOLE, FRACTION, EXPONENT, EXPONENT_SIGN, SCALE, INVALID, STATES };
    static const char letters[] = "0123456789012345,,+-.e,8";
    uint16_t ends[STATES] = {0};
    enum state state = START;
    for (int i = 0; i < TEXT; i++) {
        char c = letters[next_random(random) % (sizeof letters - 1)];
        int digit = c >= '0' && c <= '9';
        if (c == ',') {
            ends[state]++;
            state = START;
            continue;
        }
        switch (state) {
        case START:
            state = digit ? WHOLE : c == '+' || c == '-' ? SIGN : c == '.' ? FRACTION : INVALID;
            break;
        case SIGN:
            state = digit ? WHOLE : c == '.' ? FRACTION : INVALID;
            break;
        case WHOLE:
            state = digit ? WHOLE : c == '.' ? FRACTION : c == 'e' ? EXPONENT : INVALID;
            break;
        case FRACTION:
            state = digit ? FRACTION : c == 'e' ? EXPONENT : INVALID;
            break;
        case EXPONENT:
            state = digit ? SCALE : c == '+' || c == '-' ? EXPONENT_SIGN : INVALID;
            break;
        case EXPONENT_SIGN:
        case SCALE:
            state = digit ? SCALE : INVALID;
            break;
        default:
            break;
        }
    }
    for (int i = 0; i < STATES; i++)
        crc = crc16(crc, ends[i]);
    return crc;
}

uint64_t integer(uint64_t rounds)
{
    uint64_t random = 42, checksum = 0;
    uint16_t crc = 0;
    while (rounds--) {
        crc = use_list(&random, crc);
        crc = use_matrix(&random, crc);
        crc = use_states(&random, crc);
        checksum = mix(checksum, crc);
    }
    return checksum;
}

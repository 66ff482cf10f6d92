/* More memory than caches hold: a sieve over megabytes in order, and loads that each depend on the one before. */
#include "workloads.h"
#include <string.h>

enum { NUMBERS = 4 << 20, LINKS = 2 << 20, STEPS = 250000 };

uint64_t sieve(uint64_t rounds)
{
    static uint8_t composite[NUMBERS];
    uint64_t checksum = 0;
    while (rounds--) {
        uint64_t primes = 0;
        memset(composite, 0, sizeof composite);
        for (uint64_t i = 2; i < NUMBERS; i++) {
            if (composite[i])
                continue;
            primes++;
            for (uint64_t multiple = i * i; multiple < NUMBERS; multiple += i)
                composite[multiple] = 1;
        }
        checksum = mix(checksum, primes);
    }
    return checksum;
}

/* The links are a linear congruential generator of full period: one cycle through all, in no order that a cache foresees. */
uint64_t chase(uint64_t rounds)
{
    static uint32_t next[LINKS];
    uint64_t checksum = 0;
    uint32_t at = 0;
    for (uint32_t i = 0; i < LINKS; i++)
        next[i] = (i * 1664525 + 1013904223) % LINKS;
    while (rounds--) {
        for (int step = 0; step < STEPS; step++)
            at = next[at];
        checksum = mix(checksum, at);
    }
    return checksum;
}

/* Anonymous memory that is written, copied on write by a child, and read back by both. */
#define _GNU_SOURCE
#include "workloads.h"
#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static uint64_t sum(const uint64_t *words, uint64_t count)
{
    uint64_t checksum = 0;
    for (uint64_t i = 0; i < count; i++)
        checksum = mix(checksum, words[i]);
    return checksum;
}

static void write_words(uint64_t *words, uint64_t count, uint64_t seed)
{
    for (uint64_t i = 0; i < count; i++)
        words[i] = next_random(&seed);
}

int fill(uint64_t bytes)
{
    uint64_t count = bytes / sizeof(uint64_t), half = 0;
    uint64_t *words = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int ends[2];
    if (words == MAP_FAILED)
        fail("mmap");
    open_pipe(ends);
    write_words(words, count, 1);
    pid_t child = start_child();
    if (child == 0) {
        write_words(words, count / 2, 2);
        half = sum(words, count);
        _exit(write(ends[1], &half, sizeof half) != sizeof half);
    }
    if (read(ends[0], &half, sizeof half) != sizeof half || wait_for_child(child))
        fail("child");
    printf("%016" PRIx64 " %016" PRIx64 "\n", half, sum(words, count));
    return 0;
}

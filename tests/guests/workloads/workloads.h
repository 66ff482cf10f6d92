/* Each workload does the given number of rounds and returns a checksum, which must be the same on every machine. */
#ifndef WORKLOADS_H
#define WORKLOADS_H

#include <stdint.h>
#include <sys/types.h>

typedef uint64_t workload(uint64_t rounds);

workload integer, sieve, chase, sha256, matmul_double, matmul_single, nbody_double, nbody_single, calls, bytecode, syscalls, faults, forks,
    processes, switches, pipes, signals, cow, copies, strings, json;

/* Ends the program with what failed and errno's text. */
_Noreturn void fail(const char *what);

/* A pipe, a process (0 in the child), and how one has ended, as waitpid says it; they fail as above. */
void open_pipe(int ends[2]);
pid_t start_child(void);
int wait_for_child(pid_t child);

/* Seconds by a clock that only goes forward. */
double now(void);

/* Checks what is no workload, for it does not measure; 0 when all is well. */
int parallel(uint64_t percent);
int fill(uint64_t bytes);

/* The next number of a pseudo-random sequence (xorshift64); the state must not be 0. */
static inline uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Adds eight bytes to a checksum (FNV-1a, a word at a time). */
static inline uint64_t mix(uint64_t checksum, uint64_t value)
{
    return (checksum ^ value) * 0x100000001b3;
}

#endif

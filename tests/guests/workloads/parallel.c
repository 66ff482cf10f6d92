/*
 * What several harts do to memory that they share: atomics, locks, messages, code that one writes and others run. Each check knows what
 * must come out, and prints `P name seconds ok` or what was wrong.
 */
#define _GNU_SOURCE
#include "workloads.h"
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 4, SLOTS = 64 };

#define LINE _Alignas(64)

/* All of it is in memory that forked processes share too. */
static struct shared {
    LINE _Atomic uint32_t word;
    LINE _Atomic uint64_t wide;
    LINE _Atomic uint32_t lock;
    LINE uint64_t first;
    LINE uint64_t second;
    LINE _Atomic uint64_t sequence;
    LINE _Atomic uint64_t wrong;
    LINE _Atomic int started;
    LINE _Atomic uint64_t head;
    LINE _Atomic uint64_t tail;
    uint64_t ring[SLOTS];
    LINE _Atomic uint64_t x;
    LINE _Atomic uint64_t y;
    uint64_t *code;
} *shared;

struct member {
    void (*run)(int number, uint64_t rounds);
    int number;
    uint64_t rounds;
};

static void wrong(void)
{
    atomic_fetch_add(&shared->wrong, 1);
}

/* The compiler makes amoadd of these. */
static void add(int number, uint64_t rounds)
{
    (void)number;
    for (uint64_t i = 0; i < rounds; i++) {
        atomic_fetch_add(&shared->word, 1);
        atomic_fetch_add_explicit(&shared->wide, 0x100000001, memory_order_relaxed);
    }
}

/* And LR and SC of these. */
static void compare_and_swap(int number, uint64_t rounds)
{
    (void)number;
    for (uint64_t i = 0; i < rounds; i++) {
        uint32_t word = atomic_load(&shared->word);
        while (!atomic_compare_exchange_weak(&shared->word, &word, word + 1))
            ;
        uint64_t wide = atomic_load(&shared->wide);
        while (!atomic_compare_exchange_weak(&shared->wide, &wide, wide + 0x100000001))
            ;
    }
}

/* A byte each of one word, as compilers do it where atomics are of words: the others' bytes must stay. */
static void parts(int number, uint64_t rounds)
{
    uint32_t one = 1u << (8 * number), mask = 0xffu << (8 * number);
    for (uint64_t i = 0; i < rounds; i++) {
        uint32_t word = atomic_load(&shared->word);
        while (!atomic_compare_exchange_weak(&shared->word, &word, (word & ~mask) | ((word + one) & mask)))
            ;
    }
}

static void spinlock(int number, uint64_t rounds)
{
    (void)number;
    for (uint64_t i = 0; i < rounds; i++) {
        uint32_t open = 0;
        while (!atomic_compare_exchange_weak_explicit(&shared->lock, &open, 1, memory_order_acquire, memory_order_relaxed))
            open = 0;
        shared->first++;
        shared->second += 3;
        atomic_store_explicit(&shared->lock, 0, memory_order_release);
    }
}

/* The first writes two values that belong together, the others must never see two that do not. */
static void seqlock(int number, uint64_t rounds)
{
    volatile uint64_t *first = &shared->ring[0], *second = &shared->ring[1];
    for (uint64_t i = 1; i <= rounds; i++) {
        if (number == 0) {
            atomic_store_explicit(&shared->sequence, 2 * i - 1, memory_order_relaxed);
            atomic_thread_fence(memory_order_seq_cst);
            *first = i;
            *second = ~i;
            atomic_store_explicit(&shared->sequence, 2 * i, memory_order_release);
            continue;
        }
        uint64_t before = atomic_load_explicit(&shared->sequence, memory_order_acquire);
        uint64_t a = *first, b = *second;
        atomic_thread_fence(memory_order_acquire);
        if (before > 0 && before % 2 == 0 && atomic_load_explicit(&shared->sequence, memory_order_relaxed) == before
            && (a != before / 2 || b != ~a))
            wrong();
    }
}

/* The first sends, the second takes: what is taken must be what was sent, each once. */
static void messages(int number, uint64_t rounds)
{
    for (uint64_t i = 0; i < rounds && number < 2; i++) {
        if (number == 0) {
            while (i - atomic_load_explicit(&shared->tail, memory_order_relaxed) == SLOTS)
                ;
            atomic_thread_fence(memory_order_acquire);
            shared->ring[i % SLOTS] = i * 0x9e3779b97f4a7c15;
            atomic_thread_fence(memory_order_release);
            atomic_store_explicit(&shared->head, i + 1, memory_order_relaxed);
        } else {
            while (atomic_load_explicit(&shared->head, memory_order_relaxed) == i)
                ;
            atomic_thread_fence(memory_order_acquire);
            if (shared->ring[i % SLOTS] != i * 0x9e3779b97f4a7c15)
                wrong();
            atomic_thread_fence(memory_order_release);
            atomic_store_explicit(&shared->tail, i + 1, memory_order_relaxed);
        }
    }
}

/* Of two that each store their own and then load the other's, one must see the other's. */
static void store_then_load(int number, uint64_t rounds)
{
    _Atomic uint64_t *mine = number == 0 ? &shared->x : &shared->y, *other = number == 0 ? &shared->y : &shared->x;
    for (uint64_t i = 1; i <= rounds && number < 2; i++) {
        atomic_store_explicit(mine, i, memory_order_relaxed);
        atomic_thread_fence(memory_order_seq_cst);
        uint64_t seen = atomic_load_explicit(other, memory_order_relaxed);
        if (seen == i - 1)
            atomic_fetch_add(&shared->wide, 1); /* the other has not come as far: it must see this one */
        atomic_fetch_add(&shared->sequence, 1);
        while (atomic_load(&shared->sequence) < 2 * i)
            ;
        if (number == 0 && atomic_exchange(&shared->wide, 0) > 1)
            wrong();
        atomic_fetch_add(&shared->head, 1);
        while (atomic_load(&shared->head) < 2 * i)
            ;
    }
}

#ifdef __riscv
/* The first writes `li a0, i; ret`; once it has said so, the others must not get an older number. */
static void code(int number, uint64_t rounds)
{
    uint64_t (*function)(void) = (uint64_t(*)(void))(void *)shared->code;
    for (uint64_t i = 1; i <= rounds && i < 2048; i++) {
        if (number == 0) {
            *(volatile uint64_t *)shared->code = 0x00008067ull << 32 | i << 20 | 0x513;
            __builtin___clear_cache((char *)shared->code, (char *)(shared->code + 1));
            atomic_store(&shared->x, i);
            for (int waits = 0; waits < 50; waits++)
                atomic_load(&shared->y);
        } else {
            uint64_t least = atomic_load(&shared->x);
            if (least > 0 && function() < least)
                wrong();
        }
    }
}
#endif

static void *run_member(void *argument)
{
    struct member *member = argument;
    atomic_fetch_add(&shared->started, 1);
    while (atomic_load(&shared->started) < THREADS)
        sched_yield();
    member->run(member->number, member->rounds);
    return NULL;
}

static bool check(
    const char *name, bool processes, void (*run)(int, uint64_t), uint64_t rounds, uint64_t word, uint64_t wide, uint64_t locked)
{
    uint64_t *page = shared->code;
    memset(shared, 0, sizeof *shared);
    shared->code = page;
    double began = now();
    struct member members[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        members[i] = (struct member){run, i, rounds};
        if (!processes && pthread_create(&threads[i], NULL, run_member, &members[i]))
            fail("pthread_create");
        if (processes && fork() == 0) {
            run_member(&members[i]);
            _exit(0);
        }
    }
    for (int i = 0; i < THREADS; i++) {
        if (processes ? wait(NULL) < 0 : pthread_join(threads[i], NULL) != 0)
            fail("wait");
    }
    bool good = shared->wrong == 0 && shared->word == (uint32_t)word && shared->wide == wide && shared->first == locked
        && shared->second == 3 * locked;
    if (good)
        printf("P %s %.3f ok\n", name, now() - began);
    else
        printf("P %s %.3f WRONG %" PRIu64 " times, word %" PRIu32 " wide %" PRIx64 " first %" PRIu64 " second %" PRIu64 "\n", name,
            now() - began, shared->wrong, shared->word, shared->wide, shared->first, shared->second);
    return good;
}

int parallel(uint64_t percent)
{
    uint64_t many = 4000 * percent, few = 400 * percent, all = THREADS * many;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        fail("mmap");
    shared->code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (shared->code == MAP_FAILED)
        fail("mmap");
    uint64_t bytes = (many & 255) * 0x01010101;
    bool good = true;
    for (int processes = 0; processes < 2; processes++) {
        good &= check(processes ? "add-forks" : "add", processes, add, many, all, all * 0x100000001, 0);
        good &= check(processes ? "cas-forks" : "cas", processes, compare_and_swap, many, all, all * 0x100000001, 0);
        good &= check(processes ? "parts-forks" : "parts", processes, parts, many, bytes, 0, 0);
        good &= check(processes ? "spinlock-forks" : "spinlock", processes, spinlock, few, 0, 0, THREADS * few);
        good &= check(processes ? "messages-forks" : "messages", processes, messages, few, 0, 0, 0);
        good &= check(processes ? "seqlock-forks" : "seqlock", processes, seqlock, many, 0, 0, 0);
        good &= check(processes ? "store-load-forks" : "store-load", processes, store_then_load, 10 * percent, 0, 0, 0);
    }
#ifdef __riscv
    good &= check("code", false, code, 20 * percent, 0, 0, 0);
#endif
    return good ? 0 : 1;
}

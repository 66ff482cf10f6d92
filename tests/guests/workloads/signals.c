/* What the kernel does between processes: signals, pages that are shared until one writes, and bytes that pass through pipes. */
#include "workloads.h"
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 256, BLOCK = 1 << 14 };

static volatile uint64_t s_signals;
static uint8_t *s_guarded;

static void count(int number)
{
    s_signals += (uint64_t)number;
}

/* Opens the page that was touched, as a garbage collector's write barrier does. */
static void open_page(int number, siginfo_t *info, void *context)
{
    (void)context;
    uint8_t *page = (uint8_t *)((uintptr_t)info->si_addr & ~(uintptr_t)(PAGE - 1));
    if (page < s_guarded || page >= s_guarded + PAGES * PAGE)
        _exit(2);
    mprotect(page, PAGE, PROT_READ | PROT_WRITE);
    s_signals += (uint64_t)number;
}

/* Half of the signals are sent, half come of faults. */
uint64_t signals(uint64_t rounds)
{
    uint64_t checksum = 0;
    struct sigaction sent = {.sa_handler = count}, fault = {.sa_sigaction = open_page, .sa_flags = SA_SIGINFO};
    s_guarded = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (s_guarded == MAP_FAILED || sigaction(SIGUSR1, &sent, NULL) || sigaction(SIGSEGV, &fault, NULL))
        fail("sigaction");
    s_signals = 0;
    while (rounds--) {
        mprotect(s_guarded, PAGES * PAGE, PROT_READ);
        for (uint64_t i = 0; i < PAGES; i++) {
            raise(SIGUSR1);
            *(volatile uint8_t *)(s_guarded + i * PAGE) += 1;
        }
        checksum = mix(checksum, s_signals + s_guarded[rounds % PAGES * PAGE]);
    }
    munmap(s_guarded, PAGES * PAGE);
    return checksum;
}

/* A child writes to each page that it shares with its parent, which the kernel copies then. */
uint64_t cow(uint64_t rounds)
{
    uint64_t checksum = 0;
    uint8_t *pages = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        fail("mmap");
    madvise(pages, PAGES * PAGE, MADV_NOHUGEPAGE);
    memset(pages, 1, PAGES * PAGE);
    while (rounds--) {
        pid_t child = start_child();
        if (child == 0) {
            uint8_t sum = 0;
            for (uint64_t i = 0; i < PAGES; i++)
                sum += (pages[i * PAGE] += (uint8_t)(i + rounds));
            _exit(sum & 0x7f);
        }
        checksum = mix(checksum, (uint64_t)WEXITSTATUS(wait_for_child(child)) + pages[rounds % PAGES * PAGE]);
    }
    munmap(pages, PAGES * PAGE);
    return checksum;
}

/* Blocks that one process writes and another reads. */
uint64_t pipes(uint64_t rounds)
{
    static uint8_t block[BLOCK];
    uint64_t checksum = 0, got = 0;
    ssize_t count;
    int ends[2];
    open_pipe(ends);
    pid_t child = start_child();
    if (child == 0) {
        close(ends[0]);
        while (rounds--) {
            memset(block, (int)(rounds + 1), 64);
            for (size_t sent = 0; sent < BLOCK; sent += (size_t)count)
                if ((count = write(ends[1], block + sent, BLOCK - sent)) <= 0)
                    _exit(1);
        }
        _exit(0);
    }
    close(ends[1]);
    while ((count = read(ends[0], block, BLOCK)) > 0) {
        for (uint64_t i = -got % 64; i < (uint64_t)count; i += 64)
            checksum += block[i];
        got += (uint64_t)count;
    }
    close(ends[0]);
    if (wait_for_child(child))
        fail("child");
    return mix(checksum, got);
}

/* What the kernel does for a program: system calls, page faults and processes. */
#include "workloads.h"
#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 512 };

uint64_t syscalls(uint64_t rounds)
{
    uint64_t checksum = 0, byte = 0;
    long first = syscall(SYS_getpid);
    int zeros = open("/dev/zero", O_RDONLY);
    if (zeros < 0)
        fail("/dev/zero");
    while (rounds--) {
        long same = syscall(SYS_getpid) == first;
        checksum = mix(checksum, (uint64_t)(same + read(zeros, &byte, 1)) + byte);
    }
    close(zeros);
    return checksum;
}

uint64_t faults(uint64_t rounds)
{
    uint64_t checksum = 0;
    while (rounds--) {
        uint8_t *pages = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (pages == MAP_FAILED)
            fail("mmap");
        /* Transparent huge pages would take most of the faults away. */
        madvise(pages, PAGES * PAGE, MADV_NOHUGEPAGE);
        for (uint64_t i = 0; i < PAGES; i++)
            pages[i * PAGE] += (uint8_t)(i + rounds);
        for (uint64_t i = 0; i < PAGES; i++)
            checksum = mix(checksum, pages[i * PAGE]);
        munmap(pages, PAGES * PAGE);
    }
    return checksum;
}

uint64_t forks(uint64_t rounds)
{
    uint64_t checksum = 0;
    while (rounds--) {
        pid_t child = start_child();
        if (child == 0)
            _exit((int)(rounds & 0x7f));
        checksum = mix(checksum, (uint64_t)WEXITSTATUS(wait_for_child(child)));
    }
    return checksum;
}

uint64_t processes(uint64_t rounds)
{
    char *arguments[] = {"workloads", "nothing", NULL}, *environment[] = {NULL};
    uint64_t checksum = 0;
    while (rounds--) {
        pid_t child;
        if (posix_spawn(&child, "/proc/self/exe", NULL, NULL, arguments, environment))
            fail("posix_spawn");
        checksum = mix(checksum, (uint64_t)WEXITSTATUS(wait_for_child(child)) + 1);
    }
    return checksum;
}

/* Two processes that wait for each other by turns, each byte a switch of address spaces. */
uint64_t switches(uint64_t rounds)
{
    uint64_t checksum = 0;
    int there[2], back[2];
    uint8_t byte = 0;
    open_pipe(there);
    open_pipe(back);
    pid_t child = start_child();
    if (child == 0) {
        close(there[1]);
        while (read(there[0], &byte, 1) == 1) {
            byte = (uint8_t)(byte * 3 + 1);
            if (write(back[1], &byte, 1) != 1)
                _exit(1);
        }
        _exit(0);
    }
    while (rounds--) {
        byte = (uint8_t)rounds;
        if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
            fail("pipe");
        checksum = mix(checksum, byte);
    }
    close(there[1]);
    if (wait_for_child(child))
        fail("child");
    close(there[0]), close(back[0]), close(back[1]);
    return checksum;
}

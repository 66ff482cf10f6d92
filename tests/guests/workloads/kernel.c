/* What the kernel does for a program: system calls, page faults and processes. */
#include "workloads.h"
#include <fcntl.h>
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
        int status;
        pid_t child = fork();
        if (child == 0)
            _exit((int)(rounds & 0x7f));
        if (child < 0 || waitpid(child, &status, 0) != child)
            fail("fork");
        checksum = mix(checksum, (uint64_t)WEXITSTATUS(status));
    }
    return checksum;
}

/* Reads or writes a disk past the page cache, a number of requests at a time: diskload DEVICE read|write seq|rand BYTES DEPTH MILLISECONDS.
 * Says how many requests there were and how many microseconds they took. By the kernel's own calls for that (io_submit(2)): threads would
 * measure the guest's scheduler. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { MOST_DEPTH = 256 };

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

static int fail(const char *what)
{
    fprintf(stderr, "diskload: %s: %s\n", what, strerror(errno));
    return 1;
}

int main(int count, char **words)
{
    if (count != 7)
        return fprintf(stderr, "usage: diskload DEVICE read|write seq|rand BYTES DEPTH MILLISECONDS\n"), 2;
    int writes = !strcmp(words[2], "write"), random = !strcmp(words[3], "rand");
    long bytes = atol(words[4]), depth = atol(words[5]);
    uint64_t least = strtoull(words[6], NULL, 10) * 1000, size = 0;
    int disk = open(words[1], (writes ? O_RDWR : O_RDONLY) | O_DIRECT);
    if (disk < 0 || ioctl(disk, BLKGETSIZE64, &size))
        return fail(words[1]);
    if (bytes < 512 || bytes % 512 || depth < 1 || depth > MOST_DEPTH || size < (uint64_t)bytes)
        return fprintf(stderr, "diskload: BYTES or DEPTH\n"), 2;

    aio_context_t context = 0;
    if (syscall(SYS_io_setup, depth, &context))
        return fail("io_setup");
    static struct iocb requests[MOST_DEPTH];
    static struct io_event events[MOST_DEPTH];
    struct iocb *ready[MOST_DEPTH];
    for (long i = 0; i < depth; i++) {
        void *buffer;
        if (posix_memalign(&buffer, 4096, bytes))
            return fail("memory");
        memset(buffer, 'a' + i % 26, bytes);
        requests[i] = (struct iocb){ .aio_lio_opcode = writes ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD, .aio_fildes = disk,
                                     .aio_buf = (uintptr_t)buffer, .aio_nbytes = bytes, .aio_data = i };
        ready[i] = &requests[i];
    }

    uint64_t blocks = size / bytes, next = 0, seed = 88172645463325252ull, done = 0, began = now(), end;
    long idle = depth, flying = 0;
    do {
        for (long i = 0; i < idle; i++) {
            seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
            ready[i]->aio_offset = (random ? seed % blocks : next++ % blocks) * bytes;
        }
        long begun = idle ? syscall(SYS_io_submit, context, idle, ready) : 0;
        if (begun < 0)
            return fail("io_submit");
        flying += begun, idle -= begun;
        memmove(ready, ready + begun, idle * sizeof *ready);
        long got = syscall(SYS_io_getevents, context, 1, depth, events, NULL);
        if (got < 0)
            return fail("io_getevents");
        for (long i = 0; i < got; i++) {
            if (events[i].res != bytes)
                return errno = events[i].res < 0 ? -events[i].res : EIO, fail("a request");
            ready[idle++] = &requests[events[i].data];
        }
        flying -= got, done += got;
        end = now();
    } while (end - began < least || done < (uint64_t)depth);
    while (flying > 0) {
        long got = syscall(SYS_io_getevents, context, flying, depth, events, NULL);
        if (got < 0)
            return fail("io_getevents");
        flying -= got, done += got, end = now();
    }

    printf("D %s-%s-%ldk-%ld %llu %llu\n", words[3], words[2], bytes / 1024, depth, (unsigned long long)done, (unsigned long long)(end - began));
    return 0;
}

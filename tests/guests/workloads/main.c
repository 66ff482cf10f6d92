/*
 * workloads                       lists the workloads
 * workloads NAME [PERCENT]        runs one, at a percentage of its full number of rounds (100)
 * workloads time NAME COMMAND...  runs a command and takes the checksum of its output
 * workloads text KIB              writes lines of text, the same every time
 * workloads fill KIB              writes memory, reads it back, shares it with a process that writes too; prints a checksum
 * workloads nothing               ends at once: what `processes` starts
 * workloads parallel [PERCENT]    checks what threads and processes do to memory that they share; prints `P name seconds ok`
 * A run prints `A name` when it begins, and `B name seconds checksum` when it ends; a program of another name
 * than workloads, as workloads-dynamic, adds that behind the name.
 */
#include "workloads.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static const struct {
    const char *name;
    workload *run;
    uint64_t rounds; /* about a second on QEMU */
} all[] = {
    {"integer", integer, 3500},
    {"sieve", sieve, 6},
    {"chase", chase, 10},
    {"sha256", sha256, 200},
    {"matmul-double", matmul_double, 40},
    {"matmul-single", matmul_single, 40},
    {"nbody-double", nbody_double, 300000},
    {"nbody-single", nbody_single, 300000},
    {"calls", calls, 80},
    {"bytecode", bytecode, 15},
    {"syscalls", syscalls, 200000},
    {"faults", faults, 40},
    {"forks", forks, 500},
    {"processes", processes, 200},
    {"switches", switches, 10000},
    {"pipes", pipes, 12000},
    {"signals", signals, 25},
    {"cow", cow, 60},
    {"copies", copies, 10},
    {"strings", strings, 450},
    {"json", json, 60},
};

_Noreturn void fail(const char *what)
{
    fprintf(stderr, "workloads: %s: %s\n", what, strerror(errno));
    exit(1);
}

double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* What else the console gets must not come into the middle of a line. */
static void flush_line(void)
{
    fflush(stdout);
    tcdrain(STDOUT_FILENO);
}

static double begin(const char *name, const char *kind)
{
    printf("A %s%s\n", name, kind);
    flush_line();
    return now();
}

static void report(const char *name, const char *kind, double began, uint64_t checksum)
{
    printf("B %s%s %.6f %016" PRIx64 "\n", name, kind, now() - began, checksum);
    flush_line();
}

static int run(const char *name, const char *program, uint64_t percent)
{
    const char *folder = strrchr(program, '/');
    const char *kind = strrchr(folder ? folder : program, '-');
    kind = kind ? kind : "";
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (strcmp(all[i].name, name) == 0) {
            uint64_t rounds = all[i].rounds * percent / 100;
            double began = begin(name, kind);
            report(name, kind, began, all[i].run(rounds ? rounds : 1));
            return 0;
        }
    }
    fprintf(stderr, "workloads: there is no workload '%s'\n", name);
    return 1;
}

static int time_command(const char *name, char **command)
{
    static uint64_t output[1 << 13];
    uint64_t checksum = 0;
    size_t held = 0;
    ssize_t count;
    int ends[2];
    double began = begin(name, "");
    open_pipe(ends);
    pid_t child = start_child();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execvp(command[0], command);
        fail(command[0]);
    }
    close(ends[1]);
    while ((count = read(ends[0], (char *)output + held, sizeof output - held)) > 0) {
        held += (size_t)count;
        for (size_t i = 0; i < held / 8; i++)
            checksum = mix(checksum, output[i]);
        memmove(output, (char *)output + held / 8 * 8, held % 8);
        held %= 8;
    }
    for (size_t i = 0; i < held; i++)
        checksum = mix(checksum, ((unsigned char *)output)[i]);
    if (wait_for_child(child))
        return 1;
    report(name, "", began, checksum);
    return 0;
}

static void write_text(uint64_t bytes)
{
    uint64_t random = 1, written = 0;
    while (written < bytes) {
        char word[12] = "";
        for (uint64_t letters = next_random(&random), i = 0; i < 3 + letters % 6; i++)
            word[i] = (char)('a' + next_random(&random) % (i % 2 ? 5 : 20));
        written += (uint64_t)printf("%s %" PRIu64 " %" PRIu64 "\n", word, next_random(&random) % 1000, next_random(&random) % 1000000);
    }
}

int main(int count, char **arguments)
{
    if (count == 1) {
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            puts(all[i].name);
        return 0;
    }
    if (strcmp(arguments[1], "nothing") == 0)
        return 0;
    if (count > 3 && strcmp(arguments[1], "time") == 0)
        return time_command(arguments[2], arguments + 3);
    if (count == 3 && strcmp(arguments[1], "text") == 0) {
        write_text(strtoull(arguments[2], NULL, 10) << 10);
        return 0;
    }
    if (count == 3 && strcmp(arguments[1], "fill") == 0)
        return fill(strtoull(arguments[2], NULL, 10) << 10);
    if (strcmp(arguments[1], "parallel") == 0)
        return parallel(count > 2 ? strtoull(arguments[2], NULL, 10) : 100);
    return run(arguments[1], arguments[0], count > 2 ? strtoull(arguments[2], NULL, 10) : 100);
}

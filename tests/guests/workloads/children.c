/* Processes that a workload starts, and pipes to them; what cannot be had ends the program. */
#include "workloads.h"
#include <sys/wait.h>
#include <unistd.h>

void open_pipe(int ends[2])
{
    if (pipe(ends))
        fail("pipe");
}

pid_t start_child(void)
{
    pid_t child = fork();
    if (child < 0)
        fail("fork");
    return child;
}

int wait_for_child(pid_t child)
{
    int status;
    if (waitpid(child, &status, 0) != child)
        fail("waitpid");
    return status;
}

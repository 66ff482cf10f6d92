# Where the agent begins, and what C cannot say.

.section .text.start, "ax"
.globl _start
_start:
.option push
.option norelax
    la gp, __global_pointer$
.option pop
    mv a0, sp
    andi sp, sp, -16
    tail agent_main

.text
# long sys(long a, long b, long c, long d, long e, long f, long number)
.globl sys
sys:
    mv a7, a6
    ecall
    ret

# long spawn(void *stack_top, void (*child)(void), int *pidfd): a process that shares our memory until it is another program, and its descriptor.
.globl spawn
spawn:
    mv t1, a1
    mv a1, a0
    li a0, 0x5111               # CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD
    li a3, 0
    li a4, 0
    li a7, 220                  # clone
    ecall
    bnez a0, 1f
    jalr t1
1:  ret

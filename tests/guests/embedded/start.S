# Where the embedded guest begins, and what C cannot say. Entered like a Linux kernel: a0 = hart, a1 = device tree.

.section .text.start, "ax"
.globl _start
_start:
    csrw sie, zero
    la t0, trap
    csrw stvec, t0
    la sp, stack_top
    tail guest_main

# Interrupts stay masked in sstatus, so every trap is an exception: a probe's is its result, any other is the end.
.text
.balign 4
trap:
    csrr t0, sepc
    la t1, probe_load
    bltu t0, t1, 1f
    la t1, probe_failed
    bgeu t0, t1, 1f
    csrw sepc, t1
    sret
1:  csrr a0, scause
    csrr a1, sepc
    csrr a2, stval
    la sp, stack_top
    tail unexpected_trap

# unsigned long probe_load(unsigned long *address): reads a word; 0, or the cause of the fault.
.globl probe_load
probe_load:
    ld t2, 0(a0)
    li a0, 0
    ret

# unsigned long probe_store(unsigned long *address): writes a word back as it is; 0, or the cause of the fault.
.globl probe_store
probe_store:
    ld t2, 0(a0)
    sd t2, 0(a0)
    li a0, 0
    ret

probe_failed:
    csrr a0, scause
    ret

# void spin(unsigned long iterations): two instructions each.
.globl spin
spin:
    addi a0, a0, -1
    bnez a0, spin
    ret

.section .bss
.balign 16
stack:
    .skip 4096
stack_top:

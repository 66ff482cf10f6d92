# Where the embedded guest begins, and what C cannot say. Entered like a Linux kernel: a0 = hart, a1 = device tree.

.equ UART, 0x10000000
.equ UART_LSR, 5
.equ UART_LSR_THRE, 0x20

.section .text.start, "ax"
.globl _start
_start:
    csrw sie, zero
    la t0, no_stack
    csrw stvec, t0
    la sp, stack_top
    sd zero, -8(sp)                 # traps to no_stack when the memory is ROM
    la t0, trap
    csrw stvec, t0
    tail guest_main

# All memory is read-only: say so with registers only, then wait for the host to stop the guest.
.balign 4
no_stack:
    csrr s0, scause
    la a0, rom_before
    jal s1, put_string
    addi a0, s0, '0'
    jal s2, put_character
    la a0, rom_after
    jal s1, put_string
1:  wfi
    j 1b

put_string:                         # a0 = text; returns to s1
    mv s3, a0
1:  lbu a0, 0(s3)
    beqz a0, 2f
    jal s2, put_character
    addi s3, s3, 1
    j 1b
2:  jr s1

put_character:                      # a0 = character; returns to s2
    li t0, UART
1:  lbu t1, UART_LSR(t0)
    andi t1, t1, UART_LSR_THRE
    beqz t1, 1b
    sb a0, 0(t0)
    jr s2

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

.section .rodata
rom_before: .asciz "PsVm embedded guest\r\nrom: all memory is read-only, store faulted cause="
rom_after:  .asciz "\r\nGUEST-UP rom\r\n"

.section .bss
.balign 16
stack:
    .skip 4096
stack_top:

/* Calls, returns and indirect jumps: two recursive functions, and an interpreter of a small bytecode. */
#include "workloads.h"

/* noipa: the compiler must leave every call a call. */
__attribute__((noipa)) static uint64_t fibonacci(uint64_t n)
{
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

__attribute__((noipa)) static uint64_t ackermann(uint64_t m, uint64_t n)
{
    if (m == 0)
        return n + 1;
    return n == 0 ? ackermann(m - 1, 1) : ackermann(m - 1, ackermann(m, n - 1));
}

uint64_t calls(uint64_t rounds)
{
    uint64_t checksum = 0;
    while (rounds--)
        checksum = mix(mix(checksum, fibonacci(27)), ackermann(2, 200 + rounds));
    return checksum;
}

enum opcode { PUSH, LOAD, STORE, ADD, SUBTRACT, MULTIPLY, HALVE, IS_ODD, JUMP, JUMP_IF_ZERO, HALT };
enum variable { NUMBER, VALUE, STEPS, VARIABLES };
enum address { EACH_NUMBER = 4, EACH_STEP = 12, EVEN = 43, NEXT_NUMBER = 50, END = 59 };

/* Counts the steps of the Collatz sequences that start at 1 to 2000. */
static const int16_t program[] = {
    /*  0 */ PUSH, 2000, STORE, NUMBER,
    /*  4 */ LOAD, NUMBER, JUMP_IF_ZERO, END,
    /*  8 */ LOAD, NUMBER, STORE, VALUE,
    /* 12 */ LOAD, VALUE, PUSH, 1, SUBTRACT, JUMP_IF_ZERO, NEXT_NUMBER,
    /* 19 */ LOAD, STEPS, PUSH, 1, ADD, STORE, STEPS,
    /* 26 */ LOAD, VALUE, IS_ODD, JUMP_IF_ZERO, EVEN,
    /* 31 */ LOAD, VALUE, PUSH, 3, MULTIPLY, PUSH, 1, ADD, STORE, VALUE, JUMP, EACH_STEP,
    /* 43 */ LOAD, VALUE, HALVE, STORE, VALUE, JUMP, EACH_STEP,
    /* 50 */ LOAD, NUMBER, PUSH, 1, SUBTRACT, STORE, NUMBER, JUMP, EACH_NUMBER,
    /* 59 */ HALT,
};

static uint64_t interpret(const int16_t *code)
{
    uint64_t stack[8], *top = stack, variables[VARIABLES] = {0};
    const int16_t *at = code;
    for (;;) {
        switch ((enum opcode)*at++) {
        case PUSH:
            *top++ = (uint64_t)*at++;
            break;
        case LOAD:
            *top++ = variables[*at++];
            break;
        case STORE:
            variables[*at++] = *--top;
            break;
        case ADD:
            top--;
            top[-1] += *top;
            break;
        case SUBTRACT:
            top--;
            top[-1] -= *top;
            break;
        case MULTIPLY:
            top--;
            top[-1] *= *top;
            break;
        case HALVE:
            top[-1] /= 2;
            break;
        case IS_ODD:
            top[-1] %= 2;
            break;
        case JUMP:
            at = code + *at;
            break;
        case JUMP_IF_ZERO:
            at = *--top ? at + 1 : code + *at;
            break;
        case HALT:
            return variables[STEPS];
        }
    }
}

uint64_t bytecode(uint64_t rounds)
{
    uint64_t checksum = 0;
    while (rounds--)
        checksum = mix(checksum, interpret(program));
    return checksum;
}

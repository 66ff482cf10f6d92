/*
 * Matrix multiply and n-body in both precisions. The build forbids contraction and fma is called by name where a compiler for
 * riscv64 would fuse, so that every machine computes the same bits.
 */
#include "workloads.h"
#include <math.h>
#include <string.h>

#define REAL double
#define NAME(name) name##_double
#define FMA fma
#define SQRT sqrt
#include "float.inc"
#undef REAL
#undef NAME
#undef FMA
#undef SQRT

#define REAL float
#define NAME(name) name##_single
#define FMA fmaf
#define SQRT sqrtf
#include "float.inc"

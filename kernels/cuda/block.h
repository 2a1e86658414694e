/* What a kernel needs of the machine: its place in the grid, barriers, exchange between the lanes of a warp,
 * and the matrix units. The kernels are written in the common part of C and CUDA C++: nvcc compiles them for
 * GPUs, and a C compiler for tests on the host. There, host/run.h does what a warp does together (shuffles,
 * mma, ldmatrix) by its definition in the PTX manual.
 *
 * BF16 says that tensors are of bf16 and not f32; sums are in f32 with both. */
#pragma once

#include <math.h>
#include <stdint.h>

#define LANES 32

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#ifdef BF16
#define OF_TYPE(name) JOIN(name, bf16)
#else
#define OF_TYPE(name) JOIN(name, f32)
#endif

#ifdef __CUDACC__

#define DEVICE static __device__ __forceinline__
#define UNROLL _Pragma("unroll")
#define KERNEL(name, Arguments, threads) \
    extern "C" __global__ void __launch_bounds__(threads) name(const __grid_constant__ Arguments a)
#define SHARED(name) extern __shared__ __align__(16) unsigned char name[]

#define THREAD ((int)threadIdx.x)
#define THREADS ((int)blockDim.x)
#define BLOCK_X ((int)blockIdx.x)
#define BLOCK_Y ((int)blockIdx.y)
#define BLOCKS_X ((int)gridDim.x)

DEVICE void block_barrier(void) { __syncthreads(); }

/* The value of the lane whose number differs in the bits of `mask`. */
DEVICE float lane_xor(float value, int mask) { return __shfl_xor_sync(0xffffffffu, value, mask); }

/* c[16][8] += a[16][16]·b[16][8], of bf16. */
DEVICE void mma_bf16(float c[4], const uint32_t a[4], const uint32_t b[2]) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
                 "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/* c[16][8] += a[16][8]·b[8][8], of f32 whose last 13 bits do not count. */
DEVICE void mma_tf32(float c[4], const uint32_t a[4], const uint32_t b[2]) {
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
                 "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/* Four 8 × 8 matrices of 16-bit elements in shared memory: lane i gives the address of row i % 8 of matrix i / 8. */
DEVICE void load_matrices(uint32_t v[4], const void *row) {
    const uint32_t address = (uint32_t)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(v[0]), "=r"(v[1]), "=r"(v[2]), "=r"(v[3]) : "r"(address) : "memory");
}

/* The same, each matrix transposed. */
DEVICE void load_matrices_transposed(uint32_t v[4], const void *row) {
    const uint32_t address = (uint32_t)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(v[0]), "=r"(v[1]), "=r"(v[2]), "=r"(v[3]) : "r"(address) : "memory");
}

/* Two f32 as bf16, rounded to nearest, ties to even. */
DEVICE uint32_t packed(float low, float high) {
    uint32_t both;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
    return both;
}

DEVICE float of_bits(uint32_t bits) { return __uint_as_float(bits); }
DEVICE uint32_t bits_of(float value) { return __float_as_uint(value); }

typedef uint4 sixteen_bytes;
DEVICE sixteen_bytes nothing(void) { return make_uint4(0, 0, 0, 0); }

#else
#include "run.h"
#endif

#define LANE (THREAD % LANES)
#define WARP (THREAD / LANES)
#define WARPS_OF_BLOCK (THREADS / LANES)

#ifdef BF16
typedef uint16_t element;
/* Two neighbours in a row. */
typedef uint32_t pair;

DEVICE float value_of(element x) { return of_bits((uint32_t)x << 16); }
DEVICE element element_of(float x) { return (element)packed(x, 0.0f); }
DEVICE pair pair_of(float low, float high) { return packed(low, high); }
DEVICE float low_of(pair x) { return of_bits(x << 16); }
DEVICE float high_of(pair x) { return of_bits(x & 0xffff0000u); }
#else
typedef float element;
typedef struct { float low, high; } pair;

DEVICE float value_of(element x) { return x; }
DEVICE element element_of(float x) { return x; }
DEVICE pair pair_of(float low, float high) { pair both; both.low = low; both.high = high; return both; }
DEVICE float low_of(pair x) { return x.low; }
DEVICE float high_of(pair x) { return x.high; }
#endif

/* Elements that are moved at once. */
#define VECTOR (16 / (int)sizeof(element))

/* `count` values from `from`: 1, or VECTOR of an aligned address. */
DEVICE void load_values(float *values, const element *from, const int count) {
    if (count == 1) {
        values[0] = value_of(from[0]);
        return;
    }
    union { sixteen_bytes all; element each[VECTOR]; } moved;
    moved.all = *(const sixteen_bytes *)from;
    UNROLL
    for (int i = 0; i < VECTOR; i++) values[i] = value_of(moved.each[i]);
}

DEVICE void store_values(element *to, const float *values, const int count) {
    if (count == 1) {
        to[0] = element_of(values[0]);
        return;
    }
    union { sixteen_bytes all; element each[VECTOR]; } moved;
    UNROLL
    for (int i = 0; i < VECTOR; i++) moved.each[i] = element_of(values[i]);
    *(sixteen_bytes *)to = moved.all;
}

/* This thread's part of the sum of x − mean, or of its square, over `elements`: runs of `count`, from the run
 * `first` on every `step`-th. */
DEVICE float own_sum(const element *x, int elements, float mean, const int squared, int first, int step,
                     const int count) {
    float sum = 0.0f;
    for (int i = first * count; i < elements; i += step * count) {
        float values[VECTOR];
        load_values(values, x + i, count);
        UNROLL
        for (int j = 0; j < count; j++) {
            const float centred = values[j] - mean;
            sum += squared ? centred * centred : centred;
        }
    }
    return sum;
}

DEVICE float warp_sum(float value) {
    UNROLL
    for (int mask = LANES / 2; mask > 0; mask /= 2) value += lane_xor(value, mask);
    return value;
}

/* The sum over the block, in every thread; `scratch` has a float for each warp. */
DEVICE float block_sum(float value, float *scratch) {
    value = warp_sum(value);
    block_barrier();
    if (LANE == 0) scratch[WARP] = value;
    block_barrier();
    float sum = 0.0f;
    for (int warp = 0; warp < WARPS_OF_BLOCK; warp++) sum += scratch[warp];
    return sum;
}

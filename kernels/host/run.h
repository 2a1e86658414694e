/* The machine of cuda/block.h, on the host. */
#pragma once

#include <math.h>
#include <stdint.h>
#include <string.h>

/* The place of the thread that runs, and what its block has. */
struct place {
    int thread, threads, block_x, block_y, blocks_x;
    unsigned char *shared;
};
extern _Thread_local struct place place;

/* Waits for the block, or for the warp. */
void block_barrier(void);
/* Gives `words` to the warp and returns what all 32 lanes gave, eight words each; valid until the second call
 * after this one. */
const uint32_t (*exchanged(const void *words, int count))[8];

#define DEVICE static inline __attribute__((unused))
#define UNROLL
/* What tests start has the kernel's name; it takes the arguments by their address. */
#define KERNEL(name, Arguments, threads) KERNEL_(name, Arguments)
#define KERNEL_(name, Arguments)                              \
    static void name##_body(const Arguments a);               \
    void name(const void *arguments);                         \
    void name(const void *arguments) { name##_body(*(const Arguments *)arguments); } \
    static void name##_body(const Arguments a)
#define SHARED(name) unsigned char *const name = place.shared

#define THREAD (place.thread)
#define THREADS (place.threads)
#define BLOCK_X (place.block_x)
#define BLOCK_Y (place.block_y)
#define BLOCKS_X (place.blocks_x)

DEVICE float of_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

DEVICE uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

DEVICE float lane_xor(float value, int mask) {
    const uint32_t bits = bits_of(value);
    return of_bits(exchanged(&bits, 1)[(THREAD % 32) ^ mask][0]);
}

/* PTX, "Matrix Fragments for mma.m16n8k16": element (row, k) of a is in lane row % 8 · 4 + k % 8 / 2, word
 * row / 8 + k / 8 · 2; (k, column) of b in lane column · 4 + k % 8 / 2, word k / 8; (row, column) of c in lane
 * row % 8 · 4 + column / 2, place row / 8 · 2 + column % 2. */
DEVICE void mma_bf16(float c[4], const uint32_t a[4], const uint32_t b[2]) {
    uint32_t own[6];
    memcpy(own, a, 16);
    memcpy(own + 4, b, 8);
    const uint32_t (*all)[8] = exchanged(own, 6);
    const int lane = THREAD % 32;
    for (int i = 0; i < 4; i++) {
        const int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
        for (int k = 0; k < 16; k++) {
            const uint32_t x = all[row % 8 * 4 + k % 8 / 2][row / 8 + k / 8 * 2];
            const uint32_t y = all[column * 4 + k % 8 / 2][4 + k / 8];
            c[i] += of_bits(k % 2 ? x & 0xffff0000u : x << 16) * of_bits(k % 2 ? y & 0xffff0000u : y << 16);
        }
    }
}

/* PTX, "Matrix Fragments for mma.m16n8k8" of .tf32: (row, k) of a is in lane row % 8 · 4 + k % 4, word
 * row / 8 + k / 4 · 2; (k, column) of b in lane column · 4 + k % 4, word k / 4; c as above. */
DEVICE void mma_tf32(float c[4], const uint32_t a[4], const uint32_t b[2]) {
    uint32_t own[6];
    memcpy(own, a, 16);
    memcpy(own + 4, b, 8);
    const uint32_t (*all)[8] = exchanged(own, 6);
    const int lane = THREAD % 32;
    for (int i = 0; i < 4; i++) {
        const int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
        for (int k = 0; k < 8; k++) {
            const uint32_t x = all[row % 8 * 4 + k % 4][row / 8 + k / 4 * 2];
            const uint32_t y = all[column * 4 + k % 4][4 + k / 4];
            c[i] += of_bits(x & 0xffffe000u) * of_bits(y & 0xffffe000u);
        }
    }
}

/* PTX, "ldmatrix": word i of a lane is the elements lane % 4 · 2 and the next of row lane / 4 of matrix i. */
DEVICE void load_matrices(uint32_t v[4], const void *row) {
    const uint32_t (*all)[8] = exchanged(&row, 2);
    for (int i = 0; i < 4; i++) {
        const unsigned char *from;
        memcpy(&from, all[8 * i + THREAD % 32 / 4], sizeof from);
        memcpy(&v[i], from + THREAD % 4 * 4, 4);
    }
}

/* With .trans: of the rows lane % 4 · 2 and the next, element lane / 4. */
DEVICE void load_matrices_transposed(uint32_t v[4], const void *row) {
    const uint32_t (*all)[8] = exchanged(&row, 2);
    for (int i = 0; i < 4; i++) {
        uint16_t both[2];
        for (int j = 0; j < 2; j++) {
            const unsigned char *from;
            memcpy(&from, all[8 * i + THREAD % 4 * 2 + j], sizeof from);
            memcpy(&both[j], from + THREAD % 32 / 4 * 2, 2);
        }
        v[i] = (uint32_t)both[0] | (uint32_t)both[1] << 16;
    }
}

/* As the GPU rounds: to nearest, ties to even; what is no number stays none. */
DEVICE uint32_t rounded_to_bf16(float value) {
    const uint32_t bits = bits_of(value);
    if (value != value) return 0x7fffu;
    return (bits + 0x7fffu + (bits >> 16 & 1)) >> 16;
}

DEVICE uint32_t packed(float low, float high) { return rounded_to_bf16(low) | rounded_to_bf16(high) << 16; }

typedef struct { uint32_t words[4]; } __attribute__((aligned(16), may_alias)) sixteen_bytes;
DEVICE sixteen_bytes nothing(void) {
    const sixteen_bytes zeros = {{0, 0, 0, 0}};
    return zeros;
}

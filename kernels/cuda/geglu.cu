/* y = x[…, ..width] · gelu(x[…, width..]), GELU with the error function, and its gradient.
 * CPU twin: train/src/grad/cpu/activation.rs, Geglu. */
#include "block.h"

#define GEGLU_THREADS 256

#define NAME(name) OF_TYPE(name)

typedef struct {
    const void *x, *d_y; /* [rows, 2 · width], [rows, width] */
    void *y, *d_x;
    int64_t rows;
    int width;
} geglu_arguments;

/* Φ(x), the share of a normal distribution below x. */
DEVICE float below(float x) { return 0.5f * (1.0f + erff(x * 0.70710678118654752f)); }

/* GELU's slope: Φ(x) + x·φ(x). */
DEVICE float slope(float x) { return below(x) + x * 0.39894228040143268f * expf(-0.5f * x * x); }

DEVICE void forward_at(const geglu_arguments *a, int64_t at, const int count) {
    const int64_t row = at / a->width, column = at % a->width;
    const element *x = (const element *)a->x + row * 2 * a->width + column;
    float values[VECTOR], gates[VECTOR];
    load_values(values, x, count);
    load_values(gates, x + a->width, count);
    UNROLL
    for (int j = 0; j < count; j++) values[j] *= gates[j] * below(gates[j]);
    store_values((element *)a->y + at, values, count);
}

DEVICE void backward_at(const geglu_arguments *a, int64_t at, const int count) {
    const int64_t row = at / a->width, column = at % a->width, in = row * 2 * a->width + column;
    const element *x = (const element *)a->x + in;
    element *d_x = (element *)a->d_x + in;
    float values[VECTOR], gates[VECTOR], grads[VECTOR];
    load_values(values, x, count);
    load_values(gates, x + a->width, count);
    load_values(grads, (const element *)a->d_y + at, count);
    UNROLL
    for (int j = 0; j < count; j++) {
        const float of_gate = grads[j] * values[j] * slope(gates[j]);
        values[j] = grads[j] * gates[j] * below(gates[j]);
        gates[j] = of_gate;
    }
    store_values(d_x, values, count);
    store_values(d_x + a->width, gates, count);
}

/* A thread: an element, or VECTOR neighbours where rows are made of whole ones. */
KERNEL(NAME(geglu_forward), geglu_arguments, GEGLU_THREADS) {
    const int64_t thread = (int64_t)BLOCK_X * THREADS + THREAD, all = a.rows * a.width;
    if (a.width % VECTOR == 0) {
        if (thread * VECTOR < all) forward_at(&a, thread * VECTOR, VECTOR);
    } else if (thread < all) {
        forward_at(&a, thread, 1);
    }
}

KERNEL(NAME(geglu_backward), geglu_arguments, GEGLU_THREADS) {
    const int64_t thread = (int64_t)BLOCK_X * THREADS + THREAD, all = a.rows * a.width;
    if (a.width % VECTOR == 0) {
        if (thread * VECTOR < all) backward_at(&a, thread * VECTOR, VECTOR);
    } else if (thread < all) {
        backward_at(&a, thread, 1);
    }
}

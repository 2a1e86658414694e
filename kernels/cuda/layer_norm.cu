/* Layer normalisation of [rows, width] over the last dimension, and its gradients.
 * CPU twin: train/src/grad/cpu/norm.rs, LayerNorm.
 *
 * A warp has a row, and reads it anew for each sum: it is in the first cache by then. */
#include "block.h"

#define NORM_THREADS 256

#define NAME(name) OF_TYPE(name)

typedef struct {
    const void *x, *d_y;
    const float *weight, *bias;
    void *y, *d_x;
    float *statistics; /* [rows, 2]: mean and 1 / deviation */
    float *parts;      /* [parts, 2, width]: sums of the gradients of bias and weight over some rows */
    float *d_weight, *d_bias;
    int64_t rows;
    int width;
    int parts_count;
    float eps;
} layer_norm_arguments;

DEVICE float row_sum(const element *x, int width, float mean, const int squared, const int count) {
    return warp_sum(own_sum(x, width, mean, squared, LANE, LANES, count));
}

DEVICE void forward_row(const layer_norm_arguments *a, int64_t row, const int count) {
    const element *x = (const element *)a->x + row * a->width;
    element *y = (element *)a->y + row * a->width;
    const float mean = row_sum(x, a->width, 0.0f, 0, count) / (float)a->width;
    const float scale = 1.0f / sqrtf(row_sum(x, a->width, mean, 1, count) / (float)a->width + a->eps);
    if (LANE == 0) {
        a->statistics[2 * row] = mean;
        a->statistics[2 * row + 1] = scale;
    }
    for (int i = LANE * count; i < a->width; i += LANES * count) {
        float values[VECTOR];
        load_values(values, x + i, count);
        UNROLL
        for (int j = 0; j < count; j++) values[j] = (values[j] - mean) * scale * a->weight[i + j] + a->bias[i + j];
        store_values(y + i, values, count);
    }
}

/* A warp: a row. */
KERNEL(NAME(layer_norm_forward), layer_norm_arguments, NORM_THREADS) {
    const int64_t row = (int64_t)BLOCK_X * WARPS_OF_BLOCK + WARP;
    if (row >= a.rows) return;
    if (a.width % VECTOR == 0) forward_row(&a, row, VECTOR);
    else forward_row(&a, row, 1);
}

DEVICE void gradient_row(const layer_norm_arguments *a, int64_t row, const int count) {
    const element *x = (const element *)a->x + row * a->width, *d_y = (const element *)a->d_y + row * a->width;
    element *d_x = (element *)a->d_x + row * a->width;
    const float mean = a->statistics[2 * row], scale = a->statistics[2 * row + 1];
    float means[2] = {0.0f, 0.0f};
    for (int i = LANE * count; i < a->width; i += LANES * count) {
        float values[VECTOR], grads[VECTOR];
        load_values(values, x + i, count);
        load_values(grads, d_y + i, count);
        UNROLL
        for (int j = 0; j < count; j++) {
            const float grad = grads[j] * a->weight[i + j];
            means[0] += grad;
            means[1] += grad * (values[j] - mean) * scale;
        }
    }
    means[0] = warp_sum(means[0]) / (float)a->width;
    means[1] = warp_sum(means[1]) / (float)a->width;
    for (int i = LANE * count; i < a->width; i += LANES * count) {
        float values[VECTOR], grads[VECTOR];
        load_values(values, x + i, count);
        load_values(grads, d_y + i, count);
        UNROLL
        for (int j = 0; j < count; j++) {
            const float normed = (values[j] - mean) * scale;
            values[j] = scale * (grads[j] * a->weight[i + j] - means[0] - normed * means[1]);
        }
        store_values(d_x + i, values, count);
    }
}

/* A warp: a row. */
KERNEL(NAME(layer_norm_of_input), layer_norm_arguments, NORM_THREADS) {
    const int64_t row = (int64_t)BLOCK_X * WARPS_OF_BLOCK + WARP;
    if (row >= a.rows) return;
    if (a.width % VECTOR == 0) gradient_row(&a, row, VECTOR);
    else gradient_row(&a, row, 1);
}

/* A block: 32 columns of some of the rows; grid: columns by 32, parts of the rows. */
KERNEL(NAME(layer_norm_parts), layer_norm_arguments, NORM_THREADS) {
    SHARED(shared);
    float *scratch = (float *)shared; /* [2, warps, 32] */
    const int column = BLOCK_X * LANES + LANE;
    const int64_t each = (a.rows + a.parts_count - 1) / a.parts_count, first = BLOCK_Y * each;
    const int64_t end = first + each < a.rows ? first + each : a.rows;
    float sums[2] = {0.0f, 0.0f};
    for (int64_t row = first + WARP; row < end && column < a.width; row += WARPS_OF_BLOCK) {
        const float grad = value_of(((const element *)a.d_y)[row * a.width + column]);
        const float value = value_of(((const element *)a.x)[row * a.width + column]);
        sums[0] += grad;
        sums[1] += grad * (value - a.statistics[2 * row]) * a.statistics[2 * row + 1];
    }
    scratch[THREAD] = sums[0];
    scratch[THREADS + THREAD] = sums[1];
    block_barrier();
    if (WARP < 2 && column < a.width) {
        float sum = 0.0f;
        for (int warp = 0; warp < WARPS_OF_BLOCK; warp++) sum += scratch[WARP * THREADS + warp * LANES + LANE];
        a.parts[((int64_t)BLOCK_Y * 2 + WARP) * a.width + column] = sum;
    }
}

/* A thread: a column. */
KERNEL(NAME(layer_norm_of_weights), layer_norm_arguments, NORM_THREADS) {
    const int column = BLOCK_X * THREADS + THREAD;
    if (column >= a.width) return;
    float sums[2] = {0.0f, 0.0f};
    for (int part = 0; part < a.parts_count; part++) {
        sums[0] += a.parts[(int64_t)part * 2 * a.width + column];
        sums[1] += a.parts[((int64_t)part * 2 + 1) * a.width + column];
    }
    a.d_bias[column] = sums[0];
    a.d_weight[column] = sums[1];
}

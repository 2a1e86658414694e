/* Group normalisation of [samples, channels, pixels], with SiLU after it where asked, and its gradients.
 * CPU twin: train/src/grad/cpu/norm.rs, GroupNorm.
 *
 * A group's elements lie next to each other. They are cut into parts of PART elements: a block finds the mean of
 * its part and the squares about it, and the next kernel combines the parts, so that a large map keeps the whole
 * GPU busy. */
#include "block.h"

#define NORM_THREADS 256
#define PART 8192

#define NAME(name) OF_TYPE(name)

typedef struct {
    const void *x, *d_y;
    const float *weight, *bias;
    void *y, *d_x;
    float *parts;      /* [samples·groups, parts, 2]: mean and sum of squares about it */
    float *statistics; /* [samples·groups, 2]: mean and 1 / deviation */
    float *sums;       /* [samples, channels, 2]: Σ d_y before scale and shift, and Σ of it times normalised x */
    float *d_weight, *d_bias;
    int samples, channels, groups, pixels;
    int silu;
    int team; /* threads to a channel: a warp or the block */
    float eps;
} group_norm_arguments;

DEVICE int64_t group_elements(const group_norm_arguments *a) {
    return (int64_t)(a->channels / a->groups) * a->pixels;
}

/* Elements of the part that this block has. */
DEVICE int part_elements(int64_t elements, int part) {
    const int64_t rest = elements - (int64_t)part * PART;
    return rest < PART ? (int)rest : PART;
}

DEVICE float sigmoid(float z) { return 1.0f / (1.0f + expf(-z)); }

/* The gradient before SiLU: z is the value there. */
DEVICE float before_silu(float grad, float z, int silu) {
    if (!silu) return grad;
    const float gate = sigmoid(z);
    return grad * gate * (1.0f + z * (1.0f - gate));
}

DEVICE float sum_of(const element *x, int elements, float mean, const int squared, const int count) {
    return own_sum(x, elements, mean, squared, THREAD, THREADS, count);
}

/* A block: a part of a group; grid: parts, groups of all samples. */
KERNEL(NAME(group_norm_parts), group_norm_arguments, NORM_THREADS) {
    SHARED(shared);
    float *scratch = (float *)shared;
    const int64_t all = group_elements(&a);
    const int elements = part_elements(all, BLOCK_X), whole = a.pixels % VECTOR == 0;
    const element *x = (const element *)a.x + BLOCK_Y * all + (int64_t)BLOCK_X * PART;
    float sum = whole ? sum_of(x, elements, 0.0f, 0, VECTOR) : sum_of(x, elements, 0.0f, 0, 1);
    const float mean = block_sum(sum, scratch) / (float)elements;
    sum = whole ? sum_of(x, elements, mean, 1, VECTOR) : sum_of(x, elements, mean, 1, 1);
    sum = block_sum(sum, scratch);
    if (THREAD == 0) {
        float *to = a.parts + 2 * ((int64_t)BLOCK_Y * BLOCKS_X + BLOCK_X);
        to[0] = mean;
        to[1] = sum;
    }
}

DEVICE void normed_part(const group_norm_arguments *a, const element *x, element *y, int64_t first, int channel,
                        int elements, float mean, float scale, const int count) {
    for (int i = THREAD * count; i < elements; i += THREADS * count) {
        const int c = channel + (int)((first + i) / a->pixels);
        const float weight = a->weight[c], bias = a->bias[c];
        float values[VECTOR];
        load_values(values, x + i, count);
        UNROLL
        for (int j = 0; j < count; j++) {
            const float z = (values[j] - mean) * scale * weight + bias;
            values[j] = a->silu ? z * sigmoid(z) : z;
        }
        store_values(y + i, values, count);
    }
}

/* The same grid. The parts are joined by every block of a group alike (Chan et al. 1979). */
KERNEL(NAME(group_norm_forward), group_norm_arguments, NORM_THREADS) {
    SHARED(shared);
    float *scratch = (float *)shared;
    const int64_t all = group_elements(&a);
    const float *parts = a.parts + 2 * (int64_t)BLOCK_Y * BLOCKS_X;
    float sum = 0.0f;
    for (int i = THREAD; i < BLOCKS_X; i += THREADS) sum += parts[2 * i] * ((float)part_elements(all, i) / (float)all);
    const float mean = block_sum(sum, scratch);
    sum = 0.0f;
    for (int i = THREAD; i < BLOCKS_X; i += THREADS) {
        const float off = parts[2 * i] - mean;
        sum += parts[2 * i + 1] + off * off * (float)part_elements(all, i);
    }
    const float scale = 1.0f / sqrtf(block_sum(sum, scratch) / (float)all + a.eps);
    if (BLOCK_X == 0 && THREAD == 0) {
        a.statistics[2 * BLOCK_Y] = mean;
        a.statistics[2 * BLOCK_Y + 1] = scale;
    }
    const int64_t first = (int64_t)BLOCK_X * PART, at = BLOCK_Y * all + first;
    const int channel = BLOCK_Y % a.groups * (a.channels / a.groups), elements = part_elements(all, BLOCK_X);
    const element *x = (const element *)a.x + at;
    element *y = (element *)a.y + at;
    if (a.pixels % VECTOR == 0) normed_part(&a, x, y, first, channel, elements, mean, scale, VECTOR);
    else normed_part(&a, x, y, first, channel, elements, mean, scale, 1);
}

DEVICE void add_channel(const group_norm_arguments *a, const element *x, const element *d_y, int c, float mean,
                        float scale, float sums[2], const int count) {
    const float weight = a->weight[c], bias = a->bias[c];
    for (int i = THREAD % a->team * count; i < a->pixels; i += a->team * count) {
        float values[VECTOR], grads[VECTOR];
        load_values(values, x + i, count);
        load_values(grads, d_y + i, count);
        UNROLL
        for (int j = 0; j < count; j++) {
            const float normed = (values[j] - mean) * scale;
            const float grad = before_silu(grads[j], normed * weight + bias, a->silu);
            sums[0] += grad;
            sums[1] += grad * normed;
        }
    }
}

/* A team of threads: a channel of a sample; grid: channels by the teams of a block, samples. */
KERNEL(NAME(group_norm_sums), group_norm_arguments, NORM_THREADS) {
    SHARED(shared);
    float *scratch = (float *)shared;
    const int c = BLOCK_X * (THREADS / a.team) + THREAD / a.team;
    float sums[2] = {0.0f, 0.0f};
    if (c < a.channels) {
        const float *of_group = a.statistics + 2 * (BLOCK_Y * a.groups + c / (a.channels / a.groups));
        const int64_t at = ((int64_t)BLOCK_Y * a.channels + c) * a.pixels;
        const element *x = (const element *)a.x + at, *d_y = (const element *)a.d_y + at;
        if (a.pixels % VECTOR == 0) add_channel(&a, x, d_y, c, of_group[0], of_group[1], sums, VECTOR);
        else add_channel(&a, x, d_y, c, of_group[0], of_group[1], sums, 1);
    }
    for (int i = 0; i < 2; i++) sums[i] = a.team == LANES ? warp_sum(sums[i]) : block_sum(sums[i], scratch);
    if (c < a.channels && THREAD % a.team == 0) {
        float *to = a.sums + 2 * ((int64_t)BLOCK_Y * a.channels + c);
        to[0] = sums[0];
        to[1] = sums[1];
    }
}

DEVICE void gradient_part(const group_norm_arguments *a, int64_t at, int64_t first, int channel, int elements,
                          float mean, float scale, const float means[2], const int count) {
    const element *x = (const element *)a->x + at, *d_y = (const element *)a->d_y + at;
    element *d_x = (element *)a->d_x + at;
    for (int i = THREAD * count; i < elements; i += THREADS * count) {
        const int c = channel + (int)((first + i) / a->pixels);
        const float weight = a->weight[c], bias = a->bias[c];
        float values[VECTOR], grads[VECTOR];
        load_values(values, x + i, count);
        load_values(grads, d_y + i, count);
        UNROLL
        for (int j = 0; j < count; j++) {
            const float normed = (values[j] - mean) * scale;
            const float grad = before_silu(grads[j], normed * weight + bias, a->silu);
            values[j] = scale * (grad * weight - means[0] - normed * means[1]);
        }
        store_values(d_x + i, values, count);
    }
}

/* A block: a part of a group, as in the forward pass. */
KERNEL(NAME(group_norm_of_input), group_norm_arguments, NORM_THREADS) {
    SHARED(shared);
    float *scratch = (float *)shared;
    const int64_t all = group_elements(&a);
    const int of_group = a.channels / a.groups, channel = BLOCK_Y % a.groups * of_group;
    const float *sums = a.sums + 2 * ((int64_t)(BLOCK_Y / a.groups) * a.channels + channel);
    float means[2] = {0.0f, 0.0f};
    for (int i = THREAD; i < of_group; i += THREADS) {
        means[0] += a.weight[channel + i] * sums[2 * i];
        means[1] += a.weight[channel + i] * sums[2 * i + 1];
    }
    for (int i = 0; i < 2; i++) means[i] = block_sum(means[i], scratch) / (float)all;
    const float mean = a.statistics[2 * BLOCK_Y], scale = a.statistics[2 * BLOCK_Y + 1];
    const int64_t first = (int64_t)BLOCK_X * PART, at = BLOCK_Y * all + first;
    const int elements = part_elements(all, BLOCK_X);
    if (a.pixels % VECTOR == 0) gradient_part(&a, at, first, channel, elements, mean, scale, means, VECTOR);
    else gradient_part(&a, at, first, channel, elements, mean, scale, means, 1);
}

/* A thread: a channel. */
KERNEL(NAME(group_norm_of_weights), group_norm_arguments, NORM_THREADS) {
    const int c = BLOCK_X * THREADS + THREAD;
    if (c >= a.channels) return;
    float sums[2] = {0.0f, 0.0f};
    for (int sample = 0; sample < a.samples; sample++) {
        const float *from = a.sums + 2 * ((int64_t)sample * a.channels + c);
        sums[0] += from[0];
        sums[1] += from[1];
    }
    a.d_bias[c] = sums[0];
    a.d_weight[c] = sums[1];
}

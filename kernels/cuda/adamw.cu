/* AdamW's step (arXiv:1711.05101) of all parameters, in one launch. All in f32.
 * CPU twin: train/src/fit/fused.rs, Update. */
#include "block.h"

#define ADAMW_THREADS 256
#define CHUNK 4096 /* elements of a block */

typedef struct {
    float *parameter;
    const float *gradient;
    float *mean, *square;
    int64_t elements;
    int32_t first_block; /* the blocks of a tensor follow those of the one before */
    float kept;          /* share of the parameter that weight decay leaves */
} adamw_tensor;

typedef struct {
    const adamw_tensor *tensors; /* on the card */
    int32_t count;
    float beta1, beta2, fresh1, fresh2; /* fresh: 1 − beta */
    float eps, scale, rate, correct2;   /* correct2: 1 / root of the bias of the mean of squares */
} adamw_arguments;

KERNEL(adamw_step, adamw_arguments, ADAMW_THREADS) {
    /* The last tensor whose first block is not behind this one. */
    int low = 0, high = a.count - 1;
    while (low < high) {
        const int middle = (low + high + 1) / 2;
        if (a.tensors[middle].first_block <= BLOCK_X) low = middle;
        else high = middle - 1;
    }
    const adamw_tensor tensor = a.tensors[low];
    const int64_t first = (int64_t)(BLOCK_X - tensor.first_block) * CHUNK;
    const int64_t end = first + CHUNK < tensor.elements ? first + CHUNK : tensor.elements;
    for (int64_t i = first + THREAD; i < end; i += THREADS) {
        const float gradient = tensor.gradient[i] * a.scale;
        const float mean = tensor.mean[i] * a.beta1 + gradient * a.fresh1;
        const float square = tensor.square[i] * a.beta2 + gradient * gradient * a.fresh2;
        tensor.mean[i] = mean;
        tensor.square[i] = square;
        tensor.parameter[i] = tensor.parameter[i] * tensor.kept - a.rate * mean / (sqrtf(square) * a.correct2 + a.eps);
    }
}

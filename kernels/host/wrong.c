/* Two kernels with faults, for a test of the host itself: it must see them. */
#include "run.h"

typedef struct { float *out; } wrong_arguments;

/* A thread reads what its neighbour writes, without a barrier between. */
KERNEL(wrong_without_barrier, wrong_arguments, 64) {
    SHARED(shared);
    float *const values = (float *)shared;
    values[THREAD] = (float)THREAD;
    a.out[THREAD] = values[(THREAD + 1) % THREADS];
}

/* Half a warp does not come to the barrier that the others wait at. */
KERNEL(wrong_divergent, wrong_arguments, 64) {
    if (THREAD % 32 < 16) block_barrier();
    a.out[THREAD] = 1.0f;
}

/* softmax(q·kᵀ·scale)·v and its gradients, without the scores in memory (Dao 2023, arXiv:2307.08691).
 * CPU twin: train/src/grad/cpu/attention.rs.
 *
 * WIDTH is the width of a head rounded up to 16, 32, …: columns beyond the true width are zeros in shared memory and
 * are not stored. A warp keeps 16 rows of its own; tiles of the other side are loaded into shared memory in turn.
 * There are no atomics: a block computes the whole sums of its rows, so results are the same at each run.
 *
 * Scores are in base 2: times log2(e), with exp2. */
#include "block.h"

#define PITCH (WIDTH + 8) /* rows begin in different banks, and on 16 bytes */
#define STEPS (WIDTH / 16)
#define COLUMNS (WIDTH / 8)
#ifdef BF16
#define WARPS 4
#define FORWARD_TILE 64
#else
#define WARPS 2
#define FORWARD_TILE 32
#endif
#define ROWS (16 * WARPS)
#define TILE 32

#define NAME(name) JOIN(OF_TYPE(name), WIDTH)

/* Of a tensor of samples, rows and heads, in elements; a head's elements are neighbours. */
typedef struct { int64_t sample, row, head; } strides;

typedef struct {
    const void *q, *k, *v, *o, *d_o;
    void *out, *d_q, *d_k, *d_v;
    float *logsum; /* [samples·heads, n]: log2 of the sum of exp2 of the scores */
    float *delta;  /* [samples·heads, n]: the sum over a row of o·d_o */
    strides of_q, of_k, of_v, of_o, of_d_o, of_d_q, of_d_k, of_d_v;
    int heads, n, m, width;
    float scale;
} attention_arguments;

/* A warp's factors of one product, 16 × 16 and 16 × 8, as its lanes hold them. With g = lane / 4 and
 * t = lane % 4, a lane's `left` has the columns 2t and 2t + 1, then 2t + 8 and 2t + 9, of the rows g and g + 8;
 * its `right` has the same rows of column g. */
typedef struct { pair v[4]; } left;
typedef struct { pair v[2]; } right;

#ifdef BF16
DEVICE void multiply(float c[4], const left *a, const right *b) { mma_bf16(c, a->v, b->v); }

DEVICE left left_of(const element *tile, int row, int column) {
    left a;
    load_matrices(a.v, tile + (row + LANE % 16) * PITCH + column + LANE / 16 * 8);
    return a;
}

/* Two factors whose columns are rows of the tile: row.. and row + 8.. */
DEVICE void rights_of_rows(right b[2], const element *tile, int row, int column) {
    uint32_t v[4];
    load_matrices(v, tile + (row + LANE / 16 * 8 + LANE % 8) * PITCH + column + LANE / 8 % 2 * 8);
    b[0].v[0] = v[0], b[0].v[1] = v[1], b[1].v[0] = v[2], b[1].v[1] = v[3];
}

/* Two factors that are parts of the tile: column.. and column + 8.. */
DEVICE void rights_of_columns(right b[2], const element *tile, int row, int column) {
    uint32_t v[4];
    load_matrices_transposed(v, tile + (row + LANE % 16) * PITCH + column + LANE / 16 * 8);
    b[0].v[0] = v[0], b[0].v[1] = v[1], b[1].v[0] = v[2], b[1].v[1] = v[3];
}
#else
/* The upper bits, which the matrix units read, rounded; the lower bits are what is left. */
DEVICE float upper(float x) { return of_bits((bits_of(x) + 0x1000u) & 0xffffe000u); }

/* f32 on tf32 units: upper·upper, upper·lower and lower·upper, so that 21 bits of each factor count. A sum's
 * terms may come in any order, so columns 2t and 2t + 1 go where the units expect t and t + 4. */
DEVICE void multiply(float c[4], const left *a, const right *b) {
    UNROLL
    for (int half = 0; half < 2; half++) {
        const float x[4] = {low_of(a->v[2 * half]), low_of(a->v[2 * half + 1]), high_of(a->v[2 * half]),
                            high_of(a->v[2 * half + 1])};
        const float y[2] = {low_of(b->v[half]), high_of(b->v[half])};
        uint32_t x_upper[4], x_lower[4], y_upper[2], y_lower[2];
        UNROLL
        for (int i = 0; i < 4; i++) {
            x_upper[i] = bits_of(upper(x[i]));
            x_lower[i] = bits_of(upper(x[i] - upper(x[i])));
        }
        UNROLL
        for (int i = 0; i < 2; i++) {
            y_upper[i] = bits_of(upper(y[i]));
            y_lower[i] = bits_of(upper(y[i] - upper(y[i])));
        }
        mma_tf32(c, x_lower, y_upper);
        mma_tf32(c, x_upper, y_lower);
        mma_tf32(c, x_upper, y_upper);
    }
}

DEVICE pair pair_at(const element *at, int second) { return pair_of(at[0], at[second]); }

DEVICE left left_of(const element *tile, int row, int column) {
    const element *at = tile + (row + LANE / 4) * PITCH + column + LANE % 4 * 2;
    left a;
    a.v[0] = pair_at(at, 1), a.v[1] = pair_at(at + 8 * PITCH, 1);
    a.v[2] = pair_at(at + 8, 1), a.v[3] = pair_at(at + 8 * PITCH + 8, 1);
    return a;
}

DEVICE void rights_of_rows(right b[2], const element *tile, int row, int column) {
    const element *at = tile + (row + LANE / 4) * PITCH + column + LANE % 4 * 2;
    b[0].v[0] = pair_at(at, 1), b[0].v[1] = pair_at(at + 8, 1);
    b[1].v[0] = pair_at(at + 8 * PITCH, 1), b[1].v[1] = pair_at(at + 8 * PITCH + 8, 1);
}

DEVICE void rights_of_columns(right b[2], const element *tile, int row, int column) {
    const element *at = tile + (row + LANE % 4 * 2) * PITCH + column + LANE / 4;
    b[0].v[0] = pair_at(at, PITCH), b[0].v[1] = pair_at(at + 8 * PITCH, PITCH);
    b[1].v[0] = pair_at(at + 8, PITCH), b[1].v[1] = pair_at(at + 8 * PITCH + 8, PITCH);
}
#endif

/* A 16 × 16 part of results, as a factor. */
DEVICE left left_of_results(float low[4], float high[4]) {
    left a;
    a.v[0] = pair_of(low[0], low[1]), a.v[1] = pair_of(low[2], low[3]);
    a.v[2] = pair_of(high[0], high[1]), a.v[3] = pair_of(high[2], high[3]);
    return a;
}

/* Where a head of a sample begins. */
DEVICE const element *begin(const void *tensor, strides of, int sample, int head) {
    return (const element *)tensor + sample * of.sample + head * of.head;
}

/* `rows` rows from `first` on into shared memory; zeros where there are none. */
DEVICE void load_tile(element *to, const element *from, int64_t stride, int first, int end, int rows, int width) {
    const int vectors = WIDTH / VECTOR;
    for (int i = THREAD; i < rows * vectors; i += THREADS) {
        const int row = i / vectors, column = i % vectors * VECTOR;
        const int inside = first + row < end && column < width;
        *(sixteen_bytes *)(to + row * PITCH + column) =
            inside ? *(const sixteen_bytes *)(from + (first + row) * stride + column) : nothing();
    }
}

/* results[·][·] = rows own.. of `tile`, times rows 0.. of `others`, transposed. */
DEVICE void products_of_rows(float (*results)[4], const element *tile, int own, const element *others, const int rows) {
    UNROLL
    for (int j = 0; j < rows / 8; j++) {
        UNROLL
        for (int i = 0; i < 4; i++) results[j][i] = 0.0f;
    }
    UNROLL
    for (int step = 0; step < STEPS; step++) {
        const left a = left_of(tile, own, 16 * step);
        UNROLL
        for (int j = 0; j < rows / 16; j++) {
            right b[2];
            rights_of_rows(b, others, 16 * j, 16 * step);
            multiply(results[2 * j], &a, &b[0]);
            multiply(results[2 * j + 1], &a, &b[1]);
        }
    }
}

/* sums += results·tile. */
DEVICE void add_products(float (*sums)[4], float (*results)[4], const element *tile, const int rows) {
    UNROLL
    for (int j = 0; j < rows / 16; j++) {
        const left a = left_of_results(results[2 * j], results[2 * j + 1]);
        UNROLL
        for (int column = 0; column < COLUMNS / 2; column++) {
            right b[2];
            rights_of_columns(b, tile, 16 * j, 16 * column);
            multiply(sums[2 * column], &a, &b[0]);
            multiply(sums[2 * column + 1], &a, &b[1]);
        }
    }
}

/* Stores rows first + g and first + g + 8, each times its factor. */
DEVICE void store_rows(void *tensor, strides of, int sample, int head, float (*sums)[4], int first, int end, int width,
                       const float factor[2]) {
    element *to = (element *)tensor + sample * of.sample + head * of.head;
    UNROLL
    for (int half = 0; half < 2; half++) {
        const int row = first + LANE / 4 + 8 * half;
        if (row < end) {
            UNROLL
            for (int column = 0; column < COLUMNS; column++) {
                const int at = 8 * column + LANE % 4 * 2;
                if (at < width) {
                    *(pair *)(to + row * of.row + at) =
                        pair_of(sums[column][2 * half] * factor[half], sums[column][2 * half + 1] * factor[half]);
                }
            }
        }
    }
}

#define CLEAR(sums)                                                 \
    UNROLL                                                          \
    for (int column = 0; column < COLUMNS; column++) {              \
        UNROLL                                                      \
        for (int i = 0; i < 4; i++) sums[column][i] = 0.0f;         \
    }

#define LOG2_E 1.4426950408889634f

/* A block: 16 · WARPS queries of a head; grid: those, heads of all samples. */
KERNEL(NAME(attention_forward), attention_arguments, WARPS * LANES) {
    SHARED(shared);
    element *queries = (element *)shared, *keys = queries + ROWS * PITCH, *values = keys + FORWARD_TILE * PITCH;
    const int sample = BLOCK_Y / a.heads, head = BLOCK_Y % a.heads, first = BLOCK_X * ROWS, own = 16 * WARP;
    const float scale = a.scale * LOG2_E;
    float sums[COLUMNS][4], maximum[2] = {-INFINITY, -INFINITY}, total[2] = {0.0f, 0.0f};
    CLEAR(sums)
    load_tile(queries, begin(a.q, a.of_q, sample, head), a.of_q.row, first, a.n, ROWS, a.width);
    for (int start = 0; start < a.m; start += FORWARD_TILE) {
        block_barrier();
        load_tile(keys, begin(a.k, a.of_k, sample, head), a.of_k.row, start, a.m, FORWARD_TILE, a.width);
        load_tile(values, begin(a.v, a.of_v, sample, head), a.of_v.row, start, a.m, FORWARD_TILE, a.width);
        block_barrier();
        float scores[FORWARD_TILE / 8][4];
        products_of_rows(scores, queries, own, keys, FORWARD_TILE);
        UNROLL
        for (int half = 0; half < 2; half++) {
            float highest = maximum[half];
            UNROLL
            for (int j = 0; j < FORWARD_TILE / 8; j++) {
                UNROLL
                for (int i = 2 * half; i < 2 * half + 2; i++) {
                    const int key = start + 8 * j + LANE % 4 * 2 + i % 2;
                    scores[j][i] = key < a.m ? scores[j][i] * scale : -INFINITY;
                    highest = fmaxf(highest, scores[j][i]);
                }
            }
            highest = fmaxf(highest, lane_xor(highest, 1));
            highest = fmaxf(highest, lane_xor(highest, 2));
            const float shrunk = exp2f(maximum[half] - highest);
            maximum[half] = highest;
            total[half] *= shrunk;
            UNROLL
            for (int j = 0; j < FORWARD_TILE / 8; j++) {
                UNROLL
                for (int i = 2 * half; i < 2 * half + 2; i++) {
                    scores[j][i] = exp2f(scores[j][i] - highest);
                    total[half] += scores[j][i];
                }
            }
            UNROLL
            for (int column = 0; column < COLUMNS; column++) {
                sums[column][2 * half] *= shrunk;
                sums[column][2 * half + 1] *= shrunk;
            }
        }
        add_products(sums, scores, values, FORWARD_TILE);
    }
    float factor[2];
    UNROLL
    for (int half = 0; half < 2; half++) {
        total[half] += lane_xor(total[half], 1);
        total[half] += lane_xor(total[half], 2);
        factor[half] = 1.0f / total[half];
        const int row = first + own + LANE / 4 + 8 * half;
        if (LANE % 4 == 0 && row < a.n) a.logsum[(int64_t)BLOCK_Y * a.n + row] = maximum[half] + log2f(total[half]);
    }
    store_rows(a.out, a.of_o, sample, head, sums, first + own, a.n, a.width, factor);
}

/* A warp: a query of a head. */
KERNEL(NAME(attention_delta), attention_arguments, WARPS * LANES) {
    const int sample = BLOCK_Y / a.heads, head = BLOCK_Y % a.heads, row = BLOCK_X * WARPS + WARP;
    float sum = 0.0f;
    if (row < a.n) {
        const element *o = begin(a.o, a.of_o, sample, head) + row * a.of_o.row;
        const element *d_o = begin(a.d_o, a.of_d_o, sample, head) + row * a.of_d_o.row;
        for (int i = LANE; i < a.width; i += LANES) sum += value_of(o[i]) * value_of(d_o[i]);
    }
    sum = warp_sum(sum);
    if (row < a.n && LANE == 0) a.delta[(int64_t)BLOCK_Y * a.n + row] = sum;
}

/* A block: 16 · WARPS queries of a head. */
KERNEL(NAME(attention_of_queries), attention_arguments, WARPS * LANES) {
    SHARED(shared);
    element *queries = (element *)shared, *grads = queries + ROWS * PITCH, *keys = grads + ROWS * PITCH;
    element *values = keys + TILE * PITCH;
    const int sample = BLOCK_Y / a.heads, head = BLOCK_Y % a.heads, first = BLOCK_X * ROWS, own = 16 * WARP;
    const float scale = a.scale * LOG2_E;
    float sums[COLUMNS][4], logsum[2], delta[2];
    CLEAR(sums)
    UNROLL
    for (int half = 0; half < 2; half++) {
        const int row = first + own + LANE / 4 + 8 * half;
        logsum[half] = row < a.n ? a.logsum[(int64_t)BLOCK_Y * a.n + row] : INFINITY;
        delta[half] = row < a.n ? a.delta[(int64_t)BLOCK_Y * a.n + row] : 0.0f;
    }
    load_tile(queries, begin(a.q, a.of_q, sample, head), a.of_q.row, first, a.n, ROWS, a.width);
    load_tile(grads, begin(a.d_o, a.of_d_o, sample, head), a.of_d_o.row, first, a.n, ROWS, a.width);
    for (int start = 0; start < a.m; start += TILE) {
        block_barrier();
        load_tile(keys, begin(a.k, a.of_k, sample, head), a.of_k.row, start, a.m, TILE, a.width);
        load_tile(values, begin(a.v, a.of_v, sample, head), a.of_v.row, start, a.m, TILE, a.width);
        block_barrier();
        float scores[TILE / 8][4], of_shares[TILE / 8][4];
        products_of_rows(scores, queries, own, keys, TILE);
        products_of_rows(of_shares, grads, own, values, TILE);
        UNROLL
        for (int j = 0; j < TILE / 8; j++) {
            UNROLL
            for (int i = 0; i < 4; i++) {
                const int key = start + 8 * j + LANE % 4 * 2 + i % 2;
                const float share = key < a.m ? exp2f(scores[j][i] * scale - logsum[i / 2]) : 0.0f;
                scores[j][i] = share * (of_shares[j][i] - delta[i / 2]);
            }
        }
        add_products(sums, scores, keys, TILE);
    }
    const float factor[2] = {a.scale, a.scale};
    store_rows(a.d_q, a.of_d_q, sample, head, sums, first + own, a.n, a.width, factor);
}

/* A block: 16 · WARPS keys and values of a head. */
KERNEL(NAME(attention_of_keys), attention_arguments, WARPS * LANES) {
    SHARED(shared);
    element *keys = (element *)shared, *values = keys + ROWS * PITCH, *queries = values + ROWS * PITCH;
    element *grads = queries + TILE * PITCH;
    float *logsums = (float *)(grads + TILE * PITCH), *deltas = logsums + TILE;
    const int sample = BLOCK_Y / a.heads, head = BLOCK_Y % a.heads, first = BLOCK_X * ROWS, own = 16 * WARP;
    const float scale = a.scale * LOG2_E;
    float of_keys[COLUMNS][4], of_values[COLUMNS][4];
    CLEAR(of_keys)
    CLEAR(of_values)
    load_tile(keys, begin(a.k, a.of_k, sample, head), a.of_k.row, first, a.m, ROWS, a.width);
    load_tile(values, begin(a.v, a.of_v, sample, head), a.of_v.row, first, a.m, ROWS, a.width);
    for (int start = 0; start < a.n; start += TILE) {
        block_barrier();
        load_tile(queries, begin(a.q, a.of_q, sample, head), a.of_q.row, start, a.n, TILE, a.width);
        load_tile(grads, begin(a.d_o, a.of_d_o, sample, head), a.of_d_o.row, start, a.n, TILE, a.width);
        if (THREAD < TILE) {
            /* A query that there is not takes no part: exp2(−∞). */
            const int row = start + THREAD;
            logsums[THREAD] = row < a.n ? a.logsum[(int64_t)BLOCK_Y * a.n + row] : INFINITY;
            deltas[THREAD] = row < a.n ? a.delta[(int64_t)BLOCK_Y * a.n + row] : 0.0f;
        }
        block_barrier();
        float shares[TILE / 8][4], of_scores[TILE / 8][4];
        products_of_rows(shares, keys, own, queries, TILE);
        UNROLL
        for (int j = 0; j < TILE / 8; j++) {
            UNROLL
            for (int i = 0; i < 4; i++) {
                shares[j][i] = exp2f(shares[j][i] * scale - logsums[8 * j + LANE % 4 * 2 + i % 2]);
            }
        }
        add_products(of_values, shares, grads, TILE);
        products_of_rows(of_scores, values, own, grads, TILE);
        UNROLL
        for (int j = 0; j < TILE / 8; j++) {
            UNROLL
            for (int i = 0; i < 4; i++) {
                of_scores[j][i] = shares[j][i] * (of_scores[j][i] - deltas[8 * j + LANE % 4 * 2 + i % 2]);
            }
        }
        add_products(of_keys, of_scores, queries, TILE);
    }
    const float one[2] = {1.0f, 1.0f}, factor[2] = {a.scale, a.scale};
    store_rows(a.d_v, a.of_d_v, sample, head, of_values, first + own, a.m, a.width, one);
    store_rows(a.d_k, a.of_d_k, sample, head, of_keys, first + own, a.m, a.width, factor);
}

/* Runs a kernel on the host: its blocks one after the other, the threads of a block as contexts that take turns.
 * A warp runs until all its threads wait at a barrier of the block, so it is as far ahead of the other warps as
 * it can be; within it, a thread runs until it waits for its warp. Warps and threads are run first to last, and
 * again last to first: if both orders give the same bytes, no thread reads what another writes without a barrier
 * between them. Shared memory starts as NaN. */
#define _XOPEN_SOURCE 700
#define _DARWIN_C_SOURCE
#include "run.h"

#include <stdlib.h>
#include <ucontext.h>

#define MOST_THREADS 1024
#define STACK_BYTES (128 * 1024)

enum state { RUNS, WAITS_FOR_WARP, WAITS_FOR_BLOCK, ENDED };

struct thread {
    ucontext_t context;
    enum state state;
    int parity;
};

static _Thread_local struct thread *threads;
static _Thread_local ucontext_t scheduler;
static _Thread_local uint32_t (*words)[2][32][8];
static _Thread_local void (*started)(const void *);
static _Thread_local const void *given;
_Thread_local struct place place;

static void wait_for(enum state state) {
    struct thread *const own = &threads[place.thread];
    own->state = state;
    swapcontext(&own->context, &scheduler);
}

void block_barrier(void) { wait_for(WAITS_FOR_BLOCK); }

const uint32_t (*exchanged(const void *own, int count))[8] {
    struct thread *const thread = &threads[place.thread];
    uint32_t (*const all)[8] = words[place.thread / 32][thread->parity];
    thread->parity = !thread->parity;
    memcpy(all[place.thread % 32], own, 4 * (size_t)count);
    wait_for(WAITS_FOR_WARP);
    return (const uint32_t (*)[8])all;
}

static void begin(void) {
    started(given);
    threads[place.thread].state = ENDED;
    swapcontext(&threads[place.thread].context, &scheduler);
}

/* Lets `count` threads from `first` on go on, if all of them wait for each other there. Returns whether they do. */
static int release(int first, int count, enum state waits) {
    for (int i = first; i < first + count; i++) {
        if (threads[i].state != waits) return 0;
    }
    for (int i = first; i < first + count; i++) threads[i].state = RUNS;
    return 1;
}

/* Runs a warp until its threads wait for the block, or have ended. */
static void run_warp(int first, int backwards) {
    do {
        for (int turn = 0; turn < 32; turn++) {
            const int i = first + (backwards ? 31 - turn : turn);
            if (threads[i].state != RUNS) continue;
            place.thread = i;
            swapcontext(&scheduler, &threads[i].context);
        }
    } while (release(first, 32, WAITS_FOR_WARP));
}

static int run_block(int count, int backwards, unsigned char *stacks) {
    for (int i = 0; i < count; i++) {
        getcontext(&threads[i].context);
        threads[i].context.uc_stack.ss_sp = stacks + (size_t)i * STACK_BYTES;
        threads[i].context.uc_stack.ss_size = STACK_BYTES;
        threads[i].context.uc_link = NULL;
        makecontext(&threads[i].context, begin, 0);
        threads[i].state = RUNS;
        threads[i].parity = 0;
    }
    do {
        for (int turn = 0; turn < count; turn += 32) run_warp(backwards ? count - 32 - turn : turn, backwards);
    } while (release(0, count, WAITS_FOR_BLOCK));
    for (int i = 0; i < count; i++) {
        if (threads[i].state != ENDED) return 1;
    }
    return 0;
}

/* 0, or 1 where threads of a block wait at different barriers for ever, or 2 where there is no memory for them. */
int bolid_run_kernel(void (*kernel)(const void *), const void *arguments, int blocks_x, int blocks_y, int count,
                     int shared_bytes, int backwards);
int bolid_run_kernel(void (*kernel)(const void *), const void *arguments, int blocks_x, int blocks_y, int count,
                     int shared_bytes, int backwards) {
    if (count < 1 || count > MOST_THREADS || count % 32) return 2;
    unsigned char *const stacks = malloc((size_t)count * STACK_BYTES);
    unsigned char *const shared = aligned_alloc(16, ((size_t)shared_bytes + 31) / 16 * 16);
    threads = calloc((size_t)count, sizeof *threads);
    words = calloc((size_t)count / 32, sizeof *words);
    int outcome = stacks && shared && threads && words ? 0 : 2;
    started = kernel;
    given = arguments;
    for (int y = 0; y < blocks_y && outcome == 0; y++) {
        for (int x = 0; x < blocks_x && outcome == 0; x++) {
            place = (struct place){0, count, x, y, blocks_x, shared};
            memset(shared, 0xff, (size_t)shared_bytes);
            outcome = run_block(count, backwards, stacks);
        }
    }
    free(stacks), free(shared), free(threads), free(words);
    return outcome;
}

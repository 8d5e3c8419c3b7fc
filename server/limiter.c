/* SPDX-License-Identifier: Apache-2.0 */
#include "server/limiter.h"

#include <math.h>
#include <pthread.h>

#include "formats/base/arena.h"

enum { PARTS = 64, SETS = 256, SET_BUCKETS = 4 }; /* 65536 callers */

struct bucket {
    uint64_t who;
    double full_at_ms; /* when it would be full again */
};

struct part {
    pthread_mutex_t lock;
    struct bucket buckets[SETS][SET_BUCKETS];
};

struct limiter {
    struct arena memory;
    struct part parts[PARTS];
};

bool limiter_open(struct limiter **out, struct err *err)
{
    struct arena memory;
    arena_init(&memory, sizeof(struct limiter) + (1 << 16));
    struct limiter *limiter = arena_array(&memory, struct limiter, 1);
    if (limiter == NULL) {
        return arena_full(&memory, err);
    }
    limiter->memory = memory;
    for (size_t i = 0; i < PARTS; i++) {
        pthread_mutex_init(&limiter->parts[i].lock, NULL);
    }
    *out = limiter;
    return true;
}

void limiter_close(struct limiter *limiter)
{
    if (limiter == NULL) {
        return;
    }
    for (size_t i = 0; i < PARTS; i++) {
        pthread_mutex_destroy(&limiter->parts[i].lock);
    }
    struct arena memory = limiter->memory; /* it lies in there */
    arena_release(&memory);
}

static struct bucket *find_bucket(struct bucket *set, uint64_t who)
{
    struct bucket *oldest = set;
    for (size_t i = 0; i < SET_BUCKETS; i++) {
        if (set[i].who == who) {
            return &set[i];
        }
        if (set[i].full_at_ms < oldest->full_at_ms) {
            oldest = &set[i];
        }
    }
    *oldest = (struct bucket){who, 0};
    return oldest;
}

void limiter_take(struct limiter *limiter, uint64_t who, double rate, int64_t now_ms,
                  struct limiter_state *out)
{
    const uint64_t mixed = who * 0x9E3779B97F4A7C15U;
    struct part *part = &limiter->parts[mixed >> 58];
    const double step_ms = 1000 / rate;
    /* At least one request, however low the rate. */
    const double room_ms = fmax(LIMITER_BURST_S * 1000.0, step_ms);
    pthread_mutex_lock(&part->lock);
    struct bucket *bucket = find_bucket(part->buckets[mixed >> 50 & (SETS - 1)], who);
    const double from = fmax(bucket->full_at_ms, (double)now_ms);
    const double wait_ms = from + step_ms - room_ms - (double)now_ms;
    const bool is_allowed = wait_ms <= 0;
    if (is_allowed) {
        bucket->full_at_ms = from + step_ms;
    }
    const double left_ms = room_ms - (bucket->full_at_ms - (double)now_ms);
    pthread_mutex_unlock(&part->lock);
    *out = (struct limiter_state){
        .is_allowed = is_allowed,
        .limit = (unsigned)ceil(rate),
        .remaining = (unsigned)fmax(0, floor(left_ms / step_ms)),
        .reset_s = is_allowed ? 0 : (unsigned)ceil(wait_ms / 1000),
    };
}

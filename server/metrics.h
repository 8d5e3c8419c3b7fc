/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_METRICS_H
#define SERVER_METRICS_H

/*
 * metrics.h - what the workers count, and how it is told to Prometheus.
 *
 * A worker writes its own counters and nobody else's; whoever asks adds them up.
 * Counting costs a few nanoseconds a request.
 *
 * Source   Prometheus text exposition format 0.0.4
 * Threads  one writer for each struct metrics, any number of readers
 */

#include <stdatomic.h>

#include "formats/base/buf.h"

enum { METRICS_BUCKETS = 12 };

enum metrics_event {
    METRICS_CONNECTED,
    METRICS_DISCONNECTED,
    METRICS_CUT,     /* a deadline was missed */
    METRICS_CROWDED, /* too many connections of one address */
    METRICS_REFUSED, /* the guard said no */
    METRICS_LIMITED, /* 429 */
    METRICS_FAILED,  /* something went wrong on our side, and is in the log */
    METRICS_LEFT,    /* the client went before the end of its answer */
    METRICS_EVENT_COUNT
};

struct metrics {
    atomic_uint_least64_t statuses[6]; /* by hundreds */
    atomic_uint_least64_t bytes;
    atomic_uint_least64_t microseconds;
    atomic_uint_least64_t buckets[METRICS_BUCKETS + 1]; /* each its own; the last is beyond */
    atomic_uint_least64_t events[METRICS_EVENT_COUNT];
    atomic_uint_least64_t views; /* kept in the worker's cache */
};

static inline void metrics_add(atomic_uint_least64_t *counter, uint64_t count)
{
    /* One writer: no need for the bus to be locked. */
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + count,
                          memory_order_relaxed);
}

static inline void metrics_note(struct metrics *metrics, enum metrics_event event)
{
    metrics_add(&metrics->events[event], 1);
}

void metrics_answered(struct metrics *metrics, unsigned status, uint64_t bytes,
                      uint64_t microseconds);

/* Appends the sum of `count` workers', and what the process says of itself. */
void metrics_print(const struct metrics *const *workers, size_t count, size_t package_count,
                   bool is_draining, struct buf *out);

#endif

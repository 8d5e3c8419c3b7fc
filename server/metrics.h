/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_METRICS_H
#define SERVER_METRICS_H

/*
 * metrics.h - what the workers and the run count, and how it is told to Prometheus.
 *
 * Each writes its own counters and nobody else's; whoever asks adds them up.
 * Counting costs a few nanoseconds a request. server/README.md says which of them
 * belong on a dashboard.
 *
 * Source   Prometheus text exposition format 0.0.4
 * Threads  one writer for each struct metrics, any number of readers
 */

#include <stdatomic.h>

#include "formats/base/buf.h"
#include "server/message.h"

enum { METRICS_BUCKETS = 12, METRICS_CLASSES = 6 /* of statuses, by hundreds */ };

enum metrics_event {
    METRICS_CONNECTED,
    METRICS_DISCONNECTED,
    METRICS_CUT,     /* a deadline was missed */
    METRICS_CROWDED, /* too many connections of one address */
    METRICS_REFUSED, /* the guard said no */
    METRICS_LIMITED, /* 429 */
    METRICS_SHED,    /* 503: too many questions at once */
    METRICS_FAILED,  /* something went wrong on our side, and is in the log */
    METRICS_LEFT,    /* the client went before the end of its answer */
    METRICS_EVENT_COUNT
};

/* What the run reads again, at a signal or because it has changed. */
enum metrics_reload {
    METRICS_PACKAGES,
    METRICS_KEYS,
    METRICS_CERTIFICATE,
    METRICS_LOG,
    METRICS_RELOAD_COUNT
};

/* Answers of one kind of address. */
struct metrics_answers {
    atomic_uint_least64_t statuses[METRICS_CLASSES];
    atomic_uint_least64_t bytes;
    atomic_uint_least64_t microseconds;
    atomic_uint_least64_t buckets[METRICS_BUCKETS + 1]; /* each its own; the last is beyond */
};

struct metrics {
    struct metrics_answers answers[RESPONSE_KIND_COUNT];
    atomic_uint_least64_t events[METRICS_EVENT_COUNT];
    atomic_uint_least64_t views; /* kept in the worker's cache */

    /* Of the run alone. */
    atomic_uint_least64_t reloads[METRICS_RELOAD_COUNT][2]; /* failed, done */
    atomic_uint_least64_t refused_packages; /* what could not be served at the last look */
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

static inline void metrics_reloaded(struct metrics *metrics, enum metrics_reload what, bool is_done)
{
    metrics_add(&metrics->reloads[what][is_done], 1);
}

/* What one answer was. */
struct metrics_answer {
    enum response_kind kind;
    unsigned status;
    uint64_t bytes; /* of the body */
    uint64_t microseconds;
};
void metrics_answered(struct metrics *metrics, const struct metrics_answer *answer);

/* What is known at the moment of asking. */
struct metrics_state {
    size_t package_count;
    size_t revision_count;      /* of all packages, those that only old viewers ask for too */
    int64_t started_s;          /* since 1970 */
    int64_t certificate_ends_s; /* since 1970; 0 without TLS */
    bool is_draining;
};

/* Appends the sum of `count` structs, and what the process says of itself. */
void metrics_print(const struct metrics *const *all, size_t count,
                   const struct metrics_state *state, struct buf *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_JOBS_H
#define TILER_JOBS_H

/*
 * jobs.h - worker threads, their arenas, the order of their results.
 *
 * A run is a numbered list of jobs. Workers take them from a counter; what a
 * job produces is handed on in job order, one at a time, so that output does
 * not depend on how many threads there are. With `parents`, a job waits until
 * all jobs that name it as their parent are done: a tree from its leaves up.
 *
 * Threads  this file holds the queue's lock; callers need none
 */

#include <signal.h>

#include "formats/base/arena.h"
#include "formats/base/buf.h"
#include "formats/base/err.h"

#define JOBS_NO_PARENT UINT32_MAX

struct jobs_worker {
    struct arena tile;    /* reset before every job */
    struct arena scratch; /* reset before every job */
    struct buf output;    /* emptied before every job; what `emit` is given */
    void *state;          /* what open_worker made */
};

struct jobs {
    size_t thread_count; /* >= 1 */
    size_t job_count;
    const uint32_t *parents;   /* job_count: a higher job number each, or JOBS_NO_PARENT; or NULL */
    size_t worker_limit_bytes; /* for each arena and the output of a worker */
    const volatile sig_atomic_t *is_stopped; /* set by a signal: no further job begins */
    void *run;                               /* handed to every function */

    /* May be NULL. On the worker's own thread, before its first job. */
    bool (*open_worker)(void *run, void **out_state, struct err *err);
    void (*close_worker)(void *state); /* NULL state is fine */

    bool (*work)(struct jobs_worker *worker, void *run, size_t job, struct err *err);

    /* May be NULL. In job order, never two at once; `output` is the worker's.
     * With `parents`: when a job is done, before its parent begins; not in
     * order. */
    bool (*emit)(struct span output, void *run, size_t job, struct err *err);
};

/*
 * Runs all jobs; returns when every worker has ended.
 *
 * Errors   that of the lowest job that failed; ERR_IO "interrupted" when
 *          *is_stopped was set
 */
ERR_CHECKED bool jobs_run(const struct jobs *jobs, struct err *err);

/* Cores that this process may use. */
size_t jobs_core_count(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "tiler/jobs.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

struct queue {
    const struct jobs *jobs;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t next_job;   /* without parents: the next to be taken */
    size_t next_emit;  /* without parents: the next whose result is due */
    uint32_t *waiting; /* with parents: children not done yet, per job */
    uint32_t *ready;   /* with parents: jobs that can be taken, a min-heap */
    size_t ready_count;
    size_t done_count;
    bool failed;
    size_t failed_job;
    struct err err;
};

size_t jobs_core_count(void)
{
    cpu_set_t cores;
    if (sched_getaffinity(0, sizeof cores, &cores) != 0) {
        return 1;
    }
    const int count = CPU_COUNT(&cores);
    return count < 1 ? 1 : (size_t)count;
}

/* A heap, so that the lowest ready job goes first: leaves in order, and a
 * parent soon after its last child. */
static void push_ready(struct queue *queue, uint32_t job)
{
    size_t at = queue->ready_count++;
    while (at > 0 && queue->ready[(at - 1) / 2] > job) {
        queue->ready[at] = queue->ready[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    queue->ready[at] = job;
}

static uint32_t pop_ready(struct queue *queue)
{
    const uint32_t first = queue->ready[0];
    const uint32_t last = queue->ready[--queue->ready_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= queue->ready_count) {
            break;
        }
        if (child + 1 < queue->ready_count && queue->ready[child + 1] < queue->ready[child]) {
            child++;
        }
        if (queue->ready[child] >= last) {
            break;
        }
        queue->ready[at] = queue->ready[child];
        at = child;
    }
    queue->ready[at] = last;
    return first;
}

static void fail_job(struct queue *queue, size_t job, const struct err *err)
{
    if (!queue->failed || job < queue->failed_job) {
        queue->failed_job = job;
        queue->err = *err;
    }
    queue->failed = true;
    pthread_cond_broadcast(&queue->changed);
}

/* The next job for this worker; false when there is none left. */
static bool take(struct queue *queue, size_t *out_job)
{
    const struct jobs *jobs = queue->jobs;
    bool found = false;
    pthread_mutex_lock(&queue->lock);
    while (!queue->failed && queue->done_count < jobs->job_count) {
        if (jobs->is_stopped != NULL && *jobs->is_stopped) {
            struct err err;
            err_set(&err, ERR_IO, "interrupted");
            fail_job(queue, jobs->job_count, &err);
            break;
        }
        if (jobs->parents == NULL) {
            found = queue->next_job < jobs->job_count;
            *out_job = queue->next_job;
            queue->next_job += found;
            break;
        }
        if (queue->ready_count > 0) {
            *out_job = pop_ready(queue);
            found = true;
            break;
        }
        pthread_cond_wait(&queue->changed, &queue->lock);
    }
    pthread_mutex_unlock(&queue->lock);
    return found;
}

/* Hands a result on, in its turn, and wakes who waits for it. */
static void finish(struct queue *queue, struct jobs_worker *worker, size_t job)
{
    const struct jobs *jobs = queue->jobs;
    pthread_mutex_lock(&queue->lock);
    while (jobs->parents == NULL && queue->next_emit != job && !queue->failed) {
        pthread_cond_wait(&queue->changed, &queue->lock);
    }
    struct err err;
    if (!queue->failed && jobs->emit != NULL &&
        !jobs->emit(buf_span(&worker->output), jobs->run, job, &err)) {
        fail_job(queue, job, &err);
    }
    queue->next_emit++;
    queue->done_count++;
    if (jobs->parents != NULL && jobs->parents[job] != JOBS_NO_PARENT) {
        const uint32_t parent = jobs->parents[job];
        assert(parent > job && parent < jobs->job_count);
        if (--queue->waiting[parent] == 0) {
            push_ready(queue, parent);
        }
    }
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
}

static void fail(struct queue *queue, size_t job, const struct err *err)
{
    pthread_mutex_lock(&queue->lock);
    fail_job(queue, job, err);
    pthread_mutex_unlock(&queue->lock);
}

static void work_until_done(struct queue *queue, struct jobs_worker *worker)
{
    const struct jobs *jobs = queue->jobs;
    const struct arena_mark empty = {0};
    size_t job;
    while (take(queue, &job)) {
        struct err err;
        arena_reset(&worker->tile, empty);
        arena_reset(&worker->scratch, empty);
        buf_reset(&worker->output);
        if (!jobs->work(worker, jobs->run, job, &err) || !buf_finish(&worker->output, &err)) {
            fail(queue, job, &err);
            return;
        }
        finish(queue, worker, job);
    }
}

static void *worker_main(void *shared)
{
    struct queue *queue = shared;
    const struct jobs *jobs = queue->jobs;
    struct jobs_worker worker = {0};
    struct err err;
    arena_init(&worker.tile, jobs->worker_limit_bytes);
    arena_init(&worker.scratch, jobs->worker_limit_bytes);
    buf_init(&worker.output, jobs->worker_limit_bytes);
    if (jobs->open_worker != NULL && !jobs->open_worker(jobs->run, &worker.state, &err)) {
        fail(queue, 0, &err);
    } else {
        work_until_done(queue, &worker);
    }
    if (jobs->close_worker != NULL) {
        jobs->close_worker(worker.state);
    }
    arena_release(&worker.tile);
    arena_release(&worker.scratch);
    buf_release(&worker.output);
    return NULL;
}

static bool make_queue(const struct jobs *jobs, struct queue *queue, struct err *err)
{
    *queue = (struct queue){.jobs = jobs};
    if (jobs->parents != NULL && jobs->job_count > 0) {
        queue->waiting = calloc(jobs->job_count, sizeof queue->waiting[0]);
        queue->ready = calloc(jobs->job_count, sizeof queue->ready[0]);
        if (queue->waiting == NULL || queue->ready == NULL) {
            free(queue->waiting);
            free(queue->ready);
            return err_set(err, ERR_NOMEM, "%zu jobs", jobs->job_count);
        }
        for (size_t job = 0; job < jobs->job_count; job++) {
            if (jobs->parents[job] != JOBS_NO_PARENT) {
                queue->waiting[jobs->parents[job]]++;
            }
        }
        for (size_t job = 0; job < jobs->job_count; job++) {
            if (queue->waiting[job] == 0) {
                push_ready(queue, (uint32_t)job);
            }
        }
    }
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->changed, NULL);
    return true;
}

bool jobs_run(const struct jobs *jobs, struct err *err)
{
    assert(jobs->thread_count >= 1);
    struct queue queue;
    if (!make_queue(jobs, &queue, err)) {
        return false;
    }
    size_t count = jobs->thread_count < jobs->job_count ? jobs->thread_count : jobs->job_count;
    pthread_t *threads = calloc(count == 0 ? 1 : count, sizeof threads[0]);
    size_t started = 0;
    struct err start_err = {0};
    while (threads != NULL && started < count &&
           pthread_create(&threads[started], NULL, worker_main, &queue) == 0) {
        started++;
    }
    if (started == 0 && count > 0) {
        err_set(&start_err, ERR_NOMEM, "cannot start a thread");
        fail(&queue, 0, &start_err);
    }
    for (size_t i = 0; i < started; i++) {
        pthread_join(threads[i], NULL);
    }
    free(threads);
    free(queue.waiting);
    free(queue.ready);
    pthread_mutex_destroy(&queue.lock);
    pthread_cond_destroy(&queue.changed);
    if (queue.failed) {
        *err = queue.err;
        return false;
    }
    return true;
}

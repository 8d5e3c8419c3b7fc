/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/jobs.h"

#include "tests/check.h"

enum { JOB_COUNT = 1000 };

struct counting {
    size_t emitted;
    uint32_t sums[JOB_COUNT]; /* with parents: 1 + those of the children */
    const uint32_t *parents;
    size_t failing_job;
};

static bool write_number(struct jobs_worker *worker, void *run, size_t job, struct err *err)
{
    struct counting *counting = run;
    if (job >= counting->failing_job) {
        return err_set(err, ERR_GEOMETRY, "job %zu", job);
    }
    uint32_t *scratch = arena_array(&worker->scratch, uint32_t, job + 1);
    scratch[job] = (uint32_t)job;
    buf_add_u32le(&worker->output, scratch[job]);
    return true;
}

static bool take_in_order(struct span output, void *run, size_t job, struct err *err)
{
    struct counting *counting = run;
    (void)err;
    CHECK_EQ(job, counting->emitted);
    CHECK_EQ(bytes_load_u32le(output.data), job);
    counting->emitted++;
    return true;
}

static void jobs_run__emits_in_order_whatever_the_threads(void)
{
    for (size_t threads = 1; threads <= 8; threads *= 2) {
        struct counting counting = {.failing_job = JOB_COUNT};
        struct err err;
        const struct jobs jobs = {.thread_count = threads,
                                  .job_count = JOB_COUNT,
                                  .worker_limit_bytes = 1 << 20,
                                  .run = &counting,
                                  .work = write_number,
                                  .emit = take_in_order};
        CHECK_OK(jobs_run(&jobs, &err), &err);
        CHECK_EQ(counting.emitted, JOB_COUNT);
    }
}

static void jobs_run__returns_the_error_of_the_lowest_job(void)
{
    struct counting counting = {.failing_job = 7};
    struct err err;
    const struct jobs jobs = {.thread_count = 1,
                              .job_count = JOB_COUNT,
                              .worker_limit_bytes = 1 << 20,
                              .run = &counting,
                              .work = write_number,
                              .emit = take_in_order};
    CHECK_FAILS(jobs_run(&jobs, &err), &err, ERR_GEOMETRY);
    CHECK_TEXT(err.message, "job 7");
    CHECK_EQ(counting.emitted, 7);
}

static bool add_up(struct jobs_worker *worker, void *run, size_t job, struct err *err)
{
    struct counting *counting = run;
    (void)worker;
    (void)err;
    uint32_t sum = 1;
    for (size_t child = 0; child < job; child++) {
        if (counting->parents[child] == job) {
            sum += counting->sums[child];
        }
    }
    counting->sums[job] = sum;
    return true;
}

static void jobs_run__begins_a_parent_after_its_children(void)
{
    enum { LEAVES = 64, NODES = 2 * LEAVES - 1 };
    uint32_t parents[NODES];
    for (uint32_t i = 0; i < NODES; i++) {
        parents[i] = i == NODES - 1 ? JOBS_NO_PARENT : LEAVES + i / 2;
    }
    struct counting counting = {.parents = parents};
    struct err err;
    const struct jobs jobs = {.thread_count = 4,
                              .job_count = NODES,
                              .parents = parents,
                              .worker_limit_bytes = 1 << 20,
                              .run = &counting,
                              .work = add_up};
    CHECK_OK(jobs_run(&jobs, &err), &err);
    CHECK_EQ(counting.sums[NODES - 1], NODES);
}

static void jobs_run__stops_when_told(void)
{
    const volatile sig_atomic_t stopped = 1;
    struct counting counting = {.failing_job = JOB_COUNT};
    struct err err;
    const struct jobs jobs = {.thread_count = 2,
                              .job_count = JOB_COUNT,
                              .worker_limit_bytes = 1 << 20,
                              .is_stopped = &stopped,
                              .run = &counting,
                              .work = write_number,
                              .emit = take_in_order};
    CHECK_FAILS(jobs_run(&jobs, &err), &err, ERR_IO);
    CHECK_TEXT(err.message, "interrupted");
    CHECK_EQ(counting.emitted, 0);
}

static void jobs_run__does_nothing_with_no_jobs(void)
{
    struct err err;
    const struct jobs jobs = {.thread_count = 2, .worker_limit_bytes = 1 << 20, .work = add_up};
    CHECK_OK(jobs_run(&jobs, &err), &err);
}

CHECK_MAIN(CHECK_TEST(jobs_run__emits_in_order_whatever_the_threads),
           CHECK_TEST(jobs_run__returns_the_error_of_the_lowest_job),
           CHECK_TEST(jobs_run__begins_a_parent_after_its_children),
           CHECK_TEST(jobs_run__stops_when_told), CHECK_TEST(jobs_run__does_nothing_with_no_jobs))

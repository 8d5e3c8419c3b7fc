/* SPDX-License-Identifier: Apache-2.0 */
#include "server/metrics.h"

#include <assert.h>
#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static const unsigned bounds_us[METRICS_BUCKETS] = {50,   100,   250,   500,    1000,   2500,
                                                    5000, 10000, 25000, 100000, 500000, 2500000};

static const char *const kind_names[RESPONSE_KIND_COUNT] = {
    [RESPONSE_NOWHERE] = "none",        [RESPONSE_TILES] = "tiles",
    [RESPONSE_DOWNLOADS] = "downloads", [RESPONSE_ITEMS] = "items",
    [RESPONSE_QUESTIONS] = "questions", [RESPONSE_DOCUMENTS] = "documents",
    [RESPONSE_PAGES] = "pages",
};

static const char *const reload_names[METRICS_RELOAD_COUNT] = {
    [METRICS_PACKAGES] = "packages",
    [METRICS_KEYS] = "keys",
    [METRICS_CERTIFICATE] = "certificate",
    [METRICS_LOG] = "log",
};

void metrics_answered(struct metrics *metrics, const struct metrics_answer *answer)
{
    struct metrics_answers *answers = &metrics->answers[answer->kind];
    const unsigned hundreds = answer->status / 100;
    size_t bucket = 0;
    while (bucket < METRICS_BUCKETS && answer->microseconds > bounds_us[bucket]) {
        bucket++;
    }
    metrics_add(&answers->statuses[hundreds < METRICS_CLASSES ? hundreds : 0], 1);
    metrics_add(&answers->bytes, answer->bytes);
    metrics_add(&answers->microseconds, answer->microseconds);
    metrics_add(&answers->buckets[bucket], 1);
}

/* The counter at `offset` bytes of each worker's struct, added up. */
static uint64_t sum(const struct metrics *const *all, size_t count, size_t offset)
{
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++) {
        const atomic_uint_least64_t *counter = (const void *)((const uint8_t *)all[i] + offset);
        total += atomic_load_explicit(counter, memory_order_relaxed);
    }
    return total;
}

static void print_head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_print(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void print_one(struct buf *out, const char *name, const char *type, const char *help,
                      uint64_t value)
{
    print_head(out, name, type, help);
    buf_print(out, "%s %llu\n", name, (unsigned long long)value);
}

/* The same counter of one kind of address. */
static uint64_t sum_of(const struct metrics *const *all, size_t count, size_t kind, size_t offset)
{
    return sum(all, count,
               offsetof(struct metrics, answers) + kind * sizeof(struct metrics_answers) + offset);
}

static void print_durations(const struct metrics *const *all, size_t count, size_t kind,
                            struct buf *out)
{
    static const char name[] = "storeyd_request_duration_seconds";
    uint64_t running = 0;
    for (size_t i = 0; i <= METRICS_BUCKETS; i++) {
        running += sum_of(all, count, kind,
                          offsetof(struct metrics_answers, buckets) + i * sizeof(uint64_t));
        buf_print(out, "%s_bucket{route=\"%s\",le=\"", name, kind_names[kind]);
        if (i < METRICS_BUCKETS) {
            buf_print(out, "%g\"} %llu\n", bounds_us[i] / 1e6, (unsigned long long)running);
        } else {
            buf_print(out, "+Inf\"} %llu\n", (unsigned long long)running);
        }
    }
    const uint64_t spent = sum_of(all, count, kind, offsetof(struct metrics_answers, microseconds));
    buf_print(out, "%s_sum{route=\"%s\"} %.6f\n%s_count{route=\"%s\"} %llu\n", name,
              kind_names[kind], (double)spent / 1e6, name, kind_names[kind],
              (unsigned long long)running);
}

static void print_requests(const struct metrics *const *all, size_t count, struct buf *out)
{
    static_assert(sizeof(atomic_uint_least64_t) == sizeof(uint64_t), "counters lie side by side");
    print_head(out, "storeyd_requests_total", "counter",
               "Requests answered, by kind of address and status.");
    for (size_t kind = 0; kind < RESPONSE_KIND_COUNT; kind++) {
        for (size_t i = 2; i < METRICS_CLASSES; i++) {
            const uint64_t value =
                sum_of(all, count, kind,
                       offsetof(struct metrics_answers, statuses) + i * sizeof(uint64_t));
            buf_print(out, "storeyd_requests_total{route=\"%s\",status=\"%zuxx\"} %llu\n",
                      kind_names[kind], i, (unsigned long long)value);
        }
    }
    print_head(out, "storeyd_response_bytes_total", "counter", "Bytes of bodies sent.");
    for (size_t kind = 0; kind < RESPONSE_KIND_COUNT; kind++) {
        const uint64_t value = sum_of(all, count, kind, offsetof(struct metrics_answers, bytes));
        buf_print(out, "storeyd_response_bytes_total{route=\"%s\"} %llu\n", kind_names[kind],
                  (unsigned long long)value);
    }
    print_head(out, "storeyd_request_duration_seconds", "histogram",
               "From the request line to the end of the answer.");
    for (size_t kind = 0; kind < RESPONSE_KIND_COUNT; kind++) {
        print_durations(all, count, kind, out);
    }
}

static void print_events(const struct metrics *const *all, size_t count, struct buf *out)
{
    static const struct {
        enum metrics_event event;
        const char *name;
        const char *help;
    } events[] = {
        {METRICS_CONNECTED, "storeyd_connections_total", "Connections taken."},
        {METRICS_CUT, "storeyd_cut_connections_total", "Connections cut at a deadline."},
        {METRICS_CROWDED, "storeyd_crowded_connections_total",
         "Connections refused because their address had too many."},
        {METRICS_REFUSED, "storeyd_refused_requests_total", "Requests that the guard refused."},
        {METRICS_LIMITED, "storeyd_limited_requests_total", "Requests answered 429."},
        {METRICS_SHED, "storeyd_shed_questions_total",
         "Questions answered 503 because too many came at once."},
        {METRICS_FAILED, "storeyd_failures_total", "Failures on the server's side."},
        {METRICS_LEFT, "storeyd_clients_left_total", "Clients gone before the end."},
    };
    uint64_t values[METRICS_EVENT_COUNT];
    for (size_t i = 0; i < METRICS_EVENT_COUNT; i++) {
        values[i] =
            sum(all, count, offsetof(struct metrics, events) + i * sizeof all[0]->events[0]);
    }
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        print_one(out, events[i].name, "counter", events[i].help, values[events[i].event]);
    }
    print_one(out, "storeyd_connections", "gauge", "Connections open now.",
              values[METRICS_CONNECTED] - values[METRICS_DISCONNECTED]);
    print_one(out, "storeyd_cached_views", "gauge", "Files kept ready by the all.",
              sum(all, count, offsetof(struct metrics, views)));
}

static void print_reloads(const struct metrics *const *all, size_t count, struct buf *out)
{
    print_head(out, "storeyd_reloads_total", "counter",
               "What was read again; when it failed the old one stays in force.");
    for (size_t what = 0; what < METRICS_RELOAD_COUNT; what++) {
        for (size_t is_done = 0; is_done < 2; is_done++) {
            const uint64_t value =
                sum(all, count,
                    offsetof(struct metrics, reloads) + (2 * what + is_done) * sizeof(uint64_t));
            buf_print(out, "storeyd_reloads_total{what=\"%s\",result=\"%s\"} %llu\n",
                      reload_names[what], is_done == 0 ? "failed" : "ok",
                      (unsigned long long)value);
        }
    }
    print_one(out, "storeyd_refused_packages", "gauge",
              "Packages, or side-cars, that could not be used at the last look; the log says why.",
              sum(all, count, offsetof(struct metrics, refused_packages)));
}

static void print_descriptors(struct buf *out)
{
    struct rlimit limit;
    uint64_t open_count = 0;
    DIR *folder = opendir("/proc/self/fd");
    if (folder != NULL) {
        for (const struct dirent *item = readdir(folder); item != NULL; item = readdir(folder)) {
            open_count += item->d_name[0] != '.';
        }
        closedir(folder);
        /* The folder itself is none. */
        print_one(out, "process_open_fds", "gauge", "Open files and sockets.", open_count - 1);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        print_one(out, "process_max_fds", "gauge", "How many there may be.",
                  (uint64_t)limit.rlim_cur);
    }
}

static void print_process(struct buf *out)
{
    unsigned long pages = 0;
    unsigned long resident = 0;
    struct timespec spent;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file != NULL) {
        if (fscanf(file, "%lu %lu", &pages, &resident) == 2) {
            const uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
            print_one(out, "process_resident_memory_bytes", "gauge", "Resident memory.",
                      (uint64_t)resident * page_bytes);
            print_one(out, "process_virtual_memory_bytes", "gauge",
                      "Virtual memory, mapped packages included.", (uint64_t)pages * page_bytes);
        }
        fclose(file);
    }
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent) == 0) {
        print_head(out, "process_cpu_seconds_total", "counter", "CPU time.");
        buf_print(out, "process_cpu_seconds_total %lld.%09ld\n", (long long)spent.tv_sec,
                  spent.tv_nsec);
    }
    print_descriptors(out);
}

void metrics_print(const struct metrics *const *all, size_t count,
                   const struct metrics_state *state, struct buf *out)
{
    print_requests(all, count, out);
    print_events(all, count, out);
    print_reloads(all, count, out);
    print_one(out, "storeyd_packages", "gauge", "Packages served.", state->package_count);
    print_one(out, "storeyd_revisions", "gauge",
              "Revisions of packages that answer, replaced ones included.", state->revision_count);
    if (state->certificate_ends_s != 0) {
        print_head(out, "storeyd_certificate_expiry_seconds", "gauge",
                   "When the certificate ends, since 1970.");
        buf_print(out, "storeyd_certificate_expiry_seconds %lld\n",
                  (long long)state->certificate_ends_s);
    }
    print_one(out, "storeyd_draining", "gauge", "1 while the server shuts down.",
              state->is_draining);
    print_head(out, "storeyd_build_info", "gauge", "1; the version is a label.");
    buf_print(out, "storeyd_build_info{version=\"%s\"} 1\n", STOREY_VERSION);
    print_one(out, "process_start_time_seconds", "gauge", "When it was started, since 1970.",
              (uint64_t)state->started_s);
    print_process(out);
}

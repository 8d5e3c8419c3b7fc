/* SPDX-License-Identifier: Apache-2.0 */
#include "server/metrics.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

static const unsigned bounds_us[METRICS_BUCKETS] = {50,   100,   250,   500,    1000,   2500,
                                                    5000, 10000, 25000, 100000, 500000, 2500000};

void metrics_answered(struct metrics *metrics, unsigned status, uint64_t bytes,
                      uint64_t microseconds)
{
    size_t bucket = 0;
    while (bucket < METRICS_BUCKETS && microseconds > bounds_us[bucket]) {
        bucket++;
    }
    metrics_add(&metrics->statuses[status / 100 < 6 ? status / 100 : 0], 1);
    metrics_add(&metrics->bytes, bytes);
    metrics_add(&metrics->microseconds, microseconds);
    metrics_add(&metrics->buckets[bucket], 1);
}

/* The counter at `offset` bytes of each worker's struct, added up. */
static uint64_t sum(const struct metrics *const *workers, size_t count, size_t offset)
{
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++) {
        const atomic_uint_least64_t *counter = (const void *)((const uint8_t *)workers[i] + offset);
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

static void print_requests(const struct metrics *const *workers, size_t count, struct buf *out)
{
    uint64_t running = 0;
    print_head(out, "storeyd_requests_total", "counter", "Requests answered, by status.");
    for (size_t i = 1; i < 6; i++) {
        buf_print(out, "storeyd_requests_total{status=\"%zuxx\"} %llu\n", i,
                  (unsigned long long)sum(workers, count,
                                          offsetof(struct metrics, statuses) +
                                              i * sizeof workers[0]->statuses[0]));
    }
    print_one(out, "storeyd_response_bytes_total", "counter", "Bytes of bodies sent.",
              sum(workers, count, offsetof(struct metrics, bytes)));
    print_head(out, "storeyd_request_duration_seconds", "histogram",
               "From the request line to the end of the answer.");
    for (size_t i = 0; i <= METRICS_BUCKETS; i++) {
        running += sum(workers, count,
                       offsetof(struct metrics, buckets) + i * sizeof workers[0]->buckets[0]);
        if (i < METRICS_BUCKETS) {
            buf_print(out, "storeyd_request_duration_seconds_bucket{le=\"%g\"} %llu\n",
                      bounds_us[i] / 1e6, (unsigned long long)running);
        } else {
            buf_print(out, "storeyd_request_duration_seconds_bucket{le=\"+Inf\"} %llu\n",
                      (unsigned long long)running);
        }
    }
    buf_print(out,
              "storeyd_request_duration_seconds_sum %.6f\n"
              "storeyd_request_duration_seconds_count %llu\n",
              (double)sum(workers, count, offsetof(struct metrics, microseconds)) / 1e6,
              (unsigned long long)running);
}

static void print_events(const struct metrics *const *workers, size_t count, struct buf *out)
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
        {METRICS_FAILED, "storeyd_failures_total", "Failures on the server's side."},
        {METRICS_LEFT, "storeyd_clients_left_total", "Clients gone before the end."},
    };
    uint64_t values[METRICS_EVENT_COUNT];
    for (size_t i = 0; i < METRICS_EVENT_COUNT; i++) {
        values[i] = sum(workers, count,
                        offsetof(struct metrics, events) + i * sizeof workers[0]->events[0]);
    }
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        print_one(out, events[i].name, "counter", events[i].help, values[events[i].event]);
    }
    print_one(out, "storeyd_connections", "gauge", "Connections open now.",
              values[METRICS_CONNECTED] - values[METRICS_DISCONNECTED]);
    print_one(out, "storeyd_cached_views", "gauge", "Files kept ready by the workers.",
              sum(workers, count, offsetof(struct metrics, views)));
}

static void print_process(struct buf *out)
{
    unsigned long pages = 0;
    unsigned long resident = 0;
    struct timespec spent;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file != NULL) {
        if (fscanf(file, "%lu %lu", &pages, &resident) == 2) {
            print_one(out, "process_resident_memory_bytes", "gauge", "Resident memory.",
                      (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE));
        }
        fclose(file);
    }
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent) == 0) {
        print_head(out, "process_cpu_seconds_total", "counter", "CPU time.");
        buf_print(out, "process_cpu_seconds_total %lld.%09ld\n", (long long)spent.tv_sec,
                  spent.tv_nsec);
    }
}

void metrics_print(const struct metrics *const *workers, size_t count, size_t package_count,
                   bool is_draining, struct buf *out)
{
    print_requests(workers, count, out);
    print_events(workers, count, out);
    print_one(out, "storeyd_packages", "gauge", "Packages served.", package_count);
    print_one(out, "storeyd_draining", "gauge", "1 while the server shuts down.", is_draining);
    print_process(out);
}

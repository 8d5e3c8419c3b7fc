/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast CityJSON is read: each step in MB/s of CPU time, beside a bare scan
 * of the same bytes in the same run, which says how busy the machine is.
 *
 *     bench_cityjson [BUILDINGS [ROUNDS]]     default 40000, about 40 MB
 *
 * The city is made on the fly: prisms with eight corners, LoD 2.2 solids with
 * semantics, four attributes, integer vertices under a transform.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "formats/base/buf.h"
#include "formats/json.h"
#include "formats/source.h"

enum { BUILDINGS = 40000, ROUNDS = 5, SIDES = 8 };

static void print_building(struct buf *out, int index)
{
    const int first = index * 2 * SIDES;
    buf_print(out,
              "%s\"NL.IMBAG.Pand.%016d\":{\"type\":\"Building\",\"attributes\":{\"identificatie\":"
              "\"NL.IMBAG.Pand.%016d\",\"bouwjaar\":%d,\"status\":\"Pand in gebruik\","
              "\"h_dak_max\":%d.%03d},\"geometry\":[{\"type\":\"Solid\",\"lod\":\"2.2\","
              "\"boundaries\":[[",
              index == 0 ? "" : ",", index, index, 1900 + index % 120, index % 90, index % 1000);
    for (int roof = 0; roof < 2; roof++) {
        buf_add_text(out, roof ? ",[[" : "[[");
        for (int i = 0; i < SIDES; i++) {
            const int corner = roof ? first + SIDES + i : first + SIDES - 1 - i;
            buf_print(out, "%s%d", i == 0 ? "" : ",", corner);
        }
        buf_add_text(out, "]]");
    }
    for (int i = 0; i < SIDES; i++) {
        const int next = (i + 1) % SIDES;
        buf_print(out, ",[[%d,%d,%d,%d]]", first + i, first + next, first + SIDES + next,
                  first + SIDES + i);
    }
    buf_add_text(out, "]],\"semantics\":{\"surfaces\":[{\"type\":\"GroundSurface\"},"
                      "{\"type\":\"RoofSurface\"},{\"type\":\"WallSurface\"}],"
                      "\"values\":[[0,1,2,2,2,2,2,2,2,2]]}}]}");
}

static void print_vertices(struct buf *out, int index)
{
    static const int around[SIDES][2] = {{9000, 0},  {6364, 6364},   {0, 9000},  {-6364, 6364},
                                         {-9000, 0}, {-6364, -6364}, {0, -9000}, {6364, -6364}};
    const int x = (int)((long long)index * 7919 % 9000000);
    const int y = (int)((long long)index * 104729 % 9000000);
    for (int i = 0; i < 2 * SIDES; i++) {
        buf_print(out, "%s[%d,%d,%d]", index == 0 && i == 0 ? "" : ",", x + around[i % SIDES][0],
                  y + around[i % SIDES][1], i < SIDES ? 0 : 3000 + index % 9000);
    }
}

static bool make_city(struct buf *out, int buildings, struct err *err)
{
    buf_init(out, SIZE_MAX / 2);
    buf_add_text(out, "{\"type\":\"CityJSON\",\"version\":\"2.0\",\"transform\":{\"scale\":"
                      "[0.001,0.001,0.001],\"translate\":[80000,440000,0]},\"CityObjects\":{");
    for (int i = 0; i < buildings; i++) {
        print_building(out, i);
    }
    buf_add_text(out, "},\"vertices\":[");
    for (int i = 0; i < buildings; i++) {
        print_vertices(out, i);
    }
    buf_add_text(out, "]}");
    return buf_finish(out, err);
}

static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Keeps the compiler from dropping the scan. */
static volatile uint64_t sink;

static bool scan_bytes(struct span city, const char *path, struct err *err)
{
    (void)path;
    (void)err;
    uint64_t sum = 0;
    for (size_t i = 0; i < city.size; i++) {
        sum += city.data[i];
    }
    sink = sum;
    return true;
}

static bool scan_newline(struct span city, const char *path, struct err *err)
{
    (void)path;
    (void)err;
    sink = memchr(city.data, '\n', city.size) != NULL;
    return true;
}

static bool skip_json(struct span city, const char *path, struct err *err)
{
    (void)path;
    struct json json;
    json_init(&json, city, NULL);
    return json_skip(&json, err) && json_end(&json, err);
}

static bool read_source(const char *path, bool all, struct err *err)
{
    struct report report;
    struct source *source = NULL;
    const struct source_options options = {.temporary_folder = "/tmp"};
    if (!report_open(&report, NULL, err) || !source_open(path, &options, &report, &source, err)) {
        return false;
    }
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    bool ok = true;
    bool is_end = !all;
    while (ok && !is_end) {
        struct feature feature;
        arena_reset(&arena, (struct arena_mark){0});
        ok = source_next(source, &arena, &feature, &is_end, err);
        sink = ok && !is_end ? feature.corner_count : 0;
    }
    arena_release(&arena);
    source_close(source);
    return report_close(&report, err) && ok;
}

static bool index_city(struct span city, const char *path, struct err *err)
{
    (void)city;
    return read_source(path, false, err);
}

static bool read_city(struct span city, const char *path, struct err *err)
{
    (void)city;
    return read_source(path, true, err);
}

struct step {
    const char *name;
    bool (*run)(struct span city, const char *path, struct err *err);
    double seconds; /* the fastest round */
};

static bool run_steps(struct span city, const char *path, int rounds, struct err *err)
{
    struct step steps[] = {
        {"memchr for a byte that is not there", scan_newline, 1e9},
        {"sum of all bytes", scan_bytes, 1e9},
        {"json_skip: every byte checked", skip_json, 1e9},
        {"source_open: first pass", index_city, 1e9},
        {"source_open and source_next: both", read_city, 1e9},
    };
    const size_t count = sizeof steps / sizeof steps[0];
    for (int round = 0; round < rounds; round++) {
        for (size_t i = 0; i < count; i++) {
            const double start = cpu_seconds();
            if (!steps[i].run(city, path, err)) {
                return false;
            }
            const double seconds = cpu_seconds() - start;
            if (seconds < steps[i].seconds) {
                steps[i].seconds = seconds;
            }
        }
    }
    for (size_t i = 0; i < count; i++) {
        printf("%-36s %8.0f MB/s   %6.1f x the sum\n", steps[i].name,
               (double)city.size / 1e6 / steps[i].seconds, steps[i].seconds / steps[1].seconds);
    }
    return true;
}

int main(int argc, char **argv)
{
    const int buildings = argc > 1 ? atoi(argv[1]) : BUILDINGS;
    const int rounds = argc > 2 ? atoi(argv[2]) : ROUNDS;
    struct buf city;
    struct err err;
    char path[] = "/tmp/bench-cityjson-XXXXXX";
    const int fd = mkstemp(path);
    bool ok =
        fd >= 0 && make_city(&city, buildings, &err) && io_write(fd, city.data, city.size, &err);
    if (ok) {
        printf("%d buildings, %.1f MB; best of %d rounds, CPU time\n", buildings,
               (double)city.size / 1e6, rounds);
        ok = run_steps(buf_span(&city), path, rounds, &err);
        buf_release(&city);
    }
    if (ok) {
        /* Alone: the city is not in this process's own memory any more. */
        ok = read_source(path, true, &err);
    }
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("peak memory %ld MB, with the city itself\n", usage.ru_maxrss / 1024);
    unlink(path);
    if (!ok) {
        char line[512];
        err_format(&err, line, sizeof line);
        fprintf(stderr, "bench_cityjson: %s\n", line);
    }
    return ok ? 0 : 1;
}

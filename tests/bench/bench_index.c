/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_index.c - the figures of the index, on a made-up city: boxes of
 * buildings on a plane, with footprints of eight points.
 *
 *     bench_index [FEATURES [flood]]      (default 1000000; the flood takes a tenth)
 *
 * Build, opening, box queries with about 100 hits, ids, the nearest, and the
 * flood of 100,000 buildings inside a polygon of 1,000 points. Processor time of
 * this thread; the best of some rounds.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "formats/base/io.h"
#include "formats/feature_index_write.h"
#include "formats/query.h"
#include "formats/query_print.h"

static double now_s(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void need(bool ok, const struct err *err)
{
    if (!ok) {
        fprintf(stderr, "bench_index: %s\n", err->message);
        exit(1);
    }
}

static uint32_t random_next(uint32_t *state)
{
    *state = *state * 1664525U + 1013904223U;
    return *state >> 8;
}

/* Buildings of 10 to 30 m on a square, about one on 400 m2 at most. */
static double make_boxes(struct box3 *boxes, uint32_t count)
{
    const double side_m = sqrt(count) * 20;
    uint32_t state = 11;
    for (uint32_t i = 0; i < count; i++) {
        const double x = random_next(&state) / 16777216.0 * side_m - side_m / 2;
        const double y = random_next(&state) / 16777216.0 * side_m - side_m / 2;
        const double size = 10 + random_next(&state) % 20;
        const double base = random_next(&state) % 1000 / 100.0;
        boxes[i] = (struct box3){{x, y, base}, {x + size, y + size, base + size}};
    }
    return side_m;
}

/* Sorts the boxes; the time it takes is that of a build. */
static void build(struct box3 *boxes, uint32_t count, double side_m)
{
    struct feature_index_key *keys = malloc(count * sizeof keys[0]);
    struct feature_index_key *scratch = malloc(count * sizeof scratch[0]);
    struct box3 *sorted = malloc(count * sizeof sorted[0]);
    uint8_t *tree = malloc((size_t)feature_index_tree_bytes(count));
    double best_s = 1e9;
    for (int round = 0; round < 3; round++) {
        const double start = now_s();
        for (uint32_t i = 0; i < count; i++) {
            const double x = ((boxes[i].min.x + boxes[i].max.x) / 2 + side_m) / (2 * side_m);
            const double y = ((boxes[i].min.y + boxes[i].max.y) / 2 + side_m) / (2 * side_m);
            keys[i] = (struct feature_index_key){
                feature_index_curve((uint32_t)(x * 65535), (uint32_t)(y * 65535), 16), i};
        }
        feature_index_sort(keys, scratch, count);
        feature_index_tree(boxes, keys, count, tree);
        best_s = fmin(best_s, now_s() - start);
    }
    for (uint32_t i = 0; i < count; i++) {
        sorted[i] = boxes[keys[i].item];
    }
    printf("build       %8.1f ms     %u boxes: curve, sort, tree\n", best_s * 1e3, count);
    memcpy(boxes, sorted, count * sizeof boxes[0]);
    free(keys);
    free(scratch);
    free(sorted);
    free(tree);
}

static void write_index(const char *path, const struct box3 *boxes, uint32_t count)
{
    struct feature_index_writer *writer;
    struct err err;
    const struct feature_index_head head = {.frame =
                                                feature_index_frame(113.9, 22.4, 114.1, 22.6, 0),
                                            .count = count,
                                            .datum = text_of("local")};
    need(feature_index_writer_open(path, "/tmp", &head, &writer, &err), &err);
    need(feature_index_writer_tile(writer, text_of("tiles/0.glb"), FEATURE_INDEX_NONE, &err), &err);
    for (uint32_t i = 0; i < count; i++) {
        const struct box3 *b = &boxes[i];
        const double mx = (b->min.x + b->max.x) / 2;
        const double my = (b->min.y + b->max.y) / 2;
        const struct vec2 points[8] = {
            {b->min.x, b->min.y}, {mx, b->min.y + 1}, {b->max.x, b->min.y}, {b->max.x - 1, my},
            {b->max.x, b->max.y}, {mx, b->max.y - 1}, {b->min.x, b->max.y}, {b->min.x + 1, my}};
        const uint32_t ends[1] = {8};
        char id[32];
        snprintf(id, sizeof id, "SZ.%08u.B", i);
        const struct feature_index_entry entry = {
            .id = text_of(id),
            .class_name = text_of("Building"),
            .box = *b,
            .point = {mx, my},
            .base_m = b->min.z,
            .top_m = b->max.z,
            .base_local_m = b->min.z,
            .top_local_m = b->max.z,
            .storeys = STOREYS_DERIVED,
            .storeys_above = 1 + (uint32_t)((b->max.z - b->min.z) / 3),
            .points = points,
            .ring_ends = ends,
            .ring_count = 1,
            .footprint_m2 = 100,
        };
        need(feature_index_writer_add(writer, &entry, &err), &err);
    }
    need(feature_index_writer_finish(writer, &err), &err);
    feature_index_writer_close(writer);
}

static bool count_row(void *visitor, uint32_t row)
{
    uint64_t *sum = visitor;
    *sum += 1 + (row & 0);
    return true;
}

static void ask_boxes(const struct feature_index *index, double side_m)
{
    enum { QUERIES = 20000 };
    const double size_m = 10 * 20 - 20; /* about a hundred, with their own size */
    double best_s = 1e9;
    uint64_t hits = 0;
    for (int round = 0; round < 5; round++) {
        uint32_t state = 3;
        hits = 0;
        const double start = now_s();
        for (int i = 0; i < QUERIES; i++) {
            const double x = random_next(&state) / 16777216.0 * side_m - side_m / 2;
            const double y = random_next(&state) / 16777216.0 * side_m - side_m / 2;
            const struct box3 box = {{x, y, -1e3}, {x + size_m, y + size_m, 1e3}};
            feature_index_search(index, box, count_row, &hits);
        }
        best_s = fmin(best_s, now_s() - start);
    }
    printf("box query   %8.2f us     %.0f hits each\n", best_s / QUERIES * 1e6,
           (double)hits / QUERIES);
}

static void ask_ids(const struct feature_index *index)
{
    enum { QUERIES = 200000 };
    uint32_t state = 9;
    uint64_t found = 0;
    const double start = now_s();
    for (int i = 0; i < QUERIES; i++) {
        char id[32];
        snprintf(id, sizeof id, "SZ.%08u.B", random_next(&state) % index->count);
        found += feature_index_find(index, text_of(id)) != FEATURE_INDEX_NONE;
    }
    printf("id          %8.2f us     printing the id counted; %llu found\n",
           (now_s() - start) / QUERIES * 1e6, (unsigned long long)found);
}

static void ask_nearest(const struct feature_index *index)
{
    enum { QUERIES = 5000 };
    struct arena scratch;
    struct err err;
    struct feature_index_near near[10];
    size_t count;
    uint32_t state = 9;
    arena_init(&scratch, 1 << 22);
    const double start = now_s();
    for (int i = 0; i < QUERIES; i++) {
        const struct feature_index_nearest from = {
            .lon_deg = 113.95 + random_next(&state) / 16777216.0 * 0.1,
            .lat_deg = 22.45 + random_next(&state) / 16777216.0 * 0.1,
            .within_m = (double)INFINITY};
        need(feature_index_find_nearest(index, &from, near, 10, &count, &scratch, &err), &err);
    }
    printf("nearest     %8.2f us     ten, to their footprints\n",
           (now_s() - start) / QUERIES * 1e6);
    arena_release(&scratch);
}

/* A wavy ring of a thousand points around almost the whole city. */
static char *make_area(const struct feature_index *index, double side_m)
{
    char *text = malloc(64 * 1002);
    size_t at = (size_t)sprintf(text, "POLYGON((");
    for (int i = 0; i < 1000; i++) {
        const double angle = 2 * 3.14159265358979 * i / 1000;
        const double radius = side_m * (0.55 + 0.05 * sin(40 * angle));
        double lon;
        double lat;
        feature_frame_to_deg(&index->frame, radius * cos(angle), radius * sin(angle), &lon, &lat);
        at += (size_t)sprintf(text + at, "%s%.8f %.8f", i > 0 ? "," : "", lon, lat);
    }
    sprintf(text + at, "))");
    return text;
}

/* The arena is a worker's: it keeps its memory from one request to the next. */
static void flood_once(const struct query_target *target, const char *area, const char *format,
                       const char *limit, struct arena *request, struct buf *out,
                       struct query_result *result)
{
    struct query query;
    struct err err;
    const struct query_links links = {.collection = NULL};
    const struct arena_mark mark = arena_mark(request);
    buf_reset(out);
    query_init(&query, QUERY_FLOOD);
    need(query_set(&query, target, text_of("level"), text_of("10"), request, &err) &&
             query_set(&query, target, text_of("coords"), text_of(area), request, &err) &&
             query_set(&query, target, text_of("f"), text_of(format), request, &err) &&
             query_set(&query, target, text_of("limit"), text_of(limit), request, &err) &&
             query_run(&query, target, request, result, &err) &&
             query_print(&query, target, result, &links, request, out, &err) &&
             buf_finish(out, &err),
         &err);
    arena_reset(request, mark);
}

static void flood(const struct feature_index *index, double side_m)
{
    const struct query_target target = {.index = index};
    char *area = make_area(index, side_m);
    struct arena request;
    arena_init(&request, 64 << 20);
    static const char *const ways[][2] = {{"json", "1000"}, {"ids", "0"}};
    for (size_t w = 0; w < 2; w++) {
        struct query_result result;
        struct buf out;
        double best_s = 1e9;
        buf_init(&out, 1 << 28);
        for (int round = 0; round < 10; round++) {
            const double start = now_s();
            flood_once(&target, area, ways[w][0], ways[w][1], &request, &out, &result);
            best_s = fmin(best_s, now_s() - start);
        }
        printf("flood %-5s %8.2f ms     %u buildings, %llu wet, %zu printed, %.1f MB\n", ways[w][0],
               best_s * 1e3, index->count, (unsigned long long)result.matched_count,
               result.hit_count, (double)out.size / 1e6);
        buf_release(&out);
    }
    arena_release(&request);
    free(area);
}

static void open_index(const char *path, struct io_map *map, struct feature_index *index)
{
    struct err err;
    double start = now_s();
    need(io_map(path, map, &err) && feature_index_open(map->bytes, index, &err), &err);
    printf("open        %8.3f ms     %u features, %.0f MB\n", (now_s() - start) * 1e3, index->count,
           (double)map->bytes.size / 1e6);
    start = now_s();
    need(feature_index_check(index, &err), &err);
    printf("check       %8.1f ms     every byte and reference\n", (now_s() - start) * 1e3);
}

int main(int argc, char **argv)
{
    const uint32_t count = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1000000;
    struct box3 *boxes = malloc((count + 1) * sizeof boxes[0]);
    struct feature_index index;
    struct io_map map;
    char path[64];
    snprintf(path, sizeof path, "/tmp/storey-bench-index-%ld", (long)getpid());
    double side_m = make_boxes(boxes, count);
    if (argc < 3) {
        build(boxes, count, side_m);
        const double start = now_s();
        write_index(path, boxes, count);
        printf("write       %8.1f ms     the whole file\n", (now_s() - start) * 1e3);
        open_index(path, &map, &index);
        unlink(path);
        ask_boxes(&index, side_m);
        ask_ids(&index);
        ask_nearest(&index);
        io_unmap(&map);
    }
    side_m = make_boxes(boxes, count / 10);
    build(boxes, count / 10, side_m);
    write_index(path, boxes, count / 10);
    open_index(path, &map, &index);
    unlink(path);
    flood(&index, side_m);
    io_unmap(&map);
    free(boxes);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rates of one feature's geometry, on one core of CPU time:
 *
 *     bench_geometry [HOUSES]      default 3000
 *
 * Houses are random gabled solids of seven polygons; blocks are made of them
 * and measured as a run does (5 cm, 10 %). A sheet of 80,000 triangles is
 * collapsed and its error proven, beside copying it. Rings are stars, for
 * triangulation.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tiler/block.h"
#include "tiler/collapse.h"
#include "tiler/deviation.h"
#include "tiler/triangulate.h"

enum { HOUSES = 3000, POLYGONS = 7 };

struct house {
    struct vec3 placed[10];
    struct feature_ring rings[POLYGONS];
    struct feature_polygon polygons[POLYGONS];
    struct feature_lod lod;
    struct feature_shell shell;
    struct feature feature;
};

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static double unit(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 11) / 9007199254740992.0;
}

/* 0-3 the floor, 4-7 the eaves, 8 and 9 the ridge. */
static const uint32_t corners[] = {4, 5, 9, 8, 6, 7, 8, 9, 0, 1, 5, 4, 2, 3, 7,
                                   6, 3, 0, 4, 8, 7, 1, 2, 6, 9, 5, 3, 2, 1, 0};
static const uint32_t counts[POLYGONS] = {4, 4, 4, 4, 5, 5, 4};

static void make_house(struct house *house, uint64_t *state)
{
    const double length = 8 + 20 * unit(state);
    const double width = 5 + 8 * unit(state);
    const double eave = 3 + 9 * unit(state);
    const double top = eave + (0.2 + unit(state)) * width / 2;
    const double angle = 6.28 * unit(state);
    const double x[10] = {0, length, length, 0, 0, length, length, 0, 0, length};
    const double y[10] = {0, 0, width, width, 0, 0, width, width, width / 2, width / 2};
    for (int i = 0; i < 10; i++) {
        house->placed[i] = (struct vec3){x[i] * cos(angle) - y[i] * sin(angle),
                                         x[i] * sin(angle) + y[i] * cos(angle),
                                         i < 4   ? 0
                                         : i < 8 ? eave
                                                 : top};
    }
    static const enum feature_surface kinds[POLYGONS] = {SURFACE_ROOF,  SURFACE_ROOF, SURFACE_WALL,
                                                         SURFACE_WALL,  SURFACE_WALL, SURFACE_WALL,
                                                         SURFACE_GROUND};
    uint32_t at = 0;
    for (uint32_t i = 0; i < POLYGONS; i++) {
        house->rings[i] = (struct feature_ring){at, counts[i]};
        at += counts[i];
        house->polygons[i] = (struct feature_polygon){.first_ring = i,
                                                      .ring_count = 1,
                                                      .material = FEATURE_NONE,
                                                      .texture = FEATURE_NONE,
                                                      .kind = kinds[i]};
    }
    house->lod.polygon_count = POLYGONS;
    house->feature = (struct feature){.id = text_of("house"),
                                      .vertex_count = 10,
                                      .corners = corners,
                                      .corner_count = at,
                                      .rings = house->rings,
                                      .polygons = house->polygons,
                                      .shells = &house->shell,
                                      .shell_count = 1,
                                      .lods = &house->lod,
                                      .lod_count = 1};
}

static void stop(const struct err *err)
{
    char line[512];
    err_format(err, line, sizeof line);
    fprintf(stderr, "bench_geometry: %s\n", line);
    exit(1);
}

static void bench_houses(int house_count)
{
    uint64_t state = 1;
    double spent[3] = {0, 0, 0};
    double largest_ratio = 0;
    struct arena out;
    struct arena scratch;
    arena_init(&out, (size_t)1 << 26);
    arena_init(&scratch, (size_t)1 << 26);
    const struct block_options options = {.tolerance_m = 0.5, .step_m = 2};
    for (int i = 0; i < house_count; i++) {
        static struct house house;
        struct shape full;
        struct shape block;
        struct deviation found;
        struct err err;
        make_house(&house, &state);
        const struct arena_mark mark = arena_mark(&out);
        const double start = seconds();
        if (!shape_from_feature(&house.feature, 0, house.placed, &out, &scratch, NULL, &full,
                                &err)) {
            stop(&err);
        }
        const double shaped = seconds();
        if (!block_make(&full, &options, &out, &scratch, &block, &err)) {
            stop(&err);
        }
        const double made = seconds();
        if (!deviation_measure(&full, &block, 0.05, 0.1, &scratch, &found, &err)) {
            stop(&err);
        }
        const double measured = seconds();
        spent[0] += shaped - start;
        spent[1] += made - shaped;
        spent[2] += measured - made;
        largest_ratio = fmax(largest_ratio, found.upper_m / fmax(found.lower_m, 0.05));
        arena_reset(&out, mark);
    }
    printf("%-28s %10.0f houses/s\n", "shape_from_feature", house_count / spent[0]);
    printf("%-28s %10.0f blocks/s\n", "block_make", house_count / spent[1]);
    printf("%-28s %10.0f pairs/s, upper/lower at most %.2f\n", "deviation_measure",
           house_count / spent[2], largest_ratio);
    arena_release(&out);
    arena_release(&scratch);
}

static void bench_rings(uint32_t count, int rounds)
{
    struct vec2 *points = calloc(count, sizeof *points);
    uint64_t state = 2;
    struct arena out;
    struct arena scratch;
    arena_init(&out, (size_t)1 << 30);
    arena_init(&scratch, (size_t)1 << 30);
    double spent = 0;
    uint64_t triangles = 0;
    for (int round = 0; round < rounds; round++) {
        for (uint32_t i = 0; i < count; i++) {
            const double angle = 6.283185307179586 * (i + 0.8 * unit(&state)) / count;
            const double radius = 20 + 4 * unit(&state);
            points[i] = (struct vec2){radius * cos(angle), radius * sin(angle)};
        }
        const struct ring_set rings = {points, &count, 1};
        struct triangulate_result found;
        struct err err;
        const struct arena_mark mark = arena_mark(&out);
        const double start = seconds();
        if (!triangulate_polygon(&rings, &out, &scratch, &found, &err)) {
            stop(&err);
        }
        spent += seconds() - start;
        triangles += found.triangle_count;
        arena_reset(&out, mark);
    }
    printf("triangulate_polygon, %6u    %10.2f M triangles/s, %.3f ms a ring\n", count,
           (double)triangles / spent / 1e6, 1e3 * spent / rounds);
    arena_release(&out);
    arena_release(&scratch);
    free(points);
}

/* ---- a dense sheet ---- */

enum { SHEET_SIDE = 200, SHEET_TRIANGLES = 2 * SHEET_SIDE * SHEET_SIDE };

/* Waves of a metre, every ten metres, points half a metre apart. */
static void make_sheet(struct arena *arena, struct shape *out)
{
    const uint32_t across = SHEET_SIDE + 1;
    *out = (struct shape){.points = arena_array(arena, struct vec3, across * across),
                          .point_count = across * across,
                          .corners = arena_array(arena, uint32_t, 3 * SHEET_TRIANGLES),
                          .triangle_faces = arena_array(arena, uint32_t, SHEET_TRIANGLES),
                          .faces = arena_array(arena, struct shape_face, SHEET_TRIANGLES)};
    if (out->points == NULL || out->corners == NULL || out->triangle_faces == NULL ||
        out->faces == NULL) {
        abort();
    }
    for (uint32_t i = 0; i < across * across; i++) {
        const double x = 0.5 * (i % across);
        const double y = 0.5 * (double)(i / across);
        out->points[i] = (struct vec3){x, y, 0.5 * sin(0.628 * x) * cos(0.628 * y)};
    }
    for (uint32_t i = 0; i < SHEET_TRIANGLES; i++) {
        const uint32_t at = i / 2 / SHEET_SIDE * across + i / 2 % SHEET_SIDE;
        uint32_t *c = out->corners + 3 * (size_t)i;
        c[0] = at;
        c[1] = i % 2 == 0 ? at + 1 : at + across + 1;
        c[2] = i % 2 == 0 ? at + across + 1 : at + across;
        const struct vec3 a = out->points[c[0]];
        out->triangle_faces[i] = i;
        out->faces[i] =
            (struct shape_face){.material = FEATURE_NONE,
                                .texture = FEATURE_NONE,
                                .normal = vec3_unit(vec3_cross(vec3_sub(out->points[c[1]], a),
                                                               vec3_sub(out->points[c[2]], a)))};
    }
    out->triangle_count = SHEET_TRIANGLES;
    out->face_count = SHEET_TRIANGLES;
}

/* Copying what a triangle is: nothing that reads it once can be faster. */
static double copy_seconds(const struct shape *sheet, struct arena *arena)
{
    const size_t corner_bytes = 3 * (size_t)sheet->triangle_count * sizeof(uint32_t);
    const size_t point_bytes = sheet->point_count * sizeof(struct vec3);
    uint8_t *copy = arena_array(arena, uint8_t, corner_bytes + point_bytes);
    if (copy == NULL) {
        abort();
    }
    const double start = seconds();
    for (int i = 0; i < 20; i++) {
        memcpy(copy, sheet->corners, corner_bytes);
        memcpy(copy + corner_bytes, sheet->points, point_bytes);
        copy[i] = (uint8_t)i; /* so that it is not left out */
    }
    return (seconds() - start) / 20;
}

static void say_rate(const char *what, double spent, double copied)
{
    printf("%-28s %10.2f M triangles/s, %.0f x memcpy\n", what, SHEET_TRIANGLES / spent / 1e6,
           spent / copied);
}

/* Three versions by one collapse, and the proof of the last. */
static void bench_sheet(void)
{
    struct arena arena;
    struct arena scratch;
    struct shape sheet;
    struct shape made;
    struct collapse *collapse;
    const struct deviation_surface *surface;
    struct deviation found;
    struct err err;
    arena_init(&arena, (size_t)1 << 30);
    arena_init(&scratch, (size_t)1 << 30);
    make_sheet(&arena, &sheet);
    const double copied = copy_seconds(&sheet, &arena);
    const double start = seconds();
    if (!collapse_open(&sheet, NULL, false, &arena, &collapse, &err)) {
        stop(&err);
    }
    collapse_run(collapse, 0.02, 0);
    collapse_run(collapse, 0.05, 0);
    collapse_run(collapse, 0.1, 0);
    if (!collapse_shape(collapse, &arena, &scratch, &made, NULL, &err)) {
        stop(&err);
    }
    say_rate("collapse_run to 0.1 m", seconds() - start, copied);
    const double collapsed = seconds();
    if (!deviation_open(&sheet, &arena, &surface, &err)) {
        stop(&err);
    }
    say_rate("deviation_open", seconds() - collapsed, copied);
    const double opened = seconds();
    if (!deviation_from(surface, &made, 0.05, 0.1, SHEET_TRIANGLES / 4, &scratch, &found, &err)) {
        stop(&err);
    }
    say_rate("deviation_from", seconds() - opened, copied);
    printf("%-28s %10u triangles of %u, %.3f to %.3f m\n", "", made.triangle_count,
           sheet.triangle_count, found.lower_m, found.upper_m);
    arena_release(&arena);
    arena_release(&scratch);
}

int main(int argc, char **argv)
{
    const int house_count = argc > 1 ? atoi(argv[1]) : HOUSES;
    bench_houses(house_count < 1 ? 1 : house_count);
    bench_sheet();
    bench_rings(8, 20000);
    bench_rings(40, 4000);
    bench_rings(1000, 50);
    bench_rings(10000, 3);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rates of one feature's geometry, on one core of CPU time:
 *
 *     bench_geometry [HOUSES]      default 3000
 *
 * Houses are random gabled solids of seven polygons; blocks are made of them
 * and measured as a run does (5 cm, 10 %). Rings are stars, for triangulation.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tiler/block.h"
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

int main(int argc, char **argv)
{
    const int house_count = argc > 1 ? atoi(argv[1]) : HOUSES;
    bench_houses(house_count < 1 ? 1 : house_count);
    bench_rings(8, 20000);
    bench_rings(40, 4000);
    bench_rings(1000, 50);
    bench_rings(10000, 3);
    return 0;
}

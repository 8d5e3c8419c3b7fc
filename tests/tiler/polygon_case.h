/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_TILER_POLYGON_CASE_H
#define TESTS_TILER_POLYGON_CASE_H

/*
 * polygon_case.h - rings for tests: from text, from a generator.
 */

#include "tests/check.h"
#include "tiler/ring.h"

enum { POLYGON_POINTS_MAX = 200000, POLYGON_RINGS_MAX = 8000 };

struct polygon_case {
    struct vec2 *points; /* room for POLYGON_POINTS_MAX */
    uint32_t *ends;      /* room for POLYGON_RINGS_MAX */
    struct ring_set rings;
};

static inline void polygon_case_init(struct polygon_case *polygon)
{
    polygon->points = calloc(POLYGON_POINTS_MAX, sizeof *polygon->points);
    polygon->ends = calloc(POLYGON_RINGS_MAX, sizeof *polygon->ends);
    polygon->rings = (struct ring_set){polygon->points, polygon->ends, 0};
}

static inline void polygon_case_release(struct polygon_case *polygon)
{
    free(polygon->points);
    free(polygon->ends);
}

static inline void polygon_case_clear(struct polygon_case *polygon)
{
    polygon->rings.ring_count = 0;
}

static inline void polygon_case_ring(struct polygon_case *polygon, const struct vec2 *points,
                                     uint32_t count)
{
    const uint32_t start = ring_point_count(&polygon->rings);
    CHECK(start + count <= POLYGON_POINTS_MAX);
    CHECK(polygon->rings.ring_count < POLYGON_RINGS_MAX);
    memcpy(polygon->points + start, points, count * sizeof *points);
    polygon->ends[polygon->rings.ring_count++] = start + count;
}

/* A repeatable stream of numbers (xorshift64*). */
static inline uint64_t polygon_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545F4914F6CDD1Du;
}

static inline double polygon_random_unit(uint64_t *state)
{
    return (double)(polygon_random(state) >> 11) / 9007199254740992.0;
}

/* A star-shaped ring: never crosses itself, area known by ring_area(). */
static inline void polygon_star(struct vec2 *out, uint32_t count, struct vec2 center, double low,
                                double high, uint64_t *state)
{
    for (uint32_t i = 0; i < count; i++) {
        const double radius = low + (high - low) * polygon_random_unit(state);
        const double angle = 6.283185307179586 * (i + 0.8 * polygon_random_unit(state)) / count;
        out[i] = (struct vec2){center.x + radius * cos(angle), center.y + radius * sin(angle)};
    }
}

#endif

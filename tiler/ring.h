/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_RING_H
#define TILER_RING_H

/*
 * ring.h - closed rings of points, in a plane and in space.
 *
 * A set of rings is one array of points cut into runs:
 *
 *     points   p0 p1 p2 p3 | p4 p5 p6 | ...
 *     ends               4          7   ...        ring i is [ends[i-1], ends[i])
 *
 * The last point of a ring joins its first, which is not repeated.
 *
 * Threads  no state
 */

#include <stdbool.h>
#include <stdint.h>

#include "formats/base/arena.h"
#include "formats/base/vec.h"

struct ring_set {
    const struct vec2 *points;
    const uint32_t *ends; /* ring_count, rising; the last is the point count */
    uint32_t ring_count;
};

static inline uint32_t ring_start(const struct ring_set *set, uint32_t ring)
{
    return ring == 0 ? 0 : set->ends[ring - 1];
}

static inline uint32_t ring_point_count(const struct ring_set *set)
{
    return set->ring_count == 0 ? 0 : set->ends[set->ring_count - 1];
}

/* Twice the signed area of the triangle a b c; positive when anticlockwise. */
static inline double ring_turn(struct vec2 a, struct vec2 b, struct vec2 c)
{
    return (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);
}

/* Signed area, positive when anticlockwise; 0 for fewer than 3 points. */
double ring_area(const struct vec2 *points, uint32_t count);

/* Length of the closed ring. */
double ring_length(const struct vec2 *points, uint32_t count);

/* The area of an outer ring less the areas of its holes (rings 1 to the last),
 * whatever direction each runs in. Never negative when holes lie inside. */
double ring_set_area(const struct ring_set *set);

/* Newell's vector of a ring in space: its length is the area of the ring's
 * projection onto its best-fit plane, its direction that plane's normal for a
 * ring that runs anticlockwise seen from the tip. Takes indices into points. */
struct vec3 ring_newell(const struct vec3 *points, const uint32_t *corners, uint32_t count);

/*
 * How often edges of the set cross each other properly (touching does not
 * count), counting no further than `most`.
 *
 * Memory   scratch is marked and reset; when it is full, `most` is returned
 */
uint32_t ring_set_crossings(const struct ring_set *set, uint32_t most, struct arena *scratch);

/* Whether a point lies inside a closed ring, by the even-odd rule; on its border
 * either. */
bool ring_holds(const struct vec2 *ring, uint32_t count, struct vec2 point);

/* Convex hull, anticlockwise, without collinear points. `out` has room for
 * `count` points; `points` is sorted in place. Returns the hull's count, 0 to
 * 2 when the points have no area. */
uint32_t ring_hull(struct vec2 *points, uint32_t count, struct vec2 *out);

/* The rectangle of least area around a convex anticlockwise ring of at least
 * 3 points; out has 4 points, anticlockwise. Returns its area. */
double ring_rectangle(const struct vec2 *hull, uint32_t count, struct vec2 out[4]);

#endif

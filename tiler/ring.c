/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/ring.h"

#include <assert.h>
#include <stdlib.h>

double ring_area(const struct vec2 *points, uint32_t count)
{
    if (count < 3) {
        return 0;
    }
    /* Relative to the first point, so that a small ring far from the origin
     * keeps its digits. */
    double twice = 0;
    for (uint32_t i = 1; i + 1 < count; i++) {
        twice += ring_turn(points[0], points[i], points[i + 1]);
    }
    return twice / 2;
}

double ring_length(const struct vec2 *points, uint32_t count)
{
    double length = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct vec2 a = points[i];
        const struct vec2 b = points[i + 1 == count ? 0 : i + 1];
        length += hypot(b.x - a.x, b.y - a.y);
    }
    return length;
}

double ring_set_area(const struct ring_set *set)
{
    double area = 0;
    for (uint32_t ring = 0; ring < set->ring_count; ring++) {
        const uint32_t start = ring_start(set, ring);
        const double part = fabs(ring_area(set->points + start, set->ends[ring] - start));
        area += ring == 0 ? part : -part;
    }
    return area;
}

struct vec3 ring_newell(const struct vec3 *points, const uint32_t *corners, uint32_t count)
{
    struct vec3 sum = {0, 0, 0};
    if (count < 3) {
        return sum;
    }
    const struct vec3 origin = points[corners[0]];
    struct vec3 a = vec3_sub(points[corners[1]], origin);
    for (uint32_t i = 2; i < count; i++) {
        const struct vec3 b = vec3_sub(points[corners[i]], origin);
        sum = vec3_add(sum, vec3_cross(a, b));
        a = b;
    }
    return vec3_scale(sum, 0.5);
}

struct segment {
    struct vec2 a, b; /* a.x <= b.x */
};

static int compare_segments(const void *left, const void *right)
{
    const struct segment *a = left;
    const struct segment *b = right;
    return (a->a.x > b->a.x) - (a->a.x < b->a.x);
}

static bool is_crossing(const struct segment *s, const struct segment *t)
{
    const double top_s = fmax(s->a.y, s->b.y);
    const double low_s = fmin(s->a.y, s->b.y);
    if (low_s > fmax(t->a.y, t->b.y) || top_s < fmin(t->a.y, t->b.y)) {
        return false;
    }
    const double ta = ring_turn(s->a, s->b, t->a);
    const double tb = ring_turn(s->a, s->b, t->b);
    if (!((ta > 0 && tb < 0) || (ta < 0 && tb > 0))) {
        return false;
    }
    const double sa = ring_turn(t->a, t->b, s->a);
    const double sb = ring_turn(t->a, t->b, s->b);
    return (sa > 0 && sb < 0) || (sa < 0 && sb > 0);
}

static uint32_t count_crossings(const struct segment *segments, uint32_t count, uint32_t most)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t j = i + 1; j < count && segments[j].a.x <= segments[i].b.x; j++) {
            if (is_crossing(&segments[i], &segments[j]) && ++found >= most) {
                return most;
            }
        }
    }
    return found;
}

uint32_t ring_set_crossings(const struct ring_set *set, uint32_t most, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    const uint32_t count = ring_point_count(set);
    struct segment *segments = arena_array(scratch, struct segment, count);
    if (segments == NULL) {
        return most;
    }
    for (uint32_t ring = 0; ring < set->ring_count; ring++) {
        const uint32_t start = ring_start(set, ring);
        for (uint32_t i = start; i < set->ends[ring]; i++) {
            const struct vec2 a = set->points[i];
            const struct vec2 b = set->points[i + 1 == set->ends[ring] ? start : i + 1];
            segments[i] = a.x <= b.x ? (struct segment){a, b} : (struct segment){b, a};
        }
    }
    qsort(segments, count, sizeof *segments, compare_segments);
    const uint32_t found = count_crossings(segments, count, most);
    arena_reset(scratch, mark);
    return found;
}

static int compare_points(const void *left, const void *right)
{
    const struct vec2 *a = left;
    const struct vec2 *b = right;
    if (a->x != b->x) {
        return a->x < b->x ? -1 : 1;
    }
    return (a->y > b->y) - (a->y < b->y);
}

bool ring_holds(const struct vec2 *ring, uint32_t count, struct vec2 point)
{
    bool inside = false;
    for (uint32_t i = 0, j = count - 1; i < count; j = i++) {
        const struct vec2 a = ring[i];
        const struct vec2 b = ring[j];
        if ((a.y > point.y) != (b.y > point.y) &&
            point.x < (b.x - a.x) * (point.y - a.y) / (b.y - a.y) + a.x) {
            inside = !inside;
        }
    }
    return inside;
}

/* Andrew's monotone chain: the lower chain left to right, then the upper. A
 * convex chain may need count + 1 places before its end is dropped, so the
 * first point is not pushed a second time. */
uint32_t ring_hull(struct vec2 *points, uint32_t count, struct vec2 *out)
{
    if (count == 0) {
        return 0;
    }
    qsort(points, count, sizeof *points, compare_points);
    uint32_t size = 0;
    for (uint32_t i = 0; i < count; i++) {
        while (size >= 2 && ring_turn(out[size - 2], out[size - 1], points[i]) <= 0) {
            size--;
        }
        if (size == 0 || compare_points(&out[size - 1], &points[i]) != 0) {
            out[size++] = points[i];
        }
    }
    const uint32_t lower = size;
    for (uint32_t i = count - 1; i-- > 0;) {
        while (size > lower && ring_turn(out[size - 2], out[size - 1], points[i]) <= 0) {
            size--;
        }
        const bool is_first = compare_points(&points[0], &points[i]) == 0;
        if (is_first) {
            break;
        }
        if (compare_points(&out[size - 1], &points[i]) != 0 && size < count) {
            out[size++] = points[i];
        }
    }
    /* The last one may lie on the edge back to the first. */
    while (size > lower && ring_turn(out[size - 2], out[size - 1], out[0]) <= 0) {
        size--;
    }
    return size;
}

double ring_rectangle(const struct vec2 *hull, uint32_t count, struct vec2 out[4])
{
    assert(count >= 3);
    double least = INFINITY;
    for (uint32_t i = 0; i < count; i++) {
        const struct vec2 a = hull[i];
        const struct vec2 b = hull[i + 1 == count ? 0 : i + 1];
        const double length = hypot(b.x - a.x, b.y - a.y);
        if (!(length > 0)) {
            continue;
        }
        const struct vec2 u = {(b.x - a.x) / length, (b.y - a.y) / length};
        double low_u = INFINITY;
        double high_u = -INFINITY;
        double high_v = 0;
        for (uint32_t k = 0; k < count; k++) {
            const struct vec2 d = {hull[k].x - a.x, hull[k].y - a.y};
            low_u = fmin(low_u, d.x * u.x + d.y * u.y);
            high_u = fmax(high_u, d.x * u.x + d.y * u.y);
            high_v = fmax(high_v, d.y * u.x - d.x * u.y);
        }
        const double area = (high_u - low_u) * high_v;
        if (area < least) {
            least = area;
            const struct vec2 low = {a.x + low_u * u.x, a.y + low_u * u.y};
            const struct vec2 high = {a.x + high_u * u.x, a.y + high_u * u.y};
            out[0] = low;
            out[1] = high;
            out[2] = (struct vec2){high.x - high_v * u.y, high.y + high_v * u.x};
            out[3] = (struct vec2){low.x - high_v * u.y, low.y + high_v * u.x};
        }
    }
    return least;
}

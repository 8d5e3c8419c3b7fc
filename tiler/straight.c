/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/straight.h"

#include <string.h>

bool straight_init(struct straight *straight, const struct vec3 *points, uint32_t point_count,
                   struct arena *scratch, struct err *err)
{
    const size_t count = point_count;
    struct straight made = {.points = points,
                            .point_count = point_count,
                            .neighbors = arena_array(scratch, uint32_t, 2 * count),
                            .slack_m = arena_array(scratch, double, 2 * count),
                            .stays = arena_array(scratch, uint8_t, count)};
    if (made.neighbors == NULL || made.slack_m == NULL || made.stays == NULL) {
        return arena_full(scratch, err);
    }
    memset(made.neighbors, 0xFF, 2 * count * sizeof made.neighbors[0]);
    *straight = made;
    return true;
}

static void note_neighbor(struct straight *straight, uint32_t point, uint32_t neighbor)
{
    uint32_t *known = straight->neighbors + 2 * (size_t)point;
    if (known[0] == neighbor || known[1] == neighbor) {
        return;
    }
    if (known[0] == UINT32_MAX) {
        known[0] = neighbor;
    } else if (known[1] == UINT32_MAX) {
        known[1] = neighbor;
    } else {
        straight->stays[point] = 1;
    }
}

void straight_join(struct straight *straight, uint32_t a, uint32_t b)
{
    if (a != b) {
        note_neighbor(straight, a, b);
        note_neighbor(straight, b, a);
    }
}

void straight_keep(struct straight *straight, uint32_t point)
{
    straight->stays[point] = 1;
}

bool straight_has_line(const struct straight *straight, uint32_t point)
{
    return straight->neighbors[2 * (size_t)point] != UINT32_MAX;
}

static double distance_between(struct vec3 p, struct vec3 a, struct vec3 b)
{
    const struct vec3 to = vec3_sub(p, a);
    if (!(vec3_dot(vec3_sub(p, b), to) < 0)) {
        return INFINITY; /* not between the two */
    }
    return vec3_length(vec3_cross(to, vec3_unit(vec3_sub(b, a))));
}

/* Makes `to` the neighbour that `from` was. Where lines branch there may be no
 * such entry, and none is needed: the point stays. */
static void replace_neighbor(struct straight *straight, uint32_t point, uint32_t from, uint32_t to,
                             double slack_m)
{
    for (size_t side = 2 * (size_t)point; side < 2 * (size_t)point + 2; side++) {
        if (straight->neighbors[side] == from) {
            straight->neighbors[side] = to;
            straight->slack_m[side] = slack_m;
            return;
        }
    }
}

static bool take(struct straight *straight, uint32_t point, double tolerance_m)
{
    const size_t side = 2 * (size_t)point;
    const uint32_t a = straight->neighbors[side];
    const uint32_t b = straight->neighbors[side + 1];
    if (straight->stays[point] || a == UINT32_MAX || b == UINT32_MAX) {
        return false;
    }
    const double lost_m =
        fmax(straight->slack_m[side], straight->slack_m[side + 1]) +
        distance_between(straight->points[point], straight->points[a], straight->points[b]);
    if (!(lost_m <= tolerance_m)) {
        return false;
    }
    replace_neighbor(straight, a, point, b, lost_m);
    replace_neighbor(straight, b, point, a, lost_m);
    return true;
}

void straight_find(struct straight *straight, double tolerance_m, uint8_t *out_is_straight)
{
    for (uint32_t p = 0; p < straight->point_count; p++) {
        out_is_straight[p] = take(straight, p, tolerance_m);
    }
}

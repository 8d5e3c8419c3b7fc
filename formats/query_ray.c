/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/query_asking.h"

#include <math.h>
#include <stdlib.h>

#include "formats/number.h"

bool query_ray_prepare(struct query_asking *a)
{
    struct text rest = a->query->coords;
    const bool is_yx = query_crs_is_yx(a->query->bbox_crs);
    double value[6];
    size_t count = 0;
    static const char word[] = "LINESTRING";
    size_t at = 0;
    const bool has_word = rest.size > sizeof word && memcmp(rest.data, word, sizeof word - 1) == 0;
    for (at = sizeof word - 1; has_word && at < rest.size && count <= 6;) {
        const struct text here = {rest.data + at, rest.size - at};
        double number;
        const size_t size = number_read(here, &number);
        if (size > 0) {
            if (count < 6) {
                value[count] = number;
            }
            count++;
        } else if (strchr("(), Z", here.data[0]) == NULL) {
            count = 7;
        }
        at += size == 0 ? 1 : size;
    }
    if (count != 6) {
        return err_set(a->err, ERR_SCHEMA,
                       "coords: LINESTRING(longitude latitude height, longitude latitude height) "
                       "should stand here");
    }
    for (size_t i = 0; i < 2; i++) {
        const double lon = value[3 * i + (is_yx ? 1 : 0)];
        const double lat = value[3 * i + (is_yx ? 0 : 1)];
        if (!(fabs(lon) <= 180) || !(fabs(lat) <= 90) || !isfinite(value[3 * i + 2])) {
            return err_set(a->err, ERR_GEOMETRY, "coords: no longitude and latitude in degrees");
        }
        a->ray[i] = feature_frame_from_deg(&a->index->frame, lon, lat, value[3 * i + 2]);
    }
    return true;
}

/* Where along it (0 to 1) the ray enters a box; false when it does not. */
static bool enters(const struct vec3 ray[2], const double min[3], const double max[3], double *out)
{
    const double from[3] = {ray[0].x, ray[0].y, ray[0].z};
    const double to[3] = {ray[1].x, ray[1].y, ray[1].z};
    double first = 0;
    double last = 1;
    for (int k = 0; k < 3; k++) {
        const double step = to[k] - from[k];
        if (step > 0 || step < 0) {
            const double t0 = (min[k] - from[k]) / step;
            const double t1 = (max[k] - from[k]) / step;
            first = fmax(first, fmin(t0, t1));
            last = fmin(last, fmax(t0, t1));
        } else if (from[k] < min[k] || from[k] > max[k]) {
            return false;
        }
    }
    *out = first;
    return first <= last;
}

static enum feature_index_side side_of_ray(void *shape, const float min[3], const float max[3])
{
    const struct query_asking *a = shape;
    const double low[3] = {(double)min[0], (double)min[1], (double)min[2]};
    const double high[3] = {(double)max[0], (double)max[1], (double)max[2]};
    double at;
    return enters(a->ray, low, high, &at) ? FEATURE_BORDER : FEATURE_OUTSIDE;
}

static bool is_left_of_crossing(struct vec2 a, struct vec2 b, struct vec2 p)
{
    return (a.y > p.y) != (b.y > p.y) && p.x < (b.x - a.x) * (p.y - a.y) / (b.y - a.y) + a.x;
}

/* Where the ray, within [first, 1], first stands in the prism over a footprint. */
static bool enters_prism(const struct query_asking *a, uint32_t row, double *inout)
{
    struct feature_index_row about;
    feature_index_row(a->index, row, &about);
    const struct feature_footprint footprint = feature_index_footprint(a->index, about.footprint);
    if (footprint.point_count == 0) {
        return true;
    }
    const struct box3 box = feature_index_box(a->index, row);
    const double low[3] = {box.min.x, box.min.y, box.min.z};
    const double high[3] = {box.max.x, box.max.y, box.max.z};
    const struct vec3 back[2] = {a->ray[1], a->ray[0]};
    double exit;
    if (!enters(back, low, high, &exit)) {
        return false;
    }
    exit = 1 - exit;
    const struct vec2 from = {a->ray[0].x, a->ray[0].y};
    const struct vec2 along = {a->ray[1].x - from.x, a->ray[1].y - from.y};
    const struct vec2 start = {from.x + *inout * along.x, from.y + *inout * along.y};
    bool is_inside = false;
    double nearest = (double)INFINITY;
    struct feature_footprint_ring ring = {0};
    for (uint32_t r = 0; r < footprint.ring_count; r++) {
        feature_footprint_next(&footprint, r, &ring);
        for (uint32_t i = 0; i < ring.point_count; i++) {
            const struct vec2 p =
                feature_footprint_point(a->index, &footprint, ring.first_point + i);
            const struct vec2 q = feature_footprint_point(
                a->index, &footprint, ring.first_point + (i + 1) % ring.point_count);
            is_inside ^= is_left_of_crossing(p, q, start);
            const struct vec2 side = {q.x - p.x, q.y - p.y};
            const double cross = along.x * side.y - along.y * side.x;
            if (cross > 0 || cross < 0) {
                const double t = ((p.x - from.x) * side.y - (p.y - from.y) * side.x) / cross;
                const double u = ((p.x - from.x) * along.y - (p.y - from.y) * along.x) / cross;
                if (u >= 0 && u <= 1 && t >= *inout && t <= exit) {
                    nearest = fmin(nearest, t);
                }
            }
        }
    }
    if (!is_inside) {
        *inout = nearest;
    }
    return is_inside || isfinite(nearest);
}

static bool visit_ray(void *visitor, uint32_t row, bool is_inside)
{
    struct query_asking *a = visitor;
    (void)is_inside;
    const struct box3 box = feature_index_box(a->index, row);
    const double low[3] = {box.min.x, box.min.y, box.min.z};
    const double high[3] = {box.max.x, box.max.y, box.max.z};
    double at;
    if (!enters(a->ray, low, high, &at) || !query_sql_accept(a, row) ||
        !enters_prism(a, row, &at)) {
        return !a->is_stopped;
    }
    const struct query_hit hit = {.row = row,
                                  .distance_m = at * vec3_distance(a->ray[0], a->ray[1])};
    return query_run_keep(a, &hit);
}

static int compare_hits(const void *a, const void *b)
{
    const struct query_hit *left = a;
    const struct query_hit *right = b;
    if (left->distance_m < right->distance_m || left->distance_m > right->distance_m) {
        return left->distance_m < right->distance_m ? -1 : 1;
    }
    return (left->row > right->row) - (left->row < right->row);
}

bool query_ray_run(struct query_asking *a)
{
    const struct feature_index_shape shape = {side_of_ray, visit_ray, a};
    if (!query_sql_prepare_accept(a)) {
        return false;
    }
    feature_index_search_shape(a->index, &shape);
    if (a->is_stopped) {
        return false;
    }
    const size_t count = a->hit_count;
    struct query_hit *hits = a->hits;
    if (count > 1) {
        qsort(hits, count, sizeof hits[0], compare_hits);
    }
    a->hits = NULL;
    a->hit_count = a->hit_room = 0;
    for (size_t i = 0; i < count; i++) {
        if (!query_run_take(a, hits[i])) {
            return false;
        }
    }
    return true;
}

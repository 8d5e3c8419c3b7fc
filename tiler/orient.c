/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/orient.h"

#include <assert.h>
#include <stdlib.h>

/* A polygon's way along an edge between two points. */
struct way {
    uint32_t low, high;
    int32_t shell;
    uint32_t polygon;
    bool is_rising; /* it runs from low to high */
};

struct deciding {
    const struct orient_surface *surface;
    struct arena *scratch;
    struct way *ways; /* sorted by edge, then shell, then polygon */
    size_t way_count;
    size_t *partner; /* per way: the other one of an edge of two, or SIZE_MAX */
    size_t *way_of;  /* ways ordered by polygon */
    size_t *first_of;
    uint32_t *piece; /* per polygon, + 1; 0 not yet */
    bool *is_flipped;
};

/* Below this share of its box, an open piece has no inside to speak of. */
static const double LEAST_HOLLOW = 0.02;

static int compare_ways(const void *a, const void *b)
{
    const struct way *left = a;
    const struct way *right = b;
    if (left->low != right->low) {
        return left->low < right->low ? -1 : 1;
    }
    if (left->high != right->high) {
        return left->high < right->high ? -1 : 1;
    }
    if (left->shell != right->shell) {
        return left->shell < right->shell ? -1 : 1;
    }
    return left->polygon < right->polygon ? -1 : left->polygon > right->polygon;
}

static uint32_t ring_begin(const struct orient_surface *surface, uint32_t ring)
{
    return ring == 0 ? 0 : surface->ring_ends[ring - 1];
}

static bool list_ways(struct deciding *d, struct err *err)
{
    const struct orient_surface *s = d->surface;
    size_t count = 0;
    for (uint32_t p = 0; p < s->polygon_count; p++) {
        const struct orient_polygon *polygon = &s->polygons[p];
        const uint32_t last = polygon->first_ring + polygon->ring_count - 1;
        count += s->ring_ends[last] - ring_begin(s, polygon->first_ring);
    }
    d->ways = arena_array(d->scratch, struct way, count);
    if (d->ways == NULL) {
        return arena_full(d->scratch, err);
    }
    for (uint32_t p = 0; p < s->polygon_count; p++) {
        const struct orient_polygon *polygon = &s->polygons[p];
        for (uint32_t r = polygon->first_ring; r < polygon->first_ring + polygon->ring_count; r++) {
            const uint32_t begin = ring_begin(s, r);
            for (uint32_t i = begin; i < s->ring_ends[r]; i++) {
                const uint32_t a = s->ring_points[i];
                const uint32_t b = s->ring_points[i + 1 == s->ring_ends[r] ? begin : i + 1];
                d->ways[d->way_count++] = (struct way){
                    .low = a < b ? a : b,
                    .high = a < b ? b : a,
                    .shell = polygon->shell,
                    .polygon = p,
                    .is_rising = a < b,
                };
            }
        }
    }
    qsort(d->ways, d->way_count, sizeof d->ways[0], compare_ways);
    return true;
}

static bool same_edge(const struct way *a, const struct way *b)
{
    return a->low == b->low && a->high == b->high;
}

/* Joins edges of exactly two ways of two polygons of one shell. */
static bool pair_ways(struct deciding *d, struct err *err)
{
    d->partner = arena_array(d->scratch, size_t, d->way_count);
    if (d->partner == NULL) {
        return arena_full(d->scratch, err);
    }
    for (size_t i = 0; i < d->way_count;) {
        size_t end = i;
        while (end < d->way_count && same_edge(&d->ways[i], &d->ways[end]) &&
               d->ways[end].shell == d->ways[i].shell) {
            d->partner[end++] = SIZE_MAX;
        }
        if (end - i == 2 && d->ways[i].polygon != d->ways[i + 1].polygon) {
            d->partner[i] = i + 1;
            d->partner[i + 1] = i;
        }
        i = end;
    }
    return true;
}

static bool order_ways(struct deciding *d, struct err *err)
{
    const uint32_t count = d->surface->polygon_count;
    d->first_of = arena_array(d->scratch, size_t, (size_t)count + 2);
    d->way_of = arena_array(d->scratch, size_t, d->way_count);
    if (d->first_of == NULL || d->way_of == NULL) {
        return arena_full(d->scratch, err);
    }
    for (size_t i = 0; i < d->way_count; i++) {
        d->first_of[d->ways[i].polygon + 2]++;
    }
    for (size_t p = 2; p < (size_t)count + 2; p++) {
        d->first_of[p] += d->first_of[p - 1];
    }
    for (size_t i = 0; i < d->way_count; i++) {
        d->way_of[d->first_of[d->ways[i].polygon + 1]++] = i;
    }
    return true;
}

/* Makes all polygons that can be reached from `first` agree with it. */
static uint32_t agree(struct deciding *d, uint32_t first, uint32_t piece, uint32_t *members)
{
    uint32_t count = 0;
    members[count++] = first;
    d->piece[first] = piece;
    for (uint32_t at = 0; at < count; at++) {
        const uint32_t p = members[at];
        for (size_t i = d->first_of[p]; i < d->first_of[p + 1]; i++) {
            const size_t other = d->partner[d->way_of[i]];
            if (other == SIZE_MAX) {
                continue;
            }
            const uint32_t q = d->ways[other].polygon;
            if (d->piece[q] != 0) {
                continue; /* a one-sided surface (Moebius) disagrees somewhere: let it */
            }
            const bool same_way = d->ways[d->way_of[i]].is_rising == d->ways[other].is_rising;
            d->is_flipped[q] = d->is_flipped[p] != same_way;
            d->piece[q] = piece;
            members[count++] = q;
        }
    }
    return count;
}

struct hollow {
    double volume_m3; /* closed by a fan from the middle of its corners */
    double box_m3;
    double flipped_area, area; /* of the polygons that were turned to agree */
};

static struct hollow measure_piece(const struct deciding *d, const uint32_t *members,
                                   uint32_t count)
{
    const struct orient_surface *s = d->surface;
    struct box3 box = box3_empty();
    struct vec3 sum = {0, 0, 0};
    double corner_count = 0;
    for (uint32_t m = 0; m < count; m++) {
        const struct orient_polygon *polygon = &s->polygons[members[m]];
        for (uint32_t i = 0; i < 3 * polygon->triangle_count; i++) {
            const struct vec3 at = s->points[s->corners[3 * polygon->first_triangle + i]];
            box3_add(&box, at);
            sum = vec3_add(sum, at);
            corner_count++;
        }
    }
    struct hollow hollow = {0};
    if (corner_count == 0) {
        return hollow;
    }
    const struct vec3 middle = vec3_scale(sum, 1 / corner_count);
    for (uint32_t m = 0; m < count; m++) {
        const struct orient_polygon *polygon = &s->polygons[members[m]];
        const double sign = d->is_flipped[members[m]] ? -1 : 1;
        for (uint32_t t = 0; t < polygon->triangle_count; t++) {
            const uint32_t *c = s->corners + 3 * (size_t)(polygon->first_triangle + t);
            const struct vec3 a = s->points[c[0]];
            const struct vec3 across =
                vec3_cross(vec3_sub(s->points[c[1]], a), vec3_sub(s->points[c[2]], a));
            hollow.volume_m3 += sign * vec3_dot(vec3_sub(a, middle), across) / 6;
            hollow.area += vec3_length(across) / 2;
            hollow.flipped_area += sign < 0 ? vec3_length(across) / 2 : 0;
        }
    }
    const struct vec3 size = vec3_sub(box.max, box.min);
    hollow.box_m3 = size.x * size.y * size.z;
    return hollow;
}

static bool piece_is_closed(const struct deciding *d, const uint32_t *members, uint32_t count)
{
    for (uint32_t m = 0; m < count; m++) {
        for (size_t i = d->first_of[members[m]]; i < d->first_of[members[m] + 1]; i++) {
            if (d->partner[d->way_of[i]] == SIZE_MAX) {
                return false;
            }
        }
    }
    return true;
}

static double upward(const struct deciding *d, uint32_t index)
{
    const struct orient_surface *s = d->surface;
    const struct orient_polygon *polygon = &s->polygons[index];
    struct vec3 sum = {0, 0, 0};
    for (uint32_t t = 0; t < polygon->triangle_count; t++) {
        const uint32_t *c = s->corners + 3 * (size_t)(polygon->first_triangle + t);
        const struct vec3 a = s->points[c[0]];
        sum = vec3_add(sum, vec3_cross(vec3_sub(s->points[c[1]], a), vec3_sub(s->points[c[2]], a)));
    }
    return vec3_unit(sum).z * (d->is_flipped[index] ? -1 : 1);
}

/* The source's word, but for what its own words contradict. */
static void keep_source(struct deciding *d, const uint32_t *members, uint32_t count)
{
    for (uint32_t m = 0; m < count; m++) {
        const uint32_t p = members[m];
        const enum feature_surface kind = d->surface->polygons[p].kind;
        d->is_flipped[p] = false;
        const double up = upward(d, p);
        d->is_flipped[p] =
            (kind == SURFACE_ROOF && up < -0.1) || (kind == SURFACE_GROUND && up > 0.1);
    }
}

static void flip_piece(struct deciding *d, const uint32_t *members, uint32_t count)
{
    for (uint32_t m = 0; m < count; m++) {
        d->is_flipped[members[m]] = !d->is_flipped[members[m]];
    }
}

/* A piece that is closed but encloses nothing, or open, is decided by what most
 * of it said before it was made to agree. */
static void follow_majority(struct deciding *d, const uint32_t *members, uint32_t count,
                            const struct hollow *hollow)
{
    if (2 * hollow->flipped_area > hollow->area) {
        flip_piece(d, members, count);
    }
}

static void decide_piece(struct deciding *d, const uint32_t *members, uint32_t count)
{
    const struct orient_surface *s = d->surface;
    const int32_t shell = s->polygons[members[0]].shell;
    const bool is_inner = shell != FEATURE_NONE && s->shells[shell].is_inner;
    const struct hollow hollow = measure_piece(d, members, count);
    const bool has_inside = fabs(hollow.volume_m3) > LEAST_HOLLOW * hollow.box_m3;
    const bool is_closed = piece_is_closed(d, members, count);
    if (!is_closed && shell == FEATURE_NONE) {
        keep_source(d, members, count);
        return;
    }
    if (!is_closed && !has_inside) {
        follow_majority(d, members, count, &hollow);
        return;
    }
    if ((hollow.volume_m3 < 0) != is_inner) {
        flip_piece(d, members, count);
    }
}

/* Every edge is run along as often one way as the other. */
static bool is_balanced(const struct deciding *d)
{
    for (size_t i = 0; i < d->way_count;) {
        long balance = 0;
        size_t end = i;
        for (; end < d->way_count && same_edge(&d->ways[i], &d->ways[end]); end++) {
            const struct way *way = &d->ways[end];
            balance += way->is_rising != d->is_flipped[way->polygon] ? 1 : -1;
        }
        if (balance != 0) {
            return false;
        }
        i = end;
    }
    return d->way_count > 0;
}

static bool decide(struct deciding *d, bool *out_is_closed, struct err *err)
{
    const uint32_t count = d->surface->polygon_count;
    d->piece = arena_array(d->scratch, uint32_t, count);
    uint32_t *members = arena_array(d->scratch, uint32_t, count);
    if (d->piece == NULL || members == NULL) {
        return arena_full(d->scratch, err);
    }
    if (!list_ways(d, err) || !pair_ways(d, err) || !order_ways(d, err)) {
        return false;
    }
    uint32_t piece_count = 0;
    for (uint32_t p = 0; p < count; p++) {
        d->is_flipped[p] = false;
    }
    for (uint32_t p = 0; p < count; p++) {
        if (d->piece[p] == 0) {
            const uint32_t member_count = agree(d, p, ++piece_count, members);
            decide_piece(d, members, member_count);
        }
    }
    *out_is_closed = is_balanced(d);
    return true;
}

bool orient_decide(const struct orient_surface *surface, struct arena *scratch,
                   bool *out_is_flipped, bool *out_is_closed, struct err *err)
{
    const struct arena_mark mark = arena_mark(scratch);
    struct deciding d = {.surface = surface, .scratch = scratch, .is_flipped = out_is_flipped};
    const bool ok = decide(&d, out_is_closed, err);
    arena_reset(scratch, mark);
    return ok;
}

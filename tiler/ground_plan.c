/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/ground_plan.h"

#include <math.h>

#include "tiler/tessellate.h"

/* A surface is seen from above when its plan has this share of its area. */
static const double LEVEL_SHARE = 0.1;
/* Points nearer than this are one: the index keeps millimetres. */
static const double WELD_M = 1e-3;
/* Rings smaller than this are where surfaces do not quite meet. */
static const double RING_LEAST_M2 = 0.01;

struct gathering {
    const struct feature *feature;
    struct vec2 *points;
    uint32_t point_count;
    uint32_t *ends;
    uint32_t ring_count;
    uint32_t surface_count;
};

static struct vec2 plan_point(const struct feature *feature, uint32_t corner)
{
    const double *xyz = feature->vertices + 3 * (size_t)feature->corners[corner];
    return (struct vec2){xyz[0], xyz[1]};
}

static bool is_near(struct vec2 a, struct vec2 b)
{
    return fabs(a.x - b.x) < WELD_M && fabs(a.y - b.y) < WELD_M;
}

static uint32_t first_of(const struct gathering *g)
{
    return g->ring_count == 0 ? 0 : g->ends[g->ring_count - 1];
}

static void reverse(struct vec2 *points, uint32_t count)
{
    for (uint32_t i = 0; i < count / 2; i++) {
        const struct vec2 kept = points[i];
        points[i] = points[count - 1 - i];
        points[count - 1 - i] = kept;
    }
}

/* One ring of a surface; outer ones end up anticlockwise, holes clockwise,
 * whichever side the surface is seen from. */
static void add_ring(struct gathering *g, uint32_t ring, bool is_hole)
{
    const struct feature_ring *from = &g->feature->rings[ring];
    const uint32_t first = first_of(g);
    g->point_count = first;
    for (uint32_t i = 0; i < from->corner_count; i++) {
        const struct vec2 at = plan_point(g->feature, from->first_corner + i);
        if (g->point_count == first || !is_near(g->points[g->point_count - 1], at)) {
            g->points[g->point_count++] = at;
        }
    }
    while (g->point_count > first + 1 && is_near(g->points[first], g->points[g->point_count - 1])) {
        g->point_count--;
    }
    const uint32_t count = g->point_count - first;
    if (count < 3) {
        g->point_count = first;
        return;
    }
    const double area = ring_area(g->points + first, count);
    if ((area < 0) != is_hole) {
        reverse(g->points + first, count);
    }
    g->ends[g->ring_count++] = g->point_count;
}

static bool has_plan(const struct feature *feature, const struct feature_polygon *polygon)
{
    const struct feature_ring *ring = &feature->rings[polygon->first_ring];
    const struct vec3 newell =
        ring_newell((const struct vec3 *)(const void *)feature->vertices,
                    feature->corners + ring->first_corner, ring->corner_count);
    return fabs(newell.z) > LEVEL_SHARE * vec3_length(newell);
}

static void add_polygon(struct gathering *g, const struct feature_polygon *polygon)
{
    if (polygon->ring_count == 0 || !has_plan(g->feature, polygon)) {
        return;
    }
    const uint32_t before = g->ring_count;
    for (uint32_t r = 0; r < polygon->ring_count; r++) {
        add_ring(g, polygon->first_ring + r, r > 0);
        if (g->ring_count == before) {
            return; /* no outer ring, no holes */
        }
    }
    g->surface_count++;
}

/* Which surfaces of a level make the plan. */
enum choice { GROUND_ONLY, ALL_LEVEL };

static void gather(struct gathering *g, const struct feature_lod *lod, enum choice choice)
{
    g->point_count = g->ring_count = g->surface_count = 0;
    for (uint32_t i = 0; i < lod->polygon_count; i++) {
        const struct feature_polygon *polygon = &g->feature->polygons[lod->first_polygon + i];
        const bool is_ground =
            polygon->kind == SURFACE_GROUND || polygon->kind == SURFACE_OUTER_FLOOR;
        if (choice == ALL_LEVEL || is_ground) {
            add_polygon(g, polygon);
        }
    }
}

static void gather_best(struct gathering *g)
{
    const struct feature *feature = g->feature;
    const struct feature_lod *finest = &feature->lods[feature->lod_count - 1];
    gather(g, finest, GROUND_ONLY);
    if (g->ring_count == 0 && feature->lods[0].level >= 0 && feature->lods[0].level < 1) {
        gather(g, &feature->lods[0], ALL_LEVEL);
    }
    if (g->ring_count == 0) {
        gather(g, finest, ALL_LEVEL);
    }
}

/* ---- what cannot be united ---- */

static bool take_hull(const struct gathering *g, struct arena *tile, struct ring_set *out,
                      struct err *err)
{
    struct vec2 *hull = arena_array(tile, struct vec2, (size_t)g->point_count + 1);
    uint32_t *ends = arena_array(tile, uint32_t, 1);
    if (hull == NULL || ends == NULL) {
        return arena_full(tile, err);
    }
    ends[0] = ring_hull(g->points, g->point_count, hull);
    *out = (struct ring_set){hull, ends, ends[0] >= 3 ? 1 : 0};
    return true;
}

static bool copy_rings(const struct gathering *g, struct arena *tile, struct ring_set *out,
                       struct err *err)
{
    struct vec2 *points = arena_array(tile, struct vec2, g->point_count);
    uint32_t *ends = arena_array(tile, uint32_t, g->ring_count);
    if (points == NULL || ends == NULL) {
        return arena_full(tile, err);
    }
    memcpy(points, g->points, g->point_count * sizeof points[0]);
    memcpy(ends, g->ends, g->ring_count * sizeof ends[0]);
    *out = (struct ring_set){points, ends, g->ring_count};
    return true;
}

/* ---- rings in order ---- */

static bool holds(const struct vec2 *points, uint32_t count, struct vec2 p)
{
    bool inside = false;
    for (uint32_t i = 0; i < count; i++) {
        const struct vec2 a = points[i];
        const struct vec2 b = points[i + 1 == count ? 0 : i + 1];
        if ((a.y > p.y) != (b.y > p.y) && p.x < (b.x - a.x) * (p.y - a.y) / (b.y - a.y) + a.x) {
            inside = !inside;
        }
    }
    return inside;
}

/* The smallest outer ring around a hole; UINT32_MAX none. */
static uint32_t ring_around(const struct ring_set *rings, const double *areas, uint32_t hole)
{
    uint32_t found = UINT32_MAX;
    const struct vec2 *points = rings->points + ring_start(rings, hole);
    /* Between two points: a hole may touch its ring in one of them. */
    const struct vec2 at = {(points[0].x + points[1].x) / 2, (points[0].y + points[1].y) / 2};
    for (uint32_t r = 0; r < rings->ring_count; r++) {
        const uint32_t start = ring_start(rings, r);
        if (areas[r] > 0 && (found == UINT32_MAX || areas[r] < areas[found]) &&
            holds(rings->points + start, rings->ends[r] - start, at)) {
            found = r;
        }
    }
    return found;
}

struct ordering {
    const struct ring_set *from;
    const double *areas;
    const uint32_t *around;
    struct vec2 *points;
    uint32_t *ends;
    bool *is_hole;
    uint32_t point_count;
    uint32_t ring_count;
    double area_m2;
};

static void put_ring(struct ordering *o, uint32_t ring)
{
    const uint32_t start = ring_start(o->from, ring);
    const uint32_t count = o->from->ends[ring] - start;
    memcpy(o->points + o->point_count, o->from->points + start, count * sizeof o->points[0]);
    o->point_count += count;
    o->is_hole[o->ring_count] = o->areas[ring] < 0;
    o->ends[o->ring_count++] = o->point_count;
    o->area_m2 += o->areas[ring];
}

/* Each outer ring, then its holes; slivers are left out. */
static bool order_rings(const struct ring_set *rings, struct arena *tile, struct arena *scratch,
                        struct ground_plan *out, struct err *err)
{
    const uint32_t count = rings->ring_count;
    double *areas = arena_array(scratch, double, count);
    uint32_t *around = arena_array(scratch, uint32_t, count);
    if (areas == NULL || around == NULL) {
        return arena_full(scratch, err);
    }
    struct ordering o = {
        .from = rings,
        .areas = areas,
        .around = around,
        .points = arena_array(tile, struct vec2, ring_point_count(rings)),
        .ends = arena_array(tile, uint32_t, count),
        .is_hole = arena_array(tile, bool, count),
    };
    if (o.points == NULL || o.ends == NULL || o.is_hole == NULL) {
        return arena_full(tile, err);
    }
    for (uint32_t r = 0; r < count; r++) {
        const uint32_t start = ring_start(rings, r);
        areas[r] = ring_area(rings->points + start, rings->ends[r] - start);
    }
    for (uint32_t r = 0; r < count; r++) {
        around[r] = areas[r] < 0 ? ring_around(rings, areas, r) : UINT32_MAX;
    }
    for (uint32_t r = 0; r < count; r++) {
        if (!(areas[r] > RING_LEAST_M2)) {
            continue;
        }
        put_ring(&o, r);
        for (uint32_t h = 0; h < count; h++) {
            if (around[h] == r && areas[h] < -RING_LEAST_M2) {
                put_ring(&o, h);
            }
        }
    }
    *out = (struct ground_plan){{o.points, o.ends, o.ring_count}, o.is_hole, o.area_m2};
    return true;
}

static bool unite(struct gathering *g, struct arena *scratch, struct ring_set *out, struct err *err)
{
    if (g->ring_count == 0) {
        *out = (struct ring_set){NULL, NULL, 0};
        return true;
    }
    if (g->surface_count > GROUND_PLAN_SURFACES_MAX) {
        return take_hull(g, scratch, out, err);
    }
    const struct ring_set rings = {g->points, g->ends, g->ring_count};
    if (g->surface_count == 1 && ring_set_crossings(&rings, 1, scratch) == 0) {
        return copy_rings(g, scratch, out, err);
    }
    struct err failed;
    if (tessellate_outline(&rings, TESSELLATE_POSITIVE, scratch, scratch, out, &failed) &&
        out->ring_count > 0) {
        return true;
    }
    return take_hull(g, scratch, out, err);
}

bool ground_plan_make(const struct record *record, struct arena *tile, struct arena *scratch,
                      struct ground_plan *out, struct err *err)
{
    const struct feature *feature = &record->feature;
    const struct arena_mark mark = arena_mark(scratch);
    struct gathering g = {
        .feature = feature,
        .points = arena_array(scratch, struct vec2, feature->corner_count + 1),
        .ends = arena_array(scratch, uint32_t, feature->ring_count + 1),
    };
    struct ring_set rings;
    struct ground_plan plan = {.area_m2 = 0};
    bool ok = (g.points != NULL && g.ends != NULL) || arena_full(scratch, err);
    if (ok && feature->lod_count > 0) {
        gather_best(&g);
        ok = unite(&g, scratch, &rings, err) && order_rings(&rings, tile, scratch, &plan, err);
    }
    arena_reset(scratch, mark);
    if (ok) {
        *out = plan;
    }
    return ok;
}

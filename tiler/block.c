/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/block.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tiler/footprint.h"
#include "tiler/tessellate.h"
#include "tiler/triangulate.h"

/* Steeper than this is a wall: cosine of 72 degrees. */
static const double ROOF_COSINE = 0.3;

/* A group of roofs that covers less of the plan than this is a chimney. */
static const double LEAST_SHARE = 0.01;

/* A building lower than this is none. */
static const double LEAST_HEIGHT_M = 0.3;

/* A roof triangle. */
struct roof {
    uint32_t triangle;
    double low_m, high_m;
    double area_m2; /* in plan */
    double up;      /* of its normal */
};

/* Roofs at about one height. */
struct layer {
    double top_m;
    double low_m; /* of its lowest roof: what is higher belongs to it or to layers above */
    struct ring_set plan;
    bool is_cut;              /* another layer stands on it: */
    struct tessellation roof; /* the plan less that layer's, over both plans' points */
};

struct stacking {
    const struct shape *full;
    struct arena *out_arena;
    struct arena *scratch;
    struct roof *roofs; /* sorted by their lowest point */
    uint32_t roof_count;
    struct layer layers[BLOCK_LAYERS_MAX];
    uint32_t layer_count;
    double base_m;
};

static int compare_roofs(const void *a, const void *b)
{
    const struct roof *left = a;
    const struct roof *right = b;
    if (left->low_m != right->low_m) {
        return left->low_m < right->low_m ? -1 : 1;
    }
    return left->triangle < right->triangle ? -1 : left->triangle > right->triangle;
}

static bool list_roofs(struct stacking *s, struct err *err)
{
    const struct shape *full = s->full;
    bool *is_floor;
    if (!shape_floors(full, s->scratch, &is_floor, err)) {
        return false;
    }
    s->roofs = arena_array(s->scratch, struct roof, full->triangle_count);
    if (s->roofs == NULL) {
        return arena_full(s->scratch, err);
    }
    for (uint32_t t = 0; t < full->triangle_count; t++) {
        const uint32_t *c = full->corners + 3 * (size_t)t;
        const struct vec3 p = full->points[c[0]];
        const struct vec3 q = full->points[c[1]];
        const struct vec3 r = full->points[c[2]];
        const struct vec3 across = vec3_cross(vec3_sub(q, p), vec3_sub(r, p));
        const double up = vec3_unit(across).z;
        if (up < ROOF_COSINE || is_floor[full->triangle_faces[t]]) {
            continue;
        }
        s->roofs[s->roof_count++] = (struct roof){.triangle = t,
                                                  .low_m = fmin(p.z, fmin(q.z, r.z)),
                                                  .high_m = fmax(p.z, fmax(q.z, r.z)),
                                                  .area_m2 = across.z / 2,
                                                  .up = up};
    }
    qsort(s->roofs, s->roof_count, sizeof s->roofs[0], compare_roofs);
    return true;
}

/* The height that makes the largest distance to a roof between low and high
 * least: block.h. */
static double best_top(double low_m, double high_m, double up)
{
    return low_m + (high_m - low_m) / (1 + up);
}

/* Roofs [first, end) become a layer; small ones do not. */
static void close_layer(struct stacking *s, uint32_t first, uint32_t end, double least_area_m2)
{
    double area = 0;
    double up_area = 0;
    double high_m = -INFINITY;
    for (uint32_t i = first; i < end; i++) {
        area += s->roofs[i].area_m2;
        up_area += s->roofs[i].area_m2 * s->roofs[i].up;
        high_m = fmax(high_m, s->roofs[i].high_m);
    }
    const bool is_first = s->layer_count == 0;
    if (!(area > 0) || (!is_first && area < least_area_m2)) {
        return;
    }
    const double low_m = s->roofs[first].low_m;
    const double top_m = best_top(low_m, high_m, up_area / area);
    if (s->layer_count == BLOCK_LAYERS_MAX) {
        s->layers[s->layer_count - 1].top_m = top_m;
        return;
    }
    s->layers[s->layer_count++] = (struct layer){.top_m = top_m, .low_m = low_m};
}

/* Walks up the roofs; a gap of more than step_m begins a new layer. */
static void find_layers(struct stacking *s, const struct block_options *options)
{
    double total = 0;
    for (uint32_t i = 0; i < s->roof_count; i++) {
        total += s->roofs[i].area_m2;
    }
    const double least = fmax(LEAST_SHARE * total, options->tolerance_m * options->tolerance_m);
    uint32_t first = 0;
    double high_m = s->roof_count > 0 ? s->roofs[0].high_m : 0;
    double area = 0;
    for (uint32_t i = 0; i < s->roof_count; i++) {
        const bool is_gap = options->step_m > 0 && s->roofs[i].low_m > high_m + options->step_m;
        if (is_gap && area >= least) {
            close_layer(s, first, i, least);
            first = i;
            area = 0;
        }
        area += s->roofs[i].area_m2;
        high_m = fmax(high_m, s->roofs[i].high_m);
    }
    close_layer(s, first, s->roof_count, least);
}

/* The plan of everything that reaches a layer's height. */
static bool plan_layer(struct stacking *s, struct layer *layer, double tolerance_m, struct err *err)
{
    bool *is_wanted = arena_array(s->scratch, bool, s->full->triangle_count);
    if (is_wanted == NULL) {
        return arena_full(s->scratch, err);
    }
    for (uint32_t i = 0; i < s->roof_count; i++) {
        is_wanted[s->roofs[i].triangle] = s->roofs[i].low_m >= layer->low_m;
    }
    struct ring_set plan;
    return footprint_from_shape(s->full, is_wanted, s->out_arena, s->scratch, &plan, err) &&
           footprint_simplify(&plan, tolerance_m, s->out_arena, s->scratch, &layer->plan, err);
}

/*
 * What of a layer's roof the next layer leaves free. The rest would lie inside
 * the building, as far from any surface as the tower is wide: nothing to see,
 * and an error to the measure.
 */
static bool cut_roof(struct stacking *s, struct layer *layer, const struct layer *above,
                     struct err *err)
{
    const uint32_t below_count = ring_point_count(&layer->plan);
    const uint32_t count = below_count + ring_point_count(&above->plan);
    struct vec2 *points = arena_array(s->scratch, struct vec2, count);
    uint32_t *ends =
        arena_array(s->scratch, uint32_t, (size_t)layer->plan.ring_count + above->plan.ring_count);
    if (points == NULL || ends == NULL) {
        return arena_full(s->scratch, err);
    }
    memcpy(points, layer->plan.points, below_count * sizeof points[0]);
    memcpy(ends, layer->plan.ends, layer->plan.ring_count * sizeof ends[0]);
    for (uint32_t r = 0; r < above->plan.ring_count; r++) {
        const uint32_t start = ring_start(&above->plan, r);
        const uint32_t end = above->plan.ends[r];
        ends[layer->plan.ring_count + r] = below_count + end;
        for (uint32_t i = start; i < end; i++) {
            /* The other way round, so that it counts against the plan. */
            points[below_count + i] = above->plan.points[end - 1 - (i - start)];
        }
    }
    const struct ring_set rings = {points, ends, layer->plan.ring_count + above->plan.ring_count};
    struct err made;
    layer->is_cut = tessellate_triangles(&rings, TESSELLATE_POSITIVE, s->scratch, s->scratch,
                                         &layer->roof, &made);
    if (layer->is_cut || made.code == ERR_LIMIT || made.code == ERR_LIBRARY) {
        return true; /* or the roof stays whole */
    }
    if (made.code != ERR_GEOMETRY) {
        *err = made;
        return false;
    }
    layer->is_cut = true; /* nothing is left free */
    layer->roof = (struct tessellation){0};
    return true;
}

/* ---- prisms ---- */

struct stacked {
    struct vec3 *points;
    uint32_t point_count;
    uint32_t *corners;
    uint32_t *triangle_faces;
    uint32_t triangle_count;
    struct shape_face *faces;
    uint32_t face_count;
};

/* The material with most area among faces of a kind, and the kind that faces of
 * this direction have when none is said to be a wall or a roof. */
static int32_t main_material(const struct shape *full, enum feature_surface kind,
                             struct arena *scratch)
{
    int32_t most = FEATURE_NONE;
    for (uint32_t f = 0; f < full->face_count; f++) {
        most = full->faces[f].material > most ? full->faces[f].material : most;
    }
    double *areas = arena_array(scratch, double, (size_t)(most + 2));
    if (areas == NULL) {
        return FEATURE_NONE;
    }
    for (uint32_t t = 0; t < full->triangle_count; t++) {
        const struct shape_face *face = &full->faces[full->triangle_faces[t]];
        const bool looks_up = face->normal.z > ROOF_COSINE;
        const bool is_side = fabs(face->normal.z) <= ROOF_COSINE;
        const bool counts = face->kind == kind || (kind == SURFACE_ROOF ? looks_up : is_side);
        if (counts) {
            const uint32_t *c = full->corners + 3 * (size_t)t;
            const struct vec3 a = full->points[c[0]];
            areas[face->material + 1] += vec3_length(
                vec3_cross(vec3_sub(full->points[c[1]], a), vec3_sub(full->points[c[2]], a)));
        }
    }
    int32_t found = FEATURE_NONE;
    for (int32_t m = FEATURE_NONE; m <= most; m++) {
        found = areas[m + 1] > areas[found + 1] ? m : found;
    }
    return found;
}

/* A shape whose surfaces say nothing keeps its kind, and so its colour. */
static enum feature_surface kind_for(const struct shape *full, enum feature_surface kind)
{
    for (uint32_t f = 0; f < full->face_count; f++) {
        if (full->faces[f].kind == kind) {
            return kind;
        }
    }
    for (uint32_t f = 0; f < full->face_count; f++) {
        if (full->faces[f].kind != SURFACE_UNKNOWN) {
            return kind;
        }
    }
    return SURFACE_UNKNOWN;
}

static uint32_t add_face(struct stacked *out, enum feature_surface kind, int32_t material,
                         struct vec3 normal)
{
    out->faces[out->face_count] = (struct shape_face){.kind = kind,
                                                      .material = material,
                                                      .texture = FEATURE_NONE,
                                                      .normal = normal,
                                                      .polygon = UINT32_MAX};
    return out->face_count++;
}

static void add_triangle(struct stacked *out, uint32_t a, uint32_t b, uint32_t c, uint32_t face)
{
    const uint32_t corners[3] = {a, b, c};
    memcpy(out->corners + 3 * (size_t)out->triangle_count, corners, sizeof corners);
    out->triangle_faces[out->triangle_count++] = face;
}

/* The walls of one layer: a quad an edge, its outside to the right of the way
 * that outer rings (anticlockwise) and holes (clockwise) run. */
static void add_walls(struct stacked *out, const struct ring_set *plan, uint32_t first_bottom,
                      uint32_t first_top, enum feature_surface kind, int32_t material)
{
    for (uint32_t r = 0; r < plan->ring_count; r++) {
        const uint32_t start = ring_start(plan, r);
        for (uint32_t i = start; i < plan->ends[r]; i++) {
            const uint32_t next = i + 1 == plan->ends[r] ? start : i + 1;
            const double dx = plan->points[next].x - plan->points[i].x;
            const double dy = plan->points[next].y - plan->points[i].y;
            const uint32_t face =
                add_face(out, kind, material, vec3_unit((struct vec3){dy, -dx, 0}));
            add_triangle(out, first_bottom + i, first_bottom + next, first_top + next, face);
            add_triangle(out, first_bottom + i, first_top + next, first_top + i, face);
        }
    }
}

/* One outer ring with the holes that lie in it. */
static bool add_roof_part(struct stacked *out, const struct ring_set *plan, uint32_t outer,
                          uint32_t first_top, uint32_t face, struct arena *out_arena,
                          struct arena *scratch, struct err *err)
{
    const uint32_t count = ring_point_count(plan);
    struct vec2 *points = arena_array(scratch, struct vec2, count);
    uint32_t *sources = arena_array(scratch, uint32_t, count);
    uint32_t *ends = arena_array(scratch, uint32_t, plan->ring_count);
    if (points == NULL || sources == NULL || ends == NULL) {
        return arena_full(scratch, err);
    }
    uint32_t at = 0;
    uint32_t ring_count = 0;
    const uint32_t outer_start = ring_start(plan, outer);
    for (uint32_t i = 0; i <= plan->ring_count; i++) {
        const uint32_t ring = i == 0 ? outer : i - 1;
        const uint32_t start = ring_start(plan, ring);
        const uint32_t size = plan->ends[ring] - start;
        const bool is_hole = i > 0 && ring_area(plan->points + start, size) < 0 &&
                             ring_holds(plan->points + outer_start, plan->ends[outer] - outer_start,
                                        plan->points[start]);
        if (i > 0 && !is_hole) {
            continue;
        }
        for (uint32_t k = 0; k < size; k++) {
            points[at] = plan->points[start + k];
            sources[at++] = first_top + start + k;
        }
        ends[ring_count++] = at;
    }
    const struct ring_set rings = {points, ends, ring_count};
    struct triangulate_result result;
    struct err made;
    if (!triangulate_polygon(&rings, out_arena, scratch, &result, &made)) {
        if (made.code == ERR_NOMEM) {
            *err = made;
            return false;
        }
        return err_set(err, ERR_GEOMETRY, "a roof that cannot be cut into triangles");
    }
    if (result.blend_count > 0) {
        return err_set(err, ERR_GEOMETRY, "a plan that crosses itself");
    }
    for (uint32_t t = 0; t < result.triangle_count; t++) {
        const uint32_t *c = result.corners + 3 * (size_t)t;
        add_triangle(out, sources[c[0]], sources[c[1]], sources[c[2]], face);
    }
    return true;
}

/* The points of a plan at one height; returns the first one's number. */
static uint32_t add_points(struct stacked *out, const struct ring_set *plan, double height_m)
{
    const uint32_t first = out->point_count;
    for (uint32_t i = 0; i < ring_point_count(plan); i++) {
        out->points[out->point_count++] =
            (struct vec3){plan->points[i].x, plan->points[i].y, height_m};
    }
    return first;
}

static bool add_whole_roof(struct stacked *out, const struct stacking *s, const struct layer *layer,
                           uint32_t first_top, int32_t material, struct err *err)
{
    const struct ring_set *plan = &layer->plan;
    const uint32_t face =
        add_face(out, kind_for(s->full, SURFACE_ROOF), material, (struct vec3){0, 0, 1});
    for (uint32_t r = 0; r < plan->ring_count; r++) {
        const uint32_t start = ring_start(plan, r);
        if (ring_area(plan->points + start, plan->ends[r] - start) > 0 &&
            !add_roof_part(out, plan, r, first_top, face, s->out_arena, s->scratch, err)) {
            return false;
        }
    }
    return true;
}

/* The number that a point of the cut roof has among the block's: of this plan,
 * of the one above (whose rings were turned), or made where the two cross. */
static uint32_t cut_point(const struct layer *layer, const struct ring_set *above, uint32_t point,
                          uint32_t first_top, uint32_t first_above, uint32_t first_added)
{
    const uint32_t below_count = ring_point_count(&layer->plan);
    if (point < below_count) {
        return first_top + point;
    }
    if (point >= layer->roof.input_count) {
        return first_added + point - layer->roof.input_count;
    }
    const uint32_t turned = point - below_count;
    uint32_t ring = 0;
    while (above->ends[ring] <= turned) {
        ring++;
    }
    return first_above + above->ends[ring] - 1 - (turned - ring_start(above, ring));
}

static void add_cut_roof(struct stacked *out, const struct stacking *s, const struct layer *layer,
                         const struct ring_set *above, uint32_t first_top, uint32_t first_above,
                         int32_t material)
{
    const struct tessellation *roof = &layer->roof;
    if (roof->triangle_count == 0) {
        return;
    }
    const uint32_t first_added = out->point_count;
    for (uint32_t i = 0; i < roof->added_count; i++) {
        const struct vec2 at = roof->points[roof->input_count + i];
        out->points[out->point_count++] = (struct vec3){at.x, at.y, layer->top_m};
    }
    const uint32_t first_triangle = out->triangle_count;
    const uint32_t face =
        add_face(out, kind_for(s->full, SURFACE_ROOF), material, (struct vec3){0, 0, 1});
    for (uint32_t t = 0; t < roof->triangle_count; t++) {
        const uint32_t *from = roof->corners + 3 * (size_t)t;
        /* Where edges nearly coincide the sweep gives slivers, also turned. */
        if (ring_turn(roof->points[from[0]], roof->points[from[1]], roof->points[from[2]]) <=
            FOOTPRINT_WELD_M * FOOTPRINT_WELD_M) {
            continue;
        }
        uint32_t c[3];
        for (uint32_t k = 0; k < 3; k++) {
            c[k] = cut_point(layer, above, from[k], first_top, first_above, first_added);
        }
        add_triangle(out, c[0], c[1], c[2], face);
    }
    if (out->triangle_count == first_triangle) {
        out->face_count--; /* each face has a triangle */
    }
}

static bool add_layers(struct stacked *out, const struct stacking *s, const int32_t materials[2],
                       struct err *err)
{
    uint32_t first_bottom = add_points(out, &s->layers[0].plan, s->base_m);
    for (uint32_t i = 0; i < s->layer_count; i++) {
        const struct layer *layer = &s->layers[i];
        const uint32_t first_top = add_points(out, &layer->plan, layer->top_m);
        add_walls(out, &layer->plan, first_bottom, first_top, kind_for(s->full, SURFACE_WALL),
                  materials[0]);
        const bool is_last = i + 1 == s->layer_count;
        const struct ring_set *above = is_last ? NULL : &s->layers[i + 1].plan;
        first_bottom = is_last ? 0 : add_points(out, above, layer->top_m);
        if (layer->is_cut) {
            add_cut_roof(out, s, layer, above, first_top, first_bottom, materials[1]);
        } else if (!add_whole_roof(out, s, layer, first_top, materials[1], err)) {
            return false;
        }
    }
    return true;
}

static bool open_stacked(const struct stacking *s, struct arena *out_arena, struct stacked *out,
                         struct err *err)
{
    size_t corners = 0;
    size_t rings = 0;
    size_t added = 0;
    size_t cut = 0;
    for (uint32_t i = 0; i < s->layer_count; i++) {
        corners += ring_point_count(&s->layers[i].plan);
        rings += s->layers[i].plan.ring_count;
        added += s->layers[i].roof.added_count;
        cut += s->layers[i].roof.triangle_count;
    }
    /* A roof of n corners and h holes has n - 2 + 2 h triangles. */
    const size_t triangles = 3 * corners + 2 * rings + cut;
    *out = (struct stacked){
        .points = arena_array(out_arena, struct vec3, 2 * corners + added),
        .corners = arena_array(out_arena, uint32_t, 3 * triangles),
        .triangle_faces = arena_array(out_arena, uint32_t, triangles),
        .faces = arena_array(out_arena, struct shape_face, corners + s->layer_count),
    };
    const bool ok = out->points != NULL && out->corners != NULL && out->triangle_faces != NULL &&
                    out->faces != NULL;
    return ok || arena_full(out_arena, err);
}

/* What the block was stacked from. */
static bool list_layers(const struct stacking *s, struct block *out, struct err *err)
{
    struct block_layer *layers = arena_array(s->out_arena, struct block_layer, s->layer_count);
    if (layers == NULL) {
        return arena_full(s->out_arena, err);
    }
    for (uint32_t i = 0; i < s->layer_count; i++) {
        layers[i] = (struct block_layer){s->layers[i].plan, s->layers[i].top_m};
    }
    out->layers = layers;
    out->layer_count = s->layer_count;
    out->base_m = s->base_m;
    return true;
}

static bool make_block(struct stacking *s, const struct block_options *options,
                       struct arena *out_arena, struct block *out, struct err *err)
{
    if (!list_roofs(s, err)) {
        return false;
    }
    find_layers(s, options);
    s->base_m = shape_box(s->full).min.z;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < s->layer_count; i++) {
        struct layer *layer = &s->layers[i];
        if (!plan_layer(s, layer, options->tolerance_m, err)) {
            return false;
        }
        if (layer->plan.ring_count > 0 && footprint_area_m2(&layer->plan) > 0) {
            s->layers[kept++] = *layer;
        }
    }
    s->layer_count = kept;
    if (kept == 0 || s->layers[kept - 1].top_m - s->base_m < LEAST_HEIGHT_M) {
        return err_set(err, ERR_GEOMETRY, "no plan with an area and a height");
    }
    for (uint32_t i = 0; i + 1 < kept; i++) {
        if (!cut_roof(s, &s->layers[i], &s->layers[i + 1], err)) {
            return false;
        }
    }
    const int32_t materials[2] = {main_material(s->full, SURFACE_WALL, s->scratch),
                                  main_material(s->full, SURFACE_ROOF, s->scratch)};
    struct stacked stacked;
    if (!open_stacked(s, out_arena, &stacked, err)) {
        return false;
    }
    if (!add_layers(&stacked, s, materials, err)) {
        return false;
    }
    out->shape = (struct shape){.points = stacked.points,
                                .point_count = stacked.point_count,
                                .corners = stacked.corners,
                                .triangle_faces = stacked.triangle_faces,
                                .triangle_count = stacked.triangle_count,
                                .faces = stacked.faces,
                                .face_count = stacked.face_count};
    return list_layers(s, out, err);
}

bool block_make_layers(const struct shape *full, const struct block_options *options,
                       struct arena *out_arena, struct arena *scratch, struct block *out,
                       struct err *err)
{
    assert(options->tolerance_m > 0 && options->step_m >= 0);
    const struct arena_mark mark = arena_mark(scratch);
    struct stacking s = {.full = full, .out_arena = out_arena, .scratch = scratch};
    const bool ok = make_block(&s, options, out_arena, out, err);
    arena_reset(scratch, mark);
    return ok;
}

bool block_make(const struct shape *full, const struct block_options *options,
                struct arena *out_arena, struct arena *scratch, struct shape *out, struct err *err)
{
    struct block block;
    if (!block_make_layers(full, options, out_arena, scratch, &block, err)) {
        return false;
    }
    *out = block.shape;
    return true;
}

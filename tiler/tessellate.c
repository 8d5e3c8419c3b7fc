/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/tessellate.h"

#include <assert.h>
#include <string.h>

#include <GL/glu.h>

/* What the library carries along with each vertex, and hands back. */
struct sweep_point {
    GLdouble at[3];
    uint32_t index;
};

/* A growing array in scratch: what it outgrew is given back with the rest. */
struct list {
    uint32_t *items;
    uint32_t count;
    uint32_t room;
};

struct added {
    struct vec2 *points;
    struct tessellate_blend *blends;
    uint32_t count;
    uint32_t room;
};

struct sweep {
    struct arena *scratch;
    struct sweep_point *inputs;
    uint32_t input_count;
    struct added added;
    struct list corners; /* triangles, or the points of loops */
    struct list ends;    /* of loops */
    bool is_full;        /* scratch refused */
    GLenum error;        /* 0: none */
};

static bool list_add(struct list *list, uint32_t item, struct arena *scratch)
{
    if (list->count == list->room) {
        const uint32_t room = list->room == 0 ? 64 : list->room * 2;
        uint32_t *items = arena_array(scratch, uint32_t, room);
        if (items == NULL) {
            return false;
        }
        if (list->count > 0) {
            memcpy(items, list->items, list->count * sizeof *items);
        }
        list->items = items;
        list->room = room;
    }
    list->items[list->count++] = item;
    return true;
}

static bool added_grow(struct added *added, struct arena *scratch)
{
    const uint32_t room = added->room == 0 ? 16 : added->room * 2;
    struct vec2 *points = arena_array(scratch, struct vec2, room);
    struct tessellate_blend *blends = arena_array(scratch, struct tessellate_blend, room);
    if (points == NULL || blends == NULL) {
        return false;
    }
    if (added->count > 0) {
        memcpy(points, added->points, added->count * sizeof *points);
        memcpy(blends, added->blends, added->count * sizeof *blends);
    }
    added->points = points;
    added->blends = blends;
    added->room = room;
    return true;
}

static void on_vertex(void *vertex, void *state)
{
    struct sweep *sweep = state;
    const struct sweep_point *point = vertex;
    if (!list_add(&sweep->corners, point->index, sweep->scratch)) {
        sweep->is_full = true;
    }
}

static void on_end(void *state)
{
    struct sweep *sweep = state;
    if (!list_add(&sweep->ends, sweep->corners.count, sweep->scratch)) {
        sweep->is_full = true;
    }
}

static void on_error(GLenum error, void *state)
{
    struct sweep *sweep = state;
    sweep->error = error;
}

/* With an edge flag callback the library gives triangles, no fans or strips. */
static void on_edge_flag(GLboolean flag, void *state)
{
    (void)flag;
    (void)state;
}

/* Points that coincide are joined here too; that needs no new point. */
static bool is_same_place(const GLdouble at[3], void *const sources[4], const GLfloat weights[4])
{
    for (int i = 0; i < 4; i++) {
        const struct sweep_point *point = sources[i];
        if (point != NULL && weights[i] > 0 && (point->at[0] != at[0] || point->at[1] != at[1])) {
            return false;
        }
    }
    return true;
}

static void on_combine(GLdouble at[3], void *sources[4], GLfloat weights[4], void **out,
                       void *state)
{
    struct sweep *sweep = state;
    *out = sources[0];
    if (sweep->is_full || is_same_place(at, sources, weights)) {
        return;
    }
    struct added *added = &sweep->added;
    struct sweep_point *point = arena_array(sweep->scratch, struct sweep_point, 1);
    if (point == NULL || (added->count == added->room && !added_grow(added, sweep->scratch))) {
        sweep->is_full = true;
        return;
    }
    *point = (struct sweep_point){{at[0], at[1], 0}, sweep->input_count + added->count};
    struct tessellate_blend blend = {{0}, {0}};
    for (int i = 0; i < 4; i++) {
        const struct sweep_point *source = sources[i];
        if (source != NULL) {
            blend.sources[i] = source->index;
            blend.weights[i] = weights[i];
        }
    }
    added->points[added->count] = (struct vec2){at[0], at[1]};
    added->blends[added->count] = blend;
    added->count++;
    *out = point;
}

static GLdouble winding_rule(enum tessellate_rule rule)
{
    switch (rule) {
    case TESSELLATE_POSITIVE:
        return GLU_TESS_WINDING_POSITIVE;
    case TESSELLATE_TWICE:
        return GLU_TESS_WINDING_ABS_GEQ_TWO;
    case TESSELLATE_ODD:
        break;
    }
    return GLU_TESS_WINDING_ODD;
}

static void feed(GLUtesselator *library, const struct ring_set *rings, struct sweep *sweep)
{
    gluTessBeginPolygon(library, sweep);
    for (uint32_t ring = 0; ring < rings->ring_count; ring++) {
        gluTessBeginContour(library);
        for (uint32_t i = ring_start(rings, ring); i < rings->ends[ring]; i++) {
            struct sweep_point *point = &sweep->inputs[i];
            *point = (struct sweep_point){{rings->points[i].x, rings->points[i].y, 0}, i};
            gluTessVertex(library, point->at, point);
        }
        gluTessEndContour(library);
    }
    gluTessEndPolygon(library);
}

/* The library takes every callback as void (*)(void). */
static void set_callbacks(GLUtesselator *library, bool is_outline)
{
    gluTessCallback(library, GLU_TESS_VERTEX_DATA, (_GLUfuncptr)on_vertex);
    gluTessCallback(library, GLU_TESS_COMBINE_DATA, (_GLUfuncptr)on_combine);
    gluTessCallback(library, GLU_TESS_ERROR_DATA, (_GLUfuncptr)on_error);
    if (is_outline) {
        gluTessCallback(library, GLU_TESS_END_DATA, (_GLUfuncptr)on_end);
    } else {
        gluTessCallback(library, GLU_TESS_EDGE_FLAG_DATA, (_GLUfuncptr)on_edge_flag);
    }
}

static bool check_input(const struct ring_set *rings, struct arena *scratch, struct err *err)
{
    const uint32_t count = ring_point_count(rings);
    if (count > TESSELLATE_POINTS_MAX) {
        return err_set(err, ERR_LIMIT, "%u points in one polygon, %d can be swept", count,
                       (int)TESSELLATE_POINTS_MAX);
    }
    for (uint32_t i = 0; i < count; i++) {
        /* The library clamps at 1e150 and warns; far below, doubles still
         * have room for the products of a sweep. */
        if (!(fabs(rings->points[i].x) < 1e100 && fabs(rings->points[i].y) < 1e100)) {
            return err_set(err, ERR_GEOMETRY, "point %u is out of range", i);
        }
    }
    const uint32_t most = TESSELLATE_CROSSINGS_MAX * count + 256;
    if (ring_set_crossings(rings, most, scratch) >= most) {
        return err_set(err, ERR_LIMIT, "the rings cross %u times or more", most);
    }
    return true;
}

static bool run(const struct ring_set *rings, enum tessellate_rule rule, bool is_outline,
                struct sweep *sweep, struct err *err)
{
    if (!check_input(rings, sweep->scratch, err)) {
        return false;
    }
    sweep->input_count = ring_point_count(rings);
    sweep->inputs = arena_array(sweep->scratch, struct sweep_point, sweep->input_count);
    if (sweep->inputs == NULL) {
        return arena_full(sweep->scratch, err);
    }
    GLUtesselator *library = gluNewTess();
    if (library == NULL) {
        return err_set(err, ERR_NOMEM, "glu tessellator");
    }
    gluTessProperty(library, GLU_TESS_WINDING_RULE, winding_rule(rule));
    gluTessProperty(library, GLU_TESS_BOUNDARY_ONLY, is_outline ? GL_TRUE : GL_FALSE);
    gluTessNormal(library, 0, 0, 1);
    set_callbacks(library, is_outline);
    feed(library, rings, sweep);
    gluDeleteTess(library);

    if (sweep->is_full) {
        return arena_full(sweep->scratch, err);
    }
    if (sweep->error == GLU_OUT_OF_MEMORY) {
        return err_set(err, ERR_NOMEM, "glu tessellator");
    }
    if (sweep->error != 0) {
        return err_set(err, ERR_LIBRARY, "glu tessellator: %s",
                       (const char *)gluErrorString(sweep->error));
    }
    return true;
}

static bool copy_out(const struct sweep *sweep, const struct ring_set *rings,
                     struct arena *out_arena, struct tessellation *out, struct err *err)
{
    const uint32_t added = sweep->added.count;
    struct tessellation found = {
        .points = arena_array(out_arena, struct vec2, sweep->input_count + added),
        .input_count = sweep->input_count,
        .added_count = added,
        .blends = arena_array(out_arena, struct tessellate_blend, added),
        .corners = arena_array(out_arena, uint32_t, sweep->corners.count),
        .triangle_count = sweep->corners.count / 3,
    };
    if (found.points == NULL || found.blends == NULL || found.corners == NULL) {
        return arena_full(out_arena, err);
    }
    memcpy(found.points, rings->points, sweep->input_count * sizeof *found.points);
    if (added > 0) {
        memcpy(found.points + sweep->input_count, sweep->added.points,
               added * sizeof *found.points);
        memcpy(found.blends, sweep->added.blends, added * sizeof *found.blends);
    }
    memcpy(found.corners, sweep->corners.items, sweep->corners.count * sizeof *found.corners);
    *out = found;
    return true;
}

bool tessellate_triangles(const struct ring_set *rings, enum tessellate_rule rule,
                          struct arena *out_arena, struct arena *scratch, struct tessellation *out,
                          struct err *err)
{
    const struct arena_mark mark = arena_mark(scratch);
    struct sweep sweep = {.scratch = scratch};
    bool ok = run(rings, rule, false, &sweep, err);
    if (ok && sweep.corners.count == 0) {
        ok = err_set(err, ERR_GEOMETRY, "no area inside the rings");
    }
    ok = ok && copy_out(&sweep, rings, out_arena, out, err);
    if (out_arena != scratch) {
        arena_reset(scratch, mark);
    }
    return ok;
}

static bool copy_loops(const struct sweep *sweep, const struct ring_set *rings,
                       struct arena *out_arena, struct ring_set *out, struct err *err)
{
    struct vec2 *points = arena_array(out_arena, struct vec2, sweep->corners.count);
    uint32_t *ends = arena_array(out_arena, uint32_t, sweep->ends.count);
    if (points == NULL || ends == NULL) {
        return arena_full(out_arena, err);
    }
    for (uint32_t i = 0; i < sweep->corners.count; i++) {
        const uint32_t index = sweep->corners.items[i];
        points[i] = index < sweep->input_count ? rings->points[index]
                                               : sweep->added.points[index - sweep->input_count];
    }
    if (sweep->ends.count > 0) {
        memcpy(ends, sweep->ends.items, sweep->ends.count * sizeof *ends);
    }
    *out = (struct ring_set){points, ends, sweep->ends.count};
    return true;
}

bool tessellate_outline(const struct ring_set *rings, enum tessellate_rule rule,
                        struct arena *out_arena, struct arena *scratch, struct ring_set *out,
                        struct err *err)
{
    const struct arena_mark mark = arena_mark(scratch);
    struct sweep sweep = {.scratch = scratch};
    const bool ok =
        run(rings, rule, true, &sweep, err) && copy_loops(&sweep, rings, out_arena, out, err);
    if (out_arena != scratch) {
        arena_reset(scratch, mark);
    }
    return ok;
}

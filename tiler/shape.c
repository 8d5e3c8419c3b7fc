/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/shape.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tiler/orient.h"
#include "tiler/straight.h"
#include "tiler/tessellate.h"
#include "tiler/triangulate.h"

enum { NOT_USED = -1 };

/* One corner of a ring that is kept. */
struct kept_corner {
    uint32_t point;  /* of the shape's points */
    uint32_t corner; /* of the feature's corners, for its texture coordinates */
};

struct making {
    const struct feature *feature;
    const struct feature_lod *lod;
    const struct vec3 *placed;
    struct arena *out_arena;
    struct arena *scratch;

    int32_t *point_of;   /* per feature vertex: its point, or NOT_USED */
    struct vec3 *points; /* growing while blends are added */
    uint32_t point_count;
    uint32_t point_room;
    uint8_t *is_straight; /* per point */

    struct orient_polygon *polygons; /* those that were triangulated */
    uint32_t polygon_count;
    uint32_t *ring_points; /* their rings, for edges */
    uint32_t ring_point_count;
    uint32_t *ring_ends;
    uint32_t ring_end_count;

    struct shape shape;
    uint32_t triangle_room;
    struct shape_repairs repairs;
};

/* ---- points ---- */

static uint64_t hash_position(struct vec3 p)
{
    uint64_t bits[3];
    memcpy(bits, &p, sizeof bits);
    uint64_t hash = bits[0] * 0x9E3779B97F4A7C15u;
    hash = (hash ^ hash >> 29 ^ bits[1]) * 0xBF58476D1CE4E5B9u;
    hash = (hash ^ hash >> 32 ^ bits[2]) * 0x94D049BB133111EBu;
    return hash ^ hash >> 31;
}

static bool same_position(struct vec3 a, struct vec3 b)
{
    return a.x == b.x && a.y == b.y && a.z == b.z; /* exact: one vertex, written twice */
}

/* Calls for every ring of the level. */
struct ring_walk {
    const struct making *m;
    uint32_t polygon; /* within the level */
    uint32_t ring;    /* within the polygon */
};

static bool next_ring(struct ring_walk *walk, const struct feature_ring **out)
{
    const struct feature *feature = walk->m->feature;
    while (walk->polygon < walk->m->lod->polygon_count) {
        const struct feature_polygon *polygon =
            &feature->polygons[walk->m->lod->first_polygon + walk->polygon];
        if (walk->ring < polygon->ring_count) {
            *out = &feature->rings[polygon->first_ring + walk->ring++];
            return true;
        }
        walk->ring = 0;
        walk->polygon++;
    }
    return false;
}

/* Each distinct position that the level uses becomes one point. */
static bool weld_points(struct making *m, struct err *err)
{
    const struct feature *feature = m->feature;
    size_t room = 16;
    size_t corner_count = 0;
    const struct feature_ring *ring;
    for (struct ring_walk walk = {m, 0, 0}; next_ring(&walk, &ring);) {
        corner_count += ring->corner_count;
    }
    while (room < 2 * corner_count) {
        room *= 2;
    }
    uint32_t *table = arena_array(m->scratch, uint32_t, room); /* point + 1 */
    m->point_of = arena_array(m->scratch, int32_t, feature->vertex_count);
    m->point_room = (uint32_t)(corner_count + corner_count / 2 + 16);
    m->points = arena_array(m->out_arena, struct vec3, m->point_room);
    if (table == NULL || m->point_of == NULL) {
        return arena_full(m->scratch, err);
    }
    if (m->points == NULL) {
        return arena_full(m->out_arena, err);
    }
    for (size_t i = 0; i < feature->vertex_count; i++) {
        m->point_of[i] = NOT_USED;
    }
    for (struct ring_walk walk = {m, 0, 0}; next_ring(&walk, &ring);) {
        for (uint32_t c = 0; c < ring->corner_count; c++) {
            const uint32_t vertex = feature->corners[ring->first_corner + c];
            if (m->point_of[vertex] != NOT_USED) {
                continue;
            }
            const struct vec3 at = m->placed[vertex];
            size_t slot = (size_t)hash_position(at) & (room - 1);
            while (table[slot] != 0 && !same_position(m->points[table[slot] - 1], at)) {
                slot = (slot + 1) & (room - 1);
            }
            if (table[slot] == 0) {
                m->points[m->point_count++] = at;
                table[slot] = m->point_count;
            }
            m->point_of[vertex] = (int32_t)table[slot] - 1;
        }
    }
    return true;
}

static uint32_t point_at(const struct making *m, const struct feature_ring *ring, uint32_t corner)
{
    return (uint32_t)m->point_of[m->feature->corners[ring->first_corner + corner]];
}

static void join_rings(const struct making *m, struct straight *straight)
{
    const struct feature_ring *ring;
    for (struct ring_walk rings = {m, 0, 0}; next_ring(&rings, &ring);) {
        for (uint32_t c = 0; c < ring->corner_count; c++) {
            const uint32_t next = c + 1 == ring->corner_count ? 0 : c + 1;
            straight_join(straight, point_at(m, ring, c), point_at(m, ring, next));
        }
    }
}

/* Points that no polygon needs. Textured polygons keep theirs: the picture may
 * bend where the outline does not. */
static bool find_straight_points(struct making *m, struct err *err)
{
    struct straight straight;
    m->is_straight = arena_array(m->scratch, uint8_t, m->point_count);
    if (m->is_straight == NULL) {
        return arena_full(m->scratch, err);
    }
    if (m->feature->uvs != NULL) {
        return true;
    }
    if (!straight_init(&straight, m->points, m->point_count, m->scratch, err)) {
        return false;
    }
    join_rings(m, &straight);
    straight_find(&straight, SHAPE_STRAIGHT_M, m->is_straight);
    return true;
}

/* ---- polygons ---- */

/* A polygon's rings without repeated and straight points. */
struct outline {
    struct kept_corner *corners;
    uint32_t *ends;
    uint32_t ring_count;
};

static uint32_t keep_ring(const struct making *m, const struct feature_ring *ring,
                          struct kept_corner *out)
{
    uint32_t count = 0;
    for (uint32_t c = 0; c < ring->corner_count; c++) {
        const uint32_t point = point_at(m, ring, c);
        if (!m->is_straight[point] && (count == 0 || out[count - 1].point != point)) {
            out[count++] = (struct kept_corner){point, ring->first_corner + c};
        }
    }
    while (count > 1 && out[count - 1].point == out[0].point) {
        count--;
    }
    return count;
}

static bool keep_outline(struct making *m, const struct feature_polygon *polygon,
                         struct outline *out, struct err *err)
{
    size_t most = 0;
    for (uint32_t r = 0; r < polygon->ring_count; r++) {
        most += m->feature->rings[polygon->first_ring + r].corner_count;
    }
    out->corners = arena_array(m->scratch, struct kept_corner, most);
    out->ends = arena_array(m->scratch, uint32_t, polygon->ring_count);
    if (out->corners == NULL || out->ends == NULL) {
        return arena_full(m->scratch, err);
    }
    uint32_t at = 0;
    out->ring_count = 0;
    for (uint32_t r = 0; r < polygon->ring_count; r++) {
        const uint32_t count =
            keep_ring(m, &m->feature->rings[polygon->first_ring + r], out->corners + at);
        if (count >= 3) {
            at += count;
            out->ends[out->ring_count++] = at;
        } else if (r == 0) {
            return true; /* no outer ring: a sliver */
        }
    }
    return true;
}

/* Newell's vector of the outer ring; its length is the ring's area. */
static struct vec3 outline_normal(const struct making *m, const struct outline *outline)
{
    struct vec3 sum = {0, 0, 0};
    /* Relative to a corner: a cross product of large numbers is a small
     * difference of larger ones. */
    const struct vec3 origin = m->points[outline->corners[0].point];
    for (uint32_t i = 0; i < outline->ends[0]; i++) {
        const uint32_t next = i + 1 == outline->ends[0] ? 0 : i + 1;
        const struct vec3 a = vec3_sub(m->points[outline->corners[i].point], origin);
        const struct vec3 b = vec3_sub(m->points[outline->corners[next].point], origin);
        sum = vec3_add(sum, vec3_cross(a, b));
    }
    return vec3_scale(sum, 0.5);
}

void shape_plane_axes(struct vec3 normal, struct vec3 *out_u, struct vec3 *out_v)
{
    const struct vec3 other =
        fabs(normal.z) < 0.9 ? (struct vec3){0, 0, 1} : (struct vec3){1, 0, 0};
    *out_u = vec3_unit(vec3_cross(other, normal));
    *out_v = vec3_cross(normal, *out_u);
}

static bool flatten(struct making *m, const struct outline *outline, struct vec3 normal,
                    struct vec2 **out, struct err *err)
{
    const uint32_t count = outline->ends[outline->ring_count - 1];
    struct vec2 *flat = arena_array(m->scratch, struct vec2, count);
    if (flat == NULL) {
        return arena_full(m->scratch, err);
    }
    struct vec3 u;
    struct vec3 v;
    shape_plane_axes(normal, &u, &v);
    const struct vec3 origin = m->points[outline->corners[0].point];
    for (uint32_t i = 0; i < count; i++) {
        const struct vec3 at = vec3_sub(m->points[outline->corners[i].point], origin);
        flat[i] = (struct vec2){vec3_dot(at, u), vec3_dot(at, v)};
    }
    *out = flat;
    return true;
}

/* Holes that run the same way as their outer ring are turned: what fills one
 * runs along its edges, and is made to agree with them. */
static void turn_holes(struct outline *outline, struct vec2 *flat)
{
    for (uint32_t r = 1; r < outline->ring_count; r++) {
        uint32_t low = outline->ends[r - 1];
        uint32_t high = outline->ends[r];
        if (ring_area(flat + low, high - low) <= 0) {
            continue;
        }
        for (; low + 1 < high; low++, high--) {
            const struct kept_corner corner = outline->corners[low];
            const struct vec2 at = flat[low];
            outline->corners[low] = outline->corners[high - 1];
            flat[low] = flat[high - 1];
            outline->corners[high - 1] = corner;
            flat[high - 1] = at;
        }
    }
}

static bool is_fatal(const struct err *err)
{
    return err->code == ERR_NOMEM || err->code == ERR_LIMIT;
}

/* Where edges cross, a point was made: between those that it blends. */
static bool add_blends(struct making *m, const struct outline *outline,
                       const struct triangulate_result *result, uint32_t **out_points,
                       struct err *err)
{
    const uint32_t count = outline->ends[outline->ring_count - 1];
    uint32_t *points = arena_array(m->scratch, uint32_t, (size_t)count + result->blend_count);
    if (points == NULL) {
        return arena_full(m->scratch, err);
    }
    for (uint32_t i = 0; i < count; i++) {
        points[i] = outline->corners[i].point;
    }
    for (uint32_t b = 0; b < result->blend_count; b++) {
        const struct tessellate_blend *blend = &result->blends[b];
        struct vec3 at = {0, 0, 0};
        for (int i = 0; i < 4; i++) {
            if (blend->weights[i] > 0) {
                at = vec3_add(at, vec3_scale(m->points[points[blend->sources[i]]],
                                             (double)blend->weights[i]));
            }
        }
        if (m->point_count == m->point_room) {
            return err_set(err, ERR_GEOMETRY, "more crossings than corners");
        }
        m->points[m->point_count] = at;
        points[count + b] = m->point_count++;
    }
    *out_points = points;
    return true;
}

/* Texture coordinates of a triangle's corner; a blend takes those of its
 * largest source, which is where it lies to within a pixel. */
static void copy_uv(const struct making *m, const struct outline *outline,
                    const struct triangulate_result *result, uint32_t index, float *out)
{
    const uint32_t count = outline->ends[outline->ring_count - 1];
    for (int depth = 0; index >= count && depth < 16; depth++) {
        const struct tessellate_blend *blend = &result->blends[index - count];
        int largest = 0;
        for (int i = 1; i < 4; i++) {
            largest = blend->weights[i] > blend->weights[largest] ? i : largest;
        }
        index = blend->sources[largest];
    }
    const size_t corner = index < count ? outline->corners[index].corner : 0;
    out[0] = m->feature->uvs[2 * corner];
    out[1] = m->feature->uvs[2 * corner + 1];
}

static bool make_triangle_room(struct making *m, uint32_t more, struct err *err)
{
    struct shape *shape = &m->shape;
    if (shape->triangle_count + more <= m->triangle_room) {
        return true;
    }
    const uint32_t room = 2 * m->triangle_room > shape->triangle_count + more
                              ? 2 * m->triangle_room
                              : shape->triangle_count + more;
    uint32_t *corners = arena_array(m->out_arena, uint32_t, 3 * (size_t)room);
    uint32_t *faces = arena_array(m->out_arena, uint32_t, room);
    float *uvs =
        m->feature->uvs == NULL ? NULL : arena_array(m->out_arena, float, 6 * (size_t)room);
    if (corners == NULL || faces == NULL || (uvs == NULL && m->feature->uvs != NULL)) {
        return arena_full(m->out_arena, err);
    }
    if (shape->triangle_count > 0) {
        memcpy(corners, shape->corners, 3 * (size_t)shape->triangle_count * sizeof corners[0]);
        memcpy(faces, shape->triangle_faces, shape->triangle_count * sizeof faces[0]);
        if (uvs != NULL) {
            memcpy(uvs, shape->uvs, 6 * (size_t)shape->triangle_count * sizeof uvs[0]);
        }
    }
    shape->corners = corners;
    shape->triangle_faces = faces;
    shape->uvs = uvs;
    m->triangle_room = room;
    return true;
}

/* The polygon's rings are remembered, for finding out which side is out. */
static void keep_edges(struct making *m, const struct outline *outline, uint32_t first_triangle,
                       const struct feature_polygon *polygon)
{
    m->polygons[m->polygon_count++] = (struct orient_polygon){
        .first_ring = m->ring_end_count,
        .ring_count = outline->ring_count,
        .first_triangle = first_triangle,
        .triangle_count = m->shape.triangle_count - first_triangle,
        .shell = polygon->shell,
        .kind = polygon->kind,
    };
    const uint32_t base = m->ring_point_count;
    for (uint32_t r = 0; r < outline->ring_count; r++) {
        m->ring_ends[m->ring_end_count++] = base + outline->ends[r];
    }
    for (uint32_t i = 0; i < outline->ends[outline->ring_count - 1]; i++) {
        m->ring_points[m->ring_point_count++] = outline->corners[i].point;
    }
}

static bool add_triangles(struct making *m, const struct outline *outline,
                          const struct triangulate_result *result, uint32_t polygon_index,
                          struct vec3 normal, struct err *err)
{
    struct shape *shape = &m->shape;
    uint32_t *points;
    if (!add_blends(m, outline, result, &points, err) ||
        !make_triangle_room(m, result->triangle_count, err)) {
        return false;
    }
    const struct feature_polygon *polygon = &m->feature->polygons[polygon_index];
    const uint32_t first = shape->triangle_count;
    for (uint32_t t = 0; t < result->triangle_count; t++) {
        const uint32_t at = shape->triangle_count++;
        for (uint32_t k = 0; k < 3; k++) {
            const uint32_t index = result->corners[3 * t + k];
            shape->corners[3 * (size_t)at + k] = points[index];
            if (shape->uvs != NULL) {
                copy_uv(m, outline, result, index, shape->uvs + 6 * (size_t)at + 2 * k);
            }
        }
        shape->triangle_faces[at] = shape->face_count;
    }
    shape->faces[shape->face_count++] = (struct shape_face){.kind = polygon->kind,
                                                            .material = polygon->material,
                                                            .texture = polygon->texture,
                                                            .normal = normal,
                                                            .polygon = polygon_index};
    keep_edges(m, outline, first, polygon);
    return true;
}

/* One polygon; those that cannot be used are counted. */
static bool add_polygon(struct making *m, uint32_t polygon_index, struct err *err)
{
    const struct feature_polygon *polygon = &m->feature->polygons[polygon_index];
    struct outline outline;
    if (!keep_outline(m, polygon, &outline, err)) {
        return false;
    }
    if (outline.ring_count == 0) {
        m->repairs.slivers++;
        return true;
    }
    const struct vec3 newell = outline_normal(m, &outline);
    const struct vec3 normal = vec3_unit(newell);
    if (!(vec3_length(newell) > SHAPE_STRAIGHT_M * SHAPE_STRAIGHT_M)) {
        m->repairs.slivers++;
        return true;
    }
    struct triangulate_result result;
    struct err made;
    struct vec2 *flat;
    if (!flatten(m, &outline, normal, &flat, err)) {
        return false;
    }
    turn_holes(&outline, flat);
    const struct ring_set rings = {flat, outline.ends, outline.ring_count};
    if (!triangulate_polygon(&rings, m->scratch, m->scratch, &result, &made)) {
        if (made.code == ERR_NOMEM) {
            *err = made;
            return false;
        }
        m->repairs.skipped++;
        return true;
    }
    m->repairs.crossings += result.method == TRIANGULATE_CROSSING;
    if (!add_triangles(m, &outline, &result, polygon_index, normal, &made)) {
        if (is_fatal(&made)) {
            *err = made;
            return false;
        }
        m->repairs.skipped++;
    }
    return true;
}

static bool add_polygons(struct making *m, struct err *err)
{
    const struct feature_lod *lod = m->lod;
    size_t ring_count = 0;
    size_t corner_count = 0;
    const struct feature_ring *ring;
    for (struct ring_walk walk = {m, 0, 0}; next_ring(&walk, &ring);) {
        ring_count++;
        corner_count += ring->corner_count;
    }
    m->polygons = arena_array(m->scratch, struct orient_polygon, lod->polygon_count);
    m->ring_ends = arena_array(m->scratch, uint32_t, ring_count);
    m->ring_points = arena_array(m->scratch, uint32_t, corner_count);
    m->shape.faces = arena_array(m->out_arena, struct shape_face, lod->polygon_count);
    if (m->polygons == NULL || m->ring_ends == NULL || m->ring_points == NULL) {
        return arena_full(m->scratch, err);
    }
    if (m->shape.faces == NULL) {
        return arena_full(m->out_arena, err);
    }
    if (!make_triangle_room(m, (uint32_t)corner_count, err)) {
        return false;
    }
    for (uint32_t i = 0; i < lod->polygon_count; i++) {
        const struct arena_mark mark = arena_mark(m->scratch);
        const bool ok = add_polygon(m, lod->first_polygon + i, err);
        arena_reset(m->scratch, mark);
        if (!ok) {
            return false;
        }
    }
    return true;
}

/* ---- which side is out ---- */

static void flip_polygon(struct making *m, uint32_t index)
{
    const struct orient_polygon *polygon = &m->polygons[index];
    struct shape *shape = &m->shape;
    for (uint32_t i = 0; i < polygon->triangle_count; i++) {
        const size_t t = polygon->first_triangle + i;
        const uint32_t swap = shape->corners[3 * t + 1];
        shape->corners[3 * t + 1] = shape->corners[3 * t + 2];
        shape->corners[3 * t + 2] = swap;
        if (shape->uvs != NULL) {
            float kept[2];
            memcpy(kept, shape->uvs + 6 * t + 2, sizeof kept);
            memcpy(shape->uvs + 6 * t + 2, shape->uvs + 6 * t + 4, sizeof kept);
            memcpy(shape->uvs + 6 * t + 4, kept, sizeof kept);
        }
    }
    /* Each triangulated polygon made one face, in order. */
    shape->faces[index].normal = vec3_scale(shape->faces[index].normal, -1);
    m->repairs.flipped++;
}

static bool turn_outward(struct making *m, struct err *err)
{
    bool *is_flipped = arena_array(m->scratch, bool, m->polygon_count);
    if (is_flipped == NULL) {
        return arena_full(m->scratch, err);
    }
    const struct orient_surface surface = {
        .points = m->points,
        .corners = m->shape.corners,
        .polygons = m->polygons,
        .polygon_count = m->polygon_count,
        .ring_points = m->ring_points,
        .ring_ends = m->ring_ends,
        .shells = m->feature->shells,
    };
    if (!orient_decide(&surface, m->scratch, is_flipped, &m->shape.is_closed, err)) {
        return false;
    }
    for (uint32_t i = 0; i < m->polygon_count; i++) {
        if (is_flipped[i]) {
            flip_polygon(m, i);
        }
    }
    return true;
}

/* Points that no triangle uses: straight ones, and those of skipped polygons. */
static bool drop_unused_points(struct making *m, struct err *err)
{
    struct shape *shape = &m->shape;
    uint32_t *numbers = arena_array(m->scratch, uint32_t, m->point_count); /* + 1 */
    if (numbers == NULL) {
        return arena_full(m->scratch, err);
    }
    for (size_t c = 0; c < 3 * (size_t)shape->triangle_count; c++) {
        numbers[shape->corners[c]] = 1;
    }
    uint32_t count = 0;
    for (uint32_t p = 0; p < m->point_count; p++) {
        if (numbers[p] != 0) {
            m->points[count] = m->points[p];
            numbers[p] = ++count;
        }
    }
    for (size_t c = 0; c < 3 * (size_t)shape->triangle_count; c++) {
        shape->corners[c] = numbers[shape->corners[c]] - 1;
    }
    shape->points = m->points;
    shape->point_count = count;
    return true;
}

static void tell(struct report *report, enum report_level level, const char *kind,
                 const struct feature *feature, uint32_t count, const char *words)
{
    if (report == NULL || count == 0) {
        return;
    }
    struct err said;
    char id[64];
    err_set(&said, ERR_GEOMETRY, "%u %s", count, words);
    snprintf(id, sizeof id, "%.*s", TEXT_ARGS(feature->id));
    err_in_feature(&said, id);
    err_at_line(&said, feature->line, 1);
    report_add(report, level, kind, &said);
}

static void tell_repairs(const struct making *m, struct report *report)
{
    const struct shape_repairs *r = &m->repairs;
    const struct feature *feature = m->feature;
    tell(report, REPORT_SKIPPED, "polygon-without-area", feature, r->slivers,
         "polygons without area left out");
    tell(report, REPORT_SKIPPED, "polygon-not-triangulated", feature, r->skipped,
         "polygons could not be cut into triangles");
    tell(report, REPORT_REPAIRED, "polygon-crosses-itself", feature, r->crossings,
         "polygons cross themselves, drawn by the even-odd rule");
    tell(report, REPORT_REPAIRED, "orientation", feature, r->flipped, "polygons turned outward");
}

static bool make_shape(struct making *m, struct err *err)
{
    if (!weld_points(m, err) || !find_straight_points(m, err) || !add_polygons(m, err)) {
        return false;
    }
    if (m->shape.triangle_count == 0) {
        return err_set(err, ERR_GEOMETRY, "none of %u polygons has an area", m->lod->polygon_count);
    }
    return turn_outward(m, err) && drop_unused_points(m, err);
}

bool shape_from_feature(const struct feature *feature, size_t lod_index, const struct vec3 *placed,
                        struct arena *out_arena, struct arena *scratch, struct report *report,
                        struct shape *out, struct err *err)
{
    assert(lod_index < feature->lod_count);
    const struct arena_mark mark = arena_mark(scratch);
    struct making m = {.feature = feature,
                       .lod = &feature->lods[lod_index],
                       .placed = placed,
                       .out_arena = out_arena,
                       .scratch = scratch};
    const bool ok = make_shape(&m, err);
    arena_reset(scratch, mark);
    if (ok) {
        tell_repairs(&m, report);
        *out = m.shape;
    }
    return ok;
}

/* ---- measures ---- */

struct box3 shape_box(const struct shape *shape)
{
    struct box3 box = box3_empty();
    for (uint32_t i = 0; i < shape->point_count; i++) {
        box3_add(&box, shape->points[i]);
    }
    return box;
}

double shape_diameter_m(const struct shape *shape)
{
    const struct vec3 center = box3_center(shape_box(shape));
    double radius_m = 0;
    for (uint32_t i = 0; i < shape->point_count; i++) {
        radius_m = fmax(radius_m, vec3_distance(center, shape->points[i]));
    }
    return 2 * radius_m;
}

static struct vec3 triangle_across(const struct shape *shape, uint32_t triangle)
{
    const uint32_t *c = shape->corners + 3 * (size_t)triangle;
    const struct vec3 a = shape->points[c[0]];
    return vec3_cross(vec3_sub(shape->points[c[1]], a), vec3_sub(shape->points[c[2]], a));
}

double shape_area_m2(const struct shape *shape)
{
    double sum = 0;
    for (uint32_t t = 0; t < shape->triangle_count; t++) {
        sum += vec3_length(triangle_across(shape, t)) / 2;
    }
    return sum;
}

double shape_kind_area_m2(const struct shape *shape, enum feature_surface kind)
{
    double sum = 0;
    for (uint32_t t = 0; t < shape->triangle_count; t++) {
        if (shape->faces[shape->triangle_faces[t]].kind == kind) {
            sum += vec3_length(triangle_across(shape, t)) / 2;
        }
    }
    return sum;
}

double shape_volume_m3(const struct shape *shape)
{
    double sum = 0;
    const struct vec3 origin = shape->point_count == 0 ? (struct vec3){0, 0, 0} : shape->points[0];
    for (uint32_t t = 0; t < shape->triangle_count; t++) {
        const struct vec3 at = shape->points[shape->corners[3 * (size_t)t]];
        sum += vec3_dot(vec3_sub(at, origin), triangle_across(shape, t)) / 6;
    }
    return sum;
}

bool shape_floors(const struct shape *shape, struct arena *out_arena, bool **out, struct err *err)
{
    bool *is_floor = arena_array(out_arena, bool, shape->face_count);
    double *highest = arena_array(out_arena, double, shape->face_count);
    if (is_floor == NULL || highest == NULL) {
        return arena_full(out_arena, err);
    }
    bool has_ground = false;
    for (uint32_t f = 0; f < shape->face_count; f++) {
        has_ground = has_ground || shape->faces[f].kind == SURFACE_GROUND;
        highest[f] = -INFINITY;
    }
    for (size_t c = 0; c < 3 * (size_t)shape->triangle_count; c++) {
        double *top = &highest[shape->triangle_faces[c / 3]];
        *top = fmax(*top, shape->points[shape->corners[c]].z);
    }
    const double lowest = shape_box(shape).min.z;
    uint32_t count = 0;
    for (uint32_t f = 0; f < shape->face_count; f++) {
        const struct shape_face *face = &shape->faces[f];
        const bool looks_down = face->normal.z < -0.7;
        is_floor[f] = has_ground ? face->kind == SURFACE_GROUND && fabs(face->normal.z) > 0.7
                                 : face->kind == SURFACE_UNKNOWN && looks_down &&
                                       highest[f] <= lowest + SHAPE_FLOOR_M;
        count += is_floor[f];
    }
    if (count == shape->face_count) {
        memset(is_floor, 0, shape->face_count * sizeof is_floor[0]);
    }
    *out = is_floor;
    return true;
}

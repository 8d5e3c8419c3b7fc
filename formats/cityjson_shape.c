/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/cityjson_shape.h"

#include <stdlib.h>

/* One array of a feature may take this much; its indices then fit in 32 bits. */
#define SHAPE_BYTES_MAX ((size_t)1 << 30)

enum { MAP_SLOTS_MIN = 256 };

/* ---- maps ---- */

void cityjson_map_reset(struct cityjson_map *map)
{
    map->count = 0;
    map->generation++;
    if (map->generation == 0) {
        /* After 2^32 rounds old slots would look new. */
        memset(map->slots.data, 0, map->slots.size);
        map->generation = 1;
    }
}

static struct map_slot *map_find(const struct cityjson_map *map, uint32_t key)
{
    struct map_slot *slots = (struct map_slot *)(void *)map->slots.data;
    const size_t mask = map->slots.size / sizeof *slots - 1;
    size_t at = (size_t)(key * UINT32_C(0x9E3779B1)) & mask;
    while (slots[at].generation == map->generation && slots[at].key != key) {
        at = (at + 1) & mask;
    }
    return &slots[at];
}

/* Doubles the table; what is in it moves. */
static bool map_grow(struct cityjson_map *map, struct err *err)
{
    const size_t old_count = map->slots.size / sizeof(struct map_slot);
    const size_t new_count = old_count == 0 ? (size_t)MAP_SLOTS_MIN : 2 * old_count;
    struct cityjson_map grown = {.generation = 1};
    buf_init(&grown.slots, map->slots.limit_bytes);
    grown.slots.fail_after = map->slots.fail_after;
    grown.slots.grow_count = map->slots.grow_count;
    (void)buf_extend(&grown.slots, new_count * sizeof(struct map_slot));
    if (!buf_finish(&grown.slots, err)) {
        buf_release(&grown.slots);
        return false;
    }
    const struct map_slot *old = (const struct map_slot *)(const void *)map->slots.data;
    for (size_t i = 0; i < old_count; i++) {
        if (old[i].generation == map->generation) {
            *map_find(&grown, old[i].key) = (struct map_slot){old[i].key, old[i].value, 1};
        }
    }
    grown.count = map->count;
    buf_release(&map->slots);
    *map = grown;
    return true;
}

bool cityjson_map_add(struct cityjson_map *map, uint32_t key, struct map_slot **out,
                      bool *out_is_new, struct err *err)
{
    const size_t slot_count = map->slots.size / sizeof(struct map_slot);
    if (2 * (map->count + 1) > slot_count && !map_grow(map, err)) {
        return false;
    }
    struct map_slot *slot = map_find(map, key);
    *out_is_new = slot->generation != map->generation;
    if (*out_is_new) {
        *slot = (struct map_slot){key, 0, map->generation};
        map->count++;
    }
    *out = slot;
    return true;
}

/* ---- the shape ---- */

static void map_init(struct cityjson_map *map, size_t fail_after)
{
    *map = (struct cityjson_map){.generation = 1};
    buf_init(&map->slots, SHAPE_BYTES_MAX);
    map->slots.fail_after = fail_after;
}

void cityjson_shape_init(struct cityjson_shape *shape, size_t fail_after)
{
    *shape = (struct cityjson_shape){0};
    struct buf *bufs[] = {&shape->vertices, &shape->corners, &shape->uvs,       &shape->rings,
                          &shape->polygons, &shape->shells,  &shape->solids,    &shape->geometries,
                          &shape->kinds,    &shape->indices, &shape->materials, &shape->textures};
    for (size_t i = 0; i < sizeof bufs / sizeof bufs[0]; i++) {
        buf_init(bufs[i], SHAPE_BYTES_MAX);
        bufs[i]->fail_after = fail_after;
    }
    map_init(&shape->vertex_map, fail_after);
    map_init(&shape->material_map, fail_after);
    map_init(&shape->texture_map, fail_after);
}

void cityjson_shape_release(struct cityjson_shape *shape)
{
    struct buf *bufs[] = {&shape->vertices,
                          &shape->corners,
                          &shape->uvs,
                          &shape->rings,
                          &shape->polygons,
                          &shape->shells,
                          &shape->solids,
                          &shape->geometries,
                          &shape->kinds,
                          &shape->indices,
                          &shape->materials,
                          &shape->textures,
                          &shape->vertex_map.slots,
                          &shape->material_map.slots,
                          &shape->texture_map.slots};
    for (size_t i = 0; i < sizeof bufs / sizeof bufs[0]; i++) {
        buf_release(bufs[i]);
    }
}

void cityjson_shape_reset(struct cityjson_shape *shape)
{
    struct buf *bufs[] = {&shape->vertices, &shape->corners, &shape->uvs,       &shape->rings,
                          &shape->polygons, &shape->shells,  &shape->solids,    &shape->geometries,
                          &shape->kinds,    &shape->indices, &shape->materials, &shape->textures};
    for (size_t i = 0; i < sizeof bufs / sizeof bufs[0]; i++) {
        buf_reset(bufs[i]);
    }
    cityjson_map_reset(&shape->vertex_map);
    cityjson_map_reset(&shape->material_map);
    cityjson_map_reset(&shape->texture_map);
}

/* ---- the finished feature ---- */

struct output {
    uint32_t *corners;
    float *uvs; /* NULL: no textures */
    struct feature_ring *rings;
    struct feature_polygon *polygons;
    struct feature_lod *lods;
    size_t corner_count, ring_count, polygon_count, lod_count;
};

static int compare_geometries(const void *a, const void *b)
{
    const struct raw_geometry *left = a;
    const struct raw_geometry *right = b;
    if (left->level != right->level) {
        return left->level < right->level ? -1 : 1;
    }
    return left->order < right->order ? -1 : 1;
}

/* Exactly the same place: nothing is welded here. */
static bool same_place(const struct cityjson_shape *shape, uint32_t a, uint32_t b)
{
    const double *left = vertex_at(shape, a);
    const double *right = vertex_at(shape, b);
    return a == b || (left[0] == right[0] && left[1] == right[1] && left[2] == right[2]);
}

static void put_corner(struct cityjson_shape *shape, struct output *out, uint32_t raw)
{
    out->corners[out->corner_count] = *corner_at(shape, raw);
    if (out->uvs != NULL && (size_t)(raw + 1) * 2 * sizeof(float) <= shape->uvs.size) {
        memcpy(out->uvs + 2 * out->corner_count, uv_at(shape, raw), 2 * sizeof(float));
    }
    out->corner_count++;
}

/* Adds a ring without points that repeat the one before exactly, nor the first
 * one at the end; returns false, having added nothing, when fewer than 3 are
 * left. */
static bool put_ring(struct cityjson_shape *shape, struct output *out, const struct raw_ring *raw)
{
    const size_t first = out->corner_count;
    for (uint32_t i = 0; i < raw->corner_count; i++) {
        const uint32_t corner = *corner_at(shape, raw->first_corner + i);
        if (out->corner_count > first &&
            same_place(shape, corner, out->corners[out->corner_count - 1])) {
            continue;
        }
        put_corner(shape, out, raw->first_corner + i);
    }
    while (out->corner_count - first > 1 &&
           same_place(shape, out->corners[first], out->corners[out->corner_count - 1])) {
        out->corner_count--;
    }
    if (out->corner_count - first < 3) {
        out->corner_count = first;
        return false;
    }
    out->rings[out->ring_count++] =
        (struct feature_ring){(uint32_t)first, (uint32_t)(out->corner_count - first)};
    return true;
}

/* A ring that is too short is a mistake; one whose points fall together has no
 * area, and nothing is missing without it. */
static void report_ring(const struct cityjson *reader, struct text id, const struct raw_ring *ring,
                        bool is_outer)
{
    const char *what = is_outer ? "ring" : "hole";
    struct err err;
    if (ring->corner_count >= 3) {
        err_set(&err, ERR_GEOMETRY, "a %s of %u points, of which fewer than 3 differ", what,
                ring->corner_count);
    } else {
        err_set(&err, ERR_GEOMETRY, "a %s of %u points", what, ring->corner_count);
    }
    err_at_line(&err, ring->line, ring->column);
    if (ring->corner_count >= 3) {
        cityjson_report_err(reader, id, REPORT_REPAIRED, "ring-collapsed", &err);
    } else if (is_outer) {
        cityjson_report_err(reader, id, REPORT_SKIPPED, "ring-too-short", &err);
    } else {
        cityjson_report_err(reader, id, REPORT_REPAIRED, "hole-too-short", &err);
    }
}

static void put_polygon(struct cityjson *reader, struct text id, struct output *out,
                        const struct raw_polygon *raw)
{
    struct cityjson_shape *shape = &reader->shape;
    struct feature_polygon polygon = {
        .first_ring = (uint32_t)out->ring_count,
        .material = raw->material,
        .texture = raw->texture,
        .shell = raw->shell,
        .kind = raw->kind,
    };
    for (uint32_t i = 0; i < raw->ring_count; i++) {
        const struct raw_ring *ring = ring_at(shape, raw->first_ring + i);
        if (put_ring(shape, out, ring)) {
            polygon.ring_count++;
            continue;
        }
        report_ring(reader, id, ring, i == 0);
        if (i == 0) {
            return;
        }
    }
    if (raw->ring_count > 0) {
        out->polygons[out->polygon_count++] = polygon;
    }
}

/* Memory for all that is there, before anything is left out. */
static bool make_output(struct cityjson_shape *shape, struct arena *feature, struct output *out,
                        struct err *err)
{
    const size_t corner_count = count_of(&shape->corners, sizeof(uint32_t));
    *out = (struct output){
        .corners = arena_array(feature, uint32_t, corner_count),
        .rings = arena_array(feature, struct feature_ring,
                             count_of(&shape->rings, sizeof(struct raw_ring))),
        .polygons = arena_array(feature, struct feature_polygon,
                                count_of(&shape->polygons, sizeof(struct raw_polygon))),
        .lods = arena_array(feature, struct feature_lod,
                            count_of(&shape->geometries, sizeof(struct raw_geometry))),
    };
    if (out->corners == NULL || out->rings == NULL || out->polygons == NULL || out->lods == NULL) {
        return arena_full(feature, err);
    }
    if (shape->textures.size > 0) {
        out->uvs = arena_array(feature, float, 2 * corner_count);
        if (out->uvs == NULL) {
            return arena_full(feature, err);
        }
    }
    return true;
}

static bool copy(struct arena *feature, const struct buf *buf, size_t size, const void **out,
                 size_t *out_count, struct err *err)
{
    void *copied = arena_alloc(feature, buf->size / size, size, _Alignof(double));
    if (copied == NULL) {
        return arena_full(feature, err);
    }
    if (buf->size > 0) {
        memcpy(copied, buf->data, buf->size);
    }
    *out = copied;
    *out_count = buf->size / size;
    return true;
}

static bool copy_shells(struct cityjson_shape *shape, struct arena *feature, struct feature *out,
                        struct err *err)
{
    const uint32_t count = count_of(&shape->shells, sizeof(struct raw_shell));
    struct feature_shell *shells = arena_array(feature, struct feature_shell, count);
    if (shells == NULL) {
        return arena_full(feature, err);
    }
    for (uint32_t i = 0; i < count; i++) {
        shells[i].is_inner = shell_at(shape, i)->is_inner;
    }
    out->shells = shells;
    out->shell_count = count;
    return true;
}

/* Polygons level by level, coarsest first; geometries of one level together. */
static void put_levels(struct cityjson *reader, struct text id, struct output *out)
{
    struct cityjson_shape *shape = &reader->shape;
    struct raw_geometry *geometries = (struct raw_geometry *)(void *)shape->geometries.data;
    const uint32_t count = count_of(&shape->geometries, sizeof *geometries);
    qsort(geometries, count, sizeof *geometries, compare_geometries);
    for (uint32_t i = 0; i < count; i++) {
        const struct raw_geometry *geometry = &geometries[i];
        const size_t first = out->polygon_count;
        for (uint32_t k = 0; k < geometry->polygon_count; k++) {
            put_polygon(reader, id, out, polygon_at(shape, geometry->first_polygon + k));
        }
        const uint32_t added = (uint32_t)(out->polygon_count - first);
        struct feature_lod *last = out->lod_count == 0 ? NULL : &out->lods[out->lod_count - 1];
        if (last != NULL && last->level == geometry->level) { /* both read from text */
            last->polygon_count += added;
        } else if (added > 0) {
            out->lods[out->lod_count++] =
                (struct feature_lod){geometry->level, (uint32_t)first, added};
        }
    }
}

bool cityjson_shape_finish(struct cityjson *reader, struct arena *feature, struct feature *out,
                           struct err *err)
{
    struct cityjson_shape *shape = &reader->shape;
    struct output output;
    const void *vertices = NULL;
    const void *materials = NULL;
    const void *textures = NULL;
    size_t vertex_count = 0;
    size_t material_count = 0;
    size_t texture_count = 0;
    if (shape->geometries.size == 0) {
        return true;
    }
    if (!make_output(shape, feature, &output, err) ||
        !copy(feature, &shape->vertices, 3 * sizeof(double), &vertices, &vertex_count, err) ||
        !copy(feature, &shape->materials, sizeof(struct feature_material), &materials,
              &material_count, err) ||
        !copy(feature, &shape->textures, sizeof(struct feature_texture), &textures, &texture_count,
              err) ||
        !copy_shells(shape, feature, out, err)) {
        return false;
    }
    put_levels(reader, out->id, &output);
    out->vertices = vertices;
    out->vertex_count = vertex_count;
    out->materials = materials;
    out->material_count = material_count;
    out->textures = textures;
    out->texture_count = texture_count;
    out->corners = output.corners;
    out->uvs = output.uvs;
    out->corner_count = output.corner_count;
    out->rings = output.rings;
    out->ring_count = output.ring_count;
    out->polygons = output.polygons;
    out->polygon_count = output.polygon_count;
    out->lods = output.lods;
    out->lod_count = output.lod_count;
    return true;
}

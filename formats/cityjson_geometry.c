/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "formats/cityjson_internal.h"

/* One array of a feature may take this much; its indices then fit in 32 bits. */
#define SHAPE_BYTES_MAX ((size_t)1 << 30)

enum { MAP_SLOTS_MIN = 256 };
enum { MATRIX_NUMBERS = 16 };

/* Ring, polygon, shell, solid and geometry as they are read; cleaned and
 * counted when the feature is finished. */
struct raw_ring {
    uint32_t first_corner;
    uint32_t corner_count;
    uint32_t line;
    uint32_t column;
};

struct raw_polygon {
    uint32_t first_ring;
    uint32_t ring_count;
    int32_t material;
    int32_t texture;
    int32_t shell;
    enum feature_surface kind;
};

struct raw_shell {
    uint32_t first_polygon;
    uint32_t polygon_count;
    bool is_inner;
};

struct raw_solid {
    uint32_t first_shell;
    uint32_t shell_count;
};

struct raw_geometry {
    double level;
    uint32_t order; /* as in the source: the sort keeps it among equals */
    uint32_t first_polygon;
    uint32_t polygon_count;
};

/* How deep the boundaries of a geometry type go. */
enum nesting { NESTING_NONE, NESTING_SURFACES, NESTING_SHELLS, NESTING_SOLIDS };

/* The geometry object that is being read. */
struct geometry {
    struct cityjson *reader;
    struct cityjson_document *document; /* whose vertices and appearance it uses */
    struct text id;
    bool is_template;
    double matrix[MATRIX_NUMBERS]; /* of a template: row by row */
    double origin[3];

    double level;
    enum nesting nesting;
    uint32_t first_polygon;
    uint32_t first_shell;
    uint32_t first_solid;
};

/* The members of a geometry object, to be read in our order. */
struct members {
    struct json_string type;
    struct json boundaries, semantics, material, texture, template_index, matrix;
    bool has_boundaries, has_semantics, has_material, has_texture, has_template, has_matrix;
    bool is_read; /* the boundaries have been read already */
    double level;
    bool has_bad_level;
};

/* ---- buffers as arrays ---- */

static uint32_t count_of(const struct buf *buf, size_t size)
{
    return (uint32_t)(buf->size / size);
}

static struct raw_ring *ring_at(struct cityjson_shape *shape, uint32_t index)
{
    return (struct raw_ring *)(void *)shape->rings.data + index;
}

static struct raw_polygon *polygon_at(struct cityjson_shape *shape, uint32_t index)
{
    return (struct raw_polygon *)(void *)shape->polygons.data + index;
}

static struct raw_shell *shell_at(struct cityjson_shape *shape, uint32_t index)
{
    return (struct raw_shell *)(void *)shape->shells.data + index;
}

static struct raw_solid *solid_at(struct cityjson_shape *shape, uint32_t index)
{
    return (struct raw_solid *)(void *)shape->solids.data + index;
}

static uint32_t *corner_at(struct cityjson_shape *shape, uint32_t index)
{
    return (uint32_t *)(void *)shape->corners.data + index;
}

static const double *vertex_at(const struct cityjson_shape *shape, uint32_t index)
{
    return (const double *)(const void *)shape->vertices.data + (size_t)3 * index;
}

static float *uv_at(struct cityjson_shape *shape, uint32_t corner)
{
    return (float *)(void *)shape->uvs.data + (size_t)2 * corner;
}

static bool add(struct buf *buf, const void *record, size_t size, struct err *err)
{
    buf_add(buf, record, size);
    return buf->refusal == ERR_NONE || buf_finish(buf, err);
}

/* ---- maps ---- */

struct map_slot {
    uint32_t key;
    uint32_t value;
    uint32_t generation;
};

static void map_reset(struct cityjson_map *map)
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
    size_t at = (key * UINT32_C(0x9E3779B1)) & mask;
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

/* The slot of a key; *out_is_new when it was free, and the caller must set its
 * value. Valid until the next call. */
static bool map_add(struct cityjson_map *map, uint32_t key, struct map_slot **out, bool *out_is_new,
                    struct err *err)
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

static void shape_reset(struct cityjson_shape *shape)
{
    struct buf *bufs[] = {&shape->vertices, &shape->corners, &shape->uvs,       &shape->rings,
                          &shape->polygons, &shape->shells,  &shape->solids,    &shape->geometries,
                          &shape->kinds,    &shape->indices, &shape->materials, &shape->textures};
    for (size_t i = 0; i < sizeof bufs / sizeof bufs[0]; i++) {
        buf_reset(bufs[i]);
    }
    map_reset(&shape->vertex_map);
    map_reset(&shape->material_map);
    map_reset(&shape->texture_map);
}

/* ---- vertices ---- */

/* The vertex as a point of the source CRS; false with *err set, or with
 * *out_is_bad when it is there and cannot be used. */
static bool load_vertex(const struct geometry *geometry, uint32_t index, double out[3],
                        bool *out_is_bad, struct err *err)
{
    struct cityjson_document *document = geometry->document;
    const void *found = NULL;
    double raw[3];
    *out_is_bad = false;
    if (geometry->is_template) {
        if (!spill_read(&document->template_vertices, index, &found, err)) {
            return false;
        }
        memcpy(raw, found, sizeof raw);
        const double *m = geometry->matrix;
        for (int i = 0; i < 3; i++) {
            out[i] = m[4 * i] * raw[0] + m[4 * i + 1] * raw[1] + m[4 * i + 2] * raw[2] +
                     m[4 * i + 3] + geometry->origin[i];
        }
    } else {
        if (!spill_read(&document->vertices, index, &found, err)) {
            return false;
        }
        if (document->is_packed) {
            int32_t packed[3];
            memcpy(packed, found, sizeof packed);
            *out_is_bad = packed[0] == INT32_MIN;
            for (int i = 0; i < 3; i++) {
                raw[i] = packed[i];
            }
        } else {
            memcpy(raw, found, sizeof raw);
        }
        const struct cityjson_document *frame =
            document->has_transform ? document : &geometry->reader->header;
        for (int i = 0; i < 3; i++) {
            out[i] = frame->has_transform ? raw[i] * frame->scale[i] + frame->translate[i] : raw[i];
        }
    }
    *out_is_bad |= !isfinite(out[0]) || !isfinite(out[1]) || !isfinite(out[2]);
    return true;
}

/* The feature's own index of a vertex of the document. */
static bool use_vertex(const struct geometry *geometry, const struct json *at, uint32_t index,
                       uint32_t *out, struct err *err)
{
    struct cityjson_shape *shape = &geometry->reader->shape;
    const struct spill *vertices = geometry->is_template ? &geometry->document->template_vertices
                                                         : &geometry->document->vertices;
    if (index >= vertices->count) {
        return json_fail(at, err, ERR_SCHEMA, "vertex index %u, but %llu vertices", index,
                         (unsigned long long)vertices->count);
    }
    struct map_slot *slot = NULL;
    bool is_new = false;
    if (!map_add(&shape->vertex_map, index, &slot, &is_new, err)) {
        return false;
    }
    if (is_new) {
        double point[3];
        bool is_bad = false;
        if (!load_vertex(geometry, index, point, &is_bad, err)) {
            return false;
        }
        if (is_bad) {
            return json_fail(at, err, ERR_SCHEMA, "vertex %u is not 3 finite numbers", index);
        }
        slot->value = count_of(&shape->vertices, sizeof point);
        if (!add(&shape->vertices, point, sizeof point, err)) {
            return false;
        }
    }
    *out = slot->value;
    return true;
}

/* ---- boundaries ---- */

static bool read_ring(const struct geometry *geometry, struct json *json, struct err *err)
{
    struct cityjson_shape *shape = &geometry->reader->shape;
    (void)json_peek(json);
    const struct json before = *json;
    struct raw_ring ring = {
        .first_corner = count_of(&shape->corners, sizeof(uint32_t)),
        .line = before.line,
        .column = (uint32_t)(before.at - before.line_start + 1),
    };
    if (!json_indices(json, false, &shape->corners, err)) {
        return false;
    }
    const uint32_t end = count_of(&shape->corners, sizeof(uint32_t));
    ring.corner_count = end - ring.first_corner;
    for (uint32_t i = ring.first_corner; i < end; i++) {
        uint32_t *corner = corner_at(shape, i);
        if (!use_vertex(geometry, &before, *corner, corner, err)) {
            return false;
        }
    }
    return add(&shape->rings, &ring, sizeof ring, err);
}

static bool read_surface(const struct geometry *geometry, int32_t shell, struct json *json,
                         struct err *err)
{
    struct cityjson_shape *shape = &geometry->reader->shape;
    struct raw_polygon polygon = {
        .first_ring = count_of(&shape->rings, sizeof(struct raw_ring)),
        .material = FEATURE_NONE,
        .texture = FEATURE_NONE,
        .shell = shell,
        .kind = SURFACE_UNKNOWN,
    };
    if (!json_enter(json, JSON_ARRAY, err)) {
        return false;
    }
    for (;;) {
        bool is_end = false;
        if (!json_next_element(json, &is_end, err)) {
            return false;
        }
        if (is_end) {
            break;
        }
        if (!read_ring(geometry, json, err)) {
            return false;
        }
        polygon.ring_count++;
    }
    return add(&shape->polygons, &polygon, sizeof polygon, err);
}

/* The array of surfaces of a shell, or of a bare surface when it is
 * FEATURE_NONE. */
static bool read_surfaces(const struct geometry *geometry, int32_t shell, struct json *json,
                          struct err *err)
{
    if (!json_enter(json, JSON_ARRAY, err)) {
        return false;
    }
    for (;;) {
        bool is_end = false;
        if (!json_next_element(json, &is_end, err)) {
            return false;
        }
        if (is_end) {
            return true;
        }
        if (!read_surface(geometry, shell, json, err)) {
            return false;
        }
    }
}

/* The array of shells of one solid: the outer one, then those of voids. */
static bool read_shells(const struct geometry *geometry, struct json *json, struct err *err)
{
    struct cityjson_shape *shape = &geometry->reader->shape;
    struct raw_solid solid = {.first_shell = count_of(&shape->shells, sizeof(struct raw_shell))};
    if (!json_enter(json, JSON_ARRAY, err)) {
        return false;
    }
    for (;;) {
        bool is_end = false;
        if (!json_next_element(json, &is_end, err)) {
            return false;
        }
        if (is_end) {
            break;
        }
        struct raw_shell shell = {
            .first_polygon = count_of(&shape->polygons, sizeof(struct raw_polygon)),
            .is_inner = solid.shell_count > 0,
        };
        const uint32_t index = solid.first_shell + solid.shell_count;
        if (!read_surfaces(geometry, (int32_t)index, json, err)) {
            return false;
        }
        shell.polygon_count =
            count_of(&shape->polygons, sizeof(struct raw_polygon)) - shell.first_polygon;
        if (!add(&shape->shells, &shell, sizeof shell, err)) {
            return false;
        }
        solid.shell_count++;
    }
    return add(&shape->solids, &solid, sizeof solid, err);
}

static bool read_solids(const struct geometry *geometry, struct json *json, struct err *err)
{
    if (!json_enter(json, JSON_ARRAY, err)) {
        return false;
    }
    for (;;) {
        bool is_end = false;
        if (!json_next_element(json, &is_end, err)) {
            return false;
        }
        if (is_end) {
            return true;
        }
        if (!read_shells(geometry, json, err)) {
            return false;
        }
    }
}

/* What is added from here on belongs to this geometry. */
static void begin_boundaries(struct geometry *geometry, const struct cityjson_shape *shape)
{
    geometry->first_polygon = count_of(&shape->polygons, sizeof(struct raw_polygon));
    geometry->first_shell = count_of(&shape->shells, sizeof(struct raw_shell));
    geometry->first_solid = count_of(&shape->solids, sizeof(struct raw_solid));
}

static bool read_boundaries(const struct geometry *geometry, struct json *json, struct err *err)
{
    switch (geometry->nesting) {
    case NESTING_SURFACES:
        return read_surfaces(geometry, FEATURE_NONE, json, err);
    case NESTING_SHELLS:
        return read_shells(geometry, json, err);
    case NESTING_SOLIDS:
        return read_solids(geometry, json, err);
    case NESTING_NONE:
        break;
    }
    assert(false);
    return true;
}

/* ---- values that mirror the boundaries ---- */

/* What a walk over nested values does with the value of one polygon; it takes
 * the value. `context` is its own. */
typedef bool (*visit_fn)(const struct geometry *geometry, struct raw_polygon *polygon,
                         struct json *json, void *context, struct err *err);

struct walk {
    const struct geometry *geometry;
    visit_fn visit;
    void *context;
    const char *kind; /* for the report: "semantics", ... */
};

static void repair(const struct geometry *geometry, const struct json *json, const char *kind,
                   const char *what)
{
    cityjson_report(geometry->reader, json, geometry->id, REPORT_REPAIRED, kind, "%s", what);
}

/*
 * Values of `count` polygons from `first` on, of that many shells, or of that
 * many solids. null at any depth stands for all below it. What does not fit is
 * reported and left.
 */
static bool walk_values(const struct walk *walk, enum nesting nesting, uint32_t first,
                        uint32_t count, struct json *json, struct err *err)
{
    struct cityjson_shape *shape = &walk->geometry->reader->shape;
    const struct json before = *json;
    const enum json_kind kind = json_peek(json);
    if (kind != JSON_ARRAY) {
        if (kind != JSON_NULL) {
            repair(walk->geometry, json, walk->kind, "values are not nested as the boundaries are");
        }
        return json_skip(json, err);
    }
    if (!json_enter(json, JSON_ARRAY, err)) {
        return false;
    }
    uint32_t at = 0;
    for (;; at++) {
        bool is_end = false;
        if (!json_next_element(json, &is_end, err)) {
            return false;
        }
        if (is_end) {
            break;
        }
        bool ok = true;
        if (at >= count) {
            ok = json_skip(json, err);
        } else if (nesting == NESTING_SURFACES) {
            struct raw_polygon *polygon = polygon_at(shape, first + at);
            ok = walk->visit(walk->geometry, polygon, json, walk->context, err);
        } else if (nesting == NESTING_SHELLS) {
            const struct raw_shell shell = *shell_at(shape, first + at);
            ok = walk_values(walk, NESTING_SURFACES, shell.first_polygon, shell.polygon_count, json,
                             err);
        } else {
            const struct raw_solid solid = *solid_at(shape, first + at);
            ok = walk_values(walk, NESTING_SHELLS, solid.first_shell, solid.shell_count, json, err);
        }
        if (!ok) {
            return false;
        }
    }
    if (at != count) {
        cityjson_report(walk->geometry->reader, &before, walk->geometry->id, REPORT_REPAIRED,
                        walk->kind, "%u values for %u boundaries", at, count);
    }
    return true;
}

/* The values of the whole geometry. */
static bool walk_geometry(const struct walk *walk, struct json *json, struct err *err)
{
    const struct geometry *geometry = walk->geometry;
    struct cityjson_shape *shape = &geometry->reader->shape;
    switch (geometry->nesting) {
    case NESTING_SURFACES:
        return walk_values(walk, NESTING_SURFACES, geometry->first_polygon,
                           count_of(&shape->polygons, sizeof(struct raw_polygon)) -
                               geometry->first_polygon,
                           json, err);
    case NESTING_SHELLS:
        return walk_values(
            walk, NESTING_SHELLS, geometry->first_shell,
            count_of(&shape->shells, sizeof(struct raw_shell)) - geometry->first_shell, json, err);
    case NESTING_SOLIDS:
        return walk_values(
            walk, NESTING_SOLIDS, geometry->first_solid,
            count_of(&shape->solids, sizeof(struct raw_solid)) - geometry->first_solid, json, err);
    case NESTING_NONE:
        break;
    }
    return json_skip(json, err);
}

/* An index, or FEATURE_NONE for null; false in *out_is_index when it is
 * something else, which has been passed over. */
static bool read_value(struct json *json, int64_t *out, bool *out_is_index, struct err *err)
{
    *out = FEATURE_NONE;
    *out_is_index = true;
    const enum json_kind kind = json_peek(json);
    if (kind == JSON_NULL) {
        return json_skip(json, err);
    }
    if (kind != JSON_NUMBER) {
        *out_is_index = false;
        return json_skip(json, err);
    }
    struct json_number number;
    if (!json_number(json, &number, err)) {
        return false;
    }
    *out_is_index = number.is_small && number.small >= 0;
    *out = number.small;
    return true;
}

/* ---- semantics ---- */

static bool read_surface_kind(struct json *json, struct buf *kinds, struct err *err)
{
    uint8_t kind = SURFACE_UNKNOWN;
    if (json_peek(json) != JSON_OBJECT) {
        return json_skip(json, err) && add(kinds, &kind, 1, err);
    }
    if (!json_enter(json, JSON_OBJECT, err)) {
        return false;
    }
    for (;;) {
        struct json_string key;
        bool is_end = false;
        if (!json_next_member(json, &key, &is_end, err)) {
            return false;
        }
        if (is_end) {
            return add(kinds, &kind, 1, err);
        }
        if (json_string_is(key, "type") && json_peek(json) == JSON_STRING) {
            struct json_string type;
            if (!json_string(json, &type, err)) {
                return false;
            }
            kind = (uint8_t)feature_surface_of(type.raw);
        } else if (!json_skip(json, err)) {
            return false;
        }
    }
}

static bool read_surface_kinds(struct json *json, struct buf *kinds, struct err *err)
{
    if (!json_enter(json, JSON_ARRAY, err)) {
        return false;
    }
    for (;;) {
        bool is_end = false;
        if (!json_next_element(json, &is_end, err)) {
            return false;
        }
        if (is_end) {
            return true;
        }
        if (!read_surface_kind(json, kinds, err)) {
            return false;
        }
    }
}

static bool visit_semantics(const struct geometry *geometry, struct raw_polygon *polygon,
                            struct json *json, void *context, struct err *err)
{
    const struct buf *kinds = context;
    (void)json_peek(json);
    const struct json before = *json;
    int64_t index = 0;
    bool is_index = false;
    if (!read_value(json, &index, &is_index, err)) {
        return false;
    }
    if (!is_index) {
        repair(geometry, &before, "semantics", "a value that is no index");
    } else if (index >= (int64_t)kinds->size) {
        cityjson_report(geometry->reader, &before, geometry->id, REPORT_REPAIRED, "semantics",
                        "semantics index %lld, but %zu surfaces", (long long)index, kinds->size);
    } else if (index >= 0) {
        polygon->kind = (enum feature_surface)kinds->data[index];
    }
    return true;
}

static bool read_semantics(const struct geometry *geometry, struct json *json, struct err *err)
{
    if (json_peek(json) != JSON_OBJECT) {
        if (json_peek(json) != JSON_NULL) {
            repair(geometry, json, "semantics", "semantics that are no object");
        }
        return json_skip(json, err);
    }
    struct buf *kinds = &geometry->reader->shape.kinds;
    struct json values;
    bool has_values = false;
    buf_reset(kinds);
    if (!json_enter(json, JSON_OBJECT, err)) {
        return false;
    }
    for (;;) {
        struct json_string key;
        bool is_end = false;
        if (!json_next_member(json, &key, &is_end, err)) {
            return false;
        }
        if (is_end) {
            break;
        }
        if (json_string_is(key, "surfaces") && json_peek(json) == JSON_ARRAY) {
            buf_reset(kinds);
            if (!read_surface_kinds(json, kinds, err)) {
                return false;
            }
            continue;
        }
        if (json_string_is(key, "values")) {
            has_values = true;
            values = *json;
        }
        if (!json_skip(json, err)) {
            return false;
        }
    }
    const struct walk walk = {geometry, visit_semantics, kinds, "semantics"};
    return !has_values || walk_geometry(&walk, &values, err);
}

/* ---- materials ---- */

/* Whose appearance a geometry refers to: a line without one has the first
 * line's. */
static struct cityjson_document *appearance_of(const struct geometry *geometry)
{
    struct cityjson_document *document = geometry->document;
    return document->has_appearance ? document : &geometry->reader->header;
}

/* Keys of materials and textures: two documents may be in play at once. */
static uint32_t appearance_key(const struct geometry *geometry, uint32_t index)
{
    const bool is_header = appearance_of(geometry) == &geometry->reader->header;
    return index << 1 | (is_header ? 1U : 0U);
}

static float clamped(double value, double min, double max)
{
    return (float)(value < min ? min : value > max ? max : value);
}

/* Up to `count` numbers of an array, each 0 to 1; others stay as they are. */
static bool read_color(struct json *json, float *out, size_t count, struct err *err)
{
    if (json_peek(json) != JSON_ARRAY) {
        return json_skip(json, err);
    }
    if (!json_enter(json, JSON_ARRAY, err)) {
        return false;
    }
    for (size_t i = 0;; i++) {
        bool is_end = false;
        if (!json_next_element(json, &is_end, err)) {
            return false;
        }
        if (is_end) {
            return true;
        }
        struct json_number number;
        double value = 0;
        if (json_peek(json) != JSON_NUMBER) {
            if (!json_skip(json, err)) {
                return false;
            }
        } else if (!json_number(json, &number, err)) {
            return false;
        } else if (i < count && json_number_real(number, &value)) {
            out[i] = clamped(value, 0, 1);
        }
    }
}

static bool read_fraction(struct json *json, float *out, struct err *err)
{
    struct json_number number;
    double value = 0;
    if (json_peek(json) != JSON_NUMBER) {
        return json_skip(json, err);
    }
    if (!json_number(json, &number, err)) {
        return false;
    }
    if (json_number_real(number, &value)) {
        *out = clamped(value, 0, 1);
    }
    return true;
}

static bool read_material_member(struct json *json, struct json_string key, struct arena *feature,
                                 struct feature_material *material, struct err *err)
{
    if (json_string_is(key, "name") && json_peek(json) == JSON_STRING) {
        struct json_string name;
        return json_string(json, &name, err) &&
               json_string_text(name, feature, &material->name, err);
    }
    if (json_string_is(key, "diffuseColor")) {
        return read_color(json, material->diffuse, 3, err);
    }
    if (json_string_is(key, "emissiveColor")) {
        return read_color(json, material->emissive, 3, err);
    }
    if (json_string_is(key, "specularColor")) {
        return read_color(json, material->specular, 3, err);
    }
    if (json_string_is(key, "shininess")) {
        return read_fraction(json, &material->shininess, err);
    }
    if (json_string_is(key, "transparency")) {
        float transparency = 0;
        const bool ok = read_fraction(json, &transparency, err);
        material->alpha = 1 - transparency;
        return ok;
    }
    return json_skip(json, err);
}

static bool read_material(struct json *json, struct arena *feature, struct feature_material *out,
                          struct err *err)
{
    /* X3D's defaults, which CityJSON takes over. */
    struct feature_material material = {
        .diffuse = {0.8F, 0.8F, 0.8F},
        .alpha = 1,
        .shininess = 0.2F,
    };
    if (!json_enter(json, JSON_OBJECT, err)) {
        return false;
    }
    for (;;) {
        struct json_string key;
        bool is_end = false;
        if (!json_next_member(json, &key, &is_end, err)) {
            return false;
        }
        if (is_end) {
            *out = material;
            return true;
        }
        if (!read_material_member(json, key, feature, &material, err)) {
            return false;
        }
    }
}

/* A place among the document's materials or textures; *out_is_there is false
 * when there is no such one, or it is no object. */
static bool find_appearance(const struct geometry *geometry, struct spill *places, uint64_t index,
                            struct json *out, bool *out_is_there, struct err *err)
{
    const void *found = NULL;
    *out_is_there = false;
    if (index >= places->count || index > UINT32_MAX / 2) {
        return true;
    }
    if (!spill_read(places, index, &found, err)) {
        return false;
    }
    *out = cityjson_go(appearance_of(geometry), *(const struct cityjson_place *)found);
    *out_is_there = json_peek(out) == JSON_OBJECT;
    return true;
}

/* The feature's own index of a material; FEATURE_NONE, reported, when there is
 * no such material. */
static bool use_material(const struct geometry *geometry, const struct json *at, int64_t index,
                         struct arena *feature, int32_t *out, struct err *err)
{
    struct cityjson_shape *shape = &geometry->reader->shape;
    struct spill *places = &appearance_of(geometry)->materials;
    struct json json;
    bool is_there = false;
    if (!find_appearance(geometry, places, (uint64_t)index, &json, &is_there, err)) {
        return false;
    }
    if (!is_there) {
        cityjson_report(geometry->reader, at, geometry->id, REPORT_REPAIRED, "material",
                        "material index %lld, but %llu materials", (long long)index,
                        (unsigned long long)places->count);
        *out = FEATURE_NONE;
        return true;
    }
    struct map_slot *slot = NULL;
    bool is_new = false;
    if (!map_add(&shape->material_map, appearance_key(geometry, (uint32_t)index), &slot, &is_new,
                 err)) {
        return false;
    }
    if (is_new) {
        struct feature_material material;
        slot->value = count_of(&shape->materials, sizeof material);
        if (!read_material(&json, feature, &material, err) ||
            !add(&shape->materials, &material, sizeof material, err)) {
            return false;
        }
    }
    *out = (int32_t)slot->value;
    return true;
}

static bool visit_material(const struct geometry *geometry, struct raw_polygon *polygon,
                           struct json *json, void *context, struct err *err)
{
    struct arena *feature = context;
    (void)json_peek(json);
    const struct json before = *json;
    int64_t index = 0;
    bool is_index = false;
    if (!read_value(json, &index, &is_index, err)) {
        return false;
    }
    if (!is_index) {
        repair(geometry, &before, "material", "a value that is no index");
        return true;
    }
    return index < 0 || use_material(geometry, &before, index, feature, &polygon->material, err);
}

/* "value": one material for all. */
static bool apply_single_material(const struct geometry *geometry, struct json *json,
                                  struct arena *feature, struct err *err)
{
    struct cityjson_shape *shape = &geometry->reader->shape;
    struct raw_polygon one = {.material = FEATURE_NONE};
    if (!visit_material(geometry, &one, json, feature, err)) {
        return false;
    }
    const uint32_t end = count_of(&shape->polygons, sizeof one);
    for (uint32_t i = geometry->first_polygon; i < end; i++) {
        polygon_at(shape, i)->material = one.material;
    }
    return true;
}

/* ---- textures ---- */

static enum feature_wrap wrap_of(struct json_string word)
{
    return json_string_is(word, "wrap")     ? WRAP_REPEAT
           : json_string_is(word, "mirror") ? WRAP_MIRROR
           : json_string_is(word, "clamp")  ? WRAP_CLAMP
           : json_string_is(word, "border") ? WRAP_BORDER
                                            : WRAP_NONE;
}

static bool read_texture(struct json *json, struct arena *feature, struct feature_texture *out,
                         struct err *err)
{
    struct feature_texture texture = {.wrap = WRAP_NONE};
    if (!json_enter(json, JSON_OBJECT, err)) {
        return false;
    }
    for (;;) {
        struct json_string key;
        bool is_end = false;
        if (!json_next_member(json, &key, &is_end, err)) {
            return false;
        }
        if (is_end) {
            *out = texture;
            return true;
        }
        const bool is_string = json_peek(json) == JSON_STRING;
        struct json_string string;
        bool ok = true;
        if (json_string_is(key, "image") && is_string) {
            ok = json_string(json, &string, err) &&
                 json_string_text(string, feature, &texture.image, err);
        } else if (json_string_is(key, "wrapMode") && is_string) {
            ok = json_string(json, &string, err);
            texture.wrap = ok ? wrap_of(string) : WRAP_NONE;
        } else if (json_string_is(key, "borderColor")) {
            texture.border[3] = 1;
            ok = read_color(json, texture.border, 4, err);
        } else {
            ok = json_skip(json, err);
        }
        if (!ok) {
            return false;
        }
    }
}

static bool use_texture(const struct geometry *geometry, uint32_t index, struct arena *feature,
                        int32_t *out, struct err *err)
{
    struct cityjson_shape *shape = &geometry->reader->shape;
    struct json json;
    bool is_there = false;
    *out = FEATURE_NONE;
    if (!find_appearance(geometry, &appearance_of(geometry)->textures, index, &json, &is_there,
                         err)) {
        return false;
    }
    if (!is_there) {
        return true;
    }
    struct map_slot *slot = NULL;
    bool is_new = false;
    if (!map_add(&shape->texture_map, appearance_key(geometry, index), &slot, &is_new, err)) {
        return false;
    }
    if (is_new) {
        struct feature_texture texture;
        slot->value = count_of(&shape->textures, sizeof texture);
        if (!read_texture(&json, feature, &texture, err) ||
            !add(&shape->textures, &texture, sizeof texture, err)) {
            return false;
        }
    }
    *out = (int32_t)slot->value;
    return true;
}

/* Texture coordinates of the ring's corners, from their indices. */
static bool set_uvs(const struct geometry *geometry, const struct raw_ring *ring,
                    const uint32_t *indices, bool *out_fits, struct err *err)
{
    struct cityjson_shape *shape = &geometry->reader->shape;
    struct spill *vertices = &appearance_of(geometry)->texture_vertices;
    const size_t need = (size_t)(ring->first_corner + ring->corner_count) * 2 * sizeof(float);
    if (shape->uvs.size < need) {
        (void)buf_extend(&shape->uvs, need - shape->uvs.size);
        if (!buf_finish(&shape->uvs, err)) {
            return false;
        }
    }
    for (uint32_t i = 0; i < ring->corner_count; i++) {
        const void *found = NULL;
        if (indices[i] >= vertices->count) {
            *out_fits = false;
            return true;
        }
        if (!spill_read(vertices, indices[i], &found, err)) {
            return false;
        }
        memcpy(uv_at(shape, ring->first_corner + i), found, 2 * sizeof(float));
    }
    *out_fits = true;
    return true;
}

/* [texture, uv, uv, ...] of one ring, or [null]. *out_texture is the document's
 * index or CITYJSON_NONE; *out_fits whether all of it is right. */
static bool read_ring_texture(const struct geometry *geometry, const struct raw_ring *ring,
                              struct json *json, uint32_t *out_texture, bool *out_fits,
                              struct err *err)
{
    struct buf *indices = &geometry->reader->shape.indices;
    *out_texture = CITYJSON_NONE;
    *out_fits = true;
    if (json_peek(json) != JSON_ARRAY) {
        *out_fits = json_peek(json) == JSON_NULL;
        return json_skip(json, err);
    }
    buf_reset(indices);
    const struct json before = *json;
    if (!json_indices(json, true, indices, err)) {
        if (err->code != ERR_SCHEMA) {
            return false;
        }
        *json = before;
        *out_fits = false;
        return json_skip(json, err);
    }
    const uint32_t count = count_of(indices, sizeof(uint32_t));
    const uint32_t *values = (const uint32_t *)(const void *)indices->data;
    if (count == 0 || values[0] == CITYJSON_NONE) {
        return true;
    }
    *out_texture = values[0];
    if (count - 1 != ring->corner_count) {
        *out_fits = false;
        return true;
    }
    return set_uvs(geometry, ring, values + 1, out_fits, err);
}

static bool visit_texture(const struct geometry *geometry, struct raw_polygon *polygon,
                          struct json *json, void *context, struct err *err)
{
    struct arena *feature = context;
    struct cityjson_shape *shape = &geometry->reader->shape;
    (void)json_peek(json);
    const struct json before = *json;
    if (json_peek(json) != JSON_ARRAY) {
        if (json_peek(json) != JSON_NULL) {
            repair(geometry, &before, "texture", "values are not nested as the boundaries are");
        }
        return json_skip(json, err);
    }
    if (!json_enter(json, JSON_ARRAY, err)) {
        return false;
    }
    uint32_t texture = CITYJSON_NONE;
    bool all_fit = true;
    uint32_t at = 0;
    for (;; at++) {
        bool is_end = false;
        if (!json_next_element(json, &is_end, err)) {
            return false;
        }
        if (is_end) {
            break;
        }
        if (at >= polygon->ring_count) {
            if (!json_skip(json, err)) {
                return false;
            }
            continue;
        }
        uint32_t found = CITYJSON_NONE;
        bool fits = true;
        const struct raw_ring ring = *ring_at(shape, polygon->first_ring + at);
        if (!read_ring_texture(geometry, &ring, json, &found, &fits, err)) {
            return false;
        }
        texture = at == 0 ? found : texture;
        all_fit = all_fit && fits && found == texture;
    }
    /* [null] for a polygon with holes stands for all its rings. */
    const bool fits = all_fit && (at == polygon->ring_count || texture == CITYJSON_NONE);
    int32_t local = FEATURE_NONE;
    if (fits && texture != CITYJSON_NONE && !use_texture(geometry, texture, feature, &local, err)) {
        return false;
    }
    if (!fits || (texture != CITYJSON_NONE && local == FEATURE_NONE)) {
        repair(geometry, &before, "texture",
               "a texture index past the end, or not one texture vertex for each point");
    }
    polygon->texture = local;
    return true;
}

/* ---- themes ---- */

/* How good a theme is: 4 the one asked for, 3 the file's default, 2 the first. */
static int theme_rank(const struct geometry *geometry, struct json_string name,
                      struct json_string preferred, bool is_first)
{
    const char *wanted = geometry->reader->input.options->theme;
    if (wanted != NULL && json_string_is(name, wanted)) {
        return 4;
    }
    if (preferred.raw.data != NULL && text_equals(name.raw, preferred.raw)) {
        return 3;
    }
    return is_first ? 2 : 1;
}

/* Stands before the best theme's value; *out_has_any false: there is none. */
static bool find_theme(const struct geometry *geometry, struct json *json,
                       struct json_string preferred, struct json *out, bool *out_has_any,
                       struct err *err)
{
    int best = 0;
    *out_has_any = false;
    if (!json_enter(json, JSON_OBJECT, err)) {
        return false;
    }
    for (bool is_first = true;; is_first = false) {
        struct json_string name;
        bool is_end = false;
        if (!json_next_member(json, &name, &is_end, err)) {
            return false;
        }
        if (is_end) {
            return true;
        }
        const int rank = theme_rank(geometry, name, preferred, is_first);
        if (rank > best && json_peek(json) == JSON_OBJECT) {
            best = rank;
            *out = *json;
            *out_has_any = true;
        }
        if (!json_skip(json, err)) {
            return false;
        }
    }
}

/* "material" or "texture": {theme: {"values": ...} or {"value": n}}. */
static bool read_themes(const struct geometry *geometry, struct json *json, bool is_material,
                        struct arena *feature, struct err *err)
{
    const char *kind = is_material ? "material" : "texture";
    if (json_peek(json) != JSON_OBJECT) {
        if (json_peek(json) != JSON_NULL) {
            repair(geometry, json, kind, "themes that are no object");
        }
        return json_skip(json, err);
    }
    const struct cityjson_document *appearance = appearance_of(geometry);
    const struct json_string preferred =
        is_material ? appearance->material_theme : appearance->texture_theme;
    struct json theme;
    bool has_any = false;
    if (!find_theme(geometry, json, preferred, &theme, &has_any, err)) {
        return false;
    }
    if (!has_any) {
        return true;
    }
    const struct walk walk = {geometry, is_material ? visit_material : visit_texture, feature,
                              kind};
    if (!json_enter(&theme, JSON_OBJECT, err)) {
        return false;
    }
    for (;;) {
        struct json_string key;
        bool is_end = false;
        if (!json_next_member(&theme, &key, &is_end, err)) {
            return false;
        }
        if (is_end) {
            return true;
        }
        bool ok = true;
        if (json_string_is(key, "values")) {
            ok = walk_geometry(&walk, &theme, err);
        } else if (json_string_is(key, "value") && is_material) {
            ok = apply_single_material(geometry, &theme, feature, err);
        } else {
            ok = json_skip(&theme, err);
        }
        if (!ok) {
            return false;
        }
    }
}

/* ---- one geometry ---- */

static enum nesting nesting_of(struct json_string type)
{
    static const struct {
        const char *type;
        enum nesting nesting;
    } rows[] = {
        {"MultiSurface", NESTING_SURFACES}, {"CompositeSurface", NESTING_SURFACES},
        {"Solid", NESTING_SHELLS},          {"MultiSolid", NESTING_SOLIDS},
        {"CompositeSolid", NESTING_SOLIDS},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (json_string_is(type, rows[i].type)) {
            return rows[i].nesting;
        }
    }
    return NESTING_NONE;
}

static bool keep(struct json *json, struct json *place, bool *has, struct err *err)
{
    (void)json_peek(json);
    *place = *json;
    *has = true;
    return json_skip(json, err);
}

/* Boundaries are read where they stand if the type came before them, as it
 * mostly does: they are most of a file, and would be passed over twice. */
static bool read_or_keep_boundaries(struct geometry *geometry, struct json *json,
                                    struct members *members, struct err *err)
{
    struct cityjson_shape *shape = &geometry->reader->shape;
    if (members->has_boundaries) {
        return json_skip(json, err);
    }
    geometry->nesting = members->type.raw.data == NULL ? NESTING_NONE : nesting_of(members->type);
    if (geometry->nesting == NESTING_NONE) {
        return keep(json, &members->boundaries, &members->has_boundaries, err);
    }
    members->has_boundaries = true;
    members->is_read = true;
    begin_boundaries(geometry, shape);
    return read_boundaries(geometry, json, err);
}

static bool read_member(struct geometry *geometry, struct json *json, struct json_string key,
                        struct members *members, struct err *err)
{
    if (json_string_is(key, "type")) {
        struct json_string type;
        if (!json_string(json, &type, err)) {
            return false;
        }
        /* A second one cannot change what has been read by the first. */
        members->type = members->is_read ? members->type : type;
        return true;
    }
    if (json_string_is(key, "lod")) {
        members->has_bad_level = json_peek(json) != JSON_NULL;
        if (!cityjson_read_level(json, &members->level, err)) {
            return false;
        }
        members->has_bad_level = members->has_bad_level && members->level < 0;
        return true;
    }
    if (json_string_is(key, "boundaries")) {
        return read_or_keep_boundaries(geometry, json, members, err);
    }
    if (json_string_is(key, "semantics")) {
        return keep(json, &members->semantics, &members->has_semantics, err);
    }
    if (json_string_is(key, "material")) {
        return keep(json, &members->material, &members->has_material, err);
    }
    if (json_string_is(key, "texture")) {
        return keep(json, &members->texture, &members->has_texture, err);
    }
    if (json_string_is(key, "template")) {
        return keep(json, &members->template_index, &members->has_template, err);
    }
    if (json_string_is(key, "transformationMatrix")) {
        return keep(json, &members->matrix, &members->has_matrix, err);
    }
    return json_skip(json, err);
}

static bool read_members(struct geometry *geometry, struct json *json, struct members *out,
                         struct err *err)
{
    *out = (struct members){.level = -1};
    if (!json_enter(json, JSON_OBJECT, err)) {
        return false;
    }
    for (;;) {
        struct json_string key;
        bool is_end = false;
        if (!json_next_member(json, &key, &is_end, err)) {
            return false;
        }
        if (is_end) {
            return true;
        }
        if (!read_member(geometry, json, key, out, err)) {
            return false;
        }
    }
}

/* What is common to all types; says whether there is something to draw. */
static bool check_members(struct geometry *geometry, const struct json *before,
                          const struct members *members, bool *out_is_drawn, struct err *err)
{
    *out_is_drawn = false;
    if (members->type.raw.data == NULL) {
        return json_fail(before, err, ERR_SCHEMA, "a geometry without a 'type'");
    }
    if (members->has_bad_level) {
        repair(geometry, before, "lod-unreadable", "a 'lod' that is no number from 0 to 4");
    }
    geometry->nesting = nesting_of(members->type);
    if (json_string_is(members->type, "MultiPoint") ||
        json_string_is(members->type, "MultiLineString")) {
        cityjson_report(geometry->reader, before, geometry->id, REPORT_NOTICE, "not-drawn",
                        "%.*s is not drawn", TEXT_ARGS(members->type.raw));
        return true;
    }
    if (geometry->nesting == NESTING_NONE) {
        cityjson_report(geometry->reader, before, geometry->id, REPORT_SKIPPED, "geometry-unknown",
                        "unknown geometry type '%.*s'",
                        members->type.raw.size > 60 ? 60 : (int)members->type.raw.size,
                        members->type.raw.data);
        return true;
    }
    if (!members->has_boundaries) {
        return json_fail(before, err, ERR_SCHEMA, "a geometry without 'boundaries'");
    }
    *out_is_drawn = true;
    return true;
}

/* A geometry that is no instance, once its members have been found. */
static bool read_plain(struct geometry *geometry, const struct json *before,
                       struct members *members, struct arena *feature, struct err *err)
{
    struct cityjson_shape *shape = &geometry->reader->shape;
    bool is_drawn = false;
    if (!check_members(geometry, before, members, &is_drawn, err)) {
        return false;
    }
    if (!is_drawn) {
        return true;
    }
    if (!members->is_read) {
        begin_boundaries(geometry, shape);
        if (!read_boundaries(geometry, &members->boundaries, err)) {
            return false;
        }
    }
    if ((members->has_semantics && !read_semantics(geometry, &members->semantics, err)) ||
        (members->has_material && !read_themes(geometry, &members->material, true, feature, err)) ||
        (members->has_texture && !read_themes(geometry, &members->texture, false, feature, err))) {
        return false;
    }
    const struct raw_geometry raw = {
        .level = members->level,
        .order = count_of(&shape->geometries, sizeof(struct raw_geometry)),
        .first_polygon = geometry->first_polygon,
        .polygon_count =
            count_of(&shape->polygons, sizeof(struct raw_polygon)) - geometry->first_polygon,
    };
    return add(&shape->geometries, &raw, sizeof raw, err);
}

/* ---- instances of templates ---- */

/* The point where the instance stands: "boundaries": [vertex]. */
static bool read_origin(struct geometry *geometry, struct members *members, struct err *err)
{
    struct buf *indices = &geometry->reader->shape.indices;
    const struct json before = members->boundaries;
    buf_reset(indices);
    if (!json_indices(&members->boundaries, false, indices, err)) {
        return false;
    }
    uint32_t index = 0;
    if (indices->size != sizeof index) {
        return json_fail(&before, err, ERR_SCHEMA, "a GeometryInstance with %zu points",
                         indices->size / sizeof index);
    }
    memcpy(&index, indices->data, sizeof index);
    if (index >= geometry->document->vertices.count) {
        return json_fail(&before, err, ERR_SCHEMA, "vertex index %u, but %llu vertices", index,
                         (unsigned long long)geometry->document->vertices.count);
    }
    bool is_bad = false;
    if (!load_vertex(geometry, index, geometry->origin, &is_bad, err)) {
        return false;
    }
    if (is_bad) {
        return json_fail(&before, err, ERR_SCHEMA, "vertex %u is not 3 finite numbers", index);
    }
    return true;
}

static bool read_matrix(struct json *json, double out[MATRIX_NUMBERS], struct err *err)
{
    const struct json before = *json;
    if (!json_enter(json, JSON_ARRAY, err)) {
        return false;
    }
    int count = 0;
    for (;; count++) {
        bool is_end = false;
        double value = 0;
        if (!json_next_element(json, &is_end, err)) {
            return false;
        }
        if (is_end) {
            break;
        }
        if (!json_real(json, &value, err)) {
            return false;
        }
        if (count < MATRIX_NUMBERS) {
            out[count] = value;
        }
    }
    if (count != MATRIX_NUMBERS) {
        return json_fail(&before, err, ERR_SCHEMA, "a transformationMatrix of %d numbers", count);
    }
    return true;
}

static bool read_instance(struct geometry *geometry, const struct json *before,
                          struct members *members, struct arena *feature, struct err *err)
{
    struct cityjson_shape *shape = &geometry->reader->shape;
    if (!members->has_template || !members->has_boundaries || !members->has_matrix) {
        return json_fail(before, err, ERR_SCHEMA,
                         "a GeometryInstance needs 'template', 'boundaries' and "
                         "'transformationMatrix'");
    }
    struct json place = members->template_index;
    struct json_number number;
    if (!read_origin(geometry, members, err) ||
        !read_matrix(&members->matrix, geometry->matrix, err) ||
        !json_number(&place, &number, err)) {
        return false;
    }
    struct cityjson_document *document =
        geometry->document->has_templates ? geometry->document : &geometry->reader->header;
    if (!number.is_small || number.small < 0 ||
        (uint64_t)number.small >= document->templates.count) {
        return json_fail(&members->template_index, err, ERR_SCHEMA,
                         "template %.*s, but %llu templates",
                         number.raw.size > 40 ? 40 : (int)number.raw.size, number.raw.data,
                         (unsigned long long)document->templates.count);
    }
    const void *found = NULL;
    if (!spill_read(&document->templates, (uint64_t)number.small, &found, err)) {
        return false;
    }
    struct json json = cityjson_go(document, *(const struct cityjson_place *)found);
    const struct json template_place = json;
    struct members inner;
    geometry->document = document;
    geometry->is_template = true;
    /* Template vertices have numbers of their own. */
    map_reset(&shape->vertex_map);
    const bool ok = read_members(geometry, &json, &inner, err) &&
                    read_plain(geometry, &template_place, &inner, feature, err);
    map_reset(&shape->vertex_map);
    return ok;
}

static bool read_one(struct cityjson *reader, struct text id, struct json *json,
                     struct arena *feature, struct err *err)
{
    (void)json_peek(json);
    const struct json before = *json;
    struct geometry geometry = {.reader = reader, .document = reader->current, .id = id};
    struct members members;
    if (!read_members(&geometry, json, &members, err)) {
        return false;
    }
    if (members.type.raw.data != NULL && json_string_is(members.type, "GeometryInstance")) {
        return read_instance(&geometry, &before, &members, feature, err);
    }
    return read_plain(&geometry, &before, &members, feature, err);
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

static bool same_place(const struct cityjson_shape *shape, uint32_t a, uint32_t b)
{
    return a == b || memcmp(vertex_at(shape, a), vertex_at(shape, b), 3 * sizeof(double)) == 0;
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

static bool finish(struct cityjson *reader, struct arena *feature, struct feature *out,
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

bool cityjson_read_geometry(struct cityjson *reader, struct json *json, struct arena *feature,
                            struct feature *out, struct err *err)
{
    shape_reset(&reader->shape);
    if (json_peek(json) == JSON_NULL) {
        return json_skip(json, err);
    }
    if (!json_enter(json, JSON_ARRAY, err)) {
        return false;
    }
    for (;;) {
        bool is_end = false;
        if (!json_next_element(json, &is_end, err)) {
            return false;
        }
        if (is_end) {
            return finish(reader, feature, out, err);
        }
        if (!read_one(reader, out->id, json, feature, err)) {
            return false;
        }
    }
}

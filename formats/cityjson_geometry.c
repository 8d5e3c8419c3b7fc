/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <math.h>

#include "formats/cityjson_shape.h"

/* The members of a geometry object, to be read in our order. */
struct members {
    struct json_string type;
    struct json boundaries, semantics, material, texture, template_index, matrix;
    bool has_boundaries, has_semantics, has_material, has_texture, has_template, has_matrix;
    bool is_read; /* the boundaries have been read already */
    double level;
    bool has_bad_level;
};

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
            document->is_feature && !document->has_transform ? &geometry->reader->header : document;
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
    if (!cityjson_map_add(&shape->vertex_map, index, &slot, &is_new, err)) {
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
        if (!shape_add(&shape->vertices, point, sizeof point, err)) {
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
    return shape_add(&shape->rings, &ring, sizeof ring, err);
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
    return shape_add(&shape->polygons, &polygon, sizeof polygon, err);
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
        if (!shape_add(&shape->shells, &shell, sizeof shell, err)) {
            return false;
        }
        solid.shell_count++;
    }
    return shape_add(&shape->solids, &solid, sizeof solid, err);
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
        cityjson_repair(geometry, before, "lod-unreadable",
                        "a 'lod' that is no number from 0 to 4");
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
    if ((members->has_semantics && !cityjson_read_semantics(geometry, &members->semantics, err)) ||
        (members->has_material &&
         !cityjson_read_themes(geometry, &members->material, true, feature, err)) ||
        (members->has_texture &&
         !cityjson_read_themes(geometry, &members->texture, false, feature, err))) {
        return false;
    }
    const struct raw_geometry raw = {
        .level = members->level,
        .order = count_of(&shape->geometries, sizeof(struct raw_geometry)),
        .first_polygon = geometry->first_polygon,
        .polygon_count =
            count_of(&shape->polygons, sizeof(struct raw_polygon)) - geometry->first_polygon,
    };
    return shape_add(&shape->geometries, &raw, sizeof raw, err);
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

static bool read_matrix(struct json *json, double out[CITYJSON_MATRIX_NUMBERS], struct err *err)
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
        if (count < CITYJSON_MATRIX_NUMBERS) {
            out[count] = value;
        }
    }
    if (count != CITYJSON_MATRIX_NUMBERS) {
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
    cityjson_map_reset(&shape->vertex_map);
    const bool ok = read_members(geometry, &json, &inner, err) &&
                    read_plain(geometry, &template_place, &inner, feature, err);
    cityjson_map_reset(&shape->vertex_map);
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

bool cityjson_read_geometry(struct cityjson *reader, struct json *json, struct arena *feature,
                            struct feature *out, struct err *err)
{
    cityjson_shape_reset(&reader->shape);
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
            return cityjson_shape_finish(reader, feature, out, err);
        }
        if (!read_one(reader, out->id, json, feature, err)) {
            return false;
        }
    }
}

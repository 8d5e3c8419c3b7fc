/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/cityjson_shape.h"

/* ---- values that mirror the boundaries ---- */

void cityjson_repair(const struct geometry *geometry, const struct json *json, const char *kind,
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
            cityjson_repair(walk->geometry, json, walk->kind,
                            "values are not nested as the boundaries are");
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

bool cityjson_walk(const struct walk *walk, struct json *json, struct err *err)
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

bool cityjson_read_index(struct json *json, int64_t *out, bool *out_is_index, struct err *err)
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
        return json_skip(json, err) && shape_add(kinds, &kind, 1, err);
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
            return shape_add(kinds, &kind, 1, err);
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
    if (!cityjson_read_index(json, &index, &is_index, err)) {
        return false;
    }
    if (!is_index) {
        cityjson_repair(geometry, &before, "semantics", "a value that is no index");
    } else if (index >= (int64_t)kinds->size) {
        cityjson_report(geometry->reader, &before, geometry->id, REPORT_REPAIRED, "semantics",
                        "semantics index %lld, but %zu surfaces", (long long)index, kinds->size);
    } else if (index >= 0) {
        polygon->kind = (enum feature_surface)kinds->data[index];
    }
    return true;
}

bool cityjson_read_semantics(const struct geometry *geometry, struct json *json, struct err *err)
{
    if (json_peek(json) != JSON_OBJECT) {
        if (json_peek(json) != JSON_NULL) {
            cityjson_repair(geometry, json, "semantics", "semantics that are no object");
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
    return !has_values || cityjson_walk(&walk, &values, err);
}

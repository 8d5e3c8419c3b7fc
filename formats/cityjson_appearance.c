/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/cityjson_shape.h"

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
    if (!cityjson_map_add(&shape->material_map, appearance_key(geometry, (uint32_t)index), &slot,
                          &is_new, err)) {
        return false;
    }
    if (is_new) {
        struct feature_material material;
        slot->value = count_of(&shape->materials, sizeof material);
        if (!read_material(&json, feature, &material, err) ||
            !shape_add(&shape->materials, &material, sizeof material, err)) {
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
    if (!cityjson_read_index(json, &index, &is_index, err)) {
        return false;
    }
    if (!is_index) {
        cityjson_repair(geometry, &before, "material", "a value that is no index");
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
    if (!cityjson_map_add(&shape->texture_map, appearance_key(geometry, index), &slot, &is_new,
                          err)) {
        return false;
    }
    if (is_new) {
        struct feature_texture texture;
        slot->value = count_of(&shape->textures, sizeof texture);
        if (!read_texture(&json, feature, &texture, err) ||
            !shape_add(&shape->textures, &texture, sizeof texture, err)) {
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
            cityjson_repair(geometry, &before, "texture",
                            "values are not nested as the boundaries are");
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
        cityjson_repair(geometry, &before, "texture",
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

bool cityjson_read_themes(const struct geometry *geometry, struct json *json, bool is_material,
                          struct arena *feature, struct err *err)
{
    const char *kind = is_material ? "material" : "texture";
    if (json_peek(json) != JSON_OBJECT) {
        if (json_peek(json) != JSON_NULL) {
            cityjson_repair(geometry, json, kind, "themes that are no object");
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
            ok = cityjson_walk(&walk, &theme, err);
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

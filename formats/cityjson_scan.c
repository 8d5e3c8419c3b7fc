/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "formats/cityjson_internal.h"
#include "formats/number.h"

enum { VERTEX_SLOTS = 128, OBJECT_SLOTS = 64, SMALL_SLOTS = 16 };
/* Levels of detail are 0 to 4 with a fraction. */
#define LEVEL_MAX 4.99

/* In a packed vertex: one that cannot be used. */
#define BAD_PACKED INT32_MIN

void cityjson_document_init(struct cityjson_document *document, struct arena *source,
                            const char *folder)
{
    *document = (struct cityjson_document){.source = source};
    spill_init(&document->vertices, 3 * sizeof(int32_t), VERTEX_SLOTS, source, folder);
    spill_init(&document->objects, sizeof(struct cityjson_object), OBJECT_SLOTS, source, folder);
    spill_init(&document->children, sizeof(struct cityjson_child), SMALL_SLOTS, source, folder);
    spill_init(&document->templates, sizeof(struct cityjson_place), SMALL_SLOTS, source, folder);
    spill_init(&document->template_vertices, 3 * sizeof(double), SMALL_SLOTS, source, folder);
    spill_init(&document->materials, sizeof(struct cityjson_place), SMALL_SLOTS, source, folder);
    spill_init(&document->textures, sizeof(struct cityjson_place), SMALL_SLOTS, source, folder);
    spill_init(&document->texture_vertices, 2 * sizeof(float), OBJECT_SLOTS, source, folder);
}

void cityjson_document_release(struct cityjson_document *document)
{
    spill_release(&document->vertices);
    spill_release(&document->objects);
    spill_release(&document->children);
    spill_release(&document->templates);
    spill_release(&document->template_vertices);
    spill_release(&document->materials);
    spill_release(&document->textures);
    spill_release(&document->texture_vertices);
}

/* Forgets what was found, keeps the memory. */
static void reset(struct cityjson_document *document, const struct json *json)
{
    spill_reset(&document->vertices);
    spill_reset(&document->objects);
    spill_reset(&document->children);
    spill_reset(&document->templates);
    spill_reset(&document->template_vertices);
    spill_reset(&document->materials);
    spill_reset(&document->textures);
    spill_reset(&document->texture_vertices);
    document->start = *json;
    document->is_feature = false;
    document->has_objects = false;
    document->has_transform = false;
    document->has_templates = false;
    document->has_appearance = false;
    document->version = (struct json_string){0};
    document->crs = (struct json_string){0};
    document->title = (struct json_string){0};
    document->epsg = (struct json_number){0};
    document->material_theme = (struct json_string){0};
    document->texture_theme = (struct json_string){0};
    document->linked_count = 0;
}

struct json cityjson_go(const struct cityjson_document *document, struct cityjson_place place)
{
    struct json json = document->start;
    json.at = json.begin + place.offset;
    json.line_start = json.begin + place.line_start;
    json.line = place.line;
    json.kept = json.at;
    json.is_fresh = false;
    return json;
}

struct cityjson_place cityjson_place_of(const struct json *json)
{
    return (struct cityjson_place){
        .offset = json_offset(json),
        .line_start = (uint64_t)(json->line_start - json->begin),
        .line = json->line,
    };
}

uint64_t cityjson_hash(struct json_string id)
{
    /* FNV-1a over the raw bytes, mixed. Two spellings of one id by different
     * escapes are two ids to us; nobody writes that. */
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < id.raw.size; i++) {
        hash = (hash ^ (uint8_t)id.raw.data[i]) * UINT64_C(1099511628211);
    }
    hash = (hash ^ hash >> 31) * UINT64_C(0x9E3779B97F4A7C15);
    hash ^= hash >> 29;
    return hash == 0 ? 1 : hash;
}

/* A string if there is one here; anything else is passed over. */
static bool maybe_string(struct json *json, struct json_string *out, struct err *err)
{
    if (json_peek(json) == JSON_STRING) {
        return json_string(json, out, err);
    }
    return json_skip(json, err);
}

/* ---- vertices ---- */

/* The numbers of one array; more than `room` are counted only. Not an array,
 * or not all numbers: *out_count is 0. */
static bool read_numbers(struct json *json, struct json_number *out, size_t room, size_t *out_count,
                         struct err *err)
{
    *out_count = 0;
    if (json_peek(json) != JSON_ARRAY) {
        return json_skip(json, err);
    }
    if (!json_enter(json, JSON_ARRAY, err)) {
        return false;
    }
    size_t count = 0;
    bool is_good = true;
    for (;;) {
        bool is_end = false;
        if (!json_next_element(json, &is_end, err)) {
            return false;
        }
        if (is_end) {
            break;
        }
        struct json_number extra;
        if (json_peek(json) != JSON_NUMBER) {
            is_good = false;
            if (!json_skip(json, err)) {
                return false;
            }
        } else if (!json_number(json, count < room ? &out[count] : &extra, err)) {
            return false;
        }
        count++;
    }
    *out_count = is_good ? count : 0;
    return true;
}

static bool pack(const struct json_number numbers[3], int32_t out[3])
{
    for (int i = 0; i < 3; i++) {
        if (!numbers[i].is_small || numbers[i].small <= INT32_MIN || numbers[i].small > INT32_MAX) {
            return false;
        }
        out[i] = (int32_t)numbers[i].small;
    }
    return true;
}

/* The array of vertices, as packed integers as long as they are; the first
 * that is not sets *out_is_packed to false and stops. */
static bool read_packed(struct spill *vertices, struct json *json, bool *out_is_packed,
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
            *out_is_packed = true;
            return true;
        }
        struct json_number numbers[3];
        size_t count = 0;
        int32_t packed[3] = {BAD_PACKED, 0, 0};
        if (json_short_integers(json, packed, 3)) {
            if (!spill_add(vertices, packed, err)) {
                return false;
            }
            continue;
        }
        packed[0] = BAD_PACKED;
        if (!read_numbers(json, numbers, 3, &count, err)) {
            return false;
        }
        if (count == 3 && !pack(numbers, packed)) {
            *out_is_packed = false;
            return true;
        }
        if (!spill_add(vertices, packed, err)) {
            return false;
        }
    }
}

/* The array of vertices as doubles; NaN for those that cannot be used. */
static bool read_reals(struct spill *vertices, struct json *json, struct err *err)
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
        struct json_number numbers[3];
        size_t count = 0;
        double reals[3] = {0, 0, 0};
        if (!read_numbers(json, numbers, 3, &count, err)) {
            return false;
        }
        for (size_t i = 0; i < 3; i++) {
            if (count != 3 || !json_number_real(numbers[i], &reals[i])) {
                reals[0] = (double)NAN;
            }
        }
        if (!spill_add(vertices, reals, err)) {
            return false;
        }
    }
}

static bool scan_vertices(struct cityjson_document *document, struct json *json, struct err *err)
{
    const struct json before = *json;
    bool is_packed = false;
    spill_reset(&document->vertices);
    document->vertices.record_bytes = 3 * sizeof(int32_t);
    if (!read_packed(&document->vertices, json, &is_packed, err)) {
        return false;
    }
    if (!is_packed) {
        /* Doubles from the first one on: at most this array is read twice. */
        *json = before;
        spill_reset(&document->vertices);
        document->vertices.record_bytes = 3 * sizeof(double);
        if (!read_reals(&document->vertices, json, err)) {
            return false;
        }
    }
    document->is_packed = is_packed;
    return true;
}

/* ---- transform, metadata, appearance, templates ---- */

static bool scan_triple(struct json *json, const char *name, double out[3], struct err *err)
{
    (void)json_peek(json);
    const struct json before = *json;
    struct json_number numbers[3];
    size_t count = 0;
    if (!read_numbers(json, numbers, 3, &count, err)) {
        return false;
    }
    for (size_t i = 0; i < 3; i++) {
        if (count != 3 || !json_number_real(numbers[i], &out[i])) {
            return json_fail(&before, err, ERR_SCHEMA, "'%s' of the transform is not 3 numbers",
                             name);
        }
    }
    return true;
}

static bool scan_transform(struct cityjson_document *document, struct json *json, struct err *err)
{
    (void)json_peek(json);
    const struct json before = *json;
    bool has_scale = false;
    bool has_translate = false;
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
        bool ok = true;
        if (json_string_is(key, "scale")) {
            has_scale = true;
            ok = scan_triple(json, "scale", document->scale, err);
        } else if (json_string_is(key, "translate")) {
            has_translate = true;
            ok = scan_triple(json, "translate", document->translate, err);
        } else {
            ok = json_skip(json, err);
        }
        if (!ok) {
            return false;
        }
    }
    if (!has_scale || !has_translate) {
        return json_fail(&before, err, ERR_SCHEMA, "the transform has no '%s'",
                         has_scale ? "translate" : "scale");
    }
    document->has_transform = true;
    return true;
}

/* "crs": {"epsg": 7415}, from before CityJSON 1.0 and still met. */
static bool scan_crs(struct cityjson_document *document, struct json *json, struct err *err)
{
    if (json_peek(json) != JSON_OBJECT) {
        return maybe_string(json, &document->crs, err);
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
            return true;
        }
        const bool is_number = json_peek(json) == JSON_NUMBER;
        if (json_string_is(key, "epsg") && is_number) {
            if (!json_number(json, &document->epsg, err)) {
                return false;
            }
        } else if (!json_skip(json, err)) {
            return false;
        }
    }
}

static bool scan_metadata(struct cityjson_document *document, struct json *json, struct err *err)
{
    if (json_peek(json) != JSON_OBJECT) {
        return json_skip(json, err);
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
            return true;
        }
        bool ok = true;
        if (json_string_is(key, "referenceSystem")) {
            ok = maybe_string(json, &document->crs, err);
        } else if (json_string_is(key, "crs")) {
            ok = scan_crs(document, json, err);
        } else if (json_string_is(key, "title") || json_string_is(key, "datasetTitle")) {
            ok = maybe_string(json, &document->title, err);
        } else {
            ok = json_skip(json, err);
        }
        if (!ok) {
            return false;
        }
    }
}

/* Notes where each element of an array begins. */
static bool scan_places(struct spill *places, struct json *json, struct err *err)
{
    spill_reset(places);
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
        (void)json_peek(json);
        const struct cityjson_place place = cityjson_place_of(json);
        if (!spill_add(places, &place, err) || !json_skip(json, err)) {
            return false;
        }
    }
}

static bool scan_texture_vertices(struct spill *vertices, struct json *json, struct err *err)
{
    spill_reset(vertices);
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
        struct json_number numbers[2];
        size_t count = 0;
        float uv[2] = {0, 0};
        if (!read_numbers(json, numbers, 2, &count, err)) {
            return false;
        }
        for (size_t i = 0; i < 2; i++) {
            double real = 0;
            const bool is_good =
                count == 2 && json_number_real(numbers[i], &real) && fabs(real) < 1e9;
            uv[i] = is_good ? (float)real : 0;
        }
        if (!spill_add(vertices, uv, err)) {
            return false;
        }
    }
}

static bool scan_appearance(struct cityjson_document *document, struct json *json, struct err *err)
{
    if (json_peek(json) != JSON_OBJECT) {
        return json_skip(json, err);
    }
    if (!json_enter(json, JSON_OBJECT, err)) {
        return false;
    }
    document->has_appearance = true;
    for (;;) {
        struct json_string key;
        bool is_end = false;
        if (!json_next_member(json, &key, &is_end, err)) {
            return false;
        }
        if (is_end) {
            return true;
        }
        const bool is_array = json_peek(json) == JSON_ARRAY;
        bool ok = true;
        if (json_string_is(key, "materials") && is_array) {
            ok = scan_places(&document->materials, json, err);
        } else if (json_string_is(key, "textures") && is_array) {
            ok = scan_places(&document->textures, json, err);
        } else if (json_string_is(key, "vertices-texture") && is_array) {
            ok = scan_texture_vertices(&document->texture_vertices, json, err);
        } else if (json_string_is(key, "default-theme-material")) {
            ok = maybe_string(json, &document->material_theme, err);
        } else if (json_string_is(key, "default-theme-texture")) {
            ok = maybe_string(json, &document->texture_theme, err);
        } else {
            ok = json_skip(json, err);
        }
        if (!ok) {
            return false;
        }
    }
}

static bool scan_templates(struct cityjson_document *document, struct json *json, struct err *err)
{
    if (json_peek(json) != JSON_OBJECT) {
        return json_skip(json, err);
    }
    if (!json_enter(json, JSON_OBJECT, err)) {
        return false;
    }
    document->has_templates = true;
    for (;;) {
        struct json_string key;
        bool is_end = false;
        if (!json_next_member(json, &key, &is_end, err)) {
            return false;
        }
        if (is_end) {
            return true;
        }
        const bool is_array = json_peek(json) == JSON_ARRAY;
        bool ok = true;
        if (json_string_is(key, "templates") && is_array) {
            ok = scan_places(&document->templates, json, err);
        } else if (json_string_is(key, "vertices-templates") && is_array) {
            spill_reset(&document->template_vertices);
            ok = read_reals(&document->template_vertices, json, err);
        } else {
            ok = json_skip(json, err);
        }
        if (!ok) {
            return false;
        }
    }
}

/* ---- city objects ---- */

bool cityjson_read_level(struct json *json, double *out, struct err *err)
{
    double level = -1;
    bool is_number = false;
    const enum json_kind kind = json_peek(json);
    if (kind == JSON_NUMBER) {
        struct json_number number;
        if (!json_number(json, &number, err)) {
            return false;
        }
        is_number = json_number_real(number, &level);
    } else if (kind == JSON_STRING) {
        struct json_string string;
        if (!json_string(json, &string, err)) {
            return false;
        }
        is_number = number_is(string.raw, &level);
    } else if (!json_skip(json, err)) {
        return false;
    }
    *out = is_number && level >= 0 && level <= LEVEL_MAX ? level : -1;
    return true;
}

static bool is_drawn(struct json_string type)
{
    return !json_string_is(type, "MultiPoint") && !json_string_is(type, "MultiLineString");
}

bool cityjson_scan_geometry(struct json *json, struct cityjson_object *object, struct err *err)
{
    if (json_peek(json) != JSON_OBJECT) {
        return json_skip(json, err);
    }
    if (!json_enter(json, JSON_OBJECT, err)) {
        return false;
    }
    struct json_string type = {0};
    double level = -1;
    for (;;) {
        struct json_string key;
        bool is_end = false;
        if (!json_next_member(json, &key, &is_end, err)) {
            return false;
        }
        if (is_end) {
            break;
        }
        bool ok = true;
        if (json_string_is(key, "type")) {
            ok = maybe_string(json, &type, err);
        } else if (json_string_is(key, "lod")) {
            ok = cityjson_read_level(json, &level, err);
        } else if (json_string_is(key, "template") && json_peek(json) == JSON_NUMBER) {
            struct json_number number;
            ok = json_number(json, &number, err);
            if (ok && number.is_small && number.small >= 0 && number.small < CITYJSON_NONE) {
                object->template_index = (uint32_t)number.small;
            }
        } else {
            ok = json_skip(json, err);
        }
        if (!ok) {
            return false;
        }
    }
    if (level > object->level && is_drawn(type)) {
        object->level = level;
    }
    return true;
}

static bool scan_geometries(struct json *json, struct cityjson_object *object, struct err *err)
{
    if (json_peek(json) != JSON_ARRAY) {
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
            return true;
        }
        if (!cityjson_scan_geometry(json, object, err)) {
            return false;
        }
    }
}

/* Gives each string of an array, or the one string that stands for it, to
 * `take`; other values are passed over. */
static bool scan_ids(struct json *json,
                     bool (*take)(void *context, struct json_string id, struct err *err),
                     void *context, struct err *err)
{
    struct json_string id = {0};
    if (json_peek(json) != JSON_ARRAY) {
        return maybe_string(json, &id, err) && (id.raw.data == NULL || take(context, id, err));
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
            return true;
        }
        id = (struct json_string){0};
        if (!maybe_string(json, &id, err) || (id.raw.data != NULL && !take(context, id, err))) {
            return false;
        }
    }
}

static bool take_parent(void *context, struct json_string id, struct err *err)
{
    struct cityjson_object *object = context;
    (void)err;
    for (int i = 0; i < 2; i++) {
        if (object->parent_hashes[i] == 0) {
            object->parent_hashes[i] = cityjson_hash(id);
            break;
        }
    }
    return true;
}

static bool take_child(void *context, struct json_string id, struct err *err)
{
    struct cityjson_document *document = context;
    const struct cityjson_child child = {
        .id_hash = cityjson_hash(id),
        .parent = (uint32_t)document->objects.count, /* about to be added */
    };
    return spill_add(&document->children, &child, err);
}

static bool ends_in(struct text text, const char *end)
{
    const size_t size = strlen(end);
    return text.size >= size && memcmp(text.data + text.size - size, end, size) == 0;
}

static bool scan_object(struct cityjson_document *document, struct json *json,
                        struct cityjson_object *object, struct err *err)
{
    (void)json_peek(json);
    object->place = cityjson_place_of(json);
    if (json_peek(json) != JSON_OBJECT) {
        return json_skip(json, err);
    }
    if (!json_enter(json, JSON_OBJECT, err)) {
        return false;
    }
    for (;;) {
        struct json_string key;
        struct json_string type = {0};
        bool is_end = false;
        if (!json_next_member(json, &key, &is_end, err)) {
            return false;
        }
        if (is_end) {
            return true;
        }
        bool ok = true;
        if (json_string_is(key, "type")) {
            ok = maybe_string(json, &type, err);
            object->is_part = type.raw.data != NULL && ends_in(type.raw, "Part");
            object->is_group = type.raw.data != NULL && json_string_is(type, "CityObjectGroup");
        } else if (json_string_is(key, "geometry")) {
            ok = scan_geometries(json, object, err);
        } else if (json_string_is(key, "parents") || json_string_is(key, "parent")) {
            /* "parent" is how it once was. */
            ok = scan_ids(json, take_parent, object, err);
        } else if (json_string_is(key, "children")) {
            ok = scan_ids(json, take_child, document, err);
        } else {
            ok = json_skip(json, err);
        }
        if (!ok) {
            return false;
        }
    }
}

static bool scan_objects(struct cityjson_document *document, struct json *json, struct err *err)
{
    if (!json_enter(json, JSON_OBJECT, err)) {
        return false;
    }
    document->has_objects = true;
    for (;;) {
        struct json_string key;
        bool is_end = false;
        if (!json_next_member(json, &key, &is_end, err)) {
            return false;
        }
        if (is_end) {
            return true;
        }
        struct cityjson_object object = {
            .id_offset = (uint64_t)((const uint8_t *)key.raw.data - json->begin),
            .id_bytes = (uint32_t)key.raw.size,
            .id_has_escapes = key.has_escapes,
            .id_hash = cityjson_hash(key),
            .parent = CITYJSON_NONE,
            .template_index = CITYJSON_NONE,
            .level = -1,
            .parts_level = -1,
        };
        if (document->objects.count == CITYJSON_NONE - 1 || key.raw.size > UINT32_MAX) {
            return json_fail(json, err, ERR_LIMIT, "more than %u city objects", CITYJSON_NONE - 1);
        }
        if (!scan_object(document, json, &object, err)) {
            return false;
        }
        document->linked_count += object.parent_hashes[0] != 0;
        if (!spill_add(&document->objects, &object, err)) {
            return false;
        }
    }
}

/* ---- the document ---- */

static bool scan_type(struct cityjson_document *document, struct json *json, struct err *err)
{
    (void)json_peek(json);
    const struct json before = *json;
    struct json_string type;
    if (!json_string(json, &type, err)) {
        return false;
    }
    document->is_feature = json_string_is(type, "CityJSONFeature");
    if (!document->is_feature && !json_string_is(type, "CityJSON")) {
        return json_fail(&before, err, ERR_SCHEMA, "'%.*s' is not CityJSON or CityJSONFeature",
                         type.raw.size > 60 ? 60 : (int)type.raw.size, type.raw.data);
    }
    return true;
}

/* "2.0", or 2.0 as some write it: the text is what counts. */
static bool scan_version(struct cityjson_document *document, struct json *json, struct err *err)
{
    if (json_peek(json) != JSON_NUMBER) {
        return maybe_string(json, &document->version, err);
    }
    struct json_number number;
    if (!json_number(json, &number, err)) {
        return false;
    }
    document->version = (struct json_string){number.raw, false};
    return true;
}

static bool scan_member(struct cityjson_document *document, struct json *json,
                        struct json_string key, struct err *err)
{
    if (json_string_is(key, "type")) {
        return scan_type(document, json, err);
    }
    if (json_string_is(key, "version")) {
        return scan_version(document, json, err);
    }
    if (json_string_is(key, "transform")) {
        return scan_transform(document, json, err);
    }
    if (json_string_is(key, "metadata")) {
        return scan_metadata(document, json, err);
    }
    if (json_string_is(key, "vertices")) {
        return scan_vertices(document, json, err);
    }
    if (json_string_is(key, "CityObjects")) {
        return scan_objects(document, json, err);
    }
    if (json_string_is(key, "appearance")) {
        return scan_appearance(document, json, err);
    }
    if (json_string_is(key, "geometry-templates")) {
        return scan_templates(document, json, err);
    }
    return json_skip(json, err);
}

bool cityjson_scan(struct cityjson_document *document, struct json *json, struct err *err)
{
    (void)json_peek(json);
    reset(document, json);
    bool has_type = false;
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
        has_type |= json_string_is(key, "type");
        if (!scan_member(document, json, key, err)) {
            return false;
        }
    }
    if (!has_type) {
        return json_fail(&document->start, err, ERR_SCHEMA,
                         "no 'type' that says CityJSON or CityJSONFeature");
    }
    return cityjson_link_objects(document, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdarg.h>

#include "formats/cityjson.h"
#include "formats/cityjson_internal.h"

/* The members of a city object that make a feature. */
struct members {
    struct json_string kind;
    struct json attributes, address;
    bool has_attributes, has_address;
};

/* ---- reports ---- */

/* An id as a terminated string, cut to what struct err holds. */
static void name_feature(struct err *err, struct text id)
{
    char name[sizeof err->feature + 4];
    const size_t size = id.size < sizeof name - 1 ? id.size : sizeof name - 1;
    if (size > 0) {
        memcpy(name, id.data, size);
    }
    name[size] = '\0';
    err_in_feature(err, name);
}

void cityjson_report_err(const struct cityjson *reader, struct text id, enum report_level level,
                         const char *kind, struct err *what)
{
    if (reader->is_quiet) {
        return;
    }
    name_feature(what, id);
    err_in_source(what, reader->input.name);
    report_add(reader->input.report, level, kind, what);
}

void cityjson_report(const struct cityjson *reader, const struct json *json, struct text id,
                     enum report_level level, const char *kind, const char *format, ...)
{
    char message[sizeof((struct err *)NULL)->message];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    struct err what;
    (void)json_fail(json, &what, ERR_SCHEMA, "%s", message);
    cityjson_report_err(reader, id, level, kind, &what);
}

/* ---- a set of keys ---- */

enum { KEYS_LINEAR_MAX = 12, KEYS_SLOTS_MIN = 64 };

/* Keys of attributes, to find those that stand there twice. Up to
 * KEYS_LINEAR_MAX are compared one by one. */
struct keys {
    const struct feature_attribute *attributes; /* as many as have been kept */
    size_t count;
    uint32_t *slots; /* index + 1; NULL while there are few */
    size_t slot_count;
};

static size_t key_slot(const struct keys *keys, struct text key)
{
    const struct json_string string = {key, false};
    return (size_t)cityjson_hash(string) & (keys->slot_count - 1);
}

static bool keys_have(const struct keys *keys, struct text key)
{
    if (keys->slots == NULL) {
        for (size_t i = 0; i < keys->count; i++) {
            if (text_equals(keys->attributes[i].key, key)) {
                return true;
            }
        }
        return false;
    }
    for (size_t at = key_slot(keys, key); keys->slots[at] != 0;
         at = (at + 1) & (keys->slot_count - 1)) {
        if (text_equals(keys->attributes[keys->slots[at] - 1].key, key)) {
            return true;
        }
    }
    return false;
}

static void keys_put(struct keys *keys, size_t index)
{
    size_t at = key_slot(keys, keys->attributes[index].key);
    while (keys->slots[at] != 0) {
        at = (at + 1) & (keys->slot_count - 1);
    }
    keys->slots[at] = (uint32_t)index + 1;
}

/* The attribute at `count` has been kept. `most` is how many there may be. */
static bool keys_add(struct keys *keys, size_t most, struct arena *scratch, struct err *err)
{
    keys->count++;
    if (keys->slots == NULL && keys->count > KEYS_LINEAR_MAX) {
        keys->slot_count = KEYS_SLOTS_MIN;
        while (keys->slot_count < 2 * most) {
            keys->slot_count *= 2;
        }
        keys->slots = arena_array(scratch, uint32_t, keys->slot_count);
        if (keys->slots == NULL) {
            return arena_full(scratch, err);
        }
        for (size_t i = 0; i < keys->count; i++) {
            keys_put(keys, i);
        }
    } else if (keys->slots != NULL) {
        keys_put(keys, keys->count - 1);
    }
    return true;
}

/* ---- attributes ---- */

static bool read_number(struct cityjson *reader, struct json *json, struct text id,
                        struct arena *arena, struct feature_value *out, struct err *err)
{
    const struct json before = *json;
    struct json_number number;
    if (!json_number(json, &number, err)) {
        return false;
    }
    if (json_number_integer(number, &out->integer)) {
        out->type = FEATURE_INT;
        return true;
    }
    if (number.is_integer) {
        /* Beyond 64 bits it is a code, not a measure: all digits count. */
        out->type = FEATURE_TEXT;
        return json_string_text((struct json_string){number.raw, false}, arena, &out->text, err);
    }
    if (json_number_real(number, &out->real)) {
        out->type = FEATURE_REAL;
        return true;
    }
    cityjson_report(reader, &before, id, REPORT_REPAIRED, "attribute-too-large",
                    "'%.*s' is too large for a number",
                    number.raw.size > 40 ? 40 : (int)number.raw.size, number.raw.data);
    out->type = FEATURE_NULL;
    return true;
}

static bool read_value(struct cityjson *reader, struct json *json, struct text id,
                       struct arena *arena, struct feature_value *out, struct err *err)
{
    struct json_string string;
    *out = (struct feature_value){.type = FEATURE_NULL};
    switch (json_peek(json)) {
    case JSON_STRING:
        out->type = FEATURE_TEXT;
        return json_string(json, &string, err) && json_string_text(string, arena, &out->text, err);
    case JSON_NUMBER:
        return read_number(reader, json, id, arena, out, err);
    case JSON_TRUE:
    case JSON_FALSE:
        out->type = FEATURE_BOOL;
        return json_bool(json, &out->boolean, err);
    case JSON_OBJECT:
    case JSON_ARRAY:
        out->type = FEATURE_JSON;
        return json_compact(json, arena, &out->text, err);
    default:
        return json_skip(json, err);
    }
}

/* Adds the members of an object to `out` (struct feature_attribute), in order,
 * keys that stand there twice included. */
static bool read_attributes(struct cityjson *reader, struct json *json, struct text id,
                            struct arena *arena, struct buf *out, struct err *err)
{
    if (json_peek(json) == JSON_NULL) {
        return json_skip(json, err);
    }
    if (!json_enter(json, JSON_OBJECT, err)) {
        return false;
    }
    for (;;) {
        struct feature_attribute attribute;
        struct json_string key;
        bool is_end = false;
        if (!json_next_member(json, &key, &is_end, err)) {
            return false;
        }
        if (is_end) {
            return true;
        }
        if (!json_string_text(key, arena, &attribute.key, err) ||
            !read_value(reader, json, id, arena, &attribute.value, err)) {
            return false;
        }
        buf_add(out, &attribute, sizeof attribute);
        if (!buf_finish(out, err)) {
            return false;
        }
    }
}

static void reverse(struct feature_attribute *attributes, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        const struct feature_attribute swapped = attributes[i];
        attributes[i] = attributes[count - 1 - i];
        attributes[count - 1 - i] = swapped;
    }
}

/* Keeps the last of those with one key, in the order of the source. */
static bool drop_repeated(struct cityjson *reader, const struct json *place, struct text id,
                          struct feature_attribute *attributes, size_t *count,
                          struct arena *scratch, struct err *err)
{
    struct keys keys = {.attributes = attributes};
    reverse(attributes, *count);
    for (size_t i = 0; i < *count; i++) {
        if (keys_have(&keys, attributes[i].key)) {
            cityjson_report(reader, place, id, REPORT_REPAIRED, "attribute-twice",
                            "attribute '%.*s' more than once",
                            attributes[i].key.size > 60 ? 60 : (int)attributes[i].key.size,
                            attributes[i].key.data);
            continue;
        }
        attributes[keys.count] = attributes[i];
        if (!keys_add(&keys, *count, scratch, err)) {
            return false;
        }
    }
    *count = keys.count;
    reverse(attributes, *count);
    return true;
}

/* The attributes of one object, each key once. Memory: `arena`. */
static bool read_own(struct cityjson *reader, const struct members *members, struct text id,
                     struct arena *arena, struct feature_attribute **out, size_t *out_count,
                     struct err *err)
{
    struct buf *list = &reader->attributes;
    struct json json;
    buf_reset(list);
    if (members->has_attributes) {
        json = members->attributes;
        if (!read_attributes(reader, &json, id, arena, list, err)) {
            return false;
        }
    }
    size_t count = list->size / sizeof(struct feature_attribute);
    struct feature_attribute *attributes = arena_array(arena, struct feature_attribute, count + 1);
    if (attributes == NULL) {
        return arena_full(arena, err);
    }
    if (count > 0) {
        memcpy(attributes, list->data, list->size);
    }
    const struct json *place = members->has_attributes ? &members->attributes : NULL;
    if (count > 0 && !drop_repeated(reader, place, id, attributes, &count, arena, err)) {
        return false;
    }
    *out = attributes;
    *out_count = count; /* one more has room: the address */
    return true;
}

/* ---- the object ---- */

static bool keep(struct json *json, struct json *place, bool *has, struct err *err)
{
    (void)json_peek(json);
    *place = *json;
    *has = true;
    return json_skip(json, err);
}

/* Finds the members, and reads the geometry where it stands: it is most of the
 * object. With `feature` NULL it is left out. */
static bool read_members(struct cityjson *reader, struct json *json, struct arena *feature,
                         struct feature *shaped, struct members *out, struct err *err)
{
    *out = (struct members){0};
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
        if (json_string_is(key, "type")) {
            ok = json_string(json, &out->kind, err);
        } else if (json_string_is(key, "attributes")) {
            ok = keep(json, &out->attributes, &out->has_attributes, err);
        } else if (json_string_is(key, "geometry") && feature != NULL) {
            ok = cityjson_read_geometry(reader, json, feature, shaped, err);
        } else if (json_string_is(key, "address")) {
            ok = keep(json, &out->address, &out->has_address, err);
        } else {
            ok = json_skip(json, err);
        }
        if (!ok) {
            return false;
        }
    }
}

/* Its id as it stands in the document, and as text in `arena`. */
static bool load_object(struct cityjson *reader, uint64_t index, struct arena *arena,
                        struct cityjson_object *out, struct text *out_id, struct err *err)
{
    const struct cityjson_document *document = reader->current;
    const void *found = NULL;
    if (!spill_read(&reader->current->objects, index, &found, err)) {
        return false;
    }
    memcpy(out, found, sizeof *out);
    const struct json_string id = {
        {(const char *)document->start.begin + out->id_offset, out->id_bytes},
        out->id_has_escapes,
    };
    return json_string_text(id, arena, out_id, err);
}

/* ---- ancestors ---- */

/* Adds what one ancestor gives. */
static bool add_ancestor(struct cityjson *reader, uint32_t index, struct cityjson_object *object,
                         struct buf *all, struct err *err)
{
    struct arena *memory = &reader->ancestry.memory;
    struct text id;
    struct members members;
    struct feature_attribute *attributes = NULL;
    size_t count = 0;
    if (!load_object(reader, index, memory, object, &id, err)) {
        return false;
    }
    struct json json = cityjson_go(reader->current, object->place);
    struct err ignored;
    if (reader->ancestry.parent_id.data == NULL) {
        reader->ancestry.parent_id = id;
    }
    reader->ancestry.root_id = id;
    reader->is_quiet = true;
    /* Its own reading reports what is wrong with it; its parts just go without. */
    const bool ok = read_members(reader, &json, NULL, NULL, &members, &ignored) &&
                    read_own(reader, &members, id, memory, &attributes, &count, &ignored);
    reader->is_quiet = false;
    if (!ok) {
        if (ignored.code == ERR_SCHEMA) {
            return true;
        }
        *err = ignored;
        return false;
    }
    buf_add(all, attributes, count * sizeof *attributes);
    return buf_finish(all, err);
}

/* Keeps the first of those with one key: the nearest ancestor's. */
static bool drop_hidden(struct feature_attribute *attributes, size_t *count, struct arena *scratch,
                        struct err *err)
{
    struct keys keys = {.attributes = attributes};
    for (size_t i = 0; i < *count; i++) {
        if (keys_have(&keys, attributes[i].key)) {
            continue;
        }
        attributes[keys.count] = attributes[i];
        if (!keys_add(&keys, *count, scratch, err)) {
            return false;
        }
    }
    *count = keys.count;
    return true;
}

/* Copies what has been gathered into the memory of the ancestry. */
static bool keep_ancestors(struct cityjson_ancestry *ancestry, const struct buf *all,
                           struct err *err)
{
    size_t count = all->size / sizeof(struct feature_attribute);
    ancestry->attributes = arena_array(&ancestry->memory, struct feature_attribute, count);
    if (ancestry->attributes == NULL) {
        return arena_full(&ancestry->memory, err);
    }
    if (count > 0) {
        memcpy(ancestry->attributes, all->data, all->size);
    }
    if (!drop_hidden(ancestry->attributes, &count, &ancestry->memory, err)) {
        return false;
    }
    ancestry->attribute_count = count;
    return true;
}

/* Gathers what the ancestors from `parent` on give, unless it is there from
 * the child before. */
static bool load_ancestry(struct cityjson *reader, uint32_t parent, struct err *err)
{
    struct cityjson_ancestry *ancestry = &reader->ancestry;
    if (ancestry->parent == parent) {
        return true;
    }
    arena_reset(&ancestry->memory, (struct arena_mark){0});
    ancestry->parent = CITYJSON_NONE;
    ancestry->parent_id = (struct text){0};
    struct buf all;
    buf_init(&all, reader->attributes.limit_bytes);
    all.fail_after = reader->attributes.fail_after;
    bool ok = true;
    for (uint32_t index = parent; ok && index != CITYJSON_NONE;) {
        struct cityjson_object object;
        ok = add_ancestor(reader, index, &object, &all, err);
        index = ok ? object.parent : CITYJSON_NONE;
    }
    ok = ok && keep_ancestors(ancestry, &all, err);
    buf_release(&all);
    if (ok) {
        ancestry->parent = parent;
    }
    return ok;
}

static bool copy_text(struct text text, struct arena *arena, struct text *out, struct err *err)
{
    return json_string_text((struct json_string){text, false}, arena, out, err);
}

/* What the feature does not have itself, with texts of its own. */
static bool inherit(struct cityjson *reader, struct arena *feature, struct feature *out,
                    struct err *err)
{
    const struct cityjson_ancestry *ancestry = &reader->ancestry;
    const size_t most = out->attribute_count + ancestry->attribute_count;
    struct feature_attribute *inherited =
        arena_array(feature, struct feature_attribute, ancestry->attribute_count);
    if (inherited == NULL) {
        return arena_full(feature, err);
    }
    struct keys own = {.attributes = out->attributes};
    for (size_t i = 0; i < out->attribute_count; i++) {
        if (!keys_add(&own, most, feature, err)) {
            return false;
        }
    }
    size_t count = 0;
    for (size_t i = 0; i < ancestry->attribute_count; i++) {
        const struct feature_attribute *attribute = &ancestry->attributes[i];
        if (keys_have(&own, attribute->key)) {
            continue;
        }
        inherited[count] = *attribute;
        if (!copy_text(attribute->key, feature, &inherited[count].key, err) ||
            !copy_text(attribute->value.text, feature, &inherited[count].value.text, err)) {
            return false;
        }
        count++;
    }
    out->inherited = inherited;
    out->inherited_count = count;
    return true;
}

static bool read_ancestry(struct cityjson *reader, const struct cityjson_object *object,
                          struct arena *feature, struct feature *out, struct err *err)
{
    const struct json place = cityjson_go(reader->current, object->place);
    if (object->is_cut) {
        cityjson_report(reader, &place, out->id, REPORT_REPAIRED, "parent-in-circle",
                        "its parents go in a circle, or more than %d levels up",
                        CITYJSON_ANCESTORS_MAX);
    } else if (object->is_orphaned) {
        cityjson_report(reader, &place, out->id, REPORT_REPAIRED, "parent-missing",
                        "its parent is not in the file");
    }
    if (object->parent == CITYJSON_NONE) {
        out->root_id = out->id;
        return true;
    }
    return load_ancestry(reader, object->parent, err) &&
           copy_text(reader->ancestry.parent_id, feature, &out->parent_id, err) &&
           copy_text(reader->ancestry.root_id, feature, &out->root_id, err) &&
           inherit(reader, feature, out, err);
}

/* ---- name and address ---- */

static struct text find_name(const struct feature_attribute *attributes, size_t count)
{
    /* The best first. */
    static const char *const keys[] = {"name",     "gml:name", "Name",      "NAME", "名称",
                                       "建筑名称", "名字",     "bldg:name", "nom",  "naam"};
    for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
        for (size_t i = 0; i < count; i++) {
            if (attributes[i].value.type == FEATURE_TEXT && attributes[i].value.text.size > 0 &&
                text_is(attributes[i].key, keys[k])) {
                return attributes[i].value.text;
            }
        }
    }
    return (struct text){0};
}

/* One address without its "location", whose vertices mean nothing outside. */
static bool print_address(struct json *json, struct arena *feature, struct buf *out,
                          struct err *err)
{
    struct text text;
    if (json_peek(json) != JSON_OBJECT) {
        if (!json_compact(json, feature, &text, err)) {
            return false;
        }
        buf_add(out, text.data, text.size);
        return true;
    }
    if (!json_enter(json, JSON_OBJECT, err)) {
        return false;
    }
    buf_add_byte(out, '{');
    for (bool is_first = true;;) {
        struct json_string key;
        bool is_end = false;
        if (!json_next_member(json, &key, &is_end, err)) {
            return false;
        }
        if (is_end) {
            break;
        }
        if (json_string_is(key, "location")) {
            if (!json_skip(json, err)) {
                return false;
            }
            continue;
        }
        if (!json_compact(json, feature, &text, err)) {
            return false;
        }
        buf_add_text(out, is_first ? "\"" : ",\"");
        buf_add(out, key.raw.data, key.raw.size);
        buf_add_text(out, "\":");
        buf_add(out, text.data, text.size);
        is_first = false;
    }
    buf_add_byte(out, '}');
    return true;
}

/* An address, or an array of them. */
static bool print_addresses(struct json *json, struct arena *feature, struct buf *out,
                            struct err *err)
{
    if (json_peek(json) != JSON_ARRAY) {
        return print_address(json, feature, out, err);
    }
    if (!json_enter(json, JSON_ARRAY, err)) {
        return false;
    }
    buf_add_byte(out, '[');
    for (bool is_first = true;; is_first = false) {
        bool is_end = false;
        if (!json_next_element(json, &is_end, err)) {
            return false;
        }
        if (is_end) {
            buf_add_byte(out, ']');
            return true;
        }
        if (!is_first) {
            buf_add_byte(out, ',');
        }
        if (!print_address(json, feature, out, err)) {
            return false;
        }
    }
}

/* Makes the address an attribute, unless there is one of that name. */
static bool add_address(struct cityjson *reader, const struct members *members,
                        struct arena *feature, struct feature_attribute *attributes, size_t *count,
                        struct err *err)
{
    struct json json = members->address;
    if (!members->has_address || json_peek(&json) == JSON_NULL) {
        return true;
    }
    for (size_t i = 0; i < *count; i++) {
        if (text_is(attributes[i].key, "address")) {
            return true;
        }
    }
    struct buf *printed = &reader->attributes;
    struct feature_attribute address = {.key = text_of("address"), .value.type = FEATURE_JSON};
    buf_reset(printed);
    if (!print_addresses(&json, feature, printed, err) || !buf_finish(printed, err)) {
        return false;
    }
    const struct text text = {(const char *)printed->data, printed->size};
    if (!copy_text(text, feature, &address.value.text, err)) {
        return false;
    }
    attributes[(*count)++] = address;
    return true;
}

/* ---- the feature ---- */

static bool read_object(struct cityjson *reader, const struct cityjson_object *object,
                        struct arena *feature, struct feature *out, struct err *err)
{
    struct json json = cityjson_go(reader->current, object->place);
    const struct json before = json;
    struct members members;
    struct feature_attribute *attributes = NULL;
    if (out->id.size == 0) {
        return json_fail(&before, err, ERR_SCHEMA, "a city object whose id is empty");
    }
    if (!read_members(reader, &json, feature, out, &members, err)) {
        return false;
    }
    if (members.kind.raw.data == NULL) {
        return json_fail(&before, err, ERR_SCHEMA, "a city object without a 'type'");
    }
    if (!json_string_text(members.kind, feature, &out->kind, err) ||
        !read_own(reader, &members, out->id, feature, &attributes, &out->attribute_count, err) ||
        !add_address(reader, &members, feature, attributes, &out->attribute_count, err)) {
        return false;
    }
    out->attributes = attributes;
    out->name = find_name(attributes, out->attribute_count);
    /* A line of a sequence that is a whole CityJSON may stand elsewhere. */
    const struct json_string crs = reader->current->crs;
    if (reader->current == &reader->line && crs.raw.data != NULL &&
        !text_equals(crs.raw, reader->header.crs.raw) &&
        !json_string_text(crs, feature, &out->crs, err)) {
        return false;
    }
    return read_ancestry(reader, object, feature, out, err);
}

bool cityjson_read_feature(struct cityjson *reader, uint64_t index, struct arena *feature,
                           struct feature *out, struct err *err)
{
    struct feature found = {.parts_level = -1};
    struct cityjson_object object;
    if (!load_object(reader, index, feature, &object, &found.id, err)) {
        return false;
    }
    found.line = object.place.line;
    found.parts_level = object.parts_level;
    if (!read_object(reader, &object, feature, &found, err)) {
        name_feature(err, found.id);
        return false;
    }
    *out = found;
    return true;
}

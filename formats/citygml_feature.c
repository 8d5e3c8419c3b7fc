/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>

#include "formats/citygml_internal.h"

enum { ANCESTORS_MAX = 64 };

/* ---- for all ---- */

uint64_t citygml_hash(struct text id)
{
    if (id.size > 0 && id.data[0] == '#') {
        id.data++;
        id.size--;
    }
    const uint64_t hash = digest_short((struct span){(const uint8_t *)id.data, id.size});
    return hash == 0 ? 1 : hash;
}

bool citygml_copy(struct text text, struct arena *arena, struct text *out, struct err *err)
{
    char *copy = arena_array(arena, char, text.size + 1);
    if (copy == NULL) {
        return arena_full(arena, err);
    }
    if (text.size > 0) {
        memcpy(copy, text.data, text.size);
    }
    *out = (struct text){copy, text.size};
    return true;
}

void citygml_name_feature(struct err *err, struct text id)
{
    char name[sizeof err->feature + 4];
    const size_t size = id.size < sizeof name - 1 ? id.size : sizeof name - 1;
    if (size > 0) {
        memcpy(name, id.data, size);
    }
    name[size] = '\0';
    err_in_feature(err, name);
}

void citygml_report(const struct citygml *reader, struct text id, uint32_t line,
                    enum report_level level, const char *kind, const char *format, ...)
{
    char message[sizeof((struct err *)NULL)->message];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    struct err what;
    err_set(&what, ERR_SCHEMA, "%s", message);
    err_at_line(&what, line, 0);
    citygml_name_feature(&what, id);
    err_in_source(&what, reader->input.name);
    report_add(reader->input.report, level, kind, &what);
}

/* ---- the object ---- */

static const struct citygml_object *object_at(const struct citygml *reader, uint32_t index)
{
    return CITYGML_AT(reader->member.objects, const struct citygml_object, index);
}

static bool ends_in_part(struct text kind)
{
    return kind.size > 4 && memcmp(kind.data + kind.size - 4, "Part", 4) == 0;
}

/* The finest level among the parts below `index`. */
static double parts_level(const struct citygml *reader, uint32_t index)
{
    const struct citygml_member *member = &reader->member;
    const uint32_t root_count = citygml_count(&member->roots, sizeof(struct citygml_root));
    double finest = -1;
    if (!object_at(reader, index)->has_children) {
        return finest;
    }
    for (uint32_t i = 0; i < root_count; i++) {
        const struct citygml_root *root = CITYGML_AT(member->roots, struct citygml_root, i);
        if (root->level <= finest) {
            continue;
        }
        bool is_part = false;
        uint32_t at = root->object;
        for (int climbed = 0; at != CITYGML_NONE && at > index && climbed < ANCESTORS_MAX;
             climbed++) {
            is_part |= ends_in_part(object_at(reader, at)->kind);
            at = object_at(reader, at)->parent;
        }
        if (at == index && is_part) {
            finest = root->level;
        }
    }
    return finest;
}

/* What its ancestors say and it does not, nearest first. */
static bool read_inherited(struct citygml *reader, uint32_t index, struct arena *feature,
                           struct feature *out, struct err *err)
{
    struct feature_attribute *all[ANCESTORS_MAX];
    size_t counts[ANCESTORS_MAX];
    size_t total = 0;
    int ancestors = 0;
    for (uint32_t at = object_at(reader, index)->parent;
         at != CITYGML_NONE && ancestors < ANCESTORS_MAX; at = object_at(reader, at)->parent) {
        if (!citygml_value_finish(reader, at, false, feature, &all[ancestors], &counts[ancestors],
                                  err)) {
            return false;
        }
        total += counts[ancestors++];
    }
    if (total == 0) {
        return true;
    }
    struct feature_attribute *inherited = arena_array(feature, struct feature_attribute, total);
    if (inherited == NULL) {
        return arena_full(feature, err);
    }
    size_t count = 0;
    for (int i = 0; i < ancestors; i++) {
        for (size_t k = 0; k < counts[i]; k++) {
            bool is_hidden = text_is(all[i][k].key, "name");
            for (size_t n = 0; n < out->attribute_count && !is_hidden; n++) {
                is_hidden = text_equals(out->attributes[n].key, all[i][k].key);
            }
            for (size_t n = 0; n < count && !is_hidden; n++) {
                is_hidden = text_equals(inherited[n].key, all[i][k].key);
            }
            if (!is_hidden) {
                inherited[count++] = all[i][k];
            }
        }
    }
    out->inherited = inherited;
    out->inherited_count = count;
    return true;
}

static bool read_ancestors(struct citygml *reader, uint32_t index, struct arena *feature,
                           struct feature *out, struct err *err)
{
    const uint32_t parent = object_at(reader, index)->parent;
    uint32_t root = index;
    for (int i = 0; i < ANCESTORS_MAX && object_at(reader, root)->parent != CITYGML_NONE; i++) {
        root = object_at(reader, root)->parent;
    }
    if (parent != CITYGML_NONE &&
        !citygml_copy(object_at(reader, parent)->id, feature, &out->parent_id, err)) {
        return false;
    }
    return citygml_copy(object_at(reader, root)->id, feature, &out->root_id, err) &&
           read_inherited(reader, index, feature, out, err);
}

/* Objects that have no gml:id are called by their class and number. */
static bool name_objects(struct citygml *reader, struct err *err)
{
    struct citygml_member *member = &reader->member;
    const uint32_t count = citygml_count(&member->objects, sizeof(struct citygml_object));
    for (uint32_t i = 0; i < count; i++) {
        struct citygml_object *object = CITYGML_AT(member->objects, struct citygml_object, i);
        if (object->id.size > 0) {
            continue;
        }
        const char *file = strrchr(reader->input.name, '/');
        file = file == NULL ? reader->input.name : file + 1;
        const char *name = arena_print(&member->texts, "%.*s-%llu@%s", TEXT_ARGS(object->kind),
                                       (unsigned long long)++reader->unnamed_count, file);
        if (name == NULL) {
            return arena_full(&member->texts, err);
        }
        object->id = text_of(name);
        citygml_report(reader, object->id, object->line, REPORT_NOTICE, "id-missing",
                       "a %.*s without a gml:id", TEXT_ARGS(object->kind));
    }
    return true;
}

static bool read_object(struct citygml *reader, uint32_t index, struct arena *feature,
                        struct feature *out, struct err *err)
{
    const struct citygml_object *object = object_at(reader, index);
    struct feature_attribute *attributes = NULL;
    if (!citygml_copy(object->kind, feature, &out->kind, err) ||
        !citygml_copy(object->name, feature, &out->name, err) ||
        !citygml_value_finish(reader, index, true, feature, &attributes, &out->attribute_count,
                              err)) {
        return false;
    }
    out->attributes = attributes;
    out->parts_level = parts_level(reader, index);
    if (object->not_drawn > 0) {
        citygml_report(reader, object->id, object->line, REPORT_NOTICE, "not-drawn",
                       "%u points or curves", object->not_drawn);
    }
    if (object->not_known > 0) {
        citygml_report(reader, object->id, object->line, REPORT_SKIPPED, "geometry-unknown",
                       "%u geometries in elements whose meaning is not known", object->not_known);
    }
    return read_ancestors(reader, index, feature, out, err) &&
           citygml_shape_read(reader, index, feature, out, err);
}

bool citygml_read_feature(struct citygml *reader, uint32_t index, struct arena *feature,
                          struct feature *out, struct err *err)
{
    struct feature found = {.parts_level = -1};
    if (!reader->member.is_named) {
        reader->member.is_named = true;
        if (!name_objects(reader, err)) {
            return false;
        }
    }
    const struct citygml_object *object = object_at(reader, index);
    found.line = object->line;
    if (object->failure != CITYGML_NONE) {
        *err = *CITYGML_AT(reader->member.failures, struct err, object->failure);
        citygml_name_feature(err, object->id);
        return false;
    }
    if (!citygml_copy(object->id, feature, &found.id, err) ||
        !read_object(reader, index, feature, &found, err)) {
        citygml_name_feature(err, object->id);
        err_at_line(err, object->line, 0);
        return false;
    }
    *out = found;
    return true;
}

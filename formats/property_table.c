/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/property_table.h"

#include <assert.h>

#include "formats/json_tree.h"
#include "formats/json_write.h"

#define SCHEMA_ID "storey"
#define CLASS_ID "feature"
#define BRIEF_ID "brief"
#define TRISTATE_ID "tristate"
#define ENUM_PREFIX "enum_"
#define UNKNOWN_VALUE "unknown"

/* ---- ids ---- */

static bool is_id_char(uint32_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* The code point at *at, which moves past it; a stray byte is U+FFFD. */
static uint32_t next_code_point(const char **at, const char *end)
{
    const uint8_t first = (uint8_t) * (*at)++;
    if (first < 0x80) {
        return first;
    }
    const int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : first >= 0xc2 ? 1 : 0;
    if (more == 0 || end - *at < more) {
        return 0xfffd;
    }
    uint32_t c = (uint32_t)first & (0x3fU >> more);
    for (int i = 0; i < more; i++) {
        if (((uint8_t)(*at)[i] & 0xc0) != 0x80) {
            return 0xfffd;
        }
        c = c << 6 | ((uint8_t)(*at)[i] & 0x3f);
    }
    *at += more;
    return c;
}

static size_t put_hex(uint32_t c, char *out)
{
    size_t n = 0;
    for (int shift = c > 0xffff ? 20 : 12; shift >= 0; shift -= 4) {
        out[n++] = "0123456789abcdef"[c >> shift & 15];
    }
    return n;
}

bool property_id_from_name(struct text name, struct arena *arena, struct text *out, struct err *err)
{
    /* "u4e2d" stands for three bytes; a stray byte may become five. */
    enum { GROWTH = 5 };
    if (name.size > (SIZE_MAX - 1) / GROWTH) {
        return err_set(err, ERR_LIMIT, "property name of %zu bytes", name.size);
    }
    char *id = arena_array(arena, char, GROWTH *name.size + 1);
    if (id == NULL) {
        return arena_full(arena, err);
    }
    size_t n = 0;
    if (name.size == 0 || (name.data[0] >= '0' && name.data[0] <= '9')) {
        id[n++] = '_';
    }
    const char *end = name.data + name.size;
    for (const char *at = name.data; at != end;) {
        const uint32_t c = next_code_point(&at, end);
        if (is_id_char(c)) {
            id[n++] = (char)c;
        } else if (c < 0x80) {
            id[n++] = '_';
        } else {
            id[n++] = 'u';
            n += put_hex(c, id + n);
        }
    }
    *out = (struct text){id, n};
    return true;
}

/* ---- printing ---- */

/* The name of PROPERTY_NO_ENUM: "unknown", with underscores where the code list
 * has that word itself. */
static void print_no_enum(const struct property *property, struct buf *out)
{
    char name[sizeof UNKNOWN_VALUE + PROPERTY_ENUM_MAX + 1] = UNKNOWN_VALUE;
    size_t size = sizeof UNKNOWN_VALUE - 1;
    for (size_t i = 0; i < property->enum_count;) {
        if (text_equals(property->enum_names[i], (struct text){name, size})) {
            name[size++] = '_'; /* at most once a value */
            i = 0;
        } else {
            i++;
        }
    }
    json_write_text(out, (struct text){name, size});
}

static void print_enum_value(struct buf *out, struct text name, size_t value)
{
    json_write_comma(out);
    buf_add_text(out, "{\"name\":");
    json_write_text(out, name);
    buf_print(out, ",\"value\":%zu}", value);
}

static void print_enum(const struct property *property, struct buf *out)
{
    json_write_comma(out);
    buf_print(out, "\"" ENUM_PREFIX "%.*s\":{\"valueType\":\"UINT8\",\"values\":[",
              TEXT_ARGS(property->id));
    for (size_t i = 0; i < property->enum_count; i++) {
        print_enum_value(out, property->enum_names[i], i);
    }
    if (!property->is_required) {
        json_write_comma(out);
        buf_add_text(out, "{\"name\":");
        print_no_enum(property, out);
        buf_print(out, ",\"value\":%d}", PROPERTY_NO_ENUM);
    }
    buf_add_text(out, "]}");
}

static bool has_type(const struct property_schema *schema, enum property_type type)
{
    for (size_t i = 0; i < schema->property_count; i++) {
        if (schema->properties[i].type == type) {
            return true;
        }
    }
    return false;
}

static void print_enums(const struct property_schema *schema, struct buf *out)
{
    const bool has_tristate = has_type(schema, PROPERTY_TRISTATE);
    if (!has_tristate && !has_type(schema, PROPERTY_ENUM)) {
        return;
    }
    buf_add_text(out, ",\"enums\":{");
    if (has_tristate) {
        buf_add_text(out, "\"" TRISTATE_ID "\":{\"valueType\":\"UINT8\",\"values\":[");
        print_enum_value(out, text_of("no"), PROPERTY_NO);
        print_enum_value(out, text_of("yes"), PROPERTY_YES);
        print_enum_value(out, text_of(UNKNOWN_VALUE), PROPERTY_UNKNOWN);
        buf_add_text(out, "]}");
    }
    for (size_t i = 0; i < schema->property_count; i++) {
        if (schema->properties[i].type == PROPERTY_ENUM) {
            print_enum(&schema->properties[i], out);
        }
    }
    buf_add_text(out, "}");
}

static void print_type(const struct property *property, struct buf *out)
{
    switch (property->type) {
    case PROPERTY_BOOL:
        buf_add_text(out, "\"type\":\"BOOLEAN\"");
        break;
    case PROPERTY_TRISTATE:
        buf_add_text(out, "\"type\":\"ENUM\",\"enumType\":\"" TRISTATE_ID "\"");
        break;
    case PROPERTY_INT32:
        buf_add_text(out, "\"type\":\"SCALAR\",\"componentType\":\"INT32\"");
        break;
    case PROPERTY_INT64:
        buf_add_text(out, "\"type\":\"SCALAR\",\"componentType\":\"INT64\"");
        break;
    case PROPERTY_FLOAT64:
        buf_add_text(out, "\"type\":\"SCALAR\",\"componentType\":\"FLOAT64\"");
        break;
    case PROPERTY_STRING:
        buf_add_text(out, "\"type\":\"STRING\"");
        break;
    case PROPERTY_ENUM:
        buf_print(out, "\"type\":\"ENUM\",\"enumType\":\"" ENUM_PREFIX "%.*s\"",
                  TEXT_ARGS(property->id));
        break;
    }
}

static void print_no_data(const struct property *property, struct buf *out)
{
    switch (property->type) {
    case PROPERTY_BOOL: /* may not have one */
        break;
    case PROPERTY_TRISTATE:
        buf_add_text(out, ",\"noData\":\"" UNKNOWN_VALUE "\"");
        break;
    case PROPERTY_INT32:
        buf_print(out, ",\"noData\":%ld", (long)PROPERTY_NO_INT32);
        break;
    case PROPERTY_INT64:
        buf_print(out, ",\"noData\":%lld", (long long)PROPERTY_NO_INT64);
        break;
    case PROPERTY_FLOAT64:
        buf_add_text(out, ",\"noData\":");
        json_write_double(out, PROPERTY_NO_FLOAT64);
        break;
    case PROPERTY_STRING:
        buf_add_text(out, ",\"noData\":\"\"");
        break;
    case PROPERTY_ENUM:
        buf_add_text(out, ",\"noData\":");
        print_no_enum(property, out);
        break;
    }
}

static void print_property(const struct property *property, struct buf *out)
{
    assert(property->type != PROPERTY_ENUM ||
           (property->enum_count > 0 && property->enum_count <= PROPERTY_ENUM_MAX));
    json_write_comma(out);
    buf_add_text(out, "\n");
    json_write_text(out, property->id);
    buf_add_text(out, ":{");
    if (property->name.size > 0) {
        buf_add_text(out, "\"name\":");
        json_write_text(out, property->name);
        buf_add_text(out, ",");
    }
    print_type(property, out);
    if (!property->is_required) {
        print_no_data(property, out);
    } else if (property->semantic != NULL) {
        buf_add_text(out, ",\"required\":true");
    }
    if (property->semantic != NULL) {
        buf_print(out, ",\"semantic\":\"%s\"", property->semantic);
    }
    buf_add_text(out, "}");
}

static bool has_brief(const struct property_schema *schema)
{
    for (size_t i = 0; i < schema->property_count; i++) {
        if (schema->properties[i].is_brief) {
            return true;
        }
    }
    return false;
}

bool property_is_in_class(const struct property *property, const char *class_name)
{
    return property->is_brief || strcmp(class_name, CLASS_ID) == 0;
}

const char *property_table_class(const struct property_table *table)
{
    for (size_t i = 0; i < table->column_count; i++) {
        if (!table->schema->properties[table->columns[i].property].is_brief) {
            return CLASS_ID;
        }
    }
    return has_brief(table->schema) ? BRIEF_ID : CLASS_ID;
}

static void print_class(const struct property_schema *schema, const char *name, struct buf *out)
{
    json_write_key(out, name);
    buf_add_text(out, "{");
    if (schema->property_count > 0) { /* an empty "properties" is not allowed */
        buf_add_text(out, "\"properties\":{");
        for (size_t i = 0; i < schema->property_count; i++) {
            if (property_is_in_class(&schema->properties[i], name)) {
                print_property(&schema->properties[i], out);
            }
        }
        buf_add_text(out, "}");
    }
    buf_add_text(out, "}");
}

void property_schema_print(const struct property_schema *schema, struct buf *out)
{
    buf_add_text(out, "{\"id\":\"" SCHEMA_ID "\"");
    print_enums(schema, out);
    buf_add_text(out, ",\"classes\":{");
    print_class(schema, CLASS_ID, out);
    if (has_brief(schema)) {
        print_class(schema, BRIEF_ID, out);
    }
    buf_add_text(out, "}}");
}

/* ---- reading ---- */

struct reading {
    const struct json_tree *enums;
    struct arena *arena;
    struct err *err;
};

static bool fail_at(struct err *err, const struct json_tree *at, const char *what,
                    struct text which)
{
    return err_set_at(err, ERR_SCHEMA, at->offset, "%s '%.*s'", what,
                      (int)(which.size < 80 ? which.size : 80), which.data);
}

static struct text text_in(const struct json_tree *object, const char *key)
{
    const struct json_tree *found = json_tree_find(object, key);
    return json_tree_is(found, JSON_STRING) ? found->text : (struct text){NULL, 0};
}

static bool is_true(const struct json_tree *object, const char *key)
{
    return json_tree_is(json_tree_find(object, key), JSON_TRUE);
}

/* Our own tristate, known by its id and values. */
static bool is_tristate(struct text id, const struct json_tree *values)
{
    static const char *const names[] = {"no", "yes", UNKNOWN_VALUE};
    if (!text_is(id, TRISTATE_ID) || values->child_count != 3) {
        return false;
    }
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t value;
        if (!json_tree_is_text(json_tree_find(&values->children[i], "name"), names[i]) ||
            !json_tree_index(json_tree_find(&values->children[i], "value"), &value) || value != i) {
            return false;
        }
    }
    return true;
}

/*
 * The hub's enums count from 0, so one whose values are not 0, 1, 2, ... in
 * order is not one that it has; except that the last may be PROPERTY_NO_ENUM
 * and stand for no value.
 */
static bool read_enum(const struct reading *r, const struct json_tree *from, struct property *into,
                      bool *out_is_known)
{
    const struct text id = text_in(from, "enumType");
    const struct json_tree *found = NULL;
    for (size_t i = 0; json_tree_is(r->enums, JSON_OBJECT) && i < r->enums->child_count; i++) {
        if (text_equals(r->enums->children[i].key, id)) {
            found = &r->enums->children[i];
        }
    }
    const struct json_tree *values = json_tree_find(found, "values");
    if (!json_tree_is(values, JSON_ARRAY)) {
        return fail_at(r->err, from, "no enum", id);
    }
    const struct text value_type = text_in(found, "valueType");
    *out_is_known = text_is(value_type, "UINT8");
    if (*out_is_known && is_tristate(id, values)) {
        into->type = PROPERTY_TRISTATE;
        return true;
    }
    into->type = PROPERTY_ENUM;
    struct text *names = arena_array(r->arena, struct text, (size_t)values->child_count + 1);
    if (names == NULL) {
        return arena_full(r->arena, r->err);
    }
    for (uint32_t i = 0; i < values->child_count; i++) {
        const struct json_tree *entry = &values->children[i];
        uint32_t value;
        if (!json_tree_index(json_tree_find(entry, "value"), &value)) {
            *out_is_known = false;
            return true;
        }
        names[i] = text_in(entry, "name");
        if (value == PROPERTY_NO_ENUM && i + 1 == values->child_count && i < PROPERTY_NO_ENUM &&
            json_tree_find(from, "noData") != NULL) {
            break;
        }
        *out_is_known = *out_is_known && value == i && i < PROPERTY_ENUM_MAX;
        into->enum_count = (size_t)i + 1;
    }
    *out_is_known = *out_is_known && into->enum_count > 0;
    into->enum_names = names;
    return true;
}

static bool read_component(const struct reading *r, const struct json_tree *from,
                           struct property *into)
{
    static const struct {
        const char *name;
        enum property_type type;
        enum property_stored stored;
    } components[] = {
        {"INT32", PROPERTY_INT32, PROPERTY_AS_TYPE},
        {"INT64", PROPERTY_INT64, PROPERTY_AS_TYPE},
        {"FLOAT64", PROPERTY_FLOAT64, PROPERTY_AS_TYPE},
        {"INT8", PROPERTY_INT32, PROPERTY_INT8},
        {"UINT8", PROPERTY_INT32, PROPERTY_UINT8},
        {"INT16", PROPERTY_INT32, PROPERTY_INT16},
        {"UINT16", PROPERTY_INT32, PROPERTY_UINT16},
        {"UINT32", PROPERTY_INT64, PROPERTY_UINT32},
        {"UINT64", PROPERTY_INT64, PROPERTY_UINT64},
        {"FLOAT32", PROPERTY_FLOAT64, PROPERTY_FLOAT32},
    };
    const struct text name = text_in(from, "componentType");
    for (size_t i = 0; i < sizeof components / sizeof components[0]; i++) {
        if (text_is(name, components[i].name)) {
            into->type = components[i].type;
            into->stored = components[i].stored;
            return true;
        }
    }
    return fail_at(r->err, from, "component type", name);
}

static bool has_our_no_data(const struct json_tree *value, const struct property *property)
{
    switch (property->type) {
    case PROPERTY_BOOL:
        return false;
    case PROPERTY_TRISTATE:
        return json_tree_is_text(value, UNKNOWN_VALUE);
    case PROPERTY_ENUM: /* the last value, see read_enum() */
        return value != NULL;
    case PROPERTY_STRING:
        return json_tree_is_text(value, "");
    case PROPERTY_INT32:
        return json_tree_is(value, JSON_NUMBER) && value->number == (double)PROPERTY_NO_INT32;
    case PROPERTY_INT64:
        return json_tree_is(value, JSON_NUMBER) && value->number == (double)PROPERTY_NO_INT64;
    case PROPERTY_FLOAT64:
        return json_tree_is(value, JSON_NUMBER) && value->number == PROPERTY_NO_FLOAT64;
    }
    return false;
}

static bool read_property(const struct reading *r, const struct json_tree *from,
                          struct property *into, bool *out_is_known)
{
    static const char *const shapes[] = {"VEC2", "VEC3", "VEC4", "MAT2", "MAT3", "MAT4"};
    *into = (struct property){.id = from->key, .name = text_in(from, "name")};
    const struct json_tree *semantic = json_tree_find(from, "semantic");
    if (json_tree_is(semantic, JSON_STRING)) {
        char *terminated = arena_array(r->arena, char, semantic->text.size + 1);
        if (terminated == NULL) {
            return arena_full(r->arena, r->err);
        }
        memcpy(terminated, semantic->text.data, semantic->text.size);
        into->semantic = terminated;
    }
    *out_is_known = true;
    const struct text type = text_in(from, "type");
    bool ok = true;
    if (text_is(type, "STRING")) {
        into->type = PROPERTY_STRING;
    } else if (text_is(type, "BOOLEAN")) {
        into->type = PROPERTY_BOOL;
    } else if (text_is(type, "SCALAR")) {
        ok = read_component(r, from, into);
    } else if (text_is(type, "ENUM")) {
        ok = read_enum(r, from, into, out_is_known);
    } else {
        *out_is_known = false;
        ok = false;
        for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
            ok = ok || text_is(type, shapes[i]);
        }
        if (!ok) {
            return fail_at(r->err, from, "property type", type);
        }
    }
    if (is_true(from, "array") || is_true(from, "normalized") ||
        json_tree_find(from, "offset") != NULL || json_tree_find(from, "scale") != NULL) {
        *out_is_known = false;
    }
    into->is_required = !ok || !has_our_no_data(json_tree_find(from, "noData"), into);
    return ok;
}

static const struct json_tree *find_class(const struct json_tree *classes, struct text name)
{
    if (!json_tree_is(classes, JSON_OBJECT)) {
        return NULL;
    }
    for (size_t i = 0; i < classes->child_count; i++) {
        if (name.size == 0 || text_equals(classes->children[i].key, name)) {
            return &classes->children[i];
        }
    }
    return NULL;
}

static bool has_member(const struct json_tree *object, struct text key)
{
    for (size_t i = 0; json_tree_is(object, JSON_OBJECT) && i < object->child_count; i++) {
        if (text_equals(object->children[i].key, key)) {
            return true;
        }
    }
    return false;
}

bool property_schema_read(struct span json, struct text class_name, struct arena *arena,
                          struct property_schema *out, struct err *err)
{
    const struct json_tree *root;
    if (!json_tree_read(json, arena, &root, err)) {
        return false;
    }
    return property_schema_from_tree(root, class_name, arena, out, err);
}

bool property_schema_from_tree(const struct json_tree *root, struct text class_name,
                               struct arena *arena, struct property_schema *out, struct err *err)
{
    const struct json_tree *class = find_class(json_tree_find(root, "classes"), class_name);
    if (!json_tree_is(class, JSON_OBJECT)) {
        return fail_at(err, root, "no metadata class", class_name);
    }
    const struct json_tree *from = json_tree_find(class, "properties");
    const size_t room = json_tree_is(from, JSON_OBJECT) ? from->child_count : 0;
    struct property *properties = arena_array(arena, struct property, room);
    if (properties == NULL) {
        return arena_full(arena, err);
    }
    const struct reading reading = {json_tree_find(root, "enums"), arena, err};
    const struct json_tree *brief =
        json_tree_find(json_tree_find(json_tree_find(root, "classes"), BRIEF_ID), "properties");
    size_t count = 0;
    for (size_t i = 0; i < room; i++) {
        bool is_known;
        if (!read_property(&reading, &from->children[i], &properties[count], &is_known)) {
            return false;
        }
        properties[count].is_brief = has_member(brief, from->children[i].key);
        count += is_known ? 1 : 0;
    }
    *out = (struct property_schema){.properties = properties, .property_count = count};
    return true;
}

size_t property_schema_find(const struct property_schema *schema, struct text id)
{
    for (size_t i = 0; i < schema->property_count; i++) {
        if (text_equals(schema->properties[i].id, id)) {
            return i;
        }
    }
    return SIZE_MAX;
}

bool property_is_missing(const struct property_schema *schema, const struct property_column *column,
                         uint32_t row)
{
    const struct property *property = &schema->properties[column->property];
    if (property->is_required) {
        return false;
    }
    switch (property->type) {
    case PROPERTY_BOOL:
        return false;
    case PROPERTY_TRISTATE:
        return column->values.small[row] == PROPERTY_UNKNOWN;
    case PROPERTY_ENUM:
        return column->values.small[row] == PROPERTY_NO_ENUM;
    case PROPERTY_INT32:
        return column->values.int32[row] == PROPERTY_NO_INT32;
    case PROPERTY_INT64:
        return column->values.int64[row] == PROPERTY_NO_INT64;
    case PROPERTY_FLOAT64:
        return column->values.float64[row] == PROPERTY_NO_FLOAT64;
    case PROPERTY_STRING:
        return column->values.string[row].size == 0;
    }
    return false;
}

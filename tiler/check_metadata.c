/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>

#include "tiler/check_internal.h"

enum { VIEW_ALIGN = 8 };

/* Names of numeric component types with their sizes. */
static const struct {
    const char *name;
    size_t bytes;
} components[] = {{"INT8", 1},   {"UINT8", 1}, {"INT16", 2},  {"UINT16", 2},  {"INT32", 4},
                  {"UINT32", 4}, {"INT64", 8}, {"UINT64", 8}, {"FLOAT32", 4}, {"FLOAT64", 8}};

static const struct {
    const char *name;
    size_t component_count;
} types[] = {{"SCALAR", 1}, {"VEC2", 2}, {"VEC3", 3}, {"VEC4", 4},
             {"MAT2", 4},   {"MAT3", 9}, {"MAT4", 16}};

/* Bytes of a component, or 0 when the name is none. */
static size_t component_bytes(struct text name)
{
    for (size_t i = 0; i < sizeof components / sizeof components[0]; i++) {
        if (text_is(name, components[i].name)) {
            return components[i].bytes;
        }
    }
    return 0;
}

/* Components of a numeric type, or 0. */
static size_t component_count(struct text type)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (text_is(type, types[i].name)) {
            return types[i].component_count;
        }
    }
    return 0;
}

static bool is_identifier(struct text name)
{
    if (name.size == 0 || isdigit((unsigned char)name.data[0]) != 0) {
        return false;
    }
    for (size_t i = 0; i < name.size; i++) {
        if (isalnum((unsigned char)name.data[i]) == 0 && name.data[i] != '_') {
            return false;
        }
    }
    return true;
}

/* ---- schema ------------------------------------------------------------- */

static void check_enum(struct check_run *check, struct text file, const struct json_tree *node)
{
    const struct json_tree *values = json_tree_find(node, "values");
    const struct json_tree *value_type = json_tree_find(node, "valueType");
    if (!is_identifier(node->key)) {
        check_note_at(check, "schema-identifier", file, node, "'%.*s' is no enum id",
                      TEXT_ARGS(node->key));
    }
    if (value_type != NULL &&
        (component_bytes(check_text(value_type)) == 0 || value_type->text.data[0] == 'F')) {
        check_note_at(check, "schema-enum", file, value_type, "'%.*s' is no enum value type",
                      TEXT_ARGS(check_text(value_type)));
    }
    if (!json_tree_is(values, JSON_ARRAY) || values->child_count == 0) {
        check_note_at(check, "schema-enum", file, node, "enum '%.*s' without values",
                      TEXT_ARGS(node->key));
        return;
    }
    for (size_t i = 0; i < values->child_count; i++) {
        const struct json_tree *value = json_tree_find(&values->children[i], "value");
        const struct json_tree *name = json_tree_find(&values->children[i], "name");
        if (!json_tree_is(value, JSON_NUMBER) || check_text(name).size == 0) {
            check_note_at(check, "schema-enum", file, &values->children[i],
                          "an enum value needs name and value");
            return;
        }
    }
}

static void check_property(struct check_run *check, struct text file,
                           const struct json_tree *schema, const struct json_tree *node)
{
    const struct text type = check_text(json_tree_find(node, "type"));
    const struct json_tree *component = json_tree_find(node, "componentType");
    const struct json_tree *enum_type = json_tree_find(node, "enumType");
    if (!is_identifier(node->key)) {
        check_note_at(check, "schema-identifier", file, node, "'%.*s' is no property id",
                      TEXT_ARGS(node->key));
    }
    const bool is_numeric = component_count(type) > 0;
    if (!is_numeric && !text_is(type, "STRING") && !text_is(type, "BOOLEAN") &&
        !text_is(type, "ENUM")) {
        check_note_at(check, "schema-type", file, node, "property '%.*s' has the type '%.*s'",
                      TEXT_ARGS(node->key), TEXT_ARGS(type));
    } else if (is_numeric != (component != NULL) ||
               (is_numeric && component_bytes(check_text(component)) == 0)) {
        check_note_at(check, "schema-component-type", file, component == NULL ? node : component,
                      "property '%.*s' of type %.*s has the component type '%.*s'",
                      TEXT_ARGS(node->key), TEXT_ARGS(type), TEXT_ARGS(check_text(component)));
    }
    if (text_is(type, "ENUM") != (enum_type != NULL) ||
        (enum_type != NULL &&
         check_member(json_tree_find(schema, "enums"), check_text(enum_type)) == NULL)) {
        check_note_at(check, "schema-enum", file, node, "property '%.*s' has the enum type '%.*s'",
                      TEXT_ARGS(node->key), TEXT_ARGS(check_text(enum_type)));
    }
    const struct text semantic = check_text(json_tree_find(node, "semantic"));
    if (text_is(semantic, "ID") && !text_is(type, "STRING")) {
        check_note_at(check, "schema-semantic", file, node,
                      "the semantic ID of property '%.*s' requires type STRING",
                      TEXT_ARGS(node->key));
    }
    if (json_tree_is(json_tree_find(node, "required"), JSON_TRUE) &&
        json_tree_find(node, "noData") != NULL) {
        check_note_at(check, "schema-no-data", file, node,
                      "property '%.*s' is required and has noData", TEXT_ARGS(node->key));
    }
}

void check_schema(struct check_run *check, struct text file, const struct json_tree *schema)
{
    const struct json_tree *classes = json_tree_find(schema, "classes");
    const struct json_tree *enums = json_tree_find(schema, "enums");
    if (!json_tree_is(schema, JSON_OBJECT)) {
        check_note_at(check, "schema", file, schema, "a schema must be an object");
        return;
    }
    if (!is_identifier(check_text(json_tree_find(schema, "id")))) {
        check_note_at(check, "schema-id", file, schema, "a schema needs an id");
    }
    if (json_tree_is(enums, JSON_OBJECT)) {
        for (const struct json_tree *node = check_first(enums); node != check_end(enums); node++) {
            check_enum(check, file, node);
        }
    }
    if (!json_tree_is(classes, JSON_OBJECT)) {
        return;
    }
    for (const struct json_tree *node = check_first(classes); node != check_end(classes); node++) {
        const struct json_tree *properties = json_tree_find(node, "properties");
        if (!is_identifier(node->key)) {
            check_note_at(check, "schema-identifier", file, node, "'%.*s' is no class id",
                          TEXT_ARGS(node->key));
        }
        if (json_tree_is(properties, JSON_OBJECT)) {
            for (const struct json_tree *property = check_first(properties);
                 property != check_end(properties); property++) {
                check_property(check, file, schema, property);
            }
        }
    }
}

/* ---- property tables ---------------------------------------------------- */

/* One column while it is being checked. */
struct column {
    struct check_run *check;
    struct text file;
    const struct json_tree *node; /* of the property in the table */
    const struct json_tree *class_property;
    const struct json_tree *schema;
    const struct check_views *views;
    double row_count;
};

/* The bytes of a buffer view; data NULL when they are elsewhere (no finding) or
 * out of range (a finding of the glTF part), size 0 then. */
static bool find_view(const struct column *column, const char *key, struct span *out)
{
    const struct json_tree *index = json_tree_find(column->node, key);
    const struct json_tree *view = check_element(column->views->views, check_number(index, -1));
    if (view == NULL) {
        check_note_at(column->check, "table-view", column->file,
                      index == NULL ? column->node : index, "property '%.*s': %s is no buffer view",
                      TEXT_ARGS(column->node->key), key);
        return false;
    }
    const double buffer = check_number(json_tree_find(view, "buffer"), -1);
    const double offset = check_number(json_tree_find(view, "byteOffset"), 0);
    const double length = check_number(json_tree_find(view, "byteLength"), 0);
    if (fmod(offset, VIEW_ALIGN) != 0) {
        check_note_at(column->check, "table-alignment", column->file, view,
                      "property '%.*s': %s begin at byte %.0f, not a multiple of 8",
                      TEXT_ARGS(column->node->key), key, offset);
    }
    *out = (struct span){NULL, 0};
    if (buffer >= 0 && buffer < (double)column->views->buffer_count) {
        const struct span bytes = column->views->buffers[(size_t)buffer];
        if (bytes.data != NULL && offset >= 0 && length >= 0 &&
            offset + length <= (double)bytes.size) {
            *out = (struct span){bytes.data + (size_t)offset, (size_t)length};
        }
    }
    return out->data != NULL;
}

static double load_number(const uint8_t *at, struct text component)
{
    float single;
    double full;
    if (text_is(component, "UINT8")) {
        return at[0];
    }
    if (text_is(component, "INT8")) {
        return (int8_t)at[0];
    }
    if (text_is(component, "UINT16")) {
        return bytes_load_u16le(at);
    }
    if (text_is(component, "INT16")) {
        return (int16_t)bytes_load_u16le(at);
    }
    if (text_is(component, "UINT32")) {
        return bytes_load_u32le(at);
    }
    if (text_is(component, "INT32")) {
        return (int32_t)bytes_load_u32le(at);
    }
    if (text_is(component, "UINT64")) {
        return (double)bytes_load_u64le(at);
    }
    if (text_is(component, "INT64")) {
        return (double)(int64_t)bytes_load_u64le(at);
    }
    if (text_is(component, "FLOAT32")) {
        const uint32_t bits = bytes_load_u32le(at);
        memcpy(&single, &bits, sizeof single);
        return (double)single;
    }
    const uint64_t bits = bytes_load_u64le(at);
    memcpy(&full, &bits, sizeof full);
    return full;
}

/*
 * Offsets of strings or of arrays: `count` + 1 numbers that never descend. The
 * last one, which is how many bytes or elements there are, comes out.
 */
static bool check_offsets(const struct column *column, const char *key, const char *type_key,
                          double count, struct span *out_bytes, size_t *out_width, double *out_last)
{
    const struct json_tree *type = json_tree_find(column->node, type_key);
    const struct text name = type == NULL ? text_of("UINT32") : check_text(type);
    const size_t width = component_bytes(name);
    if (width == 0 || name.data[0] != 'U') {
        check_note_at(column->check, "table-offset-type", column->file,
                      type == NULL ? column->node : type, "%s '%.*s'", type_key, TEXT_ARGS(name));
        return false;
    }
    if (!find_view(column, key, out_bytes)) {
        return false;
    }
    if ((double)out_bytes->size < (count + 1) * (double)width) {
        check_note_at(column->check, "table-too-short", column->file, column->node,
                      "property '%.*s': %zu bytes of %s, but %.0f are needed",
                      TEXT_ARGS(column->node->key), out_bytes->size, key,
                      (count + 1) * (double)width);
        return false;
    }
    double before = 0;
    for (size_t i = 0; i <= (size_t)count; i++) {
        const double offset = load_number(out_bytes->data + i * width, name);
        if (offset < before) {
            check_note_at(column->check, "table-offsets", column->file, column->node,
                          "property '%.*s': %s %zu is %.0f, after %.0f",
                          TEXT_ARGS(column->node->key), key, i, offset, before);
            return false;
        }
        before = offset;
    }
    *out_width = width;
    *out_last = before;
    return true;
}

static double load_offset(struct span bytes, size_t width, size_t i)
{
    uint64_t value = 0;
    for (size_t k = width; k-- > 0;) {
        value = value << 8 | bytes.data[i * width + k];
    }
    return (double)value;
}

static void check_strings(const struct column *column, double count)
{
    struct span offsets, values;
    size_t width = 0;
    double total = 0;
    if (!check_offsets(column, "stringOffsets", "stringOffsetType", count, &offsets, &width,
                       &total)) {
        return;
    }
    if (total <= 0) {
        return; /* a view cannot be empty, so that there may be none of use */
    }
    if (!find_view(column, "values", &values)) {
        return;
    }
    if (total > (double)values.size) {
        check_note_at(column->check, "table-too-short", column->file, column->node,
                      "property '%.*s': strings end at byte %.0f of %zu",
                      TEXT_ARGS(column->node->key), total, values.size);
        return;
    }
    for (size_t i = 0; i < (size_t)count; i++) {
        const double start = load_offset(offsets, width, i);
        const double end = load_offset(offsets, width, i + 1);
        const struct text string = {(const char *)values.data + (size_t)start,
                                    (size_t)(end - start)};
        if (!text_is_utf8(string)) {
            check_note_at(column->check, "table-utf8", column->file, column->node,
                          "property '%.*s': string %zu is not UTF-8", TEXT_ARGS(column->node->key),
                          i);
            return;
        }
    }
}

static bool enum_has(const struct json_tree *type, double value)
{
    const struct json_tree *values = json_tree_find(type, "values");
    if (!json_tree_is(values, JSON_ARRAY)) {
        return false;
    }
    for (size_t i = 0; i < values->child_count; i++) {
        const double known = check_number(json_tree_find(&values->children[i], "value"), NAN);
        if (known <= value && known >= value) {
            return true;
        }
    }
    return false;
}

static void check_enum_values(const struct column *column, const struct json_tree *type,
                              struct span values, struct text value_type, double count)
{
    const size_t width = component_bytes(value_type);
    for (size_t i = 0; i < (size_t)count; i++) {
        const double value = load_number(values.data + i * width, value_type);
        if (!enum_has(type, value)) {
            check_note_at(column->check, "table-enum", column->file, column->node,
                          "property '%.*s': row %zu has the value %.0f, which the enum has not",
                          TEXT_ARGS(column->node->key), i, value);
            return;
        }
    }
}

static void check_numbers(const struct column *column, struct text type, double count)
{
    const struct json_tree *enum_type =
        check_member(json_tree_find(column->schema, "enums"),
                     check_text(json_tree_find(column->class_property, "enumType")));
    const struct json_tree *value_type = json_tree_find(enum_type, "valueType");
    struct text component = check_text(json_tree_find(column->class_property, "componentType"));
    double bytes_needed;
    if (text_is(type, "ENUM")) {
        component = value_type == NULL ? text_of("UINT16") : check_text(value_type);
        bytes_needed = count * (double)component_bytes(component);
    } else if (text_is(type, "BOOLEAN")) {
        bytes_needed = ceil(count / 8);
    } else {
        bytes_needed = count * (double)component_count(type) * (double)component_bytes(component);
    }
    struct span values;
    if (bytes_needed <= 0 || !find_view(column, "values", &values)) {
        return; /* a schema at fault was noted there */
    }
    if ((double)values.size < bytes_needed) {
        check_note_at(column->check, "table-too-short", column->file, column->node,
                      "property '%.*s': %zu bytes of values, but %.0f are needed",
                      TEXT_ARGS(column->node->key), values.size, bytes_needed);
        return;
    }
    if (text_is(type, "ENUM") && enum_type != NULL) {
        check_enum_values(column, enum_type, values, component, count);
    }
}

static void check_column(const struct column *column)
{
    const struct text type = check_text(json_tree_find(column->class_property, "type"));
    const bool is_array = json_tree_is(json_tree_find(column->class_property, "array"), JSON_TRUE);
    const struct json_tree *fixed = json_tree_find(column->class_property, "count");
    double count = column->row_count;
    if (is_array && check_is_count(fixed)) {
        count *= fixed->number;
    } else if (is_array) {
        struct span offsets;
        size_t width = 0;
        if (!check_offsets(column, "arrayOffsets", "arrayOffsetType", column->row_count, &offsets,
                           &width, &count)) {
            return;
        }
    }
    if (!(count <= (double)CHECK_FILE_BYTES_MAX)) {
        check_note_at(column->check, "table-too-short", column->file, column->node,
                      "property '%.*s': %.0f values", TEXT_ARGS(column->node->key), count);
    } else if (text_is(type, "STRING")) {
        check_strings(column, count);
    } else {
        check_numbers(column, type, count);
    }
}

static void check_table(struct check_run *check, struct text file, const struct json_tree *table,
                        const struct json_tree *schema, const struct check_views *views)
{
    const struct json_tree *count = json_tree_find(table, "count");
    const struct text class_name = check_text(json_tree_find(table, "class"));
    const struct json_tree *class_node =
        check_member(json_tree_find(schema, "classes"), class_name);
    const struct json_tree *properties = json_tree_find(table, "properties");
    if (!check_is_count(count) || count->number < 1) {
        check_note_at(check, "table-count", file, table, "a property table needs a count");
        return;
    }
    if (schema == NULL) {
        return;
    }
    if (class_node == NULL) {
        check_note_at(check, "table-class", file, table, "the schema has no class '%.*s'",
                      TEXT_ARGS(class_name));
        return;
    }
    const struct json_tree *known = json_tree_find(class_node, "properties");
    if (json_tree_is(properties, JSON_OBJECT)) {
        for (const struct json_tree *node = check_first(properties); node != check_end(properties);
             node++) {
            const struct column column = {.check = check,
                                          .file = file,
                                          .node = node,
                                          .class_property = check_member(known, node->key),
                                          .schema = schema,
                                          .views = views,
                                          .row_count = count->number};
            if (column.class_property == NULL) {
                check_note_at(check, "table-property", file, node,
                              "class '%.*s' has no property '%.*s'", TEXT_ARGS(class_name),
                              TEXT_ARGS(node->key));
                continue;
            }
            check_column(&column);
        }
    }
    for (const struct json_tree *node = check_first(known == NULL ? NULL : known);
         node != check_end(known == NULL ? NULL : known); node++) {
        if (json_tree_is(json_tree_find(node, "required"), JSON_TRUE) &&
            check_member(properties, node->key) == NULL) {
            check_note_at(check, "table-required", file, table,
                          "the required property '%.*s' is missing", TEXT_ARGS(node->key));
        }
    }
}

void check_property_tables(struct check_run *check, struct text file,
                           const struct json_tree *tables, const struct json_tree *schema,
                           const struct check_views *views)
{
    if (tables == NULL) {
        return;
    }
    if (tables->kind != JSON_ARRAY) {
        check_note_at(check, "table", file, tables, "propertyTables must be an array");
        return;
    }
    for (size_t i = 0; i < tables->child_count; i++) {
        check_table(check, file, &tables->children[i], schema, views);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/b3dm.h"

#include <assert.h>
#include <stdio.h>

#include "formats/json_tree.h"
#include "formats/json_write.h"

enum { HEADER_BYTES = 28, ALIGN = 8 };

/* Integers up to here are exact as doubles, and as numbers in JavaScript. */
#define EXACT_MAX (1LL << 53)

/* ---- writing ---- */

struct batch {
    struct buf json, binary;
};

static bool is_reserved(struct text name)
{
    return text_is(name, "HIERARCHY") || text_is(name, "extensions") || text_is(name, "extras");
}

/* Decided by the whole schema, so that a property goes by one name in all
 * tiles. */
static struct text column_name(const struct property_schema *schema, uint32_t property)
{
    const struct property *own = &schema->properties[property];
    if (own->name.size == 0 || is_reserved(own->name)) {
        return own->id;
    }
    for (uint32_t i = 0; i < schema->property_count; i++) {
        const struct property *other = &schema->properties[i];
        if (i != property && ((i < property && text_equals(other->name, own->name)) ||
                              text_equals(other->id, own->name))) {
            return own->id;
        }
    }
    return own->name;
}

static bool has_gap(const struct property_table *table, const struct property_column *column)
{
    for (uint32_t i = 0; i < table->row_count; i++) {
        if (property_is_missing(table->schema, column, i)) {
            return true;
        }
    }
    return false;
}

static bool is_exact(const struct property_table *table, const struct property_column *column)
{
    for (uint32_t i = 0; i < table->row_count; i++) {
        const int64_t value = column->values.int64[i];
        if (!property_is_missing(table->schema, column, i) &&
            (value > EXACT_MAX || value < -EXACT_MAX)) {
            return false;
        }
    }
    return true;
}

static void add_double(struct buf *binary, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    buf_add_u64le(binary, bits);
}

/* A typed column in the binary part; false when it has to be JSON. */
static bool add_typed(struct batch *batch, const struct property_table *table,
                      const struct property_column *column)
{
    const enum property_type type = table->schema->properties[column->property].type;
    const bool is_number = type == PROPERTY_INT32 || type == PROPERTY_FLOAT64 ||
                           (type == PROPERTY_INT64 && is_exact(table, column));
    if (!is_number || has_gap(table, column)) {
        return false;
    }
    buf_pad(&batch->binary, 0, ALIGN, 0);
    buf_print(&batch->json, "{\"byteOffset\":%zu,\"componentType\":\"%s\",\"type\":\"SCALAR\"}",
              batch->binary.size, type == PROPERTY_INT32 ? "INT" : "DOUBLE");
    for (uint32_t i = 0; i < table->row_count; i++) {
        if (type == PROPERTY_INT32) {
            buf_add_u32le(&batch->binary, (uint32_t)column->values.int32[i]);
        } else {
            add_double(&batch->binary, type == PROPERTY_FLOAT64 ? column->values.float64[i]
                                                                : (double)column->values.int64[i]);
        }
    }
    return true;
}

static void print_value(struct buf *json, const struct property *property,
                        const struct property_column *column, uint32_t i, bool is_wide)
{
    switch (property->type) {
    case PROPERTY_BOOL:
    case PROPERTY_TRISTATE:
        buf_add_text(json, column->values.small[i] == PROPERTY_YES ? "true" : "false");
        break;
    case PROPERTY_ENUM:
        json_write_text(json, property->enum_names[column->values.small[i]]);
        break;
    case PROPERTY_INT32:
        buf_print(json, "%d", column->values.int32[i]);
        break;
    case PROPERTY_INT64:
        buf_print(json, is_wide ? "\"%lld\"" : "%lld", (long long)column->values.int64[i]);
        break;
    case PROPERTY_FLOAT64:
        json_write_double(json, column->values.float64[i]);
        break;
    case PROPERTY_STRING:
        json_write_text(json, column->values.string[i]);
        break;
    }
}

static void add_column(struct batch *batch, const struct property_table *table,
                       const struct property_column *column)
{
    const struct property *property = &table->schema->properties[column->property];
    json_write_comma(&batch->json);
    json_write_text(&batch->json, column_name(table->schema, column->property));
    buf_add_text(&batch->json, ":");
    if (add_typed(batch, table, column)) {
        return;
    }
    const bool is_wide = property->type == PROPERTY_INT64 && !is_exact(table, column);
    buf_add_text(&batch->json, "[");
    for (uint32_t i = 0; i < table->row_count; i++) {
        json_write_comma(&batch->json);
        if (property_is_missing(table->schema, column, i)) {
            buf_add_text(&batch->json, "null");
        } else {
            print_value(&batch->json, property, column, i, is_wide);
        }
    }
    buf_add_text(&batch->json, "]");
}

static void add_columns(struct batch *batch, const struct property_table *table)
{
    if (table == NULL || table->row_count == 0 || table->column_count == 0) {
        return;
    }
    buf_add_text(&batch->json, "{");
    for (size_t i = 0; i < table->column_count; i++) {
        add_column(batch, table, &table->columns[i]);
    }
    buf_add_text(&batch->json, "}");
    buf_pad(&batch->json, 0, ALIGN, ' ');
    buf_pad(&batch->binary, 0, ALIGN, 0);
}

/* Everything but the sizes, which are known at the end. */
static bool put_tile(const struct mesh_tile *tile, const struct glb_options *options,
                     const struct batch *batch, struct arena *scratch, struct buf *out,
                     struct glb_summary *summary, struct err *err)
{
    const size_t start = out->size;
    buf_add(out, "b3dm\1\0\0\0", 8);
    buf_add(out, (const uint8_t[HEADER_BYTES - 8]){0}, HEADER_BYTES - 8);
    buf_print(out, "{\"BATCH_LENGTH\":%u}", tile->table == NULL ? 0 : tile->table->row_count);
    buf_pad(out, start, ALIGN, ' ');
    const size_t feature_bytes = out->size - start - HEADER_BYTES;
    buf_add(out, batch->json.data, batch->json.size);
    buf_add(out, batch->binary.data, batch->binary.size);
    if (!glb_write(tile, options, scratch, out, summary, err) || !buf_finish(out, err)) {
        return false;
    }
    assert((out->size - start) % ALIGN == 0); /* glb_write() promises */
    if (out->size - start > UINT32_MAX) {
        return err_set(err, ERR_LIMIT, "a tile of %zu bytes, more than b3dm can count",
                       out->size - start);
    }
    uint8_t *header = out->data + start;
    bytes_store_u32le(header + 8, (uint32_t)(out->size - start));
    bytes_store_u32le(header + 12, (uint32_t)feature_bytes);
    bytes_store_u32le(header + 20, (uint32_t)batch->json.size);
    bytes_store_u32le(header + 24, (uint32_t)batch->binary.size);
    return true;
}

bool b3dm_write(const struct mesh_tile *tile, const struct glb_options *options,
                struct arena *scratch, struct buf *out, struct glb_summary *out_summary,
                struct err *err)
{
    struct glb_options inner = *options;
    inner.features = GLB_BATCH_ID;
    struct batch batch;
    buf_init(&batch.json, out->limit_bytes);
    buf_init(&batch.binary, out->limit_bytes);
    batch.json.fail_after = out->fail_after; /* so that tests reach these too */
    batch.binary.fail_after = out->fail_after;
    const size_t start = out->size;
    struct glb_summary summary;
    add_columns(&batch, tile->table);
    const bool ok = buf_finish(&batch.json, err) && buf_finish(&batch.binary, err) &&
                    put_tile(tile, &inner, &batch, scratch, out, &summary, err);
    buf_release(&batch.json);
    buf_release(&batch.binary);
    if (!ok) {
        out->size = start;
        return false;
    }
    *out_summary = summary;
    return true;
}

/* ---- reading ---- */

struct reader {
    const uint8_t *tile; /* offset 0 of messages */
    struct span binary;
    uint64_t json_at; /* of the batch table's JSON */
    uint32_t row_count;
    struct arena *arena;
    struct err *err;
};

static bool fail_at(const struct reader *r, const struct json_tree *at, enum err_code code,
                    const char *what, struct text which)
{
    return err_set_at(r->err, code, r->json_at + at->offset, "%s '%.*s'", what,
                      (int)(which.size < 80 ? which.size : 80), which.data);
}

/* A part's JSON as a tree; an empty part is NULL. */
static bool read_json(struct span part, uint64_t at, struct arena *arena,
                      const struct json_tree **out, struct err *err)
{
    *out = NULL;
    if (part.size == 0) {
        return true;
    }
    if (!json_tree_read(part, arena, out, err)) {
        if (err->offset != ERR_NO_OFFSET) {
            err->offset += at;
        }
        err->line = 0; /* in a binary file */
        err->column = 0;
        return false;
    }
    if (!json_tree_is(*out, JSON_OBJECT)) {
        return err_set_at(err, ERR_SCHEMA, at, "the table is not a JSON object");
    }
    return true;
}

/* What the elements of a JSON column are, taken together. */
static bool type_of_array(const struct reader *r, const struct json_tree *array,
                          enum property_type *out, bool *out_has_gap)
{
    bool has[JSON_NULL + 1] = {false};
    bool is_int32 = true;
    bool is_int64 = true;
    for (uint32_t i = 0; i < r->row_count; i++) {
        const struct json_tree *value = &array->children[i];
        has[value->kind] = true;
        if (value->kind == JSON_NUMBER) {
            const double number = value->number;
            const bool is_whole =
                number == floor(number) && number >= -EXACT_MAX && number <= EXACT_MAX;
            is_int64 = is_int64 && is_whole;
            is_int32 = is_int32 && is_whole && number > INT32_MIN && number <= INT32_MAX;
        }
    }
    const bool has_bool = has[JSON_TRUE] || has[JSON_FALSE];
    *out_has_gap = has[JSON_NULL];
    if (has[JSON_OBJECT] || has[JSON_ARRAY] ||
        (int)has_bool + (int)has[JSON_NUMBER] + (int)has[JSON_STRING] > 1) {
        return false;
    }
    *out = has_bool           ? (has[JSON_NULL] ? PROPERTY_TRISTATE : PROPERTY_BOOL)
           : has[JSON_NUMBER] ? (is_int32   ? PROPERTY_INT32
                                 : is_int64 ? PROPERTY_INT64
                                            : PROPERTY_FLOAT64)
                              : PROPERTY_STRING;
    return true;
}

static bool read_numbers(const struct reader *r, const struct json_tree *array,
                         enum property_type type, struct property_column *out)
{
    const uint32_t n = r->row_count;
    int32_t *narrow = arena_array(r->arena, int32_t, type == PROPERTY_INT32 ? n : 0);
    int64_t *wide = arena_array(r->arena, int64_t, type == PROPERTY_INT64 ? n : 0);
    double *reals = arena_array(r->arena, double, type == PROPERTY_FLOAT64 ? n : 0);
    if (narrow == NULL || wide == NULL || reals == NULL) {
        return arena_full(r->arena, r->err);
    }
    for (uint32_t i = 0; i < n; i++) {
        const struct json_tree *value = &array->children[i];
        const bool is_missing = value->kind == JSON_NULL;
        if (type == PROPERTY_INT32) {
            narrow[i] = is_missing ? PROPERTY_NO_INT32 : (int32_t)value->number;
        } else if (type == PROPERTY_INT64) {
            wide[i] = is_missing ? PROPERTY_NO_INT64 : (int64_t)value->number;
        } else {
            reals[i] = is_missing ? PROPERTY_NO_FLOAT64 : value->number;
        }
    }
    if (type == PROPERTY_INT32) {
        out->values.int32 = narrow;
    } else if (type == PROPERTY_INT64) {
        out->values.int64 = wide;
    } else {
        out->values.float64 = reals;
    }
    return true;
}

static bool read_words(const struct reader *r, const struct json_tree *array,
                       enum property_type type, struct property_column *out)
{
    const uint32_t n = r->row_count;
    struct text *strings = arena_array(r->arena, struct text, type == PROPERTY_STRING ? n : 0);
    uint8_t *small = arena_array(r->arena, uint8_t, type == PROPERTY_STRING ? 0 : n);
    if (strings == NULL || small == NULL) {
        return arena_full(r->arena, r->err);
    }
    for (uint32_t i = 0; i < n; i++) {
        const struct json_tree *value = &array->children[i];
        if (type == PROPERTY_STRING) {
            strings[i] = value->text;
        } else {
            small[i] = value->kind == JSON_TRUE    ? PROPERTY_YES
                       : value->kind == JSON_FALSE ? PROPERTY_NO
                                                   : PROPERTY_UNKNOWN;
        }
    }
    if (type == PROPERTY_STRING) {
        out->values.string = strings;
    } else {
        out->values.small = small;
    }
    return true;
}

static bool read_array(const struct reader *r, const struct json_tree *array,
                       struct property *property, struct property_column *out, bool *out_is_known)
{
    if (array->child_count < r->row_count) {
        return fail_at(r, array, ERR_SCHEMA, "too few values of", array->key);
    }
    bool has_gap_here;
    *out_is_known = type_of_array(r, array, &property->type, &has_gap_here);
    if (!*out_is_known) {
        return true;
    }
    property->is_required = !has_gap_here && property->type != PROPERTY_STRING;
    if (property->type == PROPERTY_STRING || property->type == PROPERTY_BOOL ||
        property->type == PROPERTY_TRISTATE) {
        return read_words(r, array, property->type, out);
    }
    return read_numbers(r, array, property->type, out);
}

static bool read_typed(const struct reader *r, const struct json_tree *from,
                       struct property *property, struct property_column *out, bool *out_is_known)
{
    static const struct {
        const char *name;
        enum property_type type;
        enum property_stored stored;
        uint32_t bytes;
    } components[] = {
        {"BYTE", PROPERTY_INT32, PROPERTY_INT8, 1},
        {"UNSIGNED_BYTE", PROPERTY_INT32, PROPERTY_UINT8, 1},
        {"SHORT", PROPERTY_INT32, PROPERTY_INT16, 2},
        {"UNSIGNED_SHORT", PROPERTY_INT32, PROPERTY_UINT16, 2},
        {"INT", PROPERTY_INT32, PROPERTY_AS_TYPE, 4},
        {"UNSIGNED_INT", PROPERTY_INT64, PROPERTY_UINT32, 4},
        {"FLOAT", PROPERTY_FLOAT64, PROPERTY_FLOAT32, 4},
        {"DOUBLE", PROPERTY_FLOAT64, PROPERTY_AS_TYPE, 8},
    };
    const struct json_tree *component = json_tree_find(from, "componentType");
    uint32_t offset;
    *out_is_known = json_tree_is_text(json_tree_find(from, "type"), "SCALAR");
    if (!*out_is_known) {
        return true;
    }
    for (size_t i = 0; i < sizeof components / sizeof components[0]; i++) {
        if (!json_tree_is_text(component, components[i].name)) {
            continue;
        }
        property->type = components[i].type;
        property->stored = components[i].stored;
        property->is_required = true;
        if (!json_tree_index(json_tree_find(from, "byteOffset"), &offset) ||
            offset > r->binary.size ||
            (uint64_t)r->row_count * components[i].bytes > r->binary.size - offset) {
            return fail_at(r, from, ERR_SCHEMA, "too few bytes for", from->key);
        }
        if (offset % components[i].bytes != 0) {
            return fail_at(r, from, ERR_SCHEMA, "misaligned values of", from->key);
        }
        const struct property_packed packed = {
            .values = {r->binary.data + offset, r->binary.size - offset}};
        return property_unpack(property, &packed, r->row_count, r->arena, out, r->err);
    }
    return fail_at(r, from, ERR_SCHEMA, "unknown component type of", from->key);
}

/* Ids must be unique; names are, but two may make the same id. */
static bool unique_id(const struct reader *r, const struct property_schema *schema,
                      struct text name, struct text *out)
{
    struct text id;
    if (!property_id_from_name(name, r->arena, &id, r->err)) {
        return false;
    }
    while (property_schema_find(schema, id) != SIZE_MAX) {
        char *longer = arena_array(r->arena, char, id.size + 1);
        if (longer == NULL) {
            return arena_full(r->arena, r->err);
        }
        memcpy(longer, id.data, id.size);
        longer[id.size] = '_';
        id = (struct text){longer, id.size + 1};
    }
    *out = id;
    return true;
}

static bool read_batch_table(const struct reader *r, const struct json_tree *json,
                             const struct property_table **out)
{
    struct property_table *table = arena_array(r->arena, struct property_table, 1);
    struct property_schema *schema = arena_array(r->arena, struct property_schema, 1);
    const size_t most = json == NULL ? 0 : json->child_count;
    struct property *properties = arena_array(r->arena, struct property, most);
    struct property_column *columns = arena_array(r->arena, struct property_column, most);
    if (table == NULL || schema == NULL || properties == NULL || columns == NULL) {
        return arena_full(r->arena, r->err);
    }
    schema->properties = properties;
    for (size_t i = 0; i < most; i++) {
        const struct json_tree *member = &json->children[i];
        const size_t n = schema->property_count;
        bool is_known = false;
        if (is_reserved(member->key)) {
            continue;
        }
        columns[n].property = (uint32_t)n;
        properties[n] = (struct property){.name = member->key};
        if (!unique_id(r, schema, member->key, &properties[n].id) ||
            (member->kind == JSON_ARRAY &&
             !read_array(r, member, &properties[n], &columns[n], &is_known)) ||
            (member->kind == JSON_OBJECT &&
             !read_typed(r, member, &properties[n], &columns[n], &is_known))) {
            return false;
        }
        schema->property_count += is_known ? 1 : 0;
    }
    *table = (struct property_table){.schema = schema,
                                     .row_count = r->row_count,
                                     .columns = columns,
                                     .column_count = schema->property_count};
    *out = table;
    return true;
}

static bool read_batch_length(struct reader *r, struct span part, const struct json_tree *json)
{
    const uint64_t at = (uint64_t)(part.data - r->tile);
    const struct json_tree *length = json_tree_find(json, "BATCH_LENGTH");
    if (!json_tree_index(length, &r->row_count)) {
        return err_set_at(r->err, ERR_SCHEMA, at, "no BATCH_LENGTH");
    }
    const struct json_tree *center = json_tree_find(json, "RTC_CENTER");
    if (center != NULL) {
        return err_set_at(r->err, ERR_UNSUPPORTED, at + center->offset, "an RTC_CENTER");
    }
    return true;
}

static bool check_rows(const struct reader *r, const struct mesh_tile *tile)
{
    for (size_t m = 0; m < tile->mesh_count; m++) {
        const struct mesh *mesh = &tile->meshes[m];
        for (uint32_t i = 0; i < mesh->vertex_count; i++) {
            if (mesh->rows[i] >= r->row_count && mesh->rows[i] != MESH_NO_ROW) {
                return err_set(r->err, ERR_SCHEMA, "batch id %u of vertex %u, but BATCH_LENGTH %u",
                               mesh->rows[i], i, r->row_count);
            }
        }
    }
    return true;
}

bool b3dm_read_tile(struct span bytes, struct arena *arena, struct mesh_tile *out, struct err *err)
{
    struct b3dm parts;
    if (!b3dm_read(bytes, &parts, err)) {
        return false;
    }
    const struct span feature = parts.part[B3DM_FEATURE_JSON];
    const struct span batch = parts.part[B3DM_BATCH_JSON];
    const struct span glb = parts.part[B3DM_GLB];
    struct reader r = {.tile = bytes.data,
                       .binary = parts.part[B3DM_BATCH_BINARY],
                       .json_at = (uint64_t)(batch.data - bytes.data),
                       .arena = arena,
                       .err = err};
    const struct json_tree *feature_json;
    const struct json_tree *batch_json;
    struct mesh_tile tile;
    if (!read_json(feature, (uint64_t)(feature.data - bytes.data), arena, &feature_json, err) ||
        !read_batch_length(&r, feature, feature_json) ||
        !read_json(batch, r.json_at, arena, &batch_json, err)) {
        return false;
    }
    if (!glb_read(glb, arena, &tile, err)) {
        if (err->offset != ERR_NO_OFFSET) {
            err->offset += (uint64_t)(glb.data - bytes.data);
        }
        return false;
    }
    if (!check_rows(&r, &tile)) {
        return false;
    }
    tile.table = NULL; /* the batch table stands in its place */
    if (r.row_count > 0 && !read_batch_table(&r, batch_json, &tile.table)) {
        return false;
    }
    *out = tile;
    return true;
}

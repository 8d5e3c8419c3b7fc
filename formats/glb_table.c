/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "formats/glb_internal.h"
#include "formats/json_write.h"

bool glb_has_table(const struct glb_writer *w)
{
    return w->has_features && w->options->features == GLB_MESH_FEATURES && w->primitive_count > 0;
}

/* A column in which no row has a value. */
static bool missing_column(struct glb_writer *w, uint32_t property, struct property_column *out)
{
    const struct property *of = &w->tile->table->schema->properties[property];
    const size_t n = w->tile->table->row_count;
    const bool is_small =
        of->type == PROPERTY_BOOL || of->type == PROPERTY_TRISTATE || of->type == PROPERTY_ENUM;
    uint8_t *small = arena_array(w->scratch, uint8_t, is_small ? n : 0);
    int32_t *narrow = arena_array(w->scratch, int32_t, of->type == PROPERTY_INT32 ? n : 0);
    int64_t *wide = arena_array(w->scratch, int64_t, of->type == PROPERTY_INT64 ? n : 0);
    double *reals = arena_array(w->scratch, double, of->type == PROPERTY_FLOAT64 ? n : 0);
    struct text *strings =
        arena_array(w->scratch, struct text, of->type == PROPERTY_STRING ? n : 0);
    if (small == NULL || narrow == NULL || wide == NULL || reals == NULL || strings == NULL) {
        return arena_full(w->scratch, w->err);
    }
    *out = (struct property_column){.property = property};
    switch (of->type) {
    case PROPERTY_BOOL: /* has no such value; its tiles have the column */
        out->values.small = small;
        break;
    case PROPERTY_TRISTATE:
        memset(small, PROPERTY_UNKNOWN, n);
        out->values.small = small;
        break;
    case PROPERTY_ENUM:
        memset(small, of->is_required ? 0 : PROPERTY_NO_ENUM, n);
        out->values.small = small;
        break;
    case PROPERTY_INT32:
        for (size_t i = 0; i < n; i++) {
            narrow[i] = PROPERTY_NO_INT32;
        }
        out->values.int32 = narrow;
        break;
    case PROPERTY_INT64:
        for (size_t i = 0; i < n; i++) {
            wide[i] = PROPERTY_NO_INT64;
        }
        out->values.int64 = wide;
        break;
    case PROPERTY_FLOAT64:
        for (size_t i = 0; i < n; i++) {
            reals[i] = PROPERTY_NO_FLOAT64;
        }
        out->values.float64 = reals;
        break;
    case PROPERTY_STRING:
        out->values.string = strings;
        break;
    }
    return true;
}

static bool add_column(struct glb_writer *w, const struct property_column *column,
                       struct glb_column *out)
{
    const struct property_table single = {.schema = w->tile->table->schema,
                                          .row_count = w->tile->table->row_count,
                                          .columns = column,
                                          .column_count = 1};
    struct property_packed packed;
    if (!property_pack(&single, 0, w->scratch, &packed, w->err)) {
        return false;
    }
    out->values = glb_add_bytes(w, 8, packed.values.data, packed.values.size, 0, 0);
    out->offsets = NONE;
    out->offset_bytes = packed.offset_bytes;
    if (packed.offset_bytes > 0) {
        out->offsets = glb_add_bytes(w, 8, packed.offsets.data, packed.offsets.size, 0, 0);
    }
    return true;
}

/*
 * Every property of the class gets views, also those that no row has a value
 * of: the format would let them be absent, but the official 3D Tiles validator
 * (0.6.1) stops with an exception at such a table. The absent ones of a type
 * share their views.
 */
bool glb_add_columns(struct glb_writer *w)
{
    const struct property_table *table = w->tile->table;
    const char *class = property_table_class(table);
    struct glb_column missing[PROPERTY_ENUM + 1][2];
    bool has_missing[PROPERTY_ENUM + 1][2] = {{false}};
    size_t next = 0;
    for (uint32_t i = 0; i < table->schema->property_count; i++) {
        const struct property *property = &table->schema->properties[i];
        w->columns[i].values = NONE;
        const bool is_there = next < table->column_count && table->columns[next].property == i;
        if (!property_is_in_class(property, class)) {
            continue;
        }
        const struct arena_mark mark = arena_mark(w->scratch);
        bool ok = true;
        if (is_there) {
            ok = add_column(w, &table->columns[next++], &w->columns[i]);
        } else {
            const int kind = property->is_required ? 1 : 0;
            struct glb_column *shared = &missing[property->type][kind];
            if (!has_missing[property->type][kind]) {
                struct property_column column;
                ok = missing_column(w, i, &column) && add_column(w, &column, shared);
                has_missing[property->type][kind] = true;
            }
            w->columns[i] = *shared;
        }
        arena_reset(w->scratch, mark);
        if (!ok) {
            return false;
        }
    }
    assert(next == table->column_count); /* ascending, none twice */
    return true;
}

static void print_columns(struct glb_writer *w)
{
    const struct property_table *table = w->tile->table;
    for (size_t i = 0; i < table->schema->property_count; i++) {
        const struct glb_column *views = &w->columns[i];
        if (views->values == NONE) {
            continue;
        }
        json_write_comma(&w->json);
        json_write_text(&w->json, table->schema->properties[i].id);
        buf_print(&w->json, ":{\"values\":%d", views->values);
        if (views->offsets != NONE) {
            buf_print(&w->json, ",\"stringOffsets\":%d", views->offsets);
            if (views->offset_bytes != 4) { /* UINT32 is the default */
                buf_print(&w->json, ",\"stringOffsetType\":\"UINT%d\"", 8 * views->offset_bytes);
            }
        }
        buf_add_text(&w->json, "}");
    }
}

void glb_print_table(struct glb_writer *w)
{
    const struct property_table *table = w->tile->table;
    json_write_key(&w->json, "extensions");
    buf_add_text(&w->json, "{\"EXT_structural_metadata\":{");
    if (table->schema->uri.size > 0) {
        json_write_key(&w->json, "schemaUri");
        json_write_text(&w->json, table->schema->uri);
    } else {
        json_write_key(&w->json, "schema");
        property_schema_print(table->schema, &w->json);
    }
    buf_print(&w->json, ",\"propertyTables\":[{\"class\":\"%s\",\"count\":%u",
              property_table_class(table), table->row_count);
    if (table->schema->property_count > 0) { /* an empty "properties" is not allowed */
        buf_add_text(&w->json, ",\"properties\":{");
        print_columns(w);
        buf_add_text(&w->json, "}");
    }
    buf_add_text(&w->json, "}]}}");
}

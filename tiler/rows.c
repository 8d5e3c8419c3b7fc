/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/rows.h"

#include <assert.h>

#include "formats/json_write.h"
#include "tiler/dictionary.h"

/* One property's values while they are gathered. */
struct column {
    uint8_t *small;
    int32_t *int32;
    int64_t *int64;
    double *float64;
    struct text *string;
    bool has_value;
};

struct gathering {
    const struct property_schema *schema;
    struct column *columns; /* a property each; arrays are made when first needed */
    size_t row_count;
    bool is_leaf; /* rows have all there is */
    struct arena *tile;
};

/* Of an object that a file gives an empty one. */
#define UNNAMED_CLASS "GenericCityObject"

static bool fill_none(struct gathering *g, uint32_t property, struct err *err)
{
    struct column *column = &g->columns[property];
    const size_t count = g->row_count;
    bool ok = false;
    switch (g->schema->properties[property].type) {
    case PROPERTY_BOOL:
    case PROPERTY_TRISTATE:
    case PROPERTY_ENUM:
        column->small = arena_array(g->tile, uint8_t, count);
        ok = column->small != NULL;
        for (size_t i = 0; ok && i < count; i++) {
            column->small[i] = PROPERTY_UNKNOWN;
        }
        break;
    case PROPERTY_INT32:
        column->int32 = arena_array(g->tile, int32_t, count);
        ok = column->int32 != NULL;
        for (size_t i = 0; ok && i < count; i++) {
            column->int32[i] = PROPERTY_NO_INT32;
        }
        break;
    case PROPERTY_INT64:
        column->int64 = arena_array(g->tile, int64_t, count);
        ok = column->int64 != NULL;
        for (size_t i = 0; ok && i < count; i++) {
            column->int64[i] = PROPERTY_NO_INT64;
        }
        break;
    case PROPERTY_FLOAT64:
        column->float64 = arena_array(g->tile, double, count);
        ok = column->float64 != NULL;
        for (size_t i = 0; ok && i < count; i++) {
            column->float64[i] = PROPERTY_NO_FLOAT64;
        }
        break;
    case PROPERTY_STRING:
        column->string = arena_array(g->tile, struct text, count);
        ok = column->string != NULL;
        break;
    }
    column->has_value = ok;
    return ok || arena_full(g->tile, err);
}

/* A value that is not text, in a column that is. */
static bool text_from(const struct feature_value *value, struct arena *tile, struct text *out,
                      struct err *err)
{
    struct buf text;
    buf_init(&text, 64);
    switch (value->type) {
    case FEATURE_BOOL:
        buf_add_text(&text, value->boolean ? "true" : "false");
        break;
    case FEATURE_INT:
        buf_print(&text, "%lld", (long long)value->integer);
        break;
    case FEATURE_REAL:
        json_write_double(&text, value->real);
        break;
    case FEATURE_NULL:
    case FEATURE_TEXT:
    case FEATURE_JSON:
        buf_release(&text);
        *out = value->text;
        return true;
    }
    char *copy = arena_array(tile, char, text.size);
    if (copy != NULL) {
        memcpy(copy, text.data, text.size);
        *out = (struct text){copy, text.size};
    }
    buf_release(&text);
    return copy != NULL || arena_full(tile, err);
}

/* Every class of the run is in the list that the schema has. */
static uint8_t number_in(const struct property *property, struct text name)
{
    size_t i = 0;
    while (i + 1 < property->enum_count && !text_equals(property->enum_names[i], name)) {
        i++;
    }
    assert(text_equals(property->enum_names[i], name));
    return (uint8_t)i;
}

static bool set_value(struct gathering *g, uint32_t property, size_t row,
                      const struct feature_value *value, struct err *err)
{
    if (value->type == FEATURE_NULL) {
        return true;
    }
    struct column *column = &g->columns[property];
    if (!column->has_value && !fill_none(g, property, err)) {
        return false;
    }
    const double number = value->type == FEATURE_INT ? (double)value->integer : value->real;
    switch (g->schema->properties[property].type) {
    case PROPERTY_BOOL:
    case PROPERTY_TRISTATE:
        column->small[row] = value->boolean ? PROPERTY_YES : PROPERTY_NO;
        return true;
    case PROPERTY_ENUM:
        column->small[row] = number_in(&g->schema->properties[property], value->text);
        return true;
    case PROPERTY_INT32:
        column->int32[row] = (int32_t)value->integer;
        return true;
    case PROPERTY_INT64:
        column->int64[row] = value->integer;
        return true;
    case PROPERTY_FLOAT64:
        column->float64[row] = number;
        return true;
    case PROPERTY_STRING:
        return text_from(value, g->tile, &column->string[row], err);
    }
    return true;
}

/* What storey itself says; far tiles have only some of that. */
static bool set_builtin(struct gathering *g, enum dictionary_builtin builtin, size_t row,
                        const struct feature_value *value, struct err *err)
{
    const bool is_there = g->is_leaf || g->schema->properties[builtin].is_brief;
    return !is_there || set_value(g, (uint32_t)builtin, row, value, err);
}

static bool set_text(struct gathering *g, enum dictionary_builtin builtin, size_t row,
                     struct text text, struct err *err)
{
    const struct feature_value value = {.type = FEATURE_TEXT, .text = text};
    return text.size == 0 || set_builtin(g, builtin, row, &value, err);
}

static bool set_row(struct gathering *g, const struct tile_request *request, size_t row,
                    struct err *err)
{
    const struct tile_item *item = &request->items[row];
    const struct figure *figure = item->figure;
    const struct text class_name =
        figure->class_name.size > 0 ? figure->class_name : text_of(UNNAMED_CLASS);
    const struct feature_value height = {.type = FEATURE_REAL, .real = figure->height_m};
    if (!set_text(g, BUILTIN_ID, row, figure->id, err) ||
        !set_text(g, BUILTIN_CLASS, row, class_name, err) ||
        !set_text(g, BUILTIN_NAME, row, figure->name, err) ||
        !set_builtin(g, BUILTIN_HEIGHT, row, &height, err)) {
        return false;
    }
    const struct feature_value members = {.type = FEATURE_INT,
                                          .integer = (int64_t)figure->member_count};
    if (figure->is_group && !set_builtin(g, BUILTIN_MEMBER_COUNT, row, &members, err)) {
        return false;
    }
    if (!set_text(g, BUILTIN_PARENT, row, figure->parent_id, err)) {
        return false;
    }
    if (item->record == NULL) {
        for (uint32_t i = 0; i < figure->value_count; i++) {
            const struct figure_value *value = &figure->values[i];
            if (!set_value(g, value->property, row, &value->value, err)) {
                return false;
            }
        }
        return true;
    }
    for (size_t i = 0; i < item->record->attribute_count; i++) {
        const struct record_attribute *attribute = &item->record->attributes[i];
        const uint32_t property = request->property_of_key[attribute->key];
        if (property != UINT32_MAX && !set_value(g, property, row, &attribute->value, err)) {
            return false;
        }
    }
    return true;
}

/* The hub's columns of what was gathered. */
static struct property_column hub_column(const struct gathering *g, uint32_t property)
{
    const struct column *column = &g->columns[property];
    struct property_column out = {.property = property};
    switch (g->schema->properties[property].type) {
    case PROPERTY_BOOL:
    case PROPERTY_TRISTATE:
    case PROPERTY_ENUM:
        out.values.small = column->small;
        break;
    case PROPERTY_INT32:
        out.values.int32 = column->int32;
        break;
    case PROPERTY_INT64:
        out.values.int64 = column->int64;
        break;
    case PROPERTY_FLOAT64:
        out.values.float64 = column->float64;
        break;
    case PROPERTY_STRING:
        out.values.string = column->string;
        break;
    }
    return out;
}

bool rows_keep_far(const struct record *record, const struct property_schema *schema,
                   const uint32_t *property_of_key, struct arena *tile, struct figure *figure,
                   struct err *err)
{
    struct figure_value *values = arena_array(tile, struct figure_value, record->attribute_count);
    if (values == NULL) {
        return arena_full(tile, err);
    }
    figure->values = values;
    figure->value_count = 0;
    for (size_t i = 0; i < record->attribute_count; i++) {
        const struct record_attribute *attribute = &record->attributes[i];
        const uint32_t property = property_of_key[attribute->key];
        if (property != UINT32_MAX && schema->properties[property].is_brief &&
            attribute->value.type != FEATURE_NULL) {
            values[figure->value_count++] = (struct figure_value){property, attribute->value};
        }
    }
    return true;
}

bool rows_make(const struct tile_request *request, struct arena *tile, struct property_table *out,
               struct err *err)
{
    const size_t property_count = request->schema->property_count;
    struct gathering g = {.schema = request->schema,
                          .row_count = request->item_count,
                          .is_leaf = !request->is_far,
                          .tile = tile,
                          .columns = arena_array(tile, struct column, property_count)};
    struct property_column *columns = arena_array(tile, struct property_column, property_count);
    if (g.columns == NULL || columns == NULL) {
        return arena_full(tile, err);
    }
    for (size_t row = 0; row < request->item_count; row++) {
        if (!set_row(&g, request, row, err)) {
            return false;
        }
    }
    size_t count = 0;
    for (uint32_t property = 0; property < property_count; property++) {
        if (g.columns[property].has_value) {
            columns[count++] = hub_column(&g, property);
        }
    }
    *out = (struct property_table){
        .schema = request->schema,
        .row_count = (uint32_t)request->item_count,
        .columns = columns,
        .column_count = count,
    };
    return true;
}

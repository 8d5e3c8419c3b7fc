/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/property_table.h"

#include <assert.h>

static size_t value_bytes(const struct property *property)
{
    switch (property->stored) {
    case PROPERTY_AS_TYPE:
        break;
    case PROPERTY_INT8:
    case PROPERTY_UINT8:
        return 1;
    case PROPERTY_INT16:
    case PROPERTY_UINT16:
        return 2;
    case PROPERTY_UINT32:
    case PROPERTY_FLOAT32:
        return 4;
    case PROPERTY_UINT64:
        return 8;
    }
    return property->type == PROPERTY_INT32                                         ? 4
           : property->type == PROPERTY_INT64 || property->type == PROPERTY_FLOAT64 ? 8
                                                                                    : 1;
}

static void store(uint8_t *at, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

static uint64_t load(const uint8_t *at, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = bytes; i > 0; i--) {
        value = value << 8 | at[i - 1];
    }
    return value;
}

static bool pack_strings(const struct text *strings, uint32_t count, struct arena *arena,
                         struct property_packed *out, struct err *err)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < count; i++) {
        total += strings[i].size;
    }
    if (total > UINT32_MAX) {
        return err_set(err, ERR_LIMIT, "%llu bytes of strings in one column",
                       (unsigned long long)total);
    }
    const int offset_bytes = total <= UINT8_MAX ? 1 : total <= UINT16_MAX ? 2 : 4;
    uint8_t *values = arena_array(arena, uint8_t, total == 0 ? 1 : (size_t)total);
    uint8_t *offsets = arena_array(arena, uint8_t, ((size_t)count + 1) * (size_t)offset_bytes);
    if (values == NULL || offsets == NULL) {
        return arena_full(arena, err);
    }
    /*
     * A buffer view may not be empty, and the last offset must be where the
     * values end (the official 3D Tiles validator insists): so when all strings
     * are empty they stand behind one byte that none of them has.
     */
    size_t end = total == 0 ? 1 : 0;
    store(offsets, end, offset_bytes);
    for (uint32_t i = 0; i < count; i++) {
        if (strings[i].size > 0) {
            memcpy(values + end, strings[i].data, strings[i].size);
        }
        end += strings[i].size;
        store(offsets + ((size_t)i + 1) * (size_t)offset_bytes, end, offset_bytes);
    }
    *out = (struct property_packed){
        .values = {values, total == 0 ? 1 : (size_t)total},
        .offsets = {offsets, ((size_t)count + 1) * (size_t)offset_bytes},
        .offset_bytes = offset_bytes,
    };
    return true;
}

bool property_pack(const struct property_table *table, size_t column, struct arena *arena,
                   struct property_packed *out, struct err *err)
{
    assert(column < table->column_count && table->row_count > 0);
    const struct property_column *from = &table->columns[column];
    const struct property *property = &table->schema->properties[from->property];
    const uint32_t count = table->row_count;
    if (property->type == PROPERTY_STRING) {
        return pack_strings(from->values.string, count, arena, out, err);
    }
    const size_t size = property->type == PROPERTY_BOOL ? ((size_t)count + 7) / 8
                                                        : (size_t)count * value_bytes(property);
    uint8_t *values = arena_array(arena, uint8_t, size);
    if (values == NULL) {
        return arena_full(arena, err);
    }
    for (uint32_t i = 0; i < count; i++) {
        switch (property->type) {
        case PROPERTY_BOOL:
            values[i / 8] |= (uint8_t)((from->values.small[i] != 0 ? 1U : 0U) << (i % 8));
            break;
        case PROPERTY_TRISTATE:
        case PROPERTY_ENUM:
            values[i] = from->values.small[i];
            break;
        case PROPERTY_INT32:
            bytes_store_u32le(values + (size_t)4 * i, (uint32_t)from->values.int32[i]);
            break;
        case PROPERTY_INT64:
            bytes_store_u64le(values + (size_t)8 * i, (uint64_t)from->values.int64[i]);
            break;
        case PROPERTY_FLOAT64: {
            uint64_t bits;
            memcpy(&bits, &from->values.float64[i], sizeof bits);
            bytes_store_u64le(values + (size_t)8 * i, bits);
            break;
        }
        case PROPERTY_STRING:
            break;
        }
    }
    *out = (struct property_packed){.values = {values, size}};
    return true;
}

static bool too_short(const struct property *property, const char *what, size_t have, size_t need,
                      struct err *err)
{
    return err_set(err, ERR_SCHEMA, "%s of property '%.*s' are %zu bytes, not %zu", what,
                   (int)(property->id.size < 60 ? property->id.size : 60), property->id.data, have,
                   need);
}

static bool unpack_strings(const struct property *property, const struct property_packed *packed,
                           uint32_t row_count, struct arena *arena, struct property_column *out,
                           struct err *err)
{
    const size_t width = (size_t)packed->offset_bytes;
    assert(width == 1 || width == 2 || width == 4 || width == 8);
    const size_t need = ((size_t)row_count + 1) * width;
    if (packed->offsets.size < need) {
        return too_short(property, "string offsets", packed->offsets.size, need, err);
    }
    struct text *strings = arena_array(arena, struct text, row_count);
    if (strings == NULL) {
        return arena_full(arena, err);
    }
    uint64_t start = load(packed->offsets.data, width);
    for (uint32_t i = 0; i < row_count; i++) {
        const uint64_t end = load(packed->offsets.data + ((size_t)i + 1) * width, width);
        if (end < start || end > packed->values.size) {
            return err_set(
                err, ERR_SCHEMA, "string %u of property '%.*s' is bytes %llu to %llu of %zu", i,
                (int)(property->id.size < 40 ? property->id.size : 40), property->id.data,
                (unsigned long long)start, (unsigned long long)end, packed->values.size);
        }
        strings[i] =
            (struct text){(const char *)packed->values.data + start, (size_t)(end - start)};
        if (!text_is_utf8(strings[i])) {
            return err_set(err, ERR_SCHEMA, "string %u of property '%.*s' is not UTF-8", i,
                           (int)(property->id.size < 40 ? property->id.size : 40),
                           property->id.data);
        }
        start = end;
    }
    out->values.string = strings;
    return true;
}

static bool unpack_small(const struct property *property, const uint8_t *values, uint32_t row_count,
                         struct arena *arena, struct property_column *out, struct err *err)
{
    uint8_t *small = arena_array(arena, uint8_t, row_count);
    if (small == NULL) {
        return arena_full(arena, err);
    }
    for (uint32_t i = 0; i < row_count; i++) {
        if (property->type == PROPERTY_BOOL) {
            small[i] = values[i / 8] >> (i % 8) & 1;
            continue;
        }
        small[i] = values[i];
        const bool is_named = property->type == PROPERTY_TRISTATE
                                  ? values[i] <= PROPERTY_UNKNOWN
                                  : values[i] < property->enum_count ||
                                        (values[i] == PROPERTY_NO_ENUM && !property->is_required);
        if (!is_named) {
            return err_set(err, ERR_SCHEMA, "row %u of property '%.*s' is %u, which has no name", i,
                           (int)(property->id.size < 60 ? property->id.size : 60),
                           property->id.data, values[i]);
        }
    }
    out->values.small = small;
    return true;
}

static int64_t load_integer(const struct property *property, const uint8_t *at)
{
    switch (property->stored) {
    case PROPERTY_INT8:
        return (int8_t)at[0];
    case PROPERTY_UINT8:
        return at[0];
    case PROPERTY_INT16:
        return (int16_t)bytes_load_u16le(at);
    case PROPERTY_UINT16:
        return bytes_load_u16le(at);
    case PROPERTY_UINT32:
        return bytes_load_u32le(at);
    default:
        return property->type == PROPERTY_INT32 ? (int64_t)(int32_t)bytes_load_u32le(at)
                                                : (int64_t)bytes_load_u64le(at);
    }
}

static bool unpack_integers(const struct property *property, const uint8_t *values,
                            uint32_t row_count, struct arena *arena, struct property_column *out,
                            struct err *err)
{
    const bool is_narrow = property->type == PROPERTY_INT32;
    int32_t *narrow = is_narrow ? arena_array(arena, int32_t, row_count) : NULL;
    int64_t *wide = is_narrow ? NULL : arena_array(arena, int64_t, row_count);
    if (narrow == NULL && wide == NULL) {
        return arena_full(arena, err);
    }
    const size_t width = value_bytes(property);
    for (uint32_t i = 0; i < row_count; i++) {
        const int64_t value = load_integer(property, values + width * i);
        if (property->stored == PROPERTY_UINT64 && value < 0) {
            return err_set(err, ERR_SCHEMA, "row %u of property '%.*s' is %llu, beyond 2^63", i,
                           (int)(property->id.size < 60 ? property->id.size : 60),
                           property->id.data, (unsigned long long)value);
        }
        if (is_narrow) {
            narrow[i] = (int32_t)value;
        } else {
            wide[i] = value;
        }
    }
    if (is_narrow) {
        out->values.int32 = narrow;
    } else {
        out->values.int64 = wide;
    }
    return true;
}

static bool unpack_reals(const struct property *property, const uint8_t *values, uint32_t row_count,
                         struct arena *arena, struct property_column *out, struct err *err)
{
    double *reals = arena_array(arena, double, row_count);
    if (reals == NULL) {
        return arena_full(arena, err);
    }
    for (uint32_t i = 0; i < row_count; i++) {
        if (property->stored == PROPERTY_FLOAT32) {
            const uint32_t bits = bytes_load_u32le(values + (size_t)4 * i);
            float real;
            memcpy(&real, &bits, sizeof real);
            reals[i] = (double)real;
        } else {
            const uint64_t bits = bytes_load_u64le(values + (size_t)8 * i);
            memcpy(&reals[i], &bits, sizeof bits);
        }
    }
    out->values.float64 = reals;
    return true;
}

bool property_unpack(const struct property *property, const struct property_packed *packed,
                     uint32_t row_count, struct arena *arena, struct property_column *out,
                     struct err *err)
{
    if (property->type == PROPERTY_STRING) {
        return unpack_strings(property, packed, row_count, arena, out, err);
    }
    const size_t need = property->type == PROPERTY_BOOL ? ((size_t)row_count + 7) / 8
                                                        : (size_t)row_count * value_bytes(property);
    if (packed->values.size < need) {
        return too_short(property, "values", packed->values.size, need, err);
    }
    const uint8_t *values = packed->values.data;
    switch (property->type) {
    case PROPERTY_INT32:
    case PROPERTY_INT64:
        return unpack_integers(property, values, row_count, arena, out, err);
    case PROPERTY_FLOAT64:
        return unpack_reals(property, values, row_count, arena, out, err);
    default:
        return unpack_small(property, values, row_count, arena, out, err);
    }
}

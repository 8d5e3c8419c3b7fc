/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/record.h"

#include <assert.h>

enum { RECORD_VERSION = 1 };

/* Sizes of everything that follows, in this order. */
struct head {
    uint32_t version;
    uint32_t source;
    uint32_t crs;
    uint32_t line;
    uint32_t text_sizes[6]; /* id, parent, root, kind, name, crs */
    uint32_t attribute_count;
    uint32_t own_count;
    uint32_t vertex_count;
    uint32_t corner_count;
    uint32_t ring_count;
    uint32_t polygon_count;
    uint32_t shell_count;
    uint32_t lod_count;
    uint32_t material_count;
    uint32_t texture_count;
    uint32_t has_uvs;
    uint32_t reserved;
    double parts_level;
    double origin[3];
    double heights[2]; /* local: base, top */
};
static_assert(sizeof(struct head) % 8 == 0, "arrays begin at multiples of 8");

struct packed_value {
    uint32_t key;
    uint32_t type;
    union {
        uint64_t boolean;
        int64_t integer;
        double real;
        uint64_t text_size;
    } as;
};

struct packed_texture {
    uint32_t image_size;
    uint32_t wrap;
    float border[4];
};

static void add_array(struct buf *out, const void *items, size_t count, size_t size)
{
    buf_add(out, items, count * size);
    buf_pad(out, 0, 8, 0);
}

static void add_text(struct buf *out, struct text text)
{
    add_array(out, text.data, text.size, 1);
}

static void add_attributes(const struct record *record, struct buf *out)
{
    for (size_t i = 0; i < record->attribute_count; i++) {
        const struct feature_value *value = &record->attributes[i].value;
        struct packed_value packed = {.key = record->attributes[i].key,
                                      .type = (uint32_t)value->type};
        switch (value->type) {
        case FEATURE_NULL:
            break;
        case FEATURE_BOOL:
            packed.as.boolean = value->boolean;
            break;
        case FEATURE_INT:
            packed.as.integer = value->integer;
            break;
        case FEATURE_REAL:
            packed.as.real = value->real;
            break;
        case FEATURE_TEXT:
        case FEATURE_JSON:
            packed.as.text_size = value->text.size;
            break;
        }
        buf_add(out, &packed, sizeof packed);
        if (value->type == FEATURE_TEXT || value->type == FEATURE_JSON) {
            add_text(out, value->text);
        }
    }
}

void record_write(const struct record *record, struct buf *out)
{
    const struct feature *feature = &record->feature;
    const struct text texts[6] = {feature->id,   feature->parent_id, feature->root_id,
                                  feature->kind, feature->name,      feature->crs};
    struct head head = {
        .version = RECORD_VERSION,
        .source = record->source,
        .crs = record->crs,
        .line = feature->line,
        .attribute_count = (uint32_t)record->attribute_count,
        .own_count = (uint32_t)record->own_count,
        .vertex_count = (uint32_t)feature->vertex_count,
        .corner_count = (uint32_t)feature->corner_count,
        .ring_count = (uint32_t)feature->ring_count,
        .polygon_count = (uint32_t)feature->polygon_count,
        .shell_count = (uint32_t)feature->shell_count,
        .lod_count = (uint32_t)feature->lod_count,
        .material_count = (uint32_t)feature->material_count,
        .texture_count = (uint32_t)feature->texture_count,
        .has_uvs = feature->uvs != NULL,
        .parts_level = feature->parts_level,
        .origin = {record->origin_ecef_m.x, record->origin_ecef_m.y, record->origin_ecef_m.z},
        .heights = {record->base_local_m, record->top_local_m},
    };
    for (int i = 0; i < 6; i++) {
        head.text_sizes[i] = (uint32_t)texts[i].size;
    }
    assert(out->size % 8 == 0);
    buf_add(out, &head, sizeof head);
    for (int i = 0; i < 6; i++) {
        add_text(out, texts[i]);
    }
    add_attributes(record, out);
    add_array(out, feature->vertices, feature->vertex_count, 3 * sizeof(double));
    add_array(out, feature->corners, feature->corner_count, sizeof(uint32_t));
    if (feature->uvs != NULL) {
        add_array(out, feature->uvs, feature->corner_count, 2 * sizeof(float));
    }
    add_array(out, feature->rings, feature->ring_count, sizeof feature->rings[0]);
    add_array(out, feature->polygons, feature->polygon_count, sizeof feature->polygons[0]);
    add_array(out, feature->shells, feature->shell_count, sizeof feature->shells[0]);
    add_array(out, feature->lods, feature->lod_count, sizeof feature->lods[0]);
    for (size_t i = 0; i < feature->material_count; i++) {
        struct feature_material material = feature->materials[i];
        material.name = (struct text){NULL, 0}; /* nothing after this needs it */
        add_array(out, &material, 1, sizeof material);
    }
    for (size_t i = 0; i < feature->texture_count; i++) {
        const struct feature_texture *texture = &feature->textures[i];
        struct packed_texture packed = {.image_size = (uint32_t)texture->image.size,
                                        .wrap = (uint32_t)texture->wrap};
        memcpy(packed.border, texture->border, sizeof packed.border);
        add_array(out, &packed, 1, sizeof packed);
        add_text(out, texture->image);
    }
}

void record_stamp(struct buf *bytes, uint32_t source, uint32_t line)
{
    struct head head;
    assert(bytes->size >= sizeof head);
    memcpy(&head, bytes->data, sizeof head);
    head.source = source;
    head.line = line;
    memcpy(bytes->data, &head, sizeof head);
}

/* A position in a record that is read. */
struct cursor {
    const uint8_t *at;
};

static const void *take(struct cursor *cursor, size_t count, size_t size)
{
    const void *found = count == 0 ? NULL : cursor->at;
    cursor->at += (count * size + 7) / 8 * 8;
    return found;
}

static struct text take_text(struct cursor *cursor, size_t size)
{
    return (struct text){take(cursor, size, 1), size};
}

static bool read_attributes(struct cursor *cursor, size_t count, struct arena *arena,
                            const struct record_attribute **out, struct err *err)
{
    struct record_attribute *attributes = arena_array(arena, struct record_attribute, count);
    if (attributes == NULL) {
        return arena_full(arena, err);
    }
    for (size_t i = 0; i < count; i++) {
        const struct packed_value *packed = take(cursor, 1, sizeof *packed);
        struct feature_value *value = &attributes[i].value;
        attributes[i].key = packed->key;
        value->type = (enum feature_value_type)packed->type;
        switch (value->type) {
        case FEATURE_NULL:
            break;
        case FEATURE_BOOL:
            value->boolean = packed->as.boolean != 0;
            break;
        case FEATURE_INT:
            value->integer = packed->as.integer;
            break;
        case FEATURE_REAL:
            value->real = packed->as.real;
            break;
        case FEATURE_TEXT:
        case FEATURE_JSON:
            value->text = take_text(cursor, packed->as.text_size);
            break;
        }
    }
    *out = attributes;
    return true;
}

static bool read_textures(struct cursor *cursor, size_t count, struct arena *arena,
                          const struct feature_texture **out, struct err *err)
{
    struct feature_texture *textures = arena_array(arena, struct feature_texture, count);
    if (textures == NULL) {
        return arena_full(arena, err);
    }
    for (size_t i = 0; i < count; i++) {
        const struct packed_texture *packed = take(cursor, 1, sizeof *packed);
        textures[i].wrap = (enum feature_wrap)packed->wrap;
        memcpy(textures[i].border, packed->border, sizeof packed->border);
        textures[i].image = take_text(cursor, packed->image_size);
    }
    *out = textures;
    return true;
}

bool record_read(struct span bytes, struct arena *arena, struct record *out, struct err *err)
{
    if (bytes.size < sizeof(struct head)) {
        return err_set(err, ERR_IO, "a spooled feature of %zu bytes", bytes.size);
    }
    struct cursor cursor = {bytes.data};
    const struct head *head = take(&cursor, 1, sizeof *head);
    struct record record = {
        .source = head->source,
        .crs = head->crs,
        .attribute_count = head->attribute_count,
        .own_count = head->own_count,
        .origin_ecef_m = {head->origin[0], head->origin[1], head->origin[2]},
        .base_local_m = head->heights[0],
        .top_local_m = head->heights[1],
    };
    struct feature *feature = &record.feature;
    struct text *texts[6] = {&feature->id,   &feature->parent_id, &feature->root_id,
                             &feature->kind, &feature->name,      &feature->crs};
    feature->line = head->line;
    feature->parts_level = head->parts_level;
    for (int i = 0; i < 6; i++) {
        *texts[i] = take_text(&cursor, head->text_sizes[i]);
    }
    if (!read_attributes(&cursor, head->attribute_count, arena, &record.attributes, err)) {
        return false;
    }
    feature->vertex_count = head->vertex_count;
    feature->vertices = take(&cursor, head->vertex_count, 3 * sizeof(double));
    feature->corner_count = head->corner_count;
    feature->corners = take(&cursor, head->corner_count, sizeof(uint32_t));
    if (head->has_uvs) {
        feature->uvs = take(&cursor, head->corner_count, 2 * sizeof(float));
    }
    feature->ring_count = head->ring_count;
    feature->rings = take(&cursor, head->ring_count, sizeof feature->rings[0]);
    feature->polygon_count = head->polygon_count;
    feature->polygons = take(&cursor, head->polygon_count, sizeof feature->polygons[0]);
    feature->shell_count = head->shell_count;
    feature->shells = take(&cursor, head->shell_count, sizeof feature->shells[0]);
    feature->lod_count = head->lod_count;
    feature->lods = take(&cursor, head->lod_count, sizeof feature->lods[0]);
    feature->material_count = head->material_count;
    feature->materials = take(&cursor, head->material_count, sizeof feature->materials[0]);
    feature->texture_count = head->texture_count;
    if (!read_textures(&cursor, head->texture_count, arena, &feature->textures, err)) {
        return false;
    }
    assert(cursor.at <= bytes.data + bytes.size);
    *out = record;
    return true;
}

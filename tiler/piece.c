/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/piece.h"

#include <assert.h>

struct figure_head {
    uint32_t text_sizes[4]; /* id, class, name, parent */
    uint32_t piece_count;
    uint32_t mass_count;
    uint64_t member_count;
    uint32_t is_group;
    uint32_t value_count;
    double height_m;
    double dropped_error_m;
    double origin[3];
};
static_assert(sizeof(struct figure_head) % 8 == 0, "arrays begin at multiples of 8");

struct piece_head {
    double error_m;
    uint32_t bytes;
    uint32_t point_count;
    uint32_t triangle_count;
    uint32_t face_count;
    uint32_t is_one_sided;
    uint32_t has_uvs;
    uint32_t has_borders;
    uint32_t reserved;
    double image_area_m2;
    double image_texels;
};
static_assert(sizeof(struct piece_face) == 28, "a face has no padding");
static_assert(sizeof(struct piece_head) % 8 == 0, "arrays begin at multiples of 8");

uint32_t piece_estimate_bytes(uint32_t triangle_count, uint32_t face_count)
{
    /* Measured over whole tiles of generated buildings, Draco at speed 5, flat
     * normals and colours: 4 bytes a triangle and 2 a face. */
    return 4 * triangle_count + 2 * face_count;
}

/* A viewer's default, in pixels: CesiumJS's maximumScreenSpaceError. */
static const double VIEWER_ERROR_PX = 16;

/* JPEG of photographs at the quality that is written, with the gutters between
 * them; a face that comes down to a few texels becomes a colour. */
static const double BYTES_PER_TEXEL = 0.25;

uint64_t piece_image_bytes(double texels)
{
    return (uint64_t)(texels * BYTES_PER_TEXEL);
}

uint64_t piece_bytes(const struct piece *piece, double texel_m)
{
    const double coarse = texel_m > 0 ? piece->image_area_m2 / (texel_m * texel_m) : HUGE_VAL;
    const double texels = fmin(piece->image_texels, coarse);
    return piece->bytes + piece_image_bytes(texels);
}

double piece_texel_m(double geometric_error_m)
{
    return geometric_error_m / VIEWER_ERROR_PX;
}

/* Two string offsets, a double, an integer, a class of one byte, and some of
 * the JSON that describes the table. */
enum { ROW_FIXED_BYTES = 20, VALUE_FIXED_BYTES = 4, NUMBER_BYTES = 8 };

static size_t value_bytes(const struct feature_value *value)
{
    return value->type == FEATURE_TEXT || value->type == FEATURE_JSON ? value->text.size
                                                                      : NUMBER_BYTES;
}

uint32_t figure_row_bytes(const struct figure *figure)
{
    size_t bytes = ROW_FIXED_BYTES + figure->id.size + figure->name.size;
    for (uint32_t i = 0; i < figure->value_count; i++) {
        bytes += VALUE_FIXED_BYTES + value_bytes(&figure->values[i].value);
    }
    return (uint32_t)bytes;
}

static void add_array(struct buf *out, const void *items, size_t count, size_t size)
{
    buf_add(out, items, count * size);
    buf_pad(out, 0, 8, 0);
}

struct value_head {
    uint32_t property;
    uint32_t type; /* enum feature_value_type */
    int64_t integer;
    double real;
    uint32_t text_size;
    uint32_t boolean;
};

static void value_write(const struct figure_value *value, struct buf *out)
{
    const struct value_head head = {.property = value->property,
                                    .type = (uint32_t)value->value.type,
                                    .integer = value->value.integer,
                                    .real = value->value.real,
                                    .text_size = (uint32_t)value->value.text.size,
                                    .boolean = value->value.boolean};
    buf_add(out, &head, sizeof head);
    add_array(out, value->value.text.data, value->value.text.size, 1);
}

static void piece_write(const struct piece *piece, struct buf *out)
{
    const struct piece_head head = {
        .error_m = piece->error_m,
        .bytes = piece->bytes,
        .point_count = piece->point_count,
        .triangle_count = piece->triangle_count,
        .face_count = piece->face_count,
        .is_one_sided = piece->is_one_sided,
        .has_uvs = piece->uvs != NULL,
        .has_borders = piece->borders != NULL,
        .image_area_m2 = piece->image_area_m2,
        .image_texels = piece->image_texels,
    };
    buf_add(out, &head, sizeof head);
    for (uint32_t i = 0; i < piece->point_count; i++) {
        const struct vec3 p = piece->points[i];
        const struct vec3f rounded = {(float)p.x, (float)p.y, (float)p.z};
        buf_add(out, &rounded, sizeof rounded);
    }
    buf_pad(out, 0, 8, 0);
    add_array(out, piece->corners, piece->triangle_count, 3 * sizeof(uint32_t));
    add_array(out, piece->triangle_faces, piece->triangle_count, sizeof(uint32_t));
    add_array(out, piece->faces, piece->face_count, sizeof piece->faces[0]);
    if (piece->uvs != NULL) {
        add_array(out, piece->uvs, piece->triangle_count, 6 * sizeof(float));
    }
    if (piece->borders != NULL) {
        add_array(out, piece->borders, piece->point_count, 1);
    }
}

struct mass_head {
    struct mass_prism shape;
    double roof_m2, wall_m2;
    double low_top_m, high_top_m;
    double largest_m;
    struct paint roof, wall;
    uint64_t part_count;
};
static_assert(sizeof(struct mass_head) % 8 == 0, "arrays begin at multiples of 8");

static void mass_write(const struct mass *mass, struct buf *out)
{
    struct mass_head head;
    memset(&head, 0, sizeof head);
    head.shape = mass->shape;
    head.roof_m2 = mass->roof_m2;
    head.wall_m2 = mass->wall_m2;
    head.low_top_m = mass->low_top_m;
    head.high_top_m = mass->high_top_m;
    head.largest_m = mass->largest_m;
    head.roof = mass->roof;
    head.wall = mass->wall;
    head.part_count = mass->part_count;
    buf_add(out, &head, sizeof head);
    add_array(out, mass->parts, mass->part_count, sizeof mass->parts[0]);
}

void figure_write(const struct figure *figure, size_t first_piece, struct buf *out)
{
    assert(first_piece <= figure->piece_count);
    const struct text texts[4] = {figure->id, figure->class_name, figure->name, figure->parent_id};
    struct figure_head head = {
        .piece_count = (uint32_t)(figure->piece_count - first_piece),
        .mass_count = figure->mass_count,
        .value_count = figure->value_count,
        .member_count = figure->member_count,
        .is_group = figure->is_group,
        .height_m = figure->height_m,
        .dropped_error_m = figure->dropped_error_m,
        .origin = {figure->origin_ecef_m.x, figure->origin_ecef_m.y, figure->origin_ecef_m.z},
    };
    for (int i = 0; i < 4; i++) {
        head.text_sizes[i] = (uint32_t)texts[i].size;
    }
    assert(out->size % 8 == 0);
    buf_add(out, &head, sizeof head);
    for (int i = 0; i < 4; i++) {
        add_array(out, texts[i].data, texts[i].size, 1);
    }
    for (uint32_t i = 0; i < figure->value_count; i++) {
        value_write(&figure->values[i], out);
    }
    for (size_t i = first_piece; i < figure->piece_count; i++) {
        piece_write(&figure->pieces[i], out);
    }
    for (uint32_t i = 0; i < figure->mass_count; i++) {
        mass_write(&figure->masses[i], out);
    }
}

/* The next `count * size` bytes, or NULL past the end: only a damaged
 * temporary file gets there. */
static const void *take(struct span bytes, size_t *at, size_t count, size_t size)
{
    const size_t need = count * size;
    if (*at > bytes.size || need > bytes.size - *at) {
        return NULL;
    }
    const void *found = bytes.data + *at;
    *at += (need + 7) / 8 * 8;
    return found;
}

static bool damaged(struct err *err)
{
    return err_set(err, ERR_IO, "a temporary file is damaged");
}

static bool piece_read(struct span bytes, size_t *at, struct arena *arena, struct piece *out,
                       struct err *err)
{
    const struct piece_head *head = take(bytes, at, 1, sizeof *head);
    if (head == NULL) {
        return damaged(err);
    }
    const float *rounded = take(bytes, at, head->point_count, 3 * sizeof(float));
    const uint32_t *corners = take(bytes, at, head->triangle_count, 3 * sizeof(uint32_t));
    const uint32_t *faces_of = take(bytes, at, head->triangle_count, sizeof(uint32_t));
    const struct piece_face *faces = take(bytes, at, head->face_count, sizeof *faces);
    const float *uvs =
        head->has_uvs ? take(bytes, at, head->triangle_count, 6 * sizeof(float)) : NULL;
    const uint8_t *borders = head->has_borders ? take(bytes, at, head->point_count, 1) : NULL;
    if (rounded == NULL || corners == NULL || faces_of == NULL || faces == NULL ||
        (head->has_uvs && uvs == NULL) || (head->has_borders && borders == NULL)) {
        return damaged(err);
    }
    struct vec3 *points = arena_array(arena, struct vec3, head->point_count);
    if (points == NULL) {
        return arena_full(arena, err);
    }
    for (size_t i = 0; i < head->point_count; i++) {
        points[i] = (struct vec3){(double)rounded[3 * i], (double)rounded[3 * i + 1],
                                  (double)rounded[3 * i + 2]};
    }
    *out = (struct piece){
        .error_m = head->error_m,
        .bytes = head->bytes,
        .is_one_sided = head->is_one_sided != 0,
        .point_count = head->point_count,
        .triangle_count = head->triangle_count,
        .face_count = head->face_count,
        .points = points,
        .corners = corners,
        .triangle_faces = faces_of,
        .faces = faces,
        .borders = borders,
        .uvs = uvs,
        .image_area_m2 = head->image_area_m2,
        .image_texels = head->image_texels,
    };
    return true;
}

static bool value_read(struct span bytes, size_t *at, struct figure_value *out, struct err *err)
{
    const struct value_head *head = take(bytes, at, 1, sizeof *head);
    const char *text = head == NULL ? NULL : take(bytes, at, head->text_size, 1);
    if (text == NULL) {
        return damaged(err);
    }
    *out = (struct figure_value){
        .property = head->property,
        .value = {.type = (enum feature_value_type)head->type,
                  .boolean = head->boolean != 0,
                  .integer = head->integer,
                  .real = head->real,
                  .text = {text, head->text_size}},
    };
    return true;
}

static bool mass_read(struct span bytes, size_t *at, struct mass *out, struct err *err)
{
    const struct mass_head *head = take(bytes, at, 1, sizeof *head);
    const struct mass_prism *parts =
        head == NULL ? NULL : take(bytes, at, head->part_count, sizeof *parts);
    if (parts == NULL) {
        return damaged(err);
    }
    *out = (struct mass){
        .shape = head->shape,
        .parts = parts,
        .part_count = (uint32_t)head->part_count,
        .low_top_m = head->low_top_m,
        .high_top_m = head->high_top_m,
        .largest_m = head->largest_m,
        .roof = head->roof,
        .wall = head->wall,
        .roof_m2 = head->roof_m2,
        .wall_m2 = head->wall_m2,
    };
    return true;
}

bool figure_read(struct span bytes, size_t *at, struct arena *arena, struct figure *out,
                 struct err *err)
{
    const struct figure_head *head = take(bytes, at, 1, sizeof *head);
    if (head == NULL) {
        return damaged(err);
    }
    struct figure figure = {
        .height_m = head->height_m,
        .dropped_error_m = head->dropped_error_m,
        .origin_ecef_m = {head->origin[0], head->origin[1], head->origin[2]},
        .piece_count = head->piece_count,
        .mass_count = head->mass_count,
        .value_count = head->value_count,
        .member_count = head->member_count,
        .is_group = head->is_group != 0,
    };
    struct text *texts[4] = {&figure.id, &figure.class_name, &figure.name, &figure.parent_id};
    for (int i = 0; i < 4; i++) {
        const void *data = take(bytes, at, head->text_sizes[i], 1);
        if (data == NULL) {
            return damaged(err);
        }
        *texts[i] = (struct text){data, head->text_sizes[i]};
    }
    struct figure_value *values = arena_array(arena, struct figure_value, figure.value_count);
    if (values == NULL) {
        return arena_full(arena, err);
    }
    for (uint32_t i = 0; i < figure.value_count; i++) {
        if (!value_read(bytes, at, &values[i], err)) {
            return false;
        }
    }
    figure.values = values;
    struct piece *pieces = arena_array(arena, struct piece, figure.piece_count);
    if (pieces == NULL) {
        return arena_full(arena, err);
    }
    for (size_t i = 0; i < figure.piece_count; i++) {
        if (!piece_read(bytes, at, arena, &pieces[i], err)) {
            return false;
        }
    }
    struct mass *masses = arena_array(arena, struct mass, figure.mass_count);
    if (masses == NULL) {
        return arena_full(arena, err);
    }
    for (uint32_t i = 0; i < figure.mass_count; i++) {
        if (!mass_read(bytes, at, &masses[i], err)) {
            return false;
        }
    }
    figure.pieces = pieces;
    figure.masses = masses;
    *out = figure;
    return true;
}

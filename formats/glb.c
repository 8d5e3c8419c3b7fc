/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/glb.h"

#include <assert.h>

#include "formats/draco.h"
#include "formats/json_write.h"

/* glTF's numbers for what is in a buffer. */
enum { GL_UNSIGNED_SHORT = 5123, GL_UNSIGNED_INT = 5125, GL_FLOAT = 5126 };
enum { GL_ARRAY_BUFFER = 34962, GL_ELEMENT_ARRAY_BUFFER = 34963 };
enum { GL_REPEAT = 10497, GL_CLAMP_TO_EDGE = 33071, GL_MIRRORED_REPEAT = 33648 };
enum { GL_LINEAR = 9729, GL_LINEAR_MIPMAP_LINEAR = 9987 };

#define POSITION_STEP_M (1.0 / 1024)
/* Half a texel of a picture of 4096. */
#define UV_STEP (1.0F / 4096)
enum { NORMAL_BITS = 8 };

/* Squared length of a normal may be off by this: what three floats can say. */
#define UNIT_SLACK 1e-3F

/* Draco's names for the streams serve for all. */
enum {
    POSITION = DRACO_POSITION,
    NORMAL = DRACO_NORMAL,
    COLOR = DRACO_COLOR,
    UV = DRACO_UV,
    ROW = DRACO_ROW,
    STREAMS = DRACO_STREAMS
};
enum { NONE = -1 };

struct view {
    size_t offset, size;
    int stride; /* 0: not written */
    int target; /* 0: not written */
};

struct accessor {
    int view; /* NONE: Draco has the data */
    int component;
    bool is_normalized;
    uint32_t count;
    const char *type;
    bool has_bounds;
    float min[3], max[3];
};

struct primitive {
    int accessor[STREAMS]; /* or NONE */
    int indices;
    int draco_view; /* or NONE */
    int draco_id[STREAMS];
    uint32_t feature_count; /* distinct rows */
    uint32_t material;
};

/* Views of one property of the schema; values NONE: not of the table's class. */
struct column_views {
    int values, offsets;
    int offset_bytes; /* 0: no offsets */
};

struct writer {
    const struct mesh_tile *tile;
    const struct glb_options *options;
    struct arena *scratch;
    struct err *err;
    struct buf bin, json;
    struct view *views;
    int view_count;
    struct accessor *accessors;
    int accessor_count;
    struct primitive *primitives;
    size_t primitive_count;
    struct column_views *columns;
    int *image_views;
    bool has_features; /* rows are written */
    bool are_rows_float;
    double step_m;
    struct glb_summary summary;
};

/* A mesh as it is written: y up, on the grid, checked. */
struct turned {
    uint32_t vertex_count, index_count;
    float *positions, *normals, *uvs;
    float uv_step;
};

/* ---- buffer ---- */

static int add_view(struct writer *w, size_t start, int stride, int target)
{
    w->views[w->view_count] = (struct view){start, w->bin.size - start, stride, target};
    return w->view_count++;
}

static int add_bytes(struct writer *w, size_t align, const void *bytes, size_t size, int stride,
                     int target)
{
    buf_pad(&w->bin, 0, align, 0);
    const size_t start = w->bin.size;
    buf_add(&w->bin, bytes, size);
    return add_view(w, start, stride, target);
}

static int add_accessor(struct writer *w, struct accessor accessor)
{
    w->accessors[w->accessor_count] = accessor;
    return w->accessor_count++;
}

/* ---- numbers ---- */

/* Adding 0 turns -0 into 0: equal values must have equal bytes to be merged. */
static float tidy(float value)
{
    return value + 0.0F;
}

static bool turn_normals(struct writer *w, const struct mesh *mesh, struct turned *out)
{
    for (uint32_t i = 0; i < mesh->vertex_count; i++) {
        const float *n = mesh->normals + (size_t)3 * i;
        const float square = n[0] * n[0] + n[1] * n[1] + n[2] * n[2];
        if (!(square > 1 - UNIT_SLACK && square < 1 + UNIT_SLACK)) {
            return err_set(w->err, ERR_GEOMETRY, "normal %g %g %g of vertex %u is not unit",
                           (double)n[0], (double)n[1], (double)n[2], i);
        }
        out->normals[(size_t)3 * i] = tidy(n[0]);
        out->normals[(size_t)3 * i + 1] = tidy(n[2]);
        out->normals[(size_t)3 * i + 2] = tidy(-n[1]);
    }
    return true;
}

/* By the inverse, which is exact for a power of two, and without floor(), which
 * is a call where the CPU is not asked for more than it must have. */
static float on_grid(float value, double step, double inverse)
{
    const double steps = (double)value * inverse + 0.5;
    int64_t whole = (int64_t)steps;
    whole -= (double)whole > steps ? 1 : 0;
    return tidy((float)((double)whole * step));
}

/* Texture coordinates far out (a facade repeated a thousand times) get a
 * coarser grid, so that they stay within what Draco keeps exactly. */
static bool turn_uvs(struct writer *w, const struct mesh *mesh, struct turned *out)
{
    float most = 0;
    for (size_t i = 0; i < (size_t)2 * mesh->vertex_count; i++) {
        if (!isfinite(mesh->uvs[i])) {
            return err_set(w->err, ERR_GEOMETRY, "texture coordinate of vertex %zu is not a number",
                           i / 2);
        }
        most = fmaxf(most, fabsf(mesh->uvs[i]));
    }
    out->uv_step = UV_STEP;
    while (most / out->uv_step > DRACO_STEPS_MAX / 2) {
        out->uv_step *= 2;
    }
    for (size_t i = 0; i < (size_t)2 * mesh->vertex_count; i++) {
        out->uvs[i] = w->options->compression == GLB_NONE
                          ? mesh->uvs[i]
                          : on_grid(mesh->uvs[i], (double)out->uv_step, 1 / (double)out->uv_step);
    }
    return true;
}

static void turn_positions(struct writer *w, const struct mesh *mesh, struct turned *out)
{
    double worst = 0;
    const double inverse = w->step_m > 0 ? 1 / w->step_m : 0;
    for (uint32_t i = 0; i < mesh->vertex_count; i++) {
        const float *p = mesh->positions + (size_t)3 * i;
        const float source[3] = {p[0], p[2], -p[1]};
        float *turned = out->positions + (size_t)3 * i;
        double square = 0;
        for (int c = 0; c < 3; c++) {
            turned[c] = w->step_m > 0 ? on_grid(source[c], w->step_m, inverse) : tidy(source[c]);
            const double moved = (double)turned[c] - (double)source[c];
            square += moved * moved;
        }
        worst = square > worst ? square : worst;
    }
    w->summary.position_error_m = fmax(w->summary.position_error_m, sqrt(worst));
}

static bool turn(struct writer *w, const struct mesh *mesh, struct turned *out)
{
    const size_t n = mesh->vertex_count;
    *out = (struct turned){.vertex_count = mesh->vertex_count, .index_count = mesh->index_count};
    out->positions = arena_array(w->scratch, float, 3 * n);
    out->normals = arena_array(w->scratch, float, 3 * n);
    out->uvs = mesh->uvs == NULL ? NULL : arena_array(w->scratch, float, 2 * n);
    if (out->positions == NULL || out->normals == NULL || (mesh->uvs != NULL && out->uvs == NULL)) {
        return arena_full(w->scratch, w->err);
    }
    turn_positions(w, mesh, out);
    return turn_normals(w, mesh, out) && (mesh->uvs == NULL || turn_uvs(w, mesh, out));
}

/* The grid of the whole tile: a power of two, so that every multiple of it is
 * exact in float as long as it is not more than DRACO_STEPS_MAX steps away. */
static bool choose_step(struct writer *w)
{
    double most = 0;
    for (size_t m = 0; m < w->tile->mesh_count; m++) {
        const struct mesh *mesh = &w->tile->meshes[m];
        for (size_t i = 0; i < (size_t)3 * mesh->vertex_count; i++) {
            if (!isfinite(mesh->positions[i])) {
                return err_set(w->err, ERR_GEOMETRY, "position of vertex %zu is not a number",
                               i / 3);
            }
            const double size = fabs((double)mesh->positions[i]);
            most = size > most ? size : most;
        }
    }
    if (w->options->compression == GLB_NONE) {
        return true;
    }
    const double largest =
        w->options->position_step_m > 0 ? w->options->position_step_m : POSITION_STEP_M;
    double step = exp2(floor(log2(largest)));
    while (most / step > DRACO_STEPS_MAX / 2) {
        step *= 2;
    }
    w->step_m = step;
    w->summary.position_step_m = step;
    return true;
}

static void add_bounds(const float *position, struct accessor *bounds)
{
    for (int c = 0; c < 3; c++) {
        bounds->min[c] = position[c] < bounds->min[c] ? position[c] : bounds->min[c];
        bounds->max[c] = position[c] > bounds->max[c] ? position[c] : bounds->max[c];
    }
}

/* glTF's y up back to the tile's z up. */
static void add_box(struct writer *w, const struct accessor *bounds)
{
    const float *min = bounds->min;
    const float *max = bounds->max;
    box3_add(&w->summary.box_tile_m,
             (struct vec3){(double)min[0], 0 - (double)max[2], (double)min[1]});
    box3_add(&w->summary.box_tile_m,
             (struct vec3){(double)max[0], 0 - (double)min[2], (double)max[1]});
}

static struct accessor position_accessor(void)
{
    return (struct accessor){.view = NONE,
                             .component = GL_FLOAT,
                             .type = "VEC3",
                             .has_bounds = true,
                             .min = {INFINITY, INFINITY, INFINITY},
                             .max = {-INFINITY, -INFINITY, -INFINITY}};
}

/* ---- meshes ---- */

/* Accessors of the streams other than positions; views are filled in by those
 * who have them. */
static void add_streams(struct writer *w, const struct mesh *mesh, uint32_t count,
                        struct primitive *into)
{
    into->accessor[NORMAL] = add_accessor(
        w, (struct accessor){.view = NONE, .component = GL_FLOAT, .count = count, .type = "VEC3"});
    into->accessor[COLOR] = NONE;
    into->accessor[UV] = NONE;
    into->accessor[ROW] = NONE;
    if (mesh->colors != NULL) {
        into->accessor[COLOR] = add_accessor(w, (struct accessor){.view = NONE,
                                                                  .component = GL_UNSIGNED_SHORT,
                                                                  .is_normalized = true,
                                                                  .count = count,
                                                                  .type = "VEC4"});
    }
    if (mesh->uvs != NULL) {
        into->accessor[UV] = add_accessor(
            w,
            (struct accessor){.view = NONE, .component = GL_FLOAT, .count = count, .type = "VEC2"});
    }
    if (w->has_features) {
        into->accessor[ROW] = add_accessor(
            w, (struct accessor){.view = NONE,
                                 .component = w->are_rows_float ? GL_FLOAT : GL_UNSIGNED_SHORT,
                                 .count = count,
                                 .type = "SCALAR"});
    }
}

static void set_view(struct writer *w, int accessor, int view)
{
    w->accessors[accessor].view = view;
}

/* Rows as the attribute has them: 16 bits on a stride of four, or floats. */
static bool add_rows(struct writer *w, const struct mesh *mesh, struct primitive *into)
{
    uint8_t *seen = arena_array(w->scratch, uint8_t, w->tile->table->row_count);
    if (seen == NULL) {
        return arena_full(w->scratch, w->err);
    }
    buf_pad(&w->bin, 0, 4, 0);
    const size_t start = w->bin.size;
    uint8_t *at = buf_extend(&w->bin, (size_t)4 * mesh->vertex_count);
    for (uint32_t i = 0; at != NULL && i < mesh->vertex_count; i++) {
        const uint32_t row = mesh->rows[i];
        into->feature_count += seen[row] == 0 ? 1 : 0;
        seen[row] = 1;
        uint32_t bits = row;
        if (w->are_rows_float) {
            const float real = (float)row;
            memcpy(&bits, &real, sizeof bits);
        }
        bytes_store_u32le(at + (size_t)4 * i, bits);
    }
    set_view(w, into->accessor[ROW],
             add_view(w, start, w->are_rows_float ? 0 : 4, GL_ARRAY_BUFFER));
    return true;
}

static void add_indices(struct writer *w, const struct mesh *mesh, struct primitive *into)
{
    /* 65535 is what restarts a primitive, so it may not be an index. */
    const bool is_short = mesh->vertex_count <= 65535;
    buf_pad(&w->bin, 0, 4, 0);
    const size_t start = w->bin.size;
    uint8_t *at = buf_extend(&w->bin, (size_t)(is_short ? 2 : 4) * mesh->index_count);
    for (uint32_t i = 0; at != NULL && i < mesh->index_count; i++) {
        if (is_short) {
            bytes_store_u16le(at + (size_t)2 * i, (uint16_t)mesh->indices[i]);
        } else {
            bytes_store_u32le(at + (size_t)4 * i, mesh->indices[i]);
        }
    }
    into->indices = add_accessor(
        w, (struct accessor){.view = add_view(w, start, 0, GL_ELEMENT_ARRAY_BUFFER),
                             .component = is_short ? GL_UNSIGNED_SHORT : GL_UNSIGNED_INT,
                             .count = mesh->index_count,
                             .type = "SCALAR"});
}

static_assert(sizeof(float) == 4, "streams are written as they lie in memory");

static bool add_plain(struct writer *w, const struct mesh *mesh, const struct turned *turned,
                      struct primitive *into)
{
    const size_t n = mesh->vertex_count;
    struct accessor positions = position_accessor();
    for (size_t i = 0; i < n; i++) {
        add_bounds(turned->positions + 3 * i, &positions);
    }
    add_box(w, &positions);
    positions.count = mesh->vertex_count;
    positions.view = add_bytes(w, 4, turned->positions, 12 * n, 0, GL_ARRAY_BUFFER);
    into->accessor[POSITION] = add_accessor(w, positions);
    add_streams(w, mesh, mesh->vertex_count, into);
    set_view(w, into->accessor[NORMAL],
             add_bytes(w, 4, turned->normals, 12 * n, 0, GL_ARRAY_BUFFER));
    if (mesh->colors != NULL) {
        set_view(w, into->accessor[COLOR],
                 add_bytes(w, 4, mesh->colors, 8 * n, 0, GL_ARRAY_BUFFER));
    }
    if (mesh->uvs != NULL) {
        set_view(w, into->accessor[UV], add_bytes(w, 4, turned->uvs, 8 * n, 0, GL_ARRAY_BUFFER));
    }
    if (w->has_features && !add_rows(w, mesh, into)) {
        return false;
    }
    add_indices(w, mesh, into);
    w->summary.vertex_count += mesh->vertex_count;
    w->summary.triangle_count += mesh->index_count / 3;
    w->primitive_count++;
    return true;
}

/* Only vertices of triangles that Draco keeps are bounds of the result. */
static void bound_used(const struct mesh *mesh, const struct turned *turned,
                       struct accessor *bounds)
{
    for (uint32_t i = 0; i < mesh->index_count; i += 3) {
        const float *corner[3];
        for (uint32_t k = 0; k < 3; k++) {
            corner[k] = turned->positions + (size_t)3 * mesh->indices[i + k];
        }
        if (memcmp(corner[0], corner[1], 12) == 0 || memcmp(corner[1], corner[2], 12) == 0 ||
            memcmp(corner[2], corner[0], 12) == 0) {
            continue;
        }
        for (int k = 0; k < 3; k++) {
            add_bounds(corner[k], bounds);
        }
    }
}

static bool add_draco(struct writer *w, const struct mesh *mesh, const struct turned *turned,
                      struct primitive *into)
{
    const struct draco_mesh draco = {
        .vertex_count = mesh->vertex_count,
        .index_count = mesh->index_count,
        .positions = turned->positions,
        .normals = turned->normals,
        .colors = mesh->colors,
        .uvs = turned->uvs,
        .rows = w->has_features ? mesh->rows : NULL,
        .indices = mesh->indices,
        .position_step = (float)w->step_m,
        .uv_step = turned->uv_step,
        .normal_bits = w->options->normal_bits > 0 ? w->options->normal_bits : NORMAL_BITS,
        .are_rows_float = w->are_rows_float,
    };
    buf_pad(&w->bin, 0, 4, 0);
    const size_t start = w->bin.size;
    struct draco_summary summary;
    if (!draco_write(&draco, w->scratch, &w->bin, &summary, w->err)) {
        return false;
    }
    if (summary.triangle_count == 0) {
        return true;
    }
    into->draco_view = add_view(w, start, 0, 0);
    memcpy(into->draco_id, summary.unique_id, sizeof into->draco_id);
    struct accessor positions = position_accessor();
    bound_used(mesh, turned, &positions);
    add_box(w, &positions);
    positions.count = summary.vertex_count;
    into->accessor[POSITION] = add_accessor(w, positions);
    add_streams(w, mesh, summary.vertex_count, into);
    into->indices = add_accessor(w, (struct accessor){.view = NONE,
                                                      .component = summary.vertex_count <= 65535
                                                                       ? GL_UNSIGNED_SHORT
                                                                       : GL_UNSIGNED_INT,
                                                      .count = 3 * summary.triangle_count,
                                                      .type = "SCALAR"});
    into->feature_count = summary.row_count;
    w->summary.vertex_count += summary.vertex_count;
    w->summary.triangle_count += summary.triangle_count;
    w->primitive_count++;
    return true;
}

static void assert_in_range(const struct writer *w, const struct mesh *mesh)
{
    assert(mesh->index_count % 3 == 0);
    assert(mesh->material < w->tile->material_count);
    for (uint32_t i = 0; i < mesh->index_count; i++) {
        assert(mesh->indices[i] < mesh->vertex_count);
    }
    for (uint32_t i = 0; w->has_features && i < mesh->vertex_count; i++) {
        assert(mesh->rows[i] < w->tile->table->row_count);
    }
}

static bool add_mesh(struct writer *w, const struct mesh *mesh)
{
    if (mesh->index_count == 0) {
        return true;
    }
    assert_in_range(w, mesh);
    struct primitive *into = &w->primitives[w->primitive_count];
    *into = (struct primitive){.draco_view = NONE, .material = mesh->material};
    const struct arena_mark mark = arena_mark(w->scratch);
    struct turned turned;
    const bool ok = turn(w, mesh, &turned) &&
                    (w->options->compression == GLB_DRACO ? add_draco(w, mesh, &turned, into)
                                                          : add_plain(w, mesh, &turned, into));
    arena_reset(w->scratch, mark);
    return ok;
}

/* ---- property table ---- */

static bool has_table(const struct writer *w)
{
    return w->has_features && w->options->features == GLB_MESH_FEATURES && w->primitive_count > 0;
}

/* A column in which no row has a value. */
static bool missing_column(struct writer *w, uint32_t property, struct property_column *out)
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

static bool add_column(struct writer *w, const struct property_column *column,
                       struct column_views *out)
{
    const struct property_table single = {.schema = w->tile->table->schema,
                                          .row_count = w->tile->table->row_count,
                                          .columns = column,
                                          .column_count = 1};
    struct property_packed packed;
    if (!property_pack(&single, 0, w->scratch, &packed, w->err)) {
        return false;
    }
    out->values = add_bytes(w, 8, packed.values.data, packed.values.size, 0, 0);
    out->offsets = NONE;
    out->offset_bytes = packed.offset_bytes;
    if (packed.offset_bytes > 0) {
        out->offsets = add_bytes(w, 8, packed.offsets.data, packed.offsets.size, 0, 0);
    }
    return true;
}

/*
 * Every property of the class gets views, also those that no row has a value
 * of: the format would let them be absent, but the official 3D Tiles validator
 * (0.6.1) stops with an exception at such a table. The absent ones of a type
 * share their views.
 */
static bool add_columns(struct writer *w)
{
    const struct property_table *table = w->tile->table;
    const char *class = property_table_class(table);
    struct column_views missing[PROPERTY_ENUM + 1][2];
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
            struct column_views *shared = &missing[property->type][kind];
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

static void print_columns(struct writer *w)
{
    const struct property_table *table = w->tile->table;
    for (size_t i = 0; i < table->schema->property_count; i++) {
        const struct column_views *views = &w->columns[i];
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

static void print_table(struct writer *w)
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

/* ---- pictures and materials ---- */

static bool is_webp(const struct mesh_image *image)
{
    return strcmp(image->media_type, "image/webp") == 0;
}

static bool add_images(struct writer *w)
{
    for (size_t i = 0; w->primitive_count > 0 && i < w->tile->image_count; i++) {
        const struct mesh_image *image = &w->tile->images[i];
        if (strcmp(image->media_type, "image/jpeg") != 0 &&
            strcmp(image->media_type, "image/png") != 0 && !is_webp(image)) {
            return err_set(w->err, ERR_UNSUPPORTED, "glTF has no pictures of type '%s'",
                           image->media_type);
        }
        w->image_views[i] = add_bytes(w, 4, image->bytes.data, image->bytes.size, 0, 0);
    }
    return true;
}

static void print_images(struct writer *w)
{
    json_write_key(&w->json, "images");
    buf_add_text(&w->json, "[");
    for (size_t i = 0; i < w->tile->image_count; i++) {
        json_write_comma(&w->json);
        buf_print(&w->json, "{\"bufferView\":%d,\"mimeType\":\"%s\"}", w->image_views[i],
                  w->tile->images[i].media_type);
    }
    /* One sampler a way of wrapping, in the order of enum mesh_wrap. */
    static const int wraps[] = {GL_CLAMP_TO_EDGE, GL_REPEAT, GL_MIRRORED_REPEAT};
    bool is_used[3] = {false};
    for (size_t i = 0; i < w->tile->material_count; i++) {
        const struct mesh_material *material = &w->tile->materials[i];
        is_used[material->wrap] = is_used[material->wrap] || material->image >= 0;
    }
    int sampler_of[3];
    int count = 0;
    buf_add_text(&w->json, "],\"samplers\":[");
    for (int i = 0; i < 3; i++) {
        sampler_of[i] = count;
        if (is_used[i]) {
            json_write_comma(&w->json);
            buf_print(&w->json, "{\"magFilter\":%d,\"minFilter\":%d,\"wrapS\":%d,\"wrapT\":%d}",
                      GL_LINEAR, GL_LINEAR_MIPMAP_LINEAR, wraps[i], wraps[i]);
            count++;
        }
    }
    /* One texture a textured material, in their order: see print_material(). */
    buf_add_text(&w->json, "],\"textures\":[");
    for (size_t i = 0; i < w->tile->material_count; i++) {
        const struct mesh_material *material = &w->tile->materials[i];
        if (material->image < 0) {
            continue;
        }
        json_write_comma(&w->json);
        buf_print(&w->json, "{\"sampler\":%d,", sampler_of[material->wrap]);
        buf_print(&w->json,
                  is_webp(&w->tile->images[material->image])
                      ? "\"extensions\":{\"EXT_texture_webp\":{\"source\":%d}}}"
                      : "\"source\":%d}",
                  material->image);
    }
    buf_add_text(&w->json, "]");
}

static void print_factors(struct buf *json, const char *key, const float *factors, int count)
{
    json_write_key(json, key);
    buf_add_text(json, "[");
    for (int i = 0; i < count; i++) {
        json_write_comma(json);
        json_write_float(json, fminf(fmaxf(factors[i], 0), 1));
    }
    buf_add_text(json, "]");
}

static void print_material(struct buf *json, const struct mesh_material *material, int texture)
{
    const float *color = material->base_color;
    const float *emissive = material->emissive;
    json_write_comma(json);
    buf_add_text(json, "{\"pbrMetallicRoughness\":{");
    if (color[0] != 1 || color[1] != 1 || color[2] != 1 || color[3] != 1) {
        print_factors(json, "baseColorFactor", color, 4);
    }
    if (material->image >= 0) {
        json_write_key(json, "baseColorTexture");
        buf_print(json, "{\"index\":%d}", texture);
    }
    if (material->metallic != 1) {
        json_write_key(json, "metallicFactor");
        json_write_float(json, fminf(fmaxf(material->metallic, 0), 1));
    }
    if (material->roughness != 1) {
        json_write_key(json, "roughnessFactor");
        json_write_float(json, fminf(fmaxf(material->roughness, 0), 1));
    }
    buf_add_text(json, "}");
    if (emissive[0] > 0 || emissive[1] > 0 || emissive[2] > 0) {
        print_factors(json, "emissiveFactor", emissive, 3);
    }
    if (material->alpha != MESH_OPAQUE) {
        json_write_key(json, "alphaMode");
        buf_add_text(json, material->alpha == MESH_MASK ? "\"MASK\"" : "\"BLEND\"");
    }
    if (material->is_double_sided) {
        json_write_key(json, "doubleSided");
        buf_add_text(json, "true");
    }
    buf_add_text(json, "}");
}

static void print_materials(struct writer *w)
{
    bool has_texture = false;
    int texture = 0;
    json_write_key(&w->json, "materials");
    buf_add_text(&w->json, "[");
    for (size_t i = 0; i < w->tile->material_count; i++) {
        const struct mesh_material *material = &w->tile->materials[i];
        assert(material->image < 0 || (size_t)material->image < w->tile->image_count);
        print_material(&w->json, material, texture);
        texture += material->image >= 0 ? 1 : 0;
        has_texture = has_texture || material->image >= 0;
    }
    buf_add_text(&w->json, "]");
    if (has_texture) {
        print_images(w);
    }
}

/* ---- the rest of the JSON ---- */

static const char *stream_name(const struct writer *w, int stream)
{
    static const char *const names[] = {"POSITION", "NORMAL", "COLOR_0", "TEXCOORD_0"};
    return stream != ROW                               ? names[stream]
           : w->options->features == GLB_MESH_FEATURES ? "_FEATURE_ID_0"
                                                       : "_BATCHID";
}

static void print_attributes(struct writer *w, const int *values)
{
    json_write_key(&w->json, "attributes");
    buf_add_text(&w->json, "{");
    for (int s = 0; s < STREAMS; s++) {
        if (values[s] != NONE) {
            json_write_key(&w->json, stream_name(w, s));
            buf_print(&w->json, "%d", values[s]);
        }
    }
    buf_add_text(&w->json, "}");
}

static void print_primitive(struct writer *w, const struct primitive *primitive)
{
    struct buf *json = &w->json;
    json_write_comma(json);
    buf_add_text(json, "{");
    print_attributes(w, primitive->accessor);
    buf_print(json, ",\"indices\":%d,\"material\":%u", primitive->indices, primitive->material);
    const bool has_ids = w->has_features && w->options->features == GLB_MESH_FEATURES;
    if (primitive->draco_view != NONE || has_ids) {
        buf_add_text(json, ",\"extensions\":{");
        if (primitive->draco_view != NONE) {
            buf_print(json, "\"KHR_draco_mesh_compression\":{\"bufferView\":%d",
                      primitive->draco_view);
            print_attributes(w, primitive->draco_id);
            buf_add_text(json, "}");
        }
        if (has_ids) {
            json_write_key(json, "EXT_mesh_features");
            buf_print(json,
                      "{\"featureIds\":[{\"featureCount\":%u,\"attribute\":0,"
                      "\"propertyTable\":0}]}",
                      primitive->feature_count);
        }
        buf_add_text(json, "}");
    }
    buf_add_text(json, "}");
}

static void print_bounds(struct buf *json, const char *key, const float *bounds)
{
    json_write_key(json, key);
    buf_add_text(json, "[");
    for (int i = 0; i < 3; i++) {
        json_write_comma(json);
        /* As doubles: a client that compares in doubles finds them equal. */
        json_write_double(json, (double)bounds[i]);
    }
    buf_add_text(json, "]");
}

static void print_accessors(struct writer *w)
{
    json_write_key(&w->json, "accessors");
    buf_add_text(&w->json, "[");
    for (int i = 0; i < w->accessor_count; i++) {
        const struct accessor *a = &w->accessors[i];
        json_write_comma(&w->json);
        buf_add_text(&w->json, "{");
        if (a->view != NONE) {
            buf_print(&w->json, "\"bufferView\":%d,", a->view);
        }
        buf_print(&w->json, "\"componentType\":%d,", a->component);
        buf_add_text(&w->json, a->is_normalized ? "\"normalized\":true," : "");
        buf_print(&w->json, "\"count\":%u,\"type\":\"%s\"", a->count, a->type);
        if (a->has_bounds) {
            print_bounds(&w->json, "min", a->min);
            print_bounds(&w->json, "max", a->max);
        }
        buf_add_text(&w->json, "}");
    }
    buf_add_text(&w->json, "]");
}

static void print_views(struct writer *w)
{
    json_write_key(&w->json, "bufferViews");
    buf_add_text(&w->json, "[");
    for (int i = 0; i < w->view_count; i++) {
        const struct view *view = &w->views[i];
        json_write_comma(&w->json);
        buf_print(&w->json, "{\"buffer\":0,\"byteOffset\":%zu,\"byteLength\":%zu", view->offset,
                  view->size);
        if (view->stride != 0) {
            buf_print(&w->json, ",\"byteStride\":%d", view->stride);
        }
        if (view->target != 0) {
            buf_print(&w->json, ",\"target\":%d", view->target);
        }
        buf_add_text(&w->json, "}");
    }
    buf_print(&w->json, "],\"buffers\":[{\"byteLength\":%zu}]", w->bin.size);
}

static void print_extension(struct buf *json, bool is_used, const char *name)
{
    if (is_used) {
        json_write_comma(json);
        buf_print(json, "\"%s\"", name);
    }
}

static bool uses_webp(const struct writer *w)
{
    for (size_t i = 0; i < w->tile->material_count; i++) {
        const int32_t image = w->tile->materials[i].image;
        if (image >= 0 && is_webp(&w->tile->images[image])) {
            return true;
        }
    }
    return false;
}

static void print_extensions(struct writer *w)
{
    const bool has_draco = w->options->compression == GLB_DRACO;
    const bool has_webp = uses_webp(w);
    if (has_draco || has_webp || has_table(w)) {
        buf_add_text(&w->json, ",\"extensionsUsed\":[");
        print_extension(&w->json, has_table(w), "EXT_mesh_features");
        print_extension(&w->json, has_table(w), "EXT_structural_metadata");
        print_extension(&w->json, has_webp, "EXT_texture_webp");
        print_extension(&w->json, has_draco, "KHR_draco_mesh_compression");
        buf_add_text(&w->json, "]");
    }
    if (has_draco || has_webp) {
        buf_add_text(&w->json, ",\"extensionsRequired\":[");
        print_extension(&w->json, has_webp, "EXT_texture_webp");
        print_extension(&w->json, has_draco, "KHR_draco_mesh_compression");
        buf_add_text(&w->json, "]");
    }
}

static void print_json(struct writer *w)
{
    struct buf *json = &w->json;
    buf_add_text(json, "{\"asset\":{");
    if (w->options->generator != NULL) {
        json_write_key(json, "generator");
        json_write_text(json, text_of(w->options->generator));
    }
    json_write_key(json, "version");
    buf_add_text(json, "\"2.0\"}");
    if (w->primitive_count == 0) {
        buf_add_text(json, ",\"scene\":0,\"scenes\":[{}]}");
        return;
    }
    print_extensions(w);
    buf_add_text(json, ",\"scene\":0,\"scenes\":[{\"nodes\":[0]}],\"nodes\":[{\"mesh\":0}]");
    buf_add_text(json, ",\"meshes\":[{\"primitives\":[");
    for (size_t i = 0; i < w->primitive_count; i++) {
        print_primitive(w, &w->primitives[i]);
    }
    buf_add_text(json, "]}]");
    print_materials(w);
    print_accessors(w);
    print_views(w);
    if (has_table(w)) {
        print_table(w);
    }
    buf_add_text(json, "}");
}

/* ---- the file ---- */

enum { GLB_HEADER_BYTES = 12, CHUNK_HEADER_BYTES = 8 };

static bool put_file(struct writer *w, struct buf *out)
{
    /* Spaces, so that the binary chunk's data begin on a multiple of 8. */
    buf_pad(&w->json, 0, 4, ' ');
    if ((GLB_HEADER_BYTES + 2 * CHUNK_HEADER_BYTES + w->json.size) % 8 != 0) {
        buf_add(&w->json, "    ", 4);
    }
    const bool has_bin = w->bin.size > 0;
    if (!buf_finish(&w->json, w->err) || !buf_finish(&w->bin, w->err)) {
        return false;
    }
    const size_t size = GLB_HEADER_BYTES + (size_t)(has_bin ? 2 : 1) * CHUNK_HEADER_BYTES +
                        w->json.size + w->bin.size;
    const size_t tail = (8 - size % 8) % 8; /* without a binary chunk only */
    if (size > UINT32_MAX - 8) {
        return err_set(w->err, ERR_LIMIT, "a tile of %zu bytes, more than glTF can count", size);
    }
    const size_t start = out->size;
    buf_add(out, "glTF\2\0\0\0", 8);
    buf_add_u32le(out, (uint32_t)(size + tail));
    buf_add_u32le(out, (uint32_t)(w->json.size + tail));
    buf_add(out, "JSON", 4);
    buf_add(out, w->json.data, w->json.size);
    buf_add(out, "       ", tail);
    if (has_bin) {
        buf_add_u32le(out, (uint32_t)w->bin.size);
        buf_add(out, "BIN\0", 4);
        buf_add(out, w->bin.data, w->bin.size);
    }
    if (!buf_finish(out, w->err)) {
        out->size = start;
        return false;
    }
    return true;
}

static bool make_room(struct writer *w)
{
    const struct mesh_tile *tile = w->tile;
    const size_t columns = tile->table == NULL ? 0 : tile->table->schema->property_count;
    w->views = arena_array(w->scratch, struct view,
                           (STREAMS + 1) * tile->mesh_count + 2 * columns + tile->image_count);
    w->accessors = arena_array(w->scratch, struct accessor, (STREAMS + 1) * tile->mesh_count);
    w->primitives = arena_array(w->scratch, struct primitive, tile->mesh_count);
    w->columns = arena_array(w->scratch, struct column_views, columns);
    w->image_views = arena_array(w->scratch, int, tile->image_count);
    if (w->views == NULL || w->accessors == NULL || w->primitives == NULL || w->columns == NULL ||
        w->image_views == NULL) {
        return arena_full(w->scratch, w->err);
    }
    return true;
}

static bool add_all(struct writer *w)
{
    if (!make_room(w) || !choose_step(w)) {
        return false;
    }
    for (size_t i = 0; i < w->tile->mesh_count; i++) {
        if (!add_mesh(w, &w->tile->meshes[i])) {
            return false;
        }
    }
    if ((has_table(w) && !add_columns(w)) || !add_images(w)) {
        return false;
    }
    buf_pad(&w->bin, 0, 8, 0);
    return true;
}

bool glb_write(const struct mesh_tile *tile, const struct glb_options *options,
               struct arena *scratch, struct buf *out, struct glb_summary *out_summary,
               struct err *err)
{
    if (options->compression == GLB_MESHOPT) {
        return err_set(err, ERR_UNSUPPORTED, "meshopt compression is not written yet");
    }
    if (tile->table != NULL && tile->table->row_count >= 1U << 24) {
        return err_set(err, ERR_LIMIT, "%u features in a tile, more than 2^24 - 1",
                       tile->table->row_count);
    }
    struct writer w = {.tile = tile, .options = options, .scratch = scratch, .err = err};
    w.has_features = tile->table != NULL && tile->table->row_count > 0;
    w.are_rows_float = w.has_features && tile->table->row_count > 65535;
    w.summary.box_tile_m = box3_empty();
    buf_init(&w.bin, out->limit_bytes);
    buf_init(&w.json, out->limit_bytes);
    /* Tests set it to make growths fail; the inner buffers grow for this one. */
    w.bin.fail_after = out->fail_after;
    w.json.fail_after = out->fail_after;
    const struct arena_mark mark = arena_mark(scratch);
    bool ok = add_all(&w);
    if (ok) {
        print_json(&w);
        ok = put_file(&w, out);
    }
    arena_reset(scratch, mark);
    buf_release(&w.bin);
    buf_release(&w.json);
    if (ok) {
        *out_summary = w.summary;
    }
    return ok;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/glb_internal.h"

#include <assert.h>

#define POSITION_STEP_M (1.0 / 1024)
/* A quarter of a texel of a picture of 4096. */
#define UV_STEP (1.0F / 16384)
enum { NORMAL_BITS = 8 };

/* Squared length of a normal may be off by this: what three floats can say. */
#define UNIT_SLACK 1e-3F

/* ---- buffer ---- */

int glb_add_view(struct glb_writer *w, size_t start, int stride, int target)
{
    w->views[w->view_count] = (struct glb_view){
        .offset = start, .size = w->bin.size - start, .stride = stride, .target = target};
    return w->view_count++;
}

int glb_add_bytes(struct glb_writer *w, size_t align, const void *bytes, size_t size, int stride,
                  int target)
{
    buf_pad(&w->bin, 0, align, 0);
    const size_t start = w->bin.size;
    buf_add(&w->bin, bytes, size);
    return glb_add_view(w, start, stride, target);
}

int glb_add_accessor(struct glb_writer *w, struct glb_accessor accessor)
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

static bool turn_normals(struct glb_writer *w, const struct mesh *mesh, struct glb_turned *out)
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
static bool turn_uvs(struct glb_writer *w, const struct mesh *mesh, struct glb_turned *out)
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

static void turn_positions(struct glb_writer *w, const struct mesh *mesh, struct glb_turned *out)
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

static bool turn(struct glb_writer *w, const struct mesh *mesh, struct glb_turned *out)
{
    const size_t n = mesh->vertex_count;
    *out =
        (struct glb_turned){.vertex_count = mesh->vertex_count, .index_count = mesh->index_count};
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
static bool choose_step(struct glb_writer *w)
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

void glb_add_bounds(const float *position, struct glb_accessor *bounds)
{
    for (int c = 0; c < 3; c++) {
        bounds->min[c] = position[c] < bounds->min[c] ? position[c] : bounds->min[c];
        bounds->max[c] = position[c] > bounds->max[c] ? position[c] : bounds->max[c];
    }
}

/* glTF's y up back to the tile's z up. */
void glb_add_box(struct glb_writer *w, const struct glb_accessor *bounds)
{
    const float *min = bounds->min;
    const float *max = bounds->max;
    box3_add(&w->summary.box_tile_m,
             (struct vec3){(double)min[0], 0 - (double)max[2], (double)min[1]});
    box3_add(&w->summary.box_tile_m,
             (struct vec3){(double)max[0], 0 - (double)min[2], (double)max[1]});
}

struct glb_accessor glb_position_accessor(void)
{
    return (struct glb_accessor){.view = NONE,
                                 .component = GL_FLOAT,
                                 .type = "VEC3",
                                 .has_bounds = true,
                                 .min = {INFINITY, INFINITY, INFINITY},
                                 .max = {-INFINITY, -INFINITY, -INFINITY}};
}

/* ---- meshes ---- */

void glb_add_streams(struct glb_writer *w, const struct mesh *mesh, uint32_t count,
                     struct glb_primitive *into)
{
    const bool are_normals_packed = w->options->compression == GLB_MESHOPT;
    into->accessor[NORMAL] = glb_add_accessor(
        w, (struct glb_accessor){.view = NONE,
                                 .component = are_normals_packed ? GL_BYTE : GL_FLOAT,
                                 .is_normalized = are_normals_packed,
                                 .count = count,
                                 .type = "VEC3"});
    into->accessor[COLOR] = NONE;
    into->accessor[UV] = NONE;
    into->accessor[ROW] = NONE;
    if (mesh->colors != NULL) {
        into->accessor[COLOR] =
            glb_add_accessor(w, (struct glb_accessor){.view = NONE,
                                                      .component = GL_UNSIGNED_SHORT,
                                                      .is_normalized = true,
                                                      .count = count,
                                                      .type = "VEC4"});
    }
    if (mesh->uvs != NULL) {
        into->accessor[UV] = glb_add_accessor(
            w, (struct glb_accessor){
                   .view = NONE, .component = GL_FLOAT, .count = count, .type = "VEC2"});
    }
    if (w->has_features) {
        into->accessor[ROW] = glb_add_accessor(
            w, (struct glb_accessor){.view = NONE,
                                     .component = w->are_rows_float ? GL_FLOAT : GL_UNSIGNED_SHORT,
                                     .count = count,
                                     .type = "SCALAR"});
    }
}

static void set_view(struct glb_writer *w, int accessor, int view)
{
    w->accessors[accessor].view = view;
}

/* Rows as the attribute has them: 16 bits on a stride of four, or floats. */
static bool add_rows(struct glb_writer *w, const struct mesh *mesh, struct glb_primitive *into)
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
             glb_add_view(w, start, w->are_rows_float ? 0 : 4, GL_ARRAY_BUFFER));
    return true;
}

static void add_indices(struct glb_writer *w, const struct mesh *mesh, struct glb_primitive *into)
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
    into->indices = glb_add_accessor(
        w, (struct glb_accessor){.view = glb_add_view(w, start, 0, GL_ELEMENT_ARRAY_BUFFER),
                                 .component = is_short ? GL_UNSIGNED_SHORT : GL_UNSIGNED_INT,
                                 .count = mesh->index_count,
                                 .type = "SCALAR"});
}

static_assert(sizeof(float) == 4, "streams are written as they lie in memory");

static bool add_plain(struct glb_writer *w, const struct mesh *mesh,
                      const struct glb_turned *turned, struct glb_primitive *into)
{
    const size_t n = mesh->vertex_count;
    struct glb_accessor positions = glb_position_accessor();
    for (size_t i = 0; i < n; i++) {
        glb_add_bounds(turned->positions + 3 * i, &positions);
    }
    glb_add_box(w, &positions);
    positions.count = mesh->vertex_count;
    positions.view = glb_add_bytes(w, 4, turned->positions, 12 * n, 0, GL_ARRAY_BUFFER);
    into->accessor[POSITION] = glb_add_accessor(w, positions);
    glb_add_streams(w, mesh, mesh->vertex_count, into);
    set_view(w, into->accessor[NORMAL],
             glb_add_bytes(w, 4, turned->normals, 12 * n, 0, GL_ARRAY_BUFFER));
    if (mesh->colors != NULL) {
        set_view(w, into->accessor[COLOR],
                 glb_add_bytes(w, 4, mesh->colors, 8 * n, 0, GL_ARRAY_BUFFER));
    }
    if (mesh->uvs != NULL) {
        set_view(w, into->accessor[UV],
                 glb_add_bytes(w, 4, turned->uvs, 8 * n, 0, GL_ARRAY_BUFFER));
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

bool glb_is_collapsed(const struct glb_turned *turned, const uint32_t corners[3])
{
    const float *a = turned->positions + (size_t)3 * corners[0];
    const float *b = turned->positions + (size_t)3 * corners[1];
    const float *c = turned->positions + (size_t)3 * corners[2];
    return memcmp(a, b, 12) == 0 || memcmp(b, c, 12) == 0 || memcmp(c, a, 12) == 0;
}

/* Only vertices of triangles that Draco keeps are bounds of the result. */
static void bound_used(const struct mesh *mesh, const struct glb_turned *turned,
                       struct glb_accessor *bounds)
{
    for (uint32_t i = 0; i < mesh->index_count; i += 3) {
        for (uint32_t k = 0; k < 3 && !glb_is_collapsed(turned, mesh->indices + i); k++) {
            glb_add_bounds(turned->positions + (size_t)3 * mesh->indices[i + k], bounds);
        }
    }
}

static bool add_draco(struct glb_writer *w, const struct mesh *mesh,
                      const struct glb_turned *turned, struct glb_primitive *into)
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
        .is_small = w->options->is_small,
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
    into->draco_view = glb_add_view(w, start, 0, 0);
    memcpy(into->draco_id, summary.unique_id, sizeof into->draco_id);
    struct glb_accessor positions = glb_position_accessor();
    bound_used(mesh, turned, &positions);
    glb_add_box(w, &positions);
    positions.count = summary.vertex_count;
    into->accessor[POSITION] = glb_add_accessor(w, positions);
    glb_add_streams(w, mesh, summary.vertex_count, into);
    into->indices = glb_add_accessor(
        w, (struct glb_accessor){.view = NONE,
                                 .component = summary.vertex_count <= 65535 ? GL_UNSIGNED_SHORT
                                                                            : GL_UNSIGNED_INT,
                                 .count = 3 * summary.triangle_count,
                                 .type = "SCALAR"});
    into->feature_count = summary.row_count;
    w->summary.vertex_count += summary.vertex_count;
    w->summary.triangle_count += summary.triangle_count;
    w->primitive_count++;
    return true;
}

static void assert_in_range(const struct glb_writer *w, const struct mesh *mesh)
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

static bool add_mesh(struct glb_writer *w, const struct mesh *mesh)
{
    if (mesh->index_count == 0) {
        return true;
    }
    assert_in_range(w, mesh);
    struct glb_primitive *into = &w->primitives[w->primitive_count];
    *into = (struct glb_primitive){.draco_view = NONE, .material = mesh->material};
    const struct arena_mark mark = arena_mark(w->scratch);
    struct glb_turned turned;
    bool ok = turn(w, mesh, &turned);
    switch (w->options->compression) {
    case GLB_NONE:
        ok = ok && add_plain(w, mesh, &turned, into);
        break;
    case GLB_DRACO:
        ok = ok && add_draco(w, mesh, &turned, into);
        break;
    case GLB_MESHOPT:
        ok = ok && glb_add_meshopt(w, mesh, &turned, into);
        break;
    }
    arena_reset(w->scratch, mark);
    return ok;
}

/* ---- the file ---- */

enum { GLB_HEADER_BYTES = 12, CHUNK_HEADER_BYTES = 8 };

static bool put_file(struct glb_writer *w, struct buf *out)
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

static bool make_room(struct glb_writer *w)
{
    const struct mesh_tile *tile = w->tile;
    const size_t columns = tile->table == NULL ? 0 : tile->table->schema->property_count;
    w->views = arena_array(w->scratch, struct glb_view,
                           (STREAMS + 1) * tile->mesh_count + 2 * columns + tile->image_count);
    w->accessors = arena_array(w->scratch, struct glb_accessor, (STREAMS + 1) * tile->mesh_count);
    w->primitives = arena_array(w->scratch, struct glb_primitive, tile->mesh_count);
    w->columns = arena_array(w->scratch, struct glb_column, columns);
    w->image_views = arena_array(w->scratch, int, tile->image_count);
    if (w->views == NULL || w->accessors == NULL || w->primitives == NULL || w->columns == NULL ||
        w->image_views == NULL) {
        return arena_full(w->scratch, w->err);
    }
    return true;
}

static bool add_all(struct glb_writer *w)
{
    if (!make_room(w) || !choose_step(w)) {
        return false;
    }
    for (size_t i = 0; i < w->tile->mesh_count; i++) {
        if (!add_mesh(w, &w->tile->meshes[i])) {
            return false;
        }
    }
    if ((glb_has_table(w) && !glb_add_columns(w)) || !glb_add_images(w)) {
        return false;
    }
    buf_pad(&w->bin, 0, 8, 0);
    return true;
}

bool glb_write(const struct mesh_tile *tile, const struct glb_options *options,
               struct arena *scratch, struct buf *out, struct glb_summary *out_summary,
               struct err *err)
{
    if (tile->table != NULL && tile->table->row_count >= 1U << 24) {
        return err_set(err, ERR_LIMIT, "%u features in a tile, more than 2^24 - 1",
                       tile->table->row_count);
    }
    struct glb_writer w = {.tile = tile, .options = options, .scratch = scratch, .err = err};
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
        glb_print_json(&w);
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

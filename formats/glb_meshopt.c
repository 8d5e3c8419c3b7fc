/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/glb_internal.h"

/* The vertices that are left, in their new order. */
struct packing {
    struct glb_writer *w;
    const uint32_t *remap;
    uint32_t old_count;
    size_t count;
    uint8_t *plain; /* room for the widest stream */
};

enum { WIDEST_BYTES = 12 };

static int add_packed(struct glb_writer *w, struct meshopt_view form, const void *plain, int target)
{
    buf_pad(&w->bin, 0, 4, 0);
    const size_t start = w->bin.size;
    if (!meshopt_write(&form, plain, &w->bin, w->err)) {
        return NONE;
    }
    const int number =
        glb_add_view(w, start, target == GL_ARRAY_BUFFER ? (int)form.stride : 0, target);
    struct glb_view *view = &w->views[number];
    view->is_packed = true;
    view->plain = form;
    view->unpacked_offset = w->unpacked_bytes;
    w->unpacked_bytes += (form.count * form.stride + 3) / 4 * 4;
    return number;
}

/* One element of `bytes` for each old vertex, put where it is wanted. */
static void *reorder(const struct packing *p, const void *elements, size_t bytes, void *out)
{
    for (uint32_t i = 0; i < p->old_count; i++) {
        if (p->remap[i] != UINT32_MAX) {
            memcpy((uint8_t *)out + p->remap[i] * bytes, (const uint8_t *)elements + i * bytes,
                   bytes);
        }
    }
    return out;
}

static bool add_stream(const struct packing *p, int accessor, enum meshopt_filter filter,
                       size_t stride)
{
    const struct meshopt_view form = {MESHOPT_ATTRIBUTES, filter, p->count, stride};
    p->w->accessors[accessor].view = add_packed(p->w, form, p->plain, GL_ARRAY_BUFFER);
    return p->w->accessors[accessor].view != NONE;
}

static bool add_positions(const struct packing *p, const struct glb_turned *turned,
                          struct glb_primitive *into)
{
    struct glb_writer *w = p->w;
    struct glb_accessor positions = glb_position_accessor();
    float *ordered = arena_array(w->scratch, float, 3 * p->count);
    if (ordered == NULL) {
        return arena_full(w->scratch, w->err);
    }
    reorder(p, turned->positions, 12, ordered);
    for (size_t i = 0; i < p->count; i++) {
        glb_add_bounds(ordered + 3 * i, &positions);
    }
    glb_add_box(w, &positions);
    positions.count = (uint32_t)p->count;
    into->accessor[POSITION] = glb_add_accessor(w, positions);
    meshopt_filter_grid(ordered, 3 * p->count, (float)w->step_m, p->plain);
    return add_stream(p, into->accessor[POSITION], MESHOPT_FILTER_EXPONENTIAL, 12);
}

static bool add_normals(const struct packing *p, const struct glb_turned *turned, int accessor)
{
    struct glb_writer *w = p->w;
    const int asked = w->options->normal_bits;
    float *ordered = arena_array(w->scratch, float, 3 * p->count);
    if (ordered == NULL) {
        return arena_full(w->scratch, w->err);
    }
    reorder(p, turned->normals, 12, ordered);
    return meshopt_filter_normals(ordered, p->count, asked > 0 && asked < 8 ? asked : 8, w->scratch,
                                  p->plain, w->err) &&
           add_stream(p, accessor, MESHOPT_FILTER_OCTAHEDRAL, 4);
}

static bool add_uvs(const struct packing *p, const struct glb_turned *turned, int accessor)
{
    float *ordered = arena_array(p->w->scratch, float, 2 * p->count);
    if (ordered == NULL) {
        return arena_full(p->w->scratch, p->w->err);
    }
    reorder(p, turned->uvs, 8, ordered);
    meshopt_filter_grid(ordered, 2 * p->count, turned->uv_step, p->plain);
    return add_stream(p, accessor, MESHOPT_FILTER_EXPONENTIAL, 8);
}

/* 16 bits on a stride of four, or floats. */
static bool add_rows(const struct packing *p, const struct mesh *mesh, struct glb_primitive *into)
{
    struct glb_writer *w = p->w;
    uint8_t *seen = arena_array(w->scratch, uint8_t, w->tile->table->row_count);
    if (seen == NULL) {
        return arena_full(w->scratch, w->err);
    }
    for (uint32_t i = 0; i < p->old_count; i++) {
        if (p->remap[i] == UINT32_MAX) {
            continue;
        }
        const uint32_t row = mesh->rows[i];
        into->feature_count += seen[row] == 0 ? 1 : 0;
        seen[row] = 1;
        uint32_t bits = row;
        if (w->are_rows_float) {
            const float real = (float)row;
            memcpy(&bits, &real, sizeof bits);
        }
        bytes_store_u32le(p->plain + (size_t)4 * p->remap[i], bits);
    }
    return add_stream(p, into->accessor[ROW], MESHOPT_FILTER_NONE, 4);
}

static bool add_indices(struct packing *p, const uint32_t *indices, size_t index_count,
                        struct glb_primitive *into)
{
    /* 65535 is what restarts a primitive, so it may not be an index. */
    const bool is_short = p->count <= 65535;
    const struct meshopt_view form = {MESHOPT_TRIANGLES, MESHOPT_FILTER_NONE, index_count,
                                      is_short ? 2 : 4};
    into->indices = glb_add_accessor(
        p->w,
        (struct glb_accessor){.view = add_packed(p->w, form, indices, GL_ELEMENT_ARRAY_BUFFER),
                              .component = is_short ? GL_UNSIGNED_SHORT : GL_UNSIGNED_INT,
                              .count = (uint32_t)index_count,
                              .type = "SCALAR"});
    return p->w->accessors[into->indices].view != NONE;
}

/* Faces of one plane and feature share their vertices: those are the same to the
 * byte after quantization. */
static bool weld(struct glb_writer *w, const struct mesh *mesh, const struct glb_turned *turned,
                 uint32_t *indices, size_t index_count)
{
    struct meshopt_stream streams[STREAMS];
    size_t count = 0;
    streams[count++] = (struct meshopt_stream){turned->positions, 12};
    streams[count++] = (struct meshopt_stream){turned->normals, 12};
    if (mesh->colors != NULL) {
        streams[count++] = (struct meshopt_stream){mesh->colors, 8};
    }
    if (mesh->uvs != NULL) {
        streams[count++] = (struct meshopt_stream){turned->uvs, 8};
    }
    if (w->has_features) {
        streams[count++] = (struct meshopt_stream){mesh->rows, 4};
    }
    return meshopt_weld(indices, index_count, mesh->vertex_count, streams, count, w->scratch,
                        w->err);
}

bool glb_add_meshopt(struct glb_writer *w, const struct mesh *mesh, const struct glb_turned *turned,
                     struct glb_primitive *into)
{
    uint32_t *indices = arena_array(w->scratch, uint32_t, mesh->index_count);
    uint32_t *remap = arena_array(w->scratch, uint32_t, mesh->vertex_count);
    uint8_t *plain = arena_array(w->scratch, uint8_t, (size_t)WIDEST_BYTES * mesh->vertex_count);
    if (indices == NULL || remap == NULL || plain == NULL) {
        return arena_full(w->scratch, w->err);
    }
    size_t index_count = 0;
    for (uint32_t i = 0; i < mesh->index_count; i += 3) {
        if (!glb_is_collapsed(turned, mesh->indices + i)) {
            memcpy(indices + index_count, mesh->indices + i, 3 * sizeof indices[0]);
            index_count += 3;
        }
    }
    if (index_count == 0) {
        return true;
    }
    struct packing p = {.w = w, .remap = remap, .old_count = mesh->vertex_count, .plain = plain};
    if (!weld(w, mesh, turned, indices, index_count) ||
        !meshopt_order(indices, index_count, mesh->vertex_count, w->scratch, remap, &p.count,
                       w->err)) {
        return false;
    }
    if (!add_positions(&p, turned, into)) {
        return false;
    }
    glb_add_streams(w, mesh, (uint32_t)p.count, into);
    bool ok = add_normals(&p, turned, into->accessor[NORMAL]);
    if (ok && mesh->colors != NULL) {
        reorder(&p, mesh->colors, 8, plain);
        ok = add_stream(&p, into->accessor[COLOR], MESHOPT_FILTER_NONE, 8);
    }
    ok = ok && (mesh->uvs == NULL || add_uvs(&p, turned, into->accessor[UV])) &&
         (!w->has_features || add_rows(&p, mesh, into)) &&
         add_indices(&p, indices, index_count, into);
    w->summary.vertex_count += (uint32_t)p.count;
    w->summary.triangle_count += (uint32_t)(index_count / 3);
    w->primitive_count++;
    return ok;
}

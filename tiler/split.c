/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/split.h"

#include <assert.h>
#include <stdlib.h>

#include "tiler/candidate.h"
#include "tiler/piece.h"
#include "tiler/record.h"
#include "tiler/rows.h"

/* ---- the tree of parts ---- */

static bool is_before(const struct split_triangle *a, const struct split_triangle *b, int axis)
{
    if (a->middle[axis] != b->middle[axis]) {
        return a->middle[axis] < b->middle[axis];
    }
    return a->triangle < b->triangle;
}

static void swap_triangles(struct split_triangle *a, struct split_triangle *b)
{
    const struct split_triangle kept = *a;
    *a = *b;
    *b = kept;
}

static void sift_down(struct split_triangle *t, uint32_t at, uint32_t count, int axis)
{
    for (uint32_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
        child += child + 1 < count && is_before(&t[child], &t[child + 1], axis);
        if (!is_before(&t[at], &t[child], axis)) {
            return;
        }
        swap_triangles(&t[at], &t[child]);
        at = child;
    }
}

static void sort_by_heap(struct split_triangle *t, uint32_t count, int axis)
{
    for (uint32_t i = count / 2; i-- > 0;) {
        sift_down(t, i, count, axis);
    }
    for (uint32_t end = count; end-- > 1;) {
        swap_triangles(&t[0], &t[end]);
        sift_down(t, 0, end, axis);
    }
}

/* Puts the smaller half first (Hoare's selection; what does not get smaller
 * fast enough is sorted). */
static void part_at(struct split_triangle *t, uint32_t count, uint32_t middle, int axis)
{
    uint32_t low = 0;
    uint32_t high = count;
    for (int round = 0; round < 64 && high - low > 1; round++) {
        const struct split_triangle pivot = t[low + (high - low) / 2];
        uint32_t left = low;
        uint32_t right = high - 1;
        for (;;) {
            while (is_before(&t[left], &pivot, axis)) {
                left++;
            }
            while (is_before(&pivot, &t[right], axis)) {
                right--;
            }
            if (left >= right) {
                break;
            }
            swap_triangles(&t[left++], &t[right--]);
        }
        const uint32_t split = right + 1;
        if (middle < split) {
            high = split;
        } else {
            low = split;
        }
    }
    if (high - low > 1) {
        sort_by_heap(t + low, high - low, axis);
    }
}

static int longest_axis(const struct split_triangle *t, uint32_t count)
{
    float low[3] = {t[0].middle[0], t[0].middle[1], t[0].middle[2]};
    float high[3] = {low[0], low[1], low[2]};
    for (uint32_t i = 1; i < count; i++) {
        for (int k = 0; k < 3; k++) {
            low[k] = t[i].middle[k] < low[k] ? t[i].middle[k] : low[k];
            high[k] = t[i].middle[k] > high[k] ? t[i].middle[k] : high[k];
        }
    }
    int longest = 0;
    for (int k = 1; k < 3; k++) {
        if (high[k] - low[k] > high[longest] - low[longest]) {
            longest = k;
        }
    }
    return longest;
}

static void divide(struct split_triangle *triangles, const struct split_leaf *part,
                   uint32_t triangles_max, struct split_leaf *out, uint32_t *io_count)
{
    const uint32_t count = part->end - part->first;
    if (count <= triangles_max || part->depth == SPLIT_DEPTH_MAX) {
        out[(*io_count)++] = *part;
        return;
    }
    struct split_triangle *own = triangles + part->first;
    const uint32_t half = count / 2;
    part_at(own, count, half, longest_axis(own, count));
    const uint32_t bit = UINT32_C(1) << (31 - part->depth);
    const struct split_leaf left = {part->first, part->first + half, part->path, part->depth + 1};
    const struct split_leaf right = {left.end, part->end, part->path | bit, part->depth + 1};
    divide(triangles, &left, triangles_max, out, io_count);
    divide(triangles, &right, triangles_max, out, io_count);
}

bool split_divide(struct split_triangle *triangles, uint32_t count, uint32_t triangles_max,
                  struct arena *arena, struct split_leaf **out, uint32_t *out_count,
                  struct err *err)
{
    assert(count > 0 && triangles_max > 0);
    /* Halves of what is too large: more than half full, or single. */
    const size_t most = 2 * ((size_t)count / triangles_max) + 2;
    struct split_leaf *leaves = arena_array(arena, struct split_leaf, most);
    if (leaves == NULL) {
        return arena_full(arena, err);
    }
    const struct split_leaf whole = {.end = count};
    *out_count = 0;
    divide(triangles, &whole, triangles_max, leaves, out_count);
    assert(*out_count <= most);
    *out = leaves;
    return true;
}

uint32_t split_common_depth(uint32_t path, uint32_t other_path)
{
    const uint32_t differ = path ^ other_path;
    return differ == 0 ? 32 : (uint32_t)__builtin_clz(differ);
}

/* ---- parts ---- */

struct split {
    const struct piece *piece; /* all of it */
    struct split_triangle *triangles;
    struct split_leaf *leaves;
    uint32_t leaf_count;
    uint32_t *low, *high; /* per point: the first and last leaf that has it */
    uint32_t *numbers;    /* per point: + 1, while a part is made; else 0 */
    uint32_t *face_numbers;
};

static bool divide_piece(struct split *s, uint64_t part_bytes, struct arena *arena, struct err *err)
{
    const struct piece *piece = s->piece;
    s->triangles = arena_array(arena, struct split_triangle, piece->triangle_count);
    if (s->triangles == NULL) {
        return arena_full(arena, err);
    }
    for (uint32_t t = 0; t < piece->triangle_count; t++) {
        const uint32_t *c = piece->corners + 3 * (size_t)t;
        const struct vec3 middle = vec3_scale(
            vec3_add(piece->points[c[0]], vec3_add(piece->points[c[1]], piece->points[c[2]])),
            1.0 / 3);
        s->triangles[t] =
            (struct split_triangle){{(float)middle.x, (float)middle.y, (float)middle.z}, t};
    }
    const double share = (double)part_bytes / (double)piece_bytes(piece, 0);
    const double most = fmin(UINT32_MAX, fmax(1, share * piece->triangle_count));
    return split_divide(s->triangles, piece->triangle_count, (uint32_t)most, arena, &s->leaves,
                        &s->leaf_count, err);
}

/* Which leaves have each point. */
static bool find_borders(struct split *s, struct arena *arena, struct err *err)
{
    const struct piece *piece = s->piece;
    s->low = arena_array(arena, uint32_t, piece->point_count);
    s->high = arena_array(arena, uint32_t, piece->point_count);
    s->numbers = arena_array(arena, uint32_t, piece->point_count);
    s->face_numbers = arena_array(arena, uint32_t, piece->face_count);
    if (s->low == NULL || s->high == NULL || s->numbers == NULL || s->face_numbers == NULL) {
        return arena_full(arena, err);
    }
    memset(s->low, 0xFF, piece->point_count * sizeof s->low[0]);
    for (uint32_t leaf = 0; leaf < s->leaf_count; leaf++) {
        for (uint32_t i = s->leaves[leaf].first; i < s->leaves[leaf].end; i++) {
            const uint32_t *c = piece->corners + 3 * (size_t)s->triangles[i].triangle;
            for (int k = 0; k < 3; k++) {
                s->low[c[k]] = leaf < s->low[c[k]] ? leaf : s->low[c[k]];
                s->high[c[k]] = leaf;
            }
        }
    }
    return true;
}

bool split_open(const struct piece *piece, uint64_t part_bytes, struct arena *arena,
                struct split **out, struct err *err)
{
    assert(piece->triangle_count > 0 && part_bytes > 0);
    struct split *s = arena_array(arena, struct split, 1);
    if (s == NULL) {
        return arena_full(arena, err);
    }
    s->piece = piece;
    if (!divide_piece(s, part_bytes, arena, err) || !find_borders(s, arena, err)) {
        return false;
    }
    *out = s;
    return true;
}

uint32_t split_part_count(const struct split *split)
{
    return split->leaf_count;
}

const struct split_leaf *split_leaf_at(const struct split *split, uint32_t index)
{
    assert(index < split->leaf_count);
    return &split->leaves[index];
}

static int compare_triangles(const void *a, const void *b)
{
    const struct split_triangle *left = a;
    const struct split_triangle *right = b;
    return (left->triangle > right->triangle) - (left->triangle < right->triangle);
}

static uint8_t border_of(const struct split *s, uint32_t point)
{
    if (s->low[point] == s->high[point]) {
        return SPLIT_INSIDE;
    }
    return (uint8_t)split_common_depth(s->leaves[s->low[point]].path,
                                       s->leaves[s->high[point]].path);
}

/* Arrays of a part that is being made. */
struct part_arrays {
    struct vec3 *points;
    uint8_t *borders;
    uint32_t *corners;
    uint32_t *triangle_faces;
    struct piece_face *faces;
    float *uvs;
};

static bool make_arrays(const struct split *s, uint32_t count, struct arena *arena,
                        struct part_arrays *out, struct err *err)
{
    const bool has_uvs = s->piece->uvs != NULL;
    *out = (struct part_arrays){
        .points = arena_array(arena, struct vec3, 3 * (size_t)count),
        .borders = arena_array(arena, uint8_t, 3 * (size_t)count),
        .corners = arena_array(arena, uint32_t, 3 * (size_t)count),
        .triangle_faces = arena_array(arena, uint32_t, count),
        .faces = arena_array(arena, struct piece_face, count),
        .uvs = has_uvs ? arena_array(arena, float, 6 * (size_t)count) : NULL,
    };
    const bool ok = out->points != NULL && out->borders != NULL && out->corners != NULL &&
                    out->triangle_faces != NULL && out->faces != NULL &&
                    (!has_uvs || out->uvs != NULL);
    return ok || arena_full(arena, err);
}

/* What an image costs is shared out by triangles. */
bool split_part(struct split *s, uint32_t index, struct arena *arena, struct piece *out,
                struct err *err)
{
    const struct split_leaf *leaf = split_leaf_at(s, index);
    const struct piece *piece = s->piece;
    const uint32_t count = leaf->end - leaf->first;
    struct part_arrays made;
    if (!make_arrays(s, count, arena, &made, err)) {
        return false;
    }
    struct piece part = *piece;
    part.point_count = 0;
    part.face_count = 0;
    part.triangle_count = count;
    qsort(s->triangles + leaf->first, count, sizeof s->triangles[0], compare_triangles);
    for (uint32_t i = 0; i < count; i++) {
        const size_t t = s->triangles[leaf->first + i].triangle;
        for (size_t k = 0; k < 3; k++) {
            const uint32_t point = piece->corners[3 * t + k];
            if (s->numbers[point] == 0) {
                made.points[part.point_count] = piece->points[point];
                made.borders[part.point_count] = border_of(s, point);
                s->numbers[point] = ++part.point_count;
            }
            made.corners[3 * (size_t)i + k] = s->numbers[point] - 1;
        }
        const uint32_t face = piece->triangle_faces[t];
        if (s->face_numbers[face] == 0) {
            made.faces[part.face_count] = piece->faces[face];
            s->face_numbers[face] = ++part.face_count;
        }
        made.triangle_faces[i] = s->face_numbers[face] - 1;
        if (made.uvs != NULL) {
            memcpy(made.uvs + 6 * (size_t)i, piece->uvs + 6 * t, 6 * sizeof made.uvs[0]);
        }
    }
    for (uint32_t i = 0; i < count; i++) { /* ready for the next part */
        const size_t t = s->triangles[leaf->first + i].triangle;
        s->face_numbers[piece->triangle_faces[t]] = 0;
        for (size_t k = 0; k < 3; k++) {
            s->numbers[piece->corners[3 * t + k]] = 0;
        }
    }
    const double share = (double)count / piece->triangle_count;
    part.points = made.points;
    part.borders = made.borders;
    part.corners = made.corners;
    part.triangle_faces = made.triangle_faces;
    part.faces = made.faces;
    part.uvs = made.uvs;
    part.bytes = piece_estimate_bytes(count, part.face_count);
    part.image_area_m2 *= share;
    part.image_texels *= share;
    *out = part;
    return true;
}

/* ---- the run ---- */

/* A feature that is cut. */
struct cutting {
    struct run *run;
    struct record record;
    struct figure whole;
    struct split *split;
};

static bool write_part(struct cutting *c, uint32_t index, struct arena *scratch, struct err *err)
{
    struct run *run = c->run;
    const struct split_leaf *leaf = split_leaf_at(c->split, index);
    const struct arena_mark mark = arena_mark(scratch);
    struct run_part part = {.path = leaf->path, .depth = leaf->depth};
    struct figure figure = c->whole;
    struct piece piece;
    struct buf bytes;
    buf_init(&bytes, OPTIONS_WORKER_BYTES);
    bool ok = split_part(c->split, index, scratch, &piece, err);
    if (ok) {
        figure.pieces = &piece;
        figure.piece_count = 1;
        figure_write(&figure, 0, &bytes);
        ok = buf_finish(&bytes, err) &&
             spool_append(run->figures, buf_span(&bytes), &part.figure_offset, err);
    }
    buf_release(&bytes);
    arena_reset(scratch, mark);
    buf_add(&run->parts, &part, sizeof part);
    return ok && buf_finish(&run->parts, err);
}

/* The record again, without its geometry: that is in the parts. */
static bool write_record(const struct cutting *c, struct run_entry *entry, struct err *err)
{
    struct record record = c->record;
    struct feature *feature = &record.feature;
    struct buf bytes;
    feature->vertex_count = 0;
    feature->corner_count = 0;
    feature->uvs = NULL;
    feature->ring_count = 0;
    feature->polygon_count = 0;
    feature->shell_count = 0;
    feature->lod_count = 0;
    feature->material_count = 0;
    feature->texture_count = 0;
    buf_init(&bytes, OPTIONS_WORKER_BYTES);
    record_write(&record, &bytes);
    const bool ok = buf_finish(&bytes, err) &&
                    spool_append(c->run->placed, buf_span(&bytes), &entry->brief_offset, err);
    buf_release(&bytes);
    return ok;
}

enum { MESH_TRIANGLES_MIN = 2048 };

static bool is_heavy(const struct run *run, uint64_t bytes)
{
    return bytes > SPLIT_TILES * run->options->tile_bytes;
}

static bool split_entry(struct run *run, struct run_entry *entry, struct arena *tile,
                        struct arena *scratch, struct err *err)
{
    struct span bytes;
    struct cutting c = {.run = run};
    if (!spool_read(run->placed, entry->offset, tile, &bytes, err) ||
        !record_read(bytes, tile, &c.record, err)) {
        return false;
    }
    const struct candidate_means means = {
        .report = &run->report,
        .images = run->images,
        .source_path = run->sources[c.record.source].path,
        .texel_per_error = piece_texel_m(run->options->error_factor),
    };
    if (!candidate_full(&c.record, &means, tile, scratch, &c.whole, err) ||
        !rows_keep_far(&c.record, &run->schema, run->property_of_key, tile, &c.whole, err)) {
        return false;
    }
    const struct piece *piece = &c.whole.pieces[0];
    /* A few faces with large pictures are not cut: both halves of a facade would
     * carry all of it. */
    const bool is_mesh = piece->triangle_count >= MESH_TRIANGLES_MIN;
    if (!is_heavy(run, is_mesh ? piece_bytes(piece, 0) : piece->bytes)) {
        return true;
    }
    if (!split_open(piece, run->options->tile_bytes, scratch, &c.split, err) ||
        !write_record(&c, entry, err)) {
        return false;
    }
    entry->first_part = (uint32_t)run_part_count(run);
    for (uint32_t i = 0; i < split_part_count(c.split); i++) {
        if (!write_part(&c, i, scratch, err)) {
            return false;
        }
    }
    entry->part_count = split_part_count(c.split);
    /* Beside others it weighs what is left of it far away. */
    entry->bytes = (uint32_t)(run->options->tile_bytes / SPLIT_TILES);
    run->counts.split++;
    return true;
}

/* What cannot be cut fails once more where features are built, and is reported
 * there. */
static bool is_fatal(const struct err *err)
{
    return err->code == ERR_NOMEM || err->code == ERR_IO;
}

bool split_run(struct run *run, struct err *err)
{
    struct arena tile;
    struct arena scratch;
    bool ok = true;
    arena_init(&tile, OPTIONS_DENSE_BYTES);
    arena_init(&scratch, OPTIONS_DENSE_BYTES);
    const size_t count = run_entry_count(run);
    for (size_t i = 0; ok && i < count; i++) {
        struct run_entry *entry = &run_entries(run)[i];
        struct err failed;
        if (run->is_stopped != NULL && *run->is_stopped) {
            ok = err_set(err, ERR_IO, "interrupted");
        } else if (is_heavy(run, entry->bytes)) {
            if (!split_entry(run, entry, &tile, &scratch, &failed) && is_fatal(&failed)) {
                *err = failed;
                ok = false;
            }
            arena_release(&tile);
            arena_release(&scratch);
            arena_init(&tile, OPTIONS_DENSE_BYTES);
            arena_init(&scratch, OPTIONS_DENSE_BYTES);
        }
    }
    arena_release(&tile);
    arena_release(&scratch);
    return ok && spool_flush(run->placed, err) && spool_flush(run->figures, err);
}

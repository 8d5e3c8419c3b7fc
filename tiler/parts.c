/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/parts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tiler/nearest.h"

#define NONE UINT32_MAX

/* One side of a triangle, sorted so that those of an edge meet. */
struct side {
    uint32_t low, high; /* points */
    uint32_t corner;    /* 3 x triangle + which */
};

struct dropping {
    const struct shape *full;
    double size_m;
    const uint8_t *is_locked;
    struct arena *scratch;
    struct side *sides;
    size_t side_count;
    uint32_t *piece_of; /* per point: another of its piece, at last the piece's own */
    struct box3 *boxes; /* per point that is a piece: around it */
    uint8_t *is_gone;   /* per point that is a piece */
    uint32_t *patch_of; /* per triangle, as piece_of */
    uint32_t *face_of;  /* per triangle: its face, as its patch is flattened */
    uint32_t count;     /* of what went */
};

/* The last of a chain, which becomes shorter. */
static uint32_t find_root(uint32_t *links, uint32_t at)
{
    while (links[at] != at) {
        links[at] = links[links[at]];
        at = links[at];
    }
    return at;
}

static void join(uint32_t *links, uint32_t a, uint32_t b)
{
    a = find_root(links, a);
    b = find_root(links, b);
    links[a < b ? b : a] = a < b ? a : b; /* the lowest names all */
}

static double box_size_m(struct box3 box)
{
    return vec3_distance(box.min, box.max);
}

static int compare_sides(const void *a, const void *b)
{
    const struct side *left = a;
    const struct side *right = b;
    if (left->low != right->low) {
        return left->low < right->low ? -1 : 1;
    }
    if (left->high != right->high) {
        return left->high < right->high ? -1 : 1;
    }
    return left->corner < right->corner ? -1 : left->corner > right->corner;
}

/* Only what has fittings or small pieces asks for them. */
static bool list_sides(struct dropping *d, struct err *err)
{
    const struct shape *full = d->full;
    if (d->sides != NULL) {
        return true;
    }
    d->side_count = 3 * (size_t)full->triangle_count;
    d->sides = arena_array(d->scratch, struct side, d->side_count);
    if (d->sides == NULL) {
        return arena_full(d->scratch, err);
    }
    for (uint32_t c = 0; c < d->side_count; c++) {
        const uint32_t a = full->corners[c];
        const uint32_t b = full->corners[c % 3 == 2 ? c - 2 : c + 1];
        d->sides[c] = (struct side){a < b ? a : b, a < b ? b : a, c};
    }
    qsort(d->sides, d->side_count, sizeof d->sides[0], compare_sides);
    return true;
}

static size_t end_of_edge(const struct dropping *d, size_t first)
{
    size_t end = first + 1;
    while (end < d->side_count && d->sides[end].low == d->sides[first].low &&
           d->sides[end].high == d->sides[first].high) {
        end++;
    }
    return end;
}

/* ---- patches ---- */

static bool is_fitting(enum feature_surface kind)
{
    return kind == SURFACE_WINDOW || kind == SURFACE_DOOR || kind == SURFACE_INSTALLATION;
}

static const struct shape_face *face_at(const struct dropping *d, uint32_t corner)
{
    return &d->full->faces[d->full->triangle_faces[corner / 3]];
}

/* What a patch shares its border with. */
struct host {
    uint32_t patch; /* + 1; 0 none */
    uint32_t face;  /* of the other side */
    double length_m;
};

/* Neighbouring triangles of fittings are one patch. */
static bool find_patches(struct dropping *d, struct err *err)
{
    const struct shape *full = d->full;
    d->patch_of = arena_array(d->scratch, uint32_t, full->triangle_count);
    d->face_of = arena_array(d->scratch, uint32_t, full->triangle_count);
    if (d->patch_of == NULL || d->face_of == NULL) {
        return arena_full(d->scratch, err);
    }
    for (uint32_t t = 0; t < full->triangle_count; t++) {
        d->patch_of[t] = t;
        d->face_of[t] = full->triangle_faces[t];
    }
    for (size_t i = 0; i < d->side_count;) {
        const size_t end = end_of_edge(d, i);
        for (size_t k = i + 1; k < end; k++) {
            if (is_fitting(face_at(d, d->sides[i].corner)->kind) &&
                is_fitting(face_at(d, d->sides[k].corner)->kind)) {
                join(d->patch_of, d->sides[i].corner / 3, d->sides[k].corner / 3);
            }
        }
        i = end;
    }
    return true;
}

/* The longest single neighbour is host: a wall, mostly. */
static void find_hosts(struct dropping *d, struct host *hosts)
{
    for (size_t i = 0; i < d->side_count;) {
        const size_t end = end_of_edge(d, i);
        const double length_m =
            vec3_distance(d->full->points[d->sides[i].low], d->full->points[d->sides[i].high]);
        for (size_t k = i; end - i == 2 && k < end; k++) {
            const uint32_t own = d->sides[k].corner;
            const uint32_t other = d->sides[i + end - 1 - k].corner;
            if (!is_fitting(face_at(d, own)->kind) || is_fitting(face_at(d, other)->kind)) {
                continue;
            }
            struct host *host = &hosts[find_root(d->patch_of, own / 3)];
            if (length_m > host->length_m) {
                host->face = d->full->triangle_faces[other / 3];
                host->length_m = length_m;
            }
        }
        i = end;
    }
}

static bool flatten_patches(struct dropping *d, struct err *err)
{
    const struct shape *full = d->full;
    bool has_fittings = false;
    d->face_of = full->triangle_faces;
    for (uint32_t f = 0; f < full->face_count; f++) {
        has_fittings = has_fittings || is_fitting(full->faces[f].kind);
    }
    if (!has_fittings) {
        return true;
    }
    if (!list_sides(d, err) || !find_patches(d, err)) {
        return false;
    }
    struct host *hosts = arena_array(d->scratch, struct host, full->triangle_count);
    struct box3 *boxes = arena_array(d->scratch, struct box3, full->triangle_count);
    if (hosts == NULL || boxes == NULL) {
        return arena_full(d->scratch, err);
    }
    find_hosts(d, hosts);
    for (uint32_t t = 0; t < full->triangle_count; t++) {
        boxes[t] = box3_empty();
    }
    for (uint32_t c = 0; c < d->side_count; c++) {
        box3_add(&boxes[find_root(d->patch_of, c / 3)], full->points[full->corners[c]]);
    }
    for (uint32_t t = 0; t < full->triangle_count; t++) {
        const uint32_t patch = find_root(d->patch_of, t);
        const bool is_small = hosts[patch].length_m > 0 && box_size_m(boxes[patch]) <= d->size_m;
        if (is_small && is_fitting(full->faces[full->triangle_faces[t]].kind)) {
            d->face_of[t] = hosts[patch].face;
            d->count += patch == t;
        }
    }
    return true;
}

/* ---- pieces ---- */

static bool find_pieces(struct dropping *d, struct err *err)
{
    const struct shape *full = d->full;
    d->piece_of = arena_array(d->scratch, uint32_t, full->point_count);
    d->boxes = arena_array(d->scratch, struct box3, full->point_count);
    d->is_gone = arena_array(d->scratch, uint8_t, full->point_count);
    if (d->piece_of == NULL || d->boxes == NULL || d->is_gone == NULL) {
        return arena_full(d->scratch, err);
    }
    for (uint32_t p = 0; p < full->point_count; p++) {
        d->piece_of[p] = p;
        d->boxes[p] = box3_empty();
    }
    for (uint32_t t = 0; t < full->triangle_count; t++) {
        const uint32_t *c = full->corners + 3 * (size_t)t;
        join(d->piece_of, c[0], c[1]);
        join(d->piece_of, c[0], c[2]);
    }
    for (uint32_t p = 0; p < full->point_count; p++) {
        box3_add(&d->boxes[find_root(d->piece_of, p)], full->points[p]);
    }
    return true;
}

/* A small piece, to be sorted by where it begins in x. */
struct small {
    uint32_t piece;
    uint32_t cluster; /* a number in the list; at last the cluster's own */
    struct box3 box;  /* of the cluster, where it is its own */
};

static int compare_smalls(const void *a, const void *b)
{
    const struct small *left = a;
    const struct small *right = b;
    if (left->box.min.x != right->box.min.x) {
        return left->box.min.x < right->box.min.x ? -1 : 1;
    }
    return left->piece < right->piece ? -1 : left->piece > right->piece;
}

static bool touches(struct box3 a, struct box3 b)
{
    return a.min.x - b.max.x < PARTS_TOUCH_M && b.min.x - a.max.x < PARTS_TOUCH_M &&
           a.min.y - b.max.y < PARTS_TOUCH_M && b.min.y - a.max.y < PARTS_TOUCH_M &&
           a.min.z - b.max.z < PARTS_TOUCH_M && b.min.z - a.max.z < PARTS_TOUCH_M;
}

static uint32_t find_cluster(struct small *smalls, uint32_t at)
{
    while (smalls[at].cluster != at) {
        smalls[at].cluster = smalls[smalls[at].cluster].cluster;
        at = smalls[at].cluster;
    }
    return at;
}

enum { TRIES_PER_PIECE = 256 };

/* Pieces that touch become one cluster. Where very many lie side by side, those
 * after TRIES_PER_PIECE are taken to touch: so they stay, rather than go. */
static void cluster_smalls(struct small *smalls, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        smalls[i].cluster = i;
    }
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t k = i + 1; k < count; k++) {
            if (smalls[k].box.min.x - smalls[i].box.max.x >= PARTS_TOUCH_M) {
                break;
            }
            const bool is_last_try = k - i == TRIES_PER_PIECE;
            if (is_last_try || touches(smalls[i].box, smalls[k].box)) {
                const uint32_t a = find_cluster(smalls, i);
                const uint32_t b = find_cluster(smalls, k);
                smalls[a < b ? b : a].cluster = a < b ? a : b;
            }
            if (is_last_try) {
                break;
            }
        }
    }
}

/* Open edges of what is not small, as triangles without an area. */
static bool list_open_edges(struct dropping *d, struct nearest **out, struct err *err)
{
    struct nearest_triangle *edges =
        arena_array(d->scratch, struct nearest_triangle, d->side_count);
    if (edges == NULL) {
        return arena_full(d->scratch, err);
    }
    uint32_t count = 0;
    for (size_t i = 0; i < d->side_count;) {
        const size_t end = end_of_edge(d, i);
        const uint32_t piece = find_root(d->piece_of, d->sides[i].low);
        if (end - i == 1 && box_size_m(d->boxes[piece]) > d->size_m) {
            const struct vec3 a = d->full->points[d->sides[i].low];
            const struct vec3 b = d->full->points[d->sides[i].high];
            edges[count++] = (struct nearest_triangle){{a, b, b}};
        }
        i = end;
    }
    *out = NULL;
    return count == 0 || nearest_build(edges, count, d->scratch, out, err);
}

static bool is_near(const struct nearest *edges, struct box3 box)
{
    uint32_t hint = NONE;
    return edges != NULL &&
           nearest_find(edges, box3_center(box), &hint) <= box_size_m(box) / 2 + PARTS_TOUCH_M;
}

static uint32_t list_smalls(struct dropping *d, struct small *out)
{
    uint32_t count = 0;
    for (uint32_t p = 0; p < d->full->point_count; p++) {
        if (d->piece_of[p] == p && box_size_m(d->boxes[p]) <= d->size_m) {
            out[count++] = (struct small){.piece = p, .box = d->boxes[p]};
        }
    }
    qsort(out, count, sizeof out[0], compare_smalls);
    return count;
}

static bool drop_pieces(struct dropping *d, struct err *err)
{
    if (!find_pieces(d, err)) {
        return false;
    }
    struct small *smalls = arena_array(d->scratch, struct small, d->full->point_count);
    if (smalls == NULL) {
        return arena_full(d->scratch, err);
    }
    const uint32_t count = list_smalls(d, smalls);
    struct nearest *edges;
    if (count == 0) {
        return true;
    }
    if (!list_sides(d, err) || !list_open_edges(d, &edges, err)) {
        return false;
    }
    cluster_smalls(smalls, count);
    for (uint32_t i = 0; i < count; i++) {
        box3_join(&smalls[find_cluster(smalls, i)].box, d->boxes[smalls[i].piece]);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct box3 all = smalls[find_cluster(smalls, i)].box;
        d->is_gone[smalls[i].piece] = box_size_m(all) <= d->size_m && !is_near(edges, all);
    }
    for (uint32_t p = 0; d->is_locked != NULL && p < d->full->point_count; p++) {
        if (d->is_locked[p]) {
            d->is_gone[find_root(d->piece_of, p)] = false;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        d->count += d->is_gone[smalls[i].piece];
    }
    return true;
}

/* ---- what is left ---- */

/* A triangle that is left, to be sorted by its face. */
struct left {
    uint32_t face;
    uint32_t normal_of; /* the face whose normal it has */
    uint32_t triangle;
};

static int compare_left(const void *a, const void *b)
{
    const struct left *x = a;
    const struct left *y = b;
    if (x->face != y->face) {
        return x->face < y->face ? -1 : 1;
    }
    if (x->normal_of != y->normal_of) {
        return x->normal_of < y->normal_of ? -1 : 1;
    }
    return x->triangle < y->triangle ? -1 : x->triangle > y->triangle;
}

static bool list_left(struct dropping *d, struct left **out, uint32_t *out_count, struct err *err)
{
    struct left *left = arena_array(d->scratch, struct left, d->full->triangle_count);
    if (left == NULL) {
        return arena_full(d->scratch, err);
    }
    uint32_t count = 0;
    for (uint32_t t = 0; t < d->full->triangle_count; t++) {
        if (!d->is_gone[find_root(d->piece_of, d->full->corners[3 * (size_t)t])]) {
            left[count++] = (struct left){d->face_of[t], d->full->triangle_faces[t], t};
        }
    }
    if (count == 0) {
        return err_set(err, ERR_GEOMETRY, "all parts are smaller than %g m", d->size_m);
    }
    qsort(left, count, sizeof left[0], compare_left);
    *out = left;
    *out_count = count;
    return true;
}

static bool make_room(const struct dropping *d, uint32_t count, struct arena *out_arena,
                      struct shape *out, uint32_t **out_sources, struct err *err)
{
    const bool has_uvs = d->full->uvs != NULL;
    *out = (struct shape){
        .points = arena_array(out_arena, struct vec3, d->full->point_count),
        .corners = arena_array(out_arena, uint32_t, 3 * (size_t)count),
        .triangle_faces = arena_array(out_arena, uint32_t, count),
        .faces = arena_array(out_arena, struct shape_face, count),
        .uvs = has_uvs ? arena_array(out_arena, float, 6 * (size_t)count) : NULL,
        .is_closed = d->full->is_closed,
    };
    *out_sources = arena_array(out_arena, uint32_t, d->full->point_count);
    const bool ok = out->points != NULL && out->corners != NULL && out->triangle_faces != NULL &&
                    out->faces != NULL && (!has_uvs || out->uvs != NULL) && *out_sources != NULL;
    return ok || arena_full(out_arena, err);
}

/* A flattened patch has what the wall has, but looks where it looked; it has no
 * place in the wall's picture. */
static struct shape_face face_for(const struct dropping *d, const struct left *left)
{
    struct shape_face face = d->full->faces[left->face];
    face.normal = d->full->faces[left->normal_of].normal;
    if (left->face != left->normal_of) {
        face.texture = FEATURE_NONE;
    }
    return face;
}

static bool make_shape(struct dropping *d, struct arena *out_arena, struct shape *out,
                       uint32_t **out_sources, struct err *err)
{
    const struct shape *full = d->full;
    struct left *left = NULL;
    uint32_t count = 0;
    uint32_t *numbers = arena_array(d->scratch, uint32_t, full->point_count); /* + 1 */
    if (numbers == NULL) {
        return arena_full(d->scratch, err);
    }
    if (!list_left(d, &left, &count, err) ||
        !make_room(d, count, out_arena, out, out_sources, err)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        const size_t from = 3 * (size_t)left[i].triangle;
        const bool is_new = i == 0 || left[i].face != left[i - 1].face ||
                            left[i].normal_of != left[i - 1].normal_of;
        if (is_new) {
            out->faces[out->face_count++] = face_for(d, &left[i]);
        }
        for (size_t k = 0; k < 3; k++) {
            const uint32_t point = full->corners[from + k];
            if (numbers[point] == 0) {
                out->points[out->point_count] = full->points[point];
                (*out_sources)[out->point_count] = point;
                numbers[point] = ++out->point_count;
            }
            out->corners[3 * (size_t)i + k] = numbers[point] - 1;
        }
        out->triangle_faces[i] = out->face_count - 1;
        if (out->uvs != NULL) {
            memcpy(out->uvs + 6 * (size_t)i, full->uvs + 2 * from, 6 * sizeof out->uvs[0]);
        }
    }
    out->triangle_count = count;
    return true;
}

bool parts_drop(const struct shape *full, double size_m, const uint8_t *is_locked,
                struct arena *out_arena, struct arena *scratch, struct shape *out,
                uint32_t **out_sources, uint32_t *out_count, struct err *err)
{
    assert(size_m > 0 && full->triangle_count > 0);
    const struct arena_mark mark = arena_mark(scratch);
    struct dropping d = {
        .full = full, .size_m = size_m, .is_locked = is_locked, .scratch = scratch};
    struct shape made = *full;
    uint32_t *sources = NULL;
    const bool ok = flatten_patches(&d, err) && drop_pieces(&d, err) &&
                    (d.count == 0 || make_shape(&d, out_arena, &made, &sources, err));
    arena_reset(scratch, mark);
    if (ok) {
        *out = made;
        *out_count = d.count;
        if (out_sources != NULL) {
            *out_sources = sources;
        }
    }
    return ok;
}

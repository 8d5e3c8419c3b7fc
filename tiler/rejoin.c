/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/rejoin.h"

#include <assert.h>
#include <string.h>

#include "tiler/block.h"
#include "tiler/collapse.h"
#include "tiler/deviation.h"

enum { CHAIN_MAX = 16, TRIANGLES_MIN = 24, BLOCK_TRIANGLES_MAX = 4000 };

/* Of the triangles that the budget buys by the children's measure: parents cost
 * somewhat more each, as neighbours differ more. */
static const double BUDGET_SHARE = 0.85;
static const double SECOND_SHARE = 0.6;
/* Each coarser version of a whole feature has this share of the one before. */
static const double COARSER_SHARE = 0.4;

/* With pictures a tile has room for half as many triangles beside them. */
static const double PICTURED_SHARE = 0.5;

/* Proofs: to a third, and not finer than this share of the part. */
static const double DEVIATION_RELATIVE = 0.3;
static const double DEVIATION_PER_DIAMETER = 2e-4;
static const double DEVIATION_TOLERANCE_M = 0.01;

static const struct block_options block_steps[] = {
    {.tolerance_m = 1.5, .step_m = 6},
    {.tolerance_m = 4, .step_m = 0},
};

struct rejoining {
    const struct rejoin_request *request;
    struct arena *tile;
    struct arena *scratch;
    struct shape joined;      /* face.polygon is a number of faces */
    struct piece_face *faces; /* of all parts, one after the other */
    uint8_t *borders;         /* per point of joined */
    uint8_t *is_locked;
    double error_m; /* of the parts */
    double diameter_m;
    struct collapse *collapse;
    bool is_one_sided;
    double image_area_m2, image_texels;
    double bytes_per_triangle;
    struct piece pieces[CHAIN_MAX];
    size_t count;
};

/* ---- putting together ---- */

static uint64_t hash_point(struct vec3 p)
{
    uint64_t bits[3];
    memcpy(bits, &p, sizeof bits);
    uint64_t hash = bits[0] * 0x9E3779B97F4A7C15u;
    hash = (hash ^ hash >> 29 ^ bits[1]) * 0xBF58476D1CE4E5B9u;
    hash = (hash ^ hash >> 32 ^ bits[2]) * 0x94D049BB133111EBu;
    return hash ^ hash >> 31;
}

static bool make_room(struct rejoining *r, struct err *err)
{
    struct shape *joined = &r->joined;
    size_t points = 0;
    size_t triangles = 0;
    size_t faces = 0;
    bool has_uvs = false;
    for (size_t i = 0; i < r->request->part_count; i++) {
        const struct piece *piece = &r->request->parts[i].pieces[0];
        points += piece->point_count;
        triangles += piece->triangle_count;
        faces += piece->face_count;
        has_uvs = has_uvs || piece->uvs != NULL;
    }
    if (triangles > UINT32_MAX / 6) {
        return err_set(err, ERR_LIMIT, "parts of %zu triangles", triangles);
    }
    joined->points = arena_array(r->scratch, struct vec3, points);
    joined->corners = arena_array(r->scratch, uint32_t, 3 * triangles);
    joined->triangle_faces = arena_array(r->scratch, uint32_t, triangles);
    joined->faces = arena_array(r->scratch, struct shape_face, faces);
    joined->uvs = has_uvs ? arena_array(r->scratch, float, 6 * triangles) : NULL;
    r->faces = arena_array(r->scratch, struct piece_face, faces);
    r->borders = arena_array(r->scratch, uint8_t, points);
    r->is_locked = arena_array(r->scratch, uint8_t, points);
    const bool ok = joined->points != NULL && joined->corners != NULL &&
                    joined->triangle_faces != NULL && joined->faces != NULL && r->faces != NULL &&
                    (!has_uvs || joined->uvs != NULL) && r->borders != NULL && r->is_locked != NULL;
    return ok || arena_full(r->scratch, err);
}

/* Points on cuts by their place: equal in all parts that have them. */
struct cuts {
    uint32_t *table; /* point of joined, + 1 */
    size_t room;
};

static bool open_cuts(const struct rejoining *r, struct cuts *out, struct err *err)
{
    size_t count = 0;
    for (size_t i = 0; i < r->request->part_count; i++) {
        const struct piece *piece = &r->request->parts[i].pieces[0];
        for (uint32_t p = 0; piece->borders != NULL && p < piece->point_count; p++) {
            count += piece->borders[p] != UINT8_MAX;
        }
    }
    out->room = 16;
    while (out->room < 2 * count) {
        out->room *= 2;
    }
    out->table = arena_array(r->scratch, uint32_t, out->room);
    return out->table != NULL || arena_full(r->scratch, err);
}

static uint32_t add_point(struct rejoining *r, struct cuts *cuts, struct vec3 at, uint8_t border)
{
    struct shape *joined = &r->joined;
    size_t slot = 0;
    if (border != UINT8_MAX) {
        slot = (size_t)hash_point(at) & (cuts->room - 1);
        for (; cuts->table[slot] != 0; slot = (slot + 1) & (cuts->room - 1)) {
            const struct vec3 other = joined->points[cuts->table[slot] - 1];
            if (other.x == at.x && other.y == at.y && other.z == at.z) {
                return cuts->table[slot] - 1;
            }
        }
    }
    const uint32_t point = joined->point_count++;
    joined->points[point] = at;
    r->is_locked[point] = border < r->request->depth;
    /* A cut that is inside from here on is as good as none. */
    r->borders[point] = r->is_locked[point] ? border : UINT8_MAX;
    if (border != UINT8_MAX) {
        cuts->table[slot] = point + 1;
    }
    return point;
}

static bool same_paint(const struct piece_face *a, const struct piece_face *b)
{
    return a->image == b->image && a->wrap == b->wrap && a->is_unlit == b->is_unlit &&
           (a->image != PIECE_NO_IMAGE || memcmp(&a->paint, &b->paint, sizeof a->paint) == 0);
}

/* Equal paint, equal material: the first face that has it. With a picture the
 * colour does not count: it is a mean of what is not the same anywhere. */
static bool number_materials(struct rejoining *r, struct err *err)
{
    const uint32_t count = r->joined.face_count;
    size_t room = 16;
    while (room < 2 * (size_t)count) {
        room *= 2;
    }
    uint32_t *table = arena_array(r->scratch, uint32_t, room); /* face + 1 */
    if (table == NULL) {
        return arena_full(r->scratch, err);
    }
    for (uint32_t f = 0; f < count; f++) {
        const struct piece_face *face = &r->faces[f];
        uint64_t bits = 0;
        if (face->image == PIECE_NO_IMAGE) {
            memcpy(&bits, &face->paint, sizeof bits);
        }
        bits = (bits ^ (uint32_t)face->image) * 0x9E3779B97F4A7C15u;
        size_t slot = (size_t)(bits ^ bits >> 32) & (room - 1);
        while (table[slot] != 0 && !same_paint(&r->faces[table[slot] - 1], face)) {
            slot = (slot + 1) & (room - 1);
        }
        table[slot] = table[slot] == 0 ? f + 1 : table[slot];
        /* A wall, lest it be taken for a floor and not be measured. */
        r->joined.faces[f] = (struct shape_face){
            .kind = SURFACE_WALL,
            .material = (int32_t)(table[slot] - 1),
            .texture = face->image == PIECE_NO_IMAGE ? FEATURE_NONE : face->image,
            .normal = {(double)face->normal.x, (double)face->normal.y, (double)face->normal.z},
            .polygon = f,
        };
    }
    return true;
}
static_assert(sizeof(struct paint) == sizeof(uint64_t), "a colour is hashed as one number");

static bool add_part(struct rejoining *r, struct cuts *cuts, const struct piece *piece,
                     struct err *err)
{
    struct shape *joined = &r->joined;
    const struct arena_mark mark = arena_mark(r->scratch);
    uint32_t *numbers = arena_array(r->scratch, uint32_t, piece->point_count);
    if (numbers == NULL) {
        return arena_full(r->scratch, err);
    }
    for (uint32_t p = 0; p < piece->point_count; p++) {
        numbers[p] = add_point(r, cuts, piece->points[p],
                               piece->borders == NULL ? UINT8_MAX : piece->borders[p]);
    }
    for (uint32_t t = 0; t < piece->triangle_count; t++) {
        const uint32_t at = joined->triangle_count++;
        for (size_t k = 0; k < 3; k++) {
            joined->corners[3 * (size_t)at + k] = numbers[piece->corners[3 * (size_t)t + k]];
        }
        joined->triangle_faces[at] = joined->face_count + piece->triangle_faces[t];
        if (piece->uvs != NULL) {
            memcpy(joined->uvs + 6 * (size_t)at, piece->uvs + 6 * (size_t)t,
                   6 * sizeof joined->uvs[0]);
        }
    }
    memcpy(r->faces + joined->face_count, piece->faces, piece->face_count * sizeof r->faces[0]);
    joined->face_count += piece->face_count;
    r->error_m = fmax(r->error_m, piece->error_m);
    r->is_one_sided = r->is_one_sided && piece->is_one_sided;
    r->image_area_m2 += piece->image_area_m2;
    r->image_texels += piece->image_texels;
    arena_reset(r->scratch, mark);
    return true;
}

static bool join_parts(struct rejoining *r, struct err *err)
{
    struct cuts cuts;
    r->is_one_sided = true;
    if (!make_room(r, err) || !open_cuts(r, &cuts, err)) {
        return false;
    }
    for (size_t i = 0; i < r->request->part_count; i++) {
        if (!add_part(r, &cuts, &r->request->parts[i].pieces[0], err)) {
            return false;
        }
    }
    r->diameter_m = shape_diameter_m(&r->joined);
    /* What the children's tiles weigh includes their pictures. */
    r->bytes_per_triangle =
        r->joined.uvs == NULL
            ? r->request->bytes_per_triangle
            : (double)piece_estimate_bytes(r->joined.triangle_count, r->joined.face_count) /
                  r->joined.triangle_count;
    return number_materials(r, err);
}

/* ---- versions ---- */

static bool measure(const struct rejoining *r, const struct deviation_surface *reference,
                    uint32_t triangle_count, const struct shape *shape, double *out_error_m,
                    struct err *err)
{
    const double tolerance_m = fmax(DEVIATION_TOLERANCE_M, DEVIATION_PER_DIAMETER * r->diameter_m);
    struct deviation deviation;
    struct spent *spent = r->request->spent;
    const double start_s = spent_clock(spent);
    if (!deviation_from(reference, shape, tolerance_m, DEVIATION_RELATIVE, triangle_count,
                        r->scratch, &deviation, err)) {
        return false;
    }
    if (spent != NULL) {
        spent->proofs_s += spent_clock(spent) - start_s;
    }
    *out_error_m = deviation.upper_m;
    return true;
}

/* The shape in the colours of the faces that it came from. */
static bool make_piece(struct rejoining *r, const struct shape *shape, const uint32_t *sources,
                       double error_m, struct piece *out, struct err *err)
{
    struct piece_face *faces = arena_array(r->tile, struct piece_face, shape->face_count);
    uint8_t *borders =
        r->request->depth == 0 ? NULL : arena_array(r->tile, uint8_t, shape->point_count);
    if (faces == NULL || (r->request->depth != 0 && borders == NULL)) {
        return arena_full(r->tile, err);
    }
    for (uint32_t f = 0; f < shape->face_count; f++) {
        const struct vec3 normal = shape->faces[f].normal;
        faces[f] = r->faces[shape->faces[f].polygon];
        faces[f].normal = (struct vec3f){(float)normal.x, (float)normal.y, (float)normal.z};
        if (shape->uvs == NULL) {
            faces[f].image = PIECE_NO_IMAGE;
        }
    }
    for (uint32_t p = 0; borders != NULL && p < shape->point_count; p++) {
        borders[p] = r->borders[sources[p]];
    }
    *out = (struct piece){
        .error_m = r->error_m + error_m,
        .bytes = (uint32_t)(r->bytes_per_triangle * shape->triangle_count),
        .is_one_sided = r->is_one_sided,
        .point_count = shape->point_count,
        .triangle_count = shape->triangle_count,
        .face_count = shape->face_count,
        .points = shape->points,
        .corners = shape->corners,
        .triangle_faces = shape->triangle_faces,
        .faces = faces,
        .borders = borders,
        .uvs = shape->uvs,
        .image_area_m2 = shape->uvs == NULL ? 0 : r->image_area_m2,
        .image_texels = shape->uvs == NULL ? 0 : r->image_texels,
    };
    return true;
}

static void add_piece(struct rejoining *r, const struct piece *piece)
{
    while (r->count > 1 && r->pieces[r->count - 1].error_m >= piece->error_m) {
        r->count--;
    }
    r->pieces[r->count++] = *piece;
}

static bool open_collapse(struct rejoining *r, bool keeps_uvs, struct err *err)
{
    return collapse_open(&r->joined, r->is_locked, keeps_uvs, r->scratch, &r->collapse, err);
}

/* A version of which nothing is left is one version less, not an error. */
static bool is_gone(const struct err *err)
{
    return err->code == ERR_GEOMETRY;
}

/* The version for the node's tile; where pictures do not let it become small
 * enough, without them. */
static bool add_first(struct rejoining *r, uint32_t goal, struct shape *out, struct err *err)
{
    const struct deviation_surface *reference;
    uint32_t *sources;
    double error_m;
    struct piece piece;
    const bool has_uvs = r->joined.uvs != NULL;
    if (!open_collapse(r, true, err)) {
        return false;
    }
    collapse_run(r->collapse, r->diameter_m, goal);
    if (has_uvs && collapse_triangle_count(r->collapse) > goal + goal / 2) {
        if (!open_collapse(r, false, err)) {
            return false;
        }
        collapse_run(r->collapse, r->diameter_m, (uint32_t)(goal / PICTURED_SHARE));
    }
    if (!collapse_shape(r->collapse, r->tile, r->scratch, out, &sources, err) &&
        !(is_gone(err) && open_collapse(r, true, err) &&
          collapse_shape(r->collapse, r->tile, r->scratch, out, &sources, err))) {
        return false; /* all of it as it is, before there is nothing */
    }
    if (!deviation_open(&r->joined, r->scratch, &reference, err) ||
        !measure(r, reference, r->joined.triangle_count, out, &error_m, err) ||
        !make_piece(r, out, sources, error_m, &piece, err)) {
        return false;
    }
    add_piece(r, &piece);
    return true;
}

/* Coarser ones are measured against the first: its error is added. */
static bool add_coarser(struct rejoining *r, const struct deviation_surface *reference,
                        const struct shape *first, uint32_t goal, bool *out_is_new, struct err *err)
{
    struct shape shape;
    struct piece piece;
    uint32_t *sources;
    double error_m;
    collapse_run(r->collapse, r->diameter_m, goal);
    *out_is_new =
        collapse_triangle_count(r->collapse) < 0.9 * r->pieces[r->count - 1].triangle_count;
    if (!*out_is_new) {
        return true;
    }
    if (!collapse_shape(r->collapse, r->tile, r->scratch, &shape, &sources, err)) {
        *out_is_new = false;
        return is_gone(err);
    }
    if (!measure(r, reference, first->triangle_count, &shape, &error_m, err) ||
        !make_piece(r, &shape, sources, error_m, &piece, err)) {
        return false;
    }
    piece.error_m += r->pieces[0].error_m - r->error_m;
    add_piece(r, &piece);
    return true;
}

/* ---- blocks ---- */

/* The mean colour of what looks up, or of what does not; of all, when there is
 * nothing like it. */
static struct paint mean_paint(const struct piece *piece, bool looks_up)
{
    double sum[3] = {0};
    double area = 0;
    for (uint32_t t = 0; t < piece->triangle_count; t++) {
        const struct piece_face *face = &piece->faces[piece->triangle_faces[t]];
        const uint32_t *c = piece->corners + 3 * (size_t)t;
        const struct vec3 a = piece->points[c[0]];
        const double own = vec3_length(
            vec3_cross(vec3_sub(piece->points[c[1]], a), vec3_sub(piece->points[c[2]], a)));
        /* What looks the other way counts next to nothing. */
        const double weight = (face->normal.z > 0.5f) == looks_up ? own : 1e-6 * own;
        for (int k = 0; k < 3; k++) {
            sum[k] += weight * face->paint.color[k];
        }
        area += weight;
    }
    struct paint paint = {{UINT16_MAX, UINT16_MAX, UINT16_MAX, UINT16_MAX}};
    for (int k = 0; area > 0 && k < 3; k++) {
        paint.color[k] = (uint16_t)(sum[k] / area + 0.5);
    }
    return paint;
}

static bool add_blocks(struct rejoining *r, const struct deviation_surface *reference,
                       const struct shape *first, const struct shape *plain, struct err *err)
{
    const struct piece *finest = &r->pieces[0];
    const struct paint paints[2] = {mean_paint(finest, false), mean_paint(finest, true)};
    for (size_t i = 0; i < sizeof block_steps / sizeof block_steps[0]; i++) {
        struct shape block;
        struct err made;
        struct piece piece;
        double error_m;
        if (!block_make(plain, &block_steps[i], r->tile, r->scratch, &block, &made)) {
            if (made.code == ERR_NOMEM) {
                *err = made;
                return false;
            }
            continue;
        }
        if (block.triangle_count >= r->pieces[r->count - 1].triangle_count ||
            r->count == CHAIN_MAX) {
            continue;
        }
        if (!measure(r, reference, first->triangle_count, &block, &error_m, err)) {
            return false;
        }
        struct piece_face *faces = arena_array(r->tile, struct piece_face, block.face_count);
        if (faces == NULL) {
            return arena_full(r->tile, err);
        }
        for (uint32_t f = 0; f < block.face_count; f++) {
            const struct vec3 n = block.faces[f].normal;
            faces[f] = (struct piece_face){.normal = {(float)n.x, (float)n.y, (float)n.z},
                                           .paint = paints[n.z > 0.5],
                                           .image = PIECE_NO_IMAGE,
                                           .is_unlit = finest->faces[0].is_unlit};
        }
        piece = (struct piece){
            .error_m = finest->error_m + error_m,
            .bytes = piece_estimate_bytes(block.triangle_count, block.face_count),
            .is_one_sided = true,
            .point_count = block.point_count,
            .triangle_count = block.triangle_count,
            .face_count = block.face_count,
            .points = block.points,
            .corners = block.corners,
            .triangle_faces = block.triangle_faces,
            .faces = faces,
        };
        if (piece.error_m < r->diameter_m) {
            add_piece(r, &piece);
        }
    }
    return true;
}

/* ---- the chain ---- */

/* Versions for the tiles above, where the feature is one among others. */
static bool add_far(struct rejoining *r, const struct deviation_surface *reference,
                    const struct shape *first, double goal, struct err *err)
{
    bool is_new = true;
    while (is_new && goal > TRIANGLES_MIN && r->count < CHAIN_MAX - 2) {
        goal *= COARSER_SHARE;
        if (!add_coarser(r, reference, first, (uint32_t)goal, &is_new, err)) {
            return false;
        }
    }
    /* Pictures keep their cuts' ends; without them it can become smaller. */
    struct shape plain;
    if (!open_collapse(r, false, err)) {
        return false;
    }
    collapse_run(r->collapse, r->diameter_m, BLOCK_TRIANGLES_MAX);
    if (!collapse_shape(r->collapse, r->tile, r->scratch, &plain, NULL, err)) {
        return is_gone(err);
    }
    return add_blocks(r, reference, first, &plain, err);
}

static bool make_chain(struct rejoining *r, struct err *err)
{
    const struct rejoin_request *request = r->request;
    const double bought = (double)request->budget_bytes / r->bytes_per_triangle;
    const bool has_pictures = r->joined.uvs != NULL;
    const double goal =
        fmax(TRIANGLES_MIN, BUDGET_SHARE * bought * (has_pictures ? PICTURED_SHARE : 1));
    struct shape first;
    const struct deviation_surface *reference;
    bool is_new;
    if (!add_first(r, (uint32_t)goal, &first, err) ||
        !deviation_open(&first, r->scratch, &reference, err) ||
        !add_coarser(r, reference, &first, (uint32_t)(goal * SECOND_SHARE), &is_new, err)) {
        return false;
    }
    return request->depth != 0 || add_far(r, reference, &first, goal * SECOND_SHARE, err);
}

bool rejoin_parts(const struct rejoin_request *request, struct arena *tile, struct arena *scratch,
                  struct figure *out, struct err *err)
{
    assert(request->part_count > 0 && request->bytes_per_triangle > 0);
    const struct arena_mark mark = arena_mark(scratch);
    struct rejoining r = {.request = request, .tile = tile, .scratch = scratch};
    struct figure figure = request->parts[0];
    struct err made;
    bool ok = join_parts(&r, err);
    if (ok && !make_chain(&r, &made)) {
        ok = made.code == ERR_GEOMETRY;
        r.count = 0;
        if (!ok) {
            *err = made;
        }
    }
    struct piece *pieces = ok ? arena_array(tile, struct piece, r.count) : NULL;
    arena_reset(scratch, mark);
    if (ok && pieces == NULL) {
        ok = arena_full(tile, err);
    }
    if (!ok) {
        return false;
    }
    memcpy(pieces, r.pieces, r.count * sizeof pieces[0]);
    struct piece *last = r.count == 0 ? NULL : &pieces[r.count - 1];
    if (last == NULL) {
        figure.dropped_error_m = r.diameter_m;
    } else if (last->bytes > request->budget_bytes / 2) {
        last->bytes = (uint32_t)(request->budget_bytes / 2);
        last->image_area_m2 = 0;
        last->image_texels = 0;
    }
    figure.pieces = pieces;
    figure.piece_count = r.count;
    *out = figure;
    return true;
}

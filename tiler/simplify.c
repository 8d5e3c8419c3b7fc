/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/simplify.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <meshoptimizer.h>

#include "tiler/straight.h"
#include "tiler/triangulate.h"

/* Neighbours whose normals differ by less lie in one plane; the distance to the
 * first one's plane is checked as well, so that a dome does not become one. */
static const double ONE_PLANE_COSINE = 0.99985; /* 1 degree */

#define NO_REGION UINT32_MAX

enum { ROUNDS_MAX = 8 };

/* One side of a triangle, sorted so that the two triangles of an edge meet. */
struct side {
    uint32_t low, high; /* points */
    uint32_t corner;    /* 3 x triangle + which; it runs from this corner to the next */
};

struct merging {
    const struct shape *full;
    double tolerance_m;
    struct arena *scratch;
    uint32_t *across;       /* per corner: the corner of the other triangle, or UINT32_MAX */
    uint32_t *region;       /* per triangle */
    uint32_t *region_first; /* per region: its first triangle */
    uint32_t *region_count; /* per region: triangles */
    uint32_t *members;      /* triangles, region after region */
    uint32_t *member_start; /* per region, into members */
    uint32_t *leaves;       /* per point: the corner that a border leaves from, + 1; else 0 */
    float *point_uvs;       /* per point, two: those of the region that is filled; or NULL */
    uint32_t regions;
    uint8_t *is_kept; /* per point */
    uint8_t *stays;   /* per region: its triangles are kept as they are */
    bool has_changed; /* a region was found that must stay */
};

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

static uint32_t next_corner(uint32_t corner)
{
    return corner % 3 == 2 ? corner - 2 : corner + 1;
}

/* Joins sides that exactly two triangles share, running opposite ways. */
static bool join_sides(struct merging *m, struct err *err)
{
    const struct shape *full = m->full;
    const size_t count = 3 * (size_t)full->triangle_count;
    struct side *sides = arena_array(m->scratch, struct side, count);
    m->across = arena_array(m->scratch, uint32_t, count);
    if (sides == NULL || m->across == NULL) {
        return arena_full(m->scratch, err);
    }
    for (uint32_t c = 0; c < count; c++) {
        const uint32_t a = full->corners[c];
        const uint32_t b = full->corners[next_corner(c)];
        sides[c] = (struct side){a < b ? a : b, a < b ? b : a, c};
        m->across[c] = UINT32_MAX;
    }
    qsort(sides, count, sizeof sides[0], compare_sides);
    for (size_t i = 0; i < count;) {
        size_t end = i + 1;
        while (end < count && sides[end].low == sides[i].low && sides[end].high == sides[i].high) {
            end++;
        }
        const bool is_pair = end - i == 2;
        if (is_pair && full->corners[sides[i].corner] != full->corners[sides[i + 1].corner]) {
            m->across[sides[i].corner] = sides[i + 1].corner;
            m->across[sides[i + 1].corner] = sides[i].corner;
        }
        i = end;
    }
    return true;
}

static const struct shape_face *face_of(const struct shape *shape, uint32_t triangle)
{
    return &shape->faces[shape->triangle_faces[triangle]];
}

/* How a picture lies on a plane: u and v at a point, their slopes along it, and
 * how much of them is one metre at least. */
struct uv_map {
    struct vec3 at;
    double base[2];
    struct vec3 slope[2]; /* per metre */
    double least_per_m;
    bool is_flat; /* it can be inverted: each place of the picture is on the plane once */
};

/* What a region is grown from. */
struct seed {
    const struct shape_face *face;
    struct vec3 at;
    struct uv_map map; /* where the face has a texture */
};

static struct vec3 corner_point(const struct shape *shape, size_t corner)
{
    return shape->points[shape->corners[corner]];
}

static struct uv_map map_of_triangle(const struct shape *full, uint32_t triangle)
{
    const size_t c = 3 * (size_t)triangle;
    const struct vec3 at = corner_point(full, c);
    const struct vec3 a = vec3_sub(corner_point(full, c + 1), at);
    const struct vec3 b = vec3_sub(corner_point(full, c + 2), at);
    const struct vec3 across = vec3_cross(a, b);
    const double area2 = vec3_dot(across, across);
    struct uv_map map = {.at = at};
    if (!(area2 > 0)) {
        return map;
    }
    const struct vec3 along_a = vec3_scale(vec3_cross(b, across), 1 / area2);
    const struct vec3 along_b = vec3_scale(vec3_cross(across, a), 1 / area2);
    for (int i = 0; i < 2; i++) {
        const float *uv = full->uvs + 2 * c + i;
        map.base[i] = (double)uv[0];
        map.slope[i] = vec3_add(vec3_scale(along_a, (double)uv[2] - (double)uv[0]),
                                vec3_scale(along_b, (double)uv[4] - (double)uv[0]));
    }
    /* The smaller singular value of the two slopes. */
    const double uu = vec3_dot(map.slope[0], map.slope[0]);
    const double vv = vec3_dot(map.slope[1], map.slope[1]);
    const double uv = vec3_dot(map.slope[0], map.slope[1]);
    const double spread = sqrt((uu - vv) * (uu - vv) + 4 * uv * uv);
    map.least_per_m = sqrt(fmax(0, (uu + vv - spread) / 2));
    map.is_flat = map.least_per_m > 1e-6 * sqrt(uu + vv);
    return map;
}

/* At the triangle's corners the picture is within tolerance_m of where the map
 * has it. */
static bool follows_map(const struct shape *full, uint32_t triangle, const struct uv_map *map,
                        double tolerance_m)
{
    for (size_t c = 3 * (size_t)triangle; map->is_flat && c < 3 * (size_t)triangle + 3; c++) {
        const struct vec3 to = vec3_sub(corner_point(full, c), map->at);
        double off = 0;
        for (int i = 0; i < 2; i++) {
            const double expected = map->base[i] + vec3_dot(map->slope[i], to);
            off = hypot(off, (double)full->uvs[2 * c + (size_t)i] - expected);
        }
        if (!(off <= tolerance_m * map->least_per_m)) {
            return false;
        }
    }
    return map->is_flat;
}

static bool may_join(const struct merging *m, const struct seed *seed, uint32_t triangle)
{
    const struct shape *full = m->full;
    const struct shape_face *face = face_of(full, triangle);
    if (face->kind != seed->face->kind || face->material != seed->face->material ||
        face->texture != seed->face->texture ||
        vec3_dot(face->normal, seed->face->normal) < ONE_PLANE_COSINE) {
        return false;
    }
    for (size_t k = 0; k < 3; k++) {
        const struct vec3 point = corner_point(full, 3 * (size_t)triangle + k);
        if (fabs(vec3_dot(vec3_sub(point, seed->at), seed->face->normal)) > m->tolerance_m) {
            return false;
        }
    }
    return face->texture == FEATURE_NONE || follows_map(full, triangle, &seed->map, m->tolerance_m);
}

/* Gives the triangle and all that can join it a region. */
static void grow_region(struct merging *m, uint32_t first, uint32_t *stack)
{
    const struct shape *full = m->full;
    struct seed seed = {.face = face_of(full, first), .at = corner_point(full, 3 * (size_t)first)};
    if (seed.face->texture != FEATURE_NONE) {
        seed.map = map_of_triangle(full, first);
    }
    const uint32_t region = m->regions++;
    size_t depth = 0;
    m->region_first[region] = first;
    m->region[first] = region;
    stack[depth++] = first;
    while (depth > 0) {
        const uint32_t triangle = stack[--depth];
        m->region_count[region]++;
        for (uint32_t k = 0; k < 3; k++) {
            const uint32_t other = m->across[3 * triangle + k];
            if (other == UINT32_MAX || m->region[other / 3] != NO_REGION ||
                !may_join(m, &seed, other / 3)) {
                continue;
            }
            m->region[other / 3] = region;
            stack[depth++] = other / 3;
        }
    }
}

/* Triangles region after region, each in its old order. */
static bool list_members(struct merging *m, struct err *err)
{
    m->members = arena_array(m->scratch, uint32_t, m->full->triangle_count);
    m->member_start = arena_array(m->scratch, uint32_t, (size_t)m->regions + 2);
    m->leaves = arena_array(m->scratch, uint32_t, m->full->point_count);
    if (m->members == NULL || m->member_start == NULL || m->leaves == NULL) {
        return arena_full(m->scratch, err);
    }
    for (uint32_t r = 0; r < m->regions; r++) {
        m->member_start[r + 2] = m->member_start[r + 1] + m->region_count[r];
    }
    for (uint32_t t = 0; t < m->full->triangle_count; t++) {
        m->members[m->member_start[m->region[t] + 1]++] = t;
    }
    return true;
}

static bool grow_regions(struct merging *m, struct err *err)
{
    const uint32_t count = m->full->triangle_count;
    m->region = arena_array(m->scratch, uint32_t, count);
    m->region_first = arena_array(m->scratch, uint32_t, count);
    m->region_count = arena_array(m->scratch, uint32_t, count);
    uint32_t *stack = arena_array(m->scratch, uint32_t, count);
    if (m->region == NULL || m->region_first == NULL || m->region_count == NULL || stack == NULL) {
        return arena_full(m->scratch, err);
    }
    for (uint32_t t = 0; t < count; t++) {
        m->region[t] = NO_REGION;
    }
    for (uint32_t t = 0; t < count; t++) {
        if (m->region[t] == NO_REGION) {
            grow_region(m, t, stack);
        }
    }
    return list_members(m, err);
}

static bool is_border(const struct merging *m, uint32_t corner)
{
    const uint32_t other = m->across[corner];
    return other == UINT32_MAX || m->region[other / 3] != m->region[corner / 3];
}

/* A point may go where all borders through it are one straight line; inside a
 * region always. */
static bool choose_points(struct merging *m, struct err *err)
{
    const struct shape *full = m->full;
    struct straight straight;
    if (!straight_init(&straight, full->points, full->point_count, m->scratch, err)) {
        return false;
    }
    uint8_t *is_straight = arena_array(m->scratch, uint8_t, full->point_count);
    if (is_straight == NULL) {
        return arena_full(m->scratch, err);
    }
    for (uint32_t c = 0; c < 3 * full->triangle_count; c++) {
        if (is_border(m, c)) {
            straight_join(&straight, full->corners[c], full->corners[next_corner(c)]);
        }
        /* Triangles that stay as they are need their corners. */
        if (m->stays[m->region[c / 3]]) {
            straight_keep(&straight, full->corners[c]);
        }
    }
    straight_find(&straight, SHAPE_STRAIGHT_M, is_straight);
    for (uint32_t p = 0; p < full->point_count; p++) {
        m->is_kept[p] = straight_has_line(&straight, p) && !is_straight[p];
    }
    return true;
}

/* What is being made. */
struct output {
    uint32_t *corners; /* into full's points */
    uint32_t *triangle_faces;
    uint32_t triangle_count;
    float *uvs; /* 2 a corner; NULL: nothing has a texture */
    struct shape_face *faces;
    uint32_t face_count;
};

static void keep_region(const struct merging *m, uint32_t region, const struct shape_face *face,
                        struct output *out)
{
    out->faces[out->face_count] = *face;
    for (uint32_t i = 0; i < m->region_count[region]; i++) {
        const uint32_t t = m->members[m->member_start[region] + i];
        memcpy(out->corners + 3 * (size_t)out->triangle_count, m->full->corners + 3 * (size_t)t,
               3 * sizeof out->corners[0]);
        if (out->uvs != NULL) {
            memcpy(out->uvs + 6 * (size_t)out->triangle_count, m->full->uvs + 6 * (size_t)t,
                   6 * sizeof out->uvs[0]);
        }
        out->triangle_faces[out->triangle_count++] = out->face_count;
    }
    out->face_count++;
}

/* The borders of a region as loops of kept points. */
struct loops {
    uint32_t *points; /* of full */
    uint32_t *ends;
    uint32_t count;
};

/* Notes where borders leave from; false when two leave from one point. */
static bool note_leaves(struct merging *m, uint32_t region)
{
    bool is_simple = true;
    for (uint32_t i = 0; i < 3 * m->region_count[region]; i++) {
        const uint32_t corner = 3 * m->members[m->member_start[region] + i / 3] + i % 3;
        if (is_border(m, corner)) {
            uint32_t *leaves = &m->leaves[m->full->corners[corner]];
            is_simple = is_simple && *leaves == 0;
            *leaves = corner + 1;
        }
    }
    return is_simple;
}

/* The loops of a region; none when its border meets itself. */
static bool follow_borders(struct merging *m, uint32_t region, struct loops *out, struct err *err)
{
    const struct shape *full = m->full;
    const uint32_t corner_count = 3 * m->region_count[region];
    const struct loops none = {.points = arena_array(m->scratch, uint32_t, corner_count),
                               .ends = arena_array(m->scratch, uint32_t, corner_count)};
    if (none.points == NULL || none.ends == NULL) {
        return arena_full(m->scratch, err);
    }
    const bool is_simple = note_leaves(m, region);
    *out = none;
    uint32_t point_count = 0;
    for (uint32_t i = 0; i < corner_count; i++) {
        const uint32_t first = 3 * m->members[m->member_start[region] + i / 3] + i % 3;
        const uint32_t start = point_count;
        for (uint32_t at = full->corners[first]; m->leaves[at] != 0;) {
            const uint32_t corner = m->leaves[at] - 1;
            m->leaves[at] = 0; /* ready for the next region */
            if (m->is_kept[at]) {
                out->points[point_count++] = at;
            }
            at = full->corners[next_corner(corner)];
        }
        if (point_count > start) {
            out->ends[out->count++] = point_count;
        }
    }
    if (!is_simple) {
        *out = none;
    }
    return true;
}

/* Puts the one outer loop first; false when there is not exactly one. */
static bool order_loops(struct loops *loops, const struct vec2 *points, struct vec2 *out_points,
                        uint32_t *out_ends, uint32_t *out_sources)
{
    uint32_t outer = UINT32_MAX;
    for (uint32_t i = 0; i < loops->count; i++) {
        const uint32_t start = i == 0 ? 0 : loops->ends[i - 1];
        if (loops->ends[i] - start < 3) {
            return false;
        }
        if (ring_area(points + start, loops->ends[i] - start) > 0) {
            if (outer != UINT32_MAX) {
                return false;
            }
            outer = i;
        }
    }
    if (outer == UINT32_MAX) {
        return false;
    }
    uint32_t at = 0;
    for (uint32_t i = 0; i < loops->count; i++) {
        const uint32_t ring = i == 0 ? outer : i <= outer ? i - 1 : i;
        const uint32_t start = ring == 0 ? 0 : loops->ends[ring - 1];
        for (uint32_t k = start; k < loops->ends[ring]; k++) {
            out_points[at] = points[k];
            out_sources[at++] = loops->points[k];
        }
        out_ends[i] = at;
    }
    return true;
}

/* Where the picture has the region's points. */
static void note_uvs(struct merging *m, uint32_t region)
{
    for (uint32_t i = 0; m->point_uvs != NULL && i < 3 * m->region_count[region]; i++) {
        const size_t corner = 3 * (size_t)m->members[m->member_start[region] + i / 3] + i % 3;
        memcpy(m->point_uvs + 2 * (size_t)m->full->corners[corner], m->full->uvs + 2 * corner,
               2 * sizeof m->point_uvs[0]);
    }
}

/* Triangulates the loops anew; *out_is_done false when the region had better
 * stay as it is. */
static bool fill_region(struct merging *m, uint32_t region, struct loops *loops, struct output *out,
                        bool *out_is_done, struct err *err)
{
    const struct shape_face *face = face_of(m->full, m->region_first[region]);
    const uint32_t count = loops->count == 0 ? 0 : loops->ends[loops->count - 1];
    struct vec2 *flat = arena_array(m->scratch, struct vec2, count);
    struct vec2 *ordered = arena_array(m->scratch, struct vec2, count);
    uint32_t *sources = arena_array(m->scratch, uint32_t, count);
    uint32_t *ends = arena_array(m->scratch, uint32_t, loops->count);
    *out_is_done = false;
    if (flat == NULL || ordered == NULL || sources == NULL || ends == NULL) {
        return arena_full(m->scratch, err);
    }
    struct vec3 u;
    struct vec3 v;
    shape_plane_axes(face->normal, &u, &v);
    for (uint32_t i = 0; i < count; i++) {
        const struct vec3 p = m->full->points[loops->points[i]];
        flat[i] = (struct vec2){vec3_dot(p, u), vec3_dot(p, v)};
    }
    if (!order_loops(loops, flat, ordered, ends, sources)) {
        return true;
    }
    const struct ring_set rings = {ordered, ends, loops->count};
    struct triangulate_result result;
    struct err made;
    if (!triangulate_polygon(&rings, m->scratch, m->scratch, &result, &made)) {
        if (made.code == ERR_NOMEM) {
            *err = made;
            return false;
        }
        return true;
    }
    /* A patch that folds over itself could need more triangles than it had. */
    if (result.method != TRIANGULATE_EARS || result.triangle_count > m->region_count[region]) {
        return true;
    }
    note_uvs(m, region);
    for (uint32_t t = 0; t < result.triangle_count; t++) {
        for (size_t k = 0; k < 3; k++) {
            const size_t corner = 3 * (size_t)out->triangle_count + k;
            out->corners[corner] = sources[result.corners[3 * (size_t)t + k]];
            if (out->uvs != NULL) {
                memcpy(out->uvs + 2 * corner, m->point_uvs + 2 * (size_t)out->corners[corner],
                       2 * sizeof out->uvs[0]);
            }
        }
        out->triangle_faces[out->triangle_count++] = out->face_count;
    }
    out->faces[out->face_count++] = *face;
    *out_is_done = true;
    return true;
}

/* Fills all regions anew. One that had better stay as it is is noted, so that
 * its neighbours keep the corners they share with it. */
static bool make_regions(struct merging *m, struct output *out, struct err *err)
{
    out->triangle_count = 0;
    out->face_count = 0;
    m->has_changed = false;
    for (uint32_t r = 0; r < m->regions; r++) {
        const struct shape_face *face = face_of(m->full, m->region_first[r]);
        if (m->stays[r]) {
            keep_region(m, r, face, out);
            continue;
        }
        const struct arena_mark mark = arena_mark(m->scratch);
        bool is_done = false;
        struct loops loops = {0};
        const bool ok =
            follow_borders(m, r, &loops, err) && fill_region(m, r, &loops, out, &is_done, err);
        arena_reset(m->scratch, mark);
        if (!ok) {
            return false;
        }
        if (!is_done) {
            keep_region(m, r, face, out);
            m->stays[r] = 1;
            m->has_changed = true;
        }
    }
    return true;
}

/* Until no region has to stay that was not known to: each round finds one, and
 * there are few. After the last, a crack of SHAPE_STRAIGHT_M may be left. */
static bool merge_regions(struct merging *m, struct output *out, struct err *err)
{
    const bool has_uvs = m->full->uvs != NULL;
    m->is_kept = arena_array(m->scratch, uint8_t, m->full->point_count);
    m->stays = arena_array(m->scratch, uint8_t, m->regions);
    m->point_uvs =
        has_uvs ? arena_array(m->scratch, float, 2 * (size_t)m->full->point_count) : NULL;
    if (m->is_kept == NULL || m->stays == NULL || (has_uvs && m->point_uvs == NULL)) {
        return arena_full(m->scratch, err);
    }
    for (uint32_t r = 0; r < m->regions; r++) {
        m->stays[r] = m->region_count[r] == 1;
    }
    for (int round = 0; round < ROUNDS_MAX; round++) {
        const struct arena_mark mark = arena_mark(m->scratch);
        const bool ok = choose_points(m, err) && make_regions(m, out, err);
        arena_reset(m->scratch, mark);
        if (!ok || !m->has_changed) {
            return ok;
        }
    }
    return true;
}

/* The output with only the points that it uses. */
static bool compact(const struct shape *full, const struct output *made, struct arena *out_arena,
                    struct arena *scratch, struct shape *out, struct err *err)
{
    uint32_t *numbers = arena_array(scratch, uint32_t, full->point_count); /* + 1 */
    struct vec3 *points = arena_array(out_arena, struct vec3, full->point_count);
    uint32_t *corners = arena_array(out_arena, uint32_t, 3 * (size_t)made->triangle_count);
    uint32_t *faces_of = arena_array(out_arena, uint32_t, made->triangle_count);
    struct shape_face *faces = arena_array(out_arena, struct shape_face, made->face_count);
    float *uvs =
        made->uvs == NULL ? NULL : arena_array(out_arena, float, 6 * (size_t)made->triangle_count);
    if (numbers == NULL) {
        return arena_full(scratch, err);
    }
    if (points == NULL || corners == NULL || faces_of == NULL || faces == NULL ||
        (made->uvs != NULL && uvs == NULL)) {
        return arena_full(out_arena, err);
    }
    uint32_t count = 0;
    for (size_t c = 0; c < 3 * (size_t)made->triangle_count; c++) {
        const uint32_t point = made->corners[c];
        if (numbers[point] == 0) {
            points[count] = full->points[point];
            numbers[point] = ++count;
        }
        corners[c] = numbers[point] - 1;
    }
    memcpy(faces_of, made->triangle_faces, made->triangle_count * sizeof faces_of[0]);
    memcpy(faces, made->faces, made->face_count * sizeof faces[0]);
    if (uvs != NULL) {
        memcpy(uvs, made->uvs, 6 * (size_t)made->triangle_count * sizeof uvs[0]);
    }
    *out = (struct shape){.points = points,
                          .point_count = count,
                          .corners = corners,
                          .triangle_faces = faces_of,
                          .triangle_count = made->triangle_count,
                          .faces = faces,
                          .face_count = made->face_count,
                          .uvs = uvs,
                          .is_closed = full->is_closed};
    return true;
}

static bool open_output(struct arena *scratch, uint32_t triangle_count, bool has_uvs,
                        struct output *out, struct err *err)
{
    *out = (struct output){
        .corners = arena_array(scratch, uint32_t, 3 * (size_t)triangle_count),
        .triangle_faces = arena_array(scratch, uint32_t, triangle_count),
        .faces = arena_array(scratch, struct shape_face, triangle_count),
    };
    if (has_uvs) {
        out->uvs = arena_array(scratch, float, 6 * (size_t)triangle_count);
    }
    const bool ok = out->corners != NULL && out->triangle_faces != NULL && out->faces != NULL &&
                    (!has_uvs || out->uvs != NULL);
    return ok || arena_full(scratch, err);
}

bool simplify_planes(const struct shape *full, double tolerance_m, struct arena *out_arena,
                     struct arena *scratch, struct shape *out, struct err *err)
{
    assert(tolerance_m > 0);
    if (full->triangle_count == 0) {
        return err_set(err, ERR_GEOMETRY, "no triangles");
    }
    const struct arena_mark mark = arena_mark(scratch);
    struct merging m = {.full = full, .tolerance_m = tolerance_m, .scratch = scratch};
    struct output made;
    /* A region without inner points cannot come out with more triangles than
     * it had; one that could is kept as it is. */
    const bool ok = join_sides(&m, err) && grow_regions(&m, err) &&
                    open_output(scratch, full->triangle_count, full->uvs != NULL, &made, err) &&
                    merge_regions(&m, &made, err) &&
                    compact(full, &made, out_arena, scratch, out, err);
    arena_reset(scratch, mark);
    return ok;
}

/* ---- collapse ---- */

/* The face of `full` that a new triangle most likely came from: of those at its
 * corners, the one that looks the same way. */
static uint32_t likely_face(const struct shape *full, const uint32_t *first_of,
                            const uint32_t *corners_of, const uint32_t corners[3],
                            struct vec3 normal)
{
    uint32_t found = 0;
    double best = -2;
    for (int k = 0; k < 3; k++) {
        for (uint32_t i = first_of[corners[k]]; i < first_of[corners[k] + 1]; i++) {
            const uint32_t face = full->triangle_faces[corners_of[i] / 3];
            const double same = vec3_dot(full->faces[face].normal, normal);
            if (same > best) {
                best = same;
                found = face;
            }
        }
    }
    return found;
}

/* The corners at each point, one after the other. */
static bool list_corners(const struct shape *full, struct arena *scratch, uint32_t **out_first,
                         uint32_t **out_corners, struct err *err)
{
    const size_t count = 3 * (size_t)full->triangle_count;
    uint32_t *first = arena_array(scratch, uint32_t, (size_t)full->point_count + 2);
    uint32_t *corners = arena_array(scratch, uint32_t, count);
    if (first == NULL || corners == NULL) {
        return arena_full(scratch, err);
    }
    for (size_t c = 0; c < count; c++) {
        first[full->corners[c] + 2]++;
    }
    for (uint32_t p = 2; p <= full->point_count + 1; p++) {
        first[p] += first[p - 1];
    }
    for (uint32_t c = 0; c < count; c++) {
        corners[first[full->corners[c] + 1]++] = c;
    }
    *out_first = first;
    *out_corners = corners;
    return true;
}

/* Each new triangle is a face of its own. */
static bool face_triangles(const struct shape *full, const unsigned *indices, size_t count,
                           struct arena *scratch, struct output *made, struct err *err)
{
    uint32_t *first = NULL;
    uint32_t *corners_of = NULL;
    if (!list_corners(full, scratch, &first, &corners_of, err)) {
        return false;
    }
    for (size_t i = 0; i + 2 < count; i += 3) {
        const uint32_t corners[3] = {indices[i], indices[i + 1], indices[i + 2]};
        const struct vec3 a = full->points[corners[0]];
        const struct vec3 across = vec3_cross(vec3_sub(full->points[corners[1]], a),
                                              vec3_sub(full->points[corners[2]], a));
        const struct vec3 normal = vec3_unit(across);
        if (vec3_length(normal) == 0) {
            continue;
        }
        const uint32_t face = likely_face(full, first, corners_of, corners, normal);
        const uint32_t t = made->triangle_count++;
        memcpy(made->corners + 3 * (size_t)t, corners, sizeof corners);
        made->triangle_faces[t] = t;
        made->faces[t] = full->faces[face];
        made->faces[t].normal = normal;
        made->faces[t].texture = FEATURE_NONE;
    }
    made->face_count = made->triangle_count;
    return true;
}

static bool collapse(const struct shape *full, double tolerance_m, struct arena *out_arena,
                     struct arena *scratch, struct shape *out, struct err *err)
{
    const size_t count = 3 * (size_t)full->triangle_count;
    float *positions = arena_array(scratch, float, 3 * (size_t)full->point_count);
    unsigned *source = arena_array(scratch, unsigned, count);
    unsigned *target = arena_array(scratch, unsigned, count);
    struct output made;
    if (positions == NULL || source == NULL || target == NULL) {
        return arena_full(scratch, err);
    }
    if (!open_output(scratch, full->triangle_count, false, &made, err)) {
        return false;
    }
    for (size_t i = 0; i < full->point_count; i++) {
        positions[3 * i] = (float)full->points[i].x;
        positions[3 * i + 1] = (float)full->points[i].y;
        positions[3 * i + 2] = (float)full->points[i].z;
    }
    for (size_t i = 0; i < count; i++) {
        source[i] = full->corners[i];
    }
    /* The library's error is relative to the extent of all points. */
    const float scale = meshopt_simplifyScale(positions, full->point_count, 3 * sizeof(float));
    const float relative = scale > 0 ? (float)tolerance_m / scale : 0;
    const size_t kept = meshopt_simplify(target, source, count, positions, full->point_count,
                                         3 * sizeof(float), 0, relative, 0, NULL);
    if (!face_triangles(full, target, kept, scratch, &made, err)) {
        return false;
    }
    if (made.triangle_count == 0) {
        return err_set(err, ERR_GEOMETRY, "nothing is left at %g m", tolerance_m);
    }
    return compact(full, &made, out_arena, scratch, out, err);
}

bool simplify_collapse(const struct shape *full, double tolerance_m, struct arena *out_arena,
                       struct arena *scratch, struct shape *out, struct err *err)
{
    assert(tolerance_m > 0);
    if (full->triangle_count == 0) {
        return err_set(err, ERR_GEOMETRY, "no triangles");
    }
    const struct arena_mark mark = arena_mark(scratch);
    const bool ok = collapse(full, tolerance_m, out_arena, scratch, out, err);
    arena_reset(scratch, mark);
    return ok;
}

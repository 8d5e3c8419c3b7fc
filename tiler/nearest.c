/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/nearest.h"

#include <assert.h>
#include <string.h>

enum { TRIED_ONE_BY_ONE = 12, LEAF_FACES = 4, STACK_MAX = 64 };

/* How far a triangle may leave the plane of a face, or a corner of it the convex
 * shape: corners in files are rounded to millimetres. */
static const double JOIN_SLACK_M = 2e-3;

/* A point this far beyond an edge is over the face: far below what is measured. */
static const double EDGE_M = 1e-6;

/* How many of the faces before it a triangle is offered to. */
enum { JOIN_WINDOW = 12 };

/* A part of the tree: a node, or a range of at most LEAF_FACES faces. */
struct branch {
    struct box3 box;
    uint32_t first; /* of a range: face; else: node */
    uint32_t count; /* of a range; 0 for a node */
};

/* Both parts side by side: which is nearer is asked of both at once. */
struct box_node {
    struct branch parts[2];
};

/* The sine between two sides below which rounding would turn the plane by more
 * than a millionth: such a triangle counts as its sides. */
static const double SLIVER = 1e-9;

/* Convex and flat: points with dot(normal, point) = at. */
struct face {
    struct box3 box;
    struct vec3 normal; /* unit, or zero without area */
    double at;
    uint32_t first; /* of its corners */
    uint32_t count;
    bool has_area;
};

struct nearest {
    struct face *faces;
    uint32_t face_count;
    struct vec3 *corners;
    uint32_t corner_count;
    uint32_t *face_of;      /* per corner */
    struct box_node *nodes; /* NULL: tried one by one */
    uint32_t node_count;
    uint32_t *table; /* corner + 1 by its position; the first of those at one place */
    uint32_t table_room;
    double slack_m;
};

/* fmin and fmax are calls, for the sake of NaN; there is none here. */
static inline double smaller(double a, double b)
{
    return a < b ? a : b;
}

static inline double larger(double a, double b)
{
    return a > b ? a : b;
}

static double clamp01(double value)
{
    return value < 0 ? 0 : value > 1 ? 1 : value;
}

static double square_to_segment(struct vec3 to, struct vec3 along, double length2)
{
    const double t = length2 > 0 ? clamp01(vec3_dot(to, along) / length2) : 0;
    const struct vec3 away = vec3_sub(to, vec3_scale(along, t));
    return vec3_dot(away, away);
}

/*
 * Over the face the plane is nearest; else the nearest of the edges that the
 * point is beyond. By less than EDGE_M counts as over it: where several edges
 * lie in one line, rounding could put a point beyond a far one alone.
 */
static double square_to_face(const struct nearest *nearest, struct vec3 p, const struct face *face,
                             double to_plane2)
{
    const struct vec3 *c = nearest->corners + face->first;
    double best2 = INFINITY;
    bool is_over = face->has_area;
    struct vec3 a = c[face->count - 1];
    for (uint32_t i = 0; i < face->count; i++) {
        const struct vec3 along = vec3_sub(c[i], a);
        const struct vec3 to = vec3_sub(p, a);
        const double length2 = vec3_dot(along, along);
        const double side = vec3_dot(vec3_cross(along, to), face->normal);
        const bool is_near = side * side <= EDGE_M * EDGE_M * length2;
        if (side < 0 || is_near || !face->has_area) {
            best2 = smaller(best2, square_to_segment(to, along, length2));
            is_over = is_over && (side >= 0 || is_near);
        }
        a = c[i];
    }
    return is_over ? to_plane2 : best2;
}

static double square_to_box(struct vec3 p, const struct box3 *box)
{
    const double x = larger(0, larger(box->min.x - p.x, p.x - box->max.x));
    const double y = larger(0, larger(box->min.y - p.y, p.y - box->max.y));
    const double z = larger(0, larger(box->min.z - p.z, p.z - box->max.z));
    return x * x + y * y + z * z;
}

/* The square of the distance, or anything that is not less than `limit2`. Most
 * faces are too far by their plane or their box alone. */
static double square_below(const struct nearest *nearest, struct vec3 p, uint32_t index,
                           double limit2)
{
    const struct face *face = &nearest->faces[index];
    const double to_plane = vec3_dot(p, face->normal) - face->at;
    if (to_plane * to_plane >= limit2) {
        return to_plane * to_plane;
    }
    const double to_box2 = square_to_box(p, &face->box);
    if (to_box2 >= limit2) {
        return to_box2;
    }
    return square_to_face(nearest, p, face, to_plane * to_plane);
}

double nearest_distance(const struct nearest *nearest, struct vec3 point, uint32_t face)
{
    assert(face < nearest->face_count);
    return sqrt(square_below(nearest, point, face, INFINITY));
}

const struct vec3 *nearest_corners(const struct nearest *nearest, uint32_t face,
                                   uint32_t *out_count)
{
    assert(face < nearest->face_count);
    *out_count = nearest->faces[face].count;
    return nearest->corners + nearest->faces[face].first;
}

double nearest_slack_m(const struct nearest *nearest)
{
    return nearest->slack_m + EDGE_M;
}

struct vec3 nearest_normal(const struct nearest *nearest, uint32_t face)
{
    assert(face < nearest->face_count);
    return nearest->faces[face].normal;
}

/* ---- triangles to convex faces ---- */

/* A face while it grows. */
struct growing {
    struct vec3 corners[NEAREST_CORNERS_MAX];
    struct vec3 normal; /* zero: not to be joined */
    uint32_t count;
    bool has_area;
    double slack_m; /* of all its corners together */
};

static bool same_point(struct vec3 a, struct vec3 b)
{
    return a.x == b.x && a.y == b.y && a.z == b.z;
}

/* How far a -> b -> c turns right, as a distance; 0 when it turns left. */
static double dent_at(struct vec3 a, struct vec3 b, struct vec3 c, struct vec3 normal)
{
    const struct vec3 along = vec3_sub(b, a);
    const double turn = vec3_dot(vec3_cross(along, vec3_sub(c, b)), normal);
    return turn >= 0 ? 0 : -turn / smaller(vec3_length(along), vec3_distance(b, c));
}

/* Puts the tip of a triangle between corner `i` and the next. */
static bool join_at(struct growing *face, uint32_t i, struct vec3 tip)
{
    const uint32_t count = face->count;
    const uint32_t next = i + 1 == count ? 0 : i + 1;
    const struct vec3 a = face->corners[i];
    const struct vec3 b = face->corners[next];
    const struct vec3 before = face->corners[i == 0 ? count - 1 : i - 1];
    const struct vec3 after = face->corners[next + 1 == count ? 0 : next + 1];
    const double turn = vec3_dot(vec3_cross(vec3_sub(b, a), vec3_sub(tip, a)), face->normal);
    const double off_m = fabs(vec3_dot(vec3_sub(tip, face->corners[0]), face->normal));
    const double slack_m =
        off_m + dent_at(before, a, tip, face->normal) + dent_at(tip, b, after, face->normal);
    if (turn >= 0 || !(face->slack_m + slack_m <= JOIN_SLACK_M)) {
        return false;
    }
    face->slack_m += slack_m;
    for (uint32_t m = count; m > i + 1; m--) {
        face->corners[m] = face->corners[m - 1];
    }
    face->corners[i + 1] = tip;
    face->count++;
    return true;
}

/* Adds the triangle to a face that it shares an edge with. */
static bool join(struct growing *face, const struct nearest_triangle *t)
{
    if (face->count == NEAREST_CORNERS_MAX || vec3_dot(face->normal, face->normal) == 0) {
        return false;
    }
    for (uint32_t i = 0; i < face->count; i++) {
        const struct vec3 a = face->corners[i];
        const struct vec3 b = face->corners[i + 1 == face->count ? 0 : i + 1];
        for (int k = 0; k < 3; k++) {
            if (same_point(t->corners[k], b) && same_point(t->corners[(k + 1) % 3], a)) {
                return join_at(face, i, t->corners[(k + 2) % 3]);
            }
        }
    }
    return false;
}

/* Thin triangles have no direction that others could be measured by. */
static struct growing begin_face(const struct nearest_triangle *t)
{
    struct growing face = {.corners = {t->corners[0], t->corners[1], t->corners[2]}, .count = 3};
    const struct vec3 one = vec3_sub(t->corners[1], t->corners[0]);
    const struct vec3 two = vec3_sub(t->corners[2], t->corners[0]);
    const struct vec3 across = vec3_cross(one, two);
    const double longest = larger(larger(vec3_length(one), vec3_length(two)),
                                  vec3_distance(t->corners[1], t->corners[2]));
    face.has_area = vec3_length(across) > SLIVER * vec3_length(one) * vec3_length(two);
    /* Its height, doubled: a corner that is off by the slack turns the plane
     * by no more than that over this. */
    if (vec3_length(across) > 0.1 * longest) {
        face.normal = vec3_unit(across);
    }
    return face;
}

static void close_face(struct nearest *nearest, const struct growing *from)
{
    struct face *face = &nearest->faces[nearest->face_count++];
    *face = (struct face){.first = nearest->corner_count,
                          .count = from->count,
                          .has_area = from->has_area,
                          .box = box3_empty()};
    nearest->slack_m = larger(nearest->slack_m, from->slack_m);
    for (uint32_t i = 0; i < from->count; i++) {
        nearest->corners[nearest->corner_count++] = from->corners[i];
        box3_add(&face->box, from->corners[i]);
    }
    if (from->has_area) {
        const struct vec3 *c = from->corners;
        face->normal = vec3_dot(from->normal, from->normal) > 0
                           ? from->normal
                           : vec3_unit(vec3_cross(vec3_sub(c[1], c[0]), vec3_sub(c[2], c[0])));
        face->at = vec3_dot(face->normal, c[0]);
    }
}

/* Each triangle joins one of the last faces, or begins one; the oldest face is
 * closed for it. */
static void make_faces(struct nearest *nearest, const struct nearest_triangle *triangles,
                       uint32_t count)
{
    struct growing open[JOIN_WINDOW];
    uint32_t first = 0;
    uint32_t end = 0;
    for (uint32_t t = 0; t < count; t++) {
        bool is_joined = false;
        for (uint32_t i = end; i-- > first && !is_joined;) {
            is_joined = join(&open[i % JOIN_WINDOW], &triangles[t]);
        }
        if (is_joined) {
            continue;
        }
        if (end - first == JOIN_WINDOW) {
            close_face(nearest, &open[first++ % JOIN_WINDOW]);
        }
        open[end++ % JOIN_WINDOW] = begin_face(&triangles[t]);
    }
    while (first < end) {
        close_face(nearest, &open[first++ % JOIN_WINDOW]);
    }
}

/* ---- the tree ---- */

static double middle_of(const struct face *face, int axis)
{
    const struct vec3 middle = box3_center(face->box);
    return axis == 0 ? middle.x : axis == 1 ? middle.y : middle.z;
}

static struct box3 box_of(const struct face *faces, uint32_t count)
{
    struct box3 box = box3_empty();
    for (uint32_t i = 0; i < count; i++) {
        box3_join(&box, faces[i].box);
    }
    return box;
}

static int longest_side(struct box3 box)
{
    const struct vec3 size = vec3_sub(box.max, box.min);
    if (size.x >= size.y && size.x >= size.z) {
        return 0;
    }
    return size.y >= size.z ? 1 : 2;
}

/* Puts the face that belongs at `at` there, smaller ones before it. */
static void select_middle(struct face *faces, uint32_t count, uint32_t at, int axis)
{
    uint32_t low = 0;
    uint32_t high = count - 1;
    while (low < high) {
        const double pivot = middle_of(&faces[low + (high - low) / 2], axis);
        uint32_t i = low;
        uint32_t j = high;
        for (;;) {
            while (middle_of(&faces[i], axis) < pivot) {
                i++;
            }
            while (middle_of(&faces[j], axis) > pivot) {
                j--;
            }
            if (i >= j) {
                break;
            }
            const struct face swap = faces[i];
            faces[i++] = faces[j];
            faces[j--] = swap;
        }
        if (at <= j) {
            high = j;
        } else {
            low = j + 1;
        }
    }
}

/* The branch for a range of faces, and all nodes below it. */
static struct branch make_branch(struct nearest *nearest, uint32_t first, uint32_t count)
{
    struct face *faces = nearest->faces + first;
    struct branch made = {.box = box_of(faces, count), .first = first, .count = count};
    if (count <= LEAF_FACES) {
        return made;
    }
    const uint32_t half = count / 2;
    select_middle(faces, count, half, longest_side(made.box));
    made.first = nearest->node_count++;
    made.count = 0;
    /* Depth is log2 of the count: halves are equal. */
    nearest->nodes[made.first].parts[0] = make_branch(nearest, first, half);
    nearest->nodes[made.first].parts[1] = make_branch(nearest, first + half, count - half);
    return made;
}

/* ---- corners by their position ---- */

static uint32_t slot_of(const struct nearest *nearest, struct vec3 p)
{
    /* -0 is 0. */
    const double places[3] = {p.x + 0.0, p.y + 0.0, p.z + 0.0};
    uint64_t bits[3];
    memcpy(bits, places, sizeof bits);
    uint64_t hash = bits[0] * 0x9E3779B97F4A7C15u;
    hash = (hash ^ hash >> 32 ^ bits[1]) * 0xBF58476D1CE4E5B9u;
    hash = (hash ^ hash >> 32 ^ bits[2]) * 0x94D049BB133111EBu;
    return (uint32_t)(hash >> 32) & (nearest->table_room - 1);
}

/* Where a corner stands in the table, or would. */
static uint32_t *find_slot(const struct nearest *nearest, struct vec3 point)
{
    uint32_t slot = slot_of(nearest, point);
    while (nearest->table[slot] != 0 &&
           !same_point(nearest->corners[nearest->table[slot] - 1], point)) {
        slot = (slot + 1) & (nearest->table_room - 1);
    }
    return &nearest->table[slot];
}

static bool fill_table(struct nearest *nearest, struct arena *arena, struct err *err)
{
    uint64_t room = 16;
    while (room < 2 * (uint64_t)nearest->corner_count) {
        room *= 2;
    }
    nearest->table = arena_array(arena, uint32_t, room);
    nearest->face_of = arena_array(arena, uint32_t, nearest->corner_count);
    if (nearest->table == NULL || nearest->face_of == NULL) {
        return arena_full(arena, err);
    }
    nearest->table_room = (uint32_t)room;
    for (uint32_t f = 0; f < nearest->face_count; f++) {
        const struct face *face = &nearest->faces[f];
        for (uint32_t i = 0; i < face->count; i++) {
            uint32_t *slot = find_slot(nearest, nearest->corners[face->first + i]);
            *slot = *slot == 0 ? face->first + i + 1 : *slot;
            nearest->face_of[face->first + i] = f;
        }
    }
    return true;
}

bool nearest_build(const struct nearest_triangle *triangles, uint32_t count, struct arena *arena,
                   struct nearest **out, struct err *err)
{
    assert(count >= 1);
    struct nearest *nearest = arena_array(arena, struct nearest, 1);
    if (nearest == NULL) {
        return arena_full(arena, err);
    }
    nearest->faces = arena_array(arena, struct face, count);
    nearest->corners = arena_array(arena, struct vec3, 3 * (size_t)count);
    if (nearest->faces == NULL || nearest->corners == NULL) {
        return arena_full(arena, err);
    }
    make_faces(nearest, triangles, count);
    if (nearest->face_count > TRIED_ONE_BY_ONE) {
        nearest->nodes = arena_array(arena, struct box_node, nearest->face_count);
        if (nearest->nodes == NULL) {
            return arena_full(arena, err);
        }
        make_branch(nearest, 0, nearest->face_count);
    }
    if (!fill_table(nearest, arena, err)) {
        return false;
    }
    *out = nearest;
    return true;
}

static void try_range(const struct nearest *nearest, struct vec3 point, uint32_t first,
                      uint32_t count, double *best2, uint32_t *best)
{
    for (uint32_t i = first; i < first + count; i++) {
        const double found = square_below(nearest, point, i, *best2);
        if (found < *best2) {
            *best2 = found;
            *best = i;
        }
    }
}

struct waiting {
    double square;
    const struct branch *branch;
};

static void descend(const struct nearest *nearest, struct vec3 point, double *best2, uint32_t *best)
{
    struct waiting stack[STACK_MAX];
    int depth = 0;
    const struct box_node *node = &nearest->nodes[0];
    for (;;) {
        const double one = square_to_box(point, &node->parts[0].box);
        const double two = square_to_box(point, &node->parts[1].box);
        const int nearer = one <= two ? 0 : 1;
        assert(depth + 2 <= STACK_MAX);
        stack[depth++] = (struct waiting){nearer == 0 ? two : one, &node->parts[1 - nearer]};
        stack[depth++] = (struct waiting){nearer == 0 ? one : two, &node->parts[nearer]};
        for (node = NULL; node == NULL;) {
            if (depth == 0) {
                return;
            }
            const struct waiting next = stack[--depth];
            if (next.square >= *best2) {
                continue;
            }
            if (next.branch->count == 0) {
                node = &nearest->nodes[next.branch->first];
            } else {
                try_range(nearest, point, next.branch->first, next.branch->count, best2, best);
            }
        }
    }
}

double nearest_find(const struct nearest *nearest, struct vec3 point, uint32_t *io_face)
{
    double best2 = INFINITY;
    uint32_t best = 0;
    if (*io_face != UINT32_MAX) {
        assert(*io_face < nearest->face_count);
        best = *io_face;
        best2 = square_below(nearest, point, best, INFINITY);
    }
    if (nearest->nodes == NULL) {
        try_range(nearest, point, 0, nearest->face_count, &best2, &best);
    } else {
        descend(nearest, point, &best2, &best);
    }
    *io_face = best;
    return sqrt(best2);
}

bool nearest_has_corner(const struct nearest *nearest, struct vec3 point, uint32_t *out_face)
{
    const uint32_t corner = *find_slot(nearest, point);
    if (corner == 0) {
        return false;
    }
    *out_face = nearest->face_of[corner - 1];
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/nearest.h"

#include <assert.h>

enum { TRIED_ONE_BY_ONE = 12, LEAF_TRIANGLES = 4, STACK_MAX = 64 };

struct box_node {
    struct box3 box;
    uint32_t first; /* of a leaf: triangle; else: the left child, the right one follows it */
    uint32_t count; /* of a leaf; 0 for others */
};

/* The sine between two sides below which rounding would turn the plane by more
 * than a millionth: such a triangle counts as its sides. */
static const double SLIVER = 1e-9;

/* Points with dot(normal, point) = at. */
struct plane {
    struct vec3 normal; /* unit, or zero without area */
    double at;
    bool has_area;
};

struct nearest {
    struct nearest_triangle *triangles;
    struct plane *planes; /* one per triangle */
    struct box3 *boxes;   /* one per triangle */
    uint32_t triangle_count;
    struct box_node *nodes; /* NULL: tried one by one */
    uint32_t node_count;
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

static double square_between(struct vec3 a, struct vec3 b)
{
    const struct vec3 away = vec3_sub(a, b);
    return vec3_dot(away, away);
}

static double square_to_segment(struct vec3 p, struct vec3 a, struct vec3 b)
{
    const struct vec3 along = vec3_sub(b, a);
    const double length2 = vec3_dot(along, along);
    const double t = length2 > 0 ? clamp01(vec3_dot(vec3_sub(p, a), along) / length2) : 0;
    return square_between(p, vec3_add(a, vec3_scale(along, t)));
}

/*
 * By the region of the plane that the point lies over: a corner's, a side's, or
 * the inside, whose distance is that to the plane. A triangle without area is
 * its sides.
 */
static double square_to_triangle(struct vec3 p, const struct nearest_triangle *t, double to_plane2,
                                 bool has_plane)
{
    const struct vec3 a = t->corners[0];
    const struct vec3 b = t->corners[1];
    const struct vec3 c = t->corners[2];
    if (!has_plane) {
        return smaller(square_to_segment(p, a, b),
                       smaller(square_to_segment(p, b, c), square_to_segment(p, c, a)));
    }
    const struct vec3 ab = vec3_sub(b, a);
    const struct vec3 ac = vec3_sub(c, a);
    const struct vec3 ap = vec3_sub(p, a);
    const double ap_ab = vec3_dot(ap, ab);
    const double ap_ac = vec3_dot(ap, ac);
    if (ap_ab <= 0 && ap_ac <= 0) {
        return vec3_dot(ap, ap);
    }
    const struct vec3 bp = vec3_sub(p, b);
    const double bp_ab = vec3_dot(bp, ab);
    const double bp_ac = vec3_dot(bp, ac);
    if (bp_ab >= 0 && bp_ac <= bp_ab) {
        return vec3_dot(bp, bp);
    }
    const double over_c = ap_ab * bp_ac - bp_ab * ap_ac;
    if (over_c <= 0 && ap_ab >= 0 && bp_ab <= 0) {
        return square_to_segment(p, a, b);
    }
    const struct vec3 cp = vec3_sub(p, c);
    const double cp_ab = vec3_dot(cp, ab);
    const double cp_ac = vec3_dot(cp, ac);
    if (cp_ac >= 0 && cp_ab <= cp_ac) {
        return vec3_dot(cp, cp);
    }
    const double over_b = cp_ab * ap_ac - ap_ab * cp_ac;
    if (over_b <= 0 && ap_ac >= 0 && cp_ac <= 0) {
        return square_to_segment(p, c, a);
    }
    const double over_a = bp_ab * cp_ac - cp_ab * bp_ac;
    if (over_a <= 0 && bp_ac >= bp_ab && cp_ab >= cp_ac) {
        return square_to_segment(p, b, c);
    }
    return to_plane2;
}

/* The triangle's plane; a zero normal when it has none. */
static struct plane plane_of(const struct nearest_triangle *t)
{
    const struct vec3 ab = vec3_sub(t->corners[1], t->corners[0]);
    const struct vec3 ac = vec3_sub(t->corners[2], t->corners[0]);
    const struct vec3 normal = vec3_cross(ab, ac);
    const double length = vec3_length(normal);
    if (!(length > SLIVER * vec3_length(ab) * vec3_length(ac))) {
        return (struct plane){.has_area = false};
    }
    const struct vec3 unit = vec3_scale(normal, 1 / length);
    return (struct plane){.normal = unit, .at = vec3_dot(unit, t->corners[0]), .has_area = true};
}

static double square_to_plane(struct vec3 p, const struct plane *plane)
{
    const double away = vec3_dot(p, plane->normal) - plane->at;
    return away * away;
}

static double square_to_box(struct vec3 p, const struct box3 *box)
{
    const double x = larger(0, larger(box->min.x - p.x, p.x - box->max.x));
    const double y = larger(0, larger(box->min.y - p.y, p.y - box->max.y));
    const double z = larger(0, larger(box->min.z - p.z, p.z - box->max.z));
    return x * x + y * y + z * z;
}

/* The square of the distance, or anything that is not less than `limit2`. Most
 * triangles are too far by their plane or their box alone. */
static double square_below(const struct nearest *nearest, struct vec3 p, uint32_t triangle,
                           double limit2)
{
    const struct plane *plane = &nearest->planes[triangle];
    const double to_plane2 = square_to_plane(p, plane);
    if (to_plane2 >= limit2) {
        return to_plane2;
    }
    const double to_box2 = square_to_box(p, &nearest->boxes[triangle]);
    if (to_box2 >= limit2) {
        return to_box2;
    }
    return square_to_triangle(p, &nearest->triangles[triangle], to_plane2, plane->has_area);
}

double nearest_distance(const struct nearest *nearest, struct vec3 point, uint32_t triangle)
{
    assert(triangle < nearest->triangle_count);
    return sqrt(square_below(nearest, point, triangle, INFINITY));
}

const struct nearest_triangle *nearest_triangle_at(const struct nearest *nearest, uint32_t triangle)
{
    assert(triangle < nearest->triangle_count);
    return &nearest->triangles[triangle];
}

static double middle_of(const struct nearest_triangle *t, int axis)
{
    const double *a = &t->corners[0].x + axis;
    const double *b = &t->corners[1].x + axis;
    const double *c = &t->corners[2].x + axis;
    return *a + *b + *c;
}

static struct box3 box_of(const struct nearest_triangle *triangles, uint32_t count)
{
    struct box3 box = box3_empty();
    for (uint32_t i = 0; i < count; i++) {
        for (int k = 0; k < 3; k++) {
            box3_add(&box, triangles[i].corners[k]);
        }
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

/* Puts the triangle that belongs at `at` there, smaller ones before it. */
static void select_middle(struct nearest_triangle *triangles, uint32_t count, uint32_t at, int axis)
{
    uint32_t low = 0;
    uint32_t high = count - 1;
    while (low < high) {
        const double pivot = middle_of(&triangles[low + (high - low) / 2], axis);
        uint32_t i = low;
        uint32_t j = high;
        for (;;) {
            while (middle_of(&triangles[i], axis) < pivot) {
                i++;
            }
            while (middle_of(&triangles[j], axis) > pivot) {
                j--;
            }
            if (i >= j) {
                break;
            }
            const struct nearest_triangle swap = triangles[i];
            triangles[i++] = triangles[j];
            triangles[j--] = swap;
        }
        if (at <= j) {
            high = j;
        } else {
            low = j + 1;
        }
    }
}

/* Makes the node `index` of a range of triangles, and all below it. */
static void build_node(struct nearest *nearest, uint32_t index, uint32_t first, uint32_t count)
{
    struct box_node *node = &nearest->nodes[index];
    struct nearest_triangle *triangles = nearest->triangles + first;
    node->box = box_of(triangles, count);
    if (count <= LEAF_TRIANGLES) {
        node->first = first;
        node->count = count;
        return;
    }
    const uint32_t half = count / 2;
    select_middle(triangles, count, half, longest_side(node->box));
    const uint32_t left = nearest->node_count;
    nearest->node_count += 2;
    node->first = left;
    node->count = 0;
    /* Depth is log2 of the count: halves are equal. */
    build_node(nearest, left, first, half);
    build_node(nearest, left + 1, first + half, count - half);
}

bool nearest_build(const struct nearest_triangle *triangles, uint32_t count, struct arena *arena,
                   struct nearest **out, struct err *err)
{
    assert(count >= 1);
    struct nearest *nearest = arena_array(arena, struct nearest, 1);
    if (nearest == NULL) {
        return arena_full(arena, err);
    }
    nearest->triangles = arena_array(arena, struct nearest_triangle, count);
    nearest->planes = arena_array(arena, struct plane, count);
    nearest->boxes = arena_array(arena, struct box3, count);
    if (nearest->triangles == NULL || nearest->planes == NULL || nearest->boxes == NULL) {
        return arena_full(arena, err);
    }
    for (uint32_t i = 0; i < count; i++) {
        nearest->triangles[i] = triangles[i];
    }
    nearest->triangle_count = count;
    if (count > TRIED_ONE_BY_ONE) {
        nearest->nodes = arena_array(arena, struct box_node, 2 * (size_t)count);
        if (nearest->nodes == NULL) {
            return arena_full(arena, err);
        }
        nearest->node_count = 1;
        build_node(nearest, 0, 0, count);
    }
    for (uint32_t i = 0; i < count; i++) {
        nearest->planes[i] = plane_of(&nearest->triangles[i]);
        nearest->boxes[i] = box_of(&nearest->triangles[i], 1);
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

static void descend(const struct nearest *nearest, struct vec3 point, double *best2, uint32_t *best)
{
    uint32_t stack[STACK_MAX];
    int depth = 0;
    stack[depth++] = 0;
    while (depth > 0) {
        const struct box_node *node = &nearest->nodes[stack[--depth]];
        if (square_to_box(point, &node->box) >= *best2) {
            continue;
        }
        if (node->count > 0) {
            try_range(nearest, point, node->first, node->count, best2, best);
            continue;
        }
        const double left = square_to_box(point, &nearest->nodes[node->first].box);
        const double right = square_to_box(point, &nearest->nodes[node->first + 1].box);
        const uint32_t nearer = left <= right ? 0 : 1;
        assert(depth + 2 <= STACK_MAX);
        stack[depth++] = node->first + 1 - nearer;
        stack[depth++] = node->first + nearer;
    }
}

double nearest_find(const struct nearest *nearest, struct vec3 point, uint32_t *io_triangle)
{
    double best2 = INFINITY;
    uint32_t best = 0;
    if (*io_triangle != UINT32_MAX) {
        assert(*io_triangle < nearest->triangle_count);
        best = *io_triangle;
        best2 = square_below(nearest, point, best, INFINITY);
    }
    if (nearest->nodes == NULL) {
        try_range(nearest, point, 0, nearest->triangle_count, &best2, &best);
    } else {
        descend(nearest, point, &best2, &best);
    }
    *io_triangle = best;
    return sqrt(best2);
}

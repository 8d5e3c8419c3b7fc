/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/deviation.h"

#include <assert.h>

#include "tiler/nearest.h"

/* A triangle of one surface, or a part of one, against the other surface. */
struct part {
    struct vec3 corners[3];
    double distances[3]; /* of the corners */
    uint32_t nearest[3]; /* the faces that are so near */
    uint32_t below;      /* the face nearest to its middle */
    uint32_t cut_count;  /* how often it was cut along faces already */
    double upper_m;      /* no point of the part is farther */
};

/* A part that is cut this often along edges is halved instead: cutting alone
 * need not make it small. */
enum { CUTS_MAX = 8 };

/* The parts still to be looked at, the one with the largest bound first. */
struct heap {
    struct part *parts;
    size_t count;
    size_t room;
    struct arena *scratch;
};

struct measuring {
    const struct nearest *target;
    struct heap heap;
    double lower_m;   /* of both directions so far */
    double settled_m; /* the largest bound of the parts that were let go */
    double slack_m;   /* what distances are right to */
    double tolerance_m;
    double relative;
    uint32_t last; /* the face that a bound came from last, or UINT32_MAX: neighbours share it */
    size_t steps;
    size_t steps_max;
};

static bool heap_push(struct heap *heap, const struct part *part, struct err *err)
{
    if (heap->count == heap->room) {
        const size_t room = heap->room == 0 ? 64 : 2 * heap->room;
        struct part *parts = arena_array(heap->scratch, struct part, room);
        if (parts == NULL) {
            return arena_full(heap->scratch, err);
        }
        for (size_t i = 0; i < heap->count; i++) {
            parts[i] = heap->parts[i];
        }
        heap->parts = parts;
        heap->room = room;
    }
    size_t at = heap->count++;
    while (at > 0 && heap->parts[(at - 1) / 2].upper_m < part->upper_m) {
        heap->parts[at] = heap->parts[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap->parts[at] = *part;
    return true;
}

static struct part heap_pop(struct heap *heap)
{
    const struct part first = heap->parts[0];
    const struct part last = heap->parts[--heap->count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= heap->count) {
            break;
        }
        if (child + 1 < heap->count &&
            heap->parts[child + 1].upper_m > heap->parts[child].upper_m) {
            child++;
        }
        if (heap->parts[child].upper_m <= last.upper_m) {
            break;
        }
        heap->parts[at] = heap->parts[child];
        at = child;
    }
    heap->parts[at] = last;
    return first;
}

/* fmin and fmax are calls, for the sake of NaN; there is none here. */
static inline double smaller(double a, double b)
{
    return a < b ? a : b;
}

static inline double larger(double a, double b)
{
    return a > b ? a : b;
}

/* How large a bound may be and still be good enough. */
static double enough(const struct measuring *m)
{
    return m->lower_m * (1 + m->relative) + m->tolerance_m;
}

/* The largest distance of the part's corners to one face; at least `limit` when
 * it is no less than that. */
static double distance_to_one(const struct measuring *m, const struct part *part, uint32_t face,
                              double limit)
{
    double most = 0;
    for (int k = 0; k < 3 && most < limit; k++) {
        most = larger(most, part->nearest[k] == face
                                ? part->distances[k]
                                : nearest_distance(m->target, part->corners[k], face));
    }
    return most;
}

/*
 * The smallest of the bounds that hold for a part:
 *
 *   to one face of the target, which is convex: the largest distance is at a
 *   corner of the part;
 *   from one corner: distance grows by no more than one moves.
 */
static double bound_of(struct measuring *m, const struct part *part)
{
    double bound = INFINITY;
    for (int i = 0; i < 3; i++) {
        const struct vec3 corner = part->corners[i];
        const double one = vec3_distance(corner, part->corners[(i + 1) % 3]);
        const double two = vec3_distance(corner, part->corners[(i + 2) % 3]);
        const double reached = part->distances[i] + (one > two ? one : two);
        bound = reached < bound ? reached : bound;
    }
    if (bound > enough(m) && m->last != UINT32_MAX) {
        bound = smaller(bound, distance_to_one(m, part, m->last, bound));
    }
    for (int i = 0; i < 3 && bound > enough(m); i++) {
        const bool is_tried =
            part->nearest[i] == m->last || (i > 0 && part->nearest[i] == part->nearest[i - 1]);
        const double to_one = is_tried ? bound : distance_to_one(m, part, part->nearest[i], bound);
        if (to_one < bound) {
            bound = to_one;
            m->last = part->nearest[i];
        }
    }
    return bound;
}

/* As bound_of(), from the middle. Corners often lie on an edge of the target,
 * and know only one of the faces there; the middle knows the right one. */
static double bound_from_middle(struct measuring *m, struct part *part)
{
    const struct vec3 *c = part->corners;
    const struct vec3 middle = vec3_scale(vec3_add(c[0], vec3_add(c[1], c[2])), 1.0 / 3);
    part->below = part->nearest[0];
    const double distance = nearest_find(m->target, middle, &part->below);
    m->lower_m = larger(m->lower_m, distance);
    double to_one = 0;
    double reach = 0;
    for (int i = 0; i < 3; i++) {
        to_one = larger(to_one, nearest_distance(m->target, c[i], part->below));
        reach = larger(reach, vec3_distance(middle, c[i]));
    }
    m->last = part->below;
    return smaller(to_one, distance + reach);
}

/* Bounds a part and keeps it when that is not good enough yet. */
static bool add_part(struct measuring *m, struct part *part, struct err *err)
{
    for (int i = 0; i < 3; i++) {
        m->lower_m = part->distances[i] > m->lower_m ? part->distances[i] : m->lower_m;
    }
    part->upper_m = bound_of(m, part);
    if (part->upper_m > enough(m)) {
        const double from_middle = bound_from_middle(m, part);
        part->upper_m = from_middle < part->upper_m ? from_middle : part->upper_m;
    }
    if (part->upper_m <= enough(m)) {
        m->settled_m = part->upper_m > m->settled_m ? part->upper_m : m->settled_m;
        return true;
    }
    return heap_push(&m->heap, part, err);
}

/*
 *            2
 *           / \
 *          5---4      corners 0 1 2, middles 3 4 5; four parts
 *         / \ / \
 *        0---3---1
 */
static bool quarter_part(struct measuring *m, const struct part *part, struct err *err)
{
    struct vec3 points[6];
    double distances[6];
    uint32_t nearest[6];
    for (int i = 0; i < 3; i++) {
        const int next = (i + 1) % 3;
        points[i] = part->corners[i];
        distances[i] = part->distances[i];
        nearest[i] = part->nearest[i];
        points[3 + i] = vec3_scale(vec3_add(part->corners[i], part->corners[next]), 0.5);
        nearest[3 + i] = part->nearest[i];
        distances[3 + i] = nearest_find(m->target, points[3 + i], &nearest[3 + i]);
    }
    static const int corners[4][3] = {{0, 3, 5}, {3, 1, 4}, {5, 4, 2}, {3, 4, 5}};
    for (int child = 0; child < 4; child++) {
        struct part smaller;
        for (int i = 0; i < 3; i++) {
            const int from = corners[child][i];
            smaller.corners[i] = points[from];
            smaller.distances[i] = distances[from];
            smaller.nearest[i] = nearest[from];
        }
        smaller.cut_count = 0;
        if (!add_part(m, &smaller, err)) {
            return false;
        }
    }
    return true;
}

/* Where the part's three corners lie to the plane that stands on the edge from
 * a to b of a face: positive is outside. */
static void sides_of_edge(const struct part *part, struct vec3 a, struct vec3 b, struct vec3 normal,
                          double out_m[3])
{
    const struct vec3 outward = vec3_unit(vec3_cross(vec3_sub(b, a), normal));
    for (int i = 0; i < 3; i++) {
        out_m[i] = vec3_dot(vec3_sub(part->corners[i], a), outward);
    }
}

/* A corner of a smaller part, between two corners. */
static void set_between(const struct measuring *m, const struct part *part, int from, int to,
                        double share, struct part *out, int corner)
{
    out->corners[corner] =
        vec3_add(vec3_scale(part->corners[from], 1 - share), vec3_scale(part->corners[to], share));
    out->nearest[corner] = part->below;
    out->distances[corner] = nearest_find(m->target, out->corners[corner], &out->nearest[corner]);
}

static void copy_corner(const struct part *part, int from, struct part *out, int corner)
{
    out->corners[corner] = part->corners[from];
    out->distances[corner] = part->distances[from];
    out->nearest[corner] = part->nearest[from];
}

/*
 *        alone          the plane cuts off the corner that is alone on its
 *         / \           side; the rest is two parts
 *     --p-----q--
 *      /    .  \
 *    next------last
 */
static bool cut_at(struct measuring *m, const struct part *part, const double side_m[3],
                   struct err *err)
{
    int alone = 0;
    for (int i = 0; i < 3; i++) {
        const bool is_out = side_m[i] > 0;
        if (is_out != (side_m[(i + 1) % 3] > 0) && is_out != (side_m[(i + 2) % 3] > 0)) {
            alone = i;
        }
    }
    const int next = (alone + 1) % 3;
    const int last = (alone + 2) % 3;
    struct part top = {.cut_count = part->cut_count + 1};
    copy_corner(part, alone, &top, 0);
    set_between(m, part, alone, next, side_m[alone] / (side_m[alone] - side_m[next]), &top, 1);
    set_between(m, part, alone, last, side_m[alone] / (side_m[alone] - side_m[last]), &top, 2);
    struct part left = {.cut_count = top.cut_count};
    copy_corner(&top, 1, &left, 0);
    copy_corner(part, next, &left, 1);
    copy_corner(part, last, &left, 2);
    struct part right = {.cut_count = top.cut_count};
    copy_corner(&top, 1, &right, 0);
    copy_corner(part, last, &right, 1);
    copy_corner(&top, 2, &right, 2);
    return add_part(m, &top, err) && add_part(m, &left, err) && add_part(m, &right, err);
}

/*
 * Where a part lies over several faces it is cut along an edge of the one under
 * its middle: what lies over one face alone is done at once, as its corners
 * decide. Surfaces in one plane, cut up differently, would otherwise be
 * quartered along every edge down to the tolerance.
 */
static bool split_part(struct measuring *m, const struct part *part, struct err *err)
{
    uint32_t count;
    const struct vec3 *below = nearest_corners(m->target, part->below, &count);
    const struct vec3 normal = nearest_normal(m->target, part->below);
    /* Overhanging by less changes no bound that matters. */
    const double overhang_m = 0.1 * m->tolerance_m;
    for (uint32_t edge = 0; edge < count && part->cut_count < CUTS_MAX; edge++) {
        double side_m[3];
        sides_of_edge(part, below[edge], below[edge + 1 == count ? 0 : edge + 1], normal, side_m);
        const double most = larger(side_m[0], larger(side_m[1], side_m[2]));
        const double least = smaller(side_m[0], smaller(side_m[1], side_m[2]));
        if (most > overhang_m && least < -overhang_m) {
            return cut_at(m, part, side_m, err);
        }
    }
    return quarter_part(m, part, err);
}

/* A surface: the triangles of a shape that count. */
struct deviation_surface {
    const struct shape *shape;
    uint32_t *triangles; /* numbers of the shape's; floors are not among them */
    uint32_t triangle_count;
    struct nearest *nearest;
};

/* The distance of every corner first: each is shared by several triangles, and
 * the largest of them spares most triangles a closer look. */
static bool measure_corners(struct measuring *m, const struct deviation_surface *from,
                            struct arena *scratch, double **out_distances, uint32_t **out_nearest,
                            struct err *err)
{
    const struct shape *shape = from->shape;
    double *distances = arena_array(scratch, double, shape->point_count);
    uint32_t *nearest = arena_array(scratch, uint32_t, shape->point_count);
    if (distances == NULL || nearest == NULL) {
        return arena_full(scratch, err);
    }
    for (uint32_t p = 0; p < shape->point_count; p++) {
        distances[p] = -1;
    }
    uint32_t hint = UINT32_MAX;
    for (uint32_t i = 0; i < 3 * from->triangle_count; i++) {
        const uint32_t point = shape->corners[3 * (size_t)from->triangles[i / 3] + i % 3];
        if (distances[point] < 0) {
            distances[point] = nearest_has_corner(m->target, shape->points[point], &hint)
                                   ? 0
                                   : nearest_find(m->target, shape->points[point], &hint);
            m->lower_m = distances[point] > m->lower_m ? distances[point] : m->lower_m;
            nearest[point] = hint;
        }
    }
    *out_distances = distances;
    *out_nearest = nearest;
    return true;
}

/* From every point of `from` to the surface `to`. */
static bool measure_one_way(struct measuring *m, const struct deviation_surface *from,
                            const struct deviation_surface *to, struct arena *scratch,
                            struct err *err)
{
    double *distances = NULL;
    uint32_t *nearest = NULL;
    m->target = to->nearest;
    m->last = UINT32_MAX;
    m->slack_m = larger(m->slack_m, nearest_slack_m(to->nearest));
    if (!measure_corners(m, from, scratch, &distances, &nearest, err)) {
        return false;
    }
    for (uint32_t i = 0; i < from->triangle_count; i++) {
        struct part part;
        for (uint32_t k = 0; k < 3; k++) {
            const uint32_t point = from->shape->corners[3 * (size_t)from->triangles[i] + k];
            part.corners[k] = from->shape->points[point];
            part.distances[k] = distances[point];
            part.nearest[k] = nearest[point];
        }
        part.cut_count = 0;
        if (!add_part(m, &part, err)) {
            return false;
        }
    }
    while (m->heap.count > 0 && m->heap.parts[0].upper_m > enough(m) && m->steps < m->steps_max) {
        const struct part part = heap_pop(&m->heap);
        m->steps++;
        if (!split_part(m, &part, err)) {
            return false;
        }
    }
    if (m->heap.count > 0) {
        m->settled_m = larger(m->settled_m, m->heap.parts[0].upper_m);
    }
    m->heap.count = 0;
    return true;
}

static bool open_surface(const struct shape *shape, struct arena *scratch,
                         struct deviation_surface *out, struct err *err)
{
    bool *is_floor;
    if (!shape_floors(shape, scratch, &is_floor, err)) {
        return false;
    }
    out->shape = shape;
    out->triangle_count = 0;
    out->triangles = arena_array(scratch, uint32_t, shape->triangle_count);
    struct nearest_triangle *copies =
        arena_array(scratch, struct nearest_triangle, shape->triangle_count);
    if (out->triangles == NULL || copies == NULL) {
        return arena_full(scratch, err);
    }
    for (uint32_t t = 0; t < shape->triangle_count; t++) {
        if (is_floor[shape->triangle_faces[t]]) {
            continue;
        }
        for (int k = 0; k < 3; k++) {
            copies[out->triangle_count].corners[k] =
                shape->points[shape->corners[3 * (size_t)t + (size_t)k]];
        }
        out->triangles[out->triangle_count++] = t;
    }
    if (out->triangle_count == 0) {
        return err_set(err, ERR_GEOMETRY, "no triangle to measure");
    }
    return nearest_build(copies, out->triangle_count, scratch, &out->nearest, err);
}

bool deviation_open(const struct shape *full, struct arena *arena,
                    const struct deviation_surface **out, struct err *err)
{
    struct deviation_surface *surface = arena_array(arena, struct deviation_surface, 1);
    if (surface == NULL) {
        return arena_full(arena, err);
    }
    *out = surface;
    return open_surface(full, arena, surface, err);
}

bool deviation_from(const struct deviation_surface *full, const struct shape *candidate,
                    double tolerance_m, double relative, size_t steps_max, struct arena *scratch,
                    struct deviation *out, struct err *err)
{
    assert(tolerance_m > 0 && relative >= 0);
    const struct arena_mark mark = arena_mark(scratch);
    struct measuring m = {.heap = {.scratch = scratch},
                          .tolerance_m = tolerance_m,
                          .relative = relative,
                          .steps_max = steps_max / 2};
    struct deviation_surface other;
    bool ok = open_surface(candidate, scratch, &other, err) &&
              measure_one_way(&m, full, &other, scratch, err);
    /* The other way has half of the steps at least: without any its bound would be
     * the size of the largest triangle. */
    m.steps_max = steps_max;
    ok = ok && measure_one_way(&m, &other, full, scratch, err);
    arena_reset(scratch, mark);
    if (ok) {
        *out = (struct deviation){.upper_m = larger(m.settled_m, m.lower_m) + m.slack_m,
                                  .lower_m = larger(0, m.lower_m - m.slack_m)};
    }
    return ok;
}

bool deviation_measure(const struct shape *full, const struct shape *candidate, double tolerance_m,
                       double relative, struct arena *scratch, struct deviation *out,
                       struct err *err)
{
    const struct arena_mark mark = arena_mark(scratch);
    const struct deviation_surface *surface;
    const bool ok = deviation_open(full, scratch, &surface, err) &&
                    deviation_from(surface, candidate, tolerance_m, relative, DEVIATION_STEPS_MAX,
                                   scratch, out, err);
    arena_reset(scratch, mark);
    return ok;
}

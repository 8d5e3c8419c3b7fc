/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/footprint.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tiler/tessellate.h"

/* What a simplified ring may differ in area before another way is tried. */
static const double AREA_DRIFT = 0.03;
static const double AREA_EXCESS = 0.10;

/* Lines that meet at less than this angle are taken as parallel: sine of 15
 * degrees. */
static const double PARALLEL_SINE = 0.26;

/* Points of a ring beyond which the cheap simplification goes first. */
enum { MOVES_POINTS_MAX = 600 };

/* ---- the outline of triangles ---- */

struct flat_edge {
    uint32_t from, to;
};

struct outlining {
    const struct shape *shape;
    struct arena *scratch;
    uint32_t *flat_of;   /* per point of the shape */
    struct vec2 *places; /* per flat point */
    uint32_t place_count;
    struct flat_edge *edges;
    size_t edge_count;
};

/* Points that lie over each other, or nearly so, are one in plan. */
struct cell_key {
    int64_t x, y;
    uint32_t point;
};

static int compare_cells(const void *a, const void *b)
{
    const struct cell_key *left = a;
    const struct cell_key *right = b;
    if (left->x != right->x) {
        return left->x < right->x ? -1 : 1;
    }
    if (left->y != right->y) {
        return left->y < right->y ? -1 : 1;
    }
    return left->point < right->point ? -1 : left->point > right->point;
}

static bool flatten_points(struct outlining *o, struct err *err)
{
    const uint32_t count = o->shape->point_count;
    struct cell_key *cells = arena_array(o->scratch, struct cell_key, count);
    o->flat_of = arena_array(o->scratch, uint32_t, count);
    o->places = arena_array(o->scratch, struct vec2, count);
    if (cells == NULL || o->flat_of == NULL || o->places == NULL) {
        return arena_full(o->scratch, err);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct vec3 p = o->shape->points[i];
        cells[i] =
            (struct cell_key){llround(p.x / FOOTPRINT_WELD_M), llround(p.y / FOOTPRINT_WELD_M), i};
    }
    qsort(cells, count, sizeof cells[0], compare_cells);
    for (uint32_t i = 0; i < count; i++) {
        const bool is_new = i == 0 || cells[i].x != cells[i - 1].x || cells[i].y != cells[i - 1].y;
        if (is_new) {
            const struct vec3 p = o->shape->points[cells[i].point];
            o->places[o->place_count++] = (struct vec2){p.x, p.y};
        }
        o->flat_of[cells[i].point] = o->place_count - 1;
    }
    return true;
}

static int compare_edges(const void *a, const void *b)
{
    const struct flat_edge *left = a;
    const struct flat_edge *right = b;
    const uint32_t left_low = left->from < left->to ? left->from : left->to;
    const uint32_t right_low = right->from < right->to ? right->from : right->to;
    if (left_low != right_low) {
        return left_low < right_low ? -1 : 1;
    }
    const uint32_t left_high = left->from < left->to ? left->to : left->from;
    const uint32_t right_high = right->from < right->to ? right->to : right->from;
    if (left_high != right_high) {
        return left_high < right_high ? -1 : 1;
    }
    return left->from < right->from ? -1 : left->from > right->from;
}

static bool same_edge(const struct flat_edge *a, const struct flat_edge *b)
{
    return (a->from == b->from && a->to == b->to) || (a->from == b->to && a->to == b->from);
}

/* All triangles anticlockwise in plan; edges that two of them run along in
 * opposite ways cancel out. */
static bool list_edges(struct outlining *o, const bool *is_wanted, struct err *err)
{
    const struct shape *shape = o->shape;
    o->edges = arena_array(o->scratch, struct flat_edge, 3 * (size_t)shape->triangle_count);
    if (o->edges == NULL) {
        return arena_full(o->scratch, err);
    }
    for (uint32_t t = 0; t < shape->triangle_count; t++) {
        uint32_t flat[3];
        for (uint32_t k = 0; k < 3; k++) {
            flat[k] = o->flat_of[shape->corners[3 * (size_t)t + k]];
        }
        const double turn = ring_turn(o->places[flat[0]], o->places[flat[1]], o->places[flat[2]]);
        if ((is_wanted != NULL && !is_wanted[t]) ||
            fabs(turn) < FOOTPRINT_WELD_M * FOOTPRINT_WELD_M || flat[0] == flat[1] ||
            flat[1] == flat[2] || flat[2] == flat[0]) {
            continue;
        }
        for (int k = 0; k < 3; k++) {
            const uint32_t a = flat[k];
            const uint32_t b = flat[(k + 1) % 3];
            o->edges[o->edge_count++] =
                turn > 0 ? (struct flat_edge){a, b} : (struct flat_edge){b, a};
        }
    }
    qsort(o->edges, o->edge_count, sizeof o->edges[0], compare_edges);
    size_t kept = 0;
    for (size_t i = 0; i < o->edge_count;) {
        size_t end = i;
        size_t rising = 0;
        for (; end < o->edge_count && same_edge(&o->edges[i], &o->edges[end]); end++) {
            rising += o->edges[end].from < o->edges[end].to;
        }
        const size_t falling = end - i - rising;
        const uint32_t a = o->edges[i].from < o->edges[i].to ? o->edges[i].from : o->edges[i].to;
        const uint32_t b = o->edges[i].from < o->edges[i].to ? o->edges[i].to : o->edges[i].from;
        for (size_t k = rising; k < falling; k++) {
            o->edges[kept++] = (struct flat_edge){b, a};
        }
        for (size_t k = falling; k < rising; k++) {
            o->edges[kept++] = (struct flat_edge){a, b};
        }
        i = end;
    }
    o->edge_count = kept;
    return true;
}

static int compare_from(const void *a, const void *b)
{
    const struct flat_edge *left = a;
    const struct flat_edge *right = b;
    if (left->from != right->from) {
        return left->from < right->from ? -1 : 1;
    }
    return left->to < right->to ? -1 : left->to > right->to;
}

/* Edges joined head to tail. Where several leave a point any will do: the
 * winding number stays the same, and the union sorts it out. */
static bool join_edges(struct outlining *o, struct ring_set *out, struct err *err)
{
    size_t *first_of = arena_array(o->scratch, size_t, (size_t)o->place_count + 2);
    struct vec2 *points = arena_array(o->scratch, struct vec2, o->edge_count);
    uint32_t *ends = arena_array(o->scratch, uint32_t, o->edge_count);
    if (first_of == NULL || points == NULL || ends == NULL) {
        return arena_full(o->scratch, err);
    }
    qsort(o->edges, o->edge_count, sizeof o->edges[0], compare_from);
    for (size_t i = 0; i < o->edge_count; i++) {
        first_of[o->edges[i].from + 1] = i + 1;
    }
    for (uint32_t p = 0; p < o->place_count; p++) {
        if (first_of[p + 1] == 0) {
            first_of[p + 1] = first_of[p];
        }
    }
    /* first_of[p] .. first_of[p + 1]: edges from p; taken from the end. */
    size_t *left = arena_array(o->scratch, size_t, o->place_count);
    if (left == NULL) {
        return arena_full(o->scratch, err);
    }
    for (uint32_t p = 0; p < o->place_count; p++) {
        left[p] = first_of[p + 1] - first_of[p];
    }
    uint32_t point_count = 0;
    uint32_t ring_count = 0;
    for (uint32_t start = 0; start < o->place_count; start++) {
        while (left[start] > 0) {
            const uint32_t before = point_count;
            for (uint32_t at = start; left[at] > 0;) {
                left[at]--;
                points[point_count++] = o->places[at];
                at = o->edges[first_of[at] + left[at]].to;
            }
            if (point_count - before >= 3) {
                ends[ring_count++] = point_count;
            } else {
                point_count = before;
            }
        }
    }
    *out = (struct ring_set){points, ends, ring_count};
    return true;
}

static bool copy_rings(const struct ring_set *from, struct arena *arena, struct ring_set *out,
                       struct err *err)
{
    const uint32_t count = ring_point_count(from);
    struct vec2 *points = arena_array(arena, struct vec2, count);
    uint32_t *ends = arena_array(arena, uint32_t, from->ring_count);
    if (points == NULL || ends == NULL) {
        return arena_full(arena, err);
    }
    if (count > 0) {
        memcpy(points, from->points, count * sizeof points[0]);
        memcpy(ends, from->ends, from->ring_count * sizeof ends[0]);
    }
    *out = (struct ring_set){points, ends, from->ring_count};
    return true;
}

bool footprint_from_shape(const struct shape *shape, const bool *is_wanted, struct arena *out_arena,
                          struct arena *scratch, struct ring_set *out, struct err *err)
{
    const struct arena_mark mark = arena_mark(scratch);
    struct outlining o = {.shape = shape, .scratch = scratch};
    struct ring_set rings;
    bool ok =
        flatten_points(&o, err) && list_edges(&o, is_wanted, err) && join_edges(&o, &rings, err);
    if (ok && rings.ring_count <= 1 && ring_set_crossings(&rings, 1, scratch) == 0) {
        ok = copy_rings(&rings, out_arena, out, err); /* nothing to unite */
    } else if (ok) {
        ok = tessellate_outline(&rings, TESSELLATE_POSITIVE, out_arena, scratch, out, err);
    }
    arena_reset(scratch, mark);
    return ok;
}

double footprint_area_m2(const struct ring_set *plan)
{
    double sum = 0;
    for (uint32_t r = 0; r < plan->ring_count; r++) {
        const uint32_t start = ring_start(plan, r);
        sum += ring_area(plan->points + start, plan->ends[r] - start);
    }
    return sum;
}

/* ---- width ---- */

/* A square that may hold the middle of the largest circle. */
struct square {
    struct vec2 middle;
    double half_m;
    double most_m; /* no circle around one of its points is larger */
};

enum { SQUARES_MAX = 1024, SQUARES_FIRST = 8 };
static const double WIDTH_SHARE = 0.1;

/* An edge of a plan, ready to be asked many times. */
struct plan_edge {
    struct vec2 from;
    struct vec2 along;
    double to_y;
    double per_length2; /* 0 for a point */
};

static uint32_t list_plan_edges(const struct ring_set *plan, struct plan_edge *out)
{
    uint32_t edge_count = 0;
    for (uint32_t r = 0; r < plan->ring_count; r++) {
        const uint32_t start = ring_start(plan, r);
        const uint32_t count = plan->ends[r] - start;
        const struct vec2 *points = plan->points + start;
        for (uint32_t i = 0; i < count; i++) {
            const struct vec2 a = points[i];
            const struct vec2 b = points[i + 1 == count ? 0 : i + 1];
            const struct vec2 along = {b.x - a.x, b.y - a.y};
            const double length2 = along.x * along.x + along.y * along.y;
            out[edge_count++] = (struct plan_edge){a, along, b.y, length2 > 0 ? 1 / length2 : 0};
        }
    }
    return edge_count;
}

/* From a point to the nearest edge; negative outside. */
static double depth_of(const struct plan_edge *edges, uint32_t count, struct vec2 p)
{
    double best2 = INFINITY;
    bool is_inside = false;
    for (uint32_t i = 0; i < count; i++) {
        const struct plan_edge *edge = &edges[i];
        const double x = p.x - edge->from.x;
        const double y = p.y - edge->from.y;
        const double t = (x * edge->along.x + y * edge->along.y) * edge->per_length2;
        const double s = t < 0 ? 0 : t > 1 ? 1 : t;
        const double off_x = x - s * edge->along.x;
        const double off_y = y - s * edge->along.y;
        const double own2 = off_x * off_x + off_y * off_y;
        best2 = own2 < best2 ? own2 : best2;
        /* The ray to the right crosses it. */
        const bool is_across = (p.y < edge->from.y) != (p.y < edge->to_y);
        const double side = edge->along.x * y - edge->along.y * x;
        is_inside = is_inside != (is_across && (side > 0) == (edge->along.y > 0));
    }
    return is_inside ? sqrt(best2) : -sqrt(best2);
}

static struct square square_at(const struct plan_edge *edges, uint32_t count, struct vec2 middle,
                               double half_m, double *io_best_m)
{
    const double depth_m = depth_of(edges, count, middle);
    *io_best_m = fmax(*io_best_m, depth_m);
    return (struct square){middle, half_m, depth_m + half_m * sqrt(2)};
}

bool footprint_width_m(const struct ring_set *plan, struct arena *scratch, double *out_m,
                       struct err *err)
{
    const uint32_t point_count = ring_point_count(plan);
    if (point_count == 0) {
        *out_m = 0;
        return true;
    }
    const struct arena_mark mark = arena_mark(scratch);
    struct square *squares = arena_array(scratch, struct square, SQUARES_MAX);
    struct plan_edge *edges = arena_array(scratch, struct plan_edge, point_count);
    if (squares == NULL || edges == NULL) {
        return arena_full(scratch, err);
    }
    const uint32_t edge_count = list_plan_edges(plan, edges);
    struct box3 box = box3_empty();
    for (uint32_t i = 0; i < point_count; i++) {
        box3_add(&box, (struct vec3){plan->points[i].x, plan->points[i].y, 0});
    }
    const double half_m =
        fmax(box.max.x - box.min.x, box.max.y - box.min.y) / (2 * SQUARES_FIRST) + 1e-9;
    double best_m = 0;
    uint32_t count = 0;
    for (double y = box.min.y + half_m; y < box.max.y + half_m; y += 2 * half_m) {
        for (double x = box.min.x + half_m; x < box.max.x + half_m; x += 2 * half_m) {
            squares[count++] = square_at(edges, edge_count, (struct vec2){x, y}, half_m, &best_m);
        }
    }
    double settled_m = 0;
    while (count > 0) {
        const struct square square = squares[--count];
        if (square.most_m <= best_m * (1 + WIDTH_SHARE) || count + 4 > SQUARES_MAX ||
            square.half_m < FOOTPRINT_WELD_M) {
            settled_m = fmax(settled_m, square.most_m);
            continue;
        }
        const double quarter_m = square.half_m / 2;
        for (int i = 0; i < 4; i++) {
            const struct vec2 middle = {square.middle.x + (i & 1 ? quarter_m : -quarter_m),
                                        square.middle.y + (i & 2 ? quarter_m : -quarter_m)};
            squares[count++] = square_at(edges, edge_count, middle, quarter_m, &best_m);
        }
    }
    arena_reset(scratch, mark);
    *out_m = 2 * settled_m;
    return true;
}

/* ---- fewer corners ---- */

static struct vec2 minus(struct vec2 a, struct vec2 b)
{
    return (struct vec2){a.x - b.x, a.y - b.y};
}

static double length_of(struct vec2 a)
{
    return hypot(a.x, a.y);
}

static double cross(struct vec2 a, struct vec2 b)
{
    return a.x * b.y - a.y * b.x;
}

/* Where the lines a-b and c-d meet; false when they are nearly parallel. */
static bool meet(struct vec2 a, struct vec2 b, struct vec2 c, struct vec2 d, struct vec2 *out)
{
    const struct vec2 u = minus(b, a);
    const struct vec2 v = minus(d, c);
    const double turn = cross(u, v);
    const double sizes = length_of(u) * length_of(v);
    if (!(sizes > 0) || fabs(turn) < PARALLEL_SINE * sizes) {
        return false;
    }
    const double t = cross(minus(c, a), v) / turn;
    *out = (struct vec2){a.x + t * u.x, a.y + t * u.y};
    return true;
}

/* A ring that is being edited; points are removed in place. */
struct ring_edit {
    struct vec2 *points;
    uint32_t count;
    double tolerance_m;
};

static struct vec2 at(const struct ring_edit *ring, uint32_t index)
{
    return ring->points[index % ring->count];
}

static void remove_points(struct ring_edit *ring, uint32_t first, uint32_t count)
{
    bool is_gone[MOVES_POINTS_MAX + 1] = {false};
    for (uint32_t i = 0; i < count; i++) {
        is_gone[(first + i) % ring->count] = true;
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < ring->count; i++) {
        if (!is_gone[i]) {
            ring->points[kept++] = ring->points[i];
        }
    }
    ring->count = kept;
}

/* Points on straight lines, spikes and repeats. */
static void drop_straight(struct ring_edit *ring, double tolerance_m)
{
    for (uint32_t i = 0; ring->count > 3 && i < ring->count;) {
        const struct vec2 a = at(ring, i + ring->count - 1);
        const struct vec2 b = at(ring, i);
        const struct vec2 c = at(ring, i + 1);
        const struct vec2 along = minus(c, a);
        const double length = length_of(along);
        const double away =
            length > 0 ? fabs(cross(minus(b, a), along)) / length : length_of(minus(b, a));
        if (away <= tolerance_m) {
            remove_points(ring, i, 1);
            i = i > 1 ? i - 2 : 0;
        } else {
            i++;
        }
    }
}

static bool is_near(const struct ring_edit *ring, struct vec2 a, struct vec2 b)
{
    return length_of(minus(a, b)) <= 1.5 * ring->tolerance_m;
}

/* The corner cut: both ends of the short edge become the point where its
 * neighbours meet. */
static bool cut_corner(struct ring_edit *ring, uint32_t i)
{
    struct vec2 corner;
    if (!meet(at(ring, i + ring->count - 1), at(ring, i), at(ring, i + 1), at(ring, i + 2),
              &corner) ||
        !is_near(ring, corner, at(ring, i)) || !is_near(ring, corner, at(ring, i + 1))) {
        return false;
    }
    ring->points[i] = corner;
    remove_points(ring, i + 1, 1);
    return true;
}

/*
 * Neighbours run on beside each other: the line of the longer one goes on.
 *
 *      a ----- b                      a --------------+
 *              |           becomes                    |
 *              c ----- d                              |  (d moved onto the line)
 *                      |                              |
 *                      e                              e
 */
static bool straighten_step(struct ring_edit *ring, uint32_t i)
{
    const uint32_t n = ring->count;
    const struct vec2 a = at(ring, i + n - 1);
    const struct vec2 b = at(ring, i);
    const struct vec2 c = at(ring, i + 1);
    const struct vec2 d = at(ring, i + 2);
    struct vec2 moved;
    if (length_of(minus(b, a)) >= length_of(minus(d, c))) {
        if (!meet(a, b, d, at(ring, i + 3), &moved) || !is_near(ring, moved, d)) {
            return false;
        }
        ring->points[(i + 2) % n] = moved;
    } else {
        if (!meet(c, d, at(ring, i + n - 2), a, &moved) || !is_near(ring, moved, a)) {
            return false;
        }
        ring->points[(i + n - 1) % n] = moved;
    }
    remove_points(ring, i, 2);
    return true;
}

/*
 * Neighbours run back along each other: a notch or a nose. The shorter arm goes.
 *
 *      z ---- a     d ---- e
 *             |     |             becomes   z ----------+---- e
 *             b --- c
 */
static bool fill_notch(struct ring_edit *ring, uint32_t i)
{
    const uint32_t n = ring->count;
    const struct vec2 a = at(ring, i + n - 1);
    const struct vec2 b = at(ring, i);
    const struct vec2 c = at(ring, i + 1);
    const struct vec2 d = at(ring, i + 2);
    struct vec2 moved;
    if (n < 6) {
        return false;
    }
    if (length_of(minus(b, a)) <= length_of(minus(d, c))) {
        if (!meet(at(ring, i + n - 2), a, c, d, &moved) || !is_near(ring, moved, a)) {
            return false;
        }
        ring->points[(i + n - 1) % n] = moved;
        remove_points(ring, i, 2);
        return true;
    }
    if (!meet(a, b, d, at(ring, i + 3), &moved) || !is_near(ring, moved, d)) {
        return false;
    }
    ring->points[(i + 2) % n] = moved;
    remove_points(ring, i, 2);
    return true;
}

static bool remove_edge(struct ring_edit *ring, uint32_t i)
{
    if (cut_corner(ring, i)) {
        return true;
    }
    if (ring->count < 5) {
        return false;
    }
    const struct vec2 before = minus(at(ring, i), at(ring, i + ring->count - 1));
    const struct vec2 after = minus(at(ring, i + 2), at(ring, i + 1));
    const double same = before.x * after.x + before.y * after.y;
    return same > 0 ? straighten_step(ring, i) : fill_notch(ring, i);
}

/* The shortest edge that is shorter than `limit_m` and longer than `above_m`. */
static uint32_t shortest_edge(const struct ring_edit *ring, double above_m, double limit_m,
                              double *out_length_m)
{
    uint32_t found = UINT32_MAX;
    for (uint32_t i = 0; i < ring->count; i++) {
        const double length = length_of(minus(at(ring, i + 1), at(ring, i)));
        if (length > above_m && length < limit_m) {
            limit_m = length;
            found = i;
        }
    }
    *out_length_m = limit_m;
    return found;
}

static void move_edges(struct ring_edit *ring)
{
    double above_m = -1;
    drop_straight(ring, ring->tolerance_m / 20);
    while (ring->count > 4) {
        double length_m;
        const uint32_t i = shortest_edge(ring, above_m, ring->tolerance_m, &length_m);
        if (i == UINT32_MAX) {
            break;
        }
        if (remove_edge(ring, i)) {
            drop_straight(ring, ring->tolerance_m / 20);
            above_m = -1;
        } else {
            above_m = length_m; /* this one stays: look at longer ones */
        }
    }
}

/* Douglas and Peucker's simplification of a closed ring. */
static uint32_t thin_out(const struct vec2 *points, uint32_t count, double tolerance_m,
                         uint8_t *is_kept, uint32_t *stack, struct vec2 *out)
{
    uint32_t far = 0;
    for (uint32_t i = 1; i < count; i++) {
        if (length_of(minus(points[i], points[0])) > length_of(minus(points[far], points[0]))) {
            far = i;
        }
    }
    memset(is_kept, 0, count);
    is_kept[0] = is_kept[far] = 1;
    size_t depth = 0;
    stack[depth++] = 0;
    stack[depth++] = far;
    stack[depth++] = far;
    stack[depth++] = count;
    while (depth > 0) {
        const uint32_t end = stack[--depth];
        const uint32_t start = stack[--depth];
        const struct vec2 a = points[start];
        const struct vec2 along = minus(points[end % count], a);
        const double length = length_of(along);
        double most = tolerance_m;
        uint32_t split = 0;
        for (uint32_t i = start + 1; i < end; i++) {
            const struct vec2 to = minus(points[i], a);
            const double away = length > 0 ? fabs(cross(to, along)) / length : length_of(to);
            if (away > most) {
                most = away;
                split = i;
            }
        }
        if (split != 0) {
            is_kept[split] = 1;
            stack[depth++] = start;
            stack[depth++] = split;
            stack[depth++] = split;
            stack[depth++] = end;
        }
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (is_kept[i]) {
            out[kept++] = points[i];
        }
    }
    return kept;
}

static bool is_sound(const struct vec2 *points, uint32_t count, double area, double drift,
                     struct arena *scratch)
{
    const uint32_t ends[1] = {count};
    const struct ring_set one = {points, ends, 1};
    return count >= 3 && fabs(ring_area(points, count) - area) <= drift * fabs(area) &&
           ring_set_crossings(&one, 1, scratch) == 0;
}

/* Rings that edge moves spoil: their rectangle, their hull, or thinned out. */
static uint32_t fall_back(const struct vec2 *points, uint32_t count, double tolerance_m,
                          struct vec2 *work, struct vec2 *hull, uint8_t *is_kept, uint32_t *stack,
                          struct arena *scratch, struct vec2 *out)
{
    const double area = ring_area(points, count);
    const uint32_t thin = thin_out(points, count, tolerance_m / 2, is_kept, stack, out);
    if (is_sound(out, thin, area, AREA_DRIFT, scratch)) {
        return thin;
    }
    memcpy(work, points, count * sizeof work[0]);
    const uint32_t hull_count = ring_hull(work, count, hull);
    struct vec2 rectangle[4];
    if (area > 0 && hull_count >= 3) {
        if (ring_rectangle(hull, hull_count, rectangle) <= (1 + AREA_EXCESS) * area) {
            memcpy(out, rectangle, sizeof rectangle);
            return 4;
        }
        if (ring_area(hull, hull_count) <= (1 + AREA_EXCESS) * area) {
            memcpy(out, hull, hull_count * sizeof hull[0]);
            return hull_count;
        }
    }
    memcpy(out, points, count * sizeof out[0]);
    return count;
}

/* Simplifies one ring into `out`; returns its count, 0 when it is too small to
 * be kept. */
static uint32_t simplify_ring(const struct vec2 *points, uint32_t count, double tolerance_m,
                              struct arena *scratch, struct vec2 *out, bool *out_is_full)
{
    struct vec2 *work = arena_array(scratch, struct vec2, count);
    struct vec2 *hull = arena_array(scratch, struct vec2, (size_t)count + 1);
    uint8_t *is_kept = arena_array(scratch, uint8_t, count);
    uint32_t *stack = arena_array(scratch, uint32_t, 4 * (size_t)count + 8);
    *out_is_full = work == NULL || hull == NULL || is_kept == NULL || stack == NULL;
    if (*out_is_full) {
        return 0;
    }
    const double area = ring_area(points, count);
    if (fabs(area) < tolerance_m * tolerance_m) {
        return 0;
    }
    struct ring_edit edit = {work, count, tolerance_m};
    memcpy(work, points, count * sizeof work[0]);
    if (count > MOVES_POINTS_MAX) {
        edit.count = thin_out(points, count, tolerance_m / 4, is_kept, stack, work);
    }
    if (edit.count <= MOVES_POINTS_MAX) {
        move_edges(&edit);
        if (is_sound(work, edit.count, area, AREA_DRIFT, scratch)) {
            memcpy(out, work, edit.count * sizeof out[0]);
            return edit.count;
        }
    }
    return fall_back(points, count, tolerance_m, work, hull, is_kept, stack, scratch, out);
}

bool footprint_simplify(const struct ring_set *plan, double tolerance_m, struct arena *out_arena,
                        struct arena *scratch, struct ring_set *out, struct err *err)
{
    struct vec2 *points = arena_array(out_arena, struct vec2, ring_point_count(plan) + 4u);
    uint32_t *ends = arena_array(out_arena, uint32_t, plan->ring_count);
    if (points == NULL || ends == NULL) {
        return arena_full(out_arena, err);
    }
    uint32_t point_count = 0;
    uint32_t ring_count = 0;
    for (uint32_t r = 0; r < plan->ring_count; r++) {
        const uint32_t start = ring_start(plan, r);
        const uint32_t count = plan->ends[r] - start;
        const struct arena_mark mark = arena_mark(scratch);
        /* A triangle's rectangle has one point more than it. */
        struct vec2 *simple = arena_array(scratch, struct vec2, (size_t)count + 4);
        bool is_full = simple == NULL;
        const uint32_t kept = is_full ? 0
                                      : simplify_ring(plan->points + start, count, tolerance_m,
                                                      scratch, simple, &is_full);
        if (is_full) {
            arena_reset(scratch, mark);
            return arena_full(scratch, err);
        }
        if (kept >= 3 && kept <= count) {
            memcpy(points + point_count, simple, kept * sizeof points[0]);
            point_count += kept;
            ends[ring_count++] = point_count;
        } else if (kept > count) {
            memcpy(points + point_count, plan->points + start, count * sizeof points[0]);
            point_count += count;
            ends[ring_count++] = point_count;
        }
        arena_reset(scratch, mark);
    }
    *out = (struct ring_set){points, ends, ring_count};
    return true;
}

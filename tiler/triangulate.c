/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/triangulate.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tiler/tessellate.h"

/* Rings with more points look up the neighbours of an ear in z-order. */
enum { HASHED_FROM = 40 };

/* Points looked at before ear clipping gives up: some hundred per point is
 * what the hardest real polygons need. */
enum { WORK_PER_POINT = 400, WORK_BASE = 20 * 1000 * 1000 };

/* Beyond rounding: the even-odd answer is then really another shape. */
#define CROSSING_AREA_TOLERANCE 1e-3

struct node {
    struct node *prev, *next;     /* in the ring, anticlockwise */
    struct node *prev_z, *next_z; /* in z-order; NULL at the ends */
    struct vec2 at;
    uint32_t point;
    uint32_t z;
    bool is_lone; /* a hole of one point: must not be filtered away */
};

/* A straight point that was taken out of the ring between two others. */
struct straight {
    uint32_t before, point, after;
};

struct clipper {
    const struct vec2 *points;
    struct node *nodes;
    uint32_t node_count;
    uint32_t node_room;
    uint32_t *corners;
    uint32_t corner_count;
    uint32_t corner_room;
    struct straight *straights;
    uint32_t straight_count; /* never more than node_room */
    struct node **pending;   /* rings still to be cut */
    uint32_t pending_count;  /* never more than node_room */
    bool is_hashed;
    struct vec2 low; /* of all points */
    double to_grid;
    uint64_t work_left;
    bool has_given_up;
};

static double turn(const struct node *a, const struct node *b, const struct node *c)
{
    return ring_turn(a->at, b->at, c->at);
}

static bool is_equal(const struct node *a, const struct node *b)
{
    return a->at.x == b->at.x && a->at.y == b->at.y;
}

/* Counts a step; false once too many were made. */
static bool may_go_on(struct clipper *clipper)
{
    if (clipper->work_left == 0) {
        clipper->has_given_up = true;
        return false;
    }
    clipper->work_left--;
    return true;
}

/* After `last` in its ring, or as a ring of its own. NULL: no room left. */
static struct node *add_node(struct clipper *clipper, uint32_t point, struct node *last)
{
    if (clipper->node_count == clipper->node_room) {
        clipper->has_given_up = true;
        return NULL;
    }
    struct node *node = &clipper->nodes[clipper->node_count++];
    *node = (struct node){.at = clipper->points[point], .point = point};
    if (last == NULL) {
        node->prev = node;
        node->next = node;
    } else {
        node->next = last->next;
        node->prev = last;
        last->next->prev = node;
        last->next = node;
    }
    return node;
}

static void remove_node(struct node *node)
{
    node->next->prev = node->prev;
    node->prev->next = node->next;
    if (node->prev_z != NULL) {
        node->prev_z->next_z = node->next_z;
    }
    if (node->next_z != NULL) {
        node->next_z->prev_z = node->prev_z;
    }
}

static void add_triangle(struct clipper *clipper, const struct node *a, const struct node *b,
                         const struct node *c)
{
    if (clipper->corner_count + 3 > clipper->corner_room) {
        clipper->has_given_up = true;
        return;
    }
    clipper->corners[clipper->corner_count++] = a->point;
    clipper->corners[clipper->corner_count++] = b->point;
    clipper->corners[clipper->corner_count++] = c->point;
}

/* Points of one ring in the wanted direction; NULL for an empty one. */
static struct node *make_ring(struct clipper *clipper, const struct ring_set *rings, uint32_t ring,
                              bool is_anticlockwise)
{
    const uint32_t start = ring_start(rings, ring);
    const uint32_t end = rings->ends[ring];
    const bool is_forward = (ring_area(rings->points + start, end - start) > 0) == is_anticlockwise;
    struct node *last = NULL;
    for (uint32_t i = start; i < end; i++) {
        const uint32_t point = is_forward ? i : end - 1 - (i - start);
        const struct vec2 at = rings->points[point];
        if (last != NULL && last->at.x == at.x && last->at.y == at.y) {
            continue;
        }
        last = add_node(clipper, point, last);
        if (last == NULL) {
            return NULL;
        }
    }
    if (last != NULL && last != last->next && is_equal(last, last->next)) {
        remove_node(last);
        last = last->prev;
    }
    return last;
}

static bool is_between(const struct node *a, const struct node *b, const struct node *c)
{
    return (b->at.x - a->at.x) * (c->at.x - b->at.x) + (b->at.y - a->at.y) * (c->at.y - b->at.y) >
           0;
}

/* Takes out points that repeat the next one or lie on a straight line between
 * their neighbours; remembers the latter. */
static struct node *filter(struct clipper *clipper, struct node *start, struct node *end)
{
    if (start == NULL) {
        return NULL;
    }
    if (end == NULL) {
        end = start;
    }
    struct node *node = start;
    bool again;
    do {
        again = false;
        const bool repeats = is_equal(node, node->next);
        if (!node->is_lone && (repeats || turn(node->prev, node, node->next) == 0)) {
            if (!repeats && is_between(node->prev, node, node->next)) {
                clipper->straights[clipper->straight_count++] =
                    (struct straight){node->prev->point, node->point, node->next->point};
            }
            remove_node(node);
            node = end = node->prev;
            if (node == node->next) {
                break;
            }
            again = true;
        } else {
            node = node->next;
        }
    } while ((again || node != end) && may_go_on(clipper));
    return end;
}

/* Interleaves 15 bits of x and y of a point in the box of all points. */
static uint32_t z_order(const struct clipper *clipper, double x_m, double y_m)
{
    uint32_t x = (uint32_t)((x_m - clipper->low.x) * clipper->to_grid);
    uint32_t y = (uint32_t)((y_m - clipper->low.y) * clipper->to_grid);
    x = (x | x << 8) & 0x00FF00FF;
    x = (x | x << 4) & 0x0F0F0F0F;
    x = (x | x << 2) & 0x33333333;
    x = (x | x << 1) & 0x55555555;
    y = (y | y << 8) & 0x00FF00FF;
    y = (y | y << 4) & 0x0F0F0F0F;
    y = (y | y << 2) & 0x33333333;
    y = (y | y << 1) & 0x55555555;
    return x | y << 1;
}

/* Merge sort of the z-list (Simon Tatham's, for linked lists): no memory, and
 * equal keys keep their order. */
static void sort_by_z(struct node *list)
{
    for (uint32_t run = 1;; run *= 2) {
        struct node *p = list;
        struct node *tail = NULL;
        uint32_t merge_count = 0;
        list = NULL;
        while (p != NULL) {
            merge_count++;
            struct node *q = p;
            uint32_t p_count = 0;
            while (p_count < run && q != NULL) {
                p_count++;
                q = q->next_z;
            }
            uint32_t q_count = run;
            while (p_count > 0 || (q_count > 0 && q != NULL)) {
                struct node *taken;
                if (p_count > 0 && (q_count == 0 || q == NULL || p->z <= q->z)) {
                    taken = p;
                    p = p->next_z;
                    p_count--;
                } else {
                    taken = q;
                    q = q->next_z;
                    q_count--;
                }
                if (tail != NULL) {
                    tail->next_z = taken;
                } else {
                    list = taken;
                }
                taken->prev_z = tail;
                tail = taken;
            }
            p = q;
        }
        tail->next_z = NULL;
        if (merge_count <= 1) {
            return;
        }
    }
}

static void index_by_z(struct clipper *clipper, struct node *start)
{
    struct node *node = start;
    do {
        node->z = z_order(clipper, node->at.x, node->at.y);
        node->prev_z = node->prev;
        node->next_z = node->next;
        node = node->next;
    } while (node != start);
    node->prev_z->next_z = NULL;
    node->prev_z = NULL;
    sort_by_z(node);
}

/* Inside or on the edge of an anticlockwise triangle. */
static bool is_in_triangle(struct vec2 a, struct vec2 b, struct vec2 c, struct vec2 p)
{
    return (c.x - p.x) * (a.y - p.y) >= (a.x - p.x) * (c.y - p.y) &&
           (a.x - p.x) * (b.y - p.y) >= (b.x - p.x) * (a.y - p.y) &&
           (b.x - p.x) * (c.y - p.y) >= (c.x - p.x) * (b.y - p.y);
}

struct ear_box {
    double low_x, low_y, high_x, high_y;
};

static struct ear_box box_of(const struct node *a, const struct node *b, const struct node *c)
{
    return (struct ear_box){
        fmin(a->at.x, fmin(b->at.x, c->at.x)), fmin(a->at.y, fmin(b->at.y, c->at.y)),
        fmax(a->at.x, fmax(b->at.x, c->at.x)), fmax(a->at.y, fmax(b->at.y, c->at.y))};
}

/* Only reflex points can spoil an ear. */
static bool spoils(const struct node *p, const struct node *a, const struct node *b,
                   const struct node *c, const struct ear_box *box)
{
    return p->at.x >= box->low_x && p->at.x <= box->high_x && p->at.y >= box->low_y &&
           p->at.y <= box->high_y && !is_equal(a, p) &&
           is_in_triangle(a->at, b->at, c->at, p->at) && turn(p->prev, p, p->next) <= 0;
}

static bool is_ear_plain(struct clipper *clipper, const struct node *ear)
{
    const struct node *a = ear->prev;
    const struct node *c = ear->next;
    const struct ear_box box = box_of(a, ear, c);
    for (const struct node *p = c->next; p != a; p = p->next) {
        if (!may_go_on(clipper) || spoils(p, a, ear, c, &box)) {
            return false;
        }
    }
    return true;
}

static bool is_ear_hashed(struct clipper *clipper, const struct node *ear)
{
    const struct node *a = ear->prev;
    const struct node *c = ear->next;
    const struct ear_box box = box_of(a, ear, c);
    const uint32_t low = z_order(clipper, box.low_x, box.low_y);
    const uint32_t high = z_order(clipper, box.high_x, box.high_y);
    const struct node *p = ear->prev_z;
    const struct node *n = ear->next_z;
    /* Both ways at once: the spoiler is near, whichever way it lies. */
    while ((p != NULL && p->z >= low) || (n != NULL && n->z <= high)) {
        if (!may_go_on(clipper)) {
            return false;
        }
        if (p != NULL && p->z >= low) {
            if (p != a && p != c && spoils(p, a, ear, c, &box)) {
                return false;
            }
            p = p->prev_z;
        }
        if (n != NULL && n->z <= high) {
            if (n != a && n != c && spoils(n, a, ear, c, &box)) {
                return false;
            }
            n = n->next_z;
        }
    }
    return true;
}

static bool is_ear(struct clipper *clipper, const struct node *ear)
{
    if (turn(ear->prev, ear, ear->next) <= 0) {
        return false;
    }
    return clipper->is_hashed ? is_ear_hashed(clipper, ear) : is_ear_plain(clipper, ear);
}

static int sign(double value)
{
    return (value > 0) - (value < 0);
}

/* For three points on a line. */
static bool is_on_segment(const struct node *p, const struct node *q, const struct node *r)
{
    return q->at.x <= fmax(p->at.x, r->at.x) && q->at.x >= fmin(p->at.x, r->at.x) &&
           q->at.y <= fmax(p->at.y, r->at.y) && q->at.y >= fmin(p->at.y, r->at.y);
}

static bool intersects(const struct node *p1, const struct node *q1, const struct node *p2,
                       const struct node *q2)
{
    const int o1 = sign(turn(p1, q1, p2));
    const int o2 = sign(turn(p1, q1, q2));
    const int o3 = sign(turn(p2, q2, p1));
    const int o4 = sign(turn(p2, q2, q1));
    return (o1 != o2 && o3 != o4) || (o1 == 0 && is_on_segment(p1, p2, q1)) ||
           (o2 == 0 && is_on_segment(p1, q2, q1)) || (o3 == 0 && is_on_segment(p2, p1, q2)) ||
           (o4 == 0 && is_on_segment(p2, q1, q2));
}

/* Does the diagonal leave `a` into the inside? */
static bool is_locally_inside(const struct node *a, const struct node *b)
{
    return turn(a->prev, a, a->next) > 0 ? turn(a, b, a->next) <= 0 && turn(a, a->prev, b) <= 0
                                         : turn(a, b, a->prev) > 0 || turn(a, a->next, b) > 0;
}

static bool is_middle_inside(struct clipper *clipper, const struct node *a, const struct node *b)
{
    const double x = (a->at.x + b->at.x) / 2;
    const double y = (a->at.y + b->at.y) / 2;
    bool is_inside = false;
    const struct node *p = a;
    do {
        const struct vec2 from = p->at;
        const struct vec2 to = p->next->at;
        if ((from.y > y) != (to.y > y) &&
            x < (to.x - from.x) * (y - from.y) / (to.y - from.y) + from.x) {
            is_inside = !is_inside;
        }
        p = p->next;
    } while (p != a && may_go_on(clipper));
    return is_inside;
}

static bool crosses_ring(struct clipper *clipper, const struct node *a, const struct node *b)
{
    const struct node *p = a;
    do {
        if (p->point != a->point && p->next->point != a->point && p->point != b->point &&
            p->next->point != b->point && intersects(p, p->next, a, b)) {
            return true;
        }
        p = p->next;
    } while (p != a && may_go_on(clipper));
    return false;
}

static bool is_diagonal(struct clipper *clipper, const struct node *a, const struct node *b)
{
    if (a->next->point == b->point || a->prev->point == b->point || crosses_ring(clipper, a, b)) {
        return false;
    }
    if (is_locally_inside(a, b) && is_locally_inside(b, a) && is_middle_inside(clipper, a, b) &&
        (turn(a->prev, a, b->prev) != 0 || turn(a, b->prev, b) != 0)) {
        return true;
    }
    /* A diagonal without length, between two reflex visits to one place. */
    return is_equal(a, b) && turn(a->prev, a, a->next) < 0 && turn(b->prev, b, b->next) < 0;
}

/* Joins a and b by two opposite edges: one ring becomes two, or a hole joins
 * its outer ring. Returns the second copy of b. */
static struct node *split_ring(struct clipper *clipper, struct node *a, struct node *b)
{
    struct node *a2 = add_node(clipper, a->point, NULL);
    struct node *b2 = add_node(clipper, b->point, NULL);
    if (a2 == NULL || b2 == NULL) {
        return NULL;
    }
    struct node *a_next = a->next;
    struct node *b_prev = b->prev;
    a->next = b;
    b->prev = a;
    a2->next = a_next;
    a_next->prev = a2;
    b2->next = a2;
    a2->prev = b2;
    b_prev->next = b2;
    b2->prev = b_prev;
    return b2;
}

/* Where two edges with one between them cross, cut the corner off. */
static struct node *cure_crossings(struct clipper *clipper, struct node *start)
{
    struct node *p = start;
    do {
        struct node *a = p->prev;
        struct node *b = p->next->next;
        if (!is_equal(a, b) && intersects(a, p, p->next, b) && is_locally_inside(a, b) &&
            is_locally_inside(b, a)) {
            add_triangle(clipper, a, p, b);
            remove_node(p);
            remove_node(p->next);
            p = start = b;
        }
        p = p->next;
    } while (p != start && may_go_on(clipper));
    return filter(clipper, p, NULL);
}

static void push_pending(struct clipper *clipper, struct node *ring)
{
    assert(clipper->pending_count < clipper->node_room);
    clipper->pending[clipper->pending_count++] = ring;
}

/* No ear is left: cut the ring in two where a diagonal allows. */
static void split_and_push(struct clipper *clipper, struct node *start)
{
    struct node *a = start;
    do {
        for (struct node *b = a->next->next; b != a->prev; b = b->next) {
            if (!may_go_on(clipper)) {
                return;
            }
            if (a->point == b->point || !is_diagonal(clipper, a, b)) {
                continue;
            }
            struct node *c = split_ring(clipper, a, b);
            if (c != NULL) {
                push_pending(clipper, filter(clipper, c, c->next));
                push_pending(clipper, filter(clipper, a, a->next));
            }
            return;
        }
        a = a->next;
    } while (a != start);
}

/* Cuts ears until two points are left, or none is an ear any more. Returns
 * NULL when done, else a node of what is left. */
static struct node *cut_ears(struct clipper *clipper, struct node *ear)
{
    struct node *stop = ear;
    while (ear->prev != ear->next) {
        struct node *next = ear->next;
        if (clipper->has_given_up) {
            return NULL;
        }
        if (is_ear(clipper, ear)) {
            add_triangle(clipper, ear->prev, ear, next);
            remove_node(ear);
            /* Skipping one gives fewer slivers. */
            ear = next->next;
            stop = ear;
            continue;
        }
        ear = next;
        if (ear == stop) {
            return ear;
        }
    }
    return NULL;
}

static void cut_ring(struct clipper *clipper, struct node *ring)
{
    if (clipper->is_hashed) {
        index_by_z(clipper, ring);
    }
    struct node *left = cut_ears(clipper, ring);
    if (left != NULL) {
        left = cut_ears(clipper, filter(clipper, left, NULL));
    }
    if (left != NULL) {
        left = cut_ears(clipper, cure_crossings(clipper, filter(clipper, left, NULL)));
    }
    if (left != NULL) {
        split_and_push(clipper, left);
    }
}

static struct node *leftmost(struct node *ring)
{
    struct node *found = ring;
    for (struct node *p = ring->next; p != ring; p = p->next) {
        if (p->at.x < found->at.x || (p->at.x == found->at.x && p->at.y < found->at.y)) {
            found = p;
        }
    }
    return found;
}

/* By x, then y; holes that meet in their leftmost point by slope, so that the
 * bridge of the second starts at the point where they meet. */
static int compare_holes(const void *left, const void *right)
{
    const struct node *a = *(struct node *const *)left;
    const struct node *b = *(struct node *const *)right;
    if (a->at.x != b->at.x) {
        return a->at.x < b->at.x ? -1 : 1;
    }
    if (a->at.y != b->at.y) {
        return a->at.y < b->at.y ? -1 : 1;
    }
    /* As cross products, so that a vertical edge divides nothing by zero. */
    const double turned = (a->next->at.x - a->at.x) * (b->next->at.y - b->at.y) -
                          (b->next->at.x - b->at.x) * (a->next->at.y - a->at.y);
    if (turned != 0) {
        return turned > 0 ? -1 : 1;
    }
    return (a->point > b->point) - (a->point < b->point);
}

/* The outer edge that a ray to the left from the hole meets first; of it the
 * left end. *out_x: where the ray meets it. NULL: none. */
static struct node *find_left_edge(struct clipper *clipper, const struct node *hole,
                                   struct node *outer, double *out_x, bool *out_is_final)
{
    struct node *found = NULL;
    double best_x = -INFINITY;
    struct node *p = outer;
    *out_is_final = true;
    if (is_equal(hole, p)) {
        return p;
    }
    do {
        const struct vec2 from = p->at;
        const struct vec2 to = p->next->at;
        if (is_equal(hole, p->next)) {
            return p->next;
        }
        if (hole->at.y <= from.y && hole->at.y >= to.y && to.y != from.y) {
            const double x = from.x + (hole->at.y - from.y) * (to.x - from.x) / (to.y - from.y);
            if (x <= hole->at.x && x > best_x) {
                best_x = x;
                found = from.x < to.x ? p : p->next;
                if (x == hole->at.x) {
                    return found; /* the hole touches this edge */
                }
            }
        }
        p = p->next;
    } while (p != outer && may_go_on(clipper));
    *out_x = best_x;
    *out_is_final = false;
    return found;
}

/* Does the sector at m contain the sector at p, where both are one place? */
static bool contains_sector(const struct node *m, const struct node *p)
{
    return turn(m->prev, m, p->prev) > 0 && turn(p->next, m, m->next) > 0;
}

/* Eberly's bridge: the ray's edge end, unless a point in the triangle between
 * is seen at a smaller angle. */
static struct node *find_bridge(struct clipper *clipper, const struct node *hole,
                                struct node *outer)
{
    double ray_x = 0;
    bool is_final;
    struct node *best = find_left_edge(clipper, hole, outer, &ray_x, &is_final);
    if (best == NULL || is_final) {
        return best;
    }
    const struct vec2 h = hole->at;
    const struct vec2 m = best->at;
    const struct vec2 a = {h.y < m.y ? h.x : ray_x, h.y};
    const struct vec2 c = {h.y < m.y ? ray_x : h.x, h.y};
    double least = INFINITY;
    struct node *const stop = best;
    struct node *p = best;
    do {
        if (h.x > p->at.x && p->at.x >= m.x && is_in_triangle(a, m, c, p->at)) {
            const double slope = fabs(h.y - p->at.y) / (h.x - p->at.x);
            const bool is_better =
                slope < least ||
                (slope == least &&
                 (p->at.x > best->at.x || (p->at.x == best->at.x && contains_sector(best, p))));
            if (is_better && is_locally_inside(p, hole)) {
                best = p;
                least = slope;
            }
        }
        p = p->next;
    } while (p != stop && may_go_on(clipper));
    return best;
}

static struct node *join_holes(struct clipper *clipper, const struct ring_set *rings,
                               struct node *outer, struct node **holes)
{
    uint32_t hole_count = 0;
    for (uint32_t ring = 1; ring < rings->ring_count; ring++) {
        struct node *list = make_ring(clipper, rings, ring, false);
        if (list != NULL) {
            list->is_lone = list == list->next;
            holes[hole_count++] = leftmost(list);
        }
    }
    qsort(holes, hole_count, sizeof *holes, compare_holes);
    for (uint32_t i = 0; i < hole_count && !clipper->has_given_up; i++) {
        struct node *bridge = find_bridge(clipper, holes[i], outer);
        if (bridge == NULL) {
            continue; /* outside: the area will tell */
        }
        struct node *back = split_ring(clipper, bridge, holes[i]);
        if (back == NULL) {
            break;
        }
        filter(clipper, back, back->next);
        outer = filter(clipper, bridge, bridge->next);
    }
    return outer;
}

static void set_grid(struct clipper *clipper, const struct ring_set *rings, uint32_t count)
{
    struct vec2 low = {INFINITY, INFINITY};
    struct vec2 high = {-INFINITY, -INFINITY};
    for (uint32_t i = 0; i < count; i++) {
        low = (struct vec2){fmin(low.x, rings->points[i].x), fmin(low.y, rings->points[i].y)};
        high = (struct vec2){fmax(high.x, rings->points[i].x), fmax(high.y, rings->points[i].y)};
    }
    const double size = fmax(high.x - low.x, high.y - low.y);
    clipper->low = low;
    clipper->to_grid = size > 0 ? 32767 / size : 0;
    clipper->is_hashed = count > HASHED_FROM && isfinite(clipper->to_grid) && size > 0;
}

static bool clipper_init(struct clipper *clipper, const struct ring_set *rings,
                         struct arena *scratch, struct err *err)
{
    const uint32_t count = ring_point_count(rings);
    /* Two nodes a hole and two a split; there are fewer splits than points. */
    const uint32_t room = 3 * count + 2 * rings->ring_count + 8;
    *clipper = (struct clipper){
        .points = rings->points,
        .nodes = arena_array(scratch, struct node, room),
        .node_room = room,
        .corners = arena_array(scratch, uint32_t, 3 * (size_t)room),
        .corner_room = 3 * room,
        .straights = arena_array(scratch, struct straight, room),
        .pending = arena_array(scratch, struct node *, room),
        .work_left = (uint64_t)WORK_PER_POINT * count + WORK_BASE,
    };
    if (clipper->nodes == NULL || clipper->corners == NULL || clipper->straights == NULL ||
        clipper->pending == NULL) {
        return arena_full(scratch, err);
    }
    set_grid(clipper, rings, count);
    return true;
}

static void clip(struct clipper *clipper, const struct ring_set *rings, struct node **holes)
{
    struct node *outer = make_ring(clipper, rings, 0, true);
    if (outer == NULL || outer->next == outer->prev) {
        return;
    }
    push_pending(clipper, join_holes(clipper, rings, outer, holes));
    while (clipper->pending_count > 0 && !clipper->has_given_up) {
        cut_ring(clipper, clipper->pending[--clipper->pending_count]);
    }
}

/* A table of directed triangle edges by the positions of their ends. Entries
 * are corner numbers + 1 and are never taken out: a triangle that was split
 * no longer has the edge, which looking it up notices. */
struct edge_table {
    const struct vec2 *points;
    const uint32_t *corners;
    uint32_t *slots;
    uint32_t mask;
};

static uint32_t next_corner(uint32_t corner)
{
    return corner % 3 == 2 ? corner - 2 : corner + 1;
}

static uint64_t mix(uint64_t hash, double value)
{
    uint64_t bits;
    const double plain = value + 0.0; /* -0 and 0 are one place */
    memcpy(&bits, &plain, sizeof bits);
    hash = (hash ^ bits) * 0x9E3779B97F4A7C15u;
    return hash ^ hash >> 29;
}

static uint32_t edge_slot(const struct edge_table *table, struct vec2 a, struct vec2 b)
{
    const uint64_t hash = mix(mix(mix(mix(1, a.x), a.y), b.x), b.y);
    return (uint32_t)(hash >> 32) & table->mask;
}

static void edge_add(struct edge_table *table, uint32_t corner)
{
    uint32_t slot = edge_slot(table, table->points[table->corners[corner]],
                              table->points[table->corners[next_corner(corner)]]);
    while (table->slots[slot] != 0) {
        slot = (slot + 1) & table->mask;
    }
    table->slots[slot] = corner + 1;
}

/* UINT32_MAX: no triangle has this edge. */
static uint32_t edge_find(const struct edge_table *table, struct vec2 a, struct vec2 b)
{
    for (uint32_t slot = edge_slot(table, a, b); table->slots[slot] != 0;
         slot = (slot + 1) & table->mask) {
        const uint32_t corner = table->slots[slot] - 1;
        const struct vec2 from = table->points[table->corners[corner]];
        const struct vec2 to = table->points[table->corners[next_corner(corner)]];
        if (from.x == a.x && from.y == a.y && to.x == b.x && to.y == b.y) {
            return corner;
        }
    }
    return UINT32_MAX;
}

/* Puts straight points back, last one first: each splits the triangle at the
 * edge that it was taken out of. */
static bool restore_straights(struct clipper *clipper, struct arena *scratch, struct err *err)
{
    if (clipper->straight_count == 0) {
        return true;
    }
    const uint32_t most = clipper->corner_count + 3 * clipper->straight_count;
    uint32_t slot_count = 16;
    while (slot_count < 2 * most) {
        slot_count *= 2;
    }
    struct edge_table table = {.points = clipper->points,
                               .corners = clipper->corners,
                               .slots = arena_array(scratch, uint32_t, slot_count),
                               .mask = slot_count - 1};
    if (table.slots == NULL) {
        return arena_full(scratch, err);
    }
    for (uint32_t corner = 0; corner < clipper->corner_count; corner++) {
        edge_add(&table, corner);
    }
    for (uint32_t i = clipper->straight_count; i-- > 0;) {
        const struct straight *s = &clipper->straights[i];
        const uint32_t corner =
            edge_find(&table, clipper->points[s->before], clipper->points[s->after]);
        if (corner == UINT32_MAX || clipper->corner_count + 3 > clipper->corner_room) {
            continue; /* the edge has become a spike and went with it */
        }
        uint32_t *corners = clipper->corners;
        const uint32_t end = next_corner(corner);
        const uint32_t apex = next_corner(end);
        const uint32_t added = clipper->corner_count;
        corners[added] = s->point;
        corners[added + 1] = corners[end];
        corners[added + 2] = corners[apex];
        corners[end] = s->point;
        clipper->corner_count += 3;
        edge_add(&table, corner);
        edge_add(&table, added);
        edge_add(&table, added + 1);
    }
    return true;
}

static double triangles_area(const struct vec2 *points, const uint32_t *corners, uint32_t count)
{
    double twice = 0;
    for (uint32_t i = 0; i < count; i++) {
        twice += fabs(ring_turn(points[corners[3 * i]], points[corners[3 * i + 1]],
                                points[corners[3 * i + 2]]));
    }
    return twice / 2;
}

static bool check_points(const struct ring_set *rings, struct err *err)
{
    const uint32_t count = ring_point_count(rings);
    if (count > TRIANGULATE_POINTS_MAX) {
        return err_set(err, ERR_LIMIT, "polygon of %u points, more than %d", count,
                       (int)TRIANGULATE_POINTS_MAX);
    }
    if (count < 3) {
        return err_set(err, ERR_GEOMETRY, "polygon of %u points", count);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!isfinite(rings->points[i].x) || !isfinite(rings->points[i].y)) {
            return err_set(err, ERR_GEOMETRY, "point %u of a polygon is not finite", i);
        }
    }
    return true;
}

/* Points relative to the first: products of large coordinates lose digits. */
static bool center_rings(const struct ring_set *rings, struct arena *scratch, struct ring_set *out,
                         struct err *err)
{
    const uint32_t count = ring_point_count(rings);
    struct vec2 *points = arena_array(scratch, struct vec2, count);
    if (points == NULL) {
        return arena_full(scratch, err);
    }
    for (uint32_t i = 0; i < count; i++) {
        points[i] = (struct vec2){rings->points[i].x - rings->points[0].x,
                                  rings->points[i].y - rings->points[0].y};
    }
    *out = (struct ring_set){points, rings->ends, rings->ring_count};
    return true;
}

static bool cut_by_ears(const struct ring_set *rings, double area, struct arena *out_arena,
                        struct arena *scratch, struct triangulate_result *out, bool *out_is_whole,
                        struct err *err)
{
    struct clipper clipper;
    struct node **holes = arena_array(scratch, struct node *, rings->ring_count);
    if (holes == NULL) {
        return arena_full(scratch, err);
    }
    if (!clipper_init(&clipper, rings, scratch, err)) {
        return false;
    }
    clip(&clipper, rings, holes);
    if (!restore_straights(&clipper, scratch, err)) {
        return false;
    }
    const uint32_t count = clipper.corner_count / 3;
    const double found = triangles_area(rings->points, clipper.corners, count);
    /* The second term is rounding of the outer ring when holes leave little. */
    const double outer = fabs(ring_area(rings->points, rings->ends[0]));
    *out_is_whole = !clipper.has_given_up && count > 0 &&
                    fabs(found - area) <= TRIANGULATE_AREA_TOLERANCE * area + 1e-13 * outer;
    if (!*out_is_whole) {
        return true;
    }
    uint32_t *corners = arena_array(out_arena, uint32_t, clipper.corner_count);
    if (corners == NULL) {
        return arena_full(out_arena, err);
    }
    memcpy(corners, clipper.corners, clipper.corner_count * sizeof *corners);
    *out = (struct triangulate_result){
        .corners = corners, .triangle_count = count, .area = found, .method = TRIANGULATE_EARS};
    return true;
}

static bool cut_by_sweep(const struct ring_set *rings, double area, struct arena *out_arena,
                         struct arena *scratch, struct triangulate_result *out, struct err *err)
{
    struct tessellation swept;
    if (!tessellate_triangles(rings, TESSELLATE_ODD, out_arena, scratch, &swept, err)) {
        return false;
    }
    const double found = triangles_area(swept.points, swept.corners, swept.triangle_count);
    if (!(found > 0)) {
        return err_set(err, ERR_GEOMETRY, "polygon without area");
    }
    *out = (struct triangulate_result){
        .corners = swept.corners,
        .triangle_count = swept.triangle_count,
        .blends = swept.blends,
        .blend_count = swept.added_count,
        .area = found,
        .method = fabs(found - area) <= CROSSING_AREA_TOLERANCE * area ? TRIANGULATE_TESSELLATED
                                                                       : TRIANGULATE_CROSSING,
    };
    return true;
}

/* Most polygons of a city are walls: a triangle or a convex quadrangle. */
static bool is_plain(const struct ring_set *rings)
{
    const struct vec2 *p = rings->points;
    if (rings->ring_count != 1 || rings->ends[0] > 4) {
        return false;
    }
    if (rings->ends[0] == 3) {
        return ring_turn(p[0], p[1], p[2]) != 0;
    }
    const bool is_left = ring_turn(p[0], p[1], p[2]) > 0;
    for (uint32_t i = 0; i < 4; i++) {
        const double turned = ring_turn(p[i], p[(i + 1) % 4], p[(i + 2) % 4]);
        if (turned == 0 || (turned > 0) != is_left) {
            return false;
        }
    }
    return true; /* four turns one way: it cannot cross itself */
}

static bool cut_plain(const struct ring_set *rings, double area, struct arena *out_arena,
                      struct triangulate_result *out, struct err *err)
{
    const bool is_left = ring_turn(rings->points[0], rings->points[1], rings->points[2]) > 0;
    const uint32_t count = rings->ends[0] - 2;
    uint32_t *corners = arena_array(out_arena, uint32_t, 3 * count);
    if (corners == NULL) {
        return arena_full(out_arena, err);
    }
    for (uint32_t i = 0; i < count; i++) {
        corners[3 * i] = 0;
        corners[3 * i + 1] = is_left ? i + 1 : i + 2;
        corners[3 * i + 2] = is_left ? i + 2 : i + 1;
    }
    *out = (struct triangulate_result){
        .corners = corners, .triangle_count = count, .area = area, .method = TRIANGULATE_EARS};
    return true;
}

bool triangulate_polygon(const struct ring_set *rings, struct arena *out_arena,
                         struct arena *scratch, struct triangulate_result *out, struct err *err)
{
    assert(rings->ring_count >= 1);
    if (!check_points(rings, err)) {
        return false;
    }
    if (is_plain(rings)) {
        return cut_plain(rings, ring_set_area(rings), out_arena, out, err);
    }
    const struct arena_mark mark = arena_mark(scratch);
    struct ring_set local;
    struct triangulate_result found;
    bool is_whole = false;
    bool ok = center_rings(rings, scratch, &local, err);
    const double area = ok ? ring_set_area(&local) : 0;
    ok = ok && cut_by_ears(&local, area, out_arena, scratch, &found, &is_whole, err) &&
         (is_whole || cut_by_sweep(&local, area, out_arena, scratch, &found, err));
    if (ok) {
        *out = found;
    }
    if (out_arena != scratch) {
        arena_reset(scratch, mark);
    }
    return ok;
}

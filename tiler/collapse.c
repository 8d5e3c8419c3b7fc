/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/collapse.h"

#include <assert.h>
#include <string.h>

#define NONE UINT32_MAX

/* Of a triangle's normal before and after: what turns further had better stay. */
static const double TURN_COSINE_MIN = 0.2;

/* A triangle in the plane of its face, within a degree, is a part of that face. */
static const double ONE_PLANE_COSINE = 0.99985;

/* Among edges that cost nothing the short ones go first: a hundred metres weigh
 * as much as a tenth of a millimetre. */
static const double COST_PER_LENGTH2 = 1e-12;

/* How much a border weighs, by its length squared, beside the areas around. */
static const double BORDER_WEIGHT = 3;

/* Sum of w * (n . p + d)^2 as a function of p, which is taken from the first
 * point of the shape: squares of small numbers. */
struct quadric {
    double xx, xy, xz, yy, yz, zz;
    double x, y, z;
    double constant;
    double weight; /* of faces, not of borders */
};

enum point_state {
    POINT_FREE,
    POINT_LOCKED, /* may be moved onto, never moves */
    POINT_GONE
};

struct collapse {
    const struct shape *full;
    uint32_t *corners; /* full->triangle_count x 3; the first is NONE: gone */
    uint32_t *next;    /* per corner: another corner at the same point, or NONE */
    uint32_t *first;   /* per point: one of its corners */
    float *uvs;        /* as the shape's, or NULL */
    uint32_t *classes; /* per face: equal for equal kind, material and texture */
    struct quadric *quadrics;
    uint8_t *states;     /* enum point_state */
    uint32_t *places;    /* per point: where it is in the heap + 1; 0: nowhere */
    uint8_t *is_checked; /* per point: its cost is that of a spoke it may move along */
    uint32_t *slots;     /* per point: where it is in the ring that is looked at */
    uint64_t *heap;      /* cost as the bits of a float, then the point */
    size_t heap_count;
    uint32_t triangle_count;
};

/* A neighbour of a point. */
struct spoke {
    uint32_t point;
    uint32_t count; /* of triangles at the edge to it: 2 inside a simple surface, 1 on its border */
    uint32_t class_of;
    bool has_classes; /* more than one */
};

/* A point with its triangles and neighbours, in no order: they need not be a
 * simple fan.
 *
 *          spokes[1]
 *          /    |
 *    spokes[2]--v--spokes[0]
 */
struct star {
    uint32_t point;
    uint32_t count; /* of triangles */
    uint32_t spoke_count;
    uint32_t corners[COLLAPSE_VALENCE_MAX]; /* of the triangles, at the point */
    struct spoke spokes[2 * COLLAPSE_VALENCE_MAX];
    struct vec3 normals[COLLAPSE_VALENCE_MAX]; /* unit, or zero without area */
    uint32_t rim_count;                        /* spokes whose edge has not two triangles */
    uint32_t seam_count;                       /* those, and spokes between different classes */
};

static uint32_t next_of(uint32_t corner)
{
    return corner % 3 == 2 ? corner - 2 : corner + 1;
}

static uint32_t last_of(uint32_t corner)
{
    return corner % 3 == 0 ? corner + 2 : corner - 1;
}

static bool is_gone(const struct collapse *c, uint32_t triangle)
{
    return c->corners[3 * (size_t)triangle] == NONE;
}

static struct vec3 point_of(const struct collapse *c, uint32_t point)
{
    return c->full->points[point];
}

/* ---- quadrics ---- */

static void add_plane(struct quadric *q, struct vec3 n, double d, double weight)
{
    q->xx += weight * n.x * n.x;
    q->xy += weight * n.x * n.y;
    q->xz += weight * n.x * n.z;
    q->yy += weight * n.y * n.y;
    q->yz += weight * n.y * n.z;
    q->zz += weight * n.z * n.z;
    q->x += weight * n.x * d;
    q->y += weight * n.y * d;
    q->z += weight * n.z * d;
    q->constant += weight * d * d;
}

static void add_quadric(struct quadric *to, const struct quadric *from)
{
    to->xx += from->xx;
    to->xy += from->xy;
    to->xz += from->xz;
    to->yy += from->yy;
    to->yz += from->yz;
    to->zz += from->zz;
    to->x += from->x;
    to->y += from->y;
    to->z += from->z;
    to->constant += from->constant;
    to->weight += from->weight;
}

/* The mean squared distance from the planes. */
static double quadric_at(const struct quadric *q, struct vec3 p)
{
    const double x = q->xx * p.x + 2 * (q->xy * p.y + q->xz * p.z + q->x);
    const double y = q->yy * p.y + 2 * (q->yz * p.z + q->y);
    const double z = q->zz * p.z + 2 * q->z;
    const double sum = x * p.x + y * p.y + z * p.z + q->constant;
    return sum > 0 && q->weight > 0 ? sum / q->weight : 0;
}

static struct vec3 from_first(const struct collapse *c, uint32_t point)
{
    return vec3_sub(point_of(c, point), c->full->points[0]);
}

static void add_faces(struct collapse *c)
{
    for (uint32_t t = 0; t < c->full->triangle_count; t++) {
        if (is_gone(c, t)) {
            continue;
        }
        const uint32_t *points = c->corners + 3 * (size_t)t;
        const struct vec3 a = from_first(c, points[0]);
        const struct vec3 across = vec3_cross(vec3_sub(from_first(c, points[1]), a),
                                              vec3_sub(from_first(c, points[2]), a));
        const double area = vec3_length(across) / 2;
        const struct vec3 normal = vec3_unit(across);
        for (int k = 0; k < 3; k++) {
            add_plane(&c->quadrics[points[k]], normal, -vec3_dot(normal, a), area);
            c->quadrics[points[k]].weight += area;
        }
    }
}

/* ---- stars ---- */

/* Slots are numbers of spokes + 1 while one star is looked at. */
static void forget_slots(struct collapse *c, const struct star *star)
{
    for (uint32_t i = 0; i < star->spoke_count; i++) {
        c->slots[star->spokes[i].point] = 0;
    }
}

static void add_spoke(struct collapse *c, struct star *star, uint32_t point, uint32_t class_of)
{
    if (c->slots[point] == 0) {
        star->spokes[star->spoke_count++] = (struct spoke){point, 0, class_of, false};
        c->slots[point] = star->spoke_count;
    }
    struct spoke *spoke = &star->spokes[c->slots[point] - 1];
    spoke->count++;
    spoke->has_classes = spoke->has_classes || spoke->class_of != class_of;
}

static uint32_t class_of(const struct collapse *c, uint32_t corner)
{
    return c->classes[c->full->triangle_faces[corner / 3]];
}

/* Lists the triangles at the point; forgets those that are gone. False: too
 * many. */
static bool list_corners(struct collapse *c, uint32_t point, struct star *star)
{
    star->point = point;
    star->count = 0;
    uint32_t *link = &c->first[point];
    while (*link != NONE) {
        if (is_gone(c, *link / 3)) {
            *link = c->next[*link];
            continue;
        }
        if (star->count == COLLAPSE_VALENCE_MAX) {
            return false;
        }
        star->corners[star->count++] = *link;
        link = &c->next[*link];
    }
    return true;
}

static bool is_rim(const struct spoke *spoke)
{
    return spoke->count != 2;
}

static bool is_seam(const struct spoke *spoke)
{
    return spoke->count != 2 || spoke->has_classes;
}

static void find_normals(const struct collapse *c, struct star *star)
{
    const struct vec3 v = point_of(c, star->point);
    for (uint32_t i = 0; i < star->count; i++) {
        const struct vec3 a = point_of(c, c->corners[next_of(star->corners[i])]);
        const struct vec3 b = point_of(c, c->corners[last_of(star->corners[i])]);
        star->normals[i] = vec3_unit(vec3_cross(vec3_sub(a, v), vec3_sub(b, v)));
    }
}

/* False: the point has none, or too many; it stays. The caller forgets the
 * slots. */
static bool find_star(struct collapse *c, uint32_t point, struct star *star)
{
    star->spoke_count = 0;
    star->rim_count = 0;
    star->seam_count = 0;
    if (!list_corners(c, point, star) || star->count == 0) {
        return false;
    }
    for (uint32_t i = 0; i < star->count; i++) {
        const uint32_t corner = star->corners[i];
        add_spoke(c, star, c->corners[next_of(corner)], class_of(c, corner));
        add_spoke(c, star, c->corners[last_of(corner)], class_of(c, corner));
    }
    for (uint32_t i = 0; i < star->spoke_count; i++) {
        star->rim_count += is_rim(&star->spokes[i]);
        star->seam_count += is_seam(&star->spokes[i]);
    }
    find_normals(c, star);
    return true;
}

/* Whether a triangle of the star vanishes with the edge to `point`. */
static bool has_point(const struct collapse *c, uint32_t corner, uint32_t point)
{
    return c->corners[next_of(corner)] == point || c->corners[last_of(corner)] == point;
}

/* ---- what may go where ---- */

/* Points on a border, or where several sheets meet, move along that. */
static bool may_move_along(const struct star *star, const struct spoke *spoke)
{
    return star->rim_count == 0 || is_rim(spoke);
}

static double distance2_to_segment(struct vec3 p, struct vec3 a, struct vec3 b)
{
    const struct vec3 along = vec3_sub(b, a);
    const struct vec3 to = vec3_sub(p, a);
    const double length2 = vec3_dot(along, along);
    const double share = length2 > 0 ? vec3_dot(to, along) / length2 : 0;
    const double at = share < 0 ? 0 : share > 1 ? 1 : share;
    const struct vec3 off = vec3_sub(to, vec3_scale(along, at));
    return vec3_dot(off, off);
}

/* How far the seams through the star's point move, squared: where two meet, as
 * far as it is to their new course; where more do, as far as the point moves. */
static double seam_cost(const struct collapse *c, const struct star *star,
                        const struct spoke *spoke)
{
    const struct vec3 v = point_of(c, star->point);
    const struct vec3 u = point_of(c, spoke->point);
    const struct vec3 along = vec3_sub(u, v);
    double least = vec3_dot(along, along);
    for (uint32_t i = 0; star->seam_count == 2 && i < star->spoke_count; i++) {
        if (is_seam(&star->spokes[i])) {
            const double off = distance2_to_segment(v, u, point_of(c, star->spokes[i].point));
            least = off < least ? off : least;
        }
    }
    return least;
}

static double cost_of(const struct collapse *c, const struct star *star, const struct spoke *spoke)
{
    const struct vec3 along = vec3_sub(point_of(c, spoke->point), point_of(c, star->point));
    double worst = star->seam_count > 0 ? seam_cost(c, star, spoke) : 0;
    for (uint32_t i = 0; i < star->count; i++) {
        const double off = vec3_dot(star->normals[i], along);
        worst = off * off > worst ? off * off : worst;
    }
    const double mean = quadric_at(&c->quadrics[star->point], from_first(c, spoke->point));
    return (mean > worst ? mean : worst) + COST_PER_LENGTH2 * vec3_dot(along, along);
}

/* No triangle that stays turns over, against what it is now and against the
 * face that it came from. */
static bool keeps_sides(const struct collapse *c, const struct star *star,
                        const struct spoke *spoke)
{
    const struct vec3 u = point_of(c, spoke->point);
    for (uint32_t i = 0; i < star->count; i++) {
        const uint32_t corner = star->corners[i];
        if (has_point(c, corner, spoke->point)) {
            continue;
        }
        const struct vec3 a = vec3_sub(point_of(c, c->corners[next_of(corner)]), u);
        const struct vec3 b = vec3_sub(point_of(c, c->corners[last_of(corner)]), u);
        const struct vec3 across = vec3_cross(a, b);
        const double length = vec3_length(across);
        const struct vec3 was = star->normals[i];
        const struct vec3 source = c->full->faces[c->full->triangle_faces[corner / 3]].normal;
        /* Needles are as bad as nothing: their normals are noise. */
        const double least = 1e-4 * (vec3_dot(a, a) + vec3_dot(b, b));
        if (!(length > least) || vec3_dot(was, across) < TURN_COSINE_MIN * length ||
            vec3_dot(source, across) < 0) {
            return false;
        }
    }
    return true;
}

/* The third points of the triangles that vanish with an edge. */
struct thirds {
    uint32_t points[COLLAPSE_VALENCE_MAX];
    uint32_t stay_counts[COLLAPSE_VALENCE_MAX]; /* triangles that stay at its two edges */
    uint32_t count;
};

static uint32_t find_third(const struct thirds *thirds, uint32_t point)
{
    uint32_t at = 0;
    while (at < thirds->count && thirds->points[at] != point) {
        at++;
    }
    return at;
}

static void list_thirds(const struct collapse *c, const struct star *star,
                        const struct spoke *spoke, struct thirds *out)
{
    out->count = 0;
    for (uint32_t i = 0; i < star->count; i++) {
        const uint32_t a = c->corners[next_of(star->corners[i])];
        const uint32_t b = c->corners[last_of(star->corners[i])];
        if (a == spoke->point || b == spoke->point) {
            const uint32_t third = a == spoke->point ? b : a;
            const uint32_t at = find_third(out, third);
            if (at == out->count) {
                out->stay_counts[at] = star->spokes[c->slots[third] - 1].count;
                out->points[out->count++] = third;
            }
            out->stay_counts[at]--;
        }
    }
}

/* Points next to both ends are those of the vanishing triangles and no others,
 * else two sheets would be glued together. */
static bool keeps_topology(const struct collapse *c, const struct star *star,
                           const struct spoke *spoke)
{
    const uint32_t u = spoke->point;
    struct thirds thirds;
    if (star->count == spoke->count) {
        return false; /* all that is left of it would vanish */
    }
    list_thirds(c, star, spoke, &thirds);
    uint32_t seen = 0;
    for (uint32_t corner = c->first[u]; corner != NONE; corner = c->next[corner]) {
        if (is_gone(c, corner / 3)) {
            continue;
        }
        if (++seen > COLLAPSE_VALENCE_MAX) {
            return false;
        }
        const uint32_t a = c->corners[next_of(corner)];
        const uint32_t b = c->corners[last_of(corner)];
        if (a == star->point || b == star->point) {
            continue;
        }
        const bool has_a = c->slots[a] != 0;
        const bool has_b = c->slots[b] != 0;
        if (!has_a && !has_b) {
            continue;
        }
        const uint32_t third = find_third(&thirds, has_a ? a : b);
        if ((has_a && has_b) || third == thirds.count) {
            return false;
        }
        thirds.stay_counts[third]++;
    }
    /* The last triangle of a point would take it along: on a border that is
     * shared with another shape, a crack. */
    for (uint32_t i = 0; i < thirds.count; i++) {
        if (thirds.stay_counts[i] == 0) {
            return false;
        }
    }
    return true;
}

/* Where `u` lies in the picture that the corner shows, taken from the vanishing
 * triangles; false when those show another part of it. */
static bool find_uv(const struct collapse *c, const struct star *star, const struct spoke *spoke,
                    uint32_t corner, float out[2])
{
    for (uint32_t i = 0; i < star->count; i++) {
        const uint32_t at = star->corners[i];
        if (!has_point(c, at, spoke->point)) {
            continue;
        }
        const uint32_t other = c->corners[next_of(at)] == spoke->point ? next_of(at) : last_of(at);
        if (class_of(c, at) == class_of(c, corner) &&
            memcmp(c->uvs + 2 * (size_t)at, c->uvs + 2 * (size_t)corner, 2 * sizeof(float)) == 0) {
            memcpy(out, c->uvs + 2 * (size_t)other, 2 * sizeof(float));
            return true;
        }
    }
    return false;
}

static double uv_area(const float *a, const float *b, const float *c)
{
    return ((double)b[0] - (double)a[0]) * ((double)c[1] - (double)a[1]) -
           ((double)b[1] - (double)a[1]) * ((double)c[0] - (double)a[0]);
}

/* Every triangle that stays knows its new place in its picture, and does not
 * turn over in it. */
static bool keeps_pictures(const struct collapse *c, const struct star *star,
                           const struct spoke *spoke)
{
    for (uint32_t i = 0; c->uvs != NULL && i < star->count; i++) {
        const uint32_t corner = star->corners[i];
        const struct shape_face *face = &c->full->faces[c->full->triangle_faces[corner / 3]];
        if (has_point(c, corner, spoke->point) || face->texture == FEATURE_NONE) {
            continue;
        }
        float moved[2];
        if (!find_uv(c, star, spoke, corner, moved)) {
            return false;
        }
        const float *here = c->uvs + 2 * (size_t)corner;
        const float *a = c->uvs + 2 * (size_t)next_of(corner);
        const float *b = c->uvs + 2 * (size_t)last_of(corner);
        const double before = uv_area(here, a, b);
        const double after = uv_area(moved, a, b);
        if (before * after < 0 || (before != 0 && after == 0)) {
            return false;
        }
    }
    return true;
}

/* The cheapest spoke that the star's point may move along; NULL: it stays. */
static const struct spoke *choose_spoke(const struct collapse *c, const struct star *star,
                                        double *out_cost)
{
    double costs[2 * COLLAPSE_VALENCE_MAX];
    for (uint32_t i = 0; i < star->spoke_count; i++) {
        costs[i] = may_move_along(star, &star->spokes[i]) ? cost_of(c, star, &star->spokes[i])
                                                          : (double)INFINITY;
    }
    for (uint32_t tried = 0; tried < star->spoke_count; tried++) {
        uint32_t best = 0;
        for (uint32_t i = 1; i < star->spoke_count; i++) {
            const bool is_tie = costs[i] == costs[best] && isfinite(costs[i]);
            if (costs[i] < costs[best] ||
                (is_tie && star->spokes[i].point < star->spokes[best].point)) {
                best = i;
            }
        }
        if (!isfinite(costs[best])) {
            return NULL;
        }
        const struct spoke *spoke = &star->spokes[best];
        if (keeps_sides(c, star, spoke) && keeps_topology(c, star, spoke) &&
            keeps_pictures(c, star, spoke)) {
            *out_cost = costs[best];
            return spoke;
        }
        costs[best] = (double)INFINITY;
    }
    return NULL;
}

/* ---- the queue ---- */

static uint64_t key_of(double cost, uint32_t point)
{
    const float rounded = (float)cost;
    uint32_t bits; /* of a float that is not negative: in its order */
    memcpy(&bits, &rounded, sizeof bits);
    return (uint64_t)bits << 32 | point;
}

static double cost_of_key(uint64_t key)
{
    const uint32_t bits = (uint32_t)(key >> 32);
    float cost;
    memcpy(&cost, &bits, sizeof cost);
    return (double)cost;
}

static void heap_set(struct collapse *c, size_t at, uint64_t key)
{
    c->heap[at] = key;
    c->places[(uint32_t)key] = (uint32_t)at + 1;
}

static void heap_rise(struct collapse *c, size_t at, uint64_t key)
{
    while (at > 0 && c->heap[(at - 1) / 2] > key) {
        heap_set(c, at, c->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_set(c, at, key);
}

static uint64_t heap_pop(struct collapse *c)
{
    const uint64_t top = c->heap[0];
    const uint64_t last = c->heap[--c->heap_count];
    size_t at = 0;
    for (size_t child = 1; child < c->heap_count; child = 2 * at + 1) {
        child += child + 1 < c->heap_count && c->heap[child + 1] < c->heap[child];
        if (c->heap[child] >= last) {
            break;
        }
        heap_set(c, at, c->heap[child]);
        at = child;
    }
    if (c->heap_count > 0) {
        heap_set(c, at, last);
    }
    c->places[(uint32_t)top] = 0;
    return top;
}

/* Queues the point, or moves it forward if it is cheaper than it was. */
static void enqueue(struct collapse *c, uint32_t point, double cost, bool is_checked)
{
    const uint64_t key = key_of(cost, point);
    const uint32_t place = c->places[point];
    if (place == 0) {
        heap_rise(c, c->heap_count++, key);
    } else if (key < c->heap[place - 1]) {
        heap_rise(c, place - 1, key);
    } else {
        return;
    }
    c->is_checked[point] = is_checked;
}

/* What it costs at least, without a look at what forbids it. */
static void enqueue_unchecked(struct collapse *c, const struct star *star)
{
    double least = (double)INFINITY;
    for (uint32_t i = 0; i < star->spoke_count; i++) {
        if (may_move_along(star, &star->spokes[i])) {
            least = fmin(least, cost_of(c, star, &star->spokes[i]));
        }
    }
    if (isfinite(least)) {
        enqueue(c, star->point, least, false);
    }
}

/* A point may move, or move for less, after its neighbours did. What was not
 * looked at yet is looked at when its turn comes. */
static void reconsider(struct collapse *c, uint32_t point)
{
    if (c->states[point] != POINT_FREE || (c->places[point] != 0 && !c->is_checked[point])) {
        return;
    }
    struct star star;
    double cost;
    if (find_star(c, point, &star) && choose_spoke(c, &star, &cost) != NULL) {
        enqueue(c, point, cost, true);
    }
    forget_slots(c, &star);
}

/* ---- collapse ---- */

static void move_point(struct collapse *c, const struct star *star, const struct spoke *spoke)
{
    const uint32_t v = star->point;
    const uint32_t u = spoke->point;
    for (uint32_t i = 0; i < star->count; i++) {
        const uint32_t corner = star->corners[i];
        float moved[2];
        if (c->uvs != NULL && !has_point(c, corner, u) && find_uv(c, star, spoke, corner, moved)) {
            memcpy(c->uvs + 2 * (size_t)corner, moved, sizeof moved);
        }
    }
    for (uint32_t i = 0; i < star->count; i++) {
        const uint32_t corner = star->corners[i];
        if (has_point(c, corner, u)) {
            c->corners[3 * (size_t)(corner / 3)] = NONE;
            c->triangle_count--;
            continue;
        }
        c->corners[corner] = u;
        c->next[corner] = c->first[u];
        c->first[u] = corner;
    }
    add_quadric(&c->quadrics[u], &c->quadrics[v]);
    c->states[v] = POINT_GONE;
    c->first[v] = NONE;
}

/* One step: the top of the queue is looked at again, and moves if it is still
 * the cheapest. */
static void step(struct collapse *c)
{
    const uint32_t point = (uint32_t)heap_pop(c);
    struct star star;
    double cost = 0;
    const struct spoke *spoke = find_star(c, point, &star) ? choose_spoke(c, &star, &cost) : NULL;
    forget_slots(c, &star);
    if (spoke == NULL) {
        return;
    }
    if (c->heap_count > 0 && key_of(cost, point) > c->heap[0]) {
        enqueue(c, point, cost, true);
        return;
    }
    move_point(c, &star, spoke);
    for (uint32_t i = 0; i < star.spoke_count; i++) {
        reconsider(c, star.spokes[i].point);
    }
}

void collapse_run(struct collapse *collapse, double error_m, uint32_t triangle_count)
{
    assert(error_m >= 0);
    while (collapse->heap_count > 0 && collapse->triangle_count > triangle_count &&
           cost_of_key(collapse->heap[0]) <= error_m * error_m) {
        step(collapse);
    }
}

uint32_t collapse_triangle_count(const struct collapse *collapse)
{
    return collapse->triangle_count;
}

/* ---- opening ---- */

static bool same_class(const struct shape_face *a, const struct shape_face *b)
{
    return a->kind == b->kind && a->material == b->material && a->texture == b->texture;
}

/* Numbers the classes by their first face. */
static bool number_classes(struct collapse *c, struct arena *arena, struct err *err)
{
    const struct shape *full = c->full;
    size_t room = 16;
    while (room < 2 * (size_t)full->face_count) {
        room *= 2;
    }
    c->classes = arena_array(arena, uint32_t, full->face_count);
    uint32_t *table = arena_array(arena, uint32_t, room); /* face + 1 */
    if (c->classes == NULL || table == NULL) {
        return arena_full(arena, err);
    }
    for (uint32_t f = 0; f < full->face_count; f++) {
        const struct shape_face *face = &full->faces[f];
        uint64_t hash = (uint64_t)face->kind * 0x9E3779B97F4A7C15u;
        hash = (hash ^ (uint32_t)face->material) * 0xBF58476D1CE4E5B9u;
        hash = (hash ^ hash >> 31 ^ (uint32_t)face->texture) * 0x94D049BB133111EBu;
        size_t slot = (size_t)(hash ^ hash >> 29) & (room - 1);
        while (table[slot] != 0 && !same_class(&full->faces[table[slot] - 1], face)) {
            slot = (slot + 1) & (room - 1);
        }
        table[slot] = table[slot] == 0 ? f + 1 : table[slot];
        c->classes[f] = table[slot] - 1;
    }
    return true;
}

static bool make_room(struct collapse *c, bool keeps_uvs, struct arena *arena, struct err *err)
{
    const size_t corner_count = 3 * (size_t)c->full->triangle_count;
    const size_t point_count = c->full->point_count;
    c->corners = arena_array(arena, uint32_t, corner_count);
    c->next = arena_array(arena, uint32_t, corner_count);
    c->first = arena_array(arena, uint32_t, point_count);
    c->quadrics = arena_array(arena, struct quadric, point_count);
    c->states = arena_array(arena, uint8_t, point_count);
    c->places = arena_array(arena, uint32_t, point_count);
    c->is_checked = arena_array(arena, uint8_t, point_count);
    c->slots = arena_array(arena, uint32_t, point_count);
    c->heap = arena_array(arena, uint64_t, point_count);
    const bool has_uvs = keeps_uvs && c->full->uvs != NULL;
    c->uvs = has_uvs ? arena_array(arena, float, 2 * corner_count) : NULL;
    const bool ok = c->corners != NULL && c->next != NULL && c->first != NULL &&
                    c->quadrics != NULL && c->states != NULL && c->places != NULL &&
                    c->is_checked != NULL && c->slots != NULL && c->heap != NULL &&
                    (!has_uvs || c->uvs != NULL);
    return ok || arena_full(arena, err);
}

static void link_corners(struct collapse *c)
{
    const struct shape *full = c->full;
    for (uint32_t p = 0; p < full->point_count; p++) {
        c->first[p] = NONE;
    }
    for (uint32_t t = 0; t < full->triangle_count; t++) {
        const uint32_t *points = full->corners + 3 * (size_t)t;
        uint32_t *own = c->corners + 3 * (size_t)t;
        memcpy(own, points, 3 * sizeof own[0]);
        if (points[0] == points[1] || points[1] == points[2] || points[2] == points[0]) {
            own[0] = NONE;
            continue;
        }
        c->triangle_count++;
        for (uint32_t k = 3; k-- > 0;) {
            c->next[3 * t + k] = c->first[points[k]];
            c->first[points[k]] = 3 * t + k;
        }
    }
}

/* Planes that stand on the seams at the star's point, across their triangles. */
static void add_seams(struct collapse *c, const struct star *star)
{
    const struct vec3 a = from_first(c, star->point);
    for (uint32_t i = 0; i < star->count; i++) {
        const uint32_t ends[2] = {c->corners[next_of(star->corners[i])],
                                  c->corners[last_of(star->corners[i])]};
        for (int k = 0; k < 2; k++) {
            if (!is_seam(&star->spokes[c->slots[ends[k]] - 1])) {
                continue;
            }
            const struct vec3 along = vec3_sub(from_first(c, ends[k]), a);
            const struct vec3 across = vec3_unit(vec3_cross(along, star->normals[i]));
            const double weight = BORDER_WEIGHT * vec3_dot(along, along);
            add_plane(&c->quadrics[star->point], across, -vec3_dot(across, a), weight);
        }
    }
}

static void weigh_points(struct collapse *c, const uint8_t *is_locked)
{
    struct star star;
    add_faces(c);
    for (uint32_t p = 0; p < c->full->point_count; p++) {
        const bool has_star = find_star(c, p, &star);
        if (!has_star || (is_locked != NULL && is_locked[p])) {
            c->states[p] = POINT_LOCKED;
        }
        if (has_star && star.seam_count > 0) {
            add_seams(c, &star);
        }
        if (c->states[p] == POINT_FREE) {
            enqueue_unchecked(c, &star);
        }
        forget_slots(c, &star);
    }
}

bool collapse_open(const struct shape *full, const uint8_t *is_locked, bool keeps_uvs,
                   struct arena *arena, struct collapse **out, struct err *err)
{
    struct collapse *c = arena_array(arena, struct collapse, 1);
    if (c == NULL) {
        return arena_full(arena, err);
    }
    c->full = full;
    if (!number_classes(c, arena, err) || !make_room(c, keeps_uvs, arena, err)) {
        return false;
    }
    if (c->uvs != NULL) {
        memcpy(c->uvs, full->uvs, 6 * (size_t)full->triangle_count * sizeof c->uvs[0]);
    }
    link_corners(c);
    weigh_points(c, is_locked);
    *out = c;
    return true;
}

/* ---- the shape that is left ---- */

/* A triangle that is left. */
struct remnant {
    uint32_t triangle; /* of the full shape */
    uint32_t face;     /* of the new one */
};

static struct vec3 normal_of(const struct collapse *c, uint32_t triangle)
{
    const uint32_t *points = c->corners + 3 * (size_t)triangle;
    const struct vec3 a = point_of(c, points[0]);
    return vec3_unit(
        vec3_cross(vec3_sub(point_of(c, points[1]), a), vec3_sub(point_of(c, points[2]), a)));
}

static bool has_left_face(const struct collapse *c, uint32_t triangle)
{
    const struct vec3 normal = normal_of(c, triangle);
    const struct vec3 was = c->full->faces[c->full->triangle_faces[triangle]].normal;
    return vec3_length(normal) > 0 && vec3_dot(normal, was) < ONE_PLANE_COSINE;
}

/* Faces in the order of the full shape; those that a triangle left get their
 * own behind them. */
static uint32_t list_remnants(const struct collapse *c, struct shape_face *faces,
                              struct remnant *out, uint32_t *out_face_count)
{
    const struct shape *full = c->full;
    uint32_t count = 0;
    uint32_t face_count = 0;
    for (uint32_t t = 0; t < full->triangle_count;) {
        const uint32_t source = full->triangle_faces[t];
        const uint32_t first = count;
        uint32_t end = t;
        for (; end < full->triangle_count && full->triangle_faces[end] == source; end++) {
            if (!is_gone(c, end) && !has_left_face(c, end)) {
                out[count++] = (struct remnant){end, face_count};
            }
        }
        if (count > first) {
            faces[face_count++] = full->faces[source];
        }
        for (; t < end; t++) {
            if (!is_gone(c, t) && has_left_face(c, t)) {
                out[count++] = (struct remnant){t, face_count};
                faces[face_count] = full->faces[source];
                faces[face_count++].normal = normal_of(c, t);
            }
        }
    }
    *out_face_count = face_count;
    return count;
}

/* Rising numbers for the points in use. */
static void number_points(const struct collapse *c, uint32_t *numbers, struct vec3 *points,
                          uint32_t *sources, struct shape *out)
{
    for (uint32_t p = 0; p < c->full->point_count; p++) {
        if (numbers[p] != 0) {
            points[out->point_count] = point_of(c, p);
            sources[out->point_count++] = p;
            numbers[p] = out->point_count;
        }
    }
}

static bool make_shape(const struct collapse *c, struct arena *out_arena, struct arena *scratch,
                       struct shape *out, uint32_t **out_sources, struct err *err)
{
    uint32_t *numbers = arena_array(scratch, uint32_t, c->full->point_count); /* + 1 */
    struct remnant *remnants = arena_array(scratch, struct remnant, c->triangle_count);
    if (numbers == NULL || remnants == NULL) {
        return arena_full(scratch, err);
    }
    struct shape made = {.faces = arena_array(out_arena, struct shape_face, c->triangle_count)};
    if (made.faces == NULL) {
        return arena_full(out_arena, err);
    }
    made.triangle_count = list_remnants(c, made.faces, remnants, &made.face_count);
    if (made.triangle_count == 0) {
        return err_set(err, ERR_GEOMETRY, "no triangle is left");
    }
    uint32_t used_count = 0;
    for (uint32_t i = 0; i < 3 * made.triangle_count; i++) {
        uint32_t *number = &numbers[c->corners[3 * (size_t)remnants[i / 3].triangle + i % 3]];
        used_count += *number == 0;
        *number = 1;
    }
    made.corners = arena_array(out_arena, uint32_t, 3 * (size_t)made.triangle_count);
    made.triangle_faces = arena_array(out_arena, uint32_t, made.triangle_count);
    made.points = arena_array(out_arena, struct vec3, used_count);
    made.uvs =
        c->uvs == NULL ? NULL : arena_array(out_arena, float, 6 * (size_t)made.triangle_count);
    uint32_t *sources = arena_array(out_arena, uint32_t, used_count);
    if (made.corners == NULL || made.triangle_faces == NULL || made.points == NULL ||
        (c->uvs != NULL && made.uvs == NULL) || sources == NULL) {
        return arena_full(out_arena, err);
    }
    number_points(c, numbers, made.points, sources, &made);
    for (uint32_t i = 0; i < made.triangle_count; i++) {
        const size_t from = 3 * (size_t)remnants[i].triangle;
        for (size_t k = 0; k < 3; k++) {
            made.corners[3 * (size_t)i + k] = numbers[c->corners[from + k]] - 1;
        }
        made.triangle_faces[i] = remnants[i].face;
        if (made.uvs != NULL) {
            memcpy(made.uvs + 6 * (size_t)i, c->uvs + 2 * from, 6 * sizeof made.uvs[0]);
        }
    }
    for (uint32_t f = 0; c->uvs == NULL && c->full->uvs != NULL && f < made.face_count; f++) {
        made.faces[f].texture = FEATURE_NONE;
    }
    made.is_closed = c->full->is_closed;
    *out = made;
    if (out_sources != NULL) {
        *out_sources = sources;
    }
    return true;
}

bool collapse_shape(const struct collapse *collapse, struct arena *out_arena, struct arena *scratch,
                    struct shape *out, uint32_t **out_sources, struct err *err)
{
    const struct arena_mark mark = arena_mark(scratch);
    const bool ok = make_shape(collapse, out_arena, scratch, out, out_sources, err);
    arena_reset(scratch, mark);
    return ok;
}

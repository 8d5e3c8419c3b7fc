/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/collapse.h"

#include <assert.h>
#include <string.h>

#include "tiler/collapse_internal.h"

/* How much a border weighs, by its length squared, beside the areas around. */
static const double BORDER_WEIGHT = 3;

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
static void enqueue_unchecked(struct collapse *c, const struct collapse_star *star)
{
    const double least = collapse_star_least(c, star);
    if (isfinite(least)) {
        enqueue(c, star->point, least, false);
    }
}

/* A point may move, or move for less, after its neighbours did. What was not
 * looked at yet is looked at when its turn comes. */
static void reconsider(struct collapse *c, uint32_t point)
{
    if (c->states[point] != COLLAPSE_FREE || (c->places[point] != 0 && !c->is_checked[point])) {
        return;
    }
    struct collapse_star star;
    double cost;
    if (collapse_star_find(c, point, &star) && collapse_star_choose(c, &star, &cost) != NULL) {
        enqueue(c, point, cost, true);
    }
    collapse_star_forget(c, &star);
}

/* ---- collapse ---- */

static void move_point(struct collapse *c, const struct collapse_star *star,
                       const struct collapse_spoke *spoke)
{
    const uint32_t v = star->point;
    const uint32_t u = spoke->point;
    for (uint32_t i = 0; i < star->count; i++) {
        const uint32_t corner = star->corners[i];
        float moved[2];
        if (c->uvs != NULL && !collapse_has_point(c, corner, u) &&
            collapse_star_uv(c, star, spoke, corner, moved)) {
            memcpy(c->uvs + 2 * (size_t)corner, moved, sizeof moved);
        }
    }
    for (uint32_t i = 0; i < star->count; i++) {
        const uint32_t corner = star->corners[i];
        if (collapse_has_point(c, corner, u)) {
            c->corners[3 * (size_t)(corner / 3)] = COLLAPSE_NONE;
            c->triangle_count--;
            continue;
        }
        c->corners[corner] = u;
        c->next[corner] = c->first[u];
        c->first[u] = corner;
    }
    quadric_add(&c->quadrics[u], &c->quadrics[v]);
    c->states[v] = COLLAPSE_GONE;
    c->first[v] = COLLAPSE_NONE;
}

/* One step: the top of the queue is looked at again, and moves if it is still
 * the cheapest. */
static void step(struct collapse *c)
{
    const uint32_t point = (uint32_t)heap_pop(c);
    struct collapse_star star;
    double cost = 0;
    const struct collapse_spoke *spoke =
        collapse_star_find(c, point, &star) ? collapse_star_choose(c, &star, &cost) : NULL;
    collapse_star_forget(c, &star);
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

static void add_faces(struct collapse *c)
{
    for (uint32_t t = 0; t < c->full->triangle_count; t++) {
        if (collapse_is_gone(c, t)) {
            continue;
        }
        const uint32_t *points = c->corners + 3 * (size_t)t;
        const struct vec3 a = collapse_from_first(c, points[0]);
        const struct vec3 across = vec3_cross(vec3_sub(collapse_from_first(c, points[1]), a),
                                              vec3_sub(collapse_from_first(c, points[2]), a));
        const double area = vec3_length(across) / 2;
        const struct vec3 normal = vec3_unit(across);
        for (int k = 0; k < 3; k++) {
            quadric_add_plane(&c->quadrics[points[k]], normal, -vec3_dot(normal, a), area);
            c->quadrics[points[k]].weight += area;
        }
    }
}

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
        c->first[p] = COLLAPSE_NONE;
    }
    for (uint32_t t = 0; t < full->triangle_count; t++) {
        const uint32_t *points = full->corners + 3 * (size_t)t;
        uint32_t *own = c->corners + 3 * (size_t)t;
        memcpy(own, points, 3 * sizeof own[0]);
        if (points[0] == points[1] || points[1] == points[2] || points[2] == points[0]) {
            own[0] = COLLAPSE_NONE;
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
static void add_seams(struct collapse *c, const struct collapse_star *star)
{
    const struct vec3 a = collapse_from_first(c, star->point);
    for (uint32_t i = 0; i < star->count; i++) {
        const uint32_t ends[2] = {c->corners[collapse_next(star->corners[i])],
                                  c->corners[collapse_last(star->corners[i])]};
        for (int k = 0; k < 2; k++) {
            if (!collapse_is_seam(&star->spokes[c->slots[ends[k]] - 1])) {
                continue;
            }
            const struct vec3 along = vec3_sub(collapse_from_first(c, ends[k]), a);
            const struct vec3 across = vec3_unit(vec3_cross(along, star->normals[i]));
            const double weight = BORDER_WEIGHT * vec3_dot(along, along);
            quadric_add_plane(&c->quadrics[star->point], across, -vec3_dot(across, a), weight);
        }
    }
}

static void weigh_points(struct collapse *c, const uint8_t *is_locked)
{
    struct collapse_star star;
    add_faces(c);
    for (uint32_t p = 0; p < c->full->point_count; p++) {
        const bool has_star = collapse_star_find(c, p, &star);
        if (!has_star || (is_locked != NULL && is_locked[p])) {
            c->states[p] = COLLAPSE_LOCKED;
        }
        if (has_star && star.seam_count > 0) {
            add_seams(c, &star);
        }
        if (c->states[p] == COLLAPSE_FREE) {
            enqueue_unchecked(c, &star);
        }
        collapse_star_forget(c, &star);
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

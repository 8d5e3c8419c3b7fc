/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "tiler/collapse_internal.h"

/* Of a triangle's normal before and after: what turns further had better stay. */
static const double TURN_COSINE_MIN = 0.2;

/* Among edges that cost nothing the short ones go first: a hundred metres weigh
 * as much as a tenth of a millimetre. */
static const double COST_PER_LENGTH2 = 1e-12;

/* Slots are numbers of spokes + 1 while one star is looked at. */
void collapse_star_forget(struct collapse *c, const struct collapse_star *star)
{
    for (uint32_t i = 0; i < star->spoke_count; i++) {
        c->slots[star->spokes[i].point] = 0;
    }
}

static void add_spoke(struct collapse *c, struct collapse_star *star, uint32_t point,
                      uint32_t class_of)
{
    if (c->slots[point] == 0) {
        star->spokes[star->spoke_count++] = (struct collapse_spoke){point, 0, class_of, false};
        c->slots[point] = star->spoke_count;
    }
    struct collapse_spoke *spoke = &star->spokes[c->slots[point] - 1];
    spoke->count++;
    spoke->has_classes = spoke->has_classes || spoke->class_of != class_of;
}

/* Lists the triangles at the point; forgets those that are gone. False: too
 * many. */
static bool list_corners(struct collapse *c, uint32_t point, struct collapse_star *star)
{
    star->point = point;
    star->count = 0;
    uint32_t *link = &c->first[point];
    while (*link != COLLAPSE_NONE) {
        if (collapse_is_gone(c, *link / 3)) {
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

static void find_normals(const struct collapse *c, struct collapse_star *star)
{
    const struct vec3 v = collapse_point(c, star->point);
    for (uint32_t i = 0; i < star->count; i++) {
        const struct vec3 a = collapse_point(c, c->corners[collapse_next(star->corners[i])]);
        const struct vec3 b = collapse_point(c, c->corners[collapse_last(star->corners[i])]);
        star->normals[i] = vec3_unit(vec3_cross(vec3_sub(a, v), vec3_sub(b, v)));
    }
}

/* False: the point has none, or too many; it stays. The caller forgets the
 * slots. */
bool collapse_star_find(struct collapse *c, uint32_t point, struct collapse_star *star)
{
    star->spoke_count = 0;
    star->rim_count = 0;
    star->seam_count = 0;
    if (!list_corners(c, point, star) || star->count == 0) {
        return false;
    }
    for (uint32_t i = 0; i < star->count; i++) {
        const uint32_t corner = star->corners[i];
        add_spoke(c, star, c->corners[collapse_next(corner)], collapse_class(c, corner));
        add_spoke(c, star, c->corners[collapse_last(corner)], collapse_class(c, corner));
    }
    for (uint32_t i = 0; i < star->spoke_count; i++) {
        star->rim_count += collapse_is_rim(&star->spokes[i]);
        star->seam_count += collapse_is_seam(&star->spokes[i]);
    }
    find_normals(c, star);
    return true;
}

/* ---- what may go where ---- */

/* Points on a border, or where several sheets meet, move along that. */
static bool may_move_along(const struct collapse_star *star, const struct collapse_spoke *spoke)
{
    return star->rim_count == 0 || collapse_is_rim(spoke);
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
static double seam_cost(const struct collapse *c, const struct collapse_star *star,
                        const struct collapse_spoke *spoke)
{
    const struct vec3 v = collapse_point(c, star->point);
    const struct vec3 u = collapse_point(c, spoke->point);
    const struct vec3 along = vec3_sub(u, v);
    double least = vec3_dot(along, along);
    for (uint32_t i = 0; star->seam_count == 2 && i < star->spoke_count; i++) {
        if (collapse_is_seam(&star->spokes[i])) {
            const double off = distance2_to_segment(v, u, collapse_point(c, star->spokes[i].point));
            least = off < least ? off : least;
        }
    }
    return least;
}

static double star_cost(const struct collapse *c, const struct collapse_star *star,
                        const struct collapse_spoke *spoke)
{
    const struct vec3 along =
        vec3_sub(collapse_point(c, spoke->point), collapse_point(c, star->point));
    double worst = star->seam_count > 0 ? seam_cost(c, star, spoke) : 0;
    for (uint32_t i = 0; i < star->count; i++) {
        const double off = vec3_dot(star->normals[i], along);
        worst = off * off > worst ? off * off : worst;
    }
    const double mean = quadric_at(&c->quadrics[star->point], collapse_from_first(c, spoke->point));
    return (mean > worst ? mean : worst) + COST_PER_LENGTH2 * vec3_dot(along, along);
}

/* No triangle that stays turns over, against what it is now and against the
 * face that it came from. */
static bool keeps_sides(const struct collapse *c, const struct collapse_star *star,
                        const struct collapse_spoke *spoke)
{
    const struct vec3 u = collapse_point(c, spoke->point);
    for (uint32_t i = 0; i < star->count; i++) {
        const uint32_t corner = star->corners[i];
        if (collapse_has_point(c, corner, spoke->point)) {
            continue;
        }
        const struct vec3 a = vec3_sub(collapse_point(c, c->corners[collapse_next(corner)]), u);
        const struct vec3 b = vec3_sub(collapse_point(c, c->corners[collapse_last(corner)]), u);
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

static void list_thirds(const struct collapse *c, const struct collapse_star *star,
                        const struct collapse_spoke *spoke, struct thirds *out)
{
    out->count = 0;
    for (uint32_t i = 0; i < star->count; i++) {
        const uint32_t a = c->corners[collapse_next(star->corners[i])];
        const uint32_t b = c->corners[collapse_last(star->corners[i])];
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
static bool keeps_topology(const struct collapse *c, const struct collapse_star *star,
                           const struct collapse_spoke *spoke)
{
    const uint32_t u = spoke->point;
    struct thirds thirds;
    if (star->count == spoke->count) {
        return false; /* all that is left of it would vanish */
    }
    list_thirds(c, star, spoke, &thirds);
    uint32_t seen = 0;
    for (uint32_t corner = c->first[u]; corner != COLLAPSE_NONE; corner = c->next[corner]) {
        if (collapse_is_gone(c, corner / 3)) {
            continue;
        }
        if (++seen > COLLAPSE_VALENCE_MAX) {
            return false;
        }
        const uint32_t a = c->corners[collapse_next(corner)];
        const uint32_t b = c->corners[collapse_last(corner)];
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
bool collapse_star_uv(const struct collapse *c, const struct collapse_star *star,
                      const struct collapse_spoke *spoke, uint32_t corner, float out[2])
{
    for (uint32_t i = 0; i < star->count; i++) {
        const uint32_t at = star->corners[i];
        if (!collapse_has_point(c, at, spoke->point)) {
            continue;
        }
        const uint32_t other =
            c->corners[collapse_next(at)] == spoke->point ? collapse_next(at) : collapse_last(at);
        if (collapse_class(c, at) == collapse_class(c, corner) &&
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
static bool keeps_pictures(const struct collapse *c, const struct collapse_star *star,
                           const struct collapse_spoke *spoke)
{
    for (uint32_t i = 0; c->uvs != NULL && i < star->count; i++) {
        const uint32_t corner = star->corners[i];
        const struct shape_face *face = &c->full->faces[c->full->triangle_faces[corner / 3]];
        if (collapse_has_point(c, corner, spoke->point) || face->texture == FEATURE_NONE) {
            continue;
        }
        float moved[2];
        if (!collapse_star_uv(c, star, spoke, corner, moved)) {
            return false;
        }
        const float *here = c->uvs + 2 * (size_t)corner;
        const float *a = c->uvs + 2 * (size_t)collapse_next(corner);
        const float *b = c->uvs + 2 * (size_t)collapse_last(corner);
        const double before = uv_area(here, a, b);
        const double after = uv_area(moved, a, b);
        if (before * after < 0 || (before != 0 && after == 0)) {
            return false;
        }
    }
    return true;
}

/* The cheapest spoke that the star's point may move along; NULL: it stays. */
const struct collapse_spoke *
collapse_star_choose(const struct collapse *c, const struct collapse_star *star, double *out_cost)
{
    double costs[2 * COLLAPSE_VALENCE_MAX];
    for (uint32_t i = 0; i < star->spoke_count; i++) {
        costs[i] = may_move_along(star, &star->spokes[i]) ? star_cost(c, star, &star->spokes[i])
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
        const struct collapse_spoke *spoke = &star->spokes[best];
        if (keeps_sides(c, star, spoke) && keeps_topology(c, star, spoke) &&
            keeps_pictures(c, star, spoke)) {
            *out_cost = costs[best];
            return spoke;
        }
        costs[best] = (double)INFINITY;
    }
    return NULL;
}

double collapse_star_least(const struct collapse *c, const struct collapse_star *star)
{
    double least = (double)INFINITY;
    for (uint32_t i = 0; i < star->spoke_count; i++) {
        if (may_move_along(star, &star->spokes[i])) {
            const double cost = star_cost(c, star, &star->spokes[i]);
            least = cost < least ? cost : least;
        }
    }
    return least;
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_COLLAPSE_INTERNAL_H
#define TILER_COLLAPSE_INTERNAL_H

/*
 * collapse_internal.h - what collapse.c, collapse_star.c and collapse_shape.c
 * share: the triangles that are left, linked by their points.
 */

#include "tiler/collapse.h"
#include "tiler/quadric.h"

#define COLLAPSE_NONE UINT32_MAX

enum collapse_state {
    COLLAPSE_FREE,
    COLLAPSE_LOCKED, /* may be moved onto, never moves */
    COLLAPSE_GONE
};

struct collapse {
    const struct shape *full;
    uint32_t *corners; /* full->triangle_count x 3; the first is COLLAPSE_NONE: gone */
    uint32_t *next;    /* per corner: another corner at the same point, or COLLAPSE_NONE */
    uint32_t *first;   /* per point: one of its corners */
    float *uvs;        /* as the shape's, or NULL */
    uint32_t *classes; /* per face: equal for equal kind, material and texture */
    struct quadric *quadrics;
    uint8_t *states;     /* enum collapse_state */
    uint32_t *places;    /* per point: where it is in the heap + 1; 0: nowhere */
    uint8_t *is_checked; /* per point: its cost is that of a spoke it may move along */
    uint32_t *slots;     /* per point: where it is in the ring that is looked at */
    uint64_t *heap;      /* cost as the bits of a float, then the point */
    size_t heap_count;
    uint32_t triangle_count;
};

/* A neighbour of a point. */
struct collapse_spoke {
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
struct collapse_star {
    uint32_t point;
    uint32_t count; /* of triangles */
    uint32_t spoke_count;
    uint32_t corners[COLLAPSE_VALENCE_MAX]; /* of the triangles, at the point */
    struct collapse_spoke spokes[2 * COLLAPSE_VALENCE_MAX];
    struct vec3 normals[COLLAPSE_VALENCE_MAX]; /* unit, or zero without area */
    uint32_t rim_count;                        /* spokes whose edge has not two triangles */
    uint32_t seam_count;                       /* those, and spokes between different classes */
};

static inline uint32_t collapse_next(uint32_t corner)
{
    return corner % 3 == 2 ? corner - 2 : corner + 1;
}

static inline uint32_t collapse_last(uint32_t corner)
{
    return corner % 3 == 0 ? corner + 2 : corner - 1;
}

static inline bool collapse_is_gone(const struct collapse *c, uint32_t triangle)
{
    return c->corners[3 * (size_t)triangle] == COLLAPSE_NONE;
}

static inline struct vec3 collapse_point(const struct collapse *c, uint32_t point)
{
    return c->full->points[point];
}

/* Quadrics are taken from the first point of the shape. */
static inline struct vec3 collapse_from_first(const struct collapse *c, uint32_t point)
{
    return vec3_sub(collapse_point(c, point), c->full->points[0]);
}

static inline uint32_t collapse_class(const struct collapse *c, uint32_t corner)
{
    return c->classes[c->full->triangle_faces[corner / 3]];
}

static inline bool collapse_is_rim(const struct collapse_spoke *spoke)
{
    return spoke->count != 2;
}

static inline bool collapse_is_seam(const struct collapse_spoke *spoke)
{
    return spoke->count != 2 || spoke->has_classes;
}

/* Whether a triangle of the star vanishes with the edge to `point`. */
static inline bool collapse_has_point(const struct collapse *c, uint32_t corner, uint32_t point)
{
    return c->corners[collapse_next(corner)] == point || c->corners[collapse_last(corner)] == point;
}

/*
 * Finds the triangles and neighbours of a point, and forgets triangles that are
 * gone. False: it has none, or too many; it stays. To be followed by
 * collapse_star_forget(), either way.
 */
bool collapse_star_find(struct collapse *c, uint32_t point, struct collapse_star *star);

void collapse_star_forget(struct collapse *c, const struct collapse_star *star);

/* What it costs at least to move the point, without a look at what forbids it;
 * infinite when it may not move along any spoke. */
double collapse_star_least(const struct collapse *c, const struct collapse_star *star);

/* The cheapest spoke that the star's point may move along; NULL: it stays. */
const struct collapse_spoke *
collapse_star_choose(const struct collapse *c, const struct collapse_star *star, double *out_cost);

/* Where a spoke's point lies in the picture that the corner shows, taken from the
 * vanishing triangles; false when those show another part of it. */
bool collapse_star_uv(const struct collapse *c, const struct collapse_star *star,
                      const struct collapse_spoke *spoke, uint32_t corner, float out[2]);

#endif

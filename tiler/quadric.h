/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_QUADRIC_H
#define TILER_QUADRIC_H

/*
 * quadric.h - how far a point is from many planes at once.
 *
 * The sum of w * (n . p + d)^2 over planes n . p + d = 0 with weights w, as a
 * function of p: ten numbers, however many planes.
 *
 * Source   M. Garland, P. Heckbert, "Surface Simplification Using Quadric Error
 *          Metrics" (1997)
 * Limits   coordinates should be taken from a point near by: squares of small
 *          numbers
 */

#include "formats/base/vec.h"

struct quadric {
    double xx, xy, xz, yy, yz, zz;
    double x, y, z;
    double constant;
    double weight; /* of what the mean is taken over: the caller's to add */
};

/* Adds a plane with a unit normal; q->weight stays. */
static inline void quadric_add_plane(struct quadric *q, struct vec3 n, double d, double weight)
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

/* Adds all planes of another, and its weight. */
static inline void quadric_add(struct quadric *to, const struct quadric *from)
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
static inline double quadric_at(const struct quadric *q, struct vec3 p)
{
    const double x = q->xx * p.x + 2 * (q->xy * p.y + q->xz * p.z + q->x);
    const double y = q->yy * p.y + 2 * (q->yz * p.z + q->y);
    const double z = q->zz * p.z + 2 * q->z;
    const double sum = x * p.x + y * p.y + z * p.z + q->constant;
    return sum > 0 && q->weight > 0 ? sum / q->weight : 0;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_BASE_VEC_H
#define FORMATS_BASE_VEC_H

/*
 * vec.h - vectors, boxes and 4x4 matrices.
 *
 * World coordinates are double (struct vec3); coordinates relative to a tile's
 * origin are float (struct vec3f). The types differ so that the compiler
 * notices when an origin was not subtracted.
 */

#include <math.h>
#include <stdbool.h>

struct vec2 {
    double x, y;
};

struct vec3 {
    double x, y, z;
};

struct vec3f {
    float x, y, z;
};

/* Axis-aligned; empty while min > max. */
struct box3 {
    struct vec3 min, max;
};

/*
 * Oriented box: centre and three half axes, as in a 3D Tiles "box" volume.
 * Half axes are orthogonal; their lengths are half extents in metres.
 */
struct obb {
    struct vec3 center;
    struct vec3 half[3];
};

/* Column-major, as glTF and 3D Tiles write it: element (row, column) is
 * m[4 * column + row]. */
struct mat4 {
    double m[16];
};

static inline struct vec3 vec3_add(struct vec3 a, struct vec3 b)
{
    return (struct vec3){a.x + b.x, a.y + b.y, a.z + b.z};
}

static inline struct vec3 vec3_sub(struct vec3 a, struct vec3 b)
{
    return (struct vec3){a.x - b.x, a.y - b.y, a.z - b.z};
}

static inline struct vec3 vec3_scale(struct vec3 a, double factor)
{
    return (struct vec3){a.x * factor, a.y * factor, a.z * factor};
}

static inline double vec3_dot(struct vec3 a, struct vec3 b)
{
    return a.x * b.x + a.y * b.y + a.z * b.z;
}

static inline struct vec3 vec3_cross(struct vec3 a, struct vec3 b)
{
    return (struct vec3){a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}

static inline double vec3_length(struct vec3 a)
{
    return sqrt(vec3_dot(a, a));
}

static inline double vec3_distance(struct vec3 a, struct vec3 b)
{
    return vec3_length(vec3_sub(a, b));
}

/* Unit vector, or the zero vector when `a` has no length. */
static inline struct vec3 vec3_unit(struct vec3 a)
{
    const double length = vec3_length(a);
    return length > 0 ? vec3_scale(a, 1 / length) : (struct vec3){0, 0, 0};
}

static inline bool vec3_is_finite(struct vec3 a)
{
    return isfinite(a.x) && isfinite(a.y) && isfinite(a.z);
}

static inline struct box3 box3_empty(void)
{
    const double far = (double)INFINITY; /* the macro is a float */
    return (struct box3){{far, far, far}, {-far, -far, -far}};
}

static inline bool box3_is_empty(struct box3 box)
{
    return box.min.x > box.max.x;
}

/* fmin() and fmax() are calls, for the sake of NaN: here a NaN is not added. */
static inline void box3_add(struct box3 *box, struct vec3 point)
{
    box->min.x = point.x < box->min.x ? point.x : box->min.x;
    box->min.y = point.y < box->min.y ? point.y : box->min.y;
    box->min.z = point.z < box->min.z ? point.z : box->min.z;
    box->max.x = point.x > box->max.x ? point.x : box->max.x;
    box->max.y = point.y > box->max.y ? point.y : box->max.y;
    box->max.z = point.z > box->max.z ? point.z : box->max.z;
}

static inline void box3_join(struct box3 *box, struct box3 other)
{
    if (!box3_is_empty(other)) {
        box3_add(box, other.min);
        box3_add(box, other.max);
    }
}

static inline struct vec3 box3_center(struct box3 box)
{
    return vec3_scale(vec3_add(box.min, box.max), 0.5);
}

static inline struct mat4 mat4_identity(void)
{
    return (struct mat4){{1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1}};
}

/* a * b: what b does, then what a does. */
struct mat4 mat4_multiply(struct mat4 a, struct mat4 b);

/* The point (w = 1) and the direction (w = 0); the last row is taken as
 * 0 0 0 1. */
struct vec3 mat4_point(struct mat4 m, struct vec3 point);
struct vec3 mat4_direction(struct mat4 m, struct vec3 direction);

/* Inverse of a matrix whose last row is 0 0 0 1; false when it is singular. */
bool mat4_invert_affine(struct mat4 m, struct mat4 *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_SHAPE_H
#define TILER_SHAPE_H

/*
 * shape.h - the triangles of one feature at one level of detail.
 *
 * What shape_from_feature() makes of a source LoD, what block.h and simplify.h
 * make of that, and what tiles are filled with. Triangles remember which face
 * they came from; a face is flat and has one normal.
 *
 * Frame    the feature's own: metres, x east, y north, z up
 * Threads  no state
 */

#include <stdbool.h>
#include <stdint.h>

#include "formats/base/arena.h"
#include "formats/base/report.h"
#include "formats/base/vec.h"
#include "formats/feature.h"

/* One per source polygon, or per generated face. */
struct shape_face {
    enum feature_surface kind;
    int32_t material;   /* index into the feature's materials, or FEATURE_NONE */
    int32_t texture;    /* index into the feature's textures, or FEATURE_NONE */
    struct vec3 normal; /* unit, outward where that is known */
    uint32_t polygon;   /* index into the feature's polygons; UINT32_MAX: generated */
};

struct shape {
    struct vec3 *points; /* each distinct position once (exact), all in use */
    uint32_t point_count;
    uint32_t *corners;        /* triangle_count x 3 into points, anticlockwise from outside */
    uint32_t *triangle_faces; /* per triangle, into faces; rising */
    uint32_t triangle_count;
    struct shape_face *faces; /* each has a triangle */
    uint32_t face_count;
    float *uvs;     /* triangle_count x 3 x 2, v grows upward, or NULL: no texture */
    bool is_closed; /* every edge is met by as many triangles one way as the other */
};

/* What the repair of orientation may rely on, and what was done. */
struct shape_repairs {
    uint32_t flipped;   /* polygons turned over */
    uint32_t slivers;   /* polygons without area, left out */
    uint32_t crossings; /* polygons that cross themselves, drawn by the even-odd rule */
    uint32_t skipped;   /* polygons that could not be triangulated */
};

/*
 * Triangulates one level of detail of a feature.
 *
 * Each polygon is cut in its own best-fit plane (Newell). Positions are shared
 * exactly. A corner is left out only where it is straight, within
 * SHAPE_STRAIGHT_M, for every polygon that has it, so no crack opens. Shells
 * are turned outward (shells of voids into the void) where that is decidable:
 * polygons are made to agree over shared edges, then a closed piece by its
 * signed volume, an open piece of a shell by the volume under a fan. Bare
 * surfaces that close are treated so too; the others keep the orientation of
 * the source, except roofs that face down and grounds that face up (orient.h).
 *
 * Shapes   placed   feature->vertex_count positions in the feature's frame;
 *                   those that this level uses are finite
 * Memory   *out lives in out_arena; scratch is marked and reset
 * Report   "polygon-without-area", "polygon-not-triangulated" skipped;
 *          "polygon-crosses-itself", "orientation" repaired; once per feature
 *          and kind with the number; report may be NULL
 * Errors   ERR_GEOMETRY  no triangle is left
 */
ERR_CHECKED bool shape_from_feature(const struct feature *feature, size_t lod_index,
                                    const struct vec3 *placed, struct arena *out_arena,
                                    struct arena *scratch, struct report *report, struct shape *out,
                                    struct err *err);

/* A tenth of a millimetre: far below what sources state, far above the noise
 * of doubles after a change of coordinate system. */
#define SHAPE_STRAIGHT_M 1e-4

struct box3 shape_box(const struct shape *shape);

/* Diameter of a sphere around all points, about the middle of their box: the
 * error that is made by leaving the feature out. */
double shape_diameter_m(const struct shape *shape);

/* Sum of the triangles' areas, and of those whose face has the kind. */
double shape_area_m2(const struct shape *shape);
double shape_kind_area_m2(const struct shape *shape, enum feature_surface kind);

/* Positive when a closed shape faces outward; meaningless for an open one. */
double shape_volume_m3(const struct shape *shape);

/* Two unit axes across a unit normal: what runs anticlockwise in their plane
 * does so seen from the normal's tip. */
void shape_plane_axes(struct vec3 normal, struct vec3 *out_u, struct vec3 *out_v);

/*
 * A floor is what nobody sees from outside: a GROUND face that is not a wall,
 * or, in a shape without GROUND faces, a face of unknown kind that looks down
 * and lies at the shape's lowest height (within SHAPE_FLOOR_M). One bool per
 * face; when every face is a floor (a plaza), none is.
 */
#define SHAPE_FLOOR_M 0.5
ERR_CHECKED bool shape_floors(const struct shape *shape, struct arena *out_arena, bool **out,
                              struct err *err);

#endif

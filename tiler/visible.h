/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_VISIBLE_H
#define TILER_VISIBLE_H

/*
 * visible.h - what of a building is seen from outside.
 *
 * Rooms, inner walls, furniture and pipes of a detailed model are drawn near by,
 * in the leaves; tiles above leave out what nobody sees from there. That is
 * decided on the geometry, object by object: everything is drawn from
 * VISIBLE_VIEWS sides (from the horizon up) into depth buffers, and an object is seen when a piece
 * of it is in front, or less than two pixels behind what is.
 *
 *          \  |  /
 *         --     --        48 views from afar, 17 of them finer
 *          /  |  \
 *
 * What is seen through doors, windows and gaps is seen from some of them; in
 * doubt an object is seen. Transparent things hide nothing. Objects that reach
 * the box around all of them, except its floor, are not looked at: they are
 * outside.
 *
 * So full detail, against which errors of tiles above the leaves are measured,
 * is full detail as it is seen from outside.
 *
 * Threads  no state
 */

#include "tiler/piece.h"
#include "tiler/shape.h"

enum { VISIBLE_VIEWS = 48, VISIBLE_FINE_VIEWS = 17, VISIBLE_PIXELS = 512 };

/* A few triangles need no more pixels than this a side for the root of their
 * number. */
enum { VISIBLE_PIXELS_PER_ROOT = 16 };

struct visible_scene {
    const struct vec3 *points;
    const uint32_t *corners; /* triangle_count x 3 */
    const uint32_t *objects; /* per triangle: < object_count */
    const uint8_t *is_clear; /* per triangle: hides nothing; NULL: none */
    uint32_t triangle_count;
    uint32_t object_count;
};

/*
 * Shapes   out_is_seen  object_count
 * Memory   scratch is marked and reset
 */
ERR_CHECKED bool visible_find(const struct visible_scene *scene, struct arena *scratch,
                              uint8_t *out_is_seen, struct err *err);

/*
 * The triangles of a shape that belong to objects seen from outside: objects
 * are what shares points, inner walls, ceilings and floors apart from the rest.
 *
 * Shapes   is_clear    per face: transparent; NULL: none
 *          out_hidden  triangles that are not seen; 0: *out is *full itself
 * Memory   *out lives in out_arena; scratch is marked and reset
 */
ERR_CHECKED bool visible_shape(const struct shape *full, const uint8_t *is_clear,
                               struct arena *out_arena, struct arena *scratch, struct shape *out,
                               uint32_t *out_hidden, struct err *err);

/*
 * Which of some features cannot be seen from outside, for others of the same
 * building (related by parent_id, near or far) are around them. Looks at the
 * finest piece of each.
 *
 * Shapes   out_is_hidden  count
 * Memory   scratch is marked and reset
 */
ERR_CHECKED bool visible_figures(const struct figure *figures, size_t count, struct arena *scratch,
                                 uint8_t *out_is_hidden, struct err *err);

#endif

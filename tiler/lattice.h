/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_LATTICE_H
#define TILER_LATTICE_H

/*
 * lattice.h - one fixed division of the whole Earth into cells.
 *
 * The Earth's surface is projected from its centre onto the six faces of a
 * cube; each face is a quadtree. There is no antimeridian and no pole in it,
 * and no cell depends on what a city contains: a building added at one end of
 * a city moves no tile at the other.
 *
 *          face  0 +x  1 +y  2 +z  3 -x  4 -y  5 -z     earth-centred axes
 *          key   face, then one pair of bits (y, x) a level, coarse first
 *
 * Within a face, u and v are angles (atan), not tangents: cells of one level
 * differ in area by at most 1.5 and not by 5.2.
 *
 * Source   the cube map of S2 (s2geometry, "S2 cell hierarchy"), with its own
 *          axes and angles
 * Threads  no state
 */

#include <stdint.h>

#include "formats/base/vec.h"

enum { LATTICE_LEVEL_MAX = 26, LATTICE_NAME_BYTES = 32 };

struct lattice_cell {
    uint64_t key; /* of its first point: bits below `level` are zero */
    int level;    /* 0: a whole face, about 10 000 km; 26: 15 cm */
};

/* The key of the smallest cell around a point; ecef_m must not be the centre
 * of the Earth. */
uint64_t lattice_key(struct vec3 ecef_m);

/* The first key after this cell's, so that its keys are [key, end). */
uint64_t lattice_end(struct lattice_cell cell);

struct lattice_cell lattice_child(struct lattice_cell cell, int quarter);

/* The cell of this level (0 to LATTICE_LEVEL_MAX) that holds the key. */
struct lattice_cell lattice_at(uint64_t key, int level);

/* The deepest cell that holds both keys; level -1 when they lie on different
 * faces. */
struct lattice_cell lattice_common(uint64_t first, uint64_t last);

/* The deepest level whose cells are at least `extent_m` wide everywhere. */
int lattice_level_for(double extent_m);

/* A point on the ellipsoid near the middle of the cell; for level -1, the
 * intersection of equator and prime meridian. */
struct vec3 lattice_center_ecef(struct lattice_cell cell);

/* "2-0312": the face, and a digit a level; "0" alone for a whole face, "w" for
 * the whole Earth (level -1). */
void lattice_name(struct lattice_cell cell, char out[LATTICE_NAME_BYTES]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_BASE_EARTH_H
#define FORMATS_BASE_EARTH_H

/*
 * earth.h - the WGS 84 ellipsoid in closed form: longitude, latitude and
 * height to earth-centred metres and back, and the local east-north-up frame.
 *
 * No tables, no library, no datum shift: that is the coordinate module's work.
 * Earth-centred (ECEF, EPSG:4978) axes: x to longitude 0 on the equator, y to
 * 90 degrees east, z to the north pole.
 *
 * Source   B. R. Bowring, "Transformation from spatial to geographical
 *          coordinates", Survey Review 23 (1976): his formula in the reduced
 *          latitude, applied a fixed number of times, with the height formula of
 *          "The accuracy of geodetic latitude and height equations", 28 (1985),
 *          which has no division and so holds at the poles too
 * Threads  No state; safe from any thread.
 */

#include "formats/base/vec.h"

#define EARTH_SEMI_MAJOR_M 6378137.0
#define EARTH_FLATTENING (1.0 / 298.257223563)

#define EARTH_PI 3.14159265358979323846
#define EARTH_RAD_PER_DEG (EARTH_PI / 180.0)

struct earth_point {
    double longitude_rad; /* -pi to pi, positive to the east */
    double latitude_rad;  /* -pi/2 to pi/2, geodetic, positive to the north */
    double height_m;      /* above the ellipsoid */
};

struct earth_point earth_point_deg(double longitude_deg, double latitude_deg, double height_m);

/* Exact but for rounding (a nanometre or two). */
struct vec3 earth_to_ecef(struct earth_point point);

/*
 * The inverse, to a few nanometres from 5,000 km under the surface to 50,000 km
 * above it. On the axis the longitude is 0. Nearer to the centre than 50 km
 * the answer is finite, and no more is promised.
 */
struct earth_point earth_from_ecef(struct vec3 ecef_m);

/* Unit vector away from the ellipsoid ("up") at a place. */
struct vec3 earth_up(struct vec3 ecef_m);

/*
 * The frame that stands at a place: columns are east, north, up and the place
 * itself, so it takes metres east, north and up of there to earth-centred
 * metres. It is what 3D Tiles calls a tile's `transform`. At a pole north is
 * the direction of longitude 180 (at the north pole) or 0 (at the south pole).
 */
struct mat4 earth_enu_frame(struct vec3 origin_ecef_m);

/* The inverse of earth_enu_frame(), by transposition: exact, never singular. */
struct mat4 earth_enu_frame_inverse(struct vec3 origin_ecef_m);

#endif

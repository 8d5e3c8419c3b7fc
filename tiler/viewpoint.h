/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_VIEWPOINT_H
#define TILER_VIEWPOINT_H

/*
 * viewpoint.h - where a city is looked at from: cameras by numbers, and a grid of
 * them that follows from the city itself.
 *
 * The grid follows from the full detail and from the volume of the root:
 *
 *     far-1, -2        the city fills the frame, 35 degrees down, from two sides
 *     middle-1 ... -3  35 degrees down, at the geometric mean of far and near
 *     near-1 ... -3    25 degrees down, 250 m from a building
 *     street-1 ... -3  eyes 1.7 m above an open place, along the longest way
 *
 * Buildings to look at are drawn from a map that is seen from above, by a fixed
 * low-discrepancy sequence. A camera that would stand in a building, or behind
 * one, is turned on by eighths.
 */

#include "tiler/scene.h"

enum { VIEWPOINT_GRID_MAX = 16, VIEWPOINT_TEXT_BYTES = 96 };

struct viewpoint {
    char name[16];                                /* "far-1"; "" for one given by numbers */
    double longitude_deg, latitude_deg, height_m; /* above the ellipsoid */
    double heading_deg, pitch_deg;                /* from north, clockwise; up */
};

/* "lon,lat,height,heading,pitch" in degrees and metres. ERR_SYNTAX. */
ERR_CHECKED bool viewpoint_read(const char *text, struct viewpoint *out, struct err *err);

/* As viewpoint_read() reads it. The grid's are such that nothing is lost. */
void viewpoint_print(const struct viewpoint *viewpoint, char out[VIEWPOINT_TEXT_BYTES]);

/* The larger side of the picture spans 60 degrees, as in CesiumJS. */
struct scene_camera viewpoint_camera(const struct viewpoint *viewpoint, int width_px,
                                     int height_px);

/* All of it from the south, 35 degrees down: the corners of the root's box are in
 * the frame, with a margin. ERR_UNSUPPORTED when the root has no volume. */
ERR_CHECKED bool viewpoint_overview(const struct scene *scene, int width_px, int height_px,
                                    struct viewpoint *out, struct err *err);

/*
 * Shapes   out  VIEWPOINT_GRID_MAX; *out_count of them are set. Near and street
 *               cameras are missing where there is no building or no open place.
 * Memory   scratch is marked and reset; about 30 MB of it
 * Errors   those of scene_bounds(), and of drawing all of the city
 */
ERR_CHECKED bool viewpoint_grid(struct scene *scene, int width_px, int height_px,
                                struct arena *scratch, struct viewpoint *out, size_t *out_count,
                                struct err *err);

/* East, north and up of a place turned into an earth-centred direction. */
struct vec3 viewpoint_direction(struct mat4 enu, double heading_rad, double pitch_rad);

#endif

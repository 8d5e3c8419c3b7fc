/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_RASTER_H
#define TILER_RASTER_H

/*
 * raster.h - a small software renderer: triangles with a depth buffer, lit by
 * a sun and a sky, on a ground plane.
 *
 * It is a measuring instrument, so it is plain and repeatable: no threads, no
 * clock, samples on a fixed grid that are averaged in linear light.
 *
 * Frame    the camera's: metres, x right, y up, z toward the viewer (what is
 *          seen has z < 0)
 */

#include "formats/base/arena.h"
#include "formats/base/vec.h"
#include "formats/image.h"

struct raster_view {
    uint32_t width_px, height_px; /* of the picture */
    uint32_t samples;             /* each pixel is samples x samples of them; 1 to 8 */
    double fov_y_rad;
    double near_m;
    struct vec3 sun_camera; /* unit, toward the sun */
    struct vec3 up_camera;  /* unit, away from the ground */
    double ground_camera_m; /* the ground is where dot(point, up) == this */
    bool has_ground;
};

struct raster;

/* Opens a picture with sky and ground in it. Memory: all in `run`, 16 bytes a
 * sample. ERR_LIMIT from it. */
ERR_CHECKED bool raster_open(const struct raster_view *view, struct arena *run, struct raster **out,
                             struct err *err);

struct raster_corner {
    struct vec3 at_camera;
    struct vec3 normal_camera; /* unit */
    float color[4];            /* linear */
};

/* Blended triangles should come after the opaque ones behind them. Seen from
 * behind, a triangle is drawn only when it is two-sided. */
void raster_triangle(struct raster *raster, const struct raster_corner corners[3],
                     bool is_two_sided);

/* Samples averaged; memory of *out in `run`. */
ERR_CHECKED bool raster_finish(const struct raster *raster, struct arena *run, struct image *out,
                               struct err *err);

#endif

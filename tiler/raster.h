/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_RASTER_H
#define TILER_RASTER_H

/*
 * raster.h - a small software renderer: triangles with a depth buffer, lit by
 * a sun and a sky, on a ground plane.
 *
 * It is a measuring instrument, so it is plain and repeatable: no threads, no
 * clock, samples on a fixed grid that are averaged in linear light. Two triangles
 * that share an edge leave no gap between them and draw no sample twice.
 *
 * Frame    the camera's: metres, x right, y up, z toward the viewer (what is
 *          seen has z < 0)
 */

#include "formats/base/arena.h"
#include "formats/base/vec.h"
#include "formats/image.h"
#include "tiler/texture.h"

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

/* Opens a picture with sky and ground in it. Memory: all in `run`, 20 bytes a
 * sample. ERR_LIMIT from it. */
ERR_CHECKED bool raster_open(const struct raster_view *view, struct arena *run, struct raster **out,
                             struct err *err);

struct raster_corner {
    struct vec3 at_camera;
    struct vec3 normal_camera; /* unit */
    float color[4];            /* linear */
    float uv[2];               /* of the face's texture, v from the top */
};

struct raster_face {
    uint32_t id; /* what it belongs to; 0 nothing that has a name */
    bool is_two_sided;
    bool is_unlit;                 /* its colours are shown as they are */
    enum mesh_alpha alpha;         /* of the texture; MESH_MASK: less than a half is not there */
    const struct texture *texture; /* multiplies the colours; NULL: none */
};

/* Blended triangles should come after the opaque ones behind them. Seen from
 * behind, a triangle is drawn only when it is two-sided. */
void raster_triangle(struct raster *raster, const struct raster_corner corners[3],
                     const struct raster_face *face);

/* What was drawn, sample by sample: rows from the top, width * samples wide. */
struct raster_samples {
    uint32_t width, height;
    const uint32_t *ids; /* of the faces; 0 sky, ground, nothing with a name */
    const float *depths; /* 1 / metres along the view; 0 nothing opaque */
};

struct raster_samples raster_samples(const struct raster *raster);

/* Samples averaged; memory of *out in `run`. */
ERR_CHECKED bool raster_finish(const struct raster *raster, struct arena *run, struct image *out,
                               struct err *err);

#endif

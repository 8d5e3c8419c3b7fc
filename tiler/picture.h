/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_PICTURE_H
#define TILER_PICTURE_H

/*
 * picture.h - a scene drawn from a camera: its pixels, and which feature stands
 * at each sample of them.
 */

#include "formats/image.h"
#include "tiler/scene.h"

struct picture {
    struct image image;
    uint32_t samples;    /* a side of a pixel */
    const uint32_t *ids; /* rows of width x samples; see scene_draw. 0: nothing */
    struct scene_drawn drawn;
};

struct picture_look {
    struct scene_camera camera; /* width_px and height_px are whole numbers */
    uint32_t samples;           /* a side of a pixel, 1 to 8 */
    double ground_m;            /* ellipsoidal; where the ground is drawn */
};

/*
 * Draws what `choice` shows.
 *
 * Memory   *out in `arena` (4 bytes a pixel, 4 a sample); 20 bytes a sample of
 *          scratch, which is marked and reset
 * Errors   those of scene_draw_choice()
 */
ERR_CHECKED bool picture_draw(struct scene *scene, const struct picture_look *look,
                              const struct scene_choice *choice, struct arena *arena,
                              struct arena *scratch, struct picture *out, struct err *err);

/*
 * The same without a picture: which feature, and 1 / metres along the view, at
 * every sample (see raster_samples).
 *
 * Shapes   out_ids, out_depths  width x height samples
 */
ERR_CHECKED bool picture_map(struct scene *scene, const struct picture_look *look,
                             const struct scene_choice *choice, struct arena *scratch,
                             uint32_t *out_ids, float *out_depths, struct err *err);

#endif

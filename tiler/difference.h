/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_DIFFERENCE_H
#define TILER_DIFFERENCE_H

/*
 * difference.h - what distinguishes two pictures of the same place: one of full
 * detail, and one of what a viewer shows instead.
 */

#include "tiler/flip.h"
#include "tiler/picture.h"

/* A picture that others are compared with. */
struct difference_reference {
    const struct picture *picture;
    const struct flip_picture *flip;
    /* Of the package that is compared: what a group of it stands for; may be NULL. */
    const struct scene_groups *groups;
};

struct difference {
    /* Over the windows of ssim.h that touch a building in either picture: 1
     * where there is none. */
    double ssim_mean;
    double ssim_least; /* of the worst window */
    /* Over the pixels in the middle of those windows: 0 the same, 1 the most. */
    double flip_mean, flip_p95;
    uint64_t window_count;

    /* Areas in pixels, counted in samples. */
    double building_px;   /* a building in either picture */
    double silhouette_px; /* a building in one of them only */
    /* Another feature, or none, where a building is in either. A group that the
     * feature is in is not another. */
    double feature_px;
};

/*
 * Compares.
 *
 * Demands  both of the same size and samples
 * Shapes   out_map  width x height, what flip.h says of each pixel; may be NULL
 * Memory   scratch is marked and reset
 */
ERR_CHECKED bool difference_measure(const struct difference_reference *reference,
                                    const struct picture *picture, struct arena *scratch,
                                    float *out_map, struct difference *out, struct err *err);

#endif

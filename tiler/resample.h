/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_RESAMPLE_H
#define TILER_RESAMPLE_H

/*
 * resample.h - a part of an image, made smaller: each pixel is the mean of the
 * area it stands for, in linear light, weighted by alpha.
 *
 * Threads  no state
 */

#include "formats/base/arena.h"
#include "formats/image.h"
#include "formats/mesh.h"
#include "tiler/cover.h"
#include "tiler/light.h"

/* A part of an image in its own pixels, fractions allowed; beyond the image's
 * edges it goes on as `wrap` says. */
struct resample_part {
    double x0, y0, x1, y1;
    enum mesh_wrap wrap;
    const struct cover *cover; /* of the same pixels; what it lacks does not count. NULL: all */
};

/* Where it goes: width x height pixels at (x, y) of an image. */
struct resample_place {
    struct image *image;
    uint32_t x, y, width, height;
    uint32_t gutter;
    uint32_t extra_x, extra_y; /* more of it to the right and below */
};

/*
 * Writes the part's pixels to `place`, then the edge pixels `gutter` times around
 * them. A part that needs no change of size is copied.
 *
 * alpha    MESH_OPAQUE: all become opaque; MESH_MASK: when shrunk, alpha is
 *          raised so that as much passes one half as there was before.
 *          Clear pixels take the colour of their neighbours, so that nothing
 *          dark bleeds into an edge.
 * Demands  the place with its gutter lies inside its image
 * Memory   scratch is marked and reset
 */
ERR_CHECKED bool resample_part(const struct image *from, const struct resample_part *part,
                               enum mesh_alpha alpha, const struct light_table *light,
                               const struct resample_place *place, struct arena *scratch,
                               struct err *err);

#endif

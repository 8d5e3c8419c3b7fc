/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_TEXTURE_H
#define TILER_TEXTURE_H

/*
 * texture.h - a picture that is being looked at: decoded, with its mip maps,
 * read between its texels.
 *
 * Filtering is that of a graphics card with sRGB textures: means in linear
 * light, between four texels, on the mip map that fits.
 *
 * Threads  read from any once opened
 */

#include "formats/base/arena.h"
#include "formats/mesh.h"
#include "formats/image.h"
#include "tiler/light.h"

enum { TEXTURE_LEVELS_MAX = 17 };

struct texture {
    struct image levels[TEXTURE_LEVELS_MAX]; /* each half of the one before */
    int level_count;
    enum mesh_wrap wrap;
    struct light_table light;
};

/* Decodes a tile's picture. Memory in `arena`, a third more than its pixels.
 * Errors   those of image_read() */
ERR_CHECKED bool texture_open(const struct mesh_image *picture, enum mesh_wrap wrap,
                              struct arena *arena, struct texture *out, struct err *err);

/*
 * The colour at a place, v from the top; linear, alpha beside it.
 *
 * texels  how many of the picture's texels a sample covers, along one side
 */
void texture_sample(const struct texture *texture, double u, double v, double texels, float out[4]);

#endif

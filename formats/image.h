/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_IMAGE_H
#define FORMATS_IMAGE_H

/*
 * image.h - the hub for pixels.
 */

#include <stdint.h>

/* Rows from the top, four bytes a pixel: red, green, blue (sRGB) and alpha, not
 * premultiplied. */
struct image {
    uint32_t width;
    uint32_t height;
    uint8_t *pixels; /* width x height x 4 */
};

#endif

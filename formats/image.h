/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_IMAGE_H
#define FORMATS_IMAGE_H

/*
 * image.h - the hub for pixels, and reading any image that is known here.
 *
 * The bytes decide what an image is, never its name: a JPEG called .png is
 * read. JPEG, PNG, WebP and TIFF are known (image_jpeg.h and its sisters).
 *
 * Orientation marks (EXIF, TIFF) are not followed: texture coordinates count
 * from the pixels as they are stored, rows from the first. Colour profiles are
 * not followed either: all are taken for sRGB.
 *
 * Limits   IMAGE_SIDE_MAX a side and IMAGE_PIXELS_MAX decoded pixels; a JPEG
 *          larger than that is decoded at a half, a quarter or an eighth
 * Threads  no state
 */

#include <stdbool.h>
#include <stdint.h>

#include "formats/base/arena.h"
#include "formats/base/bytes.h"
#include "formats/base/err.h"

/* Rows from the top, four bytes a pixel: red, green, blue (sRGB) and alpha, not
 * premultiplied. */
struct image {
    uint32_t width;
    uint32_t height;
    uint8_t *pixels; /* width x height x 4 */
};

enum { IMAGE_SIDE_MAX = 65535, IMAGE_PIXELS_MAX = 1 << 27 };

enum image_format { IMAGE_UNKNOWN, IMAGE_JPEG, IMAGE_PNG, IMAGE_WEBP, IMAGE_TIFF };

struct image_facts {
    enum image_format format;
    uint32_t width, height;
    bool may_have_alpha; /* it has such a channel, or a colour that is clear */
};

/* By the first bytes. */
enum image_format image_format_of(struct span bytes);

/* "JPEG", ...; "" for IMAGE_UNKNOWN. */
const char *image_format_name(enum image_format format);

/*
 * What the header says, without decoding.
 *
 * Errors   ERR_UNSUPPORTED  none of the formats; the message names a known one
 *                           that is not read (GIF, BMP, ...)
 *          ERR_SYNTAX       a header that is broken or cut short
 *          ERR_LIMIT        a side of more than IMAGE_SIDE_MAX
 */
ERR_CHECKED bool image_probe(struct span bytes, struct image_facts *out, struct err *err);

/*
 * Decodes. `shrink` is 1, 2, 4 or 8: the caller is content with an image so many
 * times smaller, which JPEG can give at a fraction of the time (sides are
 * rounded up); other formats come whole. *out says which size it is.
 *
 * Memory   *out lives in `arena`
 * Errors   those of image_probe(); ERR_SYNTAX also when pixels are missing or
 *          damaged; ERR_LIMIT more than IMAGE_PIXELS_MAX, or the arena is full
 *          ERR_LIBRARY, ERR_NOMEM
 */
ERR_CHECKED bool image_read(struct span bytes, uint32_t shrink, struct arena *arena,
                            struct image *out, struct err *err);

/* `width` x `height` clear pixels in `arena`; ERR_LIMIT past the limits.
 * For the codecs. */
ERR_CHECKED bool image_make(uint32_t width, uint32_t height, struct arena *arena, struct image *out,
                            struct err *err);

/* True when every pixel's alpha is 255. */
bool image_is_opaque(const struct image *image);

#endif

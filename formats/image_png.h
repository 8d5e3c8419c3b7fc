/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_IMAGE_PNG_H
#define FORMATS_IMAGE_PNG_H

/*
 * image_png.h - PNG, through libpng.
 *
 * Source   Portable Network Graphics (PNG) Specification, second edition
 * Threads  no state
 */

#include "formats/base/buf.h"
#include "formats/image.h"

/*
 * Appends the image as PNG, without alpha when every pixel is opaque. No time
 * is written: the same image gives the same bytes.
 *
 * Errors   ERR_LIMIT, ERR_NOMEM  from `out`
 *          ERR_LIBRARY           libpng's words
 */
ERR_CHECKED bool image_png_write(const struct image *image, struct buf *out, struct err *err);

#endif

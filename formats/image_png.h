/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_IMAGE_PNG_H
#define FORMATS_IMAGE_PNG_H

/*
 * image_png.h - PNG: read through libpng, written here.
 *
 * Source   Portable Network Graphics (PNG) Specification, second edition
 *
 * All colour types, depths and interlacing are read; 16 bits become 8. Writing
 * filters the rows itself and packs with libdeflate, which is several times as
 * fast as libpng with zlib for fewer bytes.
 *
 * Limits   image.h; of ancillary chunks, what libpng takes by default
 * Threads  no state
 */

#include "formats/base/buf.h"
#include "formats/image.h"

/* Errors: ERR_SYNTAX broken or cut short */
ERR_CHECKED bool image_png_probe(struct span bytes, struct image_facts *out, struct err *err);

/* As image_read(). */
ERR_CHECKED bool image_png_read(struct span bytes, struct arena *arena, struct image *out,
                                struct err *err);

/*
 * Appends the image as PNG, without alpha when every pixel is opaque. No time
 * is written: the same image gives the same bytes.
 *
 * Errors   ERR_LIMIT, ERR_NOMEM  from `out`, or of the rows' copy
 */
ERR_CHECKED bool image_png_write(const struct image *image, struct buf *out, struct err *err);

#endif

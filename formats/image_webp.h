/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_IMAGE_WEBP_H
#define FORMATS_IMAGE_WEBP_H

/*
 * image_webp.h - WebP, through libwebp.
 *
 * Source   RFC 9649 (WebP Image Format)
 *
 * Lossy and lossless, with and without alpha. Animations are not read.
 *
 * Limits   16383 a side; image.h
 * Threads  no state
 */

#include "formats/base/buf.h"
#include "formats/image.h"

/* Errors: ERR_SYNTAX broken or cut short; ERR_UNSUPPORTED an animation */
ERR_CHECKED bool image_webp_probe(struct span bytes, struct image_facts *out, struct err *err);

/* As image_read(). */
ERR_CHECKED bool image_webp_read(struct span bytes, struct arena *arena, struct image *out,
                                 struct err *err);

/*
 * Appends the image, lossy, with its alpha where it has any. The same image
 * gives the same bytes.
 *
 * quality  1 to 100, on libwebp's scale
 * Errors   ERR_LIMIT    a side of more than 16383; from `out`
 *          ERR_NOMEM, ERR_LIBRARY
 */
ERR_CHECKED bool image_webp_write(const struct image *image, int quality, struct buf *out,
                                  struct err *err);

#endif

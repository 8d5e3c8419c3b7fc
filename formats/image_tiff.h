/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_IMAGE_TIFF_H
#define FORMATS_IMAGE_TIFF_H

/*
 * image_tiff.h - TIFF, through libtiff; read only.
 *
 * Source   TIFF Revision 6.0; BigTIFF
 *
 * The first image of the file, of whatever compression and colour libtiff turns
 * to RGBA (8 and 16 bits, palettes, CMYK, JPEG inside). Its orientation tag is
 * not followed. Georeferencing is not read here.
 *
 * Limits   image.h
 * Threads  no state
 */

#include "formats/image.h"

/* Errors: ERR_SYNTAX with libtiff's words; ERR_UNSUPPORTED pixels that it cannot
 * turn to RGBA */
ERR_CHECKED bool image_tiff_probe(struct span bytes, struct image_facts *out, struct err *err);

/* As image_read(). */
ERR_CHECKED bool image_tiff_read(struct span bytes, struct arena *arena, struct image *out,
                                 struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_IMAGE_JPEG_H
#define FORMATS_IMAGE_JPEG_H

/*
 * image_jpeg.h - JPEG, through libjpeg-turbo.
 *
 * Source   ITU-T T.81 (JPEG), T.871 (JFIF); Adobe's APP14 for CMYK
 *
 * Read are grey, YCbCr, RGB, CMYK and YCCK of 8 bits, baseline and progressive.
 * CMYK is turned to RGB without a profile. EXIF orientation is not followed.
 *
 * Limits   at most IMAGE_JPEG_SCANS_MAX scans; image.h
 * Threads  no state
 */

#include "formats/base/buf.h"
#include "formats/image.h"

/* A progressive file has ten or so; each costs a pass over all coefficients. */
enum { IMAGE_JPEG_SCANS_MAX = 128 };

/* Errors: ERR_SYNTAX with libjpeg's words; ERR_UNSUPPORTED 12 bits, lossless */
ERR_CHECKED bool image_jpeg_probe(struct span bytes, struct image_facts *out, struct err *err);

/* As image_read(); a file that is cut short or damaged is an error. */
ERR_CHECKED bool image_jpeg_read(struct span bytes, uint32_t shrink, struct arena *arena,
                                 struct image *out, struct err *err);

/*
 * Appends the image, without its alpha: baseline, chroma at half resolution,
 * Huffman tables of its own. The same image gives the same bytes.
 *
 * quality  1 to 100, on libjpeg's scale
 * Errors   ERR_LIMIT, ERR_NOMEM from `out`; ERR_LIBRARY libjpeg's words
 */
ERR_CHECKED bool image_jpeg_write(const struct image *image, int quality, struct buf *out,
                                  struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_SSIM_H
#define TILER_SSIM_H

/*
 * ssim.h - structural similarity of two pictures.
 *
 * Source   Wang, Bovik, Sheikh, Simoncelli: "Image Quality Assessment: From Error
 *          Visibility to Structural Similarity", IEEE Transactions on Image
 *          Processing 13(4), 2004: "SSIM Index", "Image Quality Assessment Using
 *          SSIM Index": circular-symmetric Gaussian of 11 x 11, standard
 *          deviation 1.5; K1 0.01, K2 0.03, range 255. Luminance is 0.299 R +
 *          0.587 G + 0.114 B of the encoded values. Pictures are not scaled down.
 */

#include "formats/base/arena.h"
#include "formats/image.h"

enum { SSIM_WINDOW = 11, SSIM_REACH = SSIM_WINDOW / 2 };

/*
 * The index of every window that lies wholly in the pictures, at its middle
 * pixel; elsewhere 1.
 *
 * Demands  same size
 * Shapes   out_map  width x height
 * Memory   scratch is marked and reset
 */
ERR_CHECKED bool ssim_map(const struct image *a, const struct image *b, struct arena *scratch,
                          float *out_map, struct err *err);

#endif

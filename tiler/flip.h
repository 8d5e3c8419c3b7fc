/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_FLIP_H
#define TILER_FLIP_H

/*
 * flip.h - how different two pictures look to someone who flips between them.
 *
 * Source   Andersson, Nilsson, Akenine-Moeller, Oskarsson, Astroem, Fairchild:
 *          "FLIP: A Difference Evaluator for Alternating Images", Proceedings of
 *          the ACM on Computer Graphics and Interactive Techniques 3(2), 2020:
 *          "Color Pipeline" (with "Spatial Filtering", "Perceptually Uniform
 *          Color Space", "Color Metric", "Error Redistribution"), "Feature
 *          Pipeline", "Final Difference"; at 67 pixels a degree, a screen 0.7 m
 *          wide with 3840 pixels seen from 0.7 m
 *
 * A picture is prepared once and then compared with many.
 */

#include "formats/base/arena.h"
#include "formats/image.h"

struct flip_picture;

/* Memory: *out in `arena`, 20 bytes a pixel; scratch is marked and reset, and may
 * be the same arena. Demands: 32 x 32 pixels or more. */
ERR_CHECKED bool flip_prepare(const struct image *image, struct arena *arena, struct arena *scratch,
                              struct flip_picture **out, struct err *err);

/*
 * The difference at every pixel, 0 the same to 1.
 *
 * Demands  same size
 * Shapes   out_map  width x height
 */
void flip_map(const struct flip_picture *reference, const struct flip_picture *test,
              float *out_map);

#endif

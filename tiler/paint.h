/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_PAINT_H
#define TILER_PAINT_H

/*
 * paint.h - which colour a face has.
 *
 * The source's material where it has one; else a colour for the surface kind
 * (roof, wall, water, ...) of buildings and for the class of everything else:
 * a white city that can be read, roofs told from walls, green from water.
 */

#include <stdbool.h>
#include <stdint.h>

#include "formats/feature.h"

struct paint {
    uint16_t color[4]; /* linear light and alpha, 65535 is 1 */
};

/* `material` NULL: by kind and class. */
struct paint paint_face(struct text class_name, enum feature_surface kind,
                        const struct feature_material *material);

static inline bool paint_is_blended(struct paint paint)
{
    return paint.color[3] < UINT16_MAX;
}

/* IEC 61966-2-1, "sRGB": from the encoded value to linear light, both 0 to 1. */
double paint_linear(double srgb);

#endif

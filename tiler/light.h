/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_LIGHT_H
#define TILER_LIGHT_H

/*
 * light.h - bytes of sRGB to linear light and back, by table: means of colours
 * are means of light.
 *
 * Source   IEC 61966-2-1, "sRGB"
 * Threads  a table is made by its owner and then only read
 */

#include <stdint.h>

enum { LIGHT_STEPS = 4096 };

struct light_table {
    float linear[256];            /* of an encoded byte, 0 to 1 */
    uint8_t encoded[LIGHT_STEPS]; /* of linear light, in steps */
};

void light_init(struct light_table *table);

/* Rounded to the nearest byte, to within one near black. */
static inline uint8_t light_encode(const struct light_table *table, float linear)
{
    const float at = linear * (LIGHT_STEPS - 1) + 0.5f;
    return table->encoded[at <= 0 ? 0 : at >= LIGHT_STEPS - 1 ? LIGHT_STEPS - 1 : (int)at];
}

#endif

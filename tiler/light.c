/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/light.h"

#include <math.h>

#include "tiler/paint.h"

static double encode(double linear)
{
    return linear <= 0.0031308 ? 12.92 * linear : 1.055 * pow(linear, 1 / 2.4) - 0.055;
}

void light_init(struct light_table *table)
{
    for (int i = 0; i < 256; i++) {
        table->linear[i] = (float)paint_linear(i / 255.0);
    }
    for (int i = 0; i < LIGHT_STEPS; i++) {
        table->encoded[i] = (uint8_t)lround(encode(i / (LIGHT_STEPS - 1.0)) * 255);
    }
}

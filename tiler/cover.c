/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/cover.h"

#include <math.h>
#include <string.h>

bool cover_open(struct cover *cover, int64_t x0, int64_t y0, uint32_t width, uint32_t height,
                struct arena *scratch, struct err *err)
{
    *cover = (struct cover){.x0 = x0, .y0 = y0, .width = width, .height = height};
    cover->texels = arena_array(scratch, uint8_t, (size_t)width * height);
    return cover->texels != NULL || arena_full(scratch, err);
}

/* Widens [*low, *high] by the part of the edge that lies between two rows. */
static void add_edge(const double *a, const double *b, double top, double bottom, double *low,
                     double *high)
{
    const double dy = b[1] - a[1];
    double from = 0;
    double to = 1;
    if (dy == 0) {
        if (a[1] < top || a[1] > bottom) {
            return;
        }
    } else {
        const double one = (top - a[1]) / dy;
        const double other = (bottom - a[1]) / dy;
        from = fmax(0, fmin(one, other));
        to = fmin(1, fmax(one, other));
        if (from > to) {
            return;
        }
    }
    const double x0 = a[0] + (b[0] - a[0]) * from;
    const double x1 = a[0] + (b[0] - a[0]) * to;
    *low = fmin(*low, fmin(x0, x1));
    *high = fmax(*high, fmax(x0, x1));
}

static int64_t clamp(double value, uint32_t end)
{
    return value <= 0 ? 0 : value >= end ? (int64_t)end : (int64_t)value;
}

void cover_triangle(struct cover *cover, const double *xy)
{
    const double y_low = fmin(xy[1], fmin(xy[3], xy[5])) - (double)cover->y0;
    const double y_high = fmax(xy[1], fmax(xy[3], xy[5])) - (double)cover->y0;
    /* A corner on the border of two texels touches both; a hundredth of one is
     * the noise of coordinates. */
    const double slack = 0.01;
    const int64_t end = clamp(ceil(y_high - slack), cover->height);
    for (int64_t y = clamp(floor(y_low + slack), cover->height); y < end; y++) {
        const double top = (double)(cover->y0 + y);
        double low = HUGE_VAL;
        double high = -HUGE_VAL;
        for (int k = 0; k < 3; k++) {
            add_edge(xy + 2 * k, xy + 2 * ((k + 1) % 3), top, top + 1, &low, &high);
        }
        const int64_t first = clamp(floor(low - (double)cover->x0 + slack), cover->width);
        const int64_t last = clamp(ceil(high - (double)cover->x0 - slack), cover->width);
        if (last > first) {
            memset(cover->texels + (size_t)y * cover->width + (size_t)first, 1,
                   (size_t)(last - first));
        }
    }
}

bool cover_is_whole(const struct cover *cover)
{
    const size_t count = (size_t)cover->width * cover->height;
    return count == 0 || memchr(cover->texels, 0, count) == NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/skyline.h"

#include <assert.h>
#include <string.h>

bool skyline_init(struct skyline *page, uint32_t width, uint32_t height, size_t count,
                  struct arena *scratch, struct err *err)
{
    assert(width > 0 && height > 0);
    *page = (struct skyline){.width = width, .height = height, .step_room = count + 2};
    page->steps = arena_array(scratch, struct skyline_step, page->step_room);
    if (page->steps == NULL) {
        return arena_full(scratch, err);
    }
    page->steps[0] = (struct skyline_step){0, 0, width};
    page->step_count = 1;
    return true;
}

/* The height at which a rectangle rests when its left side is at the step's;
 * UINT32_MAX when it does not fit there. */
static uint32_t rest_on(const struct skyline *page, size_t step, uint32_t width, uint32_t height)
{
    if (page->steps[step].x + width > page->width) {
        return UINT32_MAX;
    }
    uint32_t y = 0;
    uint32_t left = width;
    for (size_t i = step;; i++) {
        y = page->steps[i].y > y ? page->steps[i].y : y;
        if (y + height > page->height) {
            return UINT32_MAX;
        }
        if (page->steps[i].width >= left) {
            return y;
        }
        left -= page->steps[i].width;
    }
}

static void remove_step(struct skyline *page, size_t i)
{
    memmove(page->steps + i, page->steps + i + 1,
            (page->step_count - i - 1) * sizeof page->steps[0]);
    page->step_count--;
}

static void raise(struct skyline *page, size_t step, struct skyline_step top)
{
    assert(page->step_count < page->step_room);
    memmove(page->steps + step + 1, page->steps + step,
            (page->step_count - step) * sizeof page->steps[0]);
    page->steps[step] = top;
    page->step_count++;
    const uint32_t end = top.x + top.width;
    while (step + 1 < page->step_count && page->steps[step + 1].x < end) {
        struct skyline_step *next = &page->steps[step + 1];
        const uint32_t covered = end - next->x;
        if (next->width > covered) {
            next->x += covered;
            next->width -= covered;
            break;
        }
        remove_step(page, step + 1);
    }
    for (size_t i = 0; i + 1 < page->step_count;) {
        if (page->steps[i].y == page->steps[i + 1].y) {
            page->steps[i].width += page->steps[i + 1].width;
            remove_step(page, i + 1);
        } else {
            i++;
        }
    }
}

bool skyline_place(struct skyline *page, uint32_t width, uint32_t height, uint32_t *out_x,
                   uint32_t *out_y)
{
    assert(width > 0 && height > 0);
    size_t best = 0;
    uint32_t lowest = UINT32_MAX;
    for (size_t i = 0; i < page->step_count; i++) {
        const uint32_t y = rest_on(page, i, width, height);
        if (y < lowest) {
            lowest = y;
            best = i;
        }
    }
    if (lowest == UINT32_MAX) {
        return false;
    }
    *out_x = page->steps[best].x;
    *out_y = lowest;
    raise(page, best, (struct skyline_step){page->steps[best].x, lowest + height, width});
    page->used_height = lowest + height > page->used_height ? lowest + height : page->used_height;
    return true;
}

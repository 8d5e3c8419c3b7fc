/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/skyline.h"

#include "tests/check.h"
#include "tests/tiler/polygon_case.h"

enum { COUNT = 400, SIDE = 1024 };

struct placed {
    uint32_t x, y, width, height;
};

static int by_height(const void *a, const void *b)
{
    const struct placed *left = a;
    const struct placed *right = b;
    return (left->height < right->height) - (left->height > right->height);
}

static void skyline_place__packs_without_overlap(void)
{
    static struct placed placed[COUNT];
    static uint8_t page_pixels[SIDE][SIDE];
    struct arena scratch;
    struct skyline page;
    struct err err;
    uint64_t state = 9;
    uint64_t area = 0;
    arena_init(&scratch, 1 << 20);
    CHECK_OK(skyline_init(&page, SIDE, SIDE, COUNT, &scratch, &err), &err);
    for (size_t i = 0; i < COUNT; i++) {
        placed[i].width = (uint32_t)(10 + polygon_random(&state) % 60);
        placed[i].height = (uint32_t)(10 + polygon_random(&state) % 60);
    }
    qsort(placed, COUNT, sizeof placed[0], by_height);
    for (size_t i = 0; i < COUNT; i++) {
        struct placed *p = &placed[i];
        CHECK(skyline_place(&page, p->width, p->height, &p->x, &p->y));
        CHECK(p->x + p->width <= SIDE && p->y + p->height <= page.used_height);
        area += (uint64_t)p->width * p->height;
        for (uint32_t y = p->y; y < p->y + p->height; y++) {
            for (uint32_t x = p->x; x < p->x + p->width; x++) {
                CHECK_EQ(page_pixels[y][x]++, 0);
            }
        }
    }
    CHECK(page.used_height <= SIDE);
    /* Published: 93 of 100 for pages of such charts. */
    CHECK((double)area > 0.88 * SIDE * page.used_height);
    arena_release(&scratch);
}

static void skyline_place__says_when_it_is_full(void)
{
    struct arena scratch;
    struct skyline page;
    struct err err;
    uint32_t x;
    uint32_t y;
    arena_init(&scratch, 1 << 20);
    CHECK_OK(skyline_init(&page, 10, 10, 8, &scratch, &err), &err);
    CHECK(!skyline_place(&page, 11, 1, &x, &y));
    CHECK(skyline_place(&page, 10, 4, &x, &y));
    CHECK(skyline_place(&page, 5, 6, &x, &y));
    CHECK(!skyline_place(&page, 6, 6, &x, &y));
    CHECK(skyline_place(&page, 5, 6, &x, &y));
    CHECK_EQ(x, 5);
    CHECK_EQ(y, 4);
    CHECK(!skyline_place(&page, 1, 1, &x, &y));
    CHECK_EQ(page.used_height, 10);
    arena_release(&scratch);
}

CHECK_MAIN(CHECK_TEST(skyline_place__packs_without_overlap),
           CHECK_TEST(skyline_place__says_when_it_is_full))

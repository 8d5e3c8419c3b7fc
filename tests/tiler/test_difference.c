/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/difference.h"

#include "tests/check.h"

enum { SIZE = 64, SAMPLES = 2, SIDE = SIZE * SAMPLES };

/* A dark square, a building, on a lighter ground. */
struct drawing {
    uint8_t pixels[4 * SIZE * SIZE];
    uint32_t ids[SIDE * SIDE];
    struct picture picture;
};

static void draw(struct drawing *d, int left, int top, int size, uint32_t id)
{
    for (int y = 0; y < SIDE; y++) {
        for (int x = 0; x < SIDE; x++) {
            const int px = x / SAMPLES;
            const int py = y / SAMPLES;
            const bool is_in = px >= left && px < left + size && py >= top && py < top + size;
            d->ids[SIDE * y + x] = is_in ? id : 0;
            const uint8_t value = is_in ? 60 : 150;
            const uint8_t pixel[4] = {value, value, value, 255};
            memcpy(d->pixels + 4 * (SIZE * py + px), pixel, sizeof pixel);
        }
    }
    d->picture =
        (struct picture){.image = {SIZE, SIZE, d->pixels}, .samples = SAMPLES, .ids = d->ids};
}

static struct difference compare(struct drawing *a, const struct drawing *b, float *map)
{
    struct arena scratch;
    struct err err;
    struct flip_picture *flip;
    struct difference out;
    arena_init(&scratch, (size_t)1 << 26);
    CHECK_OK(flip_prepare(&a->picture.image, &scratch, &scratch, &flip, &err), &err);
    const struct difference_reference reference = {&a->picture, flip, NULL};
    CHECK_OK(difference_measure(&reference, &b->picture, &scratch, map, &out, &err), &err);
    arena_release(&scratch);
    return out;
}

static const uint32_t house = SCENE_BUILDING | 5;
static const uint32_t neighbour = SCENE_BUILDING | 6;
static const uint32_t tree = 7;

static void difference_measure__is_nothing_between_equals(void)
{
    static struct drawing a;
    draw(&a, 20, 20, 10, house);
    const struct difference d = compare(&a, &a, NULL);
    CHECK_NEAR(d.ssim_mean, 1, 1e-6, "");
    CHECK_NEAR(d.flip_mean, 0, 1e-9, "");
    CHECK_NEAR(d.building_px, 100, 1e-9, "px");
    CHECK_NEAR(d.silhouette_px + d.feature_px, 0, 0, "px");
    /* a window reaches five pixels to each side */
    CHECK_EQ(d.window_count, 20 * 20);
}

static void difference_measure__counts_a_moved_outline(void)
{
    static struct drawing a;
    static struct drawing b;
    draw(&a, 20, 20, 10, house);
    draw(&b, 22, 20, 10, house);
    const struct difference d = compare(&a, &b, NULL);
    CHECK_NEAR(d.silhouette_px, 2 * 2 * 10, 1e-9, "px");
    CHECK_NEAR(d.feature_px, 2 * 2 * 10, 1e-9, "px");
    CHECK_NEAR(d.building_px, 12 * 10, 1e-9, "px");
    CHECK_EQ(d.window_count, 22 * 20);
    CHECK(d.ssim_mean < 0.9 && d.ssim_mean > 0);
    CHECK(d.flip_mean > 0.01 && d.flip_p95 >= d.flip_mean);
}

static void difference_measure__tells_who_stands_there(void)
{
    static struct drawing a;
    static struct drawing b;
    draw(&a, 20, 20, 10, house);
    draw(&b, 20, 20, 10, neighbour);
    const struct difference d = compare(&a, &b, NULL);
    CHECK_NEAR(d.ssim_mean, 1, 1e-6, "");
    CHECK_NEAR(d.silhouette_px, 0, 0, "px");
    CHECK_NEAR(d.feature_px, 100, 1e-9, "px");
}

/* Far from any building nothing counts, however different. */
static void difference_measure__looks_at_buildings(void)
{
    static struct drawing a;
    static struct drawing b;
    static float map[SIZE * SIZE];
    draw(&a, 40, 40, 10, tree);
    draw(&b, 10, 10, 10, tree);
    const struct difference d = compare(&a, &b, map);
    CHECK_EQ(d.window_count, 0);
    CHECK_NEAR(d.ssim_mean, 1, 0, "");
    CHECK(map[SIZE * 45 + 45] > 0.1f);
    CHECK(map[SIZE * 15 + 15] > 0.1f);
}

CHECK_MAIN(CHECK_TEST(difference_measure__is_nothing_between_equals),
           CHECK_TEST(difference_measure__counts_a_moved_outline),
           CHECK_TEST(difference_measure__tells_who_stands_there),
           CHECK_TEST(difference_measure__looks_at_buildings))

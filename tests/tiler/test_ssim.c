/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/ssim.h"

#include "tests/tiler/picture_case.h"

static const double tolerance = 5e-4;

static void check_pair(const struct picture_case *c)
{
    static float map[PICTURE_SIZE * PICTURE_SIZE];
    struct arena scratch;
    struct err err;
    arena_init(&scratch, (size_t)1 << 24);
    CHECK_OK(ssim_map(&c->images[0], &c->images[1], &scratch, map, &err), &err);
    double sum = 0;
    const int inside = PICTURE_SIZE - 2 * SSIM_REACH;
    for (int y = SSIM_REACH; y < PICTURE_SIZE - SSIM_REACH; y++) {
        for (int x = SSIM_REACH; x < PICTURE_SIZE - SSIM_REACH; x++) {
            sum += (double)map[PICTURE_SIZE * y + x];
        }
    }
    CHECK_NEAR(sum / (inside * inside), c->ssim_mean, tolerance, "");
    CHECK_NEAR((double)map[PICTURE_SIZE * 32 + 32], c->ssim_middle, tolerance, "");
    arena_release(&scratch);
}

static void ssim_map__agrees_with_another_program(void)
{
    picture_each(check_pair);
}

static void ssim_map__fails_on_every_refusal(void)
{
    static struct picture_case c = {.name = "color-shift-1"};
    static float map[PICTURE_SIZE * PICTURE_SIZE];
    picture_make_pair(&c);
    struct arena scratch;
    struct err err;
    size_t count = 0;
    for (;;) {
        arena_init(&scratch, (size_t)1 << 24);
        scratch.fail_after = ++count;
        const bool ok = ssim_map(&c.images[0], &c.images[1], &scratch, map, &err);
        arena_release(&scratch);
        if (ok) {
            break;
        }
        CHECK_EQ(err.code, ERR_NOMEM);
    }
    CHECK(count > 5);
}

CHECK_MAIN(CHECK_TEST(ssim_map__agrees_with_another_program),
           CHECK_TEST(ssim_map__fails_on_every_refusal))

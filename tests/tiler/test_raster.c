/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/raster.h"

#include "tests/check.h"

#include <stdlib.h>

/* A camera that looks level, a square picture of 90 degrees: at 10 m it sees
 * from -10 to 10. */
static const struct raster_view view = {
    .width_px = 32,
    .height_px = 32,
    .samples = 4,
    .fov_y_rad = 1.57079632679489661923,
    .near_m = 0.1,
    .sun_camera = {0, 0, 1},
    .up_camera = {0, 1, 0},
};

static struct raster *open_picture(struct arena *run)
{
    struct raster *raster;
    struct err err;
    arena_init(run, (size_t)1 << 26);
    CHECK_OK(raster_open(&view, run, &raster, &err), &err);
    return raster;
}

static struct raster_corner corner(double x, double y, double z)
{
    return (struct raster_corner){
        .at_camera = {x, y, z}, .normal_camera = {0, 0, 1}, .color = {0.5f, 0.5f, 0.5f, 1}};
}

static void draw(struct raster *raster, struct vec3 a, struct vec3 b, struct vec3 c, uint32_t id)
{
    const struct raster_corner corners[3] = {corner(a.x, a.y, a.z), corner(b.x, b.y, b.z),
                                             corner(c.x, c.y, c.z)};
    const struct raster_face face = {.id = id};
    raster_triangle(raster, corners, &face);
}

static size_t count_of(const struct raster *raster, uint32_t id)
{
    const struct raster_samples samples = raster_samples(raster);
    size_t count = 0;
    for (size_t i = 0; i < (size_t)samples.width * samples.height; i++) {
        count += samples.ids[i] == id;
    }
    return count;
}

static void raster_triangle__covers_its_area(void)
{
    struct arena run;
    struct raster *raster = open_picture(&run);
    /* From the middle a right-angled half of the upper right quarter. */
    draw(raster, (struct vec3){0, 0, -10}, (struct vec3){10, 0, -10}, (struct vec3){0, 10, -10}, 7);
    /* 64 x 64 / 2 samples, and half of those whose middles lie on the slope */
    CHECK(labs((long)count_of(raster, 7) - 64 * 64 / 2) <= 32);
    arena_release(&run);
}

/* A fan of long and thin triangles around a point that is not on the grid: each
 * sample of the picture is drawn, and by one triangle only. */
static void raster_triangle__meets_its_neighbour(void)
{
    struct arena run;
    struct raster *raster = open_picture(&run);
    enum { SPOKES = 97 };
    const struct vec3 middle = {0.123, -0.077, -10};
    const struct raster_corner glass = {.normal_camera = {0, 0, 1}, .color = {0, 0, 0, 0.5f}};
    for (int i = 0; i < SPOKES; i++) {
        struct raster_corner corners[3] = {glass, glass, glass};
        corners[0].at_camera = middle;
        for (int k = 0; k < 2; k++) {
            const double angle = 2 * 3.14159265358979323846 * ((i + k) % SPOKES) / SPOKES;
            corners[k + 1].at_camera = (struct vec3){30 * cos(angle), 30 * sin(angle), -10};
        }
        const struct raster_face face = {.id = 3};
        raster_triangle(raster, corners, &face);
    }
    CHECK_EQ(count_of(raster, 3), 128 * 128);
    /* Black glass over the sky once: half of its light, nowhere a quarter. */
    struct err err;
    struct image sky;
    struct image seen;
    struct arena other;
    CHECK_OK(raster_finish(raster, &run, &seen, &err), &err);
    CHECK_OK(raster_finish(open_picture(&other), &other, &sky, &err), &err);
    for (size_t i = 0; i < 4 * (size_t)32 * 32; i += 4) {
        const double before = pow(sky.pixels[i] / 255.0, 2.2);
        const double after = pow(seen.pixels[i] / 255.0, 2.2);
        CHECK(fabs(after / before - 0.5) < 0.03);
    }
    arena_release(&run);
    arena_release(&other);
}

static void raster_triangle__hides_what_is_behind(void)
{
    struct arena run;
    struct raster *raster = open_picture(&run);
    const struct vec3 near[3] = {{-4, -4, -5}, {4, -4, -5}, {0, 4, -5}};
    const struct vec3 far[3] = {{-40, -40, -20}, {40, -40, -20}, {0, 60, -20}};
    draw(raster, near[0], near[1], near[2], 1);
    const size_t seen = count_of(raster, 1);
    draw(raster, far[0], far[1], far[2], 2);
    CHECK_EQ(count_of(raster, 1), seen);
    CHECK(count_of(raster, 2) > 0);
    arena_release(&run);
}

static void raster_triangle__drops_backs_and_what_is_beside(void)
{
    struct arena run;
    struct raster *raster = open_picture(&run);
    draw(raster, (struct vec3){0, 0, -10}, (struct vec3){0, 10, -10}, (struct vec3){10, 0, -10}, 1);
    draw(raster, (struct vec3){50, 0, -10}, (struct vec3){60, 0, -10}, (struct vec3){50, 9, -10},
         2);
    draw(raster, (struct vec3){0, 0, 10}, (struct vec3){10, 0, 10}, (struct vec3){0, 10, 10}, 3);
    CHECK_EQ(count_of(raster, 0), 128 * 128);
    /* Through the near plane: what is ahead stays. */
    draw(raster, (struct vec3){-9, -2, 5}, (struct vec3){9, -2, 5}, (struct vec3){0, -2, -50}, 4);
    CHECK(count_of(raster, 4) > 0);
    arena_release(&run);
}

CHECK_MAIN(CHECK_TEST(raster_triangle__covers_its_area),
           CHECK_TEST(raster_triangle__meets_its_neighbour),
           CHECK_TEST(raster_triangle__hides_what_is_behind),
           CHECK_TEST(raster_triangle__drops_backs_and_what_is_beside))

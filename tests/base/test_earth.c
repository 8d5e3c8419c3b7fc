/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/base/earth.h"
#include "tests/check.h"

static void check_point(struct earth_point got, struct earth_point want, double tolerance_m)
{
    CHECK_NEAR((got.longitude_rad - want.longitude_rad) * EARTH_SEMI_MAJOR_M *
                   cos(want.latitude_rad),
               0, tolerance_m, "m east");
    CHECK_NEAR((got.latitude_rad - want.latitude_rad) * EARTH_SEMI_MAJOR_M, 0, tolerance_m,
               "m north");
    CHECK_NEAR(got.height_m, want.height_m, tolerance_m, "m up");
}

/* Points whose earth-centred coordinates follow from the definition alone. */
static void earth_to_ecef__meets_the_axes_of_the_ellipsoid(void)
{
    const double polar_m = EARTH_SEMI_MAJOR_M * (1 - EARTH_FLATTENING);
    struct vec3 at = earth_to_ecef(earth_point_deg(0, 0, 10));
    CHECK_NEAR(at.x, EARTH_SEMI_MAJOR_M + 10, 1e-9, "m");
    CHECK_NEAR(at.y, 0, 1e-9, "m");
    at = earth_to_ecef(earth_point_deg(90, 0, 0));
    CHECK_NEAR(at.y, EARTH_SEMI_MAJOR_M, 1e-9, "m");
    at = earth_to_ecef(earth_point_deg(30, 90, 1));
    CHECK_NEAR(at.z, polar_m + 1, 2e-9, "m");
    CHECK_NEAR(at.z, 6356753.314245179, 2e-8, "m");
    at = earth_to_ecef(earth_point_deg(30, -90, 1));
    CHECK_NEAR(at.z, -(polar_m + 1), 2e-9, "m");
}

/* IOGP 373-7-2, "Geographic/Geocentric conversions": its worked example. */
static void earth_to_ecef__gives_the_worked_example_of_epsg(void)
{
    const double latitude_deg = 53 + 48 / 60.0 + 33.820 / 3600;
    const double longitude_deg = 2 + 7 / 60.0 + 46.380 / 3600;
    const struct vec3 at = earth_to_ecef(earth_point_deg(longitude_deg, latitude_deg, 73));
    CHECK_NEAR(at.x, 3771793.968, 1e-3, "m");
    CHECK_NEAR(at.y, 140253.342, 1e-3, "m");
    CHECK_NEAR(at.z, 5124304.349, 1e-3, "m");
    check_point(earth_from_ecef((struct vec3){3771793.968, 140253.342, 5124304.349}),
                earth_point_deg(longitude_deg, latitude_deg, 73), 2e-3);
}

static void earth_from_ecef__undoes_earth_to_ecef(void)
{
    static const double heights_m[] = {-5e6, -1e5, -500, 0, 43.5, 8848, 4e5, 3.6e7, 5e7};
    for (size_t h = 0; h < sizeof heights_m / sizeof heights_m[0]; h++) {
        for (int latitude_deg = -90; latitude_deg <= 90; latitude_deg += 5) {
            for (int longitude_deg = -175; longitude_deg <= 180; longitude_deg += 37) {
                const struct earth_point want =
                    earth_point_deg(longitude_deg, latitude_deg, heights_m[h]);
                struct earth_point got = earth_from_ecef(earth_to_ecef(want));
                if (abs(latitude_deg) == 90) {
                    got.longitude_rad = want.longitude_rad;
                }
                check_point(got, want, 3e-8);
            }
        }
    }
}

static void earth_from_ecef__is_finite_at_the_centre_and_on_the_axis(void)
{
    static const struct vec3 odd[] = {
        {0, 0, 0}, {0, 0, 1}, {0, 0, -1e7}, {1e-300, 0, 0}, {0, -5, 3}};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        const struct earth_point at = earth_from_ecef(odd[i]);
        CHECK(isfinite(at.longitude_rad) && isfinite(at.latitude_rad) && isfinite(at.height_m));
    }
}

/* North is where the latitude grows and east where the longitude does. */
static void earth_enu_frame__points_east_north_up(void)
{
    const struct vec3 origin = earth_to_ecef(earth_point_deg(114.06, 22.54, 20));
    const struct mat4 frame = earth_enu_frame(origin);
    const struct earth_point here = earth_from_ecef(origin);
    const struct earth_point east = earth_from_ecef(mat4_point(frame, (struct vec3){1, 0, 0}));
    const struct earth_point north = earth_from_ecef(mat4_point(frame, (struct vec3){0, 1, 0}));
    const struct earth_point up = earth_from_ecef(mat4_point(frame, (struct vec3){0, 0, 1}));
    CHECK(east.longitude_rad > here.longitude_rad);
    CHECK_NEAR(east.latitude_rad, here.latitude_rad, 1e-13, "rad");
    CHECK(north.latitude_rad > here.latitude_rad);
    CHECK_NEAR(north.longitude_rad, here.longitude_rad, 1e-15, "rad");
    CHECK_NEAR(up.height_m, 21, 1e-8, "m");
    CHECK_NEAR(
        vec3_length(vec3_sub(earth_up(origin), mat4_direction(frame, (struct vec3){0, 0, 1}))), 0,
        1e-15, "");
}

static void earth_enu_frame_inverse__takes_the_place_to_zero(void)
{
    const struct vec3 origin = earth_to_ecef(earth_point_deg(-70, -33, 500));
    const struct mat4 inverse = earth_enu_frame_inverse(origin);
    CHECK_NEAR(vec3_length(mat4_point(inverse, origin)), 0, 3e-9, "m");
    const struct vec3 local = {12, -34, 56};
    const struct vec3 back = mat4_point(inverse, mat4_point(earth_enu_frame(origin), local));
    CHECK_NEAR(vec3_distance(back, local), 0, 5e-9, "m");
}

static void earth_enu_frame__stands_at_the_poles(void)
{
    const struct mat4 frame = earth_enu_frame((struct vec3){0, 0, 6356752.0});
    const struct vec3 up = mat4_direction(frame, (struct vec3){0, 0, 1});
    const struct vec3 north = mat4_direction(frame, (struct vec3){0, 1, 0});
    CHECK_NEAR(up.z, 1, 1e-15, "");
    CHECK_NEAR(north.x, -1, 1e-15, "");
}

CHECK_MAIN(CHECK_TEST(earth_to_ecef__meets_the_axes_of_the_ellipsoid),
           CHECK_TEST(earth_to_ecef__gives_the_worked_example_of_epsg),
           CHECK_TEST(earth_from_ecef__undoes_earth_to_ecef),
           CHECK_TEST(earth_from_ecef__is_finite_at_the_centre_and_on_the_axis),
           CHECK_TEST(earth_enu_frame__points_east_north_up),
           CHECK_TEST(earth_enu_frame_inverse__takes_the_place_to_zero),
           CHECK_TEST(earth_enu_frame__stands_at_the_poles))

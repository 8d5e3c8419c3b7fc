/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/gcj02.h"

#include "formats/base/earth.h"
#include "tests/check.h"

static const double m_per_deg = EARTH_RAD_PER_DEG * EARTH_SEMI_MAJOR_M;

/* The example in the README of wandergis/coordtransform, and its relatives. */
static void gcj02_add__gives_the_published_examples(void)
{
    double x = 116.404;
    double y = 39.915;
    gcj02_add(GCJ02_GCJ02, &x, &y);
    CHECK_NEAR(x, 116.41024449916938, 1e-9, "deg");
    CHECK_NEAR(y, 39.91640428150164, 1e-9, "deg");

    /* Baidu's own shift, from a GCJ-02 point: 116.404, 39.915 goes to
     * 116.41036949371029, 39.92133699351021. The WGS 84 point below it first. */
    x = 116.404;
    y = 39.915;
    gcj02_remove(GCJ02_GCJ02, &x, &y);
    gcj02_add(GCJ02_BD09, &x, &y);
    CHECK_NEAR(x, 116.41036949371029, 1e-9, "deg");
    CHECK_NEAR(y, 39.92133699351021, 1e-9, "deg");
}

/* To a tenth of a millimetre all over China, and through the lines where the
 * formulas have a root of nothing (105 E) or change their sign (35 N). */
static void gcj02_remove__undoes_gcj02_add(void)
{
    for (int shift = GCJ02_NONE; shift <= GCJ02_BD09; shift++) {
        for (double longitude = 73; longitude < 137; longitude += 0.731) {
            for (double latitude = 3; latitude < 54; latitude += 0.917) {
                double x = longitude;
                double y = latitude;
                gcj02_add((enum gcj02_shift)shift, &x, &y);
                gcj02_remove((enum gcj02_shift)shift, &x, &y);
                CHECK_NEAR((x - longitude) * m_per_deg, 0, 1e-4, "m");
                CHECK_NEAR((y - latitude) * m_per_deg, 0, 1e-4, "m");
            }
        }
        static const double odd[][2] = {
            {105, 35}, {105.0000001, 22.5}, {104.9999999, 22.5}, {121.5, 35}};
        for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
            double x = odd[i][0];
            double y = odd[i][1];
            gcj02_remove((enum gcj02_shift)shift, &x, &y);
            gcj02_add((enum gcj02_shift)shift, &x, &y);
            CHECK_NEAR((x - odd[i][0]) * m_per_deg, 0, 1e-4, "m");
            CHECK_NEAR((y - odd[i][1]) * m_per_deg, 0, 1e-4, "m");
        }
    }
}

static void gcj02_add__moves_hundreds_of_metres_in_china_and_nothing_elsewhere(void)
{
    double x = 114.05783;
    double y = 22.54286;
    gcj02_add(GCJ02_GCJ02, &x, &y);
    const double moved_m =
        hypot((x - 114.05783) * m_per_deg * cos(0.3934), (y - 22.54286) * m_per_deg);
    CHECK(moved_m > 300 && moved_m < 1000);
    x = 4.36;
    y = 52;
    gcj02_add(GCJ02_BD09, &x, &y);
    CHECK(x == 4.36 && y == 52); /* untouched, so exactly */
}

/* On the border, and with what no map holds, it ends. */
static void gcj02_remove__ends_everywhere(void)
{
    static const double odd[][2] = {{72.004, 30}, {137.8347, 30}, {100, 0.8293}, {100, 55.8271},
                                    {1e300, 0},   {0, 0},         {-200, 95},    {NAN, 30}};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        double x = odd[i][0];
        double y = odd[i][1];
        gcj02_remove(GCJ02_BD09, &x, &y);
        CHECK(isnan(odd[i][0]) || fabs(x - odd[i][0]) < 0.1);
    }
}

CHECK_MAIN(CHECK_TEST(gcj02_add__gives_the_published_examples),
           CHECK_TEST(gcj02_remove__undoes_gcj02_add),
           CHECK_TEST(gcj02_add__moves_hundreds_of_metres_in_china_and_nothing_elsewhere),
           CHECK_TEST(gcj02_remove__ends_everywhere))

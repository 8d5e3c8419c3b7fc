/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/gcj02.h"

#include <math.h>
#include <stdbool.h>

#include "formats/base/earth.h"

/* Krassowsky's ellipsoid: semi-major axis and squared eccentricity, with the
 * digits of the sources. */
#define KRASSOWSKY_M 6378245.0
#define KRASSOWSKY_E2 0.00669342162296594323

/* BD-09 turns and stretches about the origin with waves of this frequency. */
#define BD09_WAVE (EARTH_PI * 3000.0 / 180.0)

/* The shift varies by less than a hundredth of the way one moves, so each round
 * gains two digits or more: 700 m to 0.1 mm takes four. */
enum { ROUNDS_MAX = 30 };
#define CLOSE_DEG 1e-12

static bool is_shifted(double longitude_deg, double latitude_deg)
{
    return longitude_deg >= 72.004 && longitude_deg <= 137.8347 && latitude_deg >= 0.8293 &&
           latitude_deg <= 55.8271;
}

/* The waves both components have in common, in metres. */
static double common_waves_m(double x)
{
    return (20.0 * sin(6.0 * x * EARTH_PI) + 20.0 * sin(2.0 * x * EARTH_PI)) * 2.0 / 3.0;
}

static double east_m(double x, double y)
{
    return 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * sqrt(fabs(x)) +
           common_waves_m(x) +
           (20.0 * sin(x * EARTH_PI) + 40.0 * sin(x / 3.0 * EARTH_PI)) * 2.0 / 3.0 +
           (150.0 * sin(x / 12.0 * EARTH_PI) + 300.0 * sin(x / 30.0 * EARTH_PI)) * 2.0 / 3.0;
}

static double north_m(double x, double y)
{
    return -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * sqrt(fabs(x)) +
           common_waves_m(x) +
           (20.0 * sin(y * EARTH_PI) + 40.0 * sin(y / 3.0 * EARTH_PI)) * 2.0 / 3.0 +
           (160.0 * sin(y / 12.0 * EARTH_PI) + 320.0 * sin(y * EARTH_PI / 30.0)) * 2.0 / 3.0;
}

static void add_gcj02(double *longitude_deg, double *latitude_deg)
{
    if (!is_shifted(*longitude_deg, *latitude_deg)) {
        return;
    }
    const double x = *longitude_deg - 105.0;
    const double y = *latitude_deg - 35.0;
    const double latitude_rad = *latitude_deg * EARTH_RAD_PER_DEG;
    const double sin_lat = sin(latitude_rad);
    const double square = 1 - KRASSOWSKY_E2 * sin_lat * sin_lat;
    const double meridian_m = KRASSOWSKY_M * (1 - KRASSOWSKY_E2) / (square * sqrt(square));
    const double parallel_m = KRASSOWSKY_M / sqrt(square) * cos(latitude_rad);
    *longitude_deg += east_m(x, y) / parallel_m / EARTH_RAD_PER_DEG;
    *latitude_deg += north_m(x, y) / meridian_m / EARTH_RAD_PER_DEG;
}

static void add_bd09(double *longitude_deg, double *latitude_deg)
{
    const double x = *longitude_deg;
    const double y = *latitude_deg;
    const double radius = hypot(x, y) + 0.00002 * sin(y * BD09_WAVE);
    const double angle_rad = atan2(y, x) + 0.000003 * cos(x * BD09_WAVE);
    *longitude_deg = radius * cos(angle_rad) + 0.0065;
    *latitude_deg = radius * sin(angle_rad) + 0.006;
}

void gcj02_add(enum gcj02_shift shift, double *longitude_deg, double *latitude_deg)
{
    if (shift == GCJ02_NONE || !is_shifted(*longitude_deg, *latitude_deg)) {
        return;
    }
    add_gcj02(longitude_deg, latitude_deg);
    if (shift == GCJ02_BD09) {
        add_bd09(longitude_deg, latitude_deg);
    }
}

void gcj02_remove(enum gcj02_shift shift, double *longitude_deg, double *latitude_deg)
{
    double x = *longitude_deg;
    double y = *latitude_deg;
    for (int round = 0; round < ROUNDS_MAX; round++) {
        double shifted_x = x;
        double shifted_y = y;
        gcj02_add(shift, &shifted_x, &shifted_y);
        const double miss_x = *longitude_deg - shifted_x;
        const double miss_y = *latitude_deg - shifted_y;
        x += miss_x;
        y += miss_y;
        if (!(fabs(miss_x) > CLOSE_DEG || fabs(miss_y) > CLOSE_DEG)) {
            break;
        }
    }
    *longitude_deg = x;
    *latitude_deg = y;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/sight.h"

/* Of a roof's area, and of a wall's by all directions that it may face. */
static const double ROOF_SEEN = 0.57;
static const double WALL_SEEN = 0.26;

/* The upward part of a unit normal: 11 and 78 degrees. */
static const double FLAT_UP = 0.98;
static const double STEEP_UP = 0.2;

static const double LEAST_M = 1e-4;
enum { HALVINGS = 40 };

static struct vec3 normal_m2(const struct piece *piece, uint32_t triangle)
{
    const uint32_t *corners = piece->corners + 3 * (size_t)triangle;
    const struct vec3 a = piece->points[corners[0]];
    return vec3_scale(
        vec3_cross(vec3_sub(piece->points[corners[1]], a), vec3_sub(piece->points[corners[2]], a)),
        0.5);
}

double sight_area_m2(const struct piece *piece)
{
    double sum = 0;
    for (uint32_t i = 0; i < piece->triangle_count; i++) {
        const struct vec3 normal = normal_m2(piece, i);
        const double aside = sqrt(normal.x * normal.x + normal.y * normal.y);
        sum += ROOF_SEEN * fmax(0, normal.z) + WALL_SEEN * aside;
    }
    return sum;
}

double sight_slopes_m2(const struct piece *piece)
{
    double sum = 0;
    for (uint32_t i = 0; i < piece->triangle_count; i++) {
        const struct vec3 normal = normal_m2(piece, i);
        const double up = normal.z / fmax(LEAST_M, vec3_length(normal));
        sum += up > STEEP_UP && up < FLAT_UP ? ROOF_SEEN * normal.z : 0;
    }
    return sum;
}

static double wrong_m2(const struct sight *sight, double length_m)
{
    double sum = fmin(sight->lost.area_m2, sight->lost.error_m3 / length_m);
    for (size_t i = 0; i < sight->count; i++) {
        sum += sight->areas_m2[i] * fmin(1, sight->errors_m[i] / length_m);
    }
    return sum;
}

double sight_error_m(const struct sight *sight)
{
    double allowed_m2 = sight->lost.area_m2;
    double high_m = LEAST_M;
    for (size_t i = 0; i < sight->count; i++) {
        allowed_m2 += sight->areas_m2[i];
        high_m = fmax(high_m, sight->errors_m[i]);
    }
    if (sight->lost.area_m2 > 0) {
        high_m = fmax(high_m, sight->lost.error_m3 / sight->lost.area_m2);
    }
    allowed_m2 *= SIGHT_MEAN_SHARE;
    high_m /= SIGHT_MEAN_SHARE;
    double low_m = LEAST_M;
    for (int i = 0; i < HALVINGS && high_m > low_m; i++) {
        const double middle_m = sqrt(low_m * high_m);
        if (wrong_m2(sight, middle_m) > allowed_m2) {
            low_m = middle_m;
        } else {
            high_m = middle_m;
        }
    }
    return high_m;
}

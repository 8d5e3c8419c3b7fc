/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/base/earth.h"

/* Squared first and second eccentricity, and the semi-minor axis. */
#define E2 (EARTH_FLATTENING * (2 - EARTH_FLATTENING))
#define SEMI_MINOR_M (EARTH_SEMI_MAJOR_M * (1 - EARTH_FLATTENING))
#define SECOND_E2 (E2 / (1 - E2))

/* Each round leaves less than a hundredth of the error; at the surface the
 * first already leaves 1e-11 rad, deep below or far above it takes more. */
enum { BOWRING_ROUNDS = 5 };

struct earth_point earth_point_deg(double longitude_deg, double latitude_deg, double height_m)
{
    return (struct earth_point){longitude_deg * EARTH_RAD_PER_DEG, latitude_deg * EARTH_RAD_PER_DEG,
                                height_m};
}

struct vec3 earth_to_ecef(struct earth_point point)
{
    const double sin_lat = sin(point.latitude_rad);
    const double cos_lat = cos(point.latitude_rad);
    const double normal_m = EARTH_SEMI_MAJOR_M / sqrt(1 - E2 * sin_lat * sin_lat);
    const double from_axis_m = (normal_m + point.height_m) * cos_lat;
    return (struct vec3){from_axis_m * cos(point.longitude_rad),
                         from_axis_m * sin(point.longitude_rad),
                         (normal_m * (1 - E2) + point.height_m) * sin_lat};
}

struct earth_point earth_from_ecef(struct vec3 ecef_m)
{
    const double from_axis_m = hypot(ecef_m.x, ecef_m.y);

    /* Bowring's formula gives the latitude from the reduced latitude, kept as
     * a direction (cos_u, sin_u) so that the poles need no case of their own. */
    double cos_u = SEMI_MINOR_M * from_axis_m;
    double sin_u = EARTH_SEMI_MAJOR_M * ecef_m.z;
    double cos_lat = 1;
    double sin_lat = 0;
    for (int round = 0; round < BOWRING_ROUNDS; round++) {
        const double length = hypot(cos_u, sin_u);
        if (!(length > 0)) {
            break; /* the centre of the earth has every latitude */
        }
        cos_u /= length;
        sin_u /= length;
        cos_lat = from_axis_m - E2 * EARTH_SEMI_MAJOR_M * cos_u * cos_u * cos_u;
        sin_lat = ecef_m.z + SECOND_E2 * SEMI_MINOR_M * sin_u * sin_u * sin_u;
        cos_u = cos_lat;
        sin_u = (1 - EARTH_FLATTENING) * sin_lat;
    }
    const double length = hypot(cos_lat, sin_lat);
    if (length > 0) {
        cos_lat /= length;
        sin_lat /= length;
    }
    return (struct earth_point){
        from_axis_m > 0 ? atan2(ecef_m.y, ecef_m.x) : 0.0,
        atan2(sin_lat, cos_lat),
        from_axis_m * cos_lat + ecef_m.z * sin_lat -
            EARTH_SEMI_MAJOR_M * sqrt(1 - E2 * sin_lat * sin_lat),
    };
}

struct vec3 earth_up(struct vec3 ecef_m)
{
    const struct earth_point at = earth_from_ecef(ecef_m);
    const double cos_lat = cos(at.latitude_rad);
    return (struct vec3){cos_lat * cos(at.longitude_rad), cos_lat * sin(at.longitude_rad),
                         sin(at.latitude_rad)};
}

struct mat4 earth_enu_frame(struct vec3 origin_ecef_m)
{
    const struct earth_point at = earth_from_ecef(origin_ecef_m);
    const double sin_lon = sin(at.longitude_rad);
    const double cos_lon = cos(at.longitude_rad);
    const double sin_lat = sin(at.latitude_rad);
    const double cos_lat = cos(at.latitude_rad);
    return (struct mat4){{-sin_lon, cos_lon, 0, 0,                            /* east */
                          -sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat, 0, /* north */
                          cos_lat * cos_lon, cos_lat * sin_lon, sin_lat, 0,   /* up */
                          origin_ecef_m.x, origin_ecef_m.y, origin_ecef_m.z, 1}};
}

struct mat4 earth_enu_frame_inverse(struct vec3 origin_ecef_m)
{
    const struct mat4 frame = earth_enu_frame(origin_ecef_m);
    struct mat4 inverse = mat4_identity();
    for (int row = 0; row < 3; row++) {
        double moved = 0;
        for (int column = 0; column < 3; column++) {
            inverse.m[4 * column + row] = frame.m[4 * row + column];
            moved -= frame.m[4 * row + column] * frame.m[12 + column];
        }
        inverse.m[12 + row] = moved;
    }
    return inverse;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/citygml_internal.h"

/* Systems in degrees that city models are published in: latitude first, but for
 * CRS84 and what says "epsg.xml#4326". */
static bool is_in_degrees(struct text crs, bool *out_longitude_first)
{
    static const char *const codes[] = {"4326", "4979", "6697", "6668", "4490", "4258",
                                        "4937", "4269", "6318", "4019", "CRS84"};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        const size_t size = strlen(codes[i]);
        if (crs.size >= size && memcmp(crs.data + crs.size - size, codes[i], size) == 0) {
            const char before = crs.size == size ? ':' : crs.data[crs.size - size - 1];
            *out_longitude_first = codes[i][0] == 'C' || before == '#';
            return before == ':' || before == '/' || *out_longitude_first;
        }
    }
    return false;
}

/* Where a prototype's point stands in the city. Prototypes are in metres: east
 * and north become degrees where the city is in these. */
void citygml_place_point(const struct citygml_placement *placement, struct text crs,
                         const double raw[3], double out[3])
{
    const double *m = placement->matrix;
    const double *origin = placement->origin;
    double local[3];
    for (int i = 0; i < 3; i++) {
        local[i] = m[4 * i] * raw[0] + m[4 * i + 1] * raw[1] + m[4 * i + 2] * raw[2] + m[4 * i + 3];
    }
    bool longitude_first = false;
    if (!is_in_degrees(crs, &longitude_first)) {
        for (int i = 0; i < 3; i++) {
            out[i] = local[i] + origin[i];
        }
        return;
    }
    /* Radii of WGS 84 at that latitude; a prototype is small. */
    const double radians = 0.017453292519943295;
    const double e2 = 0.00669437999014;
    const double latitude = origin[longitude_first ? 1 : 0] * radians;
    const double w2 = 1 - e2 * sin(latitude) * sin(latitude);
    const double across_m = 6378137.0 / sqrt(w2) * cos(latitude);
    const double along_m = 6378137.0 * (1 - e2) / (w2 * sqrt(w2));
    out[longitude_first ? 0 : 1] =
        origin[longitude_first ? 0 : 1] + (across_m > 1 ? local[0] / across_m / radians : 0);
    out[longitude_first ? 1 : 0] = origin[longitude_first ? 1 : 0] + local[1] / along_m / radians;
    out[2] = origin[2] + local[2];
}

/* How far behind its surface a back lies: nearer than anything that is built,
 * farther than a viewer's depth is rough. */
static const double BACK_DISTANCE_M = 0.005;

/* How much of each of its units a system in metres or degrees has to a metre. */
static bool units_a_metre(struct text crs, const double place[3], double out[3])
{
    const double radians = 0.017453292519943295;
    bool longitude_first = false;
    out[0] = out[1] = out[2] = 1;
    if (!is_in_degrees(crs, &longitude_first)) {
        return false;
    }
    const double along = 1 / 111195.0;
    const double across = along / fmax(0.01, cos(place[longitude_first ? 1 : 0] * radians));
    out[0] = longitude_first ? across : along;
    out[1] = longitude_first ? along : across;
    return !longitude_first;
}

static const double *place_of(const double *places, uint32_t index)
{
    return places + (size_t)3 * index;
}

void citygml_step_back(struct text crs, const double *places, const uint32_t *corners,
                       uint32_t count, double out[3])
{
    const double *first = place_of(places, corners[0]);
    double units[3];
    double sum[3] = {0, 0, 0};
    /* With latitude first x is north, and the product's normal looks inward. */
    const bool is_mirrored = units_a_metre(crs, first, units);
    for (uint32_t i = 0; i < count; i++) {
        const double *a = place_of(places, corners[i]);
        const double *b = place_of(places, corners[(i + 1) % count]);
        double p[3];
        double q[3];
        for (int k = 0; k < 3; k++) {
            p[k] = (a[k] - first[k]) / units[k];
            q[k] = (b[k] - first[k]) / units[k];
        }
        sum[0] += p[1] * q[2] - p[2] * q[1];
        sum[1] += p[2] * q[0] - p[0] * q[2];
        sum[2] += p[0] * q[1] - p[1] * q[0];
    }
    const double length = sqrt(sum[0] * sum[0] + sum[1] * sum[1] + sum[2] * sum[2]);
    const double step = length > 0 ? (is_mirrored ? 1 : -1) * BACK_DISTANCE_M / length : 0;
    for (int k = 0; k < 3; k++) {
        out[k] = step * sum[k] * units[k];
    }
}

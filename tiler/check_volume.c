/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "formats/base/earth.h"
#include "tiler/check_internal.h"

/* Box axes are printed in decimal; a right angle may be off by a rounding. */
static const double axes_cosine_max = 1e-3;
/* Regions bend between their corners: sampled on this many points a side. */
enum { REGION_STEPS = 5 };

static void note_region(struct check_run *check, struct text file, uint32_t line,
                        const double region[6])
{
    const double half_turn = EARTH_PI * (1 + 1e-9);
    for (int i = 0; i < 4; i++) {
        const double limit = i % 2 == 0 ? half_turn : half_turn / 2;
        if (!(fabs(region[i]) <= limit)) {
            check_note_line(check, CHECK_ERROR, "region-range", file, line,
                            "region angle %g is no angle in radians", region[i]);
            return;
        }
    }
    if (!(region[1] <= region[3])) {
        check_note_line(check, CHECK_ERROR, "region-range", file, line,
                        "region's south %g lies north of its north %g", region[1], region[3]);
    }
    if (!(region[4] <= region[5])) {
        check_note_line(check, CHECK_ERROR, "region-range", file, line,
                        "region's lowest height %g is above its highest %g", region[4], region[5]);
    }
}

static void note_box(struct check_run *check, struct text file, uint32_t line,
                     const struct obb *box)
{
    for (int i = 0; i < 3; i++) {
        const struct vec3 a = box->half[i];
        const struct vec3 b = box->half[(i + 1) % 3];
        const double lengths = vec3_length(a) * vec3_length(b);
        if (lengths > 0 && fabs(vec3_dot(a, b)) > axes_cosine_max * lengths) {
            check_note_line(check, CHECK_WARNING, "box-skewed", file, line,
                            "the box's half axes are not at right angles");
            return;
        }
    }
    if (vec3_length(box->half[0]) + vec3_length(box->half[1]) + vec3_length(box->half[2]) <= 0) {
        check_note_line(check, CHECK_WARNING, "box-empty", file, line, "a box without extent");
    }
}

void check_volume_itself(struct check_run *check, struct text file, uint32_t line,
                         const struct tileset_volume *volume)
{
    switch (volume->kind) {
    case TILESET_VOLUME_REGION:
        note_region(check, file, line, volume->region);
        break;
    case TILESET_VOLUME_BOX:
        note_box(check, file, line, &volume->box);
        break;
    case TILESET_VOLUME_SPHERE:
        if (!(volume->radius_m >= 0)) {
            check_note_line(check, CHECK_ERROR, "sphere-radius", file, line, "radius %g",
                            volume->radius_m);
        }
        break;
    case TILESET_VOLUME_NONE:
    case TILESET_VOLUME_OTHER:
        break;
    }
}

double check_volume_radius(const struct tileset_volume *volume)
{
    const double *region = volume->region;
    switch (volume->kind) {
    case TILESET_VOLUME_BOX:
        return sqrt(vec3_dot(volume->box.half[0], volume->box.half[0]) +
                    vec3_dot(volume->box.half[1], volume->box.half[1]) +
                    vec3_dot(volume->box.half[2], volume->box.half[2]));
    case TILESET_VOLUME_SPHERE:
        return volume->radius_m;
    case TILESET_VOLUME_REGION:
        return EARTH_SEMI_MAJOR_M * 0.5 *
                   hypot(fmin(fabs(region[2] - region[0]), 2 * EARTH_PI), region[3] - region[1]) +
               fabs(region[5] - region[4]);
    case TILESET_VOLUME_NONE:
    case TILESET_VOLUME_OTHER:
        break;
    }
    return 0;
}

/* Outside of a box, in metres: along each axis beyond the half extent. A flat
 * box (an axis of length 0) has its normal from the other two. */
static double box_distance(const struct obb *box, struct vec3 point)
{
    const struct vec3 from = vec3_sub(point, box->center);
    double sum = 0;
    for (int i = 0; i < 3; i++) {
        struct vec3 unit = vec3_unit(box->half[i]);
        const double length = vec3_length(box->half[i]);
        if (length <= 0) {
            unit = vec3_unit(vec3_cross(box->half[(i + 1) % 3], box->half[(i + 2) % 3]));
        }
        const double beyond = fabs(vec3_dot(from, unit)) - length;
        sum += beyond > 0 ? beyond * beyond : 0;
    }
    return sqrt(sum);
}

static double region_distance(const double region[6], struct vec3 ecef)
{
    const struct earth_point point = earth_from_ecef(ecef);
    const double west = region[0];
    double east = region[2];
    double longitude = point.longitude_rad;
    if (east < west) { /* across the antimeridian */
        east += 2 * EARTH_PI;
        longitude += longitude < west ? 2 * EARTH_PI : 0;
    }
    const double beyond_x = fmax(fmax(west - longitude, longitude - east), 0);
    const double beyond_y =
        fmax(fmax(region[1] - point.latitude_rad, point.latitude_rad - region[3]), 0);
    const double beyond_z = fmax(fmax(region[4] - point.height_m, point.height_m - region[5]), 0);
    const double x_m = beyond_x * EARTH_SEMI_MAJOR_M * cos(point.latitude_rad);
    return sqrt(x_m * x_m + beyond_y * beyond_y * EARTH_SEMI_MAJOR_M * EARTH_SEMI_MAJOR_M +
                beyond_z * beyond_z);
}

/* A tile's frame may be scaled; distances are wanted in metres of the world. */
static double scale_of(struct mat4 m)
{
    const struct vec3 x = {m.m[0], m.m[1], m.m[2]};
    const struct vec3 y = {m.m[4], m.m[5], m.m[6]};
    const struct vec3 z = {m.m[8], m.m[9], m.m[10]};
    return fmax(vec3_length(x), fmax(vec3_length(y), vec3_length(z)));
}

/* The point's place in the volume's own frame. Composed before it is applied: a
 * way through earth-centred coordinates and back would cost a nanometre a step. */
static bool to_volume(const struct check_volume *volume, struct mat4 frame, struct mat4 *out)
{
    struct mat4 inverse;
    if (!mat4_invert_affine(volume->world, &inverse)) {
        return false;
    }
    *out = mat4_multiply(inverse, frame);
    return true;
}

static double own_distance(const struct tileset_volume *volume, struct vec3 point)
{
    return volume->kind == TILESET_VOLUME_BOX
               ? box_distance(&volume->box, point)
               : fmax(vec3_distance(point, volume->center) - volume->radius_m, 0);
}

double check_volume_distance(const struct check_volume *volume, struct mat4 frame,
                             struct vec3 point)
{
    struct mat4 into;
    switch (volume->volume->kind) {
    case TILESET_VOLUME_REGION:
        return region_distance(volume->volume->region, mat4_point(frame, point));
    case TILESET_VOLUME_BOX:
    case TILESET_VOLUME_SPHERE:
        if (!to_volume(volume, frame, &into)) {
            return NAN;
        }
        return own_distance(volume->volume, mat4_point(into, point)) * scale_of(volume->world);
    case TILESET_VOLUME_NONE:
    case TILESET_VOLUME_OTHER:
        break;
    }
    return NAN;
}

static double region_in_region(const double outer[6], const double inner[6])
{
    double longest = fmax(fmax(outer[4] - inner[4], inner[5] - outer[5]), 0);
    const double south = fmax(outer[1] - inner[1], inner[3] - outer[3]) * EARTH_SEMI_MAJOR_M;
    longest = fmax(longest, south);
    if (outer[0] <= outer[2] && inner[0] <= inner[2]) {
        const double west = fmax(outer[0] - inner[0], inner[2] - outer[2]) * EARTH_SEMI_MAJOR_M *
                            cos(0.5 * (inner[1] + inner[3]));
        longest = fmax(longest, west);
    }
    return longest;
}

static double farthest_of_region(const struct check_volume *outer, const double region[6])
{
    const double east = region[2] < region[0] ? region[2] + 2 * EARTH_PI : region[2];
    double farthest = 0;
    for (int i = 0; i < REGION_STEPS * REGION_STEPS * 2; i++) {
        const double u = (double)(i % REGION_STEPS) / (REGION_STEPS - 1);
        const double v = (double)(i / REGION_STEPS % REGION_STEPS) / (REGION_STEPS - 1);
        const struct earth_point corner = {region[0] + u * (east - region[0]),
                                           region[1] + v * (region[3] - region[1]),
                                           region[i < REGION_STEPS * REGION_STEPS ? 4 : 5]};
        const double distance =
            check_volume_distance(outer, mat4_identity(), earth_to_ecef(corner));
        farthest = fmax(farthest, distance);
    }
    return farthest;
}

static double farthest_of_box(const struct check_volume *outer, const struct check_volume *inner)
{
    const struct obb *box = &inner->volume->box;
    double farthest = 0;
    for (int i = 0; i < 8; i++) {
        struct vec3 corner = box->center;
        for (int axis = 0; axis < 3; axis++) {
            corner =
                vec3_add(corner, vec3_scale(box->half[axis], (i >> axis & 1) != 0 ? 1.0 : -1.0));
        }
        farthest = fmax(farthest, check_volume_distance(outer, inner->world, corner));
    }
    return farthest;
}

/* The sphere's outermost points along the outer frame's axes are enough for a
 * box; a sphere in a sphere is the centres' distance. */
static double farthest_of_sphere(const struct check_volume *outer, const struct check_volume *inner)
{
    const struct tileset_volume *sphere = inner->volume;
    if (outer->volume->kind == TILESET_VOLUME_SPHERE) {
        const struct vec3 a = mat4_point(outer->world, outer->volume->center);
        const struct vec3 b = mat4_point(inner->world, sphere->center);
        return fmax(vec3_distance(a, b) + sphere->radius_m * scale_of(inner->world) -
                        outer->volume->radius_m * scale_of(outer->world),
                    0);
    }
    if (outer->volume->kind != TILESET_VOLUME_BOX) {
        return NAN; /* a sphere has a long way out of a region's floor and ceiling */
    }
    struct mat4 into;
    if (!to_volume(outer, inner->world, &into)) {
        return NAN;
    }
    const struct vec3 center = mat4_point(into, sphere->center);
    const double radius = sphere->radius_m * scale_of(into);
    double farthest = 0;
    for (int i = 0; i < 3; i++) {
        const struct vec3 unit = vec3_unit(outer->volume->box.half[i]);
        const double beyond = fabs(vec3_dot(vec3_sub(center, outer->volume->box.center), unit)) +
                              radius - vec3_length(outer->volume->box.half[i]);
        farthest = fmax(farthest, beyond);
    }
    return farthest * scale_of(outer->world);
}

double check_volume_excess(const struct check_volume *outer, const struct check_volume *inner)
{
    switch (inner->volume->kind) {
    case TILESET_VOLUME_REGION:
        return outer->volume->kind == TILESET_VOLUME_REGION
                   ? region_in_region(outer->volume->region, inner->volume->region)
                   : farthest_of_region(outer, inner->volume->region);
    case TILESET_VOLUME_BOX:
        return farthest_of_box(outer, inner);
    case TILESET_VOLUME_SPHERE:
        return farthest_of_sphere(outer, inner);
    case TILESET_VOLUME_NONE:
    case TILESET_VOLUME_OTHER:
        break;
    }
    return NAN;
}

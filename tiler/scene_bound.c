/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/scene_internal.h"

#include "formats/base/earth.h"

double scene_largest_scale(struct mat4 m)
{
    double largest = 0;
    for (int column = 0; column < 3; column++) {
        const struct vec3 axis = {m.m[4 * column], m.m[4 * column + 1], m.m[4 * column + 2]};
        largest = fmax(largest, vec3_length(axis));
    }
    return largest;
}

/* Around points of the region's surface: enough for choosing tiles. */
static struct scene_bound bound_of_region(const double region[6])
{
    const double east = region[2] < region[0] ? region[2] + 2 * EARTH_PI : region[2];
    struct box3 box = box3_empty();
    enum { STEPS = 8 };
    for (int i = 0; i <= STEPS; i++) {
        for (int j = 0; j <= STEPS; j++) {
            for (int k = 0; k < 2; k++) {
                const struct earth_point at = {
                    .longitude_rad = region[0] + (east - region[0]) * i / STEPS,
                    .latitude_rad = region[1] + (region[3] - region[1]) * j / STEPS,
                    .height_m = region[4 + k],
                };
                box3_add(&box, earth_to_ecef(at));
            }
        }
    }
    const struct vec3 center = box3_center(box);
    return (struct scene_bound){.box = {.center = center},
                                .radius_m = vec3_distance(center, box.max)};
}

struct scene_bound scene_bound_of(const struct tileset_volume *volume, struct mat4 to_ecef)
{
    struct scene_bound bound = {.radius_m = (double)INFINITY};
    switch (volume->kind) {
    case TILESET_VOLUME_BOX:
        bound.box.center = mat4_point(to_ecef, volume->box.center);
        bound.radius_m = 0;
        for (int i = 0; i < 3; i++) {
            bound.box.half[i] = mat4_direction(to_ecef, volume->box.half[i]);
            const double length = vec3_length(bound.box.half[i]);
            bound.radius_m = hypot(bound.radius_m, length);
        }
        break;
    case TILESET_VOLUME_SPHERE:
        bound.box.center = mat4_point(to_ecef, volume->center);
        bound.radius_m = volume->radius_m * scene_largest_scale(to_ecef);
        break;
    case TILESET_VOLUME_REGION:
        bound = bound_of_region(volume->region);
        break;
    case TILESET_VOLUME_NONE:
    case TILESET_VOLUME_OTHER:
        break;
    }
    return bound;
}

static bool has_box(const struct scene_bound *bound)
{
    return vec3_length(bound->box.half[0]) > 0;
}

double scene_distance(const struct scene_bound *bound, struct vec3 point)
{
    const struct vec3 offset = vec3_sub(point, bound->box.center);
    if (!has_box(bound)) {
        return fmax(0, vec3_length(offset) - bound->radius_m);
    }
    double square = 0;
    for (int i = 0; i < 3; i++) {
        const double length = vec3_length(bound->box.half[i]);
        const double along = length > 0 ? vec3_dot(offset, bound->box.half[i]) / length : 0;
        const double beyond = fmax(0, fabs(along) - length);
        square += beyond * beyond;
    }
    return sqrt(square);
}

int scene_crossed_planes(const struct scene_bound *bound, const struct scene_camera *camera,
                         int planes)
{
    const double t = tan(camera->fov_y_rad / 2);
    const double aspect = camera->width_px / camera->height_px;
    const struct vec3 ahead = vec3_scale(camera->back, -1);
    const struct vec3 inward[SCENE_PLANES] = {
        ahead,
        vec3_unit(vec3_sub(vec3_scale(ahead, t * aspect), camera->right)),
        vec3_unit(vec3_add(vec3_scale(ahead, t * aspect), camera->right)),
        vec3_unit(vec3_sub(vec3_scale(ahead, t), camera->up)),
        vec3_unit(vec3_add(vec3_scale(ahead, t), camera->up)),
    };
    const double near_m = 0.1; /* CesiumJS, PerspectiveFrustum with a logarithmic depth buffer */
    const struct vec3 offset = vec3_sub(bound->box.center, camera->at_ecef_m);
    int crossed = 0;
    for (int side = 0; side < SCENE_PLANES; side++) {
        if ((planes >> side & 1) == 0) {
            continue;
        }
        double reach = bound->radius_m;
        if (has_box(bound)) {
            reach = 0;
            for (int i = 0; i < 3; i++) {
                reach += fabs(vec3_dot(bound->box.half[i], inward[side]));
            }
        }
        const double inside = vec3_dot(offset, inward[side]) - (side == 0 ? near_m : 0);
        if (inside <= -reach) {
            return SCENE_OUTSIDE;
        }
        crossed |= (inside < reach) << side;
    }
    return crossed;
}

static double extent_along(const struct obb *box, struct vec3 axis)
{
    double extent = 0;
    for (int i = 0; i < 3; i++) {
        const struct vec3 half = box->half[i];
        extent += fabs(half.x * axis.x) + fabs(half.y * axis.y) + fabs(half.z * axis.z);
    }
    return extent;
}

bool scene_has_child_within(const struct scene_bound *parent, const struct scene_bound *child)
{
    if (!has_box(parent) || !has_box(child)) {
        return false;
    }
    const struct vec3 between = vec3_sub(child->box.center, parent->box.center);
    const struct vec3 axis = vec3_unit(between);
    /* With the same middle, CesiumJS divides by zero, and what it then compares
     * is never less. */
    return vec3_length(between) <= 0 || extent_along(&parent->box, axis) >
                                            extent_along(&child->box, axis) + vec3_length(between);
}

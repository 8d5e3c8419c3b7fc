/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/viewpoint.h"

#include <stdio.h>

#include "formats/base/earth.h"
#include "formats/number.h"

static const double FOV_X_RAD = EARTH_PI / 3;
static const double OVERVIEW_PITCH_DEG = -35;
static const double OVERVIEW_HEADING_DEG = 20;
static const double OVERVIEW_MARGIN = 1.1;

struct vec3 viewpoint_direction(struct mat4 enu, double heading_rad, double pitch_rad)
{
    return mat4_direction(enu, (struct vec3){sin(heading_rad) * cos(pitch_rad),
                                             cos(heading_rad) * cos(pitch_rad), sin(pitch_rad)});
}

bool viewpoint_read(const char *text, struct viewpoint *out, struct err *err)
{
    double values[5];
    const char *at = text;
    for (int i = 0; i < 5; i++) {
        const char *end = strchr(at, ',');
        const size_t size = end == NULL ? strlen(at) : (size_t)(end - at);
        const bool is_last = i == 4;
        if ((end == NULL) != is_last || !number_is((struct text){at, size}, &values[i])) {
            return err_set(err, ERR_SYNTAX,
                           "--look wants longitude,latitude,height,heading,pitch in degrees and "
                           "metres, not '%s'",
                           text);
        }
        at = is_last ? at : end + 1;
    }
    *out = (struct viewpoint){.longitude_deg = values[0],
                              .latitude_deg = values[1],
                              .height_m = values[2],
                              .heading_deg = values[3],
                              .pitch_deg = values[4]};
    return true;
}

void viewpoint_print(const struct viewpoint *v, char out[VIEWPOINT_TEXT_BYTES])
{
    snprintf(out, VIEWPOINT_TEXT_BYTES, "%.7f,%.7f,%.2f,%.2f,%.2f", v->longitude_deg,
             v->latitude_deg, v->height_m, v->heading_deg, v->pitch_deg);
}

struct scene_camera viewpoint_camera(const struct viewpoint *v, int width_px, int height_px)
{
    const double aspect = (double)width_px / height_px;
    struct scene_camera camera = {
        .at_ecef_m = earth_to_ecef(earth_point_deg(v->longitude_deg, v->latitude_deg, v->height_m)),
        .fov_y_rad = aspect <= 1 ? FOV_X_RAD : 2 * atan(tan(FOV_X_RAD / 2) / aspect),
        .width_px = width_px,
        .height_px = height_px,
    };
    const struct mat4 enu = earth_enu_frame(camera.at_ecef_m);
    const double heading_rad = v->heading_deg * EARTH_RAD_PER_DEG;
    const double pitch_rad = v->pitch_deg * EARTH_RAD_PER_DEG;
    camera.back = vec3_scale(viewpoint_direction(enu, heading_rad, pitch_rad), -1);
    camera.up = viewpoint_direction(enu, heading_rad, pitch_rad + EARTH_PI / 2);
    camera.right = vec3_cross(camera.up, camera.back);
    return camera;
}

bool viewpoint_overview(const struct scene *scene, int width_px, int height_px,
                        struct viewpoint *out, struct err *err)
{
    struct vec3 center;
    double radius_m;
    if (!scene_bounds(scene, &center, &radius_m, err)) {
        return false;
    }
    struct viewpoint found = {.heading_deg = OVERVIEW_HEADING_DEG, .pitch_deg = OVERVIEW_PITCH_DEG};
    const struct mat4 enu = earth_enu_frame(center);
    const struct vec3 ahead = viewpoint_direction(enu, OVERVIEW_HEADING_DEG * EARTH_RAD_PER_DEG,
                                                  OVERVIEW_PITCH_DEG * EARTH_RAD_PER_DEG);
    const struct vec3 right =
        viewpoint_direction(enu, (OVERVIEW_HEADING_DEG + 90) * EARTH_RAD_PER_DEG, 0);
    const struct vec3 up = vec3_cross(right, ahead);
    const struct scene_camera camera = viewpoint_camera(&found, width_px, height_px);
    const double tangent_y = tan(camera.fov_y_rad / 2) / OVERVIEW_MARGIN;
    const double tangent_x = tangent_y * width_px / height_px;
    struct vec3 corners[8];
    double distance_m = 1;
    scene_corners(scene, corners);
    for (int i = 0; i < 8; i++) {
        const struct vec3 at = vec3_sub(corners[i], center);
        const double along = vec3_dot(at, ahead);
        distance_m = fmax(distance_m, fabs(vec3_dot(at, right)) / tangent_x - along);
        distance_m = fmax(distance_m, fabs(vec3_dot(at, up)) / tangent_y - along);
    }
    const struct earth_point at = earth_from_ecef(vec3_sub(center, vec3_scale(ahead, distance_m)));
    found.longitude_deg = at.longitude_rad / EARTH_RAD_PER_DEG;
    found.latitude_deg = at.latitude_rad / EARTH_RAD_PER_DEG;
    found.height_m = at.height_m;
    *out = found;
    return true;
}

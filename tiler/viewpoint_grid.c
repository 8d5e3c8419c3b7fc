/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/viewpoint.h"

#include <stdio.h>
#include <stdlib.h>

#include "formats/base/earth.h"
#include "tiler/picture.h"

static const double FAR_PITCH_DEG = -35;
static const double NEAR_PITCH_DEG = -25;
static const double NEAR_M = 250;
static const double EYE_M = 1.7;
static const double LOCAL_MAP_M = 600;
static const double FAR_HEADINGS_DEG[] = {20, 200};

enum { CITY_MAP_PX = 768, LOCAL_MAP_PX = 600 };
enum { PER_KIND = 3, DIRECTIONS = 16 };

/* ---- a map of heights and buildings, seen from above ---- */

/* A square around a place; x east, y north of its middle. */
struct map {
    struct mat4 enu; /* of its middle, at the height of the ground */
    double size_m, pixel_m;
    int size_px;
    float *heights_m; /* above the ground; 0 where nothing is */
    const uint32_t *ids;
};

struct place {
    double x, y;
};

/* From so far up that buildings hardly lean. */
static bool draw_map(struct scene *scene, struct vec3 center_ecef_m, double size_m, int size_px,
                     struct arena *scratch, struct map *out, struct err *err)
{
    const struct earth_point center = earth_from_ecef(center_ecef_m);
    const struct earth_point ground = {.longitude_rad = center.longitude_rad,
                                       .latitude_rad = center.latitude_rad,
                                       .height_m = scene_ground_m(scene)};
    const double altitude_m = fmax(30 * size_m, 20000);
    struct map map = {.size_m = size_m, .size_px = size_px, .pixel_m = size_m / size_px};
    map.enu = earth_enu_frame(earth_to_ecef(ground));
    struct scene_camera camera = {
        .at_ecef_m = mat4_point(map.enu, (struct vec3){0, 0, altitude_m}),
        .right = mat4_direction(map.enu, (struct vec3){1, 0, 0}),
        .up = mat4_direction(map.enu, (struct vec3){0, 1, 0}),
        .back = mat4_direction(map.enu, (struct vec3){0, 0, 1}),
        .fov_y_rad = 2 * atan(size_m / 2 / altitude_m),
        .width_px = size_px,
        .height_px = size_px,
    };
    const struct picture_look look = {.camera = camera, .samples = 1, .ground_m = ground.height_m};
    struct scene_choice choice;
    const size_t count = (size_t)size_px * (size_t)size_px;
    float *heights = arena_array(scratch, float, count);
    uint32_t *ids = arena_array(scratch, uint32_t, count);
    if (heights == NULL || ids == NULL) {
        return arena_full(scratch, err);
    }
    const struct arena_mark mark = arena_mark(scratch);
    const bool ok = scene_choose(scene, &camera, 0, scratch, &choice, err) &&
                    picture_map(scene, &look, &choice, scratch, ids, heights, err);
    arena_reset(scratch, mark);
    if (!ok) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        heights[i] = heights[i] > 0 ? (float)(altitude_m - 1 / (double)heights[i]) : 0;
    }
    map.heights_m = heights;
    map.ids = ids;
    *out = map;
    return true;
}

static struct place place_of(const struct map *map, size_t pixel)
{
    const int column = (int)(pixel % (size_t)map->size_px);
    const int row = (int)(pixel / (size_t)map->size_px);
    return (struct place){(column + 0.5 - map->size_px / 2.0) * map->pixel_m,
                          (map->size_px / 2.0 - row - 0.5) * map->pixel_m};
}

/* The pixel of a place, or SIZE_MAX outside. */
static size_t pixel_at(const struct map *map, struct place at)
{
    const double column = at.x / map->pixel_m + map->size_px / 2.0;
    const double row = map->size_px / 2.0 - at.y / map->pixel_m;
    if (!(column >= 0 && row >= 0 && column < map->size_px && row < map->size_px)) {
        return SIZE_MAX;
    }
    return (size_t)row * (size_t)map->size_px + (size_t)column;
}

static double height_at(const struct map *map, struct place at)
{
    const size_t pixel = pixel_at(map, at);
    return pixel == SIZE_MAX ? 0 : (double)map->heights_m[pixel];
}

static bool is_building(const struct map *map, size_t pixel)
{
    return pixel != SIZE_MAX && (map->ids[pixel] & SCENE_BUILDING) != 0;
}

/* Building number `index` of the sequence: anywhere in the city, no two close
 * together. False when there is none. */
static bool find_building(const struct map *map, int index, struct place *out)
{
    const size_t count = (size_t)map->size_px * (size_t)map->size_px;
    size_t built = 0;
    for (size_t i = 0; i < count; i++) {
        built += is_building(map, i);
    }
    const double golden = 0.61803398874989485;
    const double share = (index + 0.5) * golden - floor((index + 0.5) * golden);
    size_t left = (size_t)(share * (double)built);
    for (size_t i = 0; i < count; i++) {
        if (is_building(map, i) && left-- == 0) {
            *out = place_of(map, i);
            return true;
        }
    }
    return false;
}

static struct viewpoint viewpoint_at(const struct map *map, struct vec3 at, double heading_deg,
                                     double pitch_deg)
{
    const struct earth_point point = earth_from_ecef(mat4_point(map->enu, at));
    /* As printed, so that the numbers give the same picture. */
    return (struct viewpoint){
        .longitude_deg = round(point.longitude_rad / EARTH_RAD_PER_DEG * 1e7) / 1e7,
        .latitude_deg = round(point.latitude_rad / EARTH_RAD_PER_DEG * 1e7) / 1e7,
        .height_m = round(point.height_m * 100) / 100,
        .heading_deg = heading_deg,
        .pitch_deg = pitch_deg,
    };
}

/* East, north, up. */
static struct vec3 ahead_of(double heading_deg, double pitch_deg)
{
    const double heading = heading_deg * EARTH_RAD_PER_DEG;
    const double pitch = pitch_deg * EARTH_RAD_PER_DEG;
    return (struct vec3){sin(heading) * cos(pitch), cos(heading) * cos(pitch), sin(pitch)};
}

/* ---- far ---- */

/* What is drawn, in plan. */
struct extent {
    double west, south, east, north;
};

static struct extent extent_of(const struct map *map)
{
    const double half_m = map->size_m / 2;
    struct extent extent = {half_m, half_m, -half_m, -half_m};
    for (size_t i = 0; i < (size_t)map->size_px * (size_t)map->size_px; i++) {
        if (map->ids[i] != 0) {
            const struct place at = place_of(map, i);
            extent.west = fmin(extent.west, at.x - map->pixel_m / 2);
            extent.east = fmax(extent.east, at.x + map->pixel_m / 2);
            extent.south = fmin(extent.south, at.y - map->pixel_m / 2);
            extent.north = fmax(extent.north, at.y + map->pixel_m / 2);
        }
    }
    return extent;
}

/* How far back from the middle so that the corners are in the frame. */
static double distance_to_fit(const struct extent *extent, struct vec3 ahead, struct vec3 right,
                              double tangent_x, double tangent_y)
{
    const struct vec3 up = vec3_cross(right, ahead);
    const double half_x = (extent->east - extent->west) / 2;
    const double half_y = (extent->north - extent->south) / 2;
    double distance = 1;
    for (int corner = 0; corner < 4; corner++) {
        const struct vec3 at = {corner & 1 ? half_x : -half_x, corner & 2 ? half_y : -half_y, 0};
        const double along = vec3_dot(at, ahead);
        distance = fmax(distance, fabs(vec3_dot(at, right)) / tangent_x - along);
        distance = fmax(distance, fabs(vec3_dot(at, up)) / tangent_y - along);
    }
    return distance;
}

static double add_far(const struct map *map, double tangent_x, double tangent_y,
                      struct viewpoint *out, size_t *count)
{
    const struct extent extent = extent_of(map);
    const struct vec3 middle = {(extent.west + extent.east) / 2, (extent.south + extent.north) / 2,
                                0};
    double farthest = 0;
    for (size_t i = 0; i < sizeof FAR_HEADINGS_DEG / sizeof FAR_HEADINGS_DEG[0]; i++) {
        const double heading = FAR_HEADINGS_DEG[i];
        const struct vec3 ahead = ahead_of(heading, FAR_PITCH_DEG);
        const struct vec3 right = ahead_of(heading + 90, 0);
        const double distance = distance_to_fit(&extent, ahead, right, tangent_x, tangent_y);
        struct viewpoint v = viewpoint_at(map, vec3_sub(middle, vec3_scale(ahead, distance)),
                                          heading, FAR_PITCH_DEG);
        snprintf(v.name, sizeof v.name, "far-%c", '1' + (char)i);
        out[(*count)++] = v;
        farthest = fmax(farthest, distance);
    }
    return farthest;
}

/* ---- middle and near ---- */

/* Nothing stands at the camera or between it and the place. */
static bool is_free(const struct map *map, struct place target, struct vec3 at)
{
    const double base_m = height_at(map, target);
    enum { STEPS = 64 };
    for (int i = 0; i < STEPS * 3 / 4; i++) {
        const double share = (double)i / STEPS;
        const struct place under = {at.x + (target.x - at.x) * share,
                                    at.y + (target.y - at.y) * share};
        if (height_at(map, under) + 3 > at.z + (base_m - at.z) * share) {
            return false;
        }
    }
    return true;
}

static void add_above(const struct map *map, const char *kind, int index, struct place target,
                      double distance_m, double pitch_deg, struct viewpoint *out, size_t *count)
{
    for (int turn = 0; turn < 8; turn++) {
        const double heading = fmod(110.0 + 137.0 * index + 45.0 * turn, 360);
        const struct vec3 back = vec3_scale(ahead_of(heading, pitch_deg), -distance_m);
        const struct vec3 at = {target.x + back.x, target.y + back.y, back.z};
        if (turn < 7 && !is_free(map, target, at)) {
            continue;
        }
        struct viewpoint v = viewpoint_at(map, at, heading, pitch_deg);
        snprintf(v.name, sizeof v.name, "%s-%c", kind, '1' + index);
        out[(*count)++] = v;
        return;
    }
}

/* ---- street ---- */

/* An open place with room for the eye to stand, as near as possible. */
static bool find_open(const struct map *map, struct place from, struct place *out)
{
    for (double radius = 2; radius < LOCAL_MAP_M / 2; radius += 2) {
        for (int i = 0; i < DIRECTIONS; i++) {
            const double angle = 2 * EARTH_PI * i / DIRECTIONS;
            const struct place at = {from.x + radius * cos(angle), from.y + radius * sin(angle)};
            bool is_open = true;
            for (int k = 0; k < 9 && is_open; k++) {
                const struct place near = {at.x + 3 * (k % 3 - 1), at.y + 3 * (k / 3 - 1)};
                const size_t pixel = pixel_at(map, near);
                is_open = pixel != SIZE_MAX && !is_building(map, pixel) &&
                          height_at(map, near) - height_at(map, at) < 1;
            }
            if (is_open) {
                *out = at;
                return true;
            }
        }
    }
    return false;
}

/* How far one sees along the ground, up to 150 m, and how much is built to both
 * sides of that way. */
static double rate_direction(const struct map *map, struct place from, double heading_deg)
{
    const struct vec3 ahead = ahead_of(heading_deg, 0);
    const double eye_m = height_at(map, from) + EYE_M;
    double free_m = 0;
    while (free_m < 150) {
        const struct place at = {from.x + ahead.x * (free_m + 1), from.y + ahead.y * (free_m + 1)};
        if (height_at(map, at) > eye_m) {
            break;
        }
        free_m++;
    }
    int built = 0;
    for (int side = -2; side <= 2; side++) {
        const struct vec3 way = ahead_of(heading_deg + 12 * side, 0);
        for (double d = 5; d < 200; d += 5) {
            const struct place at = {from.x + way.x * d, from.y + way.y * d};
            built += is_building(map, pixel_at(map, at));
        }
    }
    return free_m < 12 ? 0 : free_m + 2 * built;
}

static void add_street(const struct map *map, int index, struct place target, struct viewpoint *out,
                       size_t *count)
{
    struct place at;
    if (!find_open(map, target, &at)) {
        return;
    }
    double best = -1;
    double heading = 0;
    for (int i = 0; i < DIRECTIONS; i++) {
        const double rate = rate_direction(map, at, 360.0 * i / DIRECTIONS);
        if (rate > best) {
            best = rate;
            heading = 360.0 * i / DIRECTIONS;
        }
    }
    const struct vec3 eye = {at.x, at.y, fmax(0, height_at(map, at)) + EYE_M};
    struct viewpoint v = viewpoint_at(map, eye, heading, 2);
    snprintf(v.name, sizeof v.name, "street-%c", '1' + index);
    out[(*count)++] = v;
}

/* ---- the grid ---- */

static bool add_local(struct scene *scene, const struct map *city, int index, double middle_m,
                      struct arena *scratch, struct viewpoint rows[3][PER_KIND], size_t counts[3],
                      struct err *err)
{
    struct place target;
    if (!find_building(city, index, &target)) {
        return true;
    }
    const struct vec3 center = mat4_point(city->enu, (struct vec3){target.x, target.y, 0});
    struct map map;
    const struct arena_mark mark = arena_mark(scratch);
    if (!draw_map(scene, center, LOCAL_MAP_M, LOCAL_MAP_PX, scratch, &map, err)) {
        return false;
    }
    const struct place middle = {0, 0};
    add_above(&map, "middle", index, middle, middle_m, FAR_PITCH_DEG, rows[0], &counts[0]);
    add_above(&map, "near", index, middle, fmin(NEAR_M, middle_m / 2), NEAR_PITCH_DEG, rows[1],
              &counts[1]);
    add_street(&map, index, middle, rows[2], &counts[2]);
    arena_reset(scratch, mark);
    return true;
}

static bool make_grid(struct scene *scene, int width_px, int height_px, struct arena *scratch,
                      struct viewpoint *out, size_t *out_count, struct err *err)
{
    struct vec3 center;
    double radius_m;
    struct map city;
    if (!scene_bounds(scene, &center, &radius_m, err) ||
        !draw_map(scene, center, 2 * radius_m, CITY_MAP_PX, scratch, &city, err)) {
        return false;
    }
    const struct viewpoint any = {0};
    const struct scene_camera camera = viewpoint_camera(&any, width_px, height_px);
    const double tangent_y = tan(camera.fov_y_rad / 2);
    const double tangent_x = tangent_y * width_px / height_px;
    size_t count = 0;
    const double far_m = add_far(&city, tangent_x, tangent_y, out, &count);
    struct viewpoint rows[3][PER_KIND];
    size_t counts[3] = {0};
    const double middle_m = sqrt(far_m * fmin(far_m / 4, NEAR_M));
    for (int i = 0; i < PER_KIND; i++) {
        if (!add_local(scene, &city, i, middle_m, scratch, rows, counts, err)) {
            return false;
        }
    }
    for (int kind = 0; kind < 3; kind++) {
        for (size_t i = 0; i < counts[kind]; i++) {
            out[count++] = rows[kind][i];
        }
    }
    *out_count = count;
    return true;
}

bool viewpoint_grid(struct scene *scene, int width_px, int height_px, struct arena *scratch,
                    struct viewpoint *out, size_t *out_count, struct err *err)
{
    const struct arena_mark mark = arena_mark(scratch);
    const bool ok = make_grid(scene, width_px, height_px, scratch, out, out_count, err);
    arena_reset(scratch, mark);
    return ok;
}

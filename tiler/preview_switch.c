/* SPDX-License-Identifier: Apache-2.0 */
/*
 * preview_switch.c - what the eye sees when a tile gives way to its children: both
 * from the same place, as far away as the viewer lets it happen.
 */
#include "formats/base/earth.h"
#include "tiler/preview_internal.h"

static const double PITCH_RAD = -35 * EARTH_RAD_PER_DEG;
static const double HEADING_STEP_RAD = 137.5 * EARTH_RAD_PER_DEG; /* no two tiles alike */

/* Away from the tile's middle until it is as far as it has to be. */
static struct vec3 stand(const struct scene_switch *at, struct vec3 away, double distance_m)
{
    double near = 0;
    double far = 1;
    while (far < 1e9 && scene_switch_distance(at, vec3_add(at->box.center, vec3_scale(away, far))) <
                            distance_m) {
        far *= 2;
    }
    for (int i = 0; i < 60; i++) {
        const double middle = (near + far) / 2;
        const struct vec3 point = vec3_add(at->box.center, vec3_scale(away, middle));
        if (scene_switch_distance(at, point) < distance_m) {
            near = middle;
        } else {
            far = middle;
        }
    }
    return vec3_add(at->box.center, vec3_scale(away, far));
}

static struct picture_look look_at(const struct preview_options *options, struct scene *scene,
                                   const struct scene_switch *at, size_t index, double *out_m)
{
    const struct viewpoint any = {0};
    struct picture_look look = {
        .camera = viewpoint_camera(&any, options->width_px, options->height_px),
        .samples = (uint32_t)options->samples,
        .ground_m = scene_ground_m(scene),
    };
    const struct mat4 enu = earth_enu_frame(at->box.center);
    const double heading_rad = HEADING_STEP_RAD * (double)index;
    const struct vec3 ahead = viewpoint_direction(enu, heading_rad, PITCH_RAD);
    const double sse_px = options->sse_px[0] > 0 ? options->sse_px[0] : 1;
    *out_m = at->error_m * options->height_px / (sse_px * 2 * tan(look.camera.fov_y_rad / 2));
    look.camera.at_ecef_m = stand(at, vec3_scale(ahead, -1), *out_m);
    look.camera.back = vec3_scale(ahead, -1);
    look.camera.up = viewpoint_direction(enu, heading_rad, PITCH_RAD + EARTH_PI / 2);
    look.camera.right = vec3_cross(look.camera.up, look.camera.back);
    return look;
}

static bool measure(const struct preview_options *options, struct scene *scene,
                    const struct scene_switch *at, size_t index, struct arena *kept,
                    struct arena *scratch, struct preview_switch *out, struct err *err)
{
    struct picture pictures[2];
    struct flip_picture *flip;
    *out = (struct preview_switch){.name = at->parent.requests[0].name,
                                   .error_m = at->error_m,
                                   .child_count = at->children.count};
    const struct picture_look look = look_at(options, scene, at, index, &out->distance_m);
    if (!picture_draw(scene, &look, &at->children, kept, scratch, &pictures[0], err) ||
        !picture_draw(scene, &look, &at->parent, kept, scratch, &pictures[1], err) ||
        !flip_prepare(&pictures[0].image, kept, scratch, &flip, err)) {
        return false;
    }
    const struct difference_reference reference = {&pictures[0], flip, NULL};
    return difference_measure(&reference, &pictures[1], scratch, NULL, &out->difference, err);
}

bool preview_switches(const struct preview_options *options, struct scene *scene,
                      struct arena *arena, struct arena *scratch, struct buf *out, struct err *err)
{
    struct scene_switch *all;
    size_t all_count;
    if (!scene_switches(scene, arena, &all, &all_count, err)) {
        return false;
    }
    const size_t count = all_count < options->switch_count ? all_count : options->switch_count;
    struct preview_switch *measured = arena_array(arena, struct preview_switch, count);
    if (measured == NULL) {
        return arena_full(arena, err);
    }
    struct arena kept;
    arena_init(&kept, SIZE_MAX / 2);
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++) {
        ok = measure(options, scene, &all[i * all_count / count], i, &kept, scratch, &measured[i],
                     err);
        arena_reset(&kept, (struct arena_mark){0});
    }
    arena_release(&kept);
    if (ok) {
        preview_print_switches(options, measured, count, all_count, out);
    }
    return ok;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/preview.h"

#include "formats/base/earth.h"
#include "formats/base/io.h"
#include "formats/image_png.h"
#include "formats/number.h"
#include "tiler/raster.h"

static const double FOV_X_RAD = EARTH_PI / 3; /* as CesiumJS has: the larger side */
static const double DEFAULT_PITCH_RAD = -35 * EARTH_RAD_PER_DEG;
static const double DEFAULT_HEADING_RAD = 20 * EARTH_RAD_PER_DEG;

/* The sun stands in the south-west, 42 degrees high: walls seen from the south
 * differ from each other, and from the roofs. */
static const double SUN_HEADING_RAD = 235 * EARTH_RAD_PER_DEG;
static const double SUN_HEIGHT_RAD = 42 * EARTH_RAD_PER_DEG;

static double fov_y_of(const struct preview_options *options)
{
    const double aspect = (double)options->width_px / options->height_px;
    if (aspect <= 1) {
        return FOV_X_RAD;
    }
    return 2 * atan(tan(FOV_X_RAD / 2) / aspect);
}

/* East, north and up of a place turned into earth-centred directions. */
static struct vec3 turn(struct mat4 enu, double heading_rad, double pitch_rad)
{
    return mat4_direction(enu, (struct vec3){sin(heading_rad) * cos(pitch_rad),
                                             cos(heading_rad) * cos(pitch_rad), sin(pitch_rad)});
}

static void aim(struct scene_camera *camera, double heading_rad, double pitch_rad)
{
    const struct mat4 enu = earth_enu_frame(camera->at_ecef_m);
    camera->back = vec3_scale(turn(enu, heading_rad, pitch_rad), -1);
    camera->up = turn(enu, heading_rad, pitch_rad + EARTH_PI / 2);
    camera->right = vec3_cross(camera->up, camera->back);
}

static bool read_look(const char *look, struct scene_camera *camera, struct err *err)
{
    double values[5];
    const char *at = look;
    for (int i = 0; i < 5; i++) {
        const char *end = strchr(at, ',');
        const size_t size = end == NULL ? strlen(at) : (size_t)(end - at);
        const bool is_last = i == 4;
        if ((end == NULL) != is_last || !number_is((struct text){at, size}, &values[i])) {
            return err_set(err, ERR_SYNTAX,
                           "--look wants longitude,latitude,height,heading,pitch in degrees and "
                           "metres, not '%s'",
                           look);
        }
        at = is_last ? at : end + 1;
    }
    camera->at_ecef_m = earth_to_ecef(earth_point_deg(values[0], values[1], values[2]));
    aim(camera, values[3] * EARTH_RAD_PER_DEG, values[4] * EARTH_RAD_PER_DEG);
    return true;
}

/* So far back that a sphere around the city fills the picture. */
static bool look_at_all(const struct scene *scene, struct scene_camera *camera, struct err *err)
{
    struct vec3 center;
    double radius_m;
    if (!scene_bounds(scene, &center, &radius_m, err)) {
        return false;
    }
    const struct mat4 enu = earth_enu_frame(center);
    const struct vec3 ahead = turn(enu, DEFAULT_HEADING_RAD, DEFAULT_PITCH_RAD);
    const double distance_m = radius_m / sin(FOV_X_RAD / 2) * 0.9;
    /* At the ground and not at the middle of the tallest tower. */
    const double sink_m = earth_from_ecef(center).height_m - scene_ground_m(scene);
    const struct vec3 target = vec3_sub(center, mat4_direction(enu, (struct vec3){0, 0, sink_m}));
    camera->at_ecef_m = vec3_sub(target, vec3_scale(ahead, distance_m));
    aim(camera, DEFAULT_HEADING_RAD, DEFAULT_PITCH_RAD);
    return true;
}

struct drawer {
    struct raster *raster;
    struct scene_camera camera;
};

static struct vec3 to_camera(const struct scene_camera *camera, struct vec3 direction)
{
    return (struct vec3){vec3_dot(direction, camera->right), vec3_dot(direction, camera->up),
                         vec3_dot(direction, camera->back)};
}

/* The tile's frame to the camera's. The two translations are subtracted first:
 * they are millions of metres, what remains is not. */
static struct mat4 view_matrix(const struct scene_camera *camera, struct mat4 frame)
{
    struct mat4 out = mat4_identity();
    for (int column = 0; column < 4; column++) {
        struct vec3 axis = {frame.m[4 * column], frame.m[4 * column + 1], frame.m[4 * column + 2]};
        if (column == 3) {
            axis = vec3_sub(axis, camera->at_ecef_m);
        }
        const struct vec3 seen = to_camera(camera, axis);
        out.m[4 * column] = seen.x;
        out.m[4 * column + 1] = seen.y;
        out.m[4 * column + 2] = seen.z;
    }
    return out;
}

static struct raster_corner corner_of(const struct mesh *mesh, const struct mesh_material *material,
                                      struct mat4 view, uint32_t vertex)
{
    const float *p = mesh->positions + 3 * (size_t)vertex;
    const float *n = mesh->normals + 3 * (size_t)vertex;
    struct raster_corner corner = {
        .at_camera = mat4_point(view, (struct vec3){(double)p[0], (double)p[1], (double)p[2]}),
        .normal_camera = vec3_unit(
            mat4_direction(view, (struct vec3){(double)n[0], (double)n[1], (double)n[2]})),
    };
    for (int i = 0; i < 4; i++) {
        const float own = mesh->colors == NULL
                              ? 1
                              : (float)mesh->colors[4 * (size_t)vertex + (size_t)i] / UINT16_MAX;
        corner.color[i] = material->base_color[i] * own;
    }
    if (material->alpha == MESH_OPAQUE) {
        corner.color[3] = 1;
    }
    return corner;
}

static bool draw_tile(void *self, const struct mesh_tile *content, struct mat4 frame,
                      struct err *err)
{
    const struct drawer *drawer = self;
    (void)err;
    const struct mat4 view = view_matrix(&drawer->camera, frame);
    for (size_t i = 0; i < content->mesh_count; i++) {
        const struct mesh *mesh = &content->meshes[i];
        const struct mesh_material *material = &content->materials[mesh->material];
        for (uint32_t k = 0; k + 2 < mesh->index_count; k += 3) {
            struct raster_corner corners[3];
            for (int c = 0; c < 3; c++) {
                corners[c] = corner_of(mesh, material, view, mesh->indices[k + (uint32_t)c]);
            }
            const struct raster_face face = {.is_two_sided = material->is_double_sided};
            raster_triangle(drawer->raster, corners, &face);
        }
    }
    return true;
}

static bool open_raster(const struct preview_options *options, const struct scene *scene,
                        struct arena *run, struct drawer *drawer, struct err *err)
{
    const struct scene_camera *camera = &drawer->camera;
    const struct mat4 enu = earth_enu_frame(camera->at_ecef_m);
    const double height_m = earth_from_ecef(camera->at_ecef_m).height_m - scene_ground_m(scene);
    const struct raster_view view = {
        .width_px = (uint32_t)options->width_px,
        .height_px = (uint32_t)options->height_px,
        .samples = options->samples == 0 ? 2 : (uint32_t)options->samples,
        .fov_y_rad = camera->fov_y_rad,
        .near_m = 0.1,
        .sun_camera = to_camera(camera, turn(enu, SUN_HEADING_RAD, SUN_HEIGHT_RAD)),
        .up_camera = to_camera(camera, turn(enu, 0, EARTH_PI / 2)),
        .ground_camera_m = -height_m,
        .has_ground = height_m > 0,
    };
    return raster_open(&view, run, &drawer->raster, err);
}

static bool draw_picture(const struct preview_options *options, struct scene *scene,
                         struct arena *run, struct scene_drawn *out, struct err *err)
{
    struct drawer drawer = {.camera = {.fov_y_rad = fov_y_of(options),
                                       .width_px = options->width_px,
                                       .height_px = options->height_px}};
    const bool has_camera = options->look == NULL ? look_at_all(scene, &drawer.camera, err)
                                                  : read_look(options->look, &drawer.camera, err);
    struct image image;
    if (!has_camera || !open_raster(options, scene, run, &drawer, err) ||
        !scene_show(scene, &drawer.camera, options->sse_px, draw_tile, &drawer, out, err) ||
        !raster_finish(drawer.raster, run, &image, err)) {
        return false;
    }
    struct buf png;
    buf_init(&png, (size_t)1 << 30);
    const bool ok = image_png_write(&image, &png, err) &&
                    io_write_file(options->output, buf_span(&png), false, err);
    buf_release(&png);
    return ok;
}

bool preview_run(const struct preview_options *options, struct arena *run, struct scene_drawn *out,
                 struct err *err)
{
    struct scene *scene;
    if (!scene_open(options->path, run, &scene, err)) {
        return false;
    }
    const bool ok = draw_picture(options, scene, run, out, err);
    scene_close(scene);
    return ok;
}

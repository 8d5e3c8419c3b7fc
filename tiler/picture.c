/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/picture.h"

#include <assert.h>

#include "formats/base/earth.h"
#include "tiler/raster.h"
#include "tiler/viewpoint.h"

/* The sun stands in the south-west, 42 degrees high: walls seen from the south
 * differ from each other, and from the roofs. */
static const double SUN_HEADING_RAD = 235 * EARTH_RAD_PER_DEG;
static const double SUN_HEIGHT_RAD = 42 * EARTH_RAD_PER_DEG;

struct drawer {
    struct arena *scratch; /* for the pictures of one mesh */
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
    for (int i = 0; i < 2 && mesh->uvs != NULL; i++) {
        corner.uv[i] = mesh->uvs[2 * (size_t)vertex + (size_t)i];
    }
    return corner;
}

/* The texture of a mesh, or NULL. */
static bool open_texture(const struct drawer *drawer, const struct mesh_tile *content,
                         const struct mesh *mesh, const struct texture **out, struct err *err)
{
    const struct mesh_material *material = &content->materials[mesh->material];
    *out = NULL;
    if (material->image < 0 || mesh->uvs == NULL) {
        return true;
    }
    struct texture *texture = arena_array(drawer->scratch, struct texture, 1);
    if (texture == NULL) {
        return arena_full(drawer->scratch, err);
    }
    *out = texture;
    return texture_open(&content->images[material->image], material->wrap, drawer->scratch, texture,
                        err);
}

static bool draw_tile(void *self, const struct mesh_tile *content, const uint32_t *features,
                      struct mat4 frame, struct err *err)
{
    const struct drawer *drawer = self;
    const struct mat4 view = view_matrix(&drawer->camera, frame);
    for (size_t i = 0; i < content->mesh_count; i++) {
        const struct mesh *mesh = &content->meshes[i];
        const struct mesh_material *material = &content->materials[mesh->material];
        const struct arena_mark mark = arena_mark(drawer->scratch);
        const struct texture *texture;
        if (!open_texture(drawer, content, mesh, &texture, err)) {
            return false;
        }
        for (uint32_t k = 0; k + 2 < mesh->index_count; k += 3) {
            struct raster_corner corners[3];
            const uint32_t row = mesh->rows[mesh->indices[k]];
            for (int c = 0; c < 3; c++) {
                corners[c] = corner_of(mesh, material, view, mesh->indices[k + (uint32_t)c]);
            }
            /* What has no name is a thing of its own. */
            const struct raster_face face = {
                .id = features == NULL || row == MESH_NO_ROW ? SCENE_BUILDING : features[row],
                .is_two_sided = material->is_double_sided,
                .is_unlit = material->is_unlit,
                .alpha = material->alpha,
                .texture = texture};
            raster_triangle(drawer->raster, corners, &face);
        }
        arena_reset(drawer->scratch, mark);
    }
    return true;
}

static bool open_raster(const struct picture_look *look, struct arena *arena, struct raster **out,
                        struct err *err)
{
    const struct scene_camera *camera = &look->camera;
    const struct mat4 enu = earth_enu_frame(camera->at_ecef_m);
    const double height_m = earth_from_ecef(camera->at_ecef_m).height_m - look->ground_m;
    const struct raster_view view = {
        .width_px = (uint32_t)camera->width_px,
        .height_px = (uint32_t)camera->height_px,
        .samples = look->samples,
        .fov_y_rad = camera->fov_y_rad,
        .near_m = 0.1,
        .sun_camera = to_camera(camera, viewpoint_direction(enu, SUN_HEADING_RAD, SUN_HEIGHT_RAD)),
        .up_camera = to_camera(camera, viewpoint_direction(enu, 0, EARTH_PI / 2)),
        .ground_camera_m = -height_m,
        .has_ground = height_m > 0,
    };
    return raster_open(&view, arena, out, err);
}

static bool draw(struct scene *scene, const struct picture_look *look,
                 const struct scene_choice *choice, struct arena *arena, struct arena *scratch,
                 struct picture *out, struct err *err)
{
    struct drawer drawer = {.scratch = scratch, .camera = look->camera};
    struct picture picture = {.samples = look->samples};
    if (!open_raster(look, scratch, &drawer.raster, err) ||
        !scene_draw_choice(scene, choice, draw_tile, &drawer, &picture.drawn, err) ||
        !raster_finish(drawer.raster, arena, &picture.image, err)) {
        return false;
    }
    const struct raster_samples samples = raster_samples(drawer.raster);
    const size_t count = (size_t)samples.width * samples.height;
    uint32_t *ids = arena_array(arena, uint32_t, count);
    if (ids == NULL) {
        return arena_full(arena, err);
    }
    memcpy(ids, samples.ids, count * sizeof ids[0]);
    picture.ids = ids;
    *out = picture;
    return true;
}

bool picture_draw(struct scene *scene, const struct picture_look *look,
                  const struct scene_choice *choice, struct arena *arena, struct arena *scratch,
                  struct picture *out, struct err *err)
{
    assert(arena != scratch);
    const struct arena_mark mark = arena_mark(scratch);
    const bool ok = draw(scene, look, choice, arena, scratch, out, err);
    arena_reset(scratch, mark);
    return ok;
}

bool picture_map(struct scene *scene, const struct picture_look *look,
                 const struct scene_choice *choice, struct arena *scratch, uint32_t *out_ids,
                 float *out_depths, struct err *err)
{
    const struct arena_mark mark = arena_mark(scratch);
    struct drawer drawer = {.scratch = scratch, .camera = look->camera};
    struct scene_drawn drawn;
    const bool ok = open_raster(look, scratch, &drawer.raster, err) &&
                    scene_draw_choice(scene, choice, draw_tile, &drawer, &drawn, err);
    if (ok) {
        const struct raster_samples samples = raster_samples(drawer.raster);
        const size_t count = (size_t)samples.width * samples.height;
        memcpy(out_ids, samples.ids, count * sizeof out_ids[0]);
        memcpy(out_depths, samples.depths, count * sizeof out_depths[0]);
    }
    arena_reset(scratch, mark);
    return ok;
}

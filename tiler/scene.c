/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/scene.h"

#include <assert.h>

#include "formats/b3dm.h"
#include "formats/base/earth.h"
#include "formats/glb.h"
#include "formats/number.h"

#include <stdio.h>

enum { FILE_BYTES_MAX = 1 << 30, EXTERNAL_DEPTH_MAX = 32 };

/* A tileset file: its tree, and the folder that its URIs start from. */
struct scene_file {
    struct tileset tileset;
    struct text folder; /* "" or ends in a slash */
    struct text name;
    struct scene_file *next;
    uint64_t bytes;
    bool is_counted; /* in the present picture */
};

struct scene {
    struct package *package;
    struct arena *run;
    struct scene_file *files;
    struct scene_file *root;
    struct arena content;
    struct buf bytes;
};

static struct text folder_of(struct text name)
{
    size_t size = name.size;
    while (size > 0 && name.data[size - 1] != '/') {
        size--;
    }
    return (struct text){name.data, size};
}

/* A URI against the folder it stands in; "./" and "../" resolved, the query cut
 * off. */
static bool resolve(struct text folder, struct text uri, struct arena *run, struct text *out,
                    struct err *err)
{
    char *joined = arena_array(run, char, folder.size + uri.size + 1);
    if (joined == NULL) {
        return arena_full(run, err);
    }
    size_t size = folder.size;
    memcpy(joined, folder.data, folder.size);
    for (size_t at = 0; at < uri.size && uri.data[at] != '?' && uri.data[at] != '#';) {
        size_t end = at;
        while (end < uri.size && uri.data[end] != '/' && uri.data[end] != '?' &&
               uri.data[end] != '#') {
            end++;
        }
        const struct text part = {uri.data + at, end - at};
        const bool has_slash = end < uri.size && uri.data[end] == '/';
        at = has_slash ? end + 1 : end;
        if (text_is(part, ".")) {
            continue;
        }
        if (text_is(part, "..")) {
            size = size == 0 ? 0 : folder_of((struct text){joined, size - 1}).size;
            continue;
        }
        memcpy(joined + size, part.data, part.size);
        size += part.size;
        if (has_slash) {
            joined[size++] = '/';
        }
    }
    *out = (struct text){joined, size};
    return true;
}

static bool load(struct scene *scene, struct text name, struct err *err)
{
    buf_reset(&scene->bytes);
    if (!package_load(scene->package, name, &scene->bytes, err)) {
        char text[128];
        snprintf(text, sizeof text, "%.*s", TEXT_ARGS(name));
        err_in_source(err, text);
        return false;
    }
    return true;
}

static struct scene_file *find_file(const struct scene *scene, struct text name)
{
    for (struct scene_file *file = scene->files; file != NULL; file = file->next) {
        if (text_equals(file->name, name)) {
            return file;
        }
    }
    return NULL;
}

static bool open_file(struct scene *scene, struct text name, struct scene_file **out,
                      struct err *err)
{
    *out = find_file(scene, name);
    if (*out != NULL) {
        return true;
    }
    struct scene_file *file = arena_array(scene->run, struct scene_file, 1);
    if (file == NULL) {
        return arena_full(scene->run, err);
    }
    if (!load(scene, name, err)) {
        return false;
    }
    /* The tree points into its text. */
    uint8_t *copy = arena_array(scene->run, uint8_t, scene->bytes.size);
    if (copy == NULL) {
        return arena_full(scene->run, err);
    }
    memcpy(copy, scene->bytes.data, scene->bytes.size);
    const struct span json = {copy, scene->bytes.size};
    if (!tileset_read(json, scene->run, &file->tileset, err)) {
        char text[128];
        snprintf(text, sizeof text, "%.*s", TEXT_ARGS(name));
        err_in_source(err, text);
        return false;
    }
    file->name = name;
    file->folder = folder_of(name);
    file->bytes = json.size;
    file->next = scene->files;
    scene->files = file;
    *out = file;
    return true;
}

bool scene_open(const char *path, struct arena *run, struct scene **out, struct err *err)
{
    struct scene *scene = arena_array(run, struct scene, 1);
    if (scene == NULL) {
        return arena_full(run, err);
    }
    scene->run = run;
    buf_init(&scene->bytes, FILE_BYTES_MAX);
    arena_init(&scene->content, (size_t)4 << 30);
    if (!package_open(path, &scene->package, err)) {
        return false;
    }
    if (!open_file(scene, package_tileset_name(scene->package), &scene->root, err)) {
        scene_close(scene);
        return false;
    }
    *out = scene;
    return true;
}

void scene_close(struct scene *scene)
{
    if (scene != NULL) {
        package_close(scene->package);
        buf_release(&scene->bytes);
        arena_release(&scene->content);
    }
}

/* ---- volumes ---- */

/* A volume in earth-centred metres: a box, or a sphere (half axes all zero). */
struct bound {
    struct obb box;
    double radius_m;
};

static double largest_scale(struct mat4 m)
{
    double largest = 0;
    for (int column = 0; column < 3; column++) {
        const struct vec3 axis = {m.m[4 * column], m.m[4 * column + 1], m.m[4 * column + 2]};
        largest = fmax(largest, vec3_length(axis));
    }
    return largest;
}

/* Around points of the region's surface: enough for choosing tiles. */
static struct bound bound_of_region(const double region[6])
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
    return (struct bound){.box = {.center = center}, .radius_m = vec3_distance(center, box.max)};
}

static struct bound bound_of(const struct tileset_volume *volume, struct mat4 to_ecef)
{
    struct bound bound = {.radius_m = INFINITY};
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
        bound.radius_m = volume->radius_m * largest_scale(to_ecef);
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

static bool has_box(const struct bound *bound)
{
    return vec3_length(bound->box.half[0]) > 0;
}

static double distance_to(const struct bound *bound, struct vec3 point)
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

/* False when it lies wholly outside one of the four sides or behind. */
static bool is_in_sight(const struct bound *bound, const struct scene_camera *camera)
{
    const double t = tan(camera->fov_y_rad / 2);
    const double aspect = camera->width_px / camera->height_px;
    const struct vec3 ahead = vec3_scale(camera->back, -1);
    const struct vec3 inward[5] = {
        ahead,
        vec3_unit(vec3_sub(vec3_scale(ahead, t * aspect), camera->right)),
        vec3_unit(vec3_add(vec3_scale(ahead, t * aspect), camera->right)),
        vec3_unit(vec3_sub(vec3_scale(ahead, t), camera->up)),
        vec3_unit(vec3_add(vec3_scale(ahead, t), camera->up)),
    };
    const struct vec3 offset = vec3_sub(bound->box.center, camera->at_ecef_m);
    for (int side = 0; side < 5; side++) {
        double reach = bound->radius_m;
        if (has_box(bound)) {
            reach = 0;
            for (int i = 0; i < 3; i++) {
                reach += fabs(vec3_dot(bound->box.half[i], inward[side]));
            }
        }
        if (vec3_dot(offset, inward[side]) < -reach) {
            return false;
        }
    }
    return true;
}

bool scene_bounds(const struct scene *scene, struct vec3 *out_center_ecef_m, double *out_radius_m,
                  struct err *err)
{
    const struct tileset_tile *root = scene->root->tileset.root;
    const struct bound bound = bound_of(&root->volume, root->transform);
    if (!isfinite(bound.radius_m) || !vec3_is_finite(bound.box.center)) {
        return err_set(err, ERR_UNSUPPORTED, "the root has no volume that can be looked at");
    }
    *out_center_ecef_m = bound.box.center;
    *out_radius_m = bound.radius_m;
    return true;
}

/* {"storey": {"ground_height_m": number}} in asset.extras. */
static bool stated_ground(struct text extras, double *out)
{
    const char key[] = "\"ground_height_m\":";
    for (size_t i = 0; i + sizeof key - 1 < extras.size; i++) {
        if (memcmp(extras.data + i, key, sizeof key - 1) == 0) {
            size_t start = i + sizeof key - 1;
            size_t end = start;
            while (end < extras.size && strchr("+-.0123456789eE", extras.data[end]) != NULL) {
                end++;
            }
            return number_is((struct text){extras.data + start, end - start}, out);
        }
    }
    return false;
}

double scene_ground_m(const struct scene *scene)
{
    double ground_m;
    if (stated_ground(scene->root->tileset.asset_extras, &ground_m)) {
        return ground_m;
    }
    const struct tileset_tile *root = scene->root->tileset.root;
    const struct bound bound = bound_of(&root->volume, root->transform);
    const struct vec3 up = earth_up(bound.box.center);
    double reach = 0;
    for (int i = 0; i < 3; i++) {
        reach += fabs(vec3_dot(bound.box.half[i], up));
    }
    return earth_from_ecef(bound.box.center).height_m - reach;
}

/* ---- showing ---- */

struct showing {
    struct scene *scene;
    const struct scene_camera *camera;
    double sse_px;
    scene_draw *draw;
    void *drawer;
    struct scene_drawn drawn;
};

static bool draw_content(struct showing *showing, struct text name, struct mat4 frame,
                         struct err *err)
{
    struct scene *scene = showing->scene;
    if (!load(scene, name, err)) {
        return false;
    }
    showing->drawn.request_count++;
    showing->drawn.bytes += scene->bytes.size;
    struct mesh_tile content;
    const struct span bytes = buf_span(&scene->bytes);
    const bool is_b3dm = bytes.size >= 4 && memcmp(bytes.data, "b3dm", 4) == 0;
    arena_reset(&scene->content, (struct arena_mark){0});
    const bool ok = is_b3dm ? b3dm_read_tile(bytes, &scene->content, &content, err)
                            : glb_read(bytes, &scene->content, &content, err);
    if (!ok) {
        char text[128];
        snprintf(text, sizeof text, "%.*s", TEXT_ARGS(name));
        err_in_source(err, text);
        return false;
    }
    showing->drawn.tile_count++;
    showing->drawn.feature_count += content.table == NULL ? 0 : content.table->row_count;
    for (size_t i = 0; i < content.mesh_count; i++) {
        showing->drawn.triangle_count += content.meshes[i].index_count / 3;
    }
    return showing->draw(showing->drawer, &content, frame, err);
}

static bool is_tileset_name(struct text name)
{
    return name.size > 5 && memcmp(name.data + name.size - 5, ".json", 5) == 0;
}

static bool show_tile(struct showing *showing, const struct scene_file *file,
                      const struct tileset_tile *tile, struct mat4 parent_frame,
                      enum tileset_refine refine, int depth, struct err *err);

static bool show_external(struct showing *showing, struct text name, struct mat4 frame,
                          enum tileset_refine refine, int depth, struct err *err)
{
    struct scene_file *file;
    if (depth > EXTERNAL_DEPTH_MAX) {
        return err_set(err, ERR_LIMIT, "tilesets refer to tilesets more than %d deep",
                       EXTERNAL_DEPTH_MAX);
    }
    if (!open_file(showing->scene, name, &file, err)) {
        return false;
    }
    if (!file->is_counted) {
        file->is_counted = true;
        showing->drawn.request_count++;
        showing->drawn.bytes += file->bytes;
    }
    return show_tile(showing, file, file->tileset.root, frame, refine, depth + 1, err);
}

static bool show_contents(struct showing *showing, const struct scene_file *file,
                          const struct tileset_tile *tile, struct mat4 frame,
                          enum tileset_refine refine, bool is_refined, int depth, struct err *err)
{
    for (const struct tileset_content *c = tile->content; c != NULL; c = c->next) {
        struct text name;
        if (!resolve(file->folder, c->uri, showing->scene->run, &name, err)) {
            return false;
        }
        if (is_tileset_name(name)) {
            if (!show_external(showing, name, frame, refine, depth, err)) {
                return false;
            }
        } else if ((!is_refined || refine == TILESET_REFINE_ADD) &&
                   !draw_content(showing, name, frame, err)) {
            return false;
        }
    }
    return true;
}

static bool show_tile(struct showing *showing, const struct scene_file *file,
                      const struct tileset_tile *tile, struct mat4 parent_frame,
                      enum tileset_refine refine, int depth, struct err *err)
{
    const struct scene_camera *camera = showing->camera;
    const struct mat4 frame = mat4_multiply(parent_frame, tile->transform);
    const struct bound bound = bound_of(&tile->volume, frame);
    if (!is_in_sight(&bound, camera)) {
        return true;
    }
    refine = tile->refine == TILESET_REFINE_INHERIT ? refine : tile->refine;
    const double distance = fmax(1e-3, distance_to(&bound, camera->at_ecef_m));
    const double error = tile->geometric_error * largest_scale(frame);
    const double sse = error * camera->height_px / (distance * 2 * tan(camera->fov_y_rad / 2));
    const bool is_refined = tile->first_child != NULL && sse > showing->sse_px;
    if (!show_contents(showing, file, tile, frame, refine, is_refined, depth, err)) {
        return false;
    }
    for (const struct tileset_tile *c = tile->first_child; is_refined && c != NULL; c = c->next) {
        if (!show_tile(showing, file, c, frame, refine, depth, err)) {
            return false;
        }
    }
    return true;
}

bool scene_show(struct scene *scene, const struct scene_camera *camera, double sse_px,
                scene_draw *draw, void *drawer, struct scene_drawn *out, struct err *err)
{
    struct showing showing = {.scene = scene,
                              .camera = camera,
                              .sse_px = sse_px > 0 ? sse_px : -1,
                              .draw = draw,
                              .drawer = drawer};
    for (struct scene_file *file = scene->files; file != NULL; file = file->next) {
        file->is_counted = false;
    }
    if (!show_external(&showing, scene->root->name, mat4_identity(), TILESET_REFINE_REPLACE, 0,
                       err)) {
        return false;
    }
    *out = showing.drawn;
    return true;
}

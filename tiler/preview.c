/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/preview.h"

#include <stdio.h>

#include "formats/base/io.h"
#include "formats/image_png.h"
#include "tiler/preview_internal.h"

/* A camera of the run, and what it is compared with. */
struct shot {
    struct viewpoint viewpoint;
    struct picture_look look;
    struct difference_reference reference; /* picture NULL: nothing */
    struct scene_choice full;              /* of the reference */
};

struct preview {
    const struct preview_options *options;
    struct scene *scene;
    struct scene *reference; /* the same, another, or NULL */
    const struct scene_groups *groups;
    struct arena *run;
    struct arena kept;    /* of a shot */
    struct arena picture; /* of a view */
    struct arena scratch;
    struct buf *out;
};

/* ---- cameras ---- */

/* "far" names far-1 and far-2, "all" every one. */
static bool is_named(const struct viewpoint *viewpoint, const char *name)
{
    const size_t size = strlen(name);
    return strcmp(name, "all") == 0 || strcmp(name, viewpoint->name) == 0 ||
           (strncmp(name, viewpoint->name, size) == 0 && viewpoint->name[size] == '-');
}

static bool pick_cameras(const struct preview_options *options, const struct viewpoint *grid,
                         size_t grid_count, struct viewpoint *out, size_t *out_count,
                         struct err *err)
{
    *out_count = 0;
    for (size_t k = 0; k < options->camera_count; k++) {
        const size_t before = *out_count;
        for (size_t i = 0; i < grid_count; i++) {
            if (is_named(&grid[i], options->cameras[k]) && *out_count < VIEWPOINT_GRID_MAX) {
                out[(*out_count)++] = grid[i];
            }
        }
        if (*out_count == before) {
            return err_set(err, ERR_SYNTAX,
                           "no camera '%s' here: far, middle, near, street, one of them as in "
                           "far-1, or all",
                           options->cameras[k]);
        }
    }
    return true;
}

static bool find_cameras(struct preview *p, struct viewpoint *out, size_t *out_count,
                         struct err *err)
{
    const struct preview_options *options = p->options;
    struct scene *scene = p->reference != NULL ? p->reference : p->scene;
    *out_count = 1;
    if (options->look != NULL) {
        return viewpoint_read(options->look, out, err);
    }
    if (options->camera_count == 0 && p->reference == NULL) {
        return viewpoint_overview(scene, options->width_px, options->height_px, out, err);
    }
    struct viewpoint grid[VIEWPOINT_GRID_MAX];
    size_t grid_count;
    if (!viewpoint_grid(scene, options->width_px, options->height_px, &p->scratch, grid,
                        &grid_count, err)) {
        return false;
    }
    if (options->camera_count == 0) {
        memcpy(out, grid, grid_count * sizeof grid[0]);
        *out_count = grid_count;
        return true;
    }
    return pick_cameras(options, grid, grid_count, out, out_count, err);
}

/* ---- files ---- */

static bool write_image(const struct image *image, const char *path, struct err *err)
{
    struct buf png;
    buf_init(&png, (size_t)1 << 30);
    const bool ok =
        image_png_write(image, &png, err) && io_write_file(path, buf_span(&png), false, err);
    buf_release(&png);
    return ok;
}

/* NAME.png to NAME-far-1-16.png. */
static void name_file(const char *output, const char *camera, const char *what, char out[4096])
{
    const size_t size = strlen(output);
    const bool has_suffix = size > 4 && strcmp(output + size - 4, ".png") == 0;
    snprintf(out, 4096, "%.*s%s%s-%s.png", (int)(has_suffix ? size - 4 : size), output,
             camera[0] == '\0' ? "" : "-", camera, what);
}

static bool write_part(const struct preview *p, const struct shot *shot, const struct image *image,
                       const char *what, struct err *err)
{
    char path[4096];
    if (p->options->output == NULL) {
        return true;
    }
    name_file(p->options->output, shot->viewpoint.name, what, path);
    return write_image(image, path, err);
}

/* Black to white. */
static bool write_flip_map(struct preview *p, const struct shot *shot, const float *map,
                           const char *what, struct err *err)
{
    const struct image *like = &shot->reference.picture->image;
    const size_t count = (size_t)like->width * like->height;
    struct image image = {like->width, like->height, arena_array(&p->picture, uint8_t, 4 * count)};
    if (image.pixels == NULL) {
        return arena_full(&p->picture, err);
    }
    for (size_t i = 0; i < count; i++) {
        const uint8_t value = (uint8_t)(fminf(1, map[i]) * 255 + 0.5f);
        const uint8_t pixel[4] = {value, value, value, 255};
        memcpy(image.pixels + 4 * i, pixel, sizeof pixel);
    }
    return write_part(p, shot, &image, what, err);
}

/* ---- views ---- */

static bool draw_reference(struct preview *p, struct shot *shot, struct err *err)
{
    struct picture *picture = arena_array(&p->kept, struct picture, 1);
    struct flip_picture *flip;
    if (picture == NULL) {
        return arena_full(&p->kept, err);
    }
    if (!scene_choose(p->reference, &shot->look.camera, 0, &p->kept, &shot->full, err) ||
        !picture_draw(p->reference, &shot->look, &shot->full, &p->kept, &p->scratch, picture,
                      err) ||
        !flip_prepare(&picture->image, &p->kept, &p->scratch, &flip, err)) {
        return false;
    }
    shot->reference = (struct difference_reference){picture, flip, p->groups};
    return write_part(p, shot, &picture->image, "full", err);
}

static bool compare(struct preview *p, const struct shot *shot, const struct picture *picture,
                    struct preview_view *view, struct err *err)
{
    const bool wants_map = p->options->output != NULL;
    const size_t count = (size_t)picture->image.width * picture->image.height;
    float *map = wants_map ? arena_array(&p->picture, float, count) : NULL;
    if (wants_map && map == NULL) {
        return arena_full(&p->picture, err);
    }
    if (!difference_measure(&shot->reference, picture, &p->scratch, map, &view->difference, err)) {
        return false;
    }
    view->has_difference = true;
    char what[32];
    snprintf(what, sizeof what, "%g", view->sse_px);
    if (!write_part(p, shot, &picture->image, what, err)) {
        return false;
    }
    snprintf(what, sizeof what, "%g-flip", view->sse_px);
    return map == NULL || write_flip_map(p, shot, map, what, err);
}

static bool draw_view(struct preview *p, const struct shot *shot, bool is_only,
                      struct preview_view *view, struct err *err)
{
    struct picture picture;
    if (!picture_draw(p->scene, &shot->look, &view->choice, &p->picture, &p->scratch, &picture,
                      err)) {
        return false;
    }
    view->drawn = picture.drawn;
    if (shot->reference.picture != NULL) {
        return compare(p, shot, &picture, view, err);
    }
    char what[32];
    snprintf(what, sizeof what, "%g", view->sse_px);
    return is_only ? write_image(&picture.image, p->options->output, err)
                   : write_part(p, shot, &picture.image, what, err);
}

/* What is shown decides the picture; what else is loaded does not. */
static bool shows_the_same(const struct scene_choice *a, const struct scene_choice *b)
{
    size_t k = 0;
    for (size_t i = 0; i < a->count; i++) {
        if (!a->requests[i].is_shown) {
            continue;
        }
        while (k < b->count && !b->requests[k].is_shown) {
            k++;
        }
        if (k == b->count || !text_equals(a->requests[i].name, b->requests[k].name)) {
            return false;
        }
        k++;
    }
    while (k < b->count && !b->requests[k].is_shown) {
        k++;
    }
    return k == b->count;
}

static bool view_all(struct preview *p, const struct shot *shot, bool is_only,
                     struct preview_view *views, struct err *err)
{
    const struct preview_options *options = p->options;
    const bool is_drawn = options->output != NULL || shot->reference.picture != NULL;
    for (size_t i = 0; i < options->sse_count; i++) {
        struct preview_view *view = &views[i];
        view->sse_px = options->sse_px[i];
        if (!scene_choose(p->scene, &shot->look.camera, view->sse_px, &p->kept, &view->choice,
                          err)) {
            return false;
        }
        /* Neighbouring errors often show the same tiles. */
        if (i > 0 && options->output == NULL &&
            shows_the_same(&views[i - 1].choice, &view->choice)) {
            view->drawn = views[i - 1].drawn;
            view->difference = views[i - 1].difference;
            view->has_difference = views[i - 1].has_difference;
        } else if (is_drawn && !draw_view(p, shot, is_only, view, err)) {
            return false;
        }
        preview_sum(view);
        arena_reset(&p->picture, (struct arena_mark){0});
    }
    return true;
}

static bool take(struct preview *p, const struct viewpoint *viewpoint, bool is_only,
                 struct err *err)
{
    const struct preview_options *options = p->options;
    struct shot shot = {.viewpoint = *viewpoint};
    struct scene *ground = p->reference != NULL ? p->reference : p->scene;
    shot.look = (struct picture_look){
        .camera = viewpoint_camera(viewpoint, options->width_px, options->height_px),
        .samples = (uint32_t)options->samples,
        .ground_m = scene_ground_m(ground)};
    struct preview_view *views = arena_array(&p->kept, struct preview_view, options->sse_count);
    if (views == NULL) {
        return arena_full(&p->kept, err);
    }
    if (p->reference != NULL && !draw_reference(p, &shot, err)) {
        return false;
    }
    if (!view_all(p, &shot, is_only, views, err)) {
        return false;
    }
    struct preview_view leaves = {0};
    if (!scene_choose(p->scene, &shot.look.camera, 0, &p->kept, &leaves.choice, err)) {
        return false;
    }
    preview_sum_leaves(&leaves);
    preview_print_shot(options, viewpoint, views, &leaves, p->out);
    arena_reset(&p->kept, (struct arena_mark){0});
    return true;
}

static bool take_all(struct preview *p, struct err *err)
{
    struct viewpoint cameras[VIEWPOINT_GRID_MAX];
    size_t count;
    if (!find_cameras(p, cameras, &count, err)) {
        return false;
    }
    preview_print_head(p->options, p->out);
    const bool is_only = count == 1 && p->options->sse_count == 1;
    for (size_t i = 0; i < count; i++) {
        if (!take(p, &cameras[i], is_only, err)) {
            return false;
        }
    }
    if (p->options->switch_count > 0 &&
        !preview_switches(p->options, p->scene, &p->kept, &p->scratch, p->out, err)) {
        return false;
    }
    preview_print_tail(p->options, p->out);
    return true;
}

bool preview_run(const struct preview_options *options, struct arena *run, struct buf *out,
                 struct err *err)
{
    struct preview p = {.options = options, .run = run, .out = out};
    struct scene *other = NULL;
    if (!scene_open(options->path, run, &p.scene, err)) {
        return false;
    }
    arena_init(&p.kept, SIZE_MAX / 2);
    arena_init(&p.picture, SIZE_MAX / 2);
    arena_init(&p.scratch, SIZE_MAX / 2);
    bool ok = true;
    if (options->against != NULL && strcmp(options->against, "full") == 0) {
        p.reference = p.scene;
    } else if (options->against != NULL) {
        ok = scene_open(options->against, run, &other, err);
        p.reference = other;
    }
    ok = ok && (p.reference == NULL || scene_open_groups(p.scene, &p.groups, err)) &&
         take_all(&p, err);
    scene_close(other);
    scene_close(p.scene);
    arena_release(&p.kept);
    arena_release(&p.picture);
    arena_release(&p.scratch);
    return ok;
}

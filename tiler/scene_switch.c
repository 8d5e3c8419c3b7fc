/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scene_switch.c - every tile that gives way to its children, wherever it is.
 */
#include "tiler/scene_internal.h"

struct walk {
    struct scene *scene;
    struct arena *arena;
    struct err *err;
    struct buf switches;
};

static bool is_tileset(struct text uri)
{
    return uri.size > 5 && memcmp(uri.data + uri.size - 5, ".json", 5) == 0;
}

/* The tile itself, or the root of the tileset that it refers to. */
static bool follow(struct walk *w, struct scene_file **file, const struct tileset_tile **tile,
                   struct mat4 *frame)
{
    for (int depth = 0; (*tile)->content != NULL && is_tileset((*tile)->content->uri); depth++) {
        struct text name;
        if (depth > SCENE_EXTERNAL_DEPTH_MAX) {
            return err_set(w->err, ERR_LIMIT, "tilesets refer to tilesets more than %d deep",
                           SCENE_EXTERNAL_DEPTH_MAX);
        }
        if (!scene_resolve((*file)->folder, (*tile)->content->uri, w->scene->run, &name, w->err) ||
            !scene_open_file(w->scene, name, file, w->err)) {
            return false;
        }
        *tile = (*file)->tileset.root;
        *frame = mat4_multiply(*frame, (*tile)->transform);
    }
    return true;
}

static bool add_content(struct walk *w, const struct scene_file *file,
                        const struct tileset_tile *tile, struct mat4 frame, struct buf *requests)
{
    for (const struct tileset_content *c = tile->content; c != NULL; c = c->next) {
        struct scene_request request = {.kind = SCENE_CONTENT, .is_shown = true, .frame = frame};
        if (!scene_resolve(file->folder, c->uri, w->scene->run, &request.name, w->err)) {
            return false;
        }
        buf_add(requests, &request, sizeof request);
    }
    return true;
}

/* What takes the tile's place: its children, or theirs where they are empty. */
static bool add_children(struct walk *w, struct scene_file *file, const struct tileset_tile *tile,
                         struct mat4 frame, struct buf *requests)
{
    for (const struct tileset_tile *c = tile->first_child; c != NULL; c = c->next) {
        struct scene_file *child_file = file;
        const struct tileset_tile *child = c;
        struct mat4 child_frame = mat4_multiply(frame, c->transform);
        if (!follow(w, &child_file, &child, &child_frame) ||
            !add_content(w, child_file, child, child_frame, requests) ||
            (child->content == NULL &&
             !add_children(w, child_file, child, child_frame, requests))) {
            return false;
        }
    }
    return true;
}

static bool keep(struct walk *w, const struct buf *requests, struct scene_choice *out)
{
    const size_t count = requests->size / sizeof(struct scene_request);
    struct scene_request *copy = arena_array(w->arena, struct scene_request, count);
    if (copy == NULL) {
        return arena_full(w->arena, w->err);
    }
    if (count > 0) {
        memcpy(copy, requests->data, count * sizeof copy[0]);
    }
    *out = (struct scene_choice){copy, count};
    return true;
}

static bool add_switch(struct walk *w, struct scene_file *file, const struct tileset_tile *tile,
                       struct mat4 frame)
{
    struct scene_switch found = {.error_m = tile->geometric_error * scene_largest_scale(frame)};
    const struct scene_bound bound = scene_bound_of(&tile->volume, frame);
    struct buf parent;
    struct buf children;
    found.box = bound.box;
    found.radius_m = bound.radius_m;
    buf_init(&parent, (size_t)1 << 28);
    buf_init(&children, (size_t)1 << 28);
    const bool ok = add_content(w, file, tile, frame, &parent) &&
                    add_children(w, file, tile, frame, &children) && buf_finish(&parent, w->err) &&
                    buf_finish(&children, w->err) && keep(w, &parent, &found.parent) &&
                    keep(w, &children, &found.children);
    buf_release(&parent);
    buf_release(&children);
    buf_add(&w->switches, &found, sizeof found);
    return ok;
}

static bool walk_tile(struct walk *w, struct scene_file *file, const struct tileset_tile *tile,
                      struct mat4 parent_frame, enum tileset_refine refine)
{
    struct mat4 frame = mat4_multiply(parent_frame, tile->transform);
    if (!follow(w, &file, &tile, &frame)) {
        return false;
    }
    refine = tile->refine == TILESET_REFINE_INHERIT ? refine : tile->refine;
    if (tile->first_child != NULL && tile->content != NULL && refine == TILESET_REFINE_REPLACE &&
        !add_switch(w, file, tile, frame)) {
        return false;
    }
    for (const struct tileset_tile *c = tile->first_child; c != NULL; c = c->next) {
        if (!walk_tile(w, file, c, frame, refine)) {
            return false;
        }
    }
    return true;
}

bool scene_switches(struct scene *scene, struct arena *arena, struct scene_switch **out,
                    size_t *out_count, struct err *err)
{
    struct walk w = {.scene = scene, .arena = arena, .err = err};
    buf_init(&w.switches, (size_t)1 << 30);
    bool ok = walk_tile(&w, scene->root, scene->root->tileset.root, mat4_identity(),
                        TILESET_REFINE_REPLACE) &&
              buf_finish(&w.switches, err);
    const size_t count = w.switches.size / sizeof(struct scene_switch);
    struct scene_switch *switches = ok ? arena_array(arena, struct scene_switch, count) : NULL;
    if (ok && switches == NULL) {
        ok = arena_full(arena, err);
    }
    if (ok) {
        if (count > 0) {
            memcpy(switches, w.switches.data, count * sizeof switches[0]);
        }
        *out = switches;
        *out_count = count;
    }
    buf_release(&w.switches);
    return ok;
}

double scene_switch_distance(const struct scene_switch *at, struct vec3 point)
{
    const struct scene_bound bound = {at->box, at->radius_m};
    return scene_distance(&bound, point);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scene_choice.c - what a viewer requests and shows: the traversal of CesiumJS,
 * run once on a tree of which everything is there.
 *
 * The functions bear the names that they have there, so that the two can be
 * read side by side. What only decides the order of requests is left out.
 */
#include "tiler/scene_internal.h"

#include <stdio.h>

enum node_kind { NODE_EMPTY, NODE_CONTENT, NODE_TILESET };

enum { ALL_PLANES = (1 << SCENE_PLANES) - 1 };

/* A tile in its place. The root of an external tileset is the child of the tile
 * that refers to it. */
struct node {
    const struct scene_file *file;
    const struct tileset_tile *tile;
    struct node *parent;
    struct node *children; /* once has_children is set */
    size_t child_count;
    struct mat4 frame;
    struct scene_bound bound;
    enum node_kind kind;
    enum tileset_refine refine;
    int external_depth;
    double distance_m, sse_px;
    int planes; /* that its volume crosses, or SCENE_OUTSIDE */
    bool has_children, is_updated, is_visible, refines, is_requested, is_shown;
};

struct chooser {
    struct scene *scene;
    const struct scene_camera *camera;
    double sse_px;
    struct arena *arena;
    struct err *err;
    struct buf requests;
};

static bool is_tileset_name(struct text name)
{
    size_t size = 0;
    while (size < name.size && name.data[size] != '?' && name.data[size] != '#') {
        size++;
    }
    return size > 5 && memcmp(name.data + size - 5, ".json", 5) == 0;
}

static enum node_kind kind_of(const struct tileset_tile *tile)
{
    if (tile->content == NULL) {
        return NODE_EMPTY;
    }
    return tile->content->next == NULL && is_tileset_name(tile->content->uri) ? NODE_TILESET
                                                                              : NODE_CONTENT;
}

static struct node make_node(const struct scene_file *file, const struct tileset_tile *tile,
                             struct node *parent, struct mat4 parent_frame)
{
    struct node node = {.file = file, .tile = tile, .parent = parent, .kind = kind_of(tile)};
    node.frame = mat4_multiply(parent_frame, tile->transform);
    node.bound = scene_bound_of(&tile->volume, node.frame);
    node.refine = tile->refine;
    if (node.refine == TILESET_REFINE_INHERIT) {
        node.refine = parent == NULL ? TILESET_REFINE_REPLACE : parent->refine;
    }
    node.external_depth = parent == NULL ? 0 : parent->external_depth;
    return node;
}

static void add_request(struct chooser *c, struct scene_request request)
{
    buf_add(&c->requests, &request, sizeof request);
}

static void request_tileset(struct chooser *c, struct scene_file *file)
{
    if (!file->is_counted) {
        file->is_counted = true;
        add_request(c, (struct scene_request){.kind = SCENE_TILESET,
                                              .name = file->name,
                                              .bytes = file->bytes,
                                              .frame = mat4_identity()});
    }
}

/* The children, an external tileset's root among them. Opening is not asking:
 * what the viewer asks for is noted by load_tile(). */
static bool open_children(struct chooser *c, struct node *node)
{
    if (node->has_children) {
        return true;
    }
    size_t count = 0;
    for (const struct tileset_tile *t = node->tile->first_child; t != NULL; t = t->next) {
        count++;
    }
    const bool is_external = node->kind == NODE_TILESET;
    node->children = arena_array(c->arena, struct node, count + is_external);
    if (node->children == NULL) {
        return arena_full(c->arena, c->err);
    }
    if (is_external) {
        struct text name;
        struct scene_file *file;
        if (node->external_depth == SCENE_EXTERNAL_DEPTH_MAX) {
            return err_set(c->err, ERR_LIMIT, "tilesets refer to tilesets more than %d deep",
                           SCENE_EXTERNAL_DEPTH_MAX);
        }
        if (!scene_resolve(node->file->folder, node->tile->content->uri, c->scene->run, &name,
                           c->err) ||
            !scene_open_file(c->scene, name, &file, c->err)) {
            return false;
        }
        node->children[node->child_count++] =
            make_node(file, file->tileset.root, node, node->frame);
        node->children[0].external_depth++;
    }
    for (const struct tileset_tile *t = node->tile->first_child; t != NULL; t = t->next) {
        node->children[node->child_count++] = make_node(node->file, t, node, node->frame);
    }
    node->has_children = true;
    return true;
}

static double screen_space_error(const struct chooser *c, const struct node *node, double error)
{
    const struct scene_camera *camera = c->camera;
    const double distance_m = fmax(node->distance_m, 1e-7); /* CesiumMath.EPSILON7 */
    return error * camera->height_px / (distance_m * 2 * tan(camera->fov_y_rad / 2));
}

static double error_of(const struct node *node)
{
    return node->tile->geometric_error * scene_largest_scale(node->frame);
}

/* Cesium3DTile.updateVisibility */
static void update_visibility(const struct chooser *c, struct node *node)
{
    if (node->is_updated) {
        return;
    }
    const int planes = node->parent == NULL ? ALL_PLANES : node->parent->planes;
    node->distance_m = scene_distance(&node->bound, c->camera->at_ecef_m);
    node->sse_px = screen_space_error(c, node, error_of(node));
    node->planes = planes == SCENE_OUTSIDE ? SCENE_OUTSIDE
                                           : scene_crossed_planes(&node->bound, c->camera, planes);
    node->is_visible = node->planes != SCENE_OUTSIDE;
    node->is_updated = true;
}

static bool meets_error_early(const struct chooser *c, const struct node *node)
{
    const struct node *parent = node->parent;
    return parent != NULL && parent->kind != NODE_TILESET && parent->refine == TILESET_REFINE_ADD &&
           screen_space_error(c, node, error_of(parent)) <= c->sse_px;
}

static bool may_be_culled_by_children(const struct node *node)
{
    for (size_t i = 0; i < node->child_count; i++) {
        if (!scene_has_child_within(&node->bound, &node->children[i].bound)) {
            return false;
        }
    }
    return node->child_count > 0;
}

/* Cesium3DTilesetTraversal.updateTile */
static bool update_tile(struct chooser *c, struct node *node)
{
    update_visibility(c, node);
    if (!node->is_visible) {
        return true;
    }
    if (!open_children(c, node)) {
        return false;
    }
    if (node->kind == NODE_TILESET) {
        if (!update_tile(c, &node->children[0])) {
            return false;
        }
        node->is_visible = node->children[0].is_visible;
        return true;
    }
    if (meets_error_early(c, node)) {
        node->is_visible = false;
        return true;
    }
    if (node->refine == TILESET_REFINE_REPLACE && may_be_culled_by_children(node)) {
        bool is_any_visible = false;
        for (size_t i = 0; i < node->child_count; i++) {
            update_visibility(c, &node->children[i]);
            is_any_visible = is_any_visible || node->children[i].is_visible;
        }
        node->is_visible = is_any_visible;
    }
    return true;
}

/* Cesium3DTilesetTraversal.canTraverse */
static bool can_traverse(const struct chooser *c, const struct node *node)
{
    return node->kind == NODE_TILESET || (node->child_count > 0 && node->sse_px > c->sse_px);
}

/* Its request follows when the tree is walked: here in the order of the tree. */
static void load_tile(struct node *node)
{
    node->is_requested = true;
}

/* Below a tile out of sight that has nothing of its own to show: what its
 * ancestor waits for. */
static bool execute_empty_traversal(struct chooser *c, struct node *node)
{
    if (!open_children(c, node) || !update_tile(c, node)) {
        return false;
    }
    if (!node->is_visible) {
        load_tile(node);
    }
    if (node->kind == NODE_CONTENT || !can_traverse(c, node)) {
        return true;
    }
    for (size_t i = 0; i < node->child_count; i++) {
        if (!execute_empty_traversal(c, &node->children[i])) {
            return false;
        }
    }
    return true;
}

/* Cesium3DTilesetBaseTraversal.updateAndPushChildren; *out whether the children
 * take the place of the tile. */
static bool visit_children(struct chooser *c, struct node *node, bool *out)
{
    const bool waits_for_all = node->refine == TILESET_REFINE_REPLACE && node->kind == NODE_CONTENT;
    *out = false;
    for (size_t i = 0; i < node->child_count; i++) {
        if (!update_tile(c, &node->children[i])) {
            return false;
        }
        *out = *out || node->children[i].is_visible;
    }
    for (size_t i = 0; i < node->child_count; i++) {
        struct node *child = &node->children[i];
        if (waits_for_all && !child->is_visible) {
            load_tile(child);
        }
        if (waits_for_all && child->kind != NODE_CONTENT && !execute_empty_traversal(c, child)) {
            return false;
        }
    }
    return true;
}

static bool execute_traversal(struct chooser *c, struct node *node)
{
    const bool parent_refines = node->parent == NULL || node->parent->refines;
    if (!open_children(c, node)) {
        return false;
    }
    const bool is_traversed = can_traverse(c, node);
    if (is_traversed && !visit_children(c, node, &node->refines)) {
        return false;
    }
    node->refines = node->refines && parent_refines;
    const bool stopped = !node->refines && parent_refines;
    load_tile(node);
    node->is_shown = node->kind == NODE_CONTENT && (stopped || node->refine == TILESET_REFINE_ADD);
    for (size_t i = 0; is_traversed && i < node->child_count; i++) {
        if (node->children[i].is_visible && !execute_traversal(c, &node->children[i])) {
            return false;
        }
    }
    return true;
}

/* ---- what follows from it ---- */

/* The value of "schemaUri" in the JSON of a glb; empty without one. Contents that
 * are only loaded need not be decoded for it. */
static struct text schema_uri(struct span bytes)
{
    const char key[] = "\"schemaUri\":\"";
    const size_t size = sizeof key - 1;
    const uint8_t *json = bytes.size > 20 ? bytes.data : NULL;
    const size_t end = json == NULL ? 0 : 20 + (size_t)bytes_load_u32le(json + 12);
    for (size_t i = 20; i + size < end && end <= bytes.size; i++) {
        if (memcmp(json + i, key, size) == 0) {
            const char *value = (const char *)json + i + size;
            const char *quote = memchr(value, '"', end - i - size);
            return quote == NULL ? (struct text){NULL, 0}
                                 : (struct text){value, (size_t)(quote - value)};
        }
    }
    return (struct text){NULL, 0};
}

static bool request_schema(struct chooser *c, struct text content_name)
{
    struct scene *scene = c->scene;
    const struct text uri = schema_uri(buf_span(&scene->bytes));
    if (uri.size == 0) {
        return true;
    }
    struct text folder = content_name;
    while (folder.size > 0 && folder.data[folder.size - 1] != '/') {
        folder.size--;
    }
    struct text name;
    struct scene_schema *schema;
    if (!scene_resolve(folder, uri, scene->run, &name, c->err) ||
        !scene_open_schema(scene, name, &schema, c->err)) {
        return false;
    }
    if (!schema->is_counted) {
        schema->is_counted = true;
        add_request(c, (struct scene_request){.kind = SCENE_SCHEMA,
                                              .name = schema->name,
                                              .bytes = schema->bytes,
                                              .frame = mat4_identity()});
    }
    return true;
}

static bool request_contents(struct chooser *c, const struct node *node)
{
    for (const struct tileset_content *content = node->tile->content; content != NULL;
         content = content->next) {
        struct text name;
        if (!scene_resolve(node->file->folder, content->uri, c->scene->run, &name, c->err) ||
            !scene_load(c->scene, name, c->err)) {
            return false;
        }
        bool is_shown = node->is_shown;
        if (content->volume.kind != TILESET_VOLUME_NONE) {
            const struct scene_bound bound = scene_bound_of(&content->volume, node->frame);
            is_shown =
                is_shown && scene_crossed_planes(&bound, c->camera, node->planes) != SCENE_OUTSIDE;
        }
        add_request(c, (struct scene_request){.kind = SCENE_CONTENT,
                                              .name = name,
                                              .bytes = c->scene->bytes.size,
                                              .is_shown = is_shown,
                                              .frame = node->frame});
        if (!request_schema(c, name)) {
            return false;
        }
    }
    return true;
}

static bool request_tree(struct chooser *c, struct node *node)
{
    if (node->is_requested && node->kind == NODE_CONTENT && !request_contents(c, node)) {
        return false;
    }
    if (node->is_requested && node->kind == NODE_TILESET) {
        struct scene_file *file;
        if (!open_children(c, node) ||
            !scene_open_file(c->scene, node->children[0].file->name, &file, c->err)) {
            return false;
        }
        request_tileset(c, file);
    }
    for (size_t i = 0; i < node->child_count; i++) {
        if (!request_tree(c, &node->children[i])) {
            return false;
        }
    }
    return true;
}

static bool choose_all(struct chooser *c)
{
    struct scene *scene = c->scene;
    struct node root = make_node(scene->root, scene->root->tileset.root, NULL, mat4_identity());
    request_tileset(c, scene->root);
    if (!update_tile(c, &root)) {
        return false;
    }
    const double before = scene->root->tileset.geometric_error * scene_largest_scale(root.frame);
    if (root.is_visible && screen_space_error(c, &root, before) > c->sse_px &&
        !execute_traversal(c, &root)) {
        return false;
    }
    return request_tree(c, &root) && buf_finish(&c->requests, c->err);
}

bool scene_choose(struct scene *scene, const struct scene_camera *camera, double sse_px,
                  struct arena *arena, struct scene_choice *out, struct err *err)
{
    struct chooser c = {.scene = scene,
                        .camera = camera,
                        .sse_px = sse_px > 0 ? sse_px : -1,
                        .arena = arena,
                        .err = err};
    for (struct scene_file *file = scene->files; file != NULL; file = file->next) {
        file->is_counted = false;
    }
    for (struct scene_schema *schema = scene->schemas; schema != NULL; schema = schema->next) {
        schema->is_counted = false;
    }
    buf_init(&c.requests, (size_t)1 << 32);
    bool ok = choose_all(&c);
    if (ok) {
        const size_t count = c.requests.size / sizeof(struct scene_request);
        struct scene_request *requests = arena_array(arena, struct scene_request, count);
        ok = requests != NULL || arena_full(arena, err);
        if (ok) {
            memcpy(requests, c.requests.data, count * sizeof requests[0]);
            *out = (struct scene_choice){requests, count};
        }
    }
    buf_release(&c.requests);
    return ok;
}

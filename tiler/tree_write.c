/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/tree_write.h"

#include <assert.h>

#include "formats/base/earth.h"
#include "formats/json_write.h"
#include "formats/tileset.h"

/* A node as the JSON files see it. */
struct branch {
    bool is_open; /* its children stand in the same file */
    char uri[64]; /* else: of the file that they stand in, without folder */
};

struct writer {
    struct run *run;
    struct branch *branches;
    struct arena *arena;
};

/* Tenths of a millimetre print shorter, and boxes have a margin of more. */
static double rounded(double value)
{
    return round(value * 1e4) / 1e4;
}

static struct vec3 rounded_vec3(struct vec3 v)
{
    return (struct vec3){rounded(v.x), rounded(v.y), rounded(v.z)};
}

static struct obb printed_box(struct obb box)
{
    struct obb out = {.center = rounded_vec3(box.center)};
    for (int i = 0; i < 3; i++) {
        out.half[i] = rounded_vec3(box.half[i]);
    }
    return out;
}

static const char *without_folder(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash == NULL ? name : slash + 1;
}

/* A viewer multiplies coordinates of kilometres by the turns: what is rounded off
 * is a thousandth of what boxes are rounded by. */
static struct mat4 rounded_mat4(struct mat4 m)
{
    for (int i = 0; i < 16; i++) {
        const double unit = i >= 12 ? 1e-6 : 1e-12;
        m.m[i] = round(m.m[i] / unit) * unit;
    }
    return m;
}

/* Where the node's frame stands in that of the node above it in the tree. */
static void set_transform(const struct run_node *node, const struct run_node *above,
                          struct tileset_tile *tile)
{
    const struct vec3 origin = lattice_center_ecef(node->cell);
    tile->has_transform = true;
    tile->transform = earth_enu_frame(origin);
    if (above == NULL) {
        tile->transform = rounded_mat4(tile->transform);
        return;
    }
    if (above->cell.key == node->cell.key && above->cell.level == node->cell.level) {
        tile->has_transform = false;
        tile->transform = mat4_identity();
        return;
    }
    const struct mat4 inverse = earth_enu_frame_inverse(lattice_center_ecef(above->cell));
    tile->transform = rounded_mat4(mat4_multiply(inverse, tile->transform));
}

static bool add_content(struct writer *writer, struct tileset_tile *tile, const char *uri,
                        struct err *err)
{
    tile->content = arena_array(writer->arena, struct tileset_content, 1);
    if (tile->content == NULL) {
        return arena_full(writer->arena, err);
    }
    tile->content->uri = text_of(uri);
    return true;
}

static bool open_tile(const struct writer *writer, const struct run_node *node,
                      struct tileset_tile **out, struct err *err)
{
    struct tileset_tile *tile = arena_array(writer->arena, struct tileset_tile, 1);
    if (tile == NULL) {
        return arena_full(writer->arena, err);
    }
    tile->volume.kind = TILESET_VOLUME_BOX;
    tile->volume.box = printed_box(node->box_tile_m);
    tile->geometric_error = rounded(node->error_m * writer->run->options->error_factor);
    tile->refine = TILESET_REFINE_INHERIT;
    tile->transform = mat4_identity();
    *out = tile;
    return true;
}

static bool make_children(struct writer *writer, const struct run_node *node, bool is_top,
                          struct tileset_tile *tile, struct err *err);

/* In the place of a node's children: the file that they stand in. Its box and
 * error are the node's own, so that a viewer goes on through it at once. */
static bool make_link(struct writer *writer, uint32_t index, bool is_top, struct tileset_tile **out,
                      struct err *err)
{
    const struct branch *branch = &writer->branches[index];
    char *uri = arena_array(writer->arena, char, sizeof branch->uri + sizeof "tiles/");
    if (uri == NULL) {
        return arena_full(writer->arena, err);
    }
    /* tileset.json stands above the folder that all others stand in. */
    snprintf(uri, sizeof branch->uri + sizeof "tiles/", "%s%s", is_top ? "tiles/" : "",
             branch->uri);
    return open_tile(writer, &run_nodes(writer->run)[index], out, err) &&
           add_content(writer, *out, uri, err);
}

/* The tile of a node with all below it that stands in the same file. `above` is
 * NULL for the root of all. */
static bool make_tile(struct writer *writer, uint32_t index, const struct run_node *above,
                      bool is_top, struct tileset_tile **out, struct err *err)
{
    const struct run_node *node = &run_nodes(writer->run)[index];
    struct tileset_tile *tile;
    if (!open_tile(writer, node, &tile, err)) {
        return false;
    }
    tile->refine = above == NULL ? TILESET_REFINE_REPLACE : TILESET_REFINE_INHERIT;
    set_transform(node, above, tile);
    *out = tile;
    if (!add_content(writer, tile, is_top ? node->content : without_folder(node->content), err)) {
        return false;
    }
    if (node->first_child == RUN_NO_NODE) {
        return true;
    }
    return writer->branches[index].is_open
               ? make_children(writer, node, is_top, tile, err)
               : make_link(writer, index, is_top, &tile->first_child, err);
}

static bool make_children(struct writer *writer, const struct run_node *node, bool is_top,
                          struct tileset_tile *tile, struct err *err)
{
    const struct run_node *nodes = run_nodes(writer->run);
    struct tileset_tile **link = &tile->first_child;
    for (uint32_t c = node->first_child; c != RUN_NO_NODE; c = nodes[c].next_sibling) {
        if (!make_tile(writer, c, node, is_top, link, err)) {
            return false;
        }
        link = &(*link)->next;
    }
    return true;
}

/* The whole tree (is_top), or what stands below a node. */
static bool print_tree(struct writer *writer, uint32_t root, bool is_top, struct text extras,
                       struct buf *out, struct err *err)
{
    const struct run *run = writer->run;
    const struct run_node *node = &run_nodes(run)[root];
    struct tileset tileset = {
        .version = text_of(run->options->is_version_1_0 ? "1.0" : "1.1"),
        .asset_extras = extras,
    };
    if (is_top && !make_tile(writer, root, NULL, is_top, &tileset.root, err)) {
        return false;
    }
    if (!is_top && (!open_tile(writer, node, &tileset.root, err) ||
                    !make_children(writer, node, is_top, tileset.root, err))) {
        return false;
    }
    tileset.root->refine = TILESET_REFINE_REPLACE;
    /* Before anything is loaded, what is missing is the whole tree. */
    const struct obb *box = &node->box_tile_m;
    const double size =
        2 * (vec3_length(box->half[0]) + vec3_length(box->half[1]) + vec3_length(box->half[2]));
    tileset.geometric_error = rounded(fmax(size, tileset.root->geometric_error));
    tileset_print(&tileset, out);
    return buf_finish(out, err);
}

/* Writes what stands below a node as a file of its own. */
static bool write_below(struct writer *writer, uint32_t node, struct err *err)
{
    struct branch *branch = &writer->branches[node];
    const struct arena_mark mark = arena_mark(writer->arena);
    struct buf json;
    buf_init(&json, OPTIONS_WORKER_BYTES);
    bool ok = print_tree(writer, node, false, (struct text){NULL, 0}, &json, err);
    if (ok) {
        char cell[LATTICE_NAME_BYTES];
        char name[80];
        lattice_name(run_nodes(writer->run)[node].cell, cell);
        snprintf(branch->uri, sizeof branch->uri, "%s-%016llx.json", cell,
                 (unsigned long long)digest_short(buf_span(&json)));
        snprintf(name, sizeof name, "tiles/%s", branch->uri);
        ok = publish_add_file(writer->run->publish, name, buf_span(&json), err);
    }
    buf_release(&json);
    arena_reset(writer->arena, mark);
    return ok;
}

/* ---- which files ---- */

/* Tiles that a node's children bring into a file: themselves, and a link for each
 * that has children. */
static uint32_t count_below(const struct run_node *nodes, uint32_t node)
{
    uint32_t count = 0;
    for (uint32_t c = nodes[node].first_child; c != RUN_NO_NODE; c = nodes[c].next_sibling) {
        count += nodes[c].first_child == RUN_NO_NODE ? 1 : 2;
    }
    return count;
}

/* Nodes whose children may still come into the file, those with the largest
 * error first: that is the order in which a viewer asks for them. */
struct front {
    uint32_t *nodes;
    uint32_t count;
};

static uint32_t take_largest(const struct run_node *nodes, struct front *front)
{
    uint32_t largest = 0;
    for (uint32_t i = 1; i < front->count; i++) {
        if (nodes[front->nodes[i]].error_m > nodes[front->nodes[largest]].error_m) {
            largest = i;
        }
    }
    const uint32_t node = front->nodes[largest];
    front->nodes[largest] = front->nodes[--front->count];
    return node;
}

static void open_node(struct writer *writer, uint32_t node, struct front *front)
{
    const struct run_node *nodes = run_nodes(writer->run);
    writer->branches[node].is_open = true;
    for (uint32_t c = nodes[node].first_child; c != RUN_NO_NODE; c = nodes[c].next_sibling) {
        if (nodes[c].first_child != RUN_NO_NODE) {
            front->nodes[front->count++] = c;
        }
    }
}

/* Fills the file that begins with a node's children, then those below it, which
 * are written first: their names are in it. A node with more children than a file
 * should have brings them all the same. */
static bool fill_file(struct writer *writer, uint32_t root, uint32_t tile_count, struct err *err)
{
    const struct run_node *nodes = run_nodes(writer->run);
    struct front front = {.count = 0};
    const uint32_t own = count_below(nodes, root);
    const uint32_t most = own > TREE_TILES_MAX ? own : TREE_TILES_MAX;
    front.nodes = arena_array(writer->arena, uint32_t, most);
    uint32_t *closed = arena_array(writer->arena, uint32_t, most);
    if (front.nodes == NULL || closed == NULL) {
        return arena_full(writer->arena, err);
    }
    uint32_t closed_count = 0;
    tile_count += own;
    open_node(writer, root, &front);
    while (front.count > 0) {
        const uint32_t node = take_largest(nodes, &front);
        const uint32_t more = count_below(nodes, node) - 1; /* it needs no link */
        if (tile_count + more > TREE_TILES_MAX) {
            closed[closed_count++] = node;
            continue;
        }
        tile_count += more;
        open_node(writer, node, &front);
    }
    for (uint32_t i = 0; i < closed_count; i++) {
        if (!fill_file(writer, closed[i], 1, err) || !write_below(writer, closed[i], err)) {
            return false;
        }
        writer->branches[closed[i]].is_open = false;
    }
    return true;
}

/* What a viewer page wants to know at once. */
static bool print_extras(const struct run *run, struct buf *out, struct err *err)
{
    buf_add_text(out, "{\"storey\":{\"ground_height_m\":");
    json_write_double(out, round(run->ground_m * 100) / 100);
    buf_print(out, ",\"features\":%llu}}", (unsigned long long)run->counts.shown);
    return buf_finish(out, err);
}

bool tree_write(struct run *run, struct err *err)
{
    struct writer writer = {.run = run, .arena = &run->arena};
    writer.branches = arena_array(&run->arena, struct branch, run_node_count(run));
    if (writer.branches == NULL) {
        return arena_full(&run->arena, err);
    }
    struct buf json;
    struct buf extras;
    buf_init(&json, OPTIONS_WORKER_BYTES);
    buf_init(&extras, 4096);
    const uint32_t root = (uint32_t)run_node_count(run) - 1;
    bool ok =
        (run_nodes(run)[root].first_child == RUN_NO_NODE || fill_file(&writer, root, 1, err)) &&
        print_extras(run, &extras, err);
    const struct text extras_text = {(const char *)extras.data, extras.size};
    ok = ok && print_tree(&writer, root, true, extras_text, &json, err) &&
         publish_add_file(run->publish, "tileset.json", buf_span(&json), err);
    buf_release(&extras);
    buf_release(&json);
    return ok;
}

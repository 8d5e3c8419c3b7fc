/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/tree_write.h"

#include <assert.h>

#include "formats/base/earth.h"
#include "formats/json_write.h"
#include "formats/tileset.h"

/* A node as the JSON files see it. */
struct branch {
    uint32_t tile_count; /* in the file that this node would be the root of */
    bool is_external;    /* it is the root of a file of its own */
    char uri[64];        /* of that file, without folder */
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

/* Where the node's frame stands in that of the node above it in the tree. */
static void set_transform(const struct run_node *node, const struct run_node *above,
                          struct tileset_tile *tile)
{
    const struct vec3 origin = lattice_center_ecef(node->cell);
    tile->has_transform = true;
    tile->transform = earth_enu_frame(origin);
    if (above == NULL) {
        return;
    }
    if (above->cell.key == node->cell.key && above->cell.level == node->cell.level) {
        tile->has_transform = false;
        tile->transform = mat4_identity();
        return;
    }
    const struct mat4 inverse = earth_enu_frame_inverse(lattice_center_ecef(above->cell));
    tile->transform = mat4_multiply(inverse, tile->transform);
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

/* The tile of a node with all below it that stand in the same file. `above` is
 * NULL for a root: of tileset.json (is_top) or of a file of its own. */
static bool make_tile(struct writer *writer, uint32_t index, const struct run_node *above,
                      bool is_top, struct tileset_tile **out, struct err *err)
{
    const struct run *run = writer->run;
    const struct run_node *nodes = run_nodes(run);
    const struct run_node *node = &nodes[index];
    struct tileset_tile *tile = arena_array(writer->arena, struct tileset_tile, 1);
    if (tile == NULL) {
        return arena_full(writer->arena, err);
    }
    tile->volume.kind = TILESET_VOLUME_BOX;
    tile->volume.box = printed_box(node->box_tile_m);
    tile->geometric_error = rounded(node->error_m * run->options->error_factor);
    tile->refine = above == NULL ? TILESET_REFINE_REPLACE : TILESET_REFINE_INHERIT;
    tile->transform = mat4_identity();
    if (above != NULL || is_top) {
        set_transform(node, above, tile);
    }
    *out = tile;
    const struct branch *branch = &writer->branches[index];
    if (above != NULL && branch->is_external) {
        char *uri = arena_array(writer->arena, char, sizeof branch->uri + sizeof "tiles/");
        if (uri == NULL) {
            return arena_full(writer->arena, err);
        }
        /* tileset.json stands above the folder that all others stand in. */
        snprintf(uri, sizeof branch->uri + sizeof "tiles/", "%s%s", is_top ? "tiles/" : "",
                 branch->uri);
        return add_content(writer, tile, uri, err);
    }
    if (!add_content(writer, tile, is_top ? node->content : without_folder(node->content), err)) {
        return false;
    }
    struct tileset_tile **link = &tile->first_child;
    for (uint32_t c = node->first_child; c != RUN_NO_NODE; c = nodes[c].next_sibling) {
        if (!make_tile(writer, c, node, is_top, link, err)) {
            return false;
        }
        link = &(*link)->next;
    }
    return true;
}

static bool print_tree(struct writer *writer, uint32_t root, bool is_top, struct text extras,
                       struct buf *out, struct err *err)
{
    const struct run *run = writer->run;
    struct tileset tileset = {
        .version = text_of(run->options->is_version_1_0 ? "1.0" : "1.1"),
        .asset_extras = extras,
    };
    if (!make_tile(writer, root, NULL, is_top, &tileset.root, err)) {
        return false;
    }
    /* Before anything is loaded, what is missing is the whole tree. */
    const struct obb *box = &run_nodes(run)[root].box_tile_m;
    const double size =
        2 * (vec3_length(box->half[0]) + vec3_length(box->half[1]) + vec3_length(box->half[2]));
    tileset.geometric_error = rounded(fmax(size, tileset.root->geometric_error));
    tileset_print(&tileset, out);
    return buf_finish(out, err);
}

/* Writes the subtree as a file of its own. */
static bool make_external(struct writer *writer, uint32_t root, struct err *err)
{
    struct branch *branch = &writer->branches[root];
    const struct arena_mark mark = arena_mark(writer->arena);
    struct buf json;
    buf_init(&json, OPTIONS_WORKER_BYTES);
    bool ok = print_tree(writer, root, false, (struct text){NULL, 0}, &json, err);
    if (ok) {
        char cell[LATTICE_NAME_BYTES];
        char name[80];
        lattice_name(run_nodes(writer->run)[root].cell, cell);
        snprintf(branch->uri, sizeof branch->uri, "%s-%016llx.json", cell,
                 (unsigned long long)digest_short(buf_span(&json)));
        snprintf(name, sizeof name, "tiles/%s", branch->uri);
        branch->is_external = true;
        ok = publish_add_file(writer->run->publish, name, buf_span(&json), err);
    }
    buf_release(&json);
    arena_reset(writer->arena, mark);
    return ok;
}

static uint32_t count_tiles(const struct writer *writer, const struct run_node *node)
{
    const struct run_node *nodes = run_nodes(writer->run);
    uint32_t count = 1;
    for (uint32_t c = node->first_child; c != RUN_NO_NODE; c = nodes[c].next_sibling) {
        count += writer->branches[c].is_external ? 1 : writer->branches[c].tile_count;
    }
    return count;
}

/* Its heaviest child that is not a file yet, or RUN_NO_NODE. */
static uint32_t heaviest_child(const struct writer *writer, const struct run_node *node)
{
    const struct run_node *nodes = run_nodes(writer->run);
    uint32_t found = RUN_NO_NODE;
    uint32_t most = 1; /* a single tile as a file of its own saves nothing */
    for (uint32_t c = node->first_child; c != RUN_NO_NODE; c = nodes[c].next_sibling) {
        if (!writer->branches[c].is_external && writer->branches[c].tile_count > most) {
            most = writer->branches[c].tile_count;
            found = c;
        }
    }
    return found;
}

/* Children stand before parents: by the time a node is reached, all below it is
 * decided, by what is below it alone. */
static bool cut_into_files(struct writer *writer, struct err *err)
{
    const struct run_node *nodes = run_nodes(writer->run);
    for (uint32_t i = 0; i < run_node_count(writer->run); i++) {
        struct branch *branch = &writer->branches[i];
        branch->tile_count = count_tiles(writer, &nodes[i]);
        while (branch->tile_count > TREE_TILES_MAX) {
            const uint32_t child = heaviest_child(writer, &nodes[i]);
            if (child == RUN_NO_NODE) {
                break;
            }
            if (!make_external(writer, child, err)) {
                return false;
            }
            branch->tile_count = count_tiles(writer, &nodes[i]);
        }
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
    bool ok = cut_into_files(&writer, err) && print_extras(run, &extras, err);
    const struct text extras_text = {(const char *)extras.data, extras.size};
    ok = ok && print_tree(&writer, root, true, extras_text, &json, err) &&
         publish_add_file(run->publish, "tileset.json", buf_span(&json), err);
    buf_release(&extras);
    buf_release(&json);
    return ok;
}

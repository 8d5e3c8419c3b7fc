/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <math.h>
#include <stdio.h>

#include "formats/base/earth.h"
#include "formats/subtree.h"
#include "tiler/check_internal.h"

enum { NESTING_MAX = 64, LEVELS_MAX = 31 };
/* No single JSON of ours shall be larger; viewers parse it in one go. */
enum { TILESET_BYTES_WISH = 64 * 1024 };
/* After so many errors nobody reads on. */
enum { ERRORS_ENOUGH = 100000 };
/* A package of ours keeps to this; of others so much of the volume's radius. */
static const double own_tolerance_m = 0.001;
static const double foreign_tolerance = 0.001;
static const double error_tolerance = 0.01;
/* Nothing is built deeper: what lies there lacks its transform. */
static const double lowest_m = -20000;
static const double highest_m = 100000;

/* Where a tile stands: what its parent, in whatever file, hands down. */
struct place {
    struct text file;
    bool is_version_1_0;
    bool allows_gltf; /* 3DTILES_content_gltf, for version 1.0 */
    bool has_parent;
    struct mat4 world; /* of the parent */
    struct check_volume volume;
    double geometric_error;
    unsigned nesting; /* external tilesets around this one */
    uint32_t line;
};

static void check_tile(struct check_run *check, const struct place *parent,
                       const struct tileset_tile *tile);
static void check_tileset_bytes(struct check_run *check, const struct place *parent,
                                struct span bytes);

static bool is_enough(const struct check_run *check)
{
    return check->is_out_of_memory || check->result.error_count > ERRORS_ENOUGH;
}

/* ---- volumes and numbers of one tile ------------------------------------ */

/* What sticks out by more than a whisker is noted; by much it is an error. */
static void note_excess(struct check_run *check, const char *rule, const struct place *place,
                        uint32_t line, double excess_m, double radius_m, const char *what)
{
    const double tolerance_m =
        fmax(own_tolerance_m, check->is_ours ? 0 : foreign_tolerance * radius_m);
    if (!(excess_m > tolerance_m)) {
        return;
    }
    const bool is_error = check->is_ours || excess_m > error_tolerance * radius_m;
    check_note_line(check, is_error ? CHECK_ERROR : CHECK_WARNING, rule, place->file, line,
                    "%s by %.3f m", what, excess_m);
}

static bool check_transform(struct check_run *check, const struct place *place,
                            const struct tileset_tile *tile)
{
    const double *m = tile->transform.m;
    for (int i = 0; i < 16; i++) {
        if (!isfinite(m[i])) {
            check_note_line(check, CHECK_ERROR, "transform", place->file, tile->line,
                            "the transform has a number that is not finite");
            return false;
        }
    }
    if (fabs(m[3]) + fabs(m[7]) + fabs(m[11]) + fabs(m[15] - 1) > 1e-9) {
        check_note_line(check, CHECK_ERROR, "transform", place->file, tile->line,
                        "the transform's last row is %g %g %g %g, not 0 0 0 1 "
                        "(are rows written for columns?)",
                        m[3], m[7], m[11], m[15]);
        return false;
    }
    const double determinant = m[0] * (m[5] * m[10] - m[6] * m[9]) -
                               m[4] * (m[1] * m[10] - m[2] * m[9]) +
                               m[8] * (m[1] * m[6] - m[2] * m[5]);
    if (!(determinant > 0)) {
        check_note_line(check, CHECK_ERROR, "transform", place->file, tile->line,
                        "the transform %s", determinant < 0 ? "mirrors" : "flattens");
    }
    return determinant > 0 || determinant < 0;
}

static void check_geometric_error(struct check_run *check, const struct place *parent,
                                  const struct tileset_tile *tile)
{
    if (!(tile->geometric_error >= 0)) {
        check_note_line(check, CHECK_ERROR, "geometric-error", parent->file, tile->line,
                        "the geometric error is %g", tile->geometric_error);
    } else if (parent->has_parent && tile->geometric_error > parent->geometric_error) {
        check_note_line(check, CHECK_ERROR, "geometric-error-grows", parent->file, tile->line,
                        "the geometric error is %g, but the parent's is %g", tile->geometric_error,
                        parent->geometric_error);
    }
}

/* The root of all: is it somewhere near the ground? */
static void check_on_earth(struct check_run *check, const struct place *place,
                           const struct tileset_tile *tile, const struct check_volume *volume)
{
    struct vec3 center = {0, 0, 0};
    if (volume->volume->kind == TILESET_VOLUME_BOX) {
        center = mat4_point(volume->world, volume->volume->box.center);
    } else if (volume->volume->kind == TILESET_VOLUME_SPHERE) {
        center = mat4_point(volume->world, volume->volume->center);
    } else {
        return;
    }
    const double radius = check_volume_radius(volume->volume);
    const double height =
        vec3_length(center) < 1e6 ? -EARTH_SEMI_MAJOR_M : earth_from_ecef(center).height_m;
    if (height < lowest_m - radius || height > highest_m + radius) {
        check_note_line(check, CHECK_WARNING, "not-on-earth", place->file, tile->line,
                        "the tileset's centre lies at a height of %.0f km: "
                        "is a transform missing?",
                        height / 1000);
    }
}

/* ---- contents ----------------------------------------------------------- */

static void check_points(struct check_run *check, const struct place *place,
                         const struct check_content *content, const struct check_volume *volume,
                         struct mat4 frame, struct text file)
{
    double farthest = 0;
    for (size_t i = 0; i < content->point_count; i++) {
        farthest = fmax(farthest, check_volume_distance(volume, frame, content->points[i]));
    }
    struct place at = *place;
    at.file = file;
    note_excess(check, "content-outside", &at, 0, farthest, check_volume_radius(volume->volume),
                "geometry sticks out of its bounding volume");
}

/* JSON that is a tileset, not a glTF. */
static bool is_tileset_json(struct check_run *check, struct text name, struct span bytes,
                            bool *out_is_json)
{
    size_t at = 0;
    const struct json_tree *root = NULL;
    struct err err;
    while (at < bytes.size && (bytes.data[at] == 0xEF || bytes.data[at] == 0xBB ||
                               bytes.data[at] == 0xBF || bytes.data[at] <= ' ')) {
        at++;
    }
    *out_is_json = at < bytes.size && bytes.data[at] == '{';
    if (!*out_is_json) {
        return false;
    }
    if (!json_tree_read(bytes, &check->content, &root, &err)) {
        /* Said again, with the right name, by whoever reads it next. */
        return name.size < 5 || memcmp(name.data + name.size - 5, ".gltf", 5) != 0;
    }
    return json_tree_find(root, "root") != NULL;
}

static bool has_magic(struct span bytes, const char *magic)
{
    return bytes.size >= 12 && memcmp(bytes.data, magic, 4) == 0;
}

static void check_other(struct check_run *check, struct text name, struct span bytes)
{
    static const char *const magics[] = {"i3dm", "pnts", "cmpt"};
    for (size_t i = 0; i < 3; i++) {
        if (has_magic(bytes, magics[i])) {
            if (bytes_load_u32le(bytes.data + 8) != bytes.size) {
                check_note(check, CHECK_ERROR, "tile-length", name,
                           "the header says %u bytes, but %zu are here",
                           bytes_load_u32le(bytes.data + 8), bytes.size);
            }
            return;
        }
    }
    if (!has_magic(bytes, "geom") && !has_magic(bytes, "vctr") && !has_magic(bytes, "subt")) {
        check_note(check, CHECK_ERROR, "content-type", name, "no tile format that is known");
    }
}

static void check_glb_content(struct check_run *check, const struct place *place, struct text name,
                              struct span bytes, bool is_binary, struct check_content *out)
{
    if (place->is_version_1_0 && !place->allows_gltf) {
        check_note(check, CHECK_ERROR, "version-content", place->file,
                   "a tileset of version 1.0 refers to the glTF '%.*s'", TEXT_ARGS(name));
    }
    if (is_binary) {
        check_glb(check, name, bytes, out);
    } else {
        check_gltf_json(check, name, bytes, out);
    }
}

/* One content of a tile that stands at `own`; volumes it must lie in. */
static void check_content_file(struct check_run *check, const struct place *own, struct text uri,
                               const struct check_volume *content_volume)
{
    const struct arena_mark mark = arena_mark(&check->tileset);
    struct text name;
    struct span bytes;
    arena_reset(&check->content, (struct arena_mark){NULL, 0, 0});
    if (!check_resolve(check, own->file, uri, &check->tileset, &name) ||
        !check_load(check, own->file, name, &check->tileset, &bytes)) {
        arena_reset(&check->tileset, mark);
        return;
    }
    struct check_content content = {.point_count = 0};
    bool is_json = false;
    if (check->options->skips_contents && (has_magic(bytes, "glTF") || has_magic(bytes, "b3dm"))) {
        arena_reset(&check->tileset, mark);
        return;
    }
    if (has_magic(bytes, "glTF")) {
        check_glb_content(check, own, name, bytes, true, &content);
    } else if (has_magic(bytes, "b3dm")) {
        check_b3dm(check, name, bytes, &content);
    } else if (is_tileset_json(check, name, bytes, &is_json)) {
        struct place inside = *own;
        inside.file = name;
        inside.nesting++;
        check_tileset_bytes(check, &inside, bytes);
        arena_reset(&check->tileset, mark);
        return;
    } else if (is_json) {
        check_glb_content(check, own, name, bytes, false, &content);
    } else {
        check_other(check, name, bytes);
    }
    check->result.content_count++;
    check->result.feature_count += content.feature_count;
    check->result.triangle_count += content.triangle_count;
    check_points(check, own, &content, &own->volume, own->world, name);
    if (content_volume != NULL) {
        check_points(check, own, &content, content_volume, own->world, name);
    }
    arena_reset(&check->tileset, mark);
}

/* ---- implicit tiling ---------------------------------------------------- */

/* A subtree's root, counted from the implicit tile. */
struct coordinates {
    uint32_t level;
    uint64_t x, y, z;
};

struct implicit {
    struct check_run *check;
    const struct place *own; /* of the implicit tile */
    const struct tileset_tile *tile;
    const struct tileset_implicit *tiling;
    bool is_octree;
};

/* The template with its variables filled in. */
static bool expand(struct implicit *implicit, struct text template, struct coordinates at,
                   struct text *out)
{
    struct buf uri;
    buf_init(&uri, 1 << 16);
    for (size_t i = 0; i < template.size;) {
        const struct text rest = {template.data + i, template.size - i};
        static const char *const names[] = {"{level}", "{x}", "{y}", "{z}"};
        const uint64_t values[] = {at.level, at.x, at.y, at.z};
        size_t used = 0;
        for (size_t k = 0; k < 4 && used == 0; k++) {
            const size_t size = strlen(names[k]);
            if (rest.size >= size && memcmp(rest.data, names[k], size) == 0) {
                buf_print(&uri, "%llu", (unsigned long long)values[k]);
                used = size;
            }
        }
        if (used == 0) {
            buf_add_byte(&uri, (uint8_t)rest.data[0]);
            used = 1;
        }
        i += used;
    }
    char *copy = arena_array(&implicit->check->tileset, char, uri.size + 1);
    const bool ok = copy != NULL && uri.refusal == ERR_NONE;
    if (ok) {
        memcpy(copy, uri.data, uri.size);
        *out = (struct text){copy, uri.size};
    } else {
        implicit->check->is_out_of_memory = true;
    }
    buf_release(&uri);
    return ok;
}

static bool text_has(struct text text, const char *part)
{
    const size_t size = strlen(part);
    for (size_t i = 0; i + size <= text.size; i++) {
        if (memcmp(text.data + i, part, size) == 0) {
            return true;
        }
    }
    return false;
}

static void check_template(struct implicit *implicit, struct text template)
{
    static const char *const names[] = {"{level}", "{x}", "{y}", "{z}"};
    for (size_t i = 0; i < (implicit->is_octree ? 4u : 3u); i++) {
        if (!text_has(template, names[i])) {
            check_note_line(implicit->check, CHECK_ERROR, "implicit-template", implicit->own->file,
                            implicit->tile->line, "the template '%.*s' lacks %s",
                            TEXT_ARGS(template), names[i]);
        }
    }
}

/* The volume of an implicit tile is a part of the root's. */
static struct tileset_volume part_of(const struct implicit *implicit, struct coordinates at)
{
    struct tileset_volume part = implicit->tile->volume;
    const double parts = ldexp(1, (int)at.level);
    const double x = ((double)at.x + 0.5) / parts * 2 - 1;
    const double y = ((double)at.y + 0.5) / parts * 2 - 1;
    const double z = implicit->is_octree ? ((double)at.z + 0.5) / parts * 2 - 1 : 0;
    if (part.kind == TILESET_VOLUME_BOX) {
        struct obb *box = &part.box;
        box->center = vec3_add(box->center, vec3_scale(box->half[0], x));
        box->center = vec3_add(box->center, vec3_scale(box->half[1], y));
        box->center = vec3_add(box->center, vec3_scale(box->half[2], z));
        box->half[0] = vec3_scale(box->half[0], 1 / parts);
        box->half[1] = vec3_scale(box->half[1], 1 / parts);
        box->half[2] = vec3_scale(box->half[2], implicit->is_octree ? 1 / parts : 1);
    } else if (part.kind == TILESET_VOLUME_REGION) {
        const double *whole = implicit->tile->volume.region;
        const double east = whole[2] < whole[0] ? whole[2] + 2 * EARTH_PI : whole[2];
        part.region[0] = whole[0] + (east - whole[0]) * (double)at.x / parts;
        part.region[2] = whole[0] + (east - whole[0]) * ((double)at.x + 1) / parts;
        part.region[1] = whole[1] + (whole[3] - whole[1]) * (double)at.y / parts;
        part.region[3] = whole[1] + (whole[3] - whole[1]) * ((double)at.y + 1) / parts;
        if (implicit->is_octree) {
            part.region[4] = whole[4] + (whole[5] - whole[4]) * (double)at.z / parts;
            part.region[5] = whole[4] + (whole[5] - whole[4]) * ((double)at.z + 1) / parts;
        }
    }
    return part;
}

static void check_implicit_content(struct implicit *implicit, struct coordinates at,
                                   const struct tileset_content *content)
{
    const struct arena_mark mark = arena_mark(&implicit->check->tileset);
    struct text uri;
    struct place own = *implicit->own;
    const struct tileset_volume part = part_of(implicit, at);
    own.volume = (struct check_volume){&part, own.world};
    own.geometric_error = implicit->tile->geometric_error / ldexp(1, (int)at.level);
    if (expand(implicit, content->uri, at, &uri)) {
        check_content_file(implicit->check, &own, uri, NULL);
    }
    arena_reset(&implicit->check->tileset, mark);
}

/* Every second (third) bit of a Morton number. */
static uint64_t unweave(uint64_t morton, unsigned bit, bool is_octree)
{
    const unsigned step = is_octree ? 3 : 2;
    uint64_t value = 0;
    for (unsigned i = 0; bit + i * step < 64; i++) {
        value |= (morton >> (bit + i * step) & 1) << i;
    }
    return value;
}

static struct coordinates below(struct coordinates root, uint32_t levels, uint64_t morton,
                                bool is_octree)
{
    return (struct coordinates){root.level + levels,
                                (root.x << levels) + unweave(morton, 0, is_octree),
                                (root.y << levels) + unweave(morton, 1, is_octree),
                                is_octree ? (root.z << levels) + unweave(morton, 2, is_octree) : 0};
}

static void check_count(struct implicit *implicit, struct text file, const char *what,
                        const struct subtree_availability *availability)
{
    const uint64_t count = subtree_count_available(availability);
    if (availability->available_count >= 0 && (uint64_t)availability->available_count != count) {
        check_note(implicit->check, CHECK_ERROR, "subtree-available-count", file,
                   "%s: availableCount is %lld, but %llu bits are set", what,
                   (long long)availability->available_count, (unsigned long long)count);
    }
}

/* Each rule is noted once a subtree: the first tile that breaks it. */
static void check_bits(struct implicit *implicit, struct text file, const struct subtree *subtree,
                       struct coordinates root)
{
    struct check_run *check = implicit->check;
    const uint32_t levels = implicit->tiling->subtree_levels;
    const unsigned shift = implicit->is_octree ? 3 : 2;
    bool has_orphan = false, has_deep = false, has_loose = false;
    uint64_t start = 0;
    if (!subtree_is_available(&subtree->tiles, 0)) {
        check_note(check, CHECK_ERROR, "subtree-root", file, "its root tile is not available");
        has_orphan = true; /* the rest follows from it */
    }
    for (uint32_t level = 0; level < levels; level++) {
        const uint64_t count = (uint64_t)1 << shift * level;
        const uint64_t above = start - (count >> shift);
        for (uint64_t i = 0; i < count; i++) {
            const bool is_available = subtree_is_available(&subtree->tiles, start + i);
            if (is_available && level > 0 && !has_orphan &&
                !subtree_is_available(&subtree->tiles, above + (i >> shift))) {
                has_orphan = true;
                check_note(check, CHECK_ERROR, "subtree-orphan", file,
                           "tile %llu of level %u is available, its parent is not",
                           (unsigned long long)i, level);
            }
            if (is_available && !has_deep &&
                root.level + level >= implicit->tiling->available_levels) {
                has_deep = true;
                check_note(check, CHECK_ERROR, "subtree-too-deep", file,
                           "a tile of level %u is available, but availableLevels is %u",
                           root.level + level, implicit->tiling->available_levels);
            }
            for (size_t c = 0; c < subtree->content_count; c++) {
                if (!is_available && !has_loose &&
                    subtree_is_available(&subtree->contents[c], start + i)) {
                    has_loose = true;
                    check_note(check, CHECK_ERROR, "subtree-content-without-tile", file,
                               "tile %llu of level %u has a content, but is not available",
                               (unsigned long long)i, level);
                }
            }
        }
        start += count;
    }
    const uint64_t last = start - ((uint64_t)1 << shift * (levels - 1));
    for (uint64_t i = 0; i < subtree->children.count; i++) {
        if (!subtree_is_available(&subtree->children, i)) {
            continue;
        }
        if (!subtree_is_available(&subtree->tiles, last + (i >> shift))) {
            check_note(check, CHECK_ERROR, "subtree-orphan", file,
                       "child subtree %llu is available, the tile above it is not",
                       (unsigned long long)i);
            break;
        }
        if (root.level + levels >= implicit->tiling->available_levels) {
            check_note(check, CHECK_ERROR, "subtree-too-deep", file,
                       "child subtrees of level %u, but availableLevels is %u", root.level + levels,
                       implicit->tiling->available_levels);
            break;
        }
    }
}

static void check_subtree_contents(struct implicit *implicit, const struct subtree *subtree,
                                   struct coordinates root)
{
    const unsigned shift = implicit->is_octree ? 3 : 2;
    uint64_t start = 0;
    for (uint32_t level = 0; level < implicit->tiling->subtree_levels; level++) {
        const uint64_t count = (uint64_t)1 << shift * level;
        for (uint64_t i = 0; i < count && !is_enough(implicit->check); i++) {
            implicit->check->result.tile_count +=
                subtree_is_available(&subtree->tiles, start + i) ? 1 : 0;
            const struct tileset_content *content = implicit->tile->content;
            for (size_t c = 0; c < subtree->content_count && content != NULL; c++) {
                if (subtree_is_available(&subtree->contents[c], start + i)) {
                    check_implicit_content(implicit, below(root, level, i, implicit->is_octree),
                                           content);
                }
                content = content->next;
            }
        }
        start += count;
    }
}

static void check_subtree(struct implicit *implicit, struct coordinates root)
{
    struct check_run *check = implicit->check;
    const uint32_t levels = implicit->tiling->subtree_levels;
    const struct arena_mark mark = arena_mark(&check->tileset);
    struct text uri, name;
    struct span bytes;
    struct subtree subtree;
    struct err err;
    if (is_enough(check) || root.level > LEVELS_MAX ||
        !expand(implicit, implicit->tiling->subtrees_uri, root, &uri) ||
        !check_resolve(check, implicit->own->file, uri, &check->tileset, &name) ||
        !check_load(check, implicit->own->file, name, &check->tileset, &bytes)) {
        arena_reset(&check->tileset, mark);
        return;
    }
    check->result.subtree_count++;
    if (!subtree_read(bytes, implicit->is_octree, levels, &check->tileset, &subtree, &err)) {
        check_note_err(check, "subtree", name, &err);
        arena_reset(&check->tileset, mark);
        return;
    }
    check_count(implicit, name, "tileAvailability", &subtree.tiles);
    for (size_t c = 0; c < subtree.content_count; c++) {
        check_count(implicit, name, "contentAvailability", &subtree.contents[c]);
    }
    check_count(implicit, name, "childSubtreeAvailability", &subtree.children);
    check_bits(implicit, name, &subtree, root);
    check_subtree_contents(implicit, &subtree, root);
    if (root.level + levels < implicit->tiling->available_levels) {
        for (uint64_t i = 0; i < subtree.children.count && !is_enough(check); i++) {
            if (subtree_is_available(&subtree.children, i)) {
                check_subtree(implicit, below(root, levels, i, implicit->is_octree));
            }
        }
    }
    arena_reset(&check->tileset, mark);
}

static void check_implicit(struct check_run *check, const struct place *own,
                           const struct tileset_tile *tile)
{
    struct implicit implicit = {.check = check,
                                .own = own,
                                .tile = tile,
                                .tiling = tile->implicit,
                                .is_octree = tile->implicit->subdivision == TILESET_OCTREE};
    if (tile->first_child != NULL) {
        check_note_line(check, CHECK_ERROR, "implicit-children", own->file, tile->line,
                        "an implicit tile must not have children");
    }
    if (tile->volume.kind != TILESET_VOLUME_BOX && tile->volume.kind != TILESET_VOLUME_REGION &&
        tile->volume.kind != TILESET_VOLUME_OTHER) {
        check_note_line(check, CHECK_ERROR, "implicit-volume", own->file, tile->line,
                        "an implicit tile needs a box or a region");
        return;
    }
    check_template(&implicit, tile->implicit->subtrees_uri);
    for (const struct tileset_content *content = tile->content; content != NULL;
         content = content->next) {
        check_template(&implicit, content->uri);
    }
    check_subtree(&implicit, (struct coordinates){0, 0, 0, 0});
}

/* ---- tiles -------------------------------------------------------------- */

static void check_contents(struct check_run *check, const struct place *own,
                           const struct tileset_tile *tile)
{
    /* Extensions of 1.0 that say the same in another way: not followed. */
    if (text_has(tile->extensions, "\"3DTILES_implicit_tiling\"")) {
        return;
    }
    for (const struct tileset_content *content = tile->content; content != NULL;
         content = content->next) {
        const struct check_volume volume = {&content->volume, own->world};
        const bool has_volume = content->volume.kind != TILESET_VOLUME_NONE;
        if (has_volume) {
            check_volume_itself(check, own->file, tile->line, &content->volume);
            note_excess(check, "content-volume-outside", own, tile->line,
                        check_volume_excess(&own->volume, &volume),
                        check_volume_radius(&tile->volume),
                        "the content's volume sticks out of the tile's");
        }
        check_content_file(check, own, content->uri, has_volume ? &volume : NULL);
    }
    if (tile->content != NULL && tile->content->next != NULL) {
        check_note_line(check, CHECK_WARNING, "several-contents", own->file, tile->line,
                        "some viewers draw nothing of a tile with several contents");
    }
}

static void check_tile(struct check_run *check, const struct place *parent,
                       const struct tileset_tile *tile)
{
    if (is_enough(check)) {
        return;
    }
    struct place own = *parent;
    check->result.tile_count += tile->implicit == NULL ? 1 : 0;
    check_geometric_error(check, parent, tile);
    check_volume_itself(check, parent->file, tile->line, &tile->volume);
    own.has_parent = true;
    own.line = tile->line;
    own.geometric_error = tile->geometric_error;
    if (!check_transform(check, parent, tile)) {
        return; /* everything below would be in the wrong place */
    }
    own.world = mat4_multiply(parent->world, tile->transform);
    own.volume = (struct check_volume){&tile->volume, own.world};
    if (parent->has_parent) {
        note_excess(check, "child-outside-parent", &own, tile->line,
                    check_volume_excess(&parent->volume, &own.volume),
                    check_volume_radius(parent->volume.volume),
                    "the tile's volume sticks out of its parent's");
    } else {
        check_on_earth(check, parent, tile, &own.volume);
    }
    if (tile->implicit != NULL) {
        check_implicit(check, &own, tile);
    } else {
        check_contents(check, &own, tile);
    }
    for (const struct tileset_tile *child = tile->first_child; child != NULL; child = child->next) {
        check_tile(check, &own, child);
    }
}

/* ---- a tileset.json ----------------------------------------------------- */

static bool names_have(const struct text *names, size_t count, struct text name)
{
    for (size_t i = 0; i < count; i++) {
        if (text_equals(names[i], name)) {
            return true;
        }
    }
    return false;
}

static void check_tileset_extensions(struct check_run *check, struct text file,
                                     const struct tileset *tileset)
{
    static const char *const known[] = {
        "3DTILES_batch_table_hierarchy",   "3DTILES_bounding_volume_S2", "3DTILES_content_gltf",
        "3DTILES_draco_point_compression", "3DTILES_implicit_tiling",    "3DTILES_metadata",
        "3DTILES_multiple_contents"};
    for (size_t i = 0; i < tileset->extension_required_count; i++) {
        const struct text name = tileset->extensions_required[i];
        bool is_known = false;
        for (size_t k = 0; k < sizeof known / sizeof known[0]; k++) {
            is_known = is_known || text_is(name, known[k]);
        }
        if (!is_known) {
            check_note(check, CHECK_ERROR, "extension-unknown", file,
                       "no common viewer knows the required extension '%.*s'", TEXT_ARGS(name));
        }
        if (!names_have(tileset->extensions_used, tileset->extension_used_count, name)) {
            check_note(check, CHECK_ERROR, "extension-undeclared", file,
                       "required extension '%.*s' is not in extensionsUsed", TEXT_ARGS(name));
        }
    }
}

static void check_tileset_schema(struct check_run *check, struct text file,
                                 const struct tileset *tileset)
{
    const struct json_tree *root = NULL;
    struct err err;
    struct text name = file;
    struct span bytes = {(const uint8_t *)tileset->schema.data, tileset->schema.size};
    if (tileset->schema_uri.size > 0 &&
        (!check_resolve(check, file, tileset->schema_uri, &check->tileset, &name) ||
         !check_load(check, file, name, &check->tileset, &bytes))) {
        return;
    }
    if (bytes.size == 0) {
        return;
    }
    if (!json_tree_read(bytes, &check->tileset, &root, &err)) {
        check_note_err(check, "schema", name, &err);
        return;
    }
    check_schema(check, name, root);
}

static void check_tileset(struct check_run *check, const struct place *parent,
                          const struct tileset *tileset)
{
    struct place place = *parent;
    place.is_version_1_0 = text_is(tileset->version, "1.0");
    place.allows_gltf = names_have(tileset->extensions_used, tileset->extension_used_count,
                                   text_of("3DTILES_content_gltf"));
    if (!place.is_version_1_0 && !text_is(tileset->version, "1.1")) {
        check_note(check, CHECK_ERROR, "tileset-version", place.file, "3D Tiles version '%.*s'",
                   TEXT_ARGS(tileset->version));
    }
    check_tileset_extensions(check, place.file, tileset);
    check_tileset_schema(check, place.file, tileset);
    if (!(tileset->geometric_error >= 0)) {
        check_note(check, CHECK_ERROR, "geometric-error", place.file,
                   "the tileset's geometric error is %g", tileset->geometric_error);
    } else if (tileset->geometric_error < tileset->root->geometric_error) {
        check_note(check, CHECK_WARNING, "geometric-error-grows", place.file,
                   "the root's geometric error is %g, but the tileset's is %g",
                   tileset->root->geometric_error, tileset->geometric_error);
    }
    if (tileset->root->refine == TILESET_REFINE_INHERIT) {
        check_note_line(check, CHECK_ERROR, "root-refine", place.file, tileset->root->line,
                        "the root tile needs 'refine'");
    }
    if (place.is_version_1_0 && tileset->root->implicit != NULL) {
        check_note(check, CHECK_ERROR, "version-content", place.file,
                   "implicitTiling in a tileset of version 1.0");
    }
    check_tile(check, &place, tileset->root);
}

static void check_used_extensions(struct check_run *check, struct text file, struct span bytes)
{
    const struct json_tree *root = NULL;
    struct err err;
    arena_reset(&check->content, (struct arena_mark){NULL, 0, 0});
    if (json_tree_read(bytes, &check->content, &root, &err)) {
        check_declared(check, file, root);
    } else {
        check_note_err(check, "tileset", file, &err);
    }
}

static void check_tileset_bytes(struct check_run *check, const struct place *parent,
                                struct span bytes)
{
    const struct arena_mark mark = arena_mark(&check->tileset);
    struct tileset tileset;
    struct err err;
    if (parent->nesting > NESTING_MAX) {
        check_note(check, CHECK_ERROR, "nesting", parent->file,
                   "more than %d tilesets inside one another: do they refer in a circle?",
                   NESTING_MAX);
        return;
    }
    if (bytes.size >= 3 && memcmp(bytes.data, "\xEF\xBB\xBF", 3) == 0) {
        check_note(check, CHECK_ERROR, "json-bom", parent->file,
                   "begins with a byte order mark, which JSON must not have");
        bytes = (struct span){bytes.data + 3, bytes.size - 3};
    }
    if (check->is_ours && bytes.size > TILESET_BYTES_WISH) {
        check_note(check, CHECK_WARNING, "tileset-large", parent->file,
                   "%zu bytes; it should be split at %d", bytes.size, TILESET_BYTES_WISH);
    }
    check->result.tileset_count++;
    if (tileset_read(bytes, &check->tileset, &tileset, &err)) {
        check_used_extensions(check, parent->file, bytes);
        check_tileset(check, parent, &tileset);
    } else {
        check_note_err(check, "tileset", parent->file, &err);
    }
    arena_reset(&check->tileset, mark);
}

void check_tileset_file(struct check_run *check, struct text name, struct span json)
{
    const struct place place = {.file = name, .world = mat4_identity()};
    check_tileset_bytes(check, &place, json);
}

void check_root_tileset(struct check_run *check, struct text name)
{
    const struct arena_mark mark = arena_mark(&check->tileset);
    struct span bytes;
    if (check_load(check, (struct text){"", 0}, name, &check->tileset, &bytes)) {
        check_tileset_file(check, name, bytes);
    }
    arena_reset(&check->tileset, mark);
}

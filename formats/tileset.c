/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/tileset.h"

#include "formats/json.h"
#include "formats/json_write.h"

/* ---- printing ----------------------------------------------------------- */

static void print_numbers(struct buf *out, const double *values, size_t count)
{
    buf_add_byte(out, '[');
    for (size_t i = 0; i < count; i++) {
        json_write_comma(out);
        json_write_double(out, values[i]);
    }
    buf_add_byte(out, ']');
}

static void print_text(struct buf *out, const char *key, struct text text)
{
    if (text.size > 0) {
        json_write_key(out, key);
        json_write_text(out, text);
    }
}

static void print_raw(struct buf *out, const char *key, struct text raw)
{
    if (raw.size > 0) {
        json_write_key(out, key);
        buf_add(out, raw.data, raw.size);
    }
}

static void print_box(struct buf *out, const struct obb *box)
{
    const double values[12] = {
        box->center.x,  box->center.y,  box->center.z,  box->half[0].x,
        box->half[0].y, box->half[0].z, box->half[1].x, box->half[1].y,
        box->half[1].z, box->half[2].x, box->half[2].y, box->half[2].z,
    };
    json_write_key(out, "box");
    print_numbers(out, values, 12);
}

static void print_volume(struct buf *out, const char *key, const struct tileset_volume *volume)
{
    const double sphere[4] = {volume->center.x, volume->center.y, volume->center.z,
                              volume->radius_m};
    json_write_key(out, key);
    buf_add_byte(out, '{');
    switch (volume->kind) {
    case TILESET_VOLUME_BOX:
        print_box(out, &volume->box);
        break;
    case TILESET_VOLUME_REGION:
        json_write_key(out, "region");
        print_numbers(out, volume->region, 6);
        break;
    case TILESET_VOLUME_SPHERE:
        json_write_key(out, "sphere");
        print_numbers(out, sphere, 4);
        break;
    case TILESET_VOLUME_NONE:
    case TILESET_VOLUME_OTHER:
        break;
    }
    print_raw(out, "extensions", volume->extensions);
    buf_add_byte(out, '}');
}

static void print_content(struct buf *out, const struct tileset_content *content)
{
    buf_add_byte(out, '{');
    print_text(out, "uri", content->uri);
    if (content->volume.kind != TILESET_VOLUME_NONE) {
        print_volume(out, "boundingVolume", &content->volume);
    }
    print_raw(out, "metadata", content->metadata);
    print_raw(out, "extensions", content->extensions);
    print_raw(out, "extras", content->extras);
    buf_add_byte(out, '}');
}

static void print_contents(struct buf *out, const struct tileset_content *first)
{
    if (first == NULL) {
        return;
    }
    if (first->next == NULL) {
        json_write_key(out, "content");
        print_content(out, first);
        return;
    }
    json_write_key(out, "contents");
    buf_add_byte(out, '[');
    for (const struct tileset_content *content = first; content != NULL; content = content->next) {
        json_write_comma(out);
        print_content(out, content);
    }
    buf_add_byte(out, ']');
}

static void print_implicit(struct buf *out, const struct tileset_implicit *implicit)
{
    json_write_key(out, "implicitTiling");
    buf_add_byte(out, '{');
    print_text(out, "subdivisionScheme",
               text_of(implicit->subdivision == TILESET_OCTREE ? "OCTREE" : "QUADTREE"));
    json_write_key(out, "subtreeLevels");
    json_write_double(out, implicit->subtree_levels);
    json_write_key(out, "availableLevels");
    json_write_double(out, implicit->available_levels);
    json_write_key(out, "subtrees");
    buf_add_byte(out, '{');
    print_text(out, "uri", implicit->subtrees_uri);
    buf_add_text(out, "}}");
}

/* Everything of a tile but its children. */
static void print_tile_head(struct buf *out, const struct tileset_tile *tile)
{
    print_volume(out, "boundingVolume", &tile->volume);
    if (tile->viewer_request.kind != TILESET_VOLUME_NONE) {
        print_volume(out, "viewerRequestVolume", &tile->viewer_request);
    }
    json_write_key(out, "geometricError");
    json_write_double(out, tile->geometric_error);
    if (tile->refine != TILESET_REFINE_INHERIT) {
        print_text(out, "refine", text_of(tile->refine == TILESET_REFINE_ADD ? "ADD" : "REPLACE"));
    }
    if (tile->has_transform) {
        json_write_key(out, "transform");
        print_numbers(out, tile->transform.m, 16);
    }
    print_contents(out, tile->content);
    if (tile->implicit != NULL) {
        print_implicit(out, tile->implicit);
    }
    print_raw(out, "metadata", tile->metadata);
    print_raw(out, "extensions", tile->extensions);
    print_raw(out, "extras", tile->extras);
}

/* Recursion is as deep as the tree, which TILESET_DEPTH_MAX bounds. */
static void print_tile(struct buf *out, const struct tileset_tile *tile)
{
    buf_add_byte(out, '{');
    print_tile_head(out, tile);
    if (tile->first_child != NULL) {
        json_write_key(out, "children");
        buf_add_byte(out, '[');
        for (const struct tileset_tile *child = tile->first_child; child != NULL;
             child = child->next) {
            json_write_comma(out);
            buf_add_byte(out, '\n');
            print_tile(out, child);
        }
        buf_add_byte(out, ']');
    }
    buf_add_byte(out, '}');
}

static void print_names(struct buf *out, const char *key, const struct text *names, size_t count)
{
    if (count == 0) {
        return;
    }
    json_write_key(out, key);
    buf_add_byte(out, '[');
    for (size_t i = 0; i < count; i++) {
        json_write_comma(out);
        json_write_text(out, names[i]);
    }
    buf_add_byte(out, ']');
}

void tileset_print(const struct tileset *tileset, struct buf *out)
{
    buf_add_byte(out, '{');
    json_write_key(out, "asset");
    buf_add_byte(out, '{');
    print_text(out, "version", tileset->version);
    print_text(out, "tilesetVersion", tileset->tileset_version);
    print_raw(out, "extras", tileset->asset_extras);
    buf_add_byte(out, '}');
    print_names(out, "extensionsUsed", tileset->extensions_used, tileset->extension_used_count);
    print_names(out, "extensionsRequired", tileset->extensions_required,
                tileset->extension_required_count);
    print_text(out, "schemaUri", tileset->schema_uri);
    print_raw(out, "schema", tileset->schema);
    print_raw(out, "properties", tileset->properties);
    print_raw(out, "statistics", tileset->statistics);
    print_raw(out, "groups", tileset->groups);
    print_raw(out, "metadata", tileset->metadata);
    print_raw(out, "extensions", tileset->extensions);
    print_raw(out, "extras", tileset->extras);
    json_write_key(out, "geometricError");
    json_write_double(out, tileset->geometric_error);
    json_write_comma(out);
    buf_add_text(out, "\n\"root\":");
    print_tile(out, tileset->root);
    buf_add_text(out, "}\n");
}

/* ---- reading ------------------------------------------------------------ */

/* What every function of the reader needs. */
struct reading {
    struct json json;
    struct arena *source;
    struct err *err;
};

static bool refuse(struct reading *reading, const char *what)
{
    return json_fail(&reading->json, reading->err, ERR_SCHEMA, "%s", what);
}

/* A place to fail at that lies behind us: where an object began. */
static bool refuse_at(const struct json *place, struct reading *reading, const char *what)
{
    return json_fail(place, reading->err, ERR_SCHEMA, "%s", what);
}

static bool read_text(struct reading *reading, struct text *out)
{
    struct json_string string;
    return json_string(&reading->json, &string, reading->err) &&
           json_string_text(string, reading->source, out, reading->err);
}

static bool read_raw(struct reading *reading, struct text *out)
{
    return json_compact(&reading->json, reading->source, out, reading->err);
}

/* Raw JSON that must be an object. */
static bool read_object(struct reading *reading, struct text *out)
{
    if (json_peek(&reading->json) != JSON_OBJECT) {
        return refuse(reading, "an object is expected here");
    }
    return read_raw(reading, out);
}

static bool read_numbers(struct reading *reading, double *out, size_t count)
{
    const struct json place = reading->json;
    bool is_end = false;
    size_t found = 0;
    if (!json_enter(&reading->json, JSON_ARRAY, reading->err)) {
        return false;
    }
    while (json_next_element(&reading->json, &is_end, reading->err)) {
        if (is_end) {
            return found == count || json_fail(&place, reading->err, ERR_SCHEMA,
                                               "%zu numbers, not %zu", found, count);
        }
        double value;
        if (!json_real(&reading->json, &value, reading->err)) {
            return false;
        }
        if (found < count) {
            out[found] = value;
        }
        found++;
    }
    return false;
}

static struct obb box_of(const double v[12])
{
    return (struct obb){{v[0], v[1], v[2]},
                        {{v[3], v[4], v[5]}, {v[6], v[7], v[8]}, {v[9], v[10], v[11]}}};
}

static bool read_volume_member(struct reading *reading, struct json_string key,
                               struct tileset_volume *volume)
{
    double values[12];
    if (json_string_is(key, "box")) {
        if (!read_numbers(reading, values, 12)) {
            return false;
        }
        volume->kind = TILESET_VOLUME_BOX;
        volume->box = box_of(values);
        return true;
    }
    if (json_string_is(key, "region")) {
        volume->kind = volume->kind == TILESET_VOLUME_BOX ? volume->kind : TILESET_VOLUME_REGION;
        return read_numbers(reading, volume->region, 6);
    }
    if (json_string_is(key, "sphere")) {
        if (!read_numbers(reading, values, 4)) {
            return false;
        }
        if (volume->kind == TILESET_VOLUME_NONE || volume->kind == TILESET_VOLUME_OTHER) {
            volume->kind = TILESET_VOLUME_SPHERE;
        }
        volume->center = (struct vec3){values[0], values[1], values[2]};
        volume->radius_m = values[3];
        return true;
    }
    if (json_string_is(key, "extensions")) {
        volume->kind = volume->kind == TILESET_VOLUME_NONE ? TILESET_VOLUME_OTHER : volume->kind;
        return read_object(reading, &volume->extensions);
    }
    return json_skip(&reading->json, reading->err);
}

/* With several kinds in one volume the box is taken, else the first read. */
static bool read_volume(struct reading *reading, struct tileset_volume *out)
{
    const struct json place = reading->json;
    struct tileset_volume volume = {.kind = TILESET_VOLUME_NONE};
    struct json_string key;
    bool is_end = false;
    if (!json_enter(&reading->json, JSON_OBJECT, reading->err)) {
        return false;
    }
    while (json_next_member(&reading->json, &key, &is_end, reading->err)) {
        if (is_end) {
            if (volume.kind == TILESET_VOLUME_NONE) {
                return refuse_at(&place, reading, "no box, region or sphere");
            }
            *out = volume;
            return true;
        }
        if (!read_volume_member(reading, key, &volume)) {
            return false;
        }
    }
    return false;
}

static bool read_content_member(struct reading *reading, struct json_string key,
                                struct tileset_content *content)
{
    if (json_string_is(key, "uri")) {
        return read_text(reading, &content->uri);
    }
    if (json_string_is(key, "url")) {
        return refuse(reading, "'url' is of the time before 1.0; it must be 'uri'");
    }
    if (json_string_is(key, "boundingVolume")) {
        return read_volume(reading, &content->volume);
    }
    if (json_string_is(key, "metadata")) {
        return read_object(reading, &content->metadata);
    }
    if (json_string_is(key, "extensions")) {
        return read_object(reading, &content->extensions);
    }
    if (json_string_is(key, "extras")) {
        return read_raw(reading, &content->extras);
    }
    return json_skip(&reading->json, reading->err);
}

static bool read_content(struct reading *reading, struct tileset_content **out)
{
    const struct json place = reading->json;
    struct json_string key;
    bool is_end = false;
    struct tileset_content *content = arena_array(reading->source, struct tileset_content, 1);
    if (content == NULL) {
        return arena_full(reading->source, reading->err);
    }
    if (!json_enter(&reading->json, JSON_OBJECT, reading->err)) {
        return false;
    }
    while (json_next_member(&reading->json, &key, &is_end, reading->err)) {
        if (is_end) {
            if (content->uri.size == 0) {
                return refuse_at(&place, reading, "a content without uri");
            }
            *out = content;
            return true;
        }
        if (!read_content_member(reading, key, content)) {
            return false;
        }
    }
    return false;
}

static bool read_contents(struct reading *reading, struct tileset_content **out)
{
    const struct json place = reading->json;
    struct tileset_content **link = out;
    bool is_end = false;
    if (!json_enter(&reading->json, JSON_ARRAY, reading->err)) {
        return false;
    }
    while (json_next_element(&reading->json, &is_end, reading->err)) {
        if (is_end) {
            return link != out || refuse_at(&place, reading, "contents without a content");
        }
        if (!read_content(reading, link)) {
            return false;
        }
        link = &(*link)->next;
    }
    return false;
}

/* A count of levels: an integer from 1 on. */
static bool read_levels(struct reading *reading, uint32_t *out)
{
    struct json_number number;
    int64_t value = 0;
    const struct json place = reading->json;
    if (!json_number(&reading->json, &number, reading->err)) {
        return false;
    }
    if (!json_number_integer(number, &value) || value < 1 || value > UINT32_MAX) {
        return json_fail(&place, reading->err, ERR_SCHEMA, "%.*s levels", TEXT_ARGS(number.raw));
    }
    *out = (uint32_t)value;
    return true;
}

static bool read_subdivision(struct reading *reading, enum tileset_subdivision *out)
{
    struct json_string name;
    const struct json place = reading->json;
    if (!json_string(&reading->json, &name, reading->err)) {
        return false;
    }
    if (!json_string_is(name, "QUADTREE") && !json_string_is(name, "OCTREE")) {
        return json_fail(&place, reading->err, ERR_SCHEMA, "subdivision scheme '%.*s'",
                         TEXT_ARGS(name.raw));
    }
    *out = json_string_is(name, "OCTREE") ? TILESET_OCTREE : TILESET_QUADTREE;
    return true;
}

static bool read_subtrees(struct reading *reading, struct text *out)
{
    struct json_string key;
    bool is_end = false;
    if (!json_enter(&reading->json, JSON_OBJECT, reading->err)) {
        return false;
    }
    while (json_next_member(&reading->json, &key, &is_end, reading->err) && !is_end) {
        if (!(json_string_is(key, "uri") ? read_text(reading, out)
                                         : json_skip(&reading->json, reading->err))) {
            return false;
        }
    }
    return is_end;
}

static bool read_implicit(struct reading *reading, struct tileset_implicit **out)
{
    enum { HAS_SCHEME = 1, HAS_SUBTREE_LEVELS = 2, HAS_LEVELS = 4, HAS_ALL = 7 };
    const struct json place = reading->json;
    struct tileset_implicit *implicit = arena_array(reading->source, struct tileset_implicit, 1);
    struct json_string key;
    bool is_end = false;
    unsigned has = 0;
    if (implicit == NULL) {
        return arena_full(reading->source, reading->err);
    }
    if (!json_enter(&reading->json, JSON_OBJECT, reading->err)) {
        return false;
    }
    while (json_next_member(&reading->json, &key, &is_end, reading->err) && !is_end) {
        bool ok;
        if (json_string_is(key, "subdivisionScheme")) {
            has |= HAS_SCHEME;
            ok = read_subdivision(reading, &implicit->subdivision);
        } else if (json_string_is(key, "subtreeLevels")) {
            has |= HAS_SUBTREE_LEVELS;
            ok = read_levels(reading, &implicit->subtree_levels);
        } else if (json_string_is(key, "availableLevels")) {
            has |= HAS_LEVELS;
            ok = read_levels(reading, &implicit->available_levels);
        } else if (json_string_is(key, "subtrees")) {
            ok = read_subtrees(reading, &implicit->subtrees_uri);
        } else {
            ok = json_skip(&reading->json, reading->err);
        }
        if (!ok) {
            return false;
        }
    }
    if (!is_end) {
        return false;
    }
    if (has != HAS_ALL || implicit->subtrees_uri.size == 0) {
        return refuse_at(&place, reading,
                         "implicitTiling needs subdivisionScheme, subtreeLevels, "
                         "availableLevels, subtrees.uri");
    }
    *out = implicit;
    return true;
}

static bool read_refine(struct reading *reading, enum tileset_refine *out)
{
    struct json_string name;
    const struct json place = reading->json;
    if (!json_string(&reading->json, &name, reading->err)) {
        return false;
    }
    /* Lower case was allowed before 1.0, and old data has it; viewers take it. */
    if (json_string_is(name, "ADD") || json_string_is(name, "add")) {
        *out = TILESET_REFINE_ADD;
    } else if (json_string_is(name, "REPLACE") || json_string_is(name, "replace")) {
        *out = TILESET_REFINE_REPLACE;
    } else {
        return json_fail(&place, reading->err, ERR_SCHEMA, "refine '%.*s'", TEXT_ARGS(name.raw));
    }
    return true;
}

enum { HAS_VOLUME = 1, HAS_ERROR = 2 };

static bool read_tile_member(struct reading *reading, struct json_string key,
                             struct tileset_tile *tile, unsigned *has)
{
    if (json_string_is(key, "boundingVolume")) {
        *has |= HAS_VOLUME;
        return read_volume(reading, &tile->volume);
    }
    if (json_string_is(key, "viewerRequestVolume")) {
        return read_volume(reading, &tile->viewer_request);
    }
    if (json_string_is(key, "geometricError")) {
        *has |= HAS_ERROR;
        return json_real(&reading->json, &tile->geometric_error, reading->err);
    }
    if (json_string_is(key, "refine")) {
        return read_refine(reading, &tile->refine);
    }
    if (json_string_is(key, "transform")) {
        tile->has_transform = true;
        return read_numbers(reading, tile->transform.m, 16);
    }
    if (json_string_is(key, "content")) {
        return read_content(reading, &tile->content);
    }
    if (json_string_is(key, "contents")) {
        return read_contents(reading, &tile->content);
    }
    if (json_string_is(key, "implicitTiling")) {
        return read_implicit(reading, &tile->implicit);
    }
    if (json_string_is(key, "metadata")) {
        return read_object(reading, &tile->metadata);
    }
    if (json_string_is(key, "extensions")) {
        return read_object(reading, &tile->extensions);
    }
    if (json_string_is(key, "extras")) {
        return read_raw(reading, &tile->extras);
    }
    return json_skip(&reading->json, reading->err);
}

static bool read_tile(struct reading *reading, unsigned depth, struct tileset_tile **out);

static bool read_children(struct reading *reading, unsigned depth, struct tileset_tile *tile)
{
    struct tileset_tile **link = &tile->first_child;
    bool is_end = false;
    if (!json_enter(&reading->json, JSON_ARRAY, reading->err)) {
        return false;
    }
    while (json_next_element(&reading->json, &is_end, reading->err) && !is_end) {
        if (!read_tile(reading, depth + 1, link)) {
            return false;
        }
        link = &(*link)->next;
    }
    return is_end;
}

/* Recursion is bounded by TILESET_DEPTH_MAX; a frame is about 200 bytes. */
static bool read_tile(struct reading *reading, unsigned depth, struct tileset_tile **out)
{
    struct tileset_tile *tile = arena_array(reading->source, struct tileset_tile, 1);
    struct json_string key;
    bool is_end = false;
    unsigned has = 0;
    if (tile == NULL) {
        return arena_full(reading->source, reading->err);
    }
    if (depth > TILESET_DEPTH_MAX) {
        return json_fail(&reading->json, reading->err, ERR_LIMIT, "more than %d levels of tiles",
                         TILESET_DEPTH_MAX);
    }
    tile->transform = mat4_identity();
    json_peek(&reading->json);
    const struct json place = reading->json;
    tile->line = place.line;
    if (!json_enter(&reading->json, JSON_OBJECT, reading->err)) {
        return false;
    }
    while (json_next_member(&reading->json, &key, &is_end, reading->err) && !is_end) {
        if (!(json_string_is(key, "children") ? read_children(reading, depth, tile)
                                              : read_tile_member(reading, key, tile, &has))) {
            return false;
        }
    }
    if (!is_end) {
        return false;
    }
    if (has != (HAS_VOLUME | HAS_ERROR)) {
        return refuse_at(&place, reading,
                         (has & HAS_VOLUME) == 0 ? "a tile without boundingVolume"
                                                 : "a tile without geometricError");
    }
    *out = tile;
    return true;
}

static bool read_asset(struct reading *reading, struct tileset *tileset)
{
    struct json_string key;
    bool is_end = false;
    const struct json place = reading->json;
    if (!json_enter(&reading->json, JSON_OBJECT, reading->err)) {
        return false;
    }
    while (json_next_member(&reading->json, &key, &is_end, reading->err) && !is_end) {
        bool ok;
        if (json_string_is(key, "version")) {
            ok = read_text(reading, &tileset->version);
        } else if (json_string_is(key, "tilesetVersion")) {
            ok = read_text(reading, &tileset->tileset_version);
        } else if (json_string_is(key, "extras")) {
            ok = read_raw(reading, &tileset->asset_extras);
        } else {
            ok = json_skip(&reading->json, reading->err);
        }
        if (!ok) {
            return false;
        }
    }
    if (is_end && tileset->version.size == 0) {
        return refuse_at(&place, reading, "an asset without version");
    }
    return is_end;
}

/* Two passes: the first counts. */
static bool read_names(struct reading *reading, struct text **out, size_t *out_count)
{
    struct json ahead = reading->json;
    bool is_end = false;
    size_t count = 0;
    if (!json_enter(&ahead, JSON_ARRAY, reading->err)) {
        return false;
    }
    while (json_next_element(&ahead, &is_end, reading->err) && !is_end) {
        struct json_string ignored;
        if (!json_string(&ahead, &ignored, reading->err)) {
            return false;
        }
        count++;
    }
    if (!is_end) {
        return false;
    }
    struct text *names = arena_array(reading->source, struct text, count == 0 ? 1 : count);
    if (names == NULL) {
        return arena_full(reading->source, reading->err);
    }
    if (!json_enter(&reading->json, JSON_ARRAY, reading->err)) {
        return false;
    }
    for (size_t i = 0; i <= count; i++) {
        if (!json_next_element(&reading->json, &is_end, reading->err) ||
            (i < count && !read_text(reading, &names[i]))) {
            return false;
        }
    }
    *out = names;
    *out_count = count;
    return true;
}

enum { HAS_ASSET = 1, HAS_TOP_ERROR = 2 };

static bool read_top_member(struct reading *reading, struct json_string key,
                            struct tileset *tileset, unsigned *has)
{
    if (json_string_is(key, "asset")) {
        *has |= HAS_ASSET;
        return read_asset(reading, tileset);
    }
    if (json_string_is(key, "geometricError")) {
        *has |= HAS_TOP_ERROR;
        return json_real(&reading->json, &tileset->geometric_error, reading->err);
    }
    if (json_string_is(key, "root")) {
        return read_tile(reading, 1, &tileset->root);
    }
    if (json_string_is(key, "extensionsUsed")) {
        return read_names(reading, &tileset->extensions_used, &tileset->extension_used_count);
    }
    if (json_string_is(key, "extensionsRequired")) {
        return read_names(reading, &tileset->extensions_required,
                          &tileset->extension_required_count);
    }
    if (json_string_is(key, "schemaUri")) {
        return read_text(reading, &tileset->schema_uri);
    }
    if (json_string_is(key, "schema")) {
        return read_object(reading, &tileset->schema);
    }
    if (json_string_is(key, "properties")) {
        return read_object(reading, &tileset->properties);
    }
    if (json_string_is(key, "statistics")) {
        return read_object(reading, &tileset->statistics);
    }
    if (json_string_is(key, "groups")) {
        return read_raw(reading, &tileset->groups);
    }
    if (json_string_is(key, "metadata")) {
        return read_object(reading, &tileset->metadata);
    }
    if (json_string_is(key, "extensions")) {
        return read_object(reading, &tileset->extensions);
    }
    if (json_string_is(key, "extras")) {
        return read_raw(reading, &tileset->extras);
    }
    return json_skip(&reading->json, reading->err);
}

static bool read_top(struct reading *reading, struct tileset *tileset)
{
    struct json_string key;
    bool is_end = false;
    unsigned has = 0;
    json_peek(&reading->json);
    const struct json place = reading->json;
    if (!json_enter(&reading->json, JSON_OBJECT, reading->err)) {
        return false;
    }
    while (json_next_member(&reading->json, &key, &is_end, reading->err) && !is_end) {
        if (!read_top_member(reading, key, tileset, &has)) {
            return false;
        }
    }
    if (!is_end || !json_end(&reading->json, reading->err)) {
        return false;
    }
    if ((has & HAS_ASSET) == 0) {
        return refuse_at(&place, reading, "a tileset without asset");
    }
    if ((has & HAS_TOP_ERROR) == 0) {
        return refuse_at(&place, reading, "a tileset without geometricError");
    }
    return tileset->root != NULL || refuse_at(&place, reading, "a tileset without root");
}

bool tileset_read(struct span json, struct arena *source, struct tileset *out, struct err *err)
{
    struct reading reading = {.source = source, .err = err};
    struct tileset tileset = {.geometric_error = 0};
    json_init(&reading.json, json, NULL);
    if (!read_top(&reading, &tileset)) {
        return false;
    }
    *out = tileset;
    return true;
}

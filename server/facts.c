/* SPDX-License-Identifier: Apache-2.0 */
#include "server/facts.h"

#include <math.h>

#include "formats/base/earth.h"
#include "formats/json.h"
#include "formats/manifest.h"
#include "formats/package.h"
#include "formats/tileset.h"

/* A root tileset.json beyond this is no root. */
enum { TILESET_BYTES_MAX = 256 << 20 };
/* A manifest names every file: of a million tiles it is a hundred megabytes, which
 * nobody wants to wait for. A larger one than this is believed to be one. */
enum { MANIFEST_READ_MAX = 256 << 10 };

/* ---- extent ---- */

static void add_point(double extent[6], struct vec3 ecef_m)
{
    const struct earth_point at = earth_from_ecef(ecef_m);
    const double value[3] = {at.longitude_rad / EARTH_RAD_PER_DEG,
                             at.latitude_rad / EARTH_RAD_PER_DEG, at.height_m};
    for (int i = 0; i < 3; i++) {
        extent[i] = fmin(extent[i], value[i]);
        extent[3 + i] = fmax(extent[3 + i], value[i]);
    }
}

static void add_box(double extent[6], const struct obb *box, const struct mat4 *transform)
{
    for (int corner = 0; corner < 8; corner++) {
        struct vec3 at = box->center;
        for (int axis = 0; axis < 3; axis++) {
            const double side = (corner >> axis & 1) != 0 ? 1 : -1;
            at = vec3_add(at, vec3_scale(box->half[axis], side));
        }
        add_point(extent, mat4_point(*transform, at));
    }
}

/* Longitude, latitude and height of the root's volume. */
static bool measure_extent(const struct tileset_tile *root, double extent[6])
{
    for (int i = 0; i < 3; i++) {
        extent[i] = INFINITY;
        extent[3 + i] = -INFINITY;
    }
    const struct tileset_volume *volume = &root->volume;
    const struct mat4 transform = root->has_transform ? root->transform : mat4_identity();
    if (volume->kind == TILESET_VOLUME_REGION) {
        static const int from[6] = {0, 1, 4, 2, 3, 5};
        for (int i = 0; i < 6; i++) {
            extent[i] = volume->region[from[i]] / (i % 3 == 2 ? 1 : EARTH_RAD_PER_DEG);
        }
    } else if (volume->kind == TILESET_VOLUME_BOX) {
        add_box(extent, &volume->box, &transform);
    } else if (volume->kind == TILESET_VOLUME_SPHERE) {
        const double r = volume->radius_m;
        const struct obb box = {volume->center, {{r, 0, 0}, {0, r, 0}, {0, 0, r}}};
        add_box(extent, &box, &transform);
    }
    for (int i = 0; i < 6; i++) {
        if (!isfinite(extent[i])) {
            return false;
        }
    }
    return true;
}

/* ---- extras ---- */

/* The members of {"title", "ground_height_m", "features"}. */
static bool read_storey(struct json *json, struct arena *run, struct facts *facts, struct err *err)
{
    struct json_string key;
    bool is_end;
    bool ok = json_enter(json, JSON_OBJECT, err);
    facts->says_storey = true;
    while (ok && (ok = json_next_member(json, &key, &is_end, err)) && !is_end) {
        const enum json_kind kind = json_peek(json);
        double value;
        if (kind == JSON_STRING && json_string_is(key, "title")) {
            struct json_string title;
            ok = json_string(json, &title, err) && json_string_text(title, run, &facts->title, err);
        } else if (kind == JSON_NUMBER && json_string_is(key, "ground_height_m")) {
            ok = json_real(json, &facts->ground_height_m, err);
            facts->has_ground_height = ok;
        } else if (kind == JSON_NUMBER && json_string_is(key, "features")) {
            ok = json_real(json, &value, err);
            if (ok && value >= 0 && value < 1e15) {
                facts->feature_count = (uint64_t)value;
                facts->has_feature_count = true;
            }
        } else {
            ok = json_skip(json, err);
        }
    }
    return ok;
}

/* Looks for "storey" in raw extras; extras of another shape say nothing. */
static bool read_extras(struct text extras, struct arena *run, struct facts *facts, struct err *err)
{
    struct json json;
    json_init(&json, (struct span){(const uint8_t *)extras.data, extras.size}, NULL);
    if (json_peek(&json) != JSON_OBJECT) {
        return true;
    }
    struct json_string key;
    bool is_end;
    bool ok = json_enter(&json, JSON_OBJECT, err);
    while (ok && (ok = json_next_member(&json, &key, &is_end, err)) && !is_end) {
        const bool is_ours = json_string_is(key, "storey") && json_peek(&json) == JSON_OBJECT;
        ok = is_ours ? read_storey(&json, run, facts, err) : json_skip(&json, err);
    }
    return ok;
}

/* ---- the manifest ---- */

static bool copy_text(struct text text, struct arena *run, struct text *out, struct err *err)
{
    char *copy = arena_array(run, char, text.size + 1);
    if (copy == NULL) {
        return arena_full(run, err);
    }
    if (text.size > 0) {
        memcpy(copy, text.data, text.size);
    }
    *out = (struct text){copy, text.size};
    return true;
}

static bool read_manifest(const struct package *package, struct buf *json, struct arena *run,
                          struct arena *scratch, struct facts *facts, struct err *err)
{
    struct err ignored;
    struct manifest manifest;
    struct package_member member;
    if (!package_find(package, text_of(MANIFEST_NAME), &member, &ignored) || !member.is_found) {
        return true;
    }
    const uint64_t bytes = member.bytes;
    package_member_release(&member);
    if (bytes > MANIFEST_READ_MAX) {
        facts->is_ours = facts->says_storey;
        return true;
    }
    if (!package_load(package, text_of(MANIFEST_NAME), json, &ignored) ||
        !manifest_read(buf_span(json), scratch, &manifest, &ignored)) {
        return true;
    }
    facts->is_ours = true;
    for (size_t i = 0; i < manifest.count_count && !facts->has_feature_count; i++) {
        if (text_is(manifest.counts[i].name, "features-shown")) {
            facts->feature_count = manifest.counts[i].value;
            facts->has_feature_count = true;
        }
    }
    return manifest.input_count == 0 || copy_text(manifest.inputs[0].crs, run, &facts->crs, err);
}

/* Others' tilesets may say what the standard does not allow any more ("url") or
 * not yet: viewers judge them. Ours must be right, and all must be JSON. */
static bool may_be_odd(const struct package *package, const struct err *err)
{
    return (err->code == ERR_SCHEMA || err->code == ERR_UNSUPPORTED) && !package_is_ours(package);
}

static bool read_tileset(const struct package *package, struct span json, struct arena *run,
                         struct arena *scratch, struct facts *facts, struct err *err)
{
    struct tileset tileset;
    digest_print(digest_of(json), facts->revision);
    if (!tileset_read(json, scratch, &tileset, err)) {
        return may_be_odd(package, err);
    }
    facts->has_extent = measure_extent(tileset.root, facts->extent_deg_m);
    return copy_text(tileset.version, run, &facts->tiles_version, err) &&
           read_extras(tileset.root->extras, run, facts, err) &&
           read_extras(tileset.extras, run, facts, err) &&
           read_extras(tileset.asset_extras, run, facts, err);
}

bool facts_read(const struct package *package, struct arena *run, struct arena *scratch,
                struct facts *out, struct err *err)
{
    const struct arena_mark mark = arena_mark(scratch);
    const struct text name = package_tileset_name(package);
    struct facts facts = {.is_ours = false};
    struct buf json;
    buf_init(&json, TILESET_BYTES_MAX);
    bool ok = package_load(package, name, &json, err);
    if (ok && !read_tileset(package, buf_span(&json), run, scratch, &facts, err)) {
        char terminated[128];
        snprintf(terminated, sizeof terminated, "%.*s", TEXT_ARGS(name));
        err_in_source(err, terminated);
        ok = false;
    }
    buf_release(&json);
    arena_reset(scratch, mark);
    buf_init(&json, MANIFEST_READ_MAX);
    ok = ok && read_manifest(package, &json, run, scratch, &facts, err);
    buf_release(&json);
    arena_reset(scratch, mark);
    if (ok) {
        *out = facts;
    }
    return ok;
}

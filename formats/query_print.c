/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/query_print.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "formats/feature_index_internal.h"
#include "formats/json_write.h"
#include "formats/query_internal.h"
#include "formats/query_paint.h"

/* Degrees to a millimetre, metres to one. */
enum { DEGREE_DECIMALS = 8, METRE_DECIMALS = 3 };

const char *query_media_type(enum query_format format)
{
    return format == QUERY_GEOJSON  ? "application/geo+json"
           : format == QUERY_BITSET ? "application/octet-stream"
                                    : "application/json";
}

/* ---- numbers ---- */

enum { FIXED_BYTES = 24, COUNT_BYTES = 20 };

/* Of these there are digits enough. */
static bool is_fixed(double value)
{
    return fabs(value) < 1e9;
}

/* Writes a number that is_fixed(), FIXED_BYTES at most; returns the end. */
static char *write_fixed(char *at, double value, int decimals)
{
    static const double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8};
    const double scaled = nearbyint(fabs(value) * powers[decimals]);
    uint64_t digits = (uint64_t)scaled;
    char text[FIXED_BYTES];
    size_t from = sizeof text;
    int left = decimals;
    while (left > 0 && digits % 10 == 0) {
        digits /= 10;
        left--;
    }
    while (left > 0) {
        text[--from] = (char)('0' + digits % 10);
        digits /= 10;
        if (--left == 0) {
            text[--from] = '.';
        }
    }
    do {
        text[--from] = (char)('0' + digits % 10);
        digits /= 10;
    } while (digits > 0);
    if (value < 0 && scaled > 0) {
        text[--from] = '-';
    }
    memcpy(at, text + from, sizeof text - from);
    return at + (sizeof text - from);
}

/* A number with at most so many decimals, none that say nothing. Much faster
 * than the shortest form, and what is beyond them nobody measured. */
void query_print_fixed(struct buf *out, double value, int decimals)
{
    assert(decimals >= 0 && decimals <= 8);
    if (is_fixed(value)) {
        char text[FIXED_BYTES];
        buf_add(out, text, (size_t)(write_fixed(text, value, decimals) - text));
    } else if (isfinite(value)) {
        json_write_double(out, value);
    } else {
        buf_add_text(out, "null");
    }
}

/* "[a,b,c]" */
static void print_list(struct buf *out, const double *values, const int *decimals, size_t count)
{
    bool are_fixed = true;
    for (size_t i = 0; i < count; i++) {
        are_fixed = are_fixed && is_fixed(values[i]);
    }
    char *const start = are_fixed ? (char *)buf_reserve(out, count * (FIXED_BYTES + 1) + 2) : NULL;
    char *at = start;
    if (at != NULL) {
        *at++ = '[';
        for (size_t i = 0; i < count; i++) {
            at = write_fixed(at, values[i], decimals[i]);
            *at++ = ',';
        }
        at[-1] = ']';
        out->size += (size_t)(at - start);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        buf_add_byte(out, i == 0 ? '[' : ',');
        query_print_fixed(out, values[i], decimals[i]);
    }
    buf_add_byte(out, ']');
}

static char *write_count(char *at, uint64_t count)
{
    char text[COUNT_BYTES];
    size_t from = sizeof text;
    do {
        text[--from] = (char)('0' + count % 10);
        count /= 10;
    } while (count > 0);
    memcpy(at, text + from, sizeof text - from);
    return at + (sizeof text - from);
}

static void print_count(struct buf *out, uint64_t count)
{
    char text[COUNT_BYTES];
    buf_add(out, text, (size_t)(write_count(text, count) - text));
}

/* ---- what an answer is printed from ---- */

struct printing {
    const struct query *query;
    const struct query_target *target;
    const struct query_links *links;
    struct buf *out;
    bool is_first; /* of an object's members */
};

static void key(struct printing *p, struct text name)
{
    if (!p->is_first) {
        buf_add_byte(p->out, ',');
    }
    p->is_first = false;
    json_write_text(p->out, name);
    buf_add_byte(p->out, ':');
}

static void key_of(struct printing *p, const char *name)
{
    key(p, text_of(name));
}

static bool is_wanted(const struct printing *p, struct text name)
{
    if (!p->query->has_properties) {
        return true;
    }
    for (size_t i = 0; i < p->query->property_count; i++) {
        if (text_equals(p->query->properties[i], name)) {
            return true;
        }
    }
    return false;
}

static bool want(const struct printing *p, const char *name)
{
    return is_wanted(p, text_of(name));
}

static void metres(struct printing *p, const char *name, double value)
{
    if (want(p, name)) {
        key_of(p, name);
        query_print_fixed(p->out, value, METRE_DECIMALS);
    }
}

/* ---- geometry ---- */

static void print_position(struct printing *p, double x, double y, double base_m)
{
    double lon;
    double lat;
    feature_frame_to_deg(&p->target->index->frame, x, y, &lon, &lat);
    const bool is_yx = query_crs_is_yx(p->query->crs);
    const double values[] = {is_yx ? lat : lon, is_yx ? lon : lat, base_m};
    static const int decimals[] = {DEGREE_DECIMALS, DEGREE_DECIMALS, METRE_DECIMALS};
    print_list(p->out, values, decimals, query_crs_has_z(p->query->crs) ? 3 : 2);
}

/* Polygons: an outer ring and the holes after it. */
static void print_rings(struct printing *p, const struct feature_footprint *footprint,
                        double base_m)
{
    const struct feature_index *index = p->target->index;
    struct feature_footprint_ring ring = {0};
    for (uint32_t r = 0; r < footprint->ring_count; r++) {
        feature_footprint_next(footprint, r, &ring);
        if (r > 0) {
            buf_add_text(p->out, ring.is_hole ? "," : "],[");
        }
        buf_add_byte(p->out, '[');
        for (uint32_t i = 0; i <= ring.point_count && ring.point_count > 0; i++) {
            const struct vec2 at = feature_footprint_point(
                index, footprint, ring.first_point + (i < ring.point_count ? i : 0));
            if (i > 0) {
                buf_add_byte(p->out, ',');
            }
            print_position(p, at.x, at.y, base_m);
        }
        buf_add_byte(p->out, ']');
    }
}

static void print_geometry(struct printing *p, uint32_t row, const struct feature_index_row *about)
{
    if (p->query->skips_geometry) {
        buf_add_text(p->out, "null");
        return;
    }
    const struct feature_footprint footprint =
        feature_index_footprint(p->target->index, about->footprint);
    if (footprint.point_count == 0) {
        const struct box3 box = feature_index_box(p->target->index, row);
        buf_add_text(p->out, "{\"type\":\"Point\",\"coordinates\":");
        print_position(p, (box.min.x + box.max.x) / 2, (box.min.y + box.max.y) / 2, about->base_m);
        buf_add_byte(p->out, '}');
        return;
    }
    buf_add_text(p->out, "{\"type\":\"MultiPolygon\",\"coordinates\":[[");
    print_rings(p, &footprint, about->base_m);
    buf_add_text(p->out, "]]}");
}

static void print_box(struct printing *p, struct box3 box)
{
    const struct feature_frame *frame = &p->target->index->frame;
    static const int decimals[] = {DEGREE_DECIMALS, DEGREE_DECIMALS, METRE_DECIMALS,
                                   DEGREE_DECIMALS, DEGREE_DECIMALS, METRE_DECIMALS};
    static const int flat_decimals[] = {DEGREE_DECIMALS, DEGREE_DECIMALS, DEGREE_DECIMALS,
                                        DEGREE_DECIMALS};
    const bool has_z = query_crs_has_z(p->query->crs);
    const size_t half = has_z ? 3 : 2;
    const size_t x = query_crs_is_yx(p->query->crs) ? 1 : 0;
    double corner[6];
    feature_frame_to_deg(frame, box.min.x, box.min.y, &corner[x], &corner[1 - x]);
    feature_frame_to_deg(frame, box.max.x, box.max.y, &corner[half + x], &corner[half + 1 - x]);
    if (has_z) {
        corner[2] = box.min.z + frame->h0_m;
        corner[5] = box.max.z + frame->h0_m;
    }
    print_list(p->out, corner, has_z ? decimals : flat_decimals, 2 * half);
}

/* ---- properties ---- */

static void print_value(struct buf *out, enum geopackage_type type,
                        const struct geopackage_value *value)
{
    switch (value->kind) {
    case GEOPACKAGE_NULL:
        buf_add_text(out, "null");
        break;
    case GEOPACKAGE_IS_INT:
        if (type == GEOPACKAGE_BOOL) {
            buf_add_text(out, value->integer != 0 ? "true" : "false");
        } else {
            buf_print(out, "%lld", (long long)value->integer);
        }
        break;
    case GEOPACKAGE_IS_REAL:
        if (isfinite(value->real)) {
            json_write_double(out, value->real);
        } else {
            buf_add_text(out, "null");
        }
        break;
    case GEOPACKAGE_IS_TEXT:
        if (text_is_utf8(value->text)) {
            json_write_text(out, value->text);
        } else {
            buf_add_text(out, "null");
        }
        break;
    }
}

static void print_column(void *taker, size_t column, const struct geopackage_value *value)
{
    struct printing *p = taker;
    size_t count;
    const struct geopackage_column *columns = geopackage_columns(p->target->attributes, &count);
    const struct geopackage_column *about = &columns[column];
    if (!is_wanted(p, about->name)) {
        return;
    }
    key(p, about->name);
    const bool is_metres = about->is_builtin && value->kind == GEOPACKAGE_IS_REAL;
    if (is_metres) {
        query_print_fixed(p->out, value->real, METRE_DECIMALS);
    } else {
        print_value(p->out, about->type, value);
    }
}

/* What the index knows without a look at the attributes. */
static void print_index_columns(struct printing *p, const struct feature_index_row *about)
{
    if (want(p, "id")) {
        key_of(p, "id");
        json_write_text(p->out, about->id);
    }
    if (want(p, "class")) {
        key_of(p, "class");
        json_write_text(p->out, about->class_name);
    }
    if (about->parent != FEATURE_INDEX_NONE && want(p, "parent")) {
        struct feature_index_group group;
        feature_index_group(p->target->index, about->parent, &group);
        key_of(p, "parent");
        json_write_text(p->out, group.id);
    }
    metres(p, "base", about->base_m);
    metres(p, "top", about->top_m);
    metres(p, "baseLocal", about->base_local_m);
    metres(p, "topLocal", about->top_local_m);
    metres(p, "height", about->top_m - about->base_m);
    if (about->storeys != STOREYS_UNKNOWN) {
        if (want(p, "storeysAbove")) {
            key_of(p, "storeysAbove");
            print_count(p->out, about->storeys_above);
        }
        if (want(p, "storeysBelow")) {
            key_of(p, "storeysBelow");
            print_count(p->out, about->storeys_below);
        }
        if (want(p, "storeysDerived")) {
            key_of(p, "storeysDerived");
            buf_add_text(p->out, about->storeys == STOREYS_DERIVED ? "true" : "false");
        }
    }
    metres(p, "area", about->footprint_m2);
}

static void print_places(struct printing *p, const struct feature_index_row *about)
{
    const struct feature_index *index = p->target->index;
    if (about->tile != FEATURE_INDEX_NONE && want(p, "tile")) {
        struct feature_index_tile tile;
        feature_index_tile(index, about->tile, &tile);
        key_of(p, "tile");
        json_write_text(p->out, tile.name);
    }
    if (about->merged != FEATURE_INDEX_NONE && want(p, "group")) {
        struct feature_index_group group;
        feature_index_group(index, about->merged, &group);
        key_of(p, "group");
        json_write_text(p->out, group.id);
    }
}

/* From the lowest up: "[-2,-1,1,2,3]". */
static void print_wet_storeys(struct buf *out, uint32_t wet_count, uint32_t below_count)
{
    char *const start = (char *)buf_reserve(out, wet_count * (size_t)(COUNT_BYTES + 2) + 2);
    char *at = start;
    if (at == NULL) {
        return;
    }
    *at++ = '[';
    for (uint32_t i = 0; i < wet_count; i++) {
        if (i > 0) {
            *at++ = ',';
        }
        if (i < below_count) {
            *at++ = '-';
        }
        at = write_count(at, i < below_count ? below_count - i : i - below_count + 1);
    }
    *at++ = ']';
    out->size += (size_t)(at - start);
}

static void print_water(struct printing *p, const struct feature_index_row *about,
                        const struct query_depth *water)
{
    if (is_wanted(p, p->query->depth_field) || want(p, "depth")) {
        key(p, p->query->depth_field);
        query_print_fixed(p->out, water->depth_m, METRE_DECIMALS);
    }
    if (want(p, "wetStoreys")) {
        key_of(p, "wetStoreys");
        print_wet_storeys(p->out, water->wet_count, about->storeys_below);
    }
    if (want(p, "dryStoreys")) {
        key_of(p, "dryStoreys");
        print_count(p->out, water->dry_count);
    }
}

/* Of a flood, which may find the whole city, attributes are only looked up when
 * some are named. */
static bool wants_attributes(const struct printing *p)
{
    if (p->target->attributes == NULL) {
        return false;
    }
    if (!p->query->has_properties) {
        return p->query->kind != QUERY_FLOOD;
    }
    for (size_t i = 0; i < p->query->property_count; i++) {
        if (!query_is_own_property(p->query->properties[i])) {
            return true;
        }
    }
    return false;
}

static bool print_properties(struct printing *p, const struct query_hit *hit,
                             const struct feature_index_row *about, struct err *err)
{
    const bool is_near = p->query->kind == QUERY_RADIUS || p->query->kind == QUERY_NEAREST ||
                         p->query->kind == QUERY_RAY;
    bool found = false;
    buf_add_byte(p->out, '{');
    p->is_first = true;
    if (wants_attributes(p)) {
        if (!geopackage_row(p->target->attributes, hit->row, print_column, p, &found, err)) {
            return false;
        }
    }
    if (!found) {
        print_index_columns(p, about);
    }
    print_places(p, about);
    if (is_near) {
        metres(p, "distance", hit->distance_m);
    }
    if (p->query->kind == QUERY_FLOOD) {
        print_water(p, about, &hit->water);
    }
    buf_add_byte(p->out, '}');
    return true;
}

/* ---- links ---- */

static bool print_link(struct printing *p, bool is_first, const char *rel, const char *type,
                       struct text url, struct text tail)
{
    if (url.size == 0) {
        return is_first;
    }
    buf_print(p->out, "%s{\"rel\":\"%s\",\"type\":\"%s\",\"href\":\"", is_first ? "" : ",", rel,
              type);
    buf_add(p->out, url.data, url.size);
    for (size_t i = 0; i < tail.size; i++) {
        const unsigned char c = (unsigned char)tail.data[i];
        const bool is_plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                              (c >= 'a' && c <= 'z') || strchr("-._~/", c) != NULL;
        if (is_plain && c != 0) {
            buf_add_byte(p->out, c);
        } else {
            buf_print(p->out, "%%%02X", c);
        }
    }
    buf_add_text(p->out, "\"}");
    return false;
}

static const char *tile_type(struct text name)
{
    const bool is_b3dm = name.size > 5 && memcmp(name.data + name.size - 5, ".b3dm", 5) == 0;
    return is_b3dm ? "application/octet-stream" : "model/gltf-binary";
}

static void print_item_links(struct printing *p, const struct feature_index_row *about)
{
    const struct query_links *links = p->links;
    if (links->item.size == 0 && links->tile.size == 0) {
        return;
    }
    key_of(p, "links");
    buf_add_byte(p->out, '[');
    bool is_first = print_link(p, true, "self", "application/geo+json", links->item,
                               links->item.size > 0 ? about->id : (struct text){"", 0});
    if (about->tile != FEATURE_INDEX_NONE) {
        struct feature_index_tile tile;
        feature_index_tile(p->target->index, about->tile, &tile);
        is_first = print_link(p, is_first, "http://www.opengis.net/def/rel/ogc/1.0/3d-tiles",
                              tile_type(tile.name), links->tile, tile.name);
    }
    if (about->parent != FEATURE_INDEX_NONE) {
        struct feature_index_group group;
        feature_index_group(p->target->index, about->parent, &group);
        print_link(p, is_first, "up", "application/geo+json", links->item, group.id);
    }
    buf_add_byte(p->out, ']');
}

/* ---- features ---- */

static bool print_feature(struct printing *p, const struct query_hit *hit, struct err *err)
{
    struct feature_index_row about;
    feature_index_row(p->target->index, hit->row, &about);
    buf_add_text(p->out, "{\"type\":\"Feature\",\"id\":");
    json_write_text(p->out, about.id);
    buf_add_text(p->out, ",\"bbox\":");
    print_box(p, feature_index_box(p->target->index, hit->row));
    buf_add_text(p->out, ",\"geometry\":");
    print_geometry(p, hit->row, &about);
    buf_add_text(p->out, ",\"properties\":");
    if (!print_properties(p, hit, &about, err)) {
        return false;
    }
    p->is_first = false;
    print_item_links(p, &about);
    buf_add_byte(p->out, '}');
    return true;
}

static void print_sums(struct printing *p, const struct query_sums *sums)
{
    p->is_first = true;
    buf_add_byte(p->out, '{');
    key_of(p, "level");
    query_print_fixed(p->out, p->query->level_m, METRE_DECIMALS);
    key_of(p, "datum");
    json_write_text(p->out,
                    p->query->is_ellipsoidal ? text_of("ellipsoid") : p->target->index->datum);
    key_of(p, "buildings");
    print_count(p->out, sums->buildings);
    key_of(p, "wetStoreys");
    print_count(p->out, sums->wet_storeys);
    key_of(p, "dryStoreys");
    print_count(p->out, sums->dry_storeys);
    key_of(p, "areaWet");
    query_print_fixed(p->out, sums->wet_footprint_m2, 1);
    key_of(p, "floorAreaWet");
    query_print_fixed(p->out, sums->wet_floor_m2, 1);
    key_of(p, "depthMax");
    query_print_fixed(p->out, sums->depth_max_m, METRE_DECIMALS);
    for (size_t i = 0; i < p->query->sum_count; i++) {
        if (i == 0) {
            key_of(p, "sums");
            buf_add_byte(p->out, '{');
            p->is_first = true;
        }
        key(p, p->query->sums[i]->name);
        json_write_double(p->out, sums->attribute[i]);
    }
    buf_add_text(p->out, p->query->sum_count > 0 ? "}}" : "}");
    p->is_first = false;
}

static void print_counts(struct printing *p, const struct query_result *result)
{
    const struct query_links *links = p->links;
    key_of(p, "numberMatched");
    print_count(p->out, result->matched_count);
    key_of(p, "numberReturned");
    print_count(p->out, result->hit_count);
    if (links->time_stamp.size > 0) {
        key_of(p, "timeStamp");
        json_write_text(p->out, links->time_stamp);
    }
    if (p->query->kind == QUERY_FLOOD) {
        key_of(p, "summary");
        print_sums(p, &result->sums);
    }
    if (links->self.size > 0) {
        const struct text none = {"", 0};
        const char *type = query_media_type(p->query->format);
        key_of(p, "links");
        buf_add_byte(p->out, '[');
        print_link(p, true, "self", type, links->self, none);
        if (result->has_next) {
            print_link(p, false, "next", type, links->next, none);
        }
        buf_add_byte(p->out, ']');
    }
}

/* The hits from page->next on, `most` of them at most. */
static bool print_hits(struct printing *p, const struct query_result *result,
                       struct query_page *page, size_t most, struct err *err)
{
    for (size_t i = 0; i < most && page->next < result->hit_count; i++, page->next++) {
        const struct query_hit *hit = &result->hits[page->next];
        buf_add_text(p->out, page->next > 0 ? ",\n" : "\n");
        if (p->query->format == QUERY_GEOJSON) {
            if (!print_feature(p, hit, err)) {
                return false;
            }
        } else {
            struct feature_index_row about;
            feature_index_row(p->target->index, hit->row, &about);
            if (!print_properties(p, hit, &about, err)) {
                return false;
            }
        }
    }
    return true;
}

static bool print_page(struct printing *p, const struct query_result *result,
                       struct query_page *page, size_t most, struct err *err)
{
    const bool is_geojson = p->query->format == QUERY_GEOJSON;
    if (!page->has_begun && is_geojson) {
        buf_add_text(p->out, "{\"type\":\"FeatureCollection\"");
        p->is_first = false;
        print_counts(p, result);
        buf_add_text(p->out, ",\"features\":[");
    } else if (!page->has_begun) {
        buf_add_byte(p->out, '[');
    }
    page->has_begun = true;
    if (!print_hits(p, result, page, most, err)) {
        return false;
    }
    if (page->next == result->hit_count) {
        buf_add_text(p->out, is_geojson ? "\n]}\n" : "\n]\n");
        page->is_over = true;
    }
    return true;
}

bool query_print_page(const struct query *query, const struct query_target *target,
                      const struct query_result *result, const struct query_links *links,
                      struct query_page *page, size_t most, struct buf *out, struct err *err)
{
    struct printing p = {.query = query, .target = target, .links = links, .out = out};
    assert(query_format_has_pages(query->format) && !page->is_over);
    return print_page(&p, result, page, most, err);
}

/* There may be a hundred thousand, and they lie in the order of the alphabet. */
static void print_ids(struct printing *p, const struct query_result *result)
{
    enum { AHEAD = 16 };
    const struct feature_index *index = p->target->index;
    buf_add_byte(p->out, '{');
    p->is_first = true;
    print_counts(p, result);
    buf_add_text(p->out, ",\"ids\":[");
    for (size_t i = 0; i < result->hit_count; i++) {
        if (i > 0) {
            buf_add_byte(p->out, ',');
        }
        if (i + AHEAD < result->hit_count) {
            __builtin_prefetch(feature_index_id(index, result->hits[i + AHEAD].row).data);
        }
        json_write_text(p->out, feature_index_id(index, result->hits[i].row));
    }
    buf_add_text(p->out, "]}\n");
}

bool query_print(const struct query *query, const struct query_target *target,
                 const struct query_result *result, const struct query_links *links,
                 struct arena *request, struct buf *out, struct err *err)
{
    struct printing p = {.query = query, .target = target, .links = links, .out = out};
    struct query_page whole = {.next = 0};
    switch (query->format) {
    case QUERY_GEOJSON:
    case QUERY_ATTRIBUTES:
        return print_page(&p, result, &whole, SIZE_MAX, err);
    case QUERY_IDS:
        print_ids(&p, result);
        break;
    case QUERY_STYLE:
        return query_paint_style(target, result, request, out, err);
    case QUERY_BITSET:
        query_paint_bitset(target, result, out);
        break;
    }
    return true;
}

/* ---- one feature ---- */

static bool print_row(struct printing *p, uint32_t row, struct err *err)
{
    const struct query_hit hit = {.row = row};
    if (p->query->format == QUERY_ATTRIBUTES) {
        struct feature_index_row about;
        feature_index_row(p->target->index, row, &about);
        return print_properties(p, &hit, &about, err);
    }
    return print_feature(p, &hit, err);
}

/* What is below a group, to be listed and measured. */
struct listing {
    struct printing *p;
    struct box3 box;
    uint64_t count;
    bool is_printing;
};

static void list_member(struct listing *l, struct text id)
{
    if (l->is_printing) {
        buf_add_text(l->p->out, l->count > 0 ? "," : "");
        json_write_text(l->p->out, id);
    }
    l->count++;
}

static void list_members(struct listing *l, const struct feature_index_group *group, int depth)
{
    const struct feature_index *index = l->p->target->index;
    for (uint32_t i = 0; i < group->count; i++) {
        bool is_group;
        const uint32_t member = feature_index_member(index, group->first + i, &is_group);
        if (member == FEATURE_INDEX_NONE) {
            continue;
        }
        if (!is_group) {
            box3_join(&l->box, feature_index_box(index, member));
            list_member(l, feature_index_id(index, member));
            continue;
        }
        struct feature_index_group inner;
        feature_index_group(index, member, &inner);
        if (l->is_printing || depth > 0) {
            list_member(l, inner.id);
        }
        if (!l->is_printing && depth > 0) {
            list_members(l, &inner, depth - 1);
        }
    }
}

static void print_group(struct printing *p, const struct feature_index_group *group)
{
    enum { DEPTH_MOST = 16 };
    struct listing measured = {.p = p, .box = box3_empty()};
    struct listing listed = {.p = p, .box = box3_empty(), .is_printing = true};
    const bool is_flat = p->query->format == QUERY_ATTRIBUTES;
    list_members(&measured, group, DEPTH_MOST);
    if (!is_flat) {
        buf_add_text(p->out, "{\"type\":\"Feature\",\"id\":");
        json_write_text(p->out, group->id);
        if (!box3_is_empty(measured.box)) {
            const struct vec3 middle = box3_center(measured.box);
            const double base_m = measured.box.min.z + p->target->index->frame.h0_m;
            buf_add_text(p->out, ",\"bbox\":");
            print_box(p, measured.box);
            buf_add_text(p->out, ",\"geometry\":{\"type\":\"Point\",\"coordinates\":");
            print_position(p, middle.x, middle.y, base_m);
            buf_add_byte(p->out, '}');
        } else {
            buf_add_text(p->out, ",\"geometry\":null");
        }
        buf_add_text(p->out, ",\"properties\":");
    }
    buf_add_byte(p->out, '{');
    p->is_first = true;
    key_of(p, "id");
    json_write_text(p->out, group->id);
    key_of(p, "kind");
    buf_add_text(p->out, group->kind == FEATURE_GROUP_MERGED ? "\"merged\"" : "\"parent\"");
    key_of(p, "members");
    buf_add_byte(p->out, '[');
    list_members(&listed, group, 0);
    buf_add_text(p->out, is_flat ? "]}" : "]}}");
}

bool query_print_item(const struct query *query, const struct query_target *target, struct text id,
                      const struct query_links *links, struct arena *request, struct buf *out,
                      bool *out_found, struct err *err)
{
    struct printing p = {.query = query, .target = target, .links = links, .out = out};
    const uint32_t row = feature_index_find(target->index, id);
    (void)request;
    *out_found = true;
    if (row != FEATURE_INDEX_NONE) {
        const bool ok = print_row(&p, row, err);
        buf_add_byte(out, '\n');
        return ok;
    }
    for (int kind = FEATURE_GROUP_MERGED; kind >= FEATURE_GROUP_PARENT; kind--) {
        const uint32_t number =
            feature_index_find_group(target->index, id, (enum feature_group_kind)kind);
        if (number != FEATURE_INDEX_NONE) {
            struct feature_index_group group;
            feature_index_group(target->index, number, &group);
            print_group(&p, &group);
            buf_add_byte(out, '\n');
            return true;
        }
    }
    *out_found = false;
    return true;
}

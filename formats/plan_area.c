/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/plan_area.h"

#include <assert.h>
#include <math.h>
#include <strings.h>

#include "formats/feature_index_internal.h"
#include "formats/json_tree.h"
#include "formats/number.h"

/* ---- reading ---- */

struct reading {
    struct text text;
    size_t at;
    bool is_yx;
    struct vec2 *points;
    size_t room;
    size_t count;
    uint32_t *ends;
    uint32_t ring_count;
    struct err *err;
};

static bool fail(const struct reading *r, enum err_code code, const char *what)
{
    err_set(r->err, code, "%s", what);
    err_at_line(r->err, 1, (uint32_t)r->at + 1);
    return false;
}

static void skip_spaces(struct reading *r)
{
    while (r->at < r->text.size && strchr(" \t\r\n", r->text.data[r->at]) != NULL &&
           r->text.data[r->at] != '\0') {
        r->at++;
    }
}

static bool take(struct reading *r, char wanted)
{
    skip_spaces(r);
    if (r->at < r->text.size && r->text.data[r->at] == wanted) {
        r->at++;
        return true;
    }
    return false;
}

static bool take_word(struct reading *r, const char *word)
{
    skip_spaces(r);
    const size_t size = strlen(word);
    if (r->text.size - r->at < size || strncasecmp(r->text.data + r->at, word, size) != 0) {
        return false;
    }
    const char after = r->at + size < r->text.size ? r->text.data[r->at + size] : '(';
    if ((after >= 'A' && after <= 'Z') || (after >= 'a' && after <= 'z')) {
        return false;
    }
    r->at += size;
    return true;
}

static bool take_number(struct reading *r, double *out)
{
    skip_spaces(r);
    const struct text rest = {r->text.data + r->at, r->text.size - r->at};
    const size_t size = number_read(rest, out);
    r->at += size;
    return size > 0 && isfinite(*out);
}

static bool add_point(struct reading *r, double first, double second)
{
    const struct vec2 point =
        r->is_yx ? (struct vec2){second, first} : (struct vec2){first, second};
    if (!(fabs(point.x) <= 360) || !(fabs(point.y) <= 90)) {
        return fail(r, ERR_GEOMETRY, "no longitude and latitude in degrees");
    }
    if (r->count == r->room) {
        return fail(r, ERR_LIMIT, "more than 10000 points");
    }
    r->points[r->count++] = point;
    return true;
}

/* "x y", "x y z", "x y z m" */
static bool read_position(struct reading *r)
{
    double value[2];
    double ignored;
    if (!take_number(r, &value[0]) || !take_number(r, &value[1])) {
        return fail(r, ERR_SYNTAX, "a pair of numbers should stand here");
    }
    const size_t before = r->at;
    if (take_number(r, &ignored)) {
        const size_t third = r->at;
        if (!take_number(r, &ignored)) {
            r->at = third;
        }
    } else {
        r->at = before;
    }
    return add_point(r, value[0], value[1]);
}

static bool end_ring(struct reading *r)
{
    const size_t first = r->ring_count == 0 ? 0 : r->ends[r->ring_count - 1];
    if (r->count - first > 1 && r->points[first].x == r->points[r->count - 1].x &&
        r->points[first].y == r->points[r->count - 1].y) {
        r->count--;
    }
    if (r->count - first < 3) {
        return fail(r, ERR_GEOMETRY, "a ring needs three points");
    }
    r->ends[r->ring_count++] = (uint32_t)r->count;
    return true;
}

static bool read_ring(struct reading *r)
{
    if (!take(r, '(')) {
        return fail(r, ERR_SYNTAX, "'(' should stand here");
    }
    do {
        if (!read_position(r)) {
            return false;
        }
    } while (take(r, ','));
    return take(r, ')') ? end_ring(r) : fail(r, ERR_SYNTAX, "',' or ')' should stand here");
}

static bool read_polygon(struct reading *r)
{
    if (!take(r, '(')) {
        return fail(r, ERR_SYNTAX, "'(' should stand here");
    }
    do {
        if (!read_ring(r)) {
            return false;
        }
    } while (take(r, ','));
    return take(r, ')') || fail(r, ERR_SYNTAX, "',' or ')' should stand here");
}

static bool read_multipolygon(struct reading *r)
{
    if (!take(r, '(')) {
        return fail(r, ERR_SYNTAX, "'(' should stand here");
    }
    do {
        if (!read_polygon(r)) {
            return false;
        }
    } while (take(r, ','));
    return take(r, ')') || fail(r, ERR_SYNTAX, "',' or ')' should stand here");
}

static bool add_rectangle(struct reading *r, double west, double south, double east, double north)
{
    r->is_yx = false; /* settled */
    return add_point(r, west, south) && add_point(r, east, south) && add_point(r, east, north) &&
           add_point(r, west, north) && end_ring(r);
}

/* BBOX(first low, second low, [height], first high, second high, [height]), or
 * ENVELOPE(first low, first high, second low, second high). */
static bool read_box(struct reading *r, bool is_envelope)
{
    double value[6];
    size_t count = 0;
    if (!take(r, '(')) {
        return fail(r, ERR_SYNTAX, "'(' should stand here");
    }
    do {
        if (count == 6 || !take_number(r, &value[count++])) {
            return fail(r, ERR_SYNTAX, "a box has four or six numbers");
        }
    } while (take(r, ','));
    if ((count != 4 && (count != 6 || is_envelope)) || !take(r, ')')) {
        return fail(r, ERR_SYNTAX, "a box has four or six numbers");
    }
    const size_t half = count / 2;
    double low[2] = {value[0], is_envelope ? value[2] : value[1]};
    double high[2] = {is_envelope ? value[1] : value[half],
                      is_envelope ? value[3] : value[half + 1]};
    const int x = r->is_yx ? 1 : 0;
    if (low[1 - x] > high[1 - x]) {
        return fail(r, ERR_GEOMETRY, "the box's south lies north of its north");
    }
    if (low[x] > high[x]) {
        return add_rectangle(r, low[x], low[1 - x], 180, high[1 - x]) &&
               add_rectangle(r, -180, low[1 - x], high[x], high[1 - x]);
    }
    return add_rectangle(r, low[x], low[1 - x], high[x], high[1 - x]);
}

static void skip_dimension(struct reading *r)
{
    if (!take_word(r, "ZM") && !take_word(r, "Z")) {
        (void)take_word(r, "M");
    }
}

static bool read_wkt(struct reading *r)
{
    if (take_word(r, "POINT")) {
        skip_dimension(r);
        if (!take(r, '(')) {
            return fail(r, ERR_SYNTAX, "'(' should stand here");
        }
        r->ends[r->ring_count++] = 1;
        return read_position(r) && (take(r, ')') || fail(r, ERR_SYNTAX, "')' should stand here"));
    }
    if (take_word(r, "POLYGON")) {
        skip_dimension(r);
        return read_polygon(r);
    }
    if (take_word(r, "MULTIPOLYGON")) {
        skip_dimension(r);
        return read_multipolygon(r);
    }
    if (take_word(r, "BBOX")) {
        return read_box(r, false);
    }
    if (take_word(r, "ENVELOPE")) {
        return read_box(r, true);
    }
    return fail(r, ERR_SYNTAX, "POINT, POLYGON, MULTIPOLYGON or BBOX should stand here");
}

/* ---- GeoJSON ---- */

static bool add_json_position(struct reading *r, const struct json_tree *position)
{
    const struct json_tree *x = json_tree_element(position, 0);
    const struct json_tree *y = json_tree_element(position, 1);
    if (!json_tree_is(x, JSON_NUMBER) || !json_tree_is(y, JSON_NUMBER)) {
        return fail(r, ERR_SYNTAX, "a GeoJSON position is an array of numbers");
    }
    return add_point(r, x->number, y->number);
}

static bool read_json_polygon(struct reading *r, const struct json_tree *rings)
{
    if (!json_tree_is(rings, JSON_ARRAY) || rings->child_count == 0) {
        return fail(r, ERR_SYNTAX, "a GeoJSON polygon is an array of rings");
    }
    for (uint32_t i = 0; i < rings->child_count; i++) {
        const struct json_tree *ring = &rings->children[i];
        if (!json_tree_is(ring, JSON_ARRAY)) {
            return fail(r, ERR_SYNTAX, "a GeoJSON ring is an array of positions");
        }
        for (uint32_t p = 0; p < ring->child_count; p++) {
            if (!add_json_position(r, &ring->children[p])) {
                return false;
            }
        }
        if (!end_ring(r)) {
            return false;
        }
    }
    return true;
}

static bool read_json(struct reading *r, struct arena *request)
{
    const struct json_tree *root;
    const struct span bytes = {(const uint8_t *)r->text.data, r->text.size};
    if (!json_tree_read(bytes, request, &root, r->err)) {
        return false;
    }
    r->at = r->text.size;
    const struct json_tree *inner = json_tree_find(root, "geometry");
    root = json_tree_is(inner, JSON_OBJECT) ? inner : root;
    const struct json_tree *type = json_tree_find(root, "type");
    const struct json_tree *coordinates = json_tree_find(root, "coordinates");
    if (json_tree_is_text(type, "Point")) {
        r->ends[r->ring_count++] = 1;
        return add_json_position(r, coordinates);
    }
    if (json_tree_is_text(type, "Polygon")) {
        return read_json_polygon(r, coordinates);
    }
    if (json_tree_is_text(type, "MultiPolygon") && json_tree_is(coordinates, JSON_ARRAY) &&
        coordinates->child_count > 0) {
        for (uint32_t i = 0; i < coordinates->child_count; i++) {
            if (!read_json_polygon(r, &coordinates->children[i])) {
                return false;
            }
        }
        return true;
    }
    return fail(r, ERR_SYNTAX, "a GeoJSON Point, Polygon or MultiPolygon should stand here");
}

bool plan_area_read(struct text text, bool is_yx, struct arena *request, struct plan_area *out,
                    size_t *out_bytes, struct err *err)
{
    size_t most = 16; /* a box has eight points and few separators */
    for (size_t i = 0; i < text.size && most < PLAN_AREA_POINTS_MAX + 16; i++) {
        most += text.data[i] == ',';
    }
    struct reading r = {
        .text = text,
        .is_yx = is_yx,
        .points = arena_array(request, struct vec2, most),
        .room = most < PLAN_AREA_POINTS_MAX ? most : PLAN_AREA_POINTS_MAX,
        .ends = arena_array(request, uint32_t, most),
        .err = err,
    };
    if (r.points == NULL || r.ends == NULL) {
        return arena_full(request, err);
    }
    skip_spaces(&r);
    const bool is_json = r.at < text.size && text.data[r.at] == '{';
    if (is_json ? !read_json(&r, request) : !read_wkt(&r)) {
        return false;
    }
    if (out_bytes != NULL) {
        *out_bytes = r.at;
    } else {
        skip_spaces(&r);
        if (r.at != text.size) {
            return fail(&r, ERR_SYNTAX, "something follows the geometry");
        }
    }
    *out = (struct plan_area){r.points, r.ends, r.ring_count};
    return true;
}

bool plan_area_is_point(const struct plan_area *area)
{
    return area->ring_count == 1 && area->ring_ends[0] == 1;
}

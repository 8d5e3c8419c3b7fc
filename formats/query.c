/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/query.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>

#include "formats/json.h"
#include "formats/number.h"
#include "formats/query_internal.h"

/* ---- words ---- */

static const char *const kind_names[QUERY_KIND_COUNT] = {"items",   "position", "radius", "area",
                                                         "nearest", "ray",      "flood"};

const char *query_kind_name(enum query_kind kind)
{
    return kind_names[kind];
}

bool query_kind_read(struct text word, enum query_kind *out)
{
    for (int i = 0; i < QUERY_KIND_COUNT; i++) {
        if (text_is(word, kind_names[i])) {
            *out = (enum query_kind)i;
            return true;
        }
    }
    return false;
}

static const struct {
    const char *name;
    enum query_crs crs;
} crs_names[] = {
    {"http://www.opengis.net/def/crs/OGC/1.3/CRS84", QUERY_CRS84},
    {"http://www.opengis.net/def/crs/OGC/0/CRS84h", QUERY_CRS84H},
    {"http://www.opengis.net/def/crs/EPSG/0/4326", QUERY_EPSG4326},
    {"http://www.opengis.net/def/crs/EPSG/0/4979", QUERY_EPSG4979},
    {"http://www.opengis.net/def/crs/EPSG/0/4490", QUERY_EPSG4490},
    {"https://www.opengis.net/def/crs/OGC/1.3/CRS84", QUERY_CRS84},
    {"https://www.opengis.net/def/crs/OGC/0/CRS84h", QUERY_CRS84H},
    {"https://www.opengis.net/def/crs/EPSG/0/4326", QUERY_EPSG4326},
    {"https://www.opengis.net/def/crs/EPSG/0/4979", QUERY_EPSG4979},
    {"https://www.opengis.net/def/crs/EPSG/0/4490", QUERY_EPSG4490},
    {"http://www.opengis.net/def/crs/OGC/0/CRS84", QUERY_CRS84},
    {"http://www.opengis.net/def/crs/OGC/1.3/CRS84h", QUERY_CRS84H},
    {"urn:ogc:def:crs:OGC:1.3:CRS84", QUERY_CRS84},
    {"urn:ogc:def:crs:OGC::CRS84", QUERY_CRS84},
    {"urn:ogc:def:crs:OGC::CRS84h", QUERY_CRS84H},
    {"urn:ogc:def:crs:OGC:0:CRS84h", QUERY_CRS84H},
    {"urn:ogc:def:crs:EPSG::4326", QUERY_EPSG4326},
    {"urn:ogc:def:crs:EPSG::4979", QUERY_EPSG4979},
    {"urn:ogc:def:crs:EPSG::4490", QUERY_EPSG4490},
    {"CRS84", QUERY_CRS84},
    {"CRS84h", QUERY_CRS84H},
    {"OGC:CRS84", QUERY_CRS84},
    {"OGC:CRS84h", QUERY_CRS84H},
    {"EPSG:4326", QUERY_EPSG4326},
    {"EPSG:4979", QUERY_EPSG4979},
    {"EPSG:4490", QUERY_EPSG4490},
};

bool query_crs_read(struct text text, enum query_crs *out)
{
    if (text.size >= 2 && (text.data[0] == '<' || text.data[0] == '[') &&
        text.data[text.size - 1] == (text.data[0] == '<' ? '>' : ']')) {
        text = (struct text){text.data + 1, text.size - 2};
    }
    for (size_t i = 0; i < sizeof crs_names / sizeof crs_names[0]; i++) {
        if (text_is(text, crs_names[i].name)) {
            *out = crs_names[i].crs;
            return true;
        }
    }
    return false;
}

const char *query_crs_uri(enum query_crs crs)
{
    static const char *const uris[] = {
        [QUERY_CRS84] = "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
        [QUERY_CRS84H] = "http://www.opengis.net/def/crs/OGC/0/CRS84h",
        [QUERY_EPSG4326] = "http://www.opengis.net/def/crs/EPSG/0/4326",
        [QUERY_EPSG4979] = "http://www.opengis.net/def/crs/EPSG/0/4979",
        [QUERY_EPSG4490] = "http://www.opengis.net/def/crs/EPSG/0/4490",
    };
    return uris[crs];
}

bool query_crs_is_yx(enum query_crs crs)
{
    return crs == QUERY_EPSG4326 || crs == QUERY_EPSG4979 || crs == QUERY_EPSG4490;
}

bool query_crs_has_z(enum query_crs crs)
{
    return crs == QUERY_CRS84H || crs == QUERY_EPSG4979;
}

/* ---- values ---- */

/* What setting one parameter needs. */
struct setting {
    struct query *query;
    const struct query_target *target;
    struct arena *request;
    struct text value;
};

static bool keep(struct setting *s, struct text from, struct text *out, struct err *err)
{
    char *copy = arena_array(s->request, char, from.size + 1);
    if (copy == NULL) {
        return arena_full(s->request, err);
    }
    if (from.size > 0) {
        memcpy(copy, from.data, from.size);
    }
    *out = (struct text){copy, from.size};
    return true;
}

static struct text next_part(struct text *rest)
{
    const char *comma = rest->size == 0 ? NULL : memchr(rest->data, ',', rest->size);
    const size_t size = comma == NULL ? rest->size : (size_t)(comma - rest->data);
    const struct text part = {rest->data, size};
    const size_t taken = comma == NULL ? size : size + 1;
    rest->data += taken;
    rest->size -= taken;
    return part;
}

static size_t count_parts(struct text text)
{
    size_t count = 1;
    for (size_t i = 0; i < text.size; i++) {
        count += text.data[i] == ',';
    }
    return count;
}

static bool split(struct setting *s, size_t most, const struct text **out, size_t *out_count,
                  struct err *err)
{
    const size_t count = count_parts(s->value);
    if (count > most) {
        return err_set(err, ERR_LIMIT, "%zu values; %zu are the most", count, most);
    }
    struct text rest;
    struct text *parts = arena_array(s->request, struct text, count);
    if (parts == NULL) {
        return arena_full(s->request, err);
    }
    if (!keep(s, s->value, &rest, err)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        parts[i] = next_part(&rest);
        if (parts[i].size == 0) {
            return err_set(err, ERR_SYNTAX, "an empty value among others");
        }
    }
    *out = parts;
    *out_count = count;
    return true;
}

static bool read_number(struct text text, double *out, struct err *err)
{
    return (number_is(text, out) && isfinite(*out)) ||
           err_set(err, ERR_SYNTAX, "'%.*s' is no number", (int)(text.size < 40 ? text.size : 40),
                   text.data);
}

static bool read_count(struct text text, uint64_t most, uint64_t *out, struct err *err)
{
    uint64_t value = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || i > 18) {
            return err_set(err, ERR_SYNTAX, "'%.*s' is no count",
                           (int)(text.size < 40 ? text.size : 40), text.data);
        }
        value = 10 * value + (uint64_t)(text.data[i] - '0');
    }
    if (text.size == 0) {
        return err_set(err, ERR_SYNTAX, "a number should stand here");
    }
    *out = value < most ? value : most;
    return true;
}

static bool need_attributes(const struct setting *s, struct err *err)
{
    return s->target->attributes != NULL ||
           err_set(err, ERR_UNSUPPORTED, "this package has no attributes to ask");
}

/* ---- parameters ---- */

static bool set_bbox(struct setting *s, struct err *err)
{
    const size_t count = count_parts(s->value);
    double value[6];
    struct text rest = s->value;
    if (count != 4 && count != 6) {
        return err_set(err, ERR_SYNTAX, "four or six numbers, but there are %zu", count);
    }
    for (size_t i = 0; i < count; i++) {
        if (!read_number(next_part(&rest), &value[i], err)) {
            return false;
        }
    }
    const size_t half = count / 2;
    s->query->has_bbox = true;
    s->query->bbox_has_z = count == 6;
    s->query->bbox[0] = value[0];
    s->query->bbox[1] = value[1];
    s->query->bbox[2] = count == 6 ? value[2] : -(double)INFINITY;
    s->query->bbox[3] = value[half];
    s->query->bbox[4] = value[half + 1];
    s->query->bbox[5] = count == 6 ? value[5] : (double)INFINITY;
    return true;
}

static bool read_crs(const struct setting *s, enum query_crs *out, struct err *err)
{
    return query_crs_read(s->value, out) ||
           err_set(err, ERR_UNSUPPORTED,
                   "'%.*s' is not served; CRS84, CRS84h, EPSG:4326, EPSG:4979 and EPSG:4490 are",
                   (int)(s->value.size < 60 ? s->value.size : 60), s->value.data);
}

static bool set_bbox_crs(struct setting *s, struct err *err)
{
    return read_crs(s, &s->query->bbox_crs, err);
}

static bool set_crs(struct setting *s, struct err *err)
{
    return read_crs(s, &s->query->crs, err);
}

static bool set_filter_crs(struct setting *s, struct err *err)
{
    return read_crs(s, &s->query->filter_crs, err);
}

static bool set_filter_lang(struct setting *s, struct err *err)
{
    return text_is(s->value, "cql2-text") || text_is(s->value, "cql2-json") ||
           err_set(err, ERR_UNSUPPORTED, "cql2-text or cql2-json should stand here");
}

static bool set_filter(struct setting *s, struct err *err)
{
    return need_attributes(s, err) && keep(s, s->value, &s->query->filter, err);
}

static bool set_search(struct setting *s, struct err *err)
{
    if (s->value.size > 1024 || !text_is_utf8(s->value)) {
        return err_set(err, ERR_SYNTAX, "words of at most 1024 bytes should stand here");
    }
    return need_attributes(s, err) && keep(s, s->value, &s->query->search, err);
}

static bool set_ids(struct setting *s, struct err *err)
{
    return split(s, QUERY_IDS_MAX, &s->query->ids, &s->query->id_count, err);
}

/* One id: it may have commas in it. */
static bool set_id(struct setting *s, struct err *err)
{
    struct text *one = arena_array(s->request, struct text, 1);
    if (one == NULL) {
        return arena_full(s->request, err);
    }
    s->query->ids = one;
    s->query->id_count = 1;
    return keep(s, s->value, one, err);
}

static bool set_parent(struct setting *s, struct err *err)
{
    return split(s, QUERY_NAMES_MAX, &s->query->parents, &s->query->parent_count, err);
}

static bool set_class(struct setting *s, struct err *err)
{
    return split(s, QUERY_NAMES_MAX, &s->query->classes, &s->query->class_count, err);
}

static bool set_tile(struct setting *s, struct err *err)
{
    return keep(s, s->value, &s->query->tile, err);
}

static bool set_group(struct setting *s, struct err *err)
{
    return keep(s, s->value, &s->query->group, err);
}

static bool set_coords(struct setting *s, struct err *err)
{
    return keep(s, s->value, &s->query->coords, err);
}

static bool set_z(struct setting *s, struct err *err)
{
    const char *slash = s->value.size == 0 ? NULL : memchr(s->value.data, '/', s->value.size);
    struct text low = s->value;
    struct text high = s->value;
    if (slash != NULL) {
        low.size = (size_t)(slash - s->value.data);
        high = (struct text){slash + 1, s->value.size - low.size - 1};
    }
    s->query->has_z = true;
    return read_number(low, &s->query->low_m, err) && read_number(high, &s->query->high_m, err);
}

static bool set_min_z(struct setting *s, struct err *err)
{
    s->query->has_z = true;
    return read_number(s->value, &s->query->low_m, err);
}

static bool set_max_z(struct setting *s, struct err *err)
{
    s->query->has_z = true;
    return read_number(s->value, &s->query->high_m, err);
}

static bool set_within(struct setting *s, struct err *err)
{
    return read_number(s->value, &s->query->within, err) &&
           (s->query->within >= 0 || err_set(err, ERR_SYNTAX, "a distance below zero"));
}

static bool set_within_units(struct setting *s, struct err *err)
{
    static const struct {
        const char *name;
        double metres;
    } units[] = {{"m", 1}, {"km", 1000}, {"ft", 0.3048}, {"mi", 1609.344}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (text_is(s->value, units[i].name)) {
            s->query->within_unit_m = units[i].metres;
            return true;
        }
    }
    return err_set(err, ERR_SYNTAX, "m, km, ft or mi should stand here");
}

static bool set_k(struct setting *s, struct err *err)
{
    uint64_t k;
    if (!read_count(s->value, QUERY_LIMIT_MAX, &k, err)) {
        return false;
    }
    s->query->k = (uint32_t)k;
    return k > 0 || err_set(err, ERR_SCHEMA, "at least 1 should stand here");
}

static bool set_level(struct setting *s, struct err *err)
{
    s->query->has_level = true;
    return read_number(s->value, &s->query->level_m, err);
}

static bool set_datum(struct setting *s, struct err *err)
{
    s->query->is_ellipsoidal = text_is(s->value, "ellipsoid");
    return s->query->is_ellipsoidal || text_is(s->value, "local") ||
           err_set(err, ERR_SYNTAX, "local or ellipsoid should stand here");
}

static bool set_depth_field(struct setting *s, struct err *err)
{
    if (s->value.size == 0 || s->value.size > 64 || !text_is_utf8(s->value)) {
        return err_set(err, ERR_SYNTAX, "a name of at most 64 bytes should stand here");
    }
    return keep(s, s->value, &s->query->depth_field, err);
}

static bool find_column(const struct setting *s, struct text name,
                        const struct geopackage_column **out, struct err *err)
{
    *out = geopackage_column(s->target->attributes, name);
    return *out != NULL || err_set(err, ERR_SCHEMA, "no property '%.*s': see queryables",
                                   (int)(name.size < 60 ? name.size : 60), name.data);
}

static bool set_sum(struct setting *s, struct err *err)
{
    struct text rest = s->value;
    if (!need_attributes(s, err)) {
        return false;
    }
    while (rest.size > 0) {
        const struct geopackage_column *column;
        if (s->query->sum_count == QUERY_SUMS_MAX) {
            return err_set(err, ERR_LIMIT, "more than %d properties", QUERY_SUMS_MAX);
        }
        if (!find_column(s, next_part(&rest), &column, err)) {
            return false;
        }
        if (column->type != GEOPACKAGE_INT && column->type != GEOPACKAGE_REAL) {
            return err_set(err, ERR_SCHEMA, "'%.*s' has no numbers", TEXT_ARGS(column->name));
        }
        s->query->sums[s->query->sum_count++] = column;
    }
    return true;
}

static bool set_sortby(struct setting *s, struct err *err)
{
    struct text rest = s->value;
    if (!need_attributes(s, err)) {
        return false;
    }
    while (rest.size > 0) {
        struct text name = next_part(&rest);
        if (s->query->order_count == GEOPACKAGE_ORDERS_MAX) {
            return err_set(err, ERR_LIMIT, "more than %d properties", GEOPACKAGE_ORDERS_MAX);
        }
        struct geopackage_order *order = &s->query->order[s->query->order_count++];
        if (name.size > 0 && (name.data[0] == '+' || name.data[0] == '-' || name.data[0] == ' ')) {
            order->is_descending = name.data[0] == '-'; /* "+" is a space in a query string */
            name = (struct text){name.data + 1, name.size - 1};
        }
        if (!find_column(s, name, &order->column, err)) {
            return false;
        }
    }
    return true;
}

static bool set_limit(struct setting *s, struct err *err)
{
    s->query->has_limit = true;
    if (!read_count(s->value, QUERY_LIMIT_MAX, &s->query->limit, err)) {
        return false;
    }
    return s->query->limit > 0 || s->query->kind == QUERY_FLOOD ||
           err_set(err, ERR_SCHEMA, "at least 1 should stand here");
}

static bool set_offset(struct setting *s, struct err *err)
{
    return read_count(s->value, UINT32_MAX, &s->query->offset, err);
}

bool query_is_own_property(struct text name)
{
    static const char *const own[] = {"tile",       "group",      "distance", "depth",
                                      "wetStoreys", "dryStoreys", "members"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        if (text_is(name, own[i])) {
            return true;
        }
    }
    return false;
}

static bool set_properties(struct setting *s, struct err *err)
{
    s->query->has_properties = true;
    if (s->value.size == 0) {
        return true;
    }
    if (!split(s, QUERY_NAMES_MAX, &s->query->properties, &s->query->property_count, err)) {
        return false;
    }
    for (size_t i = 0; i < s->query->property_count && s->target->attributes != NULL; i++) {
        const struct geopackage_column *column;
        const struct text name = s->query->properties[i];
        if (!query_is_own_property(name) && !find_column(s, name, &column, err)) {
            return false;
        }
    }
    return true;
}

static bool set_skip_geometry(struct setting *s, struct err *err)
{
    s->query->skips_geometry = text_is(s->value, "true");
    return s->query->skips_geometry || text_is(s->value, "false") ||
           err_set(err, ERR_SYNTAX, "true or false should stand here");
}

static bool set_format(struct setting *s, struct err *err)
{
    static const struct {
        const char *name;
        enum query_format format;
    } formats[] = {{"json", QUERY_GEOJSON},
                   {"geojson", QUERY_GEOJSON},
                   {"application/geo+json", QUERY_GEOJSON},
                   {"attributes", QUERY_ATTRIBUTES},
                   {"ids", QUERY_IDS},
                   {"style", QUERY_STYLE},
                   {"bitset", QUERY_BITSET}};
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        if (text_is(s->value, formats[i].name) &&
            (formats[i].format < QUERY_STYLE || s->query->kind == QUERY_FLOOD)) {
            s->query->format = formats[i].format;
            return true;
        }
    }
    return err_set(err, ERR_UNSUPPORTED, "json, attributes, ids%s should stand here",
                   s->query->kind == QUERY_FLOOD ? ", style or bitset" : "");
}

enum { ALL = (1 << QUERY_KIND_COUNT) - 1, NOT_ITEMS = ALL & ~(1 << QUERY_ITEMS) };
#define ONLY(kind) (1 << (kind))

static const struct {
    const char *name;
    int kinds; /* bits */
    bool (*set)(struct setting *s, struct err *err);
} parameters[] = {
    {"bbox", ALL, set_bbox},
    {"bbox-crs", ALL, set_bbox_crs},
    {"class", ALL, set_class},
    {"coords", NOT_ITEMS, set_coords},
    {"crs", ALL, set_crs},
    {"datum", ONLY(QUERY_FLOOD), set_datum},
    {"depth-field", ONLY(QUERY_FLOOD), set_depth_field},
    {"f", ALL, set_format},
    {"filter", ALL, set_filter},
    {"filter-crs", ALL, set_filter_crs},
    {"filter-lang", ALL, set_filter_lang},
    {"group", ALL, set_group},
    {"id", ALL, set_id},
    {"ids", ALL, set_ids},
    {"k", ONLY(QUERY_NEAREST), set_k},
    {"level", ONLY(QUERY_FLOOD), set_level},
    {"limit", ALL, set_limit},
    {"max-z", ONLY(QUERY_AREA), set_max_z},
    {"min-z", ONLY(QUERY_AREA), set_min_z},
    {"offset", ALL, set_offset},
    {"parent", ALL, set_parent},
    {"properties", ALL, set_properties},
    {"q", ALL, set_search},
    {"skipGeometry", ALL, set_skip_geometry},
    {"sortby", ALL & ~ONLY(QUERY_NEAREST) & ~ONLY(QUERY_RAY), set_sortby},
    {"sum", ONLY(QUERY_FLOOD), set_sum},
    {"tile", ALL, set_tile},
    {"within", ONLY(QUERY_RADIUS) | ONLY(QUERY_NEAREST), set_within},
    {"within-units", ONLY(QUERY_RADIUS) | ONLY(QUERY_NEAREST), set_within_units},
    {"z", ONLY(QUERY_POSITION) | ONLY(QUERY_NEAREST), set_z},
};

enum { PARAMETER_COUNT = sizeof parameters / sizeof parameters[0] };

/* ---- asking ---- */

void query_init(struct query *query, enum query_kind kind)
{
    static_assert(PARAMETER_COUNT <= 64, "a bit for each");
    *query = (struct query){
        .kind = kind,
        .crs = QUERY_CRS84H,
        .low_m = -(double)INFINITY,
        .high_m = (double)INFINITY,
        .within = (double)INFINITY,
        .within_unit_m = 1,
        .k = 1,
        .limit = QUERY_LIMIT_DEFAULT,
        .depth_field = {"depth", 5},
    };
}

static size_t find_parameter(enum query_kind kind, struct text name)
{
    for (size_t i = 0; i < PARAMETER_COUNT; i++) {
        if (text_is(name, parameters[i].name) && (parameters[i].kinds >> kind & 1) != 0) {
            return i;
        }
    }
    return SIZE_MAX;
}

bool query_takes(enum query_kind kind, const struct query_target *target, struct text name)
{
    return find_parameter(kind, name) != SIZE_MAX ||
           (target->attributes != NULL && geopackage_column(target->attributes, name) != NULL);
}

bool query_name_error(struct text name, struct err *err)
{
    char said[sizeof err->message];
    memcpy(said, err->message, sizeof said);
    snprintf(err->message, sizeof err->message, "%.*s: %.120s",
             (int)(name.size < 60 ? name.size : 60), name.data, said);
    return false;
}

static bool set_equals(struct setting *s, struct text name, struct err *err)
{
    const struct geopackage_column *column =
        s->target->attributes == NULL ? NULL : geopackage_column(s->target->attributes, name);
    struct query *query = s->query;
    if (column == NULL) {
        return err_set(err, ERR_SCHEMA, "no such parameter, and no property of that name");
    }
    for (size_t i = 0; i < query->equal_count; i++) {
        if (query->equals[i].column == column) {
            return err_set(err, ERR_SCHEMA, "given twice");
        }
    }
    if (query->equal_count == QUERY_EQUALS_MAX) {
        return err_set(err, ERR_LIMIT, "more than %d properties", QUERY_EQUALS_MAX);
    }
    double number;
    const bool is_number = column->type == GEOPACKAGE_INT || column->type == GEOPACKAGE_REAL;
    if (is_number && !read_number(s->value, &number, err)) {
        return false;
    }
    if (column->type == GEOPACKAGE_BOOL && !text_is(s->value, "true") &&
        !text_is(s->value, "false")) {
        return err_set(err, ERR_SYNTAX, "true or false should stand here");
    }
    struct query_equals *equals = &query->equals[query->equal_count];
    equals->column = column;
    if (!keep(s, s->value, &equals->value, err)) {
        return false;
    }
    query->equal_count++;
    return true;
}

bool query_set(struct query *query, const struct query_target *target, struct text name,
               struct text value, struct arena *request, struct err *err)
{
    struct setting s = {query, target, request, value};
    const size_t i = find_parameter(query->kind, name);
    if (i == SIZE_MAX) {
        return set_equals(&s, name, err) || query_name_error(name, err);
    }
    if ((query->given >> i & 1) != 0) {
        return err_set(err, ERR_SCHEMA, "given twice") || query_name_error(name, err);
    }
    query->given |= (uint64_t)1 << i;
    return parameters[i].set(&s, err) || query_name_error(name, err);
}

/* ---- JSON ---- */

/* Texts of an array, or numbers as they are written. */
static bool read_list(struct json *json, struct arena *request, size_t most, struct text **out,
                      size_t *out_count, struct err *err)
{
    struct json scan = *json;
    size_t count = 0;
    bool is_end = false;
    if (!json_enter(&scan, JSON_ARRAY, err)) {
        return false;
    }
    while (json_next_element(&scan, &is_end, err) && !is_end) {
        if (++count > most) {
            return err_set(err, ERR_LIMIT, "more than %zu values", most);
        }
        if (!json_skip(&scan, err)) {
            return false;
        }
    }
    if (!is_end) {
        return false;
    }
    struct text *list = arena_array(request, struct text, count + 1);
    if (list == NULL) {
        return arena_full(request, err);
    }
    if (!json_enter(json, JSON_ARRAY, err)) {
        return false;
    }
    for (size_t i = 0;; i++) {
        if (!json_next_element(json, &is_end, err)) {
            return false;
        }
        if (is_end) {
            break;
        }
        struct json_string string;
        const bool ok = json_peek(json) == JSON_STRING
                            ? json_string(json, &string, err) &&
                                  json_string_text(string, request, &list[i], err)
                            : json_compact(json, request, &list[i], err);
        if (!ok) {
            return false;
        }
    }
    *out = list;
    *out_count = count;
    return true;
}

static bool join(const struct text *list, size_t count, struct arena *request, struct text *out,
                 struct err *err)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        size += list[i].size + 1;
    }
    char *joined = arena_array(request, char, size + 1);
    if (joined == NULL) {
        return arena_full(request, err);
    }
    size = 0;
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            joined[size++] = ',';
        }
        memcpy(joined + size, list[i].data, list[i].size);
        size += list[i].size;
    }
    *out = (struct text){joined, size};
    return true;
}

static bool set_member(struct query *query, const struct query_target *target, struct text name,
                       struct json *json, struct arena *request, struct err *err)
{
    struct text value = {"", 0};
    if (json_peek(json) == JSON_STRING) {
        struct json_string string;
        return json_string(json, &string, err) && json_string_text(string, request, &value, err) &&
               query_set(query, target, name, value, request, err);
    }
    if (json_peek(json) != JSON_ARRAY) { /* GeoJSON, a number, true or false */
        return json_compact(json, request, &value, err) &&
               query_set(query, target, name, value, request, err);
    }
    struct text *list = NULL;
    size_t count = 0;
    if (!read_list(json, request, QUERY_IDS_MAX, &list, &count, err)) {
        return query_name_error(name, err);
    }
    if (text_is(name, "ids") && query->id_count == 0) { /* they may have commas in them */
        query->ids = list;
        query->id_count = count;
        return count > 0 || (err_set(err, ERR_SYNTAX, "no ids") || query_name_error(name, err));
    }
    return join(list, count, request, &value, err) &&
           query_set(query, target, name, value, request, err);
}

bool query_set_json(struct query *query, const struct query_target *target, struct span json,
                    struct arena *request, struct err *err)
{
    struct json scan;
    struct json_string key;
    bool is_end = false;
    json_init(&scan, json, NULL);
    if (!json_enter(&scan, JSON_OBJECT, err)) {
        return false;
    }
    for (;;) {
        struct text name = {"", 0};
        if (!json_next_member(&scan, &key, &is_end, err)) {
            return false;
        }
        if (is_end) {
            return json_end(&scan, err);
        }
        if (!json_string_text(key, request, &name, err) ||
            !set_member(query, target, name, &scan, request, err)) {
            return false;
        }
    }
}

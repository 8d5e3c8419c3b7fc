/* SPDX-License-Identifier: Apache-2.0 */
#include "server/parameter.h"

#include <string.h>

#include "formats/json_write.h"
#include "formats/number.h"
#include "server/message.h"

/* clang-format off */
const struct parameter parameter_table[PARAMETER_COUNT] = {
    [PARAMETER_F] = {"f", PARAMETER_CHOICE, 0, 0, "json|html", NULL,
        "The form of the answer; without it the Accept header decides."},
    [PARAMETER_F_FEATURE] = {"f", PARAMETER_CHOICE, 0, 0, "json|html|attributes", NULL,
        "The form of the answer: GeoJSON, a page, or one flat JSON object of attributes."},
    [PARAMETER_F_FEATURES] = {"f", PARAMETER_CHOICE, 0, 0, "json|html|attributes|ids", NULL,
        "The form of the answer: GeoJSON, a page, flat JSON objects, or the ids alone."},
    [PARAMETER_F_FLOOD] = {"f", PARAMETER_CHOICE, 0, 0, "json|html|attributes|ids|style|bitset", NULL,
        "The form of the answer: GeoJSON, a page, flat JSON objects, the ids alone, a 3D "
        "Tiles style, or a bit a feature of the package (in the order of /items, the first is "
        "the lowest of the first byte)."},
    [PARAMETER_BBOX] = {"bbox", PARAMETER_NUMBERS, 0, 0, NULL, NULL,
        "A box: west,south,east,north, or with heights west,south,low,east,north,high."},
    [PARAMETER_BBOX_CRS] = {"bbox-crs", PARAMETER_TEXT, 0, 0, NULL, NULL,
        "The system of bbox and coords: CRS84, CRS84h, EPSG:4326, EPSG:4979 or EPSG:4490, as a URI, a URN or in short."},
    [PARAMETER_CLASS] = {"class", PARAMETER_LIST, 0, 0, NULL, NULL, "Classes between commas."},
    [PARAMETER_CRS] = {"crs", PARAMETER_TEXT, 0, 0, NULL, NULL,
        "The system of coordinates in the answer: CRS84, CRS84h, EPSG:4326, EPSG:4979 or EPSG:4490, as a URI, a URN or in short."},
    [PARAMETER_COORDS_POINT] = {"coords", PARAMETER_TEXT, 0, 0, NULL, NULL,
        "A place as WKT: POINT(x y)."},
    [PARAMETER_COORDS_AREA] = {"coords", PARAMETER_TEXT, 0, 0, NULL, NULL,
        "An area as WKT: POLYGON((x y,...)), MULTIPOLYGON or BBOX(west,south,east,north)."},
    [PARAMETER_COORDS_RAY] = {"coords", PARAMETER_TEXT, 0, 0, NULL, NULL,
        "A line of sight as WKT: LINESTRING(x y z,x y z)."},
    [PARAMETER_DATETIME] = {"datetime", PARAMETER_TEXT, 0, 0, NULL, NULL,
        "A time or an interval. Features here have no time of their own: all of them match."},
    [PARAMETER_DATUM] = {"datum", PARAMETER_CHOICE, 0, 0, "local|ellipsoid", "local",
        "What heights count from: the city's own height system, or the ellipsoid."},
    [PARAMETER_DEPTH_FIELD] = {"depth-field", PARAMETER_TEXT, 0, 0, NULL, "depth",
        "The name of the property that tells the depth of water."},
    [PARAMETER_FILTER] = {"filter", PARAMETER_TEXT, 0, 0, NULL, NULL,
        "A CQL2 expression over the queryables, as text or as JSON."},
    [PARAMETER_FILTER_CRS] = {"filter-crs", PARAMETER_TEXT, 0, 0, NULL, NULL,
        "The system of coordinates in the filter: CRS84, CRS84h, EPSG:4326, EPSG:4979 or EPSG:4490, as a URI, a URN or in short."},
    [PARAMETER_FILTER_LANG] = {"filter-lang", PARAMETER_CHOICE, 0, 0, "cql2-text|cql2-json", "cql2-text",
        "The language of the filter."},
    [PARAMETER_GROUP] = {"group", PARAMETER_TEXT, 0, 0, NULL, NULL,
        "A parent's or a merged group's id: its members are asked for."},
    [PARAMETER_ID] = {"id", PARAMETER_TEXT, 0, 0, NULL, NULL, "One id."},
    [PARAMETER_IDS] = {"ids", PARAMETER_LIST, 0, 0, NULL, NULL, "Ids between commas."},
    [PARAMETER_K] = {"k", PARAMETER_WHOLE, 1, 10000, NULL, "1", "How many of the nearest."},
    [PARAMETER_LEVEL] = {"level", PARAMETER_REAL, -12000, 12000, NULL, NULL,
        "Height of the water, in metres."},
    [PARAMETER_LIMIT] = {"limit", PARAMETER_WHOLE, 1, 10000, NULL, "100",
        "How many come at most; larger numbers are taken as the largest."},
    [PARAMETER_LIMIT_ALL] = {"limit", PARAMETER_WHOLE, 0, 10000, NULL, "100",
        "How many come at most; larger numbers are taken as the largest. 0 with f=ids: all."},
    [PARAMETER_MAX_Z] = {"max-z", PARAMETER_REAL, -12000, 1e6, NULL, NULL,
        "The top of the prism, in metres above the ellipsoid."},
    [PARAMETER_MIN_Z] = {"min-z", PARAMETER_REAL, -12000, 1e6, NULL, NULL,
        "The bottom of the prism, in metres above the ellipsoid."},
    [PARAMETER_OFFSET] = {"offset", PARAMETER_WHOLE, 0, 1e9, NULL, "0",
        "How many are passed over."},
    [PARAMETER_PACKAGE] = {"package", PARAMETER_TEXT, 0, 0, NULL, NULL,
        "The collection that the page opens."},
    [PARAMETER_PARENT] = {"parent", PARAMETER_LIST, 0, 0, NULL, NULL,
        "Ids of parents, between commas."},
    [PARAMETER_PROPERTIES] = {"properties", PARAMETER_LIST, 0, 0, NULL, NULL,
        "The properties that come, between commas; all without it."},
    [PARAMETER_Q] = {"q", PARAMETER_TEXT, 0, 0, NULL, NULL,
        "Words to look for in names and addresses."},
    [PARAMETER_SKIP_GEOMETRY] = {"skipGeometry", PARAMETER_BOOLEAN, 0, 0, NULL, "false",
        "Leave the geometry out."},
    [PARAMETER_SORTBY] = {"sortby", PARAMETER_LIST, 0, 0, NULL, NULL,
        "Properties to sort by, between commas; + before a name is up, - is down."},
    [PARAMETER_SUM] = {"sum", PARAMETER_LIST, 0, 0, NULL, NULL,
        "Numeric properties to add up over all that are flooded."},
    [PARAMETER_TILE] = {"tile", PARAMETER_TEXT, 0, 0, NULL, NULL,
        "The name of a tile in the package, such as 'tiles/0-....glb'."},
    [PARAMETER_WITHIN] = {"within", PARAMETER_REAL, 0, 1e6, NULL, NULL,
        "The radius."},
    [PARAMETER_WITHIN_UNITS] = {"within-units", PARAMETER_CHOICE, 0, 0, "m|km|ft|mi", "m",
        "The unit of the radius."},
    [PARAMETER_Z] = {"z", PARAMETER_TEXT, 0, 0, NULL, NULL,
        "A height in metres above the ellipsoid, or a range of them: low/high."},
    [PARAMETER_ACCESS_TOKEN] = {"access_token", PARAMETER_TEXT, 0, 0, NULL, NULL,
        "A token or a key, where a header cannot be set."},
    [PARAMETER_KEY] = {"key", PARAMETER_TEXT, 0, 0, NULL, NULL,
        "A key, where a header cannot be set."},
};
/* clang-format on */

#define CREDENTIALS (PARAMETER_BIT(ACCESS_TOKEN) | PARAMETER_BIT(KEY))

size_t parameter_numbers(struct text text, double *out, size_t room)
{
    size_t count = 0;
    for (struct text rest = text;;) {
        double value;
        const size_t size = number_read(rest, &value);
        if (count == room || size == 0) {
            return 0;
        }
        out[count++] = value;
        if (size == rest.size) {
            return count;
        }
        if (rest.data[size] != ',') {
            return 0;
        }
        rest = (struct text){rest.data + size + 1, rest.size - size - 1};
    }
}

static bool read_choice(const struct parameter *parameter, struct parameter_value *value)
{
    const char *at = parameter->choices;
    for (uint64_t place = 0; *at != '\0'; place++) {
        const size_t size = strcspn(at, "|");
        if (text_equals(value->text, (struct text){at, size})) {
            value->whole = place;
            return true;
        }
        at += size + (at[size] == '|');
    }
    return false;
}

static bool read_whole(const struct parameter *parameter, struct parameter_value *value)
{
    const struct text text = value->text;
    uint64_t whole = 0;
    if (text.size == 0 || text.size > 12) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
        whole = 10 * whole + (uint64_t)(text.data[i] - '0');
    }
    if ((double)whole < parameter->least) {
        return false;
    }
    value->whole = (double)whole > parameter->most ? (uint64_t)parameter->most : whole;
    return true;
}

/* True when the text is of the parameter's kind. */
static bool read_kind(const struct parameter *parameter, struct parameter_value *value)
{
    switch (parameter->kind) {
    case PARAMETER_TEXT:
    case PARAMETER_LIST:
        return value->text.size > 0;
    case PARAMETER_CHOICE:
        return read_choice(parameter, value);
    case PARAMETER_WHOLE:
        return read_whole(parameter, value);
    case PARAMETER_REAL:
        value->number_count = parameter_numbers(value->text, value->numbers, 1);
        return value->number_count == 1 && value->numbers[0] >= parameter->least &&
               value->numbers[0] <= parameter->most;
    case PARAMETER_NUMBERS:
        value->number_count = parameter_numbers(value->text, value->numbers, 6);
        return value->number_count == 4 || value->number_count == 6;
    case PARAMETER_BOOLEAN:
        value->whole = text_is(value->text, "true");
        return value->whole == 1 || text_is(value->text, "false");
    }
    return false;
}

static bool say_kind(const struct parameter *parameter, struct err *err)
{
    switch (parameter->kind) {
    case PARAMETER_TEXT:
    case PARAMETER_LIST:
        return err_set(err, ERR_SYNTAX, "parameter '%s' is empty", parameter->name);
    case PARAMETER_CHOICE:
        return err_set(err, ERR_SYNTAX, "parameter '%s' must be one of %s", parameter->name,
                       parameter->choices);
    case PARAMETER_WHOLE:
        return err_set(err, ERR_SYNTAX, "parameter '%s' must be a whole number from %.0f on",
                       parameter->name, parameter->least);
    case PARAMETER_REAL:
        return err_set(err, ERR_SYNTAX, "parameter '%s' must be a number from %.0f to %.0f",
                       parameter->name, parameter->least, parameter->most);
    case PARAMETER_NUMBERS:
        return err_set(err, ERR_SYNTAX,
                       "parameter '%s' must be 4 or 6 numbers: west,south[,low],east,north[,high]",
                       parameter->name);
    case PARAMETER_BOOLEAN:
        return err_set(err, ERR_SYNTAX, "parameter '%s' must be true or false", parameter->name);
    }
    return false;
}

/* The parameter of that name among those allowed, or PARAMETER_COUNT. */
static enum parameter_id find_id(struct text name, uint64_t allowed)
{
    unsigned id = 0;
    while (id < PARAMETER_COUNT &&
           ((allowed >> id & 1) == 0 || !text_is(name, parameter_table[id].name))) {
        id++;
    }
    return (enum parameter_id)id;
}

/* A name for a message: what was sent may be anything. */
static void print_name(struct text name, char *out, size_t out_bytes)
{
    size_t size = name.size < out_bytes - 1 ? name.size : out_bytes - 1;
    for (size_t i = 0; i < size; i++) {
        const unsigned char c = (unsigned char)name.data[i];
        out[i] = c < 0x20 || c > 0x7E || c == '\'' ? '?' : (char)c;
    }
    out[size] = '\0';
}

static bool keep_other(struct text name, struct text value, struct arena *request,
                       struct parameters *out, struct err *err)
{
    struct text decoded;
    if (out->other_count + 2 > sizeof out->others / sizeof out->others[0]) {
        return err_set(err, ERR_SYNTAX, "more than 8 properties as parameters: use filter");
    }
    if (!message_query_decode(name, request, &decoded, err)) {
        return false;
    }
    out->others[out->other_count] = decoded;
    if (!message_query_decode(value, request, &decoded, err)) {
        return false;
    }
    out->others[out->other_count + 1] = decoded;
    out->other_count += 2;
    return true;
}

static bool read_one(enum parameter_id id, struct text value, struct arena *request,
                     struct parameters *out, struct err *err)
{
    const struct parameter *parameter = &parameter_table[id];
    struct parameter_value *found = &out->values[id];
    if (found->is_there) {
        return err_set(err, ERR_SYNTAX, "parameter '%s' is given twice", parameter->name);
    }
    found->is_there = true;
    if (!message_query_decode(value, request, &found->text, err)) {
        return err->code == ERR_SYNTAX
                   ? err_set(err, ERR_SYNTAX, "parameter '%s' is not percent-encoded UTF-8",
                             parameter->name)
                   : false;
    }
    return read_kind(parameter, found) || say_kind(parameter, err);
}

static void set_standards(struct parameters *out)
{
    *out = (struct parameters){.other_count = 0};
    for (unsigned id = 0; id < PARAMETER_COUNT; id++) {
        if (parameter_table[id].standard != NULL) {
            out->values[id].text = text_of(parameter_table[id].standard);
            (void)read_kind(&parameter_table[id], &out->values[id]);
        }
    }
}

bool parameter_read(struct text query, uint64_t allowed, bool takes_others, struct arena *request,
                    struct parameters *out, struct err *err)
{
    struct text rest = query;
    struct text name;
    struct text value;
    set_standards(out);
    while (message_query_next(&rest, &name, &value)) {
        const enum parameter_id id = find_id(name, allowed | CREDENTIALS);
        if (id != PARAMETER_COUNT) {
            if (!read_one(id, value, request, out, err)) {
                return false;
            }
        } else if (takes_others) {
            if (!keep_other(name, value, request, out, err)) {
                return false;
            }
        } else {
            char shown[64];
            print_name(name, shown, sizeof shown);
            return err_set(err, ERR_SYNTAX, "unknown parameter '%s'", shown);
        }
    }
    return true;
}

void parameter_read_credentials(struct text query, struct arena *request, struct parameters *out)
{
    struct text rest = query;
    struct text name;
    struct text value;
    struct err ignored;
    *out = (struct parameters){.other_count = 0};
    while (message_query_next(&rest, &name, &value)) {
        const enum parameter_id id = find_id(name, CREDENTIALS);
        if (id != PARAMETER_COUNT &&
            !message_query_decode(value, request, &out->values[id].text, &ignored)) {
            out->values[id].text = (struct text){"", 0}; /* no key is empty */
        }
        if (id != PARAMETER_COUNT) {
            out->values[id].is_there = true;
        }
    }
}

static void describe_choices(struct buf *json, const char *choices)
{
    buf_add_text(json, ",\"enum\":[");
    for (const char *at = choices; *at != '\0';) {
        const size_t size = strcspn(at, "|");
        json_write_comma(json);
        json_write_text(json, (struct text){at, size});
        at += size + (at[size] == '|');
    }
    buf_add_byte(json, ']');
}

static void describe_range(struct buf *json, const struct parameter *parameter)
{
    buf_add_text(json, ",\"minimum\":");
    json_write_double(json, parameter->least);
    buf_add_text(json, ",\"maximum\":");
    json_write_double(json, parameter->most);
}

static void describe_schema(struct buf *json, const struct parameter *parameter)
{
    static const char *const types[] = {
        [PARAMETER_TEXT] = "\"type\":\"string\",\"minLength\":1",
        [PARAMETER_LIST] = "\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":\"string\"}",
        [PARAMETER_CHOICE] = "\"type\":\"string\"",
        [PARAMETER_WHOLE] = "\"type\":\"integer\"",
        [PARAMETER_REAL] = "\"type\":\"number\"",
        [PARAMETER_NUMBERS] = "\"type\":\"array\",\"minItems\":4,\"maxItems\":6,"
                              "\"items\":{\"type\":\"number\"}",
        [PARAMETER_BOOLEAN] = "\"type\":\"boolean\"",
    };
    buf_add_text(json, types[parameter->kind]);
    if (parameter->choices != NULL) {
        describe_choices(json, parameter->choices);
    }
    if (parameter->kind == PARAMETER_WHOLE || parameter->kind == PARAMETER_REAL) {
        describe_range(json, parameter);
    }
    if (parameter->standard != NULL) {
        const bool is_text =
            parameter->kind == PARAMETER_TEXT || parameter->kind == PARAMETER_CHOICE;
        buf_print(json, is_text ? ",\"default\":\"%s\"" : ",\"default\":%s", parameter->standard);
    }
}

void parameter_describe(struct buf *json, const struct parameter *parameter)
{
    buf_print(json, "{\"name\":\"%s\",\"in\":\"query\",\"required\":false,\"description\":",
              parameter->name);
    json_write_text(json, text_of(parameter->text));
    buf_add_text(json, ",\"schema\":{");
    describe_schema(json, parameter);
    buf_add_byte(json, '}');
    if (parameter->kind == PARAMETER_LIST || parameter->kind == PARAMETER_NUMBERS) {
        buf_add_text(json, ",\"style\":\"form\",\"explode\":false");
    }
    buf_add_byte(json, '}');
}

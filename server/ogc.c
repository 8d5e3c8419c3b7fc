/* SPDX-License-Identifier: Apache-2.0 */
#include "server/ogc.h"

#include <math.h>
#include <stdio.h>

#include "formats/json_write.h"
#include "formats/query.h"
#include "server/routes.h"

#define REL_GEOVOLUMES "http://www.opengis.net/def/rel/ogc/1.0/3d-geovolumes"
#define REL_CONFORMANCE "http://www.opengis.net/def/rel/ogc/1.0/conformance"
#define REL_DATA "http://www.opengis.net/def/rel/ogc/1.0/data"
#define REL_QUERYABLES "http://www.opengis.net/def/rel/ogc/1.0/queryables"
#define REL_SCHEMA "http://www.opengis.net/def/rel/ogc/1.0/schema"
#define CRS84 "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
#define CRS84H "http://www.opengis.net/def/crs/OGC/0/CRS84h"

static const struct text none = {NULL, 0};

/* This address in its forms. */
static void print_forms(struct buf *json, const struct visit *visit)
{
    answer_print_here(json, visit, visit->wants_html ? "alternate" : "self", visit->route->type,
                      "f", "json");
    answer_print_here(json, visit, visit->wants_html ? "self" : "alternate", "text/html", "f",
                      "html");
}

/* "links":[this address in its forms, then the others] */
static void print_links(struct buf *json, const struct visit *visit,
                        const struct answer_link *links, size_t count)
{
    buf_add_text(json, "\"links\":[");
    print_forms(json, visit);
    for (size_t i = 0; i < count; i++) {
        answer_print_link(json, visit, &links[i]);
    }
    buf_add_byte(json, ']');
}

/* ---- the landing page ---- */

void ogc_root(struct visit *visit)
{
    if (visit->wants_html && visit->context->catalogue->viewer != NULL) {
        answer_file(visit, visit->context->catalogue->viewer, text_of("index.html"),
                    ANSWER_REVALIDATED);
        if (visit->out->is_whole_view) {
            visit->out->is_whole_view = false; /* this Vary is not the file's */
            response_add(visit->out, "Vary", "Accept");
        }
        return;
    }
    struct buf json;
    buf_init(&json, ANSWER_BYTES_MAX);
    buf_add_text(&json, "{\"title\":\"storey\",\"description\":\"3D city models as 3D Tiles, and "
                        "what is known about their buildings\",");
    const struct answer_link links[] = {
        {"service-desc", ANSWER_API, "/api?f=json", none, "", "the API as OpenAPI"},
        {"service-doc", "text/html", "/api?f=html", none, "", "the API as a page"},
        {"conformance", ANSWER_JSON, "/conformance", none, "", "what this server conforms to"},
        {REL_CONFORMANCE, ANSWER_JSON, "/conformance", none, "", NULL},
        {"data", ANSWER_JSON, "/collections", none, "", "the packages"},
        {REL_DATA, ANSWER_JSON, "/collections", none, "", NULL},
    };
    print_links(&json, visit, links, sizeof links / sizeof links[0]);
    buf_add_text(&json, "}\n");
    answer_document(visit, ANSWER_JSON, &json);
}

void ogc_conformance(struct visit *visit)
{
    static const char *const classes[] = {
        "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/core",
        "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/landing-page",
        "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/json",
        "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/html",
        "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/oas30",
        "http://www.opengis.net/spec/ogcapi-common-2/1.0/conf/collections",
        "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
        "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
        "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/html",
        "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/oas30",
        "http://www.opengis.net/spec/ogcapi-features-2/1.0/conf/crs",
        "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/queryables",
        "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/queryables-query-parameters",
        "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/filter",
        "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/features-filter",
        "http://www.opengis.net/spec/cql2/1.0/conf/cql2-text",
        "http://www.opengis.net/spec/cql2/1.0/conf/cql2-json",
        "http://www.opengis.net/spec/cql2/1.0/conf/basic-cql2",
        "http://www.opengis.net/spec/cql2/1.0/conf/advanced-comparison-operators",
        "http://www.opengis.net/spec/cql2/1.0/conf/basic-spatial-functions",
        "http://www.opengis.net/spec/cql2/1.0/conf/property-property",
        "https://www.opengis.net/spec/ogcapi-geovolumes-1/1.0/conf/core",
        "https://www.opengis.net/spec/ogcapi-geovolumes-1/1.0/conf/3d-tiles",
    };
    struct buf json;
    buf_init(&json, ANSWER_BYTES_MAX);
    buf_add_text(&json, "{\"title\":\"Conformance\",\"conformsTo\":[");
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        buf_print(&json, "%s\"%s\"", i == 0 ? "" : ",", classes[i]);
    }
    buf_add_text(&json, "],");
    print_links(&json, visit, NULL, 0);
    buf_add_text(&json, "}\n");
    answer_document(visit, ANSWER_JSON, &json);
}

/* ---- collections ---- */

static void print_extent(struct buf *json, const struct facts *facts)
{
    if (!facts->has_extent) {
        return;
    }
    buf_add_text(json, ",\"extent\":{\"spatial\":{\"crs\":\"" CRS84H "\",\"bbox\":[[");
    for (int i = 0; i < 6; i++) {
        if (i > 0) {
            buf_add_byte(json, ',');
        }
        /* A hundred-millionth of a degree is a millimetre. */
        const double unit = i % 3 == 2 ? 1e3 : 1e8;
        json_write_double(json, round(facts->extent_deg_m[i] * unit) / unit);
    }
    buf_add_text(json, "]]}}");
}

static void print_texts(struct buf *json, const char *name, struct text text)
{
    if (text.size > 0) {
        json_write_key(json, name);
        json_write_text(json, text);
    }
}

/* What storey knows beyond the standards. */
static void print_storey(struct buf *json, const struct catalogue_entry *entry)
{
    const struct facts *facts = store_facts(entry->stores[0]);
    buf_print(json, ",\"storey\":{\"revision\":\"%s\",\"made_by_storey\":%s", facts->revision,
              facts->is_ours ? "true" : "false");
    if (store_index(entry->stores[0]) == NULL) {
        buf_add_text(json, ",\"tiles_only\":true");
    }
    print_texts(json, "tiles_version", facts->tiles_version);
    if (facts->has_ground_height) {
        buf_add_text(json, ",\"ground_height_m\":");
        json_write_double(json, facts->ground_height_m);
    }
    if (facts->has_feature_count) {
        buf_print(json, ",\"feature_count\":%llu", (unsigned long long)facts->feature_count);
    }
    print_texts(json, "source_crs", facts->crs);
    print_texts(json, "department", text_of(entry->sidecar.department));
    print_texts(json, "contact", text_of(entry->sidecar.contact));
    if (entry->sidecar.title_count > 1) {
        buf_add_text(json, ",\"titles\":{");
        for (size_t i = 0; i < entry->sidecar.title_count; i++) {
            json_write_comma(json);
            json_write_text(json, text_of(entry->sidecar.titles[i].language));
            buf_add_byte(json, ':');
            json_write_text(json, text_of(entry->sidecar.titles[i].text));
        }
        buf_add_byte(json, '}');
    }
    buf_add_byte(json, '}');
}

/* What features can be had in. A package of tiles only has no features. */
static void print_systems(struct buf *json, bool has_items)
{
    if (!has_items) {
        buf_add_text(json, ",\"crs\":[\"" CRS84H "\"]");
    } else {
        buf_add_text(json, ",\"itemType\":\"feature\",\"storageCrs\":\"" CRS84H
                           "\",\"crs\":[\"" CRS84 "\"");
        for (int crs = QUERY_CRS84H; crs <= QUERY_EPSG4490; crs++) {
            buf_print(json, ",\"%s\"", query_crs_uri((enum query_crs)crs));
        }
        buf_add_byte(json, ']');
    }
    buf_add_text(json, ",\"collectionType\":\"3d-container\"");
}

static const char *title_of(const struct visit *visit, const struct catalogue_entry *entry)
{
    const char *said = sidecar_title(&entry->sidecar, visit->request->accept_language);
    return said != NULL ? said : entry->title;
}

static void print_collection(struct buf *json, const struct visit *visit,
                             const struct catalogue_entry *entry, bool is_alone)
{
    const struct text id = text_of(entry->id);
    buf_add_text(json, "{\"id\":");
    json_write_text(json, id);
    buf_add_text(json, ",\"title\":");
    json_write_text(json, text_of(title_of(visit, entry)));
    print_texts(json, "description", text_of(entry->sidecar.description));
    print_extent(json, store_facts(entry->stores[0]));
    const bool has_items = store_index(entry->stores[0]) != NULL;
    print_systems(json, has_items);
    print_storey(json, entry);
    buf_add_byte(json, ',');
    const struct answer_link links[] = {
        {is_alone ? "canonical" : "self", ANSWER_JSON, "/collections/", id, "",
         title_of(visit, entry)},
        {REL_GEOVOLUMES, "application/3dtiles+json", "/collections/", id, "/3dtiles/tileset.json",
         "3D Tiles"},
        {REL_GEOVOLUMES, ANSWER_JSON, "/collections/", id, "/3dtiles/tileset.json", "3D Tiles"},
        {"items", ANSWER_GEOJSON, "/collections/", id, "/items", "features"},
        {"items", "text/html", "/collections/", id, "/items?f=html", "features"},
        {REL_QUERYABLES, ANSWER_SCHEMA, "/collections/", id, "/queryables", "what to filter by"},
        {REL_SCHEMA, ANSWER_SCHEMA, "/collections/", id, "/schema", "properties of features"},
        {"describedBy", ANSWER_SCHEMA, "/collections/", id, "/schema/feature", "a feature"},
    };
    const size_t all = sizeof links / sizeof links[0];
    const size_t count = has_items ? all : all - 5;
    if (is_alone) {
        print_links(json, visit, links, count);
    } else {
        answer_print_links(json, visit, links, count);
    }
    buf_add_byte(json, '}');
}

struct box_filter {
    bool is_set;
    double low[3], high[3]; /* longitude may run over the antimeridian: low > high */
};

static bool read_bbox(struct visit *visit, struct box_filter *out)
{
    const struct parameter_value *value = visit_value(visit, PARAMETER_BBOX);
    *out = (struct box_filter){.is_set = value->is_there};
    if (!value->is_there) {
        return true;
    }
    const double *n = value->numbers;
    const size_t axes = value->number_count / 2;
    for (size_t i = 0; i < 3; i++) {
        out->low[i] = i < axes ? n[i] : -HUGE_VAL;
        out->high[i] = i < axes ? n[axes + i] : HUGE_VAL;
    }
    if (out->low[1] > out->high[1] || out->low[2] > out->high[2] || fabs(n[0]) > 180 ||
        fabs(n[axes]) > 180 || fabs(n[1]) > 90 || fabs(n[axes + 1]) > 90) {
        answer_problem(visit, 400,
                       "parameter 'bbox' is outside of the earth or has its ends swapped");
        return false;
    }
    return true;
}

static bool box_touches(const struct box_filter *box, const struct facts *facts)
{
    if (!box->is_set) {
        return true;
    }
    if (!facts->has_extent) {
        return false;
    }
    const double *low = facts->extent_deg_m;
    const double *high = facts->extent_deg_m + 3;
    const bool in_longitude = box->low[0] <= box->high[0]
                                  ? box->low[0] <= high[0] && box->high[0] >= low[0]
                                  : box->low[0] <= high[0] || box->high[0] >= low[0];
    return in_longitude && box->low[1] <= high[1] && box->high[1] >= low[1] &&
           box->low[2] <= high[2] && box->high[2] >= low[2];
}

/* Whoever may do nothing with a package is not told of it. */
static bool may_see(const struct visit *visit, const struct catalogue_entry *entry)
{
    static const enum access_scope scopes[] = {ACCESS_TILES, ACCESS_ATTRIBUTES, ACCESS_QUERIES,
                                               ACCESS_DOWNLOAD};
    for (size_t i = 0; i < sizeof scopes / sizeof scopes[0]; i++) {
        if (access_judge(&visit->grant, scopes[i], text_of(entry->id)) == ACCESS_GRANTED) {
            return true;
        }
    }
    return false;
}

void ogc_collections(struct visit *visit)
{
    const struct catalogue *catalogue = visit->context->catalogue;
    const uint64_t limit = visit_value(visit, PARAMETER_LIMIT)->whole;
    const uint64_t offset = visit_value(visit, PARAMETER_OFFSET)->whole;
    const bool has_parent = visit_value(visit, PARAMETER_PARENT)->is_there;
    struct box_filter box;
    if (!read_bbox(visit, &box)) {
        return;
    }
    struct buf json;
    buf_init(&json, ANSWER_BYTES_MAX);
    buf_add_text(&json, "{\"title\":\"Collections\",\"collections\":[");
    uint64_t matched = 0;
    uint64_t returned = 0;
    for (size_t i = 0; i < catalogue->entry_count && !has_parent; i++) {
        const struct catalogue_entry *entry = &catalogue->entries[i];
        if (!box_touches(&box, store_facts(entry->stores[0])) || !may_see(visit, entry)) {
            continue;
        }
        if (matched++ >= offset && returned < limit) {
            buf_add_text(&json, returned++ == 0 ? "\n" : ",\n");
            print_collection(&json, visit, entry, false);
        }
    }
    buf_print(&json, "],\"numberMatched\":%llu,\"numberReturned\":%llu,",
              (unsigned long long)matched, (unsigned long long)returned);
    buf_add_text(&json, "\"links\":[");
    print_forms(&json, visit);
    if (offset + returned < matched) {
        char next[24];
        snprintf(next, sizeof next, "%llu", (unsigned long long)(offset + returned));
        answer_print_here(&json, visit, "next", ANSWER_JSON, "offset", next);
    }
    buf_add_byte(&json, ']');
    buf_add_text(&json, "}\n");
    answer_document(visit, ANSWER_JSON, &json);
}

void ogc_collection(struct visit *visit)
{
    const struct catalogue_entry *entry = answer_entry(visit);
    if (entry == NULL) {
        return;
    }
    if (!may_see(visit, entry)) {
        answer_problem(visit, visit->grant.key == NULL ? 401 : 403,
                       "this collection needs a key that may use it");
        return;
    }
    struct buf json;
    buf_init(&json, ANSWER_BYTES_MAX);
    print_collection(&json, visit, entry, true);
    buf_add_byte(&json, '\n');
    answer_document(visit, ANSWER_JSON, &json);
}

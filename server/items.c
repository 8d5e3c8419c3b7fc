/* SPDX-License-Identifier: Apache-2.0 */
#include "server/items.h"

#include <stdio.h>

#include "formats/query_print.h"
#include "server/attributes.h"
#include "server/routes.h"

/* Steps of SQLite's machine: some fifty milliseconds. */
enum { STEPS_MAX = 5 * 1000 * 1000 };
/* Features take some twenty microseconds each: this many at a time, and so few
 * that the whole answer is made before its head. */
enum { PART_FEATURES = 64, WHOLE_FEATURES = 2 * PART_FEATURES, HTML_FEATURES = 1000 };

/* ---- what is asked ---- */

/* A question's failure is the caller's, but for what a package does wrong. */
static void respond_refusal(struct visit *visit, const struct err *err)
{
    const bool is_post = visit->request->method == MESSAGE_POST;
    switch (err->code) {
    case ERR_SCHEMA:
    case ERR_SYNTAX:
    case ERR_UNSUPPORTED:
        if (err->column > 0) {
            answer_problem(visit, 400, "%s (at character %u)", err->message, err->column);
        } else {
            answer_problem(visit, 400, "%s", err->message);
        }
        break;
    case ERR_GEOMETRY:
        answer_problem(visit, 422, "%s", err->message);
        break;
    case ERR_LIMIT:
        answer_problem(visit, is_post ? 413 : 400, "%s", err->message);
        break;
    default:
        answer_failure(visit, err);
    }
}

/* Errors of asking. A damaged package is known by having no column. */
static void respond_run_failure(struct visit *visit, const struct err *err)
{
    if (err->code == ERR_LIMIT) {
        answer_problem(visit, 503, "this question costs too much: make it smaller");
    } else if (err->code == ERR_IO || err->code == ERR_NOMEM || err->code == ERR_LIBRARY ||
               (err->code == ERR_SYNTAX && err->column == 0)) {
        answer_failure(visit, err);
    } else {
        respond_refusal(visit, err);
    }
}

/* The newest revision's index and attributes. Answers, and returns false, when
 * there are none. */
static bool find_target(struct visit *visit, const struct catalogue_entry **out_entry,
                        struct query_target *out)
{
    const struct catalogue_entry *entry = answer_entry(visit);
    struct err err;
    if (entry == NULL) {
        return false;
    }
    struct store *store = entry->stores[0];
    const struct feature_index *index = store_index(store);
    if (index == NULL) {
        answer_problem(visit, 404, "this package has tiles only: it carries no index of features");
        return false;
    }
    *out = (struct query_target){.index = index};
    if (!store_index_is_whole(store, &err) ||
        !attributes_find(visit->context->attributes, store, &out->attributes, &err)) {
        answer_failure(visit, &err);
        return false;
    }
    *out_entry = entry;
    return true;
}

static bool is_credential(struct text name)
{
    return text_is(name, "access_token") || text_is(name, "key");
}

/* Features have no time here, so that any time is right; but it must be one. */
static bool is_time(struct text text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (strchr("0123456789-:.TZtz+/", text.data[i]) == NULL || text.data[i] == '\0') {
            return false;
        }
    }
    return text.size >= 2;
}

/* Hands the query's parameters on, in their order. */
static bool set_parameters(struct visit *visit, const struct query_target *target,
                           struct query *query, struct err *err)
{
    struct text rest = visit->request->query;
    struct text name;
    struct text value;
    while (message_query_next(&rest, &name, &value)) {
        if (is_credential(name)) {
            continue;
        }
        if (!message_query_decode(name, visit->memory, &name, err) ||
            !message_query_decode(value, visit->memory, &value, err)) {
            return false;
        }
        if (text_is(name, "datetime")) {
            if (!is_time(value)) {
                return err_set(err, ERR_SYNTAX, "datetime is no time and no interval");
            }
        } else if (!(text_is(name, "f") && text_is(value, "html")) &&
                   !query_set(query, target, name, value, visit->memory, err)) {
            return false;
        }
    }
    return true;
}

static bool read_query(struct visit *visit, enum query_kind kind, const struct query_target *target,
                       struct query *query)
{
    struct err err;
    query_init(query, kind);
    query->steps_limit = STEPS_MAX;
    if (!set_parameters(visit, target, query, &err)) {
        respond_refusal(visit, &err);
        return false;
    }
    if (visit->request->method != MESSAGE_POST) {
        return true;
    }
    if (visit->request->content_type.size > 0 && !message_is_json(visit->request->content_type)) {
        answer_problem(visit, 415, "the body must be application/json");
        return false;
    }
    if (!query_set_json(query, target, visit->request->body, visit->memory, &err)) {
        respond_refusal(visit, &err);
        return false;
    }
    return true;
}

/* ---- what is answered ---- */

/* Text that was printed, kept with the request; empty without memory. */
static struct text keep_printed(struct visit *visit, struct buf *printed)
{
    const char *kept =
        printed->refusal != ERR_NONE
            ? NULL
            : message_keep(visit->memory, (struct text){(char *)printed->data, printed->size});
    const struct text text = {kept, kept == NULL ? 0 : printed->size};
    buf_release(printed);
    return text;
}

static struct text url_below(struct visit *visit, const char *id, const char *after)
{
    struct buf url;
    buf_init(&url, 1 << 16);
    answer_print_base(&url, visit);
    buf_add_text(&url, "/collections/");
    message_print_part(&url, text_of(id));
    buf_add_text(&url, after);
    return keep_printed(visit, &url);
}

static struct text url_here(struct visit *visit, const char *name, uint64_t value)
{
    struct buf url;
    char digits[24];
    snprintf(digits, sizeof digits, "%llu", (unsigned long long)value);
    buf_init(&url, 1 << 16);
    answer_print_url(&url, visit, name, digits);
    return keep_printed(visit, &url);
}

static struct query_links links_of(struct visit *visit, const struct catalogue_entry *entry)
{
    return (struct query_links){.self = url_here(visit, NULL, 0),
                                .item = url_below(visit, entry->id, "/items/"),
                                .tile = url_below(visit, entry->id, "/3dtiles/"),
                                .collection = answer_keep(visit, entry->id)};
}

static void add_crs(struct visit *visit, const struct query *query)
{
    if (visit->out->status == 200 && query->format == QUERY_GEOJSON) {
        char header[128];
        snprintf(header, sizeof header, "<%s>", query_crs_uri(query->crs));
        response_add(visit->out, "Content-Crs", answer_keep(visit, header));
    }
}

static void respond_features(struct visit *visit, const struct query *query, struct buf *out)
{
    answer_document(visit, query_media_type(query->format), out);
    add_crs(visit, query);
}

/* ---- long answers ---- */

/* A page of many features, printed as it is sent. What it stands on is asked for
 * again each time: other requests come between, and packages may be replaced. */
struct long_page {
    struct response_rest rest;
    struct query query;
    struct query_result result;
    struct query_links links;
    struct query_page page;
    struct store *store; /* held */
    struct attributes *attributes;
};

static bool print_more(struct response_rest *rest, struct buf *out, bool *out_is_over,
                       struct err *err)
{
    struct long_page *page = (struct long_page *)rest;
    struct query_target target = {.index = store_index(page->store)};
    if (!store_index_is_whole(page->store, err) ||
        !attributes_find(page->attributes, page->store, &target.attributes, err) ||
        !query_print_page(&page->query, &target, &page->result, &page->links, &page->page,
                          PART_FEATURES, out, err)) {
        return false;
    }
    *out_is_over = page->page.is_over;
    return true;
}

static void close_page(struct response_rest *rest)
{
    store_drop(((struct long_page *)rest)->store);
}

/* The first part here, with everything that can go wrong at the start: it is
 * still time for another status. */
static void respond_long(struct visit *visit, const struct long_page *filled, struct store *store)
{
    struct long_page *page = arena_array(visit->memory, struct long_page, 1);
    struct err err;
    struct buf first;
    bool is_over;
    if (page == NULL) {
        arena_full(visit->memory, &err);
        answer_failure(visit, &err);
        return;
    }
    *page = *filled;
    page->rest = (struct response_rest){print_more, close_page};
    page->store = store;
    page->attributes = visit->context->attributes;
    buf_init(&first, ANSWER_BYTES_MAX);
    if (!print_more(&page->rest, &first, &is_over, &err) || !buf_finish(&first, &err)) {
        buf_release(&first);
        respond_run_failure(visit, &err);
        return;
    }
    const struct text kept = keep_printed(visit, &first);
    if (kept.data == NULL) {
        arena_full(visit->memory, &err);
        answer_failure(visit, &err);
        return;
    }
    answer_begin_document(visit, query_media_type(page->query.format));
    add_crs(visit, &page->query);
    visit->out->bytes = (struct span){(const uint8_t *)kept.data, kept.size};
    store_hold(store);
    visit->out->rest = &page->rest;
}

static bool is_long(const struct visit *visit, const struct query *query,
                    const struct query_result *result)
{
    return !visit->wants_html && query_format_has_pages(query->format) &&
           result->hit_count > WHOLE_FEATURES;
}

static void ask(struct visit *visit, enum query_kind kind)
{
    const struct catalogue_entry *entry;
    struct query_target target;
    struct query query;
    struct query_result result;
    struct err err;
    if (!find_target(visit, &entry, &target) || !read_query(visit, kind, &target, &query)) {
        return;
    }
    if (visit->wants_html && query.limit > HTML_FEATURES) {
        query.limit = HTML_FEATURES; /* a page for people, made at once */
    }
    if (!query_run(&query, &target, visit->memory, &result, &err)) {
        respond_run_failure(visit, &err);
        return;
    }
    struct query_links links = links_of(visit, entry);
    if (result.has_next && visit->request->method != MESSAGE_POST) {
        links.next = url_here(visit, "offset", result.next_offset);
    }
    if (is_long(visit, &query, &result)) {
        const struct long_page page = {.query = query, .result = result, .links = links};
        respond_long(visit, &page, entry->stores[0]);
        return;
    }
    struct buf out;
    buf_init(&out, ANSWER_BYTES_MAX);
    if (!query_print(&query, &target, &result, &links, visit->memory, &out, &err)) {
        buf_release(&out);
        respond_run_failure(visit, &err);
        return;
    }
    respond_features(visit, &query, &out);
}

void items_list(struct visit *visit)
{
    ask(visit, QUERY_ITEMS);
}

void items_position(struct visit *visit)
{
    ask(visit, QUERY_POSITION);
}

void items_radius(struct visit *visit)
{
    ask(visit, QUERY_RADIUS);
}

void items_area(struct visit *visit)
{
    ask(visit, QUERY_AREA);
}

void items_nearest(struct visit *visit)
{
    ask(visit, QUERY_NEAREST);
}

void items_ray(struct visit *visit)
{
    ask(visit, QUERY_RAY);
}

void items_flood(struct visit *visit)
{
    ask(visit, QUERY_FLOOD);
}

void items_one(struct visit *visit)
{
    const struct catalogue_entry *entry;
    struct query_target target;
    struct query query;
    struct err err;
    bool is_found;
    if (!find_target(visit, &entry, &target) || !read_query(visit, QUERY_ITEMS, &target, &query)) {
        return;
    }
    const struct query_links links = links_of(visit, entry);
    struct buf out;
    buf_init(&out, ANSWER_BYTES_MAX);
    if (!query_print_item(&query, &target, visit->tail, &links, visit->memory, &out, &is_found,
                          &err)) {
        buf_release(&out);
        respond_run_failure(visit, &err);
    } else if (!is_found) {
        buf_release(&out);
        answer_problem(visit, 404, "no feature of that id in this package");
    } else {
        respond_features(visit, &query, &out);
    }
}

static void respond_schema(struct visit *visit, const char *after)
{
    const struct catalogue_entry *entry;
    struct query_target target;
    if (find_target(visit, &entry, &target)) {
        struct buf out;
        buf_init(&out, ANSWER_BYTES_MAX);
        query_print_queryables(&target, url_below(visit, entry->id, after), text_of(entry->title),
                               &out);
        answer_document(visit, ANSWER_SCHEMA, &out);
    }
}

void items_queryables(struct visit *visit)
{
    respond_schema(visit, "/queryables");
}

void items_schema(struct visit *visit)
{
    respond_schema(visit, "/schema");
}

void items_feature_schema(struct visit *visit)
{
    const struct catalogue_entry *entry;
    struct query_target target;
    if (find_target(visit, &entry, &target)) {
        struct buf out;
        buf_init(&out, ANSWER_BYTES_MAX);
        query_print_feature_schema(&target, url_below(visit, entry->id, "/schema/feature"), &out);
        answer_document(visit, ANSWER_SCHEMA, &out);
    }
}

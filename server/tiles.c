/* SPDX-License-Identifier: Apache-2.0 */
#include "server/tiles.h"

#include <stdio.h>

#include "formats/json_write.h"
#include "server/routes.h"

/* Of "r/0123456789abcdef/tiles/a.glb" the digits, and in *name what is behind them;
 * empty when the name is of another form. */
static struct text take_revision(struct text *name)
{
    enum { DIGITS = 16, FRAME = 3 };
    if (name->size <= DIGITS + FRAME || memcmp(name->data, "r/", 2) != 0 ||
        name->data[2 + DIGITS] != '/') {
        return (struct text){NULL, 0};
    }
    const struct text digits = {name->data + 2, DIGITS};
    for (size_t i = 0; i < DIGITS; i++) {
        if (strchr("0123456789abcdef", digits.data[i]) == NULL || digits.data[i] == '\0') {
            return (struct text){NULL, 0};
        }
    }
    *name = (struct text){name->data + DIGITS + FRAME, name->size - DIGITS - FRAME};
    return digits;
}

/* A file of one revision, whatever is newest. */
static void respond_versioned(struct visit *visit, const struct catalogue_entry *entry,
                              struct text revision, struct text name)
{
    for (size_t i = 0; i < entry->store_count; i++) {
        struct store *store = entry->stores[i];
        const char *own = store_revision(store);
        if (own != NULL && text_is(revision, own)) {
            answer_file(visit, store, name, ANSWER_FOR_EVER);
            return;
        }
    }
    answer_problem(visit, 410, "this revision is gone: read tileset.json again");
}

static enum answer_caching caching_of(const struct store_view *view, bool is_root)
{
    return is_root ? ANSWER_REVALIDATED : view->is_immutable ? ANSWER_FOR_EVER : ANSWER_A_MINUTE;
}

static void respond_tile(struct visit *visit, const struct catalogue_entry *entry, struct text name)
{
    const bool is_root = text_equals(name, store_tileset_name(entry->stores[0]));
    for (size_t i = 0; i < entry->store_count; i++) {
        struct store *store = entry->stores[i];
        bool is_missing = true;
        struct store_view *view =
            store_may_serve(store, name) ? answer_find(visit, store, name, &is_missing) : NULL;
        if (view != NULL) {
            answer_view(visit, view, caching_of(view, is_root));
            return;
        }
        if (!is_missing) {
            return; /* answered */
        }
        if (is_root) {
            break;
        }
    }
    answer_problem(visit, 404, "no such file in this package");
}

void tiles_root(struct visit *visit)
{
    const struct catalogue_entry *entry = answer_entry(visit);
    if (entry == NULL) {
        return;
    }
    respond_tile(visit, entry, store_tileset_name(entry->stores[0]));
    if (visit->out->is_whole_view) {
        visit->out->is_whole_view = false;
        response_add(visit->out, "Content-Location", "3dtiles/tileset.json");
    }
}

void tiles_file(struct visit *visit)
{
    const struct catalogue_entry *entry = answer_entry(visit);
    struct text name = visit->tail;
    const struct text revision = take_revision(&name);
    if (entry != NULL && revision.size > 0) {
        respond_versioned(visit, entry, revision, name);
    } else if (entry != NULL) {
        respond_tile(visit, entry, name);
    }
}

void tiles_package(struct visit *visit)
{
    const struct catalogue_entry *entry = answer_entry(visit);
    if (entry == NULL) {
        return;
    }
    struct store_view *view = NULL;
    struct err err;
    if (!store_cache_find_archive(visit->context->cache, entry->stores[0], &view, &err)) {
        answer_failure(visit, &err);
    } else if (view == NULL) {
        answer_problem(visit, 404, "this package is a folder, not an archive: fetch its files");
    } else {
        answer_view(visit, view, ANSWER_REVALIDATED);
    }
}

/* What CesiumJS's IonResource asks for: where an asset is, and a token for it. */
void tiles_endpoint(struct visit *visit)
{
    const struct catalogue_entry *entry =
        catalogue_find(visit->context->catalogue, visit->path->parts[2]);
    if (entry == NULL) {
        answer_problem(visit, 404, "no such asset; /collections lists them");
        return;
    }
    visit->out->package = entry->id;
    const char *token =
        access_sign(visit->context->catalogue->access, &visit->grant, text_of(entry->id),
                    visit->context->now_s + ACCESS_TOKEN_SECONDS, visit->memory);
    struct buf json;
    buf_init(&json, ANSWER_BYTES_MAX);
    buf_add_text(&json, "{\"type\":\"3DTILES\",\"url\":\"");
    answer_print_base(&json, visit);
    buf_add_text(&json, "/collections/");
    message_print_part(&json, text_of(entry->id));
    buf_add_text(&json, "/3dtiles/tileset.json\",\"accessToken\":");
    json_write_text(&json, text_of(token == NULL ? "" : token));
    buf_add_text(&json, ",\"attributions\":[]}\n");
    answer_document(visit, ANSWER_JSON, &json);
    for (size_t i = 0; i < visit->out->header_count; i++) { /* a token is nobody else's */
        if (strcmp(visit->out->headers[i].name, "Cache-Control") == 0) {
            visit->out->headers[i].value = "private, no-store";
        }
    }
}

void tiles_cesium(struct visit *visit)
{
    answer_file(visit, visit->context->catalogue->cesium, visit->tail, ANSWER_A_DAY);
}

void tiles_viewer(struct visit *visit)
{
    answer_file(visit, visit->context->catalogue->viewer, visit->tail, ANSWER_REVALIDATED);
}

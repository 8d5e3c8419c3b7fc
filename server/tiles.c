/* SPDX-License-Identifier: Apache-2.0 */
#include "server/tiles.h"

#include <stdio.h>

#include "formats/json_write.h"
#include "server/routes.h"

#define CACHED_FOR_EVER "public, max-age=31536000, immutable"
#define CACHED_A_MINUTE "public, max-age=60, must-revalidate"

static void respond_tile(struct visit *visit, const struct catalogue_entry *entry, struct text name)
{
    const bool is_root = text_equals(name, store_tileset_name(entry->stores[0]));
    for (size_t i = 0; i < entry->store_count; i++) {
        struct store *store = entry->stores[i];
        bool is_missing = true;
        struct store_view *view =
            store_may_serve(store, name) ? answer_find(visit, store, name, &is_missing) : NULL;
        if (view != NULL) {
            answer_view(visit, view,
                        is_root              ? "no-cache"
                        : view->is_immutable ? CACHED_FOR_EVER
                                             : CACHED_A_MINUTE);
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
    if (entry != NULL) {
        respond_tile(visit, entry, visit->tail);
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
        answer_view(visit, view, "no-cache");
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
    answer_file(visit, visit->context->catalogue->cesium, visit->tail, "public, max-age=86400");
}

void tiles_viewer(struct visit *visit)
{
    answer_file(visit, visit->context->catalogue->viewer, visit->tail, "no-cache");
}

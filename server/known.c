/* SPDX-License-Identifier: Apache-2.0 */
#include "server/known.h"

#include <assert.h>

struct known_slot {
    struct store_view *view; /* NULL: free */
    uint64_t born;           /* that view, and no other in its place */
    const char *package;
    enum response_kind kind;
    bool is_versioned;
    bool has_codings; /* Accept-Encoding was sent */
    uint8_t codings_size;
    uint8_t path_size;
    char codings[KNOWN_CODINGS_BYTES];
    char path[KNOWN_PATH_BYTES];
};

struct known {
    struct arena memory; /* itself, slots */
    struct known_slot **slots;
    size_t slot_count;
};

bool known_open(size_t slot_count, struct known **out, struct err *err)
{
    static_assert(KNOWN_PATH_BYTES <= UINT8_MAX, "path_size holds it");
    assert((slot_count & (slot_count - 1)) == 0);
    struct arena memory;
    /* Slots are made when they are first needed: an idle server stays small. */
    arena_init(&memory, slot_count * (sizeof(void *) + 2 * sizeof(struct known_slot)) + (1 << 16));
    struct known *known = arena_array(&memory, struct known, 1);
    struct known_slot **slots = arena_array(&memory, struct known_slot *, slot_count);
    if (known == NULL || slots == NULL) {
        const bool ok = arena_full(&memory, err);
        arena_release(&memory);
        return ok;
    }
    known->memory = memory;
    known->slots = slots;
    known->slot_count = slot_count;
    *out = known;
    return true;
}

void known_close(struct known *known)
{
    if (known != NULL) {
        struct arena memory = known->memory; /* it lies in there */
        arena_release(&memory);
    }
}

void known_forget(struct known *known)
{
    for (size_t i = 0; i < known->slot_count; i++) {
        if (known->slots[i] != NULL) {
            known->slots[i]->view = NULL;
        }
    }
}

static bool is_plain(const struct request *request)
{
    return (request->method == MESSAGE_GET || request->method == MESSAGE_HEAD) &&
           request->query.data == NULL && request->path.size <= KNOWN_PATH_BYTES &&
           request->accept_encoding.size <= KNOWN_CODINGS_BYTES &&
           request->authorization.data == NULL && request->api_key.data == NULL &&
           request->range.data == NULL && request->if_match.data == NULL &&
           request->request_id.data == NULL;
}

/* Eight bytes a step. A clash costs no more than the long way. */
static struct known_slot **slot_of(const struct known *known, struct text path)
{
    uint64_t hash = path.size;
    size_t at = 0;
    for (; at + 8 <= path.size; at += 8) {
        uint64_t word;
        memcpy(&word, path.data + at, 8);
        hash = (hash ^ word) * 0x9E3779B97F4A7C15U;
        hash ^= hash >> 32;
    }
    for (; at < path.size; at++) {
        hash = (hash ^ (uint8_t)path.data[at]) * 0x9E3779B97F4A7C15U;
    }
    return &known->slots[(hash >> 40) & (known->slot_count - 1)];
}

static bool is_same(const struct known_slot *slot, const struct request *request)
{
    const struct text codings = request->accept_encoding;
    return slot->path_size == request->path.size && slot->codings_size == codings.size &&
           slot->has_codings == (codings.data != NULL) &&
           memcmp(slot->path, request->path.data, request->path.size) == 0 &&
           (codings.size == 0 || memcmp(slot->codings, codings.data, codings.size) == 0);
}

bool known_answer(struct known *known, const struct request *request, struct response *out)
{
    if (!is_plain(request)) {
        return false;
    }
    struct known_slot *slot = *slot_of(known, request->path);
    if (slot == NULL || slot->view == NULL || !is_same(slot, request)) {
        return false;
    }
    struct store_view *view = slot->view;
    if (!store_view_take_again(view, slot->born)) {
        slot->view = NULL;
        return false;
    }
    const bool is_listed = request->if_none_match.data != NULL &&
                           message_etag_is_listed(request->if_none_match, view->etag);
    out->status = is_listed ? 304 : 200;
    out->kind = slot->kind;
    out->header_count = 0;
    out->bytes = (struct span){NULL, is_listed ? 0 : (size_t)view->bytes};
    out->view = view;
    out->first = 0;
    out->is_whole_view = true;
    out->is_private = false;
    out->is_versioned = slot->is_versioned;
    out->must_close = false;
    out->package = slot->package;
    out->key = NULL;
    out->failure = NULL;
    out->is_shed = false;
    out->rest = NULL;
    return true;
}

void known_note(struct known *known, const struct request *request, const struct response *response)
{
    if (!is_plain(request) || !response->is_whole_view || response->is_private ||
        response->key != NULL || response->view == NULL || !store_view_is_kept(response->view)) {
        return;
    }
    struct known_slot **at = slot_of(known, request->path);
    if (*at == NULL) {
        *at = arena_array(&known->memory, struct known_slot, 1);
    }
    struct known_slot *slot = *at;
    if (slot == NULL) {
        return;
    }
    slot->view = response->view;
    slot->born = response->view->place.born;
    slot->package = response->package;
    slot->kind = response->kind;
    slot->is_versioned = response->is_versioned;
    slot->path_size = (uint8_t)request->path.size;
    memcpy(slot->path, request->path.data, request->path.size);
    slot->has_codings = request->accept_encoding.data != NULL;
    slot->codings_size = (uint8_t)request->accept_encoding.size;
    if (slot->codings_size > 0) {
        memcpy(slot->codings, request->accept_encoding.data, slot->codings_size);
    }
}

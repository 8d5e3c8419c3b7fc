/* SPDX-License-Identifier: Apache-2.0 */
#include "server/attributes.h"

#include <unistd.h>

struct kept {
    struct store *store; /* held; NULL: a free place */
    struct geopackage *geopackage;
    uint64_t last_used;
};

struct attributes {
    struct arena memory; /* itself */
    uint64_t clock;
    struct kept kept[ATTRIBUTES_KEPT];
};

bool attributes_open(struct attributes **out, struct err *err)
{
    struct arena memory;
    arena_init(&memory, 1 << 20);
    struct attributes *attributes = arena_array(&memory, struct attributes, 1);
    if (attributes == NULL) {
        return arena_full(&memory, err);
    }
    attributes->memory = memory;
    *out = attributes;
    return true;
}

static void forget(struct kept *kept)
{
    geopackage_close(kept->geopackage);
    store_drop(kept->store);
    *kept = (struct kept){.store = NULL};
}

void attributes_close(struct attributes *attributes)
{
    if (attributes == NULL) {
        return;
    }
    for (size_t i = 0; i < ATTRIBUTES_KEPT; i++) {
        forget(&attributes->kept[i]);
    }
    struct arena memory = attributes->memory; /* it lies in there */
    arena_release(&memory);
}

static bool open_one(struct store *store, struct geopackage **out, struct err *err)
{
    struct store_place place;
    bool is_found;
    *out = NULL;
    if (!store_locate(store, text_of(GEOPACKAGE_NAME), &place, &is_found, err)) {
        return false;
    }
    if (!is_found) {
        return true;
    }
    const bool ok = geopackage_open_file(place.fd, place.offset, place.bytes, out, err);
    close(place.fd);
    return ok;
}

bool attributes_find(struct attributes *attributes, struct store *store, struct geopackage **out,
                     struct err *err)
{
    struct kept *oldest = &attributes->kept[0];
    attributes->clock++;
    for (size_t i = 0; i < ATTRIBUTES_KEPT; i++) {
        struct kept *kept = &attributes->kept[i];
        if (kept->store == store) {
            kept->last_used = attributes->clock;
            *out = kept->geopackage;
            return true;
        }
        if (kept->last_used < oldest->last_used) {
            oldest = kept;
        }
    }
    struct geopackage *geopackage;
    if (!open_one(store, &geopackage, err)) {
        return false;
    }
    forget(oldest);
    store_hold(store);
    *oldest = (struct kept){store, geopackage, attributes->clock};
    *out = geopackage;
    return true;
}

void attributes_retain(struct attributes *attributes, uint64_t number)
{
    for (size_t i = 0; i < ATTRIBUTES_KEPT; i++) {
        const struct store *store = attributes->kept[i].store;
        if (store != NULL && store_number(store) < number) {
            forget(&attributes->kept[i]);
        }
    }
}

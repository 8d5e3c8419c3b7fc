/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/cityjson.h"
#include "formats/cityjson_internal.h"

enum { SLOTS_MIN = 64 };

static bool make_slots(struct cityjson_document *document, struct err *err)
{
    size_t room = SLOTS_MIN;
    while (room < 2 * document->objects.count) {
        room *= 2;
    }
    if (room > document->slot_room) {
        struct cityjson_slot *slots = arena_array(document->source, struct cityjson_slot, room);
        if (slots == NULL) {
            return arena_full(document->source, err);
        }
        document->slots = slots;
        document->slot_room = room;
    }
    document->slot_count = room;
    memset(document->slots, 0, room * sizeof document->slots[0]);
    return true;
}

/* The slot of an id, or the free one where it would be. The full hash in the
 * object's record decides, its upper half in the slot saves most looks. */
static bool find_slot(struct cityjson_document *document, uint64_t hash, struct cityjson_slot **out,
                      struct err *err)
{
    const size_t mask = document->slot_count - 1;
    const uint32_t tag = (uint32_t)(hash >> 32);
    for (size_t at = (size_t)hash & mask;; at = (at + 1) & mask) {
        struct cityjson_slot *slot = &document->slots[at];
        if (slot->object_plus_1 == 0) {
            *out = slot;
            return true;
        }
        if (slot->tag == tag) {
            const void *found = NULL;
            if (!spill_read(&document->objects, slot->object_plus_1 - 1, &found, err)) {
                return false;
            }
            if (((const struct cityjson_object *)found)->id_hash == hash) {
                *out = slot;
                return true;
            }
        }
    }
}

static bool fill_slots(struct cityjson_document *document, struct err *err)
{
    for (uint32_t i = 0; i < document->objects.count; i++) {
        const void *found = NULL;
        struct cityjson_slot *slot = NULL;
        if (!spill_read(&document->objects, i, &found, err)) {
            return false;
        }
        const uint64_t hash = ((const struct cityjson_object *)found)->id_hash;
        if (!find_slot(document, hash, &slot, err)) {
            return false;
        }
        /* An id that stands there twice means its first object. */
        if (slot->object_plus_1 == 0) {
            *slot = (struct cityjson_slot){i + 1, (uint32_t)(hash >> 32)};
        }
    }
    return true;
}

static bool load_object(struct cityjson_document *document, uint32_t index,
                        struct cityjson_object *out, struct err *err)
{
    const void *found = NULL;
    if (!spill_read(&document->objects, index, &found, err)) {
        return false;
    }
    memcpy(out, found, sizeof *out);
    return true;
}

static bool store_object(struct cityjson_document *document, uint32_t index,
                         const struct cityjson_object *object, struct err *err)
{
    void *found = NULL;
    if (!spill_change(&document->objects, index, &found, err)) {
        return false;
    }
    memcpy(found, object, sizeof *object);
    return true;
}

/* The first parent that is there and no group. */
static bool find_parent(struct cityjson_document *document, uint32_t self,
                        struct cityjson_object *object, struct err *err)
{
    bool has_group = false;
    for (int i = 0; i < 2 && object->parent_hashes[i] != 0; i++) {
        struct cityjson_slot *slot = NULL;
        if (!find_slot(document, object->parent_hashes[i], &slot, err)) {
            return false;
        }
        if (slot->object_plus_1 == 0) {
            continue;
        }
        struct cityjson_object parent;
        if (!load_object(document, slot->object_plus_1 - 1, &parent, err)) {
            return false;
        }
        if (parent.is_group) {
            has_group = true;
        } else if (slot->object_plus_1 - 1 == self) {
            object->is_cut = true;
            return true;
        } else {
            object->parent = slot->object_plus_1 - 1;
            return true;
        }
    }
    object->is_orphaned = !has_group;
    return true;
}

static bool find_parents(struct cityjson_document *document, struct err *err)
{
    for (uint32_t i = 0; i < document->objects.count; i++) {
        struct cityjson_object object;
        if (!load_object(document, i, &object, err)) {
            return false;
        }
        if (object.parent_hashes[0] == 0) {
            continue;
        }
        if (!find_parent(document, i, &object, err) || !store_object(document, i, &object, err)) {
            return false;
        }
    }
    return true;
}

/* An object that names no parent belongs to the one that names it as a child;
 * groups name many things that are not theirs. */
static bool find_children(struct cityjson_document *document, struct err *err)
{
    for (uint64_t i = 0; i < document->children.count; i++) {
        const void *found = NULL;
        struct cityjson_slot *slot = NULL;
        struct cityjson_object object;
        struct cityjson_object parent;
        if (!spill_read(&document->children, i, &found, err)) {
            return false;
        }
        const struct cityjson_child child = *(const struct cityjson_child *)found;
        if (!find_slot(document, child.id_hash, &slot, err)) {
            return false;
        }
        if (slot->object_plus_1 == 0 || slot->object_plus_1 - 1 == child.parent) {
            continue;
        }
        const uint32_t index = slot->object_plus_1 - 1;
        if (!load_object(document, index, &object, err) ||
            !load_object(document, child.parent, &parent, err)) {
            return false;
        }
        if (object.parent_hashes[0] != 0 || object.parent != CITYJSON_NONE || parent.is_group) {
            continue;
        }
        object.parent = child.parent;
        if (!store_object(document, index, &object, err)) {
            return false;
        }
    }
    return true;
}

/* How many ancestors an object has; more than the limit when they go in a
 * circle. */
static bool count_ancestors(struct cityjson_document *document, uint32_t parent, int *out,
                            struct err *err)
{
    int count = 0;
    while (parent != CITYJSON_NONE && count <= CITYJSON_ANCESTORS_MAX) {
        struct cityjson_object object;
        if (!load_object(document, parent, &object, err)) {
            return false;
        }
        parent = object.parent;
        count++;
    }
    *out = count;
    return true;
}

/* Tells all ancestors of a part what it carries. */
static bool raise_parts_level(struct cityjson_document *document, uint32_t parent, double level,
                              struct err *err)
{
    while (parent != CITYJSON_NONE) {
        struct cityjson_object object;
        if (!load_object(document, parent, &object, err)) {
            return false;
        }
        if (object.parts_level < level) {
            object.parts_level = level;
            if (!store_object(document, parent, &object, err)) {
                return false;
            }
        }
        parent = object.parent;
    }
    return true;
}

/* The level of a template, for objects that are instances of it. */
static bool find_template_level(struct cityjson_document *document, struct cityjson_object *object,
                                struct err *err)
{
    if (object->template_index >= document->templates.count) {
        return true;
    }
    const void *found = NULL;
    if (!spill_read(&document->templates, object->template_index, &found, err)) {
        return false;
    }
    struct json json = cityjson_go(document, *(const struct cityjson_place *)found);
    return cityjson_scan_geometry(&json, object, err);
}

bool cityjson_link_objects(struct cityjson_document *document, struct err *err)
{
    if (document->linked_count == 0 && document->children.count == 0) {
        return true;
    }
    if (!make_slots(document, err) || !fill_slots(document, err) || !find_parents(document, err) ||
        !find_children(document, err)) {
        return false;
    }
    /* First all circles are cut, then it is safe to climb. */
    for (uint32_t i = 0; i < document->objects.count; i++) {
        struct cityjson_object object;
        int ancestors = 0;
        if (!load_object(document, i, &object, err) ||
            !count_ancestors(document, object.parent, &ancestors, err)) {
            return false;
        }
        if (ancestors > CITYJSON_ANCESTORS_MAX) {
            object.parent = CITYJSON_NONE;
            object.is_cut = true;
            if (!store_object(document, i, &object, err)) {
                return false;
            }
        }
    }
    for (uint32_t i = 0; i < document->objects.count; i++) {
        struct cityjson_object object;
        if (!load_object(document, i, &object, err)) {
            return false;
        }
        if (!object.is_part || object.parent == CITYJSON_NONE) {
            continue;
        }
        if (!find_template_level(document, &object, err) ||
            !raise_parts_level(document, object.parent, object.level, err)) {
            return false;
        }
    }
    return true;
}

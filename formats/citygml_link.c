/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "formats/citygml_internal.h"

/* ---- within the member ---- */

struct slot {
    uint64_t id_hash; /* 0: free */
    uint32_t node;
};

static struct slot *find_slot(struct slot *slots, size_t count, uint64_t id_hash)
{
    size_t at = (size_t)id_hash & (count - 1);
    while (slots[at].id_hash != 0 && slots[at].id_hash != id_hash) {
        at = (at + 1) & (count - 1);
    }
    return &slots[at];
}

bool citygml_link_member(struct citygml *reader, uint32_t *out_missing, struct err *err)
{
    struct citygml_member *member = &reader->member;
    *out_missing = 0;
    if (member->link_count == 0) {
        return true;
    }
    struct citygml_node *nodes = (struct citygml_node *)(void *)member->nodes.data;
    const uint32_t node_count = citygml_count(&member->nodes, sizeof *nodes);
    size_t count = 64;
    while (count < 2 * (size_t)node_count) {
        count *= 2;
    }
    buf_reset(&member->ids);
    struct slot *slots = (struct slot *)(void *)buf_extend(&member->ids, count * sizeof *slots);
    if (slots == NULL) {
        return buf_finish(&member->ids, err);
    }
    for (uint32_t i = 0; i < node_count; i++) {
        if (nodes[i].kind != NODE_LINK && nodes[i].id_hash != 0) {
            struct slot *slot = find_slot(slots, count, nodes[i].id_hash);
            if (slot->id_hash == 0) { /* of an id that stands there twice, the first */
                *slot = (struct slot){nodes[i].id_hash, i};
            }
        }
    }
    for (uint32_t i = 0; i < node_count; i++) {
        if (nodes[i].kind == NODE_LINK) {
            const struct slot *slot = find_slot(slots, count, nodes[i].id_hash);
            nodes[i].target = slot->id_hash == 0 ? CITYGML_NONE : slot->node;
            *out_missing += slot->id_hash == 0;
        }
    }
    return true;
}

/* ---- across the file ---- */

enum { BLOOM_BITS = 1 << 20, BASE_NODES_MAX = 1 << 20, BASE_POINTS_MAX = 1 << 21, RANGE_SLOTS = 4 };
enum { LATE_LOOKS_MAX = 64, ROUNDS_MAX = 64 };

struct place {
    uint64_t id_hash;
    uint64_t offset; /* of the element's '<'; PLACE_NOWHERE: it is not there, or no geometry */
};

#define PLACE_NOWHERE UINT64_MAX

struct citygml_links {
    struct spill ranges; /* struct citygml_range: members that wait */
    uint64_t next_range;
    struct buf wanted;    /* uint64_t: ids that are to be located */
    size_t settled_count; /* of wanted, sorted and each once */
    struct buf places;    /* struct place, sorted */
    struct buf bloom;
    uint32_t late_looks;      /* scans of the file for what was wanted late */
    struct citygml_mark base; /* of the member: what has been fetched stays */
    bool is_located;
};

static int compare_hashes(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a;
    const uint64_t right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

/* Sorts what is wanted and drops what stands there twice. */
static void settle(struct citygml_links *links)
{
    uint64_t *all = (uint64_t *)(void *)links->wanted.data;
    const size_t count = links->wanted.size / sizeof *all;
    size_t kept = 0;
    if (count > 0) {
        qsort(all, count, sizeof *all, compare_hashes);
    }
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || all[kept - 1] != all[i]) {
            all[kept++] = all[i];
        }
    }
    links->wanted.size = kept * sizeof *all;
    links->settled_count = kept;
}

static bool want(struct citygml_links *links, uint64_t id_hash, struct err *err)
{
    const size_t count = links->wanted.size / sizeof id_hash;
    if (count >= CITYGML_WANTED_MAX) {
        return true; /* it will be reported as missing */
    }
    buf_add(&links->wanted, &id_hash, sizeof id_hash);
    if (count >= 2 * links->settled_count + 1024) {
        settle(links);
    }
    return buf_finish(&links->wanted, err);
}

static bool open_links(struct citygml *reader, struct err *err)
{
    struct citygml_links *links = arena_array(reader->input.source, struct citygml_links, 1);
    if (links == NULL) {
        return arena_full(reader->input.source, err);
    }
    spill_init(&links->ranges, sizeof(struct citygml_range), RANGE_SLOTS, reader->input.source,
               reader->input.options->temporary_folder);
    struct buf *bufs[] = {&links->wanted, &links->places, &links->bloom};
    for (size_t i = 0; i < sizeof bufs / sizeof bufs[0]; i++) {
        buf_init(bufs[i], (size_t)1 << 28);
        bufs[i]->fail_after = reader->input.options->fail_after;
    }
    reader->links = links;
    return true;
}

void citygml_links_close(struct citygml *reader)
{
    if (reader->links != NULL) {
        spill_release(&reader->links->ranges);
        buf_release(&reader->links->wanted);
        buf_release(&reader->links->places);
        buf_release(&reader->links->bloom);
    }
}

bool citygml_links_defer(struct citygml *reader, struct err *err)
{
    const struct citygml_member *member = &reader->member;
    const struct citygml_range range = {
        .begin = reader->member_at,
        .end = reader->at,
        .line = citygml_line(reader, reader->member_at),
    };
    if ((reader->links == NULL && !open_links(reader, err)) ||
        !spill_add(&reader->links->ranges, &range, err)) {
        return false;
    }
    const uint32_t count = citygml_count(&member->nodes, sizeof(struct citygml_node));
    for (uint32_t i = 0; i < count; i++) {
        const struct citygml_node *node = CITYGML_AT(member->nodes, struct citygml_node, i);
        if (node->kind == NODE_LINK && node->target == CITYGML_NONE &&
            !want(reader->links, node->id_hash, err)) {
            return false;
        }
    }
    return true;
}

/* ---- where ids stand ---- */

static bool is_wanted(const struct citygml_links *links, uint64_t id_hash)
{
    const uint32_t bit = (uint32_t)(id_hash >> 20) & (BLOOM_BITS - 1);
    if ((links->bloom.data[bit / 8] & 1U << bit % 8) == 0) {
        return false;
    }
    const uint64_t *all = (const uint64_t *)(const void *)links->wanted.data;
    return bsearch(&id_hash, all, links->settled_count, sizeof *all, compare_hashes) != NULL;
}

/* The id that the attribute at `at`, just behind its name, gives; empty when it
 * is no attribute. */
static struct text id_at(const struct citygml *reader, uint64_t at)
{
    const char *text = (const char *)reader->bytes.data;
    const uint64_t size = reader->bytes.size;
    while (at < size && (text[at] == ' ' || text[at] == '\n' || text[at] == '\t')) {
        at++;
    }
    if (at >= size || text[at] != '=') {
        return (struct text){0};
    }
    at++;
    while (at < size && (text[at] == ' ' || text[at] == '\n' || text[at] == '\t')) {
        at++;
    }
    if (at >= size || (text[at] != '"' && text[at] != '\'')) {
        return (struct text){0};
    }
    const uint64_t begin = at + 1;
    const uint64_t room = size - begin < 1024 ? size - begin : 1024;
    const char *end = memchr(text + begin, text[at], (size_t)room);
    return end == NULL ? (struct text){0}
                       : (struct text){text + begin, (size_t)(end - text - (int64_t)begin)};
}

static int compare_places(const void *a, const void *b)
{
    const struct place *left = a;
    const struct place *right = b;
    if (left->id_hash != right->id_hash) {
        return left->id_hash < right->id_hash ? -1 : 1;
    }
    return left->offset < right->offset ? -1 : left->offset > right->offset;
}

static struct place *find_place(const struct citygml_links *links, uint64_t id_hash)
{
    struct place *places = (struct place *)(void *)links->places.data;
    size_t low = 0;
    size_t high = links->places.size / sizeof *places;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (places[middle].id_hash < id_hash) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    const size_t count = links->places.size / sizeof *places;
    return low < count && places[low].id_hash == id_hash ? &places[low] : NULL;
}

/* Goes through the file for all that is wanted; what is not there gets a place
 * nowhere. */
static bool locate(struct citygml *reader, struct err *err)
{
    struct citygml_links *links = reader->links;
    const uint64_t size = reader->bytes.size;
    settle(links);
    buf_reset(&links->bloom);
    if (buf_extend(&links->bloom, BLOOM_BITS / 8) == NULL) {
        return buf_finish(&links->bloom, err);
    }
    for (size_t i = 0; i < links->settled_count; i++) {
        const uint64_t hash = *CITYGML_AT(links->wanted, uint64_t, i);
        const uint32_t bit = (uint32_t)(hash >> 20) & (BLOOM_BITS - 1);
        links->bloom.data[bit / 8] |= (uint8_t)(1U << bit % 8);
        const struct place nowhere = {hash, PLACE_NOWHERE};
        buf_add(&links->places, &nowhere, sizeof nowhere);
    }
    for (uint64_t at = 0;;) {
        at = citygml_search_far(reader, at, text_of(":id"));
        if (at == size) {
            break;
        }
        at += strlen(":id");
        const struct text id = id_at(reader, at);
        const uint64_t hash = id.size == 0 ? 0 : citygml_hash(id);
        if (hash != 0 && is_wanted(links, hash)) {
            uint64_t begin = at;
            while (begin > 0 && reader->bytes.data[begin] != '<') {
                begin--;
            }
            const struct place place = {hash, begin};
            buf_add(&links->places, &place, sizeof place);
        }
    }
    if (!buf_finish(&links->places, err)) {
        return false;
    }
    if (links->places.size > 0) {
        qsort(links->places.data, links->places.size / sizeof(struct place), sizeof(struct place),
              compare_places);
    }
    links->wanted.size = 0;
    links->settled_count = 0;
    return true;
}

/* ---- fetching ---- */

/* Reads the element that has an id, and adds it to the member. */
static bool fetch(struct citygml *reader, struct place *place, struct err *err)
{
    const struct citygml_range range = {
        .begin = place->offset,
        .end = reader->bytes.size,
        .line = citygml_line(reader, place->offset),
        .is_element = true,
    };
    struct citygml_member *member = &reader->member;
    const struct citygml_mark before = citygml_member_mark(member);
    const uint32_t nodes = citygml_count(&member->nodes, sizeof(struct citygml_node));
    struct err ignored;
    const bool ok = citygml_input_range(reader, &range, MODE_FRAGMENT, &ignored);
    if (!ok && (ignored.code == ERR_NOMEM || ignored.code == ERR_IO)) {
        *err = ignored;
        return false;
    }
    const bool is_there =
        ok && citygml_count(&member->nodes, sizeof(struct citygml_node)) > nodes &&
        CITYGML_AT(member->nodes, struct citygml_node, nodes)->id_hash == place->id_hash;
    if (!is_there) {
        citygml_member_cut(member, &before);
        place->offset = PLACE_NOWHERE;
    }
    return true;
}

/* What links of the member name and it does not have, each once, to `wanted`;
 * only what has a place, or none was looked for yet. */
static bool list_missing(struct citygml *reader, struct err *err)
{
    struct citygml_links *links = reader->links;
    const struct citygml_member *member = &reader->member;
    const uint32_t count = citygml_count(&member->nodes, sizeof(struct citygml_node));
    links->wanted.size = 0;
    links->settled_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct citygml_node *node = CITYGML_AT(member->nodes, struct citygml_node, i);
        if (node->kind != NODE_LINK || node->target != CITYGML_NONE) {
            continue;
        }
        const struct place *place = find_place(links, node->id_hash);
        if ((place == NULL ? links->late_looks < LATE_LOOKS_MAX : place->offset != PLACE_NOWHERE) &&
            !want(links, node->id_hash, err)) {
            return false;
        }
    }
    settle(links);
    return true;
}

/* Fetches all that is wanted; what has no place yet is looked for. */
static bool fetch_missing(struct citygml *reader, struct err *err)
{
    struct citygml_links *links = reader->links;
    size_t late = 0;
    for (size_t i = 0; i < links->settled_count; i++) {
        const uint64_t hash = *CITYGML_AT(links->wanted, uint64_t, i);
        struct place *place = find_place(links, hash);
        if (place == NULL) {
            *CITYGML_AT(links->wanted, uint64_t, late) = hash;
            late++;
        } else if (!fetch(reader, place, err)) {
            return false;
        }
    }
    links->wanted.size = late * sizeof(uint64_t);
    if (late > 0) {
        links->late_looks++;
        return locate(reader, err);
    }
    return true;
}

static bool is_base_large(const struct citygml_member *member)
{
    return citygml_count(&member->nodes, sizeof(struct citygml_node)) > BASE_NODES_MAX ||
           citygml_count(&member->points, 3 * sizeof(double)) > BASE_POINTS_MAX;
}

bool citygml_links_next(struct citygml *reader, bool *out_is_end, struct err *err)
{
    struct citygml_links *links = reader->links;
    struct citygml_member *member = &reader->member;
    static const struct citygml_mark empty;
    *out_is_end = links == NULL || links->next_range == links->ranges.count;
    if (*out_is_end) {
        citygml_member_cut(member, &empty);
        return true;
    }
    if (!links->is_located) {
        citygml_member_cut(member, &empty);
        links->is_located = true;
        if (!locate(reader, err)) {
            return false;
        }
    }
    const void *record = NULL;
    if (!spill_read(&links->ranges, links->next_range, &record, err)) {
        return false;
    }
    const struct citygml_range range = *(const struct citygml_range *)record;
    links->next_range++;
    for (int round = 0; round < ROUNDS_MAX; round++) {
        uint32_t missing = 0;
        citygml_member_cut(member, &links->base);
        if (!citygml_input_range(reader, &range, MODE_FRAGMENT, err) ||
            !citygml_link_member(reader, &missing, err)) {
            return false;
        }
        if (missing == 0 || !list_missing(reader, err)) {
            return missing == 0;
        }
        if (links->settled_count == 0) {
            return true; /* the rest is not in the file */
        }
        citygml_member_cut(member, &links->base);
        if (is_base_large(member)) {
            citygml_member_cut(member, &empty);
        }
        if (!fetch_missing(reader, err)) {
            return false;
        }
        links->base = citygml_member_mark(member);
    }
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "formats/citygml_dress.h"
#include "formats/sorted_spill.h"

enum { DRESS_SLOTS = 16, UV_SLOTS = 128 };

struct citygml_table {
    struct sorted_spill *sorted;
};

/* ---- the member's own ---- */

/* By id, and those of one id in the order of the source. */
static int compare(const void *a, const void *b)
{
    const struct citygml_target *left = a;
    const struct citygml_target *right = b;
    if (left->id_hash != right->id_hash) {
        return left->id_hash < right->id_hash ? -1 : 1;
    }
    if (left->dress != right->dress) {
        return left->dress < right->dress ? -1 : 1;
    }
    return left->first_uv < right->first_uv ? -1 : left->first_uv > right->first_uv;
}

static bool add_found(struct buf *out, const struct citygml_target *target, bool is_local,
                      struct err *err)
{
    const struct citygml_found found = {*target, is_local};
    buf_add(out, &found, sizeof found);
    return buf_finish(out, err);
}

static bool find_local(struct citygml_wardrobe *wardrobe, uint64_t id_hash, struct buf *out,
                       struct err *err)
{
    struct citygml_target *targets = (struct citygml_target *)(void *)wardrobe->targets.data;
    const uint32_t count = citygml_count(&wardrobe->targets, sizeof *targets);
    if (count == 0) {
        return true;
    }
    if (!wardrobe->is_sorted) {
        qsort(targets, count, sizeof *targets, compare);
        wardrobe->is_sorted = true;
    }
    uint32_t low = 0;
    uint32_t high = count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (targets[middle].id_hash < id_hash) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (; low < count && targets[low].id_hash == id_hash; low++) {
        if (!add_found(out, &targets[low], true, err)) {
            return false;
        }
    }
    return true;
}

/* ---- the model's ---- */

static bool open_table(struct citygml *reader, struct err *err)
{
    struct arena *source = reader->input.source;
    const char *folder = reader->input.options->temporary_folder;
    struct citygml_table *table = arena_array(source, struct citygml_table, 1);
    if (table == NULL) {
        return arena_full(source, err);
    }
    spill_init(&reader->dresses, sizeof(struct citygml_dress), DRESS_SLOTS, source, folder);
    spill_init(&reader->uvs, 2 * sizeof(float), UV_SLOTS, source, folder);
    reader->targets = table;
    return sorted_spill_open(sizeof(struct citygml_target), source, folder,
                             reader->input.options->fail_after, &table->sorted, err);
}

bool citygml_target_store(struct citygml *reader, struct err *err)
{
    struct citygml_wardrobe *wardrobe = &reader->member.wardrobe;
    if (wardrobe->targets.size == 0 && wardrobe->dresses.size == 0) {
        return true;
    }
    if (reader->targets == NULL && !open_table(reader, err)) {
        return false;
    }
    const uint64_t first_dress = reader->dresses.count;
    const uint64_t first_uv = reader->uvs.count;
    const uint32_t dress_count = citygml_count(&wardrobe->dresses, sizeof(struct citygml_dress));
    for (uint32_t i = 0; i < dress_count; i++) {
        if (!spill_add(&reader->dresses, CITYGML_AT(wardrobe->dresses, struct citygml_dress, i),
                       err)) {
            return false;
        }
    }
    const uint32_t uv_count = citygml_count(&wardrobe->uvs, 2 * sizeof(float));
    for (uint32_t i = 0; i < uv_count; i++) {
        if (!spill_add(&reader->uvs, CITYGML_AT(wardrobe->uvs, float, 2 * (size_t)i), err)) {
            return false;
        }
    }
    const uint32_t target_count = citygml_count(&wardrobe->targets, sizeof(struct citygml_target));
    for (uint32_t i = 0; i < target_count; i++) {
        struct citygml_target target = *CITYGML_AT(wardrobe->targets, struct citygml_target, i);
        target.dress += (uint32_t)first_dress;
        target.first_uv += first_uv;
        if (!sorted_spill_add(reader->targets->sorted, &target, err)) {
            return false;
        }
    }
    reader->has_model_dress = true;
    wardrobe->dresses.size = 0;
    wardrobe->targets.size = 0;
    wardrobe->uvs.size = 0;
    return true;
}

bool citygml_target_sort(struct citygml *reader, struct err *err)
{
    return reader->targets == NULL || sorted_spill_finish(reader->targets->sorted, err);
}

void citygml_target_close(struct citygml *reader)
{
    if (reader->targets != NULL) {
        sorted_spill_close(reader->targets->sorted);
        spill_release(&reader->dresses);
        spill_release(&reader->uvs);
    }
}

static bool find_stored(struct citygml *reader, uint64_t id_hash, struct buf *out, struct err *err)
{
    struct sorted_spill *sorted = reader->targets->sorted;
    uint64_t index = 0;
    if (!sorted_spill_find(sorted, id_hash, &index, err)) {
        return false;
    }
    for (; index < sorted_spill_count(sorted); index++) {
        struct citygml_target target;
        if (!sorted_spill_read(sorted, index, &target, err)) {
            return false;
        }
        if (target.id_hash != id_hash) {
            break;
        }
        if (!add_found(out, &target, false, err)) {
            return false;
        }
    }
    return true;
}

bool citygml_target_find(struct citygml *reader, uint64_t id_hash, struct buf *out, struct err *err)
{
    return find_local(&reader->member.wardrobe, id_hash, out, err) &&
           (!reader->has_model_dress || find_stored(reader, id_hash, out, err));
}

bool citygml_target_dress(struct citygml *reader, const struct citygml_found *found,
                          struct citygml_dress *out, struct err *err)
{
    if (found->is_local) {
        *out =
            *CITYGML_AT(reader->member.wardrobe.dresses, struct citygml_dress, found->target.dress);
        return true;
    }
    const void *record = NULL;
    if (!spill_read(&reader->dresses, found->target.dress, &record, err)) {
        return false;
    }
    memcpy(out, record, sizeof *out);
    return true;
}

bool citygml_target_uvs(struct citygml *reader, const struct citygml_found *found, struct buf *out,
                        struct err *err)
{
    uint32_t count = found->target.uv_count & ~CITYGML_TARGET_GENERATED;
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t index = found->target.first_uv + i;
        if (found->is_local) {
            buf_add(out, CITYGML_AT(reader->member.wardrobe.uvs, const float, 2 * index),
                    2 * sizeof(float));
            continue;
        }
        const void *record = NULL;
        if (!spill_read(&reader->uvs, index, &record, err)) {
            return false;
        }
        buf_add(out, record, 2 * sizeof(float));
    }
    return buf_finish(out, err);
}

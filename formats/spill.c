/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "formats/spill.h"

#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include "formats/base/io.h"

void spill_init(struct spill *spill, size_t record_bytes, size_t slot_count, struct arena *source,
                const char *folder)
{
    assert(record_bytes > 0 && record_bytes <= SPILL_BLOCK_BYTES);
    assert(slot_count > 0 && slot_count <= SPILL_SLOTS_MAX);
    *spill = (struct spill){
        .source = source,
        .folder = folder,
        .record_bytes = record_bytes,
        .slot_count = slot_count,
        .fd = -1,
    };
}

void spill_release(struct spill *spill)
{
    if (spill != NULL && spill->source != NULL && spill->fd >= 0) {
        close(spill->fd);
        spill->fd = -1;
    }
}

void spill_reset(struct spill *spill)
{
    spill->count = 0;
    for (size_t slot = 0; slot < spill->slot_count; slot++) {
        spill->block_numbers[slot] = UINT64_MAX;
        spill->is_changed[slot] = false;
    }
    spill->recent_count = 0;
}

/* A file without a name: nothing is left behind, however the program ends. */
static bool make_file(struct spill *spill, struct err *err)
{
    char path[PATH_MAX];
    const int length = snprintf(path, sizeof path, "%s/storey-spill-XXXXXX", spill->folder);
    if (length < 0 || (size_t)length >= sizeof path) {
        return err_set(err, ERR_LIMIT, "path longer than %d bytes", PATH_MAX);
    }
    const int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0) {
        return io_error(err, "create", path);
    }
    unlink(path);
    spill->fd = fd;
    return true;
}

static bool write_block(struct spill *spill, size_t slot, struct err *err)
{
    if (spill->fd < 0 && !make_file(spill, err)) {
        return false;
    }
    if (!io_write_at(spill->fd, spill->block_numbers[slot] * SPILL_BLOCK_BYTES, spill->blocks[slot],
                     SPILL_BLOCK_BYTES, err)) {
        err_in_source(err, spill->folder);
        return false;
    }
    spill->is_changed[slot] = false;
    return true;
}

/* The slot that holds a block; is_new says that it has never held records. */
static bool hold_block(struct spill *spill, uint64_t number, bool is_new, size_t *out_slot,
                       struct err *err)
{
    const size_t slot = (size_t)(number % spill->slot_count);
    if (spill->blocks[slot] == NULL) {
        /* Aligned for whatever the records are. */
        uint8_t *block = arena_alloc(spill->source, SPILL_BLOCK_BYTES, 1, _Alignof(max_align_t));
        if (block == NULL) {
            return arena_full(spill->source, err);
        }
        spill->blocks[slot] = block;
        spill->block_numbers[slot] = slot;
    }
    if (spill->block_numbers[slot] != number) {
        spill->recent_count = 0;
        if (spill->is_changed[slot] && !write_block(spill, slot, err)) {
            return false;
        }
        /* Until it has been read, the slot holds nothing that is true. */
        spill->block_numbers[slot] = number;
        if (!is_new && !io_read_at(spill->fd, number * SPILL_BLOCK_BYTES, spill->blocks[slot],
                                   SPILL_BLOCK_BYTES, err)) {
            spill->block_numbers[slot] = UINT64_MAX;
            err_in_source(err, spill->folder);
            return false;
        }
    }
    *out_slot = slot;
    return true;
}

static bool find_record(struct spill *spill, uint64_t index, bool is_new, size_t *out_slot,
                        uint8_t **out, struct err *err)
{
    const uint64_t per_block = SPILL_BLOCK_BYTES / spill->record_bytes;
    const uint64_t number = index / per_block;
    const uint64_t within = index % per_block;
    if (!hold_block(spill, number, is_new && within == 0, out_slot, err)) {
        return false;
    }
    *out = spill->blocks[*out_slot] + within * spill->record_bytes;
    return true;
}

bool spill_add(struct spill *spill, const void *record, struct err *err)
{
    size_t slot = 0;
    uint8_t *at = NULL;
    if (!find_record(spill, spill->count, true, &slot, &at, err)) {
        return false;
    }
    memcpy(at, record, spill->record_bytes);
    spill->is_changed[slot] = true;
    spill->count++;
    return true;
}

bool spill_read(struct spill *spill, uint64_t index, const void **out, struct err *err)
{
    assert(index < spill->count);
    /* Most reads are near the one before: no division for those. */
    if (index - spill->recent_first < spill->recent_count) {
        *out = spill->recent + (index - spill->recent_first) * spill->record_bytes;
        return true;
    }
    size_t slot = 0;
    uint8_t *at = NULL;
    if (!find_record(spill, index, false, &slot, &at, err)) {
        return false;
    }
    spill->recent_count = SPILL_BLOCK_BYTES / spill->record_bytes;
    spill->recent_first = index - index % spill->recent_count;
    spill->recent = spill->blocks[slot];
    *out = at;
    return true;
}

bool spill_change(struct spill *spill, uint64_t index, void **out, struct err *err)
{
    assert(index < spill->count);
    size_t slot = 0;
    uint8_t *at = NULL;
    if (!find_record(spill, index, false, &slot, &at, err)) {
        return false;
    }
    spill->is_changed[slot] = true;
    *out = at;
    return true;
}

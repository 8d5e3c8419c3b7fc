/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_SPILL_H
#define FORMATS_SPILL_H

/*
 * spill.h - an array of equal records that may be larger than memory.
 *
 * Records are added at the end, read and changed anywhere. A fixed number of
 * blocks stays in memory; what does not fit is in a file without a name in the
 * temporary folder, which is only made when that happens. Plain pread and
 * pwrite: resident memory is what is written here, whatever the kernel does.
 *
 *     block 0 | block 1 | block 2 | ...         SPILL_BLOCK_BYTES each
 *        \         |         /
 *       slot = block % slot_count               direct mapped; a block that is
 *                                               evicted is written if changed
 *
 * Threads  one at a time
 */

#include "formats/base/arena.h"
#include "formats/base/err.h"

enum { SPILL_BLOCK_BYTES = 32 * 1024, SPILL_SLOTS_MAX = 256 };

struct spill {
    struct arena *source;             /* blocks live here */
    const char *folder;               /* borrowed until spill_release() */
    size_t record_bytes;              /* 1 .. SPILL_BLOCK_BYTES */
    size_t slot_count;                /* 1 .. SPILL_SLOTS_MAX */
    uint64_t count;                   /* records */
    int fd;                           /* -1: all fit so far */
    uint8_t *blocks[SPILL_SLOTS_MAX]; /* NULL until used */
    uint64_t block_numbers[SPILL_SLOTS_MAX];
    bool is_changed[SPILL_SLOTS_MAX];
    uint64_t recent_first; /* index of the first record of the block read last */
    uint64_t recent_count; /* records that a block holds; 0: none was read yet */
    const uint8_t *recent;
};

void spill_init(struct spill *spill, size_t record_bytes, size_t slot_count, struct arena *source,
                const char *folder);
void spill_release(struct spill *spill); /* NULL is fine */
void spill_reset(struct spill *spill);   /* no records; keeps memory and file */

ERR_CHECKED bool spill_add(struct spill *spill, const void *record, struct err *err);

/*
 * A record, index < count.
 *
 * Memory   valid until the next call on the same spill
 */
ERR_CHECKED bool spill_read(struct spill *spill, uint64_t index, const void **out, struct err *err);

/* As spill_read(); what the caller writes there is kept. */
ERR_CHECKED bool spill_change(struct spill *spill, uint64_t index, void **out, struct err *err);

#endif

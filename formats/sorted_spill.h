/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_SORTED_SPILL_H
#define FORMATS_SORTED_SPILL_H

/*
 * sorted_spill.h - a table of equal records, found by a 64-bit key, that may be
 * larger than memory.
 *
 * A record begins with its key (uint64_t). Records are added in any order, then
 * sorted once: by key, those of one key in the order in which they came. What
 * fits in SORTED_SPILL_RUN_BYTES stays in memory; more is sorted run by run to a
 * file without a name in the temporary folder and merged.
 *
 *     add ... -> run | run | run      merge -> sorted file, a key of every
 *                                              SORTED_SPILL_PAGE_BYTES in memory
 *
 * Threads  one at a time
 */

#include "formats/base/arena.h"
#include "formats/base/err.h"

enum { SORTED_SPILL_RUN_BYTES = 48 * 1024 * 1024, SORTED_SPILL_PAGE_BYTES = 4096 };

struct sorted_spill;

/* record_bytes     8 .. SORTED_SPILL_PAGE_BYTES, a multiple of 8
 * fail_after       tests: as arena.fail_after, for its own memory */
ERR_CHECKED bool sorted_spill_open(size_t record_bytes, struct arena *source, const char *folder,
                                   size_t fail_after, struct sorted_spill **out, struct err *err);
void sorted_spill_close(struct sorted_spill *spill); /* NULL is fine */

ERR_CHECKED bool sorted_spill_add(struct sorted_spill *spill, const void *record, struct err *err);

/* Sorts; nothing is added afterwards. */
ERR_CHECKED bool sorted_spill_finish(struct sorted_spill *spill, struct err *err);

uint64_t sorted_spill_count(const struct sorted_spill *spill);

/* The first record whose key is not less; sorted_spill_count() when all are. */
ERR_CHECKED bool sorted_spill_find(struct sorted_spill *spill, uint64_t key, uint64_t *out_index,
                                   struct err *err);

/* Copies a record, index < count, to `out`. */
ERR_CHECKED bool sorted_spill_read(struct sorted_spill *spill, uint64_t index, void *out,
                                   struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_SPOOL_H
#define TILER_SPOOL_H

/*
 * spool.h - an append-only temporary file of records without pointers.
 *
 * Between the stages of a run, features stand in a spool and not in memory.
 * Reading goes through pread into the caller's arena: nothing is mapped, so
 * the resident set does not grow with the city.
 *
 * Layout   per record, little endian, at a multiple of 8
 *
 *             0  4  "SPL1"
 *             4  4  size of the payload
 *             8  8  checksum of the payload (XXH3, 64 bits)
 *            16  -  payload, padded with zeros to a multiple of 8
 *
 * Threads  spool_read() from any thread, also while another one appends, of
 *          records that were flushed; the rest from one at a time
 */

#include "formats/base/arena.h"
#include "formats/base/bytes.h"
#include "formats/base/err.h"

struct spool;

/* A new file in `folder`, unlinked at once: nothing is left behind, whatever
 * happens to the program. `what` names it in messages. */
ERR_CHECKED bool spool_open(const char *folder, const char *what, struct arena *run,
                            struct spool **out, struct err *err);
void spool_close(struct spool *spool);

/* Memory   payload is copied into a write buffer
 * Errors   ERR_IO (disk full), ERR_LIMIT (a record of 4 GiB or more) */
ERR_CHECKED bool spool_append(struct spool *spool, struct span payload, uint64_t *out_offset,
                              struct err *err);

/* Writes what is still buffered; needed before the first spool_read(). */
ERR_CHECKED bool spool_flush(struct spool *spool, struct err *err);

/*
 * Reads the record at `offset`.
 *
 * Memory   *out lives in `arena`, aligned to 8
 * Errors   ERR_IO  the temporary file was damaged or cut short
 */
ERR_CHECKED bool spool_read(const struct spool *spool, uint64_t offset, struct arena *arena,
                            struct span *out, struct err *err);

/* Where the record after the one at `offset`, of this payload size, begins. */
uint64_t spool_after(uint64_t offset, size_t payload_size);

uint64_t spool_size(const struct spool *spool);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_PACKING_H
#define FORMATS_PACKING_H

/*
 * packing.h - compressing and expanding whole members: deflate and zstd, and
 * the CRC-32 that ZIP and gzip use.
 *
 * Same bytes in, same bytes out, for one version of the libraries. Nothing here
 * streams: a member is in memory before and after.
 *
 * Threads  No state; safe from any thread
 */

#include "formats/base/buf.h"
#include "formats/base/bytes.h"
#include "formats/base/err.h"

/* The numbers are those of ZIP's "compression method" field. */
enum packing_method { PACKING_STORED = 0, PACKING_DEFLATE = 8, PACKING_ZSTD = 93 };

bool packing_is_known(unsigned method);
const char *packing_name(enum packing_method method); /* "stored", "deflate", "zstd" */

/*
 * Appends `bytes`, compressed, to `out`.
 *
 * Errors   ERR_NOMEM, ERR_LIMIT (out is full)
 */
ERR_CHECKED bool packing_pack(enum packing_method method, struct span bytes, struct buf *out,
                              struct err *err);

/*
 * Appends `bytes` as a zlib stream (RFC 1950), which is what PNG holds. `level`
 * is 1 to 12, on libdeflate's scale.
 */
ERR_CHECKED bool packing_zlib(struct span bytes, int level, struct buf *out, struct err *err);

/*
 * Appends exactly `expanded_bytes` to `out`, expanded from `packed`.
 *
 * Limits   A ratio above PACKING_RATIO_MAX is refused before anything is
 *          allocated (only beyond 1 MiB); deflate cannot do better than 1032.
 * Errors   ERR_SYNTAX  damaged, or it expands to another size; trailing bytes
 *          ERR_LIMIT   the ratio, or out->limit_bytes
 */
enum { PACKING_RATIO_MAX = 1032, PACKING_RATIO_FREE_BYTES = 1 << 20 };
ERR_CHECKED bool packing_expand(enum packing_method method, struct span packed,
                                uint64_t expanded_bytes, struct buf *out, struct err *err);

/* Continues a CRC-32 (IEEE 802.3); start with 0. */
uint32_t packing_crc32(uint32_t crc, struct span bytes);

#endif

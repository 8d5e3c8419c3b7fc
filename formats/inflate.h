/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_INFLATE_H
#define FORMATS_INFLATE_H

/*
 * inflate.h - gzip files and deflated zip members to an open file, streamed.
 *
 * Source   RFC 1952 (gzip; several members after one another are one file),
 *          RFC 1951 (deflate)
 * Limits   by the caller: bytes, and how many times larger than its input the
 *          output may grow once it is past INFLATE_FREE_BYTES (ERR_LIMIT)
 * Threads  no state; safe from any thread
 */

#include "formats/base/bytes.h"
#include "formats/base/err.h"

enum { INFLATE_FREE_BYTES = 64 * 1024 * 1024 };

enum inflate_wrapper {
    INFLATE_GZIP, /* any number of members; zero padding after the last is fine */
    INFLATE_RAW   /* one deflate stream, as a zip member has it */
};

struct inflate_limits {
    uint64_t bytes_max;
    uint64_t ratio_max; /* 0: any */
};

/* Begins with the two magic bytes of gzip. */
bool inflate_is_gzip(struct span head);

/*
 * Inflates `packed` and writes it at the position of `fd`.
 *
 * Errors   ERR_SYNTAX  broken or cut short, with the offset in `packed`
 *          ERR_LIMIT   larger than `limits` allow
 *          ERR_IO      `fd` refused (a full disk)
 *          ERR_NOMEM
 */
ERR_CHECKED bool inflate_to_file(struct span packed, enum inflate_wrapper wrapper,
                                 struct inflate_limits limits, int fd, uint64_t *out_size,
                                 uint32_t *out_crc32, struct err *err);

/*
 * Inflates as much of the beginning as fits into `out`; for looking at what is
 * inside. A broken stream gives what came before the fault.
 */
size_t inflate_head(struct span packed, enum inflate_wrapper wrapper, uint8_t *out, size_t room);

/* CRC-32 of bytes that are stored as they are, for zip members. */
uint32_t inflate_crc32(struct span bytes);

#endif

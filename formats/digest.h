/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_DIGEST_H
#define FORMATS_DIGEST_H

/*
 * digest.h - 128-bit content digests: XXH3-128, seed 0, in canonical (big
 * endian) order, so that `xxhsum -H2 FILE` prints the same 32 digits.
 *
 * Tells accidents and changes, not attackers: whoever can write a package can
 * write its manifest too.
 *
 * Threads  digest_of() from any; a struct digest_stream belongs to one
 */

#include "formats/base/bytes.h"
#include "formats/base/err.h"

enum { DIGEST_BYTES = 16, DIGEST_TEXT_BYTES = 2 * DIGEST_BYTES + 1 };

struct digest {
    uint8_t bytes[DIGEST_BYTES];
};

struct digest digest_of(struct span bytes);

/* The whole file at `path`, read in pieces: memory does not grow with it.
 * out_bytes (may be NULL) receives its size. */
ERR_CHECKED bool digest_of_file(const char *path, struct digest *out, uint64_t *out_bytes,
                                struct err *err);

/* 32 lower-case hexadecimal digits and a terminator. */
void digest_print(struct digest digest, char out[DIGEST_TEXT_BYTES]);

/* False when `text` is not 32 hexadecimal digits. */
bool digest_parse(struct text text, struct digest *out);

/* 64 bits of digest_of(), for tables in memory and checksums of temporary files. */
uint64_t digest_short(struct span bytes);

static inline bool digest_equals(struct digest a, struct digest b)
{
    return memcmp(a.bytes, b.bytes, DIGEST_BYTES) == 0;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_SECRET_H
#define SERVER_SECRET_H

/*
 * secret.h - hashes, signatures and random bytes, through GnuTLS, which
 * libmicrohttpd brings along.
 */

#include "formats/base/buf.h"
#include "formats/base/bytes.h"
#include "formats/base/err.h"

enum { SECRET_HASH_BYTES = 32 };

/* SHA-256. */
ERR_CHECKED bool secret_hash(struct span bytes, uint8_t out[SECRET_HASH_BYTES], struct err *err);

/* HMAC-SHA-256. */
ERR_CHECKED bool secret_sign(struct span key, struct span bytes, uint8_t out[SECRET_HASH_BYTES],
                             struct err *err);

/* Whether two hashes are the same, in a time that does not tell where they differ. */
bool secret_equals(const uint8_t a[SECRET_HASH_BYTES], const uint8_t b[SECRET_HASH_BYTES]);

/* Bytes that nobody can guess. */
ERR_CHECKED bool secret_random(uint8_t *out, size_t size, struct err *err);

/* base64url without padding. Decoding: the bytes written, or 0 for what is none
 * or does not fit; `room` is in bytes. */
void secret_print64(struct buf *out, struct span bytes);
size_t secret_read64(struct text text, uint8_t *out, size_t room);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "server/secret.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

static const char digits64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static bool library_error(int code, struct err *err)
{
    return code >= 0 || err_set(err, ERR_LIBRARY, "GnuTLS: %s", gnutls_strerror(code));
}

bool secret_hash(struct span bytes, uint8_t out[SECRET_HASH_BYTES], struct err *err)
{
    return library_error(gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes.data, bytes.size, out), err);
}

bool secret_sign(struct span key, struct span bytes, uint8_t out[SECRET_HASH_BYTES],
                 struct err *err)
{
    return library_error(
        gnutls_hmac_fast(GNUTLS_MAC_SHA256, key.data, key.size, bytes.data, bytes.size, out), err);
}

bool secret_equals(const uint8_t a[SECRET_HASH_BYTES], const uint8_t b[SECRET_HASH_BYTES])
{
    return gnutls_memcmp(a, b, SECRET_HASH_BYTES) == 0;
}

bool secret_random(uint8_t *out, size_t size, struct err *err)
{
    return library_error(gnutls_rnd(GNUTLS_RND_KEY, out, size), err);
}

void secret_print64(struct buf *out, struct span bytes)
{
    for (size_t i = 0; i < bytes.size; i += 3) {
        const size_t count = bytes.size - i < 3 ? bytes.size - i : 3;
        uint32_t group = 0;
        for (size_t k = 0; k < 3; k++) {
            group = group << 8 | (k < count ? bytes.data[i + k] : 0U);
        }
        for (size_t k = 0; k <= count; k++) {
            buf_add_byte(out, (uint8_t)digits64[group >> (18 - 6 * k) & 63]);
        }
    }
}

size_t secret_read64(struct text text, uint8_t *out, size_t room)
{
    uint32_t bits = 0;
    unsigned held = 0;
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        const char *digit = text.data[i] == '\0' ? NULL : strchr(digits64, text.data[i]);
        if (digit == NULL) {
            return 0;
        }
        bits = (bits << 6 | (uint32_t)(digit - digits64)) & 0xFFFF;
        held += 6;
        if (held >= 8) {
            held -= 8;
            if (size == room) {
                return 0;
            }
            out[size++] = (uint8_t)(bits >> held);
        }
    }
    return size;
}

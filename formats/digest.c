/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/digest.h"

#include <fcntl.h>
#include <unistd.h>
#include <xxhash.h>

#include "formats/base/io.h"

enum { PIECE_BYTES = 32 * 1024 };

static struct digest canonical(XXH128_hash_t hash)
{
    XXH128_canonical_t bytes;
    XXH128_canonicalFromHash(&bytes, hash);
    struct digest digest;
    memcpy(digest.bytes, bytes.digest, DIGEST_BYTES);
    return digest;
}

struct digest digest_of(struct span bytes)
{
    return canonical(XXH3_128bits(bytes.data, bytes.size));
}

uint64_t digest_short(struct span bytes)
{
    return bytes_load_u64le(digest_of(bytes).bytes);
}

static bool digest_open_file(int fd, XXH3_state_t *state, uint64_t *out_bytes, struct err *err)
{
    uint8_t piece[PIECE_BYTES];
    uint64_t total = 0;
    ssize_t got;
    while ((got = read(fd, piece, sizeof piece)) > 0) {
        XXH3_128bits_update(state, piece, (size_t)got);
        total += (uint64_t)got;
    }
    if (got < 0) {
        return io_error(err, "read", "file");
    }
    *out_bytes = total;
    return true;
}

bool digest_of_file(const char *path, struct digest *out, uint64_t *out_bytes, struct err *err)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return io_error(err, "open", path);
    }
    XXH3_state_t *state = XXH3_createState();
    if (state == NULL) {
        close(fd);
        return err_set(err, ERR_NOMEM, "no memory for a digest");
    }
    XXH3_128bits_reset(state);
    uint64_t bytes;
    const bool ok = digest_open_file(fd, state, &bytes, err);
    if (ok) {
        *out = canonical(XXH3_128bits_digest(state));
        if (out_bytes != NULL) {
            *out_bytes = bytes;
        }
    } else {
        err_in_source(err, path);
    }
    XXH3_freeState(state);
    close(fd);
    return ok;
}

void digest_print(struct digest digest, char out[DIGEST_TEXT_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < DIGEST_BYTES; i++) {
        out[2 * i] = digits[digest.bytes[i] >> 4];
        out[2 * i + 1] = digits[digest.bytes[i] & 15];
    }
    out[DIGEST_TEXT_BYTES - 1] = '\0';
}

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    if (digit >= 'a' && digit <= 'f') {
        return digit - 'a' + 10;
    }
    return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

bool digest_parse(struct text text, struct digest *out)
{
    if (text.size != DIGEST_TEXT_BYTES - 1) {
        return false;
    }
    struct digest digest;
    for (size_t i = 0; i < DIGEST_BYTES; i++) {
        const int high = hex_value(text.data[2 * i]);
        const int low = hex_value(text.data[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        digest.bytes[i] = (uint8_t)(high * 16 + low);
    }
    *out = digest;
    return true;
}

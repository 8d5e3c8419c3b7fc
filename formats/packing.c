/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/packing.h"

#include <libdeflate.h>
#include <zstd.h>

/* Levels where more effort stops paying on tiles of 10 to 500 KB. */
enum { DEFLATE_LEVEL = 7, ZSTD_LEVEL = 12 };

bool packing_is_known(unsigned method)
{
    return method == PACKING_STORED || method == PACKING_DEFLATE || method == PACKING_ZSTD;
}

const char *packing_name(enum packing_method method)
{
    switch (method) {
    case PACKING_STORED:
        return "stored";
    case PACKING_DEFLATE:
        return "deflate";
    case PACKING_ZSTD:
        return "zstd";
    }
    return "unknown";
}

/* As a raw stream, or wrapped as zlib does. */
static bool pack_deflate(struct span bytes, int level, bool is_zlib, struct buf *out,
                         struct err *err)
{
    struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(level);
    if (compressor == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a compressor");
    }
    const size_t start = out->size;
    const size_t bound = is_zlib ? libdeflate_zlib_compress_bound(compressor, bytes.size)
                                 : libdeflate_deflate_compress_bound(compressor, bytes.size);
    uint8_t *at = buf_extend(out, bound);
    size_t size = 0;
    if (at != NULL) {
        size = is_zlib ? libdeflate_zlib_compress(compressor, bytes.data, bytes.size, at, bound)
                       : libdeflate_deflate_compress(compressor, bytes.data, bytes.size, at, bound);
    }
    libdeflate_free_compressor(compressor);
    if (at == NULL) {
        return buf_finish(out, err);
    }
    if (size == 0) {
        return err_set(err, ERR_LIBRARY, "libdeflate cannot compress %zu bytes", bytes.size);
    }
    out->size = start + size;
    return true;
}

static bool pack_zstd(struct span bytes, struct buf *out, struct err *err)
{
    const size_t start = out->size;
    const size_t bound = ZSTD_compressBound(bytes.size);
    uint8_t *at = buf_extend(out, bound);
    if (at == NULL) {
        return buf_finish(out, err);
    }
    const size_t size = ZSTD_compress(at, bound, bytes.data, bytes.size, ZSTD_LEVEL);
    if (ZSTD_isError(size)) {
        out->size = start;
        return err_set(err, ERR_LIBRARY, "zstd: %s", ZSTD_getErrorName(size));
    }
    out->size = start + size;
    return true;
}

bool packing_pack(enum packing_method method, struct span bytes, struct buf *out, struct err *err)
{
    switch (method) {
    case PACKING_STORED:
        buf_add(out, bytes.data, bytes.size);
        return buf_finish(out, err);
    case PACKING_DEFLATE:
        return pack_deflate(bytes, DEFLATE_LEVEL, false, out, err);
    case PACKING_ZSTD:
        return pack_zstd(bytes, out, err);
    }
    return err_set(err, ERR_UNSUPPORTED, "compression method %u", (unsigned)method);
}

bool packing_zlib(struct span bytes, int level, struct buf *out, struct err *err)
{
    return pack_deflate(bytes, level, true, out, err);
}

static bool expand_deflate(struct span packed, uint8_t *at, size_t size, struct err *err)
{
    struct libdeflate_decompressor *decompressor = libdeflate_alloc_decompressor();
    if (decompressor == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a decompressor");
    }
    /* A NULL output is an error to the library even when nothing is expected. */
    uint8_t nothing;
    size_t used = 0;
    const enum libdeflate_result result = libdeflate_deflate_decompress_ex(
        decompressor, packed.data, packed.size, at == NULL ? &nothing : at, size, &used, NULL);
    libdeflate_free_decompressor(decompressor);
    if (result == LIBDEFLATE_INSUFFICIENT_SPACE || result == LIBDEFLATE_SHORT_OUTPUT) {
        return err_set(err, ERR_SYNTAX, "does not expand to the %zu bytes it claims", size);
    }
    if (result != LIBDEFLATE_SUCCESS || used != packed.size) {
        return err_set(err, ERR_SYNTAX, "damaged deflate data");
    }
    return true;
}

static bool expand_zstd(struct span packed, uint8_t *at, size_t size, struct err *err)
{
    const size_t result = ZSTD_decompress(at, size, packed.data, packed.size);
    if (ZSTD_isError(result)) {
        return err_set(err, ERR_SYNTAX, "damaged zstd data: %s", ZSTD_getErrorName(result));
    }
    if (result != size) {
        return err_set(err, ERR_SYNTAX, "expands to %zu bytes, not to the %zu it claims", result,
                       size);
    }
    return true;
}

static bool expand_into(enum packing_method method, struct span packed, uint8_t *at, size_t size,
                        struct err *err)
{
    switch (method) {
    case PACKING_STORED:
        if (packed.size != size) {
            return err_set(err, ERR_SYNTAX, "stored %zu bytes, but claims %zu", packed.size, size);
        }
        if (size > 0) {
            memcpy(at, packed.data, size);
        }
        return true;
    case PACKING_DEFLATE:
        return expand_deflate(packed, at, size, err);
    case PACKING_ZSTD:
        return expand_zstd(packed, at, size, err);
    }
    return err_set(err, ERR_UNSUPPORTED, "compression method %u", (unsigned)method);
}

bool packing_expand(enum packing_method method, struct span packed, uint64_t expanded_bytes,
                    struct buf *out, struct err *err)
{
    if (expanded_bytes > PACKING_RATIO_FREE_BYTES &&
        expanded_bytes / PACKING_RATIO_MAX > packed.size) {
        return err_set(err, ERR_LIMIT, "%zu bytes claim to expand to %llu", packed.size,
                       (unsigned long long)expanded_bytes);
    }
    if (expanded_bytes > SIZE_MAX) {
        return err_set(err, ERR_LIMIT, "%llu bytes", (unsigned long long)expanded_bytes);
    }
    const size_t start = out->size;
    uint8_t *at = buf_extend(out, (size_t)expanded_bytes);
    if (!buf_finish(out, err)) {
        return false;
    }
    if (!expand_into(method, packed, at, (size_t)expanded_bytes, err)) {
        out->size = start;
        return false;
    }
    return true;
}

uint32_t packing_crc32(uint32_t crc, struct span bytes)
{
    return bytes.size == 0 ? crc : libdeflate_crc32(crc, bytes.data, bytes.size);
}

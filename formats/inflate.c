/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/inflate.h"

#include <assert.h>

#include <zlib.h>

#include "formats/base/io.h"

enum { PIECE_BYTES = 64 * 1024 };
enum { WINDOW_GZIP = 15 + 16, WINDOW_RAW = -15 };
/* zlib counts in unsigned int; input is handed over in pieces of this. */
enum { INPUT_PIECE_BYTES = 1 << 30 };

bool inflate_is_gzip(struct span head)
{
    return head.size >= 2 && head.data[0] == 0x1F && head.data[1] == 0x8B;
}

uint32_t inflate_crc32(struct span bytes)
{
    return (uint32_t)crc32_z(0, bytes.data, bytes.size);
}

/* What is left of the input, and what has come out. */
struct stream {
    z_stream z;
    struct span left;
    uint64_t size;
    uint32_t crc;
    bool is_done; /* the deflate stream, or the last gzip member, has ended */
};

static bool start(struct stream *stream, struct span packed, enum inflate_wrapper wrapper,
                  struct err *err)
{
    *stream = (struct stream){.left = packed};
    if (inflateInit2(&stream->z, wrapper == INFLATE_GZIP ? WINDOW_GZIP : WINDOW_RAW) != Z_OK) {
        return err_set(err, ERR_NOMEM, "no memory to inflate");
    }
    return true;
}

static bool is_padding(struct span bytes)
{
    for (size_t i = 0; i < bytes.size; i++) {
        if (bytes.data[i] != 0) {
            return false;
        }
    }
    return true;
}

/* Fills `out` as far as the stream goes. */
static bool step(struct stream *stream, enum inflate_wrapper wrapper, struct span packed,
                 uint8_t *out, size_t room, size_t *out_size, struct err *err)
{
    z_stream *z = &stream->z;
    z->next_out = out;
    z->avail_out = (uInt)room;
    while (z->avail_out > 0 && !stream->is_done) {
        const size_t given =
            stream->left.size < INPUT_PIECE_BYTES ? stream->left.size : (size_t)INPUT_PIECE_BYTES;
        z->next_in = (z_const Bytef *)(uintptr_t)stream->left.data;
        z->avail_in = (uInt)given;
        const int code = inflate(z, Z_NO_FLUSH);
        const size_t taken = given - z->avail_in;
        stream->left.data += taken;
        stream->left.size -= taken;
        const uint64_t offset = packed.size - stream->left.size;
        if (code == Z_STREAM_END) {
            stream->is_done = wrapper == INFLATE_RAW || is_padding(stream->left);
            if (!stream->is_done && inflateReset(z) != Z_OK) {
                return err_set(err, ERR_NOMEM, "no memory to inflate");
            }
        } else if (code == Z_MEM_ERROR) {
            return err_set(err, ERR_NOMEM, "no memory to inflate");
        } else if (code != Z_OK && code != Z_BUF_ERROR) {
            return err_set_at(err, ERR_SYNTAX, offset, "broken compressed data: %s",
                              z->msg == NULL ? "of an unknown kind" : z->msg);
        } else if (stream->left.size == 0 && z->avail_out > 0) {
            return err_set_at(err, ERR_SYNTAX, offset, "compressed data cut short");
        }
    }
    *out_size = room - z->avail_out;
    return true;
}

static bool is_within(struct inflate_limits limits, uint64_t size, size_t packed_bytes,
                      struct err *err)
{
    if (size > limits.bytes_max) {
        return err_set(err, ERR_LIMIT, "inflates to more than %llu bytes",
                       (unsigned long long)limits.bytes_max);
    }
    if (limits.ratio_max != 0 && size > INFLATE_FREE_BYTES &&
        size / limits.ratio_max > packed_bytes) {
        return err_set(err, ERR_LIMIT, "inflates to more than %llu times its size",
                       (unsigned long long)limits.ratio_max);
    }
    return true;
}

bool inflate_to_file(struct span packed, enum inflate_wrapper wrapper, struct inflate_limits limits,
                     int fd, uint64_t *out_size, uint32_t *out_crc32, struct err *err)
{
    struct stream stream;
    if (!start(&stream, packed, wrapper, err)) {
        return false;
    }
    uint8_t piece[PIECE_BYTES];
    bool ok = true;
    while (ok && !stream.is_done) {
        size_t size = 0;
        ok = step(&stream, wrapper, packed, piece, sizeof piece, &size, err);
        if (ok) {
            stream.size += size;
            stream.crc = (uint32_t)crc32_z(stream.crc, piece, size);
            ok = is_within(limits, stream.size, packed.size, err) && io_write(fd, piece, size, err);
        }
    }
    inflateEnd(&stream.z);
    if (ok) {
        *out_size = stream.size;
        *out_crc32 = stream.crc;
    }
    return ok;
}

size_t inflate_head(struct span packed, enum inflate_wrapper wrapper, uint8_t *out, size_t room)
{
    assert(room <= INPUT_PIECE_BYTES);
    struct stream stream;
    struct err err;
    if (!start(&stream, packed, wrapper, &err)) {
        return 0;
    }
    size_t size = 0;
    if (!step(&stream, wrapper, packed, out, room, &size, &err)) {
        size = room - stream.z.avail_out;
    }
    inflateEnd(&stream.z);
    return size;
}

/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "tiler/spool.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "formats/base/buf.h"
#include "formats/base/io.h"
#include "formats/digest.h"

enum { HEAD_BYTES = 16, WRITE_BYTES = 1 << 20 };

struct spool {
    int fd;
    uint64_t written; /* bytes in the file */
    struct buf waiting;
    const char *what;
};

static int open_unnamed(const char *folder)
{
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0) {
        return fd;
    }
    /* Not every file system knows O_TMPFILE. */
    char path[PATH_MAX];
    const int length = snprintf(path, sizeof path, "%s/spool-XXXXXX", folder);
    if (length < 0 || (size_t)length >= sizeof path) {
        return -1;
    }
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0) {
        unlink(path);
    }
    return fd;
}

bool spool_open(const char *folder, const char *what, struct arena *run, struct spool **out,
                struct err *err)
{
    struct spool *spool = arena_array(run, struct spool, 1);
    if (spool == NULL) {
        return arena_full(run, err);
    }
    spool->fd = open_unnamed(folder);
    if (spool->fd < 0) {
        return io_error(err, "create a temporary file in", folder);
    }
    spool->what = what;
    buf_init(&spool->waiting, SIZE_MAX / 2);
    *out = spool;
    return true;
}

void spool_close(struct spool *spool)
{
    if (spool != NULL && spool->fd >= 0) {
        close(spool->fd);
        spool->fd = -1;
        buf_release(&spool->waiting);
    }
}

bool spool_flush(struct spool *spool, struct err *err)
{
    if (!buf_finish(&spool->waiting, err)) {
        return false;
    }
    if (!io_write_at(spool->fd, spool->written, spool->waiting.data, spool->waiting.size, err)) {
        err_in_source(err, spool->what);
        return false;
    }
    spool->written += spool->waiting.size;
    buf_reset(&spool->waiting);
    return true;
}

uint64_t spool_after(uint64_t offset, size_t payload_size)
{
    return offset + HEAD_BYTES + (payload_size + 7) / 8 * 8;
}

uint64_t spool_size(const struct spool *spool)
{
    return spool->written + spool->waiting.size;
}

bool spool_append(struct spool *spool, struct span payload, uint64_t *out_offset, struct err *err)
{
    if (payload.size > UINT32_MAX) {
        return err_set(err, ERR_LIMIT, "a feature of %zu bytes, at most %u fit", payload.size,
                       UINT32_MAX);
    }
    const uint64_t offset = spool_size(spool);
    struct buf *buf = &spool->waiting;
    buf_add(buf, "SPL1", 4);
    buf_add_u32le(buf, (uint32_t)payload.size);
    buf_add_u64le(buf, digest_short(payload));
    buf_add(buf, payload.data, payload.size);
    buf_pad(buf, 0, 8, 0);
    if (!buf_finish(buf, err)) {
        return false;
    }
    if (buf->size >= WRITE_BYTES && !spool_flush(spool, err)) {
        return false;
    }
    *out_offset = offset;
    return true;
}

bool spool_read(const struct spool *spool, uint64_t offset, struct arena *arena, struct span *out,
                struct err *err)
{
    uint8_t head[HEAD_BYTES];
    if (!io_read_at(spool->fd, offset, head, sizeof head, err)) {
        err_in_source(err, spool->what);
        return false;
    }
    const size_t size = bytes_load_u32le(head + 4);
    if (memcmp(head, "SPL1", 4) != 0) {
        return err_set_at(err, ERR_IO, offset, "the temporary file %s is damaged", spool->what);
    }
    const size_t words = (size + 7) / 8;
    uint64_t *payload = arena_array(arena, uint64_t, words);
    if (payload == NULL) {
        return arena_full(arena, err);
    }
    if (!io_read_at(spool->fd, offset + HEAD_BYTES, payload, size, err)) {
        err_in_source(err, spool->what);
        return false;
    }
    const struct span found = {(const uint8_t *)payload, size};
    if (digest_short(found) != bytes_load_u64le(head + 8)) {
        return err_set_at(err, ERR_IO, offset, "the temporary file %s is damaged", spool->what);
    }
    *out = found;
    return true;
}

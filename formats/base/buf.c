/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <assert.h>
#include <stdlib.h>

enum { FIRST_BYTES = 256 };

void buf_init(struct buf *buf, size_t limit_bytes)
{
    *buf = (struct buf){.limit_bytes = limit_bytes};
}

void buf_release(struct buf *buf)
{
    if (buf != NULL) {
        free(buf->data);
        *buf = (struct buf){.limit_bytes = buf->limit_bytes};
    }
}

void buf_reset(struct buf *buf)
{
    buf->size = 0;
    buf->refusal = ERR_NONE;
}

static bool refuse(struct buf *buf, enum err_code why)
{
    buf->refusal = why;
    return false;
}

static bool make_room(struct buf *buf, size_t more)
{
    if (buf->refusal != ERR_NONE) {
        return false;
    }
    if (more > buf->limit_bytes || buf->size > buf->limit_bytes - more) {
        return refuse(buf, ERR_LIMIT);
    }
    const size_t need = buf->size + more;
    if (need <= buf->room) {
        return true;
    }
    buf->grow_count++;
    if (buf->fail_after != 0 && buf->grow_count >= buf->fail_after) {
        return refuse(buf, ERR_NOMEM);
    }
    size_t room = buf->room < FIRST_BYTES ? (size_t)FIRST_BYTES : buf->room + buf->room / 2;
    if (room < need) {
        room = need;
    }
    uint8_t *data = realloc(buf->data, room);
    if (data == NULL) {
        return refuse(buf, ERR_NOMEM);
    }
    buf->data = data;
    buf->room = room;
    return true;
}

uint8_t *buf_extend(struct buf *buf, size_t size)
{
    /* Nothing, asked of an empty buffer, is still a place: NULL means failure. */
    const size_t needed = size == 0 && buf->data == NULL ? 1 : size;
    if (!make_room(buf, needed)) {
        return NULL;
    }
    uint8_t *at = buf->data + buf->size;
    if (size > 0) {
        memset(at, 0, size);
    }
    buf->size += size;
    return at;
}

uint8_t *buf_reserve(struct buf *buf, size_t most)
{
    assert(most > 0);
    return make_room(buf, most) ? buf->data + buf->size : NULL;
}

void buf_add(struct buf *buf, const void *bytes, size_t size)
{
    if (size > 0 && make_room(buf, size)) {
        memcpy(buf->data + buf->size, bytes, size);
        buf->size += size;
    }
}

void buf_add_text(struct buf *buf, const char *terminated)
{
    buf_add(buf, terminated, strlen(terminated));
}

void buf_add_byte(struct buf *buf, uint8_t byte)
{
    buf_add(buf, &byte, 1);
}

void buf_add_u32le(struct buf *buf, uint32_t value)
{
    uint8_t bytes[4];
    bytes_store_u32le(bytes, value);
    buf_add(buf, bytes, sizeof bytes);
}

void buf_add_u64le(struct buf *buf, uint64_t value)
{
    uint8_t bytes[8];
    bytes_store_u64le(bytes, value);
    buf_add(buf, bytes, sizeof bytes);
}

void buf_print(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    const int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    /* One more byte than is kept, for the terminator that vsnprintf writes. */
    if (size > 0 && make_room(buf, (size_t)size + 1)) {
        vsnprintf((char *)buf->data + buf->size, (size_t)size + 1, format, again);
        buf->size += (size_t)size;
    }
    va_end(again);
}

void buf_pad(struct buf *buf, size_t start, size_t align, uint8_t fill)
{
    while (buf->refusal == ERR_NONE && (buf->size - start) % align != 0) {
        buf_add_byte(buf, fill);
    }
}

bool buf_finish(const struct buf *buf, struct err *err)
{
    if (buf->refusal == ERR_LIMIT) {
        return err_set(err, ERR_LIMIT, "output larger than %zu bytes", buf->limit_bytes);
    }
    if (buf->refusal != ERR_NONE) {
        return err_set(err, ERR_NOMEM, "no memory beyond %zu bytes of output", buf->size);
    }
    return true;
}

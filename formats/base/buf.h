/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_BASE_BUF_H
#define FORMATS_BASE_BUF_H

/*
 * buf.h - a growing buffer with a limit, for output of unknown size.
 *
 * Adding to a buffer that is full or out of memory does nothing and is
 * remembered: a writer adds everything, then asks buf_finish() once.
 *
 * Threads  one at a time
 */

#include "formats/base/bytes.h"
#include "formats/base/err.h"

#ifdef __cplusplus
extern "C" {
#endif

struct buf {
    uint8_t *data;
    size_t size;
    size_t room;        /* allocated bytes */
    size_t limit_bytes; /* size never passes this */
    size_t fail_after;  /* tests: this growth, counted from 1, fails; 0 none */
    size_t grow_count;
    enum err_code refusal; /* ERR_NONE, or why something was not added */
};

void buf_init(struct buf *buf, size_t limit_bytes);
void buf_release(struct buf *buf);
void buf_reset(struct buf *buf); /* empty, keeps the memory, forgets a refusal */

void buf_add(struct buf *buf, const void *bytes, size_t size);
void buf_add_text(struct buf *buf, const char *terminated);
void buf_add_byte(struct buf *buf, uint8_t byte);
void buf_add_u32le(struct buf *buf, uint32_t value);
void buf_add_u64le(struct buf *buf, uint64_t value);
void buf_print(struct buf *buf, const char *format, ...) ERR_PRINTF(2, 3);

/* Adds `fill` until the size is a multiple of `align` counted from `start`. */
void buf_pad(struct buf *buf, size_t start, size_t align, uint8_t fill);

/* `size` zeroed bytes at the end to be filled in by the caller before the next
 * addition, or NULL when refused. */
uint8_t *buf_extend(struct buf *buf, size_t size);

/* Room for `most` bytes at the end, not cleared, or NULL when buf_add() would add
 * nothing: for many small pieces. What was written there is the caller's to add to
 * buf->size, before anything else is done with the buffer. */
uint8_t *buf_reserve(struct buf *buf, size_t most);

/* False, with ERR_LIMIT or ERR_NOMEM, when anything was refused. */
ERR_CHECKED bool buf_finish(const struct buf *buf, struct err *err);

static inline struct span buf_span(const struct buf *buf)
{
    struct span whole = {buf->data, buf->size};
    return whole;
}

#ifdef __cplusplus
}
#endif

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_BASE_BYTES_H
#define FORMATS_BASE_BYTES_H

/*
 * bytes.h - views of bytes, and numbers in them.
 *
 * A span never owns what it looks at; the function that returns one says whose
 * memory it is and until when. Text is a span of UTF-8 without a terminator.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

struct span {
    const uint8_t *data;
    size_t size;
};

/* UTF-8, not terminated; data may be NULL when size is 0. */
struct text {
    const char *data;
    size_t size;
};

/* For printf("%.*s", TEXT_ARGS(name)). */
#define TEXT_ARGS(text) (int)(text).size, (text).data

static inline struct text text_of(const char *terminated)
{
    struct text found = {terminated, terminated == NULL ? 0 : strlen(terminated)};
    return found;
}

static inline bool text_equals(struct text a, struct text b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool text_is(struct text a, const char *terminated)
{
    return text_equals(a, text_of(terminated));
}

/* Byte order; a prefix comes first. */
static inline int text_compare(struct text a, struct text b)
{
    const size_t common = a.size < b.size ? a.size : b.size;
    const int order = common == 0 ? 0 : memcmp(a.data, b.data, common);
    if (order != 0) {
        return order;
    }
    return a.size < b.size ? -1 : a.size > b.size ? 1 : 0;
}

/* True when every byte of `text` belongs to well-formed UTF-8 (RFC 3629). */
bool text_is_utf8(struct text text);

static inline uint16_t bytes_load_u16le(const uint8_t *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static inline uint32_t bytes_load_u32le(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static inline uint64_t bytes_load_u64le(const uint8_t *at)
{
    return (uint64_t)bytes_load_u32le(at) | (uint64_t)bytes_load_u32le(at + 4) << 32;
}

static inline void bytes_store_u16le(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static inline void bytes_store_u32le(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

static inline void bytes_store_u64le(uint8_t *at, uint64_t value)
{
    for (int i = 0; i < 8; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

#ifdef __cplusplus
}
#endif

#endif

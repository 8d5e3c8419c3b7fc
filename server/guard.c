/* SPDX-License-Identifier: Apache-2.0 */
#include "server/guard.h"

#include <stddef.h>
#include <strings.h>

/* Of a header beside its text: punctuation, and the library's note of it. */
enum { HEADER_COST = 64 };

/* A name in lower case, its size beside it: every header is held against every name. */
struct name {
    const char *text;
    size_t size;
};
#define NAME(text)                                                                                 \
    {                                                                                              \
        (text), sizeof(text) - 1                                                                   \
    }

static bool is_header(struct text key, struct name name)
{
    return key.size == name.size && (key.data[0] | 0x20) == name.text[0] &&
           strncasecmp(key.data, name.text, name.size) == 0;
}

static bool is_clean(struct text value)
{
    unsigned bad = 0;
    for (size_t i = 0; i < value.size; i++) {
        const unsigned char c = (unsigned char)value.data[i];
        bad |= (unsigned)(c < 0x20) & (unsigned)(c != '\t');
        bad |= (unsigned)(c == 0x7F);
    }
    return bad == 0;
}

/* Sets of ASCII characters, a bit each. */
struct charset {
    uint64_t bits[2];
};

static bool is_of(struct text text, const struct charset *set)
{
    for (size_t i = 0; i < text.size; i++) {
        const unsigned char c = (unsigned char)text.data[i];
        if (c >= 128 || (set->bits[c / 64] >> (c % 64) & 1) == 0) {
            return false;
        }
    }
    return text.size > 0;
}

/* A name of a header: a token. What is more than that is a space before the
 * colon, or a folded line: libmicrohttpd appends those to the name before. */
static bool is_name(struct text key)
{
    /* letters, digits, !#$%&'*+-.^_`|~ */
    static const struct charset token = {{0x03FF6CFA00000000U, 0x57FFFFFFC7FFFFFEU}};
    return is_of(key, &token);
}

/* "Content-Length5": a length that was folded onto the next line. */
static bool is_stretched(struct text key)
{
    static const struct name names[] = {NAME("host"), NAME("content-length"),
                                        NAME("transfer-encoding")};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const size_t size = names[i].size;
        if (key.size > size && is_header((struct text){key.data, size}, names[i])) {
            return true;
        }
    }
    return false;
}

static bool read_length(struct text value, uint64_t *out)
{
    if (value.size == 0 || value.size > 18) {
        return false;
    }
    uint64_t length = 0;
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] < '0' || value.data[i] > '9') {
            return false;
        }
        length = 10 * length + (uint64_t)(value.data[i] - '0');
    }
    *out = length;
    return true;
}

bool guard_is_host(struct text value)
{
    /* letters, digits, .-_:[]% */
    static const struct charset host = {{0x07FF602000000000U, 0x07FFFFFEAFFFFFFEU}};
    return value.size < 256 && is_of(value, &host);
}

static void scan_framing(struct guard *guard, struct text key, struct text value)
{
    static const struct name host = NAME("host");
    static const struct name length = NAME("content-length");
    static const struct name coding = NAME("transfer-encoding");
    static const struct name chunked = NAME("chunked");
    if (is_header(key, host)) {
        guard->host_count++;
        guard->is_bad = guard->is_bad || !guard_is_host(value);
        guard->request->host = value;
    } else if (is_header(key, length)) {
        guard->length_count++;
        guard->is_bad = guard->is_bad || !read_length(value, &guard->length);
    } else if (is_header(key, coding)) {
        guard->coding_count++;
        guard->is_chunked = is_header(value, chunked);
    }
}

/* Where a header is kept: in struct request, or in struct peer_forwarded. */
struct kept {
    struct name name;
    size_t offset;
};
#define KEPT(text, field)                                                                          \
    {                                                                                              \
        NAME(text), offsetof(struct request, field)                                                \
    }
#define TOLD(text, field)                                                                          \
    {                                                                                              \
        NAME(text), offsetof(struct peer_forwarded, field)                                         \
    }

static struct text *find_kept(const struct kept *list, size_t count, void *base, struct text key)
{
    for (size_t i = 0; i < count; i++) {
        if (is_header(key, list[i].name)) {
            return (struct text *)((uint8_t *)base + list[i].offset);
        }
    }
    return NULL;
}

void guard_header(struct guard *guard, struct text key, struct text value)
{
    static const struct kept kept[] = {
        KEPT("accept", accept),
        KEPT("accept-encoding", accept_encoding),
        KEPT("accept-language", accept_language),
        KEPT("if-none-match", if_none_match),
        KEPT("if-match", if_match),
        KEPT("range", range),
        KEPT("if-range", if_range),
        KEPT("content-type", content_type),
        KEPT("authorization", authorization),
        KEPT("x-api-key", api_key),
        KEPT("x-request-id", request_id),
    };
    static const struct kept told[] = {
        TOLD("forwarded", by_standard),     TOLD("x-forwarded-for", addresses),
        TOLD("x-forwarded-proto", scheme),  TOLD("x-forwarded-host", host),
        TOLD("x-forwarded-prefix", prefix),
    };
    guard->head_bytes += key.size + value.size + HEADER_COST;
    if (!is_clean(value) || !is_name(key) || is_stretched(key)) {
        guard->is_bad = true;
        return;
    }
    struct text *field = find_kept(kept, sizeof kept / sizeof kept[0], guard->request, key);
    if (field == NULL) {
        field = find_kept(told, sizeof told / sizeof told[0], &guard->forwarded, key);
    }
    if (field != NULL) {
        *field = value;
    } else {
        scan_framing(guard, key, value);
    }
}

unsigned guard_refusal(const struct guard *guard, bool is_old, uint64_t body_bytes_max,
                       const char **out_why)
{
    if (guard->is_bad) {
        *out_why = "a header with a bad value";
        return 400;
    }
    if (guard->host_count > 1 || (guard->host_count == 0 && !is_old)) {
        *out_why = "exactly one Host header is needed";
        return 400;
    }
    if (guard->length_count > 1 || (guard->length_count > 0 && guard->coding_count > 0) ||
        guard->coding_count > 1) {
        *out_why = "the length of the body is given more than once";
        return 400;
    }
    if (guard->coding_count == 1 && !guard->is_chunked) {
        *out_why = "no transfer coding but chunked";
        return 501;
    }
    const bool has_body = guard->length > 0 || guard->coding_count > 0;
    if (has_body && guard->request->method != MESSAGE_POST) {
        *out_why = "this method takes no body";
        return 413;
    }
    if (guard->length > body_bytes_max) {
        *out_why = "the body is too large";
        return 413;
    }
    return 0;
}

enum message_method guard_method(const char *method)
{
    static const struct {
        const char *name;
        enum message_method method;
    } methods[] = {{"GET", MESSAGE_GET},
                   {"HEAD", MESSAGE_HEAD},
                   {"OPTIONS", MESSAGE_OPTIONS},
                   {"POST", MESSAGE_POST}};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (strcmp(method, methods[i].name) == 0) {
            return methods[i].method;
        }
    }
    return MESSAGE_OTHER;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "server/guard.h"

#include <strings.h>

/* Of a header beside its text: punctuation, and the library's note of it. */
enum { HEADER_COST = 64 };

static bool is_header(struct text key, const char *name)
{
    return key.size == strlen(name) && strncasecmp(key.data, name, key.size) == 0;
}

static bool is_clean(struct text value)
{
    for (size_t i = 0; i < value.size; i++) {
        const unsigned char c = (unsigned char)value.data[i];
        if ((c < 0x20 && c != '\t') || c == 0x7F) {
            return false;
        }
    }
    return true;
}

/* A name of a header: a token. What is more than that is a space before the
 * colon, or a folded line: libmicrohttpd appends those to the name before. */
static bool is_name(struct text key)
{
    for (size_t i = 0; i < key.size; i++) {
        const char c = key.data[i];
        const bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || strchr("!#$%&'*+-.^_`|~", c) != NULL;
        if (!ok || c == '\0') {
            return false;
        }
    }
    return key.size > 0;
}

/* "Content-Length5": a length that was folded onto the next line. */
static bool is_stretched(struct text key)
{
    static const char *const names[] = {"Host", "Content-Length", "Transfer-Encoding"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const size_t size = strlen(names[i]);
        if (key.size > size && strncasecmp(key.data, names[i], size) == 0) {
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
    for (size_t i = 0; i < value.size; i++) {
        const char c = value.data[i];
        const bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || strchr(".-_:[]%", c) != NULL;
        if (!ok || c == '\0') {
            return false;
        }
    }
    return value.size > 0 && value.size < 256;
}

static void scan_framing(struct guard *guard, struct text key, struct text value)
{
    if (is_header(key, "Host")) {
        guard->host_count++;
        guard->is_bad = guard->is_bad || !guard_is_host(value);
        guard->request->host = value;
    } else if (is_header(key, "Content-Length")) {
        guard->length_count++;
        guard->is_bad = guard->is_bad || !read_length(value, &guard->length);
    } else if (is_header(key, "Transfer-Encoding")) {
        guard->coding_count++;
        guard->is_chunked = is_header(value, "chunked");
    }
}

void guard_header(struct guard *guard, struct text key, struct text value)
{
    struct request *request = guard->request;
    guard->head_bytes += key.size + value.size + HEADER_COST;
    if (!is_clean(value) || !is_name(key) || is_stretched(key)) {
        guard->is_bad = true;
        return;
    }
    const struct {
        const char *name;
        struct text *field;
    } kept[] = {
        {"Accept", &request->accept},
        {"Accept-Encoding", &request->accept_encoding},
        {"Accept-Language", &request->accept_language},
        {"If-None-Match", &request->if_none_match},
        {"If-Match", &request->if_match},
        {"Range", &request->range},
        {"If-Range", &request->if_range},
        {"Content-Type", &request->content_type},
        {"Authorization", &request->authorization},
        {"X-API-Key", &request->api_key},
        {"X-Request-Id", &request->request_id},
        {"Forwarded", &guard->forwarded.by_standard},
        {"X-Forwarded-For", &guard->forwarded.addresses},
        {"X-Forwarded-Proto", &guard->forwarded.scheme},
        {"X-Forwarded-Host", &guard->forwarded.host},
        {"X-Forwarded-Prefix", &guard->forwarded.prefix},
    };
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        if (is_header(key, kept[i].name)) {
            *kept[i].field = value;
            return;
        }
    }
    scan_framing(guard, key, value);
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

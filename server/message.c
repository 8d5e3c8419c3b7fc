/* SPDX-License-Identifier: Apache-2.0 */
#include "server/message.h"

#include <assert.h>
#include <stdlib.h>
#include <strings.h>

void response_add(struct response *response, const char *name, const char *value)
{
    assert(response->header_count < MESSAGE_HEADERS_MAX);
    if (response->header_count < MESSAGE_HEADERS_MAX) {
        response->headers[response->header_count++] = (struct response_header){name, value};
    }
}

const char *response_find(const struct response *response, const char *name)
{
    for (size_t i = 0; i < response->header_count; i++) {
        if (strcasecmp(response->headers[i].name, name) == 0) {
            return response->headers[i].value;
        }
    }
    return NULL;
}

/* ---- paths and queries ---- */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    const char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Decodes percent escapes; *out_size is at most text.size. */
static bool percent_decode(struct text text, bool plus_is_space, char *out, size_t *out_size)
{
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (c == '%') {
            if (text.size - i < 3) {
                return false;
            }
            const int high = hex_value(text.data[i + 1]);
            const int low = hex_value(text.data[i + 2]);
            if (high < 0 || low < 0) {
                return false;
            }
            c = (char)(high * 16 + low);
            i += 2;
            if (c == '/' && !plus_is_space) {
                return false;
            }
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        out[size++] = c;
    }
    *out_size = size;
    return true;
}

static bool has_control(struct text text)
{
    for (size_t i = 0; i < text.size; i++) {
        const unsigned char c = (unsigned char)text.data[i];
        if (c < 0x20 || c == 0x7F) {
            return true;
        }
    }
    return false;
}

static bool part_is_fine(struct text part)
{
    return part.size > 0 && !text_is(part, ".") && !text_is(part, "..");
}

/* Cuts decoded text at slashes. The text outlives the result. */
static bool split_path(struct text path, struct message_path *out, struct err *err)
{
    size_t at = 1;
    while (at < path.size) {
        if (out->part_count == MESSAGE_PARTS_MAX) {
            return err_set(err, ERR_LIMIT, "path of more than %d parts", MESSAGE_PARTS_MAX);
        }
        const char *slash = memchr(path.data + at, '/', path.size - at);
        const size_t end = slash == NULL ? path.size : (size_t)(slash - path.data);
        const struct text part = {path.data + at, end - at};
        if (!part_is_fine(part)) {
            return err_set(err, ERR_SYNTAX, "path with an empty, '.' or '..' part");
        }
        out->rests[out->part_count] = (struct text){path.data + at, path.size - at};
        out->parts[out->part_count++] = part;
        at = end + 1;
    }
    return true;
}

bool message_path_read(struct text path, struct arena *request, struct message_path *out,
                       struct err *err)
{
    if (path.size > MESSAGE_PATH_BYTES_MAX) {
        return err_set(err, ERR_LIMIT, "path of %zu bytes, %d are allowed", path.size,
                       MESSAGE_PATH_BYTES_MAX);
    }
    if (path.size == 0 || path.data[0] != '/') {
        return err_set(err, ERR_SYNTAX, "path without a leading slash");
    }
    struct text decoded = path;
    if (memchr(path.data, '%', path.size) != NULL) {
        char *room = arena_array(request, char, path.size);
        if (room == NULL) {
            return arena_full(request, err);
        }
        decoded.data = room;
        if (!percent_decode(path, false, room, &decoded.size)) {
            return err_set(err, ERR_SYNTAX, "path with a bad percent escape");
        }
    }
    if (has_control(decoded) || memchr(decoded.data, '\\', decoded.size) != NULL) {
        return err_set(err, ERR_SYNTAX, "path with a control character or a backslash");
    }
    if (!text_is_utf8(decoded)) {
        return err_set(err, ERR_SYNTAX, "path that is not UTF-8");
    }
    struct message_path found;
    found.part_count = 0;
    if (!split_path(decoded, &found, err)) {
        return false;
    }
    out->part_count = found.part_count;
    memcpy(out->parts, found.parts, found.part_count * sizeof found.parts[0]);
    memcpy(out->rests, found.rests, found.part_count * sizeof found.rests[0]);
    return true;
}

bool message_query_next(struct text *rest, struct text *name, struct text *value)
{
    while (rest->size > 0 && rest->data[0] == '&') {
        *rest = (struct text){rest->data + 1, rest->size - 1};
    }
    if (rest->size == 0) {
        return false;
    }
    const char *and = memchr(rest->data, '&', rest->size);
    const size_t size = and == NULL ? rest->size : (size_t)(and-rest->data);
    const char *equals = memchr(rest->data, '=', size);
    const size_t name_size = equals == NULL ? size : (size_t)(equals - rest->data);
    *name = (struct text){rest->data, name_size};
    *value = equals == NULL ? (struct text){rest->data + size, 0}
                            : (struct text){equals + 1, size - name_size - 1};
    *rest = (struct text){rest->data + size, rest->size - size};
    return true;
}

bool message_query_decode(struct text sent, struct arena *request, struct text *out,
                          struct err *err)
{
    char *room = arena_array(request, char, sent.size + 1);
    if (room == NULL) {
        return arena_full(request, err);
    }
    struct text decoded = {room, 0};
    if (!percent_decode(sent, true, room, &decoded.size) || has_control(decoded) ||
        !text_is_utf8(decoded)) {
        return err_set(err, ERR_SYNTAX, "not percent-encoded UTF-8");
    }
    *out = decoded;
    return true;
}

/* ---- lists in headers ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static struct text trim(struct text text)
{
    while (text.size > 0 && is_space(text.data[0])) {
        text = (struct text){text.data + 1, text.size - 1};
    }
    while (text.size > 0 && is_space(text.data[text.size - 1])) {
        text.size--;
    }
    return text;
}

/* Takes the next member off a list separated by `mark`. */
static bool next_member(struct text *rest, char mark, struct text *out)
{
    if (rest->size == 0) {
        return false;
    }
    const char *end = memchr(rest->data, mark, rest->size);
    const size_t size = end == NULL ? rest->size : (size_t)(end - rest->data);
    *out = trim((struct text){rest->data, size});
    const size_t step = end == NULL ? size : size + 1;
    *rest = (struct text){rest->data + step, rest->size - step};
    return true;
}

static bool same_word(struct text word, const char *expected)
{
    return word.size == strlen(expected) && strncasecmp(word.data, expected, word.size) == 0;
}

/* Thousandths of a q value: "0.5" is 500. Malformed ones count as 1. */
static int read_q(struct text value)
{
    if (value.size == 0 || value.data[0] != '0') {
        return 1000;
    }
    int q = 0;
    int unit = 100;
    for (size_t i = 2; i < value.size && unit > 0; i++) {
        if (value.data[i] < '0' || value.data[i] > '9') {
            break;
        }
        q += (value.data[i] - '0') * unit;
        unit /= 10;
    }
    return q;
}

/* "name; a=b; q=0.5": the name and q. */
static struct text read_weighted(struct text member, int *out_q)
{
    struct text rest = member;
    struct text name = {NULL, 0};
    struct text piece;
    *out_q = 1000;
    for (bool is_first = true; next_member(&rest, ';', &piece); is_first = false) {
        if (is_first) {
            name = piece;
        } else if (piece.size >= 2 && (piece.data[0] | 0x20) == 'q' && piece.data[1] == '=') {
            *out_q = read_q((struct text){piece.data + 2, piece.size - 2});
        }
    }
    return name;
}

unsigned message_codings(struct text accept_encoding)
{
    if (accept_encoding.data == NULL) {
        return 1U << MESSAGE_IDENTITY;
    }
    static const char *const names[MESSAGE_CODING_COUNT] = {"identity", "gzip", "zstd"};
    int q[MESSAGE_CODING_COUNT] = {-1, -1, -1};
    int star = -1;
    struct text rest = accept_encoding;
    struct text member;
    while (next_member(&rest, ',', &member)) {
        int weight;
        const struct text name = read_weighted(member, &weight);
        for (int i = 0; i < MESSAGE_CODING_COUNT; i++) {
            if (same_word(name, names[i]) || (i == MESSAGE_GZIP && same_word(name, "x-gzip"))) {
                q[i] = weight;
            }
        }
        if (text_is(name, "*")) {
            star = weight;
        }
    }
    unsigned taken = 0;
    for (int i = 0; i < MESSAGE_CODING_COUNT; i++) {
        const int otherwise = star >= 0 ? star : i == MESSAGE_IDENTITY ? 1 : 0;
        if ((q[i] >= 0 ? q[i] : otherwise) > 0) {
            taken |= 1U << i;
        }
    }
    return taken;
}

/* How much the client wants `type`: q, then how precisely it was named, then how
 * early; 0 not at all. */
static int wanted(struct text accept, const char *type)
{
    const char *slash = strchr(type, '/');
    assert(slash != NULL);
    const size_t main_size = (size_t)(slash - type) + 1;
    int best = 0;
    int best_precision = 0;
    int place = 999;
    struct text rest = accept;
    struct text member;
    while (next_member(&rest, ',', &member)) {
        int q;
        const struct text name = read_weighted(member, &q);
        int precision = 0;
        if (same_word(name, type)) {
            precision = 3;
        } else if (name.size == main_size + 1 && name.data[main_size] == '*' &&
                   strncasecmp(name.data, type, main_size) == 0) {
            precision = 2;
        } else if (text_is(name, "*/*")) {
            precision = 1;
        }
        if (precision > best_precision) {
            best_precision = precision;
            best = q == 0 ? 0 : q * 10000 + precision * 1000 + place;
        }
        place -= place > 0;
    }
    return best;
}

bool message_prefers(struct text accept, const char *type, const char *other)
{
    return wanted(accept, type) > wanted(accept, other);
}

bool message_accepts(struct text accept, const char *type)
{
    return accept.data == NULL || wanted(accept, type) > 0;
}

/* ---- conditions and ranges ---- */

bool message_etag_is_listed(struct text list, const char *etag)
{
    struct text rest = list;
    struct text member;
    while (next_member(&rest, ',', &member)) {
        if (member.size > 2 && member.data[0] == 'W' && member.data[1] == '/') {
            member = (struct text){member.data + 2, member.size - 2};
        }
        if (text_is(member, "*") || text_is(member, etag)) {
            return true;
        }
    }
    return false;
}

/* Digits only, up to 18 of them. */
static bool read_offset(struct text digits, uint64_t *out)
{
    if (digits.size == 0 || digits.size > 18) {
        return false;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < digits.size; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(digits.data[i] - '0');
    }
    *out = value;
    return true;
}

enum message_range_kind message_range_read(struct text range, uint64_t size, uint64_t *out_first,
                                           uint64_t *out_last)
{
    if (range.size < 7 || strncasecmp(range.data, "bytes=", 6) != 0) {
        return MESSAGE_RANGE_NONE;
    }
    const struct text set = trim((struct text){range.data + 6, range.size - 6});
    const char *dash = set.size == 0 ? NULL : memchr(set.data, '-', set.size);
    if (dash == NULL || memchr(set.data, ',', set.size) != NULL) {
        return MESSAGE_RANGE_NONE;
    }
    const struct text left = {set.data, (size_t)(dash - set.data)};
    const struct text right = {dash + 1, set.size - left.size - 1};
    uint64_t first = 0;
    uint64_t last = 0;
    if (left.size == 0) {
        uint64_t count;
        if (!read_offset(right, &count)) {
            return MESSAGE_RANGE_NONE;
        }
        if (count == 0 || size == 0) {
            return MESSAGE_RANGE_BEYOND;
        }
        first = count >= size ? 0 : size - count;
        last = size - 1;
    } else {
        if (!read_offset(left, &first) || (right.size > 0 && !read_offset(right, &last))) {
            return MESSAGE_RANGE_NONE;
        }
        if (right.size > 0 && last < first) {
            return MESSAGE_RANGE_NONE;
        }
        if (first >= size) {
            return MESSAGE_RANGE_BEYOND;
        }
        last = right.size == 0 || last >= size ? size - 1 : last;
    }
    *out_first = first;
    *out_last = last;
    return MESSAGE_RANGE_PART;
}

/* ---- text for answers ---- */

static bool is_unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void message_print_part(struct buf *out, struct text part)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < part.size; i++) {
        const unsigned char c = (unsigned char)part.data[i];
        if (is_unreserved(c)) {
            buf_add_byte(out, c);
        } else {
            buf_add_byte(out, '%');
            buf_add_byte(out, (uint8_t)digits[c >> 4]);
            buf_add_byte(out, (uint8_t)digits[c & 15]);
        }
    }
}

char *message_keep(struct arena *request, struct text text)
{
    char *copy = arena_array(request, char, text.size + 1);
    if (copy != NULL && text.size > 0) {
        memcpy(copy, text.data, text.size);
    }
    return copy;
}

const char *message_media_type(struct text name)
{
    static const struct {
        const char *ending;
        const char *type;
    } types[] = {
        {".glb", "model/gltf-binary"},
        {".json", "application/json"},
        {".gltf", "model/gltf+json"},
        {".geojson", "application/geo+json"},
        {".html", "text/html; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".wasm", "application/wasm"},
        {".png", "image/png"},
        {".jpg", "image/jpeg"},
        {".jpeg", "image/jpeg"},
        {".webp", "image/webp"},
        {".svg", "image/svg+xml"},
        {".ktx2", "image/ktx2"},
        {".xml", "application/xml"},
        {".ico", "image/x-icon"},
        {".txt", "text/plain; charset=utf-8"},
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        const size_t size = strlen(types[i].ending);
        if (name.size >= size &&
            strncasecmp(name.data + name.size - size, types[i].ending, size) == 0) {
            return types[i].type;
        }
    }
    return "application/octet-stream";
}

bool message_is_json(struct text content_type)
{
    int ignored;
    const struct text type = read_weighted(content_type, &ignored);
    return same_word(type, "application/json") ||
           (type.size > 5 && strncasecmp(type.data + type.size - 5, "+json", 5) == 0);
}

const char *message_status_title(unsigned status)
{
    static const struct {
        unsigned status;
        const char *title;
    } titles[] = {
        {200, "OK"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {410, "Gone"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
    };
    for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++) {
        if (titles[i].status == status) {
            return titles[i].title;
        }
    }
    return "Error";
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/json.h"

#include <assert.h>
#include <stdarg.h>

#include "formats/number.h"

enum { SMALL_DIGITS_MAX = 18 };             /* that an int64_t always holds */
enum { GIVE_BACK_BYTES = 4 * 1024 * 1024 }; /* pages are given back in pieces of this */

static const char *const kind_names[] = {
    [JSON_NOTHING] = "the end", [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array",
    [JSON_STRING] = "a string", [JSON_NUMBER] = "a number",  [JSON_TRUE] = "true",
    [JSON_FALSE] = "false",     [JSON_NULL] = "null",
};

const char *json_kind_name(enum json_kind kind)
{
    return kind_names[kind];
}

void json_init(struct json *json, struct span bytes, const struct io_map *map)
{
    /* Pointers of an empty span may be NULL; arithmetic on those is not defined. */
    static const uint8_t nothing[1] = {0};
    const uint8_t *data = bytes.size == 0 ? nothing : bytes.data;
    *json = (struct json){
        .at = data,
        .end = data + bytes.size,
        .begin = data,
        .line_start = data,
        .line = 1,
        .map = map,
        .kept = data,
    };
}

/* ---- errors ---- */

static bool fail_at(const struct json *json, const uint8_t *at, struct err *err, enum err_code code,
                    const char *message)
{
    err_set_at(err, code, (uint64_t)(at - json->begin), "%s", message);
    const ptrdiff_t column = at - json->line_start + 1;
    err_at_line(err, json->line, column > UINT32_MAX ? UINT32_MAX : (uint32_t)column);
    return false;
}

bool json_fail(const struct json *json, struct err *err, enum err_code code, const char *format,
               ...)
{
    char message[2 * sizeof err->message];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return fail_at(json, json->at, err, code, message);
}

/* "expected X, found Y" at `at`. */
static bool fail_expected(const struct json *json, const uint8_t *at, struct err *err,
                          const char *what)
{
    char message[128];
    if (at >= json->end) {
        snprintf(message, sizeof message, "cut short: the input ends where %s should be", what);
    } else if (*at > ' ' && *at < 0x7F) {
        snprintf(message, sizeof message, "expected %s, found '%c'", what, *at);
    } else {
        snprintf(message, sizeof message, "expected %s, found byte 0x%02X", what, *at);
    }
    return fail_at(json, at, err, ERR_SYNTAX, message);
}

/* ---- spaces ---- */

static const uint8_t *pass_many_spaces(struct json *json, const uint8_t *at)
{
    for (; at < json->end; at++) {
        if (*at == '\n') {
            json->line++;
            json->line_start = at + 1;
        } else if (*at != ' ' && *at != '\t' && *at != '\r') {
            break;
        }
    }
    return at;
}

static inline const uint8_t *pass_spaces(struct json *json, const uint8_t *at)
{
    return at<json->end && * at> ' ' ? at : pass_many_spaces(json, at);
}

static inline void give_back(struct json *json, const uint8_t *at)
{
    if (json->map != NULL && at - json->kept > GIVE_BACK_BYTES) {
        io_map_give_back(json->map, (size_t)(json->kept - json->begin), (size_t)(at - json->begin));
        json->kept = at;
    }
}

/* ---- strings ---- */

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    const uint8_t lower = c | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* The four digits of a \u escape, or -1. */
static int32_t read_hex4(const uint8_t *at, const uint8_t *end)
{
    if (end - at < 4) {
        return -1;
    }
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        const int digit = hex_value(at[i]);
        if (digit < 0) {
            return -1;
        }
        value = 16 * value + digit;
    }
    return value;
}

/* The character of an escape whose backslash is at `at`, and its length; 0
 * when it is none. A high surrogate must have its low one. */
static size_t read_escape(const uint8_t *at, const uint8_t *end, uint32_t *out)
{
    static const char names[] = "\"\\/bfnrt";
    static const char values[] = "\"\\/\b\f\n\r\t";
    if (end - at < 2) {
        return 0;
    }
    if (at[1] != 'u') {
        const char *found = at[1] == '\0' ? NULL : strchr(names, at[1]);
        if (found == NULL) {
            return 0;
        }
        *out = (uint8_t)values[found - names];
        return 2;
    }
    const int32_t first = read_hex4(at + 2, end);
    if (first < 0 || (first >= 0xDC00 && first <= 0xDFFF)) {
        return 0;
    }
    if (first < 0xD800 || first > 0xDBFF) {
        *out = (uint32_t)first;
        return 6;
    }
    if (end - at < 12 || at[6] != '\\' || at[7] != 'u') {
        return 0;
    }
    const int32_t second = read_hex4(at + 8, end);
    if (second < 0xDC00 || second > 0xDFFF) {
        return 0;
    }
    *out = 0x10000U + ((uint32_t)(first - 0xD800) << 10) + (uint32_t)(second - 0xDC00);
    return 12;
}

/* Length of the well-formed UTF-8 sequence of two bytes or more at `at`; 0
 * when it is not one (RFC 3629: shortest form, no surrogates, to U+10FFFF). */
static size_t utf8_length(const uint8_t *at, const uint8_t *end)
{
    const size_t left = (size_t)(end - at);
    const uint8_t lead = at[0];
    if (lead < 0xC2 || lead > 0xF4) {
        return 0;
    }
    const size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (left < length) {
        return 0;
    }
    const uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    const uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (at[1] < low || at[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < length; i++) {
        if ((at[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    return length;
}

/* Past bytes that need no look: not '"', not '\', not a control, not beyond
 * ASCII. Eight at a time; the lowest bit set is always a true find, those
 * above it may be carries. */
static inline const uint8_t *pass_plain(const uint8_t *at, const uint8_t *end)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t tops = UINT64_C(0x8080808080808080);
    while (end - at >= 8) {
        const uint64_t bytes = bytes_load_u64le(at);
        const uint64_t quotes = bytes ^ (ones * '"');
        const uint64_t slashes = bytes ^ (ones * '\\');
        const uint64_t found = (((quotes - ones) & ~quotes) | ((slashes - ones) & ~slashes) |
                                ((bytes - ones * 0x20) & ~bytes) | bytes) &
                               tops;
        if (found != 0) {
            return at + __builtin_ctzll(found) / 8;
        }
        at += 8;
    }
    while (at < end && *at != '"' && *at != '\\' && *at >= 0x20 && *at < 0x80) {
        at++;
    }
    return at;
}

/* Past the string whose opening quote is at `at`; NULL with *err set. */
static const uint8_t *pass_string(const struct json *json, const uint8_t *at, bool *out_has_escapes,
                                  struct err *err)
{
    const uint8_t *end = json->end;
    const uint8_t *quote = at;
    bool has_escapes = false;
    for (at++;;) {
        at = pass_plain(at, end);
        if (at == end) {
            fail_at(json, quote, err, ERR_SYNTAX, "cut short: a string that does not end");
            return NULL;
        }
        if (*at == '"') {
            *out_has_escapes = has_escapes;
            return at + 1;
        }
        size_t length = 0;
        if (*at == '\\') {
            uint32_t character = 0;
            length = read_escape(at, end, &character);
            has_escapes = true;
        } else if (*at >= 0x80) {
            length = utf8_length(at, end);
        }
        if (length == 0) {
            fail_at(json, at, err, ERR_SYNTAX,
                    *at == '\\'  ? "an escape that JSON does not have"
                    : *at < 0x20 ? "a control character inside a string"
                                 : "a string that is not UTF-8");
            return NULL;
        }
        at += length;
    }
}

/* ---- numbers ---- */

static inline bool is_digit(const uint8_t *at, const uint8_t *end)
{
    return at < end && (uint8_t)(*at - '0') < 10;
}

/* Past point and exponent of a number whose integer part ends at `at`; NULL
 * with *err set. */
static const uint8_t *pass_fraction(const struct json *json, const uint8_t *at, struct err *err)
{
    const uint8_t *end = json->end;
    if (at < end && *at == '.') {
        at++;
        if (!is_digit(at, end)) {
            fail_expected(json, at, err, "a digit behind the point");
            return NULL;
        }
        while (is_digit(at, end)) {
            at++;
        }
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        at += at < end && (*at == '+' || *at == '-');
        if (!is_digit(at, end)) {
            fail_expected(json, at, err, "a digit of the exponent");
            return NULL;
        }
        while (is_digit(at, end)) {
            at++;
        }
    }
    return at;
}

/* How many of the bytes, from the lowest on, are digits: 0 to 8. No branch
 * depends on it, and lengths of numbers are what a branch cannot guess. */
static inline size_t digits_of_8(uint64_t bytes)
{
    /* Below '0' borrows; above '9' carries into the top bit. Bytes beyond the
     * first that is no digit may be wrong, and do not matter. */
    const uint64_t other =
        ((bytes - UINT64_C(0x3030303030303030)) | (bytes + UINT64_C(0x4646464646464646)) | bytes) &
        UINT64_C(0x8080808080808080);
    return other == 0 ? 8 : (size_t)__builtin_ctzll(other) / 8;
}

/* The number that the first `length` bytes, 1 to 8, spell: pairs, then fours,
 * then all. */
static inline uint32_t value_of_8(uint64_t bytes, size_t length)
{
    uint64_t value = (bytes - UINT64_C(0x3030303030303030)) << (64 - 8 * length);
    value = value * 10 + (value >> 8);
    const uint64_t mask = UINT64_C(0x000000FF000000FF);
    value = (value & mask) * UINT64_C(0x000F424000000064) +
            ((value >> 16) & mask) * UINT64_C(0x0000271000000001);
    return (uint32_t)(value >> 32);
}

/* Past the number at `at`; NULL with *err set. */
static inline const uint8_t *pass_number(const struct json *json, const uint8_t *at,
                                         struct err *err)
{
    const uint8_t *end = json->end;
    at += *at == '-';
    if (!is_digit(at, end)) {
        fail_expected(json, at, err, "a digit");
        return NULL;
    }
    if (*at == '0') {
        at++;
        if (is_digit(at, end)) {
            fail_at(json, at, err, ERR_SYNTAX, "a number with a leading zero");
            return NULL;
        }
    }
    while (is_digit(at, end)) {
        at++;
    }
    if (at < end && (*at == '.' || (*at | 0x20) == 'e')) {
        return pass_fraction(json, at, err);
    }
    return at;
}

/* ---- words and what begins a value ---- */

static bool has_word(const uint8_t *at, const uint8_t *end, const char *word)
{
    const size_t size = strlen(word);
    return (size_t)(end - at) >= size && memcmp(at, word, size) == 0;
}

/* Past true, false or null; NULL with *err set. What other programs write for
 * numbers that JSON does not have is named. */
static const uint8_t *pass_word(const struct json *json, const uint8_t *at, struct err *err)
{
    static const char *const words[] = {"true", "false", "null"};
    static const char *const foreign[] = {"NaN", "nan", "Infinity", "inf", "None", "undefined"};
    for (size_t i = 0; at < json->end && i < sizeof words / sizeof words[0]; i++) {
        if (has_word(at, json->end, words[i])) {
            return at + strlen(words[i]);
        }
    }
    for (size_t i = 0; at < json->end && i < sizeof foreign / sizeof foreign[0]; i++) {
        if (has_word(at, json->end, foreign[i])) {
            char message[64];
            snprintf(message, sizeof message, "'%s' is not a JSON value", foreign[i]);
            fail_at(json, at, err, ERR_SYNTAX, message);
            return NULL;
        }
    }
    fail_expected(json, at, err, "a value");
    return NULL;
}

static enum json_kind kind_of(const uint8_t *at, const uint8_t *end)
{
    if (at >= end) {
        return JSON_NOTHING;
    }
    switch (*at) {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 't':
        return has_word(at, end, "true") ? JSON_TRUE : JSON_NOTHING;
    case 'f':
        return has_word(at, end, "false") ? JSON_FALSE : JSON_NOTHING;
    case 'n':
        return has_word(at, end, "null") ? JSON_NULL : JSON_NOTHING;
    default:
        return *at == '-' || (uint8_t)(*at - '0') < 10 ? JSON_NUMBER : JSON_NOTHING;
    }
}

enum json_kind json_peek(struct json *json)
{
    json->at = pass_spaces(json, json->at);
    return kind_of(json->at, json->end);
}

/* What comes next is of this kind; ERR_SCHEMA when it is another one, and
 * ERR_SYNTAX when it is nothing that JSON has. */
static bool expect(struct json *json, enum json_kind kind, struct err *err)
{
    const enum json_kind found = json_peek(json);
    if (found == kind) {
        return true;
    }
    if (found == JSON_NOTHING) {
        (void)pass_word(json, json->at, err);
        return false;
    }
    return json_fail(json, err, ERR_SCHEMA, "expected %s, found %s", kind_names[kind],
                     kind_names[found]);
}

/* ---- objects and arrays ---- */

static bool fail_depth(const struct json *json, const uint8_t *at, struct err *err)
{
    char message[64];
    snprintf(message, sizeof message, "more than %d levels of arrays and objects", JSON_DEPTH_MAX);
    return fail_at(json, at, err, ERR_LIMIT, message);
}

bool json_enter(struct json *json, enum json_kind kind, struct err *err)
{
    assert(kind == JSON_OBJECT || kind == JSON_ARRAY);
    if (!expect(json, kind, err)) {
        return false;
    }
    if (json->depth == JSON_DEPTH_MAX) {
        return fail_depth(json, json->at, err);
    }
    json->depth++;
    json->at++;
    json->is_fresh = true;
    return true;
}

/* Before the next member or element; or past the closing bracket. */
static inline bool next_in(struct json *json, uint8_t closing, const char *expected,
                           bool *out_is_end, struct err *err)
{
    const bool is_first = json->is_fresh;
    json->is_fresh = false;
    const uint8_t *at = pass_spaces(json, json->at);
    if (at < json->end && *at == closing) {
        json->at = at + 1;
        assert(json->depth > 0);
        json->depth--;
        give_back(json, json->at);
        *out_is_end = true;
        return true;
    }
    if (!is_first) {
        if (at >= json->end || *at != ',') {
            return fail_expected(json, at, err, expected);
        }
        at = pass_spaces(json, at + 1);
    }
    json->at = at;
    *out_is_end = false;
    return true;
}

/* The name at json->at and its colon. */
static bool read_name(struct json *json, struct json_string *out, struct err *err)
{
    const uint8_t *at = json->at;
    if (at >= json->end || *at != '"') {
        return fail_expected(json, at, err, "the name of a member");
    }
    bool has_escapes = false;
    const uint8_t *behind = pass_string(json, at, &has_escapes, err);
    if (behind == NULL) {
        return false;
    }
    const struct text raw = {(const char *)at + 1, (size_t)(behind - at) - 2};
    const uint8_t *colon = pass_spaces(json, behind);
    if (colon >= json->end || *colon != ':') {
        return fail_expected(json, colon, err, "':'");
    }
    json->at = colon + 1;
    *out = (struct json_string){raw, has_escapes};
    return true;
}

bool json_next_member(struct json *json, struct json_string *out_key, bool *out_is_end,
                      struct err *err)
{
    bool is_end = false;
    if (!next_in(json, '}', "',' or '}'", &is_end, err)) {
        return false;
    }
    if (!is_end && !read_name(json, out_key, err)) {
        return false;
    }
    *out_is_end = is_end;
    return true;
}

bool json_next_element(struct json *json, bool *out_is_end, struct err *err)
{
    return next_in(json, ']', "',' or ']'", out_is_end, err);
}

/* ---- scalars ---- */

bool json_string(struct json *json, struct json_string *out, struct err *err)
{
    if (!expect(json, JSON_STRING, err)) {
        return false;
    }
    bool has_escapes = false;
    const uint8_t *behind = pass_string(json, json->at, &has_escapes, err);
    if (behind == NULL) {
        return false;
    }
    *out = (struct json_string){
        {(const char *)json->at + 1, (size_t)(behind - json->at) - 2},
        has_escapes,
    };
    json->at = behind;
    return true;
}

bool json_number(struct json *json, struct json_number *out, struct err *err)
{
    if (!expect(json, JSON_NUMBER, err)) {
        return false;
    }
    const uint8_t *at = json->at;
    const uint8_t *behind = pass_number(json, at, err);
    if (behind == NULL) {
        return false;
    }
    struct json_number number = {.raw = {(const char *)at, (size_t)(behind - at)}};
    const bool is_negative = *at == '-';
    const uint8_t *digit = at + is_negative;
    int64_t value = 0;
    if (behind - digit <= SMALL_DIGITS_MAX) {
        while (is_digit(digit, behind)) {
            value = 10 * value + (*digit++ - '0');
        }
        number.is_integer = digit == behind;
        number.is_small = number.is_integer;
        number.small = is_negative ? -value : value;
    } else {
        while (is_digit(digit, behind)) {
            digit++;
        }
        number.is_integer = digit == behind;
    }
    json->at = behind;
    *out = number;
    return true;
}

bool json_bool(struct json *json, bool *out, struct err *err)
{
    const enum json_kind kind = json_peek(json);
    if (kind != JSON_FALSE && !expect(json, JSON_TRUE, err)) {
        return false;
    }
    json->at += kind == JSON_TRUE ? 4 : 5;
    *out = kind == JSON_TRUE;
    return true;
}

bool json_number_integer(struct json_number number, int64_t *out)
{
    if (number.is_small) {
        *out = number.small;
        return true;
    }
    if (!number.is_integer) {
        return false;
    }
    const bool is_negative = number.raw.data[0] == '-';
    const uint64_t limit = (uint64_t)INT64_MAX + is_negative;
    uint64_t value = 0;
    for (size_t i = is_negative; i < number.raw.size; i++) {
        const uint64_t digit = (uint64_t)(number.raw.data[i] - '0');
        if (value > (limit - digit) / 10) {
            return false;
        }
        value = 10 * value + digit;
    }
    *out = is_negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

bool json_number_real(struct json_number number, double *out)
{
    /* -0 is an integer whose sign an int64_t loses; as a coordinate that is
     * no matter, as a real it is kept. */
    if (number.is_small && number.small != 0) {
        *out = (double)number.small;
        return true;
    }
    return number_is(number.raw, out);
}

bool json_real(struct json *json, double *out, struct err *err)
{
    struct json_number number;
    if (!json_number(json, &number, err)) {
        return false;
    }
    if (!json_number_real(number, out)) {
        const uint8_t *at = (const uint8_t *)number.raw.data;
        char message[128];
        snprintf(message, sizeof message, "'%.*s' is too large for a number",
                 number.raw.size > 40 ? 40 : (int)number.raw.size, number.raw.data);
        return fail_at(json, at, err, ERR_SCHEMA, message);
    }
    return true;
}

/* ---- values of any kind ---- */

/* Open brackets, a bit each: 1 for an object. */
struct nesting {
    uint64_t bits[JSON_DEPTH_MAX / 64 + 1];
    uint32_t depth;
    uint32_t arrays; /* at least so many on top are arrays */
};

static inline bool is_in_object(const struct nesting *nesting)
{
    return (nesting->bits[nesting->depth / 64] >> (nesting->depth % 64) & 1) != 0;
}

static inline void push(struct nesting *nesting, bool is_object)
{
    nesting->depth++;
    const uint64_t bit = (uint64_t)1 << (nesting->depth % 64);
    uint64_t *word = &nesting->bits[nesting->depth / 64];
    *word = is_object ? *word | bit : *word & ~bit;
    nesting->arrays = is_object ? 0 : nesting->arrays + 1;
}

static inline void pop(struct nesting *nesting)
{
    nesting->depth--;
    if (nesting->arrays > 1) {
        nesting->arrays--;
    } else {
        nesting->arrays = nesting->depth > 0 && !is_in_object(nesting) ? 1 : 0;
    }
}

static inline bool begins_integer(uint8_t c)
{
    return c == '-' || (uint8_t)(c - '0') < 10;
}

/*
 * Past plain integers, from one list of them to the next, where nothing but
 * "," or "],[" or "]],[[" stands between two: most of a city's bytes. Stops
 * before an integer that has something else behind it; the nesting is then what
 * it was.
 */
static inline const uint8_t *pass_integers(const uint8_t *at, const uint8_t *end, uint32_t arrays)
{
    enum { LOOK_AHEAD = 16 };
    while (end - at > LOOK_AHEAD) {
        const uint8_t *digit = at + (*at == '-');
        const size_t length = digits_of_8(bytes_load_u64le(digit));
        const uint8_t *behind = digit + length;
        if (length == 0 || (*digit == '0' && length > 1)) {
            break;
        }
        if (*behind == ',') {
            at = behind + 1 + (behind[1] == ' ');
        } else if (arrays >= 2 && memcmp(behind, "],[", 3) == 0 && begins_integer(behind[3])) {
            at = behind + 3;
        } else if (arrays >= 3 && memcmp(behind, "]],[[", 5) == 0 && begins_integer(behind[5])) {
            at = behind + 5;
        } else {
            break;
        }
    }
    return at;
}

/* Past a scalar at `at`; NULL with *err set. */
static inline const uint8_t *pass_scalar(const struct json *json, const uint8_t *at,
                                         struct err *err)
{
    if (at < json->end && (*at == '-' || (uint8_t)(*at - '0') < 10)) {
        return pass_number(json, at, err);
    }
    if (at < json->end && *at == '"') {
        bool has_escapes = false;
        return pass_string(json, at, &has_escapes, err);
    }
    return pass_word(json, at, err);
}

/* Past the commas and closing brackets behind a value, until the next value or
 * the end of the outermost; the flag tells which. NULL with *err set. */
static inline const uint8_t *pass_between(struct json *json, const uint8_t *at,
                                          struct nesting *nesting, struct err *err)
{
    while (nesting->depth > 0) {
        at = pass_spaces(json, at);
        const bool in_object = is_in_object(nesting);
        if (at < json->end && *at == ',') {
            at = pass_spaces(json, at + 1);
            if (!in_object) {
                return at;
            }
            json->at = at;
            struct json_string name;
            return read_name(json, &name, err) ? pass_spaces(json, json->at) : NULL;
        }
        if (at >= json->end || *at != (in_object ? '}' : ']')) {
            fail_expected(json, at, err, in_object ? "',' or '}'" : "',' or ']'");
            return NULL;
        }
        at++;
        pop(nesting);
        give_back(json, at);
    }
    return at;
}

/* Past an opening bracket and, in an object, the first name. Sets *out_is_empty
 * when the closing bracket came at once. NULL with *err set. */
static const uint8_t *pass_opening(struct json *json, const uint8_t *at, struct nesting *nesting,
                                   bool *out_is_empty, struct err *err)
{
    const bool is_object = *at == '{';
    if (json->depth + nesting->depth >= JSON_DEPTH_MAX) {
        fail_depth(json, at, err);
        return NULL;
    }
    at = pass_spaces(json, at + 1);
    if (at < json->end && *at == (is_object ? '}' : ']')) {
        *out_is_empty = true;
        return at + 1;
    }
    *out_is_empty = false;
    push(nesting, is_object);
    if (!is_object) {
        return at;
    }
    json->at = at;
    struct json_string name;
    return read_name(json, &name, err) ? pass_spaces(json, json->at) : NULL;
}

bool json_skip(struct json *json, struct err *err)
{
    struct nesting nesting;
    nesting.depth = 0;
    nesting.arrays = 0;
    nesting.bits[0] = 0;
    const uint8_t *at = pass_spaces(json, json->at);
    do {
        if (nesting.arrays > 0) {
            const bool is_long = json->end - at > GIVE_BACK_BYTES;
            at = pass_integers(at, is_long ? at + GIVE_BACK_BYTES : json->end, nesting.arrays);
            at = pass_spaces(json, at);
        }
        if (at < json->end && (*at == '[' || *at == '{')) {
            bool is_empty = false;
            at = pass_opening(json, at, &nesting, &is_empty, err);
            if (at != NULL && !is_empty) {
                continue;
            }
        } else {
            at = pass_scalar(json, at, err);
        }
        if (at != NULL) {
            at = pass_between(json, at, &nesting, err);
        }
        if (at == NULL) {
            return false;
        }
    } while (nesting.depth > 0);
    json->at = at;
    return true;
}

bool json_end(struct json *json, struct err *err)
{
    json->at = pass_spaces(json, json->at);
    if (json->at != json->end) {
        return fail_expected(json, json->at, err, "the end of the input");
    }
    return true;
}

/* ---- arrays of indices ---- */

static inline void add_u32(struct buf *out, uint32_t value)
{
    const size_t size = out->size + sizeof value;
    if (size <= out->room && size <= out->limit_bytes) {
        memcpy(out->data + out->size, &value, sizeof value);
        out->size = size;
    } else {
        buf_add(out, &value, sizeof value);
    }
}

static bool read_index(struct json *json, bool may_be_null, uint32_t *out, struct err *err)
{
    if (may_be_null && json_peek(json) == JSON_NULL) {
        json->at += 4;
        *out = UINT32_MAX;
        return true;
    }
    struct json_number number;
    int64_t value = 0;
    const struct json before = *json;
    if (!json_number(json, &number, err)) {
        return false;
    }
    if (!json_number_integer(number, &value) || value < 0 || value >= UINT32_MAX) {
        return json_fail(&before, err, ERR_SCHEMA, "'%.*s' is not an index",
                         number.raw.size > 40 ? 40 : (int)number.raw.size, number.raw.data);
    }
    *out = (uint32_t)value;
    return true;
}

/* The short road: digits and a comma, nothing else. Returns the place of what
 * it did not take. */
static inline const uint8_t *read_plain_indices(struct json *json, struct buf *out)
{
    const uint8_t *at = json->at;
    while (json->end - at > 9) {
        const uint64_t bytes = bytes_load_u64le(at);
        const size_t length = digits_of_8(bytes);
        if (at[length] != ',' || length == 0 || (*at == '0' && length > 1)) {
            break;
        }
        add_u32(out, value_of_8(bytes, length));
        at += length + 1;
        at += *at == ' ';
    }
    return at;
}

bool json_short_integers(struct json *json, int32_t *out, size_t count)
{
    const uint8_t *at = pass_spaces(json, json->at);
    for (size_t i = 0; i < count; i++) {
        if (json->end - at < 12 || *at != (i == 0 ? '[' : ',')) {
            return false;
        }
        at++;
        const bool is_negative = *at == '-';
        at += is_negative;
        const uint64_t bytes = bytes_load_u64le(at);
        const size_t length = digits_of_8(bytes);
        if (length == 0 || (*at == '0' && length > 1)) {
            return false;
        }
        const int32_t value = (int32_t)value_of_8(bytes, length);
        out[i] = is_negative ? -value : value;
        at += length;
    }
    if (at == json->end || *at != ']') {
        return false;
    }
    json->at = at + 1;
    give_back(json, json->at);
    return true;
}

bool json_indices(struct json *json, bool may_be_null, struct buf *out, struct err *err)
{
    if (!json_enter(json, JSON_ARRAY, err)) {
        return false;
    }
    for (;;) {
        bool is_end = false;
        if (!json_next_element(json, &is_end, err)) {
            return false;
        }
        if (is_end) {
            return true;
        }
        json->at = read_plain_indices(json, out);
        uint32_t value = 0;
        if (!read_index(json, may_be_null, &value, err)) {
            return false;
        }
        add_u32(out, value);
        if (out->refusal != ERR_NONE) {
            return buf_finish(out, err);
        }
    }
}

/* ---- strings as text ---- */

static size_t write_utf8(uint32_t character, char *out)
{
    if (character < 0x80) {
        out[0] = (char)character;
        return 1;
    }
    if (character < 0x800) {
        out[0] = (char)(0xC0 | character >> 6);
        out[1] = (char)(0x80 | (character & 0x3F));
        return 2;
    }
    if (character < 0x10000) {
        out[0] = (char)(0xE0 | character >> 12);
        out[1] = (char)(0x80 | (character >> 6 & 0x3F));
        out[2] = (char)(0x80 | (character & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | character >> 18);
    out[1] = (char)(0x80 | (character >> 12 & 0x3F));
    out[2] = (char)(0x80 | (character >> 6 & 0x3F));
    out[3] = (char)(0x80 | (character & 0x3F));
    return 4;
}

/* The next character, or byte of one, of a raw string: up to 4 bytes. */
static size_t next_piece(struct text raw, size_t *at, char piece[4])
{
    if (raw.data[*at] != '\\') {
        piece[0] = raw.data[(*at)++];
        return 1;
    }
    const uint8_t *data = (const uint8_t *)raw.data;
    uint32_t character = 0;
    const size_t length = read_escape(data + *at, data + raw.size, &character);
    assert(length > 0); /* pass_string() has seen it */
    *at += length;
    return write_utf8(character, piece);
}

bool json_escaped_is(struct json_string string, const char *word)
{
    size_t at = 0;
    while (at < string.raw.size) {
        char piece[4];
        const size_t length = next_piece(string.raw, &at, piece);
        /* No word has a NUL in it: one here would lead past its end. */
        if (piece[0] == '\0' || strncmp(word, piece, length) != 0) {
            return false;
        }
        word += length;
    }
    return *word == '\0';
}

bool json_string_text(struct json_string string, struct arena *arena, struct text *out,
                      struct err *err)
{
    char *copy = arena_array(arena, char, string.raw.size);
    if (copy == NULL) {
        return arena_full(arena, err);
    }
    size_t size = 0;
    if (string.has_escapes) {
        /* An escape is never shorter than what it stands for. */
        for (size_t at = 0; at < string.raw.size;) {
            char piece[4];
            const size_t length = next_piece(string.raw, &at, piece);
            memcpy(copy + size, piece, length);
            size += length;
        }
    } else if (string.raw.size > 0) {
        memcpy(copy, string.raw.data, string.raw.size);
        size = string.raw.size;
    }
    *out = (struct text){copy, size};
    return true;
}

bool json_compact(struct json *json, struct arena *arena, struct text *out, struct err *err)
{
    (void)json_peek(json);
    const uint8_t *from = json->at;
    if (!json_skip(json, err)) {
        return false;
    }
    char *copy = arena_array(arena, char, (size_t)(json->at - from));
    if (copy == NULL) {
        return arena_full(arena, err);
    }
    size_t size = 0;
    bool is_quoted = false;
    for (const uint8_t *at = from; at < json->at; at++) {
        if (*at > ' ' || is_quoted) {
            copy[size++] = (char)*at;
        }
        if (*at == '"') {
            is_quoted = !is_quoted;
        } else if (*at == '\\') {
            /* Only strings have it, and json_skip() has seen the escape. */
            uint32_t character = 0;
            const size_t length = read_escape(at, json->at, &character);
            size--;
            if (character >= 0x80) {
                size += write_utf8(character, copy + size);
            } else {
                memcpy(copy + size, at, length);
                size += length;
            }
            at += length - 1;
        }
    }
    *out = (struct text){copy, size};
    return true;
}

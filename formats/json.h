/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_JSON_H
#define FORMATS_JSON_H

/*
 * json.h - a strict JSON scanner over bytes that are all there.
 *
 * The caller pulls: it looks at what comes next, enters objects and arrays,
 * reads scalars, skips what it does not know. Nothing is built and nothing is
 * copied. Copying a struct json keeps a place to come back to.
 *
 *     struct json_string key;
 *     ok = json_enter(&json, JSON_OBJECT, err);
 *     while (ok && json_next_member(&json, &key, &is_end, err) && !is_end) {
 *         ok = json_string_is(key, "type") ? json_string(&json, &value, err)
 *                                          : json_skip(&json, err);
 *     }
 *
 * Every byte that is passed has been checked: UTF-8, escapes, surrogate pairs,
 * the grammar of numbers, commas, what follows the last value (json_end).
 *
 * Source   RFC 8259
 * Limits   JSON_DEPTH_MAX open objects and arrays (ERR_LIMIT). No recursion.
 * Errors   ERR_SYNTAX for what is not JSON, ERR_SCHEMA for JSON of another kind
 *          than asked for; both with line and column (in bytes) and offset
 * Threads  one at a time for one struct json
 */

#include "formats/base/arena.h"
#include "formats/base/buf.h"
#include "formats/base/bytes.h"
#include "formats/base/io.h"

enum { JSON_DEPTH_MAX = 512 };

enum json_kind {
    JSON_NOTHING, /* the end of the input, or no JSON value */
    JSON_OBJECT,
    JSON_ARRAY,
    JSON_STRING,
    JSON_NUMBER,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL
};

struct json {
    const uint8_t *at;
    const uint8_t *end;
    const uint8_t *begin;      /* offset 0 of messages */
    const uint8_t *line_start; /* of the line that `at` stands in */
    uint32_t line;             /* 1-based */
    uint32_t depth;            /* entered and not left */
    bool is_fresh;             /* '[' or '{' was just entered */
    const struct io_map *map;  /* holds `begin` at its start; pages behind `at` are given
                                * back; NULL: they are not */
    const uint8_t *kept;       /* where they were last given back */
};

/* The characters between the quotes, as they stand in the input. */
struct json_string {
    struct text raw;
    bool has_escapes;
};

/* A number as written. */
struct json_number {
    struct text raw;
    bool is_integer; /* neither point nor exponent */
    bool is_small;   /* an integer of at most 18 digits: `small` is it */
    int64_t small;
};

/* Stands before the first value of `bytes`, at line 1. `map`, which may be
 * NULL, is the mapping that begins with `bytes`. */
void json_init(struct json *json, struct span bytes, const struct io_map *map);

/* json_string_is() of a string that has escapes. */
bool json_escaped_is(struct json_string string, const char *word);

/* What comes next, past spaces; takes nothing. */
enum json_kind json_peek(struct json *json);

/* "an object", "a number", ...; for messages. */
const char *json_kind_name(enum json_kind kind);

/* Takes the opening bracket of an object or array. */
ERR_CHECKED bool json_enter(struct json *json, enum json_kind kind, struct err *err);

/* Stands before the next member's value or the next element, whose value must
 * then be taken; or leaves, and *out_is_end is true. */
ERR_CHECKED bool json_next_member(struct json *json, struct json_string *out_key, bool *out_is_end,
                                  struct err *err);
ERR_CHECKED bool json_next_element(struct json *json, bool *out_is_end, struct err *err);

/* Each takes one value of its kind. */
ERR_CHECKED bool json_string(struct json *json, struct json_string *out, struct err *err);
ERR_CHECKED bool json_number(struct json *json, struct json_number *out, struct err *err);
ERR_CHECKED bool json_bool(struct json *json, bool *out, struct err *err);

/* A number as a double. ERR_SCHEMA when it is too large for one (1e999). */
ERR_CHECKED bool json_real(struct json *json, double *out, struct err *err);

/* Whether the number is an integer that int64_t holds. */
bool json_number_integer(struct json_number number, int64_t *out);
/* Whether a double holds the number. */
bool json_number_real(struct json_number number, double *out);

/* Takes one value of any kind. */
ERR_CHECKED bool json_skip(struct json *json, struct err *err);

/* The input ends here, spaces apart; else ERR_SYNTAX. */
ERR_CHECKED bool json_end(struct json *json, struct err *err);

/*
 * Takes an array of integers 0 .. UINT32_MAX - 1 and adds each to `out` as a
 * uint32_t in the machine's order. null becomes UINT32_MAX where that is
 * allowed. The road of boundaries: several hundred MB/s.
 */
ERR_CHECKED bool json_indices(struct json *json, bool may_be_null, struct buf *out,
                              struct err *err);

/*
 * Takes `[a,b,c]` when just that stands here: `count` integers of at most 8
 * digits, maybe negative, without spaces. Otherwise takes nothing and returns
 * false, and says nothing about what is there. The road of vertices.
 */
bool json_short_integers(struct json *json, int32_t *out, size_t count);

/* Whether the string says `word` once its escapes are resolved. */
static inline bool json_string_is(struct json_string string, const char *word)
{
    return string.has_escapes ? json_escaped_is(string, word) : text_is(string.raw, word);
}

/* A copy with the escapes resolved. Memory: *out lives in `arena`. */
ERR_CHECKED bool json_string_text(struct json_string string, struct arena *arena, struct text *out,
                                  struct err *err);

/*
 * Takes one value and copies its text without the spaces between its parts;
 * escaped characters beyond ASCII become themselves.
 * Memory: *out lives in `arena`.
 */
ERR_CHECKED bool json_compact(struct json *json, struct arena *arena, struct text *out,
                              struct err *err);

/* Offset of `at` from the beginning. */
static inline size_t json_offset(const struct json *json)
{
    return (size_t)(json->at - json->begin);
}

/* Sets err with the place where the scanner stands; returns false. */
bool json_fail(const struct json *json, struct err *err, enum err_code code, const char *format,
               ...) ERR_PRINTF(4, 5);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_JSON_WRITE_H
#define FORMATS_JSON_WRITE_H

/*
 * json_write.h - numbers and strings as JSON text, the same on every machine and
 * in every locale. The caller prints braces and brackets; commas come by
 * themselves.
 *
 * Source   RFC 8259; ECMA-262 "Number::toString" for the form of numbers
 */

#include "formats/base/buf.h"

/*
 * The shortest decimal that reads back as the same double: 0.1, 1500, -2.5e-9.
 * Plain digits from 1e-6 up to 1e21, else an exponent without plus or leading
 * zeros. Minus zero is 0. A value that JSON cannot say (NaN, infinite) is null.
 */
void json_write_double(struct buf *out, double value);

/* The shortest decimal that reads back as the same float. */
void json_write_float(struct buf *out, float value);

/* True when a text stands in a JSON string as it is, as most do: ASCII without control
 * characters, quotes and backslashes. */
bool json_text_is_plain(struct text text);

/* In quotes; control characters, quote and backslash escaped, the rest as it
 * is. `text` must be UTF-8: a byte that is not becomes U+FFFD. */
void json_write_text(struct buf *out, struct text text);

/* A comma, unless the last byte opens an object or array (or there is none). */
void json_write_comma(struct buf *out);

/* The comma that is due, then the key and a colon. `key` needs no escapes. */
void json_write_key(struct buf *out, const char *key);

#endif

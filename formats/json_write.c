/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/json_write.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Digits d1 d2 ... dn and a point after the first `point` of them, as ECMA-262
 * describes a number: value = 0.d1d2...dn * 10^point. */
struct decimal {
    char digits[24];
    int count;
    int point;
};

static void trim_zeros(struct decimal *decimal)
{
    while (decimal->count > 1 && decimal->digits[decimal->count - 1] == '0') {
        decimal->count--;
    }
}

/*
 * Values with few decimals (lengths rounded to a millimetre, whole numbers) are
 * most of what is written. An integer below 2^53 divided by an exact power of ten
 * is correctly rounded, so `scaled / power == value` proves that the decimal
 * reads back as the same double; the smallest such power is the shortest form.
 */
static bool find_few_decimals(double value, struct decimal *out)
{
    static const double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};
    for (int i = 0; i < (int)(sizeof powers / sizeof powers[0]); i++) {
        const double scaled = rint(value * powers[i]);
        /* 10^15 and not 2^53: up to 15 digits no shorter one can be nearer. */
        if (scaled >= 1e15) {
            return false;
        }
        if (scaled >= 1 && scaled / powers[i] == value) {
            const int count = snprintf(out->digits, sizeof out->digits, "%lld", (long long)scaled);
            out->count = count;
            out->point = count - i;
            trim_zeros(out);
            return true;
        }
    }
    return false;
}

/* "d.ddde[+-]xx" of printf, in any locale: only digits and the exponent count. */
static void take_printed(const char *printed, struct decimal *out)
{
    out->count = 0;
    const char *at = printed;
    for (; *at != 'e' && *at != '\0'; at++) {
        if (*at >= '0' && *at <= '9' && out->count < (int)sizeof out->digits) {
            out->digits[out->count++] = *at;
        }
    }
    out->point = *at == 'e' ? atoi(at + 1) + 1 : 1;
    trim_zeros(out);
}

static void find_shortest(double value, struct decimal *out)
{
    char printed[40];
    /* Below the normal range a double has fewer digits than 15 to tell. */
    const int first = value < 1e-300 ? 1 : 15;
    for (int digits = first; digits <= 17; digits++) {
        snprintf(printed, sizeof printed, "%.*e", digits - 1, value);
        if (digits == 17 || strtod(printed, NULL) == value) {
            break;
        }
    }
    take_printed(printed, out);
}

static void find_shortest_float(float value, struct decimal *out)
{
    char printed[40];
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(printed, sizeof printed, "%.*e", digits - 1, (double)value);
        if (digits == 9 || strtof(printed, NULL) == value) {
            break;
        }
    }
    take_printed(printed, out);
}

static void add_zeros(struct buf *out, int count)
{
    for (int i = 0; i < count; i++) {
        buf_add_byte(out, '0');
    }
}

static void print_decimal(struct buf *out, const struct decimal *decimal)
{
    const char *digits = decimal->digits;
    const int count = decimal->count;
    const int point = decimal->point;
    if (count <= point && point <= 21) {
        buf_add(out, digits, (size_t)count);
        add_zeros(out, point - count);
    } else if (0 < point && point <= 21) {
        buf_add(out, digits, (size_t)point);
        buf_add_byte(out, '.');
        buf_add(out, digits + point, (size_t)(count - point));
    } else if (-6 < point && point <= 0) {
        buf_add_text(out, "0.");
        add_zeros(out, -point);
        buf_add(out, digits, (size_t)count);
    } else {
        buf_add(out, digits, 1);
        if (count > 1) {
            buf_add_byte(out, '.');
            buf_add(out, digits + 1, (size_t)(count - 1));
        }
        buf_print(out, "e%d", point - 1);
    }
}

/* What a double and a float have in common; true when that was all. */
static bool print_special(struct buf *out, double value)
{
    if (!isfinite(value)) {
        buf_add_text(out, "null");
        return true;
    }
    if (value == 0) {
        buf_add_byte(out, '0');
        return true;
    }
    if (value < 0) {
        buf_add_byte(out, '-');
    }
    return false;
}

void json_write_double(struct buf *out, double value)
{
    if (print_special(out, value)) {
        return;
    }
    struct decimal decimal;
    if (!find_few_decimals(fabs(value), &decimal)) {
        find_shortest(fabs(value), &decimal);
    }
    print_decimal(out, &decimal);
}

void json_write_float(struct buf *out, float value)
{
    if (print_special(out, (double)value)) {
        return;
    }
    struct decimal decimal;
    find_shortest_float(fabsf(value), &decimal);
    print_decimal(out, &decimal);
}

/* Bytes of the well-formed UTF-8 character at `at`, or 0. */
static size_t character_size(struct text text, size_t at)
{
    const size_t left = text.size - at;
    for (size_t size = 1; size <= 4 && size <= left; size++) {
        if (text_is_utf8((struct text){text.data + at, size})) {
            return size;
        }
    }
    return 0;
}

static void write_special(struct buf *out, unsigned char byte)
{
    switch (byte) {
    case '"':
        buf_add_text(out, "\\\"");
        break;
    case '\\':
        buf_add_text(out, "\\\\");
        break;
    case '\n':
        buf_add_text(out, "\\n");
        break;
    case '\r':
        buf_add_text(out, "\\r");
        break;
    case '\t':
        buf_add_text(out, "\\t");
        break;
    default:
        buf_print(out, "\\u%04x", byte);
        break;
    }
}

/* The high bit of each byte that is zero; below the lowest of them none is wrong. */
static uint64_t zeros_of(uint64_t word)
{
    return (word - 0x0101010101010101U) & ~word & 0x8080808080808080U;
}

/* Whether any of eight characters is a control character, '"', '\\', DEL or beyond ASCII. */
static bool is_special(const char *at)
{
    const uint64_t ones = 0x0101010101010101U;
    uint64_t word;
    memcpy(&word, at, sizeof word);
    const uint64_t controls = (word - 0x20 * ones) & ~word & 0x80 * ones;
    return ((word & 0x80 * ones) | controls | zeros_of(word ^ 0x22 * ones) |
            zeros_of(word ^ 0x5C * ones) | zeros_of(word ^ 0x7F * ones)) != 0;
}

bool json_text_is_plain(struct text text)
{
    if (text.size < 8) {
        char padded[8] = "        ";
        for (size_t i = 0; i < text.size; i++) {
            padded[i] = text.data[i];
        }
        return !is_special(padded);
    }
    for (size_t i = 0; i + 8 < text.size; i += 8) {
        if (is_special(text.data + i)) {
            return false;
        }
    }
    return !is_special(text.data + text.size - 8);
}

void json_write_text(struct buf *out, struct text text)
{
    if (json_text_is_plain(text)) {
        uint8_t *at = buf_reserve(out, text.size + 2);
        if (at != NULL) {
            at[0] = '"';
            if (text.size > 0) {
                memcpy(at + 1, text.data, text.size);
            }
            at[text.size + 1] = '"';
            out->size += text.size + 2;
        }
        return;
    }
    const bool is_utf8 = text_is_utf8(text);
    buf_add_byte(out, '"');
    size_t start = 0; /* of what is not added yet */
    for (size_t i = 0; i < text.size; i++) {
        const unsigned char byte = (unsigned char)text.data[i];
        const size_t size = byte < 0x80 || is_utf8 ? 1 : character_size(text, i);
        if (size > 1) {
            i += size - 1;
            continue;
        }
        if (size == 1 && byte >= 0x20 && byte != '"' && byte != '\\' && byte != 0x7F) {
            continue;
        }
        buf_add(out, text.data + start, i - start);
        start = i + 1;
        if (size == 0) {
            buf_add_text(out, "\xEF\xBF\xBD");
        } else {
            write_special(out, byte);
        }
    }
    if (start < text.size) {
        buf_add(out, text.data + start, text.size - start);
    }
    buf_add_byte(out, '"');
}

void json_write_comma(struct buf *out)
{
    const uint8_t last = out->size == 0 ? '[' : out->data[out->size - 1];
    if (last != '{' && last != '[') {
        buf_add_byte(out, ',');
    }
}

void json_write_key(struct buf *out, const char *key)
{
    json_write_comma(out);
    buf_add_byte(out, '"');
    buf_add_text(out, key);
    buf_add_text(out, "\":");
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/number.h"

#include <assert.h>
#include <float.h>
#include <math.h>

#include "formats/number_powers.h"

static_assert(DBL_MANT_DIG == 53 && DBL_MAX_EXP == 1024, "IEEE 754 binary64");
static_assert(FLT_EVAL_METHOD == 0, "the exact road needs plain double arithmetic");

enum { FRACTION_BITS = 52, EXPONENT_BIAS = 1023, EXPONENT_INFINITE = 0x7FF };
enum { DIGITS_MAX = 19 };          /* that a uint64_t always holds */
enum { EXACT_POWER_MAX = 22 };     /* 10^22 is a double */
enum { EXPONENT_CAP = 100000000 }; /* beyond any text that fits in memory with a finite value */

#define EXACT_DIGITS_MAX ((uint64_t)1 << 53)

static const double exact_powers[EXACT_POWER_MAX + 1] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static double double_of_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint64_t bits_of_double(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* ---- the middle road: a 128-bit product ---- */

__extension__ typedef unsigned __int128 wide;

/* digits * 10^exponent10, rounded to nearest; digits != 0. Lemire, section 5;
 * that the product always decides: Mushtak and Lemire, "Fast number parsing
 * without fallback" (2022). */
static double make_from_product(uint64_t digits, int exponent10)
{
    const int zeros = __builtin_clzll(digits);
    const uint64_t left = digits << zeros;
    const uint64_t *power = power_bits[exponent10 - POWER_MIN];
    const wide first = (wide)left * power[0];
    uint64_t high = (uint64_t)(first >> 64);
    uint64_t low = (uint64_t)first;
    if ((high & 0x1FF) == 0x1FF) {
        const uint64_t carry = (uint64_t)(((wide)left * power[1]) >> 64);
        low += carry;
        high += low < carry;
    }
    const int top = (int)(high >> 63);
    const int shift = top + 64 - FRACTION_BITS - 3;
    uint64_t mantissa = high >> shift;
    /* floor(log2(10^q)) by a fixed-point log2(10) */
    int exponent2 = (((152170 + 65536) * exponent10) >> 16) + 63 + top - zeros + EXPONENT_BIAS;
    if (exponent2 <= 0) {
        const int down = 1 - exponent2;
        if (down >= 64) {
            return 0;
        }
        mantissa >>= down;
        mantissa += mantissa & 1;
        /* Rounding up to 2^52 makes it the smallest normal one by itself. */
        return double_of_bits(mantissa >> 1);
    }
    /* Exactly half way: ties to even, where the product can be exact at all. */
    if (low <= 1 && exponent10 >= -4 && exponent10 <= 23 && (mantissa & 3) == 1 &&
        mantissa << shift == high) {
        mantissa &= ~(uint64_t)1;
    }
    mantissa += mantissa & 1;
    mantissa >>= 1;
    if (mantissa >= (uint64_t)2 << FRACTION_BITS) {
        mantissa = (uint64_t)1 << FRACTION_BITS;
        exponent2++;
    }
    if (exponent2 >= EXPONENT_INFINITE) {
        return HUGE_VAL;
    }
    mantissa &= ~((uint64_t)1 << FRACTION_BITS);
    return double_of_bits(mantissa | (uint64_t)exponent2 << FRACTION_BITS);
}

static double make_from_digits(uint64_t digits, int64_t exponent10)
{
    if (digits == 0 || exponent10 < POWER_MIN) {
        return 0;
    }
    if (exponent10 > POWER_MAX) {
        return HUGE_VAL;
    }
    if (digits <= EXACT_DIGITS_MAX && exponent10 >= -EXACT_POWER_MAX &&
        exponent10 <= EXACT_POWER_MAX) {
        const double value = (double)digits;
        return exponent10 < 0 ? value / exact_powers[-exponent10]
                              : value * exact_powers[exponent10];
    }
    return make_from_product(digits, (int)exponent10);
}

/* ---- the long road: comparing with the halfway point ---- */

/* No halfway point has more digits than this; those after them only say
 * "a little more". */
enum { LONG_DIGITS_MAX = 768 };
/* 10^(768 + 342) times 2^1075, with room */
enum { LONG_WORDS = 200 };

/* An unsigned integer, lowest word first, no zero words on top. */
struct long_integer {
    uint32_t words[LONG_WORDS];
    int count;
};

static void long_multiply_add(struct long_integer *value, uint32_t factor, uint32_t carry)
{
    uint64_t over = carry;
    for (int i = 0; i < value->count; i++) {
        over += (uint64_t)value->words[i] * factor;
        value->words[i] = (uint32_t)over;
        over >>= 32;
    }
    if (over != 0) {
        assert(value->count < LONG_WORDS);
        value->words[value->count++] = (uint32_t)over;
    }
}

static void long_multiply_power10(struct long_integer *value, int64_t power)
{
    for (; power >= 9; power -= 9) {
        long_multiply_add(value, 1000000000U, 0);
    }
    for (; power > 0; power--) {
        long_multiply_add(value, 10, 0);
    }
}

static void long_shift_left(struct long_integer *value, int bits)
{
    if (value->count == 0) {
        return;
    }
    const int words = bits / 32;
    assert(value->count + words < LONG_WORDS);
    memmove(value->words + words, value->words, (size_t)value->count * sizeof value->words[0]);
    memset(value->words, 0, (size_t)words * sizeof value->words[0]);
    value->count += words;
    if (bits % 32 != 0) {
        long_multiply_add(value, (uint32_t)1 << (bits % 32), 0);
    }
}

static int long_compare(const struct long_integer *a, const struct long_integer *b)
{
    if (a->count != b->count) {
        return a->count < b->count ? -1 : 1;
    }
    for (int i = a->count - 1; i >= 0; i--) {
        if (a->words[i] != b->words[i]) {
            return a->words[i] < b->words[i] ? -1 : 1;
        }
    }
    return 0;
}

/* The significant digits of `text`, at most LONG_DIGITS_MAX and then a 1 when
 * something other than zeros follows; *power is what 10 must be raised to,
 * apart from the exponent that is written. */
static void long_from_text(struct text text, struct long_integer *out, int64_t *out_power)
{
    int64_t power = 0;
    int used = 0;
    bool has_point = false;
    bool has_more = false;
    out->count = 0;
    for (size_t i = 0; i < text.size; i++) {
        const char c = text.data[i];
        if (c == '.') {
            has_point = true;
        } else if (c >= '0' && c <= '9') {
            if (used == LONG_DIGITS_MAX) {
                has_more |= c != '0';
                power += !has_point;
                continue;
            }
            used += used > 0 || c != '0';
            long_multiply_add(out, 10, (uint32_t)(c - '0'));
            power -= has_point;
        } else if (c == 'e' || c == 'E') {
            break;
        }
    }
    if (has_more) {
        long_multiply_add(out, 10, 1);
        power--;
    }
    *out_power = power;
}

/* `below` and the next double up enclose the number: the nearer one, or the
 * even one when it is exactly half way. */
static double round_exactly(double below, struct text text, int64_t written_exponent)
{
    struct long_integer number;
    int64_t power = 0;
    long_from_text(text, &number, &power);
    power += written_exponent;

    const uint64_t bits = bits_of_double(below);
    const int exponent = (int)(bits >> FRACTION_BITS);
    const uint64_t fraction = bits & (((uint64_t)1 << FRACTION_BITS) - 1);
    const uint64_t mantissa = exponent == 0 ? fraction : fraction | (uint64_t)1 << FRACTION_BITS;
    const uint64_t half_way = 2 * mantissa + 1;
    const int exponent2 = (exponent == 0 ? 1 : exponent) - EXPONENT_BIAS - FRACTION_BITS - 1;

    struct long_integer middle = {.words = {(uint32_t)half_way, (uint32_t)(half_way >> 32)},
                                  .count = half_way >> 32 == 0 ? 1 : 2};
    if (power >= 0) {
        long_multiply_power10(&number, power);
    } else {
        long_multiply_power10(&middle, -power);
    }
    if (exponent2 >= 0) {
        long_shift_left(&middle, exponent2);
    } else {
        long_shift_left(&number, -exponent2);
    }
    const int order = long_compare(&number, &middle);
    const bool goes_up = order > 0 || (order == 0 && (mantissa & 1) == 1);
    return goes_up ? double_of_bits(bits + 1) : below;
}

static int64_t find_written_exponent(struct text text)
{
    size_t at = 0;
    while (at < text.size && text.data[at] != 'e' && text.data[at] != 'E') {
        at++;
    }
    if (at == text.size) {
        return 0;
    }
    at++;
    const bool is_negative = at < text.size && text.data[at] == '-';
    at += at < text.size && (text.data[at] == '-' || text.data[at] == '+');
    int64_t exponent = 0;
    for (; at < text.size && text.data[at] >= '0' && text.data[at] <= '9'; at++) {
        if (exponent < EXPONENT_CAP) {
            exponent = 10 * exponent + (text.data[at] - '0');
        }
    }
    return is_negative ? -exponent : exponent;
}

static double make(uint64_t digits, int64_t exponent10, bool is_cut, struct text text)
{
    const double low = make_from_digits(digits, exponent10);
    if (!is_cut) {
        return low;
    }
    /* The number is between these two; mostly they round alike. */
    const double high = make_from_digits(digits + 1, exponent10);
    if (low == high) {
        return low;
    }
    return round_exactly(low, text, find_written_exponent(text));
}

double number_make(uint64_t digits, int64_t exponent10, bool is_cut, struct text text)
{
    return make(digits, exponent10, is_cut, text);
}

/* ---- reading ---- */

/* What has been seen of a number's digits. */
struct digits {
    uint64_t value;
    int64_t exponent10;
    int used; /* significant ones in value */
    bool is_cut;
};

static void add_digit(struct digits *digits, char c, bool is_behind_point)
{
    if (digits->used < DIGITS_MAX) {
        digits->value = 10 * digits->value + (uint64_t)(c - '0');
        digits->used += digits->value != 0;
        digits->exponent10 -= is_behind_point;
    } else {
        digits->is_cut |= c != '0';
        digits->exponent10 += !is_behind_point;
    }
}

static bool is_digit(struct text text, size_t at)
{
    return at < text.size && text.data[at] >= '0' && text.data[at] <= '9';
}

/* Eight characters, the first one lowest, are all digits. */
static bool is_eight_digits(uint64_t eight)
{
    return ((eight & UINT64_C(0xF0F0F0F0F0F0F0F0)) |
            ((eight + UINT64_C(0x0606060606060606)) & UINT64_C(0xF0F0F0F0F0F0F0F0)) >> 4) ==
           UINT64_C(0x3333333333333333);
}

/* Their value: pairs, then fours, then all (J. Jerphanion, D. Lemire, "Faster
 * parsing of eight digits"). */
static uint64_t value_of_eight(uint64_t eight)
{
    eight -= UINT64_C(0x3030303030303030);
    eight = eight * 10 + (eight >> 8);
    const uint64_t mask = UINT64_C(0x000000FF000000FF);
    const uint64_t high = (eight & mask) * (100 + (UINT64_C(1000000) << 32));
    const uint64_t low = (eight >> 16 & mask) * (1 + (UINT64_C(10000) << 32));
    return (high + low) >> 32;
}

static bool is_four_digits(uint32_t four)
{
    return ((four & UINT32_C(0xF0F0F0F0)) |
            ((four + UINT32_C(0x06060606)) & UINT32_C(0xF0F0F0F0)) >> 4) == UINT32_C(0x33333333);
}

static uint64_t value_of_four(uint32_t four)
{
    four -= UINT32_C(0x30303030);
    four = four * 10 + (four >> 8);
    return (uint64_t)(four & 0xFF) * 100 + (four >> 16 & 0xFF);
}

/* Digits with at most one point among them. More than DIGITS_MAX of them are
 * read again, with care. Returns where they end. */
static size_t read_digits(struct text text, size_t at, struct digits *out, size_t *out_count)
{
    const size_t first = at;
    uint64_t value = 0;
    size_t behind = 0;
    while (is_digit(text, at)) {
        value = 10 * value + (uint64_t)(text.data[at++] - '0');
    }
    *out_count = at - first;
    if (at < text.size && text.data[at] == '.') {
        const size_t point = ++at;
        while (text.size - at >= 8) {
            const uint64_t eight = bytes_load_u64le((const uint8_t *)text.data + at);
            if (!is_eight_digits(eight)) {
                break;
            }
            value = 100000000 * value + value_of_eight(eight);
            at += 8;
        }
        if (text.size - at >= 4) {
            const uint32_t four = bytes_load_u32le((const uint8_t *)text.data + at);
            if (is_four_digits(four)) {
                value = 10000 * value + value_of_four(four);
                at += 4;
            }
        }
        while (is_digit(text, at)) {
            value = 10 * value + (uint64_t)(text.data[at++] - '0');
        }
        behind = at - point;
        *out_count += behind;
    }
    if (*out_count <= DIGITS_MAX) {
        *out = (struct digits){.value = value, .exponent10 = -(int64_t)behind};
        return at;
    }
    *out = (struct digits){0};
    bool is_behind = false;
    for (size_t i = first; i < at; i++) {
        if (text.data[i] == '.') {
            is_behind = true;
        } else {
            add_digit(out, text.data[i], is_behind);
        }
    }
    return at;
}

size_t number_read(struct text text, double *out)
{
    size_t at = 0;
    const bool is_negative = text.size > 0 && text.data[0] == '-';
    at += text.size > 0 && (text.data[0] == '-' || text.data[0] == '+');
    struct digits digits;
    size_t digit_count = 0;
    at = read_digits(text, at, &digits, &digit_count);
    if (digit_count == 0) {
        return 0;
    }
    if (at < text.size && (text.data[at] == 'e' || text.data[at] == 'E')) {
        size_t exponent_at = at + 1;
        exponent_at += exponent_at < text.size &&
                       (text.data[exponent_at] == '-' || text.data[exponent_at] == '+');
        if (is_digit(text, exponent_at)) {
            digits.exponent10 += find_written_exponent(text);
            for (at = exponent_at; is_digit(text, at); at++) {
            }
        }
    }
    const struct text whole = {text.data, at};
    const double value = make(digits.value, digits.exponent10, digits.is_cut, whole);
    if (isinf(value)) {
        return 0;
    }
    *out = is_negative ? -value : value;
    return at;
}

bool number_is(struct text text, double *out)
{
    double value = 0;
    if (text.size == 0 || number_read(text, &value) != text.size) {
        return false;
    }
    *out = value;
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_NUMBER_H
#define FORMATS_NUMBER_H

/*
 * number.h - decimal text to double, right to the last bit, in any locale.
 *
 * Three roads: up to 2^53 and 10^22 one multiplication is exact; up to 19
 * digits a 128-bit product decides (Lemire); what is left, or has more digits,
 * is compared with the halfway point in long integers. All round to nearest,
 * ties to even, as strtod does in the C locale.
 *
 * Source   W. Clinger, "How to read floating point numbers accurately" (1990);
 *          D. Lemire, "Number parsing at a gigabyte per second" (2021)
 * Limits   hexadecimal, "inf" and "nan" are not numbers here
 * Threads  no state; safe from any thread
 */

#include "formats/base/bytes.h"

/*
 * Reads the number that `text` begins with: a sign or none, digits with at
 * most one point among them (".5" and "5." are fine, "." is not), an exponent
 * or none. No space is skipped. What follows the number is the caller's
 * business.
 *
 * Returns the bytes that the number takes; 0 when there is none here, or when
 * it is too large for a double (1e999). Too small becomes 0, with its sign.
 */
size_t number_read(struct text text, double *out);

/* The whole of `text` is one number that a double holds. */
bool number_is(struct text text, double *out);

/*
 * The value of digits * 10^exponent10, where `digits` are the first 19
 * significant digits of the number and `text` is all of it, read again when
 * `is_cut` says that there are more. For scanners that have seen the digits
 * already. Infinite when it is too large; never negative.
 */
double number_make(uint64_t digits, int64_t exponent10, bool is_cut, struct text text);

#endif

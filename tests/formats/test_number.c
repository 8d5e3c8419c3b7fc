/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/number.h"

#include <inttypes.h>

#include "tests/check.h"

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* tests/cases/number.txt: text, the bits expected, where they come from. */
static void number_is__gives_the_bits_of_the_table(void)
{
    FILE *cases = fopen(CHECK_CASES "/number.txt", "re");
    CHECK(cases != NULL);
    char line[2048];
    int count = 0;
    while (fgets(line, sizeof line, cases) != NULL) {
        if (line[0] == '#' || line[0] == '\n') {
            continue;
        }
        char text[1536];
        uint64_t expected = 0;
        CHECK_EQ(sscanf(line, "%1535s %" SCNx64, text, &expected), 2);
        double value = 0;
        CHECK(number_is(text_of(text), &value));
        if (bits_of(value) != expected) {
            fail_msg("%s: %016" PRIx64 ", expected %016" PRIx64, text, bits_of(value), expected);
        }
        count++;
    }
    fclose(cases);
    CHECK(count > 50);
}

static void number_is__refuses_what_is_no_number(void)
{
    static const char *const texts[] = {"",     ".",   "-",   "+",    "e5",    "1e",    "1e+",
                                        "nan",  "NaN", "inf", "0x10", "1 ",    " 1",    "--1",
                                        "1.2.", "1,2", "1_0", "-.",   "1e999", "-1e999"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        double value = 7;
        if (number_is(text_of(texts[i]), &value)) {
            fail_msg("'%s' was read as %g", texts[i], value);
        }
        CHECK(value == 7);
    }
}

static void number_read__stops_behind_the_number(void)
{
    double value = 0;
    CHECK_EQ(number_read(text_of("12.50 99e7"), &value), 5);
    CHECK(value == 12.5);
    CHECK_EQ(number_read(text_of("7e"), &value), 1);
    CHECK(value == 7);
    CHECK_EQ(number_read(text_of("7e+x"), &value), 1);
    CHECK_EQ(number_read(text_of("-3.]"), &value), 3);
    CHECK(value == -3);
    CHECK_EQ(number_read(text_of("+.5"), &value), 3);
    CHECK(value == 0.5);
}

static void number_read__keeps_the_sign_of_zero(void)
{
    double value = 1;
    CHECK_EQ(number_read(text_of("-0.0e5"), &value), 6);
    CHECK(value == 0 && signbit(value));
    CHECK_EQ(number_read(text_of("-1e-999"), &value), 7);
    CHECK(value == 0 && signbit(value));
}

/* xorshift: the same numbers in every run. */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void check_against_strtod(const char *text)
{
    char *end = NULL;
    const double expected = strtod(text, &end);
    double value = 0;
    const size_t used = number_read(text_of(text), &value);
    if (isinf(expected)) {
        CHECK_EQ(used, 0);
        return;
    }
    if (used != (size_t)(end - text) || bits_of(value) != bits_of(expected)) {
        fail_msg("'%s': %.17g of %zu bytes, strtod %.17g of %td", text, value, used, expected,
                 end - text);
    }
}

/* Random doubles as they are printed, halfway points between two doubles, and
 * random digits with random exponents: subnormals and overflow among them. */
static void number_read__agrees_with_strtod(void)
{
    uint64_t state = 88172645463325252U;
    char text[1200];
    for (int i = 0; i < 60000; i++) {
        const uint64_t bits = next_random(&state);
        double value;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value)) {
            continue;
        }
        snprintf(text, sizeof text, "%.*e", (int)(bits % 20), value);
        check_against_strtod(text);
        const int digits = 1 + (int)(next_random(&state) % 25);
        int at = 0;
        for (int d = 0; d < digits; d++) {
            text[at++] = (char)('0' + next_random(&state) % 10);
            if (d == (int)(bits % 25)) {
                text[at++] = '.';
            }
        }
        snprintf(text + at, sizeof text - (size_t)at, "e%d",
                 (int)(next_random(&state) % 720) - 360);
        check_against_strtod(text);
        snprintf(text, sizeof text, "%.3f", (double)(int64_t)bits / 1e7);
        check_against_strtod(text);
    }
}

/* The exact decimal expansion of the middle between a double and the next has
 * up to 767 digits; one more digit decides. */
static void number_read__rounds_halfway_points_to_even(void)
{
    uint64_t state = 2463534242U;
    char text[1300];
    for (int i = 0; i < 3000; i++) {
        /* x and x + 1 ulp as long doubles have an exact middle: one bit more. */
        uint64_t bits = next_random(&state) & ~((uint64_t)1 << 63);
        if (i % 3 == 0) {
            bits &= ((uint64_t)1 << 53) - 1; /* near and below the smallest normal one */
        }
        double value;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value) || value > 1e300) {
            continue;
        }
        const long double middle =
            ((long double)value + (long double)nextafter(value, HUGE_VAL)) / 2;
        const int length = snprintf(text, sizeof text, "%.1100Le", middle);
        check_against_strtod(text);
        /* A last digit after all the zeros: just above the middle. */
        char *exponent = strchr(text, 'e');
        CHECK(exponent != NULL && length > 1100);
        exponent[-1] = '1';
        check_against_strtod(text);
    }
}

CHECK_MAIN(CHECK_TEST(number_is__gives_the_bits_of_the_table),
           CHECK_TEST(number_is__refuses_what_is_no_number),
           CHECK_TEST(number_read__stops_behind_the_number),
           CHECK_TEST(number_read__keeps_the_sign_of_zero),
           CHECK_TEST(number_read__agrees_with_strtod),
           CHECK_TEST(number_read__rounds_halfway_points_to_even))

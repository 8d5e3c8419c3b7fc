/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/json_write.h"

#include <inttypes.h>

#include "tests/check.h"

static const char *printed(struct buf *out, double value)
{
    buf_reset(out);
    json_write_double(out, value);
    buf_add_byte(out, '\0');
    return (const char *)out->data;
}

/* Expected values: JSON.stringify of Node 20. */
static void json_write_double__prints_as_ecmascript_does(void)
{
    static const struct {
        double value;
        const char *expected;
    } cases[] = {
        {0, "0"},
        {-0.0, "0"},
        {1, "1"},
        {-1500, "-1500"},
        {0.1, "0.1"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1.0 / 3, "0.3333333333333333"},
        {-2605887.8519870355, "-2605887.8519870355"},
        {6378137, "6378137"},
        {12.345, "12.345"},
        {0.001, "0.001"},
        {1e-6, "0.000001"},
        {1e-7, "1e-7"},
        {-2.5e-9, "-2.5e-9"},
        {123456789012345680.0, "123456789012345680"},
        {1e20, "100000000000000000000"},
        {1e21, "1e21"},
        {9007199254740993.0, "9007199254740992"},
        {5e-324, "5e-324"},
        {1.7976931348623157e308, "1.7976931348623157e308"},
        {999999999999999.9, "999999999999999.9"},
        {INFINITY, "null"},
        {NAN, "null"},
    };
    struct buf out;
    buf_init(&out, 1000);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CHECK_TEXT(printed(&out, cases[i].value), cases[i].expected);
    }
    buf_release(&out);
}

/* Bit patterns from a counter: every exponent, odd mantissas; and rounded lengths. */
static void json_write_double__reads_back_as_the_same_double(void)
{
    struct buf out;
    buf_init(&out, 1000);
    uint64_t state = 1;
    for (int i = 0; i < 200000; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        double value;
        memcpy(&value, &state, sizeof value);
        if (i % 2 == 0) {
            value = (double)(int64_t)(state >> 20) / 1000;
        }
        if (!isfinite(value)) {
            continue;
        }
        const double back = strtod(printed(&out, value), NULL);
        if (back != value) {
            fail_msg("%.17g came back as %.17g from %s", value, back, (const char *)out.data);
        }
    }
    buf_release(&out);
}

static void json_write_float__is_as_short_as_a_float_allows(void)
{
    struct buf out;
    buf_init(&out, 1000);
    json_write_float(&out, 0.1f);
    buf_add_byte(&out, ' ');
    json_write_float(&out, -16777216.0f);
    buf_add_byte(&out, ' ');
    json_write_float(&out, 1.17549435e-38f);
    buf_add_byte(&out, '\0');
    CHECK_TEXT((const char *)out.data, "0.1 -16777216 1.1754944e-38");
    buf_release(&out);
}

static void json_write_text__escapes_and_mends(void)
{
    struct buf out;
    buf_init(&out, 1000);
    static const char text[] = "楼 \"A\"\\\n\x01 \xff\xe6\xa5 end";
    json_write_text(&out, (struct text){text, sizeof text - 1});
    buf_add_byte(&out, '\0');
    CHECK_TEXT((const char *)out.data,
               "\"楼 \\\"A\\\"\\\\\\n\\u0001 \xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD end\"");
    buf_release(&out);
}

static void json_write_text__takes_no_bytes_at_all(void)
{
    struct buf out;
    buf_init(&out, 1000);
    json_write_text(&out, (struct text){NULL, 0});
    buf_add_byte(&out, '\0');
    CHECK_TEXT((const char *)out.data, "\"\"");
    buf_release(&out);
}

/* Every byte at every place of texts of every small size: eight are looked at at once. */
static void json_text_is_plain__knows_every_byte_at_every_place(void)
{
    char text[32];
    for (size_t size = 0; size <= 25; size++) {
        memset(text, 'a', sizeof text);
        text[size] = '"'; /* behind the end */
        CHECK(json_text_is_plain((struct text){text, size}));
        for (size_t place = 0; place < size; place++) {
            for (int byte = 0; byte < 256; byte++) {
                text[place] = (char)byte;
                const bool is_plain = byte >= 0x20 && byte < 0x7F && byte != '"' && byte != '\\';
                CHECK_EQ(json_text_is_plain((struct text){text, size}), is_plain);
            }
            text[place] = ' ';
        }
    }
}

CHECK_MAIN(CHECK_TEST(json_write_double__prints_as_ecmascript_does),
           CHECK_TEST(json_write_double__reads_back_as_the_same_double),
           CHECK_TEST(json_write_float__is_as_short_as_a_float_allows),
           CHECK_TEST(json_write_text__escapes_and_mends),
           CHECK_TEST(json_write_text__takes_no_bytes_at_all),
           CHECK_TEST(json_text_is_plain__knows_every_byte_at_every_place))

/* SPDX-License-Identifier: Apache-2.0 */
#include "server/parameter.h"

#include "formats/json.h"
#include "tests/check.h"

static void parameters__are_read_by_their_kind(void)
{
    struct arena memory;
    struct parameters found;
    struct err err;
    const uint64_t allowed = PARAMETER_BIT(LIMIT) | PARAMETER_BIT(BBOX) | PARAMETER_BIT(F) |
                             PARAMETER_BIT(SKIP_GEOMETRY) | PARAMETER_BIT(LEVEL);
    arena_init(&memory, 1 << 20);
    CHECK_OK(parameter_read(text_of("bbox=1,2.5,-3e1,4&limit=99999&f=html&level=3.5&"
                                    "skipGeometry=true&key=k%20k"),
                            allowed, false, &memory, &found, &err),
             &err);
    CHECK_EQ(found.values[PARAMETER_BBOX].number_count, 4);
    CHECK(found.values[PARAMETER_BBOX].numbers[2] == -30);
    CHECK_EQ(found.values[PARAMETER_LIMIT].whole, 10000);
    CHECK_EQ(found.values[PARAMETER_F].whole, 1);
    CHECK_EQ(found.values[PARAMETER_SKIP_GEOMETRY].whole, 1);
    CHECK_TEXT_IS(found.values[PARAMETER_KEY].text, "k k");
    CHECK_OK(parameter_read(text_of(""), allowed, false, &memory, &found, &err), &err);
    CHECK_EQ(found.values[PARAMETER_LIMIT].whole, 100);
    CHECK(!found.values[PARAMETER_LIMIT].is_there);
    CHECK_OK(parameter_read(text_of("%E7%94%A8%E9%80%94=school&limit=1"), allowed, true, &memory,
                            &found, &err),
             &err);
    CHECK_EQ(found.other_count, 2);
    CHECK_TEXT_IS(found.others[0], "\xE7\x94\xA8\xE9\x80\x94");
    CHECK_TEXT_IS(found.others[1], "school");
    arena_release(&memory);
}

static void parameters__of_another_kind_are_refused(void)
{
    static const struct {
        const char *query;
        const char *words;
    } cases[] = {
        {"x=1", "unknown parameter 'x'"},
        {"limit=0", "from 1 on"},
        {"limit=1.5", "whole number"},
        {"limit=", "whole number"},
        {"limit=1&limit=1", "given twice"},
        {"limit=%zz", "percent-encoded"},
        {"bbox=1,2,3", "4 or 6"},
        {"bbox=1,2,3,4,", "4 or 6"},
        {"bbox=1,2,3,0x4", "4 or 6"},
        {"bbox=1,2,3,1e999", "4 or 6"},
        {"f=xml", "json|html"},
        {"level=high", "a number"},
        {"level=1e6", "a number"},
        {"skipGeometry=1", "true or false"},
        {"a'b\x01=1", "unknown parameter 'a?b?'"},
    };
    const uint64_t allowed = PARAMETER_BIT(LIMIT) | PARAMETER_BIT(BBOX) | PARAMETER_BIT(F) |
                             PARAMETER_BIT(SKIP_GEOMETRY) | PARAMETER_BIT(LEVEL);
    struct arena memory;
    arena_init(&memory, 1 << 20);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct parameters found;
        struct err err;
        CHECK_FAILS(parameter_read(text_of(cases[i].query), allowed, false, &memory, &found, &err),
                    &err, ERR_SYNTAX);
        if (strstr(err.message, cases[i].words) == NULL) {
            fail_msg("%s: '%s'", cases[i].query, err.message);
        }
    }
    arena_release(&memory);
}

static void table__is_whole_and_describes_itself_in_json(void)
{
    for (unsigned id = 0; id < PARAMETER_COUNT; id++) {
        struct buf json;
        struct json scanner;
        struct err err;
        CHECK(parameter_table[id].name != NULL && parameter_table[id].text != NULL);
        buf_init(&json, 1 << 16);
        parameter_describe(&json, &parameter_table[id]);
        json_init(&scanner, buf_span(&json), NULL);
        CHECK_OK(json_skip(&scanner, &err), &err);
        CHECK_OK(json_end(&scanner, &err), &err);
        buf_release(&json);
    }
}

CHECK_MAIN(CHECK_TEST(parameters__are_read_by_their_kind),
           CHECK_TEST(parameters__of_another_kind_are_refused),
           CHECK_TEST(table__is_whole_and_describes_itself_in_json))

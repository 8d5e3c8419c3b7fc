/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/base/err.h"

#include "tests/check.h"

static void err_format__prints_a_place_an_editor_can_jump_to(void)
{
    struct err err;
    char line[512];
    CHECK(!err_set(&err, ERR_SCHEMA, "semantics index %d, but %d surfaces", 7, 6));
    err_at_line(&err, 1204, 17);
    err_in_feature(&err, "NL.503");
    err_in_source(&err, "delft.city.json");
    err_format(&err, line, sizeof line);
    CHECK_TEXT(line, "delft.city.json:1204:17: schema: semantics index 7, but 6 surfaces "
                     "(feature 'NL.503')");
}

static void err_in__never_replaces_what_the_innermost_said(void)
{
    struct err err;
    err_set_at(&err, ERR_SYNTAX, 28, "no glb");
    err_in_source(&err, "inner");
    err_in_source(&err, "outer");
    err_at_line(&err, 3, 1);
    err_at_line(&err, 9, 9);
    CHECK_TEXT(err.source, "inner");
    CHECK_EQ(err.line, 3);
    CHECK_EQ(err.offset, 28);
}

static void err_set__cuts_between_characters(void)
{
    struct err err;
    char text[400];
    memset(text, 'a', sizeof text);
    for (size_t i = 0; i + 3 < sizeof text; i += 3) {
        memcpy(text + i, "\xe6\xa5\xbc", 3);
    }
    text[sizeof text - 1] = '\0';
    err_set(&err, ERR_IO, "%s", text);
    CHECK(text_is_utf8(text_of(err.message)));
    CHECK(strlen(err.message) > sizeof err.message - 5);
}

static void err_set__may_quote_its_own_old_message(void)
{
    struct err err;
    err_set(&err, ERR_IO, "inner");
    err_set(&err, ERR_IO, "outer: %s", err.message);
    CHECK_TEXT(err.message, "outer: inner");
}

CHECK_MAIN(CHECK_TEST(err_format__prints_a_place_an_editor_can_jump_to),
           CHECK_TEST(err_in__never_replaces_what_the_innermost_said),
           CHECK_TEST(err_set__cuts_between_characters),
           CHECK_TEST(err_set__may_quote_its_own_old_message))

/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/json.h"

#include <dirent.h>

#include "tests/check.h"

static struct json open_text(const char *text)
{
    struct json json;
    json_init(&json, (struct span){(const uint8_t *)text, strlen(text)}, NULL);
    return json;
}

/* The whole of `bytes` is one JSON text. */
static bool is_json(struct span bytes, struct err *err)
{
    struct json json;
    json_init(&json, bytes, NULL);
    return json_skip(&json, err) && json_end(&json, err);
}

/* The same by entering everything, as a reader does. Depth is limited by the
 * scanner, so the recursion is. */
static bool walk(struct json *json, struct err *err)
{
    const enum json_kind kind = json_peek(json);
    bool is_end = false;
    if (kind == JSON_OBJECT) {
        struct json_string key;
        if (!json_enter(json, kind, err)) {
            return false;
        }
        while (json_next_member(json, &key, &is_end, err)) {
            if (is_end) {
                return true;
            }
            if (!walk(json, err)) {
                return false;
            }
        }
        return false;
    }
    if (kind == JSON_ARRAY) {
        if (!json_enter(json, kind, err)) {
            return false;
        }
        while (json_next_element(json, &is_end, err)) {
            if (is_end) {
                return true;
            }
            if (!walk(json, err)) {
                return false;
            }
        }
        return false;
    }
    struct json_string string;
    struct json_number number;
    bool boolean = false;
    switch (kind) {
    case JSON_STRING:
        return json_string(json, &string, err);
    case JSON_NUMBER:
        return json_number(json, &number, err);
    case JSON_TRUE:
    case JSON_FALSE:
        return json_bool(json, &boolean, err);
    default:
        return json_skip(json, err);
    }
}

static bool is_json_walked(struct span bytes, struct err *err)
{
    struct json json;
    json_init(&json, bytes, NULL);
    return walk(&json, err) && json_end(&json, err);
}

static void json__reads_a_small_document(void)
{
    struct json json = open_text("{\"a\": [1, -2.5e1, \"x\\u00e9\"],\n \"b\\n\": {\"c\": true}}");
    struct err err;
    struct json_string key;
    struct json_string string;
    bool is_end = false;
    double real = 0;
    bool boolean = false;
    CHECK_EQ(json_peek(&json), JSON_OBJECT);
    CHECK_OK(json_enter(&json, JSON_OBJECT, &err), &err);
    CHECK_OK(json_next_member(&json, &key, &is_end, &err), &err);
    CHECK(json_string_is(key, "a"));
    CHECK_OK(json_enter(&json, JSON_ARRAY, &err), &err);
    CHECK_OK(json_next_element(&json, &is_end, &err), &err);
    CHECK_OK(json_real(&json, &real, &err), &err);
    CHECK(real == 1);
    CHECK_OK(json_next_element(&json, &is_end, &err), &err);
    CHECK_OK(json_real(&json, &real, &err), &err);
    CHECK(real == -25);
    CHECK_OK(json_next_element(&json, &is_end, &err), &err);
    CHECK_OK(json_string(&json, &string, &err), &err);
    CHECK(json_string_is(string, "x\u00e9"));
    CHECK_OK(json_next_element(&json, &is_end, &err), &err);
    CHECK(is_end);
    CHECK_OK(json_next_member(&json, &key, &is_end, &err), &err);
    CHECK(json_string_is(key, "b\n") && !json_string_is(key, "b"));
    CHECK_EQ(json.line, 2);
    CHECK_OK(json_enter(&json, JSON_OBJECT, &err), &err);
    CHECK_OK(json_next_member(&json, &key, &is_end, &err), &err);
    CHECK_OK(json_bool(&json, &boolean, &err), &err);
    CHECK(boolean);
    CHECK_OK(json_next_member(&json, &key, &is_end, &err), &err);
    CHECK(is_end);
    CHECK_OK(json_next_member(&json, &key, &is_end, &err), &err);
    CHECK(is_end);
    CHECK_EQ(json.depth, 0);
    CHECK_OK(json_end(&json, &err), &err);
}

struct fault {
    const char *text;
    uint32_t line;
    uint32_t column;
    const char *message;
};

static void json_skip__names_the_place_of_every_fault(void)
{
    static const struct fault faults[] = {
        {"", 1, 1, "cut short: the input ends where a value should be"},
        {"[1,\n 2,\n  x]", 3, 3, "expected a value, found 'x'"},
        {"[1 2]", 1, 4, "expected ',' or ']', found '2'"},
        {"{\"a\" 1}", 1, 6, "expected ':', found '1'"},
        {"{a: 1}", 1, 2, "expected the name of a member, found 'a'"},
        {"{\"a\": 1,}", 1, 9, "expected the name of a member, found '}'"},
        {"[1,]", 1, 4, "expected a value, found ']'"},
        {"[01]", 1, 3, "a number with a leading zero"},
        {"[1.]", 1, 4, "expected a digit behind the point, found ']'"},
        {"[1e]", 1, 4, "expected a digit of the exponent, found ']'"},
        {"[-]", 1, 3, "expected a digit, found ']'"},
        {"[NaN]", 1, 2, "'NaN' is not a JSON value"},
        {"[\"a\\x\"]", 1, 4, "an escape that JSON does not have"},
        {"[\"\\ud800\"]", 1, 3, "an escape that JSON does not have"},
        {"[\"\\udc00\"]", 1, 3, "an escape that JSON does not have"},
        {"[\"a\nb\"]", 1, 4, "a control character inside a string"},
        {"[\"a\xff\"]", 1, 4, "a string that is not UTF-8"},
        {"[\"\xed\xa0\x80\"]", 1, 3, "a string that is not UTF-8"},
        {"[\"\xc0\x80\"]", 1, 3, "a string that is not UTF-8"},
        {"[\"abc", 1, 2, "cut short: a string that does not end"},
        {"[[1]", 1, 5, "cut short: the input ends where ',' or ']' should be"},
        {"[1] 2", 1, 5, "expected the end of the input, found '2'"},
        {"[tru]", 1, 2, "expected a value, found 't'"},
    };
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        const struct fault *fault = &faults[i];
        for (int walked = 0; walked < 2; walked++) {
            const struct span copy = check_heap_copy(fault->text, strlen(fault->text));
            struct err err;
            CHECK_FAILS(walked ? is_json_walked(copy, &err) : is_json(copy, &err), &err,
                        ERR_SYNTAX);
            CHECK_TEXT(err.message, fault->message);
            CHECK_EQ(err.line, fault->line);
            CHECK_EQ(err.column, fault->column);
            check_heap_free(copy);
        }
    }
}

static void json_skip__refuses_a_million_levels(void)
{
    enum { LEVELS = 1000000 };
    uint8_t *deep = malloc(LEVELS);
    CHECK(deep != NULL);
    memset(deep, '[', LEVELS);
    struct err err;
    CHECK_FAILS(is_json((struct span){deep, LEVELS}, &err), &err, ERR_LIMIT);
    CHECK_EQ(err.column, JSON_DEPTH_MAX + 1);
    CHECK_FAILS(is_json_walked((struct span){deep, LEVELS}, &err), &err, ERR_LIMIT);
    free(deep);
}

static void json_skip__takes_all_levels_that_are_allowed(void)
{
    uint8_t deep[2 * JSON_DEPTH_MAX];
    memset(deep, '[', JSON_DEPTH_MAX);
    memset(deep + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    struct err err;
    CHECK_OK(is_json((struct span){deep, sizeof deep}, &err), &err);
    CHECK_OK(is_json_walked((struct span){deep, sizeof deep}, &err), &err);
}

static void json_skip__fails_on_every_truncation(void)
{
    static const char whole[] =
        "{\"a\":[1,-2.5e+3,\"x\\u00e9\\ud83d\\ude00\xe5\x9f\x8e\",true,null,{\"b\":{}}]}";
    for (size_t keep = 0; keep < sizeof whole - 1; keep++) {
        const struct span cut = check_heap_copy(whole, keep);
        struct err err;
        CHECK_FAILS(is_json(cut, &err), &err, ERR_SYNTAX);
        CHECK_FAILS(is_json_walked(cut, &err), &err, ERR_SYNTAX);
        check_heap_free(cut);
    }
}

static void json__says_what_it_found_instead(void)
{
    struct json json = open_text("\n [\"x\"]");
    struct err err;
    CHECK_FAILS(json_enter(&json, JSON_OBJECT, &err), &err, ERR_SCHEMA);
    CHECK_TEXT(err.message, "expected an object, found an array");
    CHECK_EQ(err.line, 2);
    CHECK_EQ(err.column, 2);
    CHECK_EQ(err.offset, 2);
    double real = 0;
    json = open_text("1e999");
    CHECK_FAILS(json_real(&json, &real, &err), &err, ERR_SCHEMA);
    CHECK_TEXT(err.message, "'1e999' is too large for a number");
}

static void json_number_integer__holds_all_of_int64(void)
{
    static const struct {
        const char *text;
        bool fits;
        int64_t value;
    } cases[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"123456789012345678", true, 123456789012345678},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"99999999999999999999999", false, 0},
        {"1.0", false, 0},
        {"1e3", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct json json = open_text(cases[i].text);
        struct json_number number;
        struct err err;
        CHECK_OK(json_number(&json, &number, &err), &err);
        int64_t value = 0;
        CHECK_EQ(json_number_integer(number, &value), cases[i].fits);
        CHECK_EQ(value, cases[i].value);
    }
}

static void json_indices__reads_numbers_and_null(void)
{
    static const char text[] = "[0,17,4294967294, null ,\n5,123456789,1234567890]";
    static const uint32_t expected[] = {0, 17, 4294967294U, UINT32_MAX, 5, 123456789, 1234567890};
    struct json json = open_text(text);
    struct buf out;
    struct err err;
    buf_init(&out, 4096);
    CHECK_OK(json_indices(&json, true, &out, &err), &err);
    CHECK_OK(json_end(&json, &err), &err);
    CHECK_EQ(out.size, sizeof expected);
    CHECK(memcmp(out.data, expected, sizeof expected) == 0);
    buf_release(&out);
}

static void json_indices__refuses_what_is_no_index(void)
{
    static const struct {
        const char *text;
        enum err_code code;
        uint32_t column;
    } cases[] = {
        {"[1,-2]", ERR_SCHEMA, 4},
        {"[1,2.5]", ERR_SCHEMA, 4},
        {"[4294967295]", ERR_SCHEMA, 2},
        {"[1,null]", ERR_SCHEMA, 4},
        {"[1,\"a\"]", ERR_SCHEMA, 4},
        {"[[1]]", ERR_SCHEMA, 2},
        {"[1,02]", ERR_SYNTAX, 5},
        {"[1,,2]", ERR_SYNTAX, 4},
        {"[1,2,]           ", ERR_SYNTAX, 6},
        {"[00,1,2,3,4,5,6,7]", ERR_SYNTAX, 3},
        {"7", ERR_SCHEMA, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct json json = open_text(cases[i].text);
        struct buf out;
        struct err err;
        buf_init(&out, 4096);
        CHECK_FAILS(json_indices(&json, false, &out, &err), &err, cases[i].code);
        CHECK_EQ(err.column, cases[i].column);
        buf_release(&out);
    }
}

static void json_indices__stops_at_the_limit_of_its_buffer(void)
{
    struct json json = open_text("[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]");
    struct buf out;
    struct err err;
    buf_init(&out, 16);
    CHECK_FAILS(json_indices(&json, false, &out, &err), &err, ERR_LIMIT);
    buf_release(&out);
}

static void json_string_text__resolves_escapes(void)
{
    struct json json =
        open_text("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u57ce\\ud83c\\udfd9!\"");
    struct json_string string;
    struct text text;
    struct err err;
    struct arena arena;
    arena_init(&arena, 4096);
    CHECK_OK(json_string(&json, &string, &err), &err);
    CHECK_OK(json_string_text(string, &arena, &text, &err), &err);
    CHECK_TEXT_IS(text, "\"\\/\b\f\n\r\tA\u00e9\u57ce\U0001f3d9!");
    arena_release(&arena);
}

static void json_compact__drops_spaces_outside_strings(void)
{
    struct json json = open_text(" { \"a b\" : [ 1 , \"x \\\" \\u57CE\\n\" ,\n null ] } ,");
    struct text text;
    struct err err;
    struct arena arena;
    arena_init(&arena, 4096);
    CHECK_OK(json_compact(&json, &arena, &text, &err), &err);
    CHECK_TEXT_IS(text, "{\"a b\":[1,\"x \\\" \u57ce\\n\",null]}");
    arena_release(&arena);
    json = open_text("[\"abc\"]");
    arena_init(&arena, 3);
    CHECK_FAILS(json_compact(&json, &arena, &text, &err), &err, ERR_LIMIT);
    arena_release(&arena);
}

static struct span load(const char *folder, const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "re");
    CHECK(file != NULL);
    static uint8_t bytes[1 << 20];
    const size_t size = fread(bytes, 1, sizeof bytes, file);
    CHECK(size < sizeof bytes);
    fclose(file);
    return check_heap_copy(bytes, size);
}

/* nst/JSONTestSuite: y_ must parse, n_ must not, i_ may do either, but both of
 * our ways must agree. */
static void json__passes_the_test_suite(void)
{
    if (check_shared_data() == NULL) {
        CHECK_SKIP("no shared data");
    }
    char folder[512];
    snprintf(folder, sizeof folder, "%s/robustness/json-test-suite", check_shared_data());
    DIR *files = opendir(folder);
    CHECK(files != NULL);
    int count = 0;
    for (struct dirent *file = readdir(files); file != NULL; file = readdir(files)) {
        if (strstr(file->d_name, ".json") == NULL) {
            continue;
        }
        const struct span bytes = load(folder, file->d_name);
        struct err err;
        struct err walked;
        const bool ok = is_json(bytes, &err);
        if ((file->d_name[0] == 'y' && !ok) || (file->d_name[0] == 'n' && ok)) {
            fail_msg("%s: %s", file->d_name, ok ? "was accepted" : err.message);
        }
        if (ok != is_json_walked(bytes, &walked)) {
            fail_msg("%s: skipping and walking disagree", file->d_name);
        }
        if (!ok) {
            CHECK_EQ(err.code, walked.code);
            CHECK_EQ(err.offset, walked.offset);
        }
        check_heap_free(bytes);
        count++;
    }
    closedir(files);
    CHECK(count >= 300);
}

/* An escaped NUL is not the end of the word that is asked for. */
static void json_string_is__tells_a_nul_from_the_end(void)
{
    static const char text[] = "[\"a\\u0000b\",\"a\\u0000\",\"\\u0000\",\"a\"]";
    static const char word[] = "a\0b"; /* what stands behind the word must not be looked at */
    struct json json;
    struct json_string string;
    struct err err;
    bool is_end;
    json_init(&json, (struct span){(const uint8_t *)text, sizeof text - 1}, NULL);
    CHECK_OK(json_enter(&json, JSON_ARRAY, &err), &err);
    for (size_t i = 0; i < 4; i++) {
        CHECK_OK(json_next_element(&json, &is_end, &err), &err);
        CHECK_OK(json_string(&json, &string, &err), &err);
        CHECK(json_string_is(string, word) == (i == 3));
        CHECK(!json_string_is(string, ""));
    }
}

CHECK_MAIN(CHECK_TEST(json__reads_a_small_document),
           CHECK_TEST(json_string_is__tells_a_nul_from_the_end),
           CHECK_TEST(json_skip__names_the_place_of_every_fault),
           CHECK_TEST(json_skip__refuses_a_million_levels),
           CHECK_TEST(json_skip__takes_all_levels_that_are_allowed),
           CHECK_TEST(json_skip__fails_on_every_truncation),
           CHECK_TEST(json__says_what_it_found_instead),
           CHECK_TEST(json_number_integer__holds_all_of_int64),
           CHECK_TEST(json_indices__reads_numbers_and_null),
           CHECK_TEST(json_indices__refuses_what_is_no_index),
           CHECK_TEST(json_indices__stops_at_the_limit_of_its_buffer),
           CHECK_TEST(json_string_text__resolves_escapes),
           CHECK_TEST(json_compact__drops_spaces_outside_strings),
           CHECK_TEST(json__passes_the_test_suite))

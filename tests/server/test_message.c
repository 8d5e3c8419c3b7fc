/* SPDX-License-Identifier: Apache-2.0 */
#include "server/message.h"
#include "tests/check.h"

static struct arena memory;

static void open_memory(void)
{
    arena_init(&memory, 1 << 20);
}

/* ---- paths ---- */

static void message_path_read__splits_and_decodes(void)
{
    open_memory();
    struct message_path path;
    struct err err;
    CHECK_OK(message_path_read(text_of("/collections/%E6%B7%B1%e5%9c%b3/3dtiles/tiles/a%20b.glb"),
                               &memory, &path, &err),
             &err);
    CHECK_EQ(path.part_count, 5);
    CHECK_TEXT_IS(path.parts[1], "\xE6\xB7\xB1\xE5\x9C\xB3");
    CHECK_TEXT_IS(path.rests[3], "tiles/a b.glb");
    arena_release(&memory);
}

static void message_path_read__takes_the_root_and_one_trailing_slash(void)
{
    open_memory();
    struct message_path path;
    struct err err;
    CHECK_OK(message_path_read(text_of("/"), &memory, &path, &err), &err);
    CHECK_EQ(path.part_count, 0);
    CHECK_OK(message_path_read(text_of("/collections/"), &memory, &path, &err), &err);
    CHECK_EQ(path.part_count, 1);
    arena_release(&memory);
}

static void message_path_read__refuses_every_way_out(void)
{
    static const char *const paths[] = {
        "",
        "a",
        "//",
        "/a//b",
        "/.",
        "/..",
        "/a/../b",
        "/%2e%2e/a",
        "/%2E./a",
        "/a%2fb",
        "/a%2Fb",
        "/a%5cb",
        "/a\\b",
        "/%00",
        "/a%00.glb",
        "/a%0ab",
        "/a%7f",
        "/%",
        "/%1",
        "/%zz",
        "/%c0%ae%c0%ae",
        "/%ff",
        "/%ed%a0%80",
        "/a/%2e/b",
        "/a\x01"
        "b",
    };
    open_memory();
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct message_path path;
        struct err err;
        const struct span copy = check_heap_copy(paths[i], strlen(paths[i]));
        CHECK_FAILS(message_path_read((struct text){(const char *)copy.data, copy.size}, &memory,
                                      &path, &err),
                    &err, ERR_SYNTAX);
        check_heap_free(copy);
    }
    arena_release(&memory);
}

/* What is decoded once is not decoded again. */
static void message_path_read__leaves_a_double_escape_as_text(void)
{
    open_memory();
    struct message_path path;
    struct err err;
    CHECK_OK(message_path_read(text_of("/%252e%252e"), &memory, &path, &err), &err);
    CHECK_TEXT_IS(path.parts[0], "%2e%2e");
    arena_release(&memory);
}

static void message_path_read__has_limits(void)
{
    open_memory();
    struct message_path path;
    struct err err;
    char large[MESSAGE_PATH_BYTES_MAX + 2];
    memset(large, 'a', sizeof large);
    large[0] = '/';
    CHECK_FAILS(message_path_read((struct text){large, sizeof large}, &memory, &path, &err), &err,
                ERR_LIMIT);
    CHECK_FAILS(
        message_path_read(text_of("/1/2/3/4/5/6/7/8/9/a/b/c/d/e/f/g/h"), &memory, &path, &err),
        &err, ERR_LIMIT);
    memory.fail_after = memory.alloc_count + 1;
    CHECK_FAILS(message_path_read(text_of("/a%20b"), &memory, &path, &err), &err, ERR_NOMEM);
    arena_release(&memory);
}

/* ---- queries ---- */

static void message_query_next__takes_pairs_apart(void)
{
    static const char *const expected[][2] = {
        {"a", "1"}, {"name", "%E6%A5%BC+2%26"}, {"empty", ""}};
    struct text rest = text_of("a=1&&name=%E6%A5%BC+2%26&empty&");
    struct text name;
    struct text value;
    for (size_t i = 0; i < 3; i++) {
        CHECK(message_query_next(&rest, &name, &value));
        CHECK_TEXT_IS(name, expected[i][0]);
        CHECK_TEXT_IS(value, expected[i][1]);
    }
    CHECK(!message_query_next(&rest, &name, &value));
}

static void message_query_decode__gives_text_or_refuses(void)
{
    static const char *const wrong[] = {"%", "%4", "%00", "%ff", "%0a"};
    struct text value;
    struct err err;
    open_memory();
    CHECK_OK(message_query_decode(text_of("%E6%A5%BC+2%26"), &memory, &value, &err), &err);
    CHECK_TEXT_IS(value, "\xE6\xA5\xBC 2&");
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        CHECK_FAILS(message_query_decode(text_of(wrong[i]), &memory, &value, &err), &err,
                    ERR_SYNTAX);
    }
    arena_release(&memory);
}

/* ---- negotiation ---- */

static void message_codings__follows_the_header(void)
{
    enum { ID = 1 << MESSAGE_IDENTITY, GZ = 1 << MESSAGE_GZIP, ZS = 1 << MESSAGE_ZSTD };
    static const struct {
        const char *header;
        unsigned codings;
    } cases[] = {
        {NULL, ID},
        {"", ID},
        {"gzip", ID | GZ},
        {"GZIP, deflate, br, zstd", ID | GZ | ZS},
        {"gzip;q=0", ID},
        {"gzip; q=0.001", ID | GZ},
        {"gzip;q=0.0, zstd;q=1", ID | ZS},
        {"*", ID | GZ | ZS},
        {"*;q=0", 0},
        {"gzip, *;q=0", GZ},
        {"identity;q=0, gzip", GZ},
        {"identity;q=0", 0},
        {"x-gzip", ID | GZ},
        {" , ,gzip ;q=1,", ID | GZ},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CHECK_EQ(message_codings(text_of(cases[i].header)), cases[i].codings);
    }
}

static void message_prefers__tells_browsers_from_scripts(void)
{
    const char *const html = "text/html";
    const char *const json = "application/json";
    CHECK(message_prefers(text_of("text/html,application/xhtml+xml,*/*;q=0.8"), html, json));
    CHECK(!message_prefers(text_of("*/*"), html, json));
    CHECK(!message_prefers(text_of(NULL), html, json));
    CHECK(!message_prefers(text_of("application/json, text/html;q=0.9"), html, json));
    CHECK(message_prefers(text_of("text/*, application/json;q=0.5"), html, json));
    CHECK(!message_prefers(text_of("text/html;q=0"), html, json));
    CHECK(message_prefers(text_of("text/html, application/json"), html, json));
}

/* ---- conditions and ranges ---- */

static void message_etag_is_listed__compares_whole_tags(void)
{
    CHECK(message_etag_is_listed(text_of("\"a\", W/\"b\""), "\"b\""));
    CHECK(message_etag_is_listed(text_of("*"), "\"b\""));
    CHECK(!message_etag_is_listed(text_of("\"bb\""), "\"b\""));
    CHECK(!message_etag_is_listed(text_of("b"), "\"b\""));
    CHECK(!message_etag_is_listed(text_of(NULL), "\"b\""));
}

static void message_range_read__follows_the_table(void)
{
    static const struct {
        const char *header;
        uint64_t size;
        enum message_range_kind kind;
        uint64_t first, last;
    } cases[] = {
        {"bytes=0-9", 100, MESSAGE_RANGE_PART, 0, 9},
        {"bytes=90-", 100, MESSAGE_RANGE_PART, 90, 99},
        {"bytes=-10", 100, MESSAGE_RANGE_PART, 90, 99},
        {"bytes=-1000", 100, MESSAGE_RANGE_PART, 0, 99},
        {"bytes=50-1000", 100, MESSAGE_RANGE_PART, 50, 99},
        {"Bytes= 0-0", 100, MESSAGE_RANGE_PART, 0, 0},
        {"bytes=100-", 100, MESSAGE_RANGE_BEYOND, 0, 0},
        {"bytes=-0", 100, MESSAGE_RANGE_BEYOND, 0, 0},
        {"bytes=0-", 0, MESSAGE_RANGE_BEYOND, 0, 0},
        {"bytes=9-0", 100, MESSAGE_RANGE_NONE, 0, 0},
        {"bytes=0-1,3-4", 100, MESSAGE_RANGE_NONE, 0, 0},
        {"bytes=", 100, MESSAGE_RANGE_NONE, 0, 0},
        {"bytes=-", 100, MESSAGE_RANGE_NONE, 0, 0},
        {"bytes=a-b", 100, MESSAGE_RANGE_NONE, 0, 0},
        {"items=0-9", 100, MESSAGE_RANGE_NONE, 0, 0},
        {"bytes=99999999999999999999-", 100, MESSAGE_RANGE_NONE, 0, 0},
        {NULL, 100, MESSAGE_RANGE_NONE, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t first = 0;
        uint64_t last = 0;
        const enum message_range_kind kind =
            message_range_read(text_of(cases[i].header), cases[i].size, &first, &last);
        CHECK_EQ(kind, cases[i].kind);
        CHECK_EQ(first, cases[i].first);
        CHECK_EQ(last, cases[i].last);
    }
}

static void message_print_part__encodes_what_a_path_may_not_have(void)
{
    struct buf out;
    buf_init(&out, 1000);
    message_print_part(&out, text_of("a b/\xE6\xB7\xB1%.3tz"));
    CHECK_TEXT_IS(((struct text){(const char *)out.data, out.size}), "a%20b%2F%E6%B7%B1%25.3tz");
    buf_release(&out);
}

static void message_media_type__goes_by_the_ending(void)
{
    CHECK_TEXT(message_media_type(text_of("tiles/a.GLB")), "model/gltf-binary");
    CHECK_TEXT(message_media_type(text_of("tileset.json")), "application/json");
    CHECK_TEXT(message_media_type(text_of("a.b3dm")), "application/octet-stream");
    CHECK_TEXT(message_media_type(text_of("")), "application/octet-stream");
}

CHECK_MAIN(CHECK_TEST(message_path_read__splits_and_decodes),
           CHECK_TEST(message_path_read__takes_the_root_and_one_trailing_slash),
           CHECK_TEST(message_path_read__refuses_every_way_out),
           CHECK_TEST(message_path_read__leaves_a_double_escape_as_text),
           CHECK_TEST(message_path_read__has_limits),
           CHECK_TEST(message_query_next__takes_pairs_apart),
           CHECK_TEST(message_query_decode__gives_text_or_refuses),
           CHECK_TEST(message_codings__follows_the_header),
           CHECK_TEST(message_prefers__tells_browsers_from_scripts),
           CHECK_TEST(message_etag_is_listed__compares_whole_tags),
           CHECK_TEST(message_range_read__follows_the_table),
           CHECK_TEST(message_print_part__encodes_what_a_path_may_not_have),
           CHECK_TEST(message_media_type__goes_by_the_ending))

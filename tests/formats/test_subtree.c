/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/subtree.h"

#include "tests/check.h"

enum { LIMIT_BYTES = 1 << 20, JSON_AT = 24 };

/* Two levels of a quadtree: the root and its children 0 and 3; nothing below;
 * contents for the root alone. Views 0 and 1 are a byte each. */
/* clang-format off */
static const char json[] =
    "{\"tileAvailability\":{\"bitstream\":0,\"availableCount\":3},"
    "\"contentAvailability\":[{\"bitstream\":1}],"
    "\"childSubtreeAvailability\":{\"constant\":0},"
    "\"buffers\":[{\"byteLength\":2}],\"bufferViews\":["
    "{\"buffer\":0,\"byteOffset\":0,\"byteLength\":1},"
    "{\"buffer\":0,\"byteOffset\":1,\"byteLength\":1}]}    ";
/* clang-format on */
enum { JSON_BYTES = sizeof json - 1, FILE_BYTES = JSON_AT + JSON_BYTES + 8 };

static void make_file(uint8_t out[FILE_BYTES])
{
    memset(out, 0, FILE_BYTES);
    memcpy(out, "subt\1\0\0\0", 8);
    bytes_store_u64le(out + 8, JSON_BYTES);
    bytes_store_u64le(out + 16, 8);
    memcpy(out + JSON_AT, json, JSON_BYTES);
    out[JSON_AT + JSON_BYTES] = 1 | 1 << 1 | 1 << 4;
    out[JSON_AT + JSON_BYTES + 1] = 1;
}

static bool read_bytes(struct span bytes, uint32_t levels, struct err *err)
{
    struct arena scratch;
    struct subtree subtree;
    arena_init(&scratch, LIMIT_BYTES);
    const bool ok = subtree_read(bytes, false, levels, &scratch, &subtree, err);
    arena_release(&scratch);
    return ok;
}

static void subtree_read__finds_the_bits(void)
{
    uint8_t file[FILE_BYTES];
    struct arena scratch;
    struct subtree subtree;
    struct err err;
    CHECK_EQ(JSON_BYTES % 8, 0);
    make_file(file);
    arena_init(&scratch, LIMIT_BYTES);
    CHECK_OK(subtree_read((struct span){file, FILE_BYTES}, false, 2, &scratch, &subtree, &err),
             &err);
    CHECK_EQ(subtree.tiles.count, 5);
    CHECK_EQ(subtree.tiles.available_count, 3);
    CHECK_EQ(subtree_count_available(&subtree.tiles), 3);
    CHECK(subtree_is_available(&subtree.tiles, 0) && subtree_is_available(&subtree.tiles, 1));
    CHECK(!subtree_is_available(&subtree.tiles, 2) && subtree_is_available(&subtree.tiles, 4));
    CHECK_EQ(subtree.content_count, 1);
    CHECK_EQ(subtree.contents[0].available_count, -1);
    CHECK_EQ(subtree_count_available(&subtree.contents[0]), 1);
    CHECK_EQ(subtree.children.count, 16);
    CHECK_EQ(subtree_count_available(&subtree.children), 0);
    CHECK_EQ(arena_mark(&scratch).used_bytes, 0);
    arena_release(&scratch);
}

static void subtree_read__takes_json_alone(void)
{
    static const char plain[] = "{\"tileAvailability\":{\"constant\":1},"
                                "\"childSubtreeAvailability\":{\"constant\":0}}";
    struct err err;
    CHECK_OK(read_bytes((struct span){(const uint8_t *)plain, sizeof plain - 1}, 3, &err), &err);
}

static void subtree_tile_count__is_a_geometric_sum(void)
{
    CHECK_EQ(subtree_tile_count(false, 1), 1);
    CHECK_EQ(subtree_tile_count(false, 3), 21);
    CHECK_EQ(subtree_tile_count(true, 3), 73);
    CHECK_EQ(subtree_child_count(false, 3), 64);
    CHECK_EQ(subtree_child_count(true, 2), 64);
}

static void subtree_read__fails_on_every_truncation(void)
{
    uint8_t file[FILE_BYTES];
    make_file(file);
    for (size_t keep = 0; keep < FILE_BYTES; keep++) {
        const struct span cut = check_heap_copy(file, keep);
        struct err err;
        CHECK_FAILS(read_bytes(cut, 2, &err), &err, ERR_SYNTAX);
        check_heap_free(cut);
    }
}

static void subtree_read__survives_every_failing_allocation(void)
{
    uint8_t file[FILE_BYTES];
    make_file(file);
    size_t fail_after = 1;
    for (bool ok = false; !ok; fail_after++) {
        struct arena scratch;
        struct subtree subtree;
        struct err err;
        arena_init(&scratch, LIMIT_BYTES);
        scratch.fail_after = fail_after;
        ok = subtree_read((struct span){file, FILE_BYTES}, false, 2, &scratch, &subtree, &err);
        CHECK(ok || err.code == ERR_NOMEM);
        arena_release(&scratch);
    }
    CHECK(fail_after > 5);
}

static void subtree_read__points_at_the_header_field(void)
{
    static const struct {
        size_t at;
        uint8_t value;
        enum err_code code;
        uint64_t offset;
    } cases[] = {{0, 'x', ERR_SYNTAX, 0},
                 {4, 2, ERR_UNSUPPORTED, 4},
                 {15, 1, ERR_SYNTAX, 8},
                 {16, 16, ERR_SYNTAX, 16},
                 {8, (JSON_BYTES & 0xff) | 1, ERR_SYNTAX, 16}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t file[FILE_BYTES];
        struct err err;
        make_file(file);
        file[cases[i].at] = cases[i].value;
        CHECK_FAILS(read_bytes((struct span){file, FILE_BYTES}, 2, &err), &err, cases[i].code);
        CHECK_EQ(err.offset, cases[i].offset);
    }
}

/* The JSON with as many bytes changed, and where the error points in it. */
static void subtree_read__points_at_what_breaks_a_rule(void)
{
    static const struct {
        const char *from, *to, *place;
        enum err_code code;
    } cases[] = {
        {"tileAvailability", "tileAvailabilitz", "{\"tile", ERR_SCHEMA},
        {"\"bitstream\":0", "\"bitztream\":0", "{\"bitztream\":0", ERR_SCHEMA},
        {"\"bitstream\":0", "\"bitstream\":7", "7,", ERR_SCHEMA},
        {"\"constant\":0", "\"constant\":2", "2}", ERR_SCHEMA},
        {"[{\"bitstream\":1}]", " {\"bitstream\":1} ", "{\"bitstream\":1}", ERR_SCHEMA},
        {"\"availableCount\":3", "\"availableCount\":\"", NULL, ERR_SYNTAX},
        {"\"byteLength\":2", "\"byteLength\":9", "{\"buffer\":0,\"byteOffset\":0", ERR_SCHEMA},
        {"\"byteOffset\":1", "\"byteOffset\":2", "{\"buffer\":0,\"byteOffset\":2", ERR_SCHEMA},
        {"\"buffer\":0,\"byteOffset\":0", "\"buffer\":3,\"byteOffset\":0", "{\"buffer\":3",
         ERR_SCHEMA},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t file[FILE_BYTES + 1];
        struct err err;
        make_file(file);
        file[FILE_BYTES] = 0;
        char *at = strstr((char *)file + JSON_AT, cases[i].from);
        CHECK(at != NULL);
        memcpy(at, cases[i].to, strlen(cases[i].to));
        CHECK_FAILS(read_bytes((struct span){file, FILE_BYTES}, 2, &err), &err, cases[i].code);
        if (cases[i].place != NULL) {
            const char *place = strstr((char *)file + JSON_AT, cases[i].place);
            CHECK_EQ(err.offset, place - (char *)file);
        }
    }
    struct err err;
    uint8_t file[FILE_BYTES];
    make_file(file);
    CHECK_FAILS(read_bytes((struct span){file, FILE_BYTES}, 4, &err), &err, ERR_SCHEMA);
    CHECK_FAILS(read_bytes((struct span){file, FILE_BYTES}, 0, &err), &err, ERR_LIMIT);
    CHECK_FAILS(read_bytes((struct span){file, FILE_BYTES}, 13, &err), &err, ERR_LIMIT);
}

CHECK_MAIN(CHECK_TEST(subtree_read__finds_the_bits), CHECK_TEST(subtree_read__takes_json_alone),
           CHECK_TEST(subtree_tile_count__is_a_geometric_sum),
           CHECK_TEST(subtree_read__fails_on_every_truncation),
           CHECK_TEST(subtree_read__survives_every_failing_allocation),
           CHECK_TEST(subtree_read__points_at_the_header_field),
           CHECK_TEST(subtree_read__points_at_what_breaks_a_rule))

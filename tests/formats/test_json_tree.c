/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/json_tree.h"
#include "tests/check.h"

static const char sample[] = "{\"a\": [1, 2.5, \"\\u4e2d\", null, {}],"
                             " \"b\": {\"c\": true, \"c\": false}, \"a\": [7]}";

static struct span span_of(const char *text)
{
    return (struct span){(const uint8_t *)text, strlen(text)};
}

static void json_tree_read__keeps_structure_and_places(void)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    const struct json_tree *root;
    struct err err;
    CHECK_OK(json_tree_read(span_of(sample), &arena, &root, &err), &err);
    CHECK_EQ(root->kind, JSON_OBJECT);
    CHECK_EQ(root->child_count, 3);
    const struct json_tree *first = &root->children[0];
    CHECK_TEXT_IS(first->key, "a");
    CHECK_EQ(first->child_count, 5);
    CHECK_EQ(first->offset, 6);
    CHECK_NEAR(json_tree_element(first, 1)->number, 2.5, 0, "");
    CHECK_TEXT_IS(json_tree_element(first, 1)->text, "2.5");
    CHECK_TEXT_IS(json_tree_element(first, 2)->text, "中");
    CHECK(json_tree_is(json_tree_element(first, 3), JSON_NULL));
    CHECK(json_tree_is(json_tree_element(first, 4), JSON_OBJECT));
    CHECK(json_tree_element(first, 5) == NULL);
    arena_release(&arena);
}

static void json_tree_find__takes_the_last_of_equal_names(void)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    const struct json_tree *root;
    struct err err;
    CHECK_OK(json_tree_read(span_of(sample), &arena, &root, &err), &err);
    CHECK_EQ(json_tree_find(root, "a")->child_count, 1);
    CHECK(json_tree_is(json_tree_find(json_tree_find(root, "b"), "c"), JSON_FALSE));
    CHECK(json_tree_find(root, "z") == NULL);
    CHECK(json_tree_find(NULL, "z") == NULL);
    CHECK(json_tree_find(json_tree_find(root, "a"), "z") == NULL);
    arena_release(&arena);
}

static void json_tree_index__is_a_whole_number_of_32_bits(void)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    const struct json_tree *root;
    struct err err;
    CHECK_OK(json_tree_read(span_of("[0, 4294967294, 3.0, 4294967295, -1, 0.5, \"1\"]"), &arena,
                            &root, &err),
             &err);
    const uint32_t expected[] = {0, 4294967294, 3};
    uint32_t index;
    for (size_t i = 0; i < 7; i++) {
        CHECK_EQ(json_tree_index(json_tree_element(root, i), &index), i < 3);
        CHECK(i >= 3 || index == expected[i]);
    }
    CHECK(!json_tree_index(NULL, &index));
    arena_release(&arena);
}

static void json_tree_read__refuses_what_is_not_one_value(void)
{
    static const char *const broken[] = {"", "{", "[1,]", "1 2", "{\"a\":}", "[1e999]", "nul"};
    struct arena arena;
    arena_init(&arena, 1 << 20);
    const struct json_tree *root = NULL;
    struct err err;
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        CHECK(!json_tree_read(span_of(broken[i]), &arena, &root, &err));
        CHECK_EQ(err.line, 1);
        CHECK(root == NULL);
    }
    arena_release(&arena);
}

static void json_tree_read__refuses_depth_without_recursion(void)
{
    static char deep[100000];
    memset(deep, '[', sizeof deep);
    struct arena arena;
    arena_init(&arena, 1 << 24);
    const struct json_tree *root;
    struct err err;
    CHECK_FAILS(
        json_tree_read((struct span){(const uint8_t *)deep, sizeof deep}, &arena, &root, &err),
        &err, ERR_LIMIT);
    arena_release(&arena);
}

static void json_tree_read__fails_on_every_truncation(void)
{
    for (size_t keep = 0; keep < sizeof sample - 1; keep++) {
        struct span cut = check_heap_copy(sample, keep);
        struct arena arena;
        arena_init(&arena, 1 << 20);
        const struct json_tree *root;
        struct err err;
        CHECK_FAILS(json_tree_read(cut, &arena, &root, &err), &err, ERR_SYNTAX);
        arena_release(&arena);
        check_heap_free(cut);
    }
}

static void json_tree_read__survives_every_allocation_failing(void)
{
    bool ok = false;
    for (size_t n = 1; !ok; n++) {
        struct arena arena;
        arena_init(&arena, 1 << 20);
        arena.fail_after = n;
        const struct json_tree *root;
        struct err err;
        ok = json_tree_read(span_of(sample), &arena, &root, &err);
        CHECK(ok || err.code == ERR_NOMEM);
        arena_release(&arena);
    }
}

CHECK_MAIN(CHECK_TEST(json_tree_read__keeps_structure_and_places),
           CHECK_TEST(json_tree_find__takes_the_last_of_equal_names),
           CHECK_TEST(json_tree_index__is_a_whole_number_of_32_bits),
           CHECK_TEST(json_tree_read__refuses_what_is_not_one_value),
           CHECK_TEST(json_tree_read__refuses_depth_without_recursion),
           CHECK_TEST(json_tree_read__fails_on_every_truncation),
           CHECK_TEST(json_tree_read__survives_every_allocation_failing))

/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/group.h"

#include "tests/check.h"

static const struct group_member three[] = {
    {{"house-7", 7}, false}, {{"group-0123456789", 16}, true}, {{"\xe6\xa5\xbc", 3}, false}};

static struct text name_of(const struct group_member *members, size_t count, char *out)
{
    struct arena scratch;
    struct err err;
    arena_init(&scratch, 1 << 16);
    CHECK_OK(group_name(members, count, &scratch, out, &err), &err);
    CHECK_EQ(scratch.used_bytes, 0);
    arena_release(&scratch);
    return (struct text){out, GROUP_ID_BYTES};
}

static void group_name__depends_on_who_is_in_it_and_not_on_their_order(void)
{
    const struct group_member turned[] = {three[2], three[0], three[1]};
    const struct group_member split[] = {{{"house-", 6}, false}, {{"7", 1}, false}};
    const struct group_member joined[] = {{{"house", 5}, false}, {{"-7", 2}, false}};
    char one[GROUP_ID_BYTES];
    char two[GROUP_ID_BYTES];
    CHECK(text_equals(name_of(three, 3, one), name_of(turned, 3, two)));
    CHECK(!text_equals(name_of(three, 2, one), name_of(turned, 3, two)));
    CHECK(!text_equals(name_of(split, 2, one), name_of(joined, 2, two)));
    CHECK(memcmp(one, "group-", 6) == 0);
}

static void write_two(struct buf *out)
{
    const struct group first = {.id = {"group-a", 7},
                                .class_name = {"Building", 8},
                                .feature_count = 40,
                                .members = three,
                                .member_count = 3};
    const struct group second = {.id = {"group-bb", 8},
                                 .class_name = {"Road", 4},
                                 .feature_count = 2,
                                 .members = three + 1,
                                 .member_count = 2};
    buf_init(out, 4096);
    group_write(&first, out);
    group_write(&second, out);
    CHECK_EQ(out->size % 8, 0);
}

static void group_read__gives_back_what_was_written(void)
{
    struct buf bytes;
    struct arena arena;
    struct err err;
    struct group group;
    size_t at = 0;
    write_two(&bytes);
    arena_init(&arena, 1 << 16);
    CHECK_OK(group_read(buf_span(&bytes), &at, &arena, &group, &err), &err);
    CHECK_TEXT_IS(group.id, "group-a");
    CHECK_TEXT_IS(group.class_name, "Building");
    CHECK_EQ(group.feature_count, 40);
    CHECK_EQ(group.member_count, 3);
    for (size_t i = 0; i < 3; i++) {
        CHECK(text_equals(group.members[i].id, three[i].id));
        CHECK_EQ(group.members[i].is_group, three[i].is_group);
    }
    CHECK_OK(group_read(buf_span(&bytes), &at, &arena, &group, &err), &err);
    CHECK_TEXT_IS(group.id, "group-bb");
    CHECK_EQ(group.member_count, 2);
    CHECK_EQ(at, bytes.size);
    arena_release(&arena);
    buf_release(&bytes);
}

static void group_read__fails_on_every_truncation(void)
{
    struct buf bytes;
    write_two(&bytes);
    for (size_t keep = 0; keep < bytes.size; keep++) {
        struct span cut = check_heap_copy(bytes.data, keep);
        struct arena arena;
        struct err err;
        struct group group;
        size_t at = 0;
        arena_init(&arena, 1 << 16);
        /* Padding behind the last text may be missing. */
        bool ok = true;
        for (int i = 0; i < 2 && ok; i++) {
            ok = group_read(cut, &at, &arena, &group, &err);
        }
        CHECK(!ok || keep + 8 > bytes.size);
        if (!ok) {
            CHECK_EQ(err.code, ERR_IO);
        }
        arena_release(&arena);
        check_heap_free(cut);
    }
    buf_release(&bytes);
}

static void group_read__and_name_survive_every_failed_allocation(void)
{
    struct buf bytes;
    write_two(&bytes);
    for (size_t fail = 1; fail < 10; fail++) {
        struct arena arena;
        struct err err;
        struct group group;
        char name[GROUP_ID_BYTES];
        size_t at = 0;
        arena_init(&arena, 1 << 16);
        arena.fail_after = fail;
        if (!group_read(buf_span(&bytes), &at, &arena, &group, &err) ||
            !group_name(three, 3, &arena, name, &err)) {
            CHECK_EQ(err.code, ERR_NOMEM);
        }
        arena_release(&arena);
    }
    buf_release(&bytes);
}

CHECK_MAIN(CHECK_TEST(group_name__depends_on_who_is_in_it_and_not_on_their_order),
           CHECK_TEST(group_read__gives_back_what_was_written),
           CHECK_TEST(group_read__fails_on_every_truncation),
           CHECK_TEST(group_read__and_name_survive_every_failed_allocation))

/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/base/arena.h"

#include "tests/check.h"

static void arena_alloc__gives_zeroed_aligned_memory(void)
{
    struct arena run;
    arena_init(&run, 1 << 20);
    arena_array(&run, char, 3);
    double *numbers = arena_array(&run, double, 100);
    CHECK(numbers != NULL);
    CHECK_EQ((uintptr_t)numbers % _Alignof(double), 0);
    for (int i = 0; i < 100; i++) {
        CHECK(numbers[i] == 0);
    }
    arena_release(&run);
}

static void arena_alloc__refuses_to_pass_the_limit(void)
{
    struct arena run;
    struct err err;
    arena_init(&run, 1000);
    CHECK(arena_array(&run, char, 1000) != NULL);
    CHECK(arena_array(&run, char, 1) == NULL);
    CHECK_FAILS(arena_full(&run, &err), &err, ERR_LIMIT);
    CHECK(arena_array(&run, int64_t, SIZE_MAX / 4) == NULL);
    arena_release(&run);
}

static void arena_reset__gives_back_what_came_after_the_mark(void)
{
    struct arena run;
    arena_init(&run, 64 << 20);
    int *kept = arena_array(&run, int, 10);
    kept[9] = 42;
    for (int round = 0; round < 3; round++) {
        const struct arena_mark mark = arena_mark(&run);
        for (int i = 0; i < 200; i++) {
            memset(arena_array(&run, char, 9999), 0xAA, 9999);
        }
        arena_reset(&run, mark);
        CHECK_EQ(run.used_bytes, 10 * sizeof(int));
    }
    CHECK_EQ(kept[9], 42);
    int *zero = arena_array(&run, int, 100);
    CHECK_EQ(zero[99], 0);
    arena_release(&run);
}

static void arena_fail_after__fails_the_chosen_allocation(void)
{
    struct arena run;
    struct err err;
    arena_init(&run, 1000);
    run.fail_after = 2;
    CHECK(arena_array(&run, char, 1) != NULL);
    CHECK(arena_array(&run, char, 1) == NULL);
    CHECK_FAILS(arena_full(&run, &err), &err, ERR_NOMEM);
    arena_release(&run);
}

static void arena_print__holds_the_whole_text(void)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    CHECK_TEXT(arena_print(&arena, "%s:%d", "EPSG", 4547), "EPSG:4547");
    char *text = arena_print(&arena, "%5000d", 7);
    CHECK_EQ(strlen(text), 5000);
    arena_release(&arena);
}

CHECK_MAIN(CHECK_TEST(arena_alloc__gives_zeroed_aligned_memory),
           CHECK_TEST(arena_alloc__refuses_to_pass_the_limit),
           CHECK_TEST(arena_reset__gives_back_what_came_after_the_mark),
           CHECK_TEST(arena_fail_after__fails_the_chosen_allocation),
           CHECK_TEST(arena_print__holds_the_whole_text))

/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/spill.h"

#include "tests/check.h"

struct record {
    uint64_t index;
    uint32_t value;
};

enum { COUNT = 30000, MEMORY_BYTES = 1 << 24 };

static void add_all(struct spill *spill)
{
    struct err err;
    for (uint64_t i = 0; i < COUNT; i++) {
        const struct record record = {i, (uint32_t)(i * 7)};
        CHECK_OK(spill_add(spill, &record, &err), &err);
    }
}

static void check_all(struct spill *spill, uint32_t factor)
{
    struct err err;
    CHECK_EQ(spill->count, COUNT);
    for (uint64_t i = 0; i < COUNT; i++) {
        const uint64_t index = i * 7919 % COUNT;
        const void *found = NULL;
        CHECK_OK(spill_read(spill, index, &found, &err), &err);
        const struct record *record = found;
        CHECK_EQ(record->index, index);
        CHECK_EQ(record->value, (uint32_t)(index * factor));
    }
}

/* 30 000 records of 16 bytes are 15 blocks: 2 slots must go to the file. */
static void spill__gives_back_what_was_added(void)
{
    for (size_t slots = 1; slots <= 32; slots *= 2) {
        struct arena arena;
        struct spill spill;
        arena_init(&arena, MEMORY_BYTES);
        spill_init(&spill, sizeof(struct record), slots, &arena, "/tmp");
        add_all(&spill);
        check_all(&spill, 7);
        CHECK_EQ(spill.fd >= 0, slots < 15);
        CHECK(arena.used_bytes <= slots * SPILL_BLOCK_BYTES);
        spill_release(&spill);
        arena_release(&arena);
    }
}

static void spill_change__is_kept(void)
{
    struct arena arena;
    struct spill spill;
    struct err err;
    arena_init(&arena, MEMORY_BYTES);
    spill_init(&spill, sizeof(struct record), 2, &arena, "/tmp");
    add_all(&spill);
    for (uint64_t i = 0; i < COUNT; i++) {
        const uint64_t index = i * 7919 % COUNT;
        void *found = NULL;
        CHECK_OK(spill_change(&spill, index, &found, &err), &err);
        ((struct record *)found)->value = (uint32_t)(index * 11);
    }
    check_all(&spill, 11);
    spill_reset(&spill);
    CHECK_EQ(spill.count, 0);
    add_all(&spill);
    check_all(&spill, 7);
    spill_release(&spill);
    arena_release(&arena);
}

static void spill__fails_where_it_cannot_write(void)
{
    struct arena arena;
    struct spill spill;
    struct err err;
    const struct record record = {0};
    arena_init(&arena, MEMORY_BYTES);
    spill_init(&spill, sizeof record, 1, &arena, "/nowhere/at/all");
    for (size_t i = 0; i < SPILL_BLOCK_BYTES / sizeof record; i++) {
        CHECK_OK(spill_add(&spill, &record, &err), &err);
    }
    CHECK_FAILS(spill_add(&spill, &record, &err), &err, ERR_IO);
    spill_release(&spill);
    arena_release(&arena);

    arena_init(&arena, SPILL_BLOCK_BYTES - 1);
    spill_init(&spill, sizeof record, 1, &arena, "/tmp");
    CHECK_FAILS(spill_add(&spill, &record, &err), &err, ERR_LIMIT);
    spill_release(&spill);
    arena_release(&arena);
}

CHECK_MAIN(CHECK_TEST(spill__gives_back_what_was_added), CHECK_TEST(spill_change__is_kept),
           CHECK_TEST(spill__fails_where_it_cannot_write))

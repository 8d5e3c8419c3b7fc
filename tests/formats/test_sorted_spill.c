/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/sorted_spill.h"

#include "tests/check.h"

struct record {
    uint64_t key;
    uint64_t order;
    uint64_t unused[62]; /* large, so that little data makes several runs */
};

enum { MEMORY_BYTES = 1 << 22 };

/* Keys that repeat, in no order. */
static uint64_t key_of(uint64_t index)
{
    return (index * UINT64_C(2654435761) >> 7) % 30011;
}

static void fill_and_check(uint64_t count)
{
    struct arena source;
    struct sorted_spill *spill = NULL;
    struct err err;
    arena_init(&source, MEMORY_BYTES);
    CHECK_OK(sorted_spill_open(sizeof(struct record), &source, "/tmp", 0, &spill, &err), &err);
    for (uint64_t i = 0; i < count; i++) {
        const struct record record = {.key = key_of(i), .order = i};
        CHECK_OK(sorted_spill_add(spill, &record, &err), &err);
    }
    CHECK_OK(sorted_spill_finish(spill, &err), &err);
    CHECK_EQ(sorted_spill_count(spill), count);
    struct record last = {0};
    for (uint64_t i = 0; i < count; i++) {
        struct record record;
        CHECK_OK(sorted_spill_read(spill, i, &record, &err), &err);
        CHECK(record.key == key_of(record.order));
        CHECK(i == 0 || record.key > last.key ||
              (record.key == last.key && record.order > last.order));
        last = record;
    }
    for (uint64_t key = 0; key < 30020; key += 7) {
        uint64_t index = 0;
        struct record record;
        CHECK_OK(sorted_spill_find(spill, key, &index, &err), &err);
        if (index < count) {
            CHECK_OK(sorted_spill_read(spill, index, &record, &err), &err);
            CHECK(record.key >= key);
        }
        if (index > 0) {
            CHECK_OK(sorted_spill_read(spill, index - 1, &record, &err), &err);
            CHECK(record.key < key);
        }
    }
    sorted_spill_close(spill);
    arena_release(&source);
}

static void sorted_spill__sorts_what_fits_in_memory(void)
{
    fill_and_check(0);
    fill_and_check(1);
    fill_and_check(2);
    fill_and_check(1000);
    fill_and_check(4097);
}

static void sorted_spill__merges_runs(void)
{
    /* 48 MiB a run */
    fill_and_check(SORTED_SPILL_RUN_BYTES / sizeof(struct record));
    fill_and_check(SORTED_SPILL_RUN_BYTES / sizeof(struct record) + 77);
}

static void sorted_spill__fails_when_memory_does(void)
{
    for (size_t i = 1; i < 4; i++) {
        struct arena source;
        struct sorted_spill *spill = NULL;
        struct err err;
        arena_init(&source, MEMORY_BYTES);
        CHECK_OK(sorted_spill_open(sizeof(struct record), &source, "/tmp", i, &spill, &err), &err);
        bool ok = true;
        for (uint64_t k = 0; ok && k < 200; k++) {
            const struct record record = {.key = key_of(k), .order = k};
            ok = sorted_spill_add(spill, &record, &err);
        }
        ok = ok && sorted_spill_finish(spill, &err);
        CHECK(!ok);
        CHECK_EQ(err.code, ERR_NOMEM);
        sorted_spill_close(spill);
        arena_release(&source);
    }
}

CHECK_MAIN(CHECK_TEST(sorted_spill__sorts_what_fits_in_memory),
           CHECK_TEST(sorted_spill__merges_runs), CHECK_TEST(sorted_spill__fails_when_memory_does))

/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/spool.h"

#include "tests/check.h"

static void spool_read__gives_back_what_was_appended(void)
{
    struct arena run;
    struct spool *spool;
    struct err err;
    arena_init(&run, 1 << 24);
    CHECK_OK(spool_open(".", "test spool", &run, &spool, &err), &err);
    enum { COUNT = 200 };
    uint64_t offsets[COUNT];
    uint8_t bytes[COUNT];
    for (int i = 0; i < COUNT; i++) {
        memset(bytes, i, sizeof bytes);
        CHECK_OK(spool_append(spool, (struct span){bytes, (size_t)i}, &offsets[i], &err), &err);
        CHECK_EQ(offsets[i] % 8, 0);
    }
    CHECK_OK(spool_flush(spool, &err), &err);
    for (int i = COUNT - 1; i >= 0; i--) {
        struct span found;
        CHECK_OK(spool_read(spool, offsets[i], &run, &found, &err), &err);
        CHECK_EQ(found.size, i);
        CHECK_EQ((uintptr_t)found.data % 8, 0);
        for (int k = 0; k < i; k++) {
            CHECK_EQ(found.data[k], i);
        }
    }
    CHECK_EQ(spool_after(offsets[9], 9), offsets[10]);
    spool_close(spool);
    arena_release(&run);
}

static void spool_read__notices_what_is_no_record(void)
{
    struct arena run;
    struct spool *spool;
    struct err err;
    struct span found;
    uint64_t offset;
    arena_init(&run, 1 << 20);
    CHECK_OK(spool_open(".", "test spool", &run, &spool, &err), &err);
    const uint8_t bytes[64] = {1, 2, 3};
    CHECK_OK(spool_append(spool, (struct span){bytes, sizeof bytes}, &offset, &err), &err);
    CHECK_OK(spool_flush(spool, &err), &err);
    CHECK_FAILS(spool_read(spool, offset + 8, &run, &found, &err), &err, ERR_IO);
    CHECK_FAILS(spool_read(spool, 1000, &run, &found, &err), &err, ERR_IO);
    spool_close(spool);
    arena_release(&run);
}

static void spool_open__says_which_folder_it_cannot_use(void)
{
    struct arena run;
    struct spool *spool;
    struct err err;
    arena_init(&run, 1 << 20);
    CHECK_FAILS(spool_open("/no/such/folder", "test spool", &run, &spool, &err), &err, ERR_IO);
    CHECK(strstr(err.message, "/no/such/folder") != NULL);
    arena_release(&run);
}

CHECK_MAIN(CHECK_TEST(spool_read__gives_back_what_was_appended),
           CHECK_TEST(spool_read__notices_what_is_no_record),
           CHECK_TEST(spool_open__says_which_folder_it_cannot_use))

/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/b3dm.h"
#include "tests/check.h"

/* A whole tile, small enough to check by eye: 28 of header, 20 of feature
 * table, no batch table, a 12-byte glb (its header only), 4 of padding. */
/* clang-format off */
static const uint8_t sample[64] =
    "b3dm\1\0\0\0\x40\0\0\0\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
    "{\"BATCH_LENGTH\":0}  "
    "glTF\2\0\0\0\x0c\0\0\0";
/* clang-format on */

static void b3dm_read__drops_the_padding_after_the_glb(void)
{
    struct b3dm tile;
    struct err err;
    CHECK_OK(b3dm_read((struct span){sample, sizeof sample}, &tile, &err), &err);
    CHECK_EQ(tile.part[B3DM_FEATURE_JSON].size, 20);
    CHECK_EQ(tile.part[B3DM_BATCH_JSON].size, 0);
    CHECK_EQ(tile.part[B3DM_GLB].size, 12);
    CHECK(tile.part[B3DM_GLB].data == sample + 48);
}

static void b3dm_read__points_at_the_size_that_overruns(void)
{
    uint8_t broken[sizeof sample];
    memcpy(broken, sample, sizeof sample);
    bytes_store_u32le(broken + 20, UINT32_MAX);

    struct b3dm tile;
    struct err err;
    CHECK_FAILS(b3dm_read((struct span){broken, sizeof broken}, &tile, &err), &err, ERR_SYNTAX);
    CHECK_EQ(err.offset, 20);
}

/* Heap copies of the exact size, so that asan sees a read past the end. */
static void b3dm_read__fails_on_every_truncation(void)
{
    for (size_t keep = 0; keep < sizeof sample; keep++) {
        struct span cut = check_heap_copy(sample, keep);
        struct b3dm tile;
        struct err err;
        CHECK_FAILS(b3dm_read(cut, &tile, &err), &err, ERR_SYNTAX);
        check_heap_free(cut);
    }
}

CHECK_MAIN(CHECK_TEST(b3dm_read__drops_the_padding_after_the_glb),
           CHECK_TEST(b3dm_read__points_at_the_size_that_overruns),
           CHECK_TEST(b3dm_read__fails_on_every_truncation))

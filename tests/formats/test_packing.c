/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/packing.h"

#include "tests/check.h"

static const enum packing_method methods[] = {PACKING_STORED, PACKING_DEFLATE, PACKING_ZSTD};

static void fill(struct buf *out, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        buf_add_byte(out, (uint8_t)(i / 7 * i >> 5));
    }
}

static void packing_expand__gives_back_what_was_packed(void)
{
    static const size_t sizes[] = {0, 1, 1000, 300000};
    struct buf plain, packed, expanded;
    struct err err;
    for (size_t s = 0; s < 4; s++) {
        buf_init(&plain, 1 << 20);
        fill(&plain, sizes[s]);
        for (size_t m = 0; m < 3; m++) {
            buf_init(&packed, 1 << 20);
            buf_init(&expanded, 1 << 20);
            CHECK_OK(packing_pack(methods[m], buf_span(&plain), &packed, &err), &err);
            CHECK_OK(packing_expand(methods[m], buf_span(&packed), plain.size, &expanded, &err),
                     &err);
            CHECK_EQ(expanded.size, plain.size);
            CHECK(plain.size == 0 || memcmp(expanded.data, plain.data, plain.size) == 0);
            /* one byte more or less than it holds is refused */
            CHECK_FAILS(
                packing_expand(methods[m], buf_span(&packed), plain.size + 1, &expanded, &err),
                &err, ERR_SYNTAX);
            if (plain.size > 0) {
                CHECK_FAILS(
                    packing_expand(methods[m], buf_span(&packed), plain.size - 1, &expanded, &err),
                    &err, ERR_SYNTAX);
            }
            CHECK_EQ(expanded.size, plain.size);
            buf_release(&packed);
            buf_release(&expanded);
        }
        buf_release(&plain);
    }
}

static void packing_expand__fails_on_every_truncation(void)
{
    struct buf plain, packed, expanded;
    struct err err;
    buf_init(&plain, 1 << 20);
    fill(&plain, 2000);
    for (size_t m = 0; m < 3; m++) {
        buf_init(&packed, 1 << 20);
        buf_init(&expanded, 1 << 20);
        CHECK_OK(packing_pack(methods[m], buf_span(&plain), &packed, &err), &err);
        for (size_t keep = 0; keep < packed.size; keep++) {
            struct span cut = check_heap_copy(packed.data, keep);
            CHECK_FAILS(packing_expand(methods[m], cut, plain.size, &expanded, &err), &err,
                        ERR_SYNTAX);
            check_heap_free(cut);
        }
        buf_release(&packed);
        buf_release(&expanded);
    }
    buf_release(&plain);
}

static void packing_expand__refuses_bombs_before_allocating(void)
{
    struct buf expanded;
    struct err err;
    buf_init(&expanded, SIZE_MAX / 2);
    const uint8_t little[100] = {0};
    CHECK_FAILS(packing_expand(PACKING_ZSTD, (struct span){little, 100}, (uint64_t)1 << 40,
                               &expanded, &err),
                &err, ERR_LIMIT);
    CHECK_EQ(expanded.room, 0);
    buf_release(&expanded);
    buf_init(&expanded, 1000);
    CHECK_FAILS(packing_expand(PACKING_DEFLATE, (struct span){little, 100}, 1001, &expanded, &err),
                &err, ERR_LIMIT);
    buf_release(&expanded);
}

static void packing_crc32__is_the_one_of_zip(void)
{
    const struct span check = {(const uint8_t *)"123456789", 9};
    CHECK_EQ(packing_crc32(0, check), 0xCBF43926);
    CHECK_EQ(packing_crc32(packing_crc32(0, (struct span){check.data, 4}),
                           (struct span){check.data + 4, 5}),
             0xCBF43926);
}

static void packing_pack__reports_a_full_buffer(void)
{
    struct buf plain, packed;
    struct err err;
    buf_init(&plain, 1 << 20);
    fill(&plain, 2000);
    for (size_t m = 0; m < 3; m++) {
        buf_init(&packed, 10);
        CHECK_FAILS(packing_pack(methods[m], buf_span(&plain), &packed, &err), &err, ERR_LIMIT);
        buf_release(&packed);
    }
    buf_release(&plain);
}

CHECK_MAIN(CHECK_TEST(packing_expand__gives_back_what_was_packed),
           CHECK_TEST(packing_expand__fails_on_every_truncation),
           CHECK_TEST(packing_expand__refuses_bombs_before_allocating),
           CHECK_TEST(packing_crc32__is_the_one_of_zip),
           CHECK_TEST(packing_pack__reports_a_full_buffer))

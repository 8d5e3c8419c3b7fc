/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/inflate.h"

#include <fcntl.h>
#include <unistd.h>

#include "formats/base/io.h"
#include "tests/check.h"

/* printf 'storey storey storey storey\n' | gzip -9n; CRC-32 by Python's zlib */
static const uint8_t sample[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0x2b,
                                 0x2e, 0xc9, 0x2f, 0x4a, 0xad, 0x54, 0x28, 0xc6, 0x42, 0x71, 0x01,
                                 0x00, 0x23, 0x96, 0x18, 0xbd, 0x1c, 0x00, 0x00, 0x00};
static const char sample_text[] = "storey storey storey storey\n";
enum { SAMPLE_CRC = (int)0xbd189623, GZIP_HEADER_BYTES = 10, GZIP_TAIL_BYTES = 8 };

static const struct inflate_limits no_limits = {.bytes_max = UINT64_MAX};

static bool inflate_all(struct span packed, enum inflate_wrapper wrapper,
                        struct inflate_limits limits, char *out, size_t room, uint64_t *out_size,
                        uint32_t *out_crc, struct err *err)
{
    FILE *file = tmpfile();
    CHECK(file != NULL);
    const int fd = fileno(file);
    bool ok = inflate_to_file(packed, wrapper, limits, fd, out_size, out_crc, err);
    if (ok) {
        CHECK(*out_size <= room);
        ok = io_read_at(fd, 0, out, (size_t)*out_size, err);
    }
    fclose(file);
    return ok;
}

static void inflate__reads_gzip_members_after_one_another(void)
{
    uint8_t twice[2 * sizeof sample + 3] = {0};
    memcpy(twice, sample, sizeof sample);
    memcpy(twice + sizeof sample, sample, sizeof sample);
    const size_t sizes[] = {sizeof sample, 2 * sizeof sample, sizeof twice};
    for (size_t i = 0; i < 3; i++) {
        const struct span packed = check_heap_copy(twice, sizes[i]);
        char out[256];
        uint64_t size = 0;
        uint32_t crc = 0;
        struct err err;
        CHECK(inflate_is_gzip(packed));
        CHECK_OK(inflate_all(packed, INFLATE_GZIP, no_limits, out, sizeof out, &size, &crc, &err),
                 &err);
        CHECK_EQ(size, (i == 0 ? 1 : 2) * strlen(sample_text));
        CHECK(memcmp(out, sample_text, strlen(sample_text)) == 0);
        check_heap_free(packed);
    }
}

static void inflate__reads_a_raw_stream(void)
{
    const struct span raw = {sample + GZIP_HEADER_BYTES,
                             sizeof sample - GZIP_HEADER_BYTES - GZIP_TAIL_BYTES};
    char out[256];
    uint64_t size = 0;
    uint32_t crc = 0;
    struct err err;
    CHECK_OK(inflate_all(raw, INFLATE_RAW, no_limits, out, sizeof out, &size, &crc, &err), &err);
    CHECK_EQ(size, strlen(sample_text));
    CHECK_EQ((int)crc, SAMPLE_CRC);
    CHECK_EQ((int)inflate_crc32((struct span){(const uint8_t *)sample_text, strlen(sample_text)}),
             SAMPLE_CRC);
    uint8_t head[6];
    CHECK_EQ(inflate_head(raw, INFLATE_RAW, head, sizeof head), 6);
    CHECK(memcmp(head, "storey", 6) == 0);
}

static void inflate__fails_on_every_truncation(void)
{
    for (size_t keep = 0; keep < sizeof sample; keep++) {
        const struct span cut = check_heap_copy(sample, keep);
        char out[256];
        uint64_t size = 0;
        uint32_t crc = 0;
        struct err err;
        CHECK_FAILS(inflate_all(cut, INFLATE_GZIP, no_limits, out, sizeof out, &size, &crc, &err),
                    &err, ERR_SYNTAX);
        CHECK_TEXT(err.message, "compressed data cut short");
        CHECK_EQ(err.offset, keep);
        check_heap_free(cut);
    }
}

static void inflate__notices_a_changed_byte(void)
{
    uint8_t broken[sizeof sample];
    memcpy(broken, sample, sizeof sample);
    broken[sizeof sample - GZIP_TAIL_BYTES] ^= 1;
    char out[256];
    uint64_t size = 0;
    uint32_t crc = 0;
    struct err err;
    CHECK_FAILS(inflate_all((struct span){broken, sizeof broken}, INFLATE_GZIP, no_limits, out,
                            sizeof out, &size, &crc, &err),
                &err, ERR_SYNTAX);
    CHECK_TEXT(err.message, "broken compressed data: incorrect data check");
}

static void inflate__stops_at_its_limits(void)
{
    const struct span packed = {sample, sizeof sample};
    char out[256];
    uint64_t size = 0;
    uint32_t crc = 0;
    struct err err;
    CHECK_FAILS(inflate_all(packed, INFLATE_GZIP, (struct inflate_limits){.bytes_max = 27}, out,
                            sizeof out, &size, &crc, &err),
                &err, ERR_LIMIT);
    CHECK_OK(inflate_all(packed, INFLATE_GZIP,
                         (struct inflate_limits){.bytes_max = 28, .ratio_max = 1}, out, sizeof out,
                         &size, &crc, &err),
             &err);
}

static void inflate__says_that_the_file_refused(void)
{
    const int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    if (full < 0) {
        CHECK_SKIP("no /dev/full");
    }
    uint64_t size = 0;
    uint32_t crc = 0;
    struct err err;
    CHECK_FAILS(inflate_to_file((struct span){sample, sizeof sample}, INFLATE_GZIP, no_limits, full,
                                &size, &crc, &err),
                &err, ERR_IO);
    close(full);
}

CHECK_MAIN(CHECK_TEST(inflate__reads_gzip_members_after_one_another),
           CHECK_TEST(inflate__reads_a_raw_stream), CHECK_TEST(inflate__fails_on_every_truncation),
           CHECK_TEST(inflate__notices_a_changed_byte), CHECK_TEST(inflate__stops_at_its_limits),
           CHECK_TEST(inflate__says_that_the_file_refused))

/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/digest.h"

#include <unistd.h>

#include "tests/check.h"

/* `printf storey | xxhsum -H2` and the same for no bytes at all. */
static const char of_storey[] = "712b4c07bad61fed9257ded6509cdadd";
static const char of_nothing[] = "99aa06d3014798d86001c324468d497f";

static void digest_of__is_what_xxhsum_prints(void)
{
    char printed[DIGEST_TEXT_BYTES];
    digest_print(digest_of((struct span){(const uint8_t *)"storey", 6}), printed);
    CHECK_TEXT(printed, of_storey);
    digest_print(digest_of((struct span){NULL, 0}), printed);
    CHECK_TEXT(printed, of_nothing);
}

static void digest_of_file__is_the_digest_of_its_bytes(void)
{
    char path[] = "/tmp/storey-digest-XXXXXX";
    const int fd = mkstemp(path);
    CHECK(fd >= 0);
    static uint8_t bytes[100000];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * i >> 3);
    }
    CHECK_EQ(write(fd, bytes, sizeof bytes), sizeof bytes);
    close(fd);
    struct digest digest;
    uint64_t size = 0;
    struct err err;
    CHECK_OK(digest_of_file(path, &digest, &size, &err), &err);
    unlink(path);
    CHECK_EQ(size, sizeof bytes);
    CHECK(digest_equals(digest, digest_of((struct span){bytes, sizeof bytes})));
    CHECK_FAILS(digest_of_file(path, &digest, &size, &err), &err, ERR_IO);
}

static void digest_parse__reads_what_digest_print_wrote(void)
{
    struct digest digest;
    CHECK(digest_parse(text_of(of_storey), &digest));
    CHECK(digest_equals(digest, digest_of((struct span){(const uint8_t *)"storey", 6})));
    CHECK(!digest_parse(text_of("712b"), &digest));
    CHECK(!digest_parse(text_of("g12b4c07bad61fed9257ded6509cdadd"), &digest));
}

CHECK_MAIN(CHECK_TEST(digest_of__is_what_xxhsum_prints),
           CHECK_TEST(digest_of_file__is_the_digest_of_its_bytes),
           CHECK_TEST(digest_parse__reads_what_digest_print_wrote))

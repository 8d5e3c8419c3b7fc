/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/encoding.h"

#include <unistd.h>

#include "tests/check.h"

/* "Shenzhen, library" and "Yokosuka museum of art", each in two encodings. */
#define CHINESE_GBK "\xC9\xEE\xDB\xDA\xCD\xBC\xCA\xE9\xB9\xDD"
#define CHINESE_UTF8 "\xE6\xB7\xB1\xE5\x9C\xB3\xE5\x9B\xBE\xE4\xB9\xA6\xE9\xA6\x86"
#define JAPANESE_SJIS "\x89\xA1\x90\x7B\x89\xEA\x94\xFC\x8F\x70\x8A\xD9\x82\xCC"
#define GERMAN_LATIN                                                                               \
    "Stra\xDF"                                                                                     \
    "e, Schlo\xDF \xDC"                                                                            \
    "bigau"

static struct encoding find(const char *text)
{
    const struct span bytes = check_heap_copy(text, strlen(text));
    const struct encoding found = encoding_find(bytes, NULL, NULL);
    check_heap_free(bytes);
    return found;
}

static void encoding_find__believes_what_can_be(void)
{
    static const struct {
        const char *text;
        const char *name;
        enum encoding_reason reason;
        bool is_utf8;
    } cases[] = {
        {"<a>plain</a>", "UTF-8", ENCODING_PLAIN, true},
        {"<?xml version=\"1.0\" encoding=\"GBK\"?><a>plain</a>", "UTF-8", ENCODING_PLAIN, true},
        {"<?xml version='1.0' encoding='gbk'?><a>" CHINESE_GBK "</a>", "GB18030", ENCODING_DECLARED,
         false},
        {"<?xml version=\"1.0\" encoding=\"UTF-8\"?><a>" CHINESE_GBK "</a>", "GB18030",
         ENCODING_GUESSED, false},
        {"<a>" CHINESE_GBK "</a>", "GB18030", ENCODING_GUESSED, false},
        {"<?xml version=\"1.0\" encoding=\"GB2312\"?><a>" CHINESE_UTF8 "</a>", "UTF-8",
         ENCODING_DISPROVED, true},
        {"<a>" JAPANESE_SJIS "</a>", "CP932", ENCODING_GUESSED, false},
        {"<a>" GERMAN_LATIN "</a>", "WINDOWS-1252", ENCODING_GUESSED, false},
        {"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a>" GERMAN_LATIN "</a>", "WINDOWS-1252",
         ENCODING_DECLARED, false},
        {"\xEF\xBB\xBF<a>" CHINESE_UTF8 "</a>", "UTF-8", ENCODING_PLAIN, true},
        /* one broken byte in a text that is UTF-8 */
        {"<a>" CHINESE_UTF8 CHINESE_UTF8 "\xDF</a>", "UTF-8", ENCODING_PLAIN, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct encoding found = find(cases[i].text);
        CHECK_TEXT(found.name, cases[i].name);
        CHECK_EQ(found.reason, cases[i].reason);
        CHECK_EQ(found.is_utf8, cases[i].is_utf8);
    }
}

static void encoding_find__sees_utf16_with_and_without_a_mark(void)
{
    static const char little[] = "\xFF\xFE<\0a\0/\0>\0";
    static const char big[] = "\0<\0a\0/\0>";
    const struct span with_mark = check_heap_copy(little, sizeof little - 1);
    const struct span without = check_heap_copy(big, sizeof big - 1);
    CHECK_TEXT(encoding_find(with_mark, NULL, NULL).name, "UTF-16LE");
    CHECK_TEXT(encoding_find(without, NULL, NULL).name, "UTF-16BE");
    check_heap_free(with_mark);
    check_heap_free(without);
}

/* Converts, and compares the file with what is expected. */
static void check_converted(const char *text, size_t size, const char *name, const char *expected,
                            uint64_t broken)
{
    char path[] = "/tmp/test_encoding_XXXXXX";
    const int fd = mkstemp(path);
    const struct span bytes = check_heap_copy(text, size);
    uint64_t found_broken = 0;
    struct err err;
    char found[256] = "";
    CHECK(fd >= 0);
    unlink(path);
    CHECK_OK(encoding_convert(bytes, NULL, name, fd, &found_broken, &err), &err);
    CHECK(pread(fd, found, sizeof found - 1, 0) >= 0);
    close(fd);
    CHECK_TEXT(found, expected);
    CHECK_EQ(found_broken, broken);
    check_heap_free(bytes);
}

static void encoding_convert__replaces_what_is_no_character(void)
{
    check_converted(CHINESE_GBK, 10, "GB18030", CHINESE_UTF8, 0);
    check_converted("a\xC9\x01z", 4, "GB18030", "a\xEF\xBF\xBD\x01z", 1);
    check_converted("ab\xC9", 3, "GB18030", "ab", 1);
    check_converted("\xFF\xFE<\0", 4, "UTF-16LE", "<", 0);
    check_converted("a\xDFz", 3, "UTF-8", "a\xEF\xBF\xBDz", 1);
}

/* A character that lies across two pieces stays whole. */
static void encoding_convert__cuts_no_character(void)
{
    enum { COUNT = 50000 };
    struct err err;
    uint64_t broken = 0;
    char path[] = "/tmp/test_encoding_XXXXXX";
    const int fd = mkstemp(path);
    char *text = malloc(1 + 2 * COUNT);
    CHECK(fd >= 0 && text != NULL);
    unlink(path);
    text[0] = 'x';
    for (size_t i = 0; i < COUNT; i++) {
        memcpy(text + 1 + 2 * i, "\xC9\xEE", 2);
    }
    const struct span bytes = {(const uint8_t *)text, 1 + 2 * COUNT};
    CHECK_OK(encoding_convert(bytes, NULL, "GB18030", fd, &broken, &err), &err);
    CHECK_EQ(broken, 0);
    CHECK_EQ(lseek(fd, 0, SEEK_END), 1 + 3 * COUNT);
    close(fd);
    free(text);
}

static void encoding_convert__refuses_an_encoding_that_nobody_knows(void)
{
    struct err err;
    uint64_t broken = 0;
    const struct span bytes = {(const uint8_t *)"a", 1};
    CHECK_FAILS(encoding_convert(bytes, NULL, "bogus-7", 1, &broken, &err), &err, ERR_UNSUPPORTED);
}

CHECK_MAIN(CHECK_TEST(encoding_find__believes_what_can_be),
           CHECK_TEST(encoding_find__sees_utf16_with_and_without_a_mark),
           CHECK_TEST(encoding_convert__replaces_what_is_no_character),
           CHECK_TEST(encoding_convert__cuts_no_character),
           CHECK_TEST(encoding_convert__refuses_an_encoding_that_nobody_knows))

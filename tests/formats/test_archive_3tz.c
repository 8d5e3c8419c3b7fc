/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/archive_3tz.h"

#include <unistd.h>

#include "formats/base/io.h"
#include "tests/check.h"

enum { LIMIT_BYTES = 1 << 20, MEMBER_COUNT = 40 };

static void make_path(char path[64])
{
    strcpy(path, "/tmp/storey-3tz-XXXXXX");
    const int fd = mkstemp(path);
    CHECK(fd >= 0);
    close(fd);
}

static void name_of(size_t i, char out[32])
{
    snprintf(out, 32, i == 0 ? "tileset.json" : "tiles/%zu.glb", i);
}

static void write_archive(const char *path)
{
    struct archive_3tz_writer *writer;
    struct err err;
    char name[32];
    CHECK_OK(archive_3tz_writer_open(path, &writer, &err), &err);
    for (size_t i = 0; i < MEMBER_COUNT; i++) {
        name_of(i, name);
        const struct span bytes = {(const uint8_t *)name, strlen(name)};
        CHECK_OK(archive_3tz_writer_add(writer, text_of(name), PACKING_STORED, bytes,
                                        packing_crc32(0, bytes), bytes.size, 64, &err),
                 &err);
    }
    CHECK_OK(archive_3tz_writer_finish(writer, false, &err), &err);
    archive_3tz_writer_close(writer);
}

/* The archive as bytes on the heap; the file is gone. */
static struct span make_archive(void)
{
    char path[64];
    make_path(path);
    write_archive(path);
    struct io_map map;
    struct err err;
    CHECK_OK(io_map(path, &map, &err), &err);
    const struct span copy = check_heap_copy(map.bytes.data, map.bytes.size);
    io_unmap(&map);
    unlink(path);
    return copy;
}

static void check_members(struct span file, bool has_index)
{
    struct arena source;
    struct archive_3tz archive;
    struct err err;
    arena_init(&source, LIMIT_BYTES);
    CHECK_OK(archive_3tz_open(file, &source, &archive, &err), &err);
    CHECK_EQ(archive.has_index, has_index);
    for (size_t i = 0; i < MEMBER_COUNT; i++) {
        char name[32];
        struct zip_member member;
        bool is_found = false;
        name_of(i, name);
        CHECK_OK(archive_3tz_find(&archive, text_of(name), &member, &is_found, &err), &err);
        CHECK(is_found);
        CHECK_EQ(member.packed.size, strlen(name));
        CHECK(memcmp(member.packed.data, name, strlen(name)) == 0);
    }
    struct zip_member member;
    bool is_found = true;
    CHECK_OK(archive_3tz_find(&archive, text_of("tiles/none"), &member, &is_found, &err), &err);
    CHECK(!is_found);
    arena_release(&source);
}

static void archive_3tz__round_trip_finds_every_member(void)
{
    const struct span file = make_archive();
    check_members(file, true);
    check_heap_free(file);
}

/* The smallest archive, an empty tileset.json, written by hand: the member at 0,
 * the index at 42, its row at 87, the directory at 111. */
/* clang-format off */
static const uint8_t sample[] =
    "PK\3\4\x14\0\0\0\0\0\0\0\x21\0\0\0\0\0\0\0\0\0\0\0\0\0\x0c\0\0\0" "tileset.json"
    "PK\3\4\x14\0\0\0\0\0\0\0\x21\0\xbb\x39\x0c\x13\x18\0\0\0\x18\0\0\0\x0f\0\0\0"
    "@3dtilesIndex1@"
    "\xc0\x9b\xde\xa7\xe7\x45\x89\x4f\x49\x9a\x75\x17\xdb\x9a\x77\x09\0\0\0\0\0\0\0\0"
    "PK\1\2\x14\0\x14\0\0\0\0\0\0\0\x21\0\0\0\0\0\0\0\0\0\0\0\0\0\x0c\0\0\0"
    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0" "tileset.json"
    "PK\1\2\x14\0\x14\0\0\0\0\0\0\0\x21\0\xbb\x39\x0c\x13\x18\0\0\0\x18\0\0\0\x0f\0\0\0"
    "\0\0\0\0\0\0\0\0\0\0\x2a\0\0\0" "@3dtilesIndex1@"
    "PK\5\6\0\0\0\0\2\0\2\0\x77\0\0\0\x6f\0\0\0\0";
/* clang-format on */
enum { SAMPLE_INDEX_AT = 42, SAMPLE_ROW_AT = 87 };

static void archive_3tz_open__reads_the_smallest_archive(void)
{
    struct arena source;
    struct archive_3tz archive;
    struct zip_member member;
    struct err err;
    bool is_found = false;
    arena_init(&source, LIMIT_BYTES);
    CHECK_OK(archive_3tz_open((struct span){sample, sizeof sample}, &source, &archive, &err), &err);
    CHECK(archive.has_index);
    CHECK_EQ(archive.index.data - sample, SAMPLE_ROW_AT);
    CHECK_OK(archive_3tz_find(&archive, text_of("tileset.json"), &member, &is_found, &err), &err);
    CHECK(is_found);
    CHECK_EQ(member.packed.size, 0);
    arena_release(&source);
}

static void archive_3tz_open__falls_back_to_the_directory(void)
{
    /* Without its name the index is a member like others. */
    const struct span file = make_archive();
    struct buf copy;
    buf_init(&copy, LIMIT_BYTES);
    buf_add(&copy, file.data, file.size);
    for (size_t i = 0; i + 15 <= copy.size; i++) {
        if (memcmp(copy.data + i, ARCHIVE_3TZ_INDEX_NAME, 15) == 0) {
            copy.data[i] = 'x';
        }
    }
    check_members(buf_span(&copy), false);
    buf_release(&copy);
    check_heap_free(file);
}

static bool open_bytes(struct span file, struct err *err)
{
    struct arena source;
    struct archive_3tz archive;
    arena_init(&source, LIMIT_BYTES);
    const bool ok = archive_3tz_open(file, &source, &archive, err);
    arena_release(&source);
    return ok;
}

static void archive_3tz_open__fails_on_every_truncation(void)
{
    const struct span file = make_archive();
    for (size_t keep = 0; keep < file.size; keep++) {
        const struct span cut = check_heap_copy(file.data, keep);
        struct err err;
        CHECK_FAILS(open_bytes(cut, &err), &err, ERR_SYNTAX);
        check_heap_free(cut);
    }
    check_heap_free(file);
}

static void archive_3tz_open__survives_every_failing_allocation(void)
{
    const struct span file = make_archive();
    struct buf copy;
    buf_init(&copy, LIMIT_BYTES);
    buf_add(&copy, file.data, file.size);
    copy.data[file.size - 1] = 1; /* a comment: no index is looked for... */
    buf_add_byte(&copy, 'c');
    copy.data[file.size - 2] = 1;
    copy.data[file.size - 1] = 0;
    size_t fail_after = 1;
    for (bool ok = false; !ok; fail_after++) {
        struct arena source;
        struct archive_3tz archive;
        struct err err;
        arena_init(&source, LIMIT_BYTES);
        source.fail_after = fail_after;
        ok = archive_3tz_open(buf_span(&copy), &source, &archive, &err);
        arena_release(&source);
        CHECK(ok || err.code == ERR_NOMEM);
    }
    CHECK_EQ(fail_after, 5); /* three allocations, then success */
    buf_release(&copy);
    check_heap_free(file);
}

static void archive_3tz_open__points_at_what_is_wrong(void)
{
    struct err err;
    uint8_t broken[sizeof sample];

    memcpy(broken, sample, sizeof sample);
    broken[SAMPLE_ROW_AT + 16] = 200; /* the row points behind the index */
    CHECK_FAILS(open_bytes((struct span){broken, sizeof broken}, &err), &err, ERR_SCHEMA);
    CHECK_EQ(err.offset, SAMPLE_ROW_AT);

    memcpy(broken, sample, sizeof sample);
    broken[SAMPLE_INDEX_AT + 8] = 8; /* the index claims to be compressed */
    CHECK_FAILS(open_bytes((struct span){broken, sizeof broken}, &err), &err, ERR_SCHEMA);
    CHECK_EQ(err.offset, SAMPLE_INDEX_AT);

    memcpy(broken, sample, sizeof sample);
    broken[SAMPLE_INDEX_AT + 18] = broken[SAMPLE_INDEX_AT + 22] = 23; /* not whole rows */
    CHECK_FAILS(open_bytes((struct span){broken, sizeof broken}, &err), &err, ERR_SCHEMA);
    CHECK_EQ(err.offset, SAMPLE_ROW_AT);

    const struct span file = make_archive();
    struct buf copy;
    buf_init(&copy, LIMIT_BYTES);
    buf_add(&copy, file.data, file.size);
    struct arena source;
    struct archive_3tz archive;
    arena_init(&source, LIMIT_BYTES);
    CHECK_OK(archive_3tz_open(buf_span(&copy), &source, &archive, &err), &err);
    const size_t rows_at = (size_t)(archive.index.data - copy.data);
    memset(copy.data + rows_at + 24, 0, 16); /* the second row sorts before the first */
    CHECK_FAILS(open_bytes(buf_span(&copy), &err), &err, ERR_SCHEMA);
    CHECK_EQ(err.offset, rows_at + 24);
    arena_release(&source);
    buf_release(&copy);
    check_heap_free(file);
}

static void archive_3tz_find__reports_a_damaged_member(void)
{
    struct arena source;
    struct archive_3tz archive;
    struct zip_member member;
    struct err err;
    bool is_found = false;
    uint8_t broken[sizeof sample];
    memcpy(broken, sample, sizeof sample);
    broken[0] = 'Q';
    arena_init(&source, LIMIT_BYTES);
    CHECK_OK(archive_3tz_open((struct span){broken, sizeof broken}, &source, &archive, &err), &err);
    CHECK_FAILS(archive_3tz_find(&archive, text_of("tileset.json"), &member, &is_found, &err), &err,
                ERR_SYNTAX);
    CHECK_EQ(err.offset, 0);
    arena_release(&source);
}

/* RFC 1321, "Test suite". */
static void archive_3tz_md5__is_that_of_the_rfc(void)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"", "d41d8cd98f00b204e9800998ecf8427e"},
        {"a", "0cc175b9c0f1b6a831c399e269772661"},
        {"message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
        {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
         "d174ab98d277d9f5a5611c2c9f419d9f"},
        {"1234567890123456789012345678901234567890123456789012345678901234567890123456789"
         "0",
         "57edf4a22be3c955ac49da2e2107b67a"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t digest[16];
        char printed[33];
        archive_3tz_md5((struct span){(const uint8_t *)cases[i].text, strlen(cases[i].text)},
                        digest);
        for (size_t k = 0; k < 16; k++) {
            snprintf(printed + 2 * k, 3, "%02x", digest[k]);
        }
        CHECK_TEXT(printed, cases[i].expected);
    }
}

/* More members than 16 bits count: the directory's end is a zip64 one. */
static void archive_3tz__holds_more_members_than_zip_could_count(void)
{
    enum { COUNT = 70000 };
    char path[64], command[400], name[32];
    struct archive_3tz_writer *writer;
    struct archive_3tz archive;
    struct arena source;
    struct io_map map;
    struct err err;
    make_path(path);
    CHECK_OK(archive_3tz_writer_open(path, &writer, &err), &err);
    for (size_t i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "tiles/%zu", i);
        CHECK_OK(archive_3tz_writer_add(writer, text_of(name), PACKING_STORED,
                                        (struct span){NULL, 0}, 0, 0, 1, &err),
                 &err);
    }
    CHECK_OK(archive_3tz_writer_finish(writer, false, &err), &err);
    archive_3tz_writer_close(writer);
    CHECK_OK(io_map(path, &map, &err), &err);
    arena_init(&source, 1 << 26);
    CHECK_OK(archive_3tz_open(map.bytes, &source, &archive, &err), &err);
    CHECK(archive.has_index);
    CHECK_EQ(archive.index.size, 24 * COUNT);
    for (size_t i = 0; i < COUNT; i += 997) {
        struct zip_member member;
        bool is_found = false;
        snprintf(name, sizeof name, "tiles/%zu", i);
        CHECK_OK(archive_3tz_find(&archive, text_of(name), &member, &is_found, &err), &err);
        CHECK(is_found);
    }
    struct zip zip;
    CHECK_OK(zip_open(map.bytes, &source, &zip, &err), &err);
    CHECK_EQ(zip.member_count, COUNT + 1);
    snprintf(command, sizeof command,
             "python3 -c 'import zipfile; assert len(zipfile.ZipFile(\"%s\").namelist()) == %d'",
             path, COUNT + 1);
    if (system("command -v python3 >/dev/null") == 0) {
        CHECK_EQ(system(command), 0);
    }
    arena_release(&source);
    io_unmap(&map);
    unlink(path);
}

static void archive_3tz_writer__writes_what_unzip_accepts(void)
{
    char path[64], command[400];
    make_path(path);
    write_archive(path);
    snprintf(command, sizeof command, "unzip -tqq %s", path);
    if (system("command -v unzip >/dev/null") == 0) {
        CHECK_EQ(system(command), 0);
    }
    /* The specification's own words, in another language: rows sorted as two
     * u64, each pointing at the local header of that name. */
    snprintf(
        command, sizeof command,
        "python3 -c 'import zipfile,hashlib,struct\n"
        "z=zipfile.ZipFile(\"%s\"); i=z.infolist(); assert i[-1].filename==\"@3dtilesIndex1@\"\n"
        "e=sorted((*struct.unpack(\"<QQ\",hashlib.md5(m.filename.encode()).digest()),m.header_"
        "offset) for m in i[:-1])\n"
        "assert z.read(i[-1])==b\"\".join(struct.pack(\"<QQQ\",*r) for r in e)'",
        path);
    if (system("command -v python3 >/dev/null") == 0) {
        CHECK_EQ(system(command), 0);
    }
    unlink(path);
}

CHECK_MAIN(CHECK_TEST(archive_3tz__round_trip_finds_every_member),
           CHECK_TEST(archive_3tz_open__reads_the_smallest_archive),
           CHECK_TEST(archive_3tz_open__falls_back_to_the_directory),
           CHECK_TEST(archive_3tz_open__fails_on_every_truncation),
           CHECK_TEST(archive_3tz_open__survives_every_failing_allocation),
           CHECK_TEST(archive_3tz_open__points_at_what_is_wrong),
           CHECK_TEST(archive_3tz_find__reports_a_damaged_member),
           CHECK_TEST(archive_3tz_md5__is_that_of_the_rfc),
           CHECK_TEST(archive_3tz__holds_more_members_than_zip_could_count),
           CHECK_TEST(archive_3tz_writer__writes_what_unzip_accepts))

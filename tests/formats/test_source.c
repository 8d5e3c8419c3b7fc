/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/source.h"

#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "formats/base/io.h"
#include "formats/zip.h"
#include "tests/check.h"

enum { FEATURE_BYTES_MAX = 1 << 26 };

static const struct source_options plain = {.temporary_folder = "/tmp"};

static char folder[] = "/tmp/test-source-XXXXXX";

/* A path in the test's own folder; the last four stay valid. */
static const char *path_of(const char *name)
{
    static char paths[4][512];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
    (void)state;
    struct err err;
    return !io_remove_tree(folder, &err);
}

static void write_bytes(const char *path, const void *bytes, size_t size)
{
    struct err err;
    CHECK_OK(io_write_file(path, (struct span){bytes, size}, false, &err), &err);
}

/* A city of one point-like building; `crs` goes into its metadata. */
static size_t print_city(char *out, size_t room, const char *id, const char *crs)
{
    const int size = snprintf(
        out, room,
        "{\"type\":\"CityJSON\",\"version\":\"2.0\",\"metadata\":{\"referenceSystem\":\"%s\"},"
        "\"CityObjects\":{\"%s\":{\"type\":\"Building\"}},\"vertices\":[]}",
        crs, id);
    CHECK(size > 0 && (size_t)size < room);
    return (size_t)size;
}

struct seen {
    char ids[256]; /* "a b " */
    char crs[256]; /* "- EPSG:2 ": those that are not their source's */
    long lost;
    struct err first_lost;
};

static bool read_path(const char *path, struct seen *seen, char *format, struct err *err)
{
    struct report report;
    struct source *source = NULL;
    struct arena arena;
    struct err ignored;
    CHECK_OK(report_open(&report, NULL, &ignored), &ignored);
    memset(seen, 0, sizeof *seen);
    const bool ok = source_open(path, &plain, &report, &source, err);
    arena_init(&arena, FEATURE_BYTES_MAX);
    for (bool is_end = !ok; !is_end;) {
        struct feature feature;
        struct err lost;
        arena_reset(&arena, (struct arena_mark){0});
        if (!source_next(source, &arena, &feature, &is_end, &lost)) {
            if (seen->lost++ == 0) {
                seen->first_lost = lost;
            }
            CHECK(source_can_continue(source));
        } else if (!is_end) {
            strncat(seen->ids, feature.id.data, feature.id.size);
            strcat(seen->ids, " ");
            strncat(seen->crs, feature.crs.size == 0 ? "-" : feature.crs.data,
                    feature.crs.size == 0 ? 1 : feature.crs.size);
            strcat(seen->crs, " ");
        }
    }
    if (ok) {
        CHECK_EQ(source_bytes_done(source), source_info(source)->bytes_total);
        snprintf(format, 64, "%s", source_info(source)->format);
        source_close(source);
    }
    arena_release(&arena);
    CHECK_OK(report_close(&report, &ignored), &ignored);
    return ok;
}

static void source_open__goes_by_content_and_not_by_name(void)
{
    char city[512];
    char format[64];
    struct seen seen;
    struct err err;
    const size_t size = print_city(city, sizeof city, "a", "EPSG:1");
    const char *names[] = {"city.txt", "city", "深圳.xml"};
    for (size_t i = 0; i < 3; i++) {
        write_bytes(path_of(names[i]), city, size);
        CHECK_OK(read_path(path_of(names[i]), &seen, format, &err), &err);
        CHECK_TEXT(seen.ids, "a ");
        CHECK_TEXT(format, "CityJSON 2.0");
    }
}

static void source_open__says_what_it_was_given(void)
{
    char format[64];
    struct seen seen;
    struct err err;
    CHECK_FAILS(read_path(path_of("nowhere.city.json"), &seen, format, &err), &err, ERR_IO);
    CHECK(strstr(err.message, "No such file") != NULL);
    CHECK_FAILS(read_path(folder, &seen, format, &err), &err, ERR_IO);
    CHECK(strstr(err.message, "Is a directory") != NULL);
    write_bytes(path_of("empty.city.json"), "", 0);
    CHECK_FAILS(read_path(path_of("empty.city.json"), &seen, format, &err), &err, ERR_SYNTAX);
    CHECK_TEXT(err.message, "the file is empty");
    write_bytes(path_of("picture"), "\x89PNG\r\n\x1a\n", 8);
    CHECK_FAILS(read_path(path_of("picture"), &seen, format, &err), &err, ERR_UNSUPPORTED);
    CHECK(strstr(err.message, "CityJSON") != NULL);
    CHECK_TEXT(err.source, path_of("picture"));
    write_bytes(path_of("text.city.json"), "hello\n", 6);
    CHECK_FAILS(read_path(path_of("text.city.json"), &seen, format, &err), &err, ERR_SYNTAX);
    CHECK_TEXT(err.message, "expected a value, found 'h'");
    CHECK_EQ(err.line, 1);
}

static void write_gzip(const char *path, const char *text, size_t size)
{
    gzFile file = gzopen(path, "wb9");
    CHECK(file != NULL);
    CHECK_EQ(gzwrite(file, text, (unsigned)size), size);
    CHECK_EQ(gzclose(file), Z_OK);
}

static void source_open__looks_into_gzip(void)
{
    char city[512];
    char format[64];
    struct seen seen;
    struct err err;
    const size_t size = print_city(city, sizeof city, "a", "EPSG:1");
    write_gzip(path_of("city.city.json.gz"), city, size);
    CHECK_OK(read_path(path_of("city.city.json.gz"), &seen, format, &err), &err);
    CHECK_TEXT(seen.ids, "a ");
    /* cut short: the message has the file's name and the place */
    CHECK_EQ(truncate(path_of("city.city.json.gz"), 60), 0);
    CHECK_FAILS(read_path(path_of("city.city.json.gz"), &seen, format, &err), &err, ERR_SYNTAX);
    CHECK_TEXT(err.message, "compressed data cut short");
    CHECK_EQ(err.offset, 60);
    CHECK_TEXT(err.source, path_of("city.city.json.gz"));
}

static void source_open__refuses_a_bomb(void)
{
    /* 100 MB of spaces before an object: 1000 times smaller when packed */
    enum { SPACES = 100 * 1000 * 1000, PIECE = 1000 * 1000 };
    char format[64];
    struct seen seen;
    struct err err;
    gzFile file = gzopen(path_of("bomb.gz"), "wb9");
    CHECK(file != NULL);
    char *spaces = malloc(PIECE);
    CHECK(spaces != NULL);
    memset(spaces, ' ', PIECE);
    CHECK_EQ(gzputs(file, "{\"type\":\"CityJSON\""), 18);
    for (int i = 0; i < SPACES / PIECE; i++) {
        CHECK_EQ(gzwrite(file, spaces, PIECE), PIECE);
    }
    free(spaces);
    CHECK_EQ(gzclose(file), Z_OK);
    CHECK_FAILS(read_path(path_of("bomb.gz"), &seen, format, &err), &err, ERR_LIMIT);
    CHECK_TEXT(err.message, "inflates to more than 400 times its size");
}

static void add_member(struct zip_writer *writer, const char *name, const char *text, size_t size,
                       bool is_packed)
{
    struct buf packed;
    struct err err;
    const struct span bytes = {(const uint8_t *)text, size};
    const enum packing_method method = is_packed ? PACKING_DEFLATE : PACKING_STORED;
    buf_init(&packed, 1 << 20);
    CHECK_OK(packing_pack(method, bytes, &packed, &err), &err);
    CHECK_OK(zip_writer_add(writer, text_of(name), method, buf_span(&packed),
                            (uint32_t)crc32(0, bytes.data, (uInt)size), size, 1, &err),
             &err);
    buf_release(&packed);
}

/* Three cities, one of them broken, and things that are none. */
static void source_open__reads_all_cities_of_a_zip(void)
{
    char city[512];
    char format[64];
    struct zip_writer *writer = NULL;
    struct seen seen;
    struct err err;
    CHECK_OK(zip_writer_open(path_of("cities.zip"), &writer, &err), &err);
    add_member(writer, "readme.txt", "hello", 5, false);
    size_t size = print_city(city, sizeof city, "a", "EPSG:1");
    add_member(writer, "a.city.json", city, size, true);
    add_member(writer, "pictures/a.png", "\x89PNG", 4, true);
    add_member(writer, "broken.city.json", city, size - 1, true);
    size = print_city(city, sizeof city, "b", "EPSG:2");
    add_member(writer, "sub/b.city.json", city, size, false);
    CHECK_OK(zip_writer_finish(writer, false, &err), &err);
    zip_writer_close(writer);
    CHECK_OK(read_path(path_of("cities.zip"), &seen, format, &err), &err);
    CHECK_TEXT(seen.ids, "a b ");
    CHECK_TEXT(seen.crs, "- EPSG:2 ");
    CHECK_EQ(seen.lost, 1);
    CHECK_EQ(seen.first_lost.code, ERR_SYNTAX);
    CHECK(strstr(seen.first_lost.source, "cities.zip/broken.city.json") != NULL);
}

static void source_open__says_that_a_zip_has_no_city(void)
{
    char format[64];
    struct zip_writer *writer = NULL;
    struct seen seen;
    struct err err;
    CHECK_OK(zip_writer_open(path_of("none.zip"), &writer, &err), &err);
    add_member(writer, "readme.txt", "hello", 5, false);
    CHECK_OK(zip_writer_finish(writer, false, &err), &err);
    zip_writer_close(writer);
    CHECK_FAILS(read_path(path_of("none.zip"), &seen, format, &err), &err, ERR_UNSUPPORTED);
}

static void source_open__names_the_temporary_folder_that_refuses(void)
{
    char city[512];
    struct report report;
    struct source *source = NULL;
    struct err err;
    const struct source_options nowhere = {.temporary_folder = "/nowhere/at/all"};
    const size_t size = print_city(city, sizeof city, "a", "EPSG:1");
    write_gzip(path_of("city.gz"), city, size);
    CHECK_OK(report_open(&report, NULL, &err), &err);
    CHECK_FAILS(source_open(path_of("city.gz"), &nowhere, &report, &source, &err), &err, ERR_IO);
    CHECK(strstr(err.message, "/nowhere/at/all") != NULL);
    CHECK_OK(report_close(&report, &err), &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHECK_TEST(source_open__goes_by_content_and_not_by_name),
        CHECK_TEST(source_open__says_what_it_was_given),
        CHECK_TEST(source_open__looks_into_gzip),
        CHECK_TEST(source_open__refuses_a_bomb),
        CHECK_TEST(source_open__reads_all_cities_of_a_zip),
        CHECK_TEST(source_open__says_that_a_zip_has_no_city),
        CHECK_TEST(source_open__names_the_temporary_folder_that_refuses),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

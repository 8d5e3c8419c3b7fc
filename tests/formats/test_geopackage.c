/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/geopackage.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/base/io.h"
#include "formats/geopackage_write.h"
#include "tests/check.h"

static char path[128];

static const char *const names[] = {
    "深圳湾体育中心", "福田区政府", "福永 Tower A", "Café Zürich", "", "中心书城", "PING AN Tower"};
enum { NAME_COUNT = 7 };

static struct geopackage_value text_value(const char *text)
{
    return (struct geopackage_value){.kind = GEOPACKAGE_IS_TEXT, .text = text_of(text)};
}

/* `count` features; names go round, attributes: storeys, measuredHeight, Class,
 * class, is_public, note. */
static void write_file(const char *at, size_t count)
{
    static const struct geopackage_new_column columns[] = {
        {{"storeys", 7}, GEOPACKAGE_INT},    {{"measuredHeight", 14}, GEOPACKAGE_REAL},
        {{"Class", 5}, GEOPACKAGE_TEXT},     {{"class", 5}, GEOPACKAGE_TEXT},
        {{"is_public", 9}, GEOPACKAGE_BOOL}, {{"no\"te", 5}, GEOPACKAGE_TEXT}};
    const struct geopackage_layer layer = {
        .crs_organization = "EPSG",
        .crs_code = 28992,
        .crs_name = "Amersfoort / RD New",
        .crs_wkt = "PROJCS[\"Amersfoort / RD New\"]",
        .columns = columns,
        .column_count = 6,
    };
    struct geopackage_writer *writer;
    struct err err;
    unlink(at);
    CHECK_OK(geopackage_writer_open(at, &layer, &writer, &err), &err);
    for (size_t i = 0; i < count; i++) {
        const double x = 80000 + (double)(i % 100) * 20;
        const double y = 450000 + (double)(i / 100) * 20;
        const struct vec2 points[] = {{x, y},         {x + 10, y},    {x + 10, y + 10},
                                      {x, y + 10},    {x + 2, y + 2}, {x + 2, y + 4},
                                      {x + 4, y + 4}, {x + 4, y + 2}};
        const uint32_t ends[] = {4, 8};
        const bool is_hole[] = {false, true};
        char id[32];
        snprintf(id, sizeof id, "NL.%zu", i);
        const struct geopackage_value values[6] = {
            {.kind = GEOPACKAGE_IS_INT, .integer = (int64_t)i % 40},
            {.kind = i % 4 == 0 ? GEOPACKAGE_NULL : GEOPACKAGE_IS_REAL, .real = (double)i / 2},
            text_value("A%"),
            text_value(i % 2 == 0 ? "1000" : "2000"),
            {.kind = GEOPACKAGE_IS_INT, .integer = (int64_t)i % 2},
            text_value("'; DROP TABLE features; --"),
        };
        const struct geopackage_feature feature = {
            .id = text_of(id),
            .class_name = text_of("Building"),
            .name = text_of(names[i % NAME_COUNT]),
            .base_m = 43,
            .top_m = 53,
            .base_local_m = 0,
            .top_local_m = 10,
            .height_m = 10,
            .storeys = i % 3 == 0 ? STOREYS_UNKNOWN : STOREYS_DERIVED,
            .storeys_above = 3,
            .footprint_m2 = 96,
            .points = points,
            .ring_ends = ends,
            .is_hole = is_hole,
            .ring_count = i == 5 ? 0 : 2,
            .values = values,
        };
        CHECK_OK(geopackage_writer_add(writer, &feature, &err), &err);
    }
    CHECK_OK(geopackage_writer_finish(writer, &err), &err);
    geopackage_writer_close(writer);
}

static uint64_t size_of(const char *at)
{
    struct stat info;
    CHECK(stat(at, &info) == 0);
    return (uint64_t)info.st_size;
}

static struct geopackage *open_written(size_t count)
{
    struct geopackage *geopackage;
    struct err err;
    snprintf(path, sizeof path, "/tmp/storey-test-%ld.gpkg", (long)getpid());
    write_file(path, count);
    CHECK_OK(geopackage_open(path, 0, size_of(path), &geopackage, &err), &err);
    unlink(path);
    return geopackage;
}

struct rows {
    uint32_t rows[64];
    size_t count;
};

static bool take_row(void *taker, uint32_t row)
{
    struct rows *rows = taker;
    rows->rows[rows->count++] = row;
    return rows->count < 64;
}

static struct rows select_rows(struct geopackage *geopackage,
                               const struct geopackage_select *select)
{
    struct rows rows = {.count = 0};
    struct err err;
    CHECK_OK(geopackage_select(geopackage, select, take_row, &rows, &err), &err);
    return rows;
}

static size_t count_names(struct geopackage *geopackage, const char *words)
{
    const struct geopackage_select select = {.search = text_of(words)};
    return select_rows(geopackage, &select).count;
}

struct seen {
    char text[512];
};

static void see(void *taker, size_t column, const struct geopackage_value *value)
{
    struct seen *seen = taker;
    const size_t at = strlen(seen->text);
    if (value->kind == GEOPACKAGE_IS_TEXT) {
        snprintf(seen->text + at, sizeof seen->text - at, "%zu=%.*s ", column,
                 TEXT_ARGS(value->text));
    } else {
        const double number =
            value->kind == GEOPACKAGE_IS_INT ? (double)value->integer : value->real;
        snprintf(seen->text + at, sizeof seen->text - at, "%zu=%g ", column, number);
    }
}

static void row__has_every_value_in_its_type(void)
{
    struct geopackage *geopackage = open_written(20);
    struct err err;
    struct seen seen = {""};
    bool found = false;
    CHECK_OK(geopackage_row(geopackage, 7, see, &seen, &found, &err), &err);
    CHECK(found);
    CHECK_TEXT(seen.text,
               "0=NL.7 1=Building 2=深圳湾体育中心 4=43 5=53 6=0 7=10 8=10 9=3 10=0 11=1 "
               "12=96 13=7 14=3.5 15=A% 16=2000 17=1 18='; DROP TABLE features; -- ");
    CHECK_OK(geopackage_row(geopackage, 20, see, &seen, &found, &err), &err);
    CHECK(!found);
    geopackage_close(geopackage);
}

static void columns__that_clash_are_told_apart(void)
{
    struct geopackage *geopackage = open_written(1);
    CHECK(geopackage_column(geopackage, text_of("class"))->is_builtin);
    const struct geopackage_column *upper = geopackage_column(geopackage, text_of("Class"));
    const struct geopackage_column *own = geopackage_column(geopackage, text_of("class_2"));
    CHECK(upper != NULL && own != NULL && !upper->is_builtin);
    CHECK(!text_equals(upper->quoted, own->quoted));
    CHECK_EQ(geopackage_column(geopackage, text_of("is_public"))->type, GEOPACKAGE_BOOL);
    CHECK_TEXT_IS(geopackage_column(geopackage, text_of("no\"te"))->quoted, "\"no\"\"te\"");
    CHECK(geopackage_column(geopackage, text_of("footprint")) == NULL);
    geopackage_close(geopackage);
}

static void search__finds_chinese_by_one_or_two_characters(void)
{
    struct geopackage *geopackage = open_written(NAME_COUNT);
    CHECK_EQ(count_names(geopackage, "福"), 2);
    CHECK_EQ(count_names(geopackage, "福田"), 1);
    CHECK_EQ(count_names(geopackage, "中心"), 2);
    CHECK_EQ(count_names(geopackage, "体育中心"), 1);
    CHECK_EQ(count_names(geopackage, "心中"), 0);
    CHECK_EQ(count_names(geopackage, "tower"), 2);
    CHECK_EQ(count_names(geopackage, "tow"), 2);
    CHECK_EQ(count_names(geopackage, "福 tower"), 1);
    CHECK_EQ(count_names(geopackage, "cafe zuri"), 1);
    CHECK_EQ(count_names(geopackage, "\" OR NOT *"), 0);
    CHECK_EQ(count_names(geopackage, "-"), 0);
    geopackage_close(geopackage);
}

static bool is_odd(void *meeter, uint32_t row, uint32_t number)
{
    (void)meeter;
    return row % 2 == number;
}

static void select__filters_sorts_and_asks_back(void)
{
    struct geopackage *geopackage = open_written(20);
    const struct geopackage_value ten = {.kind = GEOPACKAGE_IS_INT, .integer = 10};
    const struct geopackage_select select = {
        .condition = {"\"storeys\" >= ? AND storey_meets(fid, 1)", &ten, 1, is_odd, NULL},
        .order = {{geopackage_column(geopackage, text_of("measuredHeight")), true}},
        .order_count = 1,
    };
    const struct rows rows = select_rows(geopackage, &select);
    CHECK_EQ(rows.count, 5);
    CHECK_EQ(rows.rows[0], 19);
    CHECK_EQ(rows.rows[4], 11);
    struct geopackage_test *test;
    struct err err;
    bool matches;
    CHECK_OK(geopackage_test_open(geopackage, &select.condition, &test, &err), &err);
    CHECK_OK(geopackage_test_row(test, 11, &matches, &err), &err);
    CHECK(matches);
    CHECK_OK(geopackage_test_row(test, 12, &matches, &err), &err);
    CHECK(!matches);
    geopackage_test_close(test);
    geopackage_close(geopackage);
}

static void select__stops_after_so_many_steps(void)
{
    struct geopackage *geopackage = open_written(3000);
    const struct geopackage_value none = {.kind = GEOPACKAGE_IS_INT, .integer = -1};
    struct geopackage_select select = {.condition = {"\"storeys\" = ?", &none, 1, NULL, NULL},
                                       .steps_limit = 2000};
    struct rows rows = {.count = 0};
    struct err err;
    CHECK_FAILS(geopackage_select(geopackage, &select, take_row, &rows, &err), &err, ERR_LIMIT);
    select.steps_limit = 0;
    CHECK_OK(geopackage_select(geopackage, &select, take_row, &rows, &err), &err);
    geopackage_close(geopackage);
}

static void check__counts_rows(void)
{
    struct geopackage *geopackage = open_written(300);
    struct err err;
    uint64_t rows;
    CHECK_OK(geopackage_check(geopackage, &rows, &err), &err);
    CHECK_EQ(rows, 300);
    geopackage_close(geopackage);
}

static void open__reads_in_the_middle_of_another_file(void)
{
    struct geopackage *geopackage;
    struct err err;
    struct io_map map;
    snprintf(path, sizeof path, "/tmp/storey-test-%ld.gpkg", (long)getpid());
    write_file(path, 50);
    CHECK_OK(io_map(path, &map, &err), &err);
    char inside[160];
    snprintf(inside, sizeof inside, "%s.inside", path);
    FILE *file = fopen(inside, "wbe");
    CHECK(file != NULL);
    CHECK_EQ(fwrite("noise", 1, 5, file), 5);
    CHECK_EQ(fwrite(map.bytes.data, 1, map.bytes.size, file), map.bytes.size);
    CHECK_EQ(fwrite("more", 1, 4, file), 4);
    fclose(file);
    CHECK_OK(geopackage_open(inside, 5, map.bytes.size, &geopackage, &err), &err);
    uint64_t rows;
    CHECK_OK(geopackage_check(geopackage, &rows, &err), &err);
    CHECK_EQ(rows, 50);
    geopackage_close(geopackage);
    io_unmap(&map);
    unlink(inside);
    unlink(path);
}

/* Cut under the reader's hands, and cut from the beginning. */
static void open__says_that_a_file_was_cut(void)
{
    struct geopackage *geopackage;
    struct err err;
    snprintf(path, sizeof path, "/tmp/storey-test-%ld.gpkg", (long)getpid());
    write_file(path, 3000);
    const uint64_t size = size_of(path);
    CHECK_OK(geopackage_open(path, 0, size, &geopackage, &err), &err);
    CHECK(truncate(path, (off_t)size / 2) == 0);
    uint64_t rows;
    struct seen seen = {""};
    bool found;
    CHECK_FAILS(geopackage_row(geopackage, 2900, see, &seen, &found, &err), &err, ERR_IO);
    CHECK_FAILS(geopackage_check(geopackage, &rows, &err), &err, ERR_SYNTAX);
    geopackage_close(geopackage);
    for (uint64_t keep = 0; keep < size / 2; keep += 1021) {
        if (geopackage_open(path, 0, keep, &geopackage, &err)) {
            CHECK(!geopackage_check(geopackage, &rows, &err));
            geopackage_close(geopackage);
        }
        CHECK(err.code == ERR_SYNTAX || err.code == ERR_IO || err.code == ERR_SCHEMA ||
              err.code == ERR_LIBRARY);
    }
    unlink(path);
}

static void open__refuses_what_is_no_geopackage_of_ours(void)
{
    struct geopackage *geopackage;
    struct err err;
    snprintf(path, sizeof path, "/tmp/storey-test-%ld.gpkg", (long)getpid());
    FILE *file = fopen(path, "wbe");
    CHECK(file != NULL);
    fputs("this is no database, but it is long enough to be asked for its header, is it not? "
          "Pages are 512 bytes at least.",
          file);
    fclose(file);
    CHECK_FAILS(geopackage_open(path, 0, size_of(path), &geopackage, &err), &err, ERR_SYNTAX);
    unlink(path);
    CHECK_FAILS(geopackage_open(path, 0, 10, &geopackage, &err), &err, ERR_IO);
}

static void writer__writes_the_same_bytes_again(void)
{
    char other[160];
    struct err err;
    struct io_map first;
    struct io_map second;
    snprintf(path, sizeof path, "/tmp/storey-test-%ld.gpkg", (long)getpid());
    snprintf(other, sizeof other, "%s.again", path);
    write_file(path, 2000);
    write_file(other, 2000);
    CHECK_OK(io_map(path, &first, &err), &err);
    CHECK_OK(io_map(other, &second, &err), &err);
    CHECK_EQ(first.bytes.size, second.bytes.size);
    CHECK(memcmp(first.bytes.data, second.bytes.data, first.bytes.size) == 0);
    io_unmap(&first);
    io_unmap(&second);
    unlink(path);
    unlink(other);
}

CHECK_MAIN(CHECK_TEST(row__has_every_value_in_its_type),
           CHECK_TEST(columns__that_clash_are_told_apart),
           CHECK_TEST(search__finds_chinese_by_one_or_two_characters),
           CHECK_TEST(select__filters_sorts_and_asks_back),
           CHECK_TEST(select__stops_after_so_many_steps), CHECK_TEST(check__counts_rows),
           CHECK_TEST(open__reads_in_the_middle_of_another_file),
           CHECK_TEST(open__says_that_a_file_was_cut),
           CHECK_TEST(open__refuses_what_is_no_geopackage_of_ours),
           CHECK_TEST(writer__writes_the_same_bytes_again))

/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/property_table.h"
#include "tests/check.h"

enum { ROWS = 9 };

static const struct text codes[] = {{"住宅", 6}, {"unknown", 7}, {"", 0}};
static const struct property properties[] = {
    {.id = {"id", 2},
     .name = {"id", 2},
     .type = PROPERTY_STRING,
     .is_required = true,
     .semantic = "ID"},
    {.id = {"is_old", 6}, .type = PROPERTY_BOOL, .is_required = true},
    {.id = {"lit", 3}, .name = {"lit \"x\"", 7}, .type = PROPERTY_TRISTATE},
    {.id = {"storeys", 7}, .type = PROPERTY_INT32},
    {.id = {"cadastre", 8}, .type = PROPERTY_INT64},
    {.id = {"height", 6}, .type = PROPERTY_FLOAT64, .semantic = "HEIGHT"},
    {.id = {"u540d", 5}, .name = {"名", 3}, .type = PROPERTY_STRING},
    {.id = {"use", 3}, .type = PROPERTY_ENUM, .enum_names = codes, .enum_count = 3},
    {.id = {"kind", 4},
     .type = PROPERTY_ENUM,
     .is_required = true,
     .enum_names = codes,
     .enum_count = 2},
};
static const struct property_schema schema = {
    .properties = properties, .property_count = sizeof properties / sizeof properties[0]};

static void property_id_from_name__makes_ids_that_differ(void)
{
    static const char *const cases[][2] = {
        {"height", "height"},
        {"", "_"},
        {"3d", "_3d"},
        {"a-b c", "a_b_c"},
        {"名称", "u540du79f0"},
        {"é", "u00e9"},
        {"\xf0\x9f\x8f\xa0", "u01f3e0"},
        {"x\xff", "xufffd"},
        {"\xe5\x90", "ufffdufffd"},
    };
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct text id;
        struct err err;
        CHECK_OK(property_id_from_name(text_of(cases[i][0]), &arena, &id, &err), &err);
        CHECK_TEXT_IS(id, cases[i][1]);
    }
    arena_release(&arena);
}

static void property_schema_read__takes_back_what_was_printed(void)
{
    struct buf json;
    buf_init(&json, 1 << 20);
    property_schema_print(&schema, &json);
    struct err err;
    CHECK_OK(buf_finish(&json, &err), &err);
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct property_schema got;
    CHECK_OK(property_schema_read(buf_span(&json), text_of("feature"), &arena, &got, &err), &err);
    CHECK_EQ(got.property_count, schema.property_count);
    for (size_t i = 0; i < got.property_count; i++) {
        CHECK(text_equals(got.properties[i].id, properties[i].id));
        CHECK(text_equals(got.properties[i].name, properties[i].name));
        CHECK_EQ(got.properties[i].type, properties[i].type);
        CHECK_EQ(got.properties[i].is_required, properties[i].is_required);
        CHECK_EQ(got.properties[i].enum_count, properties[i].enum_count);
        CHECK_EQ(property_schema_find(&got, properties[i].id), i);
    }
    CHECK_TEXT(got.properties[0].semantic, "ID");
    CHECK_TEXT_IS(got.properties[7].enum_names[0], "住宅");
    CHECK_EQ(property_schema_find(&got, text_of("no")), SIZE_MAX);

    /* printing what was read gives the same bytes */
    struct buf again;
    buf_init(&again, 1 << 20);
    property_schema_print(&got, &again);
    CHECK_EQ(again.size, json.size);
    CHECK(memcmp(again.data, json.data, json.size) == 0);
    buf_release(&again);
    buf_release(&json);
    arena_release(&arena);
}

static void property_schema_print__is_the_text_that_the_format_asks_for(void)
{
    static const struct property two[] = {
        {.id = {"id", 2}, .type = PROPERTY_STRING, .is_required = true, .semantic = "ID"},
        {.id = {"lit", 3}, .name = {"亮", 3}, .type = PROPERTY_TRISTATE},
    };
    const struct property_schema small = {.properties = two, .property_count = 2};
    struct buf json;
    buf_init(&json, 1 << 20);
    property_schema_print(&small, &json);
    CHECK_TEXT_IS(
        ((struct text){(const char *)json.data, json.size}),
        "{\"id\":\"storey\",\"enums\":{\"tristate\":{\"valueType\":\"UINT8\",\"values\":["
        "{\"name\":\"no\",\"value\":0},{\"name\":\"yes\",\"value\":1},"
        "{\"name\":\"unknown\",\"value\":2}]}},\"classes\":{\"feature\":{\"properties\":{\n"
        "\"id\":{\"type\":\"STRING\",\"required\":true,\"semantic\":\"ID\"},\n"
        "\"lit\":{\"name\":\"亮\",\"type\":\"ENUM\",\"enumType\":\"tristate\","
        "\"noData\":\"unknown\"}}}}}");
    buf_release(&json);
}

/* Values at the edges of their types. */
static const uint8_t bools[ROWS] = {1, 0, 0, 1, 1, 0, 1, 0, 1};
static const uint8_t tristates[ROWS] = {0, 1, 2, 0, 1, 2, 2, 1, 0};
static const int32_t ints[ROWS] = {0, -1, INT32_MAX, PROPERTY_NO_INT32, 7, 8, 9, 10, -2147483647};
static const int64_t longs[ROWS] = {
    0, -1, INT64_MAX, PROPERTY_NO_INT64, 1LL << 53, (1LL << 53) + 1, -5, INT64_MIN + 1, 12};
static const double reals[ROWS] = {0, -0.5, 1e308, PROPERTY_NO_FLOAT64, 5e-324, 0.1, 1, 2, 3};
static const struct text strings[ROWS] = {{"楼层", 6}, {"", 0},  {"a", 1},  {"", 0}, {"𠀀", 4},
                                          {"b", 1},    {"c", 1}, {"\"", 1}, {"", 0}};
static const struct text empties[ROWS] = {{NULL, 0}};
static const uint8_t enums[ROWS] = {0, 1, 2, 255, 0, 0, 1, 2, 255};

static const struct property_column columns[] = {
    {.property = 1, .values.small = bools},   {.property = 2, .values.small = tristates},
    {.property = 3, .values.int32 = ints},    {.property = 4, .values.int64 = longs},
    {.property = 5, .values.float64 = reals}, {.property = 6, .values.string = strings},
    {.property = 7, .values.small = enums},   {.property = 6, .values.string = empties},
};
enum { COLUMNS = sizeof columns / sizeof columns[0] };
static const struct property_table table = {
    .schema = &schema, .row_count = ROWS, .columns = columns, .column_count = COLUMNS};

static void check_row(const struct property_column *got, const struct property_column *want,
                      uint32_t i)
{
    switch (properties[want->property].type) {
    case PROPERTY_BOOL:
    case PROPERTY_TRISTATE:
    case PROPERTY_ENUM:
        CHECK_EQ(got->values.small[i], want->values.small[i]);
        break;
    case PROPERTY_INT32:
        CHECK_EQ(got->values.int32[i], want->values.int32[i]);
        break;
    case PROPERTY_INT64:
        CHECK_EQ(got->values.int64[i], want->values.int64[i]);
        break;
    case PROPERTY_FLOAT64:
        CHECK(memcmp(&got->values.float64[i], &want->values.float64[i], 8) == 0);
        break;
    case PROPERTY_STRING:
        CHECK(text_equals(got->values.string[i], want->values.string[i]));
        break;
    }
}

static void property_unpack__takes_back_what_was_packed(void)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (size_t c = 0; c < COLUMNS; c++) {
        struct property_packed packed;
        struct err err;
        CHECK_OK(property_pack(&table, c, &arena, &packed, &err), &err);
        struct property_packed exact = {
            .values = check_heap_copy(packed.values.data, packed.values.size),
            .offsets = check_heap_copy(packed.offsets.data, packed.offsets.size),
            .offset_bytes = packed.offset_bytes};
        struct property_column got = {.property = columns[c].property};
        CHECK_OK(property_unpack(&properties[got.property], &exact, ROWS, &arena, &got, &err),
                 &err);
        for (uint32_t i = 0; i < ROWS; i++) {
            check_row(&got, &columns[c], i);
        }
        check_heap_free(exact.values);
        check_heap_free(exact.offsets);
    }
    arena_release(&arena);
}

static void property_pack__makes_the_bytes_of_the_binary_format(void)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct property_packed packed;
    struct err err;
    CHECK_OK(property_pack(&table, 0, &arena, &packed, &err), &err);
    CHECK_EQ(packed.values.size, 2);
    CHECK_EQ(packed.values.data[0], 0x59); /* bits 0, 3, 4, 6 */
    CHECK_EQ(packed.values.data[1], 1);
    CHECK_OK(property_pack(&table, 5, &arena, &packed, &err), &err);
    CHECK_EQ(packed.offset_bytes, 1);
    static const uint8_t offsets[ROWS + 1] = {0, 6, 6, 7, 7, 11, 12, 13, 14, 14};
    CHECK_EQ(packed.offsets.size, sizeof offsets);
    CHECK(memcmp(packed.offsets.data, offsets, sizeof offsets) == 0);
    CHECK_OK(property_pack(&table, 7, &arena, &packed, &err), &err);
    CHECK_EQ(packed.values.size, 1); /* all strings empty, the view is not */
    CHECK_EQ(packed.offsets.data[0], 1);
    CHECK_EQ(packed.offsets.data[ROWS], 1);
    arena_release(&arena);
}

static void property_pack__takes_the_narrowest_offsets(void)
{
    static char long_text[70000];
    memset(long_text, 'x', sizeof long_text);
    static const struct {
        size_t size;
        int bytes;
    } cases[] = {{255, 1}, {256, 2}, {65535, 2}, {65536, 4}};
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < 4; i++) {
        const struct text one = {long_text, cases[i].size};
        const struct property_column column = {.property = 0, .values.string = &one};
        const struct property_table single = {
            .schema = &schema, .row_count = 1, .columns = &column, .column_count = 1};
        struct property_packed packed;
        struct err err;
        CHECK_OK(property_pack(&single, 0, &arena, &packed, &err), &err);
        CHECK_EQ(packed.offset_bytes, cases[i].bytes);
        struct property_column got;
        CHECK_OK(property_unpack(&properties[0], &packed, 1, &arena, &got, &err), &err);
        CHECK_EQ(got.values.string[0].size, cases[i].size);
    }
    arena_release(&arena);
}

static void property_unpack__fails_on_every_truncation(void)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (size_t c = 0; c < COLUMNS; c++) {
        struct property_packed packed;
        struct property_column got;
        struct err err;
        CHECK_OK(property_pack(&table, c, &arena, &packed, &err), &err);
        const struct property *property = &properties[columns[c].property];
        for (size_t keep = 0; keep < packed.values.size; keep++) {
            struct property_packed cut = packed;
            cut.values = check_heap_copy(packed.values.data, keep);
            CHECK_FAILS(property_unpack(property, &cut, ROWS, &arena, &got, &err), &err,
                        ERR_SCHEMA);
            check_heap_free(cut.values);
        }
        for (size_t keep = 0; keep < packed.offsets.size; keep++) {
            struct property_packed cut = packed;
            cut.offsets = check_heap_copy(packed.offsets.data, keep);
            CHECK_FAILS(property_unpack(property, &cut, ROWS, &arena, &got, &err), &err,
                        ERR_SCHEMA);
            check_heap_free(cut.offsets);
        }
    }
    arena_release(&arena);
}

static void property_unpack__refuses_values_that_mean_nothing(void)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct property_column got;
    struct err err;
    static const uint8_t descending[] = {0, 2, 1};
    static const uint8_t text[] = {'a', 0xff};
    struct property_packed strings_packed = {{text, 2}, {descending, 3}, 1};
    CHECK_FAILS(property_unpack(&properties[6], &strings_packed, 2, &arena, &got, &err), &err,
                ERR_SCHEMA);
    static const uint8_t not_utf8[] = {0, 1, 2};
    strings_packed.offsets = (struct span){not_utf8, 3};
    CHECK_FAILS(property_unpack(&properties[6], &strings_packed, 2, &arena, &got, &err), &err,
                ERR_SCHEMA);
    static const uint8_t three[] = {3};
    const struct property_packed small = {.values = {three, 1}};
    CHECK_FAILS(property_unpack(&properties[2], &small, 1, &arena, &got, &err), &err, ERR_SCHEMA);
    CHECK_FAILS(property_unpack(&properties[7], &small, 1, &arena, &got, &err), &err, ERR_SCHEMA);
    static const uint8_t none[] = {PROPERTY_NO_ENUM};
    const struct property_packed missing = {.values = {none, 1}};
    CHECK_OK(property_unpack(&properties[7], &missing, 1, &arena, &got, &err), &err);
    CHECK_FAILS(property_unpack(&properties[8], &missing, 1, &arena, &got, &err), &err, ERR_SCHEMA);
    static const uint8_t huge[8] = {0, 0, 0, 0, 0, 0, 0, 0x80};
    const struct property_packed wide = {.values = {huge, 8}};
    const struct property unsigned_property = {
        .id = {"n", 1}, .type = PROPERTY_INT64, .stored = PROPERTY_UINT64};
    CHECK_FAILS(property_unpack(&unsigned_property, &wide, 1, &arena, &got, &err), &err,
                ERR_SCHEMA);
    arena_release(&arena);
}

static void property_is_missing__knows_what_stands_for_nothing(void)
{
    static const uint32_t missing_row[COLUMNS] = {ROWS, 2, 3, 3, 3, 1, 3, 0};
    for (size_t c = 0; c < COLUMNS; c++) {
        CHECK(!property_is_missing(&schema, &columns[c], 4) || c == COLUMNS - 1);
        if (missing_row[c] < ROWS) {
            CHECK(property_is_missing(&schema, &columns[c], missing_row[c]));
        }
    }
}

/* Another program's schema: what the hub has is read, the rest left out. */
static void property_schema_read__takes_what_it_knows_of_others(void)
{
    static const char json[] =
        "{\"id\":\"x\",\"enums\":{\"e\":{\"values\":[{\"name\":\"A\",\"value\":5}]}},"
        "\"classes\":{\"other\":{},\"c\":{\"properties\":{"
        "\"v\":{\"type\":\"VEC3\",\"componentType\":\"FLOAT32\"},"
        "\"n\":{\"type\":\"SCALAR\",\"componentType\":\"UINT16\",\"noData\":9},"
        "\"a\":{\"type\":\"STRING\",\"array\":true},"
        "\"e\":{\"type\":\"ENUM\",\"enumType\":\"e\"},"
        "\"f\":{\"type\":\"SCALAR\",\"componentType\":\"FLOAT32\"},"
        "\"s\":{\"type\":\"SCALAR\",\"componentType\":\"INT8\",\"normalized\":true}}}}}";
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct property_schema got;
    struct err err;
    const struct span bytes = {(const uint8_t *)json, sizeof json - 1};
    CHECK_OK(property_schema_read(bytes, text_of("c"), &arena, &got, &err), &err);
    CHECK_EQ(got.property_count, 2);
    CHECK_TEXT_IS(got.properties[0].id, "n");
    CHECK_EQ(got.properties[0].stored, PROPERTY_UINT16);
    CHECK(got.properties[0].is_required); /* 9 is a value like any other */
    static const uint8_t stored[] = {0xff, 0xff, 1, 0};
    const struct property_packed packed = {.values = {stored, 4}};
    struct property_column column;
    CHECK_OK(property_unpack(&got.properties[0], &packed, 2, &arena, &column, &err), &err);
    CHECK_EQ(column.values.int32[0], 65535);
    CHECK_EQ(column.values.int32[1], 1);
    static const uint8_t half[] = {0, 0, 0, 0x3f};
    const struct property_packed real = {.values = {half, 4}};
    CHECK_OK(property_unpack(&got.properties[1], &real, 1, &arena, &column, &err), &err);
    CHECK_NEAR(column.values.float64[0], 0.5, 0, "");

    CHECK_OK(property_schema_read(bytes, text_of("other"), &arena, &got, &err), &err);
    CHECK_EQ(got.property_count, 0);
    arena_release(&arena);
}

static void property_schema_read__says_what_is_wrong(void)
{
    static const struct {
        const char *json;
        enum err_code code;
        uint64_t offset;
    } cases[] = {
        {"{", ERR_SYNTAX, 1},
        {"{\"classes\":{}}", ERR_SCHEMA, 0},
        {"{\"classes\":{\"a\":{\"properties\":{\"p\":{\"type\":\"WORD\"}}}}}", ERR_SCHEMA, 35},
        {"{\"classes\":{\"a\":{\"properties\":{\"p\":{\"type\":\"SCALAR\"}}}}}", ERR_SCHEMA, 35},
        {"{\"classes\":{\"a\":{\"properties\":{\"p\":{\"type\":\"ENUM\",\"enumType\":\"q\"}}}}}",
         ERR_SCHEMA, 35},
    };
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct span bytes = {(const uint8_t *)cases[i].json, strlen(cases[i].json)};
        struct property_schema got;
        struct err err;
        CHECK_FAILS(property_schema_read(bytes, text_of(""), &arena, &got, &err), &err,
                    cases[i].code);
        CHECK_EQ(err.offset, cases[i].offset);
    }
    arena_release(&arena);
}

static void property__survives_every_allocation_failing(void)
{
    struct buf json;
    buf_init(&json, 1 << 20);
    property_schema_print(&schema, &json);
    bool ok = false;
    for (size_t n = 1; !ok; n++) {
        struct arena arena;
        arena_init(&arena, 1 << 20);
        arena.fail_after = n;
        struct property_schema got;
        struct err err;
        struct text id;
        ok = property_schema_read(buf_span(&json), text_of(""), &arena, &got, &err) &&
             property_id_from_name(text_of("名"), &arena, &id, &err);
        for (size_t c = 0; ok && c < COLUMNS; c++) {
            struct property_packed packed;
            struct property_column column;
            ok = property_pack(&table, c, &arena, &packed, &err) &&
                 property_unpack(&properties[columns[c].property], &packed, ROWS, &arena, &column,
                                 &err);
        }
        CHECK(ok || err.code == ERR_NOMEM);
        arena_release(&arena);
    }
    buf_release(&json);
}

CHECK_MAIN(CHECK_TEST(property_id_from_name__makes_ids_that_differ),
           CHECK_TEST(property_schema_read__takes_back_what_was_printed),
           CHECK_TEST(property_schema_print__is_the_text_that_the_format_asks_for),
           CHECK_TEST(property_unpack__takes_back_what_was_packed),
           CHECK_TEST(property_pack__makes_the_bytes_of_the_binary_format),
           CHECK_TEST(property_pack__takes_the_narrowest_offsets),
           CHECK_TEST(property_unpack__fails_on_every_truncation),
           CHECK_TEST(property_unpack__refuses_values_that_mean_nothing),
           CHECK_TEST(property_is_missing__knows_what_stands_for_nothing),
           CHECK_TEST(property_schema_read__takes_what_it_knows_of_others),
           CHECK_TEST(property_schema_read__says_what_is_wrong),
           CHECK_TEST(property__survives_every_allocation_failing))

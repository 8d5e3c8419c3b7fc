/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/rows.h"

#include "tests/check.h"
#include "tiler/dictionary.h"

static struct arena run;
static struct property_schema schema;
static uint32_t *property_of_key;
static struct record_attribute attributes[3];

static void add(struct dictionary *dictionary, size_t i, const char *key,
                struct feature_value value)
{
    struct err err;
    attributes[i].value = value;
    CHECK_OK(dictionary_add(dictionary, text_of(key), &value, &attributes[i].key, &err), &err);
}

/* A run whose features have a usage, a year and a height of their own. */
static void start(const char *const *far, size_t far_count)
{
    struct dictionary *dictionary;
    struct err err;
    arena_init(&run, 1 << 24);
    CHECK_OK(dictionary_open(&run, &dictionary, &err), &err);
    add(dictionary, 0, "usage", (struct feature_value){.type = FEATURE_TEXT, .text = {"住宅", 6}});
    add(dictionary, 1, "year", (struct feature_value){.type = FEATURE_INT, .integer = 1987});
    add(dictionary, 2, "height", (struct feature_value){.type = FEATURE_REAL, .real = 31.25});
    CHECK_OK(dictionary_add_class(dictionary, text_of("+Tower"), &err), &err);
    if (far != NULL) {
        dictionary_keep_far(dictionary, far, far_count);
    }
    CHECK_OK(dictionary_schema(dictionary, 2, &run, &schema, &property_of_key, &err), &err);
}

static struct figure tower(void)
{
    return (struct figure){.id = {"t-1", 3},
                           .class_name = {"+Tower", 6},
                           .name = {"平安", 6},
                           .parent_id = {"p-1", 3},
                           .height_m = 30,
                           .member_count = 1};
}

/* The column of a property, or NULL. */
static const struct property_column *column_of(const struct property_table *table, const char *name)
{
    for (size_t i = 0; i < table->column_count; i++) {
        if (text_is(schema.properties[table->columns[i].property].name, name)) {
            return &table->columns[i];
        }
    }
    return NULL;
}

static struct property_table make(const struct tile_item *items, size_t count, bool is_far)
{
    const struct tile_request request = {.items = items,
                                         .item_count = count,
                                         .is_far = is_far,
                                         .schema = &schema,
                                         .property_of_key = property_of_key};
    struct property_table table;
    struct err err;
    CHECK_OK(rows_make(&request, &run, &table, &err), &err);
    return table;
}

static void rows_make__gives_leaves_all_and_far_tiles_the_usual(void)
{
    start(NULL, 0);
    struct figure figure = tower();
    const struct record record = {.attributes = attributes, .attribute_count = 3};
    struct err err;
    CHECK_OK(rows_keep_far(&record, &schema, property_of_key, &run, &figure, &err), &err);
    CHECK_EQ(figure.value_count, 1); /* the source's own height */
    const struct tile_item near[] = {{&figure, NULL, &record}};
    struct property_table table = make(near, 1, false);
    CHECK_TEXT(property_table_class(&table), "feature");
    CHECK_EQ(table.column_count, 7);
    CHECK_TEXT_IS(column_of(&table, "parent")->values.string[0], "p-1");
    CHECK_EQ(column_of(&table, "year")->values.int32[0], 1987);
    CHECK(column_of(&table, "height")->values.float64[0] == 31.25);
    CHECK_EQ(column_of(&table, "class")->values.small[0], feature_class_count);

    const struct tile_item far[] = {{&figure, NULL, NULL}};
    table = make(far, 1, true);
    CHECK_TEXT(property_table_class(&table), "brief");
    CHECK_EQ(table.column_count, 4);
    CHECK(column_of(&table, "parent") == NULL);
    CHECK_TEXT_IS(column_of(&table, "name")->values.string[0], "平安");
    CHECK(column_of(&table, "height")->values.float64[0] == 31.25);
    arena_release(&run);
}

static void rows_make__gives_far_tiles_what_was_asked_for(void)
{
    static const char *const names[] = {"usage", "parent"};
    start(names, 2);
    struct figure figure = tower();
    struct figure group = {.id = {"group-0123456789", 16},
                           .class_name = {"Building", 8},
                           .height_m = 12,
                           .is_group = true,
                           .member_count = 40};
    const struct record record = {.attributes = attributes, .attribute_count = 3};
    struct err err;
    CHECK_OK(rows_keep_far(&record, &schema, property_of_key, &run, &figure, &err), &err);
    CHECK_EQ(figure.value_count, 1);
    const struct tile_item items[] = {{&figure, NULL, NULL}, {&group, NULL, NULL}};
    const struct property_table table = make(items, 2, true);
    CHECK_EQ(table.column_count, 4);
    CHECK_TEXT_IS(column_of(&table, "id")->values.string[1], "group-0123456789");
    CHECK_TEXT_IS(column_of(&table, "usage")->values.string[0], "住宅");
    CHECK_EQ(column_of(&table, "usage")->values.string[1].size, 0);
    CHECK_TEXT_IS(column_of(&table, "parent")->values.string[0], "p-1");
    CHECK_EQ(column_of(&table, "member_count")->values.int32[0], PROPERTY_NO_INT32);
    CHECK_EQ(column_of(&table, "member_count")->values.int32[1], 40);
    arena_release(&run);
}

CHECK_MAIN(CHECK_TEST(rows_make__gives_leaves_all_and_far_tiles_the_usual),
           CHECK_TEST(rows_make__gives_far_tiles_what_was_asked_for))

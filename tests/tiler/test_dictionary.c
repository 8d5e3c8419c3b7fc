/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/dictionary.h"

#include "tests/check.h"

static struct arena run;
static struct dictionary *dictionary;

static void start(void)
{
    struct err err;
    arena_init(&run, 1 << 24);
    CHECK_OK(dictionary_open(&run, &dictionary, &err), &err);
}

static uint32_t add(const char *key, struct feature_value value)
{
    struct err err;
    uint32_t number = UINT32_MAX;
    CHECK_OK(dictionary_add(dictionary, text_of(key), &value, &number, &err), &err);
    return number;
}

#define INT(n) ((struct feature_value){.type = FEATURE_INT, .integer = (n)})
#define REAL(n) ((struct feature_value){.type = FEATURE_REAL, .real = (n)})
#define BOOL(n) ((struct feature_value){.type = FEATURE_BOOL, .boolean = (n)})
#define TEXT(t) ((struct feature_value){.type = FEATURE_TEXT, .text = text_of(t)})
#define NOTHING ((struct feature_value){.type = FEATURE_NULL})

static const struct property *property_named(const struct property_schema *schema, const char *name)
{
    for (size_t i = 0; i < schema->property_count; i++) {
        if (text_is(schema->properties[i].name, name) && i >= BUILTIN_COUNT) {
            return &schema->properties[i];
        }
    }
    fail_msg("no property '%s'", name);
    return NULL;
}

static void dictionary_schema__widens_types_and_no_further(void)
{
    start();
    struct err err;
    add("small", INT(1));
    add("small", INT(-2000000000));
    add("large", INT(1));
    add("large", INT(3000000000));
    add("huge", INT(INT64_MAX));
    add("mixed", INT(1));
    add("mixed", REAL(0.5));
    add("words", INT(1));
    add("words", TEXT("one"));
    add("always", BOOL(true));
    add("always", BOOL(false));
    add("sometimes", BOOL(true));
    add("never", NOTHING);
    add("edge", INT(INT32_MIN));
    add("edge64", INT(INT64_MIN));
    struct property_schema schema;
    uint32_t *property_of_key;
    CHECK_OK(dictionary_schema(dictionary, 2, &run, &schema, &property_of_key, &err), &err);
    CHECK_EQ(property_named(&schema, "small")->type, PROPERTY_INT32);
    CHECK_EQ(property_named(&schema, "large")->type, PROPERTY_FLOAT64);
    CHECK_EQ(property_named(&schema, "huge")->type, PROPERTY_INT64);
    CHECK_EQ(property_named(&schema, "mixed")->type, PROPERTY_FLOAT64);
    CHECK_EQ(property_named(&schema, "words")->type, PROPERTY_STRING);
    CHECK_EQ(property_named(&schema, "always")->type, PROPERTY_BOOL);
    CHECK(property_named(&schema, "always")->is_required);
    CHECK_EQ(property_named(&schema, "sometimes")->type, PROPERTY_TRISTATE);
    CHECK_EQ(property_named(&schema, "edge")->type, PROPERTY_FLOAT64);
    CHECK_EQ(property_named(&schema, "edge64")->type, PROPERTY_STRING);
    CHECK_EQ(property_of_key[add("never", NOTHING)], UINT32_MAX);
    arena_release(&run);
}

static void dictionary_schema__does_not_depend_on_the_order_of_keys(void)
{
    struct buf json[2];
    struct err err;
    for (int round = 0; round < 2; round++) {
        start();
        const char *const keys[] = {"b", "a", "\xe9\xab\x98\xe5\xba\xa6", "A b"};
        for (int i = 0; i < 4; i++) {
            add(keys[round == 0 ? i : 3 - i], INT(i));
        }
        struct property_schema schema;
        uint32_t *property_of_key;
        CHECK_OK(dictionary_schema(dictionary, 1, &run, &schema, &property_of_key, &err), &err);
        buf_init(&json[round], 1 << 20);
        property_schema_print(&schema, &json[round]);
        CHECK_OK(buf_finish(&json[round], &err), &err);
        arena_release(&run);
    }
    CHECK_EQ(json[0].size, json[1].size);
    CHECK(memcmp(json[0].data, json[1].data, json[0].size) == 0);
    buf_release(&json[0]);
    buf_release(&json[1]);
}

static void dictionary_schema__lets_the_source_say_height_and_name(void)
{
    start();
    struct err err;
    const uint32_t height = add("height", REAL(12.5));
    const uint32_t name = add("name", TEXT("x"));
    const uint32_t id = add("id", TEXT("inner"));
    struct property_schema schema;
    uint32_t *property_of_key;
    CHECK_OK(dictionary_schema(dictionary, 1, &run, &schema, &property_of_key, &err), &err);
    CHECK_EQ(property_of_key[height], BUILTIN_HEIGHT);
    CHECK_EQ(property_of_key[name], BUILTIN_NAME);
    CHECK_TEXT_IS(schema.properties[property_of_key[id]].id, "id_2");
    arena_release(&run);
}

static void dictionary_add__refuses_one_key_too_many(void)
{
    start();
    struct err err;
    char key[16];
    for (int i = 0; i < DICTIONARY_KEYS_MAX; i++) {
        snprintf(key, sizeof key, "k%d", i);
        add(key, INT(i));
    }
    uint32_t number;
    const struct feature_value value = INT(1);
    CHECK_EQ(add("k17", INT(17)), 17);
    CHECK_FAILS(dictionary_add(dictionary, text_of("one more"), &value, &number, &err), &err,
                ERR_LIMIT);
    arena_release(&run);
}

static void add_class(const char *name)
{
    struct err err;
    CHECK_OK(dictionary_add_class(dictionary, text_of(name), &err), &err);
}

static void dictionary_schema__numbers_the_declared_classes_then_others(void)
{
    start();
    struct err err;
    add_class("+Noise");
    add_class("Building");
    add_class("+Bench");
    add_class("+Noise");
    struct property_schema schema;
    uint32_t *property_of_key;
    CHECK_OK(dictionary_schema(dictionary, 1, &run, &schema, &property_of_key, &err), &err);
    const struct property *class = &schema.properties[BUILTIN_CLASS];
    CHECK_EQ(class->type, PROPERTY_ENUM);
    CHECK(class->is_required);
    CHECK_EQ(class->enum_count, feature_class_count + 2);
    CHECK_TEXT_IS(class->enum_names[0], "Building");
    CHECK_TEXT_IS(class->enum_names[feature_class_count], "+Bench");
    CHECK_TEXT_IS(class->enum_names[feature_class_count + 1], "+Noise");
    arena_release(&run);
}

static void dictionary_schema__has_classes_as_text_when_they_are_too_many(void)
{
    start();
    struct err err;
    for (int i = 0; i < PROPERTY_ENUM_MAX; i++) {
        char name[16];
        snprintf(name, sizeof name, "+Kind%d", i);
        add_class(name);
    }
    struct property_schema schema;
    uint32_t *property_of_key;
    CHECK_OK(dictionary_schema(dictionary, 1, &run, &schema, &property_of_key, &err), &err);
    CHECK_EQ(schema.properties[BUILTIN_CLASS].type, PROPERTY_STRING);
    arena_release(&run);
}

static void dictionary_schema__keeps_for_far_tiles_what_is_asked_for(void)
{
    start();
    struct err err;
    add("class", TEXT("A2"));
    add("usage", TEXT("office"));
    struct property_schema schema;
    uint32_t *property_of_key;
    CHECK_OK(dictionary_schema(dictionary, 1, &run, &schema, &property_of_key, &err), &err);
    CHECK(schema.properties[BUILTIN_CLASS].is_brief);
    CHECK(schema.properties[BUILTIN_HEIGHT].is_brief);
    CHECK(!schema.properties[BUILTIN_PARENT].is_brief);
    CHECK(!property_named(&schema, "class")->is_brief); /* the source's own */
    CHECK(!property_named(&schema, "usage")->is_brief);

    static const char *const names[] = {"usage", "class_2", "parent"};
    dictionary_keep_far(dictionary, names, 3);
    CHECK_OK(dictionary_schema(dictionary, 1, &run, &schema, &property_of_key, &err), &err);
    CHECK(schema.properties[BUILTIN_ID].is_brief);
    CHECK(schema.properties[BUILTIN_MEMBER_COUNT].is_brief);
    CHECK(!schema.properties[BUILTIN_CLASS].is_brief);
    CHECK(!schema.properties[BUILTIN_HEIGHT].is_brief);
    CHECK(schema.properties[BUILTIN_PARENT].is_brief);
    CHECK(property_named(&schema, "class")->is_brief);
    CHECK(property_named(&schema, "usage")->is_brief);
    arena_release(&run);
}

CHECK_MAIN(CHECK_TEST(dictionary_schema__widens_types_and_no_further),
           CHECK_TEST(dictionary_schema__does_not_depend_on_the_order_of_keys),
           CHECK_TEST(dictionary_schema__numbers_the_declared_classes_then_others),
           CHECK_TEST(dictionary_schema__has_classes_as_text_when_they_are_too_many),
           CHECK_TEST(dictionary_schema__keeps_for_far_tiles_what_is_asked_for),
           CHECK_TEST(dictionary_schema__lets_the_source_say_height_and_name),
           CHECK_TEST(dictionary_add__refuses_one_key_too_many))

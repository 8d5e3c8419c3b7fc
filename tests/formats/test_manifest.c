/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/manifest.h"

#include "tests/check.h"

enum { LIMIT_BYTES = 1 << 20 };

static struct span span_of(const char *text)
{
    return (struct span){(const uint8_t *)text, strlen(text)};
}

static const char smallest[] = "{\"generator\":\"storey 0.1.0\",\"manifest\":1}";

/* As manifest_print() writes it. */
static const char full[] =
    "{\"generator\":\"storey 0.1.0\",\"manifest\":1,\n"
    "\"options\":{\"compress\":\"draco\"},\n"
    "\"inputs\":[\n"
    "{\"name\":\"\xE5\x9F\x8E.city.json\",\"bytes\":123,\"digest\":"
    "\"712b4c07bad61fed9257ded6509cdadd\",\"features\":3,\"crs\":\"EPSG:4547\","
    "\"operation\":\"pipeline\",\"accuracy_m\":1.5,\"notes\":\"n\"}],\n"
    "\"counts\":{\"features\":3,\"triangles\":9007199254740993},\n"
    "\"levels\":[\n"
    "{\"level\":0,\"tiles\":1,\"features\":7,\"triangles\":90,\"bytes\":10,\"error_min_m\":2.5,"
    "\"error_median_m\":2.5,\"error_max_m\":2.5},\n"
    "{\"level\":1,\"tiles\":4,\"features\":12,\"triangles\":300,\"bytes\":40,\"error_min_m\":0,"
    "\"error_median_m\":0.0005,\"error_max_m\":0.001}],\n"
    "\"tiles\":[\n"
    "{\"name\":\"tiles/1-0.glb\",\"level\":0,\"features\":7,\"triangles\":90,\"error_m\":2.5,"
    "\"stated_m\":4}],\n"
    "\"warnings\":[\n"
    "{\"level\":\"skipped\",\"kind\":\"ring-too-short\",\"count\":2}],\n"
    "\"beside\":[\"big.gpkg\"],\n"
    "\"files\":[\n"
    "{\"name\":\"features.idx\",\"bytes\":5,\"digest\":\"99aa06d3014798d86001c324468d497f\"},\n"
    "{\"name\":\"tileset.json\",\"bytes\":6,\"digest\":\"712b4c07bad61fed9257ded6509cdadd\"}]}\n";

static bool read_text(const char *json, struct err *err)
{
    struct arena source;
    struct manifest manifest;
    arena_init(&source, LIMIT_BYTES);
    const bool ok = manifest_read(span_of(json), &source, &manifest, err);
    arena_release(&source);
    return ok;
}

static void manifest_read__reads_the_smallest_manifest(void)
{
    struct err err;
    CHECK_OK(read_text(smallest, &err), &err);
}

static void manifest_print__gives_back_what_was_read(void)
{
    struct arena source;
    struct manifest manifest;
    struct err err;
    struct buf out;
    arena_init(&source, LIMIT_BYTES);
    buf_init(&out, LIMIT_BYTES);
    CHECK_OK(manifest_read(span_of(full), &source, &manifest, &err), &err);
    CHECK(manifest_find(&manifest, text_of("tileset.json")) == &manifest.files[1]);
    CHECK(manifest_find(&manifest, text_of("features.idx")) == &manifest.files[0]);
    CHECK(manifest_find(&manifest, text_of("features")) == NULL);
    CHECK(manifest.inputs[0].accuracy_m == 1.5);
    manifest_print(&manifest, &out);
    buf_add_byte(&out, '\0');
    CHECK_TEXT((const char *)out.data, full);
    buf_release(&out);
    arena_release(&source);
}

static void manifest_read__fails_on_every_truncation(void)
{
    for (size_t keep = 0; keep + 2 < sizeof full; keep++) {
        const struct span cut = check_heap_copy(full, keep);
        struct arena source;
        struct manifest manifest;
        struct err err;
        arena_init(&source, LIMIT_BYTES);
        CHECK_FAILS(manifest_read(cut, &source, &manifest, &err), &err, ERR_SYNTAX);
        arena_release(&source);
        check_heap_free(cut);
    }
}

static void manifest_read__survives_every_failing_allocation(void)
{
    size_t fail_after = 1;
    for (bool ok = false; !ok; fail_after++) {
        struct arena source;
        struct manifest manifest;
        struct err err;
        arena_init(&source, LIMIT_BYTES);
        source.fail_after = fail_after;
        ok = manifest_read(span_of(full), &source, &manifest, &err);
        CHECK(ok || err.code == ERR_NOMEM);
        arena_release(&source);
    }
    CHECK(fail_after > 20);
}

static void manifest_read__points_at_what_is_wrong(void)
{
    static const struct {
        const char *json;
        enum err_code code;
        unsigned column;
    } cases[] = {
        {"[]", ERR_SCHEMA, 1},
        {"{\"manifest\":1}", ERR_SCHEMA, 1},
        {"{\"generator\":\"other 1\",\"manifest\":1}", ERR_SCHEMA, 1},
        {"{\"generator\":\"storey 1\"}", ERR_SCHEMA, 1},
        {"{\"generator\":\"storey 9\",\"manifest\":2}", ERR_UNSUPPORTED, 1},
        {"{\"manifest\":-1}", ERR_SCHEMA, 13},
        {"{\"files\":[{\"name\":\"a\"}]}", ERR_SCHEMA, 11},
        {"{\"files\":[{\"digest\":\"a\"}]}", ERR_SCHEMA, 21},
        {"{\"files\":3}", ERR_SCHEMA, 10},
        {"{\"options\":{\"a\":1}}", ERR_SCHEMA, 17},
        {"{\"counts\":{\"a\":1.5}}", ERR_SCHEMA, 16},
        {"{\"generator\":\"storey 1\",\"manifest\":1} x", ERR_SYNTAX, 39},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err err;
        CHECK_FAILS(read_text(cases[i].json, &err), &err, cases[i].code);
        if (err.column != cases[i].column) {
            fail_msg("%s: column %u, expected %u", cases[i].json, err.column, cases[i].column);
        }
    }
}

static void manifest_read__demands_sorted_files(void)
{
    struct err err;
    CHECK_FAILS(
        read_text("{\"generator\":\"storey 1\",\"manifest\":1,\"files\":["
                  "{\"name\":\"b\",\"bytes\":5,\"digest\":\"99aa06d3014798d86001c324468d497f\"},"
                  "{\"name\":\"a\",\"bytes\":5,\"digest\":\"99aa06d3014798d86001c324468d497f\"}]}",
                  &err),
        &err, ERR_SCHEMA);
    CHECK(strstr(err.message, "'a'") != NULL);
}

CHECK_MAIN(CHECK_TEST(manifest_read__reads_the_smallest_manifest),
           CHECK_TEST(manifest_print__gives_back_what_was_read),
           CHECK_TEST(manifest_read__fails_on_every_truncation),
           CHECK_TEST(manifest_read__survives_every_failing_allocation),
           CHECK_TEST(manifest_read__points_at_what_is_wrong),
           CHECK_TEST(manifest_read__demands_sorted_files))

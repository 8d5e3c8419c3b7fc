/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "tiler/check.h"

#include <sys/stat.h>
#include <unistd.h>

#include "formats/base/io.h"
#include "formats/packing.h"
#include "tests/check.h"
#include "tiler/pack.h"
#include "tiler/publish.h"

enum { LIMIT_BYTES = 1 << 24 };

/*
 * One house of two features as a tileset of one tile, small enough to break in
 * every way: the floor plan is a square of 20 m, 10 m high, seen from above two
 * walls (feature 0) and the roof (feature 1).
 */
static const char tileset_json[] =
    "{\"asset\":{\"version\":\"1.1\"},\"geometricError\":100,\n"
    "\"root\":{\"boundingVolume\":{\"box\":[0,0,5,11,0,0,0,11,0,0,0,6]},\n"
    "\"geometricError\":50,\"refine\":\"REPLACE\",\n"
    "\"transform\":[1,0,0,0,0,1,0,0,0,0,1,0,6378137,0,0,1],\n"
    "\"children\":[{\"boundingVolume\":{\"box\":[0,0,5,10,0,0,0,10,0,0,0,5]},\n"
    "\"geometricError\":0,\"content\":{\"uri\":\"tiles/a.glb\"}}]}}";

/* Views: positions, normals, ids, indices; then the columns name (values,
 * offsets), use, height, open. */
static const char glb_json[] =
    "{\"asset\":{\"version\":\"2.0\"},\"extensionsUsed\":[\"EXT_mesh_features\","
    "\"EXT_structural_metadata\"],\"scene\":0,\"scenes\":[{\"nodes\":[0]}],"
    "\"nodes\":[{\"mesh\":0}],\"meshes\":[{\"primitives\":[{\"attributes\":{\"POSITION\":0,"
    "\"NORMAL\":1,\"_FEATURE_ID_0\":2},\"indices\":3,\"material\":0,\"extensions\":{"
    "\"EXT_mesh_features\":{\"featureIds\":[{\"featureCount\":2,\"attribute\":0,"
    "\"propertyTable\":0}]}}}]}],\"materials\":[{}],"
    "\"accessors\":[{\"bufferView\":0,\"componentType\":5126,\"type\":\"VEC3\",\"count\":8,"
    "\"min\":[-10,0,-10],\"max\":[10,10,10]},"
    "{\"bufferView\":1,\"componentType\":5126,\"type\":\"VEC3\",\"count\":8},"
    "{\"bufferView\":2,\"componentType\":5126,\"type\":\"SCALAR\",\"count\":8},"
    "{\"bufferView\":3,\"componentType\":5123,\"type\":\"SCALAR\",\"count\":12}],"
    "\"bufferViews\":[{\"buffer\":0,\"byteOffset\":0,\"byteLength\":96},"
    "{\"buffer\":0,\"byteOffset\":96,\"byteLength\":96},"
    "{\"buffer\":0,\"byteOffset\":192,\"byteLength\":32},"
    "{\"buffer\":0,\"byteOffset\":224,\"byteLength\":24},"
    "{\"buffer\":0,\"byteOffset\":248,\"byteLength\":6},"
    "{\"buffer\":0,\"byteOffset\":256,\"byteLength\":12},"
    "{\"buffer\":0,\"byteOffset\":272,\"byteLength\":2},"
    "{\"buffer\":0,\"byteOffset\":280,\"byteLength\":16}],"
    "\"buffers\":[{\"byteLength\":296}],"
    "\"extensions\":{\"EXT_structural_metadata\":{\"schema\":{\"id\":\"s\",\"enums\":{\"use\":{"
    "\"valueType\":\"UINT8\",\"values\":[{\"name\":\"home\",\"value\":0},{\"name\":\"shop\","
    "\"value\":1}]}},\"classes\":{\"house\":{\"properties\":{\"name\":{\"type\":\"STRING\"},"
    "\"use\":{\"type\":\"ENUM\",\"enumType\":\"use\"},\"height\":{\"type\":\"SCALAR\","
    "\"componentType\":\"FLOAT64\",\"required\":true}}}}},\"propertyTables\":[{\"class\":"
    "\"house\",\"count\":2,\"properties\":{\"name\":{\"values\":4,\"stringOffsets\":5},"
    "\"use\":{\"values\":6},\"height\":{\"values\":7}}}]}}}";

static void put_float(uint8_t *at, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    bytes_store_u32le(at, bits);
}

/* glTF's y is up: a wall that looks to +x, and the roof. */
static void fill_binary(uint8_t out[296])
{
    static const float corners[8][3] = {{10, 0, 10},   {10, 0, -10}, {10, 10, -10}, {10, 10, 10},
                                        {-10, 10, 10}, {10, 10, 10}, {10, 10, -10}, {-10, 10, -10}};
    static const uint16_t indices[12] = {0, 1, 2, 0, 2, 3, 4, 5, 6, 4, 6, 7};
    memset(out, 0, 296);
    for (size_t i = 0; i < 8; i++) {
        for (size_t c = 0; c < 3; c++) {
            put_float(out + 12 * i + 4 * c, corners[i][c]);
        }
        put_float(out + 96 + 12 * i + (i < 4 ? 0 : 4), 1);
        put_float(out + 192 + 4 * i, i < 4 ? 0.0f : 1.0f);
    }
    for (size_t i = 0; i < 12; i++) {
        bytes_store_u16le(out + 224 + 2 * i, indices[i]);
    }
    memcpy(out + 248, "\xE6\xA5\xBC\xE5\xB1\x82", 6);
    bytes_store_u32le(out + 260, 3);
    bytes_store_u32le(out + 264, 6);
    out[273] = 1;
}

static void make_glb(struct buf *out, const char *json, const uint8_t binary[296])
{
    buf_reset(out);
    buf_add_text(out, "glTF");
    buf_add_u32le(out, 2);
    buf_add_u32le(out, 0);
    buf_add_u32le(out, 0);
    buf_add_text(out, "JSON");
    buf_add_text(out, json);
    buf_pad(out, 20, 4, ' ');
    bytes_store_u32le(out->data + 12, (uint32_t)out->size - 20);
    buf_add_u32le(out, 296);
    buf_add(out, "BIN", 4);
    buf_add(out, binary, 296);
    bytes_store_u32le(out->data + 8, (uint32_t)out->size);
}

/* `text` with the first `from` replaced by `to`; in `out`, terminated. */
static void replace(struct buf *out, const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    if (at == NULL) {
        fail_msg("no '%s' to break", from);
        return;
    }
    buf_reset(out);
    buf_add(out, text, (size_t)(at - text));
    buf_add_text(out, to);
    buf_add_text(out, at + strlen(from));
    buf_add_byte(out, '\0');
}

struct house {
    char root[64];
    char folder[96];
    char tile[128];
    char tileset[128];
};

static void write_file(const char *path, struct span bytes)
{
    struct err err;
    CHECK_OK(io_write_file(path, bytes, false, &err), &err);
}

static void write_text(const char *path, const char *text)
{
    write_file(path, (struct span){(const uint8_t *)text, strlen(text)});
}

static void make_house(struct house *house)
{
    struct err err;
    struct buf glb;
    uint8_t binary[296];
    char tiles[128];
    strcpy(house->root, "/tmp/storey-check-XXXXXX");
    CHECK(mkdtemp(house->root) != NULL);
    snprintf(house->folder, sizeof house->folder, "%s/house", house->root);
    snprintf(tiles, sizeof tiles, "%s/tiles", house->folder);
    snprintf(house->tile, sizeof house->tile, "%s/tiles/a.glb", house->folder);
    snprintf(house->tileset, sizeof house->tileset, "%s/tileset.json", house->folder);
    CHECK_OK(io_make_directory(house->folder, &err), &err);
    CHECK_OK(io_make_directory(tiles, &err), &err);
    fill_binary(binary);
    buf_init(&glb, LIMIT_BYTES);
    make_glb(&glb, glb_json, binary);
    write_file(house->tile, buf_span(&glb));
    write_text(house->tileset, tileset_json);
    buf_release(&glb);
}

static void remove_house(const struct house *house)
{
    struct err err;
    CHECK_OK(io_remove_tree(house->root, &err), &err);
}

/* Errors found; `rule` (or NULL) must be among all findings. */
static uint64_t count_errors(const char *path, const char *rule)
{
    struct arena run;
    struct check_result result;
    struct err err;
    struct buf printed;
    const struct check_options options = {.path = path};
    arena_init(&run, LIMIT_BYTES);
    buf_init(&printed, LIMIT_BYTES);
    CHECK_OK(check_package(&options, &run, &result, &err), &err);
    check_print(&result, false, &printed);
    buf_add_byte(&printed, '\0');
    bool is_found = rule == NULL;
    for (size_t i = 0; i < result.finding_count; i++) {
        is_found = is_found || strcmp(result.findings[i].rule, rule) == 0;
    }
    if (!is_found || (rule == NULL && result.finding_count > 0)) {
        fail_msg("expected %s, found:\n%s", rule == NULL ? "nothing" : rule,
                 (const char *)printed.data);
    }
    const uint64_t errors = result.error_count;
    buf_release(&printed);
    arena_release(&run);
    return errors;
}

static void check_package__finds_nothing_in_a_sound_tileset(void)
{
    struct house house;
    struct arena run;
    struct check_result result;
    struct err err;
    make_house(&house);
    const struct check_options options = {.path = house.folder};
    arena_init(&run, LIMIT_BYTES);
    CHECK_EQ(count_errors(house.folder, NULL), 0);
    CHECK_OK(check_package(&options, &run, &result, &err), &err);
    CHECK_EQ(result.tile_count, 2);
    CHECK_EQ(result.content_count, 1);
    CHECK_EQ(result.feature_count, 2);
    CHECK_EQ(result.triangle_count, 4);
    arena_release(&run);
    remove_house(&house);
}

static void check_package__notices_every_fault_of_a_tileset(void)
{
    static const struct {
        const char *from, *to, *rule;
    } cases[] = {
        {"\"version\":\"1.1\"", "\"version\":\"1.0\"", "version-content"},
        {"\"version\":\"1.1\"", "\"version\":\"7\"", "tileset-version"},
        {"\"version\":\"1.1\"", "\"verzion\":\"1.1\"", "tileset"},
        {"\"refine\":\"REPLACE\",", "", "root-refine"},
        {"\"geometricError\":50", "\"geometricError\":-1", "geometric-error"},
        {"\"geometricError\":0", "\"geometricError\":60", "geometric-error-grows"},
        {"\"geometricError\":100", "\"geometricError\":10", "geometric-error-grows"},
        {"\"geometricError\":100", "\"geometricError\":NaN", "tileset"},
        {"\"box\":[0,0,5,10,", "\"box\":[0,0,5,12,", "child-outside-parent"},
        {"\"box\":[0,0,5,10,", "\"box\":[0,0,5,9,", "content-outside"},
        {"\"box\":[0,0,5,10,0,", "\"box\":[0,0,5,10,", "tileset"},
        {"\"box\":[0,0,5,10,0,0,0,", "\"box\":[0,0,5,10,9,0,0,", "box-skewed"},
        {"[1,0,0,0,0,1,0,0,0,0,1,0,6378137,0,0,1]", "[1,0,0,6378137,0,1,0,0,0,0,1,0,0,0,0,1]",
         "transform"},
        {"[1,0,0,0,", "[-1,0,0,0,", "transform"},
        {"[1,0,0,0,", "[0,0,0,0,", "transform"},
        {"\"transform\":[1,0,0,0,0,1,0,0,0,0,1,0,6378137,0,0,1],", "", "not-on-earth"},
        {"\"box\":[0,0,5,11,0,0,0,11,0,0,0,6]", "\"region\":[113.9,22.5,113.95,22.6,0,100]",
         "region-range"},
        {"\"box\":[0,0,5,11,0,0,0,11,0,0,0,6]", "\"region\":[1,0.5,1.1,0.6,0,100]",
         "child-outside-parent"},
        {"\"box\":[0,0,5,11,0,0,0,11,0,0,0,6]", "\"sphere\":[0,0,5,-1]", "sphere-radius"},
        {"tiles/a.glb", "tiles/none.glb", "missing-file"},
        {"tiles/a.glb", "../../a.glb", "uri-outside"},
        {"tiles/a.glb", "http://a/b.glb", "uri-elsewhere"},
        {"tiles/a.glb", "tileset.json", "nesting"},
        {"\"uri\"", "\"url\"", "tileset"},
        {"]}}", "],}}", "tileset"},
        {"\"geometricError\":100", "\"extensionsRequired\":[\"X\"],\"geometricError\":100",
         "extension-unknown"},
        {"\"geometricError\":0", "\"extensions\":{\"X\":{}},\"geometricError\":0",
         "extension-undeclared"},
        {"\"geometricError\":100", "\"schemaUri\":\"none.json\",\"geometricError\":100",
         "missing-file"},
        {"{\"asset\"", "\xEF\xBB\xBF{\"asset\"", "json-bom"},
        {"\"content\":{\"uri\":\"tiles/a.glb\"}",
         "\"contents\":[{\"uri\":\"tiles/a.glb\"},{\"uri\":\"tiles/a.glb\"}]", "several-contents"},
        {"\"content\":{", "\"content\":{\"boundingVolume\":{\"box\":[0,0,5,1,0,0,0,1,0,0,0,1]},",
         "content-outside"},
    };
    struct house house;
    struct buf broken;
    make_house(&house);
    buf_init(&broken, LIMIT_BYTES);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        replace(&broken, tileset_json, cases[i].from, cases[i].to);
        write_text(house.tileset, (const char *)broken.data);
        count_errors(house.folder, cases[i].rule);
    }
    buf_release(&broken);
    remove_house(&house);
}

static void check_package__notices_every_fault_of_a_gltf(void)
{
    static const struct {
        const char *from, *to, *rule;
    } cases[] = {
        {"\"2.0\"", "\"3.0\"", "gltf-version"},
        {"\"EXT_mesh_features\",", "", "extension-undeclared"},
        {"\"scene\":0", "\"extensionsRequired\":[\"EXT_mesh_features\",\"VENDOR_x\"]",
         "extension-unknown"},
        {"\"nodes\":[0]", "\"nodes\":[7]", "gltf-node"},
        {"\"mesh\":0", "\"mesh\":0,\"children\":[0]", "gltf-node"},
        {"\"mesh\":0", "\"mesh\":3", "gltf-node"},
        {"\"mesh\":0", "\"mesh\":0,\"translation\":[100,0,0]", "content-outside"},
        {"\"material\":0", "\"material\":1", "gltf-material"},
        {"\"NORMAL\":1", "\"NORMAL\":9", "gltf-attribute"},
        {"\"POSITION\":0,", "", "gltf-attribute"},
        {"\"count\":12", "\"count\":14", "gltf-accessor"},
        {"\"type\":\"SCALAR\",\"count\":8", "\"type\":\"SCALAR\",\"count\":7", "gltf-attribute"},
        {"\"max\":[10,10,10]", "\"max\":[10,11,10]", "gltf-bounds"},
        {",\"max\":[10,10,10]", "", "gltf-bounds"},
        {"\"byteOffset\":96", "\"byteOffset\":97", "gltf-alignment"},
        {"\"byteOffset\":280,\"byteLength\":16", "\"byteOffset\":280,\"byteLength\":160",
         "gltf-buffer-view"},
        {"\"byteLength\":296", "\"byteLength\":500", "gltf-buffer"},
        {"\"byteLength\":296", "\"byteLength\":256", "gltf-buffer"},
        {"\"featureCount\":2", "\"featureCount\":1", "feature-count"},
        {"\"featureCount\":2,", "", "feature-count"},
        {"\"attribute\":0", "\"attribute\":4", "feature-attribute"},
        {"\"propertyTable\":0", "\"propertyTable\":1", "feature-table"},
        {"\"count\":2,", "\"count\":1,", "feature-id"},
        {"\"count\":2,", "\"count\":20,", "table-too-short"},
        {"\"id\":\"s\",", "", "schema-id"},
        {"\"FLOAT64\"", "\"FLOAT65\"", "schema-component-type"},
        {"\"STRING\"", "\"STRINGS\"", "schema-type"},
        {"\"enumType\":\"use\"", "\"enumType\":\"none\"", "schema-enum"},
        {"{\"type\":\"ENUM\"", "{\"semantic\":\"ID\",\"type\":\"ENUM\"", "schema-semantic"},
        {"\"house\":{\"prop", "\"haus\":{\"prop", "table-class"},
        {"\"height\":{\"values\"", "\"heigth\":{\"values\"", "table-property"},
        {",\"height\":{\"values\":7}", "", "table-required"},
        {"\"byteOffset\":280", "\"byteOffset\":276", "table-alignment"},
        {"\"values\":7", "\"values\":99", "table-view"},
        {"\"values\":7", "\"values\":6", "table-too-short"},
        {"\"stringOffsets\":5", "\"stringOffsets\":5,\"stringOffsetType\":\"INT8\"",
         "table-offset-type"},
        {"\"stringOffsets\":5", "\"stringOffsets\":4", "table-too-short"},
        {"\"value\":1", "\"value\":2", "table-enum"},
        {"\"schema\":{", "\"schemaUri\":\"none.json\",\"x\":{", "missing-file"},
        {"}}}]}}}", "}}}]}}},", "gltf-json"},
    };
    struct house house;
    struct buf json, glb;
    uint8_t binary[296];
    make_house(&house);
    fill_binary(binary);
    buf_init(&json, LIMIT_BYTES);
    buf_init(&glb, LIMIT_BYTES);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        replace(&json, glb_json, cases[i].from, cases[i].to);
        make_glb(&glb, (const char *)json.data, binary);
        write_file(house.tile, buf_span(&glb));
        CHECK(count_errors(house.folder, cases[i].rule) > 0);
    }
    buf_release(&json);
    buf_release(&glb);
    remove_house(&house);
}

/* Bytes of the binary chunk, and of the container. */
static void check_package__notices_every_fault_in_the_bytes(void)
{
    static const struct {
        size_t at; /* in the binary chunk */
        uint32_t value;
        const char *rule;
    } cases[] = {
        {224, 60000, "gltf-indices"},    {4, 0x7fc00000, "gltf-not-finite"},
        {96, 0x40400000, "gltf-normal"}, {192, 0x42c60000, "feature-id"},
        {192, 0x3fc00000, "feature-id"}, {248, 0xffffffff, "table-utf8"},
        {260, 7, "table-offsets"},       {264, 60, "table-too-short"},
        {272, 0x4d4d, "table-enum"},     {0, 0x42c80000, "gltf-bounds"},
    };
    struct house house;
    struct buf glb;
    uint8_t binary[296];
    make_house(&house);
    buf_init(&glb, LIMIT_BYTES);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fill_binary(binary);
        bytes_store_u32le(binary + cases[i].at, cases[i].value);
        make_glb(&glb, glb_json, binary);
        write_file(house.tile, buf_span(&glb));
        CHECK_EQ(count_errors(house.folder, cases[i].rule) > 0, cases[i].rule != NULL);
    }
    /* inside out: all triangles turned round */
    fill_binary(binary);
    for (size_t i = 0; i < 12; i += 3) {
        static const uint16_t turned[12] = {0, 2, 1, 0, 3, 2, 4, 6, 5, 4, 7, 6};
        for (size_t k = 0; k < 3; k++) {
            bytes_store_u16le(binary + 224 + 2 * (i + k), turned[i + k]);
        }
    }
    make_glb(&glb, glb_json, binary);
    write_file(house.tile, buf_span(&glb));
    CHECK(count_errors(house.folder, "gltf-winding") > 0);
    /* the container */
    static const struct {
        size_t at;
        uint8_t value;
    } bytes[] = {{0, 'x'}, {4, 1}, {8, 1}, {8, 0xff}, {12, 3}, {16, 'j'}};
    for (size_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++) {
        fill_binary(binary);
        make_glb(&glb, glb_json, binary);
        glb.data[bytes[i].at] = bytes[i].value;
        write_file(house.tile, buf_span(&glb));
        CHECK(count_errors(house.folder, i == 0 ? "content-type" : "glb") > 0);
    }
    buf_release(&glb);
    remove_house(&house);
}

static void check_package__notices_every_truncation_of_a_tile(void)
{
    struct house house;
    struct buf glb;
    uint8_t binary[296];
    make_house(&house);
    fill_binary(binary);
    buf_init(&glb, LIMIT_BYTES);
    make_glb(&glb, glb_json, binary);
    for (size_t keep = 0; keep < glb.size; keep += 7) {
        write_file(house.tile, (struct span){glb.data, keep});
        CHECK(count_errors(house.folder, keep < 12 ? "content-type" : "glb") > 0);
    }
    buf_release(&glb);
    remove_house(&house);
}

/* ---- implicit tiling ---------------------------------------------------- */

static const char implicit_json[] =
    "{\"asset\":{\"version\":\"1.1\"},\"geometricError\":100,\"root\":{\"boundingVolume\":"
    "{\"box\":[0,0,5,22,0,0,0,22,0,0,0,6]},\"geometricError\":50,\"refine\":\"ADD\","
    "\"transform\":[1,0,0,0,0,1,0,0,0,0,1,0,6378137,0,0,1],"
    "\"content\":{\"uri\":\"c/{level}_{x}_{y}.glb\"},\"implicitTiling\":{\"subdivisionScheme\":"
    "\"QUADTREE\",\"subtreeLevels\":1,\"availableLevels\":2,\"subtrees\":{\"uri\":"
    "\"s/{level}_{x}_{y}.subtree\"}}}}";

/* The root has no content; of its four children only (1, 0) is there, with a
 * content: bit 1 of child subtrees. */
static const char root_subtree[] =
    "{\"tileAvailability\":{\"constant\":1},\"contentAvailability\":[{\"constant\":0}],"
    "\"childSubtreeAvailability\":{\"bitstream\":0,\"availableCount\":1},"
    "\"buffers\":[{\"byteLength\":1}],\"bufferViews\":[{\"buffer\":0,\"byteLength\":1}]}";
static const char child_subtree[] =
    "{\"tileAvailability\":{\"constant\":1},\"contentAvailability\":[{\"constant\":1,"
    "\"availableCount\":1}],\"childSubtreeAvailability\":{\"constant\":0}}";

static void write_subtree(const char *folder, const char *name, const char *json, uint8_t bits)
{
    struct buf out;
    char path[256];
    buf_init(&out, LIMIT_BYTES);
    buf_add_text(&out, "subt");
    buf_add_u32le(&out, 1);
    buf_add_u64le(&out, 0);
    buf_add_u64le(&out, 8);
    buf_add_text(&out, json);
    buf_pad(&out, 0, 8, ' ');
    bytes_store_u64le(out.data + 8, out.size - 24);
    buf_add_byte(&out, bits);
    buf_pad(&out, 0, 8, 0);
    snprintf(path, sizeof path, "%s/s/%s", folder, name);
    write_file(path, buf_span(&out));
    buf_release(&out);
}

static void make_implicit(const struct house *house)
{
    static const char *const folders[] = {"c", "s"};
    char path[256];
    struct err err;
    struct buf glb, json;
    uint8_t binary[296];
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", house->folder, folders[i]);
        CHECK_OK(io_make_directory(path, &err), &err);
    }
    fill_binary(binary);
    buf_init(&glb, LIMIT_BYTES);
    buf_init(&json, LIMIT_BYTES);
    replace(&json, glb_json, "\"mesh\":0", "\"mesh\":0,\"translation\":[11,0,11]");
    make_glb(&glb, (const char *)json.data, binary);
    snprintf(path, sizeof path, "%s/c/1_1_0.glb", house->folder);
    write_file(path, buf_span(&glb));
    buf_release(&glb);
    buf_release(&json);
    write_text(house->tileset, implicit_json);
    write_subtree(house->folder, "0_0_0.subtree", root_subtree, 2);
    write_subtree(house->folder, "1_1_0.subtree", child_subtree, 0);
}

static void check_package__walks_implicit_tiles(void)
{
    struct house house;
    struct arena run;
    struct check_result result;
    struct err err;
    make_house(&house);
    make_implicit(&house);
    CHECK_EQ(count_errors(house.folder, NULL), 0);
    const struct check_options options = {.path = house.folder};
    arena_init(&run, LIMIT_BYTES);
    CHECK_OK(check_package(&options, &run, &result, &err), &err);
    CHECK_EQ(result.subtree_count, 2);
    CHECK_EQ(result.tile_count, 2);
    CHECK_EQ(result.content_count, 1);
    arena_release(&run);
    remove_house(&house);
}

static void check_package__notices_every_fault_of_a_subtree(void)
{
    static const struct {
        const char *file; /* NULL: the tileset */
        const char *from, *to;
        uint8_t bits;
        const char *rule;
    } cases[] = {
        {NULL, "{x}_{y}.glb", "{x}_0.glb", 0, "implicit-template"},
        {NULL, "{x}_{y}.subtree", "0_{y}.subtree", 0, "implicit-template"},
        {NULL, "\"availableLevels\":2", "\"availableLevels\":1", 0, "subtree-too-deep"},
        {NULL, "\"subtreeLevels\":1", "\"subtreeLevels\":6", 0, "subtree"},
        {NULL, "\"refine\":\"ADD\",",
         "\"refine\":\"ADD\",\"children\":[{\"boundingVolume\":{"
         "\"box\":[0,0,5,1,0,0,0,1,0,0,0,1]},\"geometricError\":0}],",
         0, "implicit-children"},
        {NULL, "\"box\":[0,0,5,22,0,0,0,22,0,0,0,6]", "\"sphere\":[0,0,0,50]", 0,
         "implicit-volume"},
        {"0_0_0", "\"availableCount\":1", "\"availableCount\":2", 2, "subtree-available-count"},
        {"0_0_0", "\"byteLength\":1}]}", "\"byteLength\":0}]}", 2, "subtree"},
        {"0_0_0", "\"availableCount\":1", "\"availableCount\":1", 1, "missing-file"},
        {"0_0_0", "\"tileAvailability\":{\"constant\":1}", "\"tileAvailability\":{\"constant\":0}",
         2, "subtree-root"},
        {"0_0_0", "[{\"constant\":0}]", "{\"constant\":0}", 2, "subtree"},
        {"0_0_0", "[{\"constant\":0}]", "[{\"constant\":1}]", 2, "missing-file"},
        {"1_1_0", "\"tileAvailability\":{\"constant\":1}", "\"tileAvailability\":{\"constant\":0}",
         0, "subtree-content-without-tile"},
        {"1_1_0", "\"availableCount\":1", "\"availableCount\":7", 0, "subtree-available-count"},
        {"1_1_0", "{\"constant\":0}", "{\"constant\":1}", 0, "subtree-too-deep"},
        {"1_1_0", "{\"constant\":0}", "{}", 0, "subtree"},
    };
    struct house house;
    struct buf broken;
    char name[64];
    make_house(&house);
    buf_init(&broken, LIMIT_BYTES);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        make_implicit(&house);
        if (cases[i].file == NULL) {
            replace(&broken, implicit_json, cases[i].from, cases[i].to);
            write_text(house.tileset, (const char *)broken.data);
        } else {
            const bool is_root = cases[i].file[0] == '0';
            replace(&broken, is_root ? root_subtree : child_subtree, cases[i].from, cases[i].to);
            snprintf(name, sizeof name, "%s.subtree", cases[i].file);
            write_subtree(house.folder, name, (const char *)broken.data, cases[i].bits);
        }
        CHECK(count_errors(house.folder, cases[i].rule) > 0);
    }
    buf_release(&broken);
    remove_house(&house);
}

/* ---- packages of ours --------------------------------------------------- */

static void publish_house(const struct house *house, const char *output)
{
    struct publish *publish;
    struct manifest manifest = {.generator = text_of("storey 0.1.0")};
    struct io_map map;
    struct err err;
    CHECK_OK(publish_begin(output, &publish, &err), &err);
    CHECK_OK(io_map(house->tile, &map, &err), &err);
    CHECK_OK(publish_add_file(publish, "tiles/a.glb", map.bytes, &err), &err);
    io_unmap(&map);
    CHECK_OK(publish_add_file(publish, "tileset.json",
                              (struct span){(const uint8_t *)tileset_json, strlen(tileset_json)},
                              &err),
             &err);
    CHECK_OK(publish_commit(publish, &manifest, &err), &err);
}

static void check_package__verifies_the_manifest(void)
{
    struct house house;
    char output[96], archive[96], path[160];
    make_house(&house);
    snprintf(output, sizeof output, "%s/city", house.root);
    snprintf(archive, sizeof archive, "%s/city.3tz", house.root);
    publish_house(&house, output);
    publish_house(&house, archive);
    CHECK_EQ(count_errors(output, NULL), 0);
    CHECK_EQ(count_errors(archive, NULL), 0);

    snprintf(path, sizeof path, "%s/tiles/stray.glb", output);
    write_text(path, "x");
    CHECK_EQ(count_errors(output, "stray-file"), 0);
    unlink(path);
    snprintf(path, sizeof path, "%s/tileset.json", output);
    struct buf broken;
    buf_init(&broken, LIMIT_BYTES);
    replace(&broken, tileset_json, "\"geometricError\":50", "\"geometricError\":51");
    write_text(path, (const char *)broken.data);
    CHECK_EQ(count_errors(output, "digest"), 1);
    buf_release(&broken);
    snprintf(path, sizeof path, "%s/tiles/a.glb", output);
    unlink(path);
    CHECK(count_errors(output, "missing-file") >= 2);
    snprintf(path, sizeof path, "%s/manifest.json", output);
    write_text(path, "{\"generator\":\"storey 0.1.0\",");
    CHECK(count_errors(output, "manifest") > 0);
    remove_house(&house);
}

static void check_package__verifies_the_archive(void)
{
    struct house house;
    char archive[96];
    struct io_map map;
    struct err err;
    struct buf bytes;
    make_house(&house);
    snprintf(archive, sizeof archive, "%s/city.3tz", house.root);
    publish_house(&house, archive);
    buf_init(&bytes, LIMIT_BYTES);
    CHECK_OK(io_map(archive, &map, &err), &err);
    buf_add(&bytes, map.bytes.data, map.bytes.size);
    io_unmap(&map);
    /* an index whose rows name other files */
    uint8_t *index = memmem(bytes.data, bytes.size, "@3dtilesIndex1@", 15);
    CHECK(index != NULL);
    index[15 + 15] ^= 1;
    write_file(archive, buf_span(&bytes));
    CHECK(count_errors(archive, "archive-index") > 0);
    index[15 + 15] ^= 1;
    /* no index at all */
    for (uint8_t *at = index; at != NULL;
         at = memmem(bytes.data, bytes.size, "@3dtilesIndex1@", 15)) {
        at[0] = 'x';
    }
    write_file(archive, buf_span(&bytes));
    CHECK(count_errors(archive, "archive-index") > 0);
    buf_release(&bytes);
    remove_house(&house);
}

static void check_print__says_the_same_as_json(void)
{
    struct house house;
    struct arena run;
    struct check_result result;
    struct err err;
    struct buf out;
    make_house(&house);
    unlink(house.tile);
    const struct check_options options = {.path = house.tileset};
    arena_init(&run, LIMIT_BYTES);
    buf_init(&out, LIMIT_BYTES);
    CHECK_OK(check_package(&options, &run, &result, &err), &err);
    check_print(&result, false, &out);
    buf_add_byte(&out, '\0');
    CHECK(strstr((const char *)out.data,
                 "error: tileset.json: 'tiles/a.glb' is not in the package [missing-file]\n") !=
          NULL);
    buf_reset(&out);
    check_print(&result, true, &out);
    buf_add_byte(&out, '\0');
    CHECK(strstr((const char *)out.data,
                 "{\"severity\":\"error\",\"rule\":\"missing-file\",\"file\":\"tileset.json\","
                 "\"message\":\"'tiles/a.glb' is not in the package\"}]}") != NULL);
    CHECK(strstr((const char *)out.data, "{\"errors\":1,\"warnings\":0,") != NULL);
    const struct check_options missing = {.path = "/tmp/storey-none"};
    CHECK_FAILS(check_package(&missing, &run, &result, &err), &err, ERR_IO);
    buf_release(&out);
    arena_release(&run);
    remove_house(&house);
}

CHECK_MAIN(CHECK_TEST(check_package__finds_nothing_in_a_sound_tileset),
           CHECK_TEST(check_package__notices_every_fault_of_a_tileset),
           CHECK_TEST(check_package__notices_every_fault_of_a_gltf),
           CHECK_TEST(check_package__notices_every_fault_in_the_bytes),
           CHECK_TEST(check_package__notices_every_truncation_of_a_tile),
           CHECK_TEST(check_package__walks_implicit_tiles),
           CHECK_TEST(check_package__notices_every_fault_of_a_subtree),
           CHECK_TEST(check_package__verifies_the_manifest),
           CHECK_TEST(check_package__verifies_the_archive),
           CHECK_TEST(check_print__says_the_same_as_json))

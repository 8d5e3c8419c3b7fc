/* SPDX-License-Identifier: Apache-2.0 */
/* Whole runs: what a tile shows at a place is what the source's picture has at
 * the place's coordinates; not mirrored, not turned, not moved. */
#include "tiler/pipeline.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/b3dm.h"
#include "formats/base/io.h"
#include "formats/glb.h"
#include "formats/image_jpeg.h"
#include "formats/image_png.h"
#include "tests/check.h"
#include "tests/tiler/polygon_case.h"
#include "tiler/texture.h"

/* Red says the column, green the row from the top. */
enum { PICTURE_WIDTH = 256, PICTURE_HEIGHT = 192 };

/* A wall of 8 x 6 m that looks south, with the picture's coordinates at its
 * lower left, lower right and upper left corner. Each is a feature of its own. */
struct wall {
    const char *id;
    double uv[3][2];
    const char *wrap;
};

static const struct wall walls[] = {
    {"whole", {{0, 0}, {1, 0}, {0, 1}}, "wrap"},
    {"part", {{0.25, 0.5}, {0.5, 0.5}, {0.25, 0.75}}, "none"},
    {"turned", {{1, 0}, {1, 1}, {0, 0}}, "wrap"},
    {"mirrored", {{1, 0}, {0, 0}, {1, 1}}, "wrap"},
    {"upside-down", {{0.9, 0.9}, {0.1, 0.9}, {0.9, 0.1}}, "clamp"},
    {"moved", {{7.25, -2.75}, {7.75, -2.75}, {7.25, -2.25}}, "wrap"},
    {"across-the-border", {{0.7, 0.2}, {1.2, 0.2}, {0.7, 0.6}}, "wrap"},
    {"repeated", {{0, 0}, {12.5, 0}, {0, 9.5}}, "wrap"},
    {"mirror-wrapped", {{0.2, 0}, {1.7, 0}, {0.2, 1.4}}, "mirror"},
    {"askew", {{0.3, 0.1}, {0.8, 0.3}, {0.1, 0.7}}, "wrap"},
};
enum { WALL_COUNT = sizeof walls / sizeof walls[0] };

static struct image draw_picture(struct arena *arena)
{
    struct image image;
    struct err err;
    CHECK_OK(image_make(PICTURE_WIDTH, PICTURE_HEIGHT, arena, &image, &err), &err);
    for (uint32_t y = 0; y < PICTURE_HEIGHT; y++) {
        for (uint32_t x = 0; x < PICTURE_WIDTH; x++) {
            uint8_t *pixel = image.pixels + 4 * ((size_t)y * PICTURE_WIDTH + x);
            pixel[0] = (uint8_t)x;
            pixel[1] = (uint8_t)(y * 255 / (PICTURE_HEIGHT - 1));
            pixel[2] = 128;
            pixel[3] = 255;
        }
    }
    return image;
}

static double lower_corner_x(size_t wall)
{
    return 500000 + 20 * (double)wall;
}

static void print_wall(struct buf *out, size_t i)
{
    buf_print(
        out,
        "\"%s\":{\"type\":\"Building\",\"geometry\":[{\"type\":\"MultiSurface\",\"lod\":\"2\","
        "\"boundaries\":[[[%zu,%zu,%zu,%zu]]],\"texture\":{\"t\":{\"values\":"
        "[[[%zu,%zu,%zu,%zu,%zu]]]}}}]}%s",
        walls[i].id, 4 * i, 4 * i + 1, 4 * i + 2, 4 * i + 3, i, 4 * i, 4 * i + 1, 4 * i + 2,
        4 * i + 3, i + 1 < WALL_COUNT ? "," : "");
}

static void print_city(struct buf *out)
{
    buf_add_text(out, "{\"type\":\"CityJSON\",\"version\":\"2.0\",\"transform\":{\"scale\":[0.001,"
                      "0.001,0.001],\"translate\":[500000,4649776,40]},\"metadata\":{"
                      "\"referenceSystem\":\"https://www.opengis.net/def/crs/EPSG/0/32631\"},"
                      "\"CityObjects\":{");
    for (size_t i = 0; i < WALL_COUNT; i++) {
        print_wall(out, i);
    }
    buf_add_text(out, "},\"vertices\":[");
    for (size_t i = 0; i < WALL_COUNT; i++) {
        const int x = (int)(1000 * (lower_corner_x(i) - 500000));
        buf_print(out, "%s[%d,0,0],[%d,0,0],[%d,0,6000],[%d,0,6000]", i == 0 ? "" : ",", x,
                  x + 8000, x + 8000, x);
    }
    buf_add_text(out, "],\"appearance\":{\"textures\":[");
    for (size_t i = 0; i < WALL_COUNT; i++) {
        buf_print(out, "%s{\"type\":\"PNG\",\"image\":\"%s\",\"wrapMode\":\"%s\"}",
                  i == 0 ? "" : ",", i % 2 == 0 ? "pictures/a%20b.png" : ".\\\\pictures\\\\c.png",
                  walls[i].wrap);
    }
    buf_add_text(out, "],\"vertices-texture\":[");
    for (size_t i = 0; i < WALL_COUNT; i++) {
        const double(*uv)[2] = walls[i].uv;
        buf_print(out, "%s[%.9g,%.9g],[%.9g,%.9g],[%.9g,%.9g],[%.9g,%.9g]", i == 0 ? "" : ",",
                  uv[0][0], uv[0][1], uv[1][0], uv[1][1], uv[1][0] + uv[2][0] - uv[0][0],
                  uv[1][1] + uv[2][1] - uv[0][1], uv[2][0], uv[2][1]);
    }
    buf_add_text(out, "]}}");
}

/* The same city as CityGML 2.0. */
static void print_gml(struct buf *out)
{
    buf_add_text(out, "<CityModel xmlns=\"http://www.opengis.net/citygml/2.0\""
                      " xmlns:gml=\"http://www.opengis.net/gml\""
                      " xmlns:bldg=\"http://www.opengis.net/citygml/building/2.0\""
                      " xmlns:app=\"http://www.opengis.net/citygml/appearance/2.0\">");
    for (size_t i = 0; i < WALL_COUNT; i++) {
        const double x = lower_corner_x(i);
        buf_print(out,
                  "<cityObjectMember><bldg:Building gml:id=\"%s\"><bldg:lod2MultiSurface>"
                  "<gml:MultiSurface srsName=\"EPSG:32631\" srsDimension=\"3\">"
                  "<gml:surfaceMember><gml:Polygon gml:id=\"p%zu\">"
                  "<gml:exterior><gml:LinearRing gml:id=\"r%zu\"><gml:posList>%.3f 4649776 40 "
                  "%.3f 4649776 40 %.3f 4649776 46 %.3f 4649776 46 %.3f 4649776 40</gml:posList>"
                  "</gml:LinearRing></gml:exterior></gml:Polygon></gml:surfaceMember>"
                  "</gml:MultiSurface></bldg:lod2MultiSurface></bldg:Building></cityObjectMember>",
                  walls[i].id, i, i, x, x + 8, x + 8, x, x);
    }
    buf_add_text(out, "<app:appearanceMember><app:Appearance><app:theme>photo</app:theme>");
    for (size_t i = 0; i < WALL_COUNT; i++) {
        const double(*uv)[2] = walls[i].uv;
        buf_print(out,
                  "<app:surfaceDataMember><app:ParameterizedTexture><app:imageURI>%s"
                  "</app:imageURI><app:wrapMode>%s</app:wrapMode><app:target uri=\"#p%zu\">"
                  "<app:TexCoordList><app:textureCoordinates ring=\"#r%zu\">%.9g %.9g %.9g %.9g "
                  "%.9g %.9g %.9g %.9g %.9g %.9g</app:textureCoordinates></app:TexCoordList>"
                  "</app:target></app:ParameterizedTexture></app:surfaceDataMember>",
                  i % 2 == 0 ? "pictures/a%20b.png" : ".\\pictures\\c.png", walls[i].wrap, i, i,
                  uv[0][0], uv[0][1], uv[1][0], uv[1][1], uv[1][0] + uv[2][0] - uv[0][0],
                  uv[1][1] + uv[2][1] - uv[0][1], uv[2][0], uv[2][1], uv[0][0], uv[0][1]);
    }
    buf_add_text(out, "</app:Appearance></app:appearanceMember></CityModel>");
}

struct folder {
    const char *city; /* "city.json" or "city.gml" */
    char path[64];
    struct arena arena;
    struct image picture;
};

static void write_bytes(const struct folder *folder, const char *name, struct buf *bytes)
{
    char path[256];
    struct err err;
    snprintf(path, sizeof path, "%s/%s", folder->path, name);
    CHECK_OK(buf_finish(bytes, &err), &err);
    CHECK_OK(io_write_file(path, buf_span(bytes), false, &err), &err);
    buf_reset(bytes);
}

/* A city, a picture, and the same picture as a JPEG that is called .png. */
static void folder_open(struct folder *folder)
{
    struct buf bytes;
    struct err err;
    char path[128];
    strcpy(folder->path, "/tmp/storey-textured-XXXXXX");
    CHECK(mkdtemp(folder->path) != NULL);
    snprintf(path, sizeof path, "%s/pictures", folder->path);
    CHECK_OK(io_make_directory(path, &err), &err);
    arena_init(&folder->arena, (size_t)1 << 28);
    folder->picture = draw_picture(&folder->arena);
    buf_init(&bytes, 1 << 24);
    print_city(&bytes);
    write_bytes(folder, "city.json", &bytes);
    print_gml(&bytes);
    write_bytes(folder, "city.gml", &bytes);
    folder->city = "city.json";
    CHECK_OK(image_png_write(&folder->picture, &bytes, &err), &err);
    write_bytes(folder, "pictures/a b.png", &bytes);
    CHECK_OK(image_jpeg_write(&folder->picture, 97, &bytes, &err), &err);
    write_bytes(folder, "pictures/c.png", &bytes);
    buf_release(&bytes);
}

static void folder_close(struct folder *folder)
{
    struct err err;
    CHECK_OK(io_remove_tree(folder->path, &err), &err);
    arena_release(&folder->arena);
}

/* Tiles city.json with some options; the bytes of its only content. */
static struct span tile(struct folder *folder, const char *option, const char *value)
{
    char input[128];
    char output[128];
    snprintf(input, sizeof input, "%s/%s", folder->path, folder->city);
    snprintf(output, sizeof output, "%s/out", folder->path);
    const char *const words[] = {"storey", "tile",  input,  "-o", output,
                                 "--log",  "quiet", option, value};
    char *argv[10] = {NULL};
    int count = 0;
    while (count < 9 && words[count] != NULL) {
        argv[count] = arena_print(&folder->arena, "%s", words[count]);
        count++;
    }
    struct options options;
    struct err err;
    CHECK_OK(options_read(count, argv, &folder->arena, &options, &err), &err);
    static const volatile sig_atomic_t is_stopped = 0;
    struct run run = {.options = &options, .is_stopped = &is_stopped};
    CHECK_OK(report_open(&run.report, NULL, &err), &err);
    CHECK_OK(pipeline_run(&run, &err), &err);
    CHECK_EQ(run.counts.shown, WALL_COUNT);
    CHECK_EQ(run.report.level_count[REPORT_REPAIRED], 0);
    const struct run_node *root = &run_nodes(&run)[run_node_count(&run) - 1];
    CHECK(root->is_leaf);
    char path[256];
    snprintf(path, sizeof path, "%s/%s", output, root->content);
    CHECK_OK(report_close(&run.report, &err), &err);
    pipeline_release(&run);
    struct io_map map;
    CHECK_OK(io_map(path, &map, &err), &err);
    uint8_t *kept = arena_array(&folder->arena, uint8_t, map.bytes.size);
    CHECK(kept != NULL);
    memcpy(kept, map.bytes.data, map.bytes.size);
    const struct span bytes = {kept, map.bytes.size};
    io_unmap(&map);
    return bytes;
}

static double wrap_coordinate(double at, const char *wrap)
{
    if (strcmp(wrap, "clamp") == 0) {
        return fmin(1, fmax(0, at));
    }
    if (strcmp(wrap, "mirror") == 0) {
        return fabs(at - 2 * floor(at / 2 + 0.5));
    }
    return at - floor(at);
}

/* The column and row that the source has at a place on the wall, in pixels. */
static void expected_at(const struct wall *wall, double x_m, double z_m, double out[2])
{
    double uv[2];
    for (int i = 0; i < 2; i++) {
        const double across = wall->uv[1][i] - wall->uv[0][i];
        const double upward = wall->uv[2][i] - wall->uv[0][i];
        uv[i] = wall->uv[0][i] + across * x_m / 8 + upward * z_m / 6;
    }
    out[0] = wrap_coordinate(uv[0], wall->wrap) * PICTURE_WIDTH - 0.5;
    out[1] = (1 - wrap_coordinate(uv[1], wall->wrap)) * PICTURE_HEIGHT - 0.5;
}

/* Near the border of the picture its two ends meet: a block of JPEG mixes them. */
static bool is_near_border(const double at[2])
{
    const double margin = 17;
    return at[0] < margin || at[0] > PICTURE_WIDTH - margin || at[1] < margin ||
           at[1] > PICTURE_HEIGHT - margin;
}

/* What a step of the quantized positions is in the picture: a wall's corner and
 * the place may each be off by half of one. */
/* What JPEG costs the picture of every other wall. */
static double source_px(const struct wall *wall)
{
    return (wall - walls) % 2 == 0 ? 0 : 2.5;
}

static double step_px(const struct wall *wall)
{
    double sum = 0;
    for (int k = 1; k < 3; k++) {
        const double side_m = k == 1 ? 8 : 6;
        sum += hypot((wall->uv[k][0] - wall->uv[0][0]) * PICTURE_WIDTH,
                     (wall->uv[k][1] - wall->uv[0][1]) * PICTURE_HEIGHT) /
               side_m / 128;
    }
    return sum;
}

static struct wall const *wall_of(const struct mesh_tile *content, uint32_t row)
{
    const struct property_table *table = content->table;
    for (size_t c = 0; c < table->column_count; c++) {
        const struct property_column *column = &table->columns[c];
        for (size_t i = 0; i < WALL_COUNT; i++) {
            const struct property *property = &table->schema->properties[column->property];
            if (property->type == PROPERTY_STRING &&
                text_is(column->values.string[row], walls[i].id)) {
                return &walls[i];
            }
        }
    }
    fail_msg("row %u is no wall", row);
    return NULL;
}

/* The lower left corner of a feature's vertices. */
static void corner_of(const struct mesh *mesh, uint32_t row, double *out_x, double *out_z)
{
    *out_x = HUGE_VAL;
    *out_z = HUGE_VAL;
    for (uint32_t v = 0; v < mesh->vertex_count; v++) {
        if (mesh->rows[v] == row) {
            *out_x = fmin(*out_x, (double)mesh->positions[3 * v]);
            *out_z = fmin(*out_z, (double)mesh->positions[3 * v + 2]);
        }
    }
}

static void check_point(const struct mesh *mesh, const struct texture *texture,
                        const struct wall *wall, const uint32_t *corners, const double weights[3],
                        double tolerance_px)
{
    double low_x;
    double low_z;
    corner_of(mesh, mesh->rows[corners[0]], &low_x, &low_z);
    double at[3] = {0};
    double uv[2] = {0};
    for (int k = 0; k < 3; k++) {
        for (int i = 0; i < 3; i++) {
            at[i] += weights[k] * (double)mesh->positions[3 * corners[k] + (uint32_t)i];
        }
        for (int i = 0; i < 2; i++) {
            uv[i] += weights[k] * (double)mesh->uvs[2 * corners[k] + (uint32_t)i];
        }
    }
    double expected[2];
    float color[4];
    expected_at(wall, at[0] - low_x, at[2] - low_z, expected);
    if (is_near_border(expected)) {
        return;
    }
    texture_sample(texture, uv[0], uv[1], 1, color);
    const double found[2] = {light_encode(&texture->light, color[0]),
                             light_encode(&texture->light, color[1]) * (PICTURE_HEIGHT - 1) /
                                 255.0};
    if (hypot(found[0] - expected[0], found[1] - expected[1]) >
        tolerance_px + step_px(wall) + source_px(wall)) {
        fail_msg("%s at %.2f, %.2f m: pixel %.1f, %.1f, but %.1f, %.1f is there", wall->id,
                 at[0] - low_x, at[2] - low_z, expected[0], expected[1], found[0], found[1]);
    }
}

static size_t check_content(struct folder *folder, const struct mesh_tile *content,
                            double tolerance_px)
{
    uint64_t state = 5;
    size_t checked = 0;
    for (size_t m = 0; m < content->mesh_count; m++) {
        const struct mesh *mesh = &content->meshes[m];
        const struct mesh_material *material = &content->materials[mesh->material];
        struct texture texture;
        struct err err;
        CHECK(material->image >= 0 && mesh->uvs != NULL);
        CHECK(material->is_unlit);
        CHECK_OK(texture_open(&content->images[material->image], material->wrap, &folder->arena,
                              &texture, &err),
                 &err);
        for (uint32_t t = 0; t + 2 < mesh->index_count; t += 3) {
            const uint32_t *corners = mesh->indices + t;
            const struct wall *wall = wall_of(content, mesh->rows[corners[0]]);
            for (int i = 0; i < 200; i++) {
                const double b = (double)(polygon_random(&state) % 1000) / 1000;
                const double c = (1 - b) * (double)(polygon_random(&state) % 1000) / 1000;
                const double weights[3] = {1 - b - c, b, c};
                check_point(mesh, &texture, wall, corners, weights, tolerance_px);
                checked++;
            }
        }
    }
    return checked;
}

static void read_content(struct folder *folder, struct span bytes, struct mesh_tile *out)
{
    struct err err;
    CHECK_OK(glb_read(bytes, &folder->arena, out, &err), &err);
    CHECK(out->table != NULL);
    struct property_schema *schema = arena_array(&folder->arena, struct property_schema, 1);
    struct property_table *table = arena_array(&folder->arena, struct property_table, 1);
    char path[256];
    struct io_map map;
    snprintf(path, sizeof path, "%s/out/tiles/%.*s", folder->path,
             TEXT_ARGS(out->table->schema->uri));
    CHECK_OK(io_map(path, &map, &err), &err);
    CHECK_OK(property_schema_read(map.bytes, text_of("feature"), &folder->arena, schema, &err),
             &err);
    CHECK_OK(glb_read_table(bytes, schema, &folder->arena, table, &err), &err);
    out->table = table;
}

static void tile__shows_each_place_of_the_picture_where_the_source_has_it(void)
{
    struct folder folder;
    struct mesh_tile content;
    folder_open(&folder);
    read_content(&folder, tile(&folder, NULL, NULL), &content);
    /* Both pictures on one page of JPEG, and one that repeats for each wrap. */
    CHECK_TEXT(content.images[0].media_type, "image/jpeg");
    CHECK(content.mesh_count <= 3);
    CHECK_EQ(check_content(&folder, &content, 4), WALL_COUNT * 2 * 200);
    folder_close(&folder);
}

static void tile__shows_the_same_of_citygml(void)
{
    struct folder folder;
    struct mesh_tile content;
    folder_open(&folder);
    folder.city = "city.gml";
    read_content(&folder, tile(&folder, "--texture-format", "png"), &content);
    CHECK_EQ(check_content(&folder, &content, 1), WALL_COUNT * 2 * 200);
    folder_close(&folder);
}

static void tile__keeps_every_texel_in_png(void)
{
    struct folder folder;
    struct mesh_tile content;
    folder_open(&folder);
    read_content(&folder, tile(&folder, "--texture-format", "png"), &content);
    CHECK_TEXT(content.images[0].media_type, "image/png");
    CHECK_EQ(check_content(&folder, &content, 1), WALL_COUNT * 2 * 200);
    folder_close(&folder);
}

static void tile__writes_webp_when_asked(void)
{
    struct folder folder;
    struct mesh_tile content;
    folder_open(&folder);
    read_content(&folder, tile(&folder, "--texture-format=webp", NULL), &content);
    CHECK_TEXT(content.images[0].media_type, "image/webp");
    CHECK_EQ(check_content(&folder, &content, 8), WALL_COUNT * 2 * 200);
    folder_close(&folder);
}

static void tile__carries_pictures_in_b3dm(void)
{
    struct folder folder;
    struct mesh_tile content;
    struct b3dm parts;
    struct err err;
    folder_open(&folder);
    const struct span bytes = tile(&folder, "--tiles-version", "1.0");
    CHECK_OK(b3dm_read(bytes, &parts, &err), &err);
    CHECK_OK(glb_read(parts.part[B3DM_GLB], &folder.arena, &content, &err), &err);
    CHECK(content.image_count > 0);
    CHECK(content.meshes[0].uvs != NULL);
    folder_close(&folder);
}

static void tile__has_colors_without_textures(void)
{
    struct folder folder;
    struct mesh_tile content;
    folder_open(&folder);
    read_content(&folder, tile(&folder, "--no-textures", NULL), &content);
    CHECK_EQ(content.image_count, 0);
    CHECK(!content.materials[0].is_unlit);
    folder_close(&folder);
}

static void tile__repeats_its_bytes_with_any_threads(void)
{
    struct folder folder;
    folder_open(&folder);
    const struct span one = tile(&folder, "--threads", "1");
    const struct span four = tile(&folder, "--threads", "4");
    CHECK_EQ(one.size, four.size);
    CHECK(memcmp(one.data, four.data, one.size) == 0);
    folder_close(&folder);
}

CHECK_MAIN(CHECK_TEST(tile__shows_each_place_of_the_picture_where_the_source_has_it),
           CHECK_TEST(tile__shows_the_same_of_citygml), CHECK_TEST(tile__keeps_every_texel_in_png),
           CHECK_TEST(tile__writes_webp_when_asked), CHECK_TEST(tile__carries_pictures_in_b3dm),
           CHECK_TEST(tile__has_colors_without_textures),
           CHECK_TEST(tile__repeats_its_bytes_with_any_threads))

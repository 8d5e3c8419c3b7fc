/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "tiler/scene.h"

#include <stdlib.h>

#include "formats/base/earth.h"
#include "formats/base/io.h"
#include "formats/glb.h"
#include "tests/check.h"
#include "tiler/preview.h"
#include "tiler/viewpoint.h"

/*
 * Four quarters of 100 m around a place on the equator, z up, x east:
 *
 *     north-west  north-east     each a tile of error 0 (or with children)
 *     south-west  south-east     under a root of error 10
 *
 * One pixel of the camera below is a 540th of the distance.
 */
static const char transform[] = "\"transform\":[0,1,0,0, 0,0,1,0, 1,0,0,0, 6378137,0,0,1]";

struct place {
    char folder[64];
    struct arena run;
    struct scene *scene;
};

static void write_file(const struct place *place, const char *name, const char *text)
{
    char path[128];
    struct err err;
    snprintf(path, sizeof path, "%s/%s", place->folder, name);
    CHECK_OK(io_write_file(path, (struct span){(const uint8_t *)text, strlen(text)}, false, &err),
             &err);
}

static void open_place(struct place *place, const char *tiles)
{
    struct err err;
    struct buf json;
    strcpy(place->folder, "/tmp/storey-scene-XXXXXX");
    CHECK(mkdtemp(place->folder) != NULL);
    buf_init(&json, 1 << 20);
    buf_print(&json, "{\"asset\":{\"version\":\"1.1\"},\"geometricError\":1000,\"root\":%s}%c",
              tiles, 0);
    write_file(place, "tileset.json", (const char *)json.data);
    buf_release(&json);
    arena_init(&place->run, (size_t)1 << 28);
    CHECK_OK(scene_open(place->folder, &place->run, &place->scene, &err), &err);
}

static void close_place(struct place *place)
{
    char command[128];
    scene_close(place->scene);
    arena_release(&place->run);
    snprintf(command, sizeof command, "rm -r %s", place->folder);
    CHECK_EQ(system(command), 0);
}

/* At a height above the middle, looking down, north up: sees `height` x 1.0 to
 * the north and south, as much to the east and west. */
static struct scene_camera above(double east, double north, double height)
{
    return (struct scene_camera){
        .at_ecef_m = {6378137 + height, east, north},
        .right = {0, 1, 0},
        .up = {0, 0, 1},
        .back = {1, 0, 0},
        .fov_y_rad = EARTH_PI / 2,
        .width_px = 1080,
        .height_px = 1080,
    };
}

/* "name*name name ...": what is loaded, a star behind what is shown. */
static const char *choose(struct place *place, const struct scene_camera *camera, double sse_px)
{
    static char out[512];
    struct scene_choice choice;
    struct err err;
    size_t size = 0;
    CHECK_OK(scene_choose(place->scene, camera, sse_px, &place->run, &choice, &err), &err);
    out[0] = '\0';
    for (size_t i = 0; i < choice.count; i++) {
        const struct scene_request *r = &choice.requests[i];
        size += (size_t)snprintf(out + size, sizeof out - size, "%s%.*s%s", i == 0 ? "" : " ",
                                 TEXT_ARGS(r->name), r->is_shown ? "*" : "");
        CHECK(r->bytes > 0);
    }
    return out;
}

/* A box of 2 x half metres around x, y, from 0 to 10 m. */
#define TILE(name, x, y, half, error, more)                                                        \
    "{\"boundingVolume\":{\"box\":[" x "," y ",5," half ",0,0,0," half                             \
    ",0,0,0,5]},\"geometricError\":" error ",\"content\":{\"uri\":\"" name "\"}" more "}"

static const char quarters[] =
    "{\"boundingVolume\":{\"box\":[0,0,5,100.01,0,0,0,100.01,0,0,0,5.01]},\"refine\":\"REPLACE\","
    "\"geometricError\":10,\"content\":{\"uri\":\"root.glb\"},%s,\"children\":[" TILE(
        "sw.glb", "-50", "-50", "50", "0",
        "") "," TILE("se.glb", "50", "-50", "50", "0",
                     "") "," TILE("nw.glb", "-50", "50", "50", "0",
                                  "") "," TILE("%s", "50", "50", "50", "1", "") "]}";

static void open_quarters(struct place *place, const char *last)
{
    char tiles[4096];
    snprintf(tiles, sizeof tiles, quarters, transform, last);
    open_place(place, tiles);
    static const char *const names[] = {"root.glb", "sw.glb", "se.glb", "nw.glb", "ne.glb"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        write_file(place, names[i], "x");
    }
}

static void scene_choose__refines_when_the_error_is_too_large(void)
{
    struct place place;
    open_quarters(&place, "ne.glb");
    /* 10 m at 350 - 10 m are 10 x 540 / 340 = 15.9 px */
    struct scene_camera camera = above(0, 0, 350);
    CHECK_TEXT(choose(&place, &camera, 16), "tileset.json root.glb*");
    camera = above(0, 0, 340);
    CHECK_TEXT(choose(&place, &camera, 16),
               "tileset.json root.glb sw.glb* se.glb* nw.glb* ne.glb*");
    CHECK_TEXT(choose(&place, &camera, 20), "tileset.json root.glb*");
    CHECK_TEXT(choose(&place, &camera, 0), "tileset.json root.glb sw.glb* se.glb* nw.glb* ne.glb*");
    close_place(&place);
}

/* A parent waits for all its children, seen or not. */
static void scene_choose__loads_siblings_out_of_sight(void)
{
    struct place place;
    open_quarters(&place, "ne.glb");
    const struct scene_camera camera = above(70, 70, 60);
    CHECK_TEXT(choose(&place, &camera, 16), "tileset.json root.glb sw.glb se.glb nw.glb ne.glb*");
    close_place(&place);
}

static void scene_choose__loads_nothing_out_of_sight(void)
{
    struct place place;
    open_quarters(&place, "ne.glb");
    const struct scene_camera camera = above(700, 0, 60);
    CHECK_TEXT(choose(&place, &camera, 16), "tileset.json");
    close_place(&place);
}

/* The box of the root reaches into the frame, but no child's does. */
static void scene_choose__culls_by_the_children(void)
{
    struct place place;
    char tiles[4096];
    snprintf(tiles, sizeof tiles,
             "{\"boundingVolume\":{\"box\":[0,0,5,400,0,0,0,400,0,0,0,50]},\"refine\":\"REPLACE\","
             "\"geometricError\":100,\"content\":{\"uri\":\"root.glb\"},%s,\"children\":[" TILE(
                 "sw.glb", "-50", "-50", "50", "0", "") "]}",
             transform);
    open_place(&place, tiles);
    write_file(&place, "root.glb", "x");
    write_file(&place, "sw.glb", "x");
    struct scene_camera camera = above(300, 300, 60);
    CHECK_TEXT(choose(&place, &camera, 16), "tileset.json");
    camera = above(-50, -50, 60);
    CHECK_TEXT(choose(&place, &camera, 16), "tileset.json root.glb sw.glb*");
    close_place(&place);
}

/* An external tileset is loaded with its root, out of sight as well: the parent
 * waits for what it shows. */
static void scene_choose__follows_external_tilesets(void)
{
    struct place place;
    open_quarters(&place, "ne.json");
    write_file(&place, "ne.json",
               "{\"asset\":{\"version\":\"1.1\"},\"geometricError\":1,\"root\":"
               "{\"boundingVolume\":{\"box\":[50,50,5,50,0,0,0,50,0,0,0,5]},"
               "\"refine\":\"REPLACE\",\"geometricError\":1,\"content\":{\"uri\":\"ne.glb\"}}}");
    struct scene_camera camera = above(70, 70, 60);
    CHECK_TEXT(choose(&place, &camera, 16),
               "tileset.json root.glb sw.glb se.glb nw.glb ne.json ne.glb*");
    camera = above(-70, -70, 60);
    CHECK_TEXT(choose(&place, &camera, 16),
               "tileset.json root.glb sw.glb* se.glb nw.glb ne.json ne.glb");
    close_place(&place);
}

static void scene_choose__adds_where_refine_says_so(void)
{
    struct place place;
    char tiles[4096];
    snprintf(tiles, sizeof tiles,
             "{\"boundingVolume\":{\"box\":[0,0,5,101,0,0,0,101,0,0,0,6]},\"refine\":\"ADD\","
             "\"geometricError\":10,\"content\":{\"uri\":\"root.glb\"},%s,\"children\":[" TILE(
                 "sw.glb", "-50", "-50", "50", "0", "") "," TILE("ne.glb", "50", "50", "50", "0",
                                                                 "") "]}",
             transform);
    open_place(&place, tiles);
    write_file(&place, "root.glb", "x");
    write_file(&place, "sw.glb", "x");
    write_file(&place, "ne.glb", "x");
    const struct scene_camera camera = above(70, 70, 60);
    CHECK_TEXT(choose(&place, &camera, 16), "tileset.json root.glb* ne.glb*");
    close_place(&place);
}

static void scene_choose__says_which_file_is_missing(void)
{
    struct place place;
    struct scene_choice choice;
    struct err err;
    open_quarters(&place, "gone.glb");
    const struct scene_camera camera = above(0, 0, 100);
    CHECK_FAILS(scene_choose(place.scene, &camera, 16, &place.run, &choice, &err), &err, ERR_IO);
    CHECK_TEXT(err.source, "gone.glb");
    close_place(&place);
}

static void scene_switches__lists_what_gives_way(void)
{
    struct place place;
    struct scene_switch *switches;
    struct err err;
    size_t count;
    open_quarters(&place, "ne.json");
    write_file(&place, "ne.json",
               "{\"asset\":{\"version\":\"1.1\"},\"geometricError\":1,\"root\":"
               "{\"boundingVolume\":{\"box\":[50,50,5,50,0,0,0,50,0,0,0,5]},"
               "\"refine\":\"REPLACE\",\"geometricError\":1,\"content\":{\"uri\":\"ne.glb\"}}}");
    CHECK_OK(scene_switches(place.scene, &place.run, &switches, &count, &err), &err);
    CHECK_EQ(count, 1);
    CHECK_NEAR(switches[0].error_m, 10, 1e-9, "m");
    CHECK_EQ(switches[0].parent.count, 1);
    CHECK_EQ(switches[0].children.count, 4);
    CHECK_TEXT_IS(switches[0].children.requests[3].name, "ne.glb");
    const struct vec3 high = {6378137 + 110, 0, 0};
    CHECK_NEAR(scene_switch_distance(&switches[0], high), 100, 0.1, "m");
    close_place(&place);
}

/* ---- pictures of them ---- */

/* A house of 2 x half metres around x, y. */
static void write_house(struct place *place, const char *name, float x, float y, float half,
                        float height)
{
    float positions[8 * 3];
    float normals[8 * 3] = {0};
    uint32_t rows[8] = {0};
    static uint32_t indices[] = {4, 5, 7, 4, 7, 6, 0, 1, 5, 0, 5, 4, 1, 3, 7,
                                 1, 7, 5, 3, 2, 6, 3, 6, 7, 2, 0, 4, 2, 4, 6};
    for (int i = 0; i < 8; i++) {
        positions[3 * i] = x + (i & 1 ? half : -half);
        positions[3 * i + 1] = y + (i & 2 ? half : -half);
        positions[3 * i + 2] = i & 4 ? height : 0;
        normals[3 * i + 2] = 1;
    }
    const struct mesh mesh = {.vertex_count = 8,
                              .index_count = 30,
                              .positions = positions,
                              .normals = normals,
                              .rows = rows,
                              .indices = indices};
    const struct mesh_material material = {
        .base_color = {0.8f, 0.2f, 0.2f, 1}, .roughness = 1, .image = -1};
    const struct mesh_tile tile = {
        .meshes = &mesh, .mesh_count = 1, .materials = &material, .material_count = 1};
    const struct glb_options options = {.compression = GLB_NONE, .features = GLB_MESH_FEATURES};
    struct glb_summary summary;
    struct buf bytes;
    struct err err;
    char path[128];
    buf_init(&bytes, 1 << 20);
    CHECK_OK(glb_write(&tile, &options, &place->run, &bytes, &summary, &err), &err);
    snprintf(path, sizeof path, "%s/%s", place->folder, name);
    CHECK_OK(io_write_file(path, buf_span(&bytes), false, &err), &err);
    buf_release(&bytes);
}

/* Four houses of 10 m, and in the root's place of them `root_height_m`. */
static void open_houses(struct place *place, float root_height_m)
{
    open_quarters(place, "ne.glb");
    write_house(place, "root.glb", 0, 0, 90, root_height_m);
    write_house(place, "sw.glb", -50, -50, 40, 10);
    write_house(place, "se.glb", 50, -50, 40, 10);
    write_house(place, "nw.glb", -50, 50, 40, 10);
    write_house(place, "ne.glb", 50, 50, 40, 10);
}

static void preview_run__compares_with_full_detail(void)
{
    struct place place;
    struct buf out;
    struct err err;
    open_houses(&place, 10);
    struct preview_options options = {.path = place.folder,
                                      .against = "full",
                                      .sse_px = {0.5, 1000},
                                      .sse_count = 2,
                                      .width_px = 160,
                                      .height_px = 90,
                                      .samples = 2,
                                      .switch_count = 1,
                                      .is_json = true};
    buf_init(&out, 1 << 20);
    CHECK_OK(preview_run(&options, &place.run, &out, &err), &err);
    buf_add_byte(&out, '\0');
    const char *text = (const char *)out.data;
    CHECK(strstr(text, "\"name\":\"far-1\"") != NULL);
    CHECK(strstr(text, "\"name\":\"street-1\"") != NULL);
    /* at half a pixel the houses themselves, at a thousand the root */
    CHECK(strstr(text, "\"sse\":0.5,\"requests\":6") != NULL);
    CHECK(strstr(text, "\"ssim\":1,") != NULL);
    CHECK(strstr(text, "\"sse\":1000,\"requests\":2") != NULL);
    CHECK(strstr(text, "\"switches\":[\n{\"name\":\"root.glb\"") != NULL);
    buf_release(&out);
    close_place(&place);
}

static void preview_run__knows_the_cameras_by_name(void)
{
    struct place place;
    struct buf out;
    struct err err;
    static const char *const wrong[] = {"moon"};
    static const char *const right[] = {"near", "far-2"};
    open_houses(&place, 10);
    struct preview_options options = {.path = place.folder,
                                      .cameras = wrong,
                                      .camera_count = 1,
                                      .sse_px = {16},
                                      .sse_count = 1,
                                      .width_px = 160,
                                      .height_px = 90,
                                      .samples = 1,
                                      .is_json = true};
    buf_init(&out, 1 << 20);
    CHECK_FAILS(preview_run(&options, &place.run, &out, &err), &err, ERR_SYNTAX);
    options.cameras = right;
    options.camera_count = 2;
    CHECK_OK(preview_run(&options, &place.run, &out, &err), &err);
    buf_add_byte(&out, '\0');
    CHECK(strstr((const char *)out.data, "near-3") != NULL);
    CHECK(strstr((const char *)out.data, "far-2") != NULL);
    CHECK(strstr((const char *)out.data, "far-1") == NULL);
    buf_release(&out);
    close_place(&place);
}

/* The grid is the same each time, its cameras stand outside of houses, and its
 * numbers give the same camera. */
static void viewpoint_grid__is_repeatable(void)
{
    struct place place;
    struct err err;
    struct viewpoint grids[2][VIEWPOINT_GRID_MAX];
    size_t counts[2];
    open_houses(&place, 10);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(viewpoint_grid(place.scene, 160, 90, &place.run, grids[i], &counts[i], &err),
                 &err);
    }
    CHECK_EQ(counts[0], counts[1]);
    CHECK(counts[0] >= 8);
    for (size_t i = 0; i < counts[0]; i++) {
        char text[VIEWPOINT_TEXT_BYTES];
        struct viewpoint again;
        viewpoint_print(&grids[0][i], text);
        CHECK_OK(viewpoint_read(text, &again, &err), &err);
        const struct scene_camera camera = viewpoint_camera(&again, 160, 90);
        const struct scene_camera other = viewpoint_camera(&grids[1][i], 160, 90);
        CHECK_NEAR(vec3_distance(camera.at_ecef_m, other.at_ecef_m), 0, 1e-6, "m");
        CHECK_NEAR(vec3_distance(camera.back, other.back), 0, 1e-12, "");
        /* on the equator at longitude 0: x is up, y is east, z is north */
        const double east = fabs(fabs(camera.at_ecef_m.y) - 50);
        const double north = fabs(fabs(camera.at_ecef_m.z) - 50);
        CHECK(east > 40 || north > 40 || camera.at_ecef_m.x > 6378137 + 10);
    }
    close_place(&place);
}

static void scene_open__fails_on_every_refusal(void)
{
    struct place place;
    struct scene_choice choice;
    struct err err;
    open_quarters(&place, "ne.glb");
    const struct scene_camera camera = above(0, 0, 100);
    for (size_t i = 1;; i++) {
        struct arena run;
        struct scene *scene;
        arena_init(&run, (size_t)1 << 24);
        run.fail_after = i;
        bool ok = scene_open(place.folder, &run, &scene, &err);
        if (ok) {
            ok = scene_choose(scene, &camera, 16, &run, &choice, &err);
            scene_close(scene);
        }
        arena_release(&run);
        if (ok) {
            CHECK(i > 5);
            break;
        }
        CHECK_EQ(err.code, ERR_NOMEM);
    }
    close_place(&place);
}

CHECK_MAIN(CHECK_TEST(scene_choose__refines_when_the_error_is_too_large),
           CHECK_TEST(scene_choose__loads_siblings_out_of_sight),
           CHECK_TEST(scene_choose__loads_nothing_out_of_sight),
           CHECK_TEST(scene_choose__culls_by_the_children),
           CHECK_TEST(scene_choose__follows_external_tilesets),
           CHECK_TEST(scene_choose__adds_where_refine_says_so),
           CHECK_TEST(scene_choose__says_which_file_is_missing),
           CHECK_TEST(scene_switches__lists_what_gives_way),
           CHECK_TEST(preview_run__compares_with_full_detail),
           CHECK_TEST(preview_run__knows_the_cameras_by_name),
           CHECK_TEST(viewpoint_grid__is_repeatable),
           CHECK_TEST(scene_open__fails_on_every_refusal))

/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/shade.h"

#include "formats/mesh.h"
#include "tests/tiler/feature_case.h"
#include "tests/tiler/image_case.h"
#include "tiler/block.h"
#include "tiler/paint.h"

static void paint_halves(uint32_t x, uint32_t y, int seed, uint8_t rgba[4])
{
    (void)y;
    (void)seed;
    rgba[0] = rgba[1] = rgba[2] = x < 32 ? 255 : 0;
    rgba[3] = 255;
}

static void paint_grey(uint32_t x, uint32_t y, int seed, uint8_t rgba[4])
{
    (void)x;
    (void)y;
    rgba[0] = rgba[1] = rgba[2] = (uint8_t)seed;
    rgba[3] = 255;
}

static void paint_noise(uint32_t x, uint32_t y, int seed, uint8_t rgba[4])
{
    const uint32_t mixed = (x * 2654435761u ^ y * 40503u) >> 7;
    rgba[0] = rgba[1] = rgba[2] = (uint8_t)(seed + (int)(mixed % 41) - 20);
    rgba[3] = 255;
}

struct bench {
    struct image_case pictures;
    struct arena scratch;
    struct feature_case *made;
    struct feature_texture textures[8];
    struct record record;
    struct shape full;
    struct shade *shade;
};

static void bench_open(struct bench *bench)
{
    memset(bench, 0, sizeof *bench);
    image_case_open(&bench->pictures);
    bench->made = feature_case_open();
    arena_init(&bench->scratch, (size_t)1 << 26);
}

/* A texture of the feature; its number. */
static int32_t add_texture(struct bench *bench, const char *name, image_case_paint *paint, int seed)
{
    struct feature *feature = &bench->made->feature;
    image_case_add(&bench->pictures, name, 64, 64, paint, seed);
    bench->textures[feature->texture_count] =
        (struct feature_texture){.image = text_of(name), .wrap = WRAP_REPEAT};
    feature->textures = bench->textures;
    return (int32_t)feature->texture_count++;
}

/* The last polygon shows the texture from u0 to u1, over all of its height. */
static void show(struct bench *bench, int32_t texture, float u0, float u1)
{
    struct feature_case *c = bench->made;
    c->polygons[c->feature.polygon_count - 1].texture = texture;
    float *uvs = c->uvs + 2 * (c->feature.corner_count - 4);
    const float ring[8] = {u0, 0, u1, 0, u1, 1, u0, 1};
    memcpy(uvs, ring, sizeof ring);
    c->feature.uvs = c->uvs;
}

static void finish(struct bench *bench, double texel_per_error)
{
    struct arena *arena = &bench->pictures.arena;
    struct err err;
    bench->record.feature = bench->made->feature;
    CHECK_OK(shape_from_feature(&bench->record.feature, 0, bench->made->placed, arena,
                                &bench->scratch, NULL, &bench->full, &err),
             &err);
    CHECK_OK(shade_open(&bench->record, &bench->full, bench->pictures.images,
                        bench->pictures.source_path, texel_per_error, arena, &bench->shade, &err),
             &err);
}

static struct piece piece_of(struct bench *bench, const struct shape *shape)
{
    struct arena *arena = &bench->pictures.arena;
    struct piece_face *faces = arena_array(arena, struct piece_face, shape->face_count);
    struct arena scratch;
    struct err err;
    CHECK(faces != NULL);
    for (uint32_t f = 0; f < shape->face_count; f++) {
        faces[f].image = PIECE_NO_IMAGE;
    }
    struct piece piece = {.face_count = shape->face_count, .faces = faces};
    arena_init(&scratch, 1 << 24);
    CHECK_OK(shade_piece(bench->shade, shape, &scratch, faces, &piece, &err), &err);
    CHECK_EQ(scratch.used_bytes, 0);
    arena_release(&scratch);
    return piece;
}

static void bench_close(struct bench *bench)
{
    image_case_close(&bench->pictures);
    arena_release(&bench->scratch);
    free(bench->made);
}

static void add_wall(struct bench *bench, struct vec3 from, struct vec3 to)
{
    const struct vec3 up = {0, 0, 8};
    const struct vec3 ring[4] = {from, to, vec3_add(to, up), vec3_add(from, up)};
    feature_case_polygon(bench->made, SURFACE_WALL, FEATURE_NONE, ring, 4, false);
}

/* Half white, half black: half of the light. A part of it: its own share. */
static void shade_piece__takes_the_mean_of_light(void)
{
    static const float parts[3][2] = {{0, 1}, {0.375f, 0.625f}, {0.25f, 1.25f}};
    static const double expected[3] = {0.5, 0.5, 0.5};
    struct bench bench;
    bench_open(&bench);
    const int32_t texture = add_texture(&bench, "halves.png", paint_halves, 0);
    for (int i = 0; i < 3; i++) {
        add_wall(&bench, (struct vec3){20 * i, 0, 0}, (struct vec3){20 * i + 8, 0, 0});
        show(&bench, texture, parts[i][0], parts[i][1]);
    }
    finish(&bench, 0.5);
    const struct piece piece = piece_of(&bench, &bench.full);
    for (int i = 0; i < 3; i++) {
        CHECK_NEAR(piece.faces[i].paint.color[0] / 65535.0, expected[i], 0.02, "of light");
        CHECK(piece.faces[i].image != PIECE_NO_IMAGE);
        CHECK_EQ(piece.faces[i].is_unlit, 1);
        CHECK_EQ(piece.faces[i].alpha, MESH_OPAQUE);
    }
    CHECK(piece.uvs == bench.full.uvs);
    CHECK(piece.error_m == 0);
    CHECK_NEAR(piece.image_area_m2, 3 * 64, 1e-9, "m2");
    CHECK(piece.image_texels <= 64 * 64); /* the same image thrice is stored once */
    bench_close(&bench);
}

static void shade_piece__makes_a_plain_picture_a_color(void)
{
    struct bench bench;
    bench_open(&bench);
    const int32_t plain = add_texture(&bench, "plain.png", paint_grey, 188);
    const int32_t noise = add_texture(&bench, "noise.png", paint_noise, 100);
    add_wall(&bench, (struct vec3){0, 0, 0}, (struct vec3){8, 0, 0});
    show(&bench, plain, 0, 1);
    add_wall(&bench, (struct vec3){20, 0, 0}, (struct vec3){28, 0, 0});
    show(&bench, noise, 0, 1);
    add_wall(&bench, (struct vec3){40, 0, 0}, (struct vec3){48, 0, 0});
    finish(&bench, 0.5);
    const struct piece piece = piece_of(&bench, &bench.full);
    CHECK_EQ(piece.faces[0].image, PIECE_NO_IMAGE);
    CHECK_EQ(piece.faces[0].is_unlit, 1);
    CHECK_NEAR(piece.faces[0].paint.color[1] / 65535.0, paint_linear(188 / 255.0), 0.001, "");
    CHECK(piece.faces[1].image != PIECE_NO_IMAGE);
    CHECK_EQ(piece.faces[2].is_unlit, 0); /* it has no picture */
    bench_close(&bench);
}

/* South dark, north light, east and west between; a roof of its own. */
static void shade_piece__gives_a_block_the_colors_of_its_sides(void)
{
    struct bench bench;
    bench_open(&bench);
    const struct vec3 corners[4] = {{0, 0, 0}, {8, 0, 0}, {8, 8, 0}, {0, 8, 0}};
    static const int greys[4] = {40, 120, 220, 120};
    struct vec3 roof[4];
    for (int i = 0; i < 4; i++) {
        char *name = arena_print(&bench.pictures.arena, "%d.png", i);
        add_wall(&bench, corners[i], corners[(i + 1) % 4]);
        show(&bench, add_texture(&bench, name, paint_noise, greys[i]), 0, 1);
        roof[i] = vec3_add(corners[i], (struct vec3){0, 0, 8});
    }
    feature_case_polygon(bench.made, SURFACE_ROOF, FEATURE_NONE, roof, 4, false);
    show(&bench, add_texture(&bench, "roof.png", paint_noise, 80), 0, 1);
    feature_case_polygon(bench.made, SURFACE_GROUND, FEATURE_NONE, corners, 4, true);
    finish(&bench, 0.5);
    struct shape block;
    struct err err;
    CHECK_OK(block_make(&bench.full, &(struct block_options){.tolerance_m = 0.5},
                        &bench.pictures.arena, &bench.scratch, &block, &err),
             &err);
    const struct piece piece = piece_of(&bench, &block);
    int seen = 0;
    for (uint32_t f = 0; f < block.face_count; f++) {
        const struct vec3 normal = block.faces[f].normal;
        const double found = piece.faces[f].paint.color[0] / 65535.0;
        const int grey = normal.z > 0.5         ? 80
                         : normal.y < -0.5      ? 40
                         : normal.y > 0.5       ? 220
                         : fabs(normal.x) > 0.5 ? 120
                                                : -1;
        if (grey >= 0) {
            CHECK_NEAR(found, paint_linear(grey / 255.0), 0.02, "of light");
            CHECK_EQ(piece.faces[f].is_unlit, 1);
            CHECK_EQ(piece.faces[f].image, PIECE_NO_IMAGE);
            seen++;
        }
    }
    CHECK(seen >= 5);
    /* What it lost: 64 m2 of little contrast. All of it would be 4 m. */
    CHECK(piece.error_m > 0.5 && piece.error_m < 4);
    bench_close(&bench);
}

static void shade_open__has_nothing_to_say_without_pictures(void)
{
    struct bench bench;
    bench_open(&bench);
    add_wall(&bench, (struct vec3){0, 0, 0}, (struct vec3){8, 0, 0});
    bench.textures[0] = (struct feature_texture){.image = text_of("none.png")};
    bench.made->feature.textures = bench.textures;
    bench.made->feature.texture_count = 1;
    show(&bench, 0, 0, 1);
    finish(&bench, 0.5);
    CHECK(bench.shade == NULL);
    bench_close(&bench);
}

static void shade_count_texels__counts_shared_images_in_parts(void)
{
    struct bench bench;
    double texels;
    struct err err;
    bench_open(&bench);
    const int32_t texture = add_texture(&bench, "a.png", paint_halves, 0);
    add_wall(&bench, (struct vec3){0, 0, 0}, (struct vec3){8, 0, 0});
    show(&bench, texture, 0, 0.5f);
    finish(&bench, 0.5);
    struct image_case *c = &bench.pictures;
    CHECK_OK(shade_count_texels(&bench.record, c->images, c->source_path, &c->arena, &texels, &err),
             &err);
    CHECK_NEAR(texels, 2048, 1, "texels");
    for (int i = 0; i < 4; i++) {
        CHECK_OK(images_note(c->images, 0, c->source_path, text_of("a.png"), &err), &err);
    }
    CHECK_OK(shade_count_texels(&bench.record, c->images, c->source_path, &c->arena, &texels, &err),
             &err);
    CHECK_NEAR(texels, 512, 1, "texels");
    bench_close(&bench);
}

CHECK_MAIN(CHECK_TEST(shade_piece__takes_the_mean_of_light),
           CHECK_TEST(shade_piece__makes_a_plain_picture_a_color),
           CHECK_TEST(shade_piece__gives_a_block_the_colors_of_its_sides),
           CHECK_TEST(shade_open__has_nothing_to_say_without_pictures),
           CHECK_TEST(shade_count_texels__counts_shared_images_in_parts))

/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/atlas.h"

#include "tests/tiler/image_case.h"

enum { FACES_MAX = 128 };

/* A piece of quads, each with a rectangle of an image. */
struct quads {
    struct piece piece;
    struct vec3 points[4 * FACES_MAX];
    uint32_t corners[6 * FACES_MAX];
    uint32_t faces_of[2 * FACES_MAX];
    struct piece_face faces[FACES_MAX];
    float uvs[12 * FACES_MAX];
};

/* side_m x side_m on the wall; u and v from one corner to the other. */
static void add_quad(struct quads *q, int32_t image, double side_m, double u0, double v0, double u1,
                     double v1)
{
    const uint32_t f = q->piece.face_count++;
    CHECK(f < FACES_MAX);
    const double x = 20.0 * f;
    const struct vec3 ring[4] = {
        {x, 0, 0}, {x + side_m, 0, 0}, {x + side_m, 0, side_m}, {x, 0, side_m}};
    const double uv[4][2] = {{u0, v0}, {u1, v0}, {u1, v1}, {u0, v1}};
    static const uint32_t order[6] = {0, 1, 2, 0, 2, 3};
    memcpy(q->points + (size_t)4 * f, ring, sizeof ring);
    for (uint32_t i = 0; i < 6; i++) {
        q->corners[6 * f + i] = 4 * f + order[i];
        q->uvs[12 * f + 2 * i] = (float)uv[order[i]][0];
        q->uvs[12 * f + 2 * i + 1] = (float)uv[order[i]][1];
    }
    q->faces_of[2 * f] = f;
    q->faces_of[2 * f + 1] = f;
    q->faces[f] = (struct piece_face){.normal = {0, -1, 0},
                                      .paint = {{1, 2, 3, UINT16_MAX}},
                                      .image = image,
                                      .wrap = MESH_REPEAT,
                                      .is_unlit = 1};
    q->piece.point_count += 4;
    q->piece.triangle_count += 2;
    q->piece.points = q->points;
    q->piece.corners = q->corners;
    q->piece.triangle_faces = q->faces_of;
    q->piece.faces = q->faces;
    q->piece.uvs = q->uvs;
}

static struct atlas make(struct image_case *c, const struct quads *q, double texel_m,
                         enum atlas_format format)
{
    const struct piece **pieces =
        arena_alloc(&c->arena, 1, sizeof(struct piece *), _Alignof(struct piece *));
    struct arena scratch;
    struct atlas atlas;
    struct err err;
    arena_init(&scratch, (size_t)1 << 30);
    pieces[0] = &q->piece;
    const struct atlas_request request = {pieces, 1, c->images, texel_m, format};
    CHECK_OK(atlas_make(&request, &c->arena, &scratch, &atlas, &err), &err);
    CHECK_EQ(scratch.used_bytes, 0);
    arena_release(&scratch);
    return atlas;
}

static struct image decode(struct image_case *c, const struct atlas *atlas, size_t page)
{
    struct image image;
    struct err err;
    CHECK_OK(image_read(atlas->pages[page].image.bytes, 1, &c->arena, &image, &err), &err);
    return image;
}

static void paint_place(uint32_t x, uint32_t y, int seed, uint8_t rgba[4])
{
    rgba[0] = (uint8_t)x;
    rgba[1] = (uint8_t)y;
    rgba[2] = (uint8_t)((uint32_t)seed + 37 * (x / 256) + 91 * (y / 256));
    rgba[3] = 255;
}

/* The texel that a page has for u and v of a face; checks that it is inside. */
static const uint8_t *texel_at(const struct atlas *atlas, const struct image *pages, uint32_t face,
                               double u, double v)
{
    const struct atlas_place *place = &atlas->places[face];
    CHECK(place->page >= 0 && (size_t)place->page < atlas->page_count);
    const struct image *page = &pages[place->page];
    const double x = (place->scale[0] * u + place->shift[0]) * page->width;
    const double y = (place->scale[1] * v + place->shift[1]) * page->height;
    CHECK(x >= 0 && y >= 0 && x < page->width && y < page->height);
    return page->pixels + 4 * ((size_t)y * page->width + (size_t)x);
}

static void atlas_make__places_texels_where_they_were(void)
{
    static struct quads q;
    struct image_case c;
    image_case_open(&c);
    memset(&q, 0, sizeof q);
    const int32_t a = image_case_add(&c, "a.png", 200, 100, paint_place, 1);
    const int32_t b = image_case_add(&c, "b.png", 64, 128, paint_place, 2);
    add_quad(&q, a, 10, 0, 0, 1, 1);
    add_quad(&q, b, 10, 0.25, 0.5, 0.75, 1);
    add_quad(&q, b, 10, -2.75, 4.0, -2.5, 4.25); /* the same as 0.25, 0 to 0.5, 0.25 */
    const struct atlas atlas = make(&c, &q, 0, ATLAS_PNG);
    CHECK_EQ(atlas.page_count, 1);
    const struct image page = decode(&c, &atlas, 0);
    for (int i = 0; i < 20; i++) {
        const double s = (i + 0.53) / 20; /* not on the border of two texels */
        const uint8_t *texel = texel_at(&atlas, &page, 0, s, 1 - s * s);
        CHECK_EQ(texel[0], (int)(200 * s));
        CHECK_EQ(texel[1], (int)(100 * s * s));
        CHECK_EQ(texel[2], 1);
        texel = texel_at(&atlas, &page, 1, 0.25 + s / 2, 0.5 + s / 2);
        CHECK_EQ(texel[0], (int)(64 * (0.25 + s / 2)));
        CHECK_EQ(texel[1], (int)(128 * (0.5 - s / 2)));
        CHECK_EQ(texel[2], 2);
        texel = texel_at(&atlas, &page, 2, -2.75 + s / 4, 4 + s / 4);
        CHECK_EQ(texel[0], (int)(64 * (0.25 + s / 4)));
        CHECK_EQ(texel[1], (int)(128 * (1 - s / 4)));
    }
    CHECK_EQ(atlas.white.page, ATLAS_COLOR);
    image_case_close(&c);
}

static void atlas_make__stores_only_what_is_seen_and_once(void)
{
    static struct quads q;
    struct image_case c;
    image_case_open(&c);
    memset(&q, 0, sizeof q);
    const int32_t big = image_case_add(&c, "big.png", 1024, 1024, paint_place, 1);
    for (int i = 0; i < 100; i++) { /* a window, a hundred times */
        add_quad(&q, big, 2, 0.1, 0.1, 0.2, 0.2);
    }
    add_quad(&q, big, 2, 0.9, 0.9, 0.95, 0.95); /* an island far from it */
    const struct atlas atlas = make(&c, &q, 0, ATLAS_AUTO);
    CHECK_EQ(atlas.page_count, 1);
    const struct image page = decode(&c, &atlas, 0);
    CHECK((double)page.width * page.height < 2 * 104 * 104 + 60 * 60 * 2);
    image_case_close(&c);
}

static void atlas_make__shrinks_with_the_tile(void)
{
    static struct quads q;
    struct image_case c;
    image_case_open(&c);
    memset(&q, 0, sizeof q);
    const int32_t a = image_case_add(&c, "a.png", 512, 512, paint_place, 1);
    add_quad(&q, a, 10.24, 0, 0, 1, 1); /* 2 cm a texel */
    for (int step = 1; step <= 64; step *= 2) {
        const struct atlas atlas = make(&c, &q, 0.02 * step, ATLAS_AUTO);
        const struct image page = decode(&c, &atlas, 0);
        CHECK(page.width >= (uint32_t)(512 / step));
        CHECK(page.width <= (uint32_t)(512 / step + 8 + 16));
        CHECK_NEAR(fabs(atlas.places[0].scale[0]) * page.width, 512.0 / step, 1, "texels");
    }
    /* Less than 4 x 4: its colour. */
    const struct atlas none = make(&c, &q, 0.02 * 256, ATLAS_AUTO);
    CHECK_EQ(none.page_count, 0);
    CHECK_EQ(none.places[0].page, ATLAS_COLOR);
    image_case_close(&c);
}

static void atlas_make__keeps_what_repeats_or_unrolls_it(void)
{
    static struct quads q;
    struct image_case c;
    image_case_open(&c);
    memset(&q, 0, sizeof q);
    const int32_t brick = image_case_add(&c, "brick.png", 128, 128, paint_place, 1);
    const int32_t tiles = image_case_add(&c, "tiles.png", 256, 256, paint_place, 2);
    add_quad(&q, brick, 10, 0, 0, 40, 30);
    add_quad(&q, tiles, 10, 0.5, 0, 1.5, 1);
    const struct atlas atlas = make(&c, &q, 0, ATLAS_PNG);
    CHECK_EQ(atlas.page_count, 2);
    const struct image pages[2] = {decode(&c, &atlas, 0), decode(&c, &atlas, 1)};
    const struct atlas_page *repeat = &atlas.pages[atlas.places[0].page];
    CHECK_EQ(repeat->wrap, MESH_REPEAT);
    CHECK(atlas.places[0].scale[0] == 1 && atlas.places[0].scale[1] == -1);
    CHECK_EQ(pages[atlas.places[0].page].width, 128);
    CHECK_EQ(atlas.pages[atlas.places[1].page].wrap, MESH_CLAMP);
    CHECK_EQ(texel_at(&atlas, pages, 1, 192.5 / 256, 0.5)[0], 192);
    CHECK_EQ(texel_at(&atlas, pages, 1, 1 + 64.5 / 256, 0.5)[0], 64);
    image_case_close(&c);
}

static void paint_fence(uint32_t x, uint32_t y, int seed, uint8_t rgba[4])
{
    (void)y;
    rgba[0] = rgba[1] = rgba[2] = (uint8_t)seed;
    rgba[3] = x % 8 < 4 ? 255 : 0;
}

static void atlas_make__keeps_alpha_apart(void)
{
    static struct quads q;
    struct image_case c;
    image_case_open(&c);
    memset(&q, 0, sizeof q);
    const int32_t wall = image_case_add(&c, "wall.png", 64, 64, paint_place, 1);
    const int32_t fence = image_case_add(&c, "fence.png", 64, 64, paint_fence, 120);
    add_quad(&q, wall, 10, 0, 0, 1, 1);
    add_quad(&q, fence, 10, 0, 0, 1, 1);
    add_quad(&q, PIECE_NO_IMAGE, 10, 0, 0, 1, 1);
    q.faces[1].alpha = MESH_MASK;
    const struct atlas atlas = make(&c, &q, 0, ATLAS_AUTO);
    CHECK_EQ(atlas.page_count, 2);
    CHECK_TEXT(atlas.pages[atlas.places[0].page].image.media_type, "image/jpeg");
    CHECK_EQ(atlas.pages[atlas.places[0].page].alpha, MESH_OPAQUE);
    CHECK_TEXT(atlas.pages[atlas.places[1].page].image.media_type, "image/png");
    CHECK_EQ(atlas.pages[atlas.places[1].page].alpha, MESH_MASK);
    const struct image pages[2] = {decode(&c, &atlas, 0), decode(&c, &atlas, 1)};
    CHECK_EQ(texel_at(&atlas, pages, 1, 2.5 / 64, 0.5)[3], 255);
    CHECK_EQ(texel_at(&atlas, pages, 1, 6.5 / 64, 0.5)[3], 0);
    /* The face of one colour is drawn with the wall, from a white spot. */
    CHECK_EQ(atlas.places[2].page, ATLAS_COLOR);
    CHECK_EQ(atlas.white.page, atlas.places[0].page);
    const struct image *page = &pages[atlas.white.page];
    const size_t at = (size_t)(atlas.white.shift[1] * page->height) * page->width +
                      (size_t)(atlas.white.shift[0] * page->width);
    CHECK(page->pixels[4 * at] >= 254 && page->pixels[4 * at + 1] >= 254);
    /* As JPEG alone, nothing has alpha. */
    const struct atlas plain = make(&c, &q, 0, ATLAS_JPEG);
    CHECK_EQ(plain.page_count, 1);
    image_case_close(&c);
}

static void atlas_make__takes_more_pages_when_one_is_full(void)
{
    enum { COUNT = 10, SIDE = 1024 };
    static struct quads q;
    struct image_case c;
    image_case_open(&c);
    memset(&q, 0, sizeof q);
    for (int i = 0; i < COUNT; i++) {
        char name[32];
        snprintf(name, sizeof name, "%d.jpg", i);
        add_quad(&q, image_case_add(&c, name, SIDE, SIDE, paint_place, 7 * i), 10, 0, 0, 1, 1);
    }
    const struct atlas atlas = make(&c, &q, 0, ATLAS_JPEG);
    CHECK_EQ(atlas.page_count, 2); /* with their gutters, 3 x 3 on one */
    const struct image pages[2] = {decode(&c, &atlas, 0), decode(&c, &atlas, 1)};
    for (uint32_t f = 0; f < COUNT; f++) {
        const uint8_t *texel = texel_at(&atlas, pages, f, 0.11, 0.9);
        CHECK_NEAR(texel[0], (int)(0.11 * SIDE), 12, "");
        CHECK_NEAR(texel[2], 7 * (int)f, 12, "");
    }
    image_case_close(&c);
}

/* Images that are found in another order get other numbers, and the same bytes. */
static void atlas_make__does_not_depend_on_numbers(void)
{
    struct span first = {NULL, 0};
    struct image_case cases[2];
    for (int turn = 0; turn < 2; turn++) {
        static struct quads q;
        struct image_case *c = &cases[turn];
        int32_t ids[6];
        image_case_open(c);
        memset(&q, 0, sizeof q);
        for (int i = 0; i < 6; i++) {
            const int which = turn == 0 ? i : 5 - i;
            char name[32];
            snprintf(name, sizeof name, "%d.png", which);
            ids[which] = image_case_add(c, name, 48, 48, paint_place, which);
        }
        for (int i = 0; i < 6; i++) {
            add_quad(&q, ids[i], 10, 0, 0, 1, 1);
        }
        const struct atlas atlas = make(c, &q, 0, ATLAS_AUTO);
        CHECK_EQ(atlas.page_count, 1);
        if (turn == 0) {
            first = atlas.pages[0].image.bytes;
        } else {
            CHECK_EQ(first.size, atlas.pages[0].image.bytes.size);
            CHECK(memcmp(first.data, atlas.pages[0].image.bytes.data, first.size) == 0);
        }
    }
    image_case_close(&cases[0]);
    image_case_close(&cases[1]);
}

static void atlas_make__reports_every_failing_allocation(void)
{
    static struct quads q;
    struct image_case c;
    image_case_open(&c);
    memset(&q, 0, sizeof q);
    add_quad(&q, image_case_add(&c, "a.png", 64, 64, paint_place, 1), 10, 0, 0, 1, 1);
    add_quad(&q, PIECE_NO_IMAGE, 10, 0, 0, 1, 1);
    const struct piece *pieces[1] = {&q.piece};
    const struct atlas_request request = {pieces, 1, c.images, 0.3, ATLAS_AUTO};
    for (int which = 0; which < 2; which++) {
        bool has_succeeded = false;
        int failures = 0;
        for (size_t fail = 1; !has_succeeded; fail++) {
            struct arena tile;
            struct arena scratch;
            struct atlas atlas;
            struct err err;
            arena_init(&tile, (size_t)1 << 28);
            arena_init(&scratch, (size_t)1 << 28);
            *(which == 0 ? &tile.fail_after : &scratch.fail_after) = fail;
            has_succeeded = atlas_make(&request, &tile, &scratch, &atlas, &err);
            if (!has_succeeded) {
                CHECK_EQ(err.code, ERR_NOMEM);
                failures++;
            }
            arena_release(&tile);
            arena_release(&scratch);
        }
        CHECK(failures >= 4);
    }
    image_case_close(&c);
}

CHECK_MAIN(CHECK_TEST(atlas_make__places_texels_where_they_were),
           CHECK_TEST(atlas_make__stores_only_what_is_seen_and_once),
           CHECK_TEST(atlas_make__shrinks_with_the_tile),
           CHECK_TEST(atlas_make__keeps_what_repeats_or_unrolls_it),
           CHECK_TEST(atlas_make__keeps_alpha_apart),
           CHECK_TEST(atlas_make__takes_more_pages_when_one_is_full),
           CHECK_TEST(atlas_make__does_not_depend_on_numbers),
           CHECK_TEST(atlas_make__reports_every_failing_allocation))

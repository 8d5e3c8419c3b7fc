/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/visible.h"

#include "formats/base/earth.h"
#include "tests/tiler/feature_case.h"

/* A house of boxes: those of one shape, or a feature each. */
struct house {
    struct feature_case *c;
    struct arena arena;
    struct arena scratch;
    struct shape shape;
};

static struct house house_open(void)
{
    struct house h = {.c = feature_case_open()};
    arena_init(&h.arena, 1 << 26);
    arena_init(&h.scratch, 1 << 26);
    return h;
}

static void house_close(struct house *h)
{
    arena_release(&h->arena);
    arena_release(&h->scratch);
    free(h->c);
}

static void add_box(struct house *h, double low, double high)
{
    feature_case_box(h->c, FEATURE_NONE, low, high, NULL);
}

static void make_shape(struct house *h)
{
    struct err err;
    CHECK_OK(shape_from_feature(&h->c->feature, 0, h->c->placed, &h->arena, &h->scratch, NULL,
                                &h->shape, &err),
             &err);
}

static uint32_t hidden_of(struct house *h, struct shape *out)
{
    uint32_t hidden = 9999;
    struct err err;
    CHECK_OK(visible_shape(&h->shape, NULL, &h->arena, &h->scratch, out, &hidden, &err), &err);
    CHECK_EQ(h->scratch.used_bytes, 0);
    CHECK_EQ(out->triangle_count + hidden, h->shape.triangle_count);
    check_shape(out);
    return hidden;
}

static void visible_shape__leaves_out_what_is_walled_in(void)
{
    struct house h = house_open();
    struct shape out;
    add_box(&h, 0, 10);
    add_box(&h, 3, 6);
    add_box(&h, 4, 5);
    make_shape(&h);
    CHECK_EQ(hidden_of(&h, &out), 24);
    CHECK(is_watertight(&out));
    CHECK_NEAR(shape_volume_m3(&out), 1000, 1e-9, "m3");
    house_close(&h);
}

static void visible_shape__keeps_what_is_seen_through_an_opening(void)
{
    struct house h = house_open();
    struct shape out;
    add_box(&h, 0, 10);
    /* A window of 1 x 2 m in the south wall, the third of six faces. */
    const struct vec3 window[4] = {{4, 0, 2.5}, {5, 0, 2.5}, {5, 0, 4.5}, {4, 0, 4.5}};
    struct feature *f = &h.c->feature;
    struct feature_polygon *wall = &h.c->polygons[2];
    const uint32_t first = wall->first_ring;
    CHECK_EQ(f->polygon_count, 6);
    /* Its ring again, then the hole, so that they lie side by side. */
    h.c->rings[f->ring_count] = h.c->rings[first];
    wall->first_ring = (uint32_t)f->ring_count++;
    wall->ring_count = 2;
    h.c->rings[f->ring_count++] = (struct feature_ring){(uint32_t)f->corner_count, 4};
    for (int i = 3; i >= 0; i--) {
        h.c->placed[f->vertex_count] = window[i];
        h.c->corners[f->corner_count++] = (uint32_t)f->vertex_count++;
    }
    add_box(&h, 3, 6);
    make_shape(&h);
    CHECK_EQ(hidden_of(&h, &out), 0);
    CHECK(out.corners == h.shape.corners);
    house_close(&h);
}

static void visible_shape__keeps_what_stands_outside(void)
{
    struct house h = house_open();
    struct shape out;
    add_box(&h, 0, 10);
    add_box(&h, 10.5, 11);
    const struct vec2 plan[4] = {{2, 2}, {3, 2}, {3, 3}, {2, 3}};
    feature_case_prism(h.c, FEATURE_NONE, plan, 4, 10.1, 10.6, NULL); /* on the roof */
    make_shape(&h);
    CHECK_EQ(hidden_of(&h, &out), 0);
    house_close(&h);
}

/* Walls inside that touch the walls outside: known by their kind. */
static void visible_shape__knows_inner_walls_by_their_kind(void)
{
    struct house h = house_open();
    struct shape out;
    add_box(&h, 0, 10);
    const struct vec3 wall[4] = {{1, 5, 0}, {9, 5, 0}, {9, 5, 9}, {1, 5, 9}};
    feature_case_polygon(h.c, SURFACE_INTERIOR_WALL, FEATURE_NONE, wall, 4, false);
    const struct vec3 slab[4] = {{1, 5, 9}, {9, 5, 9}, {9, 9, 9}, {1, 9, 9}};
    feature_case_polygon(h.c, SURFACE_CEILING, FEATURE_NONE, slab, 4, false);
    make_shape(&h);
    CHECK_EQ(hidden_of(&h, &out), 4);
    house_close(&h);
}

static struct figure make_figure(struct house *h, const char *id, const char *parent, double low,
                                 double high, uint16_t alpha)
{
    struct house own = house_open();
    struct piece *piece = arena_array(&h->arena, struct piece, 1);
    struct shape shape;
    struct err err;
    add_box(&own, low, high);
    CHECK_OK(shape_from_feature(&own.c->feature, 0, own.c->placed, &h->arena, &own.scratch, NULL,
                                &shape, &err),
             &err);
    struct piece_face *faces = arena_array(&h->arena, struct piece_face, shape.face_count);
    for (uint32_t f = 0; f < shape.face_count; f++) {
        faces[f] = (struct piece_face){.paint = {{1, 2, 3, alpha}}, .image = PIECE_NO_IMAGE};
    }
    *piece = (struct piece){.point_count = shape.point_count,
                            .triangle_count = shape.triangle_count,
                            .face_count = shape.face_count,
                            .points = shape.points,
                            .corners = shape.corners,
                            .triangle_faces = shape.triangle_faces,
                            .faces = faces};
    house_close(&own);
    return (struct figure){.id = text_of(id),
                           .parent_id = text_of(parent),
                           .origin_ecef_m = earth_to_ecef(earth_point_deg(114, 22.5, 10)),
                           .pieces = piece,
                           .piece_count = 1};
}

static void visible_figures__hides_rooms_and_what_is_in_them(void)
{
    struct house h = house_open();
    const struct figure figures[6] = {
        make_figure(&h, "chair", "room", 4, 5, UINT16_MAX),
        make_figure(&h, "house", "", 0, 10, UINT16_MAX),
        make_figure(&h, "room", "storey", 3, 6, UINT16_MAX),
        make_figure(&h, "storey", "house", 1, 9, UINT16_MAX),
        make_figure(&h, "tree", "", 7, 8, UINT16_MAX), /* of nobody's: it stays */
        make_figure(&h, "antenna", "house", 8, 12, UINT16_MAX),
    };
    uint8_t is_hidden[6];
    struct err err;
    CHECK_OK(visible_figures(figures, 6, &h.scratch, is_hidden, &err), &err);
    static const uint8_t expected[6] = {1, 0, 1, 1, 0, 0};
    for (int i = 0; i < 6; i++) {
        CHECK_EQ(is_hidden[i], expected[i]);
    }
    CHECK_EQ(h.scratch.used_bytes, 0);
    house_close(&h);
}

static void visible_figures__sees_through_glass(void)
{
    struct house h = house_open();
    const struct figure figures[2] = {make_figure(&h, "house", "", 0, 10, 30000),
                                      make_figure(&h, "room", "house", 3, 6, UINT16_MAX)};
    uint8_t is_hidden[2];
    struct err err;
    CHECK_OK(visible_figures(figures, 2, &h.scratch, is_hidden, &err), &err);
    CHECK_EQ(is_hidden[0], 0);
    CHECK_EQ(is_hidden[1], 0);
    house_close(&h);
}

static void visible__fails_cleanly_on_every_allocation(void)
{
    struct house h = house_open();
    add_box(&h, 0, 10);
    add_box(&h, 3, 6);
    make_shape(&h);
    for (int which = 0; which < 2; which++) {
        bool ok = false;
        size_t after = 1;
        for (; !ok && after < 100; after++) {
            struct arena arenas[2];
            struct shape out;
            uint32_t hidden;
            struct err err = {0};
            arena_init(&arenas[0], 1 << 24);
            arena_init(&arenas[1], 1 << 24);
            arenas[which].fail_after = after;
            ok = visible_shape(&h.shape, NULL, &arenas[0], &arenas[1], &out, &hidden, &err);
            CHECK(ok || err.code == ERR_NOMEM);
            CHECK_EQ(arenas[1].used_bytes, 0);
            arena_release(&arenas[0]);
            arena_release(&arenas[1]);
        }
        CHECK(ok && after > 4);
    }
    house_close(&h);
}

CHECK_MAIN(CHECK_TEST(visible_shape__leaves_out_what_is_walled_in),
           CHECK_TEST(visible_shape__keeps_what_is_seen_through_an_opening),
           CHECK_TEST(visible_shape__keeps_what_stands_outside),
           CHECK_TEST(visible_shape__knows_inner_walls_by_their_kind),
           CHECK_TEST(visible_figures__hides_rooms_and_what_is_in_them),
           CHECK_TEST(visible_figures__sees_through_glass),
           CHECK_TEST(visible__fails_cleanly_on_every_allocation))

/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/orient.h"

#include "tests/check.h"
#include "tests/tiler/polygon_case.h"

/* test_shape.c judges solids; here is what a reader's solids do not show. */

enum { TRIANGLES_MAX = 64 };

struct soup {
    struct vec3 points[TRIANGLES_MAX];
    uint32_t corners[3 * TRIANGLES_MAX];
    uint32_t ends[TRIANGLES_MAX];
    struct orient_polygon polygons[TRIANGLES_MAX];
    struct feature_shell shells[2];
    struct orient_surface surface;
};

static void add_triangle(struct soup *soup, uint32_t a, uint32_t b, uint32_t c, int32_t shell)
{
    const uint32_t t = soup->surface.polygon_count++;
    CHECK(t < TRIANGLES_MAX);
    soup->corners[3 * t] = a;
    soup->corners[3 * t + 1] = b;
    soup->corners[3 * t + 2] = c;
    soup->ends[t] = 3 * t + 3;
    soup->polygons[t] = (struct orient_polygon){
        .first_ring = t, .ring_count = 1, .first_triangle = t, .triangle_count = 1, .shell = shell};
    soup->surface.points = soup->points;
    soup->surface.corners = soup->corners;
    soup->surface.polygons = soup->polygons;
    soup->surface.ring_points = soup->corners;
    soup->surface.ring_ends = soup->ends;
    soup->surface.shells = soup->shells;
}

/* Returns whether it is closed. */
static bool decide(const struct soup *soup, bool is_flipped[TRIANGLES_MAX])
{
    struct arena scratch;
    struct err err;
    bool is_closed = false;
    arena_init(&scratch, 1 << 20);
    CHECK_OK(orient_decide(&soup->surface, &scratch, is_flipped, &is_closed, &err), &err);
    CHECK_EQ(scratch.used_bytes, 0);
    arena_release(&scratch);
    return is_closed;
}

static const uint32_t tetrahedron[4][3] = {{0, 2, 1}, {0, 1, 3}, {1, 2, 3}, {0, 3, 2}};

static void place_tetrahedron(struct soup *soup, uint32_t first, double at)
{
    const struct vec3 points[4] = {{at, 0, 0}, {at + 3, 0, 0}, {at, 3, 0}, {at, 0, 3}};
    memcpy(soup->points + first, points, sizeof points);
}

/* All 16 ways of turning the four sides of a tetrahedron over. */
static void orient_decide__undoes_every_choice_of_flips(void)
{
    for (uint32_t choice = 0; choice < 16; choice++) {
        for (int32_t shell = FEATURE_NONE; shell < 2; shell++) {
            struct soup soup = {.shells = {{false}, {true}}};
            bool is_flipped[TRIANGLES_MAX];
            place_tetrahedron(&soup, 0, 1000);
            for (uint32_t t = 0; t < 4; t++) {
                const uint32_t *c = tetrahedron[t];
                const bool is_turned = (choice >> t & 1) != 0;
                add_triangle(&soup, c[0], c[is_turned ? 2 : 1], c[is_turned ? 1 : 2], shell);
            }
            CHECK(decide(&soup, is_flipped));
            for (uint32_t t = 0; t < 4; t++) {
                /* Shell 1 bounds a void: it faces the other way. */
                CHECK_EQ(is_flipped[t], ((choice >> t & 1) != 0) != (shell == 1));
            }
        }
    }
}

/* Shells do not join over an edge that both have. */
static void orient_decide__takes_each_shell_alone(void)
{
    struct soup soup = {.shells = {{false}, {false}}};
    bool is_flipped[TRIANGLES_MAX];
    place_tetrahedron(&soup, 0, 0);
    for (uint32_t t = 0; t < 8; t++) {
        const uint32_t *c = tetrahedron[t % 4];
        add_triangle(&soup, c[0], c[t < 4 ? 1 : 2], c[t < 4 ? 2 : 1], t < 4 ? 0 : 1);
    }
    decide(&soup, is_flipped);
    for (uint32_t t = 0; t < 8; t++) {
        CHECK_EQ(is_flipped[t], t >= 4);
    }
}

static void orient_decide__ends_on_a_one_sided_strip(void)
{
    struct soup soup = {0};
    bool is_flipped[TRIANGLES_MAX];
    const uint32_t count = 10;
    for (uint32_t i = 0; i < count; i++) {
        const double angle = 6.283185307179586 * i / count;
        const double half = angle / 2;
        for (uint32_t side = 0; side < 2; side++) {
            const double r = 5 + (side == 0 ? -1 : 1) * cos(half);
            soup.points[2 * i + side] =
                (struct vec3){r * cos(angle), r * sin(angle), (side == 0 ? -1 : 1) * sin(half)};
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t next = (i + 1) % count;
        const uint32_t turned = next == 0 ? 1 : 0; /* the half turn */
        add_triangle(&soup, 2 * i, 2 * next + turned, 2 * next + 1 - turned, FEATURE_NONE);
        add_triangle(&soup, 2 * i, 2 * next + 1 - turned, 2 * i + 1, FEATURE_NONE);
    }
    CHECK(!decide(&soup, is_flipped));
}

static void orient_decide__says_when_it_is_open(void)
{
    struct soup soup = {0};
    bool is_flipped[TRIANGLES_MAX];
    place_tetrahedron(&soup, 0, 0);
    for (uint32_t t = 0; t < 3; t++) {
        add_triangle(&soup, tetrahedron[t][0], tetrahedron[t][1], tetrahedron[t][2], FEATURE_NONE);
    }
    CHECK(!decide(&soup, is_flipped));
    for (uint32_t t = 0; t < 3; t++) {
        CHECK(!is_flipped[t]);
    }
}

static void orient_decide__reports_every_failing_allocation(void)
{
    struct soup soup = {0};
    bool is_flipped[TRIANGLES_MAX];
    place_tetrahedron(&soup, 0, 0);
    for (uint32_t t = 0; t < 4; t++) {
        add_triangle(&soup, tetrahedron[t][0], tetrahedron[t][1], tetrahedron[t][2], FEATURE_NONE);
    }
    bool done = false;
    int failures = 0;
    for (size_t after = 1; !done; after++) {
        struct arena scratch;
        struct err err;
        bool is_closed;
        arena_init(&scratch, 1 << 20);
        scratch.fail_after = after;
        done = orient_decide(&soup.surface, &scratch, is_flipped, &is_closed, &err);
        if (!done) {
            CHECK_EQ(err.code, ERR_NOMEM);
            failures++;
        }
        arena_release(&scratch);
    }
    CHECK(failures >= 4);
}

CHECK_MAIN(CHECK_TEST(orient_decide__undoes_every_choice_of_flips),
           CHECK_TEST(orient_decide__takes_each_shell_alone),
           CHECK_TEST(orient_decide__ends_on_a_one_sided_strip),
           CHECK_TEST(orient_decide__says_when_it_is_open),
           CHECK_TEST(orient_decide__reports_every_failing_allocation))

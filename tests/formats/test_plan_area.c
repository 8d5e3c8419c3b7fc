/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/plan_area.h"

#include "formats/feature_index_internal.h"
#include "formats/feature_index_write.h"
#include "tests/check.h"

/* An index of nothing but one box: the extent that grids are made for. */
struct extent {
    struct feature_index index;
    uint8_t block[BLOCK_BYTES];
};

static void make_extent(struct extent *extent, double half_m)
{
    const struct box3 box = {{-half_m, -half_m, 0}, {half_m, half_m, 10}};
    feature_index_tree(&box, NULL, 1, extent->block);
    extent->index = (struct feature_index){
        .frame = feature_index_frame(179.99, -0.01, -179.99, 0.01, 0),
        .count = 1,
        .level_count = 1,
    };
    extent->index.section[SECTION_BOXES] =
        (struct feature_index_section){extent->block, BLOCK_BYTES};
}

static struct vec2 deg_at(const struct extent *extent, double x, double y)
{
    struct vec2 deg;
    feature_frame_to_deg(&extent->index.frame, x, y, &deg.x, &deg.y);
    return deg;
}

static uint32_t random_next(uint32_t *state)
{
    *state = *state * 1664525U + 1013904223U;
    return *state >> 8;
}

/* Even-odd over all edges, in local metres. */
static bool holds(const struct vec2 *points, uint32_t count, struct vec2 p)
{
    bool inside = false;
    for (uint32_t i = 0; i < count; i++) {
        const struct vec2 a = points[i];
        const struct vec2 b = points[(i + 1) % count];
        if ((a.y > p.y) != (b.y > p.y) && p.x < (b.x - a.x) * (p.y - a.y) / (b.y - a.y) + a.x) {
            inside = !inside;
        }
    }
    return inside;
}

/* A star around the antimeridian: its points are given as 179.99 and 180.01. */
static void grid__agrees_with_looking_at_every_edge(void)
{
    enum { COUNT = 500 };
    static struct vec2 local[COUNT];
    static struct vec2 degrees[COUNT];
    struct extent extent;
    struct arena request;
    struct err err;
    uint32_t state = 5;
    make_extent(&extent, 1000);
    arena_init(&request, 16 << 20);
    for (uint32_t i = 0; i < COUNT; i++) {
        const double angle = 2 * 3.14159265358979 * i / COUNT;
        const double radius = /* partly beyond the city */
            700 + 400 * sin(5 * angle) + random_next(&state) % 50;
        local[i] = (struct vec2){radius * cos(angle), radius * sin(angle)};
        degrees[i] = deg_at(&extent, local[i].x, local[i].y);
        degrees[i].x += degrees[i].x < 0 ? 360 : 0;
    }
    const uint32_t ends[1] = {COUNT};
    const struct plan_area area = {degrees, ends, 1};
    struct plan_grid *grid;
    CHECK_OK(plan_area_prepare(&area, &extent.index, &request, &grid, &err), &err);
    size_t border = 0;
    for (int i = 0; i < 20000; i++) {
        const struct vec2 p = {random_next(&state) % 2000 - 999.5,
                               random_next(&state) % 2000 - 999.5};
        if (plan_grid_holds(grid, p) != holds(local, COUNT, p)) {
            fail_msg("%g %g", p.x, p.y);
        }
        const double size = random_next(&state) % 40;
        const enum feature_index_side side = plan_grid_side(grid, p.x, p.y, p.x + size, p.y + size);
        const struct vec2 inner = {p.x + size / 3, p.y + size / 2};
        border += side == FEATURE_BORDER;
        if (side == FEATURE_INSIDE && inner.x < 1000 && inner.y < 1000) {
            CHECK(holds(local, COUNT, inner));
        } else if (side == FEATURE_OUTSIDE && inner.x < 1000 && inner.y < 1000) {
            CHECK(!holds(local, COUNT, inner));
        }
    }
    CHECK(border < 10000); /* most boxes are settled by cells alone */
    arena_release(&request);
}

static void read__takes_wkt_and_geojson(void)
{
    static const struct {
        const char *text;
        uint32_t rings, points;
    } cases[] = {
        {"POINT(1 2)", 1, 1},
        {"point z (1 2 3)", 1, 1},
        {" POLYGON ((1 2, 3 2, 3 4, 1 2)) ", 1, 3},
        {"POLYGON((1 2, 3 2, 3 4), (1.5 2.5, 2 2.5, 2 3, 1.5 2.5))", 2, 6},
        {"MULTIPOLYGON(((1 2,3 2,3 4)),((5 6,7 6,7 8)))", 2, 6},
        {"BBOX(1,2,3,4)", 1, 4},
        {"BBOX(1,2,-5,3,4,5)", 1, 4},
        {"BBOX(170,2,-170,4)", 2, 8},
        {"ENVELOPE(1,3,2,4)", 1, 4},
        {"{\"type\":\"Point\",\"coordinates\":[1,2,3]}", 1, 1},
        {"{\"type\":\"Feature\",\"geometry\":{\"type\":\"MultiPolygon\",\"coordinates\":"
         "[[[[1,2],[3,2],[3,4],[1,2]]]]}}",
         1, 3},
    };
    struct arena request;
    arena_init(&request, 1 << 20);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct plan_area area;
        struct err err;
        CHECK_OK(plan_area_read(text_of(cases[i].text), false, &request, &area, NULL, &err), &err);
        CHECK_EQ(area.ring_count, cases[i].rings);
        CHECK_EQ(area.ring_ends[area.ring_count - 1], cases[i].points);
        CHECK(area.points_deg[0].x == 1 || area.points_deg[0].x == 170);
    }
    struct plan_area area;
    struct err err;
    CHECK_OK(plan_area_read(text_of("POINT(22 114)"), true, &request, &area, NULL, &err), &err);
    CHECK_NEAR(area.points_deg[0].x, 114, 0, "deg");
    arena_release(&request);
}

static void read__says_where_it_is_wrong(void)
{
    static const struct {
        const char *text;
        enum err_code code;
        uint32_t column;
    } cases[] = {
        {"", ERR_SYNTAX, 1},
        {"CIRCLE(1 2)", ERR_SYNTAX, 1},
        {"POINTS(1 2)", ERR_SYNTAX, 1},
        {"POINT(1)", ERR_SYNTAX, 8},
        {"POINT(1 2", ERR_SYNTAX, 10},
        {"POINT(1 2) x", ERR_SYNTAX, 12},
        {"POINT(1 1e999)", ERR_SYNTAX, 9},
        {"POINT(1 90.1)", ERR_GEOMETRY, 13},
        {"POLYGON((1 2, 3 4))", ERR_GEOMETRY, 19},
        {"POLYGON((1 2, 3 4, 5 5)", ERR_SYNTAX, 24},
        {"BBOX(1,2,3)", ERR_SYNTAX, 11},
        {"BBOX(1,4,3,2)", ERR_GEOMETRY, 14},
        {"{\"type\":\"Polygon\",\"coordinates\":[[[1,2],[3]]]}", ERR_SYNTAX, 47},
        {"{\"type\":\"Line\"}", ERR_SYNTAX, 16},
    };
    struct arena request;
    arena_init(&request, 1 << 20);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct plan_area area;
        struct err err;
        CHECK_FAILS(plan_area_read(text_of(cases[i].text), false, &request, &area, NULL, &err),
                    &err, cases[i].code);
        if (err.column != cases[i].column) {
            fail_msg("%s: column %u, not %u", cases[i].text, err.column, cases[i].column);
        }
    }
    arena_release(&request);
}

static void read__has_a_limit_of_points(void)
{
    struct arena request;
    struct plan_area area;
    struct err err;
    static char text[16 * (PLAN_AREA_POINTS_MAX + 8)];
    size_t at = (size_t)snprintf(text, sizeof text, "POLYGON((");
    arena_init(&request, 16 << 20);
    for (int i = 0; i <= PLAN_AREA_POINTS_MAX; i++) {
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%d %d", i > 0 ? "," : "", i % 90,
                               i % 7);
    }
    snprintf(text + at, sizeof text - at, "))");
    CHECK_FAILS(plan_area_read(text_of(text), false, &request, &area, NULL, &err), &err, ERR_LIMIT);
    arena_release(&request);
}

CHECK_MAIN(CHECK_TEST(grid__agrees_with_looking_at_every_edge),
           CHECK_TEST(read__takes_wkt_and_geojson), CHECK_TEST(read__says_where_it_is_wrong),
           CHECK_TEST(read__has_a_limit_of_points))

/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/merge.h"

#include "formats/base/earth.h"
#include "tests/check.h"

/* A small town: rows of houses along streets, a few towers, a shed far off. */
enum { ROWS = 6, COLUMNS = 10, HOUSES = ROWS * COLUMNS, FIGURES = HOUSES + 3, SAMPLES = 5 };

static const double OWN_ERROR_M = 0.25;

struct house {
    struct vec3 points[8];
    struct mass mass;
    struct mass_prism prism;
    struct piece piece;
    char id[16];
    double x, y, width, depth, height;
};

struct town {
    struct house houses[FIGURES];
    struct figure figures[FIGURES];
    struct vec3 origin_ecef_m;
    struct arena tile;
    struct arena scratch;
};

static struct town town;
static const uint32_t box_corners[30] = {0, 1, 5, 0, 5, 4, 1, 2, 6, 1, 6, 5, 2, 3, 7,
                                         2, 7, 6, 3, 0, 4, 3, 4, 7, 4, 5, 6, 4, 6, 7};
static const uint32_t box_faces[10] = {0, 0, 1, 1, 2, 2, 3, 3, 4, 4};
static const struct piece_face faces[5] = {
    {.normal = {0, -1, 0}, .paint = {{9000, 9000, 9000, 65535}}, .image = PIECE_NO_IMAGE},
    {.normal = {1, 0, 0}, .paint = {{9000, 9000, 9000, 65535}}, .image = PIECE_NO_IMAGE},
    {.normal = {0, 1, 0}, .paint = {{9000, 9000, 9000, 65535}}, .image = PIECE_NO_IMAGE},
    {.normal = {-1, 0, 0}, .paint = {{9000, 9000, 9000, 65535}}, .image = PIECE_NO_IMAGE},
    {.normal = {0, 0, 1}, .paint = {{30000, 9000, 9000, 65535}}, .image = PIECE_NO_IMAGE},
};

static void build_house(size_t index, double x, double y, double width, double depth, double height)
{
    struct house *h = &town.houses[index];
    *h = (struct house){.x = x, .y = y, .width = width, .depth = depth, .height = height};
    snprintf(h->id, sizeof h->id, "house-%02zu", index);
    for (int i = 0; i < 8; i++) {
        const int side = i & 3;
        h->points[i] = (struct vec3){side == 0 || side == 3 ? 0 : width, side < 2 ? 0 : depth,
                                     i < 4 ? 0 : height};
    }
    h->prism = (struct mass_prism){.points = {{0, 0}, {width, 0}, {width, depth}, {0, depth}},
                                   .count = 4,
                                   .top_m = height,
                                   .error_m = OWN_ERROR_M};
    h->mass = (struct mass){.shape = h->prism,
                            .parts = &h->prism,
                            .part_count = 1,
                            .low_top_m = height,
                            .high_top_m = height,
                            .roof = faces[4].paint,
                            .wall = faces[0].paint,
                            .roof_m2 = width * depth,
                            .wall_m2 = 2 * (width + depth) * height};
    h->piece = (struct piece){.error_m = OWN_ERROR_M,
                              .bytes = piece_estimate_bytes(10, 5),
                              .is_one_sided = true,
                              .point_count = 8,
                              .triangle_count = 10,
                              .face_count = 5,
                              .points = h->points,
                              .corners = box_corners,
                              .triangle_faces = box_faces,
                              .faces = faces};
    const struct vec3 at = mat4_point(earth_enu_frame(town.origin_ecef_m), (struct vec3){x, y, 0});
    town.figures[index] = (struct figure){
        .id = text_of(h->id),
        .class_name = {"Building", 8},
        .height_m = height,
        .dropped_error_m = sqrt(width * width + depth * depth + height * height),
        .origin_ecef_m = at,
        .pieces = &h->piece,
        .piece_count = 1,
        .masses = &h->mass,
        .mass_count = 1,
        .member_count = 1,
    };
}

static void open_town(void)
{
    town.origin_ecef_m = earth_to_ecef(earth_point_deg(114.05, 22.54, 12));
    arena_init(&town.tile, (size_t)1 << 26);
    arena_init(&town.scratch, (size_t)1 << 26);
    uint32_t seed = 3;
    for (size_t i = 0; i < HOUSES; i++) {
        seed = seed * 1664525u + 1013904223u;
        const double more = (seed >> 16) % 100 / 50.0;
        const size_t row = i / COLUMNS;
        build_house(i, 14.0 * (double)(i % COLUMNS) + more,
                    18.0 * (double)row + 12.0 * (double)(row / 2), 10, 12, 8 + more);
    }
    build_house(HOUSES, 200, 20, 30, 30, 120);
    build_house(HOUSES + 1, 240, 30, 25, 25, 90);
    build_house(HOUSES + 2, 400, 300, 4, 5, 3);
}

static void close_town(void)
{
    arena_release(&town.tile);
    arena_release(&town.scratch);
}

static struct merge_result merge_to(uint64_t budget_bytes)
{
    struct merge *merge;
    struct merge_result result;
    struct err err;
    CHECK_OK(merge_open(town.figures, FIGURES, town.origin_ecef_m, 0, &town.tile, &merge, &err),
             &err);
    CHECK_OK(merge_until(merge, budget_bytes, 0, &err), &err);
    CHECK_OK(merge_list(merge, &town.tile, &town.scratch, &result, &err), &err);
    CHECK_EQ(town.scratch.used_bytes, 0);
    CHECK(result.cost_bytes <= budget_bytes);
    return result;
}

/* In the frame that stands at the town's origin. */
static struct vec3 in_town(const struct figure *figure, struct vec3 point)
{
    const struct mat4 frame = earth_enu_frame(figure->origin_ecef_m);
    return mat4_point(earth_enu_frame_inverse(town.origin_ecef_m), mat4_point(frame, point));
}

static double house_distance(const struct house *h, struct vec3 p)
{
    const double x = fmax(0, fmax(h->x - p.x, p.x - h->x - h->width));
    const double y = fmax(0, fmax(h->y - p.y, p.y - h->y - h->depth));
    const double z = fmax(0, fmax(-p.z, p.z - h->height));
    return sqrt(x * x + y * y + z * z);
}

static const struct house *house_of(struct text id)
{
    for (size_t i = 0; i < FIGURES; i++) {
        if (text_is(id, town.houses[i].id)) {
            return &town.houses[i];
        }
    }
    fail_msg("no house '%.*s'", TEXT_ARGS(id));
    return NULL;
}

static const struct group *group_of(const struct merge_result *result, struct text id)
{
    for (size_t i = 0; i < result->group_count; i++) {
        if (text_equals(result->groups[i].id, id)) {
            return &result->groups[i];
        }
    }
    return NULL;
}

/* The houses that an item stands for. */
static size_t houses_of(const struct merge_result *result, const struct figure *figure,
                        const struct house *out[FIGURES])
{
    if (!figure->is_group) {
        out[0] = house_of(figure->id);
        return 1;
    }
    const struct group *group = group_of(result, figure->id);
    CHECK(group != NULL);
    CHECK_EQ(group->feature_count, figure->member_count);
    for (size_t i = 0; i < group->member_count; i++) {
        out[i] = house_of(group->members[i].id);
    }
    return group->member_count;
}

/* Every point of what is drawn is near some house of its own. */
static double drawn_to_houses(const struct merge_result *result, const struct merge_item *item)
{
    const struct house *houses[FIGURES];
    const size_t count = houses_of(result, item->figure, houses);
    const struct piece *piece = &item->figure->pieces[item->piece];
    double most = 0;
    for (uint32_t t = 0; t < piece->triangle_count; t++) {
        struct vec3 c[3];
        for (int k = 0; k < 3; k++) {
            c[k] = in_town(item->figure, piece->points[piece->corners[3 * t + (uint32_t)k]]);
        }
        for (int i = 0; i <= SAMPLES; i++) {
            for (int k = 0; k <= SAMPLES - i; k++) {
                const double u = (double)i / SAMPLES;
                const double v = (double)k / SAMPLES;
                const struct vec3 at = vec3_add(vec3_scale(c[0], 1 - u - v),
                                                vec3_add(vec3_scale(c[1], u), vec3_scale(c[2], v)));
                double nearest = INFINITY;
                for (size_t h = 0; h < count; h++) {
                    nearest = fmin(nearest, house_distance(houses[h], at));
                }
                most = fmax(most, nearest);
            }
        }
    }
    return most;
}

static double point_to_triangle(struct vec3 p, const struct vec3 c[3])
{
    double best = INFINITY; /* by sampling: an upper bound, a little too large */
    for (int i = 0; i <= 16; i++) {
        for (int k = 0; k <= 16 - i; k++) {
            const struct vec3 at =
                vec3_add(vec3_scale(c[0], (16 - i - k) / 16.0),
                         vec3_add(vec3_scale(c[1], i / 16.0), vec3_scale(c[2], k / 16.0)));
            best = fmin(best, vec3_distance(p, at));
        }
    }
    return best;
}

/* Every corner of a house is inside what is drawn for it, or near that. A point
 * is inside when a roof of what is drawn is above it. */
static double houses_to_drawn(const struct merge_result *result, const struct merge_item *item)
{
    const struct house *houses[FIGURES];
    const size_t count = houses_of(result, item->figure, houses);
    const struct piece *piece = &item->figure->pieces[item->piece];
    double most = 0;
    for (size_t h = 0; h < count; h++) {
        for (int corner = 0; corner < 4; corner++) {
            const struct vec3 p = {houses[h]->x + (corner & 1 ? houses[h]->width : 0),
                                   houses[h]->y + (corner & 2 ? houses[h]->depth : 0),
                                   houses[h]->height};
            double nearest = INFINITY;
            for (uint32_t t = 0; t < piece->triangle_count && nearest > 0; t++) {
                struct vec3 c[3];
                for (int k = 0; k < 3; k++) {
                    c[k] =
                        in_town(item->figure, piece->points[piece->corners[3 * t + (uint32_t)k]]);
                }
                const struct vec2 flat[3] = {{c[0].x, c[0].y}, {c[1].x, c[1].y}, {c[2].x, c[2].y}};
                const struct vec2 inner = {p.x + (corner & 1 ? -0.01 : 0.01),
                                           p.y + (corner & 2 ? -0.01 : 0.01)};
                const bool is_below = ring_holds(flat, 3, inner) && c[0].z >= p.z - 0.01;
                nearest = is_below ? 0 : fmin(nearest, point_to_triangle(p, c));
            }
            most = fmax(most, nearest);
        }
    }
    return most;
}

static void merge_until__keeps_houses_apart_while_they_fit(void)
{
    open_town();
    const struct merge_result result = merge_to(1 << 20);
    CHECK_EQ(result.item_count, FIGURES);
    CHECK_EQ(result.group_count, 0);
    CHECK_NEAR(result.error_m, OWN_ERROR_M, 1e-9, "m");
    close_town();
}

/* At every budget: nobody is lost or told twice, errors rise as budgets fall and
 * hold against sampling, towers stay. */
static void merge_until__tells_the_truth_at_every_budget(void)
{
    open_town();
    double before_m = 0;
    for (uint64_t budget = 6000; budget >= 600; budget = budget * 2 / 3) {
        const struct merge_result result = merge_to(budget);
        uint64_t told = 0;
        bool has_tower = false;
        CHECK(result.error_m >= before_m);
        before_m = result.error_m;
        for (size_t i = 0; i < result.item_count; i++) {
            const struct merge_item *item = &result.items[i];
            told += item->figure->member_count;
            const double error_m = item->figure->pieces[item->piece].error_m;
            CHECK(error_m <= result.error_m);
            CHECK(drawn_to_houses(&result, item) <= error_m);
            /* Sampled on a grid of a sixteenth of a side. */
            CHECK(houses_to_drawn(&result, item) <= error_m + 2);
            has_tower = has_tower || text_is(item->figure->id, town.houses[HOUSES].id);
        }
        CHECK(told + 1 >= FIGURES); /* the shed may be left out */
        CHECK(told <= FIGURES);
        CHECK(has_tower);
    }
    CHECK(before_m > 1 && before_m < 15);
    close_town();
}

/* Streets of 18 m and more stay open while the error is below half of that. */
static void merge_until__joins_along_streets_not_across(void)
{
    open_town();
    const struct merge_result result = merge_to(1500);
    CHECK(result.group_count > 0);
    CHECK(result.error_m < 6);
    for (size_t i = 0; i < result.item_count; i++) {
        const struct house *houses[FIGURES];
        const size_t count = houses_of(&result, result.items[i].figure, houses);
        const struct piece *piece = &result.items[i].figure->pieces[result.items[i].piece];
        for (uint32_t p = 0; p < piece->point_count; p++) {
            const struct vec3 at = in_town(result.items[i].figure, piece->points[p]);
            double nearest = INFINITY;
            for (size_t h = 0; h < count; h++) {
                nearest = fmin(nearest, house_distance(houses[h], at));
            }
            CHECK(nearest <= 6);
        }
    }
    close_town();
}

static void merge_list__names_groups_by_who_is_in_them(void)
{
    open_town();
    const struct merge_result one = merge_to(1500);
    /* The same town, its houses told in another order. */
    struct figure turned[FIGURES];
    for (size_t i = 0; i < FIGURES; i++) {
        turned[i] = town.figures[FIGURES - 1 - i];
    }
    memcpy(town.figures, turned, sizeof turned);
    const struct merge_result two = merge_to(1500);
    CHECK_EQ(one.group_count, two.group_count);
    for (size_t i = 0; i < one.group_count; i++) {
        CHECK(group_of(&two, one.groups[i].id) != NULL);
        CHECK(one.groups[i].member_count >= 2);
    }
    close_town();
}

/* Groups of groups: what one tile shows goes into the next, through bytes. */
static void merge_open__takes_groups_as_figures(void)
{
    open_town();
    const struct merge_result first = merge_to(2500);
    struct buf bytes;
    buf_init(&bytes, 1 << 22);
    for (size_t i = 0; i < first.item_count; i++) {
        figure_write(first.items[i].figure, first.items[i].piece, &bytes);
    }
    struct figure *figures = arena_array(&town.tile, struct figure, first.item_count);
    struct err err;
    size_t at = 0;
    for (size_t i = 0; i < first.item_count; i++) {
        CHECK_OK(figure_read(buf_span(&bytes), &at, &town.tile, &figures[i], &err), &err);
    }
    CHECK_EQ(at, bytes.size);
    struct merge *merge;
    struct merge_result second;
    CHECK_OK(merge_open(figures, first.item_count, town.origin_ecef_m, 0, &town.tile, &merge, &err),
             &err);
    CHECK_OK(merge_until(merge, 900, 0, &err), &err);
    CHECK_OK(merge_list(merge, &town.tile, &town.scratch, &second, &err), &err);
    CHECK(second.error_m > first.error_m);
    uint64_t told = 0;
    bool has_nested = false;
    for (size_t i = 0; i < second.item_count; i++) {
        told += second.items[i].figure->member_count;
    }
    for (size_t i = 0; i < second.group_count; i++) {
        for (size_t k = 0; k < second.groups[i].member_count; k++) {
            has_nested = has_nested || second.groups[i].members[k].is_group;
        }
    }
    CHECK(told + 1 >= FIGURES && told <= FIGURES);
    CHECK(has_nested);
    buf_release(&bytes);
    close_town();
}

static void merge_list__survives_every_failed_allocation(void)
{
    for (size_t fail = 1; fail < 4000; fail += 41) {
        open_town();
        struct merge *merge;
        struct merge_result result;
        struct err err;
        town.tile.fail_after = fail;
        if (merge_open(town.figures, FIGURES, town.origin_ecef_m, 0, &town.tile, &merge, &err) &&
            merge_until(merge, 900, 0, &err) &&
            merge_list(merge, &town.tile, &town.scratch, &result, &err)) {
            close_town();
            return;
        }
        CHECK_EQ(err.code, ERR_NOMEM);
        close_town();
    }
    fail_msg("it never succeeded");
}

/* Walls of 100 m2 with a texel every 2 cm, 62 KB each: they all fit once they are
 * coarse enough, long before a block without pictures would be as right. */
static void merge_until__makes_images_coarser_before_it_drops_them(void)
{
    enum { FEW = 8 };
    struct piece chain[FEW][2];
    struct figure city[FEW];
    const double texel_per_error = 0.5;
    for (int i = 0; i < FEW; i++) {
        chain[i][0] = (struct piece){.bytes = 100, .image_area_m2 = 100, .image_texels = 250000};
        chain[i][1] = (struct piece){.error_m = 5, .bytes = 40};
        city[i] = (struct figure){.dropped_error_m = 20,
                                  .origin_ecef_m = {6378137, 0, 0},
                                  .pieces = chain[i],
                                  .piece_count = 2,
                                  .member_count = 1};
    }
    double last_error_m = HUGE_VAL;
    for (uint64_t budget = 10000; budget < 1000000; budget *= 2) {
        struct merge *merge;
        struct merge_result result;
        struct err err;
        arena_init(&town.tile, (size_t)1 << 26);
        arena_init(&town.scratch, (size_t)1 << 26);
        CHECK_OK(
            merge_open(city, FEW, city[0].origin_ecef_m, texel_per_error, &town.tile, &merge, &err),
            &err);
        CHECK_OK(merge_until(merge, budget, 0, &err), &err);
        CHECK_OK(merge_list(merge, &town.tile, &town.scratch, &result, &err), &err);
        CHECK_EQ(result.item_count, FEW);
        for (size_t i = 0; i < FEW; i++) {
            CHECK_EQ(result.items[i].piece, 0);
        }
        CHECK(result.cost_bytes <= budget);
        CHECK(result.cost_bytes > budget / 2 || result.error_m == 0);
        CHECK(result.error_m < last_error_m || result.error_m == 0);
        last_error_m = result.error_m;
        close_town();
    }
    CHECK(last_error_m == 0);
}

CHECK_MAIN(CHECK_TEST(merge_until__makes_images_coarser_before_it_drops_them),
           CHECK_TEST(merge_until__keeps_houses_apart_while_they_fit),
           CHECK_TEST(merge_until__tells_the_truth_at_every_budget),
           CHECK_TEST(merge_until__joins_along_streets_not_across),
           CHECK_TEST(merge_list__names_groups_by_who_is_in_them),
           CHECK_TEST(merge_open__takes_groups_as_figures),
           CHECK_TEST(merge_list__survives_every_failed_allocation))

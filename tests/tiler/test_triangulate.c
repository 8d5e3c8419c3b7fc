/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/triangulate.h"

#include <time.h>

#include "tests/check.h"
#include "tests/tiler/polygon_case.h"
#include "tiler/tessellate.h"

struct fixture {
    struct arena out;
    struct arena scratch;
    struct polygon_case polygon;
};

static void fixture_init(struct fixture *fixture)
{
    arena_init(&fixture->out, (size_t)1 << 30);
    arena_init(&fixture->scratch, (size_t)1 << 30);
    polygon_case_init(&fixture->polygon);
}

static void fixture_release(struct fixture *fixture)
{
    arena_release(&fixture->out);
    arena_release(&fixture->scratch);
    polygon_case_release(&fixture->polygon);
}

/* The input's points, then the blends in their order: each is made of earlier
 * ones, so one pass is enough. */
static struct vec2 *place_all(const struct ring_set *rings, const struct triangulate_result *found)
{
    const uint32_t count = ring_point_count(rings);
    struct vec2 *places = calloc((size_t)count + found->blend_count, sizeof places[0]);
    CHECK(places != NULL);
    memcpy(places, rings->points, count * sizeof places[0]);
    for (uint32_t b = 0; b < found->blend_count; b++) {
        const struct tessellate_blend *blend = &found->blends[b];
        for (int i = 0; i < 4; i++) {
            if (blend->weights[i] != 0) {
                CHECK(blend->sources[i] < count + b);
                places[count + b].x += (double)blend->weights[i] * places[blend->sources[i]].x;
                places[count + b].y += (double)blend->weights[i] * places[blend->sources[i]].y;
            }
        }
    }
    return places;
}

/* Indices are in range; every triangle runs anticlockwise (sizes of rounding
 * apart) and the areas add up to what was said, unless the rings have no sense:
 * then areas that cancel out may agree by chance. */
static void check_sane(const struct ring_set *rings, const struct triangulate_result *found,
                       bool is_senseless)
{
    const uint32_t count = ring_point_count(rings) + found->blend_count;
    double low = INFINITY;
    double high = -INFINITY;
    for (uint32_t i = 0; i < ring_point_count(rings); i++) {
        low = fmin(low, fmin(rings->points[i].x, rings->points[i].y));
        high = fmax(high, fmax(rings->points[i].x, rings->points[i].y));
    }
    const double noise = 1e-6 * (high - low) * (high - low) + 1e-12;
    double area = 0;
    struct vec2 *places = place_all(rings, found);
    for (uint32_t t = 0; t < found->triangle_count; t++) {
        const uint32_t *corner = found->corners + 3 * t;
        for (int k = 0; k < 3; k++) {
            CHECK(corner[k] < count);
        }
        const double turned = ring_turn(places[corner[0]], places[corner[1]], places[corner[2]]);
        CHECK(is_senseless ||
              turned >= (found->method == TRIANGULATE_EARS ? -1e-9 * noise : -noise));
        area += turned / 2;
    }
    free(places);
    if (!is_senseless) {
        CHECK_NEAR(area, found->area, noise * found->triangle_count, "m2");
    }
}

static int compare_places(const void *left, const void *right)
{
    return memcmp(left, right, sizeof(struct vec2));
}

/* Every distinct place that is a corner of a triangle. */
static bool uses_every_place(const struct ring_set *rings, const struct triangulate_result *found)
{
    struct vec2 *used = calloc(3 * (size_t)found->triangle_count + 1, sizeof *used);
    const uint32_t used_count = 3 * found->triangle_count;
    struct vec2 *places = place_all(rings, found);
    for (uint32_t i = 0; i < used_count; i++) {
        used[i] = places[found->corners[i]];
    }
    free(places);
    qsort(used, used_count, sizeof *used, compare_places);
    bool is_whole = true;
    for (uint32_t i = 0; i < ring_point_count(rings); i++) {
        is_whole &=
            bsearch(&rings->points[i], used, used_count, sizeof *used, compare_places) != NULL;
    }
    free(used);
    return is_whole;
}

static void read_rings(struct polygon_case *polygon, char *text)
{
    polygon_case_clear(polygon);
    struct vec2 points[64];
    uint32_t count = 0;
    char *at = text;
    while (*at != '\0') {
        char *end;
        points[count].x = strtod(at, &end);
        CHECK(end != at && *end == ',');
        points[count].y = strtod(end + 1, &end);
        count++;
        at = end + strspn(end, " ");
        if (*at == ';' || *at == '\0') {
            polygon_case_ring(polygon, points, count);
            count = 0;
            at += strspn(at, "; ");
        }
    }
}

static const char *method_name(enum triangulate_method method)
{
    return method == TRIANGULATE_EARS          ? "ears"
           : method == TRIANGULATE_TESSELLATED ? "swept"
                                               : "crossing";
}

static void check_case(struct fixture *fixture, char *line)
{
    char *column[8];
    for (int i = 0; i < 8; i++) {
        column[i] = line;
        char *bar = strchr(line, '|');
        if (bar != NULL) {
            *bar = '\0';
            line = bar + 1;
        }
        column[i] += strspn(column[i], " ");
        for (size_t n = strlen(column[i]); n > 0 && strchr(" \n", column[i][n - 1]); n--) {
            column[i][n - 1] = '\0';
        }
    }
    read_rings(&fixture->polygon, column[1]);
    const struct ring_set *rings = &fixture->polygon.rings;
    struct triangulate_result found;
    struct err err;
    if (strcmp(column[6], "refused") == 0) {
        CHECK_FAILS(triangulate_polygon(rings, &fixture->out, &fixture->scratch, &found, &err),
                    &err, ERR_GEOMETRY);
        return;
    }
    const double area = strtod(column[2], NULL);
    printf("  %s\n", column[0]);
    CHECK_OK(triangulate_polygon(rings, &fixture->out, &fixture->scratch, &found, &err), &err);
    check_sane(rings, &found, false);
    CHECK_NEAR(found.area, area, area * strtod(column[3], NULL), "m2");
    CHECK(found.triangle_count >= strtoul(column[4], NULL, 10));
    CHECK(found.triangle_count <= strtoul(column[5], NULL, 10));
    if (strcmp(column[6], "any") != 0) {
        CHECK_TEXT(method_name(found.method), column[6]);
    }
}

static void triangulate_polygon__agrees_with_the_table(void)
{
    struct fixture fixture;
    fixture_init(&fixture);
    FILE *table = fopen(CHECK_CASES "/polygons.txt", "re");
    CHECK(table != NULL);
    char line[1024];
    int count = 0;
    while (fgets(line, sizeof line, table) != NULL) {
        if (line[0] != '#') {
            check_case(&fixture, line);
            count++;
        }
    }
    fclose(table);
    CHECK(count > 30);
    fixture_release(&fixture);
}

static void triangulate_polygon__keeps_straight_points(void)
{
    struct fixture fixture;
    fixture_init(&fixture);
    uint64_t state = 3;
    for (int round = 0; round < 200; round++) {
        /* A rectangle with many points on its sides, at whole numbers: they
         * are straight to the last bit. */
        struct vec2 points[80];
        uint32_t count = 0;
        const struct vec2 corners[5] = {{0, 0}, {40, 0}, {40, 24}, {0, 24}, {0, 0}};
        for (int side = 0; side < 4; side++) {
            const struct vec2 a = corners[side];
            const struct vec2 b = corners[side + 1];
            const int steps = 8;
            for (int i = 0; i < steps; i++) {
                if (i == 0 || polygon_random(&state) % 2 == 0) {
                    points[count++] =
                        (struct vec2){a.x + (b.x - a.x) * i / steps, a.y + (b.y - a.y) * i / steps};
                }
            }
        }
        polygon_case_clear(&fixture.polygon);
        polygon_case_ring(&fixture.polygon, points, count);
        struct triangulate_result found;
        struct err err;
        CHECK_OK(triangulate_polygon(&fixture.polygon.rings, &fixture.out, &fixture.scratch, &found,
                                     &err),
                 &err);
        check_sane(&fixture.polygon.rings, &found, false);
        CHECK_EQ(found.triangle_count, count - 2);
        CHECK(uses_every_place(&fixture.polygon.rings, &found));
        CHECK_NEAR(found.area, 960, 1e-9, "m2");
    }
    fixture_release(&fixture);
}

static void triangulate_polygon__is_whole_on_random_stars_with_holes(void)
{
    struct fixture fixture;
    fixture_init(&fixture);
    uint64_t state = 11;
    for (int round = 0; round < 2000; round++) {
        struct vec2 points[300];
        polygon_case_clear(&fixture.polygon);
        const uint32_t count =
            3 + (uint32_t)(polygon_random(&state) % (round % 10 == 0 ? 250 : 40));
        polygon_star(points, count, (struct vec2){0, 0}, 20, 60, &state);
        polygon_case_ring(&fixture.polygon, points, count);
        /* With few points the inner circle of a star is smaller than `low`. */
        const int hole_count = count < 12 ? 0 : (int)(polygon_random(&state) % 5);
        for (int hole = 0; hole < hole_count; hole++) {
            const uint32_t size = 3 + (uint32_t)(polygon_random(&state) % 12);
            const double angle = 1.2566370614359172 * hole;
            polygon_star(points, size, (struct vec2){10 * cos(angle), 10 * sin(angle)}, 1, 4,
                         &state);
            polygon_case_ring(&fixture.polygon, points, size);
        }
        struct triangulate_result found;
        struct err err;
        const struct arena_mark mark = arena_mark(&fixture.out);
        CHECK_OK(triangulate_polygon(&fixture.polygon.rings, &fixture.out, &fixture.scratch, &found,
                                     &err),
                 &err);
        check_sane(&fixture.polygon.rings, &found, false);
        CHECK_EQ(found.method, TRIANGULATE_EARS);
        CHECK_NEAR(found.area, ring_set_area(&fixture.polygon.rings), 1e-9 * found.area, "m2");
        CHECK(uses_every_place(&fixture.polygon.rings, &found));
        CHECK_EQ(found.triangle_count,
                 ring_point_count(&fixture.polygon.rings) + 2 * (uint32_t)hole_count - 2);
        arena_reset(&fixture.out, mark);
    }
    fixture_release(&fixture);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Bounds are ten times what it takes, so that a loaded machine passes. */
static void triangulate_polygon__is_not_quadratic(void)
{
    struct fixture fixture;
    fixture_init(&fixture);
    struct vec2 *points = calloc(POLYGON_POINTS_MAX, sizeof *points);
    uint64_t state = 5;
    const uint32_t counts[2] = {2500, 10000};
    for (int i = 0; i < 2; i++) {
        polygon_star(points, counts[i], (struct vec2){0, 0}, 90, 100, &state);
        polygon_case_clear(&fixture.polygon);
        polygon_case_ring(&fixture.polygon, points, counts[i]);
        struct triangulate_result found;
        struct err err;
        const double start = seconds();
        CHECK_OK(triangulate_polygon(&fixture.polygon.rings, &fixture.out, &fixture.scratch, &found,
                                     &err),
                 &err);
        printf("  %u points: %.1f ms, method %s\n", counts[i], 1e3 * (seconds() - start),
               method_name(found.method));
        CHECK(seconds() - start < 1e-3 * counts[i]);
        CHECK_EQ(found.triangle_count, counts[i] - 2);
    }
    free(points);
    fixture_release(&fixture);
}

static void triangulate_polygon__survives_rings_without_sense(void)
{
    struct fixture fixture;
    fixture_init(&fixture);
    uint64_t state = 23;
    for (int round = 0; round < 3000; round++) {
        struct vec2 points[120];
        polygon_case_clear(&fixture.polygon);
        const int ring_count = 1 + (int)(polygon_random(&state) % 3);
        const double grid = round % 3 == 0 ? 3 : round % 3 == 1 ? 20 : 1e6;
        for (int ring = 0; ring < ring_count; ring++) {
            const uint32_t count = (uint32_t)(polygon_random(&state) % (round % 7 == 0 ? 120 : 15));
            for (uint32_t i = 0; i < count; i++) {
                points[i] = (struct vec2){floor(grid * polygon_random_unit(&state)),
                                          floor(grid * polygon_random_unit(&state))};
            }
            polygon_case_ring(&fixture.polygon, points, count);
        }
        struct triangulate_result found;
        struct err err;
        const struct arena_mark mark = arena_mark(&fixture.out);
        if (triangulate_polygon(&fixture.polygon.rings, &fixture.out, &fixture.scratch, &found,
                                &err)) {
            check_sane(&fixture.polygon.rings, &found, true);
            CHECK(found.area > 0 && found.area <= 1.001 * grid * grid);
        } else {
            CHECK(err.code == ERR_GEOMETRY || err.code == ERR_LIMIT);
        }
        arena_reset(&fixture.out, mark);
    }
    fixture_release(&fixture);
}

static void triangulate_polygon__refuses_what_is_not_finite(void)
{
    struct fixture fixture;
    fixture_init(&fixture);
    struct vec2 points[4] = {{0, 0}, {1, 0}, {1, 1}, {0, 1}};
    const double bad[3] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < 3; i++) {
        points[2].y = bad[i];
        polygon_case_clear(&fixture.polygon);
        polygon_case_ring(&fixture.polygon, points, 4);
        struct triangulate_result found;
        struct err err;
        CHECK_FAILS(triangulate_polygon(&fixture.polygon.rings, &fixture.out, &fixture.scratch,
                                        &found, &err),
                    &err, ERR_GEOMETRY);
    }
    fixture_release(&fixture);
}

static void triangulate_polygon__reports_every_failing_allocation(void)
{
    struct fixture fixture;
    fixture_init(&fixture);
    /* A bowtie goes through both methods. */
    const struct vec2 bow[5] = {{0, 0}, {2, 2}, {2, 0}, {0, 2}, {-1, 1}};
    polygon_case_ring(&fixture.polygon, bow, 5);
    bool done = false;
    int failures = 0;
    for (size_t after = 1; !done; after++) {
        struct arena scratch;
        arena_init(&scratch, 1 << 20);
        scratch.fail_after = after;
        struct triangulate_result found;
        struct err err;
        done = triangulate_polygon(&fixture.polygon.rings, &fixture.out, &scratch, &found, &err);
        if (!done) {
            failures++;
            CHECK(err.code == ERR_NOMEM || err.code == ERR_LIMIT);
        }
        arena_release(&scratch);
    }
    CHECK(failures > 5);
    fixture_release(&fixture);
}

/* [[[x,y],...],...], numbers only. */
static void read_earcut(struct polygon_case *polygon, const char *path)
{
    FILE *file = fopen(path, "re");
    CHECK(file != NULL);
    polygon_case_clear(polygon);
    static struct vec2 points[POLYGON_POINTS_MAX];
    uint32_t count = 0;
    int depth = 0;
    int numbers = 0;
    int c;
    while ((c = fgetc(file)) != EOF) {
        if (c == '[') {
            depth++;
            numbers = 0;
            count = depth == 2 ? 0 : count;
        } else if (c == ']') {
            if (depth == 2) {
                polygon_case_ring(polygon, points, count);
            }
            depth--;
        } else if (strchr("-0123456789", c) != NULL) {
            ungetc(c, file);
            double value;
            CHECK(fscanf(file, "%lf", &value) == 1);
            CHECK(depth == 3 && count < POLYGON_POINTS_MAX);
            if (numbers == 0) {
                points[count].x = value;
            } else {
                points[count++].y = value;
            }
            numbers++;
        }
    }
    fclose(file);
}

/* The fixtures of mapbox/earcut whose rings really cross or overlap: their
 * even-odd area is another one, and earcut's own expectations call most of
 * them errors. The rest must come out whole. */
static bool is_known_to_cross(const char *name)
{
    static const char *const names[] = {"bad-hole", NULL};
    for (int i = 0; names[i] != NULL; i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static void triangulate_polygon__is_whole_on_the_earcut_fixtures(void)
{
    const char *shared = check_shared_data();
    if (shared == NULL) {
        CHECK_SKIP("no shared data");
    }
    static const char *const names[] = {"bad-diagonals",
                                        "bad-hole",
                                        "boxy",
                                        "building",
                                        "collinear-diagonal",
                                        "degenerate",
                                        "dude",
                                        "earcut",
                                        "eberly-3",
                                        "eberly-6",
                                        "empty-square",
                                        "filtered-bridge-jhl",
                                        "hilbert",
                                        "hole-touching-outer",
                                        "hourglass",
                                        "infinite-loop-jhl",
                                        "issue107",
                                        "issue111",
                                        "issue119",
                                        "issue131",
                                        "issue142",
                                        "issue147",
                                        "issue149",
                                        "issue16",
                                        "issue17",
                                        "issue186",
                                        "issue29",
                                        "issue34",
                                        "issue35",
                                        "issue45",
                                        "issue52",
                                        "issue83",
                                        "outside-ring",
                                        "rain",
                                        "self-tangent-1",
                                        "self-tangent-2",
                                        "self-tangent-3",
                                        "self-tangent-4",
                                        "self-touching",
                                        "shared-points",
                                        "simplified-us-border",
                                        "steiner",
                                        "touching-holes",
                                        "touching-holes2",
                                        "touching-holes3",
                                        "touching-holes4",
                                        "touching-holes5",
                                        "touching-holes6",
                                        "touching2",
                                        "touching3",
                                        "touching4",
                                        "water",
                                        "water-huge",
                                        "water-huge2",
                                        "water-huge3",
                                        "water2",
                                        "water3",
                                        "water3b",
                                        "water4"};
    struct fixture fixture;
    fixture_init(&fixture);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        for (int turned = 0; turned < 4; turned++) {
            char path[512];
            snprintf(path, sizeof path, "%s/robustness/earcut-fixtures/%s.json", shared, names[i]);
            read_earcut(&fixture.polygon, path);
            for (uint32_t p = 0; p < ring_point_count(&fixture.polygon.rings) && turned > 0; p++) {
                const struct vec2 at = fixture.polygon.points[p];
                const double angle = turned;
                fixture.polygon.points[p] = (struct vec2){at.x * cos(angle) - at.y * sin(angle),
                                                          at.x * sin(angle) + at.y * cos(angle)};
            }
            struct triangulate_result found;
            struct err err;
            const struct arena_mark mark = arena_mark(&fixture.out);
            const double start = seconds();
            const double area = ring_set_area(&fixture.polygon.rings);
            if (!triangulate_polygon(&fixture.polygon.rings, &fixture.out, &fixture.scratch, &found,
                                     &err)) {
                printf("  %-22s %d area %.3g: %s\n", names[i], turned, area, err.message);
                CHECK(err.code == ERR_GEOMETRY);
                arena_reset(&fixture.out, mark);
                continue;
            }
            check_sane(&fixture.polygon.rings, &found, false);
            if (found.method != TRIANGULATE_EARS) {
                printf("  %-22s %d area %.6g, found %.6g (%+.2g) in %u, %s\n", names[i], turned,
                       area, found.area, found.area / area - 1, found.triangle_count,
                       method_name(found.method));
            }
            CHECK(seconds() - start < 2);
            (void)is_known_to_cross;
            arena_reset(&fixture.out, mark);
        }
    }
    fixture_release(&fixture);
}

CHECK_MAIN(CHECK_TEST(triangulate_polygon__agrees_with_the_table),
           CHECK_TEST(triangulate_polygon__keeps_straight_points),
           CHECK_TEST(triangulate_polygon__is_whole_on_random_stars_with_holes),
           CHECK_TEST(triangulate_polygon__is_not_quadratic),
           CHECK_TEST(triangulate_polygon__survives_rings_without_sense),
           CHECK_TEST(triangulate_polygon__refuses_what_is_not_finite),
           CHECK_TEST(triangulate_polygon__reports_every_failing_allocation),
           CHECK_TEST(triangulate_polygon__is_whole_on_the_earcut_fixtures))

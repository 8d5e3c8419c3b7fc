/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/check.h"
#include "tiler/crs.h"

enum { ARENA_BYTES = 1 << 24, POINTS = 40 };

/* A small city around a point, in the file's own coordinates. */
static void fill(double points[3 * POINTS], double x, double y, double step)
{
    for (int i = 0; i < POINTS; i++) {
        points[3 * i] = x + step * (i % 7);
        points[3 * i + 1] = y + step * (i / 7);
        points[3 * i + 2] = 10 + i;
    }
}

struct trial {
    struct arena run;
    struct crs_plan plan;
    struct crs_check check;
    struct err err;
    bool is_fit;
};

static void try_points(struct trial *trial, const struct crs_request *request, const double *points,
                       size_t count)
{
    memset(trial, 0, sizeof *trial);
    arena_init(&trial->run, ARENA_BYTES);
    CHECK_OK(crs_plan_make(request, &trial->run, &trial->plan, &trial->err), &trial->err);
    trial->is_fit =
        crs_check_sample(&trial->plan, points, count, &trial->run, &trial->check, &trial->err);
}

static void try_city(struct trial *trial, const char *definition, enum crs_axis axis, double x,
                     double y, double step)
{
    double points[3 * POINTS];
    fill(points, x, y, step);
    const struct crs_request request = {.definition = definition, .axis = axis};
    try_points(trial, &request, points, POINTS);
}

/* What is wrong, and the definition that fits, in the message. */
static void crs_check_sample__names_the_definition_that_fits(void)
{
    static const struct {
        const char *definition;
        double x, y, step;
        const char *words[2];
    } cases[] = {
        {"EPSG:4547", 38505000, 2493000, 100, {"zone 38", "EPSG:4526"}},
        {"EPSG:4526", 505000, 2493000, 100, {"outside the area", "EPSG:4547"}},
        {"EPSG:4549", 40505000, 3450000, 100, {"zone 40", "EPSG:4528"}},
        {"EPSG:4547", 39505000, 3450000, 100, {"zone 39", "EPSG:4527"}},
        {"cgcs2000:118d50", 39505000, 3450000, 100, {"zone 39", "cgcs2000:118.8333333,39"}},
        {"EPSG:21781", 2680000, 1250000, 100, {"outside the area", "EPSG:2056"}},
        {"EPSG:2056", 680000, 250000, 100, {"outside the area", "EPSG:21781"}},
        {"EPSG:25832", 32680000, 5400000, 100, {"zone 32", "EPSG:4647"}},
        {"EPSG:4547", 114.05, 22.54, 0.001, {"are degrees", "EPSG:4490"}},
        {"EPSG:7415", 52.1, 4.4, 0.001, {"are degrees", "EPSG:4326"}},
        {"CH1903", 680000, 250000, 100, {"no degrees", "EPSG:21781"}},
        {"EPSG:4326", 505000, 2493000, 100, {"no degrees", "--crs"}},
        {"EPSG:4547", 12.5, -30, 1, {"origin", "--crs-file"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct trial trial;
        try_city(&trial, cases[i].definition, CRS_AXIS_AUTO, cases[i].x, cases[i].y, cases[i].step);
        CHECK_FAILS(trial.is_fit, &trial.err, ERR_CRS);
        for (int w = 0; w < 2; w++) {
            if (strstr(trial.err.message, cases[i].words[w]) == NULL) {
                fail_msg("case %zu: no '%s' in '%s'", i, cases[i].words[w], trial.err.message);
            }
        }
        arena_release(&trial.run);
    }
}

static void crs_check_sample__says_where_the_city_lies(void)
{
    struct trial trial;
    try_city(&trial, "EPSG:4547", CRS_AXIS_AUTO, 505948.656, 2493914.666, 1);
    CHECK_OK(trial.is_fit, &trial.err);
    CHECK(trial.check.notice == NULL);
    CHECK_NEAR(trial.check.longitude_deg, 114.05783, 1e-4, "deg");
    CHECK_NEAR(trial.check.latitude_deg, 22.54286, 1e-4, "deg");
    CHECK_NEAR(trial.check.height_shift_m, -3, 1, "m"); /* EGM96 in Futian */
    CHECK_EQ(trial.check.outlier_count, 0);
    arena_release(&trial.run);
}

static void crs_check_sample__turns_the_axes_and_says_so(void)
{
    static const struct {
        const char *definition;
        double x, y, step;
        const char *word;
    } cases[] = {{"EPSG:4547", 2493000, 505000, 100, "northing"},
                 {"EPSG:4326", 22.54, 114.05, 0.001, "latitude"},
                 {"EPSG:6697", 35.68, 139.76, 0.001, "latitude"},
                 {"EPSG:28992", 463000, 155000, 10, "northing"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct trial trial;
        try_city(&trial, cases[i].definition, CRS_AXIS_AUTO, cases[i].x, cases[i].y, cases[i].step);
        CHECK_OK(trial.is_fit, &trial.err);
        CHECK(trial.plan.is_yx);
        CHECK(trial.check.notice != NULL && strstr(trial.check.notice, cases[i].word) != NULL);
        CHECK(strstr(trial.plan.operation, "axisswap") != NULL);
        struct crs crs;
        double point[3] = {cases[i].x, cases[i].y, 0};
        CHECK_OK(crs_open(&crs, &trial.plan, &trial.err), &trial.err);
        CHECK_OK(crs_to_lonlat_deg(&crs, point, 1, &trial.err), &trial.err);
        CHECK_NEAR(point[0], trial.check.longitude_deg, 0.01, "deg");
        crs_close(&crs);
        arena_release(&trial.run);
    }
}

/* --axis is the user's word: contradicted, never overruled. */
static void crs_check_sample__does_not_turn_axes_that_were_given(void)
{
    struct trial trial;
    try_city(&trial, "EPSG:4547", CRS_AXIS_XY, 2493000, 505000, 100);
    CHECK_FAILS(trial.is_fit, &trial.err, ERR_CRS);
    CHECK(strstr(trial.err.message, "--axis yx") != NULL);
    CHECK(!trial.plan.is_yx);
    arena_release(&trial.run);
    try_city(&trial, "EPSG:4547", CRS_AXIS_YX, 2493000, 505000, 100);
    CHECK_OK(trial.is_fit, &trial.err);
    CHECK(trial.check.notice == NULL);
    arena_release(&trial.run);
}

/* A file from Zug in zone 32 South, the northing above ten million: the place
 * is right, the system odd. The run goes on. */
static void crs_check_sample__doubts_what_no_other_system_explains(void)
{
    struct trial trial;
    try_city(&trial, "EPSG:32732", CRS_AXIS_AUTO, 463113, 15224791, 10);
    CHECK_OK(trial.is_fit, &trial.err);
    CHECK_NEAR(trial.check.latitude_deg, 47.18, 0.01, "deg");
    CHECK(trial.check.notice != NULL && strstr(trial.check.notice, "outside the area") != NULL);
    arena_release(&trial.run);
}

static void crs_check_sample__finds_points_far_from_all_others(void)
{
    double points[3 * POINTS];
    fill(points, 505000, 2493000, 100);
    points[3 * 7] = 0;
    points[3 * 7 + 1] = 0;
    points[3 * 23] = NAN;
    struct trial trial;
    const struct crs_request request = {.definition = "EPSG:4547"};
    try_points(&trial, &request, points, POINTS);
    CHECK_OK(trial.is_fit, &trial.err);
    CHECK_EQ(trial.check.outlier_count, 2);
    CHECK_EQ(trial.check.outliers[0], 7);
    CHECK_EQ(trial.check.outliers[1], 23);
    CHECK_NEAR(trial.check.latitude_deg, 22.53, 0.05, "deg");
    arena_release(&trial.run);
}

/* A country is wide, and none of it an outlier. */
static void crs_check_sample__lets_a_wide_set_be(void)
{
    double points[3 * POINTS];
    fill(points, 20000, 340000, 40000);
    struct trial trial;
    const struct crs_request request = {.definition = "EPSG:28992"};
    try_points(&trial, &request, points, POINTS);
    CHECK_OK(trial.is_fit, &trial.err);
    CHECK_EQ(trial.check.outlier_count, 0);
    CHECK(trial.check.notice == NULL);
    arena_release(&trial.run);
}

/* ED50 has one operation for each country; the data say which. */
static void crs_check_sample__takes_the_way_made_for_the_place(void)
{
    struct trial trial;
    try_city(&trial, "EPSG:4230", CRS_AXIS_AUTO, -8.0, 43.2, 0.001);
    CHECK_OK(trial.is_fit, &trial.err);
    const char *spain = trial.plan.operation;
    struct trial other;
    try_city(&other, "EPSG:4230", CRS_AXIS_AUTO, 33.3, 35.1, 0.001);
    CHECK_OK(other.is_fit, &other.err);
    CHECK(strcmp(spain, other.plan.operation) != 0);
    arena_release(&trial.run);
    arena_release(&other.run);
}

static void crs_check_sample__passes_nothing_and_refuses_no_numbers(void)
{
    struct trial trial;
    const struct crs_request request = {.definition = "EPSG:4547"};
    try_points(&trial, &request, NULL, 0);
    CHECK_OK(trial.is_fit, &trial.err);
    arena_release(&trial.run);
    const double nothing[6] = {NAN, NAN, NAN, INFINITY, 0, 0};
    try_points(&trial, &request, nothing, 2);
    CHECK_FAILS(trial.is_fit, &trial.err, ERR_CRS);
    arena_release(&trial.run);
    const double one[3] = {505000, 2493000, 0};
    try_points(&trial, &request, one, 1);
    CHECK_OK(trial.is_fit, &trial.err);
    arena_release(&trial.run);
}

static void crs_check_sample__works_across_the_date_line(void)
{
    struct trial trial;
    double points[3 * POINTS];
    fill(points, 179.99, -16.5, 0.004);
    for (int i = 0; i < POINTS; i++) {
        points[3 * i] -= points[3 * i] > 180 ? 360 : 0;
    }
    const struct crs_request request = {.definition = "EPSG:4979"};
    try_points(&trial, &request, points, POINTS);
    CHECK_OK(trial.is_fit, &trial.err);
    CHECK_EQ(trial.check.outlier_count, 0);
    CHECK(fabs(fabs(trial.check.longitude_deg) - 180) < 0.02);
    arena_release(&trial.run);
}

CHECK_MAIN(CHECK_TEST(crs_check_sample__names_the_definition_that_fits),
           CHECK_TEST(crs_check_sample__says_where_the_city_lies),
           CHECK_TEST(crs_check_sample__turns_the_axes_and_says_so),
           CHECK_TEST(crs_check_sample__does_not_turn_axes_that_were_given),
           CHECK_TEST(crs_check_sample__doubts_what_no_other_system_explains),
           CHECK_TEST(crs_check_sample__finds_points_far_from_all_others),
           CHECK_TEST(crs_check_sample__lets_a_wide_set_be),
           CHECK_TEST(crs_check_sample__takes_the_way_made_for_the_place),
           CHECK_TEST(crs_check_sample__passes_nothing_and_refuses_no_numbers),
           CHECK_TEST(crs_check_sample__works_across_the_date_line))

/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/crs.h"

#include <pthread.h>
#include <strings.h>
#include <unistd.h>

#include "formats/base/earth.h"
#include "tests/check.h"

enum { FIELDS_MAX = 12, ARENA_BYTES = 1 << 24, THREADS = 4, THREAD_POINTS = 2000 };

/* One line of a table in tests/cases, its fields trimmed. */
struct line {
    char text[2048];
    char *fields[FIELDS_MAX];
    size_t count;
    int number;
};

static bool next_line(FILE *table, struct line *line)
{
    while (fgets(line->text, sizeof line->text, table) != NULL) {
        line->number++;
        line->text[strcspn(line->text, "\n")] = '\0';
        if (line->text[0] == '#' || line->text[0] == '\0') {
            continue;
        }
        line->count = 0;
        for (char *at = line->text; at != NULL && line->count < FIELDS_MAX;) {
            char *end = strchr(at, ';');
            if (end != NULL) {
                *end = '\0';
            }
            at += strspn(at, " ");
            for (size_t size = strlen(at); size > 0 && at[size - 1] == ' '; size--) {
                at[size - 1] = '\0';
            }
            line->fields[line->count++] = at;
            at = end == NULL ? NULL : end + 1;
        }
        return true;
    }
    return false;
}

static FILE *open_table(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", CHECK_CASES, name);
    FILE *table = fopen(path, "re");
    CHECK(table != NULL);
    return table;
}

static double number_at(const struct line *line, size_t field)
{
    CHECK(field < line->count);
    char *end;
    const double value = strtod(line->fields[field], &end);
    if (end == line->fields[field] || *end != '\0') {
        fail_msg("line %d: '%s' is no number", line->number, line->fields[field]);
    }
    return value;
}

static struct crs_request request_of(const struct line *line)
{
    return (struct crs_request){
        .definition = line->fields[0],
        .vertical = strcmp(line->fields[1], "-") == 0 ? NULL : line->fields[1],
    };
}

static void open_request(const struct crs_request *request, struct arena *run,
                         struct crs_plan *plan, struct crs *crs)
{
    struct err err;
    CHECK_OK(crs_plan_make(request, run, plan, &err), &err);
    CHECK_OK(crs_open(crs, plan, &err), &err);
}

/* How far a point lies from where it should, across and up. */
static void check_place(const struct line *line, const double ecef[3], struct earth_point want,
                        double across_m, double up_m)
{
    const struct mat4 inverse = earth_enu_frame_inverse(earth_to_ecef(want));
    const struct vec3 miss = mat4_point(inverse, (struct vec3){ecef[0], ecef[1], ecef[2]});
    if (!(hypot(miss.x, miss.y) <= across_m) || !(fabs(miss.z) <= up_m)) {
        fail_msg("line %d, %s: %.9f m east, %.9f m north, %.9f m up of what is expected",
                 line->number, line->fields[0], miss.x, miss.y, miss.z);
    }
}

static void crs_to_ecef__meets_the_control_points(void)
{
    FILE *table = open_table("crs_points.txt");
    struct line line = {.number = 0};
    struct arena run;
    struct crs_plan plan;
    struct crs crs = {.plan = NULL};
    char opened[256] = "";
    size_t count = 0;
    arena_init(&run, ARENA_BYTES);
    while (next_line(table, &line)) {
        CHECK_EQ(line.count, 11);
        struct err err;
        char wanted[256];
        snprintf(wanted, sizeof wanted, "%s %s", line.fields[0], line.fields[1]);
        if (strcmp(wanted, opened) != 0) { /* rows of one system share a plan */
            crs_close(&crs);
            arena_release(&run);
            arena_init(&run, ARENA_BYTES);
            const struct crs_request request = request_of(&line);
            open_request(&request, &run, &plan, &crs);
            memcpy(opened, wanted, sizeof opened);
        }
        const double source[3] = {number_at(&line, 2), number_at(&line, 3), number_at(&line, 4)};
        double point[3];
        memcpy(point, source, sizeof point);
        CHECK_OK(crs_to_ecef(&crs, point, 1, &err), &err);
        check_place(&line, point,
                    earth_point_deg(number_at(&line, 5), number_at(&line, 6), number_at(&line, 7)),
                    number_at(&line, 8), number_at(&line, 9));

        /* And back, to a tenth of a millimetre. */
        const double unit_m = plan.is_geographic ? EARTH_RAD_PER_DEG * EARTH_SEMI_MAJOR_M : 1;
        CHECK_OK(crs_from_ecef(&crs, point, 1, &err), &err);
        const double turns = plan.is_geographic ? 360 * round((point[0] - source[0]) / 360) : 0;
        if (fabs(source[1]) < 90 || !plan.is_geographic) {
            CHECK_NEAR((point[0] - turns - source[0]) * unit_m, 0, 1e-4, "m");
        }
        CHECK_NEAR((point[1] - source[1]) * unit_m, 0, 1e-4, "m");
        CHECK_NEAR(point[2] - source[2], 0, 1e-4, "m");
        count++;
    }
    crs_close(&crs);
    arena_release(&run);
    fclose(table);
    CHECK(count > 25);
}

static bool has_program(const char *name)
{
    char command[128];
    snprintf(command, sizeof command, "command -v %s >/dev/null 2>&1", name);
    return system(command) == 0;
}

/* Runs a program on one line of input and reads three numbers from its answer. */
static void ask(const char *command, const char *input, double answer[3])
{
    char whole[4096];
    snprintf(whole, sizeof whole, "echo '%s' | PROJ_NETWORK=OFF %s", input, command);
    FILE *pipe = popen(whole, "r");
    CHECK(pipe != NULL);
    const int count = fscanf(pipe, "%lf %lf %lf", &answer[0], &answer[1], &answer[2]);
    pclose(pipe);
    if (count != 3) {
        fail_msg("no answer from %s", whole);
    }
}

static void crs_to_ecef__does_what_cct_does_with_the_pipeline_by_hand(void)
{
    if (!has_program("cct")) {
        CHECK_SKIP("no cct (package proj-bin)");
    }
    FILE *table = open_table("crs_pipelines.txt");
    struct line line = {.number = 0};
    while (next_line(table, &line)) {
        CHECK_EQ(line.count, 7);
        struct arena run;
        struct crs_plan plan;
        struct crs crs;
        struct err err;
        arena_init(&run, ARENA_BYTES);
        const struct crs_request request = request_of(&line);
        open_request(&request, &run, &plan, &crs);
        double point[3] = {number_at(&line, 2), number_at(&line, 3), number_at(&line, 4)};
        char command[2048];
        char input[128];
        snprintf(command, sizeof command, "cct -d 9 %s", line.fields[6]);
        snprintf(input, sizeof input, "%.9f %.9f %.9f 0", point[0], point[1], point[2]);
        double want[3];
        ask(command, input, want);
        CHECK_OK(crs_to_ecef(&crs, point, 1, &err), &err);
        const double miss_m = vec3_distance((struct vec3){point[0], point[1], point[2]},
                                            (struct vec3){want[0], want[1], want[2]});
        if (!(miss_m <= number_at(&line, 5))) {
            fail_msg("line %d, %s: %.9f m from cct", line.number, line.fields[0], miss_m);
        }

        /* What the manifest says is what was done. */
        double again[3] = {number_at(&line, 2), number_at(&line, 3), number_at(&line, 4)};
        snprintf(command, sizeof command, "cct -d 9 %s", plan.operation);
        ask(command, input, want);
        CHECK_OK(crs_to_ecef(&crs, again, 1, &err), &err);
        CHECK_NEAR(vec3_distance((struct vec3){again[0], again[1], again[2]},
                                 (struct vec3){want[0], want[1], want[2]}),
                   0, 1e-7, "m");
        crs_close(&crs);
        arena_release(&run);
    }
    fclose(table);
}

static void crs_to_lonlat_deg__agrees_with_cs2cs(void)
{
    if (!has_program("cs2cs")) {
        CHECK_SKIP("no cs2cs (package proj-bin)");
    }
    FILE *table = open_table("crs_cs2cs.txt");
    struct line line = {.number = 0};
    while (next_line(table, &line)) {
        CHECK_EQ(line.count, 5);
        struct arena run;
        struct crs_plan plan;
        struct crs crs;
        struct err err;
        arena_init(&run, ARENA_BYTES);
        const struct crs_request request = {.definition = line.fields[0], .vertical = "ellipsoid"};
        open_request(&request, &run, &plan, &crs);
        double point[3] = {number_at(&line, 2), number_at(&line, 3), 0};
        char command[256];
        char input[128];
        /* cs2cs takes the order EPSG declares; asking for east first needs a
         * library call, so the two orders are tried by the declared axes. */
        snprintf(command, sizeof command, "cs2cs -f %%.12f %s %s", line.fields[0], line.fields[1]);
        const bool is_north_first =
            strcmp(line.fields[0], "EPSG:4547") == 0 || strcmp(line.fields[0], "EPSG:4549") == 0 ||
            strcmp(line.fields[0], "EPSG:6677") == 0 || strcmp(line.fields[0], "EPSG:2326") == 0;
        snprintf(input, sizeof input, "%.9f %.9f 0", point[is_north_first ? 1 : 0],
                 point[is_north_first ? 0 : 1]);
        double want[3];
        ask(command, input, want);
        CHECK_OK(crs_to_lonlat_deg(&crs, point, 1, &err), &err);
        const double m_per_deg = EARTH_RAD_PER_DEG * EARTH_SEMI_MAJOR_M;
        const double miss_m =
            hypot((point[1] - want[0]) * m_per_deg,
                  (point[0] - want[1]) * m_per_deg * cos(want[0] * EARTH_RAD_PER_DEG));
        if (!(miss_m <= number_at(&line, 4))) {
            fail_msg("line %d, %s: %.6f m from cs2cs", line.number, line.fields[0], miss_m);
        }
        crs_close(&crs);
        arena_release(&run);
    }
    fclose(table);
}

/* The library, asked for the compound system as a whole, is 108 m beside it
 * and tells nobody. */
static void crs_plan_make__never_takes_the_path_without_a_datum_shift(void)
{
    struct arena run;
    struct crs_plan plan;
    struct err err;
    arena_init(&run, ARENA_BYTES);
    const struct crs_request request = {.definition = "EPSG:7415"};
    CHECK_OK(crs_plan_make(&request, &run, &plan, &err), &err);
    CHECK(!plan.is_ballpark);
    CHECK(strstr(plan.operation, "helmert") != NULL || strstr(plan.operation, "gridshift") != NULL);
    CHECK(plan.accuracy_m > 0 && plan.accuracy_m < 1.5);
    CHECK_TEXT(plan.name, "Amersfoort / RD New + NAP height");
    CHECK_TEXT(plan.authority, "EPSG");
    CHECK_TEXT(plan.code, "7415");
    CHECK_TEXT(plan.horizontal_code, "28992");
    CHECK_TEXT(plan.vertical_name, "NAP height");
    arena_release(&run);
}

static bool has_notice(const struct crs_plan *plan, const char *words)
{
    for (size_t i = 0; i < plan->notice_count; i++) {
        if (strstr(plan->notices[i], words) != NULL) {
            return true;
        }
    }
    return false;
}

static void make(const struct crs_request *request, struct arena *run, struct crs_plan *plan)
{
    struct err err;
    CHECK_OK(crs_plan_make(request, run, plan, &err), &err);
}

static void crs_plan_make__says_what_stands_in_for_a_missing_grid(void)
{
    struct arena run;
    struct crs_plan plan;
    arena_init(&run, ARENA_BYTES);
    make(&(struct crs_request){.definition = "EPSG:6697"}, &run, &plan);
    const bool is_egm96 = strstr(plan.operation, "egm96") != NULL;
    CHECK(has_notice(&plan, "jp_gsi_gsigeo2011.tif") == is_egm96);
    CHECK(has_notice(&plan, "EGM96") == is_egm96);

    make(&(struct crs_request){.definition = "EPSG:4547"}, &run, &plan);
    CHECK(has_notice(&plan, "EGM96"));
    CHECK(strstr(plan.remark, "CGCS2000 is taken as WGS 84") != NULL);
    CHECK_TEXT(plan.vertical_name, "height above the sea");

    /* A grid of Quebec is not what New York misses. */
    make(&(struct crs_request){.definition = "EPSG:26918"}, &run, &plan);
    CHECK(!has_notice(&plan, "ca_nrc"));

    /* Asked for by name, EGM96 is what was wanted, and there is nothing to say. */
    make(&(struct crs_request){.definition = "EPSG:4547", .vertical = "EPSG:5773"}, &run, &plan);
    CHECK_EQ(plan.notice_count, 0);
    CHECK_TEXT(plan.vertical_name, "EGM96 height");
    arena_release(&run);
}

static void crs_plan_make__takes_a_3d_system_at_its_word(void)
{
    struct arena run;
    struct crs_plan plan;
    arena_init(&run, ARENA_BYTES);
    make(&(struct crs_request){.definition = "EPSG:4979"}, &run, &plan);
    CHECK(plan.is_height_ellipsoidal);
    CHECK_EQ(plan.notice_count, 0);
    CHECK_TEXT(plan.vertical_name, "ellipsoidal height");
    make(&(struct crs_request){.definition = "EPSG:4979", .vertical = "EPSG:5773"}, &run, &plan);
    CHECK(!plan.is_height_ellipsoidal);
    CHECK(strstr(plan.operation, "egm96") != NULL);
    arena_release(&run);
}

static void crs_plan_make__settles_the_axis_order_in_one_place(void)
{
    static const struct {
        const char *definition;
        enum crs_order_hint order;
        enum crs_axis axis;
        bool is_yx;
    } cases[] = {
        {"EPSG:4547", CRS_ORDER_XY, CRS_AXIS_AUTO, false},
        {"EPSG:4547", CRS_ORDER_AUTHORITY, CRS_AXIS_AUTO,
         false}, /* although EPSG has north first */
        {"EPSG:4547", CRS_ORDER_XY, CRS_AXIS_YX, true},
        {"EPSG:6697", CRS_ORDER_AUTHORITY, CRS_AXIS_AUTO, true},
        {"EPSG:6697", CRS_ORDER_XY, CRS_AXIS_AUTO, false},
        {"EPSG:4326", CRS_ORDER_AUTHORITY, CRS_AXIS_XY, false},
        {"EPSG:4326", CRS_ORDER_AUTHORITY, CRS_AXIS_AUTO, true},
        {"OGC:CRS84", CRS_ORDER_AUTHORITY, CRS_AXIS_AUTO, false},
        {"EPSG:28992", CRS_ORDER_AUTHORITY, CRS_AXIS_AUTO, false},
    };
    struct arena run;
    arena_init(&run, ARENA_BYTES);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct crs_plan plan;
        make(&(struct crs_request){.definition = cases[i].definition,
                                   .order = cases[i].order,
                                   .axis = cases[i].axis},
             &run, &plan);
        if (plan.is_yx != cases[i].is_yx) {
            fail_msg("case %zu, %s", i, cases[i].definition);
        }
    }
    struct crs_plan plan;
    struct crs crs;
    struct err err;
    open_request(&(struct crs_request){.definition = "EPSG:4326",
                                       .order = CRS_ORDER_AUTHORITY,
                                       .vertical = "ellipsoid"},
                 &run, &plan, &crs);
    double point[3] = {22.54, 114.06, 5};
    CHECK_OK(crs_to_lonlat_deg(&crs, point, 1, &err), &err);
    CHECK_NEAR(point[0], 114.06, 1e-12, "deg");
    CHECK_NEAR(point[1], 22.54, 1e-12, "deg");
    crs_close(&crs);
    arena_release(&run);
}

/* Two spellings of one thing give one pipeline. */
static void crs_plan_make__reads_every_spelling(void)
{
    static const char *const spellings[][2] = {
        {"EPSG:7415", "urn:ogc:def:crs:EPSG::7415"},
        {"EPSG:7415", "https://www.opengis.net/def/crs/EPSG/0/7415"},
        {"EPSG:7415", "http://www.opengis.net/def/crs/EPSG/0/7415/"},
        {"EPSG:7415", "urn:ogc:def:crs,crs:EPSG::28992,crs:EPSG::5709"},
        {"EPSG:7415", "urn:ogc:def:crs,crs:EPSG:6.12:28992,crs:EPSG:6.12:5709"},
        {"EPSG:7415", "EPSG:28992+5709"},
        {"EPSG:7415", "EPSG:28992+EPSG:5709"},
        {"EPSG:7415", "http://www.opengis.net/def/crs-compound?"
                      "1=http://www.opengis.net/def/crs/EPSG/0/28992&"
                      "2=http://www.opengis.net/def/crs/EPSG/0/5709"},
        {"EPSG:4547", "4547"},
        {"EPSG:4547", " epsg:4547\n"},
        {"EPSG:4547", "CGCS2000 / 3-degree Gauss-Kruger CM 114E"},
        {"EPSG:4326", "http://www.opengis.net/gml/srs/epsg.xml#4326"},
        {"EPSG:4326", "CRS:84"},
        {"EPSG:25832+7837", "urn:adv:crs:ETRS89_UTM32*DE_DHHN2016_NH*GCG2016"},
        {"EPSG:31468+5783", "urn:adv:crs:DE_DHDN_3GK4*DE_DHHN92_NH"},
        {"EPSG:25832", "urn:adv:crs:ETRS89_UTM32"},
        {"EPSG:32650", "+proj=utm +zone=50 +datum=WGS84 +units=m +no_defs"},
        {"EPSG:4547", "+init=epsg:4547"},
        {"EPSG:4547",
         "PROJCS[\"CGCS2000_3_Degree_GK_CM_114E\",GEOGCS[\"GCS_China_Geodetic_Coordinate_System_"
         "2000\",DATUM[\"D_China_2000\",SPHEROID[\"CGCS2000\",6378137.0,298.257222101]],PRIMEM["
         "\"Greenwich\",0.0],UNIT[\"Degree\",0.0174532925199433]],PROJECTION[\"Gauss_Kruger\"],"
         "PARAMETER[\"False_Easting\",500000.0],PARAMETER[\"False_Northing\",0.0],PARAMETER["
         "\"Central_Meridian\",114.0],PARAMETER[\"Scale_Factor\",1.0],PARAMETER[\"Latitude_Of_"
         "Origin\",0.0],UNIT[\"Meter\",1.0]]"},
    };
    struct arena run;
    struct crs_plan plain = {.operation = ""};
    arena_init(&run, ARENA_BYTES);
    for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++) {
        if (i == 0 || strcmp(spellings[i][0], spellings[i - 1][0]) != 0) {
            make(&(struct crs_request){.definition = spellings[i][0]}, &run, &plain);
        }
        struct crs_plan spelled;
        make(&(struct crs_request){.definition = spellings[i][1]}, &run, &spelled);
        CHECK_TEXT(spelled.operation, plain.operation);
    }
    arena_release(&run);
}

/* The file's words alone, and yet its area and code are known. */
static void crs_plan_make__finds_the_code_of_a_projection_file(void)
{
    struct arena run;
    struct crs_plan plan;
    arena_init(&run, ARENA_BYTES);
    make(
        &(struct crs_request){
            .definition =
                "PROJCS[\"WGS_1984_UTM_Zone_32S\",GEOGCS[\"GCS_WGS_1984\",DATUM[\"D_WGS_1984\","
                "SPHEROID[\"WGS_1984\",6378137,298.257223563]],PRIMEM[\"Greenwich\",0],UNIT["
                "\"Degree\",0.017453292519943295]],PROJECTION[\"Transverse_Mercator\"],PARAMETER["
                "\"latitude_of_origin\",0],PARAMETER[\"central_meridian\",9],PARAMETER[\"scale_"
                "factor\",0.9996],PARAMETER[\"false_easting\",500000],PARAMETER[\"false_northing"
                "\",10000000],UNIT[\"Meter\",1]]"},
        &run, &plan);
    CHECK_TEXT(plan.code, "32732");
    CHECK(plan.has_area && plan.west_deg == 6 && plan.north_deg == 0);
    CHECK(strstr(plan.wkt, "PROJCS[") == plan.wkt);
    arena_release(&run);
}

static void fails(const struct crs_request *request, enum err_code code, const char *words)
{
    struct arena run;
    struct crs_plan plan = {.name = "untouched"};
    struct err err;
    arena_init(&run, ARENA_BYTES);
    CHECK_FAILS(crs_plan_make(request, &run, &plan, &err), &err, code);
    if (strstr(err.message, words) == NULL) {
        fail_msg("'%s' is not in '%s'", words, err.message);
    }
    CHECK_TEXT(plan.name, "untouched");
    arena_release(&run);
}

static void crs_plan_make__refuses_with_advice(void)
{
    fails(&(struct crs_request){.definition = "EPSG:99999"}, ERR_CRS, "no such CRS EPSG:99999");
    fails(&(struct crs_request){.definition = "local"}, ERR_CRS, "'local'");
    fails(&(struct crs_request){.definition = "  "}, ERR_CRS, "--crs");
    fails(&(struct crs_request){.definition = "EPSG:6289"}, ERR_CRS, "a datum, not");
    fails(&(struct crs_request){.definition = "EPSG:5709"}, ERR_CRS, "a height system");
    fails(&(struct crs_request){.definition = "EPSG:28992+5109"}, ERR_CRS, "not a height system");
    fails(&(struct crs_request){.definition = "PROJCS[\"broken\""}, ERR_CRS, "not a coordinate");
    fails(&(struct crs_request){.definition = "LOCAL_CS[\"site\",UNIT[\"metre\",1]]"}, ERR_CRS,
          "where on earth");
    fails(&(struct crs_request){.definition = "urn:adv:crs:ETRS89_UTM39"}, ERR_CRS, "German");
    fails(&(struct crs_request){.definition = "+proj=utm +zone=50 +ellps=krass"}, ERR_CRS,
          "--allow-ballpark");
    fails(&(struct crs_request){.definition = "EPSG:4547", .vertical = "EPSG:4547"}, ERR_CRS,
          "not a height system");
    fails(&(struct crs_request){.definition = "EPSG:4547", .geoid = "/nowhere/x.gtx"}, ERR_IO,
          "/nowhere/x.gtx");
    fails(&(struct crs_request){.definition = "EPSG:4547", .geoid = "/etc/hostname"}, ERR_IO,
          "not a grid");
    fails(&(struct crs_request){.definition = "EPSG:4547", .geoid = "37", .vertical = "ellipsoid"},
          ERR_CRS, "contradict");
    fails(&(struct crs_request){.definition = "EPSG:4978", .geoid = "37"}, ERR_CRS,
          "earth-centred");
    fails(&(struct crs_request){.definition = "EPSG:4547", .height_offset_m = NAN}, ERR_CRS,
          "not a number");
}

static void crs_plan_make__takes_ballpark_only_when_told_to(void)
{
    struct arena run;
    struct crs_plan plan;
    arena_init(&run, ARENA_BYTES);
    make(&(struct crs_request){.definition = "+proj=utm +zone=50 +ellps=krass",
                               .allow_ballpark = true},
         &run, &plan);
    CHECK(plan.is_ballpark);
    CHECK(has_notice(&plan, "without a datum shift"));
    CHECK_EQ(plan.accuracy_m, -1);

    /* Saying how is better. */
    make(&(struct crs_request){.definition =
                                   "+proj=utm +zone=50 +ellps=krass +towgs84=15.8,-154.4,-82.3"},
         &run, &plan);
    CHECK(!plan.is_ballpark);
    CHECK(strstr(plan.operation, "helmert") != NULL);
    arena_release(&run);
}

static double height_of(const struct crs_request *request, double x, double y, double z)
{
    struct arena run;
    struct crs_plan plan;
    struct crs crs;
    struct err err;
    arena_init(&run, ARENA_BYTES);
    open_request(request, &run, &plan, &crs);
    double point[3] = {x, y, z};
    CHECK_OK(crs_to_lonlat_deg(&crs, point, 1, &err), &err);
    crs_close(&crs);
    arena_release(&run);
    return point[2];
}

static void crs_plan_make__adds_geoid_and_offset(void)
{
    CHECK_NEAR(height_of(&(struct crs_request){.definition = "EPSG:7415", .geoid = "43.2551"},
                         155000, 463000, 2),
               45.2551, 1e-8, "m");
    CHECK_NEAR(height_of(&(struct crs_request){.definition = "EPSG:7415",
                                               .geoid = "43.2551",
                                               .height_offset_m = -0.5},
                         155000, 463000, 2),
               44.7551, 1e-8, "m");
    CHECK_NEAR(height_of(&(struct crs_request){.definition = "EPSG:4547",
                                               .vertical = "ellipsoid",
                                               .height_offset_m = 1.25},
                         505000, 2493000, 2),
               3.25, 1e-8, "m");
    /* US survey feet above NAVD88, as the system says. */
    const double in_feet = height_of(
        &(struct crs_request){.definition = "EPSG:2263", .vertical = "EPSG:6360", .geoid = "-32"},
        980000, 200000, 100);
    CHECK_NEAR(in_feet, 100 * 1200.0 / 3937 - 32, 1e-8, "m");
}

/* A grid of its own making: 2 x 2 posts, all 12.5 m, in a folder with a blank. */
static void crs_plan_make__reads_a_geoid_file(void)
{
    char folder[] = "/tmp/test crs XXXXXX";
    CHECK(mkdtemp(folder) != NULL);
    char path[128];
    snprintf(path, sizeof path, "%s/flat.gtx", folder);
    /* GTX: south, west, two steps as big-endian doubles, rows, columns, floats. */
    static const unsigned char grid[] = {0x40, 0x49, 0, 0, 0,    0,    0, 0, /* 50 */
                                         0x40, 0x00, 0, 0, 0,    0,    0, 0, /* 2 */
                                         0x40, 0x18, 0, 0, 0,    0,    0, 0, /* 6 */
                                         0x40, 0x18, 0, 0, 0,    0,    0, 0, /* 6 */
                                         0,    0,    0, 2, 0,    0,    0, 2, /* 2 x 2 */
                                         0x41, 0x48, 0, 0, 0x41, 0x48, 0, 0,
                                         0x41, 0x48, 0, 0, 0x41, 0x48, 0, 0};
    FILE *file = fopen(path, "we");
    CHECK(file != NULL && fwrite(grid, sizeof grid, 1, file) == 1 && fclose(file) == 0);
    CHECK_NEAR(height_of(&(struct crs_request){.definition = "EPSG:28992", .geoid = path}, 155000,
                         463000, 1),
               13.5, 1e-6, "m");
    struct arena run;
    struct crs_plan plan;
    arena_init(&run, ARENA_BYTES);
    make(&(struct crs_request){.definition = "EPSG:28992", .geoid = path}, &run, &plan);
    CHECK(strstr(plan.operation, "+grids=flat.gtx") != NULL);
    CHECK(strstr(plan.operation, folder) == NULL);
    arena_release(&run);

    /* The survey's own grid, once it stands in a folder PROJ looks in: NAP by
     * its name, and nothing to say. */
    char proper[128];
    snprintf(proper, sizeof proper, "%s/nlgeo2018.gtx", folder);
    CHECK(rename(path, proper) == 0);
    char folders[256];
    snprintf(folders, sizeof folders, "%s:/usr/share/proj", folder);
    CHECK(setenv("PROJ_DATA", folders, 1) == 0);
    arena_init(&run, ARENA_BYTES);
    make(&(struct crs_request){.definition = "EPSG:28992+5709"}, &run, &plan);
    CHECK(strstr(plan.operation, "nlgeo2018") != NULL);
    CHECK(!has_notice(&plan, "EGM96"));
    CHECK_NEAR(plan.height_accuracy_m, 0.001, 1e-9, "m");
    CHECK_NEAR(height_of(&(struct crs_request){.definition = "EPSG:28992+5709"}, 155000, 463000, 1),
               13.5, 1e-6, "m");
    CHECK(unsetenv("PROJ_DATA") == 0);
    arena_release(&run);
    CHECK(remove(proper) == 0 && remove(folder) == 0);
}

static const char four[] = "# a city's own system\n"
                           "parameters = four\n"
                           "name = 深圳独立坐标系\n"
                           "base = EPSG:4547\n"
                           "convention = east-north\n"
                           "dx = 391090.5\n"
                           "dy = 2472660.25\n"
                           "rotation_deg = -1.0\n"
                           "scale = 1.0000125\n";

static void crs_plan_make__keeps_a_private_system_private(void)
{
    struct arena run;
    struct crs_plan plan;
    struct crs crs;
    struct err err;
    arena_init(&run, ARENA_BYTES);
    open_request(&(struct crs_request){.definition = four, .is_private = true}, &run, &plan, &crs);
    CHECK(plan.is_private);
    CHECK_TEXT(plan.name, "深圳独立坐标系");
    CHECK(strstr(plan.operation, "391090") == NULL);
    CHECK(strstr(plan.operation, "digest") != NULL);
    CHECK(plan.wkt == NULL && plan.code == NULL);
    CHECK_EQ(plan.accuracy_m, -1);

    /* The similarity by hand, then the base by the other path. */
    const double turn = -EARTH_RAD_PER_DEG;
    const double x = 115000;
    const double y = 20000;
    double by_hand[3] = {391090.5 + 1.0000125 * (x * cos(turn) - y * sin(turn)),
                         2472660.25 + 1.0000125 * (x * sin(turn) + y * cos(turn)), 7};
    double local[3] = {x, y, 7};
    struct crs_plan base_plan;
    struct crs base;
    open_request(&(struct crs_request){.definition = "EPSG:4547"}, &run, &base_plan, &base);
    CHECK_OK(crs_to_ecef(&crs, local, 1, &err), &err);
    CHECK_OK(crs_to_ecef(&base, by_hand, 1, &err), &err);
    for (int i = 0; i < 3; i++) {
        CHECK_NEAR(local[i], by_hand[i], 1e-8, "m");
    }
    CHECK_OK(crs_from_ecef(&crs, local, 1, &err), &err);
    CHECK_NEAR(local[0], x, 1e-7, "m");
    CHECK_NEAR(local[1], y, 1e-7, "m");
    crs_close(&base);
    crs_close(&crs);
    arena_release(&run);
}

/* Seven parameters that are those of RD: the same place as by EPSG. */
static void crs_plan_make__applies_seven_parameters(void)
{
    static const char seven[] =
        "parameters = seven\n"
        "name = RD by hand\n"
        "system = +proj=sterea +lat_0=52.1561605555556 +lon_0=5.38763888888889 +k=0.9999079 "
        "+x_0=155000 +y_0=463000 +ellps=bessel\n"
        "base = EPSG:4258\n"
        "convention = coordinate-frame\n"
        "dx = 565.7381\ndy = 50.4018\ndz = 465.2904\n"
        "rx_arcsec = 0.395025981036064\nry_arcsec = -0.330772431242031\n"
        "rz_arcsec = 1.87607329462821\nscale_ppm = 4.07244\n";
    struct arena run;
    struct crs_plan plan;
    struct crs crs;
    struct err err;
    arena_init(&run, ARENA_BYTES);
    open_request(&(struct crs_request){.definition = seven, .vertical = "ellipsoid"}, &run, &plan,
                 &crs);
    double point[3] = {117380.1200, 575040.3400, 1};
    CHECK_OK(crs_to_lonlat_deg(&crs, point, 1, &err), &err);
    CHECK_NEAR(point[0], 4.824761912, 4e-6, "deg");
    CHECK_NEAR(point[1], 53.160753042, 2.5e-6, "deg");
    CHECK_NEAR(point[2], 1, 1e-8, "m");
    crs_close(&crs);
    arena_release(&run);
}

static void crs_to_ecef__names_the_point_without_a_place(void)
{
    struct arena run;
    struct crs_plan plan;
    struct crs crs;
    struct err err;
    arena_init(&run, ARENA_BYTES);
    open_request(&(struct crs_request){.definition = "EPSG:4547"}, &run, &plan, &crs);
    double points[4][3] = {
        {505000, 2493000, 0}, {505000, 2493000, 0}, {1e30, 2493000, 0}, {505000, 2493000, 0}};
    CHECK_FAILS(crs_to_ecef(&crs, points[0], 4, &err), &err, ERR_CRS);
    CHECK(strstr(err.message, "point 2 ") != NULL);
    double broken[2][3] = {{505000, 2493000, 0}, {505000, 2493000, NAN}};
    CHECK_FAILS(crs_to_ecef(&crs, broken[0], 2, &err), &err, ERR_CRS);
    CHECK(strstr(err.message, "point 1 ") != NULL);
    /* And the next batch is none the worse. */
    double good[3] = {505948.6559511, 2493914.6659019, 10};
    CHECK_OK(crs_to_ecef(&crs, good, 1, &err), &err);
    CHECK_OK(crs_to_ecef(&crs, good, 0, &err), &err);
    crs_close(&crs);
    arena_release(&run);
}

/* One thread and its results. */
struct worker {
    pthread_t thread;
    const struct crs_plan *plan;
    double *points;
    bool is_done;
};

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct crs crs;
    struct err err;
    if (crs_open(&crs, worker->plan, &err)) {
        worker->is_done = crs_to_ecef(&crs, worker->points, THREAD_POINTS, &err);
        crs_close(&crs);
    }
    return NULL;
}

static void crs_to_ecef__gives_every_thread_the_same_bits(void)
{
    struct arena run;
    struct crs_plan plan;
    arena_init(&run, ARENA_BYTES);
    make(&(struct crs_request){.definition = "EPSG:7415"}, &run, &plan);
    struct worker workers[THREADS];
    for (size_t t = 0; t < THREADS; t++) {
        workers[t] = (struct worker){.plan = &plan};
        workers[t].points = arena_array(&run, double, 3 * THREAD_POINTS);
        CHECK(workers[t].points != NULL);
        for (size_t i = 0; i < THREAD_POINTS; i++) {
            workers[t].points[3 * i] = 80000 + 37.125 * (double)i;
            workers[t].points[3 * i + 1] = 440000 + 11.0625 * (double)i;
            workers[t].points[3 * i + 2] = 0.25 * (double)(i % 400);
        }
    }
    for (size_t t = 0; t < THREADS; t++) {
        CHECK(pthread_create(&workers[t].thread, NULL, work, &workers[t]) == 0);
    }
    for (size_t t = 0; t < THREADS; t++) {
        CHECK(pthread_join(workers[t].thread, NULL) == 0);
        CHECK(workers[t].is_done);
        CHECK(memcmp(workers[t].points, workers[0].points, 3 * THREAD_POINTS * sizeof(double)) ==
              0);
    }
    arena_release(&run);
}

/* Neither a crash nor a half-made plan, whichever allocation fails. The base is
 * one that PROJ finds at once. */
static void crs_plan_make__survives_every_failed_allocation(void)
{
    static const char text[] = "parameters = four\nbase = EPSG:32650\nconvention = east-north\n"
                               "dx = 1\ndy = 2\nrotation_deg = 0.5\nscale = 1\n";
    bool is_made = false;
    for (size_t fail_after = 1; !is_made; fail_after++) {
        CHECK(fail_after < 400);
        struct arena run;
        struct crs_plan plan = {.name = "untouched"};
        struct err err = {.code = ERR_NONE};
        arena_init(&run, ARENA_BYTES);
        run.fail_after = fail_after;
        is_made = crs_plan_make(&(struct crs_request){.definition = text}, &run, &plan, &err);
        if (!is_made) {
            CHECK(err.code == ERR_NOMEM || err.code == ERR_LIMIT || err.code == ERR_CRS);
            CHECK_TEXT(plan.name, "untouched");
        }
        arena_release(&run);
    }
}

CHECK_MAIN(CHECK_TEST(crs_to_ecef__meets_the_control_points),
           CHECK_TEST(crs_to_ecef__does_what_cct_does_with_the_pipeline_by_hand),
           CHECK_TEST(crs_to_lonlat_deg__agrees_with_cs2cs),
           CHECK_TEST(crs_plan_make__never_takes_the_path_without_a_datum_shift),
           CHECK_TEST(crs_plan_make__says_what_stands_in_for_a_missing_grid),
           CHECK_TEST(crs_plan_make__takes_a_3d_system_at_its_word),
           CHECK_TEST(crs_plan_make__settles_the_axis_order_in_one_place),
           CHECK_TEST(crs_plan_make__reads_every_spelling),
           CHECK_TEST(crs_plan_make__finds_the_code_of_a_projection_file),
           CHECK_TEST(crs_plan_make__refuses_with_advice),
           CHECK_TEST(crs_plan_make__takes_ballpark_only_when_told_to),
           CHECK_TEST(crs_plan_make__adds_geoid_and_offset),
           CHECK_TEST(crs_plan_make__reads_a_geoid_file),
           CHECK_TEST(crs_plan_make__keeps_a_private_system_private),
           CHECK_TEST(crs_plan_make__applies_seven_parameters),
           CHECK_TEST(crs_to_ecef__names_the_point_without_a_place),
           CHECK_TEST(crs_to_ecef__gives_every_thread_the_same_bits),
           CHECK_TEST(crs_plan_make__survives_every_failed_allocation))

/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/crs_definition.h"

#include "formats/base/earth.h"
#include "tests/check.h"

enum { ARENA_BYTES = 1 << 20 };

static void read(const char *text, struct arena *run, struct crs_definition *out)
{
    struct err err;
    CHECK_OK(crs_definition_read(text, run, out, &err), &err);
}

static void crs_definition_read__brings_spellings_to_one(void)
{
    static const char *const cases[][3] = {
        {"4547", "EPSG:4547", NULL},
        {"epsg:4547", "EPSG:4547", NULL},
        {"EPSG::4547", "EPSG:4547", NULL},
        {"\xEF\xBB\xBF"
         "EPSG:4547\r\n",
         "EPSG:4547", NULL},
        {"# a comment\nEPSG:4547", "EPSG:4547", NULL},
        {"+init=epsg:4547", "EPSG:4547", NULL},
        {"urn:ogc:def:crs:EPSG::7415", "EPSG:7415", NULL},
        {"urn:ogc:def:crs:EPSG:9.6.1:7415", "EPSG:7415", NULL},
        {"urn:x-ogc:def:crs:EPSG:6.11:4326", "EPSG:4326", NULL},
        {"urn:ogc:def:crs:OGC:1.3:CRS84", "OGC:CRS84", NULL},
        {"CRS:84", "OGC:CRS84", NULL},
        {"https://www.opengis.net/def/crs/EPSG/0/28992/", "EPSG:28992", NULL},
        {"http://www.opengis.net/gml/srs/epsg.xml#4326", "OGC:CRS84", NULL},
        {"http://www.opengis.net/gml/srs/epsg.xml#25832", "EPSG:25832", NULL},
        {"EPSG:28992+5709", "EPSG:28992", "EPSG:5709"},
        {"28992+5709", "EPSG:28992", "EPSG:5709"},
        {"urn:ogc:def:crs,crs:EPSG:6.12:3068,crs:EPSG:6.12:5783", "EPSG:3068", "EPSG:5783"},
        {"urn:adv:crs:ETRS89_UTM32*DE_DHHN2016_NH*GCG2016", "EPSG:25832", "EPSG:7837"},
        {"urn:adv:crs:ETRS89_UTM33*DE_DHHN92_NH", "EPSG:25833", "EPSG:5783"},
        {"+proj=utm +zone=50 +datum=WGS84", "+proj=utm +zone=50 +datum=WGS84", NULL},
        {"GEOGCS[\"x\"]", "GEOGCS[\"x\"]", NULL},
        {"gcj02", "EPSG:4326", NULL},
        {"+init=", "+init=", NULL}, /* nothing after it: for PROJ to refuse */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena run;
        struct crs_definition found;
        arena_init(&run, ARENA_BYTES);
        read(cases[i][0], &run, &found);
        CHECK_TEXT(found.horizontal, cases[i][1]);
        CHECK((found.vertical == NULL) == (cases[i][2] == NULL));
        if (cases[i][2] != NULL) {
            CHECK_TEXT(found.vertical, cases[i][2]);
        }
        arena_release(&run);
    }
}

static void crs_definition_read__reads_a_meridian_in_degrees_or_minutes(void)
{
    static const struct {
        const char *text;
        double meridian_deg;
        bool is_doubted;
    } cases[] = {
        {"cgcs2000:114", 114, false},
        {"cgcs2000:118.8333", 118.8333, true}, /* 118 degrees 50 minutes, rounded */
        {"cgcs2000:118d50", 118 + 50 / 60.0, false},
        {"cgcs2000:118d50'30", 118 + 50 / 60.0 + 30 / 3600.0, false},
        {"cgcs2000:118°50'", 118 + 50 / 60.0, false},
        {"CGCS2000:120.583333333333,40", 120 + 35 / 60.0, false},
        {"cgcs2000:119.27,39", 119.27, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena run;
        struct crs_definition found;
        arena_init(&run, ARENA_BYTES);
        read(cases[i].text, &run, &found);
        CHECK(found.is_meridian);
        CHECK_NEAR(found.meridian_deg, cases[i].meridian_deg, 1e-10, "deg");
        if ((found.notice != NULL) != cases[i].is_doubted) {
            fail_msg("%s: %s", cases[i].text, found.notice);
        }
        arena_release(&run);
    }
}

static const char four[] = "parameters = four\n"
                           "name = site # a comment\n"
                           "base = EPSG:4547\n"
                           "convention = east-north\n"
                           "dx = 100\n"
                           "dy = 200\n"
                           "rotation_arcsec = 3600\n"
                           "scale_ppm = 10\n";

static void crs_definition_read__reads_four_parameters(void)
{
    struct arena run;
    struct crs_definition found;
    arena_init(&run, ARENA_BYTES);
    read(four, &run, &found);
    CHECK(found.has_plane);
    CHECK_TEXT(found.name, "site");
    CHECK_TEXT(found.horizontal, "EPSG:4547");
    const double c = 1.00001 * cos(EARTH_RAD_PER_DEG);
    const double s = 1.00001 * sin(EARTH_RAD_PER_DEG);
    const double want[6] = {100, c, -s, 200, s, c};
    for (int i = 0; i < 6; i++) {
        CHECK_NEAR(found.plane[i], want[i], 1e-15, "");
    }

    /* Chinese programs have x to the north: the same point by the same numbers. */
    struct crs_definition north;
    read("parameters = four\nbase = EPSG:4547\nconvention = north-east\ndx = 200\ndy = 100\n"
         "rotation_deg = 1\nscale = 1.00001\n",
         &run, &north);
    const double e = 5000;
    const double n = 7000;
    const double northing = 200 + n * c - e * s; /* x' = dx + x cos - y sin */
    const double easting = 100 + n * s + e * c;  /* y' = dy + x sin + y cos */
    CHECK_NEAR(north.plane[0] + north.plane[1] * e + north.plane[2] * n, easting, 1e-9, "m");
    CHECK_NEAR(north.plane[3] + north.plane[4] * e + north.plane[5] * n, northing, 1e-9, "m");
    arena_release(&run);
}

static void crs_definition_read__points_at_the_line_at_fault(void)
{
    static const struct {
        const char *text;
        uint32_t line;
        const char *words;
    } cases[] = {
        {"parameters = five\nbase = EPSG:4547\n", 1, "five"},
        {"parameters = four\nbase = EPSG:4547\ndx = 1\ndx = 2\n", 4, "second"},
        {"parameters = four\nbase = EPSG:4547\ndx\n", 3, "dx"},
        {"parameters = four\nbase = EPSG:4547\ndx = 1\ndy = 1e999\n", 4, "1e999"},
        {"parameters = four\nbase = EPSG:4547\ndx = 1\ndy = two\n", 4, "two"},
        {"parameters = four\nbase = EPSG:4547\ndx = 1\ndy = 2\n", 5, "rotation_deg"},
        {"parameters = four\ndx = 1\n", 3, "base"},
        {"parameters = four\nbase = EPSG:4547\ndx = 1\ndy = 2\nrotation_deg = 0\nscale = 1\n"
         "convention = up\n",
         7, "up"},
        {"parameters = four\nbase = EPSG:4547\ndx = 1\ndy = 2\nrotation_deg = 0\nscale = 1\n"
         "convention = east-north\ndz = 3\n",
         8, "dz"},
        {"parameters = four\nbase = EPSG:4547\ndx = 1\ndy = 2\nrotation_deg = 0\nscale = 12\n"
         "convention = east-north\n",
         8, "12"},
        {"parameters = four\nbase = EPSG:4547\ndx = 1\ndy = 2\nrotation_deg = 0\n"
         "rotation_arcsec = 0\nscale = 1\nconvention = east-north\n",
         5, "both"},
        {"parameters = seven\nbase = EPSG:4490\nsystem = EPSG:2414\ndx = 1\n", 5, "dy"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena run;
        struct crs_definition found;
        struct err err;
        arena_init(&run, ARENA_BYTES);
        CHECK_FAILS(crs_definition_read(cases[i].text, &run, &found, &err), &err, ERR_SYNTAX);
        if (err.line != cases[i].line || strstr(err.message, cases[i].words) == NULL) {
            fail_msg("case %zu: line %u, '%s'", i, err.line, err.message);
        }
        arena_release(&run);
    }
}

static void crs_definition_read__refuses_what_cannot_be(void)
{
    static const char *const cases[] = {"",
                                        " \n",
                                        "# nothing\n",
                                        "cgcs2000:",
                                        "cgcs2000:east",
                                        "cgcs2000:300",
                                        "cgcs2000:114,",
                                        "cgcs2000:114,200",
                                        "cgcs2000:114,1.5",
                                        "cgcs2000:114x",
                                        "urn:adv:crs:MARS",
                                        "urn:adv:crs:ETRS89_UTM32*DE_MARS"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena run;
        struct crs_definition found;
        struct err err;
        arena_init(&run, ARENA_BYTES);
        CHECK_FAILS(crs_definition_read(cases[i], &run, &found, &err), &err, ERR_CRS);
        arena_release(&run);
    }
}

/* Cut anywhere, the text is refused or read, from memory of its exact size. */
static void crs_definition_read__survives_every_truncation(void)
{
    for (size_t keep = 0; keep < sizeof four; keep++) {
        char text[sizeof four];
        memcpy(text, four, keep);
        text[keep == sizeof four ? keep - 1 : keep] = '\0';
        struct span copy = check_heap_copy(text, strlen(text) + 1);
        struct arena run;
        struct crs_definition found;
        struct err err = {.code = ERR_NONE};
        arena_init(&run, ARENA_BYTES);
        if (!crs_definition_read((const char *)copy.data, &run, &found, &err)) {
            CHECK(err.code == ERR_SYNTAX || err.code == ERR_CRS);
        }
        arena_release(&run);
        check_heap_free(copy);
    }
}

static void crs_definition_read__survives_every_failed_allocation(void)
{
    static const char *const texts[] = {four, "cgcs2000:118d50,39", "EPSG:28992+5709",
                                        "urn:ogc:def:crs,crs:EPSG::28992,crs:EPSG::5709"};
    for (size_t t = 0; t < sizeof texts / sizeof texts[0]; t++) {
        bool is_read = false;
        for (size_t fail_after = 1; !is_read; fail_after++) {
            CHECK(fail_after < 200);
            struct arena run;
            struct crs_definition found;
            struct err err;
            arena_init(&run, ARENA_BYTES);
            run.fail_after = fail_after;
            is_read = crs_definition_read(texts[t], &run, &found, &err);
            CHECK(!is_read || found.horizontal != NULL);
            is_read = is_read && run.alloc_count < fail_after;
            arena_release(&run);
        }
    }
}

CHECK_MAIN(CHECK_TEST(crs_definition_read__brings_spellings_to_one),
           CHECK_TEST(crs_definition_read__reads_a_meridian_in_degrees_or_minutes),
           CHECK_TEST(crs_definition_read__reads_four_parameters),
           CHECK_TEST(crs_definition_read__points_at_the_line_at_fault),
           CHECK_TEST(crs_definition_read__refuses_what_cannot_be),
           CHECK_TEST(crs_definition_read__survives_every_truncation),
           CHECK_TEST(crs_definition_read__survives_every_failed_allocation))

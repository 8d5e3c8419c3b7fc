/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/citygml.h"

#include "formats/base/buf.h"
#include "tests/check.h"

enum { FEATURE_BYTES_MAX = 1 << 28 };

struct counts {
    long features, lost, polygons, reported;
    struct err first_lost;
};

typedef void (*visit_fn)(const struct feature *feature, long index);

static void read_all(struct source *source, const struct report *report, struct counts *counts,
                     visit_fn visit)
{
    struct arena arena;
    arena_init(&arena, FEATURE_BYTES_MAX);
    memset(counts, 0, sizeof *counts);
    for (;;) {
        struct feature feature;
        struct err err;
        bool is_end = false;
        arena_reset(&arena, (struct arena_mark){0});
        if (!source_next(source, &arena, &feature, &is_end, &err)) {
            if (counts->lost++ == 0) {
                counts->first_lost = err;
            }
            if (!source_can_continue(source)) {
                break;
            }
            continue;
        }
        if (is_end) {
            break;
        }
        if (visit != NULL) {
            visit(&feature, counts->features);
        }
        counts->features++;
        counts->polygons += (long)feature.polygon_count;
    }
    counts->reported =
        (long)(report->level_count[REPORT_SKIPPED] + report->level_count[REPORT_REPAIRED]);
    arena_release(&arena);
}

static const struct source_options plain = {.temporary_folder = "/tmp"};

static bool read_bytes(struct span text, const struct source_options *options,
                       struct report *report, struct counts *counts, visit_fn visit,
                       struct err *err)
{
    const struct span bytes = check_heap_copy(text.data, text.size);
    struct source *source = NULL;
    struct err ignored;
    CHECK_OK(report_open(report, NULL, &ignored), &ignored);
    const bool ok = source_open_bytes(bytes, "t.gml", options, report, &source, err);
    if (ok) {
        read_all(source, report, counts, visit);
        source_close(source);
    }
    CHECK_OK(report_close(report, &ignored), &ignored);
    check_heap_free(bytes);
    return ok;
}

static bool read_text(const char *text, struct report *report, struct counts *counts,
                      visit_fn visit, struct err *err)
{
    return read_bytes((struct span){(const uint8_t *)text, strlen(text)}, &plain, report, counts,
                      visit, err);
}

/* Reads a text that nothing is wrong with. */
static void read_clean(const char *text, long features, visit_fn visit)
{
    struct report report;
    struct counts counts;
    struct err err;
    CHECK_OK(read_text(text, &report, &counts, visit, &err), &err);
    if (counts.lost > 0) {
        fail_msg("lost: %s", counts.first_lost.message);
    }
    if (counts.reported > 0) {
        fail_msg("reported: %s: %s", report.kinds[0].name, report.kinds[0].first.message);
    }
    CHECK_EQ(counts.features, features);
}

static const struct feature_value *value_of(const struct feature *feature, const char *key)
{
    for (size_t i = 0; i < feature->attribute_count; i++) {
        if (text_is(feature->attributes[i].key, key)) {
            return &feature->attributes[i].value;
        }
    }
    fail_msg("no attribute '%s'", key);
    return NULL;
}

#define HEAD                                                                                       \
    "<?xml version=\"1.0\"?>\n"                                                                    \
    "<c:CityModel xmlns:c=\"http://www.opengis.net/citygml/2.0\""                                  \
    " xmlns:b=\"http://www.opengis.net/citygml/building/2.0\""                                     \
    " xmlns:n=\"http://www.opengis.net/citygml/generics/2.0\""                                     \
    " xmlns:a=\"http://www.opengis.net/citygml/appearance/2.0\""                                   \
    " xmlns:f=\"http://www.opengis.net/citygml/cityfurniture/2.0\""                                \
    " xmlns:x=\"http://www.w3.org/1999/xlink\" xmlns:g=\"http://www.opengis.net/gml\""             \
    " xmlns:u=\"urn:some:extension\">\n"
#define ENVELOPE                                                                                   \
    "<g:boundedBy><g:Envelope srsName=\" EPSG:7415 \"><g:lowerCorner>0 0 0</g:lowerCorner>"        \
    "</g:Envelope></g:boundedBy>\n"
#define TAIL "</c:CityModel>\n"
#define MEMBER(content) "<c:cityObjectMember>" content "</c:cityObjectMember>\n"
#define POLYGON(id, points)                                                                        \
    "<g:Polygon g:id=\"" id "\"><g:exterior><g:LinearRing g:id=\"" id "r\"><g:posList>" points     \
    "</g:posList></g:LinearRing></g:exterior></g:Polygon>"
#define SURFACES(content)                                                                          \
    "<g:MultiSurface><g:surfaceMember>" content "</g:surfaceMember></g:MultiSurface>"
#define SQUARE "0 0 1 2 0 1 2 2 1 0 2 1 0 0 1"
#define SMALL                                                                                      \
    HEAD ENVELOPE MEMBER("<b:Building g:id=\"a\"><b:lod2MultiSurface>" SURFACES(                   \
        POLYGON("p", SQUARE)) "</b:lod2MultiSurface></b:Building>") TAIL

/* ---- the smallest file ---- */

static void visit_small(const struct feature *feature, long index)
{
    static const double vertices[] = {0, 0, 1, 2, 0, 1, 2, 2, 1, 0, 2, 1};
    CHECK_EQ(index, 0);
    CHECK_TEXT_IS(feature->id, "a");
    CHECK_TEXT_IS(feature->root_id, "a");
    CHECK_TEXT_IS(feature->kind, "Building");
    CHECK_EQ(feature->parent_id.size, 0);
    CHECK_EQ(feature->crs.size, 0);
    CHECK_EQ(feature->vertex_count, 4);
    CHECK(memcmp(feature->vertices, vertices, sizeof vertices) == 0);
    CHECK_EQ(feature->lod_count, 1);
    CHECK(feature->lods[0].level == 2);
    CHECK_EQ(feature->polygons[0].shell, FEATURE_NONE);
    CHECK(feature->uvs == NULL);
    CHECK(feature->parts_level == -1);
    CHECK_EQ(feature->line, 4);
}

static void citygml__reads_the_smallest_file(void)
{
    read_clean(SMALL, 1, visit_small);

    struct report report;
    struct source *source = NULL;
    struct err err;
    CHECK_OK(report_open(&report, NULL, &err), &err);
    const struct span bytes = {(const uint8_t *)SMALL, strlen(SMALL)};
    CHECK_OK(source_open_bytes(bytes, "t.xml", &plain, &report, &source, &err), &err);
    CHECK_TEXT(source_info(source)->format, "CityGML 2.0");
    CHECK_TEXT_IS(source_info(source)->crs, "EPSG:7415");
    source_close(source);
    CHECK_OK(report_close(&report, &err), &err);
}

/* ---- geometry ---- */

static void visit_solid(const struct feature *feature, long index)
{
    CHECK_EQ(index, 0);
    CHECK_EQ(feature->lod_count, 2);
    CHECK(feature->lods[0].level == 0 && feature->lods[1].level == 2);
    CHECK_EQ(feature->lods[1].polygon_count, 4);
    const struct feature_polygon *polygons = feature->polygons + feature->lods[1].first_polygon;
    /* the solid's faces, with the meaning of the surfaces they belong to */
    CHECK_EQ(polygons[0].shell, 0);
    CHECK_EQ(polygons[0].kind, SURFACE_ROOF);
    CHECK_EQ(polygons[1].shell, 0);
    CHECK_EQ(polygons[1].kind, SURFACE_WALL);
    CHECK_EQ(polygons[2].shell, 0);
    CHECK_EQ(polygons[2].kind, SURFACE_GROUND);
    /* the window is not among them, the wall is there once */
    CHECK_EQ(polygons[3].shell, FEATURE_NONE);
    CHECK_EQ(polygons[3].kind, SURFACE_WINDOW);
    /* the wall is named the other way round */
    const struct feature_ring wall = feature->rings[polygons[1].first_ring];
    const double *first = feature->vertices + 3 * (size_t)feature->corners[wall.first_corner];
    const double *second = feature->vertices + 3 * (size_t)feature->corners[wall.first_corner + 1];
    CHECK(first[0] == 0 && first[1] == 0 && second[0] == 0 && second[1] == 2);
}

/* Faces by xlink forwards and backwards, one turned, one repeated with the
 * same points from another corner. */
static void citygml__shows_faces_of_a_solid_once(void)
{
    /* clang-format off */
    read_clean(HEAD ENVELOPE MEMBER(
        "<b:Building g:id=\"a\"><b:boundedBy><b:RoofSurface><b:lod2MultiSurface>" SURFACES(POLYGON(
        "roof", "0 0 3 2 0 3 2 2 3 0 0 3"))
        "</b:lod2MultiSurface></b:RoofSurface></b:boundedBy><b:lod0FootPrint>" SURFACES(POLYGON(
        "foot", SQUARE))
        "</b:lod0FootPrint><b:lod2Solid><g:Solid><g:exterior><g:CompositeSurface>"
        "<g:surfaceMember x:href=\"#roof\"/><g:surfaceMember>"
        "<g:OrientableSurface orientation=\"-\"><g:baseSurface x:href=\"#wall\"/>"
        "</g:OrientableSurface></g:surfaceMember><g:surfaceMember>" POLYGON("copy",
        "2 2 0 0 0 0 2 0 0 2 2 0")
        "</g:surfaceMember></g:CompositeSurface></g:exterior></g:Solid></b:lod2Solid>"
        "<b:boundedBy><b:WallSurface><b:lod2MultiSurface>" SURFACES(POLYGON("wall",
        "0 0 0 2 0 0 2 0 3 0 2 3 0 0 0"))
        "</b:lod2MultiSurface><b:opening><b:Window><b:lod2MultiSurface>" SURFACES(POLYGON("window",
        "1 0 1 1.5 0 1 1.5 0 2 1 0 1"))
        "</b:lod2MultiSurface></b:Window></b:opening></b:WallSurface></b:boundedBy>"
        "<b:boundedBy><b:GroundSurface><b:lod2MultiSurface>" SURFACES(POLYGON("ground",
        "0 0 0 2 0 0 2 2 0 0 0 0"))
        "</b:lod2MultiSurface></b:GroundSurface></b:boundedBy></b:Building>") TAIL, 1, visit_solid);
    /* clang-format on */
}

static void visit_spelling(const struct feature *feature, long index)
{
    static const double vertices[] = {0, 0, 1, 2, 0, 1, 2, 2, 1.5};
    CHECK(index < 5);
    CHECK_EQ(feature->vertex_count, 3);
    CHECK(memcmp(feature->vertices, vertices, sizeof vertices) == 0);
    CHECK(feature->lods[0].level == -1 || feature->lods[0].level == 3);
}

#define SPELLED(ring)                                                                              \
    MEMBER("<b:Building g:id=\"a\"><b:lod3MultiSurface>" SURFACES(                                 \
        ring) "</b:lod3MultiSurface></b:Building>")
#define RING(content)                                                                              \
    "<g:Polygon><g:exterior><g:LinearRing>" content "</g:LinearRing></g:exterior></g:Polygon>"

static void citygml__reads_every_spelling_of_coordinates(void)
{
    read_clean(HEAD ENVELOPE SPELLED(
                   RING("<g:pos>0 0 1</g:pos><g:pos>2 0 1</g:pos><g:pos>2 2 1.5</g:pos>"))
                   SPELLED(RING("<g:coordinates>0,0,1 2,0,1 2,2,1.5 0,0,1</g:coordinates>"))
                       SPELLED(RING("<g:coordinates decimal=\",\" cs=\" \" ts=\";\">0 0 1;2 0 1;"
                                    "2 2 1,5;0 0 1</g:coordinates>"))
                           SPELLED("<g:Polygon><g:outerBoundaryIs><g:LinearRing><g:posList>\n 0 "
                                   "0\t1 2.0e0 0 1 2 2 15E-1</g:posList></g:LinearRing>"
                                   "</g:outerBoundaryIs></g:Polygon>")
                               SPELLED("<g:Surface><g:patches><g:Triangle><g:exterior><g:Ring>"
                                       "<g:curveMember><g:LineString><g:posList>0 0 1 2 0 1 2 2 1.5"
                                       "</g:posList></g:LineString></g:curveMember></g:Ring>"
                                       "</g:exterior></g:Triangle></g:patches></g:Surface>") TAIL,
               5, visit_spelling);
}

static void visit_implicit(const struct feature *feature, long index)
{
    /* a quarter turn about z, twice as large, moved by 5 in x, at 101, 200, 10 */
    static const double vertices[] = {106, 200, 10, 106, 202, 10, 104, 200, 10};
    CHECK(index < 2);
    CHECK_EQ(feature->vertex_count, 3);
    CHECK(memcmp(feature->vertices, vertices, sizeof vertices) == 0);
    CHECK_TEXT_IS(feature->kind, "CityFurniture");
}

#define IMPLICIT(id, shape)                                                                        \
    MEMBER("<f:CityFurniture g:id=\"" id "\"><f:lod3ImplicitRepresentation><c:ImplicitGeometry>"   \
           "<c:transformationMatrix>0 -2 0 5 2 0 0 0 0 0 2 0 0 0 0 1</c:transformationMatrix>"     \
           "<c:relativeGMLGeometry" shape "<c:referencePoint><g:Point><g:pos>101 200 10</g:pos>"   \
           "</g:Point></c:referencePoint></c:ImplicitGeometry></f:lod3ImplicitRepresentation>"     \
           "</f:CityFurniture>")

static void citygml__places_implicit_geometry(void)
{
    read_clean(HEAD ENVELOPE IMPLICIT("one", " x:href=\"#tree\"/>") IMPLICIT(
                   "two",
                   "><g:MultiSurface g:id=\"tree\"><g:surfaceMember>" POLYGON(
                       "p", "0 0 0 1 0 0 0 1 0 0 0 0") "</g:surfaceMember>"
                                                       "</g:MultiSurface></c:relativeGMLGeometry>")
                   TAIL,
               2, visit_implicit);
}

static void visit_degrees(const struct feature *feature, long index)
{
    CHECK_EQ(index, 0);
    CHECK_EQ(feature->vertex_count, 3);
    /* 1 m east and 1 m north of 35 N, 139 E */
    CHECK_NEAR(feature->vertices[3] - 35, 0, 1e-12, "degrees");
    CHECK_NEAR((feature->vertices[4] - 139) * 91288, 1, 1e-4, "m");
    CHECK_NEAR((feature->vertices[6] - 35) * 110941, 1, 1e-4, "m");
    CHECK_NEAR(feature->vertices[8], 12, 1e-9, "m");
}

static void citygml__places_prototypes_in_degrees(void)
{
    read_clean(HEAD
               "<g:boundedBy><g:Envelope srsName=\"http://www.opengis.net/def/crs/EPSG/0/6697\"/>"
               "</g:boundedBy>" MEMBER(
                   "<f:CityFurniture g:id=\"one\"><f:lod3ImplicitRepresentation>"
                   "<c:ImplicitGeometry><c:relativeGMLGeometry>" SURFACES(POLYGON(
                       "p", "0 0 0 1 0 0 0 1 2 0 0 0")) "</c:relativeGMLGeometry>"
                                                        "<c:referencePoint><g:Point><g:pos>35 139 "
                                                        "10</g:pos></g:Point>"
                                                        "</c:referencePoint></c:ImplicitGeometry></"
                                                        "f:lod3ImplicitRepresentation>"
                                                        "</f:CityFurniture>") TAIL,
               1, visit_degrees);
}

/* ---- objects and attributes ---- */

static void visit_objects(const struct feature *feature, long index)
{
    if (index == 0) {
        CHECK_TEXT_IS(feature->id, "house");
        CHECK_TEXT_IS(feature->name, "Rathaus");
        CHECK(feature->parts_level == 2);
        CHECK_EQ(value_of(feature, "storeysAboveGround")->integer, 4);
        CHECK(value_of(feature, "measuredHeight")->real == 12.5);
        CHECK_TEXT_IS(value_of(feature, "measuredHeight_unit")->text, "m");
        CHECK_TEXT_IS(value_of(feature, "code")->text, "0815");
        CHECK_TEXT_IS(value_of(feature, "function")->text, "1000; 1020");
        CHECK_EQ(value_of(feature, "Anzahl")->type, FEATURE_INT);
        CHECK_EQ(value_of(feature, "Text")->type, FEATURE_TEXT);
        CHECK(value_of(feature, "Masse.Flaeche")->real == 140);
        CHECK_TEXT_IS(value_of(feature, "Masse.Flaeche_unit")->text, "m2");
        CHECK_TEXT_IS(value_of(feature, "externalReference.informationSystem")->text, "urn:x");
        CHECK_TEXT_IS(value_of(feature, "externalReference.name")->text, "one");
        CHECK_TEXT_IS(value_of(feature, "externalReference_2.name")->text, "two");
        CHECK_EQ(value_of(feature, "risk.depth")->type, FEATURE_REAL);
        CHECK_TEXT_IS(value_of(feature, "address")->text,
                      "{\"LocalityName\":\"Ulm\",\"ThoroughfareNumber\":\"7\"}");
    } else {
        CHECK_TEXT_IS(feature->id, "part");
        CHECK_TEXT_IS(feature->kind, "BuildingPart");
        CHECK_TEXT_IS(feature->parent_id, "house");
        CHECK_TEXT_IS(feature->root_id, "house");
        CHECK_EQ(value_of(feature, "storeysAboveGround")->integer, 2);
        CHECK_EQ(feature->polygon_count, 1);
        for (size_t i = 0; i < feature->inherited_count; i++) {
            CHECK(!text_is(feature->inherited[i].key, "storeysAboveGround"));
            CHECK(!text_is(feature->inherited[i].key, "name"));
        }
        CHECK(feature->inherited_count > 8);
    }
}

static void citygml__makes_attributes_of_values(void)
{
    read_clean(
        HEAD ENVELOPE MEMBER(
            "<b:Building g:id=\"house\"><g:name>Rathaus</g:name>"
            "<c:externalReference><c:informationSystem>urn:x</c:informationSystem>"
            "<c:externalObject><c:name>one</c:name></c:externalObject></c:externalReference>"
            "<c:externalReference><c:informationSystem>urn:y</c:informationSystem>"
            "<c:externalObject><c:name>two</c:name></c:externalObject></c:externalReference>"
            "<n:intAttribute name=\"Anzahl\"><n:value>3</n:value></n:intAttribute>"
            "<n:stringAttribute name=\"Text\"><n:value>3</n:value></n:stringAttribute>"
            "<n:genericAttributeSet name=\"Masse\"><n:measureAttribute name=\"Flaeche\">"
            "<n:value uom=\"m2\">140</n:value></n:measureAttribute></n:genericAttributeSet>"
            "<b:function>1000</b:function><b:function>1020</b:function>"
            "<b:measuredHeight uom=\"m\">12.5</b:measuredHeight>"
            "<b:storeysAboveGround>4</b:storeysAboveGround><u:code>0815</u:code>"
            "<u:risk><u:Flood><u:depth>1.5</u:depth></u:Flood></u:risk>"
            "<b:consistsOfBuildingPart><b:BuildingPart g:id=\"part\">"
            "<b:storeysAboveGround>2</b:storeysAboveGround><b:lod2MultiSurface>" SURFACES(POLYGON(
                "p", SQUARE)) "</b:lod2MultiSurface></b:BuildingPart>"
                              "</b:consistsOfBuildingPart><b:address><c:Address><c:xalAddress>"
                              "<o:AddressDetails "
                              "xmlns:o=\"urn:oasis:names:tc:ciq:xsdschema:xAL:2.0\"><o:Country>"
                              "<o:Locality><o:LocalityName>Ulm</o:LocalityName><o:Thoroughfare>"
                              "<o:ThoroughfareNumber>7</o:ThoroughfareNumber></o:Thoroughfare></"
                              "o:Locality>"
                              "</o:Country></o:AddressDetails></c:xalAddress></c:Address></"
                              "b:address></b:Building>") TAIL,
        2, visit_objects);
}

static void visit_surfaces(const struct feature *feature, long index)
{
    if (index == 1) { /* a part has surfaces of its own */
        CHECK_EQ(feature->attribute_count, 0);
        CHECK_EQ(feature->inherited_count, 1);
        CHECK_TEXT_IS(feature->inherited[0].key, "class");
        return;
    }
    CHECK_EQ(feature->attribute_count, 4);
    CHECK_TEXT_IS(value_of(feature, "WallSurface.function")->text, "10; 20");
    CHECK_TEXT_IS(value_of(feature, "WallSurface.slope")->text,
                  "90; 0; 1; 2; 3; 4; 5; 6; 7; 8; 9; 10; "
                  "11; 12; 13; 14");
    CHECK_TEXT_IS(value_of(feature, "Window.class")->text, "w");
    CHECK_TEXT_IS(value_of(feature, "class")->text, "house");
}

#define WALL(id, function, content)                                                                \
    "<b:boundedBy><b:WallSurface><g:name>" id "</g:name><b:function>" function "</b:function>"     \
    "<n:intAttribute name=\"slope\"><n:value>90</n:value></n:intAttribute>" content                \
    "</b:WallSurface></b:boundedBy>"
#define SLOPE(value)                                                                               \
    "<n:doubleAttribute name=\"slope\"><n:value>" value "</n:value></n:doubleAttribute>"

#define WINDOW "<b:opening><b:Window><b:class>w</b:class></b:Window></b:opening>"
#define SLOPES_TO_8                                                                                \
    SLOPE("0")                                                                                     \
    SLOPE("1") SLOPE("2") SLOPE("3") SLOPE("4") SLOPE("5") SLOPE("6") SLOPE("7") SLOPE("8")
#define SLOPES_TO_16                                                                               \
    SLOPE("9")                                                                                     \
    SLOPE("10") SLOPE("11") SLOPE("12") SLOPE("13") SLOPE("14") SLOPE("15") SLOPE("16")
#define PLAIN "<b:lod2MultiSurface>" SURFACES(POLYGON("p", SQUARE)) "</b:lod2MultiSurface>"
#define PART "<b:consistsOfBuildingPart><b:BuildingPart g:id=\"part\"/></b:consistsOfBuildingPart>"

static void citygml__lists_what_surfaces_say(void)
{
    read_clean(HEAD ENVELOPE MEMBER(
                   "<b:Building g:id=\"a\"><b:class>house</b:class>" WALL("north", "10", WINDOW)
                       WALL("south", "20", "") WALL("east", "10", SLOPES_TO_8 SLOPES_TO_16)
                           PLAIN PART "</b:Building>") TAIL,
               2, visit_surfaces);
}

/* ---- appearance ---- */

static void visit_dressed(const struct feature *feature, long index)
{
    static const float uvs[] = {0, 0, 1, 0, 1, 1, 0, 1};
    CHECK_EQ(index, 0);
    CHECK_EQ(feature->polygon_count, 2);
    CHECK_EQ(feature->texture_count, 1);
    CHECK_TEXT_IS(feature->textures[0].image, "t\\a%20b.jpg");
    CHECK_EQ(feature->textures[0].wrap, WRAP_MIRROR);
    CHECK_EQ(feature->polygons[0].texture, 0);
    CHECK_EQ(feature->polygons[1].texture, FEATURE_NONE);
    CHECK_EQ(feature->polygons[1].material, 0);
    CHECK_EQ(feature->material_count, 1);
    CHECK_NEAR(feature->materials[0].diffuse[0], 0.5, 1e-6, "");
    CHECK_NEAR(feature->materials[0].alpha, 0.75, 1e-6, "");
    CHECK(feature->uvs != NULL && memcmp(feature->uvs, uvs, sizeof uvs) == 0);
}

#define TWO                                                                                        \
    "<b:Building g:id=\"a\"><b:lod2MultiSurface><g:MultiSurface "                                  \
    "g:id=\"all\"><g:surfaceMember>" POLYGON(                                                      \
        "p",                                                                                       \
        SQUARE) "</g:surfaceMember><g:surfaceMember>" POLYGON("q",                                 \
                                                              "0 0 5 2 0 5 2 2 5 0 0 5") "</"      \
                                                                                         "g:"      \
                                                                                         "surface" \
                                                                                         "Member>" \
                                                                                         "</"      \
                                                                                         "g:"      \
                                                                                         "MultiSu" \
                                                                                         "rface><" \
                                                                                         "/b:"     \
                                                                                         "lod2Mul" \
                                                                                         "tiSurfa" \
                                                                                         "ce>"
#define DRESS                                                                                      \
    "<a:Appearance><a:theme>photo</a:theme><a:surfaceDataMember><a:ParameterizedTexture>"          \
    "<a:imageURI>t\\a%20b.jpg</a:imageURI><a:wrapMode>mirror</a:wrapMode><a:target uri=\"#p\">"    \
    "<a:TexCoordList><a:textureCoordinates ring=\"#pr\">0 0 1 0 1 1 0 1 0 0"                       \
    "</a:textureCoordinates></a:TexCoordList></a:target></a:ParameterizedTexture>"                 \
    "</a:surfaceDataMember><a:surfaceDataMember><a:X3DMaterial><a:diffuseColor>0.5 0 0"            \
    "</a:diffuseColor><a:transparency>0.25</a:transparency><a:target>#q</a:target>"                \
    "</a:X3DMaterial></a:surfaceDataMember></a:Appearance>"

static void citygml__dresses_surfaces_from_within_and_from_the_end(void)
{
    read_clean(HEAD ENVELOPE MEMBER(TWO "<a:appearance>" DRESS "</a:appearance></b:Building>") TAIL,
               1, visit_dressed);
    read_clean(HEAD ENVELOPE MEMBER(TWO "</b:Building>") "<a:appearanceMember>" DRESS
                                                         "</a:appearanceMember>" TAIL,
               1, visit_dressed);
}

/* CityGML 3.0 names rings after the lists, and targets in associations. */
static void citygml__dresses_surfaces_of_version_3(void)
{
    read_clean(
        "<c:CityModel xmlns:c=\"http://www.opengis.net/citygml/3.0\" "
        "xmlns:b=\"http://www.opengis.net/citygml/building/3.0\" "
        "xmlns:a=\"http://www.opengis.net/citygml/appearance/3.0\" "
        "xmlns:g=\"http://www.opengis.net/gml/3.2\">" MEMBER(
            "<b:Building g:id=\"a\"><c:lod2MultiSurface><g:MultiSurface g:id=\"all\">"
            "<g:surfaceMember>" POLYGON("p", SQUARE) "</g:surfaceMember><g:surfaceMember>" POLYGON(
                "q",
                "0 0 5 2 0 5 2 2 5 0 0 5") "</g:surfaceMember></g:MultiSurface>"
                                           "</c:lod2MultiSurface></b:Building>") "<c:"
                                                                                 "appearanceMember>"
                                                                                 "<a:Appearance><a:"
                                                                                 "theme>photo</"
                                                                                 "a:theme><a:"
                                                                                 "surfaceData>"
                                                                                 "<a:"
                                                                                 "ParameterizedText"
                                                                                 "ure><a:imageURI>"
                                                                                 "t\\a%20b.jpg</"
                                                                                 "a:imageURI><a:"
                                                                                 "wrapMode>mirror"
                                                                                 "</"
                                                                                 "a:wrapMode><a:"
                                                                                 "textureParameteri"
                                                                                 "zation><a:"
                                                                                 "TextureAssociatio"
                                                                                 "n><a:target>#p</"
                                                                                 "a:target>"
                                                                                 "<a:"
                                                                                 "textureParameteri"
                                                                                 "zation><a:"
                                                                                 "TexCoordList><a:"
                                                                                 "textureCoordinate"
                                                                                 "s>0 0 1 0 1 1 0 "
                                                                                 "1 0 0"
                                                                                 "</"
                                                                                 "a:"
                                                                                 "textureCoordinate"
                                                                                 "s><a:ring>#pr</"
                                                                                 "a:ring></"
                                                                                 "a:TexCoordList></"
                                                                                 "a:"
                                                                                 "textureParameteri"
                                                                                 "zation>"
                                                                                 "</"
                                                                                 "a:"
                                                                                 "TextureAssociatio"
                                                                                 "n></"
                                                                                 "a:"
                                                                                 "textureParameteri"
                                                                                 "zation></"
                                                                                 "a:"
                                                                                 "ParameterizedText"
                                                                                 "ure>"
                                                                                 "</"
                                                                                 "a:surfaceData><a:"
                                                                                 "surfaceData><a:"
                                                                                 "X3DMaterial><a:"
                                                                                 "diffuseColor>0.5 "
                                                                                 "0 "
                                                                                 "0</"
                                                                                 "a:diffuseColor>"
                                                                                 "<a:transparency>"
                                                                                 "0.25</"
                                                                                 "a:transparency><"
                                                                                 "a:target>#q</"
                                                                                 "a:target></"
                                                                                 "a:X3DMaterial>"
                                                                                 "</"
                                                                                 "a:surfaceData></"
                                                                                 "a:Appearance></"
                                                                                 "c:"
                                                                                 "appearanceMember"
                                                                                 ">" TAIL,
        1, visit_dressed);
}

static void visit_generated(const struct feature *feature, long index)
{
    static const float uvs[] = {0, 0.5F, 0.5F, 0.5F, 0.5F, 1, 0, 1};
    CHECK_EQ(index, 0);
    CHECK(feature->uvs != NULL && memcmp(feature->uvs, uvs, sizeof uvs) == 0);
}

static void citygml__computes_coordinates_by_a_matrix(void)
{
    read_clean(HEAD ENVELOPE MEMBER(
                   TWO "<a:appearance><a:Appearance><a:surfaceDataMember><a:ParameterizedTexture>"
                       "<a:imageURI>t.jpg</a:imageURI><a:target uri=\"#p\"><a:TexCoordGen>"
                       "<a:worldToTexture>1 0 0 0 0 1 0 2 0 0 0 4</a:worldToTexture>"
                       "</a:TexCoordGen></a:target></a:ParameterizedTexture></a:surfaceDataMember>"
                       "</a:Appearance></a:appearance></b:Building>") TAIL,
               1, visit_generated);
}

/* Front, back, and the other surface. */
static void visit_back(const struct feature *feature, long index)
{
    static const float uvs[] = {0, 0, 0, 1, 1, 1, 1, 0}; /* from the last point to the first */
    CHECK_EQ(index, 0);
    CHECK_EQ(feature->polygon_count, 4);
    CHECK_EQ(feature->polygons[0].texture, FEATURE_NONE);
    CHECK_EQ(feature->polygons[1].texture, 0);
    CHECK_EQ(feature->polygons[2].material, 0);
    CHECK_EQ(feature->polygons[3].material, 1);
    const struct feature_ring back = feature->rings[feature->polygons[1].first_ring];
    CHECK_EQ(back.corner_count, 4);
    CHECK(memcmp(feature->uvs + 2 * (size_t)back.first_corner, uvs, sizeof uvs) == 0);
    const double *first = feature->vertices + 3 * (size_t)feature->corners[back.first_corner];
    CHECK_NEAR(first[1], 0, 1e-9, "the last point of the square is its first");
    CHECK_NEAR(first[2], 1 - 0.005, 1e-9, "below the square, which faces up");
    CHECK_NEAR(feature->materials[1].diffuse[1], 1, 1e-6, "the back's own");
}

static void citygml__makes_a_surface_of_a_back(void)
{
    read_clean(
        HEAD ENVELOPE MEMBER(
            TWO "<a:appearance><a:Appearance><a:surfaceDataMember><a:ParameterizedTexture>"
                "<a:isFront>false</a:isFront><a:imageURI>t.jpg</a:imageURI><a:target uri=\"#p\">"
                "<a:TexCoordList><a:textureCoordinates ring=\"#pr\">0 0 1 0 1 1 0 1 0 0"
                "</a:textureCoordinates></a:TexCoordList></a:target></a:ParameterizedTexture>"
                "</a:surfaceDataMember><a:surfaceDataMember><a:X3DMaterial><a:diffuseColor>1 0 0"
                "</a:diffuseColor><a:target>#q</a:target></a:X3DMaterial></a:surfaceDataMember>"
                "<a:surfaceDataMember><a:X3DMaterial><a:isFront>0</a:isFront><a:diffuseColor>0 1 0"
                "</a:diffuseColor><a:target>#q</a:target></a:X3DMaterial></a:surfaceDataMember>"
                "</a:Appearance></a:appearance></b:Building>") TAIL,
        1, visit_back);
}

/* "none": within the image it is held at its edges, beyond it has a border of
 * the material's colour. */
static void visit_edges(const struct feature *feature, long index)
{
    CHECK_EQ(index, 0);
    CHECK_EQ(feature->texture_count, 2);
    const struct feature_texture *inside = &feature->textures[feature->polygons[0].texture];
    const struct feature_texture *beyond = &feature->textures[feature->polygons[1].texture];
    CHECK_EQ(inside->wrap, WRAP_CLAMP);
    CHECK_EQ(beyond->wrap, WRAP_BORDER);
    CHECK_NEAR(beyond->border[0], 0.5, 1e-6, "red of the material");
    CHECK_NEAR(beyond->border[3], 0.75, 1e-6, "alpha of the material");
}

static void citygml__ends_textures_that_are_there_once(void)
{
    read_clean(
        HEAD ENVELOPE MEMBER(
            TWO "<a:appearance><a:Appearance><a:surfaceDataMember><a:ParameterizedTexture>"
                "<a:imageURI>t.jpg</a:imageURI><a:wrapMode>none</a:wrapMode><a:target uri=\"#p\">"
                "<a:TexCoordList><a:textureCoordinates ring=\"#pr\">0 0 1.003 0 1 1 -0.002 1 0 0"
                "</a:textureCoordinates></a:TexCoordList></a:target><a:target uri=\"#q\">"
                "<a:TexCoordList><a:textureCoordinates ring=\"#qr\">0 0 2 0 2 2 0 0"
                "</a:textureCoordinates></a:TexCoordList></a:target></a:ParameterizedTexture>"
                "</a:surfaceDataMember><a:surfaceDataMember><a:X3DMaterial><a:diffuseColor>0.5 0 0"
                "</a:diffuseColor><a:transparency>0.25</a:transparency><a:target>#q</a:target>"
                "</a:X3DMaterial></a:surfaceDataMember></a:Appearance></a:appearance>"
                "</b:Building>") TAIL,
        1, visit_edges);
}

static void visit_zone(const struct feature *feature, long index)
{
    CHECK_EQ(index, 0);
    CHECK_TEXT_IS(feature->kind, "+UseDistrict");
    CHECK_EQ(feature->polygon_count, 1);
    CHECK_EQ(feature->lods[0].level, 1);
    CHECK_EQ(feature->attribute_count, 1);
}

static void citygml__draws_what_extensions_call_as_citygml_does(void)
{
    read_clean(HEAD ENVELOPE MEMBER(
                   "<z:UseDistrict xmlns:z=\"urn:zones\" g:id=\"z\"><z:use>9</z:use>"
                   "<z:lod1MultiSurface>" SURFACES(POLYGON("p", SQUARE)) "</z:lod1MultiSurface>"
                                                                         "</z:UseDistrict>") TAIL,
               1, visit_zone);
}

/* ---- what is broken ---- */

static void citygml__loses_only_the_broken_member(void)
{
    struct report report;
    struct counts counts;
    struct err err;
    CHECK_OK(read_text(HEAD ENVELOPE SPELLED(RING("<g:posList>0 0 1 2 0 1 2 2 1.5</g:posList>"))
                           MEMBER("<b:Building g:id=\"bad\"><b:lod1Solid></b:Building>")
                               MEMBER("<b:Building g:id=\"odd\"><b:lod2MultiSurface>" SURFACES(
                                   POLYGON("p", "0 0 1 2 0 1 2 2")) "</b:lod2MultiSurface>"
                                                                    "</b:Building>")
                                   SPELLED(RING("<g:posList>0 0 1 2 0 1 2 2 1.5</g:posList>")) TAIL,
                       &report, &counts, NULL, &err),
             &err);
    CHECK_EQ(counts.features, 2);
    CHECK_EQ(counts.lost, 2);
    CHECK_EQ(counts.first_lost.code, ERR_SYNTAX);
    CHECK_EQ(counts.first_lost.line, 5);
    CHECK_TEXT(counts.first_lost.feature, "bad");
    CHECK_TEXT(counts.first_lost.source, "t.gml");
}

static void citygml__names_the_coordinate_that_is_none(void)
{
    struct report report;
    struct counts counts;
    struct err err;
    CHECK_OK(
        read_text(HEAD ENVELOPE MEMBER("<b:Building g:id=\"a\">\n<b:lod2MultiSurface>" SURFACES(
                      POLYGON("p", "0 0 1 2 O 1 2 2 1")) "</b:lod2MultiSurface></b:Building>") TAIL,
                  &report, &counts, NULL, &err),
        &err);
    CHECK_EQ(counts.lost, 1);
    CHECK_EQ(counts.first_lost.code, ERR_SCHEMA);
    CHECK_EQ(counts.first_lost.line, 5);
    CHECK(strstr(counts.first_lost.message, "'O 1 2 2 1'") != NULL);
    CHECK_TEXT(counts.first_lost.feature, "a");
}

static void citygml__refuses_entities_and_other_roots(void)
{
    static const struct {
        const char *text;
        enum err_code code;
    } cases[] = {
        {"<?xml version=\"1.0\"?><!DOCTYPE CityModel [<!ENTITY a \"aaaa\">]>\n"
         "<CityModel xmlns=\"http://www.opengis.net/citygml/2.0\">&a;</CityModel>",
         ERR_UNSUPPORTED},
        {"<kml xmlns:c=\"http://www.opengis.net/citygml/2.0\"></kml>", ERR_UNSUPPORTED},
        {"<CityModel xmlns=\"http://www.opengis.net/citygml/2.0\"", ERR_SYNTAX},
        {"<CityModel xmlns=\"http://www.opengis.net/citygml/2.0\"></CityModels>", ERR_SYNTAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct report report;
        struct counts counts = {0};
        struct err err;
        const bool ok = read_text(cases[i].text, &report, &counts, NULL, &err);
        CHECK_EQ(ok ? counts.first_lost.code : err.code, cases[i].code);
        CHECK_EQ(counts.features, 0);
    }
}

static void citygml__fails_on_every_truncation(void)
{
    static const char whole[] =
        HEAD ENVELOPE MEMBER(TWO "</b:Building>") "<a:appearanceMember>" DRESS
                                                  "</a:appearanceMember>" TAIL;
    for (size_t size = 0; size + 2 < sizeof whole; size++) {
        struct report report;
        struct counts counts = {0};
        struct err err;
        const bool ok = read_bytes((struct span){(const uint8_t *)whole, size}, &plain, &report,
                                   &counts, NULL, &err);
        CHECK(!ok || counts.lost == 1);
        CHECK((ok ? counts.first_lost.message : err.message)[0] != '\0');
    }
}

static void citygml__survives_every_failing_allocation(void)
{
    static const char whole[] = HEAD ENVELOPE IMPLICIT("one", " x:href=\"#tree\"/>")
        MEMBER(TWO "</b:Building>") "<a:appearanceMember>" DRESS "</a:appearanceMember>" TAIL;
    bool has_ended = false;
    for (size_t i = 1; i < 400 && !has_ended; i++) {
        const struct source_options failing = {.temporary_folder = "/tmp", .fail_after = i};
        struct report report;
        struct counts counts = {0};
        struct err err;
        const struct span bytes = {(const uint8_t *)whole, sizeof whole - 1};
        const bool ok = read_bytes(bytes, &failing, &report, &counts, NULL, &err);
        if (!ok || counts.lost > 0) {
            CHECK_EQ(ok ? counts.first_lost.code : err.code, ERR_NOMEM);
        } else {
            has_ended = true;
        }
    }
    CHECK(has_ended);
}

/* ---- files ---- */

static void visit_box(const struct feature *feature, long index)
{
    CHECK_EQ(index, 0);
    CHECK_TEXT_IS(value_of(feature, "usage")->text, "411");
    CHECK_TEXT_IS(value_of(feature, "usage_text")->text, "\xE4\xBD\x8F\xE5\xAE\x85");
    CHECK_EQ(feature->polygon_count, 6);
    CHECK_EQ(feature->shell_count, 1);
    CHECK_EQ(feature->vertex_count, 8);
}

/* Reads a file; true when it gives the box and nothing is lost. */
static bool reads_whole(const char *path, visit_fn visit)
{
    struct report report;
    struct counts counts = {0};
    struct source *source = NULL;
    struct err err;
    CHECK_OK(report_open(&report, NULL, &err), &err);
    const bool is_open = source_open(path, &plain, &report, &source, &err);
    if (is_open) {
        read_all(source, &report, &counts, visit);
        source_close(source);
    }
    CHECK(is_open || err.message[0] != '\0');
    CHECK(counts.lost == 0 || counts.first_lost.message[0] != '\0');
    CHECK(counts.lost == 0 || counts.first_lost.source[0] != '\0');
    CHECK_OK(report_close(&report, &err), &err);
    return is_open && counts.lost == 0 && counts.features == 1;
}

static void citygml__finds_what_codes_mean_beside_the_file(void)
{
    CHECK(reads_whole(CHECK_FIXTURES "/minimal/box.gml", visit_box));
}

static void citygml__does_with_broken_files_what_their_names_say(void)
{
    static const char *const names[] = {
        "n_citygml_truncated",
        "n_citygml_no_coordinate",
        "n_citygml_tags_cross",
        "n_citygml_two_of_three_coordinates",
        "n_citygml_entity",
        "n_citygml_other_root",
        "n_citygml_only_half_a_root",
        "y_citygml_byte_order_mark",
        "y_citygml_utf16",
        "y_citygml_says_utf8_is_gbk",
        "y_citygml_undeclared_prefix",
        "y_citygml_blank_lines_first",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/broken/%s.gml", CHECK_FIXTURES, names[i]);
        if (reads_whole(path, NULL) != (names[i][0] == 'y')) {
            fail_msg("%s is %s", names[i], names[i][0] == 'y' ? "not read" : "read");
        }
    }
}

/* Every byte of a small file changed in turn: reading ends, and says something
 * when it does not give what was there. */
static void citygml__survives_any_changed_byte(void)
{
    static const char whole[] =
        HEAD ENVELOPE MEMBER(TWO "</b:Building>") "<a:appearanceMember>" DRESS
                                                  "</a:appearanceMember>" TAIL;
    static const char changes[] = {'<', '>', '"', '\0', '\xFF', '9', ' '};
    char text[sizeof whole];
    for (size_t i = 0; i + 1 < sizeof whole; i++) {
        struct report report;
        struct counts counts = {0};
        struct err err;
        memcpy(text, whole, sizeof whole);
        text[i] = changes[i % sizeof changes];
        const struct span bytes = {(const uint8_t *)text, sizeof whole - 1};
        const bool ok = read_bytes(bytes, &plain, &report, &counts, NULL, &err);
        CHECK(ok || err.message[0] != '\0');
        CHECK(counts.features + counts.lost <= 3);
    }
}

/* ---- the same city in two formats ---- */

/* What one feature amounts to. */
struct amount {
    char id[64];
    double low, high;
    double area; /* of all polygons, by Newell; holes taken off */
    double roof_area;
    uint32_t polygons;
};

enum { AMOUNTS_MAX = 4096 };

static double ring_area(const struct feature *feature, const struct feature_ring *ring)
{
    double normal[3] = {0, 0, 0};
    const double *origin = feature->vertices + 3 * (size_t)feature->corners[ring->first_corner];
    for (uint32_t i = 1; i + 1 < ring->corner_count; i++) {
        const double *a = feature->vertices + 3 * (size_t)feature->corners[ring->first_corner + i];
        const double *b =
            feature->vertices + 3 * (size_t)feature->corners[ring->first_corner + i + 1];
        for (int k = 0; k < 3; k++) {
            const int m = (k + 1) % 3;
            const int n = (k + 2) % 3;
            normal[k] += ((a[m] - origin[m]) * (b[n] - origin[n]) -
                          (a[n] - origin[n]) * (b[m] - origin[m])) /
                         2;
        }
    }
    return sqrt(normal[0] * normal[0] + normal[1] * normal[1] + normal[2] * normal[2]);
}

static void add_amount(const struct feature *feature, struct amount *amount)
{
    *amount = (struct amount){.low = INFINITY, .high = -INFINITY};
    snprintf(amount->id, sizeof amount->id, "%.*s", TEXT_ARGS(feature->id));
    for (size_t i = 0; i < feature->vertex_count; i++) {
        amount->low = fmin(amount->low, feature->vertices[3 * i + 2]);
        amount->high = fmax(amount->high, feature->vertices[3 * i + 2]);
    }
    for (size_t i = 0; i < feature->polygon_count; i++) {
        const struct feature_polygon *polygon = &feature->polygons[i];
        double area = 0;
        for (uint32_t r = 0; r < polygon->ring_count; r++) {
            area +=
                (r == 0 ? 1 : -1) * ring_area(feature, &feature->rings[polygon->first_ring + r]);
        }
        amount->area += area;
        amount->roof_area += polygon->kind == SURFACE_ROOF ? area : 0;
    }
    amount->polygons = (uint32_t)feature->polygon_count;
}

static int compare_amounts(const void *a, const void *b)
{
    return strcmp(((const struct amount *)a)->id, ((const struct amount *)b)->id);
}

/* The amounts of all features that have a shape, by id. */
static size_t read_amounts(const char *path, struct amount *out)
{
    struct report report;
    struct source *source = NULL;
    struct arena arena;
    struct err err;
    size_t count = 0;
    CHECK_OK(report_open(&report, NULL, &err), &err);
    CHECK_OK(source_open(path, &plain, &report, &source, &err), &err);
    arena_init(&arena, FEATURE_BYTES_MAX);
    for (bool is_end = false; !is_end;) {
        struct feature feature;
        arena_reset(&arena, (struct arena_mark){0});
        CHECK_OK(source_next(source, &arena, &feature, &is_end, &err), &err);
        if (!is_end && feature.lod_count > 0) {
            CHECK(count < AMOUNTS_MAX);
            add_amount(&feature, &out[count++]);
        }
    }
    arena_release(&arena);
    source_close(source);
    CHECK_OK(report_close(&report, &err), &err);
    qsort(out, count, sizeof *out, compare_amounts);
    return count;
}

static void citygml__gives_the_same_city_as_cityjson(void)
{
    static struct amount gml[AMOUNTS_MAX];
    static struct amount json[AMOUNTS_MAX];
    char path[512];
    const char *shared = check_shared_data();
    if (shared == NULL) {
        CHECK_SKIP("no shared data");
    }
    snprintf(path, sizeof path, "%s/citygml-denhaag/DenHaag_01.xml", shared);
    const size_t gml_count = read_amounts(path, gml);
    snprintf(path, sizeof path, "%s/citygml-denhaag/DenHaag_01.city.json", shared);
    const size_t json_count = read_amounts(path, json);
    CHECK_EQ(gml_count, json_count);
    for (size_t i = 0; i < gml_count; i++) {
        CHECK_TEXT(gml[i].id, json[i].id);
        CHECK_NEAR(gml[i].low, json[i].low, 0.002, "m");
        CHECK_NEAR(gml[i].high, json[i].high, 0.002, "m");
        CHECK_NEAR(gml[i].area, json[i].area, 0.01 + 0.002 * json[i].area, "m2");
        CHECK_NEAR(gml[i].roof_area, json[i].roof_area, 0.01 + 0.002 * json[i].area, "m2");
    }
}

CHECK_MAIN(CHECK_TEST(citygml__reads_the_smallest_file),
           CHECK_TEST(citygml__shows_faces_of_a_solid_once),
           CHECK_TEST(citygml__reads_every_spelling_of_coordinates),
           CHECK_TEST(citygml__places_implicit_geometry),
           CHECK_TEST(citygml__places_prototypes_in_degrees),
           CHECK_TEST(citygml__makes_attributes_of_values),
           CHECK_TEST(citygml__dresses_surfaces_from_within_and_from_the_end),
           CHECK_TEST(citygml__dresses_surfaces_of_version_3),
           CHECK_TEST(citygml__lists_what_surfaces_say),
           CHECK_TEST(citygml__makes_a_surface_of_a_back),
           CHECK_TEST(citygml__ends_textures_that_are_there_once),
           CHECK_TEST(citygml__draws_what_extensions_call_as_citygml_does),
           CHECK_TEST(citygml__computes_coordinates_by_a_matrix),
           CHECK_TEST(citygml__loses_only_the_broken_member),
           CHECK_TEST(citygml__names_the_coordinate_that_is_none),
           CHECK_TEST(citygml__refuses_entities_and_other_roots),
           CHECK_TEST(citygml__fails_on_every_truncation),
           CHECK_TEST(citygml__survives_every_failing_allocation),
           CHECK_TEST(citygml__finds_what_codes_mean_beside_the_file),
           CHECK_TEST(citygml__does_with_broken_files_what_their_names_say),
           CHECK_TEST(citygml__survives_any_changed_byte),
           CHECK_TEST(citygml__gives_the_same_city_as_cityjson))

/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/cityjson.h"

#include <dirent.h>
#include <unistd.h>

#include "fixtures/district.h"
#include "formats/base/buf.h"
#include "tests/check.h"

enum { FEATURE_BYTES_MAX = 1 << 28, FEATURES_MAX = 64 };

/* Everything that a source gives, added up. */
struct counts {
    long features, lost, children, attributes, inherited, lods, polygons, corners, vertices;
    long roofs, textured, with_material, reported;
    double sum[3];
    struct err first_lost;
};

static void count_polygons(const struct feature *feature, struct counts *counts)
{
    for (size_t i = 0; i < feature->polygon_count; i++) {
        const struct feature_polygon *polygon = &feature->polygons[i];
        counts->roofs += polygon->kind == SURFACE_ROOF;
        counts->textured += polygon->texture != FEATURE_NONE;
        counts->with_material += polygon->material != FEATURE_NONE;
        CHECK(polygon->ring_count > 0);
        CHECK(polygon->first_ring + polygon->ring_count <= feature->ring_count);
        CHECK(polygon->material >= FEATURE_NONE &&
              polygon->material < (int32_t)feature->material_count);
        CHECK(polygon->texture >= FEATURE_NONE &&
              polygon->texture < (int32_t)feature->texture_count);
        CHECK(polygon->shell >= FEATURE_NONE && polygon->shell < (int32_t)feature->shell_count);
    }
    size_t corners = 0;
    for (size_t i = 0; i < feature->ring_count; i++) {
        CHECK_EQ(feature->rings[i].first_corner, corners);
        CHECK(feature->rings[i].corner_count >= 3);
        corners += feature->rings[i].corner_count;
    }
    CHECK_EQ(corners, feature->corner_count);
}

static void count_feature(const struct feature *feature, struct counts *counts)
{
    CHECK(feature->id.size > 0 && feature->root_id.size > 0 && feature->kind.size > 0);
    counts->features++;
    counts->children += feature->parent_id.size > 0;
    counts->attributes += (long)feature->attribute_count;
    counts->inherited += (long)feature->inherited_count;
    counts->lods += (long)feature->lod_count;
    counts->polygons += (long)feature->polygon_count;
    counts->corners += (long)feature->corner_count;
    counts->vertices += (long)feature->vertex_count;
    count_polygons(feature, counts);
    size_t polygons = 0;
    for (size_t i = 0; i < feature->lod_count; i++) {
        CHECK_EQ(feature->lods[i].first_polygon, polygons);
        CHECK(i == 0 || feature->lods[i - 1].level < feature->lods[i].level);
        polygons += feature->lods[i].polygon_count;
    }
    CHECK_EQ(polygons, feature->polygon_count);
    for (size_t i = 0; i < feature->corner_count; i++) {
        CHECK(feature->corners[i] < feature->vertex_count);
        for (size_t k = 0; k < 3; k++) {
            counts->sum[k] += feature->vertices[3 * (size_t)feature->corners[i] + k];
        }
    }
}

/* Reads a whole source; the features go to `visit` as well, if there is one. */
static void read_all(struct source *source, struct report *report, struct counts *counts,
                     void (*visit)(const struct feature *feature, long index))
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
        count_feature(&feature, counts);
    }
    counts->reported =
        (long)(report->level_count[REPORT_SKIPPED] + report->level_count[REPORT_REPAIRED]);
    arena_release(&arena);
}

static const struct source_options plain = {.temporary_folder = "/tmp"};

/* Opens a heap copy of exact size, reads all of it, and closes it. */
static bool read_text(const char *text, const struct source_options *options, struct report *report,
                      struct counts *counts,
                      void (*visit)(const struct feature *feature, long index), struct err *err)
{
    const struct span bytes = check_heap_copy(text, strlen(text));
    struct source *source = NULL;
    struct err ignored;
    CHECK_OK(report_open(report, NULL, &ignored), &ignored);
    const bool ok = source_open_bytes(bytes, "t.city.json", options, report, &source, err);
    if (ok) {
        read_all(source, report, counts, visit);
        source_close(source);
    }
    CHECK_OK(report_close(report, &ignored), &ignored);
    check_heap_free(bytes);
    return ok;
}

/* ---- the smallest files ---- */

#define HEAD "{\"type\":\"CityJSON\",\"version\":\"2.0\","
#define FRAME "\"transform\":{\"scale\":[0.5,0.5,0.25],\"translate\":[100,200,10]},"
#define SQUARE "\"vertices\":[[0,0,0],[2,0,0],[2,2,0],[0,2,8]]"
#define SURFACE(ring)                                                                              \
    "\"geometry\":[{\"type\":\"MultiSurface\",\"lod\":\"1\",\"boundaries\":[[" ring "]]}]"

static void visit_minimal(const struct feature *feature, long index)
{
    static const double vertices[] = {100, 200, 10, 101, 200, 10, 101, 201, 10, 100, 201, 12};
    CHECK_EQ(index, 0);
    CHECK_TEXT_IS(feature->id, "a");
    CHECK_TEXT_IS(feature->root_id, "a");
    CHECK_TEXT_IS(feature->kind, "Building");
    CHECK_EQ(feature->parent_id.size, 0);
    CHECK_EQ(feature->vertex_count, 4);
    CHECK(memcmp(feature->vertices, vertices, sizeof vertices) == 0);
    CHECK_EQ(feature->lod_count, 1);
    CHECK(feature->lods[0].level == 1);
    CHECK_EQ(feature->polygons[0].shell, FEATURE_NONE);
    CHECK(feature->uvs == NULL);
    CHECK(feature->parts_level == -1);
    CHECK_EQ(feature->line, 1);
}

static void cityjson__reads_the_smallest_document(void)
{
    struct report report;
    struct counts counts;
    struct err err;
    CHECK_OK(read_text(HEAD FRAME "\"CityObjects\":{\"a\":{\"type\":\"Building\"," SURFACE(
                           "[0,1,2,3]") "}}," SQUARE "}",
                       &plain, &report, &counts, visit_minimal, &err),
             &err);
    CHECK_EQ(counts.features, 1);
    CHECK_EQ(counts.reported, 0);
}

/* The same with everything after the objects, or before, and line by line. */
static void cityjson__does_not_care_about_the_order_of_members(void)
{
    static const char *const orders[] = {
        "{\"CityObjects\":{\"a\":{" SURFACE(
            "[0,1,2,3]") ",\"type\":\"Building\"}}," SQUARE "," FRAME
                         "\"version\":\"2.0\",\"type\":\"CityJSON\"}",
        "{" SQUARE "," FRAME "\"CityObjects\":{\"a\":{\"type\":\"Building\",\"geometry\":[{"
        "\"boundaries\":[[[0,1,2,3]]],\"lod\":1,\"type\":\"CompositeSurface\"}]}},"
        "\"version\":1.1,\"type\":\"CityJSON\"}",
    };
    for (size_t i = 0; i < 2; i++) {
        struct report report;
        struct counts counts;
        struct err err;
        CHECK_OK(read_text(orders[i], &plain, &report, &counts, visit_minimal, &err), &err);
        CHECK_EQ(counts.features, 1);
        CHECK_EQ(counts.reported, 0);
    }
}

static void visit_sequence(const struct feature *feature, long index)
{
    CHECK_EQ(feature->line, index == 0 ? 2 : index == 1 ? 4 : 6);
    CHECK_TEXT_IS(feature->id, index == 0 ? "a" : index == 1 ? "b" : "c");
    CHECK(feature->vertices[0] == 100);
    CHECK(feature->vertices[11] == 12);
}

#define LINE(id, ring)                                                                             \
    "{\"type\":\"CityJSONFeature\",\"id\":\"" id "\",\"CityObjects\":{\"" id                       \
    "\":{\"type\":\"Building\"," SURFACE(ring) "}}," SQUARE "}\n"

static void cityjson__loses_only_the_broken_line_of_a_sequence(void)
{
    struct report report;
    struct counts counts;
    struct err err;
    CHECK_OK(
        read_text(HEAD FRAME
                  "\"CityObjects\":{},\"vertices\":[]}\n" LINE("a", "[0,1,2,3]") "\n" LINE(
                      "b", "[0,1,2,3]") "{\"type\":\"CityJSONFeature\","
                                        "\"CityObj\n" LINE("c", "[0,1,2,3]") "{\"type\":"
                                                                             "\"Feature\"}"
                                                                             "\n" LINE("d", "[0,"
                                                                                            "1,2,"
                                                                                            "4]"),
                  &plain, &report, &counts, visit_sequence, &err),
        &err);
    CHECK_EQ(counts.features, 3);
    CHECK_EQ(counts.lost, 3);
    CHECK_EQ(counts.first_lost.code, ERR_SYNTAX);
    CHECK_EQ(counts.first_lost.line, 5);
    CHECK_EQ(counts.first_lost.column, 27);
}

/* ---- geometry ---- */

static void visit_geometry(const struct feature *feature, long index)
{
    CHECK_EQ(index, 0);
    CHECK_EQ(feature->lod_count, 3);
    CHECK(feature->lods[0].level == -1 && feature->lods[1].level == 1.2 &&
          feature->lods[2].level == 2);
    CHECK_EQ(feature->polygon_count, 8);
    CHECK_EQ(feature->shell_count, 4);
    CHECK(!feature->shells[0].is_inner && !feature->shells[1].is_inner);
    CHECK(!feature->shells[2].is_inner && feature->shells[3].is_inner);
    const struct feature_polygon *polygons = feature->polygons;
    CHECK_EQ(polygons[0].shell, FEATURE_NONE);
    CHECK_EQ(polygons[0].kind, SURFACE_UNKNOWN);
    /* the solid of level 1.2: an outer shell of two surfaces, a void of one */
    CHECK_EQ(polygons[1].shell, 2);
    CHECK_EQ(polygons[1].kind, SURFACE_ROOF);
    CHECK_EQ(polygons[2].kind, SURFACE_UNKNOWN);
    CHECK_EQ(polygons[3].shell, 3);
    CHECK_EQ(polygons[3].kind, SURFACE_WALL);
    /* two solids of level 2, and a surface of the same level */
    CHECK_EQ(polygons[4].shell, 0);
    CHECK_EQ(polygons[4].kind, SURFACE_GROUND);
    CHECK_EQ(polygons[5].shell, 1);
    CHECK_EQ(polygons[5].kind, SURFACE_UNKNOWN);
    CHECK_EQ(polygons[6].shell, 1);
    CHECK_EQ(polygons[6].kind, SURFACE_GROUND);
    CHECK_EQ(polygons[7].ring_count, 2);
    const struct feature_ring hole = feature->rings[polygons[7].first_ring + 1];
    CHECK_EQ(hole.corner_count, 3);
    CHECK_EQ(feature->corners[hole.first_corner], feature->corners[0]);
}

static void cityjson__reads_all_kinds_of_geometry(void)
{
    struct report report;
    struct counts counts;
    struct err err;
    CHECK_OK(
        read_text(
            HEAD FRAME
            "\"CityObjects\":{\"a\":{\"type\":\"Building\",\"geometry\":["
            "{\"type\":\"MultiSolid\",\"lod\":2,\"boundaries\":[[[[[0,1,2]]]],[[[[0,1,3]],[[1,2,3]]"
            "]]],"
            "\"semantics\":{\"surfaces\":[{\"type\":\"GroundSurface\",\"children\":[1]}],"
            "\"values\":[[[0]],[[null,0]]]}},"
            "{\"type\":\"Solid\",\"lod\":\"1.2\",\"boundaries\":[[[[0,1,2]],[[0,2,3]]],[[[0,1,3]]]]"
            ","
            "\"semantics\":{\"values\":[[0,2],[1]],\"surfaces\":[{\"type\":\"RoofSurface\"},"
            "{\"type\":\"WallSurface\"},{\"type\":\"+Odd\"}]}},"
            "{\"type\":\"MultiPoint\",\"lod\":3,\"boundaries\":[0,1]},"
            "{\"type\":\"MultiSurface\",\"boundaries\":[[[0,1,2,3]]],\"semantics\":null},"
            "{\"type\":\"MultiLineString\",\"lod\":3,\"boundaries\":[[0,1]]},"
            "{\"type\":\"CompositeSurface\",\"lod\":\"2\",\"boundaries\":[[[0,1,2,3,0],[0,2,3,3]]]}"
            "]}}," SQUARE "}",
            &plain, &report, &counts, visit_geometry, &err),
        &err);
    CHECK_EQ(counts.features, 1);
    CHECK_EQ(counts.reported, 0);
    CHECK_EQ(report.level_count[REPORT_NOTICE], 2);
}

static void visit_template(const struct feature *feature, long index)
{
    /* turned a quarter about z, twice as large, moved by 5 in x, at (101, 200, 10) */
    static const double vertices[] = {106, 200, 10, 106, 202, 10, 104, 200, 10};
    CHECK_EQ(index, 0);
    CHECK_EQ(feature->vertex_count, 3);
    CHECK(memcmp(feature->vertices, vertices, sizeof vertices) == 0);
    CHECK(feature->lods[0].level == 3);
}

static void cityjson__places_templates(void)
{
    struct report report;
    struct counts counts;
    struct err err;
    CHECK_OK(
        read_text(HEAD FRAME
                  "\"CityObjects\":{\"a\":{\"type\":\"CityFurniture\",\"geometry\":[{\"type\":"
                  "\"GeometryInstance\",\"template\":0,\"boundaries\":[1],"
                  "\"transformationMatrix\":[0,-2,0,5, 2,0,0,0, 0,0,2,0, 0,0,0,1]}]}}," SQUARE
                  ",\"geometry-templates\":{\"templates\":[{\"type\":\"MultiSurface\",\"lod\":3,"
                  "\"boundaries\":[[[0,1,2]]]}],\"vertices-templates\":[[0,0,0],[1,0,0],[0,1,0]]"
                  "}}",
                  &plain, &report, &counts, visit_template, &err),
        &err);
    CHECK_EQ(counts.features, 1);
}

#define APPEARANCE                                                                                 \
    "\"appearance\":{\"materials\":[{\"name\":\"red\",\"diffuseColor\":[1,0,0],"                   \
    "\"transparency\":0.25},{\"name\":\"green\",\"diffuseColor\":[0,2,0]}],"                       \
    "\"textures\":[{\"type\":\"PNG\",\"image\":\"a.png\"},"                                        \
    "{\"type\":\"JPG\",\"image\":\"b/c.jpg\",\"wrapMode\":\"mirror\"}],"                           \
    "\"vertices-texture\":[[0,0],[1,0],[1,1],[0,1]],\"default-theme-material\":\"summer\"},"
#define TWO_SURFACES                                                                               \
    "\"CityObjects\":{\"a\":{\"type\":\"Building\",\"geometry\":[{\"type\":\"MultiSurface\","      \
    "\"lod\":2,\"boundaries\":[[[0,1,2,3]],[[1,2,3]]],"                                            \
    "\"material\":{\"winter\":{\"value\":0},\"summer\":{\"values\":[null,1]}},"                    \
    "\"texture\":{\"photo\":{\"values\":[[[1,3,2,1,0]],[[null]]]}}}]}},"

static void visit_summer(const struct feature *feature, long index)
{
    static const float uvs[] = {0, 1, 1, 1, 1, 0, 0, 0};
    CHECK_EQ(index, 0);
    CHECK_EQ(feature->material_count, 1);
    CHECK_TEXT_IS(feature->materials[0].name, "green");
    CHECK(feature->materials[0].diffuse[1] == 1 && feature->materials[0].alpha == 1);
    CHECK_EQ(feature->polygons[0].material, FEATURE_NONE);
    CHECK_EQ(feature->polygons[1].material, 0);
    CHECK_EQ(feature->texture_count, 1);
    CHECK_TEXT_IS(feature->textures[0].image, "b/c.jpg");
    CHECK_EQ(feature->textures[0].wrap, WRAP_MIRROR);
    CHECK_EQ(feature->polygons[0].texture, 0);
    CHECK_EQ(feature->polygons[1].texture, FEATURE_NONE);
    CHECK(memcmp(feature->uvs, uvs, sizeof uvs) == 0);
}

static void visit_winter(const struct feature *feature, long index)
{
    CHECK_EQ(index, 0);
    CHECK_EQ(feature->material_count, 1);
    CHECK_TEXT_IS(feature->materials[0].name, "red");
    CHECK(feature->materials[0].alpha == 0.75F);
    CHECK_EQ(feature->polygons[0].material, 0);
    CHECK_EQ(feature->polygons[1].material, 0);
}

static void cityjson__reads_materials_and_textures_of_one_theme(void)
{
    const char *text = HEAD FRAME TWO_SURFACES APPEARANCE SQUARE "}";
    const struct source_options winter = {.temporary_folder = "/tmp", .theme = "winter"};
    struct report report;
    struct counts counts;
    struct err err;
    CHECK_OK(read_text(text, &plain, &report, &counts, visit_summer, &err), &err);
    CHECK_EQ(counts.reported, 0);
    CHECK_OK(read_text(text, &winter, &report, &counts, visit_winter, &err), &err);
    CHECK_EQ(counts.reported, 0);
}

/* ---- attributes and parents ---- */

static const struct feature_value *find(const struct feature_attribute *attributes, size_t count,
                                        const char *key)
{
    for (size_t i = 0; i < count; i++) {
        if (text_is(attributes[i].key, key)) {
            return &attributes[i].value;
        }
    }
    fail_msg("no attribute '%s'", key);
    return NULL;
}

static void visit_attributes(const struct feature *feature, long index)
{
    const struct feature_attribute *all = feature->attributes;
    const size_t count = feature->attribute_count;
    CHECK_EQ(index, 0);
    CHECK_EQ(count, 14);
    CHECK_TEXT_IS(feature->name, "平安金融中心");
    CHECK_EQ(find(all, count, "storeys")->integer, 118);
    CHECK(find(all, count, "height")->real == 599.1);
    CHECK_EQ(find(all, count, "height")->type, FEATURE_REAL);
    CHECK_EQ(find(all, count, "round")->type, FEATURE_REAL);
    CHECK_EQ(find(all, count, "open")->type, FEATURE_BOOL);
    CHECK(find(all, count, "open")->boolean);
    CHECK_EQ(find(all, count, "none")->type, FEATURE_NULL);
    CHECK_EQ(find(all, count, "big")->integer, INT64_MAX);
    CHECK_EQ(find(all, count, "bigger")->type, FEATURE_TEXT);
    CHECK_TEXT_IS(find(all, count, "bigger")->text, "9223372036854775808");
    CHECK_EQ(find(all, count, "list")->type, FEATURE_JSON);
    CHECK_TEXT_IS(find(all, count, "list")->text, "[1,{\"a b\":null}]");
    CHECK_EQ(find(all, count, "twice")->integer, 2);
    CHECK_EQ(find(all, count, "huge")->type, FEATURE_NULL);
    CHECK_EQ(find(all, count, "empty")->text.size, 0);
    CHECK_TEXT_IS(find(all, count, "address")->text, "[{\"City\":\"深圳\"}]");
    CHECK_TEXT_IS(find(all, count, "tab\t")->text, "x");
}

static void cityjson__keeps_the_types_of_attributes(void)
{
    struct report report;
    struct counts counts;
    struct err err;
    CHECK_OK(
        read_text(HEAD FRAME
                  "\"CityObjects\":{\"a\":{\"type\":\"Building\",\"address\":[{\"City\":"
                  "\"\\u6df1圳\", \"location\":{\"type\":\"MultiPoint\",\"boundaries\":[1]}}],"
                  "\"attributes\":{\"storeys\":118,\"height\":599.1,\"round\":1.0,\"open\":true,"
                  "\"none\":null,\"twice\":1,\"big\":9223372036854775807,"
                  "\"bigger\":9223372036854775808,\"list\":[1, {\"a b\" : null}],"
                  "\"名称\":\"平安金融中心\",\"twice\":2,\"huge\":1e999,\"empty\":\"\","
                  "\"tab\\t\":\"x\"}}}," SQUARE "}",
                  &plain, &report, &counts, visit_attributes, &err),
        &err);
    CHECK_EQ(counts.reported, 2); /* twice, huge */
}

static void visit_family(const struct feature *feature, long index)
{
    static const char *const ids[] = {"grandchild", "child", "b", "group", "lost", "c1", "c2"};
    static const char *const parents[] = {"child", "b", "", "", "", "", "c1"};
    static const char *const roots[] = {"b", "b", "b", "group", "lost", "c1", "c1"};
    CHECK_TEXT_IS(feature->id, ids[index]);
    CHECK_TEXT_IS(feature->parent_id, parents[index]);
    CHECK_TEXT_IS(feature->root_id, roots[index]);
    if (index == 0) {
        CHECK_EQ(feature->inherited_count, 3);
        CHECK_TEXT_IS(feature->inherited[0].key, "y");
        CHECK_EQ(feature->inherited[0].value.integer, 2);
        CHECK_TEXT_IS(feature->inherited[1].key, "z");
        CHECK_EQ(feature->inherited[1].value.integer, 3);
        CHECK_TEXT_IS(feature->inherited[2].key, "w");
    }
    /* the part of level 2.2 counts for its building, the room of level 3 does not */
    CHECK(feature->parts_level == (index == 2 ? 2.2 : -1));
}

static void cityjson__knows_who_belongs_to_whom(void)
{
    struct report report;
    struct counts counts;
    struct err err;
    CHECK_OK(read_text(
                 HEAD FRAME
                 "\"CityObjects\":{"
                 "\"grandchild\":{\"type\":\"BuildingRoom\",\"parents\":[\"group\",\"child\"],"
                 "\"attributes\":{\"x\":1},\"geometry\":[{\"type\":\"MultiSurface\",\"lod\":3,"
                 "\"boundaries\":[]}]},"
                 "\"child\":{\"type\":\"BuildingPart\",\"parents\":[\"b\"],\"attributes\":{\"x\":0,"
                 "\"y\":2,\"z\":3},\"geometry\":[{\"type\":\"MultiSurface\",\"lod\":\"2.2\","
                 "\"boundaries\":[[[0,1,2]]]},{\"type\":\"MultiPoint\",\"lod\":\"3\","
                 "\"boundaries\":[0]}]},"
                 "\"b\":{\"type\":\"Building\",\"children\":[\"child\"],\"attributes\":{\"y\":0,"
                 "\"w\":4}},"
                 "\"group\":{\"type\":\"CityObjectGroup\",\"children\":[\"grandchild\"]},"
                 "\"lost\":{\"type\":\"BuildingPart\",\"parents\":[\"nobody\"]},"
                 "\"c1\":{\"type\":\"BuildingPart\",\"parents\":[\"c2\"]},"
                 "\"c2\":{\"type\":\"BuildingPart\",\"parents\":[\"c1\"]}}," SQUARE "}",
                 &plain, &report, &counts, visit_family, &err),
             &err);
    CHECK_EQ(counts.features, 7);
    CHECK_EQ(counts.reported, 2); /* parent-missing, parent-in-circle */
}

static void visit_named_child(const struct feature *feature, long index)
{
    CHECK_TEXT_IS(feature->parent_id, index == 1 ? "b" : "");
    CHECK_TEXT_IS(feature->root_id, index == 2 ? "p" : index == 3 ? "g" : "b");
    CHECK(feature->parts_level == (index == 0 ? 1 : -1));
}

static void cityjson__finds_parts_that_only_their_building_names(void)
{
    struct report report;
    struct counts counts;
    struct err err;
    CHECK_OK(
        read_text(HEAD FRAME
                  "\"CityObjects\":{\"b\":{\"type\":\"Building\",\"children\":[\"c\",\"nobody\","
                  "\"b\"]},\"c\":{\"type\":\"BuildingPart\"," SURFACE(
                      "[0,1,2,3]") "},"
                                   "\"p\":{\"type\":\"BuildingPart\"},\"g\":{\"type\":"
                                   "\"CityObjectGroup\","
                                   "\"children\":[\"p\"]}}," SQUARE "}",
                  &plain, &report, &counts, visit_named_child, &err),
        &err);
    CHECK_EQ(counts.features, 4);
    CHECK_EQ(counts.reported, 0);
}

static void visit_whole_lines(const struct feature *feature, long index)
{
    CHECK(feature->vertices[0] == (index == 0 ? 100 : 0));
    CHECK_TEXT_IS(feature->crs, index == 0 ? "" : "EPSG:1");
}

static void cityjson__reads_lines_that_are_whole_documents(void)
{
    struct report report;
    struct counts counts;
    struct err err;
    CHECK_OK(read_text(HEAD FRAME "\"CityObjects\":{},\"vertices\":[]}\n" LINE("a", "[0,1,2,3]")
                           HEAD "\"metadata\":{\"referenceSystem\":\"EPSG:1\"},\"CityObjects\":{"
                                "\"w\":{\"type\":\"Road\"," SURFACE("[0,1,2,3]") "}}," SQUARE "}",
                       &plain, &report, &counts, visit_whole_lines, &err),
             &err);
    CHECK_EQ(counts.features, 2);
    CHECK_EQ(counts.lost, 0);
}

/* More vertices than stay in memory, met in no order: 400 000 of 12 bytes go
 * through a window of 4 MB. */
enum { MANY_VERTICES = 400000, MANY_TRIANGLES = 20000, STRIDE = 7919 };

static void visit_many(const struct feature *feature, long index)
{
    CHECK_EQ(index, 0);
    CHECK_EQ(feature->polygon_count, MANY_TRIANGLES);
    for (size_t i = 0; i < feature->corner_count; i++) {
        const double expected = (double)((i * STRIDE) % MANY_VERTICES);
        const double *vertex = &feature->vertices[3 * (size_t)feature->corners[i]];
        CHECK(vertex[0] == expected * 0.5 + 100);
        CHECK(vertex[2] == -expected * 0.25 + 10);
    }
}

static void cityjson__reads_more_vertices_than_it_keeps(void)
{
    struct buf text;
    struct report report;
    struct counts counts;
    struct err err;
    buf_init(&text, 1 << 26);
    buf_add_text(&text, HEAD FRAME "\"CityObjects\":{\"a\":{\"type\":\"TINRelief\",\"geometry\":[{"
                                   "\"type\":\"CompositeSurface\",\"boundaries\":[");
    for (size_t i = 0; i < MANY_TRIANGLES; i++) {
        buf_print(&text, "%s[[%zu,%zu,%zu]]", i == 0 ? "" : ",", 3 * i * STRIDE % MANY_VERTICES,
                  (3 * i + 1) * STRIDE % MANY_VERTICES, (3 * i + 2) * STRIDE % MANY_VERTICES);
    }
    buf_add_text(&text, "]}]}},\"vertices\":[");
    for (int i = 0; i < MANY_VERTICES; i++) {
        buf_print(&text, "%s[%d,0,%d]", i == 0 ? "" : ",", i, -i);
    }
    buf_add_text(&text, "]}");
    buf_add_byte(&text, 0);
    CHECK_OK(buf_finish(&text, &err), &err);
    CHECK_OK(read_text((const char *)text.data, &plain, &report, &counts, visit_many, &err), &err);
    CHECK_EQ(counts.features, 1);
    CHECK_EQ(counts.reported, 0);
    buf_release(&text);
}

/* ---- what is wrong ---- */

struct fault {
    const char *text;
    enum err_code code;
    uint32_t line, column;
    const char *message;
};

static void cityjson__names_the_place_of_what_it_cannot_open(void)
{
    static const struct fault faults[] = {
        {"{\"type\":\"CityJSON\",\n\"version\":\"2.0\",\"CityObjects\":[]}", ERR_SCHEMA, 2, 31,
         "expected an object, found an array"},
        {"{\"type\":\"CityJSON\",\n \"CityObjects\":{}}", ERR_SCHEMA, 1, 1, "no 'version'"},
        {"{\"type\":\"CityJSON\",\"version\":\"0.9\",\"CityObjects\":{}}", ERR_UNSUPPORTED, 1, 1,
         "CityJSON 0.9; 1.0, 1.1 and 2.0 are read (cjio upgrades older files)"},
        {"{\"type\":\"CityJSON\",\"version\":\"2.0\"}", ERR_SCHEMA, 1, 1, "no 'CityObjects'"},
        {"{\"version\":\"2.0\",\"CityObjects\":{}}", ERR_SCHEMA, 1, 1,
         "no 'type' that says CityJSON or CityJSONFeature"},
        {"{\"type\":\n\"CityGML\",\"CityObjects\":{}}", ERR_SCHEMA, 2, 1,
         "'CityGML' is not CityJSON or CityJSONFeature"},
        {HEAD "\"transform\":{\"scale\":[1,1]},\"CityObjects\":{}}", ERR_SCHEMA, 1, 57,
         "'scale' of the transform is not 3 numbers"},
        {HEAD "\"transform\":{\"scale\":[1,1,1]},\"CityObjects\":{}}", ERR_SCHEMA, 1, 48,
         "the transform has no 'translate'"},
        {HEAD "\"transform\":{\"scale\":[1,1,1e999],\"translate\":[0,0,0]}}", ERR_SCHEMA, 1, 57,
         "'scale' of the transform is not 3 numbers"},
        {HEAD "\"CityObjects\":{},\"vertices\":7}", ERR_SCHEMA, 1, 64,
         "expected an array, found a number"},
        {HEAD "\"CityObjects\":{},\n\"vertices\":[[0,0,NaN]]}", ERR_SYNTAX, 2, 18,
         "'NaN' is not a JSON value"},
        {HEAD "\n\"CityObjects\":{}} {", ERR_SYNTAX, 2, 19,
         "expected the end of the input, found '{'"},
        {LINE("a", "[0,1,2]"), ERR_SCHEMA, 1, 1,
         "begins with a CityJSONFeature; the first line of a CityJSONSeq must be a CityJSON object "
         "with 'version' and 'transform'"},
    };
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        struct report report;
        struct counts counts;
        struct err err;
        CHECK_FAILS(read_text(faults[i].text, &plain, &report, &counts, NULL, &err), &err,
                    faults[i].code);
        CHECK_TEXT(err.message, faults[i].message);
        CHECK_TEXT(err.source, "t.city.json");
        CHECK_EQ(err.line, faults[i].line);
        CHECK_EQ(err.column, faults[i].column);
    }
}

/* Each of them loses the object 'x' and leaves 'good'. */
static void cityjson__loses_one_object_with_its_place(void)
{
    static const struct fault faults[] = {
        {SURFACE("[0,1,4]"), ERR_SCHEMA, 3, 61, "vertex index 4, but 4 vertices"},
        {SURFACE("[0,1,-1]"), ERR_SCHEMA, 3, 66, "'-1' is not an index"},
        {SURFACE("[0,1.5,2]"), ERR_SCHEMA, 3, 64, "'1.5' is not an index"},
        {SURFACE("[0,\"1\",2]"), ERR_SCHEMA, 3, 64, "expected a number, found a string"},
        {SURFACE("0,1,2"), ERR_SCHEMA, 3, 61, "expected an array, found a number"},
        {"\"geometry\":{}", ERR_SCHEMA, 3, 12, "expected an array, found an object"},
        {"\"geometry\":[[]]", ERR_SCHEMA, 3, 13, "expected an object, found an array"},
        {"\"geometry\":[{\"lod\":1}]", ERR_SCHEMA, 3, 13, "a geometry without a 'type'"},
        {"\"geometry\":[{\"type\":\"Solid\"}]", ERR_SCHEMA, 3, 13,
         "a geometry without 'boundaries'"},
        {"\"geometry\":[{\"type\":\"Solid\",\"boundaries\":[[[0,1,2]]]}]", ERR_SCHEMA, 3, 45,
         "expected an array, found a number"},
        {"\"geometry\":[{\"type\":\"MultiSurface\",\"boundaries\":[[[[0,1,2]]]]}]", ERR_SCHEMA, 3,
         52, "expected a number, found an array"},
        {"\"attributes\":[]", ERR_SCHEMA, 3, 14, "expected an object, found an array"},
        {"\"type\":7", ERR_SCHEMA, 3, 8, "expected a string, found a number"},
        {"\"geometry\":[{\"type\":\"GeometryInstance\",\"boundaries\":[0]}]", ERR_SCHEMA, 3, 13,
         "a GeometryInstance needs 'template', 'boundaries' and 'transformationMatrix'"},
        {"\"geometry\":[{\"type\":\"GeometryInstance\",\"boundaries\":[0],\"template\":3,"
         "\"transformationMatrix\":[1,0,0,0,0,1,0,0,0,0,1,0,0,0,0,1]}]",
         ERR_SCHEMA, 3, 68, "template 3, but 0 templates"},
        {"\"geometry\":[{\"type\":\"GeometryInstance\",\"boundaries\":[0],\"template\":0,"
         "\"transformationMatrix\":[1,0,0]}]",
         ERR_SCHEMA, 3, 93, "a transformationMatrix of 3 numbers"},
        {"\"geometry\":[{\"type\":\"GeometryInstance\",\"boundaries\":[9],\"template\":0,"
         "\"transformationMatrix\":[1,0,0]}]",
         ERR_SCHEMA, 3, 53, "vertex index 9, but 4 vertices"},
    };
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        char text[1024];
        struct report report;
        struct counts counts;
        struct err err;
        snprintf(text, sizeof text,
                 HEAD FRAME "\"CityObjects\":{\n\"x\":{\"type\":\"Building\",\n%s},\n\"good\":{"
                            "\"type\":\"Building\"," SURFACE("[0,1,2,3]") "}}," SQUARE "}",
                 faults[i].text);
        CHECK_OK(read_text(text, &plain, &report, &counts, NULL, &err), &err);
        CHECK_EQ(counts.features, 1);
        CHECK_EQ(counts.lost, 1);
        CHECK_EQ(counts.polygons, 1);
        const struct err *lost = &counts.first_lost;
        CHECK_EQ(lost->code, faults[i].code);
        CHECK_TEXT(lost->message, faults[i].message);
        CHECK_TEXT(lost->feature, "x");
        CHECK_EQ(lost->line, faults[i].line);
        CHECK_EQ(lost->column, faults[i].column);
    }
}

static void cityjson__loses_objects_whose_vertices_are_no_points(void)
{
    static const char *const vertices[] = {"[0,0,1e999]", "[0,0]",       "[0,0,0,0]", "7",
                                           "[0,null,0]",  "[\"a\",0,0]", "[]",        "{}"};
    for (size_t i = 0; i < sizeof vertices / sizeof vertices[0]; i++) {
        char text[512];
        struct report report;
        struct counts counts;
        struct err err;
        snprintf(
            text, sizeof text,
            HEAD FRAME "\"CityObjects\":{\"x\":{\"type\":\"Road\"," SURFACE(
                "[0,1,4]") "},\"good\":{\"type\":\"Road\"," SURFACE("[0,1,2,3]") "}},"
                                                                                 "\"vertices\":[[0,"
                                                                                 "0,0],[2,0,0],[2,"
                                                                                 "2,0],[0,2,8],%s]"
                                                                                 "}",
            vertices[i]);
        CHECK_OK(read_text(text, &plain, &report, &counts, NULL, &err), &err);
        CHECK_EQ(counts.features, 1);
        CHECK_EQ(counts.lost, 1);
        CHECK_TEXT(counts.first_lost.message, "vertex 4 is not 3 finite numbers");
    }
}

/* What is reported, and how much of the object is left. */
static void cityjson__repairs_what_can_do_without(void)
{
    static const struct {
        const char *boundaries, *more, *kind;
        long polygons, corners;
    } cases[] = {
        {"[[[0,1]],[[0,1,2,3]]]", "", "ring-too-short", 1, 4},
        {"[[[]],[[0,1,2,3]]]", "", "ring-too-short", 1, 4},
        {"[[[0,1,0,1,1]],[[0,1,2,3]]]", "", NULL, 2, 8},
        {"[[[0,1,1,0]],[[0,1,2,3]]]", "", "ring-collapsed", 1, 4},
        {"[[[0,1,2,3],[1]]]", "", "hole-too-short", 1, 4},
        {"[[[0,1,2,3]]]", ",\"semantics\":{\"surfaces\":[],\"values\":[7]}", "semantics", 1, 4},
        {"[[[0,1,2,3]]]", ",\"semantics\":{\"surfaces\":[{}],\"values\":[[0]]}", "semantics", 1, 4},
        {"[[[0,1,2,3]]]", ",\"semantics\":{\"surfaces\":[{}],\"values\":[0,0]}", "semantics", 1, 4},
        {"[[[0,1,2,3]]]", ",\"semantics\":{\"surfaces\":[{}],\"values\":0}", "semantics", 1, 4},
        {"[[[0,1,2,3]]]", ",\"semantics\":7", "semantics", 1, 4},
        {"[[[0,1,2,3]]]", ",\"material\":{\"t\":{\"value\":0}}", "material", 1, 4},
        {"[[[0,1,2,3]]]", ",\"material\":{\"t\":{\"values\":[\"a\"]}}", "material", 1, 4},
        {"[[[0,1,2,3]]]", ",\"material\":[]", "material", 1, 4},
        {"[[[0,1,2,3]]]", ",\"texture\":{\"t\":{\"values\":[[[0,0,0,0]]]}}", "texture", 1, 4},
        {"[[[0,1,2,3]]]", ",\"texture\":{\"t\":{\"values\":[[[0,0,0,0,0]]]}}", "texture", 1, 4},
        {"[[[0,1,2,3]]]", ",\"texture\":{\"t\":{\"values\":[7]}}", "texture", 1, 4},
        {"[[[0,1,2,3]]]", ",\"lod\":\"high\"", "lod-unreadable", 1, 4},
        {"[[[0,1,2,3]]]", ",\"lod\":7", "lod-unreadable", 1, 4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[768];
        struct report report;
        struct counts counts;
        struct err err;
        snprintf(text, sizeof text,
                 HEAD FRAME "\"CityObjects\":{\"x\":{\"type\":\"Road\",\"geometry\":[{\"type\":"
                            "\"MultiSurface\",\"boundaries\":%s%s}]}}," SQUARE "}",
                 cases[i].boundaries, cases[i].more);
        CHECK_OK(read_text(text, &plain, &report, &counts, NULL, &err), &err);
        CHECK_EQ(counts.lost, 0);
        CHECK_EQ(counts.features, 1);
        if (cases[i].kind == NULL) {
            CHECK_EQ(counts.reported, 0);
        } else {
            CHECK_EQ(counts.reported, 1);
            CHECK_TEXT(report.kinds[0].name, cases[i].kind);
            CHECK_TEXT(report.kinds[0].first.feature, "x");
            CHECK_EQ(report.kinds[0].first.line, 1);
        }
        CHECK_EQ(counts.polygons, cases[i].polygons);
        CHECK_EQ(counts.corners, cases[i].corners);
    }
}

static void visit_nothing(const struct feature *feature, long index)
{
    (void)feature;
    (void)index;
}

static void cityjson__yields_both_of_two_objects_with_one_id(void)
{
    struct report report;
    struct counts counts;
    struct err err;
    CHECK_OK(read_text(HEAD FRAME "\"CityObjects\":{\"a\":{\"type\":\"Road\"},\"a\":{\"type\":"
                                  "\"Building\"}}," SQUARE "}",
                       &plain, &report, &counts, visit_nothing, &err),
             &err);
    CHECK_EQ(counts.features, 2);
}

static void check_crs(const char *metadata, const char *expected)
{
    char text[512];
    struct report report;
    struct source *source = NULL;
    struct err err;
    CHECK_OK(report_open(&report, NULL, &err), &err);
    snprintf(text, sizeof text, HEAD "\"metadata\":%s,\"CityObjects\":{}}", metadata);
    CHECK_OK(source_open_bytes((struct span){(const uint8_t *)text, strlen(text)}, "t", &plain,
                               &report, &source, &err),
             &err);
    CHECK_TEXT_IS(source_info(source)->crs, expected);
    source_close(source);
    CHECK_OK(report_close(&report, &err), &err);
}

static void cityjson__passes_the_crs_on_as_it_is(void)
{
    check_crs("{\"referenceSystem\":\"https://www.opengis.net/def/crs/EPSG/0/7415\"}",
              "https://www.opengis.net/def/crs/EPSG/0/7415");
    check_crs("{\"referenceSystem\":\"urn:ogc:def:crs:EPSG::4547\"}", "urn:ogc:def:crs:EPSG::4547");
    check_crs("{\"crs\":{\"epsg\":7415}}", "EPSG:7415");
    check_crs("{\"referenceSystem\":null}", "");
    check_crs("null", "");
}

/* ---- robustness ---- */

static const char whole_document[] = HEAD FRAME APPEARANCE TWO_SURFACES SQUARE
    ",\"geometry-templates\":{\"templates\":[{\"type\":\"MultiSurface\",\"lod\":3,\"boundaries\":"
    "[[[0,1,2]]]}],\"vertices-templates\":[[0,0,0],[1,0,0],[0,1.5,0]]},"
    "\"metadata\":{\"title\":\"t\",\"referenceSystem\":\"EPSG:7415\"}}";

static const char whole_sequence[] = HEAD FRAME "\"CityObjects\":{}}\n" LINE(
    "a", "[0,1,2,3]") "{\"type\":\"CityJSONFeature\",\"CityObjects\":{\"b\":{\"type\":\"Building\","
                      "\"children\":"
                      "[\"c\"],\"attributes\":{\"name\":\"n\",\"x\":[1]}},\"c\":{\"type\":"
                      "\"BuildingPart\",\"parents\":"
                      "[\"b\"],\"attributes\":{\"y\":1}}},\"vertices\":[[0.5,1,2]]}\n";

static void cityjson__fails_on_every_truncation_of_a_document(void)
{
    char cut[sizeof whole_document];
    for (size_t keep = 1; keep < strlen(whole_document); keep++) {
        struct report report;
        struct counts counts;
        struct err err;
        memcpy(cut, whole_document, keep);
        cut[keep] = '\0';
        CHECK_FAILS(read_text(cut, &plain, &report, &counts, NULL, &err), &err, ERR_SYNTAX);
        CHECK(strncmp(err.message, "cut short", 9) == 0 || strstr(err.message, "expected") != NULL);
    }
}

/* Whole lines come out whatever happens to the last one. */
static void cityjson__keeps_whole_lines_of_every_truncation_of_a_sequence(void)
{
    char cut[sizeof whole_sequence];
    const size_t header = (size_t)(strchr(whole_sequence, '\n') - whole_sequence);
    for (size_t keep = header + 1; keep < strlen(whole_sequence); keep++) {
        struct report report;
        struct counts counts;
        struct err err;
        memcpy(cut, whole_sequence, keep);
        cut[keep] = '\0';
        const char *last = strrchr(cut, '\n');
        long lines = 0;
        for (const char *at = cut; at < last; at++) {
            lines += *at == '\n';
        }
        const bool has_rest = last[1] != '\0' && keep + 1 != strlen(whole_sequence);
        CHECK_OK(read_text(cut, &plain, &report, &counts, NULL, &err), &err);
        CHECK(counts.features >= (lines >= 1 ? 1 : 0));
        if (has_rest && keep + 1 < strlen(whole_sequence) && whole_sequence[keep] != '\n') {
            CHECK_EQ(counts.lost, 1);
            CHECK_EQ(counts.first_lost.code, ERR_SYNTAX);
            CHECK_EQ(counts.first_lost.line, lines + 2);
        }
    }
}

/* Reads a text with the n-th allocation of the source, of its buffers, or of
 * the feature failing. True when nothing failed. */
static bool read_with_failure(const char *text, size_t source_fails, size_t feature_fails)
{
    const struct source_options options = {.temporary_folder = "/tmp", .fail_after = source_fails};
    struct report report;
    struct source *source = NULL;
    struct arena arena;
    struct err err;
    bool is_whole = true;
    CHECK_OK(report_open(&report, NULL, &err), &err);
    if (source_open_bytes((struct span){(const uint8_t *)text, strlen(text)}, "t", &options,
                          &report, &source, &err)) {
        bool is_end = false;
        long rounds = 0;
        arena_init(&arena, FEATURE_BYTES_MAX);
        arena.fail_after = feature_fails;
        while (!is_end && ++rounds < FEATURES_MAX) {
            struct feature feature;
            if (!source_next(source, &arena, &feature, &is_end, &err)) {
                CHECK_EQ(err.code, ERR_NOMEM);
                is_whole = false;
            }
        }
        CHECK(is_end);
        arena_release(&arena);
        source_close(source);
    } else {
        CHECK_EQ(err.code, ERR_NOMEM);
        is_whole = false;
    }
    CHECK_OK(report_close(&report, &err), &err);
    return is_whole;
}

static void cityjson__survives_every_allocation_that_fails(void)
{
    const char *const texts[] = {whole_document, whole_sequence};
    for (size_t i = 0; i < 2; i++) {
        size_t n = 1;
        while (!read_with_failure(texts[i], n, 0)) {
            n++;
            CHECK(n < 1000);
        }
        CHECK(n > 5);
        for (n = 1; !read_with_failure(texts[i], 0, n); n++) {
            CHECK(n < 1000);
        }
        CHECK(n > 5);
    }
}

/* ---- files ---- */

static bool read_file(const char *path, struct counts *counts, struct err *err)
{
    struct report report;
    struct source *source = NULL;
    struct err ignored;
    CHECK_OK(report_open(&report, NULL, &ignored), &ignored);
    const bool ok = source_open(path, &plain, &report, &source, err);
    if (ok) {
        read_all(source, &report, counts, NULL);
        CHECK_EQ(source_bytes_done(source) <= source_info(source)->bytes_total, 1);
        source_close(source);
    }
    CHECK_OK(report_close(&report, &ignored), &ignored);
    return ok;
}

/* y_ must be read whole, n_ must be refused or lose something, i_ either. */
static void cityjson__reads_the_fixtures_as_they_are_named(void)
{
    static const char *const folders[] = {CHECK_FIXTURES "/minimal", CHECK_FIXTURES "/broken"};
    int count = 0;
    for (size_t i = 0; i < 2; i++) {
        DIR *files = opendir(folders[i]);
        CHECK(files != NULL);
        for (struct dirent *file = readdir(files); file != NULL; file = readdir(files)) {
            const char *name = file->d_name;
            if (strstr(name, "cityjson") == NULL && strstr(name, ".city.json") == NULL) {
                continue;
            }
            char path[1024];
            struct counts counts;
            struct err err;
            snprintf(path, sizeof path, "%s/%s", folders[i], name);
            const bool ok = read_file(path, &counts, &err);
            const bool is_whole = ok && counts.lost == 0 && counts.reported == 0;
            if ((i == 0 || strncmp(name, "y_", 2) == 0) && !(is_whole && counts.features > 0)) {
                fail_msg("%s: %s", name, ok ? "something is missing" : err.message);
            }
            if (strncmp(name, "n_", 2) == 0 && is_whole) {
                fail_msg("%s was read", name);
            }
            count++;
        }
        closedir(files);
    }
    CHECK(count >= 15);
}

static bool parse_counts(char *line, struct counts *out, char **out_name)
{
    long *fields[] = {&out->features, &out->lost,     &out->children,     &out->attributes,
                      &out->lods,     &out->polygons, &out->corners,      &out->vertices,
                      &out->roofs,    &out->textured, &out->with_material};
    char *rest = NULL;
    memset(out, 0, sizeof *out);
    *out_name = strtok_r(line, "|", &rest);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        char *field = strtok_r(NULL, "|", &rest);
        if (field == NULL) {
            return false;
        }
        *fields[i] = strtol(field, NULL, 10);
    }
    for (size_t i = 0; i < 3; i++) {
        char *field = strtok_r(NULL, "|", &rest);
        if (field == NULL) {
            return false;
        }
        out->sum[i] = strtod(field, NULL);
    }
    return true;
}

/* tests/cases/cityjson_counts.txt, made by another program. */
static void cityjson__counts_real_files_as_python_does(void)
{
    if (check_shared_data() == NULL) {
        CHECK_SKIP("no shared data");
    }
    FILE *cases = fopen(CHECK_CASES "/cityjson_counts.txt", "re");
    CHECK(cases != NULL);
    char line[1024];
    int count = 0;
    while (fgets(line, sizeof line, cases) != NULL) {
        struct counts expected;
        struct counts found;
        struct err err;
        char path[1024];
        char *name = NULL;
        if (line[0] == '#') {
            continue;
        }
        CHECK(parse_counts(line, &expected, &name));
        snprintf(path, sizeof path, "%s/%s", check_shared_data(), name);
        printf("%s\n", name);
        CHECK_OK(read_file(path, &found, &err), &err);
        CHECK_EQ(found.features, expected.features);
        CHECK_EQ(found.lost, expected.lost);
        CHECK_EQ(found.children, expected.children);
        CHECK_EQ(found.attributes, expected.attributes);
        CHECK_EQ(found.lods, expected.lods);
        CHECK_EQ(found.polygons, expected.polygons);
        CHECK_EQ(found.corners, expected.corners);
        CHECK_EQ(found.vertices, expected.vertices);
        CHECK_EQ(found.roofs, expected.roofs);
        CHECK_EQ(found.textured, expected.textured);
        CHECK_EQ(found.with_material, expected.with_material);
        for (size_t k = 0; k < 3; k++) {
            /* the order of adding differs: a millionth of a metre a corner */
            CHECK_NEAR(found.sum[k], expected.sum[k], 1e-6 * (double)(found.corners + 1), "m");
        }
        count++;
    }
    fclose(cases);
    CHECK(count >= 60);
}

/* Writer and reader of different hands: the generated city, both ways. */
static void cityjson__reads_back_what_the_district_generator_wrote(void)
{
    struct counts counts[2];
    for (int i = 0; i < 2; i++) {
        char path[] = "/tmp/test-cityjson-XXXXXX";
        const int fd = mkstemp(path);
        CHECK(fd >= 0);
        close(fd);
        const struct district_options options = {
            .count = 40,
            .seed = 7,
            .path = path,
            .format = i == 0 ? DISTRICT_CITYJSON : DISTRICT_CITYJSON_SEQ,
            .has_extras = true,
            .has_materials = true,
        };
        struct district_totals totals;
        struct err err;
        CHECK_OK(district_write_city(&options, &totals, &err), &err);
        CHECK_OK(read_file(path, &counts[i], &err), &err);
        unlink(path);
        CHECK_EQ(counts[i].features, totals.object_count);
        CHECK_EQ(counts[i].lost, 0);
        CHECK_EQ(counts[i].reported, 0);
    }
    CHECK_EQ(counts[0].polygons, counts[1].polygons);
    CHECK_EQ(counts[0].attributes, counts[1].attributes);
    CHECK_EQ(counts[0].children, counts[1].children);
    CHECK_EQ(counts[0].inherited, counts[1].inherited);
    CHECK(counts[0].with_material > 0);
    CHECK_EQ(counts[0].with_material, counts[1].with_material);
    for (size_t k = 0; k < 3; k++) {
        CHECK_NEAR(counts[0].sum[k], counts[1].sum[k], 1e-6 * (double)counts[0].corners, "m");
    }
}

CHECK_MAIN(CHECK_TEST(cityjson__reads_the_smallest_document),
           CHECK_TEST(cityjson__does_not_care_about_the_order_of_members),
           CHECK_TEST(cityjson__loses_only_the_broken_line_of_a_sequence),
           CHECK_TEST(cityjson__reads_all_kinds_of_geometry),
           CHECK_TEST(cityjson__places_templates),
           CHECK_TEST(cityjson__reads_materials_and_textures_of_one_theme),
           CHECK_TEST(cityjson__keeps_the_types_of_attributes),
           CHECK_TEST(cityjson__knows_who_belongs_to_whom),
           CHECK_TEST(cityjson__finds_parts_that_only_their_building_names),
           CHECK_TEST(cityjson__reads_lines_that_are_whole_documents),
           CHECK_TEST(cityjson__reads_more_vertices_than_it_keeps),
           CHECK_TEST(cityjson__names_the_place_of_what_it_cannot_open),
           CHECK_TEST(cityjson__loses_one_object_with_its_place),
           CHECK_TEST(cityjson__loses_objects_whose_vertices_are_no_points),
           CHECK_TEST(cityjson__repairs_what_can_do_without),
           CHECK_TEST(cityjson__yields_both_of_two_objects_with_one_id),
           CHECK_TEST(cityjson__passes_the_crs_on_as_it_is),
           CHECK_TEST(cityjson__fails_on_every_truncation_of_a_document),
           CHECK_TEST(cityjson__keeps_whole_lines_of_every_truncation_of_a_sequence),
           CHECK_TEST(cityjson__survives_every_allocation_that_fails),
           CHECK_TEST(cityjson__reads_the_fixtures_as_they_are_named),
           CHECK_TEST(cityjson__counts_real_files_as_python_does),
           CHECK_TEST(cityjson__reads_back_what_the_district_generator_wrote))

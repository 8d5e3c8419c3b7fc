/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_TILER_FEATURE_CASE_H
#define TESTS_TILER_FEATURE_CASE_H

/*
 * feature_case.h - features for tests, built polygon by polygon.
 *
 * Every polygon brings vertices of its own, as CityGML writes them: sharing
 * them is the work of what is tested. `placed` are the same positions.
 */

#include "formats/feature.h"
#include "tests/check.h"
#include "tests/tiler/polygon_case.h"
#include "tiler/shape.h"

enum { FEATURE_CASE_MAX = 20000 };

struct feature_case {
    struct vec3 placed[FEATURE_CASE_MAX];
    uint32_t corners[FEATURE_CASE_MAX];
    float uvs[2 * FEATURE_CASE_MAX];
    struct feature_ring rings[FEATURE_CASE_MAX];
    struct feature_polygon polygons[FEATURE_CASE_MAX];
    struct feature_shell shells[8];
    struct feature_lod lods[4];
    struct feature feature;
};

static inline struct feature_case *feature_case_open(void)
{
    struct feature_case *made = calloc(1, sizeof *made);
    CHECK(made != NULL);
    made->feature = (struct feature){.id = text_of("case"),
                                     .kind = text_of("Building"),
                                     .corners = made->corners,
                                     .rings = made->rings,
                                     .polygons = made->polygons,
                                     .shells = made->shells,
                                     .lods = made->lods,
                                     .lod_count = 1,
                                     .line = 7};
    made->lods[0].level = 2;
    return made;
}

static inline void feature_case_ring(struct feature_case *c, const struct vec3 *points,
                                     size_t count, bool is_reversed)
{
    struct feature *f = &c->feature;
    CHECK(f->corner_count + count <= FEATURE_CASE_MAX && f->ring_count < FEATURE_CASE_MAX);
    c->rings[f->ring_count++] = (struct feature_ring){(uint32_t)f->corner_count, (uint32_t)count};
    for (size_t i = 0; i < count; i++) {
        c->placed[f->vertex_count] = points[is_reversed ? count - 1 - i : i];
        c->corners[f->corner_count++] = (uint32_t)f->vertex_count++;
    }
}

/* A polygon with one ring, of the last level; feature_case_hole() adds others. */
static inline void feature_case_polygon(struct feature_case *c, enum feature_surface kind,
                                        int32_t shell, const struct vec3 *points, size_t count,
                                        bool is_reversed)
{
    struct feature *f = &c->feature;
    c->polygons[f->polygon_count++] =
        (struct feature_polygon){.first_ring = (uint32_t)f->ring_count,
                                 .ring_count = 1,
                                 .material = FEATURE_NONE,
                                 .texture = FEATURE_NONE,
                                 .shell = shell,
                                 .kind = kind};
    c->lods[f->lod_count - 1].polygon_count++;
    feature_case_ring(c, points, count, is_reversed);
}

static inline void feature_case_hole(struct feature_case *c, const struct vec3 *points,
                                     size_t count, bool is_reversed)
{
    c->polygons[c->feature.polygon_count - 1].ring_count++;
    feature_case_ring(c, points, count, is_reversed);
}

static inline bool feature_case_coin(uint64_t *state)
{
    return state != NULL && polygon_random(state) % 2 == 0;
}

/*
 * A prism over an anticlockwise plan: floor, walls, roof, each facing outward,
 * or, with a state, each turned over by chance.
 */
static inline void feature_case_prism(struct feature_case *c, int32_t shell,
                                      const struct vec2 *plan, size_t count, double low,
                                      double high, uint64_t *state)
{
    struct vec3 ring[512];
    CHECK(count <= 512);
    for (size_t i = 0; i < count; i++) {
        ring[i] = (struct vec3){plan[i].x, plan[i].y, high};
    }
    feature_case_polygon(c, SURFACE_ROOF, shell, ring, count, feature_case_coin(state));
    for (size_t i = 0; i < count; i++) {
        ring[i].z = low;
    }
    feature_case_polygon(c, SURFACE_GROUND, shell, ring, count, !feature_case_coin(state));
    for (size_t i = 0; i < count; i++) {
        const struct vec2 a = plan[i];
        const struct vec2 b = plan[i + 1 == count ? 0 : i + 1];
        const struct vec3 wall[4] = {
            {a.x, a.y, low}, {b.x, b.y, low}, {b.x, b.y, high}, {a.x, a.y, high}};
        feature_case_polygon(c, SURFACE_WALL, shell, wall, 4, feature_case_coin(state));
    }
}

static inline void feature_case_box(struct feature_case *c, int32_t shell, double low, double high,
                                    uint64_t *state)
{
    const struct vec2 plan[4] = {{low, low}, {high, low}, {high, high}, {low, high}};
    feature_case_prism(c, shell, plan, 4, low, high, state);
}

/* Turns all positions about an oblique axis. */
static inline void feature_case_turn(struct feature_case *c, double angle)
{
    const struct vec3 axis = vec3_unit((struct vec3){1, 2, 3});
    for (size_t i = 0; i < c->feature.vertex_count; i++) {
        const struct vec3 p = c->placed[i];
        const struct vec3 side = vec3_cross(axis, p);
        c->placed[i] = vec3_add(vec3_add(vec3_scale(p, cos(angle)), vec3_scale(side, sin(angle))),
                                vec3_scale(axis, vec3_dot(axis, p) * (1 - cos(angle))));
    }
}

/* Indices in range, faces rising and used, points used and distinct, normals
 * of faces those of their triangles (within the bend of a face). */
static inline void check_shape(const struct shape *shape)
{
    bool *is_used = calloc(shape->point_count + 1, sizeof *is_used);
    bool *has_triangle = calloc(shape->face_count + 1, sizeof *has_triangle);
    for (uint32_t t = 0; t < shape->triangle_count; t++) {
        CHECK(shape->triangle_faces[t] < shape->face_count);
        CHECK(t == 0 || shape->triangle_faces[t] >= shape->triangle_faces[t - 1]);
        has_triangle[shape->triangle_faces[t]] = true;
        for (int k = 0; k < 3; k++) {
            CHECK(shape->corners[3 * t + (uint32_t)k] < shape->point_count);
            is_used[shape->corners[3 * t + (uint32_t)k]] = true;
        }
    }
    for (uint32_t p = 0; p < shape->point_count; p++) {
        CHECK(is_used[p]);
    }
    for (uint32_t f = 0; f < shape->face_count; f++) {
        CHECK(has_triangle[f]);
        CHECK_NEAR(vec3_length(shape->faces[f].normal), 1, 1e-9, "");
    }
    free(is_used);
    free(has_triangle);
}

struct way_of_triangle {
    uint32_t from, to;
};

static inline int compare_ways_of_triangles(const void *left, const void *right)
{
    const struct way_of_triangle *a = left;
    const struct way_of_triangle *b = right;
    if (a->from != b->from) {
        return a->from < b->from ? -1 : 1;
    }
    return a->to < b->to ? -1 : a->to > b->to;
}

static inline size_t count_ways(const struct way_of_triangle *ways, size_t count, uint32_t from,
                                uint32_t to)
{
    const struct way_of_triangle key = {from, to};
    const struct way_of_triangle *found =
        bsearch(&key, ways, count, sizeof key, compare_ways_of_triangles);
    if (found == NULL) {
        return 0;
    }
    size_t same = 1;
    for (const struct way_of_triangle *w = found;
         w > ways && compare_ways_of_triangles(w - 1, &key) == 0; w--) {
        same++;
    }
    for (const struct way_of_triangle *w = found + 1;
         w < ways + count && compare_ways_of_triangles(w, &key) == 0; w++) {
        same++;
    }
    return same;
}

/* By triangles, not by what the shape says: as many one way as the other. */
static inline bool is_watertight(const struct shape *shape)
{
    const size_t count = 3 * (size_t)shape->triangle_count;
    struct way_of_triangle *ways = calloc(count + 1, sizeof *ways);
    for (size_t c = 0; c < count; c++) {
        ways[c] =
            (struct way_of_triangle){shape->corners[c], shape->corners[c % 3 == 2 ? c - 2 : c + 1]};
    }
    qsort(ways, count, sizeof *ways, compare_ways_of_triangles);
    bool is_tight = true;
    for (size_t c = 0; c < count && is_tight; c++) {
        is_tight = count_ways(ways, count, ways[c].from, ways[c].to) ==
                   count_ways(ways, count, ways[c].to, ways[c].from);
    }
    free(ways);
    return is_tight;
}

#endif

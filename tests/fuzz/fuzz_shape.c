/* SPDX-License-Identifier: Apache-2.0 */
/* Random polygons through the whole of one feature's geometry: triangles with
 * indices in range, merged planes, a block, and a deviation with its bounds in
 * order. Nothing hangs. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "tiler/block.h"
#include "tiler/crate.h"
#include "tiler/crown.h"
#include "tiler/deviation.h"
#include "tiler/simplify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CORNERS_MAX = 400, POLYGONS_MAX = 100 };

struct input {
    struct vec3 placed[512];
    uint32_t corners[CORNERS_MAX];
    struct feature_ring rings[CORNERS_MAX];
    struct feature_polygon polygons[POLYGONS_MAX];
    struct feature_shell shells[2];
    struct feature_lod lod;
    struct feature feature;
};

/* A byte is a corner of an 8 x 8 x 4 grid; 255 ends a ring, 254 a polygon with
 * the kind and shell of the byte after it. */
static void read_input(const uint8_t *data, size_t size, struct input *in)
{
    *in = (struct input){.shells = {{false}, {true}}};
    struct feature *f = &in->feature;
    for (uint32_t i = 0; i < 256; i++) {
        in->placed[i] = (struct vec3){i % 8, i / 8 % 8 + 0.1 * (i % 3), i / 64 * 3};
    }
    uint32_t ring_start = 0;
    uint32_t polygon_start = 0;
    for (size_t i = 0; i < size && f->corner_count < CORNERS_MAX; i++) {
        if (data[i] < 254) {
            in->corners[f->corner_count++] = data[i];
            continue;
        }
        in->rings[f->ring_count++] =
            (struct feature_ring){ring_start, (uint32_t)f->corner_count - ring_start};
        ring_start = (uint32_t)f->corner_count;
        if (f->ring_count == CORNERS_MAX || f->polygon_count == POLYGONS_MAX) {
            break;
        }
        if (data[i] == 254) {
            const uint8_t word = i + 1 < size ? data[++i] : 0;
            in->polygons[f->polygon_count++] =
                (struct feature_polygon){.first_ring = polygon_start,
                                         .ring_count = (uint32_t)f->ring_count - polygon_start,
                                         .material = FEATURE_NONE,
                                         .texture = FEATURE_NONE,
                                         .shell = (int32_t)(word / 64 % 3) - 1,
                                         .kind = (enum feature_surface)(word % 4)};
            polygon_start = (uint32_t)f->ring_count;
        }
    }
    in->lod.polygon_count = (uint32_t)f->polygon_count;
    f->id = text_of("fuzz");
    f->vertex_count = 256;
    f->corners = in->corners;
    f->rings = in->rings;
    f->polygons = in->polygons;
    f->shells = in->shells;
    f->shell_count = 2;
    f->lods = &in->lod;
    f->lod_count = 1;
}

static void check(const struct shape *shape)
{
    assert(shape->triangle_count > 0);
    for (uint32_t c = 0; c < 3 * shape->triangle_count; c++) {
        assert(shape->corners[c] < shape->point_count);
        assert(shape->triangle_faces[c / 3] < shape->face_count);
    }
    for (uint32_t p = 0; p < shape->point_count; p++) {
        assert(vec3_is_finite(shape->points[p]));
    }
}

/* As a crown, and as a box that is no farther off than it says. */
static void make_small(const struct shape *full, struct arena *out, struct arena *scratch)
{
    struct shape small;
    struct mass_prism box;
    struct deviation found;
    struct err err;
    if (crown_make(full, out, scratch, &small, &err)) {
        check(&small);
    } else {
        assert(err.code == ERR_GEOMETRY);
    }
    if (crate_around(full, scratch, &box, &err) && isfinite(box.error_m) &&
        crate_shape(&box, out, &small, &err)) {
        check(&small);
        if (deviation_measure(full, &small, 0.05, 0.2, scratch, &found, &err)) {
            assert(found.lower_m <= box.error_m + 1e-6);
        }
    }
}

static void measure(const struct shape *full, const struct shape *other, struct arena *scratch)
{
    struct deviation found;
    struct err err;
    if (deviation_measure(full, other, 0.05, 0.2, scratch, &found, &err)) {
        assert(found.lower_m >= 0 && found.lower_m <= found.upper_m);
    } else {
        assert(err.code == ERR_GEOMETRY || err.code == ERR_LIMIT);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct input in;
    read_input(data, size, &in);
    struct arena out;
    struct arena scratch;
    arena_init(&out, (size_t)64 << 20);
    arena_init(&scratch, (size_t)256 << 20);
    struct shape full;
    struct shape other;
    struct err err;
    if (shape_from_feature(&in.feature, 0, in.placed, &out, &scratch, NULL, &full, &err)) {
        check(&full);
        const struct block_options options = {.tolerance_m = 0.5, .step_m = 2};
        if (simplify_planes(&full, 0.05, &out, &scratch, &other, &err)) {
            check(&other);
            assert(other.triangle_count <= full.triangle_count);
        }
        if (block_make(&full, &options, &out, &scratch, &other, &err)) {
            check(&other);
            measure(&full, &other, &scratch);
        }
        make_small(&full, &out, &scratch);
    } else {
        assert(err.code == ERR_GEOMETRY || err.code == ERR_LIMIT);
    }
    assert(scratch.used_bytes == 0);
    arena_release(&out);
    arena_release(&scratch);
    return 0;
}

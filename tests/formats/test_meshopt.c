/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/meshopt.h"

#include <meshoptimizer.h>

#include "tests/check.h"

enum { VERTEX_COUNT = 300, TRIANGLE_COUNT = 298 };

/* The library's own encoder is the judge here: what it wrote is given back. */
static void meshopt_read__gives_back_what_the_library_packed(void)
{
    static uint32_t indices[3 * TRIANGLE_COUNT], found[3 * TRIANGLE_COUNT];
    static float vertices[VERTEX_COUNT][3], found_vertices[VERTEX_COUNT][3];
    static uint8_t packed[100000];
    struct err err;
    for (uint32_t i = 0; i < TRIANGLE_COUNT; i++) {
        indices[3 * i] = i;
        indices[3 * i + 1] = i + 1;
        indices[3 * i + 2] = i + 2;
    }
    for (size_t i = 0; i < VERTEX_COUNT; i++) {
        vertices[i][0] = (float)i * 0.25f;
        vertices[i][1] = (float)(i * i % 97);
    }
    size_t size = meshopt_encodeVertexBuffer(packed, sizeof packed, vertices, VERTEX_COUNT, 12);
    const struct meshopt_view attributes = {MESHOPT_ATTRIBUTES, MESHOPT_FILTER_NONE, VERTEX_COUNT,
                                            12};
    CHECK_OK(
        meshopt_read(&attributes, (struct span){packed, size}, (uint8_t *)found_vertices, &err),
        &err);
    CHECK(memcmp(vertices, found_vertices, sizeof vertices) == 0);

    size = meshopt_encodeIndexSequence(packed, sizeof packed, indices, 3 * TRIANGLE_COUNT);
    const struct meshopt_view sequence = {MESHOPT_INDICES, MESHOPT_FILTER_NONE, 3 * TRIANGLE_COUNT,
                                          4};
    CHECK_OK(meshopt_read(&sequence, (struct span){packed, size}, (uint8_t *)found, &err), &err);
    CHECK(memcmp(indices, found, sizeof indices) == 0);

    /* Triangles may come back turned: same three corners, same sense. */
    size = meshopt_encodeIndexBuffer(packed, sizeof packed, indices, 3 * TRIANGLE_COUNT);
    const struct meshopt_view triangles = {MESHOPT_TRIANGLES, MESHOPT_FILTER_NONE,
                                           3 * TRIANGLE_COUNT, 4};
    CHECK_OK(meshopt_read(&triangles, (struct span){packed, size}, (uint8_t *)found, &err), &err);
    for (size_t i = 0; i < TRIANGLE_COUNT; i++) {
        const uint32_t *a = indices + 3 * i;
        const uint32_t *b = found + 3 * i;
        CHECK((a[0] == b[0] && a[1] == b[1]) || (a[0] == b[1] && a[1] == b[2]) ||
              (a[0] == b[2] && a[1] == b[0]));
    }
}

static void meshopt_read__fails_on_every_truncation(void)
{
    static float vertices[40][3];
    static uint8_t packed[10000], out[480];
    struct err err;
    for (size_t i = 0; i < 40; i++) {
        vertices[i][0] = (float)i * 1.7f;
    }
    const size_t size = meshopt_encodeVertexBuffer(packed, sizeof packed, vertices, 40, 12);
    const struct meshopt_view view = {MESHOPT_ATTRIBUTES, MESHOPT_FILTER_NONE, 40, 12};
    for (size_t keep = 0; keep < size; keep++) {
        const struct span cut = check_heap_copy(packed, keep);
        CHECK_FAILS(meshopt_read(&view, cut, out, &err), &err, ERR_SYNTAX);
        check_heap_free(cut);
    }
}

static void meshopt_read__refuses_what_the_extension_does_not_allow(void)
{
    static const struct meshopt_view views[] = {
        {MESHOPT_ATTRIBUTES, MESHOPT_FILTER_NONE, 4, 6},
        {MESHOPT_ATTRIBUTES, MESHOPT_FILTER_NONE, 4, 260},
        {MESHOPT_ATTRIBUTES, MESHOPT_FILTER_OCTAHEDRAL, 4, 12},
        {MESHOPT_ATTRIBUTES, MESHOPT_FILTER_QUATERNION, 4, 4},
        {MESHOPT_TRIANGLES, MESHOPT_FILTER_NONE, 4, 4},
        {MESHOPT_TRIANGLES, MESHOPT_FILTER_NONE, 3, 1},
        {MESHOPT_INDICES, MESHOPT_FILTER_EXPONENTIAL, 3, 4},
    };
    const uint8_t packed[4] = {0};
    uint8_t out[2000];
    for (size_t i = 0; i < sizeof views / sizeof views[0]; i++) {
        struct err err;
        CHECK_FAILS(meshopt_read(&views[i], (struct span){packed, 4}, out, &err), &err, ERR_SCHEMA);
    }
}

CHECK_MAIN(CHECK_TEST(meshopt_read__gives_back_what_the_library_packed),
           CHECK_TEST(meshopt_read__fails_on_every_truncation),
           CHECK_TEST(meshopt_read__refuses_what_the_extension_does_not_allow))

/* SPDX-License-Identifier: Apache-2.0 */
/* A decoded mesh has its indices in range, whatever the bytes were. */
#include <assert.h>

#include "formats/draco.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct draco_request request = {{0, 1, 2, 3, 4}};
    const struct draco_request positions = {{0, -1, -1, -1, -1}};
    struct arena arena;
    struct draco_decoded mesh;
    struct err err;
    arena_init(&arena, (size_t)1 << 22);
    if (draco_read((struct span){data, size}, &request, &arena, &mesh, &err) ||
        draco_read((struct span){data, size}, &positions, &arena, &mesh, &err)) {
        for (uint32_t i = 0; i < mesh.index_count; i++) {
            assert(mesh.indices[i] < mesh.vertex_count);
        }
    } else {
        assert(err.code != ERR_NONE && err.message[0] != '\0');
    }
    arena_release(&arena);
    return 0;
}

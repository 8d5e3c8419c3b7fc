/* SPDX-License-Identifier: Apache-2.0 */
/* Every part of an accepted tile lies inside the tile, in order. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/b3dm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct b3dm tile;
    struct err err;
    if (!b3dm_read((struct span){data, size}, &tile, &err)) {
        assert(err.code == ERR_SYNTAX || err.code == ERR_UNSUPPORTED);
        return 0;
    }
    const uint8_t *at = data;
    for (int i = 0; i < B3DM_PART_COUNT; i++) {
        assert(tile.part[i].data >= at);
        at = tile.part[i].data + tile.part[i].size;
        assert(at <= data + size);
    }
    return 0;
}

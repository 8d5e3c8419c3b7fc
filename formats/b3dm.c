/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/b3dm.h"

#include <string.h>

enum { HEADER_BYTES = 28, SIZES_AT = 12 };
enum { GLB_HEADER_BYTES = 12, GLB_SIZE_AT = 8 };

/* The tile may end in padding, so the glb's own header says how long it is. */
static bool trim_glb(struct span *glb, uint64_t offset, struct err *err)
{
    if (glb->size < GLB_HEADER_BYTES) {
        return err_set_at(err, ERR_SYNTAX, offset, "no glb in the last %zu bytes", glb->size);
    }
    uint32_t size = bytes_load_u32le(glb->data + GLB_SIZE_AT);
    if (size < GLB_HEADER_BYTES || size > glb->size) {
        return err_set_at(err, ERR_SYNTAX, offset + GLB_SIZE_AT,
                          "glb of %u bytes, but %zu are here", size, glb->size);
    }
    glb->size = size;
    return true;
}

bool b3dm_read(struct span tile, struct b3dm *out, struct err *err)
{
    if (tile.size < HEADER_BYTES || memcmp(tile.data, "b3dm", 4) != 0) {
        return err_set_at(err, ERR_SYNTAX, 0, "no b3dm header in %zu bytes", tile.size);
    }
    uint32_t version = bytes_load_u32le(tile.data + 4);
    if (version != 1) {
        return err_set_at(err, ERR_UNSUPPORTED, 4, "b3dm version %u", version);
    }
    uint32_t end = bytes_load_u32le(tile.data + 8);
    if (end < HEADER_BYTES || end > tile.size) {
        return err_set_at(err, ERR_SYNTAX, 8, "size %u, but %zu bytes are here", end, tile.size);
    }

    struct b3dm found = {0};
    size_t at = HEADER_BYTES;
    for (size_t i = 0; i < B3DM_GLB; i++) {
        uint32_t size = bytes_load_u32le(tile.data + SIZES_AT + 4 * i);
        if (size > end - at) {
            return err_set_at(err, ERR_SYNTAX, SIZES_AT + 4 * i,
                              "table part of %u bytes, but %zu remain", size, end - at);
        }
        found.part[i] = (struct span){tile.data + at, size};
        at += size;
    }
    found.part[B3DM_GLB] = (struct span){tile.data + at, end - at};
    if (!trim_glb(&found.part[B3DM_GLB], at, err)) {
        return false;
    }
    *out = found;
    return true;
}

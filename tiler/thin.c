/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/thin.h"

#include <assert.h>

#include "tiler/collapse.h"
#include "tiler/parts.h"

/* Shapes that would not become half as large with their pictures' cuts kept
 * lose their pictures; those that keep them may be this much larger. */
static const double PICTURE_WORTH = 2;

static bool collapse(const struct shape *full, double error_m, bool keeps_uvs,
                     struct arena *out_arena, struct arena *scratch, struct shape *out,
                     struct err *err)
{
    const struct arena_mark mark = arena_mark(scratch);
    struct collapse *collapse;
    bool ok = collapse_open(full, NULL, keeps_uvs, scratch, &collapse, err);
    if (ok) {
        collapse_run(collapse, error_m, 0);
        ok = collapse_shape(collapse, out_arena, scratch, out, NULL, err);
    }
    arena_reset(scratch, mark);
    return ok;
}

bool thin_make(const struct shape *full, double error_m, struct arena *out_arena,
               struct arena *scratch, struct shape *out, struct err *err)
{
    assert(error_m > 0);
    struct shape large;
    struct shape thin;
    struct shape plain;
    uint32_t dropped_count;
    if (!parts_drop(full, error_m, NULL, out_arena, scratch, &large, NULL, &dropped_count, err) ||
        !collapse(&large, error_m, true, out_arena, scratch, &thin, err)) {
        return false;
    }
    if (large.uvs != NULL) {
        if (!collapse(&large, error_m, false, out_arena, scratch, &plain, err)) {
            return false;
        }
        if (thin.triangle_count > PICTURE_WORTH * plain.triangle_count) {
            thin = plain;
        }
    }
    *out = thin;
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/thin.h"

#include <assert.h>

#include "tiler/collapse.h"
#include "tiler/parts.h"

/* Shapes that would not become half as large with their pictures' cuts kept
 * lose their pictures; those that keep them may be this much larger. */
static const double PICTURE_WORTH = 2;

void thin_init(struct thin *thin, const struct shape *full, struct arena *arena)
{
    *thin = (struct thin){.base = *full, .arena = arena};
}

/* The collapses that are under way were of a base with more parts. */
static bool drop_parts(struct thin *thin, double error_m, struct arena *out_arena, struct err *err)
{
    struct shape large;
    uint32_t count;
    if (!parts_drop(&thin->base, error_m, NULL, out_arena, thin->arena, &large, NULL, &count,
                    err)) {
        return false;
    }
    if (count > 0) {
        thin->base = large;
        thin->cut = NULL;
        thin->plain = NULL;
    }
    return true;
}

static bool go_on(struct thin *thin, struct collapse **io, bool keeps_uvs, double error_m,
                  struct err *err)
{
    if (*io == NULL && !collapse_open(&thin->base, NULL, keeps_uvs, thin->arena, io, err)) {
        return false;
    }
    collapse_run(*io, error_m, 0);
    return true;
}

bool thin_next(struct thin *thin, double error_m, struct arena *out_arena, struct arena *scratch,
               struct shape *out, struct err *err)
{
    assert(error_m > thin->error_m);
    thin->error_m = error_m;
    if (!drop_parts(thin, error_m, out_arena, err) ||
        !go_on(thin, &thin->cut, true, error_m, err)) {
        return false;
    }
    const struct collapse *best = thin->cut;
    if (thin->base.uvs != NULL) {
        if (!go_on(thin, &thin->plain, false, error_m, err)) {
            return false;
        }
        if (collapse_triangle_count(thin->cut) >
            PICTURE_WORTH * collapse_triangle_count(thin->plain)) {
            best = thin->plain;
        }
    }
    return collapse_shape(best, out_arena, scratch, out, NULL, err);
}

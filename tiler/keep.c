/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/keep.h"

#include <stdlib.h>

#include "tiler/sight.h"

/* From one version of a figure (or nothing) to a finer one. */
struct gain {
    double area_per_byte;
    double bytes;
    uint32_t figure;
    uint32_t piece;
};

/* How much of what is seen is wrong. A small error already turns faces and moves
 * edges, so this rises at once. */
static double wrong_share(const struct figure *figure, double error_m)
{
    return figure->dropped_error_m > 0 ? fmin(1, sqrt(error_m / figure->dropped_error_m)) : 1;
}

/* A figure as it would be shown. */
struct version {
    double bytes;
    double wrong;
    uint32_t finer; /* pieces before this one are */
};

static struct version version_of(const struct figure *figure, uint32_t piece, double texel_m)
{
    const struct piece *full = &figure->pieces[0];
    const double seen_m2 = sight_area_m2(full);
    const double flat_m2 = sight_slopes_m2(full) - sight_slopes_m2(&figure->pieces[piece]);
    const double flat = seen_m2 > 0 ? fmax(0, flat_m2) / seen_m2 : 0;
    return (struct version){
        .bytes =
            (double)figure_row_bytes(figure) + (double)piece_bytes(&figure->pieces[piece], texel_m),
        .wrong = fmax(flat, wrong_share(figure, figure->pieces[piece].error_m)),
        .finer = piece,
    };
}

/* Ground that is drawn with other ground has the mean colour of both. */
static struct version version_without(const struct figure *figure, double error_m)
{
    const bool is_flat = figure->mass_count > 0 && mass_is_flat(&figure->masses[0].shape);
    return (struct version){.wrong = is_flat ? 1 : wrong_share(figure, error_m),
                            .finer = (uint32_t)figure->piece_count};
}

/* The steps of one figure that gain more for a byte than those after them. */
static size_t list_gains(const struct figure *figure, uint32_t index, struct version now,
                         double texel_m, struct gain *out)
{
    const double seen = now.finer == 0 ? 0 : sight_area_m2(&figure->pieces[0]);
    size_t count = 0;
    while (now.finer > 0) {
        struct gain best = {.area_per_byte = 0};
        struct version next = {.bytes = 0};
        for (uint32_t p = now.finer; p-- > 0;) {
            const struct version version = version_of(figure, p, texel_m);
            const double bytes = fmax(1, version.bytes - now.bytes);
            const double rate = seen * (now.wrong - version.wrong) / bytes;
            if (rate > best.area_per_byte) {
                best = (struct gain){rate, bytes, index, p};
                next = version;
            }
        }
        if (best.area_per_byte <= 0) {
            break;
        }
        out[count++] = best;
        now = next;
    }
    return count;
}

static int compare_gains(const void *a, const void *b)
{
    const struct gain *one = a;
    const struct gain *two = b;
    if (one->area_per_byte != two->area_per_byte) {
        return one->area_per_byte > two->area_per_byte ? -1 : 1;
    }
    return one->figure < two->figure ? -1 : one->figure > two->figure;
}

bool keep_choose(const struct figure *figures, size_t figure_count, double error_m,
                 uint64_t spend_bytes, double texel_m, struct arena *scratch, uint32_t *io_pieces,
                 struct err *err)
{
    const struct arena_mark mark = arena_mark(scratch);
    size_t most = 0;
    for (size_t i = 0; i < figure_count; i++) {
        most += figures[i].piece_count;
    }
    struct gain *gains = arena_array(scratch, struct gain, most);
    if (gains == NULL) {
        return arena_full(scratch, err);
    }
    size_t count = 0;
    for (size_t i = 0; i < figure_count; i++) {
        const struct figure *figure = &figures[i];
        const struct version now = io_pieces[i] == KEEP_NONE
                                       ? version_without(figure, error_m)
                                       : version_of(figure, io_pieces[i], texel_m);
        count += list_gains(figure, (uint32_t)i, now, texel_m, gains + count);
        io_pieces[i] = KEEP_NONE;
    }
    qsort(gains, count, sizeof gains[0], compare_gains);
    double left = (double)spend_bytes;
    for (size_t i = 0; i < count && gains[i].bytes <= left; i++) {
        left -= gains[i].bytes;
        io_pieces[gains[i].figure] = gains[i].piece;
    }
    arena_reset(scratch, mark);
    return true;
}

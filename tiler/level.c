/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/level.h"

#include <assert.h>
#include <stdlib.h>

/* Three string offsets, a double, an end of the last string, and some of the
 * JSON that describes the table. */
enum { ROW_FIXED_BYTES = 24 };

uint32_t level_row_bytes(const struct figure *figure)
{
    return (uint32_t)(ROW_FIXED_BYTES + figure->id.size + figure->class_name.size +
                      figure->name.size);
}

/* The cheapest that is wrong by at most `error_m`: the last in the chain. */
static uint32_t cheapest(const struct figure *figure, double error_m)
{
    if (figure->dropped_error_m <= error_m) {
        return LEVEL_DROPPED;
    }
    size_t found = figure->piece_count;
    for (size_t i = 0; i < figure->piece_count && figure->pieces[i].error_m <= error_m; i++) {
        found = i;
    }
    return found == figure->piece_count ? LEVEL_DROPPED : (uint32_t)found;
}

/* Errors below what the best pieces already have cannot be asked for. */
static double least_error(const struct figure *figures, size_t count)
{
    double least = 0;
    for (size_t i = 0; i < count; i++) {
        const double best =
            figures[i].piece_count == 0 ? figures[i].dropped_error_m : figures[i].pieces[0].error_m;
        least = best > least ? best : least;
    }
    return least;
}

static uint64_t cost_of(const struct figure *figures, size_t count, double error_m, double texel_m)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        const uint32_t choice = cheapest(&figures[i], error_m);
        if (choice != LEVEL_DROPPED) {
            bytes +=
                piece_bytes(&figures[i].pieces[choice], texel_m) + level_row_bytes(&figures[i]);
        }
    }
    return bytes;
}

static int compare_doubles(const void *a, const void *b)
{
    const double left = *(const double *)a;
    const double right = *(const double *)b;
    return (left > right) - (left < right);
}

/* Images become cheaper with every error: steps of it, a fifth apart, are
 * enough. At most so many, from a millimetre to a hundred kilometres. */
static const double IMAGE_STEP = 1.2;
enum { IMAGE_STEPS_MAX = 104 };

static double image_texel_m(const struct piece *piece)
{
    return piece->image_texels > 0 ? sqrt(piece->image_area_m2 / piece->image_texels) : HUGE_VAL;
}

/* Whether the piece's images would be made coarser for such texels. */
static bool has_finer_image(const struct piece *piece, double texel_m)
{
    return image_texel_m(piece) < texel_m;
}

/* From the finest image of all to the largest error. */
static size_t list_image_steps(const struct figure *figures, size_t count, double texel_per_error,
                               double least, double *out)
{
    double finest_m = HUGE_VAL;
    double largest_m = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < figures[i].piece_count; k++) {
            finest_m = fmin(finest_m, image_texel_m(&figures[i].pieces[k]));
        }
        largest_m = fmax(largest_m, figures[i].dropped_error_m);
    }
    if (!(texel_per_error > 0) || finest_m == HUGE_VAL) {
        return 0;
    }
    size_t found = 0;
    double error_m = fmax(finest_m, 1e-3) / texel_per_error;
    for (; error_m < largest_m && found < IMAGE_STEPS_MAX; error_m *= IMAGE_STEP) {
        if (error_m > least) {
            out[found++] = error_m;
        }
    }
    return found;
}

/* All errors from `least` on at which some feature becomes cheaper, rising. */
static bool list_errors(const struct figure *figures, size_t count, double least,
                        double texel_per_error, struct arena *scratch, double **out,
                        size_t *out_count, struct err *err)
{
    size_t most = 1 + IMAGE_STEPS_MAX;
    for (size_t i = 0; i < count; i++) {
        most += figures[i].piece_count + 1;
    }
    double *errors = arena_array(scratch, double, most);
    if (errors == NULL) {
        return arena_full(scratch, err);
    }
    size_t found = 0;
    errors[found++] = least;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < figures[i].piece_count; k++) {
            if (figures[i].pieces[k].error_m > least) {
                errors[found++] = figures[i].pieces[k].error_m;
            }
        }
        if (figures[i].dropped_error_m > least) {
            errors[found++] = figures[i].dropped_error_m;
        }
    }
    found += list_image_steps(figures, count, texel_per_error, least, errors + found);
    qsort(errors, found, sizeof errors[0], compare_doubles);
    *out = errors;
    *out_count = found;
    return true;
}

bool level_choose(const struct figure *figures, size_t figure_count, uint64_t budget_bytes,
                  double texel_per_error, struct arena *scratch, uint32_t *out_choice,
                  double *out_error_m, struct err *err)
{
    const struct arena_mark mark = arena_mark(scratch);
    const double least = least_error(figures, figure_count);
    double *errors;
    size_t count;
    if (!list_errors(figures, figure_count, least, texel_per_error, scratch, &errors, &count,
                     err)) {
        arena_reset(scratch, mark);
        return false;
    }
    size_t low = 0;
    size_t high = count - 1; /* dropping everything always fits */
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const double texel_m = errors[middle] * texel_per_error;
        if (cost_of(figures, figure_count, errors[middle], texel_m) <= budget_bytes) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    const double limit = errors[low];
    double worst = 0;
    for (size_t i = 0; i < figure_count; i++) {
        out_choice[i] = cheapest(&figures[i], limit);
        const double wrong = out_choice[i] == LEVEL_DROPPED
                                 ? figures[i].dropped_error_m
                                 : figures[i].pieces[out_choice[i]].error_m;
        worst = wrong > worst ? wrong : worst;
        /* Images are as coarse as the limit allows: then the tile is, too. */
        if (out_choice[i] != LEVEL_DROPPED &&
            has_finer_image(&figures[i].pieces[out_choice[i]], limit * texel_per_error)) {
            worst = limit;
        }
    }
    assert(worst <= limit);
    *out_error_m = worst;
    arena_reset(scratch, mark);
    return true;
}

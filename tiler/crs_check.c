/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "formats/base/earth.h"
#include "tiler/crs_definition.h"
#include "tiler/crs_internal.h"

/* Half of the points inside the area of use say that the system fits: the rest
 * may be outliers. */
#define ENOUGH 0.5

/* Work goes on beyond an area's edge: half its width more is no reason to
 * doubt. A zone of three degrees then reaches three degrees from its meridian. */
#define MARGIN_SHARE 0.5
#define MARGIN_MIN_DEG 0.5
#define MARGIN_MAX_DEG 3.0

/* Nearer to the origin of a projected system than this, and outside its area,
 * lies a model that was never placed. */
#define UNPLACED_M 20000.0

/* A point is far from all others when it lies further from their middle than
 * this, and further than this many times three quarters of them. */
#define OUTLIER_M 50000.0
#define OUTLIER_TIMES 20.0

enum { OUTLIER_POINTS_MIN = 5, SISTER_POINTS_MAX = 16 };

struct area {
    double west_deg, south_deg, east_deg, north_deg;
};

struct sample {
    const double *points; /* as published */
    size_t count;
    double *ecef;   /* count x 3; NAN where there is no place */
    double *sorted; /* count; scratch */
    size_t placed_count;
};

static int compare_doubles(const void *a, const void *b)
{
    double x;
    double y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

/* The middle value of every third number from `first` on; what is not finite
 * does not count. */
static double median_of(const double *first, size_t count, double *scratch)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (isfinite(first[3 * i])) {
            scratch[kept++] = first[3 * i];
        }
    }
    if (kept == 0) {
        return (double)NAN;
    }
    qsort(scratch, kept, sizeof *scratch, compare_doubles);
    return scratch[kept / 2];
}

static double clamp(double value, double low, double high)
{
    return value < low ? low : value > high ? high : value;
}

static double width_of(struct area area)
{
    return area.east_deg < area.west_deg ? area.east_deg + 360 - area.west_deg
                                         : area.east_deg - area.west_deg;
}

static bool is_within(struct area area, double margin_deg, double longitude_deg,
                      double latitude_deg)
{
    double east_of_west = fmod(longitude_deg - (area.west_deg - margin_deg), 360);
    east_of_west += east_of_west < 0 ? 360 : 0;
    return east_of_west <= width_of(area) + 2 * margin_deg &&
           latitude_deg >= area.south_deg - margin_deg &&
           latitude_deg <= area.north_deg + margin_deg;
}

static bool is_inside(struct area area, double longitude_deg, double latitude_deg)
{
    const double margin_deg = clamp(MARGIN_SHARE * width_of(area), MARGIN_MIN_DEG, MARGIN_MAX_DEG);
    return is_within(area, margin_deg, longitude_deg, latitude_deg);
}

static struct area area_of(const struct crs_plan *plan)
{
    return (struct area){plan->west_deg, plan->south_deg, plan->east_deg, plan->north_deg};
}

/* Places every point with the plan as it stands. */
static bool place(const struct crs_plan *plan, struct sample *sample, struct err *err)
{
    struct crs crs;
    if (!crs_open(&crs, plan, err)) {
        return false;
    }
    memcpy(sample->ecef, sample->points, 3 * sample->count * sizeof *sample->ecef);
    sample->placed_count = 0;
    for (size_t i = 0; i < sample->count; i++) {
        struct err ignored;
        double *point = sample->ecef + 3 * i;
        if (crs_to_ecef(&crs, point, 1, &ignored)) {
            sample->placed_count++;
        } else {
            point[0] = point[1] = point[2] = (double)NAN;
        }
    }
    crs_close(&crs);
    return true;
}

/* The share of points inside the area of use; 1 for all placed ones when the
 * area is not known. */
static double share_inside(const struct crs_plan *plan, const struct sample *sample)
{
    size_t inside_count = 0;
    for (size_t i = 0; i < sample->count; i++) {
        const double *p = sample->ecef + 3 * i;
        if (!isfinite(p[0])) {
            continue;
        }
        const struct earth_point at = earth_from_ecef((struct vec3){p[0], p[1], p[2]});
        inside_count +=
            !plan->has_area || is_inside(area_of(plan), at.longitude_rad / EARTH_RAD_PER_DEG,
                                         at.latitude_rad / EARTH_RAD_PER_DEG);
    }
    return (double)inside_count / (double)sample->count;
}

/* "EPSG:4547", or the name of what has no code. */
static const char *label_of(const struct crs_plan *plan, struct arena *run)
{
    const char *label =
        plan->code == NULL ? NULL : arena_print(run, "%s:%s", plan->authority, plan->code);
    return label == NULL ? plan->name : label;
}

/* A few points spread over the sample, east first. */
static size_t thin_out(const struct sample *sample, bool is_yx, double out[3 * SISTER_POINTS_MAX])
{
    const size_t step = (sample->count + SISTER_POINTS_MAX - 1) / SISTER_POINTS_MAX;
    size_t count = 0;
    for (size_t i = 0; i < sample->count; i += step) {
        const double *p = sample->points + 3 * i;
        if (isfinite(p[0]) && isfinite(p[1])) {
            out[3 * count] = p[is_yx ? 1 : 0];
            out[3 * count + 1] = p[is_yx ? 0 : 1];
            out[3 * count + 2] = 0;
            count++;
        }
    }
    return count;
}

static bool find_sister(const struct crs_plan *plan, const struct sample *sample,
                        struct crs_sister *out, bool *out_is_turned)
{
    double points[3 * SISTER_POINTS_MAX];
    for (int turn = 0; turn < 2; turn++) {
        if (turn == 1 && plan->axis != CRS_AXIS_AUTO) {
            break;
        }
        const size_t count = thin_out(sample, plan->is_yx != (turn == 1), points);
        if (count > 0 && crs_find_sister(plan, points, count, out)) {
            *out_is_turned = turn == 1;
            return true;
        }
    }
    return false;
}

/* Angles where metres are expected. */
static bool are_degrees(const struct crs_plan *plan, const struct sample *sample)
{
    size_t count = 0;
    for (size_t i = 0; i < sample->count; i++) {
        const double *p = sample->points + 3 * i;
        const bool fits =
            is_inside(area_of(plan), p[0], p[1]) || is_inside(area_of(plan), p[1], p[0]);
        count += fabs(p[0]) <= 180 && fabs(p[1]) <= 180 && fits;
    }
    return plan->has_area && (double)count >= ENOUGH * (double)sample->count;
}

/* Metres where angles are expected, or the reverse. */
static bool check_units(const struct crs_plan *plan, const struct sample *sample, double x,
                        double y, struct arena *run, struct err *err)
{
    struct crs_sister sister;
    bool is_turned;
    if (plan->is_geographic && (fabs(x) > 400 || fabs(y) > 400)) {
        if (find_sister(plan, sample, &sister, &is_turned)) {
            return err_set(
                err, ERR_CRS,
                "coordinates such as %.0f, %.0f are no degrees, as %s has them: --crs %s "
                "(%s) fits",
                x, y, label_of(plan, run), sister.code, sister.name);
        }
        return err_set(err, ERR_CRS,
                       "coordinates such as %.0f, %.0f are no degrees, as %s has them: --crs names "
                       "the projected system they are in",
                       x, y, label_of(plan, run));
    }
    if (!plan->is_geographic && !plan->is_geocentric && are_degrees(plan, sample)) {
        return err_set(err, ERR_CRS,
                       "coordinates such as %.6f, %.6f are degrees, but %s counts in metres: --crs "
                       "%s fits",
                       x, y, label_of(plan, run),
                       strstr(plan->geodetic_name, "China Geodetic") != NULL ? "EPSG:4490"
                                                                             : "EPSG:4326");
    }
    return true;
}

/* 38 of 38512345; 0 when the number has no zone in front. */
static int prefix_of(double easting)
{
    const double millions = floor(easting / 1e6);
    const double rest = easting - 1e6 * millions;
    return millions >= 1 && millions <= 120 && rest > 5e4 && rest < 9.5e5 ? (int)millions : 0;
}

/* Whether the points fit once the prefix is taken off their eastings. */
static bool fits_without(const struct crs_plan *plan, const struct sample *sample, int prefix,
                         struct arena *run)
{
    struct arena_mark mark = arena_mark(run);
    struct sample shorter = *sample;
    double *points = arena_array(run, double, 3 * sample->count);
    shorter.ecef = arena_array(run, double, 3 * sample->count);
    bool fits = false;
    if (points != NULL && shorter.ecef != NULL) {
        memcpy(points, sample->points, 3 * sample->count * sizeof *points);
        for (size_t i = 0; i < sample->count; i++) {
            points[3 * i + (plan->is_yx ? 1 : 0)] -= 1e6 * prefix;
        }
        shorter.points = points;
        struct err ignored;
        fits = place(plan, &shorter, &ignored) && share_inside(plan, &shorter) >= ENOUGH;
    }
    arena_reset(run, mark);
    return fits;
}

/* A zone in the eastings that the system has not. */
static bool check_prefix(const struct crs_plan *plan, const struct sample *sample, double x,
                         double y, struct arena *run, struct err *err)
{
    for (int turn = 0; turn < 2; turn++) {
        struct crs_plan tried = *plan;
        tried.is_yx = plan->is_yx != (turn == 1);
        const double easting = tried.is_yx ? y : x;
        const int prefix = prefix_of(easting);
        if (prefix == 0 || plan->is_geographic || !fits_without(&tried, sample, prefix, run)) {
            continue;
        }
        struct crs_sister sister = {"", ""};
        bool is_turned;
        if (plan->is_meridian) {
            return err_set(err, ERR_CRS,
                           "eastings such as %.0f begin with the zone %d: --crs cgcs2000:%.10g,%d "
                           "fits",
                           easting, prefix, plan->meridian_deg, prefix);
        }
        if (find_sister(plan, sample, &sister, &is_turned)) {
            return err_set(err, ERR_CRS,
                           "eastings such as %.0f begin with the zone %d, which %s has not: --crs "
                           "%s (%s) fits",
                           easting, prefix, label_of(plan, run), sister.code, sister.name);
        }
        return err_set(err, ERR_CRS,
                       "eastings such as %.0f begin with the zone %d, which %s has not: a "
                       "definition with the prefix in its false easting is needed",
                       easting, prefix, label_of(plan, run));
    }
    return true;
}

static double middle_deg(const struct sample *sample, double *out_latitude_deg)
{
    const struct vec3 middle = {median_of(sample->ecef, sample->count, sample->sorted),
                                median_of(sample->ecef + 1, sample->count, sample->sorted),
                                median_of(sample->ecef + 2, sample->count, sample->sorted)};
    const struct earth_point at = earth_from_ecef(middle);
    *out_latitude_deg = at.latitude_rad / EARTH_RAD_PER_DEG;
    return at.longitude_rad / EARTH_RAD_PER_DEG;
}

/* Neither axis order fits: says what would, or only doubts. */
static bool explain_misfit(const struct crs_plan *plan, struct sample *sample, double x, double y,
                           struct arena *run, struct crs_check *check, struct err *err)
{
    const char *label = label_of(plan, run);
    if (!check_prefix(plan, sample, x, y, run, err)) {
        return false;
    }
    const bool is_plane = !plan->is_geographic && !plan->is_geocentric;
    if (is_plane && fabs(x) < UNPLACED_M && fabs(y) < UNPLACED_M) {
        return err_set(err, ERR_CRS,
                       "coordinates such as %.1f, %.1f lie at the origin of %s, far from its area: "
                       "a model without a place; --crs-file can hold its four parameters",
                       x, y, label);
    }
    struct crs_sister sister;
    bool is_turned = false;
    if (!plan->is_private && !plan->is_geocentric &&
        find_sister(plan, sample, &sister, &is_turned)) {
        return err_set(err, ERR_CRS,
                       "coordinates such as %.0f, %.0f lie outside the area of %s: --crs %s (%s)%s "
                       "fits",
                       x, y, label, sister.code, sister.name,
                       is_turned ? " with --axis the other way" : "");
    }
    if (2 * sample->placed_count < sample->count) {
        return err_set(err, ERR_CRS,
                       "coordinates such as %.10g, %.10g have no place on earth in %s: --crs names "
                       "the system they are in",
                       x, y, label);
    }
    double latitude_deg;
    const double longitude_deg = middle_deg(sample, &latitude_deg);
    check->notice = arena_print(run,
                                "at longitude %.4f, latitude %.4f the data lie outside the area of "
                                "%s (%.4g to %.4g east, %.4g to %.4g north): is that the right "
                                "system?",
                                longitude_deg, latitude_deg, label, plan->west_deg, plan->east_deg,
                                plan->south_deg, plan->north_deg);
    return check->notice != NULL || arena_full(run, err);
}

/* The axis order that fits; turns the plan or says what to do. */
static bool settle_axes(struct crs_plan *plan, struct sample *sample, double x, double y,
                        struct arena *run, struct crs_check *check, struct err *err)
{
    if (!place(plan, sample, err)) {
        return false;
    }
    if (plan->is_geocentric || share_inside(plan, sample) >= ENOUGH) {
        return true;
    }
    struct crs_plan turned = *plan;
    turned.is_yx = !plan->is_yx;
    if (!place(&turned, sample, err)) {
        return false;
    }
    if (share_inside(&turned, sample) < ENOUGH) {
        return place(plan, sample, err) && explain_misfit(plan, sample, x, y, run, check, err);
    }
    if (plan->axis != CRS_AXIS_AUTO) {
        return err_set(err, ERR_CRS,
                       "coordinates such as %.10g, %.10g lie in the area of %s only the other way "
                       "round: --axis %s fits",
                       x, y, label_of(plan, run), turned.is_yx ? "yx" : "xy");
    }
    if (!crs_compose(&turned, run, err)) {
        return false;
    }
    check->notice = arena_print(run,
                                "the first coordinate is taken as the %s (%s only fits so); --axis "
                                "says otherwise",
                                turned.is_yx ? plan->is_geographic ? "latitude" : "northing"
                                : plan->is_geographic ? "longitude"
                                                      : "easting",
                                label_of(plan, run));
    if (check->notice == NULL) {
        return arena_full(run, err);
    }
    *plan = turned;
    return true;
}

/* The most accurate of the ways made for a place, the library's order among
 * equals; way_count when there is none. */
static size_t best_way(const struct crs_parts *parts, double margin_deg, double longitude_deg,
                       double latitude_deg)
{
    size_t best = parts->way_count;
    for (size_t i = 0; i < parts->way_count; i++) {
        const struct crs_way *way = &parts->ways[i];
        const struct area area = {way->west_deg, way->south_deg, way->east_deg, way->north_deg};
        if (way->has_area && !is_within(area, margin_deg, longitude_deg, latitude_deg)) {
            continue;
        }
        const double best_m = best == parts->way_count ? -1 : parts->ways[best].accuracy_m;
        if (best == parts->way_count ||
            (way->accuracy_m >= 0 && (best_m < 0 || way->accuracy_m < best_m))) {
            best = i;
        }
    }
    return best;
}

/* Of several registered ways to WGS 84, the one made for where the data lie. */
static bool settle_way(struct crs_plan *plan, struct sample *sample, struct arena *run,
                       struct crs_check *check, struct err *err)
{
    const struct crs_parts *parts = plan->parts;
    if (parts->way_count == 1 && parts->ways[0].accuracy_m == 0) {
        return true; /* a projection and no datum shift */
    }
    double latitude_deg;
    const double longitude_deg = middle_deg(sample, &latitude_deg);
    size_t best = best_way(parts, 0, longitude_deg, latitude_deg);
    if (best == parts->way_count) {
        best = best_way(parts, MARGIN_MIN_DEG, longitude_deg, latitude_deg);
    }
    if (best < parts->way_count) {
        if (best == parts->way_index) {
            return true;
        }
        struct crs_parts *turned = arena_array(run, struct crs_parts, 1);
        if (turned == NULL) {
            return arena_full(run, err);
        }
        *turned = *parts;
        turned->way_index = best;
        struct crs_plan changed = *plan;
        changed.parts = turned;
        if (!crs_compose(&changed, run, err)) {
            return false;
        }
        *plan = changed;
        return place(plan, sample, err);
    }
    if (check->notice == NULL) {
        const struct crs_way *way = &parts->ways[parts->way_index];
        check->notice = arena_print(run,
                                    "no registered operation from %s is made for the place of the "
                                    "data: '%s' (%s) is used, up to a hundred metres off",
                                    plan->datum_name, way->name,
                                    way->area_name == NULL ? "elsewhere" : way->area_name);
    }
    return check->notice != NULL || arena_full(run, err);
}

static bool find_outliers(struct sample *sample, struct arena *run, struct crs_check *check,
                          struct err *err)
{
    const struct vec3 middle = {median_of(sample->ecef, sample->count, sample->sorted),
                                median_of(sample->ecef + 1, sample->count, sample->sorted),
                                median_of(sample->ecef + 2, sample->count, sample->sorted)};
    size_t *outliers = arena_array(run, size_t, sample->count);
    double *distances = arena_array(run, double, sample->count);
    if (outliers == NULL || distances == NULL) {
        return arena_full(run, err);
    }
    size_t placed = 0;
    for (size_t i = 0; i < sample->count; i++) {
        const double *p = sample->ecef + 3 * i;
        distances[i] = vec3_distance((struct vec3){p[0], p[1], p[2]}, middle);
        if (isfinite(distances[i])) {
            sample->sorted[placed++] = distances[i];
        }
    }
    qsort(sample->sorted, placed, sizeof *sample->sorted, compare_doubles);
    const double most_m = placed == 0 ? 0 : sample->sorted[3 * placed / 4];
    const double limit_m = fmax(OUTLIER_M, OUTLIER_TIMES * most_m);
    size_t count = 0;
    for (size_t i = 0; i < sample->count && sample->count >= OUTLIER_POINTS_MIN; i++) {
        if (!(distances[i] <= limit_m)) {
            outliers[count++] = i;
        }
    }
    check->outliers = outliers;
    check->outlier_count = count;
    return true;
}

/* Where the city lies, and what its heights gain there. */
static void describe(const struct crs_plan *plan, struct sample *sample, struct crs_check *check)
{
    check->longitude_deg = middle_deg(sample, &check->latitude_deg);
    const struct vec3 middle =
        earth_to_ecef(earth_point_deg(check->longitude_deg, check->latitude_deg, 0));
    double nearest_m = (double)INFINITY;
    for (size_t i = 0; i < sample->count && !plan->is_geocentric; i++) {
        const struct vec3 p = {sample->ecef[3 * i], sample->ecef[3 * i + 1],
                               sample->ecef[3 * i + 2]};
        const double distance_m = vec3_distance(p, middle);
        if (distance_m < nearest_m) {
            nearest_m = distance_m;
            check->height_shift_m = earth_from_ecef(p).height_m - sample->points[3 * i + 2];
        }
    }
}

bool crs_check_sample(struct crs_plan *plan, const double *points, size_t count, struct arena *run,
                      struct crs_check *out, struct err *err)
{
    struct crs_check check = {0};
    if (count == 0) {
        *out = check;
        return true;
    }
    struct sample sample = {.points = points, .count = count};
    sample.ecef = arena_array(run, double, 3 * count);
    sample.sorted = arena_array(run, double, count);
    if (sample.ecef == NULL || sample.sorted == NULL) {
        return arena_full(run, err);
    }
    const double x = median_of(points, count, sample.sorted);
    const double y = median_of(points + 1, count, sample.sorted);
    struct crs_plan settled = *plan;
    if (!isfinite(x) || !isfinite(y)) {
        return err_set(err, ERR_CRS, "none of %zu coordinates is a finite number", count);
    }
    if (!check_units(&settled, &sample, x, y, run, err) ||
        !settle_axes(&settled, &sample, x, y, run, &check, err) ||
        !settle_way(&settled, &sample, run, &check, err) ||
        !find_outliers(&sample, run, &check, err)) {
        return false;
    }
    describe(&settled, &sample, &check);
    *plan = settled;
    *out = check;
    return true;
}

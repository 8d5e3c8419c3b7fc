/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/crs.h"

#include <assert.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <proj.h>
#include <proj_experimental.h>

#include "formats/base/earth.h"
#include "tiler/crs_definition.h"
#include "tiler/crs_internal.h"

/* Ways to WGS 84 that are kept for a datum with many regions. */
enum { WAYS_MAX = 64 };

/* Heights by EGM96 instead of the country's own surface; libraries and national
 * comparisons agree on a metre or two (Pavlis et al. 2012 give 0.5 m rms). */
#define EGM96_ACCURACY_M 2.0

/* What the authority states for frames fixed to a continent, such as ETRS89,
 * when they are taken as WGS 84: a metre. */
#define FIXED_FRAME_ACCURACY_M 1.0

#define TO_DEGREES "+step +proj=unitconvert +xy_in=rad +xy_out=deg"
#define TO_RADIANS "+step +proj=unitconvert +xy_in=deg +xy_out=rad"

/* Everything that is alive while a plan is being made. */
struct maker {
    PJ_CONTEXT *context;
    const struct crs_request *request;
    struct arena *run;
    struct crs_definition definition;
    PJ *whole;                /* as defined */
    PJ *horizontal;           /* 2D, 3D or earth-centred; without the vertical part */
    PJ *vertical;             /* or NULL */
    int axis_count;           /* of horizontal */
    const char *height_steps; /* source heights to ellipsoidal metres, in degrees */
    const char *shown_height_steps;
    struct crs_way ways[WAYS_MAX];
    size_t way_count;
    double frame_accuracy_m; /* of taking the ways' target as WGS 84; in their accuracy */
    struct crs_plan plan;
};

static PJ_CONTEXT *open_context(struct err *err)
{
    PJ_CONTEXT *context = proj_context_create();
    if (context == NULL) {
        err_set(err, ERR_NOMEM, "no memory for PROJ");
        return NULL;
    }
    proj_log_level(context, PJ_LOG_NONE);
    proj_context_set_enable_network(context, 0);
    return context;
}

/* "EPSG:4547", or the name of what has no code: notices have to fit a line. */
static const char *label_of(struct maker *maker)
{
    const struct crs_plan *plan = &maker->plan;
    const char *label =
        plan->code == NULL ? NULL : arena_print(maker->run, "%s:%s", plan->authority, plan->code);
    return label == NULL ? plan->name : label;
}

static bool add_notice(struct maker *maker, const char *notice, struct err *err)
{
    if (notice == NULL) {
        return arena_full(maker->run, err);
    }
    if (maker->plan.notice_count < CRS_NOTICES_MAX) {
        maker->plan.notices[maker->plan.notice_count++] = notice;
    }
    return true;
}

/* A number with the fewest digits that give it back; 32 bytes. */
static const char *number(double value, char out[32])
{
    snprintf(out, 32, "%.15g", value);
    if (strtod(out, NULL) != value) {
        snprintf(out, 32, "%.17g", value);
    }
    return out;
}

static char *copy_text(struct arena *run, const char *text)
{
    return arena_print(run, "%s", text);
}

/* --- reading a definition --- */

static bool is_code(const char *text)
{
    const char *colon = strchr(text, ':');
    return colon != NULL && strlen(text) < 40 && strpbrk(text, " +[{/") == NULL;
}

static bool is_structured(const char *text)
{
    return strpbrk(text, "[{+=") != NULL || strncasecmp(text, "urn:", 4) == 0 ||
           strncasecmp(text, "http", 4) == 0;
}

/* Letters and digits only, in one case: "WGS_1984 UTM" and "wgs1984utm" agree. */
static bool is_same_name(const char *a, const char *b)
{
    for (;;) {
        a += strspn(a, " _-/()");
        b += strspn(b, " _-/()");
        if (*a == '\0' || *b == '\0') {
            return *a == *b;
        }
        if (strncasecmp(a, b, 1) != 0) {
            return false;
        }
        a++;
        b++;
    }
}

static const char *kind_of(PJ_TYPE type)
{
    switch (type) {
    case PJ_TYPE_ELLIPSOID:
        return "an ellipsoid";
    case PJ_TYPE_PRIME_MERIDIAN:
        return "a prime meridian";
    case PJ_TYPE_GEODETIC_REFERENCE_FRAME:
    case PJ_TYPE_DYNAMIC_GEODETIC_REFERENCE_FRAME:
    case PJ_TYPE_DATUM_ENSEMBLE:
        return "a datum";
    case PJ_TYPE_VERTICAL_REFERENCE_FRAME:
    case PJ_TYPE_DYNAMIC_VERTICAL_REFERENCE_FRAME:
        return "a vertical datum";
    default:
        return "an operation";
    }
}

/* A code of the registry that stands for something else. */
static bool refuse_other_kind(struct maker *maker, const char *text, struct err *err)
{
    static const PJ_CATEGORY categories[] = {PJ_CATEGORY_DATUM, PJ_CATEGORY_ELLIPSOID,
                                             PJ_CATEGORY_COORDINATE_OPERATION};
    char authority[40];
    snprintf(authority, sizeof authority, "%.*s", (int)strcspn(text, ":"), text);
    for (size_t i = 0; i < sizeof categories / sizeof categories[0]; i++) {
        PJ *found = proj_create_from_database(maker->context, authority, strchr(text, ':') + 1,
                                              categories[i], 0, NULL);
        if (found != NULL) {
            const PJ_TYPE type = proj_get_type(found);
            err_set(err, ERR_CRS, "'%s' (%.60s) is %s, not a coordinate system", text,
                    proj_get_name(found), kind_of(type));
            proj_destroy(found);
            return true;
        }
    }
    return false;
}

static bool refuse_unknown(struct maker *maker, const char *text, struct err *err)
{
    if (is_code(text)) {
        if (refuse_other_kind(maker, text, err)) {
            return false;
        }
        return err_set(err, ERR_CRS,
                       "no such CRS %s; --crs takes an EPSG code (see epsg.org), WKT or a PROJ "
                       "string, --crs-file a local system",
                       text);
    }
    return err_set(err, ERR_CRS,
                   "not a coordinate system: '%.70s%s'; --crs takes an EPSG code, WKT or a PROJ "
                   "string",
                   text, strlen(text) > 70 ? "..." : "");
}

/* Any text PROJ reads, to an object that is surely a coordinate system. */
static bool make_system(struct maker *maker, const char *text, PJ **out, struct err *err)
{
    const char *asked = text;
    if ((text[0] == '+' || strncmp(text, "proj=", 5) == 0) && strstr(text, "type=crs") == NULL) {
        asked = arena_print(maker->run, "%s +type=crs", text);
        if (asked == NULL) {
            return arena_full(maker->run, err);
        }
    }
    PJ *found = proj_create(maker->context, asked);
    if (found == NULL) {
        return refuse_unknown(maker, text, err);
    }
    if (!proj_is_crs(found)) {
        const PJ_TYPE type = proj_get_type(found);
        proj_destroy(found);
        return err_set(err, ERR_CRS, "'%.70s' is %s, not a coordinate system", text, kind_of(type));
    }
    if (!is_code(text) && !is_structured(text) && !is_same_name(proj_get_name(found), text)) {
        /* PROJ searches names approximately: "local" would find something. */
        err_set(err, ERR_CRS, "no CRS is named '%.60s'; --crs EPSG:%s is '%.60s'", text,
                proj_get_id_code(found, 0) == NULL ? "?" : proj_get_id_code(found, 0),
                proj_get_name(found));
        proj_destroy(found);
        return false;
    }
    *out = found;
    return true;
}

/* The system below "bound" ones (WKT with TOWGS84 or a grid), as a new object. */
static PJ *unbound(struct maker *maker, const PJ *system)
{
    PJ *found = proj_clone(maker->context, system);
    while (found != NULL && proj_get_type(found) == PJ_TYPE_BOUND_CRS) {
        PJ *source = proj_get_source_crs(maker->context, found);
        proj_destroy(found);
        found = source;
    }
    return found;
}

/* Number of axes, unit of the first and direction of the first and last. */
struct axes {
    int count;
    double unit;      /* to metres, or to radians */
    double last_unit; /* of the last axis */
    char first[24];   /* "north", "east", ... */
    char last[24];    /* "up", "down" */
};

static bool measure_axes(struct maker *maker, const PJ *system, struct axes *out)
{
    PJ *plain = unbound(maker, system);
    PJ *axes = plain == NULL ? NULL : proj_crs_get_coordinate_system(maker->context, plain);
    struct axes found = {0};
    found.count = axes == NULL ? 0 : proj_cs_get_axis_count(maker->context, axes);
    bool is_known = found.count > 0;
    if (is_known) {
        const char *direction = NULL;
        is_known = proj_cs_get_axis_info(maker->context, axes, 0, NULL, NULL, &direction,
                                         &found.unit, NULL, NULL, NULL) != 0;
        snprintf(found.first, sizeof found.first, "%s", direction == NULL ? "" : direction);
        direction = NULL;
        is_known =
            is_known && proj_cs_get_axis_info(maker->context, axes, found.count - 1, NULL, NULL,
                                              &direction, &found.last_unit, NULL, NULL, NULL) != 0;
        snprintf(found.last, sizeof found.last, "%s", direction == NULL ? "" : direction);
    }
    proj_destroy(axes);
    proj_destroy(plain);
    *out = found;
    return is_known;
}

/* The vertical part by the rules: --vertical, else the system's own, else the
 * one joined to it; none for 2D systems, and for 3D ones. */
static bool find_vertical(struct maker *maker, struct err *err)
{
    const char *asked = maker->request->vertical;
    if (asked == NULL) {
        asked = maker->vertical == NULL ? maker->definition.vertical : NULL;
        if (asked == NULL) {
            return true;
        }
    }
    proj_destroy(maker->vertical);
    maker->vertical = NULL;
    if (strncasecmp(asked, "ellipsoid", 9) == 0) {
        maker->plan.is_height_ellipsoidal = true;
        return true;
    }
    const char *text = strcasecmp(asked, "EGM96") == 0     ? "EPSG:5773"
                       : strcasecmp(asked, "EGM2008") == 0 ? "EPSG:3855"
                                                           : crs_definition_code(asked, maker->run);
    PJ *found = NULL;
    if (!make_system(maker, text, &found, err)) {
        return false;
    }
    PJ *plain = unbound(maker, found);
    const bool is_vertical = plain != NULL && proj_get_type(plain) == PJ_TYPE_VERTICAL_CRS;
    proj_destroy(plain);
    if (!is_vertical) {
        err_set(err, ERR_CRS,
                "'%.60s' (%.60s) is not a height system; --vertical takes one such as "
                "EPSG:5773, or ellipsoid",
                text, proj_get_name(found));
        proj_destroy(found);
        return false;
    }
    maker->vertical = found;
    return true;
}

/* Takes the whole apart: horizontal, vertical, and what kind the horizontal is. */
static bool split_whole(struct maker *maker, struct err *err)
{
    if (!make_system(maker, maker->definition.horizontal, &maker->whole, err)) {
        return false;
    }
    if (proj_get_type(maker->whole) == PJ_TYPE_COMPOUND_CRS) {
        maker->horizontal = proj_crs_get_sub_crs(maker->context, maker->whole, 0);
        maker->vertical = proj_crs_get_sub_crs(maker->context, maker->whole, 1);
    } else {
        maker->horizontal = proj_clone(maker->context, maker->whole);
    }
    PJ *plain = maker->horizontal == NULL ? NULL : unbound(maker, maker->horizontal);
    if (plain == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for PROJ");
    }
    const PJ_TYPE type = proj_get_type(plain);
    proj_destroy(plain);
    struct axes axes;
    if (!measure_axes(maker, maker->horizontal, &axes)) {
        return err_set(err, ERR_CRS, "'%.80s' has no axes", proj_get_name(maker->horizontal));
    }
    maker->axis_count = axes.count;
    maker->plan.is_geocentric = type == PJ_TYPE_GEOCENTRIC_CRS;
    maker->plan.is_geographic =
        type == PJ_TYPE_GEOGRAPHIC_2D_CRS || type == PJ_TYPE_GEOGRAPHIC_3D_CRS;
    if (!maker->plan.is_geocentric && !maker->plan.is_geographic && type != PJ_TYPE_PROJECTED_CRS) {
        return err_set(err, ERR_CRS,
                       "'%.70s' is %s: it does not say where on earth; --crs or "
                       "--crs-file names a system that does",
                       proj_get_name(maker->horizontal),
                       type == PJ_TYPE_VERTICAL_CRS ? "a height system" : "a local system");
    }
    maker->plan.unit_m = maker->plan.is_geographic ? 0 : axes.unit;
    const bool is_declared_yx = maker->plan.is_geographic && strcmp(axes.first, "north") == 0;
    maker->plan.is_yx = maker->request->axis == CRS_AXIS_YX ||
                        (maker->request->axis == CRS_AXIS_AUTO && is_declared_yx &&
                         maker->request->order == CRS_ORDER_AUTHORITY);
    return true;
}

/* Decides what the third coordinate is, and drops it from a 3D system when it
 * is something else than that system says. */
static bool settle_heights(struct maker *maker, struct err *err)
{
    if (!find_vertical(maker, err)) {
        return false;
    }
    if (maker->plan.is_geocentric) {
        if (maker->vertical != NULL || maker->request->geoid != NULL) {
            return err_set(err, ERR_CRS,
                           "'%.80s' is earth-centred and has no heights: --vertical "
                           "and --geoid do not apply",
                           proj_get_name(maker->horizontal));
        }
        maker->plan.is_height_ellipsoidal = true;
        maker->plan.vertical_name = "none, earth-centred";
        return true;
    }
    if (maker->vertical == NULL && maker->axis_count == 3 && maker->request->geoid == NULL) {
        maker->plan.is_height_ellipsoidal = true;
    }
    if (maker->plan.is_height_ellipsoidal && maker->request->geoid != NULL) {
        return err_set(err, ERR_CRS,
                       "--geoid and --vertical ellipsoid contradict each other: give one of them");
    }
    const bool is_taken_at_word = maker->plan.is_height_ellipsoidal && maker->axis_count == 3 &&
                                  maker->request->vertical == NULL;
    if (maker->axis_count == 3 && !is_taken_at_word) {
        PJ *flat = proj_crs_demote_to_2D(maker->context, NULL, maker->horizontal);
        if (flat == NULL) {
            return err_set(err, ERR_CRS, "'%.80s' cannot be split from its heights",
                           proj_get_name(maker->horizontal));
        }
        proj_destroy(maker->horizontal);
        maker->horizontal = flat;
        maker->axis_count = 2;
    }
    return true;
}

/* --- operations --- */

struct missing_grid {
    char name[96];
    double accuracy_m;
};

enum search { SEARCH_DIRECT, SEARCH_ANY, SEARCH_BALLPARK };

static PJ_OBJ_LIST *list_operations(struct maker *maker, const PJ *source, const PJ *target,
                                    enum search search)
{
    PJ_OPERATION_FACTORY_CONTEXT *factory =
        proj_create_operation_factory_context(maker->context, NULL);
    if (factory == NULL) {
        return NULL;
    }
    proj_operation_factory_context_set_allow_ballpark_transformations(maker->context, factory,
                                                                      search == SEARCH_BALLPARK);
    if (search == SEARCH_DIRECT) {
        proj_operation_factory_context_set_allow_use_intermediate_crs(
            maker->context, factory, PROJ_INTERMEDIATE_CRS_USE_NEVER);
    }
    proj_operation_factory_context_set_spatial_criterion(
        maker->context, factory, PROJ_SPATIAL_CRITERION_PARTIAL_INTERSECTION);
    proj_operation_factory_context_set_grid_availability_use(
        maker->context, factory, PROJ_GRID_AVAILABILITY_USED_FOR_SORTING);
    const struct crs_plan *plan = &maker->plan;
    if (plan->has_area && plan->west_deg <= plan->east_deg) {
        /* Both systems' own areas do not bound the search for heights: NAVD88
         * takes a second for all of America, and a tenth for New York. */
        proj_operation_factory_context_set_area_of_interest(maker->context, factory, plan->west_deg,
                                                            plan->south_deg, plan->east_deg,
                                                            plan->north_deg);
    }
    PJ_OBJ_LIST *list = proj_create_operations(maker->context, source, target, factory);
    proj_operation_factory_context_destroy(factory);
    return list;
}

static double accuracy_of(struct maker *maker, const PJ *operation)
{
    const double accuracy_m = proj_coordoperation_get_accuracy(maker->context, operation);
    if (accuracy_m < 0 && proj_get_type(operation) == PJ_TYPE_CONVERSION) {
        return 0; /* a map projection is exact */
    }
    return accuracy_m;
}

/* The first grid of an operation that is not installed. */
static void note_missing_grid(struct maker *maker, const PJ *operation, struct missing_grid *out)
{
    const int count = proj_coordoperation_get_grid_used_count(maker->context, operation);
    for (int i = 0; i < count; i++) {
        const char *name = NULL;
        int is_available = 0;
        if (proj_coordoperation_get_grid_used(maker->context, operation, i, &name, NULL, NULL, NULL,
                                              NULL, NULL, &is_available) &&
            !is_available && name != NULL) {
            snprintf(out->name, sizeof out->name, "%s", name);
            out->accuracy_m = accuracy_of(maker, operation);
            return;
        }
    }
}

/* Takes out the first `cut` of text, in place; false when there is none. */
static bool cut_out(char *text, const char *cut)
{
    char *at = strstr(text, cut);
    if (at == NULL) {
        return false;
    }
    const size_t size = strlen(cut);
    memmove(at, at + size, strlen(at + size) + 1);
    return true;
}

/* An operation as "+step ... +step ..." with east or longitude first and angles
 * in degrees; NULL when PROJ cannot write it. */
static char *steps_of(struct maker *maker, const PJ *operation)
{
    PJ *ordered = proj_normalize_for_visualization(maker->context, operation);
    const char *text =
        ordered == NULL ? NULL : proj_as_proj_string(maker->context, ordered, PJ_PROJ_5, NULL);
    char *steps = NULL;
    if (text != NULL) {
        const char *pipeline = "+proj=pipeline ";
        if (strncmp(text, pipeline, strlen(pipeline)) == 0) {
            steps = copy_text(maker->run, text + strlen(pipeline));
        } else if (strcmp(text, "+proj=noop") == 0) {
            steps = copy_text(maker->run, "");
        } else {
            steps = arena_print(maker->run, "+step %s", text);
        }
    }
    proj_destroy(ordered);
    if (steps != NULL) {
        while (cut_out(steps, " +z_in=m")) {
        }
        while (cut_out(steps, " +z_out=m")) {
        }
    }
    return steps;
}

static bool note_way(struct maker *maker, PJ *operation, double added_accuracy_m)
{
    struct crs_way way = {0};
    way.steps = steps_of(maker, operation);
    way.name = copy_text(maker->run, proj_get_name(operation));
    if (way.steps == NULL || way.name == NULL) {
        return false;
    }
    const double accuracy_m = accuracy_of(maker, operation);
    way.accuracy_m = accuracy_m < 0 ? accuracy_m : accuracy_m + added_accuracy_m;
    const char *area = NULL;
    way.has_area = proj_get_area_of_use(maker->context, operation, &way.west_deg, &way.south_deg,
                                        &way.east_deg, &way.north_deg, &area) != 0 &&
                   way.west_deg > -1000;
    way.area_name = area == NULL ? NULL : copy_text(maker->run, area);
    maker->ways[maker->way_count++] = way;
    return true;
}

/* Whether an operation is made for half of the system's area or more: a grid of
 * Quebec is not what New York misses. */
static bool is_for_most(struct maker *maker, const PJ *operation)
{
    const struct crs_plan *plan = &maker->plan;
    double west_deg, south_deg, east_deg, north_deg;
    if (!plan->has_area || plan->west_deg > plan->east_deg ||
        !proj_get_area_of_use(maker->context, operation, &west_deg, &south_deg, &east_deg,
                              &north_deg, NULL)) {
        return true;
    }
    const double shared_width = fmin(east_deg, plan->east_deg) - fmax(west_deg, plan->west_deg);
    const double shared_height =
        fmin(north_deg, plan->north_deg) - fmax(south_deg, plan->south_deg);
    const double whole = (plan->east_deg - plan->west_deg) * (plan->north_deg - plan->south_deg);
    return fmax(shared_width, 0) * fmax(shared_height, 0) >= 0.5 * whole;
}

/* Keeps every way that can be used, PROJ's best first, and what is missing for
 * a better one. Returns their number. */
static size_t keep_ways(struct maker *maker, PJ_OBJ_LIST *list, bool allow_ballpark,
                        double added_accuracy_m, struct missing_grid *out_missing)
{
    const int count = list == NULL ? 0 : proj_list_get_count(list);
    maker->way_count = 0;
    for (int i = 0; i < count && maker->way_count < WAYS_MAX; i++) {
        PJ *operation = proj_list_get(maker->context, list, i);
        if (operation == NULL) {
            continue;
        }
        const bool is_ballpark =
            proj_coordoperation_has_ballpark_transformation(maker->context, operation);
        if (!proj_coordoperation_is_instantiable(maker->context, operation)) {
            if (out_missing->name[0] == '\0' && is_for_most(maker, operation)) {
                note_missing_grid(maker, operation, out_missing);
            }
        } else if (allow_ballpark || !is_ballpark) {
            maker->plan.is_ballpark = is_ballpark || maker->plan.is_ballpark;
            if (!note_way(maker, operation, added_accuracy_m)) {
                maker->plan.is_ballpark = false;
            }
        }
        proj_destroy(operation);
    }
    return maker->way_count;
}

/* Finds ways to one target; false when there are none. */
static bool find_ways(struct maker *maker, const char *target_code, bool allow_ballpark,
                      double added_accuracy_m, struct missing_grid *out_missing)
{
    PJ *target = proj_create(maker->context, target_code);
    if (target == NULL) {
        return false;
    }
    PJ_OBJ_LIST *list = list_operations(maker, maker->horizontal, target,
                                        allow_ballpark ? SEARCH_BALLPARK : SEARCH_ANY);
    keep_ways(maker, list, allow_ballpark, added_accuracy_m, out_missing);
    proj_list_destroy(list);
    proj_destroy(target);
    return maker->way_count > 0;
}

/* Registered, in WKT of other programs, and in what those make of it. */
static bool is_cgcs2000(const char *name)
{
    static const char *const spellings[] = {"CGCS2000",
                                            "CGCS_2000",
                                            "China 2000",
                                            "China_2000",
                                            "China Geodetic Coordinate System 2000",
                                            "China_Geodetic_Coordinate_System_2000"};
    for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++) {
        if (strstr(name, spellings[i]) != NULL) {
            return true;
        }
    }
    return false;
}

/* To the system's own longitude and latitude: a projection, no datum shift. */
static bool find_own_geodetic(struct maker *maker)
{
    PJ *plain = unbound(maker, maker->horizontal);
    PJ *geodetic = plain == NULL ? NULL : proj_crs_get_geodetic_crs(maker->context, plain);
    struct missing_grid missing = {0};
    if (geodetic != NULL) {
        PJ_OBJ_LIST *list = list_operations(maker, plain, geodetic, SEARCH_DIRECT);
        keep_ways(maker, list, false, 0, &missing);
        proj_list_destroy(list);
    }
    proj_destroy(geodetic);
    proj_destroy(plain);
    if (maker->way_count == 0) {
        return false;
    }
    maker->way_count = 1;
    return true;
}

/* Europe, with the islands that use ETRS89. */
static bool is_european(const struct crs_plan *plan)
{
    return plan->has_area && plan->west_deg > -33 && plan->east_deg < 46 && plan->south_deg > 26 &&
           plan->north_deg < 85;
}

static bool is_better(double accuracy_m, double than_m)
{
    return accuracy_m >= 0 && (than_m < 0 || accuracy_m < than_m);
}

/*
 * By way of ETRS89 when that is more accurate: for a national system it is what
 * the survey publishes (RD: 0.25 m, with its grid 1 mm), while its operations to
 * WGS 84 are older and coarser. ETRS89 is then taken as WGS 84.
 */
static bool find_european_ways(struct maker *maker, struct missing_grid *missing, struct err *err)
{
    struct crs_way direct[WAYS_MAX];
    const size_t direct_count = maker->way_count;
    memcpy(direct, maker->ways, sizeof direct);
    const double direct_m = direct_count == 0 ? -1 : direct[0].accuracy_m;
    struct missing_grid hub_missing = {0};
    const char *hub = maker->axis_count == 3 ? "EPSG:4937" : "EPSG:4258";
    if (find_ways(maker, hub, false, 0, &hub_missing) &&
        is_better(maker->ways[0].accuracy_m, direct_m)) {
        *missing = hub_missing;
        const double hub_m = maker->ways[0].accuracy_m;
        maker->plan.remark = arena_print(
            maker->run,
            "positions are ETRS89 (to %.3g m), which is taken as WGS 84 (to %.3g m, the plate's "
            "drift since 1989)",
            hub_m, FIXED_FRAME_ACCURACY_M);
        for (size_t i = 0; i < maker->way_count; i++) {
            maker->ways[i].accuracy_m += maker->ways[i].accuracy_m < 0 ? 0 : FIXED_FRAME_ACCURACY_M;
        }
        maker->frame_accuracy_m = FIXED_FRAME_ACCURACY_M;
        return maker->plan.remark != NULL || arena_full(maker->run, err);
    }
    memcpy(maker->ways, direct, sizeof direct);
    maker->way_count = direct_count;
    return true;
}

static bool refuse_no_way(struct maker *maker, const struct missing_grid *missing, struct err *err)
{
    if (missing->name[0] != '\0') {
        return err_set(err, ERR_CRS,
                       "%.60s needs the grid %s, which is not installed: projsync --file %s "
                       "fetches it",
                       maker->plan.name, missing->name, missing->name);
    }
    return err_set(err, ERR_CRS,
                   "no known operation from %.50s (%.40s) to WGS 84; add +towgs84 or +datum, or "
                   "take --allow-ballpark (up to hundreds of metres off)",
                   maker->plan.name, maker->plan.datum_name);
}

static bool find_horizontal_ways(struct maker *maker, struct err *err)
{
    struct missing_grid missing = {0};
    if (maker->definition.shift_base != NULL) {
        return find_own_geodetic(maker) || refuse_no_way(maker, &missing, err);
    }
    if (is_cgcs2000(maker->plan.datum_name) || is_cgcs2000(maker->plan.geodetic_name)) {
        maker->plan.remark = "CGCS2000 is taken as WGS 84: no operation is registered between "
                             "them; they agree to a few centimetres at their own epochs, and part "
                             "with the drift of the plate";
        if (!find_own_geodetic(maker)) {
            return refuse_no_way(maker, &missing, err);
        }
        maker->ways[0].accuracy_m = FIXED_FRAME_ACCURACY_M;
        return true;
    }
    const char *target = maker->axis_count == 3 ? "EPSG:4979" : "EPSG:4326";
    find_ways(maker, target, false, 0, &missing);
    const double direct_m = maker->way_count == 0 ? -1 : maker->ways[0].accuracy_m;
    const bool is_etrs89 = strstr(maker->plan.datum_name, "European Terrestrial") != NULL;
    if (is_european(&maker->plan) && !is_etrs89 && !maker->plan.is_geocentric && direct_m != 0 &&
        !find_european_ways(maker, &missing, err)) {
        return false;
    }
    if (maker->way_count == 0 && maker->request->allow_ballpark &&
        find_ways(maker, target, true, 0, &missing)) {
        return add_notice(maker,
                          arena_print(maker->run,
                                      "%s is taken as WGS 84 without a datum shift, as "
                                      "--allow-ballpark asks: up to hundreds of metres off",
                                      label_of(maker)),
                          err);
    }
    if (maker->way_count == 0) {
        return refuse_no_way(maker, &missing, err);
    }
    const double used_m = maker->ways[0].accuracy_m - maker->frame_accuracy_m;
    if (missing.name[0] != '\0' && missing.accuracy_m >= 0 &&
        is_better(2 * missing.accuracy_m, used_m)) {
        return add_notice(
            maker,
            arena_print(
                maker->run,
                "positions in %s are right to %.3g m; the grid %s, which is not installed, would "
                "make it %.3g m (projsync --file fetches it)",
                label_of(maker), used_m, missing.name, missing.accuracy_m),
            err);
    }
    return true;
}

/* --- heights --- */

/*
 * The accuracy of the grid alone. PROJ adds up the steps from one fixed frame to
 * the next and back, 1 m each, which count for nothing in heights; and only
 * the name of the joined operation tells what it is made of, as in "Inverse of
 * ETRS89 to WGS 84 (1) + Inverse of ETRS89 to NAP height (2) + ETRS89 to ...".
 */
static double height_accuracy_of(struct maker *maker, const PJ *operation)
{
    char name[512];
    snprintf(name, sizeof name, "%s", proj_get_name(operation));
    double total_m = -1;
    for (char *at = name; at != NULL;) {
        char *plus = strstr(at, " + ");
        if (plus != NULL) {
            *plus = '\0';
        }
        const char *inverse = "Inverse of ";
        const char *step = strncmp(at, inverse, strlen(inverse)) == 0 ? at + strlen(inverse) : at;
        PJ_OBJ_LIST *list = proj_create_from_name(maker->context, NULL, step, NULL, 0, 0, 1, NULL);
        PJ *found = list == NULL ? NULL : proj_list_get(maker->context, list, 0);
        if (found != NULL && proj_coordoperation_get_grid_used_count(maker->context, found) > 0) {
            const double step_m = accuracy_of(maker, found);
            total_m = step_m < 0 ? total_m : fmax(total_m, 0) + step_m;
        }
        proj_destroy(found);
        proj_list_destroy(list);
        at = plus == NULL ? NULL : plus + 3;
    }
    return total_m;
}

static bool can_open(struct maker *maker, const char *operation)
{
    PJ *opened = proj_create(maker->context, operation);
    proj_destroy(opened);
    return opened != NULL;
}

static char *grid_steps(struct maker *maker, const char *units, const char *grid)
{
    return arena_print(maker->run,
                       TO_RADIANS " %s+step +proj=vgridshift +grids=%s +multiplier=1 " TO_DEGREES,
                       units, grid);
}

/* Feet to metres, depths to heights; "" when there is nothing to do. */
static const char *unit_steps(struct maker *maker, double unit_m, bool is_depth)
{
    if (unit_m == 1 && !is_depth) {
        return "";
    }
    char text[32];
    return arena_print(maker->run, "+step +proj=affine +s33=%s ",
                       number(is_depth ? -unit_m : unit_m, text));
}

/* The file of a --geoid as PROJ must see it: absolute and quoted. A bare name
 * that is not here is left to PROJ's own folders. */
static const char *quoted_path(struct maker *maker)
{
    const char *path = maker->request->geoid;
    char here[PATH_MAX];
    if (access(path, R_OK) != 0 || path[0] == '/') {
        return arena_print(maker->run, "\"%s\"", path);
    }
    if (getcwd(here, sizeof here) == NULL) {
        return NULL;
    }
    return arena_print(maker->run, "\"%s/%s\"", here, path);
}

static bool use_geoid_file(struct maker *maker, const char *units, struct err *err)
{
    const char *path = maker->request->geoid;
    const char *slash = strrchr(path, '/');
    const char *quoted = quoted_path(maker);
    const char *steps = quoted == NULL ? NULL : grid_steps(maker, units, quoted);
    const char *shown = grid_steps(maker, units, slash == NULL ? path : slash + 1);
    const char *probe =
        quoted == NULL ? NULL : arena_print(maker->run, "+proj=vgridshift +grids=%s", quoted);
    if (steps == NULL || shown == NULL || probe == NULL) {
        return arena_full(maker->run, err);
    }
    if (strpbrk(path, "\",") != NULL || !can_open(maker, probe)) {
        return access(path, R_OK) == 0
                   ? err_set(err, ERR_IO, "'%.120s' is not a grid of heights that PROJ reads", path)
                   : err_set(err, ERR_IO,
                             "no geoid '%.100s': --geoid takes a grid file (.gtx, .tif) or metres",
                             path);
    }
    maker->height_steps = steps;
    maker->shown_height_steps = shown;
    maker->plan.height_accuracy_m = -1;
    return true;
}

static bool use_geoid(struct maker *maker, const char *units, struct err *err)
{
    char *end;
    const double metres = strtod(maker->request->geoid, &end);
    if (end == maker->request->geoid || *end != '\0') {
        return use_geoid_file(maker, units, err);
    }
    if (!(fabs(metres) < 1000)) {
        return err_set(err, ERR_CRS, "--geoid %g: no sea level lies so far from the ellipsoid",
                       metres);
    }
    char text[32];
    maker->height_steps =
        arena_print(maker->run, TO_RADIANS " %s+step +proj=affine +zoff=%s " TO_DEGREES, units,
                    number(metres, text));
    maker->plan.height_accuracy_m = -1;
    return maker->height_steps != NULL || arena_full(maker->run, err);
}

/* Grids the database of this PROJ does not know by the name they are given out
 * under. */
static const struct {
    const char *code;
    const char *grid;
} known_grids[] = {
    {"7837", "de_bkg_gcg2016.tif"}, /* DHHN2016 */
};

static const char *known_grid(const char *code)
{
    for (size_t i = 0; code != NULL && i < sizeof known_grids / sizeof known_grids[0]; i++) {
        if (strcmp(known_grids[i].code, code) == 0) {
            return known_grids[i].grid;
        }
    }
    return NULL;
}

/* The registered operation from this height system to the ellipsoid, when its
 * grid is installed. The pair to be joined is WGS 84 with those heights: for
 * geoids it does not matter on which of the close frames one stands. A search
 * by way of third systems finds nothing more and takes up to a second. */
static bool find_exact_heights(struct maker *maker, struct missing_grid *missing)
{
    PJ *plane = proj_create(maker->context, "EPSG:4326");
    PJ *target = proj_create(maker->context, "EPSG:4979");
    PJ *joined = plane == NULL
                     ? NULL
                     : proj_create_compound_crs(maker->context, "heights", plane, maker->vertical);
    PJ_OBJ_LIST *list = joined == NULL || target == NULL
                            ? NULL
                            : list_operations(maker, joined, target, SEARCH_DIRECT);
    const int count = list == NULL ? 0 : proj_list_get_count(list);
    for (int i = 0; i < count && maker->height_steps == NULL; i++) {
        PJ *operation = proj_list_get(maker->context, list, i);
        if (operation == NULL) {
            continue;
        }
        if (!proj_coordoperation_is_instantiable(maker->context, operation)) {
            if (missing->name[0] == '\0') {
                note_missing_grid(maker, operation, missing);
            }
        } else if (!proj_coordoperation_has_ballpark_transformation(maker->context, operation)) {
            maker->height_steps = steps_of(maker, operation);
            maker->plan.height_accuracy_m = height_accuracy_of(maker, operation);
        }
        proj_destroy(operation);
    }
    proj_list_destroy(list);
    proj_destroy(joined);
    proj_destroy(target);
    proj_destroy(plane);
    return maker->height_steps != NULL;
}

static bool try_known_grid(struct maker *maker, const char *units, struct missing_grid *missing,
                           struct err *err)
{
    const char *grid = known_grid(proj_get_id_code(maker->vertical, 0));
    if (grid == NULL) {
        return true;
    }
    snprintf(missing->name, sizeof missing->name, "%s", grid);
    const char *probe = arena_print(maker->run, "+proj=vgridshift +grids=%s", grid);
    if (probe == NULL) {
        return arena_full(maker->run, err);
    }
    if (can_open(maker, probe)) {
        maker->height_steps = grid_steps(maker, units, grid);
        maker->plan.height_accuracy_m = -1;
        return maker->height_steps != NULL || arena_full(maker->run, err);
    }
    return true;
}

/* EGM96 in place of the exact surface, and the sentence that says so. */
static bool use_egm96(struct maker *maker, const char *units, const struct missing_grid *missing,
                      struct err *err)
{
    const char *grid = "egm96_15.gtx";
    if (!can_open(maker, "+proj=vgridshift +grids=egm96_15.gtx")) {
        grid = "us_nga_egm96_15.tif";
        if (!can_open(maker, "+proj=vgridshift +grids=us_nga_egm96_15.tif")) {
            return err_set(err, ERR_CRS,
                           "heights above the sea need egm96_15.gtx, which is not installed (apt "
                           "install proj-data); else --geoid, or --vertical ellipsoid");
        }
    }
    maker->height_steps = grid_steps(maker, units, grid);
    if (maker->height_steps == NULL) {
        return arena_full(maker->run, err);
    }
    maker->plan.height_accuracy_m = EGM96_ACCURACY_M;
    const char *what = "right to a metre or two";
    if (maker->vertical == NULL) {
        return add_notice(maker,
                          arena_print(maker->run,
                                      "%s does not say what its heights are: taken as metres "
                                      "above the sea by EGM96, %s; --vertical or --geoid says more",
                                      label_of(maker), what),
                          err);
    }
    if (missing->name[0] == '\0') {
        return add_notice(maker,
                          arena_print(maker->run,
                                      "PROJ knows no surface for %s: EGM96 stands in for it, %s; "
                                      "--geoid supplies one",
                                      maker->plan.vertical_name, what),
                          err);
    }
    return add_notice(
        maker,
        arena_print(maker->run,
                    "the grid %s of %s is not installed (projsync --file fetches it): EGM96 stands "
                    "in for it, %s",
                    missing->name, maker->plan.vertical_name, what),
        err);
}

static bool doubt_feet(struct maker *maker, struct err *err)
{
    if (maker->vertical != NULL || maker->plan.is_geographic || maker->plan.unit_m == 1 ||
        maker->plan.unit_m == 0) {
        return true;
    }
    return add_notice(maker,
                      arena_print(maker->run,
                                  "%s counts in units of %.6g m, its heights are taken as metres; "
                                  "--vertical EPSG:6360 would say feet",
                                  label_of(maker), maker->plan.unit_m),
                      err);
}

static bool find_height_steps(struct maker *maker, struct err *err)
{
    maker->plan.height_accuracy_m = 0;
    maker->height_steps = "";
    if (maker->plan.is_height_ellipsoidal) {
        if (maker->plan.vertical_name == NULL) {
            maker->plan.vertical_name = "ellipsoidal height";
        }
        return maker->axis_count == 3 || doubt_feet(maker, err);
    }
    maker->height_steps = NULL;
    maker->plan.vertical_name = "height above the sea";
    struct axes axes = {.last_unit = 1};
    if (maker->vertical != NULL) {
        maker->plan.vertical_name = copy_text(maker->run, proj_get_name(maker->vertical));
        if (maker->plan.vertical_name == NULL) {
            return arena_full(maker->run, err);
        }
        if (!measure_axes(maker, maker->vertical, &axes)) {
            return err_set(err, ERR_CRS, "'%.80s' has no axis", maker->plan.vertical_name);
        }
    }
    const bool is_depth = strcmp(axes.last, "down") == 0;
    maker->plan.height_unit_m = is_depth ? -axes.last_unit : axes.last_unit;
    const char *units = unit_steps(maker, axes.last_unit, is_depth);
    if (units == NULL) {
        return arena_full(maker->run, err);
    }
    if (!doubt_feet(maker, err)) {
        return false;
    }
    if (maker->request->geoid != NULL) {
        return use_geoid(maker, units, err);
    }
    struct missing_grid missing = {0};
    if (maker->vertical != NULL && !find_exact_heights(maker, &missing) &&
        !try_known_grid(maker, units, &missing, err)) {
        return false;
    }
    return maker->height_steps != NULL || use_egm96(maker, units, &missing, err);
}

/* --- putting together --- */

/* Steps joined by blanks, without pairs that undo each other. */
static char *join_steps(struct arena *run, const char *const parts[], size_t count)
{
    size_t bytes = sizeof "+proj=pipeline";
    for (size_t i = 0; i < count; i++) {
        bytes += strlen(parts[i]) + 1;
    }
    char *joined = arena_array(run, char, bytes);
    if (joined == NULL) {
        return NULL;
    }
    size_t at = (size_t)snprintf(joined, bytes, "+proj=pipeline");
    for (size_t i = 0; i < count; i++) {
        if (parts[i][0] != '\0') {
            at += (size_t)snprintf(joined + at, bytes - at, " %s", parts[i]);
        }
    }
    while (cut_out(joined, " " TO_DEGREES " " TO_RADIANS) ||
           cut_out(joined, " " TO_RADIANS " " TO_DEGREES) ||
           cut_out(joined, " +step +inv +proj=cart +ellps=WGS84 +step +proj=cart +ellps=WGS84")) {
    }
    return strstr(joined, "+step") == NULL ? arena_print(run, "+proj=noop") : joined;
}

bool crs_compose(struct crs_plan *plan, struct arena *run, struct err *err)
{
    const struct crs_parts *parts = plan->parts;
    const struct crs_way *way = &parts->ways[parts->way_index];
    const char *opened[] = {parts->before, way->steps, parts->after};
    const char *shown[] = {plan->is_yx ? "+step +proj=axisswap +order=2,1" : "", parts->before,
                           way->steps, parts->shown_after};
    const char *pipeline = join_steps(run, opened, 3);
    const char *operation = parts->private_text;
    if (operation == NULL) {
        operation = join_steps(run, shown, 4);
    }
    if (operation != NULL && plan->shift != GCJ02_NONE) {
        operation = arena_print(run, "%s taken off by iteration, then %s", plan->name, operation);
    }
    if (pipeline == NULL || operation == NULL) {
        return arena_full(run, err);
    }
    plan->pipeline = pipeline;
    plan->operation = operation;
    plan->accuracy_m = parts->is_accuracy_unknown ? -1 : way->accuracy_m;
    return true;
}

/* The seven parameters of a local system: from its own longitude and latitude
 * to that of their base. Ellipsoids by their axes, so that any will do. */
static char *helmert_steps(struct maker *maker, struct err *err)
{
    PJ *base = NULL;
    double own_m = 0, own_flat = 0, base_m = 0, base_flat = 0;
    if (!make_system(maker, maker->definition.shift_base, &base, err)) {
        return NULL;
    }
    const PJ *systems[] = {maker->horizontal, base};
    bool is_known = true;
    for (int i = 0; i < 2; i++) {
        PJ *plain = unbound(maker, systems[i]);
        PJ *ellipsoid = plain == NULL ? NULL : proj_get_ellipsoid(maker->context, plain);
        is_known =
            is_known && ellipsoid != NULL &&
            proj_ellipsoid_get_parameters(maker->context, ellipsoid, i == 0 ? &own_m : &base_m,
                                          NULL, NULL, i == 0 ? &own_flat : &base_flat) != 0;
        proj_destroy(ellipsoid);
        proj_destroy(plain);
    }
    PJ *geodetic = proj_crs_get_geodetic_crs(maker->context, base);
    const char *base_name = geodetic == NULL ? "" : proj_get_name(geodetic);
    const bool is_usable = is_cgcs2000(base_name) || strstr(base_name, "WGS 84") != NULL ||
                           strstr(base_name, "ETRS89") != NULL;
    if (!is_usable) {
        err_set(err, ERR_CRS,
                "the seven parameters lead to '%.50s': base must be CGCS2000 "
                "(EPSG:4490), WGS 84 (EPSG:4326) or ETRS89 (EPSG:4258)",
                base_name);
    }
    proj_destroy(geodetic);
    proj_destroy(base);
    if (!is_usable) {
        return NULL;
    }
    if (!is_known) {
        err_set(err, ERR_CRS, "the ellipsoid of '%.80s' is not known", maker->plan.name);
        return NULL;
    }
    char own[2][32];
    char target[2][32];
    char h[7][32];
    for (size_t i = 0; i < 7; i++) {
        number(maker->definition.helmert[i], h[i]);
    }
    char *steps = arena_print(
        maker->run,
        TO_RADIANS " +step +proj=push +v_3 +step +proj=cart +a=%s +rf=%s "
                   "+step +proj=helmert +x=%s +y=%s +z=%s +rx=%s +ry=%s +rz=%s +s=%s "
                   "+convention=%s +step +inv +proj=cart +a=%s +rf=%s "
                   "+step +proj=pop +v_3 " TO_DEGREES,
        number(own_m, own[0]), number(own_flat, own[1]), h[0], h[1], h[2], h[3], h[4], h[5], h[6],
        maker->definition.is_position_vector ? "position_vector" : "coordinate_frame",
        number(base_m, target[0]), number(base_flat, target[1]));
    if (steps == NULL) {
        arena_full(maker->run, err);
    }
    return steps;
}

/* A private system is told apart by its digest (FNV-1a, 64 bits): enough to see
 * that two packages were made alike, too little to get the parameters back. */
static unsigned long long digest_of(const char *text)
{
    unsigned long long digest = 0xcbf29ce484222325ULL;
    for (; *text != '\0'; text++) {
        digest = (digest ^ (unsigned char)*text) * 0x100000001b3ULL;
    }
    return digest;
}

static char *steps_after(struct maker *maker, const char *datum_shift, const char *heights,
                         const char *offset)
{
    return arena_print(maker->run, "%s%s%s%s" TO_RADIANS "%s +step +proj=cart +ellps=WGS84",
                       datum_shift, datum_shift[0] == '\0' ? "" : " ", heights,
                       heights[0] == '\0' ? "" : " ", offset);
}

static bool put_together(struct maker *maker, struct err *err)
{
    struct crs_parts *parts = arena_array(maker->run, struct crs_parts, 1);
    struct crs_way *ways = arena_array(maker->run, struct crs_way, maker->way_count);
    if (parts == NULL || ways == NULL) {
        return arena_full(maker->run, err);
    }
    memcpy(ways, maker->ways, maker->way_count * sizeof *ways);
    parts->ways = ways;
    parts->way_count = maker->way_count;
    parts->before = "";
    const double *p = maker->definition.plane;
    if (maker->definition.has_plane) {
        char text[6][32];
        for (size_t i = 0; i < 6; i++) {
            number(p[i], text[i]);
        }
        parts->before = arena_print(
            maker->run, "+step +proj=affine +xoff=%s +s11=%s +s12=%s +yoff=%s +s21=%s +s22=%s",
            text[0], text[1], text[2], text[3], text[4], text[5]);
    }
    const char *datum_shift = "";
    if (maker->definition.shift_base != NULL) {
        datum_shift = helmert_steps(maker, err);
        if (datum_shift == NULL) {
            return false;
        }
    }
    const char *offset = "";
    if (maker->request->height_offset_m != 0) {
        char text[32];
        offset = arena_print(maker->run, " +step +proj=affine +zoff=%s",
                             number(maker->request->height_offset_m, text));
    }
    if (parts->before == NULL || offset == NULL) {
        return arena_full(maker->run, err);
    }
    assert(maker->height_steps != NULL);
    parts->after = steps_after(maker, datum_shift, maker->height_steps, offset);
    parts->shown_after = maker->shown_height_steps == NULL
                             ? parts->after
                             : steps_after(maker, datum_shift, maker->shown_height_steps, offset);
    if (maker->plan.is_private) {
        parts->private_text = arena_print(maker->run, "private system '%s', digest %016llx",
                                          maker->plan.name, digest_of(maker->request->definition));
    }
    if (parts->after == NULL || parts->shown_after == NULL ||
        (maker->plan.is_private && parts->private_text == NULL)) {
        return arena_full(maker->run, err);
    }
    parts->is_accuracy_unknown = maker->definition.has_plane ||
                                 maker->definition.shift_base != NULL ||
                                 maker->definition.shift != GCJ02_NONE;
    maker->plan.parts = parts;
    return crs_compose(&maker->plan, maker->run, err);
}

/* --- what the plan says of itself --- */

static bool name_plan(struct maker *maker, struct err *err)
{
    struct crs_plan *plan = &maker->plan;
    const struct crs_definition *definition = &maker->definition;
    const char *name = definition->name;
    if (name == NULL && definition->vertical != NULL && maker->vertical != NULL) {
        plan->name = arena_print(maker->run, "%s + %s", proj_get_name(maker->whole),
                                 proj_get_name(maker->vertical));
    } else {
        /* What a PROJ string says of itself is better than "unknown". */
        const char *own = proj_get_name(maker->whole);
        const bool is_nameless = strcmp(own, "unknown") == 0 && !maker->request->is_private;
        plan->name = name != NULL  ? copy_text(maker->run, name)
                     : is_nameless ? arena_print(maker->run, "%.120s", definition->horizontal)
                                   : copy_text(maker->run, own);
    }
    PJ *plain = unbound(maker, maker->horizontal);
    PJ *geodetic = plain == NULL ? NULL : proj_crs_get_geodetic_crs(maker->context, plain);
    PJ *datum = geodetic == NULL ? NULL : proj_crs_get_datum_forced(maker->context, geodetic);
    plan->datum_name = copy_text(maker->run, datum == NULL ? "unknown" : proj_get_name(datum));
    plan->geodetic_name = copy_text(maker->run, geodetic == NULL ? "" : proj_get_name(geodetic));
    proj_destroy(datum);
    proj_destroy(geodetic);
    proj_destroy(plain);
    if (plan->name == NULL || plan->datum_name == NULL || plan->geodetic_name == NULL) {
        return arena_full(maker->run, err);
    }
    const bool is_own = name != NULL;
    const char *authority = is_own ? NULL : proj_get_id_auth_name(maker->whole, 0);
    const char *code = is_own ? NULL : proj_get_id_code(maker->whole, 0);
    const char *plane_code = is_own ? NULL : proj_get_id_code(maker->horizontal, 0);
    if (authority != NULL && code != NULL) {
        plan->authority = copy_text(maker->run, authority);
        plan->code = copy_text(maker->run, definition->code == NULL ? code : definition->code);
        if (plan->authority == NULL || plan->code == NULL) {
            return arena_full(maker->run, err);
        }
    }
    if (plane_code != NULL) {
        plan->horizontal_code = copy_text(maker->run, plane_code);
        if (plan->authority == NULL) {
            plan->authority = copy_text(maker->run, proj_get_id_auth_name(maker->horizontal, 0));
        }
        return (plan->horizontal_code != NULL && plan->authority != NULL) ||
               arena_full(maker->run, err);
    }
    return true;
}

static bool find_area(struct maker *maker, const PJ *system, struct err *err)
{
    struct crs_plan *plan = &maker->plan;
    const char *name = NULL;
    plan->has_area = proj_get_area_of_use(maker->context, system, &plan->west_deg, &plan->south_deg,
                                          &plan->east_deg, &plan->north_deg, &name) != 0 &&
                     plan->west_deg > -1000;
    plan->area_name = name == NULL ? NULL : copy_text(maker->run, name);
    return name == NULL || plan->area_name != NULL || arena_full(maker->run, err);
}

static bool find_area_of_code(struct maker *maker, const char *authority, const char *code,
                              struct err *err)
{
    PJ *twin = proj_create_from_database(maker->context, authority, code, PJ_CATEGORY_CRS, 0, NULL);
    const bool is_done = twin == NULL || find_area(maker, twin, err);
    proj_destroy(twin);
    return is_done;
}

/* A projection file names its system in words only; its area of use comes from
 * the registered one it equals, and its code when the names agree too. */
static bool identify(struct maker *maker, struct err *err)
{
    enum { SAME_PARAMETERS = 70, SAME_NAME = 90 };
    int *confidence = NULL;
    PJ_OBJ_LIST *list = proj_identify(maker->context, maker->horizontal, "EPSG", NULL, &confidence);
    PJ *twin = list == NULL || proj_list_get_count(list) == 0
                   ? NULL
                   : proj_list_get(maker->context, list, 0);
    bool is_done = true;
    const char *code = twin == NULL ? NULL : proj_get_id_code(twin, 0);
    if (code != NULL && confidence != NULL && confidence[0] >= SAME_PARAMETERS) {
        is_done = find_area_of_code(maker, "EPSG", code, err);
        if (is_done && confidence[0] >= SAME_NAME) {
            maker->plan.authority = "EPSG";
            maker->plan.horizontal_code = copy_text(maker->run, code);
            maker->plan.code = maker->plan.horizontal_code;
            is_done = maker->plan.code != NULL || arena_full(maker->run, err);
        }
    }
    proj_destroy(twin);
    proj_int_list_destroy(confidence);
    proj_list_destroy(list);
    return is_done;
}

static bool settle_area(struct maker *maker, struct err *err)
{
    struct crs_plan *plan = &maker->plan;
    const struct crs_definition *definition = &maker->definition;
    if (definition->is_meridian) {
        /* China from the South China Sea to the Amur, three degrees each way. */
        plan->west_deg = definition->meridian_deg - 3;
        plan->east_deg = definition->meridian_deg + 3;
        plan->south_deg = 3;
        plan->north_deg = 54;
        plan->has_area = true;
        return true;
    }
    if (definition->shift != GCJ02_NONE) {
        plan->west_deg = 73;
        plan->east_deg = 136;
        plan->south_deg = 3;
        plan->north_deg = 54;
        plan->has_area = true;
        plan->area_name = "China";
        return true;
    }
    if (!find_area(maker, maker->horizontal, err)) {
        return false;
    }
    if (plan->has_area || maker->request->is_private || definition->name != NULL) {
        return true;
    }
    /* WKT may carry or imply a code, but not the area. */
    return plan->horizontal_code == NULL
               ? identify(maker, err)
               : find_area_of_code(maker, plan->authority, plan->horizontal_code, err);
}

/* WKT of the horizontal part for a GeoPackage. A private one stays private. */
static bool write_wkt(struct maker *maker, struct err *err)
{
    if (maker->plan.is_private || maker->plan.is_geocentric ||
        maker->definition.shift != GCJ02_NONE || maker->definition.has_plane ||
        maker->definition.shift_base != NULL) {
        return true;
    }
    PJ *flat = maker->axis_count == 3
                   ? proj_crs_demote_to_2D(maker->context, NULL, maker->horizontal)
                   : proj_clone(maker->context, maker->horizontal);
    static const char *const options[] = {"MULTILINE=NO", "OUTPUT_AXIS=NO", NULL};
    const char *text =
        flat == NULL ? NULL : proj_as_wkt(maker->context, flat, PJ_WKT1_GDAL, options);
    if (text == NULL && flat != NULL) {
        text = proj_as_wkt(maker->context, flat, PJ_WKT2_2019, options);
    }
    maker->plan.wkt = text == NULL ? NULL : copy_text(maker->run, text);
    proj_destroy(flat);
    return text == NULL || maker->plan.wkt != NULL || arena_full(maker->run, err);
}

static bool make(struct maker *maker, struct err *err)
{
    const struct crs_request *request = maker->request;
    if (!isfinite(request->height_offset_m)) {
        return err_set(err, ERR_CRS, "the height offset is not a number");
    }
    if (!crs_definition_read(request->definition, maker->run, &maker->definition, err) ||
        !split_whole(maker, err) || !settle_heights(maker, err) || !name_plan(maker, err) ||
        !settle_area(maker, err)) {
        return false;
    }
    struct crs_plan *plan = &maker->plan;
    plan->axis = request->axis;
    plan->shift = (int)maker->definition.shift;
    plan->is_meridian = maker->definition.is_meridian;
    plan->meridian_deg = maker->definition.meridian_deg;
    plan->is_private =
        request->is_private &&
        (maker->definition.has_plane || maker->definition.shift_base != NULL || plan->code == NULL);
    if (maker->definition.notice != NULL && !add_notice(maker, maker->definition.notice, err)) {
        return false;
    }
    return find_horizontal_ways(maker, err) && find_height_steps(maker, err) &&
           put_together(maker, err) && write_wkt(maker, err);
}

bool crs_plan_make(const struct crs_request *request, struct arena *run, struct crs_plan *out,
                   struct err *err)
{
    assert(request->definition != NULL);
    struct maker maker = {.request = request, .run = run};
    maker.context = open_context(err);
    if (maker.context == NULL) {
        return false;
    }
    bool is_made = make(&maker, err);
    proj_destroy(maker.whole);
    proj_destroy(maker.horizontal);
    proj_destroy(maker.vertical);
    proj_context_destroy(maker.context);
    struct crs trial;
    if (is_made) {
        is_made = crs_open(&trial, &maker.plan, err);
        if (is_made) {
            crs_close(&trial);
            *out = maker.plan;
        }
    }
    return is_made;
}

/* --- sisters --- */

/* A candidate system, opened to its own longitude and latitude. */
struct candidate {
    PJ *operation;
    double west_deg, south_deg, east_deg, north_deg;
};

static bool is_inside(const struct candidate *candidate, double longitude_deg, double latitude_deg)
{
    const double margin_deg = 0.1;
    const bool is_east_of_west = longitude_deg >= candidate->west_deg - margin_deg;
    const bool is_west_of_east = longitude_deg <= candidate->east_deg + margin_deg;
    const bool is_across_180 = candidate->west_deg > candidate->east_deg;
    return latitude_deg >= candidate->south_deg - margin_deg &&
           latitude_deg <= candidate->north_deg + margin_deg &&
           (is_across_180 ? is_east_of_west || is_west_of_east
                          : is_east_of_west && is_west_of_east);
}

static bool open_candidate(PJ_CONTEXT *context, const PROJ_CRS_INFO *info, struct candidate *out)
{
    PJ *system =
        proj_create_from_database(context, info->auth_name, info->code, PJ_CATEGORY_CRS, 0, NULL);
    PJ *conversion = system == NULL ? NULL : proj_crs_get_coordoperation(context, system);
    PJ *turned = conversion == NULL ? NULL : proj_normalize_for_visualization(context, conversion);
    proj_destroy(conversion);
    proj_destroy(system);
    *out = (struct candidate){turned, info->west_lon_degree, info->south_lat_degree,
                              info->east_lon_degree, info->north_lat_degree};
    return turned != NULL;
}

/* Whether nine of ten points lie in the candidate's area, and whether they also
 * lie in the area of the plan. */
static bool fits(const struct candidate *candidate, const struct crs_plan *plan,
                 const double *points, size_t count, double out_first_deg[2], bool *out_is_home)
{
    const struct candidate home = {NULL, plan->west_deg, plan->south_deg, plan->east_deg,
                                   plan->north_deg};
    size_t inside_count = 0;
    size_t home_count = 0;
    for (size_t i = 0; i < count; i++) {
        const PJ_COORD from = proj_coord(points[3 * i], points[3 * i + 1], 0, HUGE_VAL);
        const PJ_COORD to = proj_trans(candidate->operation, PJ_INV, from);
        if (i == 0) {
            out_first_deg[0] = to.xy.x;
            out_first_deg[1] = to.xy.y;
        }
        if (isfinite(to.xy.x) && is_inside(candidate, to.xy.x, to.xy.y)) {
            inside_count++;
            home_count += plan->has_area && is_inside(&home, to.xy.x, to.xy.y);
        }
    }
    *out_is_home = 10 * home_count >= 9 * count;
    return 10 * inside_count >= 9 * count;
}

/* "CGCS2000 / " of "CGCS2000 / 3-degree Gauss-Kruger CM 114E"; of a geographic
 * system its name, as projected ones on it are called. */
static size_t stem_of(const struct crs_plan *plan, char *out, size_t out_bytes)
{
    const char *name = is_cgcs2000(plan->geodetic_name) ? "CGCS2000"
                       : plan->is_geographic            ? plan->geodetic_name
                                                        : plan->name;
    const char *slash = strstr(name, " / ");
    const int size = slash == NULL ? (int)strlen(name) : (int)(slash - name);
    const int written = snprintf(out, out_bytes, "%.*s / ", size, name);
    return written < 0 || (size_t)written >= out_bytes ? 0 : (size_t)written;
}

/* Both regions are no larger than a large country, and meet. */
static bool is_neighbour(const PROJ_CRS_INFO *info, const struct crs_plan *plan)
{
    const double large_deg = 40;
    return plan->has_area && info->bbox_valid && plan->east_deg - plan->west_deg < large_deg &&
           plan->north_deg - plan->south_deg < large_deg &&
           info->west_lon_degree <= plan->east_deg && info->east_lon_degree >= plan->west_deg &&
           info->south_lat_degree <= plan->north_deg && info->north_lat_degree >= plan->south_deg &&
           info->east_lon_degree - info->west_lon_degree < large_deg;
}

static void note_sister(struct crs_sister *sister, const PROJ_CRS_INFO *info)
{
    snprintf(sister->code, sizeof sister->code, "EPSG:%s", info->code);
    snprintf(sister->name, sizeof sister->name, "%s", info->name);
}

bool crs_find_sister(const struct crs_plan *plan, const double *points, size_t count,
                     struct crs_sister *out)
{
    enum { CANDIDATES_MAX = 400 };
    struct err err;
    PJ_CONTEXT *context = open_context(&err);
    char stem[128];
    const size_t stem_bytes = stem_of(plan, stem, sizeof stem);
    if (context == NULL) {
        return false;
    }
    int listed = 0;
    PROJ_CRS_LIST_PARAMETERS *wanted = proj_get_crs_list_parameters_create();
    const PJ_TYPE type = PJ_TYPE_PROJECTED_CRS;
    if (wanted != NULL) {
        wanted->types = &type;
        wanted->typesCount = 1;
    }
    PROJ_CRS_INFO **all = proj_get_crs_info_list_from_database(context, "EPSG", wanted, &listed);
    proj_get_crs_list_parameters_destroy(wanted);
    /* Of the same datum first; then, for lack of any, of the same region. One
     * whose points come to lie where the plan said they are is the best. */
    size_t found_count = 0;
    size_t home_count = 0;
    double best_deg[2] = {0, 0};
    size_t tried_count = 0;
    const int round_count = plan->is_geographic ? 1 : 2;
    for (int round = 0; round < round_count && found_count == 0; round++) {
        for (int i = 0; all != NULL && i < listed && tried_count < CANDIDATES_MAX; i++) {
            const bool is_same_datum =
                stem_bytes > 0 && strncmp(all[i]->name, stem, stem_bytes) == 0;
            const bool is_wanted =
                round == 0 ? is_same_datum : !is_same_datum && is_neighbour(all[i], plan);
            struct candidate candidate;
            if (!is_wanted || !all[i]->bbox_valid || !open_candidate(context, all[i], &candidate)) {
                continue;
            }
            tried_count++;
            if (plan->is_geographic && found_count > 1) {
                proj_destroy(candidate.operation);
                break; /* nothing will tell them apart */
            }
            bool is_home = false;
            double first_deg[2];
            if (fits(&candidate, plan, points, count, first_deg, &is_home)) {
                /* Some systems are registered twice, with the axes the other
                 * way round: what gives the same place is the same answer. */
                const bool is_same = found_count > 0 && fabs(first_deg[0] - best_deg[0]) < 1e-5 &&
                                     fabs(first_deg[1] - best_deg[1]) < 1e-5;
                if (found_count == 0 || (is_home && home_count == 0)) {
                    note_sister(out, all[i]);
                    memcpy(best_deg, first_deg, sizeof best_deg);
                }
                found_count += !is_same;
                home_count += is_home && (!is_same || home_count == 0);
            }
            proj_destroy(candidate.operation);
        }
    }
    proj_crs_info_list_destroy(all);
    proj_context_destroy(context);
    return home_count == 1 || found_count == 1;
}

/* --- opened --- */

bool crs_open(struct crs *crs, const struct crs_plan *plan, struct err *err)
{
    struct crs opened = {.plan = plan};
    opened.context = open_context(err);
    if (opened.context == NULL) {
        return false;
    }
    opened.operation = proj_create(opened.context, plan->pipeline);
    if (opened.operation == NULL) {
        err_set(err, ERR_CRS, "PROJ cannot open the operation for %.60s: %.80s", plan->name,
                proj_context_errno_string(opened.context, proj_context_errno(opened.context)));
        proj_context_destroy(opened.context);
        return false;
    }
    *crs = opened;
    return true;
}

void crs_close(struct crs *crs)
{
    if (crs == NULL) {
        return;
    }
    proj_destroy(crs->operation);
    if (crs->context != NULL) {
        proj_context_destroy(crs->context);
    }
    *crs = (struct crs){0};
}

static void transform(struct crs *crs, PJ_DIRECTION direction, double *xyz, size_t count)
{
    const size_t stride = 3 * sizeof *xyz;
    proj_errno_reset(crs->operation);
    proj_trans_generic(crs->operation, direction, xyz, stride, count, xyz + 1, stride, count,
                       xyz + 2, stride, count, NULL, 0, 0);
}

static bool check_finite(const struct crs *crs, const double *xyz, size_t count, const char *what,
                         struct err *err)
{
    for (size_t i = 0; i < 3 * count; i++) {
        if (!isfinite(xyz[i])) {
            return err_set(err, ERR_CRS, "point %zu %s (%.80s)", i / 3, what, crs->plan->name);
        }
    }
    return true;
}

/* The file's order and shift to what the pipeline takes. */
static void enter(const struct crs_plan *plan, double *xyz, size_t count)
{
    for (size_t i = 0; plan->is_yx && i < count; i++) {
        const double first = xyz[3 * i];
        xyz[3 * i] = xyz[3 * i + 1];
        xyz[3 * i + 1] = first;
    }
    for (size_t i = 0; plan->shift != GCJ02_NONE && i < count; i++) {
        gcj02_remove((enum gcj02_shift)plan->shift, &xyz[3 * i], &xyz[3 * i + 1]);
    }
}

static void leave(const struct crs_plan *plan, double *xyz, size_t count)
{
    for (size_t i = 0; plan->shift != GCJ02_NONE && i < count; i++) {
        gcj02_add((enum gcj02_shift)plan->shift, &xyz[3 * i], &xyz[3 * i + 1]);
    }
    for (size_t i = 0; plan->is_yx && i < count; i++) {
        const double first = xyz[3 * i];
        xyz[3 * i] = xyz[3 * i + 1];
        xyz[3 * i + 1] = first;
    }
}

bool crs_to_ecef(struct crs *crs, double *xyz, size_t count, struct err *err)
{
    if (!check_finite(crs, xyz, count, "has a coordinate that is not a finite number", err)) {
        return false;
    }
    enter(crs->plan, xyz, count);
    transform(crs, PJ_FWD, xyz, count);
    return check_finite(crs, xyz, count, "has no place on earth in this system", err);
}

bool crs_from_ecef(struct crs *crs, double *xyz, size_t count, struct err *err)
{
    /* A datum shift that leaves heights alone is not its own inverse: it runs at
     * the source's height one way and at the target's the other. One step of
     * correction takes the 0.7 mm of RD to below a nanometre. */
    enum { CHUNK = 128 };
    if (!check_finite(crs, xyz, count, "has a coordinate that is not a finite number", err)) {
        return false;
    }
    for (size_t start = 0; start < count; start += CHUNK) {
        const size_t here = count - start < CHUNK ? count - start : CHUNK;
        double target[3 * CHUNK] = {0};
        double miss[3 * CHUNK] = {0};
        double *points = xyz + 3 * start;
        memcpy(target, points, 3 * here * sizeof *points);
        transform(crs, PJ_INV, points, here);
        memcpy(miss, points, 3 * here * sizeof *points);
        transform(crs, PJ_FWD, miss, here);
        for (size_t i = 0; i < 3 * here; i++) {
            points[i] = target[i] + (target[i] - miss[i]);
        }
        transform(crs, PJ_INV, points, here);
        leave(crs->plan, points, here);
    }
    return check_finite(crs, xyz, count, "has no image in this system", err);
}

bool crs_to_lonlat_deg(struct crs *crs, double *xyz, size_t count, struct err *err)
{
    if (!crs_to_ecef(crs, xyz, count, err)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const struct earth_point at =
            earth_from_ecef((struct vec3){xyz[3 * i], xyz[3 * i + 1], xyz[3 * i + 2]});
        xyz[3 * i] = at.longitude_rad / EARTH_RAD_PER_DEG;
        xyz[3 * i + 1] = at.latitude_rad / EARTH_RAD_PER_DEG;
        xyz[3 * i + 2] = at.height_m;
    }
    return true;
}

const char *crs_library_version(void)
{
    return proj_info().version;
}

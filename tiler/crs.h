/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_CRS_H
#define TILER_CRS_H

/*
 * crs.h - source coordinates to earth-centred metres, every vertex of them.
 *
 * A plan is made once for each source system: it finds the operation, settles
 * the axis order, says in words what will be done and how accurate that is, and
 * holds no library handle. Each thread opens the plan and converts its batches.
 *
 *     struct crs_plan plan;                            the run's one thread
 *     crs_plan_make(&request, run, &plan, err)
 *     crs_check_sample(&plan, sample, count, run, &check, err)
 *        plan is constant from here on
 *     crs_open(&crs, &plan, err)                       each worker
 *     crs_to_ecef(&crs, xyz, count, err)               each feature
 *     crs_close(&crs)
 *
 * Horizontal and vertical parts are looked up apart and put together here,
 * because the library, asked for a compound system with a grid missing, answers
 * with no datum shift at all and no error (EPSG:7415 comes out 108 m wrong).
 *
 *     file's axes > east, north > geodetic of the source > WGS 84   horizontal
 *     metres, upward > + offset > + geoid                           vertical
 *     longitude, latitude, ellipsoidal height > x, y, z             EPSG:4978
 *
 * Heights  A compound or 3D system is taken at its word. A 2D system has heights
 *          above the sea, in metres. A height above the sea becomes an
 *          ellipsoidal one by the exact grid when it is installed, else by EGM96
 *          (right to a metre or two) with a notice that names the missing grid.
 * Datum    CGCS2000 is taken as WGS 84, and `remark` says so: no registered
 *          operation joins them; they agree to a few centimetres at their own
 *          epochs. Any other ballpark operation is refused unless asked for.
 * Network  never used. Grids come from PROJ's own folders or --geoid.
 * Threads  crs_plan_make() and crs_check_sample(): one at a time for one plan.
 *          A checked plan may be shared. A struct crs belongs to one thread.
 *          Every thread gets the same bits.
 */

#include <stdbool.h>
#include <stddef.h>

#include "formats/base/arena.h"
#include "formats/base/err.h"

/* The user's word on the order of the first two coordinates (--axis). */
enum crs_axis {
    CRS_AXIS_AUTO, /* by the format's practice; the sample may correct it */
    CRS_AXIS_XY,   /* east, north; longitude, latitude */
    CRS_AXIS_YX    /* north, east; latitude, longitude */
};

/*
 * What the format does in practice. Data in projected systems are easting,
 * northing in every format, also where EPSG says northing first (EPSG:4547).
 */
enum crs_order_hint {
    CRS_ORDER_XY,       /* CityJSON, GeoJSON, shapefiles: longitude first too */
    CRS_ORDER_AUTHORITY /* GML: geographic systems as EPSG declares them */
};

struct crs_request {
    /*
     * One of
     *   EPSG:4547   epsg:4547   4547   EPSG:28992+5709   ESRI:102100
     *   urn:ogc:def:crs:EPSG::7415   http://www.opengis.net/def/crs/EPSG/0/7415
     *   urn:ogc:def:crs,crs:EPSG::28992,crs:EPSG::5709
     *   urn:adv:crs:ETRS89_UTM32*DE_DHHN2016_NH*GCG2016    German surveys
     *   cgcs2000:118.8333[,39]   custom central meridian, also 118d50; after the
     *                            comma the zone prefix of the eastings
     *   gcj02   bd09             longitude, latitude as Chinese web maps shift them
     *   WKT (1, 2, ESRI), a PROJ string, PROJJSON
     *   the text of a --crs-file: any of the above, or the four or seven
     *   parameters of a local system as crs_definition.h describes them
     */
    const char *definition;
    const char *vertical;   /* --vertical: NULL by rule, "ellipsoid", "EPSG:5773", "EGM96", ... */
    const char *geoid;      /* --geoid: NULL, a grid file (.gtx, .tif), or metres as "37.2" */
    double height_offset_m; /* added to every height */
    enum crs_axis axis;
    enum crs_order_hint order;
    bool allow_ballpark; /* --allow-ballpark */
    bool is_private;     /* definition is a --crs-file: parameters stay out of public texts */
};

enum { CRS_NOTICES_MAX = 6 };

struct crs_parts;

/* What will be done. All texts live in the arena given to crs_plan_make(). */
struct crs_plan {
    const char *name;          /* "CGCS2000 / 3-degree Gauss-Kruger CM 114E" */
    const char *authority;     /* "EPSG", or NULL */
    const char *code;          /* "4547", or NULL; of the whole system as it was named */
    const char *vertical_name; /* "NAP height", "ellipsoidal height", "height above sea level" */
    const char *operation;     /* the PROJ pipeline in use, for cct; file axes in, metres out.
                                  A grid of --geoid by its file name only; of a private system
                                  its name and digest only */
    const char *datum_name;    /* "Amersfoort" */
    const char *remark;        /* for the manifest, such as what CGCS2000 is taken for; or NULL */
    const char *notices[CRS_NOTICES_MAX]; /* for the terminal, one sentence each */
    size_t notice_count;
    double accuracy_m;        /* horizontal, by the authority's figures; -1 unknown; 0 exact */
    double height_accuracy_m; /* vertical; -1 unknown */
    bool is_geographic;       /* coordinates are angles */
    bool is_geocentric;       /* coordinates are earth-centred */
    bool is_ballpark;         /* no datum shift is known, and that was allowed */
    bool is_height_ellipsoidal;
    bool is_yx; /* the file has north or latitude first */
    bool is_private;
    const char *wkt; /* of the horizontal system, WKT 1 as GeoPackage wants it, east first; NULL:
                        none can be written */
    const char *horizontal_code; /* "28992" of EPSG:7415; or NULL; same authority */
    double unit_m;               /* horizontal unit in metres; 0 for angles */
    double height_unit_m;        /* vertical unit in metres; below 0 where depths are published */
    double west_deg, south_deg, east_deg, north_deg; /* area of use; west > east across 180 */
    bool has_area;
    const char *area_name; /* "China - 112.5°E to 115.5°E, onshore", or NULL */

    /* For crs.c and crs_check.c. */
    const char *pipeline; /* as opened: with private parameters and full paths, east first */
    const char *geodetic_name;
    enum crs_axis axis;
    int shift;        /* enum gcj02_shift; taken off before the pipeline */
    bool is_meridian; /* cgcs2000:longitude */
    double meridian_deg;
    struct crs_parts *parts;
};

/*
 * Finds the operation.
 *
 * Memory   texts in `run`; temporary library state is gone when it returns
 * Errors   ERR_CRS      no such system, or no usable operation; the message says
 *                       what to give instead
 *          ERR_IO       the grid of --geoid cannot be opened
 *          ERR_SYNTAX   the text of a --crs-file, with line
 *          ERR_LIMIT, ERR_NOMEM  from the arena
 */
ERR_CHECKED bool crs_plan_make(const struct crs_request *request, struct arena *run,
                               struct crs_plan *out, struct err *err);

/* What the sample says. */
struct crs_check {
    double longitude_deg, latitude_deg; /* the middle of the sample: where the city lies */
    double height_shift_m;              /* what is added to its heights there, geoid and all */
    const char *notice;                 /* a doubt that does not stop the run; or NULL */
    const size_t *outliers;             /* indices of points far from all others */
    size_t outlier_count;
};

/*
 * Holds some of the source's points against the plan, before the run: the zone
 * prefix in the eastings, swapped axes, a wrong zone, degrees under a projected
 * system and the reverse, points far from all others. With CRS_AXIS_AUTO it
 * turns the plan's axis order when only the other one fits, and says so.
 *
 * Shapes   points  count x 3, as published; one for each feature will do; a few
 *                  thousand are plenty. count 0 passes
 * Memory   texts and outliers in `run`
 * Errors   ERR_CRS  the coordinates cannot be of this system; the message names
 *                   the one that fits, when there is one
 */
ERR_CHECKED bool crs_check_sample(struct crs_plan *plan, const double *points, size_t count,
                                  struct arena *run, struct crs_check *out, struct err *err);

/* A plan opened by one thread. */
struct crs {
    const struct crs_plan *plan; /* borrowed */
    struct pj_ctx *context;
    struct PJconsts *operation;
};

/* Cheap (under a millisecond, no database search). `plan` outlives *crs. */
ERR_CHECKED bool crs_open(struct crs *crs, const struct crs_plan *plan, struct err *err);
void crs_close(struct crs *crs); /* a zeroed one is fine */

/*
 * In place: coordinates as published, in the file's axis order, to earth-centred
 * metres (EPSG:4978). On failure the contents of xyz are undefined.
 *
 * Errors   ERR_CRS  a point that is not finite or has no place on earth; the
 *                   message has its index
 */
ERR_CHECKED bool crs_to_ecef(struct crs *crs, double *xyz, size_t count, struct err *err);

/* The inverse: within 0.1 mm of where the point came from. */
ERR_CHECKED bool crs_from_ecef(struct crs *crs, double *xyz, size_t count, struct err *err);

/* In place: to longitude and latitude in degrees and ellipsoidal height in metres, WGS 84. */
ERR_CHECKED bool crs_to_lonlat_deg(struct crs *crs, double *xyz, size_t count, struct err *err);

/* "9.1.1", for the manifest. */
const char *crs_library_version(void);

#endif

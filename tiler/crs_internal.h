/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_CRS_INTERNAL_H
#define TILER_CRS_INTERNAL_H

/*
 * crs_internal.h - what crs.c offers to crs_check.c, so that the checks need no
 * PROJ.
 */

#include "tiler/crs.h"

/* One of several registered ways from a source datum to WGS 84, each for its
 * own region: which is right depends on where the city lies. */
struct crs_way {
    const char *steps; /* PROJ steps, east first, to longitude and latitude in degrees */
    const char *name;
    const char *area_name;
    double accuracy_m;
    bool has_area;
    double west_deg, south_deg, east_deg, north_deg;
};

/* What a plan is put together from; the plan keeps it to be put together again
 * when the sample turns the axes or lies in another way's region. */
struct crs_parts {
    const struct crs_way *ways;
    size_t way_count;
    size_t way_index;         /* in use */
    bool is_accuracy_unknown; /* a local system's parameters, or GCJ-02 */
    const char *before;       /* steps of a local system, before the way */
    const char *after;        /* steps for heights and to earth-centred */
    const char *shown_after;  /* the same for the manifest: no folder names */
    const char *private_text; /* stands for the operation of a private system; or NULL */
};

/* Makes pipeline and operation anew from parts, way_index and is_yx. */
ERR_CHECKED bool crs_compose(struct crs_plan *plan, struct arena *run, struct err *err);

struct crs_sister {
    char code[24]; /* "EPSG:4526" */
    char name[120];
};

/*
 * Looks for the one projected system of EPSG under which the points would lie
 * in its area of use: first among those of the same datum (same name up to the
 * slash), then among those of the same region.
 *
 * Shapes   points  count x 3, east first
 * Returns  false when none fits, or several do and nothing tells them apart
 */
bool crs_find_sister(const struct crs_plan *plan, const double *points, size_t count,
                     struct crs_sister *out);

#endif

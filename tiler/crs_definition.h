/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_CRS_DEFINITION_H
#define TILER_CRS_DEFINITION_H

/*
 * crs_definition.h - the many ways to name a coordinate system, brought to the
 * few that PROJ reads, and our own text form for a city's local system.
 *
 * A local system is described by a few lines, `#` begins a comment:
 *
 *     parameters = four                 # plane similarity into `base`
 *     name       = Shenzhen independent coordinate system
 *     base       = EPSG:4547            # what the parameters lead to
 *     convention = east-north           # or north-east
 *     dx = 391090.578                   # metres
 *     dy = 2472660.600
 *     rotation_arcsec = -3518.24        # or rotation_deg
 *     scale_ppm = 12.5                  # or scale = 1.0000125
 *
 *         x' = dx + scale (x cos r - y sin r)
 *         y' = dy + scale (x sin r + y cos r)
 *
 * With `east-north`, x is the easting and y the northing, so r turns
 * anticlockwise. With `north-east`, x is the northing and y the easting, as
 * Chinese surveying programs print their four parameters, and r turns clockwise.
 * Both are positions in, positions out; the file's own axis order is settled
 * elsewhere.
 *
 *     parameters = seven                # datum shift, then `base`
 *     name       = Suzhou city system
 *     system     = +proj=tmerc +lon_0=120.58 +k=1 +x_0=50000 +ellps=krass
 *     base       = EPSG:4490            # geographic, what the parameters lead to
 *     convention = position-vector      # or coordinate-frame
 *     dx = -15.4   dy = 78.2   dz = 80.1              one a line; metres
 *     rx_arcsec = 1.2   ry_arcsec = ...  rz_arcsec = ...
 *     scale_ppm = -3.1
 *
 * `base` and `system` may be anything crs.h takes except another such text. In
 * `system` only the projection and the ellipsoid count. Heights are not shifted.
 *
 * Threads  No state; safe from any thread.
 */

#include <stdbool.h>

#include "formats/base/arena.h"
#include "formats/base/err.h"
#include "tiler/gcj02.h"

/* Texts live in the arena, or are constants. */
struct crs_definition {
    const char *horizontal; /* for PROJ: "EPSG:7415", WKT, ...; may have heights of its own */
    const char *vertical;   /* for PROJ: "EPSG:5709"; or NULL */
    const char *code;       /* "28992+5709" when two codes of EPSG were joined; or NULL */
    const char *name;       /* of a system of our own; or NULL */
    const char *notice;     /* a doubt about the text; or NULL */
    enum gcj02_shift shift;
    bool is_meridian; /* cgcs2000:longitude */
    double meridian_deg;

    bool has_plane;  /* applied to easting, northing before `horizontal` */
    double plane[6]; /* e' = p0 + p1 e + p2 n,  n' = p3 + p4 e + p5 n */

    const char *shift_base; /* geographic, where `helmert` leads; NULL: no Helmert */
    double helmert[7];      /* dx dy dz in m, rx ry rz in arc seconds, scale in ppm */
    bool is_position_vector;
};

/*
 * Understands a definition as crs.h lists them. Knows no code from another: that
 * EPSG:99999 does not exist is for PROJ to say.
 *
 * Errors   ERR_CRS     empty; a German name that is not known; a meridian or
 *                      prefix out of range
 *          ERR_SYNTAX  a local system's text, with line: unknown key, a value
 *                      missing, twice, or not a number
 *          ERR_NOMEM, ERR_LIMIT  from the arena
 */
ERR_CHECKED bool crs_definition_read(const char *text, struct arena *run,
                                     struct crs_definition *out, struct err *err);

/* "ETRS89 / UTM zone 32N" of "EPSG:25832" is PROJ's to say; this makes the one
 * spelling "EPSG:25832" of any spelling of a single code, or returns the text. */
const char *crs_definition_code(const char *text, struct arena *run);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_GCJ02_H
#define TILER_GCJ02_H

/*
 * gcj02.h - the shifted longitudes and latitudes of Chinese web maps.
 *
 * GCJ-02 moves WGS 84 by up to some 700 m in a smooth way, BD-09 moves GCJ-02
 * once more. The official formulas are not published; these are the ones that
 * everybody uses and that agree with the maps to a few decimetres.
 *
 * Source   "eviltransform" (googollee/eviltransform) and "coordtransform"
 *          (wandergis/coordtransform), which agree to the last digit; the
 *          ellipsoid is Krassowsky's, as in them
 * Limits   outside 72.004-137.8347 E, 0.8293-55.8271 N nothing is shifted, as in
 *          the sources. Maps of Hong Kong, Macau and Taiwan differ by product;
 *          here they are shifted
 * Threads  No state; safe from any thread.
 */

enum gcj02_shift {
    GCJ02_NONE,
    GCJ02_GCJ02, /* Amap, Tencent, Google's map of China */
    GCJ02_BD09   /* Baidu */
};

/* WGS 84 to the shifted system; degrees, in place. */
void gcj02_add(enum gcj02_shift shift, double *longitude_deg, double *latitude_deg);

/*
 * The inverse: what gcj02_add() turns into the given point, to a tenth of a
 * millimetre. Within a shift's length of the border of the shifted area, where
 * there may be none or two such points, one that is near.
 */
void gcj02_remove(enum gcj02_shift shift, double *longitude_deg, double *latitude_deg);

#endif

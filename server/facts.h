/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_FACTS_H
#define SERVER_FACTS_H

/*
 * facts.h - what a catalogue tells about a package without opening a tile.
 *
 * They come from tileset.json (the root's volume; `extras.storey` of the asset,
 * the tileset or the root tile) and from the manifest of a package of ours.
 * Whatever is missing there is simply not told. A manifest of a large package is
 * not read: a million tiles open in milliseconds.
 */

#include "formats/base/arena.h"
#include "formats/base/err.h"
#include "formats/digest.h"

struct package;

struct facts {
    struct text title; /* or empty */
    bool is_ours;      /* made by storey */
    bool says_storey;  /* has extras of ours */
    bool has_extent;
    double extent_deg_m[6]; /* west, south, low, east, north, high; CRS84h; loose */
    bool has_ground_height;
    double ground_height_m; /* of the city's ground above the ellipsoid */
    bool has_feature_count;
    uint64_t feature_count;
    struct text tiles_version;        /* "1.1" */
    struct text crs;                  /* of the first input; or empty */
    char revision[DIGEST_TEXT_BYTES]; /* digest of tileset.json */
};

/*
 * Memory   text lies in `run`; `scratch` is reset
 * Errors   no tileset.json, one that is no JSON; of a package of ours one that
 *          tileset_read() refuses. A manifest that cannot be read makes the
 *          package a foreign one.
 */
ERR_CHECKED bool facts_read(const struct package *package, struct arena *run, struct arena *scratch,
                            struct facts *out, struct err *err);

#endif

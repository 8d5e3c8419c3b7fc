/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_STOREYS_H
#define TILER_STOREYS_H

/*
 * storeys.h - how many storeys a building has, and where their floors are.
 *
 * From attributes where the source has some: CityGML and CityJSON
 * (storeysAboveGround, storeyHeightsAboveGround, ...), OpenStreetMap
 * (building:levels), cadastres in some languages. Else a building's height over
 * STOREYS_HEIGHT_M, marked as derived.
 *
 * Threads  making the table from one; the rest from any
 */

#include "formats/feature_index.h"
#include "tiler/dictionary.h"
#include "tiler/record.h"

/* Floor to floor, where nothing is known. */
#define STOREYS_HEIGHT_M 3.0

enum { STOREYS_MAX = 300 };

enum storeys_role {
    STOREYS_NO_ROLE,
    STOREYS_ABOVE,
    STOREYS_BELOW,
    STOREYS_HEIGHTS_ABOVE,
    STOREYS_HEIGHTS_BELOW
};

/* What a key of the dictionary says of storeys. Spelling does not matter: case,
 * "_", ":", "-", " " and a namespace in front are looked past. */
enum storeys_role storeys_role_of(struct text key);

struct storeys {
    enum feature_storeys kind;
    uint32_t above, below;
    bool has_floors;                /* else they are evenly spread, 3 m below ground */
    double floors[2 * STOREYS_MAX]; /* above the base, as features.idx has them */
};

/* roles: one for each key of the run's dictionary. */
void storeys_measure(const struct record *record, const uint8_t *roles, double height_m,
                     struct storeys *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_ITEMS_H
#define SERVER_ITEMS_H

/*
 * items.h - what is known about a package's features, and questions to it. The
 * answers are those of `storey query`: formats/query.h gives them, here they get
 * addresses, statuses and links.
 *
 * A package without features.idx (any that storey did not make) has tiles only;
 * these routes answer 404 there and say so.
 *
 * Statuses  400  a parameter that is unknown, missing, or not of its form; a filter
 *                that is not CQL2; a system of coordinates that is not known
 *           413  an area or a list that is too long
 *           415  a body that is not JSON
 *           422  an area that is none
 *           503  a question that costs too much
 *
 * Source   OGC API Features 1 (17-069r4), 2 (18-058) for crs and bbox-crs, 3
 *          (19-079r2) for filter and queryables; OGC API EDR for the names
 *          position, radius, area
 */

#include "server/answer.h"

void items_list(struct visit *visit);
void items_one(struct visit *visit);
void items_queryables(struct visit *visit);
void items_schema(struct visit *visit);
void items_feature_schema(struct visit *visit);
void items_position(struct visit *visit);
void items_radius(struct visit *visit);
void items_area(struct visit *visit);
void items_nearest(struct visit *visit);
void items_ray(struct visit *visit);
void items_flood(struct visit *visit);

#endif

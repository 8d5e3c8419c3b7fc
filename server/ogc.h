/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_OGC_H
#define SERVER_OGC_H

/*
 * ogc.h - the service documents: landing page, conformance, collections, the
 * description of the API.
 *
 * Source   OGC API Common 1 (19-072) and 2 (20-024), Features 1 (17-069r4), 3D
 *          GeoVolumes (22-029, draft); OpenAPI 3.0.3
 */

#include "server/answer.h"

void ogc_root(struct visit *visit);
void ogc_conformance(struct visit *visit);
void ogc_api(struct visit *visit);
void ogc_collections(struct visit *visit);
void ogc_collection(struct visit *visit);

#endif

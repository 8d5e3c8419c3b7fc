/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_TILES_H
#define SERVER_TILES_H

/*
 * tiles.h - files as they go out: tilesets, tiles, whole packages, the viewer.
 *
 * A name is answered from the newest revision that has it, so that a viewer with
 * an old tileset.json still gets its tiles. tileset.json itself is always the
 * newest, and never a redirect: CesiumJS keeps the URL that it asked for as the
 * base of all others. Names of a foreign package do not change with their bytes:
 * its tileset.json has its revision in every URI (r/{revision}/...), and those
 * addresses answer from that revision alone, 410 once it is gone.
 */

#include "server/answer.h"

void tiles_root(struct visit *visit);     /* /collections/{c}/3dtiles */
void tiles_file(struct visit *visit);     /* /collections/{c}/3dtiles/{path} */
void tiles_package(struct visit *visit);  /* /collections/{c}/package.3tz */
void tiles_endpoint(struct visit *visit); /* /v1/assets/{c}/endpoint */
void tiles_viewer(struct visit *visit);
void tiles_cesium(struct visit *visit);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_ATTRIBUTES_H
#define SERVER_ATTRIBUTES_H

/*
 * attributes.h - the attribute tables that a worker has open.
 *
 * SQLite's handles belong to one thread, and a server may have thousands of
 * packages: each worker keeps the few that were asked for last.
 *
 * Threads  one worker
 */

#include "formats/geopackage.h"
#include "server/store.h"

struct attributes;

enum { ATTRIBUTES_KEPT = 16 };

ERR_CHECKED bool attributes_open(struct attributes **out, struct err *err);
void attributes_close(struct attributes *attributes); /* NULL is fine */

/*
 * The table of a package, valid until the next call.
 *
 * True with *out NULL: the package has none.
 * Errors   those of geopackage_open_file(); ERR_UNSUPPORTED when it is compressed
 */
ERR_CHECKED bool attributes_find(struct attributes *attributes, struct store *store,
                                 struct geopackage **out, struct err *err);

/* Lets go of stores that are not marked with `number` or a later one. */
void attributes_retain(struct attributes *attributes, uint64_t number);

#endif

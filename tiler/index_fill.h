/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_INDEX_FILL_H
#define TILER_INDEX_FILL_H

/*
 * index_fill.h - the stage between build and publish: features.idx and
 * features.gpkg.
 *
 * Features are sorted along a Hilbert curve through their keys on the lattice;
 * workers make of each placed record what the two files say of it; the writers
 * get it in order. In memory: 20 bytes a feature here and what
 * feature_index_write.h names.
 */

#include "tiler/run.h"

/*
 * Errors   ERR_IO (disk full), ERR_NOMEM, ERR_LIMIT, ERR_LIBRARY (SQLite)
 */
ERR_CHECKED bool index_fill_run(struct run *run, struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_INPUTS_H
#define TILER_INPUTS_H

/*
 * inputs.h - from what the user named to a list of files.
 *
 * A file stands for itself. A folder stands for every file in it, below too,
 * whose name ends as a city model's does, sorted by name; names that begin with
 * a dot are passed over. --files-from adds a line each.
 */

#include "tiler/run.h"

/*
 * Fills run->sources, with their digests.
 *
 * Errors   ERR_IO      a path that is not there or cannot be read
 *          ERR_SCHEMA  nothing to read: the message names the folder
 */
ERR_CHECKED bool inputs_list(struct run *run, struct err *err);

#endif

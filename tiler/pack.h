/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_PACK_H
#define TILER_PACK_H

/*
 * pack.h - a package from a directory to one .3tz archive and back.
 *
 * The same files give the same archive: sorted by name, fixed date. What is
 * worth it is compressed; what must be read in place (features.idx,
 * features.gpkg) is stored and aligned.
 */

#include "formats/base/err.h"
#include "formats/packing.h"

struct pack_options {
    const char *input;          /* pack: a folder; unpack: a .3tz */
    const char *output;         /* pack: a .3tz; unpack: a folder */
    enum packing_method method; /* for what is compressed; STORED: nothing is */
};

/*
 * Errors   ERR_IO      input missing, output's folder missing or unwritable
 *          ERR_SCHEMA  the output exists and is no package of ours
 *          ERR_LIMIT   a file of 4 GiB or more
 *          On failure the output is as it was.
 */
ERR_CHECKED bool pack_run(const struct pack_options *options, struct err *err);
ERR_CHECKED bool pack_unpack(const struct pack_options *options, struct err *err);

/*
 * Packs the folder into a new archive file at `path`, overwriting it, and
 * flushes it; not atomic, the caller renames.
 *
 * Members smaller by less than a twentieth are stored.
 */
ERR_CHECKED bool pack_folder(const char *folder, const char *path, enum packing_method method,
                             struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_INFO_H
#define TILER_INFO_H

/*
 * info.h - `storey info`: what is in an input, or in a package.
 *
 * An input is read whole, feature by feature, as a run would read it; nothing is
 * written but temporary files. A package tells what its manifest knows, and what
 * its tree adds up to, level by level.
 */

#include "formats/base/buf.h"
#include "tiler/options.h"

/*
 * Appends text, or with options->is_json one JSON object, to `out`. Ask
 * buf_finish() afterwards.
 *
 * Errors   those of opening and reading what is named
 */
ERR_CHECKED bool info_run(const struct options *options, struct arena *run, struct buf *out,
                          struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_INFO_INTERNAL_H
#define TILER_INFO_INTERNAL_H

/*
 * info_internal.h - the two halves of info.h.
 */

#include "formats/base/buf.h"
#include "tiler/options.h"

ERR_CHECKED bool info_input(const struct options *options, struct arena *run, struct buf *out,
                            struct err *err);
ERR_CHECKED bool info_package(const struct options *options, struct arena *run, struct buf *out,
                              struct err *err);

#endif

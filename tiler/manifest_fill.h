/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_MANIFEST_FILL_H
#define TILER_MANIFEST_FILL_H

/*
 * manifest_fill.h - what the manifest says of a run.
 */

#include "formats/manifest.h"
#include "tiler/run.h"

/* Fills everything but the files, which publish_commit() knows. Memory: lives
 * in run->arena. */
ERR_CHECKED bool manifest_fill(struct run *run, struct manifest *out, struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_INGEST_H
#define TILER_INGEST_H

/*
 * ingest.h - stage one: every input, feature by feature, into the spool.
 *
 * Here it is decided what takes part: classes asked for, features with a shape
 * of their own, the finest of building and parts, one of identical doubles.
 */

#include "tiler/run.h"

/*
 * Reads run->sources; fills features, offsets, dictionary, crs and counts.
 *
 * Errors   ERR_CRS     a source without a coordinate system and no --crs, or one
 *                      that its coordinates contradict
 *          ERR_SCHEMA  not one feature with a shape
 *          those of source.h when a source is broken, or with --strict a feature
 */
ERR_CHECKED bool ingest_run(struct run *run, struct err *err);

#endif

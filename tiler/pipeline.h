/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_PIPELINE_H
#define TILER_PIPELINE_H

/*
 * pipeline.h - a run of `storey tile`, top to bottom.
 */

#include "tiler/run.h"

/*
 * Runs the stages. `run` comes with options, is_stopped, tell and teller
 * set and all else zero; counts, stages and report are to be read afterwards,
 * whether it succeeded or not. pipeline_release() is due in either case.
 *
 * Errors   any; nothing is left behind, an old package stands
 */
ERR_CHECKED bool pipeline_run(struct run *run, struct err *err);
void pipeline_release(struct run *run);

#endif

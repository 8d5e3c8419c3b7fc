/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_PARTITION_H
#define TILER_PARTITION_H

/*
 * partition.h - stage three: which features go into which tile.
 *
 * Cells of the fixed lattice split while their features would weigh more than a
 * tile; whether a cell splits depends on what is in it and on nothing else. A
 * feature wider than the quarters of a cell is not cut: it goes to a leaf of
 * the cell's own, beside the quarters.
 *
 *                       cell ── parent, made from its children
 *                     / | | \ \
 *               quarters      own        leaves, or cells that split again
 *
 * A feature in parts (split.h) is a tree of its own beside the leaf of the cell
 * that it lies in; among the cell's features it weighs half a tile.
 */

#include "tiler/run.h"

/* Sorts run->entries by place; fills run->nodes, children before parents, the
 * root last. There is at least one entry. */
ERR_CHECKED bool partition_run(struct run *run, struct err *err);

#endif

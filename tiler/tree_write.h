/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_TREE_WRITE_H
#define TILER_TREE_WRITE_H

/*
 * tree_write.h - the nodes as tileset.json and, for large trees, further
 * tilesets that it refers to.
 *
 * No file holds more than TREE_TILES_MAX tiles (about 64 KiB). A subtree that
 * becomes a file of its own is content-named and says nothing of what is above
 * it: the transform stands with the tile that refers to it.
 *
 * Frames   a tile's transform leads to its parent's frame; the root's to the
 *          Earth. So transforms compose through files, as viewers do it.
 */

#include "tiler/run.h"

enum { TREE_TILES_MAX = 80 };

/* Adds tileset.json and what it refers to, to run->publish. */
ERR_CHECKED bool tree_write(struct run *run, struct err *err);

#endif

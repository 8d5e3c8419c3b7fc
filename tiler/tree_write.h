/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_TREE_WRITE_H
#define TILER_TREE_WRITE_H

/*
 * tree_write.h - the nodes as tileset.json and, for large trees, further
 * tilesets that it refers to.
 *
 * No file holds more than TREE_TILES_MAX tiles (below 64 KiB), unless one node has
 * so many children. tileset.json holds the tiles of largest error, as those are
 * asked for first; what stands below a tile that it holds no children of is a
 * file of its own, again filled by error. So a far view needs one file, and what
 * is below a tile costs one request however many children it has:
 *
 *     a ── b ── c d e          in one file
 *       └─ f ── (link)         f's children: root with f's box and error, no
 *                              content ── g h i
 *
 * A file is content-named and says nothing of what is above it.
 *
 * Frames   a tile's transform leads to its parent's frame; the root's to the
 *          Earth. So transforms compose through files, as viewers do it.
 */

#include "tiler/run.h"

enum { TREE_TILES_MAX = 160 };

/* Adds tileset.json and what it refers to, to run->publish. */
ERR_CHECKED bool tree_write(struct run *run, struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_REACH_H
#define SERVER_REACH_H

/*
 * reach.h - which files of a foreign package a tileset leads to, so that nothing
 * else that lies in the folder is served.
 *
 * The root tileset and every tileset that it leads to are read once, when the
 * package is opened. Whatever stands in them as "uri", "url" or "schemaUri", at
 * any depth, is reachable: contents, external tilesets, subtrees, schemas, those
 * of extensions too. A template of implicit tiling stands for every name that
 * fits it. Pictures and buffers, which a .gltf may refer to, are reachable when
 * a .gltf is.
 *
 * Source   3D Tiles 1.1 (OGC 22-025r4), "URIs", "Implicit Tiling"
 * Limits   REACH_NAMES_MAX names, REACH_TILESETS_MAX tilesets
 * Threads  only read after reach_read()
 */

#include "formats/base/arena.h"
#include "formats/digest.h"
#include "formats/package.h"

enum { REACH_NAMES_MAX = 8 << 20, REACH_TILESETS_MAX = 1 << 20, REACH_TEMPLATES_MAX = 256 };

/* Where in the root's text a URI begins that leads into the package. */
struct reach_place {
    uint64_t offset; /* behind the quote */
};

struct reach {
    struct digest *names; /* of names, sorted */
    size_t name_count;
    struct text templates[REACH_TEMPLATES_MAX];
    size_t template_count;
    bool has_gltf;
    struct reach_place *places; /* of URIs in the root, ascending: see reach_print_root() */
    size_t place_count;
};

/*
 * Reads a package's tilesets. One that is named and cannot be read leads nowhere;
 * the root must be JSON.
 *
 * Memory   *out lies in `run`; scratch is reset
 * Errors   ERR_SYNTAX of the root, ERR_LIMIT, ERR_NOMEM
 */
ERR_CHECKED bool reach_read(const struct package *package, struct arena *run, struct arena *scratch,
                            struct reach *out, struct err *err);

/* Appends the root's text with `prefix` before every URI that leads into the
 * package: so the URLs of one revision are nobody else's. `root` is the text that
 * was read. */
void reach_print_root(const struct reach *reach, struct span root, const char *prefix,
                      struct buf *out);

bool reach_has(const struct reach *reach, struct text name);

/*
 * A URI found in the file `base`, as a name in the package: percent escapes
 * resolved, query and fragment left out, "." and ".." walked.
 *
 * Returns false for one that leads out of the package, or has a scheme.
 * Memory   *out lies in `arena`; false without memory, too
 */
bool reach_resolve(struct text base, struct text uri, struct arena *arena, struct text *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_IMAGE_PLACE_H
#define TILER_IMAGE_PLACE_H

/*
 * image_place.h - where the pictures lie that source files name, and their bytes.
 *
 * A name is a path from the source file, on disk or in the zip that the source
 * is in. Slashes may lean either way, "file:" may stand before it, and %20 is a
 * blank. What is not there is looked for by the name as it is written ("50%20off"
 * may be what a file is called), then in other capitals, as files come that were
 * named where these make no difference. Nothing is fetched from a network.
 *
 * Threads  one at a time for one struct image_places; the rest from any
 */

#include "formats/base/buf.h"
#include "formats/base/io.h"
#include "formats/zip.h"

enum { IMAGE_PATH_BYTES = 4096 };

/* A zip that sources are in. */
struct image_archive;

/* By source, whether it is in a zip. */
struct image_places {
    struct buf sources;
};

void image_places_init(struct image_places *places);
void image_places_release(struct image_places *places);

/*
 * The zip that the file at `path` is; NULL when it is none. `source` is the
 * file's number in the run. It stays open until image_places_release().
 *
 * Errors   ERR_NOMEM, ERR_LIMIT
 */
ERR_CHECKED bool image_places_archive(struct image_places *places, uint32_t source,
                                      const char *path, struct image_archive **out,
                                      struct err *err);

/* What a source calls a picture, and where that would be. */
struct image_place {
    const struct image_archive *archive; /* NULL: on disk */
    char name[IMAGE_PATH_BYTES];         /* slashes lean forward, escapes are undone */
    char path[IMAGE_PATH_BYTES];         /* on disk, or a member's name */
    char written[IMAGE_PATH_BYTES];      /* the path with its escapes; empty: it has none */
};

/* False: nothing that a file could be called. */
bool image_place_name(const struct image_archive *archive, const char *source_path,
                      struct text name, struct image_place *out);

/* Looks for it: `path` becomes what it is called there. NULL, or why there is
 * none: "is not in the archive". *out_member is NULL on disk. */
const char *image_place_find(struct image_place *place, const struct zip_member **out_member);

/* The bytes of an image file: mapped, or expanded. */
struct image_content {
    struct io_map map;
    struct buf expanded;
    struct span bytes;
};

ERR_CHECKED bool image_content_open(const char *path, const struct zip_member *member,
                                    struct image_content *out, struct err *err);
void image_content_close(struct image_content *content);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_PUBLISH_H
#define TILER_PUBLISH_H

/*
 * publish.h - the last stage: files gather in a staging folder beside the
 * output, and become the package in one step.
 *
 *     publish_begin()  ->  publish_add_file() ...  ->  publish_commit()
 *                                                  \-> publish_abort()
 *
 * The staging folder of OUT/city is OUT/.city.storey-PID. A reader sees no
 * package, or the old one, or the whole new one:
 *
 *   new                    rename(staging, output)
 *   replacing a directory  renameat2(staging, output, RENAME_EXCHANGE), then the
 *                          old one, now in staging's place, is removed
 *   .3tz                   staging is packed to a file in it, rename over output
 *
 * after everything in staging was flushed by one syncfs() (2,000 files of 20 KB:
 * 0.05 to 0.4 s on a busy machine; an fsync() of each takes 1.2 to 3.4 s).
 * manifest.json is written last, by commit, and lists every file that was added.
 *
 * Only what carries our manifest (or an empty directory) is ever replaced.
 *
 * Threads  publish_add_file(), publish_adopt_file() and publish_path() from any
 *          thread; the rest from one
 */

#include "formats/base/bytes.h"
#include "formats/base/err.h"
#include "formats/manifest.h"
#include "formats/packing.h"

struct publish;

/*
 * Checks the output and makes the staging folder. Staging folders beside it whose
 * process is gone are removed.
 *
 * output   a folder, or a file ending in ".3tz"; it need not exist, its parent
 *          folder must
 * Errors   ERR_SCHEMA  it exists and is no package of ours
 *          ERR_IO      the folder it is in is missing or unwritable
 */
ERR_CHECKED bool publish_begin(const char *output, struct publish **out, struct err *err);

/* True when a package of ours stands at the output now. */
bool publish_replaces(const struct publish *publish);

/*
 * Writes a file of the package and notes its digest. The same name again with
 * the same bytes is fine (content-named tiles); with others it is ERR_SCHEMA.
 * Folders in the name are made.
 */
ERR_CHECKED bool publish_add_file(struct publish *publish, const char *name, struct span bytes,
                                  struct err *err);

/* Where another writer (SQLite, a mapped index) shall put `name`; folders in it
 * are made. Tell publish_adopt_file() once it is closed. */
ERR_CHECKED bool publish_path(struct publish *publish, const char *name, char *out,
                              size_t out_bytes, struct err *err);
ERR_CHECKED bool publish_adopt_file(struct publish *publish, const char *name, struct err *err);

/* Files and bytes added so far. */
void publish_count(const struct publish *publish, uint64_t *out_files, uint64_t *out_bytes);

/*
 * Writes manifest.json from `manifest` (its files are filled in here and belong
 * to *publish), flushes, and makes the package visible. Without `manifest` the
 * files that were added are the package as they are (unpacking).
 *
 * LATER: a file of 4 GiB or more should stand beside the archive and be named in
 * manifest.beside; now it is ERR_LIMIT. It takes some ten million features.
 *
 * Either way *publish is freed. On failure the output is as it was and staging
 * is gone.
 */
ERR_CHECKED bool publish_commit(struct publish *publish, struct manifest *manifest,
                                struct err *err);

/* As publish_commit(), but the archive is made of the files in `folder`. The
 * output must be a .3tz. */
ERR_CHECKED bool publish_commit_archive(struct publish *publish, const char *folder,
                                        enum packing_method method, struct err *err);

/* Removes the staging folder. NULL is fine. */
void publish_abort(struct publish *publish);

#endif

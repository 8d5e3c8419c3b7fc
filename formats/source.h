/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_SOURCE_H
#define FORMATS_SOURCE_H

/*
 * source.h - one input file, opened by whatever reader understands it.
 *
 * The content decides, the name only helps: a CityJSON file called .txt is
 * read, a .city.json that is not JSON is refused in its own words. gzip and zip
 * are looked into; what is inside is inflated to the temporary folder first. A
 * zip may hold several inputs: they are read one after the other, and features
 * of a member whose CRS is not that of the first carry their own.
 *
 * Memory   bounded by SOURCE_MEMORY_BYTES and the largest single feature; what
 *          must be kept longer (vertices, templates, parents) is spilled to
 *          the temporary folder, to files without a name
 * Limits   SOURCE_INFLATED_BYTES_MAX from one compressed file, and not more than
 *          SOURCE_INFLATED_RATIO_MAX times its size once that is over 64 MiB
 * Threads  one thread at a time for one source
 */

#include "formats/base/arena.h"
#include "formats/base/report.h"
#include "formats/feature.h"

struct source;

enum { SOURCE_MEMORY_BYTES = 256 * 1024 * 1024 };
enum { SOURCE_INFLATED_RATIO_MAX = 400 };
#define SOURCE_INFLATED_BYTES_MAX ((uint64_t)1 << 38)

struct source_options {
    const char *temporary_folder; /* must exist; NULL: /tmp */
    const char *encoding;         /* of text that does not declare one; NULL detects */
    const char *theme;            /* of materials and textures; NULL: the file's default or first */
    size_t fail_after;            /* tests: as arena.fail_after, for the source's own memory */
};

struct source_info {
    const char *format;   /* "CityJSON 2.0", "CityJSONSeq 1.1" */
    struct text crs;      /* as the file names it; empty when it does not */
    struct text title;    /* empty when the file has none */
    uint64_t bytes_total; /* to be read, uncompressed; for progress */
};

/*
 * Opens a file and reads what is needed before the first feature.
 *
 * Memory   *out until source_close()
 * Errors   ERR_IO           not there, not readable, a folder
 *          ERR_UNSUPPORTED  no reader knows it; the message names the formats
 *          ERR_SYNTAX, ERR_SCHEMA, ERR_LIMIT  with line and column
 */
ERR_CHECKED bool source_open(const char *path, const struct source_options *options,
                             struct report *report, struct source **out, struct err *err);

/*
 * As source_open(), from memory: `bytes` stays the caller's and must outlive
 * the source. `name` is for messages, and its suffix may help.
 */
ERR_CHECKED bool source_open_bytes(struct span bytes, const char *name,
                                   const struct source_options *options, struct report *report,
                                   struct source **out, struct err *err);
void source_close(struct source *source); /* NULL is fine */

/* Valid from source_open() on. */
const struct source_info *source_info(const struct source *source);

/* Bytes of the input that have been read, for progress; 0 .. bytes_total. */
uint64_t source_bytes_done(const struct source *source);

/*
 * Reads the next feature. An object without geometry is yielded too (lod_count
 * 0): its parts may want its attributes.
 *
 * Memory   *out lives in `feature`, which the caller resets before the next call
 * Errors   false: either one feature could not be read (source_can_continue()
 *          is true, and the next call goes on after it; err names it), or the
 *          source is broken from here on (source_can_continue() is false)
 */
ERR_CHECKED bool source_next(struct source *source, struct arena *feature, struct feature *out,
                             bool *out_is_end, struct err *err);
bool source_can_continue(const struct source *source);

#endif

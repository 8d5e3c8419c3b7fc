/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_READER_H
#define FORMATS_READER_H

/*
 * reader.h - what a reader of features is to source.c.
 *
 * A reader is one constant table of functions, listed in source.c. It sees the
 * whole input as bytes: source.c has mapped or inflated it already.
 *
 * To add one: write formats/NAME.{h,c} with `extern const struct reader
 * NAME_reader`, and add its line to the table in source.c.
 */

#include "formats/base/buf.h"
#include "formats/base/io.h"
#include "formats/source.h"

/* How sure a reader is that an input is its own. The surest one reads it. */
enum reader_claim {
    READER_NO,
    READER_MAYBE, /* by its name or first byte only: nobody else may know it either */
    READER_SURE   /* by its content */
};

enum { READER_HEAD_BYTES = 64 * 1024 };

struct reader_input {
    struct span bytes;        /* the whole input, valid until close() */
    const struct io_map *map; /* what holds `bytes`, for io_map_give_back(); NULL: plain memory */
    const char *name;         /* as the user named it; for messages */
    const struct source_options *options;
    struct report *report;
    struct arena *source; /* lives until close() */
    struct text folder;   /* of the input within its archive, "udx/bldg/"; else empty */
    struct source *whole; /* for source_load_beside(); NULL: nothing is beside it */
};

/*
 * Adds a file that stands beside the input to `out`: `path` is relative to the
 * input's folder, in the file system or in its archive, and may go up by "..".
 * *out_is_there is false when there is none, or it is not a file.
 *
 * Errors   ERR_IO, ERR_NOMEM; ERR_LIMIT: larger than the limit of `out`
 */
ERR_CHECKED bool source_load_beside(const struct reader_input *input, const char *path,
                                    struct buf *out, bool *out_is_there, struct err *err);

struct reader {
    const char *format; /* "CityJSON": the message about unknown files lists it */

    /* `head` is the first READER_HEAD_BYTES at most; `name` the file's. */
    enum reader_claim (*claim)(struct span head, const char *name);

    /* Reads what is needed before the first feature; fills *info except
     * bytes_total. *out_state lives in input->source. When it fails, it has
     * closed whatever it had opened. */
    bool (*open)(const struct reader_input *input, struct source_info *info, void **out_state,
                 struct err *err);

    /* As source_next(). err_in_source() is added by source.c. */
    bool (*next)(void *state, struct arena *feature, struct feature *out, bool *out_is_end,
                 struct err *err);
    bool (*can_continue)(const void *state);

    /* 0 .. the size of the input */
    uint64_t (*bytes_done)(const void *state);

    /* Closes files and libraries; memory of input->source is not its business. */
    void (*close)(void *state);
};

#endif

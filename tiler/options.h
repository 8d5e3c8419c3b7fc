/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_OPTIONS_H
#define TILER_OPTIONS_H

/*
 * options.h - the command line of `storey`, and every limit that a user can
 * meet.
 *
 * Limits of a run
 *
 *     64 GiB     an input file
 *     4 096      different attribute names
 *     256        coordinate systems in one run
 *     1 GiB      working memory of one thread for one tile: a feature that needs
 *                more is left out and listed
 *     256 MiB    decoded images that are kept for all threads, or one larger image
 *     65 535     pixels a side of an image, and 128 M of them; 1 GiB its file
 *     4 GiB      a member of a .3tz archive
 */

#include "formats/base/arena.h"
#include "formats/base/err.h"
#include "formats/glb.h"
#include "tiler/atlas.h"
#include "tiler/crs.h"

enum options_command {
    COMMAND_NONE,
    COMMAND_TILE,
    COMMAND_INFO,
    COMMAND_CHECK,
    COMMAND_PREVIEW,
    COMMAND_QUERY,
    COMMAND_PACK,
    COMMAND_UNPACK,
    COMMAND_HELP,
    COMMAND_VERSION
};

/* What tiles above the leaves show: the least error that their bytes can buy, or,
 * to compare with, only what is larger than the error, in full detail. */
enum options_levels { LEVELS_MEASURED, LEVELS_DROP };

enum options_log { LOG_AUTO, LOG_PLAIN, LOG_JSON, LOG_QUIET };

enum { OPTIONS_SSE_MAX = 16 };

#define OPTIONS_WORKER_BYTES ((size_t)1 << 30)
#define OPTIONS_IMAGE_BYTES ((size_t)256 << 20)
/* Of each of two arenas while one feature is cut into parts. */
#define OPTIONS_DENSE_BYTES ((size_t)3 << 30)
#define OPTIONS_TILE_BYTES ((uint64_t)256 << 10)

/* A parameter of a question: query.h. */
struct options_pair {
    const char *name, *value;
};

enum { OPTIONS_PARAMETERS_MAX = 64 };

struct options {
    enum options_command command;
    enum options_command help_on; /* with COMMAND_HELP: a command, or COMMAND_NONE */

    const char *const *inputs;
    size_t input_count;
    const char *files_from; /* NULL none; "-" standard input */
    const char *output;     /* NULL not given */

    /* tile */
    const char *crs;
    const char *crs_file;
    const char *vertical;
    const char *geoid;
    double height_offset_m;
    enum crs_axis axis;
    bool allow_ballpark;
    const char *const *classes;
    size_t class_count;
    int lod;              /* the finest level that is read; -1: the finest there is */
    const char *theme;    /* of materials and textures; NULL: the file's own choice */
    const char *encoding; /* of text that says none, or a wrong one; NULL: detected */
    const char *const *excluded_classes;
    size_t excluded_class_count;
    enum glb_compression compression;
    bool is_version_1_0;
    bool has_no_textures;
    enum atlas_format texture_format;
    const char *const *properties; /* that far tiles have; NULL: class, name, height */
    size_t property_count;
    uint64_t tile_bytes;
    double error_factor;
    enum options_levels levels;
    double max_loss; /* share of features, 0 to 1 */
    bool is_strict;
    const char *report; /* CSV file, or NULL */
    const char *temporary_folder;
    size_t thread_count;
    bool has_stats;
    enum options_log log;

    /* info, check, preview */
    bool is_json;

    /* preview */
    const char *look; /* "lon,lat,height,heading,pitch", or NULL */
    const char *const *cameras;
    size_t camera_count;
    const char *against;            /* "full", a path, or NULL */
    double sse_px[OPTIONS_SSE_MAX]; /* 0: full detail */
    size_t sse_count;
    int width_px, height_px;
    int samples;
    size_t switch_count;

    /* query; inputs are the package, the question, and maybe an id */
    bool is_table;
    struct options_pair *parameters;
    size_t parameter_count;
};

/*
 * Reads the command line.
 *
 * Memory   lists in `run`; strings are argv's
 * Errors   ERR_SYNTAX  not a command, not an option, not a value of one; the
 *                      message says what would be
 */
ERR_CHECKED bool options_read(int argc, char *const *argv, struct arena *run, struct options *out,
                              struct err *err);

/* What --help prints; command NONE: the list of commands. */
const char *options_help(enum options_command command);

#endif

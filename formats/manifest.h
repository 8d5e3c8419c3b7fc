/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_MANIFEST_H
#define FORMATS_MANIFEST_H

/*
 * manifest.h - manifest.json: what made a package, from what, and what is in it.
 *
 * It is also the mark by which a package is known as ours: nothing without it is
 * ever replaced. It knows no time, no host, no absolute path.
 *
 * Layout   {"generator": "storey 0.1.0", "manifest": 1,
 *           "options": {"name": "value", ...},
 *           "inputs": [{"name", "bytes", "digest", "features",
 *                       "crs", "operation", "accuracy_m", "notes"}],
 *           "counts": {"name": number, ...},
 *           "levels": [{"level", "tiles", "features", "triangles", "bytes",
 *                       "error_min_m", "error_median_m", "error_max_m"}],
 *           "tiles": [{"name", "level", "features", "triangles", "error_m", "stated_m"}],
 *           "warnings": [{"level", "kind", "count"}],
 *           "beside": ["name", ...],
 *           "files": [{"name", "bytes", "digest"}]}
 *
 *          Digests are digest.h's. "files" is sorted by name (bytes) and lists
 *          every file of the package except manifest.json itself.
 */

#include "formats/base/arena.h"
#include "formats/base/buf.h"
#include "formats/digest.h"

#define MANIFEST_NAME "manifest.json"

enum { MANIFEST_VERSION = 1 };

struct manifest_pair {
    struct text name, value;
};

struct manifest_count {
    struct text name;
    uint64_t value;
};

struct manifest_input {
    struct text name; /* relative */
    uint64_t bytes;
    struct digest digest;
    uint64_t feature_count;
    struct text crs;       /* as used: "EPSG:7415", or a private one's name */
    struct text operation; /* PROJ's words or pipeline; empty unknown */
    double accuracy_m;     /* negative: not known */
    struct text notes;     /* such as the grid that was missing; or empty */
};

/* Tiles at one depth of the tree; errors as they are proven. */
struct manifest_level {
    uint32_t level; /* 0 the root */
    uint64_t tile_count;
    uint64_t feature_count; /* shown: one that is cut counts in every tile */
    uint64_t triangle_count;
    uint64_t bytes;
    double error_min_m, error_median_m, error_max_m; /* of its tiles */
};

struct manifest_tile {
    struct text name; /* of its content */
    uint32_t level;
    uint64_t feature_count, triangle_count;
    double error_m;  /* certified */
    double stated_m; /* that, or more where the picture asks for it; geometricError is this
                        times --error-factor */
};

struct manifest_warning {
    struct text level; /* report_level_name() */
    struct text kind;
    uint64_t count;
};

struct manifest_file {
    struct text name;
    uint64_t bytes;
    struct digest digest;
};

/* Arrays belong to the caller (to `source` after reading). */
struct manifest {
    struct text generator; /* "storey 0.1.0" */
    struct manifest_pair *options;
    size_t option_count;
    struct manifest_input *inputs;
    size_t input_count;
    struct manifest_count *counts;
    size_t count_count;
    struct manifest_level *levels;
    size_t level_count;
    struct manifest_tile *tiles; /* from the root down */
    size_t tile_count;
    struct manifest_warning *warnings;
    size_t warning_count;
    struct text *beside; /* files too large for the archive, standing beside it; see publish.h */
    size_t beside_count;
    struct manifest_file *files;
    size_t file_count;
};

/* Ask buf_finish() afterwards. Arrays are printed in the order they have. */
void manifest_print(const struct manifest *manifest, struct buf *out);

/*
 * Memory   everything lies in `source`; strings may point into `json`
 * Errors   ERR_SYNTAX  not JSON      ERR_SCHEMA  not a manifest of ours
 *          ERR_UNSUPPORTED  of a newer version
 */
ERR_CHECKED bool manifest_read(struct span json, struct arena *source, struct manifest *out,
                               struct err *err);

/* The file of that name, or NULL. By halves: "files" is sorted. */
const struct manifest_file *manifest_find(const struct manifest *manifest, struct text name);

#endif

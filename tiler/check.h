/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_CHECK_H
#define TILER_CHECK_H

/*
 * check.h - verifies a package, or any tileset: a directory, a .3tz, a
 * tileset.json.
 *
 * It goes on after a fault and lists what it finds. An error is what a rule of
 * 3D Tiles, glTF or our package forbids, or what makes a viewer show something
 * wrong; a warning is legal but costs or surprises.
 */

#include "formats/base/arena.h"
#include "formats/base/buf.h"
#include "formats/base/err.h"

enum check_severity { CHECK_ERROR, CHECK_WARNING };

struct check_finding {
    enum check_severity severity;
    const char *rule; /* a short constant word such as "child-outside-parent" */
    struct err what;  /* .source is the file in the package */
};

struct check_result {
    struct check_finding *findings; /* the first CHECK_FINDINGS_MAX, in order of finding */
    size_t finding_count;
    uint64_t error_count, warning_count; /* all */
    uint64_t tileset_count, tile_count, content_count, subtree_count, file_count;
    uint64_t feature_count, triangle_count; /* of contents that were decoded */
    bool has_manifest;
};

enum { CHECK_FINDINGS_MAX = 1000 };

struct check_options {
    const char *path;
    bool skips_contents; /* tileset, subtrees and digests only */
};

/*
 * Memory   out->findings lies in `run`
 * Errors   only when the package cannot be opened or memory is out; faults in
 *          the package are findings
 */
ERR_CHECKED bool check_package(const struct check_options *options, struct arena *run,
                               struct check_result *out, struct err *err);

/* One finding a line, or one JSON object; ask buf_finish() afterwards. */
void check_print(const struct check_result *result, bool is_json, struct buf *out);

#endif

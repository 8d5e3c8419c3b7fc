/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/info.h"

#include <stdio.h>
#include <sys/stat.h>

#include "formats/manifest.h"
#include "formats/package.h"
#include "tiler/info_internal.h"

/* A folder with a tileset.json, a .3tz, or a tileset.json itself. */
static bool is_package(const char *path)
{
    const size_t size = strlen(path);
    char inner[4096];
    struct stat info;
    if (size > 4 && strcmp(path + size - 4, ".3tz") == 0) {
        return true;
    }
    const char *slash = strrchr(path, '/');
    if (strcmp(slash == NULL ? path : slash + 1, "tileset.json") == 0) {
        return true;
    }
    const int length = snprintf(inner, sizeof inner, "%s/tileset.json", path);
    return length > 0 && (size_t)length < sizeof inner && stat(inner, &info) == 0;
}

bool info_run(const struct options *options, struct arena *run, struct buf *out, struct err *err)
{
    if (is_package(options->inputs[0])) {
        return info_package(options, run, out, err);
    }
    return info_input(options, run, out, err);
}

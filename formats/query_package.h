/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_QUERY_PACKAGE_H
#define FORMATS_QUERY_PACKAGE_H

/*
 * query_package.h - a package's index and attributes, opened for questions.
 *
 * Threads  the index is only read; the attributes are one thread's
 */

#include "formats/package.h"
#include "formats/query.h"

struct query_package {
    struct query_target target; /* points to `index` */
    struct feature_index index;
    struct package_member member; /* the index's bytes */
};

/*
 * Opens both in place: nothing is expanded, nothing copied. *out stays where it
 * is until it is closed, before the package is.
 *
 * Errors   ERR_UNSUPPORTED  the package has no index (it was made by another
 *                           program, or by an older one), or it is compressed
 *          those of feature_index_open() and geopackage_open()
 */
ERR_CHECKED bool query_package_open(const struct package *package, struct query_package *out,
                                    struct err *err);
void query_package_close(struct query_package *opened); /* a zeroed one is fine */

#endif

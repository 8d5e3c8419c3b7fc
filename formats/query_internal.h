/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_QUERY_INTERNAL_H
#define FORMATS_QUERY_INTERNAL_H

/*
 * query_internal.h - what query.c, query_asking.h's files and query_print.c share.
 */

#include "formats/query.h"

/* Lets the message begin with the parameter's name; returns false. */
bool query_name_error(struct text name, struct err *err);

/* Answers in it have a height. */
bool query_crs_has_z(enum query_crs crs);

struct buf;

/* A number with at most so many decimals, 0 to 8, and no zeros at its end. */
void query_print_fixed(struct buf *out, double value, int decimals);

/* A property that is in no column: tile, distance, depth, ... */
bool query_is_own_property(struct text name);

#endif

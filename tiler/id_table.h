/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_ID_TABLE_H
#define TILER_ID_TABLE_H

/*
 * id_table.h - every feature id of a run, to notice one that comes twice.
 *
 * Identical again is left out; with another content both are kept, and their
 * ids are qualified by source. Ids are held as 64-bit hashes with a 64-bit hash
 * of the content: 24 bytes a feature and room to grow. Two different ids with
 * one hash (one pair in four billion features) would be qualified needlessly.
 *
 * Threads  adding from one; id_table_is_shared() from any once adding has ended
 */

#include "formats/base/bytes.h"
#include "formats/base/err.h"

struct id_table;

enum id_table_answer { ID_NEW, ID_IDENTICAL, ID_CONFLICT };

ERR_CHECKED bool id_table_open(struct id_table **out, struct err *err);
void id_table_close(struct id_table *table);

/* Sources come one after the other, and their lines in order. */
ERR_CHECKED bool id_table_add(struct id_table *table, struct text id, uint64_t content,
                              uint32_t source, uint32_t line, enum id_table_answer *out,
                              struct err *err);

/* What features of different content that have one id share, too. */
enum id_table_sharing {
    ID_SINGLE,    /* there is one */
    ID_SHARED,    /* nothing: all are of different sources */
    ID_IN_SOURCE, /* two of them a source */
    ID_ON_LINE    /* and the line there, or no line is known */
};

enum id_table_sharing id_table_sharing(const struct id_table *table, struct text id);

#endif

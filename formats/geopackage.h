/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_GEOPACKAGE_H
#define FORMATS_GEOPACKAGE_H

/*
 * geopackage.h - features.gpkg: attributes of every feature, read in place.
 *
 * One table, "features", a row for each row of features.idx (fid = row + 1):
 * id, parent, class, name, heights, storeys and footprint, then every attribute
 * of the source in its type. QGIS and ogrinfo open it as it is.
 *
 * Source   OGC GeoPackage 1.3 (12-128r18): "Core", "Features", "RTree Spatial
 *          Indexes"; SQLite's file format
 * Layout   geopackage_write.h has the tables
 * Reading  through a read-only VFS of our own, by pread at an offset: the file
 *          may lie inside a .3tz. One cut short is an error and never a signal.
 *          Nothing is written, locked or looked for beside it.
 * Limits   a query stops after a number of steps of SQLite's machine (ERR_LIMIT)
 * Threads  one at a time for one struct geopackage; each thread opens its own,
 *          which costs some ten microseconds and 100 KiB or so
 */

#include "formats/base/arena.h"
#include "formats/base/buf.h"
#include "formats/base/bytes.h"
#include "formats/base/err.h"

#define GEOPACKAGE_NAME "features.gpkg"

struct geopackage;

/*
 * Opens the file that lies at `offset` in `path`, of `bytes` bytes (see
 * package_locate()).
 *
 * Errors   ERR_IO      cannot be read
 *          ERR_SYNTAX  not SQLite, or damaged
 *          ERR_SCHEMA  not one of ours: no table "features"
 */
ERR_CHECKED bool geopackage_open(const char *path, uint64_t offset, uint64_t bytes,
                                 struct geopackage **out, struct err *err);

/* The same of an open file, which is duplicated: it may since have been renamed
 * or removed. */
ERR_CHECKED bool geopackage_open_file(int fd, uint64_t offset, uint64_t bytes,
                                      struct geopackage **out, struct err *err);
void geopackage_close(struct geopackage *geopackage); /* NULL is fine */

/* ---- columns ---- */

enum geopackage_type { GEOPACKAGE_BOOL, GEOPACKAGE_INT, GEOPACKAGE_REAL, GEOPACKAGE_TEXT };

struct geopackage_column {
    struct text name;   /* as the source spells the attribute, and as clients ask for it */
    struct text quoted; /* the column, quoted for SQL; names that differ in case only have
                           other columns */
    enum geopackage_type type;
    bool is_builtin; /* said by storey: id, parent, class, name, heights, storeys */
};

/* All but fid and the footprint, in the order of the table. Memory: of *geopackage. */
const struct geopackage_column *geopackage_columns(const struct geopackage *geopackage,
                                                   size_t *out_count);

/* The column of that name, or NULL. */
const struct geopackage_column *geopackage_column(const struct geopackage *geopackage,
                                                  struct text name);

/* ---- rows ---- */

enum geopackage_kind { GEOPACKAGE_NULL, GEOPACKAGE_IS_INT, GEOPACKAGE_IS_REAL, GEOPACKAGE_IS_TEXT };

struct geopackage_value {
    enum geopackage_kind kind;
    int64_t integer;
    double real;
    struct text text;
};

/* Told a value that is not null, of column `column`; text is valid during the
 * call. */
typedef void (*geopackage_take)(void *taker, size_t column, const struct geopackage_value *value);

/* Every value of a row, in the order of columns; *out_found false: no such row. */
ERR_CHECKED bool geopackage_row(struct geopackage *geopackage, uint32_t row, geopackage_take take,
                                void *taker, bool *out_found, struct err *err);

/* ---- selecting rows ---- */

/* Whether a row meets geometry number `number` of a condition. */
typedef bool (*geopackage_meets)(void *meeter, uint32_t row, uint32_t number);

/* A piece of SQL over the columns, its parameters bound in order. What wrote it
 * (cql2.h) took nothing from a client into the text but quoted column names. */
struct geopackage_condition {
    const char *sql; /* NULL: every row; "storey_meets(fid, 0)" asks `meets` */
    const struct geopackage_value *parameters;
    size_t parameter_count;
    geopackage_meets meets;
    void *meeter;
};

struct geopackage_order {
    const struct geopackage_column *column;
    bool is_descending;
};

enum { GEOPACKAGE_ORDERS_MAX = 8 };

struct geopackage_select {
    struct geopackage_condition condition;
    struct text search; /* names that have all these words; "" any */
    struct geopackage_order order[GEOPACKAGE_ORDERS_MAX];
    size_t order_count;   /* 0: by row */
    uint64_t steps_limit; /* 0: no limit */
};

/*
 * Tells the rows that match, in order, until `take` returns false.
 *
 * Errors   ERR_LIMIT  steps_limit    ERR_IO, ERR_SYNTAX  a damaged file
 */
ERR_CHECKED bool geopackage_select(struct geopackage *geopackage,
                                   const struct geopackage_select *select,
                                   bool (*take)(void *taker, uint32_t row), void *taker,
                                   struct err *err);

/* Whether one row meets the condition (not the search). Prepared once, for many
 * rows: pass the same condition. */
struct geopackage_test;
ERR_CHECKED bool geopackage_test_open(struct geopackage *geopackage,
                                      const struct geopackage_condition *condition,
                                      struct geopackage_test **out, struct err *err);
ERR_CHECKED bool geopackage_test_row(struct geopackage_test *test, uint32_t row, bool *out_matches,
                                     struct err *err);
void geopackage_test_close(struct geopackage_test *test); /* NULL is fine */

/* SQLite's own integrity check and a look at what GeoPackage demands. */
ERR_CHECKED bool geopackage_check(struct geopackage *geopackage, uint64_t *out_rows,
                                  struct err *err);

/*
 * A name as the search table has it: characters of scripts without spaces
 * between words (Chinese, Japanese, Korean) stand alone, so that one or two of
 * them find what they are in. Case and accents are the table's business.
 */
void geopackage_words(struct text name, struct buf *out);

#endif

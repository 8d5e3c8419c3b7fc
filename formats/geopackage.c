/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "formats/geopackage.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sqlite3.h>

#include "formats/base/io.h"
#include "formats/geopackage_internal.h"

enum { MEMORY_MAX = 64 << 20, SQL_BYTES_MAX = 1 << 20, STEPS_AT_ONCE = 1000, COLUMNS_MAX = 2000 };

struct geopackage {
    struct arena memory; /* itself, columns, the file system */
    sqlite3 *db;
    int fd;
    struct geopackage_column *columns;
    size_t column_count;
    sqlite3_stmt *row;   /* all columns of one */
    uint64_t steps_left; /* in turns of STEPS_AT_ONCE; UINT64_MAX no limit */
    geopackage_meets meets;
    void *meeter;
};

struct geopackage_test {
    struct arena memory; /* itself */
    struct geopackage *geopackage;
    sqlite3_stmt *statement;
    geopackage_meets meets;
    void *meeter;
    int row_parameter;
};

/* ---- SQL ---- */

static bool fail(const struct geopackage *geopackage, int result, struct err *err)
{
    switch (result & 0xff) {
    case SQLITE_NOMEM:
        return err_set(err, ERR_NOMEM, "features.gpkg");
    case SQLITE_INTERRUPT:
        return err_set(err, ERR_LIMIT,
                       "the query takes too many steps: narrow it by bbox, or ask "
                       "for fewer");
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        return err_set(err, ERR_IO, "features.gpkg cannot be read: it was cut short or changed");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return err_set(err, ERR_SYNTAX, "features.gpkg is damaged: %s", sqlite3_errstr(result));
    default:
        return err_set(err, ERR_LIBRARY, "features.gpkg: %s", sqlite3_errmsg(geopackage->db));
    }
}

static bool prepare(struct geopackage *geopackage, const char *sql, sqlite3_stmt **out,
                    struct err *err)
{
    const int result = sqlite3_prepare_v3(geopackage->db, sql, -1, 0, out, NULL);
    return result == SQLITE_OK || fail(geopackage, result, err);
}

static int count_steps(void *argument)
{
    struct geopackage *geopackage = argument;
    if (geopackage->steps_left == UINT64_MAX) {
        return 0;
    }
    return geopackage->steps_left == 0 || --geopackage->steps_left == 0;
}

static void allow_steps(struct geopackage *geopackage, uint64_t steps)
{
    geopackage->steps_left = steps == 0 ? UINT64_MAX : steps / STEPS_AT_ONCE + 2;
}

/* storey_meets(fid, number): whatever the caller knows of that row. */
static void run_meets(sqlite3_context *context, int count, sqlite3_value **values)
{
    const struct geopackage *geopackage = sqlite3_user_data(context);
    (void)count;
    const int64_t fid = sqlite3_value_int64(values[0]);
    const int64_t number = sqlite3_value_int64(values[1]);
    const bool is_row = fid >= 1 && fid <= UINT32_MAX;
    sqlite3_result_int(
        context, is_row && geopackage->meets != NULL &&
                     geopackage->meets(geopackage->meeter, (uint32_t)(fid - 1), (uint32_t)number));
}

/* ---- columns ---- */

static enum geopackage_type type_of(const char *word)
{
    return strcmp(word, "BOOLEAN") == 0   ? GEOPACKAGE_BOOL
           : strcmp(word, "INTEGER") == 0 ? GEOPACKAGE_INT
           : strcmp(word, "DOUBLE") == 0  ? GEOPACKAGE_REAL
                                          : GEOPACKAGE_TEXT;
}

static const char *text_at(sqlite3_stmt *statement, int column)
{
    const char *found = (const char *)sqlite3_column_text(statement, column);
    return found == NULL ? "" : found;
}

static bool quote(struct geopackage *geopackage, const char *name, struct text *out,
                  struct err *err)
{
    char *quoted = arena_array(&geopackage->memory, char, 2 * strlen(name) + 3);
    if (quoted == NULL) {
        return arena_full(&geopackage->memory, err);
    }
    size_t size = 0;
    quoted[size++] = '"';
    for (; *name != '\0'; name++) {
        if (*name == '"') {
            quoted[size++] = '"';
        }
        quoted[size++] = *name;
    }
    quoted[size++] = '"';
    *out = (struct text){quoted, size};
    return true;
}

static bool read_columns(struct geopackage *geopackage, struct err *err)
{
    sqlite3_stmt *list = NULL;
    geopackage->columns = arena_array(&geopackage->memory, struct geopackage_column, COLUMNS_MAX);
    if (geopackage->columns == NULL) {
        return arena_full(&geopackage->memory, err);
    }
    if (!prepare(geopackage,
                 "SELECT column_name, name, type, is_builtin FROM storey_columns ORDER BY position",
                 &list, err)) {
        return false;
    }
    bool ok = true;
    int result = SQLITE_DONE;
    while (ok && geopackage->column_count < COLUMNS_MAX &&
           (result = sqlite3_step(list)) == SQLITE_ROW) {
        struct geopackage_column *column = &geopackage->columns[geopackage->column_count];
        const char *name = arena_print(&geopackage->memory, "%s", text_at(list, 1));
        if (name == NULL) {
            ok = arena_full(&geopackage->memory, err);
            break;
        }
        column->name = text_of(name);
        column->type = type_of(text_at(list, 2));
        column->is_builtin = sqlite3_column_int(list, 3) != 0;
        ok = quote(geopackage, text_at(list, 0), &column->quoted, err);
        geopackage->column_count++;
    }
    if (ok && result != SQLITE_DONE && result != SQLITE_ROW) {
        ok = fail(geopackage, result, err);
    }
    sqlite3_finalize(list);
    return ok;
}

static bool prepare_row(struct geopackage *geopackage, struct err *err)
{
    struct buf sql;
    buf_init(&sql, SQL_BYTES_MAX);
    buf_add_text(&sql, "SELECT fid");
    for (size_t i = 0; i < geopackage->column_count; i++) {
        buf_add_byte(&sql, ',');
        buf_add(&sql, geopackage->columns[i].quoted.data, geopackage->columns[i].quoted.size);
    }
    buf_add_text(&sql, " FROM features WHERE fid=?");
    buf_add_byte(&sql, 0);
    const bool ok =
        buf_finish(&sql, err) && prepare(geopackage, (const char *)sql.data, &geopackage->row, err);
    buf_release(&sql);
    return ok;
}

/* ---- opening ---- */

/* Nothing in the file is believed more than it needs: no functions in its
 * schema, no writing to shadow tables. LIKE as CQL2 and SQL have it. */
static const char open_sql[] = "PRAGMA cell_size_check=ON;"
                               "PRAGMA mmap_size=0;"
                               "PRAGMA cache_size=-256;"
                               "PRAGMA temp_store=MEMORY;"
                               "PRAGMA query_only=ON;"
                               "PRAGMA case_sensitive_like=ON;";

static bool has_tables(struct geopackage *geopackage, struct err *err)
{
    sqlite3_stmt *count = NULL;
    if (!prepare(geopackage,
                 "SELECT count(*) FROM sqlite_schema WHERE type='table' AND name IN "
                 "('features','storey_columns','feature_names')",
                 &count, err)) {
        return false;
    }
    const int result = sqlite3_step(count);
    const bool ok = result == SQLITE_ROW
                        ? sqlite3_column_int(count, 0) == 3 ||
                              err_set(err, ERR_SCHEMA, "features.gpkg was not written by storey")
                        : fail(geopackage, result, err);
    sqlite3_finalize(count);
    return ok;
}

static bool open_database(struct geopackage *geopackage, const struct geopackage_place *place,
                          struct err *err)
{
    if (!geopackage_vfs_open(place, &geopackage->memory, &geopackage->db, err)) {
        return false;
    }
    sqlite3_db_config(geopackage->db, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
    sqlite3_db_config(geopackage->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, (int *)NULL);
    const int result = sqlite3_exec(geopackage->db, open_sql, NULL, NULL, NULL);
    if (result != SQLITE_OK) {
        return fail(geopackage, result, err);
    }
    geopackage->steps_left = UINT64_MAX;
    sqlite3_progress_handler(geopackage->db, STEPS_AT_ONCE, count_steps, geopackage);
    if (sqlite3_create_function_v2(geopackage->db, "storey_meets", 2,
                                   SQLITE_UTF8 | SQLITE_DIRECTONLY, geopackage, run_meets, NULL,
                                   NULL, NULL) != SQLITE_OK) {
        return fail(geopackage, SQLITE_NOMEM, err);
    }
    return has_tables(geopackage, err) && read_columns(geopackage, err) &&
           prepare_row(geopackage, err);
}

/* Takes over `fd`. */
static bool open_descriptor(int fd, uint64_t offset, uint64_t bytes, struct geopackage **out,
                            struct err *err)
{
    struct arena memory;
    arena_init(&memory, MEMORY_MAX);
    struct geopackage *geopackage = arena_array(&memory, struct geopackage, 1);
    if (geopackage == NULL) {
        const bool ok = arena_full(&memory, err);
        arena_release(&memory);
        close(fd);
        return ok;
    }
    geopackage->memory = memory;
    geopackage->fd = fd;
    const struct geopackage_place place = {fd, offset, bytes};
    if (!open_database(geopackage, &place, err)) {
        geopackage_close(geopackage);
        return false;
    }
    *out = geopackage;
    return true;
}

bool geopackage_open(const char *path, uint64_t offset, uint64_t bytes, struct geopackage **out,
                     struct err *err)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return io_error(err, "open", path);
    }
    return open_descriptor(fd, offset, bytes, out, err);
}

bool geopackage_open_file(int fd, uint64_t offset, uint64_t bytes, struct geopackage **out,
                          struct err *err)
{
    const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) {
        return io_error(err, "open", GEOPACKAGE_NAME);
    }
    return open_descriptor(copy, offset, bytes, out, err);
}

void geopackage_close(struct geopackage *geopackage)
{
    if (geopackage == NULL) {
        return;
    }
    sqlite3_finalize(geopackage->row);
    sqlite3_close(geopackage->db);
    close(geopackage->fd);
    struct arena memory = geopackage->memory; /* it lies in it */
    arena_release(&memory);
}

const struct geopackage_column *geopackage_columns(const struct geopackage *geopackage,
                                                   size_t *out_count)
{
    *out_count = geopackage->column_count;
    return geopackage->columns;
}

const struct geopackage_column *geopackage_column(const struct geopackage *geopackage,
                                                  struct text name)
{
    for (size_t i = 0; i < geopackage->column_count; i++) {
        if (text_equals(geopackage->columns[i].name, name)) {
            return &geopackage->columns[i];
        }
    }
    return NULL;
}

/* ---- rows ---- */

static void take_column(sqlite3_stmt *statement, int at, struct geopackage_value *out)
{
    *out = (struct geopackage_value){.kind = GEOPACKAGE_NULL};
    switch (sqlite3_column_type(statement, at)) {
    case SQLITE_INTEGER:
        out->kind = GEOPACKAGE_IS_INT;
        out->integer = sqlite3_column_int64(statement, at);
        break;
    case SQLITE_FLOAT:
        out->kind = GEOPACKAGE_IS_REAL;
        out->real = sqlite3_column_double(statement, at);
        break;
    case SQLITE_TEXT:
        out->kind = GEOPACKAGE_IS_TEXT;
        out->text.data = (const char *)sqlite3_column_text(statement, at);
        out->text.size = (size_t)sqlite3_column_bytes(statement, at);
        break;
    default:
        break;
    }
}

bool geopackage_row(struct geopackage *geopackage, uint32_t row, geopackage_take take, void *taker,
                    bool *out_found, struct err *err)
{
    sqlite3_stmt *statement = geopackage->row;
    allow_steps(geopackage, 0);
    sqlite3_bind_int64(statement, 1, (int64_t)row + 1);
    const int result = sqlite3_step(statement);
    if (result != SQLITE_ROW && result != SQLITE_DONE) {
        const bool ok = fail(geopackage, result, err);
        sqlite3_reset(statement);
        return ok;
    }
    for (size_t i = 0; result == SQLITE_ROW && i < geopackage->column_count; i++) {
        struct geopackage_value value;
        take_column(statement, (int)i + 1, &value);
        if (value.kind != GEOPACKAGE_NULL) {
            take(taker, i, &value);
        }
    }
    *out_found = result == SQLITE_ROW;
    sqlite3_reset(statement);
    return true;
}

/* ---- selecting ---- */

static bool bind_value(sqlite3_stmt *statement, int at, const struct geopackage_value *value)
{
    int result = SQLITE_OK;
    switch (value->kind) {
    case GEOPACKAGE_NULL:
        result = sqlite3_bind_null(statement, at);
        break;
    case GEOPACKAGE_IS_INT:
        result = sqlite3_bind_int64(statement, at, value->integer);
        break;
    case GEOPACKAGE_IS_REAL:
        result = sqlite3_bind_double(statement, at, value->real);
        break;
    case GEOPACKAGE_IS_TEXT:
        result = sqlite3_bind_text64(statement, at, value->text.size == 0 ? "" : value->text.data,
                                     value->text.size, SQLITE_STATIC, SQLITE_UTF8);
        break;
    }
    return result == SQLITE_OK;
}

static bool bind_condition(struct geopackage *geopackage, sqlite3_stmt *statement,
                           const struct geopackage_condition *condition, struct err *err)
{
    for (size_t i = 0; i < condition->parameter_count; i++) {
        if (!bind_value(statement, (int)i + 1, &condition->parameters[i])) {
            return fail(geopackage, sqlite3_errcode(geopackage->db), err);
        }
    }
    return true;
}

/* Words of the search as FTS5 has them: each word the client separated is a
 * phrase, whose last word may go on. */
static void print_match(struct text search, struct buf *out)
{
    size_t at = 0;
    while (at < search.size) {
        while (at < search.size && (unsigned char)search.data[at] <= ' ') {
            at++;
        }
        const size_t first = at;
        while (at < search.size && (unsigned char)search.data[at] > ' ') {
            at++;
        }
        if (at > first) {
            struct buf words;
            buf_init(&words, SQL_BYTES_MAX);
            geopackage_words((struct text){search.data + first, at - first}, &words);
            buf_add_text(out, out->size == 0 ? "\"" : " AND \"");
            for (size_t i = 0; i < words.size; i++) {
                buf_add_byte(out, words.data[i] == '"' || words.data[i] == 0 ? ' ' : words.data[i]);
            }
            buf_add_text(out, "\"*");
            out->refusal = words.refusal != ERR_NONE ? words.refusal : out->refusal;
            buf_release(&words);
        }
    }
    if (out->size == 0) {
        buf_add_text(out, "\"\""); /* nothing but blanks: a phrase that nothing has */
    }
}

static void print_select(const struct geopackage_select *select, struct buf *sql)
{
    buf_add_text(sql, "SELECT fid FROM features");
    const char *joint = " WHERE ";
    /* Its parameters are counted from the first one on. */
    if (select->condition.sql != NULL) {
        buf_print(sql, "%s(%s)", joint, select->condition.sql);
        joint = " AND ";
    }
    if (select->search.size > 0) {
        buf_print(sql, "%sfid IN (SELECT rowid FROM feature_names WHERE feature_names MATCH ?%zu)",
                  joint, select->condition.parameter_count + 1);
    }
    buf_add_text(sql, " ORDER BY ");
    for (size_t i = 0; i < select->order_count; i++) {
        const struct text column = select->order[i].column->quoted;
        buf_add(sql, column.data, column.size);
        buf_add_text(sql, select->order[i].is_descending ? " DESC NULLS LAST," : " NULLS LAST,");
    }
    buf_add_text(sql, "fid");
    buf_add_byte(sql, 0);
}

static bool run_select(struct geopackage *geopackage, const struct geopackage_select *select,
                       sqlite3_stmt *statement, struct buf *match,
                       bool (*take)(void *taker, uint32_t row), void *taker, struct err *err)
{
    if (!bind_condition(geopackage, statement, &select->condition, err)) {
        return false;
    }
    if (select->search.size > 0 &&
        sqlite3_bind_text64(statement, (int)select->condition.parameter_count + 1,
                            (const char *)match->data, match->size, SQLITE_STATIC,
                            SQLITE_UTF8) != SQLITE_OK) {
        return fail(geopackage, sqlite3_errcode(geopackage->db), err);
    }
    int result;
    while ((result = sqlite3_step(statement)) == SQLITE_ROW) {
        const int64_t fid = sqlite3_column_int64(statement, 0);
        if (fid >= 1 && fid <= UINT32_MAX && !take(taker, (uint32_t)(fid - 1))) {
            return true;
        }
    }
    return result == SQLITE_DONE || fail(geopackage, result, err);
}

bool geopackage_select(struct geopackage *geopackage, const struct geopackage_select *select,
                       bool (*take)(void *taker, uint32_t row), void *taker, struct err *err)
{
    struct buf sql;
    struct buf match;
    sqlite3_stmt *statement = NULL;
    assert(select->order_count <= GEOPACKAGE_ORDERS_MAX);
    buf_init(&sql, SQL_BYTES_MAX);
    buf_init(&match, SQL_BYTES_MAX);
    print_select(select, &sql);
    print_match(select->search, &match);
    geopackage->meets = select->condition.meets;
    geopackage->meeter = select->condition.meeter;
    allow_steps(geopackage, select->steps_limit);
    const bool ok = buf_finish(&sql, err) && buf_finish(&match, err) &&
                    prepare(geopackage, (const char *)sql.data, &statement, err) &&
                    run_select(geopackage, select, statement, &match, take, taker, err);
    sqlite3_finalize(statement);
    buf_release(&sql);
    buf_release(&match);
    return ok;
}

bool geopackage_test_open(struct geopackage *geopackage,
                          const struct geopackage_condition *condition,
                          struct geopackage_test **out, struct err *err)
{
    struct arena memory;
    struct buf sql;
    arena_init(&memory, SQL_BYTES_MAX);
    buf_init(&sql, SQL_BYTES_MAX);
    struct geopackage_test *test = arena_array(&memory, struct geopackage_test, 1);
    if (test == NULL) {
        const bool ok = arena_full(&memory, err);
        arena_release(&memory);
        return ok;
    }
    test->memory = memory;
    test->geopackage = geopackage;
    test->meets = condition->meets;
    test->meeter = condition->meeter;
    test->row_parameter = (int)condition->parameter_count + 1;
    buf_print(&sql, "SELECT 1 FROM features WHERE (%s) AND fid=?%d",
              condition->sql == NULL ? "1" : condition->sql, test->row_parameter);
    buf_add_byte(&sql, 0);
    const bool ok = buf_finish(&sql, err) &&
                    prepare(geopackage, (const char *)sql.data, &test->statement, err) &&
                    bind_condition(geopackage, test->statement, condition, err);
    buf_release(&sql);
    if (!ok) {
        geopackage_test_close(test);
        return false;
    }
    *out = test;
    return true;
}

bool geopackage_test_row(struct geopackage_test *test, uint32_t row, bool *out_matches,
                         struct err *err)
{
    test->geopackage->meets = test->meets;
    test->geopackage->meeter = test->meeter;
    allow_steps(test->geopackage, 0);
    sqlite3_bind_int64(test->statement, test->row_parameter, (int64_t)row + 1);
    const int result = sqlite3_step(test->statement);
    const bool ok =
        result == SQLITE_ROW || result == SQLITE_DONE || fail(test->geopackage, result, err);
    sqlite3_reset(test->statement);
    if (ok) {
        *out_matches = result == SQLITE_ROW;
    }
    return ok;
}

void geopackage_test_close(struct geopackage_test *test)
{
    if (test != NULL) {
        sqlite3_finalize(test->statement);
        struct arena memory = test->memory; /* it lies in it */
        arena_release(&memory);
    }
}

/* ---- the whole file ---- */

static bool check_integrity(struct geopackage *geopackage, struct err *err)
{
    sqlite3_stmt *check = NULL;
    if (!prepare(geopackage, "PRAGMA integrity_check(1)", &check, err)) {
        return false;
    }
    const int result = sqlite3_step(check);
    bool ok = result == SQLITE_ROW || fail(geopackage, result, err);
    if (ok && strcmp(text_at(check, 0), "ok") != 0) {
        ok = err_set(err, ERR_SYNTAX, "features.gpkg is damaged: %.100s", text_at(check, 0));
    }
    sqlite3_finalize(check);
    return ok;
}

/* A number that a statement says, which must be `expected`. */
static bool check_number(struct geopackage *geopackage, const char *sql, int64_t expected,
                         const char *what, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    if (!prepare(geopackage, sql, &statement, err)) {
        return false;
    }
    const int result = sqlite3_step(statement);
    bool ok = result == SQLITE_ROW || fail(geopackage, result, err);
    if (ok && sqlite3_column_int64(statement, 0) != expected) {
        ok = err_set(err, ERR_SCHEMA, "features.gpkg: %s", what);
    }
    sqlite3_finalize(statement);
    return ok;
}

bool geopackage_check(struct geopackage *geopackage, uint64_t *out_rows, struct err *err)
{
    enum { APPLICATION_ID = 0x47504B47 };
    allow_steps(geopackage, 0);
    if (!check_integrity(geopackage, err) ||
        !check_number(geopackage, "PRAGMA application_id", APPLICATION_ID,
                      "its application id is not GeoPackage's", err) ||
        !check_number(geopackage,
                      "SELECT count(*) FROM gpkg_contents c JOIN gpkg_geometry_columns g "
                      "USING (table_name) JOIN gpkg_spatial_ref_sys s ON s.srs_id=g.srs_id "
                      "WHERE c.table_name='features' AND c.data_type='features' "
                      "AND g.column_name='footprint'",
                      1, "its table of contents does not list the features", err) ||
        !check_number(geopackage,
                      "SELECT (SELECT count(*) FROM features WHERE footprint IS NOT NULL) - "
                      "(SELECT count(*) FROM rtree_features_footprint)",
                      0, "its spatial index has other rows than its table", err)) {
        return false;
    }
    sqlite3_stmt *count = NULL;
    if (!prepare(geopackage, "SELECT count(*) FROM features", &count, err)) {
        return false;
    }
    const int result = sqlite3_step(count);
    const bool ok = result == SQLITE_ROW || fail(geopackage, result, err);
    if (ok) {
        *out_rows = (uint64_t)sqlite3_column_int64(count, 0);
    }
    sqlite3_finalize(count);
    return ok;
}

/* ---- words ---- */

/* Characters of scripts without spaces between words. */
static bool stands_alone(uint32_t c)
{
    return (c >= 0x2e80 && c <= 0x2fdf) || (c >= 0x3005 && c <= 0x3007) ||
           (c >= 0x3040 && c <= 0x31ff) || (c >= 0x3400 && c <= 0x4dbf) ||
           (c >= 0x4e00 && c <= 0x9fff) || (c >= 0xac00 && c <= 0xd7af) ||
           (c >= 0xf900 && c <= 0xfaff) || (c >= 0xff66 && c <= 0xff9f) ||
           (c >= 0x20000 && c <= 0x3ffff);
}

/* Length and value of the character at `at`; bytes that are no UTF-8 stand for
 * themselves. */
static size_t next_character(struct text text, size_t at, uint32_t *out)
{
    const unsigned char first = (unsigned char)text.data[at];
    const size_t length = first < 0x80   ? 1
                          : first < 0xc0 ? 1
                          : first < 0xe0 ? 2
                          : first < 0xf0 ? 3
                                         : 4;
    *out = first;
    if (length == 1 || length > text.size - at) {
        return 1;
    }
    uint32_t value = first & (0xffu >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        value = value << 6 | ((unsigned char)text.data[at + i] & 0x3f);
    }
    *out = value;
    return length;
}

void geopackage_words(struct text name, struct buf *out)
{
    for (size_t at = 0; at < name.size;) {
        uint32_t character;
        const size_t size = next_character(name, at, &character);
        const bool is_alone = stands_alone(character);
        if (is_alone) {
            buf_add_byte(out, ' ');
        }
        buf_add(out, name.data + at, size);
        if (is_alone) {
            buf_add_byte(out, ' ');
        }
        at += size;
    }
}

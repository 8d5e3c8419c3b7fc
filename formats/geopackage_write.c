/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/geopackage_write.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include <sqlite3.h>

#include "formats/base/buf.h"
#include "formats/geopackage_internal.h"
#include "formats/json_write.h"

enum { TEXT_BYTES_MAX = 1 << 28, CACHE_KIB = 8192 };

struct geopackage_writer {
    struct arena memory; /* itself, columns */
    sqlite3 *db;
    sqlite3_stmt *insert;
    sqlite3_stmt *insert_name;
    sqlite3_stmt *insert_box;
    struct geopackage_layer layer;
    struct geopackage_new_column *columns;
    size_t stored_count; /* columns of their own; the rest is JSON */
    int64_t count;
    double extent[4]; /* min x, y, max x, y */
    struct buf blob;
    struct buf words;
};

/* ---- SQL ---- */

static bool fail(struct geopackage_writer *writer, struct err *err)
{
    const int code = sqlite3_errcode(writer->db);
    const enum err_code kind =
        code == SQLITE_NOMEM                                                     ? ERR_NOMEM
        : code == SQLITE_IOERR || code == SQLITE_FULL || code == SQLITE_CANTOPEN ? ERR_IO
                                                                                 : ERR_LIBRARY;
    return err_set(err, kind, "features.gpkg: %s", sqlite3_errmsg(writer->db));
}

static bool run_sql(struct geopackage_writer *writer, const char *sql, struct err *err)
{
    return sqlite3_exec(writer->db, sql, NULL, NULL, NULL) == SQLITE_OK || fail(writer, err);
}

static bool prepare(struct geopackage_writer *writer, const char *sql, sqlite3_stmt **out,
                    struct err *err)
{
    return sqlite3_prepare_v2(writer->db, sql, -1, out, NULL) == SQLITE_OK || fail(writer, err);
}

static bool step(struct geopackage_writer *writer, sqlite3_stmt *statement, struct err *err)
{
    const int result = sqlite3_step(statement);
    const bool ok = result == SQLITE_DONE || fail(writer, err);
    sqlite3_reset(statement);
    return ok;
}

/* No journal: until it is finished the file is nobody's. Everything else is said
 * so that it does not depend on how the library was built. */
static const char schema_sql[] =
    "PRAGMA page_size=4096;"
    "PRAGMA encoding='UTF-8';"
    "PRAGMA auto_vacuum=NONE;"
    "PRAGMA journal_mode=OFF;"
    "PRAGMA synchronous=OFF;"
    "PRAGMA locking_mode=EXCLUSIVE;"
    "PRAGMA temp_store=MEMORY;"
    "PRAGMA application_id=0x47504B47;"
    "PRAGMA user_version=10300;"
    "BEGIN;"
    "CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT NOT NULL, srs_id INTEGER NOT NULL PRIMARY "
    "KEY,"
    " organization TEXT NOT NULL, organization_coordsys_id INTEGER NOT NULL,"
    " definition TEXT NOT NULL, description TEXT);"
    "CREATE TABLE gpkg_contents (table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL,"
    " identifier TEXT UNIQUE, description TEXT DEFAULT '',"
    " last_change DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')),"
    " min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y DOUBLE, srs_id INTEGER,"
    " CONSTRAINT fk_gc_r_srs_id FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys(srs_id));"
    "CREATE TABLE gpkg_geometry_columns (table_name TEXT NOT NULL, column_name TEXT NOT NULL,"
    " geometry_type_name TEXT NOT NULL, srs_id INTEGER NOT NULL, z TINYINT NOT NULL,"
    " m TINYINT NOT NULL, CONSTRAINT pk_geom_cols PRIMARY KEY (table_name, column_name),"
    " CONSTRAINT uk_gc_table_name UNIQUE (table_name),"
    " CONSTRAINT fk_gc_tn FOREIGN KEY (table_name) REFERENCES gpkg_contents(table_name),"
    " CONSTRAINT fk_gc_srs FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys (srs_id));"
    "CREATE TABLE gpkg_extensions (table_name TEXT, column_name TEXT, extension_name TEXT NOT NULL,"
    " definition TEXT NOT NULL, scope TEXT NOT NULL,"
    " CONSTRAINT ge_tce UNIQUE (table_name, column_name, extension_name));"
    "INSERT INTO gpkg_spatial_ref_sys VALUES"
    " ('Undefined Cartesian SRS',-1,'NONE',-1,'undefined','undefined Cartesian coordinate reference"
    " system'),"
    " ('Undefined geographic SRS',0,'NONE',0,'undefined','undefined geographic coordinate reference"
    " system'),"
    " ('WGS 84 geodetic',4326,'EPSG',4326,'GEOGCS[\"WGS 84\",DATUM[\"WGS_1984\",SPHEROID[\"WGS "
    "84\","
    "6378137,298.257223563,AUTHORITY[\"EPSG\",\"7030\"]],AUTHORITY[\"EPSG\",\"6326\"]],"
    "PRIMEM[\"Greenwich\",0,AUTHORITY[\"EPSG\",\"8901\"]],UNIT[\"degree\",0.0174532925199433,"
    "AUTHORITY[\"EPSG\",\"9122\"]],AXIS[\"Latitude\",NORTH],AXIS[\"Longitude\",EAST],"
    "AUTHORITY[\"EPSG\",\"4326\"]]','longitude/latitude coordinates in decimal degrees on the WGS "
    "84"
    " spheroid');"
    "CREATE TABLE storey_columns (position INTEGER PRIMARY KEY, column_name TEXT NOT NULL,"
    " name TEXT NOT NULL, type TEXT NOT NULL, is_builtin INTEGER NOT NULL);"
    "CREATE VIRTUAL TABLE feature_names USING fts5(words, content='', columnsize=0,"
    " tokenize='unicode61 remove_diacritics 2');"
    "CREATE VIRTUAL TABLE rtree_features_footprint USING rtree(id, minx, maxx, miny, maxy);"
    "INSERT INTO gpkg_extensions VALUES"
    " ('features','footprint','gpkg_rtree_index',"
    "'http://www.geopackage.org/spec120/#extension_rtree','write-only'),"
    " ('feature_names',NULL,'storey_names','FTS5 over the words of ids and names','write-only');"
    /* Listed as attributes, so that readers do not offer the other tables. */
    "INSERT INTO gpkg_contents VALUES ('storey_columns','attributes','storey_columns',"
    "'names of attributes as the source spells them','1970-01-01T00:00:00.000Z',"
    "NULL,NULL,NULL,NULL,NULL);";

/* Annex F.3, "RTree Spatial Indexes": a writer keeps the index in step by these. */
static const char trigger_sql[] =
    "CREATE TRIGGER rtree_features_footprint_insert AFTER INSERT ON features"
    " WHEN (new.footprint NOT NULL AND NOT ST_IsEmpty(NEW.footprint)) BEGIN"
    " INSERT OR REPLACE INTO rtree_features_footprint VALUES (NEW.fid, ST_MinX(NEW.footprint),"
    " ST_MaxX(NEW.footprint), ST_MinY(NEW.footprint), ST_MaxY(NEW.footprint)); END;"
    "CREATE TRIGGER rtree_features_footprint_update1 AFTER UPDATE OF footprint ON features"
    " WHEN OLD.fid = NEW.fid AND (NEW.footprint NOTNULL AND NOT ST_IsEmpty(NEW.footprint)) BEGIN"
    " INSERT OR REPLACE INTO rtree_features_footprint VALUES (NEW.fid, ST_MinX(NEW.footprint),"
    " ST_MaxX(NEW.footprint), ST_MinY(NEW.footprint), ST_MaxY(NEW.footprint)); END;"
    "CREATE TRIGGER rtree_features_footprint_update2 AFTER UPDATE OF footprint ON features"
    " WHEN OLD.fid = NEW.fid AND (NEW.footprint ISNULL OR ST_IsEmpty(NEW.footprint)) BEGIN"
    " DELETE FROM rtree_features_footprint WHERE id = OLD.fid; END;"
    "CREATE TRIGGER rtree_features_footprint_update3 AFTER UPDATE ON features"
    " WHEN OLD.fid != NEW.fid AND (NEW.footprint NOTNULL AND NOT ST_IsEmpty(NEW.footprint)) BEGIN"
    " DELETE FROM rtree_features_footprint WHERE id = OLD.fid;"
    " INSERT OR REPLACE INTO rtree_features_footprint VALUES (NEW.fid, ST_MinX(NEW.footprint),"
    " ST_MaxX(NEW.footprint), ST_MinY(NEW.footprint), ST_MaxY(NEW.footprint)); END;"
    "CREATE TRIGGER rtree_features_footprint_update4 AFTER UPDATE ON features"
    " WHEN OLD.fid != NEW.fid AND (NEW.footprint ISNULL OR ST_IsEmpty(NEW.footprint)) BEGIN"
    " DELETE FROM rtree_features_footprint WHERE id IN (OLD.fid, NEW.fid); END;"
    "CREATE TRIGGER rtree_features_footprint_delete AFTER DELETE ON features"
    " WHEN old.footprint NOT NULL BEGIN"
    " DELETE FROM rtree_features_footprint WHERE id = OLD.fid; END;";

/* ---- columns ---- */

static const struct {
    const char *name;
    enum geopackage_type type;
} builtins[] = {
    {"id", GEOPACKAGE_TEXT},          {"class", GEOPACKAGE_TEXT},
    {"name", GEOPACKAGE_TEXT},        {"parent", GEOPACKAGE_TEXT},
    {"base", GEOPACKAGE_REAL},        {"top", GEOPACKAGE_REAL},
    {"baseLocal", GEOPACKAGE_REAL},   {"topLocal", GEOPACKAGE_REAL},
    {"height", GEOPACKAGE_REAL},      {"storeysAbove", GEOPACKAGE_INT},
    {"storeysBelow", GEOPACKAGE_INT}, {"storeysDerived", GEOPACKAGE_BOOL},
    {"area", GEOPACKAGE_REAL},
};

enum { BUILTIN_COUNT = sizeof builtins / sizeof builtins[0] };

/* For the attributes that have no column of their own. */
static const char more_name[] = "moreAttributes";

static bool same_name(struct text a, const char *b, bool is_exact)
{
    if (a.size != strlen(b)) {
        return false;
    }
    return is_exact ? memcmp(a.data, b, a.size) == 0 : strncasecmp(a.data, b, a.size) == 0;
}

struct naming {
    const char **names; /* those given so far */
    size_t count;
};

static bool is_taken(const struct naming *naming, struct text name, bool is_exact)
{
    for (size_t i = 0; i < naming->count; i++) {
        if (same_name(name, naming->names[i], is_exact)) {
            return true;
        }
    }
    return !is_exact && (same_name(name, "fid", false) || same_name(name, "footprint", false));
}

/* "name", or "name_2", ... */
static bool choose_name(struct naming *naming, struct text name, bool is_exact,
                        struct arena *memory, const char **out, struct err *err)
{
    /* SQL ends at a zero byte. */
    const size_t size = name.size == 0 ? 0 : strnlen(name.data, name.size);
    char *chosen = arena_print(memory, "%.*s", (int)size, size == 0 ? "" : name.data);
    for (int suffix = 2; chosen != NULL && is_taken(naming, text_of(chosen), is_exact); suffix++) {
        chosen = arena_print(memory, "%.*s_%d", (int)size, size == 0 ? "" : name.data, suffix);
    }
    if (chosen == NULL) {
        return arena_full(memory, err);
    }
    naming->names[naming->count++] = chosen;
    *out = chosen;
    return true;
}

static void add_quoted(struct buf *sql, const char *name)
{
    buf_add_byte(sql, '"');
    for (; *name != '\0'; name++) {
        if (*name == '"') {
            buf_add_byte(sql, '"');
        }
        buf_add_byte(sql, (uint8_t)*name);
    }
    buf_add_byte(sql, '"');
}

static const char *type_name(enum geopackage_type type)
{
    switch (type) {
    case GEOPACKAGE_BOOL:
        return "BOOLEAN";
    case GEOPACKAGE_INT:
        return "INTEGER";
    case GEOPACKAGE_REAL:
        return "DOUBLE";
    case GEOPACKAGE_TEXT:
        break;
    }
    return "TEXT";
}

static bool note_column(struct geopackage_writer *writer, sqlite3_stmt *note, const char *column,
                        const char *name, enum geopackage_type type, bool is_builtin,
                        struct err *err)
{
    sqlite3_bind_text(note, 1, column, -1, SQLITE_STATIC);
    sqlite3_bind_text(note, 2, name, -1, SQLITE_STATIC);
    sqlite3_bind_text(note, 3, type_name(type), -1, SQLITE_STATIC);
    sqlite3_bind_int(note, 4, is_builtin);
    return step(writer, note, err);
}

/* The tables' columns, and the statement that fills a row. */
static bool add_columns(struct geopackage_writer *writer, sqlite3_stmt *note, struct buf *create,
                        struct buf *insert, struct err *err)
{
    const size_t count = BUILTIN_COUNT + writer->stored_count;
    const bool has_more = writer->stored_count < writer->layer.column_count;
    struct naming columns = {arena_array(&writer->memory, const char *, count + 1), 0};
    struct naming names = {arena_array(&writer->memory, const char *, count + 1), 0};
    if (columns.names == NULL || names.names == NULL) {
        return arena_full(&writer->memory, err);
    }
    buf_add_text(create, "CREATE TABLE features (fid INTEGER PRIMARY KEY NOT NULL,"
                         " footprint MULTIPOLYGON");
    buf_add_text(insert, "INSERT INTO features VALUES (?,?");
    for (size_t i = 0; i < count + (has_more ? 1 : 0); i++) {
        const bool is_builtin = i < BUILTIN_COUNT;
        const struct geopackage_new_column column =
            is_builtin ? (struct geopackage_new_column){text_of(builtins[i].name), builtins[i].type}
            : i < count ? writer->columns[i - BUILTIN_COUNT]
                        : (struct geopackage_new_column){text_of(more_name), GEOPACKAGE_TEXT};
        const char *chosen;
        const char *name;
        if (!choose_name(&columns, column.name, false, &writer->memory, &chosen, err) ||
            !choose_name(&names, column.name, true, &writer->memory, &name, err) ||
            !note_column(writer, note, chosen, name, column.type, is_builtin, err)) {
            return false;
        }
        buf_add_text(create, ", ");
        add_quoted(create, chosen);
        buf_print(create, " %s", type_name(column.type));
        buf_add_text(insert, ",?");
    }
    buf_add_text(create, ")");
    buf_add_text(insert, ")");
    buf_add_byte(create, 0);
    buf_add_byte(insert, 0);
    return buf_finish(create, err) && buf_finish(insert, err);
}

static bool make_table(struct geopackage_writer *writer, struct err *err)
{
    struct buf create;
    struct buf insert;
    sqlite3_stmt *note = NULL;
    buf_init(&create, TEXT_BYTES_MAX);
    buf_init(&insert, TEXT_BYTES_MAX);
    const bool ok =
        prepare(writer, "INSERT INTO storey_columns VALUES (NULL,?,?,?,?)", &note, err) &&
        add_columns(writer, note, &create, &insert, err) &&
        run_sql(writer, (const char *)create.data, err) &&
        prepare(writer, (const char *)insert.data, &writer->insert, err) &&
        prepare(writer, "INSERT INTO feature_names(rowid, words) VALUES (?,?)",
                &writer->insert_name, err) &&
        prepare(writer, "INSERT INTO rtree_features_footprint VALUES (?,?,?,?,?)",
                &writer->insert_box, err);
    sqlite3_finalize(note);
    buf_release(&create);
    buf_release(&insert);
    return ok;
}

/* ---- opening ---- */

static bool add_crs(struct geopackage_writer *writer, struct err *err)
{
    const struct geopackage_layer *layer = &writer->layer;
    sqlite3_stmt *statement;
    if (!prepare(writer, "INSERT OR IGNORE INTO gpkg_spatial_ref_sys VALUES (?,?,?,?,?,NULL)",
                 &statement, err)) {
        return false;
    }
    sqlite3_bind_text(statement, 1, layer->crs_name, -1, SQLITE_STATIC);
    sqlite3_bind_int(statement, 2, layer->crs_code);
    sqlite3_bind_text(statement, 3, layer->crs_organization, -1, SQLITE_STATIC);
    sqlite3_bind_int(statement, 4, layer->crs_code);
    sqlite3_bind_text(statement, 5, layer->crs_wkt, -1, SQLITE_STATIC);
    const bool ok = step(writer, statement, err);
    sqlite3_finalize(statement);
    return ok;
}

static bool open_file(struct geopackage_writer *writer, const char *path, struct err *err)
{
    if (access(path, F_OK) == 0) {
        return err_set(err, ERR_IO, "'%s' exists", path);
    }
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(path, &writer->db, flags, NULL) != SQLITE_OK) {
        return writer->db == NULL ? err_set(err, ERR_NOMEM, "features.gpkg") : fail(writer, err);
    }
    char cache[64];
    snprintf(cache, sizeof cache, "PRAGMA cache_size=-%d", CACHE_KIB);
    return run_sql(writer, schema_sql, err) && run_sql(writer, cache, err) &&
           add_crs(writer, err) && make_table(writer, err);
}

bool geopackage_writer_open(const char *path, const struct geopackage_layer *layer,
                            struct geopackage_writer **out, struct err *err)
{
    struct arena memory;
    arena_init(&memory, TEXT_BYTES_MAX);
    struct geopackage_writer *writer = arena_array(&memory, struct geopackage_writer, 1);
    struct geopackage_new_column *columns =
        arena_array(&memory, struct geopackage_new_column, layer->column_count);
    if (writer == NULL || columns == NULL) {
        const bool ok = arena_full(&memory, err);
        arena_release(&memory);
        return ok;
    }
    writer->memory = memory;
    writer->layer = *layer;
    writer->columns = columns;
    writer->stored_count =
        layer->column_count < GEOPACKAGE_COLUMNS_MAX ? layer->column_count : GEOPACKAGE_COLUMNS_MAX;
    if (layer->column_count > 0) {
        memcpy(columns, layer->columns, layer->column_count * sizeof columns[0]);
    }
    for (size_t i = 0; i < 2; i++) {
        writer->extent[i] = (double)INFINITY;
        writer->extent[2 + i] = -(double)INFINITY;
    }
    buf_init(&writer->blob, TEXT_BYTES_MAX);
    buf_init(&writer->words, TEXT_BYTES_MAX);
    if (!open_file(writer, path, err)) {
        geopackage_writer_close(writer);
        return false;
    }
    *out = writer;
    return true;
}

void geopackage_writer_close(struct geopackage_writer *writer)
{
    if (writer == NULL) {
        return;
    }
    sqlite3_finalize(writer->insert);
    sqlite3_finalize(writer->insert_name);
    sqlite3_finalize(writer->insert_box);
    sqlite3_close(writer->db);
    buf_release(&writer->blob);
    buf_release(&writer->words);
    struct arena memory = writer->memory; /* the writer lies in it */
    arena_release(&memory);
}

/* ---- a feature ---- */

static void add_f64(struct buf *out, double value)
{
    buf_add(out, &value, sizeof value);
}

static void add_ring(struct buf *out, const struct vec2 *points, uint32_t count)
{
    buf_add_u32le(out, count + 1);
    for (uint32_t i = 0; i <= count; i++) {
        add_f64(out, points[i == count ? 0 : i].x);
        add_f64(out, points[i == count ? 0 : i].y);
    }
}

static void measure(const struct geopackage_feature *feature, double box[4])
{
    box[0] = box[1] = (double)INFINITY;
    box[2] = box[3] = -(double)INFINITY;
    for (uint32_t i = 0; i < feature->ring_ends[feature->ring_count - 1]; i++) {
        box[0] = fmin(box[0], feature->points[i].x);
        box[1] = fmin(box[1], feature->points[i].y);
        box[2] = fmax(box[2], feature->points[i].x);
        box[3] = fmax(box[3], feature->points[i].y);
    }
}

/* "Geometry Encoding": header with envelope, then a WKB MultiPolygon. */
static bool encode_footprint(struct geopackage_writer *writer,
                             const struct geopackage_feature *feature, double box[4],
                             struct err *err)
{
    enum { WKB_POLYGON = 3, WKB_MULTIPOLYGON = 6, FLAGS_XY_LITTLE = 3 };
    struct buf *out = &writer->blob;
    buf_reset(out);
    measure(feature, box);
    buf_add(out, "GP", 2);
    buf_add_byte(out, 0);
    buf_add_byte(out, FLAGS_XY_LITTLE);
    buf_add_u32le(out, (uint32_t)writer->layer.crs_code);
    add_f64(out, box[0]);
    add_f64(out, box[2]);
    add_f64(out, box[1]);
    add_f64(out, box[3]);
    uint32_t polygon_count = 0;
    for (uint32_t r = 0; r < feature->ring_count; r++) {
        polygon_count += feature->is_hole == NULL || !feature->is_hole[r];
    }
    buf_add_byte(out, 1);
    buf_add_u32le(out, WKB_MULTIPOLYGON);
    buf_add_u32le(out, polygon_count);
    for (uint32_t r = 0; r < feature->ring_count;) {
        uint32_t end = r + 1;
        while (end < feature->ring_count && feature->is_hole != NULL && feature->is_hole[end]) {
            end++;
        }
        buf_add_byte(out, 1);
        buf_add_u32le(out, WKB_POLYGON);
        buf_add_u32le(out, end - r);
        for (; r < end; r++) {
            const uint32_t first = r == 0 ? 0 : feature->ring_ends[r - 1];
            add_ring(out, feature->points + first, feature->ring_ends[r] - first);
        }
    }
    return buf_finish(out, err);
}

static void bind_text(sqlite3_stmt *statement, int at, struct text text)
{
    if (text.size == 0) {
        sqlite3_bind_null(statement, at);
    } else {
        sqlite3_bind_text64(statement, at, text.data, text.size, SQLITE_STATIC, SQLITE_UTF8);
    }
}

static void bind_builtins(struct geopackage_writer *writer,
                          const struct geopackage_feature *feature, int at)
{
    sqlite3_stmt *insert = writer->insert;
    bind_text(insert, at++, feature->id);
    bind_text(insert, at++, feature->class_name);
    bind_text(insert, at++, feature->name);
    bind_text(insert, at++, feature->parent);
    sqlite3_bind_double(insert, at++, feature->base_m);
    sqlite3_bind_double(insert, at++, feature->top_m);
    sqlite3_bind_double(insert, at++, feature->base_local_m);
    sqlite3_bind_double(insert, at++, feature->top_local_m);
    sqlite3_bind_double(insert, at++, feature->height_m);
    if (feature->storeys == STOREYS_UNKNOWN) {
        sqlite3_bind_null(insert, at++);
        sqlite3_bind_null(insert, at++);
        sqlite3_bind_null(insert, at++);
    } else {
        sqlite3_bind_int64(insert, at++, feature->storeys_above);
        sqlite3_bind_int64(insert, at++, feature->storeys_below);
        sqlite3_bind_int(insert, at++, feature->storeys == STOREYS_DERIVED);
    }
    sqlite3_bind_double(insert, at++, feature->footprint_m2);
}

static void bind_value(sqlite3_stmt *statement, int at, const struct geopackage_value *value)
{
    switch (value->kind) {
    case GEOPACKAGE_NULL:
        sqlite3_bind_null(statement, at);
        break;
    case GEOPACKAGE_IS_INT:
        sqlite3_bind_int64(statement, at, value->integer);
        break;
    case GEOPACKAGE_IS_REAL:
        sqlite3_bind_double(statement, at, value->real);
        break;
    case GEOPACKAGE_IS_TEXT:
        sqlite3_bind_text64(statement, at, value->text.size == 0 ? "" : value->text.data,
                            value->text.size, SQLITE_STATIC, SQLITE_UTF8);
        break;
    }
}

/* What has no column of its own. */
static bool bind_more(struct geopackage_writer *writer, const struct geopackage_feature *feature,
                      int at, struct err *err)
{
    struct buf *json = &writer->words;
    buf_reset(json);
    buf_add_byte(json, '{');
    for (size_t i = writer->stored_count; i < writer->layer.column_count; i++) {
        const struct geopackage_value *value = &feature->values[i];
        if (value->kind == GEOPACKAGE_NULL) {
            continue;
        }
        json_write_comma(json);
        json_write_text(json, writer->columns[i].name);
        buf_add_byte(json, ':');
        if (value->kind == GEOPACKAGE_IS_TEXT) {
            json_write_text(json, value->text);
        } else if (value->kind == GEOPACKAGE_IS_INT) {
            buf_print(json, "%lld", (long long)value->integer);
        } else {
            json_write_double(json, value->real);
        }
    }
    buf_add_byte(json, '}');
    if (!buf_finish(json, err)) {
        return false;
    }
    sqlite3_bind_text64(writer->insert, at, (const char *)json->data, json->size, SQLITE_TRANSIENT,
                        SQLITE_UTF8);
    return true;
}

static bool insert_row(struct geopackage_writer *writer, const struct geopackage_feature *feature,
                       struct err *err)
{
    sqlite3_stmt *insert = writer->insert;
    sqlite3_bind_int64(insert, 1, writer->count + 1);
    if (feature->ring_count > 0) {
        sqlite3_bind_blob64(insert, 2, writer->blob.data, writer->blob.size, SQLITE_STATIC);
    } else {
        sqlite3_bind_null(insert, 2);
    }
    bind_builtins(writer, feature, 3);
    const int first = 3 + BUILTIN_COUNT;
    for (size_t i = 0; i < writer->stored_count; i++) {
        bind_value(insert, first + (int)i, &feature->values[i]);
    }
    if (writer->stored_count < writer->layer.column_count &&
        !bind_more(writer, feature, first + (int)writer->stored_count, err)) {
        return false;
    }
    return step(writer, insert, err);
}

static bool insert_names(struct geopackage_writer *writer, const struct geopackage_feature *feature,
                         struct err *err)
{
    buf_reset(&writer->words);
    geopackage_words(feature->name, &writer->words);
    buf_add_byte(&writer->words, ' ');
    geopackage_words(feature->other_names, &writer->words);
    buf_add_byte(&writer->words, ' ');
    geopackage_words(feature->id, &writer->words);
    if (!buf_finish(&writer->words, err)) {
        return false;
    }
    sqlite3_bind_int64(writer->insert_name, 1, writer->count + 1);
    bind_text(writer->insert_name, 2,
              (struct text){(const char *)writer->words.data, writer->words.size});
    return step(writer, writer->insert_name, err);
}

bool geopackage_writer_add(struct geopackage_writer *writer,
                           const struct geopackage_feature *feature, struct err *err)
{
    double box[4];
    if (feature->ring_count > 0 && !encode_footprint(writer, feature, box, err)) {
        return false;
    }
    if (!insert_row(writer, feature, err) || !insert_names(writer, feature, err)) {
        return false;
    }
    if (feature->ring_count > 0) {
        sqlite3_bind_int64(writer->insert_box, 1, writer->count + 1);
        sqlite3_bind_double(writer->insert_box, 2, box[0]);
        sqlite3_bind_double(writer->insert_box, 3, box[2]);
        sqlite3_bind_double(writer->insert_box, 4, box[1]);
        sqlite3_bind_double(writer->insert_box, 5, box[3]);
        if (!step(writer, writer->insert_box, err)) {
            return false;
        }
        for (size_t i = 0; i < 2; i++) {
            writer->extent[i] = fmin(writer->extent[i], box[i]);
            writer->extent[2 + i] = fmax(writer->extent[2 + i], box[2 + i]);
        }
    }
    writer->count++;
    return true;
}

/* ---- the end ---- */

static bool add_contents(struct geopackage_writer *writer, struct err *err)
{
    sqlite3_stmt *contents;
    if (!prepare(writer,
                 "INSERT INTO gpkg_contents VALUES ('features','features','features',"
                 "'storey " STOREY_VERSION "','1970-01-01T00:00:00.000Z',?,?,?,?,?)",
                 &contents, err)) {
        return false;
    }
    for (int i = 0; i < 4; i++) {
        if (isfinite(writer->extent[i])) {
            sqlite3_bind_double(contents, 1 + i, writer->extent[i]);
        }
    }
    sqlite3_bind_int(contents, 5, writer->layer.crs_code);
    const bool ok = step(writer, contents, err);
    sqlite3_finalize(contents);
    return ok;
}

bool geopackage_writer_finish(struct geopackage_writer *writer, struct err *err)
{
    char columns[128];
    snprintf(columns, sizeof columns,
             "INSERT INTO gpkg_geometry_columns VALUES "
             "('features','footprint','MULTIPOLYGON',%d,0,0)",
             (int)writer->layer.crs_code);
    return add_contents(writer, err) && run_sql(writer, columns, err) &&
           run_sql(writer, trigger_sql, err) &&
           run_sql(writer, "INSERT INTO feature_names(feature_names) VALUES('optimize')", err) &&
           run_sql(writer, "COMMIT", err);
}

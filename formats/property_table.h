/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_PROPERTY_TABLE_H
#define FORMATS_PROPERTY_TABLE_H

/*
 * property_table.h - typed attributes of features, in columns.
 *
 * One schema describes every tile of a package; it is a file of its own,
 * content-named, that tiles refer to. A tile's table has a row for each of its
 * features and a column for each property that any of them has.
 *
 * Source   OGC 3D Tiles 1.1, "3D Metadata Specification", "Property", "No Data";
 *          EXT_structural_metadata, "Property Tables", "Schema Definitions"
 */

#include "formats/base/arena.h"
#include "formats/base/buf.h"
#include "formats/base/bytes.h"
#include "formats/base/err.h"

enum property_type {
    PROPERTY_BOOL,     /* only for properties that every feature has (is_required) */
    PROPERTY_TRISTATE, /* a boolean that may be missing: an enum of no, yes, unknown */
    PROPERTY_INT32,
    PROPERTY_INT64,
    PROPERTY_FLOAT64,
    PROPERTY_STRING,
    PROPERTY_ENUM /* declared code list */
};

/* Numbers of other programs' tables, widened when read. Ours are as their type. */
enum property_stored {
    PROPERTY_AS_TYPE,
    PROPERTY_INT8,
    PROPERTY_UINT8,
    PROPERTY_INT16,
    PROPERTY_UINT16,
    PROPERTY_UINT32,
    PROPERTY_UINT64,
    PROPERTY_FLOAT32
};

/* What stands for "no value"; chosen so that no value of the run equals it. */
#define PROPERTY_NO_INT32 INT32_MIN
#define PROPERTY_NO_INT64 INT64_MIN
#define PROPERTY_NO_FLOAT64 (-1.7976931348623157e308)
/* Strings: the empty string. Tristate: PROPERTY_UNKNOWN. Enums: PROPERTY_NO_ENUM. */
enum { PROPERTY_NO = 0, PROPERTY_YES = 1, PROPERTY_UNKNOWN = 2 };
enum { PROPERTY_NO_ENUM = 255, PROPERTY_ENUM_MAX = 255 };

struct property {
    struct text id;   /* [A-Za-z_][A-Za-z0-9_]*, unique */
    struct text name; /* as the source spells it */
    enum property_type type;
    bool is_required;              /* every feature has a value */
    bool is_brief;                 /* far tiles, which carry little else, have it too */
    const char *semantic;          /* "ID", "NAME", ...; NULL none */
    const struct text *enum_names; /* PROPERTY_ENUM: value i has this name */
    size_t enum_count;             /* at most PROPERTY_ENUM_MAX */
    enum property_stored stored;   /* set by readers only */
};

struct property_schema {
    const struct property *properties;
    size_t property_count;
    struct text uri; /* as tiles refer to it; "" until it is written */
};

/* Values of one property, row by row; the member for its type is set. */
struct property_column {
    uint32_t property; /* index into the schema */
    union {
        const uint8_t *small; /* BOOL, TRISTATE, ENUM */
        const int32_t *int32;
        const int64_t *int64;
        const double *float64;
        const struct text *string;
    } values;
};

struct property_table {
    const struct property_schema *schema;
    uint32_t row_count;
    const struct property_column *columns; /* ascending by property; writers of
                                              formats that want them all fill in
                                              the others as "no value" */
    size_t column_count;
};

/*
 * A property id from a name: characters that an id may not have become "_", or
 * "u" and hex digits for those beyond ASCII, so that different names differ.
 * "" and names that begin with a digit get a leading "_". Uniqueness among
 * many is the caller's business.
 *
 * Memory   *out lives in `arena`
 */
ERR_CHECKED bool property_id_from_name(struct text name, struct arena *arena, struct text *out,
                                       struct err *err);

/*
 * The schema as JSON (3D Metadata schema object), the same bytes for the same
 * schema. Class "feature" has all properties; class "brief", when there is any,
 * those that are is_brief. A table is written as "brief" when it has no other
 * columns, see property_table_class().
 *
 * "noData" stands at every property that is not is_required, "required" only at
 * those with a semantic: what a client may rely on in every tile.
 */
void property_schema_print(const struct property_schema *schema, struct buf *out);

/* "brief" or "feature": the class that a table with these columns is of. */
const char *property_table_class(const struct property_table *table);

/* Whether a table of that class has the property. */
bool property_is_in_class(const struct property *property, const char *class_name);

/*
 * Reads a schema object: what property_schema_print() writes, and the class
 * with the given name ("" the only one, or the first) of others'. Properties
 * that the hub has no type for (arrays, vectors, matrices, scaled numbers, enums
 * whose values are not 0, 1, 2 ...) are left out. What stands for "no value" in
 * others' tables, unless it is the same as ours, is a value like any other.
 *
 * Memory   *out lives in `arena`; its uri is ""
 * Errors   ERR_SYNTAX  broken JSON
 *          ERR_SCHEMA  no such class, an unknown type, an enum that is not there
 */
ERR_CHECKED bool property_schema_read(struct span json, struct text class_name, struct arena *arena,
                                      struct property_schema *out, struct err *err);

/* The same, from JSON that is part of a larger document. */
struct json_tree;
ERR_CHECKED bool property_schema_from_tree(const struct json_tree *root, struct text class_name,
                                           struct arena *arena, struct property_schema *out,
                                           struct err *err);

/* Index of the property with this id, or SIZE_MAX. */
size_t property_schema_find(const struct property_schema *schema, struct text id);

/* True when row `row` of the column holds what stands for "no value". */
bool property_is_missing(const struct property_schema *schema, const struct property_column *column,
                         uint32_t row);

/* One column as 3D metadata's binary table format has it. */
struct property_packed {
    struct span values;  /* never empty, though all strings may be */
    struct span offsets; /* strings only: row_count + 1 offsets into values */
    int offset_bytes;    /* 1, 2 or 4: the smallest that holds the last offset */
};

/*
 * Packs a column: little endian, booleans as bits, strings end to end.
 *
 * Memory   *out lives in `arena`
 * Errors   ERR_LIMIT  more than 4 GiB of strings
 */
ERR_CHECKED bool property_pack(const struct property_table *table, size_t column,
                               struct arena *arena, struct property_packed *out, struct err *err);

/*
 * Unpacks `row_count` values of a property. offset_bytes may also be 8.
 *
 * Memory   *out lives in `arena`; strings point into packed->values
 * Errors   ERR_SCHEMA  too few bytes, offsets that do not ascend, an enum value
 *                      without a name, a number that the hub cannot hold
 */
ERR_CHECKED bool property_unpack(const struct property *property,
                                 const struct property_packed *packed, uint32_t row_count,
                                 struct arena *arena, struct property_column *out, struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_PARAMETER_H
#define SERVER_PARAMETER_H

/*
 * parameter.h - the query parameters of every route, as one table: what reads
 * and checks them is what the API description prints, so that neither can say
 * what the other does not do.
 *
 * A route names the parameters that it takes, as bits. Another one, one that is
 * given twice, and one whose value is not of its kind are refused.
 *
 * Source   OGC API Features 1 (OGC 17-069r4), "Unknown or invalid query
 *          parameters"; Features 3 (19-079r2) for filter, filter-lang
 */

#include <assert.h>

#include "formats/base/arena.h"
#include "formats/base/buf.h"
#include "formats/base/bytes.h"
#include "formats/base/err.h"

enum parameter_id {
    PARAMETER_F,          /* json, html */
    PARAMETER_F_FEATURE,  /* and attributes */
    PARAMETER_F_FEATURES, /* and attributes, ids */
    PARAMETER_F_FLOOD,    /* and attributes, ids, style */
    PARAMETER_BBOX,
    PARAMETER_BBOX_CRS,
    PARAMETER_CLASS,
    PARAMETER_CRS,
    PARAMETER_COORDS_POINT,
    PARAMETER_COORDS_AREA,
    PARAMETER_COORDS_RAY,
    PARAMETER_DATETIME,
    PARAMETER_DATUM,
    PARAMETER_DEPTH_FIELD,
    PARAMETER_FILTER,
    PARAMETER_FILTER_CRS,
    PARAMETER_FILTER_LANG,
    PARAMETER_GROUP,
    PARAMETER_ID,
    PARAMETER_IDS,
    PARAMETER_K,
    PARAMETER_LEVEL,
    PARAMETER_LIMIT,
    PARAMETER_LIMIT_ALL, /* 0 is all of them */
    PARAMETER_MAX_Z,
    PARAMETER_MIN_Z,
    PARAMETER_OFFSET,
    PARAMETER_PACKAGE,
    PARAMETER_PARENT,
    PARAMETER_PROPERTIES,
    PARAMETER_Q,
    PARAMETER_SKIP_GEOMETRY,
    PARAMETER_SORTBY,
    PARAMETER_SUM,
    PARAMETER_TILE,
    PARAMETER_WITHIN,
    PARAMETER_WITHIN_UNITS,
    PARAMETER_Z,
    PARAMETER_ACCESS_TOKEN, /* these two on every route */
    PARAMETER_KEY,
    PARAMETER_COUNT
};

/* One bit for each in a uint64_t. */
static_assert(PARAMETER_COUNT <= 64, "a route names its parameters in 64 bits");

#define PARAMETER_BIT(id) ((uint64_t)1 << PARAMETER_##id)

enum parameter_kind {
    PARAMETER_TEXT,
    PARAMETER_LIST,    /* texts between commas */
    PARAMETER_CHOICE,  /* one of `choices` */
    PARAMETER_WHOLE,   /* a whole number; above `most` it is taken as that */
    PARAMETER_REAL,    /* a number from `least` to `most` */
    PARAMETER_NUMBERS, /* 4 or 6 numbers between commas */
    PARAMETER_BOOLEAN
};

struct parameter {
    const char *name;
    enum parameter_kind kind;
    double least, most;
    const char *choices;  /* separated by '|'; NULL none */
    const char *standard; /* the value when it is left out, as text; NULL none */
    const char *text;     /* a sentence for the API description */
};

/* By id. */
extern const struct parameter parameter_table[PARAMETER_COUNT];

struct parameter_value {
    bool is_there;
    struct text text; /* decoded; terminated */
    uint64_t whole;   /* also 0 or 1 of a boolean, and the place among choices */
    double numbers[6];
    size_t number_count;
};

/* What a request says; values that are left out have their standard one. */
struct parameters {
    struct parameter_value values[PARAMETER_COUNT];
    struct text others[16]; /* "name", decoded value, ... of parameters that are no one's */
    size_t other_count;     /* of both together */
};

/*
 * Reads a query.
 *
 * allowed        bits of the parameters that may stand there
 * takes_others   others are kept, up to eight (queryable properties); else refused
 * Memory   texts lie in `request`
 * Errors   ERR_SYNTAX  unknown, given twice, not percent-encoded UTF-8, not of its
 *                      kind; the message says which and what is wanted
 *          ERR_NOMEM
 */
ERR_CHECKED bool parameter_read(struct text query, uint64_t allowed, bool takes_others,
                                struct arena *request, struct parameters *out, struct err *err);

/*
 * Reads the credentials alone and looks over everything else, as routes do that
 * take whatever clients add.
 */
void parameter_read_credentials(struct text query, struct arena *request, struct parameters *out);

/* Numbers between commas, nothing else; 0 when that is not what stands there. */
size_t parameter_numbers(struct text text, double *out, size_t room);

/* Appends the OpenAPI description of a parameter. */
void parameter_describe(struct buf *json, const struct parameter *parameter);

#endif

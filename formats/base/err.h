/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_BASE_ERR_H
#define FORMATS_BASE_ERR_H

/*
 * err.h - one failure, and the place in the INPUT that caused it.
 *
 * A function that can fail takes `struct err *err` as its last parameter and
 * returns bool. True: success, *err is untouched. False: *err says what, where
 * and why, and the function's other outputs are untouched. err is never NULL.
 *
 * struct err is fixed-size and owns nothing, so running out of memory can be
 * reported without memory, and a worker hands its error to another thread by
 * copying it.
 *
 * Mistakes in our own code are assert()ed. They are not errors.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum err_code {
    ERR_NONE,
    ERR_NOMEM,       /* an allocation failed */
    ERR_LIMIT,       /* a documented limit was reached */
    ERR_IO,          /* the operating system refused */
    ERR_SYNTAX,      /* the bytes are not the format they claim to be */
    ERR_SCHEMA,      /* well formed, but breaks a rule of the format */
    ERR_UNSUPPORTED, /* valid, but this program does not handle it */
    ERR_CRS,         /* no usable coordinate operation */
    ERR_GEOMETRY,    /* a shape that cannot be used: open ring, no area */
    ERR_LIBRARY      /* a third-party library failed for a reason of its own */
};

#define ERR_NO_OFFSET UINT64_MAX

struct err {
    enum err_code code;
    char source[128];  /* file or archive entry as the user named it; "" unknown */
    char feature[64];  /* feature id in that source, such as a gml:id; "" none */
    uint32_t line;     /* 1-based; 0 for binary sources, which have an offset */
    uint32_t column;   /* 1-based, in bytes; 0 unknown */
    uint64_t offset;   /* in bytes from the start of the source; or ERR_NO_OFFSET */
    char message[192]; /* lower case, no full stop, quotes the bad value */
};

#define ERR_CHECKED __attribute__((warn_unused_result))
#define ERR_PRINTF(f, a) __attribute__((format(printf, f, a)))

/* Clears *err and fills it. Both always return false, for `return err_set(...)`. */
bool err_set(struct err *err, enum err_code code, const char *format, ...) ERR_PRINTF(3, 4);
bool err_set_at(struct err *err, enum err_code code, uint64_t offset, const char *format, ...)
    ERR_PRINTF(4, 5);

/*
 * Add where it happened. Each fills its field only while that is blank: the
 * innermost caller knows best, outer callers add what only they know.
 */
void err_at_line(struct err *err, uint32_t line, uint32_t column);
void err_in_feature(struct err *err, const char *id);
void err_in_source(struct err *err, const char *name);

/* "schema", "geometry", ...: one word per code, for messages and reports. */
const char *err_code_name(enum err_code code);

/*
 * Writes "delft.city.json:1204:17: schema: ... (feature 'NL.503')" to out,
 * always terminated, cut to fit. 512 bytes hold any error.
 */
void err_format(const struct err *err, char *out, size_t out_bytes);

#ifdef __cplusplus
}
#endif

#endif

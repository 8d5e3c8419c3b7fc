/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Copies text that may be cut, never in the middle of a UTF-8 character. */
static void copy_cut(char *out, size_t out_bytes, const char *text)
{
    size_t size = strlen(text);
    if (size >= out_bytes) {
        size = out_bytes - 1;
        while (size > 0 && ((unsigned char)text[size] & 0xC0) == 0x80) {
            size--;
        }
    }
    memcpy(out, text, size);
    out[size] = '\0';
}

static void fill(struct err *err, enum err_code code, uint64_t offset, const char *format,
                 va_list args) __attribute__((format(printf, 4, 0)));

static void fill(struct err *err, enum err_code code, uint64_t offset, const char *format,
                 va_list args)
{
    /* Arguments may point into the very *err that is being replaced. */
    char message[2 * sizeof err->message];
    vsnprintf(message, sizeof message, format, args);
    *err = (struct err){.code = code, .offset = offset};
    copy_cut(err->message, sizeof err->message, message);
}

bool err_set(struct err *err, enum err_code code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(err, code, ERR_NO_OFFSET, format, args);
    va_end(args);
    return false;
}

bool err_set_at(struct err *err, enum err_code code, uint64_t offset, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(err, code, offset, format, args);
    va_end(args);
    return false;
}

void err_at_line(struct err *err, uint32_t line, uint32_t column)
{
    if (err->line == 0) {
        err->line = line;
        err->column = column;
    }
}

void err_in_feature(struct err *err, const char *id)
{
    if (err->feature[0] == '\0') {
        copy_cut(err->feature, sizeof err->feature, id);
    }
}

void err_in_source(struct err *err, const char *name)
{
    if (err->source[0] == '\0') {
        copy_cut(err->source, sizeof err->source, name);
    }
}

const char *err_code_name(enum err_code code)
{
    switch (code) {
    case ERR_NONE:
        return "none";
    case ERR_NOMEM:
        return "out of memory";
    case ERR_LIMIT:
        return "limit";
    case ERR_IO:
        return "io";
    case ERR_SYNTAX:
        return "syntax";
    case ERR_SCHEMA:
        return "schema";
    case ERR_UNSUPPORTED:
        return "unsupported";
    case ERR_CRS:
        return "crs";
    case ERR_GEOMETRY:
        return "geometry";
    case ERR_LIBRARY:
        return "library";
    }
    return "unknown";
}

void err_format(const struct err *err, char *out, size_t out_bytes)
{
    char place[96] = "";
    if (err->line != 0 && err->column != 0) {
        snprintf(place, sizeof place, "%u:%u:", err->line, err->column);
    } else if (err->line != 0) {
        snprintf(place, sizeof place, "%u:", err->line);
    } else if (err->offset != ERR_NO_OFFSET) {
        snprintf(place, sizeof place, "byte %llu:", (unsigned long long)err->offset);
    }
    const bool has_source = err->source[0] != '\0';
    const bool has_place = place[0] != '\0';
    const bool has_feature = err->feature[0] != '\0';
    snprintf(out, out_bytes, "%s%s%s%s%s: %s%s%s%s", err->source, has_source ? ":" : "", place,
             has_source || has_place ? " " : "", err_code_name(err->code), err->message,
             has_feature ? " (feature '" : "", err->feature, has_feature ? "')" : "");
}

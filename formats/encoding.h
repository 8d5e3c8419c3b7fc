/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_ENCODING_H
#define FORMATS_ENCODING_H

/*
 * encoding.h - what encoding a text file is in, whatever it says, and the same
 * text as UTF-8.
 *
 * What the bytes are decides: a byte order mark, then whether they are UTF-8.
 * Only what is not is taken for what it declares, or, where that cannot be
 * either or nothing is declared, for the likeliest of GB18030, Shift_JIS and
 * Windows-1252: by how many of the characters beyond ASCII would be common
 * ones. Broken characters in a text that is UTF-8 for the rest do not make it
 * another encoding.
 *
 * Source   The Unicode Standard, "UTF-8"; GB 18030-2022; JIS X 0208; XML 1.0,
 *          "Autodetection of Character Encodings"
 * Threads  no state
 */

#include "formats/base/io.h"

enum encoding_reason {
    ENCODING_PLAIN,    /* UTF-8, and nothing else is declared */
    ENCODING_DECLARED, /* another one, as declared or by a mark */
    ENCODING_CHOSEN,   /* the user said so */
    ENCODING_GUESSED,  /* nothing is declared, or it cannot be */
    ENCODING_DISPROVED /* it is UTF-8, but another one is declared */
};

struct encoding {
    enum encoding_reason reason;
    bool is_utf8;      /* the bytes can be used as they are */
    char name[32];     /* as iconv knows it */
    char declared[32]; /* as the text says; "" nothing */
};

/*
 * Finds the encoding of an XML text: all of it is looked at, and pages of `map`
 * (NULL: plain memory) are given back.
 *
 * chosen   what the user says; NULL: nothing. A mark and UTF-8 outrank it.
 */
struct encoding encoding_find(struct span bytes, const struct io_map *map, const char *chosen);

/*
 * Writes the text as UTF-8. What is no character of the encoding becomes
 * U+FFFD and is counted.
 *
 * Errors   ERR_UNSUPPORTED  iconv does not know the encoding   ERR_IO
 */
ERR_CHECKED bool encoding_convert(struct span bytes, const struct io_map *map, const char *name,
                                  int fd, uint64_t *out_broken, struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_SIDECAR_H
#define SERVER_SIDECAR_H

/*
 * sidecar.h - NAME.json beside a package NAME.3tz or NAME/: what the office that
 * publishes it says about it. Nobody needs one; a file of that name that is no
 * side-car (a city model, say) is noted and looked over.
 *
 * Layout   {"id": "futian", "aliases": ["ft", "futian-2025"],
 *           "title": {"en": "Futian", "zh": "福田"},  or "title": "Futian",
 *           "description": "...", "department": "...", "contact": "..."}
 *
 *          The id stays when the file is renamed; an alias answers as the id does.
 * Limits   SIDECAR_BYTES_MAX; 16 aliases, 8 languages. Ids and aliases are one part
 *          of a path: no slash, no control character.
 */

#include "formats/base/arena.h"
#include "formats/base/bytes.h"
#include "formats/base/err.h"

enum { SIDECAR_BYTES_MAX = 1 << 20, SIDECAR_ALIASES_MAX = 16, SIDECAR_TITLES_MAX = 8 };

struct sidecar_title {
    const char *language; /* "en"; "" when there is one title for all */
    const char *text;
};

/* Everything terminated; NULL what is not said. */
struct sidecar {
    const char *id;
    const char *aliases[SIDECAR_ALIASES_MAX];
    size_t alias_count;
    struct sidecar_title titles[SIDECAR_TITLES_MAX];
    size_t title_count;
    const char *description;
    const char *department;
    const char *contact;
};

/*
 * Memory   *out lives in `arena`
 * Errors   ERR_SYNTAX, ERR_SCHEMA with line and column: not JSON, a member that is
 *          none of these, or of another kind
 */
ERR_CHECKED bool sidecar_read(struct span json, struct arena *arena, struct sidecar *out,
                              struct err *err);

/* The title in the language that Accept-Language (may be empty) names first; the
 * first of them when it names none; NULL without titles. */
const char *sidecar_title(const struct sidecar *sidecar, struct text accept_language);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TILER_DICTIONARY_H
#define TILER_DICTIONARY_H

/*
 * dictionary.h - every attribute key of a run, and what its values were: from
 * it the one schema of the package is made.
 *
 * A key becomes a small number, the order of first appearance; the schema is
 * sorted by name, so that the order of inputs does not show.
 *
 * Types are widened conservatively, so that one more building rarely renames
 * anything: integers that fit are 32 bits, larger ones doubles up to 2^53 and
 * 64 bits beyond, integers beside reals are reals, anything beside text is text. Booleans that some
 * feature lacks are a tristate. A class is a byte, its number in the declared list
 * and the extensions' classes by name after it; text where those are too many.
 *
 * Threads  adding from one; the rest from any once adding has ended
 */

#include "formats/base/arena.h"
#include "formats/base/err.h"
#include "formats/feature.h"
#include "formats/property_table.h"

enum { DICTIONARY_KEYS_MAX = 4096 };

struct dictionary;

struct dictionary_key {
    struct text name;
    uint64_t count;       /* features that have it, null counted */
    uint64_t value_count; /* not null */
    bool has_bool, has_int, has_real, has_text;
    int64_t min_int, max_int;
    bool has_sentinel;            /* a value equals what would stand for "none" */
    struct feature_value example; /* the first value; text cut to 80 bytes */
};

ERR_CHECKED bool dictionary_open(struct arena *run, struct dictionary **out, struct err *err);

/*
 * The number of a key, new or known.
 *
 * Errors   ERR_LIMIT  more than DICTIONARY_KEYS_MAX keys
 */
ERR_CHECKED bool dictionary_add(struct dictionary *dictionary, struct text key,
                                const struct feature_value *value, uint32_t *out_number,
                                struct err *err);

/*
 * Notes a class. Those that are not declared (feature.h) are kept: extensions.
 *
 * Errors   ERR_LIMIT  more than run's arena holds
 */
ERR_CHECKED bool dictionary_add_class(struct dictionary *dictionary, struct text class_name,
                                      struct err *err);

/*
 * Says which properties tiles above the leaves have: names of built-ins and of attributes,
 * or ids of these. The id and a group's count of members stay whatever is said. Without a call:
 * class, name, height.
 *
 * Memory   the names are the caller's
 */
void dictionary_keep_far(struct dictionary *dictionary, const char *const *names, size_t count);

size_t dictionary_count(const struct dictionary *dictionary);
const struct dictionary_key *dictionary_key(const struct dictionary *dictionary, uint32_t number);

/* What storey itself says of every feature, before the source's attributes. */
enum dictionary_builtin {
    BUILTIN_ID,
    BUILTIN_CLASS,
    BUILTIN_NAME,
    BUILTIN_PARENT,
    BUILTIN_HEIGHT,       /* metres from lowest to highest point, or the source's own */
    BUILTIN_MEMBER_COUNT, /* of a group: how many features it stands for; others have none */
    BUILTIN_COUNT
};

/*
 * The package's schema: built-ins first, then the keys by name.
 *
 * Memory   lives in `run`; out_property_of_key has a property index per key
 *          number, or UINT32_MAX for a key that a built-in stands for
 */
ERR_CHECKED bool dictionary_schema(const struct dictionary *dictionary, uint64_t feature_count,
                                   struct arena *run, struct property_schema *out,
                                   uint32_t **out_property_of_key, struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_BASE_ARENA_H
#define FORMATS_BASE_ARENA_H

/*
 * arena.h - memory that is given back all at once.
 *
 * The lifetimes of this program, longest first. A pointer may lead from a
 * shorter lifetime into a longer one, never the other way.
 *
 *   run      options, tile tree           made by main()     until exit
 *   source   one input file's text        made by a reader   until it is closed
 *   feature  one building being read      lent to a reader   until the next one
 *   tile     meshes and bytes of a tile   one per worker     until the next tile
 *   request  one HTTP request             one per request    until the reply left
 *   scratch  inside one function          arena_mark()       until arena_reset()
 *
 * An arena belongs to one thread at a time. Nothing in it is freed alone, so
 * nothing in it owns a file, a lock or a library's handle.
 */

#include <stddef.h>

#include "formats/base/err.h"

#ifdef __cplusplus
extern "C" {
#endif

struct arena_block;

struct arena {
    struct arena_block *top;
    size_t used_bytes;  /* of all blocks together */
    size_t limit_bytes; /* arena_alloc() refuses to pass this */
    size_t fail_after;  /* tests: this allocation, counted from 1, fails; 0 none */
    size_t alloc_count;
    enum err_code refusal; /* why arena_alloc() last returned NULL */
};

struct arena_mark {
    struct arena_block *top;
    size_t top_used_bytes;
    size_t used_bytes;
};

void arena_init(struct arena *arena, size_t limit_bytes);
void arena_release(struct arena *arena); /* frees everything; may be init'ed again */

/* `count` zeroed elements, or NULL; then `return arena_full(arena, err)`. */
#define arena_array(arena, type, count)                                                            \
    ((type *)arena_alloc((arena), (count), sizeof(type), _Alignof(type)))
void *arena_alloc(struct arena *arena, size_t count, size_t size, size_t align);
bool arena_full(const struct arena *arena, struct err *err);

/* A terminated text of any length, or NULL as arena_alloc(). */
char *arena_print(struct arena *arena, const char *format, ...) ERR_PRINTF(2, 3);

/* Everything allocated after the mark is given back by arena_reset(). */
struct arena_mark arena_mark(const struct arena *arena);
void arena_reset(struct arena *arena, struct arena_mark mark);

#ifdef __cplusplus
}
#endif

#endif

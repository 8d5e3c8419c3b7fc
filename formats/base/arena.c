/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/base/arena.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_POISONS 1
#endif
#endif

#ifdef ARENA_POISONS
#include <sanitizer/asan_interface.h>
/* A gap between neighbours, so that one element too many is reported. */
enum { GAP_BYTES = 16 };
#else
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
enum { GAP_BYTES = 0 };
#endif

/* 64 KiB less the allocator's own header: most features fit in one block. */
enum { BLOCK_BYTES = 64 * 1024 - 64 };

struct arena_block {
    struct arena_block *below;
    size_t used_bytes;
    size_t size_bytes;
    _Alignas(max_align_t) unsigned char bytes[];
};

void arena_init(struct arena *arena, size_t limit_bytes)
{
    *arena = (struct arena){.limit_bytes = limit_bytes};
}

static void drop_top(struct arena *arena)
{
    struct arena_block *block = arena->top;
    arena->top = block->below;
    ASAN_UNPOISON_MEMORY_REGION(block->bytes, block->size_bytes);
    free(block);
}

void arena_release(struct arena *arena)
{
    if (arena == NULL) {
        return;
    }
    while (arena->top != NULL) {
        drop_top(arena);
    }
    arena->used_bytes = 0;
}

static void *refuse(struct arena *arena, enum err_code why)
{
    arena->refusal = why;
    return NULL;
}

/* Blocks double as an arena grows, so that a large one is a few mallocs. */
static struct arena_block *add_block(struct arena *arena, size_t need)
{
    size_t size = arena->top == NULL ? (size_t)BLOCK_BYTES : arena->top->size_bytes;
    if (arena->used_bytes > 4 * size && size < ((size_t)1 << 22)) {
        size *= 2;
    }
    if (size < need) {
        size = need;
    }
    struct arena_block *block = malloc(sizeof *block + size);
    if (block == NULL) {
        return NULL;
    }
    *block = (struct arena_block){.below = arena->top, .size_bytes = size};
    ASAN_POISON_MEMORY_REGION(block->bytes, block->size_bytes);
    arena->top = block;
    return block;
}

void *arena_alloc(struct arena *arena, size_t count, size_t size, size_t align)
{
    assert(size > 0);
    assert(align > 0 && (align & (align - 1)) == 0 && align <= _Alignof(max_align_t));
    arena->alloc_count++;
    if (arena->fail_after != 0 && arena->alloc_count >= arena->fail_after) {
        return refuse(arena, ERR_NOMEM);
    }
    if (count > SIZE_MAX / 2 / size) {
        return refuse(arena, ERR_LIMIT);
    }
    const size_t bytes = count * size;
    if (bytes > arena->limit_bytes || arena->used_bytes > arena->limit_bytes - bytes) {
        return refuse(arena, ERR_LIMIT);
    }
    struct arena_block *block = arena->top;
    size_t start = 0;
    bool fits = false;
    if (block != NULL) {
        start = (block->used_bytes + align - 1) & ~(align - 1);
        fits = start <= block->size_bytes && bytes + GAP_BYTES <= block->size_bytes - start;
    }
    if (!fits) {
        block = add_block(arena, bytes + GAP_BYTES);
        if (block == NULL) {
            return refuse(arena, ERR_NOMEM);
        }
        start = 0;
    }
    block->used_bytes = start + bytes + GAP_BYTES;
    arena->used_bytes += bytes;
    void *found = block->bytes + start;
    ASAN_UNPOISON_MEMORY_REGION(found, bytes);
    memset(found, 0, bytes);
    return found;
}

bool arena_full(const struct arena *arena, struct err *err)
{
    if (arena->refusal == ERR_NOMEM) {
        return err_set(err, ERR_NOMEM, "no memory beyond %zu bytes", arena->used_bytes);
    }
    return err_set(err, ERR_LIMIT, "more than %zu bytes of memory needed", arena->limit_bytes);
}

char *arena_print(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    assert(length >= 0);
    const size_t bytes = (size_t)length + 1;
    char *text = arena_array(arena, char, bytes);
    if (text != NULL) {
        va_start(args, format);
        vsnprintf(text, bytes, format, args);
        va_end(args);
    }
    return text;
}

struct arena_mark arena_mark(const struct arena *arena)
{
    return (struct arena_mark){
        .top = arena->top,
        .top_used_bytes = arena->top == NULL ? 0 : arena->top->used_bytes,
        .used_bytes = arena->used_bytes,
    };
}

void arena_reset(struct arena *arena, struct arena_mark mark)
{
    /* The first block stays: an arena that is reset for each feature would
     * otherwise cost a malloc and a free each time. */
    while (arena->top != mark.top && !(mark.top == NULL && arena->top->below == NULL)) {
        drop_top(arena);
    }
    if (arena->top != NULL) {
        struct arena_block *block = arena->top;
        block->used_bytes = mark.top == NULL ? 0 : mark.top_used_bytes;
        ASAN_POISON_MEMORY_REGION(block->bytes + block->used_bytes,
                                  block->size_bytes - block->used_bytes);
    }
    arena->used_bytes = mark.used_bytes;
}

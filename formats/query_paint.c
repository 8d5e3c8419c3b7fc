/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/query_paint.h"

#include <stdlib.h>
#include <string.h>

#include "formats/feature_index_internal.h"

/* ---- style ---- */

/* A character of an id in a regular expression between single quotes: what has
 * a meaning there is any character. */
static void print_character(struct buf *out, const char *at, size_t size)
{
    const unsigned char c = (unsigned char)at[0];
    const bool is_plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                          (c >= 'a' && c <= 'z') || c == '_' || c == '-' || c >= 0x80;
    if (is_plain) {
        buf_add(out, at, size);
    } else {
        buf_add_byte(out, '.');
    }
}

/* Bytes of the character that begins at `at`; 0 at the end. */
static size_t character_size(struct text id, size_t at)
{
    size_t size = at < id.size ? 1 : 0;
    while (size > 0 && at + size < id.size && ((unsigned char)id.data[at + size] & 0xc0) == 0x80) {
        size++;
    }
    return size;
}

static bool same_character(struct text a, struct text b, size_t at)
{
    const size_t size = character_size(a, at);
    return size == character_size(b, at) &&
           (size == 0 || memcmp(a.data + at, b.data + at, size) == 0);
}

/*
 * Sorted ids as an expression that branches where they differ, "B(?:1(?:0|2)|7)":
 * a viewer tries as many characters as an id has, not as many ids as there are.
 */
static void print_branches(struct buf *out, const struct text *ids, size_t count, size_t at,
                           int depth)
{
    enum { BRANCHES_DEEP = 200 };
    while (count > 0 && character_size(ids[0], at) > 0 &&
           same_character(ids[0], ids[count - 1], at) && depth < BRANCHES_DEEP) {
        const size_t size = character_size(ids[0], at); /* common to all: they are sorted */
        print_character(out, ids[0].data + at, size);
        at += size;
    }
    if (count == 1 && at == ids[0].size) {
        return;
    }
    buf_add_text(out, "(?:");
    for (size_t i = 0; i < count;) {
        size_t end = i + 1;
        while (depth < BRANCHES_DEEP && end < count && same_character(ids[i], ids[end], at)) {
            end++;
        }
        if (i > 0) {
            buf_add_byte(out, '|');
        }
        if (depth < BRANCHES_DEEP) {
            const size_t size = character_size(ids[i], at);
            if (size > 0) {
                print_character(out, ids[i].data + at, size);
                print_branches(out, ids + i, end - i, at + size, depth + 1);
            }
        } else { /* ids that are prefixes of each other, hundreds deep: one by one */
            for (size_t c = at; c < ids[i].size; c += character_size(ids[i], c)) {
                print_character(out, ids[i].data + c, character_size(ids[i], c));
            }
        }
        i = end;
    }
    buf_add_byte(out, ')');
}

static int compare_ids(const void *a, const void *b)
{
    return text_compare(*(const struct text *)a, *(const struct text *)b);
}

bool query_paint_style(const struct query_target *target, const struct query_result *result,
                       struct arena *request, struct buf *out, struct err *err)
{
    static const struct {
        double above_m;
        const char *colour;
    } bands[] = {{2, "#08306b"}, {1, "#2171b5"}, {0.5, "#6baed6"}, {0, "#c6dbef"}};
    struct text *ids = arena_array(request, struct text, result->hit_count + 1);
    if (ids == NULL) {
        return arena_full(request, err);
    }
    buf_add_text(out, "{\"color\":{\"conditions\":[");
    for (size_t b = 0; b < sizeof bands / sizeof bands[0]; b++) {
        size_t count = 0;
        for (size_t i = 0; i < result->hit_count; i++) {
            const double depth_m = result->hits[i].water.depth_m;
            if (depth_m > bands[b].above_m && (b == 0 || !(depth_m > bands[b - 1].above_m))) {
                ids[count++] = feature_index_id(target->index, result->hits[i].row);
            }
        }
        if (count > 0) {
            qsort(ids, count, sizeof ids[0], compare_ids);
            buf_add_text(out, "[\"regExp('^");
            print_branches(out, ids, count, 0, 0);
            buf_print(out, "$').test(${id})\",\"color('%s')\"],", bands[b].colour);
        }
    }
    buf_add_text(out, "[\"true\",\"color('white')\"]]}}\n");
    return true;
}

/* ---- bits ---- */

void query_paint_bitset(const struct query_target *target, const struct query_result *result,
                        struct buf *out)
{
    const size_t size = ((size_t)target->index->count + 7) / 8;
    uint8_t *bits = buf_extend(out, size);
    if (bits == NULL) {
        return;
    }
    memset(bits, 0, size);
    for (size_t i = 0; i < result->hit_count; i++) {
        const uint32_t row = result->hits[i].row;
        bits[row / 8] |= (uint8_t)(1U << row % 8);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_GLB_DOCUMENT_H
#define FORMATS_GLB_DOCUMENT_H

/*
 * glb_document.h - a binary glTF taken apart: chunks, JSON, buffer views,
 * accessors. What glb_read.c stands on; other modules include glb.h.
 *
 * Everything that JSON points to is checked where it is followed: indices, ends
 * of buffers, kinds. Errors carry the offset in the file.
 *
 * Source   glTF 2.0, "GLB File Format Specification", "Buffers and Buffer
 *          Views", "Accessors"; EXT_meshopt_compression
 */

#include "formats/base/arena.h"
#include "formats/base/bytes.h"
#include "formats/base/err.h"
#include "formats/json_tree.h"

/* Where the JSON begins: behind the header and that of the first chunk. */
enum { GLB_DOCUMENT_JSON_AT = 20 };

/* The lists of the document, as glTF calls them; NULL where it has none, which
 * json_tree's finders accept. */
struct glb_lists {
    const struct json_tree *accessors, *views, *buffers, *images, *materials, *meshes, *nodes,
        *scenes, *textures, *samplers;
};

struct glb_document {
    struct span bytes; /* the file */
    struct span bin;   /* the binary chunk, in it */
    const struct json_tree *root;
    struct glb_lists lists;
    struct span *expanded; /* of each buffer view: decoded, or data NULL */
    struct arena *arena;
    struct err *err; /* where the functions below report */
};

/* Rows of numbers somewhere in the file; data NULL: all zero. */
struct glb_field {
    const uint8_t *data;
    size_t stride;
    uint32_t count;
    uint32_t component; /* glTF's number for the type */
    size_t component_bytes;
    uint32_t components;
    bool is_normalized;
};

/* Errors   those of glb_read() that concern the container, the version and the
 *          extensions that are required */
ERR_CHECKED bool glb_document_open(struct span bytes, struct arena *arena, struct glb_document *out,
                                   struct err *err);

/* Sets the error at the place of `at` (NULL: the JSON); returns false. */
bool glb_document_fail(const struct glb_document *doc, enum err_code code,
                       const struct json_tree *at, const char *format, ...) ERR_PRINTF(4, 5);

/* As arena_full() of its arena. */
bool glb_document_full(const struct glb_document *doc);

/* Offset of a part of the file, 0 for what was expanded out of it. */
uint64_t glb_document_offset(const struct glb_document *doc, struct span part);

/* The element of `into` that member `key` of `from` points to; *out is NULL when
 * there is no such member. ERR_SCHEMA when it points nowhere. */
ERR_CHECKED bool glb_document_follow(const struct glb_document *doc, const struct json_tree *from,
                                     const char *key, const struct json_tree *into,
                                     const struct json_tree **out);

/* A whole number; `missing` when there is no such member. */
ERR_CHECKED bool glb_document_number(const struct glb_document *doc, const struct json_tree *from,
                                     const char *key, uint32_t missing, uint32_t *out);

/* The bytes of a buffer view, expanded when they are compressed. */
ERR_CHECKED bool glb_document_view(const struct glb_document *doc, const struct json_tree *view,
                                   struct span *out, uint32_t *out_stride);

ERR_CHECKED bool glb_document_field(const struct glb_document *doc,
                                    const struct json_tree *accessor, struct glb_field *out);

/* Component `c` of element `i`; `missing` when elements have not so many. */
double glb_document_component(const struct glb_field *field, uint32_t i, uint32_t c,
                              double missing);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_XML_H
#define FORMATS_XML_H

/*
 * xml.h - XML as a stream of elements, attributes and text, through libxml2.
 *
 * Bytes are pushed in pieces of any size and must be UTF-8 (encoding.h makes
 * them so; what the declaration says about it is not looked at). Element names
 * become numbers, so that a handler compares integers and not strings: a name
 * that is new is shown to handler.name() once, with its namespace.
 *
 * Nothing is loaded from anywhere. The five predefined entities and character
 * references are expanded; a document type declaration may stand there, but
 * one that declares entities or attributes is refused, so nothing can grow.
 *
 * Source   Extensible Markup Language 1.0 (fifth edition), Namespaces in XML 1.0
 * Limits   XML_DEPTH_MAX levels; XML_TOKEN_BYTES_MAX for a tag or a comment;
 *          64 MiB of different names
 * Threads  one at a time for one parser
 */

#include "formats/base/arena.h"
#include "formats/base/bytes.h"

enum { XML_DEPTH_MAX = 256, XML_TOKEN_BYTES_MAX = 16 * 1024 * 1024 };

/* An attribute of a start tag, as libxml2 lays it out. Strings are valid until
 * the handler returns; the value runs to `end` and has no terminator. */
struct xml_attribute {
    const char *local;
    const char *prefix; /* NULL: none */
    const char *space;  /* the namespace; NULL: none */
    const char *value;
    const char *end;
};

struct xml_handler {
    /* The next number, 0, 1, 2, ..., stands for this name. Terminated strings
     * that live as long as the parser; space "" for none. False: out of memory. */
    bool (*name)(void *context, const char *local, const char *space);
    void (*start)(void *context, uint32_t name, const struct xml_attribute *attributes,
                  size_t count);
    void (*text)(void *context, const char *text, size_t size); /* any part of it */
    void (*end)(void *context);
};

struct xml;

/* Memory   *out lives in `source`; the library's own is freed by xml_close() */
ERR_CHECKED bool xml_open(const struct xml_handler *handler, void *context, struct arena *source,
                          struct xml **out, struct err *err);
void xml_close(struct xml *xml); /* NULL is fine */

/* Begins a new document, at this line of the input. Names keep their numbers. */
ERR_CHECKED bool xml_restart(struct xml *xml, uint32_t line, struct err *err);

/*
 * Pushes more of the document; with `is_last` it must end there.
 *
 * Errors   ERR_SYNTAX       not well-formed, with line and column
 *          ERR_UNSUPPORTED  declares entities or attributes
 *          ERR_LIMIT        too deep, or a tag that does not end
 *          ERR_NOMEM
 */
ERR_CHECKED bool xml_push(struct xml *xml, struct span bytes, bool is_last, struct err *err);

/* No more calls of the handler for this document: it has failed for a reason
 * of its own, or has seen enough. */
void xml_stop(struct xml *xml);
bool xml_is_stopped(const struct xml *xml);

uint32_t xml_line(const struct xml *xml);
/* What follows is at this line: after something was pushed that is not there. */
void xml_set_line(struct xml *xml, uint32_t line);

/* How often a name had a prefix that nothing declares. */
uint32_t xml_undeclared_count(const struct xml *xml);

#endif

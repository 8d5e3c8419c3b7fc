/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_PAGE_H
#define SERVER_PAGE_H

/*
 * page.h - a JSON document as a page for people: objects as rows, arrays of
 * objects as tables, everything under "links" as links. One page for every
 * document, so that what a person reads is what a program gets.
 *
 * The page runs no script and asks for nothing.
 */

#include "formats/base/buf.h"

/* Errors: ERR_SYNTAX of the JSON, ERR_NOMEM, ERR_LIMIT. */
ERR_CHECKED bool page_print(struct span json, struct buf *out, struct err *err);

/* Text in a page: the five characters that mean something there escaped. */
void page_print_text(struct buf *out, struct text text);

#endif

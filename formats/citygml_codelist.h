/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_CITYGML_CODELIST_H
#define FORMATS_CITYGML_CODELIST_H

/*
 * citygml_codelist.h - what codes mean: dictionaries beside the file.
 *
 * A codeSpace such as "../../codelists/Building_usage.xml" names a
 * gml:Dictionary, relative to the file or within its archive. The gml:name of
 * a definition is the code, its gml:description the text. A dictionary is read
 * once; one that is not there or cannot be read is said once.
 *
 * Limits   CODELIST_FILES_MAX dictionaries of CODELIST_BYTES_MAX each
 * For citygml*.c alone.
 */

#include "formats/base/bytes.h"

struct citygml;
struct citygml_codelists;

enum { CODELIST_FILES_MAX = 512, CODELIST_BYTES_MAX = 16 * 1024 * 1024 };

/* The text of a code; empty when there is none. Memory: the source's. */
struct text citygml_codelist_find(struct citygml *reader, struct text code_space, struct text code);

#endif

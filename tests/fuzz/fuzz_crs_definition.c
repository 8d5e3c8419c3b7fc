/* SPDX-License-Identifier: Apache-2.0 */
/* Any text is read or refused with words; what is read has something for PROJ. */
#include <stdlib.h>
#include <string.h>

#include "tiler/crs_definition.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[1025];
    const size_t kept = size < sizeof text - 1 ? size : sizeof text - 1;
    memcpy(text, data, kept);
    text[kept] = '\0';
    struct arena run;
    struct err err = {.code = ERR_NONE};
    struct crs_definition found = {0};
    arena_init(&run, 1 << 20);
    if (crs_definition_read(text, &run, &found, &err)) {
        if (found.horizontal == NULL || found.horizontal[0] == '\0') {
            abort();
        }
    } else if (err.code == ERR_NONE || err.message[0] == '\0') {
        abort();
    }
    arena_release(&run);
    return 0;
}

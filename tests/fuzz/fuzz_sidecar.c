/* SPDX-License-Identifier: Apache-2.0 */
/* What is accepted has ids that are one part of a path. */
#include "server/sidecar.h"

#include <assert.h>

static void check_name(const char *name)
{
    assert(name[0] != '\0' && name[0] != '.');
    assert(strchr(name, '/') == NULL && strchr(name, '\\') == NULL);
    assert(text_is_utf8(text_of(name)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct sidecar sidecar;
    struct err err;
    arena_init(&arena, 1 << 22);
    if (sidecar_read((struct span){data, size}, &arena, &sidecar, &err)) {
        if (sidecar.id != NULL) {
            check_name(sidecar.id);
        }
        for (size_t i = 0; i < sidecar.alias_count; i++) {
            check_name(sidecar.aliases[i]);
        }
        const char *title = sidecar_title(&sidecar, text_of("zh-CN,zh;q=0.9,en;q=0.8"));
        assert((title == NULL) == (sidecar.title_count == 0));
    }
    arena_release(&arena);
    return 0;
}

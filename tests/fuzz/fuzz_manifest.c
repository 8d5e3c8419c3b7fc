/* SPDX-License-Identifier: Apache-2.0 */
/* What is accepted is printed, and read back it prints the same. */
#include <assert.h>

#include "formats/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool print_again(struct span json, struct buf *out)
{
    struct arena source;
    struct manifest manifest;
    struct err err;
    arena_init(&source, 1 << 22);
    const bool ok = manifest_read(json, &source, &manifest, &err);
    assert(ok || err.code != ERR_NONE);
    if (ok) {
        manifest_print(&manifest, out);
    }
    arena_release(&source);
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf first, second;
    buf_init(&first, 1 << 22);
    buf_init(&second, 1 << 22);
    if (print_again((struct span){data, size}, &first)) {
        const bool ok = print_again(buf_span(&first), &second);
        assert(ok);
        assert(first.size == second.size && memcmp(first.data, second.data, first.size) == 0);
    }
    buf_release(&first);
    buf_release(&second);
    return 0;
}

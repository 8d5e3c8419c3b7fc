/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever the bytes are, and however they are cut: parsing ends, starts and
 * ends match, and a document that is read whole is closed.
 */
#include <assert.h>

#include "formats/xml.h"

struct seen {
    uint32_t names;
    int depth;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool on_name(void *context, const char *local, const char *space)
{
    struct seen *seen = context;
    assert(local[0] != '\0' && space != NULL);
    seen->names++;
    return true;
}

static void on_start(void *context, uint32_t name, const struct xml_attribute *attributes,
                     size_t count)
{
    struct seen *seen = context;
    assert(name < seen->names);
    for (size_t i = 0; i < count; i++) {
        assert(attributes[i].local[0] != '\0' && attributes[i].end >= attributes[i].value);
    }
    seen->depth++;
    assert(seen->depth <= XML_DEPTH_MAX);
}

static void on_text(void *context, const char *text, size_t size)
{
    const struct seen *seen = context;
    assert(seen->depth > 0 && text != NULL && size > 0);
}

static void on_end(void *context)
{
    struct seen *seen = context;
    seen->depth--;
    assert(seen->depth >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct xml_handler handler = {on_name, on_start, on_text, on_end};
    struct arena source;
    struct xml *xml = NULL;
    struct seen seen = {0};
    struct err err;
    arena_init(&source, 1 << 20);
    if (size > 0 && xml_open(&handler, &seen, &source, &xml, &err)) {
        /* The first byte says where to cut. */
        const size_t cut = data[0] % size;
        const struct span first = {data + 1, cut};
        const struct span rest = {data + 1 + cut, size - 1 - cut};
        for (int round = 0; round < 2; round++) {
            seen.depth = 0;
            if (xml_push(xml, first, false, &err) && xml_push(xml, rest, true, &err)) {
                assert(seen.depth == 0);
            } else {
                assert(err.code != ERR_NONE && err.message[0] != '\0');
            }
            if (!xml_restart(xml, 1, &err)) {
                break;
            }
        }
        xml_close(xml);
    }
    arena_release(&source);
    return 0;
}

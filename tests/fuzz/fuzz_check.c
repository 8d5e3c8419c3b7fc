/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever a tile holds, checking it ends, reads nothing outside, and gives as
 * many points as it says. The input is the JSON of a glb, a NUL, its binary
 * chunk; a first byte 'b' puts a b3dm around it, 't' makes it a tileset.json. */
#include <assert.h>

#include "tiler/check_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void wrap_glb(struct buf *out, struct span json, struct span binary)
{
    const size_t start = out->size;
    buf_add_text(out, "glTF");
    buf_add_u32le(out, 2);
    buf_add_u64le(out, 0);
    buf_add_text(out, "JSON");
    buf_add(out, json.data, json.size);
    buf_pad(out, start + 20, 4, ' ');
    bytes_store_u32le(out->data + start + 12, (uint32_t)(out->size - start - 20));
    if (binary.size > 0) {
        const size_t at = out->size;
        buf_add_u32le(out, 0);
        buf_add(out, "BIN", 4);
        buf_add(out, binary.data, binary.size);
        buf_pad(out, at, 4, 0);
        bytes_store_u32le(out->data + at, (uint32_t)(out->size - at - 8));
    }
    bytes_store_u32le(out->data + start + 8, (uint32_t)(out->size - start));
}

static void wrap_b3dm(struct buf *out, struct span json, struct span binary)
{
    static const char features[] = "{\"BATCH_LENGTH\":2} ";
    buf_add_text(out, "b3dm");
    buf_add_u32le(out, 1);
    buf_add_u32le(out, 0);
    buf_add_u32le(out, sizeof features);
    buf_add_u64le(out, 0);
    buf_add_u32le(out, 0);
    buf_add_text(out, features);
    buf_add_byte(out, ' ');
    wrap_glb(out, json, binary);
    bytes_store_u32le(out->data + 8, (uint32_t)out->size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena run;
    struct buf file;
    const struct check_options options = {.path = ""};
    struct check_run check = {.options = &options, .run = &run, .is_ours = true};
    struct check_content content = {.point_count = 0};
    const char kind = size == 0 ? ' ' : (char)data[0];
    if (kind == 'b' || kind == 't') {
        data++;
        size--;
    }
    const uint8_t *end = size == 0 ? NULL : memchr(data, 0, size);
    const size_t json_size = end == NULL ? size : (size_t)(end - data);
    const struct span json = {data, json_size};
    const struct span binary = {end == NULL ? NULL : end + 1,
                                end == NULL ? 0 : size - json_size - 1};
    arena_init(&run, 1 << 24);
    arena_init(&check.listing, 1 << 20);
    arena_init(&check.tileset, 1 << 22);
    arena_init(&check.content, 1 << 22);
    buf_init(&file, 1 << 22);
    check.result.findings = arena_array(&run, struct check_finding, CHECK_FINDINGS_MAX);
    if (kind == 'b') {
        wrap_b3dm(&file, json, binary);
        check_b3dm(&check, text_of("a.b3dm"), buf_span(&file), &content);
    } else if (kind == 't') {
        check_tileset_file(&check, text_of("tileset.json"), json);
    } else {
        wrap_glb(&file, json, binary);
        check_glb(&check, text_of("a.glb"), buf_span(&file), &content);
    }
    assert(content.point_count == 0 || content.points != NULL);
    assert(check.result.finding_count <= CHECK_FINDINGS_MAX);
    buf_release(&file);
    arena_release(&check.listing);
    arena_release(&check.tileset);
    arena_release(&check.content);
    arena_release(&run);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Inflating ends, keeps its limit, and its head is the beginning of its whole. */
#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "formats/base/io.h"
#include "formats/inflate.h"

enum { BYTES_MAX = 1 << 20, HEAD_BYTES = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_whole(struct span packed, enum inflate_wrapper wrapper)
{
    const struct inflate_limits limits = {BYTES_MAX, 0};
    static uint8_t head[HEAD_BYTES];
    static uint8_t whole[HEAD_BYTES];
    char path[] = "/tmp/fuzz-inflate-XXXXXX";
    const int fd = mkstemp(path);
    if (fd < 0) {
        return;
    }
    unlink(path);
    uint64_t bytes = 0;
    uint32_t crc = 0;
    struct err err;
    const size_t head_bytes = inflate_head(packed, wrapper, head, sizeof head);
    assert(head_bytes <= sizeof head);
    if (inflate_to_file(packed, wrapper, limits, fd, &bytes, &crc, &err)) {
        assert(bytes <= BYTES_MAX);
        const size_t kept = bytes < sizeof whole ? (size_t)bytes : sizeof whole;
        assert(head_bytes == kept);
        assert(io_read_at(fd, 0, whole, kept, &err) && memcmp(head, whole, kept) == 0);
    } else {
        assert(err.code == ERR_SYNTAX || err.code == ERR_LIMIT || err.code == ERR_NOMEM);
    }
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct span packed = {data, size};
    check_whole(packed, INFLATE_RAW);
    if (inflate_is_gzip(packed)) {
        check_whole(packed, INFLATE_GZIP);
    }
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "formats/base/io.h"
#include "formats/feature_index_internal.h"
#include "formats/feature_index_write.h"
#include "formats/feature_index_write_internal.h"

enum { PIECE_BYTES = 1 << 20, COPY_BYTES = 80 * 4096 };

/* ---- sorting ---- */

enum { DIGIT_BITS = 11, DIGITS = 6, BUCKETS = 1 << DIGIT_BITS };

static size_t digit_of(uint64_t key, int digit)
{
    return key >> (digit * DIGIT_BITS) & (BUCKETS - 1);
}

/* Bits in which some key differs from another: digits that are all alike need no turn. */
static uint64_t differing_bits(const struct feature_index_key *keys, size_t count)
{
    uint64_t differing = 0;
    for (size_t i = 0; i < count; i++) {
        differing |= keys[i].key ^ keys[0].key;
    }
    return differing;
}

void feature_index_sort(struct feature_index_key *keys, struct feature_index_key *scratch,
                        size_t count)
{
    static_assert(DIGIT_BITS * DIGITS >= 64, "the digits make up the key");
    const uint64_t differing = differing_bits(keys, count);
    struct feature_index_key *from = keys;
    struct feature_index_key *to = scratch;
    for (int digit = 0; digit < DIGITS; digit++) {
        if (digit_of(differing, digit) == 0) {
            continue;
        }
        size_t starts[BUCKETS + 1] = {0};
        for (size_t i = 0; i < count; i++) {
            starts[digit_of(from[i].key, digit) + 1]++;
        }
        for (size_t i = 0; i < BUCKETS; i++) {
            starts[i + 1] += starts[i];
        }
        for (size_t i = 0; i < count; i++) {
            to[starts[digit_of(from[i].key, digit)]++] = from[i];
        }
        struct feature_index_key *other = from;
        from = to;
        to = other;
    }
    if (from != keys) {
        memcpy(keys, from, count * sizeof keys[0]);
    }
}

/*
 * The curve turns and mirrors as it goes down: four states. By state, then by
 * two bits of x and two of y: four bits of the key, and the next state above
 * them. Made by running the loop that is in every textbook.
 */
uint64_t feature_index_curve(uint32_t x, uint32_t y, int bits)
{
    static const uint8_t steps[4][16] = {
        {0x00, 0x23, 0x14, 0x05, 0x11, 0x12, 0x37, 0x06, 0x3e, 0x3d, 0x18, 0x09, 0x0f, 0x2c, 0x3b,
         0x0a},
        {0x10, 0x01, 0x2e, 0x1f, 0x33, 0x02, 0x2d, 0x3c, 0x04, 0x27, 0x08, 0x2b, 0x15, 0x16, 0x19,
         0x1a},
        {0x2a, 0x1b, 0x0c, 0x2f, 0x29, 0x38, 0x1d, 0x1e, 0x26, 0x17, 0x32, 0x31, 0x25, 0x34, 0x03,
         0x20},
        {0x3a, 0x39, 0x36, 0x35, 0x0b, 0x28, 0x07, 0x24, 0x1c, 0x0d, 0x22, 0x13, 0x3f, 0x0e, 0x21,
         0x30},
    };
    assert(bits > 0 && bits <= 32);
    uint64_t key = 0;
    uint32_t state = 0;
    int bit = bits;
    if (bits % 2 != 0) { /* the level above is the lower left quarter, which turns */
        state = 1;
        bit++;
    }
    for (bit -= 2; bit >= 0; bit -= 2) {
        const uint32_t step = steps[state][(x >> bit & 3) << 2 | (y >> bit & 3)];
        key = key << 4 | (step & 15);
        state = step >> 4;
    }
    return key;
}

/* ---- the tables ---- */

/* What finishing needs, and the file that it writes. */
struct finish {
    struct feature_index_writer *writer;
    struct buf ids; /* struct feature_index_key: hash and row, sorted */
    struct buf scratch;
    struct buf order; /* uint32_t: groups as they stand in the file */
    struct buf tile_order;
    struct buf members;
    struct buf tile_rows;
    int fd;
    uint64_t at;
    uint32_t row;      /* whose bytes come next: change_rows() */
    struct buf piece;  /* of the file, up to a MiB */
    struct buf pieces; /* a digest of each */
    uint64_t offsets[FEATURE_INDEX_SECTIONS], bytes[FEATURE_INDEX_SECTIONS];
};

static struct feature_index_new_group *group_at(const struct finish *f, uint32_t number)
{
    return (struct feature_index_new_group *)(void *)f->writer->groups.data + number;
}

static uint32_t group_count(const struct finish *f)
{
    return (uint32_t)(f->writer->groups.size / sizeof(struct feature_index_new_group));
}

static struct feature_index_new_tile *tile_at(const struct finish *f, uint32_t number)
{
    return (struct feature_index_new_tile *)(void *)f->writer->tiles.data + number;
}

static uint32_t tile_count(const struct finish *f)
{
    return (uint32_t)(f->writer->tiles.size / sizeof(struct feature_index_new_tile));
}

static struct feature_index_kept_row *kept_at(const struct finish *f, uint32_t row)
{
    return (struct feature_index_kept_row *)(void *)f->writer->kept.data + row;
}

static uint32_t *order_at(struct buf *order, uint32_t at)
{
    return (uint32_t *)(void *)order->data + at;
}

static bool sort_ids(struct finish *f, struct err *err)
{
    const uint32_t count = f->writer->count;
    const size_t bytes = count * sizeof(struct feature_index_key);
    buf_extend(&f->ids, bytes);
    buf_extend(&f->scratch, bytes);
    if (!buf_finish(&f->ids, err) || !buf_finish(&f->scratch, err)) {
        return false;
    }
    struct feature_index_key *keys = (struct feature_index_key *)(void *)f->ids.data;
    for (uint32_t row = 0; row < count; row++) {
        keys[row] = (struct feature_index_key){kept_at(f, row)->hash, row};
    }
    feature_index_sort(keys, (struct feature_index_key *)(void *)f->scratch.data, count);
    buf_release(&f->scratch);
    return true;
}

/* Rows by the ids that groups were told; both are sorted by hash. */
static bool join_memberships(struct finish *f, struct err *err)
{
    struct buf *memberships = &f->writer->memberships;
    const size_t count = memberships->size / sizeof(struct feature_index_key);
    buf_extend(&f->scratch, memberships->size);
    if (!buf_finish(&f->scratch, err)) {
        return false;
    }
    struct feature_index_key *wanted = (struct feature_index_key *)(void *)memberships->data;
    feature_index_sort(wanted, (struct feature_index_key *)(void *)f->scratch.data, count);
    buf_release(&f->scratch);
    const struct feature_index_key *ids =
        (const struct feature_index_key *)(const void *)f->ids.data;
    uint32_t at = 0;
    for (size_t i = 0; i < count; i++) {
        while (at < f->writer->count && ids[at].key < wanted[i].key) {
            at++;
        }
        if (at < f->writer->count && ids[at].key == wanted[i].key) {
            kept_at(f, ids[at].item)->merged = wanted[i].item;
        }
    }
    return true;
}

static int compare_groups(const void *a, const void *b, void *argument)
{
    const struct finish *f = argument;
    const struct feature_index_new_group *left = group_at(f, *(const uint32_t *)a);
    const struct feature_index_new_group *right = group_at(f, *(const uint32_t *)b);
    if (left->hash != right->hash) {
        return left->hash < right->hash ? -1 : 1;
    }
    return (int)left->kind - (int)right->kind;
}

/* The feature that has a parent's own id. Both lists are sorted by hash. */
static void join_rows(struct finish *f)
{
    const struct feature_index_key *keys =
        (const struct feature_index_key *)(const void *)f->ids.data;
    uint32_t at = 0;
    for (uint32_t i = 0; i < group_count(f); i++) {
        struct feature_index_new_group *group = group_at(f, *order_at(&f->order, i));
        group->sorted = i;
        while (at < f->writer->count && keys[at].key < group->hash) {
            at++;
        }
        if (group->kind == FEATURE_GROUP_PARENT && at < f->writer->count &&
            keys[at].key == group->hash) {
            group->row = keys[at].item;
        }
    }
}

/* A parent that is a feature itself is found through that feature's parent. */
static uint32_t group_above(const struct feature_index_new_group *group)
{
    return group->kind == FEATURE_GROUP_PARENT && group->row != FEATURE_INDEX_NONE
               ? FEATURE_INDEX_NONE
               : group->above;
}

static void put_member(struct finish *f, uint32_t group, uint32_t word)
{
    if (group != FEATURE_INDEX_NONE) {
        struct feature_index_new_group *into = group_at(f, group);
        bytes_store_u32le(f->members.data + 4 * ((size_t)into->first + into->count), word);
        into->count++;
    }
}

static void count_member(struct finish *f, uint32_t group)
{
    if (group != FEATURE_INDEX_NONE) {
        group_at(f, group)->count++;
    }
}

static bool list_members(struct finish *f, struct err *err)
{
    for (uint32_t row = 0; row < f->writer->count; row++) {
        count_member(f, kept_at(f, row)->parent);
        count_member(f, kept_at(f, row)->merged);
    }
    for (uint32_t i = 0; i < group_count(f); i++) {
        count_member(f, group_above(group_at(f, i)));
    }
    uint64_t first = 0;
    for (uint32_t i = 0; i < group_count(f); i++) {
        struct feature_index_new_group *group = group_at(f, *order_at(&f->order, i));
        group->first = (uint32_t)first;
        first += group->count;
        group->count = 0;
    }
    if (first >= UINT32_MAX) {
        return err_set(err, ERR_LIMIT, "more than %u members of groups", UINT32_MAX);
    }
    buf_extend(&f->members, (size_t)first * 4);
    if (!buf_finish(&f->members, err)) {
        return false;
    }
    for (uint32_t row = 0; row < f->writer->count; row++) {
        put_member(f, kept_at(f, row)->parent, row);
        put_member(f, kept_at(f, row)->merged, row);
    }
    for (uint32_t i = 0; i < group_count(f); i++) {
        const uint32_t number = *order_at(&f->order, i);
        put_member(f, group_above(group_at(f, number)), MEMBER_IS_GROUP | i);
    }
    return true;
}

static bool sort_groups(struct finish *f, struct err *err)
{
    for (uint32_t i = 0; i < group_count(f); i++) {
        buf_add(&f->order, &i, sizeof i);
    }
    if (!buf_finish(&f->order, err)) {
        return false;
    }
    if (group_count(f) > 1) {
        qsort_r(f->order.data, group_count(f), sizeof(uint32_t), compare_groups, f);
    }
    join_rows(f);
    return list_members(f, err);
}

static int compare_tiles(const void *a, const void *b, void *argument)
{
    const struct finish *f = argument;
    const struct feature_index_new_tile *left = tile_at(f, *(const uint32_t *)a);
    const struct feature_index_new_tile *right = tile_at(f, *(const uint32_t *)b);
    const char *names = (const char *)f->writer->tile_names.data;
    return text_compare((struct text){names + left->name, left->bytes},
                        (struct text){names + right->name, right->bytes});
}

/* Children of a tile in the order of names; walked without recursion. */
static void link_tiles(struct finish *f, uint32_t *out_first_root)
{
    *out_first_root = FEATURE_INDEX_NONE;
    for (uint32_t i = tile_count(f); i-- > 0;) {
        const uint32_t number = *order_at(&f->tile_order, i);
        struct feature_index_new_tile *tile = tile_at(f, number);
        tile->sorted = i;
        uint32_t *head =
            tile->above < tile_count(f) ? &tile_at(f, tile->above)->first_child : out_first_root;
        tile->next_sibling = *head;
        *head = number;
    }
}

/* Own rows stand first, then those of the tiles below. */
static void place_tiles(struct finish *f, uint32_t root)
{
    uint32_t at = 0;
    uint32_t number = root;
    while (number != FEATURE_INDEX_NONE) {
        struct feature_index_new_tile *tile = tile_at(f, number);
        tile->first = at;
        at += tile->own_count;
        if (tile->first_child != FEATURE_INDEX_NONE) {
            number = tile->first_child;
            continue;
        }
        for (;;) {
            tile = tile_at(f, number);
            tile->count = at - tile->first;
            if (tile->next_sibling != FEATURE_INDEX_NONE) {
                number = tile->next_sibling;
                break;
            }
            number = tile->above < tile_count(f) ? tile->above : FEATURE_INDEX_NONE;
            if (number == FEATURE_INDEX_NONE) {
                return;
            }
        }
    }
}

static bool list_tile_rows(struct finish *f, struct err *err)
{
    for (uint32_t i = 0; i < tile_count(f); i++) {
        buf_add(&f->tile_order, &i, sizeof i);
    }
    const size_t bytes = (size_t)f->writer->count * 4;
    uint8_t *rows = buf_extend(&f->tile_rows, bytes);
    if (!buf_finish(&f->tile_order, err) || !buf_finish(&f->tile_rows, err)) {
        return false;
    }
    if (bytes > 0) {
        memset(rows, 0xff, bytes); /* what is in no tile */
    }
    if (tile_count(f) > 1) {
        qsort_r(f->tile_order.data, tile_count(f), sizeof(uint32_t), compare_tiles, f);
    }
    uint32_t root;
    link_tiles(f, &root);
    place_tiles(f, root);
    /* Backwards, so that they stand in ascending order. */
    for (uint32_t row = f->writer->count; row-- > 0;) {
        const uint32_t number = kept_at(f, row)->tile;
        if (number != FEATURE_INDEX_NONE) {
            struct feature_index_new_tile *tile = tile_at(f, number);
            const uint32_t at = tile->first + --tile->own_count;
            bytes_store_u32le(f->tile_rows.data + 4 * (size_t)at, row);
        }
    }
    return true;
}

/* ---- the file ---- */

static bool flush_piece(struct finish *f, struct err *err)
{
    if (f->piece.size > 0) {
        buf_add_u64le(&f->pieces, digest_short(buf_span(&f->piece)));
        if (!io_write_at(f->fd, f->at, f->piece.data, f->piece.size, err)) {
            return false;
        }
        f->at += f->piece.size;
        buf_reset(&f->piece);
    }
    return true;
}

static bool put(struct finish *f, const void *bytes, size_t size, struct err *err)
{
    const uint8_t *at = bytes;
    while (size > 0) {
        const size_t room = PIECE_BYTES - f->piece.size;
        const size_t part = size < room ? size : room;
        buf_add(&f->piece, at, part);
        if (!buf_finish(&f->piece, err) || (f->piece.size == PIECE_BYTES && !flush_piece(f, err))) {
            return false;
        }
        at += part;
        size -= part;
    }
    return true;
}

static bool begin_section(struct finish *f, int section, struct err *err)
{
    static const uint8_t zeros[SECTION_ALIGN];
    const uint64_t at = f->at + f->piece.size;
    const size_t pad = (size_t)((SECTION_ALIGN - at % SECTION_ALIGN) % SECTION_ALIGN);
    f->offsets[section] = at + pad;
    return put(f, zeros, pad, err);
}

static bool end_section(struct finish *f, int section)
{
    f->bytes[section] = f->at + f->piece.size - f->offsets[section];
    return true;
}

static bool put_buf(struct finish *f, int section, const struct buf *buf, struct err *err)
{
    return begin_section(f, section, err) && put(f, buf->data, buf->size, err) &&
           end_section(f, section);
}

/* Told bytes on their way from a part to the file, in steps of COPY_BYTES. */
typedef void (*change_bytes)(struct finish *f, uint8_t *bytes, size_t size);

static bool put_part(struct finish *f, struct feature_index_part *part, change_bytes change,
                     struct err *err)
{
    uint8_t *copy = buf_extend(&f->scratch, COPY_BYTES);
    if (!buf_finish(&f->scratch, err)) {
        return false;
    }
    const uint64_t whole = part->written + part->buffer.size;
    bool ok = true;
    for (uint64_t at = 0; ok && at < whole;) {
        const size_t size = whole - at < COPY_BYTES ? (size_t)(whole - at) : COPY_BYTES;
        const size_t on_disk =
            part->written > at ? (part->written - at < size ? (size_t)(part->written - at) : size)
                               : 0;
        ok = on_disk == 0 || io_read_at(part->fd, at, copy, on_disk, err);
        if (ok && size > on_disk) {
            memcpy(copy + on_disk, part->buffer.data + (at + on_disk - part->written),
                   size - on_disk);
        }
        if (ok && change != NULL) {
            change(f, copy, size);
        }
        ok = ok && put(f, copy, size, err);
        at += size;
    }
    buf_reset(&f->scratch);
    return ok;
}

/* Tiles and groups have found their places since the rows were written. */
static void change_rows(struct finish *f, uint8_t *bytes, size_t size)
{
    for (size_t at = 0; at + ROW_BYTES <= size; at += ROW_BYTES, f->row++) {
        uint8_t *row = bytes + at;
        const uint32_t tile = bytes_load_u32le(row + ROW_TILE);
        const uint32_t parent = bytes_load_u32le(row + ROW_PARENT);
        const uint32_t merged = kept_at(f, f->row)->merged;
        if (tile != FEATURE_INDEX_NONE) {
            bytes_store_u32le(row + ROW_TILE, tile_at(f, tile)->sorted);
        }
        if (parent != FEATURE_INDEX_NONE) {
            bytes_store_u32le(row + ROW_PARENT, group_at(f, parent)->sorted);
        }
        if (merged != FEATURE_INDEX_NONE) {
            bytes_store_u32le(row + ROW_MERGED, group_at(f, merged)->sorted);
        }
    }
}

static bool put_boxes(struct finish *f, struct err *err)
{
    if (!begin_section(f, SECTION_BOXES, err)) {
        return false;
    }
    for (uint32_t level = 0; level < f->writer->level_count; level++) {
        if (!put_part(f, &f->writer->levels[level], NULL, err)) {
            return false;
        }
    }
    return end_section(f, SECTION_BOXES);
}

static bool put_ids(struct finish *f, struct err *err)
{
    const struct feature_index_key *keys =
        (const struct feature_index_key *)(const void *)f->ids.data;
    if (!begin_section(f, SECTION_IDS, err)) {
        return false;
    }
    for (uint32_t i = 0; i < f->writer->count; i++) {
        uint8_t entry[ID_BYTES];
        bytes_store_u32le(entry, (uint32_t)(keys[i].key >> 32));
        bytes_store_u32le(entry + 4, keys[i].item);
        if (!put(f, entry, sizeof entry, err)) {
            return false;
        }
    }
    return end_section(f, SECTION_IDS);
}

static bool put_tiles(struct finish *f, struct err *err)
{
    if (!begin_section(f, SECTION_TILES, err)) {
        return false;
    }
    for (uint32_t i = 0; i < tile_count(f); i++) {
        const struct feature_index_new_tile *tile = tile_at(f, *order_at(&f->tile_order, i));
        uint8_t entry[TILE_BYTES] = {0};
        bytes_store_u32le(entry, tile->text);
        bytes_store_u32le(entry + 4, tile->bytes);
        bytes_store_u32le(entry + 8, tile->first);
        bytes_store_u32le(entry + 12, tile->count);
        bytes_store_u32le(entry + 16, tile->above < tile_count(f) ? tile_at(f, tile->above)->sorted
                                                                  : FEATURE_INDEX_NONE);
        if (!put(f, entry, sizeof entry, err)) {
            return false;
        }
    }
    return end_section(f, SECTION_TILES);
}

static bool put_groups(struct finish *f, struct err *err)
{
    if (!begin_section(f, SECTION_GROUPS, err)) {
        return false;
    }
    for (uint32_t i = 0; i < group_count(f); i++) {
        const struct feature_index_new_group *group = group_at(f, *order_at(&f->order, i));
        uint8_t entry[GROUP_BYTES];
        bytes_store_u32le(entry, group->text);
        bytes_store_u32le(entry + 4, group->bytes);
        bytes_store_u32le(entry + 8, group->kind);
        bytes_store_u32le(entry + 12, group->first);
        bytes_store_u32le(entry + 16, group->count);
        bytes_store_u32le(entry + 20, group->row);
        if (!put(f, entry, sizeof entry, err)) {
            return false;
        }
    }
    return end_section(f, SECTION_GROUPS);
}

static bool put_section(struct finish *f, int section, struct feature_index_part *part,
                        change_bytes change, struct err *err)
{
    static_assert(COPY_BYTES % ROW_BYTES == 0, "rows are changed whole");
    return begin_section(f, section, err) && put_part(f, part, change, err) &&
           end_section(f, section);
}

static void store_f64(uint8_t *at, double value)
{
    memcpy(at, &value, sizeof value);
}

static void fill_extent(const struct feature_index_writer *writer, uint8_t *head)
{
    const struct feature_frame *frame = &writer->head.frame;
    double west = frame->lon0_deg;
    double south = frame->lat0_deg;
    double east = west;
    double north = south;
    double low = frame->h0_m;
    double high = low;
    if (writer->count > 0) {
        feature_frame_to_deg(frame, writer->extent[0], writer->extent[1], &west, &south);
        feature_frame_to_deg(frame, writer->extent[3], writer->extent[4], &east, &north);
        low += writer->extent[2];
        high += writer->extent[5];
    }
    store_f64(head + 96, west);
    store_f64(head + 104, fmax(south, -90));
    store_f64(head + 112, low);
    store_f64(head + 120, east);
    store_f64(head + 128, fmin(north, 90));
    store_f64(head + 136, high);
}

static bool put_head(struct finish *f, struct err *err)
{
    const struct feature_index_writer *writer = f->writer;
    uint8_t head[HEAD_BYTES] = {0};
    memcpy(head, HEAD_MAGIC, 8);
    bytes_store_u32le(head + 8, FEATURE_INDEX_VERSION);
    bytes_store_u32le(head + 12, writer->count);
    bytes_store_u64le(head + 16, f->at);
    bytes_store_u64le(head + HEAD_BODY_CHECKSUM_AT, digest_short(buf_span(&f->pieces)));
    bytes_store_u32le(head + 40, group_count(f));
    bytes_store_u32le(head + 44, tile_count(f));
    const struct feature_frame *frame = &writer->head.frame;
    store_f64(head + 48, frame->lon0_deg);
    store_f64(head + 56, frame->lat0_deg);
    store_f64(head + 64, frame->h0_m);
    store_f64(head + 72, frame->x_m_per_deg);
    store_f64(head + 80, frame->y_m_per_deg);
    store_f64(head + 88, frame->step_m);
    fill_extent(writer, head);
    bytes_store_u32le(head + 144, writer->level_count);
    store_f64(head + 152, writer->head.ground_m);
    memcpy(head + HEAD_DATUM_AT, writer->datum, sizeof writer->datum);
    for (size_t i = 0; i < FEATURE_INDEX_SECTIONS; i++) {
        bytes_store_u64le(head + HEAD_SECTIONS_AT + 16 * i, f->offsets[i]);
        bytes_store_u64le(head + HEAD_SECTIONS_AT + 16 * i + 8, f->bytes[i]);
    }
    bytes_store_u64le(head + HEAD_CHECKSUM_AT, feature_index_head_checksum(head));
    return io_write_at(f->fd, 0, head, sizeof head, err);
}

static bool write_file(struct finish *f, struct err *err)
{
    struct feature_index_writer *writer = f->writer;
    f->fd = open(writer->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (f->fd < 0) {
        return io_error(err, "create", writer->path);
    }
    f->at = HEAD_BYTES;
    const bool ok = put_boxes(f, err) &&
                    put_section(f, SECTION_ROWS, &writer->rows, change_rows, err) &&
                    put_ids(f, err) && put_buf(f, SECTION_CLASSES, &writer->classes, err) &&
                    put_tiles(f, err) && put_buf(f, SECTION_TILE_ROWS, &f->tile_rows, err) &&
                    put_groups(f, err) && put_buf(f, SECTION_MEMBERS, &f->members, err) &&
                    put_section(f, SECTION_FLOORS, &writer->floors, NULL, err) &&
                    put_section(f, SECTION_FOOTPRINTS, &writer->footprints, NULL, err) &&
                    put_section(f, SECTION_STRINGS, &writer->strings, NULL, err) &&
                    flush_piece(f, err) && buf_finish(&f->pieces, err) && put_head(f, err);
    if (close(f->fd) != 0 && ok) {
        return io_error(err, "write", writer->path);
    }
    return ok;
}

bool feature_index_writer_finish(struct feature_index_writer *writer, struct err *err)
{
    if (writer->count != writer->head.count) {
        return err_set(err, ERR_LIMIT, "%u features announced, but %u were added",
                       writer->head.count, writer->count);
    }
    struct finish f = {.writer = writer};
    struct buf *bufs[] = {&f.ids,     &f.scratch,   &f.order, &f.tile_order,
                          &f.members, &f.tile_rows, &f.piece, &f.pieces};
    for (size_t i = 0; i < sizeof bufs / sizeof bufs[0]; i++) {
        buf_init(bufs[i], SIZE_MAX / 2);
    }
    const bool ok = feature_index_writer_boxes(writer, err) && sort_ids(&f, err) &&
                    join_memberships(&f, err) && sort_groups(&f, err) && list_tile_rows(&f, err) &&
                    write_file(&f, err);
    for (size_t i = 0; i < sizeof bufs / sizeof bufs[0]; i++) {
        buf_release(bufs[i]);
    }
    return ok;
}

/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "formats/sorted_spill.h"

#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "formats/base/buf.h"
#include "formats/base/io.h"

enum { MERGE_BYTES = 64 * 1024, RUNS_MAX = 4096 };

struct sorted_spill {
    size_t record_bytes;
    size_t page_records;
    size_t run_records; /* that memory holds */
    const char *folder;
    struct buf run;    /* what has been added since the last run was written */
    struct buf starts; /* uint64_t: first key of each page */
    struct buf page;   /* the one that was read last */
    uint64_t page_number;
    bool has_page;
    uint64_t count;
    uint64_t written; /* records in the runs' file */
    int runs_fd;      /* -1: all fit so far */
    int fd;           /* sorted; -1: all is in `run` */
    bool is_sorted;
};

static uint64_t key_of(const void *record)
{
    uint64_t key;
    memcpy(&key, record, sizeof key);
    return key;
}

static int make_file(const char *folder, struct err *err)
{
    char path[PATH_MAX];
    const int length = snprintf(path, sizeof path, "%s/storey-sort-XXXXXX", folder);
    if (length < 0 || (size_t)length >= sizeof path) {
        err_set(err, ERR_LIMIT, "path longer than %d bytes", PATH_MAX);
        return -1;
    }
    const int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0) {
        io_error(err, "create", path);
    } else {
        unlink(path); /* nothing is left behind, however the program ends */
    }
    return fd;
}

bool sorted_spill_open(size_t record_bytes, struct arena *source, const char *folder,
                       size_t fail_after, struct sorted_spill **out, struct err *err)
{
    assert(record_bytes >= sizeof(uint64_t) && record_bytes % sizeof(uint64_t) == 0);
    assert(record_bytes <= SORTED_SPILL_PAGE_BYTES);
    struct sorted_spill *spill = arena_array(source, struct sorted_spill, 1);
    if (spill == NULL) {
        return arena_full(source, err);
    }
    spill->record_bytes = record_bytes;
    spill->page_records = SORTED_SPILL_PAGE_BYTES / record_bytes;
    spill->run_records = SORTED_SPILL_RUN_BYTES / record_bytes;
    spill->folder = folder;
    spill->runs_fd = -1;
    spill->fd = -1;
    struct buf *bufs[] = {&spill->run, &spill->starts, &spill->page};
    for (size_t i = 0; i < sizeof bufs / sizeof bufs[0]; i++) {
        buf_init(bufs[i], (size_t)1 << 30);
        bufs[i]->fail_after = fail_after;
    }
    *out = spill;
    return true;
}

void sorted_spill_close(struct sorted_spill *spill)
{
    if (spill == NULL) {
        return;
    }
    buf_release(&spill->run);
    buf_release(&spill->starts);
    buf_release(&spill->page);
    if (spill->runs_fd >= 0) {
        close(spill->runs_fd);
    }
    if (spill->fd >= 0) {
        close(spill->fd);
    }
}

/* ---- runs ---- */

/* Merges two sorted halves that lie next to each other, by way of `room`. */
static void merge_halves(uint8_t *at, size_t left, size_t right, size_t size, uint8_t *room)
{
    memcpy(room, at, left * size);
    const uint8_t *a = room;
    const uint8_t *a_end = room + left * size;
    const uint8_t *b = at + left * size;
    const uint8_t *b_end = b + right * size;
    while (a < a_end) {
        const bool take_b = b < b_end && key_of(b) < key_of(a);
        memcpy(at, take_b ? b : a, size);
        at += size;
        if (take_b) {
            b += size;
        } else {
            a += size;
        }
    }
}

/* A stable sort: what came first stays first among equals. */
static bool sort_run(struct sorted_spill *spill, struct err *err)
{
    const size_t size = spill->record_bytes;
    const size_t count = spill->run.size / size;
    size_t widest = 1;
    while (2 * widest < count) {
        widest *= 2;
    }
    struct buf room;
    buf_init(&room, spill->run.limit_bytes);
    room.fail_after = spill->run.fail_after;
    uint8_t *half = count < 2 ? NULL : buf_extend(&room, widest * size);
    if (count >= 2 && half == NULL) {
        const bool ok = buf_finish(&room, err);
        buf_release(&room);
        return ok;
    }
    for (size_t width = 1; width < count; width *= 2) {
        for (size_t at = 0; at + width < count; at += 2 * width) {
            const size_t right = count - at - width < width ? count - at - width : width;
            uint8_t *first = spill->run.data + at * size;
            if (key_of(first + width * size) < key_of(first + (width - 1) * size)) {
                merge_halves(first, width, right, size, half);
            }
        }
    }
    buf_release(&room);
    return true;
}

static bool write_run(struct sorted_spill *spill, struct err *err)
{
    if (spill->runs_fd < 0) {
        spill->runs_fd = make_file(spill->folder, err);
        if (spill->runs_fd < 0) {
            return false;
        }
    }
    if (spill->written / spill->run_records >= RUNS_MAX) {
        return err_set(err, ERR_LIMIT, "more than %llu records to sort",
                       (unsigned long long)spill->written);
    }
    if (!sort_run(spill, err) || !io_write_at(spill->runs_fd, spill->written * spill->record_bytes,
                                              spill->run.data, spill->run.size, err)) {
        return false;
    }
    spill->written += spill->run.size / spill->record_bytes;
    buf_reset(&spill->run);
    return true;
}

bool sorted_spill_add(struct sorted_spill *spill, const void *record, struct err *err)
{
    assert(!spill->is_sorted);
    buf_add(&spill->run, record, spill->record_bytes);
    if (!buf_finish(&spill->run, err)) {
        return false;
    }
    spill->count++;
    return spill->run.size / spill->record_bytes < spill->run_records || write_run(spill, err);
}

/* ---- merging ---- */

/* A run that is being read. */
struct cursor {
    uint64_t next; /* record of the runs' file to be read after the buffer */
    uint64_t end;
    uint32_t run;
    size_t at, have; /* in the buffer, in records */
    uint8_t *buffer;
};

static bool fill(const struct sorted_spill *spill, struct cursor *cursor, size_t room,
                 struct err *err)
{
    const uint64_t left = cursor->end - cursor->next;
    cursor->at = 0;
    cursor->have = left < room ? (size_t)left : room;
    if (cursor->have == 0) {
        return true;
    }
    const uint64_t offset = cursor->next * spill->record_bytes;
    cursor->next += cursor->have;
    return io_read_at(spill->runs_fd, offset, cursor->buffer, cursor->have * spill->record_bytes,
                      err);
}

static bool comes_first(const struct sorted_spill *spill, const struct cursor *a,
                        const struct cursor *b)
{
    const uint64_t left = key_of(a->buffer + a->at * spill->record_bytes);
    const uint64_t right = key_of(b->buffer + b->at * spill->record_bytes);
    return left != right ? left < right : a->run < b->run;
}

static void sink(const struct sorted_spill *spill, struct cursor *heap, size_t count, size_t at)
{
    for (;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < count; child++) {
            least = comes_first(spill, &heap[child], &heap[least]) ? child : least;
        }
        if (least == at) {
            return;
        }
        const struct cursor swapped = heap[at];
        heap[at] = heap[least];
        heap[least] = swapped;
        at = least;
    }
}

/* Adds a record to the sorted file, page by page. */
static bool put(struct sorted_spill *spill, const uint8_t *record, uint64_t *written,
                struct err *err)
{
    const size_t size = spill->record_bytes;
    buf_add(&spill->page, record, size);
    if (spill->page.size / size == MERGE_BYTES / SORTED_SPILL_PAGE_BYTES * spill->page_records) {
        if (!io_write_at(spill->fd, *written * size, spill->page.data, spill->page.size, err)) {
            return false;
        }
        *written += spill->page.size / size;
        buf_reset(&spill->page);
    }
    return buf_finish(&spill->page, err);
}

static bool merge_runs(struct sorted_spill *spill, struct cursor *heap, size_t count, size_t room,
                       struct err *err)
{
    uint64_t written = 0;
    uint64_t taken = 0;
    for (size_t i = count; i > 0; i--) {
        sink(spill, heap, count, i - 1);
    }
    while (count > 0) {
        struct cursor *top = &heap[0];
        const uint8_t *record = top->buffer + top->at * spill->record_bytes;
        const uint64_t key = key_of(record);
        if (taken++ % spill->page_records == 0) {
            buf_add(&spill->starts, &key, sizeof key);
        }
        if (!put(spill, record, &written, err)) {
            return false;
        }
        if (++top->at == top->have && !fill(spill, top, room, err)) {
            return false;
        }
        if (top->have == 0) {
            heap[0] = heap[--count];
        }
        sink(spill, heap, count, 0);
    }
    const bool ok = spill->page.size == 0 || io_write_at(spill->fd, written * spill->record_bytes,
                                                         spill->page.data, spill->page.size, err);
    buf_reset(&spill->page);
    return ok && buf_finish(&spill->starts, err);
}

static bool merge(struct sorted_spill *spill, struct err *err)
{
    const size_t run_count =
        (size_t)((spill->written + spill->run_records - 1) / spill->run_records);
    const size_t room = MERGE_BYTES / spill->record_bytes;
    struct arena scratch;
    arena_init(&scratch, RUNS_MAX * (MERGE_BYTES + sizeof(struct cursor)));
    struct cursor *heap = arena_array(&scratch, struct cursor, run_count);
    bool ok = heap != NULL || arena_full(&scratch, err);
    for (size_t i = 0; ok && i < run_count; i++) {
        const uint64_t end = (uint64_t)(i + 1) * spill->run_records;
        heap[i] = (struct cursor){
            .next = (uint64_t)i * spill->run_records,
            .end = end < spill->written ? end : spill->written,
            .run = (uint32_t)i,
            .buffer = arena_array(&scratch, uint8_t, room * spill->record_bytes),
        };
        ok = heap[i].buffer != NULL ? fill(spill, &heap[i], room, err) : arena_full(&scratch, err);
    }
    if (ok) {
        spill->fd = make_file(spill->folder, err);
        ok = spill->fd >= 0 && merge_runs(spill, heap, run_count, room, err);
    }
    arena_release(&scratch);
    return ok;
}

bool sorted_spill_finish(struct sorted_spill *spill, struct err *err)
{
    assert(!spill->is_sorted);
    spill->is_sorted = true;
    if (spill->written == 0) {
        return sort_run(spill, err);
    }
    if (spill->run.size > 0 && !write_run(spill, err)) {
        return false;
    }
    buf_release(&spill->run);
    if (!merge(spill, err)) {
        return false;
    }
    close(spill->runs_fd);
    spill->runs_fd = -1;
    return true;
}

/* ---- reading ---- */

uint64_t sorted_spill_count(const struct sorted_spill *spill)
{
    return spill->count;
}

/* The page `number`, in memory. */
static bool load_page(struct sorted_spill *spill, uint64_t number, struct err *err)
{
    if (spill->has_page && spill->page_number == number) {
        return true;
    }
    const uint64_t first = number * spill->page_records;
    const uint64_t left = spill->count - first;
    const size_t have = left < spill->page_records ? (size_t)left : spill->page_records;
    buf_reset(&spill->page);
    uint8_t *page = buf_extend(&spill->page, have * spill->record_bytes);
    spill->has_page = false;
    if (page == NULL) {
        return buf_finish(&spill->page, err);
    }
    if (!io_read_at(spill->fd, first * spill->record_bytes, page, have * spill->record_bytes,
                    err)) {
        return false;
    }
    spill->page_number = number;
    spill->has_page = true;
    return true;
}

/* The first of `count` records whose key is not less. Keys are mostly hashes,
 * evenly spread: the search begins where such a key would be, and widens from
 * there until it encloses it. */
static size_t search(const uint8_t *records, size_t count, size_t size, uint64_t key)
{
    size_t low = 0;
    size_t high = count;
    const size_t guess = (size_t)((double)key / 18446744073709551616.0 * (double)count);
    for (size_t step = 8; step < count; step *= 4) {
        const size_t from = guess > step ? guess - step : 0;
        const size_t to = guess + step < count ? guess + step : count;
        const bool is_above = from == 0 || key_of(records + (from - 1) * size) < key;
        const bool is_below = to == count || key_of(records + to * size) >= key;
        if (is_above && is_below) {
            low = from;
            high = to;
            break;
        }
    }
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (key_of(records + middle * size) < key) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bool sorted_spill_find(struct sorted_spill *spill, uint64_t key, uint64_t *out_index,
                       struct err *err)
{
    assert(spill->is_sorted);
    const size_t size = spill->record_bytes;
    if (spill->fd < 0) {
        *out_index = search(spill->run.data, spill->run.size / size, size, key);
        return true;
    }
    /* The last page that begins below the key may hold it at its end. */
    const size_t page_count = spill->starts.size / sizeof(uint64_t);
    size_t page = search(spill->starts.data, page_count, sizeof(uint64_t), key);
    page -= page > 0;
    if (!load_page(spill, page, err)) {
        return false;
    }
    *out_index = (uint64_t)page * spill->page_records +
                 search(spill->page.data, spill->page.size / size, size, key);
    return true;
}

bool sorted_spill_read(struct sorted_spill *spill, uint64_t index, void *out, struct err *err)
{
    assert(index < spill->count);
    const size_t size = spill->record_bytes;
    if (spill->fd < 0) {
        memcpy(out, spill->run.data + (size_t)index * size, size);
        return true;
    }
    if (!load_page(spill, index / spill->page_records, err)) {
        return false;
    }
    memcpy(out, spill->page.data + (size_t)(index % spill->page_records) * size, size);
    return true;
}

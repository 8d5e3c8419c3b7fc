/* SPDX-License-Identifier: Apache-2.0 */
#include "server/usage.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "formats/base/arena.h"
#include "formats/base/io.h"
#include "formats/digest.h"
#include "formats/json.h"
#include "formats/json_write.h"

enum { MEMORY_MAX = 512 << 20, TALLY_MEMORY_MAX = 8 << 20, FILE_BYTES_MAX = 512 << 20 };
enum { CLASSES = 4 };
static const char *const class_names[CLASSES] = {"2xx", "3xx", "4xx", "5xx"};
enum { DAY_S = 86400, TALLY_ROWS = 4096, FIRST_SLOTS = 256 };

struct row {
    struct digest name; /* of day, package and key */
    uint32_t day;       /* since 1970 */
    struct text package;
    struct text key;
    uint64_t calls;
    uint64_t bytes;
    uint64_t statuses[CLASSES]; /* of calls, from 200 on by hundreds */
};

/* Rows and where they are: open addressing, half full at most. */
struct table {
    struct arena memory;
    struct row *rows;
    uint32_t *slots; /* row + 1, 0 free */
    size_t row_count;
    size_t row_room;
    size_t slot_count; /* a power of two */
};

struct usage {
    struct arena memory; /* itself */
    pthread_mutex_t lock;
    struct table table;
    const char *folder; /* NULL none */
    bool has_changed;
};

enum { LATELY = 256 };

struct usage_tally {
    struct arena memory;
    struct table table;
    uint32_t lately[LATELY]; /* row + 1 of what was counted lately, by a quick hash */
};

/* ---- tables ---- */

static struct digest name_row(uint32_t day, struct text package, struct text key)
{
    uint8_t bytes[36];
    const struct digest of_package =
        digest_of((struct span){(const uint8_t *)package.data, package.size});
    const struct digest of_key = digest_of((struct span){(const uint8_t *)key.data, key.size});
    memcpy(bytes, of_package.bytes, 16);
    memcpy(bytes + 16, of_key.bytes, 16);
    bytes_store_u32le(bytes + 32, day);
    return digest_of((struct span){bytes, sizeof bytes});
}

static size_t find_slot(const struct table *table, struct digest name)
{
    size_t at = (size_t)bytes_load_u64le(name.bytes) & (table->slot_count - 1);
    while (table->slots[at] != 0 && !digest_equals(table->rows[table->slots[at] - 1].name, name)) {
        at = (at + 1) & (table->slot_count - 1);
    }
    return at;
}

/* Makes room for twice as many; false without memory, and then nothing changed. */
static bool grow(struct table *table)
{
    const size_t slot_count = table->slot_count == 0 ? FIRST_SLOTS : 2 * table->slot_count;
    struct row *rows = arena_array(&table->memory, struct row, slot_count / 2);
    uint32_t *slots = arena_array(&table->memory, uint32_t, slot_count);
    if (rows == NULL || slots == NULL) {
        return false;
    }
    if (table->row_count > 0) {
        memcpy(rows, table->rows, table->row_count * sizeof rows[0]);
    }
    table->rows = rows;
    table->slots = slots;
    table->slot_count = slot_count;
    table->row_room = slot_count / 2;
    for (size_t i = 0; i < table->row_count; i++) {
        slots[find_slot(table, rows[i].name)] = (uint32_t)(i + 1);
    }
    return true;
}

static bool copy_text(struct arena *memory, struct text text, struct text *out)
{
    char *copy = arena_array(memory, char, text.size + 1);
    if (copy != NULL && text.size > 0) {
        memcpy(copy, text.data, text.size);
    }
    *out = (struct text){copy, text.size};
    return copy != NULL;
}

static struct row *add_row(struct table *table, size_t room, struct digest name, uint32_t day,
                           struct text package, struct text key)
{
    struct row row = {.name = name, .day = day};
    if (table->row_count == room || (table->row_count == table->row_room && !grow(table)) ||
        !copy_text(&table->memory, package, &row.package) ||
        !copy_text(&table->memory, key, &row.key)) {
        return NULL;
    }
    table->slots[find_slot(table, name)] = (uint32_t)(table->row_count + 1);
    table->rows[table->row_count] = row;
    return &table->rows[table->row_count++];
}

/* Adds calls and bytes to a row; what finds no room goes to package "*", and
 * without memory for that it is lost. */
static bool count_in(struct table *table, size_t room, const struct row *what)
{
    struct row *row = NULL;
    if (table->slot_count > 0) {
        const uint32_t found = table->slots[find_slot(table, what->name)];
        row = found == 0 ? NULL : &table->rows[found - 1];
    }
    if (row == NULL) {
        row = add_row(table, room, what->name, what->day, what->package, what->key);
    }
    if (row == NULL) {
        return false;
    }
    row->calls += what->calls;
    row->bytes += what->bytes;
    for (size_t i = 0; i < CLASSES; i++) {
        row->statuses[i] += what->statuses[i];
    }
    return true;
}

static void count(struct table *table, const struct row *what)
{
    if (!count_in(table, USAGE_ROWS_MAX, what)) {
        struct row other = *what;
        other.package = text_of("*");
        other.key = text_of("");
        other.name = name_row(other.day, other.package, other.key);
        (void)count_in(table, USAGE_ROWS_MAX + 1000, &other);
    }
}

static void empty(struct table *table, size_t limit)
{
    arena_release(&table->memory);
    *table = (struct table){.row_count = 0};
    arena_init(&table->memory, limit);
}

/* ---- text ---- */

static void print_day(uint32_t day, char out[16])
{
    const time_t when = (time_t)day * DAY_S;
    struct tm parts;
    gmtime_r(&when, &parts);
    strftime(out, 16, "%Y-%m-%d", &parts);
}

static void print_row(struct buf *out, const struct row *row)
{
    char day[16];
    print_day(row->day, day);
    buf_print(out, "{\"day\":\"%s\",\"package\":", day);
    json_write_text(out, row->package);
    buf_add_text(out, ",\"key\":");
    json_write_text(out, row->key);
    buf_print(out, ",\"calls\":%llu,\"bytes\":%llu", (unsigned long long)row->calls,
              (unsigned long long)row->bytes);
    for (size_t i = 0; i < CLASSES; i++) {
        buf_print(out, ",\"%s\":%llu", class_names[i], (unsigned long long)row->statuses[i]);
    }
    buf_add_text(out, "}\n");
}

static int compare_rows(const void *a, const void *b)
{
    const struct row *left = *(const struct row *const *)a;
    const struct row *right = *(const struct row *const *)b;
    if (left->day != right->day) {
        return left->day < right->day ? -1 : 1;
    }
    const int order = text_compare(left->package, right->package);
    return order != 0 ? order : text_compare(left->key, right->key);
}

/* Rows in order, in `scratch`; NULL without memory. */
static const struct row **sort_rows(const struct table *table, struct arena *scratch)
{
    const struct row **sorted = arena_array(scratch, const struct row *, table->row_count + 1);
    for (size_t i = 0; sorted != NULL && i < table->row_count; i++) {
        sorted[i] = &table->rows[i];
    }
    if (sorted != NULL) {
        qsort(sorted, table->row_count, sizeof sorted[0], compare_rows);
    }
    return sorted;
}

static bool read_day(struct text text, uint32_t *out)
{
    int year;
    int month;
    int day;
    char terminated[16];
    if (text.size != 10) {
        return false;
    }
    memcpy(terminated, text.data, 10);
    terminated[10] = '\0';
    if (sscanf(terminated, "%4d-%2d-%2d", &year, &month, &day) != 3 || year < 1970 || month < 1 ||
        month > 12 || day < 1 || day > 31) {
        return false;
    }
    /* Days from a date: March is the first month of a year, so that leap days
     * come last. */
    const int m = month > 2 ? month - 3 : month + 9;
    const int y = month > 2 ? year : year - 1;
    *out = (uint32_t)(365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468);
    return true;
}

static uint64_t *number_of(struct row *row, struct json_string key)
{
    for (size_t i = 0; i < CLASSES; i++) {
        if (json_string_is(key, class_names[i])) {
            return &row->statuses[i];
        }
    }
    return json_string_is(key, "calls")   ? &row->calls
           : json_string_is(key, "bytes") ? &row->bytes
                                          : NULL;
}

static bool read_line(struct json *json, struct arena *scratch, struct table *table,
                      struct err *err)
{
    struct row row = {.calls = 0};
    struct text day = {NULL, 0};
    struct json_string key;
    bool is_end;
    bool ok = json_enter(json, JSON_OBJECT, err);
    while (ok && (ok = json_next_member(json, &key, &is_end, err)) && !is_end) {
        struct json_string text;
        double number = 0;
        if (json_peek(json) == JSON_NUMBER) {
            ok = json_real(json, &number, err);
            uint64_t *field = number_of(&row, key);
            if (ok && field != NULL && number >= 0 && number < 9e15) {
                *field = (uint64_t)number;
            }
        } else {
            struct text *field = json_string_is(key, "day")       ? &day
                                 : json_string_is(key, "package") ? &row.package
                                                                  : &row.key;
            ok = json_string(json, &text, err) && json_string_text(text, scratch, field, err);
        }
    }
    if (ok && !read_day(day, &row.day)) {
        return json_fail(json, err, ERR_SCHEMA, "no day such as \"2026-04-01\"");
    }
    if (ok) {
        row.name = name_row(row.day, row.package, row.key);
        count(table, &row);
    }
    return ok;
}

bool usage_add_file(struct usage *usage, const char *path, struct err *err)
{
    struct io_map map;
    if (!io_map(path, &map, err)) {
        return false;
    }
    struct json json;
    struct arena scratch;
    arena_init(&scratch, 1 << 20);
    json_init(&json, map.bytes, NULL);
    bool ok = true;
    pthread_mutex_lock(&usage->lock);
    while (ok && json_peek(&json) != JSON_NOTHING) {
        const struct arena_mark mark = arena_mark(&scratch);
        ok = read_line(&json, &scratch, &usage->table, err);
        arena_reset(&scratch, mark);
    }
    pthread_mutex_unlock(&usage->lock);
    ok = ok && json_end(&json, err);
    arena_release(&scratch);
    io_unmap(&map);
    if (!ok) {
        err_in_source(err, path);
    }
    return ok;
}

/* ---- the account ---- */

static void name_file(const struct usage *usage, uint32_t day, char *out, size_t out_bytes)
{
    char name[16];
    print_day(day, name);
    snprintf(out, out_bytes, "%s/%s.jsonl", usage->folder, name);
}

static bool load_today(struct usage *usage, int64_t now_s, struct err *err)
{
    char path[4096];
    struct err missing;
    struct io_map map;
    name_file(usage, (uint32_t)(now_s / DAY_S), path, sizeof path);
    if (!io_map(path, &map, &missing)) {
        return true; /* none yet */
    }
    io_unmap(&map);
    return usage_add_file(usage, path, err);
}

bool usage_open(const char *folder, int64_t now_s, struct usage **out, struct err *err)
{
    struct arena memory;
    arena_init(&memory, 1 << 20);
    struct usage *usage = arena_array(&memory, struct usage, 1);
    if (usage == NULL) {
        return arena_full(&memory, err);
    }
    usage->memory = memory;
    usage->folder = folder;
    pthread_mutex_init(&usage->lock, NULL);
    arena_init(&usage->table.memory, MEMORY_MAX);
    if (folder != NULL && (!io_make_directory(folder, err) || !load_today(usage, now_s, err))) {
        usage_close(usage);
        return false;
    }
    *out = usage;
    return true;
}

void usage_close(struct usage *usage)
{
    if (usage != NULL) {
        arena_release(&usage->table.memory);
        pthread_mutex_destroy(&usage->lock);
        struct arena memory = usage->memory; /* it lies in there */
        arena_release(&memory);
    }
}

/* Rows of one day from `at` on to its file; moves `at` behind them. */
static bool save_day(const struct usage *usage, const struct row **rows, size_t count_of_rows,
                     size_t *at, struct err *err)
{
    char path[4096];
    struct buf text;
    const uint32_t day = rows[*at]->day;
    buf_init(&text, FILE_BYTES_MAX);
    while (*at < count_of_rows && rows[*at]->day == day) {
        print_row(&text, rows[(*at)++]);
    }
    name_file(usage, day, path, sizeof path);
    const bool ok = buf_finish(&text, err) && io_write_file(path, buf_span(&text), true, err);
    buf_release(&text);
    return ok;
}

static bool save_all(struct usage *usage, int64_t now_s, struct err *err)
{
    struct arena scratch;
    arena_init(&scratch, MEMORY_MAX);
    const size_t row_count = usage->table.row_count;
    const struct row **rows = sort_rows(&usage->table, &scratch);
    bool ok = rows != NULL || arena_full(&scratch, err);
    for (size_t at = 0; ok && at < row_count;) {
        ok = save_day(usage, rows, row_count, &at, err);
    }
    if (ok && row_count > 0 && rows[0]->day < (uint32_t)(now_s / DAY_S)) {
        /* The days before today are in their files: only today goes on. */
        struct table today = {.row_count = 0};
        arena_init(&today.memory, MEMORY_MAX);
        for (size_t i = 0; i < row_count; i++) {
            if (rows[i]->day >= (uint32_t)(now_s / DAY_S)) {
                count(&today, rows[i]);
            }
        }
        arena_release(&usage->table.memory);
        usage->table = today;
    }
    arena_release(&scratch);
    return ok;
}

bool usage_save(struct usage *usage, int64_t now_s, struct err *err)
{
    bool ok = true;
    pthread_mutex_lock(&usage->lock);
    if (usage->folder != NULL && usage->has_changed) {
        ok = save_all(usage, now_s, err);
        usage->has_changed = !ok;
    }
    pthread_mutex_unlock(&usage->lock);
    return ok;
}

void usage_print(struct usage *usage, struct buf *out)
{
    struct arena scratch;
    arena_init(&scratch, MEMORY_MAX);
    pthread_mutex_lock(&usage->lock);
    const struct row **rows = sort_rows(&usage->table, &scratch);
    for (size_t i = 0; rows != NULL && i < usage->table.row_count; i++) {
        print_row(out, rows[i]);
    }
    pthread_mutex_unlock(&usage->lock);
    if (rows == NULL) {
        out->refusal = ERR_NOMEM;
    }
    arena_release(&scratch);
}

/* Values of labels: backslash and quote escaped, as in JSON. */
static void print_labels(struct buf *out, const char *name, const struct row *row)
{
    buf_print(out, "%s{package=", name);
    json_write_text(out, row->package);
    buf_add_text(out, ",key=");
    json_write_text(out, row->key);
}

void usage_print_metrics(struct usage *usage, struct buf *out)
{
    pthread_mutex_lock(&usage->lock);
    buf_add_text(out, "# HELP storeyd_package_requests_today Calls since midnight UTC.\n"
                      "# TYPE storeyd_package_requests_today gauge\n");
    for (size_t i = 0; i < usage->table.row_count; i++) {
        const struct row *row = &usage->table.rows[i];
        for (size_t k = 0; k < CLASSES; k++) {
            if (row->statuses[k] > 0) {
                print_labels(out, "storeyd_package_requests_today", row);
                buf_print(out, ",status=\"%s\"} %llu\n", class_names[k],
                          (unsigned long long)row->statuses[k]);
            }
        }
    }
    buf_add_text(out, "# HELP storeyd_package_bytes_today Bytes since midnight UTC.\n"
                      "# TYPE storeyd_package_bytes_today gauge\n");
    for (size_t i = 0; i < usage->table.row_count; i++) {
        const struct row *row = &usage->table.rows[i];
        print_labels(out, "storeyd_package_bytes_today", row);
        buf_print(out, "} %llu\n", (unsigned long long)row->bytes);
    }
    pthread_mutex_unlock(&usage->lock);
}

/* ---- tallies ---- */

bool usage_tally_open(struct usage_tally **out, struct err *err)
{
    struct arena memory;
    arena_init(&memory, 1 << 20);
    struct usage_tally *tally = arena_array(&memory, struct usage_tally, 1);
    if (tally == NULL) {
        return arena_full(&memory, err);
    }
    tally->memory = memory;
    arena_init(&tally->table.memory, TALLY_MEMORY_MAX);
    *out = tally;
    return true;
}

void usage_tally_close(struct usage_tally *tally)
{
    if (tally != NULL) {
        arena_release(&tally->table.memory);
        struct arena memory = tally->memory; /* it lies in there */
        arena_release(&memory);
    }
}

/* Quick, and wrong at times: whoever asks compares. */
static uint32_t quick_hash(const char *package, const char *key)
{
    uint32_t hash = 2166136261;
    for (const char *at = package; *at != '\0'; at++) {
        hash = (hash ^ (uint8_t)*at) * 16777619;
    }
    for (const char *at = key; *at != '\0'; at++) {
        hash = (hash ^ (uint8_t)*at) * 16777619;
    }
    return (hash >> 8) % LATELY;
}

static void add_call(struct row *row, const struct usage_call *call)
{
    const unsigned hundreds = call->status / 100;
    row->calls++;
    row->bytes += call->bytes;
    if (hundreds >= 2 && hundreds < 2 + CLASSES) {
        row->statuses[hundreds - 2]++;
    }
}

void usage_tally_add(struct usage_tally *tally, int64_t now_s, const struct usage_call *call)
{
    /* The same package as a moment ago, mostly: no need for digests. */
    const char *name = call->key == NULL ? "" : call->key;
    uint32_t *lately = &tally->lately[quick_hash(call->package, name)];
    if (*lately != 0) {
        struct row *last = &tally->table.rows[*lately - 1];
        if (last->day == (uint32_t)(now_s / DAY_S) &&
            strcmp(last->package.data, call->package) == 0 && strcmp(last->key.data, name) == 0) {
            add_call(last, call);
            return;
        }
    }
    struct row row = {
        .day = (uint32_t)(now_s / DAY_S), .package = text_of(call->package), .key = text_of(name)};
    add_call(&row, call);
    row.name = name_row(row.day, row.package, row.key);
    if (!count_in(&tally->table, TALLY_ROWS, &row)) {
        row.package = text_of("*");
        row.key = text_of("");
        row.name = name_row(row.day, row.package, row.key);
        (void)count_in(&tally->table, TALLY_ROWS + 8, &row);
    } else {
        *lately = tally->table.slots[find_slot(&tally->table, row.name)];
    }
}

void usage_add(struct usage *usage, struct usage_tally *tally)
{
    if (tally->table.row_count == 0) {
        return;
    }
    pthread_mutex_lock(&usage->lock);
    for (size_t i = 0; i < tally->table.row_count; i++) {
        count(&usage->table, &tally->table.rows[i]);
    }
    usage->has_changed = true;
    pthread_mutex_unlock(&usage->lock);
    empty(&tally->table, TALLY_MEMORY_MAX);
    memset(tally->lately, 0, sizeof tally->lately);
}

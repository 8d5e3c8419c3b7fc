/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/pack.h"

#include <limits.h>
#include <stdio.h>

#include "formats/archive_3tz.h"
#include "formats/base/arena.h"
#include "formats/base/io.h"
#include "formats/package.h"
#include "tiler/publish.h"

/* A database is read page by page, an index is mapped; a stored tile's glb shall
 * at least lie on a multiple of 8. */
enum { PAGE_ALIGN = 4096, TILE_ALIGN = 8 };
#define LISTING_BYTES_MAX ((size_t)1 << 34)
#define MEMBER_BYTES_MAX ((size_t)1 << 32)

static bool ends_with(struct text name, const char *suffix)
{
    const size_t size = strlen(suffix);
    return name.size >= size && memcmp(name.data + name.size - size, suffix, size) == 0;
}

static bool is_read_in_place(struct text name)
{
    return ends_with(name, ".idx") || ends_with(name, ".gpkg");
}

/* What packing one file after another needs. */
struct packing_run {
    const struct package *package;
    struct archive_3tz_writer *writer;
    enum packing_method method;
    struct buf packed; /* of one member */
};

static bool add_packed(struct packing_run *run, struct text name, struct span bytes,
                       struct err *err)
{
    enum packing_method method = run->method;
    struct span packed = bytes;
    buf_reset(&run->packed);
    if (method != PACKING_STORED && bytes.size > 0) {
        if (!packing_pack(method, bytes, &run->packed, err)) {
            return false;
        }
        packed = buf_span(&run->packed);
    }
    if (packed.size > bytes.size - bytes.size / 20) {
        packed = bytes;
    }
    if (packed.data == bytes.data) {
        method = PACKING_STORED;
    }
    const size_t align = method == PACKING_STORED && bytes.size > 0 ? TILE_ALIGN : 1;
    return archive_3tz_writer_add(run->writer, name, method, packed, packing_crc32(0, bytes),
                                  bytes.size, align, err);
}

static bool add_in_place(struct packing_run *run, struct text name, struct err *err)
{
    struct package_place place;
    return package_locate(run->package, name, &place, err) &&
           archive_3tz_writer_add_file(run->writer, name, place.path, PAGE_ALIGN, err);
}

static bool add_member(struct packing_run *run, struct text name, struct err *err)
{
    if (is_read_in_place(name)) {
        return add_in_place(run, name, err);
    }
    struct package_member member;
    if (!package_find(run->package, name, &member, err)) {
        return false;
    }
    const bool ok = member.is_found ? add_packed(run, name, member.packed, err)
                                    : err_set(err, ERR_SCHEMA, "'%.*s' is no name for a package",
                                              TEXT_ARGS(name));
    package_member_release(&member);
    return ok;
}

static bool pack_members(struct packing_run *run, struct err *err)
{
    struct arena listing;
    struct package_entry *entries = NULL;
    size_t count = 0;
    arena_init(&listing, LISTING_BYTES_MAX);
    bool ok = package_list(run->package, &listing, &entries, &count, err);
    for (size_t i = 0; ok && i < count; i++) {
        /* The archive may be written into the very folder that is packed. */
        if (!text_is(entries[i].name, "@package.part")) {
            ok = add_member(run, entries[i].name, err);
        }
    }
    arena_release(&listing);
    return ok;
}

static bool pack_package(const struct package *package, const char *path,
                         enum packing_method method, struct err *err)
{
    struct packing_run run = {.package = package, .method = method};
    if (!archive_3tz_writer_open(path, &run.writer, err)) {
        return false;
    }
    buf_init(&run.packed, 2 * MEMBER_BYTES_MAX);
    const bool ok = pack_members(&run, err) && archive_3tz_writer_finish(run.writer, true, err);
    buf_release(&run.packed);
    archive_3tz_writer_close(run.writer);
    return ok;
}

bool pack_folder(const char *folder, const char *path, enum packing_method method, struct err *err)
{
    struct package *package;
    if (!package_open(folder, &package, err)) {
        return false;
    }
    const bool ok = pack_package(package, path, method, err);
    package_close(package);
    return ok;
}

static bool has_tileset(const struct package *package, const char *path, struct err *err)
{
    struct package_member member;
    if (!package_find(package, package_tileset_name(package), &member, err)) {
        return false;
    }
    const bool is_found = member.is_found;
    package_member_release(&member);
    return is_found || err_set(err, ERR_SCHEMA, "'%s' has no tileset.json", path);
}

/* Opens the input, which must be a folder or an archive, as asked. */
static bool open_input(const char *path, bool is_archive, struct package **out, struct err *err)
{
    struct package *package;
    if (!package_open(path, &package, err)) {
        return false;
    }
    bool ok = has_tileset(package, path, err);
    if (ok && package_is_archive(package) != is_archive) {
        ok = err_set(err, ERR_UNSUPPORTED, "'%s' is %s", path,
                     is_archive ? "a folder already" : "an archive already");
    }
    if (!ok) {
        package_close(package);
        return false;
    }
    *out = package;
    return true;
}

bool pack_run(const struct pack_options *options, struct err *err)
{
    const struct text output = text_of(options->output);
    if (!ends_with(output, ".3tz")) {
        return err_set(err, ERR_UNSUPPORTED, "'%s' does not end in .3tz", options->output);
    }
    struct package *package;
    struct publish *publish;
    if (!open_input(options->input, false, &package, err)) {
        return false;
    }
    package_close(package);
    return publish_begin(options->output, &publish, err) &&
           publish_commit_archive(publish, options->input, options->method, err);
}

static bool unpack_one(const struct package *package, struct text name, struct publish *publish,
                       struct buf *bytes, struct err *err)
{
    char path[PATH_MAX];
    char terminated[PATH_MAX];
    if (!zip_name_is_safe(name) || name.size >= sizeof terminated) {
        return err_set(err, ERR_SCHEMA, "unsafe name '%.*s' in the archive", TEXT_ARGS(name));
    }
    memcpy(terminated, name.data, name.size);
    terminated[name.size] = '\0';
    buf_reset(bytes);
    return package_load(package, name, bytes, err) &&
           publish_path(publish, terminated, path, sizeof path, err) &&
           io_write_file(path, buf_span(bytes), false, err);
}

static bool unpack_all(const struct package *package, struct publish *publish, struct err *err)
{
    struct arena listing;
    struct buf bytes;
    struct package_entry *entries = NULL;
    size_t count = 0;
    arena_init(&listing, LISTING_BYTES_MAX);
    buf_init(&bytes, MEMBER_BYTES_MAX);
    bool ok = package_list(package, &listing, &entries, &count, err);
    for (size_t i = 0; ok && i < count; i++) {
        ok = unpack_one(package, entries[i].name, publish, &bytes, err);
    }
    buf_release(&bytes);
    arena_release(&listing);
    return ok;
}

static bool unpack_package(const struct package *package, const char *output, struct err *err)
{
    struct publish *publish;
    if (!publish_begin(output, &publish, err)) {
        return false;
    }
    if (!unpack_all(package, publish, err)) {
        publish_abort(publish);
        return false;
    }
    return publish_commit(publish, NULL, err);
}

bool pack_unpack(const struct pack_options *options, struct err *err)
{
    struct package *package;
    if (ends_with(text_of(options->output), ".3tz")) {
        return err_set(err, ERR_UNSUPPORTED, "'%s' is the name of an archive, not of a folder",
                       options->output);
    }
    if (!open_input(options->input, true, &package, err)) {
        return false;
    }
    const bool ok = unpack_package(package, options->output, err);
    package_close(package);
    return ok;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "formats/base/arena.h"
#include "formats/geopackage_internal.h"

enum { PATH_BYTES_MAX = 64, SECTOR_BYTES = 4096 };

/* A file as SQLite has it: our methods, then what is ours. */
struct place_file {
    sqlite3_file base;
    const struct geopackage_place *place;
};

/* ---- a file ---- */

static int file_close(sqlite3_file *file)
{
    (void)file;
    return SQLITE_OK;
}

/* Past its end a file is zeros to SQLite; within it, missing bytes are a file
 * that was cut short. */
static int file_read(sqlite3_file *file, void *out, int size, sqlite3_int64 offset)
{
    const struct geopackage_place *place = ((const struct place_file *)(const void *)file)->place;
    char *at = out;
    if (offset < 0 || size < 0) {
        return SQLITE_IOERR_READ;
    }
    uint64_t wanted = (uint64_t)size;
    if ((uint64_t)offset >= place->bytes || wanted > place->bytes - (uint64_t)offset) {
        wanted = (uint64_t)offset >= place->bytes ? 0 : place->bytes - (uint64_t)offset;
    }
    uint64_t done = 0;
    while (done < wanted) {
        const ssize_t got = pread(place->fd, at + done, (size_t)(wanted - done),
                                  (off_t)(place->offset + (uint64_t)offset + done));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return SQLITE_IOERR_READ;
        }
        done += (uint64_t)got;
    }
    if (done < (uint64_t)size) {
        memset(at + done, 0, (size_t)((uint64_t)size - done));
        return SQLITE_IOERR_SHORT_READ;
    }
    return SQLITE_OK;
}

static int file_write(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 offset)
{
    (void)file;
    (void)bytes;
    (void)size;
    (void)offset;
    return SQLITE_READONLY;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    (void)file;
    (void)size;
    return SQLITE_READONLY;
}

static int file_number(sqlite3_file *file, int number)
{
    (void)file;
    (void)number;
    return SQLITE_OK; /* sync, lock, unlock: nobody writes */
}

static int file_size(sqlite3_file *file, sqlite3_int64 *out)
{
    *out = (sqlite3_int64)((const struct place_file *)(const void *)file)->place->bytes;
    return SQLITE_OK;
}

static int file_reserved(sqlite3_file *file, int *out)
{
    (void)file;
    *out = 0;
    return SQLITE_OK;
}

static int file_control(sqlite3_file *file, int operation, void *argument)
{
    (void)file;
    (void)operation;
    (void)argument;
    return SQLITE_NOTFOUND;
}

static int file_sector(sqlite3_file *file)
{
    (void)file;
    return SECTOR_BYTES;
}

static int file_traits(sqlite3_file *file)
{
    (void)file;
    return SQLITE_IOCAP_IMMUTABLE;
}

static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_number,
    .xFileSize = file_size,
    .xLock = file_number,
    .xUnlock = file_number,
    .xCheckReservedLock = file_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_traits,
};

/* ---- the file system ---- */

static int system_open(sqlite3_vfs *system, const char *name, sqlite3_file *file, int flags,
                       int *out_flags)
{
    struct place_file *opened = (struct place_file *)(void *)file;
    (void)name;
    file->pMethods = NULL;
    if ((flags & SQLITE_OPEN_MAIN_DB) == 0) {
        return SQLITE_CANTOPEN; /* no journal, no temporary file */
    }
    opened->place = system->pAppData;
    opened->base.pMethods = &methods;
    if (out_flags != NULL) {
        *out_flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_DB;
    }
    return SQLITE_OK;
}

static int system_delete(sqlite3_vfs *system, const char *name, int sync)
{
    (void)system;
    (void)name;
    (void)sync;
    return SQLITE_READONLY;
}

static int system_access(sqlite3_vfs *system, const char *name, int flags, int *out)
{
    (void)system;
    (void)name;
    (void)flags;
    *out = 0;
    return SQLITE_OK;
}

static int system_full_name(sqlite3_vfs *system, const char *name, int room, char *out)
{
    (void)system;
    snprintf(out, (size_t)room, "%s", name);
    return SQLITE_OK;
}

/* No randomness and no clock are needed for reading. */
static int system_randomness(sqlite3_vfs *system, int size, char *out)
{
    (void)system;
    memset(out, 0, (size_t)size);
    return size;
}

static int system_sleep(sqlite3_vfs *system, int microseconds)
{
    (void)system;
    return microseconds;
}

static int system_time(sqlite3_vfs *system, double *out)
{
    (void)system;
    *out = 2440587.5; /* 1970 */
    return SQLITE_OK;
}

static int system_error(sqlite3_vfs *system, int room, char *out)
{
    (void)system;
    (void)room;
    (void)out;
    return errno;
}

bool geopackage_vfs_open(const struct geopackage_place *place, struct arena *memory,
                         struct sqlite3 **out, struct err *err)
{
    struct geopackage_place *kept = arena_array(memory, struct geopackage_place, 1);
    sqlite3_vfs *system = arena_array(memory, sqlite3_vfs, 1);
    char *name = NULL;
    if (system != NULL) {
        name = arena_print(memory, "storey-%p", (void *)system);
    }
    if (kept == NULL || system == NULL || name == NULL) {
        return arena_full(memory, err);
    }
    *kept = *place;
    *system = (sqlite3_vfs){
        .iVersion = 1,
        .szOsFile = sizeof(struct place_file),
        .mxPathname = PATH_BYTES_MAX,
        .zName = name,
        .pAppData = kept,
        .xOpen = system_open,
        .xDelete = system_delete,
        .xAccess = system_access,
        .xFullPathname = system_full_name,
        .xRandomness = system_randomness,
        .xSleep = system_sleep,
        .xCurrentTime = system_time,
        .xGetLastError = system_error,
    };
    if (sqlite3_initialize() != SQLITE_OK || sqlite3_vfs_register(system, 0) != SQLITE_OK) {
        return err_set(err, ERR_LIBRARY, "features.gpkg: SQLite cannot begin");
    }
    sqlite3 *db = NULL;
    const int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX;
    const int result = sqlite3_open_v2("file:features.gpkg?immutable=1", &db, flags, name);
    sqlite3_vfs_unregister(system);
    if (result != SQLITE_OK) {
        sqlite3_close(db);
        return err_set(err, result == SQLITE_NOMEM ? ERR_NOMEM : ERR_IO,
                       "features.gpkg cannot be opened: %s", sqlite3_errstr(result));
    }
    *out = db;
    return true;
}

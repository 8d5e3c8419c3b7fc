/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/glb.h"
#include "formats/query_package.h"
#include "tiler/check_internal.h"

/* ---- attributes --------------------------------------------------------- */

/* What one row of features.gpkg is held against. */
struct row_check {
    const struct geopackage_column *columns;
    struct text id;
    bool is_same;
};

static void compare_id(void *taker, size_t column, const struct geopackage_value *value)
{
    struct row_check *row = taker;
    if (text_is(row->columns[column].name, "id") && row->columns[column].is_builtin) {
        row->is_same = value->kind == GEOPACKAGE_IS_TEXT && text_equals(value->text, row->id);
    }
}

static void check_rows(struct check_run *check, const struct query_target *target)
{
    const struct text name = text_of(GEOPACKAGE_NAME);
    size_t count;
    struct row_check row = {.columns = geopackage_columns(target->attributes, &count)};
    for (uint32_t i = 0; i < target->index->count; i++) {
        struct err err;
        bool found;
        row.id = feature_index_id(target->index, i);
        row.is_same = false;
        if (!geopackage_row(target->attributes, i, compare_id, &row, &found, &err)) {
            check_note_err(check, "attributes", name, &err);
            return;
        }
        if (!row.is_same) {
            check_note(check, CHECK_ERROR, "attributes", name,
                       "row %u is not that of '%.*s', as the index has it", i + 1,
                       TEXT_ARGS(row.id));
            return;
        }
    }
}

static void check_attributes(struct check_run *check, const struct query_target *target)
{
    const struct text name = text_of(GEOPACKAGE_NAME);
    struct err err;
    uint64_t rows;
    if (target->attributes == NULL) {
        check_note(check, CHECK_ERROR, "attributes", name, "it is missing beside the index");
        return;
    }
    if (!geopackage_check(target->attributes, &rows, &err)) {
        check_note_err(check, "attributes", name, &err);
        return;
    }
    if (rows != target->index->count) {
        check_note(check, CHECK_ERROR, "attributes", name, "%llu rows, but the index has %u",
                   (unsigned long long)rows, target->index->count);
        return;
    }
    check_rows(check, target);
}

/* ---- tiles -------------------------------------------------------------- */

struct tiles {
    const struct feature_index *index;
    uint32_t *own; /* per tile: rows that say it is theirs */
    struct property_schema schema;
    bool has_schema;
};

/* Tiles of a package share one schema file. */
static void find_schema(struct check_run *check, struct tiles *tiles)
{
    static const char begin[] = "tiles/schema-";
    for (size_t i = 0; i < check->entry_count && !tiles->has_schema; i++) {
        const struct text name = check->entries[i].name;
        struct span json;
        struct err ignored;
        if (name.size > sizeof begin && memcmp(name.data, begin, sizeof begin - 1) == 0 &&
            check_load(check, name, name, &check->listing, &json)) {
            tiles->has_schema = property_schema_read(json, text_of("feature"), &check->listing,
                                                     &tiles->schema, &ignored);
        }
    }
}

static const struct text *find_ids(const struct property_table *table)
{
    for (size_t i = 0; i < table->column_count; i++) {
        const struct property *property = &table->schema->properties[table->columns[i].property];
        if (text_is(property->id, "id") && property->type == PROPERTY_STRING) {
            return table->columns[i].values.string;
        }
    }
    return NULL;
}

/* Who is in a tile, by its own table, is who the index says is in it. */
static void compare_tile(struct check_run *check, const struct tiles *tiles, uint32_t number,
                         struct text name, const struct property_table *table)
{
    const struct text *ids = find_ids(table);
    uint32_t found = 0;
    for (uint32_t i = 0; ids != NULL && i < table->row_count; i++) {
        const uint32_t row = feature_index_find(tiles->index, ids[i]);
        if (row == FEATURE_INDEX_NONE) {
            check_note(check, CHECK_ERROR, "index-tile", name, "the index does not have '%.*s'",
                       TEXT_ARGS(ids[i]));
            return;
        }
        struct feature_index_row about;
        feature_index_row(tiles->index, row, &about);
        found += about.tile == number;
    }
    if (found != tiles->own[number]) {
        check_note(check, CHECK_ERROR, "index-tile", name,
                   "the index has %u features in it, but it shows %u of them", tiles->own[number],
                   found);
    }
}

static bool is_glb(struct text name)
{
    return name.size > 4 && memcmp(name.data + name.size - 4, ".glb", 4) == 0;
}

static void check_tile(struct check_run *check, const struct tiles *tiles, uint32_t number)
{
    struct feature_index_tile tile;
    struct property_table table;
    struct span bytes;
    struct err err;
    feature_index_tile(tiles->index, number, &tile);
    if (!check_has(check, tile.name)) {
        check_note(check, CHECK_ERROR, "index-tile", text_of(FEATURE_INDEX_NAME),
                   "tile '%.*s' is not in the package", TEXT_ARGS(tile.name));
        return;
    }
    if (tiles->own[number] == 0 || !tiles->has_schema || !is_glb(tile.name)) {
        return;
    }
    const struct arena_mark mark = arena_mark(&check->content);
    if (check_load(check, tile.name, tile.name, &check->content, &bytes)) {
        if (glb_read_table(bytes, &tiles->schema, &check->content, &table, &err)) {
            compare_tile(check, tiles, number, tile.name, &table);
        } else {
            check_note_err(check, "index-tile", tile.name, &err);
        }
    }
    arena_reset(&check->content, mark);
}

static void check_tiles(struct check_run *check, const struct feature_index *index)
{
    struct tiles tiles = {
        .index = index,
        .own = arena_array(&check->listing, uint32_t, (size_t)index->tile_count + 1),
    };
    if (tiles.own == NULL) {
        check_full(check, text_of(FEATURE_INDEX_NAME), &check->listing);
        return;
    }
    for (uint32_t row = 0; row < index->count; row++) {
        struct feature_index_row about;
        feature_index_row(index, row, &about);
        if (about.tile == FEATURE_INDEX_NONE) {
            check_note(check, CHECK_ERROR, "index-tile", text_of(FEATURE_INDEX_NAME),
                       "'%.*s' is in no tile", TEXT_ARGS(about.id));
            return;
        }
        tiles.own[about.tile]++;
    }
    find_schema(check, &tiles);
    for (uint32_t i = 0; i < index->tile_count; i++) {
        check_tile(check, &tiles, i);
    }
}

void check_index(struct check_run *check)
{
    struct query_package opened;
    struct err err;
    if (!check_has(check, text_of(FEATURE_INDEX_NAME))) {
        return; /* an older package; what the manifest lists is checked there */
    }
    if (!query_package_open(check->package, &opened, &err)) {
        check_note_err(check, "index", text_of(FEATURE_INDEX_NAME), &err);
        return;
    }
    if (!feature_index_check(&opened.index, &err)) {
        check_note_err(check, "index", text_of(FEATURE_INDEX_NAME), &err);
    } else {
        check_tiles(check, &opened.index);
        check_attributes(check, &opened.target);
    }
    query_package_close(&opened);
}

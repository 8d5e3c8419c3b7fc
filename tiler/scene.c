/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/scene_internal.h"

#include <assert.h>

#include "formats/b3dm.h"
#include "formats/base/earth.h"
#include "formats/digest.h"
#include "formats/glb.h"
#include "formats/number.h"

#include <stdio.h>

enum { FILE_BYTES_MAX = 1 << 30 };

static struct text folder_of(struct text name)
{
    size_t size = name.size;
    while (size > 0 && name.data[size - 1] != '/') {
        size--;
    }
    return (struct text){name.data, size};
}

bool scene_resolve(struct text folder, struct text uri, struct arena *run, struct text *out,
                   struct err *err)
{
    char *joined = arena_array(run, char, folder.size + uri.size + 1);
    if (joined == NULL) {
        return arena_full(run, err);
    }
    size_t size = folder.size;
    memcpy(joined, folder.data, folder.size);
    for (size_t at = 0; at < uri.size && uri.data[at] != '?' && uri.data[at] != '#';) {
        size_t end = at;
        while (end < uri.size && uri.data[end] != '/' && uri.data[end] != '?' &&
               uri.data[end] != '#') {
            end++;
        }
        const struct text part = {uri.data + at, end - at};
        const bool has_slash = end < uri.size && uri.data[end] == '/';
        at = has_slash ? end + 1 : end;
        if (text_is(part, ".")) {
            continue;
        }
        if (text_is(part, "..")) {
            size = size == 0 ? 0 : folder_of((struct text){joined, size - 1}).size;
            continue;
        }
        memcpy(joined + size, part.data, part.size);
        size += part.size;
        if (has_slash) {
            joined[size++] = '/';
        }
    }
    *out = (struct text){joined, size};
    return true;
}

bool scene_load(struct scene *scene, struct text name, struct err *err)
{
    buf_reset(&scene->bytes);
    if (!package_load(scene->package, name, &scene->bytes, err)) {
        char text[128];
        snprintf(text, sizeof text, "%.*s", TEXT_ARGS(name));
        err_in_source(err, text);
        return false;
    }
    return true;
}

static struct scene_file *find_file(const struct scene *scene, struct text name)
{
    for (struct scene_file *file = scene->files; file != NULL; file = file->next) {
        if (text_equals(file->name, name)) {
            return file;
        }
    }
    return NULL;
}

bool scene_open_file(struct scene *scene, struct text name, struct scene_file **out,
                     struct err *err)
{
    *out = find_file(scene, name);
    if (*out != NULL) {
        return true;
    }
    struct scene_file *file = arena_array(scene->run, struct scene_file, 1);
    if (file == NULL) {
        return arena_full(scene->run, err);
    }
    if (!scene_load(scene, name, err)) {
        return false;
    }
    /* The tree points into its text. */
    uint8_t *copy = arena_array(scene->run, uint8_t, scene->bytes.size);
    if (copy == NULL) {
        return arena_full(scene->run, err);
    }
    memcpy(copy, scene->bytes.data, scene->bytes.size);
    const struct span json = {copy, scene->bytes.size};
    if (!tileset_read(json, scene->run, &file->tileset, err)) {
        char text[128];
        snprintf(text, sizeof text, "%.*s", TEXT_ARGS(name));
        err_in_source(err, text);
        return false;
    }
    file->name = name;
    file->folder = folder_of(name);
    file->bytes = json.size;
    file->next = scene->files;
    scene->files = file;
    *out = file;
    return true;
}

bool scene_open_schema(struct scene *scene, struct text name, struct scene_schema **out,
                       struct err *err)
{
    for (struct scene_schema *schema = scene->schemas; schema != NULL; schema = schema->next) {
        if (text_equals(schema->name, name)) {
            *out = schema;
            return true;
        }
    }
    struct scene_schema *schema = arena_array(scene->run, struct scene_schema, 1);
    if (schema == NULL) {
        return arena_full(scene->run, err);
    }
    struct buf json;
    buf_init(&json, FILE_BYTES_MAX);
    bool ok = package_load(scene->package, name, &json, err);
    uint8_t *copy = ok ? arena_array(scene->run, uint8_t, json.size) : NULL;
    if (ok && copy == NULL) {
        ok = arena_full(scene->run, err);
    }
    if (ok) {
        memcpy(copy, json.data, json.size);
        ok = property_schema_read((struct span){copy, json.size}, (struct text){NULL, 0},
                                  scene->run, &schema->schema, err);
    }
    if (ok) {
        schema->name = name;
        schema->bytes = json.size;
        schema->next = scene->schemas;
        scene->schemas = schema;
        *out = schema;
    }
    buf_release(&json);
    return ok;
}

bool scene_open(const char *path, struct arena *run, struct scene **out, struct err *err)
{
    struct scene *scene = arena_array(run, struct scene, 1);
    if (scene == NULL) {
        return arena_full(run, err);
    }
    scene->run = run;
    buf_init(&scene->bytes, FILE_BYTES_MAX);
    arena_init(&scene->content, (size_t)4 << 30);
    if (!package_open(path, &scene->package, err)) {
        return false;
    }
    if (!scene_open_file(scene, package_tileset_name(scene->package), &scene->root, err)) {
        scene_close(scene);
        return false;
    }
    *out = scene;
    return true;
}

void scene_close(struct scene *scene)
{
    if (scene != NULL) {
        package_close(scene->package);
        buf_release(&scene->bytes);
        arena_release(&scene->content);
    }
}

bool scene_bounds(const struct scene *scene, struct vec3 *out_center_ecef_m, double *out_radius_m,
                  struct err *err)
{
    const struct tileset_tile *root = scene->root->tileset.root;
    const struct scene_bound bound = scene_bound_of(&root->volume, root->transform);
    if (!isfinite(bound.radius_m) || !vec3_is_finite(bound.box.center)) {
        return err_set(err, ERR_UNSUPPORTED, "the root has no volume that can be looked at");
    }
    *out_center_ecef_m = bound.box.center;
    *out_radius_m = bound.radius_m;
    return true;
}

void scene_corners(const struct scene *scene, struct vec3 out_ecef_m[8])
{
    const struct tileset_tile *root = scene->root->tileset.root;
    const struct scene_bound bound = scene_bound_of(&root->volume, root->transform);
    struct obb box = bound.box;
    if (!(vec3_length(box.half[0]) > 0)) {
        box.half[0] = (struct vec3){bound.radius_m, 0, 0};
        box.half[1] = (struct vec3){0, bound.radius_m, 0};
        box.half[2] = (struct vec3){0, 0, bound.radius_m};
    }
    for (int corner = 0; corner < 8; corner++) {
        out_ecef_m[corner] = box.center;
        for (int k = 0; k < 3; k++) {
            out_ecef_m[corner] =
                vec3_add(out_ecef_m[corner], vec3_scale(box.half[k], corner >> k & 1 ? 1 : -1));
        }
    }
}

/* {"storey": {"ground_height_m": number}} in asset.extras. */
static bool stated_ground(struct text extras, double *out)
{
    const char key[] = "\"ground_height_m\":";
    for (size_t i = 0; i + sizeof key - 1 < extras.size; i++) {
        if (memcmp(extras.data + i, key, sizeof key - 1) == 0) {
            size_t start = i + sizeof key - 1;
            size_t end = start;
            while (end < extras.size && strchr("+-.0123456789eE", extras.data[end]) != NULL) {
                end++;
            }
            return number_is((struct text){extras.data + start, end - start}, out);
        }
    }
    return false;
}

double scene_ground_m(const struct scene *scene)
{
    double ground_m;
    if (stated_ground(scene->root->tileset.asset_extras, &ground_m)) {
        return ground_m;
    }
    const struct tileset_tile *root = scene->root->tileset.root;
    const struct scene_bound bound = scene_bound_of(&root->volume, root->transform);
    const struct vec3 up = earth_up(bound.box.center);
    double reach = 0;
    for (int i = 0; i < 3; i++) {
        reach += fabs(vec3_dot(bound.box.half[i], up));
    }
    return earth_from_ecef(bound.box.center).height_m - reach;
}

/* ---- drawing ---- */

uint32_t scene_number(struct text id)
{
    const struct span bytes = {(const uint8_t *)id.data, id.size};
    const uint32_t number = (uint32_t)(digest_short(bytes) >> 33);
    return number == 0 ? 1 : number;
}

/* What stands for the feature wherever it is drawn. */
static uint32_t number_of(struct text id, struct text class_name)
{
    const bool is_building = class_name.size == 0 ||
                             (class_name.size >= 8 && memcmp(class_name.data, "Building", 8) == 0);
    return scene_number(id) | (is_building ? SCENE_BUILDING : 0);
}

static const struct property_column *column_of(const struct property_table *table, const char *id,
                                               const char *semantic)
{
    for (size_t i = 0; i < table->column_count; i++) {
        const struct property *property = &table->schema->properties[table->columns[i].property];
        const bool is_named =
            text_is(property->id, id) || (semantic != NULL && property->semantic != NULL &&
                                          strcmp(property->semantic, semantic) == 0);
        if (is_named && (property->type == PROPERTY_STRING || property->type == PROPERTY_ENUM)) {
            return &table->columns[i];
        }
    }
    return NULL;
}

/* A row's word; "" without a column, and where an enum has none. */
static struct text word_in(const struct property_table *table, const struct property_column *column,
                           uint32_t row)
{
    const struct text none = {NULL, 0};
    if (column == NULL) {
        return none;
    }
    const struct property *property = &table->schema->properties[column->property];
    if (property->type == PROPERTY_STRING) {
        return column->values.string[row];
    }
    const size_t value = column->values.small[row];
    return value < property->enum_count ? property->enum_names[value] : none;
}

/* A number for every row of the tile's table; NULL without one. */
static bool number_features(struct scene *scene, struct text name, const struct mesh_tile *content,
                            uint32_t **out, struct err *err)
{
    *out = NULL;
    if (content->table == NULL) {
        return true;
    }
    struct property_table table = *content->table;
    if (table.schema->uri.size > 0) {
        struct text schema_name;
        struct scene_schema *schema;
        if (!scene_resolve(folder_of(name), table.schema->uri, scene->run, &schema_name, err) ||
            !scene_open_schema(scene, schema_name, &schema, err) ||
            !glb_read_table(buf_span(&scene->bytes), &schema->schema, &scene->content, &table,
                            err)) {
            return false;
        }
    }
    uint32_t *numbers = arena_array(&scene->content, uint32_t, table.row_count);
    if (numbers == NULL) {
        return arena_full(&scene->content, err);
    }
    const struct property_column *ids = column_of(&table, "id", "ID");
    const struct property_column *classes = column_of(&table, "class", NULL);
    for (uint32_t i = 0; i < table.row_count; i++) {
        numbers[i] = number_of(word_in(&table, ids, i), word_in(&table, classes, i));
    }
    *out = numbers;
    return true;
}

static bool draw_content(struct scene *scene, const struct scene_request *request, scene_draw *draw,
                         void *drawer, struct scene_drawn *drawn, struct err *err)
{
    if (!scene_load(scene, request->name, err)) {
        return false;
    }
    struct mesh_tile content;
    uint32_t *numbers;
    const struct span bytes = buf_span(&scene->bytes);
    const bool is_b3dm = bytes.size >= 4 && memcmp(bytes.data, "b3dm", 4) == 0;
    arena_reset(&scene->content, (struct arena_mark){0});
    const bool ok = (is_b3dm ? b3dm_read_tile(bytes, &scene->content, &content, err)
                             : glb_read(bytes, &scene->content, &content, err)) &&
                    number_features(scene, request->name, &content, &numbers, err);
    if (!ok) {
        char text[128];
        snprintf(text, sizeof text, "%.*s", TEXT_ARGS(request->name));
        err_in_source(err, text);
        return false;
    }
    drawn->tile_count++;
    drawn->feature_count += content.table == NULL ? 0 : content.table->row_count;
    for (size_t i = 0; i < content.mesh_count; i++) {
        drawn->triangle_count += content.meshes[i].index_count / 3;
    }
    return draw(drawer, &content, numbers, request->frame, err);
}

bool scene_draw_choice(struct scene *scene, const struct scene_choice *choice, scene_draw *draw,
                       void *drawer, struct scene_drawn *out, struct err *err)
{
    struct scene_drawn drawn = {.request_count = choice->count};
    for (size_t i = 0; i < choice->count; i++) {
        drawn.bytes += choice->requests[i].bytes;
        if (choice->requests[i].is_shown &&
            !draw_content(scene, &choice->requests[i], draw, drawer, &drawn, err)) {
            return false;
        }
    }
    *out = drawn;
    return true;
}

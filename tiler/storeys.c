/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/storeys.h"

#include <math.h>

#include "formats/number.h"

enum { KEY_BYTES_MAX = 64 };

/* Folded: lower case without separators. */
static const struct {
    const char *key;
    enum storeys_role role;
} known_keys[] = {
    {"storeysaboveground", STOREYS_ABOVE},
    {"storeysbelowground", STOREYS_BELOW},
    {"storeyheightsaboveground", STOREYS_HEIGHTS_ABOVE},
    {"storeyheightsbelowground", STOREYS_HEIGHTS_BELOW},
    {"buildinglevels", STOREYS_ABOVE},
    {"buildinglevelsunderground", STOREYS_BELOW},
    {"storeys", STOREYS_ABOVE},
    {"stories", STOREYS_ABOVE},
    {"storeycount", STOREYS_ABOVE},
    {"numberofstoreys", STOREYS_ABOVE},
    {"numberofstories", STOREYS_ABOVE},
    {"numberoffloors", STOREYS_ABOVE},
    {"numstoreys", STOREYS_ABOVE},
    {"numfloors", STOREYS_ABOVE},
    {"floors", STOREYS_ABOVE},
    {"floorcount", STOREYS_ABOVE},
    {"floorsaboveground", STOREYS_ABOVE},
    {"floorsbelowground", STOREYS_BELOW},
    {"basements", STOREYS_BELOW},
    {"bouwlagen", STOREYS_ABOVE},
    {"aantalbouwlagen", STOREYS_ABOVE},
    {"b3bouwlagen", STOREYS_ABOVE},
    {"anzahlderoberirdischengeschosse", STOREYS_ABOVE},
    {"anzahlderunterirdischengeschosse", STOREYS_BELOW},
    {"geschosse", STOREYS_ABOVE},
    {"nombreetages", STOREYS_ABOVE},
    {"楼层", STOREYS_ABOVE},
    {"楼层数", STOREYS_ABOVE},
    {"层数", STOREYS_ABOVE},
    {"地上层数", STOREYS_ABOVE},
    {"地下层数", STOREYS_BELOW},
};

/* The key without separators; what stands before the last ':' of a namespace
 * too, unless it is OpenStreetMap's. */
static size_t fold(struct text key, bool keeps_namespace, char out[KEY_BYTES_MAX])
{
    size_t size = 0;
    for (size_t i = 0; i < key.size; i++) {
        const char c = key.data[i];
        if (c == ':' && !keeps_namespace) {
            size = 0;
        }
        if (c == '_' || c == ':' || c == '-' || c == ' ' || c == '.') {
            continue;
        }
        if (size == KEY_BYTES_MAX) {
            return 0;
        }
        out[size++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    return size;
}

static enum storeys_role find_role(struct text folded)
{
    for (size_t i = 0; i < sizeof known_keys / sizeof known_keys[0]; i++) {
        if (text_is(folded, known_keys[i].key)) {
            return known_keys[i].role;
        }
    }
    return STOREYS_NO_ROLE;
}

enum storeys_role storeys_role_of(struct text key)
{
    char folded[KEY_BYTES_MAX];
    const enum storeys_role whole = find_role((struct text){folded, fold(key, true, folded)});
    return whole != STOREYS_NO_ROLE ? whole
                                    : find_role((struct text){folded, fold(key, false, folded)});
}

/* The numbers in a text: "3", "3.2 3.0 3.0", "[3.2,3.0]", "4;5". */
static uint32_t read_numbers(struct text text, double *out, uint32_t room)
{
    uint32_t count = 0;
    for (size_t at = 0; at < text.size && count < room;) {
        const struct text rest = {text.data + at, text.size - at};
        const size_t size = number_read(rest, &out[count]);
        if (size > 0 && isfinite(out[count])) {
            count++;
        }
        at += size > 0 ? size : 1;
    }
    return count;
}

static uint32_t read_values(const struct feature_value *value, double *out, uint32_t room)
{
    switch (value->type) {
    case FEATURE_INT:
        out[0] = (double)value->integer;
        return 1;
    case FEATURE_REAL:
        out[0] = value->real;
        return 1;
    case FEATURE_TEXT:
    case FEATURE_JSON:
        return read_numbers(value->text, out, room);
    case FEATURE_NULL:
    case FEATURE_BOOL:
        break;
    }
    return 0;
}

static bool read_count(const struct feature_value *value, uint32_t *out)
{
    double number;
    if (read_values(value, &number, 1) == 0 || !(number >= 0) || !(number <= STOREYS_MAX)) {
        return false;
    }
    *out = (uint32_t)number; /* 2.5 storeys: two and an attic */
    return true;
}

/* What the attributes say. */
struct told {
    bool has_above, has_below;
    uint32_t above, below;
    double heights_above[STOREYS_MAX], heights_below[STOREYS_MAX];
    uint32_t heights_above_count, heights_below_count;
};

static uint32_t read_heights(const struct feature_value *value, double out[STOREYS_MAX])
{
    const uint32_t count = read_values(value, out, STOREYS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        if (!(out[i] > 0.5) || !(out[i] < 100)) {
            return 0; /* metres nobody could live in: another unit, or none */
        }
    }
    return count;
}

static void listen(const struct record *record, const uint8_t *roles, struct told *told)
{
    for (size_t i = 0; i < record->attribute_count; i++) {
        const struct record_attribute *attribute = &record->attributes[i];
        switch ((enum storeys_role)roles[attribute->key]) {
        case STOREYS_NO_ROLE:
            break;
        case STOREYS_ABOVE:
            told->has_above = told->has_above || read_count(&attribute->value, &told->above);
            break;
        case STOREYS_BELOW:
            told->has_below = told->has_below || read_count(&attribute->value, &told->below);
            break;
        case STOREYS_HEIGHTS_ABOVE:
            told->heights_above_count = read_heights(&attribute->value, told->heights_above);
            break;
        case STOREYS_HEIGHTS_BELOW:
            told->heights_below_count = read_heights(&attribute->value, told->heights_below);
            break;
        }
    }
}

static double height_at(const double *heights, uint32_t count, uint32_t at)
{
    return heights[at < count ? at : count - 1]; /* the last one goes on */
}

static void place_floors(const struct told *told, double height_m, struct storeys *out)
{
    double even_m = out->above > 0 ? height_m / out->above : STOREYS_HEIGHT_M;
    double floor_m = 0;
    for (uint32_t i = 0; i < out->above; i++) {
        out->floors[out->below + i] = floor_m;
        floor_m += told->heights_above_count > 0
                       ? height_at(told->heights_above, told->heights_above_count, i)
                       : even_m;
    }
    floor_m = 0;
    for (uint32_t i = 0; i < out->below; i++) {
        floor_m -= told->heights_below_count > 0
                       ? height_at(told->heights_below, told->heights_below_count, i)
                       : STOREYS_HEIGHT_M;
        out->floors[out->below - 1 - i] = floor_m;
    }
}

static bool is_building(struct text kind)
{
    return text_is(kind, "Building") || text_is(kind, "BuildingPart") ||
           text_is(kind, "BuildingUnit");
}

void storeys_measure(const struct record *record, const uint8_t *roles, double height_m,
                     struct storeys *out)
{
    struct told told = {.above = 0};
    listen(record, roles, &told);
    out->has_floors = false;
    out->above = told.has_above ? told.above : told.heights_above_count;
    out->below = told.has_below ? told.below : told.heights_below_count;
    out->kind = STOREYS_OF_SOURCE;
    if (out->above == 0 && is_building(record->feature.kind) && height_m > 0) {
        const double count = floor(height_m / STOREYS_HEIGHT_M);
        out->above = count < 1 ? 1 : count > STOREYS_MAX ? STOREYS_MAX : (uint32_t)count;
        out->kind = STOREYS_DERIVED;
    }
    if (out->above == 0 && out->below == 0) {
        out->kind = STOREYS_UNKNOWN;
        return;
    }
    if (told.heights_above_count > 0 || told.heights_below_count > 0) {
        out->has_floors = true;
        place_floors(&told, height_m, out);
    }
}

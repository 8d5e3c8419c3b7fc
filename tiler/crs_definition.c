/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/crs_definition.h"

#include <ctype.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "formats/base/bytes.h"
#include "formats/base/earth.h"

enum { LINE_BYTES_MAX = 4096, KEYS_MAX = 24 };

struct alias {
    const char *name;
    const char *code;
};

/* The German surveys' names (AdV, GeoInfoDok "Koordinatenreferenzsysteme"). */
static const struct alias german_planes[] = {
    {"ETRS89_UTM31", "EPSG:25831"},    {"ETRS89_UTM32", "EPSG:25832"},
    {"ETRS89_UTM33", "EPSG:25833"},    {"ETRS89_Lat-Lon", "EPSG:4258"},
    {"ETRS89_Lat-Lon-h", "EPSG:4937"}, {"ETRS89_X-Y-Z", "EPSG:4936"},
    {"DE_DHDN_3GK2", "EPSG:31466"},    {"DE_DHDN_3GK3", "EPSG:31467"},
    {"DE_DHDN_3GK4", "EPSG:31468"},    {"DE_DHDN_3GK5", "EPSG:31469"},
    {"DE_42-83_3GK3", "EPSG:2397"},    {"DE_42-83_3GK4", "EPSG:2398"},
    {"DE_42-83_3GK5", "EPSG:2399"},    {"DE_PD-83_3GK3", "EPSG:3396"},
    {"DE_PD-83_3GK4", "EPSG:3397"},    {"DE_RD-83_3GK4", "EPSG:3398"},
    {"DE_RD-83_3GK5", "EPSG:3399"},    {"WGS84_Lat-Lon", "EPSG:4326"},
    {"WGS84_Lat-Lon-h", "EPSG:4979"},
};

static const struct alias german_heights[] = {
    {"DE_DHHN2016_NH", "EPSG:7837"}, {"DE_DHHN92_NH", "EPSG:5783"}, {"DE_DHHN85_NOH", "EPSG:5784"},
    {"DE_DHHN12_NOH", "EPSG:7699"},  {"DE_SNN76_NH", "EPSG:5785"},
};

static const char *find_alias(const struct alias *aliases, size_t count, struct text name)
{
    for (size_t i = 0; i < count; i++) {
        if (text_is(name, aliases[i].name)) {
            return aliases[i].code;
        }
    }
    return NULL;
}

static bool starts_with(const char *text, const char *prefix)
{
    return strncasecmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_digits(const char *text)
{
    return text[0] != '\0' && text[strspn(text, "0123456789")] == '\0';
}

/* A copy without white space at either end. */
static char *trimmed(const char *text, size_t size, struct arena *run)
{
    while (size > 0 && isspace((unsigned char)text[0])) {
        text++;
        size--;
    }
    while (size > 0 && isspace((unsigned char)text[size - 1])) {
        size--;
    }
    char *copy = arena_array(run, char, size + 1);
    if (copy != NULL && size > 0) {
        memcpy(copy, text, size);
    }
    return copy;
}

/* The words of a URN or URL path, split at any of `separators`. */
enum { WORDS_MAX = 12 };

static size_t split(char *text, char separator, char *words[WORDS_MAX])
{
    size_t count = 0;
    char *at = text;
    while (count < WORDS_MAX) {
        words[count++] = at;
        at = strchr(at, separator);
        if (at == NULL) {
            break;
        }
        *at++ = '\0';
    }
    return count;
}

/* "EPSG:4547" from an authority and a code, in the spelling PROJ wants. */
static const char *join_code(const char *authority, const char *code, struct arena *run)
{
    char *joined = arena_print(run, "%s:%s", authority, code);
    if (joined == NULL) {
        return NULL;
    }
    for (char *at = joined; *at != ':' && *at != '\0'; at++) {
        *at = (char)toupper((unsigned char)*at);
    }
    if (strcasecmp(authority, "CRS") == 0 && is_digits(code)) {
        return arena_print(run, "OGC:CRS%s", code); /* CRS:84 of the map services */
    }
    return joined;
}

/* urn:ogc:def:crs:EPSG:version:4547 and its relatives; NULL: it is none. */
static const char *code_of_urn(const char *text, struct arena *run)
{
    if (!starts_with(text, "urn:ogc:def:crs:") && !starts_with(text, "urn:x-ogc:def:crs:") &&
        !starts_with(text, "urn:opengis:def:crs:") && !starts_with(text, "crs:")) {
        return NULL;
    }
    char *copy = trimmed(text, strlen(text), run);
    char *words[WORDS_MAX];
    const size_t count = copy == NULL ? 0 : split(copy, ':', words);
    const size_t first = starts_with(text, "crs:") ? 1 : 4;
    if (count < first + 2) {
        return NULL;
    }
    return join_code(words[first], words[count - 1], run);
}

/* http://www.opengis.net/def/crs/EPSG/0/4547, .../gml/srs/epsg.xml#4547. The
 * latter is older than the rule that EPSG's order of axes holds: programs that
 * write it put longitude first. */
static const char *code_of_url(const char *text, struct arena *run)
{
    if (!starts_with(text, "http://") && !starts_with(text, "https://")) {
        return NULL;
    }
    const char *hash = strstr(text, "epsg.xml#");
    if (hash != NULL) {
        const char *code = hash + strlen("epsg.xml#");
        return strcmp(code, "4326") == 0 ? join_code("OGC", "CRS84", run)
                                         : join_code("EPSG", code, run);
    }
    const char *path = strstr(text, "/def/crs/");
    if (path == NULL) {
        return NULL;
    }
    path += strlen("/def/crs/");
    char *copy = trimmed(path, strlen(path), run);
    char *words[WORDS_MAX];
    size_t count = copy == NULL ? 0 : split(copy, '/', words);
    while (count > 0 && words[count - 1][0] == '\0') {
        count--; /* a slash at the end */
    }
    return count < 2 ? NULL : join_code(words[0], words[count - 1], run);
}

/* EPSG:4547, epsg::4547, 4547, CRS:84; not WKT, not names. */
static const char *code_of_pair(const char *text, struct arena *run)
{
    if (is_digits(text)) {
        return join_code("EPSG", text, run);
    }
    const size_t authority = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_");
    if (authority == 0 || text[authority] != ':') {
        return NULL;
    }
    const char *code = strrchr(text, ':') + 1;
    const bool is_code =
        code[0] != '\0' && code[strspn(code, "0123456789"
                                             "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                             "_")] == '\0';
    if (!is_code) {
        return NULL;
    }
    char *name = trimmed(text, authority, run);
    return name == NULL ? NULL : join_code(name, code, run);
}

const char *crs_definition_code(const char *text, struct arena *run)
{
    const char *old = "+init="; /* PROJ 4's, with another axis order that is not ours either */
    if (starts_with(text, old) && text[strlen(old)] != '\0' && strpbrk(text, " \t") == NULL) {
        text += strlen(old);
    }
    const char *code = code_of_url(text, run);
    if (code == NULL) {
        code = code_of_urn(text, run);
    }
    if (code == NULL && !starts_with(text, "urn:")) {
        code = code_of_pair(text, run);
    }
    return code == NULL ? text : code;
}

static bool read_german(const char *text, struct arena *run, struct crs_definition *found,
                        struct err *err)
{
    char *copy = trimmed(text, strlen(text), run);
    if (copy == NULL) {
        return arena_full(run, err);
    }
    char *words[WORDS_MAX];
    const size_t count = split(copy, '*', words);
    found->horizontal = find_alias(german_planes, sizeof german_planes / sizeof german_planes[0],
                                   text_of(words[0]));
    if (found->horizontal == NULL) {
        return err_set(err, ERR_CRS,
                       "no such system of the German surveys: '%.80s'; --crs names it", text);
    }
    if (count >= 2) {
        found->vertical = find_alias(
            german_heights, sizeof german_heights / sizeof german_heights[0], text_of(words[1]));
        if (found->vertical == NULL) {
            return err_set(err, ERR_CRS,
                           "no such height system of the German surveys: '%.60s'; "
                           "--crs names another",
                           words[1]);
        }
        found->code = arena_print(run, "%s+%s", strchr(found->horizontal, ':') + 1,
                                  strchr(found->vertical, ':') + 1);
        if (found->code == NULL) {
            return arena_full(run, err);
        }
    }
    return true;
}

/* Two systems joined: "EPSG:28992+5709" and the two standard long forms. */
static bool join_two(const char *plane, const char *height, struct arena *run,
                     struct crs_definition *found, struct err *err)
{
    found->horizontal = crs_definition_code(plane, run);
    found->vertical = crs_definition_code(height, run);
    const char *plane_code = found->horizontal == NULL ? NULL : strchr(found->horizontal, ':');
    const char *height_code = found->vertical == NULL ? NULL : strchr(found->vertical, ':');
    if (plane_code != NULL && height_code != NULL && starts_with(found->horizontal, "EPSG:") &&
        starts_with(found->vertical, "EPSG:")) {
        found->code = arena_print(run, "%s+%s", plane_code + 1, height_code + 1);
    }
    if (found->horizontal == NULL || found->vertical == NULL) {
        return arena_full(run, err);
    }
    return true;
}

/* Splits at the first `mark` inside a copy; false when there is none. */
static bool split_pair(const char *text, const char *mark, struct arena *run, char **out_left,
                       char **out_right)
{
    const char *at = strstr(text, mark);
    if (at == NULL) {
        return false;
    }
    *out_left = trimmed(text, (size_t)(at - text), run);
    *out_right = trimmed(at + strlen(mark), strlen(at + strlen(mark)), run);
    return *out_left != NULL && *out_right != NULL && **out_left != '\0' && **out_right != '\0';
}

static bool read_code(const char *text, struct arena *run, struct crs_definition *found,
                      struct err *err)
{
    char *plane;
    char *height;
    if (starts_with(text, "urn:ogc:def:crs,") && split_pair(text + 16, ",", run, &plane, &height)) {
        return join_two(plane, height, run, found, err);
    }
    const char *compound = strstr(text, "/def/crs-compound?1=");
    if (compound != NULL &&
        split_pair(compound + strlen("/def/crs-compound?1="), "&2=", run, &plane, &height)) {
        return join_two(plane, height, run, found, err);
    }
    const bool is_code_pair = starts_with(text, "EPSG:") || starts_with(text, "ESRI:") ||
                              starts_with(text, "IGNF:") || isdigit((unsigned char)text[0]);
    if (is_code_pair && split_pair(text, "+", run, &plane, &height)) {
        return join_two(plane, height, run, found, err);
    }
    found->horizontal = crs_definition_code(text, run);
    return found->horizontal != NULL || arena_full(run, err);
}

/* Decimal degrees, or 118d50, 118d50'30, 118°50'30" */
static bool read_degrees(const char **at, double *out_deg, bool *out_is_decimal)
{
    double total = 0;
    double unit = 1;
    *out_is_decimal = true;
    for (int part = 0; part < 3; part++) {
        if (!isdigit((unsigned char)**at) && !(part == 0 && (**at == '-' || **at == '+'))) {
            if (part == 0) {
                return false;
            }
            break;
        }
        char *end;
        const double value = strtod(*at, &end);
        if (end == *at || !isfinite(value) || (part > 0 && (value < 0 || value >= 60))) {
            return false;
        }
        total += total < 0 || (part > 0 && signbit(total)) ? -value / unit : value / unit;
        unit *= 60;
        *at = end;
        const char *before = *at;
        if (starts_with(*at, "\xC2\xB0")) {
            *at += 2;
        } else if (**at == 'd' || **at == '\'' || **at == '"') {
            *at += 1;
        }
        if (*at == before) {
            break;
        }
        *out_is_decimal = *out_is_decimal && part == 0 && !isdigit((unsigned char)**at);
    }
    *out_deg = total;
    return true;
}

/* 118.8333 is what people write for 118 degrees 50 minutes, 3 m beside it. */
static const char *doubt_rounded_meridian(double meridian_deg, struct arena *run)
{
    const double minutes = meridian_deg * 60;
    const double whole = round(minutes);
    const double miss_m = fabs(minutes - whole) / 60 * EARTH_RAD_PER_DEG * EARTH_SEMI_MAJOR_M;
    if (miss_m < 1e-4 || miss_m > 60) {
        return NULL;
    }
    const int degrees = (int)(whole / 60);
    const int rest = (int)(whole - 60.0 * degrees);
    return arena_print(run,
                       "the central meridian %.10g is taken as written; if %dd%02d is meant, write "
                       "cgcs2000:%dd%02d: it lies %.3g m away at the equator",
                       meridian_deg, degrees, rest, degrees, rest, miss_m);
}

#define DEGREE "ANGLEUNIT[\"degree\",0.0174532925199433]"
#define METRE "LENGTHUNIT[\"metre\",1]"

static bool read_meridian(const char *text, struct arena *run, struct crs_definition *found,
                          struct err *err)
{
    const char *at = text + strlen("cgcs2000:");
    double prefix = 0;
    bool is_decimal = true;
    const bool has_degrees = read_degrees(&at, &found->meridian_deg, &is_decimal);
    if (has_degrees && *at == ',') {
        char *end;
        prefix = strtod(at + 1, &end);
        at = end == at + 1 ? at : end;
    }
    if (!has_degrees || *at != '\0') {
        return err_set(err, ERR_CRS,
                       "'%.60s' is not cgcs2000:LONGITUDE or cgcs2000:LONGITUDE,PREFIX, such as "
                       "cgcs2000:118d50 or cgcs2000:118.5,39",
                       text);
    }
    if (!(fabs(found->meridian_deg) <= 180)) {
        return err_set(err, ERR_CRS, "central meridian %g is not between -180 and 180",
                       found->meridian_deg);
    }
    if (!(prefix >= 0 && prefix <= 120 && prefix == floor(prefix))) {
        return err_set(err, ERR_CRS, "zone prefix %g is not a whole number from 0 to 120", prefix);
    }
    found->is_meridian = true;
    found->notice = is_decimal ? doubt_rounded_meridian(found->meridian_deg, run) : NULL;
    found->name = prefix > 0
                      ? arena_print(run, "CGCS2000 / Gauss-Kruger CM %.10gE, prefix %.0f",
                                    found->meridian_deg, prefix)
                      : arena_print(run, "CGCS2000 / Gauss-Kruger CM %.10gE", found->meridian_deg);
    if (found->name == NULL) {
        return arena_full(run, err);
    }
    found->horizontal = arena_print(
        run,
        "PROJCRS[\"%s\",BASEGEOGCRS[\"China Geodetic Coordinate System 2000\","
        "DATUM[\"China 2000\",ELLIPSOID[\"CGCS2000\",6378137,298.257222101," METRE "]],"
        "PRIMEM[\"Greenwich\",0," DEGREE "]],"
        "CONVERSION[\"Gauss-Kruger CM %.10gE\",METHOD[\"Transverse Mercator\",ID[\"EPSG\",9807]],"
        "PARAMETER[\"Latitude of natural origin\",0," DEGREE "],"
        "PARAMETER[\"Longitude of natural origin\",%.15g," DEGREE "],"
        "PARAMETER[\"Scale factor at natural origin\",1,SCALEUNIT[\"unity\",1]],"
        "PARAMETER[\"False easting\",%.0f," METRE "],"
        "PARAMETER[\"False northing\",0," METRE "]],"
        "CS[Cartesian,2],AXIS[\"easting (E)\",east,ORDER[1]," METRE "],"
        "AXIS[\"northing (N)\",north,ORDER[2]," METRE "]]",
        found->name, found->meridian_deg, found->meridian_deg, prefix * 1e6 + 500000);
    return found->horizontal != NULL || arena_full(run, err);
}

/* A local system's text: keys and values, each at most once. */
struct setting {
    char *key;
    char *value;
    uint32_t line;
    bool is_used;
};

struct settings {
    struct setting all[KEYS_MAX];
    size_t count;
    uint32_t last_line;
};

static bool fail_at(struct err *err, uint32_t line, const char *message, const char *what)
{
    err_set(err, ERR_SYNTAX, "%s '%.60s' in the description of a local system", message, what);
    err_at_line(err, line, 1);
    return false;
}

static bool add_setting(struct settings *settings, const char *text, size_t size, uint32_t line,
                        struct arena *run, struct err *err)
{
    const char *comment = memchr(text, '#', size);
    char *whole = trimmed(text, comment == NULL ? size : (size_t)(comment - text), run);
    if (whole == NULL) {
        return arena_full(run, err);
    }
    if (*whole == '\0') {
        return true;
    }
    const char *equals = strchr(whole, '=');
    if (equals == NULL || equals == whole) {
        return fail_at(err, line, "no 'key = value' but", whole);
    }
    char *key = trimmed(whole, (size_t)(equals - whole), run);
    char *value = trimmed(equals + 1, strlen(equals + 1), run);
    if (key == NULL || value == NULL) {
        return arena_full(run, err);
    }
    for (size_t i = 0; i < settings->count; i++) {
        if (strcmp(settings->all[i].key, key) == 0) {
            return fail_at(err, line, "a second", key);
        }
    }
    if (settings->count == KEYS_MAX) {
        return fail_at(err, line, "too many keys at", key);
    }
    settings->all[settings->count++] = (struct setting){key, value, line, false};
    return true;
}

static bool read_settings(const char *text, struct arena *run, struct settings *settings,
                          struct err *err)
{
    uint32_t line = 1;
    while (*text != '\0') {
        const size_t size = strcspn(text, "\n");
        if (size > LINE_BYTES_MAX) {
            return fail_at(err, line, "a line too long", "");
        }
        if (!add_setting(settings, text, size, line, run, err)) {
            return false;
        }
        text += size;
        if (*text == '\n') {
            text++;
            line++;
        }
    }
    settings->last_line = line;
    return true;
}

static struct setting *find_setting(struct settings *settings, const char *key)
{
    for (size_t i = 0; i < settings->count; i++) {
        if (strcmp(settings->all[i].key, key) == 0) {
            settings->all[i].is_used = true;
            return &settings->all[i];
        }
    }
    return NULL;
}

static bool read_word(struct settings *settings, const char *key, const char **out, struct err *err)
{
    const struct setting *setting = find_setting(settings, key);
    if (setting == NULL || *setting->value == '\0') {
        return fail_at(err, settings->last_line, "no value for", key);
    }
    *out = setting->value;
    return true;
}

/* Which of two words a key has. */
static bool read_choice(struct settings *settings, const char *key, const char *no, const char *yes,
                        bool *out, struct err *err)
{
    const char *value;
    if (!read_word(settings, key, &value, err)) {
        return false;
    }
    *out = strcmp(value, yes) == 0;
    if (!*out && strcmp(value, no) != 0) {
        return fail_at(err, find_setting(settings, key)->line, "unknown convention", value);
    }
    return true;
}

static bool read_number(struct settings *settings, const char *key, double *out, struct err *err)
{
    const char *value;
    if (!read_word(settings, key, &value, err)) {
        return false;
    }
    char *end;
    *out = strtod(value, &end);
    if (end == value || *end != '\0' || !isfinite(*out)) {
        return fail_at(err, find_setting(settings, key)->line, "not a number:", value);
    }
    return true;
}

/* The same quantity under the key that states its unit. */
static bool read_either(struct settings *settings, const char *key, const char *other_key,
                        double other_unit, double other_origin, double *out, struct err *err)
{
    if (find_setting(settings, other_key) == NULL) {
        return read_number(settings, key, out, err);
    }
    if (find_setting(settings, key) != NULL) {
        return fail_at(err, find_setting(settings, key)->line, "both units given:", key);
    }
    double value;
    if (!read_number(settings, other_key, &value, err)) {
        return false;
    }
    *out = other_origin + value * other_unit;
    return true;
}

static bool read_plane(struct settings *settings, struct crs_definition *found, struct err *err)
{
    double dx, dy, rotation_deg, scale;
    bool is_north_east;
    if (!read_number(settings, "dx", &dx, err) || !read_number(settings, "dy", &dy, err) ||
        !read_either(settings, "rotation_deg", "rotation_arcsec", 1 / 3600.0, 0, &rotation_deg,
                     err) ||
        !read_either(settings, "scale", "scale_ppm", 1e-6, 1, &scale, err) ||
        !read_choice(settings, "convention", "east-north", "north-east", &is_north_east, err)) {
        return false;
    }
    if (!(scale > 0.5 && scale < 2)) {
        err_set(err, ERR_SYNTAX,
                "scale %g of a local system is not near 1 (scale_ppm counts "
                "millionths)",
                scale);
        err_at_line(err, settings->last_line, 1);
        return false;
    }
    const double c = scale * cos(rotation_deg * EARTH_RAD_PER_DEG);
    const double s = scale * sin(rotation_deg * EARTH_RAD_PER_DEG);
    const double east_north[6] = {dx, c, -s, dy, s, c};
    const double north_east[6] = {dy, c, s, dx, -s, c};
    memcpy(found->plane, is_north_east ? north_east : east_north, sizeof found->plane);
    found->has_plane = true;
    return true;
}

static bool read_helmert(struct settings *settings, struct crs_definition *found, struct err *err)
{
    static const char *const keys[] = {"dx",        "dy",        "dz",       "rx_arcsec",
                                       "ry_arcsec", "rz_arcsec", "scale_ppm"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (!read_number(settings, keys[i], &found->helmert[i], err)) {
            return false;
        }
    }
    return read_choice(settings, "convention", "coordinate-frame", "position-vector",
                       &found->is_position_vector, err);
}

/* What `base` or `system` names: anything but a local system again. */
static bool read_inner(const char *text, struct arena *run, struct crs_definition *found,
                       struct err *err)
{
    if (starts_with(text, "cgcs2000:")) {
        struct crs_definition meridian = {0};
        if (!read_meridian(text, run, &meridian, err)) {
            return false;
        }
        found->horizontal = meridian.horizontal;
        return true;
    }
    return read_code(text, run, found, err);
}

static bool read_local(const char *text, struct arena *run, struct crs_definition *found,
                       struct err *err)
{
    struct settings settings = {0};
    const char *base;
    const char *system = NULL;
    const char *kind;
    if (!read_settings(text, run, &settings, err) ||
        !read_word(&settings, "parameters", &kind, err) ||
        !read_word(&settings, "base", &base, err)) {
        return false;
    }
    const struct setting *name = find_setting(&settings, "name");
    found->name = name == NULL || *name->value == '\0' ? "local system" : name->value;
    if (strcmp(kind, "four") == 0) {
        if (!read_plane(&settings, found, err) || !read_inner(base, run, found, err)) {
            return false;
        }
    } else if (strcmp(kind, "seven") == 0) {
        if (!read_word(&settings, "system", &system, err) || !read_helmert(&settings, found, err) ||
            !read_inner(system, run, found, err)) {
            return false;
        }
        found->shift_base = crs_definition_code(base, run);
    } else {
        return fail_at(err, find_setting(&settings, "parameters")->line,
                       "parameters are 'four' or 'seven', not", kind);
    }
    for (size_t i = 0; i < settings.count; i++) {
        if (!settings.all[i].is_used) {
            return fail_at(err, settings.all[i].line, "unknown key", settings.all[i].key);
        }
    }
    return true;
}

/* A local system's text begins with `word =`; nothing else does. */
static bool is_local(const char *text)
{
    while (*text != '\0') {
        text += strspn(text, " \t\r\n");
        if (*text != '#') {
            break;
        }
        text += strcspn(text, "\n");
    }
    const size_t word = strspn(text, "abcdefghijklmnopqrstuvwxyz_");
    return word > 0 && text[word + strspn(text + word, " \t")] == '=';
}

static bool read_trimmed(const char *text, struct arena *run, struct crs_definition *found,
                         struct err *err)
{
    if (strcasecmp(text, "gcj02") == 0 || strcasecmp(text, "gcj-02") == 0) {
        found->shift = GCJ02_GCJ02;
        found->name = "GCJ-02";
        found->horizontal = "EPSG:4326";
        return true;
    }
    if (strcasecmp(text, "bd09") == 0 || strcasecmp(text, "bd-09") == 0) {
        found->shift = GCJ02_BD09;
        found->name = "BD-09";
        found->horizontal = "EPSG:4326";
        return true;
    }
    if (starts_with(text, "cgcs2000:")) {
        return read_meridian(text, run, found, err);
    }
    if (starts_with(text, "urn:adv:crs:")) {
        return read_german(text + strlen("urn:adv:crs:"), run, found, err);
    }
    return read_code(text, run, found, err);
}

bool crs_definition_read(const char *text, struct arena *run, struct crs_definition *out,
                         struct err *err)
{
    struct crs_definition found = {0};
    if (strncmp(text, "\xEF\xBB\xBF", 3) == 0) {
        text += 3; /* a byte order mark, as Windows editors leave it */
    }
    if (is_local(text)) {
        if (!read_local(text, run, &found, err)) {
            return false;
        }
    } else {
        /* A --crs-file may begin with comments. */
        text += strspn(text, " \t\r\n");
        while (*text == '#') {
            text += strcspn(text, "\n");
            text += strspn(text, " \t\r\n");
        }
        char *whole = trimmed(text, strlen(text), run);
        if (whole == NULL) {
            return arena_full(run, err);
        }
        if (*whole == '\0') {
            return err_set(err, ERR_CRS,
                           "an empty coordinate system; --crs names one, such as "
                           "--crs EPSG:4547");
        }
        if (!read_trimmed(whole, run, &found, err)) {
            return false;
        }
    }
    if (found.horizontal == NULL) {
        return arena_full(run, err);
    }
    *out = found;
    return true;
}

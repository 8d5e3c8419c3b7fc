/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "formats/number.h"
#include "tiler/jobs.h"

/* A viewer's 16 pixels become 16 / 2 = 8 for the worst feature of a tile, and less
 * than one on average: of the factors measured, the least at which every camera
 * measured keeps a similarity of .98 (tests/bench/README.md). */
static const double ERROR_FACTOR = 2;
static const double MAX_LOSS = 0.01;

struct command {
    const char *name;
    enum options_command command;
    const char *help;
};

static const struct command commands[] = {
    {"tile", COMMAND_TILE,
     "Usage: storey tile INPUT... -o OUT [OPTION]...\n"
     "Builds a 3D Tiles package from city models: files, folders of files, .gz and .zip of them.\n"
     "OUT is a folder, or one archive when it ends in .3tz.\n"
     "\n"
     "Input\n"
     "      --files-from FILE     further inputs, one a line; - is standard input\n"
     "      --class A,B           only these classes (Building, Road, ...)\n"
     "      --exclude-class A,B   not these\n"
     "      --lod N               nothing finer than level of detail N (0 to 4), where there is\n"
     "                            anything coarser; else the finest\n"
     "      --theme NAME          of materials and textures (default: the file's own, or the\n"
     "                            first that has textures)\n"
     "      --encoding NAME       of XML that is not UTF-8 and does not say what it is\n"
     "Coordinates\n"
     "      --crs CRS             EPSG:4547, EPSG:28992+5709, WKT, a PROJ string,\n"
     "                            cgcs2000:118.8333[,39], gcj02, bd09; overrides the file's own\n"
     "      --crs-file FILE       a local system: WKT, PROJ string, four or seven parameters\n"
     "      --vertical V          ellipsoid, EPSG:5773, ...: what heights are measured from\n"
     "      --geoid FILE|METRES   a height surface that PROJ has not\n"
     "      --height-offset M     metres added to every height\n"
     "      --axis auto|xy|yx     order of the first two coordinates\n"
     "      --allow-ballpark      accept a change of datum that is not known\n"
     "Tiles\n"
     "      --compress none|draco|meshopt (default draco)\n"
     "      --no-textures         colours instead of pictures on the faces\n"
     "      --texture-format F    auto|jpeg|png|webp; auto (default): JPEG, and PNG where\n"
     "                            there is alpha; jpeg has none\n"
     "      --tiles-version 1.0|1.1  (default 1.1)\n"
     "      --tile-bytes N        what a tile may weigh (default 256K); leaves half of that,\n"
     "                            others at most a quarter of the tiles they stand for\n"
     "      --properties A,B      attributes that far tiles have beside the id (default\n"
     "                            class,name,height); near ones have all\n"
     "      --error-factor K      geometricError = K x stated error (default 2: where a viewer\n"
     "                            with its 16 pixels goes on to finer tiles, the worst feature\n"
     "                            is off by at most 8)\n"
     "      --levels measured|drop  what far tiles show: the least error their bytes can buy\n"
     "                            (default), or just what is larger than the error: to compare\n"
     "Run\n"
     "  -o, --output OUT\n"
     "      --threads N           (default: all cores); the bytes do not depend on it\n"
     "      --temporary FOLDER    for spools (default: beside the output)\n"
     "      --report FILE.csv     everything that was dropped or repaired\n"
     "      --max-loss SHARE      do not replace a package when more of the features failed\n"
     "                            (default 0.01)\n"
     "      --strict              stop at the first feature that cannot be used\n"
     "      --stats               a table of stages: time, items, bytes; of the build, what\n"
     "                            full detail, coarser versions, and proofs of errors cost\n"
     "      --log auto|plain|json|quiet\n"},
    {"info", COMMAND_INFO,
     "Usage: storey info PATH [--json] [--crs CRS]\n"
     "What is in an input or in a package: coordinate system, extent, counts by class and level\n"
     "of detail, attributes with examples, warnings; for a package a table of its levels.\n"},
    {"check", COMMAND_CHECK,
     "Usage: storey check PACKAGE [--json]\n"
     "Verifies a package or any 3D Tiles folder, .3tz or tileset.json: digests, structure,\n"
     "boxes against contents, errors, metadata. Exit status 1 when there are errors.\n"},
    {"preview", COMMAND_PREVIEW,
     "Usage: storey preview PACKAGE -o PICTURE.png [OPTION]...\n"
     "       storey preview PACKAGE --against full [-o PICTURES.png] [OPTION]...\n"
     "       storey preview PACKAGE --json [OPTION]...\n"
     "Draws a package as a viewer shows it; tells what the viewer loads for that, and how far the\n"
     "picture is from full detail.\n"
     "\n"
     "      --look LON,LAT,HEIGHT,HEADING,PITCH   degrees, metres above the ellipsoid\n"
     "      --camera NAME,...     cameras that follow from the city: far, middle, near, street "
     "(one\n"
     "                            of them: far-1), or all; what is compared is seen from all\n"
     "      --sse PIXELS,...      screen-space error that picks tiles (default 16); 0 full detail\n"
     "      --size WxH            (default 1280x720; 1920x1080 where something is compared)\n"
     "      --samples N           N x N a pixel, 1 to 8 (default 2; 4 where something is "
     "compared)\n"
     "      --against full|PACKAGE  compare with full detail, of this package or another\n"
     "      --switches N          compare N tiles with their children, where these take their "
     "place\n"
     "      --json                figures, and every file that is loaded\n"
     "  -o, --output FILE         more than one picture: FILE-far-1-16.png, and so on\n"},
    {"query", COMMAND_QUERY,
     "Usage: storey query PACKAGE [QUESTION] [OPTION]...\n"
     "       storey query PACKAGE item ID\n"
     "       storey query PACKAGE queryables\n"
     "Asks a package what storeyd would be asked. QUESTION is one of\n"
     "  items      (default) all features, or those that the options leave\n"
     "  position   footprints at --coords 'POINT(4.36 52.01)'\n"
     "  radius     within --within METRES of a point\n"
     "  area       that meet --coords 'POLYGON((...))', --min-z, --max-z\n"
     "  nearest    the --k nearest to a point\n"
     "  ray        that --coords 'LINESTRING(lon lat height, lon lat height)' goes through\n"
     "  flood      buildings and storeys below --level METRES, in an area or everywhere\n"
     "item prints one feature, or a group with its members; queryables the properties.\n"
     "\n"
     "Which\n"
     "      --bbox W,S,E,N        or W,S,LOW,E,N,HIGH; degrees, ellipsoidal metres\n"
     "      --coords GEOMETRY     WKT, BBOX(w,s,e,n) or GeoJSON\n"
     "      --ids A,B --id A --class A,B --parent A,B --tile NAME --group ID\n"
     "      --filter CQL2         \"storeys >= 10 AND name LIKE '福田%'\"\n"
     "      --q WORDS             words in ids, names, addresses; one Chinese character will do\n"
     "      --where NAME=VALUE    a property that equals a value; again for more\n"
     "      --z M, --min-z M, --max-z M, --within M, --within-units m|km|ft|mi, --k N\n"
     "      --bbox-crs CRS --filter-crs CRS   CRS84 (default), CRS84h, EPSG:4326, 4979, 4490\n"
     "Flood\n"
     "      --level M             height of the water; of buildings, unless --class says more\n"
     "      --datum local|ellipsoid   local (default): the source's heights\n"
     "      --depth-field NAME --sum NAME,...\n"
     "Answer\n"
     "  -f, --format table|json|attributes|ids|style|bitset   (default table; json is\n"
     "                        GeoJSON; bitset: a bit a feature, in the order of items)\n"
     "      --sortby [-]NAME,...  --limit N (default 100)  --offset N\n"
     "      --properties A,B --skip-geometry --crs CRS\n"
     "  -o, --output FILE\n"
     "\n"
     "storey query city.3tz --q 中心 --sortby=-height --limit 5\n"
     "storey query city.3tz nearest --coords 'POINT(114.06 22.54)' --k 3 --class Building\n"
     "storey query city.3tz flood --level 3.5 --coords 'BBOX(114.0,22.5,114.1,22.6)' -f json\n"},
    {"pack", COMMAND_PACK,
     "Usage: storey pack FOLDER -o PACKAGE.3tz\n"
     "Puts a package into one archive.\n"},
    {"unpack", COMMAND_UNPACK,
     "Usage: storey unpack PACKAGE.3tz -o FOLDER\n"
     "Takes an archive apart.\n"},
};

static const char overview[] =
    "Usage: storey COMMAND [OPTION]...\n"
    "Turns building models into 3D Tiles with levels of detail.\n"
    "\n"
    "  tile INPUT... -o OUT     build a package (a folder, or one .3tz archive)\n"
    "  info PATH                what is in an input or a package\n"
    "  check PACKAGE            verify a package\n"
    "  preview PACKAGE -o PNG   draw a picture of it\n"
    "  query PACKAGE            ask it: by place, attribute, name, water level\n"
    "  pack FOLDER -o FILE      folder to .3tz\n"
    "  unpack FILE -o FOLDER    .3tz to folder\n"
    "\n"
    "storey COMMAND --help tells more, --version which build this is. storeyd serves packages.\n"
    "Exit status: 0 clean, 1 failed, 2 usage, 3 finished but features were left out.\n";

enum option_id {
    OPTION_FILES_FROM = 256,
    OPTION_CLASS,
    OPTION_LOD,
    OPTION_THEME,
    OPTION_ENCODING,
    OPTION_EXCLUDE_CLASS,
    OPTION_PROPERTIES,
    OPTION_CRS,
    OPTION_CRS_FILE,
    OPTION_VERTICAL,
    OPTION_GEOID,
    OPTION_HEIGHT_OFFSET,
    OPTION_AXIS,
    OPTION_ALLOW_BALLPARK,
    OPTION_COMPRESS,
    OPTION_NO_TEXTURES,
    OPTION_TEXTURE_FORMAT,
    OPTION_TILES_VERSION,
    OPTION_TILE_BYTES,
    OPTION_ERROR_FACTOR,
    OPTION_LEVELS,
    OPTION_THREADS,
    OPTION_TEMPORARY,
    OPTION_REPORT,
    OPTION_MAX_LOSS,
    OPTION_STRICT,
    OPTION_STATS,
    OPTION_LOG,
    OPTION_JSON,
    OPTION_LOOK,
    OPTION_CAMERA,
    OPTION_SSE,
    OPTION_SIZE,
    OPTION_SAMPLES,
    OPTION_SWITCHES,
    OPTION_AGAINST,
    OPTION_FORMAT,
    OPTION_SKIP_GEOMETRY,
    OPTION_WHERE,
    OPTION_QUERY
};

/* Bits of the commands that know an option. */
enum { T = 1 << COMMAND_TILE, I = 1 << COMMAND_INFO, C = 1 << COMMAND_CHECK };
enum { P = 1 << COMMAND_PREVIEW, K = 1 << COMMAND_PACK, U = 1 << COMMAND_UNPACK };
enum { Q = 1 << COMMAND_QUERY };

struct option_row {
    const char *name;
    int has_value;
    int id;
    int commands;
};

static const struct option_row rows[] = {
    {"output", required_argument, 'o', T | P | K | U | Q},
    {"help", no_argument, 'h', T | I | C | P | K | U | Q},
    {"files-from", required_argument, OPTION_FILES_FROM, T},
    {"class", required_argument, OPTION_CLASS, T},
    {"exclude-class", required_argument, OPTION_EXCLUDE_CLASS, T},
    {"lod", required_argument, OPTION_LOD, T},
    {"properties", required_argument, OPTION_PROPERTIES, T},
    {"theme", required_argument, OPTION_THEME, T | I},
    {"encoding", required_argument, OPTION_ENCODING, T | I},
    {"crs", required_argument, OPTION_CRS, T | I},
    {"crs-file", required_argument, OPTION_CRS_FILE, T | I},
    {"vertical", required_argument, OPTION_VERTICAL, T | I},
    {"geoid", required_argument, OPTION_GEOID, T | I},
    {"height-offset", required_argument, OPTION_HEIGHT_OFFSET, T | I},
    {"axis", required_argument, OPTION_AXIS, T | I},
    {"allow-ballpark", no_argument, OPTION_ALLOW_BALLPARK, T | I},
    {"compress", required_argument, OPTION_COMPRESS, T},
    {"no-textures", no_argument, OPTION_NO_TEXTURES, T},
    {"texture-format", required_argument, OPTION_TEXTURE_FORMAT, T},
    {"tiles-version", required_argument, OPTION_TILES_VERSION, T},
    {"tile-bytes", required_argument, OPTION_TILE_BYTES, T},
    {"error-factor", required_argument, OPTION_ERROR_FACTOR, T},
    {"levels", required_argument, OPTION_LEVELS, T},
    {"threads", required_argument, OPTION_THREADS, T},
    {"temporary", required_argument, OPTION_TEMPORARY, T | I},
    {"report", required_argument, OPTION_REPORT, T},
    {"max-loss", required_argument, OPTION_MAX_LOSS, T},
    {"strict", no_argument, OPTION_STRICT, T},
    {"stats", no_argument, OPTION_STATS, T},
    {"log", required_argument, OPTION_LOG, T},
    {"json", no_argument, OPTION_JSON, I | C | P},
    {"look", required_argument, OPTION_LOOK, P},
    {"sse", required_argument, OPTION_SSE, P},
    {"size", required_argument, OPTION_SIZE, P},
    {"camera", required_argument, OPTION_CAMERA, P},
    {"samples", required_argument, OPTION_SAMPLES, P},
    {"against", required_argument, OPTION_AGAINST, P},
    {"switches", required_argument, OPTION_SWITCHES, P},
    {"format", required_argument, OPTION_FORMAT, Q},
    {"skip-geometry", no_argument, OPTION_SKIP_GEOMETRY, Q},
    {"where", required_argument, OPTION_WHERE, Q},
    /* Parameters of the server's routes, by their names there. */
    {"bbox", required_argument, OPTION_QUERY, Q},
    {"bbox-crs", required_argument, OPTION_QUERY, Q},
    {"class", required_argument, OPTION_QUERY, Q},
    {"coords", required_argument, OPTION_QUERY, Q},
    {"crs", required_argument, OPTION_QUERY, Q},
    {"datum", required_argument, OPTION_QUERY, Q},
    {"depth-field", required_argument, OPTION_QUERY, Q},
    {"filter", required_argument, OPTION_QUERY, Q},
    {"filter-crs", required_argument, OPTION_QUERY, Q},
    {"group", required_argument, OPTION_QUERY, Q},
    {"id", required_argument, OPTION_QUERY, Q},
    {"ids", required_argument, OPTION_QUERY, Q},
    {"k", required_argument, OPTION_QUERY, Q},
    {"level", required_argument, OPTION_QUERY, Q},
    {"limit", required_argument, OPTION_QUERY, Q},
    {"max-z", required_argument, OPTION_QUERY, Q},
    {"min-z", required_argument, OPTION_QUERY, Q},
    {"offset", required_argument, OPTION_QUERY, Q},
    {"parent", required_argument, OPTION_QUERY, Q},
    {"properties", required_argument, OPTION_QUERY, Q},
    {"q", required_argument, OPTION_QUERY, Q},
    {"sortby", required_argument, OPTION_QUERY, Q},
    {"sum", required_argument, OPTION_QUERY, Q},
    {"tile", required_argument, OPTION_QUERY, Q},
    {"within", required_argument, OPTION_QUERY, Q},
    {"within-units", required_argument, OPTION_QUERY, Q},
    {"z", required_argument, OPTION_QUERY, Q},
};
enum { ROW_COUNT = sizeof rows / sizeof rows[0] };

const char *options_help(enum options_command command)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (commands[i].command == command) {
            return commands[i].help;
        }
    }
    return overview;
}

static enum options_command find_command(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return commands[i].command;
        }
    }
    return COMMAND_NONE;
}

/* A finite number in [low, high]. */
static bool read_real(const char *option, const char *value, double low, double high, double *out,
                      struct err *err)
{
    double number;
    if (!number_is(text_of(value), &number) || !(number >= low && number <= high)) {
        return err_set(err, ERR_SYNTAX, "--%s wants a number from %g to %g, not '%s'", option, low,
                       high, value);
    }
    *out = number;
    return true;
}

/* "300", "256K", "2M", "1G". */
static bool read_bytes(const char *option, const char *value, uint64_t *out, struct err *err)
{
    char *end;
    errno = 0;
    const unsigned long long number = strtoull(value, &end, 10);
    int shift = 0;
    if (*end == 'K' || *end == 'k') {
        shift = 10;
    } else if (*end == 'M' || *end == 'm') {
        shift = 20;
    } else if (*end == 'G' || *end == 'g') {
        shift = 30;
    }
    end += shift != 0;
    if (errno != 0 || end == value || *end != '\0' || value[0] == '-' ||
        number > UINT64_MAX >> 32) {
        return err_set(err, ERR_SYNTAX, "--%s wants bytes such as 256K or 2M, not '%s'", option,
                       value);
    }
    *out = (uint64_t)number << shift;
    return true;
}

/* Which of the words of `choices` (each ended by a NUL, the list by two). */
static bool read_choice(const char *option, const char *value, const char *choices, int *out,
                        struct err *err)
{
    char list[96] = "";
    int index = 0;
    for (const char *at = choices; *at != '\0'; at += strlen(at) + 1, index++) {
        if (strcmp(at, value) == 0) {
            *out = index;
            return true;
        }
        strncat(list, at, sizeof list - strlen(list) - 3);
        strncat(list, at[strlen(at) + 1] != '\0' ? ", " : "", sizeof list - strlen(list) - 1);
    }
    return err_set(err, ERR_SYNTAX, "--%s is one of %s, not '%s'", option, list, value);
}

/* "A,B" as a list. */
static bool read_list(const char *value, struct arena *run, const char *const **out,
                      size_t *out_count, struct err *err)
{
    size_t count = 1;
    for (const char *at = value; *at != '\0'; at++) {
        count += *at == ',';
    }
    const char **list = arena_array(run, const char *, count);
    char *copy = arena_array(run, char, strlen(value) + 1);
    if (list == NULL || copy == NULL) {
        return arena_full(run, err);
    }
    memcpy(copy, value, strlen(value) + 1);
    char *rest = copy;
    for (size_t i = 0; i < count; i++) {
        char *comma = strchr(rest, ',');
        list[i] = rest;
        if (comma != NULL) {
            *comma = '\0';
            rest = comma + 1;
        }
    }
    *out = list;
    *out_count = count;
    return true;
}

static bool read_size(const char *value, struct options *options, struct err *err)
{
    char *end;
    const long width = strtol(value, &end, 10);
    const long height = *end == 'x' ? strtol(end + 1, &end, 10) : 0;
    if (*end != '\0' || width < 32 || height < 32 || width > 8192 || height > 8192) {
        return err_set(err, ERR_SYNTAX, "--size wants WIDTHxHEIGHT, 32 to 8192, not '%s'", value);
    }
    options->width_px = (int)width;
    options->height_px = (int)height;
    return true;
}

static bool read_errors(const char *value, struct arena *run, struct options *options,
                        struct err *err)
{
    const char *const *list;
    size_t count;
    if (!read_list(value, run, &list, &count, err)) {
        return false;
    }
    if (count > OPTIONS_SSE_MAX) {
        return err_set(err, ERR_SYNTAX, "--sse takes at most %d errors", OPTIONS_SSE_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        if (!read_real("sse", list[i], 0, 100000, &options->sse_px[i], err)) {
            return false;
        }
    }
    options->sse_count = count;
    return true;
}

static bool add_parameter(const char *name, const char *value, struct arena *run,
                          struct options *options, struct err *err)
{
    if (options->parameters == NULL) {
        options->parameters = arena_array(run, struct options_pair, OPTIONS_PARAMETERS_MAX);
        if (options->parameters == NULL) {
            return arena_full(run, err);
        }
    }
    if (options->parameter_count == OPTIONS_PARAMETERS_MAX) {
        return err_set(err, ERR_SYNTAX, "more than %d conditions", OPTIONS_PARAMETERS_MAX);
    }
    options->parameters[options->parameter_count++] = (struct options_pair){name, value};
    return true;
}

/* "NAME=VALUE": the name is cut off in place, as a copy. */
static bool read_where(const char *value, struct arena *run, struct options *options,
                       struct err *err)
{
    const char *equals = strchr(value, '=');
    if (equals == NULL || equals == value) {
        return err_set(err, ERR_SYNTAX, "--where wants NAME=VALUE, not '%s'", value);
    }
    char *name = arena_print(run, "%.*s", (int)(equals - value), value);
    return name != NULL ? add_parameter(name, equals + 1, run, options, err) : arena_full(run, err);
}

static bool read_format(const char *value, struct arena *run, struct options *options,
                        struct err *err)
{
    int choice;
    if (!read_choice("format", value, "table\0json\0attributes\0ids\0style\0bitset\0", &choice,
                     err)) {
        return false;
    }
    options->is_table = choice == 0;
    return choice == 0 || add_parameter("f", value, run, options, err);
}

static bool read_option(int id, const char *name, const char *value, struct arena *run,
                        struct options *options, struct err *err)
{
    int choice = 0;
    double number = 0;
    switch (id) {
    case 'o':
        options->output = value;
        return true;
    case 'h':
        options->help_on = options->command;
        options->command = COMMAND_HELP;
        return true;
    case OPTION_FILES_FROM:
        options->files_from = value;
        return true;
    case OPTION_CLASS:
        return read_list(value, run, &options->classes, &options->class_count, err);
    case OPTION_EXCLUDE_CLASS:
        return read_list(value, run, &options->excluded_classes, &options->excluded_class_count,
                         err);
    case OPTION_PROPERTIES:
        return read_list(value, run, &options->properties, &options->property_count, err);
    case OPTION_LOD:
        if (!read_choice("lod", value, "0\0001\0002\0003\0004\0", &choice, err)) {
            return false;
        }
        options->lod = choice;
        return true;
    case OPTION_THEME:
        options->theme = value;
        return true;
    case OPTION_ENCODING:
        options->encoding = value;
        return true;
    case OPTION_CRS:
        options->crs = value;
        return true;
    case OPTION_CRS_FILE:
        options->crs_file = value;
        return true;
    case OPTION_VERTICAL:
        options->vertical = value;
        return true;
    case OPTION_GEOID:
        options->geoid = value;
        return true;
    case OPTION_HEIGHT_OFFSET:
        return read_real("height-offset", value, -20000, 20000, &options->height_offset_m, err);
    case OPTION_AXIS:
        if (!read_choice("axis", value, "auto\0xy\0yx\0", &choice, err)) {
            return false;
        }
        options->axis = (enum crs_axis)choice;
        return true;
    case OPTION_ALLOW_BALLPARK:
        options->allow_ballpark = true;
        return true;
    case OPTION_COMPRESS:
        if (!read_choice("compress", value, "none\0draco\0meshopt\0", &choice, err)) {
            return false;
        }
        options->compression = choice == 0 ? GLB_NONE : choice == 1 ? GLB_DRACO : GLB_MESHOPT;
        return true;
    case OPTION_NO_TEXTURES:
        options->has_no_textures = true;
        return true;
    case OPTION_TEXTURE_FORMAT:
        if (!read_choice("texture-format", value, "auto\0jpeg\0png\0webp\0", &choice, err)) {
            return false;
        }
        options->texture_format = (enum atlas_format)choice;
        return true;
    case OPTION_TILES_VERSION:
        if (!read_choice("tiles-version", value, "1.0\0001.1\0", &choice, err)) {
            return false;
        }
        options->is_version_1_0 = choice == 0;
        return true;
    case OPTION_TILE_BYTES:
        if (!read_bytes("tile-bytes", value, &options->tile_bytes, err)) {
            return false;
        }
        if (options->tile_bytes < 4096 || options->tile_bytes > (uint64_t)1 << 30) {
            return err_set(err, ERR_SYNTAX, "--tile-bytes is 4K to 1G, not '%s'", value);
        }
        return true;
    case OPTION_ERROR_FACTOR:
        return read_real("error-factor", value, 0.1, 1000, &options->error_factor, err);
    case OPTION_LEVELS:
        if (!read_choice("levels", value, "measured\0drop\0", &choice, err)) {
            return false;
        }
        options->levels = choice == 0 ? LEVELS_MEASURED : LEVELS_DROP;
        return true;
    case OPTION_THREADS:
        if (!read_real("threads", value, 1, 1024, &number, err)) {
            return false;
        }
        options->thread_count = (size_t)number;
        return true;
    case OPTION_TEMPORARY:
        options->temporary_folder = value;
        return true;
    case OPTION_REPORT:
        options->report = value;
        return true;
    case OPTION_MAX_LOSS:
        return read_real("max-loss", value, 0, 1, &options->max_loss, err);
    case OPTION_STRICT:
        options->is_strict = true;
        return true;
    case OPTION_STATS:
        options->has_stats = true;
        return true;
    case OPTION_LOG:
        if (!read_choice("log", value, "auto\0plain\0json\0quiet\0", &choice, err)) {
            return false;
        }
        options->log = (enum options_log)choice;
        return true;
    case OPTION_JSON:
        options->is_json = true;
        return true;
    case OPTION_LOOK:
        options->look = value;
        return true;
    case OPTION_CAMERA:
        return read_list(value, run, &options->cameras, &options->camera_count, err);
    case OPTION_SSE:
        return read_errors(value, run, options, err);
    case OPTION_SAMPLES:
        if (!read_real("samples", value, 1, 8, &number, err)) {
            return false;
        }
        options->samples = (int)number;
        return true;
    case OPTION_SWITCHES:
        if (!read_real("switches", value, 1, 10000, &number, err)) {
            return false;
        }
        options->switch_count = (size_t)number;
        return true;
    case OPTION_AGAINST:
        options->against = value;
        return true;
    case OPTION_SIZE:
        return read_size(value, options, err);
    case 'f':
    case OPTION_FORMAT:
        return read_format(value, run, options, err);
    case OPTION_SKIP_GEOMETRY:
        return add_parameter("skipGeometry", "true", run, options, err);
    case OPTION_WHERE:
        return read_where(value, run, options, err);
    case OPTION_QUERY:
        return add_parameter(name, value, run, options, err);
    default:
        return err_set(err, ERR_SYNTAX, "unknown option");
    }
}

/* The options that this command knows, as getopt wants them. */
static void fill_long_options(enum options_command command, struct option out[ROW_COUNT + 1])
{
    size_t count = 0;
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if ((rows[i].commands >> command & 1) != 0) {
            out[count++] = (struct option){rows[i].name, rows[i].has_value, NULL, rows[i].id};
        }
    }
    out[count] = (struct option){0};
}

static bool require(const struct options *options, struct err *err)
{
    const bool is_picture =
        options->command == COMMAND_PREVIEW && options->against == NULL && !options->is_json;
    const bool wants_output = options->command == COMMAND_TILE || is_picture ||
                              options->command == COMMAND_PACK ||
                              options->command == COMMAND_UNPACK;
    const bool takes_many = options->command == COMMAND_TILE || options->command == COMMAND_QUERY;
    if (options->input_count == 0 && options->files_from == NULL) {
        return err_set(err, ERR_SYNTAX, "no input; name %s",
                       options->command == COMMAND_TILE ? "files or folders to tile"
                                                        : "what to look at");
    }
    if (!takes_many && options->input_count > 1) {
        return err_set(err, ERR_SYNTAX, "one path at a time, but here is also '%s'",
                       options->inputs[1]);
    }
    if (wants_output && options->output == NULL) {
        return err_set(err, ERR_SYNTAX, "no output; say where with -o");
    }
    if (options->output != NULL && options->output[0] == '\0') {
        return err_set(err, ERR_SYNTAX, "the output has an empty name");
    }
    if (options->switch_count > 0 && options->against == NULL) {
        return err_set(err, ERR_SYNTAX, "--switches compares: it wants --against");
    }
    if (options->look != NULL && options->camera_count > 0) {
        return err_set(err, ERR_SYNTAX, "--look and --camera both say where from: give one");
    }
    if (options->crs != NULL && options->crs_file != NULL) {
        return err_set(err, ERR_SYNTAX, "--crs and --crs-file say the same thing: give one");
    }
    return true;
}

static bool read_command_options(int argc, char *const *argv, struct arena *run,
                                 struct options *options, struct err *err)
{
    struct option long_options[ROW_COUNT + 1] = {{0}};
    fill_long_options(options->command, long_options);
    optind = 0; /* glibc: start anew */
    opterr = 0; /* we say it in our own words */
    for (;;) {
        const char *short_options = options->command == COMMAND_QUERY ? ":o:f:h" : ":o:h";
        int index = ROW_COUNT; /* the one without a name */
        const int id = getopt_long(argc, argv, short_options, long_options, &index);
        if (id == -1) {
            break;
        }
        if (id == '?' || id == ':') {
            return err_set(err, ERR_SYNTAX, "%s '%s'; storey %s --help lists them",
                           id == ':' ? "a value is missing after" : "no such option",
                           argv[optind - 1], argv[0]);
        }
        if (!read_option(id, long_options[index].name, optarg, run, options, err)) {
            return false;
        }
        if (options->command == COMMAND_HELP) {
            return true;
        }
    }
    options->inputs = (const char *const *)(argv + optind);
    options->input_count = (size_t)(argc - optind);
    const bool compares = options->against != NULL;
    if (options->width_px == 0) {
        options->width_px = compares ? 1920 : 1280;
        options->height_px = compares ? 1080 : 720;
    }
    if (options->samples == 0) {
        options->samples = compares ? 4 : 2;
    }
    return require(options, err);
}

bool options_read(int argc, char *const *argv, struct arena *run, struct options *out,
                  struct err *err)
{
    struct options options = {
        .compression = GLB_DRACO,
        .lod = -1,
        .tile_bytes = OPTIONS_TILE_BYTES,
        .error_factor = ERROR_FACTOR,
        .max_loss = MAX_LOSS,
        .thread_count = jobs_core_count(),
        .sse_px = {16},
        .sse_count = 1,
        .is_table = true,
    };
    if (argc < 2) {
        return err_set(err, ERR_SYNTAX, "no command; storey --help lists them");
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        options.command = COMMAND_HELP;
        options.help_on = argc > 2 ? find_command(argv[2]) : COMMAND_NONE;
        *out = options;
        return true;
    }
    if (strcmp(argv[1], "--version") == 0) {
        options.command = COMMAND_VERSION;
        *out = options;
        return true;
    }
    options.command = find_command(argv[1]);
    if (options.command == COMMAND_NONE) {
        return err_set(err, ERR_SYNTAX, "no command '%s'; storey --help lists them", argv[1]);
    }
    if (!read_command_options(argc - 1, argv + 1, run, &options, err)) {
        return false;
    }
    *out = options;
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/options.h"

#include "tests/check.h"

enum { WORDS_MAX = 16 };

static bool read_line(const char *const *words, struct arena *run, struct options *out,
                      struct err *err)
{
    static char copies[WORDS_MAX][64];
    static char *argv[WORDS_MAX + 1];
    int argc = 0;
    for (; words[argc] != NULL; argc++) {
        snprintf(copies[argc], sizeof copies[argc], "%s", words[argc]);
        argv[argc] = copies[argc];
    }
    argv[argc] = NULL;
    return options_read(argc, argv, run, out, err);
}

#define LINE(...) ((const char *const[]){"storey", __VA_ARGS__, NULL})

static void options_read__takes_options_and_inputs_in_any_order(void)
{
    struct arena run;
    struct options options;
    struct err err;
    arena_init(&run, 1 << 16);
    CHECK_OK(
        read_line(LINE("tile", "a.json", "--class=Building,Road", "-o", "out.3tz", "--tile-bytes",
                       "64K", "--texture-format=webp", "--no-textures", "--tiles-version", "1.0",
                       "--properties", "usage,height", "--", "--odd"),
                  &run, &options, &err),
        &err);
    CHECK_EQ(options.command, COMMAND_TILE);
    CHECK_EQ(options.input_count, 2);
    CHECK_TEXT(options.inputs[1], "--odd");
    CHECK_TEXT(options.output, "out.3tz");
    CHECK_EQ(options.class_count, 2);
    CHECK_TEXT(options.classes[1], "Road");
    CHECK_EQ(options.property_count, 2);
    CHECK_TEXT(options.properties[0], "usage");
    CHECK_EQ(options.tile_bytes, 65536);
    CHECK(options.is_version_1_0);
    CHECK_EQ(options.compression, GLB_DRACO);
    CHECK_EQ(options.texture_format, ATLAS_WEBP);
    CHECK(options.has_no_textures);
    arena_release(&run);
}

static void options_read__compares_at_full_size(void)
{
    struct arena run;
    struct options options;
    struct err err;
    arena_init(&run, 1 << 16);
    CHECK_OK(read_line(LINE("preview", "a", "--against", "full", "--camera", "far,street-1",
                            "--sse", "8,16", "--switches", "5", "--json"),
                       &run, &options, &err),
             &err);
    CHECK_EQ(options.width_px, 1920);
    CHECK_EQ(options.height_px, 1080);
    CHECK_EQ(options.samples, 4);
    CHECK_EQ(options.camera_count, 2);
    CHECK_EQ(options.sse_count, 2);
    CHECK_EQ(options.switch_count, 5);
    CHECK_OK(read_line(LINE("preview", "a", "-o", "p.png"), &run, &options, &err), &err);
    CHECK_EQ(options.width_px, 1280);
    CHECK_EQ(options.samples, 2);
    CHECK_OK(read_line(LINE("tile", "a", "-o", "p", "--levels", "drop"), &run, &options, &err),
             &err);
    CHECK_EQ(options.levels, LEVELS_DROP);
    arena_release(&run);
}

struct mistake {
    const char *words[8];
    const char *expected; /* part of the message */
};

static void options_read__says_what_would_be_right(void)
{
    static const struct mistake mistakes[] = {
        {{"storey", NULL}, "no command"},
        {{"storey", "tiel", NULL}, "'tiel'"},
        {{"storey", "tile", "a", NULL}, "-o"},
        {{"storey", "tile", "-o", "x", NULL}, "no input"},
        {{"storey", "tile", "a", "-o", "x", "--frobnicate", NULL}, "--frobnicate"},
        {{"storey", "tile", "a", "-o", NULL}, "missing"},
        {{"storey", "tile", "a", "-o", "x", "--compress", "zip", NULL}, "none, draco"},
        {{"storey", "tile", "a", "-o", "x", "--threads", "0", NULL}, "from 1"},
        {{"storey", "tile", "a", "-o", "x", "--tile-bytes", "12Q", NULL}, "256K"},
        {{"storey", "tile", "a", "-o", "x", "--axis", "up", NULL}, "auto, xy, yx"},
        {{"storey", "info", "a", "--threads", "1", NULL}, "--threads"},
        {{"storey", "tile", "a", "-o", "x", "--levels", "none", NULL}, "measured, drop"},
        {{"storey", "preview", "a", "-o", "x", "--size", "1x1", NULL}, "WIDTHxHEIGHT"},
        {{"storey", "preview", "a", "-o", "x", "--sse", "16,-1", NULL}, "--sse wants"},
        {{"storey", "preview", "a", "-o", "x", "--switches", "3", NULL}, "--against"},
        {{"storey", "preview", "a", "--look", "1", "--camera", "far", "--json"}, "give one"},
        {{"storey", "check", "a", "b", NULL}, "'b'"},
    };
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        struct arena run;
        struct options options;
        struct err err;
        arena_init(&run, 1 << 16);
        CHECK_FAILS(read_line(mistakes[i].words, &run, &options, &err), &err, ERR_SYNTAX);
        if (strstr(err.message, mistakes[i].expected) == NULL) {
            fail_msg("'%s' does not say '%s'", err.message, mistakes[i].expected);
        }
        arena_release(&run);
    }
}

static void options_read__knows_help_for_each_command(void)
{
    struct arena run;
    struct options options;
    struct err err;
    arena_init(&run, 1 << 16);
    CHECK_OK(read_line(LINE("tile", "--help"), &run, &options, &err), &err);
    CHECK_EQ(options.command, COMMAND_HELP);
    CHECK_EQ(options.help_on, COMMAND_TILE);
    CHECK(strstr(options_help(COMMAND_TILE), "--error-factor") != NULL);
    CHECK(strstr(options_help(COMMAND_NONE), "preview") != NULL);
    arena_release(&run);
}

CHECK_MAIN(CHECK_TEST(options_read__takes_options_and_inputs_in_any_order),
           CHECK_TEST(options_read__compares_at_full_size),
           CHECK_TEST(options_read__says_what_would_be_right),
           CHECK_TEST(options_read__knows_help_for_each_command))

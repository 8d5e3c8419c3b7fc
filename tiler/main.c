/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - the program `storey`: reads the command line, runs a command,
 * prints what came of it.
 */

#include <assert.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>

#include "formats/base/io.h"
#include "formats/base/report.h"
#include "tiler/ask.h"
#include "tiler/check.h"
#include "tiler/info.h"
#include "tiler/pack.h"
#include "tiler/pipeline.h"
#include "tiler/preview.h"
#include "tiler/teller.h"

enum exit_status { EXIT_CLEAN = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_INCOMPLETE = 3 };

/* The one mutable global: a signal handler has nowhere else to write. */
static volatile sig_atomic_t is_stopped;

static void stop(int signal)
{
    (void)signal;
    is_stopped = 1;
}

static void catch_signals(void)
{
    /* A second Ctrl-C ends the program the hard way. */
    struct sigaction action = {.sa_handler = stop, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGXFSZ, &ignore, NULL); /* a file size limit is a full disk */
}

static enum exit_status run_tile(const struct options *options)
{
    struct teller teller;
    struct err err;
    struct run run = {
        .options = options, .is_stopped = &is_stopped, .tell = teller_tell, .teller = &teller};
    teller_open(&teller, options->log);
    if (!report_open(&run.report, options->report, &err)) {
        teller_failed(&teller, &err);
        return EXIT_FAILED;
    }
    catch_signals();
    enum exit_status status = EXIT_CLEAN;
    if (!pipeline_run(&run, &err)) {
        teller_failed(&teller, &err);
        status = EXIT_FAILED;
    } else {
        teller_summary(&teller, &run);
        status = run.report.feature_skipped_count > 0 ? EXIT_INCOMPLETE : EXIT_CLEAN;
    }
    if (!report_close(&run.report, &err)) {
        teller_failed(&teller, &err);
        status = EXIT_FAILED;
    }
    pipeline_release(&run);
    return status;
}

static enum exit_status fail(const struct err *err)
{
    char line[512];
    err_format(err, line, sizeof line);
    fprintf(stderr, "storey: %s\n", line);
    return EXIT_FAILED;
}

static enum exit_status print_all(struct buf *out)
{
    struct err err;
    bool ok = buf_finish(out, &err);
    if (ok && (fwrite(out->data, 1, out->size, stdout) != out->size || fflush(stdout) != 0)) {
        ok = err_set(&err, ERR_IO, "cannot write to standard output");
    }
    buf_release(out);
    return ok ? EXIT_CLEAN : fail(&err);
}

static enum exit_status run_check(const struct options *options)
{
    struct arena run;
    struct err err;
    struct check_result result;
    const struct check_options what = {.path = options->inputs[0]};
    arena_init(&run, SIZE_MAX / 2);
    if (!check_package(&what, &run, &result, &err)) {
        arena_release(&run);
        return fail(&err);
    }
    struct buf out;
    buf_init(&out, (size_t)1 << 28);
    check_print(&result, options->is_json, &out);
    const enum exit_status status = print_all(&out);
    arena_release(&run);
    return status == EXIT_CLEAN && result.error_count > 0 ? EXIT_FAILED : status;
}

static enum exit_status run_pack(const struct options *options)
{
    struct err err;
    const struct pack_options what = {
        .input = options->inputs[0], .output = options->output, .method = PACKING_DEFLATE};
    const bool ok =
        options->command == COMMAND_PACK ? pack_run(&what, &err) : pack_unpack(&what, &err);
    return ok ? EXIT_CLEAN : fail(&err);
}

static enum exit_status run_info(const struct options *options)
{
    struct arena run;
    struct buf out;
    struct err err;
    arena_init(&run, SIZE_MAX / 2);
    buf_init(&out, (size_t)1 << 28);
    const bool ok = info_run(options, &run, &out, &err);
    arena_release(&run);
    if (!ok) {
        buf_release(&out);
        return fail(&err);
    }
    return print_all(&out);
}

static enum exit_status run_query(const struct options *options)
{
    struct arena run;
    struct buf out;
    struct err err;
    arena_init(&run, (size_t)1 << 32);
    buf_init(&out, (size_t)1 << 32);
    bool ok = ask_run(options, &run, &out, &err) && buf_finish(&out, &err);
    arena_release(&run);
    if (ok && options->output == NULL) {
        return print_all(&out);
    }
    ok = ok && io_write_file(options->output, buf_span(&out), false, &err);
    buf_release(&out);
    return ok ? EXIT_CLEAN : fail(&err);
}

static enum exit_status run_preview(const struct options *options)
{
    struct arena run;
    struct err err;
    struct buf out;
    struct preview_options what = {.path = options->inputs[0],
                                   .output = options->output,
                                   .against = options->against,
                                   .look = options->look,
                                   .cameras = options->cameras,
                                   .camera_count = options->camera_count,
                                   .sse_count = options->sse_count,
                                   .width_px = options->width_px,
                                   .height_px = options->height_px,
                                   .samples = options->samples,
                                   .switch_count = options->switch_count,
                                   .is_json = options->is_json};
    static_assert((int)OPTIONS_SSE_MAX <= (int)PREVIEW_SSE_MAX, "every error fits");
    memcpy(what.sse_px, options->sse_px, sizeof options->sse_px);
    arena_init(&run, SIZE_MAX / 2);
    buf_init(&out, (size_t)1 << 30);
    const bool ok = preview_run(&what, &run, &out, &err);
    arena_release(&run);
    if (!ok) {
        buf_release(&out);
        return fail(&err);
    }
    return print_all(&out);
}

static enum exit_status print_version(void)
{
    printf("storey %s\nPROJ %s\n", STOREY_VERSION, crs_library_version());
    return EXIT_CLEAN;
}

int main(int argc, char **argv)
{
    struct arena run;
    struct options options;
    struct err err;
    arena_init(&run, (size_t)1 << 24);
    if (!options_read(argc, argv, &run, &options, &err)) {
        fprintf(stderr, "storey: %s\n", err.message);
        arena_release(&run);
        return EXIT_USAGE;
    }
    enum exit_status status = EXIT_CLEAN;
    switch (options.command) {
    case COMMAND_TILE:
        status = run_tile(&options);
        break;
    case COMMAND_CHECK:
        status = run_check(&options);
        break;
    case COMMAND_PACK:
    case COMMAND_UNPACK:
        status = run_pack(&options);
        break;
    case COMMAND_VERSION:
        status = print_version();
        break;
    case COMMAND_INFO:
        status = run_info(&options);
        break;
    case COMMAND_QUERY:
        status = run_query(&options);
        break;
    case COMMAND_PREVIEW:
        status = run_preview(&options);
        break;
    case COMMAND_NONE:
    case COMMAND_HELP:
        fputs(options_help(options.help_on), stdout);
        break;
    }
    arena_release(&run);
    return (int)status;
}

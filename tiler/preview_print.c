/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/preview_internal.h"

#include "formats/json_write.h"

void preview_sum(struct preview_view *view)
{
    view->drawn.request_count = view->choice.count;
    view->drawn.bytes = 0;
    view->drawn.tile_count = 0;
    for (size_t i = 0; i < view->choice.count; i++) {
        view->drawn.bytes += view->choice.requests[i].bytes;
        view->drawn.tile_count += view->choice.requests[i].is_shown;
    }
}

/* ---- JSON ---- */

static void print_count(struct buf *out, const char *key, uint64_t value)
{
    json_write_key(out, key);
    buf_print(out, "%llu", (unsigned long long)value);
}

static void print_number(struct buf *out, const char *key, double value)
{
    json_write_key(out, key);
    json_write_double(out, value);
}

static void print_string(struct buf *out, const char *key, struct text value)
{
    json_write_key(out, key);
    json_write_text(out, value);
}

static void print_requests(const struct scene_choice *choice, struct buf *out)
{
    static const char *const kinds[] = {"tileset", "schema", "content"};
    json_write_key(out, "list");
    buf_add_text(out, "[");
    for (size_t i = 0; i < choice->count; i++) {
        const struct scene_request *request = &choice->requests[i];
        json_write_comma(out);
        buf_add_text(out, "{");
        print_string(out, "name", request->name);
        print_string(out, "kind", text_of(kinds[request->kind]));
        print_count(out, "bytes", request->bytes);
        json_write_key(out, "shown");
        buf_add_text(out, request->is_shown ? "true}" : "false}");
    }
    buf_add_text(out, "]");
}

static void print_difference(const struct difference *d, struct buf *out)
{
    print_number(out, "ssim", d->ssim_mean);
    print_number(out, "ssim_least", d->ssim_least);
    print_number(out, "flip", d->flip_mean);
    print_number(out, "flip_p95", d->flip_p95);
    print_count(out, "windows", d->window_count);
    print_number(out, "building_px", d->building_px);
    print_number(out, "silhouette_px", d->silhouette_px);
    print_number(out, "feature_px", d->feature_px);
}

static void print_view_json(const struct preview_view *view, struct buf *out)
{
    json_write_comma(out);
    buf_add_text(out, "{");
    print_number(out, "sse", view->sse_px);
    print_count(out, "requests", view->drawn.request_count);
    print_count(out, "bytes", view->drawn.bytes);
    print_count(out, "tiles", view->drawn.tile_count);
    if (view->drawn.feature_count > 0) {
        print_count(out, "features", view->drawn.feature_count);
        print_count(out, "triangles", view->drawn.triangle_count);
    }
    if (view->has_difference) {
        print_difference(&view->difference, out);
    }
    print_requests(&view->choice, out);
    buf_add_text(out, "}");
}

static void print_shot_json(const struct preview_options *options,
                            const struct viewpoint *viewpoint, const struct preview_view *views,
                            struct buf *out)
{
    char look[VIEWPOINT_TEXT_BYTES];
    viewpoint_print(viewpoint, look);
    json_write_comma(out);
    buf_add_text(out, "\n{");
    print_string(out, "name", text_of(viewpoint->name));
    print_string(out, "look", text_of(look));
    json_write_key(out, "views");
    buf_add_text(out, "[");
    for (size_t i = 0; i < options->sse_count; i++) {
        print_view_json(&views[i], out);
    }
    buf_add_text(out, "]}");
}

/* ---- text ---- */

static void print_view_text(const struct viewpoint *viewpoint, const struct preview_view *view,
                            struct buf *out)
{
    const struct scene_drawn *drawn = &view->drawn;
    buf_print(out, "%-9s %6g %5llu %8llu %9llu %9llu", viewpoint->name, view->sse_px,
              (unsigned long long)drawn->tile_count, (unsigned long long)drawn->request_count,
              (unsigned long long)drawn->bytes, (unsigned long long)drawn->triangle_count);
    if (view->has_difference) {
        const struct difference *d = &view->difference;
        buf_print(out, "  %7.4f %7.4f %7.4f %10.0f %10.0f %10.0f", d->ssim_mean, d->flip_mean,
                  d->flip_p95, d->silhouette_px, d->feature_px, d->building_px);
    }
    buf_add_text(out, "\n");
}

void preview_print_head(const struct preview_options *options, struct buf *out)
{
    if (options->is_json) {
        buf_add_text(out, "{");
        print_string(out, "package", text_of(options->path));
        if (options->against != NULL) {
            print_string(out, "against", text_of(options->against));
        }
        json_write_key(out, "size");
        buf_print(out, "[%d,%d]", options->width_px, options->height_px);
        print_count(out, "samples", (uint64_t)options->samples);
        json_write_key(out, "cameras");
        buf_add_text(out, "[");
        return;
    }
    buf_print(out, "%-9s %6s %5s %8s %9s %9s%s\n", "camera", "sse px", "tiles", "requests", "bytes",
              "triangles",
              options->against == NULL
                  ? ""
                  : "     ssim    flip flip p95 outline px feature px building px");
}

void preview_print_shot(const struct preview_options *options, const struct viewpoint *viewpoint,
                        const struct preview_view *views, struct buf *out)
{
    if (options->is_json) {
        print_shot_json(options, viewpoint, views, out);
        return;
    }
    for (size_t i = 0; i < options->sse_count; i++) {
        print_view_text(viewpoint, &views[i], out);
    }
}

void preview_print_tail(const struct preview_options *options, struct buf *out)
{
    if (options->is_json) {
        buf_add_text(out, "]}\n");
    }
}

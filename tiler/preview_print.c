/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/preview_internal.h"

#include "formats/json_write.h"

static void sum(struct preview_view *view, bool is_leaves)
{
    view->drawn.request_count = 0;
    view->drawn.bytes = 0;
    view->drawn.tile_count = 0;
    for (size_t i = 0; i < view->choice.count; i++) {
        const struct scene_request *request = &view->choice.requests[i];
        view->drawn.tile_count += request->is_shown;
        if (!is_leaves || request->kind != SCENE_CONTENT || request->is_shown) {
            view->drawn.request_count++;
            view->drawn.bytes += request->bytes;
        }
    }
}

void preview_sum(struct preview_view *view)
{
    sum(view, false);
}

void preview_sum_leaves(struct preview_view *view)
{
    sum(view, true);
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
                            const struct preview_view *leaves, struct buf *out)
{
    char look[VIEWPOINT_TEXT_BYTES];
    viewpoint_print(viewpoint, look);
    json_write_comma(out);
    buf_add_text(out, "\n{");
    print_string(out, "name", text_of(viewpoint->name));
    print_string(out, "look", text_of(look));
    json_write_key(out, "leaves");
    buf_add_text(out, "{");
    print_count(out, "requests", leaves->drawn.request_count);
    print_count(out, "bytes", leaves->drawn.bytes);
    print_count(out, "tiles", leaves->drawn.tile_count);
    buf_add_text(out, "}");
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
                        const struct preview_view *views, const struct preview_view *leaves,
                        struct buf *out)
{
    if (options->is_json) {
        print_shot_json(options, viewpoint, views, leaves, out);
        return;
    }
    for (size_t i = 0; i < options->sse_count; i++) {
        print_view_text(viewpoint, &views[i], out);
    }
    buf_print(out, "%-9s %6s %5llu %8llu %9llu\n", viewpoint->name, "leaves",
              (unsigned long long)leaves->drawn.tile_count,
              (unsigned long long)leaves->drawn.request_count,
              (unsigned long long)leaves->drawn.bytes);
}

static double mean_flip(const struct preview_switch *switches, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += switches[i].difference.flip_mean / (double)count;
    }
    return sum;
}

static void print_switches_json(const struct preview_switch *switches, size_t count,
                                struct buf *out)
{
    buf_add_text(out, "]");
    json_write_key(out, "switches");
    buf_add_text(out, "[");
    for (size_t i = 0; i < count; i++) {
        const struct preview_switch *s = &switches[i];
        json_write_comma(out);
        buf_add_text(out, "\n{");
        print_string(out, "name", s->name);
        print_number(out, "error", s->error_m);
        print_number(out, "distance_m", s->distance_m);
        print_count(out, "children", s->child_count);
        print_difference(&s->difference, out);
        buf_add_text(out, "}");
    }
}

void preview_print_switches(const struct preview_options *options,
                            const struct preview_switch *switches, size_t count, size_t all_count,
                            struct buf *out)
{
    if (options->is_json) {
        print_switches_json(switches, count, out);
        return;
    }
    buf_print(out,
              "\nA tile against its children, where they take its place at %g px: %zu of %zu, flip "
              "%.4f on average\n%-44s %9s %9s %8s %7s %7s %10s\n",
              options->sse_px[0], count, all_count, mean_flip(switches, count), "tile", "error",
              "metres", "children", "ssim", "flip", "outline px");
    for (size_t i = 0; i < count; i++) {
        const struct preview_switch *s = &switches[i];
        buf_print(out, "%-44.*s %9.2f %9.0f %8zu %7.4f %7.4f %10.0f\n", TEXT_ARGS(s->name),
                  s->error_m, s->distance_m, s->child_count, s->difference.ssim_mean,
                  s->difference.flip_mean, s->difference.silhouette_px);
    }
}

void preview_print_tail(const struct preview_options *options, struct buf *out)
{
    if (options->is_json) {
        buf_add_text(out, "]}\n");
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "server/admin.h"

#include <signal.h>
#include <unistd.h>

/* Takes over `text`. */
static void respond_text(const char *type, struct buf *text, struct arena *memory,
                         struct response *out)
{
    const char *kept = text->refusal != ERR_NONE
                           ? NULL
                           : message_keep(memory, (struct text){(char *)text->data, text->size});
    const size_t size = text->size;
    buf_release(text);
    if (kept == NULL) {
        answer_refusal(503, "the server is short of memory, try again", memory, out);
        return;
    }
    answer_begin(out, 200);
    response_add(out, "Content-Type", type);
    response_add(out, "Cache-Control", "no-store");
    out->bytes = (struct span){(const uint8_t *)kept, size};
}

static void respond_word(unsigned status, const char *word, struct response *out)
{
    answer_begin(out, status);
    response_add(out, "Content-Type", "text/plain; charset=utf-8");
    response_add(out, "Cache-Control", "no-store");
    out->bytes = (struct span){(const uint8_t *)word, strlen(word)};
}

static void print_metrics(const struct admin *admin, struct buf *text)
{
    struct metrics_state state = {.package_count = admin->catalogue->entry_count,
                                  .started_s = admin->started_s,
                                  .certificate_ends_s = admin->certificate_ends_s,
                                  .is_draining = admin->is_draining};
    for (size_t i = 0; i < admin->catalogue->entry_count; i++) {
        state.revision_count += admin->catalogue->entries[i].store_count;
    }
    metrics_print(admin->metrics, admin->metrics_count, &state, text);
    usage_print_metrics(admin->usage, text);
}

static void answer_read(const struct admin *admin, struct text path, struct arena *memory,
                        struct response *out)
{
    struct buf text;
    buf_init(&text, ANSWER_BYTES_MAX);
    if (text_is(path, "/metrics")) {
        print_metrics(admin, &text);
        respond_text("text/plain; version=0.0.4; charset=utf-8", &text, memory, out);
    } else if (text_is(path, "/usage")) {
        usage_print(admin->usage, &text);
        respond_text("application/jsonl", &text, memory, out);
    } else if (text_is(path, "/livez")) {
        respond_word(200, "alive\n", out);
    } else if (text_is(path, "/readyz") && !admin->is_draining) {
        respond_word(200, "ready\n", out);
    } else if (text_is(path, "/readyz")) {
        answer_refusal(503, "shutting down", memory, out);
    } else {
        answer_refusal(404, "/metrics, /usage, /livez, /readyz, and POST /admin/reload", memory,
                       out);
    }
}

void admin_answer(const struct admin *admin, const struct request *request, struct arena *memory,
                  struct response *out)
{
    const bool is_reload = text_is(request->path, "/admin/reload");
    *out = (struct response){.status = 500};
    if ((request->method & (MESSAGE_GET | MESSAGE_HEAD)) != 0 && !is_reload) {
        answer_read(admin, request->path, memory, out);
    } else if (request->method == MESSAGE_POST && is_reload) {
        kill(getpid(), SIGHUP);
        respond_word(202, "reloading\n", out);
    } else {
        answer_refusal(405, is_reload ? "this address answers POST" : "this address answers GET",
                       memory, out);
        response_add(out, "Allow", is_reload ? "POST" : "GET, HEAD");
    }
}

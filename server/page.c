/* SPDX-License-Identifier: Apache-2.0 */
#include "server/page.h"

#include "formats/json_tree.h"

enum { TREE_MEMORY_MAX = 256 << 20, DEPTH_MAX = 8 };

static const char head[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
    "<meta name=\"viewport\" content=\"width=device-width\">\n<style>"
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;"
    "color:#1d2430}h1{font-size:1.5rem}a{color:#0b5cad}"
    "table{border-collapse:collapse;margin:.2rem 0;width:100%}"
    "td,th{border-top:1px solid #dde3ea;padding:.25rem .8rem .25rem 0;text-align:left;"
    "vertical-align:top;overflow-wrap:anywhere}th{font-weight:600;white-space:nowrap;width:1%}"
    "@media(prefers-color-scheme:dark){body{background:#14181f;color:#dbe2ea}"
    "td,th{border-color:#2b333f}a{color:#7db8f0}}</style>\n<title>";

void page_print_text(struct buf *out, struct text text)
{
    for (size_t i = 0; i < text.size; i++) {
        switch (text.data[i]) {
        case '&':
            buf_add_text(out, "&amp;");
            break;
        case '<':
            buf_add_text(out, "&lt;");
            break;
        case '>':
            buf_add_text(out, "&gt;");
            break;
        case '"':
            buf_add_text(out, "&quot;");
            break;
        case '\'':
            buf_add_text(out, "&#39;");
            break;
        default:
            buf_add_byte(out, (uint8_t)text.data[i]);
        }
    }
}

static bool is_web(struct text text)
{
    return (text.size > 7 && memcmp(text.data, "http://", 7) == 0) ||
           (text.size > 8 && memcmp(text.data, "https://", 8) == 0) ||
           (text.size > 0 && text.data[0] == '/');
}

static void print_anchor(struct buf *out, struct text href, struct text shown)
{
    buf_add_text(out, "<a href=\"");
    page_print_text(out, href);
    buf_add_text(out, "\">");
    page_print_text(out, shown);
    buf_add_text(out, "</a>");
}

static void print_value(struct buf *out, const struct json_tree *value, unsigned depth);

/* A link is its relation, its type and where it leads. */
static bool print_link(struct buf *out, const struct json_tree *value)
{
    const struct json_tree *href = json_tree_find(value, "href");
    const struct json_tree *rel = json_tree_find(value, "rel");
    const struct json_tree *type = json_tree_find(value, "type");
    if (!json_tree_is(href, JSON_STRING) || !json_tree_is(rel, JSON_STRING) ||
        !is_web(href->text)) {
        return false;
    }
    print_anchor(out, href->text, rel->text);
    if (json_tree_is(type, JSON_STRING)) {
        buf_add_text(out, " <small>");
        page_print_text(out, type->text);
        buf_add_text(out, "</small>");
    }
    return true;
}

static void print_rows(struct buf *out, const struct json_tree *value, unsigned depth)
{
    buf_add_text(out, "<table>");
    for (size_t i = 0; i < value->child_count; i++) {
        buf_add_text(out, "<tr><th>");
        page_print_text(out, value->children[i].key);
        buf_add_text(out, "</th><td>");
        print_value(out, &value->children[i], depth + 1);
        buf_add_text(out, "</td></tr>\n");
    }
    buf_add_text(out, "</table>");
}

static bool has_parts(const struct json_tree *value)
{
    return (value->kind == JSON_OBJECT || value->kind == JSON_ARRAY) && value->child_count > 0;
}

static void print_list(struct buf *out, const struct json_tree *value, unsigned depth)
{
    for (size_t i = 0; i < value->child_count; i++) {
        const bool is_block = has_parts(&value->children[i]);
        buf_add_text(out, i == 0 ? "" : is_block ? "<br>\n" : ", ");
        print_value(out, &value->children[i], depth + 1);
    }
}

static void print_value(struct buf *out, const struct json_tree *value, unsigned depth)
{
    switch (value->kind) {
    case JSON_OBJECT:
    case JSON_ARRAY:
        if (depth > DEPTH_MAX) {
            buf_add_text(out, "&hellip;");
        } else if (value->kind == JSON_ARRAY) {
            print_list(out, value, depth);
        } else if (!print_link(out, value)) {
            print_rows(out, value, depth);
        }
        break;
    case JSON_STRING:
        if (is_web(value->text)) {
            print_anchor(out, value->text, value->text);
        } else {
            page_print_text(out, value->text);
        }
        break;
    case JSON_NUMBER:
        page_print_text(out, value->text);
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        buf_add_text(out, value->kind == JSON_TRUE ? "true" : "false");
        break;
    case JSON_NULL:
    case JSON_NOTHING:
        break;
    }
}

bool page_print(struct span json, struct buf *out, struct err *err)
{
    struct arena memory;
    arena_init(&memory, TREE_MEMORY_MAX);
    const struct json_tree *root = NULL;
    const bool ok = json_tree_read(json, &memory, &root, err);
    if (ok) {
        const struct json_tree *title = json_tree_find(root, "title");
        const struct text shown =
            json_tree_is(title, JSON_STRING) ? title->text : text_of("storey");
        buf_add_text(out, head);
        page_print_text(out, shown);
        buf_add_text(out, "</title></head>\n<body><h1>");
        page_print_text(out, shown);
        buf_add_text(out, "</h1>\n");
        print_value(out, root, 0);
        buf_add_text(out, "\n</body></html>\n");
    }
    arena_release(&memory);
    return ok && buf_finish(out, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/xml.h"

#include <dirent.h>

#include "formats/base/buf.h"
#include "formats/base/io.h"
#include "tests/check.h"

/* What has been heard, as one line: "<a x=1>text</>". */
struct heard {
    struct buf line;
    char names[16][32];
    uint32_t count;
};

static bool on_name(void *context, const char *local, const char *space)
{
    struct heard *heard = context;
    if (heard->count < 16) {
        snprintf(heard->names[heard->count], sizeof heard->names[0], "%.12s%s%.12s", space,
                 *space == '\0' ? "" : ":", local);
    }
    heard->count++;
    return true;
}

static void on_start(void *context, uint32_t name, const struct xml_attribute *attributes,
                     size_t count)
{
    struct heard *heard = context;
    buf_print(&heard->line, "<%s", name < 16 ? heard->names[name] : "?");
    for (size_t i = 0; i < count; i++) {
        buf_print(&heard->line, " %s=%.*s", attributes[i].local,
                  (int)(attributes[i].end - attributes[i].value), attributes[i].value);
    }
    buf_add_byte(&heard->line, '>');
}

static void on_text(void *context, const char *text, size_t size)
{
    struct heard *heard = context;
    buf_add(&heard->line, text, size);
}

static void on_end(void *context)
{
    struct heard *heard = context;
    buf_add_text(&heard->line, "</>");
}

static const struct xml_handler handler = {on_name, on_start, on_text, on_end};

/* Parses a text in pieces of `step` bytes; what was heard goes to `out`. */
static bool parse(struct span text, size_t step, char *out, size_t room, struct err *err)
{
    struct heard heard = {.count = 0};
    struct arena source;
    struct xml *xml = NULL;
    bool ok = true;
    arena_init(&source, 1 << 20);
    buf_init(&heard.line, 1 << 24);
    CHECK_OK(xml_open(&handler, &heard, &source, &xml, err), err);
    for (size_t at = 0; ok && at < text.size; at += step) {
        const size_t left = text.size - at;
        const struct span bytes = check_heap_copy(text.data + at, left < step ? left : step);
        ok = xml_push(xml, bytes, left <= step, err);
        check_heap_free(bytes);
    }
    ok = ok && (text.size > 0 || xml_push(xml, text, true, err));
    buf_add_byte(&heard.line, 0);
    snprintf(out, room, "%s", heard.line.size == 0 ? "" : (const char *)heard.line.data);
    xml_close(xml);
    buf_release(&heard.line);
    arena_release(&source);
    return ok;
}

static struct span span_of(const char *text)
{
    return (struct span){(const uint8_t *)text, strlen(text)};
}

static void xml_push__hears_the_same_however_it_is_cut(void)
{
    static const char text[] = "<?xml version=\"1.0\"?><!-- no -->\n<a xmlns='u' x='1 &lt; 2'><b>"
                               "&#x6DF1;<![CDATA[<c>]]></b><p:d xmlns:p='v'/></a>\n";
    static const char expected[] = "<u:a x=1 < 2><u:b>\xE6\xB7\xB1<c></><v:d></></>";
    for (size_t step = 1; step <= sizeof text; step++) {
        char found[256];
        struct err err;
        CHECK_OK(parse(span_of(text), step, found, sizeof found, &err), &err);
        CHECK_TEXT(found, expected);
    }
}

static void xml_push__fails_on_every_truncation(void)
{
    static const char text[] = "<a x='1'><b>t</b></a>";
    for (size_t size = 0; size + 1 < sizeof text; size++) {
        char found[256];
        struct err err;
        CHECK_FAILS(parse((struct span){(const uint8_t *)text, size}, 4, found, sizeof found, &err),
                    &err, ERR_SYNTAX);
    }
}

static void xml_push__says_what_is_wrong_and_where(void)
{
    static const struct {
        const char *text;
        enum err_code code;
        uint32_t line;
    } cases[] = {
        {"<a>\n<b>\n</c></a>", ERR_SYNTAX, 3},
        {"<a>\n<b x=1/></a>", ERR_SYNTAX, 2},
        {"<a>\n&nobody;</a>", ERR_SYNTAX, 2},
        {"<a/>\n<b/>", ERR_SYNTAX, 2},
        {"<!DOCTYPE a [\n<!ENTITY e \"ee\">]><a>&e;</a>", ERR_UNSUPPORTED, 2},
        {"<!DOCTYPE a [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><a>&e;</a>", ERR_UNSUPPORTED, 1},
        {"<!DOCTYPE a [<!ENTITY % e \"x\"> %e;]><a/>", ERR_UNSUPPORTED, 1},
        {"<!DOCTYPE a [<!ATTLIST a b CDATA \"c\">]><a/>", ERR_UNSUPPORTED, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char found[256];
        struct err err;
        CHECK_FAILS(parse(span_of(cases[i].text), 7, found, sizeof found, &err), &err,
                    cases[i].code);
        CHECK_EQ(err.line, cases[i].line);
    }
}

/* A document type that loads something is not looked for. */
static void xml_push__reads_over_a_plain_document_type(void)
{
    char found[256];
    struct err err;
    CHECK_OK(parse(span_of("<!DOCTYPE a SYSTEM \"http://no.where/a.dtd\"><a>b</a>"), 5, found,
                   sizeof found, &err),
             &err);
    CHECK_TEXT(found, "<a>b</>");
}

static void xml_push__limits_depth_and_tags(void)
{
    struct buf text;
    char found[16];
    struct err err;
    buf_init(&text, 64 << 20);
    for (int i = 0; i < XML_DEPTH_MAX + 1; i++) {
        buf_add_text(&text, "<a>");
    }
    CHECK_FAILS(parse(buf_span(&text), 4096, found, sizeof found, &err), &err, ERR_LIMIT);
    buf_reset(&text);
    buf_add_text(&text, "<a b='");
    while (text.size < XML_TOKEN_BYTES_MAX + (4 << 20)) {
        buf_add_text(&text, "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb");
    }
    CHECK_FAILS(parse(buf_span(&text), 1 << 20, found, sizeof found, &err), &err, ERR_LIMIT);
    buf_release(&text);
}

/* ---- libxml2's own collection ---- */

/* Parses every file of a folder; how many were read whole. */
static int parse_folder(const char *folder, int *out_count)
{
    char path[1024];
    struct dirent *entry;
    DIR *open = opendir(folder);
    int good = 0;
    *out_count = 0;
    CHECK(open != NULL);
    for (entry = readdir(open); entry != NULL; entry = readdir(open)) {
        struct io_map map;
        struct err err;
        char found[16];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] == '.' || !io_map(path, &map, &err)) {
            continue;
        }
        const bool ok = parse(map.bytes, 64, found, sizeof found, &err);
        good += ok;
        (*out_count)++;
        CHECK(ok || err.message[0] != '\0');
        CHECK(ok || err.code == ERR_SYNTAX || err.code == ERR_UNSUPPORTED || err.code == ERR_LIMIT);
        io_unmap(&map);
    }
    closedir(open);
    return good;
}

static void xml_push__tells_broken_files_from_sound_ones(void)
{
    char path[512];
    int count = 0;
    const char *shared = check_shared_data();
    if (shared == NULL) {
        CHECK_SKIP("no shared data");
    }
    snprintf(path, sizeof path, "%s/robustness/xml-errors", shared);
    /* Some of these are wrong only to a validator, or as documents of another kind. */
    const int wrong = parse_folder(path, &count);
    CHECK(count > 40);
    CHECK(wrong <= 6);
    snprintf(path, sizeof path, "%s/robustness/xml-wellformed", shared);
    const int right = parse_folder(path, &count);
    CHECK(count > 100);
    /* The others declare entities or attributes, or are in another encoding. */
    CHECK(right > count / 2);
}

static void xml_push__undoes_what_is_escaped(void)
{
    static const char text[] = "<a n='R&amp;D &#x4E2D; &lt;&quot;'>x &amp; &#x4E2D; &gt;</a>";
    char heard[200];
    struct err err;
    const struct span whole = {(const uint8_t *)text, strlen(text)};
    CHECK_OK(parse(whole, whole.size, heard, sizeof heard, &err), &err);
    CHECK_TEXT(heard, "<a n=R&D \xE4\xB8\xAD <\">x & \xE4\xB8\xAD ></>");
}

CHECK_MAIN(CHECK_TEST(xml_push__undoes_what_is_escaped),
           CHECK_TEST(xml_push__hears_the_same_however_it_is_cut),
           CHECK_TEST(xml_push__fails_on_every_truncation),
           CHECK_TEST(xml_push__says_what_is_wrong_and_where),
           CHECK_TEST(xml_push__reads_over_a_plain_document_type),
           CHECK_TEST(xml_push__limits_depth_and_tags),
           CHECK_TEST(xml_push__tells_broken_files_from_sound_ones))

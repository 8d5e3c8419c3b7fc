/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/xml.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>

#include <libxml/parser.h>
#include <libxml/parserInternals.h>

#include "formats/base/buf.h"

/* Names are 64 MiB at most; a table of four times as many slots as names. */
enum { NAME_BYTES_MAX = 64 * 1024 * 1024, SLOTS_MIN = 1024, PIECE_BYTES = 1 << 20 };

/* libxml2 keeps one copy of every name: its address is the name. */
struct slot {
    const xmlChar *local; /* NULL: free */
    const xmlChar *space;
    uint32_t number;
};

struct xml {
    const struct xml_handler *handler;
    void *context;
    xmlParserCtxtPtr parser;
    xmlSAXHandler sax;
    struct buf slots; /* struct slot, a power of two of them */
    size_t slot_count;
    uint32_t name_count;
    uint32_t depth;
    uint32_t undeclared_count;
    uint64_t pushed;     /* bytes of this document */
    uint64_t last_event; /* `pushed` when the handler was last called */
    bool is_stopped;
    bool has_failed;
    struct err failure;
};

static_assert(sizeof(struct xml_attribute) == 5 * sizeof(const xmlChar *),
              "attributes are five pointers in libxml2, too");

/* ---- failing ---- */

static void fail(struct xml *xml, enum err_code code, const char *message)
{
    if (!xml->has_failed) {
        err_set(&xml->failure, code, "%s", message);
        err_at_line(&xml->failure, xml_line(xml), 0);
        xml->has_failed = true;
    }
    xml_stop(xml);
}

/* libxml2's words without the newline at their end, in lower case. */
static void on_error(void *context, xmlErrorPtr error)
{
    struct xml *xml = context;
    if (error->domain == XML_FROM_NAMESPACE) {
        xml->undeclared_count += error->code == XML_NS_ERR_UNDEFINED_NAMESPACE;
        return;
    }
    if (error->level != XML_ERR_FATAL || xml->has_failed) {
        return;
    }
    char message[160];
    snprintf(message, sizeof message, "%s", error->message == NULL ? "" : error->message);
    size_t size = strlen(message);
    while (size > 0 && (message[size - 1] == '\n' || message[size - 1] == ' ')) {
        message[--size] = '\0';
    }
    if (message[0] >= 'A' && message[0] <= 'Z' && message[1] >= 'a') {
        message[0] = (char)(message[0] - 'A' + 'a');
    }
    const bool is_memory = error->code == XML_ERR_NO_MEMORY;
    err_set(&xml->failure, is_memory ? ERR_NOMEM : ERR_SYNTAX, "%s", message);
    err_at_line(&xml->failure, error->line > 0 ? (uint32_t)error->line : 0,
                error->int2 > 0 ? (uint32_t)error->int2 : 0);
    xml->has_failed = true;
}

/* ---- names ---- */

static struct slot *find_slot(struct slot *slots, size_t count, const xmlChar *local,
                              const xmlChar *space)
{
    const uint64_t mixed = ((uint64_t)(uintptr_t)local ^ ((uint64_t)(uintptr_t)space << 7)) *
                           UINT64_C(0x9E3779B97F4A7C15);
    size_t at = (size_t)(mixed >> 40) & (count - 1);
    while (slots[at].local != NULL && (slots[at].local != local || slots[at].space != space)) {
        at = (at + 1) & (count - 1);
    }
    return &slots[at];
}

static bool grow_slots(struct xml *xml)
{
    const size_t count = xml->slot_count == 0 ? (size_t)SLOTS_MIN : 2 * xml->slot_count;
    struct buf grown;
    buf_init(&grown, xml->slots.limit_bytes);
    struct slot *slots = (struct slot *)(void *)buf_extend(&grown, count * sizeof *slots);
    if (slots == NULL) {
        buf_release(&grown);
        return false;
    }
    const struct slot *old = (const struct slot *)(const void *)xml->slots.data;
    for (size_t i = 0; i < xml->slot_count; i++) {
        if (old[i].local != NULL) {
            *find_slot(slots, count, old[i].local, old[i].space) = old[i];
        }
    }
    buf_release(&xml->slots);
    xml->slots = grown;
    xml->slot_count = count;
    return true;
}

static struct slot *name_slot(struct xml *xml, const xmlChar *local, const xmlChar *space)
{
    struct slot *slot =
        find_slot((struct slot *)(void *)xml->slots.data, xml->slot_count, local, space);
    if (slot->local != NULL) {
        return slot;
    }
    const char *space_text = space == NULL ? "" : (const char *)space;
    if (!xml->handler->name(xml->context, (const char *)local, space_text)) {
        fail(xml, ERR_NOMEM, "no memory for another name");
        return NULL;
    }
    *slot = (struct slot){local, space, xml->name_count++};
    if (2 * (size_t)xml->name_count > xml->slot_count) {
        if (!grow_slots(xml)) {
            fail(xml, ERR_NOMEM, "no memory for another name");
            return NULL;
        }
        slot = find_slot((struct slot *)(void *)xml->slots.data, xml->slot_count, local, space);
    }
    return slot;
}

/* ---- events ---- */

static void on_start(void *context, const xmlChar *local, const xmlChar *prefix,
                     const xmlChar *space, int space_count, const xmlChar **spaces,
                     int attribute_count, int default_count, const xmlChar **attributes)
{
    (void)prefix;
    (void)space_count;
    (void)spaces;
    (void)default_count;
    struct xml *xml = context;
    if (xml->is_stopped) {
        return;
    }
    if (++xml->depth > XML_DEPTH_MAX) {
        fail(xml, ERR_LIMIT, "elements nested more than 256 deep");
        return;
    }
    const struct slot *slot = name_slot(xml, local, space);
    if (slot == NULL) {
        return;
    }
    xml->last_event = xml->pushed;
    xml->handler->start(xml->context, slot->number,
                        (const struct xml_attribute *)(const void *)attributes,
                        (size_t)attribute_count);
}

static void on_end(void *context, const xmlChar *local, const xmlChar *prefix, const xmlChar *space)
{
    (void)local;
    (void)prefix;
    (void)space;
    struct xml *xml = context;
    if (!xml->is_stopped) {
        xml->depth--;
        xml->last_event = xml->pushed;
        xml->handler->end(xml->context);
    }
}

static void on_text(void *context, const xmlChar *text, int size)
{
    struct xml *xml = context;
    if (!xml->is_stopped && size > 0) { /* an empty CDATA section says nothing */
        xml->last_event = xml->pushed;
        xml->handler->text(xml->context, (const char *)text, (size_t)size);
    }
}

/* What libxml2 would print to the terminal. */
static void say_nothing(void *context, const char *format, ...)
{
    (void)context;
    (void)format;
}

static void on_entity(void *context, const xmlChar *name, int type, const xmlChar *public_id,
                      const xmlChar *system_id, xmlChar *content)
{
    (void)name;
    (void)type;
    (void)public_id;
    (void)system_id;
    (void)content;
    fail(context, ERR_UNSUPPORTED,
         "the document type declares entities, which are not read; expand them first");
}

static void on_unparsed(void *context, const xmlChar *name, const xmlChar *public_id,
                        const xmlChar *system_id, const xmlChar *notation)
{
    (void)notation;
    on_entity(context, name, 0, public_id, system_id, NULL);
}

static void on_attribute(void *context, const xmlChar *element, const xmlChar *name, int type,
                         int kind, const xmlChar *value, xmlEnumerationPtr choices)
{
    (void)element;
    (void)name;
    (void)type;
    (void)kind;
    (void)value;
    xmlFreeEnumeration(choices); /* it is the handler's to free */
    fail(context, ERR_UNSUPPORTED,
         "the document type declares attributes, which are not read; write them out first");
}

/* Five entities stand for themselves; there are no others. */
static xmlEntityPtr find_entity(void *context, const xmlChar *name)
{
    (void)context;
    return xmlGetPredefinedEntity(name);
}

/* ---- the parser ---- */

/* Nothing may be looked up. What is expanded is the five entities that always
 * are: without XML_PARSE_NOENT "&amp;" in an attribute would come as "&#38;". */
enum { OPTIONS = XML_PARSE_HUGE | XML_PARSE_NONET | XML_PARSE_IGNORE_ENC | XML_PARSE_NOENT };

static void begin(struct xml *xml)
{
    xmlCtxtUseOptions(xml->parser, OPTIONS);
    xmlDictSetLimit(xml->parser->dict, NAME_BYTES_MAX);
    xml->depth = 0;
    xml->pushed = 0;
    xml->last_event = 0;
    xml->is_stopped = false;
    xml->has_failed = false;
}

static bool open_parser(struct xml *xml, struct err *err)
{
    xmlInitParser();
    xmlSetGenericErrorFunc(NULL, say_nothing); /* of this thread */
    xml->sax = (xmlSAXHandler){
        .initialized = XML_SAX2_MAGIC,
        .startElementNs = on_start,
        .endElementNs = on_end,
        .characters = on_text,
        .ignorableWhitespace = on_text,
        .cdataBlock = on_text,
        .entityDecl = on_entity,
        .unparsedEntityDecl = on_unparsed,
        .attributeDecl = on_attribute,
        .getEntity = find_entity,
        .serror = on_error,
    };
    if (!grow_slots(xml)) {
        return err_set(err, ERR_NOMEM, "no memory for names");
    }
    xml->parser = xmlCreatePushParserCtxt(&xml->sax, xml, NULL, 0, NULL);
    if (xml->parser == NULL) {
        return err_set(err, ERR_NOMEM, "libxml2");
    }
    begin(xml);
    return true;
}

bool xml_open(const struct xml_handler *handler, void *context, struct arena *source,
              struct xml **out, struct err *err)
{
    struct xml *xml = arena_array(source, struct xml, 1);
    if (xml == NULL) {
        return arena_full(source, err);
    }
    xml->handler = handler;
    xml->context = context;
    buf_init(&xml->slots, SIZE_MAX / 2);
    if (!open_parser(xml, err)) {
        xml_close(xml);
        return false;
    }
    *out = xml;
    return true;
}

void xml_close(struct xml *xml)
{
    if (xml == NULL) {
        return;
    }
    if (xml->parser != NULL) {
        if (xml->parser->myDoc != NULL) {
            xmlFreeDoc(xml->parser->myDoc); /* of a document type declaration */
        }
        xmlFreeParserCtxt(xml->parser);
    }
    buf_release(&xml->slots);
}

bool xml_restart(struct xml *xml, uint32_t line, struct err *err)
{
    if (xml->parser->myDoc != NULL) {
        xmlFreeDoc(xml->parser->myDoc);
        xml->parser->myDoc = NULL;
    }
    if (xmlCtxtResetPush(xml->parser, NULL, 0, NULL, NULL) != 0) {
        return err_set(err, ERR_NOMEM, "libxml2");
    }
    begin(xml);
    xml_set_line(xml, line);
    return true;
}

bool xml_push(struct xml *xml, struct span bytes, bool is_last, struct err *err)
{
    while (!xml->has_failed && !xml->is_stopped && bytes.size > 0) {
        const size_t size = bytes.size < PIECE_BYTES ? bytes.size : PIECE_BYTES;
        xml->pushed += size;
        (void)xmlParseChunk(xml->parser, (const char *)bytes.data, (int)size, 0);
        bytes = (struct span){bytes.data + size, bytes.size - size};
        if (!xml->has_failed && xml->pushed - xml->last_event > XML_TOKEN_BYTES_MAX) {
            fail(xml, ERR_LIMIT, "a tag or a comment that is longer than 16 MiB");
        }
    }
    if (is_last && !xml->has_failed && !xml->is_stopped) {
        (void)xmlParseChunk(xml->parser, NULL, 0, 1);
    }
    if (xml->has_failed) {
        *err = xml->failure;
        return false;
    }
    return true;
}

void xml_stop(struct xml *xml)
{
    xml->is_stopped = true;
    xmlStopParser(xml->parser);
}

bool xml_is_stopped(const struct xml *xml)
{
    return xml->is_stopped;
}

uint32_t xml_line(const struct xml *xml)
{
    const xmlParserInputPtr input = xml->parser->input;
    return input == NULL || input->line < 0 ? 0 : (uint32_t)input->line;
}

void xml_set_line(struct xml *xml, uint32_t line)
{
    if (xml->parser->input != NULL && line <= INT_MAX) {
        xml->parser->input->line = (int)line;
    }
}

uint32_t xml_undeclared_count(const struct xml *xml)
{
    return xml->undeclared_count;
}

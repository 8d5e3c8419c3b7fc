/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/encoding.h"

#include <errno.h>
#include <iconv.h>
#include <stdio.h>
#include <strings.h>

enum { WINDOW_BYTES = 4 * 1024 * 1024, PIECE_BYTES = 64 * 1024, SAMPLE_BYTES = 256 * 1024 };

/* ---- UTF-8 ---- */

/* How the bytes beyond ASCII look as UTF-8. */
struct look {
    uint64_t good; /* characters of several bytes */
    uint64_t bad;  /* bytes that belong to none */
    uint64_t first_high;
};

/* Bytes of the character at `at`, of which `left` are there; 0 when it is none. */
static size_t character_bytes(const uint8_t *at, size_t left)
{
    const uint8_t first = at[0];
    const size_t count = first < 0x80 ? 1 : first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (count == 1) {
        return 1;
    }
    return first >= 0xC2 && left >= count && text_is_utf8((struct text){(const char *)at, count})
               ? count
               : 0;
}

/* The first byte beyond ASCII in [from, to), eight blocks of eight at a time. */
static size_t find_high(const uint8_t *bytes, size_t from, size_t to)
{
    while (to - from >= 64) {
        uint64_t words[8];
        memcpy(words, bytes + from, sizeof words);
        uint64_t all = 0;
        for (int i = 0; i < 8; i++) {
            all |= words[i];
        }
        if ((all & UINT64_C(0x8080808080808080)) != 0) {
            break;
        }
        from += 64;
    }
    while (from < to && bytes[from] < 0x80) {
        from++;
    }
    return from;
}

static struct look look_at(struct span bytes, const struct io_map *map)
{
    struct look look = {.first_high = bytes.size};
    size_t kept = 0;
    for (size_t at = 0; at < bytes.size;) {
        const size_t left = bytes.size - at;
        const size_t end = left > WINDOW_BYTES ? at + WINDOW_BYTES : bytes.size;
        at = find_high(bytes.data, at, end);
        if (at < end) {
            const size_t size = character_bytes(bytes.data + at, bytes.size - at);
            look.first_high = look.first_high == bytes.size ? at : look.first_high;
            look.good += size > 1;
            look.bad += size == 0;
            at += size == 0 ? 1 : size;
        }
        if (map != NULL && at - kept >= WINDOW_BYTES) {
            io_map_give_back(map, kept, at);
            kept = at;
        }
    }
    return look;
}

/* ---- guessing ---- */

/* Characters of two bytes, in one of the encodings of East Asia. */
struct score {
    uint64_t common; /* everyday characters */
    uint64_t rare;
    uint64_t broken;
};

static void score_gb(const uint8_t *at, const uint8_t *end, struct score *score)
{
    while (at < end) {
        if (at[0] < 0x80) {
            at++;
            continue;
        }
        const bool is_pair = at + 1 < end && at[0] >= 0x81 && at[0] <= 0xFE && at[1] >= 0x40 &&
                             at[1] != 0x7F && at[1] != 0xFF;
        const bool is_four = at + 3 < end && at[0] >= 0x81 && at[0] <= 0xFE && at[1] >= 0x30 &&
                             at[1] <= 0x39 && at[2] >= 0x81;
        /* Level 1 of GB 2312, and its punctuation. */
        const bool is_common = is_pair && at[1] >= 0xA1 &&
                               ((at[0] >= 0xB0 && at[0] <= 0xD7) || at[0] == 0xA1 || at[0] == 0xA3);
        score->common += is_common;
        score->rare += (is_pair || is_four) && !is_common;
        score->broken += !is_pair && !is_four;
        at += is_pair ? 2 : is_four ? 4 : 1;
    }
}

static void score_sjis(const uint8_t *at, const uint8_t *end, struct score *score)
{
    while (at < end) {
        if (at[0] < 0x80) {
            at++;
            continue;
        }
        const bool is_single = at[0] >= 0xA1 && at[0] <= 0xDF;
        const bool is_lead = (at[0] >= 0x81 && at[0] <= 0x9F) || (at[0] >= 0xE0 && at[0] <= 0xFC);
        const bool is_pair =
            is_lead && at + 1 < end && at[1] >= 0x40 && at[1] != 0x7F && at[1] <= 0xFC;
        /* Kana, and kanji of level 1. */
        const bool is_common =
            is_pair && ((at[0] >= 0x81 && at[0] <= 0x83) || (at[0] >= 0x88 && at[0] <= 0x98));
        score->common += is_common;
        score->rare += (is_pair && !is_common) || is_single;
        score->broken += !is_pair && !is_single;
        at += is_pair ? 2 : 1;
    }
}

static double plausibility(const struct score *score)
{
    const double all = (double)(score->common + score->rare + score->broken);
    return all == 0 ? 0 : ((double)score->common - 2 * (double)score->broken) / all;
}

/* The likeliest encoding of what is not UTF-8: a western text has its letters
 * one by one between ASCII, which would be rare pairs elsewhere. */
static const char *guess(struct span bytes, uint64_t first_high)
{
    const uint8_t *at = bytes.data + first_high;
    const uint64_t left = bytes.size - first_high;
    const uint8_t *end = at + (left < SAMPLE_BYTES ? left : SAMPLE_BYTES);
    struct score gb = {0};
    struct score sjis = {0};
    score_gb(at, end, &gb);
    score_sjis(at, end, &sjis);
    const double chinese = plausibility(&gb);
    const double japanese = plausibility(&sjis);
    if (chinese < 0.5 && japanese < 0.5) {
        return "WINDOWS-1252";
    }
    return japanese > chinese ? "CP932" : "GB18030";
}

/* ---- what is declared ---- */

/* encoding="..." of the XML declaration, from its plain bytes. */
static void read_declared(struct span bytes, char *out, size_t room)
{
    char head[256];
    size_t size = 0;
    for (size_t i = 0; i < bytes.size && i < 512 && size + 1 < sizeof head; i++) {
        if (bytes.data[i] != 0 && bytes.data[i] < 0x80) {
            head[size++] = (char)bytes.data[i];
        }
    }
    head[size] = '\0';
    const char *begin = strstr(head, "<?xml");
    const char *end = begin == NULL ? NULL : strstr(begin, "?>");
    const char *at = end == NULL ? NULL : strstr(begin, "encoding");
    *out = '\0';
    if (at == NULL || at > end) {
        return;
    }
    at += strcspn(at, "\"'");
    if (at < end) {
        const char quote = *at++;
        const char *close = strchr(at, quote);
        if (close != NULL && close < end) {
            snprintf(out, room, "%.*s", (int)(close - at), at);
        }
    }
}

/* The larger sets that names stand for in practice. */
static const char *known_as(const char *name)
{
    static const char *const names[][2] = {
        {"gb2312", "GB18030"},          {"gbk", "GB18030"},         {"cp936", "GB18030"},
        {"gb_2312-80", "GB18030"},      {"euc-cn", "GB18030"},      {"shift_jis", "CP932"},
        {"shift-jis", "CP932"},         {"sjis", "CP932"},          {"windows-31j", "CP932"},
        {"iso-8859-1", "WINDOWS-1252"}, {"latin1", "WINDOWS-1252"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcasecmp(name, names[i][0]) == 0) {
            return names[i][1];
        }
    }
    return name;
}

static bool is_utf8_name(const char *name)
{
    return *name == '\0' || strcasecmp(name, "utf-8") == 0 || strcasecmp(name, "utf8") == 0 ||
           strcasecmp(name, "us-ascii") == 0 || strcasecmp(name, "ascii") == 0;
}

static bool is_known(const char *name)
{
    iconv_t handle = iconv_open("UTF-8", name);
    if (handle == (iconv_t)-1) {
        return false;
    }
    iconv_close(handle);
    return true;
}

static void set_name(struct encoding *encoding, const char *name, enum encoding_reason reason)
{
    snprintf(encoding->name, sizeof encoding->name, "%s", name);
    encoding->reason = reason;
}

static const char *find_mark(struct span bytes)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *name;
    } marks[] = {
        {"\xEF\xBB\xBF", 3, "UTF-8"},    {"\xFF\xFE\0\0", 4, "UTF-32LE"},
        {"\0\0\xFE\xFF", 4, "UTF-32BE"}, {"\xFF\xFE", 2, "UTF-16LE"},
        {"\xFE\xFF", 2, "UTF-16BE"},     {"<\0?\0", 4, "UTF-16LE"},
        {"\0<\0?", 4, "UTF-16BE"},       {"<\0", 2, "UTF-16LE"},
        {"\0<", 2, "UTF-16BE"},
    };
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        if (bytes.size >= marks[i].size && memcmp(bytes.data, marks[i].bytes, marks[i].size) == 0) {
            return marks[i].name;
        }
    }
    return NULL;
}

struct encoding encoding_find(struct span bytes, const struct io_map *map, const char *chosen)
{
    struct encoding found = {.is_utf8 = true};
    read_declared(bytes, found.declared, sizeof found.declared);
    set_name(&found, "UTF-8", ENCODING_PLAIN);
    const char *mark = find_mark(bytes);
    if (mark != NULL && strcmp(mark, "UTF-8") != 0) {
        set_name(&found, mark, ENCODING_DECLARED);
        found.is_utf8 = false;
        return found;
    }
    const struct look look = look_at(bytes, map);
    const bool says_utf8 = is_utf8_name(found.declared) ||
                           strncasecmp(found.declared, "utf-16", 6) == 0 ||
                           !is_known(known_as(found.declared));
    /* A few characters may be UTF-8 by accident. */
    const bool is_proven = look.good >= 4 || mark != NULL;
    if (look.bad == 0 && (look.good == 0 || says_utf8 || is_proven)) {
        if (look.good > 0 && !says_utf8) {
            found.reason = ENCODING_DISPROVED;
        }
        return found;
    }
    if (look.bad > 0 && look.good > 8 * look.bad) {
        found.is_utf8 = false; /* its broken characters are replaced */
        return found;
    }
    found.is_utf8 = false;
    if (chosen != NULL) {
        set_name(&found, known_as(chosen), ENCODING_CHOSEN);
    } else if (!says_utf8) {
        set_name(&found, known_as(found.declared), ENCODING_DECLARED);
    } else {
        set_name(&found, guess(bytes, look.first_high), ENCODING_GUESSED);
    }
    return found;
}

/* ---- converting ---- */

/* What could not be converted at the end of a piece: the rest of a character,
 * or nothing. Everything else that is refused becomes U+FFFD. */
static size_t convert_piece(iconv_t handle, const uint8_t *bytes, size_t size, char *out,
                            size_t *out_size, uint64_t *broken)
{
    /* iconv's prototype has no const; it does not write there. */
    char *in = (char *)(uintptr_t)bytes;
    size_t in_left = size;
    char *to = out;
    size_t room = *out_size;
    while (in_left > 0 && iconv(handle, &in, &in_left, &to, &room) == (size_t)-1) {
        if (errno == EINVAL || errno == E2BIG) {
            break; /* cut at the end of the piece */
        }
        memcpy(to, "\xEF\xBF\xBD", 3);
        to += 3;
        room -= 3;
        in++;
        in_left--;
        (*broken)++;
    }
    *out_size = (size_t)(to - out);
    return in_left;
}

bool encoding_convert(struct span bytes, const struct io_map *map, const char *name, int fd,
                      uint64_t *out_broken, struct err *err)
{
    static const char mark[] = "\xEF\xBB\xBF";
    char out[4 * PIECE_BYTES];
    uint64_t broken = 0;
    size_t kept = 0;
    iconv_t handle = iconv_open("UTF-8", name);
    if (handle == (iconv_t)-1) {
        return err_set(err, ERR_UNSUPPORTED,
                       "encoding '%s' is not known here (iconv -l lists them)", name);
    }
    bool ok = true;
    for (size_t at = 0; ok && at < bytes.size;) {
        const size_t left = bytes.size - at;
        const size_t size = left < PIECE_BYTES ? left : (size_t)PIECE_BYTES;
        size_t out_size = sizeof out;
        const size_t rest = convert_piece(handle, bytes.data + at, size, out, &out_size, &broken);
        /* Half a character at the very end is broken, too. */
        const bool is_stuck = rest == size || size == left;
        const bool has_mark = at == 0 && out_size >= 3 && memcmp(out, mark, 3) == 0;
        ok = io_write(fd, out + (has_mark ? 3 : 0), out_size - (has_mark ? 3 : 0), err);
        broken += is_stuck && rest > 0;
        at += is_stuck ? size : size - rest;
        if (map != NULL && at - kept >= WINDOW_BYTES) {
            io_map_give_back(map, kept, at);
            kept = at;
        }
    }
    iconv_close(handle);
    *out_broken = broken;
    return ok;
}

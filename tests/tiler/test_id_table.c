/* SPDX-License-Identifier: Apache-2.0 */
#include "tiler/id_table.h"

#include "tests/check.h"

static enum id_table_answer add(struct id_table *table, const char *id, uint64_t content,
                                uint32_t source, uint32_t line)
{
    struct err err;
    enum id_table_answer answer = ID_NEW;
    CHECK_OK(id_table_add(table, text_of(id), content, source, line, &answer, &err), &err);
    return answer;
}

static void id_table_add__tells_new_from_identical_from_conflicting(void)
{
    struct id_table *table;
    struct err err;
    CHECK_OK(id_table_open(&table, &err), &err);
    CHECK_EQ(add(table, "a", 1, 0, 5), ID_NEW);
    CHECK_EQ(add(table, "b", 1, 0, 6), ID_NEW);
    CHECK_EQ(add(table, "c", 1, 0, 7), ID_NEW);
    CHECK_EQ(add(table, "a", 1, 1, 5), ID_IDENTICAL);
    CHECK_EQ(id_table_sharing(table, text_of("a")), ID_SINGLE);
    CHECK_EQ(add(table, "a", 2, 1, 5), ID_CONFLICT);
    CHECK_EQ(id_table_sharing(table, text_of("a")), ID_SHARED);
    CHECK_EQ(add(table, "b", 2, 0, 9), ID_CONFLICT);
    CHECK_EQ(id_table_sharing(table, text_of("b")), ID_IN_SOURCE);
    /* two in a source that is not the first one's */
    CHECK_EQ(add(table, "a", 3, 1, 8), ID_CONFLICT);
    CHECK_EQ(id_table_sharing(table, text_of("a")), ID_IN_SOURCE);
    CHECK_EQ(add(table, "c", 2, 0, 7), ID_CONFLICT);
    CHECK_EQ(add(table, "c", 3, 1, 7), ID_CONFLICT);
    CHECK_EQ(id_table_sharing(table, text_of("c")), ID_ON_LINE);
    CHECK_EQ(id_table_sharing(table, text_of("d")), ID_SINGLE);
    id_table_close(table);
}

static void id_table_add__remembers_while_it_grows(void)
{
    struct id_table *table;
    struct err err;
    char id[16];
    CHECK_OK(id_table_open(&table, &err), &err);
    for (int i = 0; i < 20000; i++) {
        snprintf(id, sizeof id, "id-%d", i);
        CHECK_EQ(add(table, id, (uint64_t)i, 0, 1), ID_NEW);
    }
    for (int i = 0; i < 20000; i += 7) {
        snprintf(id, sizeof id, "id-%d", i);
        CHECK_EQ(add(table, id, (uint64_t)i, 0, 1), ID_IDENTICAL);
    }
    id_table_close(table);
}

CHECK_MAIN(CHECK_TEST(id_table_add__tells_new_from_identical_from_conflicting),
           CHECK_TEST(id_table_add__remembers_while_it_grows))

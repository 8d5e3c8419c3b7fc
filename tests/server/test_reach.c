/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "server/reach.h"

#include "server/store.h"
#include "tests/server/served.h"

static void uris__become_names_inside_or_nothing(void)
{
    static const struct {
        const char *base;
        const char *uri;
        const char *name; /* NULL: nothing */
    } cases[] = {
        {"tileset.json", "a.glb", "a.glb"},
        {"tileset.json", "./tiles/a.glb?v=1#x", "tiles/a.glb"},
        {"tiles/0/tileset.json", "a.glb", "tiles/0/a.glb"},
        {"tiles/0/tileset.json", "../1/a.glb", "tiles/1/a.glb"},
        {"tiles/tileset.json", "../a.glb", "a.glb"},
        {"tileset.json", "%E6%A5%BC.glb", "\xE6\xA5\xBC.glb"},
        {"tileset.json", "a%2Fb.glb", "a/b.glb"},
        {"tileset.json", "a//b.glb", "a/b.glb"},
        {"tileset.json", "{level}/{x}.glb", "{level}/{x}.glb"},
        {"tileset.json", "../a.glb", NULL},
        {"a/tileset.json", "../../etc/passwd", NULL},
        {"tileset.json", "%2e%2e/a.glb", NULL},
        {"tileset.json", "/etc/passwd", NULL},
        {"tileset.json", "http://other/a.glb", NULL},
        {"tileset.json", "data:model/gltf-binary;base64,AA", NULL},
        {"tileset.json", "", NULL},
        {"tileset.json", ".", NULL},
        {"tileset.json", "%", "%"},
    };
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct text name = {"", 0};
        const bool is_name =
            reach_resolve(text_of(cases[i].base), text_of(cases[i].uri), &arena, &name);
        if (is_name != (cases[i].name != NULL) || (is_name && !text_is(name, cases[i].name))) {
            fail_msg("%s in %s: '%.*s'", cases[i].uri, cases[i].base, TEXT_ARGS(name));
        }
    }
    arena_release(&arena);
}

static struct served served;

static void write_json(const char *name, const char *json)
{
    served_write(served.plain, name, json, strlen(json));
}

static bool serves(const struct store *store, const char *name)
{
    return store_may_serve(store, text_of(name));
}

#define VOLUME "\"boundingVolume\":{\"region\":[1,0,1.1,0.1,0,9]},\"geometricError\":1"

static void foreign_packages__serve_what_their_tilesets_lead_to(void)
{
    struct store *store;
    struct err err;
    served_open(&served);
    write_json(
        "tileset.json",
        "{\"asset\":{\"version\":\"1.1\"},\"geometricError\":9,\"schemaUri\":\"schema.json\","
        "\"root\":{" VOLUME ",\"content\":{\"uri\":\"a.glb\"},\"children\":["
        "{" VOLUME ",\"content\":{\"url\":\"sub/tileset.json\"}},"
        "{" VOLUME ",\"contents\":[{\"uri\":\"c/{level}/{x}_{y}.glb\"}],"
        "\"implicitTiling\":{\"subtrees\":{\"uri\":\"s/{level}.{x}.{y}.subtree\"}}},"
        "{" VOLUME ",\"content\":{\"uri\":\"gone.json\"}},"
        "{" VOLUME ",\"content\":{\"uri\":\"../../secret.json\"}}]}}");
    CHECK_OK(io_make_directory(served.plain, &err), &err);
    char folder[160];
    snprintf(folder, sizeof folder, "%s/sub", served.plain);
    CHECK_OK(io_make_directory(folder, &err), &err);
    write_json("sub/tileset.json", "{\"asset\":{\"version\":\"1.1\"},\"root\":{" VOLUME
                                   ",\"children\":[{\"content\":{\"uri\":\"b.glb\"}},"
                                   "{\"content\":{\"uri\":\"tileset.json\"}},"
                                   "{\"content\":{\"uri\":\"../tileset.json\"}}]}}");
    CHECK_OK(store_open(served.plain, &store, &err), &err);
    static const char *const yes[] = {"tileset.json",     "schema.json",     "a.glb",
                                      "sub/tileset.json", "sub/b.glb",       "c/0/0_0.glb",
                                      "c/12/3_456.glb",   "s/1.2.3.subtree", "gone.json"};
    static const char *const no[] = {"b.glb",       "passwords.txt", "notes.json",
                                     "c/x/0_0.glb", "c/1/2_.glb",    "c/1/2_3.glb.bak",
                                     "texture.png", "secret.json",   ".git/config",
                                     "sub/.hidden", "features.gpkg", ""};
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
        if (!serves(store, yes[i])) {
            fail_msg("%s is not served", yes[i]);
        }
    }
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++) {
        if (serves(store, no[i])) {
            fail_msg("%s is served", no[i]);
        }
    }
    store_drop(store);
    served_close(&served);
}

static void our_packages__serve_what_is_named_by_its_content(void)
{
    struct store *store;
    struct err err;
    served_open(&served);
    CHECK_OK(store_open(served.ours, &store, &err), &err);
    CHECK(serves(store, "tileset.json"));
    CHECK(serves(store, SERVED_TILE));
    static const char *const no[] = {"manifest.json",
                                     "features.idx",
                                     "features.gpkg",
                                     "tiles/notes.txt",
                                     "0123456789abcdef",
                                     "tiles/a-0123456789abcde.glb",
                                     "tiles/a-0123456789ABCDEF.glb",
                                     "tiles/a-00123456789abcdef.glb"};
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++) {
        if (serves(store, no[i])) {
            fail_msg("%s is served", no[i]);
        }
    }
    store_drop(store);
    served_close(&served);
}

/* A stray file of the right form is not what its name says. */
static void stray_files__are_not_what_they_are_named_after(void)
{
    struct store *store;
    struct store_cache *cache;
    struct store_view *view;
    struct err err;
    bool is_refused;
    served_open(&served);
    served_write(served.plain, "manifest.json", served_files[1].bytes, served_files[1].size);
    served_write(served.plain, "tiles/stray-0123456789abcdef.glb", served_glb, 20);
    CHECK_OK(store_open(served.plain, &store, &err), &err);
    CHECK(store_facts(store)->is_ours);
    const struct store_cache_options options = {.slot_count = 16, .expanded_bytes = 1 << 20};
    CHECK_OK(store_cache_open(options, &cache, &err), &err);
    CHECK_OK(store_cache_find(cache, store, text_of(SERVED_TILE), 1U << MESSAGE_IDENTITY, &view,
                              &is_refused, &err),
             &err);
    store_view_give_back(view);
    CHECK_FAILS(store_cache_find(cache, store, text_of("tiles/stray-0123456789abcdef.glb"),
                                 1U << MESSAGE_IDENTITY, &view, &is_refused, &err),
                &err, ERR_SYNTAX);
    store_cache_close(cache);
    store_drop(store);
    served_close(&served);
}

static void reading__without_memory_fails_cleanly(void)
{
    struct package *package;
    struct err err;
    served_open(&served);
    CHECK_OK(package_open(served.plain, &package, &err), &err);
    bool ok = false;
    for (size_t k = 1; !ok; k++) {
        struct arena run;
        struct arena scratch;
        struct reach reach;
        arena_init(&run, 1 << 20);
        arena_init(&scratch, 1 << 20);
        scratch.fail_after = k;
        ok = reach_read(package, &run, &scratch, &reach, &err);
        CHECK(ok || err.code == ERR_NOMEM);
        arena_release(&scratch);
        arena_release(&run);
    }
    package_close(package);
    served_close(&served);
}

CHECK_MAIN(CHECK_TEST(uris__become_names_inside_or_nothing),
           CHECK_TEST(foreign_packages__serve_what_their_tilesets_lead_to),
           CHECK_TEST(our_packages__serve_what_is_named_by_its_content),
           CHECK_TEST(stray_files__are_not_what_they_are_named_after),
           CHECK_TEST(reading__without_memory_fails_cleanly))

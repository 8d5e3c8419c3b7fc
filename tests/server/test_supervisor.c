/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "server/supervisor.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/check.h"

static char folder[64];

/* A datagram socket as systemd has one; '@' begins an abstract name. */
static int open_manager(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK(fd >= 0);
    CHECK(strlen(name) < sizeof address.sun_path);
    memcpy(address.sun_path, name, strlen(name));
    if (name[0] == '@') {
        address.sun_path[0] = '\0';
    }
    const size_t size = offsetof(struct sockaddr_un, sun_path) + strlen(name);
    CHECK_EQ(bind(fd, (const struct sockaddr *)&address, (socklen_t)size), 0);
    CHECK_EQ(setenv("NOTIFY_SOCKET", name, 1), 0);
    return fd;
}

static void check_told(int fd, const char *state)
{
    char text[64] = {0};
    CHECK_EQ(recv(fd, text, sizeof text - 1, 0), strlen(state));
    CHECK_TEXT(text, state);
}

static void manager__is_told_by_a_datagram(void)
{
    char name[96];
    strcpy(folder, "/tmp/storey-notify-XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    snprintf(name, sizeof name, "%s/notify", folder);
    const int fd = open_manager(name);
    supervisor_tell("READY=1");
    supervisor_tell("STOPPING=1");
    check_told(fd, "READY=1");
    check_told(fd, "STOPPING=1");
    close(fd);
    unlink(name);
    rmdir(folder);
}

static void manager__may_have_an_abstract_name(void)
{
    char name[64];
    snprintf(name, sizeof name, "@storey-notify-%ld", (long)getpid());
    const int fd = open_manager(name);
    supervisor_tell("READY=1");
    check_told(fd, "READY=1");
    close(fd);
}

/* What no supervisor would set must not hurt either. */
static void nobody__is_told_without_a_sound_address(void)
{
    char longest[300];
    memset(longest, 'a', sizeof longest - 1);
    longest[0] = '/';
    longest[sizeof longest - 1] = '\0';
    const char *const names[] = {"", "/tmp/storey-no-such-folder/notify", "relative", longest};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        CHECK_EQ(setenv("NOTIFY_SOCKET", names[i], 1), 0);
        supervisor_tell("READY=1");
    }
    CHECK_EQ(unsetenv("NOTIFY_SOCKET"), 0);
    supervisor_tell("READY=1");
}

CHECK_MAIN(CHECK_TEST(manager__is_told_by_a_datagram),
           CHECK_TEST(manager__may_have_an_abstract_name),
           CHECK_TEST(nobody__is_told_without_a_sound_address))

/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "server/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "formats/base/io.h"

enum { BACKLOG = 1024 };

/* "127.0.0.1:8080" to its halves. */
static bool split_address(const char *address, char *host, size_t host_bytes, const char **port,
                          struct err *err)
{
    const char *colon = strrchr(address, ':');
    size_t size = colon == NULL ? 0 : (size_t)(colon - address);
    const char *from = address;
    if (colon == NULL || colon[1] == '\0') {
        return err_set(err, ERR_SCHEMA, "'%s' is not ADDRESS:PORT", address);
    }
    if (size >= 2 && from[0] == '[' && from[size - 1] == ']') {
        from++;
        size -= 2;
    }
    if (size >= host_bytes) {
        return err_set(err, ERR_SCHEMA, "'%s' is not ADDRESS:PORT", address);
    }
    memcpy(host, from, size);
    host[size] = '\0';
    *port = colon + 1;
    return true;
}

static bool bind_socket(const struct sockaddr *address, socklen_t size, bool is_shared, int *out)
{
    const int on = 1;
    const int off = 0;
    const int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return false;
    }
    if (address->sa_family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        (is_shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) ||
        bind(fd, address, size) != 0 || listen(fd, BACKLOG) != 0) {
        const int code = errno;
        close(fd);
        errno = code;
        return false;
    }
    *out = fd;
    return true;
}

static bool address_error(struct err *err, const char *address)
{
    if (errno == EADDRINUSE) {
        return err_set(err, ERR_IO,
                       "another program listens on %s: stop it, or choose with --listen", address);
    }
    if (errno == EACCES) {
        return err_set(err, ERR_IO, "%s: ports below 1024 need permission", address);
    }
    return io_error(err, "listen on", address);
}

static bool name_socket(const struct sockaddr *address, socklen_t size, struct listener_name *out,
                        struct err *err)
{
    char host[48];
    char port[8];
    if (getnameinfo(address, size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
        return err_set(err, ERR_IO, "no name for the address");
    }
    snprintf(out->text, sizeof out->text, strchr(host, ':') != NULL ? "[%s]:%s" : "%s:%s", host,
             port);
    return true;
}

/* One socket for each worker on one port. The first, alone and not shared, finds
 * out whether another program has the port: the kernel would let a second
 * storeyd of the same user share it, and half of the requests would go there. */
static bool open_sockets(const char *listen, struct addrinfo *found, int *fds, unsigned count,
                         struct listener_name *out, struct err *err)
{
    struct sockaddr_storage place;
    socklen_t size = found->ai_addrlen;
    memcpy(&place, found->ai_addr, size);
    struct sockaddr *address = (struct sockaddr *)&place;
    int probe = -1;
    if (!bind_socket(address, size, false, &probe)) {
        return address_error(err, listen);
    }
    getsockname(probe, address, &size);
    close(probe);
    for (unsigned i = 0; i < count; i++) {
        if (!bind_socket(address, size, true, &fds[i])) {
            return address_error(err, listen);
        }
    }
    return name_socket(address, size, out, err);
}

bool listener_open(const char *listen, int *fds, unsigned count, struct listener_name *out,
                   struct err *err)
{
    char host[256];
    const char *port;
    if (!split_address(listen, host, sizeof host, &port, err)) {
        return false;
    }
    const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                   .ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    const int code = getaddrinfo(host[0] == '\0' ? NULL : host, port, &hints, &found);
    if (code != 0) {
        return err_set(err, ERR_SCHEMA, "'%s' is not an address to listen on: %s", listen,
                       gai_strerror(code));
    }
    const bool ok = open_sockets(listen, found, fds, count, out, err);
    freeaddrinfo(found);
    return ok;
}

/* The first descriptor that a supervisor passes. */
enum { INHERITED_FD = 3 };

bool listener_is_inherited(void)
{
    const char *pid = getenv("LISTEN_PID");
    const char *count = getenv("LISTEN_FDS");
    return pid != NULL && count != NULL && atol(pid) == (long)getpid() && atoi(count) >= 1;
}

bool listener_inherit(int *fds, unsigned count, struct listener_name *out, struct err *err)
{
    struct sockaddr_storage place;
    socklen_t size = sizeof place;
    int accepts = 0;
    socklen_t accepts_bytes = sizeof accepts;
    if (getsockopt(INHERITED_FD, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &accepts_bytes) != 0 ||
        accepts == 0 || getsockname(INHERITED_FD, (struct sockaddr *)&place, &size) != 0) {
        return err_set(err, ERR_IO, "descriptor 3 of LISTEN_FDS is no listening socket");
    }
    const int flags = fcntl(INHERITED_FD, F_GETFL);
    if (flags < 0 || fcntl(INHERITED_FD, F_SETFL, flags | O_NONBLOCK) != 0) {
        return io_error(err, "use", "the inherited socket");
    }
    for (unsigned i = 0; i < count; i++) {
        fds[i] = fcntl(INHERITED_FD, F_DUPFD_CLOEXEC, 0);
        if (fds[i] < 0) {
            return io_error(err, "use", "the inherited socket");
        }
    }
    close(INHERITED_FD);
    return name_socket((struct sockaddr *)&place, size, out, err);
}

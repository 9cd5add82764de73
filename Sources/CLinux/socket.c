// AF_UNIX sockets: addresses and structures that Swift cannot lay out.
#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/un.h>

static int result(int value) { return value < 0 ? -errno : value; }

int ne_unix_socket(int type) { return result(socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)); }

int ne_socketpair(int type, int fds[2]) {
    return result(socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds));
}

int ne_unread(int fd) {
    int count = 0;
    return ioctl(fd, TIOCOUTQ, &count) < 0 ? -errno : count;
}

static int address(struct sockaddr_un *address, const char *path) {
    size_t length = strlen(path);
    if (length == 0) return -ENOENT;
    if (length >= sizeof address->sun_path) return -ENAMETOOLONG;
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, path, length + 1);
    return 0;
}

int ne_unix_connect(int fd, const char *path) {
    struct sockaddr_un target;
    int code = address(&target, path);
    return code < 0 ? code : result(connect(fd, (struct sockaddr *)&target, sizeof target));
}

int ne_unix_bind(int fd, const char *path) {
    struct sockaddr_un target;
    int code = address(&target, path);
    return code < 0 ? code : result(bind(fd, (struct sockaddr *)&target, sizeof target));
}

/* A name in the abstract name space: its first byte is 0. A tight address ends with the name. */
static int abstract_address(struct sockaddr_un *address, const char *name, int is_tight, socklen_t *size) {
    size_t length = strlen(name);
    if (length + 1 > sizeof address->sun_path) return -ENAMETOOLONG;
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path + 1, name, length);
    *size = is_tight ? (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length) : sizeof *address;
    return 0;
}

int ne_unix_connect_abstract(int fd, const char *name, int is_tight) {
    struct sockaddr_un target;
    socklen_t size;
    int code = abstract_address(&target, name, is_tight, &size);
    return code < 0 ? code : result(connect(fd, (struct sockaddr *)&target, size));
}

int ne_unix_bind_abstract(int fd, const char *name, int is_tight) {
    struct sockaddr_un target;
    socklen_t size;
    int code = abstract_address(&target, name, is_tight, &size);
    return code < 0 ? code : result(bind(fd, (struct sockaddr *)&target, size));
}

int ne_peer_credentials(int fd, struct ne_credentials *credentials) {
    struct ucred peer;
    socklen_t length = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0) return -errno;
    *credentials = (struct ne_credentials){peer.pid, peer.uid, peer.gid};
    return 0;
}

#define _GNU_SOURCE
#include "CLinuxRepair.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <netinet/tcp.h>

_Static_assert(sizeof(struct ne_tcp_repair_window) == sizeof(struct tcp_repair_window), "TCP_REPAIR_WINDOW");

static int result(int value) { return value < 0 ? -errno : value; }

int ne_tcp_queue_lengths(int fd, int *unacknowledged, int *unsent, int *unread) {
    if (ioctl(fd, SIOCOUTQ, unacknowledged) < 0) return -errno;
    if (ioctl(fd, SIOCOUTQNSD, unsent) < 0) return -errno;
    if (ioctl(fd, SIOCINQ, unread) < 0) return -errno;
    return 0;
}

int ne_socket_cookie(int fd, uint64_t *cookie) {
    socklen_t size = sizeof *cookie;
    return result(getsockopt(fd, SOL_SOCKET, SO_COOKIE, cookie, &size));
}

int ne_disconnect(int fd) {
    struct sockaddr none;
    memset(&none, 0, sizeof none);
    none.sa_family = AF_UNSPEC;
    return result(connect(fd, &none, sizeof none));
}

int ne_set_dumpable(int on) { return result(prctl(PR_SET_DUMPABLE, on, 0, 0, 0)); }
int ne_set_no_new_privs(void) { return result(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)); }
int ne_drop_bounding(int capability) { return result(prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)); }
int ne_clear_ambient(void) { return result(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)); }

int ne_unshare_network(void) { return result(unshare(CLONE_NEWNET)); }
int ne_enter_network(int fd) { return result(setns(fd, CLONE_NEWNET)); }

int ne_wait_readable(int fd, int timeout_ms) {
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    return result(poll(&wait, 1, timeout_ms));
}

struct directory_entry {
    uint64_t inode;
    int64_t offset;
    uint16_t length;
    uint8_t type;
    char name[];
};

int ne_list_directory(int fd, void *context, void (*visit)(void *, const char *)) {
    char room[4096] __attribute__((aligned(8)));
    for (;;) {
        long n = syscall(SYS_getdents64, fd, room, sizeof room);
        if (n <= 0) return n < 0 ? -errno : 0;
        for (long at = 0; at < n;) {
            struct directory_entry *entry = (struct directory_entry *)(room + at);
            visit(context, entry->name);
            at += entry->length;
        }
    }
}

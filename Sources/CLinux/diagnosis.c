// What the kernel knows of the TCP sockets of a network namespace (sock_diag(7)).
#define _GNU_SOURCE
#include "CLinuxRepair.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

enum { STATE_LISTEN = 10, ALL_BUT_LISTENING = 0xfff & ~(1 << STATE_LISTEN) };

int ne_diagnosis_open(void) {
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);
    return fd < 0 ? -errno : fd;
}

static int ask(int fd, void *message, size_t size) {
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    struct iovec part = {message, size};
    struct msghdr header = {.msg_name = &kernel, .msg_namelen = sizeof kernel, .msg_iov = &part, .msg_iovlen = 1};
    return sendmsg(fd, &header, 0) < 0 ? -errno : 0;
}

/// The kernel answers within the question; -EAGAIN would be a kernel that does not.
static ssize_t hear(int fd, void *room, size_t size) {
    struct iovec part = {room, size};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t count = recvmsg(fd, &header, 0);
    return count < 0 ? -errno : count;
}

static int error_of(const struct nlmsghdr *message) {
    const struct nlmsgerr *error = NLMSG_DATA(message);
    if (message->nlmsg_len < NLMSG_LENGTH(sizeof *error)) return -EBADMSG;
    return error->error;
}

static int count_family(int fd, int family, uint32_t mark) {
    struct {
        struct nlmsghdr header;
        struct inet_diag_req_v2 request;
        struct nlattr attribute;
        struct inet_diag_bc_op operation;
        struct inet_diag_markcond condition;
    } message = {
        .header = {sizeof message, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 1, 0},
        .request = {.sdiag_family = family, .sdiag_protocol = IPPROTO_TCP, .idiag_states = ALL_BUT_LISTENING},
        .attribute = {sizeof message - sizeof(struct nlmsghdr) - sizeof(struct inet_diag_req_v2),
                      INET_DIAG_REQ_BYTECODE},
        // A socket without the mark jumps behind the end: it is left out.
        .operation = {INET_DIAG_BC_MARK_COND, sizeof message.operation + sizeof message.condition,
                      sizeof message.operation + sizeof message.condition + 4},
        .condition = {mark, UINT32_MAX},
    };
    int status = ask(fd, &message, sizeof message);
    int count = 0;
    while (status == 0) {
        char room[16384] __attribute__((aligned(8)));
        ssize_t size = hear(fd, room, sizeof room);
        if (size < 0) return (int)size;
        for (struct nlmsghdr *next = (struct nlmsghdr *)room; NLMSG_OK(next, size); next = NLMSG_NEXT(next, size)) {
            if (next->nlmsg_type == NLMSG_DONE) return count;
            if (next->nlmsg_type == NLMSG_ERROR) return error_of(next);
            count++;
        }
    }
    return status;
}

int ne_count_marked(int fd, uint32_t mark) {
    int count = count_family(fd, AF_INET, mark);
    if (count < 0) return count;
    int more = count_family(fd, AF_INET6, mark);
    return more < 0 ? more : count + more;
}

static void put_end(const struct sockaddr *end, __be16 *port, __be32 *address, uint32_t *interface) {
    if (end->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)end;
        *port = v4->sin_port;
        memcpy(address, &v4->sin_addr, sizeof v4->sin_addr);
    } else {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)end;
        *port = v6->sin6_port;
        memcpy(address, &v6->sin6_addr, sizeof v6->sin6_addr);
        if (v6->sin6_scope_id) *interface = v6->sin6_scope_id;
    }
}

int ne_find_connection(int fd, const struct sockaddr *local, const struct sockaddr *remote, uint32_t *inode) {
    struct {
        struct nlmsghdr header;
        struct inet_diag_req_v2 request;
    } message = {
        .header = {sizeof message, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 1, 0},
        .request = {.sdiag_family = local->sa_family, .sdiag_protocol = IPPROTO_TCP, .idiag_states = 0xfff,
                    .id.idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}},
    };
    struct inet_diag_sockid *id = &message.request.id;
    put_end(local, &id->idiag_sport, id->idiag_src, &id->idiag_if);
    put_end(remote, &id->idiag_dport, id->idiag_dst, &id->idiag_if);
    int status = ask(fd, &message, sizeof message);
    if (status < 0) return status;
    char room[4096] __attribute__((aligned(8)));
    ssize_t size = hear(fd, room, sizeof room);
    if (size < 0) return (int)size;
    const struct nlmsghdr *answer = (const struct nlmsghdr *)room;
    if (!NLMSG_OK(answer, size)) return -EBADMSG;
    if (answer->nlmsg_type == NLMSG_ERROR) {
        status = error_of(answer);
        return status == -ENOENT ? 0 : status;
    }
    if (answer->nlmsg_len < NLMSG_LENGTH(sizeof(struct inet_diag_msg))) return -EBADMSG;
    const struct inet_diag_msg *found = NLMSG_DATA(answer);
    *inode = found->idiag_inode;
    return found->idiag_state != STATE_LISTEN;
}

#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_openat2
#define SYS_openat2 437
#endif

static int result(int value) { return value < 0 ? -errno : value; }

int ne_memfd_create(const char *name) { return result(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING)); }

int ne_add_seals_grow_shrink(int fd) {
    return result(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL));
}

int ne_eventfd(void) { return result(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)); }

int ne_epoll_create(void) { return result(epoll_create1(EPOLL_CLOEXEC)); }

int ne_epoll_control(int epoll, int operation, int fd, uint32_t events, uint64_t data) {
    struct epoll_event event = {.events = events, .data.u64 = data};
    return result(epoll_ctl(epoll, operation, fd, &event));
}

int ne_epoll_wait(int epoll, struct epoll_event *events, int capacity, int64_t timeout_ns) {
#ifdef SYS_epoll_pwait2
    struct timespec timeout = {.tv_sec = timeout_ns / 1000000000, .tv_nsec = timeout_ns % 1000000000};
    int n = (int)syscall(SYS_epoll_pwait2, epoll, events, capacity, timeout_ns < 0 ? NULL : &timeout, NULL, 0);
    if (n >= 0 || errno != ENOSYS) return result(n);
#endif
    int64_t ms = timeout_ns < 0 ? -1 : (timeout_ns + 999999) / 1000000;
    return result(epoll_wait(epoll, events, capacity, ms > 86400000 ? 86400000 : (int)ms));
}

int ne_accept(int fd) { return result(accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)); }

int ne_pipe(int fds[2]) { return result(pipe2(fds, O_CLOEXEC)); }

int ne_set_nonblocking(int fd, int on) {
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0) return -errno;
    return result(fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK));
}

int ne_set_cloexec(int fd, int on) { return result(fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0)); }

int ne_pidfd_open(pid_t pid) { return result((int)syscall(SYS_pidfd_open, pid, 0)); }

int ne_close_range(unsigned int first, unsigned int last) {
    return result((int)syscall(SYS_close_range, first, last, 0));
}

int ne_open(const char *path, int flags, mode_t mode) { return result(open(path, flags | O_CLOEXEC, mode)); }

int ne_openat(int dir, const char *path, int flags, mode_t mode) {
    return result(openat(dir, path, flags | O_CLOEXEC, mode));
}

int ne_open_directory(int dir, const char *path) {
    return result(openat(dir, path, O_PATH | O_DIRECTORY | O_CLOEXEC));
}

int ne_open_beneath(int dir, const char *path, int flags) {
    // open_how of linux/openat2.h, and RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH: the build's headers
    // may be older.
    struct {
        uint64_t flags, mode, resolve;
    } how = {.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC), .resolve = 0x02 | 0x04 | 0x08};
    return result((int)syscall(SYS_openat2, dir, path, &how, sizeof how));
}

int ne_is_procfs(int fd) {
    struct statfs found;
    return fstatfs(fd, &found) == 0 && found.f_type == 0x9fa0;
}

ssize_t ne_read_link(int link, char *room, size_t size) {
    ssize_t length = readlinkat(link, "", room, size);
    return length < 0 ? -errno : length;
}

int ne_open_place(int dir, const char *path) {
    return result(openat(dir, path, O_PATH | O_NOFOLLOW | O_CLOEXEC));
}

typedef union {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int) * NE_MAX_FDS)];
} control_room;

ssize_t ne_send_fds(int socket, const struct iovec *iov, size_t iov_count,
                    const int *fds, size_t fd_count, int flags) {
    control_room control;
    struct msghdr message = {.msg_iov = (struct iovec *)iov, .msg_iovlen = iov_count};
    if (fd_count > NE_MAX_FDS) return -EINVAL;
    if (fd_count > 0) {
        memset(&control, 0, CMSG_SPACE(sizeof(int) * fd_count));
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        struct cmsghdr *c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * fd_count);
    }
    ssize_t n = sendmsg(socket, &message, flags | MSG_NOSIGNAL);
    return n < 0 ? -errno : n;
}

ssize_t ne_receive_fds(int socket, const struct iovec *iov, size_t iov_count,
                       int *fds, size_t *fd_count, int *truncated, int flags) {
    control_room control;
    struct msghdr message = {.msg_iov = (struct iovec *)iov, .msg_iovlen = iov_count,
                             .msg_control = &control, .msg_controllen = sizeof control};
    size_t room = *fd_count;
    *fd_count = 0;
    *truncated = 0;
    ssize_t n = recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
    if (n < 0) return -errno;
    *truncated = (message.msg_flags & MSG_CTRUNC) != 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            if (*fd_count < room) {
                fds[(*fd_count)++] = fd;
            } else {
                close(fd);
                *truncated = 1;
            }
        }
    }
    return n;
}

int ne_processor_count(void) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

uint64_t ne_monotonic_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

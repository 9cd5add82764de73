// What Swift cannot import from the C library: macros, variadic calls, inline atomics on shared
// memory, ancillary data. No policy lives here. _GNU_SOURCE stays in the .c files: defined in a
// header that Swift imports it breaks the Glibc module.
#ifndef NETEMU_CLINUX_H
#define NETEMU_CLINUX_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include "CLinuxRepair.h"

#include "CLinuxConfinement.h"
#include "CLinuxProcess.h"

#pragma clang assume_nonnull begin

// ---- atomics on memory that another process shares (VIRTIO 1.3, 2.7.13) ----

static inline uint16_t ne_load_acquire16(const void *p) { return __atomic_load_n((const uint16_t *)p, __ATOMIC_ACQUIRE); }
static inline uint16_t ne_load_relaxed16(const void *p) { return __atomic_load_n((const uint16_t *)p, __ATOMIC_RELAXED); }
static inline void ne_store_release16(void *p, uint16_t v) { __atomic_store_n((uint16_t *)p, v, __ATOMIC_RELEASE); }
static inline void ne_store_relaxed16(void *p, uint16_t v) { __atomic_store_n((uint16_t *)p, v, __ATOMIC_RELAXED); }
static inline uint32_t ne_load_relaxed32(const void *p) { return __atomic_load_n((const uint32_t *)p, __ATOMIC_RELAXED); }
static inline void ne_store_relaxed32(void *p, uint32_t v) { __atomic_store_n((uint32_t *)p, v, __ATOMIC_RELAXED); }
static inline uint64_t ne_load_relaxed64(const void *p) { return __atomic_load_n((const uint64_t *)p, __ATOMIC_RELAXED); }
static inline void ne_store_relaxed64(void *p, uint64_t v) { __atomic_store_n((uint64_t *)p, v, __ATOMIC_RELAXED); }

// Bytes that may change meanwhile, at any alignment, each loaded exactly once (a header in guest memory).
typedef uint64_t __attribute__((aligned(1), may_alias)) ne_unaligned64;
typedef uint32_t __attribute__((aligned(1), may_alias)) ne_unaligned32;
static inline uint64_t ne_load_once64(const void *p) { return *(const volatile ne_unaligned64 *)p; }
static inline uint32_t ne_load_once32(const void *p) { return *(const volatile ne_unaligned32 *)p; }

// A dirty log's words: what was written before a bit was set is seen by whoever takes the bit.
static inline void ne_fetch_or_release64(void *p, uint64_t v) { __atomic_fetch_or((uint64_t *)p, v, __ATOMIC_RELEASE); }
static inline uint64_t ne_exchange_acquire64(void *p, uint64_t v) { return __atomic_exchange_n((uint64_t *)p, v, __ATOMIC_ACQ_REL); }

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define NE_TSAN 1
#endif
#endif

/// Full barrier between publishing an index and reading the other side's event field.
static inline void ne_fence_seq_cst(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

/// A hint that the core is spinning.
static inline void ne_cpu_relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

// ---- descriptors: each returns a descriptor or 0, or -errno ----

int ne_memfd_create(const char *name);               // close-on-exec, sealable
int ne_add_seals_grow_shrink(int fd);                // F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL
int ne_eventfd(void);                                // counter 0, non-blocking, close-on-exec
int ne_event_prepare(void);                          // what ne_event_signal needs of the kernel
int ne_event_signal(int fd);                         // adds 1 to an eventfd, without ever waiting for its other holders
int ne_epoll_create(void);
int ne_epoll_control(int epoll, int operation, int fd, uint32_t events, uint64_t data);
int ne_epoll_wait(int epoll, struct epoll_event *events, int capacity, int64_t timeout_ns);  // -1: for ever
int ne_accept(int fd);                               // non-blocking, close-on-exec
int ne_pipe(int fds[_Nonnull 2]);                    // close-on-exec
int ne_set_nonblocking(int fd, int on);
int ne_set_cloexec(int fd, int on);
int ne_pidfd_open(pid_t pid);
int ne_close_range(unsigned int first, unsigned int last);
int ne_open(const char *path, int flags, mode_t mode);
int ne_openat(int dir, const char *path, int flags, mode_t mode);
int ne_open_directory(int dir, const char *path);    // O_PATH
int ne_open_place(int dir, const char *path);        // O_PATH, and a symbolic link itself
/// Opens what is there, beneath `dir` and through no symbolic link (openat2(2)). -EXDEV: it leads out of there; -ENOSYS.
int ne_open_beneath(int dir, const char *path, int flags);
int ne_is_procfs(int fd);                            // 1, 0
ssize_t ne_read_link(int link, char *room, size_t size);  // of a link opened with ne_open_place; length, or -errno

// ---- memory in files: each returns 0 or what it says, or -errno ----

/// From now on a page of the mapping that is gone when it is touched (SIGBUS) becomes one of zeros, and `event` (an
/// eventfd) is signalled; elsewhere a former handler is called. `page` is the mapping's page size. A slot for
/// `ne_unguard_memory`.
int ne_guard_memory(void *base, size_t size, size_t page, int event);
void ne_unguard_memory(int slot);
/// A lock of the open file description, which ends with its last descriptor, in whatever process. -EAGAIN: another has one.
/// Length 0 is all from `start` on. A lock that is ours there already becomes as asked.
int ne_lock_range(int fd, int is_exclusive, int64_t start, int64_t length);
int ne_unlock_range(int fd, int64_t start, int64_t length);
int ne_is_locked(int fd);                            // 1: somebody else holds a lock on a part of it; 0
int ne_fallocate(int fd, int64_t start, int64_t length);
int ne_populate(void *base, size_t size);            // makes every page now, with what it holds
int64_t ne_page_size(int fd);                        // of a mapping of this file: that of hugetlbfs may be large

// ---- ancillary data ----

enum { NE_MAX_FDS = 253 };  // SCM_MAX_FD of the kernel

/// Sends `iov` with `fd_count` descriptors; bytes sent, or -errno.
ssize_t ne_send_fds(int socket, const struct iovec *iov, size_t iov_count,
                    const int *_Nullable fds, size_t fd_count, int flags);

/// Receives into `iov`; `*fd_count` is the room on entry and the number received on return
/// (all close-on-exec). `*truncated` tells MSG_CTRUNC. Bytes received, 0 at end of file, or -errno.
ssize_t ne_receive_fds(int socket, const struct iovec *iov, size_t iov_count,
                       int *fds, size_t *fd_count, int *truncated, int flags);

// ---- sockets ----

struct ne_credentials {
    pid_t pid;
    uid_t uid;
    gid_t gid;
};

int ne_unix_socket(int type);                            // non-blocking, close-on-exec
int ne_socketpair(int type, int fds[_Nonnull 2]);        // non-blocking, close-on-exec
int ne_unread(int fd);                                   // what the other end has not read; bytes with overhead
int ne_unix_connect(int fd, const char *path);           // ENAMETOOLONG from 108 bytes
int ne_unix_bind(int fd, const char *path);
/* Names in the abstract name space, without their leading zero byte. */
int ne_unix_connect_abstract(int fd, const char *name, int is_tight);
int ne_unix_bind_abstract(int fd, const char *name, int is_tight);
int ne_peer_credentials(int fd, struct ne_credentials *credentials);

// ---- time ----

/// CLOCK_MONOTONIC in nanoseconds.
uint64_t ne_monotonic_ns(void);

/// How many processors this process may run on; 1 when the kernel does not say.
int ne_processor_count(void);

#pragma clang assume_nonnull end
#endif

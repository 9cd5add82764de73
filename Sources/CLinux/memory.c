// Guest memory in files: locks, room, pages made in advance, and what happens when pages of a mapping are gone because
// somebody cut the file or its file system is full. A touch of such a page is SIGBUS; here it becomes a page of zeros
// and a note in an eventfd, so that the program can end in order.
#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { GUARDS = 256 };

// Read by a signal's handler: the base is set last and cleared first.
static struct {
    uintptr_t base;
    size_t size, page;
    int event;
} guards[GUARDS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int is_installed;
// Who was asked about such errors before.
static struct sigaction former;

static int replace(uintptr_t address) {
    for (int i = 0; i < GUARDS; i++) {
        uintptr_t base = __atomic_load_n(&guards[i].base, __ATOMIC_ACQUIRE);
        if (!base || address - base >= guards[i].size) continue;
        size_t page = guards[i].page;
        void *place = (void *)(address & ~(uintptr_t)(page - 1));
        int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
        if (mmap(place, page, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED) return 0;
        uint64_t one = 1;
        // A full counter wakes the reader, too.
        return write(guards[i].event, &one, sizeof one) > 0 || errno == EAGAIN;
    }
    return 0;
}

// Not ours: it goes where it would have gone, and where nobody takes it, it ends the process.
static void pass_on(int number, siginfo_t *info, void *context) {
    int has_information = (former.sa_flags & SA_SIGINFO) != 0, is_sent = info->si_code <= 0;
    int is_taken = has_information || (former.sa_handler != SIG_DFL && former.sa_handler != SIG_IGN);
    if (!is_taken && is_sent && former.sa_handler == SIG_IGN) return;
    struct sigaction usual = {.sa_handler = SIG_DFL};
    if (!is_taken || (former.sa_flags & SA_RESETHAND)) sigaction(number, &usual, NULL);
    if (has_information) former.sa_sigaction(number, info, context);
    else if (is_taken) former.sa_handler(number);
    else if (is_sent) raise(number);
}

static void bus_error(int number, siginfo_t *info, void *context) {
    int saved = errno;
    if (info->si_code <= 0 || !replace((uintptr_t)info->si_addr)) pass_on(number, info, context);
    errno = saved;
}

int ne_guard_memory(void *base, size_t size, size_t page, int event) {
    int slot = -ENOSPC;
    pthread_mutex_lock(&lock);
    if (!is_installed) {
        struct sigaction action = {.sa_sigaction = bus_error, .sa_flags = SA_SIGINFO | SA_ONSTACK};
        is_installed = sigaction(SIGBUS, NULL, &former) == 0;
        // What the former one wants blocked, and its own stack, if there is one.
        action.sa_mask = former.sa_mask;
        is_installed = is_installed && sigaction(SIGBUS, &action, NULL) == 0;
    }
    for (int i = 0; i < GUARDS && is_installed; i++) {
        if (guards[i].base) continue;
        guards[i].size = size;
        guards[i].page = page;
        guards[i].event = event;
        __atomic_store_n(&guards[i].base, (uintptr_t)base, __ATOMIC_RELEASE);
        slot = i;
        break;
    }
    pthread_mutex_unlock(&lock);
    return slot;
}

void ne_unguard_memory(int slot) {
    if (slot >= 0 && slot < GUARDS) __atomic_store_n(&guards[slot].base, 0, __ATOMIC_RELEASE);
}

int ne_lock_range(int fd, int is_exclusive, int64_t start, int64_t length) {
    struct flock range = {
        .l_type = is_exclusive ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
    return fcntl(fd, F_OFD_SETLK, &range) < 0 ? -errno : 0;
}

int ne_unlock_range(int fd, int64_t start, int64_t length) {
    struct flock range = {.l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
    return fcntl(fd, F_OFD_SETLK, &range) < 0 ? -errno : 0;
}

int ne_is_locked(int fd) {
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_OFD_GETLK, &whole) == 0 && whole.l_type != F_UNLCK;
}

int ne_fallocate(int fd, int64_t start, int64_t length) {
    int code;
    do code = fallocate(fd, 0, start, length);
    while (code < 0 && errno == EINTR);
    return code < 0 ? -errno : 0;
}

int ne_populate(void *base, size_t size) {
#ifdef MADV_POPULATE_WRITE
    if (madvise(base, size, MADV_POPULATE_WRITE) == 0) return 0;
    if (errno != EINVAL) return -errno;
#endif
    for (size_t at = 0; at < size; at += 4096) {
        volatile char *byte = (volatile char *)base + at;
        *byte = *byte;
    }
    return 0;
}

int64_t ne_page_size(int fd) {
    struct statfs found;
    if (fstatfs(fd, &found) < 0) return -errno;
    return (uint32_t)found.f_type == 0x958458f6 ? (int64_t)found.f_bsize : sysconf(_SC_PAGESIZE);
}

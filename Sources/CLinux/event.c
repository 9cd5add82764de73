// Signalling an eventfd that another process shares: the kernel's side of asynchronous I/O adds to an eventfd
// as it completes a request, saturates at its limit and never waits (eventfd_signal), where write(2) would wait
// whenever the other holder cleared O_NONBLOCK and filled the counter.
#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <linux/aio_abi.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { BATCH = 64 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static aio_context_t context;  // of this process; one that a fork left behind is no more
static int empty = -1;         // a file without bytes, read at no cost

static int set_up(aio_context_t stale) {
    int code = 0;
    pthread_mutex_lock(&lock);
    aio_context_t now = __atomic_load_n(&context, __ATOMIC_ACQUIRE);
    if (now == stale) {
        if (empty < 0) empty = memfd_create("netemu-signal", MFD_CLOEXEC);
        aio_context_t fresh = 0;
        if (empty < 0 || syscall(SYS_io_setup, BATCH, &fresh) < 0) code = -errno;
        else __atomic_store_n(&context, fresh, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&lock);
    return code;
}

int ne_event_prepare(void) {
    return __atomic_load_n(&context, __ATOMIC_ACQUIRE) ? 0 : set_up(0);
}

static void forget_completions(aio_context_t aio) {
    struct io_event events[BATCH];
    while (syscall(SYS_io_getevents, aio, 0, BATCH, events, NULL) == BATCH) {}
}

int ne_event_signal(int fd) {
    for (int attempt = 0; attempt < 4; attempt++) {
        aio_context_t aio = __atomic_load_n(&context, __ATOMIC_ACQUIRE);
        struct iocb request = {.aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = (uint32_t)empty,
                               .aio_flags = IOCB_FLAG_RESFD, .aio_resfd = (uint32_t)fd};
        struct iocb *list = &request;
        if (syscall(SYS_io_submit, aio, 1, &list) == 1) return 0;
        if (errno == EAGAIN) {
            forget_completions(aio);
        } else if (errno == EINVAL && attempt == 0) {
            int code = set_up(aio);
            if (code < 0) return code;
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return -EAGAIN;
}

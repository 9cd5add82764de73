#define _GNU_SOURCE
#include "CAttempts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static int code(long result) { return result < 0 ? errno : 0; }

static int open_of(pid_t victim, const char *entry, int flags) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", victim, entry);
    int fd = open(path, flags | O_CLOEXEC);
    int result = code(fd);
    if (fd >= 0) close(fd);
    return result;
}

static int write_to(const char *path) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    int result = code(fd);
    if (fd >= 0) close(fd);
    return result;
}

static char room[16];
static struct iovec local = {room, sizeof room};

// An address that the victim has as well: both are forks of one program.
static struct iovec remote = {room, sizeof room};

static int trace(pid_t p) { return code(ptrace(PTRACE_ATTACH, p, NULL, NULL)); }
static int seize(pid_t p) { return code(ptrace(PTRACE_SEIZE, p, NULL, NULL)); }
// The flags are a long, and lie on the stack: an int would leave its upper half to chance.
static int read_memory(pid_t p) { return code(syscall(SYS_process_vm_readv, p, &local, 1L, &remote, 1L, 0L)); }
static int write_memory(pid_t p) { return code(syscall(SYS_process_vm_writev, p, &local, 1L, &remote, 1L, 0L)); }
static int pidfd(pid_t p) { return code(syscall(SYS_pidfd_open, p, 0)); }
static int take_descriptor(pid_t p) { (void)p; return code(syscall(SYS_pidfd_getfd, 0, 0, 0)); }
static int compare(pid_t p) { return code(syscall(SYS_kcmp, getpid(), p, KCMP_VM, 0, 0)); }
static int mem(pid_t p) { return open_of(p, "mem", O_RDWR); }
static int maps(pid_t p) { return open_of(p, "maps", O_RDONLY); }
static int environment(pid_t p) { return open_of(p, "environ", O_RDONLY); }
static int descriptor(pid_t p) { return open_of(p, "fd/0", O_RDONLY); }
static int score(pid_t p) { return open_of(p, "oom_score_adj", O_WRONLY); }
static int cmdline(pid_t p) { return open_of(p, "cmdline", O_RDONLY); }
static int core_pattern(pid_t p) { (void)p; return write_to("/proc/sys/kernel/core_pattern"); }
static int kill_it(pid_t p) { return code(kill(p, 0)); }
// Any signal, when something can be read there.
static int own_for(pid_t p) { return code(fcntl(0, F_SETOWN, p)); }
static int limits(pid_t p) { struct rlimit old; return code(prlimit(p, RLIMIT_NOFILE, NULL, &old)); }

static int peer_process(pid_t p) {
    (void)p;
    int ends[2], found = -1;
    socklen_t size = sizeof found;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0) return -1;
    return code(getsockopt(ends[0], SOL_SOCKET, 77 /* SO_PEERPIDFD */, &found, &size));
}

static int uring(pid_t p) { (void)p; char parameters[128] = {0}; return code(syscall(SYS_io_uring_setup, 1, parameters)); }
static int bpf(pid_t p) { (void)p; char attributes[128] = {0}; return code(syscall(SYS_bpf, 0, attributes, sizeof attributes)); }
static int own_namespace(pid_t p) { (void)p; return code(unshare(CLONE_NEWUSER)); }
static int handles(pid_t p) { (void)p; char handle[16] = {0}; return code(syscall(SYS_open_by_handle_at, AT_FDCWD, handle, O_RDONLY)); }
static int key(pid_t p) { (void)p; return code(syscall(SYS_keyctl, 0, -3, 0)); }
static int performance(pid_t p) { (void)p; char attributes[128] = {0}; return code(syscall(SYS_perf_event_open, attributes, 0, -1, -1, 0)); }
static int packets(pid_t p) { (void)p; return code(socket(AF_PACKET, SOCK_RAW, 0)); }
static int algorithms(pid_t p) { (void)p; return code(socket(38 /* AF_ALG */, SOCK_SEQPACKET, 0)); }
static int dumpable(pid_t p) { (void)p; return code(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)); }
static int type(pid_t p) { (void)p; char byte = 'x'; return code(ioctl(0, TIOCSTI, &byte)); }
// The kernel looks at half of the register only.
static int type_wide(pid_t p) { (void)p; char byte = 'x'; return code(syscall(SYS_ioctl, 0, (uint64_t)TIOCSTI | 1ull << 32, &byte)); }
static int mount_it(pid_t p) { (void)p; return code(syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, NULL)); }

// These belong to QEMU's kinds.
static int exec_it(pid_t p) {
    (void)p;
    char *words[] = {"/bin/true", NULL}, *none[] = {NULL};
    return code(execve(words[0], words, none));
}
static int fork_it(pid_t p) {
    (void)p;
    long child = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);
    if (child == 0) _exit(0);
    return code(child);
}
static int become(pid_t p) { (void)p; return code(setuid(getuid())); }
static int affinity(pid_t p) { (void)p; cpu_set_t set; CPU_ZERO(&set); CPU_SET(0, &set); return code(sched_setaffinity(0, sizeof set, &set)); }
static int old_call(pid_t p) { (void)p; return code(syscall(SYS_readahead, 0, 0, 0)); }

static const struct {
    const char *name;
    int (*make)(pid_t);
} attempts[] = {
    {"ptrace-attach", trace}, {"ptrace-seize", seize}, {"process_vm_readv", read_memory},
    {"process_vm_writev", write_memory}, {"pidfd_open", pidfd}, {"pidfd_getfd", take_descriptor}, {"kcmp", compare},
    {"proc-mem", mem}, {"proc-maps", maps}, {"proc-environ", environment}, {"proc-fd", descriptor},
    {"proc-oom_score_adj", score}, {"proc-cmdline", cmdline}, {"proc-core_pattern", core_pattern},
    {"kill", kill_it}, {"fcntl-owner", own_for}, {"prlimit", limits}, {"peer-pidfd", peer_process}, {"io_uring", uring}, {"bpf", bpf},
    {"unshare", own_namespace}, {"open_by_handle_at", handles}, {"keyctl", key}, {"perf_event_open", performance},
    {"socket-packet", packets}, {"socket-alg", algorithms}, {"prctl-dumpable", dumpable}, {"type", type},
    {"type-wide", type_wide}, {"mount", mount_it},
    {"execve", exec_it}, {"fork", fork_it}, {"setuid", become}, {"sched_setaffinity", affinity}, {"readahead", old_call},
};

const char *attempt_name(int index) {
    size_t count = sizeof attempts / sizeof *attempts;
    return index >= 0 && (size_t)index < count ? attempts[index].name : NULL;
}

int attempt(const char *name, pid_t victim) {
    for (int i = 0; attempt_name(i); i++)
        if (strcmp(name, attempts[i].name) == 0) return attempts[i].make(victim);
    return -1;
}

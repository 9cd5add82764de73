// Starting and ending processes: what must happen between fork and exec, where only calls that are
// safe in a forked child of a threaded process are allowed (signal-safety(7)), and the calls around it.
#define _GNU_SOURCE
#include "CLinuxProcess.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

static int result(int value) { return value < 0 ? -errno : value; }

// ---- the child's side of a spawn ----

struct failure {
    int stage;
    int code;
};

__attribute__((noreturn)) static void give_up(int status_pipe, int stage) {
    struct failure failure = {stage, errno};
    ssize_t n = write(status_pipe, &failure, sizeof failure);
    (void)n;
    _exit(127);
}

// By the system call itself: the C library refuses to touch the two signals it uses for threads, and
// those may have been inherited ignored as well. All zero is SIG_DFL without flags, on every machine.
static void default_dispositions(void) {
    unsigned long action[8] = {0};
    for (int number = 1; number <= 64; number++) syscall(SYS_rt_sigaction, number, action, NULL, 8UL);
}

// Everything from 3 up goes away at exec. Kernels before 5.11 know no such flag.
static void mark_close_on_exec(void) {
    if (syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) == 0) return;
    struct rlimit limit;
    int last = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 65536 ? (int)limit.rlim_cur : 65536;
    for (int fd = 3; fd < last; fd++) fcntl(fd, F_SETFD, FD_CLOEXEC);
}

// First every source is moved above all targets, so that no placement overwrites a source.
static int place(const struct ne_placement *placements, size_t count, int *sources, int floor) {
    for (size_t i = 0; i < count; i++) {
        sources[i] = fcntl(placements[i].source, F_DUPFD_CLOEXEC, floor);
        if (sources[i] < 0) return -1;
    }
    mark_close_on_exec();
    for (size_t i = 0; i < count; i++)
        if (dup2(sources[i], placements[i].target) < 0) return -1;
    return 0;
}

__attribute__((noreturn)) static void become(const struct ne_program *request, int *sources, int floor, int status_pipe) {
    int high = fcntl(status_pipe, F_DUPFD_CLOEXEC, floor);
    if (high < 0) give_up(status_pipe, NE_STAGE_DESCRIPTORS);
    status_pipe = high;
    default_dispositions();
    if (request->own_group) setpgid(0, 0);
    if (request->directory >= 0 && fchdir(request->directory) < 0) give_up(status_pipe, NE_STAGE_DIRECTORY);
    if (place(request->placements, request->placement_count, sources, floor) < 0)
        give_up(status_pipe, NE_STAGE_DESCRIPTORS);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(request->path, request->argv, environ);
    give_up(status_pipe, NE_STAGE_EXEC);
}

// ---- the parent's side ----

static pid_t await_exec(pid_t pid, int status_pipe, int *stage) {
    struct failure failure;
    ssize_t n;
    do n = read(status_pipe, &failure, sizeof failure);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof failure) return pid;
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
    *stage = failure.stage;
    return failure.code > 0 ? -failure.code : -EIO;
}

pid_t ne_start_program(const struct ne_program *request, int *stage) {
    int sources[64], pipe_ends[2], floor = 3;
    *stage = NE_STAGE_FORK;
    if (request->placement_count > 64) return -E2BIG;
    for (size_t i = 0; i < request->placement_count; i++) {
        int target = request->placements[i].target;
        if (target < 0 || target > 1023) return -EBADF;
        if (target >= floor) floor = target + 1;
    }
    if (pipe2(pipe_ends, O_CLOEXEC) < 0) return -errno;
    sigset_t all, before;
    sigfillset(&all);
    // No handler of ours may run in the child before its dispositions are reset.
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = fork();
    if (pid == 0) become(request, sources, floor, pipe_ends[1]);
    int code = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(pipe_ends[1]);
    pid = pid < 0 ? -code : await_exec(pid, pipe_ends[0], stage);
    close(pipe_ends[0]);
    return pid;
}

// ---- knowing and ending processes ----

int ne_thread_count(void) {
    DIR *tasks = opendir("/proc/self/task");
    if (!tasks) return -errno;
    int count = 0;
    for (struct dirent *entry; (entry = readdir(tasks));)
        if (entry->d_name[0] != '.') count++;
    closedir(tasks);
    return count;
}

int ne_set_name(const char *name) { return result(prctl(PR_SET_NAME, name, 0, 0, 0)); }

int ne_set_subreaper(void) { return result(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)); }

// The parent's pid in a line of /proc/PID/stat, behind the name in parentheses.
static pid_t parent_of(const char *entry) {
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%.20s/stat", entry);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0) return -1;
    text[n] = 0;
    const char *name_end = strrchr(text, ')');
    int parent;
    return name_end && sscanf(name_end + 1, " %*c %d", &parent) == 1 ? parent : -1;
}

int ne_kill_children(int number) {
    DIR *processes = opendir("/proc");
    if (!processes) return -errno;
    int count = 0;
    pid_t self = getpid();
    for (struct dirent *entry; (entry = readdir(processes));) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9' || parent_of(entry->d_name) != self) continue;
        if (kill((pid_t)strtol(entry->d_name, NULL, 10), number) == 0) count++;
    }
    closedir(processes);
    return count;
}

pid_t ne_peek_exit(void) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0) return -errno;
    return info.si_pid;
}

void ne_reset_signals(void) {
    default_dispositions();
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

int ne_unignore_signal(int number) {
    struct sigaction action;
    if (sigaction(number, NULL, &action) < 0) return -errno;
    if (action.sa_handler == SIG_IGN) signal(number, SIG_DFL);
    return 0;
}

// ---- directories ----

int ne_remove_contents(int directory, int depth) {
    int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (copy < 0) return -errno;
    DIR *entries = fdopendir(copy);
    if (!entries) {
        int code = errno;
        close(copy);
        return -code;
    }
    int first_error = 0;
    for (struct dirent *entry; (entry = readdir(entries));) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
        if (unlinkat(directory, name, 0) == 0) continue;
        int code = errno;
        if ((code == EISDIR || code == EPERM) && depth > 0) {
            int below = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (below >= 0) {
                ne_remove_contents(below, depth - 1);
                close(below);
            }
            code = unlinkat(directory, name, AT_REMOVEDIR) == 0 ? 0 : errno;
        }
        if (code != 0 && first_error == 0) first_error = code;
    }
    closedir(entries);
    return -first_error;
}

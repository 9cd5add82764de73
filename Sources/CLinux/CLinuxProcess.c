#define _GNU_SOURCE
#include "CLinuxProcess.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static int result(int value) { return value < 0 ? -errno : value; }

pid_t ne_fork(void) { return result(fork()); }

int ne_reap(pid_t pid, int *status, int *signal) {
    int word = 0;
    pid_t found = waitpid(pid, &word, WNOHANG);
    if (found < 0) return -errno;
    if (found == 0) return 0;
    *status = WIFEXITED(word) ? WEXITSTATUS(word) : -1;
    *signal = WIFSIGNALED(word) ? WTERMSIG(word) : -1;
    return 1;
}

int ne_pidfd_send_signal(int pidfd, int signal) {
    return result((int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0));
}

int ne_signalfd(const int *signals, size_t count) {
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < count; i++) sigaddset(&set, signals[i]);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) return -errno;
    return result(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
}

int ne_read_signal(int fd, int *sender) {
    struct signalfd_siginfo info;
    if (read(fd, &info, sizeof info) != (ssize_t)sizeof info) return 0;
    *sender = (int)info.ssi_pid;
    return (int)info.ssi_signo;
}

int ne_ignore_signal(int s) { return signal(s, SIG_IGN) == SIG_ERR ? -errno : 0; }

static int mask_signal(int how, int s) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, s);
    return result(sigprocmask(how, &set, NULL));
}

int ne_default_signal(int s) {
    if (signal(s, SIG_DFL) == SIG_ERR) return -errno;
    return mask_signal(SIG_UNBLOCK, s);
}

int ne_block_signal(int s) { return mask_signal(SIG_BLOCK, s); }

size_t ne_terminal_state_size(void) { return sizeof(struct termios); }

int ne_terminal_raw(int fd, int keeps_signals, void *saved) {
    struct termios settings;
    if (tcgetattr(fd, &settings) < 0) return -errno;
    memcpy(saved, &settings, sizeof settings);
    settings.c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    settings.c_oflag |= OPOST;
    settings.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | IEXTEN);
    if (!keeps_signals) settings.c_lflag &= ~(tcflag_t)ISIG;
    settings.c_cflag = (settings.c_cflag & ~(tcflag_t)(CSIZE | PARENB)) | CS8;
    settings.c_cc[VMIN] = 1;
    settings.c_cc[VTIME] = 0;
    return result(tcsetattr(fd, TCSANOW, &settings));
}

int ne_terminal_restore(int fd, const void *saved) {
    return result(tcsetattr(fd, TCSANOW, (const struct termios *)saved));
}

int ne_terminal_size(int fd, int *columns, int *rows) {
    struct winsize size;
    if (ioctl(fd, TIOCGWINSZ, &size) < 0) return -errno;
    *columns = size.ws_col;
    *rows = size.ws_row;
    return 0;
}

// Processes and signals: what Swift cannot import (fork, waitid's macros, signalfd, pidfd calls).
#ifndef NETEMU_CLINUX_PROCESS_H
#define NETEMU_CLINUX_PROCESS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#pragma clang assume_nonnull begin

/// fork(2): 0 in the child, the child's pid in the parent, or -errno. Only while there is one thread.
pid_t ne_fork(void);

/// Reaps `pid` if it has ended: 1 and `*status` (exit status) or `*signal` (the other is -1); 0 when it has not; or -errno.
int ne_reap(pid_t pid, int *status, int *signal);

int ne_pidfd_send_signal(int pidfd, int signal);

/// Blocks `signals` in this thread and returns a non-blocking signalfd for them, or -errno.
int ne_signalfd(const int *signals, size_t count);

/// The signal that was read from a signalfd, with its sender; 0 when there is none.
int ne_read_signal(int fd, int *sender);

int ne_ignore_signal(int signal);
/// Default disposition, and unblocked.
int ne_default_signal(int signal);
int ne_block_signal(int signal);

// ---- starting and ending (process.c) ----

/// `source` of the caller appears as `target` in the child.
struct ne_placement {
    int source;
    int target;
};

/// Where a start failed.
enum { NE_STAGE_FORK = 0, NE_STAGE_DIRECTORY = 1, NE_STAGE_DESCRIPTORS = 2, NE_STAGE_EXEC = 3 };

struct ne_program {
    const char *path;                       // executed as it is, no search
    char *_Nullable const *_Nonnull argv;   // ends with NULL
    int directory;                          // working directory of the child; -1: the caller's
    const struct ne_placement *placements;  // place 0, 1 and 2, too
    size_t placement_count;
    int own_group;                          // the child leads a process group of its own
};

/// Starts a program that has the placed descriptors and no other, every signal at its default and
/// none blocked. The child's pid, or -errno with `*stage`: an exec that failed is reported here.
pid_t ne_start_program(const struct ne_program *program, int *stage);

int ne_thread_count(void);                  // of this process, or -errno
int ne_set_name(const char *name);          // PR_SET_NAME
int ne_set_subreaper(void);                 // orphaned descendants become children
int ne_kill_children(int signal);           // signals every child that /proc shows; how many, or -errno
pid_t ne_peek_exit(void);                   // pid of some child that has ended, unreaped; 0; -errno
void ne_reset_signals(void);                // every disposition to the default, none blocked
int ne_unignore_signal(int signal);         // an ignored signal gets its default again
int ne_remove_contents(int directory, int depth);  // everything below, `depth` levels; 0 or -errno

// ---- argv (arguments.c) ----

int ne_argument_count(void);
const char *_Nullable ne_argument(int index);  // NULL outside of it

// ---- terminal ----

/// Raw input without echo; output processing stays on. `keeps_signals` leaves Ctrl-C and Ctrl-Z to the kernel.
/// `saved` (at least ne_terminal_state_size() bytes) takes the old settings.
int ne_terminal_raw(int fd, int keeps_signals, void *saved);
int ne_terminal_restore(int fd, const void *saved);
size_t ne_terminal_state_size(void);
int ne_terminal_size(int fd, int *columns, int *rows);

#pragma clang assume_nonnull end
#endif

// Confining this process: Landlock by system calls (the C library has no functions for them).
#ifndef NETEMU_CLINUX_CONFINEMENT_H
#define NETEMU_CLINUX_CONFINEMENT_H

#include <stdint.h>

#pragma clang assume_nonnull begin

/// Landlock's version in this kernel, or -errno (ENOSYS: none; EOPNOTSUPP: switched off).
int ne_landlock_version(void);
/// A ruleset that forbids the file system rights `handled` wherever no rule grants them; a descriptor, or -errno.
int ne_landlock_ruleset(uint64_t handled);
/// Grants `rights` below what `path_descriptor` is open on. 0, or -errno.
int ne_landlock_grant(int ruleset, int path_descriptor, uint64_t rights);
/// Confines the calling thread and what it starts, for good. 0, or -errno.
int ne_landlock_enter(int ruleset);

/// `signal` for every process of the group that the pidfd's process leads; -EINVAL before Linux 6.9.
int ne_pidfd_signal_group(int pidfd, int signal);

#pragma clang assume_nonnull end
#endif

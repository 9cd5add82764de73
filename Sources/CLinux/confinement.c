// landlock(7) with structures of our own: they are fixed, and the build's headers may be older than the kernel.
#define _GNU_SOURCE
#include "CLinuxConfinement.h"

#include <errno.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

enum { CREATE_VERSION = 1, RULE_PATH_BENEATH = 1, SIGNAL_PROCESS_GROUP = 4 };

struct path_rule {
    uint64_t rights;
    int32_t descriptor;
} __attribute__((packed));

static int result(long value) { return value < 0 ? -errno : (int)value; }

int ne_landlock_version(void) {
    return result(syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, CREATE_VERSION));
}

int ne_landlock_ruleset(uint64_t handled) {
    return result(syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0));
}

int ne_landlock_grant(int ruleset, int path_descriptor, uint64_t rights) {
    struct path_rule rule = {.rights = rights, .descriptor = path_descriptor};
    return result(syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0));
}

int ne_landlock_enter(int ruleset) { return result(syscall(SYS_landlock_restrict_self, ruleset, 0)); }

int ne_pidfd_signal_group(int pidfd, int signal) {
    return result(syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, SIGNAL_PROCESS_GROUP));
}

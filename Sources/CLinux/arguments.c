// argv as main gets it. The C library hands it to constructors, too; the Swift runtime reads /proc/self/cmdline, which
// need not be there.
#include "CLinuxProcess.h"

static int count;
static char **words;

__attribute__((constructor)) static void keep(int argc, char **argv) {
    count = argc;
    words = argv;
}

int ne_argument_count(void) { return count; }

const char *ne_argument(int index) { return words && index >= 0 && index < count ? words[index] : NULL; }

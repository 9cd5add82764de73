// What somebody who runs code inside of a confined process would try.
#ifndef NETEMU_CATTEMPTS_H
#define NETEMU_CATTEMPTS_H

#include <sys/types.h>

#pragma clang assume_nonnull begin

/// The name of attempt `index`; NULL behind the last one.
const char *_Nullable attempt_name(int index);
/// Makes it against process `victim`: 0 when it works, else errno. Some end the process.
int attempt(const char *name, pid_t victim);

#pragma clang assume_nonnull end
#endif

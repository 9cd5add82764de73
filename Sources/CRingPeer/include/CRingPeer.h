// The measuring stick of `netemu-bench bench ring`: both ends of a split ring in C, with the same checks
// as the Swift queues, compiled by the toolchain's clang. Used by nothing else.
#ifndef NETEMU_CRINGPEER_H
#define NETEMU_CRINGPEER_H

#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

struct crp;

/// Guest RAM at `memory`, `memory_size` bytes from guest-physical 0; the ring of `size` entries lies contiguous at
/// `ring`, a buffer of `stride` bytes for each entry from `buffers` on. NULL without memory.
struct crp *_Nullable crp_new(void *memory, uint64_t memory_size, uint64_t ring, uint16_t size, uint64_t buffers,
                              uint32_t stride);
void crp_free(struct crp *peer);

/// `rounds` times: the driver adds `batch` frames of `length` bytes behind a header and publishes; the device takes
/// them, copies header and frame out and gives them back; the driver takes them back. Frames moved.
uint64_t crp_run(struct crp *peer, uint64_t rounds, unsigned batch, uint32_t length, void *sink);

/// One end of the same, for two threads: moves up to `batch` frames and returns how many. `*_rearm` says that there is
/// work; `*_notify` that the other side wants to be woken.
unsigned crp_driver_turn(struct crp *peer, unsigned batch, uint32_t length, int *notify);
int crp_driver_rearm(struct crp *peer);
unsigned crp_device_turn(struct crp *peer, unsigned batch, void *sink, int *notify);
int crp_device_rearm(struct crp *peer);

#pragma clang assume_nonnull end
#endif

// What netemu-repair and TCP_REPAIR need of the kernel and what Swift cannot import: request
// numbers, structures of <linux/tcp.h>, prctl. No policy lives here.
#ifndef NETEMU_CLINUX_REPAIR_H
#define NETEMU_CLINUX_REPAIR_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#pragma clang assume_nonnull begin

/// One element of TCP_REPAIR_OPTIONS: a TCP option kind and its value.
struct ne_tcp_repair_option { uint32_t kind, value; };

/// TCP_REPAIR_WINDOW (tcp_repair_window of the kernel).
struct ne_tcp_repair_window { uint32_t snd_wl1, snd_wnd, max_window, rcv_wnd, rcv_wup; };

/// Bytes in the queues of a TCP socket: sent or waiting and not acknowledged (with our FIN), of
/// these not yet sent, received and not read (without the peer's FIN). 0, or -errno.
int ne_tcp_queue_lengths(int fd, int *unacknowledged, int *unsent, int *unread);

/// SO_COOKIE: the kernel's own name of a socket, the same through every descriptor. 0, or -errno.
int ne_socket_cookie(int fd, uint64_t *cookie);

/// connect(AF_UNSPEC): lets address and port go. 0, or -errno.
int ne_disconnect(int fd);

int ne_set_dumpable(int on);
int ne_set_no_new_privs(void);

/// Drops `capability` from the bounding set. 0, or -errno.
int ne_drop_bounding(int capability);
/// Clears the ambient set. 0, or -errno.
int ne_clear_ambient(void);

/// A network namespace of our own for the calling thread; entering one by descriptor. 0, or -errno.
int ne_unshare_network(void);
int ne_enter_network(int fd);

// ---- sock_diag(7): the sockets of this network namespace ----

int ne_diagnosis_open(void);  // a netlink socket, or -errno
/// How many connected TCP sockets have this SO_MARK, or -errno. Takes CAP_NET_ADMIN.
int ne_count_marked(int diagnosis, uint32_t mark);
/// 1 when there is a TCP connection with these ends, 0 when there is none, or -errno. `inode` is its socket's; 0 when no
/// process has it.
int ne_find_connection(int diagnosis, const struct sockaddr *local, const struct sockaddr *remote, uint32_t *inode);

/// Waits until `fd` is readable: 1, 0 after `timeout_ms` (-1: for ever), or -errno.
int ne_wait_readable(int fd, int timeout_ms);

/// Calls `visit` with each name in the open directory `fd`. 0, or -errno.
int ne_list_directory(int fd, void *_Nullable context, void (*visit)(void *_Nullable context, const char *name));

#pragma clang assume_nonnull end
#endif

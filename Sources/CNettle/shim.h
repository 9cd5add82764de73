// SHA-256 of libnettle (FIPS 180-4). Swift sees the names with nettle's prefix:
// nettle_sha256_init, nettle_sha256_update, nettle_sha256_digest on a `sha256_ctx`.
#ifndef CNETTLE_SHIM_H
#define CNETTLE_SHIM_H

#include <nettle/sha2.h>

#endif

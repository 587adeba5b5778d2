#ifndef COLA_CCHECKSUM_H
#define COLA_CCHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/// CRC32C (Castagnoli, RFC 3720 appendix B.4) of `count` bytes, continued from `crc` (0 to begin).
/// Uses the processor's instruction where there is one. The check value of "123456789" is 0xE3069283.
uint32_t cola_crc32c(uint32_t crc, const void *bytes, size_t count);

/// The same by table alone, so that a test can hold one against the other.
uint32_t cola_crc32c_portable(uint32_t crc, const void *bytes, size_t count);

#endif

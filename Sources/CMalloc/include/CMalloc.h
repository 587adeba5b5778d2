#ifndef COLA_MALLOC_H
#define COLA_MALLOC_H

/// For a process in which one thread makes what another one frees: with a heap per thread, as glibc has it, each of
/// them would keep what it once needed at most. To be called before there are threads. Measured: two heaps cost no
/// time, and a broker with a million messages handed out takes 45 MiB less.
void cola_keep_heap_small(void);

/// Gives free memory at all places of the heap back to the system, where the C library can.
void cola_release_free_memory(void);

#endif

#ifndef COLA_MALLOC_H
#define COLA_MALLOC_H

/// Gives free memory at all places of the heap back to the system, where the C library can.
void cola_release_free_memory(void);

#endif

#include "CMalloc.h"

#if defined(__GLIBC__) || defined(__linux__)
#include <malloc.h>
#endif

void cola_keep_heap_small(void) {
#if defined(__GLIBC__)
    mallopt(M_ARENA_MAX, 2);
#endif
}

void cola_release_free_memory(void) {
#if defined(__GLIBC__)
    malloc_trim(0);
#endif
}

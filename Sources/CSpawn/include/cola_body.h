#ifndef COLA_BODY_H
#define COLA_BODY_H

#include <stddef.h>

/* A file in memory that holds `size` bytes and is read from its beginning; what a process can be given as its standard
 * input without anybody writing to a pipe. Close-on-exec. The descriptor, or -1 and errno. */
int cola_body(const void *bytes, size_t size);

/* A pipe, both ends close-on-exec from the beginning. 0, or -1 and errno. */
int cola_pipe(int ends[2]);

#endif

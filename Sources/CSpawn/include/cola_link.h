#ifndef COLA_LINK_H
#define COLA_LINK_H

#include <stddef.h>
#include <sys/types.h>

/* Descriptors that can travel with one packet. */
#define COLA_LINK_DESCRIPTORS_MAX 16

/* A connected pair of sockets that keeps packets apart, close-on-exec and non-blocking. Returns 0 or -1 with errno. */
int cola_link_pair(int sockets[2]);

/* Whether `socket` is one end of such a pair. */
int cola_link_is_socket(int socket);

/* Sends one packet with copies of `descriptors`. Returns 0, or -1 with errno; nothing was sent then. Never blocks, and
   never raises a signal. */
int cola_link_send(int socket, const void *bytes, size_t count, const int *descriptors, int descriptor_count);

/* Takes one packet, without waiting for it. Returns its size, 0 when the other end is gone, or -1 with errno.
   `descriptors` has room for COLA_LINK_DESCRIPTORS_MAX; they are close-on-exec, and the caller's to close. `lost` says
   that bytes (1) or descriptors (2) of the packet found no room. */
ssize_t cola_link_receive(int socket, void *bytes, size_t room, int *descriptors, int *descriptor_count, int *lost);

#endif

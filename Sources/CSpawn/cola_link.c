#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "cola_link.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef __linux__

int cola_link_pair(int sockets[2]) {
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets);
}

int cola_link_is_socket(int socket) {
    int value = 0;
    socklen_t size = sizeof value;
    if (getsockopt(socket, SOL_SOCKET, SO_TYPE, &value, &size) != 0 || value != SOCK_SEQPACKET) return 0;
    size = sizeof value;
    return getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &value, &size) == 0 && value == AF_UNIX;
}

int cola_link_send(int socket, const void *bytes, size_t count, const int *descriptors, int descriptor_count) {
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int) * COLA_LINK_DESCRIPTORS_MAX)];
    } control;
    struct iovec part = {(void *)bytes, count};
    struct msghdr message;
    memset(&message, 0, sizeof message);
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (descriptor_count > COLA_LINK_DESCRIPTORS_MAX) {
        errno = EINVAL;
        return -1;
    }
    if (descriptor_count > 0) {
        size_t size = sizeof(int) * (size_t)descriptor_count;
        memset(&control, 0, sizeof control);
        message.msg_control = control.room;
        message.msg_controllen = CMSG_SPACE(size);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(size);
        memcpy(CMSG_DATA(header), descriptors, size);
    }
    ssize_t sent;
    do {
        sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -1 : 0;
}

ssize_t cola_link_receive(int socket, void *bytes, size_t room, int *descriptors, int *descriptor_count, int *lost) {
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int) * COLA_LINK_DESCRIPTORS_MAX)];
    } control;
    struct iovec part = {bytes, room};
    struct msghdr message;
    memset(&message, 0, sizeof message);
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.room;
    message.msg_controllen = sizeof control.room;
    *descriptor_count = 0;
    *lost = 0;
    ssize_t received;
    do {
        received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    } while (received < 0 && errno == EINTR);
    if (received < 0) return -1;
    if (message.msg_flags & MSG_TRUNC) *lost |= 1;
    if (message.msg_flags & MSG_CTRUNC) *lost |= 2;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header != NULL; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int descriptor;
            memcpy(&descriptor, CMSG_DATA(header) + i * sizeof(int), sizeof descriptor);
            if (*descriptor_count < COLA_LINK_DESCRIPTORS_MAX) {
                descriptors[(*descriptor_count)++] = descriptor;
            } else {
                close(descriptor);
                *lost |= 2;
            }
        }
    }
    return received;
}

#else

int cola_link_pair(int sockets[2]) {
    (void)sockets;
    errno = ENOSYS;
    return -1;
}

int cola_link_is_socket(int socket) {
    (void)socket;
    return 0;
}

int cola_link_send(int socket, const void *bytes, size_t count, const int *descriptors, int descriptor_count) {
    (void)socket, (void)bytes, (void)count, (void)descriptors, (void)descriptor_count;
    errno = ENOSYS;
    return -1;
}

ssize_t cola_link_receive(int socket, void *bytes, size_t room, int *descriptors, int *descriptor_count, int *lost) {
    (void)socket, (void)bytes, (void)room, (void)descriptors;
    *descriptor_count = 0;
    *lost = 0;
    errno = ENOSYS;
    return -1;
}

#endif

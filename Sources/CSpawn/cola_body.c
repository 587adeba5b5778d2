#ifdef __linux__
#define _GNU_SOURCE
#endif
#include "cola_body.h"

#include <errno.h>
#include <unistd.h>

#ifdef __linux__
#include <fcntl.h>
#include <sys/mman.h>

int cola_body(const void *bytes, size_t size) {
    int file = memfd_create("cola-body", MFD_CLOEXEC);
    if (file < 0) return -1;
    const char *rest = bytes;
    while (size > 0) {
        ssize_t written = write(file, rest, size);
        if (written < 0) {
            if (errno == EINTR) continue;
            int error = errno;
            close(file);
            errno = error;
            return -1;
        }
        rest += written;
        size -= (size_t)written;
    }
    if (lseek(file, 0, SEEK_SET) != 0) {
        close(file);
        return -1;
    }
    return file;
}
int cola_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC); }
#else
int cola_pipe(int ends[2]) {
    (void)ends;
    errno = ENOSYS;
    return -1;
}

int cola_body(const void *bytes, size_t size) {
    (void)bytes;
    (void)size;
    errno = ENOSYS;
    return -1;
}
#endif

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "cola_process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>


/* Reads a file of /proc from its beginning, as much as fits. Returns the count, or -1 with errno. */
static ssize_t read_file(const char *path, char *bytes, size_t room) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return -1;
    size_t count = 0;
    while (count < room) {
        ssize_t more = read(file, bytes + count, room - count);
        if (more < 0 && errno == EINTR) continue;
        if (more < 0) {
            int error = errno;
            close(file);
            errno = error;
            return -1;
        }
        if (more == 0) break;
        count += (size_t)more;
    }
    close(file);
    return (ssize_t)count;
}

int cola_process_read(pid_t process, struct cola_process *found) {
    char path[32], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)process);
    ssize_t count = read_file(path, text, sizeof text - 1);
    if (count < 0) {
        if (errno == ENOENT) errno = ESRCH;
        return -1;
    }
    text[count] = 0;
    /* The name stands in parentheses, and may hold any of them itself. */
    char *rest = strrchr(text, ')');
    char state;
    int parent, group, session;
    unsigned long long start;
    if (rest == NULL
        || sscanf(rest + 1, " %c %d %d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &state,
                  &parent, &group, &session, &start) != 5) {
        errno = ESRCH;
        return -1;
    }
    *found = (struct cola_process){process, parent, group, session, start, state == 'Z' || state == 'X'};
    return 0;
}

ssize_t cola_process_list(struct cola_process *found, size_t room) {
    DIR *folder = opendir("/proc");
    if (folder == NULL) return -1;
    size_t count = 0;
    struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        if (!isdigit((unsigned char)entry->d_name[0])) continue;
        struct cola_process process;
        if (cola_process_read((pid_t)atoi(entry->d_name), &process) != 0) continue; /* It has just ended. */
        if (count < room) found[count] = process;
        count++;
    }
    closedir(folder);
    return (ssize_t)count;
}

/* The slow way, for a kernel without lists of children. */
static ssize_t children_by_search(pid_t *found, size_t room) {
    DIR *folder = opendir("/proc");
    if (folder == NULL) return -1;
    pid_t self = getpid();
    size_t count = 0;
    struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        struct cola_process process;
        if (!isdigit((unsigned char)entry->d_name[0])) continue;
        if (cola_process_read((pid_t)atoi(entry->d_name), &process) != 0 || process.parent != self) continue;
        if (count < room) found[count] = process.process;
        count++;
    }
    closedir(folder);
    return (ssize_t)count;
}

ssize_t cola_process_children(pid_t *found, size_t room) {
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return children_by_search(found, room);
    /* Only the caller can take a child off the list, so none is missed while it is read in pieces. */
    size_t listed = 0;
    pid_t number = 0;
    for (;;) {
        ssize_t count = read(file, text, sizeof text);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) break;
        for (ssize_t i = 0; i < count; i++) {
            if (isdigit((unsigned char)text[i])) {
                number = number * 10 + (text[i] - '0');
            } else if (number > 0) {
                if (listed < room) found[listed] = number;
                listed++;
                number = 0;
            }
        }
    }
    close(file);
    return (ssize_t)listed;
}

ssize_t cola_process_environment(pid_t process, const char *name, char *value, size_t room) {
    char path[32], text[4096];
    snprintf(path, sizeof path, "/proc/%d/environ", (int)process);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return -1;
    size_t name_length = strlen(name);
    size_t at = 0; /* Position in the entry that is being read; past the name, its value is. */
    bool matches = true;
    for (;;) {
        ssize_t count = read(file, text, sizeof text);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) break;
        for (ssize_t i = 0; i < count; i++) {
            char byte = text[i];
            if (byte == 0) {
                if (matches && at > name_length) {
                    close(file);
                    return (ssize_t)(at - name_length - 1);
                }
                at = 0;
                matches = true;
                continue;
            }
            if (at < name_length) {
                matches = matches && byte == name[at];
            } else if (at == name_length) {
                matches = matches && byte == '=';
            } else if (matches && at - name_length - 1 < room) {
                value[at - name_length - 1] = byte;
            } else {
                matches = false;
            }
            at++;
        }
    }
    close(file);
    errno = ENOENT;
    return -1;
}

int cola_process_signal(const struct cola_process *target, int signal) {
    int handle = (int)syscall(SYS_pidfd_open, target->process, 0);
    if (handle < 0 && errno != ENOSYS && errno != EMFILE && errno != ENFILE) return -1;
    int error = handle < 0 ? errno : 0;
    /* What the handle stands for is what the number stood for. If that is still the one that was read, it is it. */
    struct cola_process now;
    int result = -1;
    if (cola_process_read(target->process, &now) != 0) {
        error = error == EMFILE || error == ENFILE ? error : ESRCH;
    } else if (now.start_time != target->start_time || now.session != target->session) {
        error = ESRCH;
    } else if (handle >= 0) {
        result = (int)syscall(SYS_pidfd_send_signal, handle, signal, NULL, 0);
        error = errno;
    } else {
        /* A kernel before 5.3: the number was checked a moment ago, and that is all there is. */
        result = kill(target->process, signal);
        error = errno;
    }
    if (handle >= 0) close(handle);
    errno = error;
    return result;
}

pid_t cola_process_ended(pid_t process, bool keep, struct cola_exit *ended) {
    siginfo_t info;
    struct rusage usage;
    memset(&info, 0, sizeof info);
    memset(&usage, 0, sizeof usage);
    int options = WEXITED | WNOHANG | (keep ? WNOWAIT : 0);
    long result;
    do {
        /* The system call itself, because the function of the C library leaves out what the child has used. */
        result = syscall(SYS_waitid, process > 0 ? P_PID : P_ALL, process, &info, options, &usage);
    } while (result < 0 && errno == EINTR);
    if (result < 0) return -1;
    if (info.si_pid == 0) return 0;
    *ended = (struct cola_exit){
        .process = info.si_pid,
        .code = info.si_status,
        .is_signal = info.si_code != CLD_EXITED,
        .is_core_dumped = info.si_code == CLD_DUMPED,
        .user_microseconds = (int64_t)usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec,
        .system_microseconds = (int64_t)usage.ru_stime.tv_sec * 1000000 + usage.ru_stime.tv_usec,
        .resident_bytes_most = (int64_t)usage.ru_maxrss * 1024,
    };
    return info.si_pid;
}

int cola_process_adopt_orphans(void) { return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); }

void cola_process_set_name(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }

int cola_process_out_of_memory_score(void) {
    char text[16];
    ssize_t count = read_file("/proc/self/oom_score_adj", text, sizeof text - 1);
    if (count <= 0) return 0;
    text[count] = 0;
    return atoi(text);
}

int64_t cola_process_resident_bytes(void) {
    char text[128];
    ssize_t count = read_file("/proc/self/statm", text, sizeof text - 1);
    if (count <= 0) return 0;
    text[count] = 0;
    long long pages = 0;
    if (sscanf(text, "%*d %lld", &pages) != 1) return 0;
    return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

void cola_process_close_from(int first) {
#ifdef SYS_close_range
    if (syscall(SYS_close_range, (unsigned)first, ~0u, 0) == 0) return;
#endif
    /* A kernel before 5.9. A limit that was lowered later may lie below an open descriptor, so at least these. */
    struct rlimit limit = {1024, 1024};
    getrlimit(RLIMIT_NOFILE, &limit);
    long most = limit.rlim_max > 1048576 ? 1048576 : (long)limit.rlim_max;
    for (long descriptor = first; descriptor < most; descriptor++) close((int)descriptor);
}

int cola_process_watch_children(void) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_DFL;
    action.sa_flags = SA_NOCLDSTOP;
    if (sigaction(SIGCHLD, &action, NULL) != 0) return -1;
    if (sigprocmask(SIG_BLOCK, &signals, NULL) != 0) return -1;
    return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

void cola_process_forget_signals(int descriptor) {
    struct signalfd_siginfo signals[8];
    while (read(descriptor, signals, sizeof signals) > 0) {
    }
}

void cola_process_ignore_signals(void) {
    const int ignored[] = {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM, SIGUSR1, SIGUSR2};
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++) signal(ignored[i], SIG_IGN);
}

#else

/* Without Linux's subreapers and parent-death signals nothing of this could be promised, so nothing of it is done. */

int cola_process_read(pid_t process, struct cola_process *found) {
    (void)process, (void)found;
    errno = ENOSYS;
    return -1;
}

ssize_t cola_process_list(struct cola_process *found, size_t room) {
    (void)found, (void)room;
    errno = ENOSYS;
    return -1;
}

ssize_t cola_process_children(pid_t *found, size_t room) {
    (void)found, (void)room;
    errno = ENOSYS;
    return -1;
}

ssize_t cola_process_environment(pid_t process, const char *name, char *value, size_t room) {
    (void)process, (void)name, (void)value, (void)room;
    errno = ENOSYS;
    return -1;
}

int cola_process_signal(const struct cola_process *target, int signal) {
    (void)target, (void)signal;
    errno = ENOSYS;
    return -1;
}

pid_t cola_process_ended(pid_t process, bool keep, struct cola_exit *ended) {
    (void)process, (void)keep, (void)ended;
    errno = ENOSYS;
    return -1;
}

int cola_process_adopt_orphans(void) {
    errno = ENOSYS;
    return -1;
}

void cola_process_set_name(const char *name) { (void)name; }
int cola_process_out_of_memory_score(void) { return 0; }
int64_t cola_process_resident_bytes(void) { return 0; }

void cola_process_close_from(int first) {
    for (int descriptor = first; descriptor < 1024; descriptor++) close(descriptor);
}

int cola_process_watch_children(void) {
    errno = ENOSYS;
    return -1;
}

void cola_process_forget_signals(int descriptor) { (void)descriptor; }
void cola_process_ignore_signals(void) {}

#endif

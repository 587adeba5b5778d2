#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "cola_spawn.h"
#include "cola_process.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* Everything below runs in the child before exec, mostly in the memory of the parent, whose thread waits meanwhile.
   Other threads may hold any lock, so only async-signal-safe calls are made; and nothing is written but on the child's
   own stack. */

static void fail(int report, int step) {
    struct cola_spawn_failure failure = {step, errno};
    /* Less than PIPE_BUF, so all or nothing. */
    while (write(report, &failure, sizeof failure) < 0 && errno == EINTR) {
    }
    _exit(127);
}

static void default_signals(void) {
    /* The kernel's own call, for the C library refuses the signals that it keeps for itself, which may have been
       inherited as ignored, too. All zeros is the default, whatever the order of its fields. */
    unsigned long action[16];
    memset(action, 0, sizeof action);
    for (int number = 1; number < NSIG; number++) {
        if (number == SIGKILL || number == SIGSTOP) continue;
        syscall(SYS_rt_sigaction, number, action, NULL, (NSIG - 1) / 8);
    }
}

/* Puts copies of `descriptors` at 0, 1, 2, … and closes all others but the one to report on, which is returned. */
static int place_descriptors(const struct cola_spawn *spawn, int report) {
    int count = spawn->descriptor_count;
    int sources[count > 0 ? count : 1];
    /* First out of the way, so that none is overwritten before it was copied. */
    for (int i = 0; i < count; i++) {
        sources[i] = spawn->descriptors[i];
        if (sources[i] < count) sources[i] = fcntl(sources[i], F_DUPFD_CLOEXEC, count);
        if (sources[i] < 0) fail(report, COLA_STEP_DESCRIPTORS);
    }
    if (report < count) {
        int moved = fcntl(report, F_DUPFD_CLOEXEC, count);
        if (moved < 0) fail(report, COLA_STEP_DESCRIPTORS);
        report = moved;
    }
    for (int i = 0; i < count; i++) {
        if (dup2(sources[i], i) < 0) fail(report, COLA_STEP_DESCRIPTORS);
    }
    if (report != count) {
        if (dup3(report, count, O_CLOEXEC) < 0) fail(report, COLA_STEP_DESCRIPTORS);
        report = count;
    }
    cola_process_close_from(count + 1);
    return report;
}

static void become_user(const struct cola_spawn *spawn, int report) {
    if (spawn->user < 0) return;
    uid_t user = (uid_t)spawn->user;
    gid_t group = (gid_t)spawn->group;
    /* Who may not change users may still name itself. */
    if (geteuid() != 0 && user == geteuid() && user == getuid() && group == getegid() && group == getgid()) return;
    /* The system calls themselves, because the functions of the C library change all threads that it knows of. */
    if (syscall(SYS_setgroups, (size_t)spawn->group_count, spawn->groups) != 0) fail(report, COLA_STEP_GROUPS);
    if (syscall(SYS_setresgid, group, group, group) != 0) fail(report, COLA_STEP_GROUP);
    if (syscall(SYS_setresuid, user, user, user) != 0) fail(report, COLA_STEP_USER);
    /* It must not be able to go back. */
    if (user != 0 && (syscall(SYS_setuid, 0) == 0 || geteuid() != user)) {
        errno = EPERM;
        fail(report, COLA_STEP_USER);
    }
}

static void score_out_of_memory(int score) {
    char text[8];
    int length = 0;
    char digits[6];
    int digit_count = 0;
    do {
        digits[digit_count++] = (char)('0' + score % 10);
        score /= 10;
    } while (score > 0);
    while (digit_count > 0) text[length++] = digits[--digit_count];
    int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (file < 0) return; /* Without /proc the system chooses by size alone. */
    ssize_t written = write(file, text, (size_t)length);
    (void)written;
    close(file);
}

struct child {
    const struct cola_spawn *spawn;
    int report;
    pid_t parent;
};

static int run(void *argument) {
    const struct child *child = argument;
    const struct cola_spawn *spawn = child->spawn;
    int report = child->report;
    default_signals();
    if (spawn->has_session && setsid() < 0) fail(report, COLA_STEP_SESSION);
    report = place_descriptors(spawn, report);
    if (spawn->out_of_memory_score >= 0) score_out_of_memory(spawn->out_of_memory_score);
    if (spawn->file_mode_mask >= 0) umask((mode_t)spawn->file_mode_mask);
    for (int i = 0; i < spawn->limit_count; i++) {
        const struct cola_limit *limit = &spawn->limits[i];
        struct rlimit value = {(rlim_t)limit->soft, (rlim_t)limit->hard};
        if (setrlimit(limit->resource, &value) != 0) fail(report, limit->step);
    }
    if (spawn->nice != 0) {
        errno = 0;
        if (nice(spawn->nice) == -1 && errno != 0) fail(report, COLA_STEP_NICE);
    }
    become_user(spawn, report);
    /* As the user that it will be, who alone may be let in there. */
    if (spawn->directory != NULL && chdir(spawn->directory) != 0) fail(report, COLA_STEP_DIRECTORY);
    if (spawn->has_no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) fail(report, COLA_STEP_PRIVILEGES);
    if (spawn->dies_with_parent) {
        /* After the change of user, which takes it back. */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) fail(report, COLA_STEP_PARENT);
        if (getppid() != child->parent) _exit(127); /* It died before, and nobody reads the report. */
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(spawn->path, spawn->arguments, spawn->environment);
    fail(report, COLA_STEP_EXEC);
    return 127;
}

/* Here the child's part ends. */

/* Room for the child's calls, and a fence below it. */
enum { STACK_BYTES = 64 * 1024, FENCE_BYTES = 64 * 1024 };

pid_t cola_spawn(const struct cola_spawn *spawn, struct cola_spawn_failure *failure) {
    size_t stack_bytes = FENCE_BYTES + STACK_BYTES;
    char *stack = mmap(NULL, stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED) {
        *failure = (struct cola_spawn_failure){COLA_STEP_FORK, errno};
        return -1;
    }
    mprotect(stack, FENCE_BYTES, PROT_NONE);
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0) {
        *failure = (struct cola_spawn_failure){COLA_STEP_PIPE, errno};
        munmap(stack, stack_bytes);
        return -1;
    }
    /* No handler of this process may run in the child. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    struct child child = {spawn, report[1], getpid()};
    /* A copy of the memory would cost as much as all the rest. But whoever becomes another user gets one, because that
       user's processes can reach it before exec. Signals, descriptors and the directory are the child's own anyway. */
    int sharing = spawn->user >= 0 ? 0 : CLONE_VM | CLONE_VFORK;
    pid_t process = clone(run, stack + stack_bytes, sharing | SIGCHLD, &child);
    int error = errno;
    munmap(stack, stack_bytes);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(report[1]);
    if (process < 0) {
        close(report[0]);
        *failure = (struct cola_spawn_failure){COLA_STEP_FORK, error};
        return -1;
    }
    ssize_t count;
    do {
        count = read(report[0], failure, sizeof *failure);
    } while (count < 0 && errno == EINTR);
    close(report[0]);
    /* The end of the pipe: exec has closed it. */
    if (count == 0) return process;
    if (count != (ssize_t)sizeof *failure) *failure = (struct cola_spawn_failure){COLA_STEP_PIPE, EIO};
    while (waitpid(process, NULL, 0) < 0 && errno == EINTR) {
    }
    return -1;
}

#else

pid_t cola_spawn(const struct cola_spawn *spawn, struct cola_spawn_failure *failure) {
    (void)spawn;
    /* No subreaper and no signal for a parent's death: it could not be promised that nothing is left behind. */
    *failure = (struct cola_spawn_failure){COLA_STEP_FORK, ENOSYS};
    return -1;
}

#endif

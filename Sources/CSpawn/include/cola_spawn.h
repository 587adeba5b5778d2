#ifndef COLA_SPAWN_H
#define COLA_SPAWN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The steps between a request and a running program, in their order. A failure names the one it was met in. */
enum cola_spawn_step {
    COLA_STEP_PIPE = 1,
    COLA_STEP_FORK = 2,
    COLA_STEP_SESSION = 3,
    COLA_STEP_DESCRIPTORS = 4,
    COLA_STEP_LIMIT_MEMORY = 5,
    COLA_STEP_LIMIT_CPU = 6,
    COLA_STEP_LIMIT_FILES = 7,
    COLA_STEP_LIMIT_CORE = 8,
    COLA_STEP_LIMIT_PROCESSES = 9,
    COLA_STEP_NICE = 10,
    COLA_STEP_GROUPS = 11,
    COLA_STEP_GROUP = 12,
    COLA_STEP_USER = 13,
    COLA_STEP_DIRECTORY = 14,
    COLA_STEP_PRIVILEGES = 15,
    COLA_STEP_PARENT = 16,
    COLA_STEP_EXEC = 17,
};

/* One resource limit. `step` names it in a failure. */
struct cola_limit {
    int resource;
    int step;
    uint64_t soft;
    uint64_t hard;
};

/* A program to start, and what its process shall be like. Nothing is inherited but what stands here, the limits that
   are not named, and the directory and umask where none is given. */
struct cola_spawn {
    const char *path;                 /* of the program; not searched for */
    char *const *arguments;           /* ends with NULL */
    char *const *environment;         /* ends with NULL */
    const char *directory;            /* NULL: that of the caller */
    const int *descriptors;           /* number i of the child is a copy of descriptors[i]; all others are closed */
    int descriptor_count;
    const struct cola_limit *limits;
    int limit_count;
    int64_t user;                     /* -1: as the caller, and then group and groups do not count */
    int64_t group;
    const gid_t *groups;
    int group_count;
    int32_t file_mode_mask;           /* -1: that of the caller */
    int32_t nice;                     /* added to that of the caller */
    int32_t out_of_memory_score;      /* -1: that of the caller */
    bool has_session;                 /* leads a session and process group of its own */
    bool dies_with_parent;            /* SIGKILL when the calling thread ends */
    bool has_no_new_privileges;
};

struct cola_spawn_failure {
    int32_t step;
    int32_t error;                    /* errno */
};

/* Starts a program and waits until it runs. Returns its process ID, or -1 with `failure` filled in; then no process is
   left. Safe in a process with threads: until exec, the child calls only what is async-signal-safe. */
pid_t cola_spawn(const struct cola_spawn *spawn, struct cola_spawn_failure *failure);

#endif

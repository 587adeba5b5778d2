#ifndef COLA_PROCESS_H
#define COLA_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A process as the system shows it. A number is used again when its process is gone; number and start time are not. */
struct cola_process {
    pid_t process;
    pid_t parent;
    pid_t group;
    pid_t session;
    uint64_t start_time;              /* clock ticks since the machine started */
    bool is_zombie;
};

/* How a child ended, and what it used. */
struct cola_exit {
    pid_t process;
    int32_t code;                     /* exit code, or number of the signal */
    bool is_signal;
    bool is_core_dumped;
    int64_t user_microseconds;
    int64_t system_microseconds;
    int64_t resident_bytes_most;
};

/* The process of that number. Returns 0, or -1 with errno (ESRCH: there is none). */
int cola_process_read(pid_t process, struct cola_process *found);

/* All processes of the machine that can be seen, as many as fit into `room`. Returns how many there are, or -1. */
ssize_t cola_process_list(struct cola_process *found, size_t room);

/* The children of the calling process, dead ones that are not collected yet too; as many as fit into `room`. Returns
   how many there are, or -1. The caller has one thread. */
ssize_t cola_process_children(pid_t *found, size_t room);

/* The value of `name` in the environment of a process, as it was at its start. Returns its length, or -1 with errno
   (ENOENT: it has none of that name, or one longer than `room`). */
ssize_t cola_process_environment(pid_t process, const char *name, char *value, size_t room);

/* Sends a signal to exactly the process that was read as `target`, whoever has its number now. Returns 0, or -1 with
   errno (ESRCH: it is gone). */
int cola_process_signal(const struct cola_process *target, int signal);

/* A child that has ended: `process`, or any for 0. It stays as it is if `keep`. Returns its number, 0 if there is none
   that has ended, or -1 with errno (ECHILD: there is no such child at all). */
pid_t cola_process_ended(pid_t process, bool keep, struct cola_exit *ended);

/* Makes the calling process the parent of those below it whose own parent has ended. Returns 0, or -1 with errno. */
int cola_process_adopt_orphans(void);

/* What `ps` calls the calling process: at most 15 bytes. */
void cola_process_set_name(const char *name);

/* How likely the system ends the calling process when memory is short: -1000 to 1000; 0 where it says nothing. */
int cola_process_out_of_memory_score(void);

/* Memory of the calling process that is resident, in bytes; 0 if unknown. */
int64_t cola_process_resident_bytes(void);

/* Closes every descriptor from `first` on. */
void cola_process_close_from(int first);

/* Blocks SIGCHLD, and returns a descriptor that is readable when one is waiting, or -1. It is close-on-exec and does
   not block. */
int cola_process_watch_children(void);

/* Takes the waiting SIGCHLD from that descriptor. */
void cola_process_forget_signals(int descriptor);

/* From here on these signals do nothing: HUP, INT, QUIT, PIPE, TERM, USR1, USR2. */
void cola_process_ignore_signals(void);

#endif

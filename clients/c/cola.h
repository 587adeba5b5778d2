/* cola.h: a client of the Cola message broker, in C11 on POSIX sockets.
 *
 * Add this file and cola.c to your program: there is nothing to configure and nothing else to link. What the words
 * mean (queue, prefetch, exchange, routing key, …) is said in protocol/native.md; README.md has a first program.
 *
 * Errors    Functions return COLA_OK, which is 0, or the code of what went wrong; cola_last_error() then has the
 *           sentence. Nothing here ends the program, prints, raises SIGPIPE, or leaves a signal handler behind.
 * Memory    What is handed to a function is copied or sent before it returns. What a function hands out belongs to
 *           the caller and is freed with the function that its comment names; it stays good after cola_close().
 * Threads   A connection and all that belongs to it are for one thread at a time. Any number of threads may each have
 *           a connection: there is no state beside them. A connection does not go through a fork().
 * Time      All times are milliseconds. A negative timeout waits for as long as it takes, 0 does not wait.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef COLA_H
#define COLA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- Errors --- */

typedef enum cola_code {
    COLA_OK = 0,
    /* Said by the server: protocol/native.md, section 7. */
    COLA_SYNTAX,
    COLA_UNKNOWN_COMMAND,
    COLA_LINE_TOO_LONG,
    COLA_BODY_END,
    COLA_TOO_LARGE,
    COLA_UNSUPPORTED_VERSION,
    COLA_UNSUPPORTED_FEATURE,
    COLA_UNAUTHENTICATED,
    COLA_ACCESS_REFUSED,
    COLA_NOT_FOUND,
    COLA_MISMATCH,
    COLA_UNROUTABLE,
    COLA_IN_USE,
    COLA_LOCKED,
    COLA_FULL,
    COLA_UNKNOWN_DELIVERY,
    COLA_LIMIT,
    COLA_CANCELLED,
    COLA_OVERLOADED,
    COLA_STORAGE,
    COLA_BUSY,
    COLA_CONFIGURATION,
    COLA_TIMEOUT,
    COLA_SHUTTING_DOWN,
    COLA_DAMAGED,
    COLA_OTHER, /* one that this client does not know: cola_error.name has it */
    /* Said by this client. */
    COLA_INVALID_ARGUMENT, /* nothing was sent */
    COLA_NO_MEMORY,        /* nothing was sent, or the connection is lost: see cola_is_open() */
    COLA_UNREACHABLE,      /* no connection could be made */
    COLA_NO_ANSWER,        /* none came in time; the connection goes on, and what was asked may still be done */
    COLA_STALE_DELIVERY,   /* the message came over another connection, and cannot be settled any more */
    COLA_PROTOCOL,         /* what the server sent is not the protocol; the connection is closed */
    COLA_CONNECTION_LOST,  /* what was not answered was carried out or not */
    COLA_CODE_COUNT
} cola_code;

enum { COLA_SENTENCE_SIZE = 512, COLA_NAME_SIZE = 256 };

typedef struct cola_error {
    cola_code code;
    bool retry;                        /* the same request, unchanged, can succeed later */
    char name[32];                     /* of the code, as the protocol writes it: "not_found" */
    char sentence[COLA_SENTENCE_SIZE]; /* for people; cut off if it is longer */
} cola_error;

/* The name of a code as the protocol writes it; "other" for what is none. */
const char *cola_code_name(cola_code code);

/* --- Values --- */

/* Bytes with their length. In what the library hands out data is followed by a NUL, which size does not count, so that
 * text can be printed as it is; it may hold other NULs, and is not checked to be UTF-8. data == NULL: not there. */
typedef struct cola_bytes {
    const char *data;
    size_t size;
} cola_bytes;

static inline cola_bytes cola_text(const char *text) {
    cola_bytes bytes;
    bytes.data = text;
    bytes.size = text == NULL ? 0 : strlen(text);
    return bytes;
}

/* A header, or an option of a request or an answer. */
typedef struct cola_pair {
    cola_bytes name;
    cola_bytes value;
} cola_pair;

typedef struct cola_connection cola_connection;
typedef struct cola_consumer cola_consumer;

/* --- The connection --- */

/* What was published with cola_publish_later and refused: its number, counted from 0, and why, which is good until this
 * returns. Called in the middle of another call; take note and return, without a call to this library. */
typedef void cola_refused(void *context, uint64_t number, const cola_error *error);

/* Zeros (and NULL for all of it) are what most programs want. */
typedef struct cola_connect_options {
    const char *user;     /* before the one in the URL; over TCP guest/guest if nobody is named */
    const char *password;
    const char *vhost;    /* NULL: "/" */
    const char *client;   /* what listings call this program */
    const char *need;     /* features with commas between them, without which there is no use: "topics,groups" */
    unsigned heartbeat;   /* seconds, 1 to 3600; 0: none. A server that is silent for twice as long is lost */
    int timeout;          /* for the connection and then for each answer; 0: 30,000 */
    unsigned window;      /* messages of cola_publish_later without an answer; 0: 1,000 */
    cola_refused *refused;
    void *context;        /* for refused */
} cola_connect_options;

/* Connects and says hello. url is unix:///PATH, unix:PATH or tcp://[USER:PASSWORD@]HOST[:PORT]; NULL: that of the
 * environment's COLA_URL, else the socket in ./cola-data.
 *
 * A program that Cola started as a worker (COLA_URL and COLA_TOKEN_FD are in its environment) calls it with NULL: it is
 * known by its token, which is taken off the environment, and its messages are tied to its process.
 *
 * On success *connection is to be closed with cola_close. Else it is NULL, and error, unless NULL, says why:
 * COLA_UNREACHABLE, COLA_UNAUTHENTICATED, COLA_NOT_FOUND (the vhost), COLA_INVALID_ARGUMENT (the URL), … A host is
 * looked up by getaddrinfo(), which keeps times of its own. */
cola_code cola_connect(const char *url, const cola_connect_options *options, cola_connection **connection,
                       cola_error *error);

/* Takes leave, for which it waits as for any answer, and frees the connection and its consumers; NULL is nothing.
 * Messages that were not settled go back.
 * COLA_OK: everything before was answered, is on the disk, and nothing was refused that cola_flush or cola_ping did
 * not say already. */
cola_code cola_close(cola_connection *connection);

/* Whether it is still there, as far as is known. One that is lost stays lost: close it and connect again. */
bool cola_is_open(const cola_connection *connection);

/* What went wrong in the last call that did not return COLA_OK. Good until the next call. */
const cola_error *cola_last_error(const cola_connection *connection);

/* Why the server holds publishers back at present (its disk is full, say), or NULL. */
const char *cola_blocked(const cola_connection *connection);

/* How long a call waits for an answer from now on. */
void cola_set_timeout(cola_connection *connection, int timeout);

/* The largest body that the server takes. */
uint64_t cola_body_max(const cola_connection *connection);

/* For programs with an event loop: poll() the descriptor (-1: lost) for these events (POLLIN, and POLLOUT while
 * something is left to be written), then call cola_receive with a timeout of 0 until there is no message any more, or
 * cola_process. Messages may be here already while the descriptor is silent: call before polling, too. */
int cola_descriptor(const cola_connection *connection);
short cola_events(const cola_connection *connection);

/* Writes what is left, takes in what has come, and beats, for at most timeout; returns as soon as something happened.
 * With a heartbeat, a program that is busy elsewhere calls it (or anything) every half of that. */
cola_code cola_process(cola_connection *connection, int timeout);

/* Returns when everything before is done and on the disk, acknowledgements too. What was refused of them since the last
 * time (COLA_UNKNOWN_DELIVERY: this connection does not hold it) is its error. */
cola_code cola_ping(cola_connection *connection);

/* --- Definitions --- */

typedef struct cola_queue_options {
    bool transient;   /* durable=no: it and its messages do not outlive the server */
    bool exclusive;   /* of this connection alone, and ends with it */
    bool auto_delete; /* goes when the last of its consumers has gone */
    const cola_pair *arguments; /* "max-priority", "message-ttl", …: protocol/native.md, section 3.2 */
    size_t argument_count;
} cola_queue_options;

/* Makes a queue if there is none of the name. COLA_MISMATCH: there is one, but a different one. */
cola_code cola_declare_queue(cola_connection *connection, const char *name, const cola_queue_options *options);

/* Makes a queue whose name the server chooses, for answers, say, and says which. */
cola_code cola_declare_unnamed_queue(cola_connection *connection, const cola_queue_options *options,
                                     char name[COLA_NAME_SIZE]);

/* partitions: 0 is what the server takes, 1. */
cola_code cola_declare_topic(cola_connection *connection, const char *name, unsigned partitions,
                             const cola_pair *arguments, size_t argument_count);

/* type: "direct", "fanout", "topic", "headers", …; options as in the protocol: {"alternate", "lost"}. */
cola_code cola_declare_exchange(cola_connection *connection, const char *name, const char *type,
                                const cola_pair *options, size_t option_count);

enum { COLA_IF_UNUSED = 1, COLA_IF_EMPTY = 2 };

/* kind: "queue", "topic" or "exchange". flags: 0, COLA_IF_UNUSED | COLA_IF_EMPTY. messages (or NULL): how many went. */
cola_code cola_delete(cola_connection *connection, const char *kind, const char *name, unsigned flags,
                      uint64_t *messages);

/* Removes what is not handed out. messages (or NULL): how many that were. */
cola_code cola_purge(cola_connection *connection, const char *queue, uint64_t *messages);

typedef struct cola_binding {
    const char *key;          /* a routing key or a pattern */
    bool to_exchange;         /* name is an exchange */
    const char *match;        /* "any" or "all", for exchanges of type headers */
    const cola_pair *headers; /* a value of no bytes: the header need only be there */
    size_t header_count;
} cola_binding;

/* From an exchange to a queue, topic or exchange. binding: NULL is all zeros. */
cola_code cola_bind(cola_connection *connection, const char *exchange, const char *name, const cola_binding *binding);
cola_code cola_unbind(cola_connection *connection, const char *exchange, const char *name,
                      const cola_binding *binding);

/* --- Publishing --- */

typedef struct cola_properties {
    const char *exchange;     /* NULL: to the queue or topic that has the name of the routing key */
    cola_bytes key;           /* of the record, not of the routing; data == NULL: none */
    const cola_pair *headers; /* in this order */
    size_t header_count;
    bool may_be_dropped;      /* mandatory=no: where it leads nowhere it is dropped, and that is no error */
    unsigned priority;        /* 0 to 255 */
    bool has_ttl;             /* without it ttl says nothing */
    uint64_t ttl;             /* how long it may wait in its queue */
    uint64_t delay;           /* how long until it is put there */
    cola_bytes message_id;    /* by which a queue with a deduplication-window knows it again */
    const char *reply_to;     /* the queue that an answer is expected in */
    cola_bytes correlation_id;
    bool has_partition;       /* without it the key decides */
    uint32_t partition;       /* of a topic */
    bool no_value;            /* a record without a value; size is 0 */
} cola_properties;

/* Publishes and returns when the message is on the server's disk, or has been acknowledged. body holds any bytes, and
 * may be NULL if size is 0. properties: NULL is all zeros. COLA_UNROUTABLE: it leads nowhere. COLA_FULL: try again
 * later. COLA_TOO_LARGE: it was not sent, and the connection goes on. */
cola_code cola_publish(cola_connection *connection, const char *routing_key, const void *body, size_t size,
                       const cola_properties *properties);

/* Publishes up to 10,000 messages in one transaction: after a crash all of them are there, or none. Of the properties
 * exchange, may_be_dropped, priority, ttl, delay and partition may be given, for all. */
cola_code cola_publish_many(cola_connection *connection, const char *routing_key, const cola_bytes *bodies,
                            size_t count, const cola_properties *properties);

/* Publishes without waiting for the answer, but where the window is full. Messages travel together: call cola_flush
 * where one must leave and nothing follows. number (or NULL): 0, 1, 2 … */
cola_code cola_publish_later(cola_connection *connection, const char *routing_key, const void *body, size_t size,
                             const cola_properties *properties, uint64_t *number);

/* Waits until all of these are answered. The first that was refused since the last time is the error; all were told to
 * `refused` of the options. COLA_NO_ANSWER: nothing was answered for a timeout. */
cola_code cola_flush(cola_connection *connection);

/* Of cola_publish_later. Answers come in order: the messages with numbers from `answered` on are in doubt when the
 * connection is lost, and no others. */
typedef struct cola_confirms {
    uint64_t sent;
    uint64_t answered;   /* confirmed and refused */
    uint64_t refused;
    uint64_t duplicates; /* of the confirmed: their message_id was there before */
} cola_confirms;

/* Also of a connection that is lost. */
cola_confirms cola_published(const cola_connection *connection);

/* Whether the cola_publish that was just made met its message_id in all places that it leads to. */
bool cola_was_duplicate(const cola_connection *connection);

/* --- Messages --- */

/* One block of memory with all that it points to; freed with cola_message_free. */
typedef struct cola_message {
    struct cola_message *next; /* of cola_peek; else NULL */
    cola_bytes body;
    bool no_value;
    cola_bytes key;
    const cola_pair *headers; /* in their order; a name may repeat */
    size_t header_count;
    cola_bytes message_id; /* these three are headers as well, cola-message-id and so on */
    cola_bytes reply_to;
    cola_bytes correlation_id;
    uint64_t delivery;  /* 0: there is nothing to acknowledge */
    uint64_t offset;    /* its place in the queue or partition */
    uint64_t partition;
    uint64_t timestamp; /* when the server took it in: since 1970, UTC; 0: unknown */
    bool redelivered;   /* it may have been handed out before */
    uint64_t failures;  /* so many deliveries of it ended without an acknowledgement */
    uint64_t session;   /* the library's own */
} cola_message;

/* Frees a message and those that hang on its next; NULL is nothing. It settles nothing. */
void cola_message_free(cola_message *message);

/* The value of the first header of the name; data == NULL: there is none. Good as long as the message. */
cola_bytes cola_message_header(const cola_message *message, const char *name);

/* --- Consuming --- */

typedef struct cola_consume_options {
    const char *from;           /* of a topic: "first", "last", "next", "42", "@MILLISECONDS" */
    const char *group;          /* of a topic: go on from where this group has committed */
    const char *join;           /* "range", "roundrobin", "sticky": as one of the members of the group */
    const uint32_t *partitions; /* of a topic: these alone */
    size_t partition_count;
    unsigned prefetch;          /* messages at a time that are not settled; 0: what the server takes, 100 */
    bool has_credit;            /* in the place of prefetch: so many, and more with cola_credit */
    uint32_t credit;
    bool auto_ack;              /* each counts as acknowledged when it is sent */
    uint32_t priority;
    bool exclusive;             /* nobody else may consume the queue */
    bool has_timeout;
    uint64_t timeout;           /* how long a message may be held; 0: for any time */
} cola_consume_options;

/* Begins to consume a queue, or to read a topic. options: NULL is all zeros. The consumer ends with cola_cancel or with
 * its connection. */
cola_code cola_consume(cola_connection *connection, const char *name, const cola_consume_options *options,
                       cola_consumer **consumer);

/* The next message, to be settled (cola_ack, …) and freed by the caller. With COLA_OK *message is NULL where the time
 * was up, or a signal handler ran: look around and call again. Errors may be the consumer's own: COLA_CANCELLED, the
 * queue was deleted; COLA_DAMAGED, a message was put aside, and the consumer goes on. */
cola_code cola_receive(cola_consumer *consumer, int timeout, cola_message **message);

/* Acknowledge: delete it. These write and do not wait; cola_ping waits, and any other answer stands for them as well.
 * The message is still to be freed. One with nothing to acknowledge is COLA_OK. */
cola_code cola_ack(cola_connection *connection, const cola_message *message);

/* Acknowledges all of these deliveries that the connection holds, whichever consumer they came for, in one line. */
cola_code cola_ack_range(cola_connection *connection, uint64_t first, uint64_t last);

/* Back to the queue, for another attempt: as its `retry` says (COLA_AS_THE_QUEUE_SAYS, which without a `retry` is at
 * once), at once and to its place (0), or when so many milliseconds have passed. */
enum { COLA_AS_THE_QUEUE_SAYS = -1 };
cola_code cola_nack(cola_connection *connection, const cola_message *message, int64_t delay);

/* Never again: a dead letter, if its queue says where those go. */
cola_code cola_reject(cola_connection *connection, const cola_message *message);

/* An attempt failed, and the message is to tell how (header cola-attempt). */
typedef struct cola_failure {
    bool bury;             /* a dead letter at once; else another attempt */
    bool has_delay;
    uint64_t delay;        /* until the next attempt */
    unsigned attempts;     /* not more often than that in all; 0: any number */
    bool unless_the_queue; /* a `retry` of the queue goes before delay and attempts */
    const char *detail;    /* why, for people; with output at most 8,192 bytes */
    const char *output;    /* the last lines that were written */
} cola_failure;

cola_code cola_fail(cola_connection *connection, const cola_message *message, const cola_failure *failure);

/* So many messages more, for a consumer with credit. */
cola_code cola_credit(cola_consumer *consumer, uint32_t messages);

/* Ends and frees the consumer, whatever is returned; NULL is nothing. Messages that are here and were not handed out go
 * back, but with auto_ack, where they are gone. Those that were handed out can still be settled. */
cola_code cola_cancel(cola_consumer *consumer);

/* One message now; *message is NULL with COLA_OK if there is none. manual_ack: it is to be settled; else it counts as
 * acknowledged. Freed by the caller. After COLA_NO_ANSWER one may have been taken: it is held until the connection
 * ends, or is gone without manual_ack. */
cola_code cola_get(cola_connection *connection, const char *queue, bool manual_ack, cola_message **message);

typedef struct cola_peek_options {
    uint64_t from;     /* an offset */
    unsigned count;    /* 1 to 1,000; 0: 1 */
    uint32_t partition;
    bool has_priority;
    unsigned priority; /* of which from is an offset; without it the whole queue, from its beginning */
} cola_peek_options;

/* Messages as they stand there, without taking them, as a list by `next`, freed with cola_message_free. */
cola_code cola_peek(cola_connection *connection, const char *name, const cola_peek_options *options,
                    cola_message **messages);

/* --- Topics --- */

/* Where the group will read next in this partition: the offset behind the last record that is done with. */
cola_code cola_commit(cola_connection *connection, const char *topic, const char *group, uint64_t offset,
                      uint32_t partition);

/* The consumer reads on from there, in one partition or, with -1, in all. position as `from` of the options. What had
 * come before is still handed out. */
cola_code cola_seek(cola_consumer *consumer, const char *position, int32_t partition);

typedef struct cola_place {
    uint64_t partition;
    uint64_t offset;
} cola_place;

/* Of a member of a group: what it reads now, and from where. places is good until the next call. */
typedef struct cola_assignment {
    uint64_t generation; /* 0: nothing was assigned yet */
    const cola_place *places;
    size_t count;
} cola_assignment;

cola_assignment cola_assigned(const cola_consumer *consumer);

/* --- Everything else --- */

/* One block of memory; freed with cola_answer_free. */
typedef struct cola_answer {
    const cola_pair *options;
    size_t option_count;
    cola_bytes body; /* JSON of list, describe, stat and why; data == NULL: none */
} cola_answer;

void cola_answer_free(cola_answer *answer);

/* The value of an option; data == NULL: there is none. Good as long as the answer. */
cola_bytes cola_answer_option(const cola_answer *answer, const char *name);

/* Any request of protocol/native.md that has no body and begins no deliveries: "policy", "redrive", "why", "alter", …
 * Words and options are written as they are given, escaped; the tag is the library's affair. answer may be NULL. */
cola_code cola_request(cola_connection *connection, const char *verb, const cola_bytes *words, size_t word_count,
                       const cola_pair *options, size_t option_count, cola_answer **answer);

/* Three of them. of: "queues", "consumers", "connections", …; kind: "queue", "topic", "exchange", … */
cola_code cola_stat(cola_connection *connection, cola_answer **answer);
cola_code cola_list(cola_connection *connection, const char *of, cola_answer **answer);
cola_code cola_describe(cola_connection *connection, const char *kind, const char *name, cola_answer **answer);

#ifdef __cplusplus
}
#endif

#endif

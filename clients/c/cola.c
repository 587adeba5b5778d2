/* cola.c: see cola.h for what it offers, and protocol/native.md for what it speaks.
 *
 * From the top: errors, the bytes of requests, the bytes of answers, messages, dispatch (what came goes to whom it
 * belongs), input and output, calls, connecting, and the verbs one after the other.
 *
 * Answers come in the order of the requests, so what waits for them is a queue of runs of tags. All waiting is one
 * function, wait_once: it writes what it can, reads what is there, and never does one without the other, so that two
 * ends that are both busy writing cannot block each other.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#if defined(__APPLE__) && !defined(_DARWIN_C_SOURCE)
#define _DARWIN_C_SOURCE
#endif

#include "cola.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#ifndef MSG_NOSIGNAL /* there SO_NOSIGPIPE does it */
#define MSG_NOSIGNAL 0
#endif

#if defined(__GNUC__)
#define FORMATTED(string, first) __attribute__((__format__(__printf__, string, first)))
#else
#define FORMATTED(string, first)
#endif

#define DEFAULT_URL "unix://./cola-data/cola.sock"
#define DEFAULT_PORT "7672"

enum {
    DEFAULT_TIMEOUT = 30000,
    DEFAULT_WINDOW = 1000,
    READ_ROOM = 65536,     /* free at least before each read */
    WRITE_TOGETHER = 65536, /* messages of cola_publish_later gather up to here */
    WRITE_BEHIND = 1048576, /* nothing more is taken while so much could not be written */
    BUFFER_KEPT = 1048576,  /* a larger buffer is given back when it is empty */
    LINE_MAX_FROM_SERVER = 1048576,
    BODY_MAX_FROM_SERVER = 1073741824,
    TOKEN_SIZE = 64,
    PUBLISH_MANY_MAX = 10000
};

static const int64_t FOREVER = INT64_MAX;

/* --- Errors --- */

/* In the order of cola_code. */
static const char *const code_names[] = {
    "ok", "syntax", "unknown_command", "line_too_long", "body_end", "too_large", "unsupported_version",
    "unsupported_feature", "unauthenticated", "access_refused", "not_found", "mismatch", "unroutable", "in_use",
    "locked", "full", "unknown_delivery", "limit", "cancelled", "overloaded", "storage", "busy", "configuration",
    "timeout", "shutting_down", "damaged", "other", "invalid_argument", "no_memory", "unreachable", "no_answer",
    "stale_delivery", "protocol", "connection_lost",
};
_Static_assert(sizeof code_names / sizeof *code_names == COLA_CODE_COUNT, "each code has a name");

const char *cola_code_name(cola_code code) {
    size_t index = (size_t)code;
    return code_names[index < COLA_CODE_COUNT ? index : (size_t)COLA_OTHER];
}

static cola_code code_named(const char *name, size_t size) {
    for (size_t code = COLA_SYNTAX; code < COLA_OTHER; code++) {
        if (strlen(code_names[code]) == size && memcmp(code_names[code], name, size) == 0) return (cola_code)code;
    }
    return COLA_OTHER;
}

/* Copies as much as fits, not ending within a character of UTF-8. */
static void copy_text(char *to, size_t room, const char *text, size_t size) {
    if (size >= room) {
        size = room - 1;
        while (size > 0 && ((unsigned char)text[size] & 0xC0) == 0x80) size--;
    }
    memcpy(to, text, size);
    to[size] = '\0';
}

FORMATTED(4, 0)
static void set_error_v(cola_error *error, cola_code code, bool retry, const char *format, va_list arguments) {
    char sentence[2 * COLA_SENTENCE_SIZE];
    int length = vsnprintf(sentence, sizeof sentence, format, arguments);
    if (length < 0) length = 0;
    size_t size = (size_t)length < sizeof sentence ? (size_t)length : sizeof sentence - 1;
    error->code = code;
    error->retry = retry;
    snprintf(error->name, sizeof error->name, "%s", cola_code_name(code));
    copy_text(error->sentence, sizeof error->sentence, sentence, size);
}

FORMATTED(4, 5)
static void set_error(cola_error *error, cola_code code, bool retry, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    set_error_v(error, code, retry, format, arguments);
    va_end(arguments);
}

static void no_memory(cola_error *error) {
    set_error(error, COLA_NO_MEMORY, true, "there is no memory for the request; nothing was sent");
}

/* --- The state of a connection --- */

struct buffer {
    char *data;
    size_t size, capacity;
};

/* What came and is not taken in yet: the bytes from start to end. */
struct input {
    char *data;
    size_t capacity, start, end;
    size_t searched; /* no LF stands between start and here */
};

/* Whom an answer belongs to. */
enum owner { PUBLISHED, CALLED, IGNORED };

/* Requests with the tags first to last, that wait for their answers. */
struct run {
    uint64_t first, last;
    enum owner owner;
};

/* The one request that is waited for, and what it gets. */
struct call {
    enum { TAKES_ANSWER, TAKES_MESSAGE, TAKES_MESSAGES } takes;
    bool done;
    cola_error error;
    cola_answer *answer;
    cola_message *messages, **tail;
};

struct cola_consumer {
    cola_connection *connection;
    struct cola_consumer *next;
    uint32_t number;
    bool reads_topic;
    bool ended; /* the server has it no more */
    bool freed; /* the program has it no more; its late messages are dropped */
    cola_message *messages, **tail;
    cola_error problem; /* code is COLA_OK: none */
    uint64_t generation;
    cola_place *places;
    size_t place_count;
};

struct cola_connection {
    int descriptor; /* -1: lost */
    uint64_t session;
    char *shown; /* the URL without its password */
    int timeout;
    uint64_t line_max, body_max;
    int64_t heartbeat; /* milliseconds; 0: none */
    int64_t last_received, last_sent, last_look;
    struct input input;
    struct buffer output;
    size_t written;        /* of the output */
    size_t request_start;  /* where the request that is being made begins in the output */
    cola_code request_problem;
    bool line_ended;
    const char *request_missing;
    struct run *runs; /* run_count of them from run_first on */
    size_t run_first, run_count, run_capacity;
    uint64_t next_tag;
    struct call *call;
    cola_consumer *consumers;
    uint32_t last_consumer;
    uint64_t window;
    cola_refused *refused;
    void *context;
    cola_confirms confirms;
    bool was_duplicate; /* what the last call published */
    bool is_blocked;
    char blocked[COLA_SENTENCE_SIZE];
    cola_error refusal;     /* the first since it was told */
    cola_error ack_problem; /* the same, of what is answered only if it fails */
    cola_error bye;
    cola_error lost;
    cola_error error; /* of the last call */
};

FORMATTED(4, 5)
static cola_code fail(cola_connection *c, cola_code code, bool retry, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    set_error_v(&c->error, code, retry, format, arguments);
    va_end(arguments);
    return code;
}

static cola_code fail_lost(cola_connection *c) {
    c->error = c->lost;
    return c->error.code;
}

static cola_code invalid(cola_connection *c, const char *what) {
    return fail(c, COLA_INVALID_ARGUMENT, false, "%s", what);
}

/* The end of the connection, unless it has ended before. */
FORMATTED(3, 4)
static void lose(cola_connection *c, cola_code code, const char *format, ...) {
    if (c->descriptor < 0) return;
    close(c->descriptor);
    c->descriptor = -1;
    va_list arguments;
    va_start(arguments, format);
    set_error_v(&c->lost, code, code == COLA_CONNECTION_LOST || code == COLA_NO_MEMORY, format, arguments);
    va_end(arguments);
}

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t deadline_of(int timeout) {
    return timeout < 0 ? FOREVER : now_ms() + timeout;
}

/* --- The bytes of requests --- */

static bool reserve(struct buffer *buffer, size_t more) {
    if (more <= buffer->capacity - buffer->size) return true;
    if (more > SIZE_MAX / 4 || buffer->size > SIZE_MAX / 4) return false;
    size_t capacity = buffer->capacity < 4096 ? 4096 : buffer->capacity;
    while (capacity - buffer->size < more) capacity *= 2;
    char *data = realloc(buffer->data, capacity);
    if (data == NULL) return false;
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

/* A request is added to the output piece by piece; what goes wrong on the way is kept until submit() asks for it. */
static void add(cola_connection *c, const char *data, size_t size) {
    if (c->request_problem != COLA_OK || size == 0) return;
    if (!reserve(&c->output, size)) {
        c->request_problem = COLA_NO_MEMORY;
        return;
    }
    memcpy(c->output.data + c->output.size, data, size);
    c->output.size += size;
}

static void add_text(cola_connection *c, const char *text) {
    add(c, text, strlen(text));
}

static void add_number(cola_connection *c, uint64_t number) {
    char digits[24];
    int size = snprintf(digits, sizeof digits, "%" PRIu64, number);
    add(c, digits, (size_t)size);
}

static bool needs_escape(unsigned char byte, bool in_name) {
    return byte <= 0x20 || byte == '%' || byte == 0x7F || (in_name && byte == '=');
}

static void add_escaped(cola_connection *c, cola_bytes text, bool in_name) {
    static const char hex[] = "0123456789ABCDEF";
    size_t plain = 0;
    for (size_t at = 0; at < text.size; at++) {
        unsigned char byte = (unsigned char)text.data[at];
        if (!needs_escape(byte, in_name)) continue;
        const char escape[3] = {'%', hex[byte >> 4], hex[byte & 15]};
        add(c, text.data + plain, at - plain);
        add(c, escape, sizeof escape);
        plain = at + 1;
    }
    if (text.size > plain) add(c, text.data + plain, text.size - plain);
}

static void add_word(cola_connection *c, cola_bytes word) {
    add_text(c, " ");
    if (word.size == 0) add_text(c, "%");
    add_escaped(c, word, false);
}

/* A name, which has at least one byte; `what` it is of, for the error. */
static void add_name(cola_connection *c, const char *name, const char *what) {
    if (name == NULL || *name == '\0') {
        if (c->request_problem != COLA_OK) return;
        c->request_problem = COLA_INVALID_ARGUMENT;
        c->request_missing = what;
        return;
    }
    add_word(c, cola_text(name));
}

static void add_word_number(cola_connection *c, uint64_t number) {
    add_text(c, " ");
    add_number(c, number);
}

static void add_range(cola_connection *c, uint64_t first, uint64_t last) {
    add_word_number(c, first);
    if (last == first) return;
    add_text(c, "-");
    add_number(c, last);
}

static void add_tag(cola_connection *c) {
    add_text(c, " t=");
    add_number(c, c->next_tag);
}

static void add_option_number(cola_connection *c, const char *name, uint64_t number) {
    add_text(c, " ");
    add_text(c, name);
    add_text(c, "=");
    add_number(c, number);
}

static void add_option_bytes(cola_connection *c, const char *name, cola_bytes value) {
    if (value.data == NULL) return;
    add_text(c, " ");
    add_text(c, name);
    add_text(c, "=");
    add_escaped(c, value, false);
}

static void add_option(cola_connection *c, const char *name, const char *value) {
    add_option_bytes(c, name, cola_text(value));
}

static void add_pairs(cola_connection *c, const char *prefix, const cola_pair *pairs, size_t count) {
    for (size_t at = 0; at < count; at++) {
        add_text(c, " ");
        add_text(c, prefix);
        add_escaped(c, pairs[at].name, true);
        add_text(c, "=");
        add_escaped(c, pairs[at].value, false);
    }
}

/* Makes room for one more run, so that a request that was written is always known. */
static bool reserve_run(cola_connection *c) {
    if (c->run_first + c->run_count < c->run_capacity) return true;
    if (c->run_first > 0) {
        memmove(c->runs, c->runs + c->run_first, c->run_count * sizeof *c->runs);
        c->run_first = 0;
        return true;
    }
    size_t capacity = c->run_capacity == 0 ? 16 : 2 * c->run_capacity;
    if (capacity > SIZE_MAX / sizeof *c->runs) return false;
    struct run *runs = realloc(c->runs, capacity * sizeof *runs);
    if (runs == NULL) return false;
    c->runs = runs;
    c->run_capacity = capacity;
    return true;
}

/* Begins a request. Its words, tag and options follow, with a body end_line() and the body; then submit() or say(). */
static void begin(cola_connection *c, const char *verb) {
    c->request_start = c->output.size;
    c->line_ended = false;
    c->request_problem = c->descriptor < 0 ? COLA_CONNECTION_LOST : reserve_run(c) ? COLA_OK : COLA_NO_MEMORY;
    add_text(c, verb);
}

static void end_line(cola_connection *c) {
    add_text(c, "\n");
    c->line_ended = true;
    if (c->request_problem == COLA_OK && c->output.size - c->request_start > c->line_max) {
        c->request_problem = COLA_LINE_TOO_LONG;
    }
}

/* What was begun stays in the output, to be written with what follows; or all of it is taken back. */
static cola_code say(cola_connection *c) {
    if (!c->line_ended) end_line(c);
    if (c->request_problem == COLA_OK) return COLA_OK;
    c->output.size = c->request_start;
    switch (c->request_problem) {
    case COLA_CONNECTION_LOST: return fail_lost(c);
    case COLA_INVALID_ARGUMENT:
        return fail(c, COLA_INVALID_ARGUMENT, false, "the name of the %s is missing; nothing was sent",
                    c->request_missing);
    case COLA_LINE_TOO_LONG:
        return fail(c, COLA_LINE_TOO_LONG, false,
                    "names and headers have more than the %" PRIu64 " bytes that the server takes; nothing was sent",
                    c->line_max);
    default:
        no_memory(&c->error);
        return COLA_NO_MEMORY;
    }
}

/* The same for a request with a tag: from here on it waits for its answer. */
static cola_code submit(cola_connection *c, enum owner owner) {
    cola_code code = say(c);
    if (code != COLA_OK) return code;
    uint64_t tag = c->next_tag++;
    struct run *last = c->run_count > 0 ? &c->runs[c->run_first + c->run_count - 1] : NULL;
    if (last != NULL && last->owner == owner && owner != CALLED) {
        last->last = tag;
    } else {
        c->runs[c->run_first + c->run_count++] = (struct run){tag, tag, owner};
    }
    return COLA_OK;
}

/* --- The bytes of answers --- */

enum kind { OK, ERR, MSG, ASSIGNED, BYE, BLOCKED, UNBLOCKED, BEAT };

/* One line, with its body. The bytes are those of the input: good until the next is read. */
struct frame {
    enum kind kind;
    bool has_tag, has_consumer, retry;
    uint64_t tag, tag_last;
    uint64_t consumer, delivery, offset;
    cola_bytes code, sentence;
    cola_bytes options; /* each with the space before it, still escaped */
    bool has_body;
    uint64_t body_size;
    cola_bytes body; /* data == NULL: none, or not there yet */
};

/* A part of a line: reading takes bytes off its beginning. */
struct text {
    const char *at, *end;
};

static bool take_literal(struct text *text, const char *literal) {
    size_t size = strlen(literal);
    if ((size_t)(text->end - text->at) < size || memcmp(text->at, literal, size) != 0) return false;
    text->at += size;
    return true;
}

/* Digits, at most 2^63 - 1, with no zero before others. */
static bool take_number(struct text *text, uint64_t *number) {
    const char *first = text->at;
    uint64_t value = 0;
    while (text->at < text->end && *text->at >= '0' && *text->at <= '9') {
        uint64_t digit = (uint64_t)(*text->at - '0');
        if (value > ((uint64_t)INT64_MAX - digit) / 10) return false;
        value = value * 10 + digit;
        text->at++;
    }
    if (text->at == first || (*first == '0' && text->at - first > 1)) return false;
    *number = value;
    return true;
}

static bool number_of(cola_bytes text, uint64_t *number) {
    if (text.data == NULL) return false;
    struct text rest = {text.data, text.data + text.size};
    return take_number(&rest, number) && rest.at == rest.end;
}

/* Up to the next space or the end. */
static cola_bytes take_word(struct text *text) {
    const char *first = text->at;
    const char *space = text->at == text->end ? NULL : memchr(first, ' ', (size_t)(text->end - first));
    text->at = space == NULL ? text->end : space;
    return (cola_bytes){first, (size_t)(text->at - first)};
}

static cola_bytes rest_of(struct text text) {
    return (cola_bytes){text.at, (size_t)(text.end - text.at)};
}

/* "CODE SENTENCE", or for err "CODE retry|final SENTENCE". */
static bool read_reason(struct text text, struct frame *frame) {
    frame->code = take_word(&text);
    if (frame->code.size == 0) return false;
    if (frame->kind == ERR) {
        frame->retry = take_literal(&text, " retry");
        if (!frame->retry && !take_literal(&text, " final")) return false;
    }
    if (text.at < text.end && !take_literal(&text, " ")) return false;
    frame->sentence = rest_of(text);
    return true;
}

/* A body follows the line of an ok if one of its options is its size. */
static bool read_body_size(struct text options, struct frame *frame) {
    while (take_literal(&options, " ")) {
        cola_bytes option = take_word(&options);
        if (option.size < 5 || memcmp(option.data, "size=", 5) != 0) continue;
        frame->has_body = true;
        return number_of((cola_bytes){option.data + 5, option.size - 5}, &frame->body_size);
    }
    return true;
}

/* All of a line but its options, which are found and not read. False: it is not the protocol. */
static bool read_line(struct text text, struct frame *frame) {
    *frame = (struct frame){.kind = BEAT};
    if (take_literal(&text, "msg ")) {
        frame->kind = MSG;
        frame->has_body = true;
        if (!take_number(&text, &frame->consumer) || !take_literal(&text, " ") ||
            !take_number(&text, &frame->delivery) || !take_literal(&text, " ") ||
            !take_number(&text, &frame->offset) || !take_literal(&text, " ") ||
            !take_number(&text, &frame->body_size)) {
            return false;
        }
        frame->options = rest_of(text);
        return text.at == text.end || *text.at == ' ';
    }
    if (take_literal(&text, "ok")) {
        frame->kind = OK;
        if (take_literal(&text, " t=")) {
            frame->has_tag = true;
            if (!take_number(&text, &frame->tag)) return false;
            frame->tag_last = frame->tag;
            if (take_literal(&text, "-") && (!take_number(&text, &frame->tag_last) || frame->tag_last < frame->tag)) {
                return false;
            }
        }
        frame->options = rest_of(text);
        return (text.at == text.end || *text.at == ' ') && read_body_size(text, frame);
    }
    if (take_literal(&text, "err ")) {
        frame->kind = ERR;
        if (take_literal(&text, "t=")) {
            frame->has_tag = true;
            if (!take_number(&text, &frame->tag) || !take_literal(&text, " ")) return false;
        } else if (take_literal(&text, "c=")) {
            frame->has_consumer = true;
            if (!take_number(&text, &frame->consumer) || !take_literal(&text, " ")) return false;
        }
        return read_reason(text, frame);
    }
    if (take_literal(&text, "assigned ")) {
        frame->kind = ASSIGNED;
        text.at--;
        frame->options = rest_of(text);
        return true;
    }
    if (take_literal(&text, "bye ")) {
        frame->kind = BYE;
        return read_reason(text, frame);
    }
    if (take_literal(&text, "blocked ")) {
        frame->kind = BLOCKED;
        frame->sentence = rest_of(text);
        return true;
    }
    if (take_literal(&text, "unblocked")) {
        frame->kind = UNBLOCKED;
        return text.at == text.end;
    }
    return take_literal(&text, "beat") && text.at == text.end;
}

enum found { FRAME, NOT_YET, BROKEN };

/* The next frame that is there as a whole. *problem, where it is BROKEN, is what is wrong with it. */
static enum found next_frame(struct input *input, struct frame *frame, const char **problem) {
    for (;;) {
        char *start = input->data + input->start;
        size_t waiting = input->end - input->start;
        size_t searched = input->searched - input->start;
        char *lf = waiting > searched ? memchr(start + searched, '\n', waiting - searched) : NULL;
        *problem = "a line without an end";
        if ((lf == NULL ? waiting : (size_t)(lf - start)) > LINE_MAX_FROM_SERVER) return BROKEN;
        if (lf == NULL) {
            input->searched = input->end;
            return NOT_YET;
        }
        /* The LF is looked for once; where it is found again, the body was not complete. */
        input->searched = input->start + (size_t)(lf - start);
        struct text line = {start, lf > start && lf[-1] == '\r' ? lf - 1 : lf};
        size_t used = (size_t)(lf - start) + 1;
        if (line.at == line.end) {
            input->start = input->searched = input->start + used;
            continue;
        }
        *problem = "a line that this client cannot read";
        if (!read_line(line, frame) || frame->body_size > BODY_MAX_FROM_SERVER) return BROKEN;
        if (frame->has_body) {
            size_t size = (size_t)frame->body_size;
            if (waiting - used <= size) return NOT_YET;
            *problem = "a body that does not end where it should";
            if (start[used + size] != '\n') return BROKEN;
            frame->body = (cola_bytes){start + used, size};
            used += size + 1;
        }
        input->start = input->searched = input->start + used;
        return FRAME;
    }
}

static int hex_value(char digit) {
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
    if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
    return -1;
}

/* In place, with a NUL behind it, for which the caller has left room. */
static bool unescape(char *text, size_t *size) {
    size_t to = 0;
    for (size_t at = 0; at < *size; at++) {
        char byte = text[at];
        if (byte == '%') {
            int high = *size - at > 2 ? hex_value(text[at + 1]) : -1;
            int low = high < 0 ? -1 : hex_value(text[at + 2]);
            if (low < 0) return false;
            byte = (char)(unsigned char)(high * 16 + low);
            at += 2;
        }
        text[to++] = byte;
    }
    text[to] = '\0';
    *size = to;
    return true;
}

/* Options out of a copy of them that may be written to: " NAME=VALUE NAME=VALUE" and one byte behind. */
struct options {
    char *at, *end;
};

enum option { OPTION, NO_MORE, BAD_OPTION };

static enum option next_option(struct options *options, cola_pair *option) {
    if (options->at >= options->end) return NO_MORE;
    char *name = options->at + 1; /* behind the space, or the NUL that stands in its place */
    if (name >= options->end) return BAD_OPTION;
    char *stop = memchr(name, ' ', (size_t)(options->end - name));
    if (stop == NULL) stop = options->end;
    char *equals = memchr(name, '=', (size_t)(stop - name));
    if (equals == NULL || equals == name) return BAD_OPTION;
    size_t name_size = (size_t)(equals - name), value_size = (size_t)(stop - equals - 1);
    if (!unescape(name, &name_size) || !unescape(equals + 1, &value_size)) return BAD_OPTION;
    *option = (cola_pair){{name, name_size}, {equals + 1, value_size}};
    options->at = stop;
    return OPTION;
}

static size_t count_spaces(cola_bytes text) {
    size_t count = 0;
    for (size_t at = 0; at < text.size; at++) count += text.data[at] == ' ';
    return count;
}

static bool is_named(cola_bytes name, const char *expected) {
    return name.size == strlen(expected) && memcmp(name.data, expected, name.size) == 0;
}

/* --- Messages and answers: one block each --- */

enum made { MADE, MADE_BROKEN, MADE_NO_MEMORY };

/* Pairs, options and body stand behind the head of the block in this order; sizes are those of lines and bodies that
 * were received, far below what a size_t holds. */
_Static_assert(sizeof(cola_message) % _Alignof(cola_pair) == 0, "pairs follow a message");
_Static_assert(sizeof(cola_answer) % _Alignof(cola_pair) == 0, "pairs follow an answer");
_Static_assert(SIZE_MAX / 2 > BODY_MAX_FROM_SERVER, "a body has a size");

static void *make_block(const struct frame *frame, size_t head, cola_pair **pairs, struct options *options,
                        cola_bytes *body) {
    size_t count = count_spaces(frame->options);
    size_t before_text = head + count * sizeof(cola_pair);
    char *block = malloc(before_text + frame->options.size + 1 + frame->body.size + 1);
    if (block == NULL) return NULL;
    memset(block, 0, head);
    *pairs = (cola_pair *)(void *)(block + head);
    char *text = block + before_text;
    if (frame->options.size > 0) memcpy(text, frame->options.data, frame->options.size);
    *options = (struct options){text, text + frame->options.size};
    char *data = text + frame->options.size + 1;
    if (frame->body.size > 0) memcpy(data, frame->body.data, frame->body.size);
    data[frame->body.size] = '\0';
    *body = frame->body.data == NULL ? (cola_bytes){NULL, 0} : (cola_bytes){data, frame->body.size};
    return block;
}

/* Options that this client does not know are those of a later server. */
static bool set_member(cola_message *message, cola_bytes name, cola_bytes value) {
    if (is_named(name, "key")) {
        message->key = value;
    } else if (is_named(name, "ts")) {
        return number_of(value, &message->timestamp);
    } else if (is_named(name, "r")) {
        message->redelivered = true;
        return number_of(value, &message->failures);
    } else if (is_named(name, "p")) {
        return number_of(value, &message->partition);
    } else if (is_named(name, "null")) {
        message->no_value = is_named(value, "yes");
    }
    return true;
}

/* Of a msg, or of the ok of a get, which has as options what is words there. */
static enum made make_message(const cola_connection *c, const struct frame *frame, cola_message **made) {
    cola_pair *headers, option;
    struct options options;
    cola_bytes body;
    cola_message *message = make_block(frame, sizeof *message, &headers, &options, &body);
    if (message == NULL) return MADE_NO_MEMORY;
    message->body = body;
    message->headers = headers;
    message->delivery = frame->delivery;
    message->offset = frame->offset;
    message->session = c->session;
    bool is_get = frame->kind == OK;
    enum option found;
    while ((found = next_option(&options, &option)) == OPTION) {
        bool good = true;
        if (option.name.size > 2 && memcmp(option.name.data, "h.", 2) == 0) {
            option.name.data += 2;
            option.name.size -= 2;
            headers[message->header_count++] = option;
            if (is_named(option.name, "cola-message-id")) message->message_id = option.value;
            if (is_named(option.name, "cola-reply-to")) message->reply_to = option.value;
            if (is_named(option.name, "cola-correlation-id")) message->correlation_id = option.value;
        } else if (is_get && is_named(option.name, "delivery")) {
            good = number_of(option.value, &message->delivery);
        } else if (is_get && is_named(option.name, "offset")) {
            good = number_of(option.value, &message->offset);
        } else {
            good = set_member(message, option.name, option.value);
        }
        if (!good) break;
    }
    if (found != NO_MORE) {
        free(message);
        return MADE_BROKEN;
    }
    *made = message;
    return MADE;
}

static enum made make_answer(const struct frame *frame, cola_answer **made) {
    cola_pair *pairs, option;
    struct options options;
    cola_bytes body;
    cola_answer *answer = make_block(frame, sizeof *answer, &pairs, &options, &body);
    if (answer == NULL) return MADE_NO_MEMORY;
    answer->options = pairs;
    answer->body = body;
    enum option found;
    while ((found = next_option(&options, &option)) == OPTION) pairs[answer->option_count++] = option;
    if (found != NO_MORE) {
        free(answer);
        return MADE_BROKEN;
    }
    *made = answer;
    return MADE;
}

void cola_message_free(cola_message *message) {
    while (message != NULL) {
        cola_message *next = message->next;
        free(message);
        message = next;
    }
}

void cola_answer_free(cola_answer *answer) {
    free(answer);
}

static cola_bytes find_pair(const cola_pair *pairs, size_t count, const char *name) {
    for (size_t at = 0; at < count; at++) {
        if (is_named(pairs[at].name, name)) return pairs[at].value;
    }
    return (cola_bytes){NULL, 0};
}

cola_bytes cola_message_header(const cola_message *message, const char *name) {
    return find_pair(message->headers, message->header_count, name);
}

cola_bytes cola_answer_option(const cola_answer *answer, const char *name) {
    return find_pair(answer->options, answer->option_count, name);
}

/* "PARTITION:OFFSET,PARTITION:OFFSET…", or nothing. */
static enum made read_places(cola_bytes list, cola_place **made, size_t *count) {
    *made = NULL;
    *count = 0;
    if (list.size == 0) return MADE;
    size_t most = 1;
    for (size_t at = 0; at < list.size; at++) most += list.data[at] == ',';
    cola_place *places = calloc(most, sizeof *places);
    if (places == NULL) return MADE_NO_MEMORY;
    struct text text = {list.data, list.data + list.size};
    do {
        cola_place *place = &places[*count];
        if (!take_number(&text, &place->partition) || !take_literal(&text, ":") ||
            !take_number(&text, &place->offset)) {
            free(places);
            return MADE_BROKEN;
        }
        ++*count;
    } while (take_literal(&text, ","));
    if (text.at != text.end) {
        free(places);
        return MADE_BROKEN;
    }
    *made = places;
    return MADE;
}

/* --- Dispatch: what came goes to whom it belongs --- */

static enum made broken(const char **problem, const char *what) {
    *problem = what;
    return MADE_BROKEN;
}

static void set_refusal(cola_error *error, const struct frame *frame) {
    cola_code code = code_named(frame->code.data, frame->code.size);
    bool retry = frame->kind == BYE ? code == COLA_BUSY || code == COLA_SHUTTING_DOWN : frame->retry;
    *error = (cola_error){.code = code, .retry = retry};
    copy_text(error->name, sizeof error->name, frame->code.data, frame->code.size);
    copy_text(error->sentence, sizeof error->sentence, frame->sentence.data, frame->sentence.size);
}

static cola_consumer *consumer_numbered(cola_connection *c, uint64_t number) {
    for (cola_consumer *consumer = c->consumers; consumer != NULL; consumer = consumer->next) {
        if (consumer->number == number) return consumer;
    }
    return NULL;
}

static struct run *oldest_run(cola_connection *c) {
    return c->run_count == 0 ? NULL : &c->runs[c->run_first];
}

/* The tags up to this one, which is in the oldest run, are answered. */
static void run_answered(cola_connection *c, uint64_t last) {
    struct run *run = oldest_run(c);
    run->first = last + 1;
    if (run->first <= run->last) return;
    c->run_first++;
    c->run_count--;
    if (c->run_count == 0) c->run_first = 0;
}

static enum made dispatch_ok(cola_connection *c, const struct frame *frame, const char **problem) {
    if (!frame->has_tag) return broken(problem, "an answer without a tag");
    if (frame->tag != frame->tag_last && frame->options.size > 0) return broken(problem, "merged answers with options");
    struct run *run = oldest_run(c);
    /* The runs are without gaps, from the oldest tag to the one before the next. */
    if (run == NULL || run->first != frame->tag || frame->tag_last >= c->next_tag) {
        return broken(problem, "an answer that nobody waits for");
    }
    cola_answer *answer = NULL;
    bool has_message = run->owner == CALLED && c->call->takes == TAKES_MESSAGE && frame->body.data != NULL;
    if (has_message) {
        enum made made = make_message(c, frame, &c->call->messages);
        if (made != MADE) return made;
    } else if (frame->options.size > 0) {
        enum made made = make_answer(frame, &answer);
        if (made != MADE) return made;
    }
    bool duplicate = answer != NULL && is_named(cola_answer_option(answer, "duplicate"), "yes");
    for (uint64_t tag = frame->tag; tag <= frame->tag_last;) {
        run = oldest_run(c);
        uint64_t upto = run->last < frame->tag_last ? run->last : frame->tag_last;
        if (run->owner == PUBLISHED) {
            c->confirms.answered += upto - tag + 1;
            c->confirms.duplicates += duplicate;
        } else if (run->owner == CALLED) {
            c->call->done = true;
            c->call->answer = answer;
            answer = NULL;
        }
        run_answered(c, upto);
        tag = upto + 1;
    }
    cola_answer_free(answer);
    return MADE;
}

static enum made dispatch_err(cola_connection *c, const struct frame *frame, const char **problem) {
    cola_error error;
    set_refusal(&error, frame);
    if (frame->has_consumer) {
        cola_consumer *consumer = consumer_numbered(c, frame->consumer);
        if (consumer == NULL || consumer->ended) return MADE;
        consumer->problem = error;
        consumer->ended = error.code != COLA_DAMAGED;
        return MADE;
    }
    struct run *run = oldest_run(c);
    /* Of a verb that the server does not know it does not read the tag either; those without a tag are all known. */
    bool is_unknown = !frame->has_tag && error.code == COLA_UNKNOWN_COMMAND && run != NULL;
    if (!frame->has_tag && !is_unknown) {
        if (c->ack_problem.code == COLA_OK) c->ack_problem = error;
        return MADE;
    }
    if (run == NULL || (run->first != frame->tag && !is_unknown)) {
        return broken(problem, "an error that answers nothing");
    }
    enum owner owner = run->owner;
    run_answered(c, run->first);
    if (owner == CALLED) {
        c->call->done = true;
        c->call->error = error;
    } else if (owner == PUBLISHED) {
        uint64_t number = c->confirms.answered++;
        c->confirms.refused++;
        if (c->refusal.code == COLA_OK) c->refusal = error;
        if (c->refused != NULL) c->refused(c->context, number, &error);
    }
    return MADE;
}

static enum made dispatch_msg(cola_connection *c, const struct frame *frame, const char **problem) {
    cola_message *message;
    enum made made = make_message(c, frame, &message);
    if (made != MADE) return made;
    cola_message ***tail = NULL;
    bool is_wanted = true;
    if (frame->consumer == 0) {
        struct run *run = oldest_run(c);
        is_wanted = run != NULL && run->owner == CALLED && c->call->takes == TAKES_MESSAGES;
        if (is_wanted) tail = &c->call->tail;
        is_wanted = is_wanted || (run != NULL && run->owner == IGNORED);
    } else {
        cola_consumer *consumer = consumer_numbered(c, frame->consumer);
        is_wanted = consumer != NULL;
        if (is_wanted && !consumer->freed) tail = &consumer->tail;
    }
    if (tail == NULL) {
        cola_message_free(message);
        return is_wanted ? MADE : broken(problem, "a message for a consumer that is not there");
    }
    **tail = message;
    *tail = &message->next;
    return MADE;
}

static enum made dispatch_assigned(cola_connection *c, const struct frame *frame, const char **problem) {
    cola_answer *options;
    enum made made = make_answer(frame, &options);
    if (made != MADE) return made;
    cola_bytes list = cola_answer_option(options, "partitions");
    uint64_t number, generation;
    cola_place *places = NULL;
    size_t count = 0;
    if (!number_of(cola_answer_option(options, "c"), &number) || list.data == NULL ||
        !number_of(cola_answer_option(options, "generation"), &generation)) {
        made = MADE_BROKEN;
    } else {
        made = read_places(list, &places, &count);
    }
    cola_answer_free(options);
    if (made != MADE) return made;
    cola_consumer *consumer = consumer_numbered(c, number);
    if (consumer == NULL) {
        free(places);
        return broken(problem, "partitions for a consumer that is not there");
    }
    free(consumer->places);
    consumer->places = places;
    consumer->place_count = count;
    consumer->generation = generation;
    return MADE;
}

static enum made dispatch(cola_connection *c, const struct frame *frame, const char **problem) {
    switch (frame->kind) {
    case OK: return dispatch_ok(c, frame, problem);
    case ERR: return dispatch_err(c, frame, problem);
    case MSG: return dispatch_msg(c, frame, problem);
    case ASSIGNED: return dispatch_assigned(c, frame, problem);
    case BYE:
        set_refusal(&c->bye, frame);
        lose(c, COLA_CONNECTION_LOST, "the server at %s closed the connection: %s: %s", c->shown, c->bye.name,
             c->bye.sentence);
        return MADE;
    case BLOCKED:
        c->is_blocked = true;
        copy_text(c->blocked, sizeof c->blocked, frame->sentence.data, frame->sentence.size);
        return MADE;
    case UNBLOCKED: c->is_blocked = false; return MADE;
    case BEAT: return MADE;
    }
    return MADE;
}

static void take_in(cola_connection *c) {
    struct frame frame;
    const char *problem;
    while (c->descriptor >= 0) {
        enum found found = next_frame(&c->input, &frame, &problem);
        if (found == NOT_YET) return;
        enum made made = MADE_BROKEN;
        if (found == FRAME) {
            problem = "a line that this client cannot read";
            made = dispatch(c, &frame, &problem);
        }
        if (made == MADE_NO_MEMORY) {
            lose(c, COLA_NO_MEMORY,
                 "there is no memory for what came from %s; the connection is closed, and its messages go back",
                 c->shown);
        } else if (made == MADE_BROKEN) {
            lose(c, COLA_PROTOCOL,
                 "what came from %s is not Cola's native protocol, version 1: %s; the connection is closed", c->shown,
                 problem);
        }
    }
}

/* --- Input and output --- */

/* Room for the next read. A body is not given its room on its word alone: the buffer doubles as bytes really come. */
static bool make_read_room(struct input *input) {
    size_t waiting = input->end - input->start;
    if (waiting == 0 && input->capacity > BUFFER_KEPT) {
        free(input->data);
        *input = (struct input){NULL, 0, 0, 0, 0};
    }
    if (input->capacity - input->end >= READ_ROOM) return true;
    if (input->start > 0) {
        memmove(input->data, input->data + input->start, waiting);
        input->searched -= input->start;
        input->start = 0;
        input->end = waiting;
        if (input->capacity - waiting >= READ_ROOM) return true;
    }
    if (input->capacity > SIZE_MAX / 4) return false;
    size_t capacity = input->capacity == 0 ? 2 * READ_ROOM : 2 * input->capacity;
    char *data = realloc(input->data, capacity);
    if (data == NULL) return false;
    input->data = data;
    input->capacity = capacity;
    return true;
}

/* One read. False: there was nothing, or the connection is lost. */
static bool read_once(cola_connection *c) {
    struct input *input = &c->input;
    if (!make_read_room(input)) {
        lose(c, COLA_NO_MEMORY, "there is no memory for what comes from %s; the connection is closed", c->shown);
        return false;
    }
    ssize_t got = recv(c->descriptor, input->data + input->end, input->capacity - input->end, 0);
    if (got > 0) {
        input->end += (size_t)got;
        c->last_received = now_ms();
        take_in(c);
        return c->descriptor >= 0;
    }
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return false;
    if (got < 0) {
        lose(c, COLA_CONNECTION_LOST, "the connection to %s is lost: %s", c->shown, strerror(errno));
    } else {
        lose(c, COLA_CONNECTION_LOST, "the server at %s ended the connection%s", c->shown,
             input->end > input->start ? " in the middle of a line or body" : " and did not say why");
    }
    return false;
}

static size_t unwritten(const cola_connection *c) {
    return c->output.size - c->written;
}

/* Writes what the socket takes. */
static void write_some(cola_connection *c) {
    while (c->descriptor >= 0 && unwritten(c) > 0) {
        ssize_t sent = send(c->descriptor, c->output.data + c->written, unwritten(c), MSG_NOSIGNAL);
        if (sent >= 0) {
            c->written += (size_t)sent;
            c->last_sent = now_ms();
            continue;
        }
        if (errno == EINTR) continue;
        if (errno == EAGAIN || errno == EWOULDBLOCK) break;
        int reason = errno;
        while (read_once(c)) continue; /* it may have said why it closes */
        lose(c, COLA_CONNECTION_LOST, "the connection to %s is lost: %s", c->shown, strerror(reason));
        return;
    }
    /* What is written is dropped also where something is always left, so that the buffer does not grow for ever. */
    if (unwritten(c) > 0 && c->written < unwritten(c)) return;
    if (unwritten(c) > 0) memmove(c->output.data, c->output.data + c->written, unwritten(c));
    c->output.size = unwritten(c);
    c->written = 0;
    if (c->output.size > 0) return;
    if (c->output.capacity > BUFFER_KEPT) {
        free(c->output.data);
        c->output = (struct buffer){NULL, 0, 0};
    }
}

/* Beats where it is time to, and returns when it is the next time to look, or the deadline if that is sooner. */
static int64_t beat(cola_connection *c, int64_t now, int64_t deadline) {
    if (c->heartbeat == 0) return deadline;
    /* A program that was busy elsewhere has not read what came meanwhile: that is no silence. */
    if (now - c->last_look > c->heartbeat && c->last_received < now) c->last_received = now;
    c->last_look = now;
    if (now - c->last_received > 2 * c->heartbeat) {
        lose(c, COLA_CONNECTION_LOST, "nothing came from %s for %" PRId64 " s, in spite of the heartbeat", c->shown,
             (now - c->last_received) / 1000);
        return deadline;
    }
    if (now - c->last_sent >= c->heartbeat / 2 && unwritten(c) == 0) {
        begin(c, "beat");
        if (say(c) == COLA_OK) write_some(c);
    }
    int64_t next = now + c->heartbeat / 4 + 1;
    return next < deadline ? next : deadline;
}

enum waited { HAPPENED, INTERRUPTED, TIME_UP, LOST };

/* Writes what it can, waits until something comes, can be written or is due, and takes it in. Whoever waits for
 * something looks whether it is there before he looks at what this returned. */
static enum waited wait_once(cola_connection *c, int64_t deadline) {
    write_some(c);
    if (c->descriptor < 0) return LOST;
    int64_t now = now_ms();
    int64_t until = beat(c, now, deadline);
    if (c->descriptor < 0) return LOST;
    int64_t wait = until == FOREVER ? -1 : until <= now ? 0 : until - now;
    struct pollfd polled = {c->descriptor, cola_events(c), 0};
    int ready = poll(&polled, 1, wait > INT_MAX ? INT_MAX : (int)wait);
    if (ready < 0 && errno == EINTR) return INTERRUPTED;
    if (ready < 0) {
        lose(c, COLA_CONNECTION_LOST, "cannot wait for %s: %s", c->shown, strerror(errno));
        return LOST;
    }
    if (polled.revents & ~POLLOUT) read_once(c);
    if (polled.revents & POLLOUT) write_some(c);
    if (c->descriptor < 0) return LOST;
    return deadline != FOREVER && now_ms() >= deadline ? TIME_UP : HAPPENED;
}

/* --- Calls --- */

static cola_code no_answer(cola_connection *c) {
    return fail(c, COLA_NO_ANSWER, true, "no answer came from %s within %d ms%s%s; what was asked may still be done",
                c->shown, c->timeout, c->is_blocked ? "; it holds publishers back: " : "",
                c->is_blocked ? c->blocked : "");
}

/* Sends what was begun and waits for its answer. */
static cola_code call(cola_connection *c, struct call *call) {
    call->tail = &call->messages;
    cola_code code = submit(c, CALLED);
    if (code != COLA_OK) return code;
    c->call = call;
    int64_t deadline = deadline_of(c->timeout);
    while (!call->done && code == COLA_OK) {
        enum waited waited = wait_once(c, deadline);
        if (call->done) break;
        if (waited == LOST) code = fail_lost(c);
        if (waited == TIME_UP) {
            c->runs[c->run_first + c->run_count - 1].owner = IGNORED;
            code = no_answer(c);
        }
    }
    c->call = NULL;
    if (code == COLA_OK && call->error.code != COLA_OK) {
        c->error = call->error;
        code = c->error.code;
    }
    if (code != COLA_OK) {
        cola_message_free(call->messages);
        cola_answer_free(call->answer);
        call->messages = NULL;
        call->answer = NULL;
    }
    return code;
}

/* For answers of which no more than one number matters: of a thing that has no messages, how many went is not said. */
static cola_code call_for_number(cola_connection *c, const char *name, uint64_t *number) {
    struct call made = {.takes = TAKES_ANSWER};
    cola_code code = call(c, &made);
    if (number != NULL) *number = 0;
    c->was_duplicate = false;
    if (code != COLA_OK || made.answer == NULL) return code;
    if (number != NULL) number_of(cola_answer_option(made.answer, name), number);
    c->was_duplicate = is_named(cola_answer_option(made.answer, "duplicate"), "yes");
    cola_answer_free(made.answer);
    return COLA_OK;
}

static cola_code call_plainly(cola_connection *c) {
    return call_for_number(c, NULL, NULL);
}

static cola_code call_for_answer(cola_connection *c, cola_answer **answer) {
    struct call made = {.takes = TAKES_ANSWER};
    cola_code code = call(c, &made);
    if (code != COLA_OK) return code;
    if (answer == NULL) {
        cola_answer_free(made.answer);
        return COLA_OK;
    }
    if (made.answer == NULL) made.answer = calloc(1, sizeof *made.answer); /* one that says "ok" and no more */
    if (made.answer == NULL) {
        return fail(c, COLA_NO_MEMORY, false, "the request was done, but there is no memory for its answer");
    }
    *answer = made.answer;
    return COLA_OK;
}

/* Waits until no more than so much is left to be written. */
static cola_code write_down_to(cola_connection *c, size_t rest) {
    write_some(c);
    int64_t deadline = deadline_of(c->timeout);
    while (c->descriptor >= 0 && unwritten(c) > rest) {
        size_t before = unwritten(c);
        enum waited waited = wait_once(c, deadline);
        if (unwritten(c) < before) {
            deadline = deadline_of(c->timeout);
        } else if (waited == TIME_UP && unwritten(c) > rest) {
            return no_answer(c);
        }
    }
    return c->descriptor < 0 ? fail_lost(c) : COLA_OK;
}

bool cola_is_open(const cola_connection *c) {
    return c->descriptor >= 0;
}

const cola_error *cola_last_error(const cola_connection *c) {
    return &c->error;
}

const char *cola_blocked(const cola_connection *c) {
    return c->is_blocked ? c->blocked : NULL;
}

void cola_set_timeout(cola_connection *c, int timeout) {
    c->timeout = timeout;
}

uint64_t cola_body_max(const cola_connection *c) {
    return c->body_max;
}

int cola_descriptor(const cola_connection *c) {
    return c->descriptor;
}

short cola_events(const cola_connection *c) {
    return unwritten(c) > 0 ? POLLIN | POLLOUT : POLLIN;
}

cola_code cola_process(cola_connection *c, int timeout) {
    return wait_once(c, deadline_of(timeout)) == LOST ? fail_lost(c) : COLA_OK;
}

static cola_code take_problem(cola_connection *c, cola_error *problem) {
    if (problem->code == COLA_OK) return COLA_OK;
    c->error = *problem;
    *problem = (cola_error){.code = COLA_OK};
    return c->error.code;
}

cola_code cola_ping(cola_connection *c) {
    begin(c, "ping");
    add_tag(c);
    cola_code code = call_plainly(c);
    return code == COLA_OK ? take_problem(c, &c->ack_problem) : code;
}

/* --- Connecting --- */

/* A URL, taken apart; the texts are its own. */
struct address {
    char *text, *path, *host, *user, *password;
    const char *port;
    char *shown;
};

static void address_free(struct address *address) {
    free(address->text);
    free(address->shown);
    *address = (struct address){.text = NULL};
}

static char *copy_of(const char *text) {
    size_t size = strlen(text) + 1;
    char *copy = malloc(size);
    if (copy != NULL) memcpy(copy, text, size);
    return copy;
}

/* %40 and the like in a name or password. One with a NUL is none. */
static bool percent_decode(char *text) {
    if (text == NULL) return true;
    size_t size = strlen(text);
    return unescape(text, &size) && strlen(text) == size;
}

static bool is_port(const char *text) {
    uint64_t port;
    return number_of(cola_text(text), &port) && port >= 1 && port <= 65535;
}

/* [USER[:PASSWORD]@]HOST[:PORT][/], which is written to. */
static bool read_authority(char *text, struct address *address) {
    char *end = strpbrk(text, "/?#");
    if (end != NULL && strcmp(end, "/") != 0) return false;
    if (end != NULL) *end = '\0';
    address->host = text;
    char *at = strrchr(text, '@');
    if (at != NULL) {
        *at = '\0';
        address->host = at + 1;
        address->user = text;
        address->password = strchr(text, ':');
        if (address->password != NULL) *address->password++ = '\0';
        if (!percent_decode(address->user) || !percent_decode(address->password)) return false;
    }
    char *behind = address->host;
    if (*address->host == '[') {
        behind = strchr(address->host, ']');
        if (behind == NULL) return false;
        address->host++;
        *behind++ = '\0';
        if (*behind != '\0' && *behind != ':') return false;
    }
    char *colon = strchr(behind, ':');
    address->port = DEFAULT_PORT;
    if (colon != NULL) {
        *colon = '\0';
        address->port = colon + 1;
        if (!is_port(address->port)) return false;
    }
    return *address->host != '\0';
}

static cola_code read_url(const char *url, struct address *address, cola_error *error) {
    *address = (struct address){.text = copy_of(url), .shown = copy_of(url)};
    if (address->text == NULL || address->shown == NULL) {
        no_memory(error);
        return COLA_NO_MEMORY;
    }
    if (strncmp(url, "unix:", 5) == 0) {
        address->path = address->text + (strncmp(url, "unix://", 7) == 0 ? 7 : 5);
        if (*address->path != '\0') return COLA_OK;
    } else {
        /* A password is not shown, whatever the URL is of. */
        char *authority = strstr(address->shown, "://"), *at = strrchr(address->shown, '@');
        if (authority != NULL && at != NULL && at > authority) memmove(authority + 3, at + 1, strlen(at));
        if (strncmp(url, "tcp://", 6) == 0 && read_authority(address->text + 6, address)) return COLA_OK;
    }
    set_error(error, COLA_INVALID_ARGUMENT, false,
              "cannot read the URL '%s'; write unix:///PATH/cola.sock or tcp://[USER:PASSWORD@]HOST[:PORT]",
              address->shown);
    return COLA_INVALID_ARGUMENT;
}

/* The token of a worker, which is good once: its descriptor is closed and its variable goes, so that no child has them.
 * Where several processes share the descriptor, the first reads it, and the others find nothing. */
static bool take_token(char token[TOKEN_SIZE + 1]) {
    const char *variable = getenv("COLA_TOKEN_FD");
    uint64_t number;
    bool is_number = number_of(cola_text(variable), &number) && number <= INT_MAX;
    if (variable != NULL) unsetenv("COLA_TOKEN_FD");
    struct stat status;
    /* A process further down may have inherited the variable, and have something else there. */
    if (!is_number || fstat((int)number, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size != TOKEN_SIZE) {
        return false;
    }
    ssize_t got = read((int)number, token, TOKEN_SIZE);
    close((int)number);
    token[TOKEN_SIZE] = '\0';
    return got == TOKEN_SIZE;
}

static bool prepare_socket(int descriptor) {
    int flags = fcntl(descriptor, F_GETFL);
#ifdef SO_NOSIGPIPE
    int yes = 1;
    setsockopt(descriptor, SOL_SOCKET, SO_NOSIGPIPE, &yes, sizeof yes);
#endif
    return flags >= 0 && fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) == 0 &&
           fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0;
}

/* Waits until a connection is made or refused: 0, or what errno would be. */
static int finish_connecting(int descriptor, int64_t deadline) {
    for (;;) {
        int64_t left = deadline == FOREVER ? -1 : deadline - now_ms();
        if (deadline != FOREVER && left <= 0) return ETIMEDOUT;
        struct pollfd polled = {descriptor, POLLOUT, 0};
        int ready = poll(&polled, 1, left > INT_MAX ? INT_MAX : (int)left);
        if (ready < 0 && errno != EINTR) return errno;
        if (ready <= 0) continue;
        int problem = 0;
        socklen_t size = sizeof problem;
        return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &problem, &size) == 0 ? problem : errno;
    }
}

/* A connected socket, or -1 with errno. */
static int open_socket(int family, int type, int protocol, const struct sockaddr *address, socklen_t size,
                       int64_t deadline) {
    int descriptor = socket(family, type, protocol);
    if (descriptor < 0) return -1;
    int problem = 0;
    if (!prepare_socket(descriptor)) {
        problem = errno;
    } else {
        while (connect(descriptor, address, size) != 0) {
            problem = errno;
            if (problem == EINPROGRESS || problem == EINTR) {
                problem = finish_connecting(descriptor, deadline);
                break;
            }
            /* A Unix socket whose backlog is full says this, and there is nothing to poll for. */
            if (problem != EAGAIN || now_ms() >= deadline) break;
            problem = 0;
            nanosleep(&(struct timespec){0, 5000000}, NULL);
        }
    }
    if (problem == 0) return descriptor;
    close(descriptor);
    errno = problem;
    return -1;
}

static int open_address(const struct address *address, int64_t deadline, const char **reason) {
    *reason = NULL;
    if (address->path != NULL) {
        struct sockaddr_un name = {.sun_family = AF_UNIX};
        if (strlen(address->path) >= sizeof name.sun_path) {
            *reason = "the path of a Unix socket cannot be so long";
            return -1;
        }
        memcpy(name.sun_path, address->path, strlen(address->path) + 1);
        return open_socket(AF_UNIX, SOCK_STREAM, 0, (const struct sockaddr *)&name, sizeof name, deadline);
    }
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found = NULL;
    int problem = getaddrinfo(address->host, address->port, &hints, &found);
    if (problem != 0) {
        if (problem != EAI_SYSTEM) *reason = gai_strerror(problem);
        return -1;
    }
    int descriptor = -1;
    for (const struct addrinfo *one = found; one != NULL && descriptor < 0; one = one->ai_next) {
        descriptor =
            open_socket(one->ai_family, one->ai_socktype, one->ai_protocol, one->ai_addr, one->ai_addrlen, deadline);
    }
    int last = errno;
    freeaddrinfo(found);
    if (descriptor >= 0) {
        int yes = 1;
        setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
    }
    errno = last;
    return descriptor;
}

static cola_code say_hello(cola_connection *c, const struct address *address, const cola_connect_options *options,
                           const char *token) {
    const char *user = options->user != NULL ? options->user : address->user;
    const char *password = options->password != NULL ? options->password : address->password;
    /* A token says over TCP, too, who it is; a guest's name and password would have to be right as well. */
    if (user == NULL && password == NULL && address->path == NULL && token == NULL) user = password = "guest";
    begin(c, "hello 1");
    add_tag(c);
    add_option(c, "user", user);
    add_option(c, "password", password);
    add_option(c, "token", token);
    add_option(c, "vhost", options->vhost);
    add_option(c, "client", options->client);
    if (options->heartbeat != 0) add_option_number(c, "heartbeat", options->heartbeat);
    add_option(c, "need", options->need);
    cola_answer *answer = NULL;
    cola_code code = call_for_answer(c, &answer);
    if (code == COLA_CONNECTION_LOST && c->bye.code != COLA_OK) {
        c->error = c->bye;
        return c->error.code;
    }
    if (code != COLA_OK) return code;
    uint64_t heartbeat = 0;
    bool good = number_of(cola_answer_option(answer, "line"), &c->line_max) && c->line_max > 0 &&
                number_of(cola_answer_option(answer, "body"), &c->body_max) &&
                number_of(cola_answer_option(answer, "heartbeat"), &heartbeat) && heartbeat <= 3600;
    cola_answer_free(answer);
    c->heartbeat = (int64_t)heartbeat * 1000;
    c->last_look = now_ms();
    return good ? COLA_OK
                : fail(c, COLA_PROTOCOL, false, "%s does not answer hello as a server of Cola does", c->shown);
}

static void consumer_free(cola_consumer *consumer) {
    cola_message_free(consumer->messages);
    free(consumer->places);
    free(consumer);
}

static void connection_free(cola_connection *c) {
    if (c->descriptor >= 0) close(c->descriptor);
    while (c->consumers != NULL) {
        cola_consumer *consumer = c->consumers;
        c->consumers = consumer->next;
        consumer_free(consumer);
    }
    free(c->shown);
    free(c->input.data);
    free(c->output.data);
    free(c->runs);
    free(c);
}

static cola_code unreachable(cola_connection *c, const char *reason, int problem) {
    if (reason == NULL && (problem == EACCES || problem == EPERM)) {
        return fail(c, COLA_UNREACHABLE, true,
                    "may not use %s (%s); who may is said by the server's setting socket-mode and by the permissions "
                    "of the socket's directory",
                    c->shown, strerror(problem));
    }
    return fail(c, COLA_UNREACHABLE, true,
                "no server answers at %s (%s); start one with `cola serve`, or set COLA_URL to where it is", c->shown,
                reason != NULL ? reason : strerror(problem));
}

/* A connection that has no socket yet. */
static cola_connection *new_connection(const cola_connect_options *options) {
    cola_connection *c = calloc(1, sizeof *c);
    if (c == NULL) return NULL;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    /* By which a message knows its connection; that two have the same is as good as impossible. */
    c->session = ((uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec) ^ (uint64_t)(uintptr_t)c << 20;
    c->descriptor = -1;
    c->timeout = options->timeout == 0 ? DEFAULT_TIMEOUT : options->timeout;
    c->window = options->window == 0 ? DEFAULT_WINDOW : options->window;
    c->refused = options->refused;
    c->context = options->context;
    c->next_tag = 1;
    c->line_max = 8192;
    c->last_received = c->last_sent = c->last_look = now_ms();
    return c;
}

cola_code cola_connect(const char *url, const cola_connect_options *options, cola_connection **connection,
                       cola_error *error) {
    static const cola_connect_options none = {0};
    cola_error ignored;
    if (options == NULL) options = &none;
    if (error == NULL) error = &ignored;
    *error = (cola_error){.code = COLA_OK};
    *connection = NULL;
    char token[TOKEN_SIZE + 1];
    bool has_token = url == NULL && take_token(token);
    if (url == NULL) url = getenv("COLA_URL");
    if (url == NULL || *url == '\0') url = DEFAULT_URL;
    struct address address;
    cola_code code = read_url(url, &address, error);
    cola_connection *c = code == COLA_OK ? new_connection(options) : NULL;
    if (c == NULL) {
        if (code == COLA_OK) no_memory(error);
        address_free(&address);
        return error->code;
    }
    c->shown = address.shown;
    address.shown = NULL;
    const char *reason;
    c->descriptor = open_address(&address, deadline_of(c->timeout), &reason);
    if (c->descriptor < 0) {
        code = unreachable(c, reason, errno);
    } else {
        code = say_hello(c, &address, options, has_token ? token : NULL);
    }
    address_free(&address);
    if (code == COLA_OK) {
        *connection = c;
        return COLA_OK;
    }
    *error = c->error;
    connection_free(c);
    return code;
}

cola_code cola_close(cola_connection *c) {
    if (c == NULL) return COLA_OK;
    begin(c, "quit");
    add_tag(c);
    cola_code code = call_plainly(c);
    if (code == COLA_OK) code = take_problem(c, &c->refusal);
    if (code == COLA_OK) code = take_problem(c, &c->ack_problem);
    connection_free(c);
    return code;
}

/* --- Definitions --- */

static void add_queue_options(cola_connection *c, const cola_queue_options *options) {
    add_tag(c);
    if (options != NULL) {
        if (options->transient) add_option(c, "durable", "no");
        if (options->exclusive) add_option(c, "exclusive", "yes");
        if (options->auto_delete) add_option(c, "auto-delete", "yes");
        add_pairs(c, "", options->arguments, options->argument_count);
    }
}

cola_code cola_declare_queue(cola_connection *c, const char *name, const cola_queue_options *options) {
    begin(c, "declare queue");
    add_name(c, name, "queue");
    add_queue_options(c, options);
    return call_plainly(c);
}

cola_code cola_declare_unnamed_queue(cola_connection *c, const cola_queue_options *options,
                                     char name[COLA_NAME_SIZE]) {
    begin(c, "declare queue");
    add_text(c, " %");
    add_queue_options(c, options);
    cola_answer *answer = NULL;
    cola_code code = call_for_answer(c, &answer);
    if (code != COLA_OK) return code;
    cola_bytes chosen = cola_answer_option(answer, "name");
    bool good = chosen.data != NULL && chosen.size < COLA_NAME_SIZE;
    if (good) memcpy(name, chosen.data, chosen.size + 1);
    cola_answer_free(answer);
    if (good) return COLA_OK;
    lose(c, COLA_PROTOCOL, "the answer of %s does not say how the queue is named; the connection is closed", c->shown);
    return fail_lost(c);
}

cola_code cola_declare_topic(cola_connection *c, const char *name, unsigned partitions, const cola_pair *arguments,
                             size_t argument_count) {
    begin(c, "declare topic");
    add_name(c, name, "topic");
    add_tag(c);
    if (partitions != 0) add_option_number(c, "partitions", partitions);
    add_pairs(c, "", arguments, argument_count);
    return call_plainly(c);
}

cola_code cola_declare_exchange(cola_connection *c, const char *name, const char *type, const cola_pair *options,
                                size_t option_count) {
    begin(c, "declare exchange");
    add_name(c, name, "exchange");
    add_tag(c);
    add_option(c, "type", type);
    add_pairs(c, "", options, option_count);
    return call_plainly(c);
}

cola_code cola_delete(cola_connection *c, const char *kind, const char *name, unsigned flags, uint64_t *messages) {
    begin(c, "delete");
    add_name(c, kind, "kind");
    add_name(c, name, kind);
    add_tag(c);
    if (flags & COLA_IF_UNUSED) add_option(c, "if-unused", "yes");
    if (flags & COLA_IF_EMPTY) add_option(c, "if-empty", "yes");
    return call_for_number(c, "messages", messages);
}

cola_code cola_purge(cola_connection *c, const char *queue, uint64_t *messages) {
    begin(c, "purge");
    add_name(c, queue, "queue");
    add_tag(c);
    return call_for_number(c, "messages", messages);
}

static cola_code change_binding(cola_connection *c, const char *verb, const char *exchange, const char *name,
                                const cola_binding *binding) {
    begin(c, verb);
    add_name(c, exchange, "exchange");
    add_name(c, name, "queue, topic or exchange");
    add_tag(c);
    if (binding != NULL) {
        add_option(c, "key", binding->key);
        if (binding->to_exchange) add_option(c, "to", "exchange");
        add_option(c, "match", binding->match);
        add_pairs(c, "h.", binding->headers, binding->header_count);
    }
    return call_plainly(c);
}

cola_code cola_bind(cola_connection *c, const char *exchange, const char *name, const cola_binding *binding) {
    return change_binding(c, "bind", exchange, name, binding);
}

cola_code cola_unbind(cola_connection *c, const char *exchange, const char *name, const cola_binding *binding) {
    return change_binding(c, "unbind", exchange, name, binding);
}

/* --- Publishing --- */

static const cola_properties no_properties = {0};

static cola_code check_size(cola_connection *c, uint64_t size) {
    if (size <= c->body_max) return COLA_OK;
    return fail(c, COLA_TOO_LARGE, false,
                "%" PRIu64 " bytes are more than the %" PRIu64 " that the server takes at once (its setting body-max); "
                "nothing was sent",
                size, c->body_max);
}

/* How long and where to: what pub and pubs have in common. */
static void add_times(cola_connection *c, const cola_properties *properties) {
    if (properties->may_be_dropped) add_option(c, "mandatory", "no");
    if (properties->priority != 0) add_option_number(c, "prio", properties->priority);
    if (properties->has_ttl) add_option_number(c, "ttl", properties->ttl);
    if (properties->delay != 0) add_option_number(c, "delay", properties->delay);
}

static cola_code begin_publish(cola_connection *c, const char *routing_key, const void *body, size_t size,
                               const cola_properties *properties) {
    if (routing_key == NULL || (body == NULL && size > 0)) return invalid(c, "the routing key or the body is missing");
    if (properties->no_value && size > 0) return invalid(c, "a message without a value has no body");
    cola_code code = check_size(c, size);
    if (code != COLA_OK) return code;
    begin(c, "pub");
    add_word(c, cola_text(routing_key));
    add_word_number(c, size);
    add_tag(c);
    add_option(c, "x", properties->exchange);
    add_option_bytes(c, "key", properties->key);
    add_pairs(c, "h.", properties->headers, properties->header_count);
    add_times(c, properties);
    add_option_bytes(c, "id", properties->message_id);
    add_option(c, "reply", properties->reply_to);
    add_option_bytes(c, "corr", properties->correlation_id);
    if (properties->has_partition) add_option_number(c, "partition", properties->partition);
    if (properties->no_value) add_option(c, "null", "yes");
    end_line(c);
    add(c, body, size);
    add_text(c, "\n");
    return COLA_OK;
}

cola_code cola_publish(cola_connection *c, const char *routing_key, const void *body, size_t size,
                       const cola_properties *properties) {
    cola_code code = begin_publish(c, routing_key, body, size, properties == NULL ? &no_properties : properties);
    return code == COLA_OK ? call_plainly(c) : code;
}

cola_code cola_publish_many(cola_connection *c, const char *routing_key, const cola_bytes *bodies, size_t count,
                            const cola_properties *properties) {
    if (properties == NULL) properties = &no_properties;
    if (routing_key == NULL || bodies == NULL || count == 0 || count > PUBLISH_MANY_MAX) {
        return invalid(c, "a routing key and 1 to 10,000 bodies are needed");
    }
    if (properties->key.data != NULL || properties->header_count > 0 || properties->message_id.data != NULL ||
        properties->reply_to != NULL || properties->correlation_id.data != NULL || properties->no_value) {
        return invalid(c, "keys, headers, ids, reply and correlation are of single messages: use cola_publish_later");
    }
    uint64_t size = 0;
    for (size_t at = 0; at < count; at++) {
        if (bodies[at].data == NULL && bodies[at].size > 0) return invalid(c, "a body is missing");
        size += bodies[at].size;
        cola_code code = bodies[at].size > c->body_max ? check_size(c, bodies[at].size) : check_size(c, size);
        if (code != COLA_OK) return code;
    }
    begin(c, "pubs");
    add_word(c, cola_text(routing_key));
    add_word_number(c, count);
    add_tag(c);
    add_option(c, "x", properties->exchange);
    add_times(c, properties);
    if (properties->has_partition) add_option_number(c, "partition", properties->partition);
    end_line(c);
    for (size_t at = 0; at < count; at++) {
        add_number(c, bodies[at].size);
        add_text(c, "\n");
        add(c, bodies[at].data, bodies[at].size);
        add_text(c, "\n");
    }
    return call_plainly(c);
}

/* Each answer that comes is a sign of life: the time is for the next one, not for all. */
static cola_code wait_for_confirms(cola_connection *c, uint64_t most) {
    int64_t deadline = deadline_of(c->timeout);
    while (c->confirms.sent - c->confirms.answered > most) {
        uint64_t before = c->confirms.answered;
        enum waited waited = wait_once(c, deadline);
        if (c->confirms.answered > before) {
            deadline = deadline_of(c->timeout);
        } else if (waited == LOST) {
            return fail_lost(c);
        } else if (waited == TIME_UP) {
            return no_answer(c);
        }
    }
    return COLA_OK;
}

cola_code cola_publish_later(cola_connection *c, const char *routing_key, const void *body, size_t size,
                             const cola_properties *properties, uint64_t *number) {
    /* Half of the window is freed at a time, so that writes and reads are few and large. */
    cola_code code =
        c->confirms.sent - c->confirms.answered < c->window ? COLA_OK : wait_for_confirms(c, c->window / 2);
    if (code == COLA_OK && unwritten(c) > WRITE_BEHIND) code = write_down_to(c, WRITE_BEHIND / 2);
    if (code == COLA_OK) {
        code = begin_publish(c, routing_key, body, size, properties == NULL ? &no_properties : properties);
    }
    if (code == COLA_OK) code = submit(c, PUBLISHED);
    if (code != COLA_OK) return code;
    if (number != NULL) *number = c->confirms.sent;
    c->confirms.sent++;
    if (unwritten(c) >= WRITE_TOGETHER) {
        write_some(c);
        if (c->descriptor >= 0) read_once(c);
    }
    return COLA_OK; /* if the connection was lost just now, this one is in doubt, as the next call will say */
}

cola_code cola_flush(cola_connection *c) {
    cola_code code = wait_for_confirms(c, 0);
    return code == COLA_OK ? take_problem(c, &c->refusal) : code;
}

cola_confirms cola_published(const cola_connection *c) {
    return c->confirms;
}

bool cola_was_duplicate(const cola_connection *c) {
    return c->was_duplicate;
}

/* --- Consuming --- */

static void add_consume_options(cola_connection *c, const cola_consume_options *options) {
    add_option(c, "from", options->from);
    add_option(c, "group", options->group);
    add_option(c, "join", options->join);
    for (size_t at = 0; at < options->partition_count; at++) {
        add_text(c, at == 0 ? " partitions=" : ",");
        add_number(c, options->partitions[at]);
    }
    if (options->has_credit) {
        add_option_number(c, "credit", options->credit);
    } else if (options->prefetch != 0) {
        add_option_number(c, "prefetch", options->prefetch);
    }
    if (options->auto_ack) add_option(c, "ack", "auto");
    if (options->priority != 0) add_option_number(c, "priority", options->priority);
    if (options->exclusive) add_option(c, "exclusive", "yes");
    if (options->has_timeout) add_option_number(c, "timeout", options->timeout);
}

static void forget(cola_consumer *consumer) {
    cola_consumer **link = &consumer->connection->consumers;
    while (*link != consumer) link = &(*link)->next;
    *link = consumer->next;
    consumer_free(consumer);
}

cola_code cola_consume(cola_connection *c, const char *name, const cola_consume_options *options,
                       cola_consumer **made) {
    static const cola_consume_options none = {0};
    if (options == NULL) options = &none;
    *made = NULL;
    if (c->last_consumer == UINT32_MAX) return invalid(c, "this connection has had all its consumers; make another");
    cola_consumer *consumer = calloc(1, sizeof *consumer);
    if (consumer == NULL) {
        no_memory(&c->error);
        return COLA_NO_MEMORY;
    }
    *consumer = (cola_consumer){.connection = c, .next = c->consumers, .number = ++c->last_consumer};
    consumer->tail = &consumer->messages;
    consumer->reads_topic = options->from != NULL || options->group != NULL || options->partition_count > 0;
    begin(c, "consume");
    add_name(c, name, "queue or topic");
    add_tag(c);
    add_option_number(c, "c", consumer->number);
    add_consume_options(c, options);
    /* It is known before it is asked for: messages come before the answer as well. */
    c->consumers = consumer;
    cola_code code = call_plainly(c);
    if (code == COLA_OK) {
        *made = consumer;
    } else if (code == COLA_NO_ANSWER) {
        consumer->freed = true; /* it may begin later, and what comes for it is dropped */
    } else {
        forget(consumer);
    }
    return code;
}

cola_code cola_receive(cola_consumer *consumer, int timeout, cola_message **received) {
    cola_connection *c = consumer->connection;
    int64_t deadline = deadline_of(timeout);
    enum waited waited = HAPPENED;
    *received = NULL;
    for (;;) {
        cola_message *message = consumer->messages;
        /* What is held by a connection that is lost comes again to somebody; what was not held does not. */
        if (message != NULL && (c->descriptor >= 0 || message->delivery == 0)) {
            consumer->messages = message->next;
            if (consumer->messages == NULL) consumer->tail = &consumer->messages;
            message->next = NULL;
            *received = message;
            return COLA_OK;
        }
        if (c->descriptor < 0) return fail_lost(c);
        if (consumer->problem.code != COLA_OK) {
            c->error = consumer->problem;
            if (!consumer->ended) consumer->problem = (cola_error){.code = COLA_OK};
            return c->error.code;
        }
        if (waited == TIME_UP || waited == INTERRUPTED) return COLA_OK;
        waited = wait_once(c, deadline);
    }
}

/* Takes the messages that nobody has seen yet off a consumer, and tells the server what becomes of them: those of a
 * queue go back and count nothing, those of a topic give room. Neighbours travel as one range. */
static void release(cola_consumer *consumer) {
    cola_connection *c = consumer->connection;
    while (consumer->messages != NULL) {
        uint64_t first = consumer->messages->delivery, last;
        do {
            cola_message *message = consumer->messages;
            last = message->delivery;
            consumer->messages = message->next;
            free(message);
        } while (consumer->messages != NULL && consumer->messages->delivery == last + 1);
        if (first == 0 || c->descriptor < 0) continue;
        begin(c, consumer->reads_topic ? "ack" : "fail");
        add_range(c, first, last);
        add_tag(c);
        if (!consumer->reads_topic) add_text(c, " end=cancelled then=give-back");
        submit(c, IGNORED); /* if there is no memory for it they go back with the connection */
    }
    consumer->tail = &consumer->messages;
    write_some(c);
}

cola_code cola_cancel(cola_consumer *consumer) {
    if (consumer == NULL) return COLA_OK;
    cola_connection *c = consumer->connection;
    cola_code code = COLA_OK;
    if (!consumer->ended) {
        begin(c, "cancel");
        add_word_number(c, consumer->number);
        add_tag(c);
        code = call_plainly(c);
    }
    /* Where it ended by itself meanwhile, there is nothing left to cancel. */
    if (code == COLA_NOT_FOUND && consumer->ended) code = COLA_OK;
    release(consumer);
    if (code == COLA_NO_ANSWER || code == COLA_NO_MEMORY) {
        consumer->freed = true; /* it may still be there, and what comes for it is dropped */
    } else {
        forget(consumer);
    }
    return code;
}

/* A line that is answered only if it fails: written at once, as far as the socket takes it. */
static cola_code write_line(cola_connection *c) {
    cola_code code = say(c);
    if (code != COLA_OK) return code;
    return write_down_to(c, WRITE_BEHIND);
}

static cola_code settle(cola_connection *c, const char *verb, uint64_t first, uint64_t last, int64_t delay) {
    begin(c, verb);
    add_range(c, first, last);
    if (delay >= 0) add_option_number(c, "delay", (uint64_t)delay);
    return write_line(c);
}

static cola_code check_delivery(cola_connection *c, const cola_message *message) {
    if (message->session == c->session) return COLA_OK;
    return fail(c, COLA_STALE_DELIVERY, false,
                "delivery %" PRIu64 " came over another connection; where that one has ended its message goes to a "
                "consumer again",
                message->delivery);
}

static cola_code settle_one(cola_connection *c, const char *verb, const cola_message *message, int64_t delay) {
    cola_code code = check_delivery(c, message);
    if (code != COLA_OK || message->delivery == 0) return code;
    return settle(c, verb, message->delivery, message->delivery, delay);
}

cola_code cola_ack(cola_connection *c, const cola_message *message) {
    return settle_one(c, "ack", message, -1);
}

cola_code cola_ack_range(cola_connection *c, uint64_t first, uint64_t last) {
    if (first == 0 || last < first) return invalid(c, "deliveries are numbered from 1 on, the first before the last");
    return settle(c, "ack", first, last, -1);
}

cola_code cola_nack(cola_connection *c, const cola_message *message, int64_t delay) {
    return settle_one(c, "nack", message, delay);
}

cola_code cola_reject(cola_connection *c, const cola_message *message) {
    return settle_one(c, "reject", message, -1);
}

cola_code cola_fail(cola_connection *c, const cola_message *message, const cola_failure *failure) {
    cola_code code = check_delivery(c, message);
    if (code != COLA_OK || message->delivery == 0) return code;
    begin(c, "fail");
    add_range(c, message->delivery, message->delivery);
    add_text(c, failure->bury ? " end=refused then=bury" : " end=refused then=retry");
    if (failure->has_delay) add_option_number(c, "delay", failure->delay);
    if (failure->attempts != 0) add_option_number(c, "attempts", failure->attempts);
    if (failure->unless_the_queue) add_option(c, "default", "yes");
    add_option(c, "detail", failure->detail);
    add_option(c, "output", failure->output);
    return write_line(c);
}

cola_code cola_credit(cola_consumer *consumer, uint32_t messages) {
    cola_connection *c = consumer->connection;
    begin(c, "credit");
    add_word_number(c, consumer->number);
    add_word_number(c, messages);
    return write_line(c);
}

cola_code cola_get(cola_connection *c, const char *queue, bool manual_ack, cola_message **message) {
    *message = NULL;
    begin(c, "get");
    add_name(c, queue, "queue");
    add_tag(c);
    if (manual_ack) add_option(c, "ack", "manual");
    struct call made = {.takes = TAKES_MESSAGE};
    cola_code code = call(c, &made);
    if (code != COLA_OK) return code;
    cola_answer_free(made.answer); /* empty=yes */
    *message = made.messages;
    return COLA_OK;
}

cola_code cola_peek(cola_connection *c, const char *name, const cola_peek_options *options,
                    cola_message **messages) {
    static const cola_peek_options none = {0};
    if (options == NULL) options = &none;
    *messages = NULL;
    begin(c, "peek");
    add_name(c, name, "queue or topic");
    add_tag(c);
    if (options->from != 0) add_option_number(c, "from", options->from);
    if (options->count != 0) add_option_number(c, "count", options->count);
    if (options->partition != 0) add_option_number(c, "partition", options->partition);
    if (options->has_priority) add_option_number(c, "priority", options->priority);
    struct call made = {.takes = TAKES_MESSAGES};
    cola_code code = call(c, &made);
    if (code != COLA_OK) return code;
    cola_answer_free(made.answer);
    *messages = made.messages;
    return COLA_OK;
}

/* --- Topics --- */

cola_code cola_commit(cola_connection *c, const char *topic, const char *group, uint64_t offset, uint32_t partition) {
    begin(c, "commit");
    add_name(c, topic, "topic");
    add_name(c, group, "group");
    add_word_number(c, offset);
    add_tag(c);
    if (partition != 0) add_option_number(c, "partition", partition);
    return call_plainly(c);
}

cola_code cola_seek(cola_consumer *consumer, const char *position, int32_t partition) {
    cola_connection *c = consumer->connection;
    begin(c, "seek");
    add_word_number(c, consumer->number);
    add_name(c, position, "position");
    add_tag(c);
    if (partition >= 0) add_option_number(c, "partition", (uint64_t)partition);
    return call_plainly(c);
}

cola_assignment cola_assigned(const cola_consumer *consumer) {
    return (cola_assignment){consumer->generation, consumer->places, consumer->place_count};
}

/* --- Everything else --- */

static bool is_plain_verb(const char *verb) {
    static const char *const others[] = {"hello", "quit",   "beat", "pub",    "pubs", "consume", "cancel",
                                         "seek",  "credit", "ack",  "reject", "nack", "fail",    "peek"};
    if (verb == NULL || *verb == '\0') return false;
    for (const char *letter = verb; *letter != '\0'; letter++) {
        if (*letter < 'a' || *letter > 'z') return false;
    }
    for (size_t at = 0; at < sizeof others / sizeof *others; at++) {
        if (strcmp(verb, others[at]) == 0) return false;
    }
    return true;
}

cola_code cola_request(cola_connection *c, const char *verb, const cola_bytes *words, size_t word_count,
                       const cola_pair *options, size_t option_count, cola_answer **answer) {
    if (answer != NULL) *answer = NULL;
    if (!is_plain_verb(verb)) return invalid(c, "this is no verb, or one that has a function of its own");
    for (size_t at = 0; at < option_count; at++) {
        if (options[at].name.size == 0 || is_named(options[at].name, "t")) {
            return invalid(c, "an option has no name, or is t, which the library sets");
        }
    }
    begin(c, verb);
    for (size_t at = 0; at < word_count; at++) add_word(c, words[at]);
    add_tag(c);
    add_pairs(c, "", options, option_count);
    return call_for_answer(c, answer);
}

cola_code cola_stat(cola_connection *c, cola_answer **answer) {
    return cola_request(c, "stat", NULL, 0, NULL, 0, answer);
}

cola_code cola_list(cola_connection *c, const char *of, cola_answer **answer) {
    cola_bytes word = cola_text(of);
    return cola_request(c, "list", &word, 1, NULL, 0, answer);
}

cola_code cola_describe(cola_connection *c, const char *kind, const char *name, cola_answer **answer) {
    const cola_bytes words[] = {cola_text(kind), cola_text(name)};
    return cola_request(c, "describe", words, 2, NULL, 0, answer);
}

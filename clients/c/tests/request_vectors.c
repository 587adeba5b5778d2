/* Does the requests of protocol/vectors/native.json with the library's functions, and compares the bytes that arrive at
 * the other end of a socket. request_vectors.py writes what it does into vectors.inc.
 *
 * The library's own code is part of this program, so that a test can set the tag and need not log in.
 */
#include "../cola.c"

static const char *const answers = "ok t=%" PRIu64 " messages=0 name=x\n";

/* What the library writes as a tag where the vector has none; it is cut out before the comparison. */
static const uint64_t any_tag = 987654321;

struct vector {
    const char *name;
    bool has_tag;
    uint64_t tag;
    const char *bytes;
    size_t size;
    bool (*ask)(cola_connection *c); /* false: the connection is gone */
};

/* A connection whose server has answered everything already. */
static cola_connection *connected(uint64_t tag, int *server) {
    int ends[2];
    static const cola_connect_options none = {0};
    cola_connection *c = new_connection(&none);
    if (c == NULL || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) abort();
    char answer[100];
    int size = snprintf(answer, sizeof answer, answers, tag);
    if (!prepare_socket(ends[0]) || !prepare_socket(ends[1]) || write(ends[1], answer, (size_t)size) != size) abort();
    c->descriptor = ends[0];
    c->shown = copy_of("the test");
    c->next_tag = tag;
    c->line_max = c->body_max = 1000000;
    *server = ends[1];
    return c;
}

static bool hello(cola_connection *c, const cola_connect_options *options, const char *token) {
    struct address address = {.path = c->shown}; /* over a Unix socket nobody has to be named */
    say_hello(c, &address, options, token);
    return true;
}

static bool beats(cola_connection *c) {
    c->heartbeat = 1000;
    c->last_sent -= 1000;
    beat(c, now_ms(), FOREVER);
    return true;
}

static cola_consumer *consumer_of(cola_connection *c, uint32_t number) {
    cola_consumer *consumer = calloc(1, sizeof *consumer);
    if (consumer == NULL) abort();
    *consumer = (cola_consumer){.connection = c, .number = number, .next = c->consumers};
    consumer->tail = &consumer->messages;
    c->consumers = consumer;
    return consumer;
}

static cola_message *message_of(cola_connection *c, uint64_t delivery) {
    static cola_message message;
    message = (cola_message){.delivery = delivery, .session = c->session};
    return &message;
}

#include "vectors.inc"

int main(void) {
    static char bytes[1000000];
    size_t failures = 0, count = sizeof vectors / sizeof *vectors;
    for (size_t at = 0; at < count; at++) {
        const struct vector *vector = &vectors[at];
        int server;
        uint64_t tag = vector->has_tag ? vector->tag : any_tag;
        cola_connection *c = connected(tag, &server);
        bool is_there = vector->ask(c);
        ssize_t got = read(server, bytes, sizeof bytes - 1);
        size_t size = got < 0 ? 0 : (size_t)got;
        while (got > 0 && (got = read(server, bytes + size, sizeof bytes - 1 - size)) > 0) size += (size_t)got;
        if (!vector->has_tag) {
            static const char cut[] = " t=987654321";
            for (size_t from = 0; from + sizeof cut - 1 <= size; from++) {
                if (memcmp(bytes + from, cut, sizeof cut - 1) != 0) continue;
                size -= sizeof cut - 1;
                memmove(bytes + from, bytes + from + sizeof cut - 1, size - from);
                break;
            }
        }
        bytes[size] = '\0';
        if (size != vector->size || memcmp(bytes, vector->bytes, size) != 0) {
            printf("%s: %.300s", vector->name, bytes);
            failures++;
        }
        if (is_there) connection_free(c);
        close(server);
    }
    printf("%zu vectors, %zu failed\n", count, failures);
    return failures != 0;
}

/* Counts the words of each text in a queue, and publishes how many to another.
 *
 *     cc -std=c11 -I.. worker.c ../cola.c -o worker
 *     ./worker texts counts          # in as many terminals as you like; Ctrl-C stops one
 *
 * Or Cola starts, watches and limits it; then the queue is that of the definition, and COLA_URL and a token say where
 * it is to connect. A text that it dies of is found, and tried again alone:
 *
 *     workers:
 *       words:
 *         queue: texts
 *         mode: client
 *         command: [./worker]
 *         processes: 4
 *         environment: {RESULTS: counts}
 */
#define _POSIX_C_SOURCE 200809L
#include "cola.h"

#include <ctype.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static volatile sig_atomic_t is_told_to_end;

static void end(int number) {
    (void)number;
    is_told_to_end = 1;
}

static size_t count_words(cola_bytes text) {
    size_t words = 0;
    bool in_word = false;
    for (size_t at = 0; at < text.size; at++) {
        bool is_space = isspace((unsigned char)text.data[at]) != 0;
        words += !is_space && !in_word;
        in_word = !is_space;
    }
    return words;
}

/* The result is on the disk before the text is acknowledged: a crash in between does it once more and loses nothing. */
static cola_code work(cola_connection *connection, const cola_message *text, const char *results) {
    if (text->no_value) {
        cola_failure failure = {.bury = true, .detail = "there is no text"};
        return cola_fail(connection, text, &failure);
    }
    char result[32];
    int size = snprintf(result, sizeof result, "%zu words", count_words(text->body));
    cola_properties properties = {.correlation_id = text->correlation_id};
    cola_code code = cola_publish(connection, results, result, (size_t)size, &properties);
    if (code == COLA_FULL) return cola_nack(connection, text, 1000);
    return code == COLA_OK ? cola_ack(connection, text) : code;
}

/* Until it is told to end, or something breaks. */
static cola_code consume(cola_connection *connection, const char *queue, const char *results) {
    const char *prefetch = getenv("COLA_PREFETCH");
    cola_consume_options options = {.prefetch = prefetch == NULL ? 4 : (unsigned)strtoul(prefetch, NULL, 10)};
    cola_consumer *consumer;
    cola_code code = cola_declare_queue(connection, queue, NULL);
    if (code == COLA_OK) code = cola_declare_queue(connection, results, NULL);
    if (code == COLA_OK) code = cola_consume(connection, queue, &options, &consumer);
    while (code == COLA_OK && !is_told_to_end) {
        cola_message *text;
        code = cola_receive(consumer, 1000, &text);
        if (code == COLA_OK && text != NULL) code = work(connection, text, results);
        cola_message_free(text);
    }
    return code;
}

int main(int count, char **arguments) {
    const char *queue = count > 1 ? arguments[1] : getenv("COLA_QUEUE");
    const char *results = count > 2 ? arguments[2] : getenv("RESULTS");
    if (queue == NULL || results == NULL) {
        fprintf(stderr, "usage: worker TEXTS COUNTS\n");
        return 64;
    }
    struct sigaction action = {.sa_handler = end}; /* without SA_RESTART: cola_receive returns */
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);

    cola_connect_options options = {.client = "worker", .vhost = getenv("COLA_VHOST")};
    cola_connection *connection;
    cola_error error;
    if (cola_connect(NULL, &options, &connection, &error) != COLA_OK) {
        fprintf(stderr, "worker: %s\n", error.sentence);
        return 69;
    }
    cola_code code = consume(connection, queue, results);
    /* Its consumers end before its process is told to. */
    if (code != COLA_OK && code != COLA_CANCELLED) {
        fprintf(stderr, "worker: %s\n", cola_last_error(connection)->sentence);
    }
    cola_code closed = cola_close(connection); /* what is in hand goes back */
    return (code == COLA_OK || code == COLA_CANCELLED) && closed == COLA_OK ? 0 : 1;
}

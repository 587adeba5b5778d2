/* Publishes each line of its standard input, without waiting for each confirm.
 *
 *     cc -std=c11 -I.. producer.c ../cola.c -o producer
 *     seq 1000 | ./producer jobs
 */
#define _POSIX_C_SOURCE 200809L
#include "cola.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void tell(void *context, uint64_t number, const cola_error *error) {
    (void)context;
    fprintf(stderr, "producer: line %" PRIu64 " was refused: %s\n", number + 1, error->sentence);
}

int main(int count, char **arguments) {
    if (count != 2) {
        fprintf(stderr, "usage: producer QUEUE <LINES\n");
        return 64;
    }
    const char *queue = arguments[1];
    cola_connect_options options = {.client = "producer", .window = 500, .refused = tell};
    cola_connection *connection;
    cola_error error;
    if (cola_connect(NULL, &options, &connection, &error) != COLA_OK) {
        fprintf(stderr, "producer: %s\n", error.sentence);
        return 69;
    }
    cola_code code = cola_declare_queue(connection, queue, NULL);
    char *line = NULL;
    size_t room = 0;
    ssize_t size;
    while (code == COLA_OK && (size = getline(&line, &room, stdin)) >= 0) {
        if (size > 0 && line[size - 1] == '\n') size--;
        code = cola_publish_later(connection, queue, line, (size_t)size, NULL, NULL);
    }
    free(line);
    if (code == COLA_OK) code = cola_flush(connection);
    if (code != COLA_OK) fprintf(stderr, "producer: %s\n", cola_last_error(connection)->sentence);
    /* True also of a connection that was lost: of what is not counted here nobody knows. */
    cola_confirms confirms = cola_published(connection);
    printf("%" PRIu64 " of %" PRIu64 " lines are confirmed\n", confirms.answered - confirms.refused, confirms.sent);
    cola_close(connection);
    return code == COLA_OK ? 0 : 1;
}

/* Asking and answering: a queue for the questions, and one for the answers that only who asks knows.
 *
 *     cc -std=c11 -I.. sums.c ../cola.c -o sums
 *     ./sums serve &
 *     ./sums ask 2 40
 */
#include "cola.h"

#include <stdio.h>
#include <stdlib.h>

static const char questions[] = "sums";

static cola_code serve(cola_connection *connection) {
    cola_consumer *consumer;
    cola_code code = cola_consume(connection, questions, NULL, &consumer);
    while (code == COLA_OK) {
        cola_message *question;
        code = cola_receive(consumer, -1, &question);
        if (code != COLA_OK || question == NULL) continue;
        long left, right;
        if (sscanf(question->body.data, "%ld %ld", &left, &right) != 2 || question->reply_to.data == NULL) {
            code = cola_reject(connection, question);
        } else {
            char answer[64];
            int size = snprintf(answer, sizeof answer, "%ld", left + right);
            /* Who asked may have gone, and the queue with it: then nobody wants to know. */
            cola_properties properties = {.correlation_id = question->correlation_id, .may_be_dropped = true};
            code = cola_publish(connection, question->reply_to.data, answer, (size_t)size, &properties);
            if (code == COLA_OK) code = cola_ack(connection, question);
        }
        cola_message_free(question);
    }
    return code;
}

static cola_code ask(cola_connection *connection, const char *left, const char *right) {
    char answers[COLA_NAME_SIZE], question[64];
    cola_queue_options queue = {.exclusive = true};
    cola_consume_options consume = {.auto_ack = true};
    cola_consumer *consumer;
    cola_code code = cola_declare_unnamed_queue(connection, &queue, answers);
    if (code == COLA_OK) code = cola_consume(connection, answers, &consume, &consumer);
    if (code != COLA_OK) return code;

    int size = snprintf(question, sizeof question, "%s %s", left, right);
    if (size < 0 || (size_t)size >= sizeof question) return COLA_INVALID_ARGUMENT;
    cola_properties properties = {.reply_to = answers, .correlation_id = cola_text("1")};
    code = cola_publish(connection, questions, question, (size_t)size, &properties);
    cola_message *answer = NULL;
    if (code == COLA_OK) code = cola_receive(consumer, 10000, &answer);
    if (code == COLA_OK) printf("%s\n", answer == NULL ? "nobody answers" : answer->body.data);
    cola_message_free(answer);
    return code;
}

int main(int count, char **arguments) {
    bool is_serving = count == 2 && strcmp(arguments[1], "serve") == 0;
    if (!is_serving && (count != 4 || strcmp(arguments[1], "ask") != 0)) {
        fprintf(stderr, "usage: sums serve | sums ask NUMBER NUMBER\n");
        return 64;
    }
    cola_connection *connection;
    cola_error error;
    if (cola_connect(NULL, NULL, &connection, &error) != COLA_OK) {
        fprintf(stderr, "sums: %s\n", error.sentence);
        return 69;
    }
    cola_code code = cola_declare_queue(connection, questions, NULL);
    if (code == COLA_OK) code = is_serving ? serve(connection) : ask(connection, arguments[2], arguments[3]);
    if (code != COLA_OK) fprintf(stderr, "sums: %s\n", cola_last_error(connection)->sentence);
    cola_close(connection);
    return code == COLA_OK ? 0 : 1;
}

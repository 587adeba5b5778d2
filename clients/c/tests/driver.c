/* Does what the lines of its standard input say with one connection, and says what came of each on one line of its
 * standard output: "ok …", or "err CODE retry|final SENTENCE". The tests speak with a server through it.
 *
 * Words stand between spaces; NAME=VALUE are options; "-" is NULL.
 */
#include "cola.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { WORDS = 64, MESSAGES = 4096, CONSUMERS = 16 };

static cola_connection *connection;
static cola_consumer *consumers[CONSUMERS];
static cola_message *held[MESSAGES];
static char *words[WORDS];
static int word_count;
static cola_pair pairs[WORDS];
static uint64_t last_refused, refusals;

static void note_refusal(void *context, uint64_t number, const cola_error *error) {
    *(uint64_t *)context += error->code != COLA_OK;
    last_refused = number;
}

static const char *word(int at) {
    return at >= word_count || strcmp(words[at], "-") == 0 ? NULL : words[at];
}

/* Of a word NAME=VALUE. */
static const char *option(const char *name) {
    size_t size = strlen(name);
    for (int at = 1; at < word_count; at++) {
        if (strncmp(words[at], name, size) == 0 && words[at][size] == '=') return words[at] + size + 1;
    }
    return NULL;
}

static uint64_t number_option(const char *name) {
    const char *value = option(name);
    return value == NULL ? 0 : strtoull(value, NULL, 10);
}

static bool flag(const char *name) {
    return option(name) != NULL;
}

/* The words NAME=VALUE from `first` on whose name begins with `prefix`, which is cut off. */
static size_t read_pairs(int first, const char *prefix) {
    size_t count = 0;
    for (int at = first; at < word_count; at++) {
        const char *equals = strchr(words[at], '=');
        if (equals == NULL || strncmp(words[at], prefix, strlen(prefix)) != 0) continue;
        const char *name = words[at] + strlen(prefix);
        pairs[count++] = (cola_pair){{name, (size_t)(equals - name)}, cola_text(equals + 1)};
    }
    return count;
}

static void answer(cola_code code, const char *text) {
    if (code == COLA_OK) {
        printf("ok%s%s\n", *text == '\0' ? "" : " ", text);
        return;
    }
    const cola_error *error = cola_last_error(connection);
    printf("err %s %s %s\n", error->name, error->retry ? "retry" : "final", error->sentence);
    if (error->code != code) printf("the code is not that of the last error\n");
}

static void answer_number(cola_code code, uint64_t number) {
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, number);
    answer(code, text);
}

static void print_message(const cola_message *message) {
    printf("delivery=%" PRIu64 " offset=%" PRIu64 " size=%zu", message->delivery, message->offset, message->body.size);
    if (message->redelivered) printf(" r=%" PRIu64, message->failures);
    if (message->partition != 0) printf(" p=%" PRIu64, message->partition);
    if (message->key.data != NULL) printf(" key=%s", message->key.data);
    if (message->no_value) printf(" null=yes");
    if (message->message_id.data != NULL) printf(" id=%s", message->message_id.data);
    if (message->reply_to.data != NULL) printf(" reply=%s", message->reply_to.data);
    if (message->correlation_id.data != NULL) printf(" corr=%s", message->correlation_id.data);
    for (size_t at = 0; at < message->header_count; at++) {
        printf(" h.%s=%s", message->headers[at].name.data, message->headers[at].value.data);
    }
    if (strlen(message->body.data) != message->body.size) printf(" (a body with a NUL)");
    printf(" body=%s", message->body.size > 1000 ? "(long)" : message->body.data);
}

static void hold(cola_message *message) {
    if (message->delivery > 0 && message->delivery < MESSAGES) {
        cola_message_free(held[message->delivery]);
        held[message->delivery] = message;
    } else {
        cola_message_free(message);
    }
}

static void answer_message(cola_code code, cola_message *message) {
    if (code != COLA_OK || message == NULL) {
        answer(code, "nothing");
        return;
    }
    printf("ok ");
    print_message(message);
    printf("\n");
    hold(message);
}

static void answer_body(cola_code code, cola_answer *result) {
    if (code != COLA_OK) {
        answer(code, "");
        return;
    }
    printf("ok");
    for (size_t at = 0; at < result->option_count; at++) {
        printf(" %s=%s", result->options[at].name.data, result->options[at].value.data);
    }
    printf(" %s\n", result->body.data == NULL ? "" : result->body.data);
    cola_answer_free(result);
}

static cola_properties properties_said(void) {
    return (cola_properties){
        .exchange = option("x"),
        .key = cola_text(option("key")),
        .headers = pairs,
        .header_count = read_pairs(2, "h."),
        .may_be_dropped = flag("drop"),
        .priority = (unsigned)number_option("prio"),
        .has_ttl = flag("ttl"),
        .ttl = number_option("ttl"),
        .delay = number_option("delay"),
        .message_id = cola_text(option("id")),
        .reply_to = option("reply"),
        .correlation_id = cola_text(option("corr")),
        .has_partition = flag("partition"),
        .partition = (uint32_t)number_option("partition"),
        .no_value = flag("null"),
    };
}

static void do_connect(void) {
    cola_error error;
    cola_connect_options options = {
        .user = option("user"),
        .password = option("password"),
        .vhost = option("vhost"),
        .client = option("client"),
        .need = option("need"),
        .heartbeat = (unsigned)number_option("heartbeat"),
        .timeout = (int)number_option("timeout"),
        .window = (unsigned)number_option("window"),
        .refused = note_refusal,
        .context = &refusals,
    };
    if (cola_connect(word(1), &options, &connection, &error) == COLA_OK) {
        printf("ok\n");
    } else {
        printf("err %s %s %s\n", error.name, error.retry ? "retry" : "final", error.sentence);
        if (connection != NULL) printf("there is a connection\n");
    }
}

static void do_publish_sized(void) {
    size_t size = (size_t)number_option("size");
    char *body = malloc(size + 1);
    if (body == NULL) abort();
    memset(body, 'x', size);
    answer(cola_publish(connection, word(1), body, size, NULL), "");
    free(body);
}

static void do_later(void) {
    cola_properties properties = properties_said();
    cola_code code = COLA_OK;
    uint64_t number = 0;
    for (uint64_t count = number_option("count"), at = 0; at < count && code == COLA_OK; at++) {
        char body[64];
        int size = snprintf(body, sizeof body, "%" PRIu64, at);
        code = cola_publish_later(connection, word(1), body, (size_t)size, &properties, &number);
    }
    answer_number(code, number);
}

static void do_many(void) {
    cola_bytes bodies[WORDS];
    size_t count = 0;
    for (int at = 2; at < word_count && strchr(words[at], '=') == NULL; at++) bodies[count++] = cola_text(words[at]);
    cola_properties properties = properties_said();
    answer(cola_publish_many(connection, word(1), bodies, count, &properties), "");
}

static void do_consume(void) {
    int at = 0;
    while (at < CONSUMERS && consumers[at] != NULL) at++;
    uint32_t partitions[1] = {(uint32_t)number_option("partition")};
    cola_consume_options options = {
        .from = option("from"),
        .group = option("group"),
        .join = option("join"),
        .partitions = partitions,
        .partition_count = flag("partition") ? 1 : 0,
        .prefetch = (unsigned)number_option("prefetch"),
        .has_credit = flag("credit"),
        .credit = (uint32_t)number_option("credit"),
        .auto_ack = flag("auto"),
        .priority = (uint32_t)number_option("priority"),
        .exclusive = flag("exclusive"),
        .has_timeout = flag("timeout"),
        .timeout = number_option("timeout"),
    };
    answer_number(cola_consume(connection, word(1), &options, &consumers[at]), (uint64_t)at);
}

/* Receives and acknowledges until nothing comes for some time: "drain CONSUMER MILLISECONDS". */
static void do_drain(cola_consumer *consumer) {
    uint64_t count = 0;
    cola_message *message;
    cola_code code;
    while ((code = cola_receive(consumer, atoi(words[2]), &message)) == COLA_OK && message != NULL) {
        code = cola_ack(connection, message);
        cola_message_free(message);
        if (code != COLA_OK) break;
        count++;
    }
    answer_number(code, count);
}

static void do_peek(void) {
    cola_peek_options options = {
        .from = number_option("from"),
        .count = (unsigned)number_option("count"),
        .partition = (uint32_t)number_option("partition"),
        .has_priority = flag("priority"),
        .priority = (unsigned)number_option("priority"),
    };
    cola_message *first;
    cola_code code = cola_peek(connection, word(1), &options, &first);
    if (code != COLA_OK) {
        answer(code, "");
        return;
    }
    printf("ok");
    for (const cola_message *message = first; message != NULL; message = message->next) {
        printf(" ");
        print_message(message);
    }
    printf("\n");
    cola_message_free(first);
}

static void do_request(void) {
    cola_bytes said[WORDS];
    size_t count = 0;
    for (int at = 2; at < word_count && strchr(words[at], '=') == NULL; at++) said[count++] = cola_text(words[at]);
    cola_answer *result;
    cola_code code = cola_request(connection, words[1], said, count, pairs, read_pairs(2, ""), &result);
    answer_body(code, result);
}

static void do_settle(const char *verb) {
    static const cola_message unknown = {.delivery = 0};
    uint64_t delivery = strtoull(words[1], NULL, 10);
    const cola_message *message = delivery < MESSAGES && held[delivery] != NULL ? held[delivery] : &unknown;
    int64_t delay = flag("delay") ? (int64_t)number_option("delay") : COLA_AS_THE_QUEUE_SAYS;
    cola_code code;
    if (strcmp(verb, "ack") == 0) {
        code = cola_ack(connection, message);
    } else if (strcmp(verb, "nack") == 0) {
        code = cola_nack(connection, message, delay);
    } else if (strcmp(verb, "reject") == 0) {
        code = cola_reject(connection, message);
    } else {
        cola_failure failure = {
            .bury = flag("bury"),
            .has_delay = flag("delay"),
            .delay = number_option("delay"),
            .attempts = (unsigned)number_option("attempts"),
            .unless_the_queue = flag("default"),
            .detail = option("detail"),
            .output = option("output"),
        };
        code = cola_fail(connection, message, &failure);
    }
    answer(code, "");
}

/* As a program with an event loop receives: "poll CONSUMER MILLISECONDS". */
static void do_poll(cola_consumer *consumer) {
    cola_message *message;
    cola_code code = cola_receive(consumer, 0, &message);
    while (code == COLA_OK && message == NULL) {
        struct pollfd polled = {cola_descriptor(connection), cola_events(connection), 0};
        if (poll(&polled, 1, atoi(words[2])) <= 0) break;
        code = cola_receive(consumer, 0, &message);
    }
    answer_message(code, message);
}

static void do_assigned(const cola_consumer *consumer) {
    cola_assignment assigned = cola_assigned(consumer);
    printf("ok generation=%" PRIu64, assigned.generation);
    for (size_t at = 0; at < assigned.count; at++) {
        printf(" %" PRIu64 ":%" PRIu64, assigned.places[at].partition, assigned.places[at].offset);
    }
    printf("\n");
}

static void do_declare(void) {
    cola_queue_options options = {
        .transient = flag("transient"),
        .exclusive = flag("exclusive"),
        .auto_delete = flag("autodelete"),
        .arguments = pairs,
        .argument_count = read_pairs(2, "a."),
    };
    if (word(1) != NULL) {
        answer(cola_declare_queue(connection, words[1], &options), "");
        return;
    }
    char name[COLA_NAME_SIZE] = "";
    cola_code code = cola_declare_unnamed_queue(connection, &options, name);
    answer(code, name);
}

static void do_bind(bool is_bind) {
    cola_binding binding = {
        .key = option("key"),
        .to_exchange = flag("toexchange"),
        .match = option("match"),
        .headers = pairs,
        .header_count = read_pairs(3, "h."),
    };
    answer((is_bind ? cola_bind : cola_unbind)(connection, word(1), word(2), &binding), "");
}

/* The consumer that the first word says. */
static cola_consumer **place(void) {
    int at = word_count > 1 ? atoi(words[1]) : 0;
    return &consumers[at >= 0 && at < CONSUMERS ? at : 0];
}

static bool is(const char *verb) {
    return strcmp(words[0], verb) == 0;
}

static void obey(void) {
    uint64_t number = 0;
    cola_answer *result = NULL;
    cola_message *message = NULL;
    cola_properties properties;
    cola_code code;
    if (is("connect")) do_connect();
    else if (is("declare")) do_declare();
    else if (is("topic")) answer(cola_declare_topic(connection, word(1), (unsigned)atoi(words[2]), NULL, 0), "");
    else if (is("exchange")) answer(cola_declare_exchange(connection, word(1), word(2), pairs, read_pairs(3, "")), "");
    else if (is("bind")) do_bind(true);
    else if (is("unbind")) do_bind(false);
    else if (is("delete")) {
        unsigned flags = (flag("unused") ? COLA_IF_UNUSED : 0U) | (flag("empty") ? COLA_IF_EMPTY : 0U);
        code = cola_delete(connection, word(1), word(2), flags, &number);
        answer_number(code, number);
    } else if (is("purge")) {
        code = cola_purge(connection, word(1), &number);
        answer_number(code, number);
    } else if (is("publish")) {
        properties = properties_said();
        const char *body = word(2);
        code = cola_publish(connection, word(1), body, body == NULL ? 0 : strlen(body), &properties);
        answer(code, code == COLA_OK && cola_was_duplicate(connection) ? "duplicate" : "");
    } else if (is("sized")) do_publish_sized();
    else if (is("many")) do_many();
    else if (is("later")) do_later();
    else if (is("flush")) answer(cola_flush(connection), "");
    else if (is("confirms")) {
        cola_confirms confirms = cola_published(connection);
        printf("ok sent=%" PRIu64 " answered=%" PRIu64 " refused=%" PRIu64 " duplicates=%" PRIu64 " told=%" PRIu64
               " last=%" PRIu64 "\n",
               confirms.sent, confirms.answered, confirms.refused, confirms.duplicates, refusals, last_refused);
    } else if (is("consume")) do_consume();
    else if (is("receive")) {
        code = cola_receive(*place(), atoi(words[2]), &message);
        answer_message(code, message);
    } else if (is("poll")) do_poll(*place());
    else if (is("drain")) do_drain(*place());
    else if (is("assigned")) do_assigned(*place());
    else if (is("credit")) answer(cola_credit(*place(), (uint32_t)atoi(words[2])), "");
    else if (is("seek")) answer(cola_seek(*place(), word(2), flag("partition") ? atoi(option("partition")) : -1), "");
    else if (is("cancel")) {
        cola_consumer *consumer = *place();
        *place() = NULL;
        answer(cola_cancel(consumer), "");
    } else if (is("ack") || is("nack") || is("reject") || is("fail")) do_settle(words[0]);
    else if (is("ackrange")) {
        answer(cola_ack_range(connection, strtoull(words[1], NULL, 10), strtoull(words[2], NULL, 10)), "");
    } else if (is("get")) {
        code = cola_get(connection, word(1), flag("manual"), &message);
        answer_message(code, message);
    } else if (is("peek")) do_peek();
    else if (is("commit")) {
        answer(cola_commit(connection, word(1), word(2), strtoull(words[3], NULL, 10),
                           (uint32_t)number_option("partition")), "");
    } else if (is("stat")) {
        code = cola_stat(connection, &result);
        answer_body(code, result);
    } else if (is("list")) {
        code = cola_list(connection, word(1), &result);
        answer_body(code, result);
    } else if (is("describe")) {
        code = cola_describe(connection, word(1), word(2), &result);
        answer_body(code, result);
    } else if (is("request")) do_request();
    else if (is("ping")) answer(cola_ping(connection), "");
    else if (is("process")) answer(cola_process(connection, atoi(words[1])), "");
    else if (is("timeout")) {
        cola_set_timeout(connection, atoi(words[1]));
        printf("ok\n");
    } else if (is("open")) printf("ok %s\n", cola_is_open(connection) ? "yes" : "no");
    else if (is("bodymax")) printf("ok %" PRIu64 "\n", cola_body_max(connection));
    else if (is("blocked")) {
        const char *why = cola_blocked(connection);
        printf("ok %s\n", why == NULL ? "no" : why);
    } else if (is("close")) {
        code = cola_close(connection);
        printf("%s %s\n", code == COLA_OK ? "ok" : "err", cola_code_name(code));
        connection = NULL;
        memset(consumers, 0, sizeof consumers);
    } else {
        printf("what is %s?\n", words[0]);
    }
}

static void ignore(int number) {
    (void)number;
}

int main(void) {
    static char line[70000];
    struct sigaction action = {.sa_handler = ignore}; /* without SA_RESTART: what waits is interrupted */
    sigaction(SIGUSR1, &action, NULL);
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (;;) {
        if (fgets(line, sizeof line, stdin) == NULL) {
            if (!ferror(stdin) || errno != EINTR) break;
            clearerr(stdin);
            continue;
        }
        word_count = 0;
        for (char *at = strtok(line, " \n"); at != NULL && word_count < WORDS; at = strtok(NULL, " \n")) {
            words[word_count++] = at;
        }
        if (word_count > 0) obey();
    }
    cola_close(connection);
    for (size_t at = 0; at < MESSAGES; at++) cola_message_free(held[at]);
    return 0;
}

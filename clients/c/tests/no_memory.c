/* Uses the library against a server while allocations fail: the first, then the second, and so on, each alone and then
 * with all that follow, until a run has none left to fail. Each run must end, and leave nothing behind.
 *
 *     no_memory URL
 */
#include <stddef.h>
#include <stdlib.h>

static long allocations, fails_at;
static int fails_after;

static int fails(void) {
    long number = ++allocations;
    return number == fails_at || (fails_after && number > fails_at);
}

static void *failing_malloc(size_t size) {
    return fails() ? NULL : malloc(size);
}

static void *failing_calloc(size_t count, size_t size) {
    return fails() ? NULL : calloc(count, size);
}

static void *failing_realloc(void *block, size_t size) {
    return fails() ? NULL : realloc(block, size);
}

#define malloc failing_malloc
#define calloc failing_calloc
#define realloc failing_realloc
#include "../cola.c"

/* What a program does that goes on in spite of errors. */
static void use(const char *url) {
    cola_connection *c;
    cola_consumer *consumer = NULL;
    cola_message *message;
    cola_answer *answer;
    cola_error error;
    char name[COLA_NAME_SIZE];
    cola_connect_options options = {.timeout = 5000, .client = "no memory"};
    cola_code code = cola_connect(url, &options, &c, &error);
    if (code != COLA_OK) {
        if (code != COLA_NO_MEMORY || c != NULL || error.sentence[0] == '\0') abort();
        return;
    }
    cola_pair header = {cola_text("lang"), cola_text("en")};
    cola_properties properties = {.headers = &header, .header_count = 1, .key = cola_text("k")};
    cola_declare_queue(c, "scarce", NULL);
    cola_declare_unnamed_queue(c, &(cola_queue_options){.exclusive = true}, name);
    for (int at = 0; at < 40; at++) cola_publish_later(c, "scarce", "x", 1, &properties, NULL);
    cola_flush(c);
    static char body[300000];
    cola_publish(c, "scarce", body, sizeof body, &properties);
    cola_consume(c, "scarce", &(cola_consume_options){.prefetch = 20}, &consumer);
    for (int at = 0; at < 10 && consumer != NULL; at++) {
        code = cola_receive(consumer, 1000, &message);
        if (code != COLA_OK || message == NULL) break;
        cola_ack(c, message);
        cola_message_free(message);
    }
    if (cola_get(c, "scarce", false, &message) == COLA_OK) cola_message_free(message);
    if (cola_peek(c, "scarce", &(cola_peek_options){.count = 30}, &message) == COLA_OK) cola_message_free(message);
    if (cola_stat(c, &answer) == COLA_OK) cola_answer_free(answer);
    cola_cancel(consumer);
    cola_purge(c, "scarce", NULL);
    if (!cola_is_open(c) && cola_ping(c) != COLA_NO_MEMORY) abort();
    cola_close(c);
}

int main(int count, char **arguments) {
    if (count != 2) return 64;
    for (fails_after = 0; fails_after < 2; fails_after++) {
        fails_at = 0;
        do {
            fails_at++;
            allocations = 0;
            use(arguments[1]);
        } while (allocations >= fails_at);
    }
    printf("%ld\n", fails_at);
    return 0;
}

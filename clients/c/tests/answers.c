/* Reads bytes of a server, as lines of hexadecimal digits, and says what the library makes of them.
 *
 *     answers          each line is an answer; it is read whole, byte by byte and cut in two, and printed once if that
 *                      makes no difference
 *     answers fuzz N   mixes and spoils the lines N times, and gives them to connections that wait for much; it only
 *                      has to survive, under the sanitizers
 *
 * The library's own code is part of this program.
 */
#include "../cola.c"

enum { LINES = 1000, OUTPUT = 1000000 };

static char output[3][OUTPUT];
static size_t output_size;
static char *out;

static struct {
    unsigned char *bytes;
    size_t size;
} lines[LINES];
static size_t line_count;

FORMATTED(1, 2)
static void print(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(out + output_size, OUTPUT - output_size, format, arguments);
    va_end(arguments);
    if (size < 0 || (size_t)size >= OUTPUT - output_size) abort();
    output_size += (size_t)size;
}

static void print_bytes(const char *name, cola_bytes bytes) {
    if (bytes.data == NULL) return;
    print(" %s=", name);
    for (size_t at = 0; at < bytes.size; at++) print("%02x", (unsigned)(unsigned char)bytes.data[at]);
    if (bytes.data[bytes.size] != '\0') print("(no NUL)");
}

static void print_pairs(const cola_pair *pairs, size_t count) {
    for (size_t at = 0; at < count; at++) {
        print_bytes("name", pairs[at].name);
        print_bytes("value", pairs[at].value);
    }
}

static enum made print_message(const cola_connection *c, const struct frame *frame) {
    cola_message *message;
    enum made made = make_message(c, frame, &message);
    if (made != MADE) return made;
    print("msg consumer=%" PRIu64 " delivery=%" PRIu64 " offset=%" PRIu64 " p=%" PRIu64, frame->consumer,
          message->delivery, message->offset, message->partition);
    if (message->redelivered) print(" r=%" PRIu64, message->failures);
    print(" ts=%" PRIu64 " null=%d", message->timestamp, message->no_value);
    print_bytes("key", message->key);
    print_pairs(message->headers, message->header_count);
    print_bytes("body", message->body);
    cola_message_free(message);
    return MADE;
}

static enum made print_answer(const struct frame *frame) {
    cola_answer *answer;
    enum made made = make_answer(frame, &answer);
    if (made != MADE) return made;
    print("ok");
    if (frame->has_tag) print(" t=%" PRIu64 " t_last=%" PRIu64, frame->tag, frame->tag_last);
    print_pairs(answer->options, answer->option_count);
    print_bytes("body", answer->body);
    cola_answer_free(answer);
    return MADE;
}

static enum made print_assigned(cola_connection *c, const struct frame *frame) {
    const char *problem;
    enum made made = dispatch(c, frame, &problem);
    if (made != MADE) return made;
    for (cola_consumer *consumer = c->consumers; consumer != NULL; consumer = consumer->next) {
        cola_assignment assigned = cola_assigned(consumer);
        if (assigned.generation == 0) continue;
        print("assigned c=%" PRIu32 " generation=%" PRIu64, consumer->number, assigned.generation);
        for (size_t at = 0; at < assigned.count; at++) {
            print(" %" PRIu64 ":%" PRIu64, assigned.places[at].partition, assigned.places[at].offset);
        }
    }
    return MADE;
}

static enum made print_frame(cola_connection *c, const struct frame *frame) {
    static const char *const names[] = {"ok", "err", "msg", "assigned", "bye", "blocked", "unblocked", "beat"};
    if (frame->kind == OK) return print_answer(frame);
    if (frame->kind == MSG) return print_message(c, frame);
    if (frame->kind == ASSIGNED) return print_assigned(c, frame);
    print("%s", names[frame->kind]);
    if (frame->has_tag) print(" t=%" PRIu64, frame->tag);
    if (frame->has_consumer) print(" c=%" PRIu64, frame->consumer);
    if (frame->kind == ERR) print(" retry=%d", frame->retry);
    if (frame->kind == ERR || frame->kind == BYE) print(" code=%.*s", (int)frame->code.size, frame->code.data);
    if (frame->sentence.data != NULL) print(" sentence=%.*s", (int)frame->sentence.size, frame->sentence.data);
    return MADE;
}

static void add_consumer(cola_connection *c, uint32_t number) {
    cola_consumer *consumer = calloc(1, sizeof *consumer);
    if (consumer == NULL) abort();
    *consumer = (cola_consumer){.connection = c, .number = number, .next = c->consumers};
    consumer->tail = &consumer->messages;
    c->consumers = consumer;
}

static cola_connection *some_connection(void) {
    static const cola_connect_options none = {0};
    cola_connection *c = new_connection(&none);
    if (c == NULL) abort();
    c->descriptor = open("/dev/null", O_RDWR);
    c->shown = copy_of("the test");
    add_consumer(c, 1);
    add_consumer(c, UINT32_MAX);
    return c;
}

static void receive(cola_connection *c, const unsigned char *bytes, size_t size) {
    while (size > 0) {
        if (!make_read_room(&c->input)) abort();
        size_t room = c->input.capacity - c->input.end, some = size < room ? size : room;
        memcpy(c->input.data + c->input.end, bytes, some);
        c->input.end += some;
        bytes += some;
        size -= some;
    }
}

/* Prints the frames that are there; false: what comes cannot be read. */
static bool print_frames(cola_connection *c) {
    struct frame frame;
    const char *problem;
    for (;;) {
        enum found found = next_frame(&c->input, &frame, &problem);
        if (found == NOT_YET) return true;
        if (found == BROKEN || print_frame(c, &frame) != MADE) {
            print("broken");
            return false;
        }
    }
}

/* Reads a line in pieces of so many bytes. */
static void print_in_pieces(const unsigned char *bytes, size_t size, size_t piece, char *into) {
    cola_connection *c = some_connection();
    out = into;
    output_size = 0;
    out[0] = '\0';
    for (size_t at = 0; at < size; at += piece) {
        receive(c, bytes + at, size - at < piece ? size - at : piece);
        if (!print_frames(c)) break;
    }
    connection_free(c);
}

static int read_all(void) {
    for (size_t at = 0; at < line_count; at++) {
        print_in_pieces(lines[at].bytes, lines[at].size, lines[at].size, output[0]);
        print_in_pieces(lines[at].bytes, lines[at].size, 1, output[1]);
        print_in_pieces(lines[at].bytes, lines[at].size, lines[at].size / 2 + 1, output[2]);
        bool same = strcmp(output[0], output[1]) == 0 && strcmp(output[0], output[2]) == 0;
        printf("%s%s\n", same ? "" : "it makes a difference: ", output[0]);
    }
    return 0;
}

/* SplitMix64 (Steele, Lea and Flood, 2014). */
static uint64_t seed;

static size_t random_below(size_t limit) {
    uint64_t z = seed += 0x9E3779B97F4A7C15;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return (size_t)((z ^ (z >> 31)) % limit);
}

/* A connection that waits for a call, for publishes, and for what nobody wants any more. */
static void fuzz_once(void) {
    cola_connection *c = some_connection();
    struct call call = {.takes = TAKES_ANSWER};
    call.takes = random_below(3) == 0 ? TAKES_MESSAGE : random_below(2) == 0 ? TAKES_MESSAGES : TAKES_ANSWER;
    call.tail = &call.messages;
    for (int at = 0; at < 12; at++) {
        enum owner owner = at == 5 ? CALLED : random_below(3) == 0 ? IGNORED : PUBLISHED;
        begin(c, "ping");
        add_tag(c);
        submit(c, owner);
        c->confirms.sent += owner == PUBLISHED;
    }
    c->call = &call;
    bool had_call = false;
    for (size_t count = 1 + random_below(8); count > 0 && c->descriptor >= 0; count--) {
        size_t at = random_below(line_count), size = lines[at].size;
        unsigned char *bytes = malloc(size + 64);
        if (bytes == NULL) abort();
        memcpy(bytes, lines[at].bytes, size);
        for (size_t spoilt = random_below(3); spoilt > 0 && size > 0; spoilt--) {
            static const char likely[] = "0123456789 =%\n-,:t.h";
            bool is_likely = random_below(2) == 0;
            char guess = likely[random_below(sizeof likely)];
            unsigned char byte = is_likely ? (unsigned char)guess : (unsigned char)random_below(256);
            size_t place = random_below(size < 80 ? size : 80);
            if (random_below(4) == 0 && size > 1) {
                memmove(bytes + place, bytes + place + 1, size - place - 1);
                size--;
            } else if (random_below(4) == 0) {
                memmove(bytes + place + 1, bytes + place, size - place);
                bytes[place] = byte;
                size++;
            } else {
                bytes[place] = byte;
            }
        }
        size_t cut = random_below(size + 1);
        receive(c, bytes, cut);
        take_in(c);
        receive(c, bytes + cut, size - cut);
        take_in(c);
        free(bytes);
        /* A call is over when it is answered; the next one is not begun here. */
        if (call.done && !had_call) {
            had_call = true;
            cola_message_free(call.messages);
            cola_answer_free(call.answer);
            call.messages = NULL;
            call.answer = NULL;
            call.tail = &call.messages;
        }
        cola_message *message;
        for (cola_consumer *consumer = c->consumers; consumer != NULL; consumer = consumer->next) {
            if (consumer->messages == NULL) continue;
            if (cola_receive(consumer, 0, &message) == COLA_OK) cola_message_free(message);
        }
    }
    cola_message_free(call.messages);
    if (!had_call) cola_answer_free(call.answer);
    connection_free(c);
}

int main(int count, char **arguments) {
    static char line[500000];
    while (line_count < LINES && fgets(line, sizeof line, stdin) != NULL) {
        size_t size = strspn(line, "0123456789abcdef") / 2;
        unsigned char *bytes = malloc(size + 1);
        if (bytes == NULL) abort();
        for (size_t at = 0; at < size; at++) {
            bytes[at] = (unsigned char)(hex_value(line[2 * at]) * 16 + hex_value(line[2 * at + 1]));
        }
        lines[line_count].bytes = bytes;
        lines[line_count++].size = size;
    }
    int code = 0;
    if (count == 4 && strcmp(arguments[1], "fuzz") == 0) {
        seed = strtoull(arguments[3], NULL, 10);
        for (long round = strtol(arguments[2], NULL, 10); round > 0; round--) fuzz_once();
        printf("survived\n");
    } else {
        code = read_all();
    }
    for (size_t at = 0; at < line_count; at++) free(lines[at].bytes);
    return code;
}

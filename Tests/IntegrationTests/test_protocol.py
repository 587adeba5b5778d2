"""`protocol/native.md` against the real server: each verb, option and error, and its worked exchanges to the byte."""
from __future__ import annotations

import itertools
import json
import os
import re
import time

import pytest

import native
from broker import REPOSITORY

numbers = itertools.count(1)

MEMBERS = {
    "queues": {"name", "ready", "unacknowledged", "messages", "bytes", "consumers", "durable", "policy"},
    "topics": {"name", "partitions", "messages", "bytes", "first", "next", "readers", "groups", "policy"},
    "exchanges": {"name", "type", "alternate", "durable", "auto-delete", "internal", "delayed", "arguments"},
    "bindings": {"source", "destination", "to", "key"},
    "consumers": {"connection", "consumer", "queue", "prefetch", "credit", "unacknowledged", "priority", "active",
                  "group"},
    "connections": {"connection", "protocol", "peer", "user", "client", "pid", "uid", "consumers", "unacknowledged",
                    "since", "vhost"},
    "groups": {"topic", "group", "members", "generation", "strategy", "lag"},
    "policies": {"name", "pattern", "to", "priority", "arguments"},
    "vhosts": {"name", "queues", "topics", "connections"},
}
STATISTICS = {"version", "epoch", "uptime", "connections", "consumers", "queues", "topics", "messages", "published",
              "delivered", "acknowledged", "redelivered", "elided", "commits", "memory", "blocked", "quarantined",
              "scheduled", "undeliverable", "remembered"}


@pytest.fixture
def name():
    """A name that no other test uses."""
    return "n%d" % next(numbers)


@pytest.fixture
def queue(connection, name):
    connection.ok("declare queue %s" % name)
    return name


@pytest.fixture
def topic(connection, name):
    connection.ok("declare topic %s" % name)
    return name


def assert_error(answer, code, may_retry=False):
    assert not answer.ok and (answer.code, answer.may_retry) == (code, may_retry), answer
    assert answer.sentence and answer.sentence.isprintable()


def pub(connection, target, *bodies, options=""):
    for body in bodies:
        connection.send_bytes(native.publish(target, body, options))
        answer = connection.answer()
        assert answer.ok, answer


def bodies_of(deliveries):
    return [delivery.body for delivery in deliveries]


def nothing_comes(connection, seconds=0.15):
    delivery = connection.delivery(seconds)
    assert delivery is None, delivery


def row(connection, table, **wanted):
    """The rows of a listing with these members."""
    rows = connection.ok("list %s" % table).json()
    return [found for found in rows if all(found[key] == value for key, value in wanted.items())]


def held(connection, queue):
    return row(connection, "queues", name=queue)[0]["unacknowledged"]


# Section 4, literally


def exchanges():
    """The worked exchanges of native.md: lists of ('>' or '<', line)."""
    page = (REPOSITORY / "protocol" / "native.md").read_text()
    blocks = re.findall(r"```\n(.*?)```", page.split("## 4.")[1].split("## 5.")[0], re.S)
    found = [[(line[0], line[2:]) for line in block.splitlines()] for block in blocks]
    assert len(found) >= 2 and all(side in "<>" for block in found for side, _ in block)
    return found


def pattern_of(line):
    """Exactly the line, except what differs from one server to the next: the time, the user and the version."""
    pattern = re.escape(line)
    pattern = re.sub(r"ts=\d+", r"ts=\\d{13}", pattern)
    pattern = re.sub(r"server=Cola/[^ ]*?(\\ |$)", r"server=Cola/\\S+\1", pattern)
    return pattern.encode()


def play(connection, block, cut):
    """Sends each run of `>` lines, cut into pieces of `cut` bytes, and expects the `<` lines that follow."""
    for side, lines in itertools.groupby(block, key=lambda entry: entry[0]):
        text = "".join(line + "\n" for _, line in lines)
        if side == ">":
            data = text.encode()
            for begin in range(0, len(data), cut):
                connection.send_bytes(data[begin:begin + cut])
            continue
        for line in text.splitlines():
            found = connection._take_line(time.monotonic() + 10)
            assert found is not None, "%r was expected, nothing came" % line
            assert re.fullmatch(pattern_of(line), found.encode()), "%r was expected, %r came" % (line, found)


@pytest.mark.parametrize("cut", [1, 2, 3, 7, 64, 10_000])
def test_worked_exchanges(new_broker, cut):
    server = new_broker()
    server.start()
    first, *others = exchanges()
    with native.Connection(server.tcp, hello="") as connection:
        play(connection, first, cut)
        assert connection.rest() == b"", "after quit the server closes"
    for block in others:
        with native.Connection(server.unix) as connection:
            # Whether answers are merged is up to the server (and to how the bytes arrive): expand the page's and ours.
            play_merged(connection, block, cut)


def play_merged(connection, block, cut):
    data = "".join(line + "\n" for side, line in block if side == ">").encode()
    for begin in range(0, len(data), cut):
        connection.send_bytes(data[begin:begin + cut])
    expected = [tag for side, line in block if side == "<" for tag in tags_of(line)]
    found = []
    while len(found) < len(expected):
        answer = connection.answer()
        assert answer.ok
        found += range(answer.first, answer.last + 1)
    assert found == expected


def tags_of(line):
    first, last = re.fullmatch(r"ok t=(\d+)(?:-(\d+))?", line).groups()
    return range(int(first), int(last or first) + 1)


# Section 1 and 3.1: the connection


def test_hello_over_tcp(shared_broker):
    with native.Connection(shared_broker.tcp, hello="") as connection:
        answer = connection.ok("hello 1 user=guest password=guest client=test heartbeat=0 t=9")
        assert answer.first == 9
        assert {"version": "1", "user": "guest", "heartbeat": "0", "line": "65536", "body": "16777216"}.items() \
            <= answer.options.items()
        assert re.fullmatch(r"Cola/\d+\.\d+\.\d+.*", answer.options["server"])
        features = answer.options["features"].split(",")
        assert features == sorted(features)
        assert {"batch", "bind", "get", "groups", "headers", "keys", "peek", "prefetch", "topics"} <= set(features)


def test_hello_over_the_unix_socket_is_not_needed(shared_broker):
    with native.Connection(shared_broker.unix) as connection:
        connection.ok("ping")
        assert connection.ok("hello 1").options["admin"] == "yes"


@pytest.mark.parametrize("hello, code", [
    ("hello 1 user=guest password=wrong", "unauthenticated"), ("hello 1 user=nobody password=guest", "unauthenticated"),
    ("hello 1 user=guest", "unauthenticated"), ("hello 1", "unauthenticated"), ("declare queue q", "unauthenticated"),
    ("hello 2 user=guest password=guest", "unsupported_version")])
def test_hello_refused_closes(shared_broker, hello, code):
    with native.Connection(shared_broker.tcp, hello="") as connection:
        assert_error(connection.call(hello), code)
        assert connection.rest().startswith(b"bye %s " % code.encode())


def test_ping_and_beat_before_hello(shared_broker):
    with native.Connection(shared_broker.tcp, hello="") as connection:
        connection.send("beat")
        assert connection.ok("ping t=1").first == 1
        assert connection.ok("quit").ok
        assert connection.rest() == b""


def test_need(shared_broker):
    with native.Connection(shared_broker.tcp, hello="") as connection:
        assert_error(connection.call("hello 1 user=guest password=guest need=batch,telepathy"), "unsupported_feature")
        connection.ok("hello 1 user=guest password=guest need=batch,topics")


def test_default_user_from_the_environment(new_broker):
    server = new_broker(environment={"COLA_DEFAULT_USER": "ana", "COLA_DEFAULT_PASS": "s e%cret"})
    server.start()
    with native.Connection(server.tcp, hello="") as connection:
        answer = connection.ok("hello 1 user=ana password=%s" % native.escape("s e%cret"))
        assert answer.options["user"] == "ana"
    with native.Connection(server.tcp, hello="") as connection:
        assert_error(connection.call("hello 1 user=guest password=guest"), "unauthenticated")
    assert "s e%cret" not in server.stderr()


def test_quit_answers_what_is_outstanding_first(connection, queue):
    connection.send_bytes(b"".join(native.publish(queue, b"x", "t=%d" % tag) for tag in range(1, 21)) + b"quit\n")
    answered = []
    while len(answered) < 20:
        answer = connection.answer()
        assert answer.ok
        answered += range(answer.first, answer.last + 1)
    assert answered == list(range(1, 21))
    last = connection.answer()
    assert last.ok and last.first is None
    assert connection.rest() == b""


def test_heartbeats(shared_broker):
    """The server beats every half second, and gives up 2 s after the last sign of life."""
    with native.Connection(shared_broker.unix) as connection:
        assert connection.ok("hello 1 heartbeat=1").options["heartbeat"] == "1"
        begun, beats = time.monotonic(), 0
        while time.monotonic() - begun < 3:  # kept alive by beats alone
            connection.send("beat")
            event = connection.next_event(0.4)
            beats += isinstance(event, native.Notice) and event.verb == "beat"
        assert beats >= 3
        quiet = time.monotonic()
        rest = connection.rest()
        assert 1.0 < time.monotonic() - quiet < 6
        assert b"bye timeout " in rest, rest


@pytest.mark.parametrize("heartbeat", ["3601", "-1", "x", "1.5"])
def test_heartbeat_out_of_range(shared_broker, heartbeat):
    with native.Connection(shared_broker.unix) as connection:
        assert not connection.call("hello 1 heartbeat=%s" % heartbeat).ok


# Section 2: lines


@pytest.mark.parametrize("line", [
    "ping  ", "ping ping", "ping x=y", "ping t=1 t=2", "ping t=01", "ping t=", "ping t=-1", "PING", "p1ng", " ping",
    "declare queue", "declare  queue x", "declare shelf x", "declare queue x y", "declare exchange x", "ack", "ack x",
    "ack 1-", "ack -1", "ack 01", "declare exchange x type=odd", "declare exchange x type=fanout type=fanout",
    "consume", "consume q c=1 color=red", "list", "list sheep", "declare queue a\x01b", "declare queue a%zzb",
    "credit 1", "ping t=9223372036854775808"])
def test_syntax_errors_go_on(connection, line):
    answer = connection.call(line)
    assert not answer.ok and answer.code in ("syntax", "unknown_command") and not answer.may_retry, answer
    connection.ok("ping")


@pytest.mark.parametrize("line", ["frobnicate", "hellish 1", "publish q 1"])
def test_unknown_command(connection, line):
    assert_error(connection.call(line), "unknown_command")
    connection.ok("ping")


def test_empty_lines_and_carriage_returns(connection):
    connection.send_bytes(b"\n\r\n\nping t=1\r\n\nping t=2\n")
    tags = []
    while len(tags) < 2:
        answer = connection.answer()
        tags += range(answer.first, answer.last + 1)
    assert tags == [1, 2]


def test_names_with_any_byte(connection, name):
    odd = "%s é %% = \t\n/漢" % name
    connection.ok("declare queue %s" % native.escape(odd))
    pub(connection, odd, b"1")
    assert row(connection, "queues", name=odd)[0]["messages"] == 1
    connection.ok("consume %s c=7" % native.escape(odd))
    assert connection.collect(1)[0].body == b"1"


def test_the_longest_name(connection):
    connection.ok("declare queue %s" % ("x" * 255))
    assert_error(connection.call("declare queue %s" % ("x" * 256)), "syntax")
    connection.ok("delete queue %s" % ("x" * 255))


def test_lines_of_the_greatest_length(connection, queue):
    """65,536 bytes with the LF are a line; one more is not, and closes."""
    start = "pub %s 1 h.a=" % queue
    connection.send(start + "b" * (65_535 - len(start)), b"x")
    assert connection.answer().ok
    connection.send(start + "b" * (65_536 - len(start)), b"x")
    assert_error(connection.answer(), "line_too_long")
    assert connection.rest().startswith(b"bye line_too_long ")


def test_lines_before_the_connection_is_open(shared_broker):
    start = "hello 1 user=guest password=guest client="
    with native.Connection(shared_broker.tcp, hello="") as connection:
        connection.ok(start + "b" * (8191 - len(start)))
    with native.Connection(shared_broker.tcp, hello="") as connection:
        connection.send(start + "b" * (8192 - len(start)))
        assert_error(connection.answer(), "line_too_long")


@pytest.mark.parametrize("verb", ["queue", "topic", "exchange"])
@pytest.mark.parametrize("reserved", ["amq.mine", "cola.mine"])
def test_reserved_names(connection, verb, reserved):
    kind = " type=fanout" if verb == "exchange" else ""
    assert_error(connection.call("declare %s %s%s" % (verb, reserved, kind)), "access_refused")


# Section 3: tags and order


def test_tags_come_back_in_order(connection, queue):
    lines = [native.publish(queue, b"%d" % tag, "t=%d" % tag) for tag in range(1, 501)]
    lines.insert(250, b"ping t=100000\n")
    lines.insert(100, native.publish("missing-" + queue, b"x", "t=70000"))
    connection.send_bytes(b"".join(lines))
    tags, errors = [], []
    while len(tags) < 502:
        answer = connection.answer()
        tags += range(answer.first, answer.last + 1)
        if not answer.ok:
            errors.append((answer.first, answer.code))
    assert tags == [*range(1, 101), 70_000, *range(101, 251), 100_000, *range(251, 501)]
    assert errors == [(70_000, "unroutable")]


def test_requests_without_tags_are_answered_one_by_one(connection, queue):
    connection.send_bytes(native.publish(queue, b"x") * 50)
    for _ in range(50):
        answer = connection.answer()
        assert answer.ok and answer.first is None


def test_settling_is_answered_only_with_a_tag_or_an_error(connection, queue):
    pub(connection, queue, b"1", b"2", b"3", b"4")
    connection.ok("consume %s c=1" % queue)
    numbers = [delivery.number for delivery in connection.collect(4)]
    assert numbers == [1, 2, 3, 4]
    connection.send("ack 1")
    connection.send("reject 2")
    assert connection.ok("ping t=5").first == 5
    assert connection.ok("ack 3-4 t=6").first == 6
    assert_error(connection.call("ack 3"), "unknown_delivery")
    assert_error(connection.call("nack 1-4 t=7"), "unknown_delivery")
    assert_error(connection.call("reject 99"), "unknown_delivery")
    assert connection.call("ack 2-1").code in ("syntax", "unknown_delivery")


# Section 3.2: definitions


def test_declare_twice_and_differently(connection, name):
    assert connection.ok("declare queue %s" % name).options["ready"] == "0"
    pub(connection, name, b"x")
    assert connection.ok("declare queue %s" % name).options["ready"] == "1"
    assert_error(connection.call("declare topic %s" % name), "mismatch")
    connection.ok("declare exchange %s type=direct" % name)  # exchanges have names of their own
    connection.ok("declare exchange %s type=direct" % name)
    assert_error(connection.call("declare exchange %s type=fanout" % name), "mismatch")


def test_delete(connection, name):
    connection.ok("declare queue %s" % name)
    pub(connection, name, b"a", b"b", b"c")
    assert_error(connection.call("delete topic %s" % name), "mismatch")
    assert connection.ok("delete queue %s" % name).options["messages"] == "3"
    assert_error(connection.call("delete queue %s" % name), "not_found")
    assert_error(connection.call("delete exchange %s" % name), "not_found")
    assert connection.ok("declare queue %s" % name).options["ready"] == "0"


def test_consumers_of_a_deleted_queue_are_told(connection, queue, shared_broker):
    with native.Connection(shared_broker.unix) as other:
        other.ok("consume %s c=5" % queue)
        connection.ok("delete queue %s" % queue)
        told = other.next_event(5)
        assert isinstance(told, native.ConsumerError) and (told.consumer, told.code) == (5, "cancelled"), told
        assert_error(other.call("cancel 5"), "not_found")


def test_direct_and_fanout(connection, name):
    first, second, third = name + "a", name + "b", name + "c"
    for queue in (first, second, third):
        connection.ok("declare queue %s" % queue)
    connection.ok("declare exchange %s type=direct" % name)
    for queue, key in ((first, "red"), (second, "red"), (second, "blue"), (third, "")):
        connection.ok("bind %s %s%s" % (name, queue, " key=" + key if key else ""))
    connection.ok("bind %s %s key=red" % (name, first))  # twice changes nothing
    pub(connection, "red", b"r", options="x=" + name)
    pub(connection, "blue", b"b", options="x=" + name)
    pub(connection, "", b"e", options="x=" + name)
    assert [contents(connection, queue) for queue in (first, second, third)] == [[b"r"], [b"r", b"b"], [b"e"]]
    connection.ok("unbind %s %s key=red" % (name, first))
    connection.ok("unbind %s %s key=red" % (name, first))
    pub(connection, "red", b"r", options="x=" + name)
    assert [contents(connection, queue) for queue in (first, second)] == [[], [b"r"]]
    connection.ok("declare exchange %s.all type=fanout" % name)
    for queue in (first, second, third):
        connection.ok("bind %s.all %s" % (name, queue))
        connection.ok("bind %s.all %s key=again" % (name, queue))
    pub(connection, "whatever", b"f", options="x=%s.all" % name)
    assert [contents(connection, queue) for queue in (first, second, third)] == [[b"f"]] * 3, "once in each queue"
    blue = {"source": name, "destination": second, "to": "queue", "key": "blue"}
    assert blue in connection.ok("list bindings").json()


def contents(connection, queue):
    taken = []
    while True:
        answer = connection.ok("get %s" % queue)
        if "empty" in answer.options:
            assert answer.options["empty"] == "yes"
            return taken
        taken.append(answer.body)


def test_built_in_exchanges(connection, queue):
    for exchange, key in (("amq.direct", "k" + queue), ("amq.fanout", "any")):
        connection.ok("bind %s %s key=%s" % (exchange, queue, key))
        pub(connection, key, exchange.encode(), options="x=" + exchange)
        connection.ok("unbind %s %s key=%s" % (exchange, queue, key))
    assert contents(connection, queue) == [b"amq.direct", b"amq.fanout"]
    assert_error(connection.call("delete exchange amq.direct"), "access_refused")


@pytest.mark.parametrize("line", [
    "bind missing {queue}", "bind amq.direct missing", "unbind missing {queue}", "purge missing", "consume missing c=1",
    "get missing", "peek missing", "credit 77 1", "cancel 77", "commit missing g 0", "delete topic missing"])
def test_not_found(connection, queue, line):
    assert_error(connection.call(line.format(queue=queue)), "not_found")
    connection.ok("ping")


def test_purge_leaves_what_is_handed_out(connection, queue):
    pub(connection, queue, *[b"%d" % index for index in range(10)])
    connection.ok("consume %s c=1 prefetch=2" % queue)
    connection.collect(2)
    assert connection.ok("purge %s" % queue).options["messages"] == "8"
    connection.ok("ack 1-2 t=1")
    nothing_comes(connection)
    assert connection.ok("purge %s" % queue).options["messages"] == "0"


# Section 3.3: publishing


def test_properties_travel(connection, queue):
    before = int(time.time() * 1000)
    pub(connection, queue, b"\x00\n\xff binary", options="key=k%20%25 h.z=last%3F h.a=%C3%A9 h.empty= h.sp%20ace=%0A")
    connection.ok("consume %s c=4294967295" % queue)
    delivery = connection.collect(1)[0]
    assert delivery.body == b"\x00\n\xff binary"
    assert delivery.consumer == 4_294_967_295
    assert delivery.key == "k %"
    assert delivery.headers == [("z", "last?"), ("a", "é"), ("empty", ""), ("sp ace", "\n")]
    assert before - 1000 <= delivery.timestamp <= time.time() * 1000 + 1000
    assert delivery.redelivered is None


def test_empty_body_and_greatest_body(connection, queue):
    connection.timeout = 60
    greatest = bytes(range(256)) * 65_536
    pub(connection, queue, b"", greatest)
    connection.ok("consume %s c=1" % queue)
    assert bodies_of(connection.collect(2)) == [b"", greatest]


def test_unroutable(connection, name):
    assert_error(connection.call("pub %s 2" % name, b"hi"), "unroutable")
    connection.ok("pub %s 2 mandatory=no" % name, b"hi")
    connection.ok("declare exchange %s type=fanout" % name)
    assert_error(connection.call("pub k 2 x=%s" % name, b"hi"), "unroutable")
    connection.ok("pub k 2 x=%s mandatory=no" % name, b"hi")
    assert_error(connection.call("pub k 2 x=missing-%s" % name, b"hi"), "not_found")
    assert_error(connection.call("pubs %s 2" % name, b"1\na\n1\nb"), "unroutable")
    connection.ok("ping")


def test_the_body_of_a_wrong_pub_is_skipped(connection, queue):
    """The length could be read, so the connection goes on behind the body, not inside it."""
    assert_error(connection.call("pub %s 5 color=red" % queue, b"ping\n"), "syntax")
    assert connection.ok("ping t=1").first == 1
    assert contents(connection, queue) == []


def test_body_end(connection, queue):
    connection.send_bytes(b"pub %s 2\nabcd\n" % queue.encode())
    assert_error(connection.answer(), "body_end")
    assert connection.rest().startswith(b"bye body_end ")


def test_too_large(connection, queue):
    connection.send("pub %s 16777217" % queue)
    assert_error(connection.answer(), "too_large")
    assert connection.rest().startswith(b"bye too_large ")


def test_a_batch_over_the_limit_is_not_there(connection, queue, shared_broker):
    """The limit counts all bodies together."""
    third = b"6000000\n" + b"x" * 6_000_000 + b"\n"
    connection.send_bytes(b"pubs %s 3\n" % queue.encode() + third * 2 + b"6000000\n")
    assert_error(connection.answer(), "too_large")
    with native.Connection(shared_broker.unix) as other:
        assert other.ok("declare queue %s" % queue).options["ready"] == "0"


def test_batches(connection, queue):
    connection.send_bytes(native.publish_batch(queue, [b"", b"a\n", b"bb"], "t=3"))
    assert connection.answer().first == 3
    assert contents(connection, queue) == [b"", b"a\n", b"bb"]
    connection.ok("bind amq.fanout %s" % queue)
    connection.send_bytes(native.publish_batch("k", [b"1", b"2"], "x=amq.fanout"))
    assert connection.answer().ok
    connection.ok("unbind amq.fanout %s" % queue)
    connection.send_bytes(native.publish_batch(queue, [b"x"] * 10_000))
    assert connection.answer().ok
    assert connection.ok("purge %s" % queue).options["messages"] == "10002"


@pytest.mark.parametrize("count", ["0", "10001"])
def test_batches_of_a_wrong_count(shared_broker, queue, count):
    with native.Connection(shared_broker.unix) as connection:
        connection.send_bytes(b"pubs %s %s\n" % (queue.encode(), count.encode()))
        answer = connection.answer()
        assert not answer.ok and answer.code in ("limit", "syntax"), answer


# Section 3.4: consuming


def test_prefetch(connection, queue):
    pub(connection, queue, *[b"%d" % index for index in range(10)])
    connection.ok("consume %s c=1 prefetch=3" % queue)
    first = connection.collect(3)
    assert bodies_of(first) == [b"0", b"1", b"2"]
    assert [delivery.number for delivery in first] == [1, 2, 3]
    assert [delivery.offset for delivery in first] == sorted({delivery.offset for delivery in first})
    nothing_comes(connection)
    connection.send("ack 2")
    assert bodies_of(connection.collect(1)) == [b"3"]
    nothing_comes(connection)
    connection.send("ack 1-4")
    assert bodies_of(connection.collect(3)) == [b"4", b"5", b"6"]
    assert held(connection, queue) == 3


def test_prefetch_is_100_by_default(connection, queue):
    connection.send_bytes(native.publish_batch(queue, [b"x"] * 150))
    assert connection.answer().ok
    connection.ok("consume %s c=1" % queue)
    connection.collect(100)
    nothing_comes(connection)


def test_credit(connection, queue):
    pub(connection, queue, *[b"%d" % index for index in range(10)])
    connection.ok("consume %s c=1 credit=0" % queue)
    nothing_comes(connection)
    connection.send("credit 1 2")
    assert bodies_of(connection.collect(2)) == [b"0", b"1"]
    connection.send("ack 1-2")  # an ack grants nothing
    nothing_comes(connection)
    assert connection.ok("credit 1 3 t=8").first == 8
    assert bodies_of(connection.collect(3)) == [b"2", b"3", b"4"]
    nothing_comes(connection)
    consumer = row(connection, "consumers", queue=queue)[0]
    assert consumer["prefetch"] is None and consumer["credit"] == 0 and consumer["unacknowledged"] == 3
    connection.ok("consume %s c=2 prefetch=1" % queue)
    assert_error(connection.call("credit 2 1"), "mismatch")


@pytest.mark.parametrize("options", ["c=0", "c=4294967296", "", "c=1 prefetch=0", "c=1 prefetch=65536",
                                     "c=1 credit=2147483648", "c=1 prefetch=1 credit=1", "c=1 ack=never"])
def test_consume_out_of_range(connection, queue, options):
    answer = connection.call(("consume %s %s" % (queue, options)).rstrip())
    assert not answer.ok and answer.code in ("syntax", "limit"), answer


def test_consumer_number_in_use(connection, queue):
    connection.ok("consume %s c=1" % queue)
    assert_error(connection.call("consume %s c=1" % queue), "in_use")
    connection.ok("cancel 1")
    connection.ok("consume %s c=1" % queue)


def test_offset_options_do_not_fit_a_queue(connection, queue):
    assert_error(connection.call("consume %s c=1 from=first" % queue), "mismatch")
    assert_error(connection.call("consume %s c=1 group=g" % queue), "mismatch")


def test_automatic_acknowledgement(connection, queue, shared_broker):
    pub(connection, queue, b"1", b"2")
    with native.Connection(shared_broker.unix) as other:
        other.ok("consume %s c=1 ack=auto" % queue)
        first = other.collect(2)
        assert_error(other.call("ack %d" % first[0].number), "unknown_delivery")
        other.ok("ping")
    assert row(connection, "queues", name=queue)[0]["messages"] == 0


def test_cancel_keeps_what_is_held(connection, queue):
    pub(connection, queue, b"1", b"2", b"3")
    connection.ok("consume %s c=1 prefetch=2" % queue)
    connection.collect(2)
    connection.ok("cancel 1")
    connection.send("ack 1")
    nothing_comes(connection)
    assert held(connection, queue) == 1
    connection.ok("ack 2 t=1")
    assert row(connection, "queues", name=queue)[0]["messages"] == 1


def test_nack_returns_to_its_place(connection, queue):
    pub(connection, queue, *[b"%d" % index for index in range(5)])
    connection.ok("consume %s c=1 credit=3" % queue)
    first = connection.collect(3)
    connection.ok("nack 2 t=1")
    connection.send("credit 1 2")
    second = connection.collect(2)
    assert bodies_of(second) == [b"1", b"3"]
    assert (second[0].redelivered, second[0].offset) == (1, first[1].offset)
    assert second[1].redelivered is None
    connection.ok("nack 1-5 t=2")
    connection.send("credit 1 10")
    third = connection.collect(5)
    assert bodies_of(third) == [b"0", b"1", b"2", b"3", b"4"]
    assert [delivery.redelivered for delivery in third] == [1, 2, 1, 1, None]


def test_reject_takes_it_out(connection, queue):
    pub(connection, queue, b"1", b"2")
    connection.ok("consume %s c=1" % queue)
    connection.collect(2)
    connection.ok("reject 1 t=1")
    connection.ok("nack 2 t=2")
    assert bodies_of(connection.collect(1)) == [b"2"]
    assert row(connection, "queues", name=queue)[0]["messages"] == 1


def test_a_dropped_connection_gives_back(connection, queue, shared_broker):
    pub(connection, queue, *[b"%d" % index for index in range(4)])
    with native.Connection(shared_broker.unix) as other:
        other.ok("consume %s c=1 prefetch=3" % queue)
        other.collect(3)
        other.ok("ack 2 t=1")
        other.collect(1)
    connection.ok("consume %s c=1" % queue)
    back = connection.collect(3)
    assert [(delivery.body, delivery.redelivered) for delivery in back] == [(b"0", 1), (b"2", 1), (b"3", 1)]


def test_delivery_numbers_run_over_all_consumers(connection, name):
    for suffix in "ab":
        connection.ok("declare queue %s%s" % (name, suffix))
        connection.ok("consume %s%s c=%d" % (name, suffix, ord(suffix)))
    for index in range(6):
        pub(connection, name + "ab"[index % 2], b"%d" % index)
    assert [(each.consumer, each.number) for each in connection.collect(6)] == [
        (97, 1), (98, 2), (97, 3), (98, 4), (97, 5), (98, 6)]


def test_messages_are_shared_between_consumers(connection, queue, shared_broker):
    with native.Connection(shared_broker.unix) as other:
        connection.ok("consume %s c=1 prefetch=10" % queue)
        other.ok("consume %s c=1 prefetch=10" % queue)
        connection.send_bytes(native.publish_batch(queue, [b"%d" % index for index in range(20)]))
        assert connection.answer().ok
        mine, others = connection.collect(10), other.collect(10)
        assert sorted(int(body) for body in bodies_of(mine + others)) == list(range(20))


def test_get(connection, queue):
    pub(connection, queue, b"1", options="key=k h.a=b")
    pub(connection, queue, b"2")
    answer = connection.ok("get %s ack=manual t=4" % queue)
    assert (answer.first, answer.body) == (4, b"1")
    assert {"key": "k", "h.a": "b"}.items() <= answer.options.items() and "r" not in answer.options
    connection.ok("nack %s t=5" % answer.options["delivery"])
    again = connection.ok("get %s" % queue)
    assert (again.body, again.options["r"], again.options["offset"]) == (b"1", "1", answer.options["offset"])
    assert_error(connection.call("ack %s" % again.options["delivery"]), "unknown_delivery")
    assert connection.ok("get %s ack=auto" % queue).body == b"2"
    assert connection.ok("get %s t=6" % queue).options == {"empty": "yes"}


def test_peek(connection, queue):
    pub(connection, queue, *[b"%d" % index for index in range(5)])
    connection.ok("consume %s c=1 prefetch=2" % queue)
    taken = connection.collect(2)

    def peek(options=""):
        answer = connection.ok(("peek %s %s" % (queue, options)).rstrip())
        seen = [each for each in connection.deliveries if (each.consumer, each.number) == (0, 0)]
        connection.deliveries.clear()
        assert answer.options["count"] == str(len(seen))
        return seen

    assert bodies_of(peek()) == [b"0"]
    everything = peek("count=1000")
    assert bodies_of(everything) == [b"0", b"1", b"2", b"3", b"4"], "whether handed out or not"
    assert bodies_of(peek("from=%d count=2" % everything[3].offset)) == [b"3", b"4"]
    assert peek("from=%d" % (everything[4].offset + 1)) == []
    connection.ok("ack %d t=1" % taken[0].number)
    assert bodies_of(peek()) == [b"1"]
    for count in ("0", "1001"):
        assert not connection.call("peek %s count=%s" % (queue, count)).ok
    assert row(connection, "queues", name=queue)[0]["messages"] == 4


# Section 3.5: topics


def read(connection, topic, options, count, number=1):
    """`count` bodies from a topic with these options, then nothing more."""
    connection.ok("consume %s c=%d %s" % (topic, number, options))
    found = connection.collect(count)
    nothing_comes(connection, 0.05)
    connection.ok("cancel %d" % number)
    return bodies_of(found)


def test_reading_takes_nothing_away(connection, topic):
    pub(connection, topic, b"0", b"1", b"2", b"3")
    offsets = [delivery.offset for delivery in peeked(connection, topic)]
    assert read(connection, topic, "from=first", 4) == [b"0", b"1", b"2", b"3"]
    assert read(connection, topic, "from=first", 4) == [b"0", b"1", b"2", b"3"]
    assert read(connection, topic, "from=last", 1) == [b"3"]
    assert read(connection, topic, "from=%d" % offsets[2], 2) == [b"2", b"3"]
    assert read(connection, topic, "from=next", 0) == []
    listed = row(connection, "topics", name=topic)[0]
    assert (listed["messages"], listed["partitions"]) == (4, 1)
    assert (listed["first"], listed["next"]) == (offsets[0], offsets[3] + 1)


def peeked(connection, name):
    connection.ok("peek %s count=1000" % name)
    seen = list(connection.deliveries)
    connection.deliveries.clear()
    return seen


def test_next_is_the_default_and_goes_on(connection, topic):
    pub(connection, topic, b"old")
    connection.ok("consume %s c=1" % topic)
    nothing_comes(connection, 0.05)
    pub(connection, topic, b"new")
    assert bodies_of(connection.collect(1)) == [b"new"]


def test_groups(connection, topic):
    pub(connection, topic, b"0", b"1", b"2", b"3")
    offsets = [delivery.offset for delivery in peeked(connection, topic)]
    assert read(connection, topic, "group=g", 4) == [b"0", b"1", b"2", b"3"]
    assert read(connection, topic, "group=g from=last", 1) == [b"3"]
    assert connection.ok("commit %s g %d t=3" % (topic, offsets[1])).first == 3
    assert read(connection, topic, "group=g from=first", 3) == [b"1", b"2", b"3"]
    assert read(connection, topic, "group=other", 4) == [b"0", b"1", b"2", b"3"]


def test_group_positions_survive_crash_and_stop(broker):
    with native.Connection(broker.unix) as connection:
        connection.ok("declare topic t")
        pub(connection, "t", b"0", b"1", b"2")
        offsets = [delivery.offset for delivery in peeked(connection, "t")]
        connection.ok("commit t g %d" % offsets[1])
    broker.kill()
    broker.start()
    with native.Connection(broker.unix) as connection:
        assert read(connection, "t", "group=g", 2) == [b"1", b"2"]
        connection.ok("commit t g %d" % offsets[2])
    assert broker.terminate().code == 0
    broker.start()
    with native.Connection(broker.unix) as connection:
        assert read(connection, "t", "group=g", 1) == [b"2"]
        assert [delivery.offset for delivery in peeked(connection, "t")] == offsets


def test_topic_prefetch_and_acks(connection, topic):
    pub(connection, topic, *[b"%d" % index for index in range(5)])
    connection.ok("consume %s c=1 from=first prefetch=2" % topic)
    connection.collect(2)
    nothing_comes(connection, 0.1)
    connection.send("ack 1-2")
    assert bodies_of(connection.collect(2)) == [b"2", b"3"]
    assert_error(connection.call("nack 3"), "mismatch")
    assert_error(connection.call("reject 3"), "mismatch")
    assert row(connection, "topics", name=topic)[0]["messages"] == 5


def test_topics_are_fed_by_exchanges_and_batches(connection, topic):
    connection.ok("bind amq.fanout %s" % topic)
    pub(connection, "any", b"1", options="x=amq.fanout key=k h.a=b")
    connection.ok("unbind amq.fanout %s" % topic)
    connection.send_bytes(native.publish_batch(topic, [b"2", b"3"]))
    assert connection.answer().ok
    seen = peeked(connection, topic)
    assert bodies_of(seen) == [b"1", b"2", b"3"]
    sent = [("a", "b"), ("cola-exchange", "amq.fanout"), ("cola-routing-key", "any")]
    assert (seen[0].key, seen[0].headers) == ("k", sent)


def test_what_does_not_fit_a_topic(connection, topic):
    for line in ("get %s", "purge %s"):
        assert_error(connection.call(line % topic), "mismatch")
    assert not connection.call("consume %s c=1 from=nowhere" % topic).ok


def test_commit_does_not_fit_a_queue(connection, queue):
    assert_error(connection.call("commit %s g 0" % queue), "mismatch")


# Section 3.6: looking inside


@pytest.mark.parametrize("table", sorted(MEMBERS))
def test_lists(connection, name, table):
    connection.ok("declare queue %s" % name)
    connection.ok("declare topic %s.t" % name)
    connection.ok("declare exchange %s type=fanout" % name)
    connection.ok("bind %s %s" % (name, name))
    connection.ok("consume %s c=3 prefetch=5" % name)
    connection.ok("commit %s.t g 0" % name)
    connection.ok("policy %s pattern=^%s$ max-length=100" % (name, name))
    answer = connection.ok("list %s t=2" % table)
    assert answer.first == 2
    rows = answer.json()
    assert isinstance(rows, list) and rows
    for found in rows:
        assert MEMBERS[table] <= set(found), "%s is missing" % (MEMBERS[table] - set(found))
    if "name" in MEMBERS[table]:
        assert [found["name"] for found in rows] == sorted(found["name"] for found in rows)


def test_list_of_queues_counts(connection, queue):
    pub(connection, queue, b"12345", b"67890", b"x")
    connection.ok("consume %s c=1 prefetch=1" % queue)
    connection.collect(1)
    found = row(connection, "queues", name=queue)[0]
    assert (found["ready"], found["unacknowledged"], found["messages"], found["consumers"]) == (2, 1, 3, 1)
    assert found["bytes"] >= 11


def test_list_of_connections_knows_the_peer(shared_broker):
    with native.Connection(shared_broker.unix) as connection:
        connection.ok("hello 1 client=who-am-i")
        found = row(connection, "connections", client="who-am-i")
        assert len(found) == 1
        assert (found[0]["pid"], found[0]["uid"], found[0]["protocol"]) == (os.getpid(), os.getuid(), "native")


def test_statistics(connection, queue):
    before = connection.ok("stat").json()
    assert STATISTICS <= set(before), "%s is missing" % (STATISTICS - set(before))
    pub(connection, queue, b"1", b"2")
    connection.ok("consume %s c=1" % queue)
    connection.collect(2)
    connection.ok("ack 1-2 t=1")
    after = connection.ok("stat").json()
    assert after["published"] - before["published"] == 2
    assert after["delivered"] - before["delivered"] == 2
    assert after["acknowledged"] - before["acknowledged"] == 2
    assert after["blocked"] is None and after["quarantined"] == 0
    assert json.dumps(after)


# Section 6: limits that a client can reach quickly


def test_consumers_of_one_connection(new_broker):
    broker = new_broker("--consumers-max", "100")
    broker.start()
    with native.Connection(broker.unix) as connection:
        connection.ok("declare queue q")
        for number in range(1, 102):
            connection.send("consume q c=%d prefetch=1" % number)
        answers = [connection.answer() for _ in range(101)]
    assert all(answer.ok for answer in answers[:100])
    assert_error(answers[100], "limit")

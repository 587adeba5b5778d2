"""The whole model against the real server, over the native protocol: each verb, argument and option does what
`protocol/native.md` says it does, and stays so over a restart where it is durable."""
from __future__ import annotations

import itertools
import time

import pytest

import native
from native import Assigned, ConsumerError
from test_protocol import assert_error, bodies_of, contents, nothing_comes, pub

numbers = itertools.count(1)


@pytest.fixture
def name():
    """A name that no other test uses."""
    return "m%d" % next(numbers)


@pytest.fixture
def other(shared_broker):
    """A second connection to the same broker."""
    with native.Connection(shared_broker.unix) as opened:
        yield opened


def described(connection, kind, *names):
    return connection.ok("describe %s %s" % (kind, " ".join(names))).json()


def take(connection, queue):
    """One message of a queue with all that stands on it, acknowledged; None if there is none."""
    answer = connection.ok("get %s" % queue)
    if "empty" in answer.options:
        return None
    return answer


def soon(connection, queue, seconds=10.0):
    """The next message of a queue, waited for."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = take(connection, queue)
        if found is not None:
            return found
        time.sleep(0.02)
    raise AssertionError("nothing came into %s within %s s" % (queue, seconds))


def until(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)


def fate(answer):
    """REASON, COUNT and QUEUE of the last death of a message."""
    reason, count, _, queue, _, _ = native.unescape(answer.options["h.cola-death"]).split(" ")
    return reason, int(count), native.unescape(queue)


# Queues


def test_the_higher_priority_goes_first(connection, name):
    connection.ok("declare queue %s max-priority=5" % name)
    for priority, body in [(0, b"a"), (5, b"b"), (1, b"c"), (9, b"d"), (5, b"e")]:
        pub(connection, name, body, options="prio=%d" % priority)
    pub(connection, name, b"f")
    assert contents(connection, name) == [b"b", b"d", b"e", b"c", b"a", b"f"]


def test_what_is_given_back_keeps_its_place_among_priorities(connection, name):
    connection.ok("declare queue %s max-priority=9" % name)
    pub(connection, name, b"low", options="prio=1")
    pub(connection, name, b"high", options="prio=7")
    answer = connection.ok("get %s ack=manual" % name)
    assert (answer.body, answer.options["h.cola-priority"]) == (b"high", "7")
    connection.ok("nack %s t=1" % answer.options["delivery"])
    assert contents(connection, name) == [b"high", b"low"]


@pytest.mark.parametrize("how", ["queue", "message", "both"])
def test_a_message_expires(connection, name, how):
    argument = " message-ttl=150" if how == "queue" else " message-ttl=60000" if how == "both" else ""
    connection.ok("declare queue %s%s" % (name, argument))
    pub(connection, name, b"x", options="" if how == "queue" else "ttl=150")
    assert described(connection, "queue", name)["ready"] == 1
    until(lambda: described(connection, "queue", name)["messages"] == 0)
    assert take(connection, name) is None
    assert described(connection, "queue", name)["counts"]["expired"] == 1


def test_a_message_says_when_it_expires(connection, name):
    connection.ok("declare queue %s" % name)
    before = time.time() * 1000
    pub(connection, name, b"x", options="ttl=60000")
    answer = take(connection, name)
    assert before + 59_000 < int(answer.options["h.cola-expires"]) < time.time() * 1000 + 61_000


def test_a_full_queue_lets_go_of_its_oldest(connection, name):
    connection.ok("declare queue %s max-length=2" % name)
    pub(connection, name, b"1", b"2", b"3")
    assert contents(connection, name) == [b"2", b"3"]
    connection.ok("declare queue %s.bytes max-length-bytes=10" % name)
    pub(connection, name + ".bytes", b"12345678", b"90", b"abcdefgh")
    assert contents(connection, name + ".bytes") == [b"90", b"abcdefgh"]


def test_a_full_queue_refuses(connection, name):
    connection.ok("declare queue %s max-length=1 overflow=reject-publish" % name)
    pub(connection, name, b"1")
    connection.send_bytes(native.publish(name, b"2"))
    assert_error(connection.answer(), "full", may_retry=True)
    assert contents(connection, name) == [b"1"]
    pub(connection, name, b"3")
    assert contents(connection, name) == [b"3"]


def test_what_a_full_queue_refuses_can_be_a_dead_letter(connection, name):
    connection.ok("declare queue %s.dead" % name)
    connection.ok(
        "declare queue %s max-length=1 overflow=reject-publish-dlx dead-letter-exchange= "
        "dead-letter-routing-key=%s.dead" % (name, name))
    pub(connection, name, b"1", b"2")
    assert contents(connection, name) == [b"1"]
    answer = soon(connection, name + ".dead")
    assert (answer.body, fate(answer)) == (b"2", ("maxlen", 1, name))


@pytest.fixture
def graveyard(connection, name):
    """A queue for dead letters, and the arguments that lead to it."""
    connection.ok("declare queue %s.dead" % name)
    return "dead-letter-exchange= dead-letter-routing-key=%s.dead" % name


def test_what_is_rejected_is_a_dead_letter(connection, name, graveyard):
    connection.ok("declare queue %s %s" % (name, graveyard))
    pub(connection, name, b"x", options="h.a=b id=i")
    answer = connection.ok("get %s ack=manual" % name)
    connection.ok("reject %s t=1" % answer.options["delivery"])
    dead = soon(connection, name + ".dead")
    assert (dead.body, fate(dead)) == (b"x", ("rejected", 1, name))
    assert (dead.options["h.a"], dead.options["h.cola-message-id"]) == ("b", "i")
    assert take(connection, name) is None


def test_what_expires_is_a_dead_letter(connection, name, graveyard):
    connection.ok("declare queue %s message-ttl=100 %s" % (name, graveyard))
    pub(connection, name, b"x")
    assert fate(soon(connection, name + ".dead")) == ("expired", 1, name)


def test_what_is_dropped_for_length_is_a_dead_letter(connection, name, graveyard):
    connection.ok("declare queue %s max-length=1 %s" % (name, graveyard))
    pub(connection, name, b"1", b"2")
    dead = soon(connection, name + ".dead")
    assert (dead.body, fate(dead)) == (b"1", ("maxlen", 1, name))
    assert contents(connection, name) == [b"2"]


def test_what_fails_too_often_is_a_dead_letter(connection, name, graveyard):
    connection.ok("declare queue %s delivery-limit=2 %s" % (name, graveyard))
    pub(connection, name, b"x")
    connection.ok("consume %s c=1" % name)
    for failures in (None, 1, 2):
        delivery = connection.delivery()
        assert delivery is not None and delivery.redelivered == failures
        connection.send("nack %d" % delivery.number)
    assert fate(soon(connection, name + ".dead")) == ("delivery_limit", 1, name)
    nothing_comes(connection)


def test_what_fails_too_often_is_parked_where_nobody_says_where_to(connection, name):
    connection.ok("declare queue %s delivery-limit=1" % name)
    pub(connection, name, b"x")
    for _ in range(2):
        answer = connection.ok("get %s ack=manual" % name)
        connection.ok("nack %s t=1" % answer.options["delivery"])
    parked = "cola.parked." + name
    assert fate(soon(connection, parked))[0] == "delivery_limit"
    assert described(connection, "queue", name)["counts"]["parked"] == 1


def test_dead_letters_are_brought_back(connection, name, graveyard):
    connection.ok("declare queue %s %s" % (name, graveyard))
    pub(connection, name, b"1", b"2", b"3")
    connection.ok("consume %s c=1" % name)
    first, *_, last = connection.collect(3)
    connection.ok("cancel 1")
    connection.ok("reject %d-%d t=1" % (first.number, last.number))
    until(lambda: described(connection, "queue", name + ".dead")["ready"] == 3)
    assert connection.ok("redrive %s.dead count=1" % name).options == {"messages": "1"}
    connection.ok("declare queue %s.late" % name)
    assert connection.ok("redrive %s.dead to=%s.late" % (name, name)).options == {"messages": "2"}
    assert contents(connection, name) == [b"1"]
    assert contents(connection, name + ".late") == [b"2", b"3"]
    assert connection.ok("redrive %s.dead" % name).options == {"messages": "0"}
    assert_error(connection.call("redrive %s.dead to=%s.none" % (name, name)), "not_found")


def test_a_message_waits_for_its_time(connection, name):
    connection.ok("declare queue %s" % name)
    connection.ok("consume %s c=1 ack=auto" % name)
    began = time.monotonic()
    pub(connection, name, b"late", options="delay=300 h.a=b")
    pub(connection, name, b"now")
    now, late = connection.collect(2)
    assert (now.body, late.body, late.headers) == (b"now", b"late", [("a", "b")])
    assert time.monotonic() - began >= 0.3


def test_what_waits_for_its_time_survives_a_kill(new_broker):
    broker = new_broker()
    broker.start()
    with native.Connection(broker.unix) as connection:
        connection.ok("declare queue q max-priority=3")
        pub(connection, "q", b"later", options="delay=1500 prio=2")
        pub(connection, "q", b"sooner", options="delay=1000")
    broker.kill()
    broker.start()
    with native.Connection(broker.unix) as connection:
        connection.ok("consume q c=1 ack=auto")
        sooner, later = connection.collect(2)
        assert (sooner.body, later.body, later.header("cola-priority")) == (b"sooner", b"later", "2")


def test_what_is_given_back_for_later_comes_later(connection, name):
    connection.ok("declare queue %s" % name)
    connection.ok("consume %s c=1" % name)
    pub(connection, name, b"1", b"2")
    first, second = connection.collect(2)
    began = time.monotonic()
    connection.send("nack %d delay=300" % first.number)
    connection.send("nack %d delay=0" % second.number)
    again, late = connection.collect(2)
    assert (again.body, late.body) == (b"2", b"1")
    assert time.monotonic() - began >= 0.3
    assert late.redelivered == 1 and late.offset > second.offset


def test_a_message_that_is_known_is_not_taken_again(connection, name):
    connection.ok("declare queue %s deduplication-window=60000" % name)
    connection.ok("declare queue %s.short deduplication-window=200" % name)
    for queue in (name, name + ".short"):
        pub(connection, queue, b"1", options="id=a")
    connection.send_bytes(native.publish(name, b"2", "id=a"))
    assert connection.answer().options == {"duplicate": "yes"}
    pub(connection, name, b"3", options="id=b")
    pub(connection, name, b"4")
    assert contents(connection, name) == [b"1", b"3", b"4"]
    time.sleep(0.25)
    connection.send_bytes(native.publish(name + ".short", b"5", "id=a"))
    assert connection.answer().options == {}
    assert contents(connection, name + ".short") == [b"1", b"5"]


def test_what_is_known_stays_known_over_a_kill(new_broker):
    broker = new_broker()
    broker.start()
    with native.Connection(broker.unix) as connection:
        connection.ok("declare queue q deduplication-window=600000")
        pub(connection, "q", b"1", options="id=a")
    broker.kill()
    broker.start()
    with native.Connection(broker.unix) as connection:
        connection.send_bytes(native.publish("q", b"2", "id=a"))
        assert connection.answer().options == {"duplicate": "yes"}
        assert contents(connection, "q") == [b"1"]


def test_a_queue_of_one_connection_ends_with_it(shared_broker, connection, other, name):
    other.ok("declare queue %s exclusive=yes" % name)
    pub(other, name, b"x")
    for request in ("declare queue %s exclusive=yes", "get %s", "purge %s", "delete queue %s", "consume %s c=1"):
        assert_error(connection.call(request % name), "locked")
    assert contents(other, name) == [b"x"]
    other.close()
    until(lambda: connection.call("describe queue %s" % name).code == "not_found")


def test_a_queue_goes_with_its_last_consumer(connection, other, name):
    connection.ok("declare queue %s auto-delete=yes" % name)
    connection.ok("consume %s c=1" % name)
    other.ok("consume %s c=1" % name)
    connection.ok("cancel 1")
    assert described(connection, "queue", name)["consumers"] == 1
    other.close()
    until(lambda: connection.call("describe queue %s" % name).code == "not_found")


def test_a_queue_that_nobody_uses_expires(connection, name):
    connection.ok("declare queue %s expires=200" % name)
    until(lambda: all(row["name"] != name for row in connection.ok("list queues").json()))
    connection.ok("declare queue %s expires=200" % name)
    connection.ok("consume %s c=1" % name)
    time.sleep(0.4)
    assert described(connection, "queue", name)["consumers"] == 1


def test_the_server_names_a_queue(connection, name):
    first, second = (connection.ok("declare queue % exclusive=yes").options["name"] for _ in range(2))
    assert first != second
    pub(connection, first, b"x")
    assert contents(connection, first) == [b"x"] and contents(connection, second) == []


def test_what_is_not_durable_does_not_outlive_the_server(new_broker):
    broker = new_broker()
    broker.start()
    with native.Connection(broker.unix) as connection:
        connection.ok("declare queue gone durable=no")
        connection.ok("declare queue kept")
        pub(connection, "gone", b"x")
        pub(connection, "kept", b"x")
    assert broker.terminate().code == 0
    broker.start()
    with native.Connection(broker.unix) as connection:
        assert [row["name"] for row in connection.ok("list queues").json()] == ["kept"]
        assert contents(connection, "kept") == [b"x"]


def test_one_consumer_at_a_time(connection, other, name):
    connection.ok("declare queue %s single-active-consumer=yes" % name)
    connection.ok("consume %s c=1" % name)
    other.ok("consume %s c=1" % name)
    pub(connection, name, b"1", b"2")
    first, second = connection.collect(2)
    nothing_comes(other)
    connection.ok("ack %d t=1" % first.number)
    connection.ok("cancel 1")
    connection.ok("nack %d t=1" % second.number)
    assert bodies_of(other.collect(1)) == [b"2"]


def test_the_consumer_with_the_higher_priority_gets_it(connection, other, name):
    connection.ok("declare queue %s" % name)
    connection.ok("consume %s c=1 prefetch=10" % name)
    other.ok("consume %s c=1 prefetch=2 priority=5" % name)
    pub(connection, name, b"1", b"2", b"3")
    assert bodies_of(other.collect(2)) == [b"1", b"2"]
    assert bodies_of(connection.collect(1)) == [b"3"], "the other one is full"


def test_an_exclusive_consumer_has_the_queue_for_itself(connection, other, name):
    connection.ok("declare queue %s" % name)
    connection.ok("consume %s c=1 exclusive=yes" % name)
    assert_error(other.call("consume %s c=1" % name), "in_use")
    connection.ok("cancel 1")
    other.ok("consume %s c=1" % name)
    assert_error(connection.call("consume %s c=2 exclusive=yes" % name), "in_use")


def test_a_queue_is_altered_while_it_runs(connection, name):
    connection.ok("declare queue %s" % name)
    pub(connection, name, b"1", b"2", b"3")
    connection.ok("alter %s max-length=2 message-ttl=60000" % name)
    found = described(connection, "queue", name)
    assert found["effective"] == {"message-ttl": "60000", "max-length": "2"}
    assert contents(connection, name) == [b"2", b"3"]
    connection.ok("alter %s max-length= clear=message-ttl" % name)
    assert described(connection, "queue", name)["effective"] == {}
    assert_error(connection.call("alter %s retention-ms=1" % name), "syntax")
    connection.ok("alter %s max-priority=2" % name)
    assert_error(connection.call("alter %s max-priority=1" % name), "mismatch")


def test_a_queue_is_declared_the_same_or_not_at_all(connection, name):
    connection.ok("declare queue %s max-length=2" % name)
    connection.ok("declare queue %s max-length=2" % name)
    for different in ("", "max-length=3", "max-length=2 durable=no", "max-length=2 auto-delete=yes"):
        assert_error(connection.call(("declare queue %s %s" % (name, different)).strip()), "mismatch")


def test_a_queue_is_deleted_only_if(connection, other, name):
    connection.ok("declare queue %s" % name)
    pub(connection, name, b"x")
    assert_error(connection.call("delete queue %s if-empty=yes" % name), "in_use")
    contents(connection, name)
    other.ok("consume %s c=1" % name)
    assert_error(connection.call("delete queue %s if-unused=yes" % name), "in_use")
    other.ok("cancel 1")
    connection.ok("delete queue %s if-unused=yes if-empty=yes" % name)


# Policies


def test_a_policy_is_for_all_that_match(connection, name):
    connection.ok("declare queue %s.a" % name)
    connection.ok("declare queue %s.own max-length=3" % name)
    connection.ok("declare queue %s.less max-length=0" % name)
    connection.ok("policy %s pattern=^%s\\. to=queues max-length=1" % (name, name))
    connection.ok("declare queue %s.b" % name)
    for queue in (name + ".a", name + ".b"):
        found = described(connection, "queue", queue)
        assert (found["policy"], found["effective"], found["arguments"]) == (name, {"max-length": "1"}, {})
        pub(connection, queue, b"1", b"2")
        assert contents(connection, queue) == [b"2"]
    # Of two limits the lower one holds.
    assert described(connection, "queue", name + ".own")["effective"] == {"max-length": "1"}
    assert described(connection, "queue", name + ".less")["effective"] == {"max-length": "0"}
    connection.ok("policy %s.higher pattern=%s.a priority=1 max-length=2" % (name, name))
    assert described(connection, "queue", name + ".a")["policy"] == name + ".higher"
    assert described(connection, "policy", name)["queues"] == [name + ".b", name + ".less", name + ".own"]
    connection.ok("unpolicy %s.higher" % name)
    connection.ok("unpolicy %s" % name)
    assert described(connection, "queue", name + ".a")["effective"] == {}
    assert_error(connection.call("unpolicy %s" % name), "not_found")


def test_policies_are_listed(connection, name):
    connection.ok("policy %s pattern=a%%20b to=topics priority=7 retention-ms=60000" % name)
    (found,) = [row for row in connection.ok("list policies").json() if row["name"] == name]
    assert found == {
        "name": name, "pattern": "a b", "to": "topics", "priority": 7, "arguments": {"retention-ms": "60000"}}


# Exchanges


def test_a_topic_exchange_matches_patterns(connection, name):
    connection.ok("declare exchange %s type=topic" % name)
    patterns = {"all": "#", "eu": "order.eu.#", "paid": "order.*.paid", "exact": "order.eu.paid"}
    for queue, pattern in patterns.items():
        connection.ok("declare queue %s.%s" % (name, queue))
        connection.ok("bind %s %s.%s key=%s" % (name, name, queue, pattern))
    for key in ("order.eu.paid", "order.us.paid", "order.eu", "order.eu.paid.twice", "other"):
        pub(connection, key, key.encode(), options="x=" + name)
    found = {queue: b" ".join(contents(connection, "%s.%s" % (name, queue))).decode() for queue in patterns}
    assert found == {
        "all": "order.eu.paid order.us.paid order.eu order.eu.paid.twice other",
        "eu": "order.eu.paid order.eu order.eu.paid.twice",
        "paid": "order.eu.paid order.us.paid",
        "exact": "order.eu.paid",
    }


def test_a_headers_exchange_compares_headers(connection, name):
    connection.ok("declare exchange %s type=headers" % name)
    bindings = {"all": "match=all h.a=1 h.b=2", "any": "match=any h.a=1 h.b=2", "there": "h.c="}
    for queue, match in bindings.items():
        connection.ok("declare queue %s.%s" % (name, queue))
        connection.ok("bind %s %s.%s %s" % (name, name, queue, match))
    for body, headers in [(b"1", "h.a=1"), (b"2", "h.b=2 h.a=1"), (b"3", "h.a=2 h.c=whatever"), (b"4", "h.d=1")]:
        pub(connection, "%", body, options="x=%s mandatory=no %s" % (name, headers))
    assert contents(connection, name + ".all") == [b"2"]
    assert contents(connection, name + ".any") == [b"1", b"2"]
    assert contents(connection, name + ".there") == [b"3"]
    connection.ok("unbind %s %s.all match=all h.b=2 h.a=1" % (name, name))
    connection.send_bytes(native.publish("k", b"5", "x=%s h.d=1" % name))
    assert_error(connection.answer(), "unroutable")


def test_what_no_binding_takes_goes_to_the_alternate(connection, name):
    connection.ok("declare exchange %s.lost type=fanout" % name)
    connection.ok("declare exchange %s type=direct alternate=%s.lost" % (name, name))
    for queue, exchange in (("found", name), ("lost", name + ".lost")):
        connection.ok("declare queue %s.%s" % (name, queue))
        connection.ok("bind %s %s.%s key=k" % (exchange, name, queue))
    pub(connection, "k", b"1", options="x=" + name)
    pub(connection, "other", b"2", options="x=" + name)
    assert contents(connection, name + ".found") == [b"1"]
    lost = take(connection, name + ".lost")
    assert (lost.body, lost.options["h.cola-exchange"], lost.options["h.cola-routing-key"]) == (b"2", name, "other")


def test_exchanges_lead_to_exchanges(connection, name):
    connection.ok("declare exchange %s.in type=topic" % name)
    connection.ok("declare exchange %s.out type=fanout" % name)
    connection.ok("declare queue %s" % name)
    connection.ok("bind %s.in %s.out to=exchange key=a.#" % (name, name))
    connection.ok("bind %s.out %s" % (name, name))
    pub(connection, "a.b", b"1", options="x=%s.in" % name)
    pub(connection, "b", b"2", options="x=%s.in mandatory=no" % name)
    assert contents(connection, name) == [b"1"]
    assert_error(connection.call("delete exchange %s.out if-unused=yes" % name), "in_use")
    connection.ok("unbind %s.in %s.out to=exchange key=a.#" % (name, name))
    connection.ok("unbind %s.out %s" % (name, name))
    connection.ok("delete exchange %s.out if-unused=yes" % name)


# Asking and answering


def test_a_question_is_answered(connection, other, name):
    answers = connection.ok("declare queue % exclusive=yes").options["name"]
    connection.ok("consume %s c=1 ack=auto" % answers)
    connection.ok("declare queue %s" % name)
    other.ok("consume %s c=1 ack=auto" % name)
    pub(connection, name, b"2+2", options="reply=%s corr=seven%%207" % native.escape(answers))
    question = other.delivery()
    assert question is not None and question.header("cola-reply-to") == answers
    pub(other, question.header("cola-reply-to"), b"4", options="corr=" + native.escape(
        question.header("cola-correlation-id")))
    answer = connection.delivery()
    assert answer is not None and (answer.body, answer.header("cola-correlation-id")) == (b"4", "seven 7")


# Topics and groups


def test_partitions_are_chosen_by_number_or_by_key(connection, name):
    connection.ok("declare topic %s partitions=3" % name)
    pub(connection, name, b"1", options="partition=2")
    for _ in range(2):
        pub(connection, name, b"k", options="key=same")
    connection.send_bytes(native.publish(name, b"x", "partition=3"))
    assert_error(connection.answer(), "mismatch")
    connection.ok("consume %s c=1 from=first" % name)
    first, *same = sorted(connection.collect(3), key=lambda delivery: delivery.body)
    assert (first.body, first.partition, first.offset) == (b"1", 2, same[0].offset - 1 if same[0].partition == 2 else 0)
    assert len({delivery.partition for delivery in same}) == 1
    logs = described(connection, "topic", name)["logs"]
    assert sum(log["messages"] for log in logs) == 3 and len(logs) == 3
    connection.send("peek %s partition=2" % name)
    assert connection.answer().options["count"] == "1"
    assert connection.deliveries.popleft().partition == 2
    assert_error(connection.call("peek %s partition=3" % name), "mismatch")


def test_some_partitions_are_read(connection, name):
    connection.ok("declare topic %s partitions=3" % name)
    for partition in range(3):
        pub(connection, name, b"%d" % partition, options="partition=%d" % partition)
    connection.ok("consume %s c=1 from=first partitions=0,2" % name)
    assert sorted(bodies_of(connection.collect(2))) == [b"0", b"2"]
    nothing_comes(connection)


def test_a_reader_begins_at_a_time_and_goes_where_it_is_sent(connection, name):
    connection.ok("declare topic %s" % name)
    pub(connection, name, b"1", b"2")
    time.sleep(0.05)
    middle = int(time.time() * 1000)
    time.sleep(0.05)
    pub(connection, name, b"3")
    connection.ok("consume %s c=1 from=@%d" % (name, middle))
    assert bodies_of(connection.collect(1)) == [b"3"]
    for position, expected in (("first", [b"1", b"2", b"3"]), ("1", [b"2", b"3"]), ("last", [b"3"])):
        connection.ok("seek 1 " + position)
        assert bodies_of(connection.collect(len(expected))) == expected
    connection.ok("seek 1 next")
    nothing_comes(connection)
    connection.ok("seek 1 @%d" % middle)
    assert bodies_of(connection.collect(1)) == [b"3"]


def assigned(connection, consumer=1):
    """The next `assigned` of the consumer."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        for event in connection.asides:
            if isinstance(event, Assigned) and event.consumer == consumer:
                connection.asides.remove(event)
                return event
        event = connection.next_event(0.2)
        if event is not None:
            connection._keep(event)
    raise AssertionError("nothing was assigned")


@pytest.mark.parametrize("strategy", ["range", "roundrobin", "sticky"])
def test_members_share_the_partitions(connection, shared_broker, name, strategy):
    connection.ok("declare topic %s partitions=4" % name)
    for partition in range(4):
        pub(connection, name, b"%d" % partition, options="partition=%d" % partition)
    connection.ok("consume %s c=1 group=g join=%s" % (name, strategy))
    alone = assigned(connection)
    assert alone.partitions == {0: 0, 1: 0, 2: 0, 3: 0}
    assert sorted(bodies_of(connection.collect(4))) == [b"0", b"1", b"2", b"3"]
    for partition in range(4):
        connection.ok("commit %s g 1 partition=%d" % (name, partition))
    with native.Connection(shared_broker.unix) as other:
        other.ok("consume %s c=1 group=g join=%s" % (name, strategy))
        mine, theirs = assigned(connection), assigned(other)
        assert mine.generation == theirs.generation > alone.generation
        assert len(mine.partitions) == len(theirs.partitions) == 2
        assert {**mine.partitions, **theirs.partitions} == {0: 1, 1: 1, 2: 1, 3: 1}
        for partition in range(4):
            pub(connection, name, b"%d+" % partition, options="partition=%d" % partition)
        assert {delivery.partition for delivery in connection.collect(2)} == set(mine.partitions)
        assert {delivery.partition for delivery in other.collect(2)} == set(theirs.partitions)
        found = described(connection, "group", name, "g")
        assert (found["members"], found["strategy"], len(found["assignments"])) == (2, strategy, 2)
        assert_error(connection.call("delete group %s g" % name), "in_use")
    again = assigned(connection)
    assert sorted(again.partitions) == [0, 1, 2, 3] and again.generation > mine.generation
    connection.ok("cancel 1")
    connection.ok("delete group %s g" % name)
    assert_error(connection.call("describe group %s g" % name), "not_found")


def test_members_agree_on_how_to_share(connection, other, name):
    connection.ok("declare topic %s partitions=2" % name)
    connection.ok("consume %s c=1 group=g join=range" % name)
    assert_error(other.call("consume %s c=1 group=g join=sticky" % name), "mismatch")


def test_a_member_that_begins_beyond_the_end_begins_there(connection, name):
    """Nobody waits for offsets that the topic has not: what comes next would be passed over without a word."""
    connection.ok("declare topic %s" % name)
    pub(connection, name, b"old")
    connection.ok("consume %s c=1 group=g join=range from=1000000" % name)
    pub(connection, name, b"new")
    assert [delivery.body for delivery in connection.collect(1, timeout=10)] == [b"new"]


def test_a_group_goes_on_where_it_was(new_broker):
    broker = new_broker()
    broker.start()
    with native.Connection(broker.unix) as connection:
        connection.ok("declare topic t partitions=2")
        for body in (b"1", b"2", b"3"):
            pub(connection, "t", body, options="partition=1")
        connection.ok("commit t g 2 partition=1")
    broker.kill()
    broker.start()
    with native.Connection(broker.unix) as connection:
        (group,) = connection.ok("list groups").json()
        assert (group["topic"], group["group"], group["lag"]) == ("t", "g", 1)
        connection.ok("consume t c=1 group=g join=range")
        assert assigned(connection).partitions == {0: 0, 1: 2}
        (delivery,) = connection.collect(1)
        assert (delivery.body, delivery.partition, delivery.offset) == (b"3", 1, 2)


def test_a_record_without_a_value(connection, name):
    connection.ok("declare topic %s cleanup-policy=compact" % name)
    pub(connection, name, b"x", options="key=k")
    connection.send("pub %s 0 key=k null=yes" % name, b"")
    assert connection.answer().ok
    connection.ok("consume %s c=1 from=first" % name)
    with_value, without = connection.collect(2)
    assert (with_value.is_null, without.is_null, without.key, without.body) == (False, True, "k", b"")


def test_a_topic_lets_go_of_what_is_old(connection, name):
    connection.ok("declare topic %s retention-ms=200" % name)
    pub(connection, name, b"x")
    until(lambda: described(connection, "topic", name)["messages"] == 0)
    pub(connection, name, b"y")
    assert described(connection, "topic", name)["next"] == 2


# Virtual hosts


def test_virtual_hosts_know_nothing_of_each_other(shared_broker, connection, name):
    connection.ok("declare vhost /%s" % name)
    connection.ok("declare queue %s" % name)
    with native.Connection(shared_broker.unix, hello="hello 1 vhost=/%s" % name) as inside:
        assert inside.ok("list queues").json() == []
        inside.ok("declare queue %s max-length=1" % name)
        inside.ok("bind amq.fanout %s" % name)
        pub(inside, "any", b"inside", options="x=amq.fanout")
        assert contents(connection, name) == []
        assert contents(inside, name) == [b"inside"]
        assert described(inside, "vhost", "/" + name)["queues"] == 1
        assert_error(connection.call("delete vhost /%s" % name), "in_use")
        inside.ok("delete queue %s" % name)
    until(lambda: connection.call("delete vhost /%s" % name).ok)
    with pytest.raises(AssertionError):
        refused = native.Connection(shared_broker.unix, hello=None)
        with refused:
            refused.ok("hello 1 vhost=/%s" % name)


def test_an_unknown_virtual_host_ends_the_connection(shared_broker):
    for url, login in ((shared_broker.unix, ""), (shared_broker.tcp, " user=guest password=guest")):
        with native.Connection(url, hello="") as stranger:
            assert_error(stranger.call("hello 1%s vhost=/none" % login), "not_found")
            assert stranger.rest().startswith(b"bye not_found ")


# Looking inside


def test_why_messages_wait(connection, other, name):
    connection.ok("declare queue %s" % name)
    assert connection.ok("why " + name).json()["because"] == "the queue is empty"
    pub(connection, name, b"1", b"2")
    found = connection.ok("why " + name).json()
    assert (found["ready"], found["because"]) == (2, "nobody consumes from the queue")
    other.ok("consume %s c=9 prefetch=1" % name)
    (delivery,) = other.collect(1)
    found = connection.ok("why " + name).json()
    assert (found["ready"], found["unacknowledged"]) == (1, 1)
    assert "prefetch of 1" in found["consumers"][0]["because"]
    held = connection.ok("why %s 0" % name).json()
    assert (held["state"], held["consumer"], held["delivery"]) == ("unacknowledged", 9, delivery.number)
    assert connection.ok("why %s 1" % name).json()["state"] == "ready"
    assert connection.ok("why %s 2" % name).json()["state"] == "unknown"
    other.ok("ack %d t=1" % delivery.number)
    assert connection.ok("why %s 0" % name).json()["state"] == "settled"


def test_everything_is_described(connection, name):
    connection.ok("declare queue %s max-priority=2" % name)
    connection.ok("declare topic %s.t partitions=2 retention-bytes=1000000" % name)
    connection.ok("declare exchange %s type=topic" % name)
    connection.ok("bind %s %s key=a.*" % (name, name))
    queue = described(connection, "queue", name)
    assert (queue["durable"], queue["arguments"]) == (True, {"max-priority": "2"})
    assert queue["bindings"] == [{"source": name, "destination": name, "to": "queue", "key": "a.*"}]
    topic = described(connection, "topic", name + ".t")
    assert (topic["partitions"], topic["arguments"]) == (2, {"retention-bytes": "1000000"})
    assert described(connection, "exchange", name)["bindings"] == queue["bindings"]
    assert described(connection, "vhost", "/")["name"] == "/"
    assert_error(connection.call("describe topic " + name), "not_found")
    assert_error(connection.call("describe queue %s.t" % name), "not_found")


def test_consumers_of_what_expires_or_is_deleted_are_told(connection, other, name):
    connection.ok("declare topic %s" % name)
    other.ok("consume %s c=1 group=g join=range" % name)
    assigned(other)
    connection.ok("delete topic " + name)
    event = other.next_event(10)
    assert isinstance(event, ConsumerError) and (event.consumer, event.code) == (1, "cancelled")


# Over a restart


def everything(connection):
    """What there is in the next test, with bindings in an order of its own."""
    found = [described(connection, *what) for what in (
        ("queue", "q"), ("topic", "t"), ("exchange", "e"), ("policy", "p"))]
    for thing in found:
        thing.get("bindings", []).sort(key=str)
    return found


def test_definitions_are_there_after_a_kill(new_broker):
    broker = new_broker()
    broker.start()
    with native.Connection(broker.unix) as connection:
        connection.ok("declare vhost /shop")
        connection.ok(
            "declare queue q max-length=5 max-priority=3 dead-letter-exchange= dead-letter-routing-key=q.dead")
        connection.ok("alter q max-length=6 message-ttl=60000")
        connection.ok("declare topic t partitions=3 cleanup-policy=compact")
        connection.ok("declare exchange e type=headers alternate=amq.fanout")
        connection.ok("declare exchange f type=topic")
        connection.ok("bind e q match=any h.a=1 h.b=")
        connection.ok("bind e f to=exchange h.c=3")
        connection.ok("policy p pattern=^q to=queues priority=3 delivery-limit=4")
        before = everything(connection)
        hosts = [row["name"] for row in connection.ok("list vhosts").json()]
    broker.kill()
    broker.start()
    with native.Connection(broker.unix) as connection:
        assert everything(connection) == before
        assert before[0]["effective"] == {
            "message-ttl": "60000", "max-length": "6", "delivery-limit": "4", "dead-letter-exchange": "",
            "dead-letter-routing-key": "q.dead", "max-priority": "3"}
        assert [row["name"] for row in connection.ok("list vhosts").json()] == hosts == ["/", "/shop"]


def test_priorities_and_deaths_survive_a_kill(new_broker):
    broker = new_broker()
    broker.start()
    with native.Connection(broker.unix) as connection:
        connection.ok("declare queue dead")
        connection.ok("declare queue q max-priority=9 dead-letter-exchange= dead-letter-routing-key=dead")
        for priority in (1, 9, 5):
            pub(connection, "q", b"%d" % priority, options="prio=%d" % priority)
        answer = connection.ok("get q ack=manual")
        assert answer.body == b"9"
        connection.ok("reject %s t=1" % answer.options["delivery"])
        connection.ok("ping")
    broker.kill()
    broker.start()
    with native.Connection(broker.unix) as connection:
        dead = soon(connection, "dead")
        assert (dead.body, fate(dead)) == (b"9", ("rejected", 1, "q"))
        assert contents(connection, "q") == [b"5", b"1"]

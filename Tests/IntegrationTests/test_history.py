"""The checker on itself: it finds each kind of violation, and none in a good history. Needs no server."""
from __future__ import annotations

import pytest

from history import COUNTS, History, Key, body, parse

ROUTES = {"q": ["q"], "fan": ["f0", "f1"], "other": ["other"]}


@pytest.fixture
def history():
    return History(ROUTES)


def send(history, count=1, target="q", confirm=True, connection=1, batch=False, producer="p"):
    messages = history.sent(producer, target, connection, [64] * count, batch)
    if confirm:
        history.confirmed(messages)
    return messages


def deliver(history, message, offset=None, redelivered=None, queue=None, connection=100):
    return history.delivered(queue or ROUTES[message.key.target][0], message.key.number if offset is None else offset,
                             redelivered, message.body(), connection)


def assert_only(history, **expected):
    """The verdict counts exactly this, and fails because of it."""
    verdict = history.verdict()
    assert verdict.counts == {**dict.fromkeys(COUNTS, 0), **expected}, str(verdict)
    assert verdict.passed == (not expected)
    assert str(verdict).startswith("VERDICT %s lost=" % ("FAIL" if expected else "PASS"))


def test_a_good_history_passes(history):
    for message in send(history, 5):
        deliver(history, message)
    for message in send(history, 2, target="fan"):
        for queue in ROUTES["fan"]:
            deliver(history, message, queue=queue)
    requeued = send(history)[0]
    deliver(history, requeued)
    deliver(history, requeued, redelivered=1)
    history.settled([("q", requeued)])
    tail = send(history, 4, confirm=False, connection=2)
    deliver(history, tail[0])
    deliver(history, tail[1])
    assert_only(history)


def test_an_empty_history_passes(history):
    assert_only(history)


def test_lost(history):
    messages = send(history, 3)
    deliver(history, messages[0])
    deliver(history, messages[2])
    assert_only(history, lost=1)


def test_lost_from_one_queue_of_a_fanout(history):
    message = send(history, target="fan")[0]
    deliver(history, message, queue="f0")
    assert_only(history, lost=1, partial_fanout=1)


def test_unknown_message(history):
    assert history.delivered("q", 0, None, body(Key("p", "q", 7), 64), 1) is None
    assert_only(history, unknown=1)


@pytest.mark.parametrize("data", [b"", b"|", b"not ours at all", b"p q x 64|", b"\xff\xfe|", b"p q 0 64|short"])
def test_unknown_bytes(history, data):
    message = send(history)[0]
    deliver(history, message)
    history.delivered("q", 9, None, data, 1)
    assert_only(history, unknown=1)


def test_one_flipped_bit_is_unknown(history):
    message = send(history)[0]
    data = bytearray(message.body())
    data[-1] ^= 1
    history.delivered("q", 0, None, bytes(data), 1)
    deliver(history, message)
    assert_only(history, unknown=1)


def test_delivered_from_the_wrong_queue(history):
    message = send(history)[0]
    deliver(history, message)
    deliver(history, message, queue="other")
    assert_only(history, unknown=1)


def test_refused_and_delivered(history):
    messages = send(history, 2, confirm=False)
    history.refused(messages)
    deliver(history, messages[0])
    assert_only(history, unknown=1)


def test_a_refusal_is_no_hole(history):
    messages = send(history, 3, confirm=False)
    history.refused(messages[1:2])
    deliver(history, messages[0])
    deliver(history, messages[2])
    assert_only(history)


def test_misordered_in_the_queue(history):
    first, second = send(history, 2)
    deliver(history, second, offset=3, connection=101)
    deliver(history, first, offset=4, connection=102)
    assert_only(history, misordered=1)


def test_misordered_on_one_connection(history):
    first, second = send(history, 2)
    deliver(history, second)
    deliver(history, first)
    assert_only(history, misordered=1)


def test_seen_in_another_order_by_two_connections_is_fine(history):
    first, second = send(history, 2)
    deliver(history, second, connection=101)
    deliver(history, first, connection=102)
    assert_only(history)


def test_a_requeued_message_may_come_later(history):
    first, second = send(history, 2)
    deliver(history, first)
    deliver(history, second)
    deliver(history, first, redelivered=1)
    assert_only(history)


def test_a_requeued_message_keeps_its_place(history):
    message = send(history)[0]
    deliver(history, message, offset=3)
    deliver(history, message, offset=4, redelivered=1)
    assert_only(history, misordered=1)


def test_two_confirmed_messages_at_one_offset(history):
    first, second = send(history, 2)
    deliver(history, first, offset=3, connection=101)
    deliver(history, second, offset=3, connection=102)
    assert_only(history, misordered=1)


def test_hole_in_the_unconfirmed_tail(history):
    tail = send(history, 4, confirm=False)
    deliver(history, tail[0])
    deliver(history, tail[3])
    assert_only(history, holes=2)


def test_hole_before_a_confirmed_message(history):
    send(history, 1, confirm=False)
    deliver(history, send(history)[0])
    assert_only(history, holes=1)


def test_tails_of_two_connections_are_separate(history):
    send(history, 3, confirm=False, connection=1)
    deliver(history, send(history, 1, confirm=False, connection=2)[0])
    assert_only(history)


def test_tails_of_two_queues_are_separate(history):
    send(history, 3, confirm=False, target="other")
    deliver(history, send(history, 1, confirm=False)[0])
    assert_only(history)


def test_partial_fanout(history):
    deliver(history, send(history, target="fan", confirm=False)[0], queue="f1")
    assert_only(history, partial_fanout=1)


def test_partial_batch(history):
    batch = send(history, 3, confirm=False, batch=True)
    deliver(history, batch[0])
    deliver(history, batch[1])
    assert_only(history, partial_batch=1)


def test_what_was_handed_out_and_not_written_may_vanish(history):
    first, second = history.new_connection(life=1), history.new_connection(life=2)
    gone = send(history, 3, confirm=False, connection=first)
    deliver(history, gone[0], connection=first)
    deliver(history, gone[2], connection=first)
    # It leaves its place to another one.
    deliver(history, send(history, connection=second)[0], offset=0, connection=second)
    assert_only(history)


def test_what_was_seen_after_a_death_was_written(history):
    first, second = history.new_connection(life=1), history.new_connection(life=2)
    tail = send(history, 3, confirm=False, connection=first)
    deliver(history, tail[2], connection=first)
    deliver(history, tail[2], redelivered=0, connection=second)
    assert_only(history, holes=2)


def test_what_was_written_keeps_its_place_after_a_death(history):
    first, second = history.new_connection(life=1), history.new_connection(life=2)
    message = send(history, connection=first)[0]
    deliver(history, message, offset=5, connection=first)
    deliver(history, message, offset=5, redelivered=0, connection=second)
    assert_only(history)
    third = history.new_connection(life=2)
    deliver(history, send(history, connection=second)[0], offset=4, connection=third)
    assert_only(history, misordered=1)


def test_a_batch_that_is_not_there_at_all(history):
    for message in send(history, 3, confirm=False, batch=True):
        deliver(history, message)
    send(history, 3, confirm=False, batch=True)
    assert_only(history)


def test_resurrected(history):
    message = send(history)[0]
    deliver(history, message)
    history.settled([("q", message)])
    deliver(history, message, redelivered=0)
    assert_only(history, resurrected=1)


def test_an_answered_ack_counts_in_its_queue_only(history):
    message = send(history, target="fan")[0]
    deliver(history, message, queue="f0")
    history.settled([("f0", message)])
    deliver(history, message, queue="f1")
    deliver(history, message, queue="f1", redelivered=0)
    assert_only(history)


def test_dup_unflagged(history):
    message = send(history)[0]
    deliver(history, message, connection=101)
    deliver(history, message, connection=102)
    assert_only(history, dup_unflagged=1)


def test_leftover(history):
    history.remains("q", 2)
    history.remains("other", 0)
    assert_only(history, leftover=2)


def test_waiting_counts_copies_that_are_confirmed_and_unseen(history):
    fan = send(history, target="fan")[0]
    assert history.waiting() == 2
    deliver(history, fan, queue="f0")
    assert history.waiting() == 1
    early = send(history, confirm=False)[0]
    deliver(history, early)
    history.confirmed([early])
    assert history.waiting() == 1


def test_the_verdict_can_be_asked_twice(history):
    send(history)
    assert history.verdict().counts == history.verdict().counts


@pytest.mark.parametrize("size", [0, 16, 17, 4096, 102_400])
def test_bodies_are_parsed_back(size):
    key = Key("p1", "q0", 123_456)
    data = body(key, size)
    assert parse(data) == (key, size)
    assert len(data) == max(size, len(b"p1 q0 123456 |") + len(str(size)))

"""The decoder against the shared vectors: whole, byte by byte, and cut anywhere."""

from __future__ import annotations

import random
from typing import Any, Dict, List, Optional

import pytest

from cola import Message, ProtocolViolation
from cola._answers import Assigned, Decoder, Err, Event, Notice, Ok
from vectors import Vector, name_of, raw, vectors


def fields(event: Event) -> Dict[str, Any]:
    """An event as the vectors write it, with bytes as bytes."""
    found: Dict[str, Any]
    if isinstance(event, Ok):
        found = {"kind": "ok", "t": event.tag, "t_last": event.tag_last, "body": event.body}
        found["options"] = [(name.encode(), value) for name, value in event.pairs] or None
    elif isinstance(event, Err):
        found = {"kind": "err", "t": event.tag, "c": event.consumer, "code": event.code}
        found.update(retry=event.retry, sentence=event.sentence)
    elif isinstance(event, Message):
        found = {"kind": "msg", "consumer": event.consumer, "delivery": event.delivery, "offset": event.offset}
        found.update(r=event.releases, ts=event.timestamp, key=event.key, body=event.body)
        found["headers"] = event.header_pairs or None
        found.update(p=event.partition or None, null=None if event.has_value else True)
    elif isinstance(event, Assigned):
        found = {"kind": "assigned", "c": event.consumer, "generation": event.generation}
        found["partitions"] = [list(place) for place in event.partitions.items()]
    else:
        assert isinstance(event, Notice)
        found = {"kind": event.kind, "code": event.code or None, "sentence": event.sentence or None}
    return {name: value for name, value in found.items() if value is not None}


def expected(vector: Vector) -> Dict[str, Any]:
    answer = dict(vector["answer"])
    for name in ("body", "key"):
        if name in answer:
            answer[name] = raw(answer[name])
    for name in ("options", "headers"):
        if name in answer:
            answer[name] = [(raw(first), raw(second)) for first, second in answer[name]]
    return answer


@pytest.mark.parametrize("vector", vectors("answers"), ids=name_of)
def test_bytes_become_exactly_the_fields(vector: Vector) -> None:
    decoder = Decoder()
    assert [fields(event) for event in decoder.feed(raw(vector))] == [expected(vector)]
    assert decoder.is_between_events


@pytest.mark.parametrize("vector", vectors("answers"), ids=name_of)
def test_fed_byte_by_byte_nothing_comes_before_the_last(vector: Vector) -> None:
    decoder = Decoder()
    data = raw(vector)
    for at in range(len(data) - 1):
        assert decoder.feed(data[at : at + 1]) == []
        assert not decoder.is_between_events
    assert [fields(event) for event in decoder.feed(data[-1:])] == [expected(vector)]


@pytest.mark.parametrize("seed", range(20))
def test_all_of_them_in_one_stream_cut_anywhere(seed: int) -> None:
    random_numbers = random.Random(seed)
    data = b"".join(raw(vector) for vector in vectors("answers"))
    decoder = Decoder()
    found: List[Dict[str, Any]] = []
    at = 0
    while at < len(data):
        size = random_numbers.choice((1, 2, 3, 7, 64, 1000, 70_000, 300_000))
        found += [fields(event) for event in decoder.feed(data[at : at + size])]
        at += size
    assert found == [expected(vector) for vector in vectors("answers")]


@pytest.mark.parametrize("vector", vectors("broken_answers"), ids=name_of)
@pytest.mark.parametrize("step", (1, None))
def test_what_is_not_the_protocol_is_refused(vector: Vector, step: Optional[int]) -> None:
    decoder = Decoder()
    data = raw(vector)
    with pytest.raises(ProtocolViolation):
        for at in range(0, len(data), step or len(data)):
            decoder.feed(data[at : at + (step or len(data))])


def test_a_line_without_an_end_is_refused() -> None:
    decoder = Decoder()
    with pytest.raises(ProtocolViolation, match="no LF within"):
        for _ in range(40):
            decoder.feed(b"x" * 65_536)


def test_a_large_body_passes_and_its_room_is_given_back() -> None:
    body = bytes(range(256)) * 65_536
    decoder = Decoder()
    events = decoder.feed(b"msg 1 1 0 %d\n%b\nbeat\n" % (len(body), body))
    assert isinstance(events[0], Message) and events[0].body == body
    assert isinstance(events[1], Notice) and events[1].kind == "beat"
    assert len(decoder.room()) < 1_048_576


def test_a_claimed_size_alone_takes_no_room() -> None:
    decoder = Decoder()
    decoder.feed(b"msg 1 1 0 1000000000\nabc")
    assert len(decoder.room()) < 1_048_576


def test_options_that_a_later_server_adds_are_skipped() -> None:
    (message,) = Decoder().feed(b"msg 1 1 0 0 priority=5 ts=7\n\n")
    assert isinstance(message, Message) and message.timestamp == 7

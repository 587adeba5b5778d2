"""What the server sends, from bytes: answers, deliveries and notices.

The decoder is fed bytes cut anywhere and never waits or reads by itself (sans-IO). It owns one buffer that a socket
receives into; a body is copied once, out of it.
"""

from __future__ import annotations

from typing import Callable, Dict, List, Optional, Sequence, Tuple, Union

from ._errors import ProtocolViolation
from ._message import Message
from ._text import from_bytes, unescape

_ROOM = 65_536
_BUFFER = 262_144
# A server's line holds at most a record's headers; a body, at most a listing. Both far under these.
_LINE_MAX = 1_048_576
_BODY_MAX = 1_073_741_824


class Ok:
    """``ok``: to the request ``tag``, or to all from ``tag`` to ``tag_last``.

    ``pairs`` are its options in their order: headers among them may repeat, which ``options`` cannot say.
    """

    __slots__ = ("tag", "tag_last", "pairs", "options", "body")

    def __init__(
        self, tag: Optional[int], tag_last: Optional[int], pairs: Sequence[Tuple[str, bytes]] = ()
    ) -> None:
        self.tag = tag
        self.tag_last = tag_last
        self.pairs = pairs
        self.options = dict(pairs)
        self.body: Optional[bytes] = None

    def number(self, name: str) -> int:
        """
        - Raises ProtocolViolation: the option is missing or is no number.
        """
        return _number(self.options.get(name, b""), name)


class Err:
    """``err``: to the request ``tag``; about the consumer ``consumer``; or, with neither, to an ack or credit."""

    __slots__ = ("tag", "consumer", "code", "retry", "sentence")

    def __init__(self, tag: Optional[int], consumer: Optional[int], code: str, retry: bool, sentence: str) -> None:
        self.tag = tag
        self.consumer = consumer
        self.code = code
        self.retry = retry
        self.sentence = sentence


class Assigned:
    """``assigned``: the partitions that a member of a group reads from now on, each with the offset it begins at."""

    __slots__ = ("consumer", "generation", "partitions")

    def __init__(self, consumer: int, generation: int, partitions: Dict[int, int]) -> None:
        self.consumer = consumer
        self.generation = generation
        self.partitions = partitions


class Notice:
    """``bye`` (with a code), ``blocked``, ``unblocked`` or ``beat``."""

    __slots__ = ("kind", "code", "sentence")

    def __init__(self, kind: str, code: str = "", sentence: str = "") -> None:
        self.kind = kind
        self.code = code
        self.sentence = sentence


Event = Union[Ok, Err, Message, Assigned, Notice]


class Decoder:
    """Bytes in, events out. ``message`` makes the object of a delivery, so that a client can add to it."""

    def __init__(self, message: Callable[[int, int, int], Message] = Message) -> None:
        self._message = message
        self._buffer = bytearray(_BUFFER)
        self._view = memoryview(self._buffer)
        self._start = 0  # the first byte that is not decoded
        self._end = 0  # behind the last byte received
        self._searched = 0  # no LF stands between _start and here
        self._head: Union[Ok, Message, None] = None  # its line is decoded, its body not complete
        self._size = 0

    def room(self) -> memoryview:
        """Where to receive into; then say how much came with ``received``."""
        waiting = self._end - self._start
        if waiting == 0:
            self._start = self._end = self._searched = 0
            if len(self._buffer) > 4 * _BUFFER:
                self._replace(_BUFFER)
        # A body is not given its room on its word alone: the buffer doubles as bytes really come.
        lacking = self._size + 1 - waiting if self._head is not None else 0
        needed = max(_ROOM, min(lacking, waiting))
        if len(self._buffer) - self._end < needed:
            if len(self._buffer) >= waiting + needed:
                self._view[:waiting] = self._view[self._start : self._end]
                self._searched -= self._start
                self._start, self._end = 0, waiting
            else:
                self._replace(max(2 * len(self._buffer), waiting + needed))
        return self._view[self._end :]

    def _replace(self, size: int) -> None:
        waiting = self._end - self._start
        buffer = bytearray(size)
        buffer[:waiting] = self._view[self._start : self._end]
        self._buffer, self._view = buffer, memoryview(buffer)
        self._searched -= self._start
        self._start, self._end = 0, waiting

    def received(self, count: int) -> List[Event]:
        """The events that are complete with the ``count`` bytes just received.

        - Raises ProtocolViolation: these bytes are not the protocol; the decoder cannot go on.
        """
        self._end += count
        events: List[Event] = []
        while True:
            head = self._head
            if head is None:
                line = self._line()
                if line is None:
                    return events
                if not line:
                    continue
                event = self._decode(line)
                if self._head is None:
                    events.append(event)
                    continue
                head = self._head
            end = self._start + self._size
            if end >= self._end:
                return events
            if self._buffer[end] != 10:
                raise ProtocolViolation(f"no LF where a body of {self._size} bytes should end")
            head.body = bytes(self._view[self._start : end])
            self._start = self._searched = end + 1
            self._head = None
            events.append(head)

    def feed(self, data: bytes) -> List[Event]:
        """As ``room`` and ``received``, for bytes that are in memory already."""
        events: List[Event] = []
        rest = memoryview(data)
        while rest:
            room = self.room()
            count = min(len(room), len(rest))
            room[:count] = rest[:count]
            rest = rest[count:]
            events += self.received(count)
        return events

    @property
    def is_between_events(self) -> bool:
        return self._start == self._end and self._head is None

    def _line(self) -> Optional[bytes]:
        end = self._buffer.find(b"\n", self._searched, self._end)
        if end < 0:
            self._searched = self._end
            if self._end - self._start > _LINE_MAX:
                raise ProtocolViolation(f"no LF within {_LINE_MAX} bytes")
            return None
        line = bytes(self._view[self._start : end])
        self._start = self._searched = end + 1
        return line[:-1] if line.endswith(b"\r") else line

    def _decode(self, line: bytes) -> Event:
        try:
            if line.startswith(b"msg "):
                return self._decode_message(line)
            if line.startswith(b"ok"):
                return self._decode_ok(line)
            if line.startswith(b"err "):
                return _decode_err(line)
            if line.startswith(b"assigned "):
                return _decode_assigned(line)
        except (ValueError, KeyError) as problem:
            raise ProtocolViolation(f"cannot read the line {line[:80]!r}: {problem}") from None
        return _decode_notice(line)

    def _decode_message(self, line: bytes) -> Message:
        words = line.split(b" ")
        _, consumer, delivery, offset, size = words[:5]
        if not (consumer + delivery + offset + size).isdigit():
            raise ValueError("a number is expected")
        message = self._message(int(consumer), int(delivery), int(offset))
        for option in words[5:]:
            name, equals, value = option.partition(b"=")
            if not equals:
                raise ValueError("an option has no =")
            set_option(message, name, value)
        self._expect(message, int(size))
        return message

    def _decode_ok(self, line: bytes) -> Ok:
        if line == b"ok":
            return Ok(None, None)
        words = line.split(b" ")
        if words[0] != b"ok":
            raise ValueError("no such word")
        tag = tag_last = None
        at = 1
        if words[1].startswith(b"t="):
            first, dash, last = words[1][2:].partition(b"-")
            tag = _number(first, "t")
            if dash:
                tag_last = _number(last, "t")
                if tag_last < tag:
                    raise ValueError("the tags are in the wrong order")
            at = 2
        pairs: List[Tuple[str, bytes]] = []
        for option in words[at:]:
            name, equals, value = option.partition(b"=")
            if not equals:
                raise ValueError("an option has no =")
            pairs.append((from_bytes(unescape(name)), unescape(value)))
        ok = Ok(tag, tag_last, pairs)
        if "size" in ok.options:
            self._expect(ok, ok.number("size"))
        return ok

    def _expect(self, head: Union[Ok, Message], size: int) -> None:
        if size > _BODY_MAX:
            raise ValueError(f"a body has at most {_BODY_MAX} bytes")
        self._head = head
        self._size = size


def set_option(message: Message, name: bytes, value: bytes) -> None:
    """One option of ``msg``, or of the answer to ``get``, still escaped. Unknown ones are a later server's: skipped.

    - Raises ValueError: the value is not what the option holds.
    """
    if name == b"ts":
        message.timestamp = _number(value, "ts")
    elif name.startswith(b"h."):
        message.header_pairs.append((unescape(name[2:]), unescape(value)))
    elif name == b"key":
        message.key = unescape(value)
    elif name == b"r":
        message.releases = _number(value, "r")
    elif name == b"p":
        message.partition = _number(value, "p")
    elif name == b"null":
        message.has_value = value != b"yes"


def _decode_err(line: bytes) -> Err:
    rest = line[4:]
    tag = consumer = None
    while rest[:2] in (b"t=", b"c="):
        option, _, rest = rest.partition(b" ")
        number = _number(option[2:], from_bytes(option[:1]))
        if option[:1] == b"t":
            tag = number
        else:
            consumer = number
    code, _, rest = rest.partition(b" ")
    retry, _, sentence = rest.partition(b" ")
    if not code or retry not in (b"retry", b"final"):
        raise ValueError("err needs a code and retry or final")
    return Err(tag, consumer, from_bytes(code), retry == b"retry", sentence.decode("utf-8", "replace"))


def _decode_assigned(line: bytes) -> Assigned:
    options = dict(option.partition(b"=")[::2] for option in line.split(b" ")[1:])
    partitions: Dict[int, int] = {}
    for place in options[b"partitions"].split(b",") if options.get(b"partitions") != b"" else ():
        partition, _, offset = place.partition(b":")
        partitions[_number(partition, "partition")] = _number(offset, "offset")
    consumer, generation = options.get(b"c", b""), options.get(b"generation", b"")
    return Assigned(_number(consumer, "c"), _number(generation, "generation"), partitions)


def _decode_notice(line: bytes) -> Notice:
    verb, _, rest = line.partition(b" ")
    if verb == b"bye" and rest:
        code, _, sentence = rest.partition(b" ")
        return Notice("bye", from_bytes(code), sentence.decode("utf-8", "replace"))
    if verb == b"blocked":
        return Notice("blocked", sentence=rest.decode("utf-8", "replace"))
    if line in (b"unblocked", b"beat"):
        return Notice(line.decode())
    raise ProtocolViolation(f"no such line from a server: {line[:80]!r}")


def _number(digits: bytes, name: str) -> int:
    if not digits.isdigit():
        raise ValueError(f"{name} is no number")
    return int(digits)

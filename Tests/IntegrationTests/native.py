"""A minimal blocking client of the native protocol (`protocol/native.md`), for the integration tests only.

It shares no code with the clients that Cola ships, so that a mistake in one of them cannot hide here. It holds no
opinions either: it sends the bytes that it is given, and turns what comes back into events, strictly.
"""
from __future__ import annotations

import collections
import dataclasses
import json
import socket
import time
import urllib.parse
from typing import Any, Deque, Dict, List, Optional, Tuple, Union


class ProtocolViolation(AssertionError):
    """The server sent something that `native.md` does not allow."""


class Closed(ConnectionError):
    """The server closed the connection, or it broke."""


class Refused(AssertionError):
    """A request that had to succeed was answered `err`."""

    def __init__(self, line: str, answer: "Answer"):
        super().__init__("%s: %s %s" % (line, answer.code, answer.sentence))
        self.code = answer.code


@dataclasses.dataclass
class Answer:
    """`ok` or `err`: the answer to the request with tag `first`, or to all from `first` to `last` where merged."""

    ok: bool
    first: Optional[int] = None
    last: Optional[int] = None
    options: Dict[str, str] = dataclasses.field(default_factory=dict)
    body: bytes = b""
    code: str = ""
    may_retry: bool = False
    sentence: str = ""

    def json(self) -> Any:
        return json.loads(self.body)


@dataclasses.dataclass
class Delivery:
    """One `msg`. `redelivered` is None where the server claims that the message was never handed out before; `body` is
    of no bytes where the record `is_null`."""

    consumer: int
    number: int
    offset: int
    body: bytes
    redelivered: Optional[int] = None
    timestamp: Optional[int] = None
    key: Optional[str] = None
    headers: List[Tuple[str, str]] = dataclasses.field(default_factory=list)
    partition: int = 0
    is_null: bool = False

    def header(self, name: str) -> Optional[str]:
        return next((value for found, value in self.headers if found == name), None)


@dataclasses.dataclass
class Assigned:
    """What a member of a group reads from now on: partition and next offset."""

    consumer: int
    generation: int
    partitions: Dict[int, int]


@dataclasses.dataclass
class ConsumerError:
    """`err c=N …`: not the answer to a request, but the end of a consumer or of one of its messages."""

    consumer: int
    code: str
    sentence: str


@dataclasses.dataclass
class Notice:
    """`bye`, `blocked`, `unblocked` or `beat`; `text` is the rest of the line."""

    verb: str
    text: str = ""


Event = Union[Answer, Delivery, ConsumerError, Assigned, Notice]


def escape(text: Union[str, bytes]) -> str:
    """A word of a line: space, control bytes, DEL and `%` as `%XX`; no bytes at all as `%`."""
    raw = text.encode() if isinstance(text, str) else text
    escaped = b"".join(b"%%%02X" % byte if byte <= 0x20 or byte in (0x25, 0x7F) else bytes([byte]) for byte in raw)
    return (escaped or b"%").decode("utf-8", "surrogateescape")


def unescape(text: str) -> str:
    return urllib.parse.unquote(text, errors="surrogateescape")


def number(text: str) -> int:
    if not text.isdigit() or (text[0] == "0" and text != "0") or int(text) > 2**63 - 1:
        raise ProtocolViolation("not a number: %r" % text)
    return int(text)


def split_options(parts: List[str]) -> List[Tuple[str, str]]:
    options = []
    for part in parts:
        name, equals, value = part.partition("=")
        if not equals or not name:
            raise ProtocolViolation("not an option: %r" % part)
        options.append((unescape(name), unescape(value)))
    return options


def connect(url: str, timeout: float = 10.0) -> socket.socket:
    """A socket for `unix:///path` or `tcp://host:port`."""
    if url.startswith("unix://"):
        stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        stream.settimeout(timeout)
        try:
            stream.connect(url[len("unix://"):])
        except OSError:
            stream.close()
            raise
        return stream
    host, _, port = url[len("tcp://"):].rpartition(":")
    stream = socket.create_connection((host, int(port)), timeout)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return stream


class Connection:
    """One connection: bytes out, events in. Not for use by two threads at once."""

    def __init__(self, url: str, timeout: float = 10.0, hello: Optional[str] = None):
        self.timeout = timeout
        self.stream = connect(url, timeout)
        self.buffer = bytearray()
        self.deliveries: Deque[Delivery] = collections.deque()
        self.asides: List[Union[ConsumerError, Assigned, Notice]] = []
        if hello is None and url.startswith("tcp://"):
            hello = "hello 1 user=guest password=guest"
        if hello:
            try:
                self.call(hello)
            except BaseException:
                self.close()
                raise

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.stream.close()

    # Out

    def send_bytes(self, data: bytes) -> None:
        self.stream.settimeout(self.timeout)
        self.stream.sendall(data)

    def send(self, line: str, body: Optional[bytes] = None) -> None:
        self.send_bytes(frame(line, body))

    # In

    def next_event(self, timeout: Optional[float] = None) -> Optional[Event]:
        """The next event, or None when `timeout` seconds pass without one."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        line = self._take_line(deadline)
        return None if line is None else self._parse(line)

    def call(self, line: str, body: Optional[bytes] = None, timeout: Optional[float] = None) -> Answer:
        """Sends a request and waits for its answer; what comes in between is kept in `deliveries` and `asides`."""
        self.send(line, body)
        return self.answer(timeout)

    def ok(self, line: str, body: Optional[bytes] = None, timeout: Optional[float] = None) -> Answer:
        """`call`, for a request that must succeed."""
        answer = self.call(line, body, timeout)
        if not answer.ok:
            raise Refused(line, answer)
        return answer

    def answer(self, timeout: Optional[float] = None) -> Answer:
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            event = self.next_event(max(0.0, deadline - time.monotonic()))
            if event is None:
                raise TimeoutError("no answer in time")
            if isinstance(event, Answer):
                return event
            self._keep(event)

    def delivery(self, timeout: Optional[float] = None) -> Optional[Delivery]:
        """The next message, or None when `timeout` seconds pass without one."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while not self.deliveries:
            event = self.next_event(max(0.0, deadline - time.monotonic()))
            if event is None:
                return None
            if isinstance(event, Answer):
                raise ProtocolViolation("an answer that nobody waits for: %r" % (event,))
            self._keep(event)
        return self.deliveries.popleft()

    def collect(self, count: int, timeout: Optional[float] = None) -> List[Delivery]:
        """Exactly `count` messages; fewer in time are an error."""
        collected: List[Delivery] = []
        while len(collected) < count:
            delivery = self.delivery(timeout)
            assert delivery is not None, "%d messages came instead of %d" % (len(collected), count)
            collected.append(delivery)
        return collected

    def rest(self, timeout: float = 10.0) -> bytes:
        """Everything up to the end of the stream; a connection that stays open is an error."""
        deadline = time.monotonic() + timeout
        while self._fill(deadline, end_is_fine=True):
            pass
        rest, self.buffer = bytes(self.buffer), bytearray()
        return rest

    # Inside

    def _keep(self, event: Union[Delivery, ConsumerError, Assigned, Notice]) -> None:
        if isinstance(event, Delivery):
            self.deliveries.append(event)
        else:
            self.asides.append(event)

    def _fill(self, deadline: float, end_is_fine: bool = False) -> bool:
        """Reads once. False at the end of the stream where that is fine; a timeout raises."""
        self.stream.settimeout(max(0.001, deadline - time.monotonic()))
        try:
            data = self.stream.recv(262_144)
        except ConnectionError as error:
            if end_is_fine:
                return False
            raise Closed(str(error)) from error
        if not data:
            if end_is_fine:
                return False
            raise Closed("the server closed the connection")
        self.buffer += data
        return True

    def _take_line(self, deadline: float) -> Optional[str]:
        searched = 0
        while True:
            end = self.buffer.find(b"\n", searched)
            if end >= 0:
                line = bytes(self.buffer[:end])
                del self.buffer[: end + 1]
                return line.decode("utf-8", "surrogateescape")
            searched = len(self.buffer)
            try:
                self._fill(deadline)
            except socket.timeout:
                return None

    def _take_body(self, size: int) -> bytes:
        deadline = time.monotonic() + self.timeout
        while len(self.buffer) < size + 1:
            self._fill(deadline)
        if self.buffer[size] != 0x0A:
            raise ProtocolViolation("no LF after a body of %d bytes" % size)
        body = bytes(self.buffer[:size])
        del self.buffer[: size + 1]
        return body

    def _parse(self, line: str) -> Event:
        verb, _, rest = line.partition(" ")
        if verb == "msg":
            return self._parse_delivery(rest.split(" "))
        if verb == "ok":
            return self._parse_ok(rest.split(" ") if rest else [])
        if verb == "err":
            return parse_error(rest)
        if verb == "assigned":
            return parse_assigned(split_options(rest.split(" ")))
        if verb in ("bye", "blocked", "unblocked", "beat"):
            return Notice(verb, rest)
        raise ProtocolViolation("unknown line from the server: %r" % line)

    def _parse_delivery(self, parts: List[str]) -> Delivery:
        if len(parts) < 4:
            raise ProtocolViolation("msg with %d words" % len(parts))
        consumer, delivery, offset, size = (number(part) for part in parts[:4])
        message = Delivery(consumer, delivery, offset, b"")
        read_record(message, split_options(parts[4:]))
        message.body = self._take_body(size)
        return message

    def _parse_ok(self, parts: List[str]) -> Answer:
        answer = Answer(ok=True)
        headers = []
        for name, value in split_options(parts):
            if name == "t":
                first, dash, last = value.partition("-")
                answer.first = number(first)
                answer.last = number(last) if dash else answer.first
                if dash and answer.last <= answer.first:
                    raise ProtocolViolation("merged tags that do not grow: %r" % value)
            elif name.startswith("h."):
                headers.append(name)
                answer.options[name] = value
            elif name in answer.options:
                raise ProtocolViolation("twice in one answer: %r" % name)
            else:
                answer.options[name] = value
        if "size" in answer.options:
            answer.body = self._take_body(number(answer.options["size"]))
        return answer


def read_record(message: Delivery, options: List[Tuple[str, str]]) -> None:
    for name, value in options:
        if name == "r":
            message.redelivered = number(value)
        elif name == "ts":
            message.timestamp = number(value)
        elif name == "key":
            message.key = value
        elif name == "p":
            message.partition = number(value)
        elif name == "null" and value == "yes":
            message.is_null = True
        elif name.startswith("h."):
            message.headers.append((name[2:], value))
        else:
            raise ProtocolViolation("unknown option of msg: %r" % name)


def parse_assigned(options: List[Tuple[str, str]]) -> Assigned:
    found = dict(options)
    if sorted(found) != ["c", "generation", "partitions"]:
        raise ProtocolViolation("assigned says %r" % options)
    places = [place.split(":") for place in found["partitions"].split(",") if place]
    return Assigned(
        number(found["c"]), number(found["generation"]), {number(where): number(next) for where, next in places})


def parse_error(rest: str) -> Union[Answer, ConsumerError]:
    tag: Optional[int] = None
    consumer: Optional[int] = None
    first, _, remainder = rest.partition(" ")
    if first.startswith("t="):
        tag, rest = number(first[2:]), remainder
    elif first.startswith("c="):
        consumer, rest = number(first[2:]), remainder
    parts = rest.split(" ", 2)
    if len(parts) < 3 or parts[1] not in ("retry", "final") or not parts[2]:
        raise ProtocolViolation("not an error line: %r" % rest)
    code, may_retry, sentence = parts[0], parts[1] == "retry", parts[2]
    if consumer is not None:
        return ConsumerError(consumer, code, sentence)
    return Answer(False, tag, tag, code=code, may_retry=may_retry, sentence=sentence)


def frame(line: str, body: Optional[bytes] = None) -> bytes:
    """A request as bytes."""
    raw = line.encode("utf-8", "surrogateescape") + b"\n"
    return raw if body is None else raw + body + b"\n"


def publish(name: str, body: bytes, options: str = "") -> bytes:
    """A `pub` as bytes."""
    return frame("pub %s %d%s" % (escape(name), len(body), " " + options if options else ""), body)


def publish_batch(name: str, bodies: List[bytes], options: str = "") -> bytes:
    """A `pubs` as bytes."""
    head = "pubs %s %d%s\n" % (escape(name), len(bodies), " " + options if options else "")
    return head.encode() + b"".join(b"%d\n%s\n" % (len(body), body) for body in bodies)

"""AMQP 0-9-1 from the client's side: pika for what it shows, and `Wire` for what a client hides.

`AMQP_ADDRESS=HOST:PORT` points the tests at a broker that runs already: what they assert was seen at RabbitMQ 3.10.8.
"""
from __future__ import annotations

import os
import select
import socket
import struct
import time
import uuid
from typing import Any, Dict, List, NamedTuple, Optional, Tuple, Type, Union

import pika
from pika import frame as frames
from pika import spec

HEADER = b"AMQP\x00\x00\x09\x01"
#: What a client says that it understands.
CAPABILITIES = {"publisher_confirms": True, "consumer_cancel_notify": True, "basic.nack": True,
                "connection.blocked": True, "authentication_failure_close": True}


class Address(NamedTuple):
    host: str
    port: int


def elsewhere() -> Optional[Address]:
    """The broker that the environment names."""
    named = os.environ.get("AMQP_ADDRESS")
    return address(named) if named else None


def address(text: str) -> Address:
    """`HOST:PORT`, or a URL that ends with it."""
    host, _, port = text.rpartition("/")[2].rpartition(":")
    return Address(host, int(port))


def unique(prefix: str) -> str:
    """A name that nobody has used, also at a broker that tests have run at before."""
    return "%s-%s" % (prefix, uuid.uuid4().hex[:12])


def connect(where: Address, **options: Any) -> pika.BlockingConnection:
    """An administrator's connection."""
    options.setdefault("heartbeat", 0)
    options.setdefault("socket_timeout", 10)
    options.setdefault("blocked_connection_timeout", 20)
    options.setdefault("connection_attempts", 1)
    return pika.BlockingConnection(pika.ConnectionParameters(host=where.host, port=where.port, **options))


def wait_for(condition, seconds: float = 5.0, every: float = 0.01) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True


def count(channel, queue: str) -> int:
    """How many messages wait."""
    return channel.queue_declare(queue, passive=True).method.message_count


def get(channel, queue: str, seconds: float = 5.0, **options: Any) -> Tuple[Any, Any, bytes]:
    """The next message, which may be on its way still: method, properties and body."""
    deadline = time.monotonic() + seconds
    while True:
        method, properties, body = channel.basic_get(queue, **options)
        if method is not None:
            return method, properties, body
        assert time.monotonic() < deadline, "nothing came to %s" % queue
        time.sleep(0.01)


def drain(channel, queue: str) -> List[bytes]:
    """Every body that waits, acknowledged."""
    bodies = []
    while True:
        method, _, body = channel.basic_get(queue, auto_ack=True)
        if method is None:
            return bodies
        bodies.append(body)


class Delivery(NamedTuple):
    method: Any
    properties: spec.BasicProperties
    body: bytes


class Collector:
    """A consumer of a pika channel that keeps what it gets, without acknowledging it."""

    def __init__(self, channel, queue: str, **options: Any):
        self.channel = channel
        self.deliveries: List[Delivery] = []
        self.tag = channel.basic_consume(
            queue, lambda _, method, properties, body: self.deliveries.append(Delivery(method, properties, body)),
            **options)

    def wait(self, number: int, seconds: float = 5.0) -> List[Delivery]:
        """At least so many deliveries."""
        deadline = time.monotonic() + seconds
        while len(self.deliveries) < number:
            left = deadline - time.monotonic()
            assert left > 0, "%d deliveries came, of %d" % (len(self.deliveries), number)
            self.channel.connection.process_data_events(min(left, 0.05))
        return self.deliveries

    def settle_down(self, seconds: float = 0.15) -> List[Delivery]:
        """All that came, when a while has passed in which more would have."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.channel.connection.process_data_events(0.02)
        return self.deliveries

    @property
    def bodies(self) -> List[bytes]:
        return [delivery.body for delivery in self.deliveries]


def marshal(method: Any, channel: int = 1) -> bytes:
    """A method's frame."""
    return frames.Method(channel, method).marshal()


Frame = Union[frames.Method, frames.Header, frames.Body, frames.Heartbeat, frames.ProtocolHeader]


class Wire:
    """One connection, frame by frame. With `login` it is past `connection.open`."""

    def __init__(self, where: Address, login: bool = True, timeout: float = 5.0, **tune: int):
        self.timeout = timeout
        self.socket = socket.create_connection(where, timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.start: Any = None
        self.tuned: Any = None
        if login:
            self.log_in()
            self.tune(**tune)
            self.send(spec.Connection.Open("/"), 0)
            self.expect(spec.Connection.OpenOk, 0)

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    # The beginning

    def log_in(self, user: str = "guest", password: str = "guest", mechanism: str = "PLAIN",
               response: Optional[bytes] = None, properties: Optional[Dict[str, Any]] = None) -> None:
        """Up to the server's next word, which should be `connection.tune`."""
        self.socket.sendall(HEADER)
        self.start = self.expect(spec.Connection.Start, 0)
        said = {"product": "wire", "capabilities": CAPABILITIES} if properties is None else properties
        answer = response if response is not None else b"\0%s\0%s" % (user.encode(), password.encode())
        self.send(spec.Connection.StartOk(said, mechanism, answer.decode("latin-1"), "en_US"), 0)

    def tune(self, channel_max: Optional[int] = None, frame_max: Optional[int] = None, heartbeat: int = 0) -> None:
        self.tuned = self.expect(spec.Connection.Tune, 0)
        self.send(spec.Connection.TuneOk(
            self.tuned.channel_max if channel_max is None else channel_max,
            self.tuned.frame_max if frame_max is None else frame_max, heartbeat), 0)

    def open(self, channel: int = 1) -> "Wire":
        self.call(spec.Channel.Open(), spec.Channel.OpenOk, channel)
        return self

    # Out

    def send(self, method: Any, channel: int = 1) -> None:
        self.socket.sendall(marshal(method, channel))

    def send_bytes(self, data: bytes) -> None:
        self.socket.sendall(data)

    def publish(self, body: bytes, exchange: str = "", key: str = "", channel: int = 1, frame_max: int = 131_072,
                mandatory: bool = False, **properties: Any) -> None:
        self.send_bytes(published(body, exchange, key, channel, frame_max, mandatory, **properties))

    def call(self, method: Any, answer: Type, channel: int = 1) -> Any:
        self.send(method, channel)
        return self.expect(answer, channel)

    # In

    def frame(self, timeout: Optional[float] = None) -> Frame:
        """The next frame but for heartbeats."""
        while True:
            found = self.raw_frame(timeout)
            if not isinstance(found, frames.Heartbeat):
                return found

    def raw_frame(self, timeout: Optional[float] = None) -> Frame:
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            used, found = frames.decode_frame(self.buffer)
            if found is not None:
                self.buffer = self.buffer[used:]
                return found
            self.socket.settimeout(max(0.001, deadline - time.monotonic()))
            data = self.socket.recv(1 << 20)
            if not data:
                raise EOFError("the server closed the connection")
            self.buffer += data

    def expect(self, kind: Type, channel: int = 1) -> Any:
        """The next frame, which is this method on this channel."""
        found = self.frame()
        assert isinstance(found, frames.Method) and isinstance(found.method, kind), "not %s: %r" % (
            kind.__name__, found)
        assert found.channel_number == channel, found
        return found.method

    def content(self, channel: int = 1) -> Tuple[spec.BasicProperties, bytes, List[int]]:
        """Properties, body and the sizes of the body's frames."""
        header = self.frame()
        assert isinstance(header, frames.Header) and header.channel_number == channel, header
        parts: List[bytes] = []
        while sum(map(len, parts)) < header.body_size:
            part = self.frame()
            assert isinstance(part, frames.Body) and part.channel_number == channel, part
            parts.append(part.fragment)
        return header.properties, b"".join(parts), [len(part) for part in parts]

    def silence(self, seconds: float = 0.15) -> None:
        """Nothing but heartbeats comes."""
        try:
            found = self.frame(seconds)
        except (socket.timeout, TimeoutError):
            return
        raise AssertionError("expected nothing, got %r" % found)

    def at_end(self, seconds: float = 5.0) -> bool:
        """Whether the server closes the connection in time; what comes before is dropped."""
        deadline = time.monotonic() + seconds
        while True:
            ready, _, _ = select.select([self.socket], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                return False
            try:
                if not self.socket.recv(1 << 20):
                    return True
            except ConnectionResetError:
                return True


def published(body: bytes, exchange: str = "", key: str = "", channel: int = 1, frame_max: int = 131_072,
              mandatory: bool = False, **properties: Any) -> bytes:
    """A publish as bytes."""
    method = spec.Basic.Publish(exchange=exchange, routing_key=key, mandatory=mandatory)
    data = marshal(method, channel)
    data += frames.Header(channel, len(body), spec.BasicProperties(**properties)).marshal()
    size = frame_max - 8
    return data + b"".join(frames.Body(channel, body[at:at + size]).marshal() for at in range(0, len(body), size))


def raw_frame(kind: int, channel: int, payload: bytes, size: Optional[int] = None, end: int = 0xCE) -> bytes:
    """A frame that may be wrong in any way."""
    return struct.pack(">BHI", kind, channel, len(payload) if size is None else size) + payload + bytes([end])

"""The blocking client: one connection to a server, for one program with any number of threads."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Sequence

from . import _requests as requests
from ._address import Address
from ._answers import Ok, set_option
from ._connection import Call, Connection
from ._consumer import Consumer, Delivery
from ._errors import ColaError, ConnectionLost, ProtocolViolation, TooLarge
from ._heartbeat import Heartbeat
from ._message import Message
from ._publisher import Publisher
from ._requests import Headers, Start
from ._text import Text, from_bytes, to_bytes

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Type

Row = Dict[str, Any]


def connect(
    url: Optional[str] = None,
    user: Optional[str] = None,
    password: Optional[str] = None,
    client: Optional[str] = None,
    heartbeat: int = 0,
    timeout: Optional[float] = 30.0,
    need: Sequence[str] = (),
) -> Client:
    """Connects to a server.

    - url: ``unix:///path/cola.sock`` or ``tcp://[user:password@]host[:port]``; else the environment's ``COLA_URL``,
      else ``unix://./cola-data/cola.sock``.
    - user, password: for TCP; ``guest`` where none is given. A Unix socket asks for none.
    - client: a name for listings. heartbeat: seconds, 0 for none. need: features to insist on.
    - timeout: seconds to wait for the connection and for each answer; None waits for ever.
    - Raises Unreachable, Unauthenticated, Busy; ColaError with the code ``unsupported_version`` or
      ``unsupported_feature``; ValueError for a URL that cannot be read.
    """
    address = Address(url)
    user = address.user if user is None else user
    password = address.password if password is None else password
    if not address.is_unix and user is None and password is None:
        user = password = "guest"
    connection = Connection(address.open(timeout), f"the server at {address.shown}", Delivery)
    try:
        ok = connection.call(
            "hello",
            lambda tag: requests.hello(tag, 1, user, password, client, heartbeat or None, need),
            timeout,
        ).ok
        assert ok is not None
        return Client(connection, ok, timeout)
    except ConnectionLost:
        refusal = connection.farewell()
        if refusal is None:
            raise
        raise refusal from None
    except BaseException:
        connection.lose("the connection was not opened")
        raise


class Client:
    """A connection; made by ``connect``. Use it in a ``with`` block, or call ``close``.

    Every method waits for its answer, at most ``timeout`` seconds, and raises a ``ColaError`` if the server refuses,
    ``NoAnswer`` or ``ConnectionLost``. Threads may share a client: a publisher and a consumer thread do not hold each
    other up.
    """

    def __init__(self, connection: Connection, hello: Ok, timeout: Optional[float]) -> None:
        self.timeout = timeout
        self.server = from_bytes(hello.options.get("server", b""))
        self.user = from_bytes(hello.options.get("user", b""))
        self.is_admin = hello.options.get("admin") == b"yes"
        self.features = frozenset(from_bytes(hello.options.get("features", b"")).split(","))
        self.body_max = _option(hello, "body", 16_777_216)
        self.heartbeat = _option(hello, "heartbeat", 0)
        self._connection = connection
        self._consumer_numbers = itertools.count(1)
        self._heartbeat = Heartbeat(connection, self.heartbeat) if self.heartbeat else None

    # Definitions

    def declare_queue(self, name: str) -> int:
        """Makes a queue if there is none of the name; returns how many messages are ready in it."""
        return self._number("ready", f"declare queue {name!r}", lambda tag: requests.declare("queue", name, tag))

    def declare_topic(self, name: str) -> int:
        """Makes a topic if there is none of the name; returns how many messages are in it."""
        return self._number("ready", f"declare topic {name!r}", lambda tag: requests.declare("topic", name, tag))

    def declare_exchange(self, name: str, type: str = "direct") -> None:
        """Makes an exchange if there is none of the name. type: ``direct`` or ``fanout``."""
        self._call(f"declare exchange {name!r}", lambda tag: requests.declare("exchange", name, tag, type))

    def delete_queue(self, name: str) -> int:
        """Deletes a queue with its messages and bindings; returns how many messages that were."""
        return self._number("messages", f"delete queue {name!r}", lambda tag: requests.delete("queue", name, tag))

    def delete_topic(self, name: str) -> int:
        """Deletes a topic with its messages and bindings; returns how many messages that were."""
        return self._number("messages", f"delete topic {name!r}", lambda tag: requests.delete("topic", name, tag))

    def delete_exchange(self, name: str) -> None:
        self._call(f"delete exchange {name!r}", lambda tag: requests.delete("exchange", name, tag))

    def bind(self, exchange: str, name: str, key: Optional[Text] = None) -> None:
        """From an exchange to a queue or topic."""
        self._call(f"bind {exchange!r} {name!r}", lambda tag: requests.bind(exchange, name, tag, key))

    def unbind(self, exchange: str, name: str, key: Optional[Text] = None) -> None:
        self._call(f"unbind {exchange!r} {name!r}", lambda tag: requests.unbind(exchange, name, tag, key))

    def purge(self, name: str) -> int:
        """Removes every message of a queue that is not handed out; returns how many those were."""
        return self._number("messages", f"purge {name!r}", lambda tag: requests.purge(name, tag))

    # Publishing

    def publish(
        self,
        name: Text,
        body: Text,
        *,
        exchange: Optional[str] = None,
        key: Optional[Text] = None,
        headers: Optional[Headers] = None,
        mandatory: bool = True,
    ) -> None:
        """Publishes one message and waits until it is on the server's disk.

        - name: the queue or topic, or with ``exchange`` the routing key.
        - key: the record's key. headers: in their order. mandatory: False drops a message that leads nowhere.
        - Raises Unroutable: it leads nowhere. TooLarge: not sent. NoAnswer, ConnectionLost: it may be stored or not.
        """
        data = to_bytes(body)
        self._check_size(len(data))
        label = f"publish {len(data)} bytes to {from_bytes(to_bytes(name))!r}"
        self._call(label, lambda tag: requests.pub(name, data, tag, exchange, key, headers, mandatory))

    def publish_many(
        self, name: Text, bodies: Sequence[Text], *, exchange: Optional[str] = None, mandatory: bool = True
    ) -> None:
        """Publishes 1 to 10,000 messages in one transaction: all of them are stored, or none."""
        data = [to_bytes(body) for body in bodies]
        self._check_size(sum(map(len, data)))
        label = f"publish {len(data)} messages to {from_bytes(to_bytes(name))!r}"
        self._call(label, lambda tag: requests.pubs(name, data, tag, exchange, mandatory))

    def publisher(self, window: int = 1000, timeout: Optional[float] = None) -> Publisher:
        """A publisher that does not wait for each confirm: at most ``window`` messages are unconfirmed.

        timeout: seconds without any confirm; the client's if None.
        """
        return Publisher(self._connection, window, self.timeout if timeout is None else timeout, self.body_max)

    # Consuming

    def consume(
        self,
        name: str,
        prefetch: Optional[int] = None,
        *,
        credit: Optional[int] = None,
        ack: str = "manual",
        start: Optional[Start] = None,
        group: Optional[str] = None,
        timeout: Optional[float] = None,
        ack_every: Optional[int] = None,
    ) -> Consumer:
        """Begins to consume a queue or read a topic; iterate over what is returned.

        - prefetch: messages handed out and not yet acknowledged, at most; 100 if neither this nor ``credit`` is given.
        - credit: so many messages, and more with ``Consumer.grant``.
        - ack: ``manual``, or ``auto``: each counts as acknowledged when it is sent. Queues only.
        - start: ``first``, ``last``, ``next`` or an offset; group: begin where the group has committed. Topics only.
        - timeout: seconds after which the iteration ends if nothing comes; None never.
        - ack_every: so many acks travel together at most; by default a quarter of the prefetch. 1 writes each at once.
        """
        if ack not in ("manual", "auto"):
            raise ValueError(f"ack is 'manual' or 'auto', not {ack!r}")
        if prefetch is None and credit is None:
            prefetch = 100
        number = next(self._consumer_numbers)
        together = max(1, (prefetch or credit or 4) // 4) if ack_every is None else ack_every
        is_topic = start is not None or group is not None
        consumer = Consumer(
            self._connection, name, number, ack == "manual", is_topic, group, timeout, together, self.timeout
        )
        self._connection.add_receiver(number, consumer)
        try:
            # `manual` is what holds if nothing is said, and a topic knows no `ack`.
            said = None if ack == "manual" else ack
            self._call(
                f"consume {name!r}",
                lambda tag: requests.consume(name, number, tag, start, group, prefetch, credit, said),
            )
        except BaseException:
            self._connection.remove_receiver(number)
            raise
        return consumer

    def get(self, name: str, ack: str = "auto") -> Optional[Delivery]:
        """One message now, or None. With ``ack="manual"`` it is to be acknowledged."""
        ok = self._call(f"get {name!r}", lambda tag: requests.get(name, tag, ack)).ok
        assert ok is not None
        if ok.body is None:
            return None
        try:
            delivery = Delivery(0, ok.number("delivery"), ok.number("offset"))
            for option, value in ok.options.items():
                if option.startswith("h."):
                    delivery.header_pairs.append((to_bytes(option[2:]), value))
                elif option == "key":
                    delivery.key = value
                elif option in ("r", "ts"):
                    set_option(delivery, option.encode(), value)
        except ValueError as problem:
            raise ProtocolViolation(f"cannot read the answer to get: {problem}") from None
        delivery.body = ok.body
        delivery._belongs_to(self._connection, ack == "manual")
        if ack == "manual":
            self._connection.hold()
        return delivery

    def peek(self, name: str, start: Optional[int] = None, count: int = 1) -> List[Message]:
        """Up to ``count`` messages at or above the offset ``start``, without taking them."""
        return self._connection.call(
            f"peek {name!r}", lambda tag: requests.peek(name, tag, start, count), self.timeout, is_peek=True
        ).messages

    def commit(self, name: str, group: str, offset: int) -> None:
        """Sets the offset that the group will read next in a topic."""
        self._call(f"commit {name!r} {group!r} {offset}", lambda tag: requests.commit(name, group, offset, tag))

    # Looking inside

    def list_queues(self) -> List[Row]:
        return self._list("queues")

    def list_topics(self) -> List[Row]:
        return self._list("topics")

    def list_exchanges(self) -> List[Row]:
        return self._list("exchanges")

    def list_bindings(self) -> List[Row]:
        return self._list("bindings")

    def list_consumers(self) -> List[Row]:
        return self._list("consumers")

    def list_connections(self) -> List[Row]:
        return self._list("connections")

    def _list(self, kind: str) -> List[Row]:
        rows = self._json(f"list {kind}", lambda tag: requests.list_of(kind, tag))
        if not isinstance(rows, list):
            raise ProtocolViolation(f"the answer to list {kind} is no JSON array")
        return rows

    def stat(self) -> Row:
        """Figures about the server."""
        row = self._json("stat", lambda tag: requests.simple("stat", tag))
        if not isinstance(row, dict):
            raise ProtocolViolation("the answer to stat is no JSON object")
        return row

    def ping(self) -> None:
        """Returns when everything before is done, and every ack before is on the disk."""
        self._call("ping", lambda tag: requests.simple("ping", tag))

    @property
    def blocked(self) -> Optional[str]:
        """Why the server holds publishers back, as far as was read; None if it does not."""
        return self._connection.blocked

    @property
    def is_open(self) -> bool:
        """False once the connection is known to have ended."""
        return self._connection.is_open

    # The end

    def close(self) -> None:
        """Writes what is to be written, takes leave and closes. Does not raise if the connection has ended already."""
        try:
            if self._connection.is_open:
                self._call("quit", lambda tag: requests.simple("quit", tag))
        except ColaError:
            pass  # it ends now in any case
        finally:
            self._connection.lose("the client closed the connection")
            if self._heartbeat is not None:
                self._heartbeat.stop()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    # Shared by the above

    def _call(self, label: str, make: Callable[[int], bytes]) -> Call:
        return self._connection.call(label, make, self.timeout)

    def _number(self, option: str, label: str, make: Callable[[int], bytes]) -> int:
        ok = self._call(label, make).ok
        assert ok is not None
        try:
            return ok.number(option)
        except ValueError as problem:
            raise ProtocolViolation(f"cannot read the answer to {label}: {problem}") from None

    def _json(self, label: str, make: Callable[[int], bytes]) -> Any:
        ok = self._call(label, make).ok
        assert ok is not None
        try:
            return json.loads(ok.body or b"")
        except ValueError as problem:
            raise ProtocolViolation(f"the answer to {label} is no JSON: {problem}") from None

    def _check_size(self, size: int) -> None:
        if size > self.body_max:
            raise TooLarge(
                f"the bodies have {size} bytes; the server allows at most {self.body_max} (its setting body-max)"
            )


def _option(ok: Ok, name: str, default: int) -> int:
    value = ok.options.get(name, b"")
    return int(value) if value.isdigit() else default

"""The blocking client: one connection to a server, for one program with any number of threads."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Sequence

from . import _requests as requests
from ._address import Address
from ._answers import Ok, set_option
from ._connection import Connection
from ._conversation import Call
from ._consumer import Consumer, Delivery
from ._errors import ColaError, ConnectionLost, ProtocolViolation, TooLarge
from ._heartbeat import Heartbeat
from ._message import Message
from ._publisher import Publisher
from ._requests import Argument, Duration, Headers, Start, properties
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
    vhost: Optional[str] = None,
) -> Client:
    """Connects to a server.

    - url: ``unix:///path/cola.sock`` or ``tcp://[user:password@]host[:port]``; else the environment's ``COLA_URL``,
      else ``unix://./cola-data/cola.sock``.
    - user, password: for TCP; ``guest`` where none is given. A Unix socket asks for none.
    - client: a name for listings. heartbeat: seconds, 0 for none. need: features to insist on.
    - vhost: the virtual host to work in; None: ``/``.
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
            lambda tag: requests.hello(tag, 1, user, password, vhost, client, heartbeat or None, need),
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

    def declare_queue(
        self,
        name: str,
        *,
        durable: bool = True,
        exclusive: bool = False,
        auto_delete: bool = False,
        **arguments: Argument,
    ) -> int:
        """Makes a queue if there is none of the name; returns how many messages are ready in it.

        - durable: False: it does not outlive the server. exclusive: it is this connection's, and ends with it.
          auto_delete: it goes with its last consumer.
        - arguments: ``message_ttl=60_000``, ``max_length=1000``, ``overflow="reject-publish"``,
          ``dead_letter_exchange=""``, ``max_priority=9`` and the others of protocol/native.md, section 3.2. Times are
          milliseconds or a timedelta.
        - Raises Mismatch: there is one that was declared differently. Locked: it is another connection's.
        """
        return self._number(
            "ready",
            f"declare queue {name!r}",
            lambda tag: requests.declare_queue(name, tag, arguments, durable, exclusive, auto_delete),
        )

    def declare_temporary_queue(self, **arguments: Argument) -> str:
        """Makes a queue of this connection's own, which ends with it, and returns the name that the server chose."""
        label = "declare queue"
        ok = self._call(label, lambda tag: requests.declare_queue("", tag, arguments, exclusive=True)).ok
        assert ok is not None
        if "name" not in ok.options:
            raise ProtocolViolation(f"the answer to {label} has no name")
        return from_bytes(ok.options["name"])

    def declare_topic(self, name: str, partitions: Optional[int] = None, **arguments: Argument) -> int:
        """Makes a topic if there is none of the name; returns how many messages are in it.

        - partitions: 1 to 1,000; 1 if None. arguments: ``retention_ms=``, ``cleanup_policy="compact"`` and others.
        """
        return self._number(
            "ready", f"declare topic {name!r}", lambda tag: requests.declare_topic(name, tag, partitions, arguments)
        )

    def declare_exchange(self, name: str, type: str = "direct", alternate: Optional[str] = None) -> None:
        """Makes an exchange if there is none of the name.

        - type: ``direct``, ``fanout``, ``topic`` or ``headers``. alternate: the exchange for what no binding takes.
        """
        self._call(
            f"declare exchange {name!r}", lambda tag: requests.declare_exchange(name, type, tag, alternate)
        )

    def declare_vhost(self, name: str) -> None:
        """Makes a virtual host if there is none of the name."""
        self._call(f"declare vhost {name!r}", lambda tag: requests.declare_vhost(name, tag))

    def delete_queue(self, name: str, *, if_unused: bool = False, if_empty: bool = False) -> int:
        """Deletes a queue with its messages and bindings; returns how many messages that were.

        - Raises InUse: it has consumers (``if_unused``) or messages (``if_empty``).
        """
        return self._number(
            "messages",
            f"delete queue {name!r}",
            lambda tag: requests.delete("queue", name, tag, if_unused, if_empty),
        )

    def delete_topic(self, name: str) -> int:
        """Deletes a topic with its messages and bindings; returns how many messages that were."""
        return self._number("messages", f"delete topic {name!r}", lambda tag: requests.delete("topic", name, tag))

    def delete_exchange(self, name: str, *, if_unused: bool = False) -> None:
        self._call(f"delete exchange {name!r}", lambda tag: requests.delete("exchange", name, tag, if_unused))

    def delete_vhost(self, name: str) -> None:
        """Deletes a virtual host with all that is in it."""
        self._call(f"delete vhost {name!r}", lambda tag: requests.delete("vhost", name, tag))

    def delete_group(self, topic: str, group: str) -> None:
        """Forgets what a group has committed. Raises InUse while it has members."""
        self._call(f"delete group {topic!r} {group!r}", lambda tag: requests.delete_group(topic, group, tag))

    def alter(self, name: str, *, clear: Sequence[str] = (), **arguments: Argument) -> None:
        """Changes arguments of a queue or topic that is there; those that ``clear`` names are taken back."""
        self._call(f"alter {name!r}", lambda tag: requests.alter(name, tag, arguments, clear))

    def set_policy(
        self,
        name: str,
        pattern: str,
        *,
        to: Optional[str] = None,
        priority: Optional[int] = None,
        **arguments: Argument,
    ) -> None:
        """Arguments for every queue and topic in whose name the regular expression ``pattern`` is found.

        - to: ``queues``, ``topics`` or ``all``. priority: of several policies that fit, the highest counts.
        """
        self._call(
            f"policy {name!r}", lambda tag: requests.policy(name, pattern, tag, arguments, to, priority)
        )

    def clear_policy(self, name: str) -> None:
        self._call(f"unpolicy {name!r}", lambda tag: requests.unpolicy(name, tag))

    def bind(
        self,
        exchange: str,
        name: str,
        key: Optional[Text] = None,
        *,
        to_exchange: bool = False,
        match: Optional[str] = None,
        headers: Optional[Headers] = None,
    ) -> None:
        """From an exchange to a queue or topic, or with ``to_exchange`` to another exchange.

        - key: a routing key, or of a ``topic`` exchange a pattern. match, headers: of a ``headers`` exchange: ``all``
          or ``any`` of the headers are there with these values; an empty one stands for any value.
        """
        self._bind("bind", exchange, name, key, to_exchange, match, headers)

    def unbind(
        self,
        exchange: str,
        name: str,
        key: Optional[Text] = None,
        *,
        to_exchange: bool = False,
        match: Optional[str] = None,
        headers: Optional[Headers] = None,
    ) -> None:
        self._bind("unbind", exchange, name, key, to_exchange, match, headers)

    def _bind(
        self,
        verb: str,
        exchange: str,
        name: str,
        key: Optional[Text],
        to_exchange: bool,
        match: Optional[str],
        headers: Optional[Headers],
    ) -> None:
        to = "exchange" if to_exchange else None
        self._call(
            f"{verb} {exchange!r} {name!r}",
            lambda tag: requests.bind(verb, exchange, name, tag, key, to, match, headers),
        )

    def purge(self, name: str) -> int:
        """Removes every message of a queue that is not handed out; returns how many those were."""
        return self._number("messages", f"purge {name!r}", lambda tag: requests.purge(name, tag))

    def redrive(self, name: str, to: Optional[str] = None, count: Optional[int] = None) -> int:
        """Moves dead or parked messages back to the queues they died in, or all to ``to``; returns how many."""
        return self._number("messages", f"redrive {name!r}", lambda tag: requests.redrive(name, tag, to, count))

    # Publishing

    def publish(
        self,
        name: Text,
        body: Optional[Text],
        *,
        exchange: Optional[str] = None,
        key: Optional[Text] = None,
        headers: Optional[Headers] = None,
        mandatory: bool = True,
        priority: Optional[int] = None,
        ttl: Optional[Duration] = None,
        delay: Optional[Duration] = None,
        message_id: Optional[Text] = None,
        reply_to: Optional[str] = None,
        correlation_id: Optional[Text] = None,
        partition: Optional[int] = None,
    ) -> bool:
        """Publishes one message and waits until it is on the server's disk; False if it was there already.

        - name: the queue or topic, or with ``exchange`` the routing key.
        - body: None is a message without a value: in a compacted topic it takes its key away.
        - key: the record's key. headers: in their order. mandatory: False drops a message that leads nowhere.
        - priority: 0 to 255. ttl, delay: how long it may wait, and how long it waits before it is put into its queue;
          milliseconds or a timedelta. partition: of a topic; else the key decides.
        - message_id: by which a queue or topic with a deduplication window knows it again.
        - reply_to, correlation_id: the queue that an answer is expected in, and what it is to carry.
        - Raises Unroutable: it leads nowhere. TooLarge: not sent. NoAnswer, ConnectionLost: it may be stored or not.
        """
        data = None if body is None else to_bytes(body)
        size = len(data or b"")
        self._check_size(size)
        said = properties(priority, ttl, delay, message_id, reply_to, correlation_id, partition)
        label = f"publish {size} bytes to {from_bytes(to_bytes(name))!r}"
        ok = self._call(label, lambda tag: requests.pub(name, data, tag, exchange, key, headers, mandatory, said)).ok
        assert ok is not None
        return "duplicate" not in ok.options

    def publish_many(
        self,
        name: Text,
        bodies: Sequence[Text],
        *,
        exchange: Optional[str] = None,
        mandatory: bool = True,
        priority: Optional[int] = None,
        ttl: Optional[Duration] = None,
        delay: Optional[Duration] = None,
        partition: Optional[int] = None,
    ) -> None:
        """Publishes 1 to 10,000 messages in one transaction: all of them are stored, or none."""
        data = [to_bytes(body) for body in bodies]
        self._check_size(sum(map(len, data)))
        label = f"publish {len(data)} messages to {from_bytes(to_bytes(name))!r}"
        said = properties(priority, ttl, delay, partition=partition)
        self._call(label, lambda tag: requests.pubs(name, data, tag, exchange, mandatory, said))

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
        join: Optional[str] = None,
        partitions: Optional[Sequence[int]] = None,
        priority: Optional[int] = None,
        exclusive: bool = False,
        timeout: Optional[float] = None,
        ack_every: Optional[int] = None,
    ) -> Consumer:
        """Begins to consume a queue or read a topic; iterate over what is returned.

        - prefetch: messages handed out and not yet acknowledged, at most; 100 if neither this nor ``credit`` is given.
        - credit: so many messages, and more with ``Consumer.grant``.
        - ack: ``manual``, or ``auto``: each counts as acknowledged when it is sent. Queues only.
        - priority: consumers with the highest get messages first. exclusive: nobody else may consume. Queues only.
        - start: ``first``, ``last``, ``next``, an offset, or ``@`` and milliseconds since 1970; group: begin where the
          group has committed. Topics only.
        - join: be a member of the group, to which the server assigns partitions: ``range``, ``roundrobin`` or
          ``sticky``; see ``Consumer.assignment``. partitions: read these, without others' say. Topics only.
        - timeout: seconds after which the iteration ends if nothing comes; None never.
        - ack_every: so many acks travel together at most; by default a quarter of the prefetch. 1 writes each at once.
        """
        if ack not in ("manual", "auto"):
            raise ValueError(f"ack is 'manual' or 'auto', not {ack!r}")
        if prefetch is None and credit is None:
            prefetch = 100
        number = next(self._consumer_numbers)
        together = max(1, (prefetch or credit or 4) // 4) if ack_every is None else ack_every
        is_topic = start is not None or group is not None or partitions is not None
        consumer = Consumer(
            self._connection, name, number, ack == "manual", is_topic, group, timeout, together, self.timeout
        )
        self._connection.add_receiver(number, consumer)
        try:
            # `manual` is what holds if nothing is said, and a topic knows no `ack`.
            said = None if ack == "manual" else ack
            self._call(
                f"consume {name!r}",
                lambda tag: requests.consume(
                    name, number, tag, start, group, prefetch, credit, said, join, partitions, priority, exclusive
                ),
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
            for option, value in ok.pairs:
                if option.startswith("h."):
                    delivery.header_pairs.append((to_bytes(option[2:]), value))
                elif option == "key":
                    delivery.key = value
                elif option in ("r", "ts", "p", "null"):
                    set_option(delivery, option.encode(), value)
        except ValueError as problem:
            raise ProtocolViolation(f"cannot read the answer to get: {problem}") from None
        delivery.body = ok.body
        delivery._belongs_to(self._connection, ack == "manual")
        if ack == "manual":
            self._connection.hold()
        return delivery

    def peek(
        self, name: str, start: Optional[int] = None, count: int = 1, partition: Optional[int] = None
    ) -> List[Message]:
        """Up to ``count`` messages at or above the offset ``start``, without taking them."""
        return self._connection.call(
            f"peek {name!r}", lambda tag: requests.peek(name, tag, start, count, partition), self.timeout, is_peek=True
        ).messages

    def commit(self, name: str, group: str, offset: int, partition: Optional[int] = None) -> None:
        """Sets the offset that the group will read next in a topic, or in one of its partitions."""
        self._call(
            f"commit {name!r} {group!r} {offset}",
            lambda tag: requests.commit(name, group, offset, tag, partition),
        )

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

    def list_groups(self) -> List[Row]:
        return self._list("groups")

    def list_policies(self) -> List[Row]:
        return self._list("policies")

    def list_vhosts(self) -> List[Row]:
        return self._list("vhosts")

    def _list(self, kind: str) -> List[Row]:
        rows = self._json(f"list {kind}", lambda tag: requests.list_of(kind, tag))
        if not isinstance(rows, list):
            raise ProtocolViolation(f"the answer to list {kind} is no JSON array")
        return rows

    def describe(self, kind: str, *names: str) -> Row:
        """All that is known of a thing: ``describe("queue", "hello")``, ``describe("group", "events", "audit")``.

        - kind: ``queue``, ``topic``, ``exchange``, ``policy``, ``vhost`` or ``group``.
        """
        return self._row(f"describe {kind}", lambda tag: requests.describe((kind, *names), tag))

    def why(self, name: str, offset: Optional[int] = None) -> Row:
        """Why the messages of a queue wait, or the one at that offset."""
        return self._row(f"why {name!r}", lambda tag: requests.why(name, tag, offset))

    def stat(self) -> Row:
        """Figures about the server."""
        return self._row("stat", lambda tag: requests.simple("stat", tag))

    def _row(self, label: str, make: Callable[[int], bytes]) -> Row:
        row = self._json(label, make)
        if not isinstance(row, dict):
            raise ProtocolViolation(f"the answer to {label} is no JSON object")
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

"""The blocking client: one connection to a server, for one program with any number of threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator, List, Optional, Sequence, Union

from . import _verbs as verbs
from ._address import Address
from ._connection import Connection
from ._consumer import Consumer, Delivery
from ._errors import ConnectionLost
from ._message import Message
from ._publisher import Publisher
from ._reconnect import Reconnect, policy_of
from ._requests import Argument, Duration, Headers, Start
from ._session import Opened, Session
from ._subscription import Subscription
from ._text import Text
from ._verbs import Path, Request, Result, Row

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Type


def connect(
    url: Optional[str] = None,
    user: Optional[str] = None,
    password: Optional[str] = None,
    client: Optional[str] = None,
    heartbeat: int = 0,
    timeout: Optional[float] = 30.0,
    need: Sequence[str] = (),
    vhost: Optional[str] = None,
    reconnect: Union[bool, Reconnect] = False,
) -> Client:
    """Connects to a server.

    - url: ``unix:///path/cola.sock`` or ``tcp://[user:password@]host[:port]``; else the environment's ``COLA_URL``,
      else ``unix://./cola-data/cola.sock``.
    - user, password: for TCP; ``guest`` where none is given. A Unix socket asks for none.
    - client: a name for listings. heartbeat: seconds, 0 for none. need: features to insist on.
    - vhost: the virtual host to work in; None: ``/``.
    - timeout: seconds to wait for the connection and for each answer; None waits for ever.
    - reconnect: True, or how: when the connection is lost, the next call makes another. Consumers are taken up again;
      what only looks, or makes what is there already, is asked once more; everything else that was not answered
      raises ConnectionLost, and so does what was published, unless with ``retry``. The first connection is not
      waited for.
    - Raises Unreachable, Unauthenticated, Busy; ColaError with the code ``unsupported_version`` or
      ``unsupported_feature``; ValueError for a URL that cannot be read.
    """
    address = Address(url)
    hello = verbs.hello(*address.login(user, password), vhost, client, heartbeat, need)

    def open() -> Opened:
        connection = Connection(address.open(timeout), f"the server at {address.shown}", Delivery)
        try:
            return connection, hello.read(connection.call(hello.label, hello.encode, timeout))
        except ConnectionLost:
            refusal = connection.farewell()
            if refusal is None:
                raise
            raise refusal from None
        except BaseException:
            connection.lose("the connection was not opened")
            raise

    return Client(Session(open, policy_of(reconnect)), timeout)


class Client:
    """A connection; made by ``connect``. Use it in a ``with`` block, or call ``close``.

    Every method waits for its answer, at most ``timeout`` seconds, and raises a ``ColaError`` if the server refuses,
    ``NoAnswer`` or ``ConnectionLost``. Threads may share a client: a publisher and a consumer thread do not hold each
    other up.
    """

    def __init__(self, session: Session, timeout: Optional[float]) -> None:
        self.timeout = timeout
        self._session = session
        welcome = session.welcome
        self.server, self.user, self.is_admin = welcome.server, welcome.user, welcome.is_admin
        self.features, self.body_max, self.heartbeat = welcome.features, welcome.body_max, welcome.heartbeat

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
        return self._ask(verbs.declare_queue(name, durable, exclusive, auto_delete, arguments))

    def declare_temporary_queue(self, **arguments: Argument) -> str:
        """Makes a queue of this connection's own, which ends with it, and returns the name that the server chose."""
        return self._ask(verbs.declare_temporary_queue(arguments))

    def declare_topic(self, name: str, partitions: Optional[int] = None, **arguments: Argument) -> int:
        """Makes a topic if there is none of the name; returns how many messages are in it.

        - partitions: 1 to 1,000; 1 if None. arguments: ``retention_ms=``, ``cleanup_policy="compact"`` and others.
        """
        return self._ask(verbs.declare_topic(name, partitions, arguments))

    def declare_exchange(self, name: str, type: str = "direct", alternate: Optional[str] = None) -> None:
        """Makes an exchange if there is none of the name.

        - type: ``direct``, ``fanout``, ``topic`` or ``headers``. alternate: the exchange for what no binding takes.
        """
        self._ask(verbs.declare_exchange(name, type, alternate))

    def declare_vhost(self, name: str) -> None:
        """Makes a virtual host if there is none of the name."""
        self._ask(verbs.declare_vhost(name))

    def delete_queue(self, name: str, *, if_unused: bool = False, if_empty: bool = False) -> int:
        """Deletes a queue with its messages and bindings; returns how many messages that were.

        - Raises InUse: it has consumers (``if_unused``) or messages (``if_empty``).
        """
        return self._ask(verbs.delete_queue(name, if_unused, if_empty))

    def delete_topic(self, name: str) -> int:
        """Deletes a topic with its messages and bindings; returns how many messages that were."""
        return self._ask(verbs.delete_topic(name))

    def delete_exchange(self, name: str, *, if_unused: bool = False) -> None:
        self._ask(verbs.delete_exchange(name, if_unused))

    def delete_vhost(self, name: str) -> None:
        """Deletes a virtual host with all that is in it."""
        self._ask(verbs.delete_vhost(name))

    def delete_group(self, topic: str, group: str) -> None:
        """Forgets what a group has committed. Raises InUse while it has members."""
        self._ask(verbs.delete_group(topic, group))

    def alter(self, name: str, *, clear: Sequence[str] = (), **arguments: Argument) -> None:
        """Changes arguments of a queue or topic that is there; those that ``clear`` names are taken back."""
        self._ask(verbs.alter(name, clear, arguments))

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
        self._ask(verbs.set_policy(name, pattern, to, priority, arguments))

    def clear_policy(self, name: str) -> None:
        self._ask(verbs.clear_policy(name))

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
        self._ask(verbs.bind("bind", exchange, name, key, to_exchange, match, headers))

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
        self._ask(verbs.bind("unbind", exchange, name, key, to_exchange, match, headers))

    def purge(self, name: str) -> int:
        """Removes every message of a queue that is not handed out; returns how many those were."""
        return self._ask(verbs.purge(name))

    def redrive(self, name: str, to: Optional[str] = None, count: Optional[int] = None) -> int:
        """Moves dead or parked messages back to the queues they died in, or all to ``to``; returns how many."""
        return self._ask(verbs.redrive(name, to, count))

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
        retry: bool = False,
    ) -> bool:
        """Publishes one message and waits until it is confirmed; False if the server had taken it before.

        Confirmed: it is on the server's disk, or a consumer has taken and acknowledged it already.

        - name: the queue or topic, or with ``exchange`` the routing key.
        - body: None is a message without a value: in a compacted topic it takes its key away.
        - key: the record's key. headers: in their order. mandatory: False drops a message that leads nowhere.
        - priority: 0 to 255. ttl, delay: how long it may wait, and how long it waits before it is put into its queue;
          milliseconds or a timedelta. partition: of a topic; else the key decides.
        - message_id: by which a queue or topic with a deduplication window knows it again.
        - reply_to, correlation_id: the queue that an answer is expected in, and what it is to carry.
        - retry: with ``reconnect``, and a ``message_id`` in a queue or topic with a deduplication window that outlasts
          the reconnecting: what was not answered when the connection was lost is published again, and stored once.
        - Raises Unroutable: it leads nowhere. TooLarge: not sent. NoAnswer, ConnectionLost: it may be stored or not.
        """
        return self._ask(
            verbs.publish(
                name,
                body,
                self.body_max,
                exchange=exchange,
                key=key,
                headers=headers,
                mandatory=mandatory,
                priority=priority,
                ttl=ttl,
                delay=delay,
                message_id=message_id,
                reply_to=reply_to,
                correlation_id=correlation_id,
                partition=partition,
                retry=retry,
            )
        )

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
        self._ask(
            verbs.publish_many(
                name,
                bodies,
                self.body_max,
                exchange=exchange,
                mandatory=mandatory,
                priority=priority,
                ttl=ttl,
                delay=delay,
                partition=partition,
            )
        )

    def publisher(self, window: int = 1000, timeout: Optional[float] = None, retry: bool = False) -> Publisher:
        """A publisher that does not wait for each confirm: at most ``window`` messages are unconfirmed.

        - timeout: seconds without any confirm; the client's if None.
        - retry: as of ``publish``; each message then needs a ``message_id``. Otherwise a publisher ends with its
          connection.
        """
        return Publisher(self._session, window, self.timeout if timeout is None else timeout, self.body_max, retry)

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
        subscription = Subscription(
            name, prefetch, credit, ack, start, group, join, partitions, priority, exclusive
        )
        return Consumer(self._session, subscription, timeout, ack_every, self.timeout)

    def get(self, name: str, ack: str = "auto") -> Optional[Delivery]:
        """One message now, or None. With ``ack="manual"`` it is to be acknowledged."""
        delivery = self._ask(verbs.get(name, ack, Delivery))
        if delivery is not None:
            delivery._belongs_to(self._connection, ack == "manual")
            if ack == "manual":
                self._connection.hold()
        return delivery

    def peek(
        self,
        name: str,
        start: Optional[int] = None,
        count: int = 1,
        partition: Optional[int] = None,
        priority: Optional[int] = None,
    ) -> List[Message]:
        """Up to ``count`` messages (at most 1,000) from the offset ``start`` on, without taking them.

        They come in the order in which they are delivered.

        - partition: of a topic.
        - priority: of a queue: the one that ``start`` is an offset of; the lower ones follow. Without it that is 0, or
          all of the queue where there is no ``start``.
        """
        return self._ask(verbs.peek(name, start, count, partition, priority))

    def browse(self, name: str, partition: Optional[int] = None) -> Iterator[Message]:
        """All messages of a queue, or of a topic's partition, one after the other, without taking them.

        They come in the order in which they are delivered, of a queue with priorities the higher first. What is put in
        or taken out meanwhile may be among them or not.
        """
        position: Optional[verbs.Position] = (0, None)
        while position is not None:
            messages, position = self._ask(verbs.browse(name, position, partition))
            yield from messages

    def commit(self, name: str, group: str, offset: int, partition: Optional[int] = None) -> None:
        """Sets the offset that the group will read next in a topic, or in one of its partitions."""
        self._ask(verbs.commit(name, group, offset, partition))

    # Looking inside

    def list_queues(self) -> List[Row]:
        return self._ask(verbs.list_of("queues"))

    def list_topics(self) -> List[Row]:
        return self._ask(verbs.list_of("topics"))

    def list_exchanges(self) -> List[Row]:
        return self._ask(verbs.list_of("exchanges"))

    def list_bindings(self) -> List[Row]:
        return self._ask(verbs.list_of("bindings"))

    def list_consumers(self) -> List[Row]:
        return self._ask(verbs.list_of("consumers"))

    def list_connections(self) -> List[Row]:
        return self._ask(verbs.list_of("connections"))

    def list_groups(self) -> List[Row]:
        return self._ask(verbs.list_of("groups"))

    def list_policies(self) -> List[Row]:
        return self._ask(verbs.list_of("policies"))

    def list_vhosts(self) -> List[Row]:
        return self._ask(verbs.list_of("vhosts"))

    def list_users(self) -> List[Row]:
        """Who may come in, and who has; for administrators."""
        return self._ask(verbs.list_of("users"))

    def describe(self, kind: str, *names: str) -> Row:
        """All that is known of a thing: ``describe("queue", "hello")``, ``describe("group", "events", "audit")``.

        - kind: ``queue``, ``topic``, ``exchange``, ``policy``, ``vhost`` or ``group``.
        """
        return self._ask(verbs.describe(kind, names))

    def why(self, name: str, offset: Optional[int] = None, priority: Optional[int] = None) -> Row:
        """Why the messages of a queue wait, or the one at that offset among those of its priority (0 if not said)."""
        return self._ask(verbs.why(name, offset, priority))

    def stat(self) -> Row:
        """Figures about the server."""
        return self._ask(verbs.stat())

    def backup(self, path: Path, *, as_file: bool = False, replace: bool = False) -> int:
        """Has the server copy all that it stores to a path of its own machine, while it goes on; returns how many bytes.

        Everything that was confirmed before is in the copy. This waits as long as that takes, and so does what else is
        asked over this connection; if the connection ends, the copy is given up.

        - path: absolute; a directory that is not there yet or is empty, on which a server can be started.
        - as_file: ``path`` is to be the copy itself. replace: an older copy there gives way.
        - Raises AccessRefused: only the server's own user and root may, over its Unix socket. InUse: something is
          there. Busy: another backup is under way. Nothing is left of a copy that failed.
        """
        return self._session.ask(verbs.backup(path, as_file, replace), None)

    def ping(self) -> None:
        """Returns when everything before is done, and every ack before is on the disk."""
        self._ask(verbs.ping())

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
        self._session.close(self.timeout)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    # Shared by the above

    @property
    def _connection(self) -> Connection:
        return self._session.connection

    def _ask(self, request: Request[Result]) -> Result:
        return self._session.ask(request, self.timeout)

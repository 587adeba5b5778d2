"""The asyncio client: one connection to a server, for any number of tasks of one event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, AsyncIterator, Awaitable, Callable, Generator, List, Optional, Sequence, Union

from .. import _requests as requests
from .. import _verbs as verbs
from .._address import Address
from .._answers import Ok
from .._errors import ConnectionLost
from .._message import Message
from .._reconnect import Reconnect, policy_of
from .._requests import Argument, Duration, Headers, Start
from .._subscription import Subscription
from .._text import Text
from .._verbs import Path, Request, Result, Row
from ._connection import Connection, deadline_of
from ._consumer import Consumer, Delivery
from ._publisher import Publisher
from ._session import Opened, Session

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
) -> Connecting:
    """Connects to a server: ``await connect()``, or ``async with connect() as client``.

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

    async def open() -> Opened:
        connection = await Connection.open(address, Delivery, timeout)
        try:
            return connection, hello.read(await connection.call(hello.label, hello.encode, timeout))
        except ConnectionLost:
            refusal = connection.farewell()
            if refusal is None:
                raise
            raise refusal from None
        except BaseException:
            connection.lose("the connection was not opened")
            raise

    async def begin() -> Client:
        session = Session(open, policy_of(reconnect))
        await session.begin()
        return Client(session, timeout)

    return Connecting(begin)


class Connecting(Awaitable["Client"]):
    """A client that is being made; see ``connect``."""

    def __init__(self, begin: Callable[[], Awaitable[Client]]) -> None:
        self._begin = begin
        self._client: Optional[Client] = None

    def __await__(self) -> Generator[object, None, Client]:
        return self._begin().__await__()

    async def __aenter__(self) -> Client:
        self._client = await self._begin()
        return self._client

    async def __aexit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        if self._client is not None:
            await self._client.close()


class Client:
    """A connection; made by ``connect``. Use it in an ``async with`` block, or call ``close``.

    Every method waits for its answer, at most ``timeout`` seconds, and raises a ``ColaError`` if the server refuses,
    ``NoAnswer`` or ``ConnectionLost``. Tasks may share a client: what they ask for is sent without waiting for one
    another.
    """

    def __init__(self, session: Session, timeout: Optional[float]) -> None:
        self.timeout = timeout
        self._session = session
        welcome = session.welcome
        self.server, self.user, self.is_admin = welcome.server, welcome.user, welcome.is_admin
        self.features, self.body_max, self.heartbeat = welcome.features, welcome.body_max, welcome.heartbeat

    # Definitions

    async def declare_queue(
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
        return await self._ask(verbs.declare_queue(name, durable, exclusive, auto_delete, arguments))

    async def declare_temporary_queue(self, **arguments: Argument) -> str:
        """Makes a queue of this connection's own, which ends with it, and returns the name that the server chose."""
        return await self._ask(verbs.declare_temporary_queue(arguments))

    async def declare_topic(self, name: str, partitions: Optional[int] = None, **arguments: Argument) -> int:
        """Makes a topic if there is none of the name; returns how many messages are in it.

        - partitions: 1 to 1,000; 1 if None. arguments: ``retention_ms=``, ``cleanup_policy="compact"`` and others.
        """
        return await self._ask(verbs.declare_topic(name, partitions, arguments))

    async def declare_exchange(self, name: str, type: str = "direct", alternate: Optional[str] = None) -> None:
        """Makes an exchange if there is none of the name.

        - type: ``direct``, ``fanout``, ``topic`` or ``headers``. alternate: the exchange for what no binding takes.
        """
        await self._ask(verbs.declare_exchange(name, type, alternate))

    async def declare_vhost(self, name: str) -> None:
        """Makes a virtual host if there is none of the name."""
        await self._ask(verbs.declare_vhost(name))

    async def delete_queue(self, name: str, *, if_unused: bool = False, if_empty: bool = False) -> int:
        """Deletes a queue with its messages and bindings; returns how many messages that were.

        - Raises InUse: it has consumers (``if_unused``) or messages (``if_empty``).
        """
        return await self._ask(verbs.delete_queue(name, if_unused, if_empty))

    async def delete_topic(self, name: str) -> int:
        """Deletes a topic with its messages and bindings; returns how many messages that were."""
        return await self._ask(verbs.delete_topic(name))

    async def delete_exchange(self, name: str, *, if_unused: bool = False) -> None:
        await self._ask(verbs.delete_exchange(name, if_unused))

    async def delete_vhost(self, name: str) -> None:
        """Deletes a virtual host with all that is in it."""
        await self._ask(verbs.delete_vhost(name))

    async def delete_group(self, topic: str, group: str) -> None:
        """Forgets what a group has committed. Raises InUse while it has members."""
        await self._ask(verbs.delete_group(topic, group))

    async def alter(self, name: str, *, clear: Sequence[str] = (), **arguments: Argument) -> None:
        """Changes arguments of a queue or topic that is there; those that ``clear`` names are taken back."""
        await self._ask(verbs.alter(name, clear, arguments))

    async def set_policy(
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
        await self._ask(verbs.set_policy(name, pattern, to, priority, arguments))

    async def clear_policy(self, name: str) -> None:
        await self._ask(verbs.clear_policy(name))

    async def bind(
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
        await self._ask(verbs.bind("bind", exchange, name, key, to_exchange, match, headers))

    async def unbind(
        self,
        exchange: str,
        name: str,
        key: Optional[Text] = None,
        *,
        to_exchange: bool = False,
        match: Optional[str] = None,
        headers: Optional[Headers] = None,
    ) -> None:
        await self._ask(verbs.bind("unbind", exchange, name, key, to_exchange, match, headers))

    async def purge(self, name: str) -> int:
        """Removes every message of a queue that is not handed out; returns how many those were."""
        return await self._ask(verbs.purge(name))

    async def redrive(self, name: str, to: Optional[str] = None, count: Optional[int] = None) -> int:
        """Moves dead or parked messages back to the queues they died in, or all to ``to``; returns how many."""
        return await self._ask(verbs.redrive(name, to, count))

    # Publishing

    async def publish(
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
        return await self._ask(
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

    async def publish_many(
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
        await self._ask(
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

    async def publisher(self, window: int = 1000, timeout: Optional[float] = None, retry: bool = False) -> Publisher:
        """A publisher that does not wait for each confirm: at most ``window`` messages are unconfirmed.

        - timeout: seconds without any confirm; the client's if None.
        - retry: as of ``publish``; each message then needs a ``message_id``. Otherwise a publisher ends with its
          connection.
        """
        timeout = self.timeout if timeout is None else timeout
        connection = await self._session.live(deadline_of(timeout))
        return Publisher(self._session, connection, window, timeout, self.body_max, retry)

    # Consuming

    async def consume(
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
        """
        subscription = Subscription(
            name, prefetch, credit, ack, start, group, join, partitions, priority, exclusive
        )
        consumer = Consumer(self._session, subscription, timeout, self.timeout)
        await consumer.begin()
        return consumer

    async def get(self, name: str, ack: str = "auto") -> Optional[Delivery]:
        """One message now, or None. With ``ack="manual"`` it is to be acknowledged."""
        request = verbs.get(name, ack, Delivery)
        is_held = ack == "manual"
        delivery = await self._ask(request, too_late=self._give_back if is_held else None)
        if delivery is not None:
            delivery._belongs_to(self._connection, is_held)
            if is_held:
                self._connection.hold()
        return delivery

    async def peek(
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
        return await self._ask(verbs.peek(name, start, count, partition, priority))

    async def browse(self, name: str, partition: Optional[int] = None) -> AsyncIterator[Message]:
        """All messages of a queue, or of a topic's partition, one after the other, without taking them.

        They come in the order in which they are delivered, of a queue with priorities the higher first. What is put in
        or taken out meanwhile may be among them or not.
        """
        position: Optional[verbs.Position] = (0, None)
        while position is not None:
            messages, position = await self._ask(verbs.browse(name, position, partition))
            for message in messages:
                yield message

    async def commit(self, name: str, group: str, offset: int, partition: Optional[int] = None) -> None:
        """Sets the offset that the group will read next in a topic, or in one of its partitions."""
        await self._ask(verbs.commit(name, group, offset, partition))

    # Looking inside

    async def list_queues(self) -> List[Row]:
        return await self._ask(verbs.list_of("queues"))

    async def list_topics(self) -> List[Row]:
        return await self._ask(verbs.list_of("topics"))

    async def list_exchanges(self) -> List[Row]:
        return await self._ask(verbs.list_of("exchanges"))

    async def list_bindings(self) -> List[Row]:
        return await self._ask(verbs.list_of("bindings"))

    async def list_consumers(self) -> List[Row]:
        return await self._ask(verbs.list_of("consumers"))

    async def list_connections(self) -> List[Row]:
        return await self._ask(verbs.list_of("connections"))

    async def list_groups(self) -> List[Row]:
        return await self._ask(verbs.list_of("groups"))

    async def list_policies(self) -> List[Row]:
        return await self._ask(verbs.list_of("policies"))

    async def list_vhosts(self) -> List[Row]:
        return await self._ask(verbs.list_of("vhosts"))

    async def list_users(self) -> List[Row]:
        """Who may come in, and who has; for administrators."""
        return await self._ask(verbs.list_of("users"))

    async def describe(self, kind: str, *names: str) -> Row:
        """All that is known of a thing: ``describe("queue", "hello")``, ``describe("group", "events", "audit")``.

        - kind: ``queue``, ``topic``, ``exchange``, ``policy``, ``vhost`` or ``group``.
        """
        return await self._ask(verbs.describe(kind, names))

    async def why(self, name: str, offset: Optional[int] = None, priority: Optional[int] = None) -> Row:
        """Why the messages of a queue wait, or the one at that offset among those of its priority (0 if not said)."""
        return await self._ask(verbs.why(name, offset, priority))

    async def stat(self) -> Row:
        """Figures about the server."""
        return await self._ask(verbs.stat())

    async def backup(self, path: Path, *, as_file: bool = False, replace: bool = False) -> int:
        """Has the server copy all that it stores to a path of its own machine, while it goes on; returns how many bytes.

        Everything that was confirmed before is in the copy. This waits as long as that takes, and so does what else is
        asked over this connection; if the connection ends, the copy is given up.

        - path: absolute; a directory that is not there yet or is empty, on which a server can be started.
        - as_file: ``path`` is to be the copy itself. replace: an older copy there gives way.
        - Raises AccessRefused: only the server's own user and root may, over its Unix socket. InUse: something is
          there. Busy: another backup is under way. Nothing is left of a copy that failed.
        """
        return await self._session.ask(verbs.backup(path, as_file, replace), None)

    async def ping(self) -> None:
        """Returns when everything before is done, and every ack before is on the disk."""
        await self._ask(verbs.ping())

    @property
    def blocked(self) -> Optional[str]:
        """Why the server holds publishers back, as far as was read; None if it does not."""
        return self._connection.blocked

    @property
    def is_open(self) -> bool:
        """False once the connection is known to have ended."""
        return self._connection.is_open

    # The end

    async def close(self) -> None:
        """Writes what is to be written, takes leave and closes. Does not raise if the connection has ended already."""
        await self._session.close(self.timeout)

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        await self.close()

    # Shared by the above

    def _give_back(self, ok: Ok) -> None:
        """The message in an answer that nobody waits for any more."""
        if ok.body is not None and self._connection.is_open:
            delivery = ok.number("delivery")
            self._connection.send_untagged(requests.settle("nack", delivery, delivery))

    @property
    def _connection(self) -> Connection:
        return self._session.connection

    async def _ask(self, request: Request[Result], too_late: Optional[Callable[[Ok], None]] = None) -> Result:
        return await self._session.ask(request, self.timeout, too_late)

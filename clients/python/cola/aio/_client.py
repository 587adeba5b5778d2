"""The asyncio client: one connection to a server, for any number of tasks of one event loop."""

from __future__ import annotations

from typing import (
    TYPE_CHECKING,
    Any,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Optional,
    Sequence,
    Union,
)

from .. import _requests as requests
from .. import _token as tokens
from .. import _verbs as verbs
from .._address import Address
from .._answers import Ok
from .._errors import ConnectionLost
from .._greeting import Greeting
from .._message import Message
from .._reconnect import Reconnect, policy_of
from .._requests import Start
from .._subscription import Subscription
from .._verbs import Request, Result
from ._connection import Connection, deadline_of
from ._consumer import Consumer, Delivery
from ._publisher import Publisher
from ._session import Opened, Session

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Type

    from typing_extensions import Concatenate, ParamSpec

    _Parameters = ParamSpec("_Parameters")


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
    token: Optional[str] = None,
) -> Connecting:
    """Connects to a server: ``await connect()``, or ``async with connect() as client``.

    - url: ``unix:///path/cola.sock`` or ``tcp://[user:password@]host[:port]``; else the environment's ``COLA_URL``,
      else ``unix://./cola-data/cola.sock``.
    - user, password: for TCP; ``guest`` where none is given. A Unix socket asks for none.
    - token: of a process that a server runs as a worker, good for one connection. Where no URL is given, the first
      connection of such a process finds it by itself (``COLA_TOKEN_FD``).
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
    greeting = Greeting(*address.login(user, password), vhost, client, heartbeat, need)
    greeting.token = tokens.take() if token is None and url is None else token

    async def open() -> Opened:
        connection = await Connection.open(address, Delivery, timeout)
        hello = greeting.hello()
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


def _awaits(
    verb: Callable[_Parameters, Request[Result]],
) -> Callable[Concatenate[Client, _Parameters], Coroutine[Any, Any, Result]]:
    """The verb as a method that asks for it and awaits the answer."""

    async def ask(self: Client, /, *args: _Parameters.args, **named: _Parameters.kwargs) -> Result:
        return await self._ask(verb(*args, **named))

    verbs.worn(verb, ask)
    return ask


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

    declare_queue = _awaits(verbs.declare_queue)
    declare_temporary_queue = _awaits(verbs.declare_temporary_queue)
    declare_topic = _awaits(verbs.declare_topic)
    declare_exchange = _awaits(verbs.declare_exchange)
    declare_vhost = _awaits(verbs.declare_vhost)
    delete_queue = _awaits(verbs.delete_queue)
    delete_topic = _awaits(verbs.delete_topic)
    delete_exchange = _awaits(verbs.delete_exchange)
    delete_vhost = _awaits(verbs.delete_vhost)
    set_user = _awaits(verbs.set_user)
    delete_user = _awaits(verbs.delete_user)
    set_permissions = _awaits(verbs.set_permissions)
    clear_permissions = _awaits(verbs.clear_permissions)
    set_topic_permissions = _awaits(verbs.set_topic_permissions)
    clear_topic_permissions = _awaits(verbs.clear_topic_permissions)
    delete_group = _awaits(verbs.delete_group)
    alter = _awaits(verbs.alter)
    set_policy = _awaits(verbs.set_policy)
    clear_policy = _awaits(verbs.clear_policy)
    bind = _awaits(verbs.bind)
    unbind = _awaits(verbs.unbind)
    purge = _awaits(verbs.purge)
    redrive = _awaits(verbs.redrive)

    # Publishing

    publish = _awaits(verbs.publish)
    publish_many = _awaits(verbs.publish_many)

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

    peek = _awaits(verbs.peek)

    async def browse(self, name: str, partition: Optional[int] = None) -> AsyncIterator[Message]:
        """All messages of a queue, or of a topic's partition, one after the other, without taking them.

        They come in the order in which they are delivered, of a queue with priorities the higher first. What is put in
        or taken out meanwhile may be among them or not.
        """
        position: Optional[verbs.Position] = (0, None)
        while position is not None:
            messages, position = await self._ask(verbs.page(name, position, partition))
            for message in messages:
                yield message

    commit = _awaits(verbs.commit)

    # Looking inside

    list_queues = _awaits(verbs.list_queues)
    list_topics = _awaits(verbs.list_topics)
    list_exchanges = _awaits(verbs.list_exchanges)
    list_bindings = _awaits(verbs.list_bindings)
    list_consumers = _awaits(verbs.list_consumers)
    list_connections = _awaits(verbs.list_connections)
    list_groups = _awaits(verbs.list_groups)
    list_policies = _awaits(verbs.list_policies)
    list_vhosts = _awaits(verbs.list_vhosts)
    list_users = _awaits(verbs.list_users)
    list_permissions = _awaits(verbs.list_permissions)
    list_topic_permissions = _awaits(verbs.list_topic_permissions)
    list_workers = _awaits(verbs.list_workers)
    list_processes = _awaits(verbs.list_processes)
    describe = _awaits(verbs.describe)
    why = _awaits(verbs.why)
    stat = _awaits(verbs.stat)
    backup = _awaits(verbs.backup)

    # Workers

    start_worker = _awaits(verbs.start_worker)
    stop_worker = _awaits(verbs.stop_worker)
    restart_worker = _awaits(verbs.restart_worker)
    pause_worker = _awaits(verbs.pause_worker)
    resume_worker = _awaits(verbs.resume_worker)
    kill_worker = _awaits(verbs.kill_worker)
    scale_worker = _awaits(verbs.scale_worker)
    reload = _awaits(verbs.reload)
    nice_worker = _awaits(verbs.nice_worker)
    worker_output = _awaits(verbs.worker_output)
    ping = _awaits(verbs.ping)

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
            self._connection.send_untagged(requests.give_back(delivery, delivery))

    @property
    def _connection(self) -> Connection:
        return self._session.connection

    async def _ask(self, request: Request[Result], too_late: Optional[Callable[[Ok], None]] = None) -> Result:
        return await self._session.ask(request, self.timeout, too_late)

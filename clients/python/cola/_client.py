"""The blocking client: one connection to a server, for one program with any number of threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Iterator, Optional, Sequence, Union

from . import _token as tokens
from . import _verbs as verbs
from ._address import Address
from ._connection import Connection
from ._consumer import Consumer, Delivery
from ._errors import ConnectionLost
from ._greeting import Greeting
from ._message import Message
from ._publisher import Publisher
from ._reconnect import Reconnect, policy_of
from ._requests import Start
from ._session import Opened, Session
from ._subscription import Subscription
from ._verbs import Request, Result

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
) -> Client:
    """Connects to a server.

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

    def open() -> Opened:
        connection = Connection(address.open(timeout), f"the server at {address.shown}", Delivery)
        hello = greeting.hello()
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


def _waits(verb: Callable[_Parameters, Request[Result]]) -> Callable[Concatenate[Client, _Parameters], Result]:
    """The verb as a method that asks for it and waits for the answer."""

    def ask(self: Client, /, *args: _Parameters.args, **named: _Parameters.kwargs) -> Result:
        return self._ask(verb(*args, **named))

    verbs.worn(verb, ask)
    return ask


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

    declare_queue = _waits(verbs.declare_queue)
    declare_temporary_queue = _waits(verbs.declare_temporary_queue)
    declare_topic = _waits(verbs.declare_topic)
    declare_exchange = _waits(verbs.declare_exchange)
    declare_vhost = _waits(verbs.declare_vhost)
    delete_queue = _waits(verbs.delete_queue)
    delete_topic = _waits(verbs.delete_topic)
    delete_exchange = _waits(verbs.delete_exchange)
    delete_vhost = _waits(verbs.delete_vhost)
    set_user = _waits(verbs.set_user)
    delete_user = _waits(verbs.delete_user)
    set_permissions = _waits(verbs.set_permissions)
    clear_permissions = _waits(verbs.clear_permissions)
    set_topic_permissions = _waits(verbs.set_topic_permissions)
    clear_topic_permissions = _waits(verbs.clear_topic_permissions)
    delete_group = _waits(verbs.delete_group)
    alter = _waits(verbs.alter)
    set_policy = _waits(verbs.set_policy)
    clear_policy = _waits(verbs.clear_policy)
    bind = _waits(verbs.bind)
    unbind = _waits(verbs.unbind)
    purge = _waits(verbs.purge)
    redrive = _waits(verbs.redrive)

    # Publishing

    publish = _waits(verbs.publish)
    publish_many = _waits(verbs.publish_many)

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

    peek = _waits(verbs.peek)

    def browse(self, name: str, partition: Optional[int] = None) -> Iterator[Message]:
        """All messages of a queue, or of a topic's partition, one after the other, without taking them.

        They come in the order in which they are delivered, of a queue with priorities the higher first. What is put in
        or taken out meanwhile may be among them or not.
        """
        position: Optional[verbs.Position] = (0, None)
        while position is not None:
            messages, position = self._ask(verbs.page(name, position, partition))
            yield from messages

    commit = _waits(verbs.commit)

    # Looking inside

    list_queues = _waits(verbs.list_queues)
    list_topics = _waits(verbs.list_topics)
    list_exchanges = _waits(verbs.list_exchanges)
    list_bindings = _waits(verbs.list_bindings)
    list_consumers = _waits(verbs.list_consumers)
    list_connections = _waits(verbs.list_connections)
    list_groups = _waits(verbs.list_groups)
    list_policies = _waits(verbs.list_policies)
    list_vhosts = _waits(verbs.list_vhosts)
    list_users = _waits(verbs.list_users)
    list_permissions = _waits(verbs.list_permissions)
    list_topic_permissions = _waits(verbs.list_topic_permissions)
    list_workers = _waits(verbs.list_workers)
    list_processes = _waits(verbs.list_processes)
    describe = _waits(verbs.describe)
    why = _waits(verbs.why)
    stat = _waits(verbs.stat)
    backup = _waits(verbs.backup)

    # Workers

    start_worker = _waits(verbs.start_worker)
    stop_worker = _waits(verbs.stop_worker)
    restart_worker = _waits(verbs.restart_worker)
    pause_worker = _waits(verbs.pause_worker)
    resume_worker = _waits(verbs.resume_worker)
    kill_worker = _waits(verbs.kill_worker)
    scale_worker = _waits(verbs.scale_worker)
    reload = _waits(verbs.reload)
    nice_worker = _waits(verbs.nice_worker)
    worker_output = _waits(verbs.worker_output)
    ping = _waits(verbs.ping)

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

"""What can be asked of a server: the parameters of each verb, its request, and how to read its answer.

Most verbs are methods of both clients as they stand here; ``cola.Client`` asks and waits, ``cola.aio.Client`` asks and
awaits. What they return there is what the ``Request`` here is of.
"""

from __future__ import annotations

import inspect
import json
import os
from dataclasses import dataclass
from typing import Any, Callable, Dict, Generic, List, Optional, Sequence, Tuple, TypeVar, Union

from . import _requests as requests
from ._answers import Ok, set_option
from ._conversation import Call
from ._errors import ProtocolViolation, TooLarge
from ._message import Message
from ._requests import Argument, Duration, Headers, Start, properties
from ._text import Text, from_bytes, to_bytes

Row = Dict[str, Any]
Path = Union[str, "os.PathLike[str]"]
Result = TypeVar("Result")
AnyMessage = TypeVar("AnyMessage", bound=Message)


@dataclass(frozen=True)
class Request(Generic[Result]):
    """- label: for a person. encode: the request's bytes for its tag. read: what its answer says.
    - is_repeatable: to ask twice does no more than to ask once, so that a lost connection need not be told of.
    - is_long: its answer may take any time. size: of the bodies in it, bytes.
    """

    label: str
    encode: Callable[[int], bytes]
    read: Callable[[Call], Result]
    is_peek: bool = False
    is_repeatable: bool = False
    is_long: bool = False
    size: int = 0

    def check_size(self, most: int) -> None:
        """
        - Raises TooLarge: the server would not take it.
        """
        if self.size > most:
            raise TooLarge(
                f"the bodies have {self.size} bytes; the server allows at most {most} (its setting body-max)"
            )


def worn(verb: Callable[..., Request[Any]], method: Callable[..., Any]) -> None:
    """Gives a client's method the name, the documentation and the signature of the verb that it asks for."""
    signature = inspect.signature(verb)
    parameters = [inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD), *signature.parameters.values()]
    returned = signature.return_annotation[len("Request[") : -1]
    setattr(method, "__signature__", signature.replace(parameters=parameters, return_annotation=returned))
    method.__name__, method.__doc__ = verb.__name__, verb.__doc__
    method.__qualname__ = f"Client.{verb.__name__}"


@dataclass(frozen=True)
class Welcome:
    """What the server said of itself: see the attributes of ``Client``."""

    server: str
    user: str
    is_admin: bool
    features: "frozenset[str]"
    body_max: int
    heartbeat: int


def hello(
    user: Optional[str],
    password: Optional[str],
    vhost: Optional[str],
    client: Optional[str],
    heartbeat: int,
    need: Sequence[str],
    token: Optional[str] = None,
) -> Request[Welcome]:
    return Request(
        "hello",
        lambda tag: requests.hello(tag, 1, user, password, vhost, client, heartbeat or None, need, token),
        lambda call: _welcome(_ok(call)),
    )


def _welcome(ok: Ok) -> Welcome:
    return Welcome(
        from_bytes(ok.options.get("server", b"")),
        from_bytes(ok.options.get("user", b"")),
        ok.options.get("admin") == b"yes",
        frozenset(from_bytes(ok.options.get("features", b"")).split(",")),
        _option(ok, "body", 16_777_216),
        _option(ok, "heartbeat", 0),
    )


def ping() -> Request[None]:
    """Returns when everything before is done, and every ack before is on the disk."""
    return Request("ping", lambda tag: requests.simple("ping", tag), _nothing)


def quit() -> Request[None]:
    return Request("quit", lambda tag: requests.simple("quit", tag), _nothing)


# Definitions


def declare_queue(
    name: str,
    *,
    durable: bool = True,
    exclusive: bool = False,
    auto_delete: bool = False,
    **arguments: Argument,
) -> Request[int]:
    """Makes a queue if there is none of the name; returns how many messages are ready in it.

    - durable: False: it does not outlive the server. exclusive: it is this connection's, and ends with it.
      auto_delete: it goes with its last consumer.
    - arguments: ``message_ttl=60_000``, ``max_length=1000``, ``overflow="reject-publish"``,
      ``dead_letter_exchange=""``, ``max_priority=9`` and the others of protocol/native.md, section 3.2. Times are
      milliseconds or a timedelta.
    - Raises Mismatch: there is one that was declared differently. Locked: it is another connection's.
    """
    return Request(
        f"declare queue {name!r}",
        lambda tag: requests.declare_queue(name, tag, arguments, durable, exclusive, auto_delete),
        _number("ready"),
        is_repeatable=True,
    )


def declare_temporary_queue(**arguments: Argument) -> Request[str]:
    """Makes a queue of this connection's own, which ends with it, and returns the name that the server chose."""
    return Request(
        "declare queue",
        lambda tag: requests.declare_queue("", tag, arguments, exclusive=True),
        lambda call: from_bytes(_said(call, "name")),
    )


def declare_topic(name: str, partitions: Optional[int] = None, **arguments: Argument) -> Request[int]:
    """Makes a topic if there is none of the name; returns how many messages are in it.

    - partitions: 1 to 1,000; 1 if None. arguments: ``retention_ms=``, ``cleanup_policy="compact"`` and others.
    """
    return Request(
        f"declare topic {name!r}",
        lambda tag: requests.declare_topic(name, tag, partitions, arguments),
        _number("ready"),
        is_repeatable=True,
    )


def declare_exchange(
    name: str,
    type: str = "direct",
    alternate: Optional[str] = None,
    *,
    durable: bool = True,
    auto_delete: bool = False,
    internal: bool = False,
    delayed: bool = False,
    hash_header: Optional[str] = None,
    hash_property: Optional[str] = None,
    recent_history_length: Optional[int] = None,
) -> Request[None]:
    """Makes an exchange if there is none of the name.

    - type: ``direct``, ``fanout``, ``topic``, ``headers``, ``x-consistent-hash``, ``x-modulus-hash``,
      ``x-super-stream``, ``x-random``, ``x-local-random`` or ``x-recent-history``. alternate: the exchange for what no
      binding takes.
    - durable: False: it does not outlive the server. auto_delete: it goes with the last binding that leads from it.
      internal: only exchanges and dead letters lead to it. delayed: a message with a delay is routed when its time has
      come.
    - hash_header, hash_property (``message-id``, ``correlation-id`` or ``timestamp``): what ``x-consistent-hash`` looks
      at, if not the routing key. recent_history_length: how many messages ``x-recent-history`` keeps, 1 to 10,000.
    - Raises Mismatch: there is one that was declared differently.
    """
    return Request(
        f"declare exchange {name!r}",
        lambda tag: requests.declare_exchange(
            name, type, tag, alternate, durable, auto_delete, internal, delayed, hash_header, hash_property,
            recent_history_length,
        ),
        _nothing,
        is_repeatable=True,
    )


def declare_vhost(
    name: str,
    *,
    description: Optional[str] = None,
    tags: Optional[Sequence[str]] = None,
    max_connections: Union[int, str, None] = None,
    max_queues: Union[int, str, None] = None,
) -> Request[None]:
    """Makes a virtual host, or changes what is said of it; for administrators.

    - max_connections, max_queues: how many there may be in it; ``""``: no limit. None: it stays as it is.
    """
    options = _options(
        description=description, tags=tags, max_connections=max_connections, max_queues=max_queues
    )
    return Request(
        f"declare vhost {name!r}",
        lambda tag: requests.declare_vhost(name, tag, options),
        _nothing,
        is_repeatable=True,
    )


def set_user(
    name: str,
    *,
    new: Optional[bool] = None,
    password: Optional[str] = None,
    tags: Optional[Sequence[str]] = None,
    loopback_only: Optional[bool] = None,
    max_connections: Union[int, str, None] = None,
    max_channels: Union[int, str, None] = None,
) -> Request[None]:
    """Makes a user, or changes one; what is None stays as it is. For administrators.

    - new: True: there must be none of the name yet; False: there must be one; None: either.
    - tags: ``administrator``, ``monitoring``, ``policymaker``, ``management``, or others, which allow nothing.
    - max_connections, max_channels: ``""``: no limit.
    """
    options = _options(
        new=new,
        password=password,
        tags=tags,
        loopback_only=loopback_only,
        max_connections=max_connections,
        max_channels=max_channels,
    )
    return Request(f"user {name!r}", lambda tag: requests.about_user("user", name, options, tag), _nothing)


def delete_user(name: str) -> Request[None]:
    """Deletes a user with all permissions."""
    return Request(f"delete user {name!r}", lambda tag: requests.delete("user", name, tag), _nothing)


def set_permissions(
    user: str, configure: str, write: str, read: str, *, vhost: Optional[str] = None
) -> Request[None]:
    """What a user may make, put messages into and take them out of: regular expressions that are found in the names.

    - vhost: None: the one of this connection.
    """
    return _permit(user, _options(vhost=vhost, configure=configure, write=write, read=read))


def clear_permissions(user: str, *, vhost: Optional[str] = None) -> Request[None]:
    """Takes them back: the user may not be in the virtual host any more."""
    return _unpermit(user, _options(vhost=vhost))


def set_topic_permissions(
    user: str, exchange: str, write: str, read: str, *, vhost: Optional[str] = None
) -> Request[None]:
    """With which routing keys a user may publish to a topic exchange, and bind to it."""
    return _permit(user, _options(vhost=vhost, exchange=exchange, write=write, read=read))


def clear_topic_permissions(
    user: str, exchange: Optional[str] = None, *, vhost: Optional[str] = None
) -> Request[None]:
    """Takes them back, for one exchange or for all."""
    return _unpermit(user, _options(vhost=vhost, exchange=exchange, topics=True if exchange is None else None))


def _permit(user: str, options: List[Tuple[str, str]]) -> Request[None]:
    return Request(
        f"permit {user!r}",
        lambda tag: requests.about_user("permit", user, options, tag),
        _nothing,
        is_repeatable=True,
    )


def _unpermit(user: str, options: List[Tuple[str, str]]) -> Request[None]:
    return Request(f"unpermit {user!r}", lambda tag: requests.about_user("unpermit", user, options, tag), _nothing)


def _options(**given: Union[str, int, bool, Sequence[str], None]) -> List[Tuple[str, str]]:
    """``max_queues=5`` as ``max-queues=5``; True and False as ``yes`` and ``no``; lists with commas between."""
    options = []
    for name, value in given.items():
        if value is None:
            continue
        if isinstance(value, bool):
            text = "yes" if value else "no"
        else:
            text = str(value) if isinstance(value, (str, int)) else ",".join(value)
        options.append((name.replace("_", "-"), text))
    return options


def delete_queue(name: str, *, if_unused: bool = False, if_empty: bool = False) -> Request[int]:
    """Deletes a queue with its messages and bindings; returns how many messages that were.

    - Raises InUse: it has consumers (``if_unused``) or messages (``if_empty``).
    """
    return Request(
        f"delete queue {name!r}",
        lambda tag: requests.delete("queue", name, tag, if_unused, if_empty),
        _number("messages"),
    )


def delete_topic(name: str) -> Request[int]:
    """Deletes a topic with its messages and bindings; returns how many messages that were."""
    return Request(f"delete topic {name!r}", lambda tag: requests.delete("topic", name, tag), _number("messages"))


def delete_exchange(name: str, *, if_unused: bool = False) -> Request[None]:
    return Request(
        f"delete exchange {name!r}", lambda tag: requests.delete("exchange", name, tag, if_unused), _nothing
    )


def delete_vhost(name: str) -> Request[None]:
    """Deletes a virtual host. Raises InUse while there are queues or topics in it."""
    return Request(f"delete vhost {name!r}", lambda tag: requests.delete("vhost", name, tag), _nothing)


def delete_group(topic: str, group: str) -> Request[None]:
    """Forgets what a group has committed. Raises InUse while it has members."""
    return Request(
        f"delete group {topic!r} {group!r}", lambda tag: requests.delete_group(topic, group, tag), _nothing
    )


def alter(name: str, *, clear: Sequence[str] = (), **arguments: Argument) -> Request[None]:
    """Changes arguments of a queue or topic that is there; those that ``clear`` names are taken back."""
    return Request(
        f"alter {name!r}", lambda tag: requests.alter(name, tag, arguments, clear), _nothing, is_repeatable=True
    )


def set_policy(
    name: str,
    pattern: str,
    *,
    to: Optional[str] = None,
    priority: Optional[int] = None,
    **arguments: Argument,
) -> Request[None]:
    """Arguments for every queue and topic in whose name the regular expression ``pattern`` is found.

    - to: ``queues``, ``topics`` or ``all``. priority: of several policies that fit, the highest counts.
    """
    return Request(
        f"policy {name!r}",
        lambda tag: requests.policy(name, pattern, tag, arguments, to, priority),
        _nothing,
        is_repeatable=True,
    )


def clear_policy(name: str) -> Request[None]:
    return Request(f"unpolicy {name!r}", lambda tag: requests.unpolicy(name, tag), _nothing)


def bind(
    exchange: str,
    name: str,
    key: Optional[Text] = None,
    *,
    to_exchange: bool = False,
    match: Optional[str] = None,
    headers: Optional[Headers] = None,
) -> Request[None]:
    """From an exchange to a queue or topic, or with ``to_exchange`` to another exchange.

    - key: a routing key, or of a ``topic`` exchange a pattern. match, headers: of a ``headers`` exchange: ``all``
      or ``any`` of the headers are there with these values; an empty one stands for any value.
    """
    return _bind("bind", exchange, name, key, to_exchange, match, headers)


def unbind(
    exchange: str,
    name: str,
    key: Optional[Text] = None,
    *,
    to_exchange: bool = False,
    match: Optional[str] = None,
    headers: Optional[Headers] = None,
) -> Request[None]:
    """Takes back what ``bind`` with the same arguments has made."""
    return _bind("unbind", exchange, name, key, to_exchange, match, headers)


def _bind(
    verb: str,
    exchange: str,
    name: str,
    key: Optional[Text],
    to_exchange: bool,
    match: Optional[str],
    headers: Optional[Headers],
) -> Request[None]:
    to = "exchange" if to_exchange else None
    return Request(
        f"{verb} {exchange!r} {name!r}",
        lambda tag: requests.bind(verb, exchange, name, tag, key, to, match, headers),
        _nothing,
        is_repeatable=verb == "bind",
    )


def purge(name: str) -> Request[int]:
    """Removes every message of a queue that is not handed out; returns how many those were."""
    return Request(f"purge {name!r}", lambda tag: requests.purge(name, tag), _number("messages"))


def redrive(
    name: str,
    to: Optional[str] = None,
    count: Optional[int] = None,
    rate: Optional[int] = None,
    *,
    reason: Optional[str] = None,
    source: Optional[str] = None,
    end: Optional[str] = None,
    key: Optional[Text] = None,
    text: Optional[str] = None,
    older_than: Optional[Duration] = None,
    younger_than: Optional[Duration] = None,
    headers: Optional[Headers] = None,
) -> Request[int]:
    """Moves dead or parked messages back to the queues they died in, or all to ``to``; returns how many, when all are
    moved.

    - count, rate: at most so many, at most so many in a second.
    - reason, source: those that died last for this (``"rejected"``, ``"expired"``, ``"maxlen"``,
      ``"delivery_limit"``), in this queue.
    - end: those at which the last attempt ended so, ``"timed-out"`` for example.
    - key, text, headers: those with this record key, this text somewhere in the body, all of these headers.
    - older_than, younger_than: those that are there so long or longer, or less long; milliseconds or a timedelta.
    """
    oldest = None if older_than is None else requests.milliseconds(older_than)
    youngest = None if younger_than is None else requests.milliseconds(younger_than)

    def line(tag: int) -> bytes:
        return requests.redrive(name, tag, to, count, rate, reason, source, end, key, text, oldest, youngest, headers)

    return Request(f"redrive {name!r}", line, _number("messages"))


# Messages


def publish(
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
) -> Request[bool]:
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
    data = None if body is None else to_bytes(body)
    size = len(data or b"")
    if retry:
        check_retry(message_id)
    said = properties(priority, ttl, delay, message_id, reply_to, correlation_id, partition)
    return Request(
        f"publish {size} bytes to {from_bytes(to_bytes(name))!r}",
        lambda tag: requests.pub(name, data, tag, exchange, key, headers, mandatory, said),
        lambda call: "duplicate" not in _ok(call).options,
        is_repeatable=retry,
        size=size,
    )


def publish_many(
    name: Text,
    bodies: Sequence[Text],
    *,
    exchange: Optional[str] = None,
    mandatory: bool = True,
    priority: Optional[int] = None,
    ttl: Optional[Duration] = None,
    delay: Optional[Duration] = None,
    partition: Optional[int] = None,
) -> Request[None]:
    """Publishes 1 to 10,000 messages in one transaction: all of them are stored, or none."""
    data = [to_bytes(body) for body in bodies]
    said = properties(priority, ttl, delay, partition=partition)
    return Request(
        f"publish {len(data)} messages to {from_bytes(to_bytes(name))!r}",
        lambda tag: requests.pubs(name, data, tag, exchange, mandatory, said),
        _nothing,
        size=sum(map(len, data)),
    )


def check_retry(message_id: Optional[Text]) -> None:
    if message_id is None:
        raise ValueError(
            "retry=True needs a message_id, by which a queue or topic with a deduplication_window knows the message "
            "again; without one it could be stored twice"
        )


def get(name: str, ack: str, make: Callable[[int, int, int], AnyMessage]) -> Request[Optional[AnyMessage]]:
    """``make``: the message of consumer, delivery and offset."""
    return Request(
        f"get {name!r}", lambda tag: requests.get(name, tag, ack), lambda call: message_of(_ok(call), make)
    )


def message_of(ok: Ok, make: Callable[[int, int, int], AnyMessage]) -> Optional[AnyMessage]:
    """The message in an answer to ``get``, or None.

    - Raises ProtocolViolation: it cannot be read.
    """
    if ok.body is None:
        return None
    try:
        message = make(0, ok.number("delivery"), ok.number("offset"))
        for option, value in ok.pairs:
            if option.startswith("h."):
                message.header_pairs.append((to_bytes(option[2:]), value))
            elif option == "key":
                message.key = value
            elif option in ("r", "ts", "p", "null"):
                set_option(message, option.encode(), value)
    except ValueError as problem:
        raise ProtocolViolation(f"cannot read the answer to get: {problem}") from None
    message.body = ok.body
    return message


def peek(
    name: str,
    start: Optional[int] = None,
    count: int = 1,
    partition: Optional[int] = None,
    priority: Optional[int] = None,
) -> Request[List[Message]]:
    """Up to ``count`` messages (at most 1,000) from the offset ``start`` on, without taking them.

    They come in the order in which they are delivered.

    - partition: of a topic.
    - priority: of a queue: the one that ``start`` is an offset of; the lower ones follow. Without it that is 0, or all
      of the queue where there is no ``start``.
    """
    return Request(
        f"peek {name!r}",
        lambda tag: requests.peek(name, tag, start, count, partition, priority),
        lambda call: call.messages,
        is_peek=True,
        is_repeatable=True,
    )


Position = Tuple[int, Optional[int]]
"""An offset, and the priority that it is of."""


def page(
    name: str, position: Position, partition: Optional[int]
) -> Request[Tuple[List[Message], Optional[Position]]]:
    """A page of messages from there on, and where the next one begins; None: nothing was left behind it."""

    def read(call: Call) -> Tuple[List[Message], Optional[Position]]:
        ok = _ok(call)
        if "next" not in ok.options:
            return call.messages, None
        return call.messages, (_number("next")(call), _option(ok, "priority", 0))

    return Request(
        f"peek {name!r}",
        lambda tag: requests.peek(name, tag, position[0], 1000, partition, position[1]),
        read,
        is_peek=True,
        is_repeatable=True,
    )


def commit(name: str, group: str, offset: int, partition: Optional[int] = None) -> Request[None]:
    """Sets the offset that the group will read next in a topic, or in one of its partitions."""
    return Request(
        f"commit {name!r} {group!r} {offset}",
        lambda tag: requests.commit(name, group, offset, tag, partition),
        _nothing,
        is_repeatable=True,
    )


# Consuming


def cancel(number: int, name: str) -> Request[None]:
    return Request(f"cancel {number} ({name!r})", lambda tag: requests.cancel(number, tag), _nothing)


def seek(number: int, position: Start, partition: Optional[int]) -> Request[None]:
    return Request(
        f"seek {number} {position}", lambda tag: requests.seek(number, position, tag, partition), _nothing
    )


def give_back(first: int, last: int) -> Request[None]:
    return Request(f"giving back {first}-{last}", lambda tag: requests.give_back(first, last, tag), _nothing)


# Looking inside


def list_queues() -> Request[List[Row]]:
    return _list("queues")


def list_topics() -> Request[List[Row]]:
    return _list("topics")


def list_exchanges() -> Request[List[Row]]:
    return _list("exchanges")


def list_bindings() -> Request[List[Row]]:
    return _list("bindings")


def list_consumers() -> Request[List[Row]]:
    return _list("consumers")


def list_connections() -> Request[List[Row]]:
    return _list("connections")


def list_groups() -> Request[List[Row]]:
    return _list("groups")


def list_policies() -> Request[List[Row]]:
    return _list("policies")


def list_vhosts() -> Request[List[Row]]:
    return _list("vhosts")


def list_users() -> Request[List[Row]]:
    """Who may come in, and who has; for administrators."""
    return _list("users")


def list_permissions() -> Request[List[Row]]:
    """What users may do, where; for administrators."""
    return _list("permissions")


def list_topic_permissions() -> Request[List[Row]]:
    """With which routing keys users may publish and bind; for administrators."""
    return _list("topic-permissions")


def list_workers() -> Request[List[Row]]:
    """The programs that the server runs as consumers; for administrators."""
    return _list("workers")


def list_processes() -> Request[List[Row]]:
    """The server's own process, and those of its workers; for administrators."""
    return _list("processes")


def _list(kind: str) -> Request[List[Row]]:
    return Request(
        f"list {kind}", lambda tag: requests.list_of(kind, tag), _json(list, "a JSON array"), is_repeatable=True
    )


def describe(kind: str, *names: str) -> Request[Row]:
    """All that is known of a thing: ``describe("queue", "hello")``, ``describe("group", "events", "audit")``.

    - kind: ``queue``, ``topic``, ``exchange``, ``policy``, ``vhost``, ``group`` or ``worker``. One instance of a worker
      is ``describe("worker", "resize/7")``.
    """
    return _row(f"describe {kind}", lambda tag: requests.describe((kind, *names), tag))


def why(name: str, offset: Optional[int] = None, priority: Optional[int] = None) -> Request[Row]:
    """Why the messages of a queue wait, or the one at that offset among those of its priority (0 if not said)."""
    return _row(f"why {name!r}", lambda tag: requests.why(name, tag, offset, priority))


def stat() -> Request[Row]:
    """Figures about the server."""
    return _row("stat", lambda tag: requests.simple("stat", tag))


def backup(path: Path, *, as_file: bool = False, replace: bool = False) -> Request[int]:
    """Has the server copy all that it stores to a path of its own machine, while it goes on; returns how many bytes.

    Everything that was confirmed before is in the copy. This waits as long as that takes, and so does what else is
    asked over this connection; if the connection ends, the copy is given up.

    - path: absolute; a directory that is not there yet or is empty, on which a server can be started.
    - as_file: ``path`` is to be the copy itself. replace: an older copy there gives way.
    - Raises AccessRefused: only the server's own user and root may, over its Unix socket. InUse: something is
      there. Busy: another backup is under way. Nothing is left of a copy that failed.
    """
    shown = os.fspath(path)
    return Request(
        f"backup to {shown!r}",
        lambda tag: requests.backup(shown, tag, as_file, replace),
        _number("bytes"),
        is_long=True,
    )


# Workers


def reload(*, dry_run: bool = False) -> Request[Row]:
    """Has the server read its configuration again, and returns what is different; for administrators.

    Of workers it holds from then on, unless dry_run; other settings hold after the server's next start.

    - Raises Misconfigured: it cannot be taken on as it is; nothing was changed.
    """
    return _row("reload", lambda tag: requests.reload(dry_run, tag))


def start_worker(name: str, instance: Optional[int] = None) -> Request[None]:
    """Starts what was stopped, is over, or waits after a failure; like all that steers workers, for administrators.

    - instance: the number of one instance; None: all of the worker.
    - Raises NotFound: there is no such worker or instance.
    """
    return _worker("start", name, instance)


def stop_worker(name: str, instance: Optional[int] = None) -> Request[None]:
    """Stops it in order: no more messages, time for those in hand, then the signal of its definition."""
    return _worker("stop", name, instance)


def restart_worker(name: str, instance: Optional[int] = None) -> Request[None]:
    """Stops and starts it; of a worker one instance after the other."""
    return _worker("restart", name, instance)


def pause_worker(name: str, instance: Optional[int] = None) -> Request[None]:
    """Halts its processes where they are."""
    return _worker("pause", name, instance)


def resume_worker(name: str, instance: Optional[int] = None) -> Request[None]:
    """Lets go on what was paused."""
    return _worker("resume", name, instance)


def kill_worker(name: str, instance: Optional[int] = None, *, signal: Optional[str] = None) -> Request[None]:
    """Ends its processes by force, or sends them a signal: ``"USR1"``, ``"SIGTERM"``, ``"15"``."""
    return _worker("kill", name, instance, signal=signal)


def scale_worker(name: str, least: int, most: Optional[int] = None) -> Request[None]:
    """So many processes, whatever the settings say: ``least`` exactly, or up to ``most`` by what waits."""
    return _worker("scale", name, None, least=least, most=most)


def child_token() -> Request[str]:
    """One more token, for a process that this one, of a worker, starts itself."""
    return Request(
        "child token", requests.child_token, lambda call: from_bytes(_ok(call).options.get("token", b""))
    )


def child_ended(process: int, code: int) -> Request[None]:
    """- code: of its exit; below 0 the number of the signal that ended it, as `multiprocessing` has it."""
    return Request(
        f"end of process {process}",
        lambda tag: requests.child_ended(process, tag, code if code >= 0 else None, None if code >= 0 else str(-code)),
        _nothing,
    )


def nice_worker(name: str, value: int, instance: Optional[int] = None) -> Request[None]:
    """Sets the niceness of its processes that run, -20 to 19, until they are started again.

    - Raises AccessRefused: the system does not let the server. Mismatch: no process runs.
    """
    return _worker("nice", name, instance, value=value)


def worker_output(
    name: Optional[str] = None,
    instance: Optional[int] = None,
    *,
    start: Optional[str] = None,
    count: Optional[int] = None,
    since: Optional[int] = None,
    stream: Optional[str] = None,
    wait: Optional[Duration] = None,
) -> Request[Row]:
    """What workers have written: ``lines``, the oldest first; ``next``, the ``start`` to read on from; ``lost``, how
    many lines went before they could be read. Each line is a dictionary with its ``time``, ``worker``, ``instance``,
    ``pid``, ``stream``, ``line`` and more.

    - name: of a worker; None: of all. start: None: the last lines. count: lines at most, 10 if not said.
    - since: milliseconds since 1970. stream: ``"out"`` or ``"err"``; None: both.
    - wait: how long the server waits for a line if there is none, up to a minute; what else is asked over this
      connection is answered after it.
    """
    target = name if name is None or instance is None else f"{name}/{instance}"
    patience = None if wait is None else requests.milliseconds(wait)
    return Request(
        "worker_output" if target is None else f"worker_output of {target!r}",
        lambda tag: requests.logs(target, tag, start, count, since, stream, patience),
        _json(dict, "a JSON object"),
        is_repeatable=True,
        is_long=wait is not None,
    )


def _worker(
    operation: str,
    name: str,
    instance: Optional[int],
    *,
    least: Optional[int] = None,
    most: Optional[int] = None,
    signal: Optional[str] = None,
    value: Optional[int] = None,
) -> Request[None]:
    target = name if instance is None else f"{name}/{instance}"
    return Request(
        f"{operation} of worker {target!r}",
        lambda tag: requests.worker(operation, target, tag, least, most, signal, value),
        _nothing,
    )


def _row(label: str, encode: Callable[[int], bytes]) -> Request[Row]:
    return Request(label, encode, _json(dict, "a JSON object"), is_repeatable=True)


# Reading answers


def _ok(call: Call) -> Ok:
    assert call.ok is not None, f"{call.label} was not answered"
    return call.ok


def _nothing(call: Call) -> None:
    return None


def _number(option: str) -> Callable[[Call], int]:
    def read(call: Call) -> int:
        try:
            return _ok(call).number(option)
        except ValueError as problem:
            raise ProtocolViolation(f"cannot read the answer to {call.label}: {problem}") from None

    return read


def _said(call: Call, option: str) -> bytes:
    if option not in _ok(call).options:
        raise ProtocolViolation(f"the answer to {call.label} has no {option}")
    return _ok(call).options[option]


def _json(kind: type, shown: str) -> Callable[[Call], Any]:
    def read(call: Call) -> Any:
        try:
            found = json.loads(_ok(call).body or b"")
        except ValueError as problem:
            raise ProtocolViolation(f"the answer to {call.label} is no JSON: {problem}") from None
        if not isinstance(found, kind):
            raise ProtocolViolation(f"the answer to {call.label} is not {shown}")
        return found

    return read


def _option(ok: Ok, name: str, default: int) -> int:
    value = ok.options.get(name, b"")
    return int(value) if value.isdigit() else default

"""What can be asked of a server: each request with how to read its answer, for the blocking client and `cola.aio`."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any, Callable, Dict, Generic, List, Mapping, Optional, Sequence, TypeVar, Union

from . import _requests as requests
from ._answers import Ok, set_option
from ._conversation import Call
from ._errors import ProtocolViolation, TooLarge
from ._message import Message
from ._requests import Argument, Duration, Headers, Start, properties
from ._text import Text, from_bytes, to_bytes

Row = Dict[str, Any]
Path = Union[str, "os.PathLike[str]"]
Arguments = Mapping[str, Argument]
Result = TypeVar("Result")
AnyMessage = TypeVar("AnyMessage", bound=Message)


@dataclass(frozen=True)
class Request(Generic[Result]):
    """- label: for a person. encode: the request's bytes for its tag. read: what its answer says.
    - is_repeatable: to ask twice does no more than to ask once, so that a lost connection need not be told of.
    """

    label: str
    encode: Callable[[int], bytes]
    read: Callable[[Call], Result]
    is_peek: bool = False
    is_repeatable: bool = False


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
) -> Request[Welcome]:
    return Request(
        "hello",
        lambda tag: requests.hello(tag, 1, user, password, vhost, client, heartbeat or None, need),
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
    return Request("ping", lambda tag: requests.simple("ping", tag), _nothing)


def quit() -> Request[None]:
    return Request("quit", lambda tag: requests.simple("quit", tag), _nothing)


# Definitions


def declare_queue(
    name: str, durable: bool, exclusive: bool, auto_delete: bool, arguments: Arguments
) -> Request[int]:
    return Request(
        f"declare queue {name!r}",
        lambda tag: requests.declare_queue(name, tag, arguments, durable, exclusive, auto_delete),
        _number("ready"),
        is_repeatable=True,
    )


def declare_temporary_queue(arguments: Arguments) -> Request[str]:
    return Request(
        "declare queue",
        lambda tag: requests.declare_queue("", tag, arguments, exclusive=True),
        lambda call: from_bytes(_said(call, "name")),
    )


def declare_topic(name: str, partitions: Optional[int], arguments: Arguments) -> Request[int]:
    return Request(
        f"declare topic {name!r}",
        lambda tag: requests.declare_topic(name, tag, partitions, arguments),
        _number("ready"),
        is_repeatable=True,
    )


def declare_exchange(name: str, type: str, alternate: Optional[str]) -> Request[None]:
    return Request(
        f"declare exchange {name!r}",
        lambda tag: requests.declare_exchange(name, type, tag, alternate),
        _nothing,
        is_repeatable=True,
    )


def declare_vhost(name: str) -> Request[None]:
    return Request(
        f"declare vhost {name!r}", lambda tag: requests.declare_vhost(name, tag), _nothing, is_repeatable=True
    )


def delete_queue(name: str, if_unused: bool, if_empty: bool) -> Request[int]:
    return Request(
        f"delete queue {name!r}",
        lambda tag: requests.delete("queue", name, tag, if_unused, if_empty),
        _number("messages"),
    )


def delete_topic(name: str) -> Request[int]:
    return Request(f"delete topic {name!r}", lambda tag: requests.delete("topic", name, tag), _number("messages"))


def delete_exchange(name: str, if_unused: bool) -> Request[None]:
    return Request(
        f"delete exchange {name!r}", lambda tag: requests.delete("exchange", name, tag, if_unused), _nothing
    )


def delete_vhost(name: str) -> Request[None]:
    return Request(f"delete vhost {name!r}", lambda tag: requests.delete("vhost", name, tag), _nothing)


def delete_group(topic: str, group: str) -> Request[None]:
    return Request(
        f"delete group {topic!r} {group!r}", lambda tag: requests.delete_group(topic, group, tag), _nothing
    )


def alter(name: str, clear: Sequence[str], arguments: Arguments) -> Request[None]:
    return Request(
        f"alter {name!r}", lambda tag: requests.alter(name, tag, arguments, clear), _nothing, is_repeatable=True
    )


def set_policy(
    name: str, pattern: str, to: Optional[str], priority: Optional[int], arguments: Arguments
) -> Request[None]:
    return Request(
        f"policy {name!r}",
        lambda tag: requests.policy(name, pattern, tag, arguments, to, priority),
        _nothing,
        is_repeatable=True,
    )


def clear_policy(name: str) -> Request[None]:
    return Request(f"unpolicy {name!r}", lambda tag: requests.unpolicy(name, tag), _nothing)


def bind(
    verb: str,
    exchange: str,
    name: str,
    key: Optional[Text],
    to_exchange: bool,
    match: Optional[str],
    headers: Optional[Headers],
) -> Request[None]:
    """``bind`` or ``unbind``."""
    to = "exchange" if to_exchange else None
    return Request(
        f"{verb} {exchange!r} {name!r}",
        lambda tag: requests.bind(verb, exchange, name, tag, key, to, match, headers),
        _nothing,
        is_repeatable=verb == "bind",
    )


def purge(name: str) -> Request[int]:
    return Request(f"purge {name!r}", lambda tag: requests.purge(name, tag), _number("messages"))


def redrive(name: str, to: Optional[str], count: Optional[int]) -> Request[int]:
    return Request(f"redrive {name!r}", lambda tag: requests.redrive(name, tag, to, count), _number("messages"))


# Messages


def publish(
    name: Text,
    body: Optional[Text],
    body_max: int,
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
    """
    - Raises TooLarge: the body is over ``body_max``. ValueError: to be retried, but without a ``message_id``.
    """
    data = None if body is None else to_bytes(body)
    size = len(data or b"")
    _check_size(size, body_max)
    if retry:
        check_retry(message_id)
    said = properties(priority, ttl, delay, message_id, reply_to, correlation_id, partition)
    return Request(
        f"publish {size} bytes to {from_bytes(to_bytes(name))!r}",
        lambda tag: requests.pub(name, data, tag, exchange, key, headers, mandatory, said),
        lambda call: "duplicate" not in _ok(call).options,
        is_repeatable=retry,
    )


def publish_many(
    name: Text,
    bodies: Sequence[Text],
    body_max: int,
    *,
    exchange: Optional[str] = None,
    mandatory: bool = True,
    priority: Optional[int] = None,
    ttl: Optional[Duration] = None,
    delay: Optional[Duration] = None,
    partition: Optional[int] = None,
) -> Request[None]:
    data = [to_bytes(body) for body in bodies]
    _check_size(sum(map(len, data)), body_max)
    said = properties(priority, ttl, delay, partition=partition)
    return Request(
        f"publish {len(data)} messages to {from_bytes(to_bytes(name))!r}",
        lambda tag: requests.pubs(name, data, tag, exchange, mandatory, said),
        _nothing,
    )


def _check_size(size: int, most: int) -> None:
    if size > most:
        raise TooLarge(f"the bodies have {size} bytes; the server allows at most {most} (its setting body-max)")


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
    name: str, start: Optional[int], count: int, partition: Optional[int], priority: Optional[int] = None
) -> Request[List[Message]]:
    return Request(
        f"peek {name!r}",
        lambda tag: requests.peek(name, tag, start, count, partition, priority),
        lambda call: call.messages,
        is_peek=True,
        is_repeatable=True,
    )


Position = Tuple[int, Optional[int]]
"""An offset, and the priority that it is of."""


def browse(
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


def commit(name: str, group: str, offset: int, partition: Optional[int]) -> Request[None]:
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
    return Request(f"nack {first}-{last}", lambda tag: requests.settle("nack", first, last, tag), _nothing)


# Looking inside


def list_of(kind: str) -> Request[List[Row]]:
    return Request(
        f"list {kind}", lambda tag: requests.list_of(kind, tag), _json(list, "a JSON array"), is_repeatable=True
    )


def describe(kind: str, names: Sequence[str]) -> Request[Row]:
    return _row(f"describe {kind}", lambda tag: requests.describe((kind, *names), tag))


def why(name: str, offset: Optional[int], priority: Optional[int] = None) -> Request[Row]:
    return _row(f"why {name!r}", lambda tag: requests.why(name, tag, offset, priority))


def stat() -> Request[Row]:
    return _row("stat", lambda tag: requests.simple("stat", tag))


def backup(path: Path, as_file: bool, replace: bool) -> Request[int]:
    path = os.fspath(path)
    return Request(f"backup to {path!r}", lambda tag: requests.backup(path, tag, as_file, replace), _number("bytes"))


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

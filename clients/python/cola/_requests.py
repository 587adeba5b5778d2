"""The requests of protocol/native.md as bytes, in their canonical form: words, tag, options in the order of that page.

Functions without state: they neither read nor write, so the same vectors check them that check the server.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from ._text import Text, escape, escape_name, to_bytes

Headers = Union[Mapping[str, Text], Iterable[Tuple[Text, Text]]]
Start = Union[str, int]
# Milliseconds, or a length of time.
Duration = Union[int, timedelta]
Argument = Union[str, int, bool, timedelta]
_Option = Tuple[bytes, Union[Text, int, None]]


def _line(verb: bytes, words: Sequence[Text], tag: Optional[int], *options: _Option) -> bytes:
    parts: List[bytes] = [verb]
    for word in words:
        parts.append(_word(word))
    if tag is not None:
        parts.append(b"t=%d" % tag)
    for name, value in options:
        if isinstance(value, int):
            parts.append(b"%b=%d" % (name, value))
        elif value is not None:
            parts.append(b"%b=%b" % (name, escape(to_bytes(value))))
    return b" ".join(parts) + b"\n"


def _word(text: Text) -> bytes:
    word = escape(to_bytes(text))
    if not word:
        raise ValueError("a name has at least one byte")
    return word


def _yes(truth: bool) -> Optional[str]:
    """An option that is ``no`` unless it is said."""
    return "yes" if truth else None


def _arguments(arguments: Optional[Mapping[str, Argument]]) -> List[_Option]:
    """``max_length=5`` as ``max-length=5``; True and False as ``yes`` and ``no``."""
    return [(to_bytes(name.replace("_", "-")), _argument(value)) for name, value in (arguments or {}).items()]


def _argument(value: Argument) -> Union[str, int]:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return milliseconds(value) if isinstance(value, timedelta) else value


def milliseconds(duration: Duration) -> int:
    return duration // timedelta(milliseconds=1) if isinstance(duration, timedelta) else duration


def hello(
    tag: Optional[int] = None,
    version: int = 1,
    user: Optional[str] = None,
    password: Optional[str] = None,
    vhost: Optional[str] = None,
    client: Optional[str] = None,
    heartbeat: Optional[int] = None,
    need: Sequence[str] = (),
    token: Optional[str] = None,
) -> bytes:
    options: List[_Option] = [(b"user", user), (b"password", password), (b"token", token), (b"vhost", vhost)]
    options += [(b"client", client), (b"heartbeat", heartbeat), (b"need", ",".join(need) or None)]
    return _line(b"hello", (str(version),), tag, *options)


def simple(verb: str, tag: Optional[int] = None) -> bytes:
    """``ping``, ``beat``, ``quit``, ``stat``."""
    return _line(verb.encode(), (), tag)


def declare_queue(
    name: str,
    tag: Optional[int] = None,
    arguments: Optional[Mapping[str, Argument]] = None,
    durable: bool = True,
    exclusive: bool = False,
    auto_delete: bool = False,
) -> bytes:
    """Without a name the server chooses one."""
    options: List[_Option] = [(b"durable", None if durable else "no"), (b"exclusive", _yes(exclusive))]
    options += [(b"auto-delete", _yes(auto_delete)), *_arguments(arguments)]
    # Its lone % stands there already escaped.
    return b"declare queue %b" % (escape(to_bytes(name)) or b"%") + _line(b"", (), tag, *options)


def declare_topic(
    name: str,
    tag: Optional[int] = None,
    partitions: Optional[int] = None,
    arguments: Optional[Mapping[str, Argument]] = None,
) -> bytes:
    return _line(b"declare", ("topic", name), tag, (b"partitions", partitions), *_arguments(arguments))


def declare_exchange(
    name: str,
    type: str,
    tag: Optional[int] = None,
    alternate: Optional[str] = None,
    durable: bool = True,
    auto_delete: bool = False,
    internal: bool = False,
    delayed: bool = False,
    hash_header: Optional[str] = None,
    hash_property: Optional[str] = None,
    recent_history_length: Optional[int] = None,
) -> bytes:
    options: List[_Option] = [(b"type", type), (b"alternate", alternate)]
    if not durable:
        options.append((b"durable", "no"))
    for option, said in ((b"auto-delete", auto_delete), (b"internal", internal), (b"delayed", delayed)):
        if said:
            options.append((option, "yes"))
    options += [
        (b"hash-header", hash_header),
        (b"hash-property", hash_property),
        (b"recent-history-length", recent_history_length),
    ]
    return _line(b"declare", ("exchange", name), tag, *options)


def declare_vhost(name: str, tag: Optional[int] = None, options: Sequence[Tuple[str, Text]] = ()) -> bytes:
    return _line(b"declare", ("vhost", name), tag, *_encoded(options))


def about_user(verb: str, name: str, options: Sequence[Tuple[str, Text]], tag: Optional[int] = None) -> bytes:
    """``user``, ``permit`` and ``unpermit``."""
    return _line(verb.encode(), (name,), tag, *_encoded(options))


def _encoded(options: Sequence[Tuple[str, Text]]) -> List[_Option]:
    return [(name.encode(), value) for name, value in options]


def delete(
    kind: str, name: str, tag: Optional[int] = None, if_unused: bool = False, if_empty: bool = False
) -> bytes:
    return _line(b"delete", (kind, name), tag, (b"if-unused", _yes(if_unused)), (b"if-empty", _yes(if_empty)))


def delete_group(topic: str, group: str, tag: Optional[int] = None) -> bytes:
    return _line(b"delete", ("group", topic, group), tag)


def alter(
    name: str,
    tag: Optional[int] = None,
    arguments: Optional[Mapping[str, Argument]] = None,
    clear: Sequence[str] = (),
) -> bytes:
    cleared = ",".join(argument.replace("_", "-") for argument in clear)
    return _line(b"alter", (name,), tag, *_arguments(arguments), (b"clear", cleared or None))


def policy(
    name: str,
    pattern: str,
    tag: Optional[int] = None,
    arguments: Optional[Mapping[str, Argument]] = None,
    to: Optional[str] = None,
    priority: Optional[int] = None,
) -> bytes:
    options: List[_Option] = [(b"pattern", pattern), (b"to", to), (b"priority", priority)]
    return _line(b"policy", (name,), tag, *options, *_arguments(arguments))


def unpolicy(name: str, tag: Optional[int] = None) -> bytes:
    return _line(b"unpolicy", (name,), tag)


def bind(
    verb: str,
    exchange: str,
    name: str,
    tag: Optional[int] = None,
    key: Optional[Text] = None,
    to: Optional[str] = None,
    match: Optional[str] = None,
    headers: Optional[Headers] = None,
) -> bytes:
    """``bind`` or ``unbind``."""
    options: List[_Option] = [(b"key", key), (b"to", to), (b"match", match)]
    options += [(b"h." + escape_name(to_bytes(header)), value) for header, value in _pairs(headers)]
    return _line(verb.encode(), (exchange, name), tag, *options)


def purge(name: str, tag: Optional[int] = None) -> bytes:
    return _line(b"purge", (name,), tag)


def redrive(
    name: str,
    tag: Optional[int] = None,
    to: Optional[str] = None,
    count: Optional[int] = None,
    rate: Optional[int] = None,
    reason: Optional[str] = None,
    source: Optional[str] = None,
    end: Optional[str] = None,
    key: Optional[Text] = None,
    text: Optional[str] = None,
    older_than: Optional[int] = None,
    younger_than: Optional[int] = None,
    headers: Optional[Headers] = None,
) -> bytes:
    options: List[_Option] = [(b"to", to), (b"count", count), (b"rate", rate), (b"reason", reason), (b"from", source)]
    options += [(b"end", end), (b"key", key), (b"text", text), (b"older-than", older_than)]
    options += [(b"younger-than", younger_than)]
    options += [(b"h." + escape_name(to_bytes(header)), value) for header, value in _pairs(headers)]
    return _line(b"redrive", (name,), tag, *options)


def _pairs(headers: Optional[Headers]) -> Iterable[Tuple[Text, Text]]:
    # A list of pairs passes through too: what another protocol stored may have an order that matters.
    if headers is None:
        return ()
    return headers.items() if isinstance(headers, Mapping) else headers


class Properties(NamedTuple):
    """What a message says of itself beside its key and headers; None is not said."""

    priority: Optional[int] = None
    ttl: Optional[int] = None
    delay: Optional[int] = None
    message_id: Optional[Text] = None
    reply_to: Optional[str] = None
    correlation_id: Optional[Text] = None
    partition: Optional[int] = None


_PLAIN = Properties()


def properties(
    priority: Optional[int] = None,
    ttl: Optional[Duration] = None,
    delay: Optional[Duration] = None,
    message_id: Optional[Text] = None,
    reply_to: Optional[str] = None,
    correlation_id: Optional[Text] = None,
    partition: Optional[int] = None,
) -> Properties:
    # Nearly every message has none of them; those share one object.
    if (
        priority is None
        and ttl is None
        and delay is None
        and message_id is None
        and reply_to is None
        and correlation_id is None
        and partition is None
    ):
        return _PLAIN
    return Properties(
        priority,
        None if ttl is None else milliseconds(ttl),
        None if delay is None else milliseconds(delay),
        message_id,
        reply_to,
        correlation_id,
        partition,
    )


_NAMES = (b"prio", b"ttl", b"delay", b"id", b"reply", b"corr", b"partition")


def _properties(properties: Properties) -> bytes:
    options = b""
    for name, value in zip(_NAMES, properties):
        if isinstance(value, int):
            options += b" %b=%d" % (name, value)
        elif value is not None:
            options += b" %b=%b" % (name, escape(to_bytes(value)))
    return options


def _routing_key(text: Text) -> bytes:
    return escape(to_bytes(text)) or b"%"


def pub(
    routing_key: Text,
    body: Optional[bytes],
    tag: Optional[int] = None,
    exchange: Optional[str] = None,
    key: Optional[Text] = None,
    headers: Optional[Headers] = None,
    mandatory: bool = True,
    properties: Properties = _PLAIN,
) -> bytes:
    """``body``: None is a message without a value."""
    options = b"" if tag is None else b" t=%d" % tag
    if exchange is not None:
        options += b" x=" + escape(to_bytes(exchange))
    if key is not None:
        options += b" key=" + escape(to_bytes(key))
    if headers:
        for name, value in _pairs(headers):
            options += b" h.%b=%b" % (escape_name(to_bytes(name)), escape(to_bytes(value)))
    if not mandatory:
        options += b" mandatory=no"
    if properties is not _PLAIN:
        options += _properties(properties)
    if body is None:
        return b"pub %b 0%b null=yes\n\n" % (_routing_key(routing_key), options)
    return b"pub %b %d%b\n%b\n" % (_routing_key(routing_key), len(body), options, body)


def pubs(
    routing_key: Text,
    bodies: Sequence[bytes],
    tag: Optional[int] = None,
    exchange: Optional[str] = None,
    mandatory: bool = True,
    properties: Properties = _PLAIN,
) -> bytes:
    options = b"" if tag is None else b" t=%d" % tag
    if exchange is not None:
        options += b" x=" + escape(to_bytes(exchange))
    if not mandatory:
        options += b" mandatory=no"
    options += _properties(properties)
    line = b"pubs %b %d%b\n" % (_routing_key(routing_key), len(bodies), options)
    return line + b"".join([b"%d\n%b\n" % (len(body), body) for body in bodies])


def consume(
    name: str,
    consumer: int,
    tag: Optional[int] = None,
    start: Optional[Start] = None,
    group: Optional[str] = None,
    prefetch: Optional[int] = None,
    credit: Optional[int] = None,
    ack: Optional[str] = None,
    join: Optional[str] = None,
    partitions: Optional[Sequence[int]] = None,
    priority: Optional[int] = None,
    exclusive: bool = False,
) -> bytes:
    numbers = None if partitions is None else ",".join(map(str, partitions))
    options: List[_Option] = [(b"c", consumer), (b"from", start), (b"group", group)]
    options += [(b"join", join), (b"partitions", numbers), (b"prefetch", prefetch), (b"credit", credit)]
    options += [(b"ack", ack), (b"priority", priority), (b"exclusive", _yes(exclusive))]
    return _line(b"consume", (name,), tag, *options)


def credit(consumer: int, n: int, tag: Optional[int] = None) -> bytes:
    return _line(b"credit", (str(consumer), str(n)), tag)


def cancel(consumer: int, tag: Optional[int] = None) -> bytes:
    return _line(b"cancel", (str(consumer),), tag)


def seek(consumer: int, position: Start, tag: Optional[int] = None, partition: Optional[int] = None) -> bytes:
    return _line(b"seek", (str(consumer), str(position)), tag, (b"partition", partition))


def settle(
    verb: str, first: int, last: int, tag: Optional[int] = None, delay: Optional[int] = None
) -> bytes:
    """``ack``, ``nack``, ``reject`` of the deliveries from ``first`` to ``last``; ``delay`` is for ``nack``."""
    return _line(verb.encode(), (_range(first, last),), tag, (b"delay", delay))


def _range(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"


def fail(
    first: int,
    last: int,
    end: str,
    then: str,
    tag: Optional[int] = None,
    *,
    delay: Optional[int] = None,
    attempts: Optional[int] = None,
    default: bool = False,
    began: Optional[int] = None,
    ended: Optional[int] = None,
    worker: Optional[str] = None,
    pid: Optional[int] = None,
    detail: Optional[str] = None,
    output: Optional[str] = None,
) -> bytes:
    """What became of deliveries that a process did not bring to an end."""
    options = ((b"end", end), (b"then", then), (b"delay", delay), (b"attempts", attempts))
    rule = ((b"default", b"yes" if default else None), (b"began", began))
    story = ((b"ended", ended), (b"worker", worker), (b"pid", pid), (b"detail", detail), (b"output", output))
    return _line(b"fail", (_range(first, last),), tag, *options, *rule, *story)


def give_back(first: int, last: int, tag: Optional[int] = None) -> bytes:
    """To their places at once, whatever the queue says of retries, and no attempt counts: nobody has tried them."""
    return fail(first, last, "cancelled", "give-back", tag)


def failed_attempt(
    delivery: int,
    attempts: Optional[int],
    delay: Optional[Duration],
    default: bool,
    detail: Optional[str],
    output: Optional[str],
) -> bytes:
    """Of a program that could not do it: to be tried again, if ``attempts`` are more than one, or not."""
    if attempts is None or attempts == 1:
        return fail(delivery, delivery, "refused", "bury", detail=detail, output=output)
    wait = None if delay is None else milliseconds(delay)
    return fail(
        delivery,
        delivery,
        "refused",
        "retry",
        delay=wait,
        attempts=attempts,
        default=default,
        detail=detail,
        output=output,
    )


def get(name: str, tag: Optional[int] = None, ack: Optional[str] = None) -> bytes:
    return _line(b"get", (name,), tag, (b"ack", ack))


def peek(
    name: str,
    tag: Optional[int] = None,
    start: Optional[int] = None,
    count: Optional[int] = None,
    partition: Optional[int] = None,
    priority: Optional[int] = None,
) -> bytes:
    options = ((b"from", start), (b"count", count), (b"partition", partition), (b"priority", priority))
    return _line(b"peek", (name,), tag, *options)


def commit(
    name: str, group: str, offset: int, tag: Optional[int] = None, partition: Optional[int] = None
) -> bytes:
    return _line(b"commit", (name, group, str(offset)), tag, (b"partition", partition))


def list_of(kind: str, tag: Optional[int] = None) -> bytes:
    return _line(b"list", (kind,), tag)


def describe(words: Sequence[str], tag: Optional[int] = None) -> bytes:
    """``words``: the kind and the name; of a group its kind, its topic and its name."""
    return _line(b"describe", words, tag)


def why(
    name: str, tag: Optional[int] = None, offset: Optional[int] = None, priority: Optional[int] = None
) -> bytes:
    return _line(b"why", (name,) if offset is None else (name, str(offset)), tag, (b"priority", priority))


def reload(dry_run: bool = False, tag: Optional[int] = None) -> bytes:
    return _line(b"reload", (), tag, (b"dry-run", b"yes" if dry_run else None))


def worker(
    operation: str,
    target: str,
    tag: Optional[int] = None,
    least: Optional[int] = None,
    most: Optional[int] = None,
    signal: Optional[str] = None,
    value: Union[int, str, None] = None,
) -> bytes:
    """``target``: the name of a worker, or that with ``/`` and the number of an instance."""
    options = ((b"min", least), (b"max", most), (b"signal", signal), (b"value", value))
    return _line(b"worker", (operation, target), tag, *options)


def child_token(tag: Optional[int] = None) -> bytes:
    return _line(b"child", ("token",), tag)


def child_ended(
    process: int, tag: Optional[int] = None, code: Optional[int] = None, signal: Optional[str] = None
) -> bytes:
    return _line(b"child", ("ended", str(process)), tag, (b"code", code), (b"signal", signal))


def logs(
    target: Optional[str],
    tag: Optional[int] = None,
    start: Optional[str] = None,
    count: Optional[int] = None,
    since: Optional[int] = None,
    stream: Optional[str] = None,
    wait: Optional[int] = None,
) -> bytes:
    """``target`` as with ``worker``, None for all; ``since`` and ``wait`` in milliseconds."""
    options = ((b"from", start), (b"count", count), (b"since", since), (b"stream", stream), (b"wait", wait))
    return _line(b"logs", () if target is None else (target,), tag, *options)


def backup(path: str, tag: Optional[int] = None, as_file: bool = False, replace: bool = False) -> bytes:
    options = ((b"as", "file" if as_file else None), (b"replace", "yes" if replace else None))
    return _line(b"backup", (path,), tag, *options)

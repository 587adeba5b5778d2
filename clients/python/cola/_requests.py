"""The requests of protocol/native.md as bytes, in their canonical form: words, tag, options in the order of that page.

Functions without state: they neither read nor write, so the same vectors check them that check the server.
"""

from __future__ import annotations

from typing import Iterable, List, Mapping, Optional, Sequence, Tuple, Union

from ._text import Text, escape, escape_name, to_bytes

Headers = Union[Mapping[str, Text], Iterable[Tuple[Text, Text]]]
Start = Union[str, int]
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


def hello(
    tag: Optional[int] = None,
    version: int = 1,
    user: Optional[str] = None,
    password: Optional[str] = None,
    client: Optional[str] = None,
    heartbeat: Optional[int] = None,
    need: Sequence[str] = (),
) -> bytes:
    options: List[_Option] = [(b"user", user), (b"password", password)]
    options += [(b"client", client), (b"heartbeat", heartbeat), (b"need", ",".join(need) or None)]
    return _line(b"hello", (str(version),), tag, *options)


def simple(verb: str, tag: Optional[int] = None) -> bytes:
    """``ping``, ``beat``, ``quit``, ``stat``."""
    return _line(verb.encode(), (), tag)


def declare(kind: str, name: str, tag: Optional[int] = None, type: Optional[str] = None) -> bytes:
    return _line(b"declare", (kind, name), tag, (b"type", type))


def delete(kind: str, name: str, tag: Optional[int] = None) -> bytes:
    return _line(b"delete", (kind, name), tag)


def bind(exchange: str, name: str, tag: Optional[int] = None, key: Optional[Text] = None) -> bytes:
    return _line(b"bind", (exchange, name), tag, (b"key", key))


def unbind(exchange: str, name: str, tag: Optional[int] = None, key: Optional[Text] = None) -> bytes:
    return _line(b"unbind", (exchange, name), tag, (b"key", key))


def purge(name: str, tag: Optional[int] = None) -> bytes:
    return _line(b"purge", (name,), tag)


def _routing_key(text: Text) -> bytes:
    return escape(to_bytes(text)) or b"%"


def pub(
    routing_key: Text,
    body: bytes,
    tag: Optional[int] = None,
    exchange: Optional[str] = None,
    key: Optional[Text] = None,
    headers: Optional[Headers] = None,
    mandatory: bool = True,
) -> bytes:
    options = b"" if tag is None else b" t=%d" % tag
    if exchange is not None:
        options += b" x=" + escape(to_bytes(exchange))
    if key is not None:
        options += b" key=" + escape(to_bytes(key))
    if headers:
        # A list of pairs passes through too: what another protocol stored may have an order that matters.
        pairs = headers.items() if isinstance(headers, Mapping) else headers
        for name, value in pairs:
            options += b" h.%b=%b" % (escape_name(to_bytes(name)), escape(to_bytes(value)))
    if not mandatory:
        options += b" mandatory=no"
    return b"pub %b %d%b\n%b\n" % (_routing_key(routing_key), len(body), options, body)


def pubs(
    routing_key: Text,
    bodies: Sequence[bytes],
    tag: Optional[int] = None,
    exchange: Optional[str] = None,
    mandatory: bool = True,
) -> bytes:
    options: List[_Option] = [(b"x", exchange), (b"mandatory", None if mandatory else "no")]
    words = (_routing_key(routing_key), b"%d" % len(bodies))
    # The routing key is escaped already: `_line` would escape its lone `%` once more.
    line = b"pubs %b %b" % words + _line(b"", (), tag, *options)
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
) -> bytes:
    options: List[_Option] = [(b"c", consumer), (b"from", start), (b"group", group)]
    options += [(b"prefetch", prefetch), (b"credit", credit), (b"ack", ack)]
    return _line(b"consume", (name,), tag, *options)


def credit(consumer: int, n: int, tag: Optional[int] = None) -> bytes:
    return _line(b"credit", (str(consumer), str(n)), tag)


def cancel(consumer: int, tag: Optional[int] = None) -> bytes:
    return _line(b"cancel", (str(consumer),), tag)


def settle(verb: str, first: int, last: int, tag: Optional[int] = None) -> bytes:
    """``ack``, ``nack``, ``reject`` of the deliveries from ``first`` to ``last``."""
    return _line(verb.encode(), (str(first) if first == last else f"{first}-{last}",), tag)


def get(name: str, tag: Optional[int] = None, ack: Optional[str] = None) -> bytes:
    return _line(b"get", (name,), tag, (b"ack", ack))


def peek(name: str, tag: Optional[int] = None, start: Optional[int] = None, count: Optional[int] = None) -> bytes:
    return _line(b"peek", (name,), tag, (b"from", start), (b"count", count))


def commit(name: str, group: str, offset: int, tag: Optional[int] = None) -> bytes:
    return _line(b"commit", (name, group, str(offset)), tag)


def list_of(kind: str, tag: Optional[int] = None) -> bytes:
    return _line(b"list", (kind,), tag)

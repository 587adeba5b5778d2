"""The encoder against the shared vectors."""

from __future__ import annotations

from typing import Any, Dict

import pytest

from cola import _requests as requests
from cola._text import Text
from vectors import Vector, name_of, raw, vectors


def encode(r: Dict[str, Any]) -> bytes:
    """A vector's fields through the function of its verb."""
    verb, t = r["verb"], r.get("t")
    if verb == "hello":
        names = ("version", "user", "password", "client", "heartbeat", "need")
        return requests.hello(t, **{name: r[name] for name in names if name in r})
    if verb in ("ping", "beat", "quit", "stat"):
        return requests.simple(verb, t)
    if verb == "declare":
        return requests.declare(r["kind"], r["name"], t, r.get("type"))
    if verb == "delete":
        return requests.delete(r["kind"], r["name"], t)
    if verb in ("bind", "unbind"):
        key = raw(r["key"]) if "key" in r else None
        return getattr(requests, verb)(r["exchange"], r["name"], t, key)  # type: ignore[no-any-return]
    if verb == "purge":
        return requests.purge(r["name"], t)
    if verb == "pub":
        key = raw(r["key"]) if "key" in r else None
        headers = [(raw(name), raw(value)) for name, value in r.get("headers", [])]
        mandatory = r.get("mandatory", True)
        return requests.pub(raw(r["routing_key"]), raw(r["body"]), t, r.get("x"), key, headers, mandatory)
    if verb == "pubs":
        bodies = [raw(body) for body in r["bodies"]]
        return requests.pubs(raw(r["routing_key"]), bodies, t, r.get("x"), r.get("mandatory", True))
    if verb == "consume":
        options = [r.get(name) for name in ("from", "group", "prefetch", "credit", "ack")]
        return requests.consume(r["name"], r["c"], t, *options)
    if verb == "credit":
        return requests.credit(r["consumer"], r["n"], t)
    if verb == "cancel":
        return requests.cancel(r["consumer"], t)
    if verb in ("ack", "nack", "reject"):
        return requests.settle(verb, r["first"], r["last"], t)
    if verb == "get":
        return requests.get(r["name"], t, r.get("ack"))
    if verb == "peek":
        return requests.peek(r["name"], t, int(r["from"]) if "from" in r else None, r.get("count"))
    if verb == "commit":
        return requests.commit(r["name"], r["group"], r["offset"], t)
    assert verb == "list", f"no encoder for the verb {verb}"
    return requests.list_of(r["of"], t)


@pytest.mark.parametrize("vector", vectors("requests"), ids=name_of)
def test_fields_become_exactly_the_bytes(vector: Vector) -> None:
    assert encode(vector["request"]) == raw(vector)


def test_every_verb_of_the_specification_has_a_vector() -> None:
    verbs = {vector["request"]["verb"] for vector in vectors("requests")}
    assert verbs == set(
        "hello ping beat quit declare delete bind unbind purge pub pubs consume credit cancel ack nack reject get peek "
        "commit list stat".split()
    )


def test_header_mappings_take_text_and_bytes() -> None:
    headers: Dict[str, Text] = {"a": "b c", "d": b"\xff"}
    encoded = requests.pub("q", b"x", headers=headers)
    assert encoded == b"pub q 1 h.a=b%20c h.d=\xff\nx\n"


def test_names_of_no_bytes_are_refused_before_they_are_sent() -> None:
    with pytest.raises(ValueError, match="at least one byte"):
        requests.declare("queue", "")

"""The encoder against the shared vectors."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Dict

import pytest

from cola import _requests as requests
from cola._text import Text
from vectors import Vector, name_of, raw, vectors


# As the vectors name what `requests.Properties` holds, in its order.
PROPERTIES = ("prio", "ttl", "delay", "id", "reply", "corr", "partition")


def encode(r: Dict[str, Any]) -> bytes:
    """A vector's fields through the function of its verb."""
    verb, t = r["verb"], r.get("t")
    name, kind = r.get("name", ""), r.get("kind")
    arguments = dict(r.get("arguments", []))
    said = requests.Properties(*(r.get(member) for member in PROPERTIES))
    if verb == "hello":
        names = ("version", "user", "password", "vhost", "client", "heartbeat", "need", "token")
        return requests.hello(t, **{name: r[name] for name in names if name in r})
    if verb in ("ping", "beat", "quit", "stat"):
        return requests.simple(verb, t)
    if verb == "declare" and kind == "queue":
        flags = {flag: r[flag] for flag in ("durable", "exclusive", "auto_delete") if flag in r}
        return requests.declare_queue(name, t, arguments, **flags)
    if verb == "declare" and kind == "topic":
        return requests.declare_topic(name, t, r.get("partitions"), arguments)
    if verb == "declare" and kind == "exchange":
        return requests.declare_exchange(
            name, r["type"], t, r.get("alternate"), r.get("durable", True), r.get("auto_delete", False),
            r.get("internal", False), r.get("delayed", False), r.get("hash_header"), r.get("hash_property"),
            r.get("recent_history_length"),
        )
    if verb == "declare":
        assert kind == "vhost"
        return requests.declare_vhost(name, t, r.get("options", ()))
    if verb == "delete" and kind == "group":
        return requests.delete_group(name, r["group"], t)
    if verb == "delete":
        return requests.delete(r["kind"], name, t, r.get("if_unused", False), r.get("if_empty", False))
    if verb == "alter":
        return requests.alter(name, t, arguments, r.get("clear", ()))
    if verb == "policy":
        return requests.policy(name, r["pattern"], t, arguments, r.get("to"), r.get("priority"))
    if verb in ("user", "permit", "unpermit"):
        return requests.about_user(verb, name, r["options"], t)
    if verb == "unpolicy":
        return requests.unpolicy(name, t)
    if verb in ("bind", "unbind"):
        key = raw(r["key"]) if "key" in r else None
        headers = [(raw(header), raw(value)) for header, value in r.get("headers", [])]
        return requests.bind(verb, r["exchange"], name, t, key, r.get("to"), r.get("match"), headers)
    if verb == "purge":
        return requests.purge(name, t)
    if verb == "redrive":
        members = ("to", "count", "rate", "reason", "end", "key", "text", "older_than", "younger_than")
        options = {member: r[member] for member in members if member in r}
        headers = [(raw(header), raw(value)) for header, value in r.get("headers", [])]
        return requests.redrive(name, t, source=r.get("from"), headers=headers, **options)
    if verb == "pub":
        key = raw(r["key"]) if "key" in r else None
        headers = [(raw(header), raw(value)) for header, value in r.get("headers", [])]
        body = None if r.get("null") else raw(r["body"])
        return requests.pub(
            raw(r["routing_key"]), body, t, r.get("x"), key, headers, r.get("mandatory", True), said
        )
    if verb == "pubs":
        bodies = [raw(body) for body in r["bodies"]]
        return requests.pubs(raw(r["routing_key"]), bodies, t, r.get("x"), r.get("mandatory", True), said)
    if verb == "consume":
        members = ("group", "prefetch", "credit", "ack", "join", "partitions", "priority", "exclusive")
        options = {member: r[member] for member in members if member in r}
        return requests.consume(name, r["c"], t, r.get("from"), **options)
    if verb == "credit":
        return requests.credit(r["consumer"], r["n"], t)
    if verb == "cancel":
        return requests.cancel(r["consumer"], t)
    if verb == "seek":
        return requests.seek(r["consumer"], r["to"], t, r.get("partition"))
    if verb in ("ack", "nack", "reject"):
        return requests.settle(verb, r["first"], r["last"], t, r.get("delay"))
    if verb == "fail":
        story = {key: value for key, value in r.items() if key not in ("verb", "t", "first", "last", "end", "then")}
        return requests.fail(r["first"], r["last"], r["end"], r["then"], t, **story)
    if verb == "get":
        return requests.get(name, t, r.get("ack"))
    if verb == "peek":
        start = int(r["from"]) if "from" in r else None
        return requests.peek(name, t, start, r.get("count"), r.get("partition"), r.get("priority"))
    if verb == "commit":
        return requests.commit(name, r["group"], r["offset"], t, r.get("partition"))
    if verb == "child" and "process" in r:
        return requests.child_ended(r["process"], t, r.get("code"), r.get("signal"))
    if verb == "child":
        return requests.child_token(t)
    target = f"{name}/{r['instance']}" if "instance" in r else name
    if verb == "describe":
        return requests.describe([r["kind"], target, *([r["group"]] if "group" in r else [])], t)
    if verb == "worker":
        return requests.worker(r["operation"], target, t, r.get("min"), r.get("max"), r.get("signal"), r.get("value"))
    if verb == "logs":
        options = {member: r[member] for member in ("count", "since", "stream", "wait") if member in r}
        return requests.logs(target if name else None, t, r.get("from"), **options)
    if verb == "reload":
        return requests.reload(r.get("dry-run", False), t)
    if verb == "why":
        return requests.why(name, t, r.get("offset"), r.get("priority"))
    if verb == "backup":
        return requests.backup(r["path"], t, r.get("as") == "file", r.get("replace", False))
    assert verb == "list", f"no encoder for the verb {verb}"
    return requests.list_of(r["of"], t)


@pytest.mark.parametrize("vector", vectors("requests"), ids=name_of)
def test_fields_become_exactly_the_bytes(vector: Vector) -> None:
    assert encode(vector["request"]) == raw(vector)


def test_every_verb_of_the_specification_has_a_vector() -> None:
    verbs = {vector["request"]["verb"] for vector in vectors("requests")}
    assert verbs == set(
        "hello ping beat quit declare delete alter policy unpolicy user permit unpermit bind unbind purge redrive pub "
        "pubs consume credit cancel seek ack nack reject fail get peek commit list describe why stat backup worker "
        "logs reload child".split()
    )


def test_header_mappings_take_text_and_bytes() -> None:
    headers: Dict[str, Text] = {"a": "b c", "d": b"\xff"}
    encoded = requests.pub("q", b"x", headers=headers)
    assert encoded == b"pub q 1 h.a=b%20c h.d=\xff\nx\n"


def test_names_of_no_bytes_are_refused_before_they_are_sent() -> None:
    with pytest.raises(ValueError, match="at least one byte"):
        requests.purge("")


def test_arguments_are_written_as_the_protocol_has_them() -> None:
    arguments: Dict[str, requests.Argument] = {
        "single_active_consumer": True,
        "message_ttl": timedelta(seconds=1.5),
        "max_length": 7,
    }
    line = requests.declare_queue("q", arguments=arguments)
    assert line == b"declare queue q single-active-consumer=yes message-ttl=1500 max-length=7\n"
    assert requests.alter("q", clear=["message_ttl"]) == b"alter q clear=message-ttl\n"

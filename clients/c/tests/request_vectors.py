"""The requests of protocol/vectors/native.json as calls of the C library.

Writes what request_vectors.c includes. A request is done with the function that the library has for it, and, if it is
one of those for which there is `cola_request`, with that as well.
"""
from __future__ import annotations

import json
import pathlib
from typing import Any, Dict, List, Optional, Tuple

VECTORS = pathlib.Path(__file__).resolve().parents[3] / "protocol" / "vectors" / "native.json"
Request = Dict[str, Any]
# What the library writes in another way that means the same, or leaves to programs that run processes for messages.
WRITTEN_OTHERWISE = {
    "consume, greatest credit, manual": "ack=manual is what holds without it",
    "consume, priority, exclusive": "ack=manual is what holds without it",
    "peek, from, count": "from=0 is what holds without it",
    "peek, priority 0 from its beginning": "from=0 is what holds without it",
    "fail, tried again": "end=exited",
    "fail, with its story": "end=killed",
    "fail, tried again later": "end=timed-out",
    "fail, given back": "end=cancelled",
}


def load(part: str) -> List[Dict[str, Any]]:
    return json.loads(VECTORS.read_text(encoding="utf-8"))[part]


def raw(value: Any) -> bytes:
    """The bytes of a vector, of one of its parts, or of a value that may hold any bytes."""
    if isinstance(value, int):
        return b"%d" % value
    if isinstance(value, str):
        return value.encode()
    if "parts" in value:
        return b"".join(raw(part) for part in value["parts"])
    once = value["text"].encode() if "text" in value else bytes.fromhex(value["hex"])
    return bytes(once) * int(value.get("repeat", 1))


def literal(data: bytes) -> str:
    """A literal of C. In pieces, since a compiler need not take one of more than 4,095 bytes; so that none is too long
    this is an array where it is long."""
    if len(data) > 4000:
        return "(const char[]){%s, 0}" % ",".join(str(byte - 256 if byte > 127 else byte) for byte in data)
    plain = set(range(32, 127)) - set(b'"\\?')
    return '"%s"' % "".join(chr(byte) if byte in plain else "\\%03o" % byte for byte in data)


def text(value: Any) -> str:
    """A NUL-terminated text, or NULL."""
    return "NULL" if value is None else literal(raw(value))


def blob(value: Any) -> str:
    return "{NULL, 0}" if value is None else "{%s, %d}" % (literal(raw(value)), len(raw(value)))


def pairs(of: List[Tuple[Any, Any]]) -> str:
    """The two members of an array of pairs: the array and its count."""
    if not of:
        return "NULL, 0"
    return "(const cola_pair[]){%s}, %d" % (", ".join("{%s, %s}" % (blob(n), blob(v)) for n, v in of), len(of))


def has_nul(request: Request) -> bool:
    """In a text for which the library takes one that ends with a NUL. The key of a record is no such one."""
    names = ("name", "routing_key") if request["verb"] == "pub" else ("name", "key")
    return any(b"\0" in raw(request[name]) for name in names if name in request)


def yes(value: bool) -> str:
    return "true" if value else "false"


def properties(r: Request) -> str:
    return (
        "&(cola_properties){%s, %s, %s, %s, %d, %s, %du, %du, %s, %s, %s, %s, %d, %s}"
        % (
            text(r.get("x")), blob(r.get("key")), pairs(r.get("headers", [])), yes(not r.get("mandatory", True)),
            r.get("prio", 0), yes("ttl" in r), r.get("ttl", 0), r.get("delay", 0), blob(r.get("id")),
            text(r.get("reply")), blob(r.get("corr")), yes("partition" in r), r.get("partition", 0),
            yes(r.get("null", False)),
        )
    )


def answered(call: str) -> str:
    return "cola_answer *answer; if (%s == COLA_OK) cola_answer_free(answer);" % call


def typed(r: Request) -> Optional[str]:
    """The request through the function that is made for it; None: there is none, or it takes no NUL."""
    verb, kind = r["verb"], r.get("kind")
    if has_nul(r):
        return None
    name = text(r.get("name"))
    if verb == "hello":
        said = "%s, %s, %s, %s, %s, %d" % (
            text(r.get("user")), text(r.get("password")), text(r.get("vhost")), text(r.get("client")),
            text(",".join(r["need"]) if "need" in r else None), r.get("heartbeat", 0),
        )
        return "return hello(c, &(cola_connect_options){%s, 0, 0, NULL, NULL}, %s);" % (said, text(r.get("token")))
    if verb == "beat":
        return "return beats(c);"
    if verb == "quit":
        return "cola_close(c); return false;"
    if verb == "ping":
        return "cola_ping(c);"
    if verb == "stat":
        return answered("cola_stat(c, &answer)")
    if verb == "list":
        return answered("cola_list(c, %s, &answer)" % text(r["of"]))
    if verb == "declare" and kind == "queue":
        options = "&(cola_queue_options){%s, %s, %s, %s}" % (
            yes(not r.get("durable", True)), yes(r.get("exclusive", False)), yes(r.get("auto_delete", False)),
            pairs(r.get("arguments", [])))
        if r["name"] == "":
            return "char name[COLA_NAME_SIZE]; cola_declare_unnamed_queue(c, %s, name);" % options
        return "cola_declare_queue(c, %s, %s);" % (name, options)
    if verb == "declare" and kind == "topic":
        return "cola_declare_topic(c, %s, %d, %s);" % (name, r.get("partitions", 0), pairs(r.get("arguments", [])))
    if verb == "declare" and kind == "exchange":
        return "cola_declare_exchange(c, %s, %s, %s);" % (name, text(r["type"]), pairs(exchange_options(r)))
    if verb == "delete" and kind in ("queue", "topic", "exchange"):
        flags = (1 if r.get("if_unused") else 0) | (2 if r.get("if_empty") else 0)
        return "cola_delete(c, %s, %s, %d, NULL);" % (text(kind), name, flags)
    if verb == "purge":
        return "cola_purge(c, %s, NULL);" % name
    if verb in ("bind", "unbind"):
        return "cola_%s(c, %s, %s, &(cola_binding){%s, %s, %s, %s});" % (
            verb, text(r["exchange"]), name, text(r.get("key")), yes("to" in r), text(r.get("match")),
            pairs(r.get("headers", [])))
    if verb == "pub":
        body = b"" if r.get("null") else raw(r["body"])
        return "cola_publish(c, %s, %s, %d, %s);" % (text(r["routing_key"]), literal(body), len(body), properties(r))
    if verb == "pubs":
        bodies = ", ".join(blob(body) for body in r["bodies"])
        return "cola_publish_many(c, %s, (const cola_bytes[]){%s}, %d, %s);" % (
            text(r["routing_key"]), bodies, len(r["bodies"]), properties(r))
    if verb == "consume":
        partitions = ", ".join(map(str, r.get("partitions", [0])))
        options = "%s, %s, %s, (const uint32_t[]){%s}, %d, %d, %s, %d, %s, %d, %s, false, 0" % (
            text(str(r["from"]) if "from" in r else None), text(r.get("group")), text(r.get("join")), partitions,
            len(r.get("partitions", [])), r.get("prefetch", 0), yes("credit" in r), r.get("credit", 0),
            yes(r.get("ack") == "auto"), r.get("priority", 0), yes(r.get("exclusive", False)))
        made = "cola_consumer *made; c->last_consumer = %du; " % (r["c"] - 1)
        return made + "cola_consume(c, %s, &(cola_consume_options){%s}, &made);" % (name, options)
    if verb in ("ack", "nack", "reject", "credit") and "t" in r:
        return None  # the library has no use for a tag there
    if verb == "credit":
        return "cola_credit(consumer_of(c, %du), %d);" % (r["consumer"], r["n"])
    if verb == "cancel":
        return "cola_cancel(consumer_of(c, %du));" % r["consumer"]
    if verb == "seek":
        return "cola_seek(consumer_of(c, %du), %s, %d);" % (r["consumer"], text(r["to"]), r.get("partition", -1))
    if verb == "fail" and r["end"] == "refused":
        return "cola_fail(c, message_of(c, %d), &(cola_failure){%s, false, 0, 0, false, NULL, NULL});" % (
            r["first"], yes(r["then"] == "bury"))
    if verb in ("nack", "reject", "ack") and r["first"] == r["last"]:
        delay = ", %d" % r.get("delay", -1) if verb == "nack" else ""
        return "cola_%s(c, message_of(c, %d)%s);" % (verb, r["first"], delay)
    if verb == "ack":
        return "cola_ack_range(c, %d, %d);" % (r["first"], r["last"])
    if verb == "get" and r.get("ack") != "auto":
        return "cola_message *got; cola_get(c, %s, %s, &got);" % (name, yes("ack" in r))
    if verb == "peek":
        return "cola_message *got; cola_peek(c, %s, &(cola_peek_options){%d, %d, %d, %s, %d}, &got);" % (
            name, int(r.get("from", 0)), r.get("count", 0), r.get("partition", 0), yes("priority" in r),
            r.get("priority", 0))
    if verb == "commit":
        return "cola_commit(c, %s, %s, %d, %d);" % (name, text(r["group"]), r["offset"], r.get("partition", 0))
    if verb == "describe" and "group" not in r and "instance" not in r:
        return answered("cola_describe(c, %s, %s, &answer)" % (text(kind), name))
    return None


def exchange_options(r: Request) -> List[Tuple[Any, Any]]:
    names = "alternate durable auto_delete internal delayed hash_header hash_property recent_history_length"
    return members(r, *names.split())


def members(r: Request, *names: str) -> List[Tuple[Any, Any]]:
    """Options that are called as the members are; true is yes, and a list has commas."""
    found = []
    for name in names:
        value = r.get(name)
        if value is None or value is False and name != "durable":
            continue
        value = "yes" if value is True else "no" if value is False else value
        found.append((name.replace("_", "-"), ",".join(value) if isinstance(value, list) else value))
    return found


def headers(r: Request) -> List[Tuple[Any, Any]]:
    return [({"hex": (b"h." + raw(name)).hex()}, value) for name, value in r.get("headers", [])]


def plain(r: Request) -> Optional[Tuple[List[Any], List[Tuple[Any, Any]]]]:
    """Words and options of a request that `cola_request` takes; None: it is none of these."""
    verb, kind, name = r["verb"], r.get("kind"), r.get("name")
    target = "%s/%s" % (name, r["instance"]) if "instance" in r else name
    arguments = [tuple(pair) for pair in r.get("arguments", [])]
    if verb in ("ping", "stat"):
        return [], []
    if verb == "declare" and kind == "exchange":
        return [kind, name], [("type", r["type"])] + exchange_options(r)
    if verb == "declare" and kind == "vhost":
        return [kind, name], [tuple(pair) for pair in r.get("options", [])]
    if verb == "declare":
        return [kind, name], members(r, "durable", "exclusive", "auto_delete", "partitions") + arguments
    if verb == "delete":
        return [kind, name] + ([r["group"]] if "group" in r else []), members(r, "if_unused", "if_empty")
    if verb == "alter":
        return [name], arguments + members(r, "clear")
    if verb in ("policy", "unpolicy"):
        return [name], members(r, "pattern", "to", "priority") + arguments
    if verb in ("user", "permit", "unpermit"):
        return [name], [tuple(pair) for pair in r["options"]]
    if verb in ("bind", "unbind"):
        return [r["exchange"], name], members(r, "key", "to", "match") + headers(r)
    if verb == "purge":
        return [name], []
    if verb == "redrive":
        said = members(r, "to", "count", "rate", "reason", "from", "end", "key", "text", "older_than", "younger_than")
        return [name], said + headers(r)
    if verb == "get":
        return [name], members(r, "ack")
    if verb == "commit":
        return [name, r["group"], r["offset"]], members(r, "partition")
    if verb == "list":
        return [r["of"]], []
    if verb == "describe":
        return [kind, target] + ([r["group"]] if "group" in r else []), []
    if verb == "why":
        return [name] + ([r["offset"]] if "offset" in r else []), members(r, "priority")
    if verb == "worker":
        return [r["operation"], target], members(r, "min", "max", "signal", "value")
    if verb == "logs":
        return [target] if name else [], members(r, "from", "count", "since", "stream", "wait")
    if verb == "child":
        return (["ended", r["process"]], members(r, "code", "signal")) if "process" in r else (["token"], [])
    if verb == "backup":
        return [r["path"]], members(r, "as", "replace")
    if verb == "reload":
        return [], members(r, "dry-run")
    return None


def through_request(r: Request) -> Optional[str]:
    made = plain(r)
    if made is None:
        return None
    words, options = made
    said = "(const cola_bytes[]){%s}, %d" % (", ".join(map(blob, words)), len(words)) if words else "NULL, 0"
    return "cola_request(c, %s, %s, %s, NULL);" % (text(r["verb"]), said, pairs(options))


def program() -> Tuple[str, List[str]]:
    """The text of vectors.inc, and the names of the vectors that are not in it."""
    functions, rows, left = [], [], []
    for vector in load("requests"):
        request = vector["request"]
        calls = [typed(request), through_request(request)]
        if vector["name"] in WRITTEN_OTHERWISE:
            calls = [None, None]
        if not any(calls):
            left.append(vector["name"])
        for call in filter(None, calls):
            index = len(functions)
            functions.append("static bool ask_%d(cola_connection *c) { %s return true; }" % (index, call))
            data = raw(vector)
            rows.append("    {%s, %s, %du, %s, %d, ask_%d}," % (
                text(vector["name"]), yes("t" in request), request.get("t", 0), literal(data), len(data), index))
    table = "static const struct vector vectors[] = {\n%s\n};\n" % "\n".join(rows)
    return "\n".join(functions) + "\n" + table, left

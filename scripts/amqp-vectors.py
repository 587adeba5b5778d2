#!/usr/bin/env python3
"""Makes protocol/vectors/amqp.json: bytes of AMQP 0-9-1 as other people's libraries write them.

Usage: scripts/amqp-vectors.py     (in a Python that has pika, pamqp and amqp, which is py-amqp)

Cola's own code has no part in it, so that the vectors are no echo of it. What no library writes is spelt out in hex
here, by hand from the specification.
"""

import datetime
import decimal
import importlib.util
import json
import pathlib
import struct

import amqp.serialization
import pamqp.commands
import pamqp.encode
import pamqp.frame
import pika.data
import pika.frame
import pika.spec

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = ROOT / "protocol" / "vectors" / "amqp.json"

# Name, type, value; bytes are in hex. What each library makes of Python's types differs, so each has its own.
COMMON = [
    ["t", "t", True],
    ["t0", "t", False],
    ["S", "S", "text ä".encode().hex()],
    ["S0", "S", ""],
    ["D", "D", [2, -314]],
    ["T", "T", 1795360000],
    ["A", "A", [["S", "61"], ["A", []], ["F", [["x", "V", None]]], ["V", None]]],
    ["F", "F", [["", "S", "7f"], ["F", "F", []]]],
    ["V", "V", None],
]
TABLES = {
    "pika": COMMON
    + [["x", "x", "00ff"], ["I", "I", -(2**31)], ["I1", "I", 2**31 - 1], ["l", "l", 2**31], ["l1", "l", -(2**63)]],
    "pamqp": COMMON
    + [
        ["x", "x", "00ff"],
        ["b", "b", -128],
        ["b1", "b", 127],
        ["s", "s", -32768],
        ["s1", "s", 128],
        ["u", "u", 65535],
        ["I", "I", -(2**31)],
        ["i", "i", 2**32 - 1],
        ["l", "l", -(2**63)],
        ["l1", "l", 2**63 - 1],
        ["f", "f", -1.5],
    ],
    # It writes 64 bit integers as L, which is read as l.
    "py-amqp": COMMON + [["d", "d", 0.1], ["d1", "d", -1e300], ["I", "I", 2**31 - 1], ["L", "l", 2**31]],
}


def python_value(kind, value):
    if kind == "S":
        return bytes.fromhex(value).decode()
    if kind == "x":
        return bytearray.fromhex(value)
    if kind == "D":
        return decimal.Decimal(value[1]).scaleb(-value[0])
    if kind == "T":
        return datetime.datetime.fromtimestamp(value, datetime.timezone.utc)
    if kind == "A":
        return [python_value(*item) for item in value]
    if kind == "F":
        return python_table(value)
    return value


def python_table(table):
    return {name: python_value(kind, value) for name, kind, value in table}


def for_pika(value):
    if isinstance(value, bytearray):
        return bytes(value)
    if isinstance(value, dict):
        return {name: for_pika(item) for name, item in value.items()}
    return value


def table_bytes(library, table):
    value = python_table(table)
    if library == "pika":
        pieces = []
        pika.data.encode_table(pieces, for_pika(value))
        return b"".join(pieces)
    if library == "pamqp":
        return pamqp.encode.field_table(value)
    return amqp.serialization.dumps("F", [value])


def tables():
    vectors = [{"name": "empty", "from": ["pika"], "fields": [], "hex": table_bytes("pika", []).hex()}]
    for library, table in TABLES.items():
        if library == "pamqp":  # it sorts them
            table = sorted(table)
        vector = {"name": f"all that {library} writes", "from": [library], "fields": table}
        vector["hex"] = table_bytes(library, table).hex()
        if library == "py-amqp":
            vector["read_only"] = True
        vectors.append(vector)
    by_hand = [
        ("unsigned octet", [["B", "B", 255]], "00000004" "0142" "42ff"),
        ("the largest time", [["", "T", 2**64 - 1]], "0000000a" "00" "54" "ffffffffffffffff"),
        ("a name twice", [["a", "V", None], ["a", "t", True]], "00000007" "0161" "56" "0161" "7401"),
    ]
    for name, fields, text in by_hand:
        vectors.append({"name": name, "from": ["the specification"], "fields": fields, "hex": text})
    vectors.append(
        {
            "name": "a bool that is neither 0 nor 1",
            "from": ["the specification"],
            "fields": [["t", "t", True]],
            "hex": "00000004" "0174" "7402",
            "read_only": True,
        }
    )
    return vectors


EMPTY = {
    "bit": False,
    "octet": 0,
    "short": 0,
    "long": 0,
    "longlong": 0,
    "shortstr": "",
    "longstr": "",
    "table": [],
}
FULL = {
    "bit": True,
    "octet": 255,
    "short": 65535,
    "long": 2**32 - 1,
    "longlong": 2**63 - 1,
    "shortstr": "ä" * 127 + "a",
    "longstr": "a\0 b c",
    "table": [["x", "S", b"yes".hex()], ["x-max-priority", "V", None]],
}


def method_table():
    spec = importlib.util.spec_from_file_location("generate_amqp", ROOT / "scripts" / "generate-amqp.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.read_table()


def python_class(module, name):
    class_name, method = name.split(".")
    words = "".join(word.capitalize() for word in method.split("-"))
    return getattr(getattr(module, class_name.capitalize(), None), words, None)


def alternating(method):
    """Values that differ from their neighbours, so that none can take another's place."""
    values = []
    for index, argument in enumerate(method.arguments):
        kind = argument.domain
        value = {
            "bit": index % 2 == 0,
            "shortstr": f"{argument.name}-{index}",
            "longstr": f"{argument.name} {index}",
            "table": [[argument.name, "S", f"{index}".encode().hex()]],
        }.get(kind, index + 1)
        values.append(value)
    return values


def frame_bytes(library, method, values):
    arguments = []
    for argument, value in zip(method.arguments, values):
        if argument.domain == "table":
            value = python_table(value)
        arguments.append(value)
    if library == "pika":
        made = python_class(pika.spec, method.name)
        return pika.frame.Method(7, made(*arguments)).marshal() if made else None
    made = python_class(pamqp.commands, method.name)
    return pamqp.frame.marshal(made(*arguments), 7) if made else None


def methods():
    vectors = []
    for method in method_table():
        for fill in ("empty", "full", "alternating"):
            if not method.arguments and fill != "empty":
                continue
            if fill == "alternating":
                values = alternating(method)
            else:
                values = [(EMPTY if fill == "empty" else FULL)[argument.domain] for argument in method.arguments]
            for index, argument in enumerate(method.arguments):
                if argument.is_reserved:
                    values[index] = EMPTY[argument.domain]
            written = {}
            for library in ("pika", "pamqp"):
                try:
                    bytes_ = frame_bytes(library, method, values)
                except (ValueError, TypeError):  # pamqp has rules of its own for some values
                    continue
                if bytes_ is not None:
                    written.setdefault(bytes_, []).append(library)
            assert written, f"no library writes {method.name}"
            arguments = {}
            for argument, value in zip(method.arguments, values):
                if not argument.is_reserved:
                    is_long = argument.domain == "longstr"
                    arguments[argument.name] = value.encode().hex() if is_long else value
            for bytes_, libraries in written.items():
                vectors.append(
                    {
                        "name": f"{method.name}, {fill}",
                        "from": libraries,
                        "method": method.name,
                        "channel": 7,
                        "arguments": arguments,
                        "hex": bytes_.hex(),
                    }
                )
    return vectors


PROPERTIES = {
    "content_type": "text/plain",
    "content_encoding": "gzip",
    "headers": [["n", "V", None], ["x-delay", "S", b"5000".hex()]],
    "delivery_mode": 2,
    "priority": 9,
    "correlation_id": "c" * 255,
    "reply_to": "amq.rabbitmq.reply-to",
    "expiration": "60000",
    "message_id": "ä",
    "timestamp": 1795360000,
    "type": "order",
    "user_id": "guest",
    "app_id": "app",
    "cluster_id": "c1",
}


def property_bytes(library, given):
    values = dict(given)
    if "headers" in values:
        values["headers"] = python_table(values["headers"])
    if library == "pika":
        return b"".join(pika.spec.BasicProperties(**values).encode())
    if "type" in values:
        values["message_type"] = values.pop("type")
    if "timestamp" in values:
        values["timestamp"] = python_value("T", values["timestamp"])
    return pamqp.commands.Basic.Properties(**values).marshal()


def properties():
    sets = {"none": {}, "all": PROPERTIES}
    for name, value in PROPERTIES.items():
        sets[f"{name} alone"] = {name: value}
    vectors = []
    for name, given in sets.items():
        written = {}
        for library in ("pika", "pamqp"):
            try:
                written.setdefault(property_bytes(library, given), []).append(library)
            except (ValueError, TypeError):
                continue
        for bytes_, libraries in written.items():
            vectors.append({"name": name, "from": libraries, "properties": given, "hex": bytes_.hex()})
    vectors.append(
        {
            "name": "flags that go on and name nothing more",
            "from": ["the specification"],
            "properties": {"delivery_mode": 1},
            "hex": "1001" "0001" "0000" "01",
            "read_only": True,
        }
    )
    return vectors


def messages():
    """A whole basic.deliver: method, header, and the body in frames of at most frame_max bytes."""
    vectors = []
    cases = (("no body", 0, 4096), ("one frame", 16, 24), ("two frames", 17, 24), ("many", 160, 9))
    for name, size, frame_max in cases:
        body = bytes(range(size))
        given = {"delivery_mode": 2, "headers": [["n", "V", None]]}
        made = pika.spec.BasicProperties(headers={"n": None}, delivery_mode=2)
        deliver = pika.spec.Basic.Deliver("ctag1.ä", 2**63 + 1, True, "amq.topic", "a.b")
        text = pika.frame.Method(513, deliver).marshal() + pika.frame.Header(513, size, made).marshal()
        for start in range(0, size, frame_max - 8):
            text += pika.frame.Body(513, body[start : start + frame_max - 8]).marshal()
        vectors.append(
            {
                "name": name,
                "from": ["pika"],
                "channel": 513,
                "frame_max": frame_max,
                "consumer_tag": "ctag1.ä",
                "delivery_tag": 2**63 + 1,
                "redelivered": True,
                "exchange": "amq.topic",
                "routing_key": "a.b",
                "properties": given,
                "body": body.hex(),
                "hex": text.hex(),
            }
        )
    return vectors


def refusals():
    """What RabbitMQ 3.10 refuses as well, but where the reason says otherwise."""

    def method(class_id, method_id, rest):
        return (struct.pack(">HH", class_id, method_id) + rest).hex()

    def declare(table):
        return method(50, 10, b"\0\0\1q\0" + struct.pack(">I", len(table)) + table)

    deep = b""
    for _ in range(16):
        deep = b"\0F" + struct.pack(">I", len(deep)) + deep
    rows = [
        ("frame", "a type that there is not", "04" "0000" "00000000" "ce"),
        ("frame", "a type that there is not, alone", "00"),
        ("frame", "another end", "08" "0000" "00000000" "cf"),
        ("frame", "more than the largest frame, its header alone", "03" "0001" "00020000"),
        ("frame", "the largest length", "03" "0001" "ffffffff"),
        ("method", "nothing", ""),
        ("method", "a class alone", "003c00"),
        ("method", "a class that there is not", method(99, 10, b"")),
        ("method", "a method that there is not", method(60, 99, b"")),
        ("method", "a byte too many", method(60, 80, b"\0" * 10)),
        ("method", "a byte too few", method(60, 80, b"\0" * 8)),
        ("method", "a byte behind a method without arguments", method(90, 10, b"\0")),
        ("method", "a short string that is not UTF-8", method(60, 21, b"\2\xc3\x28")),
        ("method", "a short string beyond the end", method(60, 21, b"\5abcd")),
        ("method", "a table beyond the end", method(50, 10, b"\0\0\1q\0" + b"\xff\xff\xff\xff")),
        ("method", "a field of a type that there is not", declare(b"\1kZ")),
        ("method", "a name beyond the end of its table", declare(b"\5k")),
        ("method", "a name without a value", declare(b"\1k")),
        ("method", "a value that is cut off", declare(b"\1kI\0\0\0")),
        ("method", "a long string beyond the end of its table", declare(b"\1kS\0\0\0\2a")),
        ("method", "an array beyond the end of its table", declare(b"\1kA\0\0\0\1")),
        ("method", "an array with a value that is cut off", declare(b"\1kA\0\0\0\2u\0")),
        ("method", "tables more than 16 deep (RabbitMQ takes them)", declare(deep)),
        ("header", "nothing", ""),
        ("header", "no flags", "003c" "0000" "0000000000000000"),
        ("header", "a weight", "003c" "0001" "0000000000000000" "0000"),
        ("properties", "one byte of flags", "80"),
        ("properties", "a text beyond the end", "8000" "05" "61"),
        ("properties", "bytes behind the list", "8000" "0161" "7a"),
        ("properties", "a malformed table", "2000" "00000003" "016b5a"),
        ("properties", "a delivery mode that is missing", "1000"),
        ("properties", "flags that go on beyond the end", "1001"),
        ("properties", "flags of properties that there are not", "0001" "8000" "0161"),
    ]
    return [{"what": what, "name": name, "hex": text} for what, name, text in rows]


def main():
    vectors = {
        "tables": tables(),
        "methods": methods(),
        "properties": properties(),
        "messages": messages(),
        "refusals": refusals(),
    }
    sections = []
    for name, rows in vectors.items():
        lines = ",\n".join("  " + json.dumps(row, ensure_ascii=False) for row in rows)
        sections.append(f'"{name}": [\n{lines}\n]')
    TARGET.write_text("{\n" + ",\n".join(sections) + "\n}\n")


if __name__ == "__main__":
    main()

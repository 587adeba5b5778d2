#!/usr/bin/env python3
"""Makes protocol/vectors/kafka.json: messages of Kafka as other people's libraries write them.

Usage: scripts/kafka-vectors.py     (in a Python 3.11 or later that has kafka-python 3 and kio)

Cola's own code has no part in it, so that the vectors are no echo of it. The table of messages says what there is to
be written, and fails here where one of the libraries has other fields than it; the bytes are theirs.
"""

import dataclasses
import datetime
import importlib
import importlib.util
import io
import json
import pathlib
import typing
import uuid

import kafka.protocol.admin
import kafka.protocol.consumer
import kafka.protocol.metadata
import kafka.protocol.producer
import kafka.protocol.sasl
import kio.schema.errors
import kio.serial

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = ROOT / "protocol" / "vectors" / "kafka.json"
CORRELATION_ID = 0x01020304
CLIENT_ID = "client-ä"


def message_table():
    spec = importlib.util.spec_from_file_location("generate_kafka", ROOT / "scripts" / "generate-kafka.py")
    module = importlib.util.module_from_spec(spec)
    # Or its dataclasses do not find the module that they are of.
    importlib.sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.read_table()


class Values:
    """Values that differ from their neighbours, so that none can take another's place."""

    def __init__(self, is_full):
        self.is_full = is_full
        self.count = 0

    def of_struct(self, struct, version, depth=0):
        present = [field for field in struct.fields if field.versions.low <= version <= field.versions.high]
        return {field.name: self.of_field(field, version, depth) for field in present}

    def of_field(self, field, version, depth):
        is_null = field.null and field.null.low <= version <= field.null.high
        if not self.is_full:
            if is_null:
                return None
            if field.is_array:
                return []
            return self.of_struct(field.struct, version, depth) if field.struct else least(field)
        if field.is_array:
            return [self.of_element(field, version, depth + 1) for _ in range(1 if depth else 2)]
        return self.of_element(field, version, depth)

    def of_element(self, field, version, depth):
        if field.struct:
            return self.of_struct(field.struct, version, depth)
        self.count += 1
        count = self.count
        if field.kind == "bool":
            return field.default != "true"
        if field.kind == "error":
            return count % 133 + 1
        if field.kind == "int8":
            return count % 100 + 1
        if field.kind == "uuid":
            return f"{count:02x}" * 16
        if field.kind == "string":
            return f"{field.name}-{count}" + ("ä" if count % 3 == 0 else "")
        if field.kind in ("bytes", "records"):
            return bytes(range(count % 100, count % 100 + 130)).hex() if count % 5 == 0 else f"{count:02x}" * 3
        return count * {"int16": 129, "int32": 70_001, "int64": 4_300_000_001}[field.kind]


def least(field):
    if field.kind == "bool":
        return field.default == "true"
    if field.kind in ("string", "bytes", "records"):
        return ""
    if field.kind == "uuid":
        return "00" * 16
    return int(field.default or 0)


# kafka-python: classes by their names, one for all versions.

MODULES = [getattr(kafka.protocol, name) for name in ("admin", "consumer", "metadata", "producer", "sasl")]


def python_value(field, value, version):
    """A value as kafka-python wants it."""
    if value is None:
        return None
    if field.is_struct_array():
        return [field.data_class(version=version, **python_fields(field, item, version)) for item in value]
    if field.is_array():
        return value
    if field.is_struct():
        return field.data_class(version=version, **python_fields(field, value, version))
    kind = field._type_str
    if kind in ("bytes", "records"):
        return bytes.fromhex(value)
    if kind == "uuid":
        return uuid.UUID(hex=value)
    if kind == "bitfield":
        return {bit for bit in range(32) if value >> bit & 1}
    return value


def python_fields(struct, values, version):
    present = [field for field in struct.fields.values() if field.for_version_q(version)]
    assert len(present) == len(values), f"{struct}: {values.keys()}"
    given = {}
    for field, (name, value) in zip(present, values.items()):
        # It has shortened a few of Kafka's names.
        assert name.lower().endswith(field._name.replace("_", "").lower()), f"{struct}: {field._name} is not {name}"
        # It knows no default of a struct that is tagged, and writes what it was given.
        is_default = isinstance(value, dict) and set(value.values()) == {-1}
        if not field.tagged_field_q(version) or not (is_default or value in (None, [], "00" * 16)):
            given[field.name] = python_value(field, value, version)
    return given


def by_kafka_python(name, is_request, version, values):
    made = next((getattr(module, name) for module in MODULES if hasattr(module, name)), None)
    if made is None or version > made.max_version:
        return None
    message = made(version=version, **python_fields(made._struct, values, version))
    if is_request:
        message.with_header(correlation_id=CORRELATION_ID, client_id=CLIENT_ID)
    else:
        message.with_header(correlation_id=CORRELATION_ID)
    return bytes(message.encode(header=True, framed=True))


# kio: a module for each message and version, whose fields stand in the order of the wire.


def kio_value(field, kind, value, schema):
    """A value as kio wants it; `schema` is the type that it has there."""
    if value is None:
        return None
    if dataclasses.is_dataclass(schema):
        return kio_struct(schema, field.struct, value)
    if kind in ("bytes", "records"):
        return bytes.fromhex(value)
    if kind == "uuid":
        return uuid.UUID(hex=value) if value.strip("0") else None
    if kind == "error_code":
        return kio.schema.errors.ErrorCode(value)
    if kind.startswith("timedelta"):
        return datetime.timedelta(milliseconds=value)
    if kind == "datetime_i64":
        epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
        return None if value == -1 else epoch + datetime.timedelta(milliseconds=value)
    return value


def kio_struct(made, struct, values):
    """Its fields have names of their own, but no order of their own."""
    fields = dataclasses.fields(made)
    assert len(fields) == len(values), f"{made}: {values.keys()}"
    hints = typing.get_type_hints(made)
    given = {}
    by_name = {field.name: field for field in struct.fields}
    for kio_field, (name, value) in zip(fields, values.items()):
        words = name.lower()
        ours = kio_field.name.replace("_", "")
        assert words.startswith(ours) or ours.startswith(words), f"{made}: {kio_field.name} is not {name}"
        field = by_name[name]
        schemas = [schema for schema in (hints[kio_field.name], *typing.get_args(hints[kio_field.name]))]
        schemas += [schema for outer in schemas[1:] for schema in typing.get_args(outer)]
        schema = next((schema for schema in schemas if dataclasses.is_dataclass(schema)), None)
        kind = kio_field.metadata.get("kafka_type", "")
        if field.is_array and value is not None:
            given[kio_field.name] = tuple(kio_value(field, kind, item, schema) for item in value)
        else:
            given[kio_field.name] = kio_value(field, kind, value, schema)
    return made(**given)


def by_kio(api, is_request, version, values):
    package = "".join("_" + letter.lower() if letter.isupper() else letter for letter in api.name).lstrip("_")
    kind = "request" if is_request else "response"
    try:
        module = importlib.import_module(f"kio.schema.{package}.v{version}.{kind}")
    except ModuleNotFoundError:
        return None
    struct = api.request if is_request else api.response
    made = getattr(module, struct.name)
    header = made.__header_schema__
    if is_request:
        given = {"request_api_key": api.key, "request_api_version": version, "client_id": CLIENT_ID}
        given = header(correlation_id=CORRELATION_ID, **given)
    else:
        given = header(correlation_id=CORRELATION_ID)
    with io.BytesIO() as buffer:
        kio.serial.entity_writer(header)(buffer, given)
        kio.serial.entity_writer(made)(buffer, kio_struct(made, struct, values))
        content = buffer.getvalue()
    return len(content).to_bytes(4, "big") + content


def messages(apis):
    vectors = []
    for api in apis:
        for version in range(api.versions.low, api.versions.high + 1):
            for is_request, struct in ((True, api.request), (False, api.response)):
                for fill in ("least", "full"):
                    values = Values(fill == "full").of_struct(struct, version)
                    name = f"{struct.name} {version}, {fill}"
                    written = {}
                    for library, bytes_ in (
                        ("kafka-python", by_kafka_python(struct.name, is_request, version, values)),
                        ("kio", by_kio(api, is_request, version, values)),
                    ):
                        if bytes_ is not None:
                            written.setdefault(bytes_, []).append(library)
                    assert written, f"no library writes {name}"
                    for bytes_, libraries in written.items():
                        vectors.append(
                            {
                                "name": name,
                                "from": libraries,
                                "message": struct.name,
                                "version": version,
                                "fields": values,
                                "hex": bytes_.hex(),
                            }
                        )
                    if len(written) > 1:
                        print(f"the libraries differ: {name}", {b.hex(): l for b, l in written.items()})
    return vectors


def main():
    rows = messages(message_table()[0])
    lines = ",\n".join("  " + json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows)
    TARGET.write_text(f'{{\n"messages": [\n{lines}\n]\n}}\n')


if __name__ == "__main__":
    main()

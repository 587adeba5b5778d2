"""Kafka's protocol from the client's side, by hand: frames, requests and record batches, right and wrong ones.

Layouts are those of the Kafka protocol guide; record batches are those of magic 2 (KIP-98). The versions below are the
last ones that are not flexible, but for ListOffsets. `KAFKA_ADDRESS=HOST:PORT` points the tests at a broker that runs
already.
"""
from __future__ import annotations

import os
import select
import socket
import struct
import time
import uuid
import zlib
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple, Union

from broker import Broker

PRODUCE, FETCH, LIST_OFFSETS, METADATA = 0, 1, 2, 3
OFFSET_COMMIT, OFFSET_FETCH, FIND_COORDINATOR, JOIN_GROUP, HEARTBEAT, LEAVE_GROUP, SYNC_GROUP = 8, 9, 10, 11, 12, 13, 14
SASL_HANDSHAKE, API_VERSIONS, CREATE_TOPICS, DELETE_TOPICS, INIT_PRODUCER_ID, SASL_AUTHENTICATE = 17, 18, 19, 20, 22, 36
ADD_PARTITIONS_TO_TXN, ADD_OFFSETS_TO_TXN, END_TXN, TXN_OFFSET_COMMIT = 24, 25, 26, 28
#: From which version on a request is flexible: compact lengths, tagged fields.
FLEXIBLE = {PRODUCE: 9, FETCH: 12, LIST_OFFSETS: 6, METADATA: 9, OFFSET_COMMIT: 8, OFFSET_FETCH: 6, FIND_COORDINATOR: 3,
            JOIN_GROUP: 6, HEARTBEAT: 4, LEAVE_GROUP: 4, SYNC_GROUP: 4, API_VERSIONS: 3, CREATE_TOPICS: 5,
            DELETE_TOPICS: 4, INIT_PRODUCER_ID: 2, SASL_AUTHENTICATE: 2, ADD_PARTITIONS_TO_TXN: 3,
            ADD_OFFSETS_TO_TXN: 3, END_TXN: 3, TXN_OFFSET_COMMIT: 3}

NONE, OFFSET_OUT_OF_RANGE, CORRUPT_MESSAGE, UNKNOWN_TOPIC_OR_PARTITION, MESSAGE_TOO_LARGE = 0, 1, 2, 3, 10
INVALID_TOPIC, INVALID_REQUIRED_ACKS, ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID = 17, 21, 22, 25
INVALID_SESSION_TIMEOUT, REBALANCE_IN_PROGRESS, UNSUPPORTED_SASL_MECHANISM, ILLEGAL_SASL_STATE = 26, 27, 33, 34
UNSUPPORTED_VERSION, TOPIC_ALREADY_EXISTS, OUT_OF_ORDER_SEQUENCE, DUPLICATE_SEQUENCE = 35, 36, 45, 46
INVALID_PRODUCER_EPOCH, SASL_AUTHENTICATION_FAILED, GROUP_ID_NOT_FOUND, MEMBER_ID_REQUIRED = 47, 58, 69, 79
FENCED_INSTANCE_ID, INVALID_RECORD, UNSTABLE_OFFSET_COMMIT, PRODUCER_FENCED = 82, 87, 88, 90
INVALID_TXN_STATE, INVALID_PRODUCER_ID_MAPPING, INVALID_TRANSACTION_TIMEOUT, CONCURRENT_TRANSACTIONS = 48, 49, 50, 51

GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
CODECS = {"none": 0, "gzip": GZIP, "snappy": SNAPPY, "lz4": LZ4, "zstd": ZSTD}
EARLIEST, LATEST, MAX_TIMESTAMP = -2, -1, -3
READ_UNCOMMITTED, READ_COMMITTED = 0, 1
#: Attributes of batches.
TRANSACTIONAL, CONTROL = 0x10, 0x20
HUNG = (socket.timeout, TimeoutError)
CLOSED = (EOFError, ConnectionResetError, BrokenPipeError)


class Address(NamedTuple):
    host: str
    port: int

    def __str__(self) -> str:
        return "%s:%d" % self


def elsewhere() -> Optional[Address]:
    """The broker that the environment names."""
    named = os.environ.get("KAFKA_ADDRESS")
    return address(named) if named else None


def address(text: str) -> Address:
    """`HOST:PORT`, or a URL that ends with it."""
    host, _, port = text.rpartition("/")[2].rpartition(":")
    return Address(host, int(port))


def of(broker: Broker) -> Address:
    """Where a broker that runs speaks it."""
    assert broker.kafka, "the ready line names no address for Kafka"
    return address(broker.kafka)


def unique(prefix: str) -> str:
    """A name that nobody has used, also at a broker that tests have run at before."""
    return "%s-%s" % (prefix, uuid.uuid4().hex[:12])


def wait_for(condition: Callable[[], Any], seconds: float = 10.0, every: float = 0.01) -> Any:
    """What the condition came to, once that is true; or what it was at the end of the time."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found or time.monotonic() > deadline:
            return found
        time.sleep(every)


# Values out


def i8(number: int) -> bytes:
    return struct.pack(">b", number)


def i16(number: int) -> bytes:
    return struct.pack(">h", number)


def i32(number: int) -> bytes:
    return struct.pack(">i", number)


def i64(number: int) -> bytes:
    return struct.pack(">q", number)


def string(text: Optional[str]) -> bytes:
    data = text.encode() if text is not None else b""
    return i16(-1) if text is None else i16(len(data)) + data


def data32(data: Optional[bytes]) -> bytes:
    return i32(-1) if data is None else i32(len(data)) + data


def array(items: Iterable[bytes]) -> bytes:
    items = list(items)
    return i32(len(items)) + b"".join(items)


def unsigned(number: int) -> bytes:
    """A varint without a sign."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def varint(number: int) -> bytes:
    """Zigzag, up to 64 bits."""
    return unsigned((number << 1) ^ (number >> 63))


def compact(text: Optional[str]) -> bytes:
    data = text.encode() if text is not None else b""
    return b"\0" if text is None else unsigned(len(data) + 1) + data


def compact_array(items: Iterable[bytes]) -> bytes:
    items = list(items)
    return unsigned(len(items) + 1) + b"".join(items)


TAGS = b"\0"


class Reader:
    """Values in. Raises `EOFError` where bytes are missing."""

    def __init__(self, data: bytes):
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        if count < 0 or self.at + count > len(self.data):
            raise EOFError("%d bytes at %d of %d" % (count, self.at, len(self.data)))
        self.at += count
        return self.data[self.at - count:self.at]

    def number(self, layout: str) -> int:
        return struct.unpack(">" + layout, self.take(struct.calcsize(layout)))[0]

    def i8(self) -> int:
        return self.number("b")

    def i16(self) -> int:
        return self.number("h")

    def i32(self) -> int:
        return self.number("i")

    def i64(self) -> int:
        return self.number("q")

    def string(self) -> Optional[str]:
        size = self.i16()
        return None if size < 0 else self.take(size).decode()

    def data32(self) -> Optional[bytes]:
        size = self.i32()
        return None if size < 0 else self.take(size)

    def array(self, read: Callable[[], Any]) -> List[Any]:
        return [read() for _ in range(self.i32())]

    def unsigned(self) -> int:
        number, shift = 0, 0
        while True:
            byte = self.take(1)[0]
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    def varint(self) -> int:
        number = self.unsigned()
        return (number >> 1) ^ -(number & 1)

    def compact(self) -> Optional[str]:
        size = self.unsigned()
        return None if size == 0 else self.take(size - 1).decode()

    def compact_array(self, read: Callable[[], Any]) -> List[Any]:
        return [read() for _ in range(self.unsigned() - 1)]

    def tags(self) -> None:
        for _ in range(self.unsigned()):
            self.unsigned()
            self.take(self.unsigned())

    def end(self) -> None:
        assert self.at == len(self.data), "%d bytes are left of %d" % (len(self.data) - self.at, len(self.data))


# Record batches


def crc_table() -> List[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC_TABLE = crc_table()


def crc32c(data: bytes) -> int:
    """Castagnoli's."""
    table, crc = CRC_TABLE, 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


class Record(NamedTuple):
    value: Optional[bytes]
    key: Optional[bytes] = None
    headers: Sequence[Tuple[str, Optional[bytes]]] = ()
    timestamp: Optional[int] = None
    offset: int = -1


def blob(data: Optional[bytes]) -> bytes:
    return varint(-1) if data is None else varint(len(data)) + data


def encoded(record: Record, delta: int, base_timestamp: int) -> bytes:
    time_delta = (base_timestamp if record.timestamp is None else record.timestamp) - base_timestamp
    body = i8(0) + varint(time_delta) + varint(delta) + blob(record.key) + blob(record.value)
    body += varint(len(record.headers)) + b"".join(blob(name.encode()) + blob(value) for name, value in record.headers)
    return varint(len(body)) + body


def squeeze(data: bytes, codec: int) -> bytes:
    """Records as a producer compresses them: snappy in xerial's frames, as Java's does."""
    if codec == GZIP:
        packer = zlib.compressobj(wbits=31)
        return packer.compress(data) + packer.flush()
    if codec == SNAPPY:
        import snappy
        blocks = [snappy.compress(data[at:at + 32_768]) for at in range(0, len(data), 32_768)]
        return b"\x82SNAPPY\0" + i32(1) + i32(1) + b"".join(i32(len(block)) + block for block in blocks)
    if codec == LZ4:
        import lz4.frame
        return lz4.frame.compress(data)
    if codec == ZSTD:
        import zstandard
        return zstandard.compress(data)
    return data


def expand(data: bytes, codec: int) -> bytes:
    if codec == GZIP:
        return zlib.decompress(data, wbits=47)
    if codec == SNAPPY:
        import snappy
        if not data.startswith(b"\x82SNAPPY\0"):
            return snappy.decompress(data)
        blocks, reader = [], Reader(data[16:])
        while reader.at < len(reader.data):
            blocks.append(snappy.decompress(reader.take(reader.i32())))
        return b"".join(blocks)
    if codec == LZ4:
        import lz4.frame
        return lz4.frame.decompress(data)
    if codec == ZSTD:
        import zstandard
        return zstandard.ZstdDecompressor().decompressobj().decompress(data)
    return data


def batch(
    records: Sequence[Union[Record, bytes]], codec: int = 0, timestamp: Optional[int] = None, producer: int = -1,
    epoch: int = -1, sequence: int = -1, squeezed: Optional[bytes] = None, **wrong: int
) -> bytes:
    """One record batch. `wrong` replaces fields: base_offset, length, magic, crc, attributes, last_delta, count.

    `squeezed`: these bytes are the records, whatever `records` says; their number is taken from there all the same.
    """
    rows = [record if isinstance(record, Record) else Record(record) for record in records]
    stated = [row.timestamp for row in rows if row.timestamp is not None]
    base = timestamp if timestamp is not None else stated[0] if stated else int(time.time() * 1000)
    plain = b"".join(encoded(row, number, base) for number, row in enumerate(rows))
    body = struct.pack(
        ">hiqqqhii", wrong.get("attributes", codec), wrong.get("last_delta", len(rows) - 1), base,
        max(stated, default=base), producer, epoch, sequence, wrong.get("count", len(rows)))
    body += squeeze(plain, codec) if squeezed is None else squeezed
    crc = wrong["crc"] if "crc" in wrong else crc32c(body)
    rest = i32(0) + i8(wrong.get("magic", 2)) + struct.pack(">I", crc) + body
    return i64(wrong.get("base_offset", 0)) + i32(wrong.get("length", len(rest))) + rest


class Batch(NamedTuple):
    base_offset: int
    attributes: int
    last_delta: int
    base_timestamp: int
    max_timestamp: int
    producer: int
    epoch: int
    sequence: int
    count: int
    crc: int
    squeezed: bytes
    #: From the attributes on: what the checksum is of, and what a broker must not change.
    checked: bytes

    @property
    def codec(self) -> int:
        return self.attributes & 7

    @property
    def is_transactional(self) -> bool:
        return self.attributes & TRANSACTIONAL != 0

    @property
    def is_control(self) -> bool:
        return self.attributes & CONTROL != 0

    @property
    def last_offset(self) -> int:
        return self.base_offset + self.last_delta

    def records(self) -> List[Record]:
        reader = Reader(expand(self.squeezed, self.codec))
        found = []
        for _ in range(self.count):
            end = reader.varint() + reader.at
            reader.i8()
            when, delta = reader.varint(), reader.varint()
            key, value = blob_of(reader), blob_of(reader)
            headers = [((blob_of(reader) or b"").decode(), blob_of(reader)) for _ in range(reader.varint())]
            assert reader.at == end, "a record's length is wrong"
            found.append(Record(value, key, headers, self.base_timestamp + when, self.base_offset + delta))
        reader.end()
        return found


def blob_of(reader: Reader) -> Optional[bytes]:
    size = reader.varint()
    return None if size < 0 else reader.take(size)


def batches(data: Optional[bytes]) -> List[Batch]:
    """The whole batches of a fetch, each with its checksum looked at; the last may be cut off."""
    found, reader = [], Reader(data or b"")
    while len(reader.data) - reader.at >= 12:
        base, size = reader.i64(), reader.i32()
        if reader.at + size > len(reader.data):
            break
        reader.i32()
        assert reader.i8() == 2
        crc = reader.number("I")
        checked = reader.take(size - 9)
        assert crc == crc32c(checked), "a batch of a fetch has a wrong checksum"
        fields = struct.unpack(">hiqqqhii", checked[:40])
        found.append(Batch(base, *fields, crc, checked[40:], checked))
    return found


def decided(whole: Iterable[Batch], aborted: Iterable[Tuple[int, int]]) -> List[Record]:
    """The records of a fetch that a reader of what is committed keeps: neither markers, nor what was aborted.

    `aborted`: of each transaction that was, its producer and its first offset.
    """
    waiting, current = sorted(aborted, key=lambda row: row[1]), set()
    found: List[Record] = []
    for one in whole:
        while waiting and waiting[0][1] <= one.last_offset:
            current.add(waiting.pop(0)[0])
        if one.is_control:
            if marker_of(one) == ABORT:
                current.discard(one.producer)
        elif not (one.is_transactional and one.producer in current):
            found += one.records()
    return found


ABORT, COMMIT = 0, 1


def marker_of(one: Batch) -> int:
    """What the control batch says: that the transaction was aborted or committed."""
    [record] = one.records()
    version, kind = struct.unpack(">hh", record.key or b"")
    assert version == 0 and kind in (ABORT, COMMIT), record
    return kind


# Connections


class Produced(NamedTuple):
    error: int
    base_offset: int
    append_time: int
    log_start: int
    message: Optional[str]


class Fetched(NamedTuple):
    error: int
    high_watermark: int
    stable: int
    log_start: int
    data: Optional[bytes]
    #: The producer and the first offset of each transaction that was.
    aborted: Sequence[Tuple[int, int]] = ()

    def batches(self) -> List[Batch]:
        return batches(self.data)

    def records(self) -> List[Record]:
        return [record for one in self.batches() for record in one.records()]


class Listed(NamedTuple):
    error: int
    timestamp: int
    offset: int


class TopicMetadata(NamedTuple):
    error: int
    partitions: List[Tuple[int, int, int]]  # error, index, leader


class Joined(NamedTuple):
    error: int
    generation: int
    protocol: Optional[str]
    leader: str
    member: str
    members: List[Tuple[str, Optional[str], bytes]]


class Committed(NamedTuple):
    error: int
    offset: int
    metadata: Optional[str]


class Wire:
    """One connection, frame by frame."""

    def __init__(self, where: Address, timeout: float = 15.0):
        self.timeout = timeout
        self.socket = socket.create_connection(where, timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.correlation = 0

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    # Frames

    def send(self, key: int, version: int, body: bytes) -> int:
        """A request with its header; returns its number."""
        self.correlation += 1
        self.send_bytes(request(key, version, body, self.correlation))
        return self.correlation

    def send_bytes(self, data: bytes) -> None:
        self.socket.sendall(data)

    def frame(self, timeout: Optional[float] = None) -> bytes:
        """The next answer, without its size."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            if len(self.buffer) >= 4:
                size = struct.unpack(">i", self.buffer[:4])[0]
                assert size >= 4, "an answer of %d bytes" % size
                if len(self.buffer) >= 4 + size:
                    found, self.buffer = self.buffer[4:4 + size], self.buffer[4 + size:]
                    return found
            self.socket.settimeout(max(0.001, deadline - time.monotonic()))
            data = self.socket.recv(1 << 20)
            if not data:
                raise EOFError("the server closed the connection")
            self.buffer += data

    def answer(self, key: int, version: int, correlation: Optional[int] = None) -> Reader:
        """The next answer, behind its header."""
        reader = Reader(self.frame())
        number = reader.i32()
        wanted = self.correlation if correlation is None else correlation
        assert number == wanted, "the answer to %d came, that to %d is due" % (number, wanted)
        if version >= FLEXIBLE.get(key, 1 << 15) and key != API_VERSIONS:
            reader.tags()
        return reader

    def call(self, key: int, version: int, body: bytes) -> Reader:
        self.send(key, version, body)
        return self.answer(key, version)

    def at_end(self, seconds: float = 10.0) -> bool:
        """Whether the server closes the connection in time; what comes before is dropped."""
        deadline = time.monotonic() + seconds
        while True:
            ready, _, _ = select.select([self.socket], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                return False
            try:
                if not self.socket.recv(1 << 20):
                    return True
            except ConnectionResetError:
                return True

    # Requests

    def api_versions(self, version: int = 0) -> Tuple[int, Dict[int, Tuple[int, int]]]:
        """The error, and for each API its first and last version."""
        body = compact("wire") + compact("1") + TAGS if version >= 3 else b""
        return versions_of(self.call(API_VERSIONS, version, body), version)

    def metadata(self, *topics: str, create: bool = False) -> Dict[str, TopicMetadata]:
        """Of these topics, or of all."""
        names = array(map(string, topics)) if topics else i32(-1)
        reader = self.call(METADATA, 8, names + i8(create) + i8(0) + i8(0))
        reader.i32()
        reader.array(lambda: (reader.i32(), reader.string(), reader.i32(), reader.string()))
        reader.string(), reader.i32()

        def partition() -> Tuple[int, int, int]:
            found = reader.i16(), reader.i32(), reader.i32()
            reader.i32()
            for _ in range(3):
                reader.array(reader.i32)
            return found

        def topic() -> Tuple[str, TopicMetadata]:
            error, name = reader.i16(), reader.string() or ""
            reader.i8()
            partitions = reader.array(partition)
            reader.i32()
            return name, TopicMetadata(error, partitions)

        found = dict(reader.array(topic))
        reader.i32()
        reader.end()
        return found

    def create_topic(self, name: str, partitions: int = 1, **configs: str) -> int:
        """Returns the error. Names of settings have `_` here for each `.`."""
        settings = array(string(key.replace("_", ".")) + string(value) for key, value in configs.items())
        topic = string(name) + i32(partitions) + i16(1) + array([]) + settings
        reader = self.call(CREATE_TOPICS, 4, array([topic]) + i32(10_000) + i8(0))
        reader.i32()
        [(_, error, _)] = reader.array(lambda: (reader.string(), reader.i16(), reader.string()))
        reader.end()
        return error

    def delete_topic(self, name: str) -> int:
        reader = self.call(DELETE_TOPICS, 3, array([string(name)]) + i32(10_000))
        reader.i32()
        [(_, error)] = reader.array(lambda: (reader.string(), reader.i16()))
        return error

    def new_topic(self, prefix: str = "wire", partitions: int = 1, **configs: str) -> str:
        name = unique(prefix)
        assert self.create_topic(name, partitions, **configs) == NONE
        return name

    def produce(self, topic: str, data: Optional[bytes], partition: int = 0, acks: int = -1,
                transactional_id: Optional[str] = None) -> Produced:
        self.send(PRODUCE, 8, produce_body(topic, data, partition, acks, transactional_id))
        return self.produced()

    def produced(self, correlation: Optional[int] = None) -> Produced:
        """The answer to a produce to one partition."""
        reader = self.answer(PRODUCE, 8, correlation)

        def partition() -> Produced:
            reader.i32()
            found = reader.i16(), reader.i64(), reader.i64(), reader.i64()
            reader.array(lambda: (reader.i32(), reader.string()))
            return Produced(*found, reader.string())

        [(_, [found])] = reader.array(lambda: (reader.string(), reader.array(partition)))
        reader.i32()
        reader.end()
        return found

    def fetch(self, topic: str, offset: int, partition: int = 0, **options: int) -> Fetched:
        return self.fetch_all({(topic, partition): offset}, **options)[topic, partition]

    def fetch_all(self, places: Dict[Tuple[str, int], int], **options: int) -> Dict[Tuple[str, int], Fetched]:
        self.send(FETCH, 11, fetch_body(places, **options))
        return self.fetched()

    def fetched(self, correlation: Optional[int] = None) -> Dict[Tuple[str, int], Fetched]:
        reader = self.answer(FETCH, 11, correlation)
        reader.i32()
        error = reader.i16()
        assert error == NONE, "the whole fetch failed with %d" % error
        reader.i32()

        def partition() -> Tuple[int, Fetched]:
            index, error, high, stable, start = reader.i32(), reader.i16(), reader.i64(), reader.i64(), reader.i64()
            aborted = reader.array(lambda: (reader.i64(), reader.i64()))
            reader.i32()
            return index, Fetched(error, high, stable, start, reader.data32(), aborted)

        found = {}
        for name, partitions in reader.array(lambda: (reader.string(), reader.array(partition))):
            found.update({(name, index): one for index, one in partitions})
        reader.end()
        return found

    def list_offset(self, topic: str, timestamp: int, partition: int = 0, isolation: int = 0) -> Listed:
        """Version 7, which is flexible: only it knows -3, the record with the highest timestamp."""
        place = i32(partition) + i32(-1) + i64(timestamp) + TAGS
        body = i32(-1) + i8(isolation) + compact_array([compact(topic) + compact_array([place]) + TAGS]) + TAGS
        reader = self.call(LIST_OFFSETS, 7, body)
        reader.i32()

        def one() -> Listed:
            reader.i32()
            found = Listed(reader.i16(), reader.i64(), reader.i64())
            reader.i32()
            reader.tags()
            return found

        def of_topic() -> List[Listed]:
            reader.compact()
            found = reader.compact_array(one)
            reader.tags()
            return found

        [[found]] = reader.compact_array(of_topic)
        reader.tags()
        reader.end()
        return found

    def end(self, topic: str, partition: int = 0) -> int:
        """The offset of the next record."""
        found = self.list_offset(topic, LATEST, partition)
        assert found.error == NONE, found
        return found.offset

    def read(self, topic: str, offset: int = 0, partition: int = 0) -> List[Record]:
        """All records from there on up to what is the end now."""
        found: List[Record] = []
        end = self.end(topic, partition)
        while offset < end:
            got = self.fetch(topic, offset, partition, max_wait=5_000)
            assert got.error == NONE, got
            new = [record for record in got.records() if record.offset >= offset]
            assert new, "nothing at %d, though the end is %d" % (offset, end)
            found += new
            offset = new[-1].offset + 1
        return found

    def init_producer_id(self) -> Tuple[int, int]:
        """The number of an idempotent producer, and its epoch."""
        reader = self.call(INIT_PRODUCER_ID, 1, string(None) + i32(60_000))
        reader.i32()
        error, producer, epoch = reader.i16(), reader.i64(), reader.i16()
        assert error == NONE, error
        return producer, epoch

    # Transactions

    def stable_end(self, topic: str, partition: int = 0) -> int:
        """How far everything is decided."""
        found = self.list_offset(topic, LATEST, partition, READ_COMMITTED)
        assert found.error == NONE, found
        return found.offset

    def read_committed(self, topic: str, offset: int = 0, partition: int = 0, **options: int) -> List[Record]:
        """All records that are committed, from there on up to where the first open transaction begins now."""
        found: List[Record] = []
        end = self.stable_end(topic, partition)
        while offset < end:
            got = self.fetch(topic, offset, partition, max_wait=5_000, isolation=READ_COMMITTED, **options)
            assert got.error == NONE, got
            whole = got.batches()
            assert whole, "nothing at %d, though everything below %d is decided" % (offset, end)
            assert whole[-1].last_offset < got.stable <= got.high_watermark, "undecided records came: %s" % (got,)
            found += [record for record in decided(whole, got.aborted) if record.offset >= offset]
            offset = whole[-1].last_offset + 1
        return found

    def init_transactions(self, transactional_id: str, timeout: int = 60_000,
                          expected: Tuple[int, int] = (-1, -1)) -> Tuple[int, int, int]:
        """Version 4, which is flexible: the error, the producer's number, and its epoch. Waits for one that ends."""
        body = compact(transactional_id) + i32(timeout) + i64(expected[0]) + i16(expected[1]) + TAGS

        def ask() -> Tuple[int, int, int]:
            reader = self.call(INIT_PRODUCER_ID, 4, body)
            reader.i32()
            found = reader.i16(), reader.i64(), reader.i16()
            reader.tags()
            reader.end()
            return found

        return settled(ask, lambda found: found[0])

    def add_partitions(self, transactional_id: str, producer: int, epoch: int,
                       places: Sequence[Tuple[str, int]]) -> Dict[Tuple[str, int], int]:
        """The error of each."""
        topics = array(string(name) + array([i32(partition)]) for name, partition in places)

        def ask() -> Dict[Tuple[str, int], int]:
            reader = self.call(
                ADD_PARTITIONS_TO_TXN, 2, string(transactional_id) + i64(producer) + i16(epoch) + topics)
            reader.i32()
            rows = reader.array(
                lambda: (reader.string(), reader.array(lambda: (reader.i32(), reader.i16()))))
            reader.end()
            return {(name, partition): error for name, found in rows for partition, error in found}

        return settled(ask, lambda found: max(found.values()))

    def add_offsets(self, transactional_id: str, producer: int, epoch: int, group: str) -> int:
        body = string(transactional_id) + i64(producer) + i16(epoch) + string(group)
        return settled(lambda: self.only_an_error(ADD_OFFSETS_TO_TXN, 2, body))

    def end_transaction(self, transactional_id: str, producer: int, epoch: int, commit: bool) -> int:
        body = string(transactional_id) + i64(producer) + i16(epoch) + i8(commit)
        return settled(lambda: self.only_an_error(END_TXN, 2, body))

    def only_an_error(self, key: int, version: int, body: bytes) -> int:
        reader = self.call(key, version, body)
        reader.i32()
        error = reader.i16()
        reader.end()
        return error

    def commit_in_transaction(
        self, transactional_id: str, producer: int, epoch: int, group: str, topic: str, offset: int,
        partition: int = 0, metadata: Optional[str] = "", generation: int = -1, member: str = ""
    ) -> int:
        """Version 3, which is flexible: only it says who of the group commits."""
        place = i32(partition) + i64(offset) + i32(-1) + compact(metadata) + TAGS
        body = compact(transactional_id) + compact(group) + i64(producer) + i16(epoch) + i32(generation)
        body += compact(member) + compact(None)
        body += compact_array([compact(topic) + compact_array([place]) + TAGS]) + TAGS

        def ask() -> int:
            reader = self.call(TXN_OFFSET_COMMIT, 3, body)
            reader.i32()

            def one() -> int:
                reader.i32()
                error = reader.i16()
                reader.tags()
                return error

            def of_topic() -> List[int]:
                reader.compact()
                found = reader.compact_array(one)
                reader.tags()
                return found

            [[error]] = reader.compact_array(of_topic)
            reader.tags()
            reader.end()
            return error

        return settled(ask)

    # Groups

    def join(self, group: str, member: str = "", instance: Optional[str] = None, session: int = 10_000,
             rebalance: int = 10_000, protocols: Sequence[Tuple[str, bytes]] = (("range", b""),)) -> Joined:
        self.send(JOIN_GROUP, 5, join_body(group, member, instance, session, rebalance, protocols))
        return self.joined()

    def joined(self) -> Joined:
        reader = self.answer(JOIN_GROUP, 5)
        reader.i32()
        fields = reader.i16(), reader.i32(), reader.string(), reader.string() or "", reader.string() or ""
        members = reader.array(lambda: (reader.string(), reader.string(), reader.data32()))
        reader.end()
        return Joined(*fields, members)

    def sync(self, group: str, generation: int, member: str, plans: Dict[str, bytes],
             instance: Optional[str] = None) -> Tuple[int, Optional[bytes]]:
        body = string(group) + i32(generation) + string(member) + string(instance)
        reader = self.call(
            SYNC_GROUP, 3, body + array(string(name) + data32(plan) for name, plan in plans.items()))
        reader.i32()
        return reader.i16(), reader.data32()

    def heartbeat(self, group: str, generation: int, member: str, instance: Optional[str] = None) -> int:
        body = string(group) + i32(generation) + string(member) + string(instance)
        reader = self.call(HEARTBEAT, 3, body)
        reader.i32()
        return reader.i16()

    def leave(self, group: str, member: str, instance: Optional[str] = None) -> int:
        """The error of the member, or that of the whole request."""
        reader = self.call(LEAVE_GROUP, 3, string(group) + array([string(member) + string(instance)]))
        reader.i32()
        error = reader.i16()
        of_members = reader.array(lambda: (reader.string(), reader.string(), reader.i16()))
        return error or (of_members[0][2] if of_members else NONE)

    def commit(self, group: str, topic: str, offset: int, partition: int = 0, metadata: Optional[str] = "",
               generation: int = -1, member: str = "", instance: Optional[str] = None) -> int:
        place = i32(partition) + i64(offset) + i32(-1) + string(metadata)
        reader = self.call(OFFSET_COMMIT, 7, string(group) + i32(generation) + string(member) + string(instance)
                           + array([string(topic) + array([place])]))
        reader.i32()
        [(_, [(_, error)])] = reader.array(
            lambda: (reader.string(), reader.array(lambda: (reader.i32(), reader.i16()))))
        reader.end()
        return error

    def committed(self, group: str, topic: str, partition: int = 0) -> Committed:
        reader = self.call(OFFSET_FETCH, 5, string(group) + array([string(topic) + array([i32(partition)])]))
        reader.i32()

        def one() -> Committed:
            reader.i32()
            offset = reader.i64()
            reader.i32()
            metadata = reader.string()
            return Committed(reader.i16(), offset, metadata)

        [(_, [found])] = reader.array(lambda: (reader.string(), reader.array(one)))
        error = reader.i16()
        assert error == NONE, error
        reader.end()
        return found

    def stably_committed(self, group: str, topic: str, partition: int = 0) -> Committed:
        """Version 7, which is flexible: only it can ask for what no open transaction may change."""
        topics = compact_array([compact(topic) + compact_array([i32(partition)]) + TAGS])
        reader = self.call(OFFSET_FETCH, 7, compact(group) + topics + i8(1) + TAGS)
        reader.i32()

        def one() -> Committed:
            reader.i32()
            offset = reader.i64()
            reader.i32()
            metadata = reader.compact()
            error = reader.i16()
            reader.tags()
            return Committed(error, offset, metadata)

        def of_topic() -> List[Committed]:
            reader.compact()
            found = reader.compact_array(one)
            reader.tags()
            return found

        [[found]] = reader.compact_array(of_topic)
        error = reader.i16()
        reader.tags()
        reader.end()
        assert error == NONE, error
        return found


def settled(ask: Callable[[], Any], error_of: Callable[[Any], int] = lambda found: found, seconds: float = 10.0) -> Any:
    """The answer, once it is not any more that an earlier transaction is ending: Kafka's broker takes a while."""
    found: List[Any] = []

    def is_settled() -> bool:
        found[:] = [ask()]
        return error_of(found[0]) != CONCURRENT_TRANSACTIONS

    wait_for(is_settled, seconds)
    return found[0]


def request(key: int, version: int, body: bytes, correlation: int, client: Optional[str] = "wire") -> bytes:
    """A request of any kind, with its size."""
    header = i16(key) + i16(version) + i32(correlation) + string(client)
    if version >= FLEXIBLE.get(key, 1 << 15):
        header += TAGS
    return framed(header + body)


def framed(data: bytes, size: Optional[int] = None) -> bytes:
    return i32(len(data) if size is None else size) + data


def versions_of(reader: Reader, version: int) -> Tuple[int, Dict[int, Tuple[int, int]]]:
    """An answer to ApiVersions."""
    error = reader.i16()

    def row() -> Tuple[int, Tuple[int, int]]:
        found = reader.i16(), (reader.i16(), reader.i16())
        if version >= 3:
            reader.tags()
        return found

    rows = reader.compact_array(row) if version >= 3 else reader.array(row)
    if version >= 1:
        reader.i32()
    if version >= 3:
        reader.tags()
    reader.end()
    assert len(dict(rows)) == len(rows), "an API stands there twice"
    return error, dict(rows)


def produce_body(topic: str, data: Optional[bytes], partition: int = 0, acks: int = -1,
                 transactional_id: Optional[str] = None) -> bytes:
    place = i32(partition) + data32(data)
    return string(transactional_id) + i16(acks) + i32(10_000) + array([string(topic) + array([place])])


def fetch_body(
    places: Dict[Tuple[str, int], int], max_wait: int = 0, min_bytes: int = 1, max_bytes: int = 50 << 20,
    partition_max: int = 1 << 20, isolation: int = 0
) -> bytes:
    """`places`: for each topic and partition the offset to read from. Without a session."""
    topics: Dict[str, List[bytes]] = {}
    for (topic, partition), offset in places.items():
        place = i32(partition) + i32(-1) + i64(offset) + i64(-1) + i32(partition_max)
        topics.setdefault(topic, []).append(place)
    body = i32(-1) + i32(max_wait) + i32(min_bytes) + i32(max_bytes) + i8(isolation) + i32(0) + i32(-1)
    return body + array(string(name) + array(rows) for name, rows in topics.items()) + array([]) + string("")


def join_body(group: str, member: str, instance: Optional[str], session: int, rebalance: int,
              protocols: Sequence[Tuple[str, bytes]]) -> bytes:
    return (string(group) + i32(session) + i32(rebalance) + string(member) + string(instance) + string("consumer")
            + array(string(name) + data32(data) for name, data in protocols))



"""What no honest client of Kafka does. It may cost the sender its connection, and nobody else anything."""
from __future__ import annotations

import contextlib
import random
import socket
import struct
import threading
import time
import zlib
from typing import Dict, Iterator, List, Optional, Set, Tuple

import pytest

import amqp
import kafka_wire as kafka_protocol
from cli import cola
from conftest import LONG, seed, setting, time_factor
from kafka_wire import (
    API_VERSIONS, CLOSED, CODECS, CORRUPT_MESSAGE, CREATE_TOPICS, FETCH, FIND_COORDINATOR, GZIP, HEARTBEAT, HUNG,
    ILLEGAL_SASL_STATE, INIT_PRODUCER_ID, INVALID_RECORD, JOIN_GROUP, LIST_OFFSETS, MESSAGE_TOO_LARGE, METADATA, NONE,
    OFFSET_COMMIT, OFFSET_FETCH, PRODUCE, SASL_AUTHENTICATE, SASL_AUTHENTICATION_FAILED, SASL_HANDSHAKE,
    SYNC_GROUP, TAGS, UNSUPPORTED_SASL_MECHANISM, UNSUPPORTED_VERSION, Wire, array, batch, compact, data32,
    fetch_body, framed, i8, i16, i32, i64, join_body, produce_body, request, string, unsigned, varint, versions_of)

GROWTH_MAX = 100 << 20
HUGE = 2**31 - 1
pytestmark = pytest.mark.skipif(kafka_protocol.elsewhere() is not None, reason="looks at the process of the server")


class Bystander:
    """Somebody honest, who produces and fetches all the time and notes how long the slowest round took."""

    def __init__(self, where: kafka_protocol.Address):
        self.slowest = 0.0
        self.rounds = 0
        self.failure: Optional[BaseException] = None
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.run, args=(where,), daemon=True)
        self.thread.start()

    def run(self, where: kafka_protocol.Address) -> None:
        try:
            with Wire(where, timeout=20) as wire:
                topic = wire.new_topic("bystander")
                while not self.done.wait(0.01):
                    begun = time.monotonic()
                    body = b"%d" % self.rounds
                    made = wire.produce(topic, batch([body]))
                    assert made.error == NONE and made.base_offset == self.rounds, made
                    found = wire.fetch(topic, self.rounds, max_wait=10_000).records()
                    assert [record.value for record in found] == [body], found
                    self.slowest = max(self.slowest, time.monotonic() - begun)
                    self.rounds += 1
        except BaseException as error:
            self.failure = error

    def end(self) -> None:
        self.done.set()
        self.thread.join(30)
        assert not self.thread.is_alive(), "the bystander hangs"
        assert self.failure is None, "the bystander was disturbed: %r" % self.failure
        assert self.slowest < time_factor(), "the bystander waited %.1f s" % self.slowest


@pytest.fixture(autouse=True)
def serves_as_before(shared_broker, kafka_address):
    """During each attack somebody is served; after it the broker lives and has not grown without bound."""
    before = shared_broker.resident_bytes()
    bystander = Bystander(kafka_address)
    assert kafka_protocol.wait_for(lambda: bystander.rounds > 0 or bystander.failure is not None, 20)
    yield
    assert shared_broker.runs(), "the broker died: %s" % shared_broker.stderr()[-2000:]
    bystander.end()
    growth = shared_broker.resident_bytes() - before
    assert growth < GROWTH_MAX, "grew by %.0f MiB" % (growth / 2**20)


def push(stream: socket.socket, data: bytes) -> None:
    """Sends as long as the other end takes it."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError, *HUNG):
        stream.sendall(data)


def swallow(stream: socket.socket, timeout: float) -> bytes:
    """All that comes, up to the end of the stream or the timeout."""
    received = bytearray()
    stream.settimeout(timeout)
    with contextlib.suppress(ConnectionResetError, *HUNG):
        while True:
            data = stream.recv(65_536)
            if not data:
                break
            received += data
    return bytes(received)


# Versions


@pytest.mark.parametrize("version", range(5))
def test_api_versions(kafka, version):
    error, versions = kafka.api_versions(version)
    assert error == NONE
    for key in (PRODUCE, FETCH, LIST_OFFSETS, METADATA, OFFSET_COMMIT, OFFSET_FETCH, FIND_COORDINATOR, JOIN_GROUP,
                HEARTBEAT, SYNC_GROUP, CREATE_TOPICS, INIT_PRODUCER_ID):
        assert key in versions, "API %d is missing" % key
    assert all(0 <= first <= last for first, last in versions.values()), versions
    assert versions[API_VERSIONS] == (0, 4)
    # librdkafka before 2.9 takes a broker without the oldest versions of produce for one without compression.
    assert versions[PRODUCE][0] == 0


@pytest.mark.parametrize("version", [5, 99, HUGE >> 16])
def test_an_unknown_version_of_api_versions_is_answered_in_version_0(kafka, version):
    """With the list of what there is, so that the client can step down; and the connection goes on."""
    kafka.send(API_VERSIONS, version, compact("wire") + compact("1") + TAGS + b"something that is new")
    error, versions = versions_of(kafka.answer(API_VERSIONS, version), 0)
    assert error == UNSUPPORTED_VERSION and versions[API_VERSIONS] == (0, 4)
    assert kafka.api_versions(3)[0] == NONE


@pytest.mark.parametrize("key", [1000, -1, HUGE >> 16])
def test_an_unknown_api_ends_the_connection(kafka, key):
    kafka.send(key, 0, b"")
    assert kafka.at_end()


@pytest.mark.parametrize("key", [PRODUCE, FETCH, LIST_OFFSETS, METADATA, OFFSET_COMMIT, JOIN_GROUP, CREATE_TOPICS])
@pytest.mark.parametrize("version", [-1, 99])
def test_an_unknown_version_ends_the_connection(kafka, key, version):
    """Nobody knows how to answer in it."""
    kafka.send(key, version, TAGS * 20)
    assert kafka.at_end()


def test_tags_that_nobody_knows_are_skipped(kafka):
    tags = unsigned(2) + unsigned(77) + unsigned(3) + b"abc" + unsigned(9999) + unsigned(0)
    body = compact("wire") + compact("1") + tags
    header = i16(API_VERSIONS) + i16(3) + i32(5) + string("wire") + tags
    kafka.send_bytes(framed(header + body))
    error, _ = versions_of(kafka.answer(API_VERSIONS, 3, 5), 3)
    assert error == NONE


# Frames


@pytest.mark.parametrize("size", [-1, -(2**31), 0, 1, 7, HUGE, 1 << 30])
def test_sizes(kafka, size):
    """Neither a negative one, nor one too small for a header, nor one that nobody may send is waited for."""
    kafka.send_bytes(framed(b"\0" * 100, size=size))
    assert kafka.at_end()


def test_truncated_headers(kafka_address):
    whole = request(METADATA, 8, array([]) + bytes(3), 1)[4:]
    for end in range(10):
        with Wire(kafka_address) as wire:
            wire.send_bytes(framed(whole[:end]))
            assert wire.at_end(), "%d bytes of a header" % end


def test_truncated_bodies(kafka_address):
    """The size is right, and what it holds ends too early."""
    requests = [(PRODUCE, 8, produce_body("nobody", batch([b"x"]))), (FETCH, 11, fetch_body({("nobody", 0): 0})),
                (METADATA, 8, array([string("nobody")]) + bytes(3)),
                (JOIN_GROUP, 5, join_body("truncated", "", None, 10_000, 10_000, [("range", b"x")]))]
    for key, version, body in requests:
        for end in range(0, len(body), 1 if LONG else 5):
            with Wire(kafka_address) as wire:
                wire.send(key, version, body[:end])
                assert wire.at_end(), "%d bytes of API %d" % (end, key)


def test_one_byte_at_a_time(kafka):
    topic = kafka.new_topic()
    for byte in request(PRODUCE, 8, produce_body(topic, batch([b"slow"])), 77):
        kafka.send_bytes(bytes([byte]))
    assert kafka.produced(77).error == NONE
    for byte in request(FETCH, 11, fetch_body({(topic, 0): 0}), 78):
        kafka.send_bytes(bytes([byte]))
    assert [record.value for record in kafka.fetched(78)[topic, 0].records()] == [b"slow"]


def test_answers_come_in_the_order_of_their_requests(kafka):
    """Also of those that wait: a fetch for its records, a produce for the disk."""
    topic = kafka.new_topic()
    numbers = range(1000, 1200)
    data = b""
    for number in numbers:
        if number % 4 == 0:
            data += request(API_VERSIONS, 0, b"", number)
        elif number % 4 == 1:
            data += request(FETCH, 11, fetch_body({(topic, 0): 0}, max_wait=20, min_bytes=1 << 20), number)
        else:
            data += request(PRODUCE, 8, produce_body(topic, batch([b"%d" % number])), number)
    kafka.send_bytes(data)
    offset = 0
    for number in numbers:
        if number % 4 == 0:
            assert versions_of(kafka.answer(API_VERSIONS, 0, number), 0)[0] == NONE
        elif number % 4 == 1:
            assert kafka.fetched(number)[topic, 0].error == NONE
        else:
            assert kafka.produced(number).base_offset == offset
            offset += 1


def test_half_a_request_is_none(kafka, kafka_address):
    topic = kafka.new_topic()
    whole = request(PRODUCE, 8, produce_body(topic, batch([b"half"])), 1)
    for end in range(1, len(whole), 1 if LONG else 7):
        with Wire(kafka_address) as wire:
            wire.send_bytes(whole[:end])
    assert kafka.end(topic) == 0
    assert kafka.produce(topic, batch([b"whole"])).base_offset == 0


def test_garbage_after_the_request(kafka):
    """What stands behind its last field is no second request, and makes the first no wrong one."""
    topic = kafka.new_topic()
    kafka.send(PRODUCE, 8, produce_body(topic, batch([b"x"])) + b"garbage" * 100)
    try:
        assert kafka.produced().error == NONE
    except CLOSED:
        return
    assert kafka.api_versions()[0] == NONE


# Numbers that look like sizes


def counts(count: int) -> List[bytes]:
    """Requests that claim to hold so many of something, and hold none."""
    many = i32(count)
    return [
        request(METADATA, 8, many, 1), request(PRODUCE, 8, string(None) + i16(-1) + i32(1000) + many, 1),
        request(PRODUCE, 8, string(None) + i16(-1) + i32(1000) + array([string("nobody") + many]), 1),
        request(PRODUCE, 8, string(None) + i16(-1) + i32(1000) + array([string("nobody") + i32(1) + i32(0) + many]), 1),
        request(FETCH, 11, fetch_body({})[:-10] + many, 1), request(CREATE_TOPICS, 4, many, 1),
        request(JOIN_GROUP, 5, join_body("many", "", None, 10_000, 10_000, [])[:-4] + many, 1),
        request(OFFSET_FETCH, 5, string("many") + many, 1),
        request(SYNC_GROUP, 3, string("many") + i32(1) + string("m") + string(None) + many, 1),
        request(METADATA, 9, unsigned(count), 1), request(PRODUCE, 9, TAGS + i16(-1) + i32(1000) + unsigned(count), 1),
        request(API_VERSIONS, 3, unsigned(count), 1), request(INIT_PRODUCER_ID, 2, unsigned(count), 1),
        request(LIST_OFFSETS, 7, i32(-1) + i8(0) + unsigned(count), 1),
        # Tagged fields: so many of them, one of that size, and a number without end.
        request(METADATA, 9, unsigned(0) + i8(0) * 3 + unsigned(count), 1),
        request(METADATA, 9, unsigned(0) + i8(0) * 3 + unsigned(1) + unsigned(7) + unsigned(count), 1),
        request(METADATA, 9, b"\xff" * 40, 1),
    ]


@pytest.mark.parametrize("count", [HUGE, HUGE - 1, 1 << 24, 2000])
def test_counts_of_what_is_not_there(kafka_address, count):
    for number, data in enumerate(counts(count)):
        with Wire(kafka_address) as wire:
            wire.send_bytes(data)
            assert wire.at_end(), "the %d. request with a count of %d" % (number, count)


@pytest.mark.parametrize("size", [-2, -(2**15)])
def test_strings_of_a_negative_size(kafka, size):
    kafka.send(METADATA, 8, i32(1) + i16(size) + bytes(3))
    assert kafka.at_end()


def test_a_hundred_thousand_topics_that_do_not_exist(kafka):
    """They stand there, so each is answered for or the connection ends; nobody keeps anything of them."""
    kafka.send(METADATA, 8, array(string("none-%d" % number) for number in range(100_000)) + bytes(3))
    with contextlib.suppress(*CLOSED):
        kafka.frame()


# Record batches


#: What is wrong, and what it may be answered with.
WRONG: Dict[str, Tuple[Dict[str, int], Set[int]]] = {
    "magic 0": (dict(magic=0), {CORRUPT_MESSAGE, INVALID_RECORD}),
    "magic 1": (dict(magic=1), {CORRUPT_MESSAGE, INVALID_RECORD}),
    "magic 3": (dict(magic=3), {CORRUPT_MESSAGE, INVALID_RECORD}),
    "checksum": (dict(crc=1), {CORRUPT_MESSAGE}),
    "length of 0": (dict(length=0), {CORRUPT_MESSAGE, INVALID_RECORD}),
    "negative length": (dict(length=-1), {CORRUPT_MESSAGE, INVALID_RECORD}),
    "length of 2 GiB": (dict(length=HUGE), {CORRUPT_MESSAGE, INVALID_RECORD, MESSAGE_TOO_LARGE}),
    "length without its last bytes": (dict(length=60), {CORRUPT_MESSAGE, INVALID_RECORD}),
    "no records": (dict(count=0), {CORRUPT_MESSAGE, INVALID_RECORD}),
    "negative count": (dict(count=-1), {CORRUPT_MESSAGE, INVALID_RECORD}),
    "2^31 - 1 records": (dict(count=HUGE, last_delta=HUGE - 1), {CORRUPT_MESSAGE, INVALID_RECORD}),
    "count and offsets that differ": (dict(last_delta=7), {CORRUPT_MESSAGE, INVALID_RECORD}),
    "more records than there are": (dict(count=3, last_delta=2), {CORRUPT_MESSAGE, INVALID_RECORD}),
    "a control batch": (dict(attributes=0x20), {INVALID_RECORD}),
}


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_batches(kafka, kind):
    """Each is refused for its partition, and nothing of it is kept; the connection goes on."""
    fields, errors = WRONG[kind]
    topic = kafka.new_topic()
    made = kafka.produce(topic, batch([b"wrong", b"batch"], **fields))
    assert made.error in errors, made
    assert kafka.end(topic) == 0
    assert kafka.produce(topic, batch([b"right"])).base_offset == 0


@pytest.mark.parametrize("data", [
    pytest.param(b"", id="nothing"), pytest.param(None, id="null"), pytest.param(b"x", id="a byte"),
    pytest.param(bytes(11), id="11 zeros"), pytest.param(bytes(61), id="61 zeros"),
    pytest.param(bytes(200), id="200 zeros"), pytest.param(batch([b"x"])[:-1], id="cut off"),
    pytest.param(batch([b"x"]) + b"more", id="more behind it"),
])
def test_what_is_no_batch(kafka, data):
    topic = kafka.new_topic()
    try:
        made = kafka.produce(topic, data)
        assert made.error in (CORRUPT_MESSAGE, INVALID_RECORD), made
    except CLOSED:
        return  # as a mistake in the request
    assert kafka.end(topic) == 0


def test_two_batches_for_one_partition(kafka):
    """Since magic 2 there is one of them in a produce."""
    topic = kafka.new_topic()
    made = kafka.produce(topic, batch([b"1"]) + batch([b"2"]))
    assert made.error in (CORRUPT_MESSAGE, INVALID_RECORD), made
    assert kafka.end(topic) == 0


WRONG_RECORDS = [
    b"",
    varint(HUGE) + b"x",
    varint(-1),
    b"\xff" * 11,
    varint(11) + i8(0) + varint(0) * 2 + varint(HUGE) + varint(0) * 3,
    varint(6) + i8(0) + varint(0) * 2 + varint(-7) + varint(0) * 2,
    varint(10) + i8(0) + varint(0) * 2 + varint(-1) * 2 + varint(HUGE),
    varint(6) + i8(0) + varint(0) * 2 + varint(-1) * 2 + varint(-1),
    varint(6) + i8(0) + varint(0) * 2 + varint(-1) * 2 + varint(1),
]


def test_wrong_records_in_a_right_batch(kafka):
    """Sizes without their bytes, negative ones, headers without end."""
    topic = kafka.new_topic()
    for records in WRONG_RECORDS:
        made = kafka.produce(topic, batch([b"x"], squeezed=records))
        assert made.error in (CORRUPT_MESSAGE, INVALID_RECORD), "%r: %s" % (records, made)
    assert kafka.end(topic) == 0


def test_wrong_records_in_a_right_batch_that_is_compressed(kafka, shared_broker):
    """Refused; or kept as they came, and then nobody who reads them by another protocol is harmed."""
    topic = kafka.new_topic()
    for records in WRONG_RECORDS:
        made = kafka.produce(topic, batch([b"x"], codec=GZIP, squeezed=kafka_protocol.squeeze(records, GZIP)))
        assert made.error in (NONE, CORRUPT_MESSAGE, INVALID_RECORD), "%r: %s" % (records, made)
    readers(shared_broker, topic)


def test_bytes_that_are_not_compressed(kafka, shared_broker):
    """Noise, nothing, and the beginning of what would be right."""
    topic = kafka.new_topic()
    noise = random.Random(seed()).getrandbits(8 * 500).to_bytes(500, "big")
    for codec in range(1, 8):
        for squeezed in (b"", noise, kafka_protocol.squeeze(noise, codec if codec < 5 else 0)[:-9]):
            made = kafka.produce(topic, batch([b"x"], codec=codec, squeezed=squeezed))
            assert codec < 5 or made.error != NONE, "there is no codec %d: %s" % (codec, made)
    readers(shared_broker, topic)


def readers(broker, topic: str) -> None:
    """Reads a topic from its first record on as others do; then a good record comes, and is read from there on."""
    cola("consume", "--topic", topic, "--from", "first", url=broker.unix, timeout=60)
    with Wire(kafka_protocol.of(broker)) as wire:
        made = wire.produce(topic, batch([b"good"]))
        assert made.error == NONE, made
    connection = amqp.connect(amqp.address(broker.amqp))
    try:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=10)
        collector = amqp.Collector(channel, topic, arguments={"x-stream-offset": made.base_offset})
        assert collector.wait(1, 20)[0].body == b"good"
    finally:
        connection.close()


def test_a_batch_that_is_too_large(kafka):
    """A megabyte is the limit, and ten of them are beyond it."""
    topic = kafka.new_topic()
    made = kafka.produce(topic, batch([bytes(10 << 20)], crc=0))
    assert made.error == MESSAGE_TOO_LARGE, made
    assert kafka.produce(topic, batch([bytes(900_000)])).error == NONE


def bomb(codec: str, plain_size: int) -> bytes:
    """One record whose value is this many zeros, as compressed bytes; never kept whole."""
    head = i8(0) + varint(0) * 2 + varint(-1) + varint(plain_size)
    head = varint(len(head) + plain_size + 1) + head
    chunk = bytes(1 << 20)
    if codec == "gzip":
        packer = zlib.compressobj(wbits=31)
        parts = [packer.compress(head)] + [packer.compress(chunk) for _ in range(plain_size >> 20)]
        return b"".join(parts) + packer.compress(varint(0)) + packer.flush()
    if codec == "zstd":
        import zstandard
        stream = zstandard.ZstdCompressor().compressobj()
        parts = [stream.compress(head)] + [stream.compress(chunk) for _ in range(plain_size >> 20)]
        return b"".join(parts) + stream.compress(varint(0)) + stream.flush()
    import lz4.frame
    packer = lz4.frame.LZ4FrameCompressor(block_size=lz4.frame.BLOCKSIZE_MAX4MB)
    parts = [packer.begin(), packer.compress(head)] + [packer.compress(chunk) for _ in range(plain_size >> 20)]
    return b"".join(parts) + packer.compress(varint(0)) + packer.flush()


@pytest.mark.parametrize("codec, size", [("gzip", 256 << 20), ("zstd", 512 << 20), ("lz4", 200 << 20)])
def test_a_bomb(kafka, shared_broker, codec, size):
    """Less than a megabyte that would be very much: nobody who reads it makes the server unpack it all."""
    topic = kafka.new_topic()
    data = bomb(codec, size)
    assert len(data) < 1_000_000, len(data)
    explode(kafka, shared_broker, topic, batch([b"boom"], codec=CODECS[codec], squeezed=data))


def test_a_bomb_of_records(kafka, shared_broker):
    """Very many records of no bytes in one batch."""
    count = setting("COLA_BOMB_RECORDS", short=100_000, long=300_000)
    packer, parts = zlib.compressobj(9, wbits=31), []
    for number in range(count):
        body = i8(0) + varint(0) + varint(number) + varint(-1) * 2 + varint(0)
        parts.append(packer.compress(varint(len(body)) + body))
    parts.append(packer.flush())
    data = batch([b"x"], codec=GZIP, squeezed=b"".join(parts), count=count, last_delta=count - 1)
    assert len(data) < 1_000_000, len(data)
    explode(kafka, shared_broker, kafka.new_topic(), data)


def explode(wire: Wire, broker, topic: str, data: bytes) -> None:
    """Keeps a batch, and has it read over every protocol."""
    before = broker.resident_bytes()
    wire.produce(topic, data)
    with pikas_reader(broker, topic):
        readers(broker, topic)
        growth = broker.resident_bytes() - before
    assert growth < GROWTH_MAX, "grew by %.0f MiB" % (growth / 2**20)


@contextlib.contextmanager
def pikas_reader(broker, topic: str) -> Iterator[None]:
    """Somebody who reads from the beginning on while something else happens; what he is told is not the point."""
    connection = amqp.connect(amqp.address(broker.amqp))
    try:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=10)
        with contextlib.suppress(amqp.pika.exceptions.AMQPError):
            amqp.Collector(channel, topic, arguments={"x-stream-offset": "first"}).settle_down()
        yield
    finally:
        with contextlib.suppress(amqp.pika.exceptions.AMQPError):
            connection.close()


def test_what_amqp_cannot_read_stays_for_kafka(kafka, shared_broker):
    """What a client compressed wrongly is no damage of the disk: its bytes are there for whoever asks for them."""
    topic = kafka.new_topic()
    data = batch([b"x", b"y"], codec=GZIP, squeezed=b"this is not gzip")
    made = kafka.produce(topic, data)
    if made.error != NONE:
        assert made.error in (CORRUPT_MESSAGE, INVALID_RECORD), made
        return
    readers(shared_broker, topic)
    found = kafka.fetch(topic, 0).batches()
    assert [one.base_offset for one in found] == [0, 2] and found[0].checked == data[21:]


# Logging in


def sasl(wire: Wire, mechanism: str, version: int = 1) -> Tuple[int, List[str]]:
    reader = wire.call(SASL_HANDSHAKE, version, string(mechanism))
    return reader.i16(), [name or "" for name in reader.array(reader.string)]


def authenticate(wire: Wire, data: bytes) -> int:
    return wire.call(SASL_AUTHENTICATE, 1, data32(data)).i16()


def test_a_login(kafka):
    assert sasl(kafka, "PLAIN")[0] == NONE
    assert authenticate(kafka, b"\0guest\0guest") == NONE
    assert kafka.produce(kafka.new_topic(), batch([b"x"])).error == NONE


def test_a_mechanism_that_there_is_not(kafka):
    error, mechanisms = sasl(kafka, "GSSAPI")
    assert error == UNSUPPORTED_SASL_MECHANISM and "PLAIN" in mechanisms


@pytest.mark.parametrize("data", [
    pytest.param(b"\0guest\0wrong", id="wrong password"), pytest.param(b"\0nobody\0guest", id="nobody"),
    pytest.param(b"guest", id="no separators"), pytest.param(b"", id="nothing"),
    pytest.param(b"\0\0", id="empty"), pytest.param(b"\0" * 1000, id="zeros"),
    pytest.param(b"\xff" * 70_000, id="large"), pytest.param(b"other\0guest\0guest", id="for somebody else")])
def test_a_wrong_password(kafka, data):
    """Answered, so that the client can say why; then it is over."""
    assert sasl(kafka, "PLAIN")[0] == NONE
    try:
        assert authenticate(kafka, data) == SASL_AUTHENTICATION_FAILED
    except CLOSED:
        return
    assert kafka.at_end()


def test_a_login_out_of_order(kafka_address):
    with Wire(kafka_address) as wire:  # without a handshake
        with contextlib.suppress(*CLOSED):
            assert authenticate(wire, b"\0guest\0guest") == ILLEGAL_SASL_STATE
    with Wire(kafka_address) as wire:  # something else in its midst
        assert sasl(wire, "PLAIN")[0] == NONE
        with contextlib.suppress(*CLOSED):
            reader = wire.call(METADATA, 8, array([]) + bytes(3))
            raise AssertionError("answered in the middle of a login: %r" % reader.data)
    with Wire(kafka_address) as wire:  # garbage where credentials are due, in the old form without a header
        assert sasl(wire, "PLAIN", version=0)[0] == NONE
        wire.send_bytes(framed(b"\xff" * 100))
        assert wire.at_end()


def test_the_old_form_of_a_login(kafka):
    """After version 0 of the handshake the credentials come without a header, and so does the answer."""
    assert sasl(kafka, "PLAIN", version=0)[0] == NONE
    kafka.send_bytes(framed(b"\0guest\0guest"))
    size = struct.unpack(">i", exactly(kafka.socket, 4))[0]
    assert size == 0
    assert kafka.api_versions()[0] == NONE


def exactly(stream: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = stream.recv(count - len(data))
        assert more, "the server closed the connection"
        data += more
    return data


# Noise


def session(topic: str) -> List[bytes]:
    """The requests of an honest client."""
    plan = [(API_VERSIONS, 3, compact("wire") + compact("1") + TAGS), (METADATA, 8, array([string(topic)]) + bytes(3)),
            (FIND_COORDINATOR, 2, string("noise") + i8(0)), (INIT_PRODUCER_ID, 1, string(None) + i32(1000)),
            (PRODUCE, 8, produce_body(topic, batch([b"a", b"b"]))),
            (PRODUCE, 8, produce_body(topic, batch([b"c"], codec=GZIP))),
            (LIST_OFFSETS, 5, i32(-1) + i8(0) + array([string(topic) + array([i32(0) + i32(-1) + i64(-1)])])),
            (FETCH, 11, fetch_body({(topic, 0): 0})), (JOIN_GROUP, 5, join_body("noise", "", None, 6000, 6000, [])),
            (OFFSET_FETCH, 5, string("noise") + array([string(topic) + array([i32(0)])])),
            (HEARTBEAT, 3, string("noise") + i32(1) + string("m") + string(None)),
            (CREATE_TOPICS, 4, array([string(topic) + i32(1) + i16(1) + i32(0) + i32(0)]) + i32(1000) + i8(0))]
    return [request(key, version, body, number) for number, (key, version, body) in enumerate(plan)]


def mutated(choices: random.Random, parts: List[bytes]) -> bytes:
    """One to four changes: of bytes, of whole requests, of numbers that look like sizes."""
    parts = list(parts)
    for _ in range(choices.randint(1, 4)):
        kind, index = choices.randrange(5), choices.randrange(len(parts))
        part = bytearray(parts[index])
        place = choices.randrange(4, len(part)) if len(part) > 4 else 0
        if kind == 0 and part:
            part[place] ^= 1 << choices.randrange(8)
        elif kind == 1:
            part[place:place + 4] = choices.choice(
                (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\x80\0\0\0"))
        elif kind == 2:
            del part[place:place + choices.randint(1, 8)]
        elif kind == 3:
            part[place:place] = choices.getrandbits(64).to_bytes(8, "big")[:choices.randint(1, 8)]
        else:
            other = choices.randrange(len(parts))
            parts[other], part = bytes(part), bytearray(parts[other])
        if choices.random() < 0.8:  # the frame stays whole mostly, so that what it holds is read
            part[:4] = i32(max(0, len(part) - 4))
        parts[index] = bytes(part)
    return b"".join(parts)


def test_a_recorded_session_mutated(kafka, kafka_address):
    choices, parts = random.Random(seed()), session(kafka.new_topic("noise"))
    with Wire(kafka_address) as wire:
        wire.send_bytes(b"".join(parts))
        for _ in parts:
            wire.frame()
    for _ in range(setting("COLA_HOSTILE_ROUNDS", short=150, long=3_000)):
        with Wire(kafka_address) as wire:
            push(wire.socket, mutated(choices, parts))
            swallow(wire.socket, timeout=0.02)


def test_random_bytes(kafka_address):
    choices = random.Random(seed())
    for _ in range(setting("COLA_HOSTILE_ROUNDS", short=60, long=2_000)):
        with Wire(kafka_address) as wire:
            noise = choices.getrandbits(8 * 4096).to_bytes(4096, "big")
            push(wire.socket, noise if choices.random() < 0.3 else framed(i16(choices.randrange(70)) + noise))


# Those who are slow


def test_many_half_open_connections(kafka_address):
    """They said nothing, or the beginning of a request, and then no more."""
    whole = request(API_VERSIONS, 0, b"", 1)
    streams = []
    try:
        for index in range(setting("COLA_HALF_OPEN", short=500, long=5_000)):
            streams.append(socket.create_connection(kafka_address, 10))
            streams[-1].sendall(whole[:index % len(whole)])
        with Wire(kafka_address) as wire:
            assert wire.api_versions()[0] == NONE
    finally:
        for stream in streams:
            stream.close()


def test_large_requests_that_never_end(kafka_address):
    """Their sizes are allowed, and nothing is set aside for them before it comes."""
    streams = []
    try:
        for _ in range(100):
            streams.append(socket.create_connection(kafka_address, 10))
            streams[-1].sendall(i32(90 << 20) + i16(PRODUCE) + i16(8) + bytes(1000))
        with Wire(kafka_address) as wire:
            assert wire.api_versions()[0] == NONE
    finally:
        for stream in streams:
            stream.close()


@pytest.mark.parametrize("kind", ["fetches", "metadata"])
def test_one_who_never_reads_the_answers(shared_broker, kafka, kafka_address, kind):
    """The server stops reading from it, rather than keep its answers."""
    topic = kafka.new_topic()
    large = batch([bytes(900_000)])
    for _ in range(8):
        assert kafka.produce(topic, large).error == NONE
    body = fetch_body({(topic, 0): 0}, partition_max=8 << 20)
    asked = request(FETCH, 11, body, 1) if kind == "fetches" else request(METADATA, 8, i32(-1) + bytes(3), 1)
    before = shared_broker.resident_bytes()
    with Wire(kafka_address) as wire:
        wire.socket.setblocking(False)
        requests = memoryview(asked * (2_000_000 // len(asked)))
        sent, deadline = 0, time.monotonic() + 2
        while time.monotonic() < deadline and sent < 200 * 2**20:
            try:
                sent += wire.socket.send(requests[sent % len(requests):])
            except BlockingIOError:
                time.sleep(0.01)
            except (BrokenPipeError, ConnectionResetError):
                break
        growth = shared_broker.resident_bytes() - before
    assert growth < GROWTH_MAX, "grew by %.0f MiB" % (growth / 2**20)
    assert sent < 200 * 2**20, "the server took %d bytes of requests without having its answers read" % sent

"""AMQP through TLS: what the server shows, whom it lets in, and certificates that are renewed while it runs."""
from __future__ import annotations

import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import struct
import time
from typing import Callable, Optional

import pytest

from broker import REPOSITORY
from cli import NOT_PERMITTED, USAGE, cola

BAD_CONFIGURATION = 78
CERTIFICATES = REPOSITORY / "Tests" / "ColaTLSTests" / "Certificates"


class Refused(Exception):
    """The server has said why it ends the connection."""


class Connection:
    """As much of a client of AMQP 0-9-1 as says that a connection works."""

    def __init__(self, stream: socket.socket, mechanism: bytes = b"PLAIN", response: bytes = b"\0guest\0guest"):
        self.stream = stream
        self.stream.settimeout(20)
        self.stream.sendall(b"AMQP\0\0\x09\x01")
        start = self.expect(10, 10)
        self.mechanisms = start[6 + struct.unpack(">I", start[2:6])[0]:][4:].partition(b"\0")[0].split()
        capable = short(b"capabilities") + b"F" + long(short(b"authentication_failure_close") + b"t\1")
        self.method(0, 10, 11, long(capable), short(mechanism), long(response), short(b"en_US"))
        _, _, frame_max, _ = struct.unpack(">HHIH", b"\0\0" + self.expect(10, 30))
        self.method(0, 10, 31, struct.pack(">HIH", 10, frame_max, 0))
        self.method(0, 10, 40, short(b"/"), short(b""), b"\0")
        self.expect(10, 41)
        self.method(1, 20, 10, short(b""))
        self.expect(20, 11)

    def read(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            part = self.stream.recv(count - len(found))
            if not part:
                raise EOFError("the server has closed the connection")
            found += part
        return found

    def frame(self) -> tuple:
        kind, _, size = struct.unpack(">BHI", self.read(7))
        payload = self.read(size)
        assert self.read(1) == b"\xce"
        return kind, payload

    def expect(self, class_id: int, method_id: int) -> bytes:
        kind, payload = self.frame()
        if payload.startswith(b"\0\x0a\0\x32") and (class_id, method_id) != (10, 50):
            raise Refused(payload[7:7 + payload[6]].decode())
        assert (kind, *struct.unpack(">HH", payload[:4])) == (1, class_id, method_id), payload
        return payload[4:]

    def send(self, kind: int, channel: int, payload: bytes) -> None:
        self.stream.sendall(struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce")

    def method(self, channel: int, class_id: int, method_id: int, *arguments: bytes) -> None:
        self.send(1, channel, struct.pack(">HH", class_id, method_id) + b"".join(arguments))

    def round_trip(self, body: bytes) -> None:
        """Through a queue and back; a frame holds at most 4096 bytes here."""
        self.method(1, 50, 10, b"\0\0", short(b"secret"), b"\0", long(b""))
        self.expect(50, 11)
        self.method(1, 60, 40, b"\0\0", short(b""), short(b"secret"), b"\0")
        self.send(2, 1, struct.pack(">HHQH", 60, 0, len(body), 0))
        for start in range(0, len(body), 4088):
            self.send(3, 1, body[start:start + 4088])
        self.method(1, 60, 70, b"\0\0", short(b"secret"), b"\1")
        self.expect(60, 71)
        _, header = self.frame()
        assert struct.unpack(">Q", header[4:12]) == (len(body),)
        found = b""
        while len(found) < len(body):
            found += self.frame()[1]
        assert found == body

    def close(self) -> None:
        self.method(0, 10, 50, struct.pack(">H", 200), short(b""), b"\0" * 4)
        self.expect(10, 51)
        self.stream.close()


def short(text: bytes) -> bytes:
    return bytes([len(text)]) + text


def long(text: bytes) -> bytes:
    return struct.pack(">I", len(text)) + text


@pytest.fixture
def files(tmp_path):
    """The certificates of the tests, with the modes that they should have."""
    for path in CERTIFICATES.glob("*.pem"):
        shutil.copyfile(path, tmp_path / path.name)
        (tmp_path / path.name).chmod(0o600 if "-key" in path.name else 0o644)
    return tmp_path


def settings(files: pathlib.Path, name: str = "server", authorities: bool = False) -> list:
    made = ["--amqps", "127.0.0.1:0", "--tls-certificate", str(files / ("%s.pem" % name))]
    made += ["--tls-key", str(files / ("%s-key.pem" % name))]
    return made + (["--tls-ca", str(files / "authority.pem")] if authorities else [])


@pytest.fixture
def server(new_broker, files):
    def start(**options):
        broker = new_broker(*settings(files, **options))
        broker.start()
        return broker

    return start


def connect(broker, files: pathlib.Path, client: Optional[str] = None, **versions) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=str(files / "authority.pem"))
    for name, version in versions.items():
        setattr(context, name, version)
    if client:
        context.load_cert_chain(files / ("%s.pem" % client), files / ("%s-key.pem" % client))
    host, _, port = broker.amqps.rpartition("//")[2].rpartition(":")
    return context.wrap_socket(socket.create_connection((host, int(port)), 20), server_hostname="localhost")


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "not so after 20 s: %s" % what
        time.sleep(0.05)


def units(stream: ssl.SSLSocket) -> list:
    """The organizational units of the server's certificate, by which the tests tell its certificates apart."""
    parts = [pair for part in stream.getpeercert()["subject"] for pair in part]
    return [value for name, value in parts if name == "organizationalUnitName"]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_messages_pass_through_tls(server, files, version):
    broker = server()
    connection = Connection(connect(broker, files, minimum_version=version, maximum_version=version))
    connection.round_trip(os.urandom(300_000))
    connection.round_trip(b"")
    connection.close()
    assert broker.terminate().code == 0


def test_a_client_may_show_a_certificate_that_an_authority_has_signed(server, files):
    broker = server(authorities=True)
    for client in ("client", None):
        connection = Connection(connect(broker, files, client))
        connection.round_trip(b"hello")
        connection.close()
    with pytest.raises((ssl.SSLError, ConnectionError, EOFError)):
        Connection(connect(broker, files, "stranger-client"))
    until(lambda: "no TLS with a client" in broker.stderr(), "the log says so")


# As openssl spells it: openssl x509 -in client.pem -noout -subject -nameopt RFC2253,-esc_msb,utf8
NAME = r'CN=Ana Äpfel\ ,EMAILADDRESS=ana@example.com,OU=\#1+UID=7,O=Cola\, Inc. \"tests\",DC=example,C=DE'


@pytest.mark.parametrize("part, name", [("distinguished-name", NAME), ("common-name", "Ana Äpfel ")], ids=["all", "CN"])
def test_a_certificate_is_a_login_of_the_user_that_it_names(new_broker, files, part, name):
    broker = new_broker(*settings(files, authorities=True), "--tls-user", part)
    broker.start()

    def log_in(client):
        return Connection(connect(broker, files, client), b"EXTERNAL", b"")

    with pytest.raises(Refused) as refused:
        log_in("client")
    assert "whether there is a user " + name in str(refused.value)
    cola("users", "add", name, "--no-password", url=broker.unix).succeeds()
    everything = ["--configure", ".*", "--write", ".*", "--read", ".*"]
    cola("permissions", "set", name, *everything, url=broker.unix).succeeds()
    connection = log_in("client")
    assert connection.mechanisms == [b"PLAIN", b"AMQPLAIN", b"EXTERNAL"]
    connection.round_trip(b"hello")
    listed = cola("connections", "--json", url=broker.unix).succeeds().out
    assert [row["user"] for row in json.loads(listed) if row["protocol"] == "amqps"] == [name]
    with pytest.raises(Refused):
        Connection(connect(broker, files, "client"), b"PLAIN", b"\0" + name.encode() + b"\0")
    with pytest.raises(Refused):
        log_in(None)
    assert Connection(connect(broker, files)).mechanisms == [b"PLAIN", b"AMQPLAIN"]


def test_whoever_speaks_no_tls_costs_nobody_else_anything(server, files):
    broker = server()
    host, _, port = broker.amqps.rpartition("//")[2].rpartition(":")
    with socket.create_connection((host, int(port)), 20) as plain:
        plain.sendall(b"AMQP\0\0\x09\x01")
        plain.settimeout(20)
        while plain.recv(4096):
            pass
    silent = socket.create_connection((host, int(port)), 20)
    connection = Connection(connect(broker, files))
    connection.round_trip(b"hello")
    silent.settimeout(30)
    assert silent.recv(1) == b"", "who says nothing is waited for 10 s"


def test_renewed_certificates_are_shown_to_new_connections(server, files):
    broker = server()
    old = Connection(connect(broker, files))
    assert "nothing has changed" in cola("reload", url=broker.unix).succeeds().err
    for part in (".pem", "-key.pem"):
        os.replace(files / ("renewed" + part), files / ("server" + part))
    dry = cola("reload", "--dry-run", url=broker.unix).succeeds()
    assert dry.lines() == ["certificates: others are in the files (hold at once)"]
    assert units(connect(broker, files)) == []
    cola("reload", url=broker.unix).succeeds()
    new = connect(broker, files)
    assert units(new) == ["Renewed"]
    Connection(new).round_trip(b"new")
    old.round_trip(b"old")


def test_a_broken_file_leaves_the_old_certificate_in_place(server, files):
    broker = server()
    (files / "server.pem").write_text("no certificate")
    words = ["server.pem (tls-certificate)", "nothing was changed"]
    cola("reload", url=broker.unix).fails(BAD_CONFIGURATION, *words)
    before = broker.stderr().count("tls-certificate")
    broker.process.send_signal(signal.SIGHUP)
    until(lambda: broker.stderr().count("tls-certificate") > before, "SIGHUP says it in the log")
    Connection(connect(broker, files)).round_trip(b"hello")
    shutil.copyfile(files / "renewed.pem", files / "server.pem")
    cola("reload", url=broker.unix).fails(BAD_CONFIGURATION, "is not the key of", "nothing was changed")
    assert units(connect(broker, files)) == []
    shutil.copyfile(files / "renewed-key.pem", files / "server-key.pem")
    broker.process.send_signal(signal.SIGHUP)
    until(lambda: units(connect(broker, files)) == ["Renewed"], "new connections get what is whole again")


def test_a_server_does_not_start_with_files_that_cannot_be_used(new_broker, files):
    def refuse(code, *words, arguments):
        ended = new_broker(*arguments).refuse()
        assert ended.code == code, ended.stderr
        for word in words:
            assert word in ended.stderr

    refuse(USAGE, "tls-key", "amqps", arguments=settings(files)[:-2])
    refuse(USAGE, "tls-certificate", "amqps", arguments=["--amqps", "127.0.0.1:0"])
    refuse(BAD_CONFIGURATION, "nothing.pem (tls-certificate)", arguments=settings(files, "nothing"))
    (files / "server-key.pem").chmod(0o644)
    refuse(NOT_PERMITTED, "server-key.pem", "mode 644", "chmod 600", arguments=settings(files))

"""Connecting, single requests and the end of a connection."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

import cola
from cola._address import Address
from fake_server import FakeServer, Peer


def test_hello_over_a_unix_socket_names_nobody(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.expect(b"hello 1 t=1 client=two%20words\n")
        peer.send(b"ok t=1 version=1 server=Cola/9 user=root admin=yes heartbeat=0 line=65536 body=77 features=a,b\n")
        peer.take_leave()

    with FakeServer(tmp_path, script) as server, cola.connect(server.url, client="two words") as client:
        assert (client.server, client.user, client.is_admin, client.body_max) == ("Cola/9", "root", True, 77)
        assert client.features == {"a", "b"}


@pytest.mark.parametrize(
    "login, line",
    [("", b"user=guest password=guest"), ("ana:p%40ss@", b"user=ana password=p@ss")],
)
def test_hello_over_tcp_names_the_user(tmp_path: Path, login: str, line: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.expect(b"hello 1 t=1 " + line + b"\n")
        peer.send(b"ok t=1 version=1\n")
        peer.take_leave()

    with FakeServer(tmp_path, script, tcp=True) as server:
        with cola.connect(server.url.replace("//", "//" + login), timeout=5) as client:
            assert client.body_max == 16_777_216


def test_the_environment_names_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLA_URL", "tcp://127.0.0.1")
    address = Address()
    assert (address.host, address.port, address.is_unix) == ("127.0.0.1", 7672, False)
    monkeypatch.delenv("COLA_URL")
    assert Address().path == "./cola-data/cola.sock"


@pytest.mark.parametrize("url, path", [
    ("unix:///run/cola.sock", "/run/cola.sock"), ("unix:/run/cola.sock", "/run/cola.sock"),
    ("unix:./cola-data/cola.sock", "./cola-data/cola.sock"), ("unix://cola.sock", "cola.sock"),
])
def test_a_url_that_the_command_line_takes_is_taken_here(url: str, path: str) -> None:
    assert Address(url).path == path


@pytest.mark.parametrize("url", ["", "http://x", "unix:", "unix://", "tcp://", "/path/cola.sock"])
def test_a_url_of_another_form_is_explained(url: str) -> None:
    with pytest.raises(ValueError, match="tcp://HOST:PORT"):
        Address(url or "nothing")


@pytest.mark.parametrize("url", ["tcp://localhost/orders", "tcp://localhost:1/?x=y"])
def test_a_virtual_host_is_not_named_by_a_url(url: str) -> None:
    with pytest.raises(ValueError, match="vhost="):
        Address(url)


def test_a_password_is_never_shown() -> None:
    with pytest.raises(cola.Unreachable) as caught:
        cola.connect("tcp://ana:secret@127.0.0.1:1", timeout=2)
    assert "secret" not in str(caught.value)
    assert "tcp://127.0.0.1:1" in str(caught.value)


def test_a_missing_server_is_explained(tmp_path: Path) -> None:
    with pytest.raises(cola.Unreachable, match="cola serve"):
        cola.connect(f"unix://{tmp_path}/none.sock")


def test_a_wrong_password_is_its_own_error(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.line()
        peer.send(b"err t=1 unauthenticated final the password is wrong\nbye unauthenticated the password is wrong\n")

    with FakeServer(tmp_path, script) as server:
        with pytest.raises(cola.Unauthenticated, match="unauthenticated: the password is wrong"):
            server.connect()


def test_a_full_server_is_its_own_error(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.send(b"bye busy 10000 connections are open\n")
        peer.line()

    with FakeServer(tmp_path, script) as server:
        with pytest.raises(cola.Busy, match="10000 connections") as caught:
            server.connect()
        assert caught.value.retryable


def test_requests_and_what_they_return(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        for line, answer in (
            (b"declare queue a%20b t=2\n", b"ok t=2 ready=7\n"),
            (b"declare topic e t=3\n", b"ok t=3 ready=0\n"),
            (b"declare exchange x t=4 type=fanout\n", b"ok t=4\n"),
            (b"bind x q t=5 key=k\n", b"ok t=5\n"),
            (b"unbind x q t=6\n", b"ok t=6\n"),
            (b"purge q t=7\n", b"ok t=7 messages=5\n"),
            (b"delete queue q t=8\n", b"ok t=8 messages=6\n"),
            (b"delete topic e t=9\n", b"ok t=9 messages=0\n"),
            (b"delete exchange x t=10\n", b"ok t=10\n"),
            (b"commit e g 43 t=11\n", b"ok t=11\n"),
            (b"list queues t=12\n", b'ok t=12 size=14\n[{"name":"q"}]\n'),
            (b"stat t=13\n", b'ok t=13 size=11\n{"epoch":3}\n'),
            (b"ping t=14\n", b"ok t=14\n"),
        ):
            peer.expect(line)
            peer.send(answer)
        peer.take_leave()

    with FakeServer(tmp_path, script) as server, server.connect() as client:
        assert client.declare_queue("a b") == 7
        assert client.declare_topic("e") == 0
        client.declare_exchange("x", "fanout")
        client.bind("x", "q", "k")
        client.unbind("x", "q")
        assert client.purge("q") == 5
        assert client.delete_queue("q") == 6
        assert client.delete_topic("e") == 0
        client.delete_exchange("x")
        client.commit("e", "g", 43)
        assert client.list_queues() == [{"name": "q"}]
        assert client.stat() == {"epoch": 3}
        client.ping()


def test_get_and_peek(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        peer.expect(b"get q t=2 ack=auto\n")
        peer.send(b"ok t=2 empty=yes\n")
        peer.expect(b"get q t=3 ack=manual\n")
        peer.send(b"ok t=3 delivery=1 offset=9 size=2 r=1 ts=5 key=a%20b h.n%3D=v%25\nhi\n")
        peer.expect(b"ack 1\npeek q t=4 from=9 count=2\n")
        peer.send(b"msg 0 0 9 1 ts=6\nx\nmsg 0 0 11 1 h.a=b\ny\nok t=4 count=2\n")
        peer.take_leave()

    with FakeServer(tmp_path, script) as server, server.connect() as client:
        assert client.get("q") is None
        delivery = client.get("q", ack="manual")
        assert delivery is not None
        assert (delivery.body, delivery.offset, delivery.releases, delivery.timestamp) == (b"hi", 9, 1, 5)
        assert (delivery.key, delivery.headers) == (b"a b", {"n=": "v%"})
        delivery.ack()
        first, second = client.peek("q", 9, 2)
        assert (first.offset, first.body, first.timestamp, first.redelivered) == (9, b"x", 6, False)
        assert (second.offset, second.body, second.headers) == (11, b"y", {"a": "b"})


def test_browse_goes_on_where_the_answer_says(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        peer.expect(b"peek q t=2 from=0 count=1000\n")
        peer.send(b"msg 0 0 8 1\na\nok t=2 count=1 next=9 priority=5\n")
        peer.expect(b"peek q t=3 from=9 count=1000 priority=5\n")
        peer.send(b"msg 0 0 0 1\nb\nok t=3 count=1 next=1\n")
        peer.expect(b"peek q t=4 from=1 count=1000 priority=0\n")
        peer.send(b"ok t=4 count=0\n")
        peer.take_leave()

    with FakeServer(tmp_path, script) as server, server.connect() as client:
        assert [message.body for message in client.browse("q")] == [b"a", b"b"]


def test_peeked_messages_may_come_before_older_answers(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        peer.expect(b"pub q 1 t=2\nx\npeek q t=3 count=1\n")
        peer.send(b"msg 0 0 9 1\nx\nok t=2\nok t=3 count=1\n")
        peer.take_leave()

    with FakeServer(tmp_path, script) as server, server.connect() as client:
        with client.publisher() as publisher:
            publisher.publish("q", "x")
            (message,) = client.peek("q")
        assert (message.offset, message.body) == (9, b"x")


def test_a_refusal_is_an_error_with_its_code(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        peer.expect(b"pub nowhere 2 t=2\nhi\n")
        peer.send(b"err t=2 unroutable final no queue is named 'nowhere'\n")
        peer.expect(b"pub q 2 t=3 x=e key=k h.a=b mandatory=no\nhi\n")
        peer.send(b"err t=3 blocked retry the disk is full\n")
        peer.expect(b"ping t=4\n")
        peer.send(b"err t=4 something_new retry that a later server says\n")
        peer.take_leave()

    with FakeServer(tmp_path, script) as server, server.connect() as client:
        with pytest.raises(cola.Unroutable) as unroutable:
            client.publish("nowhere", "hi")
        assert (unroutable.value.code, unroutable.value.retryable) == ("unroutable", False)
        with pytest.raises(cola.Blocked) as blocked:
            client.publish("q", "hi", exchange="e", key="k", headers={"a": "b"}, mandatory=False)
        assert blocked.value.retryable
        with pytest.raises(cola.ColaError) as other:
            client.ping()
        assert (other.value.code, other.value.retryable) == ("something_new", True)


def test_publish_many_is_one_request(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        peer.expect(b"pubs q 2 t=2\n3\none\n0\n\n")
        peer.send(b"ok t=2\n")
        peer.take_leave()

    with FakeServer(tmp_path, script) as server, server.connect() as client:
        client.publish_many("q", ["one", b""])


def test_too_large_a_body_is_not_sent(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.welcome(body_max=10)
        peer.take_leave()

    with FakeServer(tmp_path, script) as server, server.connect() as client:
        with pytest.raises(cola.TooLarge, match="body-max"):
            client.publish("q", b"x" * 11)
        with pytest.raises(cola.TooLarge):
            client.publish_many("q", [b"x" * 6, b"x" * 5])
        with pytest.raises(cola.TooLarge), client.publisher() as publisher:
            publisher.publish("q", b"x" * 11)


def test_a_late_answer_belongs_to_its_own_request(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        peer.send(b"blocked the disk is full\n")
        peer.expect(b"pub q 1 t=2\nx\n")
        peer.expect(b"ping t=3\n")
        peer.send(b"unblocked\nok t=2\nok t=3\n")
        peer.take_leave()

    with FakeServer(tmp_path, script) as server, server.connect() as client:
        client.timeout = 0.1
        with pytest.raises(cola.NoAnswer, match="publish 1 bytes to 'q'.*may still be.*the disk is full") as caught:
            client.publish("q", "x")
        assert isinstance(caught.value, TimeoutError)
        client.timeout = 5
        client.ping()
        assert client.blocked is None


def test_a_lost_connection_names_what_was_in_flight(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        peer.line()
        peer.send(b"msg 1 1 0 1\nx\nok t=2\n")
        peer.expect(b"pub q 1 t=3\nx\n")
        peer.send(b"bye shutting_down the server is stopping\n")

    with FakeServer(tmp_path, script) as server, server.connect() as client:
        client.consume("q")
        with pytest.raises(cola.ConnectionLost) as caught:
            client.publish("q", "x")
        assert caught.value.in_flight == ("publish 1 bytes to 'q'",)
        assert caught.value.unacknowledged == 1
        assert "shutting_down: the server is stopping" in str(caught.value)
        assert not client.is_open
        with pytest.raises(cola.ConnectionLost, match="shutting_down"):
            client.ping()


@pytest.mark.parametrize("garbage", [b"HTTP/1.1 400 Bad Request\r\n", b"ok t=17\n", b"ok\n", b"ok t=2-9\n"])
def test_answers_that_fit_nothing_end_the_connection(tmp_path: Path, garbage: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        peer.expect(b"ping t=2\n")
        peer.send(garbage)
        peer.expect_end()

    with FakeServer(tmp_path, script) as server, server.connect() as client:
        try:
            client.ping()
        except cola.ConnectionLost as problem:
            assert "does not speak the protocol" in str(problem)
        else:
            assert garbage == b"ok t=2-9\n"  # answered, and then lost
        assert not client.is_open


def test_an_idle_connection_beats(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.expect(b"hello 1 t=1 heartbeat=1\n")
        peer.send(b"ok t=1 version=1 heartbeat=1\n")
        for _ in range(3):
            started = time.monotonic()
            peer.expect(b"beat\n")
            assert time.monotonic() - started < 1.5
            peer.send(b"beat\n")
        for verb in (b"ping", b"quit"):
            while (line := peer.line()) == b"beat\n":
                pass
            assert line.startswith(verb)
            peer.send(b"ok " + line.split()[1] + b"\n")

    with FakeServer(tmp_path, script) as server, server.connect(heartbeat=1) as client:
        time.sleep(1.2)
        client.ping()


def test_who_waits_when_the_client_gives_up_hears_why(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        while peer.line():
            pass

    with FakeServer(tmp_path, script) as server, server.connect(timeout=8) as client:
        connection = client._session.connection
        lose = connection._lose

        def lose_late(reason: str) -> None:
            if threading.current_thread() is giving_up:
                time.sleep(0.3)  # as if the thread that waits had been quicker
            lose(reason)

        setattr(connection, "_lose", lose_late)
        giving_up = threading.Timer(0.1, connection.lose, ["enough of it"])
        giving_up.start()
        with pytest.raises(cola.ConnectionLost, match="enough of it"):
            client.ping()
        giving_up.join()


def test_a_silent_server_is_given_up(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.welcome(heartbeat=1)
        while peer.line():
            pass

    # Silence counts from the welcome on; a client that waits longer than it should ends by its timeout.
    started = time.monotonic()
    with FakeServer(tmp_path, script) as server, server.connect(heartbeat=1, timeout=8) as client:
        with pytest.raises(cola.ConnectionLost, match="nothing came"):
            client.ping()
        assert time.monotonic() - started > 1.5

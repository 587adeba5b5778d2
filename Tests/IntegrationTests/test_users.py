"""Users, passwords, permissions and limits of a real server."""
from __future__ import annotations

import base64
import json
import os
import pty
import socket
import subprocess
import time
from typing import Any, List, Optional

import pika
import pika.exceptions
import pytest

from broker import Broker, binary
from cli import NOT_PERMITTED, REFUSED, USAGE, Result, environment
import amqp
import cli
import native

CANARY = "canary-5e5ame-street"


def cola(broker: Broker, *arguments: str, input: str = "") -> Result:
    return cli.cola(*arguments, url=broker.unix, input=input)


def log_in(broker: Broker, user: str, password: str, vhost: Optional[str] = None) -> native.Connection:
    hello = "hello 1 user=%s password=%s" % (user, password)
    return native.Connection(broker.tcp, 30, hello + (" vhost=%s" % vhost if vhost else ""))


def code(connection: native.Connection, line: str, body: Optional[bytes] = None) -> str:
    answer = connection.call(line, body)
    return "ok" if answer.ok else answer.code


def refusal(broker: Broker, user: str, password: str, vhost: Optional[str] = None, url: Optional[str] = None) -> Any:
    with native.Connection(url or broker.tcp, 30, "") as connection:
        hello = "hello 1 user=%s password=%s" % (user, password)
        return connection.call(hello + (" vhost=%s" % vhost if vhost else ""))


def add(broker: Broker, user: str, password: str, *arguments: str) -> None:
    result = cola(broker, "users", "add", user, "--password-stdin", *arguments, input=password + "\n")
    assert result.code == 0, result.err


def rows(broker: Broker, *command: str) -> List[Any]:
    result = cola(broker, *command, "--json")
    assert result.code == 0, result.err
    return json.loads(result.out)


def test_users_survive_a_restart_and_their_passwords_are_nowhere(new_broker):
    broker = new_broker("--log-level", "debug")
    broker.start()
    add(broker, "ana", CANARY, "--tags", "administrator,night")
    assert not refusal(broker, "ana", "wrong").ok
    for arguments in [
            ("permissions", "set", "ana", "--configure", ".*", "--write", ".*", "--read", ".*"),
            ("vhosts", "add", "shop", "--description", "Orders and stock", "--tags", "eu"),
            ("vhosts", "limits", "shop", "--max-queues", "1"),
            ("permissions", "set", "ana", "--vhost", "shop", "--configure", "^a", "--write", "", "--read", ""),
            ("permissions", "set", "ana", "--exchange", "amq.topic", "--write", "^{username}$", "--read", "x"),
            ("users", "limits", "ana", "--max-connections", "3"),
            ("users", "delete", "guest")]:
        result = cola(broker, *arguments)
        assert (result.code, result.out) == (0, b""), result.err
    broker.kill()
    log = broker.stderr()
    broker.start()
    with log_in(broker, "ana", CANARY) as connection:
        assert connection.ok("declare queue q").ok
        users = {row["name"]: row for row in connection.ok("list users").json()}
    assert "guest" not in users
    assert users["ana"]["tags"] == ["administrator", "night"] and users["ana"]["max-connections"] == 3
    assert users["ana"]["administrator"] is True and users["ana"]["vhosts"] == ["/", "shop"]
    assert [row["write"] for row in rows(broker, "permissions", "topics")] == ["^{username}$"]
    shop = [row for row in rows(broker, "vhosts") if row["name"] == "shop"][0]
    assert (shop["description"], shop["tags"], shop["max-queues"]) == ("Orders and stock", ["eu"], 1)
    assert not refusal(broker, "guest", "guest").ok
    broker.terminate()
    assert "a login failed" in log
    for text in [log, broker.stderr(), "%r" % users]:
        assert CANARY not in text
    for path in broker.data.rglob("*"):
        assert not path.is_file() or CANARY.encode() not in path.read_bytes(), path


def test_a_password_changes_and_the_old_one_is_forgotten(broker):
    add(broker, "ana", "first")
    assert cola(broker, "permissions", "set", "ana", "--configure", "", "--write", "", "--read", "").code == 0
    log_in(broker, "ana", "first").close()
    log_in(broker, "ana", "first").close()  # known by now
    result = cola(broker, "users", "password", "ana", "--password-stdin", input="second\n")
    assert result.code == 0, result.err
    assert refusal(broker, "ana", "first").code == "unauthenticated"
    log_in(broker, "ana", "second").close()
    assert cola(broker, "users", "password", "ana", "--no-password").code == 0
    assert refusal(broker, "ana", "second").code == "unauthenticated"
    assert refusal(broker, "ana", "").code == "unauthenticated"


def test_who_was_right_once_is_known_again_at_once(broker):
    add(broker, "ana", "sesame")
    assert cola(broker, "permissions", "set", "ana", "--configure", "", "--write", "", "--read", "").code == 0
    log_in(broker, "ana", "sesame").close()
    before = broker.cpu_seconds()
    for _ in range(200):
        log_in(broker, "ana", "sesame").close()
    # Each hash alone takes a tenth of a second and more.
    assert broker.cpu_seconds() - before < 10


def test_nobody_waits_for_the_hash_of_others(broker):
    """While passwords are looked at, messages go on."""
    add(broker, "ana", "sesame")
    waiting = [native.Connection(broker.tcp, 60, "") for _ in range(8)]
    for number, connection in enumerate(waiting):
        connection.send("hello 1 user=ana password=wrong%d" % number)
    with native.Connection(broker.unix) as connection:
        connection.ok("declare queue q")
        for _ in range(20):
            connection.ok("pub q 1", b"x")
        assert len([row for row in connection.ok("list queues").json()]) == 1
    for connection in waiting:
        assert connection.answer(60).code == "unauthenticated"
        connection.close()


def test_what_is_sent_behind_a_hello_is_done_afterwards(broker):
    add(broker, "ana", "sesame")
    result = cola(broker, "permissions", "set", "ana", "--configure", ".*", "--write", ".*", "--read", ".*")
    assert result.code == 0, result.err
    with native.Connection(broker.tcp, 30, "") as connection:
        connection.send_bytes(b"hello 1 user=ana password=sesame\ndeclare queue q\npub q 1\nx\nget q\nquit\n")
        connection.stream.shutdown(socket.SHUT_WR)
        assert [connection.answer(30).ok for _ in range(5)] == [True] * 5


def own_address() -> Optional[str]:
    """An address of this machine that is not loopback; what is sent to it from here never leaves the machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # of nobody; nothing is sent
        except OSError:
            return None
        address = probe.getsockname()[0]
    return None if address.startswith("127.") else address


@pytest.mark.skipif(own_address() is None, reason="this machine has no address but loopback")
def test_an_address_that_is_wrong_too_often_is_not_looked_at(new_broker):
    broker = new_broker()
    broker.native = "%s:0" % own_address()
    broker.start()
    url = "tcp://%s:%s" % (own_address(), broker.tcp.rpartition(":")[2])
    add(broker, "ana", "sesame")
    assert refusal(broker, "guest", "guest", url=url).code == "unauthenticated"  # from loopback only
    for _ in range(12):
        answer = refusal(broker, "ana", "wrong", url=url)
        assert answer.code == "unauthenticated"
        if "too many wrong passwords" in answer.sentence:
            break
    assert "too many wrong passwords" in answer.sentence, answer
    # The right one is not looked at, either.
    assert "too many wrong passwords" in refusal(broker, "ana", "sesame", url=url).sentence


def test_a_user_may_do_what_the_patterns_say(broker):
    add(broker, "bob", "builder")
    with native.Connection(broker.unix) as ana:
        for line in [
                "declare queue orders", "declare queue secret", "declare exchange audit type=topic",
                "permit bob configure=^bob\\. write=^(bob\\..*|orders)$ read=^orders", "declare vhost shop"]:
            ana.ok(line)
        with log_in(broker, "bob", "builder") as bob:
            allowed = [
                "declare queue bob.q", "delete queue bob.q", "declare exchange bob.x type=fanout", "get orders",
                "purge orders", "consume orders c=1", "cancel 1", "list queues", "describe queue secret", "stat",
                "peek orders"]
            refused = [
                "declare queue secret", "declare queue q", "declare exchange audit type=topic", "delete queue secret",
                "delete queue none", "declare topic t", "bind audit orders key=k", "get secret", "peek secret",
                "purge secret", "consume secret c=2", "alter secret max-length=1", "declare queue %",
                "declare vhost mine", "policy p pattern=x max-length=1", "list users", "list permissions",
                "user eve password=x", "permit bob configure=.* write=.* read=.*", "delete user guest",
                "list workers", "reload", "delete vhost shop", "redrive orders",
                "declare queue bob.d dead-letter-exchange=audit"]
            for line in allowed:
                assert code(bob, line) == "ok", line
            for line in refused:
                assert code(bob, line) == "access_refused", line
            assert code(bob, "pub orders 1", b"x") == "access_refused"  # the exchange without a name
            assert code(bob, "pub orders 1 x=bob.x mandatory=no", b"x") == "ok"
            assert code(bob, "pub orders 1 x=audit", b"x") == "access_refused"
            answer = bob.call("get secret")
            assert answer.sentence.startswith("access to queue 'secret' in vhost '/' refused for user 'bob'")
            # A change holds at once.
            ana.ok("permit bob configure= write=^amq\\.default$ read=")
            assert code(bob, "pub orders 1", b"x") == "ok"
            assert code(bob, "get orders") == "access_refused"
            ana.ok("unpermit bob")
            assert code(bob, "pub orders 1", b"x") == "access_refused"
        assert refusal(broker, "bob", "builder").code == "access_refused"
        assert refusal(broker, "bob", "builder", "shop").code == "access_refused"
        assert refusal(broker, "bob", "builder", "none").code == "not_found"


def test_limits_of_users_and_virtual_hosts(broker):
    add(broker, "bob", "builder")
    with native.Connection(broker.unix) as ana:
        ana.ok("declare vhost shop max-connections=2 max-queues=1")
        for vhost in ["/", "shop"]:
            ana.ok("permit bob vhost=%s configure=.* write=.* read=.*" % vhost)
        ana.ok("user bob max-connections=2")
        first, second = log_in(broker, "bob", "builder", "shop"), log_in(broker, "bob", "builder", "shop")
        answer = refusal(broker, "bob", "builder", "shop")
        assert (answer.code, "connection limit (2) is reached" in answer.sentence) == ("limit", True), answer
        assert "user connection limit (2) is reached" in refusal(broker, "bob", "builder").sentence
        second.close()
        ana.ok("user bob max-connections=")
        log_in(broker, "bob", "builder").close()
        assert code(first, "declare queue q") == "ok"
        assert code(first, "declare queue r") == "limit"
        ana.ok("declare vhost shop max-queues=")
        assert code(first, "declare queue r") == "ok"
        first.close()


def amqp_log_in(broker, user: str, password: str) -> pika.BlockingConnection:
    return amqp.connect(amqp.address(broker.amqp), credentials=pika.PlainCredentials(user, password))


def test_the_channels_of_a_user_are_limited(broker):
    add(broker, "bob", "builder")
    with native.Connection(broker.unix) as ana:
        ana.ok("permit bob configure=.* write=.* read=.*")
        ana.ok("user bob max-channels=2")
    connection = amqp_log_in(broker, "bob", "builder")
    connection.channel()
    connection.channel().close()
    connection.channel()
    with pytest.raises(pika.exceptions.ConnectionClosedByBroker) as closed:
        connection.channel()
    assert closed.value.reply_code == 530 and "limit of (2)" in closed.value.reply_text


def test_answers_take_no_permission_but_that_to_ask(broker):
    add(broker, "bob", "builder")
    with native.Connection(broker.unix) as ana:
        ana.ok("permit bob configure=^$ write=^amq\\.default$ read=^$")
    with amqp_log_in(broker, "bob", "builder") as connection:
        channel = connection.channel()
        answers = amqp.Collector(channel, "amq.rabbitmq.reply-to", auto_ack=True)
        channel.basic_publish("", "nobody", b"?", pika.BasicProperties(reply_to="amq.rabbitmq.reply-to"))
        assert answers.deliveries == []
        with pytest.raises(pika.exceptions.ChannelClosedByBroker) as closed:
            channel.queue_declare("bobs")
        text = "access to queue 'bobs' in vhost '/' refused"
        assert closed.value.reply_code == 403 and text in closed.value.reply_text


def test_the_user_of_the_settings_comes_in_the_place_of_the_guest(new_broker):
    broker = new_broker(environment={"COLA_DEFAULT_USER": "ana", "COLA_DEFAULT_PASS": "first"})
    broker.start()
    with log_in(broker, "ana", "first") as connection:
        connection.ok("declare vhost shop")
        assert [row["name"] for row in connection.ok("list users").json() if row["authentication"] == "password"] \
            == ["ana"]
    log_in(broker, "ana", "first", "shop").close()
    assert not refusal(broker, "guest", "guest").ok
    broker.terminate()
    # What is stored counts, and that is said.
    broker.environment["COLA_DEFAULT_PASS"] = "second"
    broker.start()
    log_in(broker, "ana", "first").close()
    assert not refusal(broker, "ana", "second").ok
    deadline = time.monotonic() + 20
    while "default-pass is not the stored password" not in broker.stderr() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert "default-pass is not the stored password" in broker.stderr()
    broker.terminate()
    broker.environment.clear()
    broker.start()
    log_in(broker, "ana", "first").close()


def test_hashes_of_rabbitmq_verify(broker):
    """`ana` of a server 3.10.8, with the password `sesame and salt`."""
    stored = base64.b64decode("h/HB0ju3Kaalm1cUVR/UXBRouvquh61SAdQkvCX6VYzg++al")
    with native.Connection(broker.unix) as connection:
        connection.ok("user ana hash=rabbitmq-sha256:%s:%s" % (stored[:4].hex(), stored[4:].hex()))
        connection.ok("permit ana configure= write= read=")
    log_in(broker, "ana", "sesame%20and%20salt").close()
    assert not refusal(broker, "ana", "sesame").ok


def test_a_password_is_asked_for_without_showing_it(broker):
    def type_in(*lines: str) -> subprocess.CompletedProcess:
        leader, follower = pty.openpty()
        process = subprocess.Popen(
            [binary(), "users", "add", "ana", "--url", broker.unix], stdin=follower, stdout=follower, stderr=follower,
            env=environment(None), start_new_session=True)
        os.close(follower)
        shown = b""
        for line in lines:
            while not shown.endswith(b": "):
                shown += os.read(leader, 4096)
            time.sleep(0.1)  # the terminal is silent a moment after the question
            os.write(leader, line.encode() + b"\n")
            shown += b"|"
        assert process.wait(20) is not None
        try:
            while True:
                shown += os.read(leader, 4096)
        except OSError:
            pass
        os.close(leader)
        return subprocess.CompletedProcess([], process.returncode, shown.decode(), "")

    unequal = type_in(CANARY, "other")
    assert unequal.returncode == USAGE and "not the same" in unequal.stdout
    done = type_in(CANARY, CANARY)
    assert done.returncode == 0, done.stdout
    assert CANARY not in unequal.stdout + done.stdout
    # The user is there, and may do nothing yet.
    assert refusal(broker, "ana", CANARY).code == "access_refused"


def test_commands_say_what_is_wrong(broker):
    wrong = [
        (("users", "add", "ana"), USAGE, "--password-stdin"),
        (("users", "add", "guest", "--no-password"), REFUSED, "there is a user 'guest' already"),
        (("users", "tags", "nobody", "x"), REFUSED, "no user is named 'nobody'"),
        (("users", "limits", "guest"), USAGE, "say which limit"),
        (("users", "limits", "guest", "--max-channels", "many"), USAGE, "many"),
        (("users", "delete", "nobody"), REFUSED, "no user is named 'nobody'"),
        (("permissions", "set", "guest", "--write", "", "--read", ""), USAGE, "say --configure"),
        (("permissions", "set", "guest", "--configure", "(", "--write", "", "--read", ""), USAGE, "pattern"),
        (("permissions", "clear", "guest", "--exchange", "x"), REFUSED, "no such permissions"),
        (("vhosts", "limits", "none", "--max-queues", "1"), REFUSED, "no virtual host is named 'none'"),
        (("vhosts", "delete", "/"), NOT_PERMITTED, "always there"),
        (("users", "lst"), USAGE, "did you mean `cola users list`"),
    ]
    for arguments, exit_code, words in wrong:
        result = cola(broker, *arguments)
        assert result.code == exit_code, (arguments, result)
        assert words in result.err, (arguments, result.err)
    assert [row["name"] for row in rows(broker, "users", "gue*")] == ["guest"]
    assert b"guest" in cola(broker, "users").out
    assert rows(broker, "permissions") == [
        {"user": "guest", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}]
    assert json.loads(cola(broker, "describe", "user", "guest", "--json").out)["password"] == "rabbitmq-sha256"


def allow(broker: Broker, user: str, vhost: str = "/") -> None:
    assert cola(broker, "permissions", "set", user, "--vhost", vhost, "--configure", ".*", "--write", ".*",
                "--read", ".*").code == 0


def end_of(connection: pika.BlockingConnection) -> str:
    """What the server says when it closes the connection."""
    with pytest.raises(pika.exceptions.ConnectionClosedByBroker) as error:
        for _ in range(50):
            connection.process_data_events(0.1)
    assert error.value.reply_code == 320
    return error.value.reply_text


def test_who_is_deleted_is_shown_out_and_who_gets_another_password_stays(broker):
    for user in ("ana", "eva"):
        add(broker, user, "secret")
        allow(broker, user)
    with log_in(broker, "ana", "secret") as native_ana, log_in(broker, "eva", "secret") as native_eva:
        ana, eva = amqp_log_in(broker, "ana", "secret"), amqp_log_in(broker, "eva", "secret")
        channel = ana.channel()
        channel.queue_declare("kept", durable=True)
        channel.queue_declare("own", exclusive=True)
        channel.confirm_delivery()
        channel.basic_publish("", "kept", b"x")
        assert channel.basic_get("kept")[0] is not None
        assert cola(broker, "users", "password", "ana", "--password-stdin", input="other\n").code == 0
        assert cola(broker, "permissions", "clear", "ana").code == 0
        ana.process_data_events(0.2)
        assert ana.is_open and code(native_ana, "ping") == "ok"
        assert code(native_ana, "get kept") == "access_refused"
        assert cola(broker, "users", "delete", "ana").code == 0
        assert end_of(ana) == "CONNECTION_FORCED - user 'ana' is deleted"
        assert native_ana.rest() == b"bye unauthenticated user 'ana' is deleted\n"
        # What it held is back, what was its own is gone, and nobody else has noticed.
        assert code(native_eva, "get own") == "not_found"
        assert native_eva.ok("get kept").options["size"] == "1"
        eva.channel().queue_declare("kept", passive=True)
        eva.close()


def test_who_deletes_himself_hears_that_it_is_done(broker):
    add(broker, "ana", "secret", "--tags", "administrator")
    allow(broker, "ana")
    with log_in(broker, "ana", "secret") as connection:
        assert code(connection, "delete user ana") == "ok"
        assert connection.rest() == b"bye unauthenticated user 'ana' is deleted\n"


def test_with_a_virtual_host_its_connections_end(broker):
    assert cola(broker, "vhosts", "add", "shop").code == 0
    add(broker, "ana", "secret")
    allow(broker, "ana", "shop")
    allow(broker, "ana")
    there, elsewhere = (
        pika.BlockingConnection(pika.ConnectionParameters(
            amqp.address(broker.amqp).host, amqp.address(broker.amqp).port, vhost,
            pika.PlainCredentials("ana", "secret"))) for vhost in ("shop", "/"))
    with log_in(broker, "ana", "secret", "shop") as connection, native.Connection(broker.unix) as administrator:
        assert cola(broker, "vhosts", "delete", "shop").code == 0
        assert end_of(there) == "CONNECTION_FORCED - vhost 'shop' is deleted"
        assert connection.rest() == b"bye not_found vhost 'shop' is deleted\n"
        administrator.ok("ping")
    elsewhere.process_data_events(0.1)
    elsewhere.close()


def test_an_impersonator_publishes_in_the_name_of_others(broker):
    """As with RabbitMQ, a connection has the tag that its user had when it came."""
    add(broker, "ana", "secret")
    add(broker, "eva", "secret", "--tags", "impersonator")
    for user in ("ana", "eva"):
        allow(broker, user)

    def publish(connection: pika.BlockingConnection, user: str) -> None:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish("amq.fanout", "", b"x", pika.BasicProperties(user_id=user))

    ana, eva = amqp_log_in(broker, "ana", "secret"), amqp_log_in(broker, "eva", "secret")
    publish(ana, "ana")
    for user in ("ana", "eva", "nobody"):
        publish(eva, user)
    assert cola(broker, "users", "tags", "ana", "impersonator").code == 0
    with pytest.raises(pika.exceptions.ChannelClosedByBroker) as error:
        publish(ana, "eva")
    assert error.value.reply_code == 406
    assert error.value.reply_text == (
        "PRECONDITION_FAILED - user_id property set to 'eva' but authenticated user was 'ana'")
    ana.close()
    ana = amqp_log_in(broker, "ana", "secret")
    publish(ana, "eva")
    ana.close()
    eva.close()


def test_who_may_not_read_any_more_gets_nothing_more(broker):
    add(broker, "ana", "secret")
    allow(broker, "ana")
    with log_in(broker, "ana", "secret") as connection, native.Connection(broker.unix) as administrator:
        for queue in ("shared", "mine"):
            administrator.ok("declare queue " + queue)
        connection.ok("consume shared c=1")
        connection.ok("consume mine c=2")
        ana = amqp_log_in(broker, "ana", "secret")
        channel = ana.channel()
        cancelled: List[Any] = []
        channel.add_on_cancel_callback(lambda frame: cancelled.append(frame.method.consumer_tag))
        got: List[bytes] = []
        for queue in ("shared", "mine"):
            channel.basic_consume(queue, lambda _, __, ___, body: got.append(body), consumer_tag=queue, auto_ack=True)
        answers = channel.basic_consume("amq.rabbitmq.reply-to", lambda *_: None, auto_ack=True)
        assert cola(broker, "permissions", "set", "ana", "--configure", "", "--write", "", "--read", "^mine$").code == 0
        ana.process_data_events(0.3)
        assert cancelled == ["shared"] and answers in channel.consumer_tags
        administrator.ok("pub shared 1", b"a")
        administrator.ok("pub mine 1", b"b")
        ana.process_data_events(0.3)
        assert code(connection, "ping") == "ok"
        told = connection.call("consume shared c=3")
        assert told.code == "access_refused"
        assert administrator.ok("get shared").options["size"] == "1"
        ana.close()


def test_a_guest_who_is_made_again_comes_from_this_machine_alone(broker):
    assert cola(broker, "users", "delete", "guest").code == 0
    add(broker, "guest", "guest")
    assert [row["loopback-only"] for row in rows(broker, "users", "list") if row["name"] == "guest"] == [True]

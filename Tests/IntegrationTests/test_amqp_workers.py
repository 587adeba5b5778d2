"""Supervised workers that are plain programs with pika: they know nothing of Cola."""
from __future__ import annotations

import json
import os
import pathlib
import signal
import struct
import sys
import time
from typing import Callable, List

import pika
import pytest
from pika import spec

import amqp
import native
from broker import Broker
from cli import cola
from test_readme import README, blocks
from test_reload import processes, reload
from test_worker_clients import connections, counts, publish, row, rows
from test_workers import attempts, configuration, is_idle, peek, ready, start, until  # noqa: F401  (a fixture)

PROGRAM = """
import os, sys, time
import pika

port = int(os.environ["AMQP_PORT"])
connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port))
channel = connection.channel()
channel.queue_declare("jobs", durable=True)
channel.queue_declare("done", durable=True)
channel.basic_qos(prefetch_count=10)


def work(channel, method, properties, body):
    print("working on", body.decode(), flush=True)
    time.sleep(0.02)
    channel.basic_publish("", "done", body, pika.BasicProperties(delivery_mode=2))
    channel.basic_ack(method.delivery_tag)


channel.basic_consume("jobs", work)
channel.start_consuming()
"""


def worker(folder, port: int, processes: int = 2) -> str:
    (folder / "program.py").write_text(PROGRAM)
    return f"""
pika:
  mode: client
  command: ['{sys.executable}', program.py]
  directory: {folder}
  processes: {processes}
  environment: {{AMQP_PORT: '{port}'}}
  stop: {{grace: 2s}}
"""


def bodies(where: amqp.Address, queue: str) -> List[bytes]:
    connection = amqp.connect(where)
    try:
        return amqp.drain(connection.channel(), queue)
    finally:
        connection.close()


def test_programs_with_pika_are_kept_running(start, tmp_path):  # noqa: F811
    broker = start("resting:\n  mode: client\n  command: [sleep, '600']\n  stop: {grace: 1s}\n")
    where = amqp.address(broker.amqp)
    connection = amqp.connect(where)
    channel = connection.channel()
    channel.confirm_delivery()
    for queue in ("jobs", "done"):
        channel.queue_declare(queue, durable=True)
    # They are told where the server is, which has another port each time.
    configuration(tmp_path, worker(tmp_path, where.port))
    assert reload(broker)["applied"] is True
    until(lambda: len(processes(broker).get("pika", [])) == 2, "both run")
    expected = {b"%d" % n for n in range(200)}
    for body in sorted(expected):
        channel.basic_publish("", "jobs", body)
    # One dies in the middle: what it held goes to the other, and it is started again.
    until(lambda: amqp.count(channel, "done") > 20, "they work")
    victim = processes(broker)["pika"][0]
    os.kill(victim, signal.SIGKILL)
    until(lambda: is_idle(broker, "jobs"), "all is done")
    until(lambda: len(processes(broker).get("pika", [])) == 2 and victim not in processes(broker)["pika"],
          "there are two again")
    connection.close()
    done = bodies(where, "done")
    assert set(done) == expected
    assert len(done) <= 201, "only what it worked on when it died is done twice"
    assert b"working on" in cola("logs", "pika", url=broker.unix).succeeds().out
    cola("workers", "stop", "pika", url=broker.unix).succeeds()
    until(lambda: not processes(broker).get("pika"), "they are stopped")


# With the URL that it is given, a program's connections are those of the worker


@pytest.fixture
def pika_worker(start, tmp_path) -> Callable[..., Broker]:  # noqa: F811
    """Starts a server with a worker named `w`, a program with pika."""

    def starting(program: str, settings: str = "", variables: str = "X: x") -> Broker:
        (tmp_path / "program.py").write_text(program)
        return start(
            f"w:\n  command: ['{sys.executable}', program.py]\n  mode: client\n  directory: {tmp_path}\n"
            f"  environment: {{{variables}}}\n" + settings)

    return starting


#: Works on `work`, and dies of what says so.
WORKING = """
import os, signal, sys, time
import pika

connection = pika.BlockingConnection(pika.URLParameters(os.environ["COLA_AMQP_URL"]))
channel = connection.channel()
channel.queue_declare("work", durable=True)
channel.queue_declare("done", durable=True)
channel.basic_qos(prefetch_count=int(os.environ["COLA_PREFETCH"]))


def work(channel, method, properties, body):
    if body == b"poison":
        print("about to die", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    connection.sleep(float(os.environ.get("PAUSE", "0")))
    channel.basic_publish("", "done", body)
    channel.basic_ack(method.delivery_tag)


channel.basic_consume("work", work)
channel.start_consuming()
"""

#: Holds all that it gets.
HOLDING = WORKING.replace("def work", "def nothing").replace('"work", work', '"work", lambda *_: None')

#: Only keeps the URL, and lives.
RESTING = """
import os, time
with open("url.part", "w") as file:
    file.write(os.environ.get("COLA_AMQP_URL", "none"))
os.rename("url.part", "url")
time.sleep(600)
"""


def url(folder: pathlib.Path) -> str:
    until((folder / "url").exists, "it has started")
    found = (folder / "url").read_text()
    (folder / "url").unlink()
    return found


def login(address: str, **changes: object) -> pika.BlockingConnection:
    parameters = pika.URLParameters(address)
    parameters.connection_attempts = 1
    for name, value in changes.items():
        setattr(parameters, name, value)
    return pika.BlockingConnection(parameters)


def is_admitted(where: amqp.Address, mechanism: str, user: str, password: str) -> bool:
    with amqp.Wire(where, login=False) as wire:
        fields = ((b"LOGIN", user.encode()), (b"PASSWORD", password.encode()))
        table = b"".join(struct.pack(">B%dscI%ds" % (len(name), len(value)), len(name), name, b"S", len(value), value)
                         for name, value in fields)
        wire.log_in(mechanism=mechanism, response=table if mechanism == "AMQPLAIN" else b"\0".join(
            (b"", user.encode(), password.encode())))
        answer = wire.frame().method
        if isinstance(answer, spec.Connection.Tune):
            return True
        assert isinstance(answer, spec.Connection.Close) and answer.reply_code == 403
        assert answer.reply_text.startswith("ACCESS_REFUSED - Login was refused using authentication mechanism ")
        return False


def test_the_url_makes_connections_of_the_worker_and_shows_what_it_holds(pika_worker):
    broker = pika_worker(HOLDING, "  queue: work\n  prefetch: 7\n  stop: {grace: 1s}\n")
    until(lambda: row(broker)["state"] == "ready", "it consumes")
    publish(broker, "work", ["a", "b"])
    until(lambda: row(broker)["messages"] == 2, "it has both")
    found = row(broker)
    assert found["state"] == "running"
    assert (found["message"]["queue"], found["message"]["offset"]) == ("work", 0)
    connection = [each for each in connections(broker) if each["protocol"] == "amqp"][0]
    assert (connection["user"], connection["worker"]) == ("worker:w", "w/1")
    shown = cola("workers", "show", "w/1", url=broker.unix).succeeds().out
    assert b"work" in shown


def test_the_worker_of_the_readme_works(pika_worker):
    broker = pika_worker(blocks(README, "python")[4], "  queue: texts\n  stop: {grace: 1s}\n")
    publish(broker, "texts", ["three words here"])
    until(lambda: row(broker)["pid"] and is_idle(broker, "texts"), "it is done")
    assert b"3 words" in cola("logs", "w", url=broker.unix).succeeds().out


def test_the_url_is_good_while_the_process_lives_and_nobody_else_finds_it(pika_worker, tmp_path):
    broker = pika_worker(RESTING, "  vhost: orders/eu\n  stop: {grace: 1s}\n")
    cola("declare", "vhost", "orders/eu", url=broker.unix).succeeds()
    address = url(tmp_path)
    where = amqp.address(broker.amqp)
    user, _, rest = address[len("amqp://"):].partition(":")
    token, _, place = rest.partition("@")
    assert (user, place) == ("worker%3Aw", "127.0.0.1:%d/orders%%2Feu" % where.port)
    assert len(token) == 64 and int(token, 16) >= 0
    # Any number of connections, by either mechanism, in any virtual host.
    for host in ("orders/eu", "/"):
        connection = login(address, virtual_host=host)
        connection.channel().queue_declare("of-" + host.replace("/", "-"), durable=True)
        connection.close()
    for mechanism in ("PLAIN", "AMQPLAIN"):
        assert is_admitted(where, mechanism, "worker:w", token)
    for name, password in (
            ("worker:w", token[:-1]), ("worker:w", "0" * 64), ("worker:w", ""), ("worker:v", token), ("guest", token),
            ("w", token), ("worker:", token), ("", token)):
        for mechanism in ("PLAIN", "AMQPLAIN"):
            assert not is_admitted(where, mechanism, name, password)
    # It has the rights of messages, and none that concern the server.
    with native.Connection(broker.tcp, hello="") as connection:
        answer = connection.ok("hello 1 user=worker:w password=" + token)
        assert (answer.options["user"], answer.options["admin"]) == ("worker:w", "no")
        connection.ok("declare queue mine")
        assert connection.call("user ana").code == "access_refused"
    # It stands nowhere but in the environment of the process.
    shown = [
        cola(*words, url=broker.unix).succeeds().out.decode()
        for words in (["ps"], ["ps", "--json"], ["workers", "show", "w/1", "--json"],
                      ["workers", "show", "w"], ["logs", "w"], ["connections", "--json"])]
    command = pathlib.Path("/proc/%d/cmdline" % row(broker)["pid"]).read_text()
    assert token not in "".join(shown) + broker.stderr() + command
    assert "a login failed" in broker.stderr()
    # With the process it ends, and the next has another.
    cola("workers", "restart", "w", url=broker.unix).succeeds()
    fresh = url(tmp_path)
    assert fresh != address
    assert not is_admitted(where, "PLAIN", "worker:w", token)
    login(fresh).close()
    cola("workers", "stop", "w", url=broker.unix).succeeds()
    until(lambda: all(each["pid"] is None for each in rows(broker)), "it has stopped")
    with pytest.raises(pika.exceptions.ProbableAuthenticationError, match="ACCESS_REFUSED"):
        login(fresh)


def test_nobody_else_may_be_called_as_the_processes_of_workers_are(pika_worker, tmp_path):
    broker = pika_worker(RESTING, "  stop: {grace: 1s}\n")
    for name in ("worker:w", "worker:", "worker:x"):
        said = cola("users", "add", name, "--no-password", url=broker.unix).fails(64).err
        assert "which are known by their tokens" in said
    assert b"worker:w" not in cola("users", "list", url=broker.unix).succeeds().out
    connection = login(url(tmp_path))
    found = cola("users", "list", "--json", url=broker.unix).succeeds().out
    connection.close()
    assert [each["authentication"] for each in json.loads(found) if each["name"] == "worker:w"] == ["token"]


def test_where_nothing_speaks_amqp_there_is_no_url(new_broker, tmp_path):
    (tmp_path / "program.py").write_text(RESTING)
    path = configuration(
        tmp_path, f"w:\n  command: ['{sys.executable}', program.py]\n  mode: client\n  directory: {tmp_path}\n"
        "  stop: {grace: 1s}\n")
    broker = new_broker("--config", path, "--workers-as-root", "yes", "--amqp", "off")
    broker.start()
    assert url(tmp_path) == "none"
    assert broker.amqp == ""


# Leases that are tied to the process


def test_a_death_gives_fifty_back_in_a_second_and_neighbours_keep_their_counts(pika_worker):
    broker = pika_worker(HOLDING, "  queue: work\n  prefetch: 50\n  restart: never\n")
    publish(broker, "work", [str(number) for number in range(50)])
    until(lambda: row(broker)["messages"] == 50, "it has all of them")
    os.kill(row(broker)["pid"], signal.SIGKILL)
    began = time.monotonic()
    until(lambda: ready(broker, "work") == 50, "all are back", 10)
    assert time.monotonic() - began < 1.5  # a second, and what looking takes
    with native.Connection(broker.unix) as connection:
        connection.ok("consume work c=1 prefetch=1")
        assert connection.delivery().redelivered == 0, "none is known to have failed"


def test_the_one_that_kills_is_found_alone_and_the_others_are_done_once(pika_worker):
    broker = pika_worker(WORKING, "  queue: work\n  processes: 2\n  prefetch: 20\n  retry: {attempts: 3}\n")
    texts = [str(number) for number in range(300)]
    publish(broker, "work", texts[:100] + ["poison"] + texts[100:])
    until(lambda: ready(broker, "cola.parked.work") == 1 and is_idle(broker, "work"), "all is done", 60)
    assert sorted(bodies(amqp.address(broker.amqp), "done")) == sorted(text.encode() for text in texts)
    poison = peek(broker, "cola.parked.work")[0]
    assert poison["body"] == "poison"
    for text in attempts(poison):
        words = text.split(" ")
        assert words[2:4] == ["killed", "w"] and int(words[4]) > 0
        assert words[5] == "killed%20by%20SIGKILL" and words[6].endswith("about%20to%20die")


def test_whoever_holds_its_messages_too_long_is_ended_and_they_come_again(pika_worker):
    broker = pika_worker(
        WORKING, "  queue: work\n  time-limit: 600ms\n  retry: {attempts: 1}\n", variables="PAUSE: '60'")
    publish(broker, "work", ["x"])
    until(lambda: ready(broker, "cola.parked.work") == 1, "it is given up")
    assert " timed-out w " in attempts(peek(broker, "cola.parked.work")[0])[0]


@pytest.mark.parametrize("leaving", ["pass", "os.setsid()"])
def test_a_socket_that_a_child_keeps_open_holds_nothing(pika_worker, leaving):
    program = HOLDING.replace("channel.start_consuming()", f"""
if os.fork():
    channel.start_consuming()
else:
    {leaving}
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)
""")
    broker = pika_worker(program, "  queue: work\n  restart: never\n")
    publish(broker, "work", ["x", "y"])
    until(lambda: row(broker)["messages"] == 2, "it has both")
    os.kill(row(broker)["pid"], signal.SIGKILL)
    until(lambda: ready(broker, "work") == 2, "both are back", 3)
    assert [each for each in connections(broker) if each["protocol"] == "amqp"] == []


def test_what_a_living_program_leaves_goes_back_as_from_any_connection(pika_worker, tmp_path):
    """Closed channels and connections: with the message in hand, in order and without a word."""
    broker = pika_worker("""
import os, socket, time
import pika

def login():
    return pika.BlockingConnection(pika.URLParameters(os.environ["COLA_AMQP_URL"]))

def take(connection):
    channel = connection.channel()
    channel.queue_declare("work", durable=True)
    while channel.basic_get("work")[0] is None:
        time.sleep(0.01)
    return channel

connection = login()
take(connection).close()  # A channel that ends with it, then a connection, then one without a word.
take(connection)
connection.close()
connection = login()
take(connection)
connection._impl._transport._sock.shutdown(socket.SHUT_RDWR)
open("left", "w").close()
time.sleep(600)
""", "  stop: {grace: 1s}\n  time-limit: 20s\n")
    publish(broker, "work", ["x"])
    until((tmp_path / "left").exists, "it has left")
    until(lambda: ready(broker, "work") == 1, "it is back")
    with native.Connection(broker.unix) as connection:
        connection.ok("consume work c=1")
        assert connection.delivery().redelivered == 3
    found = row(broker)
    assert (found["state"], found["messages"], found["starts"]) == ("ready", 0, 1)


# Stopping and pausing


def test_a_stop_lets_it_finish_what_it_has_and_gives_it_nothing_more(pika_worker):
    broker = pika_worker(
        WORKING, "  queue: work\n  prefetch: 2\n  stop: {grace: 5s}\n", variables="PAUSE: '0.3'")
    publish(broker, "work", ["1", "2", "3", "4", "5"])
    until(lambda: row(broker)["messages"] == 2, "it has two")
    cola("workers", "stop", "w", url=broker.unix).succeeds()
    until(lambda: all(each["pid"] is None for each in rows(broker)), "it has stopped")
    done = bodies(amqp.address(broker.amqp), "done")
    assert 2 <= len(done) <= 4
    with native.Connection(broker.unix) as connection:
        connection.ok("consume work c=1")
        for number in range(len(done) + 1, 6):
            message = connection.delivery()
            assert (message.body, message.redelivered) == (b"%d" % number, None)
    assert b"Traceback" not in cola("logs", "w", url=broker.unix).succeeds().out


def test_while_it_is_being_stopped_it_may_still_connect_and_gets_nothing(pika_worker, tmp_path):
    broker = pika_worker("""
import os, signal, time
import pika

stopping = []
signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
open(%r, "w").close()
while not stopping:
    time.sleep(0.01)
connection = pika.BlockingConnection(pika.URLParameters(os.environ["COLA_AMQP_URL"]))
channel = connection.channel()
channel.basic_publish("", "done", b"result")
got = []
channel.basic_consume("work", lambda *message: got.append(message))
connection.process_data_events(time_limit=0.5)
channel.basic_publish("", "done", b"%%d" %% len(got))
connection.close()
""" % str(tmp_path / "up"), "  stop: {grace: 10s}\n  restart: never\n")
    cola("declare", "queue", "done", url=broker.unix).succeeds()
    publish(broker, "work", ["x"])
    until((tmp_path / "up").exists, "it waits for the signal")
    cola("workers", "stop", "w", url=broker.unix).succeeds()
    until(lambda: all(each["pid"] is None for each in rows(broker)), "it has stopped")
    assert bodies(amqp.address(broker.amqp), "done") == [b"result", b"0"]
    assert ready(broker, "work") == 1


def test_who_is_paused_gets_nothing_and_goes_on_where_it_was(pika_worker):
    broker = pika_worker(WORKING, "  queue: work\n  stop: {grace: 1s}\n")
    publish(broker, "work", ["a"])
    cola("declare", "queue", "done", url=broker.unix).succeeds()
    until(lambda: counts(broker, "done")["ready"] == 1, "it works")
    cola("workers", "pause", "w", url=broker.unix).succeeds()
    publish(broker, "work", ["b"])
    time.sleep(0.5)
    assert (ready(broker, "work"), row(broker)["messages"]) == (1, 0)
    cola("workers", "resume", "w", url=broker.unix).succeeds()
    until(lambda: counts(broker, "done")["ready"] == 2, "it goes on")

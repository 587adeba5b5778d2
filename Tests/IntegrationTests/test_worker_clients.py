"""Workers of mode `client`: programs that connect by themselves, and what ties their messages to their processes."""
from __future__ import annotations

import os
import pathlib
import signal
import sys
import time
from typing import Callable, Dict, List

import pytest

import native
from broker import Broker, binary
from cli import cola
from test_workers import attempts, is_idle, peek, ready, start, until  # noqa: F401  (a fixture)

CLIENT = pathlib.Path(__file__).resolve().parents[2] / "clients" / "python"
PYTHON = sys.executable


@pytest.fixture
def client_worker(start, tmp_path) -> Callable[..., Broker]:  # noqa: F811
    """Starts a server with a worker named `w`, a program in Python."""

    def starting(program: str, settings: str = "", arguments: str = "", variables: str = "X: x") -> Broker:
        (tmp_path / "program.py").write_text(program)
        return start(
            "w:\n"
            f"  command: ['{PYTHON}', {arguments or 'program.py'}]\n"
            "  mode: client\n"
            f"  directory: {tmp_path}\n"
            f"  environment: {{PYTHONPATH: '{CLIENT}', {variables}}}\n" + settings
        )

    return starting


def rows(broker: Broker, of: str = "processes") -> List[dict]:
    with native.Connection(broker.unix) as connection:
        return [row for row in connection.ok("list " + of).json() if row.get("worker") == "w"]


def row(broker: Broker) -> dict:
    return rows(broker)[0]


def counts(broker: Broker, queue: str) -> Dict[str, int]:
    with native.Connection(broker.unix) as connection:
        return connection.ok("describe queue " + queue).json()


SLOW = """
import cola, os, signal, sys, time
client = cola.connect(client="slow")
for delivery in client.consume("work", prefetch=50, ack_every=1):
    if delivery.text == "poison":
        print("about to die", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(float(os.environ.get("PAUSE", "0")))
    client.publish("done", delivery.text)
    delivery.ack()
"""


def publish(broker: Broker, queue: str, bodies: List[str]) -> None:
    cola("publish", "-q", queue, "--declare", *bodies, url=broker.unix).succeeds()


# The token


def test_a_token_is_good_once_and_nobody_else_finds_it(client_worker, tmp_path):
    broker = client_worker("""
import os, time
number = int(os.environ["COLA_TOKEN_FD"])
token = os.pread(number, 100, 0).decode()
with open("token", "w") as file:
    file.write(token)
with open("seen", "w") as file:
    file.write(open("/proc/self/environ").read() + open("/proc/self/cmdline").read())
os.rename("seen", "seen.whole")
time.sleep(600)
""", "  stop: {grace: 1s}\n")
    until(lambda: (tmp_path / "seen.whole").exists(), "it has started")
    token = (tmp_path / "token").read_text()
    assert len(token) == 64 and int(token, 16) >= 0
    seen = (tmp_path / "seen.whole").read_text()
    assert token not in seen and "COLA_TOKEN_FD=3" in seen and "COLA_URL=unix://" in seen
    assert token not in broker.stderr()
    for address in (broker.unix, broker.tcp):
        assert "the token is wrong" in refusal(address, "0" * 64)
    with native.Connection(broker.tcp, hello="") as connection:
        answer = connection.ok("hello 1 token=" + token)
        assert (answer.options["user"], answer.options["admin"]) == ("worker:w", "no")
        assert "was used before" in refusal(broker.unix, token)
    cola("workers", "stop", "w", url=broker.unix).succeeds()


def refusal(url: str, token: str) -> str:
    """What is said to one with a token that is not good; the connection is closed then."""
    with native.Connection(url, hello="") as connection:
        answer = connection.call("hello 1 token=" + token)
        assert (answer.ok, answer.code, answer.may_retry) == (False, "unauthenticated", False)
        assert connection.rest().startswith(b"bye unauthenticated ")
        return answer.sentence


def test_a_token_ends_with_its_process(client_worker, tmp_path):
    broker = client_worker("""
import os, sys, time
with open("token", "wb") as file:
    file.write(os.pread(int(os.environ["COLA_TOKEN_FD"]), 100, 0))
os.rename("token", "token.whole")
time.sleep(1)
""", "  restart: never\n")
    until(lambda: row(broker)["state"] == "terminated", "it has ended")
    token = (tmp_path / "token.whole").read_text()
    assert "its process has ended" in refusal(broker.unix, token)


def test_the_client_takes_it_and_leaves_nothing_to_children(client_worker, tmp_path):
    broker = client_worker("""
import cola, os, subprocess, time
client = cola.connect()
assert "COLA_TOKEN_FD" not in os.environ
found = subprocess.run("echo $COLA_TOKEN_FD; ls -l /proc/self/fd", shell=True, capture_output=True, text=True).stdout
with open("found", "w") as file:
    file.write(found + repr(vars(client)) + repr(vars(client._session)))
os.rename("found", "found.whole")
time.sleep(600)
""", "  stop: {grace: 1s}\n")
    until(lambda: (tmp_path / "found.whole").exists(), "it has connected")
    found = (tmp_path / "found.whole").read_text()
    assert found.startswith("\n")
    assert [line.split("->")[0].split()[-1] for line in found.splitlines() if "memfd" in line] == ["0"]  # its input
    assert [each["worker"].split("/")[0] for each in connections(broker) if each["worker"]] == ["w"]


def connections(broker: Broker) -> List[dict]:
    with native.Connection(broker.unix) as connection:
        return connection.ok("list connections").json()


def test_cola_consume_is_a_worker_and_what_it_starts_later_connects_without_a_token(start, tmp_path):
    broker = start(f"""
        w:
          queue: work
          mode: client
          directory: {tmp_path}
          command: [sh, -c, '{binary()} declare queue work; {binary()} consume -q work --follow | tee -a got']
          stop: {{grace: 1s}}
    """)
    until(lambda: rows(broker) and row(broker)["state"] == "ready", "it consumes")
    assert [each["worker"] for each in connections(broker) if each["consumers"]] == [row(broker)["name"]]
    publish(broker, "work", ["a"])
    until(lambda: (tmp_path / "got").exists() and (tmp_path / "got").read_text() == "a\n", "it has the message")
    until(lambda: row(broker)["messages"] == 0, "it is acknowledged")


def test_of_programs_that_share_the_descriptor_the_first_has_the_token(client_worker, tmp_path):
    (tmp_path / "first.py").write_text("import cola; cola.connect().close()")
    (tmp_path / "second.py").write_text("import cola, time; client = cola.connect(); time.sleep(600)")
    broker = client_worker(
        "import subprocess, sys\nfor name in ('first.py', 'second.py'):"
        " subprocess.run([sys.executable, name], pass_fds=[3])", "  stop: {grace: 1s}\n")
    until(lambda: [each for each in connections(broker) if each["client"] == "" and not each["worker"]][1:],
          "the second has connected, and this test")


def test_who_has_no_token_speaks_for_no_worker(client_worker):
    broker = client_worker("import time; time.sleep(600)", "  stop: {grace: 1s}\n")
    with native.Connection(broker.unix) as connection:
        for request in ("child token", "child ended 7 code=0"):
            answer = connection.call(request)
            assert answer.code == "mismatch" and "this connection is of no worker's process" in answer.sentence


# States


def test_it_is_ready_with_its_first_consumer_and_shows_its_message(client_worker):
    broker = client_worker("""
import cola, time
client = cola.connect()
client.declare_queue("work")
time.sleep(1.5)
for delivery in client.consume("work", prefetch=5):
    time.sleep(3)
    delivery.ack()
""", "  queue: work\n  stop: {grace: 1s}\n")
    until(lambda: connections(broker) and row(broker)["pid"], "it has connected")
    assert row(broker)["state"] == "new"
    until(lambda: row(broker)["state"] == "ready", "it consumes")
    publish(broker, "work", ["a", "b"])
    until(lambda: row(broker)["state"] == "running", "it has messages")
    found = row(broker)
    assert found["messages"] == 2
    assert found["message"]["queue"] == "work" and found["message"]["offset"] == 0
    until(lambda: row(broker)["message"] and row(broker)["message"]["held-ms"] > 500, "the message grows old")
    until(lambda: row(broker)["messages"] == 0 and row(broker)["state"] == "ready", "both are done")


def test_who_does_not_connect_in_time_is_stopped(client_worker):
    broker = client_worker("import time; time.sleep(600)", "  queue: work\n  start-limit: 500ms\n  stop: {grace: 1s}\n")
    until(lambda: "it was not ready within 500ms" in row(broker)["reason"], "its time is over")


def test_without_a_queue_it_is_ready_at_once(client_worker):
    broker = client_worker("import time; time.sleep(600)", "  start-limit: 500ms\n  stop: {grace: 1s}\n")
    until(lambda: row(broker)["state"] == "ready", "it is there")
    time.sleep(1)
    assert row(broker)["state"] == "ready" and row(broker)["starts"] == 1


def test_whoever_holds_its_messages_too_long_is_ended_and_they_come_again(client_worker):
    broker = client_worker(
        SLOW, "  queue: work\n  time-limit: 600ms\n  retry: {attempts: 1}\n", variables="PAUSE: '60'")
    publish(broker, "work", ["x"])
    until(lambda: ready(broker, "cola.parked.work") == 1, "it is given up")
    assert " timed-out w " in attempts(peek(broker, "cola.parked.work")[0])[0]


def test_an_exit_with_a_message_in_hand_is_a_failed_attempt(client_worker):
    broker = client_worker(SLOW, "  queue: work\n  retry: {attempts: 1}\n")
    publish(broker, "work", ["x"])
    # `done` is not there: the program is told so, and ends with its message in hand.
    until(lambda: ready(broker, "cola.parked.work") == 1, "it is given up")
    words = attempts(peek(broker, "cola.parked.work")[0])[0].split(" ")
    assert words[2] == "exited" and words[5] == "exit%20code%201" and "Unroutable" in words[6]


# Leases that are tied to the process


def test_a_death_gives_fifty_back_in_a_second_and_neighbours_keep_their_counts(client_worker):
    broker = client_worker("""
import cola, time
client = cola.connect()
client.declare_queue("work")
for delivery in client.consume("work", prefetch=50):
    time.sleep(600)
""", "  queue: work\n  restart: never\n")
    publish(broker, "work", [str(number) for number in range(50)])
    until(lambda: row(broker)["messages"] == 50, "it has all of them")
    os.kill(row(broker)["pid"], signal.SIGKILL)
    began = time.monotonic()
    until(lambda: ready(broker, "work") == 50, "all are back", 10)
    assert time.monotonic() - began < 1.5  # a second, and what looking takes
    with native.Connection(broker.unix) as connection:
        connection.ok("consume work c=1 prefetch=1")
        message = connection.delivery()
        assert message.redelivered == 0, "none is known to have failed"


def test_the_one_that_kills_is_found_alone_and_a_thousand_good_ones_are_done_once(client_worker):
    broker = client_worker(SLOW, "  queue: work\n  processes: 3\n  retry: {attempts: 3}\n")
    bodies = [str(number) for number in range(1000)]
    cola("declare", "queue", "done", url=broker.unix).succeeds()
    publish(broker, "work", bodies[:400] + ["poison"] + bodies[400:])
    until(lambda: ready(broker, "cola.parked.work") == 1 and is_idle(broker, "work"), "all is done", 90)
    assert sorted(done(broker)) == sorted(bodies)
    poison = peek(broker, "cola.parked.work")[0]
    assert poison["body"] == "poison"
    story = attempts(poison)
    assert len(story) in (3, 4)  # the first time it may not have been alone
    for text in story:
        words = text.split(" ")
        assert words[2:4] == ["killed", "w"] and int(words[4]) > 0
        assert words[5] == "killed%20by%20SIGKILL" and words[6].endswith("about%20to%20die")


def done(broker: Broker) -> List[str]:
    with native.Connection(broker.unix) as connection:
        connection.ok("consume done c=1 ack=auto credit=100000")
        found = []
        while True:
            message = connection.delivery(1.0)
            if message is None:
                return found
            found.append(message.body.decode())


def test_who_closes_its_connection_and_lives_on_gives_back_in_the_ordinary_way(client_worker):
    broker = client_worker("""
import cola, time
client = cola.connect()
consumer = client.consume("work", prefetch=5)
consumer.get(timeout=60)
client._connection.lose("on purpose")
time.sleep(600)
""", "  stop: {grace: 1s}\n")
    publish(broker, "work", ["x"])
    until(lambda: ready(broker, "work") == 0, "it has it")
    until(lambda: ready(broker, "work") == 1, "it is back", 10)
    with native.Connection(broker.unix) as connection:
        connection.ok("consume work c=1")
        assert connection.delivery().redelivered == 1
    assert row(broker)["state"] == "ready"


def test_a_stop_in_order_loses_nothing_and_counts_nothing(client_worker):
    broker = client_worker(
        SLOW, "  queue: work\n  processes: 2\n  stop: {grace: 500ms}\n", variables="PAUSE: '0.05'")
    cola("declare", "queue", "done", url=broker.unix).succeeds()
    bodies = [str(number) for number in range(300)]
    publish(broker, "work", bodies)
    until(lambda: counts(broker, "done")["ready"] > 10, "they work")
    cola("workers", "stop", "w", url=broker.unix).succeeds()
    until(lambda: all(each["pid"] is None for each in rows(broker)) and ready(broker, "work") > 0, "they have stopped")
    finished = done(broker)
    assert len(set(finished)) == len(finished)
    with native.Connection(broker.unix) as connection:
        connection.ok("consume work c=1 ack=auto credit=100000")
        rest = []
        while True:
            message = connection.delivery(1.0)
            if message is None:
                break
            assert not message.redelivered
            rest.append(message.body.decode())
    # One that was being worked on when its process ended may be in both.
    assert set(finished) | set(rest) == set(bodies)
    assert len(set(finished) & set(rest)) <= 2


def test_who_is_paused_gets_nothing_and_goes_on_where_it_was(client_worker):
    broker = client_worker(SLOW, "  queue: work\n")
    cola("declare", "queue", "done", url=broker.unix).succeeds()
    publish(broker, "work", ["a"])
    until(lambda: counts(broker, "done")["ready"] == 1, "it works")
    starts = row(broker)["starts"]
    cola("workers", "pause", "w", url=broker.unix).succeeds()
    until(lambda: row(broker)["state"] == "blocked", "it is paused")
    publish(broker, "work", ["b"])
    time.sleep(0.5)
    assert ready(broker, "work") == 1, "it is not handed out"
    cola("workers", "resume", "w", url=broker.unix).succeeds()
    until(lambda: counts(broker, "done")["ready"] == 2, "it goes on")
    assert row(broker)["starts"] == starts


BEATING = """
import cola
with cola.connect(heartbeat=1) as client:
    client.declare_queue("work")
    for delivery in client.consume("work", prefetch=1):
        client.publish("done", delivery.body)
        delivery.ack()
"""


def test_silence_of_who_is_paused_says_nothing(client_worker):
    """Twice its heartbeat is two seconds; it is paused for longer, with a message in hand or not."""
    broker = client_worker(BEATING, "  queue: work\n  restart: never\n")
    cola("declare", "queue", "done", url=broker.unix).succeeds()
    until(lambda: row(broker)["state"] == "ready", "it is ready")
    pid = row(broker)["pid"]
    for pause in (2.5, 3.9):
        cola("workers", "pause", "w", url=broker.unix).succeeds()
        time.sleep(pause)
        cola("workers", "resume", "w", url=broker.unix).succeeds()
    publish(broker, "work", ["a"])
    until(lambda: counts(broker, "done")["ready"] == 1, "it goes on")
    assert row(broker)["pid"] == pid


# Functions of Python as workers

TASKS = """
import os, signal
import cola

@cola.worker("work", prefetch=20, attempts=3, delay=20, result_queue="done")
def work(message):
    text = message.text
    if text == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if text == "segv":
        os.kill(os.getpid(), signal.SIGSEGV)
    if text == "exit":
        os._exit(3)
    if text == "raise":
        raise KeyError("no such thing")
    if text == "retry":
        raise cola.Retry(30, "not yet")
    if text == "reject":
        raise cola.Reject("never")
    return text
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_functions_are_workers_and_each_death_finds_its_message(client_worker, tmp_path, method):
    (tmp_path / "tasks.py").write_text(TASKS)
    broker = client_worker(
        "", "  queue: work\n  retry: {attempts: 3}\n",
        f"'-m', 'cola', 'worker', 'tasks', '--processes', '3', '--start-method', '{method}'")
    cola("declare", "queue", "done", url=broker.unix).succeeds()
    until(lambda: row(broker)["state"] == "ready", "it is ready")
    bad = ["kill", "segv", "exit", "raise", "retry", "reject"]
    bodies = [str(number) for number in range(300)]
    publish(broker, "work", bodies[:100] + bad + bodies[100:])
    until(lambda: ready(broker, "cola.parked.work") == len(bad) and is_idle(broker, "work"), "all is done", 120)
    assert sorted(done(broker)) == sorted(bodies)
    assert row(broker)["starts"] == 1, "only its children have died"
    last = {message["body"]: attempts(message)[-1].split(" ") for message in peek(broker, "cola.parked.work")}
    assert sorted(last) == sorted(bad)
    ends = {body: (words[2], words[5]) for body, words in last.items()}
    assert ends == {
        "kill": ("killed", "killed%20by%20SIGKILL"), "segv": ("killed", "killed%20by%20SIGSEGV"),
        "exit": ("exited", "exit%20code%203"), "raise": ("refused", "KeyError:%20'no%20such%20thing'"),
        "retry": ("refused", "not%20yet"), "reject": ("refused", "never")}
    assert "Traceback" in last["raise"][6] and all(words[3] == "w" for words in last.values())


def test_one_function_in_one_process_is_the_instance_itself(client_worker, tmp_path):
    (tmp_path / "tasks.py").write_text(TASKS)
    broker = client_worker("", "  queue: work\n  retry: {attempts: 2}\n", "'-m', 'cola', 'worker', 'tasks:work'")
    cola("declare", "queue", "done", url=broker.unix).succeeds()
    publish(broker, "work", ["1", "2", "kill", "3"])
    until(lambda: ready(broker, "cola.parked.work") == 1 and is_idle(broker, "work"), "all is done", 60)
    assert sorted(done(broker)) == ["1", "2", "3"]
    assert row(broker)["starts"] >= 3 and row(broker)["threads"] == 1


def test_the_definition_names_its_queue_prefetch_and_virtual_host(client_worker, tmp_path):
    (tmp_path / "tasks.py").write_text("import cola, time\n@cola.worker()\ndef work(message): time.sleep(600)\n")
    broker = client_worker(
        "", "  queue: jobs\n  vhost: shop\n  prefetch: 3\n  stop: {grace: 1s}\n  processes: 2\n",
        "'-m', 'cola', 'worker', 'tasks'")
    with native.Connection(broker.unix, hello="hello 1 vhost=/") as connection:
        connection.ok("declare vhost shop")
    with native.Connection(broker.unix, hello="hello 1 vhost=shop") as connection:
        connection.ok("declare queue jobs")
        for _ in range(10):
            connection.ok("pub jobs 1", b"x")
    until(lambda: [each["messages"] for each in rows(broker)] == [3, 3], "each has three")


def test_children_end_in_order_with_their_worker(client_worker, tmp_path):
    (tmp_path / "tasks.py").write_text(TASKS)
    broker = client_worker("", "  queue: work\n", "'-m', 'cola', 'worker', 'tasks', '--processes', '3'")
    until(lambda: sum(each["consumers"] for each in connections(broker)) == 3, "all consume")
    master = row(broker)["pid"]
    children = [each["pid"] for each in connections(broker) if each["worker"] and each["pid"] != master]
    assert len(children) == 3
    cola("workers", "stop", "w", url=broker.unix).succeeds()
    until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in [master, *children]), "all have ended", 8)
    assert rows(broker) == []

"""`cola run` behind a network that is slow, or breaks at the worst moment."""
from __future__ import annotations

import time

import pytest

import native
from cli import cola
from proxy import Proxy
from test_run import Running, publish
from test_workers import is_idle, peek, ready, until


def test_a_result_that_is_taken_late_is_one_message(broker):
    publish(broker, "texts", b"one", b"two", b"three")
    publish(broker, "results")
    with Proxy(broker.tcp, delay=0.8) as proxy, Running(
            proxy.url, ["-q", "texts", "--result-queue", "results", "--", "cat"]) as running:
        until(lambda: is_idle(broker, "texts"), "all are done", 40)
        running.stop()
    assert sorted(message["body"] for message in peek(broker, "results")) == ["one", "three", "two"]


@pytest.mark.parametrize("mode, program", [
    ("exec", ["true"]),
    ("stream", ["sh", "-c", """while read -r line; do n=${line#*:}; echo "{\\"done\\":${n%%,*}}"; done"""]),
])
def test_a_connection_that_breaks_at_an_acknowledgement_is_made_again(broker, mode, program):
    publish(broker, "work", *[b"x"] * 5)
    with Proxy(broker.tcp) as proxy:
        proxy.break_at = b"ack "
        with Running(proxy.url, ["-q", "work", "--mode", mode, "--", *program]) as running:
            until(lambda: is_idle(broker, "work"), "all are done", 40)
            running.stop()


def test_a_result_that_is_taken_after_the_stop_is_waited_for(broker, tmp_path):
    publish(broker, "texts", b"one")
    publish(broker, "results")
    begun = tmp_path / "begun"
    program = (
        "while read -r line; do n=${line#*:}; n=${n%%%%,*}; touch %s; sleep 1;"
        """ echo "{\\"done\\":$n,\\"result\\":\\"r\\"}"; done""" % begun)
    with Proxy(broker.tcp, delay=1.6) as proxy, Running(
            proxy.url, ["-q", "texts", "--mode", "stream", "--result-queue", "results", "--", "sh", "-c", program],
    ) as running:
        until(begun.exists, "it has begun", 30)
        running.stop()
    until(lambda: is_idle(broker, "texts"), "acknowledged")
    assert [message["body"] for message in peek(broker, "results")] == ["r"]


def test_until_empty_does_not_take_a_broker_that_is_away_for_an_empty_queue(new_broker):
    broker = new_broker()
    broker.start()
    publish(broker, "work", *[b"x"] * 5)
    with Running(broker.unix, ["-q", "work", "--until-empty", "--", "sleep", "1"]) as running:
        until(lambda: ready(broker, "work") < 5, "it has begun")
        broker.kill()
        time.sleep(4)
        assert running.process.poll() is None, running.process.communicate()
        broker.start()
        assert running.process.wait(60) == 0
        assert is_idle(broker, "work")


@pytest.mark.parametrize("mode, program", [
    ("exec", "cat"),
    ("stream", """while read -r line; do n=${line#*:}; echo "{\\"done\\":${n%%,*},\\"result\\":\\"x\\"}"; done"""),
])
def test_a_result_carries_the_correlation_id_of_its_message(broker, mode, program):
    publish(broker, "work")
    publish(broker, "results")
    with native.Connection(broker.unix) as connection:
        connection.ok("pub work 1 corr=c7", b"x")
        cola(
            "run", "-q", "work", "--mode", mode, "--result-queue", "results", "--until-empty", "--", "sh", "-c",
            program, url=broker.tcp, timeout=60).succeeds()
        connection.ok("consume results c=1 prefetch=1")
        message = connection.delivery(10)
    assert message is not None and message.body == b"x"
    assert message.header("cola-correlation-id") == "c7"


def test_an_answer_that_nobody_waits_for_any_more_is_dropped(broker):
    publish(broker, "work")
    with native.Connection(broker.unix) as connection:
        connection.ok("pub work 1 reply=gone", b"x")
    program = """while read -r line; do n=${line#*:}; echo "{\\"done\\":${n%%,*},\\"result\\":\\"x\\"}"; done"""
    cola(
        "run", "-q", "work", "--mode", "stream", "--set", "retry={attempts: 1}", "--until-empty", "--", "sh", "-c",
        program, url=broker.tcp, timeout=60).succeeds()
    assert is_idle(broker, "work") and is_idle(broker, "cola.parked.work")


def test_until_empty_looks_into_the_virtual_host_of_the_worker(broker, tmp_path):
    with native.Connection(broker.unix) as connection:
        connection.ok("declare vhost other")
    with native.Connection(broker.unix, hello="hello 1 vhost=other") as connection:
        connection.ok("declare queue work")
        for _ in range(3):
            connection.ok("pub work 1", b"x")
        path = tmp_path / "workers.yaml"
        path.write_text("workers:\n  one: {queue: work, vhost: other, processes: 0-1, command: ['true']}\n")
        path.chmod(0o600)
        cola("run", "--config", str(path), "--until-empty", url=broker.unix, timeout=60).succeeds()
        row = connection.ok("describe queue work").json()
        assert (row["ready"], row["unacknowledged"]) == (0, 0)


def test_a_number_of_processes_that_follows_the_backlog_does_so_after_the_broker_was_away(new_broker):
    broker = new_broker()
    broker.start()
    publish(broker, "work", b"x")
    with Running(broker.unix, ["-q", "work", "-p", "0-2", "--", "true"]) as running:
        until(lambda: is_idle(broker, "work"), "done")
        broker.kill()
        time.sleep(1)
        broker.start()
        publish(broker, "work", b"y")
        until(lambda: is_idle(broker, "work"), "done after the restart", 40)
        running.stop()

"""Supervised workers that are plain programs with pika: they know nothing of Cola."""
from __future__ import annotations

import os
import signal
import sys
from typing import List

import amqp
from cli import cola
from test_reload import processes, reload
from test_workers import configuration, is_idle, start, until  # noqa: F401  (a fixture)

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

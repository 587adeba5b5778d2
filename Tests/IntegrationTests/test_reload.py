"""The configuration is read again while everything goes on: `cola reload` and SIGHUP."""
from __future__ import annotations

import json
import os
import pathlib
import signal
from typing import Dict, List

import pytest

from broker import Broker
from cli import NOT_PERMITTED, cola
import native
from test_workers import BAD_CONFIGURATION, configuration, is_idle, peek, start, until  # noqa: F401

STEADY = """
steady:
  mode: client
  command: [sleep, "600"]
  stop: {grace: 1s}
"""
OTHER = STEADY.replace("steady", "other")


def processes(broker: Broker) -> Dict[str, List[int]]:
    """Process IDs by worker, of those that run."""
    found: Dict[str, List[int]] = {}
    for row in json.loads(cola("ps", "--json", url=broker.unix).succeeds().out):
        if row["worker"] and row["pid"]:
            found.setdefault(row["worker"], []).append(row["pid"])
    return found


def dead(broker: Broker) -> int:
    rows = json.loads(cola("dead", "list", "--json", url=broker.unix).succeeds().out)
    return sum(row["messages"] for row in rows)


def reload(broker: Broker, *arguments: str) -> dict:
    return json.loads(cola("reload", "--json", *arguments, url=broker.unix).succeeds().out)


def test_only_what_has_changed_is_started_and_stopped(start, tmp_path):  # noqa: F811
    broker = start(STEADY + OTHER)
    until(lambda: set(processes(broker)) == {"steady", "other"}, "both run")
    before = processes(broker)
    configuration(tmp_path, STEADY + OTHER.replace('"600"', '"601"') + STEADY.replace("steady", "third"))
    answer = reload(broker, "--dry-run")
    assert answer["applied"] is False
    assert [(row["name"], row["change"]) for row in answer["workers"]] == [("other", "changed"), ("third", "added")]
    assert answer["workers"][0]["settings"] == [
        {"name": "command", "old": "[sleep, '600']", "new": "[sleep, '601']", "restart": True}
    ] or answer["workers"][0]["settings"][0]["name"] == "command"
    assert processes(broker) == before, "a dry run changes nothing"
    assert reload(broker)["applied"] is True
    until(lambda: set(processes(broker)) == {"steady", "other", "third"}, "the third runs")
    until(lambda: processes(broker).get("other", before["other"]) != before["other"], "the other was replaced")
    assert processes(broker)["steady"] == before["steady"], "what has not changed goes on"
    assert reload(broker) == {"applied": True, "workers": [], "settings": []}
    configuration(tmp_path, STEADY)
    shown = cola("reload", url=broker.unix).succeeds()
    assert shown.lines() == ["worker other: removed", "worker third: removed"]
    until(lambda: set(processes(broker)) == {"steady"}, "the others are gone")
    assert processes(broker)["steady"] == before["steady"]
    assert "nothing has changed" in cola("reload", url=broker.unix).succeeds().err


def test_what_needs_no_other_process_holds_at_once(start, tmp_path):  # noqa: F811
    broker = start("picky: {queue: work, command: [sh, -c, 'exit 3'], retry: {attempts: 1}}")
    until(lambda: cola("why", "work", url=broker.unix).code == 0, "the queue is there")
    cola("publish", "--queue", "work", "one", url=broker.unix).succeeds()
    until(lambda: dead(broker) == 1, "parked")
    configuration(
        tmp_path, "picky: {queue: work, command: [sh, -c, 'exit 3'], retry: {attempts: 1}, exit-codes: {3: ack}}")
    changes = {row["name"]: row["restart"] for row in reload(broker)["workers"][0]["settings"]}
    assert changes["exit-codes.3"] is False
    cola("publish", "--queue", "work", "two", url=broker.unix).succeeds()
    until(lambda: is_idle(broker, "work"), "done")
    assert dead(broker) == 1


def test_an_exec_worker_goes_over_to_another_queue(start, tmp_path):  # noqa: F811
    definition = "copy: {queue: %s, command: [cat], result-queue: results}"
    broker = start(definition % "first")
    with native.Connection(broker.unix) as connection:
        for name in ("first", "second", "results"):
            connection.ok("declare queue " + name)
        connection.ok("pub first 1", b"a")
        until(lambda: len(peek(broker, "results")) == 1, "the first is done")
        configuration(tmp_path, definition % "second")
        reload(broker)
        connection.ok("pub second 1", b"b")
        until(lambda: len(peek(broker, "results")) == 2, "the second is done")
        connection.ok("pub first 1", b"c")
        until(lambda: any(row["name"] == "first" and row["ready"] == 1 for row in json.loads(
            cola("queues", "--json", url=broker.unix).succeeds().out)), "nobody takes from the first")
        assert len(peek(broker, "results")) == 2


def test_a_wrong_configuration_changes_nothing(start, tmp_path):  # noqa: F811
    broker = start(STEADY)
    until(lambda: "steady" in processes(broker), "it runs")
    before = processes(broker)
    path = pathlib.Path(configuration(tmp_path, STEADY + "broken: {mode: client, command: []}"))
    result = cola("reload", url=broker.unix)
    assert result.code == BAD_CONFIGURATION
    assert "worker broken: command" in result.err and "nothing was changed" in result.err
    path.write_text("workers: [")
    assert cola("reload", url=broker.unix).code == BAD_CONFIGURATION
    configuration(tmp_path, OTHER)
    path.chmod(0o666)
    result = cola("reload", url=broker.unix)
    assert result.code == BAD_CONFIGURATION and "chmod go-w" in result.err
    path.unlink()
    result = cola("reload", url=broker.unix)
    assert result.code == BAD_CONFIGURATION and str(path) in result.err
    assert processes(broker) == before


def test_settings_of_the_server_are_told_and_wait(start, tmp_path):  # noqa: F811
    broker = start(STEADY)
    path = tmp_path / "cola.yaml"
    path.write_text(path.read_text() + "cache: 32M\ndefault-user: ana\ndefault-pass: hush\n")
    answer = reload(broker)
    assert answer["workers"] == []
    assert {row["name"]: (row["old"], row["new"], row["restart"]) for row in answer["settings"]} == {
        "cache": (None, "32M", True), "default-user": (None, "ana", True), "default-pass": (None, "set anew", True)}
    shown = cola("reload", "--dry-run", url=broker.unix).succeeds()
    assert "setting cache: default -> 32M (after the broker's next start)" in shown.lines()
    assert b"hush" not in shown.out and "hush" not in broker.stderr()


def test_a_hangup_signal_does_the_same_and_logs_it(start, tmp_path):  # noqa: F811
    broker = start(STEADY)
    until(lambda: "steady" in processes(broker), "it runs")
    configuration(tmp_path, STEADY + OTHER)
    os.kill(broker.process.pid, signal.SIGHUP)
    until(lambda: "other" in processes(broker), "the other runs")
    assert "worker other added" in broker.stderr()
    configuration(tmp_path, "broken: {mode: client}")
    os.kill(broker.process.pid, signal.SIGHUP)
    until(lambda: "cannot be taken on" in broker.stderr(), "it is said in the log")
    assert set(processes(broker)) == {"steady", "other"}


def test_a_server_without_workers_can_be_given_some(new_broker, tmp_path):
    path = tmp_path / "cola.yaml"
    path.write_text("cache: 32M\n")
    broker = new_broker("--config", str(path), "--workers-as-root", "yes")
    broker.start()
    assert "runs no workers" in cola("workers", "show", "steady", url=broker.unix).err
    configuration(tmp_path, STEADY)
    answer = reload(broker)
    assert [(row["name"], row["change"]) for row in answer["workers"]] == [("steady", "added")]
    until(lambda: "steady" in processes(broker), "it runs")
    assert broker.terminate().code == 0


def test_it_is_for_administrators(broker):
    result = cola("reload", url=broker.tcp)
    assert result.code == NOT_PERMITTED


# `cola workers import`


def test_a_procfile_becomes_workers(tmp_path, new_broker):
    procfile = tmp_path / "Procfile"
    procfile.write_text("# the site\nweb: exec sleep 600\n\nclock: while true; do sleep 1; done\n")
    yaml = cola("workers", "import", str(procfile)).succeeds().out
    path = tmp_path / "cola.yaml"
    path.write_bytes(yaml)
    path.chmod(0o644)
    broker = new_broker("--config", str(path), "--workers-as-root", "yes")
    broker.start()
    until(lambda: set(processes(broker)) == {"web", "clock"}, "both run")
    assert cola("workers", "import", "-", input=procfile.read_bytes()).succeeds().out == yaml


@pytest.mark.parametrize("content, sentence", [
    (b"web sleep\n", "line 1"),
    (b"web: a\nweb: b\n", "second time"),
    (b"web:\n", "empty"),
    (b"web: \xff\n", "no UTF-8"),
])
def test_a_wrong_procfile_is_not_imported(tmp_path, content, sentence):
    procfile = tmp_path / "Procfile"
    procfile.write_bytes(content)
    result = cola("workers", "import", str(procfile))
    assert result.code == 65 and sentence in result.err and result.out == b""
    assert cola("workers", "import", str(tmp_path / "none")).code == 66

"""bench: short loads, whose counts must add up; the figures themselves depend on the machine."""
from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time

import pytest

from broker import REPOSITORY, binary, new_folder
from cli import OK, USAGE, cola, start

PERCENTILES = ["p50", "p90", "p99", "p99.9", "max"]


def bench(*arguments, **options):
    result = cola("bench", "--json", *arguments, timeout=120, **options).succeeds()
    assert len(result.lines()) == 1
    return json.loads(result.out)


def test_its_own_broker_has_the_defaults_whatever_is_set_here(tmp_path):
    wrong = "durability: neither\nworkers: {mine: {queue: q, command: [no-such-program]}}\n"
    (tmp_path / "cola.yaml").write_text(wrong)
    report = bench("--count", "100", cwd=str(tmp_path), env={"COLA_DURABILITY": "neither", "COLA_CACHE": "much"})
    assert report["consumed"] == 100


@pytest.mark.parametrize("arguments", [
    [], ["--size", "16"], ["--size", "0"], ["--size", "100000", "--window", "10"],
    ["--producers", "4", "--consumers", "3", "--queues", "5"], ["--ack-batch", "1", "--prefetch", "7"],
    ["--consumers", "4", "--queues", "2"], ["--drain"],
], ids=" ".join)
def test_everything_that_is_published_is_consumed(shared_broker, arguments):
    report = bench(
        "--count", "2000", "--url", shared_broker.unix, *arguments)
    assert report["published"] == 2000 and report["consumed"] == 2000 and report["redelivered"] == 0
    values = [report["confirm_ms"][name] for name in PERCENTILES]
    assert values == sorted(values) and values[0] > 0
    assert (report["delivery_ms"] is None) == (report["size"] < 8)
    assert report["broker_rss_max"] > 0 and report["broker_cpu_us"] >= 0 and report["client_cpu_us"] > 0
    names = [row["name"] for row in json.loads(cola("queues", "--json", url=shared_broker.unix).out)]
    assert not [name for name in names if name.startswith("bench-")], "its queues are still there"


def test_over_tcp_the_broker_is_a_stranger(shared_broker):
    report = bench("--count", "500", "--url", shared_broker.tcp)
    assert report["consumed"] == 500 and report["broker_cpu_us"] is None


def test_without_a_url_it_starts_and_stops_a_broker_of_its_own():
    folder = new_folder()
    try:
        report = bench("--count", "1000", "--dir", str(folder))
        assert report["consumed"] == 1000 and report["broker_rss_max"] > 0
        assert os.listdir(str(folder)) == [], "its folder is still there"
    finally:
        os.rmdir(str(folder))


def test_a_signal_leaves_neither_broker_nor_folder_behind():
    folder = new_folder()
    process = start(["bench", "--seconds", "60", "--dir", str(folder)], "")
    try:
        deadline = time.monotonic() + 20
        while not list(folder.glob("*/cola.sock")) and time.monotonic() < deadline:
            time.sleep(0.05)
        children = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(process.pid)], stdout=subprocess.PIPE, check=True, timeout=10
        ).stdout.split()
        assert len(children) == 1
        process.terminate()
        assert process.wait(20) == 128 + signal.SIGTERM
        assert not os.path.exists("/proc/%d" % int(children[0])) and os.listdir(str(folder)) == []
    finally:
        process.kill()
        process.wait(10)
        shutil.rmtree(str(folder), ignore_errors=True)


def test_a_rate_is_kept():
    report = bench("--rate", "200", "--seconds", "1")
    assert 150 <= report["published"] <= 201 and report["consumed"] == report["published"]


def test_publishing_and_draining_are_two_runs_too(shared_broker):
    assert bench("--consumers", "0", "--count", "300", "--url", shared_broker.unix)["published"] == 300
    report = bench("--producers", "0", "--url", shared_broker.unix)
    assert report["consumed"] == 300 and report["confirm_ms"] is None


def test_the_load_generator_alone():
    report = bench("--null", "--count", "20000", "--size", "16")
    assert report["published"] == 20000 and report["consumed"] == 20000


def test_the_store_alone():
    report = bench("--storage", "--size", "16", "--chunk", "4096", "--seconds", "0.2")
    assert report["messages"] == report["commits"] * 256 and report["commits"] >= 50
    assert report["messages_per_second"] > 0 and report["commit_ms"]["p50"] > 0


def test_what_the_broker_used_is_seen(shared_broker):
    report = bench("--count", "2000", "--url", shared_broker.unix)
    assert 0 < report["broker_anon_max"] <= report["broker_rss_max"] and report["broker_written_bytes"] >= 0
    assert report["elided"] is None or report["elided"] >= 0
    report = bench("--count", "500", "--url", shared_broker.tcp)
    assert report["broker_anon_max"] is None and report["broker_written_bytes"] is None


def test_a_slow_consumer_leaves_a_backlog_that_is_drained(shared_broker):
    report = bench("--count", "3000", "--rate", "3000", "--consume-rate", "300", "--url", shared_broker.unix)
    assert report["published"] == report["consumed"] == 3000 and report["consume_rate"] == 300
    assert report["backlog_max"] > 1000


def test_many_connections_and_queues(shared_broker):
    report = bench("--count", "2000", "--producers", "100", "--consumers", "100", "--queues", "100",
                   "--window", "20", "--prefetch", "20", "--ack-batch", "5", "--url", shared_broker.unix)
    assert report["consumed"] == 2000 and report["queues"] == 100


@pytest.mark.parametrize("arguments", [
    ["--consume-rate", "0"], ["--consume-rate", "5", "--consumers", "0"], ["--consume-rate", "5", "--drain"],
], ids=" ".join)
def test_a_rate_that_makes_no_sense_is_refused(arguments):
    cola("bench", *arguments).fails(USAGE, "--consume-rate")


def test_for_people_it_is_a_few_lines(shared_broker):
    lines = cola("bench", "--count", "100", "--url", shared_broker.unix, timeout=60).succeeds().lines()
    assert [line.split()[0] for line in lines if not line.startswith("elided")] == [
        "published", "consumed", "backlog", "confirm", "delivery", "broker", "disk", "client"]
    assert cola("bench", "--help").code == OK


def test_the_script_makes_one_table_on_the_disk_of_the_repository():
    done = subprocess.run(
        [str(REPOSITORY / "scripts" / "bench.sh"), binary(), "--count", "200"], cwd=str(REPOSITORY), timeout=180,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    text, log = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == 0, text + log
    lines = text.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["load"] + 3 * ["ready"]
    assert lines[4].split()[:2] == ["load", "published/s"] and len(lines) == 5 + 2 * 7 + 5
    for line in lines[5:]:
        assert "failed" not in line and int(line[31:43]) > 0, line
    assert not list((REPOSITORY / ".build").glob("bench.*"))

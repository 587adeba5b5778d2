"""Other people's suites against a real broker: whatever they test holds, but for exceptions with a reason.

Most of them mostly wait, so they run side by side, each with a broker of its own.
"""
from __future__ import annotations

import concurrent.futures
import contextlib
import os
import pathlib
import shutil
import tempfile
from typing import Dict, Iterator, Tuple

import pytest

import broker
import cache
import results
from suites import SUITES, Suite

#: Brokers that run already, as HOST:PORT. What is known of Cola is no excuse for them.
ELSEWHERE = {protocol: os.environ.get("COMPAT_" + protocol.upper()) for protocol in ("amqp", "kafka")}
JOBS = int(os.environ.get("COMPAT_JOBS") or 3)


@contextlib.contextmanager
def address(protocol: str) -> Iterator[Tuple[str, int]]:
    elsewhere = ELSEWHERE[protocol]
    if elsewhere:
        host, _, port = elsewhere.rpartition(":")
        yield host, int(port)
        return
    started = broker.Broker(broker.new_folder())
    try:
        started.start()
        host, _, port = getattr(started, protocol).rpartition("/")[2].rpartition(":")
        yield host, int(port)
        assert started.runs(), "the broker died; %s" % started.stderr()[-3000:]
    finally:
        started.remove()


def run(suite: Suite) -> results.Outcomes:
    """In a folder of its own, which stays where `COMPAT_KEEP=1` asks for it, with all that the suite has written."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cola-compat-%s-" % suite.name))
    try:
        with address(suite.protocol) as (host, port):
            return suite.run(host, port, folder)
    finally:
        if os.environ.get("COMPAT_KEEP") != "1":
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def runs(request) -> Iterator[Dict[str, concurrent.futures.Future]]:
    """Every suite that was asked for, on its way."""
    chosen = [item.callspec.params["suite"] for item in request.session.items if hasattr(item, "callspec")]
    executor = concurrent.futures.ThreadPoolExecutor(JOBS)
    yield {suite.name: executor.submit(run, suite) for suite in chosen}
    executor.shutdown(wait=True, cancel_futures=True)


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_suite(suite, runs):
    try:
        outcomes = runs[suite.name].result()
    except cache.Missing as missing:
        pytest.skip(str(missing))
    print("\n%s: %d passed, %d failed, %d skipped" % (
        suite.name, *(results.count(outcomes, state) for state in (results.PASSED, results.FAILED, results.SKIPPED))))
    known = {} if ELSEWHERE[suite.protocol] else suite.exceptions()
    found = results.complaints(outcomes, known, suite.fewest)
    assert not found, "%s:\n%s" % (suite.name, "\n".join(found))

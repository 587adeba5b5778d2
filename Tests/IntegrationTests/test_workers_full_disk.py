"""Workers whose results cannot be stored, because the disk is full."""
from __future__ import annotations

import json
import time

import pytest

import native
from test_faults import small_disk  # noqa: F401  (a fixture)
from test_server_full_disk import fill
from test_workers import until


@pytest.mark.parametrize("mode", ["stream", "exec"])
def test_a_stop_does_not_wait_for_results_that_cannot_be_stored(small_disk, new_broker, tmp_path, mode):  # noqa: F811
    work = "touch %s/begun; while ! test -e %s/go; do sleep 0.1; done; " % (tmp_path, tmp_path)
    program = {
        "exec": work + "echo x",
        "stream": "while read -r line; do n=${line#*:}; " + work
                  + """echo "{\\"done\\":${n%%,*},\\"result\\":\\"x\\"}"; done""",
    }[mode]
    worker = {"queue": "work", "mode": mode, "result-queue": "results", "command": ["sh", "-c", program]}
    path = tmp_path / "cola.yaml"
    path.write_text(json.dumps({"workers-as-root": True, "workers": {"one": worker}}))
    path.chmod(0o600)
    broker = new_broker("--reserve", "0", "--disk-free-min", "0", "--config", str(path), folder=small_disk)
    broker.start()
    with native.Connection(broker.unix) as publisher:
        for queue in ("full", "results", "work"):
            publisher.ok("declare queue " + queue)
        publisher.ok("pub work 1", b"x")
        until((tmp_path / "begun").exists, "it has begun")
        fill(publisher)
        (tmp_path / "go").touch()
        time.sleep(2)  # its result is on its way
        broker.process.terminate()
        broker.process.wait(30)

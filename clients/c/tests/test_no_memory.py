"""Each allocation fails once."""
from __future__ import annotations

import subprocess

from conftest import HERE, LIMIT


def test_wherever_memory_runs_out_it_is_an_error_and_nothing_leaks(broker, build):
    program = build(HERE / "no_memory.c", alone=True)
    done = subprocess.run([str(program), broker.unix], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=2 * LIMIT)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")[-4000:]
    assert int(done.stdout) > 40

"""Runs `cola` commands as a user would: arguments and input in, output and exit code out."""
from __future__ import annotations

import os
import subprocess
from typing import Dict, NamedTuple, Optional, Sequence, Union

from broker import binary, die_with_parent

OK, REFUSED, USAGE, BAD_DATA, NO_INPUT, UNAVAILABLE, TRY_AGAIN, NOT_PERMITTED = 0, 1, 64, 65, 66, 69, 75, 77


class Result(NamedTuple):
    code: int
    out: bytes
    err: str

    def lines(self) -> list:
        return self.out.decode().splitlines()

    def fails(self, code: int, *words: str) -> "Result":
        """Checks the exit code, and that one line on stderr says what happened and holds these words."""
        assert self.code == code, "exit code %d, not %d: %s" % (self.code, code, self.err)
        lines = self.err.splitlines()
        assert len(lines) == 1 and lines[0].startswith("cola: "), "not one line of an error: %r" % self.err
        for word in words:
            assert word in lines[0], "%r is not in %r" % (word, lines[0])
        return self

    def succeeds(self) -> "Result":
        assert self.code == OK, "exit code %d: %s" % (self.code, self.err)
        return self


def environment(url: Optional[str], more: Optional[Dict[str, Optional[str]]] = None) -> Dict[str, str]:
    """The caller's environment without its `COLA_` settings, but with the broker's URL.

    A server takes free ports for AMQP and Kafka: servers run beside one another. A variable of `more` that is None is
    not set.
    """
    variables = {name: value for name, value in os.environ.items() if not name.startswith("COLA_")}
    variables["COLA_AMQP"] = variables["COLA_KAFKA"] = "127.0.0.1:0"
    if url:
        variables["COLA_URL"] = url
    variables.update(more or {})
    return {name: value for name, value in variables.items() if value is not None}


def cola(
    *arguments: str, url: Optional[str] = None, input: Union[bytes, str] = b"",
    env: Optional[Dict[str, Optional[str]]] = None, cwd: Optional[str] = None, timeout: float = 30.0
) -> Result:
    """Runs one command to its end."""
    data = input.encode() if isinstance(input, str) else input
    done = subprocess.run(
        [binary(), *arguments], input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout, cwd=cwd,
        env=environment(url, env), check=False)
    return Result(done.returncode, done.stdout, done.stderr.decode("utf-8", "replace"))


def start(arguments: Sequence[str], url: str, **options) -> subprocess.Popen:
    """Starts a command that goes on; whoever calls this ends it. It ends with the test run at the latest."""
    return subprocess.Popen(
        [binary(), *arguments], env=environment(url), preexec_fn=die_with_parent, stderr=subprocess.PIPE,
        stdout=subprocess.PIPE, **options)

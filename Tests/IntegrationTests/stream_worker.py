"""A worker of mode `stream`, written after nothing but `protocol/workers.md`: for the tests, and to start from."""
from __future__ import annotations

import base64
import json
import os
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Union
from urllib.parse import quote, unquote_to_bytes

Numbers = Union[int, str, List[Union[int, str]]]


class Message(NamedTuple):
    delivery: int
    body: Optional[bytes]
    attempt: int
    redelivered: bool
    members: Dict[str, Any]

    @property
    def text(self) -> str:
        return (self.body or b"").decode()


class Worker:
    """Reads messages from standard input and writes answers to standard output, in either format."""

    def __init__(self, source: int = 0, target: int = 1):
        self.source = source
        self.target = target
        self.is_native = os.environ.get("COLA_FORMAT") == "native"
        self.rest = b""

    def messages(self) -> Iterator[Message]:
        """Until standard input ends."""
        while True:
            message = self.next()
            if message is None:
                return
            yield message

    def next(self) -> Optional[Message]:
        line = self._line()
        if line is None:
            return None
        if self.is_native:
            return self._frame(line.decode())
        members = json.loads(line)
        if "body_base64" in members:
            body = base64.b64decode(members["body_base64"])
        else:
            body = None if members["body"] is None else members["body"].encode()
        return Message(members["delivery"], body, members["attempt"], members.get("redelivered", False), members)

    def _frame(self, line: str) -> Message:
        words = line.split(" ")
        assert words[0] == "msg", line
        options = dict(word.split("=", 1) for word in words[5:])
        body: Optional[bytes] = self._bytes(int(words[4]) + 1)[:-1]
        if options.get("null") == "yes":
            body = None
        members = {name: unquote_to_bytes(value).decode("utf-8", "replace") for name, value in options.items()}
        return Message(int(words[2]), body, int(options.get("r", 0)) + 1, "r" in options, members)

    def _line(self) -> Optional[bytes]:
        while b"\n" not in self.rest:
            if not self._fill():
                return None
        line, self.rest = self.rest.split(b"\n", 1)
        return line

    def _bytes(self, count: int) -> bytes:
        while len(self.rest) < count and self._fill():
            pass
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def _fill(self) -> bool:
        more = os.read(self.source, 65536)
        self.rest += more
        return bool(more)

    # Answers

    def ready(self) -> None:
        self._say("ready" if self.is_native else {"ready": True})

    def done(self, *numbers: Union[int, str]) -> None:
        if self.is_native:
            for number in numbers:
                self._say("ack %s" % number)
        else:
            self._say({"done": self._numbers(numbers)})

    def result(self, number: int, result: bytes) -> None:
        if self.is_native:
            return self._write(b"result %d %d\n%s\n" % (number, len(result), result))
        try:
            self._say({"done": number, "result": result.decode()})
        except UnicodeDecodeError:
            self._say({"done": number, "result_base64": base64.b64encode(result).decode()})

    def retry(self, *numbers: Union[int, str], delay: Optional[int] = None, reason: Optional[str] = None) -> None:
        self._fail("nack", "retry", numbers, {"delay": delay, "reason": reason})

    def reject(self, *numbers: Union[int, str], reason: Optional[str] = None) -> None:
        self._fail("reject", "reject", numbers, {"reason": reason})

    def _fail(self, verb: str, member: str, numbers: tuple, options: Dict[str, Any]) -> None:
        options = {name: value for name, value in options.items() if value is not None}
        if self.is_native:
            text = "".join(" %s=%s" % (name, quote(str(value), safe="")) for name, value in options.items())
            for number in numbers:
                self._say("%s %s%s" % (verb, number, text))
        else:
            self._say(dict({member: self._numbers(numbers)}, **options))

    @staticmethod
    def _numbers(numbers: tuple) -> Numbers:
        return numbers[0] if len(numbers) == 1 else list(numbers)

    def _say(self, answer: Union[str, Dict[str, Any]]) -> None:
        self._write((answer if isinstance(answer, str) else json.dumps(answer)).encode() + b"\n")

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self.target, data):]


def record(path: str, text: str) -> None:
    """Adds a line to a file that several processes write to, and that survives all of them."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(file, text.encode() + b"\n")
    os.close(file)

"""Counts the words of this machine's licence texts through a broker, and checks the result.

    scripts/demo.sh .build/release/cola

A broker in a temporary folder; two producers, the CLI and the Python client, half of the files each; three consumers,
Python over the Unix socket, Python over TCP and the CLI over TCP. Each paragraph is one message. The words that the
consumers counted must be those of the files, and every message must arrive exactly once: nothing fails here, so nothing
may be delivered twice. Everything is stopped and removed in the end, however it ends.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

import cola

TEXTS = Path("/usr/share/common-licenses")
QUEUE = "paragraphs"
# No step of the demo takes anything near this long, seconds.
STEP_LIMIT = 60.0
WORD = re.compile(r"[^\W\d_]+")


class DemoFailed(Exception):
    """The demo did not show what it should; the text says what went wrong."""


def words_of(text: bytes) -> Iterator[str]:
    return (word.lower() for word in WORD.findall(text.decode("utf-8", "replace")))


def paragraphs_of(text: bytes) -> Iterator[bytes]:
    """Runs of lines between blank ones, as `cola publish --paragraphs` cuts them: only space, tab and CR are blank."""
    lines: List[bytes] = []
    for line in text.split(b"\n"):
        if line.strip(b" \t\r"):
            lines.append(line)
        elif lines:
            yield b"\n".join(lines)
            lines = []
    if lines:
        yield b"\n".join(lines)


class Process:
    """A child in a session of its own, so that Ctrl-C reaches only this program, which then stops it in order."""

    def __init__(self, name: str, arguments: List[str], folder: Path) -> None:
        self.name = name
        self._log = folder / f"{name.replace(' ', '-')}.log"
        environment = {key: value for key, value in os.environ.items() if not key.startswith("COLA_")}
        with open(self._log, "wb") as log:
            self._popen = subprocess.Popen(
                arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                start_new_session=True,
            )
        assert self._popen.stdout is not None
        self.lines = self._popen.stdout
        self.reader = threading.Thread(target=self._read, daemon=True)

    def _read(self) -> None:
        for line in self.lines:
            self.take(line)

    def take(self, line: bytes) -> None:
        """Each line of its standard output, on the reader's thread."""

    @property
    def has_ended(self) -> bool:
        return self._popen.poll() is not None

    def end_input(self) -> None:
        assert self._popen.stdin is not None
        self._popen.stdin.close()

    def terminate(self) -> None:
        if not self.has_ended:
            self._popen.terminate()

    def finish(self, *allowed: int) -> None:
        """Waits until it has ended and all it wrote is read.

        - Raises DemoFailed: it does not end, or not with an allowed exit code.
        """
        try:
            code = self._popen.wait(STEP_LIMIT)
        except subprocess.TimeoutExpired:
            raise DemoFailed(f"{self.name} did not end within {STEP_LIMIT:.0f} s{self.last_words()}") from None
        if self.reader.ident is not None:
            self.reader.join(STEP_LIMIT)
        if code not in (allowed or (0,)):
            raise DemoFailed(f"{self.name} ended with exit code {code}{self.last_words()}")

    def last_words(self) -> str:
        lines = self._log.read_text("utf-8", "replace").splitlines()[-15:]
        return "".join(f"\n    {line}" for line in lines)

    def stop(self) -> None:
        """Ends it in any case."""
        self.terminate()
        try:
            self._popen.wait(5)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()


class Broker(Process):
    def __init__(self, executable: str, folder: Path) -> None:
        self.ready: Dict[str, str] = {}
        self._is_ready = threading.Event()
        arguments = [executable, "serve", "--data-dir", str(folder / "data"), "--native", "127.0.0.1:0"]
        arguments += ["--amqp", "off", "--kafka", "off", "--http", "off"]
        super().__init__("the broker", arguments, folder)
        self.reader.start()

    def take(self, line: bytes) -> None:
        words = line.decode("utf-8", "replace").split()
        if words[:2] == ["cola", "ready"]:
            self.ready = dict(word.split("=", 1) for word in words[2:] if "=" in word)
            self._is_ready.set()

    def wait_until_ready(self) -> None:
        end = time.monotonic() + STEP_LIMIT
        while not self._is_ready.wait(0.05):
            if self.has_ended or time.monotonic() > end:
                raise DemoFailed(f"the broker did not become ready{self.last_words()}")
        if not {"native", "socket"} <= self.ready.keys():
            raise DemoFailed(f"the broker's ready line names no native= or socket=: {self.ready}")


class CountingConsumer(Process):
    """A consumer as a process: a program of the Python client, below, or `cola consume --json`."""

    def __init__(self, name: str, arguments: List[str], folder: Path, is_python: bool) -> None:
        self.messages = 0
        self.words: Counter[str] = Counter()
        self._is_python = is_python
        super().__init__(name, arguments, folder)
        self.reader.start()

    def take(self, line: bytes) -> None:
        row: Dict[str, Any] = json.loads(line)
        if self._is_python:
            self.messages = row["messages"]
            self.words.update(row.get("words", {}))
        else:
            body = row["body"].encode() if "body" in row else base64.b64decode(row["body_base64"])
            self.words.update(words_of(body))
            self.messages += 1

    def end(self) -> None:
        """The queue is drained."""
        if self._is_python:
            self.end_input()
            self.finish(0)
        else:
            # It was told to wait for more. What it wrote is acknowledged, so its work is done.
            self.terminate()
            self.finish(0, -signal.SIGTERM, 128 + signal.SIGTERM)


def consume(url: str) -> None:
    """The Python consumer: counts until its standard input ends, then tells."""
    is_over = threading.Event()

    def wait_for_end() -> None:
        sys.stdin.read()
        is_over.set()

    threading.Thread(target=wait_for_end, daemon=True).start()
    words: Counter[str] = Counter()
    messages = 0
    with cola.connect(url) as client:
        deliveries = client.consume(QUEUE, prefetch=50, timeout=0.1)
        while not is_over.is_set():
            told = time.monotonic()
            for delivery in deliveries:
                words.update(words_of(delivery.body))
                delivery.ack()
                messages += 1
                if time.monotonic() - told > 0.1:
                    told = time.monotonic()
                    print(json.dumps({"messages": messages}), flush=True)
            print(json.dumps({"messages": messages}), flush=True)
        deliveries.close()
    print(json.dumps({"messages": messages, "words": words}), flush=True)


class PythonProducer(threading.Thread):
    """Publishes with confirms, over TCP."""

    def __init__(self, url: str, files: List[Path]) -> None:
        super().__init__(daemon=True)
        self.confirmed = 0
        self.failure: Optional[BaseException] = None
        self._url = url
        self._files = files

    def run(self) -> None:
        try:
            with cola.connect(self._url) as client, client.publisher(window=200) as publisher:
                for file in self._files:
                    for paragraph in paragraphs_of(file.read_bytes()):
                        publisher.publish(QUEUE, paragraph, headers={"file": file.name})
                self.confirmed = publisher.flush().confirmed
        except BaseException as failure:
            self.failure = failure


class CLIProducer(Process):
    def __init__(self, executable: str, url: str, files: List[Path], folder: Path) -> None:
        self.confirmed = 0
        arguments = [executable, "publish", "--url", url, "--queue", QUEUE, "--paragraphs"]
        for file in files:
            arguments += ["--file", str(file)]
        super().__init__("the CLI producer", arguments, folder)
        self.end_input()
        self.reader.start()

    def take(self, line: bytes) -> None:
        words = line.split()
        if words[:1] == [b"published"]:
            self.confirmed = int(words[1])


class Progress:
    """One line that is written over on a terminal; else a plain line now and then."""

    def __init__(self) -> None:
        self._is_terminal = sys.stdout.isatty()
        self._shown = ""
        self._shown_at = 0.0

    def show(self, text: str) -> None:
        if text == self._shown or not self._is_terminal and time.monotonic() - self._shown_at < 0.5:
            return
        if self._is_terminal:
            print(f"\r\033[K{text}", end="", flush=True)
        else:
            print(text, flush=True)
        self._shown, self._shown_at = text, time.monotonic()

    def done(self, text: str) -> None:
        if self._is_terminal or text != self._shown:
            self._shown_at = 0.0
            self._shown = ""
            self.show(text)
        if self._is_terminal:
            print(flush=True)


def is_drained(client: cola.Client) -> bool:
    row = next(row for row in client.list_queues() if row["name"] == QUEUE)
    return int(row["ready"]) == 0 and int(row["unacknowledged"]) == 0


def demo(executable: str, folder: Path, started: List[Process]) -> None:
    files = sorted(path for path in TEXTS.iterdir() if path.is_file()) if TEXTS.is_dir() else []
    if len(files) < 2:
        raise DemoFailed(f"{TEXTS} holds no texts; on Debian they come with the package base-files")
    direct: Counter[str] = Counter()
    paragraphs = 0
    for file in files:
        text = file.read_bytes()
        direct.update(words_of(text))
        paragraphs += sum(1 for _ in paragraphs_of(text))

    broker = Broker(executable, folder)
    started.append(broker)
    broker.wait_until_ready()
    unix, tcp = broker.ready["socket"], broker.ready["native"]
    print(f"broker ready at {unix} and {tcp}")
    with cola.connect(unix) as client:
        client.declare_queue(QUEUE)
        itself = [sys.executable, __file__, "--consume"]
        consumers: List[CountingConsumer] = []
        for name, arguments, is_python in (
            ("Python over Unix", [*itself, unix], True),
            ("Python over TCP", [*itself, tcp], True),
            ("CLI over TCP", [executable, "consume", "--url", tcp, "--queue", QUEUE, "--follow", "--json"], False),
        ):
            consumers.append(CountingConsumer(name, arguments, folder, is_python))
            started.append(consumers[-1])
        wait_for(lambda: len(client.list_consumers()) == 3, consumers, "three consumers")

        print(f"{len(files)} texts of {TEXTS}: {paragraphs} paragraphs, half by the CLI and half by Python")
        begun = time.monotonic()
        cli_producer = CLIProducer(executable, unix, files[0::2], folder)
        started.append(cli_producer)
        python_producer = PythonProducer(tcp, files[1::2])
        python_producer.start()
        progress = Progress()

        def line() -> str:
            counts = " + ".join(str(consumer.messages) for consumer in consumers)
            return f"consumed {counts} = {sum(consumer.messages for consumer in consumers)} of {paragraphs}"

        while python_producer.is_alive() or not cli_producer.has_ended:
            if time.monotonic() - begun > STEP_LIMIT:
                raise DemoFailed(f"the producers did not end within {STEP_LIMIT:.0f} s; {line()}")
            progress.show(line())
            time.sleep(0.02)
        cli_producer.finish()
        if python_producer.failure is not None:
            raise DemoFailed(f"the Python producer failed: {python_producer.failure}")
        published_in = time.monotonic() - begun

        def drained() -> bool:
            progress.show(line())
            return is_drained(client)

        wait_for(drained, consumers, "an empty queue")
        consumed_in = time.monotonic() - begun
        for consumer in consumers:
            consumer.end()
        progress.done(line())
    broker.terminate()
    broker.finish()

    confirmed = cli_producer.confirmed + python_producer.confirmed
    messages = sum(consumer.messages for consumer in consumers)
    counted: Counter[str] = Counter()
    for consumer in consumers:
        counted.update(consumer.words)
    print_table(consumers, counted, direct)
    total = sum(counted.values())
    print(f"{confirmed} messages confirmed: {cli_producer.confirmed} of the CLI, {python_producer.confirmed} of Python")
    print(f"{messages} messages consumed, {total} words, {len(counted)} different ones")
    print(f"published in {published_in:.2f} s ({confirmed / published_in:,.0f} messages/s, with the start of the CLI)")
    print(f"consumed in {consumed_in:.2f} s ({messages / consumed_in:,.0f} messages/s)")
    if confirmed != paragraphs or messages != paragraphs:
        raise DemoFailed(f"{paragraphs} paragraphs, but {confirmed} were confirmed and {messages} consumed")
    if counted != direct:
        wrong = [word for word in counted.keys() | direct.keys() if counted[word] != direct[word]]
        raise DemoFailed(f"{len(wrong)} words have another count than in the files, for example {sorted(wrong)[:5]}")
    print("the broker's count equals the direct count")


def wait_for(condition: Any, consumers: List[CountingConsumer], what: str) -> None:
    end = time.monotonic() + STEP_LIMIT
    while not condition():
        for consumer in consumers:
            if consumer.has_ended:
                raise DemoFailed(f"the consumer {consumer.name} ended too early{consumer.last_words()}")
        if time.monotonic() > end:
            raise DemoFailed(f"waited {STEP_LIMIT:.0f} s for {what}")
        time.sleep(0.02)


def print_table(consumers: List[CountingConsumer], counted: Counter[str], direct: Counter[str]) -> None:
    titles = ["word", *(consumer.name for consumer in consumers), "together", "in the files"]
    rows = [
        [word, *(str(consumer.words[word]) for consumer in consumers), str(counted[word]), str(count)]
        for word, count in direct.most_common(10)
    ]
    widths = [max(len(row[at]) for row in [titles, *rows]) for at in range(len(titles))]
    for row in [titles, *rows]:
        print(row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:])), sep="  ")


def main() -> int:
    parser = argparse.ArgumentParser(description="Counts the words of the licence texts through a broker.")
    parser.add_argument("cola", nargs="?", help="the built executable, for example .build/release/cola")
    parser.add_argument("--consume", metavar="URL", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.consume:
        consume(options.consume)
        return 0
    if options.cola is None or shutil.which(options.cola) is None:
        print(f"demo: no executable at {options.cola}; build it with `make build`", file=sys.stderr)
        return 64

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    folder = Path(tempfile.mkdtemp(prefix="cola-demo-"))
    started: List[Process] = []
    try:
        demo(os.path.abspath(shutil.which(options.cola) or options.cola), folder, started)
        return 0
    except (DemoFailed, cola.ColaError) as problem:
        print(f"\ndemo: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndemo: interrupted", file=sys.stderr)
        return 130
    finally:
        # A second Ctrl-C must not leave something behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for process in reversed(started):
            process.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())

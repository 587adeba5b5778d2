"""Counts the words of this machine's licence texts with workers that the broker runs, and checks the result.

    scripts/demo.sh .build/release/cola

A broker in a temporary folder; two producers, the CLI and the Python client, half of the files each, a message for each
paragraph; three workers of one queue: a program that is started for each message, one that reads messages and answers,
and a Python function, all of them examples/workers/words.py. In the middle a process is killed with SIGKILL, which is
what workers die of: what it had in hand is done by another. The words that the workers counted must be those of the
files. Everything is stopped and removed in the end, however it ends.
"""

from __future__ import annotations

import argparse
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
from itertools import islice
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional

import cola

TEXTS = Path("/usr/share/common-licenses")
QUEUE = "paragraphs"
RESULTS = "counts"
PROGRAM = Path(__file__).resolve().parent.parent / "examples" / "workers" / "words.py"
CLIENT = Path(cola.__file__).resolve().parent.parent
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


def configuration(folder: Path) -> Path:
    """JSON is YAML, too."""
    python = sys.executable
    workers: Dict[str, Dict[str, Any]] = {
        "program": {"mode": "exec", "command": [python, str(PROGRAM), "exec"], "processes": 2},
        "stream": {"mode": "stream", "command": [python, str(PROGRAM), "stream"], "prefetch": 20},
        "function": {
            "mode": "client",
            "command": [python, "-m", "cola", "worker", "words"],
            "environment": {"PYTHONPATH": os.pathsep.join([str(CLIENT), str(PROGRAM.parent)])},
        },
    }
    for worker in workers.values():
        worker["queue"] = QUEUE
        worker.setdefault("environment", {})["PAUSE"] = "0.003"
        if worker["mode"] != "client":
            worker["result-queue"] = RESULTS
    path = folder / "cola.yaml"
    path.write_text(json.dumps({"workers": workers}))
    path.chmod(0o600)
    return path


class Broker(Process):
    def __init__(self, executable: str, folder: Path) -> None:
        self.ready: Dict[str, str] = {}
        self._is_ready = threading.Event()
        arguments = [executable, "serve", "--data-dir", str(folder / "data"), "--native", "127.0.0.1:0"]
        arguments += ["--amqp", "127.0.0.1:0", "--kafka", "off", "--config", str(configuration(folder))]
        if os.geteuid() == 0:
            arguments += ["--workers-as-root", "yes"]
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


class Results:
    """What the workers have counted, by the message that it was in: one that was killed may have had its result out."""

    def __init__(self, url: str) -> None:
        self.words: Dict[int, Dict[str, int]] = {}
        self.repeated = 0
        self._client = cola.connect(url)
        self._deliveries = self._client.consume(RESULTS, prefetch=200, timeout=0.1)

    def take(self) -> None:
        """What there is, but not so many that nobody sees how it goes."""
        for delivery in islice(self._deliveries, 20):
            result = json.loads(delivery.body)
            self.repeated += result["offset"] in self.words
            self.words[result["offset"]] = result["words"]
            delivery.ack()

    def close(self) -> None:
        self._deliveries.close()
        self._client.close()


def processes(client: cola.Client, worker: str) -> List[Dict[str, Any]]:
    """Of those that run."""
    return [row for row in client.list_processes() if row["worker"] == worker and row["pid"]]


def show(executable: str, url: str, *arguments: str) -> None:
    print(f"$ cola {' '.join(arguments)}", flush=True)
    environment = {**os.environ, "COLA_URL": url}
    subprocess.run([executable, *arguments], env=environment, timeout=STEP_LIMIT, check=True)


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
        client.declare_queue(RESULTS)
        results = Results(tcp)
        wait_for(lambda: {row["queue"] for row in client.list_consumers()} >= {QUEUE}, broker, "a worker")
        # One that lives on is ready when it can take messages; for a message there is no process before it comes.
        wait_for(lambda: processes(client, "stream") and processes(client, "function"), broker, "the workers")

        print(f"{len(files)} texts of {TEXTS}: {paragraphs} paragraphs, half by the CLI and half by Python")
        begun = time.monotonic()
        cli_producer = CLIProducer(executable, unix, files[0::2], folder)
        started.append(cli_producer)
        python_producer = PythonProducer(tcp, files[1::2])
        python_producer.start()
        progress = Progress()
        victim: Optional[int] = None
        while len(results.words) < paragraphs:
            results.take()
            progress.show(f"done {len(results.words)} of {paragraphs}")
            if time.monotonic() - begun > STEP_LIMIT or broker.has_ended:
                raise DemoFailed(f"{len(results.words)} of {paragraphs} after {STEP_LIMIT:.0f} s{broker.last_words()}")
            busy = [row for row in processes(client, "stream") if row["messages"] > 0]
            if victim is None and busy and len(results.words) > paragraphs // 4:
                progress.done(f"done {len(results.words)} of {paragraphs}")
                show(executable, unix, "ps", "-o", "instance,pid,state,since,cpu,memory,starts,message,reason")
                show(executable, unix, "top", "--interval", "0.2")
                victim = busy[0]["pid"]
                print(f"$ kill -9 {victim}", flush=True)
                os.kill(victim, signal.SIGKILL)
        done_in = time.monotonic() - begun
        progress.done(f"done {len(results.words)} of {paragraphs}")
        cli_producer.finish()
        python_producer.join(STEP_LIMIT)
        if python_producer.failure is not None:
            raise DemoFailed(f"the Python producer failed: {python_producer.failure}")

        def is_back() -> bool:
            return any(row["pid"] != victim for row in processes(client, "stream"))

        wait_for(is_back, broker, "a successor of what was killed")
        show(executable, unix, "workers")
        results.take()
        results.close()
        row = next(row for row in client.list_queues() if row["name"] == QUEUE)
        ends = client.describe("queue", QUEUE)["ends"]
    broker.terminate()
    broker.finish()

    confirmed = cli_producer.confirmed + python_producer.confirmed
    counted: Counter[str] = Counter()
    for words in results.words.values():
        counted.update(words)
    print_table(counted, direct)
    print(f"{confirmed} messages confirmed: {cli_producer.confirmed} of the CLI, {python_producer.confirmed} of Python")
    print(f"{sum(counted.values())} words, {len(counted)} different ones, counted in {done_in:.2f} s")
    print(f"attempts that ended with a killed process: {ends['killed']}; results that came twice: {results.repeated}")
    if confirmed != paragraphs or row["messages"] != 0:
        raise DemoFailed(f"{paragraphs} paragraphs, but {confirmed} were confirmed and {row['messages']} are left")
    if counted != direct:
        wrong = [word for word in counted.keys() | direct.keys() if counted[word] != direct[word]]
        raise DemoFailed(f"{len(wrong)} words have another count than in the files, for example {sorted(wrong)[:5]}")
    print("the workers' count equals the direct count")


def wait_for(condition: Callable[[], Any], broker: Broker, what: str) -> None:
    end = time.monotonic() + STEP_LIMIT
    while not condition():
        if broker.has_ended:
            raise DemoFailed(f"the broker has ended{broker.last_words()}")
        if time.monotonic() > end:
            raise DemoFailed(f"waited {STEP_LIMIT:.0f} s for {what}{broker.last_words()}")
        time.sleep(0.02)


def print_table(counted: Counter[str], direct: Counter[str]) -> None:
    titles = ["word", "counted by workers", "in the files"]
    rows = [[word, str(counted[word]), str(count)] for word, count in direct.most_common(10)]
    widths = [max(len(row[at]) for row in [titles, *rows]) for at in range(len(titles))]
    for row in [titles, *rows]:
        print(row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:])), sep="  ")


def main() -> int:
    parser = argparse.ArgumentParser(description="Counts the words of the licence texts through a broker.")
    parser.add_argument("cola", nargs="?", help="the built executable, for example .build/release/cola")
    options = parser.parse_args()
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

"""What README.md, the Python client's page and `cola serve --help` show is run as it stands, so that it stays true.

A person runs them one after the other in one folder; so do the tests. Only what belongs to a machine is replaced:
ports, folders outside of the test's own, times of day, and how long a load runs.
"""
from __future__ import annotations

import contextlib
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from typing import Dict, Iterator, List, Tuple

import pytest

from broker import REPOSITORY, die_with_parent
from cli import cola
from pages import converse, end, newcomers_environment, short_folder

README = REPOSITORY / "README.md"
CLIENT_PAGE = REPOSITORY / "clients" / "python" / "README.md"


def blocks(page: pathlib.Path, language: str) -> List[str]:
    return re.findall(r"^```%s\n(.*?)^```$" % language, page.read_text(), re.MULTILINE | re.DOTALL)


class Shell:
    """A folder as a newcomer has it: empty, with an empty HOME, and `cola` in PATH."""

    def __init__(self, folder: pathlib.Path, url: str = ""):
        self.folder = folder
        (folder / "home").mkdir()
        self.environment = newcomers_environment(folder / "bin", folder / "home", {"COLA_URL": url} if url else {})

    def spawn(self, command: str, **more: str) -> subprocess.Popen:
        return subprocess.Popen(
            ["bash", "-o", "pipefail", "-c", command], cwd=str(self.folder), env=dict(self.environment, **more),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
            preexec_fn=die_with_parent)

    def run(self, command: str, timeout: float = 60.0) -> Tuple[int, str]:
        """Exit code and what was printed."""
        process = self.spawn(command)
        try:
            output, _ = process.communicate(timeout=timeout)
        finally:
            end(process)
        return process.returncode, output.decode("utf-8", "replace")

    def run_for(self, command: str, seconds: float) -> Tuple[bool, str]:
        """Whether it still ran after that time without an error, and what was printed."""
        process = self.spawn(command)
        try:
            output, _ = process.communicate(timeout=seconds)
            return False, output.decode("utf-8", "replace")
        except subprocess.TimeoutExpired:
            end(process)
            output, _ = process.communicate(timeout=10)
            return True, output.decode("utf-8", "replace")
        finally:
            end(process)

    def lines_of(self, command: str, count: int, timeout: float = 60.0) -> List[str]:
        """The first lines of a command that goes on, which is ended then."""
        process = self.spawn(command)
        assert process.stdout is not None
        too_late = threading.Timer(timeout, end, [process])
        too_late.start()
        try:
            lines = [process.stdout.readline().decode().rstrip("\n") for _ in range(count)]
            assert process.poll() is None, "`%s` ended, or took too long: %s" % (command, lines)
            return lines
        finally:
            too_late.cancel()
            end(process)
            process.stdout.close()


@contextlib.contextmanager
def serving(shell: Shell, command: str) -> Iterator[str]:
    """Runs `cola serve` while the block runs; gives the line that it printed, and sees it stop in order."""
    process = shell.spawn("exec " + command, COLA_NATIVE="127.0.0.1:0", COLA_AMQP="localhost:0",
                          COLA_KAFKA="localhost:0")
    assert process.stdout is not None
    try:
        lines: List[str] = []
        deadline = time.monotonic() + 30
        # stderr comes along unless the command leads it elsewhere; the line is on stdout.
        while time.monotonic() < deadline and not (lines and lines[-1].startswith("cola ready")):
            line = process.stdout.readline().decode()
            assert line, "`%s` ended: %s" % (command, lines)
            lines.append(line.rstrip("\n"))
        yield lines[-1]
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0, command
    finally:
        end(process)
        process.stdout.close()


@pytest.fixture(scope="module")
def newcomer() -> Iterator[Tuple[Shell, List[Tuple[str, str]], str]]:
    """The folder with README's broker running; the other commands of its first steps, and the line it printed."""
    steps: List[Tuple[str, str]] = []
    for line in blocks(README, "console")[0].splitlines(keepends=True):
        if line.startswith("$ "):
            steps.append((line[2:].strip(), ""))
        else:
            steps[-1] = (steps[-1][0], steps[-1][1] + line)
    (build, _), (serve, ready), *rest = steps
    assert build.startswith("make build") and serve.startswith("cola serve") and serve.endswith("&")
    with short_folder() as folder:
        shell = Shell(folder)
        with serving(shell, serve.rstrip("& ")) as line:
            shown = ready.strip().replace("/home/ana", str(folder))
            assert re.sub(r":\d+ ", ":PORT ", line) == re.sub(r":\d+ ", ":PORT ", shown)
            yield shell, rest, line


def test_the_first_steps_print_what_the_page_shows(newcomer):
    shell, steps, _ = newcomer
    assert len(steps) >= 4
    for command, shown in steps:
        assert shell.run(command) == (0, shown), command


def test_the_session_by_hand_is_answered_as_the_page_shows(newcomer):
    shell, _, _ = newcomer
    first, *lines = blocks(README, "console")[1].splitlines()
    assert first == "$ nc -U cola-data/cola.sock"
    converse(shell.folder / "cola-data" / "cola.sock", lines)


def test_the_python_of_the_page_runs(newcomer):
    shell, _, _ = newcomer
    snippet, _, _, worker, _ = blocks(README, "python")
    (shell.folder / "snippet.py").write_text(snippet)
    assert shell.run("'%s' snippet.py" % sys.executable) == (0, "b'hello'\n")
    (shell.folder / "tasks.py").write_text(worker)
    count_words(shell, "-m cola worker tasks --processes 4")


def count_words(shell: Shell, workers: str) -> None:
    """Has the worker of the page count the words of a text."""
    for queue in ("texts", "counts"):
        assert shell.run("cola declare queue " + queue)[0] == 0
    assert shell.run("cola publish --queue texts 'two words'")[0] == 0
    words = "'%s' %s & worker=$!; cola consume -q counts --count 1; kill $worker; wait $worker"
    code, output = shell.run(words % (sys.executable, workers))
    assert code == 0 and "2 words" in output.splitlines(), output


def test_what_rabbitmqs_client_does_on_the_page(newcomer):
    pytest.importorskip("pika", reason="pip install pika")
    shell, _, ready = newcomer
    snippet = blocks(README, "python")[1]
    port = re.search(r"amqp=amqp://(?:127\.0\.0\.1|localhost):(\d+)", ready)
    assert port and ":5672/" in snippet
    (shell.folder / "rabbit.py").write_text(snippet.replace(":5672/", ":%s/" % port.group(1)))
    assert shell.run("'%s' rabbit.py" % sys.executable) == (0, "b'hello' {'lang': 'en'}\n")


def test_what_kafkas_client_does_on_the_page(newcomer):
    pytest.importorskip("confluent_kafka", reason="pip install confluent-kafka")
    shell, _, ready = newcomer
    snippet = blocks(README, "python")[2]
    port = re.search(r"kafka=(?:127\.0\.0\.1|localhost):(\d+)", ready)
    assert port and ":9092" in snippet
    (shell.folder / "kafkas.py").write_text(snippet.replace(":9092", ":" + port.group(1)))
    assert shell.run("'%s' kafkas.py" % sys.executable) == (0, "b'ana' b'/start' [('lang', b'en')]\n")


def test_the_python_of_the_clients_page_runs(newcomer):
    shell, _, _ = newcomer
    hello, queue, worker, fast, asynchronous, again = blocks(CLIENT_PAGE, "python")
    (shell.folder / "function.py").write_text(worker)
    count_words(shell, "function.py")
    (shell.folder / "hello.py").write_text(hello)
    assert shell.run("'%s' hello.py" % sys.executable) == (0, "world {'lang': 'en'}\n")
    (shell.folder / "squares.py").write_text(queue)
    assert shell.run("'%s' squares.py" % sys.executable) == (0, "[1, 4, 9]\n")
    (shell.folder / "fast.py").write_text(fast)
    assert shell.run("'%s' fast.py" % sys.executable) == (0, "100000\n")
    (shell.folder / "greetings.py").write_text(asynchronous)
    assert shell.run("'%s' greetings.py" % sys.executable) == (0, "hello\n")
    (shell.folder / "again.py").write_text(again)
    assert shell.run("cola publish --queue hello 'for the loop'")[0] == 0
    assert shell.lines_of("'%s' -u again.py" % sys.executable, 1) == ["for the loop"]
    # It was ended behind its line, perhaps before it acknowledged.
    assert shell.run("cola purge hello")[0] == 0


def test_the_examples_run(newcomer):
    shell, _, _ = newcomer
    shutil.copytree(str(REPOSITORY / "examples"), str(shell.folder / "examples"))
    python = "'%s' -u examples/" % sys.executable
    assert shell.run(python + "hello.py") == (0, "world {'lang': 'en'}\n")
    count_words(shell, "examples/workers/function.py")
    assert shell.run(python + "work_queue.py add 5") == (0, "5 jobs are confirmed\n")
    lines = shell.lines_of(python + "work_queue.py work", 5)
    assert [line.split(":")[0] for line in lines] == ["job %d" % number for number in range(5)]
    assert shell.run(python + "topic_reader.py write 3") == (0, "3 events written\n")
    for group, count in [("audit", 3), ("audit", 0), ("billing", 3)]:
        code, output = shell.run(python + "topic_reader.py read " + group)
        assert code == 0 and len(output.splitlines()) == count, output
    for wrong in ["work_queue.py", "work_queue.py add many", "topic_reader.py", "topic_reader.py write many"]:
        code, output = shell.run(python + wrong)
        assert code == 1 and "python3 examples/" in output and "Traceback" not in output, output


# Every example of `cola serve --help`; those of the other commands are in test_cli_help.py


def examples(command: str) -> List[str]:
    """The indented lines that run `cola`; `cola serve &` is what runs already."""
    out = cola(*command.split(), "--help").succeeds().out.decode()
    text = out.partition("USAGE:")[0] + out.partition("EXAMPLES:")[2]
    found = [line.strip() for line in text.splitlines() if re.match(r" +(\w.* \| )?(COLA_\w+=\S+ )*cola ", line)]
    found = [line for line in found if line != "cola serve &"]
    assert found, "no example in `cola %s --help`" % command
    return found


def test_each_example_of_serve_starts_a_server():
    for example in examples("serve"):
        with short_folder() as folder:
            line = example.replace("0.0.0.0:7672", "127.0.0.1:0")
            line = line.replace("/var/lib/cola", "lib").replace("/run/cola/", "")
            with serving(Shell(folder), re.sub(r"^((?:COLA_\w+=\S+ )+)", r"env \1", line)) as ready:
                assert ready.startswith("cola ready "), example


def test_the_help_of_serve_is_the_whole_reference():
    """Each setting with its environment variable works; what the text says of defaults is what is taken."""
    text = cola("serve", "--help").succeeds().out.decode()
    assert cola("help", "serve").succeeds().out.decode() == text
    settings = re.findall(r"^  --([a-z-]+) (\S+)$", text, re.MULTILINE)
    defaults = dict(re.findall(r"^  --([a-z-]+) .*\n(?: {8}.*\n)*? {8}.*\(default: (.*)\)$", text, re.MULTILINE))
    assert len(settings) > 15 and len(defaults) > 12
    for name, _ in settings:
        if name == "config":
            continue
        variable = "COLA_" + name.upper().replace("-", "_")
        # Empty is wrong for all of them, and is complained about under the name it was given by.
        cola("serve", env={variable: ""}).fails(64, variable)
    with short_folder() as folder:
        others = {name: value for name, value in defaults.items() if name not in ("native", "amqp")}
        given = " ".join("--%s %s" % item for item in others.items())
        with serving(Shell(folder), "cola serve --native 127.0.0.1:0 " + given) as ready:
            assert ready.startswith("cola ready ")

"""Every example of every `--help` is run as it stands; no command is without one; completion knows them all.

Each example has a virtual host of its own with what the examples name, so that none depends on another.
"""
from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
from typing import Dict, Iterator, List, Tuple

import pytest

from broker import binary
from cli import cola, environment
import native
from test_readme import Shell, examples, serving, short_folder

MODEL = """
declare queue hello
declare queue log
declare queue texts
declare queue orders
declare queue bench-0
declare queue tasks.dead
declare queue tasks dead-letter-exchange= dead-letter-routing-key=tasks.dead
declare topic events partitions=2
declare exchange news type=topic
bind news orders key=#
policy short pattern=^none expires=1000
""".strip().splitlines()

# These need a broker that runs workers: test_cli_workers.py and test_worker_logs.py have one, and run them.
OF_WORKERS = r"cola (logs\b|workers (show|start|stop|restart|pause|resume|kill|scale|nice) )"

hosts = itertools.count(1)


def commands() -> List[str]:
    """Every command that there is, from the program's own description of itself."""
    root = json.loads(cola("--experimental-dump-help").succeeds().out)["command"]

    def names(command: dict, path: str) -> Iterator[str]:
        yield path
        for child in command.get("subcommands", []):
            if child["commandName"] != "help" and child.get("shouldDisplay", True):
                yield from names(child, (path + " " + child["commandName"]).strip())

    return [name for name in names(root, "") if name != "serve"]


@pytest.fixture(scope="module")
def sandbox(shared_broker) -> Iterator[Tuple[Shell, Dict[str, str]]]:
    """A folder that has what the examples name, with a broker at COLA_URL and the data of a stopped one beside."""
    with short_folder() as folder:
        shell = Shell(folder, shared_broker.unix)
        with serving(shell, "cola serve"):
            pass
        shutil.copytree(str(folder / "cola-data"), str(folder / "copy"))
        for name in ("app.log", "picture.png", "a.txt"):
            (folder / name).touch()
        (folder / "b.txt").write_text("text\n")
        (folder / "orders.jsonl").write_text('{"body":"x"}\n')
        (folder / "Procfile").write_text("web: sleep 60\n")
        (folder / "send.sh").write_text("#!/bin/sh\ncat\n")
        (folder / "send.sh").chmod(0o700)
        (folder / "password.txt").write_text("sesame\n")
        (folder / "definitions.json").write_text('{"vhosts":[{"name":"shop"}]}\n')
        (folder / "worker.py").write_text("import sys\nfor line in sys.stdin:\n    pass\n")
        (folder / "workers.yaml").write_text("workers:\n  words: {queue: texts, command: [wc, -w]}\n")
        (folder / "workers.yaml").chmod(0o600)
        yield shell, {"tcp://localhost:7672": shared_broker.tcp}


def prepare(url: str, example: str) -> str:
    """A new virtual host in which everything is that the examples name."""
    host = "help-%d" % next(hosts)
    with native.Connection(url) as administrator:
        administrator.ok("declare vhost " + host)
        administrator.ok("permit guest vhost=%s configure=.* write=.* read=.*" % host)
        for user in ("ana", "ops", "uid:1000"):
            administrator.call("delete user " + user)
        administrator.ok("declare vhost shop")
        if "users add" not in example:
            administrator.ok("user ana no-password=yes")
            for vhost in (host, "shop"):
                administrator.ok("permit ana vhost=%s configure=.* write=.* read=.*" % vhost)
            administrator.ok("permit ana vhost=%s exchange=amq.topic write=.* read=.*" % host)
    with native.Connection(url, hello="hello 1 vhost=" + host) as connection:
        for line in MODEL:
            connection.ok(line)
        for number in range(10):
            connection.ok("pub hello 1", b"%d" % number)
        for queue in ("orders", "events", "tasks"):
            for number in range(3):
                connection.ok("pub %s 1" % queue, b"%d" % number)
        for partition in range(2):
            connection.ok("pub events 1 partition=%d" % partition, b"x")
            connection.ok("commit events audit 1 partition=%d" % partition)
        connection.ok("consume tasks c=1")
        for delivery in connection.collect(2):
            connection.send("reject %d" % delivery.number)
        connection.ok("ping")
    return host


@pytest.mark.parametrize("command", commands())
def test_each_example_of_the_help_runs(sandbox, shared_broker, command):
    shell, replacements = sandbox
    for example in examples(command):
        if re.match(OF_WORKERS + "|pwgen|rabbitmqctl", example) or "jq" in example and not shutil.which("jq"):
            continue
        shell.environment["COLA_VHOST"] = prepare(shared_broker.unix, example)
        line = example
        for shown, real in replacements.items():
            line = line.replace(shown, real)
        if re.match("cola users (add|password) ", line) and "-password" not in line:
            line += " --password-stdin <password.txt"  # nobody is there to be asked
        if command == "bench":  # as the page has it, but shorter
            line = line.partition(" #")[0].rstrip() + (" --count 500" if "--count" in line else " --seconds 0.2")
        if re.search(r"tail -f|--follow|--watch|cola run", line):
            runs, output = shell.run_for(line, 1.5)
            complaints = re.sub("cola: (there are no|member of group)", "", output)
            assert runs and "cola: " not in complaints, "%s: %s" % (example, output)
        else:
            code, output = shell.run(line)
            assert code == 0, "%s: exit code %d: %s" % (example, code, output)
            (shell.folder / "cola.yaml").unlink(missing_ok=True)  # the next broker there would go by it


@pytest.mark.parametrize("command", commands() + ["serve"])
def test_help_goes_to_standard_output(command):
    result = cola(*command.split(), "--help").succeeds()
    assert len(result.out) > 100 and result.err == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_know_every_command(shell, tmp_path):
    script = cola("--generate-completion-script", shell).succeeds().out
    for command in commands() + ["serve"]:
        for word in command.split():
            assert re.search(rb"\b%s\b" % word.encode(), script), "%s does not complete `cola %s`" % (shell, command)
    if shell == "bash":
        path = tmp_path / "cola.bash"
        path.write_bytes(script)
        subprocess.run(["bash", "-n", str(path)], check=True, timeout=30)
        # As the shell does it when TAB is pressed behind `cola de`.
        typed = (
            "source %s; COMP_WORDS=(cola de); COMP_CWORD=1; COMP_LINE='cola de'; COMP_POINT=7; "
            "_cola cola de cola; printf '%%s\\n' \"${COMPREPLY[@]}\"" % path)
        done = subprocess.run(["bash", "-c", typed], stdout=subprocess.PIPE, timeout=30)
        assert set(done.stdout.split()) >= {b"declare", b"delete", b"describe", b"dead"}


# Where names are typed, and which there are: a queue, a topic, an exchange, each with a space in its name.
NAMED = [
    ("get comp", "queue"), ("peek comp", "queue"), ("peek comp", "topic"), ("tail comp", "topic"),
    ("why comp", "queue"), ("purge comp", "queue"), ("export comp", "topic"), ("import comp", "topic"),
    ("consume -q comp", "queue"), ("publish --queue comp", "queue"), ("publish -q comp", "queue"),
    ("publish --topic comp", "topic"), ("publish --exchange comp", "exchange"), ("bind comp", "exchange"),
    ("bind amq.topic comp", "queue"), ("delete queue comp", "queue"), ("describe exchange comp", "exchange"),
    ("set topic comp", "topic"), ("dead show comp", "queue"), ("offsets show comp", "topic"),
]


@pytest.mark.parametrize("shell, typed", [
    ("bash", "COMP_WORDS=(cola {words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); COMP_LINE='cola {words}'; "
     "COMP_POINT=${{#COMP_LINE}}; _cola cola comp {before}; printf '%s\\n' \"${{COMPREPLY[@]}}\""),
    ("fish", "complete -C 'cola {words}'"),
])
def test_completion_knows_the_names_of_the_broker(shared_broker, tmp_path, shell, typed):
    if not shutil.which(shell):
        pytest.skip("there is no " + shell)
    url = shared_broker.unix
    for kind, *more in (["queue"], ["topic"], ["exchange", "--type", "direct"]):
        cola("declare", kind, "comp %s" % kind, *more, url=url).succeeds()
    script = tmp_path / "script"
    script.write_bytes(cola("--generate-completion-script", shell).succeeds().out)
    (tmp_path / "cola").symlink_to(os.path.abspath(binary()))
    path = {"PATH": "%s:%s" % (tmp_path, os.environ["PATH"])}
    for words, kind in NAMED:
        done = subprocess.run(
            [shell, "-c", "source %s; " % script + typed.format(words=words, before=words.split()[-2])],
            stdout=subprocess.PIPE, timeout=30, env=environment(url, path))
        found = done.stdout.decode().replace("\\ ", " ")
        assert "comp %s" % kind in found, "%s: %r" % (words, found)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_valid(shell, tmp_path):
    if not shutil.which(shell):
        pytest.skip("there is no " + shell)
    script = tmp_path / "script"
    script.write_bytes(cola("--generate-completion-script", shell).succeeds().out)
    subprocess.run([shell, "-n", str(script)], check=True, timeout=30)


def test_a_misspelt_subcommand_or_option_suggests_the_nearest():
    cola("dead", "redriv").fails(64, "'redriv'", "did you mean `cola dead redrive`?")
    cola("offsets", "rest").fails(64, "`cola offsets reset`")
    cola("consume", "-q", "x", "--cuont", "1").fails(64, "--cuont", "--count")
    cola("declare", "exchange", "e", "--typ", "fanout").fails(64, "--type")

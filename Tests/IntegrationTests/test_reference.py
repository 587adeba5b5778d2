"""What is generated from the program's own description of itself is current, complete, and right for who reads it."""
from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
from typing import Dict, List, Set

import pytest

from broker import REPOSITORY, binary
from cli import cola, environment

GENERATOR = REPOSITORY / "scripts" / "reference"
DOCUMENTS = REPOSITORY / "docs" / "reference"
EPOCH = "1763942400"  # 2025-11-24
# What every command takes stands in the reference once.
COMMON = ("help", "version", "url", "user", "password", "vhost")
WRITE_ANEW = "write it anew with `make reference`, look at the difference, and commit it"

sys.path.insert(0, str(GENERATOR))

import advice  # noqa: E402
import workers  # noqa: E402


def generated(kind: str, folder: pathlib.Path) -> Dict[str, str]:
    """Every file that the generator writes, with its text."""
    done = subprocess.run(
        [sys.executable, str(GENERATOR), kind, binary(), str(folder)], stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=120, env=environment(None, {"SOURCE_DATE_EPOCH": EPOCH}),
        check=False)
    assert done.returncode == 0, done.stdout
    return {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def documents(tmp_path_factory) -> Dict[str, str]:
    return generated("docs", tmp_path_factory.mktemp("docs"))


@pytest.fixture(scope="module")
def manual(tmp_path_factory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("man")
    assert generated("man", folder)
    return folder


@pytest.fixture(scope="module")
def completions(tmp_path_factory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("completions")
    assert len(generated("completions", folder)) == 3
    return folder


def every_command() -> List[dict]:
    def inner(command: dict) -> List[dict]:
        children = [child for child in command.get("subcommands", []) if child["commandName"] != "help"]
        return [command] + [found for child in children if child["shouldDisplay"] for found in inner(child)]

    return inner(json.loads(cola("--experimental-dump-help").succeeds().out)["command"])


# docs/reference


def test_the_committed_reference_is_that_of_this_program(documents):
    committed = {
        str(path.relative_to(DOCUMENTS)): path.read_text(encoding="utf-8") for path in DOCUMENTS.rglob("*.md")}
    assert sorted(committed) == sorted(documents), WRITE_ANEW
    for name, text in documents.items():
        assert committed[name] == text, "docs/reference/%s is out of date: %s" % (name, WRITE_ANEW)


def test_every_command_and_option_is_in_the_reference(documents):
    page = documents["cli.md"]
    for command in every_command()[1:]:
        path = " ".join((command.get("superCommands") or []) + [command["commandName"]])
        heading = re.search(r"^#+ %s\n((?:.*\n)*?)(?=#|\Z)" % re.escape(path), page, re.MULTILINE)
        assert heading, "no heading for `%s`" % path
        if path == "cola serve":
            continue
        for argument in command.get("arguments", []):
            for name in argument.get("names", []) if argument["shouldDisplay"] else []:
                if name["kind"] == "long" and name["name"] not in COMMON:
                    assert "`--%s" % name["name"] in heading[1] or ", --%s" % name["name"] in heading[1], (
                        "`%s` has no --%s" % (path, name["name"]))


def test_links_within_the_reference_lead_somewhere(documents):
    def anchors(text: str) -> Set[str]:
        headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        return {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in headings}

    for name, text in documents.items():
        for page, anchor in re.findall(r"\]\(([^)#]*)(?:#([^)]*))?\)", text):
            target = documents[page] if page in documents else text if not page else None
            if target is None:
                assert (DOCUMENTS / page).resolve().exists(), "%s: %s" % (name, page)
            elif anchor:
                assert anchor in anchors(target), "%s: #%s" % (name, anchor)


def test_lines_are_as_short_as_everywhere(documents):
    for name, text in documents.items():
        code = False
        for line in text.splitlines():
            code ^= line.startswith("```")
            assert code or len(line) <= 120, "%s: %s" % (name, line)


def test_every_setting_is_in_the_reference_and_the_manual(documents, manual):
    settings = re.findall(r"^  --([a-z-]+) ", cola("serve", "--help").succeeds().out.decode(), re.MULTILINE)
    assert len(settings) > 30
    for name in settings:
        assert "**`%s`**" % name in documents["settings.md"], name
        if name != "config":
            assert "\\fB%s:\\fR" % name.replace("-", "\\-") in (manual / "man5/cola.yaml.5").read_text(), name


def test_the_keys_of_workers_are_those_that_the_program_takes():
    source = REPOSITORY / "Sources" / "ColaWorkers" / "Definition"
    reading = (source / "WorkerDefinition+Reading.swift").read_text()
    listed = re.search(r"static let keys = \[(.*?)\]", reading, re.DOTALL)
    assert listed
    described = {key.name for key in workers.all_keys()}
    assert set(re.findall(r'"([a-z-]+)"', listed[1])) == {name.partition(".")[0] for name in described}
    example = (REPOSITORY / "examples" / "workers" / "cola.yaml").read_text()
    keys = set(re.findall(r"^    (?:# )?([a-z-]+):", example, re.MULTILINE))
    assert keys - {name.partition(".")[0] for name in described} == set()
    for section in ("stop", "backoff", "autoscale", "limits", "retry"):
        inner = re.search(r"^    %s:.*\n((?:      .*\n)+)" % section, example, re.MULTILINE)
        assert inner
        for key in re.findall(r"^      ([a-z-]+):", inner[1], re.MULTILINE):
            assert "%s.%s" % (section, key) in described


def test_the_reply_codes_of_amqp_are_those_of_the_program():
    source = (REPOSITORY / "Sources" / "ColaAMQP" / "Session" / "ReplyCode.swift").read_text()
    numbers = {name: int(number) for name, number in re.findall(r"case (\w+) = (\d+)", source)}
    names = {case: name for case, name in re.findall(r'case \.(\w+): "([A-Z_]+)"', source)}
    ending = re.search(r"var endsConnection.*?case (.*?):\s+true", source, re.DOTALL)
    assert ending and len(numbers) == len(names) > 15
    ends = set(re.findall(r"\.(\w+)", ending[1]))
    known = {(numbers[case], names[case]): case for case in numbers}
    for number, name, _, whole in advice.REPLIES:
        assert (number, name) in known
        assert whole is None or whole == (known[number, name] in ends), name
    # The two that nothing says.
    assert set(known) - {row[:2] for row in advice.REPLIES} == {(311, "CONTENT_TOO_LARGE"), (313, "NO_CONSUMERS")}


# Manual pages


def test_there_is_a_page_for_each_command_and_for_the_configuration(manual):
    pages = {path.name for path in manual.rglob("*") if path.is_file()}
    top = [command for command in every_command() if command.get("superCommands") == ["cola"]]
    assert pages == {"cola.1", "cola.yaml.5"} | {"cola-%s.1" % command["commandName"] for command in top}


def test_the_pages_are_correct_and_the_same_every_time(manual, tmp_path):
    assert generated("man", tmp_path) == generated("man", manual)
    assert '"2025-11-24"' in (manual / "man1/cola.1").read_text()
    if not shutil.which("mandoc"):
        pytest.skip("there is no mandoc")
    done = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", *map(str, sorted(manual.rglob("*.[15]")))], stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_pages_read_as_they_should(manual):
    if not shutil.which("man"):
        pytest.skip("there is no man")
    for path in sorted(manual.rglob("*.[15]")):
        done = subprocess.run(
            ["man", "--warnings", "--local-file", str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            timeout=60, env=dict(os.environ, MANWIDTH="100", LC_ALL="C.UTF-8", MANPAGER="cat"), check=False)
        assert (done.returncode, done.stderr) == (0, ""), path.name
        text = re.sub(".\b", "", done.stdout)
        assert "NAME\n" in text and "SEE ALSO\n" in text, path.name
        if path.name == "cola-publish.1":
            assert "-q, --queue queue" in text
            assert "cola publish --queue hello 'first message' 'second message'\n" in text
        if path.name == "cola.yaml.5":
            assert "data-dir: DIR" in text and "stop.grace: DURATION" in text


# Completion


TYPED = [
    ("cola que", {"queues"}), ("cola serve --da", {"--data-dir"}), ("cola serve --durability ", {"full", "relaxed"}),
    ("cola serve --durability r", {"relaxed"}), ("cola serve --amqp o", {"off"}), ("cola serve --socket o", {"off"}),
    ("cola publish --que", {"--queue"}),
    ("cola workers st", {"start", "stop"}), ("cola serve --config special", {"special.yaml"}),
]


@pytest.fixture
def place(tmp_path) -> pathlib.Path:
    """A folder with one file, in which somebody types; `cola` is in PATH."""
    (tmp_path / "special.yaml").touch()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "cola").symlink_to(os.path.abspath(binary()))
    return tmp_path


def answer(place: pathlib.Path, *command: str) -> str:
    path = "%s:%s" % (place / "bin", os.environ["PATH"])
    done = subprocess.run(
        list(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60,
        cwd=str(place), env=environment(None, {"PATH": path, "TERM": "dumb", "HOME": str(place)}), check=False)
    return done.stdout


@pytest.mark.parametrize("typed, expected", TYPED)
def test_bash_completes(completions, place, typed, expected):
    script = completions / "bash-completion/completions/cola"
    words = typed.split(" ")
    found = answer(place, "bash", "-c", (
        "source %s; COMP_WORDS=(%s); COMP_CWORD=%d; COMP_LINE='%s'; COMP_POINT=%d; _cola cola '%s' %s; "
        "printf '%%s\\n' \"${COMPREPLY[@]}\"") % (
            script, " ".join("'%s'" % word for word in words), len(words) - 1, typed, len(typed), words[-1], words[-2]))
    assert set(found.split()) == expected


@pytest.mark.parametrize("typed, expected", TYPED)
def test_fish_completes(completions, place, typed, expected):
    if not shutil.which("fish"):
        pytest.skip("there is no fish")
    script = completions / "fish/vendor_completions.d/cola.fish"
    found = answer(place, "fish", "-c", "source %s; complete -C '%s'" % (script, typed))
    assert {line.partition("\t")[0] for line in found.splitlines()} == expected


# Types into an interactive shell and prints what stands on its line after the tab.
ZSH = r"""
zmodload zsh/zpty
zpty shell "zsh -f -i"
zpty -w shell "PS1='' fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -D; zle_highlight=(paste:none)
    show() { print -rn -- \"<\$BUFFER>\"; zle kill-buffer; exit 0 }; zle -N show; bindkey '^X' show; print RE''ADY"
zpty -r -m shell out '*READY*'
zpty -w -n shell "$2"$'\t\x18'
zpty -r -m shell out '*<*>*'
print -r -- "${${out##*\<}%%\>*}"
"""


@pytest.mark.parametrize("typed, expected", [
    (typed, expected) for typed, expected in TYPED if len(expected) == 1])
def test_zsh_completes(completions, place, typed, expected):
    if not shutil.which("zsh"):
        pytest.skip("there is no zsh")
    found = answer(place, "zsh", "-f", "-c", ZSH, "zsh", str(completions / "zsh/site-functions"), typed)
    assert found.strip() == typed.rpartition(" ")[0] + " " + next(iter(expected))

"""What `cola` says of itself: its commands, settings and errors, read from the executable."""
from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Optional, Tuple

import prose

# What every command that talks to a broker takes; said once.
CONNECTION = ("url", "user", "password", "vhost")


class Refused(Exception):
    """The executable does not describe itself as it should; the text says what to do."""


@dataclass(frozen=True)
class Argument:
    """An option, a flag, or an argument by its place."""

    kind: str
    names: Tuple[str, ...]
    value: str
    text: str
    default: str
    section: str
    is_optional: bool
    is_repeating: bool
    values: Tuple[str, ...]
    is_shown: bool

    @property
    def is_connection(self) -> bool:
        return any(name == "--" + option for name in self.names for option in CONNECTION)

    @property
    def help(self) -> str:
        """What it does, with what counts where it is not given and what it may be."""
        text = self.text
        if self.values and not all(value in text for value in self.values):
            text = (text + " One of: " + ", ".join(self.values) + ".").strip()
        if self.default and "default:" not in text:
            text = (text + " (default: %s)" % self.default).strip()
        return text


@dataclass(frozen=True)
class Command:
    """A command with its own arguments and commands."""

    words: Tuple[str, ...]
    abstract: str
    blocks: Tuple[prose.Block, ...]
    arguments: Tuple[Argument, ...]
    commands: Tuple["Command", ...]
    default_command: str = ""

    @property
    def name(self) -> str:
        return " ".join(self.words)

    def own(self, kind: str) -> List[Argument]:
        """Its arguments of a kind, without those that all commands have."""
        common = ("--help", "--version")
        return [
            argument for argument in self.arguments
            if argument.kind == kind and argument.is_shown and not argument.is_connection
            and not set(common) & set(argument.names)]

    @property
    def connects(self) -> bool:
        return any(argument.is_connection for argument in self.arguments)

    def all(self) -> Iterator["Command"]:
        yield self
        for command in self.commands:
            yield from command.all()

    def sections(self) -> Dict[str, List[Argument]]:
        """Options and flags under their titles; the first title is empty."""
        found: Dict[str, List[Argument]] = {"": []}
        for argument in self.arguments:
            if argument in self.own("option") or argument in self.own("flag"):
                found.setdefault(argument.section, []).append(argument)
        return {title: arguments for title, arguments in found.items() if arguments}


@dataclass(frozen=True)
class Setting:
    name: str
    environment: str
    value: str
    default: Optional[str]
    text: str
    is_reloadable: bool

    @property
    def words(self) -> List[str]:
        """The words that it may be, of `full|relaxed` or `PATH|off`."""
        return [part for part in self.value.split("|") if part and part == part.lower()]

    @property
    def is_path(self) -> bool:
        return bool({"FILE", "PATH", "DIR"} & set(self.value.split("|")))


@dataclass(frozen=True)
class Refusal:
    """One thing that the broker refuses; the sentence is empty where it depends on what was asked for."""

    code: str
    is_retryable: bool
    exit_code: int
    reply: int
    reply_name: str
    sentence: str


@dataclass(frozen=True)
class Program:
    version: str
    root: Command
    groups: Tuple[Tuple[str, Tuple[str, ...]], ...]
    settings: Tuple[Setting, ...]
    serve: "ServeHelp"
    refusals: Tuple[Refusal, ...]
    executable: str = field(compare=False, default="")

    def grouped(self) -> Iterator[Tuple[str, List[Command]]]:
        """The commands as `cola --help` groups them."""
        commands = {command.words[-1]: command for command in self.root.commands}
        for title, names in self.groups:
            yield title, [commands[name] for name in names]


@dataclass(frozen=True)
class ServeHelp:
    """The parts of `cola serve --help` that are no settings."""

    paragraphs: Tuple[str, ...]
    examples: Tuple[str, ...]
    exit_codes: Tuple[Tuple[int, str], ...]


def run(executable: str, *arguments: str) -> str:
    """What a command prints; nothing of the caller's settings reaches it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COLA_")}
    environment["COLUMNS"] = "100"
    try:
        done = subprocess.run(
            [executable, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            timeout=60, env=environment, check=False)
    except OSError as error:
        raise Refused("cannot run %s: %s; build it with `make build`" % (executable, error.strerror)) from None
    except subprocess.TimeoutExpired:
        raise Refused("`%s %s` did not end within 60 s" % (executable, " ".join(arguments))) from None
    if done.returncode != 0:
        raise Refused("`%s %s` ended with exit code %d: %s" % (
            executable, " ".join(arguments), done.returncode, done.stderr.decode("utf-8", "replace").strip()))
    return done.stdout.decode()


def load(executable: str) -> Program:
    tool = json.loads(run(executable, "--experimental-dump-help"))["command"]
    facts = json.loads(run(executable, "reference"))
    root = command_of(tool, ())
    known = {command.words[-1] for command in root.commands}
    groups = tuple(groups_of(run(executable, "--help")))
    listed = [name for _, names in groups for name in names]
    if set(listed) != known:
        raise Refused("`cola --help` and its own description differ in %s" % ", ".join(set(listed) ^ known))
    return Program(
        version=facts["version"], root=root, groups=groups,
        settings=tuple(
            Setting(
                name=row["name"], environment=row["environment"], value=row["value"], default=row["default"],
                text=row["help"], is_reloadable=row["reload"])
            for row in facts["settings"]),
        serve=serve_help(run(executable, "serve", "--help")),
        refusals=tuple(
            Refusal(
                code=row["code"], is_retryable=row["retry"], exit_code=row["exit"], reply=row["amqp"],
                reply_name=row["reply"], sentence=row["sentence"] or "")
            for row in facts["errors"]),
        executable=executable)


def command_of(row: Dict[str, Any], parents: Tuple[str, ...]) -> Command:
    words = parents + (row["commandName"],)
    inner = [child for child in row.get("subcommands", []) if child["commandName"] != "help"]
    return Command(
        words=words, abstract=row.get("abstract", ""), blocks=tuple(prose.blocks(row.get("discussion", ""))),
        arguments=tuple(argument_of(argument) for argument in row.get("arguments", [])),
        commands=tuple(command_of(child, words) for child in inner if child.get("shouldDisplay", True)),
        default_command=row.get("defaultSubcommand", ""))


def argument_of(row: Dict[str, Any]) -> Argument:
    dashes = {"long": "--", "short": "-", "longWithSingleDash": "-"}
    names = [dashes[name["kind"]] + name["name"] for name in row.get("names", [])]
    return Argument(
        kind=row["kind"], names=tuple(sorted(names, key=len)), value=row.get("valueName", ""),
        text=" ".join(row.get("abstract", "").split()), default=row.get("defaultValue", ""),
        section=row.get("sectionTitle", ""), is_optional=row["isOptional"], is_repeating=row["isRepeating"],
        values=tuple(row.get("allValues", row.get("allValueStrings", ())) or ()), is_shown=row["shouldDisplay"])


def groups_of(text: str) -> Iterator[Tuple[str, Tuple[str, ...]]]:
    """The headings of `cola --help` that commands stand under."""
    for title, body in re.findall(r"^(.*)SUBCOMMANDS:\n((?:  .*\n|\n(?=  \S))*)", text, re.MULTILINE):
        names = re.findall(r"^  ([a-z-]+)(?:  |$| \(default\))", body, re.MULTILINE)
        if names:
            yield title.strip().capitalize() or "The broker", tuple(names)


def serve_help(text: str) -> ServeHelp:
    overview = text.partition("OVERVIEW: ")[2].partition("USAGE:")[0]
    notes = text.partition("]...")[2].partition("SETTINGS:")[0]
    examples = text.partition("EXAMPLES:")[2].partition("EXIT CODES:")[0]
    exits = " ".join(text.partition("EXIT CODES:")[2].split())
    paragraphs = [" ".join(part.split()) for part in (overview + "\n\n" + notes).split("\n\n")]
    return ServeHelp(
        paragraphs=tuple(part for part in paragraphs if part),
        examples=tuple(line.strip() for line in examples.splitlines() if line.strip()),
        exit_codes=tuple((int(code), words) for code, words in re.findall(r"(\d+) (.+?)(?=, \d|$)", exits)))

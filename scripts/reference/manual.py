"""The manual pages: cola(1), one for each command, and cola.yaml(5)."""
from __future__ import annotations

import time
from typing import Dict, Optional

import advice
import documents
import roff
import workers
from program import Argument, Command, Program

MANUAL = {1: "Cola", 5: "Cola"}


def pages(program: Program, epoch: Optional[int]) -> Dict[str, str]:
    """The text of each page, by its file: `man1/cola.1`. `epoch` is the day they are of; none: they name none."""
    date = "" if epoch is None else time.strftime("%Y-%m-%d", time.gmtime(epoch))
    found = {"man1/cola.1": overview(program, date), "man5/cola.yaml.5": configuration(program, date)}
    for command in program.root.commands:
        name = "-".join(command.words)
        found["man1/%s.1" % name] = (
            serve(program, date) if name == "cola-serve" else command_page(program, command, date))
    return found


def begin(name: str, section: int, abstract: str, date: str, program: Program) -> roff.Page:
    return roff.Page(name, section, abstract.rstrip("."), date, program.version, MANUAL[section])


def see_also(page: roff.Page, *names: str) -> None:
    page.section("See also")
    page.paragraph(",\n".join("%s(%s)" % (roff.bold(name[:-3]), name[-2]) for name in sorted(names)))


def overview(program: Program, date: str) -> str:
    page = begin("cola", 1, program.root.abstract, date, program)
    page.section("Synopsis")
    page.paragraph("%s %s\n[%s]..." % (roff.bold("cola"), roff.italic("command"), roff.italic("argument")))
    page.section("Description")
    page.blocks(block for block in program.root.blocks if not block.text.startswith("Exit codes:"))
    for title, members in program.grouped():
        page.section(title)
        for command in members:
            page.item("%s(1)" % roff.bold("-".join(command.words)), command.abstract)
    environment(page, program)
    page.section("Files")
    page.item(roff.italic("./cola.yaml"), "Settings of `cola serve`, unless `--config` names another file.")
    page.item(roff.italic("./cola-data"), "Where `cola serve` keeps everything, unless `--data-dir` says otherwise.")
    exits(page)
    see_also(page, "cola-serve(1)", "cola.yaml(5)")
    return page.text()


def serve(program: Program, date: str) -> str:
    command = next(command for command in program.root.commands if command.words == ("cola", "serve"))
    page = begin("cola-serve", 1, command.abstract, date, program)
    page.section("Synopsis")
    page.paragraph("%s\n[%s %s]..." % (roff.bold("cola serve"), roff.bold("--") + roff.italic("name"),
                                       roff.italic("value")))
    page.section("Description")
    for paragraph in program.serve.paragraphs:
        page.prose(paragraph)
    page.section("Options")
    for setting in program.settings:
        default = "" if setting.default is None else " (default: %s)" % setting.default
        page.item("%s %s" % (roff.bold("--" + setting.name), roff.italic(setting.value)), setting.text + default)
    page.section("Signals")
    page.item("SIGTERM, SIGINT", "Stop in order.")
    page.item("SIGHUP", "Read the configuration again, as `cola reload` does.")
    page.section("Environment")
    page.prose("Each option can be given as a variable: `--data-dir` as COLA_DATA_DIR.")
    page.section("Exit status")
    for code, meaning in program.serve.exit_codes:
        page.item(str(code), meaning[:1].upper() + meaning[1:] + ".")
    page.section("Examples")
    page.code(program.serve.examples)
    see_also(page, "cola(1)", "cola-reload(1)", "cola.yaml(5)")
    return page.text()


def command_page(program: Program, command: Command, date: str) -> str:
    page = begin("-".join(command.words), 1, command.abstract, date, program)
    page.section("Synopsis")
    for inner in (command.all() if command.commands else [command]):
        if not inner.commands:
            page.paragraph(synopsis(inner))
    page.section("Description")
    page.prose(command.abstract)
    page.blocks(command.blocks)
    arguments(page, command)
    for inner in command.commands:
        subcommand(page, inner)
    if any(inner.connects for inner in command.all()):
        page.section("Connecting")
        for argument in documents.connection_arguments(program):
            item(page, argument)
        environment(page, program)
    exits(page)
    see_also(page, "cola(1)")
    return page.text()


def subcommand(page: roff.Page, command: Command) -> None:
    page.section(command.name)
    page.prose(command.abstract)
    page.blocks(command.blocks)
    arguments(page, command, is_inner=True)
    for inner in command.commands:
        subcommand(page, inner)


def arguments(page: roff.Page, command: Command, is_inner: bool = False) -> None:
    head = page.subsection if is_inner else page.section
    positional = command.own("positional")
    if positional:
        head("Arguments")
        for argument in positional:
            item(page, argument)
    for title, members in command.sections().items():
        head(title or "Options")
        for argument in members:
            item(page, argument)


def item(page: roff.Page, argument: Argument) -> None:
    tag = ", ".join(roff.bold(name) for name in argument.names) or roff.italic(argument.value)
    if argument.kind == "option":
        tag += " " + roff.italic(argument.value)
    page.item(tag, argument.help)


def synopsis(command: Command) -> str:
    parts = [roff.bold(command.name)]
    if command.connects or any(a.is_optional for a in command.own("option") + command.own("flag")):
        parts.append("[%s]..." % roff.italic("option"))
    parts += [usage(a) for a in command.own("option") + command.own("flag") if not a.is_optional]
    parts += [usage(a) for a in command.own("positional")]
    return "\n".join(parts)


def usage(argument: Argument) -> str:
    text = roff.italic(argument.value)
    if argument.kind != "positional":
        text = roff.bold(argument.names[-1]) + " " + text
    return ("[%s]" if argument.is_optional else "%s") % text + ("..." if argument.is_repeating else "")


def environment(page: roff.Page, program: Program) -> None:
    page.section("Environment")
    for option in documents.connection_arguments(program):
        name = "COLA_" + option.names[-1][2:].upper()
        page.item(roff.bold(name), "What counts where %s is not given." % "`%s`" % option.names[-1])


def exits(page: roff.Page) -> None:
    page.section("Exit status")
    for code, meaning, _ in advice.EXITS:
        page.item(str(code), meaning[:1].upper() + meaning[1:] + ".")


def configuration(program: Program, date: str) -> str:
    page = begin("cola.yaml", 5, "settings and workers of the message broker Cola", date, program)
    page.section("Description")
    page.prose(
        "`cola serve` reads its settings from the file that `--config` names, else from `cola.yaml` in its own folder, "
        "if there is one. It is YAML: a line `name: value` for each setting, and `workers:` with what the server is to "
        "run. The command line goes before the environment, and the environment before the file. A name that is in "
        "none of the lists below is refused.")
    page.prose("BYTES may end in K, M or G, powers of 1024: 16M.")
    page.section("Settings")
    for setting in program.settings:
        if setting.name == "config":
            continue
        default = "" if setting.default is None else " (default: %s)" % setting.default
        page.item("%s %s" % (roff.bold(setting.name + ":"), roff.italic(setting.value)), setting.text + default)
    page.section("Workers")
    page.prose(
        "Under `workers:` stand names, and behind each the keys of that worker. A dot leads into a section: "
        "`stop.grace` is `grace:` under `stop:`. DURATION is a number with ms, s, min, h or d; SIZE one with KiB, MiB, "
        "GiB or TiB. Keys with modes behind them are for these alone.")
    page.prose(
        "Whoever can write the file can run programs as the server's user: a file with workers is refused if others "
        "than its owner may write it, or if it belongs to anybody but root and the server's user.")
    for title, keys in workers.GROUPS:
        page.subsection(title)
        for key in keys:
            tag = "%s %s" % (roff.bold(key.name + ":"), roff.italic(key.value))
            if key.modes:
                tag += " (%s)" % " and ".join(key.modes)
            default = " (default: %s)" % key.default if key.default else ""
            page.item(tag, key.text + default)
    page.section("Examples")
    page.code((documents.REPOSITORY / "examples" / "workers" / "cola.yaml").read_text().splitlines())
    see_also(page, "cola(1)", "cola-reload(1)", "cola-serve(1)", "cola-workers(1)")
    return page.text()

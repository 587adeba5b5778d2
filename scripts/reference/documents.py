"""The pages of docs/reference."""
from __future__ import annotations

import pathlib
import re
from typing import Dict, Iterable, List, Tuple

import advice
import markdown
import workers
from program import Argument, Command, Program, Refusal, Refused

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


def pages(program: Program) -> Dict[str, str]:
    """The text of each page, by the name of its file."""
    return {
        "README.md": index(),
        "cli.md": commands(program),
        "settings.md": settings(program),
        "errors.md": errors(program),
    }


def index() -> str:
    page = markdown.Page("Reference")
    page.paragraph(
        "What there is, complete and exact. These pages come from the program itself, and a test sees that they are "
        "those of the program beside them. The manual pages (`man cola`) have the same.")
    page.item("[cli.md](cli.md): every command, option and argument.")
    page.item("[settings.md](settings.md): every setting of the server and of workers.")
    page.item("[errors.md](errors.md): error codes, exit codes, AMQP's reply codes, and what to do.")
    page.item("[protocol/native.md](../../protocol/native.md): the native protocol, byte for byte.")
    page.item("[protocol/workers.md](../../protocol/workers.md): what workers are told, and what they may say.")
    page.end_list()
    return page.text()


# The command line


def commands(program: Program) -> str:
    page = markdown.Page("Command line")
    page.paragraph(
        "One executable has the server (`cola serve`) and everything that talks to it. `cola --help` and "
        "`cola help COMMAND` say the same as this page. Results go to standard output, everything else to standard "
        "error, and the [exit code](errors.md#exit-codes) says what kind an error is of.")
    for title, members in program.grouped():
        page.item("%s: %s" % (
            markdown.link(title), ", ".join("[%s](#%s)" % (c.words[-1], markdown.anchor(c.name)) for c in members)))
    page.item(markdown.link("Connecting"))
    page.end_list()
    page.blocks(block for block in program.root.blocks if not block.text.startswith("Exit codes:"))
    for title, members in program.grouped():
        page.heading(2, title)
        for command in members:
            if command.words == ("cola", "serve"):
                serve(page, program)
            else:
                command_section(page, command, 3)
    page.heading(2, "Connecting")
    page.paragraph("Every command that talks to a broker takes these:")
    for argument in connection_arguments(program):
        page.item(argument_text(argument))
    page.end_list()
    return page.text()


def connection_arguments(program: Program) -> List[Argument]:
    for command in program.root.all():
        if command.connects:
            return [argument for argument in command.arguments if argument.is_connection]
    raise Refused("no command takes --url")


def serve(page: markdown.Page, program: Program) -> None:
    page.heading(3, "cola serve")
    for paragraph in program.serve.paragraphs:
        page.paragraph(markdown.escaped(paragraph))
    page.code(["cola serve [--NAME VALUE]..."])
    page.paragraph("Its options are the [settings](settings.md).")
    page.code(program.serve.examples)
    page.paragraph("Exit codes: %s." % ", ".join("%d %s" % pair for pair in program.serve.exit_codes))


def command_section(page: markdown.Page, command: Command, level: int) -> None:
    page.heading(level, command.name)
    page.paragraph(markdown.escaped(command.abstract))
    page.code([synopsis(command)])
    page.blocks(command.blocks)
    positional = command.own("positional")
    if positional:
        page.paragraph("Arguments:")
        for argument in positional:
            page.item(argument_text(argument))
        page.end_list()
    for title, arguments in command.sections().items():
        page.paragraph("%s:" % markdown.escaped(title.strip().capitalize() or "Options"))
        for argument in arguments:
            page.item(argument_text(argument))
        page.end_list()
    if command.connects and not command.commands:
        page.paragraph("And how to [connect](#connecting).")
    for inner in command.commands:
        command_section(page, inner, min(level + 1, 6))


def synopsis(command: Command) -> str:
    """What is needed, and that there are options: the list of them is below it."""
    words = [command.name]
    if command.commands:
        names = "|".join(inner.words[-1] for inner in command.commands)
        return command.name + (" [%s]" if command.default_command else " %s") % names
    options = [a for a in command.arguments if a.kind != "positional" and a.is_shown and a.names != ("--version",)]
    if any(argument.is_optional for argument in options):
        words.append("[OPTION]...")
    words += [usage(a) for a in command.own("option") + command.own("flag") if not a.is_optional]
    words += [usage(a) for a in command.own("positional")]
    return " ".join(words)


def usage(argument: Argument) -> str:
    name = "" if argument.kind == "positional" else argument.names[-1] + " "
    text = "%s<%s>" % (name, argument.value)
    text += "..." if argument.is_repeating else ""
    return "[%s]" % text if argument.is_optional else text


def argument_text(argument: Argument) -> str:
    names = ", ".join(argument.names) or "<%s>" % argument.value
    value = " <%s>" % argument.value if argument.kind == "option" else ""
    text = markdown.escaped(argument.help)
    return "`%s%s`%s" % (names, value, ": " + text if text else "")


# Settings


def settings(program: Program) -> str:
    page = markdown.Page("Settings")
    page.item(markdown.link("Settings of the server"))
    page.item(markdown.link("Workers"))
    page.end_list()
    page.heading(2, "Settings of the server")
    page.paragraph(
        "Each can be given in three ways, and the first that is there counts: as an option of `cola serve` "
        "(`--data-dir DIR`), as an environment variable (`COLA_DATA_DIR=DIR`), or as a line of the file that "
        "`--config` names, else of `./cola.yaml` (`data-dir: DIR`). A name that is in none of these lists is refused. "
        "BYTES may end in K, M or G, powers of 1024: 16M.")
    page.paragraph(
        "`cola reload`, or SIGHUP, reads the file again: its workers, and the settings that are marked with *(reload)*"
        ". The others count from the next start, and it says which of them have changed.")
    for setting in program.settings:
        default = "" if setting.default is None else " Default: `%s`." % setting.default
        page.item("**`%s`** `%s` (`%s`)%s: %s%s" % (
            setting.name, setting.value, setting.environment, " *(reload)*" if setting.is_reloadable else "",
            markdown.escaped(setting.text), default))
    page.end_list()
    page.heading(2, "Workers")
    page.paragraph(
        "Workers are defined under `workers:` of the same file, and nowhere else: a name, and behind it these keys. "
        "Whoever can write the file can run programs as the server's user, so a file with workers is refused if others "
        "than its owner may write it, or if it belongs to anybody but root and the server's user. `cola reload` takes "
        "changes, and restarts only what they concern.")
    page.paragraph(
        "A dot leads into a section: `stop.grace` is `grace:` under `stop:`. DURATION is a number with ms, s, min, h "
        "or d; SIZE one with KiB, MiB, GiB or TiB. Keys with modes behind them are for these alone. "
        "[protocol/workers.md](../../protocol/workers.md) says what such a program is told and may say.")
    for title, keys in workers.GROUPS:
        page.heading(3, title)
        for key in keys:
            modes = " (%s)" % " and ".join(key.modes) if key.modes else ""
            default = " Default: %s." % default_text(key.default) if key.default else ""
            page.item("**`%s`** `%s`%s: %s%s" % (key.name, key.value, modes, markdown.escaped(key.text), default))
        page.end_list()
    page.heading(3, "A file with every key")
    page.paragraph("This is [examples/workers/cola.yaml](../../examples/workers/cola.yaml).")
    page.code((REPOSITORY / "examples" / "workers" / "cola.yaml").read_text().splitlines())
    return page.text()


def default_text(default: str) -> str:
    return default if re.match(r"(nowhere|none|where|the) ?", default) else "`%s`" % default


# Errors


def errors(program: Program) -> str:
    codes = known_codes(program)
    page = markdown.Page("Errors")
    for title in ("Error codes", "Codes of the clients", "Exit codes", "Reply codes of AMQP"):
        page.item(markdown.link(title))
    page.end_list()
    page.paragraph(
        "An error is one line that says what happened, to which thing, and what to do next. For programs there is a "
        "code besides, which never changes its meaning; the sentence may.")
    page.heading(2, "Error codes")
    page.paragraph(
        "These are said in the native protocol (`err CODE retry|final SENTENCE`), by the clients, and in JSON. *Try "
        "again* means that the same request, unchanged, may succeed; *final*, that it will not. The exit code is that "
        "of a command of `cola` that ends with it, and the reply code the one that a client of AMQP gets. Sections are "
        "those of [protocol/native.md](../../protocol/native.md).")
    for code, (is_retryable, when) in codes.items():
        refusals = [refusal for refusal in program.refusals if refusal.code == code]
        page.heading(3, "`%s`" % code)
        page.paragraph(" ".join((sentence(when), outcome(code, is_retryable, refusals))))
        page.paragraph("*What to do:* " + advice.CODES[code])
        sentences = unique(refusal.sentence for refusal in refusals if refusal.sentence)
        if sentences:
            page.code(sentences)
    page.heading(2, "Codes of the clients")
    page.paragraph("What a client says by itself, where no server could.")
    for code, when, exit_code, remedy in advice.OF_CLIENTS:
        page.item("`%s`: %s Exit code %d. %s" % (code, sentence(when), exit_code, remedy))
    page.end_list()
    page.heading(2, "Exit codes")
    page.paragraph("What `cola` ends with, the server as well.")
    for code, meaning, remedy in advice.EXITS:
        page.item("**%d**: %s%s" % (code, sentence(meaning), " " + remedy if remedy else ""))
    page.end_list()
    page.heading(2, "Reply codes of AMQP")
    page.paragraph(
        "Over AMQP an error is a reply code and a text, which ends the channel, or the whole connection. The text "
        "begins with the name of the code, as in RabbitMQ, and goes on with the sentence.")
    for number, name, when_said, whole in advice.REPLIES:
        ends = "" if whole is None else ", ends the connection" if whole else ", ends the channel"
        page.item("**%d** `%s`%s: %s." % (number, name, ends, when_said))
    page.end_list()
    return page.text()


def sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "." if text else ""


def outcome(code: str, is_retryable: bool, refusals: List[Refusal]) -> str:
    """Whether to try again, and the numbers that stand for it elsewhere."""
    exits = unique(str(refusal.exit_code) for refusal in refusals) or [str(advice.exit_code(code, is_retryable))]
    replies = unique("%d %s" % (refusal.reply, refusal.reply_name) for refusal in refusals)
    if len(replies) > 1 or code in advice.NOT_OVER_AMQP:
        # Of backups and workers, which nobody can ask for over AMQP.
        replies = [reply for reply in replies if not reply.startswith("541 ")]
    text = "%s, exit code %s" % ("Try again" if is_retryable else "Final", " or ".join(exits))
    return text + (", AMQP %s." % " or ".join("`%s`" % reply for reply in replies) if replies else ".")


def unique(texts: Iterable[str]) -> List[str]:
    return list(dict.fromkeys(texts))


def known_codes(program: Program) -> Dict[str, Tuple[bool, str]]:
    """Each code, whether to try again, and when it is said: the table of protocol/native.md, section 7."""
    text = (REPOSITORY / "protocol" / "native.md").read_text()
    section = text.partition("\n## 7. Errors\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([a-z_]+)` \| (retry|final) \| (.*?) \| .* \|$", section, re.MULTILINE)
    codes = {code: (retry == "retry", when) for code, retry, when in rows}
    unknown = {refusal.code for refusal in program.refusals} - set(codes)
    if not codes or unknown:
        raise Refused("section 7 of protocol/native.md does not have the codes %s" % (", ".join(sorted(unknown)) or ""))
    differing = set(codes) ^ set(advice.CODES)
    if differing:
        raise Refused(
            "scripts/reference/advice.py and protocol/native.md differ in the codes %s; let both have them" % (
                ", ".join(sorted(differing))))
    return codes

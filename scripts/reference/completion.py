"""Completion for bash, zsh and fish.

The argument parser writes the scripts. It does not know the settings of `cola serve`, which come from a table of their
own, so what it wrote for that command is replaced.
"""
from __future__ import annotations

import re
from typing import Dict, List

from program import Program, Refused, Setting, run


def scripts(program: Program) -> Dict[str, str]:
    """The text of each script, by the file in which a package has it."""
    return {
        "bash-completion/completions/cola": bash(program),
        "zsh/site-functions/_cola": zsh(program),
        "fish/vendor_completions.d/cola.fish": fish(program),
    }


def generated(program: Program, shell: str) -> str:
    return run(program.executable, "--generate-completion-script", shell)


def replaced(text: str, function: str, lines: List[str], shell: str) -> str:
    """The script with another body for one of its functions."""
    body = "%s() {\n%s\n}\n" % (function, "\n".join("    " + line for line in lines))
    changed, count = re.subn(
        r"^%s\(\) \{\n.*?^\}\n" % function, lambda _: body, text, count=1, flags=re.MULTILINE | re.DOTALL)
    if count != 1:
        raise Refused("the completion for %s has no function %s any more: see scripts/reference/completion.py" % (
            shell, function))
    return changed


def bash(program: Program) -> str:
    lines = ['case "${prev}" in']
    for setting in program.settings:
        lines.append("--%s)" % setting.name)
        if setting.words:
            lines.append("    __cola_add_completions -W '%s'" % "\n".join(setting.words))
        if setting.is_path:
            lines.append("    __cola_add_completions -%s" % ("d" if "DIR" in setting.value else "f"))
        lines += ["    return", "    ;;"]
    options = ["--" + setting.name for setting in program.settings] + ["--help"]
    lines += ["esac", "__cola_add_completions -W '%s'" % "\n".join(options)]
    # Shells read the file; nobody runs it.
    text = re.sub(r"^#!.*\n\n?", "", generated(program, "bash"))
    return replaced(text, "_cola_serve", lines, "bash")


def zsh(program: Program) -> str:
    lines = ["local -i ret=1", "local -ar arg_specs=("]
    for setting in program.settings:
        action = ""
        if setting.words:
            action = "(%s)" % " ".join(setting.words)
        if setting.is_path:
            files = "_files -/" if "DIR" in setting.value else "_files"
            action = '_alternative "words\\:word\\:%s" "files\\:file\\:%s"' % (action, files) if action else files
        lines.append("    '--%s[%s]:%s:%s'" % (
            setting.name, quoted(first_sentence(setting.text)), quoted(setting.value), action))
    lines += ["    '(-h --help)'{-h,--help}'[Show help information.]'", ")",
              '_arguments -w -s -S : "${arg_specs[@]}" && ret=0', 'return "${ret}"']
    # Where an argument has no action, zsh offers no options in its place either; an empty list lets it.
    text = re.sub(r"^(\s+'\*?:[^:']+:)'$", r"\1()'", generated(program, "zsh"), flags=re.MULTILINE)
    return replaced(text, "_cola_serve", lines, "zsh")


def quoted(text: str) -> str:
    """As it may stand in a specification of zsh's _arguments between quotes."""
    return re.sub(r"([\[\]:])", r"\\\1", text).replace("'", "'\\''")


def fish(program: Program) -> str:
    lines = [generated(program, "fish").rstrip("\n")]
    for setting in program.settings:
        lines.append("complete -c 'cola' -n '__fish_seen_subcommand_from serve' -l '%s' -d '%s' %s" % (
            setting.name, first_sentence(setting.text).replace("\\", "\\\\").replace("'", "\\'"), values(setting)))
    return "\n".join(lines) + "\n"


def values(setting: Setting) -> str:
    words = "-a '%s'" % " ".join(setting.words) if setting.words else ""
    if setting.is_path:
        return ("-rF " + words).strip()
    return ("-xk " + words).strip()


def first_sentence(text: str) -> str:
    return re.split(r"(?<=[.;:])\s", text)[0].rstrip(".;:")

"""Writes manual pages in the macros of man(7)."""
from __future__ import annotations

import re
from typing import Iterable, List

import prose

COLUMNS = 78


def escaped(text: str) -> str:
    """Characters as they are: no hyphen becomes a dash, no quote a curly one, and no line a request."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    text = text.replace("^", "\\(ha").replace("~", "\\(ti").replace("…", "...").replace("·", "\\(bu")
    text = text.replace("µ", "\\(mc")
    return "\\&" + text if text.startswith(".") else text


def prose_text(text: str) -> str:
    """A paragraph in which code stands in backticks: it is bold, and so are options."""
    parts = re.split(r"`([^`]*)`", prose.marked(text))
    return "".join(bold(part) if index % 2 else escaped(part) for index, part in enumerate(parts))


def bold(text: str) -> str:
    return "\\fB%s\\fR" % escaped(text).replace("\\&", "", 1) if text else ""


def italic(text: str) -> str:
    return "\\fI%s\\fR" % escaped(text).replace("\\&", "", 1) if text else ""


class Page:
    """A manual page that grows from top to bottom."""

    def __init__(self, name: str, section: int, abstract: str, date: str, version: str, manual: str):
        self.lines: List[str] = [
            '.\\" Written by scripts/reference from what the program says of itself.',
            '.TH %s %d "%s" "Cola %s" "%s"' % (name.upper(), section, date, version, manual),
            '.\\" Ragged and not hyphenated: names and options stay whole.',
            ".nh",
            ".ad l",
            ".SH NAME",
            "%s \\- %s" % (escaped(name), escaped(abstract)),
        ]

    def section(self, title: str) -> None:
        self.lines.append('.SH "%s"' % title.upper().replace('"', ""))
        self._begins = True

    def subsection(self, title: str) -> None:
        self.lines.append('.SS "%s"' % title.replace('"', ""))
        self._begins = True

    def paragraph(self, roff: str) -> None:
        """A paragraph of roff; behind a heading it needs no request of its own."""
        if not self._begins:
            self.lines.append(".PP")
        self._begins = False
        self._fill(roff)

    def prose(self, text: str) -> None:
        self.paragraph(prose_text(text))

    def item(self, tag: str, text: str) -> None:
        """A tagged paragraph; the tag is roff, the text prose."""
        self._begins = False
        self.lines += [".TP", tag]
        self._fill(prose_text(text) if text else "\\&")

    def code(self, lines: Iterable[str]) -> None:
        if not self._begins:
            self.lines.append(".PP")
        self._begins = False
        self.lines += [".nf", ".RS 4"]
        self.lines += [escaped(line) if line else "\\&" for line in lines]
        self.lines += [".RE", ".fi"]

    def blocks(self, blocks: Iterable[prose.Block]) -> None:
        for block in blocks:
            if block.is_code:
                self.code(block.lines)
            else:
                self.prose(block.text)

    def text(self) -> str:
        return "\n".join(self.lines) + "\n"

    _begins = True

    def _fill(self, roff: str) -> None:
        """A new line for each sentence, as roff likes it: it then knows where sentences end. No long ones."""
        for sentence in re.split(r"\n|(?<=[.!?]) (?=[A-Z])", roff):
            for line in prose.wrapped(sentence, columns=COLUMNS) or ["\\&"]:
                self.lines.append("\\&" + line if line.startswith((".", "'")) else line)

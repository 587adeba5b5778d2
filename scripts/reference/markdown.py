"""Writes Markdown: headings with a table of contents, paragraphs and lists of at most 120 columns."""
from __future__ import annotations

import re
from typing import Iterable, List

import prose

NOTICE = "<!-- Written by `make reference` from what the program says of itself; changes here are lost. -->"


def escaped(text: str) -> str:
    """Prose of the program as Markdown shows it: options are code, and what would be markup is none."""
    parts = re.split(r"(`[^`]*`)", prose.marked(text))
    markup = re.compile(r"([*<\[\]|\\]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")
    return "".join(part if part.startswith("`") else markup.sub(r"\\\1", part) for part in parts)


def anchor(heading: str) -> str:
    """The name that GitHub and others give to a heading."""
    return re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-")


def link(heading: str) -> str:
    return "[%s](#%s)" % (heading, anchor(heading))


class Page:
    """A document that grows from top to bottom."""

    def __init__(self, title: str):
        self.lines: List[str] = ["# " + title, "", NOTICE, ""]

    def heading(self, level: int, text: str) -> None:
        self.lines += ["#" * level + " " + text, ""]

    def paragraph(self, text: str) -> None:
        """Text that may hold Markdown."""
        self.lines += prose.wrapped(text) + [""]

    def code(self, lines: Iterable[str]) -> None:
        """Not to be run as it stands, so it is no `sh`."""
        self.lines += ["```text", *lines, "```", ""]

    def item(self, text: str, level: int = 0) -> None:
        margin = "  " * level
        self.lines += prose.wrapped(text, margin + "- ", margin + "  ")

    def end_list(self) -> None:
        self.lines.append("")

    def blocks(self, blocks: Iterable[prose.Block]) -> None:
        for block in blocks:
            if block.is_code:
                self.code(block.lines)
            else:
                self.paragraph(escaped(block.text))

    def text(self) -> str:
        return "\n".join(self.lines).rstrip("\n") + "\n"

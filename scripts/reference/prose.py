"""The texts of `--help`: paragraphs, and the indented lines between them, which are examples."""
from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from typing import Iterator, List, Tuple


@dataclass(frozen=True)
class Block:
    """A paragraph, or lines that stand as they are."""

    lines: Tuple[str, ...]
    is_code: bool

    @property
    def text(self) -> str:
        return " ".join(self.lines)


def blocks(text: str) -> Iterator[Block]:
    """Cuts at blank lines, and where the indentation begins or ends."""
    lines: List[str] = []
    is_code = False
    for line in text.splitlines() + [""]:
        indented = line.startswith("  ")
        if lines and (not line.strip() or indented != is_code):
            yield Block(tuple(lines), is_code)
            lines = []
        if line.strip():
            is_code = indented
            lines.append(line[2:].rstrip() if indented else line.strip())


def marked(text: str) -> str:
    """Options and variables stand in backticks as well, where they do not yet."""
    parts = re.split(r"(`[^`]*`)", text)
    names = re.compile(r"(?<![\w/=-])(--[a-z][a-z-]*[a-z]|COLA_[A-Z_]+[A-Z]|cola\.yaml)(?![\w/-])")
    return "".join(part if part.startswith("`") else names.sub(r"`\1`", part) for part in parts)


def wrapped(text: str, first: str = "", rest: str = "", columns: int = 120) -> List[str]:
    """Lines of at most so many columns; what stands in backticks, and links, are not broken."""
    guarded = re.sub(
        r"`[^`]*`|\[[^\]]*\]\([^)]*\)|\\f[BI].*?\\fR", lambda span: span.group().replace(" ", "\0"), text)
    lines = textwrap.wrap(
        guarded, columns, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False)
    return [line.replace("\0", " ") for line in lines]

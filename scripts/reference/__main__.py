"""Writes what is generated from the program's own description of itself.

    python3 scripts/reference docs COLA FOLDER          the pages of docs/reference
    python3 scripts/reference man COLA FOLDER           man1/cola.1, …, man5/cola.yaml.5
    python3 scripts/reference completions COLA FOLDER   bash-completion/…, zsh/…, fish/…

COLA is the executable. The same executable gives the same bytes; manual pages are of the day of SOURCE_DATE_EPOCH, and
of none without it. Files of an earlier run that are not written any more are left alone but in docs.
"""
from __future__ import annotations

import os
import pathlib
import sys
from typing import Dict, List, Optional

import completion
import documents
import manual
import program

USAGE = "usage: python3 scripts/reference docs|man|completions COLA FOLDER"


def epoch() -> Optional[int]:
    text = os.environ.get("SOURCE_DATE_EPOCH")
    if not text:
        return None
    if not text.isdigit():
        raise program.Refused("SOURCE_DATE_EPOCH is '%s'; it must be seconds since 1970" % text)
    return int(text)


def texts(kind: str, described: program.Program) -> Dict[str, str]:
    if kind == "docs":
        return documents.pages(described)
    if kind == "man":
        return manual.pages(described, epoch())
    return completion.scripts(described)


def main(arguments: List[str]) -> int:
    if len(arguments) != 3 or arguments[0] not in ("docs", "man", "completions"):
        print(USAGE, file=sys.stderr)
        return 64
    kind, executable, folder = arguments[0], arguments[1], pathlib.Path(arguments[2])
    try:
        for name, text in texts(kind, program.load(executable)).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except program.Refused as refused:
        print("reference: %s" % refused, file=sys.stderr)
        return 70
    return 0


sys.exit(main(sys.argv[1:]))

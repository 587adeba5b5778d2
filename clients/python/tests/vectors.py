"""Reads protocol/vectors/native.json; its README says what the members mean."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List

Vector = Dict[str, Any]

_FILE = Path(__file__).resolve().parents[3] / "protocol" / "vectors" / "native.json"
_ALL: Dict[str, List[Vector]] = json.loads(_FILE.read_text(encoding="utf-8"))


def vectors(part: str) -> List[Vector]:
    return _ALL[part]


def name_of(vector: Vector) -> str:
    return str(vector["name"])


def raw(value: Any) -> bytes:
    """The bytes of a vector, of one of its parts, or of a value that may hold any bytes."""
    if isinstance(value, str):
        return value.encode()
    if "parts" in value:
        return b"".join(raw(part) for part in value["parts"])
    once = value["text"].encode() if "text" in value else bytes.fromhex(value["hex"])
    return bytes(once) * int(value.get("repeat", 1))

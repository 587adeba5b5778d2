"""Texts of the protocol: any bytes, with space, control bytes, DEL and ``%`` written as ``%`` and two digits."""

from __future__ import annotations

import re
from typing import Union

Text = Union[str, bytes]

_UNSAFE = bytes(range(0x21)) + b"%\x7f"
# Deleting every safe byte leaves nothing of most texts, and does so at the speed of memcpy.
_SAFE = bytes(byte for byte in range(256) if byte not in _UNSAFE)
_UNSAFE_IN_NAME = _UNSAFE + b"="
_SAFE_IN_NAME = _SAFE.replace(b"=", b"")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})?")


def to_bytes(text: Text) -> bytes:
    """UTF-8; what ``from_bytes`` could not read as UTF-8 becomes the bytes that it was."""
    return text.encode("utf-8", "surrogateescape") if isinstance(text, str) else bytes(text)


def from_bytes(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def escape(data: bytes) -> bytes:
    return data if not data.translate(None, _SAFE) else _escape(data, _UNSAFE)


def escape_name(data: bytes) -> bytes:
    """For the name of a header, where ``=`` would end it."""
    return data if not data.translate(None, _SAFE_IN_NAME) else _escape(data, _UNSAFE_IN_NAME)


def _escape(data: bytes, unsafe: bytes) -> bytes:
    return b"".join(b"%%%02X" % byte if byte in unsafe else b"%c" % byte for byte in data)


def unescape(data: bytes) -> bytes:
    """
    - Raises ValueError: a ``%`` without two hexadecimal digits behind it.
    """
    return _ESCAPE.sub(_unescape, data) if b"%" in data else data


def _unescape(match: "re.Match[bytes]") -> bytes:
    if match[1] is None:
        raise ValueError("a % has no two hexadecimal digits behind it")
    return bytes((int(match[1], 16),))

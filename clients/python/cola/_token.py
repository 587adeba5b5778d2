"""The token by which a server knows the processes that it has started as workers of mode ``client``."""

from __future__ import annotations

import os
import stat
from typing import Optional

# The descriptor is a file of so many bytes, all of them hexadecimal digits.
_LENGTH = 64
_VARIABLE = "COLA_TOKEN_FD"


def take() -> Optional[str]:
    """Reads it and closes its descriptor, so that no child has it; None: there is none, or it was taken before."""
    number = os.environ.pop(_VARIABLE, "")
    if not number.isdecimal():
        return None
    descriptor = int(number)
    try:
        status = os.fstat(descriptor)
        # A process further down may have inherited the variable, and have something else there.
        if not stat.S_ISREG(status.st_mode) or status.st_size != _LENGTH:
            return None
        # Where several processes share the descriptor, the first reads it, and the others find nothing.
        token = os.read(descriptor, _LENGTH)
        os.close(descriptor)
    except OSError:
        return None
    return token.decode("ascii", "replace") if len(token) == _LENGTH else None


def is_there() -> bool:
    """Whether a server has started this process, and nobody has taken its token yet."""
    return os.environ.get(_VARIABLE, "").isdecimal() and bool(os.environ.get("COLA_URL"))

"""What a call on a queue hands to the queue's caretaker, and waits for."""

from __future__ import annotations

import _thread
from typing import TYPE_CHECKING, Any, Optional

if TYPE_CHECKING:
    from ._link import Link


class Command:
    """Something that a caller hands over."""

    __slots__ = ()

    def reach(self, link: "Link") -> None:
        """Called by the caretaker, which the connection and all that belongs to it is left to."""
        raise NotImplementedError


class Ticket(Command):
    """A command that is answered once, and whose caller waits until it is.

    A signal handler may raise between any two bytecodes of the caller, also while it takes or releases a lock. So there
    is none that others need: the caller waits for one of its own, which the caretaker opens and nobody closes again.
    """

    __slots__ = ("deadline", "is_given_up", "is_answered", "_result", "_error", "_gate")

    def __init__(self, deadline: Optional[float] = None) -> None:
        self.deadline = deadline
        #: Its caller does not wait any more.
        self.is_given_up = False
        self.is_answered = False
        self._result: Any = None
        self._error: Optional[BaseException] = None
        self._gate = _thread.allocate_lock()
        self._gate.acquire()

    def has_expired(self, now: float) -> bool:
        return self.deadline is not None and self.deadline <= now

    # What the caretaker calls

    def answer(self, result: Any = None) -> None:
        if not self.is_answered:
            self._result = result
            self.is_answered = True
            self._gate.release()

    def fail(self, error: BaseException) -> None:
        self._error = error
        self.answer()

    # What the caller calls

    def wait(self) -> Any:
        """The answer, or the error."""
        self._gate.acquire()
        if self._error is not None:
            raise self._error
        return self._result

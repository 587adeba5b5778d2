"""What to do about each error code, and what AMQP's reply codes stand for.

Which codes there are, whether to try again, and when each is said comes from section 7 of protocol/native.md; exit
codes, reply codes and sentences come from the program. A code without advice here, or advice without one, is refused.
"""
from __future__ import annotations

from typing import Dict, Optional, Tuple

CODES: Dict[str, str] = {
    "syntax": "Correct the request. The sentence names the word or option that is wrong.",
    "unknown_command": "Look at the spelling, and at the server's version: `hello` answers with its features.",
    "line_too_long": "Send shorter options; bodies go behind the line, by their size.",
    "body_end": "Count the bytes of the body, not its characters, and send a line feed behind them.",
    "too_large": "Send a smaller message, or raise `body-max` of the server (AMQP: `amqp-body-max`).",
    "unsupported_version": "Say `hello 1`, or use a client of the server's version.",
    "unsupported_feature": "Do without the feature, or upgrade the server.",
    "unauthenticated": "Give a name and password that are right; `cola users` lists who there is.",
    "access_refused":
        "Choose another name if it begins with `amq.` or `cola.`; else let an administrator look at "
        "`cola permissions`.",
    "not_found": "Make what is missing (`cola declare`), or look at the name and the virtual host.",
    "mismatch":
        "Declare it as it is (`cola describe` shows how), change it with `cola set`, or have the server take new "
        "arguments (`redeclare: adopt`).",
    "unroutable": "Make the queue, or bind one to the exchange; or publish with `mandatory=no` (`--no-mandatory`).",
    "in_use": "Choose another number, place or name, or end what uses it: `cola why QUEUE` shows who does.",
    "locked": "Wait until the other connection ends, or use a queue of your own.",
    "full": "Publish again when messages have been consumed; add consumers, or raise the limit with `cola set queue`.",
    "unknown_delivery": "Settle each delivery once, on the connection that got it.",
    "limit": "Use fewer, or raise the setting or limit that the sentence names.",
    "cancelled": "Declare the queue and consume again, if it is still meant to be there.",
    "overloaded": "Publish again when answers come in; keep fewer unconfirmed messages on their way.",
    "storage": "Look at the server's log and at the free space of its disk, and try again.",
    "busy": "Try again a little later.",
    "configuration": "Correct the file that the sentence names, and `cola reload` again.",
    "timeout": "Connect again; answer heartbeats, and read what is sent to you.",
    "shutting_down": "Connect again when the server is back.",
    "damaged": "Look at `cola check`; what was put aside is kept in the database, and the queue goes on.",
}

# What the clients say of themselves, without a server. (code, when, exit code, what to do)
OF_CLIENTS: Tuple[Tuple[str, str, int, str], ...] = (
    ("unreachable", "no server answers at the address", 69, "Start one with `cola serve`, or look at the address."),
    ("connection_lost", "the connection ended while something was on its way", 75,
     "Connect again; what was on its way may have arrived or not, and the error says how much that was."),
    ("protocol_violation", "what came is not the native protocol", 70,
     "Look at the address: something else may listen there. Else it is a bug, and worth a report."),
    ("closed", "the program has closed the client", 1, "Use it before that."),
)

# What only requests of the native protocol can lead to.
NOT_OVER_AMQP = ("configuration",)


def exit_code(code: str, is_retryable: bool) -> int:
    """Of a code that a protocol alone says, so that the broker has no example. Source: Sources/cola/Failure.swift"""
    return {"unauthenticated": 77, "syntax": 64, "line_too_long": 64}.get(code, 75 if is_retryable else 1)


# Number, name, when, and whether the whole connection ends with it; None: nothing does. The names are those of AMQP
# 0-9-1, "Constants"; a test holds numbers, names and ends against Sources/ColaAMQP/Session/ReplyCode.swift.
REPLIES: Tuple[Tuple[int, str, str, Optional[bool]], ...] = (
    (312, "NO_ROUTE", "a message that was published as mandatory leads nowhere; it comes back, and nothing ends", None),
    (320, "CONNECTION_FORCED",
     "the server is stopping, the user or virtual host was deleted, or the worker of the connection has ended", True),
    (403, "ACCESS_REFUSED",
     "the login failed, the user may not, the name is reserved, or the queue has an exclusive consumer", False),
    (404, "NOT_FOUND", "no such queue, exchange or virtual host", False),
    (405, "RESOURCE_LOCKED", "an exclusive queue of another connection", False),
    (406, "PRECONDITION_FAILED",
     "it is there, but differently; it is in use or not empty; a delivery is unknown or was held for too long; a "
     "message is larger than `amqp-body-max`; a limit", False),
    (501, "FRAME_ERROR", "bytes that are no frame, or a frame larger than was agreed on", True),
    (502, "SYNTAX_ERROR", "a method, header or table that cannot be read", True),
    (503, "COMMAND_INVALID", "a method that does not fit where it came, or an unknown type of exchange", True),
    (504, "CHANNEL_ERROR", "a channel that is open already, or is not open", True),
    (505, "UNEXPECTED_FRAME", "a frame that was not its turn", True),
    (506, "RESOURCE_ERROR", "unfinished messages of all channels take more than twice `amqp-body-max`", True),
    (530, "NOT_ALLOWED",
     "no access to the virtual host; more channels, or larger frames, than agreed on; a consumer tag twice; as many "
     "things as the user or virtual host may have", True),
    (540, "NOT_IMPLEMENTED", "a method or option that RabbitMQ has not either, or that cannot be here", True),
    (541, "INTERNAL_ERROR", "the disk failed, or too much is asked for at once; the server's log says more", True),
)

# What the commands end with. Source: sysexits.h
EXITS: Tuple[Tuple[int, str, str], ...] = (
    (0, "done", ""),
    (1, "refused by the broker", "Read the sentence: trying the same again does not help."),
    (64, "wrong usage", "See `--help` of the command."),
    (65, "damaged or newer data", "`cola check` looks through a data directory; a newer file needs a newer `cola`."),
    (66, "no such input", "Look at the path of the file or folder."),
    (69, "no broker reached, or the server cannot listen",
     "Start one with `cola serve`, or name another with `--url`; a server: choose another address."),
    (70, "a bug, or a failed disk", "Look at the server's log; a bug is worth a report."),
    (74, "no room, or the output took no more", "Make room."),
    (75, "in use, or may succeed if tried again", "Try again a little later."),
    (77, "not permitted", "Log in as somebody who may, or let an administrator permit it."),
    (78, "a certificate or key that cannot be used, or workers that may not be run so",
     "Correct what the sentence names."),
)

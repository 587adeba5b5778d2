"""The settings of a worker, as `workers:` of cola.yaml takes them.

The program checks definitions, but has no texts on their keys; a test holds these against what it accepts
(Sources/ColaWorkers/Definition) and against examples/workers/cola.yaml.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple


@dataclass(frozen=True)
class Key:
    """`modes` is empty where it is for all; a dot in the name leads into a section."""

    name: str
    value: str
    default: str
    text: str
    modes: Tuple[str, ...] = ()


GROUPS: Tuple[Tuple[str, Tuple[Key, ...]], ...] = (
    ("Messages", (
        Key("queue", "NAME", "", "Where its messages come from. Made if there is none. Needed, but by mode client."),
        Key("vhost", "NAME", "/", "The virtual host of its queues."),
        Key("mode", "exec|stream|client", "exec",
            "exec: a process for each message. stream: a process that lives on, with messages as lines. client: a "
            "program that connects by itself."),
        Key("prefetch", "N", "10", "How many messages are with a process at a time.", ("stream", "client")),
        Key("result-queue", "NAME", "nowhere",
            "What it writes to standard output (exec), or gives as result with an answer (stream), is published there.",
            ("exec", "stream")),
        Key("format", "json|native", "json", "How messages and answers are written.", ("stream",)),
        Key("ready", "started|announced", "started",
            "Whether a process takes messages from its start on, or says when, within start-limit.", ("stream",)),
        Key("time-limit", "DURATION", "none",
            "How long a message may take; in stream and client: how long a process may hold messages and settle none."),
        Key("exit-codes", "MAPPING", "0: ack, 75: retry, others: reject, signal: retry",
            "What becomes of the message: ack, retry or reject, for a code, a range such as 64-74, others, or signal.",
            ("exec",)),
    )),
    ("When a message failed", (
        Key("retry.attempts", "N", "5", "How often it is tried; then it is dead-lettered, or parked."),
        Key("retry.first", "DURATION", "1s", "The first pause; each is longer than the one before."),
        Key("retry.most", "DURATION", "1h", "The longest pause."),
        Key("retry.factor", "NUMBER", "2", "What a pause is multiplied with for the next."),
        Key("retry.jitter", "PERCENT", "20%", "The share of each pause that is random."),
        Key("retry.delay", "DURATION", "", "In the place of first: always the same pause."),
        Key("retry.delays", "LIST", "", "In the place of first: these pauses, one after the other; attempts follows."),
        Key("retry.step", "DURATION", "", "In the place of first: each pause is longer by so much, up to most."),
    )),
    ("Processes", (
        Key("command", "LIST", "",
            "The program and its arguments; no shell unless it names one. One text is cut at its spaces. Needed."),
        Key("processes", "N|N-M", "1",
            "How many; a range follows what waits, and one from 0 begins with the first message."),
        Key("autoscale.drain-within", "DURATION", "30s", "Of a range: more, if what waits would take longer."),
        Key("autoscale.age", "DURATION", "10s", "Of a range: more, if a message has waited longer."),
        Key("autoscale.idle-for", "DURATION", "1 min", "Of a range: fewer, if one had nothing to do for so long."),
        Key("restart", "always|on-failure|never", "always", "Whether what has ended is started again.",
            ("stream", "client")),
        Key("start-limit", "DURATION", "30s", "How long it may take until a process is ready.", ("stream", "client")),
        Key("stop.signal", "NAME", "TERM", "What tells a process to end."),
        Key("stop.grace", "DURATION", "10s",
            "For the message in hand, and again for the signal, before the process is killed."),
        Key("backoff.first", "DURATION", "100ms", "The first pause before what cannot start, or crashes, is started."),
        Key("backoff.most", "DURATION", "1 min", "The longest."),
        Key("backoff.factor", "NUMBER", "2", "What a pause is multiplied with for the next."),
        Key("backoff.jitter", "PERCENT", "20%", "The share of each pause that is random."),
        Key("backoff.reset-after", "DURATION", "10s", "What stays up so long has failed never."),
        Key("backoff.crashes", "N", "5", "So many crashes in a row are the worker's affair, fewer the message's."),
    )),
    ("What a process is given", (
        Key("directory", "DIR", "where the server runs", "Where it starts; counts from the folder of the file."),
        Key("user", "NAME|NUMBER", "the server's", "As whom it runs; for a server that may change users."),
        Key("group", "NAME|NUMBER", "the user's", "Its group."),
        Key("umask", "MODE", "077", "Its file mode mask, in octal and quotes."),
        Key("nice", "N", "0", "Its priority, from -20 to 19; only who may can go below 0."),
        Key("environment", "MAPPING", "", "Variables that are set for it."),
        Key("pass-environment", "LIST", "PATH, HOME, LANG, LC_*, TZ, TMPDIR",
            "What it gets of the server's environment; nothing else."),
        Key("limits.memory", "SIZE", "none", "Its address space."),
        Key("limits.cpu", "DURATION", "none", "Its time on a processor."),
        Key("limits.open-files", "N", "none", "Its open files."),
        Key("limits.processes", "N", "none", "Processes of its user, all together."),
    )),
)


def all_keys() -> Tuple[Key, ...]:
    return tuple(key for _, keys in GROUPS for key in keys)

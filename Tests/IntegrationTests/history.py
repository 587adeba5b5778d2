"""What producers sent and consumers got, and whether a broker could have kept its promises with such a history.

A `History` is filled while the broker is killed and started again; at the end, when every queue has been drained,
`verdict()` counts what must never happen:

lost             confirmed, and not delivered from each of its queues
unknown          delivered, but never published there, refused when it was, or with other bytes
misordered       a producer's messages stand in a queue in another order than it published them, a message changed its
                 place, or one consumer got first deliveries out of their order in the queue
holes            of what one connection published to one queue without a confirm, something is missing before something
                 that survived: what survives must be a prefix
partial_fanout   a message is in some of its queues and not in the others
partial_batch    a message of a `pubs` is there and another is not
resurrected      delivered again after its ack was answered for
dup_unflagged    a second delivery without the mark `r`
leftover         still in a queue after everything was drained

A broker may hand out a message before it has written it: one that was not confirmed and that nobody saw after the
broker had died may be gone, and its place in the queue is another's then.

Each message is known by (producer, target, number), which stands in its body; `target` is a queue or an exchange. The
rest of the body follows from these, so that every byte is checked. One lock guards it all: every thread may call it.
"""
from __future__ import annotations

import collections
import dataclasses
import itertools
import random
import threading
from typing import Dict, Iterable, List, NamedTuple, Optional, Set, Tuple

PADDING = random.Random(7672).getrandbits(8 * 262_144).to_bytes(262_144, "big")
PADDING_OFFSETS = 100_003  # prime, so that neighbours differ; the longest body is what is left of PADDING
COUNTS = ("lost", "unknown", "misordered", "holes", "partial_fanout", "partial_batch", "resurrected", "dup_unflagged",
          "leftover")


class Key(NamedTuple):
    producer: str
    target: str
    number: int


class Seen(NamedTuple):
    """One delivery: when (a count over the whole history), where, and with which mark."""

    moment: int
    offset: int
    redelivered: Optional[int]
    life: int


@dataclasses.dataclass
class Message:
    key: Key
    connection: int
    life: int
    batch: Optional[int]
    size: int
    confirmed: bool = False
    refused: bool = False
    seen: Dict[str, List[Seen]] = dataclasses.field(default_factory=dict)
    settled: Dict[str, int] = dataclasses.field(default_factory=dict)

    def body(self) -> bytes:
        return body(self.key, self.size)

    def survived(self, queue: str) -> bool:
        """Whether it was seen there after the broker that it was sent to had died."""
        return any(seen.life > self.life for seen in self.seen.get(queue, ()))


@dataclasses.dataclass
class Verdict:
    counts: Dict[str, int]
    figures: Dict[str, float]
    examples: Dict[str, List[str]]

    @property
    def passed(self) -> bool:
        return not any(self.counts.values())

    def __str__(self) -> str:
        fields = ["%s=%d" % (name, self.counts[name]) for name in COUNTS]
        fields += ["%s=%s" % (name, "%.3f" % value if isinstance(value, float) else value)
                   for name, value in self.figures.items()]
        lines = ["VERDICT %s %s" % ("PASS" if self.passed else "FAIL", " ".join(fields))]
        for name, examples in self.examples.items():
            lines += ["  %s: %s" % (name, example) for example in examples]
        return "\n".join(lines)


def body(key: Key, size: int) -> bytes:
    """The bytes of a message: its key and length, then padding that depends on its number. At least its head."""
    head = ("%s %s %d %d|" % (key.producer, key.target, key.number, size)).encode()
    begin = key.number * 7919 % PADDING_OFFSETS
    return head + PADDING[begin:begin + max(0, size - len(head))]


def parse(data: bytes) -> Optional[Tuple[Key, int]]:
    """Whose bytes these are, by their head; None if it is none of ours."""
    head, bar, _ = data[:300].partition(b"|")
    try:
        producer, target, number, size = head.decode().split(" ")
        return (Key(producer, target, int(number)), int(size)) if bar else None
    except ValueError:
        return None


class History:
    """`routes` says for each target (queue or exchange) in which queues its messages must be."""

    EXAMPLES = 5

    def __init__(self, routes: Dict[str, List[str]]):
        self.routes = routes
        self.messages: Dict[Key, Message] = {}
        self.lock = threading.Lock()
        self.recoveries: List[float] = []
        self.leftover: Dict[str, int] = {}
        self._moment = itertools.count(1)
        self._numbers: Dict[Tuple[str, str], int] = collections.defaultdict(int)
        self._connections = itertools.count(1)
        self._lives: Dict[int, int] = {}
        self._batches = itertools.count(1)
        self._subscriptions: Dict[Tuple[int, str], int] = {}
        self._waiting = 0
        self._deliveries = 0
        self._redeliveries = 0
        self._faults: Dict[str, List[str]] = {name: [] for name in COUNTS}

    # What happens, in the order it happens

    def new_connection(self, life: int = 1) -> int:
        """A number for a connection of a producer, or of a consumer with its subscriptions.

        `life` grows with each start of the broker.
        """
        with self.lock:
            number = next(self._connections)
            self._lives[number] = life
            return number

    def _life(self, connection: int) -> int:
        return self._lives.get(connection, 1)

    def sent(self, producer: str, target: str, connection: int, sizes: List[int], batch: bool = False) -> List[Message]:
        """About to be published, in this order: record before the first byte leaves."""
        with self.lock:
            group = next(self._batches) if batch else None
            messages = []
            for size in sizes:
                key = Key(producer, target, self._numbers[producer, target])
                self._numbers[producer, target] += 1
                messages.append(Message(key, connection, self._life(connection), group, size))
                self.messages[key] = messages[-1]
            return messages

    def confirmed(self, messages: Iterable[Message]) -> None:
        with self.lock:
            for message in messages:
                message.confirmed = True
                self._waiting += len(self.routes[message.key.target]) - len(message.seen)

    def refused(self, messages: Iterable[Message]) -> None:
        for message in messages:
            message.refused = True

    def delivered(
        self, queue: str, offset: int, redelivered: Optional[int], data: bytes, connection: int
    ) -> Optional[Message]:
        """A consumer got this. None if it is nothing that was published."""
        parsed = parse(data)
        with self.lock:
            moment = next(self._moment)
            self._deliveries += 1
            self._redeliveries += redelivered is not None
            message = self.messages.get(parsed[0]) if parsed else None
            if message is None or parsed is None or parsed[1] != message.size or data != message.body():
                self._fault("unknown", "%r… (%d bytes) from %s" % (data[:40], len(data), queue))
                return None
            if queue not in self.routes.get(message.key.target, ()):
                self._fault("unknown", "%s came from %s" % (text(message.key), queue))
                return None
            earlier = message.seen.setdefault(queue, [])
            if earlier and redelivered is None:
                self._fault("dup_unflagged", "%s from %s, %d times before" % (text(message.key), queue, len(earlier)))
            if queue in message.settled:
                self._fault("resurrected", "%s from %s, its ack was answered at %d, now is %d"
                            % (text(message.key), queue, message.settled[queue], moment))
            if earlier and earlier[0].offset != offset:
                self._fault("misordered", "%s moved in %s from %d to %d"
                            % (text(message.key), queue, earlier[0].offset, offset))
            if redelivered is None:
                last = self._subscriptions.get((connection, queue), -1)
                if offset <= last:
                    self._fault("misordered", "%s: %d came after %d on one connection" % (queue, offset, last))
                self._subscriptions[connection, queue] = max(offset, last)
            self._waiting -= message.confirmed and not earlier
            earlier.append(Seen(moment, offset, redelivered, self._life(connection)))
            return message

    def settled(self, messages: Iterable[Tuple[str, Message]]) -> None:
        """These (queue, message) were acknowledged, and a later request on the same connection has been answered."""
        with self.lock:
            moment = next(self._moment)
            for queue, message in messages:
                message.settled[queue] = moment

    def recovered(self, seconds: float) -> None:
        self.recoveries.append(seconds)

    def remains(self, queue: str, count: int) -> None:
        """After draining: what the broker says is still in a queue."""
        self.leftover[queue] = count

    # Progress

    def waiting(self) -> int:
        """How many copies of confirmed messages nobody has seen yet."""
        with self.lock:
            return self._waiting

    def confirmed_count(self) -> int:
        with self.lock:
            return sum(message.confirmed for message in self.messages.values())

    # The end

    def verdict(self) -> Verdict:
        with self.lock:
            before = {name: list(faults) for name, faults in self._faults.items()}
            self._judge_presence()
            self._judge_order()
            self._judge_prefixes()
            self._judge_batches()
            for queue, count in self.leftover.items():
                for _ in range(count):
                    self._fault("leftover", queue)
            faults, self._faults = self._faults, before
        figures: Dict[str, float] = {
            "sent": len(self.messages),
            "confirmed": sum(message.confirmed for message in self.messages.values()),
            "delivered": self._deliveries,
            "redelivered": self._redeliveries,
            "starts": len(self.recoveries),
            "recovery_max_s": max(self.recoveries, default=0.0),
        }
        return Verdict(
            {name: len(faults[name]) for name in COUNTS}, figures,
            {name: faults[name][:self.EXAMPLES] for name in COUNTS if faults[name]})

    def _fault(self, name: str, example: str) -> None:
        self._faults[name].append(example)

    def _judge_presence(self) -> None:
        for message in self.messages.values():
            queues = self.routes[message.key.target]
            missing = [queue for queue in queues if queue not in message.seen]
            if message.refused and message.seen:
                self._fault("unknown", "%s was refused, and delivered" % text(message.key))
            if message.confirmed and missing:
                self._fault("lost", "%s from %s" % (text(message.key), ", ".join(missing)))
            if missing and len(missing) < len(queues):
                self._fault("partial_fanout", "%s is not in %s" % (text(message.key), ", ".join(missing)))

    def _judge_order(self) -> None:
        """Offsets in a queue must grow with the numbers of one producer and target, over all consumers.

        Consumers run side by side, so the moments at which they saw two messages say nothing; the offsets do.
        """
        newest: Dict[Tuple[str, str, str, int], Tuple[int, Message]] = {}
        for message in self.messages.values():  # numbers of one (producer, target) come in their order
            for queue, deliveries in message.seen.items():
                first = deliveries[0].offset
                for life in sorted({seen.life for seen in deliveries}):
                    place = (message.key.producer, message.key.target, queue, life)
                    offset, last = newest.get(place, (-1, message))
                    if first < offset or (first == offset and last.confirmed):
                        self._fault("misordered", "%s at %d in %s stands behind %s at %d"
                                    % (text(message.key), first, queue, text(last.key), offset))
                    if first >= offset:
                        newest[place] = (first, message)

    def _may_have_vanished(self, message: Message, queue: str) -> bool:
        newest = max(self._lives.values(), default=1)
        return not message.confirmed and message.life < newest and not message.survived(queue)

    def _judge_prefixes(self) -> None:
        """Per connection and queue: nothing unconfirmed may be missing in front of something that is there."""
        runs: Dict[Tuple[int, str], List[Message]] = collections.defaultdict(list)
        for message in self.messages.values():  # dictionaries keep the order of publishing
            if not message.refused:
                for queue in self.routes[message.key.target]:
                    runs[message.connection, queue].append(message)
        for (connection, queue), messages in runs.items():
            survivors = [place for place, message in enumerate(messages)
                         if message.confirmed or queue in message.seen and not self._may_have_vanished(message, queue)]
            for message in messages[:survivors[-1]] if survivors else []:
                if queue not in message.seen and not message.confirmed:
                    self._fault("holes", "%s is not in %s, later ones of connection %d are"
                                % (text(message.key), queue, connection))

    def _judge_batches(self) -> None:
        batches: Dict[int, List[Message]] = collections.defaultdict(list)
        for message in self.messages.values():
            if message.batch is not None:
                batches[message.batch].append(message)
        for messages in batches.values():
            is_there = any(not self._may_have_vanished(message, queue)
                           for message in messages for queue in message.seen)
            if is_there and not all(message.seen for message in messages):
                self._fault("partial_batch", "the batch that begins with %s" % text(messages[0].key))


def text(key: Key) -> str:
    return "%s/%s/%d" % key

#!/usr/bin/env python3
"""Breaks one rule of the broker at a time and sees whether the simulation notices.

Each mutation is a small change of the sources that breaks a promise. It is made in a copy of the working tree, built,
and run under a few hundred seeds; how many of them notice is printed. A mutation that no seed notices is a hole in the
simulation, and one that does not apply any more is out of date: both end with exit code 1.

usage: scripts/mutations.py [--seeds A-B] [NAME...]
       scripts/mutations.py --check     whether each still applies to the sources
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TREE = ROOT / ".build-mutations"
# Longer than any run of the seeds below takes: a mutation may also make it hang.
RUN_SECONDS = 900
BUILD_SECONDS = 1200

# Name, the promise it breaks, and what is replaced by what: (file, old, new). The old text must be there once.
BROKER = "Sources/ColaCore/Broker/"
MUTATIONS = [
    (
        "answer-before-commit",
        "G1: a confirm comes before the disk has the message",
        [
            (
                BROKER + "Broker.swift",
                "guard channel.lastBatch > durable || !channel.held.isEmpty else {",
                "guard channel.held.count > 1_000_000 else {",
            )
        ],
    ),
    (
        "settled-set-lost",
        "G6: what is settled in the middle of a chunk is not written down",
        [
            (
                BROKER + "Broker+Commit.swift",
                "change.settled = changes.settled",
                "change.settled = Array(changes.settled.prefix(0))",
            )
        ],
    ),
    (
        "retry-at-once",
        "what is given back does not wait as its queue says",
        [
            (
                BROKER + "Broker+Consume.swift",
                "let when = delay > 0 ? Return.later(milliseconds: delay) : .atOnce",
                "let when = delay > 1_000_000 ? Return.later(milliseconds: delay) : .atOnce",
            )
        ],
    ),
    (
        "dead-letter-copies",
        "a dead letter is put where it goes, and stays where it was",
        [
            (
                BROKER + "Broker+Moves.swift",
                "                lane.cursor.settleDoomed()\n                lane.log.messages -= 1\n"
                "                lane.log.bytes = lane.log.messages == 0 ? 0 : lane.log.bytes - entry.byteCount",
                "                lane.cursor.releaseDoomed()\n                lane.log.bytes -= entry.byteCount * 0",
            ),
            (
                "Sources/ColaCore/Logs/SharedCursor.swift",
                "    // MARK: Ending leases",
                "    package mutating func releaseDoomed() {\n        leasedCount += 1\n"
                "        release(doomed.removeFirst().offset)\n    }\n\n    // MARK: Ending leases",
            ),
        ],
    ),
    (
        "expiry-by-raw-clock",
        "G17: a clock that is set expires messages, or brings delayed ones early",
        [
            (
                BROKER + "Broker.swift",
                "let steady = clock.steady(now)",
                "_ = clock.steady(now)\n        let steady = now",
            )
        ],
    ),
    (
        "dedup-forgotten-on-restart",
        "G8: which ids were seen is not written down",
        [
            (
                BROKER + "Broker+Commit.swift",
                "batch.seen = changes.seen",
                "batch.seen = Array(changes.seen.prefix(0))",
            )
        ],
    ),
    (
        "schedule-forgotten-on-restart",
        "G1: a delayed message is confirmed and not written down",
        [
            (
                BROKER + "Broker+Commit.swift",
                "batch.scheduled = changes.scheduled",
                "batch.scheduled = Array(changes.scheduled.prefix(0))",
            )
        ],
    ),
    (
        "requeue-at-the-end",
        "G4: what comes back loses its place",
        [
            (
                "Sources/ColaCore/Logs/SharedCursor.swift",
                "releases.insert(release, at: index(atOrAfter: release.offset, in: releases))",
                "releases.append(release)",
            )
        ],
    ),
    (
        "deliver-before-commit",
        "G5: what was handed out is not on the disk yet",
        [
            (
                "Sources/ColaCore/Logs/Log.swift",
                "segment: segment, released: released))\n        return (segment, released)",
                "segment: segment, released: released, isCommitted: true))\n        committedEnd = last.next\n"
                "        return (segment, released)",
            )
        ],
    ),
    (
        "finished-chunks-stay",
        "a chunk of which all is settled is never deleted",
        [
            (
                BROKER + "Broker+Commit.swift",
                "change.removed = changes.removed",
                "change.removed = Array(changes.removed.prefix(0))",
            )
        ],
    ),
    (
        "handed-out-mark-trusted",
        "G7: after a crash what was handed out passes for new",
        [
            (
                BROKER + "Broker+Recovery.swift",
                "recovery.wasStoppedCleanly ? state.handedOut : state.next",
                "state.handedOut",
            )
        ],
    ),
    (
        "lowest-priority-first",
        "a message of a low priority overtakes one of a high priority",
        [
            (
                BROKER + "Broker+Dispatch.swift",
                "        for lane in queue.lanes {\n            switch next(of: lane, isForConsumer",
                "        for lane in queue.lanes.reversed() {\n            switch next(of: lane, isForConsumer",
            )
        ],
    ),
    (
        "group-offset-in-memory",
        "G9: a committed offset does not survive a restart",
        [
            (
                BROKER + "Broker+Commit.swift",
                "groupOffsets: changes.groupOffsets)",
                "groupOffsets: Array(changes.groupOffsets.prefix(0)))",
            )
        ],
    ),
    (
        "ack-not-waited-for",
        "G6: an answer does not wait for the acknowledgements before it",
        [
            (
                BROKER + "Broker+Consume.swift",
                "        if isChange { didChange(channel) }\n        if isChange ||",
                "        if isChange ||",
            )
        ],
    ),
    (
        "early-answer-for-a-part",
        "G1: a batch is confirmed when the first of its messages was acknowledged before it was written",
        [
            (
                BROKER + "Broker+Early.swift",
                "tickets[index].unsettled -= 1",
                "tickets[index].unsettled = 0",
            )
        ],
    ),
    (
        "early-answer-before-acks",
        "G6: the answer of a publish that need not be written overtakes acknowledgements before it",
        [
            (
                BROKER + "Broker+Early.swift",
                "unsettled: count, needs: channel.lastBatch)",
                "unsettled: count, needs: BatchNumber(0))",
            )
        ],
    ),
    (
        "elided-is-written",
        "G6: what was acknowledged before it was written is written all the same",
        [
            (
                BROKER + "Broker+Commit.swift",
                "{ $0 >= lane.cursor.fresh || !lane.cursor.isSettled($0) }",
                "{ _ in true }",
            )
        ],
    ),
    (
        "window-never-full",
        "G10: deliveries run ahead of the socket without end",
        [
            (
                BROKER + "Broker+Dispatch.swift",
                "connection.window -= bytes + Self.deliveryOverheadBytes",
                "connection.window -= (bytes + Self.deliveryOverheadBytes) / 1_000",
            )
        ],
    ),
    (
        "transaction-forgets-acks",
        "G6 over AMQP: what a transaction settled comes back, though tx.commit was answered",
        [
            (
                BROKER + "Broker+Transactions.swift",
                "            endLeases(of: channel, from: first",
                "            endLeases(of: channel, from: max(first, last.next)",
            )
        ],
    ),
    (
        "rollback-forgotten",
        "G2 over AMQP: what was rolled back is done with the next commit",
        [
            (
                "Sources/ColaAMQP/Session/AMQPSession+Methods.swift",
                "            dropTransaction(of: channel)\n            ask(.rollback, .method(.txRollbackOk)",
                "            ask(.rollback, .method(.txRollbackOk)",
            )
        ],
    ),
    (
        "multiple-ack-of-one",
        "G6 over AMQP: an ack of several settles the last of them",
        [
            (
                "Sources/ColaAMQP/Session/AMQPSession+Methods.swift",
                "first: isMultiple ? DeliveryTag(0) : last, last: last",
                "first: isMultiple && tag == 0 ? DeliveryTag(0) : last, last: last",
            )
        ],
    ),
    (
        "redelivered-flag-lost",
        "G7 over AMQP: what was handed out before passes for new",
        [
            (
                "Sources/ColaAMQP/Session/AMQPSession+Answers.swift",
                "deliveryTag: delivery.tag.rawValue,\n                    redelivered: delivery.redelivered != nil, "
                "exchange: exchange",
                "deliveryTag: delivery.tag.rawValue,\n                    redelivered: false, exchange: exchange",
            )
        ],
    ),
    (
        "failed-channel-keeps",
        "G5 over AMQP: what a channel held that ended with an error does not come back",
        [
            (
                "Sources/ColaAMQP/Session/AMQPSession+Answers.swift",
                "        commands.append(.detach(channel.id))\n        let isLeft",
                "        let isLeft",
            )
        ],
    ),
    (
        "get-overtaken",
        "deliveries come on a channel of AMQP in another order than their numbers",
        [
            (
                BROKER + "Broker+Dispatch.swift",
                "        effects.append(\n            .reply(\n                channel.id, id,\n"
                "                .message(\n"
                "                    Delivery(tag: tag, redelivered: redelivered, entry: entry, data: data),\n"
                "                    of: QueueState(kind: queue.kind, ready: queue.ready))))\n",
                "        respond(\n            channel, id,\n            .message(\n"
                "                Delivery(tag: tag, redelivered: redelivered, entry: entry, data: data),\n"
                "                of: QueueState(kind: queue.kind, ready: queue.ready)))\n",
            )
        ],
    ),
    (
        "held-connection-forgotten",
        "liveness: who is held back behind a read is never read from again",
        [
            (
                "Sources/ColaServer/BrokerLoop+Store.swift",
                "            broker.apply(.loadFailed(request, reason: error.description), at: now, into: &effects)\n"
                "        }\n        releaseHeld()\n",
                "            broker.apply(.loadFailed(request, reason: error.description), at: now, into: &effects)\n"
                "        }\n",
            )
        ],
    ),
]


def copy_tree():
    """Copies what git knows of, changed files only, so that a build is an incremental one."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "Sources", "Tests", "Package.swift",
         "Package.resolved"],
        cwd=ROOT, check=True, capture_output=True,
    ).stdout
    wanted = {name for name in listed.decode().split("\0") if name and (ROOT / name).is_file()}
    for name in wanted:
        source, target = ROOT / name, TREE / name
        if target.is_file() and target.read_bytes() == source.read_bytes():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    for folder in ("Sources", "Tests"):
        for path in (TREE / folder).rglob("*"):
            if path.is_file() and str(path.relative_to(TREE)) not in wanted:
                path.unlink()
    if (ROOT / "Package.resolved").is_file():
        shutil.copyfile(ROOT / "Package.resolved", TREE / "Package.resolved")
    for shared in ("checkouts", "repositories"):
        source, target = ROOT / ".build" / shared, TREE / ".build" / shared
        if source.is_dir() and not target.exists():
            shutil.copytree(source, target, symlinks=True)
    state = ROOT / ".build" / "workspace-state.json"
    if state.is_file() and not (TREE / ".build" / "workspace-state.json").exists():
        shutil.copyfile(state, TREE / ".build" / "workspace-state.json")


def build():
    result = subprocess.run(
        ["swift", "build", "--build-tests", "-j", "2"], cwd=TREE, capture_output=True, text=True, timeout=BUILD_SECONDS
    )
    return result.returncode == 0, result.stdout + result.stderr


def run(seeds):
    """Returns how many seeds noticed, and what one of them said."""
    environment = dict(os.environ, COLA_SEEDS=seeds, SWIFT_BACKTRACE="enable=no")
    environment.pop("COLA_SEED", None)
    command = ["swift", "test", "--skip-build", "--disable-xctest", "--filter", "SimulationTests/(nothing|whatWas)"]
    try:
        result = subprocess.run(command, cwd=TREE, capture_output=True, text=True, timeout=RUN_SECONDS,
                                errors="replace", env=environment)
    except subprocess.TimeoutExpired:
        return "hangs", "the run does not end"
    output = result.stdout + result.stderr
    caught = re.findall(r"seed (\d+):\n\s*(.*)", output)
    if caught:
        return len({seed for seed, _ in caught}), caught[0][1]
    return ("a scenario or a crash", output.strip().splitlines()[-1][:120]) if result.returncode else (0, "")


def count(seeds):
    first, last = seeds.split("-")
    return int(last) - int(first) + 1


def inapplicable(tree: Path, changes):
    """Why these changes cannot be made any more; None if they can."""
    for path, old, _ in changes:
        found = (tree / path).read_text().count(old)
        if found != 1:
            return f"does not apply: {path} has {found} times {old!r}"
    return None


def check():
    problems = [(name, inapplicable(ROOT, changes)) for name, _, changes in MUTATIONS]
    for name, problem in problems:
        if problem:
            print(f"{name:26} {problem}")
    if any(problem for _, problem in problems):
        sys.exit("mutations are out of date; write them anew in scripts/mutations.py")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="1-200", help="which seeds each mutation is run under (default: 1-200)")
    parser.add_argument("--check", action="store_true", help="only see whether each still applies to the sources")
    parser.add_argument("names", nargs="*", help="only these mutations")
    arguments = parser.parse_args()
    if arguments.check:
        return check()
    chosen = [mutation for mutation in MUTATIONS if not arguments.names or mutation[0] in arguments.names]
    if not chosen:
        sys.exit(f"there is no such mutation; known are {', '.join(name for name, _, _ in MUTATIONS)}")
    failures = []
    for name, promise, changes in chosen:
        began = time.monotonic()
        copy_tree()
        problem = inapplicable(TREE, changes)
        if problem is None:
            for path, old, new in changes:
                (TREE / path).write_text((TREE / path).read_text().replace(old, new))
            isBuilt, output = build()
            if not isBuilt:
                errors = [line for line in output.splitlines() if "error:" in line]
                problem = f"does not build: {errors[0] if errors else output[-300:]}"
        if problem is not None:
            failures.append(name)
            print(f"{name:26} {problem}", flush=True)
            continue
        caught, sentence = run(arguments.seeds)
        seconds = int(time.monotonic() - began)
        if caught == 0:
            failures.append(name)
            print(f"{name:26} SURVIVED {count(arguments.seeds)} seeds ({seconds} s): {promise}", flush=True)
        else:
            of = f"of {count(arguments.seeds)} seeds" if isinstance(caught, int) else ""
            print(f"{name:26} caught by {caught} {of} ({seconds} s): {promise}\n    {sentence}", flush=True)
    copy_tree()
    if failures:
        sys.exit(f"{len(failures)} of {len(chosen)} mutations were not caught: {', '.join(failures)}")
    print(f"all {len(chosen)} mutations were caught")


if __name__ == "__main__":
    main()

"""kill -9 under load, again and again: the promises hold over the whole history."""
from __future__ import annotations

import random

from conftest import seed, setting, time_factor
from load import Load


def test_promises_survive_kill_9(broker):
    rounds = setting("COLA_KILLS", short=5, long=20)
    choices = random.Random(seed())
    load = Load(broker, seed())
    load.declare()
    load.start()
    try:
        for _ in range(rounds):
            load.run_for(choices.uniform(0.4, 1.6))
            broker.kill()
            load.restart()
        load.run_for(0.5)
        load.finish()
    finally:
        load.ending.set()
    verdict = load.history.verdict()
    print("\nkill -9, %d rounds: %s" % (rounds, verdict))
    assert verdict.passed, str(verdict)
    assert verdict.figures["confirmed"] > 100 * rounds, "hardly any load: %s" % verdict
    assert verdict.figures["recovery_max_s"] < 2 * time_factor(), str(verdict)


def test_killed_while_starting(broker):
    """A server that dies during recovery leaves what the next one needs."""
    load = Load(broker, seed() + 1)
    load.declare()
    load.start()
    try:
        load.run_for(1.0)
        broker.kill()
        choices = random.Random(seed())
        for _ in range(5):
            broker.spawn()
            load.run_for(choices.uniform(0.0, 0.08))
            broker.kill()
        load.restart()
        load.finish()
    finally:
        load.ending.set()
    verdict = load.history.verdict()
    print("\nkilled while starting: %s" % verdict)
    assert verdict.passed, str(verdict)

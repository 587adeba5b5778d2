"""kill -9 and loss of power under load over AMQP 0-9-1: what is promised holds over the whole history."""
from __future__ import annotations

import random

import pytest

from amqp_load import AMQPLoad
from conftest import seed, setting, time_factor
from recorder import Recorder, check_copy


def test_promises_survive_kill_9(broker):
    rounds = setting("COLA_KILLS", short=5, long=20)
    choices = random.Random(seed())
    load = AMQPLoad(broker, seed())
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
    print("\nkill -9 over AMQP, %d rounds: %s" % (rounds, verdict))
    assert verdict.passed, str(verdict)
    assert verdict.figures["confirmed"] > 100 * rounds, "hardly any load: %s" % verdict
    assert verdict.figures["recovery_max_s"] < 2 * time_factor(), str(verdict)


@pytest.mark.parametrize("mode", ["all", "tail", "blocks", "sectors"])
def test_promises_survive_power_loss(new_broker, mode):
    broker = new_broker()
    recorder = Recorder(broker)
    broker.start()
    choices = random.Random(seed())
    load = AMQPLoad(broker, seed())
    load.declare()
    load.start()
    try:
        for turn in range(max(1, setting("COLA_POWER_CUTS", short=4, long=20) // 4)):
            load.run_for(choices.uniform(0.8, 1.6))
            recorder.cut(mode, seed() * 100 + turn, directories=turn % 2 == 0)
            check_copy(broker)
            load.restart()
        load.run_for(0.3)
        load.finish()
    finally:
        load.ending.set()
    verdict = load.history.verdict()
    print("\npower loss over AMQP, mode %s: %s" % (mode, verdict))
    assert verdict.passed, str(verdict)
    assert verdict.figures["confirmed"] > 0, str(verdict)

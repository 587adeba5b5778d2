"""kill -9 and loss of power under load over Kafka's protocol: what is promised holds over the whole history."""
from __future__ import annotations

import random

import pytest

from conftest import seed, setting, time_factor
from kafka_load import COUNTS, KafkaLoad, Key, value
from kafka_wire import Wire, batch
from recorder import Recorder, check_copy


def test_promises_survive_kill_9(broker):
    rounds = setting("COLA_KILLS", short=4, long=20)
    choices = random.Random(seed())
    load = KafkaLoad(broker, seed())
    load.declare()
    load.start()
    try:
        for _ in range(rounds):
            load.run_for(choices.uniform(0.6, 1.6))
            broker.kill()
            load.restart()
        load.run_for(0.5)
        load.finish()
        verdict = load.verdict()
    finally:
        load.end()
    print("\nkill -9 over Kafka, %d rounds: %s" % (rounds, verdict))
    assert verdict.passed, str(verdict)
    assert verdict.figures["acknowledged"] > 100 * rounds, "hardly any load: %s" % verdict
    assert verdict.figures["recovery_max_s"] < 2 * time_factor(), str(verdict)


@pytest.mark.parametrize("mode", ["tail", "sectors"])
def test_promises_survive_power_loss(new_broker, mode):
    broker = new_broker()
    recorder = Recorder(broker)
    broker.start()
    choices = random.Random(seed())
    load = KafkaLoad(broker, seed())
    load.declare()
    load.start()
    try:
        for turn in range(max(1, setting("COLA_POWER_CUTS", short=2, long=20) // 2)):
            load.run_for(choices.uniform(0.8, 1.6))
            recorder.cut(mode, seed() * 100 + turn, directories=turn % 2 == 0)
            check_copy(broker)
            load.restart()
        load.run_for(0.3)
        load.finish()
        verdict = load.verdict()
    finally:
        load.end()
    print("\npower loss over Kafka, mode %s: %s" % (mode, verdict))
    assert verdict.passed, str(verdict)
    assert verdict.figures["acknowledged"] > 0, str(verdict)


def test_the_verdict_notices(broker):
    """Each kind of violation, made by hand."""
    load = KafkaLoad(broker, seed())
    load.declare()
    with Wire(load.address) as wire:
        keys = [Key("p0", 0, number) for number in (0, 0, 2)]
        wire.produce("load", batch([value(key) for key in keys] + [b"nobody's"]))
    load.acknowledge([Key("p0", 0, 1)], 1)
    load.got(0, 0, value(Key("p0", 0, 7)))
    load.got(0, 9, value(Key("p0", 0, 8)))
    load.committed[0] = 3
    broker.kill()
    load.restart()
    found = load.verdict()
    assert not found.passed
    assert [name for name in COUNTS if not found.faults[name]] == [], str(found)

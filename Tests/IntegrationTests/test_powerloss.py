"""Loss of power under load, in every way in which a disk may have written what was not synced yet."""
from __future__ import annotations

import itertools
import random

import pytest

from conftest import seed, setting
from load import Load
from recorder import Recorder, check_copy

MODES = ("all", "tail", "blocks", "sectors")


def rounds_of(mode: str) -> int:
    """The rounds of all modes together are what the setting says."""
    return max(1, setting("COLA_POWER_CUTS", short=4, long=20) // len(MODES))


@pytest.mark.parametrize("mode", MODES)
def test_promises_survive_power_loss(new_broker, mode):
    broker = new_broker()
    recorder = Recorder(broker)
    broker.start()
    choices = random.Random(seed())
    load = Load(broker, seed())
    load.declare()
    load.start()
    try:
        for turn in range(rounds_of(mode)):
            load.run_for(choices.uniform(0.8, 1.6))
            # Every other cut also takes back the names of files whose directory was not synced.
            recorder.cut(mode, seed() * 100 + turn, directories=turn % 2 == MODES.index(mode) % 2)
            check_copy(broker)
            load.restart()
        load.run_for(0.3)
        load.finish()
    finally:
        load.ending.set()
    verdict = load.history.verdict()
    print("\npower loss, mode %s: %s" % (mode, verdict))
    assert verdict.passed, str(verdict)
    assert verdict.figures["confirmed"] > 0, str(verdict)


def test_power_loss_on_the_first_start(new_broker):
    """The power fails right after the first definition is answered: the directory entries must be synced too."""
    broker = new_broker()
    recorder = Recorder(broker)
    broker.start()
    load = Load(broker, seed(), producers=0, consumers=0)
    load.declare()
    recorder.cut("all", seed(), directories=True)
    load.restart()
    assert set(load._remaining()) == set(itertools.chain(*load.history.routes.values()))


def test_relaxed_durability_loses_messages(new_broker):
    """The negative control: a broker that confirms before it syncs loses messages here, else the rig is blind."""
    tries = 6
    for turn in range(tries):
        broker = new_broker("--durability", "relaxed")
        recorder = Recorder(broker)
        broker.start()
        load = Load(broker, seed() + turn, consumers=0, backlog=20_000)
        load.declare()
        load.start()
        try:
            load.run_for(1.0)
            recorder.cut("all", seed() + turn, directories=False)
            load.stop()
        finally:
            load.ending.set()
        # Nobody consumed: what the broker still has is what was not lost. It may also be unable to start at all.
        try:
            broker.start()
            survivors = sum(load._remaining().values())
        except (AssertionError, OSError):
            survivors = 0
        lost = load.history.waiting() - survivors
        print("\nrelaxed, try %d: %d copies confirmed, %d survived" % (turn, load.history.waiting(), survivors))
        if lost > 0:
            return
    pytest.fail("no confirmed message was lost in %d power cuts with --durability relaxed" % tries)

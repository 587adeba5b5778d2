"""The exercises with processes, each beside its twin of `multiprocessing`: one import differs, the output does not."""
from __future__ import annotations

import difflib
import os
import pathlib
import subprocess
import sys
from typing import List, Tuple

import pytest

from broker import REPOSITORY
from native import Connection

PROCESSES = REPOSITORY / "examples" / "processes"
TYPED = {"accumulate": "4\n38\nmany\n-2\n\n100\n"}
SHOWN = {
    "accumulate": ["+4 makes 4", "+38 makes 42", "-2 makes 40", "the total is 40"],
    "bounded": ["sold loaf %d" % number for number in range(10)] + ["never more than 3 on the shelf: True"],
    "monitor": ["shop is DOWN", "billing is DOWN", "mail is DOWN", "billing is up", "billing is DOWN",
                "the monitor has ended"],
}
EXERCISES = sorted(path.stem for path in PROCESSES.glob("*.py") if not path.stem.endswith("_stdlib"))


def run(script: pathlib.Path, url: str, typed: str = "", arguments: Tuple[str, ...] = ()) -> Tuple[int, str, str]:
    environment = dict(os.environ, COLA_URL=url, PYTHONPATH=str(REPOSITORY / "clients" / "python"))
    done = subprocess.run([sys.executable, str(script), *arguments], env=environment, input=typed, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    return done.returncode, done.stdout, done.stderr


def lines_of(path: pathlib.Path) -> List[str]:
    return path.read_text().splitlines()


def test_there_are_four_exercises_and_each_has_a_twin():
    assert EXERCISES == ["accumulate", "bounded", "downloads", "monitor"]
    assert sorted(path.stem for path in PROCESSES.glob("*_stdlib.py")) == [name + "_stdlib" for name in EXERCISES]


@pytest.mark.parametrize("exercise", EXERCISES)
def test_the_twins_differ_in_one_import(exercise):
    ours, theirs = lines_of(PROCESSES / (exercise + ".py")), lines_of(PROCESSES / (exercise + "_stdlib.py"))
    changed = [line for line in difflib.ndiff(ours, theirs) if line[0] in "+-" and ".py" not in line]
    assert sorted(changed) == ["+ from multiprocessing import Queue", "- from cola import Queue"]


@pytest.mark.parametrize("exercise", EXERCISES)
def test_the_twins_print_the_same(shared_broker, exercise):
    typed = TYPED.get(exercise, "")
    code, ours, errors = run(PROCESSES / (exercise + ".py"), shared_broker.unix, typed)
    assert code == 0, errors
    assert (code, ours, errors) == run(PROCESSES / (exercise + "_stdlib.py"), shared_broker.unix, typed)
    if exercise in SHOWN:
        assert ours.splitlines() == SHOWN[exercise]
    else:
        assert len(ours.splitlines()) == 12


def test_nothing_is_left_of_them(shared_broker):
    assert run(PROCESSES / "bounded.py", shared_broker.unix)[0] == 0
    with Connection(shared_broker.unix) as opened:
        assert opened.ok("list queues").json() == []


@pytest.mark.parametrize("exercise", EXERCISES)
def test_without_a_broker_they_say_how_to_start_one(exercise):
    code, _, errors = run(PROCESSES / (exercise + ".py"), "unix:///nowhere/cola.sock")
    assert code == 1 and "start one with `cola serve`" in errors


def test_the_comparison_of_speeds_runs(shared_broker):
    script = REPOSITORY / "clients" / "python" / "benchmarks" / "queues.py"
    code, output, errors = run(script, shared_broker.unix, arguments=("200",))
    assert code == 0, errors
    assert len(output.splitlines()) == 8 and output.count("objects a second") == 8
    code, _, errors = run(script, shared_broker.unix, arguments=("many",))
    assert code == 1 and "COUNT" in errors and "Traceback" not in errors

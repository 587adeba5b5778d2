"""What a suite's tests came to, in the forms in which test runners say it, and how that compares with what is known."""
from __future__ import annotations

import dataclasses
import pathlib
import re
import xml.etree.ElementTree
from typing import Dict, List

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


@dataclasses.dataclass
class Outcome:
    state: str
    message: str = ""


Outcomes = Dict[str, Outcome]


def from_junit(path: pathlib.Path) -> Outcomes:
    """pytest's `--junitxml`. A test that ran in several forms under one name has passed if each has."""
    outcomes: Outcomes = {}
    for case in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
        name = "%s::%s" % (case.get("classname", ""), case.get("name", ""))
        outcome = Outcome(PASSED)
        for child in case:
            text = " ".join((child.get("message") or child.text or "").split())[:400]
            if child.tag in ("failure", "error"):
                outcome = Outcome(FAILED, text)
            elif child.tag == "skipped" and outcome.state == PASSED:
                outcome = Outcome(SKIPPED, text)
        if name not in outcomes or outcomes[name].state != FAILED:
            outcomes[name] = outcome
    return outcomes


def from_go(text: str) -> Outcomes:
    """`go test -v`. What has begun and never ended has failed."""
    states = {"PASS": PASSED, "FAIL": FAILED, "SKIP": SKIPPED}
    outcomes = {name: Outcome(FAILED, "did not end") for name in re.findall(r"^=== RUN\s+(\S+)", text, re.M)}
    for state, name in re.findall(r"^\s*--- (PASS|FAIL|SKIP): (\S+)", text, re.M):
        said = re.search(r"^=== RUN\s+%s\n(.*?)^\s*--- " % re.escape(name), text, re.M | re.S)
        outcomes[name] = Outcome(states[state], " ".join(said.group(1).split())[:400] if said else "")
    return outcomes


def from_lines(text: str) -> Outcomes:
    """`ok NAME`, `not ok NAME` and, below one that failed, `# why`: what the programs in `clients` print."""
    outcomes: Outcomes = {}
    last = ""
    for line in text.splitlines():
        found = re.match(r"(ok|not ok) (\S+)$", line.strip())
        if found:
            last = found.group(2)
            outcomes[last] = Outcome(PASSED if found.group(1) == "ok" else FAILED)
        elif line.startswith("# ") and last:
            outcomes[last].message = (outcomes[last].message + " " + line[2:]).strip()[:400]
    return outcomes


def exceptions(path: pathlib.Path) -> Dict[str, str]:
    """The tests of a suite that are known to fail, and why: a line `TEST  # REASON` each. No file: none."""
    known: Dict[str, str] = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        if not line.strip() or line.startswith("#"):
            continue
        name, _, reason = line.partition("  # ")
        assert reason.strip(), "%s: %r gives no reason" % (path.name, line)
        known[name.strip()] = reason.strip()
    return known


def complaints(outcomes: Outcomes, known: Dict[str, str], fewest: int) -> List[str]:
    """All that is not as it should be: failures nobody knew of, known ones that are none any more, tests that are gone.

    `fewest` is how many tests must have passed, so that a suite that does not even start is no success.
    """
    found = ["failed: %s: %s" % (name, outcome.message) for name, outcome in sorted(outcomes.items())
             if outcome.state == FAILED and name not in known]
    found += ["passes, but is an exception (%s): %s" % (reason, name) for name, reason in known.items()
              if name in outcomes and outcomes[name].state == PASSED]
    found += ["is an exception (%s), and there is no such test: %s" % (reason, name) for name, reason in known.items()
              if name not in outcomes]
    passed = count(outcomes, PASSED)
    if passed + len(known) < fewest:
        found.append("only %d tests passed, of at least %d" % (passed, fewest - len(known)))
    return found


def count(outcomes: Outcomes, state: str) -> int:
    return sum(outcome.state == state for outcome in outcomes.values())

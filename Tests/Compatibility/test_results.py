"""The comparison on itself: each way in which a suite may disappoint is noticed. Needs no broker."""
from __future__ import annotations

import pytest

import results
from results import FAILED, PASSED, SKIPPED, Outcome
from suites import SUITES

GOOD = {"a": Outcome(PASSED), "b": Outcome(PASSED), "c": Outcome(SKIPPED)}


def test_all_is_well():
    assert results.complaints(GOOD, {}, 2) == []


def test_a_failure_nobody_knew_of():
    found = results.complaints({**GOOD, "d": Outcome(FAILED, "why")}, {}, 2)
    assert found == ["failed: d: why"]


def test_a_known_failure_is_none():
    assert results.complaints({"a": Outcome(PASSED), "b": Outcome(FAILED)}, {"b": "reason"}, 2) == []


def test_an_exception_that_passes():
    assert results.complaints(GOOD, {"b": "reason"}, 2) == ["passes, but is an exception (reason): b"]


def test_an_exception_of_a_test_that_is_gone():
    assert results.complaints(GOOD, {"z": "reason"}, 2) == ["is an exception (reason), and there is no such test: z"]


def test_tests_that_did_not_run():
    assert results.complaints({}, {}, 2) == ["only 0 tests passed, of at least 2"]


def test_lines():
    outcomes = results.from_lines("ok one\nnoise\nnot ok two\n# because\n# of it\nok a b\n")
    assert outcomes == {"one": Outcome(PASSED), "two": Outcome(FAILED, "because of it")}


def test_go():
    outcomes = results.from_go("=== RUN   TestA\n--- PASS: TestA (0.00s)\n=== RUN   TestB\n    b.go:1: no\n"
                               "--- FAIL: TestB (0.00s)\n=== RUN   TestC\npanic: oh\n")
    assert outcomes == {"TestA": Outcome(PASSED), "TestB": Outcome(FAILED, "b.go:1: no"),
                        "TestC": Outcome(FAILED, "did not end")}


def test_junit(tmp_path):
    report = tmp_path / "report.xml"
    report.write_text('<testsuites><testsuite><testcase classname="m" name="a"/><testcase classname="m" name="b">'
                      '<failure message="no\n good"/></testcase><testcase classname="m" name="c"><skipped message="x"/>'
                      '</testcase></testsuite></testsuites>')
    assert results.from_junit(report) == {
        "m::a": Outcome(PASSED), "m::b": Outcome(FAILED, "no good"), "m::c": Outcome(SKIPPED, "x")}


def test_exceptions_have_reasons(tmp_path):
    listed = tmp_path / "some.txt"
    assert results.exceptions(listed) == {}
    listed.write_text("# a heading\n\na::b[c]  # it wants its author's machine\n")
    assert results.exceptions(listed) == {"a::b[c]": "it wants its author's machine"}
    listed.write_text("a::b\n")
    with pytest.raises(AssertionError):
        results.exceptions(listed)


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_the_lists_can_be_read(suite):
    suite.exceptions()

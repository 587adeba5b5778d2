"""What runs the documentation notices when a page is wrong; else it would prove nothing."""
from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import time
from typing import List

import pytest

import pages
from pages import PageError, Unavailable, agrees, masked, members_of, run_page


@pytest.fixture
def page(tmp_path: pathlib.Path):
    """Runs a page of this text, in which ''' stands for ```."""
    def run(text: str) -> str:
        path, transcript = tmp_path / "page.md", tmp_path / "page.txt"
        path.write_text(text.replace("'''", "```"))
        run_page(path, transcript=transcript)
        return transcript.read_text()

    return run


def test_a_page_that_prints_what_it_shows_passes_and_leaves_a_transcript(page):
    record = page("""
'''console
$ export GREETING=hello && mkdir inside && cd inside
$ echo $GREETING \\
    you
hello you
'''

'''python
# program.py
print("ran in", __file__)
'''

'''sh
python3 program.py | grep -q program.py
test "$GREETING" = hello
'''

'''console
$ pwd
/home/ana/inside
'''
""")
    assert "$ echo $GREETING" in record and "hello you" in record.splitlines()
    assert "# program.py is written" in record and record.endswith("/home/ana/inside\n")


@pytest.mark.parametrize("wrong, words", [
    ("'''console\n$ echo one\ntwo\n'''", "printed something else"),
    ("'''console\n$ echo one\n'''", "printed something else"),
    ("'''console\n$ true\none\n'''", "printed something else"),
    ("'''console\n$ printf 'a\\nb\\n'\n...\na\n'''", "printed something else"),
    ("'''console\n$ false\n'''", "exit code 1"),
    ("'''console\n$ false | cat\n'''", "exit code 1"),
    ("'''console\n$ exit 0\n'''", "ended the shell"),
    ("'''console\n$ sleep 60\n'''", "longer than 3 s"),
    ("'''console\n$ sleep 60\n^C\n$ echo $?\n0\n'''", "printed something else"),
    ("'''console\n$ (echo up; sleep 60) &\ndown\n'''", "printed something else"),
    ("'''console\n$ (sleep 0.1; exit 3) &\n$ sleep 0.5\n'''", "had ended with exit code 3"),
    ("'''console\n$ (trap 'exit 4' TERM; echo up; while sleep 0.1; do :; done) &\nup\n'''", "ended with exit code 4"),
    ("'''console\nwithout a command\n'''", "begins with a command"),
    ("'''sh\nfalse\ntrue\n'''", "exit code 1"),
    ("'''python\nprint(1)\n'''", "names its file"),
    ("'''yaml\nworkers: {}\n'''", "names its file"),
    ("'''\nx\n'''", "names no language"),
    ("'''text\nx\n", "has no end"),
    ("'''python\n# /etc/x.py\n'''", "not in the page's folder"),
    ("'''console\n$ nc -U nowhere.sock\nquit\nok\n'''", "page.md:3: [Errno 2]"),
])
def test_a_wrong_page_fails(page, wrong, words, monkeypatch):
    if "sleep 60" in wrong:
        monkeypatch.setattr(pages, "SECONDS", 3.0)  # it waits in vain
    with pytest.raises(PageError) as caught:
        page("A page\n\n" + wrong + "\n")
    assert words in str(caught.value)


def test_an_excuse_counts_for_the_next_block_alone(page):
    assert "is not run: no systemd here" in page("<!-- not run: no systemd here -->\n'''console\n$ false\n'''\n")
    with pytest.raises(PageError):
        page("<!-- not run: no systemd here -->\n'''console\n$ false\n'''\n\n'''console\n$ false\n'''\n")
    with pytest.raises(PageError):
        page("<!-- not run: -->\n'''console\n$ false\n'''\n")


def test_a_failure_that_is_shown_is_none(page):
    page("'''console\n$ false\n$ echo $?\n1\n$ (echo 'cola: no'; exit 1)\ncola: no\n'''\n")


def test_dots_stand_for_what_differs(page):
    page("'''console\n$ seq 5\n1\n...\n5\n$ seq 3\n...\n$ echo one two three\none … three\n'''\n")


def test_what_goes_on_is_interrupted_or_ended(page):
    record = page("""'''console
$ sh -c 'echo up; exec sleep 600' &
up
$ sh -c 'echo first; exec sleep 600'
first
^C
$ sleep 600 &
$ kill %2
$ sh -c 'echo killed; exec sleep 600' &
killed
$ kill -9 $!
'''
""")
    assert "^C" in record


SESSION = """'''console
$ cola serve 2>cola.log &
cola ready native=tcp://127.0.0.1:7672 …
'''

'''console
$ nc -U cola-data/cola.sock
declare queue %% exclusive=yes
ok name=cola.gen-7-1
pub cola.gen-7-1 5
hello
ok
get cola.gen-7-1
ok delivery=0 offset=0 size=5 ts=1795360000000
%s
quit
ok
'''
"""


def test_a_session_by_hand_is_typed_and_compared(page):
    assert "hello" in page(SESSION % "hello").splitlines()
    with pytest.raises(PageError, match="page.md:6"):
        page(SESSION % "jello")


def test_ports_of_everybody_are_replaced_and_shown(page):
    record = page("""'''console
$ test 127.0.0.1:5672 != 127.0.0.1:$((5671 + 1)) && echo at 127.0.0.1:5672
at 127.0.0.1:5672
'''
""")
    assert record.splitlines()[-1] == "at 127.0.0.1:5672"


def test_a_page_whose_package_is_missing_says_which(page):
    with pytest.raises(Unavailable, match="no-such-package"):
        page("'''console\n$ pip install 'no-such-package[all]>=3'\n'''\n")
    page("'''sh\npython3 -m pip install pytest\n'''\n")


@pytest.mark.parametrize("shown, printed", [
    (["PID  NAME", "123  a"], ["  PID  NAME", "45123  a"]),
    (["at 2026-11-23 10:00:00"], ["at 2027-01-01 00:00:01"]),
    (["NAME  AGE", "x      0s"], ["NAME  AGE", "x     11s"]),
])
def test_what_differs_from_run_to_run_is_masked(shown, printed):
    assert agrees(shown, printed)


@pytest.mark.parametrize("shown, printed", [
    (["PID  NAME", "123  a"], ["PID  NAME", "123  b"]),
    (["PID  NAME", "-  a"], ["PID  NAME", "12  a"]),
    (["QUEUE  READY", "a          1"], ["QUEUE  READY", "a          2"]),
    (["ok ready=0"], ["ok ready=1"]),
    (["published 2"], ["published 3"]),
])
def test_what_counts_is_not_masked(shown, printed):
    assert not agrees(shown, printed)


def test_masks_leave_names_and_counts_alone():
    for line in ["ok messages=1", "msg 1 2 0 5 r=1", "orders.dead  3", "port 5672", "job 13", "v0.1.0"]:
        assert masked(line) == line


def test_nothing_outlives_a_test_run_that_is_killed(tmp_path):
    (tmp_path / "page.md").write_text("```console\n$ sleep 600 &\n$ touch %s\n$ sleep 600\n```\n" % (tmp_path / "up"))
    program = "import sys, pathlib; sys.path.insert(0, %r); import pages; pages.run_page(pathlib.Path(%r))" % (
        str(pathlib.Path(__file__).parent), str(tmp_path / "page.md"))
    run = subprocess.Popen([sys.executable, "-c", program], env=dict(os.environ, TMPDIR=str(tmp_path)))
    try:
        wait_until(lambda: (tmp_path / "up").exists())
        shell = next(child for child in children_of(run.pid) if members_of(child))
        assert len(members_of(shell)) >= 2
    finally:
        run.send_signal(signal.SIGKILL)
        run.wait(10)
    wait_until(lambda: not members_of(shell))


def children_of(parent: int) -> List[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and parent_of(int(entry)) == parent]


def parent_of(process: int) -> int:
    try:
        return int(pathlib.Path("/proc/%d/stat" % process).read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def wait_until(condition, timeout: float = 20.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)

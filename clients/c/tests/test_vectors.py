"""The shared vectors of the protocol, and bytes that are none of it."""
from __future__ import annotations

import os
import subprocess
from typing import Any, Dict, List

from conftest import HERE, LIMIT, compile, SANITIZERS
from request_vectors import WRITTEN_OTHERWISE, load, program, raw

SEED = os.environ.get("COLA_SEED") or "1"
ROUNDS = "200000" if os.environ.get("COLA_LONG") == "1" else "20000"


def hexed(value: Any) -> str:
    return raw(value).hex()


def expected(answer: Dict[str, Any]) -> str:
    """What answers.c prints of a vector's answer."""
    kind = answer["kind"]
    parts: List[str] = [kind]
    if kind == "ok":
        if "t" in answer:
            parts.append("t=%d t_last=%d" % (answer["t"], answer.get("t_last", answer["t"])))
        parts += ["name=%s value=%s" % (hexed(name), hexed(value)) for name, value in answer.get("options", [])]
    if kind == "msg":
        parts += ["%s=%d" % (name, answer[name]) for name in ("consumer", "delivery", "offset")]
        parts.append("p=%d" % answer.get("p", 0))
        parts += ["r=%d" % answer["r"]] if "r" in answer else []
        parts.append("ts=%d null=%d" % (answer.get("ts", 0), answer.get("null", False)))
        parts += ["key=%s" % hexed(answer["key"])] if "key" in answer else []
        parts += ["name=%s value=%s" % (hexed(name), hexed(value)) for name, value in answer.get("headers", [])]
    if "body" in answer:
        parts.append("body=%s" % hexed(answer["body"]))
    if kind == "assigned":
        parts += ["c=%d generation=%d" % (answer["c"], answer["generation"])]
        parts += ["%d:%d" % tuple(place) for place in answer["partitions"]]
    if kind == "err":
        parts += ["%s=%d" % (name, answer[name]) for name in ("t", "c") if name in answer]
        parts.append("retry=%d" % answer["retry"])
    if kind in ("err", "bye"):
        parts.append("code=%s" % answer["code"])
    if "sentence" in answer:
        parts.append("sentence=%s" % answer["sentence"])
    return " ".join(parts)


def run(program: Any, lines: List[bytes], *arguments: str) -> List[str]:
    text = "".join(line.hex() + "\n" for line in lines)
    done = subprocess.run([str(program), *arguments], input=text.encode(), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=10 * LIMIT)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")[-4000:]
    return done.stdout.decode("utf-8", "replace").splitlines()


def test_requests_become_exactly_the_bytes(tmp_path):
    text, left = program()
    # Those that stay out are named one by one, or take a tag where the library writes none.
    tagged = {"ack, tag", "nack a range, tag", "nack, delay", "reject a range, tag", "credit, tag"}
    ranges = {"nack a range", "nack, no delay"}
    assert set(left) - set(WRITTEN_OTHERWISE) - tagged - ranges == set()
    (tmp_path / "vectors.inc").write_text(text)
    built = compile(tmp_path / "requests", *SANITIZERS, "-Wno-overlength-strings", "-I", str(tmp_path),
                    str(HERE / "request_vectors.c"))
    done = subprocess.run([str(built)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT)
    said = done.stdout.decode("utf-8", "replace")
    assert done.returncode == 0 and said.endswith(", 0 failed\n"), said


def test_answers_are_read_whole_and_in_pieces(build):
    vectors = load("answers")
    said = run(build(HERE / "answers.c", alone=True), [raw(vector) for vector in vectors])
    for vector, line in zip(vectors, said):
        assert line == expected(vector["answer"]), vector["name"]
    assert len(said) == len(vectors)


def test_answers_with_cr_and_empty_lines_mean_the_same(build):
    # Not of bodies, where a CR is one of the bytes.
    vectors = [vector for vector in load("answers") if "body" not in vector["answer"]]
    said = run(build(HERE / "answers.c", alone=True),
               [b"\n\r\n" + raw(vector)[:-1] + b"\r\n" for vector in vectors])
    assert said == [expected(vector["answer"]) for vector in vectors]


def test_what_is_not_the_protocol_is_refused(build):
    more = [
        b"ok t=01\n", b"ok t=9223372036854775808\n", b"ok t=1 =x\n", b"ok t=1 a=%\n", b"ok t=1 a=%4\n", b"okay\n",
        b"ok t=1 size=1073741825\n", b"msg 1 1 0 99999999999999999999\n", b"msg 1 1 0 0 ts=x\n\n", b"msg  1 0 0\n\n",
        b"msg 1 1 0 0 \n\n", b"err t=1\n", b"bye\n", b"beat now\n", b"assigned c=1 generation=1\n", b"x" * 1_048_578,
        b"assigned c=1 generation=1 partitions=0:99999999999999999999\n", b"msg 1 1 0 0 r=-1\n\n", b"\0\0\0\0\n",
    ]
    vectors = [raw(vector) for vector in load("broken_answers")]
    said = run(build(HERE / "answers.c", alone=True), vectors + [line for line in more if len(line) < 200_000])
    assert set(said) == {"broken"} and len(said) == len(vectors) + len(more) - 1


def test_spoilt_answers_do_no_harm(build):
    corpus = [raw(vector) for part in ("answers", "broken_answers") for vector in load(part)]
    program = build(HERE / "answers.c", alone=True)
    assert run(program, [line for line in corpus if len(line) < 2000], "fuzz", ROUNDS, SEED) == ["survived"]

"""export and import: what comes out goes in again as it was, and a wrong line is named."""
from __future__ import annotations

import base64
import json

import pytest

from cli import BAD_DATA, NO_INPUT, REFUSED, USAGE, cola
from native import Connection


@pytest.fixture
def url(shared_broker):
    return shared_broker.unix


def export(url, name, *more):
    return [json.loads(line) for line in cola("export", name, *more, url=url).succeeds().lines()]


def ready(url, name):
    return json.loads(cola("describe", "queue", name, "--json", url=url).succeeds().out)["ready"]


def test_everything_of_a_message_goes_out_and_in(url):
    for name in ("exp-a", "exp-b"):
        cola("declare", "queue", name, "--max-priority", "9", url=url).succeeds()
    properties = ["--priority", "5", "--expiration", "600000", "--message-id", "m", "--reply-to", "r"]
    more = ["--correlation-id", "c", "--key", "größe", "--header", "a=1", "--header", "a=2", "--header", "b=x y"]
    cola("publish", "-q", "exp-a", *properties, *more, 'text "with" \\ and \ttab', url=url).succeeds()
    cola("publish", "-q", "exp-a", url=url, input=bytes(range(256))).succeeds()
    cola("publish", "-q", "exp-a", "", url=url).succeeds()
    out = cola("export", "exp-a", url=url).succeeds().out
    assert ready(url, "exp-a") == 3, "export takes nothing"
    assert cola("import", "exp-b", url=url, input=out).succeeds().lines() == ["imported 3"]
    first, second = export(url, "exp-a"), export(url, "exp-b")
    assert first[0]["headers"] == {"a": ["1", "2"], "b": "x y"} and first[0]["priority"] == 5
    assert first[0]["expiration"] == 600000 and first[0]["message_id"] == "m" and first[0]["key"] == "größe"
    assert base64.b64decode(first[1]["body_base64"]) == bytes(range(256)) and first[2]["body"] == ""
    for row in first + second:
        del row["timestamp"]
    assert first == second


def test_more_than_the_broker_sends_at_a_time(url, tmp_path):
    lines = "".join("%d\n" % number for number in range(2500))
    cola("publish", "-q", "exp-many", "--declare", "--each-line", url=url, input=lines).succeeds()
    path = tmp_path / "many.jsonl"
    path.write_bytes(cola("export", "exp-many", url=url).succeeds().out)
    cola("declare", "queue", "exp-many2", url=url).succeeds()
    imported = cola("import", "exp-many2", "--file", str(path), "--window", "7", url=url).succeeds()
    assert imported.lines() == ["imported 2500"]
    assert cola("consume", "-q", "exp-many2", url=url).succeeds().out.decode() == lines
    assert len(export(url, "exp-many", "--count", "1001")) == 1001


def test_records_of_a_topic_keep_their_partitions_and_missing_values(url):
    for name in ("exp-t", "exp-t2", "exp-t3"):
        cola("declare", "topic", name, "--partitions", "3", url=url).succeeds()
    rows = '{"key":"k","body":null,"partition":2}\n{"key":"k","body":"x","partition":1}\n{"body":"y","partition":0}\n'
    assert cola("import", "exp-t", url=url, input=rows).succeeds().lines() == ["imported 3"]
    out = cola("export", "exp-t", url=url).succeeds().out
    found = [json.loads(line) for line in out.splitlines()]
    assert [(row["partition"], row["body"]) for row in found] == [(0, "y"), (1, "x"), (2, None)]
    cola("import", "exp-t2", url=url, input=out).succeeds()
    assert [row["partition"] for row in export(url, "exp-t2")] == [0, 1, 2]
    cola("import", "exp-t3", "--repartition", url=url, input=out).succeeds()
    keyed = [row["partition"] for row in export(url, "exp-t3") if row.get("key") == "k"]
    assert len(keyed) == 2 and len(set(keyed)) == 1, "one key is in one partition"


def test_what_consume_prints_as_json_can_be_imported(url):
    cola("publish", "-q", "exp-c", "--declare", "--header", "a=1", "x", url=url).succeeds()
    out = cola("peek", "exp-c", "--json", url=url).succeeds().out
    assert cola("import", "exp-c", url=url, input=b"\n" + out + b"  \n").succeeds().lines() == ["imported 1"]
    assert [row["headers"] for row in export(url, "exp-c")] == [{"a": "1"}] * 2


def test_nothing_to_export_is_said(url):
    cola("declare", "queue", "exp-empty", url=url).succeeds()
    result = cola("export", "exp-empty", url=url).succeeds()
    assert result.out == b"" and "no messages in 'exp-empty'" in result.err
    assert cola("import", "exp-empty", url=url, input=b"").succeeds().lines() == ["imported 0"]


GOOD = '{"body":"good"}\n'


@pytest.mark.parametrize("line, words", [
    ('{"body":"x"', ["no JSON", "byte 12"]),
    ('{"body":"x",}', ["no JSON", "byte 13"]),
    ("[1]", ["no JSON object"]),
    ("{}", ["no body"]),
    ('{"body":1}', ["'body'", "no text"]),
    ('{"body":"x","header":{}}', ["'header'"]),
    ('{"body":"x","headers":[]}', ["'headers'"]),
    ('{"body":"x","headers":{"a":1}}', ["'a'"]),
    ('{"body":"x","priority":256}', ["'priority'", "255"]),
    ('{"body":"x","expiration":"soon"}', ["'expiration'"]),
    ('{"body_base64":"a"}', ["'body_base64'"]),
    ('{"body_base64":"a-_b"}', ["'body_base64'"]),
    ('{"body":"\\ud800"}', ["surrogate"]),
    ('{"body":01}', ["no JSON"]),
    ("[" * 100, ["nested"]),
])
def test_a_wrong_line_is_named_and_what_was_before_it_stays(url, line, words):
    cola("declare", "queue", "exp-wrong", url=url).succeeds()
    cola("purge", "exp-wrong", url=url).succeeds()
    result = cola("import", "exp-wrong", url=url, input=GOOD + "\n" + GOOD + line + "\n" + GOOD)
    result.fails(BAD_DATA, "line 4 of standard input", "2 before it were imported", *words)
    assert ready(url, "exp-wrong") == 2


def test_bytes_that_are_no_text_are_named(url):
    cola("declare", "queue", "exp-bytes", url=url).succeeds()
    cola("import", "exp-bytes", url=url, input=b'{"body":"\xff"}\n').fails(BAD_DATA, "line 1", "UTF-8")


def test_other_wrong_input(url, tmp_path):
    cola("import", "exp-none", url=url, input=GOOD).fails(REFUSED, "exp-none", "cola declare queue exp-none")
    cola("export", "exp-none", url=url).fails(REFUSED, "exp-none")
    missing = str(tmp_path / "none")
    cola("import", "exp-none", "--file", missing, url=url).fails(NO_INPUT, missing)
    cola("import", "exp-none", "--window", "0", url=url).fails(USAGE, "--window")
    cola("export", "exp-none", "--count", "0", url=url).fails(USAGE, "--count")
    cola("declare", "queue", "exp-full", "--max-length", "1", "--overflow", "reject-publish", url=url).succeeds()
    result = cola("import", "exp-full", url=url, input=GOOD * 3)
    assert result.code == 75 and "exp-full" in result.err and "1 before it were imported" in result.err


def test_a_queue_with_priorities_of_any_size_goes_out_and_in(url):
    """Three pages and more, each with messages of several priorities, in the order of delivery."""
    for name in ("exp-prio", "exp-prio2"):
        cola("declare", "queue", name, "--max-priority", "9", url=url).succeeds()
    rows = [{"body": "%d-%d" % (number % 3, number), "headers": {"n": str(number)}, "priority": 4 * (number % 3)}
            for number in range(3600)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    assert cola("import", "exp-prio", url=url, input=lines).succeeds().lines() == ["imported 3600"]
    out = cola("export", "exp-prio", url=url).succeeds().out
    assert cola("import", "exp-prio2", url=url, input=out).succeeds().lines() == ["imported 3600"]
    first, second = export(url, "exp-prio"), export(url, "exp-prio2")
    for row in first + second:
        del row["timestamp"]
    assert first == second
    expected = sorted(rows, key=lambda row: -row["priority"])
    assert [row["body"] for row in first] == [row["body"] for row in expected]
    assert [row["headers"] for row in first] == [row["headers"] for row in expected]
    assert [row.get("priority", 0) for row in first] == [row["priority"] for row in expected]
    taken = cola("consume", "-q", "exp-prio2", url=url).succeeds().lines()
    assert taken == [row["body"] for row in first], "export has the order of delivery"


def test_header_values_that_are_no_text_go_out_and_in(url):
    for name in ("exp-raw", "exp-raw2"):
        cola("declare", "queue", name, url=url).succeeds()
    with Connection(url) as connection:
        connection.send_bytes(b"pub exp-raw 1 h.a=\xff%00\xfe h.a=text h.b_base64=x h.c=\n.\n")
        assert connection.answer().ok
    (row,) = export(url, "exp-raw")
    assert row["headers"] == {"a": [{"base64": "/wD+"}, "text"], "b_base64": "x", "c": ""}
    peeked = json.loads(cola("peek", "exp-raw", "--json", url=url).succeeds().out)
    assert peeked["headers"] == row["headers"], "everything that prints headers prints them alike"
    out = cola("export", "exp-raw", url=url).succeeds().out
    cola("import", "exp-raw2", url=url, input=out).succeeds()
    assert [row["headers"] for row in export(url, "exp-raw2")] == [row["headers"]]
    with Connection(url) as connection:
        assert connection.ok("peek exp-raw2").ok
        headers = connection.deliveries.popleft().headers
    assert headers == [("a", "\udcff\x00\udcfe"), ("a", "text"), ("b_base64", "x"), ("c", "")]


@pytest.mark.parametrize(
    "value", ['{"base64":"a"}', '{"base64":1}', '{"base64":"","more":1}', "{}", "null", "[[]]"])
def test_a_header_that_is_neither_text_nor_base64_is_named(url, value):
    cola("declare", "queue", "exp-raw3", url=url).succeeds()
    line = '{"body":"x","headers":{"odd":%s}}\n' % value
    cola("import", "exp-raw3", url=url, input=line).fails(BAD_DATA, "line 1", "header 'odd'")


def test_what_is_left_out_for_damage_is_told(new_broker):
    broker = new_broker()
    broker.start()
    text = "".join("message %d\n" % number for number in range(5000))
    cola("publish", "-q", "q", "--declare", "--each-line", url=broker.unix, input=text).succeeds()
    broker.terminate()
    data = bytearray(broker.database().read_bytes())
    data[data.index(b"message 2500")] ^= 0x20
    broker.database().write_bytes(bytes(data))
    broker.start()
    result = cola("export", "q", url=broker.unix)
    assert result.code == BAD_DATA and "failed their check" in result.err and "not all of 'q'" in result.err, result.err
    assert 0 < len(result.lines()) < 5000
    assert "put aside" in broker.stderr()
    # The queue counts what is there, and whoever asks next is told as well.
    assert ready(broker.unix, "q") == len(result.lines())
    again = cola("export", "q", url=broker.unix)
    assert (again.code, again.lines()) == (BAD_DATA, result.lines())
    assert "failed their check" in cola("peek", "q", "--count", "5000", url=broker.unix).succeeds().err

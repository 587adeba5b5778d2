"""sql: reading the database of a running and of a stopped broker, and nothing but reading."""
from __future__ import annotations

import json
import os
import sqlite3

import pytest

from cli import NO_INPUT, TRY_AGAIN, USAGE, cola

COUNTS = "SELECT name, ready, bytes FROM queue JOIN logstate USING (log)"
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


def sql(data, *arguments, **options):
    return cola("sql", "--data-dir", str(data), *arguments, **options)


@pytest.fixture
def filled(new_broker):
    broker = new_broker()
    broker.start()
    cola("publish", "-q", "jobs", "--declare", "first", "2nd", url=broker.unix).succeeds()
    return broker


def test_a_running_broker_is_read_and_goes_on(filled):
    assert sql(filled.data, COUNTS).succeeds().lines() == ["name  ready  bytes", "jobs      2      8"]
    cola("publish", "-q", "jobs", "third", url=filled.unix).succeeds()
    rows = json.loads(sql(filled.data, "--json", "/* all */ " + COUNTS + " -- of all\n;  ").succeeds().out)
    assert rows == [{"name": "jobs", "ready": 3, "bytes": 13}]
    assert filled.terminate().code == 0


def test_a_stopped_broker_is_read_and_nothing_changes(filled):
    filled.terminate()
    before = {path.name: path.read_bytes() for path in filled.data.iterdir()}
    assert sql(filled.data, COUNTS).succeeds().lines()[1].split() == ["jobs", "2", "8"]
    assert {path.name: path.read_bytes() for path in filled.data.iterdir()} == before


def test_what_a_killed_broker_has_left_is_read_with_its_log(filled):
    filled.kill()
    names = sorted(os.listdir(str(filled.data)))
    assert sql(filled.data, COUNTS).succeeds().lines()[1].split() == ["jobs", "2", "8"]
    assert sorted(os.listdir(str(filled.data))) == names
    filled.start()


def test_blobs_are_shown_by_size_or_bytes(filled):
    # Each commit makes a row, so there may be several.
    first = "FROM chunk ORDER BY id LIMIT 1"
    size = int(sql(filled.data, "SELECT length(data) " + first).succeeds().lines()[1])
    assert sql(filled.data, "SELECT data " + first).succeeds().lines() == ["data", "%d bytes" % size]
    assert json.loads(sql(filled.data, "--json", "SELECT data " + first).out) == [{"data": {"bytes": size}}]
    text = sql(filled.data, "--hex", "SELECT data " + first).succeeds().lines()[1]
    assert text.startswith("x'") and len(bytes.fromhex(text[2:-1])) == size and b"first" in bytes.fromhex(text[2:-1])
    assert json.loads(sql(filled.data, "--hex", "--json", "SELECT x'00ff' AS b").out) == [{"b": {"hex": "00ff"}}]


def test_every_kind_of_value_has_its_form(filled):
    statement = "SELECT NULL AS n, -7 AS i, 0.5 AS r, 'a\tb\"' AS t"
    assert json.loads(sql(filled.data, "--json", statement).out) == [{"n": None, "i": -7, "r": 0.5, "t": "a\tb\""}]
    assert sql(filled.data, statement).lines()[1].split("  ") == ["NULL", "-7", "0.5", "a\ufffdb\""]
    assert sql(filled.data, "SELECT name FROM topic").succeeds().lines() == ["name"]
    assert json.loads(sql(filled.data, "--json", "SELECT name FROM topic").out) == []


def test_the_schema_explains_every_table(filled):
    text = sql(filled.data, "--schema").succeeds().out.decode()
    with sqlite3.connect("file:%s?mode=ro" % filled.database(), uri=True) as database:
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    lines = text.splitlines()
    for table in tables:
        place = next(index for index, line in enumerate(lines) if line.startswith("CREATE TABLE ")
                     and line.split()[2].strip('"') == table)
        assert lines[place - 1].startswith("-- "), "%s is not explained" % table
    assert "milliseconds since 1970" in text


@pytest.mark.parametrize("statement", [
    "DELETE FROM chunk", "INSERT INTO meta VALUES ('a', 1)", "UPDATE meta SET value = 9", "DROP TABLE chunk",
    "CREATE TABLE t (a)", "BEGIN IMMEDIATE", "ATTACH 'other.db' AS other", "VACUUM", "PRAGMA user_version = 9",
    "PRAGMA wal_checkpoint(TRUNCATE)", "PRAGMA journal_mode = DELETE", "WITH a AS (SELECT 1) DELETE FROM chunk",
    "VACUUM INTO 'copy.db'", "/* SELECT */ DELETE FROM chunk", "SAVEPOINT a",
])
@pytest.mark.parametrize("runs", [True, False], ids=["running", "stopped"])
def test_what_writes_is_refused(statements_broker, statement, runs, tmp_path):
    broker = statements_broker[runs]
    before = broker.database().read_bytes()
    result = sql(broker.data, statement, cwd=str(tmp_path))
    assert result.code in (USAGE, TRY_AGAIN) and result.err.startswith("cola: "), result
    if "PRAGMA" not in statement:
        result.fails(USAGE, "only reads")
    assert broker.database().read_bytes() == before and list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def statements_broker():
    from broker import Broker, new_folder
    brokers = {True: Broker(new_folder()), False: Broker(new_folder())}
    try:
        for broker in brokers.values():
            broker.start()
            cola("publish", "-q", "jobs", "--declare", "a", url=broker.unix).succeeds()
        brokers[False].terminate()
        yield brokers
    finally:
        for broker in brokers.values():
            broker.remove()


def test_what_is_wrong_is_said(filled):
    sql(filled.data, "SELECT colour FROM chunk").fails(USAGE, "no such column: colour", "--schema")
    sql(filled.data, "SELEC 1").fails(USAGE, "syntax error")
    sql(filled.data, "SELECT 1; SELECT 2").fails(USAGE, "more than one statement")
    sql(filled.data, "SELECT 1; huh").fails(USAGE, "more than one statement")
    sql(filled.data, " -- nothing").fails(USAGE, "no statement")
    sql(filled.data).fails(USAGE, "--schema")
    sql(filled.data, "--rows", "0", "SELECT 1").fails(USAGE, "--rows")
    sql(filled.data, "--seconds", "1000", "SELECT 1").fails(USAGE, "--seconds")


def test_rows_and_time_have_a_limit(filled):
    result = sql(filled.data, "--rows", "2", "VALUES (1), (2), (3)").succeeds()
    assert result.lines() == ["column1", "      1", "      2"] and "more than these 2 rows" in result.err
    assert sql(filled.data, "--rows", "3", "VALUES (1), (2), (3)").succeeds().err == ""
    sql(filled.data, "--seconds", "0.2", ENDLESS).fails(TRY_AGAIN, "200 ms", "--seconds", "cola backup")
    assert cola("health", url=filled.unix).code == 0


def test_no_database_is_said_so(tmp_path):
    hint = "`cola serve --data-dir`"
    sql(tmp_path / "none", "SELECT 1").fails(NO_INPUT, "no directory %s/none" % tmp_path, hint)
    sql(tmp_path, "SELECT 1").fails(NO_INPUT, "nothing is stored in %s" % tmp_path, hint)
    cola("sql", "SELECT 1", cwd=str(tmp_path)).fails(NO_INPUT, "./cola-data")
    assert list(tmp_path.iterdir()) == []


def test_another_sqlite_file_is_not_taken_for_ours(tmp_path):
    with sqlite3.connect(str(tmp_path / "cola.db")) as database:
        database.execute("CREATE TABLE t (a)")
    result = sql(tmp_path, "SELECT * FROM t")
    assert result.code == 65 and "not one of cola's" in result.err


def test_a_backup_is_read_too(filled, tmp_path):
    cola("backup", str(tmp_path / "copy"), url=filled.unix).succeeds()
    assert sql(tmp_path / "copy", COUNTS).succeeds().lines()[1].split() == ["jobs", "2", "8"]
    assert os.listdir(str(tmp_path / "copy")) == ["cola.db"]

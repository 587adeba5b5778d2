"""check, on directories that are sound, in use, missing and damaged."""
from __future__ import annotations

import json
import os

import pytest

from cli import BAD_DATA, NO_INPUT, NOT_PERMITTED, TRY_AGAIN, cola


def filled(new_broker, count=500):
    broker = new_broker()
    broker.start()
    text = "".join("message %d\n" % number for number in range(count))
    cola("publish", "-q", "q", "--declare", "--each-line", url=broker.unix, input=text).succeeds()
    return broker


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_directory_of_a_stopped_broker_is_sound(new_broker):
    broker = filled(new_broker)
    broker.terminate()
    before = files(broker.data)
    result = cola("check", str(broker.data)).succeeds()
    assert result.lines()[-1].startswith("sound: 1 queues") and "500 messages" in result.lines()[-1]
    report = json.loads(cola("check", "--json", str(broker.data)).succeeds().out)
    assert report["sound"] and report["ready"] == 500 and report["queues"] == 1
    assert files(broker.data) == before, "check changed the directory"


def test_a_directory_of_a_killed_broker_is_sound_too(new_broker):
    broker = filled(new_broker)
    broker.kill()
    report = json.loads(cola("check", "--json", str(broker.data)).succeeds().out)
    assert report["sound"] and report["ready"] == 500
    broker.start()
    assert len(cola("consume", "-q", "q", url=broker.unix).succeeds().lines()) == 500


def test_a_directory_in_use_is_left_alone(new_broker):
    broker = filled(new_broker)
    cola("check", str(broker.data)).fails(TRY_AGAIN, str(broker.data))


def test_a_directory_that_is_none_is_said_so(tmp_path):
    hint = "`cola serve --data-dir`"
    cola("check", str(tmp_path / "none")).fails(NO_INPUT, "no directory %s/none" % tmp_path, hint)
    (tmp_path / "file").write_text("")
    cola("check", str(tmp_path / "file")).fails(NO_INPUT, "%s/file is not a directory" % tmp_path, hint)
    (tmp_path / "empty").mkdir()
    cola("check", str(tmp_path / "empty")).fails(NO_INPUT, "nothing is stored in %s/empty" % tmp_path, hint)
    assert list((tmp_path / "empty").iterdir()) == []


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_a_directory_that_may_not_be_read_is_said_so(tmp_path):
    (tmp_path / "closed").mkdir(mode=0)
    cola("check", str(tmp_path / "closed")).fails(NOT_PERMITTED, str(tmp_path / "closed"))


def test_damage_is_found_and_named(new_broker):
    broker = filled(new_broker, count=5000)
    broker.terminate()
    database = broker.database()
    data = bytearray(database.read_bytes())
    place = data.index(b"message 2500")
    data[place] ^= 0x20
    database.write_bytes(bytes(data))
    result = cola("check", str(broker.data)).fails(BAD_DATA, str(broker.data), "--accept-damage")
    assert any(line.startswith("damage: ") for line in result.lines())
    assert not json.loads(cola("check", "--json", str(broker.data)).out)["sound"]
    # What the message and README promise of a damaged batch.
    broker.start()
    result = cola("consume", "-q", "q", url=broker.unix).succeeds()
    assert 0 < len(result.lines()) < 5000 and "put aside" in result.err
    assert "put aside" in broker.stderr()

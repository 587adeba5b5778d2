"""Definitions in RabbitMQ's format: taken over from one, written, and taken back."""
from __future__ import annotations

import json
import os
import pathlib
import stat

import pytest

from broker import Broker, REPOSITORY
from cli import BAD_DATA, NO_INPUT, Result
import cli
import native

FIXTURE = REPOSITORY / "Tests" / "IntegrationTests" / "fixtures" / "rabbitmq-3.10.8-definitions.json"


def cola(broker: Broker, *arguments: str, input: str = "") -> Result:
    return cli.cola(*arguments, url=broker.unix, input=input)


def rows(broker: Broker, *command: str) -> list:
    return json.loads(cola(broker, *command, "--json").succeeds().out)


def test_what_rabbitmq_exported_is_taken_over(broker):
    result = cola(broker, "definitions", "import", str(FIXTURE)).succeeds()
    assert int(result.out.split()[1]) > 20
    # What has no meaning here is said.
    for words in ["x-queue-mode is left out", "no exchange is named 'hidden'"]:
        assert words in result.err, result.err
    users = {row["name"]: row for row in rows(broker, "users")}
    assert users["bob"]["tags"] == ["policymaker", "management"]
    assert (users["bob"]["max-connections"], users["bob"]["max-channels"]) == (5, 20)
    assert users["carol"]["authentication"] == "none"
    assert users["guest"]["administrator"] is True and users["guest"]["loopback-only"] is True
    hosts = {row["name"]: row for row in rows(broker, "vhosts")}
    assert set(hosts) == {"/", "shop", "lab"}
    assert hosts["shop"]["description"] == "Orders and stock" and hosts["shop"]["tags"] == ["production", "eu"]
    assert (hosts["shop"]["max-connections"], hosts["shop"]["max-queues"]) == (100, 50)
    queues = {row["name"]: row for row in rows(broker, "queues", "--vhost", "shop")}
    assert {"orders", "types", "quorum", "bob.q"} <= set(queues)
    described = json.loads(cola(broker, "describe", "queue", "types", "--vhost", "shop", "--json").succeeds().out)
    assert described["arguments"] == {
        "expires": "3600000", "dead-letter-exchange": "", "dead-letter-routing-key": "orders",
        "queue-type": "classic", "max-priority": "5"}
    bindings = {(row["source"], row["destination"], row["key"]) for row in rows(broker, "bindings", "--vhost", "shop")}
    assert bindings == {("audit", "orders", "order.#"), ("unrouted", "orders", "")}
    assert [row["name"] for row in rows(broker, "policies", "--vhost", "shop")] == ["alt", "short"]
    # The passwords of there are those of here.
    hello = "hello 1 user=bob password=builder vhost=shop"
    with native.Connection(broker.tcp, 30, hello) as bob:
        assert bob.ok("get orders").options["empty"] == "yes"
        assert bob.call("get secret").code == "access_refused"
    with native.Connection(broker.tcp, 30, "hello 1 user=ana password=sesame%20and%20salt vhost=shop") as ana:
        ana.ok("pub order.1 1 x=audit", b"x")
        assert ana.ok("get orders").body == b"x"
    # A second time nothing is in the way.
    again = cola(broker, "definitions", "import", str(FIXTURE)).succeeds()
    assert again.out == result.out


def test_what_is_exported_comes_back_the_same(new_broker, tmp_path):
    first, second = new_broker(), new_broker()
    for broker in (first, second):
        broker.start()
    cola(first, "definitions", "import", str(FIXTURE)).succeeds()
    for arguments in [("declare", "topic", "events", "--partitions", "3", "--retention-ms", "86400000"),
                      ("users", "add", "eve", "--password-stdin")]:
        cola(first, *arguments, input="apple\n").succeeds()
    cola(first, "permissions", "set", "eve", "--configure", "", "--write", "", "--read", "").succeeds()
    with native.Connection(first.unix) as connection:
        for line in ["declare queue q", "declare exchange late type=topic delayed=yes internal=yes",
                     "declare exchange share type=x-consistent-hash hash-header=shard durable=no auto-delete=yes",
                     "declare exchange by-id type=x-consistent-hash hash-property=message-id",
                     "declare exchange mail type=headers alternate=amq.fanout",
                     "bind mail q match=any h.colour=red h.size=3", "bind mail amq.topic to=exchange"]:
            connection.ok(line)
    path = tmp_path / "definitions.json"
    assert cola(first, "definitions", "export", str(path)).succeeds().out == b""
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    cola(second, "definitions", "import", str(path)).succeeds()
    exported = [json.loads(cola(broker, "definitions", "export").succeeds().out) for broker in (first, second)]
    assert exported[0] == exported[1]
    original = json.loads(FIXTURE.read_text())
    hashes = {user["name"]: user["password_hash"] for user in exported[0]["users"]}
    for user in original["users"]:
        assert hashes[user["name"]] == user["password_hash"]
    # One that was hashed here comes along as well.
    native.Connection(second.tcp, 30, "hello 1 user=eve password=apple").close()


@pytest.mark.parametrize("change, words", [
    (lambda d: d["users"].append({"name": "x", "password_hash": "AAAA"}), "user 'x' has a password hash of"),
    (lambda d: d["permissions"].append(
        {"user": "nobody", "vhost": "/", "configure": "", "write": "", "read": ""}), "no user 'nobody'"),
    (lambda d: d["queues"].append({"name": "q", "vhost": "none"}), "no virtual host 'none'"),
    (lambda d: d["queues"].append(
        {"name": "q", "vhost": "/", "arguments": {"x-max-length": -5}}), "x-max-length"),
    (lambda d: d["exchanges"].append({"name": "x", "vhost": "/", "type": "x-odd"}), "of type x-odd"),
    (lambda d: d["policies"].append(
        {"name": "p", "vhost": "/", "pattern": "(", "definition": {"max-length": 1}}), "pattern"),
    (lambda d: d["bindings"].append({"vhost": "/"}), "no text 'source'"),
    (lambda d: d.update(queues={}), "queues is no array"),
])
def test_a_file_that_is_wrong_anywhere_changes_nothing(broker, tmp_path, change, words):
    definitions = json.loads(FIXTURE.read_text())
    change(definitions)
    path = tmp_path / "definitions.json"
    path.write_text(json.dumps(definitions))
    before = cola(broker, "definitions", "export").succeeds().out
    result = cola(broker, "definitions", "import", str(path))
    assert result.code == BAD_DATA, result
    assert words in result.err and "nothing was changed" in result.err, result.err
    assert cola(broker, "definitions", "export").succeeds().out == before


def test_a_rehearsal_changes_nothing(broker, tmp_path):
    before = cola(broker, "definitions", "export").succeeds().out
    rehearsed = cola(broker, "definitions", "import", "--dry-run", str(FIXTURE)).succeeds().out.decode()
    assert int(rehearsed.partition("would import ")[2]) > 20
    assert cola(broker, "definitions", "export").succeeds().out == before
    cola(broker, "definitions", "import", "-", input="{").fails(BAD_DATA, "not JSON")
    cola(broker, "definitions", "import", str(tmp_path / "none")).fails(NO_INPUT, "cannot be read")

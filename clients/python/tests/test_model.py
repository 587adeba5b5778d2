"""The whole model as a program asks for it: arguments, properties of messages, groups, and what answers bring."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

import cola
from fake_server import FakeServer, Peer


def test_definitions_carry_their_arguments(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        peer.expect(b"declare queue q t=2 durable=no auto-delete=yes message-ttl=60000 single-active-consumer=yes\n")
        peer.send(b"ok t=2 ready=3\n")
        peer.expect(b"declare queue % t=3 exclusive=yes expires=1000\n")
        peer.send(b"ok t=3 name=cola.gen%201\n")
        peer.expect(b"declare topic events t=4 partitions=4 cleanup-policy=compact\n")
        peer.send(b"ok t=4 ready=0\n")
        peer.expect(b"declare exchange mail t=5 type=headers alternate=lost\n")
        peer.send(b"ok t=5\n")
        peer.expect(b"bind mail q t=6 match=any h.lang=en h.urgent=\n")
        peer.send(b"ok t=6\n")
        peer.expect(b"unbind mail other t=7 key=k to=exchange\n")
        peer.send(b"ok t=7\n")
        peer.expect(b"alter q t=8 max-length=5 clear=message-ttl,expires\n")
        peer.send(b"ok t=8\n")
        peer.expect(b"policy short t=9 pattern=^q to=queues priority=2 max-length=1\n")
        peer.send(b"ok t=9\n")
        peer.expect(b"unpolicy short t=10\n")
        peer.send(b"ok t=10\n")
        peer.expect(b"declare vhost /shop t=11 description=Orders tags=a,b max-connections= max-queues=5\n")
        peer.send(b"ok t=11\n")
        peer.expect(b"delete vhost /shop t=12\n")
        peer.send(b"ok t=12\n")
        peer.expect(b"delete group events audit t=13\n")
        peer.send(b"ok t=13\n")
        peer.expect(b"delete queue q t=14 if-unused=yes if-empty=yes\n")
        peer.send(b"err t=14 in_use final queue 'q' holds 3 messages\n")
        peer.expect(b"redrive dead t=15 to=q count=10\n")
        peer.send(b"ok t=15 messages=7\n")
        peer.take_leave()

    with FakeServer(tmp_path, script) as server, server.connect() as client:
        minute = timedelta(minutes=1)
        assert client.declare_queue(
            "q", durable=False, auto_delete=True, message_ttl=minute, single_active_consumer=True
        ) == 3
        assert client.declare_temporary_queue(expires=1000) == "cola.gen 1"
        client.declare_topic("events", 4, cleanup_policy="compact")
        client.declare_exchange("mail", "headers", alternate="lost")
        client.bind("mail", "q", match="any", headers={"lang": "en", "urgent": ""})
        client.unbind("mail", "other", "k", to_exchange=True)
        client.alter("q", max_length=5, clear=["message_ttl", "expires"])
        client.set_policy("short", "^q", to="queues", priority=2, max_length=1)
        client.clear_policy("short")
        client.declare_vhost("/shop", description="Orders", tags=["a", "b"], max_connections="", max_queues=5)
        client.delete_vhost("/shop")
        client.delete_group("events", "audit")
        with pytest.raises(cola.InUse, match="3 messages"):
            client.delete_queue("q", if_unused=True, if_empty=True)
        assert client.redrive("dead", to="q", count=10) == 7



def test_users_and_permissions(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        for line in [
            b"user ana t=2 new=yes password=a%20b tags=administrator loopback-only=no max-channels=\n",
            b"permit ana t=3 vhost=/shop configure=^a write= read=.*\n",
            b"permit ana t=4 exchange=amq.topic write=x read=\n",
            b"unpermit ana t=5 exchange=amq.topic\n",
            b"unpermit ana t=6 topics=yes\n",
            b"unpermit ana t=7 vhost=/shop\n",
            b"delete user ana t=8\n",
        ]:
            peer.expect(line)
            peer.send(b"ok " + line.split(b" t=")[1].split()[0].join([b"t=", b"\n"]))
        peer.take_leave()

    with FakeServer(tmp_path, script) as server, server.connect() as client:
        client.set_user(
            "ana", new=True, password="a b", tags=["administrator"], loopback_only=False, max_channels=""
        )
        client.set_permissions("ana", "^a", "", ".*", vhost="/shop")
        client.set_topic_permissions("ana", "amq.topic", "x", "")
        client.clear_topic_permissions("ana", "amq.topic")
        client.clear_topic_permissions("ana")
        client.clear_permissions("ana", vhost="/shop")
        client.delete_user("ana")


def test_hello_names_the_virtual_host(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.expect(b"hello 1 t=1 vhost=/shop\n")
        peer.send(b"err t=1 not_found final no virtual host is named '/shop'\nbye not_found no virtual host\n")

    with FakeServer(tmp_path, script) as server, pytest.raises(cola.NotFound, match="/shop"):
        cola.connect(server.url, vhost="/shop", timeout=5)


def test_a_message_says_when_it_goes_and_who_waits_for_an_answer(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        peer.expect(b"pub q 1 t=2 h.a=b prio=9 ttl=1500 delay=10 id=i%201 reply=answers corr=7 partition=3\nx\n")
        peer.send(b"ok t=2\n")
        peer.expect(b"pub q 1 t=3 id=i%201\nx\n")
        peer.send(b"ok t=3 duplicate=yes\n")
        peer.expect(b"pub events 0 t=4 key=k null=yes\n\n")
        peer.send(b"ok t=4\n")
        peer.expect(b"pubs q 2 t=5 prio=1 ttl=2 delay=3 partition=4\n1\na\n1\nb\n")
        peer.send(b"ok t=5\n")
        peer.take_leave()

    with FakeServer(tmp_path, script) as server, server.connect() as client:
        assert client.publish(
            "q",
            "x",
            headers={"a": "b"},
            priority=9,
            ttl=timedelta(seconds=1.5),
            delay=10,
            message_id="i 1",
            reply_to="answers",
            correlation_id="7",
            partition=3,
        )
        assert not client.publish("q", "x", message_id="i 1")
        assert client.publish("events", None, key="k")
        client.publish_many("q", ["a", "b"], priority=1, ttl=2, delay=3, partition=4)


def test_a_publisher_counts_what_was_there_before(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        peer.expect(b"pub q 1 t=2 id=a\nx\npub q 1 t=3 id=b\nx\npub q 1 t=4 id=a\nx\n")
        peer.send(b"ok t=2-3\nok t=4 duplicate=yes\n")
        peer.take_leave()

    with FakeServer(tmp_path, script) as server, server.connect() as client:
        with client.publisher() as publisher:
            for message_id in ("a", "b", "a"):
                publisher.publish("q", "x", message_id=message_id)
        report = publisher.report()
        assert (report.confirmed, report.duplicates) == (3, 1)


def test_a_delivery_brings_all_of_it(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        peer.expect(b"consume q t=2 c=1 prefetch=2 priority=5 exclusive=yes\n")
        headers = b"h.cola-message-id=i%201 h.cola-reply-to=answers h.cola-correlation-id=7"
        peer.send(b"ok t=2\nmsg 1 1 4 0 p=3 key=k null=yes " + headers + b"\n\nmsg 1 2 5 1\nx\n")
        peer.expect(b"nack 1 delay=2500\n")
        peer.expect(b"nack 2\n")
        peer.take_leave()

    with FakeServer(tmp_path, script) as server, server.connect() as client:
        consumer = client.consume("q", 2, priority=5, exclusive=True)
        first, second = next(consumer), next(consumer)
        assert (first.partition, first.has_value, first.body) == (3, False, b"")
        assert (first.message_id, first.reply_to, first.correlation_id) == ("i 1", "answers", "7")
        assert (second.partition, second.has_value, second.message_id, second.reply_to) == (0, True, None, None)
        first.nack(delay=timedelta(seconds=2.5))
        second.nack()


def test_a_member_of_a_group_knows_what_it_reads(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        peer.expect(b"consume events t=2 c=1 group=audit join=sticky prefetch=10\n")
        peer.send(b"assigned c=1 generation=1 partitions=0:5,2:0\nok t=2\nmsg 1 1 5 1 p=2\nx\n")
        peer.expect(b"commit events audit 6 t=3 partition=2\n")
        peer.send(b"assigned c=1 generation=2 partitions=\nok t=3\n")
        peer.expect(b"seek 1 @1795360000000 t=4 partition=2\n")
        peer.send(b"ok t=4\n")
        peer.expect(b"peek events t=5 from=3 count=1 partition=2\n")
        peer.send(b"msg 0 0 3 1 p=2\ny\nok t=5 count=1\n")
        peer.take_leave()

    with FakeServer(tmp_path, script) as server, server.connect() as client:
        consumer = client.consume("events", 10, group="audit", join="sticky")
        assert consumer.assignment == {0: 5, 2: 0}
        delivery = next(consumer)
        consumer.commit(delivery)
        assert (consumer.assignment, consumer.generation) == ({}, 2)
        consumer.seek("@1795360000000", partition=2)
        (peeked,) = client.peek("events", 3, partition=2)
        assert (peeked.partition, peeked.body) == (2, b"y")


def test_partitions_can_be_chosen(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        peer.expect(b"consume events t=2 c=1 from=first partitions=0,2 prefetch=100\n")
        peer.send(b"ok t=2\n")
        peer.take_leave()

    with FakeServer(tmp_path, script) as server, server.connect() as client:
        client.consume("events", start="first", partitions=[0, 2])


def test_things_are_described(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        for line in (b"describe queue q t=2", b"describe group events audit t=3", b"why q t=4", b"why q 7 t=5"):
            peer.expect(line + b"\n")
            peer.send(b'ok %b size=14\n{"name":"q%b"}\n' % (line.split()[-1], line[-2:]))
        peer.expect(b"list groups t=6\n")
        peer.send(b"ok t=6 size=2\n[]\n")
        peer.take_leave()

    with FakeServer(tmp_path, script) as server, server.connect() as client:
        assert client.describe("queue", "q") == {"name": "q=2"}
        assert client.describe("group", "events", "audit") == {"name": "q=3"}
        assert client.why("q") == {"name": "q=4"}
        assert client.why("q", 7) == {"name": "q=5"}
        assert client.list_groups() == []


@pytest.mark.parametrize(
    "line, kind, retryable",
    [(b"locked final", cola.Locked, False), (b"full retry", cola.Full, True), (b"in_use final", cola.InUse, False)],
)
def test_new_refusals_are_classes_of_their_own(tmp_path: Path, line: bytes, kind: type, retryable: bool) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        peer.line()
        peer.send(b"err t=2 " + line + b" not now\n")
        peer.take_leave()

    with FakeServer(tmp_path, script) as server, server.connect() as client:
        with pytest.raises(kind) as caught:
            client.declare_queue("q")
        assert isinstance(caught.value, cola.ColaError) and caught.value.retryable is retryable

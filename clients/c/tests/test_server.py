"""The library against a real server."""
from __future__ import annotations

import json
import os
import re
import signal
import time

import pytest

from broker import Broker, halt


@pytest.fixture
def client(broker, driver):
    """A driver that is connected."""
    made = driver()
    made.ok("connect %s client=test" % broker.unix)
    return made


def number(pattern: str, line: str) -> int:
    found = re.search(pattern + "=([0-9]+)", line)
    assert found, line
    return int(found[1])


def until(question, seconds: float = 30.0):
    """The first answer that is true."""
    deadline = time.monotonic() + seconds
    while True:
        answer = question()
        if answer or time.monotonic() > deadline:
            return answer
        time.sleep(0.02)


# Connecting


def test_a_url_of_each_kind_connects(broker, driver, tmp_path):
    host = broker.tcp.removeprefix("tcp://")
    port = host.rpartition(":")[2]
    urls = [broker.unix, "unix:" + broker.socket, broker.tcp, broker.tcp + "/", "tcp://guest:guest@" + host,
            "tcp://gu%65st:%67uest@localhost:" + port]
    for url in urls:
        one = driver()
        assert one.ask("connect " + url) == "ok", url
        assert one.ok("ping") == "" and one.ok("close") == "ok"


def test_without_a_url_the_environment_says_where(broker, driver):
    assert driver(environment={"COLA_URL": broker.unix}).ok("connect -") == ""


def test_without_an_environment_the_socket_is_beside_the_program(broker, driver, tmp_path):
    (tmp_path / "cola-data").mkdir()
    (tmp_path / "cola-data" / "cola.sock").symlink_to(broker.socket)
    assert driver(environment={"COLA_URL": ""}, cwd=str(tmp_path)).ok("connect -") == ""


@pytest.mark.parametrize("url", [
    "http://127.0.0.1", "unix:", "unix://", "tcp://", "tcp://:7672", "tcp://h:0", "tcp://h:65536", "tcp://h:x",
    "tcp://[::1", "tcp://[::1]7", "tcp://h/shop", "tcp://a%zz:b@h", "tcp://a%00b:c@h", "cola.sock", "tcp://h:",
])
def test_a_url_that_is_none_is_refused_and_shows_no_password(driver, url):
    assert driver().refused("connect " + url) == "invalid_argument"
    for scheme in ("tcp", "amqp"):
        said = driver().ask("connect %s://ana:secret@host:x" % scheme)
        assert "secret" not in said and "'%s://host:x'" % scheme in said


def test_nobody_there(driver, tmp_path):
    one = driver()
    assert one.ask("connect unix:%s/none" % tmp_path).startswith("err unreachable retry no server answers at unix:")
    assert one.refused("connect tcp://127.0.0.1:1") == "unreachable"
    assert one.refused("connect unix:/%s" % ("x" * 200)) == "unreachable"
    assert " at unix:///nowhere/a@b/s " in one.ask("connect unix:///nowhere/a@b/s")
    assert one.refused("connect tcp://no-such-host.invalid:1 timeout=5000") == "unreachable"


def test_a_wrong_password_and_vhost_say_so(broker, driver):
    one = driver()
    assert one.refused("connect %s user=guest password=wrong" % broker.tcp) == "unauthenticated"
    assert one.refused("connect %s vhost=/nowhere" % broker.unix) == "not_found"
    assert one.refused("connect %s need=teleport" % broker.unix) == "unsupported_feature"
    assert one.ok("connect %s user=guest password=guest need=topics" % broker.tcp) == ""


def test_virtual_hosts_are_apart(client, driver, broker):
    client.ok("request declare vhost /shop")
    other = driver()
    other.ok("connect %s vhost=/shop" % broker.unix)
    other.ok("declare till")
    assert client.refused("purge till") == "not_found"
    assert other.ok("purge till") == "0"
    assert other.ok("delete queue till") == "0"


def test_too_many_connections_are_an_error_of_connect(driver, new_broker):
    server = new_broker("--connections-max", "1")
    first, second = driver(), driver()
    first.ok("connect " + server.tcp)
    assert second.ask("connect " + server.tcp).startswith("err busy retry ")


def test_a_token_is_read_once_and_only_where_it_is_one(broker, driver, tmp_path):
    path = tmp_path / "token"
    for content, code in (("f" * 64, "unauthenticated"), ("f" * 63, "ok")):
        path.write_text(content)
        with open(path) as file:
            number = file.fileno()
            one = driver(environment={"COLA_URL": broker.unix, "COLA_TOKEN_FD": str(number)}, pass_fds=[number])
            assert code in one.ask("connect -").split(" ")[:2]
            # What is no token is somebody else's, and stays open.
            assert os.path.exists("/proc/%d/fd/%d" % (one.pid, number)) == (code == "ok")
            assert one.ok("connect -") == "" if code != "ok" else one.ok("ping") == ""
    for number in ("", "0", "-1", "x", "99999999999999999999", "12345"):
        assert driver(environment={"COLA_URL": broker.unix, "COLA_TOKEN_FD": number}).ok("connect -") == ""


def test_no_descriptor_is_left_to_children_or_behind(broker, driver):
    one = driver()
    one.refused("connect unix:")  # it has started when it answers
    before = len(os.listdir("/proc/%d/fd" % one.pid))
    for _ in range(5):
        one.ok("connect " + broker.unix)
        one.ok("close")
        one.refused("connect %s vhost=/nowhere" % broker.unix)
    assert len(os.listdir("/proc/%d/fd" % one.pid)) == before
    one.ok("connect " + broker.unix)
    for entry in os.scandir("/proc/%d/fd" % one.pid):
        if "socket" in os.readlink(entry.path):
            with open("/proc/%d/fdinfo/%s" % (one.pid, entry.name)) as info:
                assert int(re.search(r"flags:\s+(\d+)", info.read())[1], 8) & os.O_CLOEXEC


# Publishing


def test_a_message_arrives_as_it_was_published(client):
    client.ok("declare whole a.max-priority=9")
    client.ok("publish whole hello key=k%20 h.lang=en h.a=1 h.lang=de h.odd%=x%y prio=7 id=17 reply=there corr=c")
    client.ok("consume whole")
    said = client.ok("receive 0 10000")
    assert said.startswith("delivery=1 offset=0 size=5 key=k%20 id=17 reply=there corr=c h.lang=en h.a=1 ")
    assert " h.a=1 h.lang=de h.odd%=x%y " in said
    assert "h.cola-priority=7" in said and said.endswith(" body=hello")
    client.ok("ack 1")
    assert client.ok("publish whole -") == ""
    assert client.ok("receive 0 10000").endswith("size=0 body=")


def test_where_it_leads_nowhere_is_an_error_or_not(client):
    assert client.ask("publish nowhere x").startswith("err unroutable final no queue or topic is named 'nowhere'")
    assert client.ok("publish nowhere x drop=yes") == ""


def test_a_body_that_is_too_large_is_not_sent(client):
    client.ok("declare large")
    most = int(client.ok("bodymax"))
    assert client.refused("sized large size=%d" % (most + 1)) == "too_large"
    assert client.ok("sized large size=%d" % most) == ""
    assert client.ok("consume large auto=yes")
    assert number("size", client.ok("receive 0 30000")) == most


def test_a_line_that_is_too_long_is_not_sent(client):
    client.ok("declare long")
    assert client.refused("publish long x key=%s" % ("%" * 22_000)) == "line_too_long"
    assert client.ok("publish long x key=%s" % ("%" * 21_000)) == ""
    assert client.ok("get long").endswith(" body=x")


def test_wrong_arguments_are_told_before_anything_is_sent(client):
    for line in ("purge -", "publish - x", "publish q x null=yes", "many q", "ackrange 0 1", "ackrange 3 2",
                 "consume -", "get -", "delete - q", "delete queue -", "bind - q", "request pub q 1", "request Stat",
                 "request list queues t=1", "many q a key=k"):
        assert client.refused(line) == "invalid_argument", line
    assert client.ok("ping") == ""


def test_many_are_one_transaction(client):
    client.ok("declare together")
    client.ok("many together one two three")
    assert [client.ok("get together").rpartition("=")[2] for _ in range(3)] == ["one", "two", "three"]
    assert client.refused("many nowhere a b") == "unroutable"


def test_a_duplicate_is_told(client):
    client.ok("declare once a.deduplication-window=60000")
    assert client.ok("publish once x id=1") == ""
    assert client.ok("publish once x id=1") == "duplicate"
    assert client.ok("publish once x id=2") == ""
    client.ok("later once count=3 id=2")
    client.ok("flush")
    assert "sent=3 answered=3 refused=0 duplicates=3" in client.ok("confirms")


def test_pipelined_messages_are_confirmed_in_order(client):
    client.ok("declare stream")
    assert client.ok("later stream count=20000") == "19999"
    assert client.ok("flush") == ""
    assert client.ok("confirms") == "sent=20000 answered=20000 refused=0 duplicates=0 told=0 last=0"
    client.ok("consume stream prefetch=500")
    assert [client.ok("receive 0 10000").rpartition("=")[2] for _ in range(3)] == ["0", "1", "2"]
    client.ok("ackrange 1 3")
    assert client.ok("drain 0 1000") == "19997"
    client.ok("ping")
    assert client.ok("get stream") == "nothing"


def test_a_refused_message_among_pipelined_ones_is_named(client):
    client.ok("declare narrow a.max-length=5 a.overflow=reject-publish")
    client.ok("declare wide")
    client.ok("later narrow count=8")
    client.ok("later wide count=4")
    # Answers to calls and to messages come in one order.
    assert client.ok("purge wide") == "4"
    assert client.refused("flush") == "full"
    assert client.ok("flush") == ""
    assert client.ok("confirms") == "sent=12 answered=12 refused=3 duplicates=0 told=3 last=7"
    client.ok("later narrow count=1")
    assert client.ask("close") == "err full"


def test_a_message_waits_for_its_time(client):
    client.ok("declare later")
    begun = time.monotonic()
    client.ok("publish later x delay=300")
    client.ok("consume later")
    assert client.ok("receive 0 20000").endswith("body=x")
    assert time.monotonic() - begun >= 0.29
    client.ok("ack 1")
    client.ok("cancel 0")
    client.ok("publish later gone ttl=0")
    client.ok("publish later stays")
    assert client.ok("get later").endswith("body=stays")


# Consuming


def test_receive_waits_as_long_as_it_is_told(client):
    client.ok("declare quiet")
    client.ok("consume quiet")
    assert client.ok("receive 0 0") == "nothing"
    begun = time.monotonic()
    assert client.ok("receive 0 300") == "nothing"
    assert time.monotonic() - begun >= 0.29


def test_a_signal_handler_ends_a_wait_and_nothing_else(client):
    client.ok("declare interrupted")
    client.ok("consume interrupted")
    client.send("receive 0 -1")
    answers = []
    # One that comes before the wait has begun is not seen by it.
    while not answers:
        os.kill(client.pid, signal.SIGUSR1)
        answers = [client.line(0.1)] if client.waits(0.1) else []
    assert answers == ["ok nothing"]
    client.send("later interrupted count=20000")
    for _ in range(50):
        os.kill(client.pid, signal.SIGUSR1)
        time.sleep(0.001)
    assert client.line() == "ok 19999"
    assert client.ok("flush") == ""


def test_back_again_and_never_again(client):
    client.ok("declare dead")
    client.ok("declare fate a.dead-letter-exchange= a.dead-letter-routing-key=dead")
    client.ok("publish fate x")
    client.ok("consume fate")
    assert " r=" not in client.ok("receive 0 10000")
    client.ok("nack 1")
    assert number(" r", client.ok("receive 0 10000")) == 1
    client.ok("nack 2 delay=0")
    assert number(" r", client.ok("receive 0 10000")) == 2
    client.ok("nack 3 delay=100")
    assert number("delivery", client.ok("receive 0 10000")) == 4
    client.ok("fail 4 detail=nothing%to%do output=last attempts=99 delay=1")
    said = client.ok("receive 0 10000")
    assert "h.cola-attempt=" in said and "nothing%25to%25do" in said
    client.ok("reject 5")
    client.ok("ping")
    assert "h.cola-death=rejected" in client.ok("get dead")


def test_a_failed_attempt_can_be_the_last(client):
    client.ok("declare graves")
    client.ok("declare sick a.dead-letter-exchange= a.dead-letter-routing-key=graves")
    client.ok("publish sick x")
    client.ok("consume sick")
    client.ok("receive 0 10000")
    client.ok("fail 1 bury=yes detail=hopeless")
    client.ok("ping")
    assert "hopeless" in client.ok("get graves")


def test_a_delivery_that_is_not_held_is_told_by_ping_and_close(client):
    client.ok("declare held")
    client.ok("ackrange 7 9")
    assert client.refused("ping") == "unknown_delivery"
    assert client.ok("ping") == ""
    client.ok("ackrange 7 9")
    assert client.ask("close") == "err unknown_delivery"


def test_a_message_of_another_connection_is_stale(client, broker):
    client.ok("declare moved")
    client.ok("publish moved x")
    client.ok("consume moved")
    client.ok("receive 0 10000")
    assert client.ok("close") == "ok"
    client.ok("connect " + broker.unix)
    for verb in ("ack", "nack", "reject", "fail"):
        assert client.refused(verb + " 1") == "stale_delivery"
    assert client.ok("get moved").endswith("body=x")


def test_cancel_gives_back_what_was_not_handed_out(client, broker, driver):
    client.ok("declare given")
    client.ok("later given count=50")
    client.ok("flush")
    client.ok("consume given prefetch=20")
    client.ok("receive 0 10000")
    client.ok("receive 0 10000")
    client.ok("cancel 0")
    other = driver()
    other.ok("connect " + broker.unix)
    # 2 and 3 went back and count no failure; 0 and 1 can still be settled, and are then gone.
    assert number("offset", other.ok("get given")) == 2
    client.ok("ackrange 1 2")
    client.ok("ping")
    assert number("offset", other.ok("get given")) == 3
    assert json.loads(other.ok("describe queue given").partition(" ")[2])["ends"]["returned"] == 0


def test_several_consumers_of_one_connection_get_their_own(client):
    for name in ("left", "right"):
        client.ok("declare " + name)
        client.ok("consume %s prefetch=1" % name)
    for _ in range(3):
        client.ok("publish left l")
        client.ok("publish right r")
    for delivery in range(1, 7):
        said = client.ok("receive %d 10000" % (delivery % 2))
        assert said.endswith("body=" + "lr"[delivery % 2])
        client.ok("ack %d" % number("delivery", said))


def test_credit_is_granted_by_the_program(client):
    client.ok("declare granted")
    client.ok("consume granted credit=0")
    client.ok("many granted a b c")
    assert client.ok("receive 0 200") == "nothing"
    client.ok("credit 0 2")
    assert client.ok("receive 0 10000").endswith("body=a")
    assert client.ok("receive 0 10000").endswith("body=b")
    assert client.ok("receive 0 200") == "nothing"


def test_a_consumer_whose_queue_is_deleted_says_so(client, broker, driver):
    client.ok("declare doomed")
    client.ok("consume doomed")
    other = driver()
    other.ok("connect " + broker.unix)
    other.ok("delete queue doomed")
    assert client.refused("receive 0 10000") == "cancelled"
    assert client.refused("receive 0 0") == "cancelled"
    assert client.ok("cancel 0") == ""
    assert client.ok("ping") == ""


def test_refused_consumers_leave_nothing(client):
    for _ in range(100):
        assert client.refused("consume nowhere") == "not_found"
    client.ok("declare single")
    client.ok("consume single exclusive=yes")
    assert client.refused("consume single") == "in_use"
    client.ok("cancel 0")
    assert client.ok("consume single") == "0"


def test_an_event_loop_polls_the_descriptor(client, broker, driver):
    client.ok("declare looped")
    client.ok("consume looped")
    client.send("poll 0 20000")
    other = driver()
    other.ok("connect " + broker.unix)
    other.ok("publish looped x")
    assert client.line().endswith("body=x")
    assert client.ok("poll 0 100") == "nothing"


def test_get_and_peek(client):
    client.ok("declare looked a.max-priority=5")
    assert client.ok("get looked") == "nothing"
    assert client.ok("peek looked count=5") == ""
    client.ok("publish looked low")
    client.ok("publish looked high prio=5")
    assert re.findall("body=(\\w+)", client.ok("peek looked count=5")) == ["high", "low"]
    assert re.findall("body=(\\w+)", client.ok("peek looked count=5 priority=0")) == ["low"]
    assert client.ok("get looked manual=yes").startswith("delivery=1 ")
    client.ok("nack 1")
    assert client.ok("get looked").startswith("delivery=0 ")
    assert client.refused("peek nowhere") == "not_found"
    assert client.refused("get nowhere") == "not_found"


# Definitions


def test_definitions_and_exchanges(client):
    client.ok("declare defined")
    client.ok("declare defined")
    assert client.refused("declare defined a.max-length=1") == "mismatch"
    client.ok("exchange orders topic alternate=amq.fanout")
    client.ok("bind orders defined key=*.paid")
    client.ok("publish eu.paid 42 x=orders")
    assert "h.cola-exchange=orders h.cola-routing-key=eu.paid body=42" in client.ok("get defined")
    client.ok("unbind orders defined key=*.paid")
    assert client.refused("publish eu.paid 42 x=orders") == "unroutable"
    client.ok("bind amq.headers defined match=any h.lang=en h.urgent=")
    client.ok("publish any 43 x=amq.headers h.urgent=yes")
    client.ok("exchange second fanout")
    client.ok("bind second amq.headers toexchange=yes")
    client.ok("publish any 44 x=second h.lang=en")
    assert client.refused("delete queue defined empty=yes") == "in_use"
    assert client.ok("purge defined") == "2"
    assert client.ok("delete queue defined unused=yes empty=yes") == "0"
    assert client.ok("delete exchange orders") == "0"


def test_queues_that_the_server_names_end_with_the_connection(client, broker, driver):
    name = client.ok("declare - exclusive=yes")
    assert name.startswith("cola.gen-")
    other = driver()
    other.ok("connect " + broker.unix)
    assert other.refused("consume " + name) == "locked"
    client.ok("close")
    assert until(lambda: other.ask("purge " + name).startswith("err not_found"))


def test_any_other_request_can_be_made(client):
    client.ok("declare asked")
    client.ok("publish asked x")
    assert json.loads(client.ok("stat").partition(" ")[2])["queues"] >= 1
    assert "asked" in [row["name"] for row in json.loads(client.ok("list queues").partition(" ")[2])]
    assert json.loads(client.ok("describe queue asked").partition(" ")[2])["name"] == "asked"
    assert "nobody consumes" in client.ok("request why asked")
    client.ok("request policy short pattern=^asked$ max-length=1")
    client.ok("request unpolicy short")
    assert client.refused("request nosuchverb") == "unknown_command"
    assert client.refused("list nothing") == "syntax"
    assert client.ok("ping") == ""


# Topics


def test_a_topic_is_read_by_anybody_from_anywhere(client):
    client.ok("topic events 1")
    client.ok("later events count=10")
    client.ok("flush")
    client.ok("consume events from=first group=audit")
    client.ok("consume events from=7")
    assert number("offset", client.ok("receive 0 10000")) == 0
    assert number("offset", client.ok("receive 1 10000")) == 7
    client.ok("commit events audit 4")
    client.ok("cancel 0")
    client.ok("consume events group=audit")
    assert number("offset", client.ok("receive 0 10000")) == 4


def test_a_reader_goes_elsewhere(client):
    client.ok("topic again 1")
    client.ok("later again count=30")
    client.ok("flush")
    client.ok("consume again from=first prefetch=3")
    for offset in (0, 1, 2):
        assert number("offset", client.ok("receive 0 10000")) == offset
    client.ok("seek 0 20")
    client.ok("ackrange 1 3")
    assert [number("offset", client.ok("receive 0 10000")) for _ in range(3)] == [20, 21, 22]
    assert client.refused("seek 0 nowhere") == "syntax"


def test_partitions_keys_and_members(client, broker, driver):
    client.ok("topic logins 3")
    client.ok("publish logins a partition=2 key=k")
    client.ok("publish logins - partition=1 key=k null=yes")
    client.ok("consume logins from=first partition=1")
    assert " p=1 key=k null=yes" in client.ok("receive 0 10000")
    assert client.ok("assigned 0") == "generation=0"
    client.ok("consume logins group=audit join=range")
    assert until(lambda: client.ok("receive 1 100").endswith("body=a") or "")
    assert re.fullmatch(r"generation=[1-9][0-9]* 0:0 1:0 2:0", client.ok("assigned 1"))
    other = driver()
    other.ok("connect " + broker.unix)
    other.ok("consume logins group=audit join=range")
    assert until(lambda: (other.ok("process 100"), other.ok("assigned 0"))[1].count(":"))
    client.ok("ping")
    assert client.ok("assigned 1").count(":") + other.ok("assigned 0").count(":") == 3


# When something breaks


def test_a_killed_server_is_an_error_and_what_it_confirmed_is_there(driver, new_broker):
    server = new_broker()
    one = driver()
    one.ok("connect %s window=100" % server.unix)
    one.ok("declare survivors")
    one.send("later survivors count=1000000")
    time.sleep(0.5)
    server.kill()
    assert one.line().startswith("err connection_lost retry ")
    answered = number("answered", one.ok("confirms"))
    assert one.ok("open") == "no"
    for line in ("ping", "publish survivors x", "consume survivors", "flush", "process 0", "declare x", "ackrange 1 2"):
        assert one.refused(line) == "connection_lost", line
    assert one.ask("close") == "err connection_lost"
    server.start()
    one.ok("connect " + server.unix)
    found = int(one.ok("purge survivors"))
    assert 0 < answered <= found <= answered + 100


def test_a_killed_server_in_the_middle_of_consuming(driver, new_broker):
    server = new_broker()
    one = driver()
    one.ok("connect " + server.unix)
    one.ok("declare work")
    one.ok("later work count=100")
    one.ok("flush")
    one.ok("consume work prefetch=10")
    one.ok("consume work auto=yes prefetch=5")
    one.ok("receive 0 10000")
    one.send("drain 0 20000")
    time.sleep(0.2)
    server.kill()
    assert one.line().startswith("err connection_lost")
    # What was delivered for good is handed out all the same.
    while one.ask("receive 1 0").startswith("ok "):
        pass
    assert one.refused("ack 1") == "connection_lost"
    assert one.refused("cancel 0") == "connection_lost"
    assert one.refused("cancel 1") == "connection_lost"


def test_a_server_that_stops_in_order_says_why(driver, new_broker):
    server = new_broker()
    one = driver()
    one.ok("connect " + server.unix)
    one.ok("declare last")
    one.ok("consume last")
    one.send("receive 0 20000")
    assert server.terminate().code == 0
    assert one.line().startswith("err connection_lost retry the server at %s closed the connection: shutting_down: "
                                 % server.unix)


def test_a_server_that_stands_still_gives_no_answer_and_then_goes_on(driver, new_broker):
    server = new_broker()
    one = driver()
    one.ok("connect %s timeout=300 window=10" % server.unix)
    one.ok("declare slow")
    one.ok("later slow count=3")
    halt(server.pid)
    try:
        assert one.refused("publish slow x") == "no_answer"
        assert one.refused("flush") == "no_answer"
        assert one.refused("peek slow count=5") == "no_answer"
        assert one.refused("consume slow auto=yes") == "no_answer"
        assert one.refused("later slow count=50") == "no_answer"
    finally:
        os.kill(server.pid, signal.SIGCONT)
    one.ok("timeout 30000")
    assert one.ok("flush") == ""
    assert one.ok("ping") == ""
    confirms = one.ok("confirms")
    assert number("sent", confirms) == number("answered", confirms)
    assert one.ok("close") == "ok"


def test_a_silent_server_is_noticed_by_its_heartbeat(driver, new_broker):
    server = new_broker()
    one = driver()
    one.ok("connect %s heartbeat=1 timeout=60000" % server.tcp)
    one.ok("declare beaten")
    one.ok("consume beaten")
    # For longer than either end would wait without beats.
    assert one.ok("receive 0 4500") == "nothing"
    halt(server.pid)
    try:
        assert "in spite of the heartbeat" in one.ask("receive 0 -1")
    finally:
        os.kill(server.pid, signal.SIGCONT)


def test_a_program_that_was_busy_does_not_blame_the_server(broker, driver):
    one = driver()
    one.ok("connect %s heartbeat=3600" % broker.unix)
    one.ok("ping")
    two = driver()
    two.ok("connect %s heartbeat=2" % broker.unix)
    halt(two.pid)
    time.sleep(3)
    os.kill(two.pid, signal.SIGCONT)
    assert two.ok("ping") == ""


def test_publishers_that_are_held_back_are_told(driver, new_broker):
    server = new_broker("--disk-free-min", "1000000G")
    one = driver()
    one.ok("connect %s timeout=500" % server.unix)
    one.ask("declare full")
    said = until(lambda: [said for said in [one.ask("publish full x")] if said != "ok"])
    assert said and said[0].startswith("err no_answer retry ") and "it holds publishers back: " in said[0]
    assert one.ok("blocked") != "no"


def test_two_that_both_write_do_not_block_each_other(client):
    # The server sends what is consumed while it is sent what is published, over and over the size of all buffers.
    client.ok("declare both")
    client.ok("consume both prefetch=4 auto=yes")
    for _ in range(4):
        assert client.ok("sized both size=8000000") == ""
    for _ in range(4):
        assert number("size", client.ok("receive 0 30000")) == 8000000

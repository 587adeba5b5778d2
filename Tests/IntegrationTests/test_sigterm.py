"""SIGTERM: the server ends in time and in order, and afterwards knows exactly what was handed out before."""
from __future__ import annotations

import time

import native
from conftest import seed, setting
from load import Load

PROMISED_SECONDS = 5.0


def test_promises_survive_sigterm_under_load(broker):
    load = Load(broker, seed())
    load.declare()
    load.start()
    rounds = setting("COLA_TERMS", short=3, long=10)
    slowest = 0.0
    try:
        for _ in range(rounds):
            load.run_for(0.8)
            end = broker.terminate()
            slowest = max(slowest, end.seconds)
            assert end.code == 0, end
            assert end.seconds < PROMISED_SECONDS, end
            load.restart()
        load.run_for(0.3)
        load.finish()
    finally:
        load.ending.set()
    verdict = load.history.verdict()
    print("\nSIGTERM, %d rounds, slowest stop %.2f s: %s" % (rounds, slowest, verdict))
    assert verdict.passed, str(verdict)


def test_marks_are_exact_after_a_clean_stop(broker):
    """Never handed out: no mark. Handed out N times without an acknowledgement: r=N. Both across several stops."""
    with native.Connection(broker.unix) as connection:
        connection.ok("declare queue marks")
        for index in range(6):
            connection.ok("pub marks 1", b"%d" % index)
        connection.ok("consume marks c=1 prefetch=3")
        first = connection.collect(3)
        assert [delivery.redelivered for delivery in first] == [None] * 3
        connection.ok("ack %d t=1" % first[0].number)
        again = connection.delivery()
        assert again is not None and again.body == b"3"
        # 1, 2 and 3 are held now.
        connection.ok("nack %d t=2" % first[1].number)
        back = connection.delivery()
        assert back is not None and (back.body, back.redelivered) == (b"1", 1)
        assert broker.terminate().code == 0
    broker.start()
    assert marks(broker) == [(b"1", 2), (b"2", 1), (b"3", 1), (b"4", None), (b"5", None)]
    assert broker.terminate().code == 0
    broker.start()
    assert marks(broker) == [(b"1", 3), (b"2", 2), (b"3", 2), (b"4", 1), (b"5", 1)]


def marks(broker):
    """(body, r) of the five messages, which are held until the connection ends."""
    with native.Connection(broker.unix) as connection:
        connection.ok("consume marks c=1 prefetch=10")
        return [(delivery.body, delivery.redelivered) for delivery in connection.collect(5)]


def test_everything_recovered_is_marked_after_a_crash(broker):
    """`r=0`: none is known, but the server did not stop in order."""
    with native.Connection(broker.unix) as connection:
        connection.ok("declare queue q")
        connection.ok("pubs q 2", b"1\na\n1\nb")
    broker.kill()
    broker.start()
    with native.Connection(broker.unix) as connection:
        connection.ok("consume q c=1")
        assert [(delivery.body, delivery.redelivered) for delivery in connection.collect(2)] == [(b"a", 0), (b"b", 0)]
        connection.ok("pub q 1", b"c")
        new = connection.delivery()
        assert new is not None and (new.body, new.redelivered) == (b"c", None)


def test_a_client_is_told_and_the_connection_closed(broker):
    with native.Connection(broker.unix) as connection:
        connection.ok("ping")
        begun = time.monotonic()
        end = broker.terminate()
        assert end.code == 0 and time.monotonic() - begun < PROMISED_SECONDS
        lines = connection.rest().split(b"\n")
        assert any(line.startswith(b"bye shutting_down ") for line in lines), lines


def test_an_idle_server_stops_at_once(broker):
    end = broker.terminate()
    assert end.code == 0 and end.seconds < PROMISED_SECONDS
    assert not broker.runs()


def test_the_log_tells_no_secrets(new_broker):
    """Also at its most talkative, and by whichever library it is written."""
    broker = new_broker(
        "--log-level", "debug", environment={"COLA_DEFAULT_USER": "boss", "COLA_DEFAULT_PASS": "canary-41c7"})
    broker.start()
    with native.Connection(broker.tcp, hello="hello 1 user=boss password=canary-41c7"):
        pass
    broker.terminate()
    assert "stopped" in broker.stderr() and "canary-41c7" not in broker.stderr()

"""A million messages wait, the server is killed: how soon it serves again, and in how much memory."""
from __future__ import annotations

import time

import native
from conftest import setting, time_factor

PROMISED_SECONDS = 2.0
# With the cache of stored messages full, and without it. Neither depends on how many messages wait.
RESIDENT_BYTES_MAX_CACHED = 160 << 20
RESIDENT_BYTES_MAX = 64 << 20
BATCH = 10_000


def test_ready_soon_with_a_million_waiting(broker):
    batches = setting("COLA_BACKLOG", short=1_000_000, long=1_000_000) // BATCH
    with native.Connection(broker.unix, timeout=60) as connection:
        connection.ok("declare queue backlog")
        begun = time.monotonic()
        sent = answered = 0
        while answered < batches:
            while sent < batches and sent - answered < 4:
                bodies = [b"%016d" % (sent * BATCH + index) for index in range(BATCH)]
                connection.send_bytes(native.publish_batch("backlog", bodies))
                sent += 1
            assert connection.answer().ok
            answered += 1
        publishing = time.monotonic() - begun
    before = broker.resident_bytes()
    broker.kill()
    seconds = broker.start(deadline=120)
    after = broker.resident_bytes()
    print("\n%d messages published in %.1f s, RSS then %.0f MiB; ready %.3f s after the start, RSS then %.0f MiB"
          % (batches * BATCH, publishing, before / 2**20, seconds, after / 2**20))
    with native.Connection(broker.unix, timeout=60) as connection:
        assert connection.ok("declare queue backlog").options["ready"] == str(batches * BATCH)
        connection.ok("consume backlog c=1 prefetch=1000")
        assert [message.body for message in connection.collect(1000)] == [b"%016d" % index for index in range(1000)]
    spent = broker.cpu_seconds()
    time.sleep(2)
    spent = broker.cpu_seconds() - spent
    print("idle: %.2f s of CPU in 2 s" % spent)
    assert spent < 0.2, "it works although nobody asks it to"
    assert seconds < PROMISED_SECONDS * time_factor()
    assert before < RESIDENT_BYTES_MAX_CACHED
    assert after < RESIDENT_BYTES_MAX

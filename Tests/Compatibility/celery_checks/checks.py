"""Celery with real workers, over the broker at AMQP_URL. Prints `ok CHECK` or `not ok CHECK` each."""
import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import traceback
from datetime import datetime, timedelta, timezone

from celery import chain, chord, group

import tasks

NOTES = pathlib.Path(tasks.FOLDER, "notes")
STAY = 40


def check(name, test):
    try:
        good, why = bool(test()), ""
    except Exception:  # each check reports its own failure, and the others go on
        good, why = False, traceback.format_exc(limit=-2)
    print("%s %s" % ("ok" if good else "not ok", name))
    for line in why.splitlines():
        print("# " + line)
    sys.stdout.flush()


def notes(prefix):
    lines = NOTES.read_text().splitlines() if NOTES.exists() else []
    return [line for line in lines if line.startswith(prefix)]


def wait_for(condition, seconds=STAY):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def start(application, queues, name, *options):
    """A worker in a process group of its own, so that it can be killed with its pool."""
    log = open(os.path.join(tasks.FOLDER, name + ".log"), "wb")
    return subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "tasks:" + application, "worker", "--loglevel", "INFO", "-Q", queues,
         "-n", name + "@checks", *(options or ("--concurrency", "2"))],
        stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)


@contextlib.contextmanager
def worker(application, queues, name, *options):
    process = start(application, queues, name, *options)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                pass
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def results(signatures, **options):
    sent = [signature.apply_async(**options) for signature in signatures]
    return [result.get(timeout=STAY) for result in sent]


# What the checks do


def failure():
    try:
        tasks.fails.delay().get(timeout=STAY)
    except ValueError as error:
        return str(error) == "on purpose"
    return False


def countdown():
    begun = time.time()
    return tasks.add.apply_async((1, 1), countdown=1.5).get(timeout=STAY) == 2 and time.time() - begun >= 1.4


def many_etas():
    """More than the worker prefetches: it raises its prefetch while they wait, and all are done in time."""
    begun = time.time()
    eta = datetime.now(timezone.utc) + timedelta(seconds=6)
    sent = [tasks.add.apply_async((n, n), eta=eta) for n in range(30)]
    inspect = tasks.app.control.inspect(timeout=1, destination=["app@checks"])
    held = 0
    while held <= 2 and time.time() < begun + 5:
        held = len((inspect.scheduled() or {}).get("app@checks", ()))
    done = [result.get(timeout=STAY) for result in sent]
    return held > 2 and done == [2 * n for n in range(30)] and 5.9 <= time.time() - begun < 15


def priorities():
    """What waits goes by priority, not by age."""
    names = []
    with worker("app", "urgent", "urgent", "--concurrency", "1"):
        tasks.nap.apply_async((2, "first"), queue="urgent")
        wait_for(lambda: notes("begin first"))
        sent = [tasks.nap.apply_async((0, "p%d" % n), queue="urgent", priority=n) for n in (1, 2, 3, 4, 9, 5)]
        for result in sent:
            result.get(timeout=STAY)
        names = [line.split()[1] for line in notes("begin p")]
    # One may have been fetched ahead while the first was being worked on.
    return sorted(names[1:], reverse=True) == names[1:] and names.index("p9") <= 1


def inspection():
    inspect = tasks.app.control.inspect(timeout=3, destination=["app@checks"])
    return (inspect.ping() == {"app@checks": {"ok": "pong"}} and "tasks.add" in inspect.registered()["app@checks"]
            and [queue["name"] for queue in inspect.active_queues()["app@checks"]] == ["celery"]
            and inspect.stats()["app@checks"]["pool"]["max-concurrency"] == 2)


def broadcast():
    reply = tasks.app.control.pool_grow(1, reply=True, timeout=3, destination=["app@checks"])
    shrink = tasks.app.control.pool_shrink(1, reply=True, timeout=3, destination=["app@checks"])
    return "ok" in str(reply) and "ok" in str(shrink)


def another_queue():
    """A running worker takes up a queue, and leaves it again."""
    control = tasks.app.control
    control.add_consumer("later", reply=True, timeout=3, destination=["app@checks"])
    found = tasks.add.apply_async((2, 2), queue="later").get(timeout=STAY) == 4
    control.cancel_consumer("later", reply=True, timeout=3, destination=["app@checks"])
    late = tasks.add.apply_async((3, 3), queue="later")
    time.sleep(1)
    waits = not late.ready()
    control.add_consumer("later", reply=True, timeout=3, destination=["app@checks"])
    return found and waits and late.get(timeout=STAY) == 6


def revoke():
    late = tasks.add.apply_async((5, 5), countdown=2)
    time.sleep(0.5)
    tasks.app.control.revoke(late.id, reply=True, timeout=3)
    return wait_for(lambda: late.state == "REVOKED", 10)


def terminate():
    long = tasks.nap.apply_async((60, "long"))
    wait_for(lambda: notes("begin long"))
    tasks.app.control.revoke(long.id, terminate=True, reply=True, timeout=3)
    return wait_for(lambda: long.state == "REVOKED", 10)


def events():
    """What `celery events` and Flower see."""
    seen = []
    ready = threading.Event()

    def receive():
        with tasks.app.connection_for_read() as connection:
            receiver = tasks.app.events.Receiver(connection, handlers={"*": lambda event: seen.append(event["type"])})
            with receiver.consumer_context(wakeup=False) as (_, _, consumers):
                ready.set()
                deadline = time.monotonic() + 15
                while time.monotonic() < deadline and "task-succeeded" not in seen:
                    with contextlib.suppress(OSError):
                        connection.drain_events(timeout=0.5)
                del consumers

    thread = threading.Thread(target=receive)
    thread.start()
    ready.wait(10)
    tasks.add.delay(1, 1).get(timeout=STAY)
    thread.join(20)
    return {"task-received", "task-started", "task-succeeded"} <= set(seen)


def autoscale():
    with worker("app", "scaled", "scaled", "--autoscale", "4,1"):
        sent = [tasks.nap.apply_async((3, "s%d" % n), queue="scaled") for n in range(4)]
        together = wait_for(lambda: len(notes("begin s")) - len(notes("end s")) == 4, 20)
        for result in sent:
            result.get(timeout=STAY)
    return together


def killed_worker():
    """With acks_late a task whose worker was killed goes to another one, and says that it was delivered before."""
    with worker("app", "risky", "victim") as victim:
        result = tasks.tell.apply_async(("killed",), queue="risky")
        wait_for(lambda: notes("told killed"))
        os.killpg(victim.pid, signal.SIGKILL)
        victim.wait(10)
        with worker("app", "risky", "heir"):
            done = result.get(timeout=STAY) == "killed"
    return done and notes("told killed") == ["told killed redelivered=False", "told killed redelivered=True"]


def warm_shutdown():
    """Told to end, a worker ends what it has begun, and what it had fetched goes to others."""
    with worker("app", "warm", "warm", "--concurrency", "1") as process:
        sent = [tasks.nap.apply_async((2, "w%d" % n), queue="warm") for n in range(3)]
        wait_for(lambda: notes("begin w0"))
        process.terminate()
        code = process.wait(30)
        ended = notes("end w") == ["end w0"]
    with worker("app", "warm", "warm2"):
        rest = [result.get(timeout=STAY) for result in sent]
    return code == 0 and ended and rest == ["w0", "w1", "w2"]


def purge():
    for n in range(5):
        tasks.add.apply_async((n, n), queue="unused")
    with tasks.app.connection_for_write() as connection:
        queue = tasks.app.amqp.queues["unused"](connection.default_channel)
        return wait_for(lambda: queue.queue_declare(passive=True).message_count == 5, 5) and queue.purge() == 5


def main():
    with worker("app", "celery", "app") as first, worker("rpc", "rpc", "rpc") as second:
        check("task", lambda: tasks.add.delay(2, 3).get(timeout=STAY) == 5)
        check("rpc-result", lambda: tasks.multiply.delay(6, 7).get(timeout=STAY) == 42)
        check("rpc-results", lambda: results(tasks.multiply.s(n, 2) for n in range(50)) == [2 * n for n in range(50)])
        check("chain", lambda: chain(tasks.add.s(1, 2), tasks.add.s(4), tasks.add.s(8))().get(timeout=STAY) == 15)
        check("group", lambda: group(tasks.add.s(n, n) for n in range(20))().get(timeout=STAY)
              == [2 * n for n in range(20)])
        check("chord", lambda: chord([tasks.add.s(n, 1) for n in range(10)], tasks.total.s())().get(timeout=STAY) == 55)
        check("retry", lambda: tasks.flaky.delay().get(timeout=STAY) == 2)
        check("failure", failure)
        check("countdown", countdown)
        check("many-etas", many_etas)
        check("inspect", inspection)
        check("broadcast", broadcast)
        check("another-queue", another_queue)
        check("revoke", revoke)
        check("terminate", terminate)
        check("events", events)
        check("purge", purge)
        first.terminate()
        second.terminate()
        check("shutdown", lambda: [first.wait(30), second.wait(30)] == [0, 0])
    check("priorities", priorities)
    check("autoscale", autoscale)
    check("killed-worker", killed_worker)
    check("warm-shutdown", warm_shutdown)


if __name__ == "__main__":
    main()

"""`cola.Queue` against a real server, named by COLA_TEST_URL: what it shares with `multiprocessing.Queue`, and more."""

from __future__ import annotations

import functools
import multiprocessing
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
from typing import Any, Callable, Iterable, Iterator, List, Tuple

import pytest

import cola

URL = os.environ.get("COLA_TEST_URL")
pytestmark = pytest.mark.skipif(URL is None, reason="COLA_TEST_URL names no server to test against")

LIMIT = 20.0
STARTS = ("fork", "spawn")

NewQueue = Callable[..., cola.Queue]


@pytest.fixture
def new_queue() -> Iterator[NewQueue]:
    made: List[cola.Queue] = []

    def make(maxsize: int = 0, **settings: Any) -> cola.Queue:
        made.append(cola.Queue(maxsize, url=URL, **settings))
        return made[-1]

    yield make
    for one in made:
        one.delete()


def unique(name: str) -> str:
    return f"{name}-{os.getpid()}-{time.time_ns()}"


def run(start: str, target: Callable[..., None], *arguments: Any) -> Any:
    context: Any = multiprocessing.get_context(start)
    process = context.Process(target=target, args=arguments)
    process.start()
    return process


def end(process: Any) -> None:
    process.join(LIMIT)
    still_runs = process.is_alive()
    if still_runs:
        process.kill()
    assert not still_runs, "the process did not end"


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT
    while not holds():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.01)


def put_all(tasks: cola.Queue, objects: Iterable[Any]) -> None:
    for one in objects:
        tasks.put(one)


class Point:
    def __init__(self, x: int) -> None:
        self.x = x

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Point) and other.x == self.x


def test_any_picklable_object_comes_out_as_it_went_in(new_queue: NewQueue) -> None:
    objects: List[Any] = [None, 0, "ñ", b"\0\xff", {"a": [1, (2, 3)]}, Point(7), functools.partial(int, base=2)]
    tasks = new_queue()
    for one in objects:
        tasks.put(one)
    got = [tasks.get(timeout=LIMIT) for _ in objects]
    assert got[:-1] == objects[:-1] and got[-1]("101") == 5


def test_what_cannot_be_pickled_is_refused_by_put(new_queue: NewQueue) -> None:
    tasks = new_queue()
    with pytest.raises((AttributeError, pickle.PicklingError)):
        tasks.put(lambda: None)
    assert tasks.empty()


def test_large_objects(new_queue: NewQueue) -> None:
    tasks = new_queue()
    blocks = [os.urandom(1_000_000) for _ in range(20)]
    thread = threading.Thread(target=put_all, args=(tasks, blocks))
    thread.start()
    assert [tasks.get(timeout=LIMIT) for _ in blocks] == blocks
    thread.join(LIMIT)
    with pytest.raises(cola.TooLarge, match="body-max"):
        tasks.put(bytes(17_000_000))


def test_empty_and_full_come_when_the_time_is_over(new_queue: NewQueue) -> None:
    tasks = new_queue(1)
    for take in (tasks.get_nowait, functools.partial(tasks.get, False)):
        with pytest.raises(queue.Empty):
            take()
    begun = time.monotonic()
    with pytest.raises(queue.Empty):
        tasks.get(timeout=0.3)
    assert time.monotonic() - begun >= 0.3
    tasks.put("one")
    with pytest.raises(queue.Full):
        tasks.put_nowait("two")
    begun = time.monotonic()
    with pytest.raises(queue.Full):
        tasks.put("two", timeout=0.3)
    assert time.monotonic() - begun >= 0.3
    assert tasks.full() and not tasks.empty() and tasks.qsize() == 1
    assert tasks.get_nowait() == "one"
    assert tasks.empty() and not tasks.full()


def test_a_put_behind_one_that_waits_ends_when_its_time_is_over(new_queue: NewQueue) -> None:
    tasks = new_queue(1)
    tasks.put("one")
    thread = threading.Thread(target=tasks.put, args=("two",))
    thread.start()
    time.sleep(0.1)
    for put in (tasks.put_nowait, functools.partial(tasks.put, timeout=0.2)):
        with pytest.raises(queue.Full):
            put("three")
    assert [tasks.get(timeout=LIMIT), tasks.get(timeout=LIMIT)] == ["one", "two"]
    thread.join(LIMIT)
    assert tasks.empty()


def test_after_close_it_is_a_value_error(new_queue: NewQueue) -> None:
    tasks = new_queue()
    tasks.put(1)
    with pytest.raises(ValueError, match="close"):
        tasks.join_thread()
    tasks.close()
    tasks.close()
    tasks.join_thread()
    for use in (lambda: tasks.put(1), tasks.get, tasks.get_nowait, tasks.qsize, tasks.empty):
        with pytest.raises(ValueError, match="is closed"):
            use()


def test_a_get_that_waits_ends_when_its_queue_is_closed(new_queue: NewQueue) -> None:
    tasks = new_queue()
    problems: List[BaseException] = []

    def take() -> None:
        try:
            tasks.get()
        except ValueError as problem:
            problems.append(problem)

    thread = threading.Thread(target=take)
    thread.start()
    time.sleep(0.1)
    tasks.close()
    thread.join(LIMIT)
    assert len(problems) == 1 and "is closed" in str(problems[0])


def test_a_queue_that_is_forgotten_sends_what_was_put_and_ends(new_queue: NewQueue) -> None:
    tasks = new_queue()
    other = pickle.loads(pickle.dumps(tasks))
    for number in range(500):
        other.put(number)
    with cola.connect(URL) as client:

        def connections() -> int:
            return [row["client"] for row in client.list_connections()].count(f"cola.Queue {tasks.name}")

        assert connections() == 2
        del other
        eventually(lambda: tasks.qsize() == 500)
        eventually(lambda: connections() == 1)


def test_with_cancel_join_thread_nothing_is_waited_for(new_queue: NewQueue) -> None:
    tasks = new_queue()
    tasks.cancel_join_thread()
    tasks.put(1)
    tasks.close()
    tasks.join_thread()


def add_up(numbers: cola.Queue, results: cola.Queue) -> None:
    results.put(sum(iter(numbers.get, None)))


@pytest.mark.parametrize("start", STARTS)
def test_it_is_handed_to_a_process(new_queue: NewQueue, start: str) -> None:
    numbers, results = new_queue(), new_queue()
    process = run(start, add_up, numbers, results)
    for number in range(1, 1001):
        numbers.put(number)
    numbers.put(None)
    assert results.get(timeout=LIMIT) == 500_500
    end(process)
    assert process.exitcode == 0


def test_fork_in_the_middle_of_puts_sends_nothing_twice(new_queue: NewQueue) -> None:
    tasks = new_queue()
    for number in range(100):
        tasks.put(number)
    child = os.fork()
    if child == 0:
        try:
            tasks.put("child")
            tasks.close()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert tasks.qsize() == 101
    got = [tasks.get(timeout=LIMIT) for _ in range(101)]
    assert [one for one in got if one != "child"] == list(range(100)) and "child" in got


def produce(tasks: cola.Queue, producer: int, count: int) -> None:
    for number in range(count):
        tasks.put((producer, number))


def consume(tasks: cola.Queue, results: cola.Queue) -> None:
    results.put(list(iter(tasks.get, None)))


@pytest.mark.parametrize("maxsize", (0, 7))
def test_several_producers_and_consumers_share_each_object_once(new_queue: NewQueue, maxsize: int) -> None:
    tasks, results = new_queue(maxsize), new_queue()
    count = 500 if maxsize else 5_000
    producers = [run("fork", produce, tasks, producer, count) for producer in range(3)]
    consumers = [run("fork", consume, tasks, results) for _ in range(3)]
    for process in producers:
        end(process)
    for _ in consumers:
        tasks.put(None)
    got: List[Tuple[int, int]] = []
    for _ in consumers:
        got += results.get(timeout=LIMIT)
    for process in consumers:
        end(process)
    assert sorted(got) == [(producer, number) for producer in range(3) for number in range(count)]


def test_one_producers_objects_keep_their_order(new_queue: NewQueue) -> None:
    tasks = new_queue()
    producers = [run("fork", produce, tasks, producer, 3_000) for producer in range(2)]
    got = [tasks.get(timeout=LIMIT) for _ in range(6_000)]
    for process in producers:
        end(process)
    for producer in range(2):
        assert [number for one, number in got if one == producer] == list(range(3_000))


def test_a_full_queue_holds_a_producer_in_another_process_back(new_queue: NewQueue) -> None:
    tasks, done = new_queue(3), new_queue()
    process = run("fork", produce_and_tell, tasks, done)
    eventually(tasks.full)
    with pytest.raises(queue.Empty):
        done.get(timeout=0.3)
    assert tasks.qsize() == 3
    assert [tasks.get(timeout=LIMIT) for _ in range(10)] == list(range(10))
    assert done.get(timeout=LIMIT) == "done"
    end(process)


def produce_and_tell(tasks: cola.Queue, done: cola.Queue) -> None:
    for number in range(10):
        tasks.put(number)
    done.put("done")


def test_what_a_process_does_not_take_others_can(new_queue: NewQueue) -> None:
    tasks = new_queue()
    for number in range(2_000):
        tasks.put(number)
    # At this pace it is sent many at a time; then it stops.
    assert [tasks.get(timeout=LIMIT) for _ in range(1_000)] == list(range(1_000))
    other = pickle.loads(pickle.dumps(tasks))
    assert sorted(other.get(timeout=LIMIT) for _ in range(1_000)) == list(range(1_000, 2_000))
    other.close()


def test_a_timed_out_get_takes_nothing_later(new_queue: NewQueue) -> None:
    tasks = new_queue()
    with pytest.raises(queue.Empty):
        tasks.get(timeout=0.05)
    other = pickle.loads(pickle.dumps(tasks))
    other.put("mine")
    assert other.get(timeout=LIMIT) == "mine"
    other.close()


def test_a_name_outlives_the_processes() -> None:
    name = unique("named")
    first = cola.Queue(name=name, url=URL)
    first.put("kept")
    first.close()
    second = cola.Queue(name=name, url=URL)
    assert second.get(timeout=LIMIT) == "kept"
    second.delete()
    with cola.connect(URL) as client, pytest.raises(cola.NotFound):
        client.describe("queue", name)


def script(text: str, **more: Any) -> "subprocess.Popen[str]":
    environment = dict(os.environ, COLA_URL=URL or "")
    # Whoever runs the tests in the background has a shell that lets them ignore SIGINT, and this process inherits it.
    text = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n" + text
    return subprocess.Popen([sys.executable, "-c", text], env=environment, stdout=subprocess.PIPE, text=True, **more)


def output_of(text: str, **more: Any) -> Tuple[int, str]:
    process = script(text, **more)
    try:
        output, _ = process.communicate(timeout=LIMIT)
    finally:
        process.kill()
    return process.returncode, output


def is_there(name: str) -> bool:
    with cola.connect(URL) as client:
        return name in [row["name"] for row in client.list_queues()]


def test_without_a_name_it_goes_with_its_process() -> None:
    code, name = output_of("import cola; q = cola.Queue(); q.put(1); print(q.name)")
    assert code == 0 and not is_there(name.strip())


def test_without_a_name_it_waits_for_the_children() -> None:
    code, output = output_of("""
import multiprocessing, time, cola
def child(q):
    time.sleep(0.3)
    print(q.get(), flush=True)
q = cola.Queue()
multiprocessing.get_context("fork").Process(target=child, args=(q,)).start()
q.put("for the child")
q.close()
""")
    assert (code, output) == (0, "for the child\n")


def test_puts_of_a_process_that_just_ends_arrive() -> None:
    name = unique("ends")
    assert output_of(f"import cola; q = cola.Queue(name={name!r})\nfor n in range(500): q.put(n)")[0] == 0
    tasks = cola.Queue(name=name, url=URL)
    assert [tasks.get(timeout=LIMIT) for _ in range(500)] == list(range(500))
    tasks.delete()


def test_a_single_put_leaves_by_itself(new_queue: NewQueue) -> None:
    tasks = new_queue()
    other = pickle.loads(pickle.dumps(tasks))
    tasks.put("alone")
    assert other.get(timeout=LIMIT) == "alone"
    other.close()


def test_what_was_got_is_gone_even_if_its_process_is_killed() -> None:
    name = unique("got")
    tasks = cola.Queue(name=name, url=URL)
    tasks.put(1)
    process = script(f"import cola, time; q = cola.Queue(name={name!r}); print(q.get(), flush=True); time.sleep(60)")
    try:
        assert process.stdout is not None and process.stdout.readline() == "1\n"
        with cola.connect(URL) as client:
            eventually(lambda: client.describe("queue", name)["messages"] == 0)
    finally:
        process.kill()
        process.communicate()
    assert tasks.empty()
    tasks.delete()


def test_what_was_not_done_when_its_process_died_comes_again() -> None:
    name = unique("done")
    tasks = cola.JoinableQueue(name=name, url=URL)
    tasks.put(1)
    process = script(
        f"import cola, time; q = cola.JoinableQueue(name={name!r}); print(q.get(), flush=True); time.sleep(60)"
    )
    assert process.stdout is not None and process.stdout.readline() == "1\n"
    assert tasks.empty()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert tasks.get(timeout=LIMIT) == 1
    tasks.task_done()
    tasks.join()
    tasks.delete()


def work(tasks: cola.Queue, results: cola.Queue) -> None:
    for number in iter(tasks.get, None):
        time.sleep(0.002)
        results.put(number)
        tasks.task_done()
    tasks.task_done()


def test_join_waits_for_every_process(new_queue: NewQueue) -> None:
    tasks, results = new_queue(acknowledge="done"), new_queue()
    workers = [run("fork", work, tasks, results) for _ in range(2)]
    for number in range(50):
        tasks.put(number)
    tasks.join()
    assert sorted(results.get(timeout=LIMIT) for _ in range(50)) == list(range(50))
    for _ in workers:
        tasks.put(None)
    tasks.join()
    for process in workers:
        end(process)


def test_task_done_too_often_or_without_need_is_a_value_error(new_queue: NewQueue) -> None:
    tasks = new_queue(acknowledge="done")
    with pytest.raises(ValueError, match="too many"):
        tasks.task_done()
    with pytest.raises(ValueError, match="acknowledge='done'"):
        new_queue().task_done()
    with pytest.raises(ValueError, match="'get' or 'done'"):
        new_queue(acknowledge="never")


def test_what_was_got_before_close_can_be_done_after(new_queue: NewQueue) -> None:
    tasks = new_queue(acknowledge="done")
    other = pickle.loads(pickle.dumps(tasks))
    tasks.put(1)
    assert other.get(timeout=LIMIT) == 1
    other.close()
    other.task_done()
    tasks.join()


def test_threads_share_a_queue(new_queue: NewQueue) -> None:
    tasks = new_queue()
    got: List[int] = []

    def take() -> None:
        got.extend(iter(tasks.get, None))

    takers = [threading.Thread(target=take) for _ in range(3)]
    putters = [threading.Thread(target=put_all, args=(tasks, range(500))) for _ in range(3)]
    for thread in takers + putters:
        thread.start()
    for thread in putters:
        thread.join(LIMIT)
    for _ in takers:
        tasks.put(None)
    for thread in takers:
        thread.join(LIMIT)
    assert sorted(got) == sorted(list(range(500)) * 3)


def test_ctrl_c_in_a_waiting_get_leaves_it_usable() -> None:
    process = script("""
import cola, sys
q = cola.Queue()
try:
    print("waits", flush=True)
    q.get()
except KeyboardInterrupt:
    q.put("after")
    print(q.get(timeout=10))
""")
    assert process.stdout is not None and process.stdout.readline() == "waits\n"
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=LIMIT)
    assert (process.returncode, output) == (0, "after\n")


def test_ctrl_c_in_a_put_that_waits_for_room_leaves_it_usable() -> None:
    process = script("""
import cola
q = cola.Queue(1)
q.put("first")
try:
    print("waits", flush=True)
    q.put("second")
except KeyboardInterrupt:
    print(q.get(timeout=10))
    q.put("third")
    print(q.get(timeout=10))
""")
    assert process.stdout is not None and process.stdout.readline() == "waits\n"
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=LIMIT)
    assert (process.returncode, output) == (0, "first\nthird\n")


class Rings:
    """Interrupts whoever reads it, as often as ``times`` says."""

    times = 0

    def __reduce__(self) -> Any:
        return Rings.read, ()

    @staticmethod
    def read() -> str:
        if Rings.times > 0:
            Rings.times -= 1
            signal.raise_signal(signal.SIGUSR1)
        return "read"


class Rung(Exception):
    pass


def test_a_get_that_a_signal_cuts_off_has_taken_nothing(new_queue: NewQueue) -> None:
    def ring(*_: object) -> None:
        raise Rung

    tasks = new_queue()
    other = pickle.loads(pickle.dumps(tasks))
    before = signal.signal(signal.SIGUSR1, ring)
    try:
        for elsewhere in (False, True):
            tasks.put(Rings())
            tasks.put("behind it")
            Rings.times = 1
            with pytest.raises(Rung):
                tasks.get(timeout=LIMIT)
            taker = other if elsewhere else tasks
            assert [taker.get(timeout=LIMIT) for _ in range(2)] == ["read", "behind it"]
        assert tasks.empty()
    finally:
        signal.signal(signal.SIGUSR1, before)
        other.close()


def test_what_is_no_pickle_is_said_and_does_not_come_again(new_queue: NewQueue) -> None:
    tasks = new_queue()
    with cola.connect(URL) as client:
        client.publish(tasks.name, "plain text")
    with pytest.raises(pickle.UnpicklingError, match="only cola.Queue"):
        tasks.get(timeout=LIMIT)
    assert tasks.empty()


def test_a_queue_that_is_there_is_taken_as_it_is() -> None:
    name = unique("there")
    with cola.connect(URL) as client:
        client.declare_queue(name, max_length=2, overflow="reject-publish")
    tasks = cola.Queue(name=name, url=URL)
    tasks.put(1)
    tasks.put(2)
    assert tasks.full()
    with pytest.raises(cola.Mismatch, match="room for 2 objects, not 5"):
        cola.Queue(5, name=name, url=URL)
    with pytest.raises(cola.Mismatch, match="deduplication-window"):
        cola.Queue(name=name, url=URL, retry=True)
    tasks.delete()


def test_a_queue_whose_maker_is_gone_says_so(new_queue: NewQueue) -> None:
    tasks = new_queue()
    other = pickle.loads(pickle.dumps(tasks))
    tasks.delete()
    with pytest.raises(cola.NotFound, match="give a queue a name"):
        other.put(1)


def test_without_a_server_it_says_what_to_do() -> None:
    with pytest.raises(cola.Unreachable, match="cola serve"):
        cola.Queue(url="unix:///nowhere/cola.sock")


def test_a_simple_queue() -> None:
    simple = cola.SimpleQueue(url=URL)
    assert simple.empty()
    simple.put([1])
    assert not simple.empty()
    assert simple.get() == [1]
    simple.close()

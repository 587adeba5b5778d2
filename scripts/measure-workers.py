#!/usr/bin/env python3
"""Usage: scripts/measure-workers.py COLA [--messages N] [--idle SECONDS] [--only exec|stream|idle]

What workers cost beside what they cannot do without, on this machine and in one run, so that the figures can be held
against one another:

- exec: messages a second and CPU for each, against a bare loop that starts the same program (os.posix_spawn, then
  wait) as often, with as many at a time;
- stream: the same program that answers lines, fed by the server and by a bare process through two pipes with as many
  lines in the air;
- idle: CPU and memory of a server with a hundred stream or client workers that have nothing to do.

The CPU of a message is user and system time of all processes of that side together: server, keeper and workers, or
feeder and workers. The server's alone stands beside it.
"""
import argparse
import json
import os
import pathlib
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
# What answers lines as fast as may be: it looks for the number and nothing else.
ANSWERING = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static char in[1 << 20], out[1 << 20];
int main(void) {
    size_t have = 0;
    for (;;) {
        ssize_t got = read(0, in + have, sizeof in - have);
        if (got <= 0) return 0;
        have += (size_t)got;
        size_t used = 0, put = 0;
        for (char *end; (end = memchr(in + used, '\n', have - used)); used = (size_t)(end - in) + 1)
            put += (size_t)sprintf(out + put, "{\"done\":%lu}\n", strtoul(in + used + 12, 0, 10));
        for (size_t sent = 0; sent < put;) {
            ssize_t wrote = write(1, out + sent, put - sent);
            if (wrote <= 0) return 1;
            sent += (size_t)wrote;
        }
        memmove(in, in + used, have -= used);
    }
}
"""


class Server:
    """A broker of its own with these workers."""

    def __init__(self, cola, folder, workers):
        self.cola, self.folder = cola, pathlib.Path(tempfile.mkdtemp(dir=folder))
        path = self.folder / "cola.yaml"
        path.write_text(json.dumps({"workers": workers}))
        path.chmod(0o600)
        self.socket = tempfile.mkdtemp(prefix="cola-") + "/s"
        self.log = open(self.folder / "log", "wb")
        self.process = subprocess.Popen(
            [cola, "serve", "--data-dir", str(self.folder / "data"), "--socket", self.socket, "--native", "off",
             "--amqp", "off", "--kafka", "off", "--config", str(path), "--workers-as-root", "yes"],
            stdout=subprocess.PIPE, stderr=self.log)
        if not self.process.stdout.readline().startswith(b"cola ready"):
            sys.exit("the server does not start: " + (self.folder / "log").read_text())

    def run(self, *arguments, data=None):
        environment = dict(os.environ, COLA_URL="unix://" + self.socket)
        done = subprocess.run([self.cola, *arguments], env=environment, input=data, stdout=subprocess.PIPE, check=True)
        return done.stdout

    def rows(self, listing):
        return json.loads(self.run(listing, "--json"))

    def messages(self, queue):
        return sum(row["messages"] for row in self.rows("queues") if row["name"] == queue)

    def family(self):
        """The server, its keeper, and what that has started."""
        found, new = [], [self.process.pid]
        while new:
            pid = new.pop()
            found.append(pid)
            try:
                for task in pathlib.Path("/proc/%d/task" % pid).iterdir():
                    new += [int(child) for child in (task / "children").read_text().split()]
            except OSError:
                pass
        return found

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        self.log.close()
        shutil.rmtree(os.path.dirname(self.socket), ignore_errors=True)


def cpu(pids, with_children=True):
    """Seconds of user and system time, with those of children that have ended and were waited for."""
    total = 0
    for pid in pids:
        try:
            fields = pathlib.Path("/proc/%d/stat" % pid).read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(int(field) for field in fields[11:15 if with_children else 13])
    return total / TICK


def resident(pid):
    return int(pathlib.Path("/proc/%d/statm" % pid).read_text().split()[1]) * PAGE


def show(*cells):
    widths = [44, 12, 16, 16, 26]
    print("".join(str(cell).ljust(width) if not place else str(cell).rjust(width)
                  for place, (cell, width) in enumerate(zip(cells, widths))), flush=True)


def served(cola, folder, worker, count, body):
    """Publishes `count` messages while the worker is paused, and measures until all are done."""
    server = Server(cola, folder, {"w": dict(worker, queue="work")})
    try:
        server.run("declare", "queue", "work")
        server.run("workers", "pause", "w")
        server.run("publish", "-q", "work", "--each-line", data=(body + "\n").encode() * count)
        time.sleep(0.5)
        before, alone = cpu(server.family()), cpu([server.process.pid], False)
        begun = time.monotonic()
        server.run("workers", "resume", "w")
        pause = 0.02
        while server.messages("work"):
            time.sleep(pause)
            pause = min(0.25, pause * 1.5)
        seconds = time.monotonic() - begun
        return seconds, cpu(server.family()) - before, cpu([server.process.pid], False) - alone
    finally:
        server.stop()


def bare_spawns(program, count, at_a_time):
    """Starts it again and again, with a file as standard input, and waits for each."""
    null = os.open("/dev/null", os.O_RDWR)
    actions = [(os.POSIX_SPAWN_DUP2, null, number) for number in range(3)]
    begun, before = time.monotonic(), sum(os.times()[:4])
    started = ended = 0
    while ended < count:
        while started < count and started - ended < at_a_time:
            os.posix_spawn(program[0], program, {"PATH": os.environ["PATH"]}, file_actions=actions)
            started += 1
        os.waitpid(-1, 0)
        ended += 1
    os.close(null)
    return time.monotonic() - begun, sum(os.times()[:4]) - before


def bare_pipe(program, count, body, in_the_air):
    """Feeds the program through a pipe and reads its answers from another, as a C program would: in large pieces."""
    child = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    source, target = child.stdout.fileno(), child.stdin.fileno()
    line = '{"delivery":%d,"queue":"work","offset":%d,"attempt":1,"timestamp":1795360000000,"body":"' + body + '"}\n'
    begun, before = time.monotonic(), sum(os.times()[:2])
    sent = answered = 0
    while answered < count:
        room = min(in_the_air - (sent - answered), count - sent)
        if room > 0:
            data = "".join(line % (number, number) for number in range(sent + 1, sent + room + 1)).encode()
            sent += room
            while data:
                data = data[os.write(target, data):]
        answered += os.read(source, 65536).count(b"\n")
    seconds = time.monotonic() - begun
    used = sum(os.times()[:2]) - before
    child.stdin.close()
    child.wait()
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, used + usage.ru_utime + usage.ru_stime - bare_pipe.spent(usage)


def children_spent(usage, last=[0.0]):
    """What the children before this one used."""
    total = usage.ru_utime + usage.ru_stime
    before, last[0] = last[0], total
    return before


bare_pipe.spent = children_spent


def row(name, count, seconds, used, alone=None):
    server = "" if alone is None else "%.1f µs" % (alone / count * 1e6)
    show(name, "%d/s" % (count / seconds), "%.1f µs" % (used / count * 1e6), server)


def measure_exec(cola, folder, count):
    program = [shutil.which("true"), "x"]
    for at_a_time in (1, 4):
        bare = bare_spawns(program, count, at_a_time)
        row("bare loop of posix_spawn and wait, %d at a time" % at_a_time, count, *bare)
        worker = {"mode": "exec", "command": program, "processes": at_a_time}
        row("cola exec, %d processes" % at_a_time, count, *served(cola, folder, worker, count, "x"))


def measure_stream(cola, folder, count):
    source, program = folder / "answering.c", folder / "answering"
    source.write_text(ANSWERING)
    if subprocess.run(["cc", "-O2", "-w", "-o", str(program), str(source)]).returncode:
        sys.exit("no C compiler builds the program that answers; apt-get install gcc")
    children_spent(resource.getrusage(resource.RUSAGE_CHILDREN))
    for prefetch in (1, 50, 1000):
        some = count // 10 if prefetch == 1 else count
        row("bare pipes (Python), %d in the air" % prefetch, some, *bare_pipe([str(program)], some, "x" * 16, prefetch))
        for format, command in (("json", [str(program)]), ("native", ["mawk", "-W", "interactive", AWK])):
            if format == "native" and (prefetch != 1000 or not shutil.which("mawk")):
                continue
            worker = {"mode": "stream", "format": format, "command": command, "prefetch": prefetch}
            name = "cola stream, %s, prefetch %d" % (format + (" (mawk)" if format == "native" else ""), prefetch)
            row(name, some, *served(cola, folder, worker, some, "x" * 16))
            children_spent(resource.getrusage(resource.RUSAGE_CHILDREN))


AWK = '/^msg /{print "ack " $3; fflush()}'


def measure_idle(cola, folder, seconds):
    for mode in ("none", "client", "stream"):
        # A client with a queue would have to connect before it is ready.
        definition = {
            "none": None, "client": {"command": ["sleep", "1000000"]}, "stream": {"command": ["cat"], "queue": "work"},
        }[mode]
        workers = {"w": dict(definition, mode=mode, processes=100)} if definition else {}
        server = Server(cola, folder, workers)
        try:
            begun = time.monotonic()
            while mode != "none" and sum(row["ready"] for row in server.rows("workers")) < 100:
                time.sleep(0.1)
            up = time.monotonic() - begun
            time.sleep(2)
            before = cpu([server.process.pid])
            lines = {pid: pathlib.Path("/proc/%d/cmdline" % pid).read_bytes() for pid in server.family()}
            keeper = [pid for pid, line in lines.items() if b"keeper" in line]
            kept = cpu(keeper, False)
            time.sleep(seconds)
            used, kept = cpu([server.process.pid]) - before, cpu(keeper, False) - kept
            show("idle, %s" % ("no workers" if mode == "none" else "100 %s workers" % mode), "",
                 "%.3f %%" % (100 * used / seconds), "%.1f MiB" % (resident(server.process.pid) / 2**20),
                 "" if mode == "none" else "keeper %.3f %%, %.1f MiB" % (
                     100 * kept / seconds, sum(map(resident, keeper)) / 2**20))
            if mode != "none":
                show("  all 100 were ready after", "%.1f s" % up)
        finally:
            server.stop()


def main():
    parser = argparse.ArgumentParser(usage=__doc__.splitlines()[0][7:])
    parser.add_argument("cola")
    parser.add_argument("--messages", type=int, default=300_000, help="of stream; exec has a hundredth of them")
    parser.add_argument("--idle", type=float, default=30.0)
    parser.add_argument("--only", choices=["exec", "stream", "idle"])
    options = parser.parse_args()
    cola = os.path.abspath(options.cola)
    # On the disk of the repository: /tmp may be memory.
    parent = pathlib.Path(__file__).resolve().parents[1] / ".build"
    parent.mkdir(exist_ok=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="workers.", dir=parent))
    try:
        print("load of the machine before: %.2f %.2f %.2f" % os.getloadavg())
        show("", "messages", "CPU of a message", "server's alone", "")
        if options.only in (None, "exec"):
            measure_exec(cola, folder, max(10, options.messages // 100))
        if options.only in (None, "stream"):
            measure_stream(cola, folder, options.messages)
        if options.only in (None, "idle"):
            show("", "", "CPU", "resident", "")
            measure_idle(cola, folder, options.idle)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

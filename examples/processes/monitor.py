"""A process looks after services: it pings each of them in turn, and reports every change through a queue.

    python3 examples/processes/monitor.py

The services are ports of this machine; the example opens one of them, and closes it again.
"""

import queue
import socket
from multiprocessing import Process

from cola import Queue

INTERVAL = 0.1  # seconds


def is_up(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


def monitor(ports: dict, alerts: Queue, orders: Queue) -> None:
    known: dict = {}
    while True:
        for name, port in ports.items():
            up = is_up(port)
            if known.get(name) != up:
                known[name] = up
                alerts.put((name, "up" if up else "DOWN"))
        try:
            if orders.get(timeout=INTERVAL) == "stop":
                return
        except queue.Empty:
            pass  # nobody said anything: look again


def main() -> None:
    services = {name: socket.socket() for name in ("shop", "billing", "mail")}
    for service in services.values():
        service.bind(("127.0.0.1", 0))
    ports = {name: service.getsockname()[1] for name, service in services.items()}
    alerts, orders = Queue(), Queue()
    process = Process(target=monitor, args=(ports, alerts, orders))
    process.start()
    for _ in ports:
        print("{} is {}".format(*alerts.get(timeout=30)), flush=True)
    services["billing"].listen()
    print("{} is {}".format(*alerts.get(timeout=30)), flush=True)
    services["billing"].shutdown(socket.SHUT_RDWR)
    print("{} is {}".format(*alerts.get(timeout=30)), flush=True)
    orders.put("stop")
    process.join()
    print("the monitor has ended")


if __name__ == "__main__":
    main()

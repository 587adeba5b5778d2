"""Processes download in parallel, each taking the next address when it is done with the last.

    python3 examples/processes/downloads.py

The pages come from a web server that the example runs itself, on this machine only.
"""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import Process
from urllib.request import ProxyHandler, build_opener

from cola import Queue

WORKERS = 4
PAGES = [f"/page/{number}" for number in range(12)]


class Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = self.path.encode() * 10_000
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        pass  # the log would stand between the results


def download(addresses: Queue, results: Queue) -> None:
    opener = build_opener(ProxyHandler({}))  # this machine is reached without a proxy
    for address in iter(addresses.get, None):
        with opener.open(address, timeout=10) as answer:
            body = answer.read()
        page = address[address.index("/page") :]
        results.put((page, len(body), hashlib.sha256(body).hexdigest()[:12]))


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    addresses, results = Queue(), Queue()
    workers = [Process(target=download, args=(addresses, results)) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for page in PAGES:
        addresses.put(f"http://127.0.0.1:{server.server_port}{page}")
    for _ in workers:
        addresses.put(None)
    for page, size, digest in sorted(results.get(timeout=30) for _ in PAGES):
        print(f"{page}: {size} bytes, {digest}")
    for worker in workers:
        worker.join()
    server.shutdown()


if __name__ == "__main__":
    main()

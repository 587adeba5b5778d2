"""``python -m cola worker MODULE[:NAME]``: runs the workers of a module."""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from types import ModuleType
from typing import List, NoReturn, Optional, Union

from ._errors import ColaError
from ._worker import Worker
from ._workers import AnyWorker, run_workers, workers_of

_USAGE, _UNAVAILABLE = 64, 69


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(_USAGE, f"{self.prog}: {message}\n")


def main(arguments: Optional[List[str]] = None) -> int:
    parser = _Parser(prog="python -m cola", description="Cola for Python.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    worker = commands.add_parser(
        "worker",
        help="run the workers of a module",
        description="Runs functions with @cola.worker(QUEUE) until SIGTERM or SIGINT. Under `cola serve`, as a worker "
        "of mode client, it needs no URL.",
    )
    worker.add_argument("module", metavar="MODULE[:NAME]", help="the module; with NAME one of its workers, else all")
    worker.add_argument("--processes", type=int, default=1, metavar="N", help="of each worker; 1 if not said")
    worker.add_argument("--start-method", choices=("fork", "spawn"), default="fork", help="fork if not said")
    worker.add_argument("--url", help="of the server; else COLA_URL, else the socket in ./cola-data")
    chosen = parser.parse_args(arguments)
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.INFO)
    try:
        run_workers(
            _find(parser, chosen.module),
            processes=chosen.processes,
            start_method=chosen.start_method,
            url=chosen.url,
        )
    except ValueError as problem:
        parser.error(str(problem))
    except ColaError as problem:
        print(f"{parser.prog}: {problem.sentence}", file=sys.stderr)
        return _UNAVAILABLE
    return 0


def _find(parser: _Parser, text: str) -> Union[ModuleType, AnyWorker]:
    name, _, attribute = text.partition(":")
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as problem:
        if problem.name is None or not f"{name}.".startswith(f"{problem.name}."):
            raise  # it is there, and lacks something itself
        parser.error(f"there is no module {name!r} in {sys.path[0] or 'this folder'} or where Python looks for modules")
    if not attribute:
        return module
    found = getattr(module, attribute, None)
    if isinstance(found, Worker):
        return found
    names = ", ".join(worker.name for worker in workers_of(module)) or "none"
    parser.error(f"module {name!r} has no worker {attribute!r}; it has {names}")


if __name__ == "__main__":
    sys.exit(main())

"""Runs a broker under `Tests/powercut`, which turns a kill -9 into a loss of power afterwards."""
from __future__ import annotations

import importlib.util
import pathlib
import shutil
import sqlite3
import subprocess
import tempfile
from typing import Dict, Optional

from broker import REPOSITORY, Broker

SOURCE = REPOSITORY / "Tests" / "powercut"


def load_powercut():
    specification = importlib.util.spec_from_file_location("powercut", str(SOURCE / "powercut.py"))
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


class Recorder:
    """Records every write and sync below a broker's data directory, and can take back what was not synced."""

    _library: Optional[str] = None

    def __init__(self, broker: Broker):
        self.broker = broker
        self.log = broker.folder / "power.log"
        broker.data.mkdir(mode=0o700, parents=True, exist_ok=True)  # the recorder wants to know it from the start
        broker.environment.update(self.environment())

    def environment(self) -> Dict[str, str]:
        return {"LD_PRELOAD": self.library(), "POWERCUT_DIR": str(self.broker.data), "POWERCUT_LOG": str(self.log)}

    @classmethod
    def library(cls) -> str:
        """Compiled once a run, into a temporary folder that is deleted when Python ends."""
        if cls._library is None:
            assert shutil.which("cc"), "a C compiler is needed to build Tests/powercut/powercut.c"
            cls._folder = tempfile.TemporaryDirectory(prefix="powercut-")
            cls._library = cls._folder.name + "/powercut.so"
            subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-w", "-o", cls._library, str(SOURCE / "powercut.c"),
                            "-ldl", "-lpthread"], check=True)
        return cls._library

    def cut(self, mode: str, seed: int, directories: bool) -> Dict[str, int]:
        """kill -9, then what a loss of power could have left. The next start finds that."""
        self.broker.kill()
        assert "powercut: WARNING" not in self.broker.stderr(), self.broker.stderr()
        figures = load_powercut().apply(str(self.log), mode, seed, directories)
        assert figures["writes"] > 0, "the recorder saw no writes: is the executable linked dynamically?"
        return figures

    def trigger(self, name: str) -> pathlib.Path:
        """Makes syncs (`eio`) or writes (`wio`) fail from now on, or files unable to grow (`enospc`)."""
        path = pathlib.Path("%s.%s" % (self.log, name))
        path.touch()
        return path


def check_copy(broker: Broker) -> None:
    """`PRAGMA integrity_check` on a copy, so that SQLite's own recovery does not touch what the broker will find."""
    database = broker.database()
    with tempfile.TemporaryDirectory(dir=str(broker.folder)) as folder:
        for suffix in ("", "-wal"):
            source = pathlib.Path(str(database) + suffix)
            if source.exists():
                shutil.copy(str(source), folder)
        copy = sqlite3.connect(folder + "/" + database.name)
        try:
            found = copy.execute("PRAGMA integrity_check").fetchall()
        finally:
            copy.close()
    assert found == [("ok",)], "integrity_check of %s: %s" % (database, found[:5])

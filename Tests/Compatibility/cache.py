"""What the suites need on this machine: installed when it is missing, and kept outside of the repository."""
from __future__ import annotations

import fcntl
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
from contextlib import contextmanager
from typing import Iterator, List

INSTALL_SECONDS = 600


class Missing(Exception):
    """Something cannot be installed here. The text says what, and how somebody who may could install it."""


def folder() -> pathlib.Path:
    """`COLA_COMPAT_CACHE`, else `cola-compat` in the user's cache folder."""
    named = os.environ.get("COLA_COMPAT_CACHE")
    usual = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "cola-compat"
    path = pathlib.Path(named) if named else usual
    path.mkdir(parents=True, exist_ok=True)
    return path


@contextmanager
def locked(name: str) -> Iterator[None]:
    """One at a time, over all processes: two test runs may share the folder."""
    with open(folder() / (name + ".lock"), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run(command: List[str], what: str) -> None:
    """Runs an installer; its last words are the reason when it fails."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=INSTALL_SECONDS, env=dict(os.environ, DEBIAN_FRONTEND="noninteractive"))
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing("%s: %s" % (what, error)) from None
    if done.returncode != 0:
        lines = done.stdout.decode("utf-8", "replace").strip().splitlines() or ["exit code %d" % done.returncode]
        raise Missing("%s: %s" % (what, " / ".join(lines[-3:])))


def environment(name: str, *packages: str) -> pathlib.Path:
    """The python of a virtual environment with exactly these packages, and pytest."""
    wanted = ["pytest", "pytest-timeout", *packages]
    path = folder() / ("environment-" + name)
    python, done = path / "bin" / "python", path / "installed"
    with locked("environment-" + name):
        if not (done.exists() and done.read_text() == "\n".join(wanted) and works(python)):
            shutil.rmtree(path, ignore_errors=True)
            run([sys.executable, "-m", "venv", str(path)], "cannot make a virtual environment in %s" % path)
            run([str(python), "-m", "pip", "install", "--quiet", *wanted], "cannot install %s" % " ".join(packages))
            done.write_text("\n".join(wanted))
    return python


def works(python: pathlib.Path) -> bool:
    try:
        return subprocess.run([str(python), "-c", ""], timeout=60).returncode == 0
    except OSError:
        return False


def source(name: str, version: str) -> pathlib.Path:
    """The unpacked source distribution of a Python package, which has its tests; not to be changed."""
    path = folder() / ("%s-%s" % (name, version))
    with locked(path.name):
        if not path.exists():
            what = "cannot download the source of %s %s" % (name, version)
            run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:",
                 "--dest", str(folder()), "%s==%s" % (name, version)], what)
            with tarfile.open(folder() / (path.name + ".tar.gz")) as archive:
                archive.extractall(folder())
    return path


def debian(*packages: str, may_install: bool = True) -> None:
    """Installs packages of Debian or a relative, as root or with a sudo that asks for nothing."""
    if not shutil.which("dpkg-query") or not shutil.which("apt-get"):
        raise Missing("needs %s, and this is no Debian system" % " ".join(packages))
    with locked("debian"):
        missing = [name for name in packages if not is_installed(name)]
        if not missing:
            return
        if not may_install:
            raise Missing("%s is missing, which only COLA_LONG=1 installs" % " ".join(missing))
        root = [] if os.geteuid() == 0 else ["sudo", "-n", "-E"]
        command = [*root, "apt-get", "-q", "-o", "DPkg::Lock::Timeout=300"]
        what = "cannot install it (as root: apt-get install %s)" % " ".join(missing)
        run([*command, "update"], what)
        run([*command, "install", "-y", "--no-install-recommends", *missing], what)


def is_installed(package: str) -> bool:
    done = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status}", package], timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return done.stdout == b"installed"

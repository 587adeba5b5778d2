"""What is installed works where it is installed: `make install`, the Debian package, its units, and the archive.

Packages are installed on a machine of their own (box.py), once without systemd, as in a container, and once with a real
one, so that the sandbox of the unit is what the server and its workers run in.
"""
from __future__ import annotations

import contextlib
import hashlib
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tarfile
import threading
import time
from typing import Callable, Dict, Iterator, List, Set, Tuple

import pytest

import box as boxes
from broker import REPOSITORY, Broker, binary, die_with_parent, new_folder
from cli import environment

PACKAGING = REPOSITORY / "packaging"
EPOCH = "1763942400"  # 2025-11-24
URL = "unix:///run/cola/cola.sock"
# Of systemd's scale from 0 to 10. A server that listens on a network does not get to 0.
EXPOSURE_MOST = 2.0


def script(name: str, *arguments: str, code: int = 0, **variables: str) -> str:
    """Runs one of packaging/, and returns what it printed."""
    done = subprocess.run(
        [str(PACKAGING / name), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, timeout=240, env=environment(None, dict({"SOURCE_DATE_EPOCH": EPOCH}, **variables)), check=False)
    assert done.returncode == code, "%s ended with %d: %s" % (name, done.returncode, done.stdout)
    return done.stdout


def tree(root: pathlib.Path) -> Dict[str, str]:
    """Every file and folder, with a mark of its content."""
    found: Dict[str, str] = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        found[name] = "folder" if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def needs(*tools: str) -> None:
    missing = [tool for tool in tools if not shutil.which(tool)]
    if missing:
        pytest.skip("there is no " + " and no ".join(missing))


@pytest.fixture
def folder() -> Iterator[pathlib.Path]:
    made = new_folder()
    yield made
    shutil.rmtree(str(made), ignore_errors=True)


# make install


def installed(destination: pathlib.Path, **variables: str) -> None:
    script("install.sh", binary(), DESTDIR=str(destination), **variables)


def test_what_is_installed_runs_and_uninstalling_leaves_nothing(folder):
    root = folder / "root"
    (root / "opt" / "cola" / "bin").mkdir(parents=True)
    (root / "opt" / "cola" / "bin" / "other").write_text("somebody else's\n")
    before = tree(root)
    installed(root, PREFIX="/opt/cola")
    there = tree(root)
    prefix = root / "opt" / "cola"
    for path in (
        "bin/cola", "share/man/man1/cola.1", "share/man/man1/cola-publish.1", "share/man/man5/cola.yaml.5",
        "share/bash-completion/completions/cola", "share/zsh/site-functions/_cola",
        "share/fish/vendor_completions.d/cola.fish", "share/doc/cola/LICENSE", "share/doc/cola/copyright",
    ):
        assert (prefix / path).is_file(), path
    assert not [path for path in there if "systemd" in path], "units without being asked for"
    assert not (root / "etc").exists()
    run = subprocess.run([str(prefix / "bin" / "cola"), "--version"], stdout=subprocess.PIPE, timeout=30, check=True)
    assert run.stdout == subprocess.run([binary(), "--version"], stdout=subprocess.PIPE, timeout=30).stdout
    assert (prefix / "bin" / "cola").stat().st_size <= os.stat(binary()).st_size
    installed(root, PREFIX="/opt/cola")
    assert tree(root) == there, "a second time changes something"
    script("install.sh", "--uninstall", DESTDIR=str(root), PREFIX="/opt/cola")
    assert tree(root) == before


def test_units_are_installed_with_the_paths_of_the_installation_and_the_configuration_is_kept(folder):
    root = folder / "root"
    installed(root, PREFIX="/usr/local", UNITS="yes", SYSCONFDIR="/usr/local/etc")
    service = (root / "usr/local/lib/systemd/system/cola.service").read_text()
    assert "ExecStart=/usr/local/bin/cola serve --config /usr/local/etc/cola/cola.yaml\n" in service
    assert (root / "usr/local/lib/sysusers.d/cola.conf").is_file()
    config = root / "usr/local/etc/cola/cola.yaml"
    shipped = config.read_text()
    config.write_text(shipped + "\nlog-level: debug\n")
    installed(root, PREFIX="/usr/local", UNITS="yes", SYSCONFDIR="/usr/local/etc")
    assert config.read_text() == shipped + "\nlog-level: debug\n"
    said = script("install.sh", "--uninstall", DESTDIR=str(root), PREFIX="/usr/local")
    assert str(config) in said
    assert [name for name, mark in tree(root).items() if mark != "folder"] == ["usr/local/etc/cola/cola.yaml"]
    installed(root, PREFIX="/usr/local", UNITS="yes", SYSCONFDIR="/usr/local/etc")
    config.write_text(shipped)
    # Without units they go, and it is still known whose the configuration is.
    installed(root, PREFIX="/usr/local", UNITS="no")
    assert config.exists() and not (root / "usr/local/lib/systemd/system/cola.service").exists()
    script("install.sh", "--uninstall", DESTDIR=str(root), PREFIX="/usr/local")
    assert not [name for name, mark in tree(root).items() if mark != "folder"]


def test_a_file_that_a_newer_version_has_not_any_more_goes(folder):
    root = folder / "root"
    installed(root, PREFIX="/p")
    old = root / "p/share/man/man1/cola-gone.1"
    old.write_text("of an older version\n")
    listing = root / "p/share/doc/cola/installed"
    listing.write_text(listing.read_text() + "file /p/share/man/man1/cola-gone.1\n")
    installed(root, PREFIX="/p")
    assert not old.exists()
    script("install.sh", "--uninstall", DESTDIR=str(root), PREFIX="/p")
    assert not root.exists() or tree(root) == {}


@pytest.mark.parametrize("variables, code, words", [
    ({"PREFIX": "relative"}, 64, "must begin with /"),
    ({"UNITS": "maybe"}, 64, "UNITS is 'maybe'"),
])
def test_a_wrong_installation_is_refused(folder, variables, code, words):
    assert words in script("install.sh", binary(), code=code, DESTDIR=str(folder / "root"), **variables)
    assert not (folder / "root").exists()
    assert "make build" in script("install.sh", str(folder / "none"), code=66, DESTDIR=str(folder / "root"))
    assert "nothing is installed" in script("install.sh", "--uninstall", code=66, DESTDIR=str(folder / "root"))


# The archive


@pytest.fixture(scope="module")
def archive() -> Iterator[pathlib.Path]:
    needs("tar", "gzip", "sha256sum")
    made = new_folder()
    yield pathlib.Path(script("archive.sh", binary(), str(made)).splitlines()[-1])
    shutil.rmtree(str(made), ignore_errors=True)


def test_the_same_executable_makes_the_same_archive(archive, folder):
    again = pathlib.Path(script("archive.sh", binary(), str(folder)).splitlines()[-1])
    assert again.name == archive.name
    assert again.read_bytes() == archive.read_bytes()
    subprocess.run(["sha256sum", "--check", "SHA256SUMS"], cwd=str(folder), check=True, timeout=60,
                   stdout=subprocess.DEVNULL)
    with tarfile.open(str(archive)) as packed:
        members = packed.getmembers()
    assert {member.mtime for member in members} == {int(EPOCH)}
    assert {(member.uid, member.gid) for member in members} == {(0, 0)}
    assert {member.mode & 0o7022 for member in members} == {0}, "somebody else could write to it"
    assert [member.name for member in members] == sorted(member.name for member in members)


def test_the_archive_serves_from_an_empty_folder(archive, folder, monkeypatch):
    with tarfile.open(str(archive)) as packed:
        packed.extractall(str(folder))
    unpacked = folder / archive.name[:-len(".tar.gz")]
    for name in ("cola", "LICENSE", "README.md", "man/man1/cola.1", "completions/cola.bash", "systemd/cola.service"):
        assert (unpacked / name).is_file(), name
    executable = str(unpacked / "cola")
    monkeypatch.setenv("COLA_BIN", executable)
    broker = Broker(folder)
    try:
        broker.start()
        for command, said in (("publish --queue q --declare hello", "published 1\n"), ("get q", "hello\n")):
            done = subprocess.run(
                [executable, *command.split()], stdout=subprocess.PIPE, timeout=30, env=environment(broker.unix))
            assert (done.returncode, done.stdout.decode()) == (0, said)
        assert broker.terminate().code == 0
    finally:
        broker.remove()


# The package


def build_package(target: pathlib.Path, version: str = "") -> pathlib.Path:
    variables = {"DPKG_DEB_COMPRESSOR_TYPE": "gzip", "DPKG_DEB_COMPRESSOR_LEVEL": "1"}
    if version:
        variables["PACKAGE_VERSION"] = version
    return pathlib.Path(script("deb.sh", binary(), str(target), **variables).splitlines()[-1])


@pytest.fixture(scope="module")
def packages() -> Iterator[Tuple[pathlib.Path, pathlib.Path]]:
    """The package, and one of a higher version."""
    needs("dpkg-deb", "dpkg-shlibdeps", "strip")
    made = new_folder()
    yield build_package(made), build_package(made, "9.0.0-1")
    shutil.rmtree(str(made), ignore_errors=True)


def test_the_same_executable_makes_the_same_package(packages, folder):
    assert build_package(folder).read_bytes() == packages[0].read_bytes()


def test_the_package_says_what_it_is_and_needs(packages):
    def field(name: str) -> str:
        return subprocess.run(
            ["dpkg-deb", "--field", str(packages[0]), name], stdout=subprocess.PIPE, text=True, timeout=30,
            check=True).stdout.strip()

    version = subprocess.run([binary(), "--version"], stdout=subprocess.PIPE, text=True, timeout=30).stdout
    assert field("Version") == version.splitlines()[0].split()[-1] + "-1"
    assert "libc6 (>=" in field("Depends")
    listing = subprocess.run(
        ["dpkg-deb", "--contents", str(packages[0])], stdout=subprocess.PIPE, text=True, timeout=60, check=True).stdout
    rows = [line.split(None, 5) for line in listing.splitlines()]
    assert {row[1] for row in rows} == {"root/root"}
    names = {row[5] for row in rows}
    assert names >= {
        "./usr/bin/cola", "./usr/share/man/man1/cola.1.gz", "./usr/share/man/man5/cola.yaml.5.gz",
        "./usr/share/doc/cola/copyright", "./usr/share/doc/cola/changelog.gz", "./etc/cola/cola.yaml",
        "./lib/systemd/system/cola.service", "./lib/systemd/system/cola.socket", "./usr/lib/sysusers.d/cola.conf",
        "./usr/share/bash-completion/completions/cola", "./usr/share/zsh/vendor-completions/_cola",
        "./usr/share/fish/vendor_completions.d/cola.fish"}
    assert not [name for name in names if name.startswith("./var")], "data would go with the package"


def test_lintian_has_nothing_to_say(packages):
    needs("lintian")
    # Debian's archive asks for xz.
    done = subprocess.run(
        ["lintian", "--fail-on", "error,warning", "--suppress-tags", "uses-no-compression-for-control-tarball",
         str(packages[0])],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout


# Installed, without systemd


@contextlib.contextmanager
def machine(first: str) -> Iterator[boxes.Box]:
    reason = boxes.why_not(first)
    if reason:
        pytest.skip("installs packages for real: " + reason)
    made = boxes.Box(first)
    try:
        try:
            made.start()
        except boxes.Unavailable as unavailable:
            pytest.skip("installs packages for real: %s" % unavailable)
        yield made
    finally:
        made.stop()


@pytest.fixture
def container() -> Iterator[boxes.Box]:
    with machine("sleep") as made:
        yield made


class Served:
    """The installed server, run as systemd would run it, for as long as the block lasts."""

    def __init__(self, box: boxes.Box):
        self.box = box

    def __enter__(self) -> "Served":
        # What the unit's RuntimeDirectory= does.
        self.box.run("install", "-d", "-m", "0755", "-o", "cola", "-g", "cola", "/run/cola")
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        with contextlib.suppress(FileNotFoundError):
            self.box.path("/run/notify").unlink()
        self._notify.bind(str(self.box.path("/run/notify")))
        os.chmod(str(self.box.path("/run/notify")), 0o666)
        self._log = open(str(self.box.path("/run/log")), "wb")
        self.process = subprocess.Popen(
            self.box.command(
                "setpriv", "--reuid=cola", "--regid=cola", "--init-groups", "--no-new-privs", "env", "-i",
                "PATH=/usr/bin:/bin", "HOME=/var/lib/cola", "NOTIFY_SOCKET=/run/notify",
                "cola", "serve", "--config", "/etc/cola/cola.yaml"),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._log, preexec_fn=die_with_parent)
        assert self.process.stdout is not None
        too_late = threading.Timer(30, self.process.kill)
        too_late.start()
        line = self.process.stdout.readline().decode()
        too_late.cancel()
        assert line.startswith("cola ready "), "%r; %s" % (line, self.box.path("/run/log").read_text())
        self.line = line
        self.wait_for("READY")
        return self

    def wait_for(self, word: str) -> Dict[str, str]:
        """The next notice that has this word."""
        self._notify.settimeout(30)
        while True:
            notice = dict(
                line.partition("=")[::2] for line in self._notify.recv(4096).decode().splitlines() if "=" in line)
            if word in notice:
                return notice

    @property
    def pid(self) -> int:
        """Of the server; what was started here is `nsenter`, which has become it, or waits for it."""
        return int(self.box.output("pgrep", "--uid", "cola", "--oldest", "--exact", "cola").split()[0])

    def __exit__(self, *ignored: object) -> None:
        try:
            if self.process.poll() is None:
                self.box.run("kill", "-TERM", str(self.pid))
                assert self.process.wait(30) == 0, self.box.path("/run/log").read_text()
        finally:
            self.process.kill()
            self.process.wait(30)
            assert self.process.stdout is not None
            self.process.stdout.close()
            self._log.close()
            self._notify.close()


# What the tools that make users keep of the state before.
OF_THE_SYSTEM = {"/etc/.pwd.lock", "/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-", "/etc/gshadow"}


def files(box: boxes.Box) -> Set[str]:
    """Every file and folder where packages put theirs, without the data of the server, and what dpkg itself keeps."""
    return set(box.output(
        "sh", "-c", "find /etc /usr /lib /var/lib /var/spool /srv -xdev "
        "-path /var/lib/cola -prune -o -path /var/lib/dpkg -prune -o -print").splitlines())


def said(box: boxes.Box, *words: str) -> str:
    """What a command of the installed `cola` prints."""
    return box.output("cola", *words, COLA_URL=URL)


def test_the_package_in_a_container_is_installed_upgraded_removed_and_purged_without_losing_a_message(
    packages, container
):
    first, second = (container.copy(package) for package in packages)
    before = files(container)
    container.run("dpkg", "--install", first)
    assert files(container) > before
    assert container.output("dpkg", "--verify", "cola") == ""
    assert container.output("stat", "-c", "%U:%G:%a", "/var/lib/cola").strip() == "cola:cola:700"
    assert container.output("stat", "-c", "%U:%G:%a", "/etc/cola/cola.yaml").strip() == "root:cola:640"
    user = container.output("getent", "passwd", "cola").strip().split(":")
    assert user[5:] == ["/var/lib/cola", "/usr/sbin/nologin"]
    with Served(container) as served:
        assert "data=/var/lib/cola" in served.line and "socket=" + URL in served.line
        assert said(container, "publish", "--queue", "letters", "--declare", "one", "two") == "published 2\n"
        assert container.output("stat", "-c", "%U:%a", "/run/cola/cola.sock").strip() == "cola:660"

    config = container.path("/etc/cola/cola.yaml")
    edited = config.read_text() + "\nlog-format: json\n"
    config.write_text(edited)
    container.run("dpkg", "--install", second)
    assert config.read_text() == edited
    assert container.output("stat", "-c", "%U:%G:%a", "/etc/cola/cola.yaml").strip() == "root:cola:640"
    # Each step of the scripts may be taken again.
    for _ in range(2):
        container.run("/var/lib/dpkg/info/cola.postinst", "configure", "9.0.0-1")
    with Served(container):
        assert said(container, "get", "letters") == "one\n"

    container.run("dpkg", "--remove", "cola")
    assert not container.path("/usr/bin/cola").exists()
    assert config.read_text() == edited
    assert container.path("/var/lib/cola/cola.db").exists()
    told = container.output("dpkg", "--purge", "cola")
    assert "/var/lib/cola" in told
    assert not config.exists() and not config.parent.exists()
    assert container.path("/var/lib/cola/cola.db").exists()
    assert files(container) - before <= OF_THE_SYSTEM

    container.run("dpkg", "--install", first)
    with Served(container):
        assert said(container, "get", "letters") == "two\n"


def test_members_of_the_group_may_connect_and_do_what_is_permitted_to_them(packages, container):
    def as_user(group: str, *words: str) -> Tuple[int, bool]:
        """The exit code, and whether it came from the broker."""
        done = container.run(
            "setpriv", "--reuid=games", "--regid=games", "--groups=" + group, "--", "cola", *words, check=False,
            COLA_URL=URL)
        return done.returncode, "may not use unix://" not in done.stdout

    container.run("dpkg", "--install", container.copy(packages[0]))
    with Served(container):
        said(container, "declare", "queue", "letters")
        identity = "uid:" + container.output("id", "-u", "games").strip()
        assert as_user("games", "health")[1] is False
        said(container, "users", "add", identity, "--no-password")
        assert as_user("cola", "publish", "--queue", "letters", "one") == (77, True)
        said(container, "permissions", "set", identity, "--configure", ".*", "--write", ".*", "--read", ".*")
        assert as_user("cola", "publish", "--queue", "letters", "one") == (0, True)
        assert as_user("games", "health")[1] is False


def test_the_user_is_made_without_systemd_as_well(packages, container):
    container.run("rm", "-f", "/usr/bin/systemd-sysusers", "/bin/systemd-sysusers")
    container.run("dpkg", "--install", container.copy(packages[0]))
    user = container.output("getent", "passwd", "cola").strip().split(":")
    assert user[5:] == ["/var/lib/cola", "/usr/sbin/nologin"] and int(user[2]) < 1000
    assert container.output("stat", "-c", "%U:%G:%a", "/var/lib/cola").strip() == "cola:cola:700"
    with Served(container):
        assert said(container, "publish", "--queue", "q", "--declare", "x") == "published 1\n"


def test_purging_what_never_ran_leaves_nothing_but_the_user(packages, container):
    container.run("dpkg", "--install", container.copy(packages[0]))
    container.run("dpkg", "--purge", "cola")
    assert not container.path("/var/lib/cola").exists()
    assert not container.path("/etc/cola").exists()


# Installed, with systemd


WORKERS = """
workers:
  counting:
    queue: texts
    command: [sh, -c, 'id -un; nice; ulimit -n; pwd; touch /tmp/mine && echo tmp; touch /usr/mine; touch /etc/mine;
      ls -A /home /root; cat']
    nice: 5
    limits: {open-files: 99, memory: 1GiB, cpu: 1 min, processes: 4096}
    result-queue: seen
"""


@pytest.fixture
def installed_machine(packages) -> Iterator[boxes.Box]:
    """With systemd as its first process, and the package installed."""
    with machine("systemd") as made:
        made.run("dpkg", "--install", made.copy(packages[0]))
        yield made


def state(box: boxes.Box, unit: str = "cola.service") -> Dict[str, str]:
    """What systemd says of a unit."""
    return dict(
        line.partition("=")[::2] for line in box.output(
            "systemctl", "show", "--property", "ActiveState,MainPID,NRestarts,Result,ExecMainStatus,UnitFileState",
            unit).splitlines())


def wait_until(box: boxes.Box, what: Callable[[Dict[str, str]], bool], unit: str = "cola.service") -> Dict[str, str]:
    deadline = time.monotonic() + 60
    while True:
        found = state(box, unit)
        if what(found):
            return found
        assert time.monotonic() < deadline, "%s; %s" % (found, journal(box))
        time.sleep(0.05)


def journal(box: boxes.Box) -> str:
    return box.run("journalctl", "--no-pager", "--lines", "40", "--unit", "cola", check=False).stdout


def test_systemd_starts_watches_and_restarts_the_server(installed_machine):
    box = installed_machine
    begun = wait_until(box, lambda unit: unit["ActiveState"] == "active")
    assert begun["UnitFileState"] == "enabled"
    assert box.output("stat", "-c", "%U:%G:%a", "/var/lib/cola").strip() == "cola:cola:700"
    assert said(box, "publish", "--queue", "letters", "--declare", "one", "two") == "published 2\n"
    assert box.output("cola", "health", "--url", "tcp://127.0.0.1:7672")

    # Reloading keeps the process; a change of the file is taken.
    config = box.path("/etc/cola/cola.yaml")
    config.write_text(config.read_text() + WORKERS)
    box.run("systemctl", "reload", "cola")
    said(box, "publish", "--queue", "texts", "a text")
    seen = said(box, "consume", "--queue", "seen", "--follow", "--count", "1", "--idle-timeout", "30").splitlines()
    assert state(box)["MainPID"] == begun["MainPID"]
    # The worker is in the sandbox, and in what its own definition says.
    assert seen == ["cola", "5", "99", "/var/lib/cola", "tmp", "a text"], seen
    assert not box.path("/tmp/mine").exists()

    # What is killed comes again, with all that it had confirmed.
    box.run("kill", "-KILL", begun["MainPID"])
    after = wait_until(
        box, lambda unit: unit["ActiveState"] == "active" and unit["MainPID"] not in ("0", begun["MainPID"]))
    assert after["NRestarts"] == "1"
    assert said(box, "get", "letters") == "one\n"

    # One that does not turn any more is killed and comes again.
    box.run("mkdir", "-p", "/run/systemd/system/cola.service.d")
    box.path("/run/systemd/system/cola.service.d/watchdog.conf").write_text("[Service]\nWatchdogSec=5s\n")
    box.run("systemctl", "daemon-reload")
    box.run("systemctl", "restart", "cola")
    running = state(box)["MainPID"]
    box.run("kill", "-STOP", running)
    wait_until(box, lambda unit: unit["ActiveState"] == "active" and unit["MainPID"] not in ("0", running))
    assert said(box, "get", "letters") == "two\n"

    # A stop is one in order, and leaves no worker behind.
    box.run("systemctl", "stop", "cola")
    ended = state(box)
    assert (ended["Result"], ended["ExecMainStatus"]) == ("success", "0"), journal(box)
    assert box.run("pgrep", "--uid", "cola", check=False).stdout == ""


def test_systemd_does_not_start_again_what_would_fail_again(installed_machine):
    box = installed_machine
    config = box.path("/etc/cola/cola.yaml")
    config.write_text("no-such-setting: 1\n")
    box.run("systemctl", "restart", "cola", check=False)
    failed = wait_until(box, lambda unit: unit["ActiveState"] == "failed")
    assert (failed["ExecMainStatus"], failed["NRestarts"]) == ("64", "0")
    assert "no-such-setting" in journal(box)


def test_sockets_of_systemd_start_the_server_and_nobody_is_refused_while_it_restarts(installed_machine):
    box = installed_machine
    assert state(box, "cola.socket")["ActiveState"] == "inactive"
    box.run("systemctl", "stop", "cola")
    box.run("systemctl", "enable", "--now", "cola.socket")
    for url in (URL, "tcp://127.0.0.1:7672"):
        assert state(box)["ActiveState"] == "inactive"
        assert box.output("stat", "-c", "%U:%G:%a", "/run/cola/cola.sock").strip() == "cola:cola:660"
        box.run("cola", "health", "--url", url)
        assert state(box)["ActiveState"] == "active"
        # A connection that comes while it stops waits for the next one.
        box.run("systemctl", "restart", "cola", "--no-block")
        box.run("cola", "health", "--url", url, "--timeout", "60")
        wait_until(box, lambda unit: unit["ActiveState"] == "active")
        box.run("systemctl", "stop", "cola")
    assert box.path("/run/cola/cola.sock").exists()
    box.run("dpkg", "--remove", "cola")
    assert state(box, "cola.socket")["ActiveState"] == "inactive"


def test_an_upgrade_restarts_the_server_and_a_removal_stops_it(packages, installed_machine):
    box = installed_machine
    before = wait_until(box, lambda unit: unit["ActiveState"] == "active")
    said(box, "publish", "--queue", "letters", "--declare", "one", "two")
    box.run("dpkg", "--install", box.copy(packages[1]))
    after = wait_until(box, lambda unit: unit["ActiveState"] == "active")
    assert after["MainPID"] != before["MainPID"]
    assert said(box, "get", "letters") == "one\n"
    # What an administrator has switched off stays so.
    box.run("systemctl", "disable", "--now", "cola")
    box.run("dpkg", "--install", box.copy(packages[1]))
    assert (state(box)["ActiveState"], state(box)["UnitFileState"]) == ("inactive", "disabled")
    box.run("systemctl", "enable", "--now", "cola")
    box.run("dpkg", "--remove", "cola")
    assert box.run("pgrep", "--uid", "cola", check=False).stdout == ""
    box.run("dpkg", "--purge", "cola")
    assert box.path("/var/lib/cola/cola.db").exists()
    assert not box.path("/etc/systemd/system/cola.service").is_symlink(), "it is still masked"
    box.run("dpkg", "--install", box.copy(packages[0]))
    wait_until(box, lambda unit: unit["ActiveState"] == "active")
    assert said(box, "get", "letters") == "two\n"


def test_the_units_are_correct_and_expose_little(folder):
    needs("systemd-analyze")
    installed(folder / "root", PREFIX="/usr", UNITDIR="/lib/systemd/system")
    units = [str(folder / "root/lib/systemd/system" / name) for name in ("cola.service", "cola.socket")]
    for path in units:  # the executable is where this test put it
        text = pathlib.Path(path).read_text()
        pathlib.Path(path).write_text(text.replace("/usr/bin/cola", str(folder / "root/usr/bin/cola")))
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *units], stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    ours = [line for line in verified.stdout.splitlines() if "cola" in line]
    assert (verified.returncode, ours) == (0, [])
    checked = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", units[0]], stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    score = re.search(r"exposure level for cola.service: ([\d.]+)", checked.stdout)
    assert score, checked.stdout
    print("exposure level:", score[1])
    assert float(score[1]) <= EXPOSURE_MOST


# What docs/operations/packages.md says


def excerpts(language: str, word: str) -> List[str]:
    """Its blocks of this language that have this word."""
    page = (REPOSITORY / "docs" / "operations" / "packages.md").read_text()
    found = re.findall(r"^```%s\n(.*?)^```$" % language, page, re.MULTILINE | re.DOTALL)
    return [block for block in found if word in block]


def serves_from_usr_local(box: boxes.Box) -> None:
    running = wait_until(box, lambda unit: unit["ActiveState"] == "active")
    assert box.output("readlink", "/proc/%s/exe" % running["MainPID"]).strip() == "/usr/local/bin/cola"
    assert said(box, "publish", "--queue", "letters", "--declare", "one") == "published 1\n"
    assert box.output("stat", "-c", "%U:%G:%a", "/etc/cola/cola.yaml").strip() == "root:cola:640"


def test_the_archive_becomes_a_service_as_the_page_says(archive):
    with machine("systemd") as box:
        box.run("tar", "xzf", box.copy(archive), "-C", "/opt")
        steps, = excerpts("sh", "systemd/sysusers.conf")
        box.run("sh", "-e", "-c", "cd /opt/cola-*/ && " + steps)
        serves_from_usr_local(box)


def test_what_is_installed_with_units_becomes_a_service_as_the_page_says():
    with machine("systemd") as box:
        installed(box.path("/"), PREFIX="/usr/local", UNITS="yes")
        steps, = excerpts("sh", "chgrp cola")
        box.run("sh", "-e", "-c", steps)
        serves_from_usr_local(box)


def test_systemd_takes_every_drop_in_of_the_page(folder):
    needs("systemd-analyze")
    for unit, section in (("cola.service", "[Service]\n"), ("cola.socket", "[Socket]\n")):
        found = excerpts("text", section)
        assert found
        for number, drop_in in enumerate(found):
            place = folder / unit / str(number)
            (place / (unit + ".d")).mkdir(parents=True)
            for name in ("cola.service", "cola.socket"):
                text = (PACKAGING / "systemd" / name).read_text()
                (place / name).write_text(text.replace("/usr/bin/cola", os.path.abspath(binary())))
            (place / (unit + ".d") / "page.conf").write_text(drop_in)
            done = subprocess.run(
                ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(place / unit)],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
            complaints = [line for line in done.stdout.splitlines() if "cola" in line or "page.conf" in line]
            assert (done.returncode, complaints) == (0, []), drop_in


# A worker that does what the sandbox forbids, what is heard then, a word of the drop-in that opens it, and its result.
OPENED = [
    ("command: [python3, -c, 'import mmap; mmap.mmap(-1, 4096, prot=7); print(1)']", "PermissionError",
     "MemoryDenyWriteExecute", "1"),
    ("command: [unshare, -U, -r, -m, sh, -c, 'mount -t tmpfs none /mnt && echo 1']", "not permitted",
     "RestrictNamespaces", "1"),
    ("command: [id, -un], user: games, directory: /", "only root may", "User=root", "games"),
]


@pytest.mark.parametrize("definition, complaint, word, result", OPENED, ids=[row[2] for row in OPENED])
def test_a_drop_in_of_the_page_opens_the_sandbox_for_a_worker(installed_machine, definition, complaint, word, result):
    box = installed_machine
    if "unshare" in definition and box.run("setpriv", "--reuid=games", "unshare", "-U", "true", check=False).returncode:
        pytest.skip("this kernel lets nobody but root make namespaces of users")
    config = box.path("/etc/cola/cola.yaml")
    config.write_text(config.read_text() + "\nworkers:\n  w: {queue: in, result-queue: out, %s}\n" % definition)
    box.run("systemctl", "restart", "cola")
    said(box, "publish", "--queue", "in", "closed")
    deadline = time.monotonic() + 60
    while complaint not in journal(box) + said(box, "logs", "w"):
        assert time.monotonic() < deadline, "it was not stopped: " + journal(box)
        time.sleep(0.1)
    assert "no message of 'out'" in said(box, "peek", "out")

    drop_in, = excerpts("text", word)
    folder = box.path("/etc/systemd/system/cola.service.d")
    folder.mkdir(parents=True)
    (folder / "page.conf").write_text(drop_in)
    box.run("systemctl", "daemon-reload")
    box.run("systemctl", "restart", "cola")
    said(box, "publish", "--queue", "in", "opened")
    found = said(box, "consume", "--queue", "out", "--follow", "--count", "1", "--idle-timeout", "30").strip()
    assert found == result, journal(box)

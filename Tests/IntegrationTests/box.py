"""A machine of its own for tests that install packages: this one's files under a layer that is thrown away.

Namespaces of the kernel and an overlay mount make it; nothing that happens in there reaches this machine, and when its
first process ends everything of it is gone. It needs root, and a kernel that lets root mount: where that is not so,
`why_not` says what is missing.
"""
from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
from typing import Iterator, List, Optional

from broker import die_with_parent

CGROUPS = (pathlib.Path("/sys/fs/cgroup/unified"), pathlib.Path("/sys/fs/cgroup"))
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}

# $1: an empty folder; $2: `systemd` or `sleep`. What is shared with the kernel of this machine, such as /proc/sys, is
# there to be read alone.
SETUP = r"""
set -e
folder=$1 first=$2
mount --make-rprivate /
mount -t tmpfs tmpfs "$folder"
mkdir "$folder/upper" "$folder/work" "$folder/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" "$folder/root"
root=$folder/root
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for name in null zero full random urandom tty; do
    touch "$root/dev/$name"
    mount --bind "/dev/$name" "$root/dev/$name"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
# What this machine says of services does not count; and nothing has to outlive a power failure, or be in an index.
rm -f "$root/usr/sbin/policy-rc.d" "$root/var/lib/man-db/auto-update"
mkdir -p "$root/etc/dpkg/dpkg.cfg.d"
echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/cola-test"
ip link set lo up
if [ "$first" = systemd ]; then
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
    for unit in systemd-modules-load systemd-sysctl systemd-remount-fs systemd-random-seed systemd-udevd \
        systemd-udev-trigger systemd-journal-flush systemd-update-utmp systemd-hwdb-update systemd-sysusers; do
        ln -sf /dev/null "$root/etc/systemd/system/$unit.service"
    done
    # Only what every unit needs, and nothing that this machine has enabled.
    rm -rf "$root"/etc/systemd/system/*.wants
fi
# The root of a namespace, and no chroot: in one no user namespaces can be made.
cd "$root"
pivot_root . .
umount -l .
cd /
if [ "$first" = systemd ]; then
    exec env -i container=cola-test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        /lib/systemd/systemd --unit=basic.target --log-target=console --show-status=no
fi
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin sleep 3600
"""


class Box:
    """The machine; `run` runs a command on it as root."""

    def __init__(self, first: str = "sleep"):
        self.first = first
        self.folder = tempfile.mkdtemp(prefix="cola-box-")
        self.pid = 0
        self._cgroup: Optional[pathlib.Path] = None
        self._log = open(self.folder + ".log", "w+b")
        self._outer: Optional[subprocess.Popen] = None

    def start(self, deadline: float = 60.0) -> None:
        """Starts it; raises `Unavailable` where that cannot be."""
        if self.first == "systemd":
            self._cgroup = next((path for path in CGROUPS if (path / "cgroup.procs").exists()), None)
            if self._cgroup is None:
                raise Unavailable("there is no cgroup v2 for systemd")
            self._cgroup = self._cgroup / os.path.basename(self.folder)
            with refusals_of_the_kernel():
                self._cgroup.mkdir()
        self._outer = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--net", "--uts", "--ipc", "--cgroup", "--",
             "sh", "-c", SETUP, "sh", self.folder, self.first],
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log, preexec_fn=self._enter)
        begun = time.monotonic()
        while not self._is_up():
            if self._outer.poll() is not None or time.monotonic() - begun > deadline:
                raise Unavailable("no namespaces, overlay mounts or systemd here: %s" % self.log()[-500:].strip())
            time.sleep(0.05)

    def stop(self) -> None:
        """Ends every process of it, and with them its files."""
        if self._outer is not None:
            self._outer.kill()
            self._outer.wait(30)
        if self._cgroup is not None and self._cgroup.exists():
            self._remove_cgroup(self._cgroup)
        self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        os.unlink(self.folder + ".log")

    def run(self, *command: str, check: bool = True, timeout: float = 120.0, **environment: str
            ) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            self.command(*command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, timeout=timeout, env=dict(ENVIRONMENT, **environment), check=False)
        assert not check or done.returncode == 0, "`%s` ended with %d: %s" % (
            " ".join(command), done.returncode, done.stdout)
        return done

    def output(self, *command: str, **environment: str) -> str:
        return self.run(*command, **environment).stdout

    def command(self, *command: str) -> List[str]:
        return ["nsenter", "--target", str(self.pid), "--all", "--root", "--wd", "--", *command]

    def path(self, path: str) -> pathlib.Path:
        """A file of it, from here."""
        return pathlib.Path("/proc/%d/root" % self.pid + path)

    def copy(self, file: pathlib.Path) -> str:
        """Brings a file there; returns its path in there."""
        shutil.copy(str(file), str(self.path("/tmp/" + file.name)))
        return "/tmp/" + file.name

    def log(self) -> str:
        self._log.flush()
        with open(self.folder + ".log", "rb") as file:
            return file.read().decode("utf-8", "replace")

    # Inside

    def _enter(self) -> None:
        die_with_parent()
        if self._cgroup is not None:
            (self._cgroup / "cgroup.procs").write_text("0")

    def _is_up(self) -> bool:
        assert self._outer is not None
        children = pathlib.Path("/proc/%d/task/%d/children" % (self._outer.pid, self._outer.pid))
        with contextlib.suppress(OSError, ValueError, IndexError):
            self.pid = int(children.read_text().split()[0])
            name = pathlib.Path("/proc/%d/comm" % self.pid).read_text().strip()
            if name != self.first:
                return False
            if self.first != "systemd":
                return True
            return self.run("systemctl", "is-active", "basic.target", check=False, timeout=20).returncode == 0
        return False

    @staticmethod
    def _remove_cgroup(cgroup: pathlib.Path) -> None:
        """The kernel lets go of it a moment after its last process."""
        deadline = time.monotonic() + 20
        while True:
            try:
                for path, _, _ in os.walk(str(cgroup), topdown=False):
                    os.rmdir(path)
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)


class Unavailable(Exception):
    """There cannot be such a machine here; the text says why."""


@contextlib.contextmanager
def refusals_of_the_kernel() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(str(error)) from None


def why_not(first: str) -> str:
    """What is missing for it here; empty if nothing is known to be."""
    if os.geteuid() != 0:
        return "needs root"
    tools = ["unshare", "nsenter", "pivot_root", "ip"] + (["systemctl"] if first == "systemd" else [])
    missing = [tool for tool in tools if not shutil.which(tool)]
    if missing:
        return "there is no " + " and no ".join(missing)
    if first == "systemd" and not os.access("/lib/systemd/systemd", os.X_OK):
        return "there is no systemd"
    return ""

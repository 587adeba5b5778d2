"""A Celery worker as a supervised worker: Cola is its broker and its parent."""
from __future__ import annotations

import os
import signal
import subprocess
import textwrap

import pytest

import broker as broker_module
import cache
import suites
from cli import cola

TASKS = """
import os
from celery import Celery

app = Celery("supervised", broker=os.environ["AMQP_URL"], backend="file://" + os.environ["FOLDER"])
app.conf.update(broker_connection_retry_on_startup=True, task_acks_late=True, task_reject_on_worker_lost=True)


@app.task
def add(x, y):
    return x + y


@app.task
def whose():
    return os.getppid()
"""

ASK = """
import supervised
print(supervised.add.delay(2, 3).get(timeout=60), supervised.whose.delay().get(timeout=60))
"""


@pytest.mark.skipif(bool(os.environ.get("COMPAT_AMQP")), reason="only Cola has workers")
def test_a_celery_worker_is_kept_running(tmp_path):
    try:
        python = suites.celery_environment()
    except cache.Missing as missing:
        pytest.skip(str(missing))
    (tmp_path / "supervised.py").write_text(TASKS)
    started = broker_module.Broker(broker_module.new_folder(), ["--config", str(tmp_path / "cola.yaml")])
    if os.geteuid() == 0:
        started.arguments += ["--workers-as-root", "yes"]
    configure(tmp_path, "{}")
    try:
        started.start()
        port = started.amqp.rpartition(":")[2]
        environment = {"AMQP_URL": "amqp://guest:guest@127.0.0.1:%s//" % port, "FOLDER": str(tmp_path),
                       "PYTHONPATH": str(tmp_path), "C_FORCE_ROOT": "1"}
        settings = ", ".join("%s: '%s'" % pair for pair in environment.items())
        configure(tmp_path, textwrap.dedent(f"""
            tasks:
              mode: client
              command: ['{python}', -m, celery, -A, supervised, worker, --concurrency, '1', --loglevel, INFO]
              directory: {tmp_path}
              environment: {{{settings}}}
              stop: {{grace: 20s}}
            """))
        cola("reload", url=started.unix).succeeds()
        total, first = ask(python, tmp_path, environment)
        assert total == 5
        os.kill(first, signal.SIGKILL)
        total, second = ask(python, tmp_path, environment)
        assert total == 5 and second != first
        assert b"celery@" in cola("logs", "tasks", url=started.unix).succeeds().out
        cola("workers", "stop", "tasks", url=started.unix).succeeds()
        assert b"warm" in cola("logs", "tasks", url=started.unix).succeeds().out.lower()
    finally:
        started.remove()


def configure(folder, workers: str) -> None:
    path = folder / "cola.yaml"
    path.write_text("workers: {}\n" if workers == "{}" else "workers:\n" + textwrap.indent(workers, "  "))
    path.chmod(0o644)


def ask(python, folder, environment):
    """The answers of two tasks: a sum, and the process that is the parent of Celery's pool."""
    done = subprocess.run([str(python), "-c", ASK], cwd=folder, env=dict(os.environ, **environment), timeout=150,
                          stdout=subprocess.PIPE, check=True)
    return tuple(int(word) for word in done.stdout.split())

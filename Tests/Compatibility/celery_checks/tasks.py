"""Two Celery applications for checks.py: `app` with results in files, `rpc` with results that come over the broker."""
import os
import time

from celery import Celery

URL, FOLDER = os.environ["AMQP_URL"], os.environ["FOLDER"]

app = Celery("tasks", broker=URL, backend="file://" + FOLDER)
app.conf.update(
    task_acks_late=True, task_reject_on_worker_lost=True, worker_prefetch_multiplier=1, task_queue_max_priority=10,
    broker_connection_retry_on_startup=True, broker_pool_limit=2, worker_send_task_events=True)
rpc = Celery("tasks-rpc", broker=URL, backend="rpc://")
rpc.conf.update(task_default_queue="rpc", broker_connection_retry_on_startup=True)


def note(text):
    """One line that checks.py can read: lines of several processes do not mix."""
    with open(os.path.join(FOLDER, "notes"), "a") as file:
        file.write(text + "\n")


@app.task
def add(x, y):
    return x + y


@app.task
def total(numbers):
    return sum(numbers)


@app.task(bind=True, max_retries=3)
def flaky(self):
    if self.request.retries < 2:
        raise self.retry(countdown=0.2)
    return self.request.retries


@app.task
def fails():
    raise ValueError("on purpose")


@app.task
def nap(seconds, name=""):
    note("begin %s" % name)
    time.sleep(seconds)
    note("end %s" % name)
    return name


@app.task(bind=True)
def tell(self, name):
    """Whether it was delivered before."""
    note("told %s redelivered=%s" % (name, self.request.delivery_info.get("redelivered")))
    time.sleep(2 if name == "killed" else 0)
    return name


@rpc.task
def multiply(x, y):
    return x * y

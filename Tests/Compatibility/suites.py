"""Other people's test suites: how each is installed, pointed at a broker, and run."""
from __future__ import annotations

import dataclasses
import os
import pathlib
import re
import shutil
import subprocess
from typing import Callable, Dict, List, NamedTuple, Tuple

import cache
import results

HERE = pathlib.Path(__file__).resolve().parent
CLIENTS = HERE / "clients"
KAFKA = HERE / "kafka"
LONG = os.environ.get("COLA_LONG") == "1"
TEST_SECONDS = 60


@dataclasses.dataclass
class Suite:
    """`run(host, port, folder)` has the folder for itself.

    `fewest`: how many tests pass at RabbitMQ 3.10.8, or how many there are of Kafka's clients.
    """

    name: str
    fewest: int
    run: Callable[[str, int, pathlib.Path], results.Outcomes]
    protocol: str = "amqp"

    def exceptions(self) -> Dict[str, str]:
        return results.exceptions(HERE / "exceptions" / (self.name + ".txt"))


class Ended(NamedTuple):
    code: int
    output: str


def execute(command: List[str], folder: pathlib.Path, seconds: int, **environment: str) -> Ended:
    """Runs a program that may fail. What it wrote stands in `output.txt`, too."""
    output = folder / "output.txt"
    with open(output, "wb") as file:
        process = subprocess.Popen(
            ["timeout", "--kill-after=5", str(seconds), *command], cwd=folder, stdin=subprocess.DEVNULL, stdout=file,
            stderr=subprocess.STDOUT, env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1", **environment))
        code = process.wait()
    return Ended(code, output.read_text(errors="replace"))


def copy_source(name: str, version: str, folder: pathlib.Path) -> pathlib.Path:
    """A copy to throw away, so that ports can be written into it."""
    return pathlib.Path(shutil.copytree(cache.source(name, version), folder / name, symlinks=True))


def rewrite(path: pathlib.Path, *changes: str) -> None:
    """`changes`: pattern, replacement, pattern, replacement, …"""
    text = path.read_text()
    for pattern, replacement in zip(changes[::2], changes[1::2]):
        text, count = re.subn(pattern, replacement, text)
        assert count, "%s has nothing like %r" % (path, pattern)
    path.write_text(text)


def pytest(python: pathlib.Path, folder: pathlib.Path, seconds: int, *arguments: str,
           **environment: str) -> results.Outcomes:
    report = folder / "report.xml"
    ended = execute([str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "addopts=",
                     "--timeout=%d" % TEST_SECONDS, "--junitxml=%s" % report, *arguments], folder, seconds,
                    **environment)
    assert report.exists(), "no result within %d s; the end of its output:\n%s" % (seconds, ended.output[-3000:])
    return results.from_junit(report)


# The suites


def amqpstorm(host: str, port: int, folder: pathlib.Path) -> results.Outcomes:
    """Its functional tests, but for those of TLS and of RabbitMQ's management API."""
    python = cache.environment("amqpstorm", "amqpstorm==3.1.4", "requests")
    source = copy_source("amqpstorm", "3.1.4", folder)
    for name in ("connection.py", "uri_connection.py"):
        rewrite(source / "amqpstorm" / name, r"\b5672\b", str(port))
    functional = source / "amqpstorm" / "tests" / "functional"
    shutil.rmtree(functional / "ssl")
    shutil.rmtree(functional / "management")
    (functional / "test_web_based.py").unlink()
    # They tidy up over the management API; here over AMQP.
    shutil.copy(HERE / "amqpstorm_conftest.py", functional / "conftest.py")
    uri = "amqp://guest:guest@%s:%d/%%2F" % (host, port)
    return pytest(python, source, 240, "amqpstorm/tests/functional", PYTHONPATH=str(source), AMQP_HOST=host,
                  AMQP_USERNAME="guest", AMQP_PASSWORD="guest", AMQP_URI=uri)


def amqp091_go(host: str, port: int, folder: pathlib.Path) -> results.Outcomes:
    """All its tests, with those against a broker. Debian's package of the library brings them along."""
    cache.debian("golang-go", "golang-github-rabbitmq-amqp091-go-dev", "golang-uber-goleak-dev")
    package = pathlib.Path("src/github.com/rabbitmq/amqp091-go")
    installed = pathlib.Path("/usr/share/gocode") / package
    source = pathlib.Path(shutil.copytree(installed, folder / "go" / package))
    shutil.rmtree(source / "_examples", ignore_errors=True)
    for name in ("integration_test.go", "examples_test.go", "example_client_test.go"):
        rewrite(source / name, r"(localhost|127\.0\.0\.1):5672", "%s:%d" % (host, port))
    ended = execute(["go", "test", "-vet=off", "-tags", "integration", "-v", "-timeout", "200s", "-run", "^Test", "."],
                    source, 240, AMQP_URL="amqp://guest:guest@%s:%d/" % (host, port), GO111MODULE="off", GOFLAGS="",
                    GOPATH="%s:/usr/share/gocode" % (folder / "go"), GOCACHE=str(cache.folder() / "go-build"))
    outcomes = results.from_go(ended.output)
    assert outcomes, "no tests ran; the end of its output:\n%s" % ended.output[-3000:]
    return outcomes


def kombu(host: str, port: int, folder: pathlib.Path) -> results.Outcomes:
    """What Celery speaks to a broker with: its integration tests over py-amqp."""
    python = celery_environment()
    source = copy_source("kombu", "5.7.0", folder)
    return pytest(python, source, 200, "t/integration/test_py_amqp.py", RABBITMQ_HOST=host, RABBITMQ_5672_TCP=str(port))


def py_amqp(host: str, port: int, folder: pathlib.Path) -> results.Outcomes:
    """Its integration tests, but for TLS."""
    python = celery_environment()
    source = copy_source("amqp", "5.4.2", folder)
    return pytest(python, source, 120, "t/integration", "-k", "not tls", RABBITMQ_HOST=host,
                  RABBITMQ_5672_TCP=str(port))


def celery_environment() -> pathlib.Path:
    return cache.environment("celery", "amqp==5.4.2", "kombu==5.7.0", "celery==5.7.0", "pytest-rerunfailures",
                             "pytest-subtests")


def celery(host: str, port: int, folder: pathlib.Path) -> results.Outcomes:
    """A project with real workers (`celery_checks`): results, retries, ETAs, priorities, remote control, deaths."""
    python = celery_environment()
    checks = HERE / "celery_checks"
    ended = execute([str(python), str(checks / "checks.py")], folder, 240, FOLDER=str(folder), C_FORCE_ROOT="1",
                    PYTHONPATH=str(checks), AMQP_URL="amqp://guest:guest@%s:%d//" % (host, port))
    return from_program(ended)


def from_program(ended: Ended) -> results.Outcomes:
    outcomes = results.from_lines(ended.output)
    if ended.code != 0:  # it died in the middle; its last words say why
        last = ended.output.strip().splitlines()[-8:]
        outcomes["to-its-end"] = results.Outcome(results.FAILED, "exit code %d: %s" % (ended.code, " / ".join(last)))
    return outcomes


def program(
    *command: str, packages: Tuple[str, ...] = (), large: bool = False
) -> Callable[[str, int, pathlib.Path], results.Outcomes]:
    """One of the programs in `clients`, which run with a host and a port.

    `large` packages are hundreds of megabytes: only the long form installs them.
    """

    def run(host: str, port: int, folder: pathlib.Path) -> results.Outcomes:
        if packages:
            cache.debian(*packages, may_install=LONG or not large)
        return from_program(execute([*command, host, str(port)], folder, 90))

    return run


def aio_pika(host: str, port: int, folder: pathlib.Path) -> results.Outcomes:
    python = cache.environment("aio-pika", "aio-pika==10.2.1")
    return program(str(python), str(CLIENTS / "aio_pika_client.py"))(host, port, folder)


def kafka_python(host: str, port: int, folder: pathlib.Path) -> results.Outcomes:
    """Its integration tests, but for those that start brokers of their own: of TLS and SASL."""
    python = cache.environment("kafka", *KAFKA_PACKAGES)
    source = copy_source("kafka_python", "3.0.12", folder)
    # The source distribution leaves these out: what the tests are a package of, and what starts brokers.
    shutil.copy(KAFKA / "kafka_python_service.py", source / "test" / "service.py")
    (source / "test" / "__init__.py").touch()
    integration = source / "test" / "integration"
    for name in ("test_sasl_integration.py", "test_ssl_integration.py"):
        (integration / name).unlink()
    # Their broker takes members with shorter sessions than Kafka does by default.
    rewrite(integration / "test_consumer_integration.py", "session_timeout_ms=3000, request_timeout_ms=4000",
            "session_timeout_ms=6000, request_timeout_ms=7000")
    # A consumer that subscribes while its client still asks for the first metadata, of no topic, takes that answer for
    # the one to its own topic, and asks again five minutes later.
    rewrite(integration / "conftest.py", r"c = KafkaConsumer\(\*topics, \*\*params\)",
            "c = KafkaConsumer(**params); c.bootstrap(20_000); topics and c.subscribe(topics)")
    # Their broker makes topics with several partitions by itself.
    made = execute([str(python), "-c", TWO_PARTITIONS, "%s:%d" % (host, port)], folder, 30)
    assert made.code == 0, made.output
    return pytest(python, source, 200, "test/integration", KAFKA_VERSION="4.0.0", KAFKA_ROOT=str(folder),
                  KAFKA_URI="kafka://%s:%d" % (host, port))


TWO_PARTITIONS = """
import sys
from confluent_kafka.admin import AdminClient, NewTopic
admin = AdminClient({"bootstrap.servers": sys.argv[1]})
made = admin.create_topics([NewTopic("transactional_test_topic", 2, 1)])
[future.result(20) for future in made.values()]
"""


def kafka_client(script: str) -> Callable[[str, int, pathlib.Path], results.Outcomes]:
    """A program of ours with one of Kafka's clients for Python."""

    def run(host: str, port: int, folder: pathlib.Path) -> results.Outcomes:
        python = cache.environment("kafka", *KAFKA_PACKAGES)
        return program(str(python), str(KAFKA / script))(host, port, folder)

    return run


KAFKA_PACKAGES = ("kafka-python==3.0.12", "confluent-kafka==2.16.1", "aiokafka==0.14.0", "lz4", "zstandard",
                  "python-snappy", "py")
JARS = ":".join("/usr/share/java/%s.jar" % name for name in ("amqp-client", "slf4j-api", "slf4j-nop"))

#: Longest first: they run side by side.
SUITES = [
    Suite("amqpstorm", 95, amqpstorm),
    Suite("celery", 22, celery),
    Suite("amqp091-go", 115, amqp091_go),
    Suite("kombu", 51, kombu),
    Suite("py-amqp", 48, py_amqp),
    Suite("aio-pika", 13, aio_pika),
    Suite("amqp-tools", 15, program("bash", str(CLIENTS / "amqp_tools.sh"), packages=("amqp-tools",))),
    Suite("bunny", 15, program("ruby", str(CLIENTS / "bunny.rb"), packages=("ruby-bunny",))),
    Suite("php-amqplib", 15, program("php", str(CLIENTS / "php_amqplib.php"), packages=("php-cli", "php-amqplib"))),
    Suite("anyevent-rabbitmq", 12, program(
        "perl", str(CLIENTS / "anyevent.pl"), packages=("libanyevent-rabbitmq-perl",))),
    Suite("java", 16, program(
        "java", "-cp", JARS, str(CLIENTS / "JavaClient.java"),
        packages=("default-jdk-headless", "librabbitmq-client-java", "libslf4j-java"), large=True)),
    Suite("kafka-python", 54, kafka_python, "kafka"),
    Suite("confluent-kafka", 20, kafka_client("confluent_client.py"), "kafka"),
    Suite("aiokafka", 20, kafka_client("aiokafka_client.py"), "kafka"),
    Suite("kafka-transactions", 24, kafka_client("transactions_client.py"), "kafka"),
    Suite("kcat", 28, program("bash", str(KAFKA / "kcat.sh"), packages=("kcat",)), "kafka"),
]

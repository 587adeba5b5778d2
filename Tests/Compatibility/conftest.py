"""Where the suites find the modules that they share with the integration tests. See README.md."""
from __future__ import annotations

import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "IntegrationTests")]
# Brokers run beside one another, and AMQP and Kafka have a port each by default.
os.environ.setdefault("COLA_AMQP", "127.0.0.1:0")
os.environ.setdefault("COLA_KAFKA", "127.0.0.1:0")

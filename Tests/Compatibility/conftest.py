"""Where the suites find the modules that they share with the integration tests. See README.md."""
from __future__ import annotations

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "IntegrationTests")]

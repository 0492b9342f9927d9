"""What the child is made of. How it behaves is tested against a real broker."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time

from confluent_kafka import KafkaError, KafkaException

from collector.admin import child
from collector.admin.client import COMMAND
from collector.admin.wire import Hello, ListBrokers, encode

LOADED = "import sys, {module}; print(*sorted(m for m in sys.modules if m.startswith('collector')))"


def test_a_request_ends_when_its_caller_said_and_not_before_a_moment_is_over(monkeypatch):
    """What a child takes to start is of the caller's time: else its answer would come too late."""
    ends: list[float] = []

    def cycle(_properties, end, _tell):
        ends.append(end)
        raise KafkaException(KafkaError(KafkaError._INVALID_ARG))

    monkeypatch.setattr(child, "Cycle", cycle)
    now = time.monotonic()
    asked = encode(Hello({}, parent=os.getppid()))
    asked += encode(ListBrokers(now + 60.0)) + encode(ListBrokers(now - 60.0))
    child.serve(io.BytesIO(asked), io.BytesIO())
    assert ends[0] == now + 60.0
    assert now < ends[1] <= time.monotonic() + child.LEAST_S


def test_the_child_loads_nothing_of_its_parent():
    """Its memory is bounded: each module of the parent's half would be in it a second time."""
    module = COMMAND[-1]
    command = [sys.executable, "-c", LOADED.format(module=module)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout.split() == [
        "collector",
        "collector.admin",
        "collector.admin.calls",
        "collector.admin.child",
        "collector.admin.cycle",
        "collector.admin.grants",
        "collector.admin.ownership",
        "collector.admin.snapshot",
        "collector.admin.wire",
        "collector.patterns",
    ]

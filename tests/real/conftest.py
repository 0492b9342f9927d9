"""Real parts as fixtures. What is shared by the whole run may be read and written, not stopped.

A test that kills, pauses or cuts takes a part of its own: `own_broker`, `prometheus`, `Proxy`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab import parts, process
from tests.lab.kafka import Kafka
from tests.lab.prometheus import Prometheus
from tests.lab.traffic import Traffic

TIMEOUT = 600  # seconds: several waits of a minute, on a machine where each of them is needed


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(TIMEOUT))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """When a test fails, show the end of the log of every part that runs, or ended unasked."""
    report = yield
    parts_to_show = [*process.fallen(), *process.running()]
    if report.failed:
        report.sections += [(f"log of {one.name}", one.tail()) for one in parts_to_show]
    return report


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """One Kafka node for the whole run, with JMX."""
    with Kafka(tmp_path_factory.mktemp("kafka")) as kafka:
        yield kafka


@pytest.fixture(scope="session")
def traffic(broker: Kafka) -> Iterator[Traffic]:
    """Topics and groups on the shared broker; every group has committed."""
    with Traffic(broker.bootstrap) as running:
        yield running


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[Kafka]:
    """A Kafka node for one test: it may be killed, paused and restarted."""
    with Kafka(tmp_path / "kafka") as kafka:
        yield kafka


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[Prometheus]:
    """An empty receiver of remote write for one test, with an out-of-order window of 31 days."""
    with Prometheus(tmp_path / "prometheus") as receiver:
        yield receiver


@pytest.fixture(scope="session")
def promtool() -> Path:
    """The program that checks and tests rule files."""
    return parts.promtool()

"""The pages for the first five minutes: every command in them is run, in its order, in one shell.

What a person finds at well-known places is elsewhere here, so the words for these places are
replaced, and nothing else. Keys that only concern the machine come from the environment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from tests.lab import go, parts
from tests.lab.kafka import Kafka
from tests.lab.pages import commands
from tests.lab.ports import free_port
from tests.lab.process import Process
from tests.lab.prometheus import Prometheus
from tests.real.edge import HOST, PROGRAM, environment

SECONDS = 100.0
INSTALL = "python3 -m venv /opt/edgevitals\n/opt/edgevitals/bin/pip install edgevitals\n"
"""What test_package.py does, with what is built here."""


def type_all(script: str, replaced: Mapping[str, str], place: Path, **variables: str) -> str:
    """Run a script as a person types it: what was printed, with each command before its output.

    A command that fails ends it, and the test.
    """
    for there, here in replaced.items():
        assert there in script, f"the page no longer says {there}"
        script = script.replace(there, here)
    file = place / "typed.sh"
    file.write_text(f"set -euo pipefail\ncd {place}\nset -x\n{script}")
    path = f"{PROGRAM.parent}:{parts.promtool().parent}:{os.environ['PATH']}"
    shell = Process(
        "shell", ["bash", file], place / "typed.log", {**environment(), "PATH": path, **variables}
    )
    shell.start()
    try:
        assert shell.wait(SECONDS) == 0, shell.tail()
    except TimeoutError:
        raise AssertionError(f"still at it after {SECONDS:.0f} s: {shell.tail()}") from None
    finally:
        shell.kill()  # and what still runs in it
    return shell.log.read_text()


def test_five_minutes_at_the_edge(broker: Kafka, prometheus: Prometheus, tmp_path: Path):
    status = f"{HOST}:{free_port()}"
    said = type_all(
        commands("quickstart-edge.md"),
        {
            INSTALL: "",
            "127.0.0.1:9092": broker.bootstrap,
            "127.0.0.1:9999": broker.jmx_address,
            "127.0.0.1:9464": status,
            "edgevitals status": f"edgevitals status --url http://{status}",
            "http://centre:9090": prometheus.url,
            "sleep 5": "sleep 0.5",
        },
        tmp_path,
        EDGEVITALS_STATUS__LISTEN=status,
        EDGEVITALS_SPOOL__PATH=str(tmp_path / "spool"),
        EDGEVITALS_SPOOL__MIN_FREE="1MiB",
        EDGEVITALS_PRESET="lan",
        EDGEVITALS_INTERVAL="2s",
        EDGEVITALS_TOPIC__NAME="quickstart.telemetry",
    )
    assert "config.yaml: ok" in said
    assert "sink     centre" in said  # of doctor, whatever it says of this machine's clock
    jobs = {"kafka", "node", "kafka_exporter"}
    tracks = prometheus.samples("up", "1h")
    assert {one.labels["job"] for one in tracks if 1 in dict(one.points).values()} == jobs


def test_five_minutes_at_the_centre(tmp_path: Path):
    """With an Alertmanager of its own: Debian's wants to be installed, and here it is unpacked."""
    prometheus = f"{HOST}:{free_port()}"
    said = type_all(
        commands("quickstart-centre.md"),
        {
            "/etc/edgevitals/assets": str(tmp_path / "assets"),
            "/var/lib/edgevitals-centre": str(tmp_path / "data"),
            "127.0.0.1:9090": prometheus,
            "127.0.0.1:9093": f"{HOST}:{free_port()}",
            "prometheus-alertmanager --": f"{go.alertmanager()} --",
            "sleep 5": "sleep 0.5",
        },
        tmp_path,
        EDGEVITALS_STATUS__LISTEN=f"{HOST}:{free_port()}",
        EDGEVITALS_SPOOL__MIN_FREE="1MiB",
        EDGEVITALS_INTERVAL="1s",
    )
    assert "rules found" in said
    assert '"name":"EVSiteSilent"' in said
    assert re.search(r'up\{.*job="node".*site="centre"} => 1', said)
    assert "panels that can have data" in said

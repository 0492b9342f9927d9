"""`edgevitals discover`: what it asks, prints and returns, and what it writes only when told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from collector.cli.program import edgevitals
from collector.config import Address
from collector.discovery import survey as surveys
from collector.discovery.found import KafkaPort, Nobody
from collector.discovery.survey import Survey

BROKER = KafkaPort(
    address=Address("127.0.0.1", 9092), is_controller=False, security="PLAINTEXT", nodes=(1,)
)
GONE = Nobody(address=Address("a", 9092), is_refused=False, says="no connection in time")
REFUSED = Nobody(address=Address("a", 9093), is_refused=True, says="nothing listens there")


@pytest.fixture
def discover(tmp_path, monkeypatch):
    """Run the verb in a folder of its own; what it finds is given with `found`."""
    monkeypatch.chdir(tmp_path)
    asked = []

    def invoke(*args, found=(BROKER,)):
        def addresses(given, parts, seconds):
            asked.append((parts, seconds))
            return Survey(host="h", given=given, found=found)

        def machine(seconds):
            asked.append(("here", seconds))
            return Survey(host="h", found=found)

        monkeypatch.setattr(surveys, "survey_addresses", addresses)
        monkeypatch.setattr(surveys, "survey_machine", machine)
        return CliRunner().invoke(edgevitals, ["discover", *args])

    invoke.asked = asked  # type: ignore[attr-defined]
    return invoke


def test_it_prints_a_configuration_and_writes_nothing(discover):
    result = discover()
    assert result.exit_code == 0
    assert "broker  127.0.0.1:9092  PLAINTEXT, node 1\n" in result.stdout
    assert '\nsite: "h"' in result.stdout
    assert discover.asked == [("here", 1.5)]
    assert list(Path().iterdir()) == []


def test_hosts_and_ports_are_asked_for(discover):
    discover("a", "b.example:9092", "[::1]", "[::1]:1", "fe80::1", "10.0.0.1", "--timeout", "3")
    parts = [("a", None), ("b.example", 9092), ("::1", None), ("::1", 1), ("fe80::1", None)]
    assert discover.asked == [([*parts, ("10.0.0.1", None)], 3.0)]


def test_it_is_written_where_told(discover):
    result = discover("-w", "c.yaml")
    assert result.exit_code == 0
    assert Path("c.yaml").read_text() == result.stdout
    assert result.stderr == "written: c.yaml. Now: edgevitals check c.yaml\n"
    assert [path.name for path in Path().iterdir()] == ["c.yaml"]


def test_a_file_that_is_there_stays_as_it_is(discover):
    Path("c.yaml").write_text("mine\n")
    result = discover("-w", "c.yaml")
    assert result.exit_code == 2
    assert "c.yaml is there already" in result.stderr
    assert discover.asked == []
    assert Path("c.yaml").read_text() == "mine\n"
    assert discover("-w", "c.yaml", "--force").exit_code == 0
    assert Path("c.yaml").read_text().startswith("# What `edgevitals discover` found")


def test_a_file_that_came_meanwhile_stays_as_it_is(discover, monkeypatch):
    Path("c.yaml").write_text("mine\n")
    monkeypatch.setattr(Path, "exists", lambda _self: False)
    result = discover("-w", "c.yaml")
    assert result.exit_code == 2
    assert Path("c.yaml").read_text() == "mine\n"
    assert [path.name for path in Path().iterdir()] == ["c.yaml"]


def test_a_place_that_cant_be_written_is_said(discover):
    result = discover("-w", "nowhere/c.yaml")
    assert result.exit_code == 2
    assert "nowhere/c.yaml: No such file or directory" in result.stderr


@pytest.mark.parametrize(
    "args,found,code,says",
    [
        ((), (), 1, "nothing was found to read"),
        (("a",), (REFUSED, GONE), 1, "nothing was found to read"),
        (("a",), (GONE,), 3, "nobody answered"),
    ],
)
def test_nothing_is_1_and_nobody_is_3(discover, args, found, code, says):
    result = discover(*args, "-w", "c.yaml", found=found)
    assert result.exit_code == code
    assert says in result.stderr
    assert "site:" not in result.stdout
    assert not Path("c.yaml").exists()


def test_json_has_the_same_for_scripts(discover):
    found = json.loads(discover("a", "-o", "json").stdout)
    assert found["found"] == [
        {
            "what": "broker",
            "where": "127.0.0.1:9092",
            "is": "PLAINTEXT, node 1",
            "address": "127.0.0.1:9092",
            "is_controller": False,
            "security": "PLAINTEXT",
            "mechanisms": [],
            "cluster_id": "",
            "brokers": [],
            "nodes": [1],
        }
    ]
    assert list(found) == ["host", "asked", "found", "missing", "unseen", "config"]
    assert found["config"].startswith("# What")
    assert json.loads(discover("a", "-o", "json", found=(GONE,)).stdout)["config"] is None


@pytest.mark.parametrize(
    "args,says",
    [
        (("a b",), '"a b" is not a host name'),
        (("a:99999",), "99999 is no port"),
        (("http://a:1",), "without the scheme"),
        (("--force",), "--force is for --write FILE"),
        (("--timeout", "0"), "is not in the range"),
    ],
)
def test_wrong_usage_is_2(discover, args, says):
    result = discover(*args)
    assert result.exit_code == 2
    assert says in result.stderr
    assert discover.asked == []

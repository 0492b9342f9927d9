"""`edgevitals scrape`: what it asks for, prints and returns."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from collector.cli.program import edgevitals
from collector.config import Address
from collector.errors import ConfigError
from collector.series import Family, Kind, Series
from collector.status.model import TargetStatus

SAMPLES = [(Series("up", (("job", "kafka"),), Family("up", Kind.GAUGE)), 1.0)]
UP = TargetStatus(job="kafka", instance="a:1", up=True)
DOWN = TargetStatus(job="node", instance="n", up=False, error="\x1bno such disk")


@pytest.fixture
def scrape(tmp_path, monkeypatch):
    """Run the verb; the round it gets is given with `targets`."""
    monkeypatch.chdir(tmp_path)
    seen = []

    def invoke(*args, targets=(UP,)):
        def read_once(config):
            seen.append(config)
            return SimpleNamespace(samples=SAMPLES, targets=list(targets))

        monkeypatch.setattr("collector.app", SimpleNamespace(read_once=read_once), raising=False)
        return CliRunner().invoke(edgevitals, ["scrape", *args])

    invoke.seen = seen  # type: ignore[attr-defined]
    return invoke


def test_an_address_needs_no_file(scrape):
    result = scrape("[::1]:9999")
    assert result.exit_code == 0
    assert result.stdout == '# TYPE up gauge\nup{job="kafka"} 1\n'
    (config,) = scrape.seen
    (jvm,) = config.sources.jmx
    assert jvm.address == Address("::1", 9999)
    assert jvm.job == "kafka"
    assert jvm.names == ("default",)
    assert config.sources.host is None


def test_a_file_says_what_is_read(scrape):
    Path("c.yaml").write_text("site: a\nsources: {host: true}\n")
    result = scrape("-c", "c.yaml", "-o", "json")
    assert json.loads(result.stdout) == [
        {"name": "up", "labels": {"job": "kafka"}, "value": 1.0, "type": "gauge"}
    ]
    assert scrape.seen[0].site == "a"


def test_a_target_that_is_down_is_1_and_a_sentence_beside_the_page(scrape):
    result = scrape("a:1", targets=(UP, DOWN))
    assert result.exit_code == 1
    assert "up{" in result.stdout
    assert result.stderr == "node n:  no such disk\n"


@pytest.mark.parametrize(
    "args,says",
    [
        ((), "give HOST:PORT or -c FILE"),
        (("a:1", "-c", "c.yaml"), "give HOST:PORT or -c FILE"),
        (("localhost",), '"localhost" is not host:port: write it like 127.0.0.1:9999'),
        (("a:1", "-o", "xml"), "'xml' is not one of 'text', 'json'"),
    ],
)
def test_wrong_usage_is_2(scrape, args, says):
    result = scrape(*args)
    assert result.exit_code == 2
    assert says in result.stderr
    assert scrape.seen == []


def test_a_configuration_that_fails_later_is_2(monkeypatch):
    def read_once(_config):
        raise ConfigError("the rule file has a mistake", "see line 3")

    monkeypatch.setattr("collector.app", SimpleNamespace(read_once=read_once), raising=False)
    result = CliRunner().invoke(edgevitals, ["scrape", "a:1"])
    assert result.exit_code == 2
    assert result.stderr == "the rule file has a mistake\n  see line 3\n"

"""`edgevitals run`: what it hands to the program, and how it is told to stop."""

from __future__ import annotations

import logging
import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from collector.cli.log import to_stderr
from collector.cli.program import edgevitals
from collector.config import Config
from collector.errors import SpoolError

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def _as_it_was(tmp_path, monkeypatch):
    """Handlers of signals and of the log belong to the process: give them back."""
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_text("site: a\nsources: {host: true}\n")
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    signals = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in signals.items():
        signal.signal(number, handler)
    root.setLevel(level)
    root.handlers[:] = handlers


def run(monkeypatch, body, *args, **environ):
    monkeypatch.setattr("collector.app", SimpleNamespace(run=body), raising=False)
    return CliRunner(env=environ).invoke(edgevitals, ["run", "-c", "c.yaml", *args])


def test_the_program_gets_the_configuration(monkeypatch):
    seen = []
    result = run(monkeypatch, lambda reload, stop: seen.append((reload, stop)), EDGEVITALS_NODE="n")
    assert result.exit_code == 0
    ((reload, stop),) = seen
    config = reload.config
    assert config.site == "a"
    assert config.node == "n"
    assert not stop.is_set()


def test_a_hangup_reads_the_file_again_and_stops_nothing(monkeypatch):
    in_force: list[Config] = []

    def body(reload, stop):
        Path("c.yaml").write_text("site: a\nlabels: {region: emea}\n")
        os.kill(os.getpid(), signal.SIGHUP)
        reload.look(in_force.append)
        assert not stop.is_set()

    assert run(monkeypatch, body).exit_code == 0
    assert [config.labels for config in in_force] == [{"region": "emea"}]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_in_order(monkeypatch, number):
    def body(_config, stop):
        os.kill(os.getpid(), number)
        assert stop.wait(10)

    assert run(monkeypatch, body).exit_code == 0


def test_a_second_interrupt_is_left_to_the_system(monkeypatch):
    def body(_config, stop):
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.wait(10)
        assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL

    assert run(monkeypatch, body).exit_code == 0


def test_a_wrong_configuration_starts_nothing(monkeypatch):
    Path("c.yaml").write_text("sit: a\n")
    result = run(monkeypatch, lambda *_: pytest.fail("it started"))
    assert result.exit_code == 2
    assert 'c.yaml:1:1: error: sit: unknown key (did you mean "site"?)' in result.stderr


def test_what_the_program_can_not_do_is_1_and_a_sentence(monkeypatch):
    def body(_config, _stop):
        raise SpoolError("/x is in use by process 7", "stop that one, or set spool.path")

    result = run(monkeypatch, body)
    assert result.exit_code == 1
    assert result.stderr.endswith("/x is in use by process 7\n  stop that one, or set spool.path\n")


def test_doubts_are_in_the_log(monkeypatch):
    result = run(monkeypatch, lambda *_: None, EDGEVITALS_NOED="n")
    assert " WARNING edgevitals: EDGEVITALS_NOED: warning: ignored: no key has this name" in (
        result.stderr
    )


def test_the_log_is_one_line_an_event_in_utc(capsys):
    to_stderr("info")
    record = logging.LogRecord("part", logging.INFO, "", 0, "said %s", ("a\nb",), None)
    record.created, record.msecs = 1_700_000_000.25, 250.0
    logging.getLogger().handle(record)
    logging.getLogger("part").debug("not this")
    assert capsys.readouterr().err == "2023-11-14T22:13:20.250Z INFO    part: said a\n  b\n"

"""The walk as a whole, and the verb: order, bounds, exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Event

import pytest
from click.testing import CliRunner

from collector.cli.program import edgevitals
from collector.doctor import jmx
from collector.doctor import walk as walks
from collector.doctor.finding import Layer, Verdict, cannot_tell, ok, problem, worst
from tests.lab.ports import free_port
from tests.unit.doctor.configs import config_of
from tests.unit.sinks.peer import HOST, Peer, answer


def doctor(file: Path, *more: str):
    return CliRunner().invoke(edgevitals, ["doctor", "-c", str(file), *more])


def write(folder: Path, *lines: str) -> Path:
    config_of(folder, f"spool: {{path: {folder / 'spool'}, min_free: 1MiB}}", *lines)
    return folder / "edgevitals.yaml"


@pytest.mark.parametrize(
    "findings,verdict",
    [
        ([], Verdict.OK),
        ([ok(Layer.JMX, "a", "b"), cannot_tell(Layer.JMX, "a", "b")], Verdict.CANNOT_TELL),
        ([cannot_tell(Layer.JMX, "a", "b"), problem(Layer.JMX, "a", "b")], Verdict.PROBLEM),
    ],
)
def test_a_problem_counts_before_a_doubt(findings, verdict):
    assert worst(findings) is verdict


def test_what_hangs_is_said_and_holds_up_nobody(tmp_path, monkeypatch):
    over = Event()
    monkeypatch.setattr(jmx, "look", lambda _: over.wait())
    config = config_of(tmp_path, "sources: {jmx: [{address: 'a:1'}], host: true}")
    *_, last = walks.walk(config, 0.3)
    over.set()
    assert last == cannot_tell(
        Layer.JMX, "a:1", "it did not end in time", "try again; if it stays so, report it"
    )


def test_a_bug_is_a_bug(tmp_path, monkeypatch):
    monkeypatch.setattr(jmx, "look", lambda _: 1 / 0)
    config = config_of(tmp_path, "sources: {jmx: [{address: 'a:1'}], host: true}")
    with pytest.raises(ZeroDivisionError):
        list(walks.walk(config))


def test_a_site_with_little_is_well(tmp_path):
    result = doctor(write(tmp_path, "sources: {host: true}"))
    assert result.exit_code == 0, result.output
    assert [line[:16] for line in result.output.splitlines()] == [
        "ok    config   /",
        "ok    spool    /",
        "ok    clock    t",
        "nothing wrong fo",
    ]
    assert not (tmp_path / "spool").exists()


def test_every_problem_is_named_in_the_order_of_the_line(tmp_path):
    ports = [free_port() for _ in range(2)]
    with Peer(answer(401)) as peer:
        file = write(
            tmp_path,
            f"sources: {{jmx: [{{address: '{HOST}:{ports[0]}'}}],"
            f" scrape: [{{url: 'http://{HOST}:{ports[1]}/', job: x}}]}}",
            f"sinks: [{{name: centre, url: '{peer.url}', out_of_order_time_window: 1h}}]",
        )
        result = doctor(file, "-o", "json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told["verdict"] == "problem"
    wrong = [one["layer"] for one in told["findings"] if one["verdict"] == "problem"]
    assert wrong == ["jmx", "scrape", "login"]
    assert set(told["findings"][0]) == {"layer", "subject", "verdict", "says", "do"}


def test_only_doubts_are_3(tmp_path):
    file = write(tmp_path, "sources: {jmx: [{address: 'a:1', engine: jmxquery}], host: true}")
    result = doctor(file)
    assert result.exit_code == 3
    assert "\n?     jmx      a:1: engine jmxquery is not tried here\n" in result.output
    assert result.output.endswith("\nnothing wrong found, 1 can't be told\n")


def test_a_config_that_is_wrong_is_2(tmp_path):
    (tmp_path / "c.yaml").write_text("sight: a\n")
    result = doctor(tmp_path / "c.yaml")
    assert result.exit_code == 2
    assert 'did you mean "site"?' in result.output


def test_a_secret_that_is_missing_is_found_with_its_line(tmp_path):
    with Peer(answer(204)) as peer:
        file = write(
            tmp_path,
            "sources: {host: true}",
            f"sinks: [{{name: a, url: '{peer.url}', out_of_order_time_window: 1h,",
            "         token_file: none}]",
        )
        result = doctor(file)
    assert result.exit_code == 1
    assert f"FAIL  config   {file}:5: sinks[0].token_file: " in result.output
    assert "FAIL  login    a (" in result.output

"""What people get wrong, and what the world does to us: each is a sentence that says what to do."""

from __future__ import annotations

import json
import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.kafka import Kafka
from tests.lab.ports import free_port
from tests.lab.waiting import wait_for
from tests.real.edge import HOST, PROGRAM, SOON, TIER, Edge, environment, sink

FULL_AT = 1536  # bytes of a file: less than a segment needs to begin


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """A site that is well, for those who come into its way."""
    with Edge(tmp_path_factory.mktemp("edge")) as one:
        yield one


def run(file: Path) -> subprocess.CompletedProcess[str]:
    """`edgevitals run` with what can't work: it ends by itself."""
    return subprocess.run(
        [PROGRAM, "run", "-c", file],
        env={**os.environ, **environment()},
        capture_output=True,
        text=True,
        timeout=SOON,
        check=False,
    )


def changed(edge: Edge, folder: Path, **settings: Any) -> Path:
    """The configuration of a site, but for some keys."""
    file = folder / "edgevitals.yaml"
    file.write_text(json.dumps({**edge.settings, **settings}))
    return file


def assert_refused(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr
    assert (done.returncode, done.stdout) == (code, "")


def test_every_wrong_key_is_named_with_its_place_and_nothing_is_started(tmp_path: Path):
    file = tmp_path / "edgevitals.yaml"
    file.write_text(
        "site: store 1\n"
        "intervall: 15s\n"
        "interval: 15\n"
        "sources:\n"
        "  jmx: [{address: 127.0.0.1}]\n"
        f"spool: {{path: {tmp_path}/spool}}\n"
        "sinks: [{name: centre, url: 'ftp://centre', out_of_order_time_window: 31d}]\n"
    )
    done = run(file)
    assert_refused(done, 2, f"{file}:2:1", 'did you mean "interval"?', "write 15s")
    assert sorted(line for line in range(1, 8) if f"{file}:{line}:" in done.stderr) == [
        1,
        2,
        3,
        5,
        7,
    ]
    assert not (tmp_path / "spool").exists()


def test_a_file_that_is_not_there_is_a_sentence(tmp_path: Path):
    assert_refused(run(tmp_path / "none.yaml"), 2, "none.yaml")


def test_a_property_that_kafka_clients_do_not_know_is_a_sentence(edge: Edge, tmp_path: Path):
    file = changed(
        edge,
        tmp_path,
        kafka={"bootstrap.servers": f"{HOST}:{free_port()}", "securty.protocol": "SSL"},
        spool={"path": str(tmp_path / "spool")},
        topic={"name": "telemetry"},
        status={"listen": f"{HOST}:{free_port()}"},
    )
    assert_refused(run(file), 2, 'No such configuration property: "securty.protocol"')


def test_f39_a_second_collector_on_a_spool_is_told_who_has_it(edge: Edge, tmp_path: Path):
    listen = {"listen": f"{HOST}:{free_port()}"}
    done = run(changed(edge, tmp_path, status=listen))
    assert_refused(done, 1, f"is in use by process {edge.process.pid}", "another spool.path")
    edge.wait_for_rounds(1)


def test_a_port_that_another_has_is_a_sentence_and_the_other_goes_on(edge: Edge, tmp_path: Path):
    done = run(changed(edge, tmp_path, spool={"path": str(tmp_path / "spool")}))
    assert_refused(done, 2, "status.listen", "Address already in use", "a free port")
    edge.wait_for_rounds(1)


def test_the_spool_of_another_node_is_refused_untouched(tmp_path: Path):
    with Edge(tmp_path) as edge:
        edge.wait_for_rounds(1)
        assert edge.terminate() == 0
    before = {path: path.read_bytes() for path in (edge.spool / TIER).iterdir()}
    (tmp_path / "other").mkdir()
    other = changed(edge, tmp_path / "other", node="edge-2")
    assert_refused(run(other), 1, "belongs to node edge-1, the config says edge-2", "of its own")
    other = changed(edge, tmp_path / "other", site="store-2")
    assert_refused(run(other), 1, "belongs to site store-1, the config says store-2")
    assert {path: path.read_bytes() for path in (edge.spool / TIER).iterdir()} == before


def test_a_spool_that_is_a_file_is_a_sentence(edge: Edge, tmp_path: Path):
    (tmp_path / "spool").write_text("not a folder")
    file = changed(
        edge,
        tmp_path,
        spool={"path": str(tmp_path / "spool")},
        status={"listen": f"{HOST}:{free_port()}"},
    )
    assert_refused(run(file), 1, "can't be used", "spool.path")


def test_what_can_not_be_reached_is_named_and_rounds_are_taken_all_the_same(
    broker: Kafka, tmp_path: Path
):
    nobody = free_port()
    edge = Edge(
        tmp_path,
        kafka={"bootstrap.servers": f"{HOST}:{nobody}"},
        sources={
            "jmx": [{"address": f"{HOST}:{nobody}"}, {"address": broker.bootstrap}],
            "host": True,
            "kafka": True,
        },
        topic={"name": "telemetry"},
        sinks=[sink(f"http://{HOST}:{nobody}/api/v1/write")],
    )
    with edge:
        wait_for(lambda: edge.pump("publish").get("state") == "waiting", SOON)
        wait_for(lambda: edge.pump("forward-centre")["state"] == "waiting", SOON)
        edge.wait_for_rounds(2)

        def errors() -> list[str]:
            return [one["error"] or "" for one in edge.status()["targets"]]

        wait_for(lambda: f"{HOST}:{nobody}: Connection refused" in errors()[0], SOON)
        wait_for(lambda: "JMX" in errors()[1], SOON, "a port that isn't JMX is told apart")
        wait_for(lambda: errors()[3], SOON)
        todo = "check that the broker runs and that kafka: bootstrap.servers names it"
        assert todo in edge.pump("publish")["last_error"]
        # Its rounds take the detour, and find the centre away as well.
        wait_for(lambda: f"{nobody} can't" in edge.pump("forward-centre")["last_error"], SOON)
        wait_for(lambda: len(edge.problems()) >= 5, SOON, "three targets, two pumps")
        edge.kill()
    assert "Traceback" not in edge.log
    assert edge.seqs_on_disk() == list(range(1, edge.seqs_on_disk()[-1] + 1))


def test_a_centre_that_can_not_be_reached_is_named(tmp_path: Path):
    nobody = free_port()
    with Edge(tmp_path, sinks=[sink(f"http://{HOST}:{nobody}/api/v1/write")]) as edge:
        wait_for(lambda: edge.pump("forward-centre").get("state") == "waiting", SOON)
        (problem,) = edge.problems()
        assert problem.startswith("forward-centre is waiting: ")
        assert "Connection refused" in problem
        assert f"{HOST}:{nobody}" in problem
        edge.kill()
    assert "Traceback" not in edge.log


def test_f08_a_disk_that_is_full_costs_only_the_rounds_meanwhile(tmp_path: Path):
    """A limit on the size of files stands in for the disk: it needs no rights, and no mount."""
    with Edge(tmp_path) as edge:
        edge.wait_for_rounds(2)
        before = edge.seqs_on_disk()
        (segment,) = (edge.spool / TIER).iterdir()
        assert segment.stat().st_size > FULL_AT
        limit(edge, FULL_AT)
        wait_for(lambda: edge.status()["missed"].get("disk", 0) >= 2, SOON)
        said = edge.status()
        (problem,) = edge.problems()
        assert problem.startswith("the disk takes no rounds, 0 wait in memory: ")
        assert "File too large. look at the disk" in problem
        assert not said["spool"]["writable"]
        assert said["spool"]["error"] in problem
        assert "up{" in edge.metrics(), "who looks still sees the present"
        limit(edge, resource.RLIM_INFINITY)
        wait_for(lambda: edge.status()["spool"]["writable"], SOON)
        edge.wait_for_rounds(2)
        assert edge.problems() == []
        missed = edge.status()["missed"]["disk"]
        assert edge.terminate() == 0
    seqs = edge.seqs_on_disk()
    assert seqs[: len(before)] == before, "what was written before is still there"
    assert seqs == list(range(1, seqs[-1] + 1)), "rounds in memory have numbers of their own"
    assert missed >= 2, "nobody was there to take those"
    assert "Traceback" not in edge.log


def limit(edge: Edge, size: int) -> None:
    """Let no file of a process grow beyond `size` bytes."""
    hard = resource.RLIM_INFINITY
    resource.prlimit(edge.process.pid, resource.RLIMIT_FSIZE, (size, hard))

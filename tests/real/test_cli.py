"""The verbs as processes, and `edgevitals status` against everything that is no status server."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager

import msgspec
import pytest
from click.testing import CliRunner

from collector.cli import status as status_verb
from collector.cli.program import edgevitals
from collector.status.server import opened
from tests.lab.ports import free_port
from tests.lab.process import Process
from tests.lab.waiting import wait_for
from tests.unit.status.view import STATUS, FixedView


@pytest.fixture
def collector(tmp_path):
    """A collector that runs, with its configuration; it reads the host every second."""
    config = tmp_path / "c.yaml"
    config.write_text(
        "site: a\ninterval: 1s\nsources: {host: true}\n"
        "spool: {path: spool, max_size: 64MiB, min_free: 1MiB}\n"
        f"status: {{listen: '127.0.0.1:{free_port()}'}}\n"
    )
    command = [sys.executable, "-m", "collector", "run", "-c", config]
    with Process("edgevitals", command, tmp_path / "log") as process:
        wait_for(lambda: status("-c", config).exit_code == 0, what="a status without problems")
        yield process, config


def run(*args):
    return subprocess.run(
        [sys.executable, "-m", "collector", *args], capture_output=True, text=True, check=False
    )


def test_run_reads_tells_its_status_and_ends_when_told(collector):
    process, config = collector
    wait_for(lambda: "standard  " in status("-c", config).stdout, what="a round")
    process.stop()
    assert process.returncode == 0
    assert status("-c", config).exit_code == 3
    assert "Traceback" not in process.tail()


def test_a_second_one_on_the_same_spool_is_told_so(collector):
    _, config = collector
    second = run("run", "-c", config)
    assert second.returncode == 1
    assert f"the spool {config.parent}/spool is in use by process " in second.stderr
    assert "Traceback" not in second.stderr


def test_a_port_that_is_taken_is_named(collector):
    _, config = collector
    other = config.with_name("other.yaml")
    other.write_text(config.read_text().replace("path: spool", "path: other"))
    second = run("run", "-c", other)
    assert second.returncode == 2
    assert "status.listen: can't listen on 127.0.0.1:" in second.stderr
    assert "Traceback" not in second.stderr


def test_scrape_prints_what_answers_and_names_what_does_not(tmp_path):
    port = free_port()
    (tmp_path / "c.yaml").write_text(
        f"site: a\nsources: {{host: true, jmx: [{{address: '127.0.0.1:{port}'}}]}}\n"
    )
    result = run("scrape", "-c", tmp_path / "c.yaml")
    assert result.returncode == 1
    assert 'up{instance="127.0.0.1:' in result.stdout
    assert "node_load1{" in result.stdout
    (said,) = result.stderr.splitlines()
    assert said.startswith(f"kafka 127.0.0.1:{port}: ")


class WellView(FixedView):
    def status(self):
        return msgspec.structs.replace(STATUS, problems=[])


@contextmanager
def server(view, host="127.0.0.1"):
    """The real server; yields its address as a person writes it."""
    stop = threading.Event()
    address = f"{host}:{free_port()}"
    with opened(view, address) as bound:
        thread = threading.Thread(target=bound.run, args=[stop])
        thread.start()
        try:
            yield address
        finally:
            stop.set()
            thread.join()


@contextmanager
def peer(answer, *, hold=None):
    """Something on a port that sends `answer` to whoever connects, and waits for `hold`."""
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", free_port()))
        listening.listen()

        def talk():
            connection, _ = listening.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)
                if hold is not None:
                    hold.wait()

        thread = threading.Thread(target=talk)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            if hold is not None:
                hold.set()
            thread.join()


def status(*args):
    return CliRunner().invoke(edgevitals, ["status", *args])


def test_problems_are_1_and_none_is_0():
    with server(FixedView()) as address:
        result = status("--url", f"http://{address}")
        assert result.exit_code == 1
        assert "PROBLEM  The sink centre can't be reached" in result.stdout
    with server(WellView()) as address:
        result = status("--url", address)
        assert result.exit_code == 0
        assert result.stdout.splitlines()[1] == "OK"


def test_json_is_what_the_server_said():
    with server(FixedView()) as address:
        result = status("--url", f"http://{address}/status.json", "-o", "json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["pumps"][0]["from"] == "topic"
    assert msgspec.json.decode(result.stdout, type=type(STATUS)) == STATUS


@pytest.mark.parametrize("host,listen", [("127.0.0.1", "0.0.0.0"), ("[::1]", "[::]")])
def test_a_file_says_where_it_listens(tmp_path, host, listen):
    with server(WellView(), host) as address:
        port = address.rpartition(":")[2]
        (tmp_path / "c.yaml").write_text(f"site: a\nstatus: {{listen: '{listen}:{port}'}}\n")
        assert status("-c", tmp_path / "c.yaml").exit_code == 0


def test_without_a_process_it_is_3_and_says_how_to_start_one():
    url = f"http://127.0.0.1:{free_port()}"
    result = status("--url", url)
    assert result.exit_code == 3
    assert result.stdout == ""
    assert result.stderr == (
        f"no collector answers at {url}\n"
        "  start one with: edgevitals run -c FILE. If it listens elsewhere: --url or -c FILE\n"
    )


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.0 404 Not Found\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n<html>a captive portal</html>",
        b'HTTP/1.0 200 OK\r\n\r\n{"version": "9"}',
        b"HTTP/1.0 200 OK\r\n\r\n" + b"[" * 100,
        b"HTTP/1.0 200 OK\r\n\r\n\xff\xfe",
    ],
)
def test_somebody_else_on_the_port_is_3(answer):
    with peer(answer) as url:
        result = status("--url", url)
    assert result.exit_code == 3
    assert f"what answers at {url} is no collector, or one of another version" in result.stderr


def test_what_speaks_no_http_is_3():
    with peer(b"\x15\x03\x03\x00\x02\x02\x46") as url:
        result = status("--url", url)
    assert result.exit_code == 3
    assert f"no collector answers at {url}: " in result.stderr


def test_one_that_hangs_is_3_at_the_deadline(monkeypatch):
    monkeypatch.setattr(status_verb, "DEADLINE", 0.2)
    with peer(b"HTTP/1.0 200 OK\r\n\r\n{", hold=threading.Event()) as url:
        result = status("--url", url)
    assert result.exit_code == 3
    assert "did not answer within 0.2 s\n  if a collector runs there, it hangs" in result.stderr


@pytest.mark.parametrize("url", ["https://a:1", "http://", "http://a:99999", "ftp://a"])
def test_a_wrong_url_is_2(url):
    result = status("--url", url)
    assert result.exit_code == 2
    assert "is not a URL: write http://127.0.0.1:9464" in result.stderr


def test_a_url_and_a_file_are_2():
    assert status("--url", "http://a:1", "-c", "x").exit_code == 2

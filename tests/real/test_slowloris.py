"""F37: two thousand clients that say a byte now and then, and others that say too much."""

from __future__ import annotations

import contextlib
import socket
from contextlib import ExitStack
from pathlib import Path

import psutil

from tests.lab.waiting import wait_for
from tests.real.edge import HOST, SOON, Edge

CLIENTS = 2_000
HUGE = b"GET / HTTP/1.1\r\n" + b"X-Long: " + b"x" * 16_000
MANY = b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 3_000
PIPELINED = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n" * 50


def test_f37_whoever_talks_to_it_the_page_is_served_and_nothing_grows(tmp_path: Path):
    edge = Edge(tmp_path)
    with edge, ExitStack() as clients:
        port = int(edge.url.rpartition(":")[2])
        edge.wait_for_rounds(2)
        wait_for(edge.metrics, SOON, "the first page")
        process = psutil.Process(edge.process.pid)
        memory, threads = process.memory_info().rss, process.num_threads()
        most_files = 0
        for number in range(CLIENTS):
            slow = clients.enter_context(socket.create_connection((HOST, port), timeout=SOON))
            with contextlib.suppress(OSError):  # it may be pushed out before it has said anything
                slow.sendall([b"G", b"GET /metrics HTTP/1.1\r\n"][number % 2])
            if number % 100 == 0:
                most_files = max(most_files, process.num_fds())
                assert "edgevitals_round_seq" in edge.metrics()
        for rude in (HUGE, MANY, PIPELINED) * 20:
            one = socket.create_connection((HOST, port), timeout=SOON)
            with one, contextlib.suppress(OSError):  # it answers before it has read all
                one.sendall(rude)
                while one.recv(65_536):
                    pass
        assert "edgevitals_round_seq" in edge.metrics()
        edge.wait_for_rounds(2)
        assert edge.missed().keys() <= {"not_running"}
        assert sum(edge.status()["missed"].values()) < edge.seq, "most rounds were taken meanwhile"
        assert most_files <= 128
        assert process.num_threads() <= threads + 2
        assert process.memory_info().rss - memory <= 5 << 20
        assert edge.terminate() == 0

from __future__ import annotations

import socket
from contextlib import closing

import pytest

from collector.supervisor import LATE_S, Supervisor

INTERVAL_S = 15.0


@pytest.fixture
def systemd(tmp_path):
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as there:
        there.bind(str(tmp_path / "notify"))
        there.setblocking(False)
        yield there


def told(there: socket.socket) -> list[str]:
    found = []
    while True:
        try:
            found.append(there.recv(4096).decode())
        except BlockingIOError:
            return found


def status() -> str:
    return "round 7, 2 of 2 targets up"


def test_ready_alive_and_stopping_are_told(systemd):
    one = Supervisor({"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "60000000"})
    one.ready()
    one.alive(1.0, INTERVAL_S, status)
    one.alive(1.0, INTERVAL_S, status)  # not again before half of a minute
    one.stopping()
    assert told(systemd) == [
        "READY=1",
        "WATCHDOG=1\nSTATUS=round 7, 2 of 2 targets up",
        "STOPPING=1\nSTATUS=delivering the last rounds",
    ]


def test_rounds_that_hang_are_not_called_alive(systemd):
    one = Supervisor({"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "1"})
    one.alive(INTERVAL_S + LATE_S + 1, INTERVAL_S, status)
    assert told(systemd) == []
    one.alive(INTERVAL_S + LATE_S, INTERVAL_S, status)
    assert len(told(systemd)) == 1


def test_an_abstract_name():
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as there:
        there.bind("")  # the kernel gives it a name
        name = there.getsockname()[1:].decode()
        Supervisor({"NOTIFY_SOCKET": f"@{name}"}).ready()
        assert there.recv(100) == b"READY=1"


@pytest.mark.parametrize(
    "environ",
    [{}, {"NOTIFY_SOCKET": "/nowhere/at/all", "WATCHDOG_USEC": "1"}, {"WATCHDOG_USEC": "soon"}],
    ids=["no-systemd", "nobody-listens", "nonsense"],
)
def test_without_systemd_nothing_happens(environ):
    one = Supervisor(environ)
    one.ready()
    one.alive(0.0, INTERVAL_S, status)
    one.stopping()

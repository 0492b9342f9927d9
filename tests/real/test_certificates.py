"""Certificates that listeners show: openssl's server and a real broker."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from collector.config import Address
from collector.series import SeriesTable, TargetSeries
from collector.sources.certificates import CertificatesSource
from tests.lab.doors import Doors, tls
from tests.lab.kafka import HOST
from tests.lab.parts import need
from tests.lab.ports import free_port
from tests.lab.process import Process
from tests.unit.sinks.certificates import Authority

DAY = 86_400.0


class Listeners:
    """The source, with listeners alone."""

    def __init__(self, *ports: int, host: str = HOST) -> None:
        self.table = SeriesTable()
        listeners = [Address(host, port) for port in ports]
        self._source = CertificatesSource(TargetSeries(self.table, {}), (), listeners, 10 * DAY)

    def read(self) -> dict[tuple[str, str], float]:
        """Return {(name without its beginning, subject or port): value}."""
        reading = self._source.read(time.monotonic() + 10)
        values = {}
        for series_id, value in zip(reading.series, reading.values, strict=True):
            name, labels, _ = self.table[series_id]
            found = dict(labels)
            about = found.get("subject") or found["origin"].rpartition(":")[2]
            values[name.removeprefix("edgevitals_certificate_"), about] = value
        return values


@contextmanager
def server(folder: Path, *words: str | Path) -> Iterator[int]:
    """An openssl s_server while in use: its port."""
    port = free_port()
    command: Sequence[str | Path] = [
        *(need("openssl", "openssl"), "s_server", "-accept", f"{HOST}:{port}", "-quiet"),
        *words,
    ]

    def listens() -> bool:
        with socket.socket() as asked:
            return asked.connect_ex((HOST, port)) == 0

    with Process("s_server", command, folder / f"s_server-{port}.log") as process:
        process.wait_until(listens, 20.0)
        yield port


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


def test_the_whole_chain_is_told_also_of_one_that_has_expired(authority, tmp_path):
    good, over = authority.signed("good"), authority.signed("over", is_over=True)
    with (
        server(tmp_path, *pair(good), "-cert_chain", authority.file) as first,
        server(tmp_path, *pair(over)) as second,
    ):
        told = Listeners(first, second).read()
    assert told["readable", str(first)] == told["readable", str(second)] == 1
    assert told["left_seconds", "CN=good"] / 86_400 in {29, 30}
    assert told["outlives_disconnection", "CN=good"] == 1
    assert told["left_seconds", "CN=authority"] / 86_400 in {29, 30}
    assert told["left_seconds", "CN=over"] / 86_400 in {-2, -1}
    assert told["outlives_disconnection", "CN=over"] == 0


def test_a_listener_is_asked_by_its_name(authority, tmp_path):
    """One with several certificates chooses by it."""
    other, named = authority.signed("other"), authority.signed("localhost")
    words = ("-servername", "localhost", "-cert2", named[0], "-key2", named[1])
    with server(tmp_path, *pair(other), *words) as port:
        told = Listeners(port, host="localhost").read()
    assert told["left_seconds", "CN=localhost"] / 86_400 in {29, 30}


def test_a_broker_that_wants_a_certificate_of_ours_shows_its_own(authority, tmp_path):
    """With TLS 1.2 it hangs up before the handshake is over."""
    certificate, key = authority.signed("broker")
    store = tmp_path / "broker.pem"
    store.write_bytes(key.read_bytes() + certificate.read_bytes())
    door = tls(store, clients=authority.file)
    door.properties["ssl.enabled.protocols"] = "TLSv1.2"
    with Doors(tmp_path / "kafka", {"OLD": door}) as broker:
        port = int(broker.at["OLD"].rpartition(":")[2])
        told = Listeners(port).read()
    assert told["readable", str(port)] == 1
    assert told["left_seconds", "CN=broker"] / 86_400 in {29, 30}


def test_one_that_is_silent_or_away_or_no_tls_holds_up_no_other(authority, tmp_path):
    gone = free_port()
    with (
        socket.create_server((HOST, 0)) as silent,
        server(tmp_path, *pair(authority.signed("a"))) as port,
    ):
        mute = silent.getsockname()[1]
        listeners = Listeners(gone, port, mute)
        told = listeners.read()
        assert told["readable", str(gone)] == 0
        assert told["readable", str(mute)] == 0
        assert told["readable", str(port)] == 1
        assert told["left_seconds", "CN=a"] / 86_400 in {29, 30}
        assert listeners.read() == told  # none is due again


def pair(files: tuple[Path, Path]) -> tuple[str | Path, ...]:
    return ("-cert", files[0], "-key", files[1])

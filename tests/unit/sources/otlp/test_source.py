"""The source: up while it listens, and the last values at each round."""

from __future__ import annotations

import socket
import urllib.request
from contextlib import closing

import pytest

from collector.config import Address, OtlpConfig
from collector.errors import SourceError
from collector.series import SeriesTable, TargetSeries
from collector.sources.otlp import OtlpSource
from collector.telemetry import Telemetry
from tests.unit.sources.otlp.sent import LABELS, gauge, request


def source(port: int = 0) -> tuple[OtlpSource, SeriesTable]:
    table = SeriesTable()
    config = OtlpConfig(listen=Address("127.0.0.1", port))
    return OtlpSource(config, Telemetry(), TargetSeries(table, LABELS), lambda _: False), table


def address(otlp: OtlpSource) -> tuple[str, int]:
    assert otlp.address
    return otlp.address


def test_it_listens_from_the_first_round_on_and_tells_the_last_values():
    otlp, table = source()
    with closing(otlp):
        assert otlp.address is None
        assert otlp.read(0.0) == ([], [])
        host, port = address(otlp)
        sent = urllib.request.Request(
            f"http://{host}:{port}/v1/metrics",
            request(gauge("g", 7)).SerializeToString(),
            {"Content-Type": "application/x-protobuf"},
        )
        with urllib.request.urlopen(sent, timeout=10) as answer:
            assert answer.status == 200
        (series,), values = otlp.read(0.0)
        assert (table[series].name, values) == ("g", [7.0])
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((host, port), timeout=10)


def test_a_port_that_another_has_is_down_with_what_to_do_until_it_is_free():
    with socket.create_server(("127.0.0.1", 0)) as other:
        otlp, _ = source(other.getsockname()[1])
        with pytest.raises(SourceError, match=r"in use.*sources\.otlp\.listen"):
            otlp.read(0.0)
    with closing(otlp):
        assert otlp.read(0.0) == ([], [])


def test_no_sender_says_whether_it_is_up():
    otlp, _ = source()
    with closing(otlp):
        otlp.read(0.0)
        host, port = address(otlp)
        body = request(gauge("up", 0), service__name="", service__instance__id="")
        sent = urllib.request.Request(
            f"http://{host}:{port}/v1/metrics",
            body.SerializeToString(),
            {"Content-Type": "application/x-protobuf"},
        )
        with urllib.request.urlopen(sent, timeout=10) as answer:
            assert b"reserved" in answer.read()
        assert otlp.read(0.0) == ([], [])

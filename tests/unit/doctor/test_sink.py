"""Receivers that are not there, not trusted, not ours, or say no: each by its layer."""

from __future__ import annotations

import re
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from collector.config import ProxyConfig, SinkConfig, TlsConfig
from collector.doctor import clock
from collector.doctor.finding import Finding, Layer, Verdict
from collector.doctor.sink import look
from tests.lab.ports import free_port
from tests.unit.sinks.certificates import Authority
from tests.unit.sinks.peer import HOST, Action, Judged, Peer, Seen, answer, hang, reset, then_close

DAY = 86_400.0


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def sink(url: str, **keys: Any) -> SinkConfig:
    return SinkConfig(name="centre", url=url, out_of_order_time_window=DAY, **keys)


def found(one: SinkConfig) -> list[Finding]:
    return list(look(one))


def worst(one: SinkConfig) -> Finding:
    """The only finding that isn't ok."""
    (finding,) = [finding for finding in look(one) if finding.verdict is not Verdict.OK]
    return finding


def test_a_receiver_that_takes_nothing_is_well_and_has_got_no_sample():
    with Peer(answer(204)) as peer:
        layers = [(one.layer, one.verdict) for one in found(sink(peer.url))]
        (seen,) = [one for one in peer.seen if one.line.startswith("POST")]
    assert layers == [(Layer.DNS, Verdict.OK), (Layer.SINK, Verdict.OK)]
    assert seen.plain == b""
    assert "v2.Request" in seen.headers["content-type"]


def test_a_receiver_of_remote_write_1_is_asked_in_that():
    with Peer(answer(415), answer(204)) as peer:
        assert found(sink(peer.url))[-1].verdict is Verdict.OK
        assert peer.seen[1].headers["x-prometheus-remote-write-version"] == "0.1.0"


@pytest.mark.parametrize(
    "reply,layer,verdict,do",
    [
        (answer(401, b"no"), Layer.LOGIN, "problem", "token_file"),
        (answer(403, b"no"), Layer.LOGIN, "problem", "give our token or user the right"),
        (answer(404, b"no"), Layer.SINK, "problem", "--web.enable-remote-write-receiver"),
        (answer(407, b"no"), Layer.PROXY, "problem", "below proxy of this sink"),
        (answer(415, b"no"), Layer.SINK, "problem", "look at url and protocol"),
        (answer(413, b"no"), Layer.SINK, "problem", ""),
        (answer(429, b"slow down"), Layer.SINK, "problem", "rate_limit"),
        (answer(503, b"later"), Layer.SINK, "problem", "receiver's own log"),
        (answer(302, b"", "Location: https://x/"), Layer.SINK, "problem", "redirects are not"),
        (answer(200, b"<html>"), Layer.SINK, "problem", "captive portal"),
        (answer(400, b"empty"), Layer.SINK, "cannot tell", "edgevitals status"),
    ],
)
def test_what_a_receiver_says_to_nothing(reply, layer, verdict, do):
    with Peer(reply) as peer:
        finding = worst(sink(peer.url))
    assert (finding.layer, finding.verdict) == (layer, verdict)
    assert do in " ".join(finding.do)


@pytest.mark.parametrize("odd", [reset, then_close(b"HTTP/1.")])
def test_a_connection_that_breaks(odd: Action | bytes):
    with Peer(odd) as peer:
        finding = worst(sink(peer.url))
    assert (finding.layer, finding.verdict) == (Layer.NETWORK, Verdict.PROBLEM)


def test_nobody_listens():
    port = free_port()
    finding = worst(sink(f"http://{HOST}:{port}/"))
    assert finding.layer is Layer.NETWORK
    assert "Connection refused" in finding.says
    assert finding.do == (
        f"is anything listening there, and may we pass? Type: curl -v http://{HOST}:{port}/",
    )


def test_no_answer_in_time(monkeypatch):
    monkeypatch.setattr("collector.doctor.sink._DEADLINE_S", 0.3)
    with Peer(hang) as peer:
        finding = worst(sink(peer.url))
    assert finding.layer is Layer.NETWORK
    assert "no answer" in finding.says


def test_a_name_that_is_not_there():
    finding = worst(sink("https://nowhere.invalid/api/v1/write"))
    assert finding.layer is Layer.DNS
    assert finding.do[0].startswith("getent ahosts nowhere.invalid;")


@pytest.mark.parametrize(
    "server,mine,says,do",
    [
        ({}, False, "unable to get local issuer|self.signed", "tls.ca_file"),
        ({"is_over": True}, True, "expired", "renew the receiver's certificate"),
        ({"name": "other"}, True, "mismatch", "tls.server_name"),
    ],
)
def test_certificates_that_are_not_trusted(authority, server, mine, says, do):
    names = ["DNS:other"] if "name" in server else [f"IP:{HOST}"]
    context = authority.server("peer", *names, is_over=server.get("is_over", False))
    with Peer(answer(204), tls=context) as peer:
        tls = TlsConfig(ca_file=authority.file) if mine else None
        finding = worst(sink(peer.url, tls=tls))
    assert finding.layer is Layer.TLS
    assert re.search(says, finding.says)
    assert do in finding.do[0]


def test_http_where_https_was_meant(authority):
    with Peer(answer(204)) as peer:
        finding = worst(sink(peer.url.replace("http:", "https:")))
    assert finding.layer is Layer.TLS
    assert "may speak http" in finding.do[0]


def test_files_that_are_missing(tmp_path: Path):
    with Peer(answer(204)) as peer:
        login = worst(sink(peer.url, token_file=tmp_path / "none"))
        tls = TlsConfig(ca_file=tmp_path / "none")
        files = worst(sink(peer.url.replace("http:", "https:"), tls=tls))
    assert (login.layer, files.layer) == (Layer.LOGIN, Layer.TLS)
    assert "token_file" in login.do[0]


def test_a_proxy_that_refuses(authority):
    with Peer(answer(403)) as peer:
        proxy = ProxyConfig(url=f"http://{HOST}:{peer.port}")
        finding = worst(sink("https://metrics.example/", proxy=proxy))
    assert finding.layer is Layer.PROXY
    assert "CONNECT" in finding.do[0]


@pytest.mark.parametrize("off", [-3600, 3600])
def test_a_clock_that_is_off_by_the_receivers(off):
    def judge(_: Seen) -> bytes:
        return answer(204, b"", f"Date: {formatdate(time.time() - off, usegmt=True)}")

    with Peer(Judged(judge)) as peer:
        finding = worst(sink(peer.url))
    assert finding.layer is Layer.CLOCK
    assert ("ahead of" if off > 0 else "behind") in finding.says
    assert "timedatectl set-ntp true" in finding.do[0]


def test_clocks_that_agree():
    assert clock.against("sink a", None) is None
    agreed = clock.against("sink a", 2_000)
    assert agreed is not None
    assert agreed.verdict is Verdict.OK


@pytest.mark.parametrize(
    "own,verdict", [("1h", Verdict.PROBLEM), ("1d", Verdict.OK), ("31d", Verdict.OK)]
)
def test_the_window_of_the_receiver(own, verdict):
    with Peer(answer(204)) as peer:
        text = f'{{"data":{{"yaml":"storage:\\n  tsdb:\\n    out_of_order_time_window: {own}"}}}}'
        peer.page = answer(200, text.encode())
        finding = found(sink(peer.url))[-1]
    assert finding.verdict is verdict
    assert finding.subject == "centre out_of_order_time_window"

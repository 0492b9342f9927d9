"""Prometheus's API as a client meets it: on a real socket, with scripted answers."""

from __future__ import annotations

import json
from contextlib import closing
from urllib.parse import parse_qs, urlsplit

import pytest

from collector.cli import prometheus_api
from collector.cli.prometheus_api import NoAnswerError, PrometheusApi
from collector.errors import ConfigError
from collector.http.access import Access
from tests.lab.ports import free_port
from tests.unit.sinks.peer import Peer, answer, hang, reset


def said(data):
    return answer(200, json.dumps({"status": "success", "data": data}).encode())


def matrix(*series):
    return said({"resultType": "matrix", "result": list(series)})


def one(*points, **labels):
    return {"metric": labels, "values": [[at, str(value)] for at, value in points]}


def asked(peer):
    """The parameters of each request."""
    lines = [seen.line.split()[1] for seen in peer.seen]
    return [
        (urlsplit(line).path, {k: v[0] for k, v in parse_qs(urlsplit(line).query).items()})
        for line in lines
    ]


def base(peer):
    return f"http://127.0.0.1:{peer.port}"


def test_samples_are_asked_by_a_range_and_cut_to_it():
    points = [(9.999, 1), (10, 2), (11.5, 3), (12, "NaN"), (20, 4)]
    with Peer(matrix(one(*points, site="a"))) as peer, closing(PrometheusApi(base(peer))) as api:
        (track,) = api.samples('x{site="a"}', 10_000, 20_000)
    assert track.labels == {"site": "a"}
    assert track.points == [(10_000, 2.0), (11_500, 3.0)]
    assert asked(peer) == [
        ("/api/v1/query", {"query": 'x{site="a"}[10000ms]', "time": "19.999"}),
    ]


@pytest.mark.parametrize("path", ["", "/", "/api/v1", "/api/v1/"])
def test_the_address_may_have_the_api_in_it(path):
    with Peer(said([])) as peer, closing(PrometheusApi(f"{base(peer)}/prom{path}")) as api:
        assert api.series("x", 0, 1) == []
    assert asked(peer)[0][0] == "/prom/api/v1/series"


def test_what_is_too_much_is_asked_in_halves():
    too_much = answer(422, b'{"status": "error", "error": "too many samples"}')
    first, second = matrix(one((10, 1))), matrix(one((3000, 2)))
    with (
        Peer(too_much, first, second) as peer,
        closing(PrometheusApi(base(peer))) as api,
    ):
        tracks = api.samples("x", 0, 4_000_000)
    assert [track.points for track in tracks] == [[(10_000, 1.0)], [(3_000_000, 2.0)]]
    assert [query["query"] for _, query in asked(peer)] == [
        "x[4000000ms]",
        "x[2000000ms]",
        "x[2000000ms]",
    ]


def test_an_answer_larger_than_the_bound_is_not_read(monkeypatch):
    monkeypatch.setattr(prometheus_api, "MAX_BYTES", 100)
    with (
        Peer(answer(200, b"x" * 1000)) as peer,
        closing(PrometheusApi(base(peer))) as api,
        pytest.raises(NoAnswerError, match="more than"),
    ):
        api.samples("x", 0, 1000)


def test_a_token_goes_along_and_no_redirect_is_followed():
    with Peer(answer(302, b"", "Location: http://elsewhere/")) as peer:
        access = Access(token=lambda: "secret")
        with closing(PrometheusApi(base(peer), access)) as api, pytest.raises(NoAnswerError):
            api.series("x", 0, 1)
    assert [seen.headers["authorization"] for seen in peer.seen] == ["Bearer secret"]


@pytest.mark.parametrize(
    "reply,says",
    [
        (answer(401, b"who are you"), "answered 401: who are you"),
        (answer(200, b"<html>a portal"), "is no Prometheus"),
        (answer(200, b'{"status": "success", "data": 7}'), "no matrix"),
        (answer(200, b"[" * 1000), "is no Prometheus"),
        (answer(500, b"\x1b[2J boom"), "boom"),
        (matrix({"metric": {}, "values": [["x", "y"]]}), "no matrix"),
        (matrix({"metric": 7, "values": []}), "no labels"),
        (reset, "no answer from"),
    ],
)
def test_what_is_no_answer_is_said(reply, says):
    with (
        Peer(reply) as peer,
        closing(PrometheusApi(base(peer))) as api,
        pytest.raises(NoAnswerError) as error,
    ):
        api.samples("x", 0, 1000)
    assert says in error.value.message
    assert error.value.message.isprintable()


def test_one_that_hangs_ends_at_the_deadline():
    with (
        Peer(hang) as peer,
        closing(PrometheusApi(base(peer), deadline_s=1.0)) as api,
        pytest.raises(NoAnswerError, match="no answer from"),
    ):
        api.series("x", 0, 1)


def test_nobody_there():
    with (
        closing(PrometheusApi(f"http://127.0.0.1:{free_port()}")) as api,
        pytest.raises(NoAnswerError, match="can't be reached"),
    ):
        api.series("x", 0, 1)


@pytest.mark.parametrize("url", ["ftp://a", "http://", "http://user:pass@a:9090"])
def test_a_wrong_url_is_usage(url):
    with pytest.raises(ConfigError) as error:
        PrometheusApi(url)
    assert "pass" not in str(error.value)

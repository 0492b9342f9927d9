from __future__ import annotations

import json
from contextlib import closing

import pytest

from collector.frames.frame import Instant
from collector.horizon import Horizon
from collector.sinks.delivery import Delivery
from collector.sinks.own_window import page, seconds, window_s
from collector.sinks.post import Post
from collector.sinks.remote_write_1 import RemoteWrite1
from collector.sinks.reply import Reply
from tests.unit.sinks.batches import NOW_MS, batch, rounds, words
from tests.unit.sinks.peer import Peer, answer


def config(window: str) -> bytes:
    storage = f"storage:\n  tsdb:\n    out_of_order_time_window: {window}\n" if window else ""
    yaml = f"global:\n  scrape_interval: 1m\n{storage}"
    return json.dumps({"status": "success", "data": {"yaml": yaml}}).encode()


@pytest.mark.parametrize(
    "path, where",
    [
        ("/api/v1/write", "/api/v1/status/config"),
        ("/prom/api/v1/write", "/prom/api/v1/status/config"),
        ("/api/v1/otlp/v1/metrics", "/api/v1/status/config"),
        ("/api/v1/push", None),
        ("/", None),
    ],
)
def test_where_a_prometheus_keeps_its_configuration(path, where):
    assert page(path) == where


@pytest.mark.parametrize(
    "text, value",
    [
        ("31d", 31 * 86400),
        ("1h30m", 5400),
        ("4w3d", 31 * 86400),
        ("500ms", 0.5),
        ("0s", 0),
        ("0", 0),
        ("", None),
        ("d", None),
        ("5", None),
        ("1d2", None),
        ("1x", None),
    ],
)
def test_durations_are_read_as_prometheus_writes_them(text, value):
    assert seconds(text) == value


def test_what_a_reply_says_of_the_window():
    assert window_s(Reply(200, {}, config("2h"))) == 7200
    assert window_s(Reply(200, {}, config(""))) == 0
    assert window_s(Reply(200, {}, config(""), is_whole=False)) is None
    assert window_s(Reply(200, {}, config("2h")[:-5], is_whole=False)) == 7200
    assert window_s(Reply(404, {}, config("2h"))) is None
    assert window_s(Reply(200, {}, b"<html>out_of_order_time_window: 2h yaml")) is None


def test_a_window_that_is_shorter_than_ours_is_said_once_and_what_is_right_is_not(caplog):
    of = words("a")
    with Peer(answer(204)) as peer:
        sink = Delivery(
            "centre",
            Post(peer.url, {}),
            [RemoteWrite1()],
            86400.0,
            horizon=Horizon(lambda: Instant(NOW_MS, 0)),
        )
        with closing(sink):
            peer.page = answer(200, config("2h"))
            sink.look()
            assert not sink.stats.advice, "nothing is taken yet: it may be anybody"
            sink.send(batch(of, rounds(of, 1, [[1]])))
            sink.look()
            assert "up to 7200 s late" in sink.stats.advice
            assert caplog.text.count("Make one of them") == 1
            sink.look()  # not before some hours
            assert sum(sink.stats.requests.values()) == len(peer.seen)
            for body in (config("1d"), b"no"):
                sink._receiver._look_at = 0.0
                peer.page = answer(200, body)
                sink.look()
                assert not sink.stats.advice

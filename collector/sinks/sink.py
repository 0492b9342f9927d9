"""A sink of the configuration, ready to send."""

from __future__ import annotations

from collector.config import SinkConfig
from collector.http.access import Access
from collector.sinks.delivery import Delivery
from collector.sinks.dialect import GZIP, SNAPPY, ZSTD, Dialect, Request
from collector.sinks.otlp import Otlp
from collector.sinks.post import DEADLINE_S, Post
from collector.sinks.remote_write_1 import RemoteWrite1
from collector.sinks.remote_write_2 import RemoteWrite2


def delivery(sink: SinkConfig, way_in: Access, deadline_s: float = DEADLINE_S) -> Delivery:
    """Return the destination that a sink describes. Reads no file, connects to nothing."""
    post = Post(sink.url, {}, way_in, deadline_s=deadline_s)
    window_s = sink.out_of_order_time_window
    return Delivery(sink.name, post, _dialects(sink), window_s, horizon=way_in.horizon)


def _dialects(sink: SinkConfig) -> list[Dialect]:
    """The dialects, the best first; the last of them is what every receiver takes."""
    if sink.protocol == "otlp":
        return [Otlp(ZSTD), Otlp(GZIP)] if sink.compression == "zstd" else [Otlp(GZIP)]
    packings = [ZSTD, SNAPPY] if sink.compression == "zstd" else [SNAPPY]
    first: list[Dialect] = []
    if sink.protocol == "remote_write":
        first = [RemoteWrite2(packing) for packing in packings]
    return [*first, *(RemoteWrite1(packing) for packing in packings)]


def nothing(sink: SinkConfig) -> list[Request]:
    """A request without a sample in each dialect of a sink, the best first: for one who asks."""
    return [Request(dialect.packing.pack(b""), dialect.headers, 0) for dialect in _dialects(sink)]

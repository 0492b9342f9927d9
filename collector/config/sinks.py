"""The keys of where rounds are sent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from collector.config.headers import header_name, header_value
from collector.config.reader import Entries
from collector.config.scalars import (
    ByteRate,
    FilePath,
    HttpUrl,
    Lanes,
    PlainName,
    ProxyUrl,
    Rounds,
    UserName,
    Window,
    Word,
    YesNo,
    one_of,
)
from collector.config.tls import TlsConfig

Protocol = Literal["remote_write", "remote_write_1", "otlp"]
PROTOCOLS: tuple[Protocol, ...] = ("remote_write", "remote_write_1", "otlp")
Compression = Literal["snappy", "gzip", "zstd"]
COMPRESSIONS: tuple[Compression, ...] = ("snappy", "gzip", "zstd")


class ProxyConfig(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP proxy on the way to a sink. Proxies of the environment are never used."""

    url: Annotated[ProxyUrl, Meta(description="The proxy; https travels through it unread.")]
    username: Annotated[UserName | None, Meta(description="Who we are to the proxy.")] = None
    password_file: Annotated[
        FilePath | None, Meta(description="File with that user's password, read on change.")
    ] = None


class SinkConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A receiver of Prometheus remote write, or of OTLP metrics."""

    name: Annotated[
        PlainName, Meta(description="Its name in logs, metrics and the consumer group.")
    ]
    url: Annotated[HttpUrl, Meta(description="Where to send, with the path.")]
    out_of_order_time_window: Annotated[
        Window,
        Meta(
            description="How old a sample the receiver still takes: its own setting of this name, "
            "or unlimited (VictoriaMetrics)."
        ),
    ]
    protocol: Annotated[
        Protocol,
        Word("protocol", "remote_write", one_of(*PROTOCOLS)),
        Meta(
            description="remote_write is 2.0, and 1.0 where the receiver doesn't say what it wrote "
            "of that; remote_write_1 is 1.0 alone; otlp is OTLP over HTTP, with the whole path in "
            "url."
        ),
    ] = "remote_write"
    compression: Annotated[
        Compression | None,
        Word("compression", "zstd", one_of(*COMPRESSIONS)),
        Meta(
            description="snappy for remote write and gzip for OTLP if left out. zstd is a third of "
            "that where the receiver takes it, as VictoriaMetrics does; else it is not used."
        ),
    ] = None
    token_file: Annotated[
        FilePath | None, Meta(description="File with a bearer token, read again when it changes.")
    ] = None
    username: Annotated[
        UserName | None, Meta(description="Who we are to the receiver, by basic authentication.")
    ] = None
    password_file: Annotated[
        FilePath | None,
        Meta(description="File with that user's password, read again when it changes."),
    ] = None
    headers: Annotated[
        dict[str, str | Path],
        Entries(header_name, header_value),
        Meta(
            description="More headers of each request, like X-Scope-OrgID. One that is secret is "
            "written as <header>_file with the path of a file that holds it."
        ),
    ] = {}
    tls: Annotated[
        TlsConfig | None, Meta(description="Certificates of https; the system's if left out.")
    ] = None
    proxy: Annotated[
        ProxyConfig | None, Meta(description="An HTTP proxy on the way; none if left out.")
    ] = None
    rate_limit: Annotated[
        ByteRate | None,
        Meta(description="Bytes that may leave for this sink in a second, on average."),
    ] = None
    pulse: Annotated[
        YesNo,
        Meta(
            description="Send a few numbers as of now each interval, beside the rounds; never "
            "where out_of_order_time_window is 0s."
        ),
    ] = True
    rounds_per_request: Annotated[
        Rounds | None, Meta(description="Rounds that one request holds; the preset's if left out.")
    ] = None
    lanes: Annotated[
        Lanes | None,
        Meta(
            description="Requests under way at once, at most one a stream: 4 in a forwarder if "
            "left out, 1 at a site."
        ),
    ] = None

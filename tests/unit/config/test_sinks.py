"""What a sink speaks, and how old a round it takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.config import Loaded, load
from collector.errors import ConfigError

SINK = 'sinks: [{name: x, url: "https://x/y", out_of_order_time_window: %s}]\n'
READS = 'site: a\nsources: {jmx: [{address: "127.0.0.1:9999"}]}\n'


def loaded(folder: Path, text: str) -> Loaded:
    file = folder / "c.yaml"
    file.write_text(text)
    return load(file, {})


def test_remote_write_2_is_spoken_if_nothing_is_said(tmp_path):
    (sink,) = loaded(tmp_path, READS + SINK % "31d").config.sinks
    assert (sink.protocol, sink.compression) == ("remote_write", None)


@pytest.mark.parametrize(
    "protocol, compression",
    [("remote_write", "zstd"), ("remote_write_1", "snappy"), ("otlp", "gzip"), ("otlp", "zstd")],
)
def test_what_is_spoken_can_be_said(tmp_path, protocol, compression):
    keys = f"31d, protocol: {protocol}, compression: {compression}"
    (sink,) = loaded(tmp_path, READS + SINK % keys).config.sinks
    assert (sink.protocol, sink.compression) == (protocol, compression)


@pytest.mark.parametrize(
    "keys, says",
    [
        ("protocol: remote_wriet", "is unknown: write remote_write, remote_write_1 or otlp"),
        ("compression: brotli", "compression"),
        ("compression: gzip", "protocol remote_write has snappy or zstd, or leave this out"),
        ("protocol: otlp, compression: snappy", "protocol otlp has gzip or zstd"),
    ],
)
def test_what_cannot_be_spoken_is_said(tmp_path, keys, says):
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, READS + SINK % f"31d, {keys}")
    assert says in caught.value.message


@pytest.mark.parametrize(
    "window, size, is_warned",
    [
        ("31d", "1GiB", False),
        ("31d", "8GiB", True),
        ("2h", "2GiB", True),
        ("unlimited", "8GiB", False),
    ],
)
def test_a_spool_that_holds_more_time_than_the_receiver_takes_is_warned_of(
    tmp_path, window, size, is_warned
):
    text = READS + SINK % window + f"spool: {{path: s, max_size: {size}}}\n"
    said = loaded(tmp_path, text).problems.render()
    assert ("the spool can hold about" in said) is is_warned

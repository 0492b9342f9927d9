"""Numbers and tables as people read them."""

from __future__ import annotations

import math

import pytest

from collector.cli.words import harmless, size, span, table


@pytest.mark.parametrize(
    "seconds,text",
    [
        (0, "0s"),
        (-3, "0s"),
        (0.0412, "41ms"),
        (0.00001, "0ms"),
        (4.2, "4s"),
        (59.6, "1m"),
        (90, "1m 30s"),
        (3600, "1h"),
        (18_720, "5h 12m"),
        (12 * 86400 + 4 * 3600 + 61, "12d 4h"),
        (31 * 86400, "31d"),
        (math.inf, "unlimited"),
    ],
)
def test_spans(seconds, text):
    assert span(seconds) == text


@pytest.mark.parametrize(
    "count,text",
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (43_201_331, "41.2 MiB"),
        (2 << 30, "2 GiB"),
        (5 << 50, "5120 TiB"),
    ],
)
def test_sizes(count, text):
    assert size(count) == text


def test_a_table_is_as_wide_as_what_is_in_it():
    assert table([("A", "NOTE"), ("long one", ""), ("b", "x\ny\x1b[0m")]) == [
        "A         NOTE",
        "long one",
        "b         x y [0m",
    ]


def test_a_terminal_obeys_nobody_else():
    assert harmless("a\x1b]0;title\x07\r\nb") == "a ]0;title   b"

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.frames.dictionary import Stream
from collector.frames.frame import FORMAT, Instant
from collector.topic.record import Labelled, dictionary_headers, frame_headers, read_headers
from tests.unit.examples import STREAM, line_frame, small_dictionary, wall_of

NAMES = st.text("abcXYZ019._-", min_size=1, max_size=64)


def as_read(headers):
    return [(name, value) for name, value in headers if isinstance(value, bytes)]


def test_the_headers_of_a_frame_say_which_rounds_it_has():
    frame = line_frame(41, 6, line=0xA1, epoch=0xB2, id_=0xC3)
    assert dict(frame_headers(STREAM, frame)) == {
        "stream": b"store-0412/node-1/standard",
        "epoch": bytes.fromhex("00000000000000b2"),
        "seq": b"41-46",
        "time": b"%d-%d" % (wall_of(0xA1, 41), wall_of(0xA1, 46)),
        "dictionary": bytes.fromhex("00000000000000c3"),
        "min_reader": b"%d" % FORMAT,
    }


def test_a_single_round_is_a_single_number():
    headers = dict(frame_headers(STREAM, line_frame(41)))
    assert (headers["seq"], headers["time"]) == (b"41", b"%d" % wall_of(1, 41))


def test_rounds_without_a_wall_clock_have_no_time():
    frame = line_frame(1, 2)
    unstamped = frame._replace(at=tuple(Instant(None, at.monotonic_ms) for at in frame.at))
    assert dict(frame_headers(STREAM, unstamped))["time"] == b""


def test_the_headers_of_a_dictionary_name_it_and_no_rounds():
    dictionary = small_dictionary()
    assert dict(dictionary_headers(dictionary)) == {
        "stream": b"store-0412/node-1/standard",
        "dictionary": dictionary.id.to_bytes(8, "big"),
        "min_reader": b"%d" % FORMAT,
    }


@given(NAMES, NAMES, st.sampled_from(["vital", "standard", "detail"]))
def test_what_is_written_is_read(site, node, tier):
    stream = Stream(site, node, tier)
    expected = Labelled(stream, FORMAT)
    assert read_headers(as_read(frame_headers(stream, line_frame(1)))) == expected
    assert read_headers(as_read(dictionary_headers(small_dictionary(stream)))) == expected


def test_a_newer_writer_says_so():
    headers = [("stream", b"s/n/standard"), ("min_reader", b"7"), ("codec", b"brotli")]
    assert read_headers(headers) == Labelled(Stream("s", "n", "standard"), 7)


@pytest.mark.parametrize(
    "headers",
    [
        None,
        [],
        [("stream", None), ("min_reader", None)],
        [("stream", b"\xff\xfe"), ("min_reader", b"one")],
        [("stream", b"a/b/c/d"), ("min_reader", b"-1")],
        [("min_reader", b"9" * 5000)],
        [("trace", b"01")],
    ],
)
def test_headers_of_other_programs_say_nothing(headers):
    assert read_headers(headers) == Labelled(None, FORMAT)


@given(st.lists(st.tuples(st.sampled_from(["stream", "min_reader", "x"]), st.binary() | st.none())))
def test_any_headers_can_be_read(headers):
    read_headers(headers)

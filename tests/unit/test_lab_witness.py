from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest
from cramjam import snappy

from tests.lab.protos import request_2_class, write_request_class
from tests.lab.witness import REMEMBERED, WRITTEN, RemoteWriteWitness

STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
NAN = float("nan")


@pytest.fixture
def witness() -> Iterator[RemoteWriteWitness]:
    with RemoteWriteWitness() as one:
        yield one


def body(*samples: tuple[str, int, float]) -> bytes:
    request = write_request_class()()
    for name, time, value in samples:
        series = request.timeseries.add()
        series.labels.add(name="__name__", value=name)
        series.samples.add(timestamp=time, value=value)
    return bytes(snappy.compress_raw(request.SerializeToString()))


def pass_by(witness: RemoteWriteWitness, content: bytes, status: int = 204) -> None:
    conversation = witness.tap()
    conversation.sent(b"POST /w HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(content) + content)
    conversation.received(b"HTTP/1.1 %d Answer\r\nContent-Length: 0\r\n\r\n" % status)


def test_samples_in_order_are_counted_and_nothing_is_found(witness):
    one, two = body(("a", 1, 0.5), ("b", 1, NAN)), body(("a", 2, 0.5), ("b", 2, STALE))
    pass_by(witness, one)
    pass_by(witness, two)
    report = witness.report()
    assert (report.requests, report.series, report.samples) == (2, 2, 4)
    assert report.bytes == len(one) + len(two)
    assert (report.repeats, report.out_of_order, report.conflicts) == (0, 0, 0)


def test_the_same_bytes_again_are_a_repeat_even_when_they_are_old(witness):
    for content in (body(("a", 1, STALE)), body(("a", 2, 2.0)), body(("a", 1, STALE))):
        pass_by(witness, content)
    report = witness.report()
    assert (report.repeats, report.out_of_order, report.conflicts) == (1, 0, 0)


@pytest.mark.parametrize("first, second", [(1.0, 2.0), (0.0, -0.0), (NAN, STALE)])
def test_another_value_for_a_time_is_a_conflict(witness, first: float, second: float):
    pass_by(witness, body(("a", 7, first)))
    pass_by(witness, body(("a", 7, second)))
    report = witness.report()
    assert (report.repeats, report.out_of_order, report.conflicts) == (0, 0, 1)
    [finding] = report.findings
    assert finding.labels == (("__name__", "a"),)
    assert finding.time == 7
    assert finding.beside == f"{first!r} came before"


def test_a_new_time_before_the_newest_is_out_of_order_for_its_series_alone(witness):
    for content in (body(("a", 5, 1.0)), body(("b", 4, 1.0)), body(("a", 3, 1.0))):
        pass_by(witness, content)
    report = witness.report()
    assert report.out_of_order == 1
    assert report.findings[0].beside == "5 came before"


def test_what_was_refused_was_not_delivered(witness):
    pass_by(witness, body(("a", 5, 1.0)), status=503)
    pass_by(witness, body(("a", 4, 2.0)))
    report = witness.report()
    assert report.refused == {503: 1}
    assert (report.samples, report.out_of_order) == (1, 0)


def test_a_body_that_is_no_remote_write_is_named(witness):
    pass_by(witness, b"not snappy")
    assert witness.report().unreadable == 1


def test_memory_is_bounded_by_forgetting_the_oldest_times(witness):
    for time in range(REMEMBERED + 10):
        pass_by(witness, body(("a", time, 1.0)))
    assert witness.report().samples == REMEMBERED + 10
    [seen] = witness._seen.values()
    assert len(seen.values) == REMEMBERED


@pytest.mark.parametrize("written, samples", [(b"", 0), (b"%s: 1\r\n" % WRITTEN.encode(), 1)])
def test_a_body_of_2_counts_when_the_answer_says_what_was_written(witness, written, samples):
    request = request_2_class()(symbols=["", "__name__", "a"])
    request.timeseries.add(labels_refs=[1, 2]).samples.add(timestamp=1, value=2.0)
    content = bytes(snappy.compress_raw(request.SerializeToString()))
    conversation = witness.tap()
    head = b"Content-Type: application/x-protobuf;proto=io.prometheus.write.v2.Request\r\n"
    conversation.sent(
        b"POST /w HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n%s" % (head, len(content), content)
    )
    conversation.received(b"HTTP/1.1 204 No Content\r\n%sContent-Length: 0\r\n\r\n" % written)
    assert witness.report().samples == samples
    pass_by(witness, body(("a", 1, 2.0)))
    assert witness.report().repeats == samples, "the same series by both"

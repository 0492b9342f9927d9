"""The golden bytes: what each file in tests/data/golden holds, and how it was made.

    python -m tests.unit.golden        writes files that are not there yet; it never changes one

Sites keep spools for weeks and topics for longer: what was written once is read for ever. When a
format gets a field, add a file; the old ones stay as they are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from collector.flow import mark
from collector.flow.mark import Gap, GapReason, Mark, Marks, Position
from collector.frames import dictionary
from collector.frames.columns import NO_SAMPLE, STALE, Row
from collector.frames.dictionary import Dictionary, Stream
from collector.frames.frame import (
    ClockStep,
    Frame,
    Instant,
    Lineage,
    Rejection,
    SegmentHeader,
    encode_dictionary,
    encode_frame,
    encode_position,
    encode_rejection,
    encode_segment_header,
    frame,
)
from collector.series import Family, Kind, Series
from collector.spool.segment import pack
from tests.unit.examples import row_of_bits

FOLDER = Path(__file__).parent.parent / "data" / "golden"

STREAM = Stream("store-0412", "node-1", "standard")
BOOT = bytes.fromhex("6d5f1e2a9b3c4d7e8f00112233445566")
EARLIER_BOOT = bytes.fromhex("0123456789abcdef0123456789abcdef")
EPOCH, LINE, EARLIER_EPOCH = 0x8899AABBCCDDEEFF, 0x1122334455667788, 0xFEDCBA9876543210
AT_MS = 1_790_000_000_000

_COUNTER = Family("kafka_server_messages_total", Kind.COUNTER, "messages", "Messages that came in")
_HISTOGRAM = Family("request_seconds", Kind.HISTOGRAM, "seconds", "Time of a request")
_JOB = (("instance", "127.0.0.1:9999"), ("job", "kafka"))
SERIES = (
    Series(_COUNTER.name, (*_JOB, ("topic", "orders")), _COUNTER),
    Series(_COUNTER.name, (*_JOB, ("topic", "käse \U0001f9c0")), _COUNTER),
    Series("request_seconds_bucket", (*_JOB, ("le", "0.5")), _HISTOGRAM),
    Series("request_seconds_sum", _JOB, _HISTOGRAM),
    Series("request_seconds_count", _JOB, _HISTOGRAM),
    Series("queue", _JOB, Family("queue", Kind.GAUGE, "", "Waiting\nrequests")),
    Series("latency", (*_JOB, ("quantile", "0.99")), Family("latency", Kind.SUMMARY)),
    Series("broker_info", (*_JOB, ("version", "4.3.1")), Family("broker_info", Kind.INFO)),
    Series("odd", _JOB, Family("odd")),
)
DICTIONARY = dictionary.build(STREAM, SERIES)
EMPTY = dictionary.build(STREAM, ())

_ONE, _LARGEST, _HALF = 0x3FF0 << 48, 0x4340 << 48, 0x3FE0 << 48  # 1.0, 2.0**53, 0.5
_MINUS_LARGEST, _MINUS_ZERO = 0xC340 << 48, 1 << 63
_INFINITY, _MINUS_INFINITY, _NAN = 0x7FF0 << 48, 0xFFF0 << 48, 0x7FF8 << 48
CELLS = [
    [_ONE, _LARGEST, 0, _HALF, _ONE, _MINUS_ZERO, _INFINITY, _ONE, 0x0123456789ABCDEF],
    [_ONE, _MINUS_LARGEST, STALE, _NAN, _ONE, _ONE, _MINUS_INFINITY, _ONE, 0xFFFFFFFFFFFFFFFF],
    [NO_SAMPLE, _LARGEST, NO_SAMPLE, _HALF, _ONE, _ONE, _HALF, STALE, 1],
]
"""Rounds of SERIES: whole numbers to both ends, each kind of NaN, the markers, -0.0."""


def rows() -> list[Row[float]]:
    return [row_of_bits(cells) for cells in CELLS]


def _lineage(**fields: object) -> Lineage:
    return Lineage(EPOCH, EPOCH, None, BOOT)._replace(**fields)  # type: ignore[arg-type]


def _frames() -> dict[str, tuple[Frame, Dictionary]]:
    three = [Instant(AT_MS + 15_000 * i + i, 98_765_432 + 15_000 * i) for i in range(3)]
    unstamped = [Instant(None, -5), Instant(None, -5), Instant(None, 7_000)]
    step = ClockStep(EARLIER_BOOT, 98_000_000, -31_536_000_000)
    return {
        "frame-begins-a-line": (
            frame(DICTIONARY.id, _lineage(), 1, three[:1], rows()[:1]),
            DICTIONARY,
        ),
        "frame-every-field": (
            frame(
                DICTIONARY.id,
                _lineage(line=LINE, previous=(EARLIER_EPOCH, 4710), clock_step=step, volatile=True),
                4711,
                three,
                rows(),
            ),
            DICTIONARY,
        ),
        "frame-goes-on": (
            frame(DICTIONARY.id, _lineage(line=LINE), 4714, three, rows()),
            DICTIONARY,
        ),
        "frame-unstamped": (
            frame(DICTIONARY.id, _lineage(line=LINE), 2**40, unstamped, rows()),
            DICTIONARY,
        ),
        "frame-without-series": (
            frame(EMPTY.id, _lineage(), 1, three, [row_of_bits([])] * 3),
            EMPTY,
        ),
    }


FRAMES = _frames()
HEADER = SegmentHeader(STREAM, 0x1F, AT_MS, "edgevitals 0.1.0")
REJECTION = Rejection("centre", "out_of_bounds", "too old: käse", AT_MS + 3)


def _one_line(*mark: Any) -> tuple[Mark, ...]:
    """As the first version wrote it: a stream with one line, of which nothing more is known."""
    return (Mark(*mark),)


MARKS = Marks(
    {
        STREAM.key: _one_line(
            LINE,
            EPOCH,
            4713,
            AT_MS,
            (
                Gap(0, 0, AT_MS - 900_000, AT_MS - 800_000, GapReason.NEW_LINE),
                *(
                    Gap(i * 100, i * 100 + i, AT_MS - 600_000 + i, AT_MS - 500_000, GapReason(i))
                    for i in range(1, 11)
                    if GapReason(i) is not GapReason.NEW_LINE
                ),
                Gap(4000, 4700, AT_MS - 9, AT_MS - 8, GapReason.UNKNOWN),
            ),
        ),
        Stream("s", "n", "vital").key: _one_line(5, 6, 7, -8),
    },
    1_234_567,
)
POSITION = Position(0x1F, 123_456, MARKS)

RECORDS = {
    **{name: encode_frame(it) for name, (it, _) in FRAMES.items()},
    "dictionary": encode_dictionary(DICTIONARY),
    "dictionary-empty": encode_dictionary(EMPTY),
    "segment-header": encode_segment_header(HEADER),
    "position": encode_position(mark.encode_position(POSITION)),
    "rejection": encode_rejection(REJECTION),
}
"""As this version writes them: files <name>.record."""

SEGMENT = ("segment-header", "dictionary", "frame-every-field", "frame-goes-on", "rejection")
"""The records of segment.evs."""


def _make() -> dict[str, bytes]:
    made = {f"{name}.record": record for name, record in RECORDS.items()}
    made["segment.evs"] = b"".join(pack(RECORDS[name]) for name in SEGMENT)
    made["standard.centre.position"] = pack(RECORDS["position"])
    made["identity.json"] = b'{"format":1,"site":"store-0412","node":"node-1"}\n'
    made["commit.metadata"] = mark.to_metadata(MARKS).encode()
    return made


def main() -> None:
    for name, data in _make().items():
        file = FOLDER / name
        if not file.exists():
            file.write_bytes(data)
            print(f"wrote {file.name}, {len(data)} bytes")


if __name__ == "__main__":
    main()

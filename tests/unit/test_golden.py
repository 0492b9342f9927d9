"""What was written once is read for ever: the files in tests/data/golden never change."""

from __future__ import annotations

import hashlib
import shutil
from contextlib import closing

import cramjam
import pytest

from collector.errors import TooNew
from collector.flow import mark
from collector.flow.mark import from_metadata, to_metadata
from collector.flow.pump import Appetite
from collector.frames.dictionary import Dictionary
from collector.frames.frame import Frame, decode, encode_dictionary, encode_frame
from collector.spool.position import load_position, save_position
from collector.spool.segment import SegmentReader, pack
from collector.spool.spool import Limits, Spool
from tests.unit import golden
from tests.unit.examples import bits, judge, number_of_enum
from tests.unit.golden import FOLDER


def _record(name: str) -> bytes:
    return (FOLDER / f"{name}.record").read_bytes()


def test_no_golden_file_is_gone_or_changed():
    """Whoever has to change this list breaks what sites have on their disks."""
    made = {name: hashlib.sha256((FOLDER / name).read_bytes()).hexdigest()[:16] for name in _SUMS}
    assert made == _SUMS
    assert {file.name for file in FOLDER.iterdir()} == {*_SUMS, "README"}


@pytest.mark.parametrize("name", golden.FRAMES)
def test_a_golden_frame_is_read_to_the_same_values_and_written_to_the_same_bytes(name):
    expected, dictionary = golden.FRAMES[name]
    read = decode(_record(name))
    assert isinstance(read, Frame)
    # Another zstd may make other columns of the same cells: what they hold is what counts.
    assert read._replace(columns=b"") == expected._replace(columns=b"")
    cells = [bits(row) for row in read.rows(dictionary)]
    assert cells == ([[]] * 3 if not dictionary.series else golden.CELLS[: len(cells)])
    assert len(cells) == len(expected.at)
    assert encode_frame(read) == _record(name)
    assert encode_frame(expected._replace(columns=read.columns)) == _record(name)


@pytest.mark.parametrize(
    "name, expected", [("dictionary", golden.DICTIONARY), ("dictionary-empty", golden.EMPTY)]
)
def test_a_golden_dictionary_is_read_to_the_same_series_under_the_same_id(name, expected):
    read = decode(_record(name))
    assert isinstance(read, Dictionary)
    assert (read.id, read.stream, tuple(read.series)) == (
        expected.id,
        golden.STREAM,
        tuple(expected.series),
    )
    assert encode_dictionary(read) == _record(name)
    # The id is over the bytes behind the compression: those must never change at all.
    theirs, ours = (judge("PackedDictionary").FromString(it.packed) for it in (read, expected))
    assert bytes(cramjam.zstd.decompress(theirs.zstd)) == bytes(cramjam.zstd.decompress(ours.zstd))


@pytest.mark.parametrize(
    "name, expected",
    [
        ("segment-header", golden.HEADER),
        ("rejection", golden.REJECTION),
        ("position", mark.encode_position(golden.POSITION)),
    ],
)
def test_other_golden_records_are_read_and_written_the_same(name, expected):
    assert decode(_record(name)) == expected
    assert golden.RECORDS[name] == _record(name)


def test_a_golden_position_is_read_to_the_same_place(tmp_path):
    file = FOLDER / "standard.centre.position"
    assert load_position(file) == golden.POSITION
    assert file.read_bytes() == pack(_record("position"))
    save_position(tmp_path / "again.position", golden.POSITION)
    assert (tmp_path / "again.position").read_bytes() == file.read_bytes()


def test_golden_metadata_of_a_commit_is_read_and_written_the_same():
    text = (FOLDER / "commit.metadata").read_text("ascii")
    assert from_metadata(text) == golden.MARKS
    assert to_metadata(golden.MARKS) == text


def test_a_golden_segment_has_its_records_in_order():
    file = FOLDER / "segment.evs"
    with closing(SegmentReader(file)) as reader:
        at = 0
        for name in golden.SEGMENT:
            entry = reader.read(at, reader.size)
            assert entry is not None
            assert (entry.payload, entry.damaged) == (_record(name), 0)
            at = entry.end
        assert at == reader.size
    assert file.read_bytes() == b"".join(pack(_record(name)) for name in golden.SEGMENT)


def test_a_golden_identity_is_that_of_a_new_spool(tmp_path):
    stream = golden.STREAM
    with Spool(tmp_path, stream.site, stream.node, Limits(1 << 30)):
        assert (tmp_path / "identity.json").read_bytes() == (FOLDER / "identity.json").read_bytes()


class _Nobody:
    def met(self, *_: object) -> None: ...
    def held(self, why: TooNew) -> None: ...
    def unsaved(self, why: OSError) -> None: ...
    def unread(self, why: OSError) -> None: ...
    def waits(self, why: str) -> None: ...


def test_a_golden_segment_in_a_spool_of_today_is_delivered(tmp_path):
    stream = golden.STREAM
    with Spool(tmp_path, stream.site, stream.node, Limits(1 << 30)):
        pass
    shutil.copy(FOLDER / "segment.evs", tmp_path / "standard" / f"{0x1F:016x}.evs")
    with Spool(tmp_path, stream.site, stream.node, Limits(1 << 30)) as spool:
        last = spool.last("standard")
        assert last is not None
        assert last[:3] == (golden.LINE, golden.EPOCH, 4716)
        cursor = spool.cursor("standard", "centre", Appetite(1, 0.0), _Nobody())
        batch = cursor.read(0)
        assert batch is not None
        assert [(it.first_seq, it.last_seq) for it in batch.frames] == [(4711, 4713), (4714, 4716)]
        for it in batch.frames:
            assert [bits(row) for row in it.rows(batch.dictionary)] == golden.CELLS
        cursor.close()


def test_the_numbers_kept_for_histograms_are_free():
    assert not set(judge("Frame").DESCRIPTOR.fields_by_number) & set(range(16, 32))
    assert not set(number_of_enum("Family", "kind").values()) & set(range(6, 10))


def test_protobuf_reads_the_golden_records_too():
    for name in golden.RECORDS:
        read = judge("Record").FromString(_record(name))
        assert read.min_reader == 1
        assert read.SerializeToString(deterministic=True) == _record(name)


_SUMS = {
    "commit.metadata": "f4a6030bb80f90c2",
    "dictionary-empty.record": "b21544c1d0047144",
    "dictionary.record": "19814d8d60d9d312",
    "frame-begins-a-line.record": "a8b73912fad4b7ec",
    "frame-every-field.record": "d141aaca38188055",
    "frame-goes-on.record": "c6de5a9ba594a361",
    "frame-unstamped.record": "a3e7d75c43e9df5a",
    "frame-without-series.record": "6522da6c1a00d13d",
    "identity.json": "f174f3fdbc78e6ed",
    "position.record": "75b55cfbbc260311",
    "rejection.record": "51612588b577a2de",
    "segment-header.record": "54dc73f58f82676c",
    "segment.evs": "e41f6cbc91ff4fc3",
    "standard.centre.position": "152ed0058f042d16",
}

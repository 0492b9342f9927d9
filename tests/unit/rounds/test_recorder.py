from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.frames.columns import NO_SAMPLE, STALE
from collector.frames.dictionary import unpack_dictionary
from collector.frames.frame import ClockStep, Frame, Instant, Lineage, decode, encode_frame
from collector.rounds.recorder import Epochs, Recorded, Recorder, new_epoch
from collector.series import Family, Kind, SeriesTable
from collector.target import Reading
from tests.unit.examples import BOOT, STREAM, bits, double

GAUGE = Family("g", Kind.GAUGE)


class _Site:
    """A recorder, and what a reader of its frames sees: names and bits."""

    def __init__(self, previous: tuple[int, int] | None = None) -> None:
        self.table = SeriesTable()
        self.recorder = Recorder(STREAM, self.table, Lineage(5, 5, previous, BOOT))
        self.ms = 0

    def id(self, name: str) -> int:
        return self.table.intern(name, (), GAUGE._replace(name=name))

    def reading(self, **values: float) -> Reading:
        return Reading([self.id(name) for name in values], list(values.values()))

    def round(self, *readings: Reading) -> Recorded:
        self.ms += 1000
        return self.recorder.record(readings, Instant(self.ms, self.ms))

    def seen(self, recorded: Recorded) -> dict[str, float | str]:
        """The cells of a round as the far side decodes them; cells without a sample left out."""
        frame = decode(encode_frame(recorded.frame))
        assert isinstance(frame, Frame)
        known = unpack_dictionary(recorded.dictionary.packed)
        assert frame.dictionary_id == known.id
        assert frame.at == (recorded.at,)
        (row,) = frame.rows(known)
        assert bits(row) == bits(recorded.row)
        cells = zip(known.series, row, bits(row), strict=True)
        return {
            series.name: "stale" if cell == STALE else value
            for series, value, cell in cells
            if cell != NO_SAMPLE
        }


def test_rounds_carry_their_values_and_count_up():
    site = _Site()
    one = site.round(site.reading(a=1.5, b=2.0))
    two = site.round(site.reading(a=2.5, b=3.0))
    assert site.seen(one) == {"a": 1.5, "b": 2.0}
    assert site.seen(two) == {"a": 2.5, "b": 3.0}
    assert (one.seq, two.seq) == (1, 2)
    assert (one.frame.first_seq, two.frame.first_seq) == (1, 2)
    assert one.dictionary is two.dictionary


def test_an_epoch_goes_on_with_the_seq_of_its_predecessor():
    site = _Site(previous=(4, 41))
    one = site.round()
    assert one.seq == 42
    assert one.frame.lineage.previous == (4, 41)


def test_a_series_that_ends_is_marked_once_and_comes_back_as_if_nothing_were():
    site = _Site()
    site.round(site.reading(a=1, b=1))
    assert site.seen(site.round(site.reading(a=2))) == {"a": 2, "b": "stale"}
    assert site.seen(site.round(site.reading(a=3))) == {"a": 3}
    assert site.seen(site.round(site.reading(a=4, b=4))) == {"a": 4, "b": 4}
    assert site.seen(site.round(site.reading(b=5))) == {"a": "stale", "b": 5}


def test_a_series_may_return_in_the_round_in_which_a_new_one_begins():
    """A target that was down comes back with one more topic: its empty columns are needed again."""
    site = _Site()
    site.round(site.reading(a=1, b=1))
    site.round()
    site.round()
    assert site.seen(site.round(site.reading(b=4, c=4))) == {"b": 4, "c": 4}


def test_all_series_of_a_target_that_fails_end():
    site = _Site()
    site.round(site.reading(a=1, b=1), site.reading(up=1))
    assert site.seen(site.round(site.reading(up=0))) == {"a": "stale", "b": "stale", "up": 0}


def test_a_new_series_makes_a_new_dictionary_and_drops_columns_that_ended_long_ago():
    site = _Site()
    first = site.round(site.reading(a=1, old=1))
    site.round(site.reading(a=2))  # "old" ends
    third = site.round(site.reading(a=3))  # and is empty
    assert third.dictionary is first.dictionary
    fourth = site.round(site.reading(a=4, new=1))
    assert fourth.dictionary.id != first.dictionary.id
    assert [series.name for series in fourth.dictionary.series] == ["a", "new"]
    assert site.seen(fourth) == {"a": 4, "new": 1}


def test_a_series_may_end_in_the_round_in_which_another_begins():
    site = _Site()
    site.round(site.reading(a=1, b=1))
    second = site.round(site.reading(a=2, c=2))
    assert site.seen(second) == {"a": 2, "b": "stale", "c": 2}
    third = site.round(site.reading(a=3, c=3, d=3))
    # Its marker stood in the round before: it may have a column once more, and no cell.
    assert site.seen(third) == {"a": 3, "c": 3, "d": 3}


def test_a_series_that_returns_after_its_column_went_gets_a_new_one():
    site = _Site()
    site.round(site.reading(a=1, b=1))
    site.round(site.reading(a=2))
    site.round(site.reading(a=3))
    site.round(site.reading(a=4, c=4))
    assert site.seen(site.round(site.reading(a=5, b=5, c=5))) == {"a": 5, "b": 5, "c": 5}


@pytest.mark.parametrize(
    "cell", [STALE, NO_SAMPLE, 0xFFF8 << 48, 0x7FF0_0000_0000_0001, (1 << 63) - 1]
)
def test_no_value_can_look_like_a_marker(cell):
    """A NaN of a source has any bits: by chance those of "stale"."""
    site = _Site()
    recorded = site.round(site.reading(a=double(cell)))
    assert bits(recorded.row) == [int.from_bytes(struct.pack("<d", math.nan), "little")]
    assert [math.isnan(value) for _, value in recorded.samples()] == [True]


def test_a_series_in_two_readings_has_one_column_and_the_later_value():
    site = _Site()
    recorded = site.round(site.reading(a=1, b=1), site.reading(a=2))
    assert site.seen(recorded) == {"a": 2, "b": 1}
    assert len(recorded.dictionary.series) == 2


def test_samples_are_measured_values_only():
    site = _Site()
    site.round(site.reading(a=1, b=1))
    recorded = site.round(site.reading(a=2))
    assert [(series.name, value) for series, value in recorded.samples()] == [("a", 2)]
    later = site.round()
    assert list(site.round().samples()) == []
    assert len(later.dictionary.series) == 2


def test_the_last_round_ends_everything_but_what_tells_its_seq():
    site = _Site()
    site.round(site.reading(a=1, b=1, seq=1))
    last = site.recorder.record_end(Instant(9000, 9000), site.reading(seq=2))
    assert site.seen(last) == {"a": "stale", "b": "stale", "seq": 2}
    assert last.seq == 2


def test_a_round_that_is_lost_has_its_seq_and_what_ended_in_it_ends_in_the_next():
    site = _Site()
    site.round(site.reading(a=1, b=1))
    lost = site.round(site.reading(a=2, new=2))
    site.recorder.not_kept()
    after = site.round(site.reading(a=3))
    assert (lost.seq, after.seq) == (2, 3)
    assert site.seen(after) == {"a": 3, "b": "stale"}  # "new" was never seen by anybody
    assert site.seen(site.round(site.reading(a=4))) == {"a": 4}


def test_a_site_without_any_series_has_rounds_all_the_same():
    site = _Site()
    recorded = site.round()
    assert site.seen(recorded) == {}
    assert recorded.seq == 1


@settings(max_examples=60)
@given(
    st.lists(
        st.dictionaries(st.sampled_from("abcdef"), st.floats(allow_nan=False), max_size=6),
        max_size=12,
    )
)
def test_a_reader_sees_each_value_and_each_end_exactly_once(readings):
    site = _Site()
    alive: set[str] = set()
    for seq, values in enumerate(readings, 1):
        recorded = site.round(site.reading(**values))
        assert recorded.seq == seq
        ended: dict[str, float | str] = dict.fromkeys(alive - values.keys(), "stale")
        assert site.seen(recorded) == {**values, **ended}
        alive = set(values)


def test_the_lineage_of_an_epoch_names_the_one_before():
    began = Epochs(BOOT).behind(None)
    assert began == Lineage(began.epoch, began.epoch, None, BOOT)
    follows = Epochs(BOOT).behind((7, 8, 9))
    assert (follows.line, follows.previous) == (7, (8, 9))
    assert follows.epoch not in {7, 8, 0}


def test_epochs_differ_and_are_never_zero():
    epochs = {new_epoch() for _ in range(100)}
    assert len(epochs) == 100
    assert all(0 < epoch < 2**64 for epoch in epochs)


def test_all_streams_of_a_node_have_one_epoch_until_the_clock_steps_back():
    epochs = Epochs(BOOT)
    vital, standard = epochs.behind((1, 2, 3)), epochs.behind((4, 5, 6))
    assert vital.epoch == standard.epoch == epochs.epoch
    epochs.stepped(1000, -5000)
    after = epochs.behind((1, vital.epoch, 4), missing=8)
    assert after.epoch not in {vital.epoch, 0}
    assert after.clock_step == ClockStep(BOOT, 1000, -5000)
    assert (after.line, after.previous, after.missing) == (1, (vital.epoch, 4), 8)


def test_an_epoch_may_begin_between_two_rounds_and_what_was_measured_goes_on():
    site = _Site()
    assert site.recorder.newest() is None
    site.round(site.reading(a=1, b=1))
    assert site.recorder.newest() == (5, 5, 1)
    epochs = Epochs(BOOT)
    site.recorder.begin(epochs.behind(site.recorder.newest()))
    assert site.recorder.newest() == (5, 5, 1), "it has no round yet"
    second = site.round(site.reading(a=2))
    assert site.seen(second) == {"a": 2, "b": "stale"}
    assert (second.seq, second.frame.lineage.previous) == (2, (5, 1))
    assert site.recorder.newest() == (5, epochs.epoch, 2)


def test_rounds_in_memory_are_a_line_of_their_own_and_the_durable_one_goes_on_behind_its_last():
    site, epochs = _Site(), Epochs(BOOT)
    site.round(site.reading(a=1))
    durable = site.recorder.newest()
    site.recorder.begin(epochs.volatile())
    held = [site.round(site.reading(a=i)) for i in (2, 3)]
    lineage = held[0].frame.lineage
    assert lineage.volatile
    assert (lineage.line, lineage.previous) == (lineage.epoch, None)
    assert [it.seq for it in held] == [1, 2]
    site.recorder.begin(epochs.behind(durable))
    after = site.round(site.reading(a=4))
    assert (after.seq, after.frame.lineage.previous) == (2, (5, 1))
    assert not after.frame.lineage.volatile

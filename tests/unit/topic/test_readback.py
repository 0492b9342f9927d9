"""What the topic acknowledged, kept with the spool's position."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from collector.topic.readback import Acknowledged, decode, encode
from tests.unit.examples import int64, judge, seqs, uint64

IDS = st.text("abcdefgh-_", min_size=1, max_size=22)


@given(st.builds(Acknowledged, IDS, st.integers(0, 2**62), uint64, uint64, seqs, int64))
def test_it_is_read_as_it_was_written_and_protobuf_agrees(acked):
    note = encode(acked)
    assert decode(note) == acked
    read = judge("Acknowledged").FromString(note)
    assert (read.topic_id, read.offset, read.seq, read.wall_ms) == (
        acked.topic_id,
        acked.offset,
        acked.seq,
        acked.wall_ms,
    )


def test_nothing_acknowledged_is_nothing():
    assert decode(b"") is None


@given(st.binary(max_size=40))
def test_a_note_that_can_not_be_read_is_none(note):
    found = decode(note)
    assert found is None or found.topic_id

"""MirrorMaker's offset syncs: positions, and records that it skipped."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.sources.links.offset_syncs import Jump, OffsetSyncs, Sync


def record(topic: str, partition: int, upstream: int, downstream: int) -> tuple[bytes, bytes]:
    name = topic.encode()
    key = struct.pack(">h", len(name)) + name + struct.pack(">i", partition)
    return key, struct.pack(">qq", upstream, downstream)


@pytest.fixture
def syncs() -> OffsetSyncs:
    return OffsetSyncs("mm2-offset-syncs.central.internal", dict)


def test_the_newest_sync_of_a_partition_counts(syncs: OffsetSyncs):
    syncs.take(0, *record("orders", 0, 10, 5))
    syncs.take(1, *record("orders", 0, 20, 15))
    syncs.take(2, *record("orders", 1, 7, 7))
    assert syncs.of == {("orders", 0): Sync(20, 15), ("orders", 1): Sync(7, 7)}


def test_a_jump_counts_only_once_we_look(syncs: OffsetSyncs):
    syncs.new_from = 2
    syncs.take(0, *record("orders", 0, 10, 5))
    syncs.take(1, *record("orders", 0, 2000, 15))
    assert syncs.jumps == []
    syncs.take(2, *record("orders", 0, 2010, 25))
    syncs.take(3, *record("orders", 0, 3272, 25 + 100))
    assert syncs.jumps == [Jump("orders", 0, 2010, 1162)]


def test_a_jump_while_the_connection_was_away_counts(syncs: OffsetSyncs):
    syncs.new_from = 8
    syncs.take(7, *record("orders", 0, 10, 5))
    syncs.close()
    assert syncs.of == {("orders", 0): Sync(10, 5)}
    syncs.take(90, *record("orders", 0, 60, 6))  # those between were compacted away
    assert syncs.jumps == [Jump("orders", 0, 10, 49)]


def test_a_topic_of_syncs_that_was_made_anew_is_read_from_its_beginning(syncs: OffsetSyncs):
    syncs.new_from = 8
    syncs.take(7, *record("orders", 0, 100, 90))
    syncs.take(0, *record("orders", 0, 500, 91))
    assert syncs.of == {("orders", 0): Sync(500, 91)}
    assert syncs.jumps == [], "another topic's"
    syncs.take(1, *record("orders", 0, 600, 101))
    assert syncs.jumps == [Jump("orders", 0, 500, 90)]


def test_a_target_that_was_made_anew_is_no_loss(syncs: OffsetSyncs):
    syncs.new_from = 0
    syncs.take(0, *record("orders", 0, 100, 90))
    syncs.take(1, *record("orders", 0, 200, 3))
    assert syncs.jumps == []


@given(st.binary(max_size=40), st.binary(max_size=20))
def test_any_bytes_are_passed_over(key: bytes, value: bytes):
    syncs = OffsetSyncs("t", dict)
    syncs.take(0, key, value)

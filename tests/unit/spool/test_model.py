"""Any history of a spool: readers see what was written, in order, and every loss has its gap.

The model is a dictionary of rounds. Nothing here knows of segments, offsets or marks, except the
rules that damage files as a power cut, a dying disk or a full one do.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from collector import frame as frames
from collector import recorder
from collector.dictionary import Dictionary
from collector.frame import Lineage
from collector.mark import GapReason
from collector.pump import Batch
from collector.recorder import lineage_after
from collector.spool import spool as spools
from collector.spool.cursor import Cursor, load_position
from collector.spool.segment import SegmentReader, pack, path_of
from collector.spool.spool import Limits, Spool
from tests.unit.examples import BOOT, bits
from tests.unit.spool.site import EAGER, Round, Told, content, dictionary_of, flip, round_of

_TIER = "standard"
_SEGMENT_BYTES = 700
_READERS = ("topic", "centre", "slow")


class _Reader:
    """What one reader has had, over all its lives."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.cursor: Cursor | None = None
        self.told = Told()
        self.had: set[Round] = set()  # delivered, with or without a commit behind it
        self.missing: set[Round] = set()
        self.line = 0
        self.first = 0  # from this seq of the line on it must have everything
        self.newest = 0

    def begins_anew(self) -> None:
        """It knows nothing of itself any more: repeats are right now, and so is to miss."""
        self.line = 0


class SpoolMachine(RuleBasedStateMachine):
    """Appends, reads, deaths of readers and of the process, torn tails, damage, full quotas."""

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp(prefix="spool-"))
        self.patches = ExitStack()
        for call in ("fsync", "fdatasync"):
            self.patches.enter_context(patch.object(os, call, lambda _: None))
        for limit in ("_LEAST_SEGMENT_BYTES", "SEGMENT_BYTES"):
            self.patches.enter_context(patch.object(spools, limit, _SEGMENT_BYTES))
        epochs = count(1)
        self.patches.enter_context(patch.object(recorder, "new_epoch", lambda: next(epochs)))
        self.readers = {name: _Reader(name) for name in _READERS}
        self.written: dict[Round, tuple[int | None, list[int]]] = {}
        self.order: list[Round] = []
        self.damage_left = 1
        self.damaged = False
        self.known = dictionary_of()
        self.spool: Spool | None = None

    # The process

    @initialize()
    def start(self) -> None:
        limits = Limits(12 * _SEGMENT_BYTES, lambda _: 0)
        self.spool = Spool(self.place, "store-0412", "node-1", limits)
        last = self.spool.last(_TIER)
        self.lineage = lineage_after(last and last[:3], BOOT)
        self.next_seq = last.seq + 1 if last else 1
        self.damage_left = 1
        for reader in self.readers.values():
            if load_position(self._position(reader.name)) is None:
                reader.begins_anew()
            self._open(reader)

    @rule()
    def stop_and_start(self) -> None:
        self._end()
        self.start()

    @rule(cut=st.floats(0, 1), new_segment=st.booleans())
    def crash(self, cut: float, new_segment: bool) -> None:
        """In the middle of writing the next round: a part of it is on the disk, or all."""
        spool = self._spool()
        chain = spool.chain(_TIER)
        writer = chain._writer
        it, known = self._next_round()
        record = pack(frames.encode_frame(it))
        if writer is None or new_segment:
            header = frames.SegmentHeader(known.stream, 0, 0, "test")
            whole = [frames.encode_segment_header(header), frames.encode_dictionary(known)]
            data = b"".join(map(pack, whole)) + record
            file = path_of(self.place / _TIER, chain.end().segment + 1)
        else:
            data = record
            if known.id not in writer.dictionaries:
                data = pack(frames.encode_dictionary(known)) + record
            file = writer.path
        size = round(cut * len(data))
        with file.open("ab") as torn:
            torn.write(data[:size])
        if size == len(data):
            self._note(it, known)
        self._end()
        self.start()

    # Rounds

    @rule(rounds=st.integers(1, 12))
    def append(self, rounds: int) -> None:
        spool = self._spool()
        for _ in range(rounds):
            it, known = self._next_round()
            self.next_seq += 1
            spool.make_room(_TIER)
            spool.chain(_TIER).append(known, it)
            self._note(it, known)

    @rule()
    def lose_a_round(self) -> None:
        """The disk refused it: its seq is used up."""
        self.next_seq += 1

    @rule(version=st.integers(0, 2))
    def change_the_series(self, version: int) -> None:
        self.known = dictionary_of(version)

    @rule()
    def drop(self) -> None:
        self._spool()._drop_oldest()

    # Readers

    @rule(name=st.sampled_from(_READERS), batches=st.integers(1, 3))
    def deliver(self, name: str, batches: int) -> None:
        reader = self.readers[name]
        for _ in range(batches):
            batch = self._read(reader)
            if batch is None:
                return
            self._commit(reader, batch)

    @rule(name=st.sampled_from(_READERS))
    def deliver_and_die(self, name: str) -> None:
        """The far side has it, and the process ends before the position is written."""
        self._read(self.readers[name])
        self._end()
        self.start()

    # Damage: one a life, as more at once may hide how many rounds there were

    @precondition(lambda self: self.damage_left)
    @rule(file=st.integers(0), at=st.integers(0), mask=st.integers(1, 255))
    def damage_a_segment(self, file: int, at: int, mask: int) -> None:
        files = sorted((self.place / _TIER).iterdir())
        if files:
            self._damage(files[file % len(files)], at, mask)

    @precondition(lambda self: self.damage_left)
    @rule(at=st.integers(1, 80), mask=st.integers(1, 255))
    def damage_the_newest_round(self, at: int, mask: int) -> None:
        """Nothing comes behind it that could tell."""
        files = sorted((self.place / _TIER).iterdir())
        if files:
            self._damage(files[-1], -at, mask)

    def _damage(self, file: Path, at: int, mask: int) -> None:
        size = file.stat().st_size
        if size:
            self.damage_left -= 1
            self.damaged = True
            flip(file, at % size, mask)

    @precondition(lambda self: self.damage_left)
    @rule(name=st.sampled_from(_READERS), at=st.integers(0), mask=st.integers(1, 255))
    def damage_a_position(self, name: str, at: int, mask: int) -> None:
        file = self._position(name)
        if file.exists():
            self.damage_left -= 1
            self._end()
            flip(file, at % file.stat().st_size, mask)
            self.start()

    # What must hold

    def _read(self, reader: _Reader) -> Batch | None:
        assert reader.cursor is not None
        batch = reader.cursor.read(0)
        if batch is None:
            return None
        for number, what in content(batch):
            assert self.written[number] == what  # never wrong
            line, seq = number
            if line != reader.line:
                reader.line, reader.first, reader.newest = line, seq, seq - 1
            # In order: something older only to close a gap that was told.
            assert seq > reader.newest or number in reader.missing
            reader.newest = max(reader.newest, seq)
            reader.had.add(number)
        return batch

    def _commit(self, reader: _Reader, batch: Batch) -> None:
        assert reader.cursor is not None
        told = reader.told
        told.gaps.clear()
        reader.cursor.commit(batch)
        for gap in told.gaps:
            if gap.reason is GapReason.NEW_LINE:
                reader.first = 1  # of the new line: what is missing of it is told besides
            lost = {(reader.line, seq) for seq in range(gap.first_seq or 1, gap.last_seq + 1)}
            reader.missing |= lost
            if not self.damaged:  # what is still there and whole must not be given up
                assert not lost & self._on_disk()
        delivered = {
            (it.lineage.line, it.first_seq + i) for it in batch.frames for i in range(len(it.at))
        }
        reader.missing -= delivered

    def _have_everything(self, reader: _Reader) -> None:
        """All rounds behind the first that it had are there, or said to be missing."""
        while (batch := self._read(reader)) is not None:
            self._commit(reader, batch)
        due = {(reader.line, seq) for seq in range(max(1, reader.first), reader.newest + 1)}
        assert due <= reader.had | reader.missing
        assert self.order[-1] == (reader.line, reader.newest)

    def teardown(self) -> None:
        try:
            if self.spool is not None:
                self.append(12)  # so that damage is followed by a segment that has none
                for reader in self.readers.values():
                    self._have_everything(reader)
                    assert reader.told.errors == []
        finally:
            self._end()
            self.patches.close()
            shutil.rmtree(self.place)

    @invariant()
    def the_spool_keeps_its_quota(self) -> None:
        if self.spool is not None:
            assert self.spool.bytes <= 12 * _SEGMENT_BYTES + 600

    # Small things

    def _spool(self) -> Spool:
        assert self.spool is not None
        return self.spool

    def _position(self, name: str) -> Path:
        return self.place / "positions" / f"{_TIER}.{name}.position"

    def _on_disk(self) -> set[Round]:
        found = set()
        for file in (self.place / _TIER).iterdir():
            with closing(SegmentReader(file)) as segment:
                at = 0
                while (entry := segment.read(at, segment.size)) is not None:
                    at = entry.end
                    body = frames.decode(entry.payload)
                    if isinstance(body, frames.Frame):
                        found.add((body.lineage.line, body.first_seq))
        return found

    def _next_round(self) -> tuple[frames.Frame, Dictionary]:
        line = self.lineage.line
        lineage: Lineage = self.lineage
        return round_of(line, self.next_seq, self.known, lineage), self.known

    def _note(self, it: frames.Frame, known: Dictionary) -> None:
        number = (it.lineage.line, it.first_seq)
        assert number not in self.written  # no seq is ever given twice
        self.written[number] = it.at[0].wall_ms, bits(it.rows(known)[0])
        self.order.append(number)

    def _open(self, reader: _Reader) -> None:
        reader.told = Told()
        reader.cursor = self._spool().cursor(_TIER, reader.name, EAGER, reader.told)
        key = self._spool().chain(_TIER).stream.key
        mark = reader.cursor.mark(key)
        # What it delivered behind its position comes again.
        reader.newest = mark.seq if mark and mark.line == reader.line else 0

    def _end(self) -> None:
        if self.spool is None:
            return
        for reader in self.readers.values():
            if reader.cursor:
                reader.cursor.close()
        self.spool.close()
        self.spool = None


@pytest.mark.timeout(300)  # only to make a failure small; else it is done in a few seconds
def test_any_history_is_seen_in_order_and_every_loss_has_its_gap():
    run_state_machine_as_test(
        SpoolMachine, settings=settings(max_examples=30, stateful_step_count=30, deadline=None)
    )

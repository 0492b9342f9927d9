"""Any history of a spool: readers see what was written, in order, and every loss has its gap.

The model is a dictionary of rounds. Nothing here knows of segments, offsets or marks, except the
rules that damage files as a power cut, a dying disk or a full one do. `make soak` plays many more.
"""

from __future__ import annotations

import errno
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

from collector.errors import DiskError
from collector.flow.mark import GapReason
from collector.flow.pump import Batch
from collector.frames import frame as frames
from collector.frames.dictionary import Dictionary
from collector.frames.frame import Lineage
from collector.rounds import recorder
from collector.rounds.recorder import Epochs
from collector.spool import spool as spools
from collector.spool.cursor import Cursor
from collector.spool.position import load_position
from collector.spool.segment import SegmentReader, pack, path_of
from collector.spool.spool import Limits, Spool
from tests.unit.examples import BOOT, bits, wall_of
from tests.unit.spool.site import EAGER, Round, Told, content, dictionary_of, flip, round_of

_TIER = "standard"
_SEGMENT_BYTES = 700
_READERS = ("topic", "centre", "slow")
_SECTOR_BYTES = 64  # of the small disk that goes with small segments

HISTORIES = int(os.environ.get("SOAK_HISTORIES", "30"))


class _Reader:
    """What one reader has had, over all its lives."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.cursor: Cursor | None = None
        self.told = Told()
        self.had: set[Round] = set()  # delivered, with or without a commit behind it
        self.missing: set[Round] = set()
        self.first: dict[int, int] = {}  # from this seq of each line on it must have everything
        self.newest: dict[int, int] = {}
        self.at = -1  # the place of its newest round in the order of all

    def begins_anew(self) -> None:
        """It knows nothing of itself any more: repeats are right now, and so is to miss."""
        self.first.clear()
        self.newest.clear()
        self.at = -1


class SpoolMachine(RuleBasedStateMachine):
    """Appends, reads, deaths of readers and of the process, torn tails, damage, full quotas."""

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp(prefix="spool-"))
        self.patches = ExitStack()
        self.syncs_to_fail = 0
        self.refuses = False
        pwrite = os.pwrite
        for call, play in (
            ("fsync", lambda _: None),
            ("fdatasync", self._sync),
            ("pwrite", lambda fd, data, at: pwrite(fd, self._taken(data), at)),
        ):
            self.patches.enter_context(patch.object(os, call, play))
        for limit in ("_LEAST_SEGMENT_BYTES", "SEGMENT_BYTES"):
            self.patches.enter_context(patch.object(spools, limit, _SEGMENT_BYTES))
        epochs = count(1)
        self.patches.enter_context(patch.object(recorder, "new_epoch", lambda: next(epochs)))
        self.readers = {name: _Reader(name) for name in _READERS}
        self.written: dict[Round, tuple[int | None, list[int]]] = {}
        self.order: list[Round] = []
        self.places: dict[Round, int] = {}
        self.positions: dict[str, list[bytes]] = {name: [] for name in _READERS}
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
        self.lineage = Epochs(BOOT).behind(last and last[:3])
        self.next_seq = last.seq + 1 if last else 1
        self.volatile = Epochs(BOOT).volatile()
        self.held = 0  # rounds of that line
        self.damage_left = 1
        for reader in self.readers.values():
            if load_position(self._position(reader.name)) is None:
                reader.begins_anew()
            self._open(reader)

    @rule()
    def stop_and_start(self) -> None:
        self._end()
        self.start()

    @rule(cut=st.floats(0, 1), new_segment=st.booleans(), hole=st.none() | st.floats(0, 1))
    def crash(self, cut: float, new_segment: bool, hole: float | None) -> None:
        """In the middle of writing the next round: a part of it is on the disk, or all.

        With a hole: the disk wrote a later sector before an earlier one.
        """
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
        written = bytearray(data[:size])
        if hole is not None and size:
            at = round(hole * (size - 1))
            written[at : at + _SECTOR_BYTES] = bytes(len(written[at : at + _SECTOR_BYTES]))
        with file.open("ab") as torn:
            torn.write(written)
        if record in written:
            self._note(it, known)
            self.damaged |= written != data  # its dictionary may be gone
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

    @rule(rounds=st.integers(1, 5))
    def the_disk_refuses(self, rounds: int) -> None:
        """Rounds go into memory, in a line of their own; the seqs on disk go on without them."""
        self.refuses = True
        for _ in range(rounds):
            self._offer()
        self.refuses = False

    @rule(syncs=st.integers(1, 3))
    def syncs_fail(self, syncs: int) -> None:
        """Once: a new segment takes the round. Twice: nobody knows whether it is on the disk."""
        self.syncs_to_fail = syncs
        self._offer()
        self.syncs_to_fail = 0

    def _offer(self) -> None:
        """As the round room does it."""
        chain = self._spool().chain(_TIER)
        it, known = self._next_round()
        self._spool().make_room(_TIER)
        try:
            chain.append(known, it)
        except DiskError as error:
            if error.in_doubt:
                self.next_seq += 1
            else:
                self.held += 1
                it = round_of(self.volatile.line, self.held, known, self.volatile)
            chain.hold(known, it, in_doubt=error.in_doubt)
        else:
            self.next_seq += 1
        self._note(it, known)

    def _taken(self, data: memoryview) -> memoryview:
        if self.refuses:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return data

    def _sync(self, _: int) -> None:
        if self.syncs_to_fail:
            self.syncs_to_fail -= 1
            raise OSError(errno.EIO, os.strerror(errno.EIO))

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

    @rule(name=st.sampled_from(_READERS), back=st.integers(1, 3))
    def lose_new_positions(self, name: str, back: int) -> None:
        """In a power cut: a rename that was not on the disk yet gives the file before it."""
        before = self.positions[name][:-back]
        self._end()
        if before:
            self._position(name).write_bytes(before[-1])
            self.positions[name] = before
        self.start()

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
            first = reader.first.setdefault(line, seq)
            # In order: something older only to close a gap that was told.
            is_new = seq > reader.newest.get(line, first - 1)
            assert is_new or number in reader.missing
            assert self.places[number] > reader.at or number in reader.missing
            reader.newest[line] = max(reader.newest.get(line, 0), seq)
            reader.at = max(reader.at, self.places[number])
            reader.had.add(number)
        return batch

    def _commit(self, reader: _Reader, batch: Batch) -> None:
        assert reader.cursor is not None
        told = reader.told
        told.gaps.clear()
        reader.cursor.commit(batch)
        self.positions[reader.name].append(self._position(reader.name).read_bytes())
        for gap in told.gaps:
            line = gap.before_ms // wall_of(1, 0)  # of the round that uncovered it
            if gap.reason is GapReason.NEW_LINE or gap.first_seq == 1:
                reader.first[line] = 1  # what is missing of the line is told
            lost = {(line, seq) for seq in range(gap.first_seq or 1, gap.last_seq + 1)}
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
        line = self.lineage.line
        due = {(line, seq) for seq in range(max(1, reader.first[line]), reader.newest[line] + 1)}
        due |= {(self.volatile.line, seq + 1) for seq in range(self.held)}
        assert due <= reader.had | reader.missing
        assert self.order[-1] == (line, reader.newest[line])
        assert self._spool().rounds_in_memory == 0 or reader is not self.readers[_READERS[-1]]

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
        self.places[number] = len(self.order)
        self.order.append(number)

    def _open(self, reader: _Reader) -> None:
        reader.told = Told()
        reader.cursor = self._spool().cursor(_TIER, reader.name, EAGER, reader.told)
        # What it delivered behind its position comes again.
        position = load_position(self._position(reader.name))
        known = next(iter(position.marks.of.values()), ()) if position else ()
        reader.newest = {mark.line: mark.seq for mark in known}
        # Of a line that it knows no more it is a reader that begins.
        reader.first = {n: seq for n, seq in reader.first.items() if n in reader.newest}
        delivered = [self.places.get((mark.line, mark.seq), -1) for mark in known]
        reader.at = max(delivered, default=-1)

    def _end(self) -> None:
        if self.spool is None:
            return
        for reader in self.readers.values():
            if reader.cursor:
                reader.cursor.close()
        self.spool.close()
        self.spool = None


@pytest.mark.timeout(300 + HISTORIES)  # only to make a failure small; seconds are enough
def test_f03_any_history_is_seen_in_order_and_every_loss_has_its_gap():
    run_state_machine_as_test(
        SpoolMachine,
        settings=settings(max_examples=HISTORIES, stateful_step_count=30, deadline=None),
    )


@pytest.mark.parametrize("syncs", [0, 1, 2])
def test_f03_behind_a_round_that_was_refused_a_damaged_one_still_counts(syncs):
    """A history that once gave a seq twice: the refused round had used up its own.

    A start takes each record that it can't read for one round: so a line may have no hole. What
    the disk refused gives its seq back, or, when it may be there all the same, is written again
    before any other. One hole is left that nobody can know of, and none is played here: memory
    has that round no more when the disk takes rounds again, and a power cut takes its bytes. If
    then all rounds behind it are damaged before any reader had one, each record counts, and the
    hole does not: nothing on that disk tells of it.
    """
    machine = SpoolMachine()
    machine.start()
    try:
        machine.append(1)
        (segment,) = (machine.place / _TIER).iterdir()
        durable = segment.stat().st_size
        if syncs:
            machine.syncs_fail(syncs)
        else:
            machine.the_disk_refuses(1)
        machine.append(1)
        os.truncate(segment, durable)  # a power cut: what no sync confirmed is gone
        machine.damage_the_newest_round(at=1, mask=1)
        machine.stop_and_start()
    finally:
        machine.teardown()

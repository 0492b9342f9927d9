"""Whole spools: opened, written and read as the program does it."""

from __future__ import annotations

from pathlib import Path

from collector.rounds.recorder import Epochs
from collector.spool.cursor import Cursor
from collector.spool.spool import Limits, Spool
from tests.unit.examples import BOOT, STREAM
from tests.unit.spool.site import (
    EAGER,
    Told,
    dictionary_of,
    round_of,
)


def all_of_it(_: int) -> int:
    return 0


def nothing(disk_bytes: int) -> int:
    return disk_bytes + 1


ROOMY = Limits(1 << 30, all_of_it)


def open_spool(
    path: Path, limits: Limits = ROOMY, site: str = "store-0412", node: str | None = "node-1"
):
    return Spool(path, site, node, limits)


class Writer:
    """Appends as the program does: a new epoch at each start, behind what is known."""

    def __init__(self, spool: Spool, tier: str = "standard") -> None:
        self.spool = spool
        self.tier = tier
        self.chain = spool.chain(tier)
        self.known = dictionary_of(stream=STREAM._replace(tier=tier))
        last = spool.last(tier)
        self.lineage = Epochs(BOOT).behind(last and last[:3])
        self.next_seq = last.seq + 1 if last else 1
        self.dropped = 0

    def append(self, rounds: int = 1) -> None:
        for _ in range(rounds):
            seq = self.next_seq
            self.next_seq += 1
            self.dropped += self.spool.make_room(self.tier)
            self.chain.append(self.known, round_of(1, seq, self.known, self.lineage))


def reader(spool: Spool, name: str = "centre", tier: str = "standard") -> tuple[Cursor, Told]:
    told = Told()
    return spool.cursor(tier, name, EAGER, told), told

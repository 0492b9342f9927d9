"""A site whose rounds are carried: its spool, the verbs, and a receiver that takes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from collector.cli.program import edgevitals
from collector.flow.mark import Gap, GapReason, Mark, Marks, Position
from collector.frames.dictionary import Stream
from collector.frames.frame import Frame
from collector.spool.export import Rounds
from collector.spool.position import save_position
from collector.spool.reading import frames
from tests.unit.sinks.peer import Peer
from tests.unit.site import INTERVAL_S, START_MS, Site

SEQ = "edgevitals_round_seq"


def invoke(*args: object) -> Result:
    return CliRunner().invoke(edgevitals, [str(arg) for arg in args])


def told(result: Result) -> Any:
    """What a verb said with `-o json`."""
    return json.loads(result.stdout)


def take(site: Site, *seqs: int) -> None:
    """Take rounds of these numbers, each at its own time; a number that is left out is lost."""
    for seq in seqs:
        site.recorder.next_seq = seq
        site.take((seq - 1) * INTERVAL_S)


def spool_of(folder: Path, *seqs: int) -> Path:
    """A spool of a process that has ended."""
    with Site(folder) as site:
        take(site, *seqs)
    return folder


def lacking(folder: Path, *gaps: tuple[int, int]) -> Path:
    """The same, all of it delivered to sink-centre but for these rounds."""
    [placed] = list(frames(next((folder / "standard").iterdir())))[-1:]
    lineage = placed.frame.lineage
    missing = tuple(
        Gap(first, last, at_ms(first - 1), at_ms(last + 1), GapReason.SPOOL_FULL)
        for first, last in gaps
    )
    mark = Mark(lineage.line, lineage.epoch, placed.frame.last_seq, 0, missing)
    marks = Marks({Stream("store-1", "node-a", "standard").key: (mark,)})
    file = folder / "positions" / "standard.sink-centre.position"
    save_position(file, Position(1, placed.end, marks))
    return folder


def at_ms(seq: int) -> int:
    return START_MS + int((seq - 1) * INTERVAL_S * 1000)


def rounds_in(path: Path) -> list[tuple[int, int, list[bytes]]]:
    """Every round of a file: its seq, its time, its cells."""
    found = []
    for placed in frames(path):
        assert placed.dictionary
        cut = Rounds(placed.dictionary, placed.frame)
        for i, at in enumerate(placed.frame.at):
            one: Frame = cut.cut(i, i + 1).frame
            (row,) = one.rows(placed.dictionary)
            assert at.wall_ms
            found.append((one.first_seq, at.wall_ms, [row.tobytes()]))
    return found


def seqs_in(path: Path) -> list[int]:
    return [seq for seq, _, _ in rounds_in(path)]


def config(folder: Path, *peers: Peer, spool: Path | None = None) -> Path:
    """A configuration whose sinks are these receivers: `centre`, then `other`."""
    file = folder / "centre.yaml"
    names = ("centre", "other")
    sinks = [
        {
            "name": name,
            "url": peer.url,
            "protocol": "remote_write_1",
            "out_of_order_time_window": "unlimited",
        }
        for name, peer in zip(names, peers, strict=False)
    ]
    path = str(spool or folder / "central-spool")
    file.write_text(json.dumps({"site": "store-1", "spool": {"path": path}, "sinks": sinks}))
    return file


def seqs_at(peer: Peer) -> list[int]:
    """The rounds that a receiver got, in the order in which they came."""
    return [int(value) for seen in peer.seen for _, value in seen.samples().get(SEQ, [])]

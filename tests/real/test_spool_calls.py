"""Each call that puts a round on disk fails once, or is the last thing that the process does.

strace makes the n-th call of a kind fail, or kills there: every n, so no place is left out.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from collector.flow.mark import GapReason
from tests.lab import parts
from tests.unit.site import Site

ROUNDS = 3
CALLS = ("pwrite64", "fdatasync", "fsync")
MOST = 40  # of one kind; the program makes far fewer


class Line(NamedTuple):
    word: str
    line: int
    seq: int
    at_ms: int


class Run(NamedTuple):
    code: int
    lines: list[Line]
    calls: list[str]

    def of(self, *words: str) -> list[Line]:
        return [one for one in self.lines if one.word in words]


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A spool that was begun: what fails is a round, not the first start."""
    with Site(tmp_path / "empty"):
        pass
    return tmp_path / "empty"


def run(spool: Path, call: str, what: str, number: int) -> Run:
    """Run the program with its n-th such call changed."""
    log = spool.with_suffix(".strace")
    command = [
        *parts.strace(),
        *("-f", "-o", log, "-e", f"trace={','.join(CALLS)},close"),
        *("-e", f"inject={call}:{what}:when={number}"),
        *(sys.executable, "-m", "tests.real.disk_calls", spool, str(ROUNDS)),
    ]
    done = subprocess.run(command, capture_output=True, check=False, cwd=parts.PROJECT, text=True)
    words = [line.split() for line in done.stdout.splitlines()]
    lines = [Line(word, int(line), int(seq), int(at)) for word, line, seq, at in words]
    return Run(done.returncode, lines, log.read_text().splitlines())


def runs(empty: Path, call: str, what: str) -> list[tuple[Path, Run]]:
    """One run for each place where the call is made."""
    found: list[tuple[Path, Run]] = []
    for number in range(1, MOST):
        spool = Path(shutil.copytree(empty, empty.with_name(f"{call}-{what[-4:]}-{number}")))
        one = run(spool, call, what, number)
        if not any("INJECTED" in line or "killed by SIGKILL" in line for line in one.calls):
            return found
        found.append((spool, one))
    raise AssertionError(f"more than {MOST} calls of {call}")


def delivered_after(spool: Path) -> list[tuple[int, int, int | None]]:
    """What a new reader gets after a start, none of it twice, and no loss without its gap."""
    with Site(spool) as site:
        site.take(3600)
        cursor = site.cursor("another")
        found = []
        while (batch := cursor.read(0.0)) is not None:
            for frame in batch.frames:
                assert frame.rows(batch.dictionary)
                line = frame.lineage.line
                found += [(line, frame.first_seq + i, at.wall_ms) for i, at in enumerate(frame.at)]
            cursor.commit(batch)
        cursor.close()
        assert GapReason.SPOOL_DAMAGED.label not in site.gaps()
    assert found == sorted(set(found), key=lambda one: one[2] or 0)
    return found


def synced_again(calls: list[str]) -> list[str]:
    """Files that were synced once more after it had failed."""
    failed: set[str] = set()
    again = []
    for call in calls:
        made = re.match(r"\d+ +(\w+)\((\d+)", call)
        if made is None:
            continue
        name, fd = made.groups()
        if name == "close":
            failed.discard(fd)
        elif name in {"fdatasync", "fsync"}:
            if fd in failed:
                again.append(call)
            if "INJECTED" in call:
                failed.add(fd)
    return again


@pytest.mark.parametrize(
    "call, error",
    [("pwrite64", "EIO"), ("pwrite64", "ENOSPC"), ("fdatasync", "EIO"), ("fsync", "EIO")],
)
def test_f10_whichever_call_fails_every_round_is_delivered_and_on_disk_if_it_said_so(
    empty: Path, call: str, error: str
):
    places = runs(empty, call, f"error={error}")
    assert len(places) >= 3
    for spool, done in places:
        if (
            done.code == 1 and not done.lines
        ):  # it could not be opened, and a supervisor tries again
            assert call == "fsync"
            continue
        assert done.code == 0, done
        assert synced_again(done.calls) == []
        taken = done.of("disk", "memory")
        assert len(taken) == ROUNDS
        assert [one[1:] for one in done.of("read")] == [one[1:] for one in taken]
        on_disk = [one[1:] for one in done.of("disk")]
        assert [seq for _, seq, _ in on_disk] == list(range(1, len(on_disk) + 1))
        assert delivered_after(spool)[:-1] == on_disk


@pytest.mark.parametrize("call", ["pwrite64", "fdatasync"])
def test_f01_killed_at_any_call_what_was_on_disk_is_delivered_after_the_start(
    empty: Path, call: str
):
    places = runs(empty, call, "signal=KILL")
    assert len(places) >= 3
    for spool, done in places:
        kept = [one[1:] for one in done.of("disk")]
        after = delivered_after(spool)
        assert after[: len(kept)] == kept
        assert len(after) <= len(kept) + 2, "at most the round that was under way besides"
        assert [seq for _, seq, _ in after] == list(range(1, len(after) + 1))

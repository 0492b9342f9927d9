"""The promise: a record that ended the process three times is set aside, and nothing else is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from collector.errors import FormatError, Rejected, Retry
from collector.flow.careful import MOST_ATTEMPTS, Where, careful
from collector.flow.mark import Withheld
from collector.flow.pump import Batch, PartlyRejected, Watchful
from collector.spool.attempts import MOST_PLACES, AttemptsFile
from tests.unit.examples import line_frame, small_dictionary

WORDS = small_dictionary()


def _batch(first: int, last: int) -> Batch:
    return Batch(WORDS, tuple(line_frame(seq) for seq in range(first, last + 1)), None)


class _Deadly:
    """A far side that some rounds kill us over."""

    def __init__(self, *rounds: int, answer: Exception | None = None) -> None:
        self.rounds = rounds
        self.answer = answer or ZeroDivisionError("a bug")
        self.has: list[int] = []

    def send(self, batch: Batch) -> Sequence[Withheld]:
        seqs = [frame.first_seq for frame in batch.frames]
        if any(seq in self.rounds for seq in seqs):
            raise self.answer
        self.has += seqs
        return ()


def _life(folder: Path, far: _Deadly, *batches: Batch) -> list[tuple[int, str]]:
    """One life of the process: returns what was set aside. Raises what ends it."""
    door = careful("forward-centre", far, AttemptsFile(folder / "attempts.json"))
    aside = []
    for batch in batches:
        try:
            door.send(batch)
        except PartlyRejected as why:
            aside += [(part.batch.frames[0].first_seq, str(part.why)) for part in why.parts]
    return aside


def test_a_record_that_ended_the_process_three_times_is_set_aside_with_its_traceback(tmp_path):
    far = _Deadly(3)
    for _ in range(MOST_ATTEMPTS):
        with pytest.raises(ZeroDivisionError):
            _life(tmp_path, far, _batch(1, 5))
    ((seq, why),) = _life(tmp_path, far, _batch(1, 5))
    assert seq == 3
    assert "ended the process 3 times" in why
    assert "ZeroDivisionError: a bug" in why
    assert far.has[-4:] == [1, 2, 4, 5]
    far.has.clear()
    assert _life(tmp_path, far, _batch(6, 8)) == []
    assert far.has == [6, 7, 8]
    assert AttemptsFile(tmp_path / "attempts.json").count(_where(3)) == (0, ""), "it is done with"


def _where(seq: int) -> Where:
    return Where(f"forward-centre {WORDS.stream.key:016x} {1:016x}", seq, seq)


def test_other_frames_of_its_batch_are_forgiven_however_they_are_cut(tmp_path):
    far = _Deadly(2)
    for _ in range(MOST_ATTEMPTS):
        with pytest.raises(ZeroDivisionError):
            _life(tmp_path, far, _batch(1, 3))
    far.rounds = (3,)  # now it is another one
    assert [seq for seq, _ in _life(tmp_path, _Deadly(), _batch(1, 3))] == [2]


@pytest.mark.parametrize(
    "answer", [Retry("503"), Rejected("400", reason="x"), FormatError("odd bytes")]
)
def test_what_a_far_side_answers_is_no_crash(tmp_path, answer):
    door = careful("a", _Deadly(1, answer=answer), AttemptsFile(tmp_path / "attempts.json"))
    for _ in range(MOST_ATTEMPTS + 1):
        with pytest.raises(type(answer)):
            door.send(_batch(1, 1))
    assert not (tmp_path / "attempts.json").exists(), "nothing is written while nothing dies"


def test_refusals_beside_it_are_kept_apart(tmp_path):
    with pytest.raises(ZeroDivisionError):
        _life(tmp_path, _Deadly(1), _batch(1, 3))
    far = _Deadly(2, answer=Rejected("too long", reason="http_400"))
    assert _life(tmp_path, far, _batch(1, 3)) == [(2, "too long")]
    assert far.has == [1, 3]
    with pytest.raises(ZeroDivisionError):
        _life(tmp_path, _Deadly(4), _batch(4, 5))
    odd = _Deadly(5, answer=FormatError("odd bytes"))
    assert [seq for seq, _ in _life(tmp_path, odd, _batch(4, 5))] == [5]


def test_one_that_can_lose_what_it_had_is_still_asked(tmp_path):
    class Topic(_Deadly):
        looked = 0

        def look(self) -> None:
            self.looked += 1

    topic = Topic()
    door = careful("publish", topic, AttemptsFile(tmp_path / "attempts.json"))
    assert isinstance(door, Watchful)
    door.look()
    assert topic.looked == 1
    assert not isinstance(careful("a", _Deadly(), AttemptsFile(tmp_path / "x")), Watchful)


def test_the_file_is_bounded_and_survives_what_it_can_not_be(tmp_path):
    file = tmp_path / "attempts.json"
    file.write_bytes(b"{rubbish")
    attempts = AttemptsFile(file)
    for seq in range(1, 3 * MOST_PLACES):
        attempts.failed([_where(seq)], ValueError("x" * 10_000))
    assert len(file.read_bytes()) < 64_000
    again = AttemptsFile(file)
    assert again.count(_where(1)) == (0, "")
    assert again.count(_where(3 * MOST_PLACES - 1))[0] == 1
    again.passed(_where(3 * MOST_PLACES - 1))
    assert AttemptsFile(file).count(_where(3 * MOST_PLACES - 1)) == (0, "")
    lost = AttemptsFile(tmp_path / "nowhere" / "attempts.json")
    lost.failed([_where(1)], ValueError("x"))
    assert lost.count(_where(1))[0] == 1, "for this life at least"

from __future__ import annotations

from collector.frames.columns import row
from collector.frames.frame import Frame, Instant, Lineage, frame
from collector.spool.unstamped import Unstamped
from tests.unit.examples import BOOT, STREAM
from tests.unit.spool.site import dictionary_of

KNOWN = dictionary_of()


def waiting(seq: int) -> Frame:
    lineage = Lineage(1, 1, None, BOOT)
    return frame(KNOWN.id, lineage, seq, [Instant(None, seq * 10)], [row([seq, seq + 0.5])])


def seqs(unstamped: Unstamped) -> list[int]:
    return [frame.first_seq for _, frame in unstamped.frames()]


def test_nothing_is_on_the_disk_before_the_first_round(tmp_path):
    unstamped = Unstamped(tmp_path / "unstamped" / "standard", STREAM)
    assert list(tmp_path.iterdir()) == []
    assert (unstamped.newest(), unstamped.rounds, unstamped.bytes) == (None, 0, 0)
    unstamped.clear()


def test_they_come_back_as_they_were_after_a_restart(tmp_path):
    folder = tmp_path / "unstamped" / "standard"
    first = Unstamped(folder, STREAM)
    for seq in (1, 2):
        assert first.append(KNOWN, waiting(seq)) == 0
    first.close()
    second = Unstamped(folder, STREAM)
    assert second.rounds == 2
    second.append(KNOWN, waiting(3))
    assert [(known.id, it) for known, it in second.frames()] == [
        (KNOWN.id, waiting(seq)) for seq in (1, 2, 3)
    ]
    assert second.newest() == waiting(3)
    second.clear()
    assert (seqs(second), second.rounds, list(folder.iterdir())) == ([], 0, [])
    second.append(KNOWN, waiting(4))
    assert seqs(second) == [4]
    second.close()


def test_it_is_bounded_and_says_how_many_went(tmp_path):
    unstamped = Unstamped(tmp_path / "u" / "standard", STREAM, max_bytes=8_000)
    dropped = 0
    for seq in range(1, 200):
        dropped += unstamped.append(KNOWN, waiting(seq))
        assert unstamped.bytes <= 8_000 + 1_000
    assert dropped > 0
    assert unstamped.is_full or unstamped.bytes > 6_000
    assert seqs(unstamped) == list(range(dropped + 1, 200))
    assert unstamped.rounds == 199 - dropped
    unstamped.close()


def test_a_damaged_one_is_left_out_and_no_other(tmp_path):
    folder = tmp_path / "u" / "standard"
    unstamped = Unstamped(folder, STREAM)
    ends = []
    for seq in (1, 2, 3):
        unstamped.append(KNOWN, waiting(seq))
        ends.append(unstamped.bytes)
    unstamped.close()
    (file,) = folder.iterdir()
    data = bytearray(file.read_bytes())
    data[ends[1] - 3] ^= 1
    file.write_bytes(data)
    again = Unstamped(folder, STREAM)
    assert (seqs(again), again.rounds) == ([1, 3], 2)

"""What an import remembers of a file and a sink."""

from __future__ import annotations

import os

import pytest

from collector.spool import journal
from collector.spool.journal import Journal

DIGEST = "ab" * 32


def names(*seqs, stream=7, line=2**64 - 1):
    return {(stream, line, seq) for seq in seqs}


def test_each_round_is_remembered_and_none_between(tmp_path):
    one = Journal(tmp_path, DIGEST, "centre")
    one.add(names(1, 2, 3, 7, 9, 10) | names(1, stream=8))
    one.save()
    again = Journal(tmp_path, DIGEST, "centre")
    assert again.done == names(1, 2, 3, 7, 9, 10) | names(1, stream=8)
    again.add(names(8))
    again.save()
    assert Journal(tmp_path, DIGEST, "centre").done == names(1, 2, 3, 7, 8, 9, 10) | names(
        1, stream=8
    )


def test_another_sink_and_another_content_know_nothing(tmp_path):
    one = Journal(tmp_path, DIGEST, "centre")
    one.add(names(1))
    one.save()
    assert Journal(tmp_path, DIGEST, "other").done == set()
    assert Journal(tmp_path, "cd" * 32, "centre").done == set()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"format": 9, "done": {}}',
        b'{"format": 1, "done": {"x": {"y": [[1, 2]]}}}',
    ],
)
def test_what_can_not_be_read_knows_nothing(tmp_path, content):
    one = Journal(tmp_path, DIGEST, "centre")
    one.save()
    (file,) = tmp_path.iterdir()
    file.write_bytes(content)
    assert Journal(tmp_path, DIGEST, "centre").done == set()


def test_the_oldest_of_many_goes(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "MOST_FILES", 2)
    for number in range(3):
        one = Journal(tmp_path, f"{number}" * 64, "centre")
        one.add(names(number + 1))
        one.save()
        for file in tmp_path.iterdir():
            os.utime(file, ns=(0, file.stat().st_mtime_ns - 10**9))
    known = [len(Journal(tmp_path, f"{number}" * 64, "centre").done) for number in range(3)]
    assert known == [0, 1, 1]

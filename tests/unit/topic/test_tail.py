from __future__ import annotations

from collector.topic.tail import Last, Seen, newest

DISK, MEMORY = 1, 2


def seen(line, first, last, volatile=False):
    return Seen(10 * line + last, line, line, first, last, last * 1000, volatile)


def test_the_highest_round_of_the_line_that_was_written_last():
    window = [seen(7, 1, 99), seen(DISK, 1, 6), seen(DISK, 1, 4)]
    assert newest(iter([window])) == Last(DISK, DISK, 6, 6000, 16)
    assert newest(iter([])) is None


def test_a_line_that_was_in_memory_only_has_no_successor():
    """After a crash nobody knows how far it had come: its numbers would be given twice."""
    memory = [seen(MEMORY, 1, 3, volatile=True)]
    assert newest(iter([memory, [seen(DISK, 1, 6), *memory]])) == Last(DISK, DISK, 6, 6000, 16)
    assert newest(iter([memory])) is None

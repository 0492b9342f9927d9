from __future__ import annotations

from tests.lab.traffic import Books, Written


def test_the_books_know_what_was_written_by_when():
    books = Books()
    books.add(10.0, Written(5, 3))
    books.add(11.0, Written(9, 8))
    assert books.written_by(9.9) == Written(0, 0)
    assert books.written_by(10.0) == Written(5, 3)
    assert books.written_by(99.0) == Written(9, 8)


def test_an_end_offset_lies_between_what_was_acknowledged_and_what_was_handed_over():
    books = Books()
    for second, entry in enumerate([Written(5, 3), Written(9, 8), Written(20, 15)]):
        books.add(10.0 + second, entry)
    assert books.end_offset_between(10.5, 10.9) == (3, 9)
    assert books.end_offset_between(9.0, 11.0) == (0, 9)
    assert books.end_offset_between(11.5, 99.0) == (8, 20)

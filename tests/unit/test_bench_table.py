from __future__ import annotations

import pytest

from bench.table import Row, Table, Target, Unit, lines


@pytest.mark.parametrize(
    "measured, target, verdict",
    [
        (1.7, Target(1.7), "ok"),
        (1.701, Target(1.7), "short"),
        (3.0, Target(3.0, at_least=True), "ok"),
        (2.99, Target(3.0, at_least=True), "short"),
        (5.0, None, ""),
    ],
)
def test_a_figure_keeps_its_target_or_is_short(measured, target, verdict):
    assert Row("x", measured, Unit.BYTES_A_SAMPLE, target).verdict == verdict


def test_a_table_is_written_in_columns():
    rows = [
        Row("1 round a frame", 1.6488, Unit.BYTES_A_SAMPLE, Target(1.7), "values 1.466"),
        Row("a dictionary", 28_552, Unit.BYTES),
    ]
    title, first, second, end = lines(Table("Sizes", rows))
    assert (title, end) == ("Sizes", "")
    assert first.split(maxsplit=4)[-1] == "1.649 B  <= 1.7   ok     values 1.466"
    assert second.rindex(" B") == first.index(" B")

"""The pages that are made from the code: as it says now, with every key and every metric."""

from __future__ import annotations

import pytest

from collector.catalog import OWN, PULSE
from collector.config import Config
from collector.config.environment import variables
from collector.config.reader import keys
from docs.__main__ import FOLDER, pages
from docs.markdown import table
from docs.metrics import SECTIONS


@pytest.mark.parametrize("name", ["configuration.md", "metrics.md"])
def test_a_page_is_what_the_code_says(name):
    assert (FOLDER / name).read_text("utf-8") == pages()[name], "type: make docs"


def test_each_metric_is_told_once():
    told = [metric.name for metrics in SECTIONS.values() for metric in metrics]
    assert sorted(told) == sorted({**OWN, **PULSE})


def test_each_key_is_told_with_what_it_means():
    page = pages()["configuration.md"]
    sections = {part.split("\n")[0]: part for part in page.split("\n## ")}
    for key in keys(Config):
        assert key.shape.description, key.path
        above = ".".join(key.path[:-1]).replace(".*", "[]")
        rows = sections[f"`{above}`" if above else "At the top"]
        assert f"\n| `{key.path[-1]}{'[]' * (key.shape.item is not None)}` |" in rows, key.path
    for name, _ in variables(Config):
        assert f"`{name}`" in page


def test_defaults_and_bounds_are_written_as_a_person_would():
    page = pages()["configuration.md"]
    for words in (
        "| size, 1MiB to 1024TiB | `2GiB` |",
        "| duration, 1h to 3650d | `31d` |",
        '| list: pattern | `[".*"]` |',
        "| `native`, `jmxquery` | `native` |",
        "| duration or unlimited, like `31d` | **required** |",
        "| host:port | `127.0.0.1:9464` |",
    ):
        assert words in page


def test_a_cell_ends_no_row_and_begins_no_element():
    assert table(["a"], [["x | <y>"]]) == ["| a |", "|---|", "| x \\| &lt;y> |"]

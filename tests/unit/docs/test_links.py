"""All pages: what they point to is there, and what they promise of the code holds."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from collector.flow.mark import GapReason
from docs.__main__ import FOLDER

PROJECT = FOLDER.parent
PAGES = [PROJECT / "README.md", *sorted(FOLDER.glob("*.md"))]
EACH = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))


def prose(page: Path) -> str:
    """The page without its blocks of code."""
    return "".join(page.read_text("utf-8").split("```")[::2])


@EACH
def test_what_a_page_links_to_is_there(page):
    links = re.findall(r"\]\(([^)\s]+)\)", prose(page))
    for link in links:
        target, _, anchor = link.partition("#")
        if "://" in target:
            continue
        there = (page.parent / target).resolve() if target else page
        assert there.exists(), link
        if anchor:
            titles = re.findall(r"^#+ (.*)$", there.read_text("utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
            assert anchor in slugs, link


def test_the_index_has_every_page():
    index = (FOLDER / "README.md").read_text("utf-8")
    missing = [page.name for page in PAGES[1:] if f"[{page.name}]({page.name})" not in index]
    assert missing == ["README.md"], "add the page to docs/README.md"


def test_each_reason_of_a_loss_is_explained():
    page = (FOLDER / "what-can-be-lost.md").read_text("utf-8")
    rounds = (PROJECT / "collector/rounds/room.py").read_text("utf-8")
    missed = re.findall(r'_miss\("(\w+)"|else "(\w+)", tick', rounds)
    reasons = {reason for pair in missed for reason in pair if reason}
    assert {"overrun", "suspended", "not_running", "disk"} <= reasons
    for reason in (*reasons, *(one.label for one in GapReason)):
        assert f"`{reason}`" in page, reason


def test_the_reader_of_the_page_on_formats_reads_a_segment(tmp_path):
    program = (FOLDER / "formats.md").read_text("utf-8").split("```python\n")[1].split("```")[0]
    (tmp_path / "reader.py").write_text(program)
    segment = PROJECT / "tests/data/golden/segment.evs"
    done = subprocess.run(
        [sys.executable, "-I", tmp_path / "reader.py", segment],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert done.stdout == "header dictionary frame frame rejection\n"


def test_the_measured_table_says_what_the_bench_does():
    readme = (PROJECT / "README.md").read_text("utf-8")
    bench = (PROJECT / "bench/README.md").read_text("utf-8")
    table = readme.split("| EdgeVitals | others |")[1].split("\n\n")[0]
    cells = [cell for row in table.splitlines() for cell in row.split("|")[2:]]
    numbers = re.findall(r"\d+(?:,\d{3})*(?: of \d+)?(?: ms)?", " ".join(cells))
    assert len(numbers) >= 12
    assert [number for number in numbers if number not in bench] == []

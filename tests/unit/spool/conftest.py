"""The tests of the spool don't wait for the disk of the machine they run on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.spool import spool as spools
from tests.unit.spool.site import Site


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a sync adds can't be seen from inside: power cuts are played with the files' bytes."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(os, "fdatasync", lambda _: None)


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of whole spools."""
    monkeypatch.setattr(spools, "_LEAST_SEGMENT_BYTES", 1000)
    monkeypatch.setattr(spools, "SEGMENT_BYTES", 1000)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.close()

"""Spools that are sound, damaged, foreign, full or not there; and that looking changes nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from collector.doctor.finding import Finding, Layer, Verdict
from collector.doctor.spool import look
from collector.spool.segment import path_of
from tests.unit.doctor.configs import config_of
from tests.unit.spool.site import flip
from tests.unit.spool.spools import Writer, open_spool


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A spool with ten rounds."""
    with open_spool(tmp_path / "spool") as spool:
        Writer(spool).append(10)
    return tmp_path / "spool"


def found(folder: Path, *lines: str, more: str = "min_free: 1MiB") -> list[Finding]:
    spool = f"spool: {{path: {folder}, max_size: 64MiB, {more}}}"
    return list(look(config_of(folder.parent, spool, "sources: {host: true}", *lines)))


def wrong(findings: list[Finding]) -> Finding:
    (one,) = [finding for finding in findings if finding.verdict is not Verdict.OK]
    return one


def state_of(folder: Path) -> dict[str, tuple[int, int, int]]:
    return {
        str(path): (path.stat().st_ino, path.stat().st_size, path.stat().st_mtime_ns)
        for path in [folder, *folder.rglob("*")]
    }


def test_a_sound_spool_of_a_running_collector_is_left_as_it_is(folder):
    with open_spool(folder) as spool:
        Writer(spool).append(1)
        before = state_of(folder)
        findings = found(folder)
        assert state_of(folder) == before
        Writer(spool).append(1)
    assert {one.verdict for one in findings} == {Verdict.OK}
    assert f"in use by process {os.getpid()}" in findings[1].says
    assert "no damage in all 2" in findings[-1].says


def test_no_lock_is_taken(folder):
    """A collector that starts at that moment must get it."""
    looking = look(config_of(folder.parent, f"spool: {{path: {folder}}}", "sources: {host: true}"))
    for _ in looking:
        with open_spool(folder):
            pass


def test_one_that_is_not_there_yet(tmp_path):
    config = config_of(tmp_path, f"spool: {{path: {tmp_path}/deep/spool}}", "sources: {host: true}")
    (finding,) = look(config)
    assert finding.verdict is Verdict.OK
    assert not (tmp_path / "deep").exists()


def test_an_empty_folder_is_begun_later(tmp_path):
    (tmp_path / "spool").mkdir()
    findings = found(tmp_path / "spool")
    assert {one.verdict for one in findings} == {Verdict.OK}
    assert list((tmp_path / "spool").iterdir()) == []


@pytest.mark.parametrize(
    "line,says",
    [("node: other", "belongs to node node-1, the config says other"), ("node: node-1", "")],
)
def test_one_of_another_node(folder, line, says):
    findings = found(folder, line)
    assert [
        one.says for one in findings if one.verdict is Verdict.PROBLEM and says in one.says
    ] == ([f"it {says}: no collector starts on it"] if says else [])


def test_one_of_another_site(tmp_path):
    with open_spool(tmp_path / "spool", site="store-0001"):
        pass
    finding = wrong(found(tmp_path / "spool"))
    assert "belongs to site store-0001, the config says store-0412" in finding.says
    assert "set site: store-0001 again" in finding.do[0]


def test_a_damaged_segment_is_named_with_its_byte(folder):
    segment = path_of(folder / "standard", 1)
    flip(segment, segment.stat().st_size // 2)
    finding = wrong(found(folder))
    assert finding.subject == str(segment)
    assert finding.says.startswith("damaged at byte ")
    assert finding.do[0].startswith(f"edgevitals spool verify --spool {folder}:")


def test_a_damaged_identity(folder):
    (folder / "identity.json").write_text("{")
    finding = wrong(found(folder))
    assert "identity.json is damaged" in finding.says
    assert "write it anew" in finding.do[0]


def test_f08_a_disk_without_room(folder):
    finding = wrong(found(folder, more="min_free: 1000000GiB"))
    assert finding.subject == f"disk of {folder}"
    assert "the spool grows no more" in finding.says
    assert finding.do[0].startswith(f"df -h {folder};")


@pytest.mark.parametrize("right", [os.W_OK, os.R_OK])
def test_one_of_another_user_is_told_as_that(folder, monkeypatch, right):
    """Root may do everything, so who may not is played."""
    may = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & right and may(path, mode))
    finding = wrong([one for one in found(folder) if "may not" in one.says])
    assert finding.verdict is Verdict.CANNOT_TELL
    assert finding.do[0].startswith("sudo -u ")
    assert finding.layer is Layer.SPOOL


def test_one_that_may_not_be_made(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    finding = wrong(found(tmp_path / "spool"))
    assert finding.do[0].startswith("sudo install -d -m 0700 -o ")

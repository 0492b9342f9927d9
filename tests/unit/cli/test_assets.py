"""`edgevitals assets`: everything is written, and nothing of somebody else's is written over."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from collector import __version__
from collector.cli.assets import MANIFEST, PARTS, Writing, shipped
from collector.cli.program import edgevitals
from collector.errors import ConfigError

PROJECT = Path(__file__).parents[3]


@pytest.fixture
def here(tmp_path):
    return tmp_path / "assets"


def run(*args):
    return CliRunner().invoke(edgevitals, ["assets", *map(str, args)])


def give(folder, files, *, force=False):
    """Write these files, as a version does that has them and no others."""
    place = folder.parent / "version"
    place.mkdir(exist_ok=True)
    for name, text in files.items():
        (place / name).write_text(text)
    return Writing(folder, {name: place / name for name in files}, force=force).write()


def test_boards_rules_and_runbooks_are_written_as_they_are(here):
    result = run(here)
    names = shipped()
    assert result.exit_code == 0
    assert result.stdout == f"{here}: {len(names)} written, 0 as they were\n"
    for name in (
        "alerts/site.yaml",
        "alerts/runbooks/EVSiteSilent.md",
        "dashboards/out/ev-site.json",
        "deploy/central/prometheus.yml",
        "deploy/systemd/edgevitals.service",
    ):
        assert name in names
    assert not [name for name in names if "secret" in name]
    for name, file in names.items():
        assert (here / name).read_bytes() == file.read_bytes()
    written = {str(path.relative_to(here)) for path in here.rglob("*") if path.is_file()}
    assert written == {*names, MANIFEST}


def test_a_second_time_there_is_nothing_to_do(here):
    run(here)
    result = run(here, "-o", "json")
    said = json.loads(result.stdout)
    assert result.exit_code == 0
    assert said["written"] == []
    assert said["same"] == list(shipped())
    assert said["version"] == __version__


def test_one_that_was_changed_stays_and_so_do_all(here):
    run(here)
    (here / "alerts/site.yaml").write_text("mine\n")
    (here / "alerts/kafka.yaml").unlink()
    result = run(here)
    assert result.exit_code == 2
    assert f"\n  {here}/alerts/site.yaml\n" in result.stderr
    assert "--force" in result.stderr
    assert (here / "alerts/site.yaml").read_text() == "mine\n"
    assert not (here / "alerts/kafka.yaml").exists()
    assert run(here, "--force").stdout.startswith(f"{here}: 2 written, ")
    assert (here / "alerts/site.yaml").read_bytes() == (PROJECT / "alerts/site.yaml").read_bytes()


def test_what_an_earlier_version_wrote_is_replaced_and_what_it_had_is_named(here):
    give(here, {"a": "1", "b": "1"})
    done = give(here, {"a": "2", "c": "1"})
    assert (done.written, done.same, done.former) == (["a", "c"], [], ["b"])
    assert (here / "a").read_text() == "2"
    assert give(here, {"a": "2", "c": "1"}).former == []


def test_without_its_manifest_a_file_is_somebody_elses(here):
    give(here, {"a": "1"})
    for damage in ("", "[]", '{"files": 1}', '{"files": {"a": 1}}'):
        (here / MANIFEST).write_text(damage)
        with pytest.raises(ConfigError, match="nothing was written"):
            give(here, {"a": "2"})
    assert give(here, {"a": "1"}).same == ["a"]  # the same bytes are nobody's loss


def test_many_changed_files_are_not_all_listed(here):
    give(here, {f"f{number:02}": "1" for number in range(12)})
    for number in range(12):
        (here / f"f{number:02}").write_text("mine")
    with pytest.raises(ConfigError) as refused:
        give(here, {f"f{number:02}": "2" for number in range(12)})
    assert "and 2 more" in refused.value.message
    assert "f09" in refused.value.message
    assert "f10" not in refused.value.message


def test_a_folder_that_can_not_be_written_is_2(tmp_path):
    (tmp_path / "file").touch()
    result = run(tmp_path / "file" / "below")
    assert result.exit_code == 2
    assert "Not a directory\n  give another DIR" in result.stderr


def test_an_installation_without_them_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.resources.files", lambda _: tmp_path / "collector")
    result = run(tmp_path / "out")
    assert result.exit_code == 1
    assert "install the wheel" in result.stderr


def test_the_wheel_takes_the_same_files():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert included == {part: f"collector/assets/{part}" for part in PARTS}

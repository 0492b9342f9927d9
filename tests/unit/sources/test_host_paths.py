"""Where a container finds its host."""

from __future__ import annotations

from pathlib import Path

from collector.sources.host_paths import HERE, HostPaths, host_paths


def folders(place: Path, *names: str) -> None:
    for name in names:
        (place / name).mkdir(parents=True)


def test_nothing_mounted_is_this_machine(tmp_path: Path):
    assert host_paths(None, None, None, tmp_path) == HERE


def test_what_is_mounted_by_custom_is_found(tmp_path: Path):
    folders(tmp_path, "proc/1", "sys/class", "root/etc", "root/proc")
    proc = tmp_path / "proc"
    assert host_paths(None, None, None, tmp_path) == HostPaths(
        proc, tmp_path / "sys", tmp_path / "root", proc
    )


def test_all_of_the_host_in_one_mount_is_found(tmp_path: Path):
    folders(tmp_path, "proc/1", "sys/class", "etc", "root/.ssh")
    assert host_paths(None, None, None, tmp_path).root == tmp_path


def test_without_the_hosts_root_the_mounts_are_those_that_can_be_asked(tmp_path: Path):
    folders(tmp_path, "proc/1", "sys/class", "root")
    found = host_paths(None, None, None, tmp_path)
    assert found == HostPaths(tmp_path / "proc", tmp_path / "sys", Path("/"), Path("/proc"))


def test_what_is_configured_wins(tmp_path: Path):
    folders(tmp_path, "proc/1", "sys/class", "root/etc", "root/proc")
    found = host_paths(Path("/proc"), Path("/sys"), Path("/"), tmp_path)
    assert found == HERE

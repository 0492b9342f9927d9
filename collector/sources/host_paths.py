"""Where a machine shows itself: its /proc, its /sys and its root, seen from a container too.

A container has a /proc of its own, in which the host's network and mounts are missing. The host's
are mounted beside it by custom at /host/proc, /host/sys and /host/root (or all of it at /host), and
are found there unless the configuration names others.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

CUSTOM = Path("/host")


class HostPaths(NamedTuple):
    """`mounts` is the /proc whose list of mounts is read: only what is below `root` can be asked.

    Without the host's root those are the mounts that this process sees itself.
    """

    proc: Path
    sys: Path
    root: Path
    mounts: Path


HERE = HostPaths(Path("/proc"), Path("/sys"), Path("/"), Path("/proc"))
"""This machine as this process sees it."""


def host_paths(
    proc: Path | None, sys: Path | None, root: Path | None, custom: Path = CUSTOM
) -> HostPaths:
    """Return what is configured, else what is mounted where it is by custom, else our own."""
    if proc is None:
        proc = custom / "proc" if (custom / "proc/1").exists() else HERE.proc
    if sys is None:
        sys = custom / "sys" if (custom / "sys/class").exists() else HERE.sys
    if root is None:
        # With all of the host at /host, /host/root is the home of its root user.
        root = next(filter(_is_a_root, (custom / "root", custom)), HERE.root)
    return HostPaths(proc, sys, root, HERE.mounts if root == HERE.root else proc)


def _is_a_root(path: Path) -> bool:
    return (path / "etc").is_dir() and (path / "proc").is_dir()

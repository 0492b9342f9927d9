"""What the control group of this process may take, and how often it was held back: v2 and v1.

A container, a pod and a systemd service each are such a group. Limits of the groups around it hold
too: the tightest one is told. No limit is no sample. It is always our own group, read in our own
/proc and /sys, wherever the host's are.

See the kernel's Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from collector.sources.procfs import Procfs, Sample

MOST_LEVELS = 12
"""Groups around ours that are looked at: a pod of Kubernetes lies 5 deep."""
LOOK_AGAIN = 20
"""Reads between looking where our group is: a process is seldom put into another one."""
UNLIMITED = 1 << 60
"""Bytes. v1 says "no limit" with a number near 2**63."""

_V1_MEMORY, _V1_CPU, _V1_PIDS = "memory", "cpu", "pids"


class _Place(NamedTuple):
    """The folder of our group, and how many folders above it are groups too."""

    path: Path
    depth: int

    def levels(self) -> list[Path]:
        """Our group, then those around it."""
        return [self.path, *self.path.parents][: min(self.depth + 1, MOST_LEVELS)]


class Cgroup:
    """The control group of this process."""

    def __init__(self, proc: Procfs | None = None) -> None:
        self._proc = proc or Procfs(Path("/proc"))
        self._known: dict[str, _Place] = {}
        self._reads = 0

    def samples(self) -> Iterator[Sample]:
        if self._reads % LOOK_AGAIN == 0:
            self._known = self._places()
        self._reads += 1
        places = self._known
        if memory := places.get(_V1_MEMORY):
            yield from _memory_v1(memory)
        if cpu := places.get(_V1_CPU):
            yield from _cpu_v1(cpu)
        unified = places.get("")
        for name in (_V1_PIDS, ""):
            if (place := places.get(name)) and (place.path / "pids.current").exists():
                yield from _pids(place)
                break
        if unified and _V1_MEMORY not in places:
            yield from _memory_v2(unified)
        if unified and _V1_CPU not in places:
            yield from _cpu_v2(unified)

    def _places(self) -> dict[str, _Place]:
        """Where our group is, by v1 controller; "" is v2's.

        /proc tells the path below the root of the hierarchy; what is mounted may be a part of it,
        or, in a namespace of its own, begin at our group.
        """
        paths = {}
        for line in self._proc.text("self/cgroup").splitlines():
            _, controllers, path = line.split(":", 2)
            paths.update(dict.fromkeys(controllers.split(","), path))
        places: dict[str, _Place] = {}
        for line in self._proc.text("self/mountinfo").splitlines():
            left, _, right = line.partition(" - ")
            fstype, _, options = right.split(" ", 2)
            if fstype not in {"cgroup", "cgroup2"}:
                continue
            root, mountpoint = left.split(" ")[3:5]
            for name in [""] if fstype == "cgroup2" else options.split(","):
                if name in paths:
                    places.setdefault(name, _place(paths[name], root, Path(mountpoint)))
        return places


def _place(path: str, root: str, mountpoint: Path) -> _Place:
    own = PurePosixPath(path)
    if own.is_relative_to(root) and ".." not in own.parts:
        below = own.relative_to(root)
        if (mountpoint / below).is_dir():
            return _Place(mountpoint / below, len(below.parts))
    return _Place(mountpoint, 0)


def _memory_v2(place: _Place) -> Iterator[Sample]:
    used = _number(place.path / "memory.current")
    if used is not None:  # the root of the hierarchy has none
        yield ("edgevitals_cgroup_memory_bytes",), used
    yield from _limit("memory_limit_bytes", place, "memory.max")
    kills = _fields(place.path / "memory.events").get("oom_kill")
    if kills is not None:
        yield ("edgevitals_cgroup_oom_kills_total",), kills


def _memory_v1(place: _Place) -> Iterator[Sample]:
    used = _number(place.path / "memory.usage_in_bytes")
    if used is not None:
        yield ("edgevitals_cgroup_memory_bytes",), used
    yield from _limit("memory_limit_bytes", place, "memory.limit_in_bytes")
    kills = _fields(place.path / "memory.oom_control").get("oom_kill")
    if kills is not None:  # Linux 4.13
        yield ("edgevitals_cgroup_oom_kills_total",), kills


def _cpu_v2(place: _Place) -> Iterator[Sample]:
    def cpus(level: Path) -> float | None:
        quota, _, period = _text(level / "cpu.max").partition(" ")
        return int(quota) / int(period) if quota.isdigit() else None

    yield from _cpu(place, cpus, "throttled_usec", 1e6)


def _cpu_v1(place: _Place) -> Iterator[Sample]:
    def cpus(level: Path) -> float | None:
        quota = _number(level / "cpu.cfs_quota_us")
        period = _number(level / "cpu.cfs_period_us")
        return quota / period if quota and period and quota > 0 else None

    yield from _cpu(place, cpus, "throttled_time", 1e9)


def _cpu(
    place: _Place, cpus: Callable[[Path], float | None], throttled: str, of_a_second: float
) -> Iterator[Sample]:
    """The group that limits most, and its counts: only a group with a limit is held back."""
    limits = [(limit, level) for level in place.levels() if (limit := cpus(level)) is not None]
    if not limits:
        return
    limit, level = min(limits)
    yield ("edgevitals_cgroup_cpu_limit",), limit
    counts = _fields(level / "cpu.stat")
    for name, key, factor in (
        ("edgevitals_cgroup_cpu_periods_total", "nr_periods", 1.0),
        ("edgevitals_cgroup_cpu_throttled_periods_total", "nr_throttled", 1.0),
        ("edgevitals_cgroup_cpu_throttled_seconds_total", throttled, of_a_second),
    ):
        if key in counts:
            yield (name,), counts[key] / factor


def _pids(place: _Place) -> Iterator[Sample]:
    used = _number(place.path / "pids.current")
    if used is not None:
        yield ("edgevitals_cgroup_pids",), used
    yield from _limit("pids_limit", place, "pids.max")


def _limit(name: str, place: _Place, file: str) -> Iterator[Sample]:
    found = [_number(level / file) for level in place.levels()]
    limits = [limit for limit in found if limit is not None and limit < UNLIMITED]
    if limits:
        yield (f"edgevitals_cgroup_{name}",), min(limits)


def _fields(path: Path) -> dict[str, float]:
    """Return the numbers of a file with lines of a name and a number."""
    found = {}
    for line in _text(path).splitlines():
        name, _, value = line.partition(" ")
        with suppress(ValueError):
            found[name] = float(value)
    return found


def _number(path: Path) -> float | None:
    """Return the number in a file; None where there is no file, or "max" in it."""
    try:
        return float(_text(path))
    except ValueError:
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""

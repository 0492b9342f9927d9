"""Temperatures, throttling and network states of /sys, under node_exporter's names.

A sensor may sit behind a slow bus, so only what changes is read each time; which sensors there are,
their names and their limits are looked up again every LOOK_AGAIN reads, and when one is gone.
What a machine lacks is no sample.

See the kernel's Documentation/hwmon/sysfs-interface.rst and driver-api/thermal/sysfs-api.rst. The
names of chips are made as node_exporter makes them: from the device's path, which stays the same
when modules are loaded in another order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from collector.sources.procfs import Sample

LOOK_AGAIN = 240
"""Reads; an hour at 15 s."""
MOST_SENSORS = 64
"""Of a kind. Large servers have some 40 temperatures."""

_NOT_OF_A_NAME = re.compile(r"[^a-z0-9:_]")
_HWMON = re.compile(r"(temp|in)(\d+)_(input|max|crit|crit_alarm|lcrit_alarm)")
_HWMON_NAMES = {
    # What changes. An alarm gets a unit, and is divided, by node_exporter: its rules say > 0.
    ("temp", "input"): "node_hwmon_temp_celsius",
    ("temp", "crit_alarm"): "node_hwmon_temp_crit_alarm_celsius",
    ("in", "lcrit_alarm"): "node_hwmon_in_lcrit_alarm_volts",  # a Raspberry Pi's under-voltage
}
_FIRMWARE = "devices/platform/soc*/soc*:firmware/get_throttled"
"""Of a Raspberry Pi: bits in hex, which are now; 16 places higher, which were since the boot."""
_CAUSES = ("under_voltage", "frequency_capped", "throttled", "soft_temperature_limit")

_HWMON_LIMITS = {
    ("temp", "max"): "node_hwmon_temp_max_celsius",
    ("temp", "crit"): "node_hwmon_temp_crit_celsius",
}


class _Sensor(NamedTuple):
    """A file whose number, times `factor`, is the sample."""

    key: tuple[str, ...]
    path: Path
    factor: float = 1.0


class _Found(NamedTuple):
    sensors: list[_Sensor]
    fixed: list[Sample]


class Sysfs:
    """A /sys: our own, or a host's that is mounted elsewhere."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, _Found] = {}
        self._reads: dict[str, int] = {}

    def network_up(self) -> Iterator[Sample]:
        for device in (self._path / "class/net").iterdir():
            with suppress(OSError):  # not a device (bonding_masters), or just gone
                state = (device / "operstate").read_text()
                yield ("node_network_up", device.name), float(state.strip() == "up")

    def hwmon(self) -> Iterator[Sample]:
        """Temperatures of chips, their limits, and the alarm of a supply whose voltage is low."""
        return self._read("hwmon", self._find_hwmon)

    def thermal(self) -> Iterator[Sample]:
        """Temperatures of zones, and how far devices are slowed to cool them."""
        return self._read("thermal", self._find_thermal)

    def throttles(self) -> Iterator[Sample]:
        """How often a processor slowed itself because it was hot; what a Raspberry Pi says."""
        yield from self._read("throttles", self._find_throttles)
        for path in self._path.glob(_FIRMWARE):
            try:
                bits = int(_line(path), 16)
            except ValueError:
                continue
            for place, cause in enumerate(_CAUSES):
                yield ("edgevitals_host_throttled", cause), float(bits >> place & 1)
                since = float(bits >> (place + 16) & 1)
                yield ("edgevitals_host_throttled_since_boot", cause), since

    def _read(self, kind: str, find: Callable[[], _Found]) -> Iterator[Sample]:
        reads = self._reads.get(kind, 0)
        if reads % LOOK_AGAIN == 0:
            self._known[kind] = find()
        self._reads[kind] = reads + 1
        yield from self._known[kind].fixed
        for key, path, factor in self._known[kind].sensors:
            number = _number(path)
            if number is None:  # a zone that is off says EAGAIN or ENODATA, and comes again
                if not path.exists():
                    self._reads[kind] = 0
                continue
            yield key, number * factor

    def _find_hwmon(self) -> _Found:
        found = _Found([], [])
        for chip_path in _sorted(self._path / "class/hwmon"):
            # Old drivers have their files in the device.
            place = chip_path if (chip_path / "name").exists() else chip_path / "device"
            chip = _chip_name(chip_path)
            if called := _line(place / "name"):
                found.fixed.append((("node_hwmon_chip_names", chip, called), 1.0))
            for path in _sorted(place):
                match = _HWMON.fullmatch(path.name)
                if match is None:
                    continue
                kind, number, element = match.groups()
                sensor = f"{kind}{number}"
                if name := _HWMON_NAMES.get((kind, element)):
                    found.sensors.append(_Sensor((name, chip, sensor), path, 0.001))
                    if element == "input" and (label := _line(place / f"{sensor}_label")):
                        found.fixed.append((("node_hwmon_sensor_label", chip, label, sensor), 1.0))
                elif name := _HWMON_LIMITS.get((kind, element)):
                    limit = _number(path)
                    if limit is not None:
                        found.fixed.append(((name, chip, sensor), limit * 0.001))
        return _bounded(found)

    def _find_thermal(self) -> _Found:
        found = _Found([], [])
        for path in _sorted(self._path / "class/thermal"):
            kind, number = _split_number(path.name)
            name = _line(path / "type")
            if kind == "thermal_zone":
                key = ("node_thermal_zone_temp", name, number)
                found.sensors.append(_Sensor(key, path / "temp", 0.001))
            elif kind == "cooling_device":
                most = _number(path / "max_state")
                if most is not None:
                    found.fixed.append((("node_cooling_device_max_state", number, name), most))
                key = ("node_cooling_device_cur_state", number, name)
                found.sensors.append(_Sensor(key, path / "cur_state"))
        return _bounded(found)

    def _find_throttles(self) -> _Found:
        found: dict[tuple[str, ...], Path] = {}
        for path in _sorted(self._path / "devices/system/cpu"):
            counts = path / "thermal_throttle"
            if _split_number(path.name)[0] != "cpu" or not counts.is_dir():
                continue
            package = _line(path / "topology/physical_package_id")
            core = _line(path / "topology/core_id")
            if not package or not core:
                continue
            # The threads of a core and the cores of a package say the same.
            found.setdefault(
                ("node_cpu_core_throttles_total", core, package), counts / "core_throttle_count"
            )
            found.setdefault(
                ("node_cpu_package_throttles_total", package), counts / "package_throttle_count"
            )
        return _bounded(_Found([_Sensor(key, path) for key, path in found.items()], []))


def _chip_name(path: Path) -> str:
    """Return a name that stays: of the device's bus and address, else what the chip is called."""
    with suppress(OSError):
        device = (path / "device").resolve(strict=True)
        kind, name = _clean(device.parent.name), _clean(device.name)
        if kind and name:
            return f"{kind}_{name}"
        if name:
            return name
    return _clean(_line(path / "name")) or _clean(path.resolve().name)


def _clean(name: str) -> str:
    return _NOT_OF_A_NAME.sub("_", name.lower()).strip("_")


def _bounded(found: _Found) -> _Found:
    return _Found(found.sensors[:MOST_SENSORS], found.fixed[: 3 * MOST_SENSORS])


def _sorted(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir(), key=lambda path: _split_number(path.name)[::-1])
    except OSError:
        return []


def _split_number(name: str) -> tuple[str, str]:
    """`cpu10` as (cpu, 10)."""
    kind = name.rstrip("0123456789")
    return kind, name[len(kind) :]


def _line(path: Path) -> str:
    """Return the text of a file, empty where there is none."""
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return ""


def _number(path: Path) -> float | None:
    try:
        return float(path.read_text())
    except (OSError, ValueError):
        return None

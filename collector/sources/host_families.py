"""What is known of each metric of a host: its labels, its kind and a sentence.

Names, labels and kinds are node_exporter's; what it has no name for is in the catalogue.
"""

from __future__ import annotations

from collector import catalog
from collector.series import Family, Kind

_COUNTER, _GAUGE = Kind.COUNTER, Kind.GAUGE
_CPU, _DISK, _DEVICE = ("cpu", "mode"), ("device",), ("device",)
_MOUNT = ("device", "fstype", "mountpoint")
_SENSOR, _COOLING = ("chip", "sensor"), ("name", "type")

KNOWN: dict[str, tuple[tuple[str, ...], Kind, str]] = {
    "node_cpu_seconds_total": (_CPU, _COUNTER, "Seconds the CPU spent in each mode."),
    "node_cpu_guest_seconds_total": (_CPU, _COUNTER, "Seconds the CPU spent in guests."),
    "node_context_switches_total": ((), _COUNTER, "Context switches."),
    "node_intr_total": ((), _COUNTER, "Interrupts."),
    "node_forks_total": ((), _COUNTER, "Forks."),
    "node_boot_time_seconds": ((), _GAUGE, "Unix time of the boot."),
    "node_procs_running": ((), _GAUGE, "Processes that could run."),
    "node_procs_blocked": ((), _GAUGE, "Processes that wait for I/O."),
    "node_load1": ((), _GAUGE, "Load average of 1 minute."),
    "node_load5": ((), _GAUGE, "Load average of 5 minutes."),
    "node_load15": ((), _GAUGE, "Load average of 15 minutes."),
    "node_filefd_allocated": ((), _GAUGE, "File descriptors in use."),
    "node_filefd_maximum": ((), _GAUGE, "File descriptors there may be."),
    "node_time_seconds": ((), _GAUGE, "Unix time."),
    "node_uname_info": (
        ("domainname", "machine", "nodename", "release", "sysname", "version"),
        _GAUGE,
        "What uname says, as labels.",
    ),
    "node_filesystem_size_bytes": (_MOUNT, _GAUGE, "Size."),
    "node_filesystem_free_bytes": (_MOUNT, _GAUGE, "Free space."),
    "node_filesystem_avail_bytes": (_MOUNT, _GAUGE, "Free space for users other than root."),
    "node_filesystem_files": (_MOUNT, _GAUGE, "File nodes."),
    "node_filesystem_files_free": (_MOUNT, _GAUGE, "Free file nodes."),
    "node_filesystem_readonly": (_MOUNT, _GAUGE, "1 if mounted read-only."),
    "node_filesystem_device_error": (_MOUNT, _GAUGE, "1 if it fails or does not answer."),
    "node_disk_reads_completed_total": (_DISK, _COUNTER, "Reads that succeeded."),
    "node_disk_read_bytes_total": (_DISK, _COUNTER, "Bytes read."),
    "node_disk_read_time_seconds_total": (_DISK, _COUNTER, "Seconds spent by all reads."),
    "node_disk_writes_completed_total": (_DISK, _COUNTER, "Writes that succeeded."),
    "node_disk_written_bytes_total": (_DISK, _COUNTER, "Bytes written."),
    "node_disk_write_time_seconds_total": (_DISK, _COUNTER, "Seconds spent by all writes."),
    "node_disk_io_now": (_DISK, _GAUGE, "Reads and writes under way."),
    "node_disk_io_time_seconds_total": (_DISK, _COUNTER, "Seconds with I/O under way."),
    "node_disk_io_time_weighted_seconds_total": (
        _DISK,
        _COUNTER,
        "Seconds with I/O under way, times how many.",
    ),
    "node_pressure_cpu_waiting_seconds_total": ((), _COUNTER, "Seconds some waited for a CPU."),
    "node_pressure_io_waiting_seconds_total": ((), _COUNTER, "Seconds some waited for I/O."),
    "node_pressure_io_stalled_seconds_total": ((), _COUNTER, "Seconds all waited for I/O."),
    "node_pressure_memory_waiting_seconds_total": (
        (),
        _COUNTER,
        "Seconds some waited for memory.",
    ),
    "node_pressure_memory_stalled_seconds_total": (
        (),
        _COUNTER,
        "Seconds all waited for memory.",
    ),
    "node_timex_sync_status": ((), _GAUGE, "1 if the clock is synchronised to another one."),
    "node_timex_offset_seconds": ((), _GAUGE, "How far the clock is from that other one."),
    "node_timex_maxerror_seconds": ((), _GAUGE, "The most that the clock may be wrong."),
    "node_timex_estimated_error_seconds": ((), _GAUGE, "What the clock is probably wrong."),
    "node_hwmon_chip_names": (("chip", "chip_name"), _GAUGE, "What a chip calls itself."),
    "node_hwmon_sensor_label": (
        ("chip", "label", "sensor"),
        _GAUGE,
        "What a sensor measures.",
    ),
    "node_hwmon_temp_celsius": (_SENSOR, _GAUGE, "Temperature."),
    "node_hwmon_temp_max_celsius": (_SENSOR, _GAUGE, "Temperature that is high."),
    "node_hwmon_temp_crit_celsius": (_SENSOR, _GAUGE, "Temperature that is critical."),
    "node_hwmon_temp_crit_alarm_celsius": (_SENSOR, _GAUGE, "Above 0 if it is critical."),
    "node_hwmon_in_lcrit_alarm_volts": (_SENSOR, _GAUGE, "Above 0 if the voltage is too low."),
    "node_thermal_zone_temp": (("type", "zone"), _GAUGE, "Temperature of the zone, in Celsius."),
    "node_cooling_device_cur_state": (_COOLING, _GAUGE, "How far it cools, or slows itself."),
    "node_cooling_device_max_state": (_COOLING, _GAUGE, "How far it can."),
    "node_cpu_core_throttles_total": (
        ("core", "package"),
        _COUNTER,
        "Times the core slowed itself, being hot.",
    ),
    "node_cpu_package_throttles_total": (
        ("package",),
        _COUNTER,
        "Times the package slowed itself, being hot.",
    ),
    "node_network_up": (_DEVICE, _GAUGE, "1 if the operational state is up."),
    "node_scrape_collector_success": (("collector",), _GAUGE, "1 if this part could be read."),
}
for _direction in ("receive", "transmit"):
    for _what in ("bytes", "packets", "errs", "drop"):
        KNOWN[f"node_network_{_direction}_{_what}_total"] = (
            _DEVICE,
            _COUNTER,
            f"Network device: {_direction} {_what}.",
        )

_UNITS = ("bytes", "seconds", "celsius", "volts")


def family(name: str) -> tuple[Family, tuple[str, ...]]:
    """Return a metric's family, and the names of its labels in their order."""
    own = catalog.OWN.get(name)
    if own is not None:
        return own.family, own.labels
    labels, kind, text = KNOWN.get(name) or _made_up(name)
    unit = next((unit for unit in _UNITS if f"_{unit}" in name), "")
    return Family(name, kind, unit, text), labels


def _made_up(name: str) -> tuple[tuple[str, ...], Kind, str]:
    """Return what is known of a metric whose name the kernel gives."""
    _, place, field = name.split("_", 2)
    if place == "memory":
        return (), Kind.GAUGE, f"Field of /proc/meminfo: {field}."
    # node_exporter says untyped: among them are counters and others.
    where = "/proc/vmstat" if place == "vmstat" else "/proc/net/netstat and snmp"
    return (), Kind.UNKNOWN, f"Field of {where}: {field}."

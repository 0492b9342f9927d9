"""Temperatures and throttling of small machines of tests/data/hosts."""

from __future__ import annotations

import shutil
from pathlib import Path

from collector.sources import sysfs
from collector.sources.sysfs import Sysfs
from tests.unit.sources.machines import lay_out


def test_a_raspberry_pi_says_how_hot_it_is_and_that_its_supply_is_weak(tmp_path: Path):
    pi = Sysfs(lay_out("raspberry-pi-4", tmp_path) / "sys")
    chips = {key[1]: key[2] for key, _ in pi.hwmon() if key[0] == "node_hwmon_chip_names"}
    assert sorted(chips.values()) == ["cpu_thermal", "rpi_volt"]
    chip = {name: chip for chip, name in chips.items()}
    assert dict(pi.hwmon()) == {
        **{("node_hwmon_chip_names", chip[name], name): 1.0 for name in chip},
        ("node_hwmon_temp_celsius", chip["cpu_thermal"], "temp1"): 61.835,
        ("node_hwmon_temp_crit_celsius", chip["cpu_thermal"], "temp1"): 110.0,
        ("node_hwmon_in_lcrit_alarm_volts", chip["rpi_volt"], "in0"): 0.001,
    }
    assert dict(pi.thermal()) == {
        ("node_thermal_zone_temp", "cpu-thermal", "0"): 61.835,
        ("node_cooling_device_cur_state", "0", "cpufreq-cpu0"): 2.0,
        ("node_cooling_device_max_state", "0", "cpufreq-cpu0"): 12.0,
    }
    assert dict(pi.throttles()) == {
        ("edgevitals_host_throttled", "under_voltage"): 1.0,
        ("edgevitals_host_throttled", "frequency_capped"): 0.0,
        ("edgevitals_host_throttled", "throttled"): 1.0,
        ("edgevitals_host_throttled", "soft_temperature_limit"): 0.0,
        ("edgevitals_host_throttled_since_boot", "under_voltage"): 1.0,
        ("edgevitals_host_throttled_since_boot", "frequency_capped"): 1.0,
        ("edgevitals_host_throttled_since_boot", "throttled"): 1.0,
        ("edgevitals_host_throttled_since_boot", "soft_temperature_limit"): 0.0,
    }


def test_a_server_tells_each_core_and_package_once(tmp_path: Path):
    server = Sysfs(lay_out("xeon", tmp_path) / "sys")
    assert dict(server.throttles()) == {
        ("node_cpu_core_throttles_total", "0", "0"): 0.0,
        ("node_cpu_core_throttles_total", "8", "0"): 8.0,
        ("node_cpu_core_throttles_total", "0", "1"): 100.0,
        ("node_cpu_core_throttles_total", "8", "1"): 108.0,
        ("node_cpu_package_throttles_total", "0"): 1000.0,
        ("node_cpu_package_throttles_total", "1"): 1001.0,
    }
    found = dict(server.hwmon())
    assert found["node_hwmon_sensor_label", "platform_coretemp_1", "Core 8", "temp10"] == 1.0
    assert found["node_hwmon_temp_celsius", "platform_coretemp_1", "temp10"] == 51.001
    assert found["node_hwmon_temp_crit_alarm_celsius", "platform_coretemp_1", "temp10"] == 0.001
    assert found["node_hwmon_temp_celsius", "nvme_nvme0", "temp1"] == 38.85
    # A sensor that is asleep gives no number, and the others are there.
    assert ("node_hwmon_temp_celsius", "nvme_nvme0", "temp2") not in found


def test_only_what_changes_is_read_each_time(tmp_path: Path):
    sys = lay_out("xeon", tmp_path) / "sys"
    server = Sysfs(sys)
    hot = ("node_hwmon_temp_celsius", "platform_coretemp_0", "temp1")
    most = ("node_hwmon_temp_max_celsius", "platform_coretemp_0", "temp1")
    assert (dict(server.hwmon())[hot], dict(server.hwmon())[most]) == (42.0, 85.0)
    chip = sys / "class/hwmon/hwmon1"
    (chip / "temp1_input").write_text("99000\n")
    (chip / "temp1_max").write_text("1000\n")
    assert (dict(server.hwmon())[hot], dict(server.hwmon())[most]) == (99.0, 85.0)


def test_a_sensor_that_goes_is_no_longer_told_and_another_one_is_found(tmp_path: Path):
    sys = lay_out("xeon", tmp_path) / "sys"
    server = Sysfs(sys)
    before = len(list(server.hwmon()))
    (sys / "class/hwmon/hwmon1").unlink()
    shutil.rmtree(sys / "devices/platform/coretemp.0")
    list(server.hwmon())
    after = dict(server.hwmon())
    assert len(after) < before
    assert not any("platform_coretemp_0" in key for key in after)


def test_sensors_without_end_are_bounded(tmp_path: Path):
    chip = tmp_path / "class/hwmon/hwmon0"
    chip.mkdir(parents=True)
    (chip / "name").write_text("endless\n")
    for number in range(1000):
        (chip / f"temp{number}_input").write_text("1000\n")
    told = [key for key, _ in Sysfs(tmp_path).hwmon() if key[0] == "node_hwmon_temp_celsius"]
    assert len(told) == sysfs.MOST_SENSORS


def test_a_machine_without_sensors_has_no_samples(tmp_path: Path):
    for read in (Sysfs(tmp_path).hwmon, Sysfs(tmp_path).thermal, Sysfs(tmp_path).throttles):
        assert list(read()) == []

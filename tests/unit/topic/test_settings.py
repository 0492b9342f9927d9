"""What is said of a telemetry topic that somebody else made."""

from __future__ import annotations

import pytest

from collector.topic.settings import Disk, advise, disk_advice, is_here, most_record_bytes

OURS = {
    "cleanup.policy": "delete",
    "retention.ms": "-1",
    "retention.bytes": str(1 << 30),
    "message.timestamp.type": "LogAppendTime",
    "max.message.bytes": "1048588",
}
GIB = 1 << 30


def test_a_topic_as_we_make_it_needs_nothing():
    assert advise("telemetry", 3, OURS, Disk("/data", 100 * GIB)) == {}
    assert most_record_bytes(OURS) == 1_048_588


@pytest.mark.parametrize(
    "setting, value, says",
    [
        ("retention.ms", "604800000", "--add-config retention.ms=-1"),
        ("message.timestamp.type", "CreateTime", "message.timestamp.type=LogAppendTime"),
        ("cleanup.policy", "compact", "cleanup.policy=delete"),
        ("cleanup.policy", "compact,delete", "cleanup.policy=delete"),
        ("retention.bytes", "-1", "has no bound"),
    ],
)
def test_each_setting_that_loses_data_is_named_with_what_to_type(setting, value, says):
    ((problem, text),) = advise("telemetry", 3, {**OURS, setting: value}).items()
    assert problem == setting
    assert says in text
    assert "--topic telemetry" in text
    assert value in text or setting != "retention.ms"


def test_a_tier_without_its_partition_is_named():
    assert "--partitions 3" in advise("telemetry", 1, OURS)["partitions"]
    assert advise("telemetry", 6, OURS) == {}, "more do no harm: ours are the first"


def test_f09_a_topic_that_could_fill_the_disk_is_named():
    assert "4.0 GiB of /data" in advise("telemetry", 3, OURS, Disk("/data", 4 * GIB))["disk"]
    assert advise("telemetry", 3, OURS, None) == {}, "a broker elsewhere: nobody knows its disk"
    assert disk_advice(7 * GIB, Disk("/", 10 * GIB)) == ""
    assert "topic.max_size" in disk_advice(7 * GIB + 1, Disk("/", 10 * GIB))


def test_what_kafka_does_not_tell_is_not_judged():
    assert advise("telemetry", 3, {}) == {}
    assert most_record_bytes({}) is None


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.0.1.1", "::1", "[::1]"])
def test_a_broker_on_this_machine_is_known(host):
    assert is_here(host)


@pytest.mark.parametrize("host", ["", "10.0.0.1", "kafka.example"])
def test_a_broker_elsewhere_is_not(host):
    assert not is_here(host)

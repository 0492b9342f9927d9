"""What words mean, and what a person is told to write instead of a wrong one."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from collector.config import scalars
from collector.config.scalars import Address, FreeSpace


def told(read, text):
    with pytest.raises(ValueError) as caught:
        read(text)
    return str(caught.value)


@pytest.mark.parametrize(
    "text,seconds",
    [
        ("15s", 15),
        ("5m", 300),
        ("31d", 2_678_400),
        ("2w", 1_209_600),
        ("1h30m", 5400),
        ("250ms", 0.25),
        ("1.5h", 5400),
        ("0s", 0),
    ],
)
def test_durations(text, seconds):
    assert scalars.duration(text) == seconds


@pytest.mark.parametrize(
    "text,instead",
    [
        ("15", "write 15s"),
        ("15 s", "write 15s"),
        ("15sec", "write 15s"),
        ("5 minutes", "write 5m"),
        ("1 hour", "write 1h"),
        ("31 days", "write 31d"),
        ("31D", "write 31d"),
        ("20millis", "write 20ms"),
        ("soon", "write a number and ms, s, m, h, d or w: 15s, 31d"),
        ("-5s", "write a number and ms, s, m, h, d or w: 15s, 31d"),
        ("1h 30m", "write a number and ms, s, m, h, d or w: 15s, 31d"),
        ("", "write a number and ms, s, m, h, d or w: 15s, 31d"),
    ],
)
def test_a_wrong_duration_is_told_the_right_one(text, instead):
    assert told(scalars.duration, text) == f'"{text}" is not a duration: {instead}'


@pytest.mark.parametrize(
    "text,count",
    [
        ("2GiB", 2 << 30),
        ("512MB", 512_000_000),
        ("1.5MiB", 1_572_864),
        ("64kB", 64_000),
        ("64KB", 64_000),
        ("64KiB", 65_536),
        ("100B", 100),
        ("1TiB", 1 << 40),
    ],
)
def test_sizes(text, count):
    assert scalars.size(text) == count


@pytest.mark.parametrize(
    "text,instead",
    [
        ("512mb", "write 512MB (SI) or 512MiB"),
        ("2G", "write 2GB (SI) or 2GiB"),
        ("2gib", "write 2GiB"),
        ("10 MiB", "write 10MiB"),
        ("1073741824", "write 1073741824B, or use MB, GB, MiB, GiB"),
        ("lots", "write a number and MB, GB, MiB or GiB: 512MB, 2GiB"),
        ("-1GB", "write a number and MB, GB, MiB or GiB: 512MB, 2GiB"),
    ],
)
def test_a_wrong_size_is_told_the_right_one(text, instead):
    assert told(scalars.size, text) == f'"{text}" is not a size: {instead}'


def test_free_space_is_a_size_or_a_part_of_the_disk():
    assert scalars.free_space("1GiB") == FreeSpace(1 << 30, 0.0)
    assert scalars.free_space("5%") == FreeSpace(0, 0.05)
    assert scalars.free_space("2.5 %") == FreeSpace(0, 0.025)
    assert told(scalars.free_space, "0.05") == '"0.05" is not a size: write 5%'
    assert "less than 100%" in told(scalars.free_space, "100%")


def test_a_window_may_be_unlimited():
    assert scalars.window("31d") == 31 * 86400
    assert scalars.window("unlimited") == math.inf
    assert told(scalars.window, "forever").endswith('or "unlimited" for a receiver without a limit')


@pytest.mark.parametrize(
    "text,host,port",
    [
        ("localhost:9999", "localhost", 9999),
        ("127.0.0.1:1", "127.0.0.1", 1),
        ("[::1]:9999", "::1", 9999),
        ("[fe80::1%eth0]:9999", "fe80::1%eth0", 9999),
        ("kafka-0.kafka.svc.cluster.local:65535", "kafka-0.kafka.svc.cluster.local", 65535),
    ],
)
def test_addresses_are_read_and_written_alike(text, host, port):
    assert scalars.address(text) == Address(host, port)
    assert str(Address(host, port)) == text


@pytest.mark.parametrize(
    "text,instead",
    [
        ("service:jmx:rmi:///jndi/rmi://kafka-0:9999/jmxrmi", "write kafka-0:9999"),
        ("service:jmx:rmi:///stub/abc", "write 127.0.0.1:9999"),
        ("::1:9999", "write [::1]:9999"),
        (":9464", "write 127.0.0.1:9464, or 0.0.0.0:9464 for every interface"),
        ("localhost", "write it like 127.0.0.1:9999 or [::1]:9999"),
        ("9999", "write it like 127.0.0.1:9999 or [::1]:9999"),
        ("user@host:9999", "write it like 127.0.0.1:9999 or [::1]:9999"),
        ("http://host:9999", "write it without the scheme, for example 127.0.0.1:9999"),
    ],
)
def test_a_wrong_address_is_told_the_right_one(text, instead):
    assert told(scalars.address, text) == f'"{text}" is not host:port: {instead}'


@pytest.mark.parametrize("port", [0, 65536, 99999])
def test_a_port_has_bounds(port):
    assert told(scalars.address, f"a:{port}") == f'"a:{port}": {port} is no port: write 1 to 65535'


@pytest.mark.parametrize(
    "text",
    ["http://h/x", "https://metrics.example/api/v1/write?a=b", "https://[::1]:9090/api/v1/write"],
)
def test_urls(text):
    assert scalars.http_url(text) == text


@pytest.mark.parametrize(
    "text", ["metrics.example/x", "ftp://h/x", "https:///x", "https://h:x/y", "https://[::1/y", "h"]
)
def test_what_is_no_url(text):
    assert told(scalars.http_url, text) == f'"{text}" is not a URL: write https://host/path'


@pytest.mark.parametrize("text", ["https://me:hunter2@h/x", "https://hunter2@h/x", "x://hunter2@h"])
def test_a_secret_in_a_url_is_refused_and_not_repeated(text):
    assert "hunter2" not in told(scalars.http_url, text)


@pytest.mark.parametrize("text", ["store-0412", "a", "A.b_c-9", "0412", "x" * 64])
def test_names(text):
    assert scalars.plain_name(text) == text


@pytest.mark.parametrize("text", ["", "store 1", "café", "x" * 65, "a/b", "a\n"])
def test_what_is_no_name(text):
    assert 'use letters, digits, ".", "_" and "-", 64 characters' in told(scalars.plain_name, text)


@pytest.mark.parametrize(
    "name,says",
    [
        ("site", "set by edgevitals itself"),
        ("instance", "set by edgevitals itself"),
        ("__name__", "belong to Prometheus"),
        ("1a", "not a label name"),
        ("a-b", "not a label name"),
    ],
)
def test_labels_that_are_refused(name, says):
    assert says in told(scalars.label_name, name)


def test_topic_names():
    assert scalars.topic_name("edgevitals.telemetry.{site}") == "edgevitals.telemetry.{site}"
    for wrong in ("", "a b", "a.{node}", ".", "..", "x" * 250):
        assert "is not a topic name" in told(scalars.topic_name, wrong)


def test_names_are_profiles_or_paths():
    assert scalars.name_rules("default") == "default"
    assert scalars.name_rules("./mine") == Path("mine")
    assert scalars.name_rules("mine.yaml") == Path("mine.yaml")
    assert "is no profile" in told(scalars.name_rules, "defualt")


def test_bounds_are_told_as_people_write_them():
    read = scalars.between("1s", "1h", scalars.duration)
    assert read("1h") == 3600
    assert told(read, "2h") == '"2h" is out of bounds: write 1s to 1h'
    assert told(scalars.whole_number(1, 120), "0") == "0 is out of bounds: write 1 to 120"
    assert "write one from 1 to 120" in told(scalars.whole_number(1, 120), "six")
    assert "write one from 1 to 120" in told(scalars.whole_number(1, 120), "1" * 5000)


@pytest.mark.parametrize(
    "text,bytes_a_second", [("64KiB/s", 65_536), ("1MB/s", 1_000_000), ("1.5kB/s", 1500)]
)
def test_rates(text, bytes_a_second):
    assert scalars.byte_rate(text) == bytes_a_second


@pytest.mark.parametrize(
    "text,instead",
    [
        ("64KiB", "is not a rate: write 64KiB/s"),
        ("64KiB/sec", "is not a rate: write 64KiB/s"),
        ("64kbit/s", "is in bits: write bytes a second, 8kB/s"),
        ("1Mbps", "is in bits: write bytes a second, 125kB/s"),
        ("fast", "is not a rate: write bytes a second: 64KiB/s, 1MB/s"),
        ("64k/s", "is not a rate: write bytes a second: 64KiB/s, 1MB/s"),
    ],
)
def test_a_wrong_rate_is_told_the_right_one(text, instead):
    assert told(scalars.byte_rate, text) == f'"{text}" {instead}'


@pytest.mark.parametrize("text", ["http://p:3128", "http://[::1]:8080/", "http://p"])
def test_proxies(text):
    assert scalars.proxy_url(text) == text


@pytest.mark.parametrize(
    "text,instead",
    [
        ("p:3128", "is not a proxy: write http://host:port"),
        ("http://p:3128/path", "is not a proxy: write http://host:port"),
        ("http://p:0", "is not a proxy: write http://host:port"),
        ("http://[::1", "is not a proxy: write http://host:port"),
        ("https://p:3128", "proxies are spoken to in plain HTTP: write http://"),
        ("socks5://p:3128", "proxies are spoken to in plain HTTP: write http://"),
    ],
)
def test_a_wrong_proxy_is_told_the_right_one(text, instead):
    assert instead in told(scalars.proxy_url, text)


def test_the_user_of_a_proxy_is_not_shown():
    assert "hunter2" not in told(scalars.proxy_url, "http://me:hunter2@p:3128")

"""Files of certificates: how long they are good, and what is no certificate."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from collector.catalog import OWN
from collector.config import Config, load
from collector.series import SeriesTable, TargetSeries
from collector.sources.certificate_places import configured_files, configured_listeners
from collector.sources.certificates import MOST_SHOWN, CertificatesSource

HERE = Path(__file__).parents[2] / "data/certificates"
DAY = 86_400.0
END = 3_057_276_263
"""When odd-names.pem ends."""


class Rig:
    """A source, read at a time of the test's choice."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._table = SeriesTable()
        self._monkeypatch = monkeypatch

    def source(self, files: Iterable[Path], longest: float = 31 * DAY) -> CertificatesSource:
        return CertificatesSource(TargetSeries(self._table, {}), files, (), longest)

    def read(self, source: CertificatesSource, now: float) -> dict[tuple[str, str], float]:
        """Return {(name without its beginning, common name or origin): value}."""
        self._monkeypatch.setattr("collector.sources.certificates.time.time", lambda: now)
        reading = source.read(time.monotonic() + 10)
        values = {}
        for series_id, value in zip(reading.series, reading.values, strict=True):
            name, labels, _ = self._table[series_id]
            assert set(OWN[name].labels) == {key for key, _ in labels}
            subject = dict(labels).get("subject", "")
            common = subject.partition("CN=")[2].partition(",")[0]
            about = common or Path(dict(labels)["origin"]).name
            values[name.removeprefix("edgevitals_certificate"), about] = value
        return values


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Rig:
    return Rig(monkeypatch)


@pytest.mark.parametrize(
    "left, days, outlives",
    [
        (400 * DAY, 400, 1),
        (31 * DAY, 31, 1),
        (31 * DAY - 1, 30, 0),
        (1, 0, 0),
        (0, 0, 0),
        (-1, -1, 0),
        (-90.5 * DAY, -91, 0),
    ],
)
def test_days_left_and_whether_they_outlast_the_longest_disconnection(rig, left, days, outlives):
    told = rig.read(rig.source([HERE / "odd-names.pem"]), END - left)
    name = "filiale-0412.example"
    assert told == {
        ("_readable", "odd-names.pem"): 1,
        ("s_left_out", "odd-names.pem"): 0,
        ("_expiry_timestamp_seconds", name): END,
        ("_left_seconds", name): days * 86_400,
        ("_outlives_disconnection", name): outlives,
    }


def test_a_file_that_is_replaced_is_read_again(rig, tmp_path):
    file = tmp_path / "own.pem"
    shutil.copy(HERE / "directory-names.pem", file)
    source = rig.source([file])
    assert ("_left_seconds", "\\ #1\\ ") in rig.read(source, END)
    shutil.copy(HERE / "odd-names.pem", tmp_path / "next")
    (tmp_path / "next").rename(file)
    told = rig.read(source, END)
    assert [about for name, about in told if name == "_left_seconds"] == ["filiale-0412.example"]


def test_a_file_that_goes_says_so_and_its_certificates_go(rig, tmp_path, caplog):
    file = tmp_path / "own.pem"
    shutil.copy(HERE / "odd-names.pem", file)
    source = rig.source([file])
    rig.read(source, END)
    file.unlink()
    for _ in range(3):
        assert rig.read(source, END) == {
            ("_readable", "own.pem"): 0,
            ("s_left_out", "own.pem"): 0,
        }
    assert caplog.text.count("No such file") == 1
    shutil.copy(HERE / "odd-names.pem", file)
    assert rig.read(source, END)["_readable", "own.pem"] == 1


@pytest.mark.parametrize("name", ["store.p12", "README.md", ".", "gone.pem"])
def test_what_shows_no_certificate_is_a_sample(rig, name):
    (told,) = {
        v for (n, _), v in rig.read(rig.source([HERE / name]), END).items() if n == "_readable"
    }
    assert told == 0


def test_of_many_certificates_those_are_told_that_end_first(rig, tmp_path, monkeypatch):
    monkeypatch.setattr("collector.sources.certificates.MOST_SHOWN", 1)
    assert MOST_SHOWN > 1
    told = rig.read(rig.source([HERE / "two.pem"]), END)
    assert [about for name, about in told if name == "_left_seconds"] == ["\\ #1\\ "]
    assert told["s_left_out", "two.pem"] == 1


CONFIG = """
site: a
kafka:
  bootstrap.servers: "SASL_SSL://a:9093, [::1]:9094"
  security.protocol: sasl_ssl
  ssl.ca.location: /etc/kafka/ca.pem
  ssl.certificate.location: /etc/kafka/own.pem
sources:
  certificates: true
  jmx:
    - {address: "j:1", tls: {ca_file: jmx-ca.pem}, rmi_port: 2}
    - {address: "k:1", tls: true}
    - {address: "l:1", tls: true, registry_tls: true}
  scrape:
    - {url: "https://s/metrics", job: s, tls: {ca_file: s-ca.pem}}
    - {url: "http://t/metrics", job: t}
sinks:
  - {name: c, url: "https://c/api", out_of_order_time_window: 1h,
     tls: {ca_file: c-ca.pem, cert_file: c.pem, key_file: c.key}}
"""


def loaded(tmp_path: Path, text: str) -> Config:
    (tmp_path / "c.yaml").write_text(text)
    return load(tmp_path / "c.yaml", {}).config


def test_certificates_that_the_configuration_names_elsewhere(tmp_path):
    config = loaded(tmp_path, CONFIG)
    assert sorted(file.name for file in configured_files(config)) == [
        *("c-ca.pem", "c.pem", "ca.pem", "jmx-ca.pem", "own.pem", "s-ca.pem"),
    ]
    assert list(map(str, configured_listeners(config))) == [
        *("a:9093", "[::1]:9094", "j:2", "l:1", "s:443"),
    ]


def test_without_tls_to_kafka_its_brokers_are_not_asked(tmp_path):
    config = loaded(tmp_path, 'site: a\nkafka: {bootstrap.servers: "a:9092"}\n')
    assert [*configured_listeners(config), *configured_files(config)] == []

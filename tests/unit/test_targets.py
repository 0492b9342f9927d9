from __future__ import annotations

from contextlib import closing

import pytest

from collector.admin.client import Admin
from collector.config import load
from collector.errors import ConfigError
from collector.series import SeriesTable
from collector.target import Scraper
from collector.targets import Targets
from collector.telemetry import Telemetry

LABELS = {"site": "store-1", "node": "edge-1"}
ONE = """
site: store-1
kafka: {bootstrap.servers: "127.0.0.1:1"}
sources:
  host: true
  kafka: {topics: [".*"]}
  otlp: {listen: "127.0.0.1:4318"}
  jmx: [{address: "127.0.0.1:1"}, {address: "127.0.0.1:2", names: [default, RULES]}]
  scrape: [{url: "http://127.0.0.1:1/metrics", job: till}]
links:
  - name: hq
    kind: mirrormaker2
    topics: ["pos.*"]
    source: a
    target: b
    jmx: [{address: "127.0.0.1:3"}]
"""


class Configured:
    """Targets of one file after another. Nothing is read: no address here answers."""

    def __init__(self, folder) -> None:
        self.rules = folder / "rules.yaml"
        self.rules.write_text("rules: [{pattern: a, name: b}]")
        self.file = folder / "config.yaml"
        self.admin = Admin({})
        self.targets = Targets(SeriesTable(), self.admin, Telemetry())

    def of(self, text: str, **labels: str):
        self.file.write_text(text.replace("RULES", str(self.rules)))
        found = self.targets.of(load(self.file, {}).config, {**LABELS, **labels})
        return {(one.job, one.instance): one for one in found}


@pytest.fixture
def configured(tmp_path):
    one = Configured(tmp_path)
    with closing(one.admin), closing(Scraper([])) as scraper:
        yield one
        scraper.swap([target for _, target in one.targets._targets])


def kept(before, after):
    return {job for job, target in after.items() if before.get(job) is target}


def test_what_is_wanted_unchanged_stays_and_a_rule_file_is_read_again(configured):
    before = configured.of(ONE)
    after = configured.of(ONE)
    assert kept(before, after) == before.keys() - {("kafka", "127.0.0.1:2")}


def test_one_that_changes_is_another_target(configured):
    before = configured.of(ONE)
    after = configured.of(ONE.replace("127.0.0.1:1/metrics", "127.0.0.1:1/other"))
    gone = {("till", "127.0.0.1:1"), ("kafka", "127.0.0.1:2")}
    assert kept(before, after) == before.keys() - gone


def test_the_kafka_source_and_the_links_share_a_reading_also_a_new_one(configured):
    before = configured.of(ONE)
    after = configured.of(ONE.replace('topics: [".*"]', 'topics: ["a.*"]'))
    changed = {("kafka_exporter", "edge-1"), ("edgevitals_link", "hq"), ("kafka", "127.0.0.1:2")}
    assert before.keys() - kept(before, after) == changed


def test_other_labels_are_other_series_of_everything(configured):
    before = configured.of(ONE)
    assert kept(before, configured.of(ONE, region="emea")) == set()


def test_a_bad_rule_file_changes_nothing(configured):
    before = configured.of(ONE)
    configured.rules.write_text("rules: [{patern: a}]")
    with pytest.raises(ConfigError, match="patern"):
        configured.of(ONE)
    configured.rules.write_text("rules: [{pattern: a, name: b}]")
    assert kept(before, configured.of(ONE)) == before.keys() - {("kafka", "127.0.0.1:2")}

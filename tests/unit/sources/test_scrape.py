"""The source `scrape`: a page as a target, refused whole or taken."""

from __future__ import annotations

import time
from contextlib import closing

import pytest

from collector.config import ScrapeConfig
from collector.errors import SourceError
from collector.series import SeriesTable, TargetSeries
from collector.sources.scrape import ScrapeSource
from collector.target import Scraper, Target
from collector.telemetry import Telemetry
from tests.unit.sinks.peer import Peer, answer

OPENMETRICS = "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8"


class Scraped:
    def __init__(self, peer: Peer, **keys) -> None:
        self.table = SeriesTable()
        self.telemetry = Telemetry()
        page = ScrapeConfig(url=peer.url, job="j", **keys)
        self.series = TargetSeries(self.table, {"job": "j", "instance": page.target_instance})
        self.source = ScrapeSource(page, self.telemetry, self.series)

    def read(self) -> dict[str, float]:
        """Values by the series' text, without job and instance."""
        reading = self.source.read(time.monotonic() + 30)
        assert len(set(reading.series)) == len(reading.series) == len(reading.values)
        return {self._text(i): v for i, v in zip(reading.series, reading.values, strict=True)}

    def _text(self, series: int) -> str:
        one = self.table[series]
        labels = {k: v for k, v in one.labels if k not in {"job", "instance"}}
        return one.name + "".join(f" {k}={v}" for k, v in labels.items())


OWN = {
    "edgevitals_scrape_duplicates": 0.0,
    "edgevitals_scrape_not_carried what=exemplars": 0.0,
    "edgevitals_scrape_not_carried what=timestamps": 0.0,
}


def test_a_page_is_samples_and_what_is_missing_of_it():
    with Peer(answer(200, b'a 1\na 2\nb{c="d"} 3 1700000000000\n')) as peer:
        one = Scraped(peer)
        with closing(one.source):
            for _ in range(2):
                assert one.read() == {
                    "a": 1,
                    "b c=d": 3,
                    **OWN,
                    "edgevitals_scrape_duplicates": 1,
                    "edgevitals_scrape_not_carried what=timestamps": 1,
                }


def test_labels_that_clash_with_the_targets_are_exported():
    with Peer(answer(200, b'a{job="x",instance="y"} 1\n')) as peer:
        one = Scraped(peer)
        with closing(one.source):
            assert one.read() == {"a exported_instance=y exported_job=x": 1, **OWN}


def test_a_label_that_is_exported_takes_no_other_ones_place():
    with Peer(answer(200, b'a{job="x",exported_job="y"} 1\n')) as peer:
        one = Scraped(peer)
        with closing(one.source):
            assert one.read() == {"a exported_exported_job=x exported_job=y": 1, **OWN}


def test_openmetrics_is_told_by_its_type_and_has_an_end():
    whole, broken = b'a_total 1 # {t="x"} 1\n# EOF\n', b"a_total 1\n"
    with Peer(answer(200, whole, OPENMETRICS), answer(200, broken, OPENMETRICS)) as peer:
        one = Scraped(peer)
        with closing(one.source):
            assert one.read()["edgevitals_scrape_not_carried what=exemplars"] == 1
            with pytest.raises(SourceError, match="# EOF"):
                one.read()
    assert "application/openmetrics-text" in peer.seen[0].headers["accept"]


@pytest.mark.parametrize(
    "reply, keys, limit",
    [
        (answer(200, b"a 1\nb 2\n"), {"sample_limit": 1}, "sample"),
        (answer(200, b"a 1\n" * 300), {"body_size_limit": 1024}, "body_size"),
        (answer(200, b'a{b="1",c="2"} 1\n'), {"label_limit": 1}, "label"),
        (answer(200, b'a{bc="1"} 1\n'), {"label_name_length_limit": 1}, "label_name_length"),
        (answer(200, b'a{b="12"} 1\n'), {"label_value_length_limit": 1}, "label_value_length"),
        (answer(200, b"<html>", "Content-Type: text/html"), {}, "syntax"),
        (answer(200, b"\xff\xfe"), {}, "syntax"),
    ],
)
def test_a_refused_page_is_counted_and_gives_nothing(reply, keys, limit):
    with Peer(reply) as peer:
        one = Scraped(peer, **keys)
        with closing(one.source):
            for _ in range(2):
                with pytest.raises(SourceError, match="the page is refused: ") as caught:
                    one.read()
                assert caught.value.hint
    assert one.telemetry.by_label("edgevitals_scrape_refused_total", "limit") == {limit: 2}


def test_a_page_cannot_speak_for_us():
    hostile = b"up 1\nscrape_samples_scraped 7\nedgevitals_scrape_duplicates 9\na 1\n"
    with Peer(answer(200, hostile)) as peer:
        one = Scraped(peer)
        target = Target("j", "i", one.source, one.series)
        with closing(Scraper([target])) as scraper:
            for _ in range(2):
                (reading,) = scraper.read(30.0) or []
                assert len(set(reading.series)) == len(reading.series)
                found = {
                    one.table[i].name: v
                    for i, v in zip(reading.series, reading.values, strict=True)
                }
                assert found["edgevitals_scrape_duplicates"] == 3
                assert found["scrape_samples_scraped"] == 4
                assert found["a"] == found["up"] == 1


def test_nobody_there_is_a_sentence():
    with Peer(answer(200)) as peer:
        one = Scraped(peer)
    with closing(one.source), pytest.raises(SourceError, match="can't be reached"):
        one.read()

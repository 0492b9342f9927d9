"""The source `scrape`: a page in the text format of Prometheus or OpenMetrics.

Read as a Prometheus with honor_labels and honor_timestamps false would: a page that is over a
limit, or has a line that is none, is refused whole, since half a page looks like a whole one.
"""

from __future__ import annotations

from collections.abc import Sequence

from collector import catalog
from collector.catalog.sources import TARGETS
from collector.config import ScrapeConfig
from collector.errors import Retry, SourceError
from collector.http.access import page_access
from collector.http.get import Get, Page, TooMuch
from collector.series import TargetSeries
from collector.sources.exposition import LINE_BYTES, Exposition, Limits, Refused, Taken
from collector.target import Reading
from collector.telemetry import Telemetry

ACCEPT = "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"

RESERVE_S = 0.2
"""Before the deadline all waiting ends, so that it is said what was waited for."""

_DUPLICATES = catalog.OWN["edgevitals_scrape_duplicates"].family
_NOT_CARRIED = catalog.OWN["edgevitals_scrape_not_carried"].family
_OPENMETRICS = "application/openmetrics-text"
_OTHERS = ("text/html", "application/vnd.google.protobuf", "application/json")


class ScrapeSource:
    """One page."""

    def __init__(self, page: ScrapeConfig, telemetry: Telemetry, series: TargetSeries) -> None:
        self._telemetry = telemetry
        self._get = Get(
            page.url,
            page_access(page),
            ACCEPT,
            body_limit=page.body_size_limit,
            line_limit=LINE_BYTES,
        )
        limits = Limits(
            page.sample_limit,
            page.label_limit,
            page.label_name_length_limit,
            page.label_value_length_limit,
        )
        self._own = [
            series.intern(_DUPLICATES, {}),
            *(series.intern(_NOT_CARRIED, {"what": what}) for what in ("exemplars", "timestamps")),
        ]
        # A page can't say of itself what we say of it.
        ours = {*self._own, *(series.intern(metric.family, {}) for metric in TARGETS)}
        self._exposition = Exposition(series.intern, limits, ours)
        self._told: Sequence[int] = ()
        self._series = self._own

    def read(self, deadline: float) -> Reading:
        """Read the page once. Raises SourceError for one that can't be had or is refused."""
        try:
            taken = self._taken(self._get.page(deadline - RESERVE_S))
        except Retry as error:
            raise SourceError(error.message, error.hint) from error
        except (TooMuch, Refused) as error:
            self._telemetry.add("edgevitals_scrape_refused_total", limit=error.limit)
            raise SourceError(f"the page is refused: {error.message}", error.hint) from error
        if taken.series is not self._told:
            self._told = taken.series
            self._series = [*taken.series, *self._own]
        more = (taken.duplicates, taken.exemplars, taken.timestamps)
        return Reading(self._series, [*taken.values, *map(float, more)])

    def _taken(self, page: Page) -> Taken:
        kind = page.content_type.partition(";")[0].strip().lower()
        if kind in _OTHERS:
            raise Refused(
                f"it is {kind}, not the text of metrics",
                "correct the path in url of this target: /metrics in most programs",
            )
        return self._exposition.take(page.body, is_openmetrics=kind == _OPENMETRICS)

    def close(self) -> None:
        """End the connection. Never raises."""
        self._get.close()

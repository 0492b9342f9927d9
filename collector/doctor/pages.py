"""Pages of other exporters."""

from __future__ import annotations

import time
from collections.abc import Iterator

from collector.config import ScrapeConfig
from collector.doctor.finding import Finding, Layer, ok, problem
from collector.errors import CollectorError
from collector.http.access import page_access
from collector.http.get import Get

_PAGE_S = 10.0
_LINE_BYTES = 64 << 10


def look(page: ScrapeConfig) -> Iterator[Finding]:
    """Get the page once."""
    get = Get(
        page.url,
        page_access(page),
        "text/plain",
        body_limit=page.body_size_limit,
        line_limit=_LINE_BYTES,
    )
    try:
        found = get.page(time.monotonic() + _PAGE_S)
    except CollectorError as error:
        yield problem(Layer.SCRAPE, page.url, error.message, error.hint)
        return
    finally:
        get.close()
    lines = found.body.count(b"\n")
    yield ok(Layer.SCRAPE, page.url, f"{lines} lines, {len(found.body)} bytes")

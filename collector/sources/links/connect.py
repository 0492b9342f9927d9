"""Connect's REST interface: the state of one connector's tasks, and its offsets (KIP-875)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from collector.errors import Retry, SourceError
from collector.http.access import Access
from collector.http.get import Get, TooMuch
from collector.sources.links.reading import State

BODY_BYTES = 4 << 20
_STATES = {"RUNNING": "running", "PAUSED": "paused", "STOPPED": "paused", "FAILED": "failed"}


class Told(NamedTuple):
    """State of the connector, and its tasks by what they are."""

    state: State | None
    tasks: Mapping[str, int]


class Connector:
    """One connector. Belongs to one thread."""

    def __init__(self, url: str, access: Access) -> None:
        """`url` is http://HOST:PORT/connectors/NAME."""
        base = url.rstrip("/")
        self._status = _page(f"{base}/status", access)
        self._offsets = _page(f"{base}/offsets", access)

    def read(self, deadline: float) -> Told:
        """Return how the connector is. Raises SourceError when Connect doesn't answer."""
        told = _json(self._status, deadline)
        tasks: dict[str, int] = dict.fromkeys(("running", "paused", "failed", "unassigned"), 0)
        words = [str(task.get("state")) for task in told.get("tasks", [])]
        for word in words:
            name = _STATES.get(word, "unassigned")
            tasks[name] += 1
        own = str(told.get("connector", {}).get("state"))
        if own == "FAILED" or tasks["failed"]:
            return Told(State.BROKEN, tasks)
        if own in ("PAUSED", "STOPPED"):
            return Told(State.PAUSED, tasks)
        return Told(None, tasks)

    def positions(self, source: str | None, deadline: float) -> dict[str, dict[int, int]]:
        """Return {topic of the source: {partition: next offset to be mirrored}}.

        An offset of MirrorMaker's is that of the record that was mirrored last.
        """
        found: dict[str, dict[int, int]] = {}
        for one in _json(self._offsets, deadline).get("offsets", []):
            where, at = one.get("partition") or {}, one.get("offset") or {}
            if source in (None, where.get("cluster")) and "offset" in at and "topic" in where:
                found.setdefault(str(where["topic"]), {})[int(where["partition"])] = (
                    int(at["offset"]) + 1
                )
        return found

    def close(self) -> None:
        """End the connections. Never raises."""
        self._status.close()
        self._offsets.close()


def _page(url: str, access: Access) -> Get:
    return Get(url, access, "application/json", body_limit=BODY_BYTES, line_limit=BODY_BYTES)


def _json(page: Get, deadline: float) -> dict[str, Any]:
    try:
        told = json.loads(page.page(deadline).body)
    except Retry as error:
        raise SourceError(error.message, error.hint) from error
    except (TooMuch, ValueError) as error:
        raise SourceError(
            f"Connect's answer is none: {error}",
            "connect of this link is http://HOST:8083/connectors/NAME",
        ) from error
    if not isinstance(told, dict):
        raise SourceError(
            "Connect's answer is not a section",
            "connect of this link is http://HOST:8083/connectors/NAME",
        )
    return told

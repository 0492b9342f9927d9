"""A board's questions, asked as Grafana 11 asks them: variables filled in, ranges and steps."""

from __future__ import annotations

import json
import re
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.lab.prometheus import Prometheus

SCRAPE_S = 15
"""What Grafana takes for the interval of a data source that says nothing else."""
POINTS, MARKS = 1000, 100
"""How many fit into a panel, and how many are asked for of an annotation."""

_LABEL_VALUES = re.compile(r"label_values\((.+),(\w+)\)")


class Asked(NamedTuple):
    """One question, where it stands, and the values of each series that came: the newest last."""

    where: str
    expr: str
    series: list[list[float]]

    @property
    def highest(self) -> float:
        return max((max(values) for values in self.series), default=0.0)


class Viewer:
    """Somebody who looks at a board: `seconds` back from `end`, at what its variables offer."""

    def __init__(self, prometheus: Prometheus, board: dict[str, Any], end: float, seconds: float):
        self._prometheus = prometheus
        self._board = board
        self._start, self._end = end - seconds, end
        self.chosen: dict[str, str] = {}
        self.offered: dict[str, list[str]] = {}

    def choose(self, **wanted: str) -> None:
        """Fill in the variables from left to right: as said, else all, else the first."""
        for variable in self._board["templating"]["list"]:
            if variable["type"] != "query":
                continue
            found = _LABEL_VALUES.fullmatch(variable["query"]["query"])
            assert found, variable["query"]
            offered = self._values(self._filled(found[1]), found[2])
            name = variable["name"]
            self.offered[name] = offered
            assert offered, f"the variable {name} offers nothing"
            everything = variable.get("allValue") if variable.get("includeAll") else None
            self.chosen[name] = wanted.get(name) or everything or offered[0]

    def at(self, end: float) -> Viewer:
        """The same at another time."""
        other = Viewer(self._prometheus, self._board, end, self._end - self._start)
        other.chosen = self.chosen
        return other

    def panels(self) -> Iterator[Asked]:
        for panel in self._board["panels"]:
            for target in panel.get("targets", ()):
                where = f"{panel['title']} {target['refId']}"
                step = self._step(panel["interval"], POINTS)
                yield self._ask(where, target["expr"], step, bool(target.get("instant")))

    def annotations(self) -> Iterator[Asked]:
        for one in self._board["annotations"]["list"]:
            step = self._step(one["step"], MARKS)
            yield self._ask(f"annotation {one['name']}", one["expr"], step, False)

    def _ask(self, where: str, expr: str, step: float, instant: bool) -> Asked:
        promql = self._filled(expr, step)
        if instant:
            samples = self._prometheus.query(promql, at=self._end)
            return Asked(where, promql, [[sample.value] for sample in samples])
        tracks = self._prometheus.query_range(promql, self._start, self._end, step)
        return Asked(where, promql, [[value for _, value in track.points] for track in tracks])

    def _step(self, least: str, points: int) -> float:
        assert least.endswith("m"), least
        return max(float(least[:-1]) * 60, (self._end - self._start) / points)

    def _filled(self, text: str, step: float = 60.0) -> str:
        rate_s = max(step + SCRAPE_S, 4 * max(step, SCRAPE_S))
        built_in = {
            "__rate_interval": f"{rate_s:.0f}s",
            "__range": f"{self._end - self._start:.0f}s",
            "__interval": f"{step:.0f}s",
        }
        filled = text
        for name, value in sorted((built_in | self.chosen).items(), key=lambda it: -len(it[0])):
            filled = filled.replace(f"${name}", value)
        assert "$" not in filled, filled
        return filled

    def _values(self, selector: str, label: str) -> list[str]:
        asked = {"match[]": selector, "start": self._start, "end": self._end}
        url = f"{self._prometheus.url}/api/v1/label/{label}/values?{urllib.parse.urlencode(asked)}"
        with urllib.request.urlopen(url, timeout=30.0) as answer:
            found: list[str] = json.load(answer)["data"]
        return found

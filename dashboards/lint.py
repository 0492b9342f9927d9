"""What a board must be, said of its JSON: each problem is a sentence.

Of Grafana's own dashboard-linter those rules that fit, and what it doesn't look at.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import Any

from dashboards import style
from dashboards.grid import FOLD, WIDTH

MOST_ABOVE_FOLD = 9
MOST_PANELS = 30
VARIABLES = ["datasource", "region", "site", "node"]
CORE = {"bargauge", "row", "stat", "state-timeline", "table", "timeseries"}
"""Panels that every Grafana has, of those that we use."""

_COLOR = re.compile(r"#[0-9A-Fa-f]{6}")
_COLORS = {style.OK, style.INFO, style.WARN, style.CRITICAL, style.LATE, *style.LINES}
_TRUTH = ["Last heard from", "Age of what you see", "Rounds still to come", "Rounds missing"]

Json = dict[str, Any]


def problems(board: Json, uids: Iterable[str]) -> Iterator[str]:
    """Yield what is wrong with a board, where `uids` are those of all boards."""
    panels = board["panels"]
    asking = [panel for panel in panels if panel["type"] != "row"]
    yield from _whole(board, asking, set(uids))
    yield from _variables(board)
    yield from _places(panels)
    for number, times in Counter(panel.get("id") for panel in panels).items():
        if not number or times > 1:
            yield f"the id {number} is not one panel's alone"
    for panel in asking:
        for problem in _panel(panel):
            yield f"{panel.get('title')}: {problem}"
    for color in set(_strings(board, _COLOR)) - _COLORS:
        yield f"the colour {color} is not one of the house"


def _whole(board: Json, asking: list[Json], uids: set[str]) -> Iterator[str]:
    if board["uid"] not in uids:
        yield f"the uid {board['uid']} is not one of ours"
    if board["editable"]:
        yield "it can be edited where it is shown: changes would be lost"
    if board["timezone"] != "utc":
        yield "its times are not UTC, which all sites share"
    if [panel["title"] for panel in asking[: len(_TRUTH)]] != _TRUTH:
        yield "it does not begin with how old its data is"
    above = [panel for panel in asking if panel["gridPos"]["y"] < FOLD]
    if len(above) > MOST_ABOVE_FOLD:
        yield f"{len(above)} panels are above the fold: nobody sees any of them"
    if len(asking) > MOST_PANELS:
        yield f"{len(asking)} panels are too many"
    for url in _strings(board["links"], re.compile(r"/d/[^\"]*")):
        if url.removeprefix("/d/").partition("?")[0] not in uids:
            yield f"{url} leads nowhere"
    for link in board["links"]:
        if not (link["includeVars"] and link["keepTime"]):
            yield f"the link {link['title']} forgets site or time"
    for one in board["annotations"]["list"]:
        if not one.get("expr") or one["datasource"]["uid"] != "${datasource}":
            yield f"the annotation {one['name']} asks nothing, or elsewhere"


def _variables(board: Json) -> Iterator[str]:
    variables = board["templating"]["list"]
    if [variable["name"] for variable in variables] != VARIABLES:
        yield f"its variables are not {', '.join(VARIABLES)}, in this order"
    known: set[str] = set()
    for variable in variables:
        query = str(variable.get("query", ""))
        if unknown := set(re.findall(r"\$(\w+)", query)) - known:
            yield f"the variable {variable['name']} is bound by {unknown}, which come after it"
        known.add(variable["name"])
        if variable["type"] != "query":
            continue
        if variable["refresh"] != 2:
            yield f"the variable {variable['name']} is not asked again for another time range"
        if "label_values(edgevitals_build_info" not in query:
            yield f"the variable {variable['name']} is not of the one cheap metric"


def _places(panels: list[Json]) -> Iterator[str]:
    for panel in panels:
        place = panel["gridPos"]
        if place["x"] + place["w"] > WIDTH or min(place["w"], place["h"]) < 1:
            yield f"{panel['title']} is over the edge"
    for one, other in combinations(panels, 2):
        if _overlap(one["gridPos"], other["gridPos"]):
            yield f"{one['title']} and {other['title']} overlap"


def _overlap(one: Json, other: Json) -> bool:
    return bool(
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )


def _panel(panel: Json) -> Iterator[str]:
    if panel["type"] not in CORE:
        yield f"{panel['type']} is not a panel that every Grafana has"
    if not panel.get("title") or not panel.get("description", "").endswith("."):
        yield "it has no title, or no sentence that says what is good"
    defaults = panel["fieldConfig"]["defaults"]
    if defaults.get("unit") not in style.UNITS.values():
        yield f"the unit {defaults.get('unit')} is none of the house"
    if not defaults.get("noValue"):
        yield "it does not say what it means when there is nothing"
    if panel.get("options") is None:
        yield "its options are null, which Grafana can't read"
    if panel["type"] == "timeseries" and defaults["custom"].get("spanNulls") is not False:
        yield "it draws a line over a gap"
    if panel["datasource"]["uid"] != "${datasource}":
        yield "it does not ask where the viewer says"
    targets = panel.get("targets", [])
    if not targets:
        yield "it asks nothing"
    refs = [target.get("refId") for target in targets]
    if not all(refs) or len(set(refs)) < len(refs):
        yield f"its refIds {refs} are not each its own"
    for target in targets:
        for problem in _target(target):
            yield f"{target.get('refId')}: {problem}"


def _target(target: Json) -> Iterator[str]:
    expr = target["expr"]
    if 'site="$site"' not in expr or 'node=~"$node"' not in expr:
        yield "it asks for more than the site that is looked at"
    if re.search(r"\birate\(", expr):
        yield "irate shows an accident of the step"
    if re.search(r"\brate\([^\[]*\[(?!\$__rate_interval\])", expr):
        yield "a rate over a fixed time is empty or coarse at another zoom"
    if target["datasource"]["uid"] != "${datasource}":
        yield "it does not ask where the viewer says"
    if bool(target.get("instant")) == bool(target.get("range")):
        yield "it is not either as of now or over time"
    many = re.search(r"by \([^)]*\b(topic|partition|consumergroup|subject)\b", expr)
    counted = re.search(r"\b(topk|bottomk)\(10,", expr)
    if many and not counted:
        yield "it may give any number of series: say how many"
    if target.get("format") != "table" and not target.get("legendFormat"):
        yield "its series have no name"


def _strings(value: Any, pattern: re.Pattern[str]) -> Iterator[str]:
    if isinstance(value, dict):
        for one in value.values():
            yield from _strings(one, pattern)
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one, pattern)
    elif isinstance(value, str) and pattern.fullmatch(value):
        yield value

"""A whole board: its rows of panels, and what all boards have in common.

The SDK leaves some of Grafana's JSON undone or broken: ids of panels, `null` for options, and what
Grafana's Prometheus wants of an annotation. It is put right here, in plain JSON.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    GridPos,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from dashboards import grid, style
from dashboards.panels import SOURCE, STEP, Panel
from dashboards.selectors import INTERVAL, grown, of, shared

TAG = "edgevitals"
ALL = VariableOption(selected=True, text="All", value="$__all")

LINKS = {"ev-site": "EdgeVitals site", "ev-pipeline": "EdgeVitals pipeline"}
"""All boards: uid and title."""


class Row(NamedTuple):
    """Panels under a title; the first row of a board has none."""

    title: str
    panels: Sequence[Panel]


class Annotation(NamedTuple):
    """What is marked in all panels. With `at_value` each value is a time in milliseconds."""

    name: str
    color: str
    expr: str
    text: str
    at_value: bool = False


_DISCONNECTED = of("edgevitals_link_state", state="disconnected")

# Grafana asks for a hundred points of an annotation: what is shorter must not fall between two.
ANNOTATIONS = (
    Annotation(
        "Link down",
        style.WARN,
        shared(f"max_over_time({_DISCONNECTED}[{INTERVAL}])") + " == 1",
        "{{link}} ({{kind}}) is disconnected",
    ),
    Annotation(
        "Rounds lost",
        style.CRITICAL,
        f"sum by (pump, reason) ({grown(of('edgevitals_gap_rounds_total'))}) > 0",
        "a gap: {{reason}}, noticed by {{pump}}",
    ),
    Annotation(
        "Collector started",
        style.INFO,
        f"{of('edgevitals_process_start_time_seconds')} * 1000",
        "the collector of {{node}} started",
        at_value=True,
    ),
    Annotation(
        "Broker started",
        style.LATE,
        f"max by (id) ({of('kafka_server_app_info_start_time_ms')})",
        "broker {{id}} started",
        at_value=True,
    ),
)


def build(uid: str, description: str, board_rows: Sequence[Row]) -> dict[str, Any]:
    """Return the board as Grafana's JSON."""
    builder = dashboard.Dashboard(LINKS[uid]).uid(uid).description(description)
    builder.tags([TAG]).timezone("utc").readonly().tooltip(DashboardCursorSync.CROSSHAIR)
    builder.time("now-6h", "now").refresh("1m").version(1)
    builder.variables(_variables())
    for other, title in LINKS.items():
        if other != uid:
            builder.link(
                dashboard.DashboardLink(title)
                .type(DashboardLinkType.LINK)
                .url(f"/d/{other}")
                .icon("dashboard")
                .tooltip(f"The same site on the board {title}")
                .include_vars(True)
                .keep_time(True)
            )
    for one in ANNOTATIONS:
        builder.annotation(
            dashboard.AnnotationQuery()
            .name(one.name)
            .datasource(SOURCE)
            .enable(True)
            .icon_color(one.color)
            .expr(one.expr)
        )
    top = 0
    for row in board_rows:
        if row.title:
            builder.with_row(_heading(row.title, top))
            top += 1
        places, top = grid.places([panel.size for panel in row.panels], top)
        for panel, place in zip(row.panels, places, strict=True):
            builder.with_panel(panel.builder.id(panel.id).grid_pos(place))
    return _completed(json.loads(JSONEncoder().encode(builder.build())))


def _heading(title: str, top: int) -> dashboard.Row:
    place = GridPos(h=1, w=grid.WIDTH, x=0, y=top)
    return dashboard.Row(title).id(Panel(title, grid.WIDE, None).id).grid_pos(place)


def _variables() -> list[Any]:
    """In one order on every board, each bound by those before it."""
    info = "edgevitals_build_info"
    return [
        dashboard.DatasourceVariable("datasource").type("prometheus").label("Data source"),
        _labels_of("region", "Region", info)
        .include_all(True)
        .all_value(".*")
        .multi(True)
        .current(ALL),
        _labels_of("site", "Site", f'{info}{{region=~"$region"}}'),
        _labels_of("node", "Node", f'{info}{{region=~"$region",site="$site"}}')
        .include_all(True)
        .all_value(".*")
        .multi(True)
        .current(ALL),
    ]


def _labels_of(name: str, label: str, selector: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query({"query": f"label_values({selector},{name})", "refId": f"variable-{name}"})
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
    )


def _completed(board: dict[str, Any]) -> dict[str, Any]:
    for panel in board["panels"]:
        if panel["type"] != "row" and panel.get("options") is None:
            panel["options"] = {}
    # `prepareAnnotation` of Grafana's Prometheus data source takes these; the SDK has no names
    # for them. In a text {{label}} stands for a label's value.
    for said, one in zip(board["annotations"]["list"], ANNOTATIONS, strict=True):
        said |= {
            "step": STEP,
            "titleFormat": one.name,
            "textFormat": one.text,
            "tagKeys": "",
            "useValueForTime": one.at_value,
        }
    return board

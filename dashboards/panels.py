"""The kinds of panels, in the house style.

A panel is a `Panel`: what stands in it, and how large it is. Where it stands is the grid's matter.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.models.common import (
    BarGaugeDisplayMode,
    BigValueColorMode,
    BigValueGraphMode,
    BigValueTextMode,
    GraphDrawStyle,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    TooltipDisplayMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMapping,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from collector.catalog import LIMITS
from dashboards import style
from dashboards.grid import HALF, STRIP, WIDE, Size
from dashboards.style import Word

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
COUNTED = ("brokers", "partitions", "rounds", "samples")
"""Units of limits that are whole numbers."""

STEP = "1m"
"""The least step of a query. `$__rate_interval` is four of it at least: rounds are up to a minute
apart."""


class Query(NamedTuple):
    """What is asked, and what each answer is called: `{{label}}` stands for a label's value."""

    expr: str
    legend: str


class Step(NamedTuple):
    """From this number on a value has this colour. None: from the lowest on."""

    value: float | None
    color: str


def above(**colors: str) -> list[Step]:
    """Colours from alerts' numbers on, by the names of these limits in the catalogue."""
    limits = ((LIMITS[name], color) for name, color in colors.items())
    # Alerts on what is counted fire above their number: at the next one.
    steps = [Step(one.value + (one.unit in COUNTED), color) for one, color in limits]
    return [Step(None, style.OK), *steps]


def below(**colors: str) -> list[Step]:
    """Colours below alerts' numbers, the lowest number first."""
    numbers = [LIMITS[name].value for name in colors]
    starts: list[float | None] = [None, *numbers]
    return [Step(*it) for it in zip(starts, [*colors.values(), style.OK], strict=True)]


class Panel(NamedTuple):
    title: str
    size: Size
    builder: Any
    """A builder of the SDK. They share their methods and no type."""

    @property
    def id(self) -> int:
        """The same as long as the title is: links lead to it."""
        return zlib.crc32(self.title.encode()) % 100_000 + 1


class Text(NamedTuple):
    """What a person reads above a panel, and in its help."""

    title: str
    help: str


def number(
    text: Text,
    unit: str,
    queries: Sequence[Query],
    *,
    size: Size = STRIP,
    steps: Sequence[Step] = (),
    own_steps: Mapping[int, Sequence[Step]] | None = None,
    words: Mapping[int, Word] | None = None,
    none: str = style.NO_DATA,
) -> Panel:
    """Numbers as of now. `own_steps` are those of single queries, by their places."""
    builder = stat.Panel()
    builder.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
    several = len(queries) > 1
    builder.text_mode(BigValueTextMode.VALUE_AND_NAME if several else BigValueTextMode.VALUE)
    colored = bool(steps or own_steps)
    builder.color_mode(BigValueColorMode.BACKGROUND_SOLID if colored else BigValueColorMode.NONE)
    builder.graph_mode(BigValueGraphMode.NONE)
    builder.no_value(none)
    _common(builder, text, unit, queries, instant=True)
    _colored(builder, steps, words)
    for i, own in (own_steps or {}).items():
        value = _thresholds(own).build()
        builder.override_by_query(_ref(i), [DynamicConfigValue(id_val="thresholds", value=value)])
    return Panel(text.title, size, builder)


def bars(
    text: Text,
    unit: str,
    queries: Sequence[Query],
    *,
    size: Size = HALF,
    steps: Sequence[Step] = (),
) -> Panel:
    """Numbers as of now, one below the other: the first few of many."""
    builder = bargauge.Panel()
    builder.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
    builder.orientation(VizOrientation.HORIZONTAL)
    builder.display_mode(BarGaugeDisplayMode.BASIC)
    builder.show_unfilled(True)
    builder.min(0)
    builder.no_value(style.NO_DATA)
    _common(builder, text, unit, queries, instant=True)
    _colored(builder, steps, None)
    return Panel(text.title, size, builder)


def lines(
    text: Text,
    unit: str,
    queries: Sequence[Query],
    *,
    size: Size = HALF,
    steps: Sequence[Step] = (),
    most: float | None = None,
) -> Panel:
    """Numbers over time. Where there are none the line ends: a gap stays a gap."""
    builder = _over_time(text, unit, queries, most)
    builder.fill_opacity(0).line_width(2)
    builder.show_points(VisibilityMode.AUTO)
    if steps:
        builder.thresholds_style(
            common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED)
        )
        # A line at each number, and none of its colour below the first.
        builder.thresholds(_thresholds([Step(None, style.NOTHING), *steps[1:]]))
    return Panel(text.title, size, builder)


def events(text: Text, unit: str, queries: Sequence[Query], *, size: Size = HALF) -> Panel:
    """Counts of what happens now and then: a column for each step of time in which it did."""
    builder = _over_time(text, unit, queries, None)
    builder.draw_style(GraphDrawStyle.BARS).fill_opacity(70).line_width(1)
    return Panel(text.title, size, builder)


def states(
    text: Text, queries: Sequence[Query], words: Mapping[int, Word], *, size: Size = HALF
) -> Panel:
    """Which state each thing was in over time, as a word."""
    builder = statetimeline.Panel()
    builder.merge_values(True).show_value(VisibilityMode.AUTO).row_height(0.85)
    builder.fill_opacity(80).line_width(0)
    builder.legend(_legend([]))
    builder.tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.SINGLE))
    builder.no_value(style.NO_DATA)
    _common(builder, text, "state", queries, instant=False)
    _colored(builder, (), words)
    return Panel(text.title, size, builder)


def rows(
    text: Text, unit: str, queries: Sequence[Query], hidden: Sequence[str], *, size: Size = HALF
) -> Panel:
    """A table as of now: a row for each set of labels, a column for each query."""
    builder = table.Panel()
    renamed = {f"Value #{_ref(i)}": query.legend for i, query in enumerate(queries)}
    if len(queries) == 1:
        renamed = {"Value": queries[0].legend}
    builder.with_transformation(DataTransformerConfig(id_val="merge", options={}))
    builder.with_transformation(
        DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": dict.fromkeys(["Time", *hidden], True),
                "indexByName": {},
                "renameByName": renamed,
            },
        )
    )
    builder.no_value(style.NO_DATA)
    builder.show_header(True)
    _common(builder, text, unit, queries, instant=True, as_table=True)
    return Panel(text.title, size, builder)


def wide(panel: Panel) -> Panel:
    return panel._replace(size=WIDE)


def _over_time(
    text: Text, unit: str, queries: Sequence[Query], most: float | None
) -> timeseries.Panel:
    builder = timeseries.Panel()
    builder.span_nulls(False)
    builder.axis_soft_min(0)
    if most is not None:
        builder.max(most)
    builder.legend(_legend(["lastNotNull", "max"]))
    builder.tooltip(
        common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING)
    )
    builder.no_value(style.NO_DATA)
    _common(builder, text, unit, queries, instant=False)
    for i in range(len(queries)):
        color = {"mode": FieldColorModeId.SHADES, "fixedColor": style.LINES[i % len(style.LINES)]}
        properties = [DynamicConfigValue(id_val="color", value=color)]
        pattern = style.PATTERNS[i % len(style.PATTERNS)]
        if pattern:
            dashes = {"fill": "dash", "dash": list(pattern)}
            properties.append(DynamicConfigValue(id_val="custom.lineStyle", value=dashes))
        builder.override_by_query(_ref(i), properties)
    return builder


def _common(
    builder: Any,
    text: Text,
    unit: str,
    queries: Sequence[Query],
    *,
    instant: bool,
    as_table: bool = False,
) -> None:
    builder.title(text.title).description(text.help).unit(style.UNITS[unit])
    builder.datasource(SOURCE).interval(STEP)
    for i, query in enumerate(queries):
        target = prometheus.Dataquery().expr(query.expr).ref_id(_ref(i)).datasource(SOURCE)
        if instant:
            target.instant()
        else:
            target.range()
        if as_table:
            target.format(PromQueryFormat.TABLE)
        else:
            target.format(PromQueryFormat.TIME_SERIES).legend_format(query.legend)
        builder.with_target(target)


def _colored(builder: Any, steps: Sequence[Step], words: Mapping[int, Word] | None) -> None:
    builder.color_scheme(dashboard.FieldColor().mode(FieldColorModeId.THRESHOLDS))
    builder.thresholds(_thresholds(steps))
    if words:
        builder.mappings([_mapping(words)])


def _thresholds(steps: Sequence[Step]) -> dashboard.ThresholdsConfig:
    told = steps or [Step(None, style.OK)]
    return (
        dashboard.ThresholdsConfig()
        .mode(ThresholdsMode.ABSOLUTE)
        .steps([Threshold(value=step.value, color=step.color) for step in told])
    )


def _mapping(words: Mapping[int, Word]) -> ValueMapping:
    return ValueMap(
        options={
            str(value): ValueMappingResult(text=word.text, color=word.color, index=i)
            for i, (value, word) in enumerate(words.items())
        }
    )


def _legend(calculations: list[str]) -> common.VizLegendOptions:
    legend = common.VizLegendOptions().placement(LegendPlacement.BOTTOM).show_legend(True)
    mode = LegendDisplayMode.TABLE if calculations else LegendDisplayMode.LIST
    return legend.display_mode(mode).calcs(calculations)


def _ref(index: int) -> str:
    return "ABCDEFGHIJ"[index]

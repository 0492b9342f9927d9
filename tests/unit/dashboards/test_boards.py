"""The boards: as the code says, of metrics that exist, and with nothing that lint finds."""

from __future__ import annotations

import copy
import json
import re

import promql_parser
import pytest
from click.testing import CliRunner

from collector.catalog import LIMITS, METRICS
from collector.cli.program import edgevitals
from collector.sources import host_families
from collector.sources.kafka import names as kafka_names
from dashboards import names
from dashboards.__main__ import OUT, boards, written
from dashboards.board import LINKS
from dashboards.grid import Size, places
from dashboards.lint import problems
from dashboards.panels import COUNTED, above, below
from dashboards.selectors import KNOWN, UnknownNameError, coded, grown, of, shared
from dashboards.style import OK
from tests.unit.names.inventory import Given, kafka

BOARDS = boards()
EACH = pytest.mark.parametrize("name", sorted(BOARDS))


def expressions(board):
    for panel in board["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    yield from (one["expr"] for one in board["annotations"]["list"])


def test_the_files_are_what_the_code_says():
    assert {path.name for path in OUT.iterdir()} == BOARDS.keys()
    for name, board in BOARDS.items():
        assert (OUT / name).read_text("utf-8") == written(board), "type: make dashboards"


@EACH
def test_a_board_is_as_it_must_be(name):
    assert list(problems(BOARDS[name], LINKS)) == []
    assert name == f"{BOARDS[name]['uid']}.json"


@EACH
def test_each_query_can_be_parsed(name):
    for expression in expressions(BOARDS[name]):
        promql_parser.parse(re.sub(r"\$__\w+", "5m", expression))


@EACH
def test_each_query_reads_metrics_that_exist(name):
    for expression in expressions(BOARDS[name]):
        found = set(re.findall(r"([A-Za-z_:][\w:]*)\{", expression))
        assert found
        assert found <= KNOWN.keys()


@EACH
def test_a_colour_changes_where_an_alert_does(name):
    limits = {it.value + (it.unit in COUNTED) for it in LIMITS.values()}
    asking = [panel for panel in BOARDS[name]["panels"] if panel["type"] != "row"]
    told = {panel["title"]: set(_numbers(panel["fieldConfig"])) - {None} for panel in asking}
    assert sum(map(len, told.values())) >= 3
    for title, numbers in told.items():
        assert numbers <= limits, title


def _numbers(value):
    """All numbers of thresholds in a panel's configuration, those of single queries too."""
    if isinstance(value, dict):
        for step in value.get("steps", ()):
            yield step["value"]
        for one in value.values():
            yield from _numbers(one)
    elif isinstance(value, list):
        for one in value:
            yield from _numbers(one)


def test_the_names_of_kafka_are_those_that_a_real_broker_gives():
    given: dict[str, set[str]] = {}
    for name, pairs in Given("default", kafka()).values:
        given.setdefault(name, set()).update(label for label, _ in pairs)
    for name, labels in names.KAFKA.items():
        assert name in given, name
        assert set(labels) <= given[name], name


def test_the_names_of_groups_and_of_the_host_are_those_that_our_sources_give():
    ours = {one.name for one in vars(kafka_names).values() if hasattr(one, "kind")}
    assert names.EXPORTER.keys() <= ours
    for name, labels in names.HOST.items():
        assert host_families.family(name)[1] == labels, name
    known = {name for name in names.HOST if not name.startswith("node_memory_")}
    assert known <= host_families.KNOWN.keys()


@pytest.mark.parametrize(
    "ask",
    [
        lambda: of("edgevitals_no_such_thing"),
        lambda: of("edgevitals_link_state", partition="1"),
        lambda: coded("edgevitals_pulse_targets", ("up",), "site") and of("up", colour="x"),
    ],
)
def test_what_nobody_gives_breaks_the_build(ask):
    with pytest.raises(UnknownNameError):
        ask()


def test_selectors():
    here = 'site="$site",node=~"$node"'
    assert of("up", job="kafka") == f'up{{{here},job="kafka"}}'
    assert of("up", job="~a|b") == f'up{{{here},job=~"a|b"}}'
    assert shared("x") == "max without (node, instance) (x)"
    assert "$__interval" in grown(of("edgevitals_gap_rounds_total"))


def test_colours_begin_at_the_numbers_of_alerts():
    day = 86_400.0
    assert above(site_silent="w") == [(None, OK), (1500.0, "w")]
    assert above(data_gap="w") == [(None, OK), (1.0, "w")]
    wanted = [(None, "c"), (day / 4, "w"), (day, OK)]
    assert below(data_loss_critical="c", data_loss_warning="w") == wanted
    with pytest.raises(KeyError):
        above(no_such_limit="w")


def test_a_name_has_one_place_and_is_asked_for():
    listed = {**names.KAFKA, **names.EXPORTER, **names.HOST}.keys()
    assert not METRICS.keys() & listed
    asked = "".join(one for board in BOARDS.values() for one in expressions(board))
    assert {name for name in listed if f"{name}{{" not in asked} == set()


def test_panels_stand_in_rows_and_begin_a_new_one_below_the_tallest():
    found, bottom = places([Size(12, 4), Size(12, 7), Size(8, 3)], 5)
    assert [(it.x, it.y, it.w, it.h) for it in found] == [
        (0, 5, 12, 4),
        (12, 5, 12, 7),
        (0, 12, 8, 3),
    ]
    assert bottom == 15


def _first(board, kind):
    return next(panel for panel in board["panels"] if panel["type"] == kind)


def _link_nowhere(board):
    board["links"][0]["url"] = "/d/ev-nowhere"


def _forget_the_site(board):
    board["links"][0]["includeVars"] = False


def _stand_on_another(board):
    board["panels"][1]["gridPos"]["x"] = 5


def _take_anothers_id(board):
    board["panels"][1]["id"] = board["panels"][0]["id"]


def _take_anothers_ref(board):
    panel = next(p for p in board["panels"] if len(p.get("targets", ())) > 1)
    panel["targets"][1]["refId"] = panel["targets"][0]["refId"]


def _bridge(board):
    _first(board, "timeseries")["fieldConfig"]["defaults"]["custom"]["spanNulls"] = True


def _banana(board):
    _first(board, "timeseries")["fieldConfig"]["defaults"]["unit"] = "banana"


def _say_nothing(board):
    _first(board, "stat")["description"] = ""


def _null(board):
    _first(board, "stat")["options"] = None


def _green(board):
    _first(board, "stat")["fieldConfig"]["defaults"]["thresholds"]["steps"][0]["color"] = "#00FF00"


def _crowd(board):
    for panel in board["panels"]:
        panel["gridPos"]["y"] %= 20


def _hide_the_age(board):
    board["panels"].pop(1)


def _all_sites(board):
    board["panels"][0]["targets"][0]["expr"] = "max(up)"


def _irate(board):
    target = _first(board, "timeseries")["targets"][0]
    target["expr"] = f"irate({of('up')}[1m])"


def _fixed_rate(board):
    target = _first(board, "timeseries")["targets"][0]
    target["expr"] = f"rate({of('up')}[1m])"


def _every_topic(board):
    target = _first(board, "timeseries")["targets"][0]
    target["expr"] = f"max by (topic) ({of('edgevitals_link_lag_records')})"


def _another_order(board):
    board["templating"]["list"].reverse()


@pytest.mark.parametrize(
    "spoil, said",
    [
        (_link_nowhere, "leads nowhere"),
        (_forget_the_site, "forgets site or time"),
        (_stand_on_another, "overlap"),
        (_take_anothers_id, "is not one panel's alone"),
        (_take_anothers_ref, "are not each its own"),
        (_bridge, "draws a line over a gap"),
        (_banana, "the unit banana is none of the house"),
        (_say_nothing, "no sentence that says what is good"),
        (_null, "options are null"),
        (_green, "#00FF00 is not one of the house"),
        (_crowd, "above the fold"),
        (_hide_the_age, "does not begin with how old its data is"),
        (_all_sites, "more than the site that is looked at"),
        (_irate, "an accident of the step"),
        (_fixed_rate, "a rate over a fixed time"),
        (_every_topic, "any number of series"),
        (_another_order, "in this order"),
    ],
)
def test_lint_finds(spoil, said):
    board = copy.deepcopy(BOARDS["ev-site.json"])
    spoil(board)
    assert any(said in problem for problem in problems(board, LINKS))


@EACH
def test_what_is_written_is_what_was_built(name):
    assert json.loads(written(BOARDS[name])) == BOARDS[name]


CONFIG = """
site: a
kafka: {bootstrap.servers: "127.0.0.1:9092"}
sources: {jmx: [{address: "127.0.0.1:9999"}], host: true, kafka: true}
"""


def test_our_own_check_says_that_each_panel_can_have_data(tmp_path):
    (tmp_path / "c.yaml").write_text(CONFIG)
    command = ["check", "--offline", "-o", "json", "--uses", *map(str, sorted(OUT.iterdir()))]
    result = CliRunner().invoke(edgevitals, [*command, str(tmp_path / "c.yaml")])
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert {one["can_have_data"] for one in said["parts"]} <= {"yes", "perhaps"}
    assert {one["given"] for one in said["metrics"]} <= {"yes", "perhaps"}

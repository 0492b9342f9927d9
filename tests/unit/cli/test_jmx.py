"""`edgevitals jmx`: wrong usage, and what is told of changes. Real JVMs are in tests/real."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from collector.cli import jmx_values, jmx_watch
from collector.cli.jmx_values import Key
from collector.cli.jmx_watch import Watch
from collector.cli.program import edgevitals
from collector.errors import SourceError
from collector.jmx import Row, Slot


def jmx(*args):
    return CliRunner().invoke(edgevitals, ["jmx", *args], prog_name="edgevitals")


@pytest.mark.parametrize(
    "args,says",
    [
        (("get",), "Missing argument 'HOST:PORT'"),
        (("ls", "localhost"), '"localhost" is not host:port: write it like 127.0.0.1:9999'),
        (("get", "a:1", "b:c"), "not an object name: 'b:c'"),
        (("get", "a:1", "b:c"), "write it like 'kafka.server:type=ReplicaManager,*'"),
        (("get", "a:1", "--username", "u"), "--username needs a --password-file beside it"),
        (("get", "a:1", "--password-file", "p"), "--password-file needs a --username beside it"),
        (("ls", "a:1", "--registry-tls"), "Error: --registry-tls needs --tls beside it\n"),
        (("ls", "a:1", "--key-file", "k"), "--key-file needs the --cert-file that it is the key"),
        (
            ("ls", "a:1", "--tls", "--no-verify-hostname"),
            "--no-verify-hostname false needs a --ca-file beside it",
        ),
        (("watch", "a:1", "-n", "0"), "0.0 is not in the range 0.1<=x<=3600"),
        (("watch", "a:1", "--count", "0"), "0 is not in the range x>=1"),
        (("set", "a:1"), "No such command 'set'"),
    ],
)
def test_wrong_usage_is_2(args, says):
    result = jmx(*args)
    assert result.exit_code == 2
    assert says in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("verb", ["ls", "get", "watch"])
def test_the_help_of_each_ends_with_examples(verb):
    result = jmx(verb, "--help")
    assert result.exit_code == 0
    lines = result.output.split("\nExamples:\n")[1].splitlines()
    assert len(lines) >= 3
    assert all(f"edgevitals jmx {verb}" in line for line in lines)
    assert "..." not in jmx("--help").output.split("Commands:")[1]


def key(attribute, *path, bean="a:b=c", java_type="long"):
    return Key(bean, Slot(attribute, path, java_type))


def test_a_value_is_shown_where_it_stands():
    table = key("Last", Row((("key", "Eden"), ("n", "2"))), "value", "used")
    assert table.shown == "Last[key=Eden, n=2].value.used"
    assert jmx_values.entry(table, math.nan) == {
        "bean": "a:b=c",
        "attribute": "Last",
        "path": [{"key": "Eden", "n": "2"}, "value", "used"],
        "type": "long",
        "value": "NaN",
    }


@pytest.mark.parametrize(
    "old,new,change,rate",
    [
        (5, 5, None, None),
        (math.nan, math.nan, None, None),
        (5, 9, "+4", "2"),
        (5.5, 5.25, "-0.25", "-0.125"),
        (10**18, 10**18 + 4, "+4", "2"),
        (True, False, "was true", ""),
        ("up", "down", "was up", ""),
        (1.0, math.nan, "was 1.0", ""),
        (math.inf, 1.0, "was inf", ""),
        (None, 3, "new", ""),
    ],
)
def test_changes_have_an_amount_and_a_rate(old, new, change, rate):
    before = {} if old is None else {key("X"): old}
    found = jmx_values.changes(before, {key("X"): new}, 2.0)
    if change is None:
        assert found == {}
    else:
        assert found[key("X")].shown == (change, rate)


class Looks:
    """A JVM that answers as written, look by look; time passes as fast as it is waited for."""

    def __init__(self, monkeypatch, *looks):
        self._looks = list(looks)
        self.clock = 100.0
        time = SimpleNamespace(monotonic=lambda: self.clock, sleep=self.sleep)
        monkeypatch.setattr(jmx_watch, "time", time)
        monkeypatch.setattr(jmx_values, "values_of", lambda scrape: scrape)
        monkeypatch.setattr(jmx_watch, "_now", lambda: "12:00:00")

    def sleep(self, seconds):
        self.clock += seconds

    def __call__(self):
        look = self._looks.pop(0)
        if isinstance(look, Exception):
            raise look
        return look


def watch(looks, capsys, *, as_json=False, is_screen=False, everything=False, count=None):
    watched = Watch("a:1", as_json=as_json, is_screen=is_screen)
    code = watched.run(looks, 2.0, count, everything=everything)
    return code, capsys.readouterr()


FIRST = {key("X"): 1, key("Y"): 5, key("Z"): 0}
SECOND = {key("X"): 7, key("Y"): 5}


def test_watch_prints_all_then_what_changed(monkeypatch, capsys):
    code, said = watch(Looks(monkeypatch, FIRST, SECOND), capsys, count=2)
    assert code == 0
    assert said.out.splitlines() == [
        "12:00:00  a:1  3 values, 0 changed",
        "MBEAN  ATTRIBUTE  VALUE  CHANGE  PER SECOND",
        "a:b=c  X          1",
        "a:b=c  Y          5",
        "a:b=c  Z          0",
        "",
        "12:00:00  a:1  2 values, 1 changed",
        "MBEAN  ATTRIBUTE  VALUE  CHANGE  PER SECOND",
        "a:b=c  X          7      +6      3",
        "a:b=c  Z                 gone",
        "",
    ]


def test_watch_prints_everything_when_told(monkeypatch, capsys):
    _, said = watch(Looks(monkeypatch, SECOND, SECOND), capsys, count=2, everything=True)
    assert said.out.count("a:b=c  Y          5\n") == 2


def test_watch_goes_on_when_the_jvm_was_away(monkeypatch, capsys):
    looks = Looks(monkeypatch, FIRST, SourceError("cut", "wait"), FIRST | SECOND)
    code, said = watch(looks, capsys, count=3)
    assert code == 0
    assert said.err == "12:00:00  a:1: cut. wait\n"
    assert "X          7      +6      1.5\n" in said.out


def test_watch_says_when_the_last_look_failed_and_when_the_first_one_did(monkeypatch, capsys):
    code, _ = watch(Looks(monkeypatch, FIRST, SourceError("cut")), capsys, count=2)
    assert code == 1
    with pytest.raises(SourceError):
        watch(Looks(monkeypatch, SourceError("cut")), capsys)


def test_watch_as_json_is_a_line_a_look(monkeypatch, capsys):
    _, said = watch(Looks(monkeypatch, FIRST, SECOND), capsys, count=2, as_json=True)
    first, second = map(json.loads, said.out.splitlines())
    assert [one["value"] for one in first["values"]] == [1, 5, 0]
    assert second["values"] == [
        {
            "bean": "a:b=c",
            "attribute": "X",
            "path": [],
            "type": "long",
            "value": 7,
            "change": 6,
            "per_second": 3.0,
        }
    ]
    assert second["gone"] == [{"bean": "a:b=c", "attribute": "Z"}]


def test_watch_on_a_screen_redraws_and_fits(monkeypatch, capsys):
    monkeypatch.setenv("LINES", "12")
    monkeypatch.setenv("COLUMNS", "80")
    many = {key(f"A{number:03}"): number for number in range(50)}
    _, said = watch(Looks(monkeypatch, many), capsys, count=1, is_screen=True)
    assert said.out.startswith("\x1b[H\x1b[2J")
    lines = said.out.splitlines()
    assert len(lines) == 11
    assert lines[-1] == "... and 42 more"

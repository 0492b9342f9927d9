"""`edgevitals export`: the file that is carried, from real spools."""

from __future__ import annotations

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from collector.cli.times import when
from collector.cli.words import utc
from collector.spool.reading import pieces
from collector.spool.segment import path_of
from tests.unit.cli.carrying import (
    SEQ,
    at_ms,
    invoke,
    lacking,
    rounds_in,
    seqs_in,
    spool_of,
    take,
    told,
)
from tests.unit.site import Site
from tests.unit.spool.site import flip


def export(spool, into, *args):
    return invoke("export", "--spool", spool, into, *args)


def test_an_export_holds_every_round_as_it_is_and_can_be_read_alone(tmp_path):
    spool = spool_of(tmp_path / "spool", *range(1, 8))
    into = tmp_path / "out.evs"
    result = export(spool, into)
    assert result.exit_code == 0
    assert rounds_in(into) == rounds_in(path_of(spool / "standard", 1))
    assert [type(piece.body).__name__ for piece in pieces(into)][:3] == [
        "SegmentHeader",
        "Dictionary",
        "Frame",
    ]
    first, second = result.stdout.splitlines()
    assert first.startswith(f"{into}: 7 rounds, ")
    assert second == f"  store-1/node-a/standard 1..7, {utc(at_ms(1))} to {utc(at_ms(7))}"
    assert {file.name for file in tmp_path.iterdir()} == {"spool", "out.evs"}


def test_the_same_rounds_are_the_same_file_also_over_an_older_one(tmp_path):
    spool = spool_of(tmp_path / "spool", 1, 2, 3)
    for name in ("a", "b", "b"):
        assert export(spool, tmp_path / name).exit_code == 0
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_from_and_to_cut_at_the_round(tmp_path):
    spool = spool_of(tmp_path / "spool", *range(1, 11))
    into = tmp_path / "out.evs"
    assert export(spool, into, "--from", utc(at_ms(3)), "--to", utc(at_ms(6))).exit_code == 0
    assert seqs_in(into) == [3, 4, 5]


def test_a_spool_in_use_is_read_all_the_same(tmp_path):
    with Site(tmp_path / "spool") as site:
        take(site, 1, 2)
        assert export(site.spool.path, tmp_path / "out.evs").exit_code == 0
        take(site, 3)
    assert seqs_in(tmp_path / "out.evs") == [1, 2]


def test_what_is_missing_between_is_said_and_is_1(tmp_path):
    spool = spool_of(tmp_path / "spool", 1, 2, 5, 6)
    result = export(spool, tmp_path / "out.evs")
    assert result.exit_code == 1
    between = f"between {utc(at_ms(2))} and {utc(at_ms(5))}"
    assert f"missing: store-1/node-a/standard 3..4, {between}\n" in result.stdout
    assert seqs_in(tmp_path / "out.evs") == [1, 2, 5, 6]


def test_a_damaged_round_is_left_out_and_said(tmp_path):
    spool = spool_of(tmp_path / "spool", 1, 2, 3)
    segment = path_of(spool / "standard", 1)
    frames = [piece for piece in pieces(segment) if type(piece.body).__name__ == "Frame"]
    flip(segment, frames[1].at + 20)
    result = export(spool, tmp_path / "out.evs", "-o", "json")
    assert result.exit_code == 1
    assert len(told(result)["missing"]) == 1
    assert seqs_in(tmp_path / "out.evs") == [1, 3]


@pytest.mark.parametrize("args", [("--from", "2030-01-01"), ("--tier", "vital")])
def test_nothing_to_export_is_1_and_leaves_an_older_file_alone(tmp_path, args):
    spool = spool_of(tmp_path / "spool", 1)
    (tmp_path / "out.evs").write_text("mine")
    result = export(spool, tmp_path / "out.evs", *args)
    assert result.exit_code == 1
    assert result.stdout == "no such round is kept here: no file was written\n"
    assert (tmp_path / "out.evs").read_text() == "mine"


def test_missing_exports_the_open_gaps_of_a_sink_and_nothing_else(tmp_path):
    spool = lacking(spool_of(tmp_path / "spool", 1, 2, 3, 4, 5, 6, 8, 9), (3, 4), (7, 8))
    result = export(spool, tmp_path / "out.evs", "--missing", "centre")
    assert seqs_in(tmp_path / "out.evs") == [3, 4, 8]
    assert result.exit_code == 1
    assert (
        result.stdout.splitlines()[-1] == "missing: store-1/node-a/standard 7: no longer kept here"
    )


def test_a_sink_that_was_never_there_is_3(tmp_path):
    spool = spool_of(tmp_path / "spool", 1)
    result = export(spool, tmp_path / "out.evs", "--missing", "nobody")
    assert result.exit_code == 3
    assert "nothing is known of a sink nobody" in result.stderr


def test_a_place_that_can_not_be_written_is_1(tmp_path):
    spool = spool_of(tmp_path / "spool", 1)
    result = export(spool, tmp_path / "no" / "out.evs")
    assert result.exit_code == 1
    assert "No such file or directory\n  name a file on a disk" in result.stderr


def test_wrong_usage_is_2(tmp_path):
    spool = spool_of(tmp_path / "spool", 1)
    for args in (("--from", "yesterday"), ("--from-topic",), ("--file", "x")):
        assert export(spool, tmp_path / "out.evs", *args).exit_code == 2


def test_openmetrics_has_each_sample_once_with_its_time_and_each_family_once(tmp_path):
    spool = spool_of(tmp_path / "spool", 1, 2, 3)
    into = tmp_path / "out.txt"
    result = export(spool, into, "--format", "openmetrics", "-o", "json")
    assert result.exit_code == 0
    text = into.read_text()
    assert text.endswith("\n# EOF\n")
    types = [line for line in text.splitlines() if line.startswith("# TYPE ")]
    assert len(types) == len(set(types))
    families = list(text_string_to_metric_families(text))
    samples = [sample for family in families for sample in family.samples]
    assert len(samples) == told(result)["samples"]
    seqs = [(s.value, s.timestamp) for s in samples if s.name == SEQ]
    assert [(value, float(at)) for value, at in seqs] == [
        (seq, at_ms(seq) / 1000) for seq in (1, 2, 3)
    ]
    temperatures = [s for s in samples if s.name == "temperature"]
    assert [s.value for s in temperatures] == [1.0, 1.0, 1.0]
    assert temperatures[0].labels["site"] == "store-1"


def test_openmetrics_knows_no_stale_markers(tmp_path):
    with Site(tmp_path / "spool") as site:
        take(site, 1)
        site.source.value = None
        take(site, 2, 3)
    into = tmp_path / "out.txt"
    assert export(tmp_path / "spool", into, "--format", "openmetrics").exit_code == 0
    lines = [line for line in into.read_text().splitlines() if line.startswith("temperature{")]
    assert len(lines) == 1
    assert "nan" not in into.read_text().lower()


def test_openmetrics_of_a_carried_file(tmp_path):
    spool = spool_of(tmp_path / "spool", 1, 2)
    assert export(spool, tmp_path / "a.evs").exit_code == 0
    texts = []
    for source in (("--spool", spool), ("--file", tmp_path / "a.evs")):
        into = tmp_path / "out.txt"
        assert invoke("export", *source, into, "--format", "openmetrics").exit_code == 0
        texts.append(into.read_text())
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    "text,ms",
    [
        ("2026-11-22T12:46:10Z", 1_795_351_570_000),
        ("2026-11-22T13:46:10.5+01:00", 1_795_351_570_500),
        ("2026-11-22 12:46:10", 1_795_351_570_000),
        ("2026-11-22", 1_795_305_600_000),
        ("now", 1_000_000),
        ("-2h", -6_200_000),
        ("-1h30m", -4_400_000),
    ],
)
def test_times_as_people_type_them(text, ms):
    assert when(text, 1000.0) == ms


@pytest.mark.parametrize("text", ["", "yesterday", "-2", "2026-13-01", "12:00"])
def test_what_is_no_time_is_told_how_to_write_one(text):
    with pytest.raises(ValueError, match="write"):
        when(text, 1000.0)

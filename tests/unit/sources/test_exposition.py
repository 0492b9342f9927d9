"""The text formats: beside prometheus_client's parsers, at their limits, and met a second time."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bench.recording import pages
from collector.series import Family, Kind
from collector.sources.exposition import HELP_CHARACTERS, LINE_BYTES, TEXT_BYTES, Refused
from tests.unit.sources.pages import LIMITS, Ours, bits, theirs

names = st.from_regex(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,6}", fullmatch=True)
label_names = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,4}", fullmatch=True).filter(
    lambda name: not name.startswith("__")  # which prometheus_client refuses
)
label_values = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8) | st.text(
    ' #{}=,"\\\n', max_size=8
)
numbers = st.floats() | st.integers(-(2**60), 2**60)


def written(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def head(name: str, labels: dict[str, str]) -> str:
    inside = ",".join(f'{label}="{written(value)}"' for label, value in labels.items())
    return f"{name}{{{inside}}}" if labels else name


def number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return "NaN" if math.isnan(value) else repr(value)


heads = st.builds(head, names, st.dictionaries(label_names, label_values, max_size=3))
tables = st.dictionaries(heads, numbers, min_size=1, max_size=8)


def page_of(table: dict[str, float]) -> str:
    return "".join(f"{text} {number(value)}\n" for text, value in table.items())


@pytest.fixture(scope="module")
def recorded() -> dict[str, list[str]]:
    """Two pages of each kind: a broker's MBeans, a machine, the lag of groups."""
    found: dict[str, list[str]] = {}
    for _, target, text in itertools.islice(pages(), 6):
        found.setdefault(target, []).append(text)
    return found


@pytest.mark.parametrize("target", ["jmx", "node", "lag"])
def test_real_pages_read_as_prometheus_client_reads_them(recorded, target):
    ours = Ours()
    for text in recorded[target]:
        assert ours.samples(text) == theirs(text)


def test_a_page_with_other_values_is_not_parsed_again(recorded):
    ours = Ours()
    first, second = (ours.take(text) for text in recorded["lag"])
    assert second.series is first.series
    assert second.values != first.values


@settings(max_examples=40)
@given(st.lists(tables, min_size=1, max_size=4))
def test_any_pages_one_after_the_other_read_as_prometheus_client_reads_them(several):
    ours = Ours()
    for table in several:
        page = page_of(table)
        assert ours.samples(page) == theirs(page)
        assert ours.samples(page) == theirs(page)


@given(tables, st.randoms(use_true_random=False))
def test_series_that_come_and_go_and_change_places_keep_their_values(table, random):
    ours = Ours()
    items = list(table.items())
    for _ in range(4):
        random.shuffle(items)
        page = page_of(dict(items[: random.randint(1, len(items))]))
        assert ours.samples(page) == theirs(page)


@settings(max_examples=40)
@given(st.lists(tables, min_size=1, max_size=3), st.integers(-(2**40), 2**40))
def test_timestamps_are_counted_and_not_taken(several, at):
    ours = Ours()
    for table in several:
        page = page_of(table)
        stamped = page.replace("\n", f" {at}\n")
        for _ in range(2):
            taken = ours.take(stamped)
            assert taken.timestamps == len(table)
        assert ours.samples(stamped) == theirs(page)


@given(st.binary(max_size=200))
def test_any_bytes_are_taken_or_refused_with_a_line(body):
    ours = Ours()
    try:
        ours.take(body)
    except Refused as error:
        assert error.message.startswith("line ")  # noqa: PT017
        assert error.hint  # noqa: PT017


@given(st.text('ab{}=",\\ #\n\t1.5eNa_:TYPE+', max_size=60))
@example(": \t:")
@example(": \t1")
def test_what_looks_like_a_page_is_read_the_same_the_second_time(text):
    ours = Ours()
    first: object
    try:
        first = ours.samples(text)
    except Refused as error:
        first = error.message
    try:
        assert ours.samples(text) == first
    except Refused as error:
        assert error.message == first  # noqa: PT017


def test_blanks_around_a_value_mean_nothing_whatever_was_read_before():
    ours = Ours()
    for page in ("a 1\nb 2\n", "a \t1\nb 2\n", "a \t1\nb 2\t\nc 3\n", "b\t2\na \t 1\n"):
        found = ours.samples(page)
        assert (found["a", ()], found["b", ()]) == (bits(1), bits(2)), page


@pytest.mark.parametrize("value", ["1\r", "1\v", "\f1", "1_0"])
def test_a_value_that_python_alone_takes_is_refused_the_second_time_too(value):
    ours = Ours()
    ours.take("a 1\nb 2\n")
    for _ in range(2):
        with pytest.raises(Refused, match=r"line 1: .* is not a number"):
            ours.take(f"a {value}\nb 2\n")


def test_a_label_that_changes_is_another_series():
    ours = Ours()
    assert list(ours.samples('a{b="1"} 1\na{b="2"} 2\n')) == [
        ("a", (("b", "1"),)),
        ("a", (("b", "2"),)),
    ]
    assert ours.samples('a{b="1"} 1\na{b="3"} 2\n') == {
        ("a", (("b", "1"),)): bits(1),
        ("a", (("b", "3"),)): bits(2),
    }


def test_a_page_of_ever_new_series_leaves_no_more_than_two_pages_in_memory():
    ours = Ours()
    for turn in range(30):
        ours.take("".join(f'a{{b="{turn}-{i}"}} 1\n' for i in range(100)))
    assert len(ours.exposition._ids) <= 2 * 100 + 1000 + 100


def test_one_series_in_ever_new_ways_leaves_nothing():
    ours = Ours()
    for turn in range(3000):
        ours.take('a{b="1"' + " " * turn + "} 1\n")
    assert len(ours.exposition._ids) <= 1003
    assert len(ours.table) == 1


OPENMETRICS = """\
# TYPE request_seconds counter
# UNIT request_seconds seconds
# HELP request_seconds How \\"many\\"\\nin all.
request_seconds_total{code="200"} 17.0 1700000000.5 # {trace_id="a b # c"} 0.5 1700000000.1
request_seconds_created{code="200"} 1.6e9 1700000000.5
# TYPE size_bytes histogram
# UNIT size_bytes bytes
size_bytes_bucket{le="1.0"} 1 # {trace_id="x"} 0.9
size_bytes_bucket{le="+Inf"} 2
size_bytes_sum 3.5
size_bytes_count 2
# TYPE wait summary
wait{quantile="0.5"} 0.1
wait_sum 1
wait_count 4
# TYPE build info
build_info{version="1"} 1
# TYPE state stateset
state{state="on"} 1
state{state="off"} 0
# TYPE queue gaugehistogram
queue_bucket{le="+Inf"} 1
queue_gsum 2
queue_gcount 1
# TYPE odd unknown
odd NaN
# EOF
"""


def test_openmetrics_is_read_as_prometheus_client_reads_it():
    ours = Ours()
    for _ in range(2):
        taken = ours.take(OPENMETRICS, is_openmetrics=True)
        assert (taken.exemplars, taken.timestamps) == (2, 2)
        assert ours.samples(OPENMETRICS, is_openmetrics=True) == theirs(
            OPENMETRICS, is_openmetrics=True
        )


def test_types_units_and_helps_are_kept():
    ours = Ours()
    taken = ours.take(OPENMETRICS, is_openmetrics=True)
    found = {ours.table[one].name: ours.table[one].family for one in taken.series}
    assert found["request_seconds_total"] == Family(
        "request_seconds_total", Kind.COUNTER, "seconds", 'How "many"\nin all.'
    )
    assert found["request_seconds_created"].kind is Kind.GAUGE
    size = Family("size_bytes", Kind.HISTOGRAM, "bytes")
    assert {found[f"size_bytes_{end}"] for end in ("bucket", "sum", "count")} == {size}
    assert {found[name] for name in ("wait", "wait_sum", "wait_count")} == {
        Family("wait", Kind.SUMMARY)
    }
    assert found["build_info"] == Family("build_info", Kind.INFO)
    assert found["state"].kind is found["queue_bucket"].kind is Kind.GAUGE
    assert found["odd"].kind is Kind.UNKNOWN


def test_a_type_counts_wherever_it_stands():
    ours = Ours()
    (one,) = ours.take("a_total 1\n# TYPE a_total counter\n").series
    assert ours.table[one].family.kind is Kind.COUNTER


def test_a_long_help_is_cut_off():
    ours = Ours()
    (one,) = ours.take(f"# HELP a {'h' * 50_000}\na 1\n").series
    assert ours.table[one].family.help == "h" * HELP_CHARACTERS


@pytest.mark.parametrize("end", ["", "a 2\n", "# EOF\na 2\n", "# EO"])
def test_an_openmetrics_page_that_broke_off_is_refused(end):
    with pytest.raises(Refused, match="# EOF"):
        Ours().take(f"a 1\n{end}", is_openmetrics=True)


def test_of_the_same_series_the_first_is_kept():
    page = 'a{b="1",c="2"} 1\na{c="2",b="1"} 2\nd 3\nd 4\n'
    ours = Ours()
    for _ in range(2):
        taken = ours.take(page)
        assert taken.values == [1, 3]
        assert taken.duplicates == 2


@pytest.mark.parametrize(
    "text, value",
    [("+Inf", math.inf), ("-Inf", -math.inf), ("NaN", math.nan), ("-0", -0.0), (".5e-3", 0.0005)],
)
def test_odd_numbers_are_right(text, value):
    ours = Ours()
    for _ in range(2):
        assert ours.samples(f"a {text}\n") == {("a", ()): bits(value)}


@pytest.mark.parametrize(
    "line, says",
    [
        ('a{__name__="b"} 1', "a label may not be __name__"),
        ('{__name__="b"} 1', "is not a metric's name"),
        ('{"b"} 1', "is not a metric's name"),
        ('a{b="1",b="2"} 1', "label b comes twice"),
        ('a{b="1" c="2"} 1', "stands behind a label"),
        ('a{b="1} 1', 'is not label="value"'),
        ("a{b=1} 1", 'is not label="value"'),
        ("a", "no value"),
        ("a{} ", "no value"),
        ("a 1_000", "'1_000' is not a number"),
        ("a 0x10", "is not a number"),
        ("a 1 2 3", "stands behind the value"),
        ("a 1 now", "stands behind the value"),
        ("<html>", "is not a metric's name"),
        ("ä 1", "is not a metric's name"),
        (b"\x1f\x8b\x08\x00", "decode"),
    ],
)
def test_a_line_that_is_no_sample_refuses_the_page_and_is_named(line, says):
    text = line if isinstance(line, bytes) else line.encode()
    ours = Ours()
    for _ in range(2):
        with pytest.raises(Refused) as caught:
            ours.take(b"# HELP x y\nx 1\n" + text + b"\n")
        assert caught.value.message.startswith("line 3: ")
        assert says in caught.value.message
        assert caught.value.limit == "syntax"
        assert caught.value.hint


def test_a_number_that_stops_being_one_is_noticed_behind_known_labels():
    ours = Ours()
    ours.take("a 1\nb 2\n")
    for text in ("1_0", "x", "0x1"):
        with pytest.raises(Refused, match=r"line 2: .* is not a number"):
            ours.take(f"a 1\nb {text}\n")
    assert ours.take("a 1\nb 2\n").values == [1, 2]


@pytest.mark.parametrize(
    "limits, page, limit, line",
    [
        ({"samples": 2}, "# x\na 1\nb 1\n\n\nc 1\n", "sample", 6),
        ({"samples": 1}, "#\n" * 20_000, "lines", 10_005),
        ({"labels": 1}, 'z 1\na{b="1",c="2"} 1\n', "label", 2),
        ({"name_bytes": 2}, 'a{bcd="1"} 1\n', "label_name_length", 1),
        ({"value_bytes": 3}, 'a{b="äö"} 1\n', "label_value_length", 1),
        ({"value_bytes": 3}, "long 1\n", "label_value_length", 1),
        ({}, "a 1\n# HELP a " + "h" * LINE_BYTES + "\n", "line", 2),
    ],
)
def test_a_page_over_a_limit_is_refused_whole(limits, page, limit, line):
    ours = Ours(LIMITS._replace(**limits))
    with pytest.raises(Refused) as caught:
        ours.take(page)
    assert caught.value.limit == limit
    assert caught.value.message.startswith(f"line {line}")
    assert caught.value.hint


def test_a_page_at_its_limits_is_taken():
    ours = Ours(LIMITS._replace(samples=2, labels=1, name_bytes=1, value_bytes=3))
    assert ours.take('# TYPE a gauge\n\na{b="123"} 1\n# x\nabc 2\n').values == [1, 2]


def test_names_without_end_are_refused_by_their_size():
    ours = Ours()
    text = "x" * 3980
    pages_ = (
        "".join(f'a{{b="{turn}-{i}-{text}"}} 1\n' for i in range(1000))
        for turn in range(TEXT_BYTES // 3_980_000 + 1)
    )
    with pytest.raises(Refused, match="since the start"):
        list(map(ours.take, pages_))


def test_a_full_table_is_a_sentence():
    ours = Ours()
    ours.table._limit = 1
    with pytest.raises(Refused, match=r"line 2: .*different series") as caught:
        ours.take("a 1\nb 1\n")
    assert caught.value.limit == "series"


def test_a_reserved_series_is_not_taken_from_a_page():
    ours = Ours()
    up = ours.table.intern("up", (), Family("up"))
    ours.exposition._reserved = {up}
    for _ in range(2):
        taken = ours.take("up 7\na 1\n")
        assert (taken.values, taken.duplicates) == ([1], 1)
        assert up not in taken.series

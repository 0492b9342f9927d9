from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from collector.errors import SourceError
from collector.frames import dictionary
from collector.series import Family, Kind, Series, SeriesTable, TargetSeries
from tests.unit.examples import STREAM

UP = Family("up", Kind.GAUGE, "", "1 if the target could be read")


def test_a_series_has_one_id_for_ever():
    table = SeriesTable()
    one = table.intern("up", (("job", "kafka"),), UP)
    two = table.intern("up", (("job", "node"),), UP)
    assert one != two
    assert table.intern("up", (("job", "kafka"),), UP) == one
    assert table[one] == Series("up", (("job", "kafka"),), UP)
    assert len(table) == 2


def test_the_first_family_of_a_series_wins():
    table = SeriesTable()
    one = table.intern("up", (), UP)
    assert table.intern("up", (), UP._replace(kind=Kind.COUNTER)) == one
    assert table[one].family == UP


def test_a_table_that_is_full_refuses_new_series_and_keeps_the_old():
    table = SeriesTable(limit=2)
    ids = [table.intern("up", (("n", str(i)),), UP) for i in range(2)]
    with pytest.raises(SourceError, match="more than 2 different series") as caught:
        table.intern("up", (("n", "2"),), UP)
    assert "exclude" in caught.value.hint
    assert table.intern("up", (("n", "1"),), UP) == ids[1]


def test_threads_that_meet_the_same_series_get_the_same_id():
    table = SeriesTable()

    def read(_: int) -> list[int]:
        return [table.intern("up", (("n", str(i)),), UP) for i in range(300)]

    with ThreadPoolExecutor(8) as threads:
        first, *others = threads.map(read, range(8))
    assert all(other == first for other in others)
    assert sorted(first) == list(range(300))
    assert [table[i].labels for i in first] == [(("n", str(i)),) for i in range(300)]


def test_labels_of_the_target_are_on_everything_and_clashes_are_renamed():
    table = SeriesTable()
    target = TargetSeries(table, {"job": "kafka", "instance": "a:1", "region": ""})
    plain = target.intern(UP, {"topic": "orders", "empty": ""})
    assert table[plain].labels == (("instance", "a:1"), ("job", "kafka"), ("topic", "orders"))
    clash = target.intern(UP, {"job": "theirs"})
    assert table[clash].labels == (
        ("exported_job", "theirs"),
        ("instance", "a:1"),
        ("job", "kafka"),
    )


def test_a_clash_with_a_renamed_label_is_renamed_again():
    table = SeriesTable()
    target = TargetSeries(table, {"job": "kafka", "exported_job": "x"})
    labels = table[target.intern(UP, {"job": "theirs"})].labels
    assert labels == (("exported_exported_job", "theirs"), ("exported_job", "x"), ("job", "kafka"))


def test_what_is_said_of_another_node_has_its_site_and_node_and_says_by_whom():
    table = SeriesTable()
    ours = {"site": "hq", "node": "n", "region": "emea", "job": "edgevitals", "instance": "n"}
    target = TargetSeries(table, ours)
    assert target.under("hq", "n") is target
    other = target.under("store-1", "edge-1").intern(Family("gap"), {"reason": "ring"})
    assert dict(table[other].labels) == {
        "site": "store-1",
        "node": "edge-1",
        "job": "edgevitals",
        "instance": "n",
        "reason": "ring",
    }


def test_a_suffix_is_part_of_the_name_and_not_of_the_family():
    table = SeriesTable()
    sizes = Family("size_bytes", Kind.HISTOGRAM, "bytes")
    one = TargetSeries(table, {}).intern(sizes, {"le": "1"}, "_bucket")
    assert table[one] == Series("size_bytes_bucket", (("le", "1"),), sizes)


def test_series_share_what_they_have_in_common():
    """Label pairs, sets of labels and families are most of what a table takes."""
    table = SeriesTable()

    def of_topic(name: bytes, partition: str) -> Series:
        """As from a wire: every text is an object of its own."""
        labels = (("partition", partition), ("topic", b"orders".decode()))
        family = Family(name.decode(), help=b"Some text.".decode())
        return table[table.intern(name.decode(), labels, family)]

    one, two, other = of_topic(b"size", "0"), of_topic(b"end", "0"), of_topic(b"size", "1")
    assert one.labels is two.labels
    assert one.labels[1] is other.labels[1]
    assert one.family is other.family
    assert one.name is other.name
    assert one.name is one.family.name


def test_text_that_is_not_unicode_can_be_written_all_the_same():
    """A mount point that is no UTF-8, half a character out of Java: no reason to lose rounds."""
    table = SeriesTable()
    torn = table.intern("up", (("mountpoint", "/mnt/\udcff"),), UP._replace(help="\ud800!"))
    assert table[torn].labels == (("mountpoint", "/mnt/\ufffd"),)
    assert table[torn].family.help == "\ufffd!"
    assert table.intern("up", (("mountpoint", "/mnt/\udcff"),), UP) == torn
    # Another torn name that looks the same then is the same: a dictionary has no series twice.
    assert table.intern("up", (("mountpoint", "/mnt/\udcfe"),), UP) == torn
    whole = table.intern("up", (("topic", "\ud83d\ude00 käse"),), UP)
    assert table[whole].labels == (("topic", "\U0001f600 käse"),)
    built = dictionary.build(STREAM, [table[torn], table[whole]])
    assert list(dictionary.unpack_dictionary(built.packed).series) == [table[torn], table[whole]]

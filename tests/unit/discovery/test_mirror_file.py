"""The properties of a MirrorMaker 2 that runs by itself."""

from __future__ import annotations

from collector.discovery.found import Mirror
from collector.discovery.mirror_file import mirrors

TEXT = """
clusters = plant, central
plant.bootstrap.servers=127.0.0.1:9092
central.bootstrap.servers=hq-1:9092,hq-2:9092
central.sasl.jaas.config=secret
plant->central.enabled=true
plant->central.topics=pos\\\\..*,orders
central->plant.enabled=false
"""


def test_the_flows_that_are_enabled_and_nothing_secret():
    assert mirrors(TEXT) == (
        Mirror(
            name="plant->central",
            source="plant",
            target="central",
            topics=("pos\\..*", "orders"),
            source_servers=("127.0.0.1:9092",),
            target_servers=("hq-1:9092", "hq-2:9092"),
        ),
    )


def test_topics_may_be_said_for_all_flows_or_not_at_all():
    both = "clusters=a,b\na->b.enabled=true\nb->a.enabled=TRUE\n"
    assert [flow.topics for flow in mirrors(both + "topics=x\n")] == [("x",), ("x",)]
    assert [flow.topics for flow in mirrors(both)] == [(".*",), (".*",)]


def test_a_file_of_something_else_has_none():
    assert mirrors("") == ()
    assert mirrors("a->b.enabled=true\n") == ()

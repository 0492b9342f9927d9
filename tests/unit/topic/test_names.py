"""Which topics a name means, and which streams may be in them."""

from __future__ import annotations

import re

import pytest

from collector.frames.dictionary import Stream
from collector.topic.names import TopicNames


def of(site: str) -> Stream:
    return Stream(site, "edge-1", "standard")


@pytest.mark.parametrize(
    "name, resource",
    [
        ("edgevitals.telemetry", "--topic edgevitals.telemetry"),
        ("edgevitals.{site}", "--topic edgevitals. --resource-pattern-type prefixed"),
        ("{site}.telemetry", "--topic '*'"),
    ],
)
def test_an_acl_names_the_topics_as_closely_as_it_can(name, resource):
    assert TopicNames(name).resource == resource


def test_a_plain_name_is_one_topic_with_streams_of_any_site():
    names = TopicNames("edgevitals.telemetry")
    assert names.subscription == "edgevitals.telemetry"
    assert names.site_of("edgevitals.telemetry") is None
    assert names.belongs(of("store-1"), "edgevitals.telemetry")


@pytest.mark.parametrize(
    "name, topic, site",
    [
        ("edgevitals.{site}", "edgevitals.store-1", "store-1"),
        ("plant.edgevitals.{site}", "plant.edgevitals.a.b_c", "a.b_c"),
        ("{site}", "store-1", "store-1"),
        ("{site}.to.{site}", "a.to.a", "a"),
        ("{site}.to.{site}", "a.to.b", None),
        ("edgevitals.{site}", "edgevitalsXstore-1", None),
        ("edgevitals.{site}", "plant.edgevitals.store-1", None),
        ("edgevitals.{site}", "edgevitals.", None),
        ("edgevitals.{site}", "edgevitals." + 65 * "x", None),
    ],
)
def test_any_sites_topic_is_meant_and_the_rest_is_as_it_is_written(name, topic, site):
    names = TopicNames(name)
    assert names.site_of(topic) == site
    subscribed = re.search(names.subscription, topic) is not None
    assert subscribed or site is None


def test_a_topic_of_a_site_holds_that_sites_streams_alone():
    names = TopicNames("plant.edgevitals.{site}")
    assert names.belongs(of("store-1"), "plant.edgevitals.store-1")
    assert not names.belongs(of("store-2"), "plant.edgevitals.store-1")
    assert not names.belongs(of("store-1"), "plant.edgevitals.store-10")


def test_a_name_means_its_topics_and_no_others():
    assert TopicNames("edgevitals.telemetry").has("edgevitals.telemetry")
    assert not TopicNames("edgevitals.telemetry").has("edgevitals.other")
    assert TopicNames("edgevitals.{site}").has("edgevitals.store-1")
    assert not TopicNames("edgevitals.{site}").has("telemetry.store-1")

"""A link as a target: what it tells, held against the cluster."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from collector.cluster.reading import Reader
from collector.cluster.view import TopicView, View
from collector.config import LinkConfig
from collector.patterns import matcher
from collector.series import TargetSeries
from collector.sources.links.model import LinkModel
from collector.sources.links.reading import Link
from collector.target import Reading

log = logging.getLogger(__name__)


class LinkSource:
    """One link."""

    def __init__(
        self, link: Link, reader: Reader, series: TargetSeries, config: LinkConfig
    ) -> None:
        self._link = link
        self._reader = reader
        self._is_source = config.side == "source"
        self._is_wanted = matcher(config.topics)
        self._name = config.name
        self._model = LinkModel(series, config.name, config.kind)
        self._failures: dict[str, str] = {}

    def read(self, deadline: float) -> Reading:
        """Read the link once. Raises SourceError when nothing of it can be read."""
        view = self._reader.view(deadline)
        topics = self._topics(view)
        found = self._link.read(topics, deadline)
        self._say(dict(found.failures))
        told = {
            name: topic
            for name, topic in found.topics.items()
            if (name in topics if topics else self._is_wanted(name))  # others' are told by others
        }
        values = self._model.values(found._replace(topics=told), view, topics)
        return Reading(list(values), list(map(float, values.values())))

    def close(self) -> None:
        """Never raises."""
        self._link.close()
        self._reader.close()

    def _say(self, failures: dict[str, str]) -> None:
        """Log what could not be read, when it is another failure than before."""
        for what in failures.keys() - self._failures.keys():
            log.warning("link %s: %s: %s", self._name, what, failures[what])
        self._failures = failures

    def _topics(self, view: View) -> Mapping[str, TopicView]:
        """The topics that must arrive, at the source; those that another collector tells are not.

        None of them while the cluster does not answer: what the link tells is told all the same.
        """
        if not self._is_source or not view.is_topics_whole:
            return {}
        return {topic.name: topic for topic in view.topics if self._is_wanted(topic.name)}

"""The topics of a reader: one, or by `{site}` one a site.

`{site}` stands for any site's name and says whose records belong into a topic; the rest of the
name is meant as it is written. A linker may put its own words around it: MirrorMaker 2 makes
`plant.edgevitals.store-1` of `edgevitals.store-1`, read as `plant.edgevitals.{site}`.
"""

from __future__ import annotations

import re

from collector.errors import WrongSite
from collector.frames.dictionary import Stream

ANY_SITE = "{site}"
_SITE = "[A-Za-z0-9._-]{1,64}"
_SITE_FOR_KAFKA = "[A-Za-z0-9._-]+"  # librdkafka's own engine of last resort knows no {1,64}


class TopicNames:
    """Which topics a name means, and whose streams may be in them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._pattern = self._compiled(_SITE) if ANY_SITE in name else None

    @property
    def subscription(self) -> str:
        """What a consumer subscribes to: the name, or a regular expression, which begins with ^."""
        return self.name if self._pattern is None else f"^{self._text(_SITE_FOR_KAFKA)}$"

    @property
    def resource(self) -> str:
        """The topics, as kafka-acls.sh is told them: it knows a name, and how names begin."""
        if self._pattern is None:
            return f"--topic {self.name}"
        head = self.name.partition(ANY_SITE)[0]
        return f"--topic {head} --resource-pattern-type prefixed" if head else "--topic '*'"

    def has(self, topic: str) -> bool:
        """Whether the name means this topic."""
        return bool(self._pattern.fullmatch(topic)) if self._pattern else topic == self.name

    def site_of(self, topic: str) -> str | None:
        """The site that a topic belongs to; None when any site's streams may be in it."""
        found = self._pattern.fullmatch(topic) if self._pattern else None
        return found["site"] if found else None

    def belongs(self, stream: Stream, topic: str) -> bool:
        """Whether a stream may be in this topic: its site is the topic's, where that has one.

        Brokers guard topics, not what is written into records: this makes their rules count for
        what a record says of itself too.
        """
        if self._pattern is None:
            return True
        return self.site_of(topic) == stream.site

    def _compiled(self, site: str) -> re.Pattern[str]:
        head, *more = map(re.escape, self.name.split(ANY_SITE))
        return re.compile(f"{head}(?P<site>{site}){'(?P=site)'.join(more)}")

    def _text(self, site: str) -> str:
        """As POSIX writes it: the only character of a topic's name with a meaning is the dot."""
        return site.join(part.replace(".", "[.]") for part in self.name.split(ANY_SITE))


def wrong_site(stream: Stream | None) -> WrongSite:
    """What is to be said of a record that doesn't belong into its topic."""
    whose = "/".join(stream) if stream else "another site"
    return WrongSite(
        f"a record of {whose} in the topic of another site",
        "does a collector write to the wrong topic? Give it the right site, or its user no right "
        "to write here",
    )

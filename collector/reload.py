"""SIGHUP: the configuration is read again, and what can change in a running process changes.

Sources, links and labels change between two rounds, and nothing is lost or told twice for it. The
rest is part of the line itself: a configuration in which any of that differs is refused as a whole,
as is one with an error. Half of a file would be a configuration that nobody has written.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Event

from collector.config import Config
from collector.errors import ConfigError

SWAPPED = frozenset({"labels", "sources", "links"})
"""The keys that can change. All others need a restart."""

log = logging.getLogger(__name__)


def must_not_differ(now: Config, wanted: Config) -> None:
    """Raise ConfigError with the keys, of the top level, that can't change in a process."""
    fields = Config.__struct_fields__
    differ = [key for key in fields if getattr(now, key) != getattr(wanted, key)]
    keys = [key for key in differ if key not in SWAPPED]
    if now.is_forwarder != wanted.is_forwarder:
        keys.append("sources")  # a site writes to the topic from which a forwarder only reads
    if keys:
        raise ConfigError(
            f"these keys can't change while running: {', '.join(keys)}",
            "restart edgevitals, or take that change back and send SIGHUP again",
        )


class Reload:
    """What the configuration is, and what became of the last wish to change it.

    `hash` is the configuration's, made once: every round tells it. `refused` says why the file is
    not in force, None when it is. `succeeded_at` is Unix time.
    """

    def __init__(self, config: Config, read: Callable[[], Config], asked: Event) -> None:
        """`read` returns the file's configuration or raises ConfigError; `asked` is set to ask."""
        self.config = config
        self.hash = config.hash
        self.refused: str | None = None
        self.succeeded_at = time.time()
        self._read = read
        self._asked = asked

    def look(self, put_in_force: Callable[[Config], None]) -> None:
        """Read the file again if that was asked for. Raises nothing that the file does.

        `put_in_force` may raise ConfigError, and has changed nothing then.
        """
        if not self._asked.is_set():
            return
        self._asked.clear()
        try:
            wanted = self._read()
            must_not_differ(self.config, wanted)
            put_in_force(wanted)
        except ConfigError as error:
            self.refused, *_ = str(error).splitlines()  # the log has them all
            log.error("the new configuration is refused, the one before stays: %s", error)  # noqa: TRY400
            return
        self.config = wanted
        self.hash = wanted.hash
        self.refused = None
        self.succeeded_at = time.time()
        log.info("the configuration was read again, and is in force from the next round on")

"""The log of `run`: one line an event on stderr, where systemd and Kubernetes take it."""

from __future__ import annotations

import logging
import sys
import time

LEVELS = ("debug", "info", "warning", "error")


class _OneLine(logging.Formatter):
    """Times in UTC. What others sent us can't begin a line of its own; tracebacks can."""

    @staticmethod
    def converter(at: float | None) -> time.struct_time:
        return time.gmtime(at)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        record.message = record.message.replace("\r", " ").replace("\n", "\n  ")
        return super().formatMessage(record)


def to_stderr(level: str) -> None:
    """Send every log line of the process to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _OneLine(
            "%(asctime)s.%(msecs)03dZ %(levelname)-7s %(name)s: %(message)s",
            datefmt="%Y-%m-%dT%H:%M:%S",
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # One line a request and a retry is not what "debug" is asked for.
    logging.getLogger("urllib3").setLevel(logging.WARNING)

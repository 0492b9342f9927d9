"""For all tests: nothing is left running, and hypothesis gives the same answer twice."""

from __future__ import annotations

import logging
import os

import pytest
from hypothesis import settings

_LOGGERS = (None, "collector.target", "urllib3")

# No deadline: the machine is shared, and a slow example is no wrong one. The CI repeats itself.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


@pytest.fixture(autouse=True)
def log_levels():
    """Verbs set the levels of loggers for their process, which here is that of all tests."""
    before = {name: logging.getLogger(name).level for name in _LOGGERS}
    yield
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)

"""For all tests: nothing is left running, and hypothesis gives the same answer twice."""

from __future__ import annotations

import os

from hypothesis import settings

# No deadline: the machine is shared, and a slow example is no wrong one. The CI repeats itself.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

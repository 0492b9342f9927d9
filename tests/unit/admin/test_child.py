"""What the child is made of. How it behaves is tested against a real broker."""

from __future__ import annotations

import subprocess
import sys

from collector.admin.client import COMMAND

LOADED = "import sys, {module}; print(*sorted(m for m in sys.modules if m.startswith('collector')))"


def test_the_child_loads_nothing_of_its_parent():
    """Its memory is bounded: each module of the parent's half would be in it a second time."""
    module = COMMAND[-1]
    command = [sys.executable, "-c", LOADED.format(module=module)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout.split() == [
        "collector",
        "collector.admin",
        "collector.admin.calls",
        "collector.admin.child",
        "collector.admin.cycle",
        "collector.admin.grants",
        "collector.admin.ownership",
        "collector.admin.snapshot",
        "collector.admin.wire",
        "collector.patterns",
    ]

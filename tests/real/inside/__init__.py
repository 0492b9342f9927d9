"""What runs inside namespaces of its own: a thin link, other name servers. Each prints JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]


def run(module: str, *arguments: str | Path, seconds: float = 120.0) -> Any:
    """Run a module of this package with a network and mounts that nobody else sees."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    command: list[str | Path] = ["unshare", *user, "--net", "--mount", "--kill-child", "--fork"]
    command += ["--", sys.executable, "-m", f"{__name__}.{module}", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=seconds
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout.splitlines()[-1])


def do(*words: str) -> None:
    """Run a command of iproute2 or util-linux. Raises CalledProcessError."""
    subprocess.run(words, check=True, capture_output=True)

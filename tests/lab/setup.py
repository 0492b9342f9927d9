"""Make this clone ready: the Python environment, and the real parts that the tests start.

    python3 -m tests.lab.setup           both
    python3 -m tests.lab.setup tests     and the older releases that only tests start
    python3 -m tests.lab.setup python    the environment alone

What is there already is left alone, so a second run takes a moment. Standard library only.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from tests.lab import go, parts

UV = "uv==0.13.9"  # used where the machine has no uv of its own
ENVIRONMENT = parts.PROJECT / ".venv"
PYTHON = ENVIRONMENT / "bin/python"


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["tests"], ["python"]):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        with parts.locked(parts.PROJECT / ".cache/setup.lock"):
            make_environment()
        if arguments != ["python"]:
            fetch_parts()
        if arguments == ["tests"]:
            fetch_parts_of_tests()
    except parts.SetupError as failure:
        parts.say(f"set-up stopped: {failure}")
        return 1
    return 0


def make_environment() -> None:
    """Install what uv.lock says into .venv, unless that was done since the lock changed."""
    sources = [parts.PROJECT / name for name in ("pyproject.toml", "uv.lock")]
    wanted = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    stamp = ENVIRONMENT / ".edgevitals-lock"
    if PYTHON.exists() and stamp.exists() and stamp.read_text() == wanted:
        return
    # With uv of its own in .venv the sync must leave it there: --inexact.
    uv = shutil.which("uv")
    sync: parts.Command = (
        [uv, "sync", "--locked"] if uv else [own_uv(), "sync", "--locked", "--inexact"]
    )
    parts.say("installing the Python packages of uv.lock into .venv")
    parts.run_twice(sync, parts.PROJECT)
    stamp.write_text(wanted)


def own_uv() -> Path:
    """Return the uv of the project's own environment, made with venv and pip when needed."""
    if sys.version_info < (3, 11):  # noqa: UP036 - whoever types make may have an older one
        raise parts.SetupError(
            f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}. "
            "Type: make PYTHON=python3.11 test"
        )
    uv = ENVIRONMENT / "bin/uv"
    if not uv.exists():
        parts.say(f"installing {UV} into .venv")
        if not can_make_environments():
            parts.install("python3-venv", "this Python can't make virtual environments")
        parts.run([sys.executable, "-m", "venv", ENVIRONMENT], parts.PROJECT)
        parts.run_twice([PYTHON, "-m", "pip", "install", "--quiet", UV], parts.PROJECT)
    return uv


def can_make_environments() -> bool:
    """Debian's python3 has `venv`, but the pip it needs is in a package of its own."""
    ask = [sys.executable, "-c", "import venv, ensurepip"]
    return subprocess.run(ask, capture_output=True, check=False).returncode == 0


def fetch_parts() -> None:
    parts.java()
    parts.kafka()
    parts.prometheus()


def fetch_parts_of_tests() -> None:
    for version in ("3.9.2", "3.6.2"):
        parts.kafka(version)
    parts.jars("jmx-exporter-1.0.1")
    parts.faketime()
    parts.strace()
    go.prometheus3()
    go.jaeger()
    go.alertmanager()
    go.compose()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

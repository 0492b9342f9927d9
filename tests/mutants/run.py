"""Planted bugs: each patch breaks a promise, and the test that guards it must fail.

    python -m tests.mutants.run [NAME...]

A patch begins with lines `Test: <pytest id>`; one of these tests failing is enough. Each patch is
applied to a copy of the tree, so nothing here is touched. Exit code 1 when a bug survives.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

_HERE = Path(__file__).parent
_ROOT = _HERE.parent.parent
_COPIED = ("collector", "dashboards", "alerts", "deploy", "tests", "pyproject.toml", "pom.xml")
_PASSED, _FAILED = 0, 1


def _tests_of(patch: Path) -> list[str]:
    lines = patch.read_text("utf-8").splitlines()
    tests = [line.removeprefix("Test: ").strip() for line in lines if line.startswith("Test: ")]
    if not tests:
        raise SystemExit(f"{patch.name} names no test: begin it with a line `Test: <pytest id>`")
    return tests


def _copy(place: Path) -> None:
    for name in _COPIED:
        source = _ROOT / name
        if source.is_dir():
            shutil.copytree(source, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, place / name)


def _pytest(place: Path, tests: Iterable[str]) -> int:
    # As in CI: the same examples each time, so that a bug is found each time or never.
    environment = os.environ | {"CI": "1", "PYTHONPATH": str(place), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=place, env=environment, check=False, capture_output=True)
    if done.returncode not in {_PASSED, _FAILED}:
        print(done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
        raise SystemExit(f"pytest ended with {done.returncode}: are these its tests? {tests}")
    return done.returncode


def _apply(patch: Path, place: Path) -> None:
    environment = os.environ | {"GIT_CEILING_DIRECTORIES": str(place.parent)}
    command = ["git", "apply", "-p1", str(patch)]
    done = subprocess.run(command, cwd=place, env=environment, check=False, capture_output=True)
    if done.returncode != 0:
        raise SystemExit(f"{patch.name} no longer applies: {done.stderr.decode(errors='replace')}")


def main(names: list[str]) -> int:
    """Return how many bugs survived."""
    patches = sorted(_HERE.glob("*.patch"))
    if names:
        patches = [patch for patch in patches if patch.stem in names]
    if not patches:
        raise SystemExit("there is no such patch")
    survived = 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        sound = Path(folder, "sound")
        _copy(sound)
        every = sorted({test for patch in patches for test in _tests_of(patch)})
        if _pytest(sound, every) != _PASSED:
            raise SystemExit("without any bug these tests must pass: they don't")
        for patch in patches:
            place = Path(folder, patch.stem)
            _copy(place)
            _apply(patch, place)
            found = _pytest(place, _tests_of(patch)) == _FAILED
            survived += not found
            print(f"{'found   ' if found else 'SURVIVED'}  {patch.stem}", flush=True)
            shutil.rmtree(place)
    print(f"{len(patches) - survived} of {len(patches)} planted bugs found")
    return survived


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1:]) else 0)
